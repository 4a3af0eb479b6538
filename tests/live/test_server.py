"""What is found of the server around us: its name, its limit, its context, and the transport behind a `send`."""

from __future__ import annotations

import asyncio
import functools
import signal
from collections.abc import Awaitable, Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from quart_stash.live import server
from quart_stash.live.server import ServerInfo, queued_on, server_around, transport_behind

from .pipe import in_virtual_time, settle

CALLER = """
async def serve(self, config, context, shutdown_event, app):
    return await app()
"""


async def called_by(
    package: str,
    app: Callable[[], Awaitable[Any]],
    *,
    self: Any = None,
    config: Any = None,
    context: Any = None,
    stop: Any = None,
) -> Any:
    """Call an application as a server of this package does, from a function with these names."""
    module = ModuleType(f"{package}.somewhere")
    exec(CALLER, module.__dict__)
    return await module.serve(self, config, context, SimpleNamespace(set=stop) if stop else None, app)


async def look() -> ServerInfo:
    return server_around()


async def wrapped() -> ServerInfo:
    """Look from a middleware of a middleware, as `functools.wraps` and a lambda make them."""
    inner = functools.wraps(look)(lambda: look())  # noqa: PLW0108
    return await inner()


class Context:
    """A worker's context, as Hypercorn and anycorn have it."""

    def __init__(self) -> None:
        self.terminated = asyncio.Event()


@pytest.mark.parametrize("package", ["hypercorn", "anycorn", "uvicorn", "gunicorn", "granian", "daphne"])
async def test_a_server_is_known_by_who_calls(package: str) -> None:
    """The name is that of the package that calls, and not that of what stands between."""
    assert (await called_by(package, wrapped)).name == package


async def test_no_server() -> None:
    """Where no server is known to call, as under a test client, nothing is known of it."""
    assert await called_by("functools", wrapped) == ServerInfo()
    assert (await look()).terminated() is None
    (await look()).hold_back()


async def test_hypercorns_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hypercorn's graceful time-out limits the drain, except where its server waits for the connections before it."""
    config = SimpleNamespace(graceful_timeout=3)
    monkeypatch.setattr(server, "_waits_for_connections", lambda: False)
    assert (await called_by("hypercorn", look, config=config)).limit == (3.0, "Hypercorn's graceful_timeout")
    monkeypatch.setattr(server, "_waits_for_connections", lambda: True)
    assert (await called_by("hypercorn", look, self=SimpleNamespace(config=config))).limit is None
    anycorn = await called_by("anycorn", look, self=SimpleNamespace(config=config))
    assert anycorn.limit == (3.0, "Anycorn's graceful_timeout")


async def test_gunicorns_limit() -> None:
    """Under gunicorn its graceful time-out is found, whichever worker serves."""
    worker = SimpleNamespace(cfg=SimpleNamespace(graceful_timeout=30))
    assert (await called_by("gunicorn", look, self=worker)).limit == (30.0, "gunicorn's graceful_timeout")

    async def through_uvicorn() -> Any:
        return await called_by("uvicorn", look)

    found = await called_by("gunicorn", through_uvicorn, self=worker)
    assert (found.name, found.limit) == ("uvicorn", (30.0, "gunicorn's graceful_timeout"))


@pytest.mark.parametrize("package", ["hypercorn", "uvicorn", "gunicorn"])
@pytest.mark.parametrize("setting", [None, "soon"])
async def test_no_limit(package: str, setting: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that says nothing, or something strange, has no known limit."""
    monkeypatch.setattr(server, "_waits_for_connections", lambda: False)
    config = SimpleNamespace(graceful_timeout=setting)
    found = await called_by(package, look, config=config, self=SimpleNamespace(cfg=config))
    assert found.limit is None


@in_virtual_time
async def test_the_context_is_found_among_the_tasks() -> None:
    """The event is found in the task of the worker, however deep it stands there; before there is one it is None."""
    found = await called_by("hypercorn", look)
    assert found.terminated() is None
    context = Context()
    worker = asyncio.create_task(called_by("hypercorn", asyncio.Event().wait, context=context))
    await settle()
    assert found.terminated() is context.terminated
    assert ServerInfo("uvicorn").terminated() is None
    worker.cancel()


@in_virtual_time
async def test_of_two_servers_in_one_loop_it_is_the_one_that_calls() -> None:
    """Two workers in one loop are told apart by their configuration; where that is not known, neither is taken."""
    configs = [SimpleNamespace(graceful_timeout=3) for _ in range(2)]
    contexts = [Context() for _ in range(2)]
    workers = [
        asyncio.create_task(called_by("hypercorn", asyncio.Event().wait, config=config, context=context))
        for config, context in zip(configs, contexts, strict=True)
    ]
    await settle()
    found = await called_by("hypercorn", look, config=configs[1])
    assert found.terminated() is contexts[1].terminated
    assert (await called_by("hypercorn", look)).terminated() is None
    for worker in workers:
        worker.cancel()


async def test_granians_signals_are_held_back() -> None:
    """The signals that Granian gave to the loop become plain handlers, which the chain can call after the drain."""
    stopped: list[bool] = []
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGTERM)
    loop.add_signal_handler(signal.SIGTERM, lambda: stopped.append(False))
    try:
        found = await called_by("granian", look, stop=lambda: stopped.append(True))
        found.hold_back()
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0)
        assert stopped == [True]
    finally:
        signal.signal(signal.SIGTERM, before)


class Transport:
    def abort(self) -> None:
        raise NotImplementedError

    def get_write_buffer_size(self) -> int:
        return 7


class Protocol:
    """As Uvicorn's and gunicorn's are."""

    def __init__(self) -> None:
        self.transport: Any = Transport()

    async def send(self, event: Any) -> None:
        raise NotImplementedError


class Stream:
    """As Hypercorn's are: a method sends to a method, and what has that has the writer."""

    def __init__(self, send: Any) -> None:
        self.app = Protocol()  # is no way to the server
        self.send = send

    async def app_send(self, event: Any) -> None:
        raise NotImplementedError


class Slots:
    __slots__ = ("_inner", "unset")

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def __call__(self, event: Any) -> None:
        raise NotImplementedError


def closing(send: Any) -> Any:
    async def sending(event: Any) -> None:
        await send(event)

    return sending


def rubbing(send: Any) -> Any:
    """Return a wrapper with a cell that is empty and one that raises when it is looked at."""

    class Raises:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("outside of everything")

        def __call__(self) -> None:
            raise NotImplementedError

    raises = Raises()

    async def sending(event: Any) -> None:
        raises()
        await send(event)
        unset(event)

    if not callable(send):
        unset = send
    return sending


WAYS: dict[str, Callable[[Any], Any]] = {
    "none": lambda send: send,
    "closure": closing,
    "partial": lambda send: functools.partial(lambda send, event: send(event), send),
    "wraps": lambda send: functools.wraps(send)(lambda event: None),
    "default": lambda send: lambda event, send=send: send(event),
    "object": lambda send: Stream(send).app_send,
    "slots": Slots,
    "trouble": rubbing,
}


@pytest.mark.parametrize("outer", WAYS)
@pytest.mark.parametrize("inner", WAYS)
def test_the_transport_is_found_behind_what_wraps_send(outer: str, inner: str) -> None:
    """Functions, methods, partials and objects, one around the other: the transport behind them is found."""
    protocol = Protocol()
    assert transport_behind(WAYS[outer](WAYS[inner](protocol.send)), None) is protocol.transport


def test_it_is_found_behind_receive() -> None:
    """Where only `receive` leads to it, that does."""
    protocol = Protocol()
    assert transport_behind(print, protocol.send) is protocol.transport


@pytest.mark.parametrize("package", ["uvicorn", "somewhere"])
async def test_it_is_found_with_who_calls(package: str) -> None:
    """Where neither leads to it, the server that calls us may have it; anybody else's is not ours."""
    protocol = Protocol()

    async def connection() -> Any:
        return transport_behind(print, None)

    expected = protocol.transport if package == "uvicorn" else None
    assert await called_by(package, connection, self=protocol) is expected


def test_the_walk_is_bounded() -> None:
    """What goes on for ever, or in a circle, or leads nowhere, is given up."""

    class Endless:
        def __init__(self) -> None:
            self.more = self.step

        def step(self) -> None:
            raise NotImplementedError

        def __getattribute__(self, name: str) -> Any:
            return {"next": Endless()} if name == "__dict__" else object.__getattribute__(self, name)

        def __call__(self) -> None:
            raise NotImplementedError

    circle = Stream(None)
    circle.send = circle.app_send
    assert transport_behind(Endless(), circle.app_send, None, print, 7) is None


def test_what_is_queued_under_tls_counts() -> None:
    """TLS keeps what it has encrypted on the transport beneath it; a closed one raises, and has nothing queued."""

    class Closed(Transport):
        def get_write_buffer_size(self) -> int:
            raise AttributeError("'NoneType' object has no attribute '_get_write_buffer_size'")

    over: Any = Closed()
    assert queued_on(over) == 0
    over._ssl_protocol = SimpleNamespace(_transport=Transport())
    assert queued_on(over) == 7
