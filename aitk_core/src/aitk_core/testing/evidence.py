"""Evidence of runs for tests: built by hand, cut from recordings, or drawn by hypothesis.

evidence = run_evidence([0.5, 0.4, 0.3], job=job_row(status="running"))
data = answer_of([cut_short(recording, log=0.3)], "get-training-observability", {...})

@given(run_evidences())
def test_...(evidence: RunEvidence) -> None: ...

@given(damaged(recordings))
def test_...(recording: Recording) -> None: ...
"""

from __future__ import annotations

import asyncio
import math
import time
from array import array
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve
from hypothesis import strategies as st

from aitk_core.backend.records import JobRow
from aitk_core.evidence.config import read_config
from aitk_core.evidence.logscan import scan_log
from aitk_core.evidence.records import LOSS, VALIDATION_LOSS, LogFacts, RunEvidence, Series
from aitk_core.testing.recorded import recorded_backend
from aitk_core.testing.strategies import loss_series

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from importlib.metadata import EntryPoint

    from aitk_core.backend.protocol import Backend
    from aitk_core.records.results import ToolResult
    from aitk_core.testing.recorded import Recording

NAME: Final = "my_lora"
START_S: Final = 1_700_000_000.0
"""Wall time of the first step of built runs, Unix seconds."""

STATUSES: Final = ("queued", "running", "stopped", "completed", "error")


def job_config(**train: Any) -> dict[str, Any]:
    """Return a job's config in the backend's shape.

    Args:
        train: Keys of `process[0].train`, in place of or beside the usual ones.
    """
    usual = {"steps": 2000, "lr": 1e-4, "batch_size": 1, "noise_scheduler": "ddpm"}
    process = {
        "type": "diffusion_trainer",
        "network": {"type": "lora", "linear": 16, "linear_alpha": 16},
        "datasets": [{"folder_path": "/toolkit/datasets/shapes", "resolution": [512]}],
        "train": usual | train,
        "model": {"name_or_path": "/toolkit/models/tiny-sd", "arch": "sd1"},
        "logging": {"use_ui_logger": True},
    }
    return {"job": "extension", "config": {"name": NAME, "process": [process]}}


def job_row(**fields: Any) -> JobRow:
    """Return the row of a completed job, with the given fields in place of the usual ones."""
    usual = {"id": "job-1", "name": NAME, "status": "completed", "config": job_config()}
    return JobRow(**(usual | fields))


def series_of(
    values: Sequence[float | None],
    *,
    key: str = LOSS,
    steps: Sequence[int] | None = None,
    seconds_per_step: Sequence[float] | float = 1.0,
) -> Series:
    """Return a series as the metrics database gives it.

    Args:
        values: (steps,) values; None where a step has none.
        key: Of the metric.
        steps: (steps,) ascending; 0, 1, 2, ... if not given.
        seconds_per_step: One figure, or (steps,) of them.
    """
    at = range(len(values)) if steps is None else steps
    paces = (
        [seconds_per_step] * len(at) if isinstance(seconds_per_step, float) else seconds_per_step
    )
    wall_times, now = array("d"), START_S
    for pace in paces:
        now += pace
        wall_times.append(now)
    return Series(
        key=key,
        steps=array("q", at),
        wall_times=wall_times,
        values=array("d", [math.nan if value is None else value for value in values]),
        source="metrics",
    )


def log_facts(text: str, *, bar_name: str | None = NAME) -> LogFacts:
    """Return what a whole log says."""
    scan = scan_log(text, bar_name=bar_name)
    return LogFacts(scan=scan, size_bytes=len(text.encode()), truncated=False)


def run_evidence(
    losses: Sequence[float | None] | Series = (),
    *,
    validation: Series | None = None,
    log: str | None = "Running 1 job\n",
    job: JobRow | None = None,
    collected_at: float | None = None,
    **more: Any,
) -> RunEvidence:
    """Return the evidence of a run.

    Args:
        losses: The training loss; empty for a run without one.
        validation: The validation loss.
        log: Text of the log; None where it could not be read.
        job: The row; a completed job's if not given.
        collected_at: Unix seconds; 5 s after the newest loss if not given.
        more: Further fields of the record.
    """
    loss = losses if isinstance(losses, Series) else series_of(losses)
    row = job or job_row()
    found = {one.key: one for one in (loss, validation) if one is not None and len(one)}
    times = [time_s for time_s in loss.wall_times if math.isfinite(time_s)]
    return RunEvidence(
        job=row,
        config=more.pop("config", None) or read_config(row.config),
        series=found,
        metric_keys=tuple(sorted(found)),
        log=None if log is None else log_facts(log),
        collected_at=max(times, default=START_S) + 5.0 if collected_at is None else collected_at,
        **more,
    )


def changed(recording: Recording, **row: Any) -> Recording:
    """Return the recording with some fields of its row replaced."""
    return evolve(recording, row={**recording.row, **row})


def cut_short(
    recording: Recording, *, log: float = 1.0, metrics: float = 1.0, **row: Any
) -> Recording:
    """Return the run as it stood earlier, still running.

    Args:
        recording: The whole run.
        log: Share of the log's characters that had been written, 0 to 1.
        metrics: Share of the points that had been written, 0 to 1.
        row: Fields of the row in place of those of a run in its training loop.
    """
    kept = {
        key: points[: round(metrics * len(points))] for key, points in recording.metrics.items()
    }
    step = max((point[0] + 1 for points in kept.values() for point in points), default=0)
    running = {"status": "running", "info": "Training", "step": step, **row}
    return changed(
        evolve(recording, log=recording.log[: round(log * len(recording.log))], metrics=kept),
        **running,
    )


def answer_of(
    runs: Iterable[Recording] | Backend,
    tool: str,
    arguments: Mapping[str, Any],
    *,
    points: Iterable[EntryPoint] | None = None,
    now: float | None = None,
    environment: Mapping[str, str] | None = None,
) -> ToolResult:
    """Return what a tool answers about recordings; it ran in an event loop of its own.

    Args:
        runs: Recordings, or a backend.
        tool: Its name.
        arguments: Of the call.
        points: Plugins in place of the installed ones.
        now: Unix seconds; this moment if not given.
        environment: Variables that set the server up; none of this machine's count.

    Raises:
        AitkError: The tool's answer is an error.
    """
    from aitk_core.application import Application
    from aitk_core.context import Session
    from aitk_core.settings import SettingsSource

    async def run() -> ToolResult:
        backend: Any = runs if hasattr(runs, "log_tail") else recorded_backend(runs)
        application = Application(
            source=SettingsSource(environment=environment or {}), points=points, backend=backend
        )
        async with application, backend:
            session = Session(request_id="test", policy=application.policy)
            clock = time.time if now is None else lambda: now
            return await application.dispatcher.call(tool, arguments, session, clock=clock)

    return asyncio.run(run())


_WILD: Final = (0.0, -1.0, 5e-324, 1e-300, 1e300, 1.7976931348623157e308)
_NOISE: Final = (
    "loss is nan\n",
    "\ufffd\ufffd\n",
    "\x00\x1b[31m\r",
    "Traceback (most recent call last):\n",
    "Exception: Job stopped\n",
    "Running 1 job\n",
    "a photo of a living room with a banana, inference of nothing\n",
    "\u2028\u0085\x0b\x0c",
)


@st.composite
def damaged(draw: st.DrawFn, recordings: Sequence[Recording]) -> Recording:
    """Return a recording cut anywhere, its log and points damaged, its row in any status.

    Args:
        draw: Given by hypothesis.
        recordings: To choose from.
    """
    recording = draw(st.sampled_from(recordings))
    share = st.one_of(st.sampled_from((0.0, 0.1, 0.3, 0.6, 1.0)), st.floats(0.0, 1.0))
    run = cut_short(
        recording,
        log=draw(share),
        metrics=draw(share),
        status=draw(st.sampled_from((*STATUSES, "stopping", "unheard-of"))),
        info=draw(st.one_of(st.sampled_from(("Training", "", "Saving model")), st.text())),
        step=draw(st.one_of(st.none(), st.integers(-3, 300), st.just(10**12))),
    )
    return evolve(run, log=_torn(draw, run.log), metrics=_spoiled(draw, run.metrics))


def _torn(draw: st.DrawFn, log: str) -> str:
    for _ in range(draw(st.integers(0, 3))):
        first = draw(st.integers(0, len(log)))
        last = min(len(log), first + draw(st.integers(0, 2000)))
        log = log[:first] + draw(st.sampled_from(("", *_NOISE))) + log[last:]
    return log


def _spoiled(draw: st.DrawFn, metrics: Mapping[str, list[list[Any]]]) -> dict[str, list[list[Any]]]:
    found = {key: [list(point) for point in points] for key, points in metrics.items()}
    odd = st.one_of(st.none(), st.sampled_from(_WILD), st.floats(1e-6, 1e6))
    for points in found.values():
        for _ in range(draw(st.integers(0, 3))):
            first = draw(st.integers(0, len(points)))
            column, value = draw(st.sampled_from((1, 2))), draw(odd)
            for point in points[first : first + draw(st.sampled_from((1, 5, 1000)))]:
                point[column] = value
    return found


@st.composite
def run_evidences(draw: st.DrawFn, *, max_size: int = 400) -> RunEvidence:
    """Return evidence of runs of any status, with any part of it missing.

    Args:
        draw: Given by hypothesis.
        max_size: Greatest number of logged steps.
    """
    drawn = draw(loss_series(max_size=max_size))
    pace = draw(st.floats(1e-3, 60.0))
    loss = series_of(drawn.values, steps=drawn.steps, seconds_per_step=pace)
    every = draw(st.integers(5, 50))
    validation = series_of(
        drawn.values[::every],
        steps=drawn.steps[::every],
        seconds_per_step=pace * every,
        key=VALIDATION_LOSS,
    )
    lines = draw(st.lists(st.sampled_from(_NOISE), max_size=6))
    log = draw(st.sampled_from(("".join(lines), "", None)))
    job = job_row(
        status=draw(st.sampled_from(STATUSES)),
        info=draw(st.sampled_from(("", "Training", "Loading model", "CUDA out of memory"))),
        step=draw(st.one_of(st.none(), st.integers(0, max_size))),
        config=draw(st.sampled_from((None, job_config(), job_config(noise_scheduler="flowmatch")))),
    )
    return run_evidence(
        draw(st.sampled_from((loss, series_of(())))),
        validation=draw(st.sampled_from((validation, None))),
        log=log,
        job=job,
        missing={} if log is not None else {"log": "BACKEND_ERROR: not read"},
        collected_at=START_S + draw(st.floats(0.0, 1e6)),
    )
