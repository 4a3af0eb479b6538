"""StashMiddleware and mount_view: any ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from quart_stash import ConfigurationError, View
from quart_stash.asgi import StashMiddleware, mount_view
from quart_stash.core.state import StateType

from .live.pipe import OTHER_SECRET, SECRET, Pipe, in_virtual_time, settle


@dataclass
class Words:
    words: list[str] = field(default_factory=list)


class App:
    """A bare ASGI application with one view; `log` says how its handler ended."""

    def __init__(self, **options: Any) -> None:
        self.log: list[str] = []
        self.options = {"state": Words, **options}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"hello"})
            return
        try:
            async with mount_view(scope, receive, send, **self.options) as view:
                await self.handle(view)
                self.log.append("after the loop")
            self.log.append("left")
        finally:
            self.log.append("finally")

    async def handle(self, view: View[Words]) -> None:
        async for message in view:
            if message.data == "return":
                return
            if message.data == "raise":
                raise ValueError("as asked")
            if message.data == "time out":
                raise TimeoutError("the handler's own")
            view.state.words.append(str(message.data))
            await view.send_json(view.state.words)


def wrap(app: Any, **settings: Any) -> StashMiddleware:
    return StashMiddleware(app, **{"secret_key": SECRET, "sync_interval": 0, **settings})


def connect(middleware: StashMiddleware, path: str = "/words", **scope: Any) -> Pipe:
    pipe = Pipe(path, **scope)
    pipe.serve(middleware(pipe.scope, pipe.receive, pipe.send))
    return pipe


async def end(pipe: Pipe) -> None:
    pipe.disconnect()
    await pipe.ended()


@in_virtual_time
async def test_a_round_trip() -> None:
    """A view of a bare ASGI application goes on in another process from its token."""
    pipe = connect(wrap(App()))
    await pipe.mount()
    pipe.message("a")
    await pipe.until(lambda: pipe.frames("token"))
    token = pipe.frames("token")[-1]["token"]
    assert pipe.got == ['["a"]']
    await end(pipe)
    pipe = connect(wrap(App()))
    assert (await pipe.mount(token=token, sent=1))["status"] == "restored"
    pipe.message("b")
    await pipe.until(lambda: pipe.got)
    assert pipe.got == ['["a","b"]']
    await end(pipe)


@in_virtual_time
async def test_a_drain_leaves_the_async_with() -> None:
    """At a drain the body is cancelled where it waits, the `async with` is left, and what stands after it runs."""
    app = App()
    middleware = wrap(app)
    pipe = connect(middleware)
    await pipe.mount()
    pipe.message("a")
    drain = asyncio.create_task(middleware.drain())
    final = await pipe.answer_drain(sent=1)
    await drain
    assert final["received"] == 1
    assert pipe.close_code == 1012
    assert app.log == ["left", "finally"]
    assert middleware.draining
    late = connect(middleware)
    await late.ended()
    assert late.sent[0]["status"] == 503


@in_virtual_time
async def test_a_share_is_handed_over() -> None:
    """A rebalancing ends the body as a drain does, and the middleware goes on serving."""
    app = App()
    middleware = wrap(app)
    pipe = connect(middleware)
    await pipe.mount()
    work = asyncio.create_task(middleware.rebalance(1))
    token = (await pipe.answer_drain(sent=0))["token"]
    assert await work == {"synced": 1}
    assert app.log == ["left", "finally"]
    assert not middleware.draining
    again = connect(middleware)
    assert (await again.mount(token=token))["status"] == "restored"
    await end(again)


@in_virtual_time
async def test_a_disconnect_ends_the_body() -> None:
    """When the client is gone the body is cancelled where it waits, and the `async with` is left."""
    app = App()
    pipe = connect(wrap(app))
    await pipe.mount()
    await settle()
    await end(pipe)
    assert app.log == ["left", "finally"]


@in_virtual_time
async def test_a_disconnect_before_the_mount() -> None:
    """A client that leaves before it has mounted, or right behind its mount, leaves nothing behind."""
    for raws in ([], ['{"type":"mount","sent":0}']):
        app = App()
        pipe = connect(wrap(app))
        await settle()
        for raw in raws:
            pipe.raw(raw)
        await end(pipe)
        assert app.log in (["finally"], ["left", "finally"])
        await asyncio.sleep(100_000)
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert others == []


@pytest.mark.parametrize(
    ("data", "code", "error"),
    [("return", 1000, None), ("raise", 1011, ValueError), ("time out", 1011, TimeoutError)],
)
@in_virtual_time
async def test_how_the_body_ends(data: str, code: int, error: type[Exception] | None) -> None:
    """A body that is left finishes the view; an exception fails it, and goes on to the application, a time-out too."""
    app = App()
    pipe = connect(wrap(app))
    await pipe.mount()
    pipe.message(data)
    await pipe.until(lambda: pipe.close_code)
    assert pipe.close_code == code
    if error is None:
        await pipe.ended()
        assert app.log == ["after the loop", "left", "finally"]
    else:
        with pytest.raises(error):
            await pipe.ended()
        assert app.log == ["finally"]


@in_virtual_time
async def test_cancelling_the_application_cancels_the_body() -> None:
    """A server that cancels the application's task gets its cancellation through."""
    app = App()
    pipe = connect(wrap(app))
    await pipe.mount()
    await settle()
    assert pipe.task is not None
    pipe.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pipe.ended()
    assert app.log == ["finally"]


@in_virtual_time
async def test_a_plain_client() -> None:
    """A client that does not offer the subprotocol has the view without the protocol."""
    pipe = connect(wrap(App()), plain=True)
    pipe.raw("a")
    await pipe.until(lambda: len(pipe.sent) == 2)
    assert pipe.sent[1]["text"] == '["a"]'
    await end(pipe)


@pytest.mark.parametrize("what", ["identity", "arguments", "name", "path"])
@in_virtual_time
async def test_what_a_token_is_bound_to(what: str) -> None:
    """A token is bound to identity, arguments, and name or path of the view."""
    pipe = connect(wrap(App()), path_params={"shop": 1})
    token = (await pipe.mount())["token"]
    await end(pipe)
    options: dict[str, dict[str, Any]] = {
        "identity": {"identity": "alice"},
        "arguments": {"arguments": {"shop": 2}},
        "name": {"name": "other"},
        "path": {},
    }
    same = connect(wrap(App()), path_params={"shop": 1})
    assert (await same.mount(token=token))["status"] == "restored"
    path = "/other" if what == "path" else "/words"
    other = connect(wrap(App(**options[what])), path, path_params={"shop": 1})
    assert (await other.mount(token=token))["reason"] == "refused"
    await end(same)
    await end(other)


@in_virtual_time
async def test_migrations() -> None:
    """A `StateType` brings its migrations along."""
    pipe = connect(wrap(App()))
    token = (await pipe.mount())["token"]
    await end(pipe)
    state_type = StateType(Words, version=2)
    state_type.migrate(from_version=1)(lambda state: {"words": ["migrated"]})
    pipe = connect(wrap(App(state=state_type)))
    await pipe.mount(token=token)
    pipe.message("a")
    await pipe.until(lambda: pipe.got)
    assert pipe.got == ['["migrated","a"]']
    await end(pipe)


@in_virtual_time
async def test_key_rotation() -> None:
    """Several keys are the newest and its fallbacks."""
    pipe = connect(wrap(App(), secret_key=SECRET))
    token = (await pipe.mount())["token"]
    await end(pipe)
    pipe = connect(wrap(App(), secret_key=[OTHER_SECRET, SECRET]))
    assert (await pipe.mount(token=token))["status"] == "restored"
    await end(pipe)


@in_virtual_time
async def test_other_requests_go_through() -> None:
    """HTTP requests reach the application, but for those of the script and the readiness endpoint."""
    middleware = wrap(App())

    async def get(path: str) -> list[Any]:
        sent: list[Any] = []

        async def send(event: Any) -> None:
            sent.append(event)

        async def receive() -> Any:
            raise NotImplementedError

        await middleware({"type": "http", "method": "GET", "path": path, "headers": []}, receive, send)
        return sent

    assert (await get("/"))[1]["body"] == b"hello"
    assert (await get("/_stash/ready"))[1]["body"] == b"ready\n"


@in_virtual_time
async def test_a_view_without_the_middleware() -> None:
    """Without the middleware `mount_view` says what is missing."""
    pipe = Pipe()
    with pytest.raises(ConfigurationError, match="StashMiddleware"):
        await App()(pipe.scope, pipe.receive, pipe.send)


@pytest.mark.parametrize(
    "make",
    [
        lambda: StashMiddleware(App(), secret_key="dev"),
        lambda: StashMiddleware(App(), secret_key=[]),
        lambda: StashMiddleware(App(), secret_key=SECRET, shutdown_time=3),
        lambda: StashMiddleware(App(), secret_key=SECRET, shutdown_timeout="3"),
    ],
    ids=["sample key", "no key", "unknown setting", "wrong type"],
)
def test_what_can_not_work_is_refused_at_once(make: Callable[[], Any]) -> None:
    """A key or a setting that can't work is refused where the middleware is made."""
    with pytest.raises(ConfigurationError):
        make()


@in_virtual_time
async def test_an_application_without_lifespan_is_not_leaving() -> None:
    """An application that does not know lifespan says so by raising, which is not taken for the server's shutdown."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("no lifespan")

    async def nothing(*_: Any) -> Any:
        raise AssertionError("neither asked nor told")

    middleware = wrap(application)
    with pytest.raises(ValueError, match="no lifespan"):
        await middleware({"type": "lifespan"}, nothing, nothing)
    assert not middleware._serving.here().gateway.leaving()
