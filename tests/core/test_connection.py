"""The server's machine: it plays every conversation of the shared vectors, and no peer input makes it raise."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quart_stash.core import connection as c
from quart_stash.core import events as e
from quart_stash.core import frames

CONVERSATIONS = json.loads((Path(__file__).parent.parent / "vectors/machine.json").read_text())
LIMITS = frames.Limits(message=1000, mount=5000)


class Half:
    """Plays the server's steps of a conversation, over as many connections as it takes."""

    def __init__(self) -> None:
        self.out: deque[Any] = deque()
        self.machine = c.Connection()

    def feed(self, event: e.Event) -> None:
        for effect in self.machine.handle(event):
            if isinstance(effect, e.Message):
                self.out.append(
                    {"app": {"message": effect.data, "number": effect.number, "replayed": effect.replayed}}
                )
            elif isinstance(effect, e.Close):
                self.out.append({"close": effect.code})
            elif not isinstance(effect, e.Decide | e.Due | e.Behind | e.Answered):
                self.out.append({"down": json.loads(frames.encode(effect))})

    def up(self, frame: dict[str, Any]) -> None:
        if self.machine.state is c.State.ENDED:
            self.machine = c.Connection()
        if "message" in frame:
            waiting = self.machine._asking
            self.feed(e.Received(frame["message"]))
            if waiting:
                self.machine.take()
        else:
            self.feed(frames.parse_control(json.dumps(frame)))

    def server(self, do: str, **args: Any) -> None:
        match do:
            case "decide":
                self.feed(e.Decided(frames.Mounted(build="b1", limits=LIMITS, **args)))
            case "ask":
                self.feed(e.Ask())
                self.machine.take()
            case "push":
                self.out.append({"down": {"message": args["data"]}})
                self.feed(e.Push())
            case _:
                event = {
                    "defer": e.Defer,
                    "seal": e.Seal,
                    "drain": e.StartDrain,
                    "overflow": e.Overflow,
                    "return": e.Return,
                    "raise": e.Raise,
                    "deadline": e.Deadline,
                    "gone": e.Gone,
                }[do]
                self.feed(event(**args))


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=lambda v: v["name"])
def test_conversation(conversation: dict[str, Any]) -> None:
    """Each shared conversation comes out of this half as it is written."""
    half = Half()
    for index, step in enumerate(conversation["steps"]):
        ((key, value),) = step.items()
        if key == "up":
            half.up(value)
        elif key == "server":
            half.server(**value)
        elif key in ("down", "close", "app"):
            assert half.out, f"step {index}: nothing was emitted for {step}"
            assert half.out.popleft() == step, f"step {index}"
    assert not half.out


numbers = st.integers(0, 5)
peer_events = st.one_of(
    st.builds(frames.Mount, sent=numbers),
    st.builds(frames.Flushed, sent=numbers),
    st.builds(frames.Synced, received=numbers),
    st.builds(frames.Void, number=numbers),
    st.just(frames.Stored("k")),
    st.just(frames.Kept("k", "t")),
    st.just(frames.Ping()),
    st.just(e.Received("x")),
    st.just(e.Violation("x")),
    st.just(e.Gone()),
)
any_time = st.sampled_from([e.StartDrain("d", 1, 1), e.Deadline()])


@given(st.lists(st.tuples(st.booleans(), peer_events, any_time, st.integers(0, 6))))
def test_never_raises(steps: list[Any]) -> None:
    """Whatever the peer sends, in whatever state, the machine answers and does not raise."""
    machine = c.Connection()
    for local, peer, anytime, pick in steps:
        if not local:
            machine.handle(peer)
        elif machine.state is c.State.DECIDING:
            machine.handle(e.Decided(frames.Mounted("fresh", 0, "b", LIMITS)))
        elif machine.state is c.State.OPENED:
            machine.handle([e.MountTimeout(), anytime][pick % 2])
        elif pick == 0:
            machine.handle(e.Ask())
            machine.take()
        else:
            machine.handle(
                [anytime, e.Push(), e.Push(mid=True), e.Seal("t"), e.Return(), e.Raise(None)][pick - 1]
            )
        assert machine.received <= machine._arrived


def test_a_mount_time_out_that_is_late() -> None:
    """A time-out that was on its way when the mount came does nothing, however far the view is by then."""
    for state in c.State:
        machine = c.Connection()
        machine.state, machine.in_hand = state, True
        if state is not c.State.OPENED:
            assert machine.handle(e.MountTimeout()) == []
            assert machine.state is state


def test_table_is_complete() -> None:
    """Every state but the last has a row for everything that a peer can do."""
    peer = {
        frames.Mount, frames.Flushed, frames.Synced, frames.Void, frames.Stored, frames.Kept, frames.Ping,
        e.Received, e.Violation, e.Gone,
    }  # fmt: skip
    for state, rows in c.TABLE.items():
        if state is not c.State.ENDED:
            assert peer <= rows.keys(), state


def test_our_own_mistake_is_loud() -> None:
    """An event of this side that a state has no row for raises, since that is our bug."""
    with pytest.raises(LookupError):
        c.Connection().handle(e.Ask())


def test_void_takes_a_number() -> None:
    """A void message counts as received without reaching the handler."""
    machine = c.Connection()
    machine.handle(frames.Mount(sent=0))
    machine.handle(e.Decided(frames.Mounted("fresh", 0, "b", LIMITS)))
    machine.handle(e.Ask())
    machine.handle(frames.Void(1))
    machine.handle(e.Received("b"))
    assert machine.take() == e.Message("b", 2, False)
    assert machine.received == 1


def test_an_overflow_of_an_empty_inbox_is_none() -> None:
    """The handler has taken all and waits: it would never ask again for what is left to the client."""
    half = Half()
    half.up({"type": "mount", "sent": 0})
    half.server("decide", status="fresh", received=0, token="T0")
    half.server("ask")
    half.server("overflow")
    half.up({"message": "a"})
    assert half.out[-1] == {"app": {"message": "a", "number": 1, "replayed": False}}
