"""The whole lint: every check over every process that trains."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from aitk_core.configkeys.json_values import plain_copy, require_json
from aitk_core.configkeys.names import name_fault
from aitk_core.configkeys.rules import Process
from aitk_core.configkeys.table import key_table
from aitk_guardrails.lint import (
    data,
    dataset,
    known_bad,
    learning,
    memory,
    model,
    numbers,
    sampling,
    saving,
)
from aitk_guardrails.lint.facts import LintFacts
from aitk_guardrails.lint.issues import SEVERITIES, Issue
from aitk_guardrails.lint.keys import key_issues
from aitk_guardrails.lint.sources import trainer
from aitk_guardrails.lint.subject import Subject, bounded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aitk_guardrails.lint.subject import Check

CHECKS: Final[tuple[Check, ...]] = (
    *numbers.CHECKS,
    *learning.CHECKS,
    *model.CHECKS,
    *data.CHECKS,
    *dataset.CHECKS,
    *saving.CHECKS,
    *sampling.CHECKS,
    *memory.CHECKS,
    *known_bad.CHECKS,
)
"""Every check of one process; what the key table says of the whole config comes before them."""

MOST_ISSUES: Final = 300
"""Issues in one answer; ours. A hostile config could have 50,000."""


def lint(
    config: Any, facts: LintFacts | None = None, *, checks: Iterable[Check] = CHECKS
) -> tuple[Issue, ...]:
    """Return what is wrong with a job config, errors first, each group in the config's order.

    A config without an object, a `config` block or a process has that one issue and no other.

    Args:
        config: Any JSON value; a config as the backend stores it has
            `{"job", "config": {"name", "process": [...]}}`.
        facts: What is known beside it; None for nothing.
        checks: Functions from `Subject` to issues.

    Raises:
        InvalidArgumentsError: It is no JSON: NaN, an infinity, nested deeper than 64 levels.
        TooLargeError: It is more than a config can be.
    """
    require_json(config, what="the config")
    whole = _shape(config)
    if whole is not None:
        return (whole,)
    plain: dict[str, Any] = plain_copy(config)
    found: dict[tuple[str, str], Issue] = {}
    subjects = _subjects(plain, facts or LintFacts())
    wanted = tuple(checks)
    for each in chain(
        key_issues(plain),
        _name(plain),
        chain.from_iterable(check(subject) for subject in subjects for check in wanted),
    ):
        found.setdefault((each.code, each.path), each)
    ranked = sorted(found.values(), key=lambda each: SEVERITIES.index(each.severity))
    return tuple(ranked[:MOST_ISSUES])


def is_valid(issues: Iterable[Issue]) -> bool:
    """Return whether a config with these issues may start."""
    return all(each.severity != "error" for each in issues)


def _subjects(config: Mapping[str, Any], facts: LintFacts) -> tuple[Subject, ...]:
    table = key_table()
    return tuple(
        Subject(
            config=config,
            index=index,
            process=Process(table=table, block=block),
            facts=facts,
        )
        for index, block in enumerate(config["config"]["process"])
        if isinstance(block, Mapping)
        and not table.captions(block.get("type"))
        and table.covers(config.get("job"), block.get("type"))
    )


def _shape(config: Any) -> Issue | None:
    if not isinstance(config, Mapping):
        return _whole("INVALID_CONFIG_TYPE", "", config, "a config must be an object")
    inner = config.get("config")
    if not isinstance(inner, Mapping):
        return _whole("INVALID_CONFIG_ROOT", "/config", inner, "`config` must be an object")
    processes = inner.get("process")
    if not isinstance(processes, list | tuple) or not any(
        isinstance(each, Mapping) for each in processes
    ):
        message = "`config.process` must be a list with at least one process"
        return _whole("MISSING_PROCESS", "/config/process", processes, message)
    return None


def _whole(code: str, path: str, value: Any, message: str) -> Issue:
    return Issue(
        code=code,
        severity="error",
        message=message,
        path=path,
        value=bounded(value),
        expected={"job": "extension", "config": {"name": "text", "process": ["object"]}},
        why="the trainer finds no job in it",
        source=trainer("toolkit/config.py; jobs/BaseJob.py"),
    )


def _name(config: Mapping[str, Any]) -> Iterator[Issue]:
    inner = config["config"]
    if "name" not in inner:
        return
    name = inner["name"]
    fault = name_fault(name)
    if fault is None and name != name.strip():
        fault = "a name may not begin or end with white space"
    if fault is not None:
        yield Issue(
            code="INVALID_NAME",
            severity="error",
            message=f"the name cannot be used: {fault}",
            path="/config/name",
            value=bounded(name),
            expected="a short plain name, such as my_lora_v1",
            why="the backend makes a folder of the name, and looks files up by it",
            source="backend API, section 15",
        )
