"""One reading against every rule: what begins, what goes on, what is over. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from attrs import frozen

from aitk_core.errors import InvalidArgumentsError
from aitk_guardrails.rules import contract
from aitk_guardrails.rules.settings import MODES, Mode
from aitk_guardrails.rules.table import BY_NAME, RULES, Evidence, is_taken, rule_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aitk_guardrails.rules.memory import Memory
    from aitk_guardrails.rules.reading import Reading
    from aitk_guardrails.rules.settings import Guardrails
    from aitk_guardrails.rules.table import Rule

CLEARED_AFTER: Final = 3
"""Readings in a row without it before a trigger counts as over; ours, so that one that comes and
goes is told once."""
_CONTRACT: Final[Mapping[str, str]] = {
    "nan": "stop_on_nan",
    "oom": "stop_on_repeated_oom",
    "stall": "stop_on_stalled_progress",
    "throughput": "stop_on_throughput_collapse",
}
_NEEDS_NEW: Final = frozenset({"nan", "divergence", "slow_down", "overfitting"})
"""Rules on what the run wrote: a second look at the same points is no second reading."""


@frozen(kw_only=True)
class Trigger:
    """A rule that began to hold, or ceased."""

    rule: str
    code: str
    mode: Mode
    state: Literal["open", "resolved"]
    episode: int
    """How manieth of its code in this watch, from 1."""
    message: str
    evidence: Evidence
    false_alarms: str
    saves_first: bool = False


def check_rules(rules: Mapping[str, Any]) -> None:
    """Refuse modes that are none, and names that can be neither a rule nor a finding.

    Raises:
        InvalidArgumentsError: Naming each.
    """
    faults = [
        {"path": f"/rules/{name}", "message": f"must be one of {', '.join(MODES)}"}
        for name, mode in rules.items()
        if mode not in MODES
    ]
    faults += [
        {
            "path": f"/rules/{name}",
            "message": f"no rule; there are {', '.join(BY_NAME)}, and the "
            "codes of findings, which are upper-case",
        }
        for name in rules
        if name not in BY_NAME and not (name.isascii() and name.isupper())
    ]
    if faults:
        raise InvalidArgumentsError(
            f"rules: {faults[0]['path'].removeprefix('/rules/')} {faults[0]['message']}",
            remedy="give an object of rule name or finding code to off, warn or stop",
            faults=faults,
        )


def mode_of(rule: Rule, guardrails: Guardrails) -> Mode:
    """Return what a rule does in this watch."""
    if rule.name in guardrails.rules:
        return guardrails.rules[rule.name]
    named = _CONTRACT.get(rule.name)
    if named is not None and not getattr(guardrails, named):
        return "off"
    return rule.mode


def judge(reading: Reading, guardrails: Guardrails, memory: Memory) -> tuple[Trigger, ...]:
    """Return what began and what is over with this reading, and keep what the next one needs.

    Args:
        reading: The newest look.
        guardrails: Of the watch.
        memory: Of the watch; changed.
    """
    _begin(reading, memory)
    memory.low_speed = contract.low_speed(
        reading.iter_per_sec if reading.is_running else None, memory.low_speed, guardrails
    )
    found: dict[str, tuple[Rule, Mode, Evidence]] = {}
    for rule, mode in _rules(reading, guardrails):
        evidence = rule.judge(reading, guardrails, memory)
        if evidence is not None and rule.code not in found:
            found[rule.code] = rule, mode, evidence
    told = [*_opened(found, reading, memory), *_closed(found, reading, memory)]
    if reading.grew:
        memory.last_step, memory.grew_at = reading.step, reading.at
    return tuple(told)


def _begin(reading: Reading, memory: Memory) -> None:
    """Forget what an earlier launch of the same job did."""
    if memory.launched == reading.launched:
        return
    if memory.launched is not None and reading.launched is not None:
        memory.in_a_row, memory.low_speed = {}, 0
        memory.last_step = memory.grew_at = None
    memory.launched = reading.launched or memory.launched


def _rules(reading: Reading, guardrails: Guardrails) -> Iterator[tuple[Rule, Mode]]:
    for rule in RULES:
        mode = mode_of(rule, guardrails)
        if mode != "off":
            yield rule, mode
    for finding in reading.findings:
        asked = guardrails.rules.get(finding.code)
        # What nobody named is told where it is grave, and stops nothing.
        default: Mode = (
            "warn" if finding.severity == "critical" and not is_taken(finding.code) else "off"
        )
        mode = asked or default
        if mode != "off":
            yield rule_of(finding, mode), mode


def _opened(
    found: Mapping[str, tuple[Rule, Mode, Evidence]], reading: Reading, memory: Memory
) -> Iterator[Trigger]:
    for code in [each for each in memory.in_a_row if each not in found]:
        del memory.in_a_row[code]
    for code, (rule, mode, evidence) in found.items():
        held = memory.in_a_row.get(code, 0)
        if not held or reading.grew or rule.name not in _NEEDS_NEW:
            held += 1
        memory.in_a_row[code] = held
        memory.quiet.pop(code, None)
        if held < rule.readings or code in memory.open:
            continue
        episode = memory.episodes.get(code, 0) + 1
        memory.episodes[code] = memory.open[code] = episode
        yield Trigger(
            rule=rule.name,
            code=code,
            mode=mode,
            state="open",
            episode=episode,
            message=_message(rule, evidence),
            evidence=evidence,
            false_alarms=rule.false_alarms,
            saves_first=rule.saves_first,
        )


def _closed(
    found: Mapping[str, tuple[Rule, Mode, Evidence]], reading: Reading, memory: Memory
) -> Iterator[Trigger]:
    for code in [each for each in memory.open if each not in found]:
        if not (reading.grew and reading.is_running):
            continue  # nothing new was seen, so nothing is over
        memory.quiet[code] = memory.quiet.get(code, 0) + 1
        if memory.quiet[code] < CLEARED_AFTER:
            continue
        episode = memory.open.pop(code)
        del memory.quiet[code]
        rule = next((each for each in RULES if each.code == code), None)
        yield Trigger(
            rule=rule.name if rule else code,
            code=code,
            mode="warn",
            state="resolved",
            episode=episode,
            message=f"{code} is over: it held on none of the last {CLEARED_AFTER} readings",
            evidence={},
            false_alarms=rule.false_alarms if rule else "",
        )


def _message(rule: Rule, evidence: Evidence) -> str:
    if rule.message:
        return rule.message.format(**evidence)
    findings = evidence.get("findings") or [{"message": rule.summary}]
    return "; ".join(str(each["message"]) for each in findings)
