"""The client's half of the protocol, for one view over all its connections, as one transition table.

The twin of `js/src/machine.js`: both play the same vectors, and the model's traces. It is what the testing kit and
the tests are clients with. `handle` takes what happened on this side, `receive` what a server said; both return
effects. Whatever a server says, it never raises: a breach of the protocol ends the view's connection. A stimulus
that a state has no row for comes too late, and changes nothing.
"""

from __future__ import annotations

import enum
from typing import Any, Final

import msgspec

from . import frames
from . import stimuli as s
from .outbox import Entry, Outbox

__all__ = ["TABLE", "Client", "State"]

_STRIKES = 3  # ends of a connection after which the message that may be their cause is given up
_PATIENCE = 60_000  # milliseconds after which a token that no process can judge is mounted anyway
_STOP = frozenset({1002, 1008})  # ends of a connection that end the view
_BREACH = 4002  # what this side says at a breach of the protocol: browsers may not say 1002


class State(enum.Enum):
    """Where a view stands."""

    WAITING = "waiting"  # no connection is mounted
    MOUNTING = "mounting"  # `mount` is sent, its answer is on the way
    LIVE = "live"
    DRAINING = "draining"  # `drain` has come, the page's hooks run
    FLUSHED = "flushed"  # what is sent from now on waits for the next connection
    HANDED = "handed"  # the final token is stored, or its time is up: the next one may be mounted
    OVER = "over"


class Client:
    """One view of one page.

    Attributes:
        state: where it stands.
        conn: the connection that is mounted or being mounted.
        next: the connection that is open and waits to be mounted.
        token: the newest token.
        outbox: the messages that it does not cover.
        fork: whether this view is a copy of somebody else's, and not mounted yet.
        wired: number of the newest message on the wire of `conn`.
        delay: milliseconds that the last drain asked to wait after a refusal.
    """

    __slots__ = (
        "_copied",
        "_deferred",
        "_refused",
        "_taken",
        "conn",
        "delay",
        "fork",
        "next",
        "outbox",
        "state",
        "token",
        "wired",
    )

    def __init__(self, slot: s.Slot | None = None) -> None:
        self.state: State = State.WAITING
        self.conn: int | None = None
        self.next: int | None = None
        self.token: str | None = slot.token if slot else None
        self.outbox: Outbox = Outbox(slot.received, slot.outbox) if slot else Outbox()
        self.fork: bool = slot.fork if slot else False
        self.wired: int = self.outbox.received
        self.delay: int = 0
        self._taken: int | None = None
        self._deferred: float | None = None
        self._refused = 0  # how often in a row a mount was too large for somebody on the way
        self._copied = self.outbox.sent

    def handle(self, event: s.Stimulus) -> list[s.Effect]:
        """Apply what happened on this side; return what is to be done, in order."""
        if isinstance(event, s.End) and event.conn != self.conn:
            return self._apply(s.Lapse, s.Lapse(event.conn))
        if isinstance(event, s.Hooks | s.Deadline | s.Answer) and event.conn != self.conn:
            return []
        return self._apply(type(event), event)

    def receive(self, conn: int, frame: s.Down | None) -> list[s.Effect]:
        """Apply what the server said on a connection.

        Args:
            conn: once another connection is being mounted, whatever an older one still says is void.
            frame: a control frame, the payload of a message, or `None` for what could not be parsed.
        """
        if conn != self.conn:
            return []
        kind = str if isinstance(frame, bytes) else type(frame)
        return self._apply(kind if kind in TABLE[self.state] else type(None), frame)

    def slot(self) -> s.Slot | None:
        """Return what is to be stored; `None` if there is nothing to keep."""
        outbox = self.outbox.stored()
        if self.token is None and not outbox:
            return None
        return s.Slot(self.token, self.outbox.received, outbox, self.fork)

    def unsent(self) -> list[Entry]:
        """Return the messages that are on no wire yet."""
        return self.outbox.after(self.wired)

    def _apply(self, kind: type, event: Any) -> list[s.Effect]:
        row = TABLE[self.state].get(kind)
        if row is None:
            return []
        action, *targets = row
        effects: list[s.Effect] = []
        target: State = action(self, event, effects) or targets[0]
        if target not in targets:
            raise LookupError(f"{action.__name__} may not go from {self.state} to {target}")
        self.state = target
        return effects

    # Actions. Each may return the next state where its row names more than one.

    def _queue(self, event: s.Send, effects: list[s.Effect]) -> None:
        self.outbox.add(event.data, secret=event.secret)
        effects.append(s.Store())
        if self.state in (State.LIVE, State.DRAINING):
            self._wire(effects)

    def _offer(self, event: s.Open, effects: list[s.Effect]) -> None:
        if self.next is not None and self.next != event.conn:
            effects.append(s.Close(self.next))
        self.next = event.conn
        if self.state in (State.WAITING, State.HANDED):
            effects.append(s.Mount(event.conn))

    def _surplus(self, event: s.Open, effects: list[s.Effect]) -> None:
        effects.append(s.Close(event.conn))

    def _mount(self, event: s.Connect, effects: list[s.Effect]) -> None:
        if self.conn is not None:
            effects.append(s.Retire(self.conn))
        if self.next is not None and self.next != event.conn:
            effects.append(s.Close(self.next))
        self.conn, self.next = event.conn, None
        self.wired = self.outbox.received
        self._taken = None
        frame = self._mount_frame(event)
        left = [what for what in ("forms", "params") if getattr(event, what) and not getattr(frame, what)]
        effects += [_page("oversize", what=what) for what in left]
        effects.append(s.Frame(event.conn, frame))

    def _mounted(self, frame: frames.Mounted, effects: list[s.Effect]) -> State | None:
        renewed = frame.status == "rejected" or (frame.status == "fresh" and self.token is not None)
        # What no token covers is not received, whatever a server says of it.
        if self._is_off(frame.received) and not renewed:
            return self._breach(frame, effects)
        lost = self.outbox.reset(frame.received) if renewed else []
        self.outbox.trim(frame.received)
        if frame.token is not None or renewed:
            self.token = frame.token
        self.fork = False
        self._refused = 0
        self._deferred = None
        self.delay = 0
        self.wired = frame.received
        known = {k: v for k, v in msgspec.to_builtins(frame).items() if k not in ("type", "token")}
        effects += [s.Store(), _page("mounted", **known)]
        self._lose(lost, effects)
        self._wire(effects)
        return None

    def _take_token(self, frame: frames.Token, effects: list[s.Effect]) -> State | None:
        if self._is_off(frame.received):
            return self._breach(frame, effects)
        self.token = frame.token
        self.outbox.trim(frame.received)
        effects.append(s.Store())
        if not frame.final or self.state is State.LIVE:
            return None
        effects.append(s.Frame(self.conn or 0, frames.Synced(frame.received)))
        effects.append(_page("synced", received=frame.received))
        return self._release(frame, effects)

    def _release(self, _: object, effects: list[s.Effect]) -> State:
        """The next connection may be mounted."""
        if self.next is not None:
            effects.append(s.Mount(self.next))
        return State.HANDED

    def _drain(self, frame: frames.Drain, effects: list[s.Effect]) -> None:
        conn = self.conn or 0
        self.delay = frame.delay
        # Make before break: the next socket opens while the page and the handler finish.
        effects += [s.OpenLater(None), s.SetDeadline(conn, frame.deadline)]
        effects.append(_page("drain", conn=conn, deadline=frame.deadline))

    def _flush(self, _: s.Hooks, effects: list[s.Effect]) -> None:
        effects.append(s.Frame(self.conn or 0, frames.Flushed(self.wired)))

    def _deliver(self, data: s.Down, effects: list[s.Effect]) -> None:
        effects.append(_page("message", data=data))

    def _secret(self, frame: frames.Keep | frames.Restore | frames.Forget, effects: list[s.Effect]) -> None:
        effects.append(s.Secret(self.conn or 0, frame))

    def _answer(self, event: s.Answer, effects: list[s.Effect]) -> None:
        effects.append(s.Frame(event.conn, event.frame))

    def _begin(self, frame: frames.Taken, _: list[s.Effect]) -> None:
        """A handler begins with a message that was replayed to it."""
        self._taken = frame.number

    def _failed(self, frame: frames.Failed, effects: list[s.Effect]) -> None:
        self.outbox.void(frame.number)
        effects += [s.Store(), _page("failed", number=frame.number)]

    def _finished(self, frame: frames.Finished, effects: list[s.Effect]) -> State | None:
        if self._is_off(frame.received):
            return self._breach(frame, effects)
        self.outbox.trim(frame.received)
        lost = self.outbox.reset(self.outbox.received)
        self.token = None
        effects.append(s.Forget())
        self._end(effects, 1000, "", 1000)
        # Last, so that a listener may send them to a new view from here.
        self._lose(lost, effects)
        return None

    def _clear(self, frame: frames.Clear, effects: list[s.Effect]) -> None:
        effects.append(s.Clear(frame.form, frame.number))

    def _url(self, frame: frames.Url, effects: list[s.Effect]) -> None:
        effects.append(s.Url(frame.params))

    def _reload(self, frame: frames.Reload, effects: list[s.Effect]) -> None:
        effects += [s.Store(), s.Reload(frame.reason)]

    def _ping(self, _: s.Ping, effects: list[s.Effect]) -> None:
        effects.append(s.Frame(self.conn or 0, frames.Ping()))

    def _ended(self, event: s.End, effects: list[s.Effect]) -> State:
        self.conn = None
        if event.code in _STOP:
            return self._end(effects, event.code, event.reason)
        if event.code == 4409 and self._deferred is None:
            self._deferred = event.now
        # A process that crashes may have died of the message in hand; a frame that is too large will be so again.
        if event.code == 1006:
            self._strike(self._taken, effects)
        if event.code == 1009 and self.state is State.MOUNTING:
            self._refused += 1
        elif event.code == 1009:
            self._strike(self.outbox.received + 1, effects)
        self.wired = self.outbox.received
        effects.append(s.OpenLater(0) if self.next is None else s.Mount(self.next))
        return State.WAITING

    def _lapse(self, event: s.Lapse, effects: list[s.Effect]) -> None:
        if event.conn == self.next:
            self.next = None
            effects.append(s.OpenLater(0))  # who was let in was not refused
        elif self.next is None:
            effects.append(s.OpenLater(self.delay))

    def _park(self, _: s.Park, effects: list[s.Effect]) -> None:
        self._close(effects)
        self.wired = self.outbox.received
        self._copied = self.outbox.sent
        effects.append(s.Store())

    def _become_copy(self, _: s.Fork, effects: list[s.Effect]) -> None:
        self.outbox.drop(self._copied)
        self.fork = self.token is not None
        effects.append(s.Store())

    def _quit(self, event: s.Quit, effects: list[s.Effect]) -> None:
        self._end(effects, 1005 if event.code is None else event.code, event.reason, event.code)

    def _breach(self, frame: s.Down | None, effects: list[s.Effect]) -> State:
        why = "what the server said is no frame"
        if frame is not None:
            kind = "message" if isinstance(frame, str | bytes) else type(frame).__struct_config__.tag
            why = f"`{kind}` of the server is out of place"
        return self._end(effects, 1002, why, _BREACH)

    def _ignore(self, _: object, __: list[s.Effect]) -> None:
        pass

    # What the actions share.

    def _is_off(self, received: int) -> bool:
        """Whether a server can't have received so many messages on this connection."""
        return not self.outbox.received <= received <= self.wired

    def _mount_frame(self, event: s.Connect) -> frames.Mount:
        # Nothing else can have been too large: no message goes up before the mount is answered.
        forms, empty = (event.forms, event.empty) if self._refused == 0 else (None, None)
        params = event.params if self._refused <= 1 else None
        waited = None if self._deferred is None or event.now is None else event.now - self._deferred
        return frames.Mount(
            sent=self.outbox.sent,
            params=params or {},
            forms=forms or {},
            empty=empty or {},
            token=self.token,
            page=event.page or None,
            build=event.build or None,
            identity=event.identity or None,
            fork=self.fork,
            anyway=waited is not None and waited >= _PATIENCE,
        )

    def _wire(self, effects: list[s.Effect]) -> None:
        """Put on the wire what is not there yet."""
        for entry in self.unsent():
            frame = frames.Void(entry.number) if entry.data is None else entry.data
            effects.append(s.Frame(self.conn or 0, frame))
            self.wired = entry.number

    def _strike(self, number: int | None, effects: list[s.Effect]) -> None:
        """Count the end of a connection against the message that may be its cause; give that up in the end."""
        entry = next((entry for entry in self.outbox.after() if entry.number == number), None)
        if entry is None or entry.data is None or entry.number > self.wired:
            return
        entry.strikes += 1
        if entry.strikes >= _STRIKES:
            effects.append(_page("failed", number=entry.number, data=entry.data))
            self.outbox.void(entry.number)
            effects.append(s.Store())

    def _lose(self, entries: list[Entry], effects: list[s.Effect]) -> None:
        if entries:
            numbers, messages = [entry.number for entry in entries], [entry.data for entry in entries]
            effects.append(_page("lost", numbers=numbers, messages=messages))

    def _end(self, effects: list[s.Effect], code: int, reason: str, said: int | None = None) -> State:
        self._close(effects, said, reason)
        effects.append(s.Over(code, reason))
        return State.OVER

    def _close(self, effects: list[s.Effect], code: int | None = None, reason: str = "") -> None:
        if self.conn is not None:
            effects.append(s.Close(self.conn, code, reason))
        if self.next is not None:
            effects.append(s.Close(self.next))
        self.conn = self.next = None


def _page(event: str, **detail: Any) -> s.Page:
    return s.Page(event, detail)


Row = tuple[Any, ...]  # an action, then the states that it may go to (the first one unless it says otherwise)

_C, _S = Client, State


def _always(state: State) -> dict[type, Row]:
    """Return the rows that all states but the last share."""
    return {s.Send: (_C._queue, state), s.Park: (_C._park, _S.WAITING), s.Quit: (_C._quit, _S.OVER)}


def _connected(state: State) -> dict[type, Row]:
    """Return the rows that all states with a connection share. `NoneType` is what is a breach."""
    return {
        **_always(state),
        s.Ping: (_C._ping, state),
        frames.Pong: (_C._ignore, state),
        frames.Reload: (_C._reload, state),
        s.End: (_C._ended, _S.WAITING, _S.OVER),
        type(None): (_C._breach, _S.OVER),
    }


def _mounted(state: State) -> dict[type, Row]:
    """Return the rows that all mounted states share."""
    return {
        **_connected(state),
        str: (_C._deliver, state),
        frames.Token: (_C._take_token, state, _S.OVER),
        **dict.fromkeys((frames.Keep, frames.Restore, frames.Forget), (_C._secret, state)),
        s.Answer: (_C._answer, state),
        frames.Taken: (_C._begin, state),
        frames.Failed: (_C._failed, state),
        frames.Finished: (_C._finished, _S.OVER),
        frames.Clear: (_C._clear, state),
        frames.Url: (_C._url, state),
    }


def _leaving(state: State) -> dict[type, Row]:
    """Return the rows that all states share in which the server is leaving."""
    return {
        **_mounted(state),
        frames.Token: (_C._take_token, state, _S.HANDED, _S.OVER),
        frames.Drain: (_C._ignore, state),
        s.Open: (_C._offer, state),
        s.Lapse: (_C._lapse, state),
        s.Deadline: (_C._release, _S.HANDED),
    }


TABLE: Final[dict[State, dict[type, Row]]] = {
    _S.WAITING: {
        **_always(_S.WAITING),
        s.Open: (_C._offer, _S.WAITING),
        s.Lapse: (_C._lapse, _S.WAITING),
        s.Connect: (_C._mount, _S.MOUNTING),
        s.Fork: (_C._become_copy, _S.WAITING),
    },
    _S.MOUNTING: {
        **_connected(_S.MOUNTING),
        s.Open: (_C._surplus, _S.MOUNTING),
        frames.Mounted: (_C._mounted, _S.LIVE, _S.OVER),
    },
    _S.LIVE: {
        **_mounted(_S.LIVE),
        frames.Drain: (_C._drain, _S.DRAINING),
        s.Open: (_C._surplus, _S.LIVE),
    },
    _S.DRAINING: {
        **_leaving(_S.DRAINING),
        s.Hooks: (_C._flush, _S.FLUSHED),
    },
    _S.FLUSHED: _leaving(_S.FLUSHED),
    _S.HANDED: {**_leaving(_S.HANDED), s.Connect: (_C._mount, _S.MOUNTING)},
    _S.OVER: {},
}
