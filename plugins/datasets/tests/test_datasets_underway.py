"""Blocking work under way: what is told of it, and that it ends before the call does."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from aitk_core.services.executor import WorkerPool
from aitk_datasets.underway import Stopped, conduct

if TYPE_CHECKING:
    from aitk_datasets.repair.system import Check


class Context:
    """What of a call's context the work needs."""

    def __init__(self) -> None:
        self.pool = WorkerPool()
        self.told: list[tuple[float, float | None, str]] = []

    async def run(self, function: Any, *arguments: Any) -> Any:
        return await self.pool.run(function, *arguments)

    async def progress(self, done: float, total: float | None, message: str) -> None:
        self.told.append((done, total, message))


@pytest.fixture
def context() -> Any:
    made = Context()
    yield made
    made.pool.close()


def test_progress_goes_on_from_what_was_told_before(context: Any) -> None:
    def work(*, check: Check) -> str:
        for done in range(5):
            check(done, 5)
        return "made"

    assert asyncio.run(conduct(context, work, message="making", before=100)) == "made"
    # What comes faster than it can be told is told as one.
    assert context.told[-1] == (104, 105, "making: 4 of 5")
    assert [done for done, _, _ in context.told] == sorted({done for done, _, _ in context.told})


def test_what_the_work_raises_is_raised(context: Any) -> None:
    def work(*, check: Check) -> None:
        check(0, 1)
        raise LookupError("nothing there")

    with pytest.raises(LookupError, match="nothing there"):
        asyncio.run(conduct(context, work, message="looking"))


def test_a_call_that_is_cancelled_twice_still_waits_for_its_file(context: Any) -> None:
    begun, go_on = threading.Event(), threading.Event()
    ended: list[str] = []

    def work(*, check: Check) -> None:
        begun.set()
        assert go_on.wait(60)
        ended.append("file")
        with suppress(Stopped):
            check(1, 2)
            ended.append("next file")

    async def call() -> None:
        running = asyncio.ensure_future(conduct(context, work, message="working"))
        await asyncio.to_thread(begun.wait, 60)
        for _ in range(2):
            running.cancel()
            for _ in range(5):
                await asyncio.sleep(0)
            assert not running.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert ended == ["file"]

    asyncio.run(call())


def test_work_that_has_not_begun_when_the_call_ends_never_does(context: Any) -> None:
    begun: list[str] = []

    def work(*, check: Check) -> None:
        begun.append("work")
        check(0, 1)

    async def call() -> None:
        running = asyncio.ensure_future(conduct(context, work, message="working"))
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    busy = threading.Event()
    context.pool = WorkerPool(workers=1)

    async def crowded() -> None:
        other = asyncio.ensure_future(context.run(busy.wait, 60))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(0, busy.set)
        await call()
        await other

    asyncio.run(crowded())
    assert begun == []
