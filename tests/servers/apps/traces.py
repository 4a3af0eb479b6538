"""A Quart application for traces that need a real process: effects outside the state, and another decorator."""

from __future__ import annotations

import asyncio
import functools
import os
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, field

from quart import Quart, websocket

from quart_stash import QuartStash, View

app = Quart(__name__)
app.config.from_prefixed_env()
stash = QuartStash(app)


@dataclass
class Items:
    items: list[str] = field(default_factory=list)


def write(key: str) -> None:
    """Write a row once for its key, and that it was tried."""
    with closing(sqlite3.connect(os.environ["APP_DATABASE"])) as database, database:
        database.execute("INSERT INTO tries VALUES (?)", (key,))
        database.execute("INSERT OR IGNORE INTO rows VALUES (?)", (key,))


@app.websocket("/rows")
@stash.view(Items)
async def rows(view: View[Items]) -> None:
    """Write a row for each message; the first process never comes to the end of one."""
    async for message in view:
        write(message.key)
        await view.send(view.id)
        if not message.replayed:
            await asyncio.Event().wait()
        view.state.items.append(str(message.data))


def strict(handler: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """Raise as another extension's decorator does, on a connection that it has accepted."""

    @functools.wraps(handler)
    async def check() -> None:
        if "APP_STRICT" in os.environ:
            await websocket.accept(subprotocol="quart-stash.v1")
            raise PermissionError("not now")
        await handler()

    return check


@app.websocket("/decorated")
@strict
@stash.view(Items)
async def decorated(view: View[Items]) -> None:
    """Collect what is sent, and tell it all each time."""
    async for message in view:
        view.state.items.append(str(message.data))
        await view.send(" ".join(view.state.items))
