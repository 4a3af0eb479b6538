"""Random sequences of edits, renderings, reloads, moves and outages: after each step the page shows what the model says.

A deeper run: `pytest tests/browser/forms/test_property.py --hypothesis-profile=deep -o faulthandler_timeout=0`.
What fails is printed as a list of steps.
"""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any, Literal

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from selenium.common.exceptions import WebDriverException

from tests.browser.engines import SECRET
from tests.browser.site import Site
from tests.browser.tab import LOADED, RELOADS, Reload, Tab

from .catalogue import CHOICES, FIELDS, LANDS, PIN, ROWS, Page, Place, Value
from .model import Model
from .profiles import of_profile

SCRIPT = (Path(__file__).parent / "property.js").read_text()

names = st.sampled_from(list(FIELDS))
written = [name for name, field in FIELDS.items() if field.values[0] == ("",)]
picks = st.integers(0, 3)
# One key at a time: what stands there after each step is known to the page, and what stood between is not.
texts = st.sampled_from(["", "x", "y", "z"])
renderings = st.fixed_dictionaries(
    {
        "values": st.dictionaries(names, picks, max_size=4),
        "without": st.sets(names, max_size=3),
        "turn": picks,
        "rows": st.lists(st.sampled_from(ROWS), unique=True, max_size=3),
        "lands": st.sampled_from(LANDS),
    }
)


Step = tuple[Any, ...]


class Forms(RuleBasedStateMachine):
    """One page: what the user does, and what comes from the server."""

    tab: Tab
    site: Site
    visits = 0

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

    @rule(
        name=st.sampled_from(written),
        row=st.sampled_from(ROWS),
        ends=st.tuples(picks, picks),
        text=texts,
    )
    def write(self, name: str, row: str, ends: tuple[int, int], text: str) -> None:
        """The user selects something in a text, and types, or presses Delete."""
        place = Place(FIELDS[name].form, name, row if name == "guest" else "")
        if place not in self.model.shown:
            return
        (old,) = self.model.shown[place]
        start, end = sorted(min(position, len(old)) for position in ends)
        if place == PIN and text:
            text = SECRET
        new = old[:start] + text + old[end if text or end > start else end + 1 :]
        self.model.begin(place)
        if text or new != old:
            self.model.edit(place, (new,))
        caret = start + len(text)
        self.by_hand(
            ("write", place, start, end, text),
            place,
            None if name in ("note", "pin") else (caret, caret),
        )

    @rule(
        name=st.sampled_from(["likes", "size", "tags", "land", "more"]),
        choice=st.sampled_from(CHOICES),
    )
    def choose(self, name: str, choice: str) -> None:
        """The user ticks, chooses, opens, or takes it back."""
        place = Place(FIELDS[name].form, name)
        old = self.model.shown.get(place)
        if (
            old is None
            or (name == "land" and choice not in self.model.page.lands)
            or (old == (choice,) and name in ("land", "size"))
        ):
            return
        match name:
            case "more":
                new: Value = () if old else ("open",)
            case "land" | "size":
                new = (choice,)
            case _:
                new = tuple(sorted({choice}.symmetric_difference(old)))
        self.model.edit(place, new)
        self.by_hand(("choose", place, choice), self.model.focus if name == "more" else place, None)

    @rule()
    def leave(self) -> None:
        """The user leaves the field."""
        self.model.go_to(None)
        self.do("leave")

    @rule()
    def reset(self) -> None:
        """The user resets the form."""
        self.leave()
        self.model.reset("f")
        self.by_hand(("reset",), None, None)

    # The page's scripts.

    @rule(
        name=st.sampled_from([name for name, field in FIELDS.items() if field.is_filled]),
        row=st.sampled_from(ROWS),
        pick=picks,
    )
    def fill(self, name: str, row: str, pick: int) -> None:
        """A script sets a value, and says nothing."""
        field = FIELDS[name]
        place, value = Place(field.form, name, row if name == "guest" else ""), field.values[pick]
        entry = self.model.entries.get(place)
        is_there = place in self.model.shown and (entry is None or entry.shown)
        if is_there and (name != "land" or (value != () and value[0] in self.model.page.lands)):
            self.model.fill(place, value)
            self.do("set", place, value)

    @rule()
    def reset_by_script(self) -> None:
        """A script resets the form."""
        self.model.reset("f")
        self.model.caret = None
        self.do("resetByScript")

    @rule(form=st.sampled_from("fg"))
    def submit(self, form: str) -> None:
        """The form is submitted as it stands."""
        self.do("submit", form, self.model.submit(form))

    # The server.

    @rule(rendering=renderings, how=st.sampled_from(["replace", "morph", "morphInside"]))
    def render(self, rendering: dict[str, Any], how: str) -> None:
        """The page is rendered anew: replaced, morphed as a whole, or what is in its forms."""
        self.model.render(self.next_page(**rendering), anew=how == "replace")
        self.do(how, self.model.page.html)

    render_again = render_once_more = render

    @rule(name=st.sampled_from(["name", "nick", "about", "memo"]), pick=picks)
    def rewrite(self, name: str, pick: int) -> None:
        """A script changes what is rendered into a text that the user has changed."""
        place = Place(FIELDS[name].form, name)
        if place not in self.model.shown or place not in self.model.entries:
            return
        value = FIELDS[name].values[pick]
        self.model.rewrite(place, value)
        self.do("rewrite", place, *value)

    @rule(form=st.sampled_from("fg"), late=st.integers(0, 2))
    def clear(self, form: str, late: int) -> None:
        """The form has been dealt with, as of the newest message or of one before."""
        number = max(0, self.model.number - late)
        self.model.clear(form, number)
        self.do("clear", form, number)

    # The browser.

    @precondition(lambda self: self.model.is_settled and not self.model.refusing)
    @rule(how=st.sampled_from([*RELOADS, "back"]))
    def reload(self, how: Reload | Literal["back"]) -> None:
        """The page is loaded again, or come back to; the browser may put back what it remembers."""
        self.model.load(self.model.page)
        self.reload_now(how)

    @rule(rendering=renderings)
    def visit(self, rendering: dict[str, Any]) -> None:
        """The page is loaded with something else in it."""
        self.model.load(self.next_page(**rendering), at="/")
        self.visit_now()
        self.check()

    @precondition(lambda self: not self.model.refusing and not self.model.has_submitted)
    @rule(rendering=renderings, first=st.sampled_from(["pushed", "rendered"]))
    def move(self, rendering: dict[str, Any], first: str) -> None:
        """The page moves on to its other path by `pushState`, and renders what is there."""
        self.model.load(self.next_page(**rendering), at="/2" if self.model.path == "/" else "/")
        self.do("move", self.model.path, self.model.page.html, first)

    @precondition(lambda self: self.model.is_settled and not self.model.refusing)
    @rule(how=st.sampled_from(RELOADS))
    def outage(self, how: Reload) -> None:
        """The page is loaded again while the server is down, which leads to the browser's own page, and once it is back."""
        self.model.load(self.model.page)
        self.outage_now(how)

    @rule()
    def hide(self) -> None:
        """The page is hidden."""
        self.model.save()
        self.do("hide")

    @precondition(lambda self: not self.model.refusing)
    @rule()
    def refuse(self) -> None:
        """Storage is full from now on."""
        self.model.refuse()
        self.do("refuse")

    @precondition(lambda self: self.model.refusing)
    @rule()
    def accept(self) -> None:
        """Storage has room again."""
        self.model.accept()
        self.do("accept")

    def next_page(
        self, *, values: dict[str, int], without: set[str], turn: int, rows: list[str], lands: str
    ) -> Page:
        """The page that the server renders next."""
        new = dict(self.model.page.values)
        for name, pick in values.items():
            field = FIELDS[name]
            place = Place(field.form, name, ROWS[pick % 3] if name == "guest" else "")
            new[place] = field.values[pick % len(field.values)]
        order = [*FIELDS][turn:] + [*FIELDS][:turn]
        return Page(tuple(name for name in order if name not in without), tuple(rows), lands, new)

    # How it is done: each step by itself, by hand where a user does it.

    def do(self, *step: Any) -> None:
        """What is no user's is done by a script."""
        self.tab.run("steps[arguments[0]](...arguments[1])", step[0], step[1:])
        self.check()

    def by_hand(self, step: Step, focus: Place | None, caret: tuple[int, int] | None) -> None:
        """What a user does. Where it leaves the focus, the browser says."""
        match step:
            case ("write", place, start, end, text):
                self.tab.run("steps.caret(...arguments)", place, start, end)
                self.tab.type(text) if text else self.tab.press("Delete")
            case ("choose", (_, "more", _), _):
                self.tab.click("summary")
            case ("choose", (_, "land", _), choice):
                if self.tab.browser.engine == "webkit":
                    # Its driver tells of the choice alone. A user comes to the list first, by a press or a key.
                    self.tab.press("Shift", on="[name=land]")
                self.tab.select("[name=land]", choice)
            case ("choose", (_, name, _), choice):
                self.tab.click(f"[name={name}] option[value={choice}], [name={name}][value={choice}]")
            case _:
                self.tab.click("[type=reset]")
        seen = self.look()
        self.model.active = True
        self.model.go_to(seen["focus"] and Place(*seen["focus"]))
        self.model.caret = caret
        compare(self.model, seen)

    def visit_now(self) -> None:
        """Load the page that the model has, at an address where nobody has been."""
        Forms.visits += 1
        self.site.body, self.site.script = f'<main id="main">{self.model.page.html}</main>', SCRIPT
        self.tab.goto(f"{self.site.url}?{Forms.visits}", until="window.ready")

    def reload_now(self, how: Reload | Literal["back"]) -> None:
        """Load the page that the model has once more."""
        self.site.body = f'<main id="main">{self.model.page.html}</main>'
        if how != "back":
            self.tab.reload(how)
        elif self.tab.browser.engine == "webkit":
            # It loads a page anew only after others: what it keeps as it was is no page of the model's.
            self.tab.reload()
        else:
            # They do not keep a page with such a listener.
            self.tab.run("addEventListener('unload', () => {})")
            self.tab.goto(f"{self.site.url}other")
            self.tab.back(until=f"window.ready && {LOADED}")
        self.check()

    def outage_now(self, how: Reload) -> None:
        """Load the page that the model has while the server is down, and again."""
        self.site.body = f'<main id="main">{self.model.page.html}</main>'
        self.site.stop()
        try:
            with suppress(WebDriverException):  # Firefox's driver says that it did not work
                if how == "refresh":
                    self.tab.driver.refresh()
                else:
                    self.tab.run("setTimeout(() => location.reload())")
            self.tab.wait_for("!document.querySelector('main#main')")
        finally:
            self.site.start()
        self.tab.driver.refresh()
        self.tab.wait_for("window.ready")
        self.check()

    def check(self) -> None:
        """The page is as the model has it."""
        compare(self.model, self.look())

    def look(self) -> dict[str, Any]:
        """Read everything there is to see."""
        seen: dict[str, Any] = self.tab.evaluate("play([null])")[0]
        return seen


class FastForms(Forms):
    """All steps of an example at once, by scripts, for many examples."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model(Page(), active=True)
        self.steps: list[Step] = []
        self.expected: list[Model] = []

    def do(self, *step: Any) -> None:
        self.steps.append(step)
        self.expected.append(deepcopy(self.model))
        go_on(self.model)

    def by_hand(self, step: Step, focus: Place | None, caret: tuple[int, int] | None) -> None:
        self.model.go_to(focus)
        self.model.caret = caret
        self.do(*step)

    def visit_now(self) -> None:
        self.do("load", self.model.page.html)

    def reload_now(self, how: Reload | Literal["back"]) -> None:
        self.visit_now()

    def outage_now(self, how: Reload) -> None:
        self.visit_now()

    def move(self) -> None:
        """By no script alone: it is only a user who is known to have done something in the page that has moved on."""

    def check(self) -> None:
        """Later."""

    def teardown(self) -> None:
        for model, seen in zip(self.expected, self.tab.evaluate("play(a[0])", self.steps), strict=True):
            compare(model, seen)


def compare(model: Model, seen: dict[str, Any]) -> None:
    """Compare what is seen with the model."""
    assert not seen["errors"], seen["errors"]
    fields = {Place(*place): tuple(value) for place, value in seen["fields"]}
    assert fields == {place: tuple(sorted(value)) for place, value in model.shown.items()}
    assert seen["focus"] == (model.focus and [*model.focus])
    if model.focus and model.caret:
        assert seen["caret"] == [*model.caret]
    model.caret = seen["caret"] and tuple(seen["caret"])
    assert {form: sorted(map(tuple, pairs)) for form, pairs in seen["pairs"].items()} == model.pairs
    told = [(form, name, kept, tuple(theirs)) for form, name, kept, theirs in seen["conflicts"]]
    due, true = (
        {(*place[:2], kept, theirs) for place, kept, theirs in them} for them in (model.due, model.true)
    )
    assert due <= set(told) <= true, f"told {told}, due {due}, true {true}"
    assert SECRET not in seen["stored"]
    go_on(model)


def go_on(model: Model) -> None:
    """What was to be told has been told; and as long as storage is full, what was seen is stored as far as it can be."""
    model.true, model.due = set(), set()
    if model.refusing:
        model.save()


def test_whatever_happens(tab: Tab, site: Site) -> None:
    """Whatever users, servers and browsers do, in whatever order, every field shows what it must."""
    tab.goto(f"{site.url}other")
    machine = type("Forms", (Forms,), {"tab": tab, "site": site})
    run_state_machine_as_test(machine, settings=of_profile(examples=20, steps=15))


def test_whatever_scripts_do(tab: Tab, site: Site) -> None:
    """The same by scripts, in long sequences."""
    site.body, site.script = '<main id="main"></main>', SCRIPT
    tab.goto(site.url, until="window.ready")
    # As of a user who has done something: no step of these does, and each begins in the same page.
    tab.click_at(5, 5)
    machine = type("FastForms", (FastForms,), {"tab": tab, "site": site})
    run_state_machine_as_test(machine, settings=of_profile(examples=50, steps=30))
