"""watch-training-timeseries."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from attrs import define, evolve, field

from aitk_core.errors import BackendError, JobNotFoundError
from aitk_core.evidence.follow import RunFollower, of_this_launch
from aitk_core.evidence.records import RunEvidence
from aitk_core.protocols import Outcomes, ToolContext
from aitk_core.records.results import Link, ToolResult
from aitk_observability.arguments import WatchTrainingTimeseries
from aitk_observability.resources.uris import uris_of
from aitk_observability.tools.saved import config_context, saved_config

sleep = asyncio.sleep
"""How a watch waits; a test puts a clock of its own in its place."""

_ANSWER_S: Final = 3.0
"""Ours: of the call's time, kept for writing and checking the answer."""
_SHORTEST_S: Final = 0.5
"""Ours: a window with less than that left is over; clocks differ by milliseconds."""
_WORTH_S: Final = 5.0
"""Ours: a look earlier than asked for, since the call ends, is worth it after that long."""


async def watch_training_timeseries(
    arguments: WatchTrainingTimeseries, context: ToolContext
) -> ToolResult:
    """Look at a run again and again, and say how it developed.

    Raises:
        JobNotFoundError: There is no such job; one that goes while it is watched is no error.
        BackendError: The first look failed; later ones that fail are counted.
    """
    arguments = evolve(arguments, job_id=arguments.job_id.strip())
    config = await saved_config(arguments.config_name, context)
    watch = Watch(arguments, context, config)
    await watch.run()
    data, summary = await context.run(watch.answer)
    link = Link(
        uri=uris_of(arguments.job_id)["loss"],
        name=f"loss-{arguments.job_id}.csv",
        description="The whole loss series of the run.",
        mime_type="text/csv",
    )
    return ToolResult(data=data, summary=summary, blocks=(link,))


@define
class Watch:
    """One watch under way."""

    arguments: WatchTrainingTimeseries
    context: ToolContext
    config: Mapping[str, Any] | None
    follower: RunFollower = field(init=False)
    started: float = field(init=False)
    """Unix seconds."""
    looked: float = 0.0
    """When the last look began, seconds since the start."""
    grew: float = 0.0
    """When a look last found new losses, seconds since the start."""
    slowest_s: float = 0.0
    """The longest look so far, on the event loop's clock."""
    points: list[dict[str, Any]] = field(factory=list)
    excerpts: list[str] = field(factory=list)
    excerpt_from: int = 0
    """Line of the log from which on lines are new."""
    first: RunEvidence = field(init=False)
    last: RunEvidence = field(init=False)
    outcomes: Outcomes = field(init=False)
    alerted: set[tuple[str, str]] = field(factory=set)
    went_back: bool = False
    notes: list[str] = field(factory=list)
    failed_polls: int = 0
    ended: str = ""

    def __attrs_post_init__(self) -> None:
        """Ask for nothing yet."""
        self.started = self.context.now()
        self.follower = RunFollower(
            self.context,
            self.arguments.job_id,
            config=self.config,
            system=self.arguments.include_system,
            keep_lines=self.arguments.log_lines,
        )

    async def run(self) -> None:
        """Look until the window, the run or the call's time is over.

        Raises:
            BackendError: The first look failed.
        """
        await self._look()
        self.first = self.last
        while not self.ended:
            pause = self._pause_s()
            if pause is not None:
                await sleep(pause)
                await self._look_on()

    def answer(self) -> tuple[dict[str, Any], str]:
        """Return the document and its summary; CPU work."""
        from aitk_observability.report.timeseries import Watched, build, summarize

        analyses = self.outcomes.analyses
        watched = Watched(
            points=self.points,
            excerpts=self.excerpts,
            first=self.first,
            last=self.last,
            ended=self.ended,
            elapsed_s=self._elapsed_s(),
            went_back=self.went_back,
            notes=(*self.notes, *self.outcomes.notes),
            not_assessed={
                name: analysis.reason
                for name, analysis in analyses.items()
                if not analysis.assessed
            },
            failed_polls=self.failed_polls,
        )
        counts = config_context(self.arguments.config_name, self.config, self.last)
        document = build(self.arguments, watched, config_context=counts)
        return document, summarize(document)

    def _elapsed_s(self) -> float:
        return max(0.0, self.context.now() - self.started)

    def _pause_s(self) -> float | None:
        """Return the seconds until the next look, or None with `ended` set."""
        elapsed = self._elapsed_s()
        left = self.arguments.duration_seconds - elapsed
        if self.last.job.is_terminal and self.arguments.stop_on_terminal_status:
            self.ended = "terminal_status"
            return None
        if left < _SHORTEST_S:
            self.ended = "window_complete"
            return None
        due = max(0.0, self.looked + self.arguments.poll_interval_seconds - elapsed)
        pause, room = min(due, left), self._room_s()
        if room is None or pause + 2 * self.slowest_s <= room:
            return pause
        pause = room - 2 * self.slowest_s
        if pause < min(_WORTH_S, self.arguments.poll_interval_seconds):
            self.ended = "call_limit"
            return None
        return pause

    def _room_s(self) -> float | None:
        remaining = self.context.remaining_s()
        return None if remaining is None else remaining - _ANSWER_S

    async def _look_on(self) -> None:
        """Look once more; what fails is counted, and what takes too long ends the watch."""
        room = self._room_s()
        scope = asyncio.timeout(None if room is None else max(0.0, room))
        try:
            async with scope:
                await self._look()
        except TimeoutError:
            if not scope.expired():
                raise
            self.ended = "call_limit"
        except JobNotFoundError:
            self.ended = "job_gone"
        except BackendError as error:
            self.failed_polls += 1
            self.notes.append(f"a look failed: {error.code}: {error}")

    async def _look(self) -> None:
        began = asyncio.get_running_loop().time()
        self.looked = self._elapsed_s()
        tick = await self.follower.tick()
        evidence = await self.context.run(self._evidence)
        outcomes = await self.context.analyze("run", evidence)
        from aitk_observability.report.points import alerts_of, point_of

        elapsed = self._elapsed_s()
        if any(tick.added.values()):
            self.grew = elapsed
        make = partial(
            point_of,
            tick,
            evidence,
            outcomes,
            self.arguments,
            elapsed_s=elapsed,
            idle_s=elapsed - self.grew,
            alerted=self.alerted,
        )
        point = await self.context.run(make)
        self.alerted = alerts_of(outcomes)
        self.points.append(point)
        self.last, self.outcomes = evidence, outcomes
        self.went_back = self.went_back or bool(tick.dropped)
        self.notes += tick.notes
        if tick.log_restarted:
            self.excerpt_from = 0
        if self.arguments.include_raw_log_excerpt:
            self._excerpt(evidence)
        self.slowest_s = max(self.slowest_s, asyncio.get_running_loop().time() - began)
        await self._report(point)

    def _evidence(self) -> RunEvidence:
        return of_this_launch(self.follower.evidence())

    def _excerpt(self, evidence: RunEvidence) -> None:
        from aitk_observability.report.sections import lines_from

        self.excerpts.append(
            lines_from(evidence, self.excerpt_from, at_most=self.arguments.excerpt_lines)
        )
        if evidence.log is not None:
            self.excerpt_from = evidence.log.scan.line_count

    async def _report(self, point: Mapping[str, Any]) -> None:
        from aitk_observability.report.timeseries import state_line

        total = float(self.arguments.duration_seconds)
        done = min(self._elapsed_s(), total) if total else 1.0
        await self.context.progress(done, total or 1.0, state_line(point))
