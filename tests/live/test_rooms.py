"""Views that tell each other things: nobody waits for anybody else's hand-over, however far away the peers are."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from quart_stash import StateTooLarge, ViewLeft
from quart_stash.testing.tab import Tab
from quart_stash.view import View

from .pipe import Pipe, Process, Wire, in_virtual_time, settle

MEMBERS = 12


@dataclass
class Note:
    heard: int = 0
    said: list[str] = field(default_factory=list)


class Room:
    """The views of one process that hear each other, as applications keep them."""

    def __init__(self) -> None:
        self.views: list[View[Any]] = []
        self.sent: list[bool] = []

    @contextmanager
    def joined(self, view: View[Any]) -> Iterator[None]:
        self.views.append(view)
        try:
            yield
        finally:
            self.views.remove(view)

    async def tell(self, text: str) -> None:
        """Tell everybody, one after the other."""
        for view in list(self.views):
            self.sent.append(await view.send(text))

    async def tell_at_once(self, text: str) -> None:
        self.sent += await asyncio.gather(*(view.send(text) for view in list(self.views)))

    async def listen(self, view: View[Note]) -> None:
        """A handler: say nothing, hear all."""
        with self.joined(view):
            async for _ in view:
                view.state.heard += 1

    async def chat(self, view: View[Note]) -> None:
        """A handler: tell all what one has said."""
        with self.joined(view):
            async for message in view:
                view.state.said.append(str(message.data))
                await self.tell(str(message.data))


class Page:
    """A page that says something now and then, through whatever happens to its server."""

    def __init__(self, deployment: Deployment, number: int) -> None:
        self.got: list[str | bytes] = []
        self.said = 0
        self.number = number
        self.tab = Tab(self.dial, message=self.got.append, rng=random.Random(number))
        self._deployment = deployment

    async def dial(self) -> Wire:
        pipe = self._deployment.process.open()
        await pipe.until(lambda: pipe.kinds)
        return Wire(pipe)

    async def talk(self, pace: float) -> None:
        while True:
            self.said += 1
            self.tab.send(f"{self.number}.{self.said}")
            await asyncio.sleep(pace)


class Deployment:
    """The newest process of an application, and those before it."""

    def __init__(
        self, handler: Callable[[Room], Callable[[View[Any]], Awaitable[None]]], **config: Any
    ) -> None:
        self._handler = handler
        self._config = config
        self.replace()

    def replace(self) -> None:
        self.room = Room()
        self.process = Process(self._handler(self.room), Note, **self._config)


@asynccontextmanager
async def meanwhile(*work: Coroutine[Any, Any, Any]) -> AsyncIterator[None]:
    """Let something go on that has no end of its own."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def ticking(room: Room) -> None:
    """Tell the room the time, for ever."""
    while True:
        await room.tell("tick")
        await asyncio.sleep(0.1)


def now() -> float:
    return asyncio.get_running_loop().time()


def answering(pipe: Pipe) -> asyncio.Task[Any]:
    """Answer the drain, once it comes."""
    return asyncio.create_task(pipe.answer_drain(sent=0))


async def ticks(pipe: Pipe, more: int = 3) -> None:
    """Wait until a peer is told some more."""
    before = len(pipe.got)
    async with asyncio.timeout(5):
        await pipe.until(lambda: len(pipe.got) >= before + more)


@pytest.mark.parametrize("pace", [0.05, 0.3])
@in_virtual_time
async def test_a_room_is_drained(pace: float) -> None:
    """Twelve pages at unequal distances, each telling the room all the while: a drain hands all of them over at once."""
    deployment = Deployment(lambda room: room.chat)
    pages = [Page(deployment, number) for number in range(MEMBERS)]
    for page in pages:
        page.tab.start()
    await asyncio.sleep(3)
    async with meanwhile(*(page.talk(pace) for page in pages)):
        await asyncio.sleep(1)
        old = deployment.process
        deployment.replace()
        began = now()
        await old.drain()
        assert old.outcomes == {"synced": MEMBERS}
        assert now() - began < 2
        await asyncio.sleep(3)
    await asyncio.sleep(3)
    assert all(page.tab.received == page.said for page in pages)
    assert sorted(session.state.said for session in deployment.process.sessions if session.live) == sorted(
        [f"{page.number}.{count + 1}" for count in range(page.said)] for page in pages
    )
    for page in pages:
        await page.tab.close()


@in_virtual_time
async def test_a_ticker_outlives_a_hand_over() -> None:
    """A ticker goes on telling those who stay, while others are handed over and when their connections grow old."""
    room = Room()
    process = Process(room.listen, Note)
    leaving, staying = await process.mount(), await process.mount()
    async with meanwhile(ticking(room)):
        await ticks(staying)
        work = asyncio.create_task(process.host.gateway.rebalance(0.5))
        await settle()
        if not leaving.frames("drain"):
            leaving, staying = staying, leaving
        leaving.say("flushed", sent=0)
        await leaving.until(lambda: leaving.final)  # and never says `synced`
        await ticks(staying)
        leaving.say("synced", received=0)
        await leaving.closed()
        assert await work == {"synced": 1}
        await ticks(staying)


@in_virtual_time
async def test_a_ticker_goes_on_when_connections_grow_old() -> None:
    """After an aged connection was handed over, the ticker tells its successor and everybody else."""
    room = Room()
    process = Process(room.listen, Note, max_connection_age=60, silence_timeout=None)
    pipe = await process.mount()
    async with meanwhile(ticking(room)):
        await ticks(pipe)
        token = (await pipe.answer_drain(sent=0))["token"]
        after = await process.mount(token=token)
        await ticks(after)


@in_virtual_time
async def test_a_ticker_that_a_handler_has_started() -> None:
    """A task that one handler has started for all goes on when that handler's view is handed over."""
    room = Room()
    tasks: list[asyncio.Task[None]] = []

    async def handler(view: View[Note]) -> None:
        if not tasks:
            tasks.append(asyncio.create_task(ticking(room)))
        await room.listen(view)

    process = Process(handler, Note)
    first = await process.mount()
    second = await process.mount()
    await ticks(second)
    one = process.host.gateway.registry.views()[:1]
    work = process.host.gateway.drainer.hand_over(one, timeout=5)
    await first.until(lambda: first.frames("drain"))
    first.say("flushed", sent=0)
    await first.until(lambda: first.final)
    await ticks(second)
    first.say("synced", received=0)
    await first.closed()
    await work
    await ticks(second)
    tasks[0].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("way", ["one after the other", "at once"])
@in_virtual_time
async def test_a_request_that_tells_a_room(way: str) -> None:
    """A task that is no view's tells a room in which somebody is being handed over: it is told who was not reached."""
    room = Room()
    process = Process(room.listen, Note)
    pipes = [await process.mount() for _ in range(3)]
    drain = process.drain()
    await pipes[1].until(lambda: pipes[1].frames("drain"))
    pipes[1].say("flushed", sent=0)
    await pipes[1].until(lambda: pipes[1].final)
    tell = room.tell if way == "one after the other" else room.tell_at_once
    began = now()
    await asyncio.create_task(tell("news"))
    assert now() - began < 0.01
    assert room.sent == [True, False, True]
    await settle()
    assert [pipe.got for pipe in pipes] == [["news"], [], ["news"]]
    pipes[1].say("synced", received=0)
    await pipes[1].closed()
    for pipe in (pipes[0], pipes[2]):
        await pipe.answer_drain(sent=0)
    await drain
    assert process.outcomes == {"synced": 3}


@pytest.mark.parametrize("way", ["one after the other", "at once"])
@in_virtual_time
async def test_a_peer_that_does_not_read_holds_up_a_room_once(way: str) -> None:
    """It costs a sender a second, once, and the others nothing; when it reads again it is told things again."""
    room = Room()
    process = Process(room.listen, Note, silence_timeout=None, max_queue=20)
    pipes = [await process.mount() for _ in range(3)]
    pipes[1].readable = False
    tell = room.tell if way == "one after the other" else room.tell_at_once

    async def told(text: str) -> float:
        began = now()
        await asyncio.create_task(tell(text))
        return now() - began

    took = [await told(str(number)) for number in range(200)]
    assert sum(took) < 2.5
    assert not any(took[-100:])
    await settle()
    assert [len(pipe.got) for pipe in pipes] == [200, 0, 200]
    assert not room.sent[-2]
    pipes[1].readable = True
    await settle()
    queued = pipes[1].got
    assert queued == [str(number) for number in range(len(queued))], "in order, none out of the middle"
    assert await told("again") == 0
    assert room.sent[-3:] == [True, True, True]
    await settle()
    assert pipes[1].got[-1] == "again"


@in_virtual_time
async def test_what_is_sent_from_elsewhere_is_no_commit() -> None:
    """A half-done change of a view is not committed by what somebody else sends to it, and too large a state is not theirs."""
    room = Room()
    go_on = asyncio.Event()

    async def handler(view: View[Note]) -> None:
        with room.joined(view):
            async for message in view:
                view.state.said.append("x" * 100_000)
                await go_on.wait()
                view.state.said[-1] = str(message.data)

    process = Process(handler, Note)
    pipe = await process.mount()
    pipe.message("small")
    await settle()
    tokens = len(pipe.frames("token"))
    await asyncio.create_task(room.tell("from elsewhere"))
    assert room.sent == [True]
    await settle()
    assert pipe.got == ["from elsewhere"]
    assert len(pipe.frames("token")) == tokens
    go_on.set()
    final = await pipe.answer_drain(sent=1) if process.drain() else None
    assert final is not None and final["received"] == 1
    assert process.errors == []


@in_virtual_time
async def test_a_state_is_committed_by_its_own_view_alone() -> None:
    """While no message is in hand, a change that is too large raises where the view itself sends, not where others do."""
    view_of: list[View[Note]] = []
    go_on = asyncio.Event()

    async def handler(view: View[Note]) -> None:
        view_of.append(view)
        view.state.said.append("x" * 100_000)
        await go_on.wait()
        with pytest.raises(StateTooLarge):
            await view.send("mine")
        view.state.said.clear()
        async for _ in view:
            pass

    process = Process(handler, Note)
    pipe = await process.mount()
    assert await asyncio.create_task(view_of[0].send("theirs"))
    go_on.set()
    await pipe.until(lambda: "mine" in pipe.got)
    await settle()
    assert process.errors == []


@pytest.mark.parametrize("verb", ["keep", "restore", "forget", "receive"])
@pytest.mark.parametrize("when", ["before", "meanwhile"])
@in_virtual_time
async def test_what_needs_an_answer_raises(verb: str, when: str) -> None:
    """Of a view that has left, a verb that needs an answer raises in a task that is not its own, also while it waits."""
    views: list[View[Note]] = []

    async def handler(view: View[Note]) -> None:
        views.append(view)
        await asyncio.Event().wait()

    process = Process(handler, Note)
    pipe = await process.mount()
    calls: dict[str, Callable[[View[Note]], Coroutine[Any, Any, Any]]] = {
        "keep": lambda view: view.keep("secret", 1, max_age=60),
        "restore": lambda view: view.restore("secret"),
        "forget": lambda view: view.forget("secret"),
        "receive": lambda view: view.receive(),
    }
    asking = asyncio.create_task(calls[verb](views[0])) if when == "meanwhile" else None
    await settle()
    drain = process.drain()
    await pipe.until(lambda: pipe.frames("drain"))
    pipe.say("flushed", sent=0)
    if verb == "receive" and when == "meanwhile":
        await pipe.until(lambda: pipe.final)
    elif asking is not None:
        pipe.disconnect()
    else:
        pipe.disconnect()
    await settle()
    asking = asking or asyncio.create_task(calls[verb](views[0]))
    with pytest.raises(ViewLeft):
        await asyncio.wait_for(asking, 5)
    pipe.disconnect()
    await drain


@in_virtual_time
async def test_nobody_else_commits() -> None:
    """`commit()` is the view's own: elsewhere it raises at once."""
    views: list[View[Note]] = []

    async def handler(view: View[Note]) -> None:
        views.append(view)
        async for _ in view:
            pass

    process = Process(handler, Note)
    await process.mount()
    with pytest.raises(RuntimeError, match="commit"):
        await asyncio.create_task(views[0].commit())
