"""A small protocol client over real sockets: the honest peer of the process tests, with knobs to misbehave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

SUBPROTOCOL = "quart-stash.v1"


class Client:
    """One view of one tab, over as many connections as it takes.

    Attributes:
        token: the newest token.
        received: how many messages it covers.
        outbox: number → message, for those that it does not cover.
        got: application messages from the server, in order.
        events: the control frames from the server, in order.
        close_code: how the last connection ended.
    """

    def __init__(self, url: str, *, answers_drain: bool = True, origin: str | None = None, **mount: Any) -> None:
        self.url = url
        self.answers_drain = answers_drain
        self.origin = origin
        self.mount_fields = mount
        self.token: str | None = None
        self.received = 0
        self.sent = 0
        self.outbox: dict[int, str] = {}
        self.got: list[str] = []
        self.events: list[dict[str, Any]] = []
        self.kept: dict[str, str] = {}
        self.close_code: int | None = None
        self._changed = asyncio.Condition()
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None

    @property
    def mounted(self) -> dict[str, Any]:
        """The newest `mounted` frame."""
        return next(event for event in reversed(self.events) if event["type"] == "mounted")

    async def connect(self) -> None:
        """Open a connection and mount; returns when `mounted` is here, or raises `ConnectionClosed`."""
        await self.open()
        await self.mount()

    async def open(self) -> None:
        """Open a connection, without mounting."""
        self.close_code = None
        self._socket = await connect(
            self.url, subprotocols=[SUBPROTOCOL], origin=self.origin, compression=None, max_size=None, ping_interval=None,
        )  # fmt: skip

    async def mount(self) -> None:
        """Say `mount` and replay the outbox."""
        frame = {"type": "mount", "sent": self.sent, **self.mount_fields}
        if self.token is not None:
            frame["token"] = self.token
        await self.raw(json.dumps(frame))
        self._reader = asyncio.create_task(self._read())
        before = sum(event["type"] == "mounted" for event in self.events)
        await self.until(lambda: self.close_code is not None or self._mounts() > before)
        if self._mounts() == before:
            raise ConnectionError(f"not mounted: {self.close_code}")
        if self.mounted["status"] == "rejected":
            self.outbox.clear()
            self.sent = 0
        for number in sorted(self.outbox):
            if number > self.mounted["received"]:
                await self.raw("=" + self.outbox[number])

    async def send(self, data: str) -> None:
        """Send one message; it is kept until a token covers it."""
        self.sent += 1
        self.outbox[self.sent] = data
        await self.raw("=" + data)

    async def raw(self, data: str | bytes) -> None:
        """Send one frame as it stands."""
        if self._socket is None:
            raise ConnectionError("not connected")
        await self._socket.send(data)

    async def until(self, condition: Any, timeout: float = 20) -> None:
        """Wait until `condition()` holds."""
        async with asyncio.timeout(timeout):
            async with self._changed:
                await self._changed.wait_for(condition)

    async def closed(self, timeout: float = 30) -> int:
        """Wait for the end of the connection and return its close code."""
        if self._reader is None and self._socket is not None:
            self._reader = asyncio.create_task(self._read())
        await self.until(lambda: self.close_code is not None, timeout)
        return self.close_code or 0

    async def abort(self) -> None:
        """Cut the connection without a word."""
        if self._socket is not None:
            self._socket.transport.abort()
            await self.closed()

    def seen(self, kind: str) -> list[dict[str, Any]]:
        """Return the control frames of one type, in order."""
        return [event for event in self.events if event["type"] == kind]

    def _mounts(self) -> int:
        return len(self.seen("mounted"))

    async def _read(self) -> None:
        if self._socket is None:
            raise ConnectionError("not connected")
        try:
            async for frame in self._socket:
                text = frame if isinstance(frame, str) else frame.decode()
                if text.startswith("="):
                    self.got.append(text[1:])
                else:
                    await self._control(json.loads(text))
                async with self._changed:
                    self._changed.notify_all()
        except ConnectionClosed:
            pass
        finally:
            self.close_code = self._socket.close_code or 1006
            async with self._changed:
                self._changed.notify_all()

    async def _control(self, frame: dict[str, Any]) -> None:
        self.events.append(frame)
        match frame["type"]:
            case "mounted" if "token" in frame:
                self.token, self.received = frame["token"], frame["received"]
            case "token":
                self.token, self.received = frame["token"], frame["received"]
                self.outbox = {n: data for n, data in self.outbox.items() if n > self.received}
                if frame.get("final"):
                    await self.raw(json.dumps({"type": "synced", "received": self.received}))
            case "drain" if self.answers_drain:
                await self.raw(json.dumps({"type": "flushed", "sent": self.sent}))
            case "keep":
                self.kept[frame["key"]] = frame["token"]
                await self.raw(json.dumps({"type": "stored", "key": frame["key"]}))
            case "forget":
                self.kept.pop(frame["key"], None)
                await self.raw(json.dumps({"type": "stored", "key": frame["key"]}))
            case "restore":
                token = self.kept.get(frame["key"])
                answer = {"type": "kept", "key": frame["key"], **({"token": token} if token else {})}
                await self.raw(json.dumps(answer))


@asynccontextmanager
async def client(url: str, **options: Any) -> AsyncIterator[Client]:
    """A connected and mounted client, cut at the end."""
    one = Client(url, **options)
    await one.connect()
    try:
        yield one
    finally:
        await one.abort()
