"""A composition (Chinese, Japanese, Korean, dictation) goes on, whatever the page and the library do meanwhile."""

from __future__ import annotations

import pytest

from tests.browser.camera import Camera
from tests.browser.forms.composing import Composition
from tests.browser.forms.page import FormPage

NOTE_COMPOSED = """
window.composed = [];
for (const type of ["compositionstart", "compositionupdate", "compositionend"])
  addEventListener(type, ({ type, data }) => composed.push({ type, data }), true);
"""

CONTROLS = {
    "input": ('<input name="a" id="a">', "document.getElementById('a').value"),
    "textarea": ('<textarea name="a" id="a"></textarea>', "document.getElementById('a').value"),
    "contenteditable": (
        '<div contenteditable data-stash="a" id="a"></div>',
        "document.getElementById('a').textContent",
    ),
}


def is_whole(page: FormPage) -> None:
    """It was one composition from its start to its end."""
    types = [note["type"] for note in page.evaluate("composed")]
    assert types.count("compositionstart") == 1
    assert types[-1] == "compositionend"


@pytest.mark.parametrize("kind", CONTROLS)
def test_over_a_restore(page: FormPage, kind: str) -> None:
    """A restore in the middle of a composition leaves it alone, though the field had been stashed with another text."""
    html, text = CONTROLS[kind]
    html += '<input name="b">'
    page.open(html)
    page.type("old", into="#a")
    page.fill("[name=b]", "other")
    page.open(html, script=NOTE_COMPOSED + "forms.start();")
    page.focus("#a")
    word = Composition(page)
    word.begin()
    page.run("forms.restore()")
    assert page.evaluate(text) == word.stages[0]
    assert page.value("[name=b]") == "other"
    word.go_on()
    word.commit()
    assert page.evaluate(text) == word.stages[2]
    is_whole(page)
    assert sorted(page.pairs()["f"]) == [["a", word.stages[2]], ["b", "other"]]


@pytest.mark.parametrize("kind", CONTROLS)
def test_over_a_morph(page: FormPage, camera: Camera, kind: str) -> None:
    """A rendering by morph of the form in the middle of a composition leaves it alone, also with a new value for it."""
    html, text = CONTROLS[kind]
    page.open(html, script=NOTE_COMPOSED + "forms.start(); forms.restore();")
    page.focus("#a")
    word = Composition(page)
    word.begin()
    theirs = {
        "input": '<input name="a" id="a" value="theirs">',
        "textarea": '<textarea name="a" id="a">theirs</textarea>',
        "contenteditable": '<div contenteditable data-stash="a" id="a">theirs</div>',
    }[kind]
    for number in range(3):
        page.run(
            "morph(document.forms[0], arguments[0])", f'<form data-stash="f"><h2>{number}</h2>{theirs}</form>'
        )
        assert page.evaluate(text) == word.stages[0]
        if kind == "contenteditable":
            camera.take(page, f"A word is being composed; rendering {number} of the page around it.")
    word.go_on()
    word.commit()
    if kind == "contenteditable":
        camera.take(page, "The word is accepted.")
    assert page.evaluate("document.querySelector('h2').textContent") == "2"
    assert page.evaluate(text) == word.stages[2]
    is_whole(page)
    assert page.evaluate("conflicts.map(({ theirs, kept }) => [theirs, kept])") == [[["theirs"], "mine"]]
