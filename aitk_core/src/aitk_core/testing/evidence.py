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
import time
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve
from hypothesis import strategies as st

from aitk_core.evidence.records import VALIDATION_LOSS
from aitk_core.proving import build
from aitk_core.proving.build import (
    NAME,
    START_S,
    job_config,
    job_row,
    log_facts,
    series_of,
)
from aitk_core.testing.failures import installed_failures
from aitk_core.testing.recorded import recorded_backend
from aitk_core.testing.strategies import loss_series

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from importlib.metadata import EntryPoint

    from aitk_core.backend.protocol import Backend
    from aitk_core.evidence.failures import FailureCatalogue
    from aitk_core.evidence.records import RunEvidence, Series
    from aitk_core.records.results import ToolResult
    from aitk_core.testing.recorded import Recording

__all__ = [
    "NAME",
    "START_S",
    "STATUSES",
    "answer_of",
    "changed",
    "cut_short",
    "damaged",
    "job_config",
    "job_row",
    "log_facts",
    "run_evidence",
    "run_evidences",
    "series_of",
]

STATUSES: Final = ("queued", "running", "stopped", "completed", "error")


def run_evidence(
    losses: Sequence[float | None] | Series = (),
    *,
    catalogue: FailureCatalogue | None = None,
    **more: Any,
) -> RunEvidence:
    """Return the evidence of a run.

    Args:
        losses: The training loss; empty for a run without one.
        catalogue: Failures to look for; all installed ones if not given.
        more: As `aitk_core.proving.build.run_evidence` takes them.
    """
    known = installed_failures() if catalogue is None else catalogue
    return build.run_evidence(losses, catalogue=known, **more)


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
