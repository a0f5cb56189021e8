"""What a request to a caller's URL was answered."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen


@frozen(kw_only=True)
class OutboundAnswer:
    """A complete answer, of any status; redirects are answers, too."""

    status: int
    headers: Mapping[str, str] = field(factory=dict, repr=False)
    """By lower-case name, values as sent; untrusted."""
    body: bytes = field(default=b"", repr=False)
    """Decoded; empty where the caller did not want it. Untrusted, and never shown to a caller
    who only gave the URL: it may come from a host that they cannot reach."""
