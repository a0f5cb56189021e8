"""What is known beside the config: collected by a caller, and None where it is not known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from attrs import field, frozen

PathState = Literal["folder", "file", "missing"]


@frozen(kw_only=True)
class DatasetFacts:
    """One folder of `datasets[]`, as this machine or `inspect-dataset` saw it."""

    state: PathState
    images: int | None = None
    """Pictures that the trainer lists."""
    videos: int | None = None
    captioned: int | None = None
    """Pictures with a caption that is not empty."""
    corrupt: int | None = None
    """Files named as pictures that give none."""
    duplicates: int | None = None
    """Pictures beyond the first of each group of duplicates."""
    smallest_side: int | None = None
    """Pixels; the short side of the smallest picture."""
    scanned: int | None = None
    """Pictures that the counts of captions, corrupt files and duplicates are about."""


@frozen(kw_only=True)
class ModelFacts:
    """The model of a config, where it is a path or was looked for among installed ones."""

    state: PathState
    entries: frozenset[str] = frozenset()
    """Names in the folder."""
    resolved: str | None = None
    """The path that it was found at."""
    resolution_source: str | None = None
    """Which root it was found below."""


@frozen(kw_only=True)
class LintFacts:
    """All that checks may know beside the config; None is unknown, never absent."""

    datasets: Mapping[str, DatasetFacts] = field(factory=dict)
    """By the folder as the config names it."""
    models: Mapping[str, ModelFacts] = field(factory=dict)
    """By `model.name_or_path` as the config has it."""
    free_disk_bytes: int | None = None
    """On the disk of the backend's training folder."""
    gpu_memory_bytes: int | None = None
    """Of the GPU that the run will have."""
    has_hub_token: bool | None = None
    """Whether the backend's settings hold a Hugging Face token."""
    existing_step: int | None = None
    """Newest checkpoint below the training folder under the config's name; 0 where there is
    none."""
