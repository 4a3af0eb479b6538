"""An in-memory ASGI server, page and clock: what the tests of the live floor and of the wiring play against.

Time is virtual. When every task waits, the clock jumps to the next timer, so no test takes the time that it is about;
and where there is no timer either, the test is stuck and fails at once.
"""

from __future__ import annotations

import asyncio
import functools
import json
import selectors
import signal
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, ClassVar, ParamSpec
from weakref import WeakKeyDictionary

import msgspec

from quart_stash.config import StashConfig
from quart_stash.core.frames import SUBPROTOCOL
from quart_stash.core.keys import Keyring
from quart_stash.core.merge import Snapshot
from quart_stash.core.state import StateType
from quart_stash.core.tokens import Binding, Sealer
from quart_stash.host import Host
from quart_stash.live.session import Session
from quart_stash.mounter import ViewType
from quart_stash.testing.dialer import ConnectionEnded
from quart_stash.view import View
from tests.distance import FAR, distance

P = ParamSpec("P")

SECRET = "t5RkWq2ZxN8vBj3mLs6dHc9yPf4gTa7u"
OTHER_SECRET = "q1WmZ8nXo5RtY2uKc7VbE4aSjD9hGf3L"
EPOCH = 1_700_000_000.0
"""The wall clock's time when a virtual clock starts."""

TEN = 100 / 9
"""The `reconnect_rate` at which ten views a second are told."""

_YEAR = 365 * 86400.0
_ROUNDS = 100


class _Selector(selectors.SelectSelector):
    """Sees what is ready, and where nothing is, lets the clock jump instead of waiting."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("every task waits, and nothing can happen any more")
        if not ready and timeout is not None:
            self.now += max(0.0, timeout)
        if self.now > _YEAR:
            raise RuntimeError("a year has passed, and only timers fire")
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop with a clock of its own."""

    def __init__(self) -> None:
        self._clock = _Selector()
        self.unhandled: list[dict[str, Any]] = []
        super().__init__(self._clock)
        self._clock_resolution = 1e-6  # far above a float's, after a year of seconds
        self.set_exception_handler(lambda _, context: self.unhandled.append(context))

    def time(self) -> float:
        return self._clock.now


def in_virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an asynchronous test in virtual time; nothing may be left unhandled, and signals are put back."""

    @functools.wraps(test)
    def play(*args: P.args, **kwargs: P.kwargs) -> None:
        before = {signum: signal.getsignal(signum) for signum in (signal.SIGTERM, signal.SIGINT)}
        loop = VirtualLoop()
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(test(*args, **kwargs))
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)
        assert not loop.unhandled

    return play


async def settle() -> None:
    """Let what is on its way arrive, and every task run until it waits for time or for the peer."""
    loop = asyncio.get_running_loop()
    for _ in range(_ROUNDS):  # a handler that never stops sending always has something on its way
        for _ in range(50):
            await asyncio.sleep(0)
        arrivals = [due for way in Way.of(loop) if (due := way.due) is not None]
        if not arrivals:
            return
        await asyncio.sleep(max(0.0, min(arrivals) - loop.time()))


def wall_clock() -> float:
    """Return the wall clock's time, which goes as the loop's."""
    return EPOCH + asyncio.get_running_loop().time()


class Way:
    """One direction of a connection: everything arrives in order, and later.

    Args:
        arrive: is given what arrives.
        latency: seconds that it takes.
    """

    _all: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, list[Way]]] = WeakKeyDictionary()

    def __init__(self, arrive: Callable[[dict[str, Any]], None], latency: float) -> None:
        self.latency = latency
        self._arrive = arrive
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[float, dict[str, Any]]] = deque()
        self._all.setdefault(self._loop, []).append(self)

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> Sequence[Way]:
        """Return every way there is in this loop."""
        return cls._all.get(loop, ())

    @property
    def due(self) -> float | None:
        """When the next thing on its way arrives."""
        return self._queue[0][0] if self._queue else None

    def put(self, event: dict[str, Any]) -> None:
        """Send something off."""
        if not self.latency and not self._queue:
            self._arrive(event)
            return
        last = self._queue[-1][0] if self._queue else 0.0
        due = max(last, self._loop.time() + self.latency)
        self._queue.append((due, event))
        self._loop.call_at(
            due, self._next
        )  # of timers for one moment none need be the first: each takes what is next

    def _next(self) -> None:
        self._arrive(self._queue.popleft()[1])


class Pipe:
    """One WebSocket as its ASGI server sees it, and the page behind it: each page at its own distance.

    Args:
        latency: seconds that everything takes, each way; default: see `tests.distance`.

    Attributes:
        sent: every event of the application that has arrived, in order.
        readable: whether the peer reads; while it does not, the application's `send` waits.
        broken: what the application's `send` raises, where the connection is broken.
        task: the application's task.
    """

    def __init__(
        self,
        path: str = "/view",
        *,
        plain: bool = False,
        extension: bool = True,
        latency: float | None = None,
        **scope: Any,
    ) -> None:
        self.scope: dict[str, Any] = {
            "type": "websocket",
            "asgi": {"spec_version": "2.3", "version": "3.0"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(b"host", b"example.com")],
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 80),
            "subprotocols": [] if plain else [SUBPROTOCOL],
            "extensions": {"websocket.http.response": {}} if extension else {},
            **scope,
        }
        self.sent: list[dict[str, Any]] = []
        self.broken: Exception | None = None
        self.task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._answered = asyncio.Event()
        self._changed = asyncio.Event()
        latency = distance(FAR) if latency is None else latency
        self._up = Way(self._queue.put_nowait, latency)
        self._down = Way(self._arrive, latency)
        self._queue.put_nowait({"type": "websocket.connect"})

    # The server's side.

    def serve(self, application: Coroutine[Any, Any, None]) -> None:
        """Let the application serve this connection."""
        self.task = asyncio.create_task(application)
        self.task.add_done_callback(lambda _: self._changed.set())

    async def receive(self) -> dict[str, Any]:
        event = await self._queue.get()
        if event["type"] == "websocket.receive" and self.task is not None:
            await self._answered.wait()  # no frame comes before the handshake is through
        return event

    async def send(self, event: Any) -> None:
        await self._writable.wait()
        if self.broken is not None:
            raise self.broken
        self._answered.set()
        self._down.put(event)

    def _arrive(self, event: dict[str, Any]) -> None:
        self.sent.append(event)
        self._changed.set()

    @property
    def readable(self) -> bool:
        return self._writable.is_set()

    @readable.setter
    def readable(self, readable: bool) -> None:
        (self._writable.set if readable else self._writable.clear)()

    @property
    def unread(self) -> int:
        """How many events the application has not taken."""
        return self._queue.qsize()

    # The page's side.

    def raw(self, data: str | bytes) -> None:
        kind = "text" if isinstance(data, str) else "bytes"
        self._up.put({"type": "websocket.receive", kind: data})

    def say(self, kind: str, **fields: Any) -> None:
        self.raw(json.dumps({"type": kind, **fields}))

    def message(self, data: str) -> None:
        self.raw("=" + data)

    def disconnect(self, code: int = 1006) -> None:
        self._up.put({"type": "websocket.disconnect", "code": code})

    async def mount(self, **fields: Any) -> dict[str, Any]:
        """Say `mount` and return `mounted`."""
        self.say("mount", **{"sent": 0, **fields})
        await self.until(lambda: self.frames("mounted") or self.close_code)
        return self.frames("mounted")[0]

    async def answer_drain(self, sent: int) -> dict[str, Any]:
        """Answer the drain as an honest client does; return the final token."""
        await self.until(lambda: self.frames("drain"))
        self.say("flushed", sent=sent)
        await self.until(lambda: self.final is not None)
        final = self.frames("token")[-1]
        self.say("synced", received=final["received"])
        await self.closed()
        return final

    async def until(self, condition: Callable[[], Any]) -> None:
        """Wait until what was sent fulfils a condition; fail if the application ends without it."""
        while not condition():
            assert self.task is None or not self.task.done() or self._down.due is not None, self.task
            self._changed.clear()
            await self._changed.wait()

    async def closed(self) -> int:
        """Wait for the close frame, answer it as the server does, wait for the application; return the code."""
        await self.until(lambda: self.close_code is not None)
        self.disconnect(self.close_code or 1006)
        await self.ended()
        return self.close_code or 0

    async def ended(self) -> None:
        """Wait until the application has returned, and what it said has arrived."""
        if self.task is not None:
            await self.task
        while self._down.due is not None:
            self._changed.clear()
            await self._changed.wait()

    @property
    def kinds(self) -> list[str]:
        return [event["type"] for event in self.sent]

    @property
    def close_code(self) -> int | None:
        return next((event["code"] for event in self.sent if event["type"] == "websocket.close"), None)

    @property
    def final(self) -> dict[str, Any] | None:
        return next((frame for frame in self.frames("token") if frame.get("final")), None)

    def frames(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Return the control frames, all or of one type."""
        texts = [event["text"] for event in self.sent if event.get("text", None) is not None]
        frames = [json.loads(text) for text in texts if text.startswith("{")]
        return [frame for frame in frames if kind is None or frame["type"] == kind]

    @property
    def got(self) -> list[str]:
        """The application messages, in order."""
        texts = [event["text"] for event in self.sent if event.get("text", None) is not None]
        return [text[1:] for text in texts if text.startswith("=")]


class Wire:
    """A pipe, as a tab of the testing kit wants it."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._read = 0

    async def send(self, data: str | bytes) -> None:
        self._pipe.raw(data)

    async def receive(self) -> str:
        sent, task = self._pipe.sent, self._pipe.task
        while True:
            await self._pipe.until(lambda: len(sent) > self._read or (task is not None and task.done()))
            if len(sent) <= self._read:
                raise ConnectionEnded
            event = sent[self._read]
            self._read += 1
            if event["type"] == "websocket.close":
                self._pipe.disconnect(event["code"])  # the answer to it
                raise ConnectionEnded(event["code"])
            if event["type"] == "websocket.send":
                return str(event["text"])

    async def close(self, code: int) -> None:
        self._pipe.disconnect(code)


class Process:
    """One process with one view, behind a small framework that does what Quart does.

    Args:
        handler: takes the view.
        state: the type of its state.
        secret: the secret key.
        latency: of its peers; default: each at its own distance. Nought where the times themselves are looked at.
        config: the settings; the others are defaults with a sync interval of 0.

    Attributes:
        notes: what was notified: kind and data.
        errors: what handlers raised.
        ends: what became of each handler: `returned`, `raised`, `cancelled`.
        host: of the application.
        sessions: one for each connection, in order.
    """

    def __init__(
        self,
        handler: Callable[[View[Any]], Awaitable[None]],
        state: type[Any] | StateType[Any] | None = None,
        *,
        secret: str | list[str] = SECRET,
        identity: object = None,
        arguments: Mapping[str, Any] | None = None,
        now: Callable[[], float] = wall_clock,
        latency: float | None = None,
        **config: Any,
    ) -> None:
        secrets = [secret] if isinstance(secret, str) else secret
        state_type = state if isinstance(state, StateType) else StateType(state)
        self.notes: list[tuple[str, dict[str, Any]]] = []
        self.errors: list[Exception] = []
        self.ends: list[str] = []
        self.sessions: list[Session] = []
        self.host = Host(
            StashConfig(**{"sync_interval": 0, **config}),
            Keyring(secrets),
            notify=lambda kind, **data: self.notes.append((kind, data)),
            now=now,
        )
        self._handler = handler
        self._latency = latency
        self._type = ViewType("view", state_type)
        self._identity = identity
        self._arguments = arguments

    def open(self, pipe: Pipe | None = None, **scope: Any) -> Pipe:
        """Open a connection."""
        pipe = pipe or Pipe(**{"latency": self._latency, **scope})
        serving = self.host.serve(self._app, pipe.scope, pipe.receive, pipe.send)
        pipe.serve(serving)
        return pipe

    async def mount(self, *, plain: bool = False, **fields: Any) -> Pipe:
        """Open a connection, and mount it."""
        pipe = self.open(plain=plain)
        if not plain:
            await pipe.mount(**fields)
        return pipe

    def drain(self) -> asyncio.Task[None]:
        """Begin the drain."""
        return self.host.gateway.leave("a test")

    @property
    def outcomes(self) -> dict[str, int]:
        """The outcomes of views, those that happened."""
        return {name: count for name, count in self.host.gateway.registry.outcomes.items() if count}

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        """Do what Quart does: one task pumps, one handles; at the end of the connection the second is cancelled."""
        session = await self.host.session(scope, self._type)
        self.sessions.append(session)
        await receive()
        await send(
            {"type": "websocket.accept", "subprotocol": None if session.plain else SUBPROTOCOL, "headers": []}
        )
        handling = asyncio.create_task(self._handle(session))
        while (await receive())["type"] != "websocket.disconnect":
            pass
        handling.cancel()
        await asyncio.wait([handling])

    async def _handle(self, session: Session) -> None:
        try:
            async with self.host.mounted(
                session, self._type, arguments=self._arguments, identity=self._identity
            ) as view:
                await self._handler(view)
        except asyncio.CancelledError:
            self.ends.append("cancelled")
            raise
        except Exception as error:
            self.errors.append(error)
            self.ends.append("raised")
        else:
            self.ends.append("returned")


def binding(*, path: str = "/view", identity: str | None = None) -> Binding:
    """Return what the tokens of `Process` are bound to."""
    who = "" if identity is None else "=" + identity
    return Binding(("view", "", path, "", "example.com", who, ""))


def unseal(token: str) -> tuple[str, int, Any]:
    """Open a token of `Process`; return view id, number of messages, and state."""
    sealer = Sealer(Keyring([SECRET]))
    now = sealer.header(token).issued_at
    opened = sealer.open(token, binding().view(), max_age=None, now=now)
    snapshot = msgspec.msgpack.decode(opened.payload, type=Snapshot)
    return snapshot.view_id, snapshot.received, msgspec.msgpack.decode(snapshot.state)
