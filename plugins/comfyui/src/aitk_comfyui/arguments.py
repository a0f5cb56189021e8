"""Arguments of list-comfyui-models; names are the contract's, what is new is optional."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

from aitk_core.arguments import arg


@frozen(kw_only=True)
class ListComfyuiModels:
    """Arguments of list-comfyui-models."""

    query: str | None = arg(None, description="Part of name or path.", min_length=1, max_length=200)
    limit: int = arg(50, description="At most.", minimum=1, maximum=500)
    cursor: str | None = arg(
        None, description="Where the last answer ended.", pattern="^[0-9]{1,9}$"
    )
    folder: str | None = arg(
        None, description="checkpoints, loras, vae, text_encoders and so on.", max_length=60
    )
    base: str | None = arg(
        None,
        description="Model that its header shows, such as sdxl, flux or wan.",
        min_length=1,
        max_length=60,
    )
    sort: Literal["path", "modified", "size"] = arg("path", description="Order.")
    with_hash: bool = arg(False, description="Compute SHA-256.")
