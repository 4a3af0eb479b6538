"""Peers and handlers that would hold a process, and signals at bad moments: it leaves by its deadline all the same."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from tests.client import Client
from tests.servers.harness import (
    GUNICORN,
    HYPERCORN,
    HYPERCORN_0,
    HYPERCORN_2,
    RUN,
    UVICORN,
    UVICORN_2,
    Server,
    Setup,
    eventually,
    listening,
    serving,
)
from tests.servers.raw import RawPeer, stopped_peer

TIMEOUT = "2.5"
OTHERS = 8

both = pytest.mark.parametrize("setup", [HYPERCORN, UVICORN], ids=lambda setup: setup.name)
every = pytest.mark.parametrize(
    "setup", [HYPERCORN, HYPERCORN_0, UVICORN, GUNICORN, RUN], ids=lambda setup: setup.name
)


@asynccontextmanager
async def stashed(
    setup: Setup, folder: Path, name: str = "log", *, listener: socket.socket | None = None, **more: str
) -> AsyncIterator[Server]:
    """A server with a short time-out for its drain."""
    more["QUART_STASH_SHUTDOWN_TIMEOUT"] = TIMEOUT
    async with serving(setup, folder / name, listener=listener, environment=more) as server:
        yield server


async def mounted(server: Server, path: str = "/items/1", **options: object) -> Client:
    """A client with a mounted view."""
    one = await opened(server, path, **options)
    await one.mount()
    return one


async def opened(server: Server, path: str, **options: object) -> Client:
    """A client that has not mounted yet."""
    one = Client(server.url(path), **options)  # type: ignore[arg-type]
    server.peers.push_async_callback(one.abort)
    await one.open()
    return one


async def others(server: Server) -> list[Client]:
    """Honest clients, which nobody else must slow down."""
    clients = [await mounted(server, f"/items/{n}") for n in range(OTHERS)]
    for one in clients:
        await one.send("a")
        await one.answered(1)
    return clients


async def all_synced_before(server: Server, clients: list[Client]) -> None:
    """Every one of these is handed back while the drain still waits for somebody else."""
    assert [await one.closed() for one in clients] == [1012] * len(clients)
    assert all(one.seen("token")[-1].get("final") for one in clients)
    assert "drained:" not in server.log


async def left(server: Server) -> str:
    """Wait for the process and return its summary line."""
    await server.exited(float(TIMEOUT))
    assert server.trouble() == []
    return summary(server)


def summary(server: Server) -> str:
    """What the one drain of this log came to."""
    (line,) = re.findall(r"drained: (.*), in [\d.]+ s", server.log)
    return str(line)


@pytest.mark.parametrize(
    ("setup", "options"),
    [(HYPERCORN, ("-k", "uvloop")), (GUNICORN, ("--graceful-timeout", "3"))],
    ids=["hypercorn-uvloop", "gunicorn"],
)
async def test_a_server_whose_own_limit_is_shorter(
    setup: Setup, options: tuple[str, ...], tmp_path: Path
) -> None:
    """Where the server would cut its sockets before the time-out, the start says so, and the drain ends before that."""
    long = {"QUART_STASH_SHUTDOWN_TIMEOUT": "60"}
    async with serving(setup, tmp_path / "log", options=options, environment=long) as server:
        assert "graceful_timeout is 3.0 s, shorter than STASH_SHUTDOWN_TIMEOUT (60.0 s)" in server.log
        mute = await mounted(server, answers_drain=False)
        server.signal()
        assert await mute.closed() == 1012
        assert await left(server) == "0 of 1 synced, 1 timed out"


@both
async def test_a_client_that_answers_nothing(setup: Setup, tmp_path: Path) -> None:
    """A client that never answers `drain` is closed with 1012 at the deadline, and slows nobody down."""
    async with stashed(setup, tmp_path) as server:
        mute = await mounted(server, "/items/99", answers_drain=False)
        honest = await others(server)
        server.signal()
        await all_synced_before(server, honest)
        assert await mute.closed() == 1012
        assert await left(server) == f"{OTHERS} of {OTHERS + 1} synced, 1 timed out"


@both
async def test_a_client_whose_process_is_stopped(setup: Setup, tmp_path: Path) -> None:
    """A client that is stopped as a whole (a laptop's lid, a debugger) does not hold the process."""
    async with stashed(setup, tmp_path) as server, stopped_peer(server.url("/items/99")):
        honest = await others(server)
        server.signal()
        await all_synced_before(server, honest)
        assert await left(server) == f"{OTHERS} of {OTHERS + 1} synced, 1 timed out"


@every
async def test_a_client_that_has_stopped_reading(setup: Setup, tmp_path: Path) -> None:
    """A client that has stopped reading, with megabytes queued for it, does not hold the process."""
    async with stashed(setup, tmp_path) as server:
        await flood(server)
        honest = await others(server)
        server.signal()
        await all_synced_before(server, honest)
        assert await left(server) == f"{OTHERS} of {OTHERS + 1} synced, 1 timed out"


async def connected(server: Server) -> RawPeer:
    """A peer that has said nothing yet."""
    peer = RawPeer(server.port)
    server.peers.callback(peer.close)
    await peer.connect()
    return peer


async def flood(server: Server, **headers: str) -> None:
    """A peer that megabytes are queued for, and that does not read them."""
    peer = await connected(server)
    assert " 101 " in await peer.ask("/flood", **headers)
    await peer.mount()
    await server.logs("flooding")


@pytest.mark.parametrize("wrapped", ["", "yes"], ids=["bare", "behind-a-middleware"])
@pytest.mark.parametrize("setup", [UVICORN, GUNICORN], ids=lambda setup: setup.name)
async def test_trace_26_a_forged_address_cuts_nothing_else(
    setup: Setup, wrapped: str, tmp_path: Path
) -> None:
    """Behind a proxy that passes a foreign address and port, the process leaves, and no other connection is touched."""
    said: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def database(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said.set_result(await reader.read())
        writer.close()

    async with await asyncio.start_server(database, "127.0.0.1", 0) as service:
        port = service.sockets[0].getsockname()[1]
        async with stashed(setup, tmp_path, APP_DATABASE_PORT=str(port), APP_WRAPPED=wrapped) as server:
            await flood(server, X_Forwarded_For=f"127.0.0.1:{port}")
            server.signal()
            assert await left(server) == "0 of 1 synced, 1 timed out"
            assert await said == b"bye\n"


@every
async def test_sigterm_twice_is_one_drain(setup: Setup, tmp_path: Path) -> None:
    """A second SIGTERM changes nothing: the view that still works is handed back."""
    async with stashed(setup, tmp_path) as server:
        slow = await mounted(server, "/busy")
        await slow.send("slow")
        await slow.answered(1)
        server.signal()
        await slow.until(lambda: slow.seen("drain"))
        server.signal()
        assert await slow.closed() == 1012
        assert slow.received == 1
        assert await left(server) == "1 of 1 synced, 0 timed out"


@every
async def test_sigint_twice_skips_the_drain(setup: Setup, tmp_path: Path) -> None:
    """Ctrl-C, and again, ends the drain at once."""
    long = {"QUART_STASH_SHUTDOWN_TIMEOUT": "600"}
    async with serving(setup, tmp_path / "log", environment=long) as server:
        mute = await mounted(server, answers_drain=False)
        server.signal_group(signal.SIGINT)
        await mute.until(lambda: mute.seen("drain"))
        await server.attended()
        server.signal_group(signal.SIGINT)
        await mute.closed()
        await server.exited(0)


@both
async def test_sigterm_in_mid_mount(setup: Setup, tmp_path: Path) -> None:
    """A socket that is accepted, but not yet mounted, is closed with 1012 at once, and is not counted as a view."""
    async with stashed(setup, tmp_path) as server:
        early = await opened(server, "/items/1")
        mute = await mounted(server, "/items/2", answers_drain=False)
        server.signal()
        assert await early.closed() == 1012
        assert mute.close_code is None
        assert await left(server) == "0 of 1 synced, 1 timed out"


@both
async def test_sigterm_in_mid_message(setup: Setup, tmp_path: Path) -> None:
    """A handler that works on a message finishes it, and those that were sent since, before the view is handed back."""
    async with stashed(setup, tmp_path) as server:
        slow = await mounted(server, "/busy", at_drain=["last"])
        await slow.send("slow")
        await slow.answered(1)
        server.signal()
        assert await slow.closed() == 1012
        assert slow.received == 2 and slow.outbox == {}
        assert slow.got[-1] == "slow last"
        assert await left(server) == "1 of 1 synced, 0 timed out"


@both
async def test_trace_08_a_handler_that_is_busy_beyond_the_deadline(setup: Setup, tmp_path: Path) -> None:
    """Its view is timed out, and the message in hand is replayed, once, on the next process."""
    with listening() as listener:
        async with stashed(setup, tmp_path, listener=listener) as server:
            one = await mounted(server, "/busy")
            await one.send("first")
            await one.answered(2)
            await one.send("hang")
            await one.answered(3)
            server.signal()
            assert await one.closed() == 1012
            assert await left(server) == "0 of 1 synced, 1 timed out"
        assert (one.received, one.outbox) == (1, {2: "hang"})
        async with stashed(setup, tmp_path, "new", listener=listener, APP_CALM="1"):
            await one.connect()
            await one.answered(5)
            assert one.got[-1] == "first hang again"
            await one.abort()


@pytest.mark.parametrize("what", ["once", "always"])
@both
async def test_trace_08_a_handler_that_swallows_its_cancellation(
    setup: Setup, what: str, tmp_path: Path
) -> None:
    """The process leaves by the deadline all the same, and the log names the handler."""
    async with stashed(setup, tmp_path) as server:
        one = await mounted(server, f"/stubborn/{what}")
        await one.answered(1)
        honest = await others(server)
        server.signal()
        assert [await each.closed() for each in [one, *honest]] == [1012] * (OTHERS + 1)
        await server.exited(float(TIMEOUT))
        assert summary(server) == f"{OTHERS + 1} of {OTHERS + 1} synced, 0 timed out"
        assert [line.split(" ERROR ")[1] for line in server.trouble()] == [
            f"the handler of '/stubborn/{what}' ignores its cancellation and was ended"
        ]


@both
async def test_trace_08_a_push_only_handler(setup: Setup, tmp_path: Path) -> None:
    """A view that never asks for a message drains too, goes on from its state, and its last push is the token's."""
    with listening() as listener:
        async with stashed(setup, tmp_path, listener=listener) as server:
            one = await mounted(server, "/push")
            await one.answered(3)
            server.signal()
            assert await one.closed() == 1012
            assert await left(server) == "1 of 1 synced, 0 timed out"
        before = [int(number) for number in one.got]
        assert before == list(range(1, len(before) + 1))
        async with stashed(setup, tmp_path, "new", listener=listener):
            await one.connect()
            await one.answered(len(before) + 3)
            assert int(one.got[len(before)]) == len(before) + 1
            await one.abort()


@both
async def test_trace_06_what_runs_when_a_view_is_handed_back(setup: Setup, tmp_path: Path) -> None:
    """Code after the loop does not run, `finally` does, and a pusher in a task group unwinds: the outcome is `synced`."""
    async with stashed(setup, tmp_path) as server:
        one = await mounted(server, "/unwind")
        await one.send("a")
        await one.answered(2)
        server.signal()
        assert await one.closed() == 1012
        assert await left(server) == "1 of 1 synced, 0 timed out"
        assert server.log.count("the pusher has unwound") == 1
        assert server.log.count("in finally") == 1
        assert "after the loop" not in server.log


@both
async def test_trace_07_a_handler_that_returns_while_a_drain_runs(setup: Setup, tmp_path: Path) -> None:
    """Its view is finished, not handed back: the client forgets it."""
    async with stashed(setup, tmp_path) as server:
        one = await mounted(server, "/returning")
        await one.send("a")
        await one.answered(1)
        server.signal()
        assert await one.closed() == 1000
        assert one.seen("finished") == [{"type": "finished", "received": 1}]
        assert await left(server) == "0 of 1 synced, 0 timed out, 1 finished"


@every
async def test_other_sockets_are_closed_too(setup: Setup, tmp_path: Path) -> None:
    """A socket that is not a view, and a view's client that does not speak the protocol, are closed with 1012."""
    async with stashed(setup, tmp_path) as server:
        plain = await opened(server, "/plain", subprotocols=())
        mute_view = await opened(server, "/items/1", subprotocols=())
        for one in (plain, mute_view):
            await one.raw("hello")
            await one.answered(1)
        server.signal()
        assert [await plain.closed(), await mute_view.closed()] == [1012, 1012]
        assert await left(server) == "0 of 0 synced, 0 timed out"


@pytest.mark.parametrize("setup", [UVICORN, GUNICORN], ids=lambda setup: setup.name)
async def test_new_sockets_are_refused_while_draining(setup: Setup, tmp_path: Path) -> None:
    """While it drains, a process answers new sockets with 503 and Retry-After, is not ready, and serves requests."""
    async with stashed(setup, tmp_path) as server:
        mute = await mounted(server, answers_drain=False)
        server.signal()
        await mute.until(lambda: mute.seen("drain"))
        with pytest.raises(InvalidStatus) as refused:
            await opened(server, "/items/2")
        assert refused.value.response.status_code == 503
        assert refused.value.response.headers["Retry-After"] == "1"
        status, headers, _ = await server.get("/_stash/ready")
        assert (status, headers["retry-after"]) == (503, "1")
        assert (await server.get("/"))[0] == 200
        await server.exited(float(TIMEOUT))
        assert summary(server) == "0 of 1 synced, 1 timed out"
        # Uvicorn takes every handshake that was answered with a status for one that was not answered.
        assert all("returned without completing handshake" in line for line in server.trouble())


async def test_a_drain_by_hand_refuses_too(tmp_path: Path) -> None:
    """After `drain()` a process that goes on serving refuses new sockets and is not ready."""
    async with stashed(HYPERCORN, tmp_path) as server:
        one = await mounted(server)
        assert (await server.get("/drain", "POST"))[2] == "drained"
        assert await one.closed() == 1012
        with pytest.raises(InvalidStatus) as refused:
            await opened(server, "/items/2")
        assert refused.value.response.status_code == 503
        assert (await server.get("/_stash/ready"))[0] == 503
        server.signal()
        assert await left(server) == "1 of 1 synced, 0 timed out"


@pytest.mark.parametrize("setup", [HYPERCORN_2, UVICORN_2], ids=lambda setup: setup.name)
async def test_a_worker_is_not_ended_by_the_one_that_left_first(setup: Setup, tmp_path: Path) -> None:
    """An idle worker leaves at once; the other one, in mid-message, has its time, and nothing is lost."""
    async with stashed(setup, tmp_path) as server:
        slow = await mounted(server, "/busy")
        await slow.send("slow")
        await slow.answered(1)
        server.signal()
        assert await slow.closed() == 1012
        assert slow.received == 1
        await server.exited(float(TIMEOUT))
        assert server.trouble() == []
        lines = sorted(re.findall(r"drained: (.*), in [\d.]+ s", server.log))
        assert lines == ["0 of 0 synced, 0 timed out", "1 of 1 synced, 0 timed out"]


@both
async def test_sigkill_loses_nothing_that_was_sent(setup: Setup, tmp_path: Path) -> None:
    """After a SIGKILL the next process restores the newest token, and every later message counts exactly once."""
    with listening() as listener:
        async with serving(setup, tmp_path / "log", listener=listener) as server:
            one = await mounted(server)
            for data in "abcde":
                await one.send(data)
            await one.answered(5)
            server.signal_group(signal.SIGKILL)
            assert await one.closed() == 1006
            await eventually(lambda: not server.pids, "its end")
        received = one.received
        await one.send("f")
        async with serving(setup, tmp_path / "new.log", listener=listener):
            await one.connect()
            await one.until(lambda: json.loads(one.got[-1])["number"] == 6)
            assert one.mounted["status"] == "restored" and one.mounted["received"] == received
            assert json.loads(one.got[-1])["items"] == list("abcdef")
            await one.abort()
