"""What is kept of each run while many are compared: little, so that 200 fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from aitk_core.statistics.equal_samples import ValidationCurve
from aitk_core.statistics.speed import gaps_of, median_of, sustained_of
from aitk_observability.comparison.settings import Settings, settings_of
from aitk_observability.report.assess import Judged

if TYPE_CHECKING:
    from aitk_core.evidence.records import RunEvidence

_SPEED_GAPS: Final = 140
"""As many step times as a slow-down needs (STATS.md section 9)."""
_BLOCKS: Final = 20
"""STATS.md section 4."""


@frozen(kw_only=True)
class Pace:
    """The sustained speed of a run, pauses left out."""

    it_per_s: float
    relative_error: float
    """Standard error of the median over the median, from the medians of 20 blocks."""
    n: int


@frozen(kw_only=True, eq=False)
class ComparedRun:
    """One run of a comparison."""

    job_id: str
    judged: Judged
    report: Mapping[str, Any]
    """The contract's run report."""
    settings: Settings
    environment: Mapping[str, str]
    """Versions of its software, as far as they are known."""
    losses: NDArray[np.float64]
    """(n,) float64 training losses."""
    steps: NDArray[np.int64]
    """(n,) int64."""
    validation: ValidationCurve | None
    pace: Pace | None
    effective_batch: int

    @property
    def losses_n(self) -> int:
        """Return how many usable training losses there are."""
        count: int = self.judged.quality.get("loss", {}).get("count", 0)
        return count


def compared_run(
    judged: Judged, report: Mapping[str, Any], *, keep_series: bool = False
) -> ComparedRun:
    """Return what a comparison needs of a run.

    Args:
        judged: The run.
        report: Its run report.
        keep_series: Whether the evidence keeps its series; the log is let go in any case.
    """
    evidence = judged.evidence
    series, validation = evidence.loss, evidence.validation_loss
    batch = evidence.config.effective_batch
    return ComparedRun(
        job_id=evidence.job.id,
        judged=evolve(judged, evidence=_light(evidence, keep_series=keep_series)),
        report=report,
        settings=settings_of(evidence.job),
        environment=report["provenance"]["environment"],
        losses=np.asarray(series.values if series else (), dtype=np.float64),
        steps=np.asarray(series.steps if series else (), dtype=np.int64),
        validation=None
        if validation is None
        else ValidationCurve.of(
            list(validation.values), list(validation.steps), effective_batch=batch
        ),
        pace=_pace(evidence),
        effective_batch=batch,
    )


def _light(evidence: RunEvidence, *, keep_series: bool) -> RunEvidence:
    series = evidence.series if keep_series else {}
    return evolve(evidence, series=series, log=None, gpu=None, cpu=None)


def _pace(evidence: RunEvidence) -> Pace | None:
    series = evidence.loss
    if series is None:
        return None
    gaps = gaps_of(np.asarray(series.wall_times), np.asarray(series.steps)).per_step_s
    if len(gaps) < _SPEED_GAPS:
        return None
    sustained = sustained_of(gaps)
    seconds = median_of(sustained)
    medians = [median_of(block) for block in np.array_split(sustained, _BLOCKS)]
    error = float(np.std(medians, ddof=1)) / np.sqrt(_BLOCKS)
    return Pace(it_per_s=1 / seconds, relative_error=float(error / seconds), n=len(sustained))
