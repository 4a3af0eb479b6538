"""Who views belong to: what an identity must be, and the end of all that belongs to somebody."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeGuard

from .errors import ConfigurationError
from .live.handover import part
from .live.session import Session
from .live.tasks import Tasks

__all__ = ["Owners", "check_identity"]

logger: logging.Logger = logging.getLogger("quart_stash")


class Owners:
    """Who the connections of one application belong to."""

    def __init__(self) -> None:
        self._owned: dict[str, set[Session]] = {}  # from before they are mounted
        self._closing = Tasks()
        self._misidentified = False

    @contextmanager
    def owning(self, session: Session, identity: object) -> Iterator[None]:
        """Remember, meanwhile, who a connection belongs to."""
        if not isinstance(identity, str):
            yield
            return
        owned = self._owned.setdefault(identity, set())
        owned.add(session)
        try:
            yield
        finally:
            owned.discard(session)
            if not owned:
                self._owned.pop(identity, None)

    async def check(self, session: Session, identity: object) -> str | None:
        """Return an identity; if it is none, end the connection for good: retried, it would fail for ever."""
        if not _is_identity(identity):
            if not self._misidentified:
                self._misidentified = True
                logger.error("quart_stash: %s", _no_identity(identity))
            await session.dismiss(1008, "the server can't tell who this is")
            await session.verbs.wait_for_end()
        return identity

    async def close(self, identity: str) -> int:
        """Close what belongs to somebody, in this process, with 1008: their clients do not come back by themselves.

        Nobody waits for a peer: one that does not read is cut off after the usual grace.

        Returns:
            How many connections were closed; one that was about to be mounted counts.

        Raises:
            ConfigurationError: it is no identity, or `None`, which is nobody in particular.
        """
        if not isinstance(identity, str):
            raise ConfigurationError(
                f"close_views takes the identity that identity_loader returns, a str, not {type(identity).__name__}"
            )
        closing = [
            session
            for session in self._owned.get(identity, ())
            if not (session.socket.closed or session.ending)
        ]
        for session in closing:
            self._closing.start(part(session.socket, session.dismiss(1008, "logged out")))
        await asyncio.sleep(0)  # they have begun: nothing of these views counts from here on
        return len(closing)


def check_identity(identity: object) -> str | None:
    """Return who a connection belongs to.

    Raises:
        ConfigurationError: it is neither text nor `None`.
    """
    if not _is_identity(identity):
        raise ConfigurationError(_no_identity(identity))
    return identity


def _is_identity(identity: object) -> TypeGuard[str | None]:
    return identity is None or isinstance(identity, str)


def _no_identity(identity: object) -> str:
    """Say what is wrong with an identity, without showing it."""
    return (
        f"identity_loader, or who called, gave a {type(identity).__name__}: "
        "an identity is a str, or None for nobody in particular; for a user's number return str(user.id)"
    )
