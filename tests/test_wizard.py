"""`examples/wizard` without a browser: the plain form, the view over restarts, and what its buttons do."""

from __future__ import annotations

import json
import re
import secrets
import sqlite3
from contextlib import closing
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from quart.typing import TestClientProtocol as Client
from werkzeug.datastructures import MultiDict

from examples.wizard.app import app
from examples.wizard.bookings import Bookings
from examples.wizard.fields import CITIES, clean, plain, rich
from examples.wizard.trip import MAX_TRAVELLERS, Draft, Trip, press
from quart_stash.testing import StashClient, stash_client

ADA = {"name": "Ada", "email": "ada@example.org"}
COMPANY = {"company_pays": "y", "company": "Engines Ltd", "vat": "GB 123456789"}
PARIS = {"traveller-1-name": "Ada", "traveller-1-country": "France", "traveller-1-city": "Paris"}
WISHES = {"date": "2999-05-01", "by": "ship", "note": "By the <b>window</b>"}


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "wizard.sqlite3"
    monkeypatch.setitem(app.config, "SECRET_KEY", secrets.token_urlsafe(32))
    monkeypatch.setitem(app.extensions, "bookings", Bookings(path))
    return path


def booked(path: Path) -> list[dict[str, Any]]:
    """Return what has been booked."""
    with closing(sqlite3.connect(path)) as database:
        return [json.loads(row[0]) for row in database.execute("SELECT trip FROM bookings ORDER BY number")]


# The plain form.


def hidden(page: str) -> dict[str, list[str]]:
    """Return the form's hidden fields."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page):
        found.setdefault(name, []).append(unescape(value))
    return found


async def post(client: Client, page: str, **fields: Any) -> str:
    """Fill in the step that a page shows, press a button, and return the page that comes."""
    form = urlencode({**hidden(page), **fields}, doseq=True)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    response = await client.post("/", data=form, headers=headers)
    if response.status_code == 302:
        response = await client.get(response.headers["location"])
    assert response.status_code == 200
    return await response.get_data(as_text=True)


async def get(client: Client, path: str = "/") -> str:
    response = await client.get(path)
    assert response.status_code == 200
    return await response.get_data(as_text=True)


async def to_review(client: Client) -> str:
    """Go through the steps up to the review; return its page."""
    page = await post(client, await get(client), **ADA, **COMPANY, do="next")
    page = await post(client, page, **PARIS, do="add")
    two = {name.replace("-1-", "-2-"): value for name, value in PARIS.items()}
    page = await post(client, page, **PARIS, **two | {"traveller-2-name": "Charles"}, do="up-2")
    page = await post(client, page, **PARIS, **two | {"traveller-2-name": "Charles"}, do="next")
    wishes = {"date": "2999-05-01", "by": "ship", "extras": ["guide", "vegetarian"]}
    return await post(client, page, **wishes, plain_note="By the <window>\r\nplease", do="next")


async def test_plain_form_books(database: Path) -> None:
    """Without JavaScript the form goes through its steps, with rows and conditional fields, and books once."""
    client = app.test_client()
    review = await to_review(client)
    assert "Nothing is booked yet" in review
    assert not booked(database)
    for _ in range(2):  # a double click
        page = await post(client, review, do="book")
        assert "Booked" in page
    assert booked(database) == [
        {
            "contact": {"Your name": "Ada", "E-mail": "ada@example.org", "Company": "Engines Ltd", "VAT number": "GB 123456789"},
            "travellers": [
                {"name": "Charles", "country": "France", "city": "Paris"},
                {"name": "Ada", "country": "France", "city": "Paris"},
            ],
            "date": "2999-05-01",
            "by": "ship",
            "extras": ["A guide", "Vegetarian meals"],
            "note": "By the &lt;window&gt;<br>please",
        }
    ]  # fmt: skip


async def test_plain_form_tells_the_stash(database: Path) -> None:
    """The page after the booking says once that the form has been dealt with."""
    client = app.test_client()
    assert 'name="quart-stash-clear" content="trip"' in await post(client, await to_review(client), do="book")
    assert "quart-stash-clear" not in await get(client)


async def test_plain_form_goes_back_and_forth(database: Path) -> None:
    """Going back shows what was typed, also in a step that was left half done."""
    client = app.test_client()
    page = await post(client, await get(client), **ADA, do="next")
    page = await post(client, page, **PARIS, do="go-1")
    assert 'value="ada@example.org"' in page
    page = await post(client, page, **ADA, do="next")
    assert '<option selected value="Paris">' in page


@pytest.mark.parametrize("forged", [{}, {"csrf_token": ""}, {"csrf_token": "x" * 32}, {"csrf_token": "é"}])
async def test_forged_post_is_refused(database: Path, forged: dict[str, str]) -> None:
    """A post without the session's own form token is refused."""
    client = app.test_client()
    await get(client)
    assert (await client.post("/", form={**ADA, "do": "next", **forged})).status_code == 400


async def test_forged_step_books_nothing(database: Path) -> None:
    """A post that claims to be at the review is led back to the first step in which something is missing."""
    client = app.test_client()
    page = await post(client, await get(client), **ADA, step="4", do="book")
    assert "Step 2 of 4" in page
    assert "Who is it?" in page
    assert not booked(database)


async def test_wrong_fields_are_told(database: Path) -> None:
    """What is wrong stands beside its field and is tied to it, the focus goes to the first, what was typed is escaped."""
    client = app.test_client()
    page = await post(client, await get(client), name='<b>"', email="nobody", do="next")
    assert "This is not an e-mail address." in page
    assert re.search(
        r'<input aria-describedby="email-error" aria-invalid="true"[^>]* autofocus[^>]* value="nobody"', page
    )
    assert "&lt;b&gt;&#34;" in page
    assert "<b>" not in page


async def test_booking_is_its_users(database: Path) -> None:
    """Nobody else sees a booking."""
    client = app.test_client()
    await post(client, await to_review(client), do="book")
    assert "Charles" in await get(client, "/?booked=1")
    assert "There is no such booking." in await get(app.test_client(), "/?booked=1")


@pytest.mark.parametrize(
    "query",
    ["step=9&rows=x", "step=-1&rows=0.0.1e9", "rows=" + "9" * 500, "rows=1.1.2&step=%C2%B2", "booked=x"],
)
async def test_any_address_is_a_page(database: Path, query: str) -> None:
    """Whatever stands in the address, there is a page."""
    await get(app.test_client(), f"/?{query}")


async def test_page_works_under_a_strict_policy(database: Path) -> None:
    """Every step has a strict Content-Security-Policy, and nothing in it that this forbids."""
    client = app.test_client()
    for step in range(1, 5):
        response = await client.get(f"/?step={step}")
        page = await response.get_data(as_text=True)
        assert response.headers["Content-Security-Policy"].startswith("default-src 'self';")
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]* src=)", page)
        for source in re.findall(r'(?:src|href)="([^"]+)"', page):
            assert (await client.get(source)).status_code == 200, source


# The view.


async def say(client: StashClient, **fields: Any) -> str:
    """Send a form as htmx does, and return what is rendered for it."""
    await client.send_json({**fields, "HEADERS": {"HX-Request": "true"}})
    return str(await client.receive())


async def test_first_rendering_after_a_restart_is_whole(database: Path) -> None:
    """The first thing that the next process sends has the step, the values that the browser kept, and their errors."""
    typed = [("name", "Ada"), ("email", "nobody"), ("company_pays", "y"), ("company", "Engines")]
    async with stash_client(app, "/live", forms={"trip": typed}) as client:
        await client.receive()
        await say(
            client, step="1", do="next", name="Ada", email="nobody", company_pays="y", company="Engines"
        )
        await client.restart()
        page = str(await client.receive())
    assert client.status == "restored"
    assert 'value="nobody"' in page
    assert "This is not an e-mail address." in page
    assert 'value="Engines"' in page
    assert "Two letters for the country" in page


async def test_steps_that_are_not_shown_come_with_the_mount(database: Path) -> None:
    """After a crash the review shows what was typed into every step, which only the browser had."""
    typed = [*ADA.items(), *PARIS.items(), *WISHES.items()]
    http = app.test_client()
    await get(http)
    async with stash_client(app, "/live", client=http, forms={"trip": typed}) as client:
        await client.receive()
        for step in "123":
            await say(client, step=step, do="next", **dict(typed))
        await client.synced()
        await client.crash()
        page = str(await client.receive())
        assert "Ada, from Paris" in page
        assert "By the <b>window</b>" in page
        await client.send_json({"step": "4", "do": "book"})
        await client.crash()  # whether it was booked by then or not
        await client.until(lambda: "Your trip is number" in str(client.messages[-1]))
    assert len(booked(database)) == 1


async def test_second_click_is_of_a_step_that_was_left(database: Path) -> None:
    """Two clicks on Next, before the page has changed, are one step."""
    async with stash_client(app, "/live") as client:
        await client.receive()
        await say(client, step="1", do="next", **ADA)
        assert "Step 2 of 4" in await say(client, step="1", do="next", **ADA)


# What buttons do.


def pressing(trip: Trip, button: str, **fields: Any) -> str:
    form = MultiDict({"step": str(trip.step), "do": button, **fields})
    return press(trip, Draft(trip, form), form)


def test_rows_are_moved() -> None:
    """Rows go up and down and out, and the focus goes where there is something to press or to fill in."""
    trip = Trip(step=2, rows=[1, 2, 3], made=3)
    assert (pressing(trip, "up-3"), trip.rows) == ("up-3", [1, 3, 2])
    assert (pressing(trip, "up-3"), trip.rows) == ("down-3", [3, 1, 2])
    assert (pressing(trip, "up-3"), trip.rows) == ("", [3, 1, 2])
    assert (pressing(trip, "down-1"), trip.rows) == ("up-1", [3, 2, 1])
    assert (pressing(trip, "remove-1"), trip.rows) == ("traveller-2-name", [3, 2])
    assert (pressing(trip, "remove-3"), trip.rows) == ("traveller-2-name", [2])
    assert (pressing(trip, "remove-2"), trip.rows) == ("", [2])


def test_row_ids_are_never_used_twice() -> None:
    """A new row never takes the id, and with it the half-typed text, of one that was removed."""
    trip = Trip(step=2)
    for _ in range(3):
        assert pressing(trip, "add") == f"traveller-{trip.made}-name"
        pressing(trip, f"remove-{trip.made}")
    pressing(trip, "add")
    assert trip.rows == [1, 5]


def test_rows_are_bounded() -> None:
    """There are so many rows and no more."""
    trip = Trip(step=2)
    for _ in range(2 * MAX_TRAVELLERS):
        pressing(trip, "add")
    assert len(trip.rows) == MAX_TRAVELLERS


def test_cities_depend_on_the_country() -> None:
    """There are the cities of the chosen country, and one of another country is none."""
    trip = Trip(step=2)
    draft = Draft(trip, MultiDict({**PARIS, "traveller-1-country": "Japan"}))
    assert [value for value, *_ in draft.travellers[0].city.iter_choices()] == ["", *CITIES["Japan"]]
    assert draft.wrong(2) == ["traveller-1-city"]


def test_company_is_asked_for_where_one_pays() -> None:
    """Company and VAT number are required if a company pays, and not there otherwise."""
    assert Draft(Trip(), MultiDict(ADA)).wrong(1) == []
    assert Draft(Trip(), MultiDict({**ADA, "company_pays": "y"})).wrong(1) == ["company", "vat"]
    assert Draft(Trip(), MultiDict({**ADA, **COMPANY})).wrong(1) == []


def test_one_step_at_a_time_is_merged() -> None:
    """A message replaces the fields of its step, unticked boxes too, and nothing else comes in."""
    draft = Draft(Trip(), MultiDict({**ADA, **COMPANY, **PARIS}))
    merged = draft.merged(MultiDict({"step": "1", "name": "Bob", "junk": "x", "traveller-1-name": "Bob"}))
    assert merged["name"] == "Bob"
    assert "y" not in merged.getlist("company_pays")
    assert "junk" not in merged
    assert merged["traveller-1-name"] == "Ada"


@pytest.mark.parametrize("day", ["", "2999-02-30", "1999-01-01", "soon"])
def test_departure_is_a_day_to_come(day: str) -> None:
    """A day that is no day, or over, is told."""
    draft = Draft(Trip(), MultiDict({**WISHES, "date": day}))
    assert draft.wrong(3) == ["date"]
    assert len(draft.wishes.date.errors) == 1


@pytest.mark.parametrize(
    ("html", "cleaned"),
    [
        ("a <b>b</b> <i>c</i><br>", "a <b>b</b> <i>c</i><br>"),
        ("<script>alert(1)</script>x", "x"),
        ("<img src=x onerror=alert(1)>x", "x"),
        ('<b onclick="alert(1)" style="color:red">x</b>', "<b>x</b>"),
        ('<a href="javascript:alert(1)">x</a>', "x"),
        ("<b>x", "<b>x</b>"),
    ],
)
def test_rich_text_is_cleaned(html: str, cleaned: str) -> None:
    """Of rich text only plain formatting is left."""
    assert clean(html) == cleaned


def test_plain_text_stands_for_rich_text() -> None:
    """What is typed as plain text is the same text again when it comes back, and never markup."""
    assert plain(rich("a < b\r\n& c")) == "a < b\n& c"
    assert rich("<script>") == "&lt;script&gt;"


def test_trip_is_booked_once_for_a_key(tmp_path: Path) -> None:
    """A message that comes again after a crash gets the number that it got before."""
    bookings = Bookings(tmp_path / "bookings.sqlite3")
    assert bookings.book("ada", {"by": "ship"}, key="view:1") == 1
    assert bookings.book("ada", {"by": "train"}, key="view:2") == 2
    assert bookings.book("ada", {"by": "plane"}, key="view:1") == 1
    assert bookings.get("ada", 1) == {"by": "ship"}
    assert bookings.get("bob", 1) is None
