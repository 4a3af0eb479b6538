"""Forms that are submitted over a socket; what is saved is a line of `SAVES`. With `HOLD` a submit stays in hand for ever.

A name with a question mark in it is refused.
"""

from __future__ import annotations

import asyncio
import logging
import os
from dataclasses import dataclass, field
from pathlib import Path

from quart import Quart, redirect, render_template_string, request, session
from quart.typing import ResponseReturnValue

from quart_stash import QuartStash, View

SAVES = Path(os.environ.get("SAVES", "saves"))

app = Quart(__name__)
app.config.from_prefixed_env()
stash = QuartStash(app)

log = logging.getLogger("app")
logging.basicConfig(level=logging.INFO)

PAGE = """<!doctype html><title>{{ user }}</title>{{ stash_script() }}
<form id="profile" method="post" action="/plain" data-stash="profile">
  <input type="hidden" name="csrf_token" value="S3CRET">
  <input name="name" value="{{ name }}"><input type="checkbox" name="letter" value="yes" checked>
  <div contenteditable data-stash="bio" style="min-height: 1em"></div>
  <button name="how" value="now">Save</button><button type="reset">Reset</button>
</form>
<form id="offline" method="post" action="/plain" data-stash="offline" data-stash-offline="post">
  <input name="name"><button>Save</button>
</form>
<form id="posted" method="post" action="/posted" data-stash="posted">
  <input name="note" value="{{ note }}"><input name="more"><button>Post</button>
</form>
<form id="login" method="post" action="/plain" data-stash="login">
  <input name="user"><input name="password" type="password"><button>Log in</button>
</form>
<p id="state"></p>
<script>
  window.errors = [];
  window.heard = [];
  for (const type of ["error", "unhandledrejection"])
    addEventListener(type, ({ error, reason, message }) => errors.push(String(error ?? reason ?? message)));
  if (localStorage.throws)
    addEventListener("input", () => { throw new Error("the page's hook"); });
</script>
<script type="module">
  import { StashSocket } from "/_stash/quart-stash.js";
  const asked = new URLSearchParams(location.search);
  const forms = asked.has("within") ? document.getElementById(asked.get("within")) : undefined;
  window.socket = new StashSocket(asked.get("at") ?? "/live", { forms });
  for (const type of ["mounted", "disconnected", "conflict", "restored", "lost", "failed"])
    socket.addEventListener(type, ({ detail }) => heard.push([type, detail?.field ?? null, detail?.outcome ?? null]));
  socket.onmessage = ({ data }) => (document.getElementById("state").textContent = data);
  addEventListener("submit", (event) => event.target.id === "posted" || socket.submit(event));
  window.ready = true;
</script>"""


@dataclass
class Submits:
    """What was submitted: the form's name, and its fields as they came."""

    submits: list[tuple[str, list[tuple[str, str]]]] = field(default_factory=list)


def saved() -> dict[str, str]:
    """Return the names that were saved, each under its message's key, in order."""
    lines = SAVES.read_text().splitlines() if SAVES.exists() else []
    return dict(line.split(" ", 1) for line in lines)


def save(key: str, name: str) -> None:
    """Save a name, unless an earlier process has."""
    if key not in saved():
        with SAVES.open("a") as saves:
            saves.write(f"{key} {name}\n")


@app.get("/")
async def page() -> str:
    """Show the forms, with what is saved."""
    name = next(reversed(saved().values()), "")
    note = request.args.get("note", "")
    return await render_template_string(PAGE, name=name, note=note, user=session.get("user_id", "nobody"))


@app.post("/plain")
async def plain() -> str:
    """Take a form as a browser posts it."""
    form = await request.form
    return f"<!doctype html><title>plain</title><p id=plain>{sorted(form)} {form.get('name')}</p>"


@app.post("/posted")
async def posted() -> ResponseReturnValue:
    """Take the form that is posted, and answer with another page, as one does."""
    return redirect("/done", 303)


@app.get("/done")
async def done() -> str:
    """Say that the form has been dealt with."""
    return await render_template_string(
        "<!doctype html><title>done</title>{{ stash_script() }}{{ stash_clear('posted') }}<p id=done>Done</p>"
    )


@app.get("/as/<user>")
async def log_in(user: str) -> ResponseReturnValue:
    """Log in, or out."""
    session["user_id"] = user
    return redirect("/")


@app.websocket("/live")
@stash.view(Submits)
async def live(view: View[Submits]) -> None:
    """Save what is submitted, and say what was."""
    await view.send_json(view.state.submits)
    async for message in view:
        log.info("in hand: %s", message.number)
        if "HOLD" in os.environ:
            await asyncio.Event().wait()
        for name in ("profile", "offline", "login"):
            form = message.form(name)
            if form is None:
                continue
            # A password is counted, and said to nobody.
            fields = [
                (key, "*" * len(text) if key == "password" else text) for key, text in form.items(multi=True)
            ]
            view.state.submits.append((name, fields))
            if "?" in form.get("name", ""):
                continue
            if name == "profile":
                save(message.key, form["name"])
            await view.clear_form(name)
        await view.send_json(view.state.submits)
