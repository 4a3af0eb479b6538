"""Fields with a mask: libraries that format what is typed, and tell the page something else than what stands there."""

from __future__ import annotations

from tests.browser.bundle import bundled
from tests.browser.forms.page import BEGIN, FormPage
from tests.browser.recipes import recipes

PLAIN = """
import Cleave from "cleave.js";
import Inputmask from "inputmask";
import $ from "jquery";
window.jQuery = $;
window.masked = import("jquery-mask-plugin").then(() => {
  new Cleave("[name=cleave]", { numeral: true, numeralDecimalMark: ",", delimiter: "." });
  Inputmask({ alias: "numeric", groupSeparator: ".", radixPoint: ",", autoUnmask: true, digits: 2 }).mask("[name=inputmask]");
  $("[name=jquery]").mask("000.000.000-00");
});
"""
IMASK = 'import IMask from "imask";'
AUTONUMERIC = 'import AutoNumeric from "autonumeric";'
NATIVE = """
  [...document.forms[0].elements].map((field) =>
    Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").get.call(field))
"""
LOAD = 'await import("/bundled/mask.js"); await window.masked;'
NUMBER = "1.234.567,5"


def opens(page: FormPage, names: list[str], source: str) -> None:
    """Open a page with these fields and masks."""
    page.site.bundles["mask.js"] = bundled(source)
    page.open("".join(f'<input name="{name}">' for name in names), script=LOAD + BEGIN)
    page.wait_for("window.ready")


def test_over_a_reload(page: FormPage) -> None:
    """Masks that format whole values are restored as they stood, and know it, whatever their `value` says."""
    names = ["cleave", "inputmask", "jquery"]
    opens(page, names, PLAIN)
    for name in names:
        if name != "jquery":
            page.type("1234567,5", into=f"[name={name}]")
    # It sets the caret a while after each key, which fast typing gets ahead of.
    page.run(
        "const { jquery } = document.forms[0]; jquery.value = '12345678901'; jquery.dispatchEvent(new Event('input', { bubbles: true }))"
    )
    shown = page.evaluate(NATIVE)
    assert shown == [NUMBER, NUMBER, "123.456.789-01"]
    assert page.value("[name=inputmask]") == "1234567,5", "it tells something else"
    assert page.pairs() == {"f": [list(pair) for pair in zip(names, shown, strict=True)]}
    page.reload()
    page.wait_for("window.ready")
    assert page.evaluate(NATIVE) == shown
    for name in names:
        page.press("End", "Tab", on=f"[name={name}]")
    assert page.evaluate(NATIVE) == shown
    assert page.pairs() == {"f": [list(pair) for pair in zip(names, shown, strict=True)]}
    assert {(outcome, why) for _, _, outcome, why in page.told()} == {("restored", "")}


def test_one_that_makes_something_else_of_it(page: FormPage) -> None:
    """Where a mask takes the event for a key press, what was typed stays nevertheless, and the page is told."""
    (recipe,) = recipes("widgets.md", "IMask")
    source = IMASK + recipe.split("const toMask")[0]
    opens(page, ["price"], source)
    page.type("1234567,5", into="[name=price]")
    assert page.evaluate(NATIVE) == [NUMBER]
    opens(page, ["price"], source)  # a reload, without what Firefox itself puts back before the mask starts
    page.wait_for("window.ready && told.length === 2")
    assert page.told() == [
        ["f", "price", "restored", ""],
        ["f", "price", "restored", "the page had changed it"],
    ]
    assert page.evaluate(NATIVE) == [NUMBER]
    assert page.pairs() == {"f": [["price", NUMBER]]}


def test_the_recipes(page: FormPage) -> None:
    """With the line that docs/widgets.md gives them, IMask and AutoNumeric know what was put back."""
    (imask,), (autonumeric,) = recipes("widgets.md", "IMask"), recipes("widgets.md", "AutoNumeric")
    opens(
        page,
        ["price", "total"],
        f"{IMASK}{AUTONUMERIC}{imask}{autonumeric} window.known = () => [mask.typedValue, number.getNumber()];",
    )
    page.type("1234567,5", into="[name=price]")
    page.type("1234567,5", into="[name=total]")
    page.press("Tab")
    page.reload()
    page.wait_for("window.ready && known().every((number) => number === 1234567.5)")
    page.press("End", "Tab", on="[name=price]")
    page.press("End", "Tab", on="[name=total]")
    assert page.evaluate(NATIVE) == [NUMBER, "1.234.567,50"]
    assert {(outcome, why) for _, _, outcome, why in page.told()} == {("restored", "")}
