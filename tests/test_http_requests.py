"""What comes in over HTTP is read within bounds, and only strict JSON gets through."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitk_core.frontends.http.errors import (
    ClientGoneError,
    InvalidJsonError,
    InvalidRequestError,
    PayloadTooLargeError,
    SlowRequestError,
)
from aitk_core.frontends.http.requests import (
    ToolRequest,
    parse_json,
    read_body,
    request_id,
    tool_request,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    # Text as it can be sent: without unpaired surrogates.
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text('ab"\\[{'), inner),
    max_leaves=30,
)


@given(json_values, st.booleans())
def test_any_json_is_read_as_it_was_written(value: object, ascii_only: bool) -> None:
    assert parse_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.text())
def test_any_text_is_read_or_refused_and_nothing_else_is_raised(text: str) -> None:
    with suppress(InvalidJsonError):
        parse_json(text.encode("utf-8", "replace"))


@given(st.integers(1, 90), st.sampled_from(["[", "{"]), st.text('[]{}\\"', max_size=70))
def test_depth_is_counted_outside_strings_only(depth: int, bracket: str, inside: str) -> None:
    opening, closing = ("[", "]") if bracket == "[" else ('{"a":', "}")
    wide = ",".join(["[[]]"] * 40)
    text = opening * (depth - 1) + f"[{json.dumps(inside)},{wide}]" + closing * (depth - 1)
    if depth + 2 > 64:
        with pytest.raises(InvalidJsonError):
            parse_json(text.encode())
    else:
        assert parse_json(text.encode()) == json.loads(text)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'name': 1}",
        b'{"name": "x",}',
        b'{"a": "\xff"}',
        b"\xff\xfe{\x00}\x00",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": ' + b"1" * 5000 + b"}",
        b'{"a": "\\ud800"}',
        b'{"\\uDC00": 1}',
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"[" * 1_000_000,
        b'"' + b'\\"' * 300_000,
        b"[[]" * 300_000,
    ],
)
def test_pitfall_114_what_is_no_bounded_json_is_refused_not_crashed_on(body: bytes) -> None:
    with pytest.raises(InvalidJsonError):
        parse_json(body)


def test_a_byte_order_mark_is_passed_over() -> None:
    assert parse_json(b'\xef\xbb\xbf{"name":"x"}') == {"name": "x"}


def test_paired_surrogates_are_one_character() -> None:
    assert parse_json(b'"\\ud83d\\ude00"') == "\N{GRINNING FACE}"


@pytest.mark.parametrize(
    "value",
    [
        [],
        "x",
        None,
        {},
        {"name": ""},
        {"name": " "},
        {"name": 1},
        {"tool": "x"},
        {"name": "x", "arguments": []},
        {"name": "x", "arguments": "{}"},
        {"name": "x", "include_result": 1},
    ],
)
def test_what_is_no_tool_call_is_refused(value: object) -> None:
    with pytest.raises(InvalidRequestError):
        tool_request(value)


def test_the_name_under_another_key_is_pointed_out() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        tool_request({"tool": "list-configs"})
    assert "'name'" in caught.value.remedy


def test_a_tool_call_is_taken_apart_and_other_keys_are_ignored() -> None:
    assert tool_request({"name": "x", "arguments": None, "id": 7}) == ToolRequest(name="x")
    full = {"name": "x", "arguments": {"a": 1}, "include_result": True}
    assert tool_request(full) == ToolRequest(name="x", arguments={"a": 1}, include_result=True)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"abc", "abc"),
        (b"  abc-1.2/3 x ", "abc-1.2/3 x"),
        (b"y" * 500, "y" * 128),
    ],
)
def test_a_request_id_is_trimmed_and_cut(sent: bytes, kept: str) -> None:
    assert request_id({"headers": [(b"x-request-id", sent)]}) == kept


@pytest.mark.parametrize("sent", [None, b"", b"   ", b"a\tb", b"\xc3\xa9", b"a\x7fb", b"a\x1bb"])
def test_a_request_id_that_cannot_be_echoed_is_replaced(sent: bytes | None) -> None:
    headers = [] if sent is None else [(b"x-request-id", sent)]
    made = request_id({"headers": headers})
    assert len(made) == 36
    assert made != request_id({"headers": headers})


def read(
    chunks: Sequence[bytes | None], headers: Sequence[tuple[bytes, bytes]] = (), limit: int = 10
) -> tuple[bytes, int]:
    """Read a body; None stands for a closed connection. Also says how much was received."""
    received = 0

    async def receive() -> dict[str, Any]:
        nonlocal received
        if received == len(chunks):
            await asyncio.Event().wait()
        chunk = chunks[received]
        received += 1
        if chunk is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": chunk, "more_body": received < len(chunks)}

    scope = {"headers": list(headers)}
    body = asyncio.run(read_body(scope, receive, limit_bytes=limit, timeout_s=0.05))
    return body, received


def test_a_body_of_just_the_limit_is_read() -> None:
    assert read([b"12345", b"", b"67890"]) == (b"1234567890", 3)


def test_a_body_without_a_length_is_counted_while_it_arrives() -> None:
    with pytest.raises(PayloadTooLargeError) as caught:
        read([b"12345", b"678901", b"rest"])
    assert caught.value.details == {"max_body_bytes": 10}


@pytest.mark.parametrize("declared", [b"11", b"9" * 400])
def test_a_declared_length_above_the_limit_is_refused_before_the_body(declared: bytes) -> None:
    headers = [(b"content-length", declared), (b"expect", b"100-continue")]
    with pytest.raises(PayloadTooLargeError):
        read([], headers)


def test_a_body_that_does_not_arrive_is_given_up() -> None:
    async def never() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(SlowRequestError) as caught:
        asyncio.run(read_body({"headers": []}, never, limit_bytes=9, timeout_s=0.01))
    assert caught.value.details == {"body_timeout_seconds": 0.01}


def test_a_client_that_leaves_while_sending_is_noticed() -> None:
    with pytest.raises(ClientGoneError):
        read([b"123", None, b"4"])
