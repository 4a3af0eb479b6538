"""Quart-Schema, which replaces Quart's WebSocket class, its JSON provider and its `make_response`."""

from __future__ import annotations

from dataclasses import dataclass

from quart_schema import QuartSchema, validate_response

from tests.neighbours.apps.plain import make

app, stash = make()
QuartSchema(app)


@dataclass
class Count:
    live: int


@app.get("/count")
@validate_response(Count)
async def count() -> Count:
    """Answer through the schema."""
    return Count(stash.stats()["live"])
