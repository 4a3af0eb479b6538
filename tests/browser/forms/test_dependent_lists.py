"""Fields that a page's script sets because of another one: country and city."""

from __future__ import annotations

import pytest

from tests.browser.forms.page import BEGIN, FormPage

COUNTRY = '<select name="country"><option>FR<option>DE</select>'
CITY = '<select name="city"><option value="">?<option>Paris<option>Lyon</select>'
MORE = '<button type="button">more</button>'
HERE = "<p>here</p>"
RESETS = {
    "other options": "city.replaceChildren(...options(country.value))",
    "another list": "city.outerHTML = `<select name=city>${options(country.value).map((o) => o.outerHTML).join('')}</select>`",
    "by property": "city.value = ''",
    "in a microtask": "Promise.resolve().then(() => city.replaceChildren(...options(country.value)))",
}
SCRIPT = """
const CITIES = { FR: ["Paris", "Lyon"], DE: ["Berlin", "Bonn"] };
const options = (country) => ["", ...CITIES[country]].map((city) => new Option(city || "?", city));
document.forms[0].addEventListener("change", ({ target }) => {
  const { country, city } = document.forms[0];
  if (target === country) RESET;
});
document.querySelector("button")?.addEventListener("click", () => document.forms[0].append(document.createElement("input")));
"""

resets = pytest.mark.parametrize("reset", RESETS)


@resets
def test_a_reset_is_meant(page: FormPage, reset: str) -> None:
    """What the page resets while it handles what the user does stays reset, goes up no more, and is not put back later."""
    page.open(HERE + COUNTRY + CITY + MORE, script=SCRIPT.replace("RESET", RESETS[reset]) + BEGIN)
    page.click("p")  # Chromium's driver chooses as a script does: only this is the user's
    page.select("[name=city]", "Lyon")
    page.select("[name=country]", "DE")
    assert page.value("[name=city]") == ""
    page.click("button")  # and the page is rendered on
    assert page.value("[name=city]") == ""
    assert page.pairs() == {"f": [["country", "DE"]]}
    assert page.told() == []


@pytest.mark.parametrize("fields", [COUNTRY + CITY, CITY + COUNTRY], ids=["country first", "city first"])
@pytest.mark.parametrize("reset", ["other options", "in a microtask"])
def test_over_a_reload(page: FormPage, fields: str, reset: str) -> None:
    """A reset that comes of our own event is not meant: both are there again, whichever comes first."""
    page.open(HERE + fields, script=SCRIPT.replace("RESET", RESETS[reset]) + BEGIN)
    page.click("p")
    page.select("[name=country]", "DE")
    page.select("[name=city]", "Bonn")
    assert sorted(page.pairs()["f"]) == [["city", "Bonn"], ["country", "DE"]]
    page.reload()
    page.wait_for("document.forms[0].country.value === 'DE' && document.forms[0].city.value === 'Bonn'")
    assert sorted(page.pairs()["f"]) == [["city", "Bonn"], ["country", "DE"]]


def test_skipped(page: FormPage) -> None:
    """A field of which the page was told that it does not take what is stashed goes up as what stands there."""
    page.open(COUNTRY + CITY)
    page.select("[name=city]", "Lyon")
    page.open(COUNTRY + CITY.replace("Lyon", "Nice"))
    assert page.told() == [["f", "city", "skipped", "no such option"]]
    assert page.pairs() == {"f": [["city", ""]]}
    page.run("document.forms[0].city.append(new Option('Lyon'))")
    page.wait_for("document.forms[0].city.value === 'Lyon'")
    assert page.pairs() == {"f": [["city", "Lyon"]]}


def test_a_button_that_empties(page: FormPage) -> None:
    """A button that empties a field by script is the user's doing: what stood there does not come back with the next rendering."""
    empty = "document.querySelector('button').onclick = () => (document.forms[0].text.value = '');"
    page.open('<input name="text"><button type="button">x</button>', script=empty + BEGIN)
    page.fill("[name=text]", "typed")
    page.click("button")
    page.run("document.forms[0].append(document.createElement('input'))")
    assert page.evaluate("forms.pairs()") == {}
    assert page.value("[name=text]") == ""
