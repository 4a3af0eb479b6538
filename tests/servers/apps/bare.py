"""A Quart application without quart_stash: what the bare server does."""

from __future__ import annotations

import sys

from quart import Quart, websocket

app = Quart(__name__)


@app.before_serving
async def say_so() -> None:
    """Let the log tell when a worker is up."""
    print("a bare worker serves", file=sys.stderr, flush=True)


@app.get("/")
async def index() -> str:
    return "served"


@app.websocket("/plain")
async def plain() -> None:
    """Echo."""
    while True:
        await websocket.send(await websocket.receive())
