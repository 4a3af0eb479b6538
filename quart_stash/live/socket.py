"""One WebSocket of the server, view or not: the middleware owns its `receive` and `send`.

Owning them is what lets the process leave. A framework keeps a connection's task until it hears
`websocket.disconnect`; a peer that is stopped never makes the server say it. So the socket says it itself,
once it has been closed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from ..core.events import Outcome
from ..core.frames import SUBPROTOCOL
from ..errors import ConfigurationError
from ..shown import shown
from .notices import Notices
from .server import is_open_tls, queued_on, transport_behind

__all__ = [
    "CLOSE_GRACE",
    "RECEIVE_OF_A_VIEW",
    "SCOPE_KEY",
    "ASGIReceive",
    "ASGISend",
    "Feed",
    "Scope",
    "Socket",
]

Scope = MutableMapping[str, Any]
ASGIReceive = Callable[[], Awaitable[MutableMapping[str, Any]]]
ASGISend = Callable[[MutableMapping[str, Any]], Awaitable[None]]

SCOPE_KEY = "quart_stash"
"""Where the middleware leaves the `Socket` in the ASGI scope."""

CLOSE_GRACE = 1.0
"""Seconds that a peer has to answer a close frame, before the application is told that it is gone."""

logger: logging.Logger = logging.getLogger("quart_stash")

RECEIVE_OF_A_VIEW = (
    "a view's messages go to the view, so the websocket's own receive() would wait for ever: "
    "use `async for message in view`, or view.receive()"
)
"""What is said to a handler that receives from its socket."""

_NO_VIEW = 4404  # the close code: the route may be a view in another process, so the client comes again


class Feed(Protocol):
    """What takes over a socket's incoming frames: a view's session.

    Attributes:
        outcome: how the hand-over of the view ended, once it has.
    """

    outcome: Outcome | None

    @property
    def live(self) -> bool:
        """Whether a view is mounted that can be handed back."""

    @property
    def ending(self) -> bool:
        """Whether a view has ended, and the peer has yet to read what is said last."""

    @property
    def paused(self) -> bool:
        """Whether it takes no frames, since too many wait for the handler."""

    async def feed(self, data: str | bytes) -> None:
        """Take one frame."""

    def gone(self) -> None:
        """The connection is over."""

    async def drain(self, drain: str, deadline: int, delay: int) -> None:
        """The view is to leave this process: begin the handshake."""

    async def expire(self) -> None:
        """The time for the drain is up."""

    async def silent(self) -> None:
        """Nothing was heard for too long."""

    def force(self) -> bool:
        """End a handler that ignores its cancellation."""


class Socket:
    """One WebSocket between the server and the application.

    Attributes:
        scope: the ASGI scope.
        feed: takes the frames of a view; `None` for a socket that is none, whose events the application gets.
        accepted: whether the handshake was accepted.
        closed: whether this side has closed it, or it is gone.
        stuck: whether the close frame could not be written: the peer has stopped reading.
        heard: whether a frame of a view was taken since this was last set to false.
        sending: how many frames are being sent.
        sent: how many frames were sent.
        grace: seconds that the peer has to take the close frame and to answer it.
        notices: what is said once to whoever runs the application.
        cut: whether the server itself has closed a live view, as it leaves.
        forced: whether the application's part was ended against its will; what it raises then says nothing.
        transport: the connection itself, where the server lets it be found.
    """

    def __init__(
        self,
        scope: Scope,
        receive: ASGIReceive,
        send: ASGISend,
        *,
        refusing: Callable[[], bool],
        notices: Notices | None = None,
    ) -> None:
        self.scope = scope
        self.feed: Feed | None = None
        self.accepted: bool = False
        self.closed: bool = False
        self.stuck: bool = False
        self.heard: bool = True
        self.sending: int = 0
        self.sent: int = 0
        self.grace: float = CLOSE_GRACE
        self.notices: Notices = notices or Notices()
        self.cut: bool = False
        self.forced: bool = False
        self.transport: asyncio.WriteTransport | None = transport_behind(send, receive)
        self._receive = receive
        self._send = send
        self._refusing = refusing
        self._over = False
        self._interrupt: asyncio.Timeout | None = None

    async def receive(self) -> MutableMapping[str, Any]:
        """Return the next event for the application; the frames of a view are fed to its session instead.

        Raises:
            ConfigurationError: the handler of a view receives from the socket itself.
        """
        if self._interrupt is not None and self.feed is not None:
            raise ConfigurationError(RECEIVE_OF_A_VIEW)
        try:
            async with asyncio.timeout(None) as self._interrupt:
                while not self._over:
                    event = await self._receive()
                    kind = event["type"]
                    if kind == "websocket.disconnect":
                        self.cut = event.get("code") == 1012 and self.feed is not None and self.feed.live
                        self._gone()
                        return event
                    if self.feed is None or kind != "websocket.receive":
                        return event
                    data = event.get("text")
                    if data is None:
                        data = event.get("bytes") or b""
                    await self.feed.feed(data)
                    self.heard = True
                    del event, data  # a peer may say nothing more for hours
        except TimeoutError:
            if not self._over:
                raise
        finally:
            self._interrupt = None
        self._gone()
        return {"type": "websocket.disconnect", "code": 1012, "reason": "service restart"}

    async def send(self, event: MutableMapping[str, Any]) -> None:
        """Pass on an event of the application, unless this side has already closed the socket.

        Raises:
            ConfigurationError: the handler of a view sends on the socket itself.
        """
        kind = event["type"]
        if kind == "websocket.accept":
            if self._refusing():
                await self.refuse(503, [(b"retry-after", b"1")])
                return
            if self._awaits_a_view and event.get("subprotocol") is None:
                await self.turn_away()
                return
            self.accepted = True
        if self.closed and (self._over or kind != "websocket.http.response.body"):
            return
        if kind == "websocket.close" and self.accepted:
            await self.close(event.get("code", 1000), event.get("reason") or "")
            return
        if kind in ("websocket.close", "websocket.http.response.start"):
            self.closed = True  # the application itself answers the handshake
        if kind == "websocket.send" and self.feed is not None:
            raise ConfigurationError(
                "a view's client expects the frames of quart_stash: "
                "use view.send() or view.send_json(), not the websocket's send()"
            )
        await self._send(event)

    async def send_frame(self, data: str | bytes) -> None:
        """Send one frame, unless the socket is closed. A connection that breaks is an end, and no error."""
        if self.closed:
            return
        text = data if isinstance(data, str) else None
        self.sending += 1
        try:
            await self._send(
                {"type": "websocket.send", "text": text, "bytes": None if text is not None else data}
            )
            self.sent += 1
        except Exception as error:
            self.end()  # whatever a server says of a connection on which it can't send: it is over
            if not isinstance(error, OSError):
                raise
        finally:
            self.sending -= 1

    async def refuse(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Answer the handshake with an HTTP status, if the server can, and end the application's part."""
        if self.closed:
            return
        self.closed = True
        try:
            if "websocket.http.response" in (self.scope.get("extensions") or {}):
                headers = [*headers, (b"content-length", b"0")]
                start = {"type": "websocket.http.response.start", "status": status, "headers": headers}
                await self._send(start)
                await self._send({"type": "websocket.http.response.body", "body": b"", "more_body": False})
            else:
                await self._send({"type": "websocket.close", "code": 1013, "reason": ""})
        except Exception as error:
            _say_broken(error)
        self.end()

    async def turn_away(self) -> None:
        """The application has accepted a socket that no view has taken before: say so, here and to the client.

        It gets its subprotocol first. Without that browsers tell the page nothing but that it failed.
        """
        path = shown(self.scope.get("path"))
        self.notices.say(
            logging.ERROR,
            path,
            "a socket for a view was accepted at %s before a view had taken it, and closed with 4404: "
            "leave websocket.accept(), send() and receive() to the view, "
            "and decorate the route with @stash.view(…), or call mount_view, if there is none",
            path,
        )
        self.forced = True
        if not self.accepted:
            self.accepted = True
            await self._send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL, "headers": []})
        await self.close(_NO_VIEW, "no view took this socket: see the server's log")

    async def close(self, code: int, reason: str = "") -> None:
        """Close with this code. Never waits longer than the grace for a peer that does not read, and never raises."""
        if self.closed:
            return
        if not self.accepted:
            await self.refuse(503, [(b"retry-after", b"1")])
            return
        self.closed = True
        try:
            async with asyncio.timeout(self.grace):
                await self._say_close(code, reason)
        except TimeoutError:
            self.stuck = True
            self.end()
        except Exception as error:
            _say_broken(error)
            self.end()
        finally:
            # Only now: were it to fire while the frame waits, it would interrupt us, and not the application.
            if not self._over or self._holds_on:
                asyncio.get_running_loop().call_later(self.grace, self._unanswered)

    def _unanswered(self) -> None:
        """The peer has had its time to answer the close frame."""
        if self.transport is not None and self._holds_on and not self.queued:
            logger.info("a peer had stopped reading; its connection was ended")
            self.transport.abort()
        self.end()

    @property
    def _holds_on(self) -> bool:
        """Whether the server waits for the peer to end TLS. It would do so for half a minute.

        With HTTP/2 the connection is that of others, too.
        """
        if self.transport is None or self.scope.get("http_version") == "2":
            return False
        return is_open_tls(self.transport)

    @property
    def _awaits_a_view(self) -> bool:
        """Whether the client offers to speak the protocol, and no view has taken the socket."""
        offered = SUBPROTOCOL in (self.scope.get("subprotocols") or ())
        return offered and self.feed is None and not self.closed

    async def _say_close(self, code: int, reason: str) -> None:
        try:
            await self._send({"type": "websocket.close", "code": code, "reason": reason})
        except OSError:
            raise
        except Exception:
            # Daphne refuses every code of the standard but this one. To a client of ours it says the same: come back.
            await self._send({"type": "websocket.close", "code": 1000, "reason": ""})

    @property
    def queued(self) -> bool:
        """Whether data is known to wait for the peer: some servers then wait for ever, too."""
        return self.transport is not None and queued_on(self.transport) > 0

    def end(self) -> None:
        """Tell the application that the connection is over, now."""
        self.closed = self._over = True
        if self._interrupt is not None and not self._interrupt.expired():
            self._interrupt.reschedule(asyncio.get_running_loop().time())

    def _gone(self) -> None:
        self.closed = self._over = True
        if self.feed is not None:
            self.feed.gone()


def _say_broken(error: Exception) -> None:
    """Whatever a server says of a connection that it can't end: it is over, and no reason to fail."""
    logger.debug("a connection could not be closed: %r", error)
