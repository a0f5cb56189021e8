"""Requests to URLs that callers and users give.

The name is resolved here, every address is checked, and the connection is made to the checked
address itself, with the name in SNI, certificate check and Host. So there is no second look-up
whose answer could differ (DNS rebinding). Each request has a connection of its own. No proxy, no
netrc and no cookie takes part, and redirects are answers.

httpx and the certificates are loaded at the first request.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING, Final

from aitk_core.errors import InvalidSettingError, OutboundTimeoutError
from aitk_core.services.executor import WorkerPool
from aitk_core.services.outbound.destination import parse_address, parse_destination
from aitk_core.services.outbound.rules import Rules
from aitk_core.services.outbound.sending import Ask, send, unreachable

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from aitk_core.records.outbound import OutboundAnswer
    from aitk_core.services.outbound.destination import Address, Destination
    from aitk_core.settings import OutboundSettings

    Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

logger = logging.getLogger(__name__)

_ADDRESSES: Final = 4
"""Tried of a name, in the resolver's order. All of them are checked. Our own."""

_BODY_BYTES: Final = 1024 * 1024
"""Default limit of an answer. Our own."""

_LOOKUPS: Final = 4
"""Names looked up at a time; a look-up cannot be cancelled, and may take tens of seconds."""


class Outbound:
    """The door; safe for concurrent use."""

    def __init__(
        self,
        rules: Rules | None = None,
        *,
        timeout_s: float = 15.0,
        ca_file: Path | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        """Connects nowhere.

        Args:
            rules: Who may be sent to; default: public hosts on port 443.
            timeout_s: For one request, its look-up included.
            ca_file: Authorities trusted beside the public ones (PEM).
            resolve: Name and port to addresses, in place of the system's resolver.
        """
        self._rules = rules or Rules()
        self._timeout_s = timeout_s
        self._ca_file = ca_file
        self._workers = WorkerPool(workers=_LOOKUPS)
        self._resolve = resolve or self._look_up
        self._tls: ssl.SSLContext | None = None

    @classmethod
    def of(cls, settings: OutboundSettings) -> Outbound:
        """Return the door as the settings want it.

        Raises:
            InvalidSettingError: An allowed destination is none.
        """
        return cls(Rules(settings.allow), timeout_s=settings.timeout_s, ca_file=settings.ca_file)

    def close(self) -> None:
        """Let go of the workers without waiting for look-ups."""
        self._workers.close()

    def check(self, url: str) -> str:
        """Refuse a URL that needs no look-up to be refused, and return its host.

        For the moment when somebody names a destination; each request checks again.

        Raises:
            InvalidUrlError: It is no URL that is taken.
            DestinationRefusedError: It leads where nothing is sent.
        """
        destination = parse_destination(url)
        self._rules.check_destination(destination)
        return destination.host

    async def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        max_bytes: int = _BODY_BYTES,
        timeout_s: float | None = None,
    ) -> OutboundAnswer:
        """Fetch a URL.

        Args:
            url: `https://host[:port]/path`.
            headers: More of them; ASCII.
            max_bytes: Largest body, decoded.
            timeout_s: For everything, where it is less than the settings say.

        Raises:
            InvalidUrlError: It is no URL that is taken.
            DestinationRefusedError: It leads where nothing is sent.
            OutboundError: In its kinds: no connection, no answer in time, no fit answer.
        """
        ask = Ask(method="GET", headers=headers or {}, max_bytes=max_bytes)
        return await self._request(url, ask, timeout_s)

    async def post(
        self,
        url: str,
        body: bytes,
        *,
        headers: Mapping[str, str] | None = None,
        max_bytes: int | None = _BODY_BYTES,
        timeout_s: float | None = None,
    ) -> OutboundAnswer:
        """Send a body to a URL.

        Args:
            url: `https://host[:port]/path`.
            body: Sent as it is.
            headers: More of them, the Content-Type among them; ASCII.
            max_bytes: Largest body of the answer, decoded; None: it is not read at all.
            timeout_s: For everything, where it is less than the settings say.

        Raises:
            InvalidUrlError: It is no URL that is taken.
            DestinationRefusedError: It leads where nothing is sent.
            OutboundError: In its kinds: no connection, no answer in time, no fit answer.
        """
        ask = Ask(method="POST", headers=headers or {}, body=body, max_bytes=max_bytes)
        return await self._request(url, ask, timeout_s)

    async def _request(self, url: str, ask: Ask, timeout_s: float | None) -> OutboundAnswer:
        destination = parse_destination(url)
        self._rules.check_destination(destination)
        limit_s = min(self._timeout_s, timeout_s or self._timeout_s)
        try:
            async with asyncio.timeout(limit_s):
                addresses = await self._addresses(destination)
                tls = await self._tls_context() if destination.scheme == "https" else None
                answer = await send(ask, destination, addresses, tls)
        except TimeoutError:
            raise OutboundTimeoutError(
                f"{destination.host} did not answer within {limit_s:g} s",
                remedy="try again later; what was sent may have arrived",
                host=destination.host,
                timeout_s=limit_s,
            ) from None
        logger.debug("%s to %s: %d", ask.method, destination.host, answer.status)
        return answer

    async def _addresses(self, destination: Destination) -> list[Address]:
        literal = destination.address
        if literal is not None:
            return [literal]
        try:
            texts = await self._resolve(destination.host, destination.port)
        except (OSError, UnicodeError):
            texts = ()
        found: dict[Address, None] = {}
        for text in texts:
            # A zone stands on link-local addresses only, which are refused without it.
            address = parse_address(text.partition("%")[0])
            if address is not None:
                # One that is refused refuses all: a mixture is how such checks are passed.
                self._rules.check_address(destination, address)
                found[address] = None
        if not found:
            raise unreachable(destination, "dns", "its name leads to no address")
        return list(found)[:_ADDRESSES]

    async def _look_up(self, host: str, port: int) -> Sequence[str]:
        return await self._workers.run(_system_addresses, host, port)

    async def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = await self._workers.run(_read_authorities, self._ca_file)
        return self._tls


def _system_addresses(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(place[0]) for *_, place in found]


def _read_authorities(ca_file: Path | None) -> ssl.SSLContext:
    import httpx

    context = httpx.create_ssl_context(trust_env=False)
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:  # ssl.SSLError is one
            raise InvalidSettingError(
                "the certificates that AITK_OUTBOUND_CA_FILE names cannot be read",
                remedy="name a PEM file that the server may read",
                setting="AITK_OUTBOUND_CA_FILE",
            ) from error
    return context
