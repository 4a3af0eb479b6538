"""The example `room` on real servers: fifty pages at unequal distances, ten deploys, ten kills, every state exact."""

from __future__ import annotations

import asyncio
import json
import random
import signal
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from socket import socket

from tests.live.pipe import SECRET
from tests.servers.harness import HYPERCORN_0, Server, eventually, listening, serving
from tests.tab import Tab

MEMBERS = 50
TURNS = 10
FARTHEST = 0.2
"""Seconds, each way; the others are spread over what is nearer."""


class Member:
    """A page in the room: it keeps what it hears, as the example's script does.

    Attributes:
        heard: what was said, in order.
        wrong: what it was told that it should not have been.
    """

    def __init__(self, url: str, number: int) -> None:
        self.heard: list[str] = []
        self.wrong: list[str] = []
        self.mounted = False
        self._count = count(1)
        self._name = f"{number}"
        rng = random.Random(number)
        latency = FARTHEST * (number + 1) / MEMBERS
        self.tab = Tab(url, message=self._message, event=self._event, random=rng, latency=latency)

    def say(self) -> str:
        text = f"{self._name}.{next(self._count)}"
        self.tab.send(json.dumps({"say": text, "name": self._name}))
        return text

    def _message(self, data: str | bytes) -> None:
        self.mounted = True
        frame = json.loads(data)
        for note in frame["notes"]:
            if note["id"] == len(self.heard) + 1:
                self.heard.append(note["text"])
            elif note["id"] > len(self.heard):
                self.wrong.append(f"{note} after {len(self.heard)}")
        # All came before the first note. So what the state has counted is the number of the newest one.
        if frame["notes"] and frame["heard"] != frame["notes"][-1]["id"]:
            self.wrong.append(f"{frame['heard']} counted at {frame['notes'][-1]}")

    def _event(self, name: str, detail: dict[str, object]) -> None:
        if name in ("lost", "failed", "reload"):
            self.wrong.append(f"{name}: {detail}")


class Room:
    """The servers of the room, one after the other on one socket."""

    def __init__(self, listener: socket, folder: Path, stack: AsyncExitStack) -> None:
        self._listener, self._folder, self._stack = listener, folder, stack
        self._count = count(1)
        self.leaving: list[Server] = []
        self.server: Server

    async def start(self) -> None:
        environment = {
            "QUART_SECRET_KEY": SECRET,
            "QUART_DATABASE": str(self._folder / "room.sqlite3"),
            "QUART_STASH_SHUTDOWN_TIMEOUT": "8",
        }
        self.server = await self._stack.enter_async_context(
            serving(
                HYPERCORN_0, self._folder / f"log-{next(self._count)}", listener=self._listener,
                app="examples.room.app", options=("--graceful-timeout", "12"), environment=environment,
            )
        )  # fmt: skip

    async def deploy(self) -> None:
        """The next one is ready, then the one before it is told to leave."""
        old = self.server
        await self.start()
        old.signal()
        self.leaving.append(old)

    async def kill(self) -> None:
        """It is gone without a word; then comes the next one."""
        self.server.signal_group(signal.SIGKILL)
        await self.start()


async def test_a_room_of_fifty_deployed_and_killed_ten_times(tmp_path: Path) -> None:
    """Everybody has everything that was said, once and in order, and each state has counted each note once."""
    rng = random.Random(11)
    said: list[str] = []
    async with AsyncExitStack() as stack:
        room = Room(stack.enter_context(listening()), tmp_path, stack)
        await room.start()
        members = [Member(room.server.url("/live"), number) for number in range(MEMBERS)]
        for member in members:
            stack.push_async_callback(member.tab.close)
            member.tab.start()
        await eventually(lambda: all(member.mounted for member in members), "the mounts")

        async def talk() -> None:
            while True:
                said.append(rng.choice(members).say())
                await asyncio.sleep(0.05)

        talking = asyncio.create_task(talk())
        for _ in range(TURNS):
            await room.deploy()
            await room.kill()
        talking.cancel()
        await eventually(
            lambda: all(len(member.heard) >= len(said) for member in members),
            lambda: f"all of {len(said)} notes: {[len(member.heard) for member in members]}",
        )
        assert [member.wrong for member in members if member.wrong] == []
        assert sorted(members[0].heard) == sorted(said)
        assert all(member.heard == members[0].heard for member in members)
        for server in room.leaving:
            assert await server.exited(8) == 0
            assert "0 timed out" in server.log, server.log
            assert server.trouble() == []
