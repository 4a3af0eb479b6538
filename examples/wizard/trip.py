"""A trip in the making: how far a tab is, what is typed, and what a button does. Nothing here knows of HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from werkzeug.datastructures import MultiDict
from wtforms import Field, Form

from .fields import Contact, Traveller, Wishes, clean

__all__ = ["MAX_TRAVELLERS", "REVIEW", "STEPS", "Draft", "Trip", "press"]

STEPS = {1: "Contact", 2: "Travellers", 3: "Wishes", 4: "Review"}
REVIEW = 4
DONE = 5
MAX_TRAVELLERS = 8

_ROW = re.compile(r"[1-9]\d{0,5}")


@dataclass
class Trip:
    """How far one tab is. What is typed is not in here: the browser has it, and sends it along.

    Attributes:
        step: one of `STEPS`.
        rows: the travellers' ids, in order.
        made: how many ids there have been. They are counted, never drawn: a message that comes again after a
            crash makes the same row again. None is used twice: what was typed into a row that was removed
            must not turn up in another.
        checked: the fields that have been looked at, beside which it may say what is wrong.
        booked: the number of the booking, once there is one.
    """

    step: int = 1
    rows: list[int] = field(default_factory=lambda: [1])
    made: int = 1
    checked: set[str] = field(default_factory=set)
    booked: int = 0

    @classmethod
    def read(cls, values: Mapping[str, str]) -> Trip:
        """Take a trip from an address or a plain form, where it stands as `address` and `carried` have it."""
        rows = list(
            dict.fromkeys(int(row) for row in values.get("rows", "").split(".") if _ROW.fullmatch(row))
        )
        rows = rows[:MAX_TRAVELLERS] or [1]
        step = values.get("step", "")
        made = values.get("made", "")
        return cls(
            int(step) if step in {str(number) for number in STEPS} else 1,
            rows,
            max(*rows, int(made) if _ROW.fullmatch(made) else 1),
            set(values.get("checked", "").split()),
        )

    def address(self) -> dict[str, str | None]:
        """Return what the page's address says of it, so that a page that is loaded anew begins right."""
        if self.booked:
            return {"booked": str(self.booked), "step": None, "rows": None}
        return {"step": str(self.step), "rows": ".".join(map(str, self.rows))}


class Draft:
    """What is typed so far.

    Args:
        trip: which travellers there are.
        typed: the form, with all its steps. **Untrusted**.
    """

    def __init__(self, trip: Trip, typed: MultiDict[str, str]) -> None:
        self.typed = typed
        self.contact = Contact(typed)
        self.travellers = [Traveller(typed, row) for row in trip.rows]
        self.wishes = Wishes(typed)
        self._forms: dict[int, list[Form]] = {1: [self.contact], 2: [*self.travellers], 3: [self.wishes]}
        for forms in self._forms.values():
            for form in forms:
                form.validate()

    def fields(self, *steps: int) -> Iterator[Field]:
        """Yield the fields of these steps."""
        for step in steps:
            for form in self._forms.get(step, ()):
                yield from form

    def wrong(self, step: int) -> list[str]:
        """Return the names of the fields of a step that are not as they should be."""
        return [field.name for field in self.fields(step) if field.errors]

    def merged(self, form: MultiDict[str, str]) -> MultiDict[str, str]:
        """Return what is typed, with the fields of one step as they are in this form."""
        merged = self.typed.copy()
        for one in self.fields(form.get("step", 0, int)):
            merged.setlist(one.name, form.getlist(one.name))
        return merged

    def beside(self, step: int) -> list[tuple[str, str]]:
        """Return what stands in the fields of the other steps."""
        others = self.fields(*(other for other in STEPS if other != step))
        return [(field.name, value) for field in others for value in field.raw_data or ()]

    def booking(self) -> dict[str, Any]:
        """Return what is to be booked."""
        return {
            "contact": {
                field.label.text: text(field) for field in self.contact if field.name != "company_pays"
            },
            "travellers": [{field.short_name: text(field) for field in one} for one in self.travellers],
            "date": text(self.wishes.date),
            "by": text(self.wishes.by),
            "extras": [option.label.text for option in self.wishes.extras if option.checked],
            "note": clean(self.wishes.note.data or ""),
        }


def text(field: Field) -> str:
    """Return a field's value as text."""
    return "" if field.data is None else str(field.data).strip()


def press(trip: Trip, draft: Draft, form: MultiDict[str, str]) -> str:
    """Do what the button says that a form was sent with: `next`, `remove-3`. Without one, a field was changed.

    Returns:
        The id of the element that is to have the focus; empty: leave it where it is.
    """
    if form.get("step") != str(trip.step):
        return ""  # a second click, on a button of a step that has been left since
    trip.checked.update(field.name for field in draft.fields(trip.step) if any(field.raw_data or ()))
    verb, _, argument = form.get("do", "").partition("-")
    number = int(argument) if _ROW.fullmatch(argument) else 0
    if verb in ("up", "down", "remove") and number in trip.rows:
        return _move(trip, verb, number)
    if verb == "add" and len(trip.rows) < MAX_TRAVELLERS:
        trip.made += 1
        trip.rows.append(trip.made)
        return f"traveller-{trip.made}-name"
    if verb == "go" and 1 <= number <= trip.step:
        trip.step = number
        return "step"
    if verb in ("next", "book"):
        return _proceed(trip, draft)
    return ""


def _proceed(trip: Trip, draft: Draft) -> str:
    """Go to the next step, or back to the first one in which something is wrong."""
    for step in range(1, trip.step + 1):
        wrong = draft.wrong(step)
        if wrong:
            trip.step = step
            trip.checked.update(field.name for field in draft.fields(step))
            return wrong[0]
    trip.step += 1
    return "step"


def _move(trip: Trip, verb: str, row: int) -> str:
    """Move a row up or down, or take it out."""
    place = trip.rows.index(row)
    if verb == "remove":
        if len(trip.rows) == 1:
            return ""
        trip.rows.remove(row)
        prefix = f"traveller-{row}-"
        trip.checked = {name for name in trip.checked if not name.startswith(prefix)}
        return f"traveller-{trip.rows[min(place, len(trip.rows) - 1)]}-name"
    other = place + (-1 if verb == "up" else 1)
    if not 0 <= other < len(trip.rows):
        return ""
    trip.rows[place], trip.rows[other] = trip.rows[other], trip.rows[place]
    # A button that is at its end can't be pressed once more.
    back = {0: "down", len(trip.rows) - 1: "up"}
    return f"{back.get(other, verb)}-{row}"
