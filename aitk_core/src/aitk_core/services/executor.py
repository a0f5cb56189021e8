"""The seam for blocking and CPU work: any `concurrent.futures.Executor`."""

from __future__ import annotations

import asyncio
import contextvars
import functools
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

T = TypeVar("T")


class WorkerPool:
    """Runs functions away from the event loop.

    A cancelled call stops waiting at once; a function that already runs in a thread ends by
    itself, and its result is dropped.
    """

    def __init__(self, executor: Executor | None = None, *, workers: int = 4) -> None:
        """Take an executor, or make threads at first use."""
        self._executor = executor
        self._workers = workers

    async def run(self, function: Callable[..., T], /, *arguments: Any) -> T:
        """Run the function and return what it returns."""
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._workers, thread_name_prefix="aitk")
        call = functools.partial(_finished, function, *arguments)
        if isinstance(self._executor, ThreadPoolExecutor):
            # So that log records made in the worker carry the request they belong to. Another
            # process has its own context, and takes no copy.
            call = functools.partial(contextvars.copy_context().run, call)
        return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    def close(self) -> None:
        """Let go of the workers without waiting for what still runs."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._executor = None


def _finished(function: Callable[..., T], *arguments: Any) -> T:
    try:
        return function(*arguments)
    except StopIteration as error:
        # A future cannot carry it: whoever awaits would wait for ever.
        raise RuntimeError("the function raised StopIteration") from error
