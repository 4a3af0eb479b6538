"""A restart that takes exactly so long, with clients that are connected: who is back, with which state, and when."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from tests.servers.harness import Server, eventually
from tests.servers.proxies import free_port
from tests.tab import Tab

from .gap import ROOT, spread

__all__ = ["Open", "Tabs", "restart"]

APP = "benchmarks.counter:app"


class AnyTabs(Protocol):
    """So many tabs of one kind.

    Attributes:
        heard: for each tab what happened: name, data, when (in seconds since the epoch).
    """

    heard: list[list[tuple[str, str, float]]]

    def send(self, text: str) -> None:
        """Let each tab send this."""


Open = Callable[[str, int], AbstractAsyncContextManager[AnyTabs]]


class Tabs:
    """The testing kit's."""

    def __init__(self, url: str, count: int) -> None:
        self.heard: list[list[tuple[str, str, float]]] = [[] for _ in range(count)]
        self._tabs = [self._open(url, number) for number in range(count)]

    @classmethod
    @asynccontextmanager
    async def start(cls, url: str, count: int) -> AsyncIterator[Tabs]:
        tabs = cls(url, count)
        yield tabs
        for tab in tabs._tabs:
            await tab.close()

    def send(self, text: str) -> None:
        for tab in self._tabs:
            tab.send(text)

    def _open(self, url: str, number: int) -> Tab:
        def hear(name: str, data: str = "") -> None:
            self.heard[number].append((name, data, time.time()))

        tab = Tab(
            url,
            message=lambda data: hear("message", str(data)),
            event=lambda name, _: hear(name),
            random=random.Random(),
            latency=0,  # what is measured is the wait, and not the way
        )
        tab.start()
        return tab


@asynccontextmanager
async def process(
    bind: str, gate: Path, log_path: Path, port: int, listener: socket.socket
) -> AsyncIterator[Server]:
    """A server that serves when the gate is there."""
    with log_path.open("ab") as log:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.late", APP, bind, str(gate),
            cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
            stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            pass_fds=[listener.fileno()] if bind.startswith("fd:") else [],
        )  # fmt: skip
    server = Server(child, port, log_path)
    try:
        await server.logs("waits")
        yield server
    finally:
        await server.end()


async def restart(
    how: str, door: str, down: float, folder: Path, kinds: Mapping[str, tuple[Open, int]]
) -> list[dict[str, Any]]:
    """Restart once.

    Args:
        how: `SIGTERM` or `SIGKILL`.
        door: `refused`, or `hangs`: the listening socket is kept.
        down: seconds in which nothing serves.
        folder: for the logs.
        kinds: of clients, each with its number.
    """
    async with AsyncExitStack() as stack:
        port = free_port()  # for a while nobody holds it
        listener = stack.enter_context(socket.create_server(("127.0.0.1", port), backlog=256))
        url = f"ws://127.0.0.1:{port}/count"
        inherited = f"fd://{listener.fileno()}"
        first, second = folder / "first", folder / "second"
        first.touch()
        old = await stack.enter_async_context(process(inherited, first, folder / "old", port, listener))
        await old.logs("ready at")
        bind = inherited if door == "hangs" else f"127.0.0.1:{port}"
        new = await stack.enter_async_context(process(bind, second, folder / "new", port, listener))
        if door == "refused":
            listener.close()
        groups: dict[str, AnyTabs] = {}
        for kind, (open_, count) in kinds.items():
            groups[kind] = await stack.enter_async_context(open_(url, count))
            groups[kind].send("1")
        await _all_say(groups, "1 1")
        if how == "SIGTERM":
            old.signal(signal.SIGTERM)
        else:
            old.signal_group(signal.SIGKILL)
        await old.exited()
        gone = time.time()
        for group in groups.values():
            group.send("2")
        await asyncio.sleep(down)
        second.touch()
        await _all_say(groups, "2 2")
        for group in groups.values():
            group.send("3")
        await _all_say(groups, "3 3")
        ready = float(new.log.split("ready at ")[1].split()[0])
        return [
            {"how": how, "door": door, "down": down, "kind": kind, **_figures(group, gone, ready)}
            for kind, group in groups.items()
        ]


async def _all_say(groups: dict[str, AnyTabs], answer: str) -> None:
    """Wait until every tab has been answered so: the message, and how many the state has counted."""
    every = [heard for group in groups.values() for heard in group.heard]
    await eventually(
        lambda: all(any(data.startswith(answer + " ") for _, data, _ in heard) for heard in every),
        lambda: f"{answer!r} everywhere: {every}",
        timeout=90,
    )


def _figures(group: AnyTabs, gone: float, ready: float) -> dict[str, Any]:
    """Return how many are back, with which state, and how long after the next process was ready."""
    back = [
        next((at for name, _, at in heard if name == "mounted" and at > gone), None) for heard in group.heard
    ]
    newest = [[data for name, data, _ in heard if name == "message"][-1].split()[:2] for heard in group.heard]
    bad = sum(name in ("lost", "failed") for heard in group.heard for name, _, _ in heard)
    return {
        "clients": len(group.heard),
        "recovered": sum(at is not None for at in back),
        "exact": sum(answer == ["3", "3"] for answer in newest),
        "lost": bad,
        "after_ready_ms": spread([max(0.0, at - ready) for at in back if at is not None]),
    }
