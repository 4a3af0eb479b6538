"""A fleet of one address: processes that replace each other behind one listening socket, and a tab that looks on."""

from __future__ import annotations

import secrets
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright

from tests.servers.harness import HYPERCORN, Server, listening, serving

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# What a user would see of a restart: every state that the page has shown, kept over reloads of it.
WITNESS = """
(() => {
  const seen = JSON.parse(sessionStorage.getItem("witness") ?? "[]");
  const note = () => {
    const state = document.documentElement?.dataset.stashState;
    if (state && seen.at(-1) !== state) {
      seen.push(state);
      sessionStorage.setItem("witness", JSON.stringify(seen));
    }
  };
  const watch = () => new MutationObserver(note).observe(document.documentElement, { attributes: true });
  document.documentElement ? watch() : addEventListener("DOMContentLoaded", watch);
})();
"""


class Fleet:
    """Generations of one application.

    Attributes:
        port: where it is served, all the time.
        current: the newest process.
        logs: the files that the processes write to, oldest first.
        environment: of the processes that are started from now on.
    """

    def __init__(self, app: str, folder: Path, listener: socket.socket, environment: dict[str, str]) -> None:
        self.port = listener.getsockname()[1]
        self.logs: list[Path] = []
        self._app = app
        self._folder = folder
        self._listener = listener
        self.environment = environment
        self._stack = AsyncExitStack()
        self._old: list[Server] = []
        self.current: Server | None = None

    async def succeed(self) -> Server | None:
        """Start the next process, and return the one that was current, which goes on."""
        old, self.current = self.current, await self._start()
        return old

    async def deploy(self) -> None:
        """Roll: the new process is ready before the old one is told to leave; returns when that one has left."""
        old = await self.succeed()
        if old is not None:
            old.signal(signal.SIGTERM)
            if await old.exited() != 0:
                raise RuntimeError(f"the old process did not leave well:\n{old.log}")

    async def kill(self) -> None:
        """Crash: the process and its worker are gone without a word, then another is started."""
        if self.current is not None:
            self.current.signal_group(signal.SIGKILL)
        self.current = await self._start()

    async def current_log(self, text: str) -> None:
        """Wait until the newest process has logged this."""
        if self.current is not None:
            await self.current.logs(text)

    async def _start(self) -> Server:
        log = self._folder / f"server-{len(self.logs) + 1}.log"
        self.logs.append(log)
        return await self._stack.enter_async_context(
            serving(
                HYPERCORN,
                log,
                listener=self._listener,
                app=self._app,
                options=("--graceful-timeout", "12"),
                environment=self.environment,
            )
        )

    @property
    def log(self) -> str:
        """Everything that every process has written."""
        return "".join(path.read_text(errors="replace") for path in self.logs)

    async def end(self) -> None:
        """End every process."""
        await self._stack.aclose()


@asynccontextmanager
async def fleet(app: str, folder: Path, **environment: str) -> AsyncIterator[Fleet]:
    """A served application; all its processes share a secret key."""
    with listening() as listener:
        one = Fleet(app, folder, listener, {"QUART_SECRET_KEY": secrets.token_urlsafe(32), **environment})
        try:
            await one.deploy()
            yield one
        finally:
            await one.end()


@asynccontextmanager
async def browsing(command: str | Path = CHROMIUM) -> AsyncIterator[Browser]:
    """A fresh Chromium; or what another command starts."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=command, args=FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


async def open_tab(browser: Browser, url: str, errors: list[str]) -> Page:
    """Open a tab with storage and witness of its own; errors in its page are added to the list."""
    page = await (await browser.new_context()).new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    await page.add_init_script(WITNESS)
    await page.goto(url)
    return page


@asynccontextmanager
async def tab(url: str) -> AsyncIterator[Page]:
    """A tab of a fresh browser on this page; any error in the page fails the test."""
    errors: list[str] = []
    async with browsing() as browser:
        yield await open_tab(browser, url, errors)
    if errors:
        raise AssertionError(f"errors in the page: {errors}")


async def connected(page: Page) -> None:
    """Wait until the view is connected."""
    await page.wait_for_selector("html[data-stash-state=connected]", state="attached", timeout=30_000)


async def witnessed(page: Page) -> list[str]:
    """Return the states that the page has shown, without repetitions."""
    states: list[str] = await page.evaluate("JSON.parse(sessionStorage.getItem('witness') ?? '[]')")
    return states
