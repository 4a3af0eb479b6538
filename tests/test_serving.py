"""Which host serves: one for each start, reached from any thread and loop, and never replaced by a read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from quart import Quart

from quart_stash import ConfigurationError, QuartStash, View
from quart_stash.asgi import StashMiddleware, mount_view

from .live.pipe import SECRET, Pipe, in_virtual_time


class Site:
    """An application with one view, wired by the extension or wrapped in the middleware."""

    def __init__(self, kind: str) -> None:
        self.stash: Any
        self.app: Any
        if kind == "extension":
            app = self.app = Quart("tests")
            app.config.update(SECRET_KEY=SECRET, STASH_SYNC_INTERVAL=0)
            stash = self.stash = QuartStash(app)
            app.websocket("/view")(stash.view(dict)(_echo))
        else:
            self.app = self.stash = StashMiddleware(_bare, secret_key=SECRET, sync_interval=0)

    def connect(self, **scope: Any) -> Pipe:
        """Open a connection, as a server does."""
        pipe = Pipe("/view", **scope)
        pipe.serve(self.app(pipe.scope, pipe.receive, pipe.send))
        return pipe

    async def start(self) -> Lifespan:
        """Start to serve, as a server does."""
        lifespan = Lifespan()
        lifespan.task = asyncio.ensure_future(self.app(lifespan.scope, lifespan.events.get, lifespan.hear))
        await lifespan.say("startup")
        return lifespan


class Lifespan:
    """One start of an application, as its server has it."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}
        self.scope: dict[str, Any] = {"type": "lifespan", "asgi": {}, "state": self.state}
        self.events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.task: asyncio.Future[None]
        self._said: asyncio.Queue[str] = asyncio.Queue()

    async def hear(self, event: Any) -> None:
        self._said.put_nowait(event["type"])

    async def say(self, what: str) -> None:
        self.events.put_nowait({"type": f"lifespan.{what}"})
        assert await self._said.get() == f"lifespan.{what}.complete"

    async def stop(self) -> None:
        await self.say("shutdown")
        await self.task


async def _echo(view: View[dict[str, Any]]) -> None:
    async for message in view:
        view.state["said"] = str(message.data)
        await view.send(message.data)


async def _bare(scope: Any, receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
    """Do what a framework does."""
    if scope["type"] == "lifespan":
        for what in ("startup", "shutdown"):
            assert (await receive())["type"] == f"lifespan.{what}"
            await send({"type": f"lifespan.{what}.complete"})
        return
    async with mount_view(scope, receive, send, state=dict) as view:
        await _echo(view)


both = pytest.mark.parametrize("kind", ["extension", "middleware"])


@both
@in_virtual_time
async def test_a_new_lifespan_is_a_new_start(kind: str) -> None:
    """An application that is served again in one loop takes views again, and is not draining any more."""
    site = Site(kind)
    token = None
    for _ in range(3):
        lifespan = await site.start()
        assert not site.stash.draining
        pipe = site.connect(state=dict(lifespan.state))
        mounted = await pipe.mount(token=token) if token else await pipe.mount()
        assert mounted["status"] == ("restored" if token else "fresh")
        leaving = asyncio.create_task(lifespan.stop())
        token = (await pipe.answer_drain(sent=0))["token"]
        await leaving
        assert site.stash.draining


@both
@in_virtual_time
async def test_two_starts_at_a_time(kind: str) -> None:
    """Sockets stay with the start that they came in with: the end of one does not touch those of the other."""
    site = Site(kind)
    first, second = await site.start(), await site.start()
    one, other = site.connect(state=dict(first.state)), site.connect(state=dict(second.state))
    for pipe in (one, other):
        await pipe.mount()
    leaving = asyncio.create_task(first.stop())
    await one.answer_drain(sent=0)
    await leaving
    assert not other.frames("drain")
    refused = site.connect(state=dict(first.state))
    await refused.ended()
    assert refused.sent[0]["status"] == 503
    other.message("a")
    await other.until(lambda: other.got == ["a"])
    leaving = asyncio.create_task(second.stop())
    await other.answer_drain(sent=1)
    await leaving


@both
async def test_a_read_in_another_loop_changes_nothing(kind: str) -> None:
    """Whatever is asked meanwhile, in a thread or in its loop, the views are drained by the loop that serves them."""
    site = Site(kind)
    lifespan = await site.start()
    pipe = site.connect(state=dict(lifespan.state))
    await pipe.mount()

    def read() -> None:
        assert not site.stash.draining
        if kind == "extension":
            assert site.stash.stats() == {"live": 1, "fresh": 1}
            assert site.stash.open(site.stash.seal("x", purpose="p"), purpose="p") == "x"

    async def read_in_a_loop() -> None:
        read()

    await asyncio.to_thread(read)
    await asyncio.to_thread(asyncio.run, read_in_a_loop())
    leaving = asyncio.create_task(asyncio.to_thread(asyncio.run, site.stash.drain("elsewhere")))
    await pipe.answer_drain(sent=0)
    await leaving
    assert site.stash.draining
    assert await asyncio.to_thread(asyncio.run, site.stash.rebalance(1)) == {}
    await lifespan.stop()


@both
def test_nothing_is_served(kind: str) -> None:
    """Before and after, and without any loop, what needs none works, and there is nothing to hand over."""
    site = Site(kind)

    async def serve() -> None:
        lifespan = await site.start()
        await lifespan.stop()

    for _ in range(2):
        asyncio.run(site.stash.drain())
        assert asyncio.run(site.stash.rebalance(1)) == {}
        if kind == "extension":
            assert site.stash.stats() == {"live": 0}
            assert site.stash.open(site.stash.seal("x", purpose="p"), purpose="p") == "x"
        asyncio.run(serve())
    assert site.stash.draining


@both
def test_a_loop_that_stands_still(kind: str) -> None:
    """Nobody waits for ever for a loop that serves the application and does not run: that is an error, and says so."""
    site = Site(kind)
    with asyncio.Runner() as runner:
        lifespan = runner.run(site.start())
        with pytest.raises(ConfigurationError, match="does not run"):
            asyncio.run(site.stash.drain())
        runner.run(lifespan.stop())


@in_virtual_time
async def test_test_app_twice() -> None:
    """Quart's own way to start an application in a test may be used again, and serves again."""
    site = Site("extension")
    for _ in range(2):
        async with site.app.test_app():
            pipe = site.connect()
            await pipe.mount()
            pipe.disconnect()
            await pipe.ended()


@both
@in_virtual_time
async def test_views_that_the_server_cut(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """What a server did before its shutdown could be noticed is told: never "0 of 0" where views were cut."""
    site = Site(kind)
    with caplog.at_level(logging.INFO, "quart_stash"):
        lifespan = await site.start()
        pipes = [site.connect(state=dict(lifespan.state)) for _ in range(3)]
        for pipe, code in zip(pipes, (1012, 1012, 1001), strict=True):
            await pipe.mount()
            pipe.disconnect(code)
            await pipe.ended()
        await lifespan.stop()
    assert "this server has cut 2 views" in caplog.text
    assert "drained: 0 of 2 synced, 0 timed out, 2 cut, in 0.0 s" in caplog.text
