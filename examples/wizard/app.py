"""Plan a trip in four steps. The server renders each step, and validates while somebody fills it in.

Deploy in any step, reload, kill the server: what is typed stays, also in the steps that are not shown, and a trip
is booked once. Without JavaScript the form is a plain form.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from pathlib import Path
from typing import Any

import msgspec
from quart import Quart, Response, abort, flash, redirect, render_template, request, session, url_for
from quart.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from quart_stash import Message, QuartStash, View

from .bookings import Bookings
from .fields import clean, plain, rich
from .trip import MAX_TRAVELLERS, REVIEW, STEPS, Draft, Trip, press

app = Quart(__name__)
app.config.update(
    DATABASE=str(Path(app.root_path) / "wizard.sqlite3"),
    SESSION_COOKIE_NAME="wizard",
    SESSION_COOKIE_SAMESITE="Lax",
    STASH_SYNC_INTERVAL=0,  # a token with each answer
)
app.config.from_prefixed_env()  # QUART_SECRET_KEY, QUART_DATABASE
app.jinja_env.filters.update(clean=clean, plain=plain)
stash = QuartStash(app)
stash.identity_loader(lambda: session.get("user_id"))  # see current_user()


# Over the socket.


@app.websocket("/live")
@stash.view(Trip)
async def live(view: View[Trip]) -> None:
    """Show the step, do what a message says, show what came of it.

    What is typed is the browser's. It hands all of it over with the mount, and each message has the newest of one
    step: so it is not kept here, and a process that takes over has it at once.
    """
    typed: MultiDict[str, str] = view.forms.get("trip", MultiDict())
    await view.send(await render("_wizard.html", view.state, typed))
    async for message in view:
        form = read(message)
        typed = Draft(view.state, typed).merged(form)
        focus = await advance(view.state, typed, form, key=message.key)
        if view.state.booked:
            await view.clear_form("trip")
        # The token goes first: what the page shows is never newer than what it keeps, whenever this process dies.
        await view.commit()
        # For a reload: the page then begins with the right step, and the browser fills it in.
        await view.reflect(**view.state.address())
        await view.send(await render("_wizard.html", view.state, typed, focus=focus))


def read(message: Message) -> MultiDict[str, str]:
    """Return the form in a message, as htmx sends it."""
    values = msgspec.json.decode(message.data, type=dict[str, Any])
    values.pop("HEADERS", None)
    return MultiDict(msgspec.convert(values, dict[str, str | list[str]]))


# The plain form.


@app.get("/")
async def page() -> ResponseReturnValue:
    """Show the step that the address names. What was typed into it, the browser puts in."""
    current_user()  # a socket can't set a cookie
    trip = Trip.read(request.args)
    trip.booked = request.args.get("booked", 0, int)
    return await render("wizard.html", trip, MultiDict())


@app.post("/")
async def post() -> ResponseReturnValue:
    """Take the form as a browser without JavaScript sends it."""
    form = await request.form
    # Another site can make a browser post this form, but it can't read the token out of our page.
    if not hmac.compare_digest(form.get("csrf_token", "").encode(), csrf_token().encode()):
        abort(400, "The form's token is missing or old: please load the page again.")
    trip, typed = Trip.read(form), form.copy()
    if "plain_note" in form and "note" not in form:
        typed["note"] = rich(form["plain_note"])
    # The form carries a key, so that a double click books once.
    focus = await advance(trip, typed, form, key=f"{current_user()}:{form.get('key', '')}")
    if trip.booked:
        await flash("Booked.")
        return redirect(url_for("page", booked=trip.booked))
    return await render("wizard.html", trip, typed, focus=focus, carries=True)


# What both need.


async def advance(trip: Trip, typed: MultiDict[str, str], form: MultiDict[str, str], *, key: str) -> str:
    """Do what the button of a form says. Returns the id of what is to have the focus."""
    draft = Draft(trip, typed)
    focus = press(trip, draft, form)
    if trip.step > REVIEW and not trip.booked:
        # After a crash the message may come again; its key tells that the trip was booked already.
        trip.booked = await asyncio.to_thread(bookings().book, current_user(), draft.booking(), key=key)
    return focus


async def render(
    template: str, trip: Trip, typed: MultiDict[str, str], *, focus: str = "", carries: bool = False
) -> str:
    """Render the page, or the part of it that changes.

    Args:
        template: which of both.
        trip: how far it is.
        typed: the form.
        focus: the id of what is to have the focus.
        carries: whether the page is to have what is typed in the other steps too, in hidden fields.
    """
    draft = Draft(trip, typed)
    booking: dict[str, Any] | None = draft.booking()
    if trip.booked:
        booking = await asyncio.to_thread(bookings().get, current_user(), trip.booked)
    return await render_template(
        template,
        trip=trip,
        draft=draft,
        booking=booking,
        carried=draft.beside(trip.step) if carries else [],
        focus=focus,
        steps=STEPS,
        max_travellers=MAX_TRAVELLERS,
        csrf_token=csrf_token(),
        key=secrets.token_urlsafe(12),
    )


@app.after_request
async def protect(response: Response) -> Response:
    """Allow the page our own scripts and sockets, and nothing else."""
    response.headers["Content-Security-Policy"] = (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    return response


def current_user() -> str:
    """Return who this is. Each browser gets an account at once; a real application has a log-in here."""
    user: str = session.setdefault("user_id", secrets.token_urlsafe(12))
    return user


def csrf_token() -> str:
    """Return the token that proves that a form came from our own page."""
    token: str = session.setdefault("csrf_token", secrets.token_urlsafe(24))
    return token


def bookings() -> Bookings:
    """Return the bookings of this application."""
    if "bookings" not in app.extensions:
        app.extensions["bookings"] = Bookings(app.config["DATABASE"])
    opened: Bookings = app.extensions["bookings"]
    return opened
