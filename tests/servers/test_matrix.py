"""SIGTERM on every server and worker set-up, with many views connected, and the restart after it."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.client import Client
from tests.servers.harness import SETUPS, Server, Setup, eventually, listening, serving

VIEWS = 50


@dataclass
class Run:
    """What one deploy on one set-up was like.

    Attributes:
        setup: how it was served.
        clients: as they are after the new process has answered them.
        codes: how the old process closed their connections.
        drained: the control frames that each got from the old process.
        log: of the old process.
        trouble: the lines in it that should not be there.
        status: the old process's exit status.
        bare_status: the exit status of a bare application on the same server.
        remounted: the `mounted` frames of the new process.
    """

    setup: Setup
    clients: list[Client]
    codes: Counter[int] = field(default_factory=Counter)
    drained: list[list[str]] = field(default_factory=list)
    log: str = ""
    trouble: list[str] = field(default_factory=list)
    status: int | None = None
    bare_status: int | None = None
    remounted: list[dict[str, object]] = field(default_factory=list)


@pytest.fixture(scope="module", params=SETUPS, ids=lambda setup: setup.name)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One deploy: fifty views, SIGTERM, a new process, and everybody goes on."""
    return asyncio.run(_deploy(request.param, tmp_path_factory.mktemp(request.param.name)))


async def _deploy(setup: Setup, folder: Path) -> Run:
    result = Run(setup, [Client("", at_drain=["c"]) for _ in range(VIEWS)])
    try:
        async with asyncio.TaskGroup() as group:
            bare = group.create_task(_bare_status(setup, folder / "bare.log"))
            with listening() as listener:
                await _old(result, listener, folder / "old.log")
                await _new(result, listener, folder / "new.log")
    finally:
        await asyncio.gather(*(client.abort() for client in result.clients))
    result.bare_status = bare.result()
    return result


async def _old(run: Run, listener: socket.socket, log: Path) -> None:
    """The process that is told to leave."""
    async with serving(run.setup, log, listener=listener) as server:
        await _talk(run.clients, server)
        if run.setup.by_hand:
            assert (await server.get("/drain", "POST"))[2] == "drained"
        server.signal(signal.SIGTERM)
        run.codes = Counter(await asyncio.gather(*(client.closed() for client in run.clients)))
        run.drained = [[event["type"] for event in client.events] for client in run.clients]
        run.status = await server.exited()
        run.log, run.trouble = server.log, server.trouble()


async def _new(run: Run, listener: socket.socket, log: Path) -> None:
    """The process that comes after it; in between everybody says something."""
    for client in run.clients:
        await client.send("d")
    async with serving(run.setup, log, listener=listener):
        await asyncio.gather(*(client.connect() for client in run.clients))
        await asyncio.gather(*(_answered(client, 4) for client in run.clients))
        run.remounted = [client.mounted for client in run.clients]


async def _talk(clients: list[Client], server: Server) -> None:
    """Connect everybody and let each send two messages."""
    for n, client in enumerate(clients):
        client.url = server.url(f"/items/{n}")
    await asyncio.gather(*(client.connect() for client in clients))
    for client in clients:
        await client.send("a")
        await client.send("b")
    await asyncio.gather(*(client.answered(2) for client in clients))


async def _answered(client: Client, number: int) -> None:
    await client.until(lambda: client.got and json.loads(client.got[-1])["number"] == number)


async def _bare_status(setup: Setup, log: Path) -> int:
    async with serving(setup, log, app="bare") as server:
        server.signal(signal.SIGTERM)
        return await server.exited()


def test_every_view_is_handed_back(run: Run) -> None:
    """Every client hears `drain`, gets its final token and is closed with 1012."""
    assert run.codes == {1012: VIEWS}
    for events in run.drained:
        assert events.count("drain") == 1
        assert events.index("drain") < len(events) - 1 and events[-1] == "token"
    finals = [[event for event in client.seen("token") if event.get("final")] for client in run.clients]
    assert all(len(tokens) == 1 and tokens[0]["received"] == 3 for tokens in finals)


def test_every_outcome_is_counted(run: Run) -> None:
    """The summary lines, one for each worker, count every view as synced."""
    lines = re.findall(r"drained: (\d+) of (\d+) synced, (\d+) timed out(.*), in [\d.]+ s", run.log)
    assert len(lines) == run.setup.workers
    assert sum(int(synced) for synced, *_ in lines) == VIEWS
    assert sum(int(total) for _, total, *_ in lines) == VIEWS
    assert all(late == "0" and others == "" for _, _, late, others in lines)


def test_the_process_leaves_as_the_bare_server_does(run: Run) -> None:
    """The exit status is that of a bare application on the same server, and no process is left behind."""
    assert run.status == run.bare_status


def test_the_log_is_clean(run: Run) -> None:
    """The old process logs no traceback and no error."""
    assert run.trouble == []


def test_the_start_up_line_names_the_way(run: Run) -> None:
    """Each worker says at its start under which server it is, and how it will notice a shutdown."""
    lines = [line for line in run.log.splitlines() if " is noticed by " in line]
    assert len(lines) == run.setup.workers
    assert all(run.setup.way in line for line in lines)
    assert all(f"shutdown under {run.setup.served_by} is noticed" in line for line in lines)


def test_everybody_goes_on_with_the_new_process(run: Run) -> None:
    """The new process restores every view from its token, and every message has counted exactly once."""
    assert all(mounted["status"] == "restored" and mounted["received"] == 3 for mounted in run.remounted)
    for client in run.clients:
        answer = json.loads(client.got[-1])
        assert answer == {"items": ["a", "b", "c", "d"], "number": 4, "replayed": True}
        assert [json.loads(text)["number"] for text in client.got] == [1, 2, 3, 4]


async def test_the_library_shows_its_log_where_nobody_configured_one(tmp_path: Path) -> None:
    """An application that sets up no logging still sees the start-up line and the summary."""
    async with serving(SETUPS[0], tmp_path / "log", environment={"APP_LOGGING": "default"}) as server:
        server.signal()
        await server.exited()
        await eventually(lambda: "drained: 0 of 0 synced" in server.log, "the summary")
