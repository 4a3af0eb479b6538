"""How large a frame may be, how much may wait for one handler, and the pause of its socket while more would."""

from __future__ import annotations

import asyncio
from collections import deque

from ..config import StashConfig
from ..core.events import Message

__all__ = ["Room", "larger"]

# How many of the largest messages may wait for the handler.
_BYTES = 4
# How many times STASH_MAX_QUEUE, while the socket is not paused because the handler awaits the browser: empty
# messages and voids have no bytes to count, and take memory all the same.
_UNPAUSED = 64
# Seconds: a client that pings waits for 5 s, and a paused socket does not see its pings.
_BREATH = 2.5


class Room:
    """The room in an inbox, by messages and by bytes."""

    def __init__(self, inbox: deque[Message | None], config: StashConfig) -> None:
        self._inbox = inbox
        self._config = config
        self._bytes = 0
        self._waiting: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._breath = self._loop.time() + _BREATH

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
        if self._waiting is not None and not self.full:
            self.make()

    async def wait(self) -> bool:
        """Pause, until there may be room, or it is time to say that somebody is there. Returns whether there may be."""
        self._waiting = self._loop.create_future()
        try:
            # Not anew in each pause: a handler that takes a message now and then keeps the pings waiting as well.
            async with asyncio.timeout_at(self._breath):
                await self._waiting
        except TimeoutError:
            self._breath = self._loop.time() + _BREATH
            return False
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
