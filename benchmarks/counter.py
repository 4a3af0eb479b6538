"""The same counter twice: `bare`, a Quart route, and `app`, the same route as a view.

Each answers every message with the message, how many there have been, and which process this is.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from quart import Quart, websocket

from quart_stash import QuartStash, View

bare = Quart("bare")
app = Quart("app")
app.config["SECRET_KEY"] = "Vb2x9Qw7Lk4Tz8Rm1Np5Yc3Hd6Fg0Js"  # of the benchmark alone
app.config.from_prefixed_env()
stash = QuartStash(app)


@bare.websocket("/count")
async def count_bare() -> None:
    count = 0
    while True:
        text = await websocket.receive()
        count += 1
        await websocket.send(f"{text} {count} {os.getpid()}")


@dataclass
class Count:
    count: int = 0


@app.websocket("/count")
@stash.view(Count)
async def count(view: View[Count]) -> None:
    async for message in view:
        view.state.count += 1
        await view.send(f"{message.data!s} {view.state.count} {os.getpid()}")


@bare.before_serving
async def say_so() -> None:
    print("a bare worker serves", file=sys.stderr, flush=True)


@bare.get("/")
async def index() -> str:
    return "served"
