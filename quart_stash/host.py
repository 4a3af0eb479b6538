"""One application's stash in one process: its keys and its gateway, and how a socket becomes a view."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from .assets import Assets
from .config import StashConfig
from .core import frames
from .core.events import Outcome
from .core.keys import Keyring
from .core.pages import PageSigner
from .core.tokens import Sealer
from .errors import ConfigurationError
from .live.gateway import ASGIApp, Gateway
from .live.notices import Notices
from .live.session import Session
from .live.shutdown import ShutdownTrigger
from .live.socket import SCOPE_KEY, ASGIReceive, ASGISend, Scope, Socket
from .mounter import Mounter, ViewType
from .owners import Owners
from .view import View

__all__ = ["Host", "NotMounted"]

S = TypeVar("S")

logger: logging.Logger = logging.getLogger("quart_stash")


class NotMounted(Exception):
    """The connection was over before anything was mounted."""


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
        self._owners = Owners()
        self._mounter = Mounter(
            config,
            self.sealer,
            self.pages,
            build=self.build,
            notices=self.notices,
            notify=notify,
            now=lambda: self.now(),  # noqa: PLW0108 - whoever sets it sets it for all
        )

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
        if socket.closed:  # its client gave up before its handler ran
            session.gone()
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
        try:
            with self._owners.owning(session, identity):
                owner = await self._owners.check(session, identity)
                view = await self._mounter.mount(session, view_type, arguments or {}, owner, page_tag)
                self.gateway.registry.counts[view.status] += 1
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

    async def close_views(self, identity: str) -> int:
        """Close every view in this process that belongs to somebody. See `Owners.close`."""
        return await self._owners.close(identity)

    def _drained(self, view_type: ViewType[Any], session: Session, outcome: Outcome) -> None:
        self.gateway.registry.outcomes[outcome] += 1
        self._notify("view_drained", view=view_type.name, id=session.view_id, outcome=outcome)
