"""The two kinds of browser tab that the deploy benchmark has: one with a `WebSocket`, one with the protocol."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from quart_stash.testing.dialer import ConnectionEnded
from tests import tab

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

    async def _dial(self) -> ClientConnection | None:
        """Open a connection; `None` if it is refused."""
        with suppress(OSError, InvalidHandshake, TimeoutError):
            return await connect(
                self.url, compression=None, ping_interval=None, proxy=None, open_timeout=30,
            )  # fmt: skip
        return None


class StashTab(Tab):
    """A page with a `StashSocket`: the testing kit's tab does what the script does.

    Attributes:
        handovers: seconds from `flushed` to the next `mounted`, during which messages had to wait.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.handovers: list[float] = []
        self._page = _Page(self)

    async def say(self, number: int) -> None:
        """Send one message, now or on the next connection."""
        self._page.send(str(number))

    async def _connect(self) -> None:
        self._page.start()
        try:
            await asyncio.Event().wait()
        finally:
            await self._page.close()


class _Page(tab.Tab):
    """The page of one tab, which tells it what it hears."""

    def __init__(self, owner: StashTab) -> None:
        self._owner = owner
        super().__init__(
            owner.url,
            message=lambda data: owner._hear(str(data)),  # noqa: SLF001 - they are one
            event=self._note,
            random=random.Random(random.random()),
        )

    def socket(self, connection: ClientConnection) -> tab.Socket:
        return _Socket(connection, self._owner.closes)

    def _note(self, name: str, detail: dict[str, Any]) -> None:
        if name == "gap" and detail["cause"] == "drain":
            self._owner.handovers.append(detail["seconds"])


class _Socket(tab.Socket):
    """A connection that says how it ended."""

    def __init__(self, connection: ClientConnection, closes: list[int]) -> None:
        super().__init__(connection)
        self._closes = closes

    async def receive(self) -> str | bytes:
        try:
            return await super().receive()
        except ConnectionEnded as ended:
            self._closes.append(ended.code)
            raise
