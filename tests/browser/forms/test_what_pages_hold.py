"""What pages put into forms, and what becomes of a view: half an emoji, a picture of megabytes, a view that is dead."""

from __future__ import annotations

from pathlib import Path

from tests.browser.forms.test_submit import heard, mounted, said, saves, served, stored
from tests.browser.tab import Tab

CUT = """
const [selector, text] = arguments;
const field = document.querySelector(selector);
field.value = text.slice(0, -1);
field.dispatchEvent(new InputEvent("input", { bubbles: true }));
"""
PICTURE = """
document.querySelector("[data-stash=bio]").innerHTML = `<b>text</b><img alt="" src="data:,${"x".repeat(6_000_000)}">`;
document.querySelector("[data-stash=bio]").dispatchEvent(new InputEvent("input", { bubbles: true }));
"""
LISTEN = """
window.said = [];
console.error = (...words) => said.push(words.join(" "));
window.oversize = [];
socket.addEventListener("oversize", ({ detail: { what, form, field } }) => oversize.push([what, form, field]));
"""
FACE = "\N{GRINNING FACE}"


async def test_half_an_emoji(tab: Tab, tmp_path: Path) -> None:
    """A field that a script has cut in the middle of an emoji is stashed, goes up, is submitted and dealt with like any other."""
    async with served(tab, tmp_path):
        mounted(tab)
        tab.run(CUT, "[name=name]", f"half {FACE}")
        tab.run(CUT, "#offline [name=name]", FACE)
        tab.run("document.querySelector('#login [name=user]').name = 'user\\ud83d'")
        tab.run(CUT, "#login input", f"me {FACE}")
        assert "half " in stored(tab)
        tab.reload()
        mounted(tab)
        assert tab.evaluate("document.getElementById('profile').name.value.length") == 6
        assert tab.evaluate("document.documentElement.dataset.stashState") == "connected"
        tab.click("#profile button")
        said(tab, ["profile", [["name", "half \ufffd"], ["letter", "yes"], ["how", "now"], ["bio", ""]]])
        assert saves(tmp_path) == ["half \ufffd"]
        tab.reload()
        mounted(tab)
        # Firefox puts half an emoji back, as it stood there: to a server it is the same.
        assert tab.evaluate("document.getElementById('profile').name.value.toWellFormed()") == "half \ufffd"
        assert heard(tab, "conflict") == []


async def test_one_huge_field(tab: Tab, tmp_path: Path) -> None:
    """A picture of six megabytes leaves the other fields in storage and in the mount, and the page hears of it alone."""
    async with served(tab, tmp_path) as servers:
        mounted(tab)
        tab.run(LISTEN)
        tab.fill("[name=name]", "Ada")
        tab.run(PICTURE)
        tab.run("socket.flush()")
        tab.wait_for("oversize.length > 0")
        tab.run("socket.flush()")
        assert tab.evaluate("oversize") == [["storage", "profile", "bio"]]
        await servers.kill()
        tab.wait_for("oversize.length > 1")
        assert tab.evaluate("oversize[1]") == ["forms", "profile", "bio"]
        mounted(tab)
        tab.reload()
        mounted(tab)
        assert tab.value("[name=name]") == "Ada"


async def test_a_dead_view(tab: Tab, tmp_path: Path) -> None:
    """A view that has ended for good says so in the console, for styles, and to everybody; a page that is loaded anew goes on."""
    async with served(tab, tmp_path):
        mounted(tab)
        tab.run(LISTEN)
        tab.run("document.body.append(document.createElement('stash-status'))")
        tab.fill("[name=name]", "Ada")
        tab.run(
            "const { send } = WebSocket.prototype; WebSocket.prototype.send = function () { send.call(this, '{}'); }"
        )
        tab.run("socket.send('anything')")
        tab.wait_for("document.documentElement.dataset.stashState === 'closed'")
        words = "This page is no longer connected. Please reload it."
        tab.wait_for("document.querySelector('stash-status').textContent === a[0]", words)
        (told,) = tab.evaluate("said")
        assert "/live has ended, and the page is to be loaded anew: a malformed control frame" in told
        tab.reload()
        mounted(tab)
        assert tab.value("[name=name]") == "Ada"
