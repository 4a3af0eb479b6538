"""Misuse answers with a sentence, at once and once: what it is, why it can't work, and what to write instead."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from quart import Quart, render_template_string, websocket
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from quart_stash import ConfigurationError, QuartStash, View
from quart_stash.asgi import StashMiddleware, mount_view
from quart_stash.testing import stash_client

from .live.pipe import OTHER_SECRET, SECRET, Pipe, in_virtual_time, settle


@dataclass
class Counter:
    count: int = 0


@dataclass
class Notes:
    texts: list[str] = field(default_factory=list)


def make_app(**config: Any) -> tuple[Quart, QuartStash]:
    app = Quart("misuse")
    app.config.update(SECRET_KEY=SECRET, STASH_SYNC_INTERVAL=0, **config)
    return app, QuartStash(app)


def connect(app: Any, path: str = "/view", **scope: Any) -> Pipe:
    """Open a connection, as a server does."""
    pipe = Pipe(path, **scope)
    pipe.serve(app(pipe.scope, pipe.receive, pipe.send))
    return pipe


async def play(app: Any, path: str = "/view", **scope: Any) -> Pipe:
    """Open a connection and mount at once, as the script does; return once the server has closed it."""
    pipe = connect(app, path, **scope)
    if not scope.get("plain"):
        pipe.raw('{"type":"mount","sent":0}')
    await pipe.closed()
    await pipe.ended()
    return pipe


def told(caplog: pytest.LogCaptureFixture, level: int = logging.INFO) -> list[str]:
    """What the log has of us at this level and above."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "quart_stash" and record.levelno >= level
    ]


async def counting(view: View[Counter]) -> None:
    async for _ in view:
        view.state.count += 1


# Who accepts.


def accepting(handler: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @functools.wraps(handler)
    async def accept(*args: Any, **kwargs: Any) -> None:
        await websocket.accept()
        await handler(*args, **kwargs)

    return accept


def greeting(handler: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @functools.wraps(handler)
    async def greet(*args: Any, **kwargs: Any) -> None:
        await websocket.send("welcome")  # which accepts
        await handler(*args, **kwargs)

    return greet


async def nothing() -> None:
    pass


def as_it_is(handler: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    return handler


ACCEPTED = (
    "a socket for a view was accepted at '/view' before a view had taken it, and closed with 4404: "
    "leave websocket.accept(), send() and receive() to the view, "
    "and decorate the route with @stash.view(…), or call mount_view, if there is none"
)


@pytest.mark.parametrize("how", ["accept", "send", "before_websocket"])
@in_virtual_time
async def test_a_socket_accepted_above_the_view(how: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever accepts above a view is told of in one line for all connections, and each is closed with 4404."""
    app, stash = make_app()
    mounts: list[View[Counter]] = []

    @app.websocket("/view")
    @{"accept": accepting, "send": greeting}.get(how, as_it_is)
    @stash.view(Counter)
    async def view(view: View[Counter]) -> None:
        mounts.append(view)

    if how == "before_websocket":
        app.before_websocket(functools.partial(accepting(nothing)))
    for plain in (False, False, True):
        pipe = await play(app, plain=plain)
        assert pipe.close_code == 4404
        assert pipe.sent[0].get("subprotocol") == (None if plain else "quart-stash.v1")
        assert not pipe.frames("mounted")
        assert not mounts
    assert told(caplog, logging.WARNING) == [ACCEPTED]


@in_virtual_time
async def test_a_socket_accepted_before_mount_view(caplog: pytest.LogCaptureFixture) -> None:
    """The `await websocket.accept()` of Starlette and FastAPI before `mount_view` is told of likewise."""
    mounts: list[View[Counter]] = []

    async def endpoint(socket: WebSocket) -> None:
        await socket.accept()
        async with mount_view(socket.scope, socket.receive, socket.send, state=Counter) as view:
            mounts.append(view)

    app = StashMiddleware(Starlette(routes=[WebSocketRoute("/view", endpoint)]), secret_key=SECRET)
    for plain in (False, False, True):
        assert (await play(app, plain=plain)).close_code == 4404
    assert told(caplog, logging.WARNING) == [ACCEPTED]
    assert mounts == []


@in_virtual_time
async def test_a_socket_at_a_route_that_is_no_view(caplog: pytest.LogCaptureFixture) -> None:
    """The page's script at a route without a view is closed with 4404 and a reason; the route's other clients are not."""
    app, _ = make_app()

    @app.websocket("/view")
    async def echo() -> None:
        while True:
            await websocket.send(await websocket.receive())

    async def endpoint(socket: WebSocket) -> None:
        await socket.accept()
        while True:
            await socket.send_text(await socket.receive_text())

    starlette = Starlette(routes=[WebSocketRoute("/view", endpoint)])
    for served in (app, StashMiddleware(starlette, secret_key=SECRET)):
        caplog.clear()
        for _ in range(2):
            pipe = await play(served)
            assert (pipe.close_code, pipe.sent[-1]["reason"]) == (
                4404, "no view took this socket: see the server's log",
            )  # fmt: skip
            assert pipe.kinds == ["websocket.accept", "websocket.close"]
        assert told(caplog, logging.WARNING) == [ACCEPTED]
        other = connect(served, plain=True)
        other.raw("hello")
        await other.until(lambda: len(other.sent) == 2)  # noqa: B023
        assert other.sent[1]["text"] == "hello"
        other.disconnect()
        await settle()


@in_virtual_time
async def test_the_testing_kit_says_so_too(caplog: pytest.LogCaptureFixture) -> None:
    """A test of an application whose view is accepted above it fails with the reason, and the log has one line."""
    app, stash = make_app()
    app.websocket("/view")(accepting(stash.view(Counter)(counting)))
    with pytest.raises(TimeoutError, match="no view of quart_stash, or was accepted before it"):
        async with stash_client(app, "/view"):
            raise NotImplementedError
    assert told(caplog, logging.WARNING) == [ACCEPTED]


@in_virtual_time
async def test_one_socket_has_one_view() -> None:
    """A second view on a socket, and one at no socket, are refused."""

    async def nested(scope: Any, receive: Any, send: Any) -> None:
        async with mount_view(scope, receive, send, state=Counter):
            async with mount_view(scope, receive, send, state=Notes):
                raise NotImplementedError

    pipe = connect(StashMiddleware(nested, secret_key=SECRET))
    await pipe.mount()
    with pytest.raises(ConfigurationError, match="this socket has a view already"):
        await pipe.ended()

    async def no_socket(scope: Any, receive: Any, send: Any) -> None:
        async with mount_view(scope, receive, send):
            raise NotImplementedError

    pipe = Pipe(type="http", method="GET")
    with pytest.raises(ConfigurationError, match="a view needs a WebSocket, and this is the scope of 'http'"):
        await StashMiddleware(no_socket, secret_key=SECRET)(pipe.scope, pipe.receive, pipe.send)


# Who sends and receives.


@pytest.mark.parametrize("plain", [False, True], ids=["script", "plain"])
@pytest.mark.parametrize(
    ("verb", "args", "text"),
    [
        ("send", ["x"], "use view.send"),
        ("send_json", [{}], "use view.send"),
        ("receive", [], "would wait for ever: use `async for message in view`"),
        ("receive_json", [], "would wait for ever: use `async for message in view`"),
    ],
    ids=["send", "send_json", "receive", "receive_json"],
)
@in_virtual_time
async def test_quarts_websocket_inside_a_view(verb: str, args: list[Any], text: str, plain: bool) -> None:
    """Quart's own verbs in a view raise the sentence where they stand; nothing goes out, nothing waits."""
    app, stash = make_app()
    raised: list[str] = []

    @app.websocket("/view")
    @stash.view(Counter)
    async def view(view: View[Counter]) -> None:
        with pytest.raises(ConfigurationError) as error:
            await getattr(websocket, verb)(*args)
        raised.append(str(error.value))

    pipe = await play(app, plain=plain)
    assert pipe.close_code == 1000
    assert text in raised[0]
    assert pipe.got == []


@pytest.mark.parametrize("plain", [False, True], ids=["script", "plain"])
@pytest.mark.parametrize(
    ("verb", "text"),
    [
        (lambda socket: socket.send_text("x"), "use view.send"),
        (lambda socket: socket.receive_text(), "would wait for ever"),
    ],
    ids=["send", "receive"],
)
@in_virtual_time
async def test_starlettes_websocket_inside_a_view(verb: Any, text: str, plain: bool) -> None:
    """So do Starlette's in the body of `mount_view`, before the first message and after it."""
    raised: list[str] = []

    async def endpoint(socket: WebSocket) -> None:
        async with mount_view(socket.scope, socket.receive, socket.send, state=Counter) as view:
            for _ in range(2):
                with pytest.raises(ConfigurationError) as error:
                    await verb(socket)
                raised.append(str(error.value))
                if len(raised) == 1:
                    await view.receive()

    app = StashMiddleware(Starlette(routes=[WebSocketRoute("/view", endpoint)]), secret_key=SECRET)
    pipe = connect(app, plain=plain)
    if plain:
        pipe.raw("x")
    else:
        await pipe.mount()
        pipe.message("x")
    assert await pipe.closed() == 1000
    assert [text in sentence for sentence in raised] == [True, True]


# Declarations.


async def generating(view: View[Counter]) -> Any:
    yield view


def plain_function(view: View[Counter]) -> None:
    raise NotImplementedError


async def without_view() -> None:
    raise NotImplementedError


async def nowhere(scope: Any, receive: Any, send: Any) -> None:
    raise NotImplementedError


ABSENT: Any = None  # as `os.environ.get` returns it


class Model:
    """What msgspec and we see of a Pydantic model."""

    def model_dump(self) -> dict[str, Any]:
        raise NotImplementedError


@dataclass
class WithModel:
    model: Model = field(default_factory=Model)


@pytest.mark.parametrize(
    ("declare", "text"),
    [
        (lambda stash: stash.view(counting), r"counting stands where .*write @stash\.view\(\)"),
        (lambda stash: stash.view(functools.partial(counting)), r"write @stash\.view\(\)"),
        (lambda stash: stash.view(Counter()), "pass the type of the state, Counter, not one"),
        (lambda stash: stash.view(Model), r"Model is a Pydantic model, .*: declare a dataclass .*model_dump"),
        (lambda stash: stash.view(WithModel), "WithModel holds a Model, .*make it a dataclass, or keep a dict"),
        (lambda stash: stash.view(Counter, version="2"), "a version is from 1"),
        (lambda stash: stash.view()(plain_function), "plain_function is a plain function: .*`async def`"),
        (lambda stash: stash.view()(lambda view: None), "is a plain function"),
        (lambda stash: stash.view()(generating), r"generating yields: .*view\.send"),
        (lambda stash: stash.view()(without_view), r"without_view takes no view: write `async def without_view\(view\)`"),
        (lambda stash: stash.view()("counter"), "decorates a function, not str"),
        (lambda stash: stash.view()(stash.view()(counting)), "counting is a view already"),
        (lambda stash: stash.view(Counter)(counting).migrate(plain_function), r"write @….migrate\(from_version=1\)"),
        (lambda stash: stash.view(Counter, version=2)(counting).migrate(1)(counting), "without `async`"),
        (lambda stash: stash.identity_loader("me"), "is a function, not str"),
        (lambda stash: stash.init_app(Starlette()), r"not Starlette: .*quart_stash\.asgi\.StashMiddleware"),
        (lambda stash: StashMiddleware(nowhere, secret_key=ABSENT), "there is no secret key; make one"),
        (lambda stash: StashMiddleware(ABSENT, secret_key=SECRET), "wraps an ASGI application, not NoneType"),
    ],
    ids=range(18),
)  # fmt: skip
def test_what_is_declared_wrongly(declare: Callable[[QuartStash], Any], text: str) -> None:
    """A declaration that can't work is refused where it stands."""
    with pytest.raises(ConfigurationError, match=text):
        declare(QuartStash())


def test_handlers_of_any_kind() -> None:
    """Whatever can serve is taken: methods, partials, objects, and handlers inside other decorators."""

    class Handlers:
        async def method(self, view: View[Counter]) -> None:
            raise NotImplementedError

        async def __call__(self, view: View[Counter]) -> None:
            raise NotImplementedError

    @functools.wraps(counting)
    def wrapped(*args: Any) -> Any:
        raise NotImplementedError

    async def variadic(*args: Any, **kwargs: Any) -> None:
        raise NotImplementedError

    stash = QuartStash()
    for handler in (
        Handlers().method,
        Handlers.method,
        Handlers(),
        functools.partial(counting),
        wrapped,
        variadic,
    ):
        view: Any = stash.view()
        assert view(handler)


def wrong_order(app: Quart, stash: QuartStash) -> None:
    stash.view(Counter)(app.websocket("/view")(counting))


def http_route(app: Quart, stash: QuartStash) -> None:
    app.get("/view")(stash.view(Counter)(counting))  # type: ignore[type-var]


def wrapped_http_route(app: Quart, stash: QuartStash) -> None:
    app.get("/view")(accepting(stash.view(Counter)(counting)))  # type: ignore[type-var]


def one_name(app: Quart, stash: QuartStash) -> None:
    for path in ("/one", "/two"):
        app.websocket(path, endpoint=path)(stash.view(Counter, name="counter")(counting))


@pytest.mark.parametrize(
    ("declare", "text"),
    [
        (wrong_order, r"the route /view bypasses its view: put @app\.websocket\(…\) above @stash\.view"),
        (http_route, r"the view at /view is no WebSocket route"),
        (wrapped_http_route, r"the view at /view is no WebSocket route"),
        (one_name, "two views have the name 'counter'"),
    ],
)
@in_virtual_time
async def test_routes_that_do_not_fit(declare: Any, text: str, caplog: pytest.LogCaptureFixture) -> None:
    """An application whose routes do not fit its views does not start, and says why."""
    app, stash = make_app()
    declare(app, stash)
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    async def send(event: Any) -> None:
        sent.append(event)

    await app({"type": "lifespan"}, receive, send)  # type: ignore[arg-type]
    assert sent[0]["type"] == "lifespan.startup.failed"
    (line,) = told(caplog)
    assert re.search(text, line)
    assert re.search(text, sent[0]["message"])


@in_virtual_time
async def test_one_view_at_several_routes() -> None:
    """A view may stand at several routes, in a blueprint, and within other decorators."""
    app, stash = make_app()
    view = stash.view(Counter)(counting)
    for path in ("/view", "/other"):
        app.websocket(path, endpoint="view")(view)
    app.websocket("/third")(as_it_is(stash.view(Counter, name="third")(counting)))
    assert await play_through(app) == "fresh"


async def play_through(app: Any) -> str:
    """Mount, and leave again."""
    pipe = connect(app)
    status: str = (await pipe.mount())["status"]
    pipe.disconnect()
    await pipe.ended()
    return status


# What a view is given.


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (
            lambda view: view.send({}),
            TypeError,
            r"view\.send takes str or bytes, not dict: use view\.send_json",
        ),
        (lambda view: view.send(None), TypeError, "not NoneType"),
        (lambda view: view.send("half \ud800"), ValueError, "half a surrogate pair"),
        (lambda view: view.send_json(object()), TypeError, r"view\.send_json can't encode this object"),
        (lambda view: view.send_json("half \ud800"), ValueError, r"view\.send_json can't encode this str"),
        (lambda view: view.keep("x", object(), max_age=1), TypeError, r"view\.keep can't encode this object"),
        (lambda view: view.keep("x", 2**70, max_age=1), TypeError, r"view\.keep can't encode this int"),
        (lambda view: view.keep(None, 1, max_age=1), ConfigurationError, "name of a secret is a text"),
        (lambda view: view.clear_form(None), ConfigurationError, "name of a form is a text of 1 to 256"),
        (
            lambda view: view.clear_form("half \ud800"),
            ValueError,
            r"view\.clear_form can't send half a surrogate",
        ),
        (lambda view: view.reflect(q="\udc00"), ValueError, r"view\.reflect can't send half a surrogate"),
        (
            lambda view: view.reflect(**{"\udc00": 1}),
            ValueError,
            r"view\.reflect can't send half a surrogate",
        ),
        (lambda view: view.restore("\ud800"), ValueError, "restore and forget can't send half a surrogate"),
        (lambda view: view.close(1000, "\ud800"), ValueError, r"view\.close can't send half a surrogate"),
        (lambda view: view.reflect(page=[1]), ConfigurationError, "not list as 'page'"),
        (lambda view: view.close("1000"), ConfigurationError, "'1000' is not a close code"),
        (lambda view: view.close(1000, None), ConfigurationError, "reason of a close is a text"),
    ],
    ids=range(17),
)
@in_virtual_time
async def test_what_a_verb_can_not_take(call: Any, kind: type[Exception], text: str) -> None:
    """A verb of a view refuses what it can't take, by its name, before anything is sent; the view goes on."""
    app, stash = make_app()

    @app.websocket("/view")
    @stash.view(Counter)
    async def view(view: View[Counter]) -> None:
        with pytest.raises(kind, match=text):
            await call(view)
        await view.send("still here")

    pipe = connect(app)
    await pipe.mount()
    assert await pipe.closed() == 1000
    assert pipe.got == ["still here"]
    assert [frame["type"] for frame in pipe.frames()] == ["mounted", "finished"]


@in_virtual_time
async def test_a_state_that_does_not_fit_its_type(caplog: pytest.LogCaptureFixture) -> None:
    """A field of the wrong type is told of when its token is sealed: the next process would begin the view anew."""
    app, stash = make_app()

    @app.websocket("/view")
    @stash.view(Counter)
    async def view(view: View[Counter]) -> None:
        async for message in view:
            view.state.count = message.data  # type: ignore[assignment]

    for _ in range(2):
        pipe = connect(app)
        await pipe.mount()
        for number in (1, 2):
            pipe.message(f"secret {number}")
            await pipe.until(lambda: len(pipe.frames("token")) == number)  # noqa: B023
        pipe.disconnect()
        await pipe.ended()
    assert told(caplog, logging.WARNING) == [
        (
            "a state of type Counter does not fit its own type any more (Expected `int`, got `str` - at `$.count`), "
            "so its view begins anew at the next restart: assign to each field what it declares"
        )
    ]


@in_virtual_time
async def test_a_state_that_can_not_be_encoded(caplog: pytest.LogCaptureFixture) -> None:
    """What MessagePack can't hold fails the message that put it there, with the sentence, and the last commit stands."""
    app, stash = make_app()

    @app.websocket("/view")
    @stash.view(Notes)
    async def view(view: View[Notes]) -> None:
        async for message in view:
            view.state.texts.append(object() if message.data == "bad" else str(message.data))  # type: ignore[arg-type]

    pipe = connect(app)
    await pipe.mount()
    pipe.message("good")
    pipe.message("bad")
    assert await pipe.closed() == 1011
    assert pipe.frames("failed") == [{"type": "failed", "number": 2}]
    assert (
        "the state of this view can't be kept (Encoding objects of type object is unsupported)" in caplog.text
    )


@in_virtual_time
async def test_helpers_of_templates() -> None:
    """A template's helpers say what they need: a request, a name."""
    app, _ = make_app()
    async with app.test_app(), app.app_context():
        with pytest.raises(ConfigurationError, match=r"stash_script\(\) needs a request"):
            await render_template_string("{{ stash_script() }}")
        for name, text in (("", "not nothing"), (7, "not int")):
            with pytest.raises(ConfigurationError, match=f"takes the name of a form.*{text}"):
                await render_template_string("{{ stash_clear(name) }}", name=name)


@in_virtual_time
async def test_page_params_for_a_view_that_there_is_not(caplog: pytest.LogCaptureFixture) -> None:
    """Values that are signed for an unknown view are told of, with the names that there are; no name is refused."""
    app, stash = make_app()
    app.websocket("/view")(stash.view(Counter, name="counter")(counting))

    @app.get("/")
    async def page() -> str:
        with pytest.raises(ConfigurationError, match="by its name, its endpoint say, not by function"):
            await stash.sign_page(counting, order=1)  # type: ignore[arg-type]
        return await stash.sign_page("counter", order=1) + await stash.sign_page("conter", order=1)

    for _ in range(2):
        assert (await app.test_client().get("/")).status_code == 200
    assert told(caplog, logging.WARNING) == [
        (
            "page params are signed for the view 'conter', which this application does not have: "
            "no other view takes them. It has counter"
        )
    ]


# Around the application.


@in_virtual_time
async def test_no_stash_at_all() -> None:
    """An extension that was never wired, and a view without the middleware, say which call is missing."""
    stash = QuartStash()
    for call in (stash.drain, stash.stats, stash.script):
        with pytest.raises(ConfigurationError, match=r"no QuartStash: call init_app|needs a request"):
            result = call()
            assert not isinstance(result, dict)
            await result

    async def bare(scope: Any, receive: Any, send: Any) -> None:
        async with mount_view(scope, receive, send):
            raise NotImplementedError

    pipe = Pipe()
    with pytest.raises(ConfigurationError, match="found no StashMiddleware around the application: wrap it"):
        await bare(pipe.scope, pipe.receive, pipe.send)


@in_virtual_time
async def test_a_stash_around_a_stash(caplog: pytest.LogCaptureFixture) -> None:
    """Two that wrap one application are told of, once: the outer one would cut the inner one's views."""
    app, stash = make_app()
    app.websocket("/view")(stash.view(Counter)(counting))
    twice = StashMiddleware(app, secret_key=SECRET)
    for _ in range(2):
        assert await play_through(twice) == "fresh"
    assert told(caplog, logging.WARNING) == [
        (
            "quart_stash wraps this application twice, and the outer one cuts views at a shutdown: "
            "use one QuartStash, or one StashMiddleware around all"
        )
    ]


@in_virtual_time
async def test_a_refused_origin(caplog: pytest.LogCaptureFixture) -> None:
    """A refusal names the page's origin, the host and the setting, once for each origin; what a client sent is bounded."""
    app, _ = make_app()
    long = "https://" + "x" * 50_000
    for origin in ["https://evil.example\n", long] * 2 + [
        f"https://{number}.example" for number in range(99)
    ]:
        pipe = connect(app, headers=[(b"host", b"example.com"), (b"origin", origin.encode())])
        await pipe.ended()
        assert pipe.sent[0]["status"] == 403
    lines = told(caplog, logging.WARNING)
    assert lines[0] == (
        "a socket at '/view' was refused with 403: the page's Origin is 'https://evil.example\\n', and the Host header "
        "is 'example.com'. If the page is yours, add its origin to STASH_ALLOWED_ORIGINS, "
        "or let the proxy pass the Host header on"
    )
    assert "characters more" in lines[1]
    assert max(map(len, caplog.messages)) < 500
    assert len(lines) == 16


@in_virtual_time
async def test_a_key_that_nobody_knows(caplog: pytest.LogCaptureFixture) -> None:
    """After a change of SECRET_KEY one warning asks about it, however many tokens come; the clients are told 4409."""
    app, stash = make_app()
    app.websocket("/view")(stash.view(Counter, name="counter")(counting))
    pipe = connect(app)
    token = (await pipe.mount())["token"]
    pipe.disconnect()
    await pipe.ended()
    changed, stash = make_app()
    changed.config["SECRET_KEY"] = OTHER_SECRET
    changed.websocket("/view")(stash.view(Counter, name="counter")(counting))
    for _ in range(5):
        pipe = connect(changed)
        pipe.raw(f'{{"type":"mount","sent":0,"token":"{token}"}}')
        assert await pipe.closed() == 4409
    (line,) = told(caplog, logging.WARNING)
    assert re.fullmatch(
        r"a token for 'counter' has a key that this process does not know \([0-9a-f]{8}\), and is left to another "
        r"process\. If there is none with that key: was SECRET_KEY changed\? "
        r"Put the old one into SECRET_KEY_FALLBACKS, or such views begin anew",
        line,
    )
