"""The extension: how a Quart application is wired, and what a view on a route is."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest
from quart import Quart, abort, render_template_string, session, websocket

from quart_stash import (
    ClientSettable,
    ConfigurationError,
    QuartStash,
    TokenExpired,
    TokenRefused,
    View,
    signals,
)
from quart_stash.core.state import StateType

from .live.pipe import SECRET, Pipe, in_virtual_time, settle


@dataclass
class Basket:
    items: list[str] = field(default_factory=list)
    open: Annotated[bool, ClientSettable] = False


def make_app(**config: Any) -> Quart:
    app = Quart("tests")
    app.config.update(SECRET_KEY=SECRET, STASH_SYNC_INTERVAL=0, **config)
    return app


def shop(app: Quart, stash: QuartStash, **options: Any) -> None:
    """Add a view that collects what it is sent."""

    @app.websocket("/shop/<int:number>")
    @stash.view(Basket, **options)
    async def collect(view: View[Basket], number: int) -> None:
        await view.send_json([number, view.status, view.identity])
        async for message in view:
            view.state.items.append(str(message.data))
            await view.send_json(view.state.items)


def connect(app: Quart, path: str = "/shop/1", **scope: Any) -> Pipe:
    """Open a connection, as a server does."""
    pipe = Pipe(path, **scope)
    pipe.serve(app(pipe.scope, pipe.receive, pipe.send))  # type: ignore[arg-type]
    return pipe


async def end(*pipes: Pipe) -> None:
    """End connections from the client's side."""
    for pipe in pipes:
        pipe.disconnect()
        await pipe.ended()


def cookies(response: Any) -> list[tuple[bytes, bytes]]:
    """Return a handshake's headers with the cookies of a response."""
    pairs = [value.partition(";")[0] for value in response.headers.getlist("set-cookie")]
    return [(b"host", b"example.com"), (b"cookie", "; ".join(pairs).encode())]


# Wiring.


def test_wiring_twice_is_refused() -> None:
    """An application takes one stash, whichever way it is wired."""
    app = make_app()
    stash = QuartStash(app)
    assert "quart_stash" in app.extensions
    with pytest.raises(ConfigurationError, match="already"):
        stash.init_app(app)
    with pytest.raises(ConfigurationError, match="already"):
        QuartStash(app)


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"SECRET_KEY": None}, "token_urlsafe"),
        ({"SECRET_KEY": "k3y-Zq9!"}, "token_urlsafe"),
        ({"SECRET_KEY": "dev"}, "token_urlsafe"),
        ({"STASH_SHUTDOWN_TIME": 3}, "STASH_SHUTDOWN_TIMEOUT"),
        ({"STASH_SHUTDOWN_TIMEOUT": "3"}, "int or float"),
    ],
    ids=repr,
)
@in_virtual_time
async def test_what_can_not_work_refuses_to_start(
    config: dict[str, Any], text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A missing, short or sample key, or a wrong setting, fails the server's start-up with a text that says what to do."""
    app = make_app()
    app.config.update(config)
    QuartStash(app)
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    async def send(event: Any) -> None:
        sent.append(event)

    with caplog.at_level(logging.ERROR, "quart_stash"):
        await app({"type": "lifespan", "asgi": {}}, receive, send)  # type: ignore[arg-type]
    (failed,) = sent
    assert failed["type"] == "lifespan.startup.failed"
    assert text in failed["message"]
    assert text in caplog.text
    assert str(config.get("SECRET_KEY") or "no such text") not in failed["message"]


@in_virtual_time
async def test_what_can_not_work_fails_without_lifespan_too() -> None:
    """Under a server without lifespan the same error comes with the first request."""
    app = make_app()
    app.config["SECRET_KEY"] = None
    QuartStash(app)
    with pytest.raises(ConfigurationError, match="token_urlsafe"):
        await app.test_client().get("/")
    with pytest.raises(ConfigurationError, match="token_urlsafe"):
        await app.startup()


@in_virtual_time
async def test_configuration_may_come_after_wiring() -> None:
    """Settings are read when the application starts to serve, so the order of set-up does not matter."""
    app = Quart("tests")
    stash = QuartStash()
    shop(app, stash)
    stash.init_app(app)
    app.config.update(SECRET_KEY=SECRET, STASH_URL_PREFIX="/other", STASH_BUILD="b9")
    assert (await app.test_client().get("/other/ready")).status_code == 200
    pipe = connect(app)
    assert (await pipe.mount())["build"] == "b9"
    await end(pipe)


@in_virtual_time
async def test_a_view_of_an_application_without_a_stash() -> None:
    """A view on an application that was not wired says what is missing."""
    app = make_app()
    app.config["PROPAGATE_EXCEPTIONS"] = True
    shop(app, QuartStash())
    pipe = connect(app)
    with pytest.raises(BaseException, match=r"init_app|unhandled errors") as caught:
        await pipe.ended()
    error = caught.value.exceptions[0] if isinstance(caught.value, BaseExceptionGroup) else caught.value
    assert isinstance(error, ConfigurationError)
    with pytest.raises(ConfigurationError, match="init_app"):
        QuartStash().stats()


@in_virtual_time
async def test_two_applications_side_by_side() -> None:
    """Two applications with a stash each have their own settings, keys, views and drain."""
    first, second = make_app(STASH_BUILD="one"), make_app(STASH_BUILD="two")
    stashes = [QuartStash(first), QuartStash(second)]
    shop(first, stashes[0])
    shop(second, stashes[1])
    pipes = [connect(first), connect(second)]
    assert [(await pipe.mount())["build"] for pipe in pipes] == ["one", "two"]
    drain = asyncio.create_task(stashes[0].drain())
    await pipes[0].answer_drain(sent=0)
    await drain
    assert (stashes[0].draining, stashes[1].draining) == (True, False)
    assert stashes[0].stats() == {"live": 0, "fresh": 1, "synced": 1}
    assert stashes[1].stats() == {"live": 1, "fresh": 1}
    await end(pipes[1])


@in_virtual_time
async def test_one_stash_on_two_applications() -> None:
    """One stash may serve two applications; which one is meant is told by the application's context."""
    stash = QuartStash()
    first, second = make_app(STASH_BUILD="one"), make_app(STASH_BUILD="two")
    for app in (first, second):
        stash.init_app(app)
        shop(app, stash)
    pipes = [connect(first), connect(second)]
    assert [(await pipe.mount())["build"] for pipe in pipes] == ["one", "two"]
    async with second.app_context():
        drain = asyncio.create_task(stash.drain())
        await pipes[1].answer_drain(sent=0)
        await drain
        assert stash.draining
    async with first.app_context():
        assert not stash.draining
        assert stash.stats()["live"] == 1
    await end(pipes[0])


# Views.


@in_virtual_time
async def test_a_view_on_a_route_with_arguments() -> None:
    """The handler takes the view and the route's arguments, and goes on in another process from its token."""
    app = make_app()
    shop(app, QuartStash(app))
    pipe = connect(app, "/shop/7")
    await pipe.mount()
    pipe.message("apple")
    await pipe.until(lambda: pipe.frames("token"))
    assert pipe.got == ['[7,"fresh",null]', '["apple"]']
    assert pipe.sent[0]["subprotocol"] == "quart-stash.v1"
    token = pipe.frames("token")[-1]["token"]
    await end(pipe)
    other = make_app()
    shop(other, QuartStash(other))
    restored, refused = connect(other, "/shop/7"), connect(other, "/shop/8")
    assert (await restored.mount(token=token, sent=1))["status"] == "restored"
    restored.message("pear")
    await restored.until(lambda: len(restored.got) == 2)
    assert restored.got[1] == '["apple","pear"]'
    assert (await refused.mount(token=token, sent=1))["reason"] == "refused", (
        "a token of other route arguments"
    )
    await end(restored, refused)


@in_virtual_time
async def test_a_drain_of_a_view_on_a_route() -> None:
    """At a drain the handler is cancelled, the client has the final token, and the socket is closed with 1012."""
    app = make_app()
    stash = QuartStash(app)
    shop(app, stash)
    pipe = connect(app)
    await pipe.mount()
    pipe.message("apple")
    drain = asyncio.create_task(stash.drain())
    final = await pipe.answer_drain(sent=1)
    await drain
    assert final["received"] == 1
    assert pipe.close_code == 1012
    late = connect(app)
    await late.ended()
    assert late.sent[0]["status"] == 503
    assert (await app.test_client().get("/_stash/ready")).status_code == 503
    assert (await app.test_client().get("/_stash/ready")).headers["retry-after"] == "1"


@in_virtual_time
async def test_migrations() -> None:
    """A token of an earlier version goes through the migrations; without a path it is stale."""
    old = make_app()
    shop(old, QuartStash(old))
    pipe = connect(old)
    await pipe.mount()
    pipe.message("apple")
    await pipe.until(lambda: pipe.frames("token"))
    token = pipe.frames("token")[-1]["token"]
    await end(pipe)

    @dataclass
    class Bag:
        things: list[str] = field(default_factory=list)

    statuses = []
    for path in (True, False):
        app = make_app()
        stash = QuartStash(app)

        @app.websocket("/shop/<int:number>")
        @stash.view(Bag, version=2, name="collect")
        async def bag(view: View[Bag], number: int) -> None:
            await view.send_json(view.state.things)
            await view.receive()

        if path:

            @bag.migrate(from_version=1)
            def from_basket(state: dict[str, Any]) -> dict[str, Any]:
                return {"things": state["items"]}

        pipe = connect(app)
        mounted = await pipe.mount(token=token, sent=1)
        statuses.append((mounted["status"], mounted.get("reason")))
        await pipe.until(lambda pipe=pipe: pipe.got)  # type: ignore[misc]
        assert pipe.got == [["[]", '["apple"]'][path]]
        await end(pipe)
    assert statuses == [("restored", None), ("rejected", "stale")]


def test_a_state_that_can_be_none_is_refused_at_once() -> None:
    """A type that can't be a state is refused where the view is declared."""
    with pytest.raises(ConfigurationError):
        QuartStash().view(int)


@in_virtual_time
async def test_the_applications_hooks_run_at_every_mount() -> None:
    """What the application refuses before the handshake is refused as it says, and no view is made."""
    app = make_app()
    stash = QuartStash(app)
    shop(app, stash)

    @app.before_websocket
    async def authenticate() -> None:
        abort(401)

    pipe = connect(app)
    await pipe.until(lambda: pipe.sent)
    await end(pipe)
    assert pipe.sent[0]["status"] == 401
    assert stash.stats() == {"live": 0}


@in_virtual_time
async def test_other_sockets_are_left_alone() -> None:
    """A WebSocket route that is no view works as ever, and is closed with 1012 at the end of a drain."""
    from quart import websocket

    app = make_app()
    stash = QuartStash(app)

    @app.websocket("/echo")
    async def echo() -> None:
        while True:
            await websocket.send(await websocket.receive())

    pipe = connect(app, "/echo", plain=True)
    pipe.raw("hello")
    await pipe.until(lambda: len(pipe.sent) == 2)
    assert pipe.sent[1]["text"] == "hello"
    drain = asyncio.create_task(stash.drain())
    assert await pipe.closed() == 1012
    await drain


@in_virtual_time
async def test_a_handler_that_raises(caplog: pytest.LogCaptureFixture) -> None:
    """A handler's exception closes with 1011 and reaches the application's log."""
    app = make_app()
    stash = QuartStash(app)

    @app.websocket("/raise")
    @stash.view()
    async def handler(view: View[None]) -> None:
        raise ValueError("as asked")

    pipe = connect(app, "/raise")
    pipe.say("mount", sent=0)
    assert await pipe.closed() == 1011
    assert "as asked" in caplog.text


@in_virtual_time
async def test_a_client_that_is_gone_before_its_view_is_looked_for(caplog: pytest.LogCaptureFixture) -> None:
    """A client may give up before its handler runs: that is cancelled then, and nobody is blamed."""
    app = make_app()
    stash = QuartStash(app)

    @app.websocket("/view")
    @stash.view()
    async def view(view: View[None]) -> None:
        raise AssertionError("nobody is there")

    pipe = connect(app, "/view")
    pipe._queue.put_nowait({"type": "websocket.disconnect", "code": 1006})  # it is there at once
    await pipe.ended()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("where", ["sign_page", "stash_page"])
@in_virtual_time
async def test_page_params_that_expire(where: str) -> None:
    """`max_age` is a time, a value of this name goes into a mapping, and named values come on top of the mapping's."""
    app = make_app()
    stash = QuartStash(app)
    seen: list[Any] = []

    @app.get("/page")
    async def page() -> str:
        if where == "sign_page":
            return await stash.sign_page("view", {"max_age": 7, "a": 1}, max_age=600, a=2)
        return await render_template_string(
            "{{ stash_page('view', {'max_age': 7, 'a': 1}, max_age=600, a=2) }}"
        )

    @app.websocket("/view")
    @stash.view()
    async def view(view: View[None]) -> None:
        seen.append(view.page)
        await view.receive()

    response = await app.test_client().get("/page")
    found = re.search(r"[\w-]+\.[0-9]+\.[\w-]+", await response.get_data(as_text=True))
    assert found
    headers = cookies(response)
    for code in (None, 1008):
        pipe = connect(app, "/view", headers=headers)
        pipe.say("mount", sent=0, page=found[0])
        if code is None:
            await settle()
            await end(pipe)
        else:
            assert await pipe.closed() == code
        async with app.app_context():
            host = stash._host()
            host.now = lambda: time.time() + 601
    assert seen == [{"max_age": 7, "a": 2}]


@pytest.mark.parametrize("max_age", [0, -1, True, "600", float("nan"), float("inf")])
@in_virtual_time
async def test_a_max_age_that_is_none(max_age: Any) -> None:
    """A `max_age` that is no number of seconds above 0 is refused, and the text says where such a value goes."""
    app = make_app()
    stash = QuartStash(app)

    @app.get("/page")
    async def page() -> str:
        with pytest.raises(ConfigurationError, match=r'sign_page\(None, \{"max_age"'):
            await stash.sign_page(max_age=max_age)
        return "refused"

    assert await (await app.test_client().get("/page")).get_data(as_text=True) == "refused"


@in_virtual_time
async def test_close_views_of_a_user() -> None:
    """A log-out closes the views of this user here, in whatever browser; their clients are not to come back."""
    app = make_app()
    stash = QuartStash(app, identity=lambda: websocket.headers.get("x-user"))
    shop(app, stash)
    pipes = [
        connect(app, headers=[(b"host", b"example.com"), (b"x-user", user)]) for user in (b"a", b"a", b"b")
    ]
    for pipe in pipes:
        await pipe.mount()
    async with app.app_context():
        assert await stash.close_views("a") == 2
        assert [await pipe.closed() for pipe in pipes[:2]] == [1008, 1008]
        assert stash.stats()["live"] == 1
    await end(pipes[2])


@pytest.mark.parametrize("identity", [0, 7, False, b"x"])
@in_virtual_time
async def test_a_loader_that_returns_a_number(identity: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A page fails with a text that names `identity_loader`; its socket ends for good, and the log says it once."""
    app = make_app()
    stash = QuartStash(app, identity=lambda: identity)
    shop(app, stash)

    @app.get("/page")
    async def page() -> str:
        with pytest.raises(ConfigurationError, match="identity_loader, or who called, gave a") as caught:
            await stash.sign_page()
        return str(caught.value)

    assert "str(user.id)" in await (await app.test_client().get("/page")).get_data(as_text=True)
    for _ in range(2):
        pipe = connect(app)
        pipe.say("mount", sent=0)
        assert await pipe.closed() == 1008
    said = [record for record in caplog.records if "identity_loader" in record.getMessage()]
    assert len(said) == 1
    assert not any(record.exc_info for record in caplog.records)


# Identity.


def identified(app: Quart) -> QuartStash:
    """Wire an application with log-in, page and view."""
    stash = QuartStash(app)
    shop(app, stash)

    @app.get("/")
    async def index() -> str:
        return await render_template_string("{{ stash_script() }}{{ stash_page(order=7) }}")

    @app.get("/login/<user>")
    async def login(user: str) -> str:
        session["user_id"] = user
        return await index()

    return stash


@in_virtual_time
async def test_a_token_is_bound_to_the_default_identity() -> None:
    """A token opens in the browser session that it is from, and not in another, nor for another user of the same one."""
    app = make_app()
    identified(app)
    client = app.test_client()
    headers = cookies(await client.get("/"))
    pipe = connect(app, headers=headers)
    token = (await pipe.mount())["token"]
    await pipe.until(lambda: pipe.got)
    assert re.fullmatch(r'\[1,"fresh","[0-9a-f]{64}"\]', pipe.got[0])
    await end(pipe)
    alice = cookies(await client.get("/login/alice"))
    stranger = cookies(await app.test_client().get("/"))
    statuses = []
    for who in (headers, alice, stranger, [(b"host", b"example.com")]):
        pipe = connect(app, headers=who)
        statuses.append((await pipe.mount(token=token))["status"])
        await end(pipe)
    assert statuses == ["restored", "rejected", "rejected", "rejected"]


@pytest.mark.parametrize("kind", ["sync", "async", "argument"])
@in_virtual_time
async def test_the_identity_loader(kind: str) -> None:
    """An application may say itself who a connection belongs to, at once or asynchronously."""
    app = make_app()
    stash = QuartStash(app, identity=(lambda: "carol") if kind == "argument" else None)
    shop(app, stash)
    if kind == "sync":

        @stash.identity_loader
        def load() -> str:
            return "carol"

    elif kind == "async":

        @stash.identity_loader
        async def load_later() -> str:
            await asyncio.sleep(1)
            return "carol"

    pipe = connect(app)
    await pipe.mount()
    await pipe.until(lambda: pipe.got)
    assert pipe.got == ['[1,"fresh","carol"]']
    await end(pipe)


@in_virtual_time
async def test_what_was_typed_under_another_identity_does_not_reach_the_mount() -> None:
    """Params and forms of a page that was rendered for somebody else are dropped; those of the same user's are not."""
    app = make_app()
    stash = identified(app)
    seen: list[tuple[dict[str, Any], list[str]]] = []

    @app.websocket("/form")
    @stash.view()
    async def form(view: View[None]) -> None:
        seen.append((dict(view.params), list(view.forms)))
        await view.receive()

    client = app.test_client()

    async def page_of(path: str) -> tuple[str, list[tuple[bytes, bytes]]]:
        response = await client.get(path)
        match = re.search(r'data-identity="([^"]+)"', await response.get_data(as_text=True))
        assert match is not None
        return match[1], cookies(response)

    alice, of_alice = await page_of("/login/alice")
    bob, of_bob = await page_of("/login/bob")
    for identity, headers in ((alice, of_alice), (bob, of_bob), (alice, of_bob), (alice, None)):
        pipe = connect(app, "/form", **({"headers": headers} if headers else {}))
        await pipe.mount(params={"a": 1}, forms={"f": [["a", "1"]]}, empty={"f": ["b"]}, identity=identity)
        await settle()
        await end(pipe)
    assert seen == [({"a": 1}, ["f"]), ({"a": 1}, ["f"]), ({}, []), ({}, [])]


@in_virtual_time
async def test_queued_messages_of_another_user_are_rejected() -> None:
    """A page of alice's that mounts as bob is rejected, with a token or without, until its token is bob's."""
    app = make_app()
    stash = identified(app)

    @app.websocket("/echo")
    @stash.view()
    async def echo(view: View[None]) -> None:
        async for message in view:
            await view.send(message.data)

    client = app.test_client()
    response = await client.get("/login/alice")
    match = re.search(r'data-identity="([^"]+)"', await response.get_data(as_text=True))
    assert match is not None
    alice, of_alice = match[1], cookies(response)
    of_bob = cookies(await client.get("/login/bob"))

    async def mounted(headers: list[tuple[bytes, bytes]], **fields: Any) -> dict[str, Any]:
        pipe = connect(app, "/echo", headers=headers)
        frame = await pipe.mount(identity=alice, **fields)
        await end(pipe)
        return frame

    first = await mounted(of_alice, sent=2)
    assert (first["status"], first["received"]) == ("fresh", 0)
    untokened = await mounted(of_bob, sent=2, params=[], forms=[])
    assert not {"invalid", "dropped"}.intersection(untokened), "what bob did not bring is not told to him"
    assert (untokened["status"], untokened["reason"], untokened["received"]) == ("rejected", "identity", 0)
    refused = await mounted(of_bob, sent=2, token=first["token"])
    assert (refused["status"], refused["reason"], refused["received"]) == ("rejected", "refused", 0)
    assert (await mounted(of_bob, sent=2, token=untokened["token"]))["status"] == "restored"
    assert (await mounted(of_alice, sent=2, token=first["token"]))["status"] == "restored"


# The page.


@in_virtual_time
async def test_the_script_tag() -> None:
    """`stash_script` names the script and a hash of the identity, which changes with the user; a nonce and a root path go in."""
    app = make_app()
    identified(app)

    @app.get("/nonce")
    async def with_nonce() -> str:
        return await render_template_string("{{ stash_script(nonce='\"n\"') }}")

    client = app.test_client()
    tags = [
        await (await client.get(path)).get_data(as_text=True) for path in ("/", "/", "/login/a", "/login/b")
    ]
    hashes = [re.search(r'data-identity="([0-9a-f]{32})"', tag) for tag in tags]
    assert None not in hashes
    found = [match[1] for match in hashes if match]
    assert found[0] == found[1]
    assert len(set(found)) == 3
    script = re.search(r'src="([^"]+)"', tags[0])
    assert script is not None
    assert "immutable" in (await client.get(script[1])).headers["cache-control"]
    text = await (await client.get("/nonce")).get_data(as_text=True)
    assert 'nonce="&quot;n&quot;"' in text
    below = await client.get("/shop/", root_path="/shop")
    assert 'src="/shop/_stash/' in await below.get_data(as_text=True)


@in_virtual_time
async def test_page_params() -> None:
    """What the page signs the view has; a token of other page params is refused; forged ones are deferred, then 1008."""
    app = make_app()
    stash = identified(app)
    seen: list[dict[str, Any]] = []

    @app.websocket("/order")
    @stash.view()
    async def order(view: View[None]) -> None:
        seen.append(dict(view.page))
        await view.receive()

    response = await app.test_client().get("/")
    headers = cookies(response)
    match = re.search(r'name="quart-stash-page" content="([^"]+)"', await response.get_data(as_text=True))
    assert match is not None
    page = match[1]
    pipe = connect(app, "/order", headers=headers)
    token = (await pipe.mount(page=page))["token"]
    await settle()
    assert seen == [{"order": 7}]
    await end(pipe)
    pipe = connect(app, "/order", headers=headers)
    assert (await pipe.mount(token=token))["reason"] == "refused"
    await end(pipe)
    for who, text in ((headers, page[:-2] + "xx"), (None, page)):
        for anyway, code in ((False, 4409), (True, 1008)):
            pipe = connect(app, "/order", **({"headers": who} if who else {}))
            pipe.say("mount", sent=0, page=text, anyway=anyway)
            assert await pipe.closed() == code
    assert len(seen) == 2


@in_virtual_time
async def test_clear_and_page_tags_are_escaped() -> None:
    """The tags of the template helpers hold nothing that gets out of its attribute."""
    app = make_app()
    QuartStash(app)

    @app.get("/")
    async def index() -> str:
        return await render_template_string("""{{ stash_clear('"><b>') }}{{ stash_page(name='"><b>') }}""")

    text = await (await app.test_client().get("/")).get_data(as_text=True)
    assert text.count("<") == 2
    assert 'content="&quot;&gt;&lt;b&gt;"' in text


# The rest.


@in_virtual_time
async def test_seal_and_open() -> None:
    """The application's own values are encrypted, bound to a purpose, and may be too old."""
    app = make_app()
    stash = QuartStash(app)
    await app.startup()
    token = stash.seal({"card": "card 4711"}, purpose="payment")
    assert "card 4711" not in token
    assert stash.open(token, purpose="payment") == {"card": "card 4711"}
    assert stash.open(token, purpose="payment", max_age=60) == {"card": "card 4711"}
    with pytest.raises(TokenRefused):
        stash.open(token, purpose="other")
    with pytest.raises(TokenExpired):
        stash.open(token, purpose="payment", max_age=-1)
    await app.shutdown()


@in_virtual_time
async def test_stats() -> None:
    """`stats` counts mounts by their status, live views, and the outcomes of a drain."""
    app = make_app()
    stash = QuartStash(app)
    shop(app, stash)
    plain, fresh = connect(app, plain=True), connect(app)
    token = (await fresh.mount())["token"]
    await settle()
    restored, rejected = connect(app), connect(app)
    await restored.mount(token=token)
    await rejected.mount(token=token[:-2])
    assert stash.stats() == {"live": 3, "plain": 1, "fresh": 1, "restored": 1, "rejected": 1}
    drain = asyncio.create_task(stash.drain())
    await fresh.answer_drain(sent=0)
    await end(restored)
    assert await rejected.closed() == 1012
    assert await plain.closed() == 1012
    await drain
    counts = stash.stats()
    assert {name: counts[name] for name in ("live", "synced", "gone", "timed-out")} == {
        "live": 0,
        "synced": 1,
        "gone": 1,
        "timed-out": 1,
    }


@in_virtual_time
async def test_a_rebalancing_is_no_drain() -> None:
    """The stash goes on serving; what it counts is the process's, and what a later drain tells is its own."""
    app = make_app()
    stash = QuartStash(app)
    shop(app, stash)
    finished: list[dict[str, int]] = []

    @signals.drain_finished.connect_via(app)
    def note(_: Quart, outcomes: dict[str, int], seconds: float) -> None:
        finished.append(outcomes)

    first, other = connect(app), connect(app)
    for pipe in (first, other):
        await pipe.mount()
    work = asyncio.create_task(stash.rebalance(1))
    await asyncio.gather(first.answer_drain(sent=0), other.answer_drain(sent=0))
    assert await work == {"synced": 2}
    assert not stash.draining and finished == []
    client = app.test_client()
    assert (await client.get("/_stash/ready")).status_code == 200
    again = connect(app)
    await again.mount(token=first.final["token"])  # type: ignore[index]
    with pytest.raises(ConfigurationError, match="a share"):
        await stash.rebalance(1.5)
    drain = asyncio.create_task(stash.drain())
    await again.answer_drain(sent=0)
    await drain
    assert finished == [{"synced": 1}]
    assert stash.stats()["synced"] == 3


@in_virtual_time
async def test_a_state_type_with_migrations_is_the_decorators_own() -> None:
    """Two views of one type have migrations of their own."""
    stash = QuartStash()

    async def handler(view: View[Basket]) -> None:
        raise NotImplementedError

    first, second = (stash.view(Basket, version=2)(handler) for _ in range(2))
    for view in (first, second):
        view.migrate(from_version=1)(lambda state: state)
    with pytest.raises(ConfigurationError, match="two migrations"):
        first.migrate(from_version=1)
    assert StateType(Basket, version=2).version == 2


@in_virtual_time
async def test_the_lifespan_drains_as_a_last_resort(caplog: pytest.LogCaptureFixture) -> None:
    """Where nothing else noticed the shutdown, `lifespan.shutdown` drains, and the log says that it is late."""
    app = make_app()
    stash = QuartStash(app)
    shop(app, stash)
    events: asyncio.Queue[Any] = asyncio.Queue()
    sent: list[Any] = []

    async def send(event: Any) -> None:
        sent.append(event["type"])

    events.put_nowait({"type": "lifespan.startup"})
    scope: Any = {"type": "lifespan", "asgi": {}}
    with caplog.at_level(logging.INFO, "quart_stash"):
        lifespan = asyncio.create_task(app(scope, events.get, send))
        await settle()
        assert sent == ["lifespan.startup.complete"]
        pipe = connect(app)
        await pipe.mount()
        events.put_nowait({"type": "lifespan.shutdown"})
        await pipe.answer_drain(sent=0)
        await lifespan
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert stash.stats()["synced"] == 1
    assert "did not let its shutdown be noticed" in caplog.text
    assert "is noticed by" in caplog.text
