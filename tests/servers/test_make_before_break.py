"""Make before break, through HAProxy and nginx: the next connection is open before the old one is closed."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

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

    def __init__(self, socket: Socket, number: int, notes: list[tuple[str, int, Any]]) -> None:
        super().__init__(socket._connection)
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
        number = self._dialled
        try:
            return Watched(await super()._open(), number, self.notes)
        except (ConnectionEnded, OSError):
            self.notes.append(("refused", number, None))
            raise

    def at(self, what: str, number: int) -> int:
        """Return when something happened to a connection, as a place in the notes."""
        return next(place for place, note in enumerate(self.notes) if note[:2] == (what, number))

    def count(self, what: str) -> int:
        """Return how often something happened."""
        return sum(note[0] == what for note in self.notes)


async def busy(url: str) -> list[Watcher]:
    """Clients whose handlers each work on a message for a second."""
    tabs = [Watcher(url, seed) for seed in range(CLIENTS)]
    for tab in tabs:
        tab.start()
    await eventually(lambda: all(tab.state == "live" for tab in tabs), "all are mounted")
    for tab in tabs:
        tab.send("slow")
    await eventually(lambda: all(tab.heard == ["at slow"] for tab in tabs), "all are at work")
    return tabs


async def exact(tabs: Sequence[Watcher], *words: str, gap: bool = False) -> None:
    """Send one more message; the state holds each message once, none was lost, and unless there may be a gap, none is seen."""
    for tab in tabs:
        tab.send("end")
    wanted = " ".join([*words, "end"])
    await eventually(
        lambda: all(tab.heard[-1] == wanted for tab in tabs), f"{wanted!r}: {[tab.heard for tab in tabs]}"
    )
    bad = {"lost", "failed"} | (set() if gap else {"disconnected"})
    assert not any(bad & set(tab.told) for tab in tabs)


async def ended(tabs: Sequence[Watcher], *processes: Server) -> None:
    for tab in tabs:
        await tab.close()
    for process in processes:
        process.signal()
        await process.exited()


@servers
@proxied
async def test_the_next_socket_is_open_before_the_old_one_is_closed(
    name: str, setup: Setup, tmp_path: Path
) -> None:
    """Of two backends one leaves: its clients open at the other, mount when the final token is there, and see no gap."""
    async with serving(setup, tmp_path / "a") as a, serving(setup, tmp_path / "b") as b:
        async with PROXIES[name]([a.port, b.port], tmp_path) as proxy:
            tabs = await busy(proxy.url("/busy"))
            a.signal()
            await a.exited()
            moved = [tab for tab in tabs if tab.count("drain")]
            assert moved and len(moved) < CLIENTS
            await eventually(
                lambda: all(tab.count("mounted") == 2 and tab.count("closed") for tab in moved), "the move"
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
            await exact(tabs, "slow")
            await ended(tabs, b)


@proxied
async def test_a_lone_backend_refuses_until_the_next_is_there(name: str, tmp_path: Path) -> None:
    """While the only backend drains, new sockets get 503; the clients try again, and are back when a process is."""
    with listening() as listener:
        port = listener.getsockname()[1]
        async with PROXIES[name]([port], tmp_path) as proxy:
            async with serving(UVICORN, tmp_path / "a", listener=listener) as a:
                tabs = await busy(proxy.url("/busy"))
                a.signal()
                await eventually(lambda: all(tab.count("refused") for tab in tabs), "each is refused")
                await a.exited()
                assert f"{CLIENTS} of {CLIENTS} synced" in a.log
            assert all(tab.count("mounted") == 1 for tab in tabs)
            async with serving(UVICORN, tmp_path / "b", listener=listener) as b:
                await eventually(lambda: all(tab.count("mounted") == 2 for tab in tabs), "all are back")
                await exact(tabs, "slow", gap=True)
                await ended(tabs, b)


@proxied
async def test_a_parent_that_keeps_its_door_open(name: str, tmp_path: Path) -> None:
    """The `hypercorn` command's parent lets connections wait at its door until it leaves: a gap, and nothing lost."""
    async with serving(HYPERCORN, tmp_path / "a") as a, serving(HYPERCORN, tmp_path / "b") as b:
        async with PROXIES[name]([a.port, b.port], tmp_path) as proxy:
            tabs = await busy(proxy.url("/busy"))
            a.signal()
            await a.exited()
            await eventually(lambda: all(tab.state == "live" for tab in tabs), "all are back")
            await exact(tabs, "slow", gap=True)
            await ended(tabs, b)


@servers
async def test_one_server_alone_is_a_plain_reconnect(setup: Setup, tmp_path: Path) -> None:
    """Without a proxy and without a second server the old connection ends first; nothing is lost all the same."""
    with listening() as listener:
        async with serving(setup, tmp_path / "a", listener=listener) as a:
            tabs = await busy(a.url("/busy"))
            a.signal()
            await a.exited()
        await eventually(lambda: all(tab.count("closed") for tab in tabs), "every old connection has ended")
        assert all(tab.count("mounted") == 1 for tab in tabs)
        async with serving(setup, tmp_path / "b", listener=listener) as b:
            await eventually(lambda: all(tab.count("mounted") == 2 for tab in tabs), "all are back")
            await exact(tabs, "slow", gap=True)
            await ended(tabs, b)


@proxied
async def test_the_old_connection_disturbs_nothing(name: str, tmp_path: Path) -> None:
    """Frames and the end of the old connection that come after the new one is mounted change nothing on it."""
    async with serving(UVICORN, tmp_path / "a") as a, serving(UVICORN, tmp_path / "b") as b:
        async with PROXIES[name]([a.port, b.port], tmp_path) as proxy:
            tabs = await busy(proxy.url("/busy"))
            a.signal()
            await a.exited()
            moved = [tab for tab in tabs if tab.count("drain")]
            await eventually(lambda: all(tab.count("mounted") == 2 for tab in moved), "the move")
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
            await exact(tabs, "slow")
            assert all(tab.count("mounted") == 2 for tab in moved)
            await ended(tabs, b)
