"""A share of the views is handed over while the server goes on; a drain that comes meanwhile takes it along."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from quart_stash.errors import ConfigurationError
from quart_stash.live import gateway, handover
from quart_stash.live.socket import Socket
from quart_stash.view import View

from .pipe import TEN, Pipe, Process, in_virtual_time, settle


async def nothing(view: View[Any]) -> None:
    """Wait for messages, and do nothing about them."""
    async for _ in view:
        pass


def now() -> float:
    return asyncio.get_running_loop().time()


def told(pipes: list[Pipe]) -> list[Pipe]:
    return [pipe for pipe in pipes if pipe.frames("drain")]


def rebalance(process: Process, fraction: float) -> asyncio.Task[dict[str, int]]:
    return asyncio.create_task(process.host.gateway.rebalance(fraction))


@in_virtual_time
async def test_a_share_is_handed_over_and_the_others_go_on() -> None:
    """So many of the views are handed over as drained ones are; the others hear nothing, and new ones are mounted."""
    process = Process(nothing)
    pipes = [await process.mount() for _ in range(10)]
    work = rebalance(process, 0.3)
    await settle()
    chosen = told(pipes)
    assert len(chosen) == 3
    await process.mount()
    for pipe in chosen:
        await pipe.answer_drain(sent=0)
        assert pipe.close_code == 1012
    assert await work == {"synced": 3}
    assert now() < 5
    assert not process.host.gateway.draining
    assert len(process.host.gateway.registry.views()) == 8
    kinds = [kind for kind, _ in process.notes if kind != "view_mounted"]
    assert kinds == ["view_drained"] * 3
    assert process.outcomes == {"synced": 3}


@in_virtual_time
async def test_the_share_is_a_random_one() -> None:
    """Every view is chosen some time."""
    process = Process(nothing, shutdown_timeout=1)
    first = [await process.mount() for _ in range(4)]
    chosen: set[Pipe] = set()
    while len(chosen) < 4:
        pipes = [pipe for pipe in first if pipe not in chosen]
        work = rebalance(process, 0.01)
        await settle()
        (one,) = told(pipes)
        chosen.add(one)
        await one.answer_drain(sent=0)
        assert await work == {"synced": 1}


@pytest.mark.parametrize("fraction", [0, -0.5, 1.01, float("nan")])
@in_virtual_time
async def test_a_share_that_is_none(fraction: float) -> None:
    """A share of nothing, or of more than everything, is refused, and nobody is told."""
    process = Process(nothing)
    pipe = await process.mount()
    with pytest.raises(ConfigurationError, match="a share of the views is more than 0, and 1 at most"):
        await process.host.gateway.rebalance(fraction)
    assert pipe.frames("drain") == []


@in_virtual_time
async def test_nobody_to_hand_over() -> None:
    """Without views, or while the server leaves, there is nothing to do, and nothing is counted."""
    process = Process(nothing)
    assert await process.host.gateway.rebalance(1) == {}
    pipe = await process.mount()
    drain = process.drain()
    assert await process.host.gateway.rebalance(1) == {}
    await pipe.answer_drain(sent=0)
    await drain
    assert process.outcomes == {"synced": 1}


@in_virtual_time
async def test_views_are_told_at_the_rate() -> None:
    """A hand-over is paced as a drain is, and its deadline is the drain's; who does not answer is closed with 1012."""
    times: list[float] = []
    process = Process(nothing, reconnect_rate=TEN, shutdown_timeout=10, latency=0)

    async def watch(pipe: Pipe) -> None:
        await pipe.until(lambda: pipe.frames("drain"))
        times.append(now())
        assert await pipe.closed() == 1012

    pipes = [await process.mount() for _ in range(20)]
    work = rebalance(process, 1)
    await asyncio.gather(*(watch(pipe) for pipe in pipes))
    assert times == pytest.approx([index / 10 for index in range(20)], abs=0.03)
    assert now() == pytest.approx(9)
    assert await work == {"timed-out": 20}
    assert now() <= 10.1
    assert process.ends == ["cancelled"] * 20
    await process.mount()


@in_virtual_time
async def test_every_outcome_is_counted() -> None:
    """Also those that finish, that are lost, and that end before they are told; the sum is the share."""

    async def handler(view: View[None]) -> None:
        async for _ in view:
            return

    process = Process(handler, reconnect_rate=1)
    pipes = [await process.mount() for _ in range(4)]
    work = rebalance(process, 1)
    await settle()
    (finished,) = told(pipes)
    finished.message("finish")
    assert await finished.closed() == 1000
    untold = next(pipe for pipe in pipes if pipe is not finished)
    untold.disconnect()
    await untold.ended()
    lost, synced = [pipe for pipe in pipes if pipe not in (finished, untold)]
    await lost.until(lambda: lost.frames("drain"))
    lost.disconnect()
    await synced.answer_drain(sent=0)
    assert await work == {"finished": 1, "gone": 2, "synced": 1}
    assert process.outcomes == {"finished": 1, "gone": 2, "synced": 1}


@in_virtual_time
async def test_two_shares_at_the_same_time_have_no_view_in_common() -> None:
    """What is being handed over is not chosen again, and each call counts its own."""
    process = Process(nothing)
    pipes = [await process.mount() for _ in range(4)]
    one = rebalance(process, 0.5)
    await settle()
    first = told(pipes)
    other = rebalance(process, 0.5)
    await settle()
    second = [pipe for pipe in told(pipes) if pipe not in first]
    assert (len(first), len(second)) == (2, 1)
    for pipe in [*second, *first]:
        await pipe.answer_drain(sent=0)
    assert await other == {"synced": 1}
    assert await one == {"synced": 2}


@in_virtual_time
async def test_two_shares_where_the_first_is_still_to_be_told() -> None:
    """Also a view that waits for its turn is not chosen again, even if both are asked for at once."""
    process = Process(nothing, reconnect_rate=1)
    pipes = [await process.mount() for _ in range(4)]
    one, other, none = rebalance(process, 0.5), rebalance(process, 1), rebalance(process, 1)
    await settle()
    assert len(told(pipes)) == 2
    await asyncio.gather(*(pipe.answer_drain(sent=0) for pipe in pipes))
    assert (await one, await other, await none) == ({"synced": 2}, {"synced": 2}, {})


@in_virtual_time
async def test_a_maximum_age_that_is_reached_during_a_drain() -> None:
    """The drain hands these views over anyway: they are told when it is their turn, and not before."""
    process = Process(nothing, reconnect_rate=1, max_connection_age=4, latency=0)
    pipes = [await process.mount() for _ in range(3)]
    await asyncio.sleep(2.9)
    drain = process.drain()
    await asyncio.sleep(1.5)
    assert len(told(pipes)) == 2
    await asyncio.gather(*(pipe.answer_drain(sent=0) for pipe in pipes))
    await drain
    assert now() > 4.8
    assert process.outcomes == {"synced": 3}


@in_virtual_time
async def test_a_caller_that_gives_up() -> None:
    """A hand-over goes on when the request that asked for it is cancelled."""
    process = Process(nothing, reconnect_rate=1)
    pipes = [await process.mount() for _ in range(2)]
    work = rebalance(process, 1)
    await settle()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    await asyncio.gather(*(pipe.answer_drain(sent=0) for pipe in pipes))
    assert process.outcomes == {"synced": 2}


@in_virtual_time
async def test_a_drain_in_the_middle_of_a_hand_over() -> None:
    """The drain tells whom the hand-over has not told yet, is over in time, and each counts its own."""
    process = Process(nothing, reconnect_rate=TEN / 5, shutdown_timeout=10)
    pipes = [await process.mount() for _ in range(8)]
    work = rebalance(process, 1)
    await settle()
    (done,) = told(pipes)
    await done.answer_drain(sent=0)
    await asyncio.sleep(1.1)
    mute = next(pipe for pipe in told(pipes) if pipe is not done)
    start = now()
    drain = process.drain()
    for pipe in pipes:
        if pipe not in (done, mute):
            await pipe.answer_drain(sent=0)
    assert await mute.closed() == 1012
    assert 6 - 1e-6 <= now() - start <= 9 + 1e-6  # told with its batch, and given as long as all the others
    await drain
    assert now() - start <= 10
    assert all(len(pipe.frames("drain")) == 1 for pipe in pipes)
    assert await work == {"synced": 7, "timed-out": 1}
    assert process.notes[-1][1]["outcomes"] == {"synced": 6, "timed-out": 1}
    assert process.outcomes == {"synced": 7, "timed-out": 1}


@in_virtual_time
async def test_a_drain_that_is_skipped_in_the_middle_of_a_hand_over() -> None:
    """Also the hand-over is over then."""
    process = Process(nothing, shutdown_timeout=100)
    pipe = await process.mount()
    work = rebalance(process, 1)
    await settle()
    drain = process.drain()
    await settle()
    process.host.gateway.skip()
    assert await pipe.closed() == 1012
    await drain
    assert await work == {"timed-out": 1}
    assert now() < 1


@pytest.mark.parametrize("queued", [False, True], ids=["close not written", "close queued"])
@in_virtual_time
async def test_a_peer_that_does_not_read_is_cut(queued: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection does not outlive the hand-over, also where the server takes the close frame and can't send it."""
    cuts: list[Socket] = []
    for module in (handover, gateway):
        monkeypatch.setattr(module, "cut", cuts.append)
    monkeypatch.setattr(Socket, "queued", queued)
    process = Process(nothing)
    pipe = await process.mount()
    pipe.readable = queued
    work = rebalance(process, 1)
    await pipe.ended()
    assert await work == {"timed-out": 1}
    assert {socket.scope["client"] for socket in cuts} == {("127.0.0.1", 50000)}
    assert len(process.host.gateway.registry) == 0


@in_virtual_time
async def test_a_drain_right_after_a_hand_over() -> None:
    """What the hand-over has counted, and whose peer has yet to answer the close, the drain does not count again."""
    process = Process(nothing)
    pipe = await process.mount()
    work = rebalance(process, 1)
    await pipe.until(lambda: pipe.frames("drain"))
    pipe.say("flushed", sent=0)
    await pipe.until(lambda: pipe.final)
    pipe.say("synced", received=0)
    await pipe.until(lambda: pipe.close_code)
    await process.drain()
    assert await work == {"synced": 1}
    assert process.notes[-1] == (
        "drain_finished",
        {"outcomes": {}, "seconds": process.notes[-1][1]["seconds"]},
    )
    await pipe.ended()
