"""The drain of one application, once, as the server leaves; and hand-overs of a share of its views before that."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from math import ceil

from ..shown import shown
from . import handover
from .handover import Handover
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
    """

    def __init__(self, registry: Registry, *, rate: float, notify: Notify) -> None:
        self.draining: bool = False
        self._registry = registry
        self._rate = rate
        self._notify = notify
        self._task: asyncio.Task[None] | None = None
        self._skip = False
        self._running: list[Handover] = []
        self._handovers: set[asyncio.Task[Counter[str]]] = set()  # of `hand_over`: kept until they are done

    def start(self, timeout: float, reason: str) -> asyncio.Task[None]:
        """Begin the drain, or return the one that runs.

        Args:
            timeout: seconds for the whole of it.
            reason: who noticed that the server is leaving, for the log.
        """
        if self._task is None:
            self.draining = True
            self._task = asyncio.get_running_loop().create_task(self._guarded(timeout, reason))
        return self._task

    def skip(self) -> None:
        """End the drain now: everything that is left is closed."""
        self._skip = True
        for running in self._running:
            running.skip()

    def staying(self, views: Sequence[Socket]) -> list[Socket]:
        """Return those of the views that nobody is handing over, or about to."""
        leaving = {socket for running in self._running for socket in running.views}
        return [socket for socket in views if socket not in leaving]

    def hand_over(
        self, views: Sequence[Socket], *, timeout: float, label: str = ""
    ) -> asyncio.Task[Counter[str]]:
        """Begin to hand these views over, while the others are served. The task returns how they ended.

        Args:
            views: their sockets.
            timeout: seconds for the whole of it.
            label: what the log calls it; nothing: it is not logged.
        """
        one = Handover(self._registry, views, timeout=timeout, rate=self._rate, label=label)
        self._running.append(one)
        task = asyncio.get_running_loop().create_task(self._carry_out(one))
        self._handovers.add(task)
        task.add_done_callback(self._handovers.discard)
        return task

    async def _carry_out(self, one: Handover) -> Counter[str]:
        try:
            await one.offer()
            if self._task is not None:  # the drain takes them along, and they have its time
                await asyncio.wait([self._task])
            else:
                await one.parted()
        finally:
            self._running.remove(one)
        return one.outcomes()

    async def _guarded(self, timeout: float, reason: str) -> None:
        """Drain. Whoever waits for it has something to do afterwards, whatever goes wrong."""
        try:
            await self._run(timeout, reason)
        except Exception:
            logger.exception("the drain failed")

    async def _run(self, timeout: float, reason: str) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        for running in self._running:
            running.skip()
        views, sockets = self._registry.views(), list(self._registry)
        mounting = [
            socket
            for socket in sockets
            if socket.feed is not None and not socket.feed.live and socket.feed.outcome is None
        ]
        logger.info("draining: %d views, %.1f s at most (%s)", len(views), timeout, reason)
        one = Handover(self._registry, views, timeout=timeout, rate=self._rate, label="draining")
        if timeout < one.plan.enough:
            logger.warning(
                "%d views within %.1f s come back faster than STASH_RECONNECT_RATE (%g a second); "
                "with a STASH_SHUTDOWN_TIMEOUT of %.0f s they would not",
                len(views), one.plan.deadline - one.plan.answer, self._rate, ceil(one.plan.enough),
            )  # fmt: skip
        self._notify("drain_started", views=len(views), timeout=timeout)
        self._running.append(one)
        if self._skip:
            one.skip()
        await one.offer(mounting)
        late = list(self._registry)
        grace = max(0.0, min(CLOSE_GRACE, (start + timeout - loop.time()) / 2))
        await handover.close(late, grace)
        await self._leave(list(dict.fromkeys(sockets + late)), start + timeout)
        outcomes = one.outcomes() + Counter(
            socket.feed.outcome for socket in mounting if socket.feed is not None and socket.feed.outcome
        )
        outcomes += Counter({"cut": self._registry.cut})  # drops it where it is none
        counts = handover.summary(outcomes, outcomes.total())
        logger.info("drained: %s, in %.1f s", counts, loop.time() - start)
        self._notify("drain_finished", outcomes=dict(outcomes), seconds=loop.time() - start)

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
                    "the handler of %s ignores its cancellation and was ended",
                    shown(socket.scope.get("path")),
                )
