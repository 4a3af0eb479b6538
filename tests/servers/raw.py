"""Peers that no library plays: a WebSocket written by hand, and one in a process that can be stopped."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from quart_stash.core.frames import SUBPROTOCOL


def text_frame(text: str) -> bytes:
    """Return a client's text frame, masked with zeros."""
    payload = text.encode()
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    else:
        code, digits = (126, 2) if size < 65536 else (127, 8)
        length = bytes([0x80 | code]) + size.to_bytes(digits)
    return b"\x81" + length + bytes(4) + payload


class RawPeer:
    """A TCP connection that can become a WebSocket, and reads only when it is told to.

    Args:
        port: on the loopback address.
        buffer: bytes of its receive buffer; a small one is soon full.
    """

    def __init__(self, port: int, *, buffer: int = 4096) -> None:
        self.poured = 0
        self._port = port
        self._socket = socket.socket()
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)

    @property
    def address(self) -> str:
        """Its own end, as `host:port`."""
        host, port = self._socket.getsockname()
        return f"{host}:{port}"

    async def connect(self) -> None:
        """Open the TCP connection, and say nothing."""
        await self._loop.sock_connect(self._socket, ("127.0.0.1", self._port))

    async def ask(self, path: str, **headers: str) -> str:
        """Send the handshake and return the head of the answer. Nothing beyond it is read."""
        lines = [
            f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{self._port}", "Upgrade: websocket", "Connection: Upgrade",
            "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            f"Sec-WebSocket-Protocol: {SUBPROTOCOL}",
            *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
        ]  # fmt: skip
        await self._loop.sock_sendall(self._socket, "\r\n".join([*lines, "", ""]).encode())
        answer = b""
        async with asyncio.timeout(30):
            while not answer.endswith(b"\r\n\r\n") and (byte := await self._loop.sock_recv(self._socket, 1)):
                answer += byte
        return answer.decode()

    async def mount(self) -> None:
        """Send a `mount`, and do not read what answers it."""
        await self._loop.sock_sendall(self._socket, text_frame(json.dumps({"type": "mount", "sent": 0})))

    async def pour(self, data: bytes, times: int) -> None:
        """Send some bytes so many times, as fast as they are taken; `poured` says how many were."""
        for _ in range(times):
            rest = memoryview(data)
            while rest:
                try:
                    taken = self._socket.send(rest[:65536])
                except BlockingIOError:
                    await self._writable()
                    continue
                self.poured += taken
                rest = rest[taken:]
                await asyncio.sleep(0)

    async def ended(self) -> None:
        """Read, until the connection is over."""
        with suppress(ConnectionResetError):
            while await self._loop.sock_recv(self._socket, 65536):
                pass

    async def _writable(self) -> None:
        writable = asyncio.Event()
        self._loop.add_writer(self._socket, writable.set)
        try:
            await writable.wait()
        finally:
            self._loop.remove_writer(self._socket)

    def close(self) -> None:
        """Give the connection up."""
        self._socket.close()

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()


@asynccontextmanager
async def stopped_peer(url: str) -> AsyncIterator[None]:
    """A mounted client in a process of its own, which is then stopped as a whole."""
    root = Path(__file__).parents[2]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.servers.raw", url, stdout=asyncio.subprocess.PIPE, cwd=root
    )
    try:
        if process.stdout is None or await process.stdout.readline() != b"mounted\n":
            raise RuntimeError("the peer could not mount")
        process.send_signal(signal.SIGSTOP)
        yield
    finally:
        process.kill()
        await process.wait()


async def _peer(url: str) -> None:
    from tests.client import Client

    one = Client(url)
    await one.connect()
    print("mounted", flush=True)
    await one.closed(timeout=600)


if __name__ == "__main__":
    asyncio.run(_peer(sys.argv[1]))
