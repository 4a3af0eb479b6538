"""Who calls a view: its handler waits for its hand-over, and nobody else does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from quart_stash.errors import ViewLeft
from quart_stash.view import View

from .pipe import Pipe, Process, in_virtual_time, settle, unseal

Handler = Callable[[View[Any]], Awaitable[None]]


@dataclass
class Words:
    words: list[str] = field(default_factory=list)


class Room:
    """Views that know each other: what most applications keep in a set."""

    def __init__(self) -> None:
        self.views: list[View[Any]] = []
        self.sent: list[bool] = []

    async def sit(self, view: View[Any]) -> None:
        """Take part, and collect what is said."""
        self.views.append(view)
        try:
            async for message in view:
                view.state.words.append(str(message.data))
        finally:
            self.views.remove(view)

    async def tell(self, view: View[Any]) -> None:
        """Tell everybody, oneself included, what one is told."""
        self.views.append(view)
        try:
            async for message in view:
                for other in list(self.views):
                    self.sent.append(await other.send(message.data))
        finally:
            self.views.remove(view)


async def hand_over(process: Process, pipe: Pipe, *, sent: int = 0) -> None:
    """Let one view's final token go out, and leave it unanswered."""
    socket = next(s for s in process.host.gateway.registry if s.feed is process.sessions[0])
    process.host.gateway.drainer.hand_over([socket], timeout=10)
    await pipe.until(lambda: pipe.frames("drain"))
    pipe.say("flushed", sent=sent)
    await pipe.until(lambda: pipe.final is not None)
    await settle()


@in_virtual_time
async def test_a_room_does_not_hold_up_its_own_drain() -> None:
    """Handlers that tell all views of a room sync at once, however far apart their peers are."""
    room = Room()
    process = Process(room.tell, Words, latency=0)
    pipes = [await process.mount() for _ in range(12)]

    async def peer(pipe: Pipe, distance: float) -> None:
        await pipe.until(lambda: pipe.frames("drain"))
        await asyncio.sleep(distance)
        pipe.message("bye")
        pipe.say("flushed", sent=1)
        await pipe.until(lambda: pipe.final is not None)
        await asyncio.sleep(distance)
        pipe.say("synced", received=1)
        await pipe.closed()

    clock = asyncio.get_running_loop().time
    began = clock()
    peers = [asyncio.create_task(peer(pipe, 0.01 + 0.017 * place)) for place, pipe in enumerate(pipes)]
    await process.drain()
    assert process.outcomes == {"synced": 12}
    assert clock() - began < 1
    await asyncio.gather(*peers)


@in_virtual_time
async def test_a_stranger_never_waits_for_a_hand_over() -> None:
    """Once the final token is out, every verb returns at once outside of the handler, and says so."""
    room = Room()
    process = Process(room.sit, Words)
    pipe = await process.mount()
    await settle()
    (view,) = room.views
    assert await view.send("before")
    await hand_over(process, pipe)
    began = asyncio.get_running_loop().time()
    assert await view.send("after") is False
    assert await view.send_json({}) is False
    assert await view.clear_form("form") is False
    assert await view.reflect(page=1) is False
    for asking in (view.keep("k", 1, max_age=1), view.restore("k"), view.forget("k")):
        with pytest.raises(ViewLeft, match="handed back"):
            await asking
    assert asyncio.get_running_loop().time() == began
    assert pipe.got == ["before"]
    pipe.say("synced", received=0)
    await pipe.closed()
    assert await view.send("at the end") is False


@in_virtual_time
async def test_a_stranger_that_waits_for_an_answer_hears_that_the_view_left() -> None:
    """A `restore` or a `receive` of somebody else raises when the view is handed over meanwhile."""
    views: list[View[Any]] = []

    async def handler(view: View[Any]) -> None:
        views.append(view)
        while True:
            view.state.words.append("tick")
            await view.send("tick")
            await asyncio.sleep(1)

    process = Process(handler, Words)
    pipe = await process.mount()
    await settle()
    asking = [asyncio.create_task(work) for work in (views[0].restore("k"), views[0].receive())]
    await settle()
    await hand_over(process, pipe)
    for error in await asyncio.gather(*asking, return_exceptions=True):
        assert isinstance(error, ViewLeft)
    assert await views[0].send("the first from elsewhere, and too late") is False


@in_virtual_time
async def test_a_send_from_elsewhere_is_no_commit() -> None:
    """What somebody else sends seals no half-done change, and raises nothing of the receiver's."""
    views: list[View[Words]] = []
    go_on = asyncio.Event()

    async def handler(view: View[Words]) -> None:
        views.append(view)
        await view.send("ready")
        view.state.words.append("half")
        await go_on.wait()
        view.state.words.append("x" * 100_000)
        await asyncio.sleep(1)
        view.state.words[:] = ["whole"]
        async for _ in view:
            pass

    process = Process(handler, Words)
    pipe = await process.mount()
    await pipe.until(lambda: views)
    await settle()
    assert await views[0].send("hello")
    await settle()
    go_on.set()
    await settle()
    assert await views[0].send("hello again")  # its state is too large just now
    with pytest.raises(RuntimeError, match="from outside the view's handler"):
        await views[0].commit()
    await pipe.until(lambda: pipe.frames("token"))
    assert [unseal(frame["token"])[2]["words"] for frame in pipe.frames("token")] == [["whole"]]
    assert pipe.got == ["ready", "hello", "hello again"]


@pytest.mark.parametrize("gathering", [True, False], ids=["gather", "loop"])
@in_virtual_time
async def test_a_ticker_that_a_handler_started_outlives_its_hand_over(gathering: bool) -> None:
    """A background task that one handler starts for all goes on, also under `gather`, while that view is handed over."""
    views: list[View[Any]] = []
    ticks = 0
    tasks: list[asyncio.Task[None]] = []

    async def ticker() -> None:
        nonlocal ticks
        while True:
            if gathering:
                await asyncio.gather(*(view.send("tick") for view in list(views)))
            else:
                for view in views:
                    await view.send("tick")
            ticks += 1
            await asyncio.sleep(1)

    async def handler(view: View[Any]) -> None:
        views.append(view)
        if not tasks:
            tasks.append(asyncio.create_task(ticker()))
        async for _ in view:
            pass

    process = Process(handler, Words)
    first, second = [await process.mount(), await process.mount()]
    await second.until(lambda: second.got)
    await hand_over(process, first)
    before, heard = ticks, len(second.got)
    await asyncio.sleep(5)
    assert ticks - before >= 4
    assert len(second.got) - heard >= 4
    tasks[0].cancel()


@in_virtual_time
async def test_a_handler_that_tells_others_keeps_its_own_tasks() -> None:
    """A pushing task of a handler that also broadcasts commits what it has changed, and waits for a peer that is slow."""
    views: list[View[Any]] = []

    async def push(view: View[Words]) -> None:
        while True:
            view.state.words.append("tick")
            await view.send(f"tick {len(view.state.words)}")
            await asyncio.sleep(1)

    async def handler(view: View[Words]) -> None:
        views.append(view)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(push(view))
            async for message in view:
                await asyncio.gather(*(other.send(message.data) for other in views))

    process = Process(handler, Words, max_queue=4)
    pipe, other = [await process.mount(), await process.mount()]
    pipe.message("hello")
    await other.until(lambda: "hello" in other.got)
    await settle()
    pipe.readable = False
    await asyncio.sleep(30)
    pipe.readable = True
    await asyncio.sleep(30)
    ticks = [text for text in pipe.got if text != "hello"]
    assert len(ticks) > 20
    assert ticks == [f"tick {number}" for number in range(1, len(ticks) + 1)]
    assert len(unseal(pipe.frames("token")[-1]["token"])[2]["words"]) >= len(ticks) - 1


@in_virtual_time
async def test_a_child_of_the_handler_is_held_and_then_freed() -> None:
    """A pushing task of the handler waits in a hand-over as the handler does; if nobody cancels it, it ends with the view."""
    told: list[object] = []
    children: list[asyncio.Task[None]] = []

    async def push(view: View[Any]) -> None:
        while await view.send("push"):
            await asyncio.sleep(1)
        told.append("over")

    async def handler(view: View[Any]) -> None:
        children.append(asyncio.create_task(push(view)))
        children.append(asyncio.create_task(wait(view)))
        children.append(asyncio.create_task(ask(view)))
        await asyncio.Event().wait()

    async def wait(view: View[Any]) -> None:
        await view.receive()

    async def ask(view: View[Any]) -> None:
        await view.restore("never answered")

    process = Process(handler, Words)
    pipe = await process.mount()
    await pipe.until(lambda: len(pipe.got) > 1)
    await hand_over(process, pipe)
    await asyncio.sleep(3)
    assert not told
    pipe.say("synced", received=0)
    await pipe.closed()
    await settle()
    assert told == ["over"]
    assert children[1].cancelled()
    assert children[2].cancelled()


@in_virtual_time
async def test_a_peer_that_does_not_read_holds_up_nobody_for_long() -> None:
    """A full queue holds its sender for a second once, then no more until the peer has read; others get theirs at once."""
    room = Room()
    process = Process(room.sit, Words, latency=0, max_queue=4)
    stuck, well = [await process.mount(), await process.mount()]
    await settle()
    stuck.readable = False
    clock = asyncio.get_running_loop().time
    began = clock()
    for number in range(4):
        assert await asyncio.gather(*(view.send(str(number)) for view in room.views)) == [True, True]
    assert clock() == began
    sending = asyncio.gather(*(view.send("4") for view in room.views))
    await well.until(lambda: "4" in well.got)
    assert clock() == began  # the other one had it at once
    assert await sending == [False, True]
    assert 0.9 < clock() - began < 1.1
    assert await room.views[0].send("5") is False
    assert clock() - began < 1.1
    stuck.readable = True
    await stuck.until(lambda: len(stuck.got) == 4)
    await settle()
    assert await room.views[0].send("6")
    await settle()
    assert stuck.got == ["0", "1", "2", "3", "6"]


@in_virtual_time
async def test_a_flood_from_elsewhere_reaches_a_peer_that_reads() -> None:
    """Somebody else may send more at once than fits into the queue: all of it arrives, in order, where the peer reads."""
    room = Room()
    process = Process(room.sit, Words, max_queue=4)
    pipe = await process.mount()
    await settle()
    assert all([await room.views[0].send(str(number)) for number in range(100)])
    await settle()
    assert pipe.got == [str(number) for number in range(100)]
    assert all(await asyncio.gather(*(room.views[0].send("x") for _ in range(20))))


@in_virtual_time
async def test_somebody_else_may_close_a_view_whose_peer_does_not_read() -> None:
    """`close` from elsewhere returns within a second, and the view ends."""
    room = Room()
    process = Process(room.sit, Words)
    pipe = await process.mount()
    await settle()
    pipe.readable = False
    began = asyncio.get_running_loop().time()
    await room.views[0].close()
    assert asyncio.get_running_loop().time() - began < 1.5
    pipe.readable = True
    assert await pipe.closed() == 1000
