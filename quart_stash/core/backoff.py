"""When a client tries again: exponential back-off with full jitter. The twin of `js/src/backoff.js`."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Backoff"]

_BASE, _CAP = 100.0, 5_000.0  # milliseconds
_SOON = 1_000.0  # milliseconds within which the first try after a failure comes, whatever a server asks for


class Backoff:
    """Counts attempts in a row.

    Args:
        random: returns a number in [0, 1).
        base: milliseconds that the first attempt waits at most; each further one twice as long.
        cap: milliseconds that any waits at most.
    """

    __slots__ = ("_attempt", "_base", "_cap", "_mounts", "_random")

    def __init__(self, random: Callable[[], float], *, base: float = _BASE, cap: float = _CAP) -> None:
        self._random = random
        self._base = base
        self._cap = cap
        self._attempt = 0
        self._mounts = 0

    def next(self, delay: float = 0) -> float:
        """Return the milliseconds to wait before the next attempt.

        The first failures after a paced drain come as evenly as the drain did, so the next try may be soon. What
        fails again is spread over all the time that the server asked for: so many clients, over so long, are its rate.

        Args:
            delay: milliseconds within which a server asked its clients to try again.
        """
        most = min(self._cap, self._base * 2.0 ** min(self._attempt, 32))
        spread = delay if self._attempt else min(delay, _SOON)
        self._attempt += 1
        return self._random() * max(most, spread)

    def mounted(self) -> None:
        """Let earlier refusals be over; what adds up until there is progress is mounts."""
        self._attempt = min(self._attempt, self._mounts)
        self._mounts += 1

    def reset(self) -> None:
        """Begin anew, after progress."""
        self._attempt = self._mounts = 0
