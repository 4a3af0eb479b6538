"""The control that somebody works in is left alone, and what was typed early is not overwritten."""

from __future__ import annotations

import json

import pytest

from tests.browser.forms.page import BEGIN, FormPage

SELECTION = "[document.activeElement.name, document.activeElement.selectionStart, document.activeElement.selectionEnd]"


def test_focused_and_edited(page: FormPage) -> None:
    """The focused control, once edited, keeps value and selection over a restore and a conflict."""
    page.open('<input name="a"><input name="b">')
    page.fill("[name=a]", "old text")
    page.fill("[name=b]", "other")
    page.open('<input name="a" data-stash-conflict="theirs"><input name="b">', script="forms.start();")
    page.type("new text", into="[name=a]")
    page.run("document.forms[0].a.setSelectionRange(2, 5)")
    page.run("forms.restore()")
    page.run("document.forms[0].a.setAttribute('value', 'theirs')")
    assert page.value("[name=a]") == "new text"
    assert page.evaluate(SELECTION) == ["a", 2, 5]
    assert page.value("[name=b]") == "other"
    assert page.pairs() == {"f": [["a", "new text"], ["b", "other"]]}


def test_autofocus(page: FormPage) -> None:
    """A field that only has the focus, as by autofocus, is restored."""
    page.open('<input name="a" autofocus>')
    page.fill("[name=a]", "mine")
    page.open('<input name="a" autofocus>', script="document.forms[0].a.focus();" + BEGIN)
    assert page.evaluate("document.activeElement.name") == "a"
    assert page.value("[name=a]") == "mine"


@pytest.mark.parametrize("kind", ["select", "checkbox", "radio"])
def test_focused_choice(page: FormPage, kind: str) -> None:
    """A focused select, checkbox or radio that was worked in is left alone, whatever the page renders."""
    html = {
        "select": '<select name="a" data-stash-conflict="theirs"><option>1<option>2<option>3</select>',
        "checkbox": '<input type="checkbox" name="a" value="2" data-stash-conflict="theirs">',
        "radio": '<input type="radio" name="a" value="1" data-stash-conflict="theirs">'
        '<input type="radio" name="a" value="2">',
    }[kind]
    page.open(html)
    page.press("ArrowDown" if kind != "checkbox" else "Space", on="[name=a]")
    before = page.pairs()
    if kind == "select":
        page.run("document.forms[0].a.options[2].setAttribute('selected', '')")
    else:
        page.run("document.querySelector('[name=a]').setAttribute('checked', '')")
    assert page.submission() == before["f"] == [["a", "2"]]


def test_unfinished_number(page: FormPage) -> None:
    """A number that is not one yet is not wiped out, and the last good value is kept."""
    page.open('<input type="number" name="n"><input name="b">')
    page.type("12", into="[name=n]")
    assert page.pairs() == {"f": [["n", "12"]]}
    page.type("e")
    page.focus("[name=b]")
    page.run("document.forms[0].n.setAttribute('max', '9'); document.forms[0].n.setAttribute('value', '5')")
    assert page.evaluate("document.forms[0].n.validity.badInput")
    assert page.pairs() == {"f": [["n", "12"]]}


def test_rendered_anew(page: FormPage) -> None:
    """When the page replaces a form that somebody types in, text, focus and selection come over."""
    html = '<input name="a"><textarea name="t"></textarea>'
    page.open(html)
    page.type("hello world", into="[name=t]")
    page.run("document.forms[0].t.setSelectionRange(3, 5)")
    page.run(f"document.forms[0].innerHTML = {json.dumps(html)}")
    page.type("LO")
    assert page.value("[name=t]") == "helLO world"
    assert page.evaluate(SELECTION) == ["t", 5, 5]


def test_rendered_anew_with_theirs(page: FormPage) -> None:
    """Whoever types is not disturbed by a form that is replaced, where the server wins conflicts: before they have left."""
    html = '<input name="a" value="{}" data-stash-conflict="theirs">'
    page.open(html.format("x"))
    page.fill("[name=a]", "mine")
    page.run("document.forms[0].innerHTML = arguments[0]", html.format("y"))
    page.type("!")
    assert page.value("[name=a]") == "mine!"
    page.run("document.activeElement.blur()")
    page.wait_for("document.forms[0].a.value === 'y'")


@pytest.mark.parametrize("how", ["morph", "innerHTML"])
def test_taken_back(page: FormPage, how: str) -> None:
    """Who has typed something and deleted it again is not disturbed there either, and sees what was rendered when they leave."""
    html = '<input name="a" value="{}"><input name="b">'
    page.open(html.format(""))
    page.type("x", into="[name=a]")
    page.press("Backspace")
    assert page.pairs() == {}
    render = (
        "document.forms[0].innerHTML = html"
        if how == "innerHTML"
        else "morph(document.forms[0], html, { style })"
    )
    page.run(f"const style = 'innerHTML', html = arguments[0]; {render}", html.format("theirs"))
    assert page.value("[name=a]") == ""
    assert page.pairs() == {"f": [["a", ""]]}
    page.focus("[name=b]")
    page.wait_for("document.forms[0].a.value === 'theirs'")
    assert page.pairs() == {}
    assert page.conflicts() == []


OPENED = {
    "select": '<select name="p"><option{}>a<option{}>b</select>',
    "date": '<input type="date" name="p" value="2000-01-0{}">',
}


@pytest.mark.parametrize("kind", OPENED)
def test_opened_then_rendered(page: FormPage, kind: str) -> None:
    """A list or picker that somebody has just opened shows what it did, whatever is rendered, until they leave it."""
    html = OPENED[kind] + '<input name="b">'
    before, after = (("", " selected"), (" selected", "")) if kind == "select" else ((1,), (2,))
    page.open(html.format(*before))
    shown = page.value("[name=p]")
    page.run(
        "const field = document.forms[0].p; field.focus();"
        "field.dispatchEvent(new PointerEvent('pointerdown', { bubbles: true }));"
        "morph(document.forms[0], arguments[0], { style: 'innerHTML' })",
        html.format(*after),
    )
    assert page.value("[name=p]") == shown
    page.focus("[name=b]")
    page.wait_for("document.forms[0].p.value !== a[0]", shown)
    assert page.pairs() == {}


def test_options_in_another_order(page: FormPage) -> None:
    """A list that is open shows what it did when its options come in another order, and more of them."""
    html = '<select name="s">{}</select>'
    page.open(html.format("<option>b<option>c"))
    page.run(
        "const field = document.forms[0].s; field.focus();"
        "field.dispatchEvent(new PointerEvent('pointerdown', { bubbles: true }));"
        "morph(document.forms[0], arguments[0], { style: 'innerHTML' })",
        html.format("<option>a<option>b<option>c"),
    )
    assert page.value("[name=s]") == "b"


def test_left_then_rendered(page: FormPage) -> None:
    """A control that the user leaves does not get the focus back when that renders it anew."""
    html = '<input name="a"><input name="b">'
    rerender = f"document.forms[0].innerHTML = {json.dumps(html)}"
    page.open(html)
    page.type("x", into="[name=a]")
    page.run(f"addEventListener('focusout', () => {{ {rerender}; }}, {{ once: true }})")
    page.click_at(300, 300)
    assert page.evaluate("document.activeElement.tagName") == "BODY"
    assert page.value("[name=a]") == "x"


def test_typed_before_start(page: FormPage) -> None:
    """Text typed before the library has started stays, and counts as the user's."""
    page.open('<input name="a">')
    page.fill("[name=a]", "old")
    page.open('<input name="a"><input name="b">', script="")
    page.type("early", into="[name=a]")
    page.focus("[name=b]")
    page.run(BEGIN)
    assert page.value("[name=a]") == "early"
    assert page.pairs() == {"f": [["a", "early"]]}
    assert page.told() == [["f", "a", "skipped", "typed before it was restored"]]


def test_typed_before_restore(page: FormPage) -> None:
    """Text typed between start and restore stays, focused or not."""
    page.open('<input name="a"><input name="b">')
    page.fill("[name=a]", "old a")
    page.fill("[name=b]", "old b")
    page.open('<input name="a"><input name="b">', script="forms.start();")
    page.type("new", into="[name=a]")
    page.run("document.activeElement.blur(); forms.restore()")
    assert [page.value("[name=a]"), page.value("[name=b]")] == ["new", "old b"]


PICKED = {
    "date": ("2024-02-29", "2023-01-31"),
    "time": ("10:00", "09:00"),
    "month": ("2024-02", "2023-01"),
    "color": ("#112233", "#445566"),
    "range": ("30", "70"),
}


@pytest.mark.parametrize("kind", PICKED)
def test_picker(page: FormPage, kind: str) -> None:
    """A control with a picker or slider that somebody has opened is left alone from the first press, before any input."""
    rendered, mine = PICKED[kind]
    html = f'<input type="{kind}" name="p" value="{rendered}"><input name="b">'
    page.open(html)
    page.run(
        "const field = document.forms[0].p; field.value = arguments[0];"
        "field.dispatchEvent(new Event('input', { bubbles: true }))",
        mine,
    )
    page.open(html, script="forms.start();")
    page.run(
        "const field = document.forms[0].p; field.focus();"
        "field.dispatchEvent(new PointerEvent('pointerdown', { bubbles: true }))"
    )
    page.run("forms.restore()")
    assert page.value("[name=p]") == rendered, "that is what the picker shows"
    assert page.evaluate("document.activeElement.name") == "p"
    page.focus("[name=b]")
    page.wait_for("document.forms[0].p.value === a[0]", mine)


def test_open_select(page: FormPage) -> None:
    """A list that is open is left alone by a restore; what is chosen then is the user's."""
    html = '<select name="s"><option>a<option>b<option>c</select><input name="b">'
    page.open(html)
    page.select("[name=s]", "c")
    page.open(html, script="forms.start();")
    page.run(
        "const select = document.forms[0].s; select.focus();"
        "select.dispatchEvent(new PointerEvent('pointerdown', { bubbles: true }))"
    )
    page.run("forms.restore()")
    assert page.value("[name=s]") == "a"
    page.press("ArrowDown")
    page.focus("[name=b]")
    page.run("forms.restore()")
    assert page.value("[name=s]") == "b"
    assert page.pairs() == {"f": [["s", "b"]]}
