"""Proposals for a run that broke: smaller updates, a sounder number format, less memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aitk_core.statistics.methods import METHODS
from aitk_observability.samples.labels import plain
from aitk_observability.suggestions.candidate import Candidate
from aitk_observability.suggestions.situation import BROKEN, MEMORY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aitk_core.records.findings import Finding
    from aitk_observability.suggestions.situation import Situation

_LEAST_RATE: Final = 1e-6
"""Lowest rate the contract proposes (SCORING.md section 8)."""
_RATE_DIVISOR: Final = 3.0
"""Half a decade; ours."""
_DOUBT: Final = (
    "The learning rate may not be the cause: model, dataset, noise scheduler or text encoder can "
    "be, see base_model_fit."
)
_FITTING: Final = ("model", "dataset", "noise_scheduler", "text_encoder")
_VALUE_CHARS: Final = 200
_FOLDERS: Final = 5
"""Ours: as many as a person reads."""
_SIZES: Final = (1024, 768, 512)
"""Steps of the largest bucket (failures catalogue, CUDA_OOM)."""
_BURNING_RATE: Final = 1e-3
"""From here on an Adam-type optimizer burns a LoRA (PRACTICE L01)."""
_USUAL_RATE: Final = 1e-4
"""What every architecture's example and the trainer's form start from (PRACTICE section 1)."""
_ADAPTIVE: Final = ("prodigy", "dadapt", "d-adapt")
"""Optimizers that set the step size themselves (PRACTICE L04)."""


def half_precision(seen: Situation) -> Iterator[Candidate]:
    """fp16 is the usual cause of a loss that is not finite on these models."""
    finding = seen.findings.get("LOSS_NONFINITE")
    if finding is None or seen.evidence.config.dtype not in ("fp16", "float16"):
        return
    yield Candidate(
        recommendation_type="stability",
        parameter="dtype",
        current=seen.evidence.config.dtype,
        proposed="bf16",
        motivated_by=(finding.code,),
        rationale=f"{finding.code}: {finding.message}.",
        expected_effect="no more non-finite losses; bf16 has the range that fp16 lacks",
        expected_impact="high",
        risk="needs a GPU with bf16",
        risk_level="low",
        source="PRACTICE M03",
        changes={"train.dtype": "bf16"},
        steps=seen.evidence.config.steps,
    )


def base_model_fit(seen: Situation) -> Iterator[Candidate]:
    """A loss that was never better has a cause that no learning rate reaches: look for it first."""
    finding = seen.never_better()
    if finding is None:
        return
    config, enough = seen.evidence.config, METHODS["noise_level_v1"].minimum_n
    yield Candidate(
        recommendation_type="stability",
        parameter="base_model_fit",
        current=_base_of(seen) or None,
        proposed={"check": list(_FITTING)},
        motivated_by=(finding.code,),
        rationale=f"{finding.code}: {finding.message}. A LoRA starts without effect, so the first "
        "losses are those of the base model as it was loaded, and no learning rate mends them.",
        expected_effect="the first losses lie clearly below that level once model, dataset, noise "
        "scheduler (with its prediction type) and text encoder fit; where they did from the "
        "start, the learning rate is left",
        expected_impact="high",
        risk="none: nothing of the run is changed",
        risk_level="low",
        source="STATS.md section 12",
        needs="look at samples of the base model, at images and captions of the dataset, and at "
        "noise scheduler, prediction type and text encoder that the model was made with; a run "
        "of these few steps shows whether a correction helped",
        steps=enough if config.steps is None else min(enough, config.steps),
    )


def _base_of(seen: Situation) -> dict[str, Any]:
    """Return what the config says of the base, as far as it says it; texts short and plain."""
    config = seen.evidence.config
    texts = {
        "model": config.model_name,
        "arch": config.arch,
        "noise_scheduler": config.noise_scheduler,
    }
    switches = {
        "is_v_pred": seen.at("model", "is_v_pred"),
        "train_text_encoder": seen.at("train", "train_text_encoder"),
    }
    told: dict[str, Any] = {k: plain(v, _VALUE_CHARS) for k, v in texts.items() if v is not None}
    told |= {k: v for k, v in switches.items() if isinstance(v, bool)}
    folders = [plain(path, _VALUE_CHARS) for path in config.dataset_paths[:_FOLDERS]]
    return told | ({"datasets": folders} if folders else {})


def learning_rate(seen: Situation) -> Iterator[Candidate]:
    """A run that broke gets smaller updates."""
    found = [seen.findings[code] for code in BROKEN if code in seen.findings]
    if found:
        yield from lower_rate(seen, *found)


def lower_rate(seen: Situation, *found: Finding) -> Iterator[Candidate]:
    """Propose the usual learning rate for one far above it, else a third.

    Args:
        seen: The run.
        found: One or more findings that ask for it, the first of them is told.
    """
    finding = found[0]
    rate, optimizer = seen.evidence.config.learning_rate, seen.evidence.config.optimizer or ""
    if rate is None or rate <= _LEAST_RATE:
        return
    if any(name in optimizer.lower() for name in _ADAPTIVE):
        return  # their rate is a factor near 1, not a size of updates
    proposed, why = float(f"{rate / _RATE_DIVISOR:.2g}"), "A third is a step that shows an effect."
    source = "ours: half a decade; PRACTICE L10"
    if rate >= _BURNING_RATE and "adam" in optimizer.lower():
        proposed, source = _USUAL_RATE, "PRACTICE L01 and section 1"
        why = f"{rate:g} is far above what Adam-type optimizers take; {_USUAL_RATE:g} is usual."
    proposed = max(_LEAST_RATE, proposed)
    in_doubt = seen.never_better() is not None
    risk = "the run learns more slowly and may need more steps"
    yield Candidate(
        recommendation_type="stability",
        parameter="learning_rate",
        current=rate,
        proposed=proposed,
        motivated_by=tuple(one.code for one in found),
        rationale=f"{finding.code}: {finding.message}. {why}" + (f" {_DOUBT}" if in_doubt else ""),
        expected_effect=f"{finding.code} does not come back over the same steps",
        expected_impact="moderate" if in_doubt else "high",
        risk=f"it changes nothing where the base does not fit; {risk}" if in_doubt else risk,
        risk_level="medium" if in_doubt else "low",
        source=source,
        changes={"train.lr": proposed},
        steps=seen.evidence.config.steps,
    )


def memory(seen: Situation) -> Iterator[Candidate]:
    """What needs less memory, in the order that costs least."""
    finding = seen.first(MEMORY)
    if finding is None:
        return
    config = seen.evidence.config
    batch = config.batch_size or 1
    changes: dict[str, Any]
    if batch > 1:
        changes = {"train.batch_size": batch - 1}
        yield _less_memory(seen, finding, "batch_size", batch, batch - 1, changes)
    sizes = _smaller(config.resolution)
    datasets = seen.at("datasets")
    if sizes is not None and isinstance(datasets, list):
        changes = {f"datasets.{i}.resolution": list(sizes) for i, _ in enumerate(datasets)}
        now = list(config.resolution)
        yield _less_memory(seen, finding, "resolution", now, list(sizes), changes)
    for path, parameter in (
        ("train.gradient_checkpointing", "gradient_checkpointing"),
        ("model.quantize", "quantize"),
        ("model.low_vram", "low_vram"),
    ):
        if seen.at(*path.split(".")) is False:
            changes = {path: True}
            yield _less_memory(
                seen, finding, parameter, current=False, proposed=True, changes=changes
            )


def _smaller(sizes: tuple[int, ...]) -> tuple[int, ...] | None:
    if len(sizes) > 1:
        return sizes[:-1]
    smaller = [size for size in _SIZES if sizes and size < sizes[0]]
    return (smaller[0],) if smaller else None


def _less_memory(
    seen: Situation,
    finding: Finding,
    parameter: str,
    current: Any,
    proposed: Any,
    changes: Mapping[str, Any],
) -> Candidate:
    is_costly = parameter in ("resolution", "quantize")
    return Candidate(
        recommendation_type="memory",
        parameter=parameter,
        current=current,
        proposed=proposed,
        motivated_by=(finding.code,),
        rationale=f"{finding.code}: {finding.message}.",
        expected_effect="no step is lost to memory over the same steps; how much is saved depends "
        "on the model",
        expected_impact="high",
        risk="finer detail is lost" if parameter == "resolution" else "steps may take longer",
        risk_level="medium" if is_costly else "low",
        source="PRACTICE M09",
        changes=changes,
        steps=seen.evidence.config.steps,
    )
