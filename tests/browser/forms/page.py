"""A page of plain HTML on which `js/src/forms` works by itself, without a socket."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from selenium.common.exceptions import WebDriverException

from tests.browser.site import Site
from tests.browser.tab import LOADED, Tab

HARNESS = """
import { createForms } from "/js/forms/index.js";
import { excludedNames } from "/js/forms/exclude.js";
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
Object.assign(window, { createForms, excludedNames, morph, storage });
Object.assign(window, { writes: 0, told: [], conflicts: [], fired: [] });
for (const type of ["input", "change"])
  addEventListener(type, (event) => event.detail?.stash && fired.push(`${type} ${event.target.getAttribute("name")}`));
window.forms = createForms({ root: document, storage, now: () => Date.now() });
globalThis[Symbol.for("quart-stash")] = { keepers: () => [forms] };
forms.addEventListener("restored", ({ detail: d }) => told.push([d.form, d.field, d.outcome, d.why]));
forms.addEventListener("conflict", ({ detail: { controls, ...rest } }) => conflicts.push(rest));
addEventListener("pagehide", () => forms.flush());
addEventListener("pageshow", (event) => (window.cached = event.persisted));
"""
BEGIN = "forms.start(); forms.restore();"
PURIFY = """
import DOMPurify from "/modules/dompurify/dist/purify.es.mjs";
import { setSanitizer } from "/js/sanitizer.js";
const purify = (html) => DOMPurify.sanitize(html, { FORBID_TAGS: ["style"] });
"""
PURIFIED = f"{PURIFY} setSanitizer(purify); {BEGIN}"
"""Begins with a sanitizer that the page hands in."""
STORED = "JSON.stringify(Object.values(sessionStorage).map((value) => JSON.parse(value)))"


class FormPage(Tab):
    """A tab on such a page.

    Attributes:
        site: serves it.
    """

    def __init__(self, tab: Tab, site: Site) -> None:
        super().__init__(tab.browser, tab.handle)
        self.site = site

    def open(self, fields: str, *, script: str = BEGIN) -> None:
        """Open a page with these fields in a form `f`; once more it is like a reload, with the same sessionStorage.

        Args:
            fields: HTML.
            script: what is run in the page; `forms` is there, and has not begun.
        """
        self.open_body(in_form(fields), script=script)

    def open_body(self, body: str, *, script: str = BEGIN) -> None:
        """Open a page with this body."""
        self.serve(body, script=script)
        self.goto(self.site.url)

    def serve(self, body: str, *, script: str = BEGIN) -> None:
        """Set what the server renders from now on."""
        self.site.body, self.site.script = body, HARNESS + script

    def come_back_anew(self, *, until: str = LOADED, meanwhile: str = "") -> None:
        """Go so far away that the browser does not keep the page, and go back to it.

        Args:
            until: what to wait for.
            meanwhile: what is run in another page, which may await.
        """
        # What Chromium and Firefox do not keep is a page with such a listener; WebKit keeps the last few pages.
        self.run("addEventListener('unload', () => {})")
        steps = 6 if self.browser.engine == "webkit" else 1
        for step in range(steps):
            self.goto(f"{self.site.url}other?{step}")
        self.evaluate(f"(async () => {{ {meanwhile} }})()")
        self.back(steps, until=f"window.cached !== true && window.forms && {until}")

    def come_back(self, *, meanwhile: str = "") -> None:
        """Follow a link, and go back at once, which brings the page as it was."""
        self.goto(self.site.url + "other")
        self.evaluate(f"(async () => {{ {meanwhile} }})()")
        self.back(until="window.cached === true")

    def run(self, statements: str, *arguments: Any) -> None:
        """Run statements as the page's own, once it is done with what the user did before: a busy browser's timers are late."""
        with suppress(WebDriverException):  # of a page that is being left
            self.evaluate("new Promise((done) => setTimeout(done))")
        super().run(statements, *arguments)

    def pairs(self) -> Any:
        """What would go up with a mount."""
        return self.evaluate("forms.pairs()")

    def told(self) -> Any:
        """What has been told of each field: form, field, outcome, why."""
        return self.evaluate("told")

    def conflicts(self) -> Any:
        """The conflicts that have been told."""
        return self.evaluate("conflicts")

    def submission(self) -> Any:
        """What the first form would submit."""
        return self.evaluate("[...new FormData(document.querySelector('form'))]")

    def stored(self) -> str:
        """What is in storage once it is up to date."""
        self.run("forms.flush()")
        stored: str = self.evaluate(STORED)
        return stored


def in_form(fields: str) -> str:
    """Return a form `f` of these fields."""
    return f'<form data-stash="f">{fields}</form>'
