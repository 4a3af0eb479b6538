"""The timers of one connection, by name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["Timers"]


class Timers:
    """Timers that are gone when they have fired, and that can all be cancelled at the end."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._running: dict[str, asyncio.TimerHandle] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._running

    def __len__(self) -> int:
        return len(self._running)

    def start(self, name: str, delay: float, action: Callable[[], object]) -> None:
        """Call `action` in `delay` seconds."""

        def fire() -> None:
            del self._running[name]
            action()

        self._running[name] = self._loop.call_later(delay, fire)

    def cancel(self, name: str) -> None:
        """Cancel one timer, if it runs."""
        if (timer := self._running.pop(name, None)) is not None:
            timer.cancel()

    def cancel_all(self) -> None:
        """Cancel what runs."""
        for name in list(self._running):
            self.cancel(name)
