"""One application's stash in one process: its keys and its gateway, and how a socket becomes a view."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, NoReturn, TypeGuard, TypeVar

import msgspec

from .assets import Assets
from .config import StashConfig
from .core import frames
from .core.events import Outcome
from .core.handshake import host_of, requested_path
from .core.keys import Keyring
from .core.merge import merge
from .core.pages import Page, PageSigner, digest
from .core.state import StateType
from .core.tokens import Binding, Sealer
from .errors import ConfigurationError, ProtocolError, TokenRefused, TokenUnjudgeable
from .forms import Pushed
from .live.gateway import ASGIApp, Gateway
from .live.handover import part
from .live.notices import Notices
from .live.session import Session
from .live.shutdown import ShutdownTrigger
from .live.socket import SCOPE_KEY, ASGIReceive, ASGISend, Scope, Socket
from .live.tasks import Tasks
from .shown import shown
from .view import Mounting, View

__all__ = ["Host", "NotMounted", "ViewType", "check_identity"]

S = TypeVar("S")

logger: logging.Logger = logging.getLogger("quart_stash")


class NotMounted(Exception):
    """The connection was over before anything was mounted."""


@dataclass(frozen=True)
class ViewType(Generic[S]):
    """What a route declares about its view.

    Attributes:
        name: tells it from other views; its tokens are bound to it.
        state_type: the declared state, its version and migrations.
    """

    name: str
    state_type: StateType[S]


class Host:
    """One application in one process.

    Attributes:
        config: as configured.
        sealer: seals and opens tokens.
        pages: signs and verifies page params.
        assets: the script.
        build: the running build.
        notices: what is said once to whoever runs the application.
        now: the clock, in seconds since the epoch.
    """

    def __init__(
        self,
        config: StashConfig,
        keyring: Keyring,
        *,
        notify: Callable[..., None] = lambda *_, **__: None,
        trigger: ShutdownTrigger | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.config = config
        self.sealer: Sealer = Sealer(keyring)
        self.pages: PageSigner = PageSigner(keyring)
        self.assets: Assets = Assets(config.url_prefix)
        self.notices: Notices = Notices()
        self._gateway: Gateway | None = None
        self.build: str = config.build or self.assets.digest
        self._notify = notify
        self._trigger = trigger
        self.now = now
        self._owned: dict[str, set[Session]] = {}  # by whom they belong to, from before they are mounted
        self._closing = Tasks()
        self._misidentified = False

    @property
    def gateway(self) -> Gateway:
        """The sockets and the drain, in the loop that asked first: what seals and signs needs neither."""
        if self._gateway is None:
            self._gateway = Gateway(
                self.config, notify=self._notify, trigger=self._trigger, notices=self.notices
            )
        return self._gateway

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that it serves in."""
        return self.gateway.loop

    @property
    def over(self) -> bool:
        """Whether it serves nothing: not yet, or not any more."""
        return self._gateway is None or self._gateway.loop.is_closed()

    @property
    def draining(self) -> bool:
        """Whether a drain runs or has run."""
        return self._gateway is not None and self._gateway.draining

    def stats(self) -> dict[str, int]:
        """Return counts, in any thread: `live` views now; mounts and outcomes of hand-overs so far."""
        return {"live": 0} if self._gateway is None else self._gateway.registry.stats()

    async def drain(self, reason: str) -> None:
        """Hand every view back to its client, for good. Returns when it is done."""
        await asyncio.shield(self.gateway.leave(reason))

    @property
    def limits(self) -> frames.Limits:
        """What a client may send."""
        return frames.Limits(self.config.max_message_size, self.config.max_mount_size)

    async def serve(self, app: ASGIApp, scope: Scope, receive: ASGIReceive, send: ASGISend) -> None:
        """Serve one ASGI scope: our own endpoints, else the application behind the gateway."""
        if scope["type"] == "http" and await self.assets.serve(
            scope, send, draining=lambda: self.gateway.draining
        ):
            return
        await self.gateway(app, scope, receive, send)

    async def session(self, scope: Mapping[str, Any], view_type: ViewType[Any]) -> Session:
        """Return a session that takes over the socket of this scope. Accept the socket after it, not before.

        Raises:
            ConfigurationError: the middleware is not between the server and this view, or it has one already.
            NotMounted: the socket was accepted before. It is closed, and that was said.
        """
        if scope["type"] != "websocket":
            raise ConfigurationError(f"a view needs a WebSocket, and this is the scope of {scope['type']!r}")
        socket = scope.get(SCOPE_KEY)
        if not isinstance(socket, Socket):
            raise ConfigurationError(
                "this view is not behind quart_stash: "
                "call init_app(app), or wrap the application in StashMiddleware"
            )
        if socket.feed is not None:
            raise ConfigurationError("this socket has a view already: mount one on each socket")
        if socket.accepted:
            await socket.turn_away()
            raise NotMounted
        session = Session(
            socket,
            config=self.config,
            sealer=self.sealer,
            now=self.now,
            on_outcome=lambda session, outcome: self._drained(view_type, session, outcome),
            on_behind=lambda session: self.gateway.hand_over(session.socket),
            patience=self.gateway.patience,
        )
        socket.feed = session
        return session

    @asynccontextmanager
    async def mounted(
        self,
        session: Session,
        view_type: ViewType[S],
        *,
        arguments: Mapping[str, Any] | None = None,
        identity: object = None,
        page_tag: str | None = None,
    ) -> AsyncIterator[View[S]]:
        """Mount a view on an accepted socket, and end it as its handler ends.

        Where nothing can be mounted, this waits: the connection is closed, and the framework cancels the
        handler.

        Args:
            session: of the socket.
            view_type: what the route declares.
            arguments: what tokens are bound to besides the path.
            identity: who the connection belongs to. Anything but text or `None` ends it for good, and is logged once.
            page_tag: what a page that was rendered for this identity says; None: it is not looked at.
        """
        session.begin()
        owned = self._owned.setdefault(identity, set()) if isinstance(identity, str) else set()
        owned.add(session)
        try:
            if not _is_identity(identity):
                await self._misidentify(session, identity)
            view = await self._mount(session, view_type, arguments or {}, identity, page_tag)
            yield view
        except Exception:
            await session.fail()
            raise
        except asyncio.CancelledError:
            await session.abandon()
            raise
        else:
            await session.finish()
        finally:
            session.verbs.end()
            owned.discard(session)
            if isinstance(identity, str) and not owned:
                self._owned.pop(identity, None)

    async def close_views(self, identity: str) -> int:
        """Close what belongs to somebody, in this process, with 1008: their clients do not come back by themselves.

        Nobody waits for a peer: one that does not read is cut off after the usual grace.

        Returns:
            How many connections were closed; one that was about to be mounted counts.

        Raises:
            ConfigurationError: it is no identity, or `None`, which is nobody in particular.
        """
        if not isinstance(identity, str):
            raise ConfigurationError(
                f"close_views takes the identity that identity_loader returns, a str, not {type(identity).__name__}"
            )
        closing = [
            session
            for session in self._owned.get(identity, ())
            if not (session.socket.closed or session.ending)
        ]
        for session in closing:
            self._closing.start(part(session.socket, session.dismiss(1008, "logged out")))
        await asyncio.sleep(0)  # they have begun: nothing of these views counts from here on
        return len(closing)

    async def _misidentify(self, session: Session, identity: object) -> NoReturn:
        """End a connection that belongs to something that is no identity; retried, it would fail for ever."""
        if not self._misidentified:
            self._misidentified = True
            logger.error("quart_stash: %s", _no_identity(identity))
        await session.dismiss(1008, "the server can't tell who this is")
        await session.verbs.wait_for_end()

    async def _mount(
        self,
        session: Session,
        view_type: ViewType[S],
        arguments: Mapping[str, Any],
        identity: str | None,
        page_tag: str | None,
    ) -> View[S]:
        mount = await session.opened()
        foreign = page_tag is not None and mount.identity is not None and mount.identity != page_tag
        if foreign:
            # Somebody else has logged in since the page was rendered: nothing that was typed there is theirs.
            mount = msgspec.structs.replace(mount, params={}, forms={}, empty={})
        page = await self._page(session, mount, view_type.name, identity)
        old = page.expires is not None and page.expires < self.now()
        binding = _binding(session.socket.scope, view_type.name, arguments, identity, mount.page)
        try:
            merged = merge(
                view_type.state_type,
                self.sealer,
                binding.view(),
                token=mount.token,
                params=mount.params,
                sent=mount.sent,
                fork=mount.fork,
                anyway=mount.anyway,
                foreign=foreign,
                new_id=secrets.token_urlsafe(12),
                max_age=self.config.token_max_age,
                max_size=self.config.max_state_size,
                now=self.now(),
            )
        except TokenUnjudgeable as error:
            self._unjudgeable(shown(view_type.name), error)
            await session.defer(4409, "can't judge this token")
            await session.verbs.wait_for_end()
        except ProtocolError as error:
            await session.defer(error.close_code, str(error))
            await session.verbs.wait_for_end()
        if old and merged.status != "restored":
            # A view that goes on was begun while they were good. Any process finds them as old: no 4409.
            await session.defer(1008, "the page params have expired: reload the page")
            await session.verbs.wait_for_end()
        if merged.error is not None:
            logger.info("a token for %s was rejected: %s", shown(view_type.name), merged.error)
            self._notify("token_rejected", view=view_type.name, reason=merged.reason, error=merged.error)
        elif merged.status == "rejected":
            logger.info(
                "a page of another user mounted %s: the messages that it held are lost", view_type.name
            )
        await session.start(merged, view_type.state_type, binding, fork=mount.fork, build=self.build)
        status = "plain" if session.plain else merged.status
        self.gateway.registry.counts[status] += 1
        self._notify("view_mounted", view=view_type.name, id=merged.view_id, status=status)
        if status == "restored":
            self._notify("view_restored", view=view_type.name, id=merged.view_id, received=merged.received)
        mounting = Mounting(
            id=merged.view_id,
            status=status,
            reason=merged.reason,
            lineage=merged.lineage,
            pushed=Pushed(mount.params, mount.forms, mount.empty),
            invalid=merged.invalid,
            page=page.values,
            identity=identity,
        )
        return View(session, mounting)

    def _unjudgeable(self, view: str, error: TokenUnjudgeable) -> None:
        """Say why a token is left to another process. For an unknown key, that may be nobody's but a mistake's."""
        if error.key_id is None:
            logger.info("a token for %s can't be judged here (%s): left to another process", view, error)
            return
        self.notices.say(
            logging.WARNING,
            "",
            "a token for %s has a key that this process does not know (%s), and is left to another process. "
            "If there is none with that key: was SECRET_KEY changed? Put the old one into SECRET_KEY_FALLBACKS, "
            "or such views begin anew",
            view,
            error.key_id,
        )

    async def _page(self, session: Session, mount: frames.Mount, view: str, identity: str | None) -> Page:
        """Verify the page params. Forged ones end here, but another process may hold their key."""
        if mount.page is None:
            return Page({}, None)
        try:
            return self.pages.verify(mount.page, identity=identity, view=view)
        except TokenRefused as error:
            self.notices.say(
                logging.INFO,
                shown(view),
                "page params for %s were refused (%s): somebody else has logged in since the page was rendered, "
                "or SECRET_KEY was changed without the old one in SECRET_KEY_FALLBACKS",
                shown(view),
                error,
            )
            if mount.anyway:
                await session.defer(1008, "the page params were refused: reload the page")
            else:
                await session.defer(4409, "can't judge these page params")
            await session.verbs.wait_for_end()

    def _drained(self, view_type: ViewType[Any], session: Session, outcome: Outcome) -> None:
        self.gateway.registry.outcomes[outcome] += 1
        self._notify("view_drained", view=view_type.name, id=session.view_id, outcome=outcome)


def check_identity(identity: object) -> str | None:
    """Return who a connection belongs to.

    Raises:
        ConfigurationError: it is neither text nor `None`.
    """
    if not _is_identity(identity):
        raise ConfigurationError(_no_identity(identity))
    return identity


def _is_identity(identity: object) -> TypeGuard[str | None]:
    return identity is None or isinstance(identity, str)


def _no_identity(identity: object) -> str:
    """Say what is wrong with an identity, without showing it."""
    return (
        f"identity_loader returned a {type(identity).__name__}: an identity is a str, or None for nobody in "
        "particular; for a user's number return str(user.id)"
    )


def _binding(
    scope: Scope, view: str, arguments: Mapping[str, Any], identity: str | None, page: str | None
) -> Binding:
    """Return what a token of this mount is bound to.

    The path as it was requested, and not what a route makes of it: other objects may have the same text. The root
    path besides, because some servers take it off the path and some do not.

    Raises:
        ConfigurationError: the application binds what JSON can't hold.
    """
    parts = (
        view,
        scope.get("root_path", ""),
        requested_path(scope.get("raw_path"), scope["path"]),
        scope["query_string"].decode("latin-1"),
        host_of(scope["headers"]),
        "" if identity is None else "=" + identity,  # nobody is not the one whose name is empty
        digest(page),
    )
    if not arguments:
        return Binding(parts)
    try:
        return Binding((*parts, json.dumps(dict(arguments), sort_keys=True, allow_nan=False)))
    except (TypeError, ValueError):
        raise ConfigurationError("`arguments` of mount_view holds what JSON can't: make it a str") from None
