"""Many pieces of CPU work: in order, bounded, on processes, threads or a cluster."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest
from typing_extensions import override

from aitk_core.errors import InvalidSettingError, ToolFailedError
from aitk_core.services.parallel import ParallelPool, chunks
from support.piecework import dies_at_seven, process_of, raises_at_seven, square

if TYPE_CHECKING:
    from collections.abc import Iterator


def streamed(pool: ParallelPool, function: Any, items: Any, **more: Any) -> list[Any]:
    async def scenario() -> list[Any]:
        try:
            return [result async for result in pool.stream(function, items, **more)]
        finally:
            pool.close()

    return asyncio.run(scenario())


@pytest.mark.parametrize("kind", ["processes", "threads"])
def test_results_come_in_the_order_of_the_items(kind: str) -> None:
    numbers = range(100)
    assert streamed(ParallelPool(kind, workers=2), square, numbers) == [n * n for n in numbers]


def test_a_cluster_gives_the_same_results() -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1,
        threads_per_worker=2,
        processes=False,
        dashboard_address=None,
        worker_dashboard_address=None,
    ) as cluster:
        found = streamed(ParallelPool(cluster.scheduler_address, workers=2), square, range(30))
    assert found == [n * n for n in range(30)]


def test_work_is_done_outside_of_the_servers_process() -> None:
    found = streamed(ParallelPool(workers=2), process_of, range(20))
    assert os.getpid() not in found


def test_fewer_items_than_workers_start_no_process() -> None:
    assert streamed(ParallelPool(workers=4), process_of, range(3)) == [os.getpid()] * 3


def test_what_may_end_its_process_never_runs_in_the_servers() -> None:
    pool = ParallelPool(workers=4)
    assert streamed(pool, dies_at_seven, [7], lost=lambda number: -number) == [-7]


def test_workers_that_are_idle_serve_the_next_stream_and_then_end() -> None:
    async def scenario() -> list[set[int]]:
        pool = ParallelPool(workers=1)
        found = []
        for end in (False, True, False):
            found.append({pid async for pid in pool.stream(process_of, range(5))})
            if end:
                # As the clock does after some seconds.
                pool.close()
        pool.close()
        return found

    first, second, third = asyncio.run(scenario())
    assert first == second
    assert first.isdisjoint(third)


def test_a_host_without_processes_works_with_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_arguments: Any, **_more: Any) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr("aitk_core.services.parallel.ProcessPoolExecutor", refused)
    assert streamed(ParallelPool(workers=2), process_of, range(9)) == [os.getpid()] * 9


def test_no_items_give_no_results() -> None:
    assert streamed(ParallelPool(workers=2), square, ()) == []


def test_an_item_that_ends_its_process_costs_its_own_result_only() -> None:
    found = streamed(ParallelPool(workers=2), dies_at_seven, range(30), lost=lambda n: -n)
    assert found == [-7 if n == 7 else n for n in range(30)]


def test_an_item_that_ends_its_process_is_a_typed_error_where_nothing_stands_for_it() -> None:
    with pytest.raises(ToolFailedError, match="worker process died"):
        streamed(ParallelPool(workers=2), dies_at_seven, range(30))


def test_an_exception_of_the_work_comes_back() -> None:
    with pytest.raises(ZeroDivisionError):
        streamed(ParallelPool(workers=2), raises_at_seven, range(30))


def test_items_are_taken_as_they_are_needed() -> None:
    taken: list[int] = []

    def counted() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    async def scenario() -> None:
        with ThreadPoolExecutor(2) as executor:
            pool = ParallelPool(workers=2, executor=executor)
            async with aclosing(pool.stream(square, counted())) as results:
                async for _result in results:
                    break
        assert len(taken) <= 2 * 3 + 1

    asyncio.run(scenario())


def test_a_stream_that_is_left_drops_what_has_not_begun() -> None:
    go_on, begun = threading.Event(), []

    def work(number: int) -> int:
        begun.append(number)
        if number:
            go_on.wait(30)
        return number

    async def scenario() -> None:
        with ThreadPoolExecutor(1) as executor:
            pool = ParallelPool(workers=2, executor=executor)
            async with aclosing(pool.stream(work, range(100))) as results:
                assert await anext(results) == 0
            go_on.set()
        assert len(begun) <= 2

    asyncio.run(scenario())


@pytest.mark.parametrize("kind", ["proceses", "", "8"])
def test_an_unknown_kind_of_worker_is_refused(kind: str) -> None:
    with pytest.raises(InvalidSettingError, match="AITK_PARALLEL"):
        ParallelPool(kind)


def test_a_scheduler_that_is_not_there_is_a_typed_error() -> None:
    pytest.importorskip("distributed")
    with pytest.raises(InvalidSettingError, match="no Dask scheduler"):
        streamed(ParallelPool("nonsense://here", workers=2), square, range(10))


def test_chunks_hold_every_item_once() -> None:
    assert list(chunks(range(7), 3)) == [(0, 1, 2), (3, 4, 5), (6,)]
    assert list(chunks((), 3)) == []


def test_a_pool_that_breaks_while_a_worker_is_started_is_a_broken_pool() -> None:
    class Breaking(ThreadPoolExecutor):
        """Closes the pipes of the worker that it starts, as a pool that breaks just then does."""

        @override
        def submit(self, *_work: Any, **_more: Any) -> Any:
            raise OSError("handle is closed")

    pool = ParallelPool(workers=2)
    pool._executor = Breaking()
    assert streamed(pool, square, range(4)) == [0, 1, 4, 9]
