"""run-training-with-guardrails and guard-training-job: a run under watch."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve, fields

from aitk_core.errors import AitkError, ConflictError, InvalidArgumentsError
from aitk_core.records.results import ToolResult
from aitk_guardrails.arguments import ValidateTrainingConfig
from aitk_guardrails.report.watches import line_of, triggered_json, watch_json
from aitk_guardrails.rules.judge import check_rules
from aitk_guardrails.rules.memory import Memory
from aitk_guardrails.rules.settings import Guardrails
from aitk_guardrails.tools.validate import saved_config, validate_training_config
from aitk_guardrails.watch.engine import Engine
from aitk_guardrails.watch.home import home_of
from aitk_guardrails.watch.proposal import propose
from aitk_guardrails.watch.records import Decision, Watch
from aitk_guardrails.watch.store import LostLeaseError, WatchStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.protocols import ToolContext
    from aitk_guardrails.arguments import GuardTrainingJob, RunTrainingWithGuardrails

sleep = asyncio.sleep
"""How a call waits; a test puts a clock of its own in its place."""

_STARTING_S: Final = 60.0
"""Ours: for the backend to take a start; nobody else takes the watch meanwhile."""
_ANSWER_S: Final = 5.0
"""Ours: of the call's time, kept for letting go and for the answer."""
_STEP_S: Final = 1.0


async def run_training_with_guardrails(
    arguments: RunTrainingWithGuardrails, context: ToolContext
) -> ToolResult:
    """Validate a saved config, start it, and watch it; the watch outlives the call.

    Raises:
        InvalidArgumentsError: A rule that is none.
        ConfigNotFoundError: There is no such saved config.
    """
    guardrails = _guardrails(arguments)
    config = await saved_config(arguments.config_name, context)
    validation = await _validate(arguments, context)
    told = {"config_name": arguments.config_name, "guardrails": guardrails.contract}
    if not validation["valid"] and arguments.block_on_validation_fail:
        data = {"started": False, "status": "blocked_by_validation", **told}
        return ToolResult(
            data={**data, "validation": validation}, summary=_blocked_text(validation)
        )
    store, now = WatchStore(context.store), context.now()
    watch = _new(guardrails, now)
    watch = evolve(
        watch,
        job_name=config["config"]["name"],
        config_name=arguments.config_name,
        state="starting",
        lease_until=now + _STARTING_S,
    )
    # Before the start: a run that was started and never watched is what must not happen.
    await context.run(store.add, watch, Decision(at=now, action="begin"))
    try:
        started = await _start(arguments, context)
    except AitkError as error:
        await context.run(store.end, watch.id, "not_started", context.now())
        failed = {"code": error.code, "message": str(error), "remedy": error.remedy}
        data = {"started": False, "status": "start_failed", **told, "validation": validation}
        return ToolResult(
            data={**data, "error": str(error), "error_details": failed},
            summary=f"The run was not started: {error}. {error.remedy}".strip(),
        )
    watch = evolve(watch, job_id=started["job_id"])
    other = await context.run(store.of_job, started["job_id"])
    if other is not None:
        # Started again while an earlier watch of the job goes on: one watch for one job.
        await context.run(store.end, other.id, "replaced", context.now())
    decision = Decision(at=context.now(), action="begin", detail=_start_json(started))
    # Where the start took so long that another server took the watch over, it finds the job itself.
    with suppress(LostLeaseError):
        await context.run(
            lambda: store.save(
                watch,
                next_at=context.now(),
                job_id=watch.job_id,
                decisions=[decision],
                now=context.now(),
            )
        )
    watch, limited = await _drive(store, watch, context, arguments.monitor_seconds)
    data = {
        "started": True,
        "status": _status(watch, arguments.monitor_seconds),
        **told,
        "job_id": watch.job_id,
        "validation": validation,
        "start": _start_json(started),
        "monitor": {
            "monitor_seconds": arguments.monitor_seconds,
            "poll_interval_seconds": guardrails.poll_interval_seconds,
            "snapshot_count": watch.memory.looks,
            "failed_looks": watch.memory.failed_looks,
            "ended_by_call_limit": limited,
            "snapshots": watch.memory.snapshots,
        },
        "triggered_guardrails": triggered_json(watch),
        "warnings": [each["code"] + ": " + each["message"] for each in watch.memory.warned],
        "stop_result": _stop_result(watch),
        "final_status": await _final_status(watch, context),
        "proposal": await propose(watch, context.backend),
        "watch": await _watch_part(store, watch, context),
    }
    return ToolResult(data=data, summary=_run_text(data, watch))


async def guard_training_job(arguments: GuardTrainingJob, context: ToolContext) -> ToolResult:
    """Watch a job that somebody else started; it runs or waits already.

    Raises:
        InvalidArgumentsError: A rule that is none.
        JobNotFoundError: There is no such job.
        ConflictError: It has ended, or is watched already.
    """
    guardrails = _guardrails(arguments)
    job = await context.backend.job(arguments.job_id.strip())
    if not job.is_active:
        raise ConflictError(
            f"job {job.id} is {(job.status or 'unknown')[:40]}: there is nothing to watch",
            remedy="run-training-with-guardrails starts a saved config under watch",
            job_id=job.id,
            job_status=job.status,
        )
    store, now = WatchStore(context.store), context.now()
    watch = evolve(
        _new(guardrails, now), job_id=job.id, job_name=job.name, owner=None, fence=0, state="active"
    )
    other = await context.run(store.add, watch, Decision(at=now, action="begin"))
    if other is not None:
        raise ConflictError(
            f"job {job.id} is watched already, by watch {other.id}",
            remedy="inspect-watch shows it; end-watch ends it",
            job_id=job.id,
            watch_id=other.id,
        )
    watch, _ = await _drive(store, watch, context, 0.0, once=True)
    home = await home_of(store, context, may_start=True)
    data = watch_json(watch, context.now()) | {"home": home}
    return ToolResult(data=data, summary=f"{line_of(watch)} {home['note']}.")


def _guardrails(arguments: Any) -> Guardrails:
    check_rules(arguments.rules or {})
    names = {each.name for each in fields(Guardrails)} & {
        each.name for each in fields(type(arguments))
    }
    values = {name: getattr(arguments, name) for name in names - {"rules"}}
    if arguments.max_cost is not None and arguments.cost_per_hour is None:
        message = "max_cost needs cost_per_hour"
        raise InvalidArgumentsError(
            message,
            remedy="give both, in one currency",
            faults=[{"path": "/cost_per_hour", "message": message}],
        )
    return Guardrails(rules=dict(arguments.rules or {}), **values)


def _new(guardrails: Guardrails, now: float) -> Watch:
    watch_id = f"w-{secrets.token_hex(6)}"
    return Watch(
        id=watch_id,
        job_id=None,
        job_name=None,
        config_name=None,
        guardrails=guardrails,
        memory=Memory(),
        state="active",
        created_at=now,
        next_at=now,
        owner=f"call:{watch_id}",
        fence=1,
    )


async def _validate(arguments: RunTrainingWithGuardrails, context: ToolContext) -> dict[str, Any]:
    asked = ValidateTrainingConfig(
        config_name=arguments.config_name,
        check_dataset=arguments.check_dataset,
        max_dataset_files=arguments.max_dataset_files,
    )
    return dict((await validate_training_config(asked, context)).data or {})


async def _start(arguments: RunTrainingWithGuardrails, context: ToolContext) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "config_name": arguments.config_name,
        "resume": arguments.resume,
        "replace_config": arguments.replace_config,
    }
    if arguments.gpu_ids is not None:
        asked["gpu_ids"] = arguments.gpu_ids
    return dict((await context.call_tool("start-training", asked)).data or {})


def _start_json(started: Mapping[str, Any]) -> dict[str, Any]:
    return {name: started.get(name) for name in ("action", "status", "resume_step", "notes")}


async def _drive(
    store: WatchStore, watch: Watch, context: ToolContext, seconds: float, *, once: bool = False
) -> tuple[Watch, bool]:
    """Watch for a while in this call, then let go; tells whether the call's limit ended it.

    Whoever serves takes the watch over at once; a call that is cancelled lets go as well.
    """
    began = context.now()
    owner = f"call:{watch.id}"
    limited = False
    # What was claimed for the start is given back, and taken again by the engine like any other.
    await context.run(store.release, owner)
    if seconds <= 0 and not once:
        return await _read(store, watch, context), False
    engine = Engine(store, lambda: context, owner, only=watch.id)
    try:
        while True:
            due = await engine.step()
            now = context.now()
            current = await _read(store, watch, context)
            await _report(current, now - began, seconds, context)
            if current.state == "ended" or (once and current.memory.looks):
                break
            left = seconds - (now - began) if not once else _STEP_S
            room = context.remaining_s()
            limited = room is not None and room - _ANSWER_S < min(left, _STEP_S)
            if left <= 0 or limited:
                break
            await sleep(max(0.05, min(_STEP_S, left, due - now)))
    finally:
        await asyncio.shield(engine.close())
    return await _read(store, watch, context), limited


async def _read(store: WatchStore, watch: Watch, context: ToolContext) -> Watch:
    return await context.run(store.get, watch.id) or watch


async def _report(watch: Watch, done_s: float, seconds: float, context: ToolContext) -> None:
    total = max(seconds, 1.0)
    await context.progress(min(done_s, total), total, line_of(watch))


def _status(watch: Watch, monitor_seconds: int) -> str:
    if watch.state == "ended" and watch.ended_as is not None:
        return watch.ended_as
    stop = watch.memory.stop
    if stop:
        return "stop_under_way" if stop["state"] == "asked" else "guardrail_triggered_stop_failed"
    if monitor_seconds == 0:
        return "started"
    seen = watch.memory.looks - watch.memory.failed_looks
    return "monitor_window_complete" if seen else "monitoring_blind"


def _stop_result(watch: Watch) -> dict[str, Any] | None:
    stop = watch.memory.stop
    if not stop:
        return None
    return {
        "success": stop["state"] == "verified",
        "state": stop["state"],
        "error": stop.get("error"),
        "attempts": stop["attempts"],
        "saved_first": bool(stop["save_first"]) and stop["attempts"] <= 1,
        "steps_lost": stop.get("steps_lost"),
        "last_save_step": stop.get("last_save_step"),
    }


async def _final_status(watch: Watch, context: ToolContext) -> dict[str, Any]:
    try:
        job = await context.backend.job(str(watch.job_id))
    except AitkError as error:
        return {"found": False, "error": error.code}
    return {
        "found": True,
        "status": job.status,
        "progress": job.progress_percent,
        "current_step": job.step,
        "total_steps": job.planned_steps,
        "info": (job.info or "")[:300],
        "speed_string": job.speed_string or "",
    }


async def _watch_part(store: WatchStore, watch: Watch, context: ToolContext) -> dict[str, Any]:
    if watch.state == "ended":
        note = "the watch is over"
        return {"watch_id": watch.id, "goes_on": False, "servers": {}, "note": note}
    return {"watch_id": watch.id, **await home_of(store, context, may_start=True)}


def _blocked_text(validation: Mapping[str, Any]) -> str:
    lines = ["Not started: the config has errors."]
    lines += [f"- {each['code']}: {each['message']}" for each in validation["errors"][:8]]
    return "\n".join(lines)


def _run_text(data: Mapping[str, Any], watch: Watch) -> str:
    lines = [f"Status: {data['status']}. {line_of(watch)}"]
    lines += [f"- {each['code']}: {each['message']}" for each in data["triggered_guardrails"]]
    lines += [f"- warning: {each}" for each in data["warnings"]]
    if data["proposal"] and data["proposal"].get("how"):
        lines.append(f"To go on: {data['proposal']['how']}")
    if watch.state != "ended":
        lines.append(f"The watch: {data['watch']['note']}.")
    return "\n".join(lines)
