"""What a connected view takes of the server's memory, and what a bare Quart WebSocket takes.

    python -m benchmarks.memory 500 2000

Real servers (the `hypercorn` command, one worker) with so many clients, each of which has sent one message. The
figure is the growth of the worker's resident memory, for each connection.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.servers.harness import serving

from .gap import SERVED

MOUNT = '{"type":"mount","sent":0}'


async def connected(url: str, view: bool) -> ClientConnection:
    """Open one connection, and have one message answered."""
    protocols = [Subprotocol("quart-stash.v1")] if view else None
    socket = await connect(
        url, subprotocols=protocols, compression=None, ping_interval=None, proxy=None, open_timeout=60
    )
    mark = ""
    if view:
        mark = "="
        await socket.send(MOUNT)
        await socket.recv()
    await socket.send(f"{mark}1")
    await socket.recv()
    return socket


async def measure(what: str, count: int) -> float:
    """Return KiB per connection."""
    with tempfile.TemporaryDirectory() as folder:
        async with serving(SERVED[what], Path(folder) / "log") as server:
            url = server.url("/count")
            warm = [await connected(url, what == "app") for _ in range(20)]
            before = server.memory
            sockets: list[ClientConnection] = []
            for _ in range(0, count, 50):
                sockets += await asyncio.gather(*(connected(url, what == "app") for _ in range(50)))
            await asyncio.sleep(1)
            growth = (server.memory - before) / 1024
            for socket in warm + sockets:
                socket.transport.abort()
    return growth / count


async def main() -> None:
    """Measure for the counts that are asked for."""
    for count in map(int, sys.argv[1:] or ("500", "2000")):
        bare, view = await measure("bare", count), await measure("app", count)
        print(f"{count:5} connections: bare {bare:5.1f} KiB, view {view:5.1f} KiB, ratio {view / bare:.2f}")


if __name__ == "__main__":
    asyncio.run(main())
