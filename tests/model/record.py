"""Records what the client's machine was given, and what it did, in the words of `js/src/machine.js`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec

from quart_stash.core import stimuli as s
from quart_stash.core.client import Client

__all__ = ["Recorder"]


class Recorder:
    """Each distinct transition, once: where the machine stood, what happened, what was to be done, where it stands.

    Attributes:
        lines: the transitions, as JSON.
    """

    def __init__(self) -> None:
        self.lines: set[str] = set()

    def __call__(self, client: Client, event: Any, apply: Callable[[], list[s.Effect]]) -> list[s.Effect]:
        """Record what `apply` does."""
        before = standing(client)
        effects = apply()
        transition = {
            "before": before,
            "event": _heard(*event) if isinstance(event, tuple) else msgspec.to_builtins(event),
            "effects": [_effect(effect) for effect in effects],
            "after": standing(client),
        }
        self.lines.add(json.dumps(transition))
        return effects


def standing(client: Client) -> dict[str, Any]:
    """Return all that a machine knows."""
    return {
        "state": client.state.value,
        "conn": client.conn,
        "next": client.next,
        "wired": client.wired,
        "taken": client._taken,
        "delay": client.delay,
        "refused": client._refused,
        "deferred": client._deferred,
        "token": client.token,
        "fork": client.fork,
        "copied": client._copied,
        "received": client.outbox.received,
        "outbox": [[entry.data, entry.secret, entry.strikes] for entry in client.outbox.after()],
    }


def _heard(conn: int, frame: s.Down | None) -> dict[str, Any]:
    return {"do": "receive", "conn": conn, "frame": None if frame is None else _frame(frame)}


def _frame(frame: s.Up | s.Down) -> dict[str, Any]:
    return {"message": frame} if isinstance(frame, str) else dict(msgspec.to_builtins(frame))


def _effect(effect: s.Effect) -> dict[str, Any]:
    match effect:
        case s.Frame(conn, frame):
            return {"do": "frame", "conn": conn, "frame": _frame(frame)}
        case s.Page(event, detail):
            return {"do": "page", "event": {"event": event, **detail}}
        case _:
            return dict(msgspec.to_builtins(effect))
