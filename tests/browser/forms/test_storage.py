"""Storage that is blocked, full or private: what is written and said lives in memory, and is stored once that works again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.engines import ENGINES, Browser, Settings
from tests.browser.note import noting, say, sees, write
from tests.browser.tab import Tab

THROWS = """
for (const name of ["sessionStorage", "localStorage"])
  Object.defineProperty(window, name, { get() { throw new DOMException("blocked", "SecurityError"); } });
"""
REFUSES = """
for (const name of ["getItem", "setItem", "removeItem", "key"])
  Storage.prototype[name] = () => { throw new DOMException("blocked", "SecurityError"); };
"""
LISTEN = """
window.heard = [];
for (const level of ["error", "warn"]) console[level] = (...words) => heard.push(words.join(" "));
"""
COOKIES = {
    "chromium": Settings(preferences={"profile.default_content_setting_values.cookies": 2}),
    "firefox": Settings(preferences={"network.cookie.cookieBehavior": 2}),
}
PRIVATE = {
    "chromium": Settings(flags=("--incognito",)),
    "firefox": Settings(preferences={"browser.privatebrowsing.autostart": True}),
    "webkit": Settings(flags=("--private",)),
}

# Leaves no room at all: storage takes what is left in ever smaller pieces.
FILL = """
for (let size = 1 << 22, count = 0; size > 0; )
  try { sessionStorage.setItem(`fill-${(count += 1)}`, "x".repeat(size)); } catch { size >>= 1; }
"""
LONG = "longer than all that makes room for it " * 200
PASTE = """
const note = document.getElementById("note");
note.value = arguments[0];
note.dispatchEvent(new InputEvent("input", { bubbles: true }));
"""
ROOM = "for (const key of Object.keys(sessionStorage)) if (key.startsWith('fill-')) sessionStorage.removeItem(key)"
STORED = "Object.keys(sessionStorage).filter((key) => key.includes(a[0])).length"
HELD = "Object.entries(sessionStorage).some(([key, item]) => key.includes(a[0]) && item.includes(a[1]))"


@pytest.fixture
def unusual(request: pytest.FixtureRequest) -> Iterator[Tab]:
    """A tab of a browser with settings of its own."""
    engine, settings = request.param
    browser = Browser(engine, settings)
    try:
        with browser.tab() as tab:
            yield tab
    finally:
        browser.end()


async def lives_in_memory(tab: Tab, folder: Path, before: str = "") -> None:
    """Write, talk, replace the server, and come back to the page; not a word of it in the console."""
    async with noting(tab, folder, before=LISTEN + before) as servers:
        write(tab, "half a")
        say(tab, "one")
        sees(tab, "half a", "one")
        await servers.kill()
        sees(tab, "half a", "one")
        tab.wait_for("document.getElementById('state').textContent.includes('half a')")
        write(tab, " sentence")
        say(tab, "two")
        await servers.deploy()
        sees(tab, "half a sentence", "one", "two")
        # As when it is left for the browser's cache and comes back.
        for event in ("pagehide", "pageshow"):
            tab.run(f"dispatchEvent(new PageTransitionEvent('{event}', {{ persisted: true }}))")
        say(tab, "three")
        sees(tab, "half a sentence", "one", "two", "three")
        assert tab.evaluate("heard") == []


@pytest.mark.parametrize("before", [THROWS, REFUSES], ids=["throws", "refuses"])
async def test_blocked(before: str, tab: Tab, tmp_path: Path) -> None:
    """Without storage the note and the view live through restarts of the server, and nobody complains."""
    await lives_in_memory(tab, tmp_path, before)


@pytest.mark.parametrize("unusual", COOKIES.items(), ids=COOKIES, indirect=True)
async def test_cookies_blocked(unusual: Tab, tmp_path: Path) -> None:
    """Without cookies, and thus without storage, it is the same, and what is written still reaches the view."""
    await lives_in_memory(unusual, tmp_path)


@pytest.mark.parametrize(
    "unusual",
    [("firefox", Settings(preferences={"dom.storage.enabled": False}))],
    ids=["firefox"],
    indirect=True,
)
async def test_absent(unusual: Tab, tmp_path: Path) -> None:
    """Where storage is not even there, it is the same."""
    await lives_in_memory(unusual, tmp_path)


@pytest.mark.parametrize("unusual", PRIVATE.items(), ids=PRIVATE, indirect=True)
async def test_private_window(unusual: Tab, tmp_path: Path) -> None:
    """In a private window everything is as usual."""
    async with noting(unusual, tmp_path) as servers:
        write(unusual, "half a")
        say(unusual, "one")
        unusual.reload()
        sees(unusual, "half a", "one")
        await servers.kill()
        say(unusual, "two")
        sees(unusual, "half a", "one", "two")


async def test_full(tab: Tab, tmp_path: Path) -> None:
    """What storage has no room for is not left there stale: it lives in memory, and is stored once there is room."""
    async with noting(tab, tmp_path) as servers:
        write(tab, "half a")
        say(tab, "one")
        tab.wait_for(f"{STORED} === 1", ":form:note")
        tab.run(FILL)
        write(tab, " sentence")
        tab.run(PASTE, LONG)
        say(tab, LONG)
        tab.wait_for(f"!{HELD}", ":form:note", "half a")
        assert tab.evaluate(STORED, "|view:") == 0
        await servers.kill()
        sees(tab, LONG, "one", LONG)
        tab.run(ROOM)
        tab.reload()
        sees(tab, LONG, "one", LONG)


def test_every_engine() -> None:
    """A private window is tried in each engine, and blocked cookies where a preference blocks them."""
    assert set(PRIVATE) == set(ENGINES)
