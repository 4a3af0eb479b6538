"""The last resort against a peer that has stopped reading: shut down its one TCP connection.

While data is queued for such a peer, `send` never returns, and a server may wait for ever for the buffer to
empty. Shutting down the connection frees it, with public calls only and on any server.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket as sockets
import stat
from typing import Any

from .socket import Scope, Socket

__all__ = ["cut", "cut_descriptor"]

logger: logging.Logger = logging.getLogger("quart_stash")


def cut(socket: Socket) -> bool:
    """End the TCP connection of this socket, whatever is queued on it.

    Returns:
        Whether a connection was found and ended.
    """
    socket.stuck = False
    if (transport := socket.transport) is not None:
        try:
            transport.abort()
        except Exception as error:  # it is over already, or nothing that we could end
            logger.debug("a connection could not be ended: %r", error)
        else:
            logger.info("a peer had stopped reading; its connection was ended")
            return True
    return cut_descriptor(socket.scope)


def cut_descriptor(scope: Scope) -> bool:
    """Shut down the TCP connection that this ASGI scope stands for.

    Only a connection whose two ends are the scope's own `client` and `server` is touched. Where a proxy's
    headers have put a foreign address into `client`, none matches, and none is touched.

    Returns:
        Whether a connection was found and shut down.
    """
    client, server = _name(scope.get("client")), _name(scope.get("server"))
    if client is None or server is None:
        logger.warning(
            "a peer has stopped reading, and its connection can't be told apart: it is left to the server"
        )
        return False
    for number in _descriptors():
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(number).st_mode) and _shut(os.dup(number), client, server):
                logger.info("a peer had stopped reading; its connection was shut down")
                return True
    logger.warning("a peer has stopped reading, and its connection was not found: it is left to the server")
    return False


def _shut(duplicate: int, client: tuple[str, int], server: tuple[str, int]) -> bool:
    """Shut down the connection behind this descriptor if its two ends are these; close the descriptor."""
    with sockets.socket(fileno=duplicate) as connection:
        if _name(connection.getpeername()) != client or _name(connection.getsockname()) != server:
            return False
        connection.shutdown(sockets.SHUT_RDWR)
        return True


def _name(address: Any) -> tuple[str, int] | None:
    """Return the host and port of a TCP address, `None` for any other."""
    if isinstance(address, (tuple, list)) and len(address) >= 2 and isinstance(address[1], int):
        return str(address[0]), address[1]
    return None


def _descriptors() -> list[int]:
    """Return the numbers of this process's open descriptors."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            return [int(name) for name in os.listdir(folder) if name.isdigit()]
        except OSError:
            continue
    return []
