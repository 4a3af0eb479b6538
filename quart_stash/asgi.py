"""StashMiddleware and mount_view: wires any ASGI application."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, MutableMapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from markupsafe import Markup

from .assets import clear_meta, page_meta
from .checks import check_state
from .config import StashConfig
from .core.frames import SUBPROTOCOL
from .core.keys import Keyring
from .core.state import StateType
from .errors import ConfigurationError
from .host import Host, NotMounted
from .identity import identity_tag, session_secret
from .live.gateway import ASGIApp
from .live.socket import ASGIReceive, ASGISend, Scope
from .mounter import ViewType
from .owners import check_identity
from .serving import Serving
from .view import View

__all__ = ["StashMiddleware", "StashPage", "mount_view"]

S = TypeVar("S")

_SERVED_KEY = "quart_stash.served"

logger: logging.Logger = logging.getLogger("quart_stash")


@dataclass(frozen=True)
class _Served:
    """What the middleware tells those inside of one scope.

    Attributes:
        host: who serves it.
        root: the path that the middleware is mounted under; further in, a router may have moved `root_path` on.
        owner_key: of owners' tags, where there is no session.
    """

    host: Host
    root: str
    owner_key: str


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
        if not callable(app):
            raise ConfigurationError(f"StashMiddleware wraps an ASGI application, not {type(app).__name__}")
        keys = [secret_key] if isinstance(secret_key, (str, bytes)) else list(secret_key or ())
        self._app = app
        keyring = Keyring(keys)
        # The oldest: a new key is put in front, and the pages that are open must go on being their owners'.
        self._owner_key = keyring.signing_keys("owner")[0].hex()
        config = StashConfig.from_mapping({f"STASH_{key.upper()}": value for key, value in settings.items()})
        self._serving = Serving(lambda: Host(config, keyring))

    async def __call__(self, scope: Scope, receive: ASGIReceive, send: ASGISend) -> None:
        """Serve one ASGI scope."""
        host = self._serving.of(scope)
        with suppress(NotMounted):
            served = _Served(host, scope.get("root_path", "").rstrip("/"), self._owner_key)
            await host.serve(self._app, {**scope, _SERVED_KEY: served}, receive, send)

    @property
    def draining(self) -> bool:
        """Whether a drain runs or has run."""
        return self._serving.draining

    async def drain(self, reason: str = "drain()") -> None:
        """Hand every view back to its client, for good, as on SIGTERM. Returns when it is done.

        It may be called in any event loop, and is carried out in the one that serves.
        """
        await self._serving.carry_out(lambda host: host.drain(reason))

    async def rebalance(self, fraction: float) -> dict[str, int]:
        """Hand a share of the live views to other processes, and go on serving. Returns counts by outcome.

        Args:
            fraction: of the live views; more than 0, and 1 at most.

        Raises:
            ConfigurationError: there is no such share.
        """
        return await self._serving.carry_out(lambda host: host.gateway.rebalance(fraction)) or {}

    async def close_views(self, identity: str) -> int:
        """Close every view in this process that belongs to somebody. See `QuartStash.close_views`."""
        return await self._serving.carry_out(lambda host: host.close_views(identity)) or 0


class StashPage:
    """What one page needs in its markup, and whose page it is: the helpers of Quart's templates, for any framework.

    The page is tagged with its owner. A page of another owner in the same tab finds nothing of this one's.

    Args:
        scope: of the request, as it came through `StashMiddleware`.
        identity: who the page is rendered for: what `mount_view` is given as the `identity` of its sockets.

    Raises:
        ConfigurationError: the application is not wrapped in `StashMiddleware`, or the identity is not a `str`.
    """

    def __init__(self, scope: Scope, *, identity: str | None) -> None:
        self._served = _served(scope, "StashPage")
        self._identity = identity
        self._tag = _owner_tag(self._served, scope, identity, create=True)

    def script(self, nonce: str | None = None) -> Markup:
        """Return the script tag.

        Args:
            nonce: for a Content-Security-Policy.
        """
        host = self._served.host
        return host.assets.tag(
            root=self._served.root, build=host.build, identity=self._tag, limits=host.limits, nonce=nonce
        )

    def sign(self, view: str | None = None, /, **values: Any) -> str:
        """Sign readable values for the socket that this page opens; the view has them as `view.page`.

        Args:
            view: the one view that may take them; default: any.
            values: what JSON can hold.
        """
        return self._served.host.pages.sign(values, identity=self._identity, view=view)

    def meta(self, view: str | None = None, /, **values: Any) -> Markup:
        """Return the tag that hands signed values to the sockets of this page; see `sign`."""
        return page_meta(self.sign(view, **values))

    def clear(self, form: str) -> Markup:
        """Return the tag which says that a stashed form has been dealt with."""
        return clear_meta(form)


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
        arguments: what else tokens are bound to, besides host, path and query: what JSON can hold.
        identity: who the connection belongs to. A page that is tagged with another owner mounts without what was
            typed there.

    Raises:
        ConfigurationError: the application is not wrapped in `StashMiddleware`, or the type can't be a state.
    """
    served = _served(scope, "mount_view")
    host = served.host
    page_tag = _owner_tag(served, scope, identity, create=False)
    if not isinstance(state, StateType):
        check_state(state)
    state_type: StateType[Any] = state if isinstance(state, StateType) else StateType(state, version=version)
    view_type = ViewType(name or str(scope["path"]), state_type)
    session = await host.session(scope, view_type)
    await receive()  # websocket.connect
    await send(
        {"type": "websocket.accept", "subprotocol": None if session.plain else SUBPROTOCOL, "headers": []}
    )
    over = asyncio.timeout(None)
    pump = asyncio.create_task(_pump(receive, over))
    entered = False
    try:
        await asyncio.sleep(0)  # the pump is first to receive: whoever comes second is told off
        mounted = host.mounted(session, view_type, arguments=arguments, identity=identity, page_tag=page_tag)
        async with over, mounted as view:
            entered = True
            yield view
    except TimeoutError:
        if not over.expired():
            raise
        if not entered:
            raise NotMounted from None
    finally:
        pump.cancel()


def _served(scope: Scope, what: str) -> _Served:
    served = scope.get(_SERVED_KEY)
    if not isinstance(served, _Served):
        raise ConfigurationError(
            f"{what} found no StashMiddleware around the application: wrap it, outermost, as in "
            "app = StashMiddleware(app, secret_key=…); for a Quart application use QuartStash and @stash.view"
        )
    return served


def _owner_tag(served: _Served, scope: Scope, identity: str | None, *, create: bool) -> str:
    """Return what tells the owner's pages from others', under the session's own secret if there is a session."""
    identity = check_identity(identity)
    session = scope.get("session")
    if isinstance(session, MutableMapping):
        return identity_tag(session_secret(session, create=create), identity)
    return identity_tag(served.owner_key, identity)


async def _pump(receive: ASGIReceive, over: asyncio.Timeout) -> None:
    """Let the socket feed the session, until the connection is over; then end the handler."""
    try:
        while (await receive())["type"] != "websocket.disconnect":
            pass
    finally:
        with suppress(RuntimeError):
            over.reschedule(asyncio.get_running_loop().time())
