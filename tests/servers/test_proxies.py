"""Views behind Debian's HAProxy and nginx, configured as docs/deploying.md says."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.client import client
from tests.servers.harness import HYPERCORN, fetch, listening, serving
from tests.servers.proxies import PROXIES, free_port


@pytest.mark.parametrize("name", PROXIES)
async def test_a_view_outlives_its_server_and_its_proxy(name: str, tmp_path: Path) -> None:
    """A view goes through the proxy, and on after a deploy, a soft reload and a hard one."""
    with listening() as listener:
        port = listener.getsockname()[1]
        async with serving(HYPERCORN, tmp_path / "old", listener=listener) as old:
            async with PROXIES[name]([port], tmp_path) as proxy:
                async with client(proxy.url("/items/1"), origin=f"http://127.0.0.1:{proxy.port}") as tab:
                    await tab.send("a")
                    await proxy.reload()
                    await tab.send("b")
                    await tab.answered(2)
                    async with serving(HYPERCORN, tmp_path / "new", listener=listener):
                        old.signal(signal.SIGTERM)
                        assert await tab.closed() == 1012
                        await tab.connect()
                        await tab.send("c")
                        await tab.answered(3)
                        await proxy.reload(hard=True)
                        assert await tab.closed() == 1006
                        await tab.connect()
                        await tab.send("d")
                        await tab.until(lambda: '"d"' in tab.got[-1])
    assert json.loads(tab.got[-1])["items"] == ["a", "b", "c", "d"]


@pytest.mark.parametrize("name", PROXIES)
async def test_where_no_server_is_none_is_sent(name: str, tmp_path: Path) -> None:
    """A server that is not there costs its neighbour's clients nothing: they are sent on at once."""
    async with serving(HYPERCORN, tmp_path / "one") as one:
        async with PROXIES[name]([free_port(), one.port, free_port()], tmp_path) as proxy:
            for _ in range(6):
                status, _, body = await fetch(proxy.port, "/", "GET", "")
                assert (status, body) == (200, "served")
