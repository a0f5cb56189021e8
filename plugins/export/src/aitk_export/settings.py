"""How much of a model one answer may hold."""

from __future__ import annotations

import attrs

from aitk_core.settings import setting


@attrs.frozen(kw_only=True)
class ExportSettings:
    """TOML table `[export]`."""

    inline_bytes: int = setting(
        4 * 1024 * 1024,
        env="AITK_DOWNLOAD_INLINE_BYTES",
        minimum=0,
        description="Largest piece of a model that an answer holds as base64; larger ones are "
        "fetched over HTTP or in pieces.",
    )
