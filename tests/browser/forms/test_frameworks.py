"""Controls that a framework holds: what was typed is in the page and in the framework's state alike."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.browser.bundle import bundled_file
from tests.browser.forms.page import BEGIN, FormPage

FOLDER = Path(__file__).parents[1] / "frameworks"
LOAD = """
await import("/bundled/app.js");
const place = document.getElementById("app");
"""
MADE = "<div id=app></div>"

TEXTS = {"text": "hello", "area": "two\nlines", "number": "12", "range": "70", "date": "2024-02-29"}
CHOICES = {"one": "b", "many": ["a", "c"], "box": True, "on": False, "group": ["y", "z"], "pick": "r2"}
OF_ITS_OWN: dict[str, dict[str, Any]] = {
    "react.jsx": {"upper": "LOUD"},
    "vue.js": {"upper": "LOUD", "lazy": "late", "trim": "cut", "number": 12},
    "alpine.js": {"lazy": "late", "change": "later", "number": 12},
}
# As a picker does, and not as a script: React takes that for its own.
PICK = """
const field = document.querySelector(`[name=${arguments[0]}]`);
Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(field, arguments[1]);
for (const type of ["input", "change"]) field.dispatchEvent(new Event(type, { bubbles: true }));
"""
TYPED = {"upper": "loud", "lazy": "late", "trim": " cut ", "change": "later"}
SHOWN = """
  Object.fromEntries(Object.keys(ui.state()).map((name) => {
    const controls = [...document.querySelectorAll(`[name=${name}]`)], [first] = controls;
    if (first.multiple) return [name, [...first.selectedOptions].map(({ value }) => value)];
    if (first.type === "radio") return [name, controls.find(({ checked }) => checked)?.value];
    if (first.type !== "checkbox") return [name, first.value];
    return [name, first.value === "on" ? first.checked : controls.filter(({ checked }) => checked).map(({ value }) => value)];
  }))
"""


def fill(page: FormPage, framework: str) -> dict[str, Any]:
    """Work in every control, and return what the framework is to have."""
    own = OF_ITS_OWN[framework]
    for name, text in (TEXTS | {name: TYPED[name] for name in own if name in TYPED}).items():
        page.fill(f"[name={name}]", text) if name not in ("date", "range") else page.run(PICK, name, text)
    page.select("[name=one]", "b")
    page.select("[name=many]", "a", "c")
    page.check("[name=box]")
    page.uncheck("[name=on]")
    page.uncheck("[name=group][value=x]")
    page.check("[name=group][value=y]")
    page.check("[name=group][value=z]")
    page.check("[name=pick][value=r2]")
    page.run("document.activeElement.blur()")
    return TEXTS | CHOICES | own


def agree(page: FormPage, expected: dict[str, Any]) -> None:
    """Page and framework agree on what was typed."""
    shown = {name: str(value) if name == "number" else value for name, value in expected.items()}
    with suppress(TimeoutError):
        page.wait_for(
            "window.ready && a[0].every(([name, value]) => ui.state()[name] === value)", scalars(expected)
        )
    state, seen = page.evaluate("ui.state()"), page.evaluate(SHOWN)
    assert {name: state[name] for name in state if state[name] != expected[name]} == {}, "in its state"
    assert {name: seen[name] for name in seen if seen[name] != shown[name]} == {}, "in the page"


def worked_in(page: FormPage, framework: str, body: str, script: str) -> dict[str, Any]:
    """Work in every control of a page, load it again, and return what it is to hold from then on."""
    page.open_body(body, script=script)
    page.wait_for("window.ready")
    expected = fill(page, framework)
    agree(page, expected)
    page.open_body(body, script=script)
    agree(page, expected)
    return expected


def scalars(values: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return those that JavaScript compares by value."""
    return [(name, value) for name, value in values.items() if not isinstance(value, list)]


@pytest.mark.parametrize("framework", OF_ITS_OWN)
def test_rendered_by_script(page: FormPage, framework: str) -> None:
    """A framework that renders the form before or after it is restored, or once more, has what was typed."""
    page.site.bundles["app.js"] = bundled_file(FOLDER / framework)
    expected = worked_in(page, framework, MADE, f"{LOAD} ui.render(place); {BEGIN}")
    page.open_body(MADE, script=f"{LOAD} {BEGIN} ui.render(place);")
    agree(page, expected)
    page.evaluate("ui.again()")
    agree(page, expected)


@pytest.mark.parametrize("framework", OF_ITS_OWN)
def test_rendered_by_the_server(page: FormPage, framework: str) -> None:
    """A framework that takes hold of what the server has rendered, before or after it is restored, has what was typed."""
    page.site.bundles["app.js"] = bundled_file(FOLDER / framework)
    page.open_body(MADE, script=LOAD)
    page.wait_for("window.ready")
    body = f"<div id=app>{page.evaluate('ui.html()')}</div>"
    expected = worked_in(page, framework, body, f"{LOAD} ui.hydrate(place); {BEGIN}")
    page.open_body(body, script=f"{BEGIN} {LOAD} ui.hydrate(place);")
    agree(page, expected)
    page.reload()
    agree(page, expected)
