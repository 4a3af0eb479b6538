"""An application whose state has another shape in each release: `RELEASE` is 1, 2 or 4."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from quart import Quart, render_template_string

from quart_stash import QuartStash, View

RELEASE = int(os.environ["RELEASE"])

PAGE = """<!doctype html><title>{{ release }}</title>{{ stash_script() }}
<form data-stash="note"><input name="note" id="note"></form>
<p id="state"></p>
<script type="module">
  import { StashSocket } from "/_stash/quart-stash.js";
  window.socket = new StashSocket("/live");
  socket.onmessage = ({ data }) => (document.getElementById("state").textContent = data);
</script>"""


@dataclass
class First:
    """Release 1: one item."""

    item: str = ""

    def add(self, text: str) -> None:
        """Replace the item."""
        self.item = text


@dataclass
class Later:
    """Release 2 and 4: several."""

    items: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        """Append an item."""
        self.items.append(text)


app = Quart(__name__)
app.config.from_prefixed_env()
stash = QuartStash(app)


@app.get("/")
async def page() -> str:
    """Show which release it is."""
    return await render_template_string(PAGE, release=RELEASE)


@app.websocket("/live")
@stash.view(First if RELEASE == 1 else Later, version=RELEASE)
async def live(view: View[Any]) -> None:
    """Say how the view was mounted, and what it holds."""
    while True:
        await view.send_json({"release": RELEASE, "status": view.status, "state": view.state})
        view.state.add(str((await view.receive()).data))


if RELEASE == 2:

    @live.migrate(from_version=1)
    def from_one(old: dict[str, Any]) -> dict[str, Any]:
        """Make a list of the one item."""
        return {"items": [old["item"]]}
