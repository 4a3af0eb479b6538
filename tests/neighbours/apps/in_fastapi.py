"""A Quart application mounted in FastAPI, and nobody tells it that serving begins or ends."""

from __future__ import annotations

from fastapi import FastAPI

from tests.neighbours.apps.plain import app as live

app = FastAPI()


@app.get("/")
async def index() -> str:
    """Serve something besides."""
    return "served"


app.mount("/live", live)  # type: ignore[arg-type]
