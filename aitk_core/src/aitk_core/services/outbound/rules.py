"""Who may be sent to: public hosts on port 443 over TLS, and what the settings name."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final, NoReturn

from attrs import frozen

from aitk_core.errors import DestinationRefusedError, InvalidSettingError, InvalidUrlError
from aitk_core.services.outbound.addresses import LOCAL_KINDS, kind_of
from aitk_core.services.outbound.destination import DEFAULT_PORTS, parse_address, parse_authority

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aitk_core.services.outbound.destination import Address, Destination

_SETTING: Final = "AITK_OUTBOUND_ALLOW"

_LOCAL_NAMES: Final = frozenset(
    {"alt", "arpa", "internal", "invalid", "local", "localhost", "onion", "test"}
)
"""Top-level names that no public host has: RFC 6761, RFC 6762, RFC 7686, RFC 8375 (below arpa),
RFC 9476, and `internal` (ICANN board, 29 July 2024)."""


@frozen(kw_only=True)
class Entry:
    """One allowed destination."""

    scheme: str
    port: int
    host: str | None = None
    """A name or a single address, as `parse_host` writes it."""
    network: ipaddress.IPv4Network | ipaddress.IPv6Network | None = None


class Rules:
    """Decides about destinations and, once a name is resolved, about addresses."""

    def __init__(self, allow: Iterable[str] = ()) -> None:
        """Take what is allowed beside public hosts on port 443.

        Args:
            allow: Each a host name or an address, optionally with `http://` before it and a port
                behind it, or a network with an optional port (`[fd00::/8]:8443` for IPv6). A
                name stands for itself, not for names below it.

        Raises:
            InvalidSettingError: An entry is none of these.
        """
        self._entries = tuple(_entry(text.strip()) for text in allow)

    def check_destination(self, destination: Destination) -> None:
        """Refuse what needs no look-up to be refused.

        Raises:
            DestinationRefusedError: Its scheme, port, name or address is not allowed.
        """
        named = self._named(destination)
        if destination.scheme == "http" and not named:
            _refuse(destination, "http", "plain HTTP goes only to hosts that the settings name")
        address = destination.address
        if address is not None:
            self.check_address(destination, address)
            return
        ports = {DEFAULT_PORTS["https"]} | {e.port for e in self._entries if e.network}
        if not named and destination.port not in ports:
            _refuse(destination, "port", f"port {destination.port} is not allowed")
        top = destination.host.rpartition(".")[2]
        # Where a network is allowed, any name may lead into it; where none is, these lead nowhere.
        by_network = any(self._covers(e, destination) for e in self._entries if e.network)
        if not (named or by_network) and (top == destination.host or top in _LOCAL_NAMES):
            _refuse(destination, "local-name", "it is a name of a local network")

    def check_address(self, destination: Destination, address: Address) -> None:
        """Refuse an address that the destination's host is or resolves to.

        Raises:
            DestinationRefusedError: Nothing is sent to such an address.
        """
        for entry in self._entries:
            if entry.network and self._covers(entry, destination) and address in entry.network:
                return
        named = self._named(destination)
        kind = kind_of(address)
        if kind is not None and not (named and kind in LOCAL_KINDS):
            # Not the address: what a name of an inner network resolves to is not the caller's.
            what = "it is" if destination.address else "its name leads to"
            _refuse(destination, kind, f"{what} {_article(kind)} {kind} address")
        if not named and destination.port != DEFAULT_PORTS["https"]:
            _refuse(destination, "port", f"port {destination.port} is not allowed")

    def _named(self, destination: Destination) -> bool:
        return any(
            entry.host == destination.host and self._covers(entry, destination)
            for entry in self._entries
        )

    @staticmethod
    def _covers(entry: Entry, destination: Destination) -> bool:
        return (entry.scheme, entry.port) == (destination.scheme, destination.port)


def _entry(text: str) -> Entry:
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "https", text
    if scheme not in DEFAULT_PORTS:
        _unfit(text, "has a scheme other than https and http")
    if "/" in rest:
        if scheme == "http":
            # Plain HTTP is for what somebody named, not for whatever answers in a range.
            _unfit(text, "allows plain HTTP to a whole network")
        return _network(text, rest)
    if parse_address(rest) is not None and ":" in rest:
        rest = f"[{rest}]"
    try:
        host, port = parse_authority(rest)
    except InvalidUrlError as error:
        _unfit(text, str(error).removeprefix("the URL "))
    address = parse_address(host)
    return Entry(
        scheme=scheme,
        port=port or DEFAULT_PORTS[scheme],
        host=host,
        network=None if address is None else ipaddress.ip_network(address),
    )


def _network(text: str, rest: str) -> Entry:
    port = str(DEFAULT_PORTS["https"])
    if rest.startswith("["):
        rest, _, behind = rest[1:].partition("]")
        port = behind.removeprefix(":") or port
    elif rest.count(":") == 1:
        rest, _, port = rest.partition(":")
    try:
        number = parse_authority(f"a:{port}")[1]
        network = ipaddress.ip_network(rest)
    except ValueError as error:
        _unfit(text, f"is no network, {error}")
    except InvalidUrlError as error:
        _unfit(text, str(error).removeprefix("the URL "))
    return Entry(scheme="https", port=number or DEFAULT_PORTS["https"], network=network)


def _unfit(text: str, fault: str) -> NoReturn:
    # What stands before an @ may be a password.
    shown = text.rpartition("@")[2]
    raise InvalidSettingError(
        f"{_SETTING}: {shown[:200]!r} {fault}",
        remedy="write host, host:port, http://host:port, an address or a network, with commas",
        setting=_SETTING,
    )


def _refuse(destination: Destination, kind: str, reason: str) -> NoReturn:
    raise DestinationRefusedError(
        f"nothing is sent to {destination.host}: {reason}",
        remedy=f"the operator can allow it by name in {_SETTING}; nothing was sent",
        host=destination.host,
        kind=kind,
    )


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" and word != "unique-local" else "a"
