"""Tabs of one browser: a copy of a tab goes its own way, and nobody gets what another user has left in one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.note import address, is_stored, is_synced, noting, say, sees, write
from tests.browser.powers import duplicate
from tests.browser.tab import Tab

LOCKS = {"locks": "", "channel": "delete Navigator.prototype.locks;"}
"""How a tab finds out whether it is a copy: as everywhere, and as on plain HTTP, where there are no locks."""

BUSY = """
(function work(left) {
  for (const start = performance.now(); performance.now() - start < 600;);
  if (left > 0) setTimeout(work, 5, left - 1);
})(20);
"""
"""A page that takes 600 ms to answer anybody, for a while."""


@pytest.mark.parametrize("before", LOCKS.values(), ids=LOCKS)
async def test_duplicated_tab(before: str, tab: Tab, tmp_path: Path) -> None:
    """A copy has all that its original had, is told nothing twice, and from then on neither disturbs the other."""
    async with noting(tab, tmp_path, before=before) as servers:
        write(tab, "half a")
        say(tab, "one")
        is_synced(tab)
        is_stored(tab, "half a")
        copy = duplicate(tab)
        sees(copy, "half a", "one")
        write(copy, " page")
        say(copy, "copied")
        write(tab, " sentence")
        say(tab, "two")
        sees(copy, "half a page", "one", "copied")
        sees(tab, "half a sentence", "one", "two")
        await servers.deploy()
        for one in (tab, copy):
            one.reload()
        sees(copy, "half a page", "one", "copied")
        sees(tab, "half a sentence", "one", "two")


@pytest.mark.parametrize("before", LOCKS.values(), ids=LOCKS)
async def test_duplicated_with_messages_in_hand(before: str, tab: Tab, tmp_path: Path) -> None:
    """What was said and not yet processed when a tab was duplicated is its original's to say: it is processed once."""
    async with noting(tab, tmp_path, before=before, QUART_STASH_SYNC_INTERVAL="3600") as servers:
        write(tab, "half a")
        say(tab, "one", "two")
        is_stored(tab, "half a")
        copy = duplicate(tab)
        sees(copy, "half a")
        await servers.kill()
        sees(copy, "half a")
        sees(tab, "half a", "one", "two")
        copy.reload()
        sees(copy, "half a")
        tab.reload()
        sees(tab, "half a", "one", "two")


@pytest.mark.parametrize("before", LOCKS.values(), ids=LOCKS)
async def test_duplicated_while_busy(before: str, tab: Tab, tmp_path: Path) -> None:
    """A copy does not say what its original still has to say, though that is too busy to answer it in time."""
    async with noting(tab, tmp_path, before=before, QUART_STASH_SYNC_INTERVAL="3600") as servers:
        say(tab, "one", "two")
        sees(tab, "", "one", "two")
        tab.run(f"setTimeout(() => {{ {BUSY} }})")
        copy = duplicate(tab)
        copy.wait_for("socket.stats.mounts === 1")
        copy.reload()
        sees(copy, "")
        await servers.kill()
        sees(copy, "")
        sees(tab, "", "one", "two")


async def test_copy_outlives_its_original(tab: Tab, tmp_path: Path) -> None:
    """A copy stays one when its original has gone, over reloads and a crash of the server."""
    async with noting(tab, tmp_path, QUART_STASH_SYNC_INTERVAL="3600") as servers:
        say(tab, "one")
        copy = duplicate(tab)
        sees(copy, "")
        tab.goto(address(servers, "form"))
        say(copy, "copied")
        copy.reload()
        sees(copy, "", "copied")
        await servers.kill()
        tab.back()
        sees(tab, "", "one")
        sees(copy, "", "copied")


async def test_opened_window(tab: Tab, tmp_path: Path) -> None:
    """A window that the page opens is a fresh visit, though it has a copy of the storage, and disturbs nobody."""
    async with noting(tab, tmp_path):
        write(tab, "half a")
        say(tab, "one")
        is_stored(tab, "half a")
        opened = tab.duplicate()
        sees(opened, "")
        write(opened, "anew")
        say(opened, "opened")
        say(tab, "two")
        for one in (opened, tab):
            one.reload()
        sees(opened, "anew", "opened")
        sees(tab, "half a", "one", "two")


@pytest.mark.parametrize("path", ["as/bob", "out", "as/bob?fresh"])
async def test_another_user_while_page_is_cached(path: str, tab: Tab, tmp_path: Path) -> None:
    """When a page comes back after its user has gone, in this tab or another, nothing of theirs is shown or sent."""
    async with noting(tab, tmp_path) as servers:
        write(tab, "A's letters")
        say(tab, "A said this")
        is_synced(tab)
        tab.goto(address(servers, "form"))
        elsewhere = tab.new_tab(address(servers, path))
        sees(elsewhere, "")
        tab.back()
        tab.wait_for("document.getElementById('user').textContent !== 'ada'")
        sees(tab, "")
        say(tab, "somebody else was here")
        sees(tab, "", "somebody else was here")
        assert "A's letters" not in tab.storage()
        assert "A's letters" not in servers.log


async def test_another_user_in_a_visible_tab(tab: Tab, tmp_path: Path) -> None:
    """Of a page that stands open while somebody else logs in elsewhere, nothing reaches their view at the next restart."""
    async with noting(tab, tmp_path) as servers:
        write(tab, "A's letters")
        say(tab, "A said this")
        is_synced(tab)
        elsewhere = tab.new_tab(address(servers, "as/bob"))
        sees(elsewhere, "")
        await servers.deploy()
        tab.wait_for("socket.stats.mounts === 2")
        tab.wait_for("JSON.parse(document.getElementById('state').textContent).said.length === 0")
        assert "A's" not in tab.evaluate("document.getElementById('state').textContent")
        tab.reload()
        sees(tab, "")
