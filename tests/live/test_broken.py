"""A connection whose every method raises: nothing of it makes a drain, a rebalance, a sweep or a shutdown fail."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from quart_stash.view import View

from .pipe import Pipe, Process, in_virtual_time

ERRORS = [
    OSError("gone"),
    RuntimeError("closed"),
    AttributeError("'NoneType' object has no attribute '_size'"),
]


class Broken(Pipe):
    """A mounted connection that breaks: sending raises, and so does whatever is asked of its transport."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.transport = self
        self.error = error

    def abort(self) -> None:
        raise self.error

    def get_write_buffer_size(self) -> int:
        raise self.error

    def break_off(self) -> None:
        self.broken = self.error


async def nothing(view: View[Any]) -> None:
    async for _ in view:
        pass


async def pair(error: Exception, **config: Any) -> tuple[Process, Broken, Pipe]:
    """Return a process with two mounted views, the first of which is on a connection that has broken."""
    process = Process(nothing, **config)
    broken = Broken(error)
    process.open(broken)
    await broken.mount()
    healthy = await process.mount()
    broken.break_off()
    return process, broken, healthy


async def over(broken: Broken) -> None:
    """The server notices the end, and the application's part ends, with whatever error."""
    broken.disconnect()
    assert broken.task is not None
    await asyncio.wait([broken.task])
    if broken.task.exception() is not None:
        assert broken.task.exception() is broken.error


@pytest.mark.parametrize("error", ERRORS, ids=repr)
@in_virtual_time
async def test_a_drain(error: Exception) -> None:
    """The drain ends, says so, and the other view is handed over."""
    process, broken, healthy = await pair(error)
    drain = process.drain()
    await healthy.answer_drain(sent=0)
    await over(broken)
    await drain
    assert process.outcomes["synced"] == 1
    assert [kind for kind, _ in process.notes][-1] == "drain_finished"
    assert asyncio.get_running_loop().time() <= 10


@pytest.mark.parametrize("error", ERRORS, ids=repr)
@in_virtual_time
async def test_a_drain_that_nobody_answers(error: Exception) -> None:
    """It ends in time where the broken connection is never said to be over, and is to be closed and cut."""
    process, _, healthy = await pair(error)
    drain = process.drain()
    await healthy.answer_drain(sent=0)
    await drain
    assert process.outcomes["synced"] == 1
    assert asyncio.get_running_loop().time() <= 10.5


@pytest.mark.parametrize("error", ERRORS, ids=repr)
@in_virtual_time
async def test_a_rebalance(error: Exception) -> None:
    """The rebalance returns, and the other view is handed over."""
    process, broken, healthy = await pair(error)
    rebalance = asyncio.create_task(process.host.gateway.rebalance(1))
    await healthy.answer_drain(sent=0)
    await over(broken)
    assert (await rebalance)["synced"] == 1


@pytest.mark.parametrize("error", ERRORS, ids=repr)
@in_virtual_time
async def test_a_sweep(error: Exception) -> None:
    """A silent view on a broken connection is ended, and the sweep goes on for the others."""
    process, broken, healthy = await pair(error, silence_timeout=60)
    await healthy.until(lambda: healthy.close_code)
    assert healthy.close_code == 4408
    await over(broken)
    await healthy.ended()
    assert process.ends == ["cancelled", "cancelled"]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
@in_virtual_time
async def test_a_refusal(error: Exception) -> None:
    """A handshake that can't even be refused, since its client is gone, raises nothing."""
    process = Process(nothing)
    await process.drain()
    broken = Broken(error)
    broken.break_off()
    process.open(broken)
    await broken.ended()


@in_virtual_time
async def test_a_drain_that_fails_ends_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Should a drain itself fail, that is logged, and whoever waits for it (the lifespan, the signal) goes on."""
    process = Process(nothing)

    def views() -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(process.host.gateway.registry, "views", views)
    with caplog.at_level(logging.ERROR, "quart_stash"):
        await process.drain()
    assert "the drain failed" in caplog.text


@pytest.mark.parametrize("code", [1012, 1008])
@in_virtual_time
async def test_a_server_that_refuses_the_code(code: int) -> None:
    """A server that takes no such close code, as Daphne does, closes with 1000, to which clients come back as well."""

    class Picky(Pipe):
        async def send(self, event: Any) -> None:
            if event["type"] == "websocket.close" and event["code"] != 1000:
                raise ValueError(f"invalid close code {event['code']}")
            await super().send(event)

    async def closing(view: View[Any]) -> None:
        async for _ in view:
            await view.close(code)

    process = Process(closing)
    picky = Picky()
    process.open(picky)
    await picky.mount()
    if code == 1012:
        drain = process.drain()
        await picky.answer_drain(sent=0)
        await drain
    else:
        picky.message("close")
        await picky.closed()
    assert picky.close_code == 1000
