"""list-configs, get-config and get-training-info."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aitk_core.configkeys.names import checked_name
from aitk_core.configkeys.text import dump_config
from aitk_core.convert import unstructure
from aitk_core.errors import ConfigNotFoundError
from aitk_core.records.results import ToolResult
from aitk_training.configs.describe import training_info
from aitk_training.configs.store import ConfigStore
from aitk_training.text import bullets, one_line
from aitk_training.tools.outputs_configs import (
    ConfigInfo,
    ConfigList,
    ConfigText,
    InfoConflict,
    SavedConfig,
)

if TYPE_CHECKING:
    from aitk_core.protocols import ToolContext
    from aitk_training.arguments import GetConfig, GetTrainingInfo, ListConfigs
    from aitk_training.configs.describe import TrainingInfo

_LISTED: Final = 200
"""Ours: lines of text; the data names all files."""
_SHOWN_CHARS: Final = 80_000
"""About 20,000 tokens, above which clients cut or refuse an answer."""
_PROMPT_CHARS: Final = 500
_CHECKPOINTS: Final = 6
"""Steps of the newest ones that are named."""


def store_of(context: ToolContext) -> ConfigStore:
    """Return the saved configs of this server."""
    return ConfigStore(context.paths.root("configs"))


async def list_configs(_arguments: ListConfigs, context: ToolContext) -> ToolResult:
    """Return all saved configs; one that cannot be read says why."""
    entries = await context.run(store_of(context).names)
    configs = tuple(
        SavedConfig(
            name=each.name,
            file=each.file,
            status=each.status,
            problem=each.problem,
            modified_at=each.modified_at,
            bytes=each.bytes,
        )
        for each in entries
    )
    usable = sum(each.status == "ok" and not each.problem for each in configs)
    data = ConfigList(configs=configs, total=len(configs), usable=usable)
    if not configs:
        return ToolResult(data=unstructure(data), summary="No saved training configs.")
    lines = [f"Saved training configs ({usable} of {len(configs)} usable):", ""]
    lines += [_listed(each) for each in configs[:_LISTED]]
    if len(configs) > _LISTED:
        lines.append(f"... and {len(configs) - _LISTED} more")
    return ToolResult(data=unstructure(data), summary="\n".join(lines))


def _listed(config: SavedConfig) -> str:
    if not config.problem:
        return f"- {config.name}"
    return f"- {one_line(config.name)} ({config.file}: {one_line(config.problem)})"


async def get_config(arguments: GetConfig, context: ToolContext) -> ToolResult:
    """Return a saved config whole."""
    name, file, config = await context.run(_read, store_of(context), arguments.name)
    data = ConfigText(
        name=name, file=file, format="json" if file.endswith(".json") else "yaml", config=config
    )
    text = await context.run(lambda: dump_config(config, as_json=False).decode("utf-8"))
    if len(text) > _SHOWN_CHARS:
        text = f"{text[:_SHOWN_CHARS]}\n... {len(text) - _SHOWN_CHARS} more characters"
    return ToolResult(data=unstructure(data), summary=f"Configuration '{name}' ({file}):\n\n{text}")


def _read(store: ConfigStore, name: str) -> tuple[str, str, dict[str, Any]]:
    name = checked_name(name)
    config = store.read(name)
    file = store.file_name(name)
    if file is None:
        raise ConfigNotFoundError(
            f"there is no saved config {name!r} any more", remedy="list the saved configs"
        )
    return name, file, config


async def get_training_info(arguments: GetTrainingInfo, context: ToolContext) -> ToolResult:
    """Say what a saved config would train, from the config itself where it has no metadata."""
    name, _, config = await context.run(_read, store_of(context), arguments.name)
    info = training_info(config)
    data = ConfigInfo(
        name=name,
        job_name=info.name,
        trigger_word=info.trigger_word,
        model=info.model,
        arch=info.arch,
        resolution=info.resolution,
        steps=info.steps,
        rank=info.rank,
        alpha=info.alpha,
        learning_rate=info.learning_rate,
        batch_size=info.batch_size,
        dataset_paths=info.dataset_paths,
        prompts=info.prompts,
        save_every=info.save_every,
        keep=info.keep,
        kept_checkpoints=info.kept_checkpoints,
        has_metadata=info.has_metadata,
        sources=dict(info.sources),
        conflicts=tuple(
            InfoConflict(field=each.field, config=each.config, metadata=each.metadata)
            for each in info.conflicts
        ),
    )
    return ToolResult(data=unstructure(data), summary=_info_text(name, info))


def _info_text(name: str, info: TrainingInfo) -> str:
    known = bullets(
        (
            ("Trigger word", one_line(info.trigger_word)),
            ("Model", one_line(info.model)),
            ("Architecture", one_line(info.arch)),
            ("Resolution", ", ".join(map(str, info.resolution))),
            ("Steps", info.steps),
            ("Rank", info.rank),
            ("Alpha", info.alpha),
            ("Learning rate", info.learning_rate),
            ("Batch size", info.batch_size),
            ("Dataset", ", ".join(one_line(path) for path in info.dataset_paths)),
            ("Checkpoints that survive", _checkpoints(info)),
        )
    )
    lines = [f"Training information for '{name}':", ""]
    lines += known or ["The config says nothing about a training run."]
    lines += [
        f"- Conflict: {each.field} is {one_line(repr(each.config))} in the config, "
        f"{one_line(repr(each.metadata))} in training_metadata; the run goes by the config"
        for each in info.conflicts
    ]
    if info.prompts:
        lines += ["", "Test prompts:"]
        lines += [
            f"{number}. {one_line(prompt, _PROMPT_CHARS)}"
            for number, prompt in enumerate(info.prompts, start=1)
        ]
    return "\n".join(lines)


def _checkpoints(info: TrainingInfo) -> str:
    if info.kept_checkpoints is None:
        return ""
    if not info.kept_checkpoints:
        return "only the final weights"
    steps = info.kept_checkpoints
    shown = ", ".join(map(str, steps[-_CHECKPOINTS:]))
    return f"steps {'..., ' if len(steps) > _CHECKPOINTS else ''}{shown} and the final weights"
