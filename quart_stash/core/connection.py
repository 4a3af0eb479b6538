"""The server's half of the protocol, for one connection, as one transition table.

`Connection.handle` takes an event (a frame of the client, or something that happened on this side) and
returns what is to be done about it: frames to send, and the effects below. It does no I/O and knows no clock.
Whatever the peer sends, it never raises: a breach of the protocol closes the connection. An event of this
side that its state has no row for is our own bug, and raises `LookupError`.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from . import frames
from .events import (
    Answered,
    Ask,
    Behind,
    Close,
    Deadline,
    Decide,
    Decided,
    Defer,
    Due,
    Effect,
    Event,
    Gone,
    Message,
    MountTimeout,
    Outcome,
    Overflow,
    Push,
    Raise,
    Received,
    Return,
    Seal,
    StartDrain,
    Violation,
)

__all__ = ["TABLE", "Connection", "State"]


class State(enum.Enum):
    """Where a connection stands."""

    OPENED = "opened"  # accepted; the client has not said `mount` yet
    DECIDING = "deciding"  # `mount` is here; its token is being judged
    LIVE = "live"
    DRAINING = "draining"  # `drain` is sent; the client is flushing
    FLUSHED = "flushed"  # nothing more comes; the handler works off what is here
    HANDED = "handed"  # the final token is sent; the client is storing it
    ENDED = "ended"


class Connection:
    """One connection of one view.

    Attributes:
        state: where it stands.
        received: number of messages that the handler has taken and finished, over the view's whole life.
        in_hand: whether the handler is working on message `received + 1`.
        outcome: how a drain ended for this view, once it has ended.
        inbox: messages that wait for the handler; `None` is a void one.
        overflowing: whether messages are left to the client, which sends them again at its next mount.
    """

    __slots__ = (
        "_arrived",
        "_asking",
        "_ever_asked",
        "_left",
        "_sent",
        "in_hand",
        "inbox",
        "outcome",
        "overflowing",
        "received",
        "state",
    )

    def __init__(self) -> None:
        self.state: State = State.OPENED
        self.received: int = 0
        self.in_hand: bool = False
        self.outcome: Outcome | None = None
        self.inbox: deque[Message | None] = deque()
        self.overflowing: bool = False
        self._arrived = 0
        self._left = False
        self._sent = 0
        self._asking = False
        self._ever_asked = False

    def handle(self, event: Event) -> list[Effect]:
        """Apply one event and return what is to be done, in order.

        Raises:
            LookupError: this side did what its state does not allow (our bug, never the peer's).
        """
        if self.state is State.ENDED:
            return []
        action, *targets = TABLE[self.state][type(event)]
        effects: list[Effect] = []
        chosen = action(self, event, effects)
        target: State = targets[0] if chosen is None else chosen
        if target not in targets:
            raise LookupError(f"{action.__name__} may not go from {self.state} to {target}")
        self.state = target
        if target is State.FLUSHED and self._settled:
            effects.append(Due(final=True))
        return effects

    def take(self) -> Message | None:
        """Put the next message in the hand of the handler that has asked, and return it; or `None`."""
        while self.inbox:
            message = self.inbox.popleft()
            if message is not None:
                self.in_hand, self._asking = True, False
                return message
            self.received += 1
        return None

    @property
    def taken(self) -> int:
        """Number of the message in hand, or else of the one before the next."""
        return self.received + self.in_hand

    @property
    def over(self) -> bool:
        """Whether nothing that the handler does counts any more."""
        return self.state in (State.HANDED, State.ENDED)

    @property
    def draining(self) -> bool:
        """Whether this view is being handed back."""
        return self.state in (State.DRAINING, State.FLUSHED, State.HANDED)

    @property
    def _settled(self) -> bool:
        """Whether nothing stands between the newest commit and the hand-over."""
        return not self.in_hand and (not self.inbox or not self._ever_asked)

    # Actions. Each may return the next state where its row names more than one.

    def _judge(self, event: frames.Mount, effects: list[Effect]) -> None:
        self._sent = event.sent
        effects.append(Decide(event))

    def _mounted(self, event: Decided, effects: list[Effect]) -> None:
        self.received = self._arrived = event.mounted.received
        if event.mounted.status == "rejected":
            self._sent = 0
        effects.append(event.mounted)

    def _defer(self, event: Defer, effects: list[Effect]) -> None:
        effects.append(Close(event.code, event.reason))

    def _deliver(self, event: Received, effects: list[Effect]) -> None:
        self._arrived += 1
        if self.overflowing:
            self._left = True
            return
        message = Message(event.data, self._arrived, self._arrived <= self._sent)
        self.inbox.append(message)
        if self._asking:
            self._announce(effects)
        effects.append(message)

    def _skip(self, event: frames.Void, effects: list[Effect]) -> State | None:
        if event.number != self._arrived + 1:
            return self._breach("a void that is not for the next number", effects)
        self._arrived += 1
        if self.overflowing:
            self._left = True
            return None
        self.inbox.append(None)
        if self._asking and self._pass_voids():
            effects.append(Due(final=False))
        return None

    def _answered(self, event: frames.Stored | frames.Kept, effects: list[Effect]) -> None:
        restored = isinstance(event, frames.Kept)
        effects.append(Answered(event.key, event.token if isinstance(event, frames.Kept) else None, restored))

    def _pong(self, event: frames.Ping, effects: list[Effect]) -> None:
        effects.append(frames.Pong())

    def _ignore(self, event: Event, effects: list[Effect]) -> None:
        pass

    def _overflow(self, event: Overflow, effects: list[Effect]) -> None:
        self.overflowing = bool(self.inbox)  # else the handler waits, and would not ask again

    def _ask(self, event: Ask, effects: list[Effect]) -> None:
        self._count()
        self._asking = self._ever_asked = True
        self._pass_voids()
        if self.overflowing and not self.inbox:
            if self._left:
                effects.append(Behind())
            else:
                self.overflowing = False
        if self.state is not State.FLUSHED or not self._settled:
            effects.append(Due(final=False))
        self._announce(effects)

    def _push(self, event: Push, effects: list[Effect]) -> None:
        if event.mid:
            self._count()
        if self.state is not State.FLUSHED or not self._settled:
            effects.append(Due(final=False))

    def _token(self, event: Seal, effects: list[Effect]) -> None:
        effects.append(frames.Token(self.received, event.token))

    def _token_or_final(self, event: Seal, effects: list[Effect]) -> State:
        effects.append(frames.Token(self.received, event.token, self._settled))
        return State.HANDED if self._settled else State.FLUSHED

    def _drain(self, event: StartDrain, effects: list[Effect]) -> None:
        effects.append(frames.Drain(event.drain, event.deadline, event.delay))

    def _restart(self, event: StartDrain | Deadline, effects: list[Effect]) -> None:
        effects.append(Close(1012, "service restart"))

    def _flushed(self, event: frames.Flushed, effects: list[Effect]) -> State | None:
        if event.sent != self._arrived:
            return self._breach("flushed does not agree with the messages that arrived", effects)
        return None

    def _synced(self, event: frames.Synced, effects: list[Effect]) -> State:
        if event.received != self.received:
            return State.HANDED
        self.outcome = "synced"
        effects.append(Close(1012, "service restart"))
        return State.ENDED

    def _finish(self, event: Return, effects: list[Effect]) -> None:
        self._count()
        if self.draining:
            self.outcome = "finished"
        effects += [frames.Finished(self.received), Close(1000)]

    def _fail(self, event: Raise, effects: list[Effect]) -> None:
        failed = self.received + 1 if self.in_hand else None
        self._count()
        # The token last: where the connection breaks between the two, the client must not have dropped a
        # message of which it never hears.
        if failed is not None:
            effects.append(frames.Failed(failed))
        if event.token is not None:
            effects.append(frames.Token(self.received, event.token))
        if self.draining:
            self.outcome = "gone"
        effects.append(Close(1011, "the handler failed"))

    def _expire(self, event: Deadline, effects: list[Effect]) -> None:
        self.outcome = "timed-out"
        effects.append(Close(1012, "service restart"))

    def _unmounted(self, event: MountTimeout, effects: list[Effect]) -> None:
        effects.append(Close(4408, "no mount in time"))

    def _lost(self, event: Gone, effects: list[Effect]) -> None:
        if self.draining:
            self.outcome = "gone"

    def _violated(self, event: Violation, effects: list[Effect]) -> None:
        if self.draining:
            self.outcome = "gone"
        effects.append(Close(event.code, event.reason))

    def _unexpected(self, event: Event, effects: list[Effect]) -> None:
        name = "a message" if isinstance(event, Received) else f"`{type(event).__name__.lower()}`"
        self._breach(f"{name} is out of order here", effects)

    def _breach(self, reason: str, effects: list[Effect]) -> State:
        self._violated(Violation(reason), effects)
        return State.ENDED

    def _pass_voids(self) -> bool:
        """Count the void messages that are next, for a handler that asks; a message stays until it is taken."""
        before = self.received
        while self.inbox and self.inbox[0] is None:
            self.inbox.popleft()
            self.received += 1
        return self.received > before

    def _announce(self, effects: list[Effect]) -> None:
        """Say that the handler is about to take a replayed message: a process may have died of it before."""
        first = self.inbox[0] if len(self.inbox) else None
        if first is not None and first.replayed:
            effects.append(frames.Taken(first.number))

    def _count(self) -> None:
        """Count the message in hand as received."""
        if self.in_hand:
            self.received += 1
            self.in_hand = False


Action = Callable[[Connection, Any, list[Effect]], State | None]
Row = tuple[Any, ...]  # an Action, then the states that it may go to (the first one unless it says otherwise)

_C, _S = Connection, State

_BREACH: Row = (_C._unexpected, _S.ENDED)
_END: dict[type, Row] = {
    Violation: (_C._violated, _S.ENDED),
    Gone: (_C._lost, _S.ENDED),
}


def _serving(state: State) -> dict[type, Row]:
    """Return the rows that all states with a running handler share."""
    return {
        frames.Mount: _BREACH,
        frames.Ping: (_C._pong, state),
        frames.Stored: (_C._answered, state),
        frames.Kept: (_C._answered, state),
        frames.Synced: (_C._ignore, state),
        Ask: (_C._ask, state),
        Push: (_C._push, state),
        Return: (_C._finish, _S.ENDED),
        Raise: (_C._fail, _S.ENDED),
        Deadline: (_C._expire, _S.ENDED),
        StartDrain: (_C._ignore, state),
        Overflow: (_C._overflow, state),
        MountTimeout: (_C._ignore, state),  # it was on its way when the mount came
        **_END,
    }


def _unmounted(state: State) -> dict[type, Row]:
    """Return the rows that the states before the mount share."""
    breaches = (frames.Flushed, frames.Synced, frames.Void, frames.Stored, frames.Kept, Received)
    return {
        frames.Mount: _BREACH,
        **dict.fromkeys(breaches, _BREACH),
        frames.Ping: (_C._pong, state),
        StartDrain: (_C._restart, _S.ENDED),
        Deadline: (_C._restart, _S.ENDED),
        **_END,
    }


TABLE: Final[dict[State, dict[type, Row]]] = {
    _S.OPENED: {
        **_unmounted(_S.OPENED),
        frames.Mount: (_C._judge, _S.DECIDING),
        MountTimeout: (_C._unmounted, _S.ENDED),
    },
    _S.DECIDING: {
        **_unmounted(_S.DECIDING),
        Decided: (_C._mounted, _S.LIVE),
        Defer: (_C._defer, _S.ENDED),
        MountTimeout: (_C._ignore, _S.DECIDING),
    },
    _S.LIVE: {
        **_serving(_S.LIVE),
        Received: (_C._deliver, _S.LIVE),
        frames.Void: (_C._skip, _S.LIVE, _S.ENDED),
        frames.Flushed: _BREACH,
        Seal: (_C._token, _S.LIVE),
        StartDrain: (_C._drain, _S.DRAINING),
    },
    _S.DRAINING: {
        **_serving(_S.DRAINING),
        Received: (_C._deliver, _S.DRAINING),
        frames.Void: (_C._skip, _S.DRAINING, _S.ENDED),
        frames.Flushed: (_C._flushed, _S.FLUSHED, _S.ENDED),
        Seal: (_C._token, _S.DRAINING),
    },
    _S.FLUSHED: {
        **_serving(_S.FLUSHED),
        Received: _BREACH,
        frames.Void: _BREACH,
        frames.Flushed: _BREACH,
        Seal: (_C._token_or_final, _S.HANDED, _S.FLUSHED),
    },
    _S.HANDED: {
        **_serving(_S.HANDED),
        Received: _BREACH,
        frames.Void: _BREACH,
        frames.Flushed: _BREACH,
        frames.Synced: (_C._synced, _S.ENDED, _S.HANDED),
        Ask: (_C._ignore, _S.HANDED),
        Push: (_C._ignore, _S.HANDED),
        Seal: (_C._ignore, _S.HANDED),
        Raise: (_C._ignore, _S.HANDED),
    },
    _S.ENDED: {},
}
