"""One view on one connection: carries out what the machine says, between the socket and the handler.

The socket's pump feeds it frames, in the framework's own receiving task; the handler calls `verbs` from its
own. No task is made per message. The machine is only ever touched between two awaits, so neither side needs a
lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Callable
from typing import Any

from ..config import StashConfig
from ..core import events, frames
from ..core.connection import Connection, State
from ..core.merge import Merged
from ..core.state import StateType
from ..core.tokens import Binding, Sealer
from ..errors import ProtocolError, TokenStale
from ..shown import shown
from .inbox import PATIENCE, Room, larger
from .secrets import Secrets
from .socket import Socket
from .sync import Sync
from .timers import Timers
from .verbs import Verbs

__all__ = ["Session"]

logger: logging.Logger = logging.getLogger("quart_stash")


class Session:
    """One view on one connection.

    Attributes:
        machine: the server's half of the protocol.
        plain: whether the client does not speak it.
        state: the view's state; the handler changes or replaces it.
        view_id: stable for the life of the view.
        outcome: how its hand-over ended, once it has.
        task: the handler's task, once it runs.
        verbs: what the handler, and others, do with the view.
        secrets: what the browser keeps for the view, once it is mounted.
    """

    def __init__(
        self,
        socket: Socket,
        *,
        config: StashConfig,
        sealer: Sealer,
        now: Callable[[], float],
        on_outcome: Callable[[Session, events.Outcome], None],
        on_behind: Callable[[Session], object],
        patience: float = PATIENCE,
    ) -> None:
        """Take over a socket.

        Args:
            socket: of the view.
            config: as configured.
            sealer: seals the view's tokens.
            now: the wall clock.
            on_outcome: is told how the hand-over ended.
            on_behind: hands the view over, since messages were left to its client.
            patience: seconds for which a full inbox may pause the socket.
        """
        self.socket = socket
        self.machine: Connection = Connection()
        self.plain: bool = frames.SUBPROTOCOL not in (socket.scope.get("subprotocols") or [])
        self.state: Any = None
        self.outcome: events.Outcome | None = None
        self.task: asyncio.Task[Any] | None = None
        self._config = config
        self._sealer = sealer
        self._now = now
        self._on_outcome = on_outcome
        self._on_behind = on_behind
        self._loop = asyncio.get_running_loop()
        self._mount: asyncio.Future[frames.Mount] = self._loop.create_future()
        self._sync: Sync
        self.secrets: Secrets
        self.view_id: str = ""
        self._timers = Timers()
        self._expiry: asyncio.Task[None] | None = None
        self._room = Room(self.machine.inbox, config, patience=patience)
        self.verbs: Verbs = Verbs(
            self.machine,
            socket,
            config=config,
            plain=self.plain,
            room=self._room,
            apply=self._apply,
            commit=self._commit,
        )
        if self.plain:  # its messages may be here before the handler is
            self.machine.handle(frames.Mount(sent=0))
            self.machine.handle(events.Decided(frames.Mounted("fresh", 0, "", frames.Limits(0, 0))))

    # The socket's side.

    async def feed(self, data: str | bytes) -> None:
        """Take one frame of the client. Nothing that it holds raises."""
        await self._apply(self._parse(data))
        if self._room.full and not self.machine.overflowing:
            await self._pause()

    async def _pause(self) -> None:
        """Read no more until there is room, but not for long; save that a plain client would lose what finds none."""
        while self._room.full and not self.verbs.questions and not self.socket.closed:
            if not await self._room.wait() and not self.plain:
                await self._overflow()
                return
        if self.verbs.questions and self._room.overfull:
            await self._overflow()

    async def _overflow(self) -> None:
        logger.info("a handler is slow: its client keeps the messages for which there is no room")
        await self._apply(events.Overflow())

    def gone(self) -> None:
        """The connection is over."""
        self.machine.handle(events.Gone())
        self._ended()

    @property
    def live(self) -> bool:
        """Whether a view is mounted that can be handed back."""
        without = (State.OPENED, State.DECIDING, State.ENDED)
        return not self.plain and self.machine.state not in without

    @property
    def ending(self) -> bool:
        """Whether a view has ended, and the peer has yet to read what is said last."""
        return not self.plain and self.machine.state is State.ENDED and not self.socket.closed

    @property
    def draining(self) -> bool:
        """Whether the view is being handed over."""
        return self.machine.draining

    @property
    def paused(self) -> bool:
        """Whether it takes no frames, since too many wait for the handler."""
        return self._room.awaited

    async def drain(self, drain: str, deadline: int, delay: int) -> None:
        """Begin the handshake. A plain client is closed at the end, as others are."""
        if not self.plain:
            await self._apply(events.StartDrain(drain, deadline, delay))

    async def expire(self) -> None:
        """The time for the drain is up."""
        await self._apply(events.Deadline())

    async def silent(self) -> None:
        """Nothing was heard for too long: the connection is lost, whatever the server believes."""
        await self._apply(events.Violation("nothing was heard in time", 4408))
        await self.socket.close(4408)  # where it has ended, and can't say so

    async def dismiss(self, code: int, reason: str) -> None:
        """The view is closed from outside, whatever its handler does."""
        await self._apply(events.Violation(reason, code))
        await self.socket.close(code, reason)  # where it has ended, and can't say so

    def _parse(self, data: str | bytes) -> events.Event:
        config = self._config
        opened = self.machine.state is State.OPENED
        limit = config.max_mount_size if opened and not self.plain else config.max_message_size
        marked = not opened and not self.plain  # by one byte, which is not the message's
        if larger(data, limit + marked):
            return events.Violation(f"a frame of more than {limit} bytes", 1009)
        if self.plain:
            return events.Received(data)
        message = frames.payload(data)
        if message is not None:
            return events.Received(message)
        try:
            return frames.parse_control(data)
        except ProtocolError as error:
            return events.Violation(str(error), error.close_code)

    # Mounting.

    async def opened(self) -> frames.Mount:
        """Wait for the client's `mount`; a plain client has said all with its handshake."""
        if self.plain:
            return frames.Mount(sent=0)
        if not self.machine.over:
            self._timers.start("mount", self._config.effective_mount_timeout, self._no_mount)
        mount = await self._mount
        self._mount = self._loop.create_future()  # what it brought is held no longer than it is needed
        self._timers.cancel("mount")
        return mount

    async def defer(self, code: int, reason: str = "") -> None:
        """Close without mounting; the client keeps everything."""
        await self._apply(events.Defer(code, reason))

    async def start(
        self, merged: Merged[Any], state_type: StateType[Any], binding: Binding, *, fork: bool, build: str
    ) -> None:
        """Answer the mount: from here on the view is live.

        Raises:
            StateTooLarge: the state does not fit into a token.
        """
        self.state = merged.state
        self.view_id = merged.view_id
        self._sync = Sync(
            self.machine,
            self._apply,
            config=self._config,
            sealer=self._sealer,
            now=self._now,
            timers=self._timers,
            notices=self.socket.notices,
            state_type=state_type,
            context=binding.view(),
            view_id=merged.view_id,
            lineage=merged.lineage,
        )
        self.secrets = Secrets(
            self._sealer,
            binding.kept,
            limit=self._config.max_message_size,
            ask=self.verbs.ask,
            renew=self._renew,
            now=self._now,
        )
        if self.plain:
            return
        self._sync.encode(self.state)
        aged = merged.issued_at is None or self._now() - merged.issued_at > self._config.token_max_age / 2
        token = None
        if merged.status != "restored" or fork or aged:
            # A fork is as old as what it is a copy of: forking must not keep a token young.
            issued_at = merged.issued_at if fork and not aged else None
            token = self._sync.seal(merged.received, issued_at=issued_at)
        limits = frames.Limits(self._config.max_message_size, self._config.max_mount_size)
        known = (merged.reason, token, dict(merged.invalid), dict(merged.dropped))
        mounted = frames.Mounted(merged.status, merged.received, build, limits, *known)
        await self._apply(events.Decided(mounted))
        if self.machine.over:  # lost, or drained, in the meantime: the handler is not to begin
            await self.verbs.wait_for_end()
        self._sync.keep_young()
        if merged.reason == TokenStale.reason:  # so is its page, most likely: both begin anew
            await self.verbs.say(frames.Reload(TokenStale.reason))

    # How the handler ends.

    def begin(self) -> None:
        """The current task is the handler's from now on."""
        self.task = asyncio.current_task()
        self.verbs.begin()

    async def finish(self) -> None:
        """The handler returned."""
        await self._apply(events.Return())

    async def fail(self) -> None:
        """The handler raised: its message counts as received, and the state is that of the last commit."""
        if self.machine.state in (State.OPENED, State.DECIDING, State.ENDED):
            await self._apply(events.Violation("the handler failed", 1011))
            return
        number = self.machine.received + self.machine.in_hand
        await self._apply(events.Raise(None if self.plain else self._sync.seal(number)))

    async def abandon(self) -> None:
        """The handler was cancelled. Where that was not due to the end, nobody serves this view any more."""
        if not self.machine.over:
            logger.error(
                "the handler of %s was cancelled on a live connection", shown(self.socket.scope.get("path"))
            )
            await self._apply(events.Violation("the handler was cancelled", 1011))

    def force(self) -> bool:
        """End a handler that ignores its cancellation. Returns whether there was one."""
        if self.task is None or self.task.done() or self.task is asyncio.current_task():
            return False
        coroutine = self.task.get_coro()
        if coroutine is not None:
            with contextlib.suppress(Exception):  # whatever the frames on the way out may raise
                if sys.version_info >= (3, 12):  # in the task's own context: context managers look for it
                    self.task.get_context().run(coroutine.close)
                else:
                    coroutine.close()
        self.task.cancel()  # wakes it up, so that it ends
        return True

    # Inside.

    async def _commit(self, event: events.Ask | events.Push) -> None:
        """Encode first: a state that can't be encoded must not count its message."""
        if self.machine.over:
            return
        if not self.plain:
            self._sync.encode(self.state)
        await self._apply(event)

    async def _apply(self, event: events.Event) -> None:
        effects = self.machine.handle(event)
        if self.machine.state is State.ENDED:
            self._ended()  # at once: what is said last waits for a peer that may not read
        elif self.machine.state is State.HANDED:
            self.verbs.left()
        for effect in effects:
            await self._perform(effect)

    async def _perform(self, effect: events.Effect) -> None:
        if isinstance(effect, events.Message):
            self._room.put(effect)
            self.verbs.arrived()
        elif isinstance(effect, events.Due):
            if not self.plain:
                await self._sync.due(final=effect.final)
        elif isinstance(effect, events.Behind):
            self._on_behind(self)
        elif isinstance(effect, events.Decide):
            if not self._mount.done():
                self._mount.set_result(effect.mount)
        elif isinstance(effect, events.Answered):
            self.verbs.questions.answered(effect)
        elif isinstance(effect, events.Close):
            if effect.code in (1002, 1009, 1013, 4408):
                logger.info("a client was closed with %d: %s", effect.code, effect.reason)
            await self.socket.close(effect.code, effect.reason)
        elif not self.plain:
            await self.socket.send_frame(frames.encode(effect))

    def _no_mount(self) -> None:
        self._expiry = self._loop.create_task(self._apply(events.MountTimeout()))

    async def _renew(self) -> None:
        if not self.plain:
            await self._sync.renew()

    def _ended(self) -> None:
        self._timers.cancel_all()
        self._room.make()
        self.verbs.left()
        if self.outcome is None and self.machine.outcome is not None:
            self.outcome = self.machine.outcome
            self._on_outcome(self, self.outcome)
