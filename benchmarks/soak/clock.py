"""A clock that can be stepped: what is imported after this module takes its time from it."""

from __future__ import annotations

import time

_real = time.time
_ahead = 0.0


def step(seconds: float) -> None:
    """Put the clock so far ahead of the true time."""
    global _ahead  # noqa: PLW0603 - a process has one clock
    _ahead = seconds


def _now() -> float:
    return _real() + _ahead


time.time = _now
