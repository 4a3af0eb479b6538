"""What is done besides, in tasks of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable

__all__ = ["Tasks"]

logger: logging.Logger = logging.getLogger("quart_stash")


class Tasks:
    """Tasks that nobody waits for: kept until they are done, and what they raise is logged."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def start(self, work: Awaitable[None]) -> asyncio.Task[None]:
        """Begin some work: a peer that does not read must not hold up others."""
        task = asyncio.get_running_loop().create_task(_guard(work))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def done(self) -> None:
        """Wait until all of it is done."""
        if self._running:
            await asyncio.wait(self._running)


async def _guard(work: Awaitable[None]) -> None:
    try:
        await work
    except Exception:
        logger.exception("a view could not be handed over or ended")
