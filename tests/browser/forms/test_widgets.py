"""Widgets that keep their value elsewhere, with the recipes of docs/widgets.md as they stand there."""

from __future__ import annotations

import re

import pytest

from tests.browser.bundle import bundled
from tests.browser.forms.page import BEGIN, FormPage, in_form
from tests.browser.recipes import recipes

LOAD = 'await import("/bundled/widget.js");'
CITIES = '<select name="city"><option value="">?<option>Paris<option>Lyon</select>'
PICK = """
document.querySelector("button").onclick = () => {
  document.forms[0].city.value = "Lyon";
  document.forms[0].date.value = "2026-11-28";
  document.forms[0].box.checked = true;
};
"""
PICKED = {"f": [["city", "Lyon"], ["date", "2026-11-28"], ["box", "on"]]}
FIELDS = f'{CITIES}<input name="date"><input type="checkbox" name="box"><input name="text"><button type="button">pick</button>'


def opens(page: FormPage, fields: str, source: str, *, order: str = LOAD + BEGIN) -> None:
    """Open a page with these fields and widgets."""
    page.site.bundles["widget.js"] = bundled(source)
    page.open(fields, script=order)
    page.wait_for("window.ready")


def test_set_without_an_event(page: FormPage) -> None:
    """What a script sets while the page handles a click is the user's, in fields that nobody has been in."""
    page.open(FIELDS, script=PICK + BEGIN)
    page.run("document.forms[0].text.value = 'by the page'")
    page.click("button")
    assert page.pairs() == PICKED
    page.reload()
    assert page.pairs() == PICKED


@pytest.mark.parametrize(
    "last", ["forms.pairs()", "forms.flush()", "dispatchEvent(new PageTransitionEvent('pagehide'))"]
)
def test_at_once(page: FormPage, last: str) -> None:
    """It is noticed at a mount, at a save and when the page is left, though the page still handles the click."""
    page.open(
        FIELDS,
        script=PICK.replace(
            "};",
            f"  {last}; window.then = JSON.stringify({{ ...sessionStorage }}) + JSON.stringify(forms.records.of('f')); }};",
        )
        + BEGIN,
    )
    page.click("button")
    assert "2026-11-28" in page.evaluate("then")


def test_by_the_page(page: FormPage) -> None:
    """What a script sets at any other time in a field that nobody has been in is the page's."""
    page.open(FIELDS)
    page.type("x", into="[name=text]")
    page.run("document.forms[0].date.value = '2026-11-28'")
    page.click("form")
    assert page.pairs() == {"f": [["text", "x"]]}


def test_dealt_with(page: FormPage) -> None:
    """What has been dealt with is no draft, though it stands there and was not rendered; nor is it after a log-out."""
    page.open(FIELDS, script=PICK + BEGIN)
    for end in ("forms.clear('f')", "forms.forget()"):
        page.click("button")
        page.fill("[name=text]", "typed")
        page.run(end)
        page.run("document.activeElement.blur()")
        page.click("form")
        assert page.evaluate("forms.flush(), forms.pairs()") == {}
        assert not re.search("Lyon|2026|typed", page.evaluate("JSON.stringify({ ...sessionStorage })"))
        page.open(FIELDS, script=PICK + BEGIN)


def test_hidden_input(page: FormPage) -> None:
    """A hidden input is a field once it is marked: three-way, over renderings, morph and a reset; an unmarked one is not."""
    html = '<input type="hidden" name="h" value="r" data-stash><input type="hidden" name="other" value="r"><input name="text"><input type="reset">'
    page.open(html)
    page.type("x", into="[name=text]")
    page.run("document.forms[0].h.value = document.forms[0].other.value = 'made'")
    assert page.pairs() == {"f": [["h", "made"], ["text", "x"]]}
    page.reload()
    assert page.value("[name=h]") == "made"
    page.run("morph(document.forms[0], arguments[0])", in_form(html))
    assert page.value("[name=h]") == "made"
    assert page.conflicts() == []
    page.run(
        "morph(document.forms[0], arguments[0])",
        in_form(html.replace('value="r" data-stash', 'value="q" data-stash')),
    )
    assert page.value("[name=h]") == "made"
    assert [(conflict["base"], conflict["theirs"]) for conflict in page.conflicts()] == [(["r"], ["q"])]
    page.click("[type=reset]")
    page.wait_for("document.forms[0].h.value === 'q'")
    assert page.pairs() == {}


SELECT2 = 'import $ from "jquery"; import start from "select2"; if (!$.fn.select2) start(window, $);'
TOM = 'import TomSelect from "tom-select";'
FLATPICKR = 'import flatpickr from "flatpickr";'
TRIX = 'import "trix";'


@pytest.mark.parametrize("order", [LOAD + BEGIN, BEGIN + LOAD], ids=["widget first", "restored first"])
class TestRecipes:
    """Each is used by hand, and shows after a reload what was chosen, whether it starts before the form is restored or after."""

    def test_select2(self, page: FormPage, order: str) -> None:
        """Select2, whose events are jQuery's."""
        opens(page, CITIES, SELECT2 + recipes("widgets.md", "Select2")[0], order=order)
        page.click(".select2-selection")
        page.click(".select2-results__option:last-child")
        assert page.pairs() == {"f": [["city", "Lyon"]]}
        page.reload()
        page.wait_for(
            "window.ready && document.querySelector('.select2-selection__rendered').textContent === 'Lyon'"
        )
        assert page.pairs() == {"f": [["city", "Lyon"]]}

    def test_tom_select(self, page: FormPage, order: str) -> None:
        """Tom Select, which has a list of its own."""
        opens(page, CITIES, TOM + recipes("widgets.md", "Tom Select")[0], order=order)
        page.click(".ts-control")
        page.click(".ts-dropdown [data-value=Lyon]")
        assert page.pairs() == {"f": [["city", "Lyon"]]}
        page.reload()
        page.wait_for("window.ready && document.querySelector('.ts-control .item')?.textContent === 'Lyon'")
        assert page.pairs() == {"f": [["city", "Lyon"]]}

    def test_flatpickr(self, page: FormPage, order: str) -> None:
        """flatpickr, which shows another field."""
        due = '<input name="due" value="2026-01-01">'
        opens(page, due, FLATPICKR + recipes("widgets.md", "flatpickr")[0], order=order)
        page.run(
            "document.querySelector('.flatpickr-calendar').style.cssText = 'position: absolute; top: 60px'"
        )
        page.click("input:not([name])")
        page.click(".flatpickr-day[aria-label='January 15, 2026']")
        assert page.pairs() == {"f": [["due", "2026-01-15"]]}
        page.reload()
        page.wait_for(
            "window.ready && document.querySelector('input:not([name])').value === 'January 15, 2026'"
        )
        assert page.pairs() == {"f": [["due", "2026-01-15"]]}

    def test_trix(self, page: FormPage, order: str) -> None:
        """Trix, which writes into a hidden input."""
        html, script = recipes("widgets.md", "Trix")
        opens(page, html, TRIX + script, order=order)
        page.click("trix-editor")
        page.type("hello")
        page.wait_for("document.getElementById('body').value.includes('hello')")
        typed = page.value("#body")
        assert page.pairs() == {"f": [["body", typed]]}
        page.reload()
        page.wait_for("window.ready && document.querySelector('trix-editor').textContent === 'hello'")
        assert page.pairs() == {"f": [["body", typed]]}
