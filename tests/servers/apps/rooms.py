"""A room whose handlers tell each other's views what was said, a ticker, and a request that tells all."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from quart import Quart

from quart_stash import QuartStash, View

logging.basicConfig(level=logging.INFO, format="%(name)s %(levelname)s %(message)s")
app = Quart(__name__)
app.config.from_prefixed_env()
stash = QuartStash(app)


@dataclass
class Count:
    said: int = 0


views: set[View[Count]] = set()
tickers: list[asyncio.Task[None]] = []


@app.websocket("/room")
@stash.view(Count)
async def room(view: View[Count]) -> None:
    if not tickers:  # one for all, started by whoever comes first
        tickers.append(asyncio.create_task(tick()))
    views.add(view)
    try:
        async for message in view:
            view.state.said += 1
            for other in list(views):
                await other.send(str(message.data))
    finally:
        views.discard(view)


async def tick() -> None:
    while True:
        for view in list(views):
            await view.send("tick")
        await asyncio.sleep(0.05)


@app.post("/tell/<text>")
async def tell(text: str) -> list[bool]:
    """Tell everybody at once; answer who was reached."""
    return list(await asyncio.gather(*(view.send(text) for view in list(views))))


@app.post("/rebalance/<float:fraction>")
async def rebalance(fraction: float) -> dict[str, int]:
    """Hand a share of the views over, while the others go on."""
    return await stash.rebalance(fraction)


@app.after_serving
async def end() -> None:
    for ticker in tickers:
        ticker.cancel()
