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
from typing import Any, Generic, TypeVar

import msgspec

from .assets import Assets
from .config import StashConfig
from .core import frames
from .core.events import Outcome
from .core.keys import Keyring
from .core.merge import merge
from .core.pages import PageSigner, digest
from .core.state import StateType
from .core.tokens import Binding, Sealer
from .errors import ConfigurationError, ProtocolError, TokenRefused, TokenUnjudgeable
from .forms import StashedForm
from .live.gateway import ASGIApp, Gateway
from .live.session import Session
from .live.shutdown import ShutdownTrigger
from .live.socket import SCOPE_KEY, ASGIReceive, ASGISend, Scope, Socket
from .shown import shown
from .view import Mounting, View

__all__ = ["Host", "NotMounted", "ViewType"]

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
        gateway: the sockets and the drain.
        build: the running build.
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
        self.gateway: Gateway = Gateway(config, notify=notify, trigger=trigger)
        self.build: str = config.build or self.assets.digest
        self._notify = notify
        self.now = now

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
        )
        socket.feed = session
        return session

    @asynccontextmanager
    async def mounted(
        self,
        session: Session,
        view_type: ViewType[S],
        *,
        arguments: Mapping[str, Any],
        identity: str | None,
        page_tag: str | None = None,
    ) -> AsyncIterator[View[S]]:
        """Mount a view on an accepted socket, and end it as its handler ends.

        Where nothing can be mounted, this waits: the connection is closed, and the framework cancels the
        handler.

        Args:
            session: of the socket.
            view_type: what the route declares.
            arguments: the route's, which tokens are bound to.
            identity: who the connection belongs to.
            page_tag: what a page that was rendered for this identity says; None: it is not looked at.
        """
        session.begin()
        try:
            view = await self._mount(session, view_type, arguments, identity, page_tag)
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
                now=self.now(),
            )
        except TokenUnjudgeable as error:
            self._unjudgeable(shown(view_type.name), error)
            await session.defer(4409, "can't judge this token")
            await session.verbs.wait_for_end()
        except ProtocolError as error:
            await session.defer(error.close_code, str(error))
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
        forms = {
            name: StashedForm(mount.forms.get(name, ()), mount.empty.get(name, ()))
            for name in {**mount.forms, **mount.empty}
        }
        mounting = Mounting(
            merged.view_id, status, merged.reason, mount.params, merged.invalid, forms, page, identity
        )
        return View(session, mounting)

    def _unjudgeable(self, view: str, error: TokenUnjudgeable) -> None:
        """Say why a token is left to another process. For an unknown key, that may be nobody's but a mistake's."""
        if error.key_id is None:
            logger.info("a token for %s can't be judged here (%s): left to another process", view, error)
            return
        self.gateway.notices.say(
            logging.WARNING,
            "",
            "a token for %s has a key that this process does not know (%s), and is left to another process. "
            "If there is none with that key: was SECRET_KEY changed? Put the old one into SECRET_KEY_FALLBACKS, "
            "or such views begin anew",
            view,
            error.key_id,
        )

    async def _page(
        self, session: Session, mount: frames.Mount, view: str, identity: str | None
    ) -> Mapping[str, Any]:
        """Verify the page params. Forged ones end here, but another process may hold their key."""
        if mount.page is None:
            return {}
        try:
            return self.pages.verify(mount.page, identity=identity, view=view)
        except TokenRefused as error:
            self.gateway.notices.say(
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


def _binding(
    scope: Scope, view: str, arguments: Mapping[str, Any], identity: str | None, page: str | None
) -> Binding:
    """Return what a token of this mount is bound to."""
    return Binding(
        (
            view,
            json.dumps({name: str(value) for name, value in arguments.items()}, sort_keys=True),
            scope["query_string"].decode("latin-1"),
            _host_header(scope),
            identity or "",
            digest(page),
        )
    )


def _host_header(scope: Mapping[str, Any]) -> str:
    for name, value in scope["headers"]:
        if name.lower() == b"host":
            host: str = value.decode("latin-1").lower()
            return host
    return ""
