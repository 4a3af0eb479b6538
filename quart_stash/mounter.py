"""How a socket becomes a view: what its client brings is judged, merged, and answered."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from .config import StashConfig
from .core import frames
from .core.handshake import host_of, requested_path
from .core.merge import Merged, merge
from .core.pages import Page, PageSigner, digest
from .core.state import StateType
from .core.tokens import Binding, Sealer
from .errors import ConfigurationError, ProtocolError, TokenRefused, TokenUnjudgeable
from .forms import Pushed
from .live.notices import Notices
from .live.session import Session
from .live.socket import Scope
from .shown import shown
from .view import Mounting, View

__all__ = ["Mounter", "ViewType"]

S = TypeVar("S")

logger: logging.Logger = logging.getLogger("quart_stash")


@dataclass(frozen=True)
class ViewType(Generic[S]):
    """What a route declares about its view.

    Attributes:
        name: tells it from other views; its tokens are bound to it.
        state_type: the declared state, its version and migrations.
    """

    name: str
    state_type: StateType[S]


class Mounter:
    """Mounts the views of one application.

    Args:
        config: as configured.
        sealer: opens the tokens that clients bring.
        pages: verifies page params.
        build: the running build.
        notices: what is said once to whoever runs the application.
        notify: sends signals.
        now: the clock, in seconds since the epoch.
    """

    def __init__(
        self,
        config: StashConfig,
        sealer: Sealer,
        pages: PageSigner,
        *,
        build: str,
        notices: Notices,
        notify: Callable[..., None],
        now: Callable[[], float],
    ) -> None:
        self._config = config
        self._sealer = sealer
        self._pages = pages
        self._build = build
        self._notices = notices
        self._notify = notify
        self._now = now

    async def mount(
        self,
        session: Session,
        view_type: ViewType[S],
        arguments: Mapping[str, Any],
        identity: str | None,
        page_tag: str | None,
    ) -> View[S]:
        """Mount a view on an accepted socket. Where nothing can be mounted, close it and wait to be cancelled.

        Args:
            session: of the socket.
            view_type: what the route declares.
            arguments: what tokens are bound to besides the path.
            identity: who the connection belongs to.
            page_tag: what a page that was rendered for this identity says; None: it is not looked at.
        """
        mount = await session.opened()
        foreign = page_tag is not None and mount.identity is not None and mount.identity != page_tag
        if foreign:
            # Somebody else has logged in since the page was rendered: nothing that was typed there is theirs.
            mount = msgspec.structs.replace(mount, params={}, forms={}, empty={}, invalid={}, dropped={})
        page = await self._page(session, mount, view_type.name, identity)
        old = page.expires is not None and page.expires < self._now()
        binding = _binding(session.socket.scope, view_type.name, arguments, identity, mount.page)
        merged = await self._merge(session, view_type, mount, binding, foreign=foreign)
        merged.invalid.update(mount.invalid)
        merged.dropped.update(mount.dropped)
        if old and merged.status != "restored":
            # A view that goes on was begun while they were good. Any process finds them as old: no 4409.
            await session.defer(1008, "the page params have expired: reload the page")
            await session.verbs.wait_for_end()
        self._tell_of(merged, view_type.name)
        self._tell_of_dropped(mount, view_type.name)
        await session.start(merged, view_type.state_type, binding, fork=mount.fork, build=self._build)
        status = "plain" if session.plain else merged.status
        self._notify("view_mounted", view=view_type.name, id=merged.view_id, status=status)
        if status == "restored":
            self._notify("view_restored", view=view_type.name, id=merged.view_id, received=merged.received)
        mounting = Mounting(
            id=merged.view_id,
            status=status,
            reason=merged.reason,
            lineage=merged.lineage,
            pushed=Pushed(mount.params, mount.forms, mount.empty),
            invalid=merged.invalid,
            page=page.values,
            identity=identity,
        )
        return View(session, mounting)

    async def _merge(
        self,
        session: Session,
        view_type: ViewType[S],
        mount: frames.Mount,
        binding: Binding,
        *,
        foreign: bool,
    ) -> Merged[S]:
        """Merge what the client brings. A token that can't be judged here ends it: another process may know it."""
        try:
            return merge(
                view_type.state_type,
                self._sealer,
                binding.view(),
                token=mount.token,
                params=mount.params,
                sent=mount.sent,
                fork=mount.fork,
                anyway=mount.anyway,
                foreign=foreign,
                new_id=secrets.token_urlsafe(12),
                max_age=self._config.token_max_age,
                max_size=self._config.max_state_size,
                now=self._now(),
            )
        except TokenUnjudgeable as error:
            self._unjudgeable(shown(view_type.name), error)
            await session.defer(4409, "can't judge this token")
            await session.verbs.wait_for_end()
        except ProtocolError as error:
            await session.defer(error.close_code, str(error))
            await session.verbs.wait_for_end()

    def _tell_of(self, merged: Merged[Any], view: str) -> None:
        """Tell of a token that was rejected, and of messages that are another user's."""
        if merged.error is not None:
            logger.info("a token for %s was rejected: %s", shown(view), merged.error)
            self._notify("token_rejected", view=view, reason=merged.reason, error=merged.error)
        elif merged.status == "rejected":
            logger.info("a page of another user mounted %s: the messages that it held are lost", shown(view))

    def _tell_of_dropped(self, mount: frames.Mount, view: str) -> None:
        """Tell of params and forms that could not be read. They end no view, whatever they are."""
        for what, why in (("params", mount.invalid), ("forms", mount.dropped)):
            if why:
                self._notices.say(
                    logging.WARNING,
                    f"{what} {view}",
                    "a page mounted %s with %s that can't be read, and they were dropped: %s",
                    shown(view),
                    what,
                    shown(", ".join(f"{name or 'all'}: {reason}" for name, reason in why.items())),
                )

    def _unjudgeable(self, view: str, error: TokenUnjudgeable) -> None:
        """Say why a token is left to another process. For an unknown key, that may be nobody's but a mistake's."""
        if error.key_id is None:
            logger.info("a token for %s can't be judged here (%s): left to another process", view, error)
            return
        self._notices.say(
            logging.WARNING,
            "",
            "a token for %s has a key that this process does not know (%s), and is left to another process. "
            "If there is none with that key: was SECRET_KEY changed? Put the old one into SECRET_KEY_FALLBACKS, "
            "or such views begin anew",
            view,
            error.key_id,
        )

    async def _page(self, session: Session, mount: frames.Mount, view: str, identity: str | None) -> Page:
        """Verify the page params. Forged ones end here, but another process may hold their key."""
        if mount.page is None:
            return Page({}, None)
        try:
            return self._pages.verify(mount.page, identity=identity, view=view)
        except TokenRefused as error:
            self._notices.say(
                logging.INFO,
                shown(view),
                "page params for %s were refused (%s): somebody else has logged in since the page was rendered, "
                "or SECRET_KEY was changed without the old one in SECRET_KEY_FALLBACKS",
                shown(view),
                error,
            )
            if mount.anyway:
                await session.defer(1008, "the page params were refused: reload the page")
            else:
                await session.defer(4409, "can't judge these page params")
            await session.verbs.wait_for_end()


def _binding(
    scope: Scope, view: str, arguments: Mapping[str, Any], identity: str | None, page: str | None
) -> Binding:
    """Return what a token of this mount is bound to.

    The path as it was requested, and not what a route makes of it: other objects may have the same text. The root
    path besides, because some servers take it off the path and some do not.

    Raises:
        ConfigurationError: the application binds what JSON can't hold.
    """
    parts = (
        view,
        scope.get("root_path", ""),
        requested_path(scope.get("raw_path"), scope["path"]),
        scope["query_string"].decode("latin-1"),
        host_of(scope["headers"]),
        "" if identity is None else "=" + identity,  # nobody is not the one whose name is empty
        digest(page),
    )
    if not arguments:
        return Binding(parts)
    try:
        return Binding((*parts, json.dumps(dict(arguments), sort_keys=True, allow_nan=False)))
    except (TypeError, ValueError):
        raise ConfigurationError("`arguments` of mount_view holds what JSON can't: make it a str") from None
