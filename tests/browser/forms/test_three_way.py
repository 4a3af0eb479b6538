"""Base, mine and theirs: what is shown where the user has typed and the page renders something."""

from __future__ import annotations

import pytest

from tests.browser.forms.page import FormPage

BASE = '<input name="a" value="base">'


def edit_then_render(page: FormPage, before: str, after: str) -> None:
    page.open(before)
    page.fill("[name=a]", "mine")
    page.open(after)


def test_theirs_is_base(page: FormPage) -> None:
    """Where the page renders what it did, the user's value is put back."""
    edit_then_render(page, BASE, BASE)
    assert page.value("[name=a]") == "mine"
    assert page.told() == [["f", "a", "restored", ""]]


def test_theirs_is_mine(page: FormPage) -> None:
    """Where the page renders the user's value, the field stays dirty and nothing is told of it."""
    edit_then_render(page, BASE, '<input name="a" value="mine">')
    assert page.value("[name=a]") == "mine"
    assert page.told() == []
    assert page.pairs() == {"f": [["a", "mine"]]}


def test_conflict(page: FormPage) -> None:
    """Where the page renders something else, a conflict is told, once, and the user's value shown."""
    edit_then_render(page, BASE, '<input name="a" value="new">')
    assert page.value("[name=a]") == "mine"
    assert page.told() == [["f", "a", "conflict", "kept mine"]]
    values = {"base": ["base"], "mine": ["mine"], "theirs": ["new"]}
    assert page.conflicts() == [{"form": "f", "field": "a", "kept": "mine", **values}]
    page.run("forms.restore()")
    page.run("document.forms[0].insertAdjacentHTML('beforeend', '<input name=b>')")
    assert len(page.conflicts()) == 1


@pytest.mark.parametrize("where", ["field", "form"])
def test_conflict_theirs(page: FormPage, where: str) -> None:
    """With data-stash-conflict="theirs" on or around a field the page's value stays."""
    mark = ' data-stash-conflict="theirs"'
    field, form = (mark, "") if where == "field" else ("", mark)
    page.open(BASE)
    page.fill("[name=a]", "mine")
    page.open_body(f'<form data-stash="f"{form}><input name="a" value="new"{field}></form>')
    assert page.value("[name=a]") == "new"
    assert page.evaluate("conflicts[0].kept") == "theirs"
    assert page.pairs() == {}


def test_groups_as_a_whole(page: FormPage) -> None:
    """A group of checkboxes is merged as a whole: a change on each side is a conflict."""
    html = '<input type="checkbox" name="g" value="1"{}><input type="checkbox" name="g" value="2"{}>'
    page.open(html.format("", ""))
    page.check("[value='1']")
    page.open(html.format("", " checked"))
    assert [page.checked(f"[value='{value}']") for value in (1, 2)] == [True, False]
    assert page.evaluate("conflicts[0].theirs") == ["2"]


def test_rendered_while_typing(page: FormPage) -> None:
    """A new rendering into a live field is a conflict as well, and the field keeps the user's text."""
    page.open(BASE)
    page.fill("[name=a]", "mine")
    page.run("document.forms[0].a.setAttribute('value', 'new')")
    assert page.value("[name=a]") == "mine"
    assert page.evaluate("conflicts.map((c) => c.theirs)") == [["new"]]


@pytest.mark.parametrize("way", ["mount", "submit"])
def test_echo(page: FormPage, way: str) -> None:
    """What the page renders because it heard it from the user is no conflict with what they have typed since."""
    html = '<input name="a" value="{}" data-stash-conflict="theirs"><input name="b">'
    page.open(html.format(""))
    page.type("Ada", into="[name=a]")
    page.run("forms.pairs()" if way == "mount" else "new FormData(document.forms[0])")
    page.press("End", " ", "L")
    page.focus("[name=b]")
    page.run("document.forms[0].a.setAttribute('value', 'Ada')")
    page.open(html.format("Ada"))
    assert page.value("[name=a]") == "Ada L"
    assert page.conflicts() == []
    page.open(html.format("Bob"))
    assert page.value("[name=a]") == "Bob"
    assert len(page.conflicts()) == 1


def test_what_was_only_tried(page: FormPage) -> None:
    """A value that the user has tried, and nobody was sent, is another's if the page comes to render it: a conflict."""
    html = '<select name="s"><option{}>a<option{}>b<option>c</select>'
    page.open(html.format(" selected", ""))
    page.select("[name=s]", "b")
    page.select("[name=s]", "c")
    page.run("forms.flush()")
    page.open(html.format("", " selected"))
    assert page.value("[name=s]") == "c"
    assert [conflict["theirs"] for conflict in page.conflicts()] == [["b"]]
