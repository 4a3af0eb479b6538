"""Servers beside Hypercorn and Uvicorn: each row of the table in docs/deploying.md that `tests/servers` does not have."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.servers.harness import (
    ANYCORN,
    ANYCORN_2,
    DAPHNE,
    GRANIAN,
    GRANIAN_2,
    GUNICORN_ASGI,
    GUNICORN_ASGI_2,
    Server,
    Setup,
    serving,
)
from tests.servers.raw import RawPeer

from .deploy import deploy

PLAIN = "tests.neighbours.apps.plain"
SERVERS = (GUNICORN_ASGI, GUNICORN_ASGI_2, ANYCORN, ANYCORN_2, GRANIAN, GRANIAN_2)


@pytest.mark.parametrize("setup", SERVERS, ids=lambda setup: setup.name)
async def test_a_server(setup: Setup, tmp_path: Path) -> None:
    """A SIGTERM to the server's parent is noticed by each of its workers, and nobody sees the deploy."""
    done = await deploy(replace(setup, app=PLAIN), tmp_path)
    done.was_noticed()
    assert len(done.first_lines) == setup.workers
    assert done.hooks() == (setup.workers, setup.workers)


@pytest.mark.parametrize("setup", [GUNICORN_ASGI, ANYCORN, GRANIAN], ids=lambda setup: setup.name)
async def test_a_peer_that_has_stopped_reading(setup: Setup, tmp_path: Path) -> None:
    """A peer that has stopped reading, with megabytes queued for it, does not hold up the process."""
    short = {"QUART_STASH_SHUTDOWN_TIMEOUT": "2.5"}
    async with serving(replace(setup, app="stashed"), tmp_path / "log", environment=short) as server:
        peer = RawPeer(server.port)
        server.peers.callback(peer.close)
        await peer.connect()
        assert " 101 " in await peer.ask("/flood")
        await peer.mount()
        await server.logs("flooding")
        server.signal()
        await server.exited(2.5)
        assert server.trouble() == []
        assert "drained: 0 of 1 synced, 1 timed out" in server.log


async def test_daphne(tmp_path: Path) -> None:
    """Daphne knows no lifespan, so the first request begins it all. It can't say 1012, and closes with 1000."""
    done = await deploy(replace(DAPHNE, app="starlette_app"), tmp_path)
    done.was_noticed(code=1000)


async def test_granian_by_hand(tmp_path: Path) -> None:
    """A drain by hand before the signal does the same, for a Granian whose worker can't be seen into."""

    async def drain(server: Server) -> None:
        assert (await server.get("/drain", "POST"))[2] == "drained"

    done = await deploy(replace(GRANIAN, app=PLAIN), tmp_path, before=drain)
    done.was_noticed()
