"""What the soak serves: a view whose state shows whether each message has counted once, and a page that types.

A message is its serial number: 1, 2, 3, … An answer is what the state says: `last count doubled skipped process`. Of
two releases in a row each has another name for one field, and a migration.

In the room what each says is a note in a log, which all follow: the state also says `joined cursor heard wrong`.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from dataclasses import field, make_dataclass
from pathlib import Path
from typing import Any

from quart import Quart, render_template_string

from benchmarks.collector import calm
from benchmarks.soak import clock  # before quart_stash, which takes the time from it
from examples.room.log import Log, Note
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
Member = make_dataclass(
    "Member",
    [
        ("joined", int | None, field(default=None)),  # where in the log it came
        *((name, int, field(default=0)) for name in ("cursor", "heard", "wrong")),
        ("speakers", dict[str, int], field(default_factory=dict)),  # the newest serial number heard of each
    ],
    bases=(State,),
)

logging.basicConfig(level=logging.INFO, format="%(name)s %(levelname)s %(message)s")
app = Quart(__name__)
app.config.from_prefixed_env()
stash = QuartStash(app)


@app.before_serving
async def begin() -> None:
    """Open the log that all processes share."""
    app.extensions["log"] = Log(Path(os.environ["SOAK_LOG"]))
    calm()


@app.after_serving
async def end() -> None:
    """Close it."""
    app.extensions["log"].close()


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
        count(view.state, int(message.data))
        await view.send(said(view.state))


@app.websocket("/room")
@stash.view(Member, version=RELEASE)
async def room(view: View[Any]) -> None:
    log: Log = app.extensions["log"]
    if view.state.joined is None:
        view.state.joined = view.state.cursor = log.last()
    await view.send(said(view.state))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(follow(view, log))
        async for message in view:
            count(view.state, int(message.data))
            log.add(message.key, view.id, str(message.data))
            await view.send(said(view.state))


async def follow(view: View[Any], log: Log) -> None:
    """Count each note once, in order."""
    while True:
        changed = log.changed
        for note in log.since(view.state.cursor):
            hear(view.state, note)
            await view.send(said(view.state))
        await changed.wait()


def count(state: Any, serial: int) -> None:
    """Count a message."""
    last = getattr(state, LAST)
    state.count += 1
    state.doubled += serial <= last
    state.skipped += max(0, serial - last - 1)
    setattr(state, LAST, max(serial, last))


def hear(state: Any, note: Note) -> None:
    """Count a note; wrong is one that is not the next of the log, or not the next of its speaker."""
    serial = int(note.text)
    state.wrong += note.id != state.cursor + 1 or serial != state.speakers.get(note.name, serial - 1) + 1
    state.speakers[note.name] = serial
    state.cursor = note.id
    state.heard += 1


def said(state: Any) -> str:
    """Return what the state says."""
    said = [getattr(state, name) for name in (LAST, "count", "doubled", "skipped")] + [PROCESS]
    if isinstance(state, Member):
        said += [getattr(state, name) for name in ("joined", "cursor", "heard", "wrong")]
    return " ".join(map(str, said))


def renamed(old: str, new: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return the migration from one release to the next."""

    def migrate(state: dict[str, Any]) -> dict[str, Any]:
        return {(new if name == old else name): value for name, value in state.items()}

    return migrate


for release in range(1, RELEASE):
    for each in (live, room):
        each.migrate(from_version=release)(renamed(last_name(release), last_name(release + 1)))
