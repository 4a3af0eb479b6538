r"""Half an emoji: what a page may hold as text, and UTF-8 can't.

A browser's text is UTF-16, and a page may cut it anywhere: `value.slice(0, 10)` leaves half of a pair. JSON carries
such a half as `\ud83d`. What a browser posts has U+FFFD in its place, and so has what is read here.
"""

from __future__ import annotations

import re
from typing import Final, TypeVar

import msgspec

__all__ = ["mended", "read", "well_formed"]

T = TypeVar("T")

_HALF: Final = r"u[dD][89abAB][0-9a-fA-F]{2}"
_OTHER: Final = r"u[dD][c-fC-F][0-9a-fA-F]{2}"
# Escape by escape, so that the second backslash of `\\ud83d` begins none.
_ESCAPE: Final = re.compile(rf"\\(?:{_HALF}\\{_OTHER}|({_HALF}|{_OTHER})|.)", re.DOTALL)


def mended(json: str) -> str:
    """Return a JSON text with U+FFFD in place of escapes that are half of a pair; the same object if there is none."""
    if "\\ud" not in json and "\\uD" not in json:
        return json
    return _ESCAPE.sub(lambda match: "\\ufffd" if match[1] else match[0], json)


def read(decoder: msgspec.json.Decoder[T], json: str | bytes) -> T:
    """Decode JSON that a page made, also where it holds half of a pair.

    Raises:
        msgspec.DecodeError, RecursionError, UnicodeError: as the decoder does.
    """
    try:
        return decoder.decode(json)
    except msgspec.DecodeError:
        text = json if isinstance(json, str) else json.decode()
        whole = mended(text)
        if whole is text:
            raise
        return decoder.decode(whole)


def well_formed(text: str) -> str:
    """Return a text with U+FFFD in place of what is no character, as a browser sends it."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
