"""Forms by themselves, on pages of plain HTML."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.site import Site
from tests.browser.tab import Tab

HARNESS = """
import { createForms, hasExcluded } from "/js/forms/index.js";
import { morph } from "/static/quart-stash-morph.js";
const storage = {
  get: (key) => JSON.parse(sessionStorage.getItem(key)),
  set: (key, value) => {
    window.writes += 1;
    sessionStorage.setItem(key, JSON.stringify(value));
    return true;
  },
  remove: (key) => sessionStorage.removeItem(key),
};
Object.assign(window, { createForms, hasExcluded, storage, morph });
Object.assign(window, { writes: 0, told: [], conflicts: [], fired: [] });
for (const type of ["input", "change"])
  addEventListener(type, (event) => event.detail?.stash && fired.push(`${type} ${event.target.getAttribute("name")}`));
window.forms = createForms({ root: document, storage, now: () => Date.now() });
globalThis[Symbol.for("quart-stash")] = { keepers: () => [forms] };
forms.addEventListener("restored", ({ detail: d }) => told.push([d.form, d.field, d.outcome, d.why]));
forms.addEventListener("conflict", ({ detail: { controls, ...rest } }) => conflicts.push(rest));
addEventListener("pagehide", () => forms.flush());
"""
BEGIN = "forms.start(); forms.restore();"


@pytest.fixture
def open_page(site: Site, tab: Tab) -> Callable[..., None]:
    """Open a page, or load it again."""

    def open_page(form: str, *, script: str = BEGIN, wrap: bool = True) -> None:
        site.body = f'<form data-stash="f">{form}</form>' if wrap else form
        site.script = HARNESS + script
        tab.goto(site.url)
        tab.wait_for("window.ready")

    return open_page
