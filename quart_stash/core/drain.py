"""The drain plan: who is told when, how long each has, and how long a refused client waits before it tries again."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

__all__ = ["DrainPlan", "plan_drain"]

_TICK = 0.02  # seconds between two batches: fine enough to look even, coarse enough to cost nothing
_AIM = 0.9  # of the rate: also a process that stands still for a moment then sees no more than the rate
_MIN_DELAY, _MAX_DELAY = 0.1, 60.0  # seconds


@dataclass(frozen=True, slots=True)
class DrainPlan:
    """When each of `count` views is told to flush, and when its time is up.

    Attributes:
        batches: pairs (seconds after the start, how many views are told then).
        answer: seconds that each view has from then on. The time of those that do not use it ends in batches too:
            they all reconnect when it does.
        delay: seconds within which a client that was refused tries again, and again (full jitter).
        deadline: seconds after the start at which the last of them have had their time.
        enough: the shortest time-out that lets so many views be told no faster than the rate.
    """

    batches: tuple[tuple[float, int], ...]
    answer: float
    delay: float
    deadline: float
    enough: float


def plan_drain(count: int, *, timeout: float, rate: float) -> DrainPlan:
    """Plan the drain of `count` views.

    The `drain` frames are paced at nine tenths of `rate`, since every one of them brings a reconnect somewhere;
    where that would take longer than half the deadline, it is packed into that half, so that everyone has as long
    to answer in.

    Args:
        count: views to hand back.
        timeout: seconds for the whole drain. A tenth of it, one second at most, is kept for closing.
        rate: reconnects a second that this process may cause.
    """
    deadline = timeout - min(1.0, timeout / 10)
    due = count / (_AIM * rate)
    spread = min(due, deadline / 2)
    ticks = max(1, min(count, ceil(spread / _TICK)))
    edges = [count * tick // ticks for tick in range(ticks + 1)]
    batches = tuple((spread * tick / ticks, edges[tick + 1] - edges[tick]) for tick in range(ticks))
    # Between two tries of one client lies half the delay, on average, so all of them try at the rate.
    delay = min(max(2 * due, _MIN_DELAY), _MAX_DELAY)
    enough = 2 * count / rate
    return DrainPlan(batches, deadline - batches[-1][0], delay, deadline, enough + min(1.0, enough / 9))
