"""What the soak has seen: gaps by cause, faults, defects."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

CALM = "nothing"
NETWORK = "the network"
LEVEL = "rebalance"
"""Causes of gaps besides the faults: none that is known, a wire that misbehaves, and views that are evened out."""


class Ledger:
    """What has been seen.

    Attributes:
        faults: how often each kind was injected.
        gaps: cause → seconds for which a client's messages could not be handled.
        trips: seconds from a message to its answer on one connection, while nothing goes on.
        recoveries: kill by kill, of those whom it has cut off, without the time in which no process was there to take
            them up. A kill is told by its kind, and by when that was in the order of faults.
        rebalanced: views that were handed over to even out where they are, by outcome.
        visible: disconnections that pages were told of, by cause.
        defects: what should never happen, in words.
    """

    def __init__(self) -> None:
        self.faults: Counter[str] = Counter()
        self.gaps: defaultdict[str, list[float]] = defaultdict(list)
        self.trips: list[float] = []
        self.recoveries: defaultdict[tuple[str, int], list[float]] = defaultdict(list)
        self.rebalanced: Counter[str] = Counter()
        self.visible: Counter[str] = Counter()
        self.defects: list[str] = []
        self._since: list[float] = [0.0]
        self._causes: list[str] = [CALM]

    @property
    def cause(self) -> str:
        """What goes on now."""
        return self._causes[-1]

    @contextmanager
    def during(self, fault: str) -> Iterator[None]:
        """What begins in the body has this cause."""
        self.faults[fault] += 1
        self._mark(fault)
        try:
            yield
        finally:
            self._mark(CALM)

    def cause_at(self, when: float) -> str:
        """Return what went on at a moment."""
        return self._causes[self._mark_at(when)]

    def _mark_at(self, when: float) -> int:
        return bisect_right(self._since, when) - 1

    def gap(
        self, begin: float, end: float, ready: float, *, away: float, cut: bool, moved: bool, network: bool
    ) -> None:
        """A client could not go on for a while.

        Args:
            begin: when it knew that its messages were handled no more.
            end: when they were handled again.
            ready: since when the process served that took it up.
            away: seconds that it is away, each way: the cause was there so much earlier.
            cut: whether its connection was cut, and not handed over.
            moved: whether it was handed over by a process that stays.
            network: whether it is behind a wire that misbehaves.
        """
        cause = NETWORK if network else self.cause_at(begin - away)
        if moved and cause != NETWORK:
            cause = LEVEL
        self.gaps[cause].append(end - begin)
        if cut and cause.startswith("SIGKILL"):
            self.recoveries[cause, self._mark_at(begin - away)].append(end - max(begin, ready))

    def trip(self, seconds: float) -> None:
        """A message was answered."""
        if self.cause == CALM:
            self.trips.append(seconds)

    def defect(self, text: str) -> None:
        """What should never happen has."""
        self.defects.append(f"({self.cause}) {text}")

    def _mark(self, cause: str) -> None:
        self._since.append(asyncio.get_running_loop().time())
        self._causes.append(cause)


def quantile(ordered: Sequence[float], part: float) -> float:
    """Return the value below which this part of the sorted values lies."""
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
