"""Handshakes that are refused in a drain."""

from __future__ import annotations

from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from tests.client import Client
from tests.servers.harness import UVICORN, serving


@pytest.mark.parametrize("implementation", ["websockets-sansio", "wsproto", "websockets"])
async def test_uvicorn_logs_no_error(implementation: str, tmp_path: Path) -> None:
    """Each is answered with 503 and `Retry-After`, or 403 where the Origin is not allowed, and is no ERROR of Uvicorn's."""
    async with serving(UVICORN, tmp_path / "log", options=("--ws", implementation)) as server:
        one = Client(server.url("/items/1"), answers_drain=False)
        server.peers.push_async_callback(one.abort)
        await one.connect()
        server.signal()
        await one.until(lambda: one.seen("drain"))
        for origin, status in ((None, 503), ("http://elsewhere.example", 403), (None, 503)):
            with pytest.raises(InvalidStatus) as refused:
                await Client(server.url("/items/2"), origin=origin).open()
            assert refused.value.response.status_code == status
            assert ("Retry-After" in refused.value.response.headers) == (status == 503)
        await one.abort()
        await server.exited()
        assert server.trouble() == []
