"""The server processes: two places behind the proxies, and those who follow each other there."""

from __future__ import annotations

import asyncio
import json
import random
import re
import signal
import socket
import sys
from collections import Counter
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.servers.harness import HYPERCORN, HYPERCORN_0, KNOWN, Server, serving
from tests.servers.proxies import free_port

APP = "benchmarks.soak.app"
SHUTDOWN = 5
"""`STASH_SHUTDOWN_TIMEOUT`, in seconds: a client in a black hole holds a drain up for as long."""
RATE = 60
"""`STASH_RECONNECT_RATE`: what a machine that also runs all the clients can take at once without a queue."""

_DRAINED = re.compile(
    r"drained: (\d+) of \d+ (synced), (\d+) (timed out)(?:, (\d+) (finished))?(?:, (\d+) (gone))?"
)


@dataclass
class Process:
    """One server process.

    Attributes:
        number: counted over the whole soak; its answers tell it.
        server: the process.
        ready: since when (of the loop's clock) it serves.
        stack: ends it, and lets go of it.
    """

    number: int
    server: Server
    ready: float
    stack: AsyncExitStack


class Place:
    """A port behind the proxies.

    Attributes:
        port: of the place, for all its processes.
        process: the newest one.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.process: Process | None = None
        self._listener: socket.socket | None = None

    @property
    def listener(self) -> socket.socket:
        """The socket that its processes inherit; opened if need be. The first of them begins to listen."""
        if self._listener is None:
            self._listener = socket.socket()
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.bind(("127.0.0.1", self.port))
        return self._listener

    def shut(self) -> None:
        """Close the socket: without a process, connections are refused, until another one is ready."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None


class Fleet:
    """All processes.

    Attributes:
        places: the ports.
        release: of the application, for processes that are started from now on.
        keys: the same: secrets, the newest first.
        ready: process number → since when it serves.
        leaving: numbers of the processes that were told to leave, or killed.
        restarts: processes that came after another one.
        outcomes: of all drains, as the logs count them.
        overdue: processes that did not leave by their deadline.
        trouble: of each process that has it, the log from the first line on that should not be there.
    """

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self.places = [Place(), Place()]
        self.release = 1
        self.keys = [self.new_key(rng)]
        self.ready: dict[int, float] = {}
        self.leaving: set[int] = set()
        self.restarts = 0
        self.outcomes: Counter[str] = Counter()
        self.overdue = 0
        self.trouble: list[str] = []
        self._folder = folder
        self._rng = rng
        self._count = 0

    @staticmethod
    def new_key(rng: random.Random) -> str:
        """Return a secret."""
        return f"{rng.getrandbits(192):048x}"

    async def start(self, place: Place) -> Process:
        """Start a process; returns when it serves. It is not yet the newest one of its place."""
        self._count += 1
        number = self._count
        self.restarts += number > len(self.places)
        stack = AsyncExitStack()
        server = await stack.enter_async_context(
            serving(
                self._rng.choice(
                    [HYPERCORN, HYPERCORN_0, HYPERCORN_0]
                ),  # without a worker of its own it starts faster
                self._folder / f"server-{number}.log",
                listener=place.listener,
                app=APP,
                options=("--graceful-timeout", str(SHUTDOWN + 2), "--backlog", "2048"),
                environment={
                    "SOAK_RELEASE": str(self.release),
                    "SOAK_PROCESS": str(number),
                    "SOAK_LOG": str(self._folder / "room.sqlite3"),
                    "QUART_SECRET_KEY": self.keys[0],
                    "QUART_SECRET_KEY_FALLBACKS": json.dumps(self.keys[1:]),
                    "QUART_STASH_SHUTDOWN_TIMEOUT": str(SHUTDOWN),
                    "QUART_STASH_RECONNECT_RATE": str(RATE),
                },
            )
        )
        process = Process(number, server, asyncio.get_running_loop().time(), stack)
        self.ready[number] = process.ready
        return process

    def dismiss(self, process: Process) -> None:
        """Tell a process to leave."""
        self.leaving.add(process.number)
        process.server.signal(signal.SIGTERM)

    async def left(self, process: Process) -> None:
        """Wait until a process that was told to leave has left, and read its log."""
        try:
            status = await process.server.exited(SHUTDOWN)
            if status != 0:
                self.trouble.append(f"process {process.number} left with {status}")
        except (TimeoutError, AssertionError):
            self.overdue += 1
            self.trouble.append(f"process {process.number} did not leave: {process.server.log[-2000:]}")
        if lines := process.server.trouble():
            log = KNOWN.sub("", process.server.log).replace(sys.base_prefix, "")
            self.trouble.append(f"process {process.number}: {log[log.index(lines[0]) :][:4000]}")
        for found in _DRAINED.finditer(process.server.log):
            for count, outcome in zip(found.groups()[::2], found.groups()[1::2], strict=True):
                if outcome:
                    self.outcomes[outcome] += int(count)
        await self._forget(process)

    async def kill(self, process: Process) -> None:
        """Kill a process without a word, unless it has left already."""
        self.leaving.add(process.number)
        with suppress(ProcessLookupError):
            process.server.signal_group(signal.SIGKILL)
        await self._forget(process)

    async def _forget(self, process: Process) -> None:
        await process.stack.aclose()
        process.server.log_path.unlink()

    async def end(self) -> None:
        """End every process."""
        for place in self.places:
            if place.process is not None:
                await place.process.stack.aclose()
            place.shut()
