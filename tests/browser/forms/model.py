"""What a user must see of stashed forms, whatever happens to the page: docs/forms.md, in Python."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from .catalogue import FIELDS, PIN, Page, Place, Value

Kept = Literal["mine", "theirs"]
Told = tuple[Place, Kept, Value]
"""A conflict: where, who won, and what the server rendered."""


@dataclass
class Entry:
    """What is known of a field that the user has changed.

    Attributes:
        base: what the page had there when they began.
        bare: what was rendered then, where a script had set the base.
        mine: what they made of it.
        shown: whether it is in the page; otherwise it waits.
        sent: what stood in it at each submit of the form that is not dealt with yet, and the number of that.
        said: what stood in it before: a server that renders that has heard it from here.
        held: whether nothing was changed: it only stands there until the user has left it.
        gone: whether its row has been taken out of its list; it may come back.
        told: the conflicts that the page knows of.
    """

    base: Value
    mine: Value
    shown: bool = True
    sent: tuple[tuple[int, Value], ...] = ()
    said: frozenset[Value] = frozenset()
    held: bool = False
    gone: bool = False
    bare: Value | None = None
    told: set[Told] = field(default_factory=set)


@dataclass
class Stored:
    """What a form left in storage."""

    entries: dict[Place, Entry]
    submitted: bool


class Model:
    """What the user must see, and what the page is to know.

    Attributes:
        page: what the server has rendered.
        shown: what stands in each field of the page.
        active: whether the user has done anything in the page.
        focus: the field that has the focus.
        caret: selection in it, where it has one; `None`: it may be anywhere.
        entries: the fields that the user has changed.
        number: of the newest submit.
        refusing: whether storage takes nothing new.
        path: where the page is.
        due: conflicts that the last step must tell of.
        true: conflicts that there are.
    """

    def __init__(self, page: Page, *, active: bool = False) -> None:
        self.page = page
        self.active = self._always_active = active
        self.shown = {place: page.rendered(place) for place in page.places}
        self.entries: dict[Place, Entry] = {}
        self.focus: Place | None = None
        self.caret: tuple[int, int] | None = None
        self.refusing = False
        self.due: set[Told] = set()
        self.true: set[Told] = set()
        self.path = "/"
        self._stored: dict[str, Stored] = {}
        self._places = {self.path: self._stored}
        self.number = 0
        # Forms that have been submitted, with the numbers that are not dealt with yet.
        self._submitted: dict[str, list[int]] = {}
        # Of the controls that are in the page now: edited by the user; as they were submitted; dealt with.
        self._edited: set[Place] = set()
        self._sent: set[Place] = set()
        self._done: set[Place] = set()
        # What scripts have set and the server has taken, and what was rendered there then.
        self._taken: dict[Place, tuple[Value, Value]] = {}

    @property
    def pairs(self) -> dict[str, list[tuple[str, str]]]:
        """What goes up with a mount: of each name that was touched all fields, in any order."""
        found: dict[str, list[tuple[str, str]]] = {}
        for form in {place.form for place in self.entries} - {""}:
            entries = {
                place: entry for place, entry in self.entries.items() if place.form == form and not entry.gone
            }
            touched = {place.name for place in entries}
            values = {
                place: value
                for place, value in self.shown.items()
                if place.form == form and place.name in touched
            }
            values |= {place: entry.mine for place, entry in entries.items()}
            found[form] = sorted((place.name, text) for place, value in values.items() for text in value)
        return found

    @property
    def is_settled(self) -> bool:
        """Whether every field shows what was rendered or what is stashed, so that the browser has nothing of its own."""
        return all(
            place in self.entries or value == self.page.rendered(place)
            for place, value in self.shown.items()
            if place != PIN
        )

    # The user.

    def begin(self, place: Place) -> None:
        """The user comes to a field: if nothing there is theirs, what stands there is what they begin with."""
        known = self.entries.get(place)
        if FIELDS[place.name].is_filled and (known is None or not known.shown):
            self._taken.pop(place, None)
            if self.shown[place] != self.page.rendered(place):
                self._taken[place] = (self.shown[place], self._bare(place))

    def edit(self, place: Place, value: Value) -> None:
        """The user has put a value into a field."""
        self.begin(place)
        self._edited.add(place)
        self._sent.discard(place)
        self._done.discard(place)
        self._put(place, value)

    def fill(self, place: Place, value: Value) -> None:
        """A script sets a value, without an event."""
        entry = self.entries.get(place)
        if entry is None:
            self.shown[place] = value
        elif self.active:
            self._put(place, value)
        else:
            self._taken[place] = (value, self._bare(place))
            self.shown[place] = self._merge(place, value)
        if place == self.focus:
            self.caret = None

    def _put(self, place: Place, value: Value) -> None:
        self.shown[place] = value
        if place == PIN:
            return
        theirs = self._theirs(place)
        known = self.entries.get(place)
        base = known.base if known and known.shown else theirs
        if value == base == theirs and not (known and known.sent):
            self.entries.pop(place, None)
        elif not known or not known.shown or known.mine != value:
            taken = self._bare(place) if self._is_taken(place) else None
            bare = known.bare if known and known.shown else taken
            entry = self.entries[place] = Entry(base, value, bare=bare)
            if known:
                entry.sent, entry.said, entry.told = known.sent, known.said | {known.mine}, known.told
            elif base != self.page.rendered(place):
                entry.said = frozenset({self.page.rendered(place)})

    def go_to(self, place: Place | None) -> None:
        """The focus goes somewhere; what was to be shown in the field that it was in is shown now."""
        left, self.focus, self.caret = self.focus, place, None
        if place is not None and place != left:
            self.begin(place)
        if left in self.entries and left in self.shown and left != place:
            self.shown[left] = self._merge(left, None)

    def reset(self, form: str) -> None:
        """The user resets a form: it is as it was rendered."""
        for place in self.shown:
            if place.form == form:
                self.shown[place] = self.page.rendered(place)
                self._taken.pop(place, None)
        self._drop({place for place in self.entries if place.form == form})
        self._deal_with({place for place in self.shown if place.form == form})

    @property
    def has_submitted(self) -> bool:
        """Whether a form was submitted of which something is left: what is cleared next may be at another path."""
        return self._submitted != {}

    def submit(self, form: str) -> int:
        """The form is submitted as it stands. Returns the number of the submit."""
        self.number += 1
        for place, entry in self.entries.items():
            if place.form == form:
                entry.sent += ((self.number, entry.mine),)
        self._sent |= {place for place in self.shown if place.form == form}
        self._submitted.setdefault(form, []).append(self.number)
        return self.number

    def clear(self, form: str, number: int) -> None:
        """The form has been dealt with up to this submit, but for what was typed since."""
        submitted = self._submitted.get(form)
        for place, entry in [one for one in self.entries.items() if one[0].form == form]:
            sent = entry.sent if submitted is not None else ((0, entry.mine),)
            values = [value for at, value in sent if at <= number]
            if not values:
                continue
            if entry.shown:
                self._taken[place] = (values[-1], self._bare(place))
            entry.said |= {entry.base}
            entry.base = values[-1]
            entry.sent = tuple(one for one in entry.sent if one[0] > number)
            if not entry.sent and entry.mine == entry.base:
                self._drop({place})
        controls = {place for place in self.shown if place.form == form}
        left = [sent for sent in submitted or () if sent > number]
        if submitted is not None:
            self._submitted[form] = left
        if not left:
            self._deal_with(controls if submitted is None else controls & self._sent)

    def _drop(self, places: set[Place]) -> None:
        for place in places:
            del self.entries[place]

    def _deal_with(self, places: set[Place]) -> None:
        self._done |= places
        self._edited -= places

    # The server.

    def render(self, page: Page, *, anew: bool) -> None:
        """The page is rendered.

        Args:
            page: what it is from now on.
            anew: with new controls in place of the old ones.
        """
        before, self.page = self.page, page
        places = set(page.places)
        # What was typed into a row that is taken out of its list goes up no more.
        for place in set(self.entries).intersection(before.places) - places:
            self.entries[place].gone = place.row != "" and "guest" in page.names
        if self.focus not in places:
            self.focus = None
        stay = {self.focus} if anew else places & set(before.places)
        self._edited &= stay
        if anew:
            self._sent, self._done = set(), set()
        self._taken = {} if anew else {place: taken for place, taken in self._taken.items() if place in stay}
        was, self.shown = self.shown, {}
        for entry in [self.entries[place] for place in set(self.entries) - places]:
            entry.shown = False
        for place in page.places:
            pin_stays = place == PIN and PIN in was and not anew and PIN not in self._done
            self.shown[place] = was[PIN] if pin_stays else self._merge(place, was.get(place), anew=anew)
            if place not in self.entries and self.shown[place] != self._theirs(place):
                self._taken.pop(place, None)
        if self.focus is None or self.shown[self.focus] != was[self.focus]:
            self.caret = None

    def _merge(self, place: Place, was: Value | None, *, anew: bool = False) -> Value:
        """Return what a field shows after it was rendered; before, it was that."""
        rendered = self.page.rendered(place)
        protected = place == self.focus and place in self._edited
        entry = self.entries.get(place)
        if entry is None:
            if not protected or place == PIN or was is None or was in (rendered, self._theirs(place)):
                return was if protected and was is not None and was == self._theirs(place) else rendered
            entry = self.entries[place] = Entry(was, was, held=True)
        if entry.held and not protected:
            del self.entries[place]
            return self._theirs(place)
        says = self.page.says(place) or self._is_taken(place)
        unsaid = entry.bare == self._bare(place) and not self._is_taken(place)
        theirs = self._theirs(place) if says and not unsaid else entry.base
        conflict = not entry.held and theirs not in (entry.base, entry.mine, *entry.said)
        if conflict and entry.sent and entry.mine == entry.base:
            conflict = False  # they have taken it back
            if not protected:
                del self.entries[place]
                return rendered
        if conflict and FIELDS[place.name].policy == "theirs" and not protected:
            self._tell(entry, (place, "theirs", theirs))
            del self.entries[place]
            return theirs
        if not entry.shown and protected and was is not None and not anew:
            # The option that they had chosen may be back; it is shown when they leave.
            if conflict:
                self._tell(entry, (place, "mine", theirs))
            return was if self.page.takes(place, was) else rendered
        entry.shown, entry.gone = self.page.takes(place, entry.mine), False
        if not entry.shown:
            return rendered
        if conflict:
            self._tell(entry, (place, "mine", theirs))
        if entry.mine == entry.base == self._theirs(place) and not entry.sent:
            # All agree again: the field is nobody's in particular.
            del self.entries[place]
        return entry.mine

    def _theirs(self, place: Place) -> Value:
        """What the page has in a field: what it renders, or what a script has set there since."""
        return self._taken[place][0] if self._is_taken(place) else self.page.rendered(place)

    def _is_taken(self, place: Place) -> bool:
        return place in self._taken and self._taken[place][1] == self._bare(place)

    def _bare(self, place: Place) -> Value:
        return self.page.rendered(place) if self.page.says(place) else ()

    def _tell(self, entry: Entry, conflict: Told) -> None:
        self.true.add(conflict)
        if conflict not in entry.told:
            self.due.add(conflict)
            entry.told.add(conflict)

    def rewrite(self, place: Place, value: Value) -> None:
        """What is rendered into a field that the user has changed becomes something else."""
        self.page = replace(self.page, values={**self.page.values, place: value})
        self.shown[place] = self._merge(place, self.shown[place])

    def load(self, page: Page, *, at: str | None = None) -> None:
        """The page is loaded, again or with something else in it; or it moves on by itself, which is no other thing.

        Args:
            page: what is rendered.
            at: the path, if it is another one: what was typed at one path is found again there, and nowhere else.
        """
        self.save()
        if at is not None:
            self.path = at
        self._stored = self._places.setdefault(self.path, {})
        self.refusing = False
        self.entries = {}
        for stored in self._stored.values():
            changed = {place: entry for place, entry in stored.entries.items() if not entry.held}
            self.entries |= {
                place: replace(entry, shown=False, told=set()) for place, entry in changed.items()
            }
        self._submitted = {form: [] for form, stored in self._stored.items() if stored.submitted}
        self._edited, self._sent, self._done = set(), set(), set()
        self.active, self._taken = self._always_active, {}
        self.page, self.shown, self.focus, self.caret = page, {}, None, None
        self.shown = {place: self._merge(place, None) for place in page.places}

    # Storage.

    def save(self) -> None:
        """What there is is stored, if storage takes it; what there is no more is not."""
        for form in {one.form for one in FIELDS.values()}:
            entries = {place: replace(entry) for place, entry in self.entries.items() if place.form == form}
            if not entries:
                self._stored.pop(form, None)
            elif not self.refusing:
                self._stored[form] = Stored(entries, form in self._submitted)

    def refuse(self) -> None:
        """Storage is full from now on."""
        self.save()
        self.refusing = True

    def accept(self) -> None:
        """Storage has room again."""
        self.refusing = False
