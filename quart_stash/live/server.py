"""Which ASGI server this is, and what it keeps to itself. This module and mainloop.py alone read a server's internals.

ASGI says nothing of the server, so this module looks around. Whoever called us is on the call stack: the server is
there, whatever stands between it and us. What else it runs in this loop are tasks. Neither hangs on the `send` that
a scope brings, which Sentry, tracing and other frameworks wrap. Everything is read defensively, with `getattr`, and
tests on the real servers fail when a release changes what is found.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import multiprocessing
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from types import CellType, FrameType, FunctionType, MethodType
from typing import Any, cast

__all__ = ["ServerInfo", "queued_on", "server_around", "transport_behind", "waiting_in"]

_SERVERS = ("hypercorn", "anycorn", "uvicorn", "gunicorn", "granian", "daphne")
_CONTEXTS = ("hypercorn", "anycorn")  # those whose workers poll an event of their parent, and get no signal
_FARTHEST = 200  # objects that are looked at behind one `send`: some twenty layers of middleware


@dataclass(frozen=True)
class ServerInfo:
    """What was found around us.

    Attributes:
        name: of the server; empty, if it is none that we know.
        limit: after how many seconds it cuts its connections, and which setting says so; None: not known, or never.
        config: Hypercorn's configuration: it tells two servers in one loop apart.
        stop: makes Granian's worker begin its shutdown.
    """

    name: str = ""
    limit: tuple[float, str] | None = None
    config: Any = None
    stop: Callable[[], object] | None = None

    @property
    def polls(self) -> bool:
        """Whether this is a worker that its parent tells to leave by an event, and not by a signal."""
        return self.name in _CONTEXTS and multiprocessing.parent_process() is not None

    @property
    def has_context(self) -> bool:
        """Whether this server's workers have a context, an event of which says that they leave."""
        return self.name in _CONTEXTS

    def terminated(self) -> Any:
        """Return the event that Hypercorn sets at the very start of its shutdown; None, while it is not found.

        It belongs to the worker's context, which Hypercorn makes once the application has started. Its `worker_serve`
        has it, and is a task of this loop.
        """
        if not self.has_context:
            return None
        found: dict[int, tuple[Any, Any]] = {}
        for package, names in _running():
            event = getattr(names.get("context"), "terminated", None) if package == self.name else None
            if callable(getattr(event, "wait", None)) and hasattr(event, "is_set"):
                found[id(event)] = (_config(names), event)
        ours = [event for config, event in found.values() if config is self.config]
        if len(ours) != 1:
            ours = [event for _, event in found.values()]
        return ours[0] if len(ours) == 1 else None

    def hold_back(self) -> None:
        """Let the signals of Granian be plain ones, which can be held back until the drain has ended.

        Its worker gives them to the loop, which would stop the server at once, beside any handler of ours.
        """
        stop = self.stop
        if stop is None or threading.current_thread() is not threading.main_thread():
            return
        for signum in (signal.SIGTERM, signal.SIGINT):
            if asyncio.get_running_loop().remove_signal_handler(signum):
                signal.signal(signum, lambda *_: stop())


def server_around() -> ServerInfo:
    """Find the server that calls us. To be called in the task of a scope, of any type."""
    frames = list(_calling())
    if not frames:
        return ServerInfo()
    name = frames[0][0]
    config = next((found for package, names in frames if package == name and (found := _config(names))), None)
    return ServerInfo(name, _limit(name, frames, config), config, _stop(frames))


def transport_behind(*handed: Any) -> asyncio.WriteTransport | None:
    """Return the transport behind what a connection was handed as `send` and `receive`, if it can be found.

    Uvicorn's are methods of the protocol that has it, so are gunicorn's. Hypercorn's `send` is a method of a stream,
    which sends to a protocol, which sends to what has it. Middleware wraps them in functions and objects. Where
    these lead nowhere the server may still be on the call stack: to be called in the task of the connection.
    """
    for one in chain(_behind(*handed), _serving()):
        with contextlib.suppress(Exception):  # a proxy for nothing, an attribute that is computed
            for holder in (one, getattr(one, "writer", None)):
                transport = getattr(holder, "transport", None)
                if callable(getattr(transport, "abort", None)) and callable(
                    getattr(transport, "get_write_buffer_size", None)
                ):
                    return cast("asyncio.WriteTransport", transport)
    return None


def queued_on(transport: asyncio.WriteTransport) -> int:
    """Return how many bytes wait on a transport for its peer: none, where it is closed, or won't say.

    One for TLS knows only what it has not encrypted yet; the rest waits on the transport beneath it.
    """
    size = 0
    with contextlib.suppress(Exception):  # that of TLS raises once it is closed, and so may others
        size += transport.get_write_buffer_size()
    with contextlib.suppress(Exception):  # most have none beneath them
        size += cast("Any", transport)._ssl_protocol._transport.get_write_buffer_size()
    return size


def is_open_tls(transport: asyncio.WriteTransport) -> bool:
    """Whether the server itself ends TLS on this connection, and it is still there."""
    with contextlib.suppress(Exception):  # whatever a transport says that is over
        connection = transport.get_extra_info("socket")
        return transport.get_extra_info("ssl_object") is not None and connection.fileno() >= 0
    return False


def waiting_in() -> Iterator[FrameType]:
    """Walk through what the tasks of this loop wait in: the frame of each coroutine, outermost first."""
    for task in asyncio.all_tasks():
        one: Any = task.get_coro()
        while (frame := getattr(one, "cr_frame", None)) is not None:
            yield frame
            one = one.cr_await


def _calling() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Walk up the call stack: the package of each frame of a server, and its names."""
    frame: FrameType | None = inspect.currentframe()
    while frame is not None:
        if (package := _package(frame)) in _SERVERS:
            yield package, frame.f_locals
        frame = frame.f_back


def _running() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Walk through what the tasks of this loop are at: the package of each coroutine of a server, and its names."""
    for frame in waiting_in():
        if (package := _package(frame)) in _SERVERS:
            yield package, frame.f_locals


def _serving() -> Iterator[Any]:
    """Walk from what the coroutine of a server has that calls us: its `self`, or its own `send`."""
    frame: FrameType | None = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_flags & inspect.CO_COROUTINE and _package(frame) in _SERVERS:
            yield from _behind(frame.f_locals.get("self"), frame.f_locals.get("send"))
            return
        frame = frame.f_back


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _behind(*handed: Any) -> Iterator[Any]:
    """Walk from callables to what they wrap, nearest first."""
    waiting, seen = deque(handed), set[int]()
    while waiting and len(seen) < _FARTHEST:
        one = waiting.popleft()
        if id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting.extend(_wrapped(one))


def _wrapped(one: Any) -> list[Any]:
    """Return what a callable calls, as far as can be seen: in its closure, as its object, as what it was made of.

    The application, which middleware holds beside `send`, is no way to the server.
    """
    held: list[Any] = []
    with contextlib.suppress(Exception):  # a proxy for nothing
        if isinstance(one, MethodType):
            return [one.__self__, one.__func__]
        if isinstance(one, partial):
            held += [one.func, *one.args, *one.keywords.values()]
        elif isinstance(one, FunctionType):
            cells = dict(zip(one.__code__.co_freevars, one.__closure__ or (), strict=False))
            held += [_contents(cell) for name, cell in cells.items() if name != "app"]
            held += [*(one.__defaults__ or ()), getattr(one, "__wrapped__", None)]
        else:
            slots = [name for kind in type(one).__mro__ for name in getattr(kind, "__slots__", ())]
            names = [*getattr(one, "__dict__", {}), *slots]
            held += [getattr(one, name, None) for name in names if name != "app"]
    return [found for found in held if callable(found) and not isinstance(found, type)]


def _contents(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # it is empty
        return None


def _config(names: Mapping[str, Any]) -> Any:
    """Return the configuration of the server that a frame of it works for, if it is one with a grace period."""
    for config in (names.get("config"), getattr(names.get("self"), "config", None)):
        if hasattr(config, "graceful_timeout"):
            return config
    return None


def _limit(name: str, frames: list[tuple[str, Mapping[str, Any]]], config: Any) -> tuple[float, str] | None:
    with contextlib.suppress(Exception):
        for package, names in frames:
            graceful = getattr(getattr(names.get("self"), "cfg", None), "graceful_timeout", None)
            if package == "gunicorn" and graceful is not None:
                return float(graceful), "gunicorn's graceful_timeout"
        graceful = getattr(config, "graceful_timeout", None)
        if (
            name in _CONTEXTS
            and graceful is not None
            and not (name == "hypercorn" and _waits_for_connections())
        ):
            return float(graceful), f"{name.capitalize()}'s graceful_timeout"
    return None


def _stop(frames: list[tuple[str, Mapping[str, Any]]]) -> Callable[[], object] | None:
    """Return what makes Granian's worker stop: its main function has it, below the event loop."""
    for package, names in frames:
        stop: Any = getattr(names.get("shutdown_event"), "set", None)
        if package == "granian" and callable(stop):
            return cast("Callable[[], object]", stop)
    return None


def _waits_for_connections() -> bool:
    # There, `Server.wait_closed()` waits for the connections, and Hypercorn's limit begins only after it.
    loop = asyncio.get_running_loop()
    return sys.version_info >= (3, 12, 1) and type(loop).__module__.startswith("asyncio")
