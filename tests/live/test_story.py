"""A view's life across processes: whatever happens between client and servers, each message counts once, in order."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from quart_stash.view import View

from .pipe import Pipe, Process, in_virtual_time, settle, unseal


@dataclass
class Words:
    words: list[str] = field(default_factory=list)


async def collect(view: View[Words]) -> None:
    """Append every message, some of them slowly, some with a commit in the middle, some with an answer."""
    async for message in view:
        kind = str(message.data)[0]
        if kind == "s":
            await asyncio.sleep(0.3)
        view.state.words.append(str(message.data))
        if kind == "c":
            await view.commit()
            await asyncio.sleep(0.3)
        elif kind == "a":
            await view.send("an answer")
            await asyncio.sleep(0.3)


class Tab:
    """An honest client in memory: keeps token and outbox, and replays what no token covers."""

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self.token: str | None = None
        self.received = 0
        self.outbox: dict[int, str | None] = {}
        self.sent = 0
        self.expected: list[str] = []
        self.flushed = False
        self.process: Process
        self.pipe: Pipe

    async def connect(self) -> None:
        """Mount in a new process."""
        self.process = Process(collect, Words, sync_interval=self.interval, shutdown_timeout=2)
        self.pipe = self.process.open()
        self.flushed = False
        token = {} if self.token is None else {"token": self.token}
        mounted = await self.pipe.mount(sent=self.sent, **token)
        assert mounted["status"] == ("fresh" if self.token is None else "restored")
        assert mounted["received"] == self.received
        self.token = mounted.get("token", self.token)
        for number in sorted(self.outbox):
            self.transmit(number)

    def transmit(self, number: int) -> None:
        data = self.outbox[number]
        if data is None:
            self.pipe.say("void", number=number)
        else:
            self.pipe.message(data)

    def send(self, kind: str) -> None:
        """Send one message of a kind, or a void."""
        self.read()
        self.sent += 1
        self.outbox[self.sent] = None if kind == "v" else f"{kind}{self.sent}"
        if kind != "v":
            self.expected.append(f"{kind}{self.sent}")
        if not self.flushed:
            self.transmit(self.sent)

    def read(self) -> None:
        """Take note of the newest token."""
        for frame in self.pipe.frames("token"):
            if frame["received"] >= self.received:
                self.token, self.received = frame["token"], frame["received"]
        self.outbox = {number: data for number, data in self.outbox.items() if number > self.received}

    async def lose(self) -> None:
        """Lose the connection and the process, without a word."""
        self.read()
        self.pipe.readable = True
        self.pipe.disconnect()
        await self.pipe.ended()
        await self.connect()

    async def deploy(self, *, answer: bool, late: str | None) -> None:
        """Live through a drain; answer it, and send one more message when it is too late for this connection."""
        drain = self.process.drain()
        await self.pipe.until(lambda: self.pipe.frames("drain"))
        if answer:
            self.read()
            self.pipe.say("flushed", sent=self.sent)
            self.flushed = True
            if late is not None:
                self.send(late)
            await self.pipe.until(lambda: self.pipe.final or self.pipe.close_code)
            self.read()
            self.pipe.say("synced", received=self.received)
        assert await self.pipe.closed() == 1012
        await drain
        self.read()
        await self.connect()


kinds = st.sampled_from(["n", "s", "c", "a", "v"])
actions = st.one_of(
    st.tuples(st.just("send"), kinds),
    st.tuples(st.just("send"), kinds),
    st.tuples(st.just("wait"), st.sampled_from([0.0, 0.1, 0.5])),
    st.tuples(st.just("lose"), st.sampled_from([0.0, 0.1])),
    st.tuples(st.just("deploy"), st.none() | kinds),
    st.tuples(st.just("ignore a deploy"), st.none()),
    st.tuples(st.just("read"), st.booleans()),
)


@in_virtual_time
async def live(interval: float, plan: list[tuple[str, Any]]) -> None:
    tab = Tab(interval)
    await tab.connect()
    for action, value in plan:
        match action:
            case "send":
                tab.send(value)
            case "wait":
                await (asyncio.sleep(value) if value else settle())
            case "lose":
                await asyncio.sleep(value)
                await tab.lose()
            case "deploy":
                tab.pipe.readable = True
                await tab.deploy(answer=True, late=value)
            case "ignore a deploy":
                tab.pipe.readable = True
                await tab.deploy(answer=False, late=None)
            case "read":
                tab.pipe.readable = value
    tab.pipe.readable = True
    tab.send("n")
    await tab.deploy(answer=True, late=None)
    while tab.received < tab.sent:
        await tab.pipe.until(lambda: any(f["received"] > tab.received for f in tab.pipe.frames("token")))
        tab.read()
    assert tab.token is not None
    _, received, state = unseal(tab.token)
    assert received == tab.sent
    assert state["words"] == tab.expected
    assert tab.process.errors == []


@settings(max_examples=200)
@given(st.sampled_from([0, 0.25, 5]), st.lists(actions, max_size=15))
def test_each_message_counts_once_in_order(interval: float, plan: list[tuple[str, Any]]) -> None:
    """Through lost connections, answered and ignored drains and slow peers, the state is the fold of all messages."""
    live(interval, plan)
