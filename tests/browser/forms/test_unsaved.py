"""Where the user's work stands: what they have typed is unsaved until the server has dealt with it, and a guard asks for what would be lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser.accessibility import violations
from tests.browser.fleet import fleet
from tests.browser.forms.page import BEGIN, FormPage
from tests.browser.forms.test_accessibility import HEAR, outage
from tests.browser.forms.test_storage import THROWS
from tests.browser.note import address, noting, write
from tests.browser.tab import Tab

PART = '<div contenteditable data-stash="part" style="min-height: 1em">said</div>'
FIELDS: dict[str, tuple[str, Callable[[FormPage], None]]] = {
    "text": ('<input name="a" value="said">', lambda page: page.fill("[name=a]", "typed")),
    "box": ('<input type="checkbox" name="a" checked>', lambda page: page.click("[name=a]")),
    "select": (
        '<select name="a"><option>one<option>two</select>',
        lambda page: page.select("[name=a]", "two"),
    ),
    "part": (PART, lambda page: page.type("typed", into="[data-stash=part]")),
}
"""Fields, and what a user does to each."""

OTHERS = """
<form data-stash="f"><input name="a"><input name="pin" type="password"><input name="b" data-stash="off"></form>
<details id="more" data-stash="more"><summary>More</summary>text</details>
<div id="long" data-stash="long" style="height: 4em; overflow: scroll"><div style="height: 90em"></div></div>
"""
# Storage as an area is that has no room, or lives in memory.
KEEPS_NOTHING = "storage.set = () => false;" + BEGIN
ANSWERS = "window.answers = []; forms.addEventListener('changed', () => answers.push(forms.isUnsaved()));"


def unsaved(page: Tab) -> bool:
    found: bool = page.evaluate("forms.isUnsaved()")
    return found


def exposed(page: Tab) -> bool:
    found: bool = page.evaluate("forms.isExposed()")
    return found


@pytest.mark.parametrize("kind", FIELDS)
def test_a_field(kind: str, page: FormPage) -> None:
    """What is typed or chosen is unsaved at once, and over a reload, until it is cleared; or what the server renders."""
    field, change = FIELDS[kind]
    page.open(field, script=ANSWERS + BEGIN)
    assert not unsaved(page)
    page.run("forms.flush(); answers.length = 0")
    change(page)
    page.wait_for("answers.includes(true)")
    assert unsaved(page)
    assert page.evaluate("forms.flush(), forms.isUnsaved()")
    page.open(field, script=ANSWERS + BEGIN)
    assert unsaved(page)
    page.run("forms.pairs(); forms.note()")
    assert unsaved(page), (
        "what went up with a mount, or stood there as a message was sent, nobody has dealt with"
    )
    assert page.evaluate("(answers.length = 0, forms.clear('f'), answers)") == [False]
    assert not unsaved(page)


def test_what_the_server_renders_is_saved(page: FormPage) -> None:
    """A field that the server renders as the user has left it holds nothing that the server does not know."""
    page.open('<input name="a"><input name="b">')
    page.fill("[name=a]", "typed")
    page.fill("[name=b]", "typed")
    for value, is_saved in {"a": False, "b": True}.items():
        page.run(f"document.forms[0].{value}.setAttribute('value', 'typed')")
        page.wait_for(f"(forms.flush(), forms.isUnsaved()) === {str(not is_saved).lower()}")
    page.run("document.forms[0].b.setAttribute('value', 'somebody else')")
    page.wait_for("conflicts.length === 1")
    assert unsaved(page)


def test_taken_back(page: FormPage) -> None:
    """What the user takes back, or resets, is nothing any more."""
    page.open('<input name="a" value="x">')
    page.press("End", "y", on="[name=a]")
    assert unsaved(page)
    page.press("Backspace")
    page.run("forms.flush()")
    assert not unsaved(page)
    page.press("y")
    page.run("document.forms[0].reset()")
    page.wait_for("!forms.isUnsaved()")


def test_a_submit(page: FormPage) -> None:
    """A submitted form is unsaved until it is cleared: the server may refuse it. What is typed since is unsaved after that."""
    page.open('<input name="a"><input name="b">')
    page.fill("[name=a]", "one")
    page.run("forms.submit('f', ['live', 1])")
    assert unsaved(page)
    page.fill("[name=b]", "since")
    page.run("forms.clear('f')")
    assert unsaved(page)
    page.fill("[name=b]", "")
    page.run("forms.flush()")
    assert not unsaved(page)


def test_what_is_no_work(page: FormPage) -> None:
    """What is opened, scrolled, or never stashed is nothing to save; nor is what stands in a row that the page has removed."""
    page.open_body(OTHERS)
    page.click("#more summary")
    page.run("long.scrollTop = 50; long.dispatchEvent(new Event('scroll'))")
    page.fill("[name=pin]", "S3CRET")
    page.fill("[name=b]", "for the script")
    page.run("forms.flush()")
    assert not unsaved(page)
    page.open(
        '<ul id="l"><li data-stash-key="1"><input name="r"><li data-stash-key="2"><input name="r"></ul>'
    )
    page.fill("li:last-child input", "typed")
    assert unsaved(page)
    page.run("document.querySelector('li:last-child').remove()")
    page.wait_for("!forms.isUnsaved()")


def test_a_chosen_file(page: FormPage, tmp_path: Path) -> None:
    """A chosen file is unsaved in the page in which it was chosen; it is lost with that, and to be chosen again."""
    (tmp_path / "file").write_text("content")
    page.open('<input type="file" name="a">')
    page.choose_file("[name=a]", tmp_path / "file")
    assert unsaved(page)
    page.run("forms.flush()")
    assert unsaved(page)
    page.open('<input type="file" name="a">')
    assert not unsaved(page)


def test_exposed(page: FormPage) -> None:
    """What storage holds would not be lost with the page; what it does not hold would, unless the browser is posting it."""
    page.open('<input name="a">')
    page.fill("[name=a]", "typed")
    assert not exposed(page)
    page.open_body(
        '<iframe name="away"></iframe><form data-stash="f" action="/other" target="away"><input name="a"></form>',
        script=KEEPS_NOTHING,
    )
    assert not exposed(page)
    page.fill("[name=a]", "something else")
    assert exposed(page)
    page.run(
        "addEventListener('submit', (event) => event.preventDefault(), { once: true }); document.forms[0].requestSubmit()"
    )
    assert exposed(page), "a script has taken it over"
    page.run("document.forms[0].requestSubmit()")
    assert not exposed(page)
    page.type("more", into="[name=a]")
    assert exposed(page)
    page.run("forms.clear('f')")
    assert not exposed(page)


# On a page that is served.

GUARD = """
import("/_stash/quart-stash.js").then(({ StashSocket }) => {
  window.guarded = new StashSocket("/live", { guard: true, name: "guarded" });
  // After the guard's, so that it sees what the browser sees.
  addEventListener("beforeunload", (event) => (window.asked = event.defaultPrevented));
  return true;
})
"""
WORDS = {"unsaved": "Unsaved changes", "saved": "All changes saved"}
SPEAK = "for (const [name, text] of Object.entries(arguments[0])) document.querySelector('stash-status').setAttribute(name, text)"
# A token covers all messages, and the work is unsaved nevertheless.
REFUSED = """
import(document.querySelector("script[src*=profile]").src)
  .then(({ socket: { stats, unsaved } }) => stats.sent === stats.received && unsaved)
"""
PROCESSED = "+processed.value > 0 && processed.value === sent.value"


def asks(tab: Tab) -> bool:
    """Whether the browser would ask its user: an attempt to leave for what leaves it where it is."""
    tab.run("delete window.asked; location.href = '/nothing'")
    tab.wait_for("window.asked !== undefined")
    found: bool = tab.evaluate("window.asked")
    return found


def would_ask(tab: Tab) -> bool:
    """The same where there is no server to leave for, of which a driver would wait to hear."""
    found: bool = tab.evaluate("!dispatchEvent(new Event('beforeunload', { cancelable: true }))")
    return found


async def test_guard(tab: Tab, tmp_path: Path) -> None:
    """The browser asks for a secret that waits for a connection, and for nothing that storage holds."""
    async with noting(tab, tmp_path) as servers:
        assert tab.evaluate(GUARD)
        tab.wait_for("guarded.stats.state === 'live'")
        write(tab, "half a")
        assert tab.evaluate("guarded.unsaved")
        assert not would_ask(tab)
        outage(servers)
        tab.wait_for("guarded.stats.state === 'waiting'")
        tab.run("guarded.send('a message')")
        assert not would_ask(tab)
        tab.run("guarded.send('a secret', { secret: true })")
        assert would_ask(tab)
        await servers.succeed()
        tab.wait_for("guarded.stats.sent === 2 && guarded.stats.received === 2")
        assert not would_ask(tab)


async def test_guard_without_storage(tab: Tab, tmp_path: Path) -> None:
    """Where storage is blocked, the browser asks for a note that is half written, until it is written back."""
    async with noting(tab, tmp_path, before=THROWS):
        assert tab.evaluate(GUARD)
        tab.wait_for("guarded.stats.state === 'live'")
        assert not asks(tab)
        write(tab, "h")
        assert asks(tab)
        tab.press("Backspace")
        assert not asks(tab)


def said_of_work(tab: Tab, *news: str) -> None:
    """Wait until the page has said this of the work, whatever it said of the connection in between."""
    heard = "heard.filter((text) => a[0].includes(text)).filter((text, at, all) => text !== all[at - 1])"
    words = [WORDS[name] for name in news]
    tab.wait_for(f"JSON.stringify({heard}) === JSON.stringify(a[1])", list(WORDS.values()), words)


async def test_it_is_said(tab: Tab, tmp_path: Path) -> None:
    """The page says that work is unsaved over a deploy, and after a refusal, and that it is saved once the server has taken it."""
    environment = {"QUART_DATABASE": str(tmp_path / "profile.sqlite3")}
    async with fleet("examples.profile.app", tmp_path, **environment) as servers:
        tab.goto(address(servers))
        tab.wait_for("document.documentElement.dataset.stashState === 'connected'")
        tab.run(SPEAK, WORDS)
        tab.run(HEAR)
        tab.fill("#name", "Ada Lovelace")
        tab.fill("#email", "ada@example.org")
        said_of_work(tab, "unsaved")
        await servers.deploy()
        tab.wait_for(PROCESSED)
        tab.click("#save")
        said_of_work(tab, "unsaved", "saved")
        tab.fill("#email", "nobody")
        tab.click("#save")
        tab.wait_for(f"{PROCESSED} && document.querySelector('[data-error=email]').textContent")
        tab.wait_for(REFUSED)
        said_of_work(tab, "unsaved", "saved", "unsaved")
        assert violations(tab) == []
