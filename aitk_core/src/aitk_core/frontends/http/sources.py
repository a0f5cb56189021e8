"""Which Host and Origin headers are accepted: the guard against DNS rebinding.

A page on a foreign name that resolves to this machine sends that name as Host, and its own
address as Origin; neither is accepted. There are no CORS headers, so a browser shows no
answer to a foreign page either.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from aitk_core.frontends.http.errors import HostNotAllowedError, OriginNotAllowedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mcp.server.transport_security import TransportSecuritySettings

    from aitk_core.settings import HttpSettings

_LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")


def is_loopback(host: str) -> bool:
    """Tell whether a host, as in a setting or a URL, is this machine's loopback."""
    address = _address(host)
    return address.is_loopback if address is not None else host.lower() == "localhost"


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def _spelt(host: str) -> str:
    """Return the host as it stands in a URL: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _split(host: str) -> tuple[str, str]:
    """Return name and port of a Host header, lower-case; the port may be empty."""
    name, colon, port = host.lower().rpartition(":")
    if not colon or port.endswith("]"):
        return host.lower(), ""
    return name, port


class Sources:
    """The rule that every route applies."""

    def __init__(self, settings: HttpSettings) -> None:
        """Take the names from the settings: loopback, the bound host, and those allowed."""
        names = list(_LOOPBACK)
        bound = _address(settings.host)
        if settings.host and not (bound is not None and bound.is_unspecified):
            names.append(_spelt(settings.host.lower()))
        self._names = dict.fromkeys(names)
        self._hosts = [host.lower() for host in settings.allowed_hosts]
        self._origins = [origin.lower().rstrip("/") for origin in settings.allowed_origins]

    def check(self, scope: Mapping[str, Any]) -> None:
        """Refuse a request that a foreign page may have caused.

        Raises:
            HostNotAllowedError: The Host header is missing or names another server.
            OriginNotAllowedError: The Origin header names another page.
        """
        host = origin = None
        for name, value in scope["headers"]:
            if name == b"host":
                host = value.decode("latin-1")
            elif name == b"origin":
                origin = value.decode("latin-1")
        if host is None or not self._knows_host(host, scope):
            raise HostNotAllowedError(
                f"host {(host or '')[:200]!r} is not this server",
                remedy="use its own address, or name this host in MCP_HTTP_ALLOWED_HOSTS",
            )
        if origin is not None and not self._knows_origin(origin.lower(), host.lower()):
            raise OriginNotAllowedError(
                f"origin {origin[:200]!r} is not allowed",
                remedy="name it in MCP_HTTP_ALLOWED_ORIGINS if that page may use this server",
            )

    def _knows_host(self, host: str, scope: Mapping[str, Any]) -> bool:
        name, port = _split(host)
        if name in self._names or _listed(self._hosts, name, port):
            return True
        return is_loopback(name) or name == local_address(scope)

    def _knows_origin(self, origin: str, host: str) -> bool:
        if origin in self._origins:
            return True
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        if parts.scheme in ("http", "https") and parts.netloc:
            if is_loopback(_split(parts.netloc)[0]) or parts.netloc == host:
                return True
            # An origin without a port is one with the default port, so `:*` is asked for.
            return f"{parts.scheme}://{_split(parts.netloc)[0]}:*" in self._origins
        return False

    def for_sdk(self) -> TransportSecuritySettings:
        """Return the same rule as far as the SDK can express it."""
        from mcp.server.transport_security import TransportSecuritySettings

        hosts = [*with_any_port(self._names)]
        origins = [*self._origins]
        for host in self._hosts:
            hosts += [host] if _split(host)[1] else with_any_port([host])
        for scheme in ("http", "https"):
            origins += with_any_port(f"{scheme}://{name}" for name in self._names)
        return TransportSecuritySettings(
            enable_dns_rebinding_protection=True, allowed_hosts=hosts, allowed_origins=origins
        )


def local_address(scope: Mapping[str, Any]) -> str | None:
    """Return the address that the connection came in on, as a URL spells it.

    A wildcard address listens on all of the machine's, and a name is never one of them, so
    that a rebound name does not pass.
    """
    server = scope.get("server")
    if not server or _address(str(server[0])) is None:
        return None
    return _spelt(str(server[0]).lower())


def with_any_port(names: Iterable[str]) -> list[str]:
    """Return the SDK's patterns for names with any port or none."""
    return [pattern for name in names for pattern in (name, f"{name}:*")]


def _listed(allowed: list[str], name: str, port: str) -> bool:
    """Tell whether a list holds the name: with that port, with `:*`, or without a port."""
    return name in allowed or f"{name}:{port}" in allowed or f"{name}:*" in allowed
