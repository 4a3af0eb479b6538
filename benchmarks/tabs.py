"""The two kinds of browser tab that the deploy benchmark has: one with a `WebSocket`, one with the protocol."""

from __future__ import annotations

import asyncio
import json
import random
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

INTERVAL = 0.05
"""Seconds between two messages of one tab."""


@dataclass
class Answer:
    """The first answer to a message, and how many there were."""

    at: float
    count: int
    process: int
    answers: int = 1


@dataclass
class Tab:
    """One tab that sends a message every 50 ms.

    Attributes:
        sent: message number → when the page sent it.
        answers: message number → its answer.
        closes: how its connections ended.
    """

    url: str
    subprotocols: list[Subprotocol] | None = None
    sent: dict[int, float] = field(default_factory=dict)
    answers: dict[int, Answer] = field(default_factory=dict)
    closes: list[int] = field(default_factory=list)

    async def run(self) -> None:
        """Connect, talk, and connect again, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self.talking: asyncio.Task[None] = tasks.create_task(self._talk())
            tasks.create_task(self._connect())

    async def _talk(self) -> None:
        await asyncio.sleep(random.random() * INTERVAL)
        clock = asyncio.get_running_loop().time
        start, number = clock(), 0
        while True:
            number += 1
            self.sent[number] = time.monotonic()
            await self.say(number)
            await asyncio.sleep(max(0.0, start + number * INTERVAL - clock()))

    async def say(self, number: int) -> None:
        """Send one message, as the page would."""
        raise NotImplementedError

    async def _connect(self) -> None:
        raise NotImplementedError

    async def _dial(self) -> ClientConnection | None:
        """Open a connection; `None` if it is refused."""
        with suppress(OSError, InvalidHandshake, TimeoutError):
            return await connect(
                self.url, subprotocols=self.subprotocols, compression=None, ping_interval=None, proxy=None,
                open_timeout=30,
            )  # fmt: skip
        return None

    def _hear(self, text: str) -> None:
        number, count, process = map(int, text.split())
        if number in self.answers:
            self.answers[number].answers += 1
        else:
            self.answers[number] = Answer(time.monotonic(), count, process)


class BareTab(Tab):
    """A page with a `WebSocket`, which it opens again within half a second when it is closed, later within more."""

    _socket: ClientConnection | None = None

    async def say(self, number: int) -> None:
        """Send one message. While there is no connection it is gone, as with `WebSocket.send`."""
        if self._socket is not None:
            with suppress(ConnectionClosed):
                await self._socket.send(str(number))

    async def _connect(self) -> None:
        attempt = 0
        while True:
            socket = await self._dial()
            if socket is not None:
                attempt, self._socket = 0, socket
                with suppress(ConnectionClosed):
                    async for text in socket:
                        self._hear(str(text))
                self.closes.append(socket.close_code or 1006)
                self._socket = None
            await asyncio.sleep(random.random() * min(10, 0.5 * 2**attempt))
            attempt += 1


class StashTab(Tab):
    """A page with a `StashSocket`: it keeps what no token covers, and opens the next socket when it hears `drain`.

    Attributes:
        handovers: seconds from `flushed` to the next `mounted`, during which messages had to wait.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url, [Subprotocol("quart-stash.v1")])
        self.handovers: list[float] = []
        self._token: str | None = None
        self._number = 0
        self._outbox: dict[int, str] = {}
        self._live: ClientConnection | None = None
        self._next: asyncio.Task[ClientConnection | None] | None = None
        self._paused = 0.0

    async def say(self, number: int) -> None:
        """Send one message, now or on the next connection."""
        self._number = number
        self._outbox[number] = str(number)
        if self._live is not None:
            with suppress(ConnectionClosed):
                await self._live.send(f"={number}")

    async def _connect(self) -> None:
        attempt = 0
        async with asyncio.TaskGroup() as readers:
            while True:
                socket = await (self._next or self._dial())
                self._next = None
                if socket is None:
                    await asyncio.sleep(random.random() * min(10, 0.1 * 2**attempt))
                    attempt += 1
                    continue
                attempt = 0
                handed = asyncio.Event()
                readers.create_task(self._read(socket, handed))
                await handed.wait()

    async def _read(self, socket: ClientConnection, handed: asyncio.Event) -> None:
        """Mount a connection and read it to its end; says `handed` when the next one may be mounted."""
        frame = {"type": "mount", "sent": self._number, **({"token": self._token} if self._token else {})}
        with suppress(ConnectionClosed):
            await socket.send(json.dumps(frame))
            async for text in socket:
                if str(text).startswith("="):
                    self._hear(str(text)[1:])
                else:
                    await self._control(socket, json.loads(text), handed)
        self.closes.append(socket.close_code or 1006)
        if self._live is socket:
            self._live, self._paused = None, time.monotonic()
        handed.set()

    async def _control(self, socket: ClientConnection, frame: dict[str, Any], handed: asyncio.Event) -> None:
        match frame["type"]:
            case "mounted":
                self._cover(frame["received"], frame.get("token"))
                if self._paused:
                    self.handovers.append(time.monotonic() - self._paused)
                wired = frame["received"]
                while waiting := sorted(number for number in self._outbox if number > wired):
                    wired = waiting[0]
                    await socket.send("=" + self._outbox[wired])
                self._live = socket
            case "token":
                self._cover(frame["received"], frame["token"])
                if frame.get("final"):
                    await socket.send(json.dumps({"type": "synced", "received": frame["received"]}))
                    handed.set()  # its server closes it
            case "drain":
                self._next = asyncio.create_task(self._dial())  # make before break
                self._live, self._paused = None, time.monotonic()
                await socket.send(json.dumps({"type": "flushed", "sent": self._number}))

    def _cover(self, received: int, token: str | None) -> None:
        self._token = token or self._token
        self._outbox = {number: text for number, text in self._outbox.items() if number > received}
