"""Markup that stashes nothing: whoever writes it is told so, each kind of mistake once."""

from __future__ import annotations

import pytest

from tests.browser.forms.page import BEGIN, FormPage

LISTEN = """
window.warned = [];
console.warn = (text, element) => warned.push([text.replace("quart_stash: ", ""), element?.outerHTML ?? null]);
"""
MISTAKES = {
    "a form without a name": ("<form data-stash><input name=a></form>", "data-stash has no value"),
    "a name that is too long": (
        f'<form data-stash="{"n" * 257}"><input name=a></form>',
        "a name has 256 characters",
    ),
    "an input": (
        '<form data-stash="f"><input name=a data-stash="a"></form>',
        "does nothing on a single field",
    ),
    "a select": ('<select name=a data-stash="a"></select>', "does nothing on a single field"),
    "a fieldset": ('<fieldset data-stash="f"><input name=a></fieldset>', "keeps how far this is scrolled"),
    "a div": (
        '<form><div data-stash="f"><p><textarea name=a></textarea></div></form>',
        "keeps how far this is scrolled",
    ),
    "a part without a name": (
        "<details data-stash><summary>x</summary></details>",
        "data-stash has no value",
    ),
}
FINE = """
<form data-stash="f"><input name=a data-stash="off"><div data-stash="rich" contenteditable></div>
  <div data-stash="list" style="overflow: auto; height: 2em"><input name=b></div></form>
<form data-stash id="by-id"></form><details data-stash="d"><input></details><dialog data-stash="g"><input></dialog>
<div data-stash="off"><form data-stash></form></div><div data-stash="moves" style="overflow-y: scroll"><textarea></textarea></div>
"""
SHADOW = """
const host = document.querySelector("#host");
host.attachShadow({ mode: "open" }).innerHTML = '<form data-stash="f"><input name="a"></form>';
window.inner = host.shadowRoot.querySelector("input");
"""
TYPE = "inner.value += 'x'; inner.dispatchEvent(new InputEvent('input', { bubbles: true, composed: true }))"


def test_each_kind_is_told_once(page: FormPage) -> None:
    """Each kind of mistake is told once, with what to write, however many there are and however often they are rendered."""
    body = "".join(html for html, _ in MISTAKES.values())
    page.open_body(f"<main>{body}</main><div id=host></div>", script=LISTEN + BEGIN)
    kinds = {text for _, text in MISTAKES.values()}
    page.wait_for("warned.length === a[0]", len(kinds))
    assert all(any(kind in text for text, _ in page.evaluate("warned")) for kind in kinds)
    # What is told of later than the others: after it, they have been looked at again.
    page.run("const main = document.querySelector('main'); main.innerHTML = main.innerHTML;" + SHADOW)
    page.run(TYPE)
    page.wait_for("warned.some(([text]) => text.startsWith('a form in a shadow root'))")
    assert len(page.evaluate("warned")) == len(kinds) + 1


@pytest.mark.parametrize("html", ["nothing", FINE])
def test_what_is_right_is_not_told(html: str, page: FormPage) -> None:
    """What stashes something, or is switched off, is no mistake: a mistake that stands behind it is the first that is told."""
    page.open_body(f"{html}<form data-stash></form>", script=LISTEN + BEGIN)
    page.wait_for("warned.length > 0")
    assert [element for _, element in page.evaluate("warned")] == ['<form data-stash=""></form>']


@pytest.mark.parametrize("given", [False, True])
def test_a_form_in_a_shadow_root(given: bool, page: FormPage) -> None:
    """A form in an open shadow root is told of once somebody types there, unless it is kept, and then its text is."""
    keep = "createForms({ root: host.shadowRoot, storage, now: () => 0 }).start();" if given else ""
    page.open_body('<div id="host"></div>', script=LISTEN + SHADOW + BEGIN + keep)
    for _ in range(2):
        page.run(TYPE)
    # What is looked for later than that: whatever is to be told has been told then.
    page.run(
        "setTimeout(() => document.body.insertAdjacentHTML('beforeend', '<form data-stash></form>'), 1500)"
    )
    page.wait_for("warned.some(([text]) => text.includes('no value'))")
    assert [text.split(" is ")[0] for text, _ in page.evaluate("warned")][:-1] == [
        "a form in a shadow root"
    ] * (not given)
