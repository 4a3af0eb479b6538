"""Form-associated custom elements are fields like the others."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.tab import Tab

Open = Callable[..., None]

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


def use(tab: Tab) -> None:
    """Work in all three."""
    tab.click("stash-text")
    tab.type("hello")
    tab.click("stash-toggle")
    tab.focus("stash-tags")
    tab.press("a", "b")


@pytest.mark.parametrize("script", [DEFINE + BEGIN, BEGIN + DEFINE], ids=["defined before", "defined after"])
def test_over_a_reload(tab: Tab, open_page: Open, script: str) -> None:
    """Text, a toggle and a list are stashed by `value` and `checked`, whatever events they fire, and restored once they are defined."""
    open_page(HTML, script=script)
    use(tab)
    assert tab.evaluate("forms.pairs()") == {"f": [["t", "hello"], ["c", "1"], ["l", "a"], ["l", "b"]]}
    open_page(HTML, script=script)
    tab.wait_for("document.querySelector('stash-toggle').textContent === 'yes'")
    assert tab.evaluate(VALUES) == ["hello", True, ["a", "b"]]
    told = tab.evaluate("told.filter(([, , outcome]) => outcome !== 'pending')")
    assert sorted(told) == [["f", name, "restored", ""] for name in "clt"]
    assert sorted(tab.evaluate("fired")) == sorted(
        f"{event} {name}" for name in "tcl" for event in ("input", "change")
    )


def test_untouched(tab: Tab, open_page: Open) -> None:
    """One that nobody was in is not stashed, though it sets a value of its own when it is ready."""
    open_page(HTML, script=DEFINE + BEGIN)
    tab.run("document.querySelector('stash-text').value = 'by itself'")
    assert tab.evaluate("forms.pairs()") == {}


def test_conflict(tab: Tab, open_page: Open) -> None:
    """One that the page renders with another value is in conflict, over a reload and over a morph."""
    open_page(HTML, script=DEFINE + BEGIN)
    tab.click("stash-text")
    tab.type("mine")
    theirs = HTML.replace('name="t"', 'name="t" value="theirs"')
    tab.run("morph(document.forms[0], arguments[0])", f'<form data-stash="f">{theirs}</form>')
    assert tab.evaluate(VALUES)[0] == "mine"
    assert tab.evaluate("conflicts.map(({ theirs }) => theirs)") == [["theirs"]]
    open_page(theirs, script=DEFINE + BEGIN)
    assert tab.evaluate(VALUES)[0] == "mine"
    assert tab.evaluate("conflicts.map(({ theirs }) => theirs)") == [["theirs"]]


def test_secret(tab: Tab, open_page: Open) -> None:
    """One that says it holds a password is never stashed."""
    secret = '<stash-text name="t" autocomplete="new-password"></stash-text>'
    open_page(secret, script=DEFINE + BEGIN)
    tab.click("stash-text")
    tab.type("S3CRET")
    assert tab.evaluate("forms.pairs()") == {}
    assert tab.evaluate("hasExcluded(document.forms[0])") is True


def test_never_defined(tab: Tab, open_page: Open) -> None:
    """One whose script never comes holds up nothing."""
    html = '<never-defined name="n"></never-defined><input name="a">'
    open_page(html)
    tab.type("x", into="[name=a]")
    open_page(html)
    assert tab.value("[name=a]") == "x"
