"""StashPage: pages of any ASGI framework say whose they are, and the views of their sockets look at it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.templating import Jinja2Templates

from quart_stash import ConfigurationError
from quart_stash.asgi import StashMiddleware, StashPage, mount_view
from quart_stash.identity import session_secret

from .live.pipe import OTHER_SECRET, SECRET, Pipe, in_virtual_time, settle

DOCS = Path(__file__).parents[1] / "docs" / "writing-views.md"

Seen = tuple[dict[str, Any], list[str], dict[str, Any]]


class App:
    """An ASGI application: pages and sockets of whoever `user` says, with `session` in their scope, if there is one."""

    def __init__(self, secret_key: Any = SECRET, *, user: Any = None, session: Any = None) -> None:
        self.user, self.session = user, session
        self.pages: list[StashPage] = []
        self.seen: list[Seen] = []
        self.middleware = StashMiddleware(self.inside, secret_key=secret_key)

    async def inside(self, scope: Any, receive: Any, send: Any) -> None:
        if self.session is not None:
            scope = {**scope, "session": self.session}
        if scope["type"] == "http":
            self.pages.append(StashPage(scope, identity=self.user))
            return
        async with mount_view(scope, receive, send, state=dict, identity=self.user, name="v") as view:
            self.seen.append((dict(view.params), list(view.forms), dict(view.page)))
            await view.receive()

    async def page(self, **scope: Any) -> StashPage:
        """Return what a request for a page makes."""

        async def nothing(*_: Any) -> Any:
            raise AssertionError("neither asked nor told")

        scope = {"type": "http", "method": "GET", "path": "/", "root_path": "", "headers": [], **scope}
        await self.middleware(scope, nothing, nothing)
        return self.pages[-1]

    async def tag(self) -> str:
        """Return the owner's tag in a page."""
        return tag_of(str((await self.page()).script()))

    async def mount(self, **fields: Any) -> Seen:
        """Mount with what was typed somewhere; return what reaches the view."""
        pipe = Pipe()
        pipe.serve(self.middleware(pipe.scope, pipe.receive, pipe.send))
        await pipe.mount(params={"a": 1}, forms={"f": [["a", "1"]]}, **fields)
        await settle()
        pipe.disconnect()
        await pipe.ended()
        return self.seen[-1]


def tag_of(text: str) -> str:
    """Return the owner's tag in some markup."""
    (tag,) = re.findall(r'data-identity="([0-9a-f]{32})"', text)
    return str(tag)


TYPED: Seen = ({"a": 1}, ["f"], {})
NOTHING: Seen = ({}, [], {})


@pytest.mark.parametrize("session", [None, {}], ids=["no session", "session"])
@in_virtual_time
async def test_only_the_owners_page_mounts_with_what_was_typed(session: Any) -> None:
    """Params and forms of a page of somebody else's, or of nobody's, do not reach a user's view, nor theirs nobody's."""
    tags, seen = {}, {}
    for user in ("ada", "bob", "", None):
        app = App(user=user, session=session)
        tags[user] = await app.tag()
    assert len(set(tags.values())) == 4
    for user in tags:
        for owner, tag in tags.items():
            seen[user, owner] = await App(user=user, session=session).mount(identity=tag)
    assert seen == {(user, owner): TYPED if user == owner else NOTHING for user in tags for owner in tags}


@in_virtual_time
async def test_a_session_that_was_ended_has_no_pages() -> None:
    """The tag is under the session's secret: after the session's end no page of it fits, and a new one has other tags."""
    session: dict[str, Any] = {}
    app = App(user="ada", session=session)
    first = await app.tag()
    assert session_secret(session, create=False)
    session.clear()
    assert await app.mount(identity=first) == NOTHING
    assert session == {}  # a socket can't set a cookie
    assert await app.tag() != first


@pytest.mark.parametrize("session", [None, {}], ids=["no session", "session"])
@in_virtual_time
async def test_the_tag_outlives_a_new_key(session: Any) -> None:
    """A new key in front leaves the pages their owners; where an old one goes, only those without a session lose them."""
    tags = [
        await App(keys, user="ada", session=session).tag()
        for keys in (SECRET, [OTHER_SECRET, SECRET], [OTHER_SECRET])
    ]
    assert tags[0] == tags[1]
    assert (tags[2] == tags[1]) == (session is not None)


@in_virtual_time
async def test_a_tag_shows_nothing() -> None:
    """Neither the user nor a key is in the markup."""
    for session in (None, {"_quart_stash": "the-secret"}):
        text = str((await App(user="ada", session=session).page()).script())
        assert "ada" not in text
        assert "the-secret" not in text


@in_virtual_time
async def test_the_markup() -> None:
    """Script, page params and cleared forms are markup, escaped, as in Quart's templates."""
    page = await App(user="ada").page()
    evil = '"><b>'
    for markup in (page.script(nonce=evil), page.meta(name=evil), page.clear(evil)):
        assert markup.__html__() == markup
        assert "<b>" not in markup
    script = str(page.script())
    assert re.search(r'src="/_stash/quart-stash\.[0-9a-f]{16}\.js"', script)
    assert "data-build=" in script
    assert "data-limits=" in script
    assert page.clear("note") == '<meta name="quart-stash-clear" content="note">'
    assert 'name="quart-stash-page"' in page.meta(order=17)


@in_virtual_time
async def test_page_params() -> None:
    """A view has what its page has signed; the page of another user, or for another view, ends the connection."""
    page = await App(user="ada").page()
    assert (await App(user="ada").mount(page=page.sign(order=17)))[2] == {"order": 17}
    assert (await App(user="ada").mount(page=page.sign("v", order=17)))[2] == {"order": 17}
    for user, signed in (("bob", page.sign(order=17)), ("ada", page.sign("other", order=17))):
        app = App(user=user)
        pipe = Pipe()
        pipe.serve(app.middleware(pipe.scope, pipe.receive, pipe.send))
        pipe.say("mount", sent=0, page=signed)
        assert await pipe.closed() == 4409
        assert app.seen == []


@in_virtual_time
async def test_where_the_script_is() -> None:
    """The script's address follows the path that the middleware is mounted under, not those of routers further in."""

    async def page(request: Request) -> Response:
        return HTMLResponse(StashPage(request.scope, identity=None).script())

    app = StashMiddleware(
        Starlette(routes=[Mount("/inner", Starlette(routes=[Route("/", page)]))]), secret_key=SECRET
    )
    for root in ("", "/outer"):
        sent: list[Any] = []

        async def send(event: Any, sent: list[Any] = sent) -> None:
            sent.append(event)

        async def receive() -> Any:
            return {"type": "http.request"}

        path = f"{root}/inner/"
        scope: dict[str, Any] = {"type": "http", "method": "GET", "path": path, "root_path": root}
        await app({**scope, "headers": [], "query_string": b"", "http_version": "1.1"}, receive, send)
        assert f'src="{root}/_stash/quart-stash.' in sent[1]["body"].decode()


async def test_the_sample_of_the_documentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Starlette application of docs/writing-views.md: its template's tag is what its socket looks for."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "checkout.html").write_text("{{ stash.script() }}")
    monkeypatch.chdir(tmp_path)
    (sample,) = re.findall(
        r"<!-- run by tests/test_stash_page.py -->\n```python\n(.*?)```", DOCS.read_text(), re.DOTALL
    )

    @dataclass
    class Checkout:
        basket: list[str] = field(default_factory=list)

    names: dict[str, Any] = {
        "Starlette": Starlette, "Route": Route, "WebSocketRoute": WebSocketRoute, "Middleware": Middleware,
        "SessionMiddleware": SessionMiddleware, "Jinja2Templates": Jinja2Templates, "SECRET": SECRET,
        "Checkout": Checkout,
    }  # fmt: skip
    exec(sample, names)

    async def log_in(request: Request) -> Response:
        request.session["user"] = request.path_params["name"]
        return Response()

    names["inner"].routes.append(Route("/as/{name}", log_in))
    browser = httpx2.AsyncClient(transport=httpx2.ASGITransport(names["app"]), base_url="http://example.com")
    tags = {}
    async with browser:
        for name in ("ada", "bob"):
            await browser.get(f"/as/{name}")
            tags[name] = tag_of((await browser.get("/")).text)
        cookie = f"session={browser.cookies['session']}".encode()
    assert len(set(tags.values())) == 2
    pipe = Pipe("/checkout", headers=[(b"host", b"example.com"), (b"cookie", cookie)])
    pipe.serve(names["app"](pipe.scope, pipe.receive, pipe.send))
    await pipe.mount(identity=tags["bob"])
    pipe.message('{"sku": "a1"}')
    await pipe.until(lambda: pipe.got)
    assert pipe.got == ['{"basket":["a1"]}']
    pipe.disconnect()
    await pipe.ended()


def test_a_page_without_the_middleware() -> None:
    """Without the middleware a page says what is missing."""
    with pytest.raises(ConfigurationError, match="StashMiddleware"):
        StashPage({"type": "http"}, identity="ada")


@pytest.mark.parametrize("user", [0, False, 7, b"ada", ["ada"]])
@in_virtual_time
async def test_what_can_not_be_an_identity(user: Any) -> None:
    """An identity that is neither text nor nobody is refused, for a page and for a view, and its value is not shown."""
    app = App(user=user)
    with pytest.raises(ConfigurationError, match=type(user).__name__):
        await app.page()
    pipe = Pipe()
    with pytest.raises(ConfigurationError, match=type(user).__name__) as raised:
        await app.middleware(pipe.scope, pipe.receive, pipe.send)
    assert "ada" not in str(raised.value)
    assert pipe.sent == []
