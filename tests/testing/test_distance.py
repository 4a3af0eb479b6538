"""A peer that is far away: everything arrives, in order, and later."""

from __future__ import annotations

import asyncio

import pytest

from quart_stash.testing.dialer import Connection, ConnectionEnded
from quart_stash.testing.distance import Distant, distant

from ..live.pipe import in_virtual_time


class Near:
    """The other end: says what the test lets it say."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, str | bytes | int]] = []
        self.says: asyncio.Queue[str | int] = asyncio.Queue()
        self.broken = False

    async def send(self, data: str | bytes) -> None:
        if self.broken:
            raise ConnectionEnded
        self.heard.append((now(), data))

    async def receive(self) -> str:
        data = await self.says.get()
        if isinstance(data, int):
            raise ConnectionEnded(data)
        return data

    async def close(self, code: int) -> None:
        self.heard.append((now(), code))
        self.says.put_nowait(code)


def now() -> float:
    return round(asyncio.get_running_loop().time(), 6)


@in_virtual_time
async def test_everything_takes_as_long_and_keeps_its_order() -> None:
    """Frames arrive so much later, either way, however many are under way; what was sent at once arrives at once."""
    near = Near()
    far = Distant(near, 0.2)
    await far.send("a")
    await far.send("b")
    await asyncio.sleep(0.1)
    await far.send("c")
    near.says.put_nowait("x")
    near.says.put_nowait("y")
    heard = [(await far.receive(), now()) for _ in range(2)]
    assert heard == [("x", 0.3), ("y", 0.3)]
    await asyncio.sleep(0.1)
    assert near.heard == [(0.2, "a"), (0.2, "b"), (0.3, "c")]
    await far.close(1000)
    assert near.heard[-1] == (0.6, 1000)


@in_virtual_time
async def test_the_end_comes_after_what_was_said_before_it() -> None:
    """The close code arrives last, and as late as a frame; what is sent into the end is lost without a word."""
    near = Near()
    far = Distant(near, 0.2)
    near.says.put_nowait("x")
    near.says.put_nowait(1012)
    await far.send("too late")
    assert await far.receive() == "x"
    with pytest.raises(ConnectionEnded) as ended:
        await far.receive()
    assert (ended.value.code, now()) == (1012, 0.2)
    assert near.heard == []


@in_virtual_time
async def test_a_connection_that_breaks_is_heard_of_by_who_reads() -> None:
    """Where sending fails, nothing is raised to whoever has sent: the reader is told."""
    near = Near()
    near.broken = True
    far = Distant(near, 0.2)
    await far.send("a")
    await asyncio.sleep(1)
    near.says.put_nowait(1006)
    with pytest.raises(ConnectionEnded):
        await far.receive()
    await far.close(1000)


@in_virtual_time
async def test_dialling() -> None:
    """A handshake takes two round trips; at no distance nothing is between."""
    near = Near()

    async def dial() -> Connection:
        return near

    assert distant(dial, 0) is dial
    far = await distant(dial, 0.1)()
    assert now() == 0.4
    await far.close(1001)
    assert near.heard == [(0.5, 1001)]
