"""The drain of one application: once, paced, counted, and over in time whatever one view does."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

import pytest

from quart_stash.live import drainer, gateway
from quart_stash.live.socket import CLOSE_GRACE, Socket
from quart_stash.view import View

from .pipe import TEN, Pipe, Process, in_virtual_time, settle


async def nothing(view: View[Any]) -> None:
    """Wait for messages, and do nothing about them."""
    async for _ in view:
        pass


def cutting(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Note whose connections are cut, instead of cutting them."""
    cuts: list[Any] = []

    def cut(socket: Socket) -> None:
        socket.stuck = False
        cuts.append(socket.scope["client"])

    monkeypatch.setattr(drainer, "cut", cut)
    monkeypatch.setattr(gateway, "cut", cut)
    return cuts


def stall(seconds: float) -> None:
    """Let time pass in which the loop does nothing."""
    asyncio.get_running_loop()._clock.now += seconds  # type: ignore[attr-defined]


def now() -> float:
    return asyncio.get_running_loop().time()


@in_virtual_time
async def test_draining_twice_is_one_drain() -> None:
    """Asking again returns the drain that runs: every view is told once, and it is notified once."""
    process = Process(nothing)
    pipe = await process.mount()
    first = process.drain()
    await settle()
    assert process.drain() is first
    await pipe.answer_drain(sent=0)
    await first
    assert process.drain() is first
    assert len(pipe.frames("drain")) == 1
    assert [kind for kind, _ in process.notes].count("drain_started") == 1
    assert [kind for kind, _ in process.notes].count("drain_finished") == 1
    assert process.host.gateway.draining


@in_virtual_time
async def test_draining_nothing_is_done_at_once() -> None:
    """Without sockets a drain takes no time, and its outcomes are none."""
    process = Process(nothing)
    await process.drain()
    assert now() == 0
    assert process.notes == [
        ("drain_started", {"views": 0, "timeout": 10.0}),
        ("drain_finished", {"outcomes": {}, "seconds": 0}),
    ]


@in_virtual_time
async def test_the_drain_frame() -> None:
    """The `drain` frame says how much time is left for this client, and the delay for refused ones."""
    process = Process(nothing, shutdown_timeout=10, reconnect_rate=TEN / 5)
    pipes = [await process.mount() for _ in range(4)]
    drain = process.drain()
    for pipe in pipes:
        await pipe.answer_drain(sent=0)
    await drain
    frames = [pipe.frames("drain")[0] for pipe in pipes]
    assert len({frame["drain"] for frame in frames}) == 1
    assert [frame["deadline"] for frame in frames] == [7500] * 4
    assert {frame["delay"] for frame in frames} == {4000}


@in_virtual_time
async def test_views_are_told_at_the_rate() -> None:
    """Views are told one after the other, as fast as the fleet should see reconnects."""
    told: list[float] = []
    process = Process(nothing, latency=0, reconnect_rate=TEN)

    async def watch(pipe: Pipe) -> None:
        await pipe.until(lambda: pipe.frames("drain"))
        told.append(now())
        await pipe.answer_drain(sent=0)

    pipes = [await process.mount() for _ in range(20)]
    drain = process.drain()
    await asyncio.gather(*(watch(pipe) for pipe in pipes))
    await drain
    assert told == pytest.approx([index / 10 for index in range(20)], abs=0.03)
    assert process.outcomes == {"synced": 20}


@in_virtual_time
async def test_what_was_missed_in_a_stall_is_not_made_up_for_at_once() -> None:
    """A process that stood still for a while goes on telling at the rate, and everyone has half the deadline."""
    told: list[float] = []
    process = Process(nothing, latency=0, reconnect_rate=TEN, shutdown_timeout=10)

    async def watch(pipe: Pipe) -> None:
        await pipe.until(lambda: pipe.frames("drain"))
        told.append(now())
        await pipe.answer_drain(sent=0)

    pipes = [await process.mount() for _ in range(20)]
    drain = process.drain()
    asyncio.get_running_loop().call_later(0.51, stall, 1)
    await asyncio.gather(*(watch(pipe) for pipe in pipes))
    await drain
    assert told == pytest.approx([n / 10 + 0.91 * (n > 5) for n in range(20)], abs=0.03)
    assert min(pipe.frames("drain")[0]["deadline"] for pipe in pipes) >= 4500
    assert process.outcomes == {"synced": 20}


@in_virtual_time
async def test_clients_that_answer_nothing_are_closed_at_the_rate() -> None:
    """Where nobody answers, the connections are closed one after the other too: each brings a reconnect."""
    ends: list[float] = []
    process = Process(nothing, latency=0, reconnect_rate=TEN, shutdown_timeout=10)

    async def watch(pipe: Pipe) -> None:
        assert await pipe.closed() == 1012
        ends.append(now())

    pipes = [await process.mount() for _ in range(20)]
    drain = process.drain()
    await asyncio.gather(*(watch(pipe) for pipe in pipes))
    await drain
    assert ends == pytest.approx([9 - 1.9 + index / 10 for index in range(20)], abs=0.03)
    assert process.outcomes == {"timed-out": 20}


@pytest.mark.parametrize(("timeout", "warned"), [(40.5, True), (41, False)])
@in_virtual_time
async def test_a_rate_that_can_not_be_held_is_said(
    timeout: float, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the time-out is too short for the rate, a warning says how long it would have to be."""
    process = Process(nothing, reconnect_rate=1, shutdown_timeout=timeout)
    pipes = [await process.mount() for _ in range(20)]
    with caplog.at_level(logging.WARNING, "quart_stash"):
        drain = process.drain()
        await asyncio.gather(*(pipe.answer_drain(sent=0) for pipe in pipes))
        await drain
    said = [record.getMessage() for record in caplog.records]
    warning = (
        "20 views within 18.8 s come back faster than STASH_RECONNECT_RATE (1 a second); "
        "with a STASH_SHUTDOWN_TIMEOUT of 41 s they would not"
    )
    assert said == warned * [warning]


@in_virtual_time
async def test_a_client_that_answers_nothing() -> None:
    """A client that does not answer is closed with 1012 at the deadline, and counted as timed out."""
    process = Process(nothing, shutdown_timeout=10, latency=0)
    silent, honest = await process.mount(), await process.mount()
    drain = process.drain()
    await honest.answer_drain(sent=0)
    assert now() < 0.1
    assert await silent.closed() == 1012
    assert now() == pytest.approx(9)
    await drain
    assert now() == pytest.approx(9, abs=0.2)
    assert process.outcomes == {"synced": 1, "timed-out": 1}
    assert process.notes[-1][1]["outcomes"] == {"synced": 1, "timed-out": 1}


@in_virtual_time
async def test_a_handler_that_is_busy_for_longer() -> None:
    """A handler that does not come to an end is cancelled after the deadline; its view has timed out."""

    async def busy(view: View[None]) -> None:
        await view.receive()
        await asyncio.sleep(1000)

    process = Process(busy)
    pipe = await process.mount()
    pipe.message("a")
    await settle()
    drain = process.drain()
    await pipe.until(lambda: pipe.frames("drain"))
    pipe.say("flushed", sent=1)
    assert await pipe.closed() == 1012
    await drain
    assert process.outcomes == {"timed-out": 1}
    assert process.ends == ["cancelled"]
    assert now() < 10
    assert pipe.final is None


@in_virtual_time
async def test_every_outcome_is_counted_and_notified() -> None:
    """Synced, timed out, gone and finished views are each counted once, and notified with their id."""

    async def handler(view: View[None]) -> None:
        async for message in view:
            if message.data == "finish":
                return
            raise ValueError("as asked")

    process = Process(handler)
    pipes = [await process.mount() for _ in range(5)]
    synced, silent, lost, finished, failed = pipes
    drain = process.drain()
    for pipe in pipes:
        await pipe.until(lambda pipe=pipe: pipe.frames("drain"))  # type: ignore[misc]
    await synced.answer_drain(sent=0)
    lost.disconnect()
    finished.message("finish")
    failed.message("fail")
    await lost.ended()
    assert await finished.closed() == 1000
    assert await failed.closed() == 1011
    assert await silent.closed() == 1012
    await drain
    assert process.outcomes == {"synced": 1, "timed-out": 1, "gone": 2, "finished": 1}
    drained = [data for kind, data in process.notes if kind == "view_drained"]
    assert sorted(data["outcome"] for data in drained) == ["finished", "gone", "gone", "synced", "timed-out"]
    assert len({data["id"] for data in drained}) == 5


@in_virtual_time
async def test_views_that_end_before_they_are_told() -> None:
    """A view that ends before its turn is counted too, so the sum of the outcomes is the number of views."""
    process = Process(nothing, reconnect_rate=1)
    first, second = await process.mount(), await process.mount()
    drain = process.drain()
    await first.answer_drain(sent=0)
    second.disconnect()
    await second.ended()
    await drain
    assert process.outcomes == {"synced": 1, "gone": 1}
    assert now() < 2
    assert second.frames("drain") == []


@in_virtual_time
async def test_a_peer_that_does_not_read_delays_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """While one view's `drain` frame can't be written the others drain; its connection is cut, and the drain ends in time."""
    cuts = cutting(monkeypatch)
    process = Process(nothing, latency=0, shutdown_timeout=10)
    stuck = process.open(client=("10.0.0.9", 999))
    await stuck.mount()
    honest = [await process.mount() for _ in range(3)]
    stuck.readable = False
    drain = process.drain()
    for pipe in honest:
        await pipe.answer_drain(sent=0)
    assert now() < 0.1
    await drain
    assert now() <= 10 + CLOSE_GRACE / 10
    assert cuts == [("10.0.0.9", 999)]
    assert process.outcomes == {"synced": 3, "timed-out": 1}
    assert process.ends.count("cancelled") == 4


@pytest.mark.parametrize(("version", "expected"), [("1.1", 1), ("2", 0)])
@in_virtual_time
async def test_a_stuck_peer_is_cut_also_without_a_drain(
    version: str, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection whose close frame can't be written is cut when its application has ended, unless others share it."""
    cuts = cutting(monkeypatch)
    process = Process(nothing)
    pipe = process.open(http_version=version)
    await pipe.mount()
    pipe.readable = False
    pipe.raw("garbage")
    await pipe.ended()
    assert cuts == [("127.0.0.1", 50000)] * expected
    assert len(process.host.gateway.registry) == 0


@pytest.mark.parametrize("views", [1, 3])
@in_virtual_time
async def test_skip_ends_the_drain_now(views: int) -> None:
    """`skip` closes everything that is left with 1012, at once, also those that have not been told yet."""
    process = Process(nothing, shutdown_timeout=100, reconnect_rate=0.1)
    pipes = [await process.mount() for _ in range(views)]
    drain = process.drain()
    await pipes[0].until(lambda: pipes[0].frames("drain"))
    process.host.gateway.skip()
    assert [await pipe.closed() for pipe in pipes] == [1012] * views
    await drain
    assert now() < 1
    assert process.outcomes == {"timed-out": views}


@in_virtual_time
async def test_sockets_that_are_no_views() -> None:
    """A socket that is no view is closed with 1012 at the end of the drain, and one not yet accepted gets 503."""
    process = Process(nothing)

    async def echo(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if scope["path"] == "/slow":
            assert (await receive())["type"] == "websocket.disconnect"
            return
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            await send({"type": "websocket.send", "text": "echo"})

    pipes = [Pipe("/echo", plain=True), Pipe("/slow")]
    for pipe in pipes:
        pipe.serve(process.host.serve(echo, pipe.scope, pipe.receive, pipe.send))
    other, slow = pipes
    view = await process.mount()
    other.raw("x")
    await other.until(lambda: other.sent[-1].get("text") == "echo")
    drain = process.drain()
    await view.until(lambda: view.frames("drain"))
    assert other.close_code is None
    await view.answer_drain(sent=0)
    assert await other.closed() == 1012
    await drain
    assert slow.sent[0]["status"] == 503
    late = process.open()
    await late.ended()
    assert len(process.sessions) == 1, "the application does not see it"
    assert late.sent[0]["status"] == 503
    assert dict(late.sent[0]["headers"])[b"retry-after"] == b"1"


@pytest.mark.parametrize("steps", range(6))
@in_virtual_time
async def test_a_drain_that_begins_during_a_mount(steps: int) -> None:
    """Whenever a drain meets a mount, that view has its time to answer, and so have the others."""
    process = Process(nothing)
    one, late = await process.mount(), process.open(latency=0)
    await settle()
    late.say("mount", sent=0)
    for _ in range(steps):
        await asyncio.sleep(0)
    drain = process.drain()
    await late.until(lambda: late.frames("drain"))
    assert late.frames("drain")[0]["deadline"] == 9000
    await late.answer_drain(sent=0)
    await asyncio.sleep(5)
    await one.answer_drain(sent=0)
    await drain
    assert process.outcomes == {"synced": 2}


@in_virtual_time
async def test_a_foreign_origin_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    """A page of another origin gets 403, the application does not see it, and it writes no line of its own into the log."""
    process = Process(nothing)
    with caplog.at_level(logging.INFO, "quart_stash"):
        pipe = process.open(
            path="/x\ndrained: all is well",
            headers=[(b"host", b"example.com"), (b"origin", b"https://evil.example")],
        )
        await pipe.ended()
    assert pipe.sent[0]["status"] == 403
    assert process.sessions == []
    assert all("\n" not in record.getMessage() for record in caplog.records)


async def swallow(view: View[None]) -> None:
    """Ignore every cancellation."""
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await view.receive()


async def swallow_everything(view: View[None]) -> None:
    """Ignore every cancellation, and worse."""
    for _ in range(3):
        with contextlib.suppress(BaseException):
            await asyncio.sleep(10_000)


async def await_in_finally(view: View[None]) -> None:
    """Ignore a cancellation, and clean up with an await."""
    try:
        await swallow(view)
    finally:
        await asyncio.sleep(10_000)


@pytest.mark.parametrize("handler", [swallow, swallow_everything, await_in_finally])
@in_virtual_time
async def test_a_handler_that_swallows_its_cancellation(
    handler: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A handler that goes on after its cancellation is ended when all the time is up, and the drain ends."""
    process = Process(handler, shutdown_timeout=10)
    pipe = await process.mount()
    other = await process.mount()
    drain = process.drain()
    for one in (pipe, other):
        await one.until(lambda one=one: one.frames("drain"))  # type: ignore[misc]
        one.say("flushed", sent=0)
    with caplog.at_level(logging.ERROR, "quart_stash"):
        await drain
    assert now() <= 11
    assert "ignores its cancellation" in caplog.text
    assert process.notes[-1][0] == "drain_finished"
    for task in (pipe.task, other.task):
        assert task is not None
        task.cancel()
    await asyncio.wait([task for task in (pipe.task, other.task) if task is not None])
    asyncio.get_running_loop().unhandled.clear()  # type: ignore[attr-defined]


@in_virtual_time
async def test_progress_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The log says when a drain begins, every second how far it is, and how it ended."""
    process = Process(nothing, shutdown_timeout=4)
    silent, honest = await process.mount(), await process.mount()
    with caplog.at_level(logging.INFO, "quart_stash"):
        drain = process.drain()
        await honest.answer_drain(sent=0)
        await silent.closed()
        await drain
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == "draining: 2 views, 4.0 s at most (a test)"
    assert sum(line.startswith("draining: 1 of 2 synced, 0 timed out, ") for line in lines) == 3
    assert lines[-1].startswith("drained: 1 of 2 synced, 1 timed out, in 3.")


@pytest.mark.parametrize(
    "error", [BrokenPipeError(), RuntimeError("it was closed")], ids=["gone", "confused"]
)
@in_virtual_time
async def test_a_server_that_can_not_send_the_drain(error: Exception) -> None:
    """Whatever it says of a connection that is over, the drain does not wait for that view."""
    process = Process(nothing)
    pipe = await process.mount()
    pipe.broken = error
    await process.drain()
    assert now() < 1
    assert process.outcomes == {"gone": 1}
    await pipe.ended()


@in_virtual_time
async def test_a_view_that_finishes_before_a_peer_that_does_not_read() -> None:
    """It is finished, and not gone, however long the drain goes on for others."""

    async def handler(view: View[Any]) -> None:
        await view.receive()

    process = Process(handler, shutdown_timeout=4)
    silent, unread = await process.mount(), await process.mount()
    drain = process.drain()
    await unread.until(lambda: unread.frames("drain"))
    unread.readable = False
    unread.message("the last one")
    await silent.closed()
    await drain
    await unread.ended()
    assert process.outcomes == {"finished": 1, "timed-out": 1}
    assert [data["outcome"] for kind, data in process.notes if kind == "view_drained"] == [
        "finished",
        "timed-out",
    ]
