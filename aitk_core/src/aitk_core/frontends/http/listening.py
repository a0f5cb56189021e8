"""Sockets that listen."""

from __future__ import annotations

import os
import socket
from typing import Final

_BACKLOG: Final = 2048
"""Connections that may wait to be accepted; uvicorn's own default."""


def listen_on(host: str, port: int) -> socket.socket:
    """Return a socket that listens, for an asyncio server.

    Args:
        host: Address, or name of one; IPv6 without brackets.
        port: 0 for any free one.

    Raises:
        OSError: It cannot be used.
        OverflowError: There is no such port.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Asyncio switches Nagle's algorithm off where it sees that the protocol is TCP, which
    # socket.create_server does not say; with it, a short answer on a kept connection waits 40 ms
    # for the client's delayed acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere it would let two servers share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except (OSError, OverflowError):
        listener.close()
        raise
    return listener
