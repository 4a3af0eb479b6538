"""Rendering by morph leaves alone what is the user's, and takes the rest from the page."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.tab import Tab

Open = Callable[..., None]


def render(tab: Tab, html: str) -> None:
    """Render the form anew, as a view does that sends HTML."""
    tab.run("morph(document.forms[0], arguments[0])", f'<form data-stash="f">{html}</form>')


def shown(tab: Tab) -> object:
    """What a submission would carry."""
    return tab.evaluate("[...new FormData(document.forms[0])]")


class TestTheUsers:
    def test_typed(self, tab: Tab, open_page: Open) -> None:
        """What was typed stays; what the page says of it is told as a conflict; untouched fields are the page's."""
        open_page('<input name="a" value="x"><input name="b" value="x"><textarea name="t">x</textarea>')
        tab.fill("[name=a]", "mine")
        tab.fill("[name=t]", "my text")
        render(
            tab,
            '<h1>new</h1><input name="a" value="y"><input name="b" value="y"><textarea name="t">y</textarea>',
        )
        assert shown(tab) == [["a", "mine"], ["b", "y"], ["t", "my text"]]
        assert tab.evaluate("conflicts.map(({ field, base, theirs }) => [field, ...base, ...theirs])") == [
            ["a", "x", "y"],
            ["t", "x", "y"],
        ]
        assert tab.evaluate("document.querySelector('h1').textContent") == "new"

    def test_policy(self, tab: Tab, open_page: Open) -> None:
        """With data-stash-conflict="theirs" the page's new value is shown, once the field is not worked in."""
        html = '<input name="a" value="{}" data-stash-conflict="theirs"><input name="b">'
        open_page(html.format("x"))
        tab.fill("[name=a]", "mine")
        render(tab, html.format("y"))
        assert tab.value("[name=a]") == "mine", "it has the focus"
        tab.focus("[name=b]")
        render(tab, html.format("z"))
        assert tab.value("[name=a]") == "z"

    def test_chosen(self, tab: Tab, open_page: Open) -> None:
        """Checkboxes, radios and selects keep what was chosen, by value, when their options come and go."""
        open_page(
            '<input type="checkbox" name="c" value="1"><input type="checkbox" name="c" value="2">'
            '<input type="radio" name="r" value="1" checked><input type="radio" name="r" value="2">'
            '<select name="s"><option>a<option>b</select><select name="m" multiple><option>a<option>b<option>c</select>'
        )
        tab.check("[name=c][value='2']")
        tab.check("[name=r][value='2']")
        tab.select("[name=s]", "b")
        tab.select("[name=m]", "a", "c")
        chosen = shown(tab)
        render(
            tab,
            '<input type="checkbox" name="c" value="0"><input type="checkbox" name="c" value="2">'
            '<input type="radio" name="r" value="2"><input type="radio" name="r" value="1" checked>'
            '<select name="s"><option>z<option>y<option>a<option>b</select>'
            '<select name="m" multiple><option>c<option>b<option>a</select>',
        )
        assert sorted(shown(tab)) == sorted(chosen)  # type: ignore[arg-type, call-overload]
        assert tab.evaluate("conflicts") == []

    def test_option_gone(self, tab: Tab, open_page: Open) -> None:
        """A choice whose option has gone waits for it."""
        open_page('<select name="s"><option>a<option>b</select>')
        tab.select("[name=s]", "b")
        render(tab, '<select name="s"><option>a<option>c</select>')
        assert tab.value("[name=s]") == "a"
        render(tab, '<select name="s"><option>a<option>c<option>b</select>')
        assert tab.value("[name=s]") == "b"

    def test_unfinished_number(self, tab: Tab, open_page: Open) -> None:
        """A number that is not one yet is not wiped out."""
        open_page('<input type="number" name="n"><input name="b">')
        tab.type("12e", into="[name=n]")
        tab.focus("[name=b]")
        render(tab, '<p>new</p><input type="number" name="n" value="5"><input name="b">')
        assert tab.evaluate("document.forms[0].n.validity.badInput") is True

    def test_opened(self, tab: Tab, open_page: Open) -> None:
        """What the user has opened stays open, and its text is rendered."""
        html = '<details data-stash="d"><summary id="s">more</summary>{}</details>'
        open_page(html.format("one"))
        tab.click("#s")
        render(tab, html.format("two"))
        assert tab.evaluate("document.querySelector('details').open") is True
        assert "two" in tab.evaluate("document.querySelector('details').textContent")

    def test_password(self, tab: Tab, open_page: Open) -> None:
        """A password that somebody types survives, and is gone once the form has been dealt with."""
        html = '<p>{}</p><input type="password" name="p"><input name="a">'
        open_page(html.format(0))
        tab.type("S3CRET", into="[name=p]")
        tab.focus("[name=a]")
        render(tab, html.format(1))
        assert tab.value("[name=p]") == "S3CRET"
        tab.run("forms.clear('f')")
        render(tab, html.format(2))
        assert tab.value("[name=p]") == ""

    def test_cleared(self, tab: Tab, open_page: Open) -> None:
        """A form that has been dealt with takes what the page renders."""
        open_page('<input name="a"><input type="checkbox" name="c">')
        tab.fill("[name=a]", "sent")
        tab.check("[name=c]")
        tab.run("forms.clear('f'); document.activeElement.blur()")
        render(tab, '<input name="a"><input type="checkbox" name="c">')
        assert shown(tab) == [["a", ""]]


class TestFocus:
    @pytest.mark.parametrize("where", ["before", "after"])
    def test_rows(self, tab: Tab, open_page: Open, where: str) -> None:
        """Focus, caret and text stay in their row when others are removed, added and moved, without an id anywhere."""

        def rows(*keys: str) -> str:
            row = '<li data-stash-key="{0}"><label>{0} <input name="city"></label></li>'
            return f"<ol>{''.join(row.format(key) for key in keys)}</ol>"

        open_page(rows("1", "2", "3"))
        for number, text in enumerate(("one", "two", "three"), start=1):
            tab.type(text, into=f"[data-stash-key='{number}'] input")
        tab.run(
            "const field = document.querySelector('[data-stash-key=\"2\"] input'); field.focus(); field.setSelectionRange(1, 2)"
        )
        render(tab, rows("3", "2", "4") if where == "before" else rows("2", "4", "3"))
        tab.type("W")
        assert tab.evaluate("document.activeElement.closest('li').dataset.stashKey") == "2"
        values = "Object.fromEntries([...document.querySelectorAll('li')].map((li) => [li.dataset.stashKey, li.querySelector('input').value]))"
        assert tab.evaluate(values) == {"2": "tWo", "3": "three", "4": ""}
        assert sorted(tab.evaluate("forms.pairs()")["f"]) == [["city", "tWo"], ["city", "three"]]
        assert tab.evaluate("told.filter(([, , outcome]) => outcome === 'skipped')") == [
            ["f", "city", "skipped", "removed"]
        ]
        assert tab.evaluate("document.querySelector('[id^=quart-stash]')") is None

    def test_select(self, tab: Tab, open_page: Open) -> None:
        """A select that is being used keeps focus and choice while its options are rendered anew."""
        open_page('<select name="s"><option>a<option>b<option>c</select>')
        tab.press("ArrowDown", on="[name=s]")
        render(tab, '<p>new</p><select name="s"><option>z<option selected>a<option>b<option>c</select>')
        assert tab.value("[name=s]") == "b"
        assert tab.evaluate("document.activeElement.name") == "s"

    def test_contenteditable(self, tab: Tab, open_page: Open) -> None:
        """Who writes in an editable part goes on writing where they are."""
        html = '<p>{0}</p><div contenteditable data-stash="n" id="n"><p>{1}</p></div>'
        open_page(html.format("a", "text"))
        tab.click("#n p")
        tab.press("Home")
        tab.type("my ")
        render(tab, html.format("b", "theirs"))
        tab.type("own ")
        assert tab.evaluate("n.textContent") == "my own text"
        assert tab.evaluate("conflicts.map(({ kept }) => kept)") == ["mine"]


def test_inside(tab: Tab, open_page: Open) -> None:
    """With `style: "innerHTML"` what is in the target is rendered, and the target stays."""
    open_page('<div id="d"><input name="a"></div>')
    tab.type("x", into="[name=a]")
    tab.run("morph(d, '<h2>new</h2><input name=a>', { style: 'innerHTML' })")
    assert shown(tab) == [["a", "x"]]
    assert tab.evaluate("d.firstChild.localName") == "h2"


def test_given_idiomorph(tab: Tab, open_page: Open) -> None:
    """A page that has an idiomorph hands it in, and nodes instead of text where it must not parse any."""
    open_page('<input name="a">')
    script = """
    const form = document.forms[0].cloneNode(true);
    let calls = 0;
    const idiomorph = { morph: (old, nodes, config) => { calls += nodes.length; } };
    morph(document.forms[0], form, { idiomorph });
    window.calls = calls;
    """
    tab.run(script)
    assert tab.evaluate("calls") == 1
