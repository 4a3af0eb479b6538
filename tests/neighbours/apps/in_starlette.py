"""A Quart application mounted in Starlette. Its hooks are Starlette's to call: `startup` and `shutdown` are Quart's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Mount

from tests.neighbours.apps.plain import app as live


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Start what is mounted, and end it."""
    await live.startup()
    yield
    await live.shutdown()


app = Starlette(routes=[Mount("/live", app=live)], lifespan=lifespan)  # type: ignore[arg-type]
