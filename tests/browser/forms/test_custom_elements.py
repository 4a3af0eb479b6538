"""Form-associated custom elements are fields like the others."""

from __future__ import annotations

import pytest

from tests.browser.forms.page import FormPage

# As component libraries make them: a native control in a shadow tree, and events of their own.
TEXT = """
class StashText extends HTMLElement {
  static formAssociated = true;
  static observedAttributes = ["value"];
  #internals = this.attachInternals();
  #inner = this.attachShadow({ mode: "open", delegatesFocus: true }).appendChild(document.createElement("input"));
  connectedCallback() { this.#inner.oninput = () => this.#internals.setFormValue(this.value); }
  attributeChangedCallback(name, before, value) { this.value = value ?? ""; }
  get value() { return this.#inner.value; }
  set value(value) { this.#inner.value = value; this.#internals.setFormValue(value); }
}
"""
TOGGLE = """
class StashToggle extends HTMLElement {
  static formAssociated = true;
  #internals = this.attachInternals();
  #checked = this.hasAttribute("checked");
  connectedCallback() {
    this.tabIndex = 0;
    this.onclick = () => { this.checked = !this.checked; this.dispatchEvent(new Event("toggled")); };
  }
  get value() { return this.getAttribute("value") ?? "on"; }
  get checked() { return this.#checked; }
  set checked(checked) {
    this.#checked = checked;
    this.textContent = checked ? "yes" : "no";
    this.#internals.setFormValue(checked ? this.value : null);
  }
}
"""
TAGS = """
class StashTags extends HTMLElement {
  static formAssociated = true;
  value = [];
  connectedCallback() { this.tabIndex = 0; this.onkeydown = ({ key }) => (this.value = [...this.value, key]); }
}
"""
DEFINE = (
    TEXT + TOGGLE + TAGS + "customElements.define('stash-text', StashText);"
    "customElements.define('stash-toggle', StashToggle); customElements.define('stash-tags', StashTags);"
)
BEGIN = "forms.start(); forms.restore();"
HTML = '<stash-text name="t"></stash-text><stash-toggle name="c" value="1">no</stash-toggle><stash-tags name="l"></stash-tags>'
VALUES = "[document.querySelector('stash-text').value, document.querySelector('stash-toggle').checked, document.querySelector('stash-tags').value]"


def use(page: FormPage) -> None:
    """Work in all three."""
    page.click("stash-text")
    page.type("hello")
    page.click("stash-toggle")
    page.focus("stash-tags")
    page.press("a", "b")


@pytest.mark.parametrize("script", [DEFINE + BEGIN, BEGIN + DEFINE], ids=["defined before", "defined after"])
def test_over_a_reload(page: FormPage, script: str) -> None:
    """Text, a toggle and a list are stashed by `value` and `checked`, whatever events they fire, and restored once they are defined."""
    page.open(HTML, script=script)
    use(page)
    assert page.pairs() == {"f": [["t", "hello"], ["c", "1"], ["l", "a"], ["l", "b"]]}
    page.open(HTML, script=script)
    page.wait_for("document.querySelector('stash-toggle').textContent === 'yes'")
    assert page.evaluate(VALUES) == ["hello", True, ["a", "b"]]
    told = page.evaluate("told.filter(([, , outcome]) => outcome !== 'pending')")
    assert sorted(told) == [["f", name, "restored", ""] for name in "clt"]
    assert sorted(page.evaluate("fired")) == sorted(
        f"{event} {name}" for name in "tcl" for event in ("input", "change")
    )


def test_untouched(page: FormPage) -> None:
    """One that nobody was in is not stashed, though it sets a value of its own when it is ready."""
    page.open(HTML, script=DEFINE + BEGIN)
    page.run("document.querySelector('stash-text').value = 'by itself'")
    assert page.pairs() == {}


def test_conflict(page: FormPage) -> None:
    """One that the page renders with another value is in conflict, over a reload and over a morph."""
    page.open(HTML, script=DEFINE + BEGIN)
    page.click("stash-text")
    page.type("mine")
    theirs = HTML.replace('name="t"', 'name="t" value="theirs"')
    page.run("morph(document.forms[0], arguments[0])", f'<form data-stash="f">{theirs}</form>')
    assert page.evaluate(VALUES)[0] == "mine"
    assert page.evaluate("conflicts.map(({ theirs }) => theirs)") == [["theirs"]]
    page.open(theirs, script=DEFINE + BEGIN)
    assert page.evaluate(VALUES)[0] == "mine"
    assert page.evaluate("conflicts.map(({ theirs }) => theirs)") == [["theirs"]]


def test_secret(page: FormPage) -> None:
    """One that says it holds a password is never stashed."""
    secret = '<stash-text name="t" autocomplete="new-password"></stash-text>'
    page.open(secret, script=DEFINE + BEGIN)
    page.click("stash-text")
    page.type("S3CRET")
    assert page.pairs() == {}
    assert page.evaluate("excludedNames(document.forms[0]).size") == 1


def test_never_defined(page: FormPage) -> None:
    """One whose script never comes holds up nothing."""
    html = '<never-defined name="n"></never-defined><input name="a">'
    page.open(html)
    page.type("x", into="[name=a]")
    page.open(html)
    assert page.value("[name=a]") == "x"
