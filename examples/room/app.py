"""A room in which everybody hears everything that is said: once, in order, through deploys and kills.

What is said goes into a log. Each page's state holds a cursor, which says how far in the log that page is. The token
seals both together, so the next process goes on exactly where the one before it was: nothing is missed in a gap.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from pathlib import Path

from quart import Quart, Response, render_template

from quart_stash import QuartStash, View

from .log import Log

HISTORY = 50
"""Notes that a page shows from before it came."""

app = Quart(__name__)
app.config.update(
    DATABASE=str(Path(app.root_path) / "room.sqlite3"),
    SESSION_COOKIE_NAME="room",
    SESSION_COOKIE_SAMESITE="Lax",
)
app.config.from_prefixed_env()  # QUART_SECRET_KEY, QUART_DATABASE
stash = QuartStash(app)


@dataclass
class Guest:
    """How far in the log one page is, and how many notes it has heard since it came."""

    cursor: int | None = None
    heard: int = 0


guests: set[View[Guest]] = set()
"""The views of this process. Others may be in other processes: they hear by the log alone."""


@app.before_serving
async def open_log() -> None:
    """Open the log."""
    app.extensions["log"] = Log(Path(app.config["DATABASE"]))


@app.after_serving
async def close_log() -> None:
    """Close it, once every view has left."""
    app.extensions["log"].close()


@app.websocket("/live")
@stash.view(Guest)
async def live(view: View[Guest]) -> None:
    """Write down what this page says, and let it follow the log meanwhile."""
    log: Log = app.extensions["log"]
    guests.add(view)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(follow(view, log))
            async for message in view:
                match message.json():
                    case {"say": str(text), "name": str(name)} if text.strip():
                        log.add(message.key, name[:40] or "Somebody", text[:2000])
                    case {"typing": str(name)}:
                        await hint(view, name[:40] or "Somebody")
    finally:
        guests.discard(view)


async def follow(view: View[Guest], log: Log) -> None:
    """Send the page what is new in the log, for as long as it is there."""
    if view.state.cursor is None:
        view.state.cursor = log.last()
    shown = [
        asdict(note)
        for note in log.since(view.state.cursor - HISTORY, HISTORY)
        if note.id <= view.state.cursor
    ]
    await view.send_json({"notes": shown, "heard": view.state.heard})
    while True:
        changed = log.changed  # before we look: what is written from here on wakes us
        for note in log.since(view.state.cursor):
            # First the state, then the send: sending is the commit point.
            view.state.cursor = note.id
            view.state.heard += 1
            await view.send_json({"notes": [asdict(note)], "heard": view.state.heard})
        await changed.wait()


async def hint(speaker: View[Guest], name: str) -> None:
    """Tell the others that somebody is typing. Who misses it misses nothing, so this goes past the log."""
    others = [view.send_json({"typing": name}) for view in guests if view is not speaker]
    await asyncio.gather(*others)


@app.get("/")
async def page() -> str:
    """Show the page; the notes come over the socket."""
    return await render_template("room.html")


@app.after_request
async def protect(response: Response) -> Response:
    """Allow the page our own scripts and sockets, and nothing else."""
    response.headers["Content-Security-Policy"] = (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    return response
