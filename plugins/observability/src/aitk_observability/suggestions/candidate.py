"""One thing to try, and how much a run of it costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from attrs import field, frozen

if TYPE_CHECKING:
    from aitk_core.evidence.records import RunEvidence

RecommendationType: TypeAlias = Literal[
    "dataset",
    "stability",
    "memory",
    "convergence",
    "capacity",
    "throughput",
    "captioning",
    "exploration",
]
"""The contract's (SCORING.md section 8)."""

PLAN: Final = (
    "Change only this and keep seed, data and everything else as they are.",
    "Run until the step at which the finding appeared, and once more as long.",
    "Ask get-training-observability again and compare the finding, not the training loss.",
)
_PROCESS: Final = "config.process.0."
_SPREAD: Final = (0.25, 0.75)
"""Quartiles of the run's own step times: what half of its steps took; ours."""


@frozen(kw_only=True)
class Candidate:
    """One thing to try next."""

    recommendation_type: RecommendationType
    parameter: str
    current: Any
    proposed: Any
    motivated_by: tuple[str, ...] = ()
    """Codes of the findings; empty where the absence of evidence is the reason."""
    rationale: str
    expected_effect: str
    """What should be seen if it helps, and how large; with the source."""
    expected_impact: Literal["high", "moderate"]
    risk: str
    """What it can cost beside time."""
    risk_level: Literal["low", "medium"]
    source: str
    """PRACTICE rule, STATS section, or `ours` with the reason."""
    changes: Mapping[str, Any] = field(factory=dict)
    """Config path below the process, and the value to put there; empty where a person has to
    do something that no config change can."""
    needs: str = ""
    """What a person has to add before it can be started."""
    steps: int | None = None
    """Optimizer steps of the next run; None where the config does not say."""

    @property
    def paths(self) -> dict[str, Any]:
        """Return the changes by whole config path, such as `config.process.0.train.lr`."""
        return {_PROCESS + path: value for path, value in self.changes.items()}


def cost_of(candidate: Candidate, evidence: RunEvidence) -> dict[str, Any]:
    """Return steps and seconds of the proposed run, by this run's own step times.

    The interval spans the quartiles of the step times seen, pauses included on average; a
    change of resolution, batch or memory settings moves it by an amount nobody measured.

    Args:
        candidate: The proposal.
        evidence: Of the run it starts from.
    """
    steps = candidate.steps
    answer: dict[str, Any] = {
        "steps": steps,
        "seconds": None,
        "interval_s": None,
        "basis": "the run's step times are not known",
    }
    series = evidence.loss
    if steps is None or series is None:
        return answer
    import numpy as np

    from aitk_core.statistics.speed import gaps_of

    gaps = gaps_of(np.asarray(series.wall_times), np.asarray(series.steps)).per_step_s
    if len(gaps) < 1 / (1 - _SPREAD[1]):
        return answer
    low, high = np.quantile(gaps, _SPREAD)
    return answer | {
        "seconds": float(gaps.mean() * steps),
        "interval_s": [float(low * steps), float(max(high, gaps.mean()) * steps)],
        "basis": f"{len(gaps)} step times of this run, pauses included; loading is not",
    }
