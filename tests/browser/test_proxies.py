"""Make before break in Chromium, through HAProxy and nginx: the script's sockets, in the order in which things happen."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from tests.browser.fleet import connected, tab, witnessed
from tests.servers.harness import UVICORN, serving
from tests.servers.proxies import PROXIES
from tests.servers.wire import wire

APP = "tests.browser.apps.versions"
AWAY = 0.04
"""Seconds that the browser is away from the proxy, each way."""

# Every socket that the page opens says what becomes of it.
WATCH = """
(() => {
  const Real = window.WebSocket;
  window.notes = [];
  let count = 0;
  window.WebSocket = class extends Real {
    constructor(...args) {
      super(...args);
      const number = (count += 1);
      this.note = (what) => window.notes.push(`${what} ${number}`);
      this.addEventListener("open", () => this.note("open"));
      this.addEventListener("close", ({ code }) => this.note(`closed ${code}`));
      this.addEventListener("message", ({ data }) => {
        const { type, final } = typeof data === "string" && data[0] === "{" ? JSON.parse(data) : {};
        if (type) this.note(final ? "final" : type);
      });
    }
    send(data) {
      if (typeof data === "string" && data.startsWith('{"type":"mount"')) this.note("mount");
      super.send(data);
    }
  };
})();
"""

# The page finishes something while the next socket opens, as one does that saves.
HOOK = """
socket.addEventListener("drain", (event) => event.waitUntil(new Promise((done) => {
  const look = () => (notes.some((note) => note.startsWith("open ") && note !== "open 1") ? done() : setTimeout(look, 5));
  look();
})));
"""


async def noted(page: Page, note: str) -> list[str]:
    """Wait for a note, and return all of them."""
    await page.wait_for_function("note => notes.some((one) => one.startsWith(note))", arg=note)
    notes: list[str] = await page.evaluate("notes")
    return notes


@pytest.mark.parametrize("name", PROXIES)
async def test_the_next_socket_is_open_before_the_old_one_is_closed(name: str, tmp_path: Path) -> None:
    """On SIGTERM the script opens at the other backend, mounts once it has the final token, and shows no disconnection."""
    environment: dict[str, Any] = {"QUART_SECRET_KEY": secrets.token_urlsafe(32), "RELEASE": "2"}
    async with (
        serving(UVICORN, tmp_path / "a", app=APP, environment=environment) as a,
        serving(UVICORN, tmp_path / "b", app=APP, environment=environment) as b,
        PROXIES[name]([a.port, b.port], tmp_path) as proxy,
        wire(proxy.port, AWAY) as away,
        tab(f"http://127.0.0.1:{away.port}/_stash/ready") as page,
    ):
        await page.add_init_script(WATCH)
        await page.goto(f"http://127.0.0.1:{away.port}/")
        await connected(page)
        await page.evaluate(HOOK)
        await page.evaluate("socket.send('one')")
        await page.wait_for_function("""document.getElementById("state").textContent.includes("one")""")
        first = a if "/live" in a.log else b
        first.signal()
        notes = await noted(page, "closed 1012 1")
        new = next(note.split()[1] for note in notes if note.startswith("open ") and note != "open 1")
        notes = await noted(page, f"mounted {new}")
        order = ["drain 1", f"open {new}", "final 1", f"mount {new}", f"mounted {new}"]
        assert [note for note in notes if note in order] == order
        assert notes.index(f"open {new}") < notes.index("closed 1012 1")
        await first.exited()
        assert "1 of 1 synced" in first.log
        await page.evaluate("socket.send('two')")
        await page.wait_for_function(
            """document.getElementById("state").textContent.includes('["one","two"]')"""
        )
        states = await witnessed(page)
        assert set(states[states.index("connected") :]) == {"connected", "handover"}
