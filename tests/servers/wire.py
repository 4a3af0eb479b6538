"""A network: a TCP relay that is as long as one likes, and that can be slow, swallow everything for a while, and reset connections."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import cast

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST


class Wire:
    """A relay in front of one port.

    Attributes:
        port: its own, on the loopback address.
        latency: seconds that everything takes, each way.
        disturbed: until when (of the loop's clock) it is not what it should be.
    """

    def __init__(self, target: int, latency: float) -> None:
        self.port = 0
        self.latency = latency
        self.disturbed = 0.0
        self._target = target
        self._hole = 0.0
        self._ends: set[_End] = set()

    async def slow(self, more: float, seconds: float) -> None:
        """Take so much longer, for so many seconds."""
        self._disturb(seconds)
        self.latency += more
        await asyncio.sleep(seconds)
        self.latency -= more

    async def swallow(self, seconds: float) -> None:
        """Let nothing through; what was sent comes afterwards, as TCP sends it again."""
        self._disturb(seconds)
        self._hole = asyncio.get_running_loop().time() + seconds
        await asyncio.sleep(seconds)

    def reset(self, share: float, rng: random.Random) -> int:
        """Reset a share of the connections, on both sides; returns how many."""
        callers = [end for end in self._ends if end.caller]
        chosen = rng.sample(callers, round(share * len(callers)))
        for end in chosen:
            end.reset()
        return len(chosen)

    def _disturb(self, seconds: float) -> None:
        self.disturbed = asyncio.get_running_loop().time() + seconds + 2

    def due(self, now: float) -> float:
        """Return when what comes now is to be passed on."""
        return max(now + self.latency, self._hole)

    def add(self, end: _End) -> None:
        self._ends.add(end)

    def remove(self, end: _End) -> None:
        self._ends.discard(end)

    async def connect(self, end: _End) -> None:
        """Connect a caller's end to the target."""
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: _End(self, end), "127.0.0.1", self._target)
        except OSError:
            end.reset()


class _End(asyncio.Protocol):
    """One side of a relayed connection."""

    def __init__(self, wire: Wire, other: _End | None = None) -> None:
        self.caller = other is None
        self._wire = wire
        self._other = other
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._due = 0.0
        self._early: list[bytes] = []
        self._queue: deque[tuple[Callable[[bytes], None], bytes]] = deque()
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._wire.add(self)
        if self._other is None:
            self._connecting = self._loop.create_task(self._wire.connect(self))
        else:
            self._other.join(self)

    def join(self, other: _End) -> None:
        """The target is connected."""
        self._other = other
        for data in self._early:
            self._later(other.write, data)
        self._early.clear()
        if self._transport is None or self._transport.is_closing():
            other.close()

    def data_received(self, data: bytes) -> None:
        if self._other is None:
            self._early.append(data)
        else:
            self._later(self._other.write, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._wire.remove(self)
        if self._other is not None:
            self._later(self._other.close)

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def close(self, _: bytes = b"") -> None:
        if self._transport is not None:
            self._transport.close()

    def reset(self) -> None:
        """Reset this side, and so the other."""
        if self._transport is not None and not self._transport.is_closing():
            with suppress(OSError):
                self._transport.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, _RESET
                )
            self._transport.abort()
            if self._other is not None:
                self._other.reset()

    def _later(self, act: Callable[[bytes], None], data: bytes = b"") -> None:
        """Do it when the wire lets it through, in order."""
        now = self._loop.time()
        due = max(self._due, self._wire.due(now))
        if due <= now and not self._queue:
            act(data)
            return
        self._due = due
        self._queue.append((act, data))
        # Of timers for the same moment none need be the first, so each takes what is next.
        self._loop.call_at(due, self._next)

    def _next(self) -> None:
        act, data = self._queue.popleft()
        act(data)


@asynccontextmanager
async def wire(target: int, latency: float = 0.0) -> AsyncIterator[Wire]:
    """A relay, ended at the end.

    Args:
        target: the loopback port that it leads to.
        latency: seconds that everything takes, each way.
    """
    one = Wire(target, latency)
    server = await asyncio.get_running_loop().create_server(lambda: _End(one), "127.0.0.1", 0)
    one.port = server.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        server.close()
        one.reset(1, random.Random())
