"""One turn of one watch: look, judge, keep what was decided, then do it."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve

from aitk_core.errors import AitkError, JobNotFoundError
from aitk_guardrails.rules.judge import judge
from aitk_guardrails.watch import stop as stopping
from aitk_guardrails.watch.alerts import of_event, of_trigger
from aitk_guardrails.watch.look import Looker
from aitk_guardrails.watch.records import Decision

if TYPE_CHECKING:
    from aitk_core.backend.records import JobRow
    from aitk_core.protocols import ToolContext
    from aitk_guardrails.rules.judge import Trigger
    from aitk_guardrails.rules.reading import Reading
    from aitk_guardrails.watch.records import Watch
    from aitk_guardrails.watch.store import WatchStore

logger = logging.getLogger(__name__)

LOOK_S: Final = 30.0
"""Ours: a look that takes longer counts as one that failed."""
SNAPSHOTS: Final = 50
"""The contract's (TOOLS.md, tool 4)."""
_BLIND_LOOKS: Final = 3
"""Ours: failed looks in a row before somebody is told that nobody sees the run."""
_STARTING_S: Final = 120.0
"""Ours: a run that was to be started and is not there by then was never started."""
_ENDED: Final = ("completed", "error", "stopped", "failed")
_TOLD: Final = 20
"""Triggers that a watch keeps with their evidence."""


class Attendant:
    """Looks after one watch for as long as this server owns it."""

    def __init__(self, store: WatchStore, watch: Watch) -> None:
        """Take a watch as it was claimed."""
        self._store = store
        self.watch = watch
        self._looker: Looker | None = None
        self.due = watch.next_at
        """When the next turn is due, Unix seconds."""
        self.is_over = False

    async def turn(self, context: ToolContext, row: JobRow | None = None) -> None:
        """Look once, and do what follows from it.

        Args:
            context: Of the server.
            row: The job's row, where it was just read for all watches at once.

        Raises:
            LostLeaseError: Another server has the watch by now; nothing was done.
        """
        watch = self.watch
        if watch.job_id is None and not await self._find_job(context):
            return
        try:
            async with asyncio.timeout(LOOK_S):
                reading = await self._look(context, row)
        except JobNotFoundError:
            await self._end_gone(context)
        except (AitkError, TimeoutError) as error:
            # A follower that was cut off half way may have lost its place.
            self._looker = None
            await self._count_failure(context, error)
        else:
            await self._take(context, reading)

    async def _look(self, context: ToolContext, row: JobRow | None) -> Reading:
        if self._looker is None:
            self._looker = Looker(context, str(self.watch.job_id))
        return await self._looker.look(self.watch.memory, row)

    async def _take(self, context: ToolContext, reading: Reading) -> None:
        watch, memory = self.watch, self.watch.memory
        alerts = self._seen_again(reading)
        decisions: list[Decision] = []
        triggers: tuple[Trigger, ...] = ()
        ended_as = None
        is_ended = (reading.status or "") in _ENDED
        if memory.stop and (memory.stop["state"] != "wanted" or not is_ended):
            decisions, told, over = stopping.follow(watch, reading)
            alerts += told
            if over:
                verified = memory.stop["state"] == "verified"
                ended_as = "stopped_by_guardrail" if verified else "stop_unconfirmed"
                alerts.append(_stopped(watch, reading, verified=verified))
        elif is_ended:
            # Before any rule: a run that ended by itself is told as ended (contract, tool 4).
            ended_as = f"job_{reading.status}"
            alerts.append(_ended(watch, reading))
        else:
            triggers = judge(reading, watch.guardrails, memory)
            alerts += [of_trigger(watch, trigger, reading.at) for trigger in triggers]
            decisions = self._decide(triggers, reading.at)
        memory.snapshots = [*memory.snapshots, _snapshot(watch, reading, triggers)][-SNAPSHOTS:]
        if reading.gpu_used_mib is not None:
            memory.peak_vram_mib = max(memory.peak_vram_mib or 0.0, reading.gpu_used_mib)
            memory.vram_readings += 1
        await self._keep(context, decisions, alerts, looked_at=reading.at, ended_as=ended_as)
        if ended_as is None and memory.stop and memory.stop["state"] == "wanted":
            await self._ask(context)

    def _seen_again(self, reading: Reading) -> list[dict[str, Any]]:
        memory, alerts = self.watch.memory, []
        episode = memory.open.pop("BACKEND_LOST", None)
        if episode is not None:
            blind = reading.at - (memory.blind_since or reading.at)
            alerts.append(
                of_event(
                    self.watch,
                    "BACKEND_LOST",
                    "info",
                    f"the run can be seen again, after {blind:.0f} s",
                    reading.at,
                    episode=episode,
                    state="resolved",
                )
            )
        memory.looks += 1
        memory.failed_in_a_row, memory.blind_since = 0, None
        return alerts

    def _decide(self, triggers: tuple[Trigger, ...], now: float) -> list[Decision]:
        memory = self.watch.memory
        decisions = []
        for trigger in triggers:
            if trigger.state == "resolved":
                continue
            told = {
                "code": trigger.code,
                "rule": trigger.rule,
                "mode": trigger.mode,
                "message": trigger.message,
                "evidence": dict(trigger.evidence),
                "false_alarms": trigger.false_alarms,
                "at": now,
            }
            kept = memory.triggered if trigger.mode == "stop" else memory.warned
            kept.append(told)
            del kept[:-_TOLD]
            decisions.append(Decision(at=now, action="trigger", code=trigger.code, detail=told))
        stops = [each for each in triggers if each.mode == "stop" and each.state == "open"]
        if stops:
            # The one that trusts the weights least decides whether they are saved.
            decisions.append(
                stopping.want(self.watch, min(stops, key=lambda each: each.saves_first), now)
            )
        return decisions

    async def _ask(self, context: ToolContext) -> None:
        """Ask for the stop where it is due; the fence is checked right before."""
        watch, stop = self.watch, self.watch.memory.stop
        now = context.now()
        if now < stop["next_at"] or context.read_only:
            return
        about = {"attempt": stop["attempts"] + 1}
        await context.run(
            self._store.note, watch, Decision(at=now, action="ask", code=stop["code"], detail=about)
        )
        decisions = await stopping.ask(watch, context)
        await self._keep(context, decisions, [])

    async def _count_failure(self, context: ToolContext, error: Exception) -> None:
        memory, now = self.watch.memory, context.now()
        memory.looks += 1
        memory.failed_looks += 1
        memory.failed_in_a_row += 1
        memory.blind_since = memory.blind_since or now
        code = error.code if isinstance(error, AitkError) else "TIMEOUT"
        memory.snapshots = [*memory.snapshots, _blind(self.watch, now, code)][-SNAPSHOTS:]
        alerts = []
        if memory.failed_in_a_row >= _BLIND_LOOKS and "BACKEND_LOST" not in memory.open:
            episode = memory.episodes.get("BACKEND_LOST", 0) + 1
            memory.episodes["BACKEND_LOST"] = memory.open["BACKEND_LOST"] = episode
            alerts.append(
                of_event(
                    self.watch,
                    "BACKEND_LOST",
                    "critical",
                    f"nobody sees the run: {memory.failed_in_a_row} looks in a row failed, the "
                    f"last with {code}; whether it is well is not known",
                    now,
                    episode=episode,
                    evidence={"failed_looks": memory.failed_in_a_row, "error": code},
                )
            )
        await self._keep(context, [], alerts)

    async def _end_gone(self, context: ToolContext) -> None:
        now = context.now()
        alert = of_event(
            self.watch, "JOB_GONE", "warning", "the backend no longer has the job", now
        )
        await self._keep(context, [], [alert], looked_at=now, ended_as="job_gone")

    async def _find_job(self, context: ToolContext) -> bool:
        """Find the job of a run that was being started when its server went away."""
        watch, now = self.watch, context.now()
        try:
            jobs = (await context.backend.jobs()).jobs
        except AitkError as error:
            await self._count_failure(context, error)
            return False
        job = next((each for each in jobs if each.name == watch.job_name and each.is_active), None)
        if job is not None:
            self.watch = evolve(watch, job_id=job.id, state="active")
            await self._keep(context, [Decision(at=now, action="begin")], [], job_id=job.id)
            return True
        ended_as = "not_started" if now - watch.created_at > _STARTING_S else None
        await self._keep(context, [], [], ended_as=ended_as)
        return False

    async def _keep(
        self,
        context: ToolContext,
        decisions: list[Decision],
        alerts: list[dict[str, Any]],
        *,
        looked_at: float | None = None,
        job_id: str | None = None,
        ended_as: str | None = None,
    ) -> None:
        now = context.now()
        is_stopping = bool(self.watch.memory.stop) and ended_as is None
        poll_s = stopping.POLL_S if is_stopping else self.watch.guardrails.poll_interval_seconds
        self.due = now + poll_s
        if ended_as is not None:
            decisions = [*decisions, Decision(at=now, action="end", detail={"as": ended_as})]
        await context.run(
            lambda: self._store.save(
                self.watch,
                next_at=self.due,
                looked_at=looked_at,
                job_id=job_id,
                decisions=decisions,
                alerts=alerts,
                ended_as=ended_as,
                now=now,
            )
        )
        self.is_over = ended_as is not None
        if ended_as is not None:
            self.watch = evolve(self.watch, state="ended", ended_as=ended_as, ended_at=now)


def moment(at: float) -> str:
    """Return Unix seconds as ISO 8601, UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _snapshot(watch: Watch, reading: Reading, triggers: tuple[Trigger, ...]) -> dict[str, Any]:
    quality = reading.worst("quality")
    return {
        "elapsed_seconds": round(reading.at - watch.created_at, 3),
        "at": moment(reading.at),
        "status": reading.status,
        "phase": reading.phase,
        "current_step": reading.step,
        "progress_pct": reading.progress_percent,
        "iter_per_sec_latest": reading.iter_per_sec,
        "quality_status": "healthy" if quality == "none" else quality,
        "error_severity": reading.worst("errors"),
        "triggers": [each.code for each in triggers if each.state == "open"],
        "missing": list(reading.missing),
        "error": None,
    }


def _blind(watch: Watch, now: float, code: str) -> dict[str, Any]:
    return {
        "elapsed_seconds": round(now - watch.created_at, 3),
        "at": moment(now),
        "status": None,
        "phase": None,
        "current_step": None,
        "progress_pct": None,
        "iter_per_sec_latest": None,
        "quality_status": "unknown",
        "error_severity": "unknown",
        "triggers": [],
        "missing": ["job"],
        "error": code,
    }


def _saved_text(step: int | None, lost: int | None) -> str:
    if step is None:
        return ""
    newest = f"newest checkpoint at step {step}" if step else "there is no checkpoint"
    return f"; {newest}, {lost} steps are lost" if lost else f"; {newest}"


_ENDINGS: Final = {
    "completed": ("RUN_COMPLETED", "info"),
    "stopped": ("RUN_STOPPED", "info"),
}


def _ended(watch: Watch, reading: Reading) -> dict[str, Any]:
    code, severity = _ENDINGS.get(reading.status or "", ("RUN_FAILED", "critical"))
    causes = [each for each in reading.findings if each.category == "errors"]
    grave = [each for each in causes if each.severity == "critical"]
    at = f"at step {reading.step} of {reading.total_steps}"
    message = {
        "RUN_COMPLETED": f"the run is completed, {at}",
        "RUN_STOPPED": f"the run was stopped, {at}",
    }.get(code) or (grave[0].message if grave else f"the run failed {at}: {reading.info[:300]}")
    return of_event(
        watch,
        code,
        severity,
        message,
        reading.at,
        evidence={"step": reading.step, "findings": [each.code for each in causes[:5]]},
    )


def _stopped(watch: Watch, reading: Reading, *, verified: bool) -> dict[str, Any]:
    stop = watch.memory.stop
    lost = stop.get("steps_lost")
    saved = stop.get("last_save_step")
    how = "and nothing moves" if verified else "but whether its process is gone is not known"
    return of_event(
        watch,
        "RUN_STOPPED_BY_GUARDRAIL",
        "critical",
        f"the run was stopped because of {stop['code']}: the row says {reading.status}, {how}"
        + _saved_text(saved, lost),
        reading.at,
        evidence={
            "code": stop["code"],
            "step": reading.step,
            "seconds_to_stop": round(reading.at - stop["since"], 3),
            "tries": stop["attempts"],
        },
    )
