"""What is known of single servers, with stand-ins for them; tests/neighbours/ has the real ones."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from quart_stash.live.mainloop import GunicornLoop, UvicornLoop, find_main_loop, let_go

from .pipe import in_virtual_time


class Uvicorn:
    """As much of Uvicorn's server as is looked at."""

    __module__ = "uvicorn.server"

    def __init__(self, *, most: int = 1000, worker: Any = None, pong: float | None = 20.0) -> None:
        self.lifespan = Lifespan()
        self.should_exit = self.force_exit = False
        self.requests = 0
        self.left_at: float | None = None
        self.config = Config(worker, pong)
        self._most = most

    async def serve(self) -> None:
        await self.lifespan.startup()
        while not await self.on_tick(0):
            await asyncio.sleep(0.1)
        self.left_at = asyncio.get_running_loop().time()

    async def on_tick(self, counter: int) -> bool:
        return self.should_exit or self.requests >= self._most


class Config:
    def __init__(self, worker: Any, pong: float | None) -> None:
        self.callback_notify = worker.notify if worker else None
        self.ws_ping_interval, self.ws_ping_timeout = 20.0, pong


class Lifespan:
    def __init__(self) -> None:
        self.started = asyncio.Event()

    async def startup(self) -> None:
        await self.started.wait()

    async def send(self, event: Any) -> None:
        raise AssertionError("nothing is sent")


class Worker:
    """As much of gunicorn's worker as is looked at."""

    __module__ = "gunicorn.workers.gasgi"

    def __init__(self) -> None:
        self.alive, self.nr_conns = True, 0
        self.cfg = self
        self.graceful_timeout = 30

    async def serve(self) -> None:
        while self.alive:
            await asyncio.sleep(1)

    async def notify(self) -> None:
        raise AssertionError("it is not called here")


class Gateway:
    """Drains for three seconds."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.reasons: list[str] = []
        self._drain: asyncio.Task[None] | None = None

    def leave(self, reason: str) -> asyncio.Task[None]:
        self.reasons.append(reason)
        self._drain = self._drain or self.loop.create_task(asyncio.sleep(3))
        return self._drain

    def skip(self) -> None:
        raise AssertionError("nothing is skipped")

    def leaving(self) -> bool:
        return False


async def found(server: Uvicorn, send: Any = None) -> UvicornLoop:
    """Find the main loop of this server while it starts, as its lifespan does."""
    await asyncio.sleep(0)
    main_loop = find_main_loop(send or server.lifespan.send)
    assert isinstance(main_loop, UvicornLoop)
    server.lifespan.started.set()
    return main_loop


@pytest.mark.parametrize("why", ["should_exit", "limit_max_requests", "worker"])
@in_virtual_time
async def test_uvicorn_leaves_when_the_drain_is_over(why: str) -> None:
    """Whyever it is to leave, every application is drained first, at the same time."""
    worker = Worker()
    server = Uvicorn(most=5, worker=worker)
    serving = asyncio.create_task(server.serve())
    main_loop = await found(server)
    gateways = [Gateway(), Gateway()]
    for gateway in gateways:
        main_loop.watch(gateway)
    await asyncio.sleep(10)
    assert gateways[0].reasons == []
    if why == "should_exit":
        server.should_exit = True
    elif why == "limit_max_requests":
        server.requests = 5
    else:
        worker.alive = False
    await serving
    assert server.left_at == pytest.approx(13.1, abs=0.2)
    assert all(why in gateway.reasons[0] for gateway in gateways)


@in_virtual_time
async def test_uvicorn_is_forced_to_leave() -> None:
    """It does not wait for the drain then; nor for an application whose lifespan is over."""
    for forced in (True, False):
        server = Uvicorn()
        serving = asyncio.create_task(server.serve())
        main_loop, gateway = await found(server), Gateway()
        main_loop.watch(gateway)
        server.should_exit, server.force_exit = True, forced
        if not forced:
            main_loop.stop(gateway)
        start = gateway.loop.time()
        await serving
        assert gateway.loop.time() - start < 1
        assert bool(gateway.reasons) == forced


@in_virtual_time
async def test_two_servers_in_one_loop() -> None:
    """They are told apart by the lifespan; where that can't be seen, none is taken for the other."""
    servers = [Uvicorn(), Uvicorn()]
    serving = [asyncio.create_task(server.serve()) for server in servers]
    await asyncio.sleep(0)
    assert find_main_loop(lambda _: None) is None
    main_loop, gateway = await found(servers[1]), Gateway()
    main_loop.watch(gateway)
    servers[0].lifespan.started.set()
    servers[0].should_exit = True
    await serving[0]
    assert gateway.reasons == []
    servers[1].should_exit = True
    await serving[1]
    assert gateway.reasons


@in_virtual_time
async def test_a_wrapped_send() -> None:
    """The only server of a loop is found, whatever has been put around its `send`."""
    server = Uvicorn(pong=1.0)
    serving = asyncio.create_task(server.serve())
    main_loop = await found(server, lambda _: None)
    assert main_loop.pong_limit == 1.0
    server.should_exit = True
    await serving


@in_virtual_time
async def test_gunicorns_worker() -> None:
    """It is looked at until it is to stop, or the lifespan is over; its limit is known."""
    worker = Worker()
    serving = asyncio.create_task(worker.serve())
    await asyncio.sleep(0)
    main_loop = find_main_loop(None)
    assert isinstance(main_loop, GunicornLoop)
    assert main_loop.limit == (30.0, "gunicorn's graceful_timeout")
    gateway, other = Gateway(), Gateway()
    main_loop.watch(gateway)
    main_loop.watch(other)
    main_loop.stop(other)
    await asyncio.sleep(10.5)
    assert gateway.reasons == []
    worker.alive = False
    await serving
    assert gateway.reasons == ["gunicorn's worker"]
    assert other.reasons == []


@in_virtual_time
async def test_no_known_server() -> None:
    """Nothing is found where nothing is known, and nothing is made of it."""
    assert find_main_loop(None) is None


@in_virtual_time
async def test_a_handshake_that_a_server_takes_for_open() -> None:
    """It is waited for until it is closed, but not for ever; a server that knows of no such thing is not asked."""

    class Protocol:
        def __init__(self) -> None:
            self.handshake_complete = False
            self.asked = 0

        async def receive(self) -> None:
            self.asked += 1
            await asyncio.sleep(1)
            self.handshake_complete = self.asked == 3

        async def send(self, event: Any) -> None:
            raise AssertionError("nothing is sent")

    loop, protocol = asyncio.get_running_loop(), Protocol()
    await let_go(protocol.receive, protocol.send, within=10)
    assert (loop.time(), protocol.asked) == (3, 3)
    await let_go(Protocol().receive, Protocol().send, within=2)
    assert loop.time() == 5
    await let_go(protocol.receive, lambda _: None, within=2)
    assert loop.time() == 5
