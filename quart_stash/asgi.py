"""StashMiddleware and mount_view: wires any ASGI application."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from .config import StashConfig
from .core.frames import SUBPROTOCOL
from .core.keys import Keyring
from .core.state import StateType
from .errors import ConfigurationError
from .host import Host, ViewType
from .live.gateway import ASGIApp
from .live.socket import ASGIReceive, ASGISend, Scope
from .view import View

__all__ = ["StashMiddleware", "mount_view"]

S = TypeVar("S")

_HOST_KEY = "quart_stash.host"

logger: logging.Logger = logging.getLogger("quart_stash")


class StashMiddleware:
    """Gives any ASGI application a clean shutdown, and its sockets views that outlive the process.

    Args:
        app: the application.
        secret_key: as Quart's `SECRET_KEY`, or several, newest first.
        settings: as the `STASH_*` keys, in lower case and without the prefix (`shutdown_timeout=20`).

    Raises:
        ConfigurationError: a key or a setting that can't work.
    """

    def __init__(
        self, app: ASGIApp, *, secret_key: str | bytes | Sequence[str | bytes], **settings: Any
    ) -> None:
        keys = [secret_key] if isinstance(secret_key, (str, bytes)) else list(secret_key)
        self._app = app
        self._keyring = Keyring(keys)
        self._config = StashConfig.from_mapping(
            {f"STASH_{key.upper()}": value for key, value in settings.items()}
        )
        self._host: Host | None = None

    async def __call__(self, scope: Scope, receive: ASGIReceive, send: ASGISend) -> None:
        """Serve one ASGI scope."""
        host = self._serving()
        with suppress(_NotMounted):
            await host.serve(self._app, {**scope, _HOST_KEY: host}, receive, send)

    @property
    def draining(self) -> bool:
        """Whether a drain runs or has run."""
        return self._host is not None and self._host.gateway.draining

    async def drain(self, reason: str = "drain()") -> None:
        """Hand every view back to its client, for good, as on SIGTERM. Returns when it is done."""
        await asyncio.shield(self._serving().gateway.leave(reason))

    async def rebalance(self, fraction: float) -> dict[str, int]:
        """Hand a share of the live views to other processes, and go on serving. Returns counts by outcome.

        Args:
            fraction: of the live views; more than 0, and 1 at most.

        Raises:
            ConfigurationError: there is no such share.
        """
        return await self._serving().gateway.rebalance(fraction)

    def _serving(self) -> Host:
        if self._host is None or self._host.gateway.loop is not asyncio.get_running_loop():
            self._host = Host(self._config, self._keyring)
        return self._host


@asynccontextmanager
async def mount_view(
    scope: Scope,
    receive: ASGIReceive,
    send: ASGISend,
    *,
    state: type[S] | StateType[S] | None = None,
    version: int = 1,
    name: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    identity: str | None = None,
) -> AsyncIterator[View[S]]:
    """Accept a WebSocket and mount a view on it; the body of the `async with` is the handler.

    When the connection ends or the view is handed back, the body is cancelled where it waits, and the `async
    with` is left. Where nothing comes to be mounted (the client leaves before, or its token can't be judged
    here) the body is not entered: an exception ends the endpoint, and `StashMiddleware` takes it out again.

    Args:
        scope: the ASGI scope, as it came through `StashMiddleware`.
        receive: as the framework hands it on; the view reads everything from it.
        send: as the framework hands it on.
        state: the type of the state, or a `StateType` with migrations.
        version: of the state, where `state` is a type.
        name: tells the view from others; default: the path.
        arguments: what else tokens are bound to; default: the scope's `path_params`.
        identity: who the connection belongs to.

    Raises:
        ConfigurationError: the application is not wrapped in `StashMiddleware`.
    """
    host = scope.get(_HOST_KEY)
    if not isinstance(host, Host):
        raise ConfigurationError("mount_view needs the application wrapped in StashMiddleware")
    state_type: StateType[Any] = state if isinstance(state, StateType) else StateType(state, version=version)
    view_type = ViewType(name or str(scope["path"]), state_type)
    session = host.session(scope, view_type)
    await receive()  # websocket.connect
    await send(
        {"type": "websocket.accept", "subprotocol": None if session.plain else SUBPROTOCOL, "headers": []}
    )
    over = asyncio.timeout(None)
    pump = asyncio.create_task(_pump(receive, over))
    bound = scope.get("path_params", {}) if arguments is None else arguments
    entered = False
    try:
        async with over, host.mounted(session, view_type, arguments=bound, identity=identity) as view:
            entered = True
            yield view
    except TimeoutError:
        if not over.expired():
            raise
        if not entered:
            raise _NotMounted from None
    finally:
        pump.cancel()


class _NotMounted(Exception):
    """The connection was over before anything was mounted."""


async def _pump(receive: ASGIReceive, over: asyncio.Timeout) -> None:
    """Let the socket feed the session, until the connection is over; then end the handler."""
    try:
        while (await receive())["type"] != "websocket.disconnect":
            pass
    finally:
        with suppress(RuntimeError):
            over.reschedule(asyncio.get_running_loop().time())
