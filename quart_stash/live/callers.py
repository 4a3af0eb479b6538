"""Whose call it is: that of a view's own handler, or of somebody else.

After the final token nothing that a view's handler does counts any more, so its calls wait until the handler is
cancelled. Nobody else may wait for that: neither the handler of another view, nor a ticker, nor a request.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
from collections.abc import Callable
from contextvars import ContextVar, Token
from types import CodeType, FunctionType
from typing import Any, TypeVar, cast
from weakref import WeakSet

__all__ = ["Caller", "Callers", "verb"]

_F = TypeVar("_F", bound=Callable[..., Any])


class Caller(enum.Enum):
    """Who calls a view."""

    HANDLER = "handler"  # the view's handler
    CHILD = "child"  # a task that it started, for itself as far as anybody knows
    SHARED = "shared"  # a task that it started, and that works for other views as well
    STRANGER = "stranger"  # anything else


_handling: ContextVar[Callers | None] = ContextVar("quart_stash_handling", default=None)
"""The callers of the view whose handler runs here, or started this task: tasks inherit their parent's context."""


_widely: WeakSet[asyncio.Task[object]] = WeakSet()
"""Tasks that handlers have started, and that call other views than their own."""

_verbs: set[CodeType] = set()


def verb(function: _F) -> _F:
    """Mark what may be all that a task does, as in `asyncio.gather(view.send(…), other.send(…))`."""
    _verbs.add(cast("FunctionType", function).__code__)
    return function


class Callers:
    """Tells the callers of one view apart, and frees those that its handler leaves behind.

    A task that the handler started may work for many views, as a ticker does. It must not wait for the end of the one
    that happened to start it. It is known by the other views that it calls. Under `asyncio.gather` each call has a task
    of its own, so there one of them speaks for all.

    Attributes:
        handler: the handler's task, once it runs.
        gathers: whether such a task of one call has called another view.
    """

    def __init__(self) -> None:
        self.handler: asyncio.Task[object] | None = None
        self.gathers: bool = False
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
        if parent is None or task is None or task is parent.handler:
            return Caller.STRANGER
        gathered = getattr(task.get_coro(), "cr_code", None) in _verbs
        if parent is self:
            return Caller.SHARED if task in _widely or (gathered and self.gathers) else Caller.CHILD
        if gathered:
            parent.gathers = True
        else:
            _widely.add(task)
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
