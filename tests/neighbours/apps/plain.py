"""A Quart application with one view, and nothing around it. The others build on it."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field

from quart import Quart

from quart_stash import QuartStash, View

logging.basicConfig(level=logging.INFO, format="%(process)d %(name)s %(levelname)s %(message)s")
log = logging.getLogger("app")


@dataclass
class Items:
    items: list[str] = field(default_factory=list)


def make() -> tuple[Quart, QuartStash]:
    """Return an application, and its stash."""
    app = Quart(__name__)
    app.config["SECRET_KEY"] = "t5RkWq2ZxN8vBj3mLs6dHc9yPf4gTa7u"
    app.config["STASH_SHUTDOWN_TIMEOUT"] = float(os.environ.get("APP_TIMEOUT", "10"))
    stash = QuartStash(app)

    @app.before_serving
    async def before() -> None:
        log.info("before_serving ran")

    @app.after_serving
    async def after() -> None:
        log.info("after_serving ran")

    @app.post("/drain")
    async def drain() -> str:
        await stash.drain("by hand")
        return "drained"

    @app.websocket("/items/<int:n>")
    @stash.view(Items)
    async def items(view: View[Items], n: int) -> None:
        async for message in view:
            view.state.items.append(str(message.data))
            await view.send(" ".join(view.state.items))

    return app, stash


app, stash = make()
