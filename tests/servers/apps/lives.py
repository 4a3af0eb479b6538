"""`python lives.py MODULE BIND`: serve an application again and again, each time in a child that is forked.

The parent has imported everything and holds the listening socket, so a new life costs some hundredths of a second.
"""

from __future__ import annotations

import asyncio
import os
import sys
from importlib import import_module
from itertools import count

from hypercorn.asyncio import serve
from hypercorn.config import Config


def live(module: str, bind: str) -> None:
    """One life: serve until killed."""
    config = Config()
    config.bind = [bind]
    asyncio.run(serve(import_module(module).app, config))


def main(module: str, bind: str) -> None:
    """Start a life whenever one has ended."""
    import_module(module)
    for number in count(1):
        print(f"life {number}", flush=True)
        child = os.fork()
        if child == 0:
            live(module, bind)
            os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
