"""What is said of a model beside it: base model, trigger word, config, dataset, run, score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from aitk_core.errors import AitkError
from aitk_core.evidence.config import first_process, read_config
from aitk_export.exporting.fingerprint import DatasetPrint, fingerprint

if TYPE_CHECKING:
    from aitk_core.backend.records import JobRow
    from aitk_core.protocols import ToolContext

_SCORE_S: Final = 8.0
"""Ours: of the call's time, below which the run is not scored as well."""
_DATASETS: Final = 10


@frozen(kw_only=True)
class About:
    """The run behind a model."""

    base_model: str | None
    """As the config names it: a Hub id, or a file's name; never a whole path."""
    arch: str | None
    trigger_word: str | None
    run: dict[str, Any]
    config: dict[str, Any] | None
    """The job's config, without secrets."""
    datasets: tuple[DatasetPrint, ...]
    score: dict[str, Any] | None
    """Of the run; null where it was not scored, `score_note` says why."""
    score_note: str


def named_by(job: JobRow) -> tuple[str | None, str | None]:
    """Return the base model and the trigger word of a job's config."""
    trigger = first_process(job.config).get("trigger_word")
    model = _shown_model(read_config(job.config).model_name)
    return model, trigger if isinstance(trigger, str) and trigger else None


async def about_run(context: ToolContext, job: JobRow) -> About:
    """Collect what is known of a run; what cannot be found out is null."""
    config = read_config(job.config)
    datasets = [await fingerprint(context, folder) for folder in config.dataset_paths[:_DATASETS]]
    score, note = await _score(context, job.id)
    model, trigger = named_by(job)
    return About(
        base_model=model,
        arch=config.arch,
        trigger_word=trigger,
        run={
            "job_id": job.id,
            "name": job.name,
            "status": job.status,
            "step": job.step,
            "configured_steps": job.configured_steps,
            "created_at": job.created_at,
        },
        config=None if job.config is None else without_secrets(context, dict(job.config)),
        datasets=tuple(datasets),
        score=score,
        score_note=note,
    )


def without_secrets(context: ToolContext, value: Any) -> Any:
    """Return JSON with every text in it redacted."""
    if isinstance(value, str):
        return context.redacted(value)
    if isinstance(value, dict):
        return {str(key): without_secrets(context, each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(context, each) for each in value]
    return value


def _shown_model(name: str | None) -> str | None:
    if name is None:
        return None
    slashed = name.replace("\\", "/").rstrip("/")
    is_path = slashed.startswith(("/", "./", "~")) or slashed[1:2] == ":"
    return slashed.rpartition("/")[2] if is_path else slashed


async def _score(context: ToolContext, job_id: str) -> tuple[dict[str, Any] | None, str]:
    if not context.offers("evaluate-lora"):
        return None, "no plugin that scores runs is installed"
    left = context.remaining_s()
    if left is not None and left < _SCORE_S:
        return None, "the call's time did not suffice to score the run"
    asked = {"job_id": job_id, "include_dataset": False, "include_nlp": False}
    asked |= {"include_samples": False}
    try:
        answer = (await context.call_tool("evaluate-lora", asked)).data or {}
    except AitkError as error:
        return None, f"the run was not scored: {error.code}"
    found = answer.get("evaluation")
    if not isinstance(found, dict):
        return None, "the run was not scored"
    kept = ("overall_score", "grade", "passed", "scoring_method")
    return {key: found[key] for key in kept if key in found}, "of the whole run, no one checkpoint"
