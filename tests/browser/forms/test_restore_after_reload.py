"""What was typed is there again after the page has been loaded anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.engines import SECRET
from tests.browser.forms.page import BEGIN, FormPage
from tests.browser.tab import RELOADS, Reload

ALL_KINDS = """
<input name="text"><textarea name="area"></textarea>
<select name="one"><option>a<option>b</select>
<select name="many" multiple><option>a<option>b<option>c</select>
<input type="checkbox" name="single"><input type="checkbox" name="group" value="x" checked>
<input type="checkbox" name="group" value="y"><input type="checkbox" name="group" value="z">
<input type="radio" name="pick" value="r1" checked><input type="radio" name="pick" value="r2">
<input type="number" name="num"><input type="date" name="day"><input type="range" name="slide">
<input name="untouched" value="as rendered">
"""

FILLED = [
    ["text", "hello"], ["area", "two\nlines"], ["one", "b"], ["many", "a"], ["many", "c"], ["single", "on"],
    ["group", "z"], ["pick", "r2"], ["num", "12"], ["day", "2024-02-29"], ["slide", "70"],
]  # fmt: skip
POSTED = [[name, text.replace("\n", "\r\n")] for name, text in FILLED]
"""What goes up, with the line breaks of a post."""


def fill_all_kinds(page: FormPage) -> None:
    page.fill("[name=text]", "hello")
    page.fill("[name=area]", "two\nlines")
    page.select("[name=one]", "b")
    page.select("[name=many]", "a", "c")
    page.check("[name=single]")
    page.check("[name=group][value=z]")
    page.uncheck("[name=group][value=x]")
    page.check("[value=r2]")
    page.fill("[name=num]", "12")
    page.fill("[name=day]", "2024-02-29")
    page.fill("[name=slide]", "70")


def test_every_kind(page: FormPage) -> None:
    """Every kind of control is carried over a reload, and only what was touched goes up."""
    page.open(ALL_KINDS)
    assert page.pairs() == {}
    fill_all_kinds(page)
    assert page.pairs() == {"f": POSTED}
    page.open(ALL_KINDS)
    assert sorted(page.submission()) == sorted([*FILLED, ["untouched", "as rendered"]])
    assert page.pairs() == {"f": POSTED}
    assert {outcome for _, _, outcome, _ in page.told()} == {"restored"}


@pytest.mark.parametrize("how", RELOADS)
def test_reload(page: FormPage, how: Reload) -> None:
    """The browser's own reload, after which some browsers put back what was typed by themselves, restores the same."""
    page.open(ALL_KINDS)
    fill_all_kinds(page)
    for _ in range(2):
        page.reload(how)
        assert sorted(page.submission()) == sorted([*FILLED, ["untouched", "as rendered"]])
        assert page.pairs() == {"f": POSTED}


def test_events(page: FormPage) -> None:
    """Restored fields fire input and change, marked as the library's, and untouched ones fire none."""
    fields = '<input name="a"><input name="b"><input type="radio" name="c" value="1">'
    page.open(fields)
    page.fill("[name=a]", "x")
    page.check("[name=c]")
    page.open(fields)
    assert page.evaluate("fired") == ["input a", "change a", "input c", "change c"]


def test_outside_control(page: FormPage) -> None:
    """A control outside the form that points at it with form= belongs to it."""
    html = '<form id="x" data-stash="f"></form><input name="out" form="x"><input name="other">'
    page.open_body(html)
    page.fill("[name=out]", "mine")
    page.fill("[name=other]", "none of ours")
    assert page.pairs() == {"f": [["out", "mine"]]}
    page.open_body(html)
    assert page.value("[name=out]") == "mine"
    assert page.value("[name=other]") == ""


def test_forms_apart(page: FormPage) -> None:
    """Forms are kept apart by name, or by id if that is empty; unmarked forms are left alone."""
    html = (
        '<form data-stash="a"><input name="x" class="a"></form>'
        '<form data-stash id="b"><input name="x" class="b"></form>'
        '<form><input name="x" class="c"></form>'
    )
    page.open_body(html)
    for name in "abc":
        page.fill(f".{name}", name)
    assert page.pairs() == {"a": [["x", "a"]], "b": [["x", "b"]]}
    page.open_body(html)
    assert [page.value(f".{name}") for name in "abc"] == ["a", "b", ""]


def test_rows(page: FormPage) -> None:
    """Rows of one name are told apart, and a missing row is not put into another."""
    row = '<input name="row">'
    page.open(row * 3)
    page.fill("input:nth-of-type(3)", "third")
    page.open(row * 2)
    assert [page.value(f"input:nth-of-type({i})") for i in (1, 2)] == ["", ""]
    assert page.told() == [["f", "row", "pending", "not in the page"]]
    page.run("document.forms[0].insertAdjacentHTML('beforeend', '<input name=row>')")
    assert page.value("input:nth-of-type(3)") == "third"


def test_undone(page: FormPage) -> None:
    """A field that is put back to what was rendered is not dirty any more."""
    page.open('<input name="a" value="x">')
    page.fill("[name=a]", "y")
    page.run("forms.flush()")
    page.fill("[name=a]", "x")
    page.run("forms.flush()")
    assert page.pairs() == {}
    assert page.evaluate("sessionStorage.length") == 0


def test_frameworks_notice(page: FormPage) -> None:
    """A framework that puts its own accessor on a field takes our write for the user's."""
    page.open('<input name="a">')
    page.fill("[name=a]", "x")
    tracker = """
    const field = document.forms[0].a;
    const native = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value");
    let own = "";
    Object.defineProperty(field, "value", { configurable: true,
      get() { return native.get.call(this); },
      set(value) { own = value; native.set.call(this, value); },
    });
    window.seen = [];
    field.addEventListener("input", () => { if (field.value !== own) seen.push(own = field.value); });
    """
    page.open('<input name="a">', script=tracker + BEGIN)
    assert page.evaluate("seen") == ["x"]


def test_late_listener(page: FormPage) -> None:
    """What a restore at the page's start has to tell waits for the first listener."""
    page.open('<input name="a">')
    page.fill("[name=a]", "x")
    script = """
    forms.stop();
    const later = createForms({ root: document, storage, now: () => Date.now() });
    later.start(); later.restore();
    window.late = [];
    later.addEventListener("restored", (event) => late.push(event.detail));
    """
    page.open('<input name="a">', script=script)
    expected = {"form": "f", "field": "a", "outcome": "restored", "why": ""}
    assert page.evaluate("late") == [expected]
    page.run("document.forms[0].innerHTML = '<input name=a>'")
    assert page.evaluate("late") == [expected, expected]


def test_file(page: FormPage, tmp_path: Path) -> None:
    """A file is never kept; that there was one is told, so that it can be chosen again."""
    path = tmp_path / f"{SECRET}.txt"
    path.write_text("x")
    page.open('<input type="file" name="doc">')
    page.choose_file("[name=doc]", path)
    assert page.pairs() == {"f": []}
    page.open('<input type="file" name="doc">')
    assert page.told() == [["f", "doc", "skipped", "choose the file again"]]


def test_page_sets_without_event(page: FormPage) -> None:
    """A field that the page's script empties after sending is not stashed with its old text."""
    page.open('<input name="chat">')
    page.fill("[name=chat]", "sent already")
    page.run("forms.flush()")
    page.run("document.forms[0].chat.value = ''")
    assert page.pairs() == {}
