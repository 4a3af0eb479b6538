"""What the demo serves: the examples as they are, a page that leads to them, and a panel in each page."""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Mapping
from typing import Any

from quart import Quart, Response

from ..launcher.app import app as launcher
from ..profile.app import app as profile
from ..room.app import app as room
from ..wizard.app import app as wizard

__all__ = ["Mounts", "app"]

CONTROL = os.environ.get("DEMO_CONTROL", "")
PANEL = f'<script type="module" src="/static/panel.js" data-control="{CONTROL}"></script>'

home = Quart(__name__)


@home.get("/")
async def index() -> Response:
    """Lead to the examples."""
    return await home.send_static_file("index.html")


async def add_panel(response: Response) -> Response:
    """Put the panel before the page's own scripts, and let it talk to the control server."""
    if response.mimetype == "text/html" and response.status_code == 200:
        page = await response.get_data(as_text=True)
        response.set_data(page.replace("</title>", "</title>" + PANEL, 1))
        policy = response.headers.get("Content-Security-Policy", "default-src 'self'")
        response.headers["Content-Security-Policy"] = f"{policy}; connect-src 'self' {CONTROL}"
    return response


for example in (profile, wizard, launcher, room):
    # They run in reverse order: this one last, when the example has set its own headers.
    example.after_request_funcs[None].insert(0, add_panel)


class Mounts:
    """Several ASGI applications in one: each has the paths below its own, and they start and end together.

    Args:
        mounts: applications by path; the one of the empty path has the rest.
    """

    def __init__(self, mounts: Mapping[str, Any]) -> None:
        self._mounts = mounts

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one ASGI scope."""
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
            return
        first = "/" + scope["path"].lstrip("/").partition("/")[0]
        path = first if first in self._mounts else ""
        await self._mounts[path]({**scope, "root_path": scope.get("root_path", "") + path}, receive, send)

    async def _lifespan(self, scope: Any, receive: Any, send: Any) -> None:
        questions = [asyncio.Queue[Any]() for _ in self._mounts]
        answers = asyncio.Queue[Any]()

        @functools.wraps(send)  # an application may look which server it is
        async def answer(event: Any) -> None:
            await answers.put(event)

        apps = [
            app(scope, question.get, answer)
            for app, question in zip(self._mounts.values(), questions, strict=True)
        ]
        tasks = [asyncio.create_task(app) for app in apps]
        try:
            await send(await self._ask(await receive(), questions, answers))
            await send(await self._ask(await receive(), questions, answers))
        finally:
            for task in tasks:
                task.cancel()

    async def _ask(self, event: Any, questions: list[asyncio.Queue[Any]], answers: asyncio.Queue[Any]) -> Any:
        """Pass an event to all. Returns what one of them answers: that something failed, if any says so."""
        for question in questions:
            question.put_nowait(event)
        said = [await answers.get() for _ in questions]
        return next((reply for reply in said if reply["type"].endswith(".failed")), said[0])


app = Mounts({"/profile": profile, "/wizard": wizard, "/launcher": launcher, "/room": room, "": home})
