"""Looks after the live views, every now and then: those that are silent, and those that are old."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from .handover import part
from .registry import Registry
from .socket import Feed, Socket
from .tasks import Tasks

__all__ = ["Sweeper"]

logger: logging.Logger = logging.getLogger("quart_stash")

# Looks within the time for silence, and within the maximum age: so fine is what is counted in them.
_SILENCE_LOOKS, _AGE_LOOKS = 8, 100
_YOUNGEST = 0.75  # of the maximum age: views that came together leave over the last quarter of it

_random = secrets.SystemRandom()


@dataclass(slots=True)
class _Watch:
    """What is remembered of one view from look to look.

    Attributes:
        leaves: when it is to be handed over, by the loop's clock.
        silent: looks in a row at which it had not been heard since the one before.
        sent: how many frames it had been sent.
    """

    leaves: float
    silent: int = 0
    sent: int = -1


class Sweeper:
    """One timer for all views of an application; it runs while there are sockets.

    Silence is counted in looks, and not by the clock: a process that was stopped for a while, or whose loop was
    held up, has not listened, and what its peers said meanwhile is still to be read.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        silence: float | None,
        max_age: float | None,
        hand_over: Callable[[list[Socket]], object],
    ) -> None:
        """Look after the views of a registry.

        Args:
            registry: the live sockets.
            silence: seconds after which a view that was not heard is lost; None: never.
            max_age: seconds after which a view is handed over; None: never.
            hand_over: begins the hand-over of old views.
        """
        self._registry = registry
        self._max_age = max_age
        self._period = min((silence or inf) / _SILENCE_LOOKS, (max_age or inf) / _AGE_LOOKS)
        self._patience = (silence or inf) / self._period  # looks
        self._hand_over = hand_over
        self._watched: dict[Socket, _Watch] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._tasks = Tasks()

    def start(self) -> None:
        """There is a socket: look from now on, if there is anything to look for."""
        if self._timer is None and self._period < inf:
            self._timer = asyncio.get_running_loop().call_later(self._period, self._look)

    def stop(self) -> None:
        """There is no socket any more."""
        self._watched.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        self.start()
        now = asyncio.get_running_loop().time()
        watched: dict[Socket, _Watch] = {}
        old: list[Socket] = []
        for socket in self._registry:
            feed = socket.feed
            if feed is None or not (feed.live or feed.ending):
                continue
            watch = watched[socket] = self._watched.get(socket) or _Watch(self._leaves(now))
            watch.silent = 0 if _there(socket, feed, watch) else watch.silent + 1
            watch.sent = socket.sent
            if watch.silent >= self._patience:
                self._tasks.start(part(socket, feed.silent()))
            elif watch.leaves < now + self._period and feed.live:
                watch.leaves = inf
                old.append(socket)
        self._watched = watched
        if old:
            self._hand_over(old)

    def _leaves(self, now: float) -> float:
        """Draw when a view that has come since the last look leaves."""
        if self._max_age is None:
            return inf
        return now - self._period + self._max_age * _random.uniform(_YOUNGEST, 1)


def _there(socket: Socket, feed: Feed, watch: _Watch) -> bool:
    """Whether the peer has shown since the last look that it is there, or had no chance to.

    It has none while its frames wait for our handler; unless the handler itself waits for the peer to read. Once the
    view has ended, only reading counts.
    """
    heard, socket.heard = socket.heard, False
    unread = socket.sending and socket.sent == watch.sent
    if feed.ending:
        return not unread
    return heard or (feed.paused and not unread)
