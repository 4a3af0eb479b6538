"""`python lives.py MODULE BIND`: serve an application again and again, each time in a child that is forked.

The parent has imported everything and holds the listening socket, so a new life costs some hundredths of a second.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from importlib import import_module
from types import FrameType

from hypercorn.asyncio import serve
from hypercorn.config import Config


def live(module: str, bind: str) -> None:
    """One life: serve until told to leave, or killed."""
    config = Config()
    config.bind = [bind]
    asyncio.run(serve(import_module(module).app, config))


def main(module: str, bind: str) -> None:
    """Start a life whenever one has ended, until SIGTERM."""
    import_module(module)
    leaving = False
    child = 0

    def leave(signum: int, frame: FrameType | None) -> None:
        nonlocal leaving
        leaving = True
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGTERM)

    signal.signal(signal.SIGTERM, leave)
    lives = 0
    while not leaving:
        lives += 1
        print(f"life {lives}", flush=True)
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            live(module, bind)
            os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
