"""The counter of `counter.py`, with a note of when sockets arrive and when they say their first word: `mount`.

`GET /arrivals` has both, as seconds of the monotonic clock, which all processes of a machine share. With `CALM_GC=1`
Python's garbage collector looks for cycles less often: with thousands of views, each search stops the process.
"""

from __future__ import annotations

import gc
import os
import time
from typing import Any

from .counter import app as counter

__all__ = ["app"]

if os.environ.get("CALM_GC"):
    gc.set_threshold(100_000, 50, 1_000)

arrivals: dict[str, list[float]] = {"handshakes": [], "mounts": []}


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "websocket":
        await counter(scope, receive, send)
        return
    arrivals["handshakes"].append(time.monotonic())
    said = False

    async def receiving() -> Any:
        nonlocal said
        event = await receive()
        if event["type"] == "websocket.receive" and not said:
            said = True
            arrivals["mounts"].append(time.monotonic())
        return event

    await counter(scope, receiving, send)


@counter.get("/arrivals")
async def tell() -> dict[str, list[float]]:
    return arrivals
