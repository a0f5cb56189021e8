"""Many pieces of CPU work on all cores or on a cluster: the executor seam for whole folders.

Processes, so that the event loop keeps its share of the interpreter; threads where processes
would cost more than they bring; a Dask scheduler where the work is spread over machines. What is
computed does not depend on which of them computes it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from collections import deque
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aitk_core.errors import InvalidSettingError, ToolFailedError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
    from concurrent.futures import Executor

A = TypeVar("A")
T = TypeVar("T")

_LOG: Final = logging.getLogger(__name__)

PROCESSES: Final = "processes"
THREADS: Final = "threads"
_THREAD: Final = "aitk-parallel"
_AHEAD: Final = 3
"""Pieces under way for each worker: none waits for the event loop, and memory is bounded."""
_PRELOADED: Final = ("numpy", "PIL.Image")
"""What nearly all work on whole folders needs: half of a worker's start."""
_IDLE_S: Final = 20.0
"""Ours: seconds that workers wait for more work. One tool streams several times, and processes take
half a second to start; afterwards their memory goes back."""


class ParallelPool:
    """Streams a function over many items; the workers live while somebody streams and a bit."""

    def __init__(
        self, kind: str = PROCESSES, *, workers: int = 0, executor: Executor | None = None
    ) -> None:
        """Start nothing yet.

        Args:
            kind: `processes`, `threads`, or the address of a Dask scheduler such as
                `tcp://host:8786`, whose workers see the same files under the same paths.
            workers: How many; 0: one for each core.
            executor: Any executor in place of the named kind; it stays the caller's.

        Raises:
            InvalidSettingError: There is no such kind.
        """
        if executor is None and kind not in (PROCESSES, THREADS) and "://" not in kind:
            raise InvalidSettingError(
                f"AITK_PARALLEL {kind!r} is no kind of worker",
                remedy=f"use {PROCESSES}, {THREADS}, or a Dask scheduler's address: tcp://host:8786",
            )
        self._kind = kind
        self._workers = workers or os.cpu_count() or 1
        self._given = executor
        self._executor: Executor | None = None
        self._threads: ThreadPoolExecutor | None = None
        """For few items, where the workers are processes that do not run."""
        self._end: asyncio.TimerHandle | None = None
        self._client: Any = None
        self._streams = 0

    async def stream(
        self,
        function: Callable[[A], T],
        items: Iterable[A],
        *,
        lost: Callable[[A], T] | None = None,
    ) -> AsyncGenerator[T]:
        """Yield the function's result for each item, in the items' order.

        At most a few items for each worker are under way, so memory does not grow with their
        number. Where it may be left early, close it (`contextlib.aclosing`): what has not begun
        is then dropped, and what runs ends by itself.

        Args:
            function: Of a module, and its results of simple types or records: both travel.
            items: Pieces large enough to be worth sending: some milliseconds of work or more.
            lost: Makes the result of an item that ends its worker process, such as a picture
                that crashes the decoder.

        Raises:
            ToolFailedError: An item ended its worker process, and `lost` is not given.
        """
        rest = iter(items)
        first = list(islice(rest, self._workers))
        self._streams += 1
        self._keep()
        window: deque[tuple[A, Future[T]]] = deque()
        try:
            # What may end its process must not end this one, however little there is to do.
            executor = await self._open(is_small=len(first) < self._workers and lost is None)
            for item in chain(first, rest):
                window.append((item, _submitted(executor, function, item)))
                if len(window) < self._workers * _AHEAD:
                    continue
                async for result in self._next(function, window, executor, lost):
                    yield result
                executor = await self._open(is_small=False)
            while window:
                async for result in self._next(function, window, executor, lost):
                    yield result
        finally:
            for _item, future in window:
                future.cancel()
            self._streams -= 1
            if not self._streams:
                self._end = asyncio.get_running_loop().call_later(_IDLE_S, self.close)

    def close(self) -> None:
        """Let go of the workers without waiting for what still runs."""
        self._keep()
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None
        if self._client is not None:
            self._client.close()
            self._client = None
        elif self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
        self._executor = None

    def _keep(self) -> None:
        """Keep the workers, however long they have been idle."""
        if self._end is not None:
            self._end.cancel()
            self._end = None

    async def _next(
        self,
        function: Callable[[A], T],
        window: deque[tuple[A, Future[T]]],
        executor: Executor,
        lost: Callable[[A], T] | None,
    ) -> AsyncIterator[T]:
        """Yield the first result of the window; all of it once a worker process has died."""
        item, future = window.popleft()
        try:
            result = await asyncio.wrap_future(future)
        except BrokenExecutor:
            # Nobody knows which of the items did it: each is tried again in a process of its own.
            suspects = [item, *(one for one, _future in window)]
            window.clear()
            if self._executor is executor:
                self.close()
            for suspect in suspects:
                yield await self._alone(function, suspect, lost)
            return
        yield result

    async def _alone(self, function: Callable[[A], T], item: A, lost: Callable[[A], T] | None) -> T:
        executor = await asyncio.to_thread(_processes, 1)
        try:
            return await asyncio.wrap_future(executor.submit(function, item))
        except BrokenExecutor as error:
            if lost is not None:
                return lost(item)
            raise ToolFailedError(
                "a worker process died while it worked on one item",
                remedy="see the server's log; the item may be damaged or memory may be short",
            ) from error
        finally:
            executor.shutdown(wait=False, cancel_futures=True)

    async def _open(self, *, is_small: bool) -> Executor:
        if self._given is not None:
            return self._given
        if self._executor is None and is_small and self._kind == PROCESSES:
            # Fewer items than workers: processes would take longer to start than to work.
            if self._threads is None:
                self._threads = ThreadPoolExecutor(self._workers, thread_name_prefix=_THREAD)
            return self._threads
        if self._executor is None:
            self._executor = await asyncio.to_thread(self._start)
        return self._executor

    def _start(self) -> Executor:
        if self._kind == PROCESSES:
            try:
                return _processes(self._workers)
            except (BrokenExecutor, OSError) as error:
                # A host that allows no more processes, or a script that cannot be imported again.
                _LOG.warning("worker processes cannot be started, threads work instead: %s", error)
        if self._kind in (PROCESSES, THREADS):
            return ThreadPoolExecutor(self._workers, thread_name_prefix=_THREAD)
        try:
            import distributed
        except ImportError as error:
            raise InvalidSettingError(
                f"AITK_PARALLEL {self._kind!r} needs Dask, which is not installed",
                remedy="install aitk-core[cluster]",
            ) from error
        try:
            connect: Any = distributed.Client
            self._client = connect(self._kind, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            raise InvalidSettingError(
                f"no Dask scheduler answers at {self._kind!r}: {error}",
                remedy="start it, or set AITK_PARALLEL=processes",
            ) from error
        self._workers = max(self._workers, sum(self._client.ncores().values()))
        executor: Executor = self._client.get_executor()
        return executor


def chunks(items: Iterable[A], size: int) -> Iterator[tuple[A, ...]]:
    """Yield the items in tuples of that size, the last one maybe shorter."""
    rest = iter(items)
    while piece := tuple(islice(rest, size)):
        yield piece


def _submitted(executor: Executor, function: Callable[[A], T], item: A) -> Future[T]:
    """Submit; an executor that is broken already fails the same way as one that breaks later."""
    try:
        return executor.submit(function, item)
    except (BrokenExecutor, OSError) as error:
        # A pool that breaks while it starts a worker closes that one's pipes (OSError).
        future: Future[T] = Future()
        broken = error if isinstance(error, BrokenExecutor) else BrokenExecutor(str(error))
        future.set_exception(broken)
        return future


def _processes(workers: int) -> ProcessPoolExecutor:
    from multiprocessing import get_context

    # Never a fork of this process, which has threads.
    context = get_context("forkserver" if sys.platform == "linux" else "spawn")
    if sys.platform == "linux":
        # Once, in the process that all workers are forked from; it has no threads of ours.
        context.set_forkserver_preload(list(_PRELOADED))
    executor = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin)
    # Here, since starting a process takes a while and the caller is in a thread.
    executor.submit(_nothing).result()
    return executor


def _begin() -> None:
    """Prepare a worker process: the terminal's interrupt is the server's, and so is its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_server, daemon=True).start()


def _end_with_the_server() -> None:
    from multiprocessing import parent_process

    server = parent_process()
    if server is not None:
        server.join()
        os._exit(1)


def _nothing() -> None:
    """Take a process's start upon itself."""
