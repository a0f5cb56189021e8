"""validate-training-config: what is wrong with a config before it costs a night."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Literal

from aitk_core.errors import AitkError, InvalidArgumentsError, UnknownToolError
from aitk_core.evidence.config import read_config
from aitk_core.records.results import ToolResult
from aitk_guardrails.lint.inputs import Draft, config_of, draft_config
from aitk_guardrails.report.validation import build, summarize

if TYPE_CHECKING:
    from aitk_core.protocols import ToolContext
    from aitk_guardrails.arguments import ValidateTrainingConfig
    from aitk_guardrails.lint.facts import LintFacts
    from aitk_guardrails.lint.issues import Issue
    from aitk_guardrails.vram.records import Observation

_PAST_S: Final = 5.0
"""Ours: for the runs that memory is told from; a verdict without them is still one."""
Source = Literal["config_argument", "saved_config", "draft_parameters"]


async def validate_training_config(
    arguments: ValidateTrainingConfig, context: ToolContext
) -> ToolResult:
    """Check a config given whole, by name, or as a few values of a draft.

    Raises:
        InvalidArgumentsError: None of them is given, or a text that is no config.
        ConfigNotFoundError: There is no such saved config.
        TooLargeError: The config is more than one can be.
    """
    from aitk_guardrails.collect.facts import collect

    config, source = await _config(arguments, context)
    collected = await collect(
        config,
        context,
        config_name=arguments.config_name if source == "saved_config" else None,
        check_dataset=arguments.check_dataset,
        max_dataset_files=arguments.max_dataset_files,
    )
    past = await _past(config, context)
    issues, memory = await context.run(_judge, config, collected.facts, past)
    data = build(
        config,
        issues,
        collected,
        memory,
        config_context={
            "config_source": source,
            "requested_config_name": arguments.config_name,
            "check_dataset": arguments.check_dataset,
            "max_dataset_files": arguments.max_dataset_files,
        },
    )
    return ToolResult(data=data, summary=summarize(data))


async def _past(config: Any, context: ToolContext) -> list[Observation]:
    """Return what runs of this architecture used here, as watches saw it; none is an answer."""
    from aitk_guardrails.plan.past import past_runs

    arch = read_config(config).arch if isinstance(config, dict) else None
    try:
        async with asyncio.timeout(_PAST_S):
            runs = await past_runs(context, arch)
    except (AitkError, TimeoutError):
        return []
    return [seen for run in runs if (seen := run.observation()) is not None]


def _judge(
    config: Any, facts: LintFacts, past: list[Observation]
) -> tuple[tuple[Issue, ...], dict[str, Any]]:
    from aitk_guardrails.lint.run import lint
    from aitk_guardrails.vram.fit import memory_of

    issues = lint(config, facts)
    memory, issue = memory_of(config, facts.gpu_memory_bytes, past)
    if issue is None:
        return issues, memory
    # Errors stand first.
    place = sum(each.severity == "error" for each in issues) if issue.severity != "error" else 0
    return (*issues[:place], issue, *issues[place:]), memory


async def _config(arguments: ValidateTrainingConfig, context: ToolContext) -> tuple[Any, Source]:
    if arguments.config is not None:
        return await context.run(config_of, arguments.config), "config_argument"
    if arguments.config_name is not None:
        return await saved_config(arguments.config_name, context), "saved_config"
    if arguments.model_name is None or arguments.dataset_path is None:
        raise InvalidArgumentsError(
            "nothing to check: give config, config_name, or a draft's model_name and dataset_path",
            remedy="list-configs shows the saved configs",
            faults=[{"path": "/config", "message": "is required here"}],
        )
    draft = Draft(
        model_name=arguments.model_name,
        dataset_path=arguments.dataset_path,
        name=arguments.name or "draft",
        arch=arguments.arch,
        resolution=arguments.resolution,
        batch_size=arguments.batch_size,
        steps=arguments.steps,
        learning_rate=arguments.learning_rate,
        rank=arguments.rank,
        alpha=arguments.alpha,
        low_vram=arguments.low_vram,
        trigger_word=arguments.trigger_word,
        test_prompts=arguments.test_prompts,
        use_wandb=arguments.use_wandb,
        disable_sampling=arguments.disable_sampling,
    )
    return await context.run(draft_config, draft), "draft_parameters"


async def saved_config(name: str, context: ToolContext) -> dict[str, Any]:
    """Return a saved config.

    Raises:
        InvalidArgumentsError: No tool here reads saved configs.
        ConfigNotFoundError: There is no such saved config.
    """
    try:
        answer = await context.call_tool("get-config", {"name": name})
    except UnknownToolError as error:
        raise InvalidArgumentsError(
            "config_name needs a tool that reads saved configs, and none is installed",
            remedy="give config instead",
        ) from error
    return dict((answer.data or {})["config"])
