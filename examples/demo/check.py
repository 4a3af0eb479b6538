"""The demo tries itself: the pages and their scripts are there, and a view survives a deploy."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Message, Request, TextMessage

from .runner import Demo, running, say

__all__ = ["check"]

TIMEOUT = 60.0


class Unexpected(Exception):
    """Something is not as it should be, and what."""


async def check() -> int:
    """Run the demo, try it, end it. Returns the exit status."""
    try:
        async with asyncio.timeout(TIMEOUT), running() as demo:
            cookie = await _pages(demo)
            await _deploy(demo, cookie)
    except (Unexpected, TimeoutError) as problem:
        say(f"[demo] failed: {problem or 'it takes too long'}")
        return 1
    say("[demo] all is well")
    return 0


async def _pages(demo: Demo) -> str:
    """Fetch what a browser would. Returns the profile's session cookie."""
    cookie = ""
    for example, own in (("launcher", 1), ("room", 1), ("wizard", 4), ("profile", 1)):
        page, headers = await _fetch(f"{demo.address}/{example}/")
        cookie = headers["set-cookie"].partition(";")[0]
        scripts: list[str] = re.findall(r'<script [^>]*src="([^"]+)"', page)
        if len(scripts) != own + 2:  # with the panel's and ours
            raise Unexpected(f"the page of {example} has the scripts {scripts}")
        for script in scripts:
            await _fetch(demo.address + script)
    say("[demo] the pages and their scripts are there")
    return cookie


async def _fetch(url: str) -> tuple[str, Any]:
    def fetch() -> tuple[str, Any]:
        with urlopen(url, timeout=10) as response:  # our own address
            return response.read().decode(), response.headers

    try:
        return await asyncio.to_thread(fetch)
    except OSError as error:
        raise Unexpected(f"{url}: {error}") from error


async def _deploy(demo: Demo, cookie: str) -> None:
    """Send a message, deploy, and see that the next process knows of it."""
    edit = json.dumps({"name": "Ada"})
    async with _socket(demo, cookie) as socket:
        await socket.say({"type": "mount", "sent": 0})
        await socket.hear("mounted", status="fresh")
        await socket.send(f"={edit}")
        await socket.hear("token", received=1)
        deploying = asyncio.create_task(demo.servers.deploy())
        await socket.hear("drain")
        await socket.say({"type": "flushed", "sent": 1})
        final = await socket.hear("token", final=True)
        await socket.say({"type": "synced", "received": 1})
        if await socket.closed() != 1012:
            raise Unexpected("the old server did not close with 1012")
        await deploying
    async with _socket(demo, cookie) as socket:
        await socket.say({"type": "mount", "sent": 1, "token": final["token"]})
        await socket.hear("mounted", status="restored", received=1)
        if json.loads(await socket.message())["processed"] != 1:
            raise Unexpected("the new server does not know of the message")
    say("[demo] a view survived a deploy")


class _Socket:
    """A WebSocket on a stream, and the protocol's frames on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._protocol = WSConnection(ConnectionType.CLIENT)

    async def open(self, host: str, cookie: str) -> None:
        headers = [(b"cookie", cookie.encode()), (b"origin", f"http://{host}".encode())]
        request = Request(
            host=host, target="/profile/live", subprotocols=["quart-stash.v1"], extra_headers=headers
        )
        self._writer.write(self._protocol.send(request))
        if not isinstance(await self._event(), AcceptConnection):
            raise Unexpected("the socket was refused")

    async def send(self, data: str) -> None:
        self._writer.write(self._protocol.send(Message(data)))
        await self._writer.drain()

    async def say(self, frame: dict[str, Any]) -> None:
        await self.send(json.dumps(frame))

    async def hear(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Wait for a control frame of this type with these fields."""
        while True:
            text = await self._text()
            frame = {} if text.startswith("=") else json.loads(text)
            if frame.get("type") == kind and fields.items() <= frame.items():
                return dict(frame)

    async def message(self) -> str:
        """Wait for a message of the application."""
        while not (text := await self._text()).startswith("="):
            pass
        return text[1:]

    async def closed(self) -> int:
        """Wait for the end, and return the close code."""
        while not isinstance(event := await self._event(), CloseConnection):
            pass
        return int(event.code)

    async def _text(self) -> str:
        text = ""
        while True:
            event = await self._event()
            if isinstance(event, CloseConnection):
                raise Unexpected(f"closed with {event.code}")
            if isinstance(event, TextMessage):
                text += event.data
                if event.message_finished:
                    return text

    async def _event(self) -> Any:
        while (event := next(self._events, None)) is None:
            data = await self._reader.read(65536)
            if not data:
                raise Unexpected("the connection was cut")
            self._protocol.receive_data(data)
            self._events = self._protocol.events()
        return event

    _events: Any = iter(())


@asynccontextmanager
async def _socket(demo: Demo, cookie: str) -> AsyncIterator[_Socket]:
    host = urlsplit(demo.address).netloc
    reader, writer = await asyncio.open_connection(*host.split(":"))
    socket = _Socket(reader, writer)
    try:
        await socket.open(host, cookie)
        yield socket
    finally:
        writer.close()
