"""Named secrets that only the browser keeps: sealed here, stored there."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from ..core import frames
from ..core.events import Answered
from ..core.tokens import Context, Sealer
from ..errors import StashError, TokenError, TokenExpired, ViewLeft

__all__ = ["Questions", "Secrets"]

logger: logging.Logger = logging.getLogger("quart_stash")

_Question = frames.Keep | frames.Forget | frames.Restore


class Questions:
    """What the browser was asked, and has not answered yet."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[bool, str], deque[asyncio.Future[str | None]]] = {}
        self._count = 0
        self._sending: set[asyncio.Future[None]] = set()
        self._strangers: set[asyncio.Future[str | None]] = set()

    def __len__(self) -> int:
        return self._count

    async def ask(
        self, question: _Question, send: Callable[[str], Awaitable[None]], *, stranger: bool
    ) -> str | None:
        """Send a question and return the token of its answer, if that has one. Answers come in order.

        Args:
            question: for the browser.
            send: takes its frame to the browser.
            stranger: whether somebody else than the view's handler asks.

        Raises:
            ViewLeft: somebody else asks, and no answer will come: the view was handed back, or has ended.
        """
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        place = (isinstance(question, frames.Restore), question.key)
        self._waiting.setdefault(place, deque()).append(answer)
        self._count += 1
        # A handler that gives up waiting does not take it back: each question is sent, and so each is answered.
        sending = asyncio.ensure_future(send(frames.encode(question)))
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)
        try:
            if (
                stranger
            ):  # who hears by `leave` that the question was not sent, since that ends the connection
                self._strangers.add(answer)
                sending.add_done_callback(lambda sent: sent.cancelled() or sent.exception())
            else:
                await asyncio.shield(sending)
            return await answer
        finally:
            self._strangers.discard(answer)
            self._count -= 1

    def answered(self, effect: Answered) -> None:
        """Take an answer. One that nobody waits for comes from a client of its own mind, and harms nobody."""
        place = (effect.restored, effect.key)
        waiting = self._waiting.get(place)
        if not waiting:
            return
        answer = waiting.popleft()
        if not waiting:
            del self._waiting[place]
        if not answer.done():
            answer.set_result(effect.token)

    def leave(self) -> None:
        """No answer will come: nobody but the handler waits for one any more."""
        for answer in self._strangers:
            if not answer.done():
                answer.set_exception(ViewLeft())

    def cancel(self) -> None:
        """The handler has ended: what it left waiting is cancelled."""
        for waiting in self._waiting.values():
            for answer in waiting:
                answer.cancel()


class Secrets:
    """The secrets of one view.

    Args:
        sealer: seals and opens them.
        context: what a secret of this key and area is bound to.
        limit: bytes of the largest message, such as the browser's answer to `restore`.
        ask: asks the browser, and returns its answer.
        renew: has the view's own token sealed anew.
        now: seconds since the epoch.
    """

    def __init__(
        self,
        sealer: Sealer,
        context: Callable[[str, str], Context],
        *,
        limit: int,
        ask: Callable[[_Question], Awaitable[str | None]],
        renew: Callable[[], Awaitable[None]],
        now: Callable[[], float],
    ) -> None:
        self._sealer = sealer
        self._context = context
        self._limit = limit
        self._ask = ask
        self._renew = renew
        self._now = now

    async def keep(self, key: str, payload: bytes, *, max_age: int, area: Any) -> None:
        """Seal `payload` and return once the browser has confirmed that it keeps it.

        Raises:
            StashError: the browser could not send it back.
        """
        sealed = msgspec.msgpack.encode((max_age, payload))
        if len(sealed) * 4 / 3 + 1024 > self._limit:
            raise StashError(
                f"the secret takes {len(payload)} bytes, and must fit into a message of the client "
                f"(STASH_MAX_MESSAGE_SIZE, {self._limit}): keep less, or raise the limit"
            )
        token = self._sealer.seal(sealed, self._context(key, area), version=0, now=self._now())
        # The view's token goes first, under the same key: a process that could not open the secret can't
        # judge that one either, and leaves both to another (4409) instead of taking the secret for lost.
        await self._renew()
        await self._ask(frames.Keep(key, token, area, max_age))

    async def forget(self, key: str, *, area: Any) -> None:
        """Return once the browser has confirmed that it keeps nothing under `key`."""
        await self._ask(frames.Forget(key, area))

    async def restore(self, key: str, *, area: Any) -> bytes | None:
        """Return what the browser keeps under `key`, opened.

        What is not acceptable (too old, forged, of a key that is gone) is not there: `None`.
        """
        token = await self._ask(frames.Restore(key, area))
        if token is None:
            return None
        now = self._now()
        try:
            opened = self._sealer.open(token, self._context(key, area), max_age=None, now=now)
            max_age, payload = msgspec.msgpack.decode(opened.payload, type=tuple[int, bytes])
            if (age := now - opened.header.issued_at) > max_age:
                raise TokenExpired(age)
        except TokenError as error:
            logger.info("a kept secret was not accepted: %s", error)
            return None
        return payload
