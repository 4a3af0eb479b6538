"""Views that tell each other things on real servers: a hand-over of one holds up nobody else."""

from __future__ import annotations

import asyncio
import json
import random
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.live.pipe import SECRET
from tests.servers.harness import HYPERCORN, UVICORN, Setup, eventually, serving
from tests.tab import Tab

MEMBERS = 12
NEAREST, FARTHEST = 0.01, 0.2
"""Seconds, each way."""


class Member:
    """A tab at a distance of its own that tells the room something all the while."""

    def __init__(self, url: str, number: int) -> None:
        self.heard: list[str] = []
        self.mounts = 0
        latency = NEAREST + (FARTHEST - NEAREST) * number / (MEMBERS - 1)
        self.tab = Tab(
            url, message=self._message, event=self._event, random=random.Random(number), latency=latency
        )

    async def talk(self) -> None:
        while True:
            self.tab.send("hello")
            await asyncio.sleep(0.1)

    def _message(self, data: str | bytes) -> None:
        self.heard.append(str(data))

    def _event(self, name: str, _: object) -> None:
        self.mounts += name == "mounted"


@pytest.mark.parametrize("setup", [HYPERCORN, UVICORN], ids=lambda setup: setup.name)
async def test_a_room_that_talks(setup: Setup, tmp_path: Path) -> None:
    """Through hand-overs of some, the ticker and requests reach the others; and SIGTERM hands all of them over."""
    environment = {"QUART_SECRET_KEY": SECRET, "QUART_STASH_SHUTDOWN_TIMEOUT": "10"}
    options = ("--graceful-timeout", "15") if setup is HYPERCORN else ()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            serving(setup, tmp_path / "log", app="rooms", options=options, environment=environment)
        )
        members = [Member(server.url("/room"), number) for number in range(MEMBERS)]
        for member in members:
            stack.push_async_callback(member.tab.close)
            member.tab.start()
        await eventually(lambda: all(member.mounts for member in members), "the mounts")
        talking = [asyncio.create_task(member.talk()) for member in members]

        status, _, said = await server.get("/rebalance/0.5", "POST")
        assert (status, json.loads(said)) == (200, {"synced": MEMBERS // 2})
        await eventually(
            lambda: sum(member.mounts for member in members) == MEMBERS * 3 // 2, "the new mounts"
        )
        status, _, said = await server.get("/tell/news", "POST")
        assert (status, json.loads(said)) == (200, [True] * MEMBERS)
        ticks = [member.heard.count("tick") for member in members]
        await eventually(
            lambda: all(
                "news" in member.heard and member.heard.count("tick") > before
                for member, before in zip(members, ticks, strict=True)
            ),
            "the news, and more ticks, for everybody",
        )

        server.signal()
        assert await server.exited() in (
            0,
            -signal.SIGTERM,
        )  # Uvicorn ends itself with the signal that it was given
        for task in talking:
            task.cancel()
        assert f"drained: {MEMBERS} of {MEMBERS} synced, 0 timed out" in server.log, server.log
        assert server.trouble() == []
