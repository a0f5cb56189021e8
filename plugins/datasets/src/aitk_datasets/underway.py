"""Blocking work that tells how far it is, and that a cancelled call stops between two files."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, TypeVar

from attrs import define, field

if TYPE_CHECKING:
    from aitk_core.protocols import ToolContext
    from aitk_datasets.repair.system import Check

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Work(Protocol[T_co]):
    """Blocking work; it calls `check` between two files, where it may be stopped."""

    def __call__(self, *, check: Check) -> T_co:
        """Do it."""
        ...


class Stopped(Exception):  # noqa: N818 - a request, no fault
    """The call is over; nothing more may be changed."""


@define
class Course:
    """How far a piece of work in another thread is, and whether it is to stop."""

    loop: asyncio.AbstractEventLoop
    done: int = 0
    total: int = 0
    _news: asyncio.Event = field(init=False, factory=asyncio.Event)
    _stopped: threading.Event = field(init=False, factory=threading.Event)

    def check(self, done: int, total: int) -> None:
        """Take how far the work is; in its thread.

        Raises:
            Stopped: The call is over.
        """
        if self._stopped.is_set():
            raise Stopped
        self.done, self.total = done, total
        # A loop that is closed hears no news, and its call was stopped before.
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._news.set)

    def stop(self) -> None:
        """Ask the work to end before its next file."""
        self._stopped.set()

    def wake(self, *_: object) -> None:
        """Let whoever waits for news look again."""
        self._news.set()

    async def news(self) -> None:
        """Wait until the work got further, or ended."""
        await self._news.wait()
        self._news.clear()


async def conduct(context: ToolContext, function: Work[T], *, message: str, before: int = 0) -> T:
    """Run blocking work, and tell how far it is; it ends before this does.

    Args:
        context: Of the call.
        function: The work.
        message: What is being done.
        before: Progress of the call so far: a client is only told of what is more than before.

    Returns:
        What the work returns. Where the call is cancelled, the work is stopped and waited for, so
        that nothing changes after the caller was told that the call is over.
    """
    course = Course(asyncio.get_running_loop())

    def work() -> T:
        course.check(0, 0)
        return function(check=course.check)

    running = asyncio.ensure_future(context.run(work))
    running.add_done_callback(course.wake)
    last = 0, 0
    try:
        while not running.done():
            await course.news()
            if last != (course.done, course.total):
                last = course.done, course.total
                told = f"{message}: {course.done} of {course.total}"
                await context.progress(before + course.done, before + course.total, told)
    except BaseException:
        course.stop()
        await _end_of(running)
        raise
    return running.result()


async def _end_of(running: asyncio.Future[T]) -> None:
    while not running.done():
        # Cancelled once more: the caller has asked already, and the thread is still at a file.
        with suppress(asyncio.CancelledError):
            await asyncio.wait({running})
    if not running.cancelled():
        running.exception()
