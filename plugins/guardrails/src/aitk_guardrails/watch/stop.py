"""Stopping a run: written down, done, looked at again, tried again, told when it fails.

The stop is a small machine in the watch's memory, so that another server goes on with it:
`wanted` until the backend took the stop, `asked` until two looks saw the row ended and nothing
move, then `verified`. Only what is harmless is repeated: a job that has ended is not stopped again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aitk_core.errors import AitkError
from aitk_guardrails.watch.alerts import of_event
from aitk_guardrails.watch.records import Decision

if TYPE_CHECKING:
    from aitk_core.protocols import ToolContext
    from aitk_guardrails.rules.judge import Trigger
    from aitk_guardrails.rules.reading import Reading
    from aitk_guardrails.watch.records import Watch

_PAUSES_S: Final = (1.0, 2.0, 5.0, 15.0, 30.0)
"""Ours: between tries of a stop that the backend did not take; the last one from then on."""
_ESCALATE_AFTER: Final = 3
"""Ours: tries that failed before somebody is told; it is tried on."""
_UNCONFIRMED_S: Final = 60.0
"""Ours: a run that still moves, or a row that does not say ended, so long after the stop."""
_STILL_LOOKS: Final = 2
"""Looks in a row without any movement that count as gone (peers.md, promise 5)."""
_GIVE_UP_S: Final = 1800.0
"""Ours: after the stop was taken, before the watch ends without its having been verified."""
_HANGS: Final = frozenset({"stall", "process_gone"})
"""Rules after which the row may have to be freed, where that was asked for."""
POLL_S: Final = 2.0
"""Ours: between looks while a stop is under way."""


def want(watch: Watch, trigger: Trigger, now: float) -> Decision:
    """Begin a stop; the decision is to be kept before it is carried out."""
    watch.memory.stop = {
        "state": "wanted",
        "code": trigger.code,
        "rule": trigger.rule,
        "since": now,
        "attempts": 0,
        "next_at": now,
        "save_first": trigger.saves_first,
        "still": 0,
    }
    return Decision(
        at=now,
        action="stop",
        code=trigger.code,
        detail={"save_first": trigger.saves_first, "evidence": dict(trigger.evidence)},
    )


async def ask(watch: Watch, context: ToolContext) -> list[Decision]:
    """Ask the backend to stop the run, once; what came of it is in the memory.

    Never raises for what the backend answers: a failure is tried again later.
    """
    stop, now = watch.memory.stop, context.now()
    stop["attempts"] += 1
    asked: dict[str, Any] = {"job_id": watch.job_id}
    # A save that does not come in time must not keep a run going that has to end.
    if stop["save_first"] and stop["attempts"] == 1:
        asked["save_first"] = True
    if stop["attempts"] > 1 and watch.guardrails.repair_stuck and stop["rule"] in _HANGS:
        asked["recover"] = True
    try:
        answer = (await context.call_tool("stop-training", asked)).data or {}
    except AitkError as error:
        pause = _PAUSES_S[min(stop["attempts"] - 1, len(_PAUSES_S) - 1)]
        stop |= {"next_at": now + pause, "error": f"{error.code}: {error}"[:300]}
        if error.details.get("job_status") in ("stopped", "completed", "error"):
            stop |= {"state": "asked", "asked_at": now}
        return [Decision(at=now, action="stop_answer", code=error.code, detail={"ok": False})]
    stop |= {"state": "asked", "asked_at": now, "error": None}
    for name in ("steps_lost", "last_save_step", "action"):
        stop[name] = answer.get(name)
    detail = {"ok": True, "status": answer.get("status"), "verified": answer.get("verified")}
    return [Decision(at=now, action="stop_answer", detail=detail)]


def follow(watch: Watch, reading: Reading) -> tuple[list[Decision], list[dict[str, Any]], bool]:
    """Take a look after the stop was wanted: decisions, alerts, and whether it is over."""
    stop, now = watch.memory.stop, reading.at
    if stop["state"] == "wanted":
        return _overdue(watch, now)
    ended = reading.status in ("stopped", "completed", "error")
    stop["still"] = stop["still"] + 1 if ended and not reading.grew else 0
    if stop["still"] >= _STILL_LOOKS:
        stop |= {"state": "verified", "verified_at": now}
        detail = {"status": reading.status, "step": reading.step}
        return [Decision(at=now, action="verify", code=stop["code"], detail=detail)], [], True
    since = now - stop["asked_at"]
    if since < _UNCONFIRMED_S:
        return [], [], False
    decisions: list[Decision] = []
    alerts: list[dict[str, Any]] = []
    if not stop.get("escalated_unconfirmed"):
        stop["escalated_unconfirmed"] = True
        what = "the row says ended, and the run still moves" if ended else "the row does not say so"
        decisions.append(Decision(at=now, action="escalate", code="STOP_UNCONFIRMED"))
        alerts.append(
            of_event(
                watch,
                "STOP_UNCONFIRMED",
                "critical",
                f"the run was asked to stop {since:.0f} s ago, and {what}: look at the training "
                "machine",
                now,
                evidence={"status": reading.status, "step": reading.step},
            )
        )
    if not ended and reading.status == "running":
        stop |= {"state": "wanted", "next_at": now}  # asked again; a run that ended is left alone
    return decisions, alerts, since > _GIVE_UP_S and ended


def _overdue(watch: Watch, now: float) -> tuple[list[Decision], list[dict[str, Any]], bool]:
    stop = watch.memory.stop
    if stop["attempts"] < _ESCALATE_AFTER or stop.get("escalated_failed"):
        return [], [], False
    stop["escalated_failed"] = True
    alert = of_event(
        watch,
        "STOP_FAILED",
        "critical",
        f"the run could not be stopped in {stop['attempts']} tries ({stop.get('error')}); it is "
        "tried on, and it goes on training meanwhile",
        now,
        evidence={"attempts": stop["attempts"], "error": stop.get("error")},
    )
    return [Decision(at=now, action="escalate", code="STOP_FAILED")], [alert], False
