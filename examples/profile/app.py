"""Edit a profile. The server validates while you type, and saves into an SQLite file.

Deploy in mid-sentence, reload, kill the server: no letter is lost, each message counts once, and each save is
saved once. Without JavaScript the form is a plain form.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

import msgspec
from quart import Quart, Response, abort, flash, redirect, render_template, request, session, url_for
from quart.typing import ResponseReturnValue

from quart_stash import QuartStash, View

from .profiles import BIO_LIMIT, COUNTRIES, VISIBILITIES, Profile, Profiles

app = Quart(__name__)
app.config.update(
    DATABASE=str(Path(app.root_path) / "profile.sqlite3"),
    SESSION_COOKIE_NAME="profile",
    SESSION_COOKIE_SAMESITE="Lax",
)
app.config.from_prefixed_env()  # QUART_SECRET_KEY, QUART_DATABASE
stash = QuartStash(app)
stash.identity_loader(lambda: session.get("user_id"))  # see current_user()


# The live form.


@dataclass
class Editing:
    """What the server knows about one tab that edits a profile.

    Attributes:
        processed: how many messages have been.
        errors: what is wrong, by field. The page shows it beside the fields that the user has left.
        refused: whether the user has submitted, in vain so far. The page then shows all errors.
        saved: whether the newest message was saved.
    """

    processed: int = 0
    errors: dict[str, str] = field(default_factory=dict)
    refused: bool = False
    saved: bool = False


@app.websocket("/live")
@stash.view(Editing)
async def live(view: View[Editing]) -> None:
    """Validate what is typed, and save what is submitted."""
    user = current_user()
    if stashed := view.forms.get("profile"):
        # What was half typed, over what is saved: the first answer says already what is wrong with it.
        known = await asyncio.to_thread(profiles().get, user)
        typed = Profile.from_form(stashed.over(asdict(known)))
        view.state.errors = await asyncio.to_thread(profiles().check, user, typed)
    await view.send_json(view.state)
    async for message in view:
        submitted = message.form("profile")
        form = submitted or msgspec.json.decode(message.data, type=dict[str, str])
        profile = Profile.from_form(form)
        errors = await asyncio.to_thread(profiles().check, user, profile)
        saved = submitted is not None and not errors
        if saved:
            # After a crash the message may come again; its key tells that it was saved already.
            await asyncio.to_thread(profiles().save, user, profile, key=message.key)
            await view.clear_form("profile")
        refused = not saved and (view.state.refused or submitted is not None)
        view.state = Editing(view.state.processed + 1, errors, refused, saved)
        await view.send_json(view.state)


# The plain form.


@app.get("/")
async def page() -> ResponseReturnValue:
    """Show the form."""
    return await render(await asyncio.to_thread(profiles().get, current_user()), {})


@app.post("/")
async def post() -> ResponseReturnValue:
    """Take the form as a browser without JavaScript sends it."""
    form = await request.form
    # Another site can make a browser post this form, but it can't read the token out of our page.
    if not hmac.compare_digest(form.get("csrf_token", "").encode(), csrf_token().encode()):
        abort(400, "The form's token is missing or old: please load the page again.")
    user, profile = current_user(), Profile.from_form(form)
    errors = await asyncio.to_thread(profiles().check, user, profile)
    if errors:
        return await render(profile, errors), 422
    # The form carries a key, so that a double click saves once.
    await asyncio.to_thread(profiles().save, user, profile, key=f"{user}:{form.get('key', '')}")
    await flash("Saved.")
    return redirect(url_for("page"))


async def render(profile: Profile, errors: dict[str, str]) -> str:
    """Render the page."""
    return await render_template(
        "profile.html",
        profile=profile,
        errors=errors,
        countries=COUNTRIES,
        visibilities=VISIBILITIES,
        bio_limit=BIO_LIMIT,
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


# What both need.


def current_user() -> str:
    """Return who this is. Each browser gets an account at once; a real application has a log-in here."""
    user: str = session.setdefault("user_id", secrets.token_urlsafe(12))
    return user


def csrf_token() -> str:
    """Return the token that proves that a form came from our own page."""
    token: str = session.setdefault("csrf_token", secrets.token_urlsafe(24))
    return token


def profiles() -> Profiles:
    """Return the profiles of this application."""
    if "profiles" not in app.extensions:
        app.extensions["profiles"] = Profiles(app.config["DATABASE"])
    opened: Profiles = app.extensions["profiles"]
    return opened
