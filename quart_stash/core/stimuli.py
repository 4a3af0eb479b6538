"""What happens to the client's machine, and what is to be done about it: the types of `js/src/machine.js`."""

from __future__ import annotations

from typing import Any

import msgspec

from . import frames
from .outbox import Data

__all__ = [
    "Answer",
    "Clear",
    "Close",
    "Connect",
    "Deadline",
    "Down",
    "Effect",
    "End",
    "Forget",
    "Fork",
    "Frame",
    "Hooks",
    "Lapse",
    "Mount",
    "Open",
    "OpenLater",
    "Over",
    "Page",
    "Park",
    "Ping",
    "Quit",
    "Reload",
    "Retire",
    "Secret",
    "Send",
    "SetDeadline",
    "Slot",
    "Stimulus",
    "Store",
    "Up",
    "Url",
]

Up = frames.ClientControl | Data
"""What the client says: a control frame, or the payload of a message."""
Down = frames.ServerControl | Data
"""What the server says."""


class Slot(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the browser stores for one view, as one item.

    Attributes:
        token: the newest one.
        received: how many messages it covers.
        outbox: those after it; `None` is a void one.
        fork: whether the view is a copy of somebody else's, and not mounted yet.
    """

    token: str | None
    received: int
    outbox: tuple[Data | None, ...]
    fork: bool = False


class _Do(msgspec.Struct, frozen=True, tag_field="do", tag=str.lower, omit_defaults=True):
    pass


# What happens on this side.


class Open(_Do, frozen=True):
    """A connection is open, and may be mounted when its time has come."""

    conn: int


class Connect(_Do, frozen=True):
    """Mount a connection, with what the page pushes. `now` is in milliseconds."""

    conn: int
    params: dict[str, Any] | None = None
    forms: dict[str, list[tuple[str, str]]] | None = None
    empty: dict[str, list[str]] | None = None
    page: str | None = None
    build: str | None = None
    identity: str | None = None
    now: float | None = None


class Send(_Do, frozen=True):
    """The page sends a message; a `secret` one stays out of storage."""

    data: Data
    secret: bool = False


class Hooks(_Do, frozen=True):
    """The page's drain hooks have settled."""

    conn: int


class Deadline(_Do, frozen=True):
    """The time for the drain is up."""

    conn: int


class Answer(_Do, frozen=True):
    """A named secret has been dealt with."""

    conn: int
    frame: frames.Stored | frames.Kept


class End(_Do, frozen=True):
    """A connection has ended. `now` is in milliseconds."""

    conn: int
    code: int
    reason: str = ""
    now: float = 0


class Lapse(_Do, frozen=True):
    """An attempt to connect has failed, or a connection that nobody needs any more has ended."""

    conn: int


class Ping(_Do, frozen=True):
    """Ask the server whether it is there."""


class Park(_Do, frozen=True):
    """The page goes away, maybe for good."""


class Fork(_Do, frozen=True):
    """Another tab owns what this one was loaded with."""


class Quit(_Do, frozen=True):
    """The page closes the socket."""

    code: int | None = None
    reason: str = ""


# What is to be done, in order.


class Frame(_Do, frozen=True):
    """Put a frame on a connection."""

    conn: int
    frame: Up


class Store(_Do, frozen=True):
    """Write `Client.slot()` to storage."""


class Forget(_Do, frozen=True):
    """Remove the slot from storage."""


class OpenLater(_Do, frozen=True, tag="open"):
    """See that a connection opens: at once, or with full jitter after `wait` milliseconds, after a failure."""

    wait: int | None


class Mount(_Do, frozen=True):
    """Collect what the page pushes, then say `Connect`."""

    conn: int


class SetDeadline(_Do, frozen=True, tag="deadline"):
    """Say `Deadline` after so many milliseconds."""

    conn: int
    after: int


class Close(_Do, frozen=True):
    """Close a connection, and hear no more of it."""

    conn: int
    code: int | None = None
    reason: str = ""


class Retire(_Do, frozen=True):
    """The server closes this connection; see that it does, and hear no more of it."""

    conn: int


class Secret(_Do, frozen=True):
    """Deal with a named secret, then say `Answer`."""

    conn: int
    frame: frames.Keep | frames.Restore | frames.Forget


class Clear(_Do, frozen=True):
    """A stashed form has been dealt with, with all that was submitted of it up to message `number`."""

    form: str
    number: int | None = None


class Url(_Do, frozen=True):
    """Put these values into the page's query string."""

    params: dict[str, str | None]


class Reload(_Do, frozen=True):
    """The page should load anew."""

    reason: str


class Over(_Do, frozen=True):
    """The view's connection has ended for good."""

    code: int
    reason: str


class Page(_Do, frozen=True):
    """Tell the page of an event."""

    event: str
    detail: dict[str, Any] = {}


Stimulus = Open | Connect | Send | Hooks | Deadline | Answer | End | Ping | Park | Fork | Quit
Effect = (
    Frame
    | Store
    | Forget
    | OpenLater
    | Mount
    | SetDeadline
    | Close
    | Retire
    | Secret
    | Clear
    | Url
    | Reload
    | Over
    | Page
)
