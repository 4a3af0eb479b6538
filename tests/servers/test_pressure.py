"""Floods, slow readers and half-open connections: memory is bounded, others are served, and the end is the documented one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.client import Client
from tests.servers.harness import HYPERCORN, SLACK, UVICORN, Server, Setup, serving
from tests.servers.raw import RawPeer, stopped_peer, text_frame

KIB, MIB = 1024, 1024 * 1024

MESSAGE = 64 * KIB
"""`STASH_MAX_MESSAGE_SIZE` where a client floods."""

INBOX = 5
"""So many of the largest messages wait for a handler, with the one that is fed; of small ones `STASH_MAX_QUEUE`."""

READ = 256 * KIB
"""So many bytes asyncio reads at once. Uvicorn takes all messages that are in them, Hypercorn twelve messages at most."""

NOISE = 4 * MIB
"""What a process may grow by for other reasons."""

LOST = "a client was closed with 4408: nothing was heard in time"

SLOW = "a handler is slow: its client keeps the messages for which there is no room"

both = pytest.mark.parametrize("setup", [HYPERCORN, UVICORN], ids=lambda setup: setup.name)


@asynccontextmanager
async def stashed(setup: Setup, folder: Path, **settings: object) -> AsyncIterator[Server]:
    """A server with these settings."""
    environment = {f"QUART_STASH_{name.upper()}": str(value) for name, value in settings.items()}
    async with serving(setup, folder / "log", environment=environment) as server:
        yield server


async def mounted(server: Server, path: str = "/items/1", **options: object) -> Client:
    """A client with a mounted view. It is near: how often it is served is the clock of these tests."""
    one = Client(server.url(path), latency=0, **options)  # type: ignore[arg-type]
    server.peers.push_async_callback(one.abort)
    await one.connect()
    return one


async def served(one: Client, times: int = 20) -> None:
    """Have some messages answered."""
    for _ in range(times):
        await one.send("a")
        await one.answered(one.sent)


async def raw(server: Server, path: str) -> RawPeer:
    """A mounted peer that does not read."""
    peer = RawPeer(server.port)
    server.peers.callback(peer.close)
    await peer.connect()
    assert " 101 " in await peer.ask(path)
    before = await live(server)
    await peer.mount()
    while await live(server) == before:  # what it sends before would break the protocol
        await asyncio.sleep(0.02)
    return peer


async def live(server: Server) -> int:
    """Return how many views the server counts as live."""
    return int(json.loads((await server.get("/stats"))[2])["live"])


@pytest.mark.parametrize("size", [KIB, MESSAGE], ids=["small", "large"])
@both
async def test_a_flood_to_a_slow_handler(setup: Setup, size: int, tmp_path: Path) -> None:
    """The server keeps what the limits allow, leaves the rest to the client, and serves others; then it hands the view over."""
    flood = text_frame("=" + "x" * size) * (MESSAGE // size)
    async with stashed(setup, tmp_path, max_message_size=MESSAGE, shutdown_timeout=2) as server:
        honest = await mounted(server)
        await served(honest)
        peer = await raw(server, "/slow")
        before, growth = server.memory, 0
        pouring = asyncio.create_task(peer.pour(flood, 64 * MIB // len(flood)))
        while not pouring.done():
            await served(honest, 30)
            growth = max(growth, server.memory - before)
        held = max(READ, 12 * size) + (INBOX * size if size == MESSAGE else 256 * size)
        assert growth < 2 * held + NOISE
        assert SLOW in server.log
        assert await live(server) == 2
        await server.get("/release", "POST")
        await peer.ended()
        await served(honest)
        assert json.loads((await server.get("/stats"))[2])["timed-out"] == 1
        assert server.trouble() == []


@both
async def test_a_client_that_does_not_read(setup: Setup, tmp_path: Path) -> None:
    """`send` waits for it instead of buffering; the sweep then ends the connection, and others are served."""
    async with stashed(setup, tmp_path, silence_timeout=2) as server:
        honest = await mounted(server)
        await served(honest)
        before = server.memory
        peer = await raw(server, "/flood")
        await server.logs("flooding")
        async with asyncio.timeout(SLACK):
            while LOST not in server.log:
                assert server.memory - before < 4 * 1_000_000 + NOISE, (
                    "two messages, encoded, of the 64 that it sends"
                )
                await served(honest)
        await server.logs("a peer had stopped reading; its connection was")
        await peer.ended()
        assert server.trouble() == []


@both
async def test_a_half_open_connection(setup: Setup, tmp_path: Path) -> None:
    """A client that vanishes without a word is lost after the time for silence, and its view is none any more."""
    async with stashed(setup, tmp_path, silence_timeout=2) as server:
        async with stopped_peer(server.url("/items/99")):
            honest = await mounted(server)
            async with asyncio.timeout(SLACK):
                while LOST not in server.log or await live(server) == 2:
                    await served(honest)
        assert await live(server) == 1
        assert server.log.count(LOST) == 1
        server.signal()
        assert await honest.closed() == 1012
        await server.exited()
        assert "drained: 1 of 1 synced, 0 timed out" in server.log
        assert server.trouble() == []


@both
async def test_a_client_that_waits_for_a_slow_handler_is_not_lost(setup: Setup, tmp_path: Path) -> None:
    """While its messages wait for the handler its pings are heard; clients that say nothing are lost meanwhile."""
    async with stashed(setup, tmp_path, silence_timeout=2, max_queue=100) as server:
        waiting = await mounted(server, "/slow")
        for _ in range(150):
            await waiting.send("a")
        pinging = asyncio.create_task(ping(waiting))
        for _ in range(3):
            silent = await mounted(server)
            assert await silent.closed() == 4408
        assert waiting.close_code is None
        await server.get("/release", "POST")
        assert await waiting.closed() == 1012
        await waiting.connect()
        assert waiting.mounted["received"] < 150
        await waiting.until(lambda: waiting.received == 150)
        pinging.cancel()
        assert await waiting.closed() == 4408
        assert server.trouble() == []


async def ping(one: Client) -> None:
    """Be there, as the script is where it has nothing to say."""
    while True:
        await one.control("ping")
        await asyncio.sleep(0.2)


@both
async def test_a_share_is_handed_over(setup: Setup, tmp_path: Path) -> None:
    """Half of the views are handed over and come back; the process goes on as before, and drains all of them at the end."""
    async with stashed(setup, tmp_path) as server:
        clients = [await mounted(server, f"/items/{n}") for n in range(10)]
        for one in clients:
            await served(one, 2)
        assert json.loads((await server.get("/rebalance/0.5", "POST"))[2]) == {"synced": 5}
        chosen = [one for one in clients if one.seen("drain")]
        assert len(chosen) == 5
        for one in chosen:
            assert await one.closed() == 1012
            assert one.seen("token")[-1]["final"]
        assert (await server.get("/_stash/ready"))[0] == 200
        for one in chosen:
            await one.connect()
            assert (one.mounted["status"], one.mounted["received"]) == ("restored", 2)
        for one in clients:
            await served(one, 1)
            assert len(json.loads(one.got[-1])["items"]) == 3
        server.signal()
        assert [await one.closed() for one in clients] == [1012] * 10
        await server.exited()
        assert "drained: 10 of 10 synced, 0 timed out," in server.log
        assert server.trouble() == []


@both
async def test_sigterm_in_the_middle_of_a_hand_over(setup: Setup, tmp_path: Path) -> None:
    """The drain takes along what the hand-over has not finished, and the process leaves by its deadline."""
    async with stashed(setup, tmp_path, shutdown_timeout=2.5, reconnect_rate=2) as server:
        clients = [await mounted(server, f"/items/{n}", answers_drain=n > 0) for n in range(4)]
        asking = asyncio.create_task(server.get("/rebalance/1.0", "POST"))
        await server.logs("handing over: 4 of 4 views")
        server.signal()
        assert [await one.closed() for one in clients] == [1012] * 4
        await server.exited(2.5)
        assert "handed over: 3 of 4 synced, 1 timed out" in server.log
        assert " synced, 1 timed out, in " in server.log
        await asyncio.wait([asking])
        assert server.trouble() == []


@both
async def test_old_connections(setup: Setup, tmp_path: Path) -> None:
    """A view of the maximum age is handed to a fresh connection, and the process goes on."""
    async with stashed(setup, tmp_path, max_connection_age=2) as server:
        one = await mounted(server)
        for number in (1, 2):
            await served(one, 1)
            assert await one.closed() == 1012
            assert one.seen("token")[-1]["final"]
            await one.connect()
            assert (one.mounted["status"], one.mounted["received"]) == ("restored", number)
        assert server.trouble() == []
