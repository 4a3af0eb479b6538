"""The server's end of a connection in the model: the real machine and the real merge, with the smallest of handlers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import msgspec

from quart_stash.core import events as e
from quart_stash.core import frames
from quart_stash.core.connection import Connection, State
from quart_stash.core.keys import Keyring
from quart_stash.core.merge import Snapshot, merge, seal_snapshot
from quart_stash.core.state import StateType
from quart_stash.core.tokens import Context, Sealer
from quart_stash.errors import ProtocolError, TokenUnjudgeable

__all__ = ["MAX_AGE", "Down", "End", "Process", "content"]

MAX_AGE = 86_400.0
LIMITS = frames.Limits(message=1000, mount=5000)
SECRETS = {"k1": "t5RkWq2ZxN8vBj3mLs6dHc9yPf4gTa7u", "k2": "q1WmZ8nXo5RtY2uKc7VbE4aSjD9hGf3L"}
HERE = Context("view", ("model",))

Down = frames.ServerControl | str | int
"""What waits for a client: a control frame, a message, or the code of the connection's end."""


@cache
def sealer(keys: tuple[str, ...]) -> Sealer:
    """Return what seals with the first of these keys. Its tokens tell their content apart, and nothing else."""
    return Sealer(Keyring([SECRETS[key] for key in keys]), random=bytes)


@cache
def words_of(version: int) -> StateType[dict[str, list[str]]]:
    """Return the state's type in one version of the code; nothing has changed but the version."""
    state_type: StateType[dict[str, list[str]]] = StateType(dict, version=version)
    for older in range(1, version):
        state_type.migrate(older)(lambda old: old)
    return state_type


_contents: dict[str, tuple[str, int, list[str]]] = {}


def content(token: str) -> tuple[str, int, list[str]]:
    """Return view id, number of messages and state of a token of the model."""
    return _contents[token]


def holds(view: End, caller: End) -> bool:
    """Whether who sends to a view has to wait: the rule of `quart_stash.live.verbs`, which an exploration may replace.

    Of a view whose final token is out, the handler waits to be cancelled. Nobody else waits.
    """
    return view is caller and view.machine.state is State.HANDED


@dataclass
class Process:
    """One server process.

    Attributes:
        number: 1, 2, 3 …
        keys: its secret keys, newest first.
        version: of its code.
        up: whether it runs.
        draining: whether it was told to leave.
    """

    number: int
    keys: tuple[str, ...]
    version: int
    up: bool = True
    draining: bool = False


@dataclass
class End:
    """One connection as the server has it.

    Attributes:
        machine: the real one.
        words: the state as the handler has it in hand.
        snapshot: the state at the last commit.
        due: whether a token is due, some time.
        mount: the mount that is to be judged.
        hand: what the handler has in hand, and how far it is with it.
        asked: whether the handler waits for a message.
        telling: the ends of other views that the handler still has to tell what it was told.
        held: whether the handler waits to be cancelled, and so does nothing more.
    """

    process: Process
    say: Callable[[Down], None]
    machine: Connection = field(default_factory=Connection)
    view_id: str = ""
    lineage: str = ""
    words: list[str] = field(default_factory=list)
    snapshot: tuple[str, ...] = ()
    sealed: tuple[int, tuple[str, ...]] | None = None
    due: bool = False
    mount: frames.Mount | None = None
    hand: e.Message | None = None
    committed: bool = False
    asked: bool = False
    telling: deque[End] = field(default_factory=deque)
    held: bool = False

    def key(self) -> tuple[Any, ...]:
        """Return what tells it from others."""
        machine = self.machine
        return (
            (
                machine.state,
                machine.received,
                machine.in_hand,
                tuple(machine.inbox),
                machine._arrived,
                machine._sent,
                machine.overflowing,
                machine._left,
            ),
            (
                machine._asking,
                machine._ever_asked,
                self.view_id,
                self.lineage,
                tuple(self.words),
                self.snapshot,
                self.sealed,
            ),
            (self.due, self.mount and frames.encode(self.mount), self.hand, self.committed, self.asked),
            (self.held, *((end.view_id, end.machine.state) for end in self.telling)),
        )

    @property
    def ended(self) -> bool:
        """Whether the connection is over for the server."""
        return self.machine.state is State.ENDED

    def apply(self, event: e.Event, now: float) -> None:
        """Let the machine handle an event, and do what it says."""
        behind = False
        for effect in self.machine.handle(event):
            match effect:
                case e.Message() | e.Answered():
                    pass
                case e.Decide(mount):
                    self.mount = mount
                case e.Due(final):
                    self.due = True
                    if final:
                        self.seal(now, final=True)
                case e.Behind():
                    behind = True
                case e.Close(code):
                    self.say(code)
                case _:
                    self.say(effect)
        if behind:
            self.apply(e.StartDrain("d3", 9000, 200), now)

    def judge(self, new_id: str, now: float) -> None:
        """Answer the mount."""
        mount, self.mount = self.mount, None
        if mount is None or self.ended:
            return
        try:
            merged = merge(
                words_of(self.process.version), sealer(self.process.keys), HERE, token=mount.token, params={},
                sent=mount.sent, fork=mount.fork, anyway=mount.anyway, new_id=new_id, max_age=MAX_AGE, max_size=65536,
                now=now,
            )  # fmt: skip
        except TokenUnjudgeable:
            self.apply(e.Defer(4409), now)
            return
        except ProtocolError as error:
            self.apply(e.Defer(error.close_code), now)
            return
        self.view_id, self.lineage = merged.view_id, merged.lineage
        self.words = list(merged.state.get("words", []))
        self.snapshot = tuple(self.words)
        aged = merged.issued_at is None or now - merged.issued_at > MAX_AGE / 2
        token = None
        if merged.status != "restored" or mount.fork or aged:
            token = self._token(merged.received, now if aged else merged.issued_at or now)
        mounted = frames.Mounted(merged.status, merged.received, "b1", LIMITS, merged.reason, token)
        self.apply(e.Decided(mounted), now)
        self.ask(now)

    def ask(self, now: float) -> None:
        """The handler asks for the next message: the commit point."""
        if self.ended:
            return
        self.hand, self.committed = None, False
        self.telling.clear()
        self.snapshot = tuple(self.words)
        self.asked = True
        self.apply(e.Ask(), now)

    def take(self) -> e.Message | None:
        """The handler takes what waits for it."""
        self.hand = self.machine.take()
        self.asked = self.hand is None
        return self.hand

    @property
    def present(self) -> bool:
        """Whether its handler runs, so that others may find the view in a room."""
        return bool(self.view_id) and not self.ended

    @property
    def works(self) -> bool:
        """Whether the handler has something to do."""
        return self.hand is not None and not self.held

    def work(self, now: float, others: Iterable[End] = ()) -> None:
        """The handler does one thing with the message in its hand; its first letter says what.

        Args:
            now: seconds.
            others: the ends of this process's other views, for a handler that tells its room.
        """
        if self.hand is None:
            return
        data = str(self.hand.data)
        if self.telling and holds(self.telling[0], self):
            self.held = True
        elif self.telling:
            self.telling.popleft().hear(data)
            if not self.telling:
                self.ask(now)
        elif data[0] == "t":
            self.words.append(data)
            self.telling.extend(others)
            if not self.telling:
                self.ask(now)
        elif data[0] == "r" or (data[0] == "x" and self.committed):
            self.apply(e.Raise(self._token(self.machine.received + self.machine.in_hand, now)), now)
        elif data[0] in "cx" and not self.committed:
            self.words.append(data)
            self.snapshot = tuple(self.words)
            self.committed = True
            self.apply(e.Push(mid=True), now)
        else:
            if not self.committed:
                self.words.append(data)
            if data[0] == "f":
                self.snapshot = tuple(self.words)
                self.apply(e.Return(), now)
            else:
                self.ask(now)

    def hear(self, data: str) -> None:
        """Somebody else's handler tells this view something. It is no event of its machine: it commits nothing."""
        if not self.machine.over:
            self.say(data)

    def seal(self, now: float, *, final: bool = False) -> None:
        """Send a token for the newest commit, if something has changed since the last one."""
        self.due = False
        if self.machine.over or (not final and self.sealed == (self.machine.received, self.snapshot)):
            return
        self.apply(e.Seal(self._token(self.machine.received, now)), now)

    def _token(self, received: int, now: float) -> str:
        self.sealed = (received, self.snapshot)
        state = msgspec.Raw(msgspec.msgpack.encode({"words": self.snapshot}))
        snapshot = Snapshot(self.view_id, received, state, self.lineage)
        token = seal_snapshot(
            sealer(self.process.keys), HERE, snapshot, version=self.process.version, now=now
        )
        _contents[token] = (self.view_id, received, list(self.snapshot))
        return token
