"""Views with WTForms: the documentation's own code, on a form that has everything in it."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from quart import Quart
from werkzeug.datastructures import MultiDict
from wtforms import (
    BooleanField,
    DateField,
    FieldList,
    Form,
    FormField,
    IntegerField,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
)
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from quart_stash import QuartStash, StashedForm
from quart_stash.testing import stash_client

DOCS = Path(__file__).parents[1] / "docs" / "writing-views.md"
HELPERS, VIEW = (
    compile(sample, f"{DOCS}#{number}", "exec")
    for number, sample in enumerate(
        re.findall(r"<!-- run by tests/test_wtforms.py -->\n```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    )
)


# Plain texts, which the stubs do not know of yet.
COUNTRIES: Any = ["", "fr", "no"]
TAGS: Any = ["a", "b", "c"]
VISIBILITIES: Any = ["public", "private"]


class Address(Form):
    street = StringField(validators=[InputRequired()])
    since = DateField(validators=[Optional()])


class ProfileForm(Form):
    name = StringField(validators=[InputRequired(), Length(max=10)])
    age = IntegerField(validators=[Optional(), NumberRange(min=0)])
    newsletter = BooleanField()
    country = SelectField(choices=COUNTRIES, validators=[InputRequired()])
    tags = SelectMultipleField(choices=TAGS)
    visibility = RadioField(choices=VISIBILITIES, default="private")
    phones = FieldList(StringField(validators=[Length(max=4)]))
    addresses = FieldList(FormField(Address))


def ada() -> SimpleNamespace:
    """What is saved."""
    home = SimpleNamespace(street="Home", since=datetime.date(2020, 2, 29))
    return SimpleNamespace(
        name="Ada", age=36, newsletter=True, country="fr", tags=["a", "c"], visibility="public",
        phones=["1", "2"], addresses=[home],
    )  # fmt: skip


@pytest.fixture
def docs() -> dict[str, Any]:
    """The names that the documentation's samples define."""
    names: dict[str, Any] = {"ProfileForm": ProfileForm}
    for sample in (HELPERS, VIEW):
        exec(sample, names)
    return names


Pairs = Iterable[tuple[str, str]]


@pytest.fixture
def half_typed(docs: dict[str, Any]) -> Callable[..., tuple[ProfileForm, dict[str, list[str]]]]:
    def lay(pairs: Pairs = (), empty: Iterable[str] = ()) -> tuple[ProfileForm, dict[str, list[str]]]:
        form, errors = docs["half_typed"](ProfileForm, StashedForm(pairs, empty), ada())
        return form, errors

    return lay


Lay = Callable[..., tuple[ProfileForm, dict[str, list[str]]]]


def test_nothing_touched(half_typed: Lay) -> None:
    """A form that nobody has touched validates as what is saved, whatever kinds of fields it has."""
    form, errors = half_typed()
    assert form.data == ProfileForm(obj=ada()).data
    assert form.errors == errors == {}


def test_what_was_touched_counts(half_typed: Lay) -> None:
    """Each kind of field has the user's value where they have touched it, and the saved one where not."""
    form, errors = half_typed(
        [("name", "Grace"), ("country", "no"), ("tags", "b"), ("visibility", "private"), ("phones-1", "22")]
    )
    expected = ProfileForm(obj=ada()).data
    expected |= {
        "name": "Grace",
        "country": "no",
        "tags": ["b"],
        "visibility": "private",
        "phones": ["1", "22"],
    }
    assert form.data == expected
    assert errors == {}


def test_unticked_and_left_alone(half_typed: Lay) -> None:
    """A box that was unticked is off and a select that was emptied is empty; left alone, they are as saved."""
    form, _ = half_typed(empty=["newsletter", "tags"])
    assert (form.newsletter.data, form.tags.data) == (False, [])
    form, _ = half_typed([("name", "Grace")])
    assert (form.newsletter.data, form.tags.data) == (True, ["a", "c"])


def test_rows(half_typed: Lay) -> None:
    """A row that the user added comes after the saved ones, and an edited one keeps its other fields."""
    form, errors = half_typed(
        [("phones-2", "333"), ("addresses-0-street", "Office"), ("addresses-1-street", "Club")]
    )
    assert form.phones.data == ["1", "2", "333"]
    assert form.addresses.data == [
        {"street": "Office", "since": datetime.date(2020, 2, 29)},
        {"street": "Club", "since": None},
    ]
    assert errors == {}


def test_errors_of_what_was_touched(half_typed: Lay) -> None:
    """The user is told what is wrong with what they have typed, in rows too, and of nothing that they have not come to."""
    form, errors = half_typed(
        [
            ("name", "much too long"),
            ("age", "old"),
            ("phones-0", "12345"),
            ("addresses-1-since", "2024-01-01"),
        ]
    )
    assert sorted(errors) == ["age", "name", "phones-0"]
    assert errors["phones-0"] == ["Field cannot be longer than 4 characters."]
    assert form.addresses.errors == [{}, {"street": ["This field is required."]}]


def test_the_dirty_fields_alone_would_not_do() -> None:
    """Why `over` is needed: to WTForms, a field that is missing is an empty one."""
    form = ProfileForm(formdata=StashedForm([("name", "Grace")]), obj=ada())
    assert not form.validate()
    assert (form.newsletter.data, form.tags.data, form.phones.data) == (False, [], [])


async def test_in_a_view(docs: dict[str, Any]) -> None:
    """A mount is answered with the errors of the half-typed form; a submit is validated, saved, cleared with a refused one."""
    app = Quart(__name__)
    app.secret_key = "a secret key of thirty-two letters"
    stash = QuartStash(app)
    saved = ada()
    docs["load_profile"] = lambda: saved
    app.websocket("/profile")(stash.view()(docs["profile"]))
    forms = {"profile": [("name", "much too long"), ("newsletter", None)]}
    async with stash_client(app, "/profile", forms=forms) as client:
        assert await client.receive_json() == {
            "errors": {"name": ["Field cannot be longer than 10 characters."]}
        }
        pairs = [["name", "Grace"], ["country", "no"], ["visibility", "public"], ["addresses-0-street", ""]]
        await client.send_json({"form": "profile", "fields": pairs})
        assert await client.receive_json() == {
            "errors": {"addresses": [{"street": ["This field is required."]}]}
        }
        assert "clear" not in [name for name, _ in client.events]
        pairs[-1][1] = "Home"
        await client.send_json({"form": "profile", "fields": pairs})
        assert await client.receive_json() == {"errors": {}}
        assert ("clear", {"form": "profile", "number": 2}) in client.events
    assert (saved.name, saved.newsletter, saved.tags, saved.country) == ("Grace", False, [], "no")


def test_an_empty_submit_is_a_submit() -> None:
    """A submitted form of which nothing is ticked validates as that, and not as if nothing had been sent."""

    class Boxes(Form):
        one = BooleanField(default=True)

    assert Boxes(formdata=MultiDict()).one.data is False
