"""Make before break, through HAProxy and nginx: the next connection is open before the old one is closed."""

from __future__ import annotations

import json
import random
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidStatus

from quart_stash.core import frames, stimuli
from quart_stash.testing.dialer import ConnectionEnded
from tests.servers.harness import (
    HYPERCORN,
    HYPERCORN_0,
    UVICORN,
    Server,
    Setup,
    eventually,
    listening,
    serving,
)
from tests.servers.proxies import PROXIES
from tests.tab import Socket, Tab

CLIENTS = 6

proxied = pytest.mark.parametrize("name", PROXIES)
servers = pytest.mark.parametrize("setup", [HYPERCORN_0, UVICORN], ids=lambda setup: setup.name)


class Watched(Socket):
    """A connection whose life is written down: (what, number of the connection, detail)."""

    def __init__(self, connection: ClientConnection, number: int, notes: list[tuple[str, int, Any]]) -> None:
        super().__init__(connection)
        self._number, self._notes = number, notes
        notes.append(("open", number, None))

    async def send(self, data: str | bytes) -> None:
        if str(data).startswith('{"type":"mount"'):
            self._notes.append(("mount", self._number, None))
        await super().send(data)

    async def receive(self) -> str | bytes:
        try:
            data = await super().receive()
        except ConnectionEnded as ended:
            self._notes.append(("closed", self._number, ended.code))
            raise
        if str(data).startswith("{"):
            frame = json.loads(data)
            final = " final" if frame.get("final") else ""
            self._notes.append((frame["type"] + final, self._number, frame))
        return data


class Watcher(Tab):
    """A tab that writes down what becomes of its connections, and what the page hears."""

    def __init__(self, url: str, seed: int) -> None:
        self.notes: list[tuple[str, int, Any]] = []
        self.heard: list[str] = []
        self.told: list[str] = []
        self._dialled = 0
        super().__init__(
            url,
            message=lambda data: self.heard.append(str(data)),
            event=lambda name, _: self.told.append(name),
            random=random.Random(seed),
        )

    async def _open(self) -> Socket:
        self._dialled += 1
        try:
            return await super()._open()
        except (ConnectionEnded, OSError) as error:
            status = (
                error.__cause__.response.status_code if isinstance(error.__cause__, InvalidStatus) else None
            )
            self.notes.append(("refused", self._dialled, status))
            raise

    def socket(self, connection: ClientConnection) -> Socket:
        return Watched(connection, self._dialled, self.notes)

    def at(self, what: str, number: int) -> int:
        """Return when something happened to a connection, as a place in the notes."""
        return next(place for place, note in enumerate(self.notes) if note[:2] == (what, number))

    def count(self, what: str) -> int:
        """Return how often something happened."""
        return sum(note[0] == what for note in self.notes)


class Deploy:
    """Servers whose handlers are in mid-message, and the clients of these.

    Attributes:
        gate: the handlers go on when this file is there.
        tabs: the clients, once they are at work.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gate = folder / "gate"
        self.tabs: list[Watcher] = []

    def serve(self, setup: Setup, name: str, **options: Any) -> AbstractAsyncContextManager[Server]:
        """One of the servers."""
        if (
            "hypercorn" in setup.command
        ):  # before Python 3.12.1 its own limit, 3 s, would end a drain that has to wait
            options["options"] = ("--graceful-timeout", "12")
        environment = {"APP_GATE": str(self.gate)}
        return serving(setup, self.folder / name, environment=environment, **options)

    async def begin(self, url: str) -> None:
        """Connect the clients, and have each handler work on a message."""
        self.tabs = [Watcher(url, seed) for seed in range(CLIENTS)]
        for tab in self.tabs:
            tab.start()
        await self.all(lambda tab: tab.state == "live", "mounted")
        for tab in self.tabs:
            tab.send("gate")
        await self.all(lambda tab: tab.heard == ["at gate"], "at work")

    async def all(self, condition: Callable[[Watcher], object], what: str) -> None:
        """Wait until something is true of each client."""
        await eventually(
            lambda: all(map(condition, self.tabs)), lambda: f"{what}: {[tab.notes for tab in self.tabs]}"
        )

    async def told(self, process: Server) -> list[Watcher]:
        """Wait until the clients of a process that leaves are told so, and return these."""
        await process.logs("draining: ")
        (count,) = re.findall(r"draining: (\d+) views", process.log)
        await eventually(
            lambda: sum(tab.count("drain") for tab in self.tabs) == int(count), f"{count} times `drain`"
        )
        return [tab for tab in self.tabs if tab.count("drain")]

    async def back(self, setup: Setup, listener: socket.socket) -> None:
        """Nobody is mounted before there is a process again, and then everybody is."""
        assert all(tab.count("mounted") == 1 for tab in self.tabs)
        async with self.serve(setup, "b", listener=listener) as process:
            await self.all(lambda tab: tab.count("mounted") == 2, "back")
            await self.exact()
            await self.end(process)

    async def exact(self) -> None:
        """Send one more message: each state holds both once, and none was lost."""
        for tab in self.tabs:
            tab.send("end")
        await self.all(lambda tab: tab.heard[-1] == "gate end", "exact")
        assert not any({"lost", "failed"} & set(tab.told) for tab in self.tabs)

    async def end(self, process: Server) -> None:
        """Close the clients, and let the last process leave."""
        for tab in self.tabs:
            await tab.close()
        process.signal()
        await process.exited()


@asynccontextmanager
async def two_backends(name: str, setup: Setup, folder: Path) -> AsyncIterator[tuple[Deploy, Server]]:
    """Two servers behind a proxy, the first of which is told to leave; in the end, so does the second."""
    deploy = Deploy(folder)
    async with deploy.serve(setup, "a") as a, deploy.serve(setup, "b") as b:
        async with PROXIES[name]([a.port, b.port], folder) as proxy:
            await deploy.begin(proxy.url("/busy"))
            a.signal()
            yield deploy, a
            await deploy.exact()
            await deploy.end(b)


@servers
@proxied
async def test_the_next_socket_is_open_before_the_old_one_is_closed(
    name: str, setup: Setup, tmp_path: Path
) -> None:
    """Of two backends one leaves: its clients open at the other, and mount there when the final token is there."""
    async with two_backends(name, setup, tmp_path) as (deploy, a):
        moved = await deploy.told(a)
        assert 0 < len(moved) < CLIENTS
        await deploy.all(lambda tab: tab not in moved or tab.count("open") > 1, "open ahead")
        deploy.gate.touch()
        await a.exited()
        await deploy.all(
            lambda tab: tab not in moved or (tab.count("mounted") == 2 and tab.count("closed")), "moved"
        )
        for tab in moved:
            new = tab.notes[tab.at("mounted", 1) :]
            number = next(number for what, number, _ in new if what == "open")
            order = [
                tab.at("drain", 1), tab.at("open", number), tab.at("token final", 1),
                tab.at("mount", number), tab.at("mounted", number),
            ]  # fmt: skip
            assert order == sorted(order)
            assert tab.at("open", number) < tab.at("closed", 1)
            assert tab.notes[tab.at("closed", 1)][2] == 1012
        assert f"{len(moved)} of {len(moved)} synced" in a.log


@proxied
async def test_a_parent_that_keeps_its_door_open(name: str, tmp_path: Path) -> None:
    """The `hypercorn` command's parent lets connections wait at its door until it leaves: a gap, and nothing lost."""
    async with two_backends(name, HYPERCORN, tmp_path) as (deploy, a):
        moved = await deploy.told(a)
        assert moved
        deploy.gate.touch()
        await a.exited()
        await deploy.all(lambda tab: tab not in moved or tab.count("mounted") > 1, "back")


@proxied
async def test_the_old_connection_disturbs_nothing(name: str, tmp_path: Path) -> None:
    """Frames and the end of the old connection that come after the new one is mounted change nothing on it."""
    async with two_backends(name, UVICORN, tmp_path) as (deploy, a):
        moved = await deploy.told(a)
        assert moved
        deploy.gate.touch()
        await a.exited()
        await deploy.all(lambda tab: tab not in moved or tab.count("mounted") == 2, "moved")
        for tab in moved:
            old, late = 1, tab.machine.outbox.received
            assert tab.machine.conn != old
            for frame in (
                frames.Token(late + 1, "stale"), frames.Finished(late), frames.Failed(late + 1),
                frames.Drain("late", 9, 9), None,
            ):  # fmt: skip
                assert tab.machine.receive(old, frame) == []
            tab.handle(stimuli.End(old, 1011))
            tab.handle(stimuli.Deadline(old))
            assert tab.state == "live"
        await deploy.exact()
        assert all(tab.count("mounted") == 2 for tab in moved)


@proxied
async def test_a_lone_backend_refuses_until_the_next_is_there(name: str, tmp_path: Path) -> None:
    """While the only backend drains, new sockets get 503; the clients try again, and are back when a process is."""
    deploy = Deploy(tmp_path)
    with listening() as listener:
        port = listener.getsockname()[1]
        async with PROXIES[name]([port], tmp_path) as proxy:
            async with deploy.serve(UVICORN, "a", listener=listener) as a:
                await deploy.begin(proxy.url("/busy"))
                a.signal()
                await deploy.all(lambda tab: tab.count("refused"), "refused")
                answers = {
                    status for tab in deploy.tabs for what, _, status in tab.notes if what == "refused"
                }
                assert a.alive and answers == {503}
                deploy.gate.touch()
                await a.exited()
                assert f"{CLIENTS} of {CLIENTS} synced" in a.log
            await deploy.back(UVICORN, listener)


@servers
async def test_one_server_alone_is_a_plain_reconnect(setup: Setup, tmp_path: Path) -> None:
    """Without a proxy and without a second server the old connection ends first; nothing is lost all the same."""
    deploy = Deploy(tmp_path)
    with listening() as listener:
        async with deploy.serve(setup, "a", listener=listener) as a:
            await deploy.begin(a.url("/busy"))
            a.signal()
            await deploy.told(a)
            deploy.gate.touch()
            await a.exited()
        await deploy.all(lambda tab: tab.count("closed"), "closed")
        await deploy.back(setup, listener)
