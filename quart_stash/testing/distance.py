"""A connection to a peer that is far away: what is sent either way arrives later, in order."""

from __future__ import annotations

import asyncio

from .dialer import Connection, ConnectionEnded, Dial

__all__ = ["Distant", "distant"]

_HANDSHAKE = 4  # ways: one there and back for TCP, and one for the WebSocket


def distant(dial: Dial, latency: float) -> Dial:
    """Return what dials somebody who is so many seconds away, each way. At no distance that is `dial` itself."""
    if not latency:
        return dial

    async def dial_far() -> Connection:
        await asyncio.sleep(_HANDSHAKE * latency)
        return Distant(await dial(), latency)

    return dial_far


class _Way:
    """One direction: things in order, each with the time at which it arrives. What is sent at once arrives at once."""

    def __init__(self, latency: float) -> None:
        self._latency = latency
        self._due: float | None = None  # of what is sent in this turn of the loop
        self._queue: asyncio.Queue[tuple[float, str | bytes | int]] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()

    def put(self, data: str | bytes | int) -> None:
        if self._due is None:
            self._due = self._loop.time() + self._latency
            self._loop.call_soon(self._turn)
        self._queue.put_nowait((self._due, data))

    async def get(self) -> str | bytes | int:
        due, data = await self._queue.get()
        if (left := due - self._loop.time()) > 0:
            await asyncio.sleep(left)
        return data

    def _turn(self) -> None:
        self._due = None


class Distant:
    """A connection, seen from far away. A number in its queues is a close code.

    Args:
        connection: the one nearby.
        latency: seconds that everything takes, each way.
    """

    def __init__(self, connection: Connection, latency: float) -> None:
        self._connection = connection
        self._up, self._down = _Way(latency), _Way(latency)
        self._free = asyncio.Event()  # while the other end takes what arrives there
        self._free.set()
        self._reading = asyncio.create_task(self._read())
        self._writing = asyncio.create_task(self._write())

    async def send(self, data: str | bytes) -> None:
        """Send one frame. It is on its way when this returns; a peer that does not read holds it up."""
        await self._free.wait()
        self._up.put(data)

    async def receive(self) -> str | bytes:
        """Return the next frame that has arrived.

        Raises:
            ConnectionEnded: it is over.
        """
        data = await self._down.get()
        if isinstance(data, int):
            raise ConnectionEnded(data)
        return data

    async def close(self, code: int) -> None:
        """Close it, after what was sent; returns when it is over, or has had the time to be."""
        self._up.put(code)
        try:
            await asyncio.wait([self._writing])
        finally:
            self._writing.cancel()
            self._reading.cancel()

    async def _read(self) -> None:
        code = 1006
        try:
            while True:
                self._down.put(await self._connection.receive())
        except ConnectionEnded as ended:
            code = ended.code
        except OSError:
            pass
        self._writing.cancel()
        self._down.put(code)

    async def _write(self) -> None:
        try:
            while not isinstance(data := await self._up.get(), int):
                self._free.clear()
                await self._connection.send(data)
                self._free.set()
            await self._connection.close(data)
        except (ConnectionEnded, OSError):
            pass  # the reader hears of it too
        finally:
            self._free.set()
