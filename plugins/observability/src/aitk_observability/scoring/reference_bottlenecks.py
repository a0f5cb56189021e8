"""The bottlenecks of `reference_v1` (contract/SCORING.md section 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from attrs import frozen

from aitk_core.records.results import JsonObject
from aitk_observability.scoring.reference_components import (
    LOW_CAPTION,
    LOW_DATASET,
    has_non_finite,
    number,
    strings,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from aitk_observability.scoring.context import AdaptiveThresholds, RunContext

ConfidenceSource: TypeAlias = Literal["alert_category_max", "severity_default"]

STOP_CODES: Final = frozenset({"QUALITY_NUMERICAL", "QUALITY_CRITICAL", "ERROR_CRITICAL"})

MESSAGES: Final[Mapping[str, str]] = {
    "QUALITY_NUMERICAL": "the loss became NaN or infinite",
    "QUALITY_CRITICAL": "loss quality is critical",
    "QUALITY_REGRESSION": "the loss rises",
    "THROUGHPUT_LOW": "training is slow for its model family and run class",
    "ERROR_CRITICAL": "the log holds critical errors",
    "ERROR_WARNING": "the log mentions errors",
    "DATASET_UNRESOLVED": "the dataset folder was not found",
    "DATASET_QUALITY_LOW": "dataset quality is low",
    "CAPTION_QUALITY_LOW": "captions vary too little or are too short",
}
ACTIONS: Final[Mapping[str, str]] = {
    "QUALITY_NUMERICAL": "stop the run, lower the learning rate, go on from a sound checkpoint",
    "QUALITY_CRITICAL": "stop the run and find the cause in the loss before going on",
    "QUALITY_REGRESSION": "lower the learning rate, or use an earlier checkpoint",
    "THROUGHPUT_LOW": "lower the resolution or batch size, or free the GPU",
    "ERROR_CRITICAL": "stop the run and mend the error named in the log",
    "ERROR_WARNING": "read the error lines of the log before a longer run",
    "DATASET_UNRESOLVED": "correct the dataset path in the config",
    "DATASET_QUALITY_LOW": "complete captions, remove duplicates and unreadable images",
    "CAPTION_QUALITY_LOW": "write more detailed and more varied captions",
}

_CATEGORIES: Final[Mapping[str, str]] = {
    "QUALITY_NUMERICAL": "quality",
    "QUALITY_CRITICAL": "quality",
    "QUALITY_REGRESSION": "quality",
    "THROUGHPUT_LOW": "speed",
    "ERROR_CRITICAL": "errors",
    "ERROR_WARNING": "errors",
    "DATASET_UNRESOLVED": "dataset",
    "DATASET_QUALITY_LOW": "dataset",
    "CAPTION_QUALITY_LOW": "nlp",
}
_ALERT_DEFAULT: Final = {"critical": 0.9, "warning": 0.72}
_OTHER_DEFAULT: Final = 0.65
_CONFIDENCE_LIMITS: Final = (0.1, 0.99)

_Raised: TypeAlias = tuple[str, str, JsonObject]
"""Code, severity, evidence."""


@frozen(kw_only=True)
class Bottleneck:
    """What holds a run back."""

    code: str
    severity: str
    message: str
    evidence: JsonObject
    confidence: float
    """0.1 to 0.99."""
    confidence_source: ConfidenceSource


def find_bottlenecks(
    snapshot: Mapping[str, Any],
    *,
    alerts: Sequence[Mapping[str, Any]],
    components: Mapping[str, float | None],
    speed_it_per_s: float | None,
    context: RunContext,
    thresholds: AdaptiveThresholds,
) -> tuple[Bottleneck, ...]:
    """Return the bottlenecks: quality, speed, errors, dataset, captions.

    Args:
        snapshot: The analyses of the report.
        alerts: Whose confidence is taken over where the category fits.
        components: Scores by name.
        speed_it_per_s: Mean iterations per second, or None.
        context: What the run is judged as.
        thresholds: Of that family and class; only the speed's is used here.
    """
    raised = (
        *_of_quality(snapshot.get("quality_analysis") or {}),
        *_of_speed(
            snapshot.get("speed_analysis") or {}, components, speed_it_per_s, context, thresholds
        ),
        *_of_errors(snapshot.get("error_analysis") or {}),
        *_of_dataset(snapshot.get("dataset_analysis") or {}, components.get("dataset")),
        *_of_captions(snapshot.get("nlp_analysis") or {}, components.get("caption_quality")),
    )
    return tuple(_bottleneck(code, severity, told, alerts) for code, severity, told in raised)


def _bottleneck(
    code: str, severity: str, evidence: JsonObject, alerts: Iterable[Mapping[str, Any]]
) -> Bottleneck:
    confidence, source = confidence_of(_CATEGORIES[code], severity, alerts)
    return Bottleneck(
        code=code,
        severity=severity,
        message=MESSAGES[code],
        evidence=evidence,
        confidence=confidence,
        confidence_source=source,
    )


def confidence_of(
    category: str, severity: str, alerts: Iterable[Mapping[str, Any]]
) -> tuple[float, ConfidenceSource]:
    """Return the highest confidence among the alerts of a category, or the severity's own."""
    given = [
        value
        for alert in alerts
        if _category(alert) == category and (value := _confidence(alert)) is not None
    ]
    if not given:
        return _ALERT_DEFAULT.get(severity, _OTHER_DEFAULT), "severity_default"
    return max(given), "alert_category_max"


def _category(alert: Mapping[str, Any]) -> str:
    category = str(alert.get("category"))
    return "errors" if category == "error" else category


def _confidence(alert: Mapping[str, Any]) -> float | None:
    value = number(alert.get("confidence"))
    if value is None:
        value = _ALERT_DEFAULT.get(str(alert.get("severity")))
    if value is None:
        return None
    low, high = _CONFIDENCE_LIMITS
    return round(min(high, max(low, value)), 2)


def _of_quality(quality: Mapping[str, Any]) -> Iterator[_Raised]:
    if has_non_finite(quality):
        flags = strings(quality.get("flags"))
        yield "QUALITY_NUMERICAL", "critical", {"quality_flags": flags}
    elif quality.get("status") == "critical":
        yield "QUALITY_CRITICAL", "critical", {"quality_status": "critical"}
    elif quality.get("trend") == "regressing":
        evidence = {"trend": "regressing", "improvement_pct": quality.get("improvement_pct")}
        yield "QUALITY_REGRESSION", "warning", evidence


def _of_speed(
    speed: Mapping[str, Any],
    components: Mapping[str, float | None],
    speed_it_per_s: float | None,
    context: RunContext,
    thresholds: AdaptiveThresholds,
) -> Iterator[_Raised]:
    status, score = speed.get("status"), components.get("speed")
    is_low = score is not None and score < thresholds.speed_bottleneck_score
    if status != "critical" and not is_low:
        return
    yield (
        "THROUGHPUT_LOW",
        "critical" if status == "critical" else "warning",
        {
            "speed_status": status,
            "mean_iter_per_sec": speed_it_per_s,
            "speed_score": score,
            "adaptive_speed_threshold": thresholds.speed_bottleneck_score,
            "model_family": context.model_family,
            "run_class": context.run_class,
        },
    )


def _of_errors(errors: Mapping[str, Any]) -> Iterator[_Raised]:
    evidence = {
        "total_mentions": errors.get("total_mentions"),
        "dominant_category": errors.get("dominant_category"),
    }
    if errors.get("severity") == "critical":
        yield "ERROR_CRITICAL", "critical", evidence
    elif errors.get("severity") == "warning":
        yield "ERROR_WARNING", "warning", evidence


def _of_dataset(dataset: Mapping[str, Any], score: float | None) -> Iterator[_Raised]:
    if dataset.get("exists") is False:
        yield "DATASET_UNRESOLVED", "warning", {"dataset_error": dataset.get("error")}
    elif score is not None and score < LOW_DATASET:
        yield (
            "DATASET_QUALITY_LOW",
            "warning",
            {
                "dataset_quality_score": score,
                "caption_coverage_pct": dataset.get("caption_coverage_pct"),
                "duplicate_image_estimate": dataset.get("duplicate_image_estimate"),
            },
        )


def _of_captions(nlp: Mapping[str, Any], score: float | None) -> Iterator[_Raised]:
    flags = strings(nlp.get("style_flags"))
    if flags or (score is not None and score < LOW_CAPTION):
        yield (
            "CAPTION_QUALITY_LOW",
            "warning",
            {
                "caption_quality_score": score,
                "caption_token_diversity": nlp.get("caption_token_diversity"),
                "style_flags": flags,
            },
        )
