"""Effects outside the state happen once, by the documentation's own code, however often the process is killed."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.servers.harness import eventually
from tests.servers.lives import Page, lives

VIEWS = int(os.environ.get("TEST_VIEWS", "8"))
ROUNDS = int(os.environ.get("TEST_KILLS", "1000")) // VIEWS


async def test_a_thousand_kills_between_effect_and_token(tmp_path: Path) -> None:
    """Each message's process is killed after its row and before its token: one row each, and two without the index."""
    async with lives(tmp_path, APP_VIEWS=str(VIEWS)) as server:
        pages = [Page(server.url(f"/orders/{n}"), n) for n in range(VIEWS)]
        for count in range(1, ROUNDS + 1):
            await eventually(lambda: all(page.tab.state == "live" for page in pages), "all are mounted")
            for page in pages:
                page.tab.send("order")
            await eventually(
                lambda count=count: all(page.heard and page.heard[-1] == str(count) for page in pages),  # type: ignore[misc]
                f"answer {count}",
            )
        for page in pages:
            assert page.seen("failed") == page.seen("lost") == []
            await page.tab.close()
        assert server.log.count("life ") == ROUNDS + 1
    with closing(sqlite3.connect(tmp_path / "orders.sqlite3")) as database:
        (rows,) = database.execute("SELECT count(*) FROM orders").fetchone()
        naive, keys = database.execute("SELECT count(*), count(DISTINCT key) FROM naive").fetchone()
        totals = database.execute("SELECT last, orders FROM totals").fetchall()
    assert rows == keys == VIEWS * ROUNDS
    assert naive >= 2 * VIEWS * ROUNDS
    assert totals == [(ROUNDS, ROUNDS)] * VIEWS
