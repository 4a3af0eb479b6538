"""Handlers that tell each other's views something, in every order: no hand-over of one holds up another."""

from __future__ import annotations

import pytest

from quart_stash.core.connection import State

from . import server
from .explore import ROOM, explore
from .oracle import Broken
from .server import End

LIMIT = 5_000
"""States: not all that there are. The deadlock is within the first thousands; `explore --deep` goes on."""


def test_no_room_deadlocks() -> None:
    """In the first orders in which two views of a room are handed over and tell each other things, each drain ends."""
    assert explore(ROOM, LIMIT).ends


def test_a_deadlock_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were everybody held who sends to a view whose final token is out, as was once so, the explorer would say it."""

    def holds(view: End, caller: End) -> bool:
        return view.machine.state is State.HANDED

    monkeypatch.setattr(server, "holds", holds)
    with pytest.raises(Broken, match=r"a drain does not end|rests in|counts 0 messages of 1"):
        explore(ROOM, LIMIT)
