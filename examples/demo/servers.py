"""Server processes: generations of the `hypercorn` command behind one listening socket, as in deploys."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["NotReady", "Servers"]

START_TIMEOUT = 120.0  # against one that hangs: that one has failed is noticed at once
STOP_TIMEOUT = 20.0
EXAMPLES = ("profile", "wizard", "launcher", "room")
LIMIT = 12  # Hypercorn's own, in seconds: longer than STASH_SHUTDOWN_TIMEOUT, as it should be


class NotReady(Exception):
    """A server did not come up."""


@dataclass(eq=False)
class Server:
    """One generation: the `hypercorn` command and the worker that it spawns, a process group of their own."""

    generation: int
    process: asyncio.subprocess.Process
    leaving: bool = False
    gone: bool = False

    def leave(self) -> None:
        """Tell the command, which tells its worker; and see that it does leave."""
        self.leaving = True
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        asyncio.get_running_loop().call_later(STOP_TIMEOUT, self.kill)

    def kill(self) -> None:
        """End the whole group without a word."""
        self.leaving = True
        if not self.gone:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)


class Servers:
    """Serves `examples.demo.site` with one process after another.

    Args:
        listener: the listening socket that each inherits.
        folder: for the sockets that their health is asked at.
        environment: what each is started with.
        tell: called with what happens: `started`, `ready`, `sigterm`, `sigkill`, `exited`.
        log: called with each line that a server writes.
    """

    def __init__(
        self,
        listener: socket.socket,
        folder: Path,
        environment: Mapping[str, str],
        *,
        tell: Callable[..., None],
        log: Callable[[str], None],
    ) -> None:
        self._listener = listener
        self._folder = folder
        self._environment = environment
        self._tell = tell
        self._log = log
        self._count = 0
        self._current: Server | None = None
        self._watching: dict[Server, asyncio.Task[None]] = {}
        self._one_at_a_time = asyncio.Lock()
        self._stopping = False

    @property
    def busy(self) -> bool:
        """Whether a process is being replaced."""
        return self._one_at_a_time.locked()

    async def deploy(self) -> None:
        """Replace the process as a rolling deploy does: the new one is ready before the old one is told."""
        async with self._one_at_a_time:
            old, self._current = self._current, await self._start()
            if old is not None:
                self._tell("sigterm", generation=old.generation)
                old.leave()

    async def kill(self) -> None:
        """End the process as a crash does, without a word; then start another."""
        async with self._one_at_a_time:
            if self._current is not None:
                self._tell("sigkill", generation=self._current.generation)
                self._current.kill()
            self._current = await self._start()

    async def stop(self) -> None:
        """Let every process leave as on a deploy, and see that each has."""
        self._stopping = True
        for server in self._watching:
            if not server.leaving:
                self._tell("sigterm", generation=server.generation)
                server.leave()
        if self._watching:
            await asyncio.wait(self._watching.values())

    def abort(self) -> None:
        """End every process at once."""
        self._stopping = True
        for server in self._watching:
            server.kill()

    async def _start(self) -> Server:
        if self._stopping:
            raise NotReady("the demo is ending")
        self._count += 1
        number, descriptor = self._count, self._listener.fileno()
        health = self._folder / f"{number}.sock"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hypercorn", "--bind", f"fd://{descriptor}", "--bind", f"unix:{health}"),
            *("--graceful-timeout", str(LIMIT), "examples.demo.site:app"),
            env={**os.environ, **self._environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=[descriptor],
            start_new_session=True,  # Ctrl-C is for the runner alone; and a group can be killed as one
        )
        server = Server(number, process)
        self._tell("started", generation=number, pid=process.pid)
        self._watching[server] = asyncio.create_task(self._watch(server))
        try:
            async with asyncio.timeout(START_TIMEOUT):
                while not all([await _ready(health, example) for example in EXAMPLES]):
                    if process.returncode is not None:
                        raise NotReady(f"server {number} has exited with {process.returncode}")
                    await asyncio.sleep(0.02)
        except TimeoutError:
            server.kill()
            raise NotReady(f"server {number} was not ready within {START_TIMEOUT:.0f} s") from None
        self._tell("ready", generation=number)
        return server

    async def _watch(self, server: Server) -> None:
        """Pass on what a server writes, until it has gone and nothing of it is left."""
        reading = asyncio.create_task(self._pass_on(server))
        status = await server.process.wait()
        server.kill()  # whatever is left of its group
        server.gone = True
        self._tell("exited", generation=server.generation, status=status)
        await reading
        del self._watching[server]

    async def _pass_on(self, server: Server) -> None:
        output = server.process.stdout
        while output is not None and (line := await output.readline()):
            self._log(f"[{server.generation}] {line.decode(errors='replace').rstrip()}")


async def _ready(health: Path, example: str) -> bool:
    """Ask one server by its own door: behind the shared one, any may answer."""
    try:
        reader, writer = await asyncio.open_unix_connection(health)
    except OSError:
        return False
    try:
        writer.write(
            f"GET /{example}/_stash/ready HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\r\n".encode()
        )
        return b" 200 " in await reader.readline()
    except OSError:
        return False
    finally:
        writer.close()
