"""Carries out a drain plan against the live sockets and the clock, once."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable
from itertools import islice
from math import ceil

from ..core.drain import DrainPlan, plan_drain
from ..core.events import Outcome
from .registry import Registry
from .socket import CLOSE_GRACE, Socket
from .transport import cut

__all__ = ["Drainer"]

logger: logging.Logger = logging.getLogger("quart_stash")

_HICCUP = 0.02  # seconds that a batch may be late: no reason to be later with all that follow
_UNWIND = 0.25  # seconds that a cancelled handler has, once all the time is up

Notify = Callable[..., None]
_Batch = tuple[float, list[Socket]]  # when the time of these is up


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
        self._id = secrets.token_hex(4)
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
        if timeout < plan.enough:
            logger.warning(
                "%d views within %.1f s come back faster than STASH_RECONNECT_RATE (%g a second); "
                "with a STASH_SHUTDOWN_TIMEOUT of %.0f s they would not",
                len(views), plan.deadline - plan.answer, self._rate, ceil(plan.enough),
            )  # fmt: skip
        self._notify("drain_started", views=len(views), timeout=timeout)
        for socket in unmounted:  # one whose mount is just being answered is a view when it is told
            self._tell(socket, plan.deadline, plan.delay)
        await asyncio.sleep(0)  # they are told by now, so the one that is a view is waited for
        told = await self._tell_all(views, plan, start)
        await self._wait_for_views(len(views), told)
        late = list(self._registry)
        grace = max(0.0, min(CLOSE_GRACE, (start + timeout - loop.time()) / 2))
        await self._all((_end(socket, grace) for socket in late), grace)
        await self._leave(list(dict.fromkeys(sockets + late)), start + timeout)
        if (untold := len(views) - self.outcomes.total()) > 0:
            self.outcomes["gone"] += untold  # they ended before it was their turn
        logger.info("drained: %s, in %.1f s", self._summary(len(views)), loop.time() - start)
        self._notify("drain_finished", outcomes=dict(self.outcomes), seconds=loop.time() - start)

    async def _tell_all(self, views: list[Socket], plan: DrainPlan, start: float) -> deque[_Batch]:
        """Tell the views, batch by batch. Returns the batches, each with the time when its time is up.

        Where the process was held up (by a garbage collection, say) what was missed is not made up for at once, as
        long as everyone keeps half the deadline.
        """
        loop = asyncio.get_running_loop()
        waiting = iter(views)
        told: deque[_Batch] = deque()
        behind, most = 0.0, plan.answer - plan.deadline / 2
        for offset, size in plan.batches:
            await self._until(start + offset + behind)
            late = loop.time() - (start + offset)
            if late - behind > _HICCUP:
                behind = min(late, most)
            batch = list(islice(waiting, size))
            end = min(start + offset + behind + plan.answer, start + plan.deadline)
            for socket in batch:
                self._tell(socket, end - loop.time(), plan.delay)
            told.append((end, batch))
        return told

    async def _wait_for_views(self, total: int, told: deque[_Batch]) -> None:
        """Wait until every view is handed back, or its time is up; say every second how far it is."""
        loop = asyncio.get_running_loop()
        end, _ = told[-1]
        said = loop.time()
        while not self._skip and self._registry.views():
            while told and told[0][0] <= loop.time():
                for socket in told.popleft()[1]:
                    if socket.feed is not None and socket.feed.live:
                        self._work(_end(socket, CLOSE_GRACE))
            if not told:
                return
            await self._registry.change(min(told[0][0] - loop.time(), 0.1))
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

    def _tell(self, socket: Socket, left: float, delay: float) -> None:
        """Begin one view's handshake."""
        if socket.feed is not None:
            self._work(socket.feed.drain(self._id, max(0, round(left * 1000)), round(delay * 1000)))

    def _work(self, work: Awaitable[None]) -> None:
        """Do it in a task of its own: a peer that does not read must not hold up others."""
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
