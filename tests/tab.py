"""A tab over real sockets: the client's machine and the `websockets` library."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage
from websockets.typing import Subprotocol

from quart_stash.core.frames import SUBPROTOCOL
from quart_stash.testing import tab
from quart_stash.testing.dialer import ConnectionEnded
from quart_stash.testing.distance import distant
from tests.distance import distance


class Socket:
    """A connection of the `websockets` library, as a tab wants it."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, data: str | bytes) -> None:
        try:
            await self._connection.send(data)
        except ConnectionClosed as error:
            raise self._ended() from error

    async def receive(self) -> str | bytes:
        try:
            return await self._connection.recv()
        except ConnectionClosed as error:
            raise self._ended() from error

    async def close(self, code: int) -> None:
        await self._connection.close(code)

    def _ended(self) -> ConnectionEnded:
        return ConnectionEnded(self._connection.close_code or 1006)


class Tab(tab.Tab):
    """One view of one page, over as many sockets as it takes.

    Args:
        url: where the view is.
        message: is called with each message of the server.
        event: is called with the name and the details of what the page is told.
        random: for the jitter.
        headers: for the handshake.
        latency: seconds that everything takes, each way; default: each tab at its own distance.
    """

    def __init__(
        self,
        url: str,
        *,
        message: Callable[[str | bytes], None],
        event: Callable[[str, dict[str, Any]], None],
        random: random.Random,
        headers: Mapping[str, str] | None = None,
        latency: float | None = None,
    ) -> None:
        self.url = url
        self.headers = dict(headers or {})
        dial = distant(self._open, distance() if latency is None else latency)
        super().__init__(dial, message=message, event=event, rng=random)

    async def _open(self) -> Socket:
        try:
            connection = await connect(
                self.url, subprotocols=[Subprotocol(SUBPROTOCOL)], additional_headers=self.headers,
                compression=None, max_size=None, ping_interval=None, proxy=None, open_timeout=None, close_timeout=2,
            )  # fmt: skip
        except (InvalidHandshake, InvalidMessage, ConnectionClosed, EOFError) as error:
            raise ConnectionEnded from error
        if connection.subprotocol != SUBPROTOCOL:
            await connection.close()
            raise ConnectionEnded
        return self.socket(connection)

    def socket(self, connection: ClientConnection) -> Socket:
        """Return what a connection is to this tab: a subclass may look closer."""
        return Socket(connection)
