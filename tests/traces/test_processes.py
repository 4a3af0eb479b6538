"""Traces of docs/traces.md on real servers, with real signals."""

from __future__ import annotations

import signal
import socket
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from tests.client import Client, NotMounted
from tests.live.pipe import SECRET
from tests.servers.harness import HYPERCORN, UVICORN, Server, Setup, eventually, listening, serving

both = pytest.mark.parametrize("setup", [HYPERCORN, UVICORN], ids=lambda setup: setup.name)


@asynccontextmanager
async def process(
    setup: Setup, folder: Path, name: str, listener: socket.socket, **environment: str
) -> AsyncIterator[Server]:
    """One process of several that serve the same address, one after the other."""
    environment["QUART_SECRET_KEY"] = SECRET
    async with serving(
        setup, folder / name, listener=listener, app="traces", environment=environment
    ) as server:
        yield server


@both
async def test_trace_01_a_kill_between_a_row_and_its_token(setup: Setup, tmp_path: Path) -> None:
    """A fresh view whose first message is handled twice, since a SIGKILL came before its token, writes one row."""
    path = tmp_path / "database"
    with closing(sqlite3.connect(path)) as database, listening() as listener:
        database.executescript("CREATE TABLE tries (key); CREATE TABLE rows (key UNIQUE)")
        async with process(setup, tmp_path, "old", listener, APP_DATABASE=str(path)) as old:
            one = Client(old.url("/rows"))
            await one.connect()
            await one.send("order")
            (view,) = await one.answered(1)
            old.signal_group(signal.SIGKILL)
            assert await one.closed() == 1006
            await eventually(lambda: not old.pids, "its end")
        assert (one.seen("token"), one.received) == ([], 0), "it has the token of its mount, and no later one"
        async with process(setup, tmp_path, "new", listener, APP_DATABASE=str(path)):
            await one.connect()
            await one.until(lambda: one.received == 1)
            await one.abort()
        assert one.mounted["status"] == "restored"
        assert one.got == [view, view]
        assert database.execute("SELECT key FROM tries").fetchall() == [(f"{view}:1",)] * 2
        assert database.execute("SELECT key FROM rows").fetchall() == [(f"{view}:1",)]


@both
async def test_trace_11_another_decorator_raises(setup: Setup, tmp_path: Path) -> None:
    """Quart closes such a connection with 1000, without `finished`; the view is restored once nothing raises any more."""
    with listening() as listener:
        async with process(setup, tmp_path, "old", listener) as old:
            one = Client(old.url("/decorated"))
            await one.connect()
            await one.send("a")
            await one.until(lambda: one.received == 1)
            await one.abort()
            await one.send("b")
        async with process(setup, tmp_path, "strict", listener, APP_STRICT="1") as strict:
            with pytest.raises(NotMounted) as refused:
                await one.connect()
            assert (refused.value.code, one.seen("finished")) == (1000, [])
            await strict.logs("PermissionError: not now")
        async with process(setup, tmp_path, "new", listener):
            await one.connect()
            await one.until(lambda: one.received == 2)
            await one.abort()
    assert one.mounted["status"] == "restored"
    assert one.got == ["a", "a b"]
