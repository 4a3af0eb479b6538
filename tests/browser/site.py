"""Serves pages of plain HTML, and the sources of the script as modules."""

from __future__ import annotations

import http.server
import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

SOURCES = Path(__file__).parents[2] / "js" / "src"
STATIC = Path(__file__).parents[2] / "quart_stash" / "static"
MODULES = Path(__file__).parents[2] / "js" / "node_modules"

# For `Tab.errors`; what is noted there is not told in the console as well.
NOTE_ERRORS = """
window.errors = [];
for (const type of ["error", "unhandledrejection"])
  addEventListener(type, (event) => {
    const { message } = event.error ?? event.reason ?? event;
    errors.push(message ?? "an error without a message");
    event.preventDefault();
  });
"""


class Site:
    """Pages that the test sets.

    Attributes:
        body: what stands in the body of every page but `/other`, which has nothing in it.
        script: the module that runs in it, which can import the sources from `/js/`, and packages from `/modules/`; then `window.ready` is true.
        pages: whole pages, by their paths, in place of that.
        asked: the paths that were asked for.
        bundles: modules by name, which are at `/bundled/NAME`.
        held: until it is set, a page with `/held.css` in it is loading.
    """

    def __init__(self) -> None:
        self.body = ""
        self.script = ""
        self.pages: dict[str, str] = {}
        self.asked: list[str] = []
        self.bundles: dict[str, str] = {}
        self.held = threading.Event()
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                site._connections.add(self.connection)

            def finish(self) -> None:
                site._connections.discard(self.connection)
                super().finish()

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                site.asked.append(path)
                try:
                    status, (kind, content) = 200, site.answer(path)
                except FileNotFoundError:
                    status, kind, content = 404, "text/plain", b""
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                if path.startswith(("/js/", "/static/", "/modules/")):
                    self.send_header("Cache-Control", "max-age=3600")
                else:
                    # Loaded anew also on going back, unless the browser has kept the page as it was; after a page with
                    # `no-store` Firefox would not put back what was typed, and Chromium not keep the page.
                    self.send_header("Cache-Control", "no-cache")
                    self.send_header("Vary", "*")
                self.end_headers()
                with suppress(ConnectionError):  # the browser has left the page meanwhile
                    self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._handler = Handler
        self._connections: set[socket.socket] = set()
        self._port = 0
        self.start()
        self.url = f"http://127.0.0.1:{self._port}/"

    def start(self) -> None:
        """Serve, at the same address as before."""
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self._port), self._handler)
        self._port = self._server.server_port
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()

    def stop(self) -> None:
        """Be down: connections are refused, and open ones end."""
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.held.set()
        self.stop()

    def answer(self, path: str) -> tuple[str, bytes]:
        """Return type and content of what is at a path."""
        if path.startswith("/js/"):
            return "text/javascript", (SOURCES / path.removeprefix("/js/")).read_bytes()
        if path.startswith("/static/"):
            return "text/javascript", (STATIC / path.removeprefix("/static/")).read_bytes()
        if path.startswith("/modules/"):
            return "text/javascript", (MODULES / path.removeprefix("/modules/")).read_bytes()
        if path.startswith("/bundled/"):
            return "text/javascript", self.bundles[path.removeprefix("/bundled/")].encode()
        if path == "/held.css":
            self.held.wait(20)
            return "text/css", b""
        if path == "/favicon.ico":
            return "image/x-icon", b""
        if path in self.pages:
            return "text/html; charset=utf-8", self.pages[path].encode()
        body, script = ("", "") if path == "/other" else (self.body, self.script)
        return "text/html; charset=utf-8", (
            f"<!doctype html><title>{path}</title><script>{NOTE_ERRORS}</script><body>{body}"
            f'<script type="module">{script}\nwindow.ready = true;</script>'
        ).encode()
