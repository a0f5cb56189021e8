"""Is the run alive, and if not, why? A verdict from what a backend shows.

The row's `updated_at` is no heartbeat: the trainer never moves it, so through a run it stays at
the launch (backend/RUNBOOK.md section 3). Before that time no silence of this run began.
Progress shows in the step, in the growth of the log and in the wall time of metrics.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

from attrs import field, frozen

from aitk_core.evidence.logevents import LogEventKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitk_core.backend.records import JobRow, Queue
    from aitk_core.evidence.records import LogFacts, Series
    from aitk_core.statistics.speed import Phase

Verdict = Literal[
    "waiting",
    "loading",
    "downloading",
    "training",
    "sampling",
    "saving",
    "stuck",
    "dead",
    "finished",
    "undetermined",
]

_ENDED: Final = frozenset({"completed", "stopped", "error"})
_DOWNLOAD: Final = re.compile(
    r"^(Downloading|Fetching [0-9]+ files|[\w.-]+\.(safetensors|bin|json|gguf|model))\b"
)
"""Descriptions of the hub client's progress bars (domain/progress_lines.json)."""
_GONE: Final = re.compile(r"Job process (terminated|exited)")
"""Written by the backend's worker when the process is gone (backend/API.md section 11.2)."""

_SETTLED_S: Final = 30.0
"""Ours. Until then a row can be newer than what belongs to it: the former run's log is not yet
moved away, and the worker, which looks once a second, has not yet started a queued job."""


@frozen(kw_only=True)
class Observation:
    """What changed between two looks at the same job."""

    seconds: float
    steps: int | None
    """Steps gained; None where one of the looks had no step."""
    log_bytes: int
    """Bytes the log grew by; negative where it began anew."""


@frozen(kw_only=True)
class Liveness:
    """The verdict, and what it rests on."""

    verdict: Verdict
    phase: str
    """What the backend's info field says the run is doing: training, sampling, loading, ..."""
    reason: str
    silence_s: float | None = None
    """Seconds since the last sign of progress; None where nothing tells its time."""
    limit_s: float | None = None
    """Silence that a healthy run can show in this phase."""
    last_progress: str | None = None
    """What that sign was."""
    failed: bool = False
    """Finished or dead by a failure, not by its end or a person's wish."""
    causes: tuple[str, ...] = field(default=())
    """Known reasons for such a state, to look into, most frequent first."""


def assess_liveness(
    job: JobRow,
    *,
    now: float,
    loss: Series | None = None,
    log: LogFacts | None = None,
    queues: Sequence[Queue] = (),
    ahead: Sequence[str] = (),
    observation: Observation | None = None,
) -> Liveness:
    """Say whether a job is alive.

    Args:
        job: Its row.
        now: Unix seconds.
        loss: Its training loss, for the wall time of the newest point.
        log: Its log, for phases that the row does not show and for how it ended.
        queues: The backend's queues, for jobs that wait.
        ahead: Names of jobs before it in its queue, the running one first.
        observation: A second look, where there was one.
    """
    status = job.status or ""
    if status in _ENDED:
        return _ended(job, log)
    if status == "queued":
        return _waiting(job, now=now, queues=queues, ahead=ahead)
    if status != "running":
        return Liveness(
            verdict="undetermined",
            phase="unknown",
            reason=f"the backend reports status {status!r}, which is none it documents",
        )
    return _running(job, now=now, loss=loss, log=log, observation=observation)


def _ended(job: JobRow, log: LogFacts | None) -> Liveness:
    info = (job.info or "").strip()
    failed = job.status == "error"
    gone = failed and _GONE.match(info) is not None
    if gone:
        return Liveness(
            verdict="dead",
            phase="ended",
            reason=f"the process is gone: {_first_line(info)}",
            failed=True,
            causes=_KILLED if "SIGKILL" in info else (),
        )
    told = f": {_first_line(info)}" if info and failed else ""
    return Liveness(
        verdict="finished",
        phase="ended",
        reason=f"the backend reports status {job.status!r}{told}",
        failed=failed,
        last_progress=None if log is None else _last_line(log),
    )


_KILLED: Final = (
    "the system ran out of memory and killed the process (host RAM, not VRAM)",
    "someone or something outside the trainer ended it",
)
_STUCK_LOADING: Final = (
    "a model download that stands still",
    "too little host RAM, with the process killed while nothing watched it",
    "the backend's worker or environment is broken, so the trainer never started",
)
_STUCK_TRAINING: Final = (
    "the process hangs",
    "the process was killed while the backend's worker was not running (a restart, for example)",
    "the GPU is gone or shared with something that starves it",
)


def _waiting(job: JobRow, *, now: float, queues: Sequence[Queue], ahead: Sequence[str]) -> Liveness:
    mine = next((queue for queue in queues if queue.gpu_ids == job.gpu_ids), None)
    queued = launched_at(job)
    waited = 0.0 if queued is None else now - queued
    if mine is not None and mine.is_running is False:
        reason = f"queued, but the queue of GPU {job.gpu_ids!r} is switched off: start it"
        causes: tuple[str, ...] = ("the queue was stopped, or never started after the job",)
    elif ahead:
        reason = f"queued behind {len(ahead)}: {', '.join(ahead[:3])}"
        causes = ()
    elif waited > _SETTLED_S:
        reason = f"queued for {waited:.0f} s with nothing before it, where a second is usual"
        causes = ("the backend's worker is not running", "its queue was never started")
    else:
        reason = "queued; its turn comes within seconds if the backend's worker runs"
        causes = ()
    return Liveness(verdict="waiting", phase="queued", reason=reason, causes=causes)


def _running(
    job: JobRow,
    *,
    now: float,
    loss: Series | None,
    log: LogFacts | None,
    observation: Observation | None,
) -> Liveness:
    # numpy comes with it, so only once a running job is asked about.
    from aitk_core.statistics.speed import stall, stall_limit_s

    launched = launched_at(job)
    phase = _phase(job, loss)
    ended = _log_says_ended(log)
    if ended is not None and (launched is None or now - launched > _SETTLED_S):
        return Liveness(
            verdict="dead",
            phase=phase,
            reason=f"the row says running, but the log ended: {ended}",
            failed=True,
            causes=("the backend's worker was not there to correct the row",),
        )
    median_s = _median_s(loss)
    limit_s = stall_limit_s(phase, median_s=median_s)
    # Steps in the log are this run's, so a metric is; an edited row then hides no silence.
    own_steps = log is not None and len(log.scan.readings) > 1
    silence, sign = _silence(now, loss, observation, None if own_steps else launched)
    if silence is None:
        is_silent = observation is not None or (log is not None and not log.size_bytes)
        has_begun = phase not in _BEFORE_TRAINING
        silence, sign = _since_launch(now, launched, limit_s, decides=is_silent and not has_begun)
    verdict = stall(silence, phase=phase, median_s=median_s)
    if verdict.verdict == "stalled":
        causes = _STUCK_TRAINING if phase == "training" else _STUCK_LOADING
        return Liveness(
            verdict="stuck",
            phase=phase,
            reason=f"{verdict.reason}; whether the process still exists cannot be seen from here",
            silence_s=silence,
            limit_s=verdict.limit_s,
            last_progress=sign,
            failed=True,
            causes=causes,
        )
    alive: Verdict = _VERDICT_OF_PHASE.get(phase, "loading")
    if alive == "loading" and log is not None and _downloads(log):
        alive = "downloading"
    if silence is None:
        return Liveness(
            verdict="undetermined",
            phase=phase,
            reason=(
                "the row says running; nothing tells when it last made progress"
                + ("" if observation is None else f", nothing moved in {observation.seconds:.3g} s")
            ),
            limit_s=verdict.limit_s,
            causes=("ask again in a minute: growth between two looks is evidence",),
        )
    return Liveness(
        verdict=alive,
        phase=phase,
        reason=verdict.reason,
        silence_s=silence,
        limit_s=verdict.limit_s,
        last_progress=sign,
    )


_VERDICT_OF_PHASE: Final[dict[str, Verdict]] = {
    "training": "training",
    "sampling": "sampling",
    "saving": "saving",
    "loading": "loading",
    "caching": "loading",
    "other": "loading",
}


_BEFORE_TRAINING: Final = frozenset({"loading", "caching", "other"})


def _phase(job: JobRow, loss: Series | None) -> Phase:
    from aitk_core.statistics.speed import phase_of

    info = (job.info or "").strip()
    if info.startswith("Captioning"):
        # What a caption job does in place of training (backend/API.md section 11.3).
        return "training"
    if info.startswith("Stopping"):
        # The trainer leaves at the end of its step, if it is there (backend/API.md section 4.4).
        return "training" if loss is not None and len(loss) else "loading"
    return phase_of(info)


def _silence(
    now: float, loss: Series | None, observation: Observation | None, launched: float | None
) -> tuple[float | None, str | None]:
    if observation is not None and (observation.log_bytes or (observation.steps or 0) > 0):
        return 0.0, "the log or the step moved between two looks"
    # Of a cut series the newest point is not known.
    if loss is None or not len(loss) or loss.truncated or not math.isfinite(loss.wall_times[-1]):
        return None, None
    last = loss.wall_times[-1]
    if launched is not None and launched > last:
        # A resumed run keeps the points of the one before, which say nothing about this one.
        return max(0.0, now - launched), _LAUNCH
    return max(0.0, now - last), f"step {loss.steps[-1]} in the metrics database"


_LAUNCH: Final = "its launch"


def _since_launch(
    now: float, launched: float | None, limit_s: float, *, decides: bool
) -> tuple[float | None, str | None]:
    """Return the time since the launch where that is too short for any silence to count.

    Also a longer one where it `decides`: a run that should long have come to its first step,
    and that a second look or an empty log shows silent.
    """
    if launched is None or (now - launched > limit_s and not decides):
        return None, None
    return max(0.0, now - launched), _LAUNCH


def launched_at(job: JobRow) -> float | None:
    """Return when the backend last wrote the row, for a job that runs its launch, Unix seconds."""
    try:
        moment = datetime.fromisoformat(job.updated_at or "")
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _median_s(loss: Series | None) -> float | None:
    from aitk_core.statistics.speed import gaps_of, median_of

    if loss is None or not len(loss):
        return None
    per_step = gaps_of(list(loss.wall_times), list(loss.steps)).per_step_s
    return median_of(per_step) if len(per_step) else None


def _log_says_ended(log: LogFacts | None) -> str | None:
    if log is None:
        return None
    for event in reversed(log.scan.events):
        if event.kind in _OVER:
            return event.text.strip()[:200]
        if event.kind is LogEventKind.RUN_STARTED:
            return None
    return None


_OVER: Final = frozenset(
    {
        LogEventKind.PROCESS_TERMINATED,
        # What run.py prints last; some process types never report to the row
        # (backend/API.md section 11.3).
        LogEventKind.RESULT_COMPLETED,
        LogEventKind.RESULT_FAILURE,
    }
)


def _downloads(log: LogFacts) -> bool:
    lines = log.scan.lines[-3:]
    return any(_DOWNLOAD.match(line.text) for line in lines)


def _first_line(text: str) -> str:
    lines = text.splitlines()
    return (lines[0] if lines else "")[:200]


def _last_line(log: LogFacts) -> str | None:
    return log.scan.lines[-1].text[:200] if log.scan.lines else None
