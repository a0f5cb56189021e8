"""Which addresses are of the public internet.

From the IANA registries of special-purpose addresses (RFC 6890 and its updates; for IPv4
https://www.iana.org/assignments/iana-ipv4-special-registry, for IPv6
https://www.iana.org/assignments/iana-ipv6-special-registry). A table of our own, since what
`ipaddress.is_global` says changed between releases of Python (CVE-2024-4032).
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aitk_core.services.outbound.destination import Address

METADATA: Final = "metadata"
"""A cloud's metadata service, which hands out credentials to whoever asks."""

LOCAL_KINDS: Final = frozenset({"loopback", "private", "shared", "unique-local"})
"""What a host that is allowed by its name may resolve to: where people run services."""

_METADATA: Final = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "169.254.169.254",  # AWS, Azure, Google, Oracle, DigitalOcean and others
        "169.254.170.2",  # AWS ECS task credentials
        "169.254.170.23",  # AWS EKS pod identity
        "100.100.100.200",  # Alibaba
        "168.63.129.16",  # Azure's host, a public address
        "192.0.0.192",  # Oracle, its first generation
        "fd00:ec2::254",  # AWS
        "fd00:ec2::23",  # AWS EKS pod identity
        "fd20:ce::254",  # Google
    )
)

_IPV4: Final = tuple(
    (ipaddress.IPv4Network(network), kind)
    for network, kind in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "reserved"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "reserved"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)

_IPV6: Final = tuple(
    (ipaddress.IPv6Network(network), kind)
    for network, kind in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("fc00::/7", "unique-local"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "link-local"),
        ("ff00::/8", "multicast"),
        # Lead to an IPv4 address through a relay or translator that may stand inside.
        ("64:ff9b:1::/48", "translated"),
        ("2001::/32", "translated"),
        ("2002::/16", "translated"),
        ("2001::/23", "reserved"),
        ("2001:db8::/32", "documentation"),
        ("3fff::/20", "documentation"),
    )
)

_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
"""All that is given out for public use (RFC 4291, section 2.4; IANA IPv6 address space)."""

_MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""What a resolver on an IPv6-only network answers for a public IPv4 host (RFC 6052, RFC 6147)."""

_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})
"""The upper half of an interface identifier that holds an IPv4 address (RFC 5214, 6.1)."""

_LOW_32: Final = (1 << 32) - 1


def kind_of(address: Address) -> str | None:
    """Return what an address is for, or None for one of the public internet.

    Kinds: `metadata`, `loopback`, `private`, `shared`, `link-local`, `unique-local`,
    `unspecified`, `multicast`, `documentation`, `translated`, `reserved`. An IPv4 address inside
    an IPv4-mapped or NAT64 address is judged itself.
    """
    if address in _METADATA:
        return METADATA
    if isinstance(address, ipaddress.IPv4Address):
        return next((kind for network, kind in _IPV4 if address in network), None)
    if address in _MAPPED or address in _NAT64:
        return kind_of(ipaddress.IPv4Address(int(address) & _LOW_32))
    for network, kind in _IPV6:
        if address in network:
            return kind
    if (int(address) >> 32) & _LOW_32 in _ISATAP:
        return "translated"
    return None if address in _GLOBAL_UNICAST else "reserved"
