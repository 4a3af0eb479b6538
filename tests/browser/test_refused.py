"""A page whose log-in has expired: it is told, logs in again, and goes on where it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.fleet import Fleet, fleet
from tests.browser.note import address, is_synced, say, sees, write
from tests.browser.tab import PATIENCE, Tab

APP = "tests.browser.apps.expiring"


async def expires(tab: Tab, servers: Fleet) -> None:
    """Let the log-in expire, and the connection be lost."""
    tab.evaluate("fetch('/expire').then(() => true)")
    await servers.kill()
    # After an outage, attempts are up to five seconds apart, and three of them count.
    tab.wait_for("document.documentElement.dataset.stashState === 'refused'", patience=4 * PATIENCE)


@pytest.mark.parametrize("login", ["quart-auth", "session"])
async def test_log_in_again(tab: Tab, tmp_path: Path, login: str) -> None:
    """Once logged in again, in another tab or in its own, the page has note, view and queue, and nothing is lost."""
    async with fleet(APP, tmp_path, LOGIN=login) as servers:
        tab.goto(address(servers))
        tab.click("#in")
        sees(tab, "")
        write(tab, "half a")
        say(tab, "one")
        is_synced(tab)
        await expires(tab, servers)
        assert tab.evaluate("heard.join()") == "disconnected,refused"
        assert tab.evaluate("document.querySelector('stash-status').textContent") == "You are logged out."
        write(tab, " sentence")
        say(tab, "two")
        other = tab.appearing(lambda: tab.click("#again"))
        other.click("#in")
        sees(tab, "half a sentence", "one", "two")
        assert tab.evaluate("heard.join()") == "disconnected,refused,reconnected"
        other.close()
        if tab.browser.engine == "webkit":
            return  # It does not tell which entries its history has.
        is_synced(tab)
        await expires(tab, servers)
        say(tab, "three")
        tab.run("location.replace('/login?next=/')")
        tab.wait_for("document.getElementById('in')")
        tab.click("#in")
        sees(tab, "half a sentence", "one", "two", "three")
