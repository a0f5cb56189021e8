"""What the published formulas take, computed from evidence as the reference defined it.

The definitions are those of contract/SCORING.md section 1, flaws included: the first loss
against the last one, spikes against the median. Only what feeds them is mended: losses and
speeds come from the trainer's own series, not from words in a log, and what was never
observed is None.
"""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import fmean, median
from typing import TYPE_CHECKING, Any, Final

from aitk_observability.scoring import reference
from aitk_observability.scoring.context import model_family, run_class, speed_curve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.evidence.records import RunEvidence

_TREND_PCT: Final = 10.0
_SPIKE_FACTOR: Final = 5.0
_CRITICAL_IT_PER_S: Final = 0.05
_SLOW_IT_PER_S: Final = 0.2
"""All of contract/SCORING.md section 1."""


def reference_components(
    evidence: RunEvidence,
    errors: Mapping[str, Any],
    inspected: Mapping[str, Any] | None = None,
    absent: str = "",
) -> tuple[dict[str, float | None], dict[str, str]]:
    """Return the components of `reference_v1`, and why those that are None are.

    Args:
        evidence: About the run.
        errors: Facts of the errors analyzer: `severity`, `total_mentions`, `category_counts`.
        inspected: The document about the dataset, or None.
        absent: Why there is none, or why it does not count.
    """
    quality, speed = _quality(evidence), _speed(evidence)
    looked = inspected or {"dataset_analysis": None, "nlp_analysis": None}
    alerts = reference.alerts(speed=speed, quality=quality, errors=errors, dataset=None, nlp=None)
    config = evidence.config
    curve = speed_curve(
        model_family(config.model_name, config.arch),
        run_class(config.steps, max(config.resolution, default=None)),
    )
    has_log = evidence.log is not None and evidence.log.scan.line_count > 0
    has_loss = evidence.loss is not None
    values: dict[str, float | None] = {
        "convergence": reference.convergence_score(
            quality["improvement_pct"], flags=quality["flags"]
        ),
        # An empty log is no sign of a stable run (PITFALLS 1).
        "stability": reference.stability_score(
            quality, errors, [{"severity": alert.severity} for alert in alerts]
        )
        if has_log or has_loss
        else None,
        "speed": reference.speed_score(speed["mean"], curve),
        "dataset": None if absent else reference.dataset_score(looked["dataset_analysis"]),
        "caption_quality": None if absent else reference.caption_score(looked["nlp_analysis"]),
    }
    reasons = {
        "convergence": "no loss was recorded",
        "stability": "neither a loss nor a log line was seen",
        "speed": "no step times were recorded",
        "dataset": absent or "the coverage of captions is not known",
        "caption_quality": absent or "there are no captions",
    }
    return values, {name: why for name, why in reasons.items() if values[name] is None}


def _quality(evidence: RunEvidence) -> dict[str, Any]:
    series = evidence.loss
    values = [] if series is None else list(series.values)
    losses = [value for value in values if math.isfinite(value) and value > 0]
    # The trainer logs a loss that was not finite as exactly 0.
    nan_seen = len(losses) < len(values) or (evidence.log is not None and evidence.log.nan_count)
    flags = []
    if nan_seen:
        flags.append("loss_nan_detected")
    if not losses and not nan_seen:
        flags.append("no_loss_values_detected")
    if losses and max(losses) > _SPIKE_FACTOR * median(losses):
        flags.append("loss_spikes_detected")
    change = None
    if len(losses) > 1:
        change = (losses[0] - losses[-1]) / losses[0] * 100.0
        change = change if math.isfinite(change) else None
    trend = "unknown"
    if change is not None:
        trend = "improving" if change > _TREND_PCT else "flat"
        trend = "regressing" if change < -_TREND_PCT else trend
    status = {"unknown": "unknown", "regressing": "warning"}.get(trend, "healthy")
    return {
        "flags": flags,
        "improvement_pct": change,
        "trend": trend,
        "status": "critical" if nan_seen else status,
    }


def _speed(evidence: RunEvidence) -> dict[str, Any]:
    series = evidence.loss
    rates = []
    if series is not None:
        points = list(zip(series.steps, series.wall_times, strict=True))
        rates = [
            (step - earlier) / (time_s - before_s)
            for (earlier, before_s), (step, time_s) in pairwise(points)
            if math.isfinite(time_s - before_s) and time_s > before_s
        ]
    if not rates and evidence.log is not None:
        shown = evidence.log.scan.readings.rate_it_per_s
        rates = [rate for rate in shown if math.isfinite(rate) and rate > 0]
    mean = fmean(rates) if rates else None
    status = "unknown"
    if mean is not None:
        status = "slow" if mean < _SLOW_IT_PER_S else "healthy"
        status = "critical" if mean < _CRITICAL_IT_PER_S else status
    return {"mean": mean, "status": status}
