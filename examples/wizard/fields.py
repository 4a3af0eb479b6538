"""The fields of each step, and what is wrong with them: plain WTForms."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape, unescape

import nh3
from markupsafe import Markup
from werkzeug.datastructures import MultiDict
from wtforms import (
    BooleanField,
    DateField,
    EmailField,
    Field,
    Form,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
    ValidationError,
)
from wtforms.validators import DataRequired, Length, Regexp
from wtforms.widgets import CheckboxInput, ListWidget

__all__ = ["CITIES", "Contact", "Traveller", "Wishes", "clean", "plain", "rich"]

CITIES = {
    "Argentina": ("Buenos Aires", "Córdoba", "Mendoza"),
    "France": ("Lyon", "Marseille", "Paris"),
    "Germany": ("Berlin", "Hamburg", "München"),
    "India": ("Chennai", "Delhi", "Mumbai"),
    "Japan": ("Kyoto", "Sapporo", "Tokyo"),
    "Kenya": ("Kisumu", "Mombasa", "Nairobi"),
    "Norway": ("Bergen", "Oslo", "Tromsø"),
}

_NONE = {"": "-"}
_EMAIL = r"\s*[^@\s]+@[^@\s.]+(\.[^@\s.]+)+\s*$"
_VAT = r"\s*[A-Za-z]{2}[A-Za-z0-9 ]{6,13}\s*$"
_WAYS = {"train": "Train", "ship": "Ship", "plane": "Plane"}
_EXTRAS = {"insurance": "Insurance", "guide": "A guide", "vegetarian": "Vegetarian meals"}
_FORMATTING = {"b", "br", "div", "em", "i", "p", "strong"}


def clean(html: str) -> Markup:
    """Return rich text with nothing in it but plain formatting: what a browser sends may be anything."""
    return Markup(nh3.clean(html, tags=_FORMATTING, attributes={}))


def plain(html: str) -> str:
    """Return rich text without its formatting, for a page without JavaScript."""
    return unescape(nh3.clean(html.replace("<br>", "\n"), tags=set()))


def rich(text: str) -> str:
    """Return plain text as rich text."""
    return escape(text.replace("\r\n", "\n"), quote=False).replace("\n", "<br>")


class Contact(Form):
    """Who plans the trip. A company's name and number are asked for where a company pays."""

    name = StringField("Your name", [DataRequired("Please tell us your name."), Length(max=80)])
    email = EmailField("E-mail", [Regexp(_EMAIL, message="This is not an e-mail address."), Length(max=120)])
    company_pays = BooleanField("A company pays")
    company = StringField("Company", [DataRequired("Please tell us its name."), Length(max=80)])
    vat = StringField("VAT number", [Regexp(_VAT, message="Two letters for the country, then its digits.")])

    def __init__(self, typed: MultiDict[str, str]) -> None:
        super().__init__(typed)
        if not self.company_pays.data:
            del self.company
            del self.vat


class Traveller(Form):
    """One row. Which cities there are depends on the country."""

    name = StringField("Name", [DataRequired("Who is it?"), Length(max=80)])
    country = SelectField(
        "From",
        [DataRequired("Please choose a country.")],
        choices=_NONE | {country: country for country in CITIES},
        default="",
    )
    city = SelectField("City", [DataRequired("Please choose a city.")], validate_choice=False, default="")

    def __init__(self, typed: MultiDict[str, str], row: int) -> None:
        super().__init__(typed, prefix=f"traveller-{row}-")
        self.row = row
        cities = CITIES.get(self.country.data, ())
        self.city.choices = _NONE | {city: city for city in cities}
        if self.city.data not in cities:
            self.city.data = ""  # of the country that was chosen before


class Wishes(Form):
    """When, how, and what else."""

    date = DateField("Departure", [DataRequired("Please choose a day.")])
    by = RadioField("Travel by", choices=_WAYS, default="train")
    extras = SelectMultipleField(
        "Extras", choices=_EXTRAS, widget=ListWidget(prefix_label=False), option_widget=CheckboxInput()
    )
    note = StringField("Anything else", [Length(max=4000, message="This is too long.")], default="")

    def __init__(self, typed: MultiDict[str, str]) -> None:
        super().__init__(typed)

    def validate_date(self, field: Field) -> None:
        """Nobody leaves yesterday."""
        if field.data < datetime.now(UTC).date():
            raise ValidationError("This day is over.")
