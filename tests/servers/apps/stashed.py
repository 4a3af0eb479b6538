"""A Quart application with views of every kind, well and badly behaved."""

from __future__ import annotations

import asyncio
import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from quart import Quart, session, websocket

from quart_stash import ClientSettable, QuartStash, View

if os.environ.get("APP_LOGGING") != "default":
    logging.basicConfig(level=logging.INFO, format="%(process)d %(name)s %(levelname)s %(message)s")
log = logging.getLogger("app")

app = Quart(__name__)
app.config["SECRET_KEY"] = "t5RkWq2ZxN8vBj3mLs6dHc9yPf4gTa7u"
app.config.from_prefixed_env()
stash = QuartStash(app)

if os.environ.get(
    "APP_WRAPPED"
):  # by another middleware, in which nothing leads from its `send` to the server's
    stashed = app.asgi_app
    connections: list[tuple[Any, Any]] = []

    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        number = len(connections)
        connections.append((receive, send))

        async def receiving() -> Any:
            return await connections[number][0]()

        async def sending(event: Any) -> None:
            await connections[number][1](event)

        await stashed(scope, receiving, sending)

    app.asgi_app = wrapped  # type: ignore[method-assign]


@dataclass
class Items:
    items: list[str] = field(default_factory=list)
    open: Annotated[bool, ClientSettable] = False


@app.get("/")
async def index() -> str:
    return "served"


@app.post("/drain")
async def drain() -> str:
    """Drain by hand."""
    await stash.drain("by hand")
    return "drained"


@app.get("/page/<int:order>")
async def page(order: int) -> str:
    """Sign page params."""
    return await stash.sign_page(order=order)


@app.post("/login/<user>")
async def login(user: str) -> str:
    """Begin a session as this user."""
    session["user_id"] = user
    return "in"


@app.websocket("/items/<int:n>")
@stash.view(Items)
async def items(view: View[Items], n: int) -> None:
    """Collect what is sent, and tell it all each time."""
    async for message in view:
        view.state.items.append(str(message.data))
        await view.send_json(
            {"items": view.state.items, "number": message.number, "replayed": message.replayed}
        )


@app.websocket("/plain")
async def plain() -> None:
    """Echo; not a view."""
    while True:
        await websocket.send(await websocket.receive())


@app.websocket("/push")
@stash.view(Items)
async def push(view: View[Items]) -> None:
    """Only push."""
    while True:
        view.state.items = [str(int(view.state.items[0]) + 1) if view.state.items else "1"]
        await view.send(view.state.items[0])
        await asyncio.sleep(0.01)


@app.websocket("/flood")
@stash.view(Items)
async def flood(view: View[Items]) -> None:
    """Send megabytes; `send` does not return once the peer's buffers are full."""
    for number in range(64):
        if number == 1:
            log.info("flooding")
        await view.send("x" * 1_000_000)
    await asyncio.Event().wait()


def gate_is_open() -> bool:
    """Whether the test lets handlers go on."""
    return Path(os.environ["APP_GATE"]).exists()


@app.websocket("/busy")
@stash.view(Items)
async def busy(view: View[Items]) -> None:
    """Never come to the end of `hang`, unless the process is calm; take a while for `slow`, and until it may go on for `gate`."""
    async for message in view:
        await view.send(f"at {message.data}")
        if message.data == "hang" and "APP_CALM" not in os.environ:
            await asyncio.Event().wait()
        if message.data == "slow":
            await asyncio.sleep(1)
        while message.data == "gate" and not gate_is_open():
            await asyncio.sleep(0.01)
        view.state.items.append(f"{message.data}{' again' if message.replayed else ''}")
        await view.send(" ".join(view.state.items))


@app.websocket("/stubborn/<what>")
@stash.view(Items)
async def stubborn(view: View[Items], what: str) -> None:
    """Swallow the cancellation: `once` or `always`."""
    await view.send("in")
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            log.info("swallowed")
            if what == "once":
                break
    await asyncio.Event().wait()


@app.websocket("/unwind")
@stash.view(Items)
async def unwind(view: View[Items]) -> None:
    """Say what runs at a drain: code after the loop, `finally`, and a pusher in a task group."""

    async def pusher() -> None:
        try:
            while True:
                await view.send("tick")
                await asyncio.sleep(0.01)
        finally:
            log.info("the pusher has unwound")

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(pusher())
            async for message in view:
                view.state.items.append(str(message.data))
            log.info("after the loop")
    finally:
        log.info("in finally")


@app.websocket("/returning")
@stash.view(Items)
async def returning(view: View[Items]) -> None:
    """Return once a drain runs."""
    async for message in view:
        await view.send(f"at {message.data}")
        while not view.draining:
            await asyncio.sleep(0.01)
        return


@app.after_serving
async def say_bye() -> None:
    """Use the connection that the application holds to another service, at the very end."""
    port = os.environ.get("APP_DATABASE_PORT")
    if port:
        _, writer = database[0]
        writer.write(b"bye\n")
        await writer.drain()


database: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []


@app.before_serving
async def connect_database() -> None:
    """Hold a connection to another service."""
    port = os.environ.get("APP_DATABASE_PORT")
    if port:
        database.append(await asyncio.open_connection("127.0.0.1", int(port)))


@app.websocket("/slow")
@stash.view(Items)
async def slow(view: View[Items]) -> None:
    """Come to the end of no message before the application is told to."""
    async for _ in view:
        await released.wait()


@app.post("/release")
async def release() -> str:
    """Let the slow handlers go on."""
    released.set()
    return "released"


released = asyncio.Event()


@app.post("/rebalance/<float:fraction>")
async def rebalance(fraction: float) -> dict[str, int]:
    """Hand a share of the views over."""
    return await stash.rebalance(fraction)


@app.get("/stats")
async def stats() -> dict[str, int]:
    """Tell what is counted."""
    return stash.stats()
