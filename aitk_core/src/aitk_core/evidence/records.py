"""What is known of a run when analyzers look at it: collected once, immutable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from attrs import field, frozen

from aitk_core.backend.records import CpuInfo, GpuAnswer, JobRow
from aitk_core.evidence.config import RunConfig
from aitk_core.evidence.failures import FailureHit
from aitk_core.evidence.logscan import LogScan
from aitk_core.evidence.peers import PeerRun

LOSS: str = "loss/loss"
"""The trainer's key; plain `loss` matches nothing (backend/API.md section 4.9)."""
VALIDATION_LOSS: str = "val/loss"
LEARNING_RATE: str = "learning_rate"


@frozen(kw_only=True)
class Series:
    """One metric over the steps of a run, as columns of equal length, step ascending."""

    key: str
    steps: Sequence[int]
    """0-based optimizer steps."""
    wall_times: Sequence[float]
    """Unix seconds, NaN where unknown."""
    values: Sequence[float]
    """NaN where missing. A loss of exactly 0 stands for one that was not finite."""
    source: Literal["metrics", "log"]
    """The metrics database, or the progress bars of the log."""
    truncated: bool = False
    """There are newer points than were read."""

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.steps)


@frozen(kw_only=True)
class LogFacts:
    """The part of the log that was read."""

    scan: LogScan
    size_bytes: int
    """Of the whole log, when it was read."""
    truncated: bool
    """Older text than what was read exists."""

    @property
    def nan_lines(self) -> tuple[int, ...]:
        """Return lines of `loss is nan` in the newest run, at most the first and last 500."""
        first = self.scan.run_first_line
        return tuple(line for line in self.scan.nan_lines if line >= first)

    @property
    def nan_count(self) -> int:
        """Return how often the newest run printed it, as far as the lines were kept."""
        return len(self.nan_lines) if self.scan.restarts else self.scan.nan_count


@frozen(kw_only=True)
class RunEvidence:
    """A run as it stood at one moment. Missing is missing, never zero."""

    job: JobRow
    config: RunConfig
    series: Mapping[str, Series] = field(factory=dict)
    """By key; a key without points is absent."""
    metric_keys: tuple[str, ...] = ()
    """Keys the metrics database has, also those not read."""
    log: LogFacts | None = None
    """None where the log could not be read; a log that is empty has a scan without lines."""
    hits: tuple[FailureHit, ...] = ()
    """Known failures in the newest run's messages, by line, and then in the row of a job that
    failed. Empty also where neither could be read."""
    gpu: GpuAnswer | None = None
    cpu: CpuInfo | None = None
    active_jobs: int | None = None
    """Jobs that run or wait, this one included; None where it was not asked."""
    peers: tuple[PeerRun, ...] | None = None
    """Finished runs of the same model, resolution, batch and GPU; None where it was not asked."""
    sampled_steps: tuple[int, ...] | None = None
    """Completed steps that sample files are named after, ascending; None where it was not asked."""
    collected_at: float
    """Unix seconds."""
    missing: Mapping[str, str] = field(factory=dict)
    """What could not be read, and why: `{"log": "BACKEND_ERROR: ..."}`."""

    @property
    def loss(self) -> Series | None:
        """Return the training loss, or None."""
        return self.series.get(LOSS)

    @property
    def validation_loss(self) -> Series | None:
        """Return the validation loss, or None."""
        return self.series.get(VALIDATION_LOSS)
