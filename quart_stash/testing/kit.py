"""A client for tests of views: it goes on through restarts, kills and reloads of the application under test."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypedDict, Unpack

import msgspec
from quart import Quart
from quart.typing import TestClientProtocol

from ..core.frames import SUBPROTOCOL
from .dialer import Connection, Dial, Refused
from .distance import distant
from .process import Deployment, Process
from .tab import Tab

__all__ = ["StashClient", "TabOptions", "stash_client"]

_NOW_AND_THEN = 0.01  # seconds
# Seconds each way, of one tab after the other: where all are equally near, nobody sees who waits for whom.
_DISTANCES = (0.002, 0.02, 0.006, 0.012, 0.001, 0.016)
# What the text of an error shows: so many events, without these details.
_SHOWN, _LONG = 6, ("build", "limits")


class TabOptions(TypedDict, total=False):
    """What a tab may have, all of it optional.

    Attributes:
        client: a test client of the application; its cookies, so its session and log-in, are the socket's.
        headers: for the handshake.
        params: connect params.
        forms: stashed forms, by name: the fields that were touched and their values, in order. `None` stands for no
            value, as of a box that was unticked.
        page: what `sign_page` has returned.
        latency: seconds that everything takes, each way; default: a few milliseconds, for each tab another number.
    """

    client: TestClientProtocol
    headers: Mapping[str, str]
    params: dict[str, Any]
    forms: Mapping[str, Sequence[tuple[str, str | None]]]
    page: str
    latency: float


class StashClient:
    """One tab of a browser, at one view. `stash_client` opens the first one.

    Attributes:
        events: what the page was told, oldest first, as names and details. Besides, `declined`: the application did
            not take a handshake (`why`); `closed`: it closed a connection (`code`); `gap`: the view is mounted again
            (after `seconds`, because of a `cause`).
        messages: what the view has sent, oldest first, whether it was received or not.
    """

    def __init__(
        self,
        site: _Site,
        path: str,
        http: TestClientProtocol,
        headers: Mapping[str, str],
        latency: float,
        tab: Callable[[Dial], Tab],
    ) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.messages: list[str | bytes] = []
        self._site = site
        self._path = path
        self._http = http
        self._headers = headers
        self._latency = latency
        self._read = 0
        self._changed = asyncio.Event()
        self._tab = tab(distant(self._dial, latency))
        self._tab.message = self._take
        self._tab.event = self._note

    @property
    def status(self) -> str | None:
        """How the view was mounted, the last time: `fresh`, `restored` or `rejected`."""
        return next((detail["status"] for name, detail in reversed(self.events) if name == "mounted"), None)

    @property
    def over(self) -> bool:
        """Whether the view has ended for good: it is finished, say, or was closed with 1008."""
        return self._tab.state == "over"

    @property
    def unsaved(self) -> bool:
        """Whether the user has typed or sent what the server has not dealt with, or some of it was lost."""
        return self._tab.unsaved

    @property
    def errors(self) -> list[Exception]:
        """What handlers have raised, of any tab."""
        return self._site.deployment.errors

    @property
    def http(self) -> TestClientProtocol:
        """Quart's test client, of the application that runs now. It has the tab's cookies."""
        app, jar = self._site.deployment.process.app, self._http.cookie_jar
        if self._http.app is not app:
            self._http = app.test_client(use_cookies=jar is not None)
            self._http.cookie_jar = jar
        return self._http

    async def send(self, data: str | bytes) -> None:
        """Send a message: once, in order, also over restarts and reloads."""
        self._tab.send(data)

    async def send_json(self, value: Any) -> None:
        """Send a value as JSON text."""
        await self.send(msgspec.json.encode(value).decode())

    async def receive(self) -> str | bytes:
        """Wait for the next message of the view.

        Raises:
            TimeoutError: there is none in time; the text says what has happened instead.
        """
        await self.until(lambda: len(self.messages) > self._read, "no message came")
        self._read += 1
        return self.messages[self._read - 1]

    async def receive_json(self) -> Any:
        """Wait for the next message of the view, parsed as JSON."""
        return msgspec.json.decode(await self.receive())

    async def synced(self) -> None:
        """Wait until a token covers every message that was sent: from then on none of them comes again."""
        await self.until(lambda: self._tab.received == self._tab.sent, "no token covers all messages")

    async def until(
        self, condition: Callable[[], object], otherwise: str = "a condition does not hold"
    ) -> None:
        """Wait until something holds.

        Args:
            condition: is looked at whenever the client is told something, and now and then besides.
            otherwise: what the error says.

        Raises:
            TimeoutError: it does not hold in time, or never will, since the view is over.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._site.timeout):
                while not condition() and not self.over:
                    self._changed.clear()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_NOW_AND_THEN):
                            await self._changed.wait()
        if not condition():
            cause = self.errors[-1] if self.errors else None
            raise TimeoutError(f"{self._path}: {otherwise}, {self._story()}") from cause

    async def restart(self, app: Quart | None = None) -> None:
        """Deploy: the next process begins to serve, and the one before it hands over its views, as on SIGTERM.

        Args:
            app: what the next process serves; default: the same application.
        """
        await self._site.replace(app, Process.drain)

    async def crash(self, app: Quart | None = None) -> None:
        """Kill the process, as with SIGKILL: its connections and handlers are gone, and the client is told nothing.

        Args:
            app: what the next process serves; default: the same application.
        """
        await self._site.replace(app, Process.kill)

    async def reload(self) -> None:
        """Load the page anew: everything is built from what the tab has stored."""
        async with _mounting([self]):
            await self._tab.reload()

    def age(self, *, days: float = 0, hours: float = 0, seconds: float = 0) -> None:
        """Let the servers' clock go on, for tokens and kept secrets. They are judged at the next mount."""
        self._site.deployment.offset += (days * 24 + hours) * 3600 + seconds

    async def duplicate_tab(self) -> StashClient:
        """Return a copy of the tab, as browsers make it: a view of its own that begins with the same state."""
        return await StashClient(
            self._site, self._path, self.http, self._headers, self._latency, self._tab.duplicate
        )._start()

    async def new_tab(self, path: str, **options: Unpack[TabOptions]) -> StashClient:
        """Open another tab at the same application, maybe somebody else's."""
        return await self._site.open(path, options)

    async def close(self) -> None:
        """Close the tab."""
        await self._tab.close()

    async def _start(self) -> StashClient:
        """Begin to connect, and wait until the view is mounted."""
        self._site.clients.append(self)
        async with _mounting([self]):
            self._tab.start()
        return self

    async def _dial(self) -> Connection:
        scope_base = {"subprotocols": [SUBPROTOCOL]}
        handshake: Any = self.http.websocket(self._path, headers=dict(self._headers), scope_base=scope_base)
        try:
            return await self._site.deployment.process.open(handshake.scope, self._closed)
        except Refused as refused:
            self._note("declined", {"why": refused.why})
            raise

    def _closed(self, code: int) -> None:
        self._note("closed", {"code": code})
        if code == 4404:
            self._note("declined", {"why": "the route is no view of quart_stash, or was accepted before it"})

    def _story(self) -> str:
        """Say what has happened instead of what is waited for."""
        last = [
            f"{name} { ({key: value for key, value in detail.items() if key not in _LONG} or '') }".strip()
            for name, detail in self.events[-_SHOWN:]
        ]
        end = "and the view is over" if self.over else f"within {self._site.timeout:g} s"
        return f"{end}; the last events: {'; '.join(last) or 'none'}"

    def _take(self, data: str | bytes) -> None:
        self.messages.append(data)
        self._changed.set()

    def _note(self, name: str, detail: dict[str, Any]) -> None:
        self.events.append((name, detail))
        self._changed.set()


@asynccontextmanager
async def _mounting(clients: list[StashClient]) -> AsyncIterator[None]:
    """Let something happen, then wait until each client's view is mounted anew, or over for good."""
    before = [(client, _mounts(client)) for client in clients]
    yield
    for client, count in before:
        anew = functools.partial(lambda client, count: client.over or _mounts(client) > count, client, count)
        await client.until(anew, "the view is not mounted")


def _mounts(client: StashClient) -> int:
    return sum(name == "mounted" for name, _ in client.events)


class _Site:
    """What the tabs of one test share."""

    def __init__(self, deployment: Deployment, timeout: float) -> None:
        self.deployment = deployment
        self.timeout = timeout
        self.clients: list[StashClient] = []

    async def open(self, path: str, options: TabOptions) -> StashClient:
        http = options.get("client") or self.deployment.process.app.test_client()
        latency = options.get("latency", _DISTANCES[len(self.clients) % len(_DISTANCES)])
        tab = functools.partial(
            Tab, rng=random.Random(len(self.clients)),
            params=options.get("params"), forms=options.get("forms"), page=options.get("page"),
        )  # fmt: skip
        return await StashClient(self, path, http, options.get("headers") or {}, latency, tab)._start()

    async def replace(self, app: Quart | None, leave: Callable[[Process], Awaitable[None]]) -> None:
        async with _mounting(self.clients):
            await self.deployment.replace(app, leave)

    async def close(self) -> None:
        for client in self.clients:
            await client.close()
        await self.deployment.process.kill()


@asynccontextmanager
async def stash_client(
    app: Quart, path: str, *, timeout: float = 5.0, **options: Unpack[TabOptions]
) -> AsyncIterator[StashClient]:
    """Serve an application in this process, and open a tab at one of its views.

    Its start-up and shutdown hooks run, once for each application object; not with `client`, which is taken from an
    application that is served already.

    Args:
        app: the application, with its `QuartStash`.
        path: of the view, with its query string.
        timeout: seconds that anything may take to come.
        options: what the tab has; see `TabOptions`.

    Raises:
        TimeoutError: the view is not mounted in time; the text says why.
        ConfigurationError: the application has no stash, or can't be served.
        Exception: at the end, what a handler has raised, where the application shows it (`TESTING`).
    """
    async with AsyncExitStack() as lifespans:
        site = _Site(Deployment(lifespans), timeout)
        await site.deployment.serve(app, started="client" in options)
        try:
            yield await site.open(path, options)
        finally:
            await site.close()
    if (error := site.deployment.propagated) is not None:
        raise error
