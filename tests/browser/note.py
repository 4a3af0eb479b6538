"""The page of `apps/login.py` in a tab: a note that is being written, and a view that keeps what was said to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.browser.fleet import Fleet, fleet
from tests.browser.site import NOTE_ERRORS
from tests.browser.tab import Tab

APP = "tests.browser.apps.login"

SEEN = """
document.documentElement.dataset.stashState === "connected" && JSON.stringify([...a]) === JSON.stringify([
  document.getElementById("note").value, ...JSON.parse(document.getElementById("state").textContent).said,
])
"""


@asynccontextmanager
async def noting(tab: Tab, folder: Path, *, before: str = "", **environment: str) -> AsyncIterator[Fleet]:
    """Serve the application, and open its page as Ada.

    Args:
        tab: where.
        folder: for the logs.
        before: a script that runs in the page before any other.
        **environment: of the processes.
    """
    async with fleet(APP, folder, BEFORE=NOTE_ERRORS + before, **environment) as servers:
        tab.goto(address(servers, "as/ada"))
        sees(tab, "")
        yield servers


def address(servers: Fleet, path: str = "") -> str:
    """Return the URL of a page."""
    return f"http://127.0.0.1:{servers.port}/{path}"


def sees(tab: Tab, note: str, *said: str) -> None:
    """Wait until this is what stands in the note, and exactly this is what the connected view has been told."""
    tab.wait_for(SEEN, note, *said)


def write(tab: Tab, text: str) -> None:
    """Write at the note's end."""
    tab.focus("#note")
    tab.press("End")
    tab.type(text)


def say(tab: Tab, *messages: str) -> None:
    """Tell the view something."""
    for message in messages:
        tab.run("socket.send(arguments[0])", message)


def is_synced(tab: Tab) -> None:
    """Wait until a token covers everything that was said."""
    tab.wait_for("socket.stats.sent > 0 && socket.stats.received === socket.stats.sent")


def is_stored(tab: Tab, text: str) -> None:
    """Wait until this stands in the tab's storage."""
    tab.wait_for("JSON.stringify(Object.values(sessionStorage)).includes(a[0])", text)


def mark(tab: Tab) -> None:
    """Mark this very document."""
    tab.run("window.marked = true")


def is_marked(tab: Tab) -> bool:
    """Whether it is the document that was marked: it has not been loaded anew."""
    return bool(tab.evaluate("window.marked === true"))
