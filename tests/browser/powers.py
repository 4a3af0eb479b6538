"""What a browser does to its tabs, by itself or when its user asks it to: duplicates, discards and freezes them."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from selenium import webdriver

from tests.browser.engines import EXTENSION
from tests.browser.tab import LOADED, Tab

TABS = """
const [url, action, done] = arguments;
chrome.tabs.query({}).then(async (tabs) => {
  const [{ id }] = tabs.filter((tab) => tab.url === url);
  const tab = await chrome.tabs[action](id);
  if (action === "discard") await chrome.tabs.update(tab.id, { active: true });
}).then(() => done(null), (error) => done(String(error)));
"""

FIREFOX = {
    "duplicate": "const done = arguments[0]; gBrowser.duplicateTab(gBrowser.selectedTab); done();",
    # What it does itself when memory is short. A tab that is looked at is spared.
    "discard": """
const [done] = arguments;
(async () => {
  const tab = gBrowser.selectedTab;
  const other = gBrowser.selectedTab = gBrowser.addTrustedTab("about:blank");
  await gBrowser.prepareDiscardBrowser(tab);
  const discarded = gBrowser.discardBrowser(tab, true);
  gBrowser.selectedTab = tab;
  gBrowser.removeTab(other);
  return discarded ? null : "not discarded";
})().then(done, (error) => done(String(error)));
""",
    "process": "arguments[0](gBrowser.selectedBrowser.browsingContext.currentWindowGlobal.osPid);",
}


def duplicate(tab: Tab) -> Tab:
    """Duplicate a tab, as its menu does: with its history and its storage."""
    if tab.browser.engine == "webkit":
        # It has no such entry in its menu. What a copy is made of is the same: storage, and the history entry.
        copy = tab.duplicate("/favicon.ico")
        copy.run("history.replaceState(opener.history.state, '', arguments[0])", tab.url)
        copy.reload()
        return copy
    return _asking(tab, "duplicate")


def discard(tab: Tab) -> Tab:
    """Discard a tab that nobody looks at, and look at it again. Not in WebKit, where it would end the driver's session."""
    return _asking(tab, "discard")


@contextmanager
def frozen(tab: Tab) -> Iterator[None]:
    """Freeze a page, as a browser does with one that nobody looks at, or a phone that is locked; thaw it at the end."""
    if tab.browser.engine == "chromium":
        _lifecycle(tab, "frozen")
        yield
        _lifecycle(tab, "active")
        return
    # The others do that to the process.
    processes = [_firefox(tab, FIREFOX["process"])] if tab.browser.engine == "firefox" else _webkit(tab)
    try:
        for pid in processes:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in processes:
            os.kill(pid, signal.SIGCONT)


def _asking(tab: Tab, action: str) -> Tab:
    url = tab.url
    if tab.browser.engine == "firefox":
        return _appearing(tab, lambda: _firefox(tab, FIREFOX[action]), same=action == "discard")
    digest = hashlib.sha256(str(EXTENSION).encode()).hexdigest()[:32]
    name = digest.translate(str.maketrans("0123456789abcdef", "abcdefghijklmnop"))
    menu = tab.new_tab(f"chrome-extension://{name}/page.html")
    try:
        return menu.appearing(lambda: _told(menu.driver.execute_async_script(TABS, url, action)))
    finally:
        menu.close()


def _appearing(tab: Tab, action: Callable[[], object], *, same: bool) -> Tab:
    if not same:
        return tab.appearing(action)
    action()
    # What was under its handle is gone.
    tab.browser.looking_at = None
    tab.wait_for(LOADED)
    return tab


def _firefox(tab: Tab, script: str) -> Any:
    """Run a script in the browser's own window."""
    driver = tab.driver
    assert isinstance(driver, webdriver.Firefox)
    with driver.context("chrome"):
        return _told(driver.execute_async_script(script))


def _told(answer: Any) -> Any:
    if isinstance(answer, str):
        raise RuntimeError(answer)
    return answer


def _lifecycle(tab: Tab, state: str) -> None:
    tab.driver.execute("executeCdpCommand", {"cmd": "Page.setWebLifecycleState", "params": {"state": state}})


def _webkit(tab: Tab) -> list[int]:
    """Return the processes that pages run in."""
    listing = subprocess.run(
        ["ps", "-o", "pid=,comm=", "-s", str(tab.browser.pid)], check=True, capture_output=True, text=True
    )
    return [int(line.split()[0]) for line in listing.stdout.splitlines() if "WebKitWebProc" in line]
