"""Quart applications inside a test, and their processes: each a host of its own, and the connections to it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from quart import Quart
from quart.signals import got_websocket_exception

from ..core.frames import SUBPROTOCOL
from ..host import Host
from ..live.shutdown import SignalChain
from ..wiring import next_host
from .dialer import ConnectionEnded, Refused

__all__ = ["Deployment", "Link", "Process"]

_UNWIND = 1.0  # seconds that a handler has to end by itself, once its client is gone


class Link:
    """One WebSocket of the application: the client's side of it, and the server that is between them.

    Args:
        app: the application.
        scope: of the handshake.
        ended: is told the close code, once, when the application closes it.
    """

    def __init__(self, app: Quart, scope: Any, ended: Callable[[int], None]) -> None:
        self._told = ended
        self._up: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._down: asyncio.Queue[str | bytes | int] = asyncio.Queue()
        self._answer: asyncio.Future[Refused | None] = asyncio.get_running_loop().create_future()
        self._over = False
        self._up.put_nowait({"type": "websocket.connect"})
        self.task: asyncio.Task[None] = asyncio.ensure_future(app(scope, self._up.get, self._hear))  # type: ignore[arg-type]
        self.task.add_done_callback(lambda _: self._end(1006))

    async def opened(self) -> Link:
        """Wait for the handshake.

        Raises:
            Refused: it was not accepted.
        """
        try:
            refused = await self._answer
        except asyncio.CancelledError:
            self._hang_up(1006)
            raise
        if refused is not None:
            self._hang_up(refused.code)
            raise refused
        return self

    async def send(self, data: str | bytes) -> None:
        """Send one frame."""
        if self._over:
            raise ConnectionEnded
        self._up.put_nowait({"type": "websocket.receive", "text" if isinstance(data, str) else "bytes": data})

    async def receive(self) -> str | bytes:
        """Return the next frame."""
        data = await self._down.get()
        if isinstance(data, int):
            self._hang_up(data)  # the answer to a close
            raise ConnectionEnded(data)
        return data

    async def close(self, code: int) -> None:
        """Close it from the client's side, and wait until the application has noticed."""
        self._hang_up(code)
        await self.gone()

    async def kill(self) -> None:
        """End it as a process that is killed does: nothing gets through any more, either way."""
        while not self._up.empty():
            self._up.get_nowait()
        self._hang_up(1006)
        await self.gone()

    async def gone(self) -> None:
        """Wait until the handler has ended; cancel it where it does not by itself."""
        await asyncio.wait([self.task], timeout=_UNWIND)
        self.task.cancel()
        await asyncio.wait([self.task], timeout=_UNWIND)

    def _hang_up(self, code: int) -> None:
        self._up.put_nowait({"type": "websocket.disconnect", "code": code})
        self._end(code, "")

    def _end(self, code: int, why: str = "it answered nothing") -> None:
        if not self._answer.done():
            self._answer.set_result(Refused(why))
        if not self._over:
            self._over = True
            self._down.put_nowait(code)

    async def _hear(self, event: MutableMapping[str, Any]) -> None:
        kind = event["type"]
        if self._over:
            return
        if kind == "websocket.accept":
            agreed = event.get("subprotocol") == SUBPROTOCOL
            if not self._answer.done():
                self._answer.set_result(None if agreed else Refused("the route is no view of quart_stash"))
        elif kind == "websocket.send":
            text = event.get("text")
            self._down.put_nowait(text if text is not None else event["bytes"])
        elif kind == "websocket.close":
            self._close(event["code"], f"closed with {event['code']}")
        elif kind == "websocket.http.response.start":
            self._close(1006, f"HTTP status {event['status']}")

    def _close(self, code: int, why: str) -> None:
        if self._answer.done():
            self._told(code)
        self._end(code, why)


class Process:
    """One life of an application.

    Args:
        app: the application; it may have earlier lives.
        now: the clock, in seconds since the epoch.
        failed: is told what the application raises.
    """

    def __init__(self, app: Quart, now: Callable[[], float], failed: Callable[[Exception], None]) -> None:
        self.app = app
        self.host: Host = next_host(app)
        self.host.now = now
        self._failed = failed
        self._links: set[Link] = set()

    async def open(self, scope: Any, ended: Callable[[int], None]) -> Link:
        """Open a connection.

        Raises:
            Refused: the application does not take it.
        """
        link = Link(self.app, scope, ended)
        self._links.add(link)
        link.task.add_done_callback(lambda _: self._done(link))
        return await link.opened()

    async def drain(self) -> None:
        """Leave as on SIGTERM: every view is handed over."""
        await self.host.gateway.leave("the testing kit")
        SignalChain.leave(self.host.gateway)

    async def kill(self) -> None:
        """Leave as on SIGKILL."""
        await asyncio.gather(*(link.kill() for link in self._links))
        SignalChain.leave(self.host.gateway)

    def _done(self, link: Link) -> None:
        self._links.discard(link)
        with contextlib.suppress(asyncio.CancelledError):
            error = link.task.exception()
            if isinstance(error, Exception):
                self._failed(error)


class Deployment:
    """The processes of an application, one after the other.

    Args:
        lifespans: the applications' shutdown hooks run at its end.

    Attributes:
        process: the newest one.
        offset: seconds that the servers' clock is ahead.
        errors: what handlers have raised.
    """

    def __init__(self, lifespans: contextlib.AsyncExitStack) -> None:
        self.process: Process
        self.offset: float = 0.0
        self.errors: list[Exception] = []
        self._lifespans = lifespans
        self._started: list[Quart] = []

    async def serve(self, app: Quart, *, started: bool = False) -> None:
        """Let the next process serve from here on.

        Args:
            app: a new one, or one that was served before; its start-up hooks run once.
            started: they have run.
        """
        if app not in self._started:
            self._started.append(app)
            self._lifespans.enter_context(got_websocket_exception.connected_to(self._raised, sender=app))
            if not started:
                lifespan: Any = app.test_app()
                await self._lifespans.enter_async_context(lifespan)
        self.process = Process(app, lambda: time.time() + self.offset, self._failed)

    @property
    def propagated(self) -> Exception | None:
        """What is to be raised in the test: the first error, where an application is set to show errors."""
        shown = any(app.config["PROPAGATE_EXCEPTIONS"] or app.testing or app.debug for app in self._started)
        return self.errors[0] if shown and self.errors else None

    async def replace(self, app: Quart | None, leave: Callable[[Process], Awaitable[None]]) -> None:
        """Let the next process serve, then the one before it leave."""
        old = self.process
        await self.serve(app or old.app)
        await leave(old)

    async def _raised(self, _: Quart, exception: Exception) -> None:
        self._failed(exception)

    def _failed(self, error: Exception) -> None:
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        if error not in self.errors:
            self.errors.append(error)
