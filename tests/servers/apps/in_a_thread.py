"""`python in_a_thread.py MODULE FD`: serve an application with Uvicorn in a thread, as notebooks and tests do.

The main thread reads what the stash counts, in a loop of its own, on SIGUSR1, and rebalances; on SIGTERM it lets
the server leave.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from importlib import import_module
from typing import Any

import uvicorn


async def look(stash: Any) -> None:
    """Do everything that a stash offers, from another loop than the one that serves."""
    sealed = stash.seal("x", purpose="looking")
    print("looked:", stash.open(sealed, purpose="looking"), stash.draining, stash.stats()["live"], flush=True)
    print("rebalanced:", await stash.rebalance(0.5), flush=True)


def main(module: Any, descriptor: int) -> None:
    """Serve until a signal comes."""
    server = uvicorn.Server(uvicorn.Config(module.app, fd=descriptor))
    thread = threading.Thread(target=server.run)
    wanted: list[int] = []
    for signum in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(signum, lambda signum, _: wanted.append(signum))
    thread.start()
    while thread.is_alive():
        thread.join(0.05)
        while wanted:
            if wanted.pop(0) == signal.SIGTERM:
                server.should_exit = True
            else:
                asyncio.run(look(module.stash))


if __name__ == "__main__":
    main(import_module(sys.argv[1]), int(sys.argv[2]))
