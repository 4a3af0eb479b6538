"""The dialer: one attempt at a time, each connection under a number, and none that is heard once it is given up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from quart_stash.core.backoff import Backoff
from quart_stash.testing.dialer import ConnectionEnded, Dialer

from ..live.pipe import in_virtual_time, settle


class Fake:
    """A connection whose server says what the test says.

    Attributes:
        sent: frames.
        closed: the code that this side closed it with.
        stuck: whether it does not take what is sent.
    """

    def __init__(self) -> None:
        self.sent: list[str | bytes] = []
        self.closed: int | None = None
        self.stuck = False
        self.down: asyncio.Queue[str | int] = asyncio.Queue()

    async def send(self, data: str | bytes) -> None:
        if self.stuck:
            await asyncio.sleep(3600)
        self.sent.append(data)

    async def receive(self) -> str:
        data = await self.down.get()
        if isinstance(data, int):
            raise ConnectionEnded(data)
        return data

    async def close(self, code: int) -> None:
        self.closed = code
        self.down.put_nowait(code)


class Desk:
    """A dialer, and what it says."""

    def __init__(self) -> None:
        self.connections: list[Fake] = []
        self.said: list[tuple[object, ...]] = []
        self.tries: list[float] = []
        self.answer: Callable[[], Fake | None] = Fake
        self.served = False
        self.dialer = Dialer(
            self.dial,
            Backoff(lambda: 1.0),
            opened=lambda conn: self.said.append(("opened", conn)),
            heard=lambda conn, data: self.said.append(("heard", conn, data)),
            ended=lambda conn, code: self.said.append(("ended", conn, code)),
            served=lambda: self.served,
        )

    async def dial(self) -> Fake:
        self.tries.append(asyncio.get_running_loop().time())
        connection = self.answer()
        if connection is None:
            await asyncio.sleep(3600)
            raise NotImplementedError
        self.connections.append(connection)
        return connection

    async def ended(self, conn: int) -> None:
        """Wait until a connection has ended."""
        while not any(said[:2] == ("ended", conn) for said in self.said):
            await asyncio.sleep(0.001)


def refuse() -> Fake:
    raise ConnectionRefusedError


def decline() -> Fake:
    raise ConnectionEnded(1013)


@in_virtual_time
async def test_a_connection() -> None:
    """It is told when it opens, what it says and with which code it ends; frames go out in order."""
    desk = Desk()
    desk.dialer.start()
    await settle()
    desk.dialer.send(1, "a")
    desk.dialer.send(1, b"b")
    desk.connections[0].down.put_nowait("c")
    await settle()
    assert desk.connections[0].sent == ["a", b"b"]
    desk.connections[0].down.put_nowait(1012)
    await settle()
    assert desk.said == [("opened", 1), ("heard", 1, "c"), ("ended", 1, 1012)]
    desk.dialer.send(1, "into the void")
    await desk.dialer.leave()


@pytest.mark.parametrize(("answer", "code"), [(refuse, 1006), (decline, 1013)], ids=["refused", "declined"])
@in_virtual_time
async def test_a_failed_attempt(answer: Callable[[], Fake], code: int) -> None:
    """It ends under its number, never having opened, and another may begin."""
    desk = Desk()
    desk.answer = answer
    desk.dialer.start()
    await settle()
    assert desk.said == [("ended", 1, code)]
    assert not desk.dialer.dialing
    await desk.dialer.leave()


@in_virtual_time
async def test_an_attempt_takes_four_seconds_at_most() -> None:
    """A socket that hangs in a listen backlog is given up."""
    desk = Desk()
    desk.answer = lambda: None
    desk.dialer.start()
    await asyncio.sleep(3.9)
    assert desk.said == [] and desk.dialer.dialing
    await asyncio.sleep(0.2)
    assert desk.said == [("ended", 1, 1006)]
    await desk.dialer.leave()


@in_virtual_time
async def test_attempts_that_hang() -> None:
    """One is given up soon while the page is served and connections open fast; else each has twice as long as the one before. None waits as the refused do."""
    desk = Desk()
    desk.dialer.start()
    await settle()
    desk.answer = lambda: None
    desk.connections[0].down.put_nowait(1006)
    for conn, served in ((1, True), (2, True), (3, False), (4, False)):
        await desk.ended(conn)
        desk.served = served
        desk.dialer.dial(20_000 * desk.dialer.dialing)
    await desk.ended(5)
    second = 0.1 + 0.5 + 0.2
    third = second + 0.5 + 0.4
    assert desk.tries == pytest.approx([0, 0.1, second, third, third + 4 + 0.8], abs=0.01)
    assert asyncio.get_running_loop().time() == pytest.approx(desk.tries[-1] + 8, abs=0.01)
    await desk.dialer.leave()


@in_virtual_time
async def test_an_attempt_that_is_under_way_when_the_page_is_no_longer_served() -> None:
    """It has all its time, as it would without a hurry."""
    desk = Desk()
    desk.served = True
    desk.dialer.start()
    await settle()
    desk.answer = lambda: None
    desk.connections[0].down.put_nowait(1006)
    await desk.ended(1)
    desk.dialer.dial(None)
    await asyncio.sleep(0.4)
    desk.served = False
    await desk.ended(2)
    assert asyncio.get_running_loop().time() == pytest.approx(4, abs=0.01)
    await desk.dialer.leave()


@in_virtual_time
async def test_one_attempt_at_a_time() -> None:
    """While one is on its way or its time is set, asking again changes nothing; at once is sooner than later."""
    desk = Desk()
    desk.answer = lambda: None
    desk.dialer.start()
    desk.dialer.dial(None)
    desk.dialer.dial(0)
    await settle()
    assert len(desk.tries) == 1
    await asyncio.sleep(5)
    desk.dialer.dial(0)
    desk.dialer.dial(0)
    await asyncio.sleep(0.2)
    assert desk.tries == [0, pytest.approx(5.1)]
    await asyncio.sleep(9)
    desk.dialer.dial(5000)
    desk.dialer.dial(None)
    await settle()
    assert len(desk.tries) == 3
    await asyncio.sleep(3.9)
    assert len(desk.tries) == 3
    await desk.dialer.leave()


@in_virtual_time
async def test_what_a_server_asks_to_wait() -> None:
    """The first try after a failure comes within a second, later ones within what the server asked for."""
    desk = Desk()
    desk.answer = refuse
    desk.dialer.start()
    for _ in range(3):
        await settle()
        desk.dialer.dial(20_000)
        await asyncio.sleep(20)
    await settle()
    assert desk.tries == pytest.approx([0, 1, 40, 60])
    await desk.dialer.leave()


@in_virtual_time
async def test_closing() -> None:
    """What was to be sent is sent first; nothing more is heard, also not of the end."""
    desk = Desk()
    desk.dialer.start()
    await settle()
    desk.dialer.send(1, "a")
    desk.dialer.close(1, 4002)
    desk.connections[0].down.put_nowait("late")
    await settle()
    assert (desk.connections[0].sent, desk.connections[0].closed) == (["a"], 4002)
    desk.dialer.close(1, 1000)
    assert desk.said == [("opened", 1)]
    await desk.dialer.leave()


@in_virtual_time
async def test_closing_an_attempt() -> None:
    """It is given up, and makes room for another."""
    desk = Desk()
    desk.answer = lambda: None
    desk.dialer.start()
    await settle()
    desk.dialer.close(1, 1000)
    desk.answer = Fake
    desk.dialer.dial(None)
    await settle()
    assert desk.said == [("opened", 2)]
    await desk.dialer.leave()


@pytest.mark.parametrize("honest", [True, False], ids=["the server closes it", "the server does not"])
@in_virtual_time
async def test_retiring(honest: bool) -> None:
    """The server has two seconds to close a connection that was handed over; nothing of it is heard."""
    desk = Desk()
    desk.dialer.start()
    await settle()
    desk.dialer.retire(1)
    connection = desk.connections[0]
    if honest:
        connection.down.put_nowait(1012)
    await asyncio.sleep(1.9)
    assert connection.closed is None
    await asyncio.sleep(0.2)
    assert connection.closed == (None if honest else 1000)
    assert desk.said == [("opened", 1)]
    await desk.dialer.leave()


@in_virtual_time
async def test_stopping() -> None:
    """Everything is closed as by a page that goes away, and nothing begins any more until it is started."""
    desk = Desk()
    desk.dialer.start()
    await settle()
    desk.dialer.stop()
    desk.dialer.dial(None)
    desk.dialer.dial(0)
    await asyncio.sleep(60)
    assert desk.connections[0].closed == 1001
    assert len(desk.tries) == 1
    desk.dialer.start()
    await settle()
    assert desk.said == [("opened", 1), ("opened", 2)]
    await desk.dialer.leave()


@in_virtual_time
async def test_leaving_a_peer_that_does_not_read() -> None:
    """It has two seconds, then everything is cancelled."""
    desk = Desk()
    desk.dialer.start()
    await settle()
    desk.connections[0].stuck = True
    desk.dialer.send(1, "a")
    await desk.dialer.leave()
    assert asyncio.get_running_loop().time() == pytest.approx(2)
    await settle()
    assert len(asyncio.all_tasks()) == 1
