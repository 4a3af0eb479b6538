"""The ways to notice that the server is leaving, one class each.

No ASGI server tells an application so while its sockets are open: `lifespan.shutdown` comes when they are
gone. So we notice by ourselves.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import threading
from collections import Counter
from types import FrameType
from typing import Any, Protocol

from .server import ServerInfo

__all__ = ["HypercornContext", "Listener", "ShutdownTrigger", "SignalChain"]

logger: logging.Logger = logging.getLogger("quart_stash")

# Seconds that a server has to begin its own shutdown, before a default signal action is let through.
_ABSORB = 0.5
# Seconds for what was sent last: Twisted, for one, writes it only in the loop's next turns, and not once it stops.
_FLUSH = 0.05


class Listener(Protocol):
    """What wants to know that the server is leaving: one application's gateway."""

    loop: asyncio.AbstractEventLoop

    def leave(self, reason: str) -> asyncio.Task[None]:
        """Begin the drain, or return the one that runs."""

    def skip(self) -> None:
        """End the drain now."""

    def leaving(self) -> bool:
        """Whether the server itself has begun to shut down, or will without being told."""


class HypercornContext:
    """Hypercorn's worker context, an event of which is set at the very start of its shutdown; anycorn's likewise.

    A worker of the `hypercorn` command gets no signal: it polls an event of its parent.
    """

    def __init__(self) -> None:
        self.name: str = ""
        self._event: Any = None
        self._task: asyncio.Task[None] | None = None

    def look(self, server: ServerInfo, listener: Listener) -> bool:
        """Find the context of this server, once, and wait for its event. Returns whether it is found."""
        if self._event is None and (event := server.terminated()) is not None:
            self.name = f"{server.name.capitalize()}'s worker context"
            self._event = event
            self._task = asyncio.get_running_loop().create_task(self._wait(listener))
        return self._event is not None

    @property
    def terminated(self) -> bool:
        """Whether Hypercorn has begun to shut down."""
        return self._event is not None and bool(self._event.is_set())

    async def _wait(self, listener: Listener) -> None:
        await self._event.wait()
        await asyncio.shield(listener.leave(self.name))

    def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()


class ShutdownTrigger:
    """An awaitable for servers that take one, such as `hypercorn.asyncio.serve(…, shutdown_trigger=…)`.

    It returns as soon as a signal is noticed: the server then closes its listener, so that
    reconnecting clients reach another process.
    """

    name = "shutdown_trigger"

    def __init__(self) -> None:
        self.used: bool = False
        # One for each server: a stash may serve several applications.
        self._waiting: set[asyncio.Event] = set()

    async def __call__(self) -> None:
        """Wait until the server should shut down."""
        self.used = True
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            await event.wait()
        finally:
            self._waiting.discard(event)

    def fire(self) -> None:
        """Let the server shut down."""
        for event in self._waiting:
            event.set()


class SignalChain:
    """A handler for SIGTERM and SIGINT that keeps the earlier one, and calls it after the drain.

    There is one per process, as there is one handler per signal, and it may serve several applications.
    - The loop's own handler (`loop.add_signal_handler`) runs besides, through the wake-up descriptor: here we
      only notice.
    - A plain function, such as Uvicorn's, is called when every drain has ended: the server begins to shut
      down then.
    - The default action of a Hypercorn worker is absorbed while the worker leaves by itself; else it is let
      through.
    - A worker that ignores SIGINT, since its parent acts on it, takes note all the same: Ctrl-C goes to both,
      and the second one means now.
    """

    name = "a chained SIGTERM handler"
    _shared: SignalChain | None = None

    def __init__(self) -> None:
        self._previous: dict[int, Any] = {}
        self._listeners: list[Listener] = []
        self._seen: Counter[int] = Counter()

    @classmethod
    def listen(cls, listener: Listener) -> bool:
        """Add a listener, and install the handler if need be. Returns whether signals can be noticed."""
        if threading.current_thread() is not threading.main_thread():
            return False
        chain = cls._shared = cls._shared or cls()
        for signum in (signal.SIGTERM, signal.SIGINT):
            current = signal.getsignal(signum)
            ignored = current is signal.SIG_IGN and multiprocessing.parent_process() is None
            if ignored or current is None or current == chain._handle:
                continue
            chain._previous[signum] = current
            signal.signal(signum, chain._handle)
        # Those of closed loops never come back: tests make many applications in one process.
        chain._listeners = [other for other in chain._listeners if not other.loop.is_closed()]
        if listener not in chain._listeners:
            chain._listeners.append(listener)
        return signal.getsignal(signal.SIGTERM) == chain._handle

    @classmethod
    def leave(cls, listener: Listener) -> None:
        """Remove a listener. With the last go the handlers, save those without which a worker is killed."""
        chain = cls._shared
        if chain is None or listener not in chain._listeners:
            return
        chain._listeners.remove(listener)
        if chain._listeners or threading.current_thread() is not threading.main_thread():
            return
        for signum, previous in list(chain._previous.items()):
            if signal.getsignal(signum) == chain._handle and not (
                previous is signal.SIG_DFL and listener.leaving()
            ):
                signal.signal(signum, previous)
                del chain._previous[signum]
        chain._seen.clear()

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        self._seen[signum] += 1
        listeners = [listener for listener in self._listeners if not listener.loop.is_closed()]
        if not listeners:
            previous = self._previous.get(signum)
            if callable(previous):
                previous(signum, frame)
            elif self._listeners and previous is not signal.SIG_IGN:
                # Their loops are closed, and none of them has left in order.
                self._default(signum)
            return
        listeners[0].loop.call_soon_threadsafe(self._noticed, signum, listeners)

    def _noticed(self, signum: int, listeners: list[Listener]) -> None:
        again = self._seen[signum] > 1
        drains = [listener.leave(signal.Signals(signum).name) for listener in listeners]
        if again and signum == signal.SIGINT:
            for listener in listeners:
                listener.skip()
        loop = listeners[0].loop
        task = loop.create_task(self._pass_on_after(drains, signum, listeners))
        drains[0].add_done_callback(lambda _: task)  # keeps it from being collected

    async def _pass_on_after(
        self, drains: list[asyncio.Task[None]], signum: int, listeners: list[Listener]
    ) -> None:
        await asyncio.wait(drains)
        previous = self._previous.get(signum)
        if previous is signal.SIG_IGN:
            return
        if callable(previous):
            if not _of_a_loop(previous):
                await asyncio.sleep(_FLUSH)
                previous(signum, None)
            return
        end = asyncio.get_running_loop().time() + _ABSORB
        while not any(listener.leaving() for listener in listeners):
            if asyncio.get_running_loop().time() >= end:
                self._default(signum)
                return
            await asyncio.sleep(0.02)

    @staticmethod
    def _default(signum: int) -> None:
        """Do what the signal does by default."""
        signal.signal(signum, signal.SIG_DFL)
        os.kill(os.getpid(), signum)


def _of_a_loop(handler: Any) -> bool:
    """Whether an event loop installed this handler; it runs its callbacks by itself."""
    owner = getattr(handler, "__self__", None)
    module = getattr(handler, "__module__", None) or type(owner).__module__
    return isinstance(owner, asyncio.AbstractEventLoop) or module.startswith("asyncio.unix_events")
