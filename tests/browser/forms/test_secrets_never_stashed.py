"""Passwords, codes, card data, request-forgery tokens and what is switched off: in no storage, and never sent up."""

from __future__ import annotations

import pytest

from tests.browser.engines import SECRET
from tests.browser.forms.page import FormPage

SHOWN = "JSON.stringify([...document.querySelectorAll('input, textarea')].map((control) => control.value))"


@pytest.mark.parametrize(
    "field",
    [
        '<input type="password" name="p">',
        '<input name="p" autocomplete="one-time-code">',
        '<input name="p" autocomplete="current-password">',
        '<input name="p" autocomplete="new-password">',
        '<input name="p" autocomplete="section-a billing cc-number">',
        '<input name="profile-csrf_token">',
        '<input name="csrfmiddlewaretoken">',
        '<input name="_csrf">',
        '<input name="authenticity_token">',
        '<textarea name="__RequestVerificationToken"></textarea>',
        '<div data-stash="off"><input name="p"></div>',
        '<input name="p" data-stash="off">',
        "<input>",
    ],
)
def test_excluded(page: FormPage, field: str) -> None:
    """A secret is neither stored nor sent up nor put back, whatever marks it; its neighbours are."""
    page.open(field + '<input name="plain">')
    page.type(SECRET, into="form :is(input, textarea)")
    assert SECRET in page.evaluate(SHOWN)
    page.fill("[name=plain]", "kept")
    assert page.pairs() == {"f": [["plain", "kept"]]}
    page.open(field + '<input name="plain">')
    assert page.value("[name=plain]") == "kept"
    assert SECRET not in page.evaluate(SHOWN)


def test_shown_password(page: FormPage) -> None:
    """A password that is shown in clear stays a secret, also in a field rendered anew under its name."""
    page.open('<input type="password" name="p">')
    page.run("document.forms[0].p.type = 'text'")
    page.type(SECRET, into="[name=p]")
    assert page.pairs() == {}
    page.run("document.forms[0].innerHTML = '<input name=p>'")
    page.type(SECRET, into="[name=p]")
    assert page.pairs() == {}


def test_shown_at_once(page: FormPage) -> None:
    """A password that a script shows in the moment it brings it into the page is a secret, too."""
    page.open("<p></p>")
    page.run(
        """
        document.querySelector("p").innerHTML = "<input type=password name=p>";
        document.forms[0].p.type = "text";
        """
    )
    page.type(SECRET, into="[name=p]")
    assert page.pairs() == {}


def test_became_secret(page: FormPage) -> None:
    """What was stashed of a field that is a secret in the new version of the page is dropped."""
    page.open('<input name="p">')
    page.fill("[name=p]", "was plain")
    page.open('<input name="p" type="password">')
    assert page.value("[name=p]") == ""
    assert page.pairs() == {}
    assert "was plain" not in page.stored()


def test_switched_off_later(page: FormPage) -> None:
    """What was stashed of a field that is switched off later is dropped; its neighbours are kept."""
    page.open('<input name="a"><input name="b">')
    page.fill("[name=a]", "gone")
    page.fill("[name=b]", "kept")
    page.run("document.forms[0].a.setAttribute('data-stash', 'off')")
    assert page.pairs() == {"f": [["b", "kept"]]}
    assert "gone" not in page.stored()


def test_off_form(page: FormPage) -> None:
    """A form inside data-stash="off" is not stashed at all."""
    page.open_body('<div data-stash="off"><form data-stash="g"><input name="a"></form></div>')
    page.fill("[name=a]", SECRET)
    assert page.pairs() == {}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ('<input name="a" value="x">', []),
        ('<input name="a" value="x"><input type="password" name="p">', []),
        ('<input type="password" name="p" value="x">', ["p"]),
        ('<input type="password" name="p" value="x" disabled>', []),
        ('<input type="password" value="x">', []),
        ('<input name="n" autocomplete="cc-csc" value="1">', ["n"]),
        ('<input type="hidden" name="csrf_token" value="t">', []),
        ('<div data-stash="off"><input type="checkbox" name="c"></div>', []),
        ('<div data-stash="off"><input type="checkbox" name="c" checked></div>', ["c"]),
    ],
)
def test_excluded_names(page: FormPage, fields: str, expected: list[str]) -> None:
    """What a form would send that must never be stored is known by name: a filled excluded control, no token."""
    page.open(fields, script="")
    for root in ("document.forms[0]", "document"):
        assert page.evaluate(f"[...excludedNames({root})]") == expected
