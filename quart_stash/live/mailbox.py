"""What others send to a view: queued, bounded, and sent in order beside the handler."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import deque
from collections.abc import Coroutine
from typing import Any

from ..config import StashConfig
from .socket import Socket

__all__ = ["PATIENCE", "Mailbox"]

logger: logging.Logger = logging.getLogger("quart_stash")

PATIENCE = 1.0
"""Seconds that somebody else waits for a peer that does not read."""


class Mailbox:
    """What others send to one view.

    A sender does not wait for the peer, unless the queue is full: then it waits until the peer has read all of it, for
    `PATIENCE` seconds at most. After that nothing is queued until the peer has read all, so nobody waits twice.
    """

    def __init__(self, socket: Socket, config: StashConfig) -> None:
        self._socket = socket
        self._most = config.max_queue
        self._most_bytes = config.max_message_size
        self._waiting: deque[str | bytes] = deque()
        self._bytes = 0
        self._sending: asyncio.Task[None] | None = None
        self._emptied: asyncio.Event | None = None
        self._stuck = False
        self._closed = False

    async def put(self, frame: str | bytes) -> bool:
        """Send a frame. Returns whether it is on its way: not if the peer does not read, or the view is leaving."""
        if self._full and (self._stuck or not await self._room()):
            return False
        if self._closed or self._socket.closed:
            return False
        self._waiting.append(frame)
        self._bytes += len(frame)
        if self._sending is None:
            self._sending = _eagerly(self._deliver())
            if self._sending.done():
                self._sending = None
        return True

    def close(self, *, now: bool = False) -> None:
        """Send nothing more: the view is handed over. With `now`, give up what is being sent: it has ended."""
        self._closed = True
        self._empty()
        if now and self._sending is not None:
            self._sending.cancel()

    @property
    def _full(self) -> bool:
        return len(self._waiting) >= self._most or self._bytes >= self._most_bytes

    async def _room(self) -> bool:
        """Wait until the peer has read all. Returns whether it has."""
        try:
            async with asyncio.timeout(PATIENCE):
                while self._full:
                    self._emptied = self._emptied or asyncio.Event()
                    await self._emptied.wait()
        except TimeoutError:
            self._stuck = self._full
        return not self._full

    async def _deliver(self) -> None:
        try:
            while self._waiting:
                frame = self._waiting[0]  # it counts until it is sent
                await self._socket.send_frame(frame)
                if self._waiting:  # else it was closed meanwhile
                    self._waiting.popleft()
                    self._bytes -= len(frame)
            self._empty()
        except Exception as error:  # the socket says that it is over, and its handler hears of it there
            logger.debug("what others sent to a view was not sent: %r", error)
            self.close()
        finally:
            self._sending = None

    def _empty(self) -> None:
        self._waiting.clear()
        self._bytes = 0
        self._stuck = False
        if self._emptied is not None:
            self._emptied.set()
            self._emptied = None


def _eagerly(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Begin a task at once, where Python can: most frames are sent without any waiting."""
    if sys.version_info >= (3, 12):
        return asyncio.Task(work, loop=asyncio.get_running_loop(), eager_start=True)
    return asyncio.get_running_loop().create_task(work)
