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
    heartbeat_url: str | None = setting(
        None,
        env="AITK_WATCH_HEARTBEAT_URL",
        secret=True,
        description="Asked with GET as long as the watch loop is alive, such as a check of "
        "Healthchecks.io: when it falls silent, somebody else tells you.",
    )
    heartbeat_seconds: float = setting(
        60.0,
        env="AITK_WATCH_HEARTBEAT_SECONDS",
        minimum=1,
        description="Seconds between two heartbeats.",
    )
