"""The quick starts of the log-ins that people use, by the real packages: one browser, two users, and a refresh."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import flask
import flask_login  # type: ignore[import-untyped]
import flask_security
import httpx2 as httpx
import pytest
import quart_auth
from authlib.integrations.starlette_client import OAuth  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.jwk import RSAKey
from quart import Quart, redirect, render_template_string, request, session, websocket
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from quart_stash import QuartStash, View
from quart_stash.identity import default_identity, session_secret
from quart_stash.logins import read_login

from .live.pipe import SECRET, Pipe

PASSWORD = "correct horse battery staple"


class Visits:
    """One browser session of a Flask application, and who quart_stash takes it for after each request."""

    def __init__(self, app: flask.Flask) -> None:
        self.client = app.test_client()
        with self.client.session_transaction() as session:
            session_secret(session, create=True)

    def __call__(self, path: str, **options: Any) -> str | None:
        response = self.client.open(path, **options)
        assert response.status_code < 400, response.text
        with self.client.session_transaction() as session:
            login = read_login(session)
            assert login.unbound == ()
            return default_identity(session)


def flask_app() -> flask.Flask:
    app = flask.Flask("tests")
    app.secret_key = SECRET
    return app


def test_flask() -> None:
    """Flask's quick start (`session["username"]`): a user, another user in the same browser and nobody are three."""
    app = flask_app()

    @app.route("/")
    def index() -> str:
        flask.session["visited"] = True
        flask.flash("hello")
        return "Logged in" if "username" in flask.session else "You are not logged in"

    @app.post("/login")
    def login() -> Any:
        flask.session["username"] = flask.request.form["username"]
        return flask.redirect(flask.url_for("index"))

    @app.route("/logout")
    def logout() -> Any:
        flask.session.pop("username", None)
        return flask.redirect(flask.url_for("index"))

    visit = Visits(app)
    nobody = visit("/")
    ada = visit("/login", method="POST", data={"username": "ada"})
    assert visit("/") == ada
    assert visit("/logout") == nobody
    bob = visit("/login", method="POST", data={"username": "bob"})
    assert len({nobody, ada, bob}) == 3


def test_flask_login() -> None:
    """Flask-Login's quick start: `_fresh` and `_id` change nothing, logging in and out does."""
    app = flask_app()
    manager = flask_login.LoginManager(app)

    class User(flask_login.UserMixin):  # type: ignore[misc]
        def __init__(self, id: str) -> None:
            self.id = id

    manager.user_loader(User)

    @app.route("/as/<name>")
    def login(name: str) -> str:
        flask_login.login_user(User(name))
        return ""

    @app.route("/out")
    def logout() -> str:
        flask_login.logout_user()
        return ""

    @app.route("/confirm")
    def confirm() -> str:
        flask_login.confirm_login()
        return ""

    @app.route("/")
    def index() -> str:
        return str(flask_login.current_user.is_authenticated)

    visit = Visits(app)
    nobody = visit("/")
    ada = visit("/as/ada")
    # Another browser makes the session stale, and gives it another `_id` when it is confirmed.
    assert visit("/", headers={"User-Agent": "another"}) == ada
    assert visit("/confirm", headers={"User-Agent": "another"}) == ada
    assert visit("/out") == nobody
    assert len({nobody, ada, visit("/as/bob")}) == 3


class Users(flask_security.UserDatastore):
    """Flask-Security's users, in memory."""

    def __init__(self) -> None:
        super().__init__(User, flask_security.RoleMixin)
        self.users: list[Any] = []

    def find_user(self, case_insensitive: bool = False, **query: Any) -> Any:
        return next(
            (user for user in self.users if all(getattr(user, k) == v for k, v in query.items())), None
        )

    def put(self, model: Any) -> Any:
        if model not in self.users:
            self.users.append(model)
        return model

    def commit(self) -> None:
        pass


class User(flask_security.UserMixin):
    """One of them."""

    def __init__(self, **fields: Any) -> None:
        vars(self).update(fields, id=len(fields["email"]))

    fs_uniquifier: str = ""  # it is looked whether a model has them
    email: str = ""
    password: str | None = None
    active: bool = True
    roles: Any = ()
    id: int = 0


@pytest.fixture(scope="module")
def secured() -> flask.Flask:
    """Flask-Security's quick start, with its own log-in, verification and log-out."""
    app = flask_app()
    app.config.update(
        SECURITY_PASSWORD_SALT="8Jq2Lw",
        SECURITY_PASSWORD_HASH="plaintext",
        SECURITY_PASSWORD_SCHEMES=["plaintext"],
        SECURITY_PASSWORD_SINGLE_HASH=True,
        SECURITY_FLASH_MESSAGES=True,
        WTF_CSRF_ENABLED=False,
    )
    users = Users()
    flask_security.Security(app, users)
    with app.app_context():
        for name in ("ada", "bob"):
            password = flask_security.hash_password(PASSWORD)
            users.create_user(email=f"{name}@example.com", password=password)

    @app.route("/fresh")
    @flask_security.auth_required(within=60, grace=60)
    def fresh() -> str:
        return ""

    return app


def test_flask_security(secured: flask.Flask) -> None:
    """Flask-Security's own log-in: its time stamps, CSRF cookies and `_fresh` change nothing, the user does."""
    visit = Visits(secured)

    def login(name: str) -> str | None:
        form = {"email": f"{name}@example.com", "password": PASSWORD}
        return visit("/login", method="POST", json=form)

    nobody = visit("/login")
    ada = login("ada")
    with visit.client.session_transaction() as before:
        assert {"_user_id", "fs_paa"} <= set(before)
    assert visit("/verify", method="POST", json={"password": PASSWORD}) == ada
    assert visit("/fresh") == ada
    with visit.client.session_transaction() as after:
        assert after != before
    assert visit("/logout", method="POST", json={}) == nobody
    assert len({nobody, ada, login("bob")}) == 3


# Authlib, against a provider of our own.

ISSUER = "https://provider.example"
KEY = RSAKey.generate_key(2048, {"kid": "1"})


class Provider:
    """What stands behind Authlib's HTTP client."""

    def __init__(self) -> None:
        self.user = ""
        self.nonce = ""
        self.issued = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/jwks":
            return httpx.Response(200, json={"keys": [KEY.as_dict(private=False)]})
        if request.url.path != "/token":
            return httpx.Response(200, json={
                "issuer": ISSUER, "jwks_uri": f"{ISSUER}/jwks", "token_endpoint": f"{ISSUER}/token",
                "authorization_endpoint": f"{ISSUER}/authorize",
            })  # fmt: skip
        self.issued += 1
        now = int(time.time()) + self.issued
        claims = {
            "iss": ISSUER, "sub": f"id-of-{self.user}", "aud": "client", "iat": now, "exp": now + 3600,
            "nonce": self.nonce, "email": f"{self.user}@example.com", "name": self.user,
        }  # fmt: skip
        return httpx.Response(200, json={
            "access_token": f"access-{self.issued}", "token_type": "Bearer", "expires_in": 3600,
            "id_token": jwt.encode({"alg": "RS256", "kid": "1"}, claims, KEY),
        })  # fmt: skip


@pytest.mark.parametrize("kept", ["userinfo", "token"])
async def test_authlib(kept: str) -> None:
    """Authlib's quick start, with the user info or the whole token in the session: a new token of the same user cuts nothing."""
    provider, oauth = Provider(), OAuth()
    oauth.register(
        "provider", client_id="client", client_secret="s",
        server_metadata_url=f"{ISSUER}/.well-known/openid-configuration",
        client_kwargs={"scope": "openid email", "transport": httpx.MockTransport(provider)},
    )  # fmt: skip
    sessions: list[dict[str, Any]] = []

    async def login(request: Request) -> Response:
        answer: Response = await oauth.provider.authorize_redirect(request, "http://test/auth")
        sessions.append(dict(request.session))
        return answer

    async def auth(request: Request) -> Response:
        token = await oauth.provider.authorize_access_token(request)
        request.session["user"] = token["userinfo"] if kept == "userinfo" else token
        return JSONResponse({})

    async def logout(request: Request) -> Response:
        request.session.pop("user", None)
        return JSONResponse({})

    async def whole(request: Request) -> Response:
        session_secret(request.session, create=True)
        return JSONResponse(dict(request.session))

    app = Starlette(
        routes=[Route("/login", login), Route("/auth", auth), Route("/logout", logout), Route("/", whole)],
        middleware=[Middleware(SessionMiddleware, secret_key=SECRET)],
    )

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:

        async def now() -> dict[str, Any]:
            content: dict[str, Any] = (await client.get("/")).json()
            assert read_login(content).unbound == ()
            return content

        async def log_in(user: str) -> dict[str, Any]:
            query = parse_qs(urlsplit((await client.get("/login")).headers["location"]).query)
            provider.user, provider.nonce = user, query["nonce"][0]
            assert (
                await client.get("/auth", params={"code": "c", "state": query["state"][0]})
            ).status_code == 200
            return await now()

        nobody = default_identity(await now())
        ada, again = await log_in("ada"), await log_in("ada")
        assert ada["user"] != again["user"]
        assert default_identity(ada) == default_identity(again) != nobody
        # On the way to the provider nothing of the user has changed.
        await client.get("/login")
        assert default_identity(sessions[-1]) == default_identity(ada)
        bob = await log_in("bob")
        assert default_identity(bob) not in (nobody, default_identity(ada))
        await client.get("/logout")
        assert default_identity(await now()) == nobody


# Under Quart.


class Browser:
    """One browser's cookies at a Quart application whose view shows what it knows of its user."""

    def __init__(self, app: Quart) -> None:
        app.config.update(SECRET_KEY=SECRET, STASH_SYNC_INTERVAL=0)
        stash = QuartStash(app)
        self.app, self.client = app, app.test_client()

        @app.get("/page")
        async def page() -> str:
            return await render_template_string("{{ stash_script() }}")

        @app.websocket("/said")
        @stash.view(dict)
        async def said(view: View[dict[str, Any]]) -> None:
            async for message in view:
                view.state["said"] = str(message.data)

    async def mount(self, token: str | None) -> tuple[str, str | None]:
        """Visit the page and mount the view; return how it was mounted, and its newest token."""
        await self.client.get("/page")
        jar = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.client.cookie_jar)  # type: ignore[union-attr]
        pipe = Pipe("/said", headers=[(b"host", b"example.com"), (b"cookie", jar.encode())])
        pipe.serve(self.app(pipe.scope, pipe.receive, pipe.send))  # type: ignore[arg-type]
        mounted = await pipe.mount(**({"token": token} if token else {}))
        pipe.disconnect()
        await pipe.ended()
        return mounted["status"], mounted.get("token", token)

    async def two_users(self) -> None:
        """Log in as Ada, refresh, log out, log in as Bob: each gets what is theirs."""
        status, nobodys = await self.mount(None)
        assert (status, (await self.mount(nobodys))[0]) == ("fresh", "restored")
        await self.client.post("/login", form={"username": "ada"})
        assert (await self.mount(nobodys))[0] == "rejected"
        _, adas = await self.mount(None)
        await self.client.get("/refresh")
        assert (await self.mount(adas))[0] == "restored"
        await self.client.get("/logout")
        assert (await self.mount(adas))[0] == "rejected"
        assert (await self.mount(nobodys))[0] == "restored"
        await self.client.post("/login", form={"username": "bob"})
        assert (await self.mount(adas))[0] == "rejected"
        assert (await self.mount(nobodys))[0] == "rejected"


async def test_quart(caplog: pytest.LogCaptureFixture) -> None:
    """Quart's quick start (`session["username"]`): the second user of a browser gets none of the first one's views."""
    app = Quart("tests")

    @app.post("/login")
    async def login() -> Any:
        session["username"] = (await request.form)["username"]
        return redirect("/")

    @app.get("/refresh")
    async def refresh() -> str:
        session["visits"] = session.get("visits", 0) + 1
        session.permanent = True
        return ""

    @app.get("/logout")
    async def logout() -> Any:
        session.pop("username", None)
        session.pop("visits", None)
        return redirect("/")

    await Browser(app).two_users()
    assert "not bound" not in caplog.text


async def test_quart_auth() -> None:
    """Quart-Auth's quick start: its user counts, a renewal changes nothing."""
    app = Quart("tests")
    quart_auth.QuartAuth(app, cookie_secure=False)

    @app.post("/login")
    async def login() -> Any:
        quart_auth.login_user(quart_auth.AuthUser((await request.form)["username"]))
        return redirect("/")

    @app.get("/refresh")
    async def refresh() -> str:
        quart_auth.renew_login()
        return ""

    @app.get("/logout")
    async def logout() -> Any:
        quart_auth.logout_user()
        return redirect("/")

    await Browser(app).two_users()


LINES = re.findall(
    r"`stash\.(identity_loader\(lambda: .*?\))` \|",
    (Path(__file__).parents[1] / "docs/security.md").read_text(),
)


@pytest.mark.parametrize("line", LINES)
async def test_the_lines_of_the_documentation(line: str) -> None:
    """Each one-line loader of docs/security.md returns the user, and nobody where nobody is logged in, as the documentation says."""
    app = Quart("tests")
    app.config["SECRET_KEY"] = SECRET
    stash = QuartStash(app)
    auth = quart_auth.QuartAuth(app, cookie_secure=False)
    names = {
        "session": session,
        "request": request,
        "websocket": websocket,
        "current_user": quart_auth.current_user,
    }
    eval(f"stash.{line}", {"stash": stash, **names})
    seen: list[str | None] = []
    for user, headers in (
        ({}, {}),
        ({"member": "7", "pk": 7, "user": {"sub": "7"}, "_user_id": "7"}, {"X-User": "7"}),
    ):
        async with app.test_request_context("/", headers=headers):
            session.update(user)
            if user:
                auth.login_user(quart_auth.AuthUser("7"))
            seen.append(await stash.identity())
    assert seen == [None, "7"]


def test_all_lines_of_the_documentation() -> None:
    """The test above has found them."""
    assert len(LINES) == 6


async def test_several_quart_auths() -> None:
    """Where Quart-Auth keeps several users side by side, each of them counts."""
    app = Quart("tests")
    QuartStash(app)
    app.config["SECRET_KEY"] = SECRET
    auths = [
        quart_auth.QuartAuth(
            app, attribute_name=name, cookie_name=name, salt=name, cookie_secure=False, singleton=False
        )
        for name in ("_customer", "_staff")
    ]
    seen = []
    async with app.test_request_context("/"):
        for customer, staff in ((None, None), ("1", None), (None, "1"), ("1", "1"), ("1", "2"), ("1", "1")):
            auths[0].login_user(quart_auth.AuthUser(customer))
            auths[1].login_user(quart_auth.AuthUser(staff))
            seen.append(default_identity({}))
    assert seen[0] is None
    assert len(set(seen)) == 5
    assert seen[3] == seen[5]
