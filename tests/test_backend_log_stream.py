"""The log's decoder: like a JSON reader for small bodies, in bounded memory for large ones."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import tracemalloc
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from typing_extensions import override

from aitk_core import errors
from aitk_core.backend import logs
from aitk_core.backend.client import AiToolkitBackend
from aitk_core.backend.streaming import LogReader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from aitk_core.backend.streaming import StreamedLog

MIB = 1024 * 1024
ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))
LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def read(pieces: Iterable[bytes], max_bytes: int = MIB) -> StreamedLog:
    reader = LogReader(max_bytes)
    for piece in pieces:
        reader.feed(piece)
    return reader.finish()


def cut(body: bytes, places: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted({place % (len(body) + 1) for place in places}), len(body)]
    return [body[left:right] for left, right in itertools.pairwise(edges)]


def as_json_reads(body: bytes) -> str:
    text: str = json.loads(body.decode("utf-8", "replace"))["log"]
    return LONE_SURROGATE.sub("\ufffd", text)


@given(
    text=ANY_TEXT,
    ascii_only=st.booleans(),
    order=st.permutations(["log", "offset", "reset", "note"]),
    indent=st.none() | st.just(2),
    places=st.lists(st.integers(0, 10_000), max_size=12),
)
@example(
    text='\U0001f600\ud83d\\ud83d\\\\n"log":',
    ascii_only=True,
    order=["note", "log", "offset", "reset"],
    indent=None,
    places=list(range(200)),
)
def test_any_text_in_any_pieces_is_what_a_json_reader_makes_of_it(
    text: str,
    ascii_only: bool,
    order: list[str],
    indent: int | None,
    places: list[int],
) -> None:
    members: dict[str, Any] = {"log": text, "offset": 7, "reset": False, "note": {"log": [text]}}
    body = json.dumps(
        {name: members[name] for name in order}, ensure_ascii=ascii_only, indent=indent
    ).encode("utf-8", "surrogatepass")
    streamed = read(cut(body, places))
    assert streamed.text == as_json_reads(body)
    assert not streamed.truncated
    assert streamed.kept_bytes == len(streamed.text.encode())
    assert (streamed.frame["offset"], streamed.frame["reset"]) == (7, False)


@given(junk=st.binary(max_size=60), places=st.lists(st.integers(0, 100), max_size=6))
def test_invalid_utf8_is_replaced_as_a_decoder_of_the_whole_would(
    junk: bytes, places: list[int]
) -> None:
    escaped = junk.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    body = b'{"log": "' + re.sub(rb"[\x00-\x1f]", b".", escaped) + b'", "offset": 1, "reset": true}'
    assert read(cut(body, places)).text == as_json_reads(body)


@given(body=st.binary(max_size=80) | ANY_TEXT.map(lambda text: text.encode("utf-8", "replace")))
def test_whatever_is_no_such_object_is_a_value_error_and_nothing_else(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read([body])


@given(
    body=st.sampled_from(
        [b'{"log":"a\\n\\u00e9b","offset":3,"reset":true}', b'{"log":"","offset":0,"reset":true}']
    ),
    length=st.integers(0, 40),
)
def test_a_body_that_is_cut_off_is_a_value_error(body: bytes, length: int) -> None:
    if length < len(body):
        with pytest.raises(ValueError, match=r".+"):
            read([body[:length]])


@pytest.mark.parametrize(
    "body",
    [
        rb'{"log":"\x41","offset":0,"reset":true}',
        rb'{"log":"\u12","offset":0,"reset":true}',
        b'{"log":"a\nb","offset":0,"reset":true}',
        b'{"log":null,"offset":0,"reset":true}',
        b'{"lag":"a","offset":0,"reset":true}',
        b'["log","a"]',
        b'{"log":"a"',
        b'{"log":"a"}}',
    ],
)
def test_what_json_forbids_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read([body])


def test_of_two_logs_the_last_one_counts_as_for_every_json_reader() -> None:
    assert read([b'{"log":"first","l\\u006fg":"second"}']).text == "second"


@given(
    lines=st.lists(st.text(max_size=12), max_size=30),
    end=st.sampled_from(["\n", "\r", "\r\n"]),
    max_bytes=st.integers(1, 120),
    places=st.lists(st.integers(0, 1000), max_size=6),
)
def test_a_cut_log_is_an_end_of_it_that_begins_at_a_line(
    lines: list[str], end: str, max_bytes: int, places: list[int]
) -> None:
    text = end.join(lines)
    body = json.dumps({"log": text, "offset": 0, "reset": True}).encode()
    streamed = read(cut(body, places), max_bytes)
    whole, kept = text.encode(), streamed.text.encode()
    assert whole.endswith(kept)
    assert len(kept) <= max_bytes
    assert streamed.truncated == (len(whole) > max_bytes)
    if streamed.truncated:
        before = whole[: len(whole) - len(kept)]
        last_line = len(re.split(rb"\r\n?|\n", whole.rstrip(b"\r\n"))[-1])
        # Only where not even the last line fits is a line cut.
        assert before.endswith((b"\r", b"\n")) or last_line + 2 >= max_bytes - 3
        assert not (before.endswith(b"\r") and kept.startswith(b"\n"))


def test_a_log_without_a_line_is_cut_at_a_whole_character() -> None:
    body = json.dumps({"log": "█" * 1000, "offset": 3000, "reset": True}).encode()
    streamed = read([body], 100)
    assert streamed.text == "█" * 33
    assert streamed.truncated


def test_single_bytes_as_pieces_give_the_same() -> None:
    body = json.dumps({"log": "päck\r\U0001f600" * 50, "offset": 0, "reset": True}).encode()
    assert read(body[at : at + 1] for at in range(len(body))) == read([body])


def test_fewer_than_one_byte_is_misuse() -> None:
    with pytest.raises(ValueError, match="max_bytes"):
        LogReader(0)


class Endless(httpx.AsyncByteStream):
    """A body made while it is read."""

    def __init__(self, pieces: Callable[[], Iterable[bytes]]) -> None:
        self.pieces = pieces
        self.closed = False

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces():
            yield piece
            await asyncio.sleep(0)

    @override
    async def aclose(self) -> None:
        self.closed = True


async def tail_of(stream: Endless, *, timeout_s: float = 60.0, **more: int) -> Any:
    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": "application/json"}, stream=stream)

    async with AiToolkitBackend(
        "http://backend.test", timeout_s=timeout_s, transport=httpx.MockTransport(answer)
    ) as backend:
        return await backend.log_tail("one", **more)


@pytest.mark.parametrize(
    "line",
    [
        rb"step \u2588 \"quoted\" 93%|\u2588\u2588| 92/200 [00:25<00:27, 3.94it/s]\r",
        rb"no line ends here ",
    ],
)
def test_200_mb_of_log_are_read_in_less_than_40_mb(line: bytes) -> None:
    chunk = line * (256 * 1024 // len(line))

    def pieces() -> Iterable[bytes]:
        yield b'{"log":"'
        for _ in range(800):
            yield chunk
        yield b'the end\\n","offset":209715200,"reset":true}'

    tracemalloc.start()
    try:
        log = asyncio.run(tail_of(Endless(pieces)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40 * MIB
    assert log.truncated
    assert log.text.endswith("the end\n")
    assert 5 * MIB - 200 < len(log.text.encode()) <= 5 * MIB
    assert log.start_offset == log.offset - len(log.text.encode())


def test_a_body_that_never_ends_is_left_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "STREAM_LIMIT_BYTES", 4 * MIB)
    sent = 0

    def pieces() -> Iterable[bytes]:
        nonlocal sent
        yield b'{"log":"'
        while True:
            sent += 1
            yield b"x" * 65536

    stream = Endless(pieces)
    with pytest.raises(errors.BackendProtocolError):
        asyncio.run(tail_of(stream))
    assert sent < 70
    assert stream.closed


def test_a_body_that_never_ends_is_left_at_the_deadline() -> None:
    def pieces() -> Iterable[bytes]:
        yield b'{"log":"'
        while True:
            yield b"x"

    stream = Endless(pieces)
    with pytest.raises(errors.BackendTimeoutError):
        asyncio.run(tail_of(stream, timeout_s=0.05))
    assert stream.closed


def test_a_frame_that_never_ends_is_refused() -> None:
    def pieces() -> Iterable[bytes]:
        yield b'{"log":"x"'
        while True:
            yield b',"offset":1' * 1000

    with pytest.raises(errors.BackendProtocolError):
        asyncio.run(tail_of(Endless(pieces)))
