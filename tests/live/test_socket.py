"""A socket: it ends the application's wait, refuses while draining, and never waits for a peer that does not read."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from quart_stash.core.events import Outcome
from quart_stash.live.socket import CLOSE_GRACE, Socket

from .pipe import Pipe, in_virtual_time, settle

ACCEPT: dict[str, Any] = {"type": "websocket.accept", "subprotocol": "quart-stash.v1", "headers": []}


class Feed:
    """Takes what the socket feeds; `paused` holds the socket up as a full inbox does."""

    live = True
    ending = False
    draining = False
    outcome: Outcome | None = None

    def __init__(self) -> None:
        self.frames: list[str | bytes] = []
        self.over = 0
        self.paused = False

    async def feed(self, data: str | bytes) -> None:
        self.frames.append(data)
        if self.paused:
            await asyncio.Event().wait()

    def gone(self) -> None:
        self.over += 1

    async def drain(self, drain: str, deadline: int, delay: int) -> None:
        raise NotImplementedError

    async def expire(self) -> None:
        raise NotImplementedError

    async def silent(self) -> None:
        raise NotImplementedError

    def force(self) -> bool:
        raise NotImplementedError


def opened(pipe: Pipe, *, refusing: bool = False) -> Socket:
    return Socket(pipe.scope, pipe.receive, pipe.send, refusing=lambda: refusing)


@in_virtual_time
async def test_end_interrupts_a_waiting_receive() -> None:
    """`end` lets an application that waits for an event have `websocket.disconnect`."""
    socket = opened(Pipe())
    await socket.receive()
    waiting = asyncio.create_task(socket.receive())
    await settle()
    socket.end()
    assert (await waiting)["type"] == "websocket.disconnect"
    assert (await socket.receive())["type"] == "websocket.disconnect"


@in_virtual_time
async def test_end_interrupts_a_paused_feed() -> None:
    """`end` also interrupts a receive that waits for room in a view's inbox, and tells the view."""
    pipe = Pipe()
    socket = opened(pipe)
    await socket.receive()
    socket.feed = feed = Feed()
    feed.paused = True
    pipe.message("a")
    waiting = asyncio.create_task(socket.receive())
    await settle()
    assert feed.frames == ["=a"]
    socket.end()
    assert (await waiting)["type"] == "websocket.disconnect"
    assert feed.over == 1


@in_virtual_time
async def test_cancelling_a_receive_is_no_end() -> None:
    """A receive that the application itself cancels is cancelled, and the next one goes on."""
    pipe = Pipe()
    socket = opened(pipe)
    await socket.receive()
    waiting = asyncio.create_task(socket.receive())
    await settle()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    pipe.raw("hello")
    assert (await socket.receive())["text"] == "hello"


@in_virtual_time
async def test_frames_of_a_view_are_fed() -> None:
    """The application of a view gets no frames: its session does, text and binary; and the disconnect reaches both."""
    pipe = Pipe()
    socket = opened(pipe)
    await socket.receive()
    socket.feed = feed = Feed()
    pipe.raw("=a")
    pipe.raw(b"=b")
    pipe.raw(b"")
    pipe.disconnect(1001)
    assert await socket.receive() == {"type": "websocket.disconnect", "code": 1001}
    assert feed.frames == ["=a", b"=b", b""]
    assert feed.over == 1


@in_virtual_time
async def test_accept_while_draining_is_refused_with_503() -> None:
    """An accept while draining becomes 503 with Retry-After, and the application gets a disconnect."""
    pipe = Pipe(latency=0)
    socket = opened(pipe, refusing=True)
    await socket.receive()
    await socket.send(ACCEPT)
    start, body = pipe.sent
    assert start["type"] == "websocket.http.response.start"
    assert start["status"] == 503
    assert dict(start["headers"])[b"retry-after"]
    assert body == {"type": "websocket.http.response.body", "body": b"", "more_body": False}
    assert (await socket.receive())["type"] == "websocket.disconnect"


@in_virtual_time
async def test_accept_while_draining_is_refused_plainly_without_the_extension() -> None:
    """Where the server can't answer with a status, the handshake is refused with a close."""
    pipe = Pipe(extension=False, latency=0)
    socket = opened(pipe, refusing=True)
    await socket.receive()
    await socket.send(ACCEPT)
    assert pipe.kinds == ["websocket.close"]
    assert (await socket.receive())["type"] == "websocket.disconnect"


@in_virtual_time
async def test_a_socket_not_yet_accepted_is_refused_instead_of_closed() -> None:
    """Closing a handshake that the application still thinks about answers it with 503, as all others while draining."""
    pipe = Pipe(latency=0)
    socket = opened(pipe)
    await socket.receive()
    await socket.close(1012, "service restart")
    assert pipe.sent[0]["status"] == 503
    await socket.send(ACCEPT)
    assert len(pipe.sent) == 2


@in_virtual_time
async def test_nothing_is_sent_after_the_close() -> None:
    """After our close frame neither the application nor the view gets a word out, and a second close is none."""
    pipe = Pipe(latency=0)
    socket = opened(pipe)
    await socket.receive()
    await socket.send(ACCEPT)
    await socket.close(1012)
    await socket.send_frame("late")
    await socket.send({"type": "websocket.send", "text": "late", "bytes": None})
    await socket.send({"type": "websocket.close", "code": 1000, "reason": ""})
    await socket.close(1011)
    assert pipe.kinds == ["websocket.accept", "websocket.close"]
    assert pipe.close_code == 1012


@in_virtual_time
async def test_nothing_is_sent_after_the_applications_close() -> None:
    """After the application's own close nothing more is sent either."""
    pipe = Pipe(latency=0)
    socket = opened(pipe)
    await socket.receive()
    await socket.send(ACCEPT)
    await socket.send({"type": "websocket.close", "code": 1000, "reason": ""})
    await socket.send_frame("late")
    await socket.close(1012)
    assert pipe.kinds == ["websocket.accept", "websocket.close"]
    assert pipe.close_code == 1000


@in_virtual_time
async def test_a_peer_that_does_not_answer_the_close() -> None:
    """The application is told that the connection is over when the grace has passed without the peer's close frame."""
    pipe = Pipe()
    socket = opened(pipe)
    await socket.receive()
    await socket.send(ACCEPT)
    loop = asyncio.get_running_loop()
    closed = loop.time()
    await socket.close(1012)
    assert (await socket.receive())["type"] == "websocket.disconnect"
    assert loop.time() - closed == pytest.approx(CLOSE_GRACE)
    assert not socket.stuck


@in_virtual_time
async def test_a_peer_that_does_not_read_the_close() -> None:
    """A close that can't be written gives up after the grace and marks the socket stuck."""
    pipe = Pipe()
    socket = opened(pipe)
    await socket.receive()
    await socket.send(ACCEPT)
    pipe.readable = False
    waiting = asyncio.create_task(socket.receive())
    loop = asyncio.get_running_loop()
    closed = loop.time()
    await socket.close(1012)
    assert loop.time() - closed == pytest.approx(CLOSE_GRACE)
    assert socket.stuck
    assert (await waiting)["type"] == "websocket.disconnect"


@in_virtual_time
async def test_a_close_out_of_the_feed_marks_stuck_too() -> None:
    """Also where the view closes in answer to a frame, inside the application's receive, a stuck peer is noticed."""
    pipe = Pipe()
    socket = opened(pipe)
    await socket.receive()
    await socket.send(ACCEPT)
    pipe.readable = False

    class Closing(Feed):
        async def feed(self, data: str | bytes) -> None:
            await socket.close(1002)

    socket.feed = Closing()
    pipe.raw("garbage")
    assert (await socket.receive())["type"] == "websocket.disconnect"
    assert socket.stuck


@in_virtual_time
async def test_a_cancelled_close_still_ends() -> None:
    """A close that is cancelled while it waits for the peer lets the application know all the same."""
    pipe = Pipe()
    socket = opened(pipe)
    await socket.receive()
    await socket.send(ACCEPT)
    pipe.readable = False
    closing = asyncio.create_task(socket.close(1000))
    await settle()
    closing.cancel()
    assert (await socket.receive())["type"] == "websocket.disconnect"


@in_virtual_time
async def test_a_broken_connection_is_an_end_not_an_error() -> None:
    """A server whose `send` raises since the peer is gone ends the socket; nothing is raised to the view."""
    pipe = Pipe()
    socket = opened(pipe)
    await socket.receive()
    await socket.send(ACCEPT)
    socket.feed = feed = Feed()
    waiting = asyncio.create_task(socket.receive())
    await settle()
    pipe.broken = ConnectionResetError("gone")
    await socket.send_frame("x")
    assert socket.closed
    assert (await waiting)["type"] == "websocket.disconnect"
    assert feed.over == 1


@in_virtual_time
async def test_a_close_of_a_broken_connection() -> None:
    """Closing a connection that is broken ends it at once."""
    pipe = Pipe()
    socket = opened(pipe)
    await socket.receive()
    await socket.send(ACCEPT)
    pipe.broken = ConnectionResetError("gone")
    await socket.close(1012)
    assert (await socket.receive())["type"] == "websocket.disconnect"
    assert not socket.stuck
