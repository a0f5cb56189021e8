"""One next step, motivated by a finding; without evidence there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitk_core.evidence.records import RunEvidence
    from aitk_core.records.findings import Finding

_PLAN: Final = (
    "Change only this and keep seed, data and everything else as they are.",
    "Run until the step at which the finding appeared, and once more as long.",
    "Ask get-training-observability again and compare the finding, not the training loss.",
)
_BROKEN: Final = (
    "LOSS_EXPLODED",
    "LOSS_DIVERGED",
    "LOSS_NONFINITE",
    "LOSS_LEVEL_SHIFT",
    "LOSS_AT_NOISE_LEVEL",
)
_MEMORY: Final = ("OOM_STEP_SKIPPED", "OOM_REPEATED_ABORT", "CUDA_OOM", "HIP_OOM", "MPS_OOM")
_LEAST_RATE: Final = 1e-6
"""Lowest rate the contract proposes (SCORING.md section 8)."""


def next_experiment(  # noqa: PLR0911 - one return for each rule, first match wins
    findings: Sequence[Finding], evidence: RunEvidence, *, assessed: bool
) -> dict[str, Any]:
    """Return the contract's recommendation; its fields are null where nothing is supported."""
    codes = {finding.code: finding for finding in findings if finding.severity != "info"}
    broken = next((codes[code] for code in _BROKEN if code in codes), None)
    if broken is not None:
        return _learning_rate(broken, evidence)
    memory = next((codes[code] for code in _MEMORY if code in codes), None)
    if memory is not None:
        return _memory(memory, evidence)
    failed = next((f for f in findings if f.severity == "critical"), None)
    if failed is not None:
        return _none(f"{failed.code} has to be mended first: {failed.message}")
    if "OVERFITTING" in codes:
        return _fewer_steps(codes["OVERFITTING"], evidence)
    if not assessed:
        return _none("there is not enough evidence to propose a change")
    if evidence.validation_loss is None:
        return _validation()
    return _recommendation(
        "exploration",
        "seeded_eval_prompts",
        None,
        {"expand_prompt_suite": True, "add_out_of_distribution_prompts": True},
        "moderate",
        "low",
        ["Nothing measured asks for a change; samples of new prompts show what metrics do not."],
    )


def _recommendation(
    kind: str,
    parameter: str,
    current: Any,
    proposed: Any,
    impact: str,
    risk: str,
    rationale: list[str],
) -> dict[str, Any]:
    return {
        "recommendation_type": kind,
        "parameter": parameter,
        "current": current,
        "proposed": proposed,
        "expected_impact": impact,
        "risk_level": risk,
        "rationale": " ".join(rationale),
        "validation_plan": list(_PLAN),
    }


def _none(reason: str) -> dict[str, Any]:
    return {
        "recommendation_type": None,
        "parameter": None,
        "current": None,
        "proposed": None,
        "expected_impact": None,
        "risk_level": None,
        "rationale": reason,
        "validation_plan": [],
    }


def _learning_rate(finding: Finding, evidence: RunEvidence) -> dict[str, Any]:
    rate = evidence.config.learning_rate
    if rate is None or rate <= _LEAST_RATE:
        return _none(f"{finding.code}, but the config's learning rate cannot be lowered further")
    return _recommendation(
        "stability",
        "learning_rate",
        rate,
        max(_LEAST_RATE, float(f"{rate / 3:.2g}")),
        "high",
        "low",
        [
            f"{finding.code}: {finding.message}.",
            "A third is a step that shows an effect (ours).",
        ],
    )


def _memory(finding: Finding, evidence: RunEvidence) -> dict[str, Any]:
    batch = evidence.config.batch_size or 1
    rationale = [f"{finding.code}: {finding.message}."]
    if batch > 1:
        return _recommendation("memory", "batch_size", batch, batch - 1, "high", "low", rationale)
    sizes = evidence.config.resolution
    if len(sizes) > 1:
        return _recommendation(
            "memory", "resolution", list(sizes), list(sizes[:-1]), "high", "medium", rationale
        )
    if evidence.config.low_vram is False:
        current, proposed = False, True
        return _recommendation("memory", "low_vram", current, proposed, "high", "low", rationale)
    return _none(f"{finding.code}, and batch size and resolution leave nothing to lower")


def _fewer_steps(finding: Finding, evidence: RunEvidence) -> dict[str, Any]:
    best = finding.evidence[0].first_step if finding.evidence else None
    validation = evidence.validation_loss
    if best is None or validation is None or best <= validation.steps[0]:
        # It was never better than at its first validation: no number of steps helps.
        return _learning_rate(finding, evidence)
    return _recommendation(
        "convergence",
        "steps",
        evidence.config.steps,
        best,
        "moderate",
        "low",
        [f"{finding.code}: {finding.message}.", "Later checkpoints keep losing variety."],
    )


def _validation() -> dict[str, Any]:
    return _recommendation(
        "exploration",
        "validation_config",
        None,
        {"validate_every_n_steps": 50, "validation_items": "2 or more images held out"},
        "high",
        "low",
        [
            (
                "The run has no validation loss, the only loss that says whether it overfits "
                "(train.validation_config; hold the images out of the dataset)."
            )
        ],
    )
