"""The control server: a few lines of HTTP on a loopback port, there while the servers come and go.

It ends and starts processes, so it listens to the demo's own pages alone: the `Origin` that a browser states
tells them from other sites, and the `Host` keeps out names that were made to point here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

__all__ = ["Busy", "Control"]

HEAD_LIMIT = 16_384
REQUEST_TIMEOUT = 10.0


class Busy(Exception):
    """A command comes while another is carried out."""


class Control:
    """Takes commands by POST, and tells what happens as server-sent events.

    Args:
        origins: of the pages that may ask.
        commands: by path. `Busy` is answered with 409.
    """

    def __init__(
        self, origins: frozenset[str], commands: Mapping[str, Callable[[], Awaitable[None]]]
    ) -> None:
        self._origins = origins
        self._commands = commands
        self._history: deque[bytes] = deque(maxlen=60)
        self._listeners: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._host = ""

    async def start(self) -> str:
        """Listen on a free loopback port; returns the origin."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=HEAD_LIMIT)
        self._host = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return f"http://{self._host}"

    def stop(self) -> None:
        """Listen no more, and end the streams of events."""
        if self._server is not None:
            self._server.close()
        for listener in self._listeners:
            listener.transport.abort()

    def tell(self, event: str, **data: Any) -> None:
        """Tell every page, also those that come later."""
        line = b"data: " + json.dumps({"event": event, "at": time.time() * 1000, **data}).encode() + b"\n\n"
        self._history.append(line)
        for listener in self._listeners:
            listener.write(line)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(
            OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError
        ):
            async with asyncio.timeout(REQUEST_TIMEOUT):
                method, path, headers = _parse(await reader.readuntil(b"\r\n\r\n"))
            origin = headers.get("origin", "")
            if headers.get("host") != self._host or origin not in self._origins:
                await _answer(writer, "403 Forbidden", "")
            elif method == "GET" and path == "/events":
                await self._stream(reader, writer, origin)
            elif method == "POST" and path in self._commands:
                await _answer(writer, await self._command(path), origin)
            else:
                await _answer(writer, "404 Not Found", origin)
        writer.close()

    async def _command(self, path: str) -> str:
        try:
            await self._commands[path]()
        except Busy:
            return "409 Conflict"
        return "204 No Content"

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, origin: str) -> None:
        writer.write(_head("200 OK", origin, "content-type: text/event-stream"))
        writer.writelines(self._history)
        self._listeners.add(writer)
        try:
            await reader.read()  # until the page is gone
        finally:
            self._listeners.discard(writer)


def _parse(head: bytes) -> tuple[str, str, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, *_ = [*first.split(" "), "", ""]
    fields = (line.partition(":") for line in lines if line)
    return method, path, {name.strip().lower(): value.strip() for name, _, value in fields}


def _head(status: str, origin: str, *more: str) -> bytes:
    allow = [f"access-control-allow-origin: {origin}", "vary: origin"] if origin else []
    lines = [f"HTTP/1.1 {status}", "connection: close", "cache-control: no-store", *allow, *more]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


async def _answer(writer: asyncio.StreamWriter, status: str, origin: str) -> None:
    length = [] if status.startswith("204") else ["content-length: 0"]
    writer.write(_head(status, origin, *length))
    await writer.drain()
