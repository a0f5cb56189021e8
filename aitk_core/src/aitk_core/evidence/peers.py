"""Finished runs that a run's speed can be held against: same model, resolution, batch and GPU."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

from attrs import frozen

from aitk_core.evidence.config import read_config

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aitk_core.backend.records import JobRow

_SPEED: Final = re.compile(r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*(sec/iter|iter/sec)\s*")
"""`1.25 sec/iter` or `2.61 iter/sec` (backend/API.md section 11.1)."""


@frozen(kw_only=True)
class PeerRun:
    """A finished run of the same kind, and the speed its bar showed last."""

    job_id: str
    seconds_per_step: float
    """Smoothed by the bar; sampling and saving left out."""


def seconds_per_step(speed_string: str | None) -> float | None:
    """Return what the backend's speed text says, or None where it says nothing usable."""
    found = _SPEED.fullmatch(speed_string or "")
    if found is None:
        return None
    value = float(found[1])
    if not math.isfinite(value) or value <= 0:
        return None
    return value if found[2] == "sec/iter" else 1 / value


def peers_of(job: JobRow, rows: Iterable[JobRow]) -> tuple[PeerRun, ...]:
    """Return the completed runs whose speed means the same as the job's.

    Args:
        job: The run; one whose config does not name model and resolution has no peers.
        rows: All jobs of the backend.
    """
    kind = _kind(job)
    if kind is None:
        return ()
    return tuple(
        PeerRun(job_id=row.id, seconds_per_step=speed)
        for row in rows
        if row.id != job.id
        and row.status == "completed"
        and (speed := seconds_per_step(row.speed_string)) is not None
        and _kind(row) == kind
    )


def _kind(job: JobRow) -> tuple[object, ...] | None:
    config = read_config(job.config)
    if config.model_name is None or not config.resolution:
        return None
    return (
        config.model_name,
        config.arch,
        config.resolution,
        config.batch_size or 1,
        config.gradient_accumulation or 1,
        job.gpu_ids,
    )
