"""Starts HAProxy and nginx in front of servers, configured as docs/deploying.md says, and ends only what it has started."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.servers.harness import SLACK, eventually, listens

# The same as in docs/deploying.md, which says why.
HAPROXY = """
global
    maxconn 4096
defaults
    mode http
    balance roundrobin
    timeout connect 1s
    timeout client 60s
    timeout server 60s
    timeout tunnel 1h
    timeout check 500ms
    retries 3
    retry-on conn-failure empty-response 503
    option redispatch 1
    option httpchk GET /_stash/ready
    default-server check inter 200ms fall 2 rise 1
frontend public
    bind 127.0.0.1:{port}
    default_backend app
backend app
    {servers}
"""

NGINX = """
{user}
worker_processes 1;
pid nginx.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    {temporary}
    map $http_upgrade $connection_upgrade {{
        default upgrade;
        ''      close;
    }}
    upstream app {{
        zone app 64k;
        {servers}
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_connect_timeout 1s;
            proxy_read_timeout 1h;
            proxy_send_timeout 1h;
            proxy_next_upstream error timeout http_503;
        }}
    }}
}}
"""


class Proxy:
    """A proxy in the foreground, on a port of its own.

    Attributes:
        name: `haproxy` or `nginx`.
        port: on the loopback address.
        log_path: where everything that it writes goes.
    """

    def __init__(self, name: str, port: int, folder: Path) -> None:
        self.name = name
        self.port = port
        self.log_path = folder / f"{name}.log"
        self._folder = folder
        self._running: list[asyncio.subprocess.Process] = []

    def url(self, path: str) -> str:
        """Return the address of a socket."""
        return f"ws://127.0.0.1:{self.port}{path}"

    async def reload(self, *, hard: bool = False) -> None:
        """Let a new configuration take effect, as `systemctl reload` does; or `hard`: every connection is cut.

        HAProxy's new process takes the port over without a moment in which connections are refused. A hard
        reload of nginx is a restart: for that moment they are.
        """
        old = [process for process in self._running if process.returncode is None]
        if self.name == "haproxy":
            await self._spawn("-st" if hard else "-sf", *(str(process.pid) for process in old))
            if hard:
                await _ended(old)
        elif hard:
            await self.end()
            await self._spawn()
        else:
            old[-1].send_signal(signal.SIGHUP)
        self._running = [process for process in self._running if process.returncode is None]

    async def start(self) -> None:
        """Start it; returns when it takes connections."""
        await self._spawn()

    async def end(self) -> None:
        """End every process of it, and with it every connection."""
        for process in self._running:
            if process.returncode is None:
                process.terminate()
        await _ended(self._running)

    async def _spawn(self, *options: str) -> None:
        configuration = self._folder / f"{self.name}.conf"
        command = {
            "haproxy": ("-db", "-f", str(configuration), *options),
            "nginx": ("-p", str(self._folder), "-c", str(configuration), "-g", "daemon off;"),
        }[self.name]
        with self.log_path.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                program(self.name), *command,
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self._running.append(process)
        await eventually(
            lambda: process.returncode is not None or listens(self.port), f"{self.name} on its port"
        )
        if process.returncode is not None:
            raise RuntimeError(f"{self.name} did not start:\n{self.log_path.read_text()}")


@asynccontextmanager
async def haproxy(backends: Sequence[int], folder: Path) -> AsyncIterator[Proxy]:
    """HAProxy in front of the servers on these ports, ended at the end.

    Args:
        backends: loopback ports; that a server is not there (any more) is found out.
        folder: for its files.
    """
    servers = "\n    ".join(f"server app{n} 127.0.0.1:{port}" for n, port in enumerate(backends))
    async with _proxy("haproxy", folder, lambda port: HAPROXY.format(port=port, servers=servers)) as proxy:
        yield proxy


@asynccontextmanager
async def nginx(backends: Sequence[int], folder: Path) -> AsyncIterator[Proxy]:
    """Nginx in front of the servers on these ports, ended at the end.

    Args:
        backends: loopback ports; that a server is not there (any more) is found out.
        folder: for its files.
    """
    servers = "\n        ".join(f"server 127.0.0.1:{port} max_fails=0;" for port in backends)
    temporary = "\n    ".join(
        f"{kind}_temp_path {kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = (
        "user root;" if os.geteuid() == 0 else ""
    )  # it stands for a user of its own, who can't see the folder

    def configure(port: int) -> str:
        return NGINX.format(port=port, servers=servers, temporary=temporary, user=user)

    async with _proxy("nginx", folder, configure) as proxy:
        yield proxy


PROXIES = {"haproxy": haproxy, "nginx": nginx}
"""Both, by name."""


@asynccontextmanager
async def _proxy(name: str, folder: Path, configure: Callable[[int], str]) -> AsyncIterator[Proxy]:
    proxy = Proxy(name, free_port(), folder)
    (folder / f"{name}.conf").write_text(configure(proxy.port))
    try:
        await proxy.start()
        yield proxy
    finally:
        await proxy.end()


def free_port() -> int:
    """Return a loopback port that nobody has, for a process that opens it later, or again.

    It is below those that the kernel gives to outgoing connections, one of which could take it meanwhile. Tests that run
    beside each other, in processes of their own, choose among different ones.
    """
    for port in random.sample(range(20_000 + os.getpid() % 100, 32_000, 100), 100):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise OSError("no free port")


async def _ended(processes: Sequence[asyncio.subprocess.Process]) -> None:
    async with asyncio.timeout(SLACK):
        for process in processes:
            await process.wait()


def program(name: str) -> str:
    """Return the path of a program of the system's, which may be on no ordinary user's PATH."""
    found = shutil.which(name, path=os.pathsep.join([os.environ["PATH"], "/usr/sbin"]))
    if found is None:
        raise RuntimeError(f"there is no {name}: `apt-get install {name}`")
    return found
