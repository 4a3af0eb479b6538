"""The first line of the log: only ways that will work; where none does, what to do. And what a client sends, in the log."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
from typing import Any

import pytest

from quart_stash.config import StashConfig
from quart_stash.live import gateway as gateways
from quart_stash.live.gateway import Gateway
from quart_stash.live.server import ServerInfo
from quart_stash.live.shutdown import SignalChain

from .pipe import Pipe, Process, in_virtual_time, settle
from .test_broken import nothing


async def request(gateway: Gateway) -> None:
    """Let a first scope come."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        pass

    async def none(*_: Any) -> Any:
        raise NotImplementedError

    await gateway(app, {"type": "http", "path": "/"}, none, none)


def introduced(
    server: ServerInfo, monkeypatch: pytest.MonkeyPatch, *, worker: bool = False, signals: bool = True
) -> Gateway:
    """Return a gateway under a server."""
    monkeypatch.setattr(gateways, "server_around", lambda: server)
    monkeypatch.setattr(SignalChain, "listen", lambda listener: signals)
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: object() if worker else None)
    return Gateway(StashConfig(), notify=lambda *_, **__: None)


@in_virtual_time
async def test_hypercorn_whose_context_is_not_found(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """In a worker of Hypercorn without its context no way is claimed, and an error at the first scope says what to do."""
    gateway = introduced(ServerInfo("hypercorn"), monkeypatch, worker=True)
    caplog.set_level(logging.INFO, "quart_stash")
    gateway.arrive()
    await asyncio.sleep(60)
    assert caplog.messages == []
    await request(gateway)
    await request(gateway)
    assert caplog.messages == [
        "shutdown under hypercorn is noticed by nothing but lifespan (await drain() yourself); drain within 10.0 s",
        (
            "Hypercorn's worker context was not found, so its workers don't notice a shutdown: views are cut, and the "
            "process may never leave. Serve with `hypercorn -w 0`, or with hypercorn.asyncio.serve(app, config, "
            "shutdown_trigger=stash.shutdown_trigger), or await stash.drain() before you stop it"
        ),
    ]
    assert [record.levelname for record in caplog.records] == ["INFO", "ERROR"]


@in_virtual_time
async def test_hypercorn_without_workers(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a parent the signal comes to this process, so the chain is a way, context or not."""
    gateway = introduced(ServerInfo("hypercorn"), monkeypatch)
    caplog.set_level(logging.INFO, "quart_stash")
    await request(gateway)
    assert caplog.messages == [
        "shutdown under hypercorn is noticed by a chained SIGTERM handler; drain within 10.0 s"
    ]


@in_virtual_time
async def test_granian_whose_signal_is_not_found(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Under a Granian that can't be held back no way is claimed, and a warning says to drain before the stop."""
    gateway = introduced(ServerInfo("granian"), monkeypatch)
    caplog.set_level(logging.INFO, "quart_stash")
    gateway.arrive()
    await settle()
    assert caplog.messages == [
        "shutdown under granian is noticed by nothing but lifespan (await drain() yourself); drain within 10.0 s",
        (
            "Granian's signal was not found, and it cuts its connections as soon as it is told to stop: "
            "await stash.drain() before you stop it"
        ),
    ]
    assert caplog.records[1].levelname == "WARNING"


@in_virtual_time
async def test_a_path_that_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    """A path of 45 KB with lines of its own in it is one short line of the log."""
    process = Process(nothing)
    caplog.set_level(logging.INFO, "quart_stash")
    path = "/room\nERROR all is lost" + "x" * 45_000
    pipe = process.open(Pipe(path, headers=[(b"host", b"example.com"), (b"origin", b"https://evil.example")]))
    await pipe.ended()
    line = next(message for message in caplog.messages if "was refused" in message)
    assert r"'/room\nERROR all is lostxxx" in line
    assert "\n" not in line
    assert len(line) < 500


@in_virtual_time
async def test_a_view_that_is_named_by_its_path(caplog: pytest.LogCaptureFixture) -> None:
    """The name of a view, which may be the path of its socket, is quoted and bounded where a token is rejected."""
    process = Process(nothing)
    process._type = type(process._type)("/room\n" + "x" * 45_000, process._type.state_type)
    caplog.set_level(logging.INFO, "quart_stash")
    pipe = process.open()
    await pipe.mount(token="nonsense")
    line = next(message for message in caplog.messages if message.startswith("a token for "))
    assert r"'/room\nxxx" in line
    assert "\n" not in line
    assert len(line) < 400
    pipe.disconnect()
    await pipe.ended()
