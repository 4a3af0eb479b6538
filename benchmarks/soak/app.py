"""What the soak serves: a view whose state shows whether each message has counted once, and a page that types.

A message is its serial number: 1, 2, 3, … An answer is what the state says: `last count doubled skipped process`. Of
two releases in a row each has another name for one field, and a migration.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import field, make_dataclass
from typing import Any

from quart import Quart, render_template_string

from benchmarks.collector import calm
from benchmarks.soak import clock  # before quart_stash, which takes the time from it
from quart_stash import QuartStash, View

RELEASE = int(os.environ["SOAK_RELEASE"])
PROCESS = os.environ["SOAK_PROCESS"]

PAGE = """<!doctype html><title>soak</title>{{ stash_script() }}
<form data-stash="note"><textarea name="note" id="note"></textarea></form>
<p id="state"></p>
<script type="module">
  import { StashSocket } from "/_stash/quart-stash.js";
  const socket = new StashSocket("/live");
  for (const name of ["lost", "failed", "stale", "close"]) {
    socket.addEventListener(name, ({ detail }) => { throw new Error(`${name}: ${JSON.stringify(detail)}`); });
  }
  socket.onmessage = ({ data }) => (document.getElementById("state").textContent = data);
  // A keystroke adds a letter, so the length is the message's serial number. What is restored is not typed.
  document.getElementById("note").addEventListener("input", ({ target, detail }) => {
    if (!detail?.stash) socket.send(String(target.value.length));
  });
</script>"""


def last_name(release: int) -> str:
    """Return what this release calls the field with the last serial number."""
    return ("last", "newest")[release % 2]


LAST = last_name(RELEASE)
State = make_dataclass(
    "State", [(name, int, field(default=0)) for name in ("count", LAST, "doubled", "skipped")]
)

logging.basicConfig(level=logging.INFO, format="%(name)s %(levelname)s %(message)s")
app = Quart(__name__)
app.config.from_prefixed_env()
stash = QuartStash(app)


@app.before_serving
async def calm_the_collector() -> None:
    calm()


@app.get("/")
async def page() -> str:
    return await render_template_string(PAGE)


@app.post("/rebalance/<float:fraction>")
async def rebalance(fraction: float) -> dict[str, int]:
    """Hand a share of the views to other processes."""
    return await stash.rebalance(fraction)


@app.post("/clock/<signed>")
async def step(signed: str) -> str:
    """Step this process's clock."""
    clock.step(float(signed))
    return "stepped"


@app.websocket("/live")
@stash.view(State, version=RELEASE)
async def live(view: View[Any]) -> None:
    await view.send(said(view.state))
    async for message in view:
        serial, last = int(message.data), getattr(view.state, LAST)
        view.state.count += 1
        view.state.doubled += serial <= last
        view.state.skipped += max(0, serial - last - 1)
        setattr(view.state, LAST, max(serial, last))
        await view.send(said(view.state))


def said(state: Any) -> str:
    """Return what the state says."""
    return f"{getattr(state, LAST)} {state.count} {state.doubled} {state.skipped} {PROCESS}"


def renamed(old: str, new: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return the migration from one release to the next."""

    def migrate(state: dict[str, Any]) -> dict[str, Any]:
        return {(new if name == old else name): value for name, value in state.items()}

    return migrate


for release in range(1, RELEASE):
    live.migrate(from_version=release)(renamed(last_name(release), last_name(release + 1)))
