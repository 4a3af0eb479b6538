"""The drain plan: who is told when, and how long a refused client waits before it tries again."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

__all__ = ["DrainPlan", "plan_drain"]

_TICK = 0.02  # seconds between two batches: fine enough to look even, coarse enough to cost nothing
_MIN_DELAY, _MAX_DELAY = 0.1, 10.0  # seconds


@dataclass(frozen=True, slots=True)
class DrainPlan:
    """When each of `count` views is told to flush.

    Attributes:
        batches: pairs (seconds after the start, how many views are told then).
        delay: seconds within which a client that was refused tries again (full jitter).
        deadline: seconds after the start at which clients have had their time.
    """

    batches: tuple[tuple[float, int], ...]
    delay: float
    deadline: float


def plan_drain(count: int, *, timeout: float, rate: float) -> DrainPlan:
    """Plan the drain of `count` views.

    The `drain` frames are paced at `rate`, since every one of them brings a reconnect somewhere; where that
    would take longer than half the deadline, it is packed into that half, so that everyone has the other half
    to answer in.

    Args:
        count: views to hand back.
        timeout: seconds for the whole drain. A tenth of it, one second at most, is kept for closing.
        rate: reconnects a second that the fleet should see.
    """
    deadline = timeout - min(1.0, timeout / 10)
    spread = min(count / rate, deadline / 2)
    ticks = max(1, min(count, ceil(spread / _TICK)))
    edges = [count * tick // ticks for tick in range(ticks + 1)]
    batches = tuple((spread * tick / ticks, edges[tick + 1] - edges[tick]) for tick in range(ticks))
    delay = min(max(count / rate, _MIN_DELAY), _MAX_DELAY)
    return DrainPlan(batches, delay, deadline)
