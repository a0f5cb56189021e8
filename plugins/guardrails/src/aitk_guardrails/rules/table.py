"""Every rule by name: what it rests on, when it acts, and how often it is wrong.

A rule judges one reading. It acts once it has held for `readings` of them in a row, each with
something new in it; so a run that breaks is acted on within that many readings of the one that
shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from aitk_guardrails.rules import contract
from aitk_guardrails.rules.reading import finding_json
from aitk_guardrails.rules.settings import Mode

if TYPE_CHECKING:
    from aitk_core.records.findings import Finding
    from aitk_guardrails.rules.memory import Memory
    from aitk_guardrails.rules.reading import Reading
    from aitk_guardrails.rules.settings import Guardrails

Evidence = Mapping[str, Any]
Judge = Callable[["Reading", "Guardrails", "Memory"], "Evidence | None"]

_GB: Final = 1e9
_MEASURED: Final = "docs/methods.md"


@frozen(kw_only=True)
class Rule:
    """One reason to warn or to stop."""

    name: str
    code: str
    """Of its trigger and its alert."""
    summary: str
    mode: Mode
    """Where the caller says nothing."""
    judge: Judge
    readings: int = 1
    """In a row, before it acts."""
    false_alarms: str
    """How often it acts on a healthy run, and where that was measured."""
    saves_first: bool = False
    """Whether the weights at that moment are worth a checkpoint: not once the loss is broken."""
    codes: tuple[str, ...] = ()
    """Findings that it rests on."""
    message: str = ""
    """With `{name}` parts of the evidence; default: the finding's own words."""


def _critical(*codes: str) -> Judge:
    def judge(reading: Reading, _guardrails: Guardrails, _memory: Memory) -> Evidence | None:
        return _told([each for each in reading.of(codes) if each.severity == "critical"])

    return judge


def _any(*codes: str) -> Judge:
    def judge(reading: Reading, _guardrails: Guardrails, _memory: Memory) -> Evidence | None:
        return _told([each for each in reading.of(codes) if each.severity != "info"])

    return judge


def _told(findings: list[Finding]) -> Evidence | None:
    if not findings:
        return None
    return {"findings": [finding_json(each) for each in findings]}


def _nan(reading: Reading, guardrails: Guardrails, memory: Memory) -> Evidence | None:
    told = _critical("LOSS_NONFINITE")(reading, guardrails, memory)
    if told is None:
        return None
    return {**(contract.nonfinite(["loss_nan_detected"]) or {}), **told}


def _oom(reading: Reading, guardrails: Guardrails, _memory: Memory) -> Evidence | None:
    if reading.oom_count is None:
        return None
    return contract.repeated_oom(reading.oom_count, guardrails)


def _stall(reading: Reading, guardrails: Guardrails, memory: Memory) -> Evidence | None:
    """Both the contract's window and what a healthy run shows in that phase must be over."""
    alive = reading.liveness
    if not reading.is_running or alive.verdict != "stuck" or alive.silence_s is None:
        return None
    step = reading.step or 0
    found = contract.stalled(step, min(step, memory.last_step or step), alive.silence_s, guardrails)
    if found is None:
        return None
    return found | {
        "phase": reading.phase,
        "phase_limit_seconds": alive.limit_s,
        "reason": alive.reason,
        "causes": list(alive.causes),
    }


def _speed(reading: Reading, guardrails: Guardrails, memory: Memory) -> Evidence | None:
    return contract.collapsed(reading.iter_per_sec, memory.low_speed, guardrails)


def _gone(reading: Reading, guardrails: Guardrails, memory: Memory) -> Evidence | None:
    if not reading.is_running or reading.liveness.verdict != "dead":
        return None
    told = _any("PROCESS_GONE")(reading, guardrails, memory) or {}
    return {"reason": reading.liveness.reason, **told}


def _overfitting(reading: Reading, guardrails: Guardrails, memory: Memory) -> Evidence | None:
    told = _any("OVERFITTING")(reading, guardrails, memory)
    rise = reading.validation_rise
    if told is None or rise is None or rise < guardrails.overfitting_margin:
        return None
    return {"rise": rise, "margin": guardrails.overfitting_margin, **told}


def _disk(reading: Reading, guardrails: Guardrails, _memory: Memory) -> Evidence | None:
    free, least = reading.free_disk_bytes, guardrails.min_free_disk_gb * _GB
    if free is None or free >= least:
        return None
    return {"free_gb": round(free / _GB, 2), "least_gb": guardrails.min_free_disk_gb}


def _hours(reading: Reading, guardrails: Guardrails, _memory: Memory) -> Evidence | None:
    return _over(_running_hours(reading), guardrails.max_hours, "hours")


def _steps(reading: Reading, guardrails: Guardrails, _memory: Memory) -> Evidence | None:
    step = reading.step if reading.is_running else None
    return _over(step, guardrails.max_steps, "steps")


def _cost(reading: Reading, guardrails: Guardrails, _memory: Memory) -> Evidence | None:
    hours = _running_hours(reading)
    if hours is None or guardrails.cost_per_hour is None:
        return None
    found = _over(hours * guardrails.cost_per_hour, guardrails.max_cost, "cost")
    return found and {**found, "hours": round(hours, 4), "cost_per_hour": guardrails.cost_per_hour}


def _running_hours(reading: Reading) -> float | None:
    return None if reading.running_s is None else reading.running_s / 3600


def _over(value: float | None, most: float | None, unit: str) -> dict[str, Any] | None:
    if value is None or most is None or value < most:
        return None
    return {"value": round(value, 4), "limit": most, "unit": unit}


_LIMIT: Final = "none: a limit that the caller set, read from the row"

RULES: Final[tuple[Rule, ...]] = (
    Rule(
        name="nan",
        code=contract.NAN,
        summary="The loss stopped being a number, in the metrics or in the trainer's own words.",
        mode="stop",
        judge=_nan,
        codes=("LOSS_NONFINITE",),
        false_alarms=f"0 of 120 healthy runs ({_MEASURED}, numeric_v1)",
    ),
    Rule(
        name="divergence",
        code="TRAINING_DIVERGED",
        summary="The loss left every sensible range, or is that of a model that predicts nothing "
        "although it was better, or stays at twice its level.",
        mode="stop",
        judge=_critical("LOSS_EXPLODED", "LOSS_DIVERGED", "LOSS_LEVEL_SHIFT"),
        readings=2,
        codes=("LOSS_EXPLODED", "LOSS_DIVERGED", "LOSS_LEVEL_SHIFT"),
        false_alarms="0 stops in 100 healthy runs, 48 of them public (benchmarks/guardrails.json)",
    ),
    Rule(
        name="oom",
        code=contract.OOM,
        summary="Memory ran out `oom_threshold` times in this launch, by known messages.",
        mode="stop",
        judge=_oom,
        message="memory ran out {oom_count} times since the launch, the limit is {oom_threshold}",
        false_alarms="0 stops in 100 healthy runs; the trainer's own messages are counted",
    ),
    Rule(
        name="stall",
        code=contract.STALL,
        summary="No progress for `stall_window_seconds` and for longer than a healthy run shows "
        "in that phase (downloading, loading, caching, sampling and saving have their own limits).",
        mode="stop",
        judge=_stall,
        readings=2,
        message="{reason}",
        false_alarms=f"as stall_v1 ({_MEASURED})",
    ),
    Rule(
        name="throughput",
        code=contract.SPEED,
        summary="At or below `throughput_floor_iter_per_sec` on `low_speed_consecutive_polls` "
        "readings in a row while it trains.",
        mode="stop",
        judge=_speed,
        saves_first=True,
        message="{latest_iter_per_sec:.3g} it/s on {consecutive_low_speed_polls} readings in a "
        "row, the floor is {throughput_floor_iter_per_sec:g}",
        false_alarms="none where the floor lies below the run's own speed: the caller sets it",
    ),
    Rule(
        name="slow_down",
        code="TRAINING_SLOWED_DOWN",
        summary="Steps take twice as long as early on, for good.",
        mode="warn",
        judge=_any("STEPS_SLOWED_DOWN"),
        readings=2,
        saves_first=True,
        codes=("STEPS_SLOWED_DOWN",),
        false_alarms=f"as stated with the finding ({_MEASURED})",
    ),
    Rule(
        name="overfitting",
        code="TRAINING_OVERFITTING",
        summary="The validation loss turned upward and lies `overfitting_margin` above its lowest.",
        mode="warn",
        judge=_overfitting,
        saves_first=True,
        codes=("OVERFITTING",),
        false_alarms=f"as stated with the finding ({_MEASURED})",
    ),
    Rule(
        name="disk",
        code="DISK_NEARLY_FULL",
        summary="Less than `min_free_disk_gb` is free where checkpoints are written.",
        mode="warn",
        judge=_disk,
        message="{free_gb:g} GB are free where checkpoints are written, the limit is {least_gb:g}",
        false_alarms="none: what the file system says, where this machine sees it",
    ),
    Rule(
        name="process_gone",
        code="TRAINING_PROCESS_GONE",
        summary="The row says running, and the log says that the run ended.",
        mode="warn",
        judge=_gone,
        readings=2,
        codes=("PROCESS_GONE",),
        message="{reason}",
        false_alarms="0: the log's own last words",
    ),
    Rule(
        name="hours",
        code="LIMIT_HOURS",
        summary="`max_hours` since the launch are over.",
        mode="stop",
        judge=_hours,
        saves_first=True,
        message="{value:g} hours since the launch, the limit is {limit:g}",
        false_alarms=_LIMIT,
    ),
    Rule(
        name="steps",
        code="LIMIT_STEPS",
        summary="`max_steps` are done.",
        mode="stop",
        judge=_steps,
        saves_first=True,
        message="step {value:g}, the limit is {limit:g}",
        false_alarms=_LIMIT,
    ),
    Rule(
        name="cost",
        code="LIMIT_COST",
        summary="`max_cost` is spent at `cost_per_hour` since the launch.",
        mode="stop",
        judge=_cost,
        saves_first=True,
        message="{value:g} spent in {hours:g} hours at {cost_per_hour:g} an hour, the limit is "
        "{limit:g}",
        false_alarms=_LIMIT,
    ),
)

BY_NAME: Final[Mapping[str, Rule]] = {rule.name: rule for rule in RULES}
_TAKEN: Final = frozenset(code for rule in RULES for code in rule.codes)


def rule_of(finding: Finding, mode: Mode) -> Rule:
    """Return the rule that a finding is by itself: of a plugin, or of none of the rules above."""
    rate = finding.false_alarm_rate
    stated = None if rate is None or rate.rate is None else f"{rate.rate:g} {rate.unit}"
    return Rule(
        name=finding.code,
        code=finding.code,
        summary="A finding of an installed analyzer.",
        mode=mode,
        judge=_any(finding.code),
        readings=2,
        codes=(finding.code,),
        false_alarms=stated or "not stated by its analyzer",
    )


def is_taken(code: str) -> bool:
    """Tell whether one of the named rules rests on the finding."""
    return code in _TAKEN
