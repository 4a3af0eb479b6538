"""What a page does with one view: the client's machine, run over real connections and the clock."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from ..core import frames
from ..core import stimuli as s
from ..core.backoff import Backoff
from ..core.client import Client, State
from ..errors import ProtocolError
from ..live.timers import Timers
from .dialer import Dial, Dialer
from .wire import touched, wire

__all__ = ["Tab"]

logger: logging.Logger = logging.getLogger("quart_stash.testing")

# Seconds, as in the script: without a connection before the page is told; the same for its first one; after which a
# mounted connection counts as a good one; of silence, on either side, before a ping, and for its answer; that a
# hand-over waits for the next connection to open.
_GRACE, _START, _QUIET, _SILENCE, _PATIENCE, _AHEAD = 0.5, 4.0, 10.0, 25.0, 5.0, 1.0
_CONNECTED = (State.LIVE, State.DRAINING, State.FLUSHED)


class Tab:
    """One view of one page. It reconnects by itself, as the script does.

    Args:
        dial: opens a connection; raises `ConnectionEnded` or `OSError` where that fails.
        message: is called with each message of the server.
        event: is called with what the script tells a page: the name of an event, and its details. Besides, `gap`: for
            `seconds` no message could be handled, because of a `drain` or a `loss` (its `cause`).
        rng: for the jitter.
        params: connect params.
        forms: stashed forms, by name; `None` stands for a field that was touched and holds nothing. What the view
            clears is taken out.
        page: what `sign_page` has signed.
        stored: what the tab's storage holds.

    Attributes:
        machine: the client's half of the protocol.
        stored: the slot, as it is stored now.
        kept: named secrets, by key.
    """

    def __init__(
        self,
        dial: Dial,
        *,
        message: Callable[[str | bytes], None] = lambda _: None,
        event: Callable[[str, dict[str, Any]], None] = lambda *_: None,
        rng: random.Random | None = None,
        params: dict[str, Any] | None = None,
        forms: Mapping[str, Sequence[tuple[str, str | None]]] | None = None,
        page: str | None = None,
        stored: s.Slot | None = None,
    ) -> None:
        self.message = message
        self.event = event
        self.params = params
        self.forms: Mapping[str, Sequence[tuple[str, str | None]]] | None = forms
        self.page = page
        self.stored: s.Slot | None = stored
        self.kept: dict[str, str] = {}
        self.machine: Client = Client(stored)
        self._dial = dial
        self._backoff = Backoff((rng or random.Random()).random)
        self._dialer = Dialer(
            dial, self._backoff, opened=self._opened, heard=self._heard, ended=self._ended,
            served=lambda: self.machine.state is State.DRAINING, refused=self._refused,
        )  # fmt: skip
        self._loop = asyncio.get_running_loop()
        self._timers = Timers()
        self._effects: deque[s.Effect] = deque()
        self._running = False
        self._over = True
        self._told = False
        self._starting = True
        self._draining: int | None = None
        self._lost: tuple[float, str] | None = None
        self._flushed: float | None = None
        self._missing = False
        self._unsaved = False

    # The page's side.

    @property
    def sent(self) -> int:
        """Number of the newest message."""
        return self.machine.outbox.sent

    @property
    def received(self) -> int:
        """How many messages the newest token covers."""
        return self.machine.outbox.received

    @property
    def state(self) -> str:
        """Where the view stands, in the words of docs/protocol.md."""
        return self.machine.state.value

    @property
    def unsaved(self) -> bool:
        """Whether the user has typed or sent what the server has not dealt with, or some of it was lost."""
        return self._missing or self.machine.outbox.pending or bool(self.forms)

    def start(self) -> None:
        """Begin to connect."""
        self._over = self._missing = self._unsaved = False
        self._starting = True
        self._dialer.start()
        self._settle()
        self._weigh()

    def send(self, data: str | bytes, *, secret: bool = False) -> None:
        """Send a message: once, in order, also over restarts and reloads."""
        self.handle(s.Send(data, secret))

    async def reload(self) -> None:
        """Load the page anew: everything is built from what is stored."""
        self.handle(s.Park())
        await self.crash()

    async def crash(self) -> None:
        """Lose the page without a word, and build everything from what is stored."""
        await self._leave()
        self.machine = Client(self.stored)
        self.start()

    def duplicate(self, dial: Dial | None = None) -> Tab:
        """Return a copy of this tab: it finds the same in its storage, and is to go on as a view of its own.

        Args:
            dial: opens its connections; default: as this tab's.
        """
        copy = Tab(
            dial or self._dial, message=self.message, event=self.event, params=self.params, forms=self.forms,
            page=self.page, stored=self.stored,
        )  # fmt: skip
        copy.kept = dict(self.kept)
        copy.handle(s.Fork())
        return copy

    async def close(self) -> None:
        """Close the tab. What is stored stays."""
        self.handle(s.Quit())
        await self._leave()

    def handle(self, stimulus: s.Stimulus) -> None:
        """Let something happen on this side."""
        self._run(self.machine.handle(stimulus))

    async def _leave(self) -> None:
        self._over, self._told, self._lost, self._draining, self._flushed = True, False, None, None, None
        self._timers.cancel_all()
        await self._dialer.leave()

    # What happens to connections.

    def _opened(self, conn: int) -> None:
        self.handle(s.Open(conn))
        self._settled()

    def _heard(self, conn: int, data: str | bytes) -> None:
        frame: s.Down | None = frames.payload(data)
        if frame is None:
            try:
                frame = frames.parse_down(data)
            except ProtocolError:
                logger.warning("a server said what is no frame")
        if isinstance(frame, frames.Token) and self.machine.outbox.is_progress(frame.received):
            self._backoff.reset()
        self._run(self.machine.receive(conn, frame))
        if conn == self.machine.conn:
            self._restart("pulse", _SILENCE, self._ping)

    def _ended(self, conn: int, code: int) -> None:
        self._started()
        if conn == self.machine.conn:
            self._timers.cancel("pulse")
            self._timers.cancel("mute")
            self._lost = self._lost or (self._loop.time(), "loss")
        self.handle(s.End(conn, code, now=self._loop.time() * 1000))
        if not self._dialer.dialing:
            self._settled()

    def _ping(self) -> None:
        if self.machine.conn is None:
            return
        self.handle(s.Ping())
        self._restart("pulse", _PATIENCE, lambda: self._abandon(self.machine.conn))

    def _abandon(self, conn: int | None) -> None:
        """Give up a connection that has gone silent: it has ended, whatever the other side believes."""
        if conn is not None:
            self._dialer.close(conn, 1000)
            self._ended(conn, 4000)

    # What is to be done.

    def _run(self, effects: list[s.Effect]) -> None:
        """Carry out effects in order; those of what the page does meanwhile come after them."""
        self._effects += effects
        if self._running:
            return
        self._running, is_here = True, not self._over
        try:
            while self._effects:
                self._carry(self._effects.popleft())
        finally:
            self._running = False
        self._settle()
        if is_here:
            self._weigh()

    def _carry(self, effect: s.Effect) -> None:
        match effect:
            case s.Frame(conn, frame):
                self._dialer.send(conn, wire(frame))
                if conn == self.machine.conn:
                    self._restart("mute", _SILENCE, self._ping)
            case s.OpenLater(wait):
                self._dialer.dial(wait)
            case s.Mount(conn):
                now = self._loop.time() * 1000
                forms, empty = touched(self.forms or {})
                self.handle(s.Connect(conn, self.params, forms, empty, self.page, now=now))
            case s.SetDeadline(conn, after):
                self._restart("deadline", after / 1000, lambda: self.handle(s.Deadline(conn)))
            case s.Close(conn, code):
                self._dialer.close(conn, code or 1000)
            case s.Retire(conn):
                self._dialer.retire(conn)
            case s.Secret(conn, frame):
                self.handle(s.Answer(conn, self._secret(frame)))
            case _:
                self._show(effect)

    def _show(self, effect: s.Effect) -> None:
        """Carry out what concerns the page alone."""
        match effect:
            case s.Store():
                self.stored = self.machine.slot()
            case s.Forget():
                self.stored = None
            case s.Page("message", detail):
                self.message(detail["data"])
            case s.Page(name, detail):
                self._missing = self._missing or name in ("lost", "failed")
                self._tell(name, detail)
            case _:  # over, reload, clear, url
                if isinstance(effect, s.Over):
                    self._over = True
                    self._dialer.stop()
                elif isinstance(effect, s.Clear):
                    forms = (self.forms or {}).items()
                    self.forms = {name: pairs for name, pairs in forms if name != effect.form}
                self.event(type(effect).__name__.lower(), msgspec.structs.asdict(effect))

    def _tell(self, name: str, detail: dict[str, Any]) -> None:
        if name == "mounted":
            self._backoff.mounted()
            self._restart("quiet", _QUIET, self._calm)
            if self._lost is not None:
                (since, cause), self._lost = self._lost, None
                self.event("gap", {"seconds": self._loop.time() - since, "cause": cause})
        self.event(name, detail)
        if name == "drain":
            self._draining = detail["conn"]
            if self._dialer.dialing:
                in_time = 0.8 * detail["deadline"] / 1000
                self._timers.start("ahead", min(_AHEAD, in_time), self._settled)
            else:
                self._settled()

    def _calm(self) -> None:
        if self.machine.state is State.LIVE:
            self._backoff.reset()

    def _settled(self) -> None:
        """Hand the view over, now that the next connection is open, or can't be opened just now."""
        conn, self._draining = self._draining, None
        self._timers.cancel("ahead")
        if conn is not None:
            self.handle(s.Hooks(conn))
            if self.machine.state is State.FLUSHED:
                self._lost = (self._loop.time(), "drain")

    def _secret(self, frame: frames.Keep | frames.Restore | frames.Forget) -> frames.Stored | frames.Kept:
        if isinstance(frame, frames.Restore):
            return frames.Kept(frame.key, self.kept.get(frame.key))
        if isinstance(frame, frames.Keep):
            self.kept[frame.key] = frame.token
        else:
            self.kept.pop(frame.key, None)
        return frames.Stored(frame.key)

    def _settle(self) -> None:
        """Tell the page that there is no connection if that lasts, and when there is one again."""
        if self._over or self.machine.state in _CONNECTED:
            self._started()
            if self.machine.state is not State.FLUSHED:
                self._flushed = None
            elif self._flushed is None:
                self._flushed = self._loop.time()
            self._timers.cancel("gap")
            if self._told and not self._over:
                self._told = False
                self.event("reconnected", {})
        elif not self._told and "gap" not in self._timers:
            # As much longer as the server's last answer took: so much of it is the distance, in a hand-over.
            away = self._loop.time() - self._flushed if self._flushed is not None else 0
            grace = _START if self._starting else _GRACE + min(away, _GRACE)
            self._timers.start("gap", grace, self._missed)

    def _started(self) -> None:
        """From now on a connection can be missed."""
        if self._starting:
            self._timers.cancel("gap")
        self._starting = False

    def _missed(self) -> None:
        self._told = True
        self.event("disconnected", {})
        if self._dialer.refused:
            self._refused()

    def _refused(self) -> None:
        # Who still has a connection, or will soon be told of the loss, is told after that.
        if self._told:
            self.event("refused", {})

    def _weigh(self) -> None:
        """Tell the page where its user's work stands, if that is news."""
        if self.unsaved is not self._unsaved:
            self._unsaved = self.unsaved
            self.event("unsaved" if self._unsaved else "saved", {})

    def _restart(self, name: str, delay: float, action: Callable[[], object]) -> None:
        self._timers.cancel(name)
        self._timers.start(name, delay, action)
