"""A caller's URL, taken apart strictly: whoever reads it must read the same host.

Parsers of URLs disagree on backslashes, userinfo, odd dots and short IPv4 addresses, and one that
checks while another connects is how such a check is passed. So one canonical form is taken, and
everything else is refused rather than mended.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final, TypeAlias

from attrs import field, frozen

from aitk_core.errors import InvalidUrlError

if TYPE_CHECKING:
    from typing import NoReturn

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

DEFAULT_PORTS: Final = {"https": 443, "http": 80}

_LONGEST: Final = 2048
"""Characters of a URL. Ours; the longest webhook addresses of chat services are below 300."""

_URL: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{0,31})://(?P<authority>[^/?#]*)"
    r"(?P<path>/[^?#]*)?(?P<query>\?[^#]*)?"
)
_TARGET: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")
"""RFC 3986, section 3.3 and 3.4."""
_AUTHORITY: Final = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]*))?")
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""A last label that makes browsers and C libraries read an IPv4 address
(WHATWG URL, section 3.5, "ends in a number checker")."""


@frozen(kw_only=True)
class Destination:
    """Where a URL leads, and what it asks for there."""

    scheme: str
    """`https` or `http`."""
    host: str
    """A name in lower-case ASCII without a trailing dot, or an address in its canonical form."""
    port: int
    target: str = field(default="/", repr=False)
    """Path and query: the secret part of a webhook's URL."""

    @property
    def address(self) -> Address | None:
        """Return the address, where the host is one."""
        return parse_address(self.host)

    @property
    def authority(self) -> str:
        """Return the value of the Host header (RFC 9110, section 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def parse_address(text: str) -> Address | None:
    """Return the address that the text is, without a zone, or None where it is none."""
    if "%" in text:
        return None
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def parse_destination(url: str) -> Destination:
    """Take a URL apart.

    Raises:
        InvalidUrlError: It is not `https://host[:port][/path][?query]` (or `http://`) in one
            unambiguous form.
    """
    _check_text(url)
    match = _URL.fullmatch(url)
    if match is None:
        _refuse("form", "is not https://host/path, or has a fragment")
    scheme = match["scheme"].lower()
    if scheme not in DEFAULT_PORTS:
        _refuse("scheme", "is not of the scheme https")
    target = (match["path"] or "/") + (match["query"] or "")
    if not _TARGET.fullmatch(target):
        _refuse("characters", "has a path or query that is not percent-encoded ASCII")
    host, port = parse_authority(match["authority"])
    return Destination(scheme=scheme, host=host, port=port or DEFAULT_PORTS[scheme], target=target)


def parse_authority(authority: str) -> tuple[str, int | None]:
    """Return host and port; the port is None where none is given.

    Raises:
        InvalidUrlError: It holds credentials, or a host or port that is none.
    """
    if "@" in authority:
        _refuse("credentials", "has credentials in it")
    match = _AUTHORITY.fullmatch(authority)
    if match is None or not match["host"]:
        _refuse("host", "has no host")
    return parse_host(match["host"]), _parse_port(match["port"])


def parse_host(host: str) -> str:
    """Return the one form of a host: a name in lower-case ASCII, or an address.

    Raises:
        InvalidUrlError: It is neither.
    """
    if host.startswith("["):
        address = parse_address(host[1:-1])
        if not isinstance(address, ipaddress.IPv6Address):
            _refuse("host", "has brackets around what is no IPv6 address (zones are not taken)")
        return str(address)
    name = _ascii(host.lower())
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        # Octal, hexadecimal, short and whole-number forms mean different hosts to different
        # readers; ipaddress takes four decimal numbers without leading zeros only.
        address = parse_address(name)
        if address is None:
            _refuse("host", "has an IPv4 address that is not four plain decimal numbers")
        return str(address)
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):  # noqa: PLR2004 - RFC 1035, section 2.3.4
        _refuse("host", "has a host that is no name of letters, digits, hyphens and single dots")
    return name


def _ascii(host: str) -> str:
    if host.isascii() and "xn--" not in host:
        return host
    import idna

    if not host.isascii() and any(dot in host for dot in "\u3002\uff0e\uff61"):
        _refuse("host", "has a dot of another script in its host")
    try:
        return idna.encode(host).decode("ascii")
    except UnicodeError:
        _refuse("host", "has a host that is no internationalized name (RFC 5891)")


def _parse_port(text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,4}", text) or int(text) > 65535:  # noqa: PLR2004 - 16 bits
        _refuse("port", "has a port that is no number from 1 to 65535")
    return int(text)


def _check_text(url: str) -> None:
    if len(url) > _LONGEST:
        _refuse("length", f"is longer than {_LONGEST} characters")
    # Some readers strip these, some end the host there, some take them for slashes.
    if "\\" in url or not url.isprintable() or any(character.isspace() for character in url):
        _refuse("characters", "has spaces, control characters or backslashes in it")


def _refuse(fault: str, reason: str) -> NoReturn:
    raise InvalidUrlError(
        f"the URL {reason}",
        remedy="give https://host/path; its credentials belong in settings",
        fault=fault,
    )
