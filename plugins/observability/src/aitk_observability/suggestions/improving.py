"""Proposals for a run that held: what would make it better, or what would show whether it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aitk_observability.suggestions.candidate import Candidate
from aitk_observability.suggestions.mending import lower_rate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitk_core.evidence.records import RunEvidence, Series
    from aitk_observability.suggestions.situation import Situation

_MORE_STEPS: Final = 1.35
"""SCORING.md section 8."""
_SEED_SPREAD: Final = 0.005
"""STATS.md section 8: less than this is what seeds do."""
_VALIDATIONS: Final = 4
"""STATS.md section 8."""


def fewer_steps(seen: Situation) -> Iterator[Candidate]:
    """A run that overfits is stopped near its best step, or learns more slowly."""
    finding = seen.first(("OVERFITTING", "VALIDATION_RISING"))
    if finding is None:
        return
    best = finding.evidence[0].first_step if finding.evidence else None
    validation = seen.evidence.validation_loss
    if best is None or validation is None or best <= validation.steps[0]:
        # It was never better than at its first validation: no number of steps helps.
        yield from lower_rate(seen, finding)
        return
    if best == seen.evidence.config.steps:
        return
    yield Candidate(
        recommendation_type="convergence",
        parameter="steps",
        current=seen.evidence.config.steps,
        proposed=best,
        motivated_by=(finding.code,),
        rationale=f"{finding.code}: {finding.message}. Later checkpoints keep losing variety.",
        expected_effect="the last checkpoint is the best one by validation loss",
        expected_impact="moderate",
        risk="likeness can still grow past the minimum: compare samples up to three times that "
        "step first",
        risk_level="low",
        source="PRACTICE R02, STATS.md section 8",
        changes={"train.steps": best},
        steps=best,
    )


def more_data(seen: Situation) -> Iterator[Candidate]:
    """More images lowered the reachable validation loss every time it was tried."""
    finding = seen.findings.get("OVERFITTING")
    if finding is None:
        return
    yield Candidate(
        recommendation_type="dataset",
        parameter="dataset_curation",
        current=None,
        proposed={"add_images": True},
        motivated_by=(finding.code,),
        rationale=f"{finding.code}: {finding.message}. The set is small for so many steps.",
        expected_effect="a lower minimum of the validation loss, reached later",
        expected_impact="high",
        risk="images of lesser quality are learned as well",
        risk_level="low",
        source="PRACTICE D02",
        needs="more images of equal quality",
        steps=seen.evidence.config.steps,
    )


def unreadable_images(seen: Situation) -> Iterator[Candidate]:
    """Images that the trainer could not read are repaired or taken out."""
    finding = seen.findings.get("IMAGE_UNREADABLE")
    if finding is None:
        return
    yield Candidate(
        recommendation_type="dataset",
        parameter="dataset_curation",
        current={"unreadable": finding.n},
        proposed={"remove_corrupt_images": True},
        motivated_by=(finding.code,),
        rationale=f"{finding.code}: {finding.message}.",
        expected_effect="every image of the folder is trained on",
        expected_impact="moderate",
        risk="none: the trainer skips them already",
        risk_level="low",
        source="failures catalogue, IMAGE_UNREADABLE",
        needs="repair or remove the files that the log names",
        steps=seen.evidence.config.steps,
    )


def more_steps(seen: Situation) -> Iterator[Candidate]:
    """A validation loss that still fell at the end was not finished."""
    series, steps = seen.evidence.validation_loss, seen.evidence.config.steps
    if series is None or steps is None or not _still_falls(series):
        return
    proposed = round(steps * _MORE_STEPS)
    yield Candidate(
        recommendation_type="convergence",
        parameter="steps",
        current=steps,
        proposed=proposed,
        rationale="The last validation loss is the lowest, and below the one before by more than "
        "seeds make.",
        expected_effect="the validation loss falls further, or its minimum shows",
        expected_impact="moderate",
        risk="overfitting, which the validation loss will show",
        risk_level="low",
        source="STATS.md section 8; the factor is SCORING.md section 8's",
        changes={"train.steps": proposed},
        steps=proposed - steps,
    )


def _still_falls(series: Series) -> bool:
    values = [value for value in series.values if value > 0]
    if len(values) < _VALIDATIONS:
        return False
    before = min(values[:-1])
    return values[-1] < before * (1 - _SEED_SPREAD)


def slow_steps(seen: Situation) -> Iterator[Candidate]:
    """Steps that became slow: most often memory that spilled into host RAM."""
    finding = seen.findings.get("STEPS_SLOWED_DOWN")
    if finding is None:
        return
    yield Candidate(
        recommendation_type="throughput",
        parameter="vram_headroom",
        current=_vram_share(seen.evidence),
        proposed={"vram_used_share_below": 0.95},
        motivated_by=(finding.code,),
        rationale=f"{finding.code}: {finding.message}. The usual cause is VRAM that spills into "
        "host RAM; whether it was so here, nothing recorded says.",
        expected_effect="step times return to those of the run's first hundred steps",
        expected_impact="high",
        risk="none",
        risk_level="low",
        source="PRACTICE M11",
        needs="close other programs on the GPU and start again from the last checkpoint",
        steps=seen.evidence.config.steps,
    )


def _vram_share(evidence: RunEvidence) -> float | None:
    for gpu in evidence.gpu.gpus if evidence.gpu is not None else ():
        if gpu.memory_total_mib and gpu.memory_used_mib is not None:
            return round(gpu.memory_used_mib / gpu.memory_total_mib, 3)
    return None


def validation(seen: Situation) -> Iterator[Candidate]:
    """Without a validation loss nobody can say whether a run overfits."""
    if seen.evidence.validation_loss is not None or seen.evidence.config.validates:
        return
    yield Candidate(
        recommendation_type="exploration",
        parameter="validation_config",
        current=None,
        proposed={
            "validate_every_n_steps": 50,
            "validation_items": "2 or more images held out",
        },
        rationale="The run has no validation loss, the only loss that says whether it overfits "
        "(train.validation_config; hold the images out of the dataset).",
        expected_effect="the next run can be judged, and compared with others",
        expected_impact="high",
        risk="two images fewer to train on, and some seconds for each validation",
        risk_level="low",
        source="PRACTICE D17, R01",
        needs="paths of two or more images that are not in the dataset",
        steps=seen.evidence.config.steps,
    )


def exploration(seen: Situation) -> Iterator[Candidate]:
    """Where nothing asks for a change, look at what no metric shows."""
    if seen.findings:
        return
    yield Candidate(
        recommendation_type="exploration",
        parameter="seeded_eval_prompts",
        current=None,
        proposed={"expand_prompt_suite": True, "add_out_of_distribution_prompts": True},
        rationale="Nothing measured asks for a change; samples of new prompts show what metrics "
        "do not.",
        expected_effect="shows whether the LoRA holds up on prompts it was not trained on",
        expected_impact="moderate",
        risk="none",
        risk_level="low",
        source="PRACTICE R01",
        needs="prompts unlike the captions",
        steps=0,
    )
