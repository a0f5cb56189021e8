"""A watch as the tools answer it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aitk_guardrails.rules.judge import mode_of
from aitk_guardrails.rules.table import RULES
from aitk_guardrails.watch.attend import moment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aitk_guardrails.watch.records import Decision, Watch

_ENDINGS: Final[Mapping[str, str]] = {
    "job_completed": "the run is completed",
    "job_stopped": "somebody else stopped the run",
    "job_error": "the run failed",
    "job_failed": "the run failed",
    "job_gone": "the backend no longer has the job",
    "stopped_by_guardrail": "a rule stopped the run, and nothing moves any more",
    "stop_unconfirmed": "a rule stopped the run, but whether its process is gone is not known",
    "ended_by_request": "somebody ended the watch; the run was left alone",
    "not_started": "the run was never started",
}


def watch_json(watch: Watch, now: float) -> dict[str, Any]:
    """Return a watch in short."""
    memory = watch.memory
    return {
        "watch_id": watch.id,
        "job_id": watch.job_id,
        "job_name": watch.job_name,
        "config_name": watch.config_name,
        "state": watch.state,
        "ended_as": watch.ended_as,
        "owned": watch.owner is not None and watch.lease_until >= now,
        "created_at": moment(watch.created_at),
        "ended_at": None if watch.ended_at is None else moment(watch.ended_at),
        "looked_at": None if watch.looked_at is None else moment(watch.looked_at),
        "looks": memory.looks,
        "failed_looks": memory.failed_looks,
        "last_step": memory.last_step,
        "open_alerts": sorted(memory.open),
        "stop": dict(memory.stop) or None,
    }


def watch_details(
    watch: Watch,
    decisions: Sequence[Decision],
    alerts: Sequence[Mapping[str, Any]],
    proposal: Mapping[str, Any] | None,
    now: float,
) -> dict[str, Any]:
    """Return a watch whole: what it was asked to do, saw, decided and told."""
    memory = watch.memory
    return {
        **watch_json(watch, now),
        "guardrails": watch.guardrails.to_json(),
        "rules": [
            {
                "name": rule.name,
                "code": rule.code,
                "mode": mode_of(rule, watch.guardrails),
                "readings": rule.readings,
                "what": rule.summary,
                "false_alarms": rule.false_alarms,
            }
            for rule in RULES
        ],
        "triggered": [_at(each) for each in memory.triggered],
        "warned": [_at(each) for each in memory.warned],
        "snapshots": memory.snapshots,
        "decisions": [
            {
                "at": moment(each.at),
                "action": each.action,
                "code": each.code,
                "detail": dict(each.detail),
            }
            for each in decisions
        ],
        "alerts": [
            {
                "alert_id": each["alert_id"],
                "code": each["code"],
                "severity": each["severity"],
                "state": each["state"],
                "message": each["message"],
                "raised_at": moment(each["raised_at"]),
                "taken_in_charge": each["taken_at"] is not None,
                "not_taken_because": each["not_taken_because"],
            }
            for each in alerts
        ],
        "proposal": proposal,
    }


def _at(trigger: Mapping[str, Any]) -> dict[str, Any]:
    return {**trigger, "at": moment(trigger["at"])}


def triggered_json(watch: Watch) -> list[dict[str, Any]]:
    """Return the contract's `triggered_guardrails`."""
    return [
        {
            "code": each["code"],
            "severity": "critical",
            "message": each["message"],
            "evidence": each["evidence"],
            "rule": each["rule"],
            "false_alarms": each["false_alarms"],
            "at": moment(each["at"]),
        }
        for each in watch.memory.triggered
    ]


def line_of(watch: Watch) -> str:
    """Return a watch in one line for a person."""
    name = watch.job_name or watch.job_id or "?"
    if watch.state == "ended":
        how = _ENDINGS.get(watch.ended_as or "", watch.ended_as or "ended")
        return f"{name}: {how} (watch {watch.id})."
    step = "" if watch.memory.last_step is None else f", step {watch.memory.last_step}"
    state = "being stopped" if watch.memory.stop else "watched"
    worst = f"; open: {', '.join(sorted(watch.memory.open))}" if watch.memory.open else ""
    return f"{name}: {state}{step}{worst} (watch {watch.id})."
