"""Who a connection belongs to, where the application does not say it itself."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import secrets
from collections.abc import MutableMapping
from typing import Any

from quart import current_app

from .logins import Login, read_login

__all__ = ["SESSION_KEY", "SessionIdentity", "default_identity", "identity_tag", "session_secret"]

SESSION_KEY = "_quart_stash"
"""The name of our random secret in the session."""

_NAMED = 8  # keys that one warning names
_WARNINGS = 16  # in one process: users' words may be in the keys

logger: logging.Logger = logging.getLogger("quart_stash")


def session_secret(session: MutableMapping[str, Any], *, create: bool) -> str | None:
    """Return the random secret that ties a browser session together; make one if asked to."""
    secret = session.get(SESSION_KEY)
    if secret is None and create:
        secret = session[SESSION_KEY] = secrets.token_urlsafe(18)
    return secret if isinstance(secret, str) else None


def default_identity(session: MutableMapping[str, Any]) -> str | None:
    """Return who the Quart session says this is, as a digest: the same for one browser session and user.

    The random secret is taken together with the user that log-ins write into the session, and with Quart-Auth's,
    so that logging out, or in as somebody else, cuts the tie to what was stashed before.
    """
    return _digest(session, read_login(session), _quart_auth_ids())


class SessionIdentity:
    """The default identity of one application. It warns, once, of what it can't bind."""

    def __init__(self) -> None:
        self._warned: set[tuple[str, ...]] = set()

    def __call__(self, session: MutableMapping[str, Any]) -> str | None:
        """Return who the session says this is."""
        login, users = read_login(session), _quart_auth_ids()
        if login.unbound and not users:
            self._warn(login.unbound)
        return _digest(session, login, users)

    def _warn(self, unbound: tuple[str, ...]) -> None:
        named = tuple(ascii(key[:40]) for key in unbound[:_NAMED])
        if named in self._warned or len(self._warned) >= _WARNINGS:
            return
        self._warned.add(named)
        more = f" and {len(unbound) - _NAMED} more" if len(unbound) > _NAMED else ""
        logger.warning(
            "views are not bound to these keys of the session: %s%s. If one of them says who is logged in, the next"
            " user of a browser gets the views of this one. Bind the user, for example with"
            " stash.identity_loader(lambda: session.get(%s))",
            ", ".join(named),
            more,
            named[0],
        )


def identity_tag(secret: str | None, identity: str | None) -> str:
    """Return a keyed hash of the identity, for the page: it tells two apart, and tells nothing else.

    The key is best the session's own secret, so that it outlives a rotation of the application's keys. Without
    one (a session that no page of ours began, or that was ended) it is empty, and fits no page.
    """
    if secret is None:
        return ""
    who = b"" if identity is None else b"=" + identity.encode("utf-8", "surrogatepass")  # "" is not nobody
    return hmac.new(secret.encode("utf-8", "surrogatepass"), who, hashlib.sha256).hexdigest()[:32]


def _digest(session: MutableMapping[str, Any], login: Login, users: list[list[str]]) -> str | None:
    secret = session_secret(session, create=False)
    if secret is None and not login.parts and not users:
        return None
    return hashlib.sha256(json.dumps([secret, login.parts, users]).encode()).hexdigest()


def _quart_auth_ids() -> list[list[str]]:
    """Return the user of each Quart-Auth that the application has: several may share one."""
    users: list[list[str]] = []
    extensions = current_app.extensions.get("QUART_AUTH", ()) if current_app else ()
    for auth in extensions:
        auth_id = auth.load_user().auth_id
        if auth_id is not None:
            users.append([str(auth.attribute_name), str(auth_id)])
    return sorted(users)
