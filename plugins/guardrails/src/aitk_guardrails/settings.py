"""How watches live beyond the client that asked for them."""

from __future__ import annotations

import attrs

from aitk_core.settings import setting


@attrs.frozen(kw_only=True)
class WatchSettings:
    """Watches of runs. TOML table `[watch]`."""

    detach: bool = setting(
        False,
        env="AITK_WATCH_DETACH",
        description="Where only servers over stdio run, which end with their client, start "
        "`aitk watch` apart for a new watch; it ends when nothing is watched any more.",
    )
