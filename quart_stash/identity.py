"""Who a connection belongs to, where the application does not say it itself."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import sys
from collections.abc import MutableMapping
from typing import Any

__all__ = ["SESSION_KEY", "default_identity", "identity_tag", "session_secret"]

SESSION_KEY = "_quart_stash"
"""The name of our random secret in the Quart session."""


def session_secret(session: MutableMapping[str, Any], *, create: bool) -> str | None:
    """Return the random secret that ties a browser session together; make one if asked to."""
    secret = session.get(SESSION_KEY)
    if secret is None and create:
        secret = session[SESSION_KEY] = secrets.token_urlsafe(18)
    return secret if isinstance(secret, str) else None


def default_identity(session: MutableMapping[str, Any]) -> str | None:
    """Return who the Quart session says this is, as a digest: the same for one browser session and user.

    The random secret is taken together with what Flask-Login (`_user_id`), Quart-Auth and a plain `user_id`
    keep, so that logging out, or in as somebody else, cuts the tie to what was stashed before.
    """
    parts = [
        session_secret(session, create=False),
        session.get("_user_id"),
        session.get("user_id"),
        _quart_auth_id(),
    ]
    if all(part is None for part in parts):
        return None
    return hashlib.sha256(repr([None if part is None else str(part) for part in parts]).encode()).hexdigest()


def identity_tag(secret: str | None, identity: str | None) -> str:
    """Return a keyed hash of the identity, for the page: it tells two apart, and tells nothing else.

    The key is the session's own secret, so that it outlives a rotation of the application's keys. Without one
    (a session that no page of ours began, or that was ended) it is empty, and fits no page.
    """
    if secret is None:
        return ""
    return hmac.new(secret.encode(), (identity or "").encode(), hashlib.sha256).hexdigest()[:32]


def _quart_auth_id() -> str | None:
    quart_auth = sys.modules.get("quart_auth")
    if quart_auth is None:
        return None
    try:
        auth_id = quart_auth.current_user.auth_id
    except Exception:  # not set up for this application
        return None
    return None if auth_id is None else str(auth_id)
