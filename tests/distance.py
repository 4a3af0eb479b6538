"""How far away the peers of a test are: each at its own distance.

On a loopback address all peers are equally near, and whatever waits for all of them hears from all at once. That hides who
waits for whom: a broadcast that waits for one peer's hand-over deadlocked a whole room, and no test saw it.
"""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

__all__ = ["FAR", "NEAR", "distance"]

FAR = (0.040, 0.001, 0.180, 0.012, 0.095, 0.003, 0.140, 0.025, 0.200, 0.007, 0.060, 0.110)
"""Seconds that everything takes, each way, where time is virtual: the peers of one test, one after the other."""
NEAR = (0.012, 0.001, 0.030, 0.004, 0.020, 0.002, 0.025, 0.008)
"""The same where time is real."""

_given: WeakKeyDictionary[asyncio.AbstractEventLoop, int] = WeakKeyDictionary()


def distance(distances: tuple[float, ...] = NEAR) -> float:
    """Return the next peer's distance. Each loop, and so each test, begins anew: a test that fails, fails again."""
    loop = asyncio.get_running_loop()
    number = _given.get(loop, 0)
    _given[loop] = number + 1
    return distances[number % len(distances)]
