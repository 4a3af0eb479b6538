"""Pages for traces that need a browser: each shows what its view holds, and what it was told."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from dataclasses import dataclass, field

from quart import Quart, render_template_string

from quart_stash import QuartStash, View

app = Quart(__name__)
app.config.from_prefixed_env()
stash = QuartStash(app)

log = logging.getLogger("app")
logging.basicConfig(level=logging.INFO)

# Script tag and import name the script by two addresses.
PAGE = """<!doctype html><title>{{ name }}</title>{{ stash_script() }}
<a id="link" href="{{ other }}">there</a>
<form id="login" data-stash="login">
  <input name="user" id="user"><input name="password" id="password" type="password"><button>Log in</button>
</form>
<p id="state"></p>
<script type="module">
  import { StashSocket } from "/_stash/quart-stash.js";
  window.StashSocket = StashSocket;
  window.socket = new StashSocket("/live");
  window.heard = [];
  for (const type of ["failed", "lost", "restored", "mounted"])
    socket.addEventListener(type, ({ detail }) => heard.push({ type, ...detail }));
  socket.onmessage = ({ data }) => {
    heard.push({ type: "message", data });
    document.getElementById("state").textContent = data;
  };
  document.getElementById("login").onsubmit = (event) => {
    event.preventDefault();
    socket.send(JSON.stringify(Object.fromEntries(new FormData(event.target))), { secret: true });
  };
</script>"""


@dataclass
class Said:
    """What was said, each with its number."""

    said: list[str] = field(default_factory=list)


@app.get("/<name>")
async def page(name: str) -> str:
    """Show one of two pages that lead to each other."""
    return await render_template_string(PAGE, name=name, other="/two" if name == "one" else "/one")


@app.post("/drain")
async def drain() -> str:
    """Take no sockets any more, but go on serving pages."""
    await stash.drain("by hand")
    return "drained"


@app.websocket("/live")
@stash.view(Said)
async def live(view: View[Said]) -> None:
    """Tell everything; wait for death at every `die`, and stop at the first `stop`."""
    while True:
        await view.send_json({"id": view.id, "said": view.state.said})
        message = await view.receive()
        if message.data == "die":
            await view.send("dying")
            await asyncio.Event().wait()
        if message.data == "stop" and not message.replayed:
            await view.send("stopped")
            os.kill(os.getpid(), signal.SIGSTOP)
            view.state.said.append("late")
            await view.send("late")
            await view.commit()
            log.info("a stopped process has gone on")
        view.state.said.append(f"{message.number} {message.data}")
