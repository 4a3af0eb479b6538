"""One view on one connection: carries out what the machine says, between the socket and the handler.

The socket's pump feeds it frames, in the framework's own receiving task; the handler calls the rest from its
own. No task is made per message. The machine is only ever touched between two awaits, so neither side needs a
lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import msgspec

from ..config import StashConfig
from ..core import connection as machine
from ..core import frames
from ..core.merge import Merged, Snapshot, seal_snapshot
from ..core.state import StateType
from ..core.tokens import Context, Sealer
from ..errors import ProtocolError, StateTooLarge, TokenError, TokenExpired
from .socket import Socket

__all__ = ["Binding", "Session"]

logger: logging.Logger = logging.getLogger("quart_stash")

# Of the largest messages, while the socket is not paused because the handler awaits the browser.
_INBOX_BYTES = 4
_NO_STATE: StateType[Any] = StateType(None)


@dataclass(frozen=True)
class Binding:
    """What the tokens of one mount are bound to, besides their purpose.

    Attributes:
        parts: view, route arguments, query string, host, identity, digest of the page params.
    """

    parts: tuple[str, ...]

    def view(self) -> Context:
        """Return the context of the view's own tokens."""
        return Context("view", self.parts)

    def kept(self, key: str, area: str) -> Context:
        """Return the context of one named secret."""
        return Context("keep", (*self.parts, key, area))


class Session:
    """One view on one connection.

    Attributes:
        machine: the server's half of the protocol.
        plain: whether the client does not speak it.
        state: the view's state; the handler changes or replaces it.
        view_id: stable for the life of the view.
        task: the handler's task, once it runs.
    """

    def __init__(
        self,
        socket: Socket,
        *,
        config: StashConfig,
        sealer: Sealer,
        now: Callable[[], float],
        on_outcome: Callable[[Session, machine.Outcome], None],
    ) -> None:
        self.socket = socket
        self.machine: machine.Connection = machine.Connection()
        self.plain: bool = frames.SUBPROTOCOL not in (socket.scope.get("subprotocols") or [])
        self.state: Any = None
        self.task: asyncio.Task[Any] | None = None
        self._config = config
        self._sealer = sealer
        self._now = now
        self._on_outcome = on_outcome
        self._loop = asyncio.get_running_loop()
        self._mount: asyncio.Future[frames.Mount] = self._loop.create_future()
        self._state_type = _NO_STATE
        self._binding = Binding(())
        self.view_id: str = ""
        self._snapshot = b""
        self._sealed: tuple[int, bytes] | None = None
        self._next_sync = 0.0
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._syncing: asyncio.Task[None] | None = None
        self._receiving = False
        self._wake: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._inbox_bytes = 0
        self._answers: dict[tuple[bool, str], deque[asyncio.Future[str | None]]] = {}
        self._waiting = 0
        if self.plain:  # its messages may be here before the handler is
            self.machine.handle(frames.Mount(sent=0))
            self.machine.handle(machine.Decided(frames.Mounted("fresh", 0, "", frames.Limits(0, 0))))

    # The socket's side.

    async def feed(self, data: str | bytes) -> None:
        """Take one frame of the client. Nothing that it holds raises."""
        await self._apply(self._parse(data))
        while (
            len(self.machine.inbox) >= self._config.max_queue and not self._waiting and not self.socket.closed
        ):
            self._room = self._loop.create_future()
            await self._room
        if self._waiting and self._inbox_bytes > _INBOX_BYTES * self._config.max_message_size:
            await self._apply(
                machine.Violation("too many messages while the handler awaits the browser", 1013)
            )

    def gone(self) -> None:
        """The connection is over."""
        self.machine.handle(machine.Gone())
        self._ended()

    @property
    def live(self) -> bool:
        """Whether a view is mounted that can be handed back."""
        state = self.machine.state
        return not self.plain and state not in (
            machine.State.OPENED,
            machine.State.DECIDING,
            machine.State.ENDED,
        )

    async def drain(self, drain: str, deadline: int, delay: int) -> None:
        """The server leaves: begin the handshake. A plain client is closed at the end, as others are."""
        if not self.plain:
            await self._apply(machine.StartDrain(drain, deadline, delay))

    async def expire(self) -> None:
        """The time for the drain is up."""
        await self._apply(machine.Deadline())

    def _parse(self, data: str | bytes) -> machine.Event:
        config = self._config
        opened = self.machine.state is machine.State.OPENED
        limit = config.max_mount_size if opened and not self.plain else config.max_message_size
        marked = not opened and not self.plain  # by one byte, which is not the message's
        if _larger(data, limit + marked):
            return machine.Violation(f"a frame of more than {limit} bytes", 1009)
        if self.plain:
            return machine.Received(data)
        message = frames.payload(data)
        if message is not None:
            return machine.Received(message)
        try:
            return frames.parse_control(data)
        except ProtocolError as error:
            return machine.Violation(str(error), error.close_code)

    # Mounting.

    async def opened(self) -> frames.Mount:
        """Wait for the client's `mount`; a plain client has said all with its handshake."""
        if self.plain:
            return frames.Mount(sent=0)
        if not self._over:
            timeout = self._config.effective_mount_timeout
            self._timer("mount", timeout, lambda: self._spawn(machine.MountTimeout()))
        mount = await self._mount
        self._cancel_timer("mount")
        return mount

    async def defer(self, code: int, reason: str = "") -> None:
        """Close without mounting; the client keeps everything."""
        await self._apply(machine.Defer(code, reason))

    async def start(
        self, merged: Merged[Any], state_type: StateType[Any], binding: Binding, *, fork: bool, build: str
    ) -> None:
        """Answer the mount: from here on the view is live.

        Raises:
            StateTooLarge: the state does not fit into a token.
        """
        self.state = merged.state
        self._state_type, self._binding, self.view_id = state_type, binding, merged.view_id
        self._snapshot = self._encode()
        if self.plain:
            return
        issued_at = merged.issued_at
        aged = issued_at is None or self._now() - issued_at > self._config.token_max_age / 2
        token = None
        if merged.status != "restored" or fork or aged:
            token = self._seal(merged.received, self._snapshot)
        limits = frames.Limits(self._config.max_message_size, self._config.max_mount_size)
        mounted = frames.Mounted(
            merged.status, merged.received, build, limits, merged.reason, token, dict(merged.invalid)
        )
        await self._apply(machine.Decided(mounted))
        if self._over:  # lost, or drained, in the meantime: the handler is not to begin
            await self.wait_for_end()
        self._timer("reseal", self._config.token_max_age / 2, self._reseal)

    # The handler's side.

    async def receive(self) -> machine.Message:
        """Commit, and wait for the next message. Of a view that was handed back, it waits to be cancelled."""
        if self._receiving:
            raise RuntimeError("two tasks receive from one view at the same time")
        self._receiving = True
        try:
            return await self._receive()
        finally:
            self._receiving = False

    async def _receive(self) -> machine.Message:
        if self._over:
            await self.wait_for_end()
        await self._commit(machine.Ask())
        while (message := self.machine.take()) is None:
            self._wake = self._loop.create_future()
            try:
                await self._wake
            finally:
                self._wake = None
        self._inbox_bytes -= len(message.data)
        if self._room is not None and len(self.machine.inbox) < self._config.max_queue:
            self._make_room()
        return message

    async def send(self, data: str | bytes) -> None:
        """Send an application message; while no message is in hand this is a commit point."""
        await self._hold()
        await self.socket.send_frame(data if self.plain else frames.mark(data))
        if not self.machine.in_hand:
            await self._commit(machine.Push())

    async def commit(self) -> None:
        """Commit in mid-handler: the message in hand counts as received."""
        await self._hold()
        await self._commit(machine.Push(mid=True))

    async def say(self, frame: frames.Clear | frames.Url | frames.Reload) -> None:
        """Tell the client something that needs no answer."""
        await self._hold()
        if not self.plain:
            await self.socket.send_frame(frames.encode(frame))

    async def keep(self, key: str, payload: bytes, *, max_age: int, area: Any) -> None:
        """Seal `payload` and return once the browser has confirmed that it keeps it."""
        sealed = msgspec.msgpack.encode((max_age, payload))
        token = self._sealer.seal(sealed, self._binding.kept(key, area), version=0, now=self._now())
        await self._ask_browser(frames.Keep(key, token, area, max_age), restored=False)

    async def forget(self, key: str, *, area: Any) -> None:
        """Return once the browser has confirmed that it keeps nothing under `key`."""
        await self._ask_browser(frames.Forget(key, area), restored=False)

    async def restore(self, key: str, *, area: Any) -> bytes | None:
        """Return what the browser keeps under `key`, opened.

        What is not acceptable (too old, forged, of a key that is gone) is not there: `None`.
        """
        token = await self._ask_browser(frames.Restore(key, area), restored=True)
        if token is None:
            return None
        now = self._now()
        try:
            opened = self._sealer.open(token, self._binding.kept(key, area), max_age=None, now=now)
            max_age, payload = msgspec.msgpack.decode(opened.payload, type=tuple[int, bytes])
            if (age := now - opened.header.issued_at) > max_age:
                raise TokenExpired(age)
        except TokenError as error:
            logger.info("a kept secret was not accepted: %s", error)
            return None
        return payload

    async def finish(self) -> None:
        """The handler returned."""
        await self._apply(machine.Return())

    async def fail(self) -> None:
        """The handler raised: its message counts as received, and the state is that of the last commit."""
        if self.machine.state in (machine.State.OPENED, machine.State.DECIDING):
            await self._apply(machine.Violation("the handler failed", 1011))
            return
        number = self.machine.received + self.machine.in_hand
        await self._apply(machine.Raise(None if self.plain else self._seal(number, self._snapshot)))

    async def close(self, code: int, reason: str) -> None:
        """The handler closes the connection; with 1000 the view is finished."""
        if code == 1000:
            await self._apply(machine.Return())
        else:
            await self._apply(machine.Violation(reason, code))

    async def wait_for_end(self) -> NoReturn:
        """Wait to be cancelled: nothing that the handler does counts any more."""
        await self._loop.create_future()
        raise AssertionError("nothing resolves this future")

    def force(self) -> bool:
        """End a handler that ignores its cancellation. Returns whether there was one."""
        if self.task is None or self.task.done() or self.task is asyncio.current_task():
            return False
        coroutine = self.task.get_coro()
        if coroutine is not None:
            with contextlib.suppress(Exception):  # whatever the frames on the way out may raise
                if sys.version_info >= (3, 12):  # in the task's own context: context managers look for it
                    self.task.get_context().run(coroutine.close)
                else:
                    coroutine.close()
        self.task.cancel()  # wakes it up, so that it ends
        return True

    # Inside.

    @property
    def _over(self) -> bool:
        return self.machine.state in (machine.State.HANDED, machine.State.ENDED)

    async def _hold(self) -> None:
        """After the final token nothing counts any more: wait to be cancelled, as `receive` does.

        After the end the cancellation is on its way or has been: let it in, and let a `finally` get through.
        """
        if self.machine.state is machine.State.HANDED:
            await self.wait_for_end()
        if self.machine.state is machine.State.ENDED:
            await asyncio.sleep(0)

    async def _commit(self, event: machine.Ask | machine.Push) -> None:
        """Encode first: a state that can't be encoded must not count its message."""
        if self._over:
            return
        self._snapshot = self._encode()
        await self._apply(event)

    async def _apply(self, event: machine.Event) -> None:
        for effect in self.machine.handle(event):
            await self._perform(effect)

    async def _perform(self, effect: machine.Effect) -> None:
        if isinstance(effect, machine.Message):
            self._inbox_bytes += len(effect.data)
            if self._wake is not None and not self._wake.done():
                self._wake.set_result(None)
        elif isinstance(effect, machine.Due):
            await self._sync(final=effect.final)
        elif isinstance(effect, machine.Decide):
            if not self._mount.done():
                self._mount.set_result(effect.mount)
        elif isinstance(effect, machine.Answered):
            self._answer(effect)
        elif isinstance(effect, machine.Close):
            if effect.code in (1002, 1009, 1013, 4408):
                logger.info("a client was closed with %d: %s", effect.code, effect.reason)
            self._ended()
            await self.socket.close(effect.code, effect.reason)
        elif not self.plain:
            await self.socket.send_frame(frames.encode(effect))

    def _spawn(self, event: machine.Event) -> None:
        """Apply an event from a timer. The task is kept, so that it is not collected in mid-flight."""
        self._syncing = self._loop.create_task(self._apply(event))

    async def _sync(self, *, final: bool) -> None:
        """Send a token for the newest commit: now if it is due, else when the sync interval has passed."""
        if self.plain or (not final and self._sealed == (self.machine.received, self._snapshot)):
            return
        if final or self._loop.time() >= self._next_sync:
            await self._send_token(final=final)
        elif "sync" not in self._timers:
            self._timer("sync", self._next_sync - self._loop.time(), self._sync_later)

    def _sync_later(self) -> None:
        if self._syncing is None or self._syncing.done():
            self._syncing = self._loop.create_task(self._send_token())
        else:  # the peer reads slowly: what has changed meanwhile follows what is on its way
            self._syncing.add_done_callback(lambda _: self._sync_later())

    def _reseal(self) -> None:
        """Keep the client's token young, also where nothing changes."""
        self._sealed = None
        self._sync_later()
        self._timer("reseal", self._config.token_max_age / 2, self._reseal)

    async def _send_token(self, *, final: bool = False) -> None:
        self._cancel_timer("sync")
        if self._over or (not final and self._sealed == (self.machine.received, self._snapshot)):
            return
        token = self._seal(self.machine.received, self._snapshot)
        try:
            await self._apply(machine.Seal(token))
        except asyncio.CancelledError:
            self._sealed = None  # the handler gave up waiting, and the token may not have left
            raise

    def _seal(self, received: int, snapshot: bytes) -> str:
        self._next_sync = self._loop.time() + self._config.sync_interval
        self._sealed = (received, snapshot)
        return seal_snapshot(
            self._sealer,
            self._binding.view(),
            Snapshot(self.view_id, received, msgspec.Raw(snapshot)),
            version=self._state_type.version,
            now=self._now(),
        )

    def _encode(self) -> bytes:
        snapshot = self._state_type.encode(self.state)
        if len(snapshot) > self._config.max_state_size and not self.plain:
            raise StateTooLarge(len(snapshot), self._config.max_state_size)
        return snapshot

    async def _ask_browser(
        self, frame: frames.Keep | frames.Forget | frames.Restore, *, restored: bool
    ) -> str | None:
        """Send `frame` and wait for the answer. The socket is not paused meanwhile: it brings the answer."""
        await self._hold()
        if self.plain:
            return None
        if self._over:
            await self.wait_for_end()
        answer: asyncio.Future[str | None] = self._loop.create_future()
        self._answers.setdefault((restored, frame.key), deque()).append(answer)
        self._waiting += 1
        self._make_room()
        try:
            await self.socket.send_frame(frames.encode(frame))
            return await answer
        finally:
            self._waiting -= 1

    def _answer(self, effect: machine.Answered) -> None:
        waiting = self._answers.get((effect.restored, effect.key))
        if not waiting:
            return  # nobody asked: a client of its own mind, which harms nobody
        answer = waiting.popleft()
        if not waiting:
            del self._answers[effect.restored, effect.key]
        if not answer.done():
            answer.set_result(effect.token)

    def _make_room(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None

    def _ended(self) -> None:
        for name in list(self._timers):
            self._cancel_timer(name)
        self._make_room()
        outcome, self.machine.outcome = self.machine.outcome, None
        if outcome is not None:
            self._on_outcome(self, outcome)

    def _timer(self, name: str, delay: float, action: Callable[[], object]) -> None:
        def fire() -> None:
            del self._timers[name]
            action()

        self._timers[name] = self._loop.call_later(delay, fire)

    def _cancel_timer(self, name: str) -> None:
        if (timer := self._timers.pop(name, None)) is not None:
            timer.cancel()


def _larger(data: str | bytes, limit: int) -> bool:
    """Whether `data` takes more than `limit` bytes; text is encoded only where its length leaves it open."""
    length = len(data)
    if isinstance(data, bytes) or length > limit or length * 4 <= limit:
        return length > limit
    return len(data.encode("utf-8", "surrogatepass")) > limit
