"""The frames of `quart-stash.v1`: parse what a peer says, serialise what this side says.

Parsing returns a frame or raises `ProtocolError` with the close code that answers it; nothing else comes out.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

from ..errors import ProtocolError
from .salvage import Names, Pairs, salvage
from .shape import MAX_DEPTH, MAX_VALUES, check_shape
from .text import mended

__all__ = [
    "MAX_DEPTH",
    "MAX_VALUES",
    "SUBPROTOCOL",
    "Clear",
    "ClientControl",
    "Drain",
    "Failed",
    "Finished",
    "Flushed",
    "Forget",
    "Keep",
    "Kept",
    "Limits",
    "Mount",
    "Mounted",
    "Ping",
    "Pong",
    "Reload",
    "Restore",
    "ServerControl",
    "Stored",
    "Synced",
    "Taken",
    "Token",
    "Url",
    "Void",
    "encode",
    "mark",
    "parse_control",
    "parse_down",
    "payload",
]

_F = TypeVar("_F")

SUBPROTOCOL: Final = "quart-stash.v1"

Number = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
Key = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
FormName = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Area = Literal["tab", "browser"]


class _Frame(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag=str.lower):
    """A control frame: one JSON object, told apart by its `type`."""


class _Mount(_Frame, frozen=True, tag="mount"):
    """A mount as it is on the wire."""

    sent: Number
    params: dict[str, Any] = {}
    forms: dict[FormName, Pairs] = {}
    empty: dict[FormName, Names] = {}
    token: str | None = None
    page: str | None = None
    build: str | None = None
    identity: str | None = None
    fork: bool = False
    anyway: bool = False


class Mount(_Mount, frozen=True, tag="mount"):
    """The first frame, and what is not in it.

    Attributes:
        invalid: why each param that could not be read was dropped; an empty name stands for all of them.
        dropped: the same of forms.
    """

    invalid: dict[str, str] = {}
    dropped: dict[str, str] = {}


class Flushed(_Frame, frozen=True):
    sent: Number


class Synced(_Frame, frozen=True):
    received: Number


class Void(_Frame, frozen=True):
    number: Number


class Stored(_Frame, frozen=True):
    key: Key


class Kept(_Frame, frozen=True):
    key: Key
    token: str | None = None


class Ping(_Frame, frozen=True):
    pass


class Limits(msgspec.Struct, frozen=True):
    """What the client may send, in bytes of UTF-8."""

    message: Number
    mount: Number


class Mounted(_Frame, frozen=True):
    status: Literal["fresh", "restored", "rejected"]
    received: Number
    build: str
    limits: Limits
    reason: str | None = None
    token: str | None = None
    invalid: dict[str, str] = {}
    dropped: dict[str, str] = {}


class Token(_Frame, frozen=True):
    received: Number
    token: str
    final: bool = False


class Drain(_Frame, frozen=True):
    drain: str
    deadline: Number
    delay: Number


class Keep(_Frame, frozen=True):
    key: Key
    token: str
    area: Area
    max_age: Number


class Restore(_Frame, frozen=True):
    key: Key
    area: Area


class Forget(_Frame, frozen=True):
    key: Key
    area: Area


class Taken(_Frame, frozen=True):
    number: Number


class Failed(_Frame, frozen=True):
    number: Number


class Finished(_Frame, frozen=True):
    received: Number


class Clear(_Frame, frozen=True):
    form: FormName
    number: Number | None = None


class Url(_Frame, frozen=True):
    params: dict[str, str | None]


class Reload(_Frame, frozen=True):
    reason: str


class Pong(_Frame, frozen=True):
    pass


ClientControl = Mount | Flushed | Synced | Void | Stored | Kept | Ping
_Up = _Mount | Flushed | Synced | Void | Stored | Kept | Ping
ServerControl = (
    Mounted
    | Token
    | Drain
    | Keep
    | Restore
    | Forget
    | Taken
    | Failed
    | Finished
    | Clear
    | Url
    | Reload
    | Pong
)

_decoder: msgspec.json.Decoder[_Up] = msgspec.json.Decoder(_Up)
_down_decoder: msgspec.json.Decoder[ServerControl] = msgspec.json.Decoder(ServerControl)
_encoder = msgspec.json.Encoder()


def payload(data: str | bytes) -> str | bytes | None:
    """Return an application message's payload, or `None` if the frame is not one.

    Args:
        data: what one WebSocket message carried, text or binary.
    """
    if isinstance(data, str):
        return data[1:] if data.startswith("=") else None
    return data[1:] if data[:1] == b"=" else None


def mark(data: str | bytes) -> str | bytes:
    """Return the frame that carries `data` as an application message."""
    return "=" + data if isinstance(data, str) else b"=" + data


def parse_control(data: str | bytes) -> ClientControl:
    """Parse a control frame of the client. Params and forms that can't be read are dropped from a mount.

    Raises:
        ProtocolError: it is not one; the text says where, and never quotes what was sent.
    """
    if isinstance(data, str):
        data = mended(data)
    try:
        frame = _parse(_decoder, data)
    except ProtocolError:
        mount = _salvaged(data)
        if mount is None:
            raise
        return mount
    return Mount(*msgspec.structs.astuple(frame)) if isinstance(frame, _Mount) else frame


def parse_down(data: str | bytes) -> ServerControl:
    """Parse a control frame of the server: for clients.

    Raises:
        ProtocolError: it is not one.
    """
    return _parse(_down_decoder, data)


def encode(frame: ClientControl | ServerControl) -> str:
    """Serialise a control frame."""
    return _encoder.encode(frame).decode()


def _parse(decoder: msgspec.json.Decoder[_F], data: str | bytes) -> _F:
    if not isinstance(data, str):
        raise ProtocolError("a binary frame that is not an application message")
    check_shape(data)
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise ProtocolError(f"a malformed control frame at {_where(error)}") from None
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise ProtocolError("a control frame that is not one JSON object") from None


def _salvaged(data: str | bytes) -> Mount | None:
    """Return a mount without what of its params and forms can't be read; `None`: it is none, or broken besides."""
    salvaged = salvage(data) if isinstance(data, str) and '"mount"' in data else None
    if salvaged is None:
        return None
    rest, params, forms, empty, invalid, dropped = salvaged
    try:
        frame = _parse(_decoder, rest)
    except ProtocolError:
        return None
    if not isinstance(frame, _Mount):
        return None
    found = {"params": params, "forms": forms, "empty": empty, "invalid": invalid, "dropped": dropped}
    return Mount(**{**msgspec.structs.asdict(frame), **found})


def _where(error: msgspec.ValidationError) -> str:
    """Return the path that msgspec names; its full text may quote the peer's own words."""
    _, found, path = str(error).rpartition(" - at `")
    return path.rstrip("`")[:80] if found else "its top level"
