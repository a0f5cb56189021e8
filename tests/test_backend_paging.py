"""Series of metrics page by page, and ranges of files."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from aitk_core import errors
from aitk_core.backend.client import AiToolkitBackend

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aitk_core.backend.protocol import Backend

    Answer = Callable[[httpx.Request], httpx.Response]


def ask(answer: Answer, call: Callable[[Backend], Awaitable[Any]], **more: Any) -> Any:
    async def run() -> Any:
        async with AiToolkitBackend(
            "http://backend.test", transport=httpx.MockTransport(answer), **more
        ) as backend:
            return await call(backend)

    return asyncio.run(run())


def points(first: int, count: int) -> list[dict[str, float]]:
    return [
        {"step": step, "wall_time": 1.5 * step, "value": 0.5}
        for step in range(first, first + count)
    ]


def paged(total: int, asked: list[dict[str, str]]) -> Answer:
    def answer(request: httpx.Request) -> httpx.Response:
        query = dict(request.url.params)
        asked.append(query)
        since = int(query.get("since_step", -1))
        count = min(int(query["limit"]), total - 1 - since)
        body = {"key": query["key"], "keys": ["k"], "points": points(since + 1, count)}
        return httpx.Response(200, json=body)

    return answer


@pytest.mark.parametrize(("total", "requests"), [(0, 1), (19_999, 1), (20_000, 2), (45_000, 3)])
def test_a_series_is_paged_by_step_and_stops_at_a_short_page(total: int, requests: int) -> None:
    asked: list[dict[str, str]] = []
    series = ask(paged(total, asked), lambda backend: backend.metric_series("one", "k"))
    assert list(series.steps) == list(range(total))
    assert (len(asked), series.truncated) == (requests, False)
    assert [query.get("since_step") for query in asked[:2]] == [None, "19999"][:requests]


def test_a_series_stops_at_the_number_of_points_asked_for() -> None:
    asked: list[dict[str, str]] = []
    series = ask(
        paged(50_000, asked),
        lambda backend: backend.metric_series("one", "k", max_points=25_000),
    )
    assert (len(series), series.truncated) == (25_000, True)
    assert [query["limit"] for query in asked] == ["20000", "5000"]


def test_a_server_that_ignores_since_step_is_found_out() -> None:
    body = {"key": "k", "keys": [], "points": points(0, 20_000)}
    with pytest.raises(errors.BackendProtocolError):
        ask(
            lambda _request: httpx.Response(200, json=body),
            lambda backend: backend.metric_series("one", "k"),
        )


def test_a_server_that_ignores_the_limit_does_not_get_more_in() -> None:
    body = {"key": "k", "keys": [], "points": points(0, 50)}
    page = ask(
        lambda _request: httpx.Response(200, json=body),
        lambda backend: backend.metric("one", "k", limit=10),
    )
    assert (list(page.steps), page.truncated) == (list(range(10)), True)


def test_a_full_page_of_junk_is_not_asked_for_again() -> None:
    body = {"key": "k", "keys": [], "points": [None] * 20_000}
    series = ask(
        lambda _request: httpx.Response(200, json=body),
        lambda backend: backend.metric_series("one", "k"),
    )
    assert (len(series), series.skipped, series.truncated) == (0, 20_000, True)


def test_a_server_without_ranges_gives_the_range_all_the_same() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "HEAD":
            return httpx.Response(200, headers={"content-length": "10"})
        return httpx.Response(200, content=b"0123456789")

    part = ask(answer, lambda backend: backend.read_file("/a", 3, 6))
    assert (part.data, part.start, part.size_bytes) == (b"345", 3, 10)


def test_a_range_from_elsewhere_a_missing_size_and_too_much_are_refused() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "HEAD":
            return httpx.Response(200, headers={"content-length": "10"})
        return httpx.Response(206, headers={"content-range": "bytes 0-2/10"}, content=b"012")

    def read(backend: Backend) -> Awaitable[Any]:
        return backend.read_file("/a", 3, 6)

    with pytest.raises(errors.BackendProtocolError):
        ask(answer, read)
    with pytest.raises(errors.BackendProtocolError):
        ask(lambda _request: httpx.Response(200), read)
    with pytest.raises(errors.TooLargeError):
        ask(answer, read, max_response_bytes=2)
