"""The live sockets of one application, and how its views were mounted and handed over."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator

from .socket import Socket

__all__ = ["Registry"]


class Registry:
    """The live sockets, with a way to wait until the views among them are gone.

    Attributes:
        counts: how many views were mounted `fresh`, `restored`, `rejected` or `plain` so far.
        outcomes: how many hand-overs ended in which way so far.
        cut: how many views the server has closed, as one that leaves, before anybody was told.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.cut: int = 0
        self._sockets: dict[Socket, None] = {}
        self._changed: asyncio.Event | None = None

    def __iter__(self) -> Iterator[Socket]:
        return iter(list(self._sockets))

    def __len__(self) -> int:
        return len(self._sockets)

    def add(self, socket: Socket) -> None:
        """A socket came."""
        self._sockets[socket] = None

    def remove(self, socket: Socket) -> None:
        """A socket is gone."""
        self._sockets.pop(socket, None)
        if self._changed is not None:
            self._changed.set()
            self._changed = None

    def views(self) -> list[Socket]:
        """Return the sockets whose views can be handed back."""
        return [socket for socket in self if socket.feed is not None and socket.feed.live]

    def stats(self) -> dict[str, int]:
        """Return what is counted, and how many views are live. Any thread may ask."""
        return {"live": len(self.views()), **(Counter(self.counts.copy()) + Counter(self.outcomes.copy()))}

    async def change(self, within: float) -> None:
        """Wait until a socket has gone, for `within` seconds at most."""
        changed = self._changed = self._changed or asyncio.Event()  # of all that wait
        try:
            async with asyncio.timeout(within):
                await changed.wait()
        except TimeoutError:
            pass
