"""The signals: sent by the application with what is documented, to receivers of both kinds, and never in the way."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from quart import Quart

from quart_stash import QuartStash, TokenError, View, signals

from .live.pipe import SECRET, in_virtual_time, settle
from .test_extension import connect, end, make_app


def counting(app: Quart, stash: QuartStash) -> None:
    """Add a view that waits for messages."""

    @app.websocket("/count")
    @stash.view(dict[str, int])
    async def count(view: View[dict[str, int]]) -> None:
        async for message in view:
            view.state["count"] = message.number


class Receivers:
    """Receives every signal of one application, synchronously and asynchronously."""

    def __init__(self, app: Quart) -> None:
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.got_later: list[str] = []
        self._keep: list[Any] = []
        for name in signals.__all__:
            self._connect(name, app)

    def _connect(self, name: str, app: Quart) -> None:
        def receive(sender: Quart, **data: Any) -> None:
            assert sender is app
            self.got.append((name, data))

        async def receive_later(sender: Quart, **data: Any) -> None:
            await asyncio.sleep(0)
            self.got_later.append(name)

        self._keep += [receive, receive_later]  # signals hold their receivers weakly
        getattr(signals, name).connect(receive, app)
        getattr(signals, name).connect(receive_later, app)


@in_virtual_time
async def test_every_signal() -> None:
    """From the mount to the end of the drain each signal comes with its documented data, also to asynchronous receivers."""
    app, other = make_app(), make_app()
    stash, other_stash = QuartStash(app), QuartStash(other)
    counting(app, stash)
    counting(other, other_stash)
    receivers, others = Receivers(app), Receivers(other)
    fresh = connect(app, "/count")
    token = (await fresh.mount())["token"]
    await settle()
    (first,) = receivers.got
    view_id = first[1]["id"]
    assert first == ("view_mounted", {"view": "count", "id": view_id, "status": "fresh"})
    await end(fresh)
    receivers.got.clear()
    restored, rejected = connect(app, "/count"), connect(app, "/count")
    await restored.mount(token=token)
    await rejected.mount(token="nonsense")
    await settle()
    (mounted, again, refused, instead) = receivers.got
    assert mounted == ("view_mounted", {"view": "count", "id": view_id, "status": "restored"})
    assert again == ("view_restored", {"view": "count", "id": view_id, "received": 0})
    error = refused[1].pop("error")
    assert isinstance(error, TokenError)
    assert refused == ("token_rejected", {"view": "count", "reason": "refused"})
    assert instead[1]["status"] == "rejected"
    receivers.got.clear()
    drain = asyncio.create_task(stash.drain())
    await restored.answer_drain(sent=0)
    await end(rejected)
    await drain
    started, *drained, finished = receivers.got
    assert started == ("drain_started", {"views": 2, "timeout": 10.0})
    assert ("view_drained", {"view": "count", "id": view_id, "outcome": "synced"}) in drained
    assert {data["outcome"] for _, data in drained} == {"synced", "gone"}
    assert finished[0] == "drain_finished"
    assert finished[1]["outcomes"] == {"synced": 1, "gone": 1}
    assert finished[1]["seconds"] >= 0
    await settle()
    assert set(receivers.got_later) == set(signals.__all__)
    assert others.got == []


@in_virtual_time
async def test_a_receiver_that_raises_is_not_in_the_way(caplog: pytest.LogCaptureFixture) -> None:
    """A receiver's exception is logged; the view mounts, drains and ends all the same."""
    app = make_app()
    stash = QuartStash(app)
    counting(app, stash)

    def broken(sender: Quart, **data: Any) -> None:
        raise ValueError("a broken receiver")

    for name in signals.__all__:
        getattr(signals, name).connect(broken, app)
    with caplog.at_level(logging.ERROR, "quart_stash"):
        pipe = connect(app, "/count")
        await pipe.mount()
        drain = asyncio.create_task(stash.drain())
        await pipe.answer_drain(sent=0)
        await drain
    assert stash.stats()["synced"] == 1
    assert caplog.text.count("ValueError: a broken receiver") == 4
    assert SECRET not in caplog.text
