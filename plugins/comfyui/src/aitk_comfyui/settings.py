"""Where ComfyUI is."""

from __future__ import annotations

from pathlib import Path

import attrs

from aitk_core.settings import setting


@attrs.frozen(kw_only=True)
class ComfySettings:
    """TOML table `[comfyui]`."""

    url: str | None = setting(
        None,
        env="COMFYUI_URL",
        secret=True,
        description="Address of a running ComfyUI, such as http://127.0.0.1:8188; it is asked "
        "which models it sees.",
    )
    extra_paths: Path | None = setting(
        None,
        env="AITK_COMFYUI_EXTRA_PATHS",
        description="ComfyUI's extra_model_paths.yaml; default: the one in the folder above the "
        "first of COMFYUI_MODEL_ROOTS.",
    )
