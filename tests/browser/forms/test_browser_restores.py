"""Back and forward, where browsers put back what was typed by themselves, or the whole page from their cache."""

from __future__ import annotations

from typing import Literal

import pytest

from tests.browser.engines import SECRET
from tests.browser.forms.page import BEGIN, FormPage, in_form

FOREIGN = "forms.start({ foreign: true }); forms.restore();"


def test_back_to_the_page_as_it_was(page: FormPage) -> None:
    """A page that the browser has kept goes on where it was, and what is typed from then on is stashed with the rest."""
    page.open('<input name="a"><input name="b">')
    page.fill("[name=a]", "mine")
    page.serve(in_form('<input name="a" value="new"><input name="b">'))
    page.come_back()
    assert page.value("[name=a]") == "mine"
    page.fill("[name=b]", "more")
    assert page.pairs() == {"f": [["a", "mine"], ["b", "more"]]}
    page.reload()
    assert page.evaluate("conflicts.map((c) => [c.base, c.theirs])") == [[[""], ["new"]]]
    assert page.pairs() == {"f": [["a", "mine"], ["b", "more"]]}


def test_back(page: FormPage) -> None:
    """What the browser puts back on going back is the user's, with the right base."""
    page.open('<input name="a" value="base"><input type="checkbox" name="c">')
    page.fill("[name=a]", "mine")
    page.check("[name=c]")
    page.serve(in_form('<input name="a" value="new"><input type="checkbox" name="c">'))
    page.come_back_anew()
    assert [page.value("[name=a]"), page.checked("[name=c]")] == ["mine", True]
    assert page.pairs() == {"f": [["a", "mine"], ["c", "on"]]}
    assert page.evaluate("conflicts.map((c) => [c.base, c.theirs])") == [[["base"], ["new"]]]


def test_back_before_start(page: FormPage) -> None:
    """What the browser put back before the script started is compared like any other stash."""
    page.open('<input name="a" value="base">')
    page.fill("[name=a]", "mine")
    page.serve(in_form('<input name="a" value="new">'), script="")
    page.come_back_anew()
    if page.browser.engine != "webkit":  # which keeps nothing of a page that it does not keep as it was
        page.wait_for("document.forms[0].a.value === 'mine'")
    page.run(BEGIN)
    assert page.told() == [["f", "a", "conflict", "kept mine"]]
    assert page.evaluate("conflicts.map((c) => [c.base, c.theirs])") == [[["base"], ["new"]]]


def test_back_theirs(page: FormPage) -> None:
    """The browser does not undo a conflict that was decided for the page's value."""
    page.open('<input name="a" value="base">')
    page.fill("[name=a]", "mine")
    page.serve(in_form('<input name="a" value="new" data-stash-conflict="theirs">'))
    page.come_back_anew()
    assert page.value("[name=a]") == "new"
    assert page.pairs() == {}


def test_back_without_stash(page: FormPage) -> None:
    """What only the browser had kept is adopted as the user's, though it comes without an event."""
    page.open('<input name="a">')
    page.fill("[name=a]", "mine")
    page.run("forms.stop(); addEventListener('pagehide', () => sessionStorage.clear())")
    page.serve(in_form('<input name="a">'), script="forms.start({ kept: false }); forms.restore();")
    page.come_back_anew()
    if page.browser.engine == "webkit":  # which keeps nothing of a page that it does not keep as it was
        assert page.value("[name=a]") == ""
        assert page.pairs() == {}
    else:
        assert page.value("[name=a]") == "mine"
        assert page.pairs() == {"f": [["a", "mine"]]}


CLEARED = """
const [page, [form]] = [await import("/js/forms/entry.js"), JSON.parse(sessionStorage.getItem("forms"))];
const key = `form:${form}`;
sessionStorage.setItem(key, JSON.stringify(page.dealtWith(JSON.parse(sessionStorage.getItem(key)))));
"""
"""What the page that answers a post does, when it says that the form has been dealt with."""


def test_back_to_what_was_dealt_with(page: FormPage) -> None:
    """What has been dealt with stays where the browser puts it back if the page is no newer, and is stashed nowhere."""
    page.open('<input name="a" value="base"><input name="b">')
    page.fill("[name=a]", "mine")
    page.fill("[name=b]", "mine")
    page.serve(page.site.body.replace('name="b"', 'name="b" value="newer"'))
    page.come_back_anew(meanwhile=CLEARED)
    assert page.value("[name=b]") == "newer"
    kept = page.browser.engine != "webkit"  # which keeps nothing of a page that it does not keep as it was
    assert page.value("[name=a]") == ("mine" if kept else "base")
    assert page.pairs() == {}
    assert "mine" not in page.stored()
    page.press("End", "!", on="[name=a]")
    assert page.pairs() == {"f": [["a", "mine!" if kept else "base!"]]}


def test_back_to_the_page_as_it_was_dealt_with(page: FormPage) -> None:
    """A page that the browser has kept drops what has been dealt with meanwhile, and goes on from there."""
    revived = "addEventListener('pageshow', ({ persisted }) => persisted && forms.revive());"
    page.open('<input name="a" value="base"><input name="b">', script=revived + BEGIN)
    page.fill("[name=a]", "mine")
    page.come_back(meanwhile=CLEARED)
    assert page.value("[name=a]") == "mine"
    if page.browser.engine == "firefox":
        # It shows such a page storage as that was; but it keeps no page with a lock or a socket, as ours are.
        assert page.evaluate("JSON.parse(sessionStorage.getItem('form:f')).fields.length") == 1
        return
    assert page.pairs() == {}
    assert "mine" not in page.stored()
    page.fill("[name=a]", "base")
    assert page.pairs() == {"f": [["a", "base"]]}


def test_foreign(page: FormPage) -> None:
    """What the browser puts back of another user is taken out, and not a letter of it goes up."""
    page.open('<input name="a">')
    page.fill("[name=a]", SECRET)
    page.run(
        "forms.forget(); forms.flush = () => {}; addEventListener('pagehide', () => sessionStorage.clear())"
    )
    page.serve(page.site.body, script=FOREIGN)
    page.come_back_anew()
    assert page.value("[name=a]") == ""
    assert page.pairs() == {}


def test_typed_while_loading(page: FormPage) -> None:
    """Text typed while the page is loading is not lost to what the browser puts back then."""
    page.open('<input name="a">')
    page.fill("[name=a]", "old")
    page.serve(page.site.body + '<link rel="stylesheet" href="/held.css" media="print">')
    page.come_back_anew(until="window.ready")
    page.press("End", on="[name=a]")
    page.type(" and new")
    page.run("document.forms[0].a.setSelectionRange(4, 7)")
    assert page.evaluate("document.readyState") == "interactive"
    page.site.held.set()
    page.wait_for("document.readyState === 'complete'")
    page.evaluate("new Promise((done) => setTimeout(done))")
    assert page.value("[name=a]") == "old and new"
    assert page.evaluate("[document.activeElement.selectionStart, document.activeElement.selectionEnd]") == [
        4,
        7,
    ]
    assert page.pairs() == {"f": [["a", "old and new"]]}


@pytest.mark.parametrize("way", ["reload", "refresh", "back"])
def test_rows(page: FormPage, way: Literal["reload", "refresh", "back"]) -> None:
    """What the browser puts back by place comes into no other row: the stash knows whose it is."""

    def listed(*keys: int) -> str:
        row = '<li data-stash-key="{0}"><input name="row"><input type="checkbox" name="box"></li>'
        return in_form(f"<ol>{''.join(row.format(key) for key in keys)}</ol>")

    rows = """
    [...document.querySelectorAll("li")]
      .map(({ dataset, children: [text, box] }) => `${dataset.stashKey} ${text.value} ${box.checked ? "on" : ""}`)
    """
    page.open_body(listed(1, 2))
    page.fill("li:first-child [name=row]", "one")
    page.check("li:first-child [name=box]")
    for keys, seen in {
        (2, 3): ["2  ", "3  "],
        (3, 1, 2): ["3  ", "1 one on", "2  "],
        (1,): ["1 one on"],
    }.items():
        page.serve(listed(*keys))
        if way == "back":
            page.come_back_anew()
        else:
            page.reload(way)
        assert page.evaluate(rows) == seen
        pairs = page.pairs()["f"]
        assert sorted(pair for pair in pairs if pair[1]) == [["box", "on"], ["row", "one"]]
    assert page.conflicts() == []


def test_no_draft_without_the_user(page: FormPage) -> None:
    """What the browser has put back, and the stash does not know, is no draft until the user works on it."""
    page.open('<input name="a"><input name="b">')
    page.run("document.forms[0].a.value = 'set'")
    page.reload()
    assert page.pairs() == {}
    shown = page.value("[name=a]")
    page.press("End", "!", on="[name=a]")
    assert page.pairs() == {"f": [["a", f"{shown}!"]]}
    page.open('<input name="a"><input name="b">')
    assert page.value("[name=a]") == f"{shown}!"
    assert page.conflicts() == []
