"""`evidence_v1`: scores from what was measured, and only that.

A component is scored from a method's result, or it is null and its weight is left out. The
share of the weights that was assessed is the coverage; below `MINIMUM_COVERAGE` there is no
overall score, no grade and no pass. Names, weights and grades are the contract's
(contract/SCORING.md sections 3 and 5); what goes in is ours:

- convergence: 50 + 100 (1 - r), 0 to 100. r is the mean of the last three validation losses
  over the first where there are four or more; else the training loss's last quarter over its
  first, only where the trend's interval excludes no change.
- stability: 100, lowered to the cap of the worst event seen (`_CAPS`). Assessed from 100
  usable losses on, or once an event was seen.
- speed: 100 times the run's best sustained speed share: the median time of steps 21 to 120
  over the last 20, at most 1. Assessed from 140 step times on. Where three or more finished
  runs of the same model, resolution, batch and GPU are known, and this one is slower than the
  slowest of them, times the ratio.
- dataset, caption_quality: 100 times the least share of the steps that train pictures, and
  captions, as meant: what a warning of the dataset's inspection names is taken off. Assessed
  once every picture was looked at.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from aitk_observability.scoring.reference import grade

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aitk_core.records.findings import Finding

SCORING_METHOD: Final = "evidence_v1"
MINIMUM_COVERAGE: Final = 0.6
"""Convergence, stability or speed alone is not a run: at least two, convergence among them,
of the three weigh this much (0.35 + 0.30)."""
_CAPS: Final[Mapping[tuple[str, str], float]] = {
    ("LOSS_NONFINITE", "critical"): 0.0,
    ("LOSS_NONFINITE", "warning"): 60.0,
    ("LOSS_DIVERGED", "critical"): 0.0,
    ("LOSS_EXPLODED", "warning"): 20.0,
    ("LOSS_AT_NOISE_LEVEL", "warning"): 20.0,
    ("LOSS_LEVEL_SHIFT", "critical"): 20.0,
    ("LOSS_LEVEL_SHIFT", "warning"): 60.0,
    ("LOSS_BLOWUP", "warning"): 75.0,
    ("LOSS_BLOWUP", "info"): 95.0,
    ("OOM_STEP_SKIPPED", "warning"): 60.0,
    ("EXCEPTION_IN_LOG", "warning"): 80.0,
}
_CRITICAL_CAP: Final = 0.0
"""Of any other critical finding about the run: it failed, hangs or is gone."""
_OF_THE_RUN: Final = frozenset({"errors", "liveness", "quality"})
_STABILITY_N: Final = 100
"""Below this a blow-up cannot be told (STATS.md section 2)."""
_VALIDATIONS: Final = 4
"""STATS.md section 8."""


@frozen(kw_only=True)
class Scores:
    """Components, null where not assessed, and what they add up to."""

    components: Mapping[str, float | None]
    weights: Mapping[str, float]
    """Renormalised over what was assessed; 0 where it was not."""
    overall: float | None
    coverage: float
    """Share of the weights that was assessed, 0 to 1."""
    reasons: Mapping[str, str]
    """Why a component was not assessed."""

    @property
    def sufficient(self) -> bool:
        """Tell whether enough was assessed for a verdict."""
        return self.overall is not None


def components_of(
    findings: Iterable[Finding],
    quality: Mapping[str, Any],
    speed: Mapping[str, Any],
    validation: tuple[float, ...],
    dataset: tuple[float | None, float | None, str],
) -> tuple[dict[str, float | None], dict[str, str]]:
    """Return the components and why those that are null are null.

    Args:
        findings: About the run.
        quality: Facts of the loss analyzer.
        speed: Facts of the speed analyzer.
        validation: Validation losses in step order, finite and positive.
        dataset: Shares of pictures and captions that train as meant, and why they are None.
    """
    pictures, captions, absent = dataset
    reasons: dict[str, str] = {}
    if absent:
        reasons = {"dataset": absent, "caption_quality": absent}
    convergence = _convergence(quality, validation)
    if convergence is None:
        reasons["convergence"] = (
            "no validation loss, and the training loss shows no trend beyond its noise"
        )
    stability = _stability(list(findings), quality)
    if stability is None:
        reasons["stability"] = f"fewer than {_STABILITY_N} usable losses"
    share = speed.get("relative_to_best")
    past = speed.get("past_runs", {})
    if share is not None and past.get("counts"):
        share *= past["relative_to_slowest"]
    pace = None if share is None else round(100.0 * share, 2)
    if pace is None:
        reasons["speed"] = "too few step times to compare with the run's own early speed"
    components = {
        "convergence": convergence,
        "stability": stability,
        "speed": pace,
        "dataset": None if pictures is None else round(100.0 * pictures, 2),
        "caption_quality": None if captions is None else round(100.0 * captions, 2),
    }
    return components, reasons


def _convergence(quality: Mapping[str, Any], validation: tuple[float, ...]) -> float | None:
    if len(validation) >= _VALIDATIONS:
        ratio = sum(validation[-3:]) / 3 / validation[0]
    else:
        told = quality.get("methods", {}).get("trend", {})
        if told.get("verdict") not in ("decreasing", "increasing") or told["estimate"] is None:
            return None
        ratio = math.exp(min(told["estimate"], 50.0))
    return round(min(100.0, max(0.0, 50.0 + 100.0 * (1.0 - ratio))), 2)


def _stability(findings: list[Finding], quality: Mapping[str, Any]) -> float | None:
    caps = []
    for finding in findings:
        cap = _CAPS.get((finding.code, finding.severity))
        if cap is None and finding.severity == "critical" and finding.category in _OF_THE_RUN:
            cap = _CRITICAL_CAP
        if cap is not None:
            caps.append(cap)
    if not caps and quality.get("loss", {}).get("count", 0) < _STABILITY_N:
        return None
    return min(caps, default=100.0)


def combine(
    components: Mapping[str, float | None],
    weights: Mapping[str, float],
    reasons: Mapping[str, str],
) -> Scores:
    """Return the weighted mean over what was assessed, or none below the minimum coverage."""
    total = sum(weights.values())
    assessed = sum(w for name, w in weights.items() if components.get(name) is not None)
    coverage = assessed / total if total else 0.0
    used = {
        name: round(weight / assessed, 6) if assessed and components.get(name) is not None else 0.0
        for name, weight in weights.items()
    }
    overall = None
    if coverage >= MINIMUM_COVERAGE - 1e-9:
        overall = sum((components[n] or 0.0) * w for n, w in weights.items() if used[n]) / assessed
        overall = round(min(100.0, max(0.0, overall)), 2)
    return Scores(
        components=dict(components),
        weights=used,
        overall=overall,
        coverage=round(coverage, 4),
        reasons=dict(reasons),
    )


def grade_of(overall: float | None) -> str:
    """Return the contract's grade, or `insufficient_evidence`."""
    return "insufficient_evidence" if overall is None else grade(overall)
