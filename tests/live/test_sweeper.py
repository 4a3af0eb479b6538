"""One sweep for all views: who is silent for too long is lost, who is old is handed over, and nobody else is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from quart_stash.core.connection import State
from quart_stash.live import gateway, handover
from quart_stash.live.socket import CLOSE_GRACE, Socket
from quart_stash.live.sweeper import Sweeper
from quart_stash.testing.tab import Tab
from quart_stash.view import View

from .pipe import Pipe, Process, Wire, in_virtual_time, settle
from .test_handover import nothing, now


def timers() -> list[asyncio.TimerHandle]:
    """Return the timers of sweeps."""
    scheduled: list[asyncio.TimerHandle] = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
    return [
        timer
        for timer in scheduled
        if not timer.cancelled() and isinstance(getattr(timer._callback, "__self__", None), Sweeper)  # type: ignore[attr-defined]
    ]


async def ping(pipe: Pipe, seconds: float) -> None:
    """Be there for so many seconds, as the script is where it has nothing to say."""
    end = now() + seconds
    while now() < end:
        await asyncio.sleep(25)
        pipe.say("ping")


@in_virtual_time
async def test_a_silent_view_is_lost() -> None:
    """A view that says nothing for the time is closed with 4408, its handler is cancelled, and one that pings stays."""
    process = Process(nothing, latency=0)
    silent, there = await process.mount(), await process.mount()
    pinging = asyncio.create_task(ping(there, 300))
    await silent.until(lambda: silent.close_code)
    assert silent.close_code == 4408
    assert 120 <= now() <= 120 * 9 / 8
    await silent.ended()
    assert process.ends == ["cancelled"]
    assert process.outcomes == {}
    await pinging
    await settle()
    assert there.close_code is None
    assert len(there.frames("pong")) == 12


@in_virtual_time
async def test_a_tab_that_is_told_all_the_time_is_not_silent() -> None:
    """A client that hears something every few seconds, and has nothing to say, pings all the same, and stays."""

    async def push(view: View[None]) -> None:
        while True:
            await view.send("news")
            await asyncio.sleep(5)

    process = Process(push)
    pipes: list[Pipe] = []

    async def dial() -> Wire:
        pipes.append(process.open())
        await settle()
        return Wire(pipes[-1])

    news: list[str | bytes] = []
    tab = Tab(dial, message=news.append)
    tab.start()
    await asyncio.sleep(1000)
    assert [pipe.close_code for pipe in pipes] == [None]
    assert len(news) == 200
    await tab.close()
    await pipes[0].ended()


@in_virtual_time
async def test_silence_while_a_view_is_handed_over() -> None:
    """Then its outcome is that of a lost connection."""
    process = Process(nothing, shutdown_timeout=1000)
    pipe = await process.mount()
    work = asyncio.create_task(process.host.gateway.rebalance(1))
    assert await pipe.closed() == 4408
    assert await work == {"gone": 1}


@pytest.mark.parametrize("pings", [0, 1200], ids=["silent", "pinging"])
@in_virtual_time
async def test_a_client_that_waits_for_a_slow_handler(pings: int) -> None:
    """While its messages wait the socket is read on: a client that pings is there, one that says nothing is lost."""

    async def slow(view: View[None]) -> None:
        await view.receive()
        await asyncio.sleep(1000)
        await nothing(view)

    pipe = await Process(slow, max_queue=4).mount()
    for _ in range(10):
        pipe.message("a")
    pinging = asyncio.create_task(ping(pipe, pings))
    await pipe.ended()
    await pinging
    if pings:
        assert pipe.frames("drain") and now() > 1000
    else:
        assert 120 <= now() <= 120 * 10 / 8 + 2 * CLOSE_GRACE and pipe.close_code == 4408


@in_virtual_time
async def test_a_client_whose_frames_wait_since_it_does_not_read() -> None:
    """A handler that waits for the peer to read is not slow: if nothing is taken for the time, the view is lost."""

    async def echo(view: View[None]) -> None:
        async for message in view:
            await view.send(message.data)

    process = Process(echo, max_queue=4)
    pipe = await process.mount()
    pipe.readable = False
    for _ in range(10):
        pipe.message("a")
    await pipe.ended()
    assert 120 <= now() <= 120 * 10 / 8 + 2 * CLOSE_GRACE
    assert process.ends == ["cancelled"]
    assert len(process.host.gateway.registry) == 0


@in_virtual_time
async def test_a_client_that_reads_slowly_is_there() -> None:
    """While its frames wait, and so do the answers to its pings, each of those says that it is there."""

    async def stream(view: View[None]) -> None:
        await view.receive()
        for _ in range(20):
            await view.send("a long one")
        await nothing(view)

    process = Process(stream, max_queue=1)
    pipe = await process.mount()

    async def write(event: Any) -> None:
        await asyncio.sleep(100)
        await pipe.send(event)

    process.sessions[0].socket._send = write
    for _ in range(3):
        pipe.message("a")
    pinging = asyncio.create_task(ping(pipe, 3000))
    await pipe.until(lambda: len(pipe.got) == 20)
    assert pipe.close_code is None
    pinging.cancel()


@in_virtual_time
async def test_pings_of_a_peer_that_does_not_read() -> None:
    """A peer that goes on pinging, and never reads an answer, is lost and cut."""
    process = Process(nothing)
    pipe = await process.mount()
    pipe.readable = False
    pinging = asyncio.create_task(ping(pipe, 200))
    await pipe.ended()
    await pinging
    assert process.ends == ["cancelled"]
    assert pipe.unread > 0


@pytest.mark.parametrize("pings", [0, 200], ids=["silent", "pinging"])
@pytest.mark.parametrize("end", ["returned", "raised"])
@in_virtual_time
async def test_a_handler_that_ends_before_a_peer_that_does_not_read(end: str, pings: int) -> None:
    """A peer that never reads that its view has finished, or failed, does not hold the connection for ever."""

    async def handler(view: View[None]) -> None:
        await view.receive()
        if end == "raised":
            raise ValueError

    process = Process(handler)
    pipe = await process.mount()
    await settle()
    pipe.readable = False
    pipe.message("a")
    pinging = asyncio.create_task(ping(pipe, pings))
    async with asyncio.timeout(3600):
        await pipe.ended()
    await pinging
    assert process.ends == ["cancelled"]
    assert process.sessions[0].machine.state is State.ENDED


@pytest.mark.parametrize("version", ["1.1", "2"])
@in_virtual_time
async def test_a_peer_that_does_not_take_the_close_is_cut(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A half-open connection that the close frame is queued for is cut after the grace, unless others share it."""
    cuts: list[Socket] = []
    for module in (handover, gateway):
        monkeypatch.setattr(module, "cut", cuts.append)
    monkeypatch.setattr(Socket, "queued", True)
    process = Process(nothing)
    pipe = process.open(http_version=version)
    await pipe.mount()
    await pipe.ended()
    await asyncio.sleep(CLOSE_GRACE)
    assert len(cuts) == (version == "1.1")


@in_virtual_time
async def test_plain_clients_and_other_sockets_are_left_alone() -> None:
    """They need not say anything: the server's own pings look after them."""
    process = Process(nothing, max_connection_age=100)

    async def other(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass

    plain, pipe = await process.mount(plain=True), Pipe("/other", plain=True)
    pipe.serve(process.host.serve(other, pipe.scope, pipe.receive, pipe.send))
    await asyncio.sleep(1000)
    assert [plain.close_code, pipe.close_code] == [None, None]


@in_virtual_time
async def test_a_process_that_was_stopped_has_not_listened() -> None:
    """After a SIGSTOP for longer than the time nobody is lost: what was said meanwhile is still to be read."""
    process = Process(nothing)
    pipes = [await process.mount() for _ in range(3)]
    asyncio.get_running_loop()._clock.now += 600  # type: ignore[attr-defined]
    await settle()
    for pipe in pipes:
        pipe.say("ping")
    await asyncio.sleep(100)
    assert [pipe.close_code for pipe in pipes] == [None] * 3


@in_virtual_time
async def test_one_timer_for_all_that_ends_with_the_last() -> None:
    """However many views there are, there is one timer, and none when they are gone."""
    process = Process(nothing)
    assert timers() == []
    pipes = [await process.mount() for _ in range(20)]
    assert len(timers()) == 1
    await asyncio.sleep(50)
    assert len(timers()) == 1
    for pipe in pipes:
        pipe.disconnect()
        await pipe.ended()
    assert timers() == []


@pytest.mark.parametrize("endless", [None, float("inf")])
@in_virtual_time
async def test_nothing_to_look_for(endless: float | None) -> None:
    """Without a time for silence and without a maximum age there is no sweep."""
    process = Process(nothing, silence_timeout=endless, max_connection_age=endless)
    pipe = await process.mount()
    assert timers() == []
    await asyncio.sleep(10_000)
    assert pipe.close_code is None


@in_virtual_time
async def test_old_views_are_handed_over_in_small_numbers() -> None:
    """Each view leaves within the maximum age, and those that came together leave over the last quarter of it."""
    left: list[float] = []
    process = Process(nothing, max_connection_age=3600, silence_timeout=None)

    async def leave(pipe: Pipe) -> None:
        await pipe.answer_drain(sent=0)
        left.append(now())

    pipes = [await process.mount() for _ in range(200)]
    await asyncio.gather(*(leave(pipe) for pipe in pipes))
    assert min(left) >= 3600 * 0.7 and max(left) <= 3600
    assert len({round(time) for time in left}) > 10
    assert process.outcomes == {"synced": 200}
    assert not process.host.gateway.draining
    assert {kind for kind, _ in process.notes} == {"view_mounted", "view_drained"}


@in_virtual_time
async def test_an_old_view_whose_client_does_not_answer() -> None:
    """It is closed with 1012 at the deadline, as in a drain, and is told once."""
    process = Process(nothing, max_connection_age=100, shutdown_timeout=50, silence_timeout=None)
    told: list[Socket] = []
    sweeper = process.host.gateway._sweeper
    begin = sweeper._hand_over

    def noted(sockets: list[Socket]) -> None:
        told.extend(sockets)
        begin(sockets)

    sweeper._hand_over = noted
    pipe = await process.mount()
    assert await pipe.closed() == 1012
    assert told == [process.sessions[0].socket]
    assert process.outcomes == {"timed-out": 1}
    assert now() <= 150
