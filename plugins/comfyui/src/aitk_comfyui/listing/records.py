"""What list-comfyui-models answers; its contract is a schema of the same fields."""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class ComfyLine:
    """One model; what is None is not known."""

    name: str
    path: str
    """Relative to its root."""
    root: str
    """`models`, `models1` and so on, a section of extra_model_paths.yaml, or `comfyui`."""
    folder: str
    """ComfyUI's name of the folder, or `other`."""
    size_bytes: int | None
    modified: str | None
    """ISO 8601, UTC."""
    kind: str | None
    """What the header shows: checkpoint, lora, vae, text_encoder and so on."""
    base: str | None
    """Label of the model it is, or is for."""
    model: str | None
    """Its id."""
    candidates: tuple[str, ...]
    """Ids of the models that fit, where the header cannot tell them apart."""
    archs: tuple[str, ...]
    """Ids of the AI Toolkit's architectures that fit."""
    why: str | None
    """The tensors that decided."""
    algorithm: str | None
    """Of a LoRA."""
    rank: int | None
    parameters: int | None
    dtypes: dict[str, int]
    trigger_words: tuple[str, ...]
    """Named as such in its metadata, or in the file beside it; untrusted."""
    frequent_tags: tuple[str, ...]
    """Of the captions it was trained on; untrusted."""
    said: str | None
    """What its own metadata call its base; untrusted."""
    agrees: bool | None
    """Whether that is what the tensors show."""
    loadable: bool | None
    """Whether the running ComfyUI lists it."""
    warning: str | None
    sha256: str | None
    problem: str | None
    """Why its header could not be read."""


@frozen(kw_only=True)
class ComfyPage:
    """One page of models."""

    models: tuple[ComfyLine, ...]
    total: int
    returned: int
    next_cursor: str | None
    roots: tuple[str, ...]
    """Folders that were searched, by name."""
    by_folder: dict[str, int]
    """Models that fit, by ComfyUI's folder."""
    comfyui_version: str | None
    """Of the running one."""
    notes: tuple[str, ...]
    """What could not be found out, and why."""
