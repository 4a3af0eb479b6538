"""A process of the testing kit: one host of an application, and connections that end as on a network."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest
from quart import Quart

from quart_stash import QuartStash, View
from quart_stash.core.frames import SUBPROTOCOL
from quart_stash.live.shutdown import SignalChain
from quart_stash.testing.dialer import ConnectionEnded, Refused
from quart_stash.testing.process import Deployment, Link, Process

from ..live.pipe import SECRET, in_virtual_time, settle


def make() -> Quart:
    app = Quart("tests")
    app.config["SECRET_KEY"] = SECRET
    stash = QuartStash(app)

    @app.websocket("/view")
    @stash.view()
    async def view(view: View[None]) -> None:
        async for message in view:
            await view.send(message.data)

    return app


def scope(app: Quart, path: str = "/view") -> Any:
    handshake: Any = app.test_client().websocket(path, scope_base={"subprotocols": [SUBPROTOCOL]})
    return handshake.scope


def process(app: Quart) -> Process:
    def failed(error: Exception) -> None:
        raise error

    return Process(app, lambda: 0.0, failed)


@in_virtual_time
async def test_a_connection() -> None:
    """Text and bytes go both ways, as they are; closed from here, the handler ends."""
    app = make()
    link = await process(app).open(scope(app), lambda _: None)
    await link.send('{"type": "mount", "sent": 0}')
    assert "mounted" in str(await link.receive())
    await link.send("=")
    await link.send(b"=\x00")
    assert [await link.receive(), await link.receive()] == ["=", b"=\x00"]
    await link.close(1001)
    assert link.task.done()
    with pytest.raises(ConnectionEnded):
        await link.send("late")


@in_virtual_time
async def test_a_close_of_the_server_is_answered() -> None:
    """The application hears of the end of the connection at once, not after a grace; the test hears the code."""
    app, codes = make(), list[int]()
    link = await process(app).open(scope(app), codes.append)
    await link.send("no frame")
    with pytest.raises(ConnectionEnded) as caught:
        await link.receive()
    await settle()
    assert (caught.value.code, codes, link.task.done()) == (1002, [1002], True)


@in_virtual_time
async def test_a_refused_handshake() -> None:
    """It says why, and leaves no task behind."""
    app = make()
    with pytest.raises(Refused) as caught:
        await process(app).open(scope(app, "/nowhere"), lambda _: None)
    assert caught.value.why == "HTTP status 404"
    await settle()
    assert len(asyncio.all_tasks()) == 1


@in_virtual_time
async def test_a_handshake_that_is_given_up() -> None:
    """The application hears that the client has gone."""
    app, begun = make(), asyncio.Event()

    @app.before_websocket
    async def slow() -> None:
        begun.set()
        await asyncio.sleep(3600)

    opening = asyncio.create_task(process(app).open(scope(app), lambda _: None))
    await begun.wait()
    opening.cancel()
    await settle()
    assert opening.cancelled()
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize("leave", [Process.drain, Process.kill], ids=["drained", "killed"])
@in_virtual_time
async def test_a_process_that_left(leave: Any) -> None:
    """It serves nobody, and listens to no signals any more; one that took its place does."""
    app = make()
    old = process(app)
    links: list[Link] = [await old.open(scope(app), lambda _: None) for _ in range(2)]
    new = process(app)
    there = await new.open(scope(app), lambda _: None)
    await leave(old)
    assert [link.task.done() for link in [*links, there]] == [True, True, False]
    chain = SignalChain._shared
    assert chain is not None
    assert old.host.gateway not in chain._listeners and new.host.gateway in chain._listeners
    await new.kill()


@in_virtual_time
async def test_a_clock_for_all_processes() -> None:
    """It goes on by the offset, also for those that begin later."""
    app = make()
    async with AsyncExitStack() as stack:
        deployment = Deployment(stack)
        await deployment.serve(app)
        first = deployment.process.host
        before = first.now()
        deployment.offset += 3600
        await deployment.serve(app)
        assert first.now() >= before + 3600
        assert deployment.process.host.now() >= before + 3600
        assert deployment.process.host is not first
