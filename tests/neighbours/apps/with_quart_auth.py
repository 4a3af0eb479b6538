"""Quart-Auth: everybody logs in, and the view asks who it is."""

from __future__ import annotations

from quart_auth import AuthUser, QuartAuth, current_user, login_user

from quart_stash import View
from tests.neighbours.apps.plain import Items, make

app, stash = make()
app.config["QUART_AUTH_COOKIE_SECURE"] = False
QuartAuth(app)


@app.post("/login/<user>")
async def login(user: str) -> str:
    """Log in."""
    login_user(AuthUser(user))
    return "in"


@app.websocket("/mine/<int:n>")
@stash.view(Items)
async def mine(view: View[Items], n: int) -> None:
    """Collect what is sent, and tell it with the user's name each time."""
    async for message in view:
        view.state.items.append(str(message.data))
        await view.send(f"{current_user.auth_id}: {' '.join(view.state.items)}")
