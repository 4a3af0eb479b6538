"""Servers that leave without SIGTERM: after so many requests, told by a variable, in a thread, by another signal."""

from __future__ import annotations

import re
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from tests.client import Client
from tests.neighbours.test_pings import GUNICORN_ASGI
from tests.servers.harness import GUNICORN, HYPERCORN, UVICORN, Server, Setup, eventually, serving

VIEWS = 5
MAIN_LOOP = "Uvicorn's main loop"
IN_A_THREAD = Setup("uvicorn-in-a-thread", ("in_a_thread.py", "{app}", "{fd}"), MAIN_LOOP)


async def views(server: Server) -> list[Client]:
    """Connect some views, and have each answer a message."""
    clients = [Client(server.url(f"/items/{number}")) for number in range(VIEWS)]
    for one in clients:
        server.peers.push_async_callback(one.abort)
        await one.connect()
        await one.send("a")
        await one.answered(1)
    return clients


async def handed_back(server: Server, clients: list[Client]) -> None:
    """Wait until all are, and see that the log says so."""
    assert [await one.closed() for one in clients] == [1012] * len(clients)
    assert all(one.seen("token")[-1]["final"] and one.received == one.sent for one in clients)
    await server.logs(f"drained: {len(clients)} of {len(clients)} synced, 0 timed out, in ")


@pytest.mark.parametrize("setup", [UVICORN, GUNICORN, GUNICORN_ASGI, HYPERCORN], ids=lambda setup: setup.name)
async def test_after_so_many_requests(setup: Setup, tmp_path: Path) -> None:
    """A worker that has served its number of requests hands its views back, and the next worker goes on with them."""
    option = "--limit-max-requests" if setup is UVICORN else "--max-requests"
    async with serving(setup, tmp_path / "log", options=(option, "12")) as server:
        clients = await views(server)
        for _ in range(12):
            if "draining: " not in server.log:
                with suppress(OSError):  # the worker that leaves may have taken it, and not answer any more
                    await server.get("/_stash/ready")
        await handed_back(server, clients)
        if setup is not UVICORN:
            await server.logs(" is noticed by ", 2)
            await clients[0].connect()
            assert (clients[0].mounted["status"], clients[0].mounted["received"]) == ("restored", 1)
            await clients[0].close()
            server.signal()
        assert await server.exited() == 0
        assert server.trouble() == []


async def test_a_server_in_a_thread(tmp_path: Path) -> None:
    """It is looked at from another loop, and goes on as before; told to leave, it hands every view back first."""
    async with serving(IN_A_THREAD, tmp_path / "log") as server:
        assert f" is noticed by {MAIN_LOOP}; " in server.log
        clients = await views(server)
        server.signal(signal.SIGUSR1)
        await server.logs("rebalanced: {'synced': 2}")
        assert f"looked: x False {VIEWS}" in server.log
        await eventually(
            lambda: sum(one.close_code == 1012 for one in clients) == 2, "two that are handed over"
        )
        left = [one for one in clients if one.close_code is None]
        for one in left:
            await one.send("b")
            await one.answered(2)
        server.signal()
        await handed_back(server, left)
        assert await server.exited() == 0
        assert server.trouble() == []


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGQUIT], ids=lambda signum: signum.name)
async def test_gunicorns_master_is_told_to_be_quick(signum: int, tmp_path: Path) -> None:
    """Uvicorn's worker hands its views back and leaves then, instead of being killed at gunicorn's limit."""
    async with serving(GUNICORN, tmp_path / "log", options=("--graceful-timeout", "120")) as server:
        clients = await views(server)
        server.signal(signum)
        await handed_back(server, clients)
        await server.exited()
        assert not re.search(r"SIGKILL|was sent|out of memory", server.log)
        assert server.trouble() == []
