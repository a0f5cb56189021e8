"""What a watch tells: alerts with ids that a repeat does not change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_guardrails.rules.judge import Trigger
    from aitk_guardrails.watch.records import Watch

_CATEGORY: Final = "guardrails"


def of_trigger(watch: Watch, trigger: Trigger, now: float) -> dict[str, Any]:
    """Return the alert of a trigger that began or is over."""
    stops = trigger.mode == "stop" and trigger.state == "open"
    return _alert(
        watch,
        key=f"{trigger.code}:{trigger.episode}:{trigger.state}",
        code=trigger.code,
        severity="info"
        if trigger.state == "resolved"
        else "critical"
        if stops or trigger.mode == "stop"
        else "warning",
        message=trigger.message + ("; the run is being stopped" if stops else ""),
        now=now,
        state=trigger.state,
        evidence=trigger.evidence,
        false_alarms=trigger.false_alarms,
        rule=trigger.rule,
    )


def of_event(
    watch: Watch,
    code: str,
    severity: str,
    message: str,
    now: float,
    *,
    episode: int = 1,
    state: str = "open",
    evidence: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return an alert about the watch or the run's end."""
    return _alert(
        watch,
        key=f"{code}:{episode}:{state}",
        code=code,
        severity=severity,
        message=message,
        now=now,
        state=state,
        evidence=evidence or {},
    )


def _alert(
    watch: Watch,
    *,
    key: str,
    code: str,
    severity: str,
    message: str,
    now: float,
    state: str,
    **more: Any,
) -> dict[str, Any]:
    return {
        # By watch and episode: whoever says it again after a crash says the same alert.
        "alert_id": f"{watch.id}:{key}",
        "code": code,
        "category": _CATEGORY,
        "severity": severity,
        "message": message,
        "job_id": watch.job_id,
        "job_name": watch.job_name,
        "state": state,
        "raised_at": now,
        "watch_id": watch.id,
        # A run that is watched again may end again, and somebody wants to know.
        "scope": watch.id,
        **more,
    }
