"""A middleware through which nothing can be seen: it runs the application in a task of its own, and passes events on by queues."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.neighbours.apps.plain import app

stashed = app.asgi_app


async def opaque(scope: Any, receive: Any, send: Any) -> None:
    """Pass everything on."""
    if scope["type"] == "lifespan":
        await stashed(scope, receive, send)
        return
    incoming: asyncio.Queue[Any] = asyncio.Queue()
    outgoing: asyncio.Queue[Any] = asyncio.Queue()

    async def take() -> None:
        while True:
            await incoming.put(await receive())

    async def give() -> None:
        while True:
            await send(await outgoing.get())
            outgoing.task_done()

    async def serve() -> None:
        await stashed(scope, incoming.get, outgoing.put)

    others = [asyncio.create_task(take()), asyncio.create_task(give())]
    try:
        await asyncio.create_task(serve())
        await outgoing.join()
    finally:
        for other in others:
            other.cancel()


app.asgi_app = opaque  # type: ignore[method-assign]
