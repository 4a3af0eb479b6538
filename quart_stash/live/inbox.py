"""How large a frame may be, how much may wait for one handler, and what becomes of its socket while more would.

A full inbox pauses the socket: the handler goes on in a moment, and TCP lets the client wait meanwhile. But a
socket that is not read shows no pings and no pongs either. The server, or the client, would cut the connection,
the client would send the same messages again, and a handler that needs longer than that would never get to the
second one. So the pause is short. After it the socket is read on, and messages that find no room are left to
the client, which keeps them until a token covers them. Once the handler has worked off the inbox, the view is
handed over, and the client sends the rest at its next mount.
"""

from __future__ import annotations

import asyncio
from collections import deque

from ..config import StashConfig
from ..core.events import Message

__all__ = ["PATIENCE", "Room", "larger"]

# How many of the largest messages may wait for the handler.
_BYTES = 4
# How many times STASH_MAX_QUEUE, while the socket is not paused because the handler awaits the browser: empty
# messages and voids have no bytes to count, and take memory all the same.
_UNPAUSED = 64
PATIENCE = 2.5
"""Seconds for which a socket is paused at most: it sees no pings, and a client that pings waits for 5 s."""


class Room:
    """The room in an inbox, by messages and by bytes."""

    def __init__(
        self, inbox: deque[Message | None], config: StashConfig, *, patience: float = PATIENCE
    ) -> None:
        """Look after an inbox.

        Args:
            inbox: what waits for the handler; `None` is a void message.
            config: the limits.
            patience: seconds for which the socket may be paused, while the handler takes less than an inbox.
        """
        self._inbox = inbox
        self._config = config
        self._patience = patience
        self._bytes = 0
        self._taken = 0
        self._until: float | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()

    @property
    def full(self) -> bool:
        """Whether the socket is to be paused."""
        return self._holds(1)

    @property
    def overfull(self) -> bool:
        """Whether also a socket that must not be paused has brought too much."""
        return self._holds(_UNPAUSED)

    @property
    def awaited(self) -> bool:
        """Whether the socket is paused."""
        return self._waiting is not None

    def put(self, message: Message) -> None:
        """A message came in."""
        self._bytes += len(message.data)

    def take(self, message: Message) -> None:
        """The handler has taken a message."""
        self._bytes -= len(message.data)
        self._taken += 1
        if not self._inbox:
            self._until = None
        if self._waiting is not None and not self.full:
            self.make()

    async def wait(self) -> bool:
        """Pause, until there may be room. Returns whether there may be; else the handler is too slow to wait for."""
        if self._until is None or self._taken >= self._config.max_queue:
            # Else not anew in each pause: a handler that takes a message now and then keeps the pings waiting, too.
            self._until = self._loop.time() + self._patience
            self._taken = 0
        self._waiting = self._loop.create_future()
        try:
            async with asyncio.timeout_at(self._until):
                await self._waiting
        except TimeoutError:
            self._until = None
            return self._taken >= self._config.max_queue
        finally:
            self._waiting = None
        return True

    def make(self) -> None:
        """Let the socket go on."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _holds(self, queues: int) -> bool:
        """Whether that many full queues wait for the handler, or as many bytes as ever may."""
        config = self._config
        return len(self._inbox) >= queues * config.max_queue or self._bytes > _BYTES * config.max_message_size


def larger(data: str | bytes, limit: int) -> bool:
    """Whether `data` takes more than `limit` bytes; text is encoded only where its length leaves it open."""
    length = len(data)
    if isinstance(data, bytes) or length > limit or length * 4 <= limit:
        return length > limit
    return len(data.encode("utf-8", "surrogatepass")) > limit
