"""How much an upload may bring."""

from __future__ import annotations

import attrs

from aitk_core.settings import setting


@attrs.frozen(kw_only=True)
class UploadSettings:
    """Limits of upload-dataset. TOML table `[upload]`; the defaults are ours."""

    max_files: int = setting(
        2000, env="AITK_UPLOAD_MAX_FILES", minimum=1, description="Pictures in one upload."
    )
    max_file_bytes: int = setting(
        64 << 20,
        env="AITK_UPLOAD_MAX_FILE_BYTES",
        minimum=1,
        description="Bytes of one uploaded picture, decoded.",
    )
    max_bytes: int = setting(
        1 << 30,
        env="AITK_UPLOAD_MAX_BYTES",
        minimum=1,
        description="Bytes of one upload, decoded and unpacked.",
    )
