"""A Starlette application behind StashMiddleware, with the same `items` view as the Quart one."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from quart_stash.asgi import StashMiddleware, mount_view

logging.basicConfig(level=logging.INFO, format="%(process)d %(name)s %(levelname)s %(message)s")


@dataclass
class Items:
    items: list[str] = field(default_factory=list)


async def index(request: Request) -> PlainTextResponse:
    return PlainTextResponse("served")


async def items(socket: WebSocket) -> None:
    """Collect what is sent, and tell it all each time."""
    async with mount_view(socket.scope, socket.receive, socket.send, state=Items, name="items") as view:
        async for message in view:
            view.state.items.append(str(message.data))
            await view.send_json(
                {"items": view.state.items, "number": message.number, "replayed": message.replayed}
            )


async def plain(socket: WebSocket) -> None:
    """Echo; not a view."""
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text)


app = StashMiddleware(
    Starlette(
        routes=[
            Route("/", index),
            WebSocketRoute("/items/{n:int}", items),
            WebSocketRoute("/plain", plain),
        ]
    ),
    secret_key="t5RkWq2ZxN8vBj3mLs6dHc9yPf4gTa7u",
    shutdown_timeout=float(os.environ.get("QUART_STASH_SHUTDOWN_TIMEOUT", "10")),
)
