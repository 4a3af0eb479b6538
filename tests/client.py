"""A small protocol client over real sockets: the honest peer of the process tests, with knobs to misbehave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from quart_stash.core.frames import SUBPROTOCOL
from quart_stash.testing.dialer import Connection, ConnectionEnded
from quart_stash.testing.distance import Distant
from tests.distance import distance
from tests.tab import Socket


class NotMounted(ConnectionError):
    """The connection ended before the view was mounted.

    Attributes:
        code: the close code.
    """

    def __init__(self, code: int | None) -> None:
        super().__init__(f"not mounted: {code}")
        self.code = code


class Client:
    """One view of one tab, over as many connections as it takes.

    Args:
        url: where the view is.
        answers_drain: whether it answers `drain` at all.
        at_drain: messages that it sends when it hears `drain`, before it is flushed (as a page's hooks do).
        origin: of the page.
        headers: further ones for the handshake.
        subprotocols: that it offers; none makes it a plain client.
        latency: seconds that everything takes, each way; default: each client at its own distance.
        mount: further fields of its `mount` frames.

    Attributes:
        token: the newest token.
        received: how many messages it covers.
        sent: number of its newest message.
        outbox: number → message, for those that the token does not cover.
        got: application messages from the server, in order, over all connections.
        events: the control frames from the server, in order, over all connections.
        lost: messages that it still held when its token was rejected.
        close_code: how the last connection ended; `None` while it is open.
    """

    def __init__(
        self,
        url: str,
        *,
        answers_drain: bool = True,
        at_drain: Sequence[str] = (),
        origin: str | None = None,
        headers: Mapping[str, str] | None = None,
        subprotocols: Sequence[str] = (SUBPROTOCOL,),
        latency: float | None = None,
        **mount: Any,
    ) -> None:
        self.url = url
        self.answers_drain = answers_drain
        self.at_drain = list(at_drain)
        self.origin = Origin(origin) if origin else None
        self.headers = dict(headers or {})
        self.subprotocols = [Subprotocol(name) for name in subprotocols]
        self.latency = distance() if latency is None else latency
        self.mount_fields = mount
        self.token: str | None = None
        self.received = 0
        self.sent = 0
        self.outbox: dict[int, str] = {}
        self.got: list[str] = []
        self.events: list[dict[str, Any]] = []
        self.kept: dict[str, str] = {}
        self.lost: list[str] = []
        self.close_code: int | None = None
        self._changed = asyncio.Condition()
        self._socket: ClientConnection | None = None
        self._wire: Connection
        self._reader: asyncio.Task[None] | None = None
        self._flushed = False

    @property
    def mounted(self) -> dict[str, Any]:
        """The newest `mounted` frame."""
        return self.seen("mounted")[-1]

    async def connect(self) -> None:
        """Open a connection and mount; returns when `mounted` is here and the outbox is replayed.

        Raises:
            NotMounted: the connection was closed instead.
            InvalidStatus: the handshake was refused.
        """
        await self.open()
        await self.mount()

    async def open(self) -> None:
        """Open a connection, without mounting."""
        self.close_code, self._flushed = None, False
        self._socket = await connect(
            self.url, subprotocols=self.subprotocols or None, origin=self.origin, additional_headers=self.headers,
            compression=None, max_size=None, ping_interval=None, proxy=None, open_timeout=30,
        )  # fmt: skip
        near = Socket(self._socket)
        self._wire = Distant(near, self.latency) if self.latency else near
        self._reader = asyncio.create_task(self._read(self._wire))

    async def mount(self) -> None:
        """Say `mount`, wait for its answer and replay the outbox."""
        frame = {"type": "mount", "sent": self.sent, **self.mount_fields}
        if self.token is not None:
            frame["token"] = self.token
        before = len(self.seen("mounted"))
        await self.raw(json.dumps(frame))
        await self.until(lambda: self.close_code is not None or len(self.seen("mounted")) > before)
        if len(self.seen("mounted")) == before:
            raise NotMounted(self.close_code)
        for number in range(self.received + 1, self.sent + 1):
            if number in self.outbox:
                await self.raw("=" + self.outbox[number])
            else:  # it has failed
                await self.control("void", number=number)

    async def send(self, data: str) -> None:
        """Send one message, kept until a token covers it. After `flushed` it waits for the next connection."""
        self.sent += 1
        self.outbox[self.sent] = data
        if self.close_code is None and not self._flushed:
            await self.raw("=" + data)

    async def raw(self, data: str | bytes) -> None:
        """Send one frame as it stands; into the void, if the connection is lost."""
        if self._socket is None:
            raise ConnectionError("not connected")
        with suppress(ConnectionEnded):
            await self._wire.send(data)

    async def ping(self) -> None:
        """Ping as the WebSocket protocol does, and wait for the answer."""
        if self._socket is None:
            raise ConnectionError("not connected")
        async with asyncio.timeout(30):
            await (await self._socket.ping())

    async def control(self, kind: str, **fields: Any) -> None:
        """Send one control frame."""
        await self.raw(json.dumps({"type": kind, **fields}))

    async def until(self, condition: Callable[[], object], timeout: float = 30) -> None:
        """Wait until `condition()` holds; the time-out is there to end a test that hangs."""
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(condition)

    async def answered(self, count: int) -> list[str]:
        """Wait until `count` application messages are here, and return all of them."""
        await self.until(lambda: len(self.got) >= count)
        return self.got

    async def closed(self, timeout: float = 30) -> int:
        """Wait for the end of the connection and return its close code."""
        await self.until(lambda: self.close_code is not None, timeout)
        return self.close_code or 0

    async def close(self) -> None:
        """Close the connection, as a page does that is left."""
        if self._socket is not None:
            await self._wire.close(1001)
            await self.closed()

    async def abort(self) -> None:
        """Cut the connection without a word."""
        if self._socket is not None:
            self._socket.transport.abort()
            await self.closed()

    def seen(self, kind: str) -> list[dict[str, Any]]:
        """Return the control frames of one type, in order."""
        return [event for event in self.events if event["type"] == kind]

    async def _read(self, wire: Connection) -> None:
        code = 1006
        try:
            while True:
                frame = await wire.receive()
                text = frame if isinstance(frame, str) else frame.decode()
                if SUBPROTOCOL not in self.subprotocols:
                    self.got.append(text)
                elif text.startswith("="):
                    self.got.append(text[1:])
                else:
                    await self._control(json.loads(text))
                async with self._changed:
                    self._changed.notify_all()
        except ConnectionEnded as ended:
            code = ended.code
        finally:
            self.close_code = code
            async with self._changed:
                self._changed.notify_all()

    async def _control(self, frame: dict[str, Any]) -> None:
        self.events.append(frame)
        match frame["type"]:
            case "mounted":
                if frame["status"] == "rejected":
                    self.lost += self.outbox.values()
                    self.outbox.clear()
                    self.sent = 0
                self._cover(frame["received"], frame.get("token"))
            case "token":
                self._cover(frame["received"], frame["token"])
                if frame.get("final"):
                    await self.control("synced", received=self.received)
            case "drain" if self.answers_drain:
                for data in self.at_drain:
                    await self.send(data)
                self._flushed = True
                await self.control("flushed", sent=self.sent)
            case "failed":
                self.outbox.pop(frame["number"], None)
            case "keep":
                self.kept[frame["key"]] = frame["token"]
                await self.control("stored", key=frame["key"])
            case "forget":
                self.kept.pop(frame["key"], None)
                await self.control("stored", key=frame["key"])
            case "restore":
                token = self.kept.get(frame["key"])
                await self.control("kept", key=frame["key"], **({"token": token} if token else {}))

    def _cover(self, received: int, token: str | None) -> None:
        self.received = received
        self.token = token or self.token
        self.outbox = {number: data for number, data in self.outbox.items() if number > received}


@asynccontextmanager
async def client(url: str, **options: Any) -> AsyncIterator[Client]:
    """A connected and mounted client, cut at the end."""
    one = Client(url, **options)
    await one.connect()
    try:
        yield one
    finally:
        await one.abort()
