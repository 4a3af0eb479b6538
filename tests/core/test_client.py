"""The client's machine: it plays every conversation of the shared vectors, and nothing a server says makes it raise."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quart_stash.core import frames
from quart_stash.core import stimuli as s
from quart_stash.core.client import TABLE, Client, State
from quart_stash.core.outbox import Outbox

VECTORS = Path(__file__).parent.parent / "vectors"
CONVERSATIONS = json.loads((VECTORS / "machine.json").read_text())
MERGES = json.loads((VECTORS / "merge.json").read_text())
LIMITS = frames.Limits(message=1000, mount=5000)


def shown(frame: s.Up) -> dict[str, Any]:
    """Return a frame of the client as the vectors write it."""
    if isinstance(frame, str | bytes):
        return {"message": frame}
    return dict(msgspec.to_builtins(frame))


def said(effects: list[s.Effect]) -> list[dict[str, Any]]:
    return [shown(effect.frame) for effect in effects if isinstance(effect, s.Frame)]


class Half:
    """Plays the client's steps of a conversation."""

    def __init__(self) -> None:
        self.machine = Client()
        self.conn = 0
        self.up: deque[dict[str, Any]] = deque()
        self.page: deque[dict[str, Any]] = deque()

    def take(self, effects: list[s.Effect]) -> None:
        self.up += said(effects)
        self.page += [
            {"event": effect.event, **effect.detail} for effect in effects if isinstance(effect, s.Page)
        ]

    def stimulus(self, do: str, **fields: Any) -> None:
        kind = {"connect": s.Connect, "send": s.Send, "hooks": s.Hooks, "end": s.End, "ping": s.Ping}[do]
        if do == "connect":
            self.conn += 1
        if "conn" in kind.__struct_fields__:
            fields["conn"] = self.conn
        self.take(self.machine.handle(kind(**fields)))

    def play(self, step: dict[str, Any]) -> None:
        ((key, value),) = step.items()
        if key == "client":
            self.stimulus(**value)
        elif key == "down":
            frame = value["message"] if "message" in value else frames.parse_down(json.dumps(value))
            self.take(self.machine.receive(self.conn, frame))
        elif key == "close":
            self.take(self.machine.handle(s.End(self.conn, value)))
        elif key == "up":
            assert self.up, "nothing was said"
            assert self.up.popleft() == value
        elif key == "page":
            event = self.page.popleft()
            assert {name: event.get(name) for name in value} == value  # the page is told more than they say


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=lambda v: v["name"])
def test_conversation(conversation: dict[str, Any]) -> None:
    """Each shared conversation comes out of this half as it is written."""
    half = Half()
    for step in conversation["steps"]:
        half.play(step)
    assert not half.up
    assert not half.page


# Fewer messages than the token covers: no client of ours can say that.
@pytest.mark.parametrize(
    "case",
    [case for case in MERGES["cases"] if case["sent"] >= (case["token"] or {"received": 0})["received"]],
    ids=lambda case: case["name"],
)
def test_mount(case: dict[str, Any]) -> None:
    """What the client holds after each shared mount, and what it then replays or loses, is what the vectors say."""
    before = (case["token"] or {"received": 0})["received"]
    outbox = tuple(f"message {number}" for number in range(before + 1, case["sent"] + 1))
    machine = Client(s.Slot("T" if case["token"] else None, before, outbox))
    if case["fork"]:
        machine.handle(s.Fork())
        outbox = ()
    (mount,) = said(machine.handle(s.Connect(1, params=case["params"])))
    assert mount.get("fork", False) == (case["fork"] and case["token"] is not None)
    expect = case["expect"]
    if expect.get("error") == "unjudgeable":
        machine.handle(s.End(1, 4409))
        assert machine.slot() == s.Slot("T", before, outbox, machine.fork)
        return
    mounted = frames.Mounted(
        expect["status"], expect["received"], "b1", LIMITS, expect.get("reason"),
        "N" if expect["view"] == "new" else None,
    )  # fmt: skip
    effects = machine.receive(1, mounted)
    rejected = expect["status"] == "rejected"
    lost = [e.detail["messages"] for e in effects if isinstance(e, s.Page) and e.event == "lost"]
    assert lost == ([list(outbox)] if rejected and outbox else [])
    assert [frame["message"] for frame in said(effects)] == ([] if rejected else list(outbox))
    assert machine.token == ("N" if expect["view"] == "new" else "T")


numbers = st.integers(0, 5)
server_frames = st.one_of(
    st.builds(frames.Mounted, st.sampled_from(["fresh", "restored", "rejected"]), numbers, st.just("b"), st.just(LIMITS)),
    st.builds(frames.Token, numbers, st.just("t"), st.booleans()),
    st.builds(frames.Taken, numbers),
    st.builds(frames.Failed, numbers),
    st.builds(frames.Finished, numbers),
    st.sampled_from([
        frames.Drain("d", 100, 10), frames.Keep("k", "t", "tab", 5), frames.Restore("k", "tab"), frames.Forget("k", "tab"),
        frames.Clear("f", 1), frames.Url({"a": None}), frames.Reload("stale"), frames.Pong(), "a message", b"bytes", None,
    ]),
)  # fmt: skip
conns = st.integers(1, 3)
stimuli = st.one_of(
    st.builds(s.Open, conns), st.builds(s.Connect, conns), st.builds(s.Send, st.just("x"), st.booleans()),
    st.builds(s.Hooks, conns), st.builds(s.Deadline, conns), st.builds(s.Answer, conns, st.just(frames.Stored("k"))),
    st.builds(s.End, conns, st.sampled_from([1000, 1006, 1009, 1012, 4409])),
    st.sampled_from([s.Ping(), s.Park(), s.Fork(), s.Quit()]),
)  # fmt: skip


@given(st.lists(stimuli | st.tuples(conns, server_frames)))
def test_never_raises(steps: list[Any]) -> None:
    """Whatever happens and whatever a server says, the machine answers, does not raise, and keeps its numbers straight."""
    machine = Client()
    for step in steps:
        machine.receive(*step) if isinstance(step, tuple) else machine.handle(step)
        assert machine.outbox.received <= machine.wired <= machine.outbox.sent
        assert [entry.number for entry in machine.outbox.after()] == [
            *range(machine.outbox.received + 1, machine.outbox.sent + 1)
        ]


@pytest.mark.parametrize("received", [0, 2, 3])
@pytest.mark.parametrize("status", ["fresh", "restored"])
def test_a_mount_that_can_not_be(status: Any, received: int) -> None:
    """A mount that has received fewer messages than the token covers, or more, ends the view; all that is stored stays."""
    slot = s.Slot("T1" if status == "restored" else None, 1, ("b",))
    machine = Client(slot)
    machine.handle(s.Connect(1))
    machine.receive(1, frames.Mounted(status, received, "b1", LIMITS))
    assert (machine.state, machine.slot()) == (State.OVER, slot)


@pytest.mark.parametrize("received", [0, 3])
@pytest.mark.parametrize("frame", [frames.Finished, frames.Token], ids=["finished", "token"])
def test_a_count_that_can_not_be(frame: Any, received: int) -> None:
    """A server that claims more messages than were on the wire, or fewer than before, ends the view; its slot stays."""
    slot = s.Slot("T1", 1, ("b",))
    machine = Client(slot)
    machine.handle(s.Connect(1))
    machine.receive(1, frames.Mounted("restored", 1, "b1", LIMITS))
    machine.receive(1, frame(received) if frame is frames.Finished else frame(received, "T2"))
    assert (machine.state, machine.slot()) == (State.OVER, slot)


def test_table_names_only_its_states() -> None:
    """Each row's targets are states, and the last state has no way out."""
    for rows in TABLE.values():
        for _, *targets in rows.values():
            assert targets and all(isinstance(target, State) for target in targets)
    assert TABLE[State.OVER] == {}


def test_a_delay_is_for_those_who_are_refused() -> None:
    """Who is refused in a drain waits for the server's delay; who was let in and put out again does not."""
    client = Client()
    client.handle(s.Connect(1))
    client.receive(1, frames.Mounted("fresh", 0, "", LIMITS))
    client.receive(1, frames.Drain("d", 9, 70))
    assert client.handle(s.End(2, 1006)) == [s.OpenLater(70)]
    client.handle(s.Open(3))
    assert client.handle(s.End(3, 1012)) == [s.OpenLater(0)]
    client.handle(s.Open(4))
    client.handle(s.Deadline(1))
    client.handle(s.Connect(4))
    assert client.handle(s.End(4, 1012)) == [s.OpenLater(0)]


def test_an_outbox_keeps_its_numbers() -> None:
    """A void message keeps its number, a secret stays out of what is stored, and a copy's messages move up."""
    outbox = Outbox(2, ["c", None])
    outbox.add("e", secret=True)
    outbox.void(3)
    assert outbox.sent == 5
    assert [(entry.number, entry.data) for entry in outbox.after()] == [(3, None), (4, None), (5, "e")]
    assert outbox.stored() == (None, None, None)
    outbox.trim(1)
    outbox.drop(4)
    assert [(entry.number, entry.data) for entry in outbox.after()] == [(3, "e")]
    assert [entry.data for entry in outbox.reset(0)] == ["e"]
    assert outbox.after() == []
