"""What this project is for: what the bare server does to a socket when it leaves."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tests.client import Client
from tests.servers.harness import HYPERCORN, serving

HANGS_FROM = (3, 12, 1)
WATCHED = 8.0
"""Seconds for which a hanging process is watched: well over Hypercorn's `graceful_timeout` of 3."""


@pytest.mark.skipif(
    sys.version_info < HANGS_FROM, reason="Server.wait_closed() waits for connections since 3.12.1"
)
async def test_a_bare_application_on_hypercorn_hangs(tmp_path: Path) -> None:
    """On Python 3.12.1 and later, one idle WebSocket keeps a bare Quart application from ever leaving."""
    async with serving(HYPERCORN, tmp_path / "log", app="bare") as server:
        idle = Client(server.url("/plain"), subprotocols=())
        await idle.open()
        server.signal()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(WATCHED):
                await server.exited(deadline=60)
        assert server.alive and len(server.pids) > 1
        assert idle.close_code is None
        await server.end()
        assert await idle.closed() == 1006


@pytest.mark.skipif(sys.version_info >= HANGS_FROM, reason="it hangs instead")
async def test_a_bare_application_on_hypercorn_cuts_its_sockets(tmp_path: Path) -> None:
    """Before Python 3.12.1 a bare Quart application tells an idle WebSocket nothing, and cuts it with 1011."""
    async with serving(HYPERCORN, tmp_path / "log", app="bare") as server:
        idle = Client(server.url("/plain"), subprotocols=())
        await idle.open()
        server.signal()
        assert await idle.closed() == 1011
        await server.exited()
