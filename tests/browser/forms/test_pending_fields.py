"""What is not in the page, or disabled, waits until it can be restored."""

from __future__ import annotations

from tests.browser.forms.page import FormPage


def test_later_field(page: FormPage) -> None:
    """A field that is not in the page is restored when it comes, and goes up meanwhile."""
    page.open('<input name="a"><input name="late">')
    page.fill("[name=late]", "mine")
    page.open('<input name="a">')
    assert page.told() == [["f", "late", "pending", "not in the page"]]
    assert page.pairs() == {"f": [["late", "mine"]]}
    page.run("document.forms[0].insertAdjacentHTML('beforeend', '<p><input name=late></p>')")
    assert page.value("[name=late]") == "mine"


def test_later_form(page: FormPage) -> None:
    """A form that is not in the page yet is restored when it comes."""
    page.open('<input name="a">')
    page.fill("[name=a]", "mine")
    page.open_body("<p>")
    assert page.pairs() == {"f": [["a", "mine"]]}
    page.run("document.body.insertAdjacentHTML('beforeend', '<form data-stash=f><input name=a></form>')")
    assert page.value("[name=a]") == "mine"


def test_disabled(page: FormPage) -> None:
    """A disabled control is neither read nor restored, and gets its value when it is enabled."""
    page.open('<fieldset><input name="a"></fieldset>')
    page.fill("[name=a]", "mine")
    page.open('<fieldset disabled><input name="a"></fieldset>')
    assert page.value("[name=a]") == ""
    assert page.told() == [["f", "a", "pending", "disabled"]]
    assert page.pairs() == {"f": []}
    page.run("document.querySelector('fieldset').disabled = false")
    assert page.value("[name=a]") == "mine"


def test_comes_and_goes(page: FormPage) -> None:
    """A conditional field that goes and comes back has the text that was last typed into it."""
    page.open('<input name="a"><span><input name="b"></span>')
    # No change event comes with it, as in browsers that send none for a control that is taken away.
    page.run(
        """
        document.forms[0].b.value = "typed this moment";
        document.forms[0].b.dispatchEvent(new Event("input", { bubbles: true }));
        document.querySelector("span").innerHTML = "";
        """
    )
    page.run("document.querySelector('span').innerHTML = '<input name=b>'")
    assert page.value("[name=b]") == "typed this moment"
    page.run("document.querySelector('span').innerHTML = ''")
    assert page.pairs() == {"f": [["b", "typed this moment"]]}


def test_renamed(page: FormPage) -> None:
    """A renamed field takes up what was typed under the name that data-stash-was gives."""
    page.open('<input name="mail">')
    page.fill("[name=mail]", "a@b")
    page.open('<input name="email" data-stash-was="mail">')
    assert page.value("[name=email]") == "a@b"
    assert page.pairs() == {"f": [["email", "a@b"]]}
    page.open('<input name="email">')
    assert page.value("[name=email]") == "a@b"
