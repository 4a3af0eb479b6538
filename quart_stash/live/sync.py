"""Keeps the client's token up to date: when one is due, and what it seals.

A commit encodes the state, and every token seals such a snapshot, never the state as it happens to be.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from ..config import StashConfig
from ..core import events
from ..core.connection import Connection
from ..core.merge import Snapshot, seal_snapshot
from ..core.state import StateType
from ..core.tokens import Context, Sealer
from ..errors import StateTooLarge
from .notices import Notices
from .timers import Timers

__all__ = ["Sync"]


class Sync:
    """The tokens of one view on one connection.

    Args:
        connection: whose commits are sealed.
        apply: carries out what the machine says to an event.
        config: the interval, the greatest age and size.
        sealer: seals.
        now: seconds since the epoch.
        timers: of the connection.
        notices: what is said once to whoever runs the application.
        state_type: encodes the state.
        context: what the tokens are bound to.
        view_id: what they stand for.
        lineage: the view that all its forks come from.
    """

    def __init__(
        self,
        connection: Connection,
        apply: Callable[[events.Event], Awaitable[None]],
        *,
        config: StashConfig,
        sealer: Sealer,
        now: Callable[[], float],
        timers: Timers,
        notices: Notices,
        state_type: StateType[Any],
        context: Context,
        view_id: str,
        lineage: str,
    ) -> None:
        self._machine = connection
        self._apply = apply
        self._config = config
        self._sealer = sealer
        self._now = now
        self._timers = timers
        self._notices = notices
        self._state_type = state_type
        self._context = context
        self._view_id = view_id
        self._lineage = "" if lineage == view_id else lineage
        self._loop = asyncio.get_running_loop()
        self._snapshot = b""
        self._sealed: tuple[int, bytes] | None = None
        self._next = 0.0
        self._sending: asyncio.Task[None] | None = None

    def encode(self, state: Any) -> None:
        """Take a snapshot of the state: this is what tokens seal from now on.

        Raises:
            StateTooLarge: it does not fit into a token. The last snapshot stays.
            TypeError: it holds something that can't be encoded. The last snapshot stays.
        """
        try:
            snapshot = self._state_type.encode(state)
        except (TypeError, OverflowError) as error:
            raise TypeError(
                f"the state of this view can't be kept ({error}): assign only what its type declares"
            ) from error
        if len(snapshot) > self._config.max_state_size:
            raise StateTooLarge(len(snapshot), self._config.max_state_size)
        self._snapshot = snapshot

    def seal(self, received: int, *, issued_at: float | None = None) -> str:
        """Return a token: the last snapshot, as the state after that many messages.

        Args:
            received: how many.
            issued_at: when it was issued; None: now.
        """
        self._next = self._loop.time() + self._config.sync_interval
        self._check()
        self._sealed = (received, self._snapshot)
        snapshot = Snapshot(self._view_id, received, msgspec.Raw(self._snapshot), self._lineage)
        now = self._now() if issued_at is None else issued_at
        return seal_snapshot(self._sealer, self._context, snapshot, version=self._state_type.version, now=now)

    def _check(self) -> None:
        """Say where the next process will not accept the state. Sealing is rare, and costs more than this."""
        if self._sealed is not None and self._sealed[1] == self._snapshot:
            return
        why = self._state_type.misfit(self._snapshot)
        if why is not None:
            name = getattr(self._state_type.declared, "__qualname__", "None")
            self._notices.say(
                logging.ERROR,
                name,
                "a state of type %s does not fit its own type any more (%s), so its view begins anew "
                "at the next restart: assign to each field what it declares",
                name,
                why,
            )

    async def due(self, *, final: bool) -> None:
        """Send a token for the newest commit: now if its time has come, else when the interval has passed."""
        if not final and self._sent:
            return
        if final or self._loop.time() >= self._next:
            await self._send(final=final)
        elif "sync" not in self._timers:
            self._timers.start("sync", self._next - self._loop.time(), self._send_later)

    async def renew(self) -> None:
        """Send a token for the newest commit, whether or not something has changed."""
        self._sealed = None
        await self._send()

    def keep_young(self) -> None:
        """Renew the client's token at half its age, again and again, also where nothing changes."""
        self._timers.start("renew", self._config.token_max_age / 2, self._grow_young)

    @property
    def _sent(self) -> bool:
        return self._sealed == (self._machine.received, self._snapshot)

    def _grow_young(self) -> None:
        self._sealed = None
        self._send_later()
        self.keep_young()

    def _send_later(self) -> None:
        if self._sending is None or self._sending.done():
            self._sending = self._loop.create_task(self._send())
        else:  # the peer reads slowly: what has changed meanwhile follows what is on its way
            self._sending.add_done_callback(lambda _: self._send_later())

    async def _send(self, *, final: bool = False) -> None:
        self._timers.cancel("sync")
        if self._machine.over or (not final and self._sent):
            return
        token = self.seal(self._machine.received)
        try:
            await self._apply(events.Seal(token))
        except asyncio.CancelledError:
            self._sealed = None  # the handler gave up waiting, and the token may not have left
            raise
