"""Opens connections and minds them, each under a number; one attempt at a time. The twin of `js/src/dialer.js`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from ..core.backoff import Backoff

__all__ = ["Connection", "ConnectionEnded", "Dial", "Dialer", "Refused"]

logger: logging.Logger = logging.getLogger("quart_stash.testing")

_CONNECT = 4.0  # seconds that a connection may take to open
_DOUBLINGS = 3  # of that, one after each attempt that hung
_LEAST = 0.5  # seconds that an attempt may always take
_SELDOM = 60.0  # seconds within which an address is tried again that refuses
_REFUSALS = 3  # attempts in a row that a server has to refuse
_NO_VIEW = 4404  # the close code of a server that has no view here
_LINGER = 2.0  # seconds that a server has to close a connection that it handed over, or to answer a close


class ConnectionEnded(Exception):
    """A connection is over.

    Attributes:
        code: the close code; 1006 without one.
    """

    def __init__(self, code: int = 1006) -> None:
        super().__init__(f"the connection ended with {code}")
        self.code = code


class Refused(ConnectionEnded):
    """The server is up, and did not take the handshake.

    Attributes:
        why: its HTTP status, or what else it did.
    """

    def __init__(self, why: str) -> None:
        super().__init__()
        self.why = why


class Connection(Protocol):
    """One open WebSocket, with the subprotocol agreed on."""

    async def send(self, data: str | bytes, /) -> None:
        """Send one frame.

        Raises:
            ConnectionEnded: it is over.
        """

    async def receive(self) -> str | bytes:
        """Return the next frame.

        Raises:
            ConnectionEnded: it is over.
        """

    async def close(self, code: int, /) -> None:
        """Close it; returns when it is over, or has had the time to be."""


Dial = Callable[[], Awaitable[Connection]]


class _Wire:
    """One connection, and what waits to be sent on it; a number: close with this code."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[str | bytes | int] = asyncio.Queue()
        self.task: asyncio.Task[None] | None = None


class Dialer:
    """The connections of one tab.

    Args:
        dial: opens a connection; raises `ConnectionEnded` or `OSError` where that fails, and `Refused` where the server
            would not have it.
        backoff: says when to try again.
        opened: is told the number of a connection that is open.
        heard: is given what came on a connection.
        ended: is told a connection's number and close code; not of one that was closed from here.
        served: whether an old connection still serves the page: then an attempt that hangs is better off tried again.
        refused: is told that the server refuses to connect; once, until it does.

    Attributes:
        refused: whether it does.
    """

    def __init__(
        self,
        dial: Dial,
        backoff: Backoff,
        *,
        opened: Callable[[int], None],
        heard: Callable[[int, str | bytes], None],
        ended: Callable[[int, int], None],
        served: Callable[[], bool],
        refused: Callable[[], None] = lambda: None,
    ) -> None:
        self._dial = dial
        self._backoff = backoff
        self._opened = opened
        self._heard = heard
        self._ended = ended
        self._served = served
        self._tell_refused = refused
        self.refused: bool = False
        self._loop = asyncio.get_running_loop()
        self._wires: dict[int, _Wire] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._attempt: int | None = None
        self._count = 0
        self._stopped = True
        self._hung = False
        self._brisk = _CONNECT
        self._slow = 0
        self._refusals = 0
        self._waited = 0.0  # seconds that were waited between them
        # Seconds within which a leaving server asked to come: until then it may refuse because of the crowd.
        self._crowd = 0.0

    def start(self) -> None:
        """Make connections again, the first one at once."""
        self._stopped = False
        self._connect()

    @property
    def dialing(self) -> bool:
        """Whether a connection is being opened, or soon will be: an attempt that hung says nothing of the next."""
        return self._attempt is not None or self._hung

    def dial(self, wait: int | None) -> None:
        """See that a connection opens. Does nothing if one is on its way.

        Args:
            wait: `None`: at once; else after a failure, with full jitter after so many milliseconds.
        """
        if self._stopped or self._attempt is not None:
            return
        if wait is None:
            self._connect()
        elif self._timer is None:
            self._crowd = wait / 1000
            # Who hangs was not refused: the server's delay is not meant.
            delay = 0 if self._hung else wait
            if self.refused:
                delay = int(1000 * min(_LINGER * 2**self._refusals, _SELDOM))
            seconds = self._backoff.next(delay) / 1000
            self._waited += seconds
            self._timer = self._loop.call_later(seconds, self._connect)

    def send(self, conn: int, data: str | bytes) -> None:
        """Send a frame on a connection; into the void, if it is over."""
        if (wire := self._wires.get(conn)) is not None:
            wire.queue.put_nowait(data)

    def close(self, conn: int, code: int) -> None:
        """Close a connection once what was to be sent on it is sent, and hear no more of it."""
        if (wire := self._wires.pop(conn, None)) is None:
            return
        wire.queue.put_nowait(code)
        if self._attempt == conn and wire.task is not None:
            self._attempt = None
            wire.task.cancel()

    def retire(self, conn: int) -> None:
        """Leave it to the server to close a connection, for a while, and hear no more of it."""
        if (wire := self._wires.pop(conn, None)) is not None:
            self._loop.call_later(_LINGER, wire.queue.put_nowait, 1000)

    def stop(self) -> None:
        """Start no more attempts, and close what is open."""
        self._stopped = True
        self._cancel()
        for conn in list(self._wires):
            self.close(conn, 1001)

    async def leave(self) -> None:
        """Stop, and return when everything has ended, or has had the time to."""
        self.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_LINGER)
        for task in self._tasks:
            task.cancel()

    def _connect(self) -> None:
        self._cancel()
        if self._stopped or self._attempt is not None:
            return
        self._hung = False
        self._count += 1
        self._attempt = self._count
        wire = self._wires[self._count] = _Wire()
        wire.task = self._spawn(self._serve(self._count, wire))

    async def _open(self) -> Connection:
        began, slow = self._loop.time(), True

        def hurry() -> None:
            nonlocal slow
            if self._served() and not limit.expired():
                slow = False
                limit.reschedule(self._loop.time())

        try:
            async with asyncio.timeout(_CONNECT * 2 ** min(self._slow, _DOUBLINGS)) as limit:
                early = self._loop.call_later(self._brisk, hurry)
                try:
                    connection = await self._dial()
                finally:
                    early.cancel()
        except TimeoutError:
            self._hung = True
            self._slow += slow
            raise
        # Four times what this one took is enough for the next, where that is in a hurry.
        self._brisk = min(max(4 * (self._loop.time() - began), _LEAST), _CONNECT)
        self._slow = 0
        return connection

    async def _serve(self, conn: int, wire: _Wire) -> None:
        code, refused = 1006, False
        try:
            connection = await self._open()
            self._attempt = None
            writer = self._spawn(_write(connection, wire.queue))
            try:
                if conn in self._wires:
                    self._opened(conn)
                while True:
                    data = await connection.receive()
                    if conn in self._wires:
                        self._refusals, self._waited, self.refused = 0, 0.0, False
                        self._heard(conn, data)
            finally:
                writer.cancel()
        except ConnectionEnded as ended:
            code = ended.code
            refused = isinstance(ended, Refused) or code == _NO_VIEW
        except OSError:
            pass
        except Exception:  # of `dial`, or of the page: it is told, and the next attempt is made all the same
            logger.exception("a connection has failed in an unexpected way")
        if self._attempt == conn or refused:
            self._count_refusal(refused)
        if self._attempt == conn:
            self._attempt = None
        if self._wires.pop(conn, None) is not None:
            self._ended(conn, code)

    def _count_refusal(self, refused: bool) -> None:
        """Count the attempts that a server has refused in a row; one that fails otherwise says nothing of the next."""
        if refused:
            self._refusals += 1
        elif not self.refused:
            self._refusals, self._waited = 0, 0.0
        if self._refusals >= _REFUSALS and self._waited >= self._crowd and not self.refused:
            self.refused = True
            self._tell_refused()

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


async def _write(connection: Connection, queue: asyncio.Queue[str | bytes | int]) -> None:
    try:
        while not isinstance(data := await queue.get(), int):
            await connection.send(data)
        await connection.close(data)
    except (ConnectionEnded, OSError):
        pass  # the reader hears of it too
