"""How much a control frame holds, and how deep: seen in its text, before anything is made of it."""

from __future__ import annotations

import re
from typing import Final

from ..errors import ProtocolError

__all__ = ["MAX_DEPTH", "MAX_VALUES", "check_shape", "joined", "members"]

MAX_VALUES: Final = 20_000
"""Values of one control frame: a form field is three, its pair and what stands in it."""

MAX_DEPTH: Final = 32
"""How deep the objects and arrays of one control frame may be nested."""

# What gives a JSON text its shape, behind whatever does not: strings above all. It is possessive and matches at the end
# too, so each character is looked at once, also where a string never ends.
_SHAPE: Final = re.compile(
    r'[^"\[\]{},]*+(?:"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)[^"\[\]{},]*+)*+([\[\]{},]|\Z)', re.DOTALL
)
_NAME: Final = re.compile(r'\s*+"([^"\\]*+)"\s*+:')


def check_shape(data: str, *, inside: int = 0) -> None:
    """Refuse what would be too many objects, or too deep, before any of them is made.

    Args:
        data: JSON text.
        inside: how many objects and arrays it stands in.

    Raises:
        ProtocolError: the frame holds more than `MAX_VALUES` values (1009), or is nested deeper than `MAX_DEPTH`.
    """
    opens = data.count("[") + data.count("{")
    if opens + inside <= MAX_DEPTH and opens + data.count(",") <= MAX_VALUES:
        return  # whatever of it stands in strings: most frames
    values, depth = 0, inside
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


def joined(members: dict[str, str]) -> str:
    """Return the object that has these members."""
    return "{" + ",".join(f'"{name}":{value}' for name, value in members.items()) + "}"


def members(data: str, *, most: int) -> dict[str, str] | None:
    """Return the members of an object, each value as the text that it is.

    Args:
        data: JSON text.
        most: how many they may be.

    Returns:
        By name; `None`: it is no object, or not whole, or there are too many.
    """
    found: dict[str, str] = {}
    depth = start = 0
    for match in _SHAPE.finditer(data):
        mark, at = match[1], match.start(1)
        if depth == 1 and mark in (",", "}"):
            name = _NAME.match(data, start, at)
            if name is None or len(found) == most:
                return None
            found[name[1]] = data[name.end() : at]
        if depth == 0 and (mark != "{" or found):
            return found if not mark and not data[start:].strip() else None
        if (depth, mark) in ((0, "{"), (1, ","), (1, "}")):
            start = match.end()
        depth += (mark in ("[", "{")) - (mark in ("]", "}"))
    return None
