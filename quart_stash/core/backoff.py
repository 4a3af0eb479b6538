"""When a client tries again: exponential back-off with full jitter. The twin of `js/src/backoff.js`."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Backoff"]

_BASE, _CAP = 100.0, 10_000.0  # milliseconds


class Backoff:
    """Counts attempts in a row.

    Args:
        random: returns a number in [0, 1).
        base: milliseconds that the first attempt waits at most; each further one twice as long.
        cap: milliseconds that any waits at most.
    """

    __slots__ = ("_attempt", "_base", "_cap", "_random")

    def __init__(self, random: Callable[[], float], *, base: float = _BASE, cap: float = _CAP) -> None:
        self._random = random
        self._base = base
        self._cap = cap
        self._attempt = 0

    def next(self, floor: float = 0) -> float:
        """Return the milliseconds to wait before the next attempt.

        Args:
            floor: milliseconds that a server asked for; the jitter comes on top.
        """
        most = min(self._cap, self._base * 2.0 ** min(self._attempt, 32))
        self._attempt += 1
        return floor + self._random() * most

    def reset(self) -> None:
        """Begin anew, after progress."""
        self._attempt = 0
