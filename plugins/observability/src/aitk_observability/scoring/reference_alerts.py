"""The alerts of `reference_v1` (contract/SCORING.md section 6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

from attrs import frozen

from aitk_observability.scoring.reference_components import (
    count,
    has_non_finite,
    number,
    strings,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_COVERAGE_ALERT_PCT: Final = 90.0


@frozen(kw_only=True)
class Alert:
    """Something a person should hear of."""

    severity: Literal["critical", "warning"]
    category: Literal["errors", "quality", "speed", "dataset", "nlp"]
    message: str
    confidence: float


def alerts(
    *,
    speed: Mapping[str, Any],
    quality: Mapping[str, Any],
    errors: Mapping[str, Any],
    dataset: Mapping[str, Any] | None,
    nlp: Mapping[str, Any] | None,
) -> tuple[Alert, ...]:
    """Return the alerts of a run: errors, quality, speed, dataset, captions.

    Args:
        speed: `status`.
        quality: `status`, `trend`, `flags`.
        errors: `severity`, `total_mentions`, `category_counts`.
        dataset: `exists`, `caption_coverage_pct` and the counts, or None.
        nlp: `style_flags`, or None.
    """
    return (
        *_of_errors(errors, quality),
        *_of_quality(quality),
        *_of_speed(speed),
        *_of_dataset(dataset or {}),
        *_of_captions(nlp or {}),
    )


def _of_errors(errors: Mapping[str, Any], quality: Mapping[str, Any]) -> Iterator[Alert]:
    mentions = count(errors.get("total_mentions"))
    if errors.get("severity") == "critical":
        yield Alert(
            severity="critical",
            category="errors",
            message=f"critical errors in the log: {errors.get('dominant_category') or 'unknown'}",
            confidence=0.95,
        )
    elif mentions > 0 and not _are_told_by_quality(errors, quality, mentions):
        yield Alert(
            severity="warning",
            category="errors",
            message=f"the log mentions errors {mentions:.0f} times",
            confidence=0.75,
        )


def _are_told_by_quality(
    errors: Mapping[str, Any], quality: Mapping[str, Any], mentions: float
) -> bool:
    counts = errors.get("category_counts")
    numerical = count(counts.get("numerical")) if isinstance(counts, Mapping) else 0.0
    return has_non_finite(quality) and numerical >= mentions


def _of_quality(quality: Mapping[str, Any]) -> Iterator[Alert]:
    if quality.get("status") == "critical":
        flags = ", ".join(strings(quality.get("flags"))) or "no flag"
        yield Alert(
            severity="critical",
            category="quality",
            message=f"loss quality is critical: {flags}",
            confidence=0.98,
        )
    if quality.get("trend") == "regressing":
        yield Alert(
            severity="warning", category="quality", message="the loss rises", confidence=0.78
        )


def _of_speed(speed: Mapping[str, Any]) -> Iterator[Alert]:
    if speed.get("status") == "critical":
        yield Alert(
            severity="critical",
            category="speed",
            message="training is slower than 0.05 iterations per second",
            confidence=0.95,
        )
    elif speed.get("status") == "slow":
        yield Alert(
            severity="warning",
            category="speed",
            message="training is slower than 0.2 iterations per second",
            confidence=0.76,
        )


def _of_dataset(dataset: Mapping[str, Any]) -> Iterator[Alert]:
    if dataset.get("exists") is False:
        yield Alert(
            severity="warning",
            category="dataset",
            message="the dataset folder was not found",
            confidence=0.70,
        )
    if not dataset.get("exists"):
        return
    coverage_pct = number(dataset.get("caption_coverage_pct"))
    if coverage_pct is not None and coverage_pct < _COVERAGE_ALERT_PCT:
        yield Alert(
            severity="warning",
            category="dataset",
            message=f"only {coverage_pct:g} % of the images have a caption",
            confidence=0.74,
        )
    duplicates = count(dataset.get("duplicate_image_estimate"))
    if duplicates > 0:
        yield Alert(
            severity="warning",
            category="dataset",
            message=f"images that appear more than once: {duplicates:.0f}",
            confidence=0.76,
        )
    corrupt = count(dataset.get("corrupt_image_count"))
    if corrupt > 0:
        yield Alert(
            severity="critical",
            category="dataset",
            message=f"images that cannot be read: {corrupt:.0f}",
            confidence=0.94,
        )


def _of_captions(nlp: Mapping[str, Any]) -> Iterator[Alert]:
    for flag in strings(nlp.get("style_flags")):
        yield Alert(severity="warning", category="nlp", message=flag, confidence=0.66)
