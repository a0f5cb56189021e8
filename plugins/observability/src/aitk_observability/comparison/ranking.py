"""Who is ahead, by what can be compared, and whether the distance is more than noise.

`evidence_v1` ranks by the weighted mean of the components that every ranked run has:

- convergence: from the validation loss at the largest number of samples that all runs have
  seen, 50 + 100 (1 - v / v0), v0 being the mean of the runs' losses where they begin to
  overlap. Without comparable validation losses there is none: a training loss, last or
  smallest, says which run memorised most (STATS.md section 7).
- stability: as for one run; it counts events and is exact.
- speed: the share of its own early speed that a run held which has slowed down, 100 for one
  that has not; exact, like stability. Rates of different runs are shown, not ranked: nine
  recorded runs of one model, resolution and batch, on a machine with other work to do, lie a
  factor of 3.6 apart.
- dataset: as for one run.

Each component has a standard error, so the total has one; a run is called distinguishable
where the interval of its distance from the winner, at 0.05 divided by the number of
comparisons, does not contain 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

from attrs import frozen

from aitk_core.statistics.equal_samples import shared_span
from aitk_core.statistics.methods import METHODS
from aitk_observability.comparison.run import ComparedRun
from aitk_observability.comparison.settings import first_reason
from aitk_observability.scoring.reference import RANKING_WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Sequence


METHOD: Final = "rank_common_components_v1"
MINIMUM_COVERAGE: Final = 0.3
"""Stability alone says which runs are broken; below that there is nothing to rank by."""
_ALPHA: Final = 0.05
_VAL: Final = METHODS["compare_val_at_samples_v1"]
_VAL_ERROR: Final = (
    _VAL.number("smallest_difference") / _VAL.number("standard_errors") / math.sqrt(2)
)
"""Relative standard error of one run's validation loss: half the variance of a difference."""


@frozen(kw_only=True)
class Score:
    """One component of one run, with its standard error in score points."""

    value: float
    error: float = 0.0


@frozen(kw_only=True)
class Standing:
    """One run in its place."""

    run: ComparedRun
    total: float
    error: float
    """Standard error of the total, score points."""
    components: Mapping[str, Score | None]
    weights: Mapping[str, float]
    """Renormalised over what all runs have; 0 for what is left out."""


@frozen(kw_only=True)
class Distance:
    """How far a run is behind another: run minus other, score points."""

    total: float
    error: float
    interval: tuple[float, float]
    distinguishable: bool
    """The interval does not contain 0. Two exact totals that differ are told apart."""


@frozen(kw_only=True)
class Table:
    """The runs from best to worst, and what they were ranked by."""

    standings: tuple[Standing, ...]
    compared: tuple[str, ...]
    """Components that count."""
    left_out: Mapping[str, str]
    """Components that do not, and why."""
    coverage: float
    samples: float | None
    """Samples seen at which the validation losses are compared."""

    def distance(self, run: Standing, other: Standing) -> Distance:
        """Return how far two runs are apart."""
        comparisons = max(1, len(self.standings) - 1)
        error = math.hypot(run.error, other.error)
        half = NormalDist().inv_cdf(1 - _ALPHA / (2 * comparisons)) * error
        delta = run.total - other.total
        return Distance(
            total=delta,
            error=error,
            interval=(delta - half, delta + half),
            distinguishable=abs(delta) > half,
        )


def rank(runs: Sequence[ComparedRun]) -> Table:
    """Rank runs; input order breaks ties.

    Args:
        runs: One or more, each with an assessed stability.
    """
    left_out: dict[str, str] = {}
    scores: dict[str, list[Score] | None] = {
        "convergence": None,
        "speed": None,
        "stability": [Score(value=_known(run, "stability")) for run in runs],
        "dataset": None,
    }
    samples, reason = _common_samples(runs)
    if samples is None:
        left_out["convergence"] = reason
    else:
        scores["convergence"] = _convergence(runs, samples)
    scores["speed"], why = _speeds(runs)
    if scores["speed"] is None:
        left_out["speed"] = why
    if all(run.judged.components.values["dataset"] is not None for run in runs):
        scores["dataset"] = [Score(value=_known(run, "dataset")) for run in runs]
    else:
        left_out["dataset"] = "not assessed for every run"
    there = {name: points for name, points in scores.items() if points is not None}
    assessed = sum(RANKING_WEIGHTS[name] for name in there)
    weights = {
        name: RANKING_WEIGHTS[name] / assessed if name in there else 0.0 for name in RANKING_WEIGHTS
    }
    standings = [
        _standing(run, {n: there[n][i] if n in there else None for n in scores}, weights)
        for i, run in enumerate(runs)
    ]
    standings.sort(key=lambda standing: -round(standing.total, 6))
    return Table(
        standings=tuple(standings),
        compared=tuple(there),
        left_out=left_out,
        coverage=round(assessed / sum(RANKING_WEIGHTS.values()), 4),
        samples=None if samples is None else samples[1],
    )


def _known(run: ComparedRun, component: str) -> float:
    return run.judged.components.values[component] or 0.0


def _standing(
    run: ComparedRun, components: Mapping[str, Score | None], weights: Mapping[str, float]
) -> Standing:
    there = {name: score for name, score in components.items() if score is not None}
    return Standing(
        run=run,
        total=sum(weights[name] * score.value for name, score in there.items()),
        error=math.hypot(*(weights[name] * score.error for name, score in there.items())),
        components=components,
        weights=weights,
    )


def _common_samples(runs: Sequence[ComparedRun]) -> tuple[tuple[float, float] | None, str]:
    curves = [run.validation for run in runs if run.validation is not None]
    if len(curves) < len(runs):
        without = [run.job_id for run in runs if run.validation is None]
        many = f"{len(without)} of {len(runs)} runs have no validation loss"
        hint = "; compare the others alone to rank by it" if len(curves) > 1 else ""
        return None, many + hint
    why = first_reason(
        first.settings.why_not_validation(second.settings) for first, second in pairwise(runs)
    )
    if why is not None:
        return None, f"the validation losses measure different things: {why}"
    span = shared_span(curves)
    # `shared_span` passes over curves that are too short.
    if span is None or any(curve.at(span[1]) is None for curve in curves):
        return None, "the runs were not evaluated over the same numbers of samples seen"
    return span, ""


def _convergence(runs: Sequence[ComparedRun], span: tuple[float, float]) -> list[Score]:
    curves = [run.validation for run in runs if run.validation is not None]
    starts = [value for curve in curves if (value := curve.at(span[0])) is not None]
    ends = [value for curve in curves if (value := curve.at(span[1])) is not None]
    start = sum(starts) / len(starts)
    return [
        Score(
            value=min(100.0, max(0.0, 50.0 + 100.0 * (1.0 - end / start))),
            error=100.0 * end / start * _VAL_ERROR,
        )
        for end in ends
    ]


def _speeds(runs: Sequence[ComparedRun]) -> tuple[list[Score] | None, str]:
    scores = []
    for run in runs:
        held = run.judged.components.values["speed"]
        if held is None:
            return None, "too few step times in some of the runs"
        is_slow = any(
            f.code == "STEPS_SLOWED_DOWN" and f.severity != "info" for f in run.judged.findings
        )
        scores.append(Score(value=held if is_slow else 100.0))
    return scores, ""
