"""What earlier runs of a machine say of its speed, from recorded runs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from attrs import evolve

from aitk_core.backend.client import AiToolkitBackend
from aitk_core.errors import BackendError
from aitk_core.services.store import Store
from aitk_core.testing.recorded import recorded_backend, recorded_runs
from aitk_guardrails.plan.past import NEWEST, past_runs
from aitk_guardrails.plan.time import time_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aitk_core.backend.protocol import Backend
    from aitk_core.testing.recorded import Recording
    from aitk_guardrails.plan.past import PastRun

RUNS = recorded_runs()
OK = RUNS["ok_200_steps"]


class Reach:
    """What `past_runs` uses of a tool's context."""

    def __init__(self, backend: Backend, folder: Path) -> None:
        self.backend = backend
        self.store = Store(folder)

    async def run(self, function: Any, /, *arguments: Any) -> Any:
        return function(*arguments)


def collected(runs: Iterable[Recording] | Backend, arch: str | None) -> tuple[PastRun, ...]:
    backend: Any = runs if hasattr(runs, "log_tail") else recorded_backend(runs)

    async def once() -> tuple[PastRun, ...]:
        with TemporaryDirectory() as folder:
            async with backend:
                context: Any = Reach(backend, Path(folder))
                return await past_runs(context, arch)

    return asyncio.run(once())


SOUND = ("corrupt_image", "high_lr_divergence", "ok_200_steps", "ok_with_validation", "overfit")
"""Recorded runs of the same settings that nothing slowed down or interrupted."""


@pytest.mark.parametrize("name", SOUND)
def test_a_step_time_is_the_time_from_first_to_last_step(name: str) -> None:
    points = RUNS[name].metrics["loss/loss"]
    (run,) = collected([RUNS[name]], "sd1")
    assert run.speed is not None
    assert run.speed.low is not None
    assert run.speed.high is not None
    assert run.speed.low <= run.speed.seconds <= run.speed.high
    elapsed, steps = points[-1][1] - points[0][1], points[-1][0] - points[0][0]
    assert run.speed.seconds == pytest.approx(elapsed / steps)


@pytest.mark.parametrize("name", SOUND)
def test_the_interval_of_the_other_runs_holds_a_run_that_was_left_out(name: str) -> None:
    """Five of five; the machine was busy, and its runs differ by a factor of two."""
    (left_out,) = collected([RUNS[name]], "sd1")
    others = collected([RUNS[each] for each in SOUND if each != name], "sd1")
    config = json.loads(RUNS["ok_200_steps"].row["job_config"])
    time = time_of(config, 1, others, None)
    assert left_out.same_speed(config)
    assert time.n == len(SOUND) - 1
    assert left_out.speed is not None
    assert time.low_seconds_per_step is not None
    assert time.high_seconds_per_step is not None
    assert time.low_seconds_per_step <= left_out.speed.seconds <= time.high_seconds_per_step


def test_a_run_without_metrics_keeps_the_speed_of_its_row() -> None:
    (run,) = collected([RUNS["no_ui_logger"]], "sd1")
    assert run.speed is not None
    assert run.speed.source == "row"
    assert (run.speed.low, run.speed.high) == (None, None)
    assert run.peak_vram_mib is None
    assert run.observation() is None


def test_only_finished_runs_of_the_architecture_count() -> None:
    assert collected(RUNS.values(), "flux") == ()
    assert collected(RUNS.values(), None) == ()
    ids = {run.job_id for run in collected(RUNS.values(), "sd1")}
    assert ids == {
        run.job_id for run in RUNS.values() if run.row["status"] in {"completed", "stopped"}
    }


def test_at_most_twenty_runs_are_asked_for_their_metrics() -> None:
    asked: list[str] = []
    rows = [{**OK.row, "id": f"job-{number}", "name": f"job {number}"} for number in range(60)]

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/jobs":
            return httpx.Response(200, json={"jobs": rows})
        asked.append(request.url.path)
        return httpx.Response(500, json={"error": "broken"})

    backend = AiToolkitBackend("http://many.test", transport=httpx.MockTransport(answer))
    runs = collected(backend, "sd1")
    assert len(runs) == NEWEST == 20
    assert len(set(asked)) == NEWEST
    assert {run.speed.source for run in runs if run.speed} == {"row"}


def test_jobs_that_cannot_be_read_are_an_error_not_an_empty_list() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(500, json={"error": "broken"}))
    with pytest.raises(BackendError):
        collected(AiToolkitBackend("http://broken.test", transport=transport), "sd1")


def test_a_stopped_run_with_a_broken_metric_page_costs_only_its_own_speed() -> None:
    broken = evolve(OK, metrics={"loss/loss": [[step, None, 0.1] for step in range(100)]})
    (run,) = collected([broken], "sd1")
    assert run.speed is not None
    assert run.speed.source == "row"
