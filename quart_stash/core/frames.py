"""The frames of `quart-stash.v1`: parse what a peer says, serialise what this side says.

Parsing returns a frame or raises `ProtocolError` with the close code that answers it; nothing else comes out.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

from ..errors import ProtocolError

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

MAX_VALUES: Final = 20_000
"""Values of one control frame: a form field is three, its pair and what stands in it."""

MAX_DEPTH: Final = 32
"""How deep the objects and arrays of one control frame may be nested."""

# What gives a JSON text its shape, behind whatever does not: strings above all. It is possessive and matches at the end
# too, so each character is looked at once, also where a string never ends.
_SHAPE: Final = re.compile(
    r'[^"\[\]{},]*+(?:"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)[^"\[\]{},]*+)*+([\[\]{},]|\Z)', re.DOTALL
)

Number = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
Key = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
FormName = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Area = Literal["tab", "browser"]


class _Frame(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag=str.lower):
    """A control frame: one JSON object, told apart by its `type`."""


class Mount(_Frame, frozen=True):
    sent: Number
    params: dict[str, Any] = {}
    forms: dict[FormName, list[tuple[str, str]]] = {}
    empty: dict[FormName, list[str]] = {}
    token: str | None = None
    page: str | None = None
    build: str | None = None
    identity: str | None = None
    fork: bool = False
    anyway: bool = False


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


class Url(_Frame, frozen=True):
    params: dict[str, str | None]


class Reload(_Frame, frozen=True):
    reason: str


class Pong(_Frame, frozen=True):
    pass


ClientControl = Mount | Flushed | Synced | Void | Stored | Kept | Ping
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

_decoder: msgspec.json.Decoder[ClientControl] = msgspec.json.Decoder(ClientControl)
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
    """Parse a control frame of the client.

    Raises:
        ProtocolError: it is not one; the text says where, and never quotes what was sent.
    """
    return _parse(_decoder, data)


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
    _check_shape(data)
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise ProtocolError(f"a malformed control frame at {_where(error)}") from None
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise ProtocolError("a control frame that is not one JSON object") from None


def _check_shape(data: str) -> None:
    """Refuse what would be too many objects, or too deep, before any of them is made.

    Raises:
        ProtocolError: the frame holds more than `MAX_VALUES` values (1009), or is nested deeper than `MAX_DEPTH`.
    """
    opens = data.count("[") + data.count("{")
    if opens <= MAX_DEPTH and opens + data.count(",") <= MAX_VALUES:
        return  # whatever of it stands in strings: most frames
    values = depth = 0
    for match in _SHAPE.finditer(data):
        mark = match[1]
        if mark in "]}":  # the empty one of the end too
            depth -= 1
            continue
        values += 1
        if values > MAX_VALUES:
            raise ProtocolError(f"a frame of more than {MAX_VALUES} values", 1009)
        depth += mark != ","
        if depth > MAX_DEPTH:
            raise ProtocolError(f"a frame that is nested more than {MAX_DEPTH} deep")


def _where(error: msgspec.ValidationError) -> str:
    """Return the path that msgspec names; its full text may quote the peer's own words."""
    _, found, path = str(error).rpartition(" - at `")
    return path.rstrip("`")[:80] if found else "its top level"
