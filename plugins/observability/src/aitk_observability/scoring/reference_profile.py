"""The intelligence profile of `reference_v1` (contract/SCORING.md section 5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from aitk_observability.scoring.context import (
    AdaptiveThresholds,
    RunContext,
    adaptive_thresholds,
)
from aitk_observability.scoring.reference_bottlenecks import (
    ACTIONS,
    STOP_CODES,
    Bottleneck,
    find_bottlenecks,
)
from aitk_observability.scoring.reference_components import (
    UNOBSERVED,
    caption_score,
    dataset_score,
    number,
    score_of,
    speed_score,
    stability_score,
    weighted_mean,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

PROFILE_WEIGHTS: Final[Mapping[str, float]] = {
    "convergence": 0.30,
    "stability": 0.30,
    "speed": 0.20,
    "dataset": 0.12,
    "caption_quality": 0.08,
}
_CONFIDENCE_BASE: Final = 0.35
_CONFIDENCE_STEP: Final = 0.12
_CONFIDENCE_MAX: Final = 0.95
_ALWAYS_COUNTED: Final = 3
"""Convergence, stability and speed count as observed even where they are not."""


@frozen(kw_only=True)
class ProfileScores:
    """Overall score and what it is made of."""

    overall: float
    components: Mapping[str, float | None]
    weights: Mapping[str, float]
    """Before they are renormalised over the components that are there."""


@frozen(kw_only=True)
class DecisionGates:
    """What may, or must, be done with a run."""

    ready_for_long_run: bool
    requires_immediate_stop: bool
    requires_dataset_repair: bool
    requires_caption_repair: bool
    safe_to_export: bool


@frozen(kw_only=True)
class Profile:
    """The `intelligence` object of a report."""

    scores: ProfileScores
    bottlenecks: tuple[Bottleneck, ...]
    recommendations: tuple[Mapping[str, str], ...]
    """`priority`, `for` and `action`, one for each distinct bottleneck."""
    decision_gates: DecisionGates
    thresholds: AdaptiveThresholds
    context: RunContext
    confidence: float
    """0 to 1; in practice 0.71 to 0.95."""


def intelligence(
    snapshot: Mapping[str, Any],
    *,
    metrics: Mapping[str, Any],
    context: RunContext,
    evaluation_passed: bool | None = None,
) -> Profile:
    """Profile a run.

    Args:
        snapshot: `overall_health`, the five analyses and `alerts` of the report.
        metrics: The run report's; what is missing is computed from the snapshot.
        context: What the run is judged as.
        evaluation_passed: None where no evaluation was made, which counts as not failed.
    """
    alerts = [alert for alert in snapshot.get("alerts") or [] if isinstance(alert, Mapping)]
    speed_it_per_s = _mean_speed(snapshot, metrics)
    components = _components(snapshot, metrics, alerts, context, speed_it_per_s)
    thresholds = adaptive_thresholds(context.model_family, context.run_class)
    bottlenecks = find_bottlenecks(
        snapshot,
        alerts=alerts,
        components=components,
        speed_it_per_s=speed_it_per_s,
        context=context,
        thresholds=thresholds,
    )
    overall = weighted_mean(components, PROFILE_WEIGHTS)
    observed = _ALWAYS_COUNTED + sum(
        components[name] is not None for name in ("dataset", "caption_quality")
    )
    confidence = _CONFIDENCE_BASE + _CONFIDENCE_STEP * observed
    by_code = {bottleneck.code: bottleneck for bottleneck in bottlenecks}
    return Profile(
        scores=ProfileScores(overall=overall, components=components, weights=dict(PROFILE_WEIGHTS)),
        bottlenecks=bottlenecks,
        recommendations=tuple(
            {"priority": bottleneck.severity, "for": code, "action": ACTIONS[code]}
            for code, bottleneck in by_code.items()
        ),
        decision_gates=decision_gates(
            overall,
            components=components,
            codes=by_code,
            is_critical=snapshot.get("overall_health") == "critical"
            or any(alert.get("severity") == "critical" for alert in alerts),
            evaluation_passed=evaluation_passed,
            thresholds=thresholds,
        ),
        thresholds=thresholds,
        context=context,
        confidence=round(min(_CONFIDENCE_MAX, max(_CONFIDENCE_BASE, confidence)), 2),
    )


def decision_gates(
    overall: float | None,
    *,
    components: Mapping[str, float | None],
    codes: Collection[str],
    is_critical: bool,
    evaluation_passed: bool | None,
    thresholds: AdaptiveThresholds,
) -> DecisionGates:
    """Return the gates.

    Args:
        overall: Score points; None, of a method that can tell so, opens no gate.
        components: Scores by name; None needs no repair.
        codes: Of the bottlenecks.
        is_critical: Whether the run's health or any alert is critical.
        evaluation_passed: None counts as not failed.
        thresholds: Of the run's family and class.
    """
    must_stop = not STOP_CODES.isdisjoint(codes)
    is_ready = (
        overall is not None
        and overall >= thresholds.ready_overall_min
        and not must_stop
        and not is_critical
    )
    return DecisionGates(
        ready_for_long_run=is_ready,
        requires_immediate_stop=must_stop,
        requires_dataset_repair=_is_below(
            components.get("dataset"), thresholds.dataset_repair_score
        ),
        requires_caption_repair=_is_below(
            components.get("caption_quality"), thresholds.caption_repair_score
        ),
        safe_to_export=is_ready
        and overall is not None
        and overall >= thresholds.safe_export_overall_min
        and evaluation_passed is not False,
    )


def _is_below(score: float | None, mark: float) -> bool:
    return score is not None and score < mark


def _mean_speed(snapshot: Mapping[str, Any], metrics: Mapping[str, Any]) -> float | None:
    given = number(metrics.get("speed_mean_iter_per_sec"))
    if given is not None:
        return given
    measured = (snapshot.get("speed_analysis") or {}).get("iter_per_sec") or {}
    return number(measured.get("mean"))


def _components(
    snapshot: Mapping[str, Any],
    metrics: Mapping[str, Any],
    alerts: Sequence[Mapping[str, Any]],
    context: RunContext,
    speed_it_per_s: float | None,
) -> dict[str, float | None]:
    quality = snapshot.get("quality_analysis") or {}
    convergence = score_of(metrics.get("convergence_score"))
    if convergence is None:
        convergence = score_of(quality.get("convergence_score"))
    stability = score_of(metrics.get("stability_score"))
    if stability is None:
        stability = stability_score(quality, snapshot.get("error_analysis") or {}, alerts)
    dataset = score_of(metrics.get("dataset_quality_score"))
    if dataset is None:
        dataset = dataset_score(snapshot.get("dataset_analysis"))
    return {
        "convergence": UNOBSERVED if convergence is None else convergence,
        "stability": stability,
        # Unmeasured speed is 0 here, unlike in the rubric.
        "speed": speed_score(speed_it_per_s, context.speed_curve_thresholds) or 0.0,
        "dataset": dataset,
        "caption_quality": caption_score(snapshot.get("nlp_analysis")),
    }
