"""The clients of the soak: each sends serial numbers, and checks that each has counted once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from benchmarks.soak.fleet import Fleet
from benchmarks.soak.ledger import Ledger
from quart_stash.core.client import State
from tests.servers.wire import Wire
from tests.tab import Tab

PACE = 2.0
"""Messages that a client sends a second."""
NEAREST, FARTHEST = 0.001, 0.2
"""Seconds that a client is away, each way; each has its own distance, evenly spread."""


@dataclass(frozen=True)
class Answer:
    """What a view's state says: see app.py. Of a view that is in no room the last four are nought."""

    last: int = 0
    count: int = 0
    doubled: int = 0
    skipped: int = 0
    process: int = 0
    joined: int = 0
    cursor: int = 0
    heard: int = 0
    wrong: int = 0

    @classmethod
    def read(cls, text: str) -> Answer:
        """Read an answer of the application."""
        return cls(*map(int, text.split()))

    @property
    def exact(self) -> bool:
        """Whether each message has counted once, and each note of a room."""
        messages = self.count == self.last and not self.doubled and not self.skipped
        return messages and self.heard == self.cursor - self.joined and not self.wrong


class Client:
    """A tab that sends one number after the other.

    Attributes:
        tab: the tab.
        wire: what it is behind, if it is.
        latency: seconds that it is away, each way.
        member: whether it is in the room.
        sent: the newest serial number.
        answer: the newest one.
    """

    def __init__(
        self, port: int, wire: Wire | None, ledger: Ledger, fleet: Fleet, rng: random.Random, *, member: bool
    ) -> None:
        self.wire = wire
        self.member = member
        self.latency: float = rng.uniform(NEAREST, FARTHEST)
        self.sent = 0
        self.answer = Answer()
        self.tab = Tab(
            f"ws://127.0.0.1:{port}/{'room' if member else 'live'}",
            message=self._message, event=self._event, random=random.Random(rng.random()), latency=self.latency,
        )  # fmt: skip
        self._ledger = ledger
        self._fleet = fleet
        self._gap: tuple[float, float, bool] | None = None
        self._sent_at = 0.0
        self._sent_on: int | None = None

    def send(self) -> None:
        """Send the next one."""
        self.sent += 1
        self._sent_at = asyncio.get_running_loop().time()
        machine = self.tab.machine
        self._sent_on = machine.conn if machine.state is State.LIVE else None
        self.tab.send(str(self.sent))

    async def leave(self) -> None:
        """Close the tab."""
        self.tab.event = lambda *_: None  # that it is over is no news
        await self.tab.close()

    @property
    def settled(self) -> bool:
        """Whether the newest message has been answered."""
        return self.answer.last == self.sent

    def _message(self, data: str | bytes) -> None:
        before, self.answer = self.answer, Answer.read(str(data))
        if before.exact and not self.answer.exact:
            self._ledger.defect(f"a view says {self.answer} after {before}; sent: {self.sent}")
        if self.settled and before.last < self.sent and self._sent_on == self.tab.machine.conn:
            taken = asyncio.get_running_loop().time() - self._sent_at
            self._ledger.trip(max(0.0, taken - 2 * self.latency))
        if self._gap is not None:
            begin, end, cut = self._gap
            self._gap = None
            ready = self._fleet.ready.get(self.answer.process, end)
            moved = not cut and before.process not in self._fleet.leaving
            self._ledger.gap(
                begin, end, ready, away=self.latency, cut=cut, moved=moved, network=self._disturbed(begin)
            )

    def _event(self, name: str, detail: dict[str, Any]) -> None:
        now = asyncio.get_running_loop().time()
        match name:
            case "gap":
                self._gap = (now - detail["seconds"], now, detail["cause"] == "loss")
            case "disconnected":
                cause = self._ledger.cause_at(now - 0.5 - self.latency)  # it is told half a second after
                self._ledger.visible["the network" if self._disturbed(now) else cause] += 1
            case "lost" | "failed" | "reload" | "over":
                self._ledger.defect(f"a client was told {name}: {detail}; sent: {self.sent}, {self.answer}")

    def _disturbed(self, when: float) -> bool:
        return self.wire is not None and when < self.wire.disturbed


class Crowd:
    """All clients."""

    def __init__(self, clients: Sequence[Client]) -> None:
        self.clients = clients
        self._stopped = False

    def on(self, process: int) -> int:
        """Return how many are on a process, as far as they know."""
        return sum(client.answer.process == process for client in self.clients)

    @property
    def sent(self) -> int:
        """Messages sent."""
        return sum(client.sent for client in self.clients)

    @property
    def members(self) -> list[Client]:
        """Those who are in the room."""
        return [client for client in self.clients if client.member]

    @property
    def notes(self) -> int:
        """What was said in the room."""
        return sum(client.sent for client in self.members)

    async def join(self) -> None:
        """Connect one after the other."""
        for client in self.clients:
            client.tab.start()
            await asyncio.sleep(0.02)

    async def talk(self) -> None:
        """Send messages in turns, evenly, until it is stopped."""
        clock = asyncio.get_running_loop().time
        due = clock()
        for client in cycle(self.clients):
            if self._stopped:
                return
            client.send()
            due += 1 / (PACE * len(self.clients))
            await asyncio.sleep(max(0.0, due - clock()))

    def stop(self) -> None:
        """Send no more messages."""
        self._stopped = True

    async def reload(self, rng: random.Random, count: int) -> None:
        """Let some pages load anew."""
        await asyncio.gather(*(client.tab.reload() for client in rng.sample(self.clients, count)))

    async def settled(self) -> None:
        """Wait until everything has been answered."""
        while self.waiting():  # noqa: ASYNC110 - a look now and then is cheaper than to be told of each answer
            await asyncio.sleep(0.1)

    def waiting(self) -> list[Client]:
        """Return the clients whose newest message has not been answered, or who have not heard all of their room."""
        notes = self.notes
        return [
            client
            for client in self.clients
            if not client.settled or (client.member and client.answer.cursor != notes)
        ]

    async def leave(self) -> None:
        """Close every tab."""
        await asyncio.gather(*(client.leave() for client in self.clients))
