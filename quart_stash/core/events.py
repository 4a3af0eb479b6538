"""What can happen to a connection besides control frames, and what is then to be done besides sending some."""

from __future__ import annotations

from typing import Literal

import msgspec

from . import frames

__all__ = [
    "Answered",
    "Ask",
    "Behind",
    "Close",
    "Deadline",
    "Decide",
    "Decided",
    "Defer",
    "Due",
    "Effect",
    "Event",
    "Gone",
    "Message",
    "MountTimeout",
    "Outcome",
    "Overflow",
    "Push",
    "Raise",
    "Received",
    "Return",
    "Seal",
    "StartDrain",
    "Violation",
]

Outcome = Literal["synced", "timed-out", "gone", "finished"]


class Message(msgspec.Struct, frozen=True):
    """An application message as it waits for the handler."""

    data: str | bytes
    number: int
    replayed: bool


class _Event(msgspec.Struct, frozen=True):
    pass


# What the peer did, besides the control frames of `frames.ClientControl`.


class Received(_Event, frozen=True):
    """An application message arrived."""

    data: str | bytes


class Violation(_Event, frozen=True):
    """The peer sent what is not a legal frame."""

    reason: str
    code: int = 1002


class Gone(_Event, frozen=True):
    """The connection is lost."""


# What happened on this side.


class Decided(_Event, frozen=True):
    """The mount is judged; `mounted` answers it."""

    mounted: frames.Mounted


class Defer(_Event, frozen=True):
    """The mount can't be judged here, or not now."""

    code: int
    reason: str = ""


class MountTimeout(_Event, frozen=True):
    """No `mount` came in time."""


class Overflow(_Event, frozen=True):
    """The inbox has been full for too long: what comes from now on is left to the client."""


class Ask(_Event, frozen=True):
    """The handler asks for the next message: the commit point."""


class Push(_Event, frozen=True):
    """The handler reached a commit point without asking. `mid` counts the message in hand as received."""

    mid: bool = False


class Seal(_Event, frozen=True):
    """A token for the newest commit is ready to be sent."""

    token: str


class StartDrain(_Event, frozen=True):
    """The server is leaving."""

    drain: str
    deadline: int
    delay: int


class Return(_Event, frozen=True):
    """The handler returned: the view is finished."""


class Raise(_Event, frozen=True):
    """The handler raised. `token`, if any, seals the last commit with the message in hand counted."""

    token: str | None


class Deadline(_Event, frozen=True):
    """The time for the drain is up."""


# What is to be done besides sending frames.


class Decide(_Event, frozen=True):
    """Judge this mount, then say `Decided` or `Defer`."""

    mount: frames.Mount


class Due(_Event, frozen=True):
    """A token for the newest commit is due: now, if it is the final one, else within the sync interval."""

    final: bool


class Behind(_Event, frozen=True):
    """The handler has taken all that was kept, and messages were left to the client: hand the view over to it."""


class Answered(_Event, frozen=True):
    """The browser answered `keep`, `forget` or `restore`."""

    key: str
    token: str | None
    restored: bool


class Close(_Event, frozen=True):
    """Close the connection."""

    code: int
    reason: str = ""


Event = (
    frames.ClientControl
    | Received
    | Violation
    | Gone
    | Decided
    | Defer
    | MountTimeout
    | Overflow
    | Ask
    | Push
    | Seal
    | StartDrain
    | Return
    | Raise
    | Deadline
)
Effect = frames.ServerControl | Message | Decide | Due | Behind | Answered | Close
