"""The page that the property test renders: which fields it may have, and its HTML."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Value = tuple[str, ...]
"""As in conflict events: one text for a text or a select, the chosen values of a group."""


class Place(NamedTuple):
    """What tells a field from the others: its form, its name, and its row where it is in one."""

    form: str
    name: str
    row: str = ""


@dataclass(frozen=True)
class Field:
    """What is always the same of a field.

    Attributes:
        form: that it belongs to; a part of the page belongs to none.
        html: with `{}` for what the server renders.
        values: that the server may render.
        policy: who wins a conflict.
    """

    form: str
    html: str
    values: tuple[Value, ...]
    policy: Literal["mine", "theirs"] = "mine"

    @property
    def is_filled(self) -> bool:
        """Whether a script can set it without a word: no secret, and no part of which each change is seen."""
        return self.form != "" and "contenteditable" not in self.html and "password" not in self.html


CHOICES = "abc"
TEXTS: tuple[Value, ...] = (("",), ("x",), ("xy",), ("z",))
SETS: tuple[Value, ...] = ((), ("a",), ("b", "c"), ("a", "b", "c"))
ONES: tuple[Value, ...] = ((), ("a",), ("b",), ("c",))
FIELDS = {
    "name": Field("f", '<input name="name" value="{}">', TEXTS),
    "nick": Field("f", '<input name="nick" value="{}" data-stash-conflict="theirs">', TEXTS, "theirs"),
    "about": Field("f", '<textarea name="about">{}</textarea>', TEXTS),
    "note": Field("f", '<div data-stash="note" contenteditable>{}</div>', TEXTS),
    "likes": Field("f", "{}", SETS),
    "size": Field("f", "{}", ONES),
    "land": Field("f", '<select name="land">{}</select>', ONES),
    "tags": Field("f", '<select name="tags" multiple>{}</select>', SETS),
    "guest": Field("f", '<ol id="guests">{}</ol>', TEXTS),
    "pin": Field("f", '<input name="pin" type="password">', (("",),)),
    "more": Field(
        "", '<details data-stash="more" {}><summary>more</summary>text</details>', ((), ("open",)) * 2
    ),
    "memo": Field("g", '<input name="memo" value="{}">', TEXTS),
}
ROW = '<li data-stash-key="{}"><input name="guest" value="{}"></li>'
ROWS = ("r1", "r2", "r3")
LANDS = ("abc", "ab", "cba", "bc")
"""The options of the select, as they may be rendered."""

PIN = Place("f", "pin")
LAND = Place("f", "land")


@dataclass(frozen=True)
class Page:
    """What the server renders.

    Attributes:
        names: of the fields that are in the page, in their order.
        rows: keys of the rows, in their order.
        lands: the options of the select.
        values: what it renders into each field that is not empty, in the page or not.
    """

    names: tuple[str, ...] = tuple(FIELDS)
    rows: tuple[str, ...] = ("r1", "r2")
    lands: str = "abc"
    values: dict[Place, Value] = field(default_factory=dict)

    @property
    def places(self) -> list[Place]:
        """The fields that are in the page."""
        return [place for name in self.names for place in self._places(name)]

    def _places(self, name: str) -> list[Place]:
        form = FIELDS[name].form
        return [Place(form, name, row) for row in self.rows] if name == "guest" else [Place(form, name)]

    def rendered(self, place: Place) -> Value:
        """What it renders into a field, as the browser shows it."""
        value = self.values.get(place, FIELDS[place.name].values[0])
        return value if place != LAND or self.says(place) else (self.lands[0],)

    def says(self, place: Place) -> bool:
        """Whether it says anything about a field: a select that marks none of its options does not."""
        return place != LAND or set(self.values.get(place, ())).intersection(self.lands) != set()

    def takes(self, place: Place, value: Value) -> bool:
        """Whether a field can show a value."""
        return place != LAND or value[0] in self.lands

    @property
    def html(self) -> str:
        """What stands in `<main>`."""
        reset = '<button type="reset">reset</button>'
        forms = {"f": "", "g": ""}
        for name in self.names:
            forms[FIELDS[name].form or "f"] += f"<p>{self._html(name)}</p>"
        return f'<form data-stash="f">{forms["f"]}{reset}</form><form data-stash="g">{forms["g"]}</form>'

    def _html(self, name: str) -> str:
        value = self.rendered(Place(FIELDS[name].form, name))
        match name:
            case "guest":
                inner = "".join(ROW.format(place.row, *self.rendered(place)) for place in self._places(name))
            case "likes" | "size":
                kind = "checkbox" if name == "likes" else "radio"
                inner = "".join(
                    f'<input type="{kind}" name="{name}" value="{choice}"{" checked" * (choice in value)}>'
                    for choice in CHOICES
                )
            case "land" | "tags":
                marked = value if self.says(Place("f", name)) else ()
                options = self.lands if name == "land" else CHOICES
                inner = "".join(
                    f'<option value="{option}"{" selected" * (option in marked)}>{option}</option>'
                    for option in options
                )
            case _:
                inner = "".join(value)
        return FIELDS[name].html.format(inner)
