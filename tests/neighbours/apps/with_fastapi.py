"""FastAPI with `StashMiddleware` added as FastAPI adds middleware, and a dependency on the view's route."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, WebSocket

from quart_stash.asgi import StashMiddleware, mount_view
from tests.neighbours.apps.plain import Items, log


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Say what runs."""
    log.info("before_serving ran")
    yield
    log.info("after_serving ran")


app = FastAPI(lifespan=lifespan)
app.add_middleware(
    StashMiddleware,  # type: ignore[arg-type]
    secret_key="t5RkWq2ZxN8vBj3mLs6dHc9yPf4gTa7u",
    shutdown_timeout=float(os.environ.get("APP_TIMEOUT", "10")),
)
logging.getLogger("quart_stash").setLevel(logging.INFO)


async def service() -> AsyncIterator[str]:
    """Stand for what a route depends on."""
    yield "service"


@app.websocket("/items/{n}")
async def items(socket: WebSocket, n: int, dependency: Annotated[str, Depends(service)]) -> None:
    """Collect what is sent, and tell it all each time."""
    async with mount_view(socket.scope, socket.receive, socket.send, state=Items, name="items") as view:
        async for message in view:
            view.state.items.append(str(message.data))
            await view.send(" ".join(view.state.items))
