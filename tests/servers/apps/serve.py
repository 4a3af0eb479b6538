"""`python serve.py MODULE BIND`: serve an application with Hypercorn's `serve`, with our trigger where there is one."""

from __future__ import annotations

import asyncio
import sys
from importlib import import_module
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config


async def main(module: Any, bind: str) -> None:
    """Serve until a signal comes."""
    config = Config.from_mapping(bind=[bind])
    stash = getattr(module, "stash", None)
    await serve(module.app, config, **({"shutdown_trigger": stash.shutdown_trigger} if stash else {}))


if __name__ == "__main__":
    asyncio.run(main(import_module(sys.argv[1]), sys.argv[2]))
