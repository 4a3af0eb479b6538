"""Keepalive pings, the server's and the client's, while a handler is slow and its inbox is full."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.client import Client
from tests.servers.harness import HYPERCORN, UVICORN, Setup, serving
from tests.servers.raw import RawPeer

GUNICORN_ASGI = Setup(
    "gunicorn-asgi",
    ("-m", "gunicorn", "{app}:app", "-k", "asgi", "-b", "fd://{fd}", "--no-control-socket"),
    "gunicorn's worker",
)
IMPATIENT = ("--ws-ping-interval", "0.5", "--ws-ping-timeout", "1")
QUEUE, MESSAGES = 4, 40

pinging = pytest.mark.parametrize(
    ("setup", "options"),
    [
        pytest.param(UVICORN, (*IMPATIENT, "--ws", name), id=f"uvicorn-{name}")
        for name in ("websockets-sansio", "wsproto", "websockets")
    ]
    + [
        pytest.param(HYPERCORN, ("--websocket-ping-interval", "1"), id="hypercorn"),
        pytest.param(GUNICORN_ASGI, (), id="gunicorn-asgi"),
    ],
)


@pinging
async def test_a_slow_handler_behind_a_full_inbox(
    setup: Setup, options: tuple[str, ...], tmp_path: Path
) -> None:
    """The connection outlives the server's pings and the client's own; each message is handled, once and in order."""
    gate = tmp_path / "gate"
    environment = {"APP_GATE": str(gate), "QUART_STASH_MAX_QUEUE": str(QUEUE)}
    async with serving(setup, tmp_path / "log", options=options, environment=environment) as server:
        one = Client(server.url("/busy"))
        server.peers.push_async_callback(one.abort)
        await one.connect()
        for number in range(MESSAGES):
            await one.send("gate" if number == 0 else str(number))
        await one.until(lambda: one.got)
        await one.ping()
        if setup is UVICORN:
            for _ in range(
                2
            ):  # one after the other, so the server has had the time to cut the other one, too
                silent = RawPeer(server.port)
                server.peers.callback(silent.close)
                await silent.connect()
                assert " 101 " in await silent.ask("/items/1")
                await silent.ended()
        await one.ping()
        assert one.close_code is None and one.received == 0
        gate.touch()
        mounts = 1
        while one.received < MESSAGES:
            await one.until(lambda: one.close_code is not None or one.received == MESSAGES)
            if one.received < MESSAGES:
                assert one.close_code == 1012
                await one.connect()
                mounts += 1
        counted = [word for word in one.got[-1].split() if word != "again"]
        assert counted == ["gate", *(str(number) for number in range(1, MESSAGES))]
        assert mounts > 1
        assert not one.seen("failed")
        assert len(one.seen("drain")) == mounts - 1
        assert server.trouble() == []
