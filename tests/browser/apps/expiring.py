"""An application whose log-in expires while a page is open: the recipe of docs/forms.md. `LOGIN` says how it keeps who is logged in."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import quart_auth
from quart import Quart, abort, redirect, render_template_string, request, session
from quart.typing import ResponseReturnValue

from quart_stash import QuartStash, View

LOGIN = os.environ.get("LOGIN", "session")

app = Quart(__name__)
app.config["QUART_AUTH_COOKIE_SECURE"] = False  # plain HTTP on the loopback address
app.config.from_prefixed_env()
stash = QuartStash(app)
if LOGIN == "quart-auth":
    quart_auth.QuartAuth(app)

PAGE = """<!doctype html><title>Note</title><script>window.errors = []; window.heard = []</script>{{ stash_script() }}
<form data-stash="note"><input name="note" id="note"></form><p id="state"></p>
<stash-status refused="You are logged out."></stash-status>
<a id="again" href="/login" target="_blank" rel="opener" hidden>Log in again</a>
<script type="module">
  import { StashSocket } from "/_stash/quart-stash.js";
  const again = document.getElementById("again");
  window.socket = new StashSocket("/live");
  socket.onmessage = ({ data }) => (document.getElementById("state").textContent = data);
  socket.addEventListener("refused", () => (again.hidden = false));
  socket.addEventListener("reconnected", () => (again.hidden = true));
  for (const type of ["disconnected", "refused", "reconnected", "lost"]) socket.addEventListener(type, () => heard.push(type));
</script>"""

# Without the tag: whoever is here is nobody, and what another user has stashed in this tab would be discarded.
FORM = """<!doctype html><title>Log in</title>
<form method="post"><input name="user" value="ada"><button id="in">Log in</button></form>"""
DONE = """<!doctype html><title>Logged in</title>{{ stash_script() }}<p>You can close this tab.</p>"""


@dataclass
class Notes:
    """What one user has said."""

    said: list[str] = field(default_factory=list)


def is_logged_in() -> bool:
    """Whether this request is somebody's."""
    return quart_auth.current_user.auth_id is not None if LOGIN == "quart-auth" else "user_id" in session


@app.before_websocket
async def guard() -> None:
    """Let nobody in who is not logged in."""
    if not is_logged_in():
        abort(401)


@app.get("/")
async def page() -> ResponseReturnValue:
    """Show the note, to whom it belongs."""
    if not is_logged_in():
        return redirect("/login?next=/")
    return await render_template_string(PAGE)


@app.get("/login")
async def ask() -> str:
    """Ask who it is."""
    return await render_template_string(FORM)


@app.post("/login")
async def log_in() -> ResponseReturnValue:
    """Log in, and go on where it was asked for, if anywhere in particular."""
    user = (await request.form)["user"]
    if LOGIN == "quart-auth":
        quart_auth.login_user(quart_auth.AuthUser(user))
    else:
        session["user_id"] = user
    return redirect("/") if request.args.get("next") == "/" else await render_template_string(DONE)


@app.get("/expire")
async def expire() -> ResponseReturnValue:
    """Forget who is logged in, as time does."""
    if LOGIN == "quart-auth":
        quart_auth.logout_user()
    else:
        session.pop("user_id", None)
    return "", 204


@app.websocket("/live")
@stash.view(Notes)
async def live(view: View[Notes]) -> None:
    """Show all that has been said."""
    while True:
        await view.send_json({"said": view.state.said})
        view.state.said.append(str((await view.receive()).data))
