"""Hands views over to other processes: all of them as the server leaves, or a share of them while it goes on."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from itertools import islice

from ..core.drain import DrainPlan, plan_drain
from .registry import Registry
from .socket import Socket
from .tasks import Tasks
from .transport import cut

__all__ = ["Handover", "close", "part", "summary"]

logger: logging.Logger = logging.getLogger("quart_stash")


class Handover:
    """The hand-over of some views, by one plan.

    Attributes:
        views: those that are handed over.
        plan: when each of them is told.
    """

    def __init__(
        self, registry: Registry, views: Sequence[Socket], *, timeout: float, rate: float, label: str = ""
    ) -> None:
        """Begin the time of it.

        Args:
            registry: the live sockets.
            views: the sockets of the views.
            timeout: seconds for the whole of it.
            rate: reconnects a second that the fleet should see.
            label: what the log calls it; nothing: it is not logged.
        """
        self.views: Sequence[Socket] = views
        self.plan: DrainPlan = plan_drain(len(views), timeout=timeout, rate=rate)
        self._registry = registry
        self._start = asyncio.get_running_loop().time()
        self._end = self._start + self.plan.deadline
        self._label = label
        self._skip = False
        self._tasks = Tasks()

    def skip(self) -> None:
        """Tell nobody any more, and wait for nobody."""
        self._skip = True

    async def offer(self, mounting: Sequence[Socket] = ()) -> None:
        """Tell the views, at the plan's pace; return when all are handed over, or the time is up.

        Args:
            mounting: sockets that are told at once: one whose mount is just being answered is a view then.
        """
        loop = asyncio.get_running_loop()
        waiting = iter(self.views)
        drain = secrets.token_hex(4)
        for socket in mounting:
            self._tell(socket, drain, self.plan.deadline)
        for offset, size in self.plan.batches:
            await self._until(self._start + offset)
            if self._skip:
                return
            for socket in islice(waiting, size):
                self._tell(socket, drain, self._end - loop.time())
        await self._wait([*self.views, *mounting])

    def outcomes(self) -> Counter[str]:
        """Count how the views ended; one that did so before it was told is gone."""
        counts: Counter[str] = Counter()
        for feed in (socket.feed for socket in self.views):
            if feed is not None and feed.outcome is None and not feed.live:
                feed.outcome = "gone"
                self._registry.outcomes["gone"] += 1
            if feed is not None and feed.outcome is not None:
                counts[feed.outcome] += 1
        return counts

    async def _wait(self, sockets: Sequence[Socket]) -> None:
        """Wait until every view is handed over, or the time is up; say every second how far it is."""
        loop = asyncio.get_running_loop()
        said = loop.time()
        while not self._skip and any(socket.feed is not None and socket.feed.live for socket in sockets):
            left = self._end - loop.time()
            if left <= 0:
                return
            await self._registry.change(min(left, 0.1))
            if self._label and loop.time() - said >= 1:
                said = loop.time()
                counts = summary(self.outcomes(), len(self.views))
                logger.info("%s: %s, %.1f s left", self._label, counts, max(0.0, self._end - said))

    async def _until(self, when: float) -> None:
        delay = when - asyncio.get_running_loop().time()
        if delay > 0 and not self._skip:
            await asyncio.sleep(delay)

    def _tell(self, socket: Socket, drain: str, left: float) -> None:
        if socket.feed is not None:
            work = socket.feed.drain(drain, max(0, round(left * 1000)), round(self.plan.delay * 1000))
            self._tasks.start(work)


def summary(counts: Mapping[str, int], total: int) -> str:
    """Say how many of `total` views ended in which way."""
    others = "".join(f", {counts[name]} {name}" for name in ("finished", "gone") if counts.get(name))
    return f"{counts.get('synced', 0)} of {total} synced, {counts.get('timed-out', 0)} timed out{others}"


async def close(sockets: Iterable[Socket], grace: float) -> None:
    """Close sockets, views or not, whose time is up. Their peers have `grace` seconds to take the close frame."""
    tasks = Tasks()
    if closing := [tasks.start(_expire(socket, grace)) for socket in sockets]:
        await asyncio.wait(closing, timeout=grace + 0.1)


async def part(socket: Socket, ending: Awaitable[None]) -> None:
    """End the connection of a peer that has had its time; cut it, if it does not take what is queued for it."""
    await ending
    await asyncio.sleep(socket.grace)
    if socket.queued and socket.scope.get("http_version") != "2":  # there it would take others along
        cut(socket)


async def _expire(socket: Socket, grace: float) -> None:
    socket.grace = grace
    if socket.feed is not None and socket.feed.live:
        await socket.feed.expire()
    await socket.close(1012, "service restart")
