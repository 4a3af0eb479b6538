"""Tabs that run the script itself: so many sockets in one page of Chromium."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Page, async_playwright

from tests.browser.fleet import CHROMIUM, FLAGS

__all__ = ["ScriptTabs"]

SCRIPT = """
async ([url, count]) => {
  const { StashSocket } = await import("/_stash/quart-stash.js");
  const sockets = Array.from({ length: count }, (_, tab) => {
    const socket = new StashSocket(url, { name: `tab-${tab}` });
    const say = (event, data = "") => hear(tab, event, data, Date.now());
    socket.addEventListener("message", ({ data }) => say("message", data));
    for (const event of ["mounted", "lost", "failed"]) socket.addEventListener(event, () => say(event));
    return socket;
  });
  window.send = (text) => sockets.forEach((socket) => socket.send(text));
}
"""


class ScriptTabs:
    """As `restarts.Tabs`."""

    def __init__(self, page: Page, count: int) -> None:
        self.heard: list[list[tuple[str, str, float]]] = [[] for _ in range(count)]
        self._page = page

    @classmethod
    @asynccontextmanager
    async def start(cls, url: str, count: int) -> AsyncIterator[ScriptTabs]:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = await browser.new_page()
            tabs = cls(page, count)
            await page.expose_function("hear", tabs._hear)
            await page.goto(url.replace("ws:", "http:").replace("/count", "/_stash/ready"))
            await page.evaluate(SCRIPT, [url, count])
            yield tabs
            await browser.close()

    def send(self, text: str) -> None:
        self._sending = asyncio.create_task(self._page.evaluate("text => send(text)", text))

    def _hear(self, tab: int, event: str, data: str, at: float) -> None:
        self.heard[tab].append((event, data, at / 1000))
