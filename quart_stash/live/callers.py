"""Whose call it is: that of a view's own handler, or of somebody else.

After the final token nothing that a view's handler does counts any more, so its calls wait until the handler is
cancelled. Nobody else may wait for that: neither the handler of another view, nor a ticker, nor a request.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
from contextvars import ContextVar, Token

__all__ = ["Caller", "Callers"]


class Caller(enum.Enum):
    """Who calls a view."""

    HANDLER = "handler"  # the view's handler
    CHILD = "child"  # a task that it started, for itself as far as anybody knows
    SHARED = "shared"  # a task of a handler whose tasks call other views, too: it may work for all of them
    STRANGER = "stranger"  # anything else


_handling: ContextVar[Callers | None] = ContextVar("quart_stash_handling", default=None)
"""The callers of the view whose handler runs here, or started this task: tasks inherit their parent's context."""


class Callers:
    """Tells the callers of one view apart, and frees those that its handler leaves behind.

    Attributes:
        handler: the handler's task, once it runs.
        shared: whether a task that the handler started has called another view. Such tasks work for many views, and
            must not wait for the end of the one that happened to start them.
    """

    def __init__(self) -> None:
        self.handler: asyncio.Task[object] | None = None
        self.shared: bool = False
        self._before: Token[Callers | None] | None = None
        self._over = False
        self._freed: asyncio.Event | None = None

    def begin(self) -> None:
        """The current task is the handler's from now on."""
        self.handler = asyncio.current_task()
        self._before = _handling.set(self)

    def end(self) -> None:
        """The handler has ended: what waits for its end goes on."""
        self._over = True
        if self._freed is not None:
            self._freed.set()
        if self._before is not None:
            with contextlib.suppress(
                ValueError
            ):  # a handler that was ended by force is in no task of its own
                _handling.reset(self._before)
            self._before = None

    def who(self) -> Caller:
        """Tell who calls."""
        task = asyncio.current_task()
        if task is self.handler:
            return Caller.HANDLER
        parent = _handling.get()
        if parent is self:
            return Caller.SHARED if self.shared else Caller.CHILD
        if parent is not None and task is not parent.handler:
            parent.shared = True
        return Caller.STRANGER

    @property
    def own(self) -> bool:
        """Whether the handler calls, or a task that it started."""
        return asyncio.current_task() is self.handler or _handling.get() is self

    async def freed(self) -> None:
        """Wait until the handler has ended. It is cancelled meanwhile, and with it whatever it waits for."""
        if not self._over:
            self._freed = self._freed or asyncio.Event()
            await self._freed.wait()
