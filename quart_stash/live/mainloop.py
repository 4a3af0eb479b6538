"""What is to be known of single servers: their main loops, and a handshake that Uvicorn takes for open.

Uvicorn and gunicorn's ASGI worker also leave without a signal: somebody sets `server.should_exit`, a worker has
served its `--max-requests`, gunicorn's master sends SIGQUIT. A server in a thread gets no signals at all. Their
main loops look, again and again, whether to leave, and that can be noticed in time.

This module reads a server's internals, as server.py does: defensively, and with tests on the real servers that
fail when a release changes them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Protocol

from .server import waiting_in
from .shutdown import Listener

__all__ = ["GunicornLoop", "MainLoop", "UvicornLoop", "find_main_loop", "let_go"]

logger: logging.Logger = logging.getLogger("quart_stash")

_LOOK = 0.25  # seconds; gunicorn's worker itself looks every second


class MainLoop(Protocol):
    """A server's main loop.

    Attributes:
        name: for the log.
        limit: seconds after which the server cuts its connections, and the setting that says so, if known.
        pong_limit: seconds in which the server wants its pings to be answered, if known.
    """

    name: str
    limit: tuple[float, str] | None
    pong_limit: float | None

    def watch(self, listener: Listener) -> None:
        """Let it be told when the server leaves."""

    def stop(self, listener: Listener) -> None:
        """Tell it no more."""


class UvicornLoop:
    """Uvicorn asks `on_tick`, ten times a second, whether to leave. It is answered yes when the drain is over.

    The loop goes on until then, and with it the heartbeat of gunicorn's worker, where that runs it.
    """

    name = "Uvicorn's main loop"

    def __init__(self, server: Any) -> None:
        self._server = server
        self.limit: tuple[float, str] | None = None
        config = getattr(server, "config", None)
        interval, timeout = (
            getattr(config, "ws_ping_interval", None),
            getattr(config, "ws_ping_timeout", None),
        )
        self.pong_limit: float | None = timeout if interval and timeout else None

    def watch(self, listener: Listener) -> None:
        """Let it be told when the server leaves."""
        if not isinstance(self._server.on_tick, _Tick):
            self._server.on_tick = _Tick(self._server)
        self._server.on_tick.listeners.append(listener)

    def stop(self, listener: Listener) -> None:
        """Tell it no more."""
        tick = self._server.on_tick
        if isinstance(tick, _Tick) and listener in tick.listeners:
            tick.listeners.remove(listener)


class _Tick:
    """Stands in for the `on_tick` of one Uvicorn server."""

    def __init__(self, server: Any) -> None:
        self.listeners: list[Listener] = []
        self._server = server
        self._tick: Callable[..., Awaitable[bool]] = server.on_tick

    async def __call__(self, *args: Any) -> bool:
        server = self._server
        reason = "Uvicorn's should_exit" if server.should_exit else "Uvicorn's limit_max_requests"
        leaving = await self._tick(*args)
        if not leaving and not self._worker_goes_on():
            leaving, reason = True, "gunicorn's worker"
        if not leaving:
            return False
        server.should_exit = True  # which it comes to; and it is asked again without saying why each time
        drains = [listener.leave(reason) for listener in self.listeners]
        return all(drain.done() for drain in drains) or bool(server.force_exit)

    def _worker_goes_on(self) -> bool:
        """Whether gunicorn's worker does, where this is one: SIGQUIT is told to it, and to nobody else."""
        worker = getattr(getattr(self._server.config, "callback_notify", None), "__self__", None)
        return bool(getattr(worker, "alive", True))


class GunicornLoop:
    """gunicorn's own ASGI worker looks at `alive` every second, and then waits for its connections."""

    name = "gunicorn's worker"
    pong_limit: float | None = None

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        self._timers: dict[Listener, asyncio.TimerHandle] = {}
        graceful = getattr(getattr(worker, "cfg", None), "graceful_timeout", None)
        self.limit: tuple[float, str] | None = (
            (float(graceful), "gunicorn's graceful_timeout") if graceful is not None else None
        )

    def watch(self, listener: Listener) -> None:
        """Let it be told when the server leaves."""
        if self._worker.alive:
            self._timers[listener] = asyncio.get_running_loop().call_later(_LOOK, self.watch, listener)
        else:
            listener.leave(self.name)

    def stop(self, listener: Listener) -> None:
        """Tell it no more."""
        if (timer := self._timers.pop(listener, None)) is not None:
            timer.cancel()


def find_main_loop(send: Any) -> MainLoop | None:
    """Return the main loop of the server that runs in this event loop, if it is one of those that are known.

    A server hands no reference of itself to an application. But its main loop is a method that waits, in some task
    of this event loop, and what waits is what it is a method of.

    Args:
        send: of the lifespan scope, which tells several servers in one event loop apart; or of any other.
    """
    with contextlib.suppress(Exception):
        lifespan = getattr(send, "__self__", None)
        found = list(_servers())
        own = [
            server
            for server in found
            if lifespan is not None and getattr(server, "lifespan", None) is lifespan
        ]
        for server in own or (found if len(found) == 1 else []):
            return _known(server)
    return None


def _known(server: Any) -> MainLoop | None:
    if all(hasattr(server, name) for name in ("on_tick", "should_exit", "force_exit", "config")):
        return UvicornLoop(server)
    if all(hasattr(server, name) for name in ("alive", "cfg", "nr_conns")):
        return GunicornLoop(server)
    return None


def _servers() -> Iterator[Any]:
    """Find what waits in a method of its own, in this event loop, and comes from one of the servers' packages."""
    seen: list[Any] = []
    for frame in waiting_in():
        owner = frame.f_locals.get("self")
        roots = {kind.__module__.partition(".")[0] for kind in type(owner).__mro__}
        if roots & {"uvicorn", "gunicorn"} and owner not in seen and _known(owner) is not None:
            seen.append(owner)
            yield owner


async def let_go(receive: Callable[[], Awaitable[Any]], send: Any, *, within: float) -> None:
    """Wait until the server has closed a handshake that was refused, where it takes it for open before.

    Uvicorn's `websockets-sansio` logs an ERROR if the application returns while it does, which is until the
    connection is gone: https://github.com/Kludex/uvicorn/pull/3138.

    Args:
        receive: of the connection; nobody else may be receiving.
        send: of the connection.
        within: seconds, for a peer that does not take the answer.
    """
    protocol = getattr(send, "__self__", None)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within):
            while getattr(protocol, "handshake_complete", True) is False:
                await receive()
