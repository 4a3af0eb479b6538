"""The demo: a listening socket, the servers behind it, and the control server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .control import Busy, Control
from .servers import NotReady, Servers

__all__ = ["Demo", "running", "say", "serve"]

AUTO_INTERVAL = 20.0
PORT = 8000


def say(line: str) -> None:
    """Write one line for whoever started the demo, if they still read."""
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


class Demo:
    """What runs.

    Attributes:
        address: where the pages are.
        servers: the processes.
        control: tells the pages what happens.
    """

    def __init__(self, listener: socket.socket, folder: Path) -> None:
        port = listener.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        origins = frozenset({self.address, f"http://localhost:{port}"})
        self.control = Control(
            origins, {"/deploy": self._deploy, "/kill": self._kill, "/auto": self._toggle_auto}
        )
        self._listener = listener
        self._folder = folder
        self._started = False
        self._auto: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Bring the first server up.

        Raises:
            NotReady: it did not come up.
        """
        environment = {
            "DEMO_CONTROL": await self.control.start(),
            # Each generation has the same keys, as on a real deploy: else none could open another's tokens.
            "QUART_SECRET_KEY": os.environ.get("QUART_SECRET_KEY") or secrets.token_urlsafe(32),
            "QUART_DATABASE": str(self._folder / "demo.sqlite3"),
            "QUART_DEPLOYMENTS": str(self._folder / "deployments"),
        }
        self.servers = Servers(self._listener, self._folder, environment, tell=self.control.tell, log=say)
        self._started = True
        await self.servers.deploy()

    async def stop(self) -> None:
        """Let the servers leave, and close everything."""
        if self._auto is not None:
            self._auto.cancel()
        if self._started:
            await self.servers.stop()
        self.control.stop()

    # What the panel asks for.

    async def _deploy(self) -> None:
        self._begin(self.servers.deploy)

    async def _kill(self) -> None:
        self._begin(self.servers.kill)

    async def _toggle_auto(self) -> None:
        if self._auto is None:
            self._auto = asyncio.create_task(self._deploy_for_ever())
        else:
            self._auto.cancel()
            self._auto = None
            self.control.tell("auto", on=False)

    async def _deploy_for_ever(self) -> None:
        while True:
            self.control.tell("auto", on=True)  # told each time, for pages that come later
            with contextlib.suppress(Busy):
                await self._deploy()
            await asyncio.sleep(AUTO_INTERVAL)

    def _begin(self, action: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if self.servers.busy:
            raise Busy
        task = asyncio.create_task(self._try(action))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _try(self, action: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await action()
        except NotReady as error:
            say(f"[demo] {error}")
            self.control.tell("failed", why=str(error))


def listen() -> socket.socket:
    """Open the one listening socket. It outlives the servers: without one, browsers wait in its queue.

    Raises:
        OSError: the port that `DEMO_PORT` names is taken.
    """
    wanted = os.environ.get("DEMO_PORT")
    try:
        return socket.create_server(("127.0.0.1", int(wanted or PORT)))
    except OSError:
        if wanted:
            raise
        return socket.create_server(("127.0.0.1", 0))


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[Demo]:
    """Run the demo. Whatever ends it, no process is left behind."""
    with listen() as listener, TemporaryDirectory(prefix="demo-") as folder:
        demo = Demo(listener, Path(folder))
        try:
            await demo.start()
            yield demo
        finally:
            await demo.stop()


async def serve() -> None:
    """Run the demo until Ctrl-C or SIGTERM. A second Ctrl-C does not wait for the servers to leave."""
    ended = asyncio.Event()
    starting = asyncio.current_task()
    current: Demo | None = None

    def end() -> None:
        if current is None and not ended.is_set() and starting is not None:
            starting.cancel()
        elif current is not None and ended.is_set():
            current.servers.abort()
        ended.set()

    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(signum, end)
    with contextlib.suppress(asyncio.CancelledError):
        async with running() as demo:
            current = demo
            say(_WELCOME.format(demo.address))
            await ended.wait()
            say("[demo] ending")


_WELCOME = """
  The demo is at {0}/

    {0}/profile/    type into a form
    {0}/wizard/     plan a trip, step by step
    {0}/launcher/   make secrets that the server does not keep
    {0}/room/       talk to yourself in two tabs

  Press Deploy or Kill at the foot of the page, in the middle of a sentence. Ctrl-C ends it.
"""
