"""Effects outside the state happen once, by the documentation's own code, however often the process is killed."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from tests.servers.harness import eventually
from tests.servers.lives import Page, lives

KILLS = int(os.environ.get("TEST_KILLS") or (1000 if sys.version_info >= (3, 13) else 100))
"""A thousand on the newest Python; what an older one does differently shows with fewer."""


async def test_a_thousand_kills_between_effect_and_token(tmp_path: Path) -> None:
    """The process is killed at each message, after its row and before its token: one row each, and two without the index."""
    faulthandler.cancel_dump_traceback_later()  # it takes longer than another test may, and has its own end
    async with asyncio.timeout(600), lives(tmp_path) as server:
        page = Page(server.url("/orders"), latency=0)  # a thousand times as far takes minutes more
        for count in range(1, KILLS + 1):
            await eventually(lambda: page.tab.state == "live", "it is mounted")
            page.tab.send("order")
            await eventually(lambda count=count: page.heard[-1:] == [str(count)], f"answer {count}")  # type: ignore[misc]
        assert page.seen("failed") == page.seen("lost") == []
        await page.tab.close()
        assert server.log.count("life ") == KILLS + 1
    with closing(sqlite3.connect(tmp_path / "orders.sqlite3")) as database:
        (rows,) = database.execute("SELECT count(*) FROM orders").fetchone()
        naive, keys = database.execute("SELECT count(*), count(DISTINCT key) FROM naive").fetchone()
        totals = database.execute("SELECT last, orders FROM totals").fetchall()
    assert rows == keys == KILLS
    assert naive >= 2 * KILLS
    assert totals == [(KILLS, KILLS)]
