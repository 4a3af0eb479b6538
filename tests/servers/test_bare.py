"""What this project is for: what the bare server does to a socket when it leaves."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tests.client import Client
from tests.servers.harness import HYPERCORN, serving

HANGS_FROM = (3, 12, 1)
"""`Server.wait_closed()` waits for connections since this Python."""
WATCHED = 8.0
"""Seconds for which a hanging process is watched: well over Hypercorn's `graceful_timeout` of 3."""


async def test_a_bare_application_on_hypercorn(tmp_path: Path) -> None:
    """One idle WebSocket keeps a bare Quart application from ever leaving; before Python 3.12.1 it is cut with 1011."""
    async with serving(HYPERCORN, tmp_path / "log", app="bare") as server:
        idle = Client(server.url("/plain"), subprotocols=())
        await idle.open()
        server.signal()
        if sys.version_info < HANGS_FROM:
            assert await idle.closed() == 1011
            await server.exited()
            return
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(WATCHED):
                await server.exited(deadline=60)
        assert server.alive and len(server.pids) > 1
        assert idle.close_code is None
        await server.end()
        assert await idle.closed() == 1006
