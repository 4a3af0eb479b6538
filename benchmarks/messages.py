"""What a view costs per message, as a ratio to the bare Quart route that it wraps.

    python benchmarks/messages.py

Both routes echo messages of 100 bytes, in process, over the same in-memory ASGI server, in turns, so that a
noisy machine disturbs both alike. The view also keeps a state of 1 KiB, encodes it at every message and seals
it at the sync interval.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from dataclasses import dataclass
from typing import Any

from quart import Quart, websocket

from quart_stash import QuartStash, View

MESSAGES, ROUNDS = 5_000, 7
TEXT = "x" * 100


@dataclass
class State:
    count: int = 0
    notes: str = "n" * 1000


app = Quart(__name__)
app.config["SECRET_KEY"] = "a key of the benchmark alone, 32 characters"
stash = QuartStash(app)


@app.websocket("/bare")
async def bare() -> None:
    await websocket.accept()
    while True:
        await websocket.send(await websocket.receive())


@app.websocket("/view")
@stash.view(State)
async def view(view: View[State]) -> None:
    async for message in view:
        view.state.count += 1
        await view.send(message.data)


class Server:
    """Plays the ASGI server of one connection."""

    def __init__(self, path: str, subprotocols: list[str]) -> None:
        self.scope = {
            "type": "websocket", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1",
            "scheme": "ws", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
            "headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
            "subprotocols": subprotocols, "extensions": {},
        }  # fmt: skip
        self.events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent = 0
        self.expected = 0
        self.accepted = asyncio.Event()
        self.done = asyncio.Event()

    async def send(self, event: dict[str, Any]) -> None:
        text = event.get("text") or ""
        if event["type"] == "websocket.accept":
            self.accepted.set()
        if text[:1] in ("x", "="):
            self.sent += 1
            if self.sent == self.expected:
                self.done.set()
        elif '"mounted"' in text:
            self.done.set()


async def run(path: str, protocol: bool) -> float:
    """Return seconds per message."""
    server = Server(path, ["quart-stash.v1"] if protocol else [])
    task = asyncio.create_task(app(server.scope, server.events.get, server.send))  # type: ignore[arg-type]
    server.events.put_nowait({"type": "websocket.connect"})
    await server.accepted.wait()
    mark = ""
    if protocol:
        mark = "="
        server.events.put_nowait(
            {"type": "websocket.receive", "text": '{"type":"mount","sent":0}', "bytes": None}
        )
        await server.done.wait()
        server.done.clear()
    server.expected = MESSAGES
    gc.collect()
    start = time.perf_counter()
    for _ in range(MESSAGES):
        server.events.put_nowait({"type": "websocket.receive", "text": mark + TEXT, "bytes": None})
        if server.events.qsize() > 50:
            await asyncio.sleep(0)
    await server.done.wait()
    spent = time.perf_counter() - start
    server.events.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await asyncio.wait([task])
    return spent / MESSAGES


async def main() -> None:
    await run("/bare", False)
    await run("/view", True)
    ratios, costs = [], []
    for _ in range(ROUNDS):
        plain, stashed = await run("/bare", False), await run("/view", True)
        ratios.append(stashed / plain)
        costs.append((plain * 1e6, stashed * 1e6))
    print(f"bare route  {statistics.median(c[0] for c in costs):6.1f} µs per message")
    print(f"view        {statistics.median(c[1] for c in costs):6.1f} µs per message")
    print(f"view / bare {statistics.median(ratios):6.2f}  (min {min(ratios):.2f}, max {max(ratios):.2f})")


if __name__ == "__main__":
    asyncio.run(main())
