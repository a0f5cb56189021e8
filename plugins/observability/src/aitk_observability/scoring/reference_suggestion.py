"""The next experiment of `reference_v1` (contract/SCORING.md section 8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

from attrs import frozen

from aitk_observability.scoring.reference_components import (
    LOW_CAPTION,
    LOW_DATASET,
    LOW_SPEED,
    UNOBSERVED,
    count,
    has_non_finite,
    number,
    strings,
)

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

_LOW_STABILITY: Final = 60.0
_LOW_CONVERGENCE: Final = 65.0
_SHORT_RUN_STEPS: Final = 3000
_HIGH_LEARNING_RATE: Final = 3e-4
_LEAST_LEARNING_RATE: Final = 1e-6
_LARGEST_RANK: Final = 128
_LEAST_RESOLUTION: Final = 512
_DEFAULT_LEARNING_RATE: Final = 2e-4
_DEFAULT_RANK: Final = 16
_DEFAULT_RESOLUTION: Final = 1024
_DEFAULT_BATCH_SIZE: Final = 1
"""The published table has no default for it; the backend's is 1."""

_RATIONALES: Final[Mapping[RecommendationType, str]] = {
    "dataset": "the dataset limits what any setting can reach",
    "stability": "the run is not stable, and smaller updates are the mildest remedy",
    "memory": "the run is out of memory, and a smaller batch needs less",
    "convergence": "the run is stable, but its loss has not fallen far",
    "capacity": "steps and learning rate are in range, so the adapter may be too small",
    "throughput": "the run is slow, and resolution costs the most time",
    "captioning": "captions vary too little to teach more than one look",
    "exploration": "no component is low, so try what the run has not seen",
}
_PLANS: Final[Mapping[RecommendationType, tuple[str, str, str]]] = {
    "dataset": (
        "apply the repairs to a copy of the dataset",
        "scan it again and compare the dataset score",
        "train with unchanged settings and compare with this run",
    ),
    "memory": (
        "train with the smaller batch for a few hundred steps",
        "look for out-of-memory lines in its log",
        "compare with this run at equal images seen",
    ),
    "captioning": (
        "rewrite the captions of a copy of the dataset",
        "compare caption diversity before and after",
        "train with unchanged settings and compare with this run",
    ),
    "exploration": (
        "sample the finished model with the wider prompts and fixed seeds",
        "compare the samples of several checkpoints",
        "keep the checkpoint that holds up on prompts it was not trained on",
    ),
}
_ONE_SETTING: Final = (
    "change this one setting and nothing else",
    "train with the same dataset and seed",
    "compare with this run over the same steps",
)


@frozen(kw_only=True)
class Suggestion:
    """One thing to try next."""

    recommendation_type: RecommendationType
    parameter: str
    current: Any
    """Its value now; the published default where the config does not say."""
    proposed: Any
    expected_impact: Literal["high", "moderate"]
    risk_level: Literal["low", "medium"]
    rationale: str
    validation_plan: tuple[str, ...]


def suggestion(
    components: Mapping[str, Any],
    *,
    quality: Mapping[str, Any],
    errors: Mapping[str, Any],
    dataset: Mapping[str, Any],
    nlp: Mapping[str, Any],
    hparams: Mapping[str, Any],
) -> Suggestion:
    """Return the first rule of the table that applies.

    Args:
        components: Of the evaluation. A missing convergence or stability counts 50; what else
            is missing applies to no rule.
        quality: `flags`.
        errors: `category_counts`.
        dataset: `caption_coverage_pct`, `duplicate_image_estimate`.
        nlp: `caption_token_diversity`, `style_flags`.
        hparams: Of the run context; may be empty.
    """

    def is_low(name: str, mark: float, *, missing: float | None = None) -> bool:
        score = number(components.get(name))
        score = missing if score is None else score
        return score is not None and score < mark

    if is_low("dataset", LOW_DATASET):
        return _for_dataset(dataset)
    if is_low("stability", _LOW_STABILITY, missing=UNOBSERVED):
        return _for_stability(quality, errors, hparams)
    if is_low("convergence", _LOW_CONVERGENCE, missing=UNOBSERVED):
        return _for_convergence(hparams)
    if is_low("speed", LOW_SPEED):
        current = _value(hparams, "resolution", _DEFAULT_RESOLUTION)
        proposed = max(_LEAST_RESOLUTION, round(current * 0.85))
        return _make("throughput", "resolution", current, proposed, risk="medium")
    if is_low("caption_quality", LOW_CAPTION):
        return _for_captions(nlp)
    proposed_prompts = {"expand_prompt_suite": True, "add_out_of_distribution_prompts": True}
    return _make("exploration", "seeded_eval_prompts", None, proposed_prompts)


def _make(
    kind: RecommendationType,
    parameter: str,
    current: Any,
    proposed: Any,
    *,
    impact: Literal["high", "moderate"] = "moderate",
    risk: Literal["low", "medium"] = "low",
) -> Suggestion:
    return Suggestion(
        recommendation_type=kind,
        parameter=parameter,
        current=current,
        proposed=proposed,
        expected_impact=impact,
        risk_level=risk,
        rationale=_RATIONALES[kind],
        validation_plan=_PLANS.get(kind, _ONE_SETTING),
    )


def _value(hparams: Mapping[str, Any], name: str, default: float) -> Any:
    value = hparams.get(name)
    return default if number(value) is None else value


def _for_dataset(dataset: Mapping[str, Any]) -> Suggestion:
    return _make(
        "dataset",
        "dataset_curation",
        {
            "caption_coverage_pct": dataset.get("caption_coverage_pct"),
            "duplicate_image_estimate": dataset.get("duplicate_image_estimate"),
        },
        {
            "caption_coverage_pct_target": 95,
            "deduplicate": True,
            "remove_corrupt_images": True,
        },
        impact="high",
    )


def _for_stability(
    quality: Mapping[str, Any], errors: Mapping[str, Any], hparams: Mapping[str, Any]
) -> Suggestion:
    rate = _value(hparams, "learning_rate", _DEFAULT_LEARNING_RATE)
    if has_non_finite(quality):
        return _make("stability", "learning_rate", rate, _scaled(rate, 0.7), impact="high")
    counts = errors.get("category_counts")
    if isinstance(counts, Mapping) and count(counts.get("oom")) > 0:
        size = _value(hparams, "batch_size", _DEFAULT_BATCH_SIZE)
        return _make("memory", "batch_size", size, max(1, size - 1), impact="high")
    return _make("stability", "learning_rate", rate, _scaled(rate, 0.8))


def _for_convergence(hparams: Mapping[str, Any]) -> Suggestion:
    steps = number(hparams.get("steps"))
    if steps is not None and steps < _SHORT_RUN_STEPS:
        return _make("convergence", "steps", hparams["steps"], round(steps * 1.35))
    rate = _value(hparams, "learning_rate", _DEFAULT_LEARNING_RATE)
    if rate > _HIGH_LEARNING_RATE:
        return _make("convergence", "learning_rate", rate, round(rate * 0.75, 8))
    rank = _value(hparams, "rank", _DEFAULT_RANK)
    return _make("capacity", "rank", rank, min(_LARGEST_RANK, rank + 8), risk="medium")


def _scaled(rate: float, factor: float) -> float:
    return round(max(_LEAST_LEARNING_RATE, rate * factor), 8)


def _for_captions(nlp: Mapping[str, Any]) -> Suggestion:
    return _make(
        "captioning",
        "caption_quality",
        {
            "token_diversity": nlp.get("caption_token_diversity"),
            "style_flags": strings(nlp.get("style_flags")),
        },
        {"add_detail": True, "increase_caption_diversity": True},
    )
