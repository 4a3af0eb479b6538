"""An application with effects outside its views, whose process is killed after the effect and before the token."""

from __future__ import annotations

import logging
import os
import re
import signal
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quart import Quart

from quart_stash import QuartStash, View

logging.basicConfig(level=logging.INFO, format="%(process)d %(name)s %(levelname)s %(message)s")

DOCS = Path(__file__).parents[3] / "docs" / "writing-views.md"

app = Quart(__name__)
app.config["SECRET_KEY"] = "t5RkWq2ZxN8vBj3mLs6dHc9yPf4gTa7u"
app.config["STASH_SYNC_INTERVAL"] = 0
app.config.from_prefixed_env()
stash = QuartStash(app)


def documented() -> dict[str, Any]:
    """What the sample of the documentation defines: the reader's code is what runs here."""
    (sample,) = re.findall(
        r"<!-- run by tests/servers/test_effects.py -->\n```python\n(.*?)```", DOCS.read_text(), re.DOTALL
    )
    names: dict[str, Any] = {}
    exec(compile(sample, str(DOCS), "exec"), names)
    return names


@dataclass
class Orders:
    count: int = 0


@app.before_serving
async def connect() -> None:
    """Open the database in the process that uses it."""
    sample = documented()
    database = sqlite3.connect(os.environ["APP_DATABASE"], isolation_level=None, timeout=30)
    database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;" + sample["TABLES"])
    database.execute("CREATE TABLE IF NOT EXISTS naive (key TEXT)")
    app.extensions["effects"] = database, sample["place_order"]


@app.websocket("/orders")
@stash.view(Orders)
async def orders(view: View[Orders]) -> None:
    """Write a row for each message, with an index that is unique and without; the first time, die of it."""
    database, place_order = app.extensions["effects"]
    async for message in view:
        place_order(database, view, message, "a book")
        database.execute("INSERT INTO naive VALUES (?)", (message.key,))
        if not message.replayed:
            os.kill(os.getpid(), signal.SIGKILL)
        view.state.count += 1
        await view.send(str(view.state.count))


@app.websocket("/poison")
@stash.view(Orders)
async def poison(view: View[Orders]) -> None:
    """Count; raise on `bad`, and die of `deadly`, always."""
    async for message in view:
        if message.data == "deadly":
            os.kill(os.getpid(), signal.SIGKILL)
        view.state.count += 1
        if message.data == "bad":
            raise ValueError("a poison message")
        await view.send(f"{message.data} {view.state.count}")
