"""Carries out a drain plan against the live sockets and the clock, once."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from itertools import islice

from ..core.drain import plan_drain
from ..core.events import Outcome
from .registry import Registry
from .socket import CLOSE_GRACE, Socket
from .transport import cut

__all__ = ["Drainer"]

logger: logging.Logger = logging.getLogger("quart_stash")

_UNWIND = 0.25  # seconds that a cancelled handler has, once all the time is up

Notify = Callable[..., None]


class Drainer:
    """The drain of one application. It happens once: asking again waits for the same one.

    Attributes:
        draining: whether it has begun. It stays so: the process is on its way out.
        outcomes: how the views ended.
    """

    def __init__(self, registry: Registry, *, rate: float, notify: Notify) -> None:
        self.draining: bool = False
        self.outcomes: Counter[str] = Counter()
        self._registry = registry
        self._rate = rate
        self._notify = notify
        self._task: asyncio.Task[None] | None = None
        self._skip = False
        self._tasks: set[asyncio.Task[None]] = set()

    def count(self, outcome: Outcome) -> None:
        """One view has ended."""
        self.outcomes[outcome] += 1

    def start(self, timeout: float, reason: str) -> asyncio.Task[None]:
        """Begin the drain, or return the one that runs.

        Args:
            timeout: seconds for the whole of it.
            reason: who noticed that the server is leaving, for the log.
        """
        if self._task is None:
            self.draining = True
            self._task = asyncio.get_running_loop().create_task(self._run(timeout, reason))
        return self._task

    def skip(self) -> None:
        """End the drain now: everything that is left is closed."""
        self._skip = True

    async def _run(self, timeout: float, reason: str) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        views, sockets = self._registry.views(), list(self._registry)
        unmounted = [socket for socket in self._registry if socket.feed is not None and not socket.feed.live]
        plan = plan_drain(len(views), timeout=timeout, rate=self._rate)
        logger.info("draining: %d views, %.1f s at most (%s)", len(views), timeout, reason)
        self._notify("drain_started", views=len(views), timeout=timeout)
        end = start + plan.deadline
        waiting = iter(views)
        drain = secrets.token_hex(4)
        for socket in unmounted:  # one whose mount is just being answered is a view when it is told
            self._tell(socket, drain, plan.deadline, plan.delay)
        await asyncio.sleep(0)  # they are told by now, so the one that is a view is waited for
        for offset, size in plan.batches:
            await self._until(start + offset)
            for socket in islice(waiting, size):
                self._tell(socket, drain, end - loop.time(), plan.delay)
        await self._wait_for_views(len(views), end)
        late = list(self._registry)
        grace = max(0.0, min(CLOSE_GRACE, (start + timeout - loop.time()) / 2))
        await self._all((_end(socket, grace) for socket in late), grace)
        await self._leave(list(dict.fromkeys(sockets + late)), start + timeout)
        if (untold := len(views) - self.outcomes.total()) > 0:
            self.outcomes["gone"] += untold  # they ended before it was their turn
        logger.info("drained: %s, in %.1f s", self._summary(len(views)), loop.time() - start)
        self._notify("drain_finished", outcomes=dict(self.outcomes), seconds=loop.time() - start)

    async def _wait_for_views(self, total: int, end: float) -> None:
        """Wait until every view is handed back, or the time is up; say every second how far it is."""
        loop = asyncio.get_running_loop()
        said = loop.time()
        while not self._skip and self._registry.views():
            left = end - loop.time()
            if left <= 0:
                return
            await self._registry.change(min(left, 0.1))
            if loop.time() - said >= 1:
                said = loop.time()
                logger.info("draining: %s, %.1f s left", self._summary(total), max(0.0, end - said))

    async def _leave(self, sockets: list[Socket], end: float) -> None:
        """Wait until the applications have returned and all is sent; then end what would hold the process."""
        loop = asyncio.get_running_loop()
        while not self._skip and loop.time() < end:
            if not len(self._registry) and not any(socket.queued for socket in sockets):
                return
            await self._registry.change(min(0.05, max(0.0, end - loop.time())))
        for socket in sockets:
            if socket.queued or socket.stuck:
                cut(socket)
        for socket in self._registry:
            socket.end()
        unwound = loop.time() + _UNWIND
        while len(self._registry) and loop.time() < unwound:
            await self._registry.change(unwound - loop.time())
        for socket in self._registry:
            if socket.feed is not None and socket.feed.force():
                socket.forced = True
                logger.error(
                    "the handler of %r ignores its cancellation and was ended", socket.scope.get("path")
                )

    def _summary(self, total: int) -> str:
        counts = self.outcomes
        total = max(total, counts.total())  # with those that were mounted as it began
        others = "".join(f", {counts[name]} {name}" for name in ("finished", "gone") if counts[name])
        return f"{counts['synced']} of {total} synced, {counts['timed-out']} timed out{others}"

    async def _until(self, when: float) -> None:
        delay = when - asyncio.get_running_loop().time()
        if delay > 0 and not self._skip:
            await asyncio.sleep(delay)

    def _tell(self, socket: Socket, drain: str, left: float, delay: float) -> None:
        """Begin one view's handshake, in its own task: a peer that does not read must not hold up others."""
        if socket.feed is None:
            return
        work = socket.feed.drain(drain, max(0, round(left * 1000)), round(delay * 1000))
        task = asyncio.ensure_future(_guard(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _all(self, works: Iterable[Awaitable[None]], grace: float) -> None:
        tasks = [asyncio.ensure_future(_guard(work)) for work in works]
        if tasks:
            await asyncio.wait(tasks, timeout=grace + 0.1)


async def _end(socket: Socket, grace: float) -> None:
    """Close what is left of one socket, a view or not. Its peer has `grace` seconds to take the close frame."""
    socket.grace = grace
    if socket.feed is not None and socket.feed.live:
        await socket.feed.expire()
    await socket.close(1012, "service restart")


async def _guard(work: Awaitable[None]) -> None:
    try:
        await work
    except Exception:
        logger.exception("a view could not be drained")
