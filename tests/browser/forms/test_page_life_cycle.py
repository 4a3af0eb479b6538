"""What happens to a page while somebody writes in it: nothing of the note is lost, nothing said is said twice."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.browser.note import address, is_marked, is_stored, is_synced, mark, noting, say, sees, write
from tests.browser.powers import discard, frozen
from tests.browser.tab import RELOADS, Reload, Tab

# What a page stores in its last moments, it does not store in a crash.
MORTAL = """
for (const name of ["setItem", "removeItem"]) {
  const real = Storage.prototype[name];
  Storage.prototype[name] = function (...a) { if (!window.dead) real.apply(this, a); };
}
"""


def was_cached(tab: Tab) -> bool:
    """Whether a page of ours comes out of this browser's cache: Firefox decides while it has still a socket or a lock."""
    return tab.browser.engine != "firefox"


@pytest.mark.parametrize("how", RELOADS)
async def test_reload(tab: Tab, tmp_path: Path, how: Reload) -> None:
    """A reload in mid-sentence keeps the note, and the view with what was said right before it."""
    async with noting(tab, tmp_path):
        write(tab, "half a")
        say(tab, "one")
        tab.reload(how)
        sees(tab, "half a", "one")
        write(tab, " sentence")
        say(tab, "two")
        tab.reload(how)
        sees(tab, "half a sentence", "one", "two")


async def test_back_and_forward(tab: Tab, tmp_path: Path) -> None:
    """Each history entry has its note and its view, and they are alive: written in, talked to, handed over, stashed."""
    async with noting(tab, tmp_path) as servers:
        mark(tab)
        write(tab, "half a")
        say(tab, "one")
        tab.goto(address(servers, "?other"))
        sees(tab, "")
        write(tab, "another")
        say(tab, "elsewhere")
        tab.back()
        sees(tab, "half a", "one")
        assert is_marked(tab) == was_cached(tab)
        write(tab, " sentence")
        say(tab, "two")
        sees(tab, "half a sentence", "one", "two")
        await servers.deploy()
        say(tab, "three")
        sees(tab, "half a sentence", "one", "two", "three")
        tab.forward()
        sees(tab, "another", "elsewhere")
        tab.back()
        tab.reload()
        sees(tab, "half a sentence", "one", "two", "three")


async def test_server_replaced_while_page_is_cached(tab: Tab, tmp_path: Path) -> None:
    """What was said right before the page was left reaches the process that comes after a crash, once."""
    async with noting(tab, tmp_path) as servers:
        write(tab, "half a")
        say(tab, "one", "two")
        tab.goto(address(servers, "form"))
        await servers.kill()
        tab.back()
        sees(tab, "half a", "one", "two")
        say(tab, "three")
        sees(tab, "half a", "one", "two", "three")


async def test_form_without_socket(tab: Tab, tmp_path: Path) -> None:
    """A page without a socket goes on stashing when it is come back to."""
    async with noting(tab, tmp_path) as servers:
        tab.goto(address(servers, "form"))
        mark(tab)
        write(tab, "half a")
        tab.goto(address(servers, "form?other"))
        tab.back()
        assert is_marked(tab) == was_cached(tab)
        assert tab.value("#note") == "half a"
        write(tab, " sentence")
        tab.reload()
        assert tab.value("#note") == "half a sentence"
        tab.forward()
        assert tab.value("#note") == ""


async def test_beforeunload_cancelled(tab: Tab, tmp_path: Path) -> None:
    """A page that was about to be left, and was not, goes on: its socket, its note, its stash."""
    async with noting(tab, tmp_path) as servers:
        write(tab, "half a")
        say(tab, "one")
        tab.run("addEventListener('beforeunload', () => (window.asked = true))")
        tab.run("location.href = arguments[0]", address(servers, "nothing"))
        tab.wait_for("window.asked")
        write(tab, " sentence")
        say(tab, "two")
        sees(tab, "half a sentence", "one", "two")
        tab.reload()
        sees(tab, "half a sentence", "one", "two")


async def test_died_without_a_word(tab: Tab, tmp_path: Path) -> None:
    """A page that crashes has lost nothing that was said, and of the note what is a second old at the most."""
    async with noting(tab, tmp_path, before=MORTAL):
        write(tab, "half a")
        is_stored(tab, "half a")
        say(tab, "one", "two")
        tab.run("window.dead = true")
        tab.reload()
        sees(tab, "half a", "one", "two")


@pytest.mark.parametrize("browser", ["chromium", "firefox"], indirect=True)
async def test_discarded(tab: Tab, tmp_path: Path) -> None:
    """A tab that the browser has thrown away is as it was when it is looked at again."""
    async with noting(tab, tmp_path) as servers:
        mark(tab)
        write(tab, "half a")
        say(tab, "one")
        tab = discard(tab)
        sees(tab, "half a", "one")
        assert not is_marked(tab)
        write(tab, " sentence")
        say(tab, "two")
        await servers.deploy()
        sees(tab, "half a sentence", "one", "two")


async def test_frozen_while_server_dies(tab: Tab, tmp_path: Path) -> None:
    """A frozen page finds out, when it is thawed, that its server is another one, and goes on."""
    async with noting(tab, tmp_path) as servers:
        write(tab, "half a")
        say(tab, "one")
        is_synced(tab)
        with frozen(tab):
            await servers.kill()
        write(tab, " sentence")
        say(tab, "two")
        sees(tab, "half a sentence", "one", "two")
        assert tab.evaluate("socket.stats.mounts") == 2


async def test_frozen_for_longer_than_a_token_lives(tab: Tab, tmp_path: Path) -> None:
    """A phone that was locked for too long: the view is a fresh one, and the page is told; the note is all there."""
    async with noting(tab, tmp_path) as servers:
        write(tab, "half a")
        say(tab, "one")
        is_synced(tab)
        with frozen(tab):
            servers.environment["QUART_STASH_TOKEN_MAX_AGE"] = "0.001"
            await servers.kill()
        sees(tab, "half a")
        assert tab.evaluate("socket.stats.status") == "rejected"
        write(tab, " sentence")
        say(tab, "two")
        sees(tab, "half a sentence", "two")
        tab.wait_for("document.getElementById('state').textContent.includes('half a')")


async def test_offline(tab: Tab, tmp_path: Path) -> None:
    """Without a server the page is told, and works on: what was written and said meanwhile is there when it is back."""
    async with noting(tab, tmp_path) as servers:
        write(tab, "half a")
        say(tab, "one")
        assert servers.current is not None
        servers.current.signal_group(signal.SIGKILL)
        tab.wait_for("document.documentElement.dataset.stashState === 'reconnecting'")
        write(tab, " sentence")
        say(tab, "two", "three")
        await servers.succeed()
        tab.run("dispatchEvent(new Event('online'))")
        sees(tab, "half a sentence", "one", "two", "three")
        tab.reload()
        sees(tab, "half a sentence", "one", "two", "three")
