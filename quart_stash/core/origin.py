"""The Origin decision: which pages may open a socket here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv6Address
from typing import Final, NamedTuple

from ..errors import ConfigurationError
from .handshake import MAX_HOST

__all__ = ["Origins"]

_DEFAULT_PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_ORIGIN = re.compile(r"([a-z][a-z0-9+.\-]*)://(.+)", re.IGNORECASE | re.DOTALL)
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]:/?#@\\,%\x00-\x20\x7f]+)(?::([0-9]{1,5}))?", re.IGNORECASE)
_WILDCARD = "*."
_DISPUTED = frozenset("ßς\u200c\u200d")
_MAX_ORIGIN: Final = MAX_HOST + 64  # with its scheme


class _Origin(NamedTuple):
    scheme: str
    host: str
    port: int | None


class Origins:
    """Decides which pages may open a socket here. It never raises on what a client sends.

    Args:
        allowed: origins that are allowed besides the host's own, as `https://example.com`, or
            `https://*.example.com` for all its sub-domains (not itself).

    Raises:
        ConfigurationError: no origin can ever match an entry; the text names it.
    """

    def __init__(self, allowed: Sequence[str] | None = None) -> None:
        if isinstance(allowed, str):
            raise ConfigurationError("the allowed origins are a list, not one text")
        # Once, and not at every handshake.
        self._allowed = [_parse_entry(entry) for entry in allowed or ()]

    def allow(self, origin: str | None, host: str | None, scheme: str) -> bool:
        """Decide whether a page of this origin may open a socket here.

        Browsers send an Origin with every WebSocket handshake and pages can't change it, so it tells a foreign
        page that rides on the user's cookies. Other programs may send what they like: without a header there is
        no page. Browsers write names in punycode, so nothing but short ASCII is looked at: IDNA takes time that
        grows with the square of what is sent.

        Args:
            origin: the handshake's Origin header, if there was one.
            host: its Host header.
            scheme: of the connection as this process sees it; behind a proxy that ends TLS it is "ws".

        Returns:
            Whether to accept. `null` (a sandboxed frame, a file) never is.
        """
        if host is not None and (len(host) > MAX_HOST or not host.isascii()):
            return False
        if origin is None:
            return True
        if len(origin) > _MAX_ORIGIN or not origin.isascii():
            return False
        page = _parse_origin(origin)
        if page is None:
            return False
        return _is_own(page, host, scheme) or any(_matches(page, *entry) for entry in self._allowed)


def _is_own(page: _Origin, host: str | None, scheme: str) -> bool:
    if host is None or page.scheme not in ("http", "https"):
        return False
    own = _parse_host(host)
    if own is None or own[0] != page.host:
        return False
    port = own[1]
    if port is None:
        # Behind a proxy that ends TLS the connection is plain, the page is not: the page's default port will
        # do. The other way round a plain page would be opening an encrypted socket, which is refused.
        secure = scheme.lower() in ("https", "wss")
        port = _DEFAULT_PORTS["https" if secure else page.scheme]
    return page.port == port


def _matches(page: _Origin, wildcard: bool, origin: _Origin) -> bool:
    if not wildcard:
        return page == origin
    return page.host.endswith("." + origin.host) and page._replace(host=origin.host) == origin


def _parse_entry(entry: str) -> tuple[bool, _Origin]:
    """Parse an allow-list's entry into: does it stand for sub-domains, of what."""
    scheme, separator, rest = entry.partition("://")
    wildcard = rest.startswith(_WILDCARD)
    try:
        # Browsers and this codec differ about these letters. Everything else that people write is one name.
        if set(rest) & _DISPUTED:
            raise ValueError
        name = rest.removeprefix(_WILDCARD)
        origin = _parse_origin(scheme + separator + _punycode(name))
    except ValueError:
        origin = None
    if origin is None:
        raise ConfigurationError(
            f"{entry!r} is not an origin: write https://example.com, or https://*.example.com for its sub-domains, "
            "and a name beyond ASCII in punycode (xn--…) where it is not understood"
        )
    return wildcard, origin


def _punycode(authority: str) -> str:
    return authority if authority.isascii() else authority.encode("idna").decode("ascii")


def _parse_origin(text: str) -> _Origin | None:
    match = _ORIGIN.fullmatch(text)
    if match is None:
        return None
    scheme, authority = match[1].lower(), match[2]
    parsed = _parse_host(authority)
    if parsed is None:
        return None
    host, port = parsed
    return _Origin(scheme, host, _DEFAULT_PORTS.get(scheme) if port is None else port)


def _parse_host(text: str) -> tuple[str, int | None] | None:
    """Parse `host[:port]` into a normalised host (lower case, shortest IPv6) and a port."""
    match = _HOST.fullmatch(text)
    if match is None:
        return None
    port = None if match[2] is None else int(match[2])
    if port is not None and port > 65535:
        return None
    name = match[1].lower()
    if "*" in name or name.startswith("."):
        return None
    try:
        return (f"[{IPv6Address(name[1:-1]).compressed}]" if name.startswith("[") else name), port
    except ValueError:
        return None
