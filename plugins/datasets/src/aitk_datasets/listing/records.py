"""What list-datasets answers; each record has its contract in a schema of the same fields."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

Source = Literal["folder", "backend"]


@frozen(kw_only=True)
class Captions:
    """The caption files of a folder, by name alone."""

    with_caption: int
    """Pictures with a caption file."""
    without_caption: int
    """Pictures without one."""
    orphans: int
    """Caption files without media."""


@frozen(kw_only=True)
class Problem:
    """Something that the names and sizes of files show."""

    code: str
    """Stable word."""
    count: int
    """Files it holds of, at least 1."""
    examples: tuple[str, ...]
    """A few of them."""


@frozen(kw_only=True)
class UsedBy:
    """A job that trains a folder of that name."""

    id: str
    """The backend's id."""
    name: str | None
    """Its name."""
    status: str | None
    """The backend's word."""


@frozen(kw_only=True)
class DatasetLine:
    """One folder; what is None is not known."""

    name: str
    """Name below the datasets root."""
    images: int | None = None
    """Pictures that the trainer lists, those of sub-folders too."""
    videos: int | None = None
    """Videos, those of sub-folders too."""
    bytes: int | None = None
    """Of the pictures together."""
    captions: Captions | None = None
    """Its caption files."""
    problems: tuple[Problem, ...] | None = None
    """What names and sizes show."""
    jobs: tuple[UsedBy, ...] | None = None
    """Jobs that train it, newest first, a few of them."""
    job_count: int | None = None
    """All of these jobs."""


@frozen(kw_only=True)
class DatasetPage:
    """One page of the datasets."""

    source: Source
    """Who says so: the folder on this machine, or the backend."""
    datasets: tuple[DatasetLine, ...]
    """By name."""
    total: int
    """Folders that there are."""
    returned: int
    """Folders in this answer."""
    next_cursor: str | None
    """Where the next page begins."""
    notes: tuple[str, ...]
    """What could not be found out, and why."""
