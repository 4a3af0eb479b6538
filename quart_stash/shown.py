"""How the log shows what a client sent: quoted, and no longer than this."""

from __future__ import annotations

__all__ = ["shown"]

_MOST = 120  # characters; a path may be 60 KB


def shown(value: object) -> str:
    """Return a text for one line of the log, whatever a client made of it.

    Args:
        value: what it sent, such as a path: control characters are escaped, and the rest of a long one is counted.
    """
    text = value if isinstance(value, str) else str(value)
    rest = len(text) - _MOST
    return repr(text) if rest <= 0 else f"{text[:_MOST]!r} and {rest} characters more"
