"""What a handshake says, taken from its headers and its target before anything is believed: bounded, never raising."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

__all__ = ["MAX_HOST", "header", "host_of", "requested_path"]

MAX_HOST: Final = 253 + len(":65535")
"""Characters of the longest `Host`: the longest name that DNS has, and a port."""

_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")
# Escaped or not, these mean the same in any path (RFC 3986, section 2.3).
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")

_SAFE: Final = "/!$&'()*+,;=:@"  # besides those: what a path holds without an escape


def header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str | None:
    """Return a header's text; `None`: there is none. Several that differ are one text that fits nowhere.

    Args:
        headers: of an ASGI scope.
        name: in lower case.
    """
    found = {value for key, value in headers if key.lower() == name}
    return b", ".join(sorted(found)).decode("latin-1") if found else None


def host_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the host that was asked for, in lower case; nothing, where none was named."""
    return (header(headers, b"host") or "").lower()


def requested_path(raw_path: bytes | None, path: str) -> str:
    """Return the path as it was requested, in one form: texts that are equal by RFC 3986 are equal here, no others.

    Only escapes of characters that never need one are undone. So `/a%2Fb` and `/a/b` stay two paths, which a
    decoded path would not tell apart.

    Args:
        raw_path: of the ASGI scope; not every server says it.
        path: the same, decoded.
    """
    if raw_path is None:
        return quote(path, safe=_SAFE, errors="surrogatepass")
    return _ESCAPE.sub(_normalised, quote(raw_path.partition(b"?")[0], safe=_SAFE + "%"))


def _normalised(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return character if character in _UNRESERVED else escape[0].upper()
