"""The prompts: which tools to call in which order, and what to tell the person."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from aitk_core.backend.ids import checked_job_id
from aitk_observability.prompts.parts import Step, job_ids_of, message, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.protocols import ToolContext
    from aitk_core.records.results import PromptMessage

_GOAL_CHARS: Final = 1000
_TEXT_CHARS: Final = 1024
"""The contract's bound for a model's name and a dataset's path."""

_DIAGNOSE: Final = (
    Step("get-training-status", "is the job alive, and where is it? Take its verdict first."),
    Step(
        "get-training-observability",
        "the findings about loss, speed and errors, with their evidence. This is the diagnosis; "
        "the calls after it only answer what it leaves open.",
    ),
    Step("get-training-logs", "the last lines, only where an error or a stall is to be explained."),
    Step("get-system-stats", "only where memory, heat or another job may be the cause."),
    Step("suggest-next-experiment", "one change to try next, where the run has ended."),
    Step(
        "stop-training",
        "only if the evidence says that going on is a waste and the person has said yes; say "
        "first how many steps would be lost.",
    ),
)
_WATCH: Final = (
    Step(
        "get-training-status",
        "is it alive, and how long will it take? If it has ended, go on to its report.",
    ),
    Step(
        "watch-training-timeseries",
        "follow it for a few minutes at a time, with pauses of 30 s or more between polls.",
    ),
    Step(
        "get-training-observability",
        "once a trend is worth judging, and when the run ends. A look every few minutes is "
        "enough: each further look makes a false alarm more likely.",
    ),
    Step(
        "stop-training",
        "only if the evidence says that going on is a waste and the person has said yes.",
    ),
)
_COMPARE: Final = (
    Step("list-training-jobs", "the runs there are, where none are named or a name is unclear."),
    Step(
        "compare-training-runs",
        "who is ahead, whether the distance is more than noise, and what else differs between "
        "the runs. Training loss never ranks.",
    ),
    Step("evaluate-lora", "for the leading one or two: what was assessed and what was not."),
    Step("suggest-next-experiment", "what to try next, from the same candidates."),
)
_PREPARE: Final = (
    Step("get-training-status", "without a job: is the backend up, and what runs and waits?"),
    Step("get-system-stats", "how much GPU memory is free."),
    Step("list-datasets", "the datasets there are, where none is named."),
    Step("recommend-training-plan", "settings for the goal, the dataset and the memory."),
    Step(
        "create-training-config",
        "save the config once the person has agreed to model, dataset, steps and rank. Do not "
        "overwrite a saved one without asking.",
    ),
    Step("validate-training-config", "mend every error; tell the person each warning."),
    Step(
        "get-training-info",
        "what will be trained, and which checkpoints will survive. Show it and ask for a yes.",
    ),
    Step("start-training", "only after that yes. Queued is not yet running."),
    Step("get-training-status", "does it run? Tell the person its job id and the time left."),
)


async def diagnose_run(
    arguments: Mapping[str, str], context: ToolContext
) -> tuple[PromptMessage, ...]:
    """Render `diagnose-run`.

    Raises:
        InvalidArgumentsError: The job's id is malformed.
    """
    return message(
        context,
        task=[f"Find out how training job {_job(arguments)} is doing, and why."],
        steps=_DIAGNOSE,
        report="the state of the run in a sentence; each finding with its evidence; the likely "
        "cause; the next step; what could not be assessed.",
    )


async def watch_run(
    arguments: Mapping[str, str], context: ToolContext
) -> tuple[PromptMessage, ...]:
    """Render `watch-run`.

    Raises:
        InvalidArgumentsError: The job's id is malformed.
    """
    return message(
        context,
        task=[
            f"Watch training job {_job(arguments)} until it ends, or until the person says stop.",
            "Nobody watches once this conversation ends: say so.",
        ],
        steps=_WATCH,
        report="what changed since the last look, and nothing where nothing did; at the end, "
        "how the run ended and its findings with their evidence.",
    )


async def compare_candidates(
    arguments: Mapping[str, str], context: ToolContext
) -> tuple[PromptMessage, ...]:
    """Render `compare-candidates`.

    Raises:
        InvalidArgumentsError: An id is malformed, or there are more than 20.
    """
    named = job_ids_of(arguments.get("job_ids", ""))
    which = f"these training jobs: {json.dumps(named)}" if named else "the newest training jobs"
    return message(
        context,
        task=[f"Compare {which}, and say which LoRA to keep."],
        steps=_COMPARE,
        report="the order with the distance to the winner and its interval; whether the winner "
        "can be told from the next; what else differs, which may explain it; runs that were "
        "left out and why; what only a look at the samples can settle.",
    )


async def prepare_and_start_run(
    arguments: Mapping[str, str], context: ToolContext
) -> tuple[PromptMessage, ...]:
    """Render `prepare-and-start-run`.

    Raises:
        InvalidArgumentsError: An argument is too long.
    """
    task = ["Prepare a LoRA training run with the person, and start it once they agree."]
    missing = []
    for field, label, limit in (
        ("goal", "The goal", _GOAL_CHARS),
        ("dataset_path", "The dataset's path", _TEXT_CHARS),
        ("model", "The base model", _TEXT_CHARS),
    ):
        if text := arguments.get(field, "").strip():
            task.append(f"{label}, as the person typed it: {quoted(text, field, limit)}.")
        else:
            missing.append(label[0].lower() + label[1:])
    if missing:
        task.append(f"Ask for what was not given: {', '.join(missing)}.")
    if not context.offers("start-training"):
        task.append("This server does not offer to start it: say so at once.")
    return message(
        context,
        task=task,
        steps=_PREPARE,
        report="what was saved and what was started, with the job's id; settings that were "
        "guessed, and why; what was not checked.",
    )


def _job(arguments: Mapping[str, str]) -> str:
    return json.dumps(checked_job_id(arguments["job_id"]))
