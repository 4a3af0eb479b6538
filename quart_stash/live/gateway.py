"""The ASGI side of one application: wraps it, knows its sockets, and notices that the server is leaving."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from ..config import StashConfig
from ..core.handshake import header
from ..core.origin import Origins
from ..errors import ConfigurationError
from ..shown import shown
from .drainer import Drainer, Notify
from .handover import summary
from .inbox import PATIENCE
from .mainloop import MainLoop, find_main_loop, let_go
from .notices import Notices, audible
from .registry import Registry
from .server import ServerInfo, server_around
from .shutdown import HypercornContext, ShutdownTrigger, SignalChain
from .socket import CLOSE_GRACE, SCOPE_KEY, ASGIReceive, ASGISend, Scope, Socket
from .sweeper import Sweeper
from .transport import cut

__all__ = ["Gateway"]

logger: logging.Logger = logging.getLogger("quart_stash")

ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]

_MARGIN = 0.25  # seconds between the end of our drain and the server's own limit
_LOOKS, _BETWEEN_LOOKS = 100, 0.02  # for what a server makes once the application has started, in seconds

_LOST = (
    "%s's worker context was not found, so its workers don't notice a shutdown: views are cut, and the process may "
    "never leave. Serve with `%s -w 0`, or with %s.asyncio.serve(app, config, "
    "shutdown_trigger=stash.shutdown_trigger), or await stash.drain() before you stop it"
)
_CUTS = (
    "Granian's signal was not found, and it cuts its connections as soon as it is told to stop: "
    "await stash.drain() before you stop it"
)


class Gateway:
    """One application in one process.

    Attributes:
        registry: the live sockets.
        drainer: the drain.
        notices: what is said once to whoever runs the application.
        trigger: for servers that take a shutdown trigger.
        patience: seconds for which a full inbox may pause its socket.
    """

    def __init__(
        self,
        config: StashConfig,
        *,
        notify: Notify,
        trigger: ShutdownTrigger | None = None,
        notices: Notices | None = None,
    ) -> None:
        audible()
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.notices: Notices = notices or Notices()
        self.registry: Registry = Registry()
        self.drainer: Drainer = Drainer(self.registry, rate=config.reconnect_rate, notify=notify)
        self.trigger: ShutdownTrigger = trigger or ShutdownTrigger()
        self._sweeper = Sweeper(
            self.registry,
            silence=config.silence_timeout,
            max_age=config.max_connection_age,
            hand_over=lambda old: self._hand_over(self.drainer.staying(old)),
        )
        self.patience: float = PATIENCE
        self._config = config
        self._origins = Origins(config.allowed_origins)
        self._timeout = config.shutdown_timeout
        self._context = HypercornContext()
        self._main_loop: MainLoop | None = None
        self._server: ServerInfo | None = None
        self._signals = False  # whether signals can be noticed
        self._introduced = False
        self._introduction: asyncio.Task[None] | None = None
        self._shutting_down = False

    async def __call__(self, app: ASGIApp, scope: Scope, receive: ASGIReceive, send: ASGISend) -> None:
        """Serve one ASGI scope of `app`."""
        kind = scope["type"]
        if kind == "lifespan":
            await self._lifespan(app, scope, receive, send)
            return
        if not self._introduced:
            self._watch_main_loop(send)
            self._introduce(self._find())
        if kind == "websocket":
            await self._websocket(app, scope, receive, send)
        else:
            await app(scope, receive, send)

    @property
    def draining(self) -> bool:
        """Whether the server is leaving."""
        return self.drainer.draining

    async def rebalance(self, fraction: float) -> dict[str, int]:
        """Hand a random share of the live views over, and go on serving.

        Raises:
            ConfigurationError: `fraction` is not more than 0, and 1 at most.
        """
        if not 0 < fraction <= 1:
            raise ConfigurationError(f"a share of the views is more than 0, and 1 at most, not {fraction!r}")
        views = self.drainer.staying(self.registry.views())
        if self.draining or not views:
            return {}
        share = secrets.SystemRandom().sample(views, max(1, round(fraction * len(views))))
        logger.info("handing over: %d of %d views", len(share), len(views))
        outcomes = await asyncio.shield(self._hand_over(share, "handing over"))
        logger.info("handed over: %s", summary(outcomes, len(share)))
        return dict(outcomes)

    def hand_over(self, view: Socket) -> None:
        """Hand one view over, unless that is being done."""
        if views := self.drainer.staying([view]):
            self._hand_over(views)

    def _hand_over(self, views: Sequence[Socket], label: str = "") -> asyncio.Task[Counter[str]]:
        return self.drainer.hand_over(views, timeout=self._config.shutdown_timeout, label=label)

    # What the ways of shutdown.py call.

    def leave(self, reason: str) -> asyncio.Task[None]:
        """Begin the drain, or return the one that runs."""
        task = self.drainer.start(self._timeout, reason)
        self.trigger.fire()
        return task

    def skip(self) -> None:
        """End the drain now."""
        self.drainer.skip()

    def leaving(self) -> bool:
        """Whether the server itself has begun to shut down, or will without being told."""
        return self._shutting_down or self.trigger.used or self._context.terminated

    # Scopes.

    async def _websocket(self, app: ASGIApp, scope: Scope, receive: ASGIReceive, send: ASGISend) -> None:
        if SCOPE_KEY in scope:
            self.notices.say(
                logging.ERROR,
                "",
                "quart_stash wraps this application twice, and the outer one cuts views at a shutdown: "
                "use one QuartStash, or one StashMiddleware around all",
            )
        socket = Socket(scope, receive, send, refusing=lambda: self.draining, notices=self.notices)
        await self._connection(app, socket)
        if socket.closed and not socket.accepted:
            await let_go(receive, send, within=CLOSE_GRACE)

    async def _connection(self, app: ASGIApp, socket: Socket) -> None:
        scope = socket.scope
        if not self._origin_allowed(scope):
            await socket.refuse(403, [])
            return
        if self.draining:
            await socket.refuse(503, [(b"retry-after", b"1")])
            return
        self.registry.add(socket)
        self._sweeper.start()
        try:
            await app({**scope, SCOPE_KEY: socket}, socket.receive, socket.send)
        except Exception:
            if not socket.forced:
                raise
        finally:
            socket.end()
            if socket.feed is not None:
                socket.feed.gone()
            self.registry.cut += socket.cut and not self.draining
            self.registry.remove(socket)
            if not len(self.registry):
                self._sweeper.stop()
            if socket.stuck and scope.get("http_version") != "2":  # there it would take others along
                cut(socket)

    def _origin_allowed(self, scope: Scope) -> bool:
        headers = scope["headers"]
        scheme = "https" if scope.get("scheme") == "wss" else "http"
        origin, host = header(headers, b"origin"), header(headers, b"host")
        if self._origins.allow(origin, host, scheme):
            return True
        origin = shown(origin)
        self.notices.say(
            logging.WARNING,
            origin,
            "a socket at %s was refused with 403: the page's Origin is %s, and the Host header is %s. If the page "
            "is yours, add its origin to STASH_ALLOWED_ORIGINS, or let the proxy pass the Host header on",
            shown(scope.get("path")),
            origin,
            shown(host),
        )
        return False

    async def _lifespan(self, app: ASGIApp, scope: Scope, receive: ASGIReceive, send: ASGISend) -> None:
        async def receiving() -> Any:
            event = await receive()
            if event["type"] == "lifespan.shutdown":
                self._shutting_down = True
                if not self.draining and self.registry.cut:
                    logger.warning(
                        "this server has cut %d views, and did not let its shutdown be noticed before: "
                        "they were not handed back; await drain() before you stop it",
                        self.registry.cut,
                    )
                if not self.draining and self.registry.views():
                    logger.warning(
                        "this server did not let its shutdown be noticed: "
                        "views are drained only now, which is too late for most; "
                        "pass shutdown_trigger, or await drain() before it"
                    )
                await self.leave("lifespan shutdown")
            return event

        async def sending(event: Any) -> None:
            if event["type"] == "lifespan.startup.complete":
                self.arrive()
            await send(event)

        self._watch_main_loop(send)
        try:
            await app(scope, receiving, sending)
        finally:
            # Where nothing was found the application does not know lifespan, and goes on.
            self._shutting_down = self._server is not None
            self._context.stop()
            if self._introduction is not None:
                self._introduction.cancel()
            if self._main_loop is not None:
                self._main_loop.stop(self)
                self._main_loop = None
            SignalChain.leave(self)

    # How a shutdown will be noticed.

    def _watch_main_loop(self, send: ASGISend) -> None:
        """Notice also a server that leaves without a signal, and see how soon it wants its pings answered."""
        if self._main_loop is not None or (main_loop := find_main_loop(send)) is None:
            return
        self._main_loop = main_loop
        main_loop.watch(self)
        if main_loop.pong_limit is not None:
            self.patience = min(self.patience, main_loop.pong_limit / 4)

    def arrive(self) -> None:
        """Serving begins, and a server calls us: install the ways that fit it, and say which they are."""
        if self._introduction is None and not self._introduced:
            self._introduction = self.loop.create_task(self._introduce_soon(self._find()))

    def _find(self) -> ServerInfo:
        if self._server is None:
            self._server = server_around()
            self._server.hold_back()
            self._signals = SignalChain.listen(self)
        return self._server

    async def _introduce_soon(self, server: ServerInfo) -> None:
        """Introduce ourselves once all is known: Hypercorn makes its context after the application has started.

        Where it takes longer than this the first scope does it, which comes later than that.
        """
        for _ in range(_LOOKS):
            if self._introduced:
                return
            if not server.has_context or self._context.look(server, self):
                self._introduce(server)
                return
            await asyncio.sleep(_BETWEEN_LOOKS)

    def _introduce(self, server: ServerInfo) -> None:
        """Say which ways there are to notice a shutdown: those that will work. If there is none, say what to do."""
        self._introduced = True
        found = self._context.look(server, self)
        lost = server.polls and not found
        cuts = server.name == "granian" and not (server.stop and self._signals)
        ways = [self._context.name] if found else []
        if self._signals and not lost and not cuts:
            ways.append(SignalChain.name)
        if self._main_loop is not None:
            ways.append(self._main_loop.name)
        if self.trigger.used:
            ways.append(ShutdownTrigger.name)
        logger.info(
            "shutdown%s is noticed by %s; drain within %.1f s",
            f" under {server.name}" if server.name else "",
            " and ".join(ways) or "nothing but lifespan (await drain() yourself)",
            self._timeout,
        )
        if lost:
            logger.error(_LOST, server.name.capitalize(), server.name, server.name)
        if cuts:
            logger.warning(_CUTS)
        self._fit(server.limit or (self._main_loop.limit if self._main_loop is not None else None))

    def _fit(self, limit: tuple[float, str] | None) -> None:
        """Cut the drain's time to what the server leaves."""
        if limit is not None and limit[0] < self._config.shutdown_timeout:
            self._timeout = max(0.2, limit[0] - _MARGIN)
            logger.warning(
                "%s is %.1f s, shorter than STASH_SHUTDOWN_TIMEOUT (%.1f s): "
                "views are drained within %.2f s; raise it",
                limit[1],
                limit[0],
                self._config.shutdown_timeout,
                self._timeout,
            )
