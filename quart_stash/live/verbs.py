"""What a view can be asked to do, by its handler and by others.

After the final token nothing that the handler does counts any more, so its calls wait until it is cancelled. Others may
call a view too: the handlers of other views, background tasks, requests. They never wait for its hand-over, and what
they send is no commit of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NoReturn

from ..config import StashConfig
from ..core import events, frames
from ..core.connection import Connection, State
from ..errors import ViewLeft
from .callers import Caller, Callers
from .inbox import Room
from .mailbox import PATIENCE, Mailbox
from .secrets import Questions
from .socket import Socket
from .tasks import Tasks

__all__ = ["Verbs"]


class Verbs:
    """The verbs of one view on one connection.

    Args:
        machine: the server's half of the protocol.
        socket: of the view.
        config: how much may be queued for a peer that does not read.
        plain: whether the client does not speak the protocol.
        room: the room for messages that wait.
        apply: carries out what the machine says to an event.
        commit: the same for an event that is a commit point, after the state was encoded.

    Attributes:
        questions: what the browser was asked, and has not answered yet.
    """

    def __init__(
        self,
        machine: Connection,
        socket: Socket,
        *,
        config: StashConfig,
        plain: bool,
        room: Room,
        apply: Callable[[events.Event], Awaitable[None]],
        commit: Callable[[events.Ask | events.Push], Awaitable[None]],
    ) -> None:
        self.questions: Questions = Questions()
        self._machine = machine
        self._socket = socket
        self._plain = plain
        self._room = room
        self._apply = apply
        self._commit = commit
        self._callers = Callers()
        self._config = config
        self._mailbox: Mailbox | None = None  # most views are sent to by nobody else
        self._tasks: Tasks | None = None
        self._receiving = False
        self._wake: asyncio.Future[None] | None = None
        self._stranger_waits = False

    # What the session tells.

    def begin(self) -> None:
        """The current task is the handler's from now on."""
        self._callers.begin()

    def arrived(self) -> None:
        """A message waits."""
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def left(self) -> None:
        """The view is handed back, or has ended: nobody but its handler waits for it any more."""
        if self._mailbox is not None:
            self._mailbox.close(now=self._machine.state is State.ENDED)
        self.questions.leave()
        if self._stranger_waits and self._wake is not None and not self._wake.done():
            self._wake.set_exception(ViewLeft())

    def end(self) -> None:
        """The handler has ended. What tasks of its own still wait for is cancelled."""
        self._callers.end()
        self.questions.cancel()
        if self._wake is not None:
            self._wake.cancel()

    # The verbs.

    async def receive(self) -> events.Message:
        """Commit, and wait for the next message. Of a view that was handed back, it waits to be cancelled.

        Raises:
            ViewLeft: somebody else than the handler waits, and the view was handed back or has ended.
        """
        if self._receiving:
            raise RuntimeError("two tasks receive from one view at the same time")
        self._receiving = True
        try:
            return await self._receive()
        finally:
            self._receiving = False

    async def send(self, data: str | bytes) -> bool:
        """Send an application message; by the handler, while no message is in hand, this is a commit point.

        Returns:
            Whether it is on its way.
        """
        caller = self._callers.who()
        sent = await self._pass_on(data if self._plain else frames.mark(data), caller)
        if sent and caller is not Caller.STRANGER and not self._machine.in_hand:
            if caller is Caller.SHARED:
                self._beside(self._commit_quietly())
            else:
                await self._commit(events.Push())
        return sent

    async def commit(self) -> None:
        """Commit in mid-handler: the message in hand counts as received.

        Raises:
            RuntimeError: somebody else than the handler calls.
        """
        if not self._callers.own:
            raise RuntimeError(
                "commit() was called from outside the view's handler: it would count the message that the handler "
                "is still handling, with a state that is half-way; let the handler commit"
            )
        if await self._goes_on(self._callers.who()):
            await self._commit(events.Push(mid=True))

    async def clear(self, form: str) -> bool:
        """Say that a form has been dealt with, as of the message in hand. Returns whether that is on its way."""
        return await self.say(frames.Clear(form, self._machine.taken))

    async def say(self, frame: frames.Clear | frames.Url | frames.Reload) -> bool:
        """Tell the client something that needs no answer. Returns whether it is on its way."""
        caller = self._callers.who()
        if self._plain:
            return await self._goes_on(caller)
        return await self._pass_on(frames.encode(frame), caller)

    async def ask(self, question: frames.Keep | frames.Forget | frames.Restore) -> str | None:
        """Ask the browser, and wait for the answer. The socket is not paused meanwhile: the answer comes through it.

        Raises:
            ViewLeft: somebody else than the handler asks, and the view was handed back or has ended.
        """
        own = self._callers.own
        if self._plain:
            await self._goes_on(self._callers.who())
            return None
        if self._machine.over and not own:
            raise ViewLeft
        if self._machine.over:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise asyncio.CancelledError  # a `finally` that asks: no second cancellation would come
            await self._wait_to_be_cancelled()
        self._room.make()
        return await self.questions.ask(question, self._socket.send_frame, stranger=not own)

    async def close(self, code: int, reason: str) -> None:
        """Close the connection; with 1000 the view is finished. Others wait for `PATIENCE` seconds at most."""
        closing = self._apply(events.Return() if code == 1000 else events.Violation(reason, code))
        if self._callers.own:
            await closing
        else:
            await asyncio.wait([self._beside(closing)], timeout=PATIENCE)

    async def wait_for_end(self) -> NoReturn:
        """Wait to be cancelled: nothing that the handler does counts any more."""
        await asyncio.get_running_loop().create_future()
        raise AssertionError("nothing resolves this future")

    # Inside.

    async def _receive(self) -> events.Message:
        if self._machine.over and not self._callers.own:
            raise ViewLeft
        await self._commit(events.Ask())
        if self._machine.over:
            await self._wait_to_be_cancelled()
        while (message := self._machine.take()) is None:
            self._room.make()  # it may have been full of voids, which nobody takes
            self._wake = asyncio.get_running_loop().create_future()
            self._stranger_waits = not self._callers.own
            try:
                await self._wake
            finally:
                self._wake = None
        self._room.take(message)
        return message

    async def _pass_on(self, frame: str | bytes, caller: Caller) -> bool:
        """Send a frame, as whoever calls may. Returns whether it is on its way."""
        if caller in (Caller.SHARED, Caller.STRANGER):
            if self._machine.over:
                return False
            self._mailbox = self._mailbox or Mailbox(self._socket, self._config)
            return await self._mailbox.put(frame)
        if not await self._goes_on(caller):
            return False
        await self._socket.send_frame(frame)
        return not self._socket.closed

    def _beside(self, work: Awaitable[None]) -> asyncio.Task[None]:
        """Do what a caller must not wait for."""
        self._tasks = self._tasks or Tasks()
        return self._tasks.start(work)

    async def _commit_quietly(self) -> None:
        """Commit for a task that may work for others, too: what is wrong with this state is the handler's to hear."""
        if not self._machine.in_hand:
            with suppress(Exception):
                await self._commit(events.Push())

    async def _goes_on(self, caller: Caller) -> bool:
        """Let whoever calls go on, unless the final token is out. Returns whether it is to go on.

        The handler then waits to be cancelled, as in `receive`, and with it the tasks that are its own: one that it
        leaves behind is free once it has ended. After the end the cancellation is on its way or has been: let it in,
        and let a `finally` get through.
        """
        if self._machine.state is State.HANDED:
            if caller is Caller.HANDLER:
                await self.wait_for_end()
            if caller is Caller.CHILD:
                await self._callers.freed()
            return False
        if self._machine.state is State.ENDED and caller in (Caller.HANDLER, Caller.CHILD):
            await asyncio.sleep(0)
        return True

    async def _wait_to_be_cancelled(self) -> NoReturn:
        """Wait to be cancelled. A task that the handler leaves behind is cancelled when it has ended."""
        if self._callers.who() is not Caller.HANDLER:
            await self._callers.freed()
            raise asyncio.CancelledError
        await self.wait_for_end()
