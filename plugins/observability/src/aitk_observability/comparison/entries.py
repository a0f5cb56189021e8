"""The ranking as the contract shows it, with what is known of each distance beside it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from aitk_core.convert import unstructure
from aitk_core.statistics.compare import compare, compare_paired
from aitk_core.statistics.equal_samples import compare_validation_at
from aitk_core.statistics.overfit import overfit
from aitk_observability.comparison.ranking import METHOD, MINIMUM_COVERAGE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.protocols import BandPolicy
    from aitk_core.statistics.results import CompareResult
    from aitk_observability.comparison.ranking import Distance, Standing, Table
    from aitk_observability.comparison.run import ComparedRun

logger = logging.getLogger(__name__)

Band = Callable[[float | None, float, int], str | None]
"""From difference, standard error and sample size to the band's name."""

_DIFFERENCES: Final = 20
"""Settings named for each run; a person reads no more."""
_LEVEL: Final = 0.95
_SHORT: Final = frozenset(
    {
        "job_id",
        "job_name",
        "status",
        "overall_health",
        "summary",
        "metrics",
        "rank",
        "scores",
        "delta_to_winner",
    }
)
_SHORT_COMPARISON: Final = frozenset(
    {"verdict", "distinguishable", "delta", "method", "scoring_method", "differences", "confounded"}
)


def banding(policy: BandPolicy, notes: list[str]) -> Band:
    """Return a policy's band as a function that never raises.

    Args:
        policy: Installed by any plugin.
        notes: Gets a sentence where it fails.
    """

    def band(delta: float | None, error: float, n: int) -> str | None:
        if delta is None:
            return None
        try:
            name: object = policy.band(delta, standard_error=error, n=n)
        except Exception as fault:  # foreign code may fail in any way
            logger.exception("band policy")
            told = f"the band policy failed: {type(fault).__name__}"
            if told not in notes:
                notes.append(told)
            return None
        return name if isinstance(name, str) else None

    return band


def band_source(policy: BandPolicy) -> dict[str, Any]:
    """Return the provenance as the contract shows it: id, units, thresholds."""
    source = policy.source()
    thresholds = source.get("thresholds") or {}
    return {
        "id": source["id"],
        "units": source["units"],
        "thresholds": {
            name: thresholds.get(name) for name in ("negligible_lte", "moderate_lte", "large_gt")
        },
    }


def shortened(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return what stays of a run far down a long ranking: place, scores, distance, health."""
    told = {k: v for k, v in entry["comparison"].items() if k in _SHORT_COMPARISON}
    return {k: v for k, v in entry.items() if k in _SHORT} | {"comparison": told}


def ranking_of(table: Table, *, policy: BandPolicy, notes: list[str]) -> dict[str, Any]:
    """Return the contract's ranking of a table with at least one run."""
    band, source = banding(policy, notes), band_source(policy)
    winner = table.standings[0]
    distances = [table.distance(other, winner) for other in table.standings]
    tied = [
        standing.run.job_id
        for standing, distance in zip(table.standings[1:], distances[1:], strict=True)
        if not distance.distinguishable
    ]
    entries = []
    for rank, (standing, distance) in enumerate(zip(table.standings, distances, strict=True), 1):
        entries.append(
            {
                **dict(standing.run.report),
                "rank": rank,
                "scores": {
                    "total": round(standing.total, 2),
                    "components": {
                        name: None if score is None else round(score.value, 2)
                        for name, score in standing.components.items()
                    },
                    "weights": {name: round(w, 6) for name, w in standing.weights.items()},
                },
                "delta_to_winner": _delta(standing, winner, distance, band, source),
                "comparison": _comparison(table, standing, winner, distance, tied)
                | {"band_policy": dict(policy.source())},
            }
        )
    return {
        "ranking": entries,
        "winner_job_id": winner.run.job_id,
        "winner_score": round(winner.total, 2),
        "score_spread": round(winner.total - table.standings[-1].total, 2),
    }


def _delta(
    standing: Standing,
    winner: Standing,
    distance: Distance,
    band: Band,
    source: Mapping[str, Any],
) -> dict[str, Any]:
    n = min(standing.run.losses_n, winner.run.losses_n)
    deltas: dict[str, float | None] = {}
    bands: dict[str, str | None] = {}
    for name, score in standing.components.items():
        best = winner.components[name]
        deltas[name] = bands[name] = None
        if score is not None and best is not None:
            deltas[name] = round(score.value - best.value, 2)
            bands[name] = band(deltas[name], (score.error**2 + best.error**2) ** 0.5, n)
    total = round(distance.total, 2)
    return {
        "total": total,
        "total_band": band(total, distance.error, n),
        "components": deltas,
        "component_bands": bands,
        "band_source": dict(source),
    }


def _comparison(
    table: Table, standing: Standing, winner: Standing, distance: Distance, tied: list[str]
) -> dict[str, Any]:
    is_winner = standing is winner
    run, best = standing.run, winner.run
    others = len(table.standings) - 1
    if is_winner:
        verdict = "alone" if not others else "tied" if tied else "winner"
    else:
        verdict = "behind" if distance.distinguishable else "tied_with_winner"
    answer: dict[str, Any] = {
        "verdict": verdict,
        "distinguishable": (not tied if others else None)
        if is_winner
        else distance.distinguishable,
        "tied_with": tied if is_winner else [],
        "delta": None
        if is_winner
        else {
            "estimate": round(distance.total, 2),
            "low": round(distance.interval[0], 2),
            "high": round(distance.interval[1], 2),
            "level": round(1 - (1 - _LEVEL) / max(1, others), 5),
            "standard_error": round(distance.error, 4),
            "n": min(run.losses_n, best.losses_n),
            "unit": "score points",
        },
        "method": METHOD,
        "scoring_method": run.judged.components.method,
        "compared": list(table.compared),
        "not_compared": dict(table.left_out),
        "coverage": table.coverage,
        "minimum_coverage": MINIMUM_COVERAGE,
        "total_standard_error": round(standing.error, 4),
        "validation": _validation(table, run, None if is_winner else best),
        "speed": _speed(run, best),
    }
    if not is_winner:
        answer["training_loss"] = _training_loss(run, best, others)
        answer |= _confounders(run, best)
    return answer


def _speed(run: ComparedRun, best: ComparedRun) -> dict[str, Any] | None:
    if run.pace is None:
        return None
    why = run.settings.why_not_speed(best.settings)
    comparable = why is None and best.pace is not None
    return {
        "median_it_per_s": run.pace.it_per_s,
        "relative_standard_error": run.pace.relative_error,
        "n": run.pace.n,
        "times_the_winners": run.pace.it_per_s / best.pace.it_per_s
        if comparable and best.pace is not None
        else None,
        "not_comparable": why,
        "used_for_ranking": False,
    }


def _validation(table: Table, run: ComparedRun, best: ComparedRun | None) -> dict[str, Any] | None:
    curve = run.validation
    if curve is None or not curve.n:
        return None
    found = overfit(curve.values, curve.samples / max(1, run.effective_batch))
    answer: dict[str, Any] = {
        "samples": table.samples,
        "value": None if table.samples is None else curve.at(table.samples),
        "n": curve.n,
        "best_value": found.best_value,
        "best_step": found.best_step,
        "overfitting": found.verdict,
    }
    if best is not None and best.validation is not None and table.samples is not None:
        told = compare_validation_at(curve, best.validation, samples=table.samples)
        answer["against_winner"] = _result(told)
    return answer


def _training_loss(run: ComparedRun, best: ComparedRun, others: int) -> dict[str, Any]:
    """Compare over the same steps; the batch is the same where they are comparable at all."""
    why = run.settings.why_not_training_loss(best.settings)
    last = min((int(one.steps[-1]) for one in (run, best) if len(one.steps)), default=-1)
    kept = [(one.losses[one.steps <= last], one.steps[one.steps <= last]) for one in (run, best)]
    (a, steps_a), (b, steps_b) = kept
    told = compare_paired(a, b, steps_a=steps_a, steps_b=steps_b, not_comparable=why)
    if told.verdict in ("not_paired", "undetermined"):
        alpha = (1 - _LEVEL) / max(1, others)
        told = compare(a, b, steps_a=steps_a, steps_b=steps_b, not_comparable=why, alpha=alpha)
    return _result(told) | {
        "used_for_ranking": False,
        "note": "a lower training loss is no better run: it can be the one that memorised most",
    }


def _result(told: CompareResult) -> dict[str, Any]:
    return {
        "verdict": {"a_lower": "lower", "a_higher": "higher"}.get(told.verdict, told.verdict),
        "reason": told.reason,
        "log_ratio": told.estimate,
        "interval": None if told.interval is None else list(told.interval),
        "n": told.n,
        "needed_n": told.needed_n,
        "method": told.method,
        "false_alarm_rate": unstructure(told.false_alarm_rate),
    }


def _confounders(run: ComparedRun, best: ComparedRun) -> dict[str, Any]:
    differences = run.settings.differences(best.settings)
    # Software first: it changes what the same settings do.
    software = [
        {"path": f"environment.{name}", "value": version, "other": best.environment[name]}
        for name, version in run.environment.items()
        if name in best.environment and best.environment[name] != version
    ]
    return {
        "differs_in": [*software, *unstructure(list(differences))][:_DIFFERENCES],
        "differences": len(software) + len(differences),
        # One change can be credited with a difference, two cannot (PRACTICE R08).
        "confounded": len(software) + len(differences) > 1,
    }
