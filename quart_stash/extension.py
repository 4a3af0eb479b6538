"""QuartStash: wires one Quart application (or several, each with a stash of its own)."""

from __future__ import annotations

import functools
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Concatenate, NoReturn, ParamSpec, Protocol, TypeVar, cast

import msgspec
from markupsafe import Markup
from quart import Quart, current_app, request, session, websocket

from . import checks
from .assets import clear_meta, page_meta
from .checks import Declared
from .core.frames import SUBPROTOCOL
from .core.state import Migration, StateType
from .core.tokens import Context
from .errors import ConfigurationError
from .host import Host, NotMounted
from .identity import SessionIdentity, identity_tag, session_secret
from .live.shutdown import ShutdownTrigger
from .live.socket import RECEIVE_OF_A_VIEW
from .mounter import ViewType
from .owners import check_identity
from .view import View
from .wiring import EXTENSION, Wiring, wiring_of

__all__ = ["QuartStash", "ViewFunction"]

S = TypeVar("S")
P = ParamSpec("P")
IdentityLoader = Callable[[], "Awaitable[str | None] | str | None"]
_Loader = TypeVar("_Loader", bound=IdentityLoader)
_M = TypeVar("_M", bound=Migration)

logger: logging.Logger = logging.getLogger("quart_stash")

_CENTURY = 100 * 366 * 86400.0  # seconds


class ViewFunction(Protocol[P]):
    """A decorated route."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Awaitable[None]:
        """Serve one connection."""

    def migrate(self, from_version: int) -> Callable[[_M], _M]:
        """Register the migration of a state from this version to the next, as a decorator."""


class QuartStash:
    """The extension.

    Args:
        app: the application; or call `init_app(app)` later.
        identity: who a connection belongs to (see `identity_loader`).
    """

    def __init__(self, app: Quart | None = None, *, identity: IdentityLoader | None = None) -> None:
        self.shutdown_trigger: ShutdownTrigger = ShutdownTrigger()
        """For `hypercorn.asyncio.serve(app, config, shutdown_trigger=stash.shutdown_trigger)`."""
        session_identity = SessionIdentity()
        self._identity: IdentityLoader = identity or (lambda: session_identity(session))
        self._app: Quart | None = None
        self._views: dict[Callable[..., Any], Declared] = {}
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Quart) -> None:
        """Wire an application.

        Raises:
            ConfigurationError: it is wired already, or it is no Quart application.
        """
        checks.check_app(app)
        if EXTENSION in app.extensions:
            raise ConfigurationError("this application has a QuartStash already: create it once")
        app.extensions[EXTENSION] = Wiring(app, self._views, self.shutdown_trigger)
        self._app = self._app or app
        app.jinja_env.globals.update(
            stash_script=self.script, stash_page=self._page_meta, stash_clear=_stash_clear
        )

    def view(
        self, state: type[S] | None = None, *, version: int = 1, name: str | None = None
    ) -> Callable[[Callable[Concatenate[View[S], P], Awaitable[None]]], ViewFunction[P]]:
        """Make a WebSocket route a view that outlives its process.

        The decorated function takes the view and the route's arguments.

        Args:
            state: the type of its state: a dataclass, attrs class, msgspec Struct, TypedDict or `dict`.
            version: counted up when old states no longer fit; see `migrate`.
            name: tells the view from others; default: the endpoint.

        Raises:
            ConfigurationError: the state can't be one, or the decorated function can't be a handler.
        """
        checks.check_state(state)
        state_type = StateType(state, version=version)

        def decorate(handler: Callable[Concatenate[View[S], P], Awaitable[None]]) -> ViewFunction[P]:
            checks.check_handler(handler, self._views)

            @functools.wraps(handler)
            async def serve(*args: P.args, **kwargs: P.kwargs) -> None:
                host = self._wiring().host_of(websocket.scope)
                view_type = ViewType(name or websocket.endpoint or handler.__name__, state_type)
                identity = await self._load_identity()
                try:
                    live = await host.session(cast("Mapping[str, Any]", websocket.scope), view_type)
                except NotMounted:
                    return
                websocket.receive = _receive_of_a_view  # type: ignore[method-assign]
                await websocket.accept(subprotocol=None if live.plain else SUBPROTOCOL)
                page_tag = None
                if identity is None or isinstance(identity, str):  # else it is refused
                    page_tag = identity_tag(session_secret(session, create=False), identity)
                async with host.mounted(live, view_type, identity=identity, page_tag=page_tag) as view:
                    await handler(view, *args, **kwargs)

            serve.migrate = state_type.migrate  # type: ignore[attr-defined]
            self._views[serve] = Declared(handler, name)
            return cast("ViewFunction[P]", serve)

        return decorate

    def identity_loader(self, loader: _Loader) -> _Loader:
        """Register who a connection belongs to: a function, async or not, that returns a `str` or `None`.

        Tokens are bound to it. By default it is a random id in the Quart session, together with the user whom
        log-ins write there in their usual forms, and Quart-Auth's.
        """
        checks.check_loader(loader)
        self._identity = loader
        return loader

    async def identity(self) -> str | None:
        """Return who the current request or socket belongs to.

        Raises:
            ConfigurationError: `identity_loader` returned neither a `str` nor `None`.
        """
        return check_identity(await self._load_identity())

    async def _load_identity(self) -> object:
        identity = self._identity()
        return await identity if isinstance(identity, Awaitable) else identity

    async def close_views(self, identity: str) -> int:
        """Close every view of this process that belongs to somebody, such as one who has logged out elsewhere.

        Their clients are closed with 1008, so they do not come back by themselves; a page that is loaded anew comes in
        as whoever its session then says. So end the session first. Other processes have to be told: call it in each.

        Args:
            identity: as `identity_loader` returns it. The default one is of one browser, and no other can name it.

        Returns:
            How many were closed. It waits for no peer.

        Raises:
            ConfigurationError: `identity` is not a `str`.
        """
        return await self._wiring().serving.carry_out(lambda host: host.close_views(identity)) or 0

    async def drain(self, reason: str = "drain()") -> None:
        """Hand every view back to its client, for good, as on SIGTERM. Returns when it is done.

        It may be called in any event loop, and is carried out in the one that serves.
        """
        await self._wiring().serving.carry_out(lambda host: host.drain(reason))

    async def rebalance(self, fraction: float) -> dict[str, int]:
        """Hand a share of the live views to other processes, and go on serving. Returns counts by outcome.

        After a scale-out, say: each of these clients comes in anew, wherever the load balancer sends it. It may be
        called in any event loop, and is carried out in the one that serves.

        Args:
            fraction: of the live views; more than 0, and 1 at most.

        Raises:
            ConfigurationError: there is no such share.
        """
        return await self._wiring().serving.carry_out(lambda host: host.gateway.rebalance(fraction)) or {}

    @property
    def draining(self) -> bool:
        """Whether a drain runs, or has run since the application was started. Any thread may ask."""
        return self._wiring().serving.draining

    def stats(self) -> dict[str, int]:
        """Return counts: `live` views now; `fresh`, `restored`, … mounts and outcomes of hand-overs so far.

        Any thread may ask.
        """
        return self._host().stats()

    def seal(self, value: Any, *, purpose: str) -> str:
        """Encrypt and authenticate a value for the application's own use.

        Args:
            value: whatever MessagePack can hold.
            purpose: a token of one purpose does not open under another.
        """
        host = self._host()
        return host.sealer.seal(
            msgspec.msgpack.encode(value), Context("application", (purpose,)), version=0, now=host.now()
        )

    def open(self, token: str, *, purpose: str, max_age: float | None = None) -> Any:
        """Open what `seal` returned.

        Raises:
            TokenError: tampered with, of another purpose, or older than `max_age` seconds.
        """
        host = self._host()
        context = Context("application", (purpose,))
        return msgspec.msgpack.decode(
            host.sealer.open(token, context, max_age=max_age, now=host.now()).payload
        )

    async def sign_page(
        self,
        view: str | None = None,
        values: Mapping[str, Any] | None = None,
        /,
        *,
        max_age: float | None = None,
        **named: Any,
    ) -> str:
        """Sign readable values for the socket that this page opens; the view has them as `view.page`.

        Args:
            view: the name of the one view that may take them; default: any.
            values: what JSON can hold, as a mapping: for names that are no keywords here, such as `max_age`.
            max_age: seconds after which they can't begin a view any more; one that goes on is not cut. Default: never.
            named: what JSON can hold, by name.

        Raises:
            ConfigurationError: `max_age` is not a number of seconds above 0.
            TypeError, ValueError: a value is not JSON's.
        """
        self._wiring().check_name(view)
        host = self._host()
        if max_age is not None and not (type(max_age) in (int, float) and 0 < max_age < _CENTURY):
            raise ConfigurationError(
                "max_age of page params is a number of seconds above 0; a value of this name goes into a mapping: "
                'sign_page(None, {"max_age": …})'
            )
        expires = None if max_age is None else host.now() + max_age
        return host.pages.sign(
            {**(values or {}), **named}, identity=await self._page_identity(), view=view, expires=expires
        )

    async def script(self, nonce: str | None = None) -> Markup:
        """Return the script tag; in templates `{{ stash_script() }}`.

        Raises:
            ConfigurationError: no request is being answered.
        """
        checks.check_request()
        host = self._host()
        identity = await self._page_identity()
        return host.assets.tag(
            root=request.root_path.rstrip("/"),
            build=host.build,
            identity=identity_tag(session_secret(session, create=True), identity),
            limits=host.limits,
            nonce=nonce,
        )

    async def _page_identity(self) -> str | None:
        session_secret(session, create=True)
        return await self.identity()

    async def _page_meta(
        self, view: str | None = None, values: Mapping[str, Any] | None = None, /, **named: Any
    ) -> Markup:
        return page_meta(await self.sign_page(view, values, **named))

    def _wiring(self) -> Wiring:
        return wiring_of(cast("Any", current_app)._get_current_object() if current_app else self._app)

    def _host(self) -> Host:
        return self._wiring().serving.any()


async def _receive_of_a_view() -> NoReturn:
    raise ConfigurationError(RECEIVE_OF_A_VIEW)


def _stash_clear(form: str) -> Markup:
    checks.check_form(form)
    return clear_meta(form)
