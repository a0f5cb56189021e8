"""Watches of runs that grow between the looks; time passes in the pauses only.

A test file that uses the fixture `watch` says `pytest_plugins = ["support.watching"]`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from attrs import evolve, field, frozen

from aitk_core.application import Application
from aitk_core.context import Session
from aitk_core.settings import SettingsSource
from aitk_core.testing.evidence import changed
from aitk_core.testing.recorded import Recording, recorded_runs
from aitk_core.testing.replay import Stage, at_poll, load_polls
from aitk_observability.tools import watch as tool

if TYPE_CHECKING:
    from aitk_core.records.results import ToolResult

FOLDER: Final = Path(__file__).parents[1] / "recordings"
RUNS: Final = recorded_runs()
OK: Final = RUNS["ok_200_steps"]
PLUGIN: Final = tuple(entry_points(group="aitk.plugins", name="observability"))
TOOL: Final = "watch-training-timeseries"
START_S: Final = 1_795_367_800.0
TOKENS: Final = 2000
LOSS: Final = "loss/loss"


Script = Iterable[Recording | None] | Callable[["Clock"], Iterable[Recording | None]]


class Clock:
    """Time that passes only while the tool pauses."""

    def __init__(self, stage: Stage, script: Script = ()) -> None:
        """Show the next run of the script at each pause; None takes the run away."""
        self.passed = 0.0
        self.pauses: list[float] = []
        self._stage = stage
        self._script = iter(script(self) if callable(script) else script)

    def skip(self, seconds: float) -> None:
        self.passed += seconds

    def now(self) -> float:
        return START_S + self.passed

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.passed += seconds
        for shown in self._script:
            self._stage.show(*(() if shown is None else (shown,)))
            break
        await asyncio.sleep(0)


@frozen(kw_only=True)
class Seen:
    """What a watch gave, and what it did."""

    data: dict[str, Any]
    answer: Any
    pauses: Sequence[float]
    progress: Sequence[tuple[float, float | None, str]]
    stage: Any = field(repr=False)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Seen]:
    """Return a function that watches a run: first as given, then as the script says."""

    def run(
        first: Recording,
        script: Script = (),
        *,
        timeout_s: float | None = None,
        real_share: float = 1.0,
        points: Any = PLUGIN,
        stage: Stage | None = None,
        environment: dict[str, str] | None = None,
        **arguments: Any,
    ) -> Seen:
        stage = stage or Stage()
        stage.show(first)
        clock = Clock(stage, script)
        told: list[tuple[float, float | None, str]] = []

        async def progress(done: float, total: float | None, message: str) -> None:
            told.append((done, total, message))

        async def call() -> ToolResult:
            loop = asyncio.get_running_loop()
            real, began = loop.time, loop.time()

            def passed() -> float:
                return began + real_share * (real() - began) + clock.passed

            monkeypatch.setattr(loop, "time", passed)
            monkeypatch.setattr(tool, "sleep", clock.sleep)
            source = SettingsSource(environment=environment or {})
            async with (
                stage.backend() as backend,
                Application(source=source, points=points, backend=backend) as application,
            ):
                session = Session(policy=application.policy, timeout_s=timeout_s, progress=progress)
                asked = {"job_id": first.job_id, **arguments}
                call = application.dispatcher.call
                return await call(TOOL, asked, session, clock=clock.now)

        answer = asyncio.run(call())
        assert answer.data is not None
        return Seen(
            data=dict(answer.data),
            answer=answer,
            pauses=clock.pauses,
            progress=told,
            stage=stage,
        )

    return run


def polls_of(name: str) -> list[Recording]:
    return [at_poll(RUNS[name], poll) for poll in load_polls(FOLDER / "polls" / f"{name}.jsonl")]


def tokens(seen: Seen) -> float:
    """Return the rule of thumb: four characters to a token."""
    texts = [json.dumps(seen.data, ensure_ascii=False, separators=(",", ":")), seen.answer.summary]
    texts += [f"{block.uri} {block.name} {block.description}" for block in seen.answer.blocks]
    return sum(map(len, texts)) / 4


GPU: Final = {
    "hasNvidiaSmi": True,
    "isMac": False,
    "gpus": [
        {
            "index": index,
            "name": f"NVIDIA made up {index}",
            "utilization": {"gpu": 90 + index, "memory": 40},
            "memory": {"total": 24576, "free": 4576, "used": 20000 + index},
        }
        for index in range(2)
    ],
}


def training(*, at: int, level: float = 0.5, pace_s: float = 1.0, **row: Any) -> Recording:
    """Return a made-up run in its training loop, at a step."""
    points = [
        [step, START_S + pace_s * (step - 100), level + (step * 7919 % 97 - 48) / 1000]
        for step in range(1, at)
    ]
    run = evolve(OK, metrics={LOSS: points}, log="Running 1 job\n")
    usual = {"status": "running", "info": "Training", "updated_at": "2026-11-22T16:00:00.000Z"}
    return changed(run, **(usual | {"step": at} | row))
