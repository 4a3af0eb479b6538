"""Starts real servers, with real signals, and ends only what it has started."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parents[2]
APPS = Path(__file__).parent / "apps"

SLACK = 20.0
"""Seconds beyond the deadline that a process on a busy machine may take to leave: a check against hanging, not of speed."""

TROUBLE = re.compile(
    r"Traceback|\bERROR\b|\bCRITICAL\b|was never (?:awaited|retrieved)|was destroyed but|"
    r"RuntimeWarning|ResourceWarning|resource_tracker"
)
"""What the log of a process that leaves well does not hold."""

KNOWN = re.compile(
    r"Exception ignored in: <function _SelectorTransport\.__del__ (?:.*\n){1,9}?"
    r"TypeError: 'NoneType' object is not iterable\n"
)
"""What Python 3.12 and 3.13 say of a connection that is accepted in the moment in which its listener is closed:
https://github.com/python/cpython/issues/109564."""


@dataclass(frozen=True)
class Setup:
    """One way to serve an application.

    Attributes:
        name: for the test's id.
        command: what is run after the interpreter; `{app}` is the module, `{path}` where that is,
            `{fd}` the inherited listening socket, `{port}` its port.
        way: how the start-up line must say that a shutdown is noticed.
        workers: how many processes serve.
        app: the module that is served.
        by_hand: drained by a request to the application, before the signal.
        server: how the start-up line must name it; empty: as the command does.
        inherits: whether it takes a listening socket. One that can't binds the port itself.
        mount: the path under which another application has ours.
        late: whether nobody tells the application that it is served, before the first request.
    """

    name: str
    command: tuple[str, ...]
    way: str
    workers: int = 1
    app: str = "stashed"
    by_hand: bool = False
    server: str = ""
    inherits: bool = True
    mount: str = ""
    late: bool = False

    @property
    def served_by(self) -> str:
        """The name of the server in the start-up line."""
        return self.server or self.name.partition("-")[0]


_CONTEXT, _CHAIN = "Hypercorn's worker context", "a chained SIGTERM handler"
_HYPERCORN = ("-m", "hypercorn", "{app}:app", "-b", "fd://{fd}")
_UVICORN = ("-m", "uvicorn", "{app}:app", "--fd", "{fd}")
# Its control socket is one file for all gunicorns of a user, which take it from each other.
_GUNICORN = (
    *("-m", "gunicorn", "{app}:app", "-k", "uvicorn_worker.UvicornWorker", "-b", "fd://{fd}"),
    "--no-control-socket",
)

_GUNICORN_ASGI = ("-m", "gunicorn", "{app}:app", "-k", "asgi", "-b", "fd://{fd}", "--no-control-socket")
_ANYCORN = ("-m", "anycorn", "{app}:app", "-b", "fd://{fd}", "--graceful-timeout", "12")

HYPERCORN = Setup("hypercorn", _HYPERCORN, _CONTEXT)
HYPERCORN_2 = Setup("hypercorn-w2", (*_HYPERCORN, "-w", "2"), _CONTEXT, workers=2)
HYPERCORN_0 = Setup("hypercorn-w0", (*_HYPERCORN, "-w", "0"), _CONTEXT)
UVICORN = Setup("uvicorn", _UVICORN, _CHAIN)
UVICORN_2 = Setup("uvicorn-2", (*_UVICORN, "--workers", "2"), _CHAIN, workers=2)
GUNICORN = Setup("gunicorn", _GUNICORN, _CHAIN, server="uvicorn")
GUNICORN_ASGI = Setup("gunicorn-asgi", (*_GUNICORN_ASGI, "--asgi-loop", "asyncio"), _CHAIN, server="gunicorn")
GUNICORN_ASGI_2 = Setup(
    "gunicorn-asgi-uvloop-2",
    (*_GUNICORN_ASGI, "--asgi-loop", "uvloop", "-w", "2"),
    _CHAIN,
    workers=2,
    server="gunicorn",
)
ANYCORN = Setup("anycorn", _ANYCORN, "Anycorn's worker context")
ANYCORN_2 = Setup("anycorn-w2", (*_ANYCORN, "-w", "2"), "Anycorn's worker context", workers=2)
GRANIAN = Setup(
    "granian",
    # It takes the name as a path below its working directory, and that must be no package.
    ("-m", "granian", "--interface", "asgi", "--port", "{port}", "{path}:app"),
    _CHAIN,
    inherits=False,
)
GRANIAN_2 = replace(
    GRANIAN, name="granian-2", command=(*GRANIAN.command, "--workers", "2", "--loop", "asyncio"), workers=2
)
DAPHNE = Setup("daphne", ("-m", "daphne", "--fd", "{fd}", "{app}:app"), _CHAIN, late=True)
RUN = Setup("app-run", ("run.py", "{app}", "fd://{fd}"), _CHAIN, server="hypercorn")

SETUPS = (
    HYPERCORN,
    Setup("hypercorn-w4", (*_HYPERCORN, "-w", "4"), _CONTEXT, workers=4),
    HYPERCORN_0,
    Setup("hypercorn-uvloop", (*_HYPERCORN, "-k", "uvloop"), _CONTEXT),
    Setup("hypercorn-w0-uvloop", (*_HYPERCORN, "-w", "0", "-k", "uvloop"), _CONTEXT),
    UVICORN,
    UVICORN_2,
    GUNICORN,
    Setup("gunicorn-2", (*_GUNICORN, "-w", "2"), _CHAIN, workers=2, server="uvicorn"),
    RUN,
    Setup("hypercorn-serve-trigger", ("serve.py", "{app}", "fd://{fd}"), _CHAIN),
    Setup("drain-by-hand", _HYPERCORN, _CONTEXT, by_hand=True, server="hypercorn"),
    Setup("starlette-hypercorn", _HYPERCORN, _CONTEXT, app="starlette_app", server="hypercorn"),
    Setup("starlette-uvicorn", _UVICORN, _CHAIN, app="starlette_app", server="uvicorn"),
)
"""Every way of docs/protocol.md's promise that a server's views survive it."""


class NotStarted(RuntimeError):
    """A server process left before it served.

    Attributes:
        status: its exit status.
        log: what it wrote.
    """

    def __init__(self, name: str, status: int, log: str) -> None:
        super().__init__(f"{name} did not start ({status}):\n{log}")
        self.status = status
        self.log = log


class Server:
    """A server process with all its workers.

    Attributes:
        pid: of the parent, which gets the signals; also the number of its process group.
        port: on the loopback address.
        log_path: where everything that it writes goes.
        mount: the path under which it has our application.
        tls: trusts its certificate, where it ends TLS itself.
        peers: ends what a test has connected to it, also where the test fails.
    """

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        port: int,
        log_path: Path,
        mount: str = "",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.pid = process.pid
        self.port = port
        self.log_path = log_path
        self.mount = mount
        self.tls = tls
        self.peers = AsyncExitStack()
        self._process = process

    def url(self, path: str) -> str:
        """Return the address of a socket."""
        return f"{'wss' if self.tls else 'ws'}://127.0.0.1:{self.port}{self.mount}{path}"

    @property
    def log(self) -> str:
        """What it has written so far."""
        return self.log_path.read_text(errors="replace")

    @property
    def alive(self) -> bool:
        """Whether the parent runs."""
        return self._process.returncode is None

    @property
    def pids(self) -> list[int]:
        """The processes of its group that run, the parent first."""
        return sorted(_group(self.pid), key=lambda pid: (pid != self.pid, pid))

    @property
    def memory(self) -> int:
        """The resident memory of its processes, in bytes."""
        total = 0
        for pid in self.pids:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
        return total * 1024

    def trouble(self) -> list[str]:
        """Return the lines of the log that a clean process does not write."""
        return [line for line in KNOWN.sub("", self.log).splitlines() if TROUBLE.search(line)]

    def signal(self, signum: int = signal.SIGTERM) -> None:
        """Send a signal to the parent, as a process manager does."""
        if self.alive:
            self._process.send_signal(signum)

    def signal_group(self, signum: int) -> None:
        """Send a signal to the whole group, as a terminal does on Ctrl-C."""
        os.killpg(self.pid, signum)

    async def attended(self) -> None:
        """Wait until the parent has done what the signals so far ask of it, as it has before a person presses Ctrl-C again.

        Handlers of signals interrupt each other, and Hypercorn's takes a lock: one that interrupts it there waits for ever.
        """
        await eventually(self._attended, f"the end of the parent's signal handlers: {self.pid}")

    def _attended(self) -> bool:
        """Whether no signal waits for the parent, and it sleeps somewhere else than in front of a lock.

        A handler only runs, or waits for a lock. The numbers of its sleeps tell that it was one and the same all the while.
        """
        process = Path(f"/proc/{self.pid}")
        before = _asleep(process)
        where = (process / "wchan").read_text()
        return before is not None and before == _asleep(process) and "futex" not in where

    async def exited(self, deadline: float = 10.0) -> int:
        """Wait until it has left and return its exit status.

        Args:
            deadline: seconds that its drain may take; what it takes beyond is only checked not to be for ever.
        """
        async with asyncio.timeout(deadline + SLACK):
            status = await self._process.wait()
        # multiprocessing's helper is last
        await eventually(lambda: not self.pids, lambda: f"the end of its processes {self.pids}")
        return status

    async def logs(self, text: str, count: int = 1) -> None:
        """Wait until `text` stands in the log `count` times."""
        await eventually(lambda: self.log.count(text) >= count, lambda: f"{text!r} in the log:\n{self.log}")

    async def get(self, path: str, method: str = "GET", cookie: str = "") -> tuple[int, dict[str, str], str]:
        """Make one HTTP request; returns status, headers and body."""
        return await fetch(self.port, self.mount + path, method, cookie, self.tls)

    async def end(self) -> None:
        """End what is left of its group."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        await self._process.wait()
        await self.peers.aclose()


@contextmanager
def listening() -> Iterator[socket.socket]:
    """A listening socket on a free loopback port, for servers to inherit: connections wait in it while none serves."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        yield listener


@asynccontextmanager
async def serving(
    setup: Setup,
    log_path: Path,
    *,
    listener: socket.socket | None = None,
    app: str | None = None,
    options: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Server]:
    """A server, started and ready, ended at the end.

    Args:
        setup: how to serve.
        log_path: the file for its output.
        listener: that it inherits; default: one of its own.
        app: the module, if it is not the set-up's.
        options: further ones for its command.
        environment: further variables.
        tls: trusts its certificate, where the options make it end TLS itself.
    """
    server = await _start(setup, log_path, listener, app or setup.app, options, environment or {}, tls)
    try:
        await _ready(server, setup, app or setup.app)
        yield server
    finally:
        await server.end()


async def _start(
    setup: Setup,
    log_path: Path,
    listener: socket.socket | None,
    app: str,
    options: tuple[str, ...],
    environment: Mapping[str, str],
    tls: ssl.SSLContext | None,
) -> Server:
    own = listener or socket.create_server(("127.0.0.1", 0), backlog=256)
    port = own.getsockname()[1]
    where = ROOT / app.replace(".", "/") if "." in app else APPS / app
    command = [part.format(app=app, path=where, fd=own.fileno(), port=port) for part in setup.command]
    descriptors = [own.fileno()] if setup.inherits else []
    if not setup.inherits:
        own.close()
    path = os.pathsep.join([str(ROOT), str(APPS)])
    try:
        with log_path.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, *command, *options,
                cwd=APPS, env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **environment},
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                pass_fds=descriptors, start_new_session=True,
            )  # fmt: skip
    finally:
        if listener is None:
            own.close()
    return Server(process, port, log_path, setup.mount, tls)


async def _ready(server: Server, setup: Setup, app: str) -> None:
    """Wait until every worker serves; or raise, with the log, if the process leaves instead."""
    bare = app == "bare"
    said = "a bare worker serves" if bare else " is noticed by "
    if not setup.late:
        await eventually(
            lambda: server.log.count(said) >= setup.workers or not server.alive,
            f"{said!r} in {server.log_path}",
        )
    if not server.alive:
        raise NotStarted(setup.name, await server.exited(), server.log)
    await eventually(
        lambda: listens(server.port, server.tls) or not server.alive,
        lambda: f"{setup.name} on its port:\n{server.log}",
    )
    status, _, _ = await server.get("/" if bare else "/_stash/ready")
    if status != 200:
        raise RuntimeError(f"{setup.name} is not ready but {status}:\n{server.log}")


def listens(port: int, tls: ssl.SSLContext | None = None) -> bool:
    """Return whether connections to a port are taken."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port)) as connection:
        if tls is not None:  # a server would note one that says nothing
            tls.wrap_socket(connection, server_hostname="127.0.0.1").close()
        return True
    return False


async def fetch(
    port: int, path: str, method: str, cookie: str, tls: ssl.SSLContext | None = None
) -> tuple[int, dict[str, str], str]:
    """Make one HTTP request on a connection of its own."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: close", f"Cookie: {cookie}"]
    async with asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
        try:
            writer.write("\r\n".join([*lines, "", ""]).encode())
            head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
        finally:
            writer.close()
    if not head:
        raise ConnectionError("no answer")
    status, *lines = head.split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(status.split()[1]), headers, body


async def eventually(
    condition: Callable[[], object], what: str | Callable[[], str], timeout: float = 30
) -> None:
    """Wait until `condition()` holds, for what nothing can be awaited, such as another process's log.

    Args:
        condition: is asked again and again.
        what: for the error, or what says it then: how things stand at the end, not at the beginning.
        timeout: seconds; it is there to end a test that hangs.
    """
    try:
        async with asyncio.timeout(timeout):
            while not condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"never came: {what if isinstance(what, str) else what()}") from None


def _asleep(process: Path) -> list[str] | None:
    """Return the numbers of its sleeps so far, if its main thread sleeps and no signal is pending."""
    status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines())
    if not status["State"].startswith("S") or any(int(status[name], 16) for name in ("SigPnd", "ShdPnd")):
        return None
    return [count for name, count in status.items() if name.endswith("ctxt_switches")]


def _group(group: int) -> list[int]:
    """Return the running processes of one group."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                state, _, pgrp, *_ = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(pgrp) == group and state != "Z":
                    found.append(int(entry.name))
    return found
