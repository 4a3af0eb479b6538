"""`python -m benchmarks.late MODULE:APP BIND GATE`: be as good as started, and serve when the file GATE is there.

So a restart takes as long as it is meant to, and not as long as Python takes to import things. Says when it is ready,
in seconds since the epoch.
"""

from __future__ import annotations

import asyncio
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config


def main(target: str, bind: str, gate: str) -> None:
    module, _, name = target.partition(":")
    app = getattr(import_module(module), name)
    config = Config.from_mapping(bind=[bind], graceful_timeout=60)
    print("waits", flush=True)
    while not Path(gate).exists():
        time.sleep(0.002)

    async def telling(scope: Any, receive: Any, send: Any) -> None:
        async def sending(event: Any) -> None:
            if event["type"] == "lifespan.startup.complete":
                print(f"ready at {time.time():.4f}", flush=True)
            await send(event)

        await app(scope, receive, sending if scope["type"] == "lifespan" else send)

    asyncio.run(serve(telling, config))


if __name__ == "__main__":
    main(*sys.argv[1:])
