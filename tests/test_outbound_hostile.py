"""Hostile destinations: each is refused before a connection is begun, and no error shows its URL.

The list is `hostile_destinations.json`: the URL, what its name would resolve to, the stable word it
is refused with, and the kind of attack it comes from.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitk_core.errors import AitkError, DestinationRefusedError, InvalidUrlError
from aitk_core.services.outbound.destination import parse_destination
from aitk_core.services.outbound.door import Outbound
from aitk_core.services.outbound.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HOSTILE: Final[list[dict[str, Any]]] = json.loads(
    (Path(__file__).parent / "hostile_destinations.json").read_text(encoding="utf-8")
)
PUBLIC = ["93.184.215.14"]


class Wire:
    """Every connection that this process begins while it is watched."""

    def __init__(self) -> None:
        self.watched = False
        self.begun: list[Any] = []

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.watched and event in {"socket.connect", "socket.sendto", "socket.getaddrinfo"}:
            self.begun.append((event, arguments[1:]))


WIRE: Final = Wire()
sys.addaudithook(WIRE.hook)  # cannot be taken away again, so it sleeps between the tests


@pytest.fixture
def wire() -> Iterator[Wire]:
    """Return the connections begun from here on."""
    WIRE.begun.clear()
    WIRE.watched = True
    yield WIRE
    WIRE.watched = False


def post(url: str, addresses: Sequence[str] = PUBLIC) -> Any:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return addresses

    door = Outbound(resolve=resolve)
    try:
        return asyncio.run(door.post(url, b"{}"))
    finally:
        door.close()


def test_the_list_is_long_and_says_where_each_comes_from() -> None:
    urls = [row["url"] for row in HOSTILE]
    assert len(urls) == len(set(urls)) >= 80
    assert len({row["source"] for row in HOSTILE}) >= 12
    assert all(row["source"] and row["refused_as"] for row in HOSTILE)


@pytest.mark.parametrize("row", HOSTILE, ids=[f"{n}" for n in range(len(HOSTILE))])
def test_a_hostile_destination_is_refused_before_anything_is_sent(
    row: dict[str, Any], wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "aitk_core")
    with pytest.raises((InvalidUrlError, DestinationRefusedError)) as caught:
        post(row["url"], row.get("resolves_to", PUBLIC))
    assert wire.begun == []
    error = caught.value
    assert error.details.get("fault", error.details.get("kind")) == row["refused_as"]
    shown = json.dumps(error.to_json()) + caplog.text
    # Neither more of the URL than its host, nor what an inner name resolves to.
    assert not any(part in shown for part in ("latest", "password", "@127", "Injected"))
    literal = error.details.get("host")
    assert all(text == literal or text not in shown for text in row.get("resolves_to", ()))


def test_the_watch_on_connections_sees_one(wire: Wire) -> None:
    """Without it the tests above could not fail."""
    with pytest.raises(AitkError):
        asyncio.run(Outbound(Rules(["https://127.0.0.1:9"])).post("https://127.0.0.1:9/", b"{}"))
    assert wire.begun == [("socket.connect", (("127.0.0.1", 9),))]


def test_pitfall_59_a_scheme_other_than_https_is_refused_at_once(wire: Wire) -> None:
    door = Outbound()
    for url in ("file:///etc/passwd", "gopher://127.0.0.1/", "ftp://hooks.example.com/"):
        with pytest.raises(InvalidUrlError) as caught:
            door.check(url)
        assert caught.value.details["fault"] == "scheme"
    assert wire.begun == []


def test_pitfall_58_an_inner_address_is_refused_however_it_is_written(wire: Wire) -> None:
    for url in ("https://127.0.0.1/", "https://2130706433/", "https://[::ffff:7f00:1]/"):
        with pytest.raises((InvalidUrlError, DestinationRefusedError)):
            post(url)
    with pytest.raises(DestinationRefusedError):
        post("https://hooks.example.com/", ["10.0.0.7"])
    assert wire.begun == []


TEXT = st.text(
    st.sampled_from("https://.:@[]%\\0127.xfea#?a-é。 \n") | st.characters(), max_size=40
)


@given(TEXT | TEXT.map("https://".__add__))
def test_any_text_is_refused_or_read_in_one_way(text: str) -> None:
    """What is taken is read alike by httpx, which sends it."""
    import httpx

    said = ""
    try:
        destination = parse_destination(text)
    except InvalidUrlError as refusal:
        destination, said = None, str(refusal)
    if destination is None:
        assert not text.strip() or len(text) < 12 or text not in said
        return
    url = httpx.URL(text)
    assert (url.scheme, url.userinfo) == (destination.scheme, b"")
    assert url.raw_host.decode() == destination.host or destination.address is not None
    assert (url.port or 443 - 363 * (url.scheme == "http")) == destination.port


@given(st.ip_addresses(v=4))
def test_no_way_to_write_an_inner_ipv4_address_passes(address: Any) -> None:
    number, parts = int(address), str(address).split(".")
    octal = ".".join(f"0{int(part):o}" for part in parts)
    for form in (str(number), hex(number), f"{parts[0]}.{number & 0xFFFFFF}", octal):
        with pytest.raises(InvalidUrlError):
            parse_destination(f"https://{form}/")
    assert parse_destination(f"https://{address}/").host == str(address)
