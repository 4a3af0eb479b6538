"""Random sequences of edits, renderings and reloads: after each step the page shows what the model says.

A deeper run: `pytest tests/browser/forms/test_property.py --hypothesis-profile=deep -o faulthandler_timeout=0`.
What fails is printed as a list of steps.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.browser.engines import SECRET
from tests.browser.site import Site
from tests.browser.tab import Tab

from .catalogue import CHOICES, FIELDS, LANDS, PIN, ROWS, Page, Place, Value
from .model import Model

SCRIPT = """
import { createForms } from "/js/forms/index.js";
import { morph } from "/static/quart-stash-morph.js";
const FIELD = "input, textarea, select, [contenteditable], details";
const placeOf = (control) => {
  const form = control.matches("details") ? "" : control.closest("form").dataset.stash;
  const row = control.closest("[data-stash-key]")?.dataset.stashKey ?? "";
  return [form, control.dataset.stash ?? control.name, row];
};
const valuesOf = (control) => {
  if (control.matches("details")) return control.open ? ["open"] : [];
  if (control.matches("[contenteditable]")) return [control.innerHTML];
  if (control.matches("[type=checkbox], [type=radio]")) return control.checked ? [control.value] : [];
  return control.matches("select") ? Array.from(control.selectedOptions, ({ value }) => value) : [control.value];
};
window.at = (...place) => [...main.querySelectorAll(FIELD)].find((control) => String(placeOf(control)) === String(place));
window.look = async ({ pairs, flush }) => {
  await new Promise((done) => setTimeout(done));
  const fields = [];
  for (const control of main.querySelectorAll(FIELD)) {
    const place = placeOf(control);
    const known = fields.find(([other]) => String(other) === String(place));
    if (known) known[1].push(...valuesOf(control));
    else fields.push([place, valuesOf(control)]);
  }
  const active = document.activeElement?.matches(FIELD) ? document.activeElement : null;
  const { selectionStart: start, selectionEnd: end } = active ?? {};
  if (flush) forms.flush();
  return {
    fields,
    focus: active && placeOf(active),
    caret: active?.matches("[type=text], textarea, input:not([type])") ? [start, end] : null,
    pairs: pairs ? forms.pairs() : null,
    conflicts: conflicts.splice(0).map(({ form, field, kept, theirs }) => [[form, field], kept, theirs]),
    stored: JSON.stringify(Object.entries(sessionStorage)),
    errors: [...errors, ...told.splice(0).filter(([, , why]) => why === "error" || why === "rendered too often")],
  };
};
const storage = {
  get: (key) => JSON.parse(sessionStorage.getItem(key)),
  set: (key, value) => !window.refusing && (sessionStorage.setItem(key, JSON.stringify(value)), true),
  remove: (key) => sessionStorage.removeItem(key),
};
const forms = createForms({ root: document, storage, now: () => Date.now() });
Object.assign(window, { forms, morph });
globalThis[Symbol.for("quart-stash")] = { keepers: () => [forms] };
const [told, conflicts] = [[], []];
forms.addEventListener("restored", ({ detail }) => told.push([detail.form, detail.field, detail.why]));
forms.addEventListener("conflict", ({ detail }) => conflicts.push(detail));
addEventListener("pagehide", () => forms.flush());
forms.start();
forms.restore();
"""

TO_CARET = """
const [place, start, end] = arguments;
const control = at(...place);
control.focus();
if (control.isContentEditable) {
  getSelection().selectAllChildren(control);
  if (start !== 0) getSelection().collapseToEnd();
} else control.setSelectionRange(start, end);
"""

names = st.sampled_from(list(FIELDS))
written = [name for name, field in FIELDS.items() if field.values[0] == ("",)]
picks = st.integers(0, 3)
renderings = st.fixed_dictionaries(
    {
        "anew": st.booleans(),
        "values": st.dictionaries(names, picks, max_size=4),
        "without": st.sets(names, max_size=3),
        "turn": picks,
        "rows": st.lists(st.sampled_from(ROWS), unique=True, max_size=3),
        "lands": st.sampled_from(LANDS),
    }
)


class Forms(RuleBasedStateMachine):
    """One page: what the user does, and what comes from the server."""

    tab: Tab
    site: Site
    count = 0

    def __init__(self) -> None:
        super().__init__()
        self.model = Model(Page())

    @initialize()
    def first(self) -> None:
        """A clean page."""
        self.tab.run("window.forms?.forget(); sessionStorage.clear()")
        self.visit_now()
        self.check()

    # The user.

    @rule(name=st.sampled_from(written), row=st.sampled_from(ROWS), ends=st.tuples(picks, picks), text=st.sampled_from(["", "x", "u", "xy", "z"]))
    def write(self, name: str, row: str, ends: tuple[int, int], text: str) -> None:
        """The user selects something in a text, and types, or presses Delete."""
        place = Place(FIELDS[name].form, name, row if name == "guest" else "")
        if place not in self.model.shown:
            return
        (old,) = self.model.shown[place]
        start, end = sorted(min(position, len(old)) for position in ends)
        self.tab.run(TO_CARET, place, start, end)
        if place == PIN:
            text = SECRET
        self.tab.type(text) if text else self.tab.press("Delete")
        new = old[:start] + text + old[end if text or end > start else end + 1 :]
        self.acted(place, None if name == "note" else (new,))

    @rule(name=st.sampled_from(["likes", "size", "tags", "land", "more"]), choice=st.sampled_from(CHOICES))
    def choose(self, name: str, choice: str) -> None:
        """The user ticks, chooses, opens, or takes it back."""
        place = Place(FIELDS[name].form, name)
        if place not in self.model.shown or (name == "land" and choice not in self.model.page.lands):
            return
        old = self.model.shown[place]
        match name:
            case "more":
                self.tab.click("summary")
                new: Value = () if old else ("open",)
            case "land":
                self.tab.select("[name=land]", choice)
                new = (choice,)
            case _:
                self.tab.click(f"[name={name}] option[value={choice}]" if name == "tags" else f"[name={name}][value={choice}]")
                new = (choice,) if name == "size" else tuple(sorted({choice}.symmetric_difference(old)))
        self.acted(place, new if new != old else old)

    @rule()
    def leave(self) -> None:
        """The user leaves the field."""
        self.tab.run("document.activeElement?.blur()")
        self.model.focus = None
        self.check()

    @rule()
    def reset(self) -> None:
        """The user resets the form."""
        self.tab.click("[type=reset]")
        self.model.reset("f")
        self.acted()

    @rule(form=st.sampled_from("fg"))
    def submit(self, form: str) -> None:
        """The form is submitted as it stands."""
        self.tab.run("forms.submit(arguments[0])", form)
        self.model.submit(form)
        self.check()

    # The server.

    @rule(rendering=renderings)
    def render(self, rendering: dict[str, Any]) -> None:
        """The page is rendered anew, by morph or by innerHTML."""
        page = self.next_page(**rendering)
        how = "main.innerHTML = arguments[0]" if rendering["anew"] else "morph(main, arguments[0], { style: 'innerHTML' })"
        self.tab.run(how, page.html)
        self.model.render(page, anew=rendering["anew"])
        self.check()

    render_again = render_once_more = render

    @rule(name=st.sampled_from(["name", "nick", "about", "memo"]), pick=picks)
    def rewrite(self, name: str, pick: int) -> None:
        """A script changes what is rendered into a text that the user has changed."""
        place = Place(FIELDS[name].form, name)
        if place not in self.model.shown or place not in self.model.entries:
            return
        page = replace(self.model.page, values={**self.model.page.values, place: FIELDS[name].values[pick]})
        self.tab.run("at(...arguments[0]).defaultValue = arguments[1]", place, page.rendered(place)[0])
        self.model.render(page, anew=False)
        self.check()

    @rule(form=st.sampled_from("fg"))
    def clear(self, form: str) -> None:
        """The form has been dealt with."""
        self.tab.run("forms.clear(arguments[0])", form)
        self.model.clear(form)
        self.check()

    # The browser.

    @precondition(lambda self: self.model.is_settled and not self.model.refusing)
    @rule()
    def reload(self) -> None:
        """The page is loaded again; the browser may put back what it remembers."""
        self.site.body = f'<main id="main">{self.model.page.html}</main>'
        self.tab.reload()
        self.model.load(self.model.page)
        self.check()

    @rule(rendering=renderings)
    def visit(self, rendering: dict[str, Any]) -> None:
        """The page is loaded with something else in it."""
        self.model.load(self.next_page(**rendering))
        self.visit_now()
        self.check()

    @rule()
    def hide(self) -> None:
        """The page is hidden."""
        self.tab.run("dispatchEvent(new PageTransitionEvent('pagehide'))")
        self.model.save()
        self.check()

    @rule()
    def refuse(self) -> None:
        """Storage is full from now on."""
        self.tab.run("forms.flush(); window.refusing = true")
        self.model.refuse()
        self.check()

    @precondition(lambda self: self.model.refusing)
    @rule()
    def accept(self) -> None:
        """Storage has room again."""
        self.tab.run("window.refusing = false; forms.flush()")
        self.model.accept()
        self.check()

    def next_page(self, *, anew: bool, values: dict[str, int], without: set[str], turn: int, rows: list[str], lands: str) -> Page:
        """The page that the server renders next."""
        old = self.model.page
        order = [*FIELDS][turn:] + [*FIELDS][:turn]
        new = dict(old.values)
        for name, pick in values.items():
            field = FIELDS[name]
            place = Place(field.form, name, ROWS[pick % 3] if name == "guest" else "")
            new[place] = field.values[pick % len(field.values)]
        return Page(tuple(name for name in order if name not in without), tuple(rows), lands, new)

    def visit_now(self) -> None:
        """Load the page that the model has, at an address where nobody has been."""
        Forms.count += 1
        self.site.body = f'<main id="main">{self.model.page.html}</main>'
        self.site.script = SCRIPT
        self.tab.goto(f"{self.site.url}?{Forms.count}", until="window.ready")

    # What must be.

    def acted(self, place: Place | None = None, new: Value | None = None) -> None:
        """The user did something by hand: where that leaves focus and caret, and how rich text is written, the browser says."""
        seen = self.look()
        if place:
            self.model.edit(place, new if new is not None else seen["fields"][place])
        self.model.focus, self.model.caret = seen["focus"], seen["caret"]
        self.compare(seen)

    def check(self) -> None:
        """The page is as the model has it."""
        self.compare(self.look())

    def look(self) -> dict[str, Any]:
        """Read everything there is to see."""
        seen: dict[str, Any] = self.tab.evaluate("look(a[0])", {"pairs": True, "flush": self.model.refusing})
        seen["fields"] = {Place(*place): tuple(value) for place, value in seen["fields"]}
        seen["focus"] = seen["focus"] and Place(*seen["focus"])
        seen["caret"] = seen["caret"] and tuple(seen["caret"])
        return seen

    def compare(self, seen: dict[str, Any]) -> None:
        """Compare what is seen with the model."""
        model = self.model
        if model.refusing:
            model.save()
        assert not seen["errors"], seen["errors"]
        assert seen["fields"] == {place: tuple(sorted(value)) for place, value in model.shown.items()}
        assert seen["focus"] == model.focus
        if model.focus and model.caret:
            assert seen["caret"] == model.caret
        model.caret = seen["caret"]
        if seen["pairs"] is not None:
            pairs = {form: sorted(map(tuple, pairs)) for form, pairs in seen["pairs"].items()}
            assert pairs == model.pairs
        told = [(tuple(place), kept, tuple(theirs)) for place, kept, theirs in seen["conflicts"]]
        named = [[((place[:2]), kept, theirs) for place, kept, theirs in them] for them in (model.true, model.due)]
        assert len(told) == len(set(told)) and set(named[1]) <= set(told) <= set(named[0]), f"told {told}, due {named[1]}, true {named[0]}"
        assert SECRET not in seen["stored"]
        model.true, model.due = set(), set()


def test_whatever_happens(tab: Tab, site: Site) -> None:
    """Whatever users, servers and browsers do, in whatever order, every field shows what it must."""
    tab.goto(f"{site.url}other")
    machine = type("Forms", (Forms,), {"tab": tab, "site": site})
    deep = settings.get_current_profile_name() == "deep"
    import os
    if os.environ.get("HUNT"):
        run_state_machine_as_test(machine, settings=settings(max_examples=int(os.environ["HUNT"]), stateful_step_count=int(os.environ.get("STEPS", "15")), database=None, phases=[Phase.generate], report_multiple_bugs=False, suppress_health_check=list(HealthCheck)))
        return
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=5_000 if deep else 25,
            stateful_step_count=40 if deep else 15,
            derandomize=not deep,
            database=None,
            # To make an example smaller takes minutes.
            phases=[*Phase] if deep else [Phase.generate],
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
