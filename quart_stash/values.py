"""What a handler may hand to the verbs of a view."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .errors import ConfigurationError

__all__ = ["check_data", "check_secret", "check_whole", "encoded", "is_text"]


def check_data(data: object) -> None:
    """Refuse what no frame can hold, here, where it is told: a server that can't send takes the connection down."""
    if isinstance(data, str):
        check_whole(data, "view.send")
    elif not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(
            f"view.send takes str or bytes, not {type(data).__name__}: use view.send_json for other values"
        )


def check_whole(text: str, verb: str) -> None:
    """Refuse a text that UTF-8 can't hold."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"{verb} can't send half a surrogate pair: replace what is no character, "
                "as in text.encode('utf-8', 'replace').decode()"
            ) from error


def is_text(value: object, shortest: int, longest: int, verb: str) -> bool:
    """Return whether a value is a text of that many characters."""
    if not isinstance(value, str) or not shortest <= len(value) <= longest:
        return False
    check_whole(value, verb)
    return True


def encoded(encode: Callable[[Any], bytes], value: object, verb: str) -> bytes:
    """Encode a value, or say which verb can't."""
    try:
        return encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(
            f"{verb} can't encode this {type(value).__name__} ({error}): make plain values of it"
        ) from error


def check_secret(key: str, area: str) -> None:
    """Refuse what names no secret."""
    if not is_text(key, 1, 128, "view.keep, restore and forget"):
        raise ConfigurationError("the name of a secret is a text of 1 to 128 characters")
    if area not in ("tab", "browser"):
        raise ConfigurationError('area is "tab" or "browser"')
