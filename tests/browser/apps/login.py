"""An application with users: what one has typed must never reach another."""

from __future__ import annotations

from dataclasses import dataclass, field

from quart import Quart, redirect, render_template_string, request, session
from quart.typing import ResponseReturnValue

from quart_stash import QuartStash, View

app = Quart(__name__)
app.config.from_prefixed_env()
stash = QuartStash(app)

PAGE = """<!doctype html><title>{{ user }}</title>{{ stash_script() }}
<form data-stash="note"><input name="note" id="note"></form>
<p id="user">{{ user }}</p><p id="state"></p>
<script type="module">
  import { StashSocket } from "/_stash/quart-stash.js";
  window.socket = new StashSocket("/live");
  socket.onmessage = ({ data }) => (document.getElementById("state").textContent = data);
</script>"""


@dataclass
class Notes:
    """What one user has said."""

    said: list[str] = field(default_factory=list)


@app.get("/")
async def page() -> str:
    """Show who is logged in."""
    return await render_template_string(PAGE, user=session.get("user_id", "nobody"))


@app.get("/as/<user>")
async def log_in(user: str) -> ResponseReturnValue:
    """Log in as anybody, or out; with `fresh` the whole session is a new one."""
    if "fresh" in request.args:
        session.clear()
    session["user_id"] = user
    return redirect("/")


@app.websocket("/live")
@stash.view(Notes)
async def live(view: View[Notes]) -> None:
    """Show all that there is of a user."""
    while True:
        forms = {name: form.to_dict() for name, form in view.forms.items()}
        await view.send_json({"said": view.state.said, "forms": forms})
        view.state.said.append(str((await view.receive()).data))
