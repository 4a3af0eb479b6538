"""The browser scripts and the readiness endpoint, as plain ASGI, under the configured prefix."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cached_property
from html import escape
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from .core.frames import Limits
from .live.socket import ASGISend, Scope

__all__ = ["Assets", "clear_meta", "page_meta"]

_FOR_EVER = "public, max-age=31536000, immutable"


class Assets:
    """What one application serves besides its views.

    Args:
        prefix: the path below which it is served.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    @cached_property
    def scripts(self) -> dict[str, bytes]:
        """The browser script, and what pages import besides, by name."""
        names = ("quart-stash", "quart-stash-morph")
        return {name: (files("quart_stash") / "static" / f"{name}.js").read_bytes() for name in names}

    @cached_property
    def digest(self) -> str:
        """A digest of the scripts: it names the build, and is part of their addresses."""
        return hashlib.sha256(b"".join(self.scripts.values())).hexdigest()[:16]

    def tag(self, *, root: str, build: str, identity: str, limits: Limits, nonce: str | None) -> Markup:
        """Return the script tag.

        Args:
            root: the path that the application is mounted under.
            build: the running build.
            identity: a keyed hash of who the page belongs to.
            limits: what the client may send.
            nonce: for a Content-Security-Policy.
        """
        attributes = {
            "type": "module",
            "src": f"{root}{self._prefix}/quart-stash.{self.digest}.js",
            "data-quart-stash": "",
            "data-identity": identity,
            "data-build": build,
            "data-limits": f'{{"message":{limits.message},"mount":{limits.mount}}}',
            **({"nonce": nonce} if nonce else {}),
        }
        written = " ".join(f'{name}="{escape(value)}"' for name, value in attributes.items())
        return Markup(f"<script {written}></script>")

    async def serve(self, scope: Scope, send: ASGISend, *, draining: Callable[[], bool]) -> bool:
        """Answer a request below the prefix. Returns whether it was one."""
        path: str = scope["path"].removeprefix(scope.get("root_path", "").rstrip("/"))
        if scope["method"] not in ("GET", "HEAD") or not path.startswith(self._prefix + "/"):
            return False
        name = path.removeprefix(self._prefix + "/")
        if name == "ready":
            if draining():
                await _answer(scope, send, 503, b"draining\n", {"retry-after": "1"})
            else:
                await _answer(scope, send, 200, b"ready\n", {})
            return True
        stem = name.partition(".")[0]
        if stem not in self.scripts or not name.endswith(".js"):
            return False
        # A digest that is not ours belongs to another release of a fleet in mid-roll: it gets ours, uncached.
        current = name == f"{stem}.{self.digest}.js"
        headers = {
            "content-type": "text/javascript; charset=utf-8",
            "cache-control": _FOR_EVER if current else "no-cache",
            "etag": f'"{self.digest}"',
        }
        if dict(scope["headers"]).get(b"if-none-match") == headers["etag"].encode():
            await _answer(scope, send, 304, b"", headers)
        else:
            await _answer(scope, send, 200, self.scripts[stem], headers)
        return True


def page_meta(signed: str) -> Markup:
    """Return what hands signed page params to the sockets of a page."""
    return Markup(f'<meta name="quart-stash-page" content="{escape(signed)}">')


def clear_meta(form: str) -> Markup:
    """Return what tells the page's script that a stashed form has been dealt with."""
    return Markup(f'<meta name="quart-stash-clear" content="{escape(form)}">')


async def _answer(scope: Scope, send: ASGISend, status: int, body: bytes, headers: dict[str, str]) -> None:
    every: dict[str, Any] = {
        "content-type": "text/plain; charset=utf-8",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        **headers,
    }
    if status != 304:
        every["content-length"] = str(len(body))
    encoded = [(name.encode(), value.encode()) for name, value in every.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    # `more_body` is optional, but Quart's test client asks for it.
    content = b"" if scope["method"] == "HEAD" else body
    await send({"type": "http.response.body", "body": content, "more_body": False})
