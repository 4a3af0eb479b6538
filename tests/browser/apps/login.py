"""An application with users: what one has typed must never reach another. `LOGIN` says how it keeps who is logged in."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import quart_auth
from quart import Quart, redirect, render_template_string, request, session
from quart.typing import ResponseReturnValue

from quart_stash import QuartStash, View

LOGIN = os.environ.get("LOGIN", "user_id")
BEFORE = os.environ.get("BEFORE", "")
"""A script that runs in the page before any other."""

app = Quart(__name__)
app.config["QUART_AUTH_COOKIE_SECURE"] = False  # plain HTTP on the loopback address
app.config.from_prefixed_env()
stash = QuartStash(app)
if LOGIN == "quart-auth":
    quart_auth.QuartAuth(app)

PAGE = """<!doctype html><title>{{ user }}</title><script>{{ before | safe }}</script>{% if not bare %}{{ stash_script() }}{% endif %}
<form data-stash="note"><input name="note" id="note"></form>
<p id="user">{{ user }}</p><p id="state"></p>
{% if live %}<script type="module">
  import { StashSocket } from "/_stash/quart-stash.js";
  window.socket = new StashSocket("/live");
  socket.onmessage = ({ data }) => (document.getElementById("state").textContent = data);
</script>{% endif %}"""


@dataclass
class Notes:
    """What one user has said."""

    said: list[str] = field(default_factory=list)


def user() -> Any:
    """Return who is logged in."""
    if LOGIN == "quart-auth":
        return quart_auth.current_user.auth_id
    return session.get("_user_id" if LOGIN == "flask-login" else LOGIN)


@app.get("/")
@app.get("/form", defaults={"live": False})
async def page(live: bool = True) -> str:
    """Show who is logged in; also without a view, or, with `bare`, without the tag that says so to the script."""
    bare = "bare" in request.args
    return await render_template_string(PAGE, user=user() or "nobody", before=BEFORE, live=live, bare=bare)


@app.get("/nothing")
async def nothing() -> ResponseReturnValue:
    """Leave the browser where it is."""
    return "", 204


@app.get("/out")
async def log_out() -> ResponseReturnValue:
    """Log out."""
    if LOGIN == "quart-auth":
        quart_auth.logout_user()
    elif LOGIN == "flask-login":
        # What its `logout_user` takes out of the session.
        for key in ("_user_id", "_fresh", "_id"):
            session.pop(key, None)
    else:
        session.pop(LOGIN, None)
    return redirect("/")


@app.get("/as/<user>")
async def log_in(user: str) -> ResponseReturnValue:
    """Log in as anybody; with `fresh` the whole session is a new one."""
    if "fresh" in request.args:
        session.clear()
    if LOGIN == "quart-auth":
        quart_auth.login_user(quart_auth.AuthUser(user))
    elif LOGIN == "flask-login":
        # What its `login_user` puts into the session; `_id` is a hash of the address and the browser.
        session.update(_user_id=user, _fresh=True, _id="5f1e")
    else:
        session[LOGIN] = user
    return redirect("/")


@app.websocket("/live")
@stash.view(Notes)
async def live(view: View[Notes]) -> None:
    """Show all that there is of a user."""
    while True:
        forms = {name: form.to_dict() for name, form in view.forms.items()}
        await view.send_json({"said": view.state.said, "forms": forms})
        view.state.said.append(str((await view.receive()).data))
