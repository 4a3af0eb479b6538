"""Hands views over to other processes: all of them as the server leaves, or a share of them while it goes on."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter, deque
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import islice

from ..core.drain import DrainPlan, plan_drain
from .registry import Registry
from .socket import CLOSE_GRACE, Socket
from .tasks import Tasks
from .transport import cut

__all__ = ["Handover", "close", "part", "summary"]

logger: logging.Logger = logging.getLogger("quart_stash")

_HICCUP = 0.02  # seconds that a batch may be late: no reason to be later with all that follow


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
            rate: reconnects a second that this process may cause.
            label: what the log calls it; nothing: it is not logged.
        """
        self.views: Sequence[Socket] = views
        self.plan: DrainPlan = plan_drain(len(views), timeout=timeout, rate=rate)
        self._registry = registry
        self._start = asyncio.get_running_loop().time()
        self._told: deque[tuple[float, Sequence[Socket]]] = deque()  # batches, and when their time is up
        self._id = secrets.token_hex(4)
        self._label = label
        self._skipped = asyncio.Event()
        self._telling, self._parting = Tasks(), Tasks()

    def skip(self) -> None:
        """Tell nobody any more, and wait for nobody."""
        self._skipped.set()

    async def offer(self, mounting: Sequence[Socket] = ()) -> None:
        """Tell the views, at the plan's pace; return when all are handed over, or the time is up.

        Args:
            mounting: sockets that are told at once: one whose mount is just being answered is a view then.
        """
        for socket in mounting:
            self._tell(socket, self.plan.deadline)
        await asyncio.sleep(0)  # they are told by now, so one that is a view is waited for
        await self._tell_all()
        await self._wait([*self.views, *mounting])

    async def parted(self) -> None:
        """Wait until those whose time was up are closed."""
        await self._parting.done()

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

    async def _tell_all(self) -> None:
        """Tell the views, batch by batch, and note when the time of each batch is up.

        Where the process was held up (by a garbage collection, say) what was missed is not made up for at once, as
        long as everyone keeps half the deadline.
        """
        loop, plan = asyncio.get_running_loop(), self.plan
        waiting = iter(self.views)
        behind, most = 0.0, plan.answer - plan.deadline / 2
        for offset, size in plan.batches:
            await self._until(self._start + offset + behind)
            if self._skipped.is_set():
                return
            late = loop.time() - (self._start + offset)
            if late - behind > _HICCUP:
                behind = min(late, most)
            batch = list(islice(waiting, size))
            end = self._start + min(offset + behind + plan.answer, plan.deadline)
            for socket in batch:
                self._tell(socket, end - loop.time())
            self._told.append((end, batch))

    async def _wait(self, sockets: Sequence[Socket]) -> None:
        """Wait until every view is handed over, or its time is up; say every second how far it is."""
        loop = asyncio.get_running_loop()
        said = loop.time()
        while not self._skipped.is_set() and any(
            socket.feed is not None and socket.feed.live for socket in sockets
        ):
            while self._told and self._told[0][0] <= loop.time():
                for socket in self._told.popleft()[1]:
                    if socket.feed is not None and socket.feed.live:
                        self._parting.start(part(socket, close([socket], CLOSE_GRACE)))
            if not self._told:
                return
            await self._registry.change(min(self._told[0][0] - loop.time(), 0.1))
            if self._label and loop.time() - said >= 1:
                said = loop.time()
                counts = summary(self.outcomes(), len(self.views))
                left = max(0.0, self._start + self.plan.deadline - said)
                logger.info("%s: %s, %.1f s left", self._label, counts, left)

    async def _until(self, when: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout_at(when):
                await self._skipped.wait()

    def _tell(self, socket: Socket, left: float) -> None:
        if socket.feed is not None:
            work = socket.feed.drain(self._id, max(0, round(left * 1000)), round(self.plan.delay * 1000))
            self._telling.start(work)


def summary(counts: Mapping[str, int], total: int) -> str:
    """Say how many of `total` views ended in which way."""
    others = "".join(f", {counts[name]} {name}" for name in ("finished", "gone", "cut") if counts.get(name))
    return f"{counts.get('synced', 0)} of {total} synced, {counts.get('timed-out', 0)} timed out{others}"


async def close(sockets: Iterable[Socket], grace: float) -> None:
    """Close sockets, views or not, whose time is up. Their peers have `grace` seconds to take the close frame."""
    tasks = Tasks()
    if closing := [tasks.start(_expire(socket, grace)) for socket in sockets]:
        await asyncio.wait(closing, timeout=grace + 0.1)


async def part(socket: Socket, ending: Awaitable[None]) -> None:
    """End the connection of a peer that has had its time; cut it, if it does not take what is queued for it."""
    try:
        await ending
    finally:
        await asyncio.sleep(socket.grace)
        if socket.queued and socket.scope.get("http_version") != "2":  # there it would take others along
            cut(socket)


async def _expire(socket: Socket, grace: float) -> None:
    socket.grace = grace
    try:
        if socket.feed is not None and socket.feed.live:
            await socket.feed.expire()
    finally:
        await socket.close(1012, "service restart")
