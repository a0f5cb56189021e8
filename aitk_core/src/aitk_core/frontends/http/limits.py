"""A fixed-window rate limit for each client, in bounded memory."""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from aitk_core.errors import InvalidSettingError
from aitk_core.frontends.http.errors import RateLimitedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aitk_core.settings import HttpSettings

    Address = ipaddress.IPv4Address | ipaddress.IPv6Address
    Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_TABLE_LIMIT: Final = 4096
"""Clients remembered, the longest silent one forgotten first; our own."""

_IPV6_CLIENT_BITS: Final = 64
"""One host is commonly given a whole /64 (RFC 4291 section 2.5.4), so that is one client."""


class ClientAddress:
    """Finds out who calls."""

    def __init__(self, settings: HttpSettings) -> None:
        """Read the networks of trusted proxies.

        Raises:
            InvalidSettingError: One is no network, or a proxy is trusted without any: the
                header would then be whatever the client likes.
        """
        self._header = settings.rate_limit_client_ip_header.strip().lower().encode("latin-1")
        self._trusted: list[Network] = []
        for text in settings.trusted_proxy_cidrs:
            try:
                self._trusted.append(ipaddress.ip_network(text, strict=False))
            except ValueError as error:
                raise InvalidSettingError(
                    f"MCP_HTTP_TRUSTED_PROXY_CIDRS: {text!r} is not a network",
                    remedy="write it as 10.0.0.0/8 or fd00::/8",
                    setting="trusted_proxy_cidrs",
                ) from error
        if settings.trust_proxy_for_rate_limit and not self._trusted:
            raise InvalidSettingError(
                "MCP_HTTP_TRUST_PROXY_FOR_RATE_LIMIT without MCP_HTTP_TRUSTED_PROXY_CIDRS",
                remedy="name the proxies' networks, or do not trust a proxy",
                setting="trusted_proxy_cidrs",
            )
        if not settings.trust_proxy_for_rate_limit:
            self._trusted = []

    def of(self, scope: Mapping[str, Any]) -> str:
        """Return the client of a request: an IPv4 address or an IPv6 /64.

        The forwarded header counts only from a trusted peer, read from the right: each
        trusted proxy has appended whom it saw, and what stands further left is hearsay.
        """
        client = scope.get("client")
        if not client:
            return ""
        peer = _address(str(client[0]))
        if peer is None:
            return str(client[0])
        if self._trusted and self._trusts(peer):
            peer = self._forwarded(scope, peer)
        if isinstance(peer, ipaddress.IPv6Address):
            return str(ipaddress.ip_network((peer, _IPV6_CLIENT_BITS), strict=False))
        return str(peer)

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)

    def _forwarded(self, scope: Mapping[str, Any], peer: Address) -> Address:
        lines = [value for name, value in scope["headers"] if name == self._header]
        for hop in reversed(b",".join(lines).decode("latin-1").split(",")):
            address = _address(hop)
            if address is None:
                break
            peer = address
            if not self._trusts(address):
                break
        return peer


def _address(text: str) -> Address | None:
    """Return the address, also of `1.2.3.4:80` and `[::1]:80`, or None."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address


class RateLimiter:
    """Counts requests of each client in windows of fixed length."""

    def __init__(
        self,
        settings: HttpSettings,
        *,
        clients: ClientAddress,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the limits.

        Args:
            settings: Window and number of requests.
            clients: Finds out who calls.
            clock: Seconds, never going back.
        """
        self._window_s = settings.rate_limit_window_seconds
        self._limit = settings.rate_limit_max_requests
        self._clients = clients
        self._clock = clock
        self._table: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def __len__(self) -> int:
        """Return how many clients are remembered."""
        return len(self._table)

    def charge(self, scope: Mapping[str, Any]) -> None:
        """Count a request.

        Raises:
            RateLimitedError: It is one too many.
        """
        client, now = self._clients.of(scope), self._clock()
        start, count = self._table.pop(client, (now, 0))
        if now - start >= self._window_s:
            start, count = now, 0
        # One above the limit is all that matters; a refused client's window still ends.
        self._table[client] = (start, min(count + 1, self._limit + 1))
        if len(self._table) > _TABLE_LIMIT:
            self._table.popitem(last=False)
        if count >= self._limit:
            raise self._refusal(start, now)

    def check(self, scope: Mapping[str, Any]) -> None:
        """Refuse a client that is above the limit, without counting.

        Raises:
            RateLimitedError: It went above and its window has not ended.
        """
        client, now = self._clients.of(scope), self._clock()
        start, count = self._table.get(client, (now, 0))
        if count > self._limit and now - start < self._window_s:
            raise self._refusal(start, now)

    def _refusal(self, start: float, now: float) -> RateLimitedError:
        wait_s = max(1, math.ceil(start + self._window_s - now))
        return RateLimitedError(
            f"more than {self._limit} requests in {self._window_s:g} s",
            remedy=f"wait {wait_s} s",
            retry_after_seconds=wait_s,
            window_seconds=int(self._window_s) if self._window_s.is_integer() else self._window_s,
            max_requests=self._limit,
        )
