"""A control whose `change` acts: it is not made to act again by being put back, unless the page does not show what it shows."""

from __future__ import annotations

import pytest

from tests.browser.forms.page import BEGIN, FormPage

# What a page does on `change`, and whether it was the user's.
ACTED = """
window.acted = [];
addEventListener("change", ({ target, detail }) => acted.push([target.name, Boolean(detail?.stash)]));
"""
BOX = '<input type="checkbox" name="new">'
SORT = '<select name="sort"><option>name<option>date</select>'
SENDS = {
    "submit()": "document.forms[0].addEventListener('change', ({ target }) => target.form.submit());",
    "requestSubmit()": "document.forms[0].addEventListener('change', ({ target }) => target.form.requestSubmit());",
}


def test_rendered_by_the_page(page: FormPage) -> None:
    """What the page itself has rendered fires nothing when it is loaded anew; what it has not, fires once, and says whose it is."""
    page.open('<input type="checkbox" name="done"><input name="text">', script=ACTED + BEGIN)
    page.check("[name=done]")
    page.fill("[name=text]", "x")
    page.run("document.activeElement.blur()")
    assert page.evaluate("acted") == [["done", False], ["text", False]]
    page.serve(
        '<form data-stash="f"><input type="checkbox" name="done" checked><input name="text"></form>',
        script=ACTED + BEGIN,
    )
    page.reload()
    page.wait_for("window.ready && acted.length === 1")
    assert page.checked("[name=done]")
    assert page.evaluate("acted") == [["text", True]]


def test_rendered_anew_within_the_page(page: FormPage) -> None:
    """The same where a rendering replaces the control."""
    page.open('<input type="checkbox" name="done">', script=ACTED + BEGIN)
    page.check("[name=done]")
    page.run("acted.length = 0; document.forms[0].innerHTML = '<input type=checkbox name=done checked>'")
    assert page.evaluate("forms.pairs() && acted") == []
    page.run("document.forms[0].innerHTML = '<input type=checkbox name=done>'")
    page.wait_for("document.forms[0].done.checked")
    assert page.evaluate("acted") == [["done", True]]


@pytest.mark.parametrize("how", SENDS)
def test_back_is_no_trap(page: FormPage, how: str) -> None:
    """A control that submits its form as soon as it changes is put back without a word, so that one can go back past it."""
    page.serve(f'<form data-stash="f" action="/other">{BOX}</form>', script=ACTED + SENDS[how] + BEGIN)
    page.goto(f"{page.site.url}first")
    page.run("addEventListener('unload', () => {})")  # Chromium and Firefox do not keep such a page
    page.click("[name=new]")
    page.wait_for("location.pathname === '/other'")
    page.back(until="Boolean(window.ready && window.forms)")
    for _ in range(2):
        assert page.checked("[name=new]")
        assert page.evaluate("forms.pairs() && location.pathname") == "/first"
        if not page.evaluate("window.cached"):
            assert page.evaluate("acted") == []
        page.reload()
        page.wait_for("window.ready")


def test_a_form_that_is_looked_at(page: FormPage) -> None:
    """A page that only reads its form at each change, and stays, hears of what is put back."""
    looks = "addEventListener('change', () => (window.looked = [...new FormData(document.forms[0])]));"
    page.open(SORT, script=looks + BEGIN)
    page.select("[name=sort]", "date")
    page.wait_for("window.looked")
    page.reload()
    page.wait_for("window.looked")
    assert page.evaluate("looked") == [["sort", "date"]]
