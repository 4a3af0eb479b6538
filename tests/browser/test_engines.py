"""The three engines as tests drive them: what a user does has the events that it has in life."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.engines import SECRET, TROUBLE, Browser
from tests.browser.site import Site
from tests.browser.tab import Tab

RECORD = """
window.seen = [];
for (const type of ["keydown", "beforeinput", "input", "change", "click"])
  addEventListener(type, ({ target, isTrusted }) => seen.push([type, target.name, isTrusted]), true);
"""


def test_keys(tab: Tab, site: Site) -> None:
    """Text is typed with trusted key events, at the caret, over a selection, with chords."""
    site.body, site.script = '<input name="a" value="x"><textarea name="b"></textarea>', RECORD
    tab.goto(site.url)
    tab.type("y", into="[name=a]")
    tab.press("Tab")
    tab.type("one\ntwo")
    assert tab.evaluate("seen.slice(0, 3)") == [[t, "a", True] for t in ("keydown", "beforeinput", "input")]
    assert ["change", "a", True] in tab.evaluate("seen")
    assert tab.value("[name=b]") == "one\ntwo"
    tab.press("Shift+ArrowLeft", "Shift+ArrowLeft")
    tab.type("en")
    assert tab.value("[name=b]") == "one\nten"
    tab.fill("[name=b]", "Größe 5 + 1")
    assert tab.value("[name=b]") == "Größe 5 + 1"
    tab.fill("[name=b]", "")
    assert tab.value("[name=b]") == ""


def test_choices(tab: Tab, site: Site) -> None:
    """What can be clicked and chosen is, with its events."""
    site.script = RECORD
    site.body = """
    <input type="checkbox" name="box"><select name="one"><option>a<option>b</select>
    <select name="many" multiple><option>a<option>b<option>c</select><input type="date" name="day">
    """
    tab.goto(site.url)
    tab.check("[name=box]")
    tab.check("[name=box]")
    tab.select("[name=one]", "b")
    tab.select("[name=many]", "a", "b")
    tab.select("[name=many]", "b", "c")
    tab.fill("[name=day]", "2024-02-29")
    assert tab.checked("[name=box]")
    assert [tab.value(f"[name={name}]") for name in ("one", "day")] == ["b", "2024-02-29"]
    assert tab.evaluate("[...document.querySelector('[name=many]').selectedOptions].map((o) => o.text)") == [
        "b",
        "c",
    ]
    changed = {name for event, name, _ in tab.evaluate("seen") if event == "change"}
    assert changed == {"box", "one", "many", "day"}
    tab.uncheck("[name=box]")
    assert not tab.checked("[name=box]")


def test_history(tab: Tab, site: Site) -> None:
    """The tab's history is gone through, with one sessionStorage, which a window that is opened from it copies."""
    tab.goto(site.url)
    tab.run("sessionStorage.setItem('k', 'v')")
    tab.goto(site.url + "other")
    tab.back()
    assert tab.url == site.url
    tab.forward()
    assert tab.url == site.url + "other"
    tab.reload()
    # Firefox copies what the page has looked at.
    assert tab.evaluate("sessionStorage.getItem('k')") == "v"
    copy = tab.duplicate()
    assert copy.evaluate("sessionStorage.getItem('k')") == "v"
    assert tab.new_tab(site.url).evaluate("sessionStorage.getItem('k')") is None
    copy.close()
    assert tab.evaluate("await new Promise((done) => setTimeout(done, 0, 7))") == 7


def test_focus_in_each_window(tab: Tab, site: Site) -> None:
    """Each of two windows has its focus, and takes keys."""
    site.body = '<input name="a">'
    tab.goto(site.url)
    copy = tab.duplicate()
    tab.type("first", into="[name=a]")
    copy.type("second", into="[name=a]")
    tab.type("!")
    assert [tab.value("[name=a]"), copy.value("[name=a]")] == ["first!", "second"]


def test_screenshot(tab: Tab, site: Site, tmp_path: Path) -> None:
    """A picture can be taken."""
    tab.goto(site.url)
    tab.screenshot(tmp_path / "seen.png")
    assert (tmp_path / "seen.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("area", ["sessionStorage", "localStorage"])
def test_stored_secret_is_found(browser: Browser, site: Site, area: str) -> None:
    """A test in which any window stores a secret, be it as it is left, fails, and leaves nothing to the next one."""
    for when in ("{}", "addEventListener('pagehide', () => {}, {{ once: true }})"):
        with pytest.raises(AssertionError, match="a secret was stored"), browser.tab() as tab:
            tab.goto(site.url)
            tab.duplicate().run(when.format(f"{area}.setItem('k', '{SECRET}')"))
    with browser.tab() as tab:
        tab.goto(site.url)
        assert SECRET not in tab.storage()
        assert len(tab.driver.window_handles) == 1


def test_errors_are_found(browser: Browser, site: Site) -> None:
    """A test that leaves an error in its page fails, unless it has taken it."""
    site.script = "setTimeout(() => { window.late = true; throw new Error('broken'); });"
    with browser.tab() as tab:
        tab.goto(site.url)
        tab.wait_for("window.late")
        assert tab.errors() == ["broken"]
    with pytest.raises(AssertionError, match="broken"), browser.tab() as tab:
        tab.goto(site.url)
        tab.wait_for("window.late")


def test_broken_browser_is_replaced(browser: Browser, site: Site) -> None:
    """A browser that a test has killed is another one for the next test."""
    with pytest.raises(TROUBLE), browser.tab() as tab:
        tab.goto(site.url)
        browser.kill()
    with browser.tab() as tab:
        tab.goto(site.url)
        assert tab.url == site.url
