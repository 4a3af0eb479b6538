"""What can be read of the params and forms of a mount, where not all of it can.

Nothing that a form or a param holds may end a view: the page would bring the same again at each mount, after a reload
too. So what can't be read is dropped, by itself, and told.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from ..errors import ProtocolError
from .shape import check_shape, joined, members

__all__ = ["PARTS", "Names", "Pairs", "Salvaged", "salvage"]

T = TypeVar("T")

Pairs = list[tuple[str, str]]
Names = list[str]

PARTS: Final = ("params", "forms", "empty")
"""The members of a mount that hold what a page, or its user, has put in."""

_TOLD = 16  # reasons: a client may bring as many bad forms as its mount has room for
_FEW = 256  # members that are taken apart one by one
_NAME = 256  # characters of a form's name

_NO_OBJECT = "not an object"
_NO_FORM = "not a list of pairs of text"
_NO_NAME = f"a name of 1 to {_NAME} characters is needed"
_NO_VALUE = "a number that is out of range"

_members: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw])
_value: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
_pairs: msgspec.json.Decoder[Pairs] = msgspec.json.Decoder(Pairs)
_names: msgspec.json.Decoder[Names] = msgspec.json.Decoder(Names)


class Salvaged(NamedTuple):
    """What could be read.

    Attributes:
        rest: the frame without its params and forms, as JSON text.
        params, forms, empty: as in a mount.
        invalid: why each of the other params was dropped; an empty name stands for all of them.
        dropped: the same of forms.
    """

    rest: str
    params: dict[str, Any]
    forms: dict[str, Pairs]
    empty: dict[str, Names]
    invalid: dict[str, str]
    dropped: dict[str, str]


def salvage(data: str) -> Salvaged | None:
    """Take the params and forms out of a mount, and read what can be read of them, before more is made of it.

    Args:
        data: a frame that was refused.

    Returns:
        What could be read; `None`: they are not why it was refused.
    """
    whole = members(data, most=_FEW) or {}
    parts: dict[str, str] = {name: whole.pop(name) for name in PARTS if name in whole}
    if not parts:
        return None
    invalid: dict[str, str] = {}
    dropped: dict[str, str] = {}
    _bound(parts, invalid, dropped)
    try:
        params = _each(parts.get("params"), _value, invalid, _NO_VALUE)
        forms = _each(parts.get("forms"), _pairs, dropped, _NO_FORM)
        empty = _each(parts.get("empty"), _names, dropped, _NO_FORM)
    except (msgspec.DecodeError, UnicodeError):
        return None  # no JSON at all: that no form makes
    for name in {**forms, **empty}:
        if not 1 <= len(name) <= _NAME:
            dropped[name] = _NO_NAME
    for name in dropped:
        forms.pop(name, None)
        empty.pop(name, None)
    return Salvaged(joined(whole), params, forms, empty, _told(invalid), _told(dropped))


def _bound(parts: dict[str, str], invalid: dict[str, str], dropped: dict[str, str]) -> None:
    """Drop what is too deep, and what holds too much: forms before params, where each would have room alone."""
    for name in list(parts):
        why = invalid if name == "params" else dropped
        reason = _breach(parts[name], inside=1)
        if reason and (each := members(parts[name], most=_FEW)):
            bad = {key: reason for key, value in each.items() if (reason := _breach(value, inside=2))}
            why.update(bad)
            parts[name] = joined({key: value for key, value in each.items() if key not in bad})
            reason = _breach(parts[name], inside=1)
        if reason:
            del parts[name]
            why[""] = reason
    for names, why in ((("forms", "empty"), dropped), (("params",), invalid)):
        if reason := _breach(",".join(parts.values()), inside=1):
            for name in names:
                parts.pop(name, None)
            why[""] = reason


def _breach(data: str, *, inside: int) -> str:
    try:
        check_shape(data, inside=inside)
    except ProtocolError as error:
        return str(error)
    return ""


def _each(
    part: str | None, decoder: msgspec.json.Decoder[T], why: dict[str, str], reason: str
) -> dict[str, T]:
    """Decode the members of a part one by one."""
    if part is None:
        return {}
    found: dict[str, T] = {}
    try:
        for name, raw in _members.decode(part).items():
            try:
                found[name] = decoder.decode(raw)
            except msgspec.ValidationError:
                why[name] = reason
    except msgspec.ValidationError:
        why[""] = _NO_OBJECT
    return found


def _told(why: dict[str, str]) -> dict[str, str]:
    return {name[:_NAME]: why[name] for name in list(why)[:_TOLD]}
