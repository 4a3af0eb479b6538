"""A form that has been dealt with leaves nothing behind, and what stands in the page stays."""

from __future__ import annotations

from tests.browser.forms.page import BEGIN, STORED, FormPage

LATER = "new Promise((done) => setTimeout(done))"


def test_reset(page: FormPage) -> None:
    """A reset clears the form's stash; one that is called off does not."""
    page.open('<input name="a"><input name="gone"><button type="reset">r</button>')
    page.fill("[name=gone]", "x")
    page.open('<input name="a"><button type="reset">r</button>')
    page.fill("[name=a]", "y")
    page.run("addEventListener('reset', (event) => event.preventDefault(), { once: true })")
    page.click("button")
    page.evaluate(LATER)
    assert page.pairs() == {"f": [["a", "y"], ["gone", "x"]]}
    page.click("button")
    page.evaluate(LATER)
    assert page.pairs() == {}
    assert page.evaluate("sessionStorage.length") == 0


def test_clear(page: FormPage) -> None:
    """After a clear the page stands as it is, and what is typed then is stashed again."""
    page.open('<input name="a">')
    page.fill("[name=a]", "saved")
    page.run("forms.flush(); forms.clear('f')")
    assert page.value("[name=a]") == "saved"
    assert page.pairs() == {}
    assert page.evaluate("sessionStorage.length") == 0
    page.press("End", "!", on="[name=a]")
    assert page.pairs() == {"f": [["a", "saved!"]]}


def test_left_after_clear(page: FormPage) -> None:
    """Who leaves a field that has been dealt with has typed nothing new in it."""
    page.open('<input name="a"><input name="b">')
    page.type("sent", into="[name=a]")
    page.run("forms.clear('f')")
    page.press("Tab")
    assert page.evaluate("document.activeElement.name") == "b"
    assert page.pairs() == {}


def test_reset_of_rich_text(page: FormPage) -> None:
    """A reset brings back what was rendered into an editable part, also after it was rendered anew."""
    html = (
        '<div contenteditable data-stash="n" id="n">base</div><input name="b"><button type="reset">r</button>'
    )
    page.open(html)
    page.type("my ", into="#n")
    page.focus("[name=b]")
    page.run("document.forms[0].innerHTML = arguments[0]", html)
    assert page.evaluate("n.textContent.startsWith('my')")
    page.click("button")
    page.wait_for("n.textContent === 'base'")
    assert page.pairs() == {}


def test_clear_before_restore(page: FormPage) -> None:
    """A form that is cleared before it is restored, as after a post, is not restored; the others are."""
    html = '<form data-stash="f"><input name="a"></form><form data-stash="g"><input name="b"></form>'
    page.open_body(html)
    page.fill("[name=a]", "x")
    page.fill("[name=b]", "y")
    page.open_body(html, script="forms.clear('f');" + BEGIN)
    assert [page.value("[name=a]"), page.value("[name=b]")] == ["", "y"]


def test_forget(page: FormPage) -> None:
    """To forget leaves nothing, in memory or in storage."""
    page.open('<input name="a">')
    page.fill("[name=a]", "x")
    page.run("forms.flush(); forms.forget()")
    assert page.evaluate("sessionStorage.length") == 0
    assert page.pairs() == {}


def test_stop(page: FormPage) -> None:
    """To stop writes what is left, and nothing more is noticed."""
    page.open('<input name="a">')
    page.fill("[name=a]", "x")
    page.run("forms.stop()")
    assert '"x"' in page.evaluate(STORED)
    page.fill("[name=a]", "later")
    assert "later" not in page.stored()
