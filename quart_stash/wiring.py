"""What stands between one Quart application and its hosts: the ASGI side, the configuration, the signals."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, cast

from quart import Quart

from . import checks, signals
from .config import StashConfig, keyring_from_mapping
from .errors import ConfigurationError
from .host import Host
from .live.shutdown import ShutdownTrigger
from .serving import HOST_KEY, Serving

__all__ = ["EXTENSION", "Wiring", "next_host", "wiring_of"]

logger: logging.Logger = logging.getLogger("quart_stash")

EXTENSION: Final = "quart_stash"
"""Where `app.extensions` has the wiring."""


class Wiring:
    """Wires one application: its ASGI side, its configuration, its signals.

    Args:
        app: the application.
        views: what its decorated routes declare.
        trigger: for servers that take one.

    Attributes:
        serving: the hosts, one for each start.
    """

    def __init__(
        self, app: Quart, views: Mapping[Callable[..., Any], checks.Declared], trigger: ShutdownTrigger
    ) -> None:
        self.serving: Serving = Serving(self._make)
        self._trigger = trigger
        self._views = views
        self._names: set[str] = set()
        self._app = app
        self._asgi_app = app.asgi_app
        app.asgi_app = self._serve  # type: ignore[method-assign]
        app.before_serving(self._start)

    def host_of(self, scope: Any) -> Host:
        """Return the host that a socket came in with."""
        host = scope.get(HOST_KEY)
        return host if isinstance(host, Host) else self.serving.here()

    def _make(self) -> Host:
        self._names = checks.check_routes(self._app, self._views)
        return Host(
            StashConfig.from_mapping(self._app.config),
            keyring_from_mapping(self._app.config),
            notify=self._notify,
            trigger=self._trigger,
        )

    def check_name(self, view: str | None) -> None:
        """Say where values are signed for a view that this application does not have."""
        notices = self.serving.any().notices
        checks.check_name(view, self._names, notices)

    async def _start(self) -> None:
        self.serving.here().gateway.arrive()

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            host = self.serving.of(scope)
        except (
            Exception
        ) as error:  # whatever it is: a server goes on without lifespan, and would serve errors
            if scope["type"] != "lifespan":
                raise
            await _refuse_to_start(receive, send, error)
            return
        if scope["type"] == "websocket":
            scope = {**scope, HOST_KEY: host}
        await host.serve(self._asgi_app, scope, receive, send)

    def _notify(self, kind: str, **data: Any) -> None:
        try:
            getattr(signals, kind).send(self._app, _async_wrapper=_in_a_task, **data)
        except Exception:  # a receiver's, and no reason not to mount, or not to drain
            logger.exception("a receiver of %s raised", kind)


def next_host(app: Quart) -> Host:
    """Let an application serve from a new host, as its next process would. The earlier one keeps its sockets.

    Raises:
        ConfigurationError: it has no stash, or the configuration can't work.
    """
    return wiring_of(app).serving.start()


def wiring_of(app: Quart | None) -> Wiring:
    """Return the wiring of an application.

    Raises:
        ConfigurationError: it has no stash.
    """
    wiring = None if app is None else app.extensions.get(EXTENSION)
    if wiring is None:
        raise ConfigurationError("this application has no QuartStash: call init_app(app) first")
    return cast("Wiring", wiring)


async def _refuse_to_start(receive: Any, send: Any, error: Exception) -> None:
    await receive()
    logger.error("quart_stash: %s", error)
    await send({"type": "lifespan.startup.failed", "message": f"quart_stash: {error}"})


_tasks: set[asyncio.Future[Any]] = set()


def _in_a_task(receiver: Callable[..., Awaitable[Any]]) -> Callable[..., None]:
    """Let a signal's asynchronous receiver run besides: nothing waits for it."""

    def start(*args: Any, **kwargs: Any) -> None:
        task = asyncio.ensure_future(receiver(*args, **kwargs))
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)

    return start
