"""One exchange with a checked address, by httpx's transport alone.

A client of httpx would add proxies and credentials of the environment, cookies, and a log line
with the whole URL.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal

from attrs import field, frozen

from aitk_core.errors import OutboundProtocolError, OutboundUnreachableError
from aitk_core.records.outbound import OutboundAnswer
from aitk_core.services.outbound.bodies import UnfitBodyError, read_body

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

    import httpx
    from attrs import Attribute

    from aitk_core.services.outbound.destination import Address, Destination

_CONNECT_TIMEOUT_S: Final = 5.0
"""For one address, TLS included, so that a second one is tried before the deadline. Our own."""

_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_VALUE: Final = re.compile(r"[\x20-\x7e]{0,4096}")
_FRAME: Final = frozenset(
    {"accept-encoding", "connection", "content-length", "host", "te", "transfer-encoding"}
)


def _own_headers(
    _instance: object, _attribute: Attribute[Mapping[str, str]], value: Mapping[str, str]
) -> None:
    for name, text in value.items():
        if not _NAME.fullmatch(name) or name.lower() in _FRAME:
            raise ValueError(f"header {name[:64]!r} is not for callers to set")
        if not _VALUE.fullmatch(text):
            # Without the value: it may be a secret.
            raise ValueError(f"the value of header {name!r} is not printable ASCII")


@frozen(kw_only=True)
class Ask:
    """What to ask of a destination.

    Raises:
        ValueError: A header would change the request's frame, or is not printable ASCII.
    """

    method: Literal["GET", "POST"]
    headers: Mapping[str, str] = field(factory=dict, validator=_own_headers, repr=False)
    body: bytes | None = field(default=None, repr=False)
    max_bytes: int | None
    """Largest body of the answer, decoded; None: it is not read at all."""


async def send(
    ask: Ask,
    destination: Destination,
    addresses: Sequence[Address],
    tls: ssl.SSLContext | None,
) -> OutboundAnswer:
    """Ask at the first of the addresses that takes a connection; there is no second look-up.

    Raises:
        OutboundUnreachableError: None of them takes one; nothing was sent.
        OutboundProtocolError: The answer broke off, is no HTTP, or does not fit.
        TimeoutError: A part of the exchange took too long.
    """
    import httpx

    failed: Exception | None = None
    async with httpx.AsyncHTTPTransport(
        # Without TLS there is nothing to verify, and loading certificates takes tens of ms.
        verify=False if tls is None else tls,
        trust_env=False,
        limits=httpx.Limits(max_keepalive_connections=0),
    ) as transport:
        for address in addresses:
            request = _request(ask, destination, address)
            try:
                response = await transport.handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failed = error
                continue
            except httpx.TimeoutException:
                raise TimeoutError from None
            except httpx.TransportError as error:
                raise _broken(destination, error) from None
            try:
                return await _taken(ask, destination, response)
            finally:
                await response.aclose()
    if failed is not None and _is_tls(failed):
        raise unreachable(destination, "tls", "its certificate or its TLS is not accepted")
    raise unreachable(destination, "connect", "no connection")


def unreachable(destination: Destination, reason: str, words: str) -> OutboundUnreachableError:
    """Return the error for a destination without a connection."""
    return OutboundUnreachableError(
        f"{destination.host} cannot be reached: {words}",
        remedy="check the host's name and that it is up; nothing was sent",
        host=destination.host,
        reason=reason,
    )


def _request(ask: Ask, destination: Destination, address: Address) -> httpx.Request:
    import httpx

    url = httpx.URL(
        scheme=destination.scheme,
        host=str(address),
        port=destination.port,
        raw_path=destination.target.encode("ascii"),
    )
    return httpx.Request(
        ask.method,
        url,
        # Not compressed, so that what is counted on the way is what ends up in memory.
        headers={
            "Host": destination.authority,
            "Accept-Encoding": "identity",
            "Connection": "close",
            **ask.headers,
        },
        content=ask.body,
        extensions={
            # The deadline of the whole is the caller's.
            "timeout": {"connect": _CONNECT_TIMEOUT_S},
            # What httpcore sends in TLS, and checks the certificate against.
            "sni_hostname": destination.host,
        },
    )


async def _taken(ask: Ask, destination: Destination, response: httpx.Response) -> OutboundAnswer:
    import httpx

    body = b""
    if ask.max_bytes is not None:
        encoding = response.headers.get("content-encoding", "")
        try:
            body = await read_body(response.aiter_raw(), encoding, ask.max_bytes)
        except UnfitBodyError as error:
            raise _unfit(destination, error.reason, _FAULTS[error.reason]) from None
        except httpx.TransportError as error:
            raise _broken(destination, error) from None
    headers = dict(response.headers.items())
    return OutboundAnswer(status=response.status_code, headers=headers, body=body)


_FAULTS: Final[Mapping[str, str]] = {
    "too_large": "answered more than is read",
    "encoding": "answered in an encoding that is not taken, or damaged",
    "broken": "answered less than it announced",
}


def _broken(destination: Destination, error: httpx.TransportError) -> OutboundProtocolError:
    import httpx

    # Without the words of the exception: they may quote what was sent or answered.
    said = isinstance(error, httpx.ProtocolError)
    words = "answered no HTTP, or broke off" if said else "broke the connection off"
    return _unfit(destination, "broken", words)


def _unfit(destination: Destination, reason: str, words: str) -> OutboundProtocolError:
    return OutboundProtocolError(
        f"{destination.host} {words}",
        remedy="try again later; what was sent may have arrived",
        host=destination.host,
        reason=reason,
    )


def _is_tls(error: BaseException | None) -> bool:
    import ssl

    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False
