"""A config in the short form of the contract: what it trains, as far as it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aitk_core.configkeys.facts import trainer_arch
from aitk_core.configkeys.json_values import plain_copy, require_json
from aitk_core.configkeys.model_names import words_of
from aitk_core.configkeys.rules import Process
from aitk_core.configkeys.table import key_table
from aitk_core.evidence.config import first_process
from aitk_guardrails.lint.facts import LintFacts
from aitk_guardrails.lint.subject import Subject, bounded

if TYPE_CHECKING:
    from aitk_guardrails.lint.facts import DatasetFacts

_FLUX_WORDS = frozenset({"flux", "flex"})


def normalized_config(config: Any, facts: LintFacts | None = None) -> dict[str, Any]:
    """Return `normalized_config` of the contract (TOOLS.md 2), JSON-ready.

    Values are those that the trainer would use; null where the config gives none that it can.
    They are those of the first process, as in the contract.

    Args:
        config: Any JSON value.
        facts: What is known beside it.

    Raises:
        InvalidArgumentsError: The config is no JSON.
        TooLargeError: It is more than a config can be.
    """
    require_json(config, what="the config")
    plain = plain_copy(config) if isinstance(config, Mapping) else {}
    known = facts or LintFacts()
    block = first_process(plain)
    process = Process(table=key_table(), block=block)
    subject = Subject(config=plain, index=0, process=process, facts=known)
    inner = plain.get("config")
    name = inner.get("name") if isinstance(inner, Mapping) else None
    folder = subject.folder(0)
    return {
        "job_name": bounded(name) if isinstance(name, str) else None,
        "model": _model(subject),
        "dataset": _dataset(folder, known.datasets.get(folder or "")),
        "train": {
            "resolution": [int(side) for side in subject.resolutions],
            "batch_size": subject.count("train.batch_size"),
            "steps": subject.count("train.steps"),
            "learning_rate": subject.number("train.lr"),
            "rank": subject.rank if subject.trains_lora else None,
            "alpha": subject.alpha if subject.trains_lora else None,
        },
        "sample": {
            "prompt_count": len(subject.prompts),
            "trigger_word": bounded(subject.text("trigger_word")),
        },
    }


def _model(subject: Subject) -> dict[str, Any]:
    name, arch = subject.text("model.name_or_path"), subject.text("model.arch")
    facts = subject.facts.models.get(name or "")
    low_vram = subject.process.value("model.low_vram")
    return {
        "name_or_path": bounded(name),
        "resolved_name_or_path": facts.resolved if facts else None,
        "resolution_source": facts.resolution_source if facts else None,
        "arch": bounded(arch),
        "is_flux_model": bool(_FLUX_WORDS & set(words_of(name or ""))),
        "is_flux_arch": bool(arch) and trainer_arch(arch or "").startswith(("flux", "flex")),
        "low_vram": low_vram if isinstance(low_vram, bool) else None,
    }


def _dataset(folder: str | None, facts: DatasetFacts | None) -> dict[str, Any]:
    return {
        "path": bounded(folder),
        "exists": None if facts is None else facts.state == "folder",
        "stats": {"checked": facts is not None},
    }
