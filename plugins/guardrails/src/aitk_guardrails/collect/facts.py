"""Everything that the checks may know beside a config, collected at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aitk_core.configkeys.json_values import json_faults
from aitk_core.evidence.config import first_process
from aitk_guardrails.collect.datasets import look_at_datasets
from aitk_guardrails.collect.machine import look_at_machine
from aitk_guardrails.collect.models import look_at_models
from aitk_guardrails.collect.records import Collected
from aitk_guardrails.lint.facts import LintFacts

if TYPE_CHECKING:
    from aitk_core.protocols import ToolContext


async def collect(
    config: Any,
    context: ToolContext,
    *,
    config_name: str | None = None,
    check_dataset: bool = True,
    max_dataset_files: int = 2000,
) -> Collected:
    """Return what is known beside a config; what cannot be looked at stays unknown, and is named.

    Args:
        config: Any JSON value; of one that is no config nothing is known.
        context: Of the call.
        config_name: Saved under this name, so that a dataset is read as it says.
        check_dataset: Whether to look into the dataset folders.
        max_dataset_files: Pictures looked at in each.
    """
    questions: list[str] = []
    is_json = next(iter(json_faults(config)), None) is None
    process = first_process(config) if is_json else {}
    machine = await look_at_machine(_name_of(config), context, questions)
    models = await look_at_models(process, context, questions)
    looked = (
        await look_at_datasets(
            process, context, questions, config_name=config_name, max_files=max_dataset_files
        )
        if check_dataset
        else {}
    )
    return Collected(
        facts=LintFacts(
            datasets={folder: each.facts for folder, each in looked.items()},
            models=models,
            free_disk_bytes=machine.free_disk_bytes,
            gpu_memory_bytes=machine.gpu_memory_bytes,
            has_hub_token=machine.has_hub_token,
            existing_step=machine.existing_step,
        ),
        datasets={folder: each.document for folder, each in looked.items() if each.document},
        open_questions=tuple(questions),
    )


def _name_of(config: Any) -> str | None:
    inner = config.get("config") if isinstance(config, dict) else None
    name = inner.get("name") if isinstance(inner, dict) else None
    return name if isinstance(name, str) and name.strip() else None
