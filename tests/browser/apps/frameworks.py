"""Starlette and FastAPI applications with users, behind StashMiddleware: what one has typed must never reach another.

`FRAMEWORK` says which; Starlette keeps the user in a session, FastAPI in a cookie of its own.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from jinja2 import DictLoader, Environment
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.templating import Jinja2Templates
from starlette.websockets import WebSocket

from quart_stash.asgi import StashMiddleware, StashPage, mount_view

logging.basicConfig(level=logging.INFO, format="%(process)d %(name)s %(levelname)s %(message)s")

SECRET = os.environ["QUART_SECRET_KEY"]
FASTAPI = os.environ.get("FRAMEWORK") == "fastapi"

PAGE = """<!doctype html><title>{{ user }}</title>{{ stash.script() }}
<form data-stash="note"><input name="note" id="note"></form>
<p id="user">{{ user or "nobody" }}</p><p id="state"></p>
<script type="module">
  import { StashSocket } from "/_stash/quart-stash.js";
  window.socket = new StashSocket("/live");
  socket.onmessage = ({ data }) => (document.getElementById("state").textContent = data);
</script>"""


@dataclass
class Notes:
    """What one user has said."""

    said: list[str] = field(default_factory=list)


def user(connection: HTTPConnection) -> str | None:
    """Return who is logged in."""
    return connection.cookies.get("user") if FASTAPI else connection.session.get("user")


def stash(request: Request) -> dict[str, Any]:
    """Give every template the helpers of a page, for its user."""
    return {"stash": StashPage(request.scope, identity=user(request)), "user": user(request)}


templates = Jinja2Templates(
    env=Environment(loader=DictLoader({"page.html": PAGE}), autoescape=True), context_processors=[stash]
)


async def page(request: Request) -> Response:
    """Show who is logged in."""
    return templates.TemplateResponse(request, "page.html")


async def log_in(request: Request) -> Response:
    """Log in as anybody; with `fresh` the whole session is a new one."""
    answer = RedirectResponse("/", 302)
    name = request.path_params["name"]
    if FASTAPI:
        answer.set_cookie("user", name)
    else:
        if "fresh" in request.query_params:
            request.session.clear()
        request.session["user"] = name
    return answer


async def log_out(request: Request) -> Response:
    """Log out."""
    answer = RedirectResponse("/", 302)
    if FASTAPI:
        answer.delete_cookie("user")
    else:
        request.session.pop("user", None)
    return answer


async def live(socket: WebSocket) -> None:
    """Show all that there is of a user."""
    async with mount_view(
        socket.scope, socket.receive, socket.send, state=Notes, identity=user(socket)
    ) as view:
        while True:
            forms = {name: form.to_dict() for name, form in view.forms.items()}
            await view.send_json({"said": view.state.said, "forms": forms})
            view.state.said.append(str((await view.receive()).data))


if FASTAPI:
    inner: Any = FastAPI()
    inner.add_api_route("/", page, response_model=None)
    inner.add_api_route("/as/{name}", log_in, response_model=None)
    inner.add_api_route("/out", log_out, response_model=None)
    inner.add_api_websocket_route("/live", live)
else:
    inner = Starlette(
        routes=[
            Route("/", page),
            Route("/as/{name}", log_in),
            Route("/out", log_out),
            WebSocketRoute("/live", live),
        ],
        middleware=[Middleware(SessionMiddleware, secret_key=SECRET)],
    )
app = StashMiddleware(inner, secret_key=SECRET)
