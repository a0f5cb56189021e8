"""Cost of a look at a run that is followed: what it depends on, and what it does not.

    uv run python benchmarks/bench_watch.py

A run has that many lines of log and that many logged steps before the look; ten of each are new.
Each figure is CPU time, the best of fifty looks, or of one reading. Times depend on the machine;
the ratios travel: a long history over a short one, and a look over reading everything again, as
`collect_run` does. The evidence holds the newest 2,000 points, of which the short history has
half.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from aitk_core.backend.records import CpuInfo, GpuAnswer, JobRow, LogChunk, MetricPage
from aitk_core.evidence.collector import collect_run
from aitk_core.evidence.failures import FailureCatalogue
from aitk_core.evidence.follow import RunFollower

if TYPE_CHECKING:
    from collections.abc import Callable

NAME: Final = "my_lora"
NEW: Final = 10
SHORT, LONG = 1000, 100_000
REPEATS: Final = 50
LINES: Final = 400
"""The default of watch-training-timeseries."""


def lines(first: int, count: int) -> str:
    """Return log lines: nine redraws of the training bar to one message."""
    parts = []
    for number in range(first, first + count):
        if number % 10 == 9:
            parts.append(f"INFO step {number}: latents of bucket {number % 7} from the cache\n")
        else:
            loss = 0.05 + (number * 7919 % 997) / 1000
            parts.append(
                f"{NAME}:  12%|#         | {number}/{10 * LONG} [{number // 60:02d}:"
                f"{number % 60:02d}<36:40,  1.25it/s, lr: 1.0e-04 loss: {loss:.3e}]\n"
            )
    return "".join(parts)


class Memory:
    """A backend of one job that grows, without any transport: what is left is our own cost."""

    def __init__(self, steps: int) -> None:
        """Have that many lines and logged steps."""
        self.text = lines(0, steps)
        self.steps = steps
        self.points = 0
        """Points handed out so far."""

    def grow(self) -> None:
        """Write ten lines and log ten steps."""
        self.text += lines(self.steps, NEW)
        self.steps += NEW

    async def job(self, job_id: str) -> JobRow:
        """Return the row."""
        return JobRow(id=job_id, name=NAME, status="running", step=self.steps)

    async def metric_series(
        self, _job_id: str, key: str, *, since_step: int | None = None
    ) -> MetricPage:
        """Return the points after a step."""
        steps = range(0 if since_step is None else since_step + 1, self.steps)
        self.points += len(steps)
        return MetricPage(
            key=key,
            keys=(key,),
            steps=steps,
            wall_times=[1.7e9 + step for step in steps],
            values=[0.05 + (step * 7919 % 997) / 1000 for step in steps],
        )

    async def log_since(self, _job_id: str, offset: int) -> LogChunk:
        """Return the text after a byte."""
        size = len(self.text)
        return LogChunk(text=self.text[offset:], offset=size, reset=False, truncated=False)

    async def log_tail(self, _job_id: str, **_limits: Any) -> LogChunk:
        """Return the whole text."""
        return LogChunk(text=self.text, offset=len(self.text), reset=True, truncated=False)

    async def gpu(self) -> GpuAnswer:
        """Return no GPU."""
        return GpuAnswer(has_nvidia_smi=False, is_mac=False, gpus=())

    async def cpu(self) -> CpuInfo:
        """Return nothing known."""
        return CpuInfo()

    async def jobs(self, **_filters: Any) -> Any:
        """Return no job."""
        from aitk_core.backend.records import JobList

        return JobList(jobs=())


class Call:
    """As much of a call's context as collecting needs."""

    def __init__(self, backend: Memory) -> None:
        """Take the backend."""
        self.backend = backend

    def now(self) -> float:
        """Return any time."""
        return 1.8e9

    async def failure_catalogue(self) -> FailureCatalogue:
        """Return no failures: what is measured is the look."""
        return FailureCatalogue()

    async def run(self, function: Callable[..., Any], /, *arguments: Any) -> Any:
        """Run at once."""
        return function(*arguments)


async def cost_of_a_look(history: int) -> tuple[float, float, float, int]:
    """Return CPU seconds of a look, of its evidence and of reading anew, and points read."""
    memory = Memory(history)
    context: Any = Call(memory)
    follower = RunFollower(context, "job", keep_lines=LINES)
    await follower.tick()
    follower.evidence()
    looks, shows = [], []
    for _ in range(REPEATS):
        memory.grow()
        memory.points = 0
        start = time.process_time()
        await follower.tick()
        between = time.process_time()
        follower.evidence()
        looks.append(between - start)
        shows.append(time.process_time() - between)
    points, start = memory.points, time.process_time()
    await collect_run(context, "job")
    return min(looks), min(shows), time.process_time() - start, points


def main() -> None:
    """Print the figures."""
    short = asyncio.run(cost_of_a_look(SHORT))
    long = asyncio.run(cost_of_a_look(LONG))
    for history, (look, show, anew, points) in ((SHORT, short), (LONG, long)):
        print(
            f"{NEW} new after {history:7d}: look {1e3 * look:.2f} ms, evidence {1e3 * show:.2f} ms,"
            f" {points} points read; reading anew {1e3 * anew:.0f} ms"
        )
    look, show = long[0] / short[0], long[1] / short[1]
    print(f"after {LONG} over after {SHORT}: look x{look:.2f}, evidence x{show:.2f}")
    whole = long[2] / (long[0] + long[1])
    print(f"reading {LONG} anew over a look with its evidence: x{whole:.0f}")


if __name__ == "__main__":
    main()
