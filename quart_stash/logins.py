"""Reads from a session which user a log-in has written there: tables of the usual names, and how they are read.

Log-ins write the user in three kinds of places. A *subject* says who it is, as text, number, row or dict. A *record*
is a dict about the user. A *holder* is a dict of a log-in library or provider, with the user somewhere in it. Of a
dict only the claims of its best rank count, so that a token beside them may be refreshed, and a profile edited.

A session is the application's, but users' words are in it, in keys too. Nothing here raises, and the work is one pass
over the session, and a bounded number of look-ups in what is nested.
"""

from __future__ import annotations

import json
import math
import re
from collections import deque
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

__all__ = ["Login", "read_login"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SUBJECTS = _words(
    "user user_id userid user_uuid user_name username user_email uid sub subject login login_id login_name account"
    " account_id account_name email email_address mail principal identity identity_id identity_name logged_in_as"
    " preferred_username upn oid saml_name_id name_id user_login user_sub"
)
_RECORDS = _words("userinfo user_info claims user_claims id_token_claims")
_PROVIDERS = _words(
    "apple auth0 authentik azure bitbucket cognito discord entra facebook github gitlab google keycloak linkedin"
    " microsoft okta slack spotify steam telegram twitch twitter"
)
_HOLDERS = _PROVIDERS | _words(
    "profile user_profile user_data user_details auth auth_profile oauth oauth2 oidc openid saml sso me saml_userdata"
)
_TOKENS = _words("token oauth_token auth_token id_token access_token jwt jwt_payload token_info credentials")
_FLAGS = _words("logged_in loggedin is_logged_in signed_in authenticated is_authenticated admin is_admin")
_PREFIXES = tuple(
    sorted(
        _PROVIDERS | _words("current auth authenticated logged_in loggedin oauth oidc saml sso ldap admin")
    )
)

_RANKS = (
    _words(
        "id sub user_id userid uid oid uuid guid pk id_str account_id home_account_id local_account_id subject"
    ),
    _words("username user_name login login_name preferred_username upn screen_name user account name_id"),
    _words("email email_address mail user_email phone phone_number"),
    _words("name display_name full_name"),
)
_ISSUER = -1
_RANK = {word: rank for rank, words in enumerate(_RANKS) for word in words} | dict.fromkeys(
    _words("iss issuer tid tenant_id"), _ISSUER
)

_INWARDS = _RECORDS | _words(
    "user user_data user_profile profile account authed_user identity principal me data"
)

_OTHERS = re.compile(
    r"_flashes|csrf_token|_csrf_token|_xsrf|_permanent|permanent|next|next_url|lang|language|locale|timezone|theme|cart"
    r"|_fresh|_remember|_remember_seconds|_auth_flow|_token_cache|identity\.auth_type|(?:fs|tf|_state|_quart)_.*",
    re.DOTALL,
)
"""What libraries keep beside the user, and what every second application does."""

_LONGEST = 64  # characters of a key that may be a log-in's
_DICTS = 16  # dicts that are looked into below one key of the session
_BREADTH = 256  # entries of such a dict; no log-in writes a larger one
_COLUMNS = 16  # of a row

Part = tuple[list[str], str | list[str | None]]


class _Claim(NamedTuple):
    rank: int
    path: list[str]
    text: str


class Login(NamedTuple):
    """What a session says of its user.

    Attributes:
        parts: what tells this user from others, canonical, as JSON can hold it; empty: nobody is known.
        known: whether they name a user. A flag, such as `logged_in`, does not.
        unbound: keys that may say who it is, in a way that can't be told.
    """

    parts: list[Part]
    known: bool
    unbound: tuple[str, ...]


def read_login(session: Mapping[Any, Any]) -> Login:
    """Return what a session says of its user."""
    parts: list[Part] = []
    unbound: list[str] = []
    known = False
    for key, value in session.items():
        if not isinstance(key, str) or value is None or _OTHERS.fullmatch(key):
            continue
        kind = _kind(key) if len(key) <= _LONGEST else ""
        if isinstance(value, bool) or kind == "flag":
            if kind in ("subject", "flag") and (text := _text(value) if value is not True else "true"):
                parts.append(([key], text))
                unbound.append(key)
            continue
        if found := _read(key, value, kind):
            known = True
            parts.extend(found)
        elif not (isinstance(value, (str, bytes, list, tuple, dict)) and len(value) == 0):
            unbound.append(key)
    if known:  # then other keys need not say it, unless they are a log-in's by their names
        unbound = [key for key in unbound if len(key) <= _LONGEST and _kind(key) in ("subject", "record")]
    return Login(sorted(parts, key=json.dumps), known, tuple(sorted(unbound)))


def _read(key: str, value: Any, kind: str) -> list[Part]:
    if isinstance(value, dict):
        if kind in ("subject", "record"):
            return _best(_claims(value, key), len(_RANKS))
        if kind in ("holder", "token"):
            claims = _claims(value, key)
            if kind == "token":  # its own id is another one after a refresh
                claims = [claim for claim in claims if len(claim.path) > 2 or _word(claim.path[-1]) != "id"]
            return _best(claims, 1)
    elif kind == "subject":
        text = _row(value) if isinstance(value, (list, tuple)) else _text(value)
        if text is not None:
            return [([key], text)]
    return []


@lru_cache(maxsize=1024)
def _kind(key: str) -> str:
    """Return what a key of the session is the name of."""
    word = _word(key)
    rest = next((word[len(p) + 1 :] for p in _PREFIXES if word.startswith(p + "_")), "")
    if word in _FLAGS:
        return "flag"
    if word in _SUBJECTS or rest in _SUBJECTS or (rest == "id" and word.removesuffix("_id") in _PREFIXES):
        return "subject"
    if word in _RECORDS or rest in _RECORDS:
        return "record"
    if word in _TOKENS or rest in _TOKENS:
        return "token"
    if word in _HOLDERS or rest in _HOLDERS:
        return "holder"
    return ""


@lru_cache(maxsize=1024)
def _word(key: str) -> str:
    """Return a name as this module spells it: `userId`, `user-id`, `_user_id` and `user.id` are all `user_id`."""
    if not key.isascii():
        return ""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower()
    return re.sub(r"[-_.:/ ]+", "_", apart).strip("_")


def _claims(record: dict[Any, Any], key: str) -> list[_Claim]:
    """Return what a dict says of its user, and what lies in it does."""
    claims: list[_Claim] = []
    todo: deque[tuple[list[str], dict[Any, Any]]] = deque([([key], record)])
    for _ in range(_DICTS):
        if not todo:
            break
        path, record = todo.popleft()
        if len(record) > _BREADTH:
            continue
        # In order, so that it does not depend on the dict's which are left out where there are too many.
        for name in sorted(name for name in record if isinstance(name, str) and len(name) <= _LONGEST):
            word, value = _word(name), record[name]
            if isinstance(value, dict):
                if word in _INWARDS:
                    todo.append(([*path, name], value))
            elif word in _RANK and (text := _text(value)) is not None:
                claims.append(_Claim(_RANK[word], [*path, name], text))
    return claims


def _best(claims: list[_Claim], ranks: int) -> list[Part]:
    """Return the claims of the best rank, with the issuers, for which alone an id is unique."""
    best = min((claim.rank for claim in claims if claim.rank in range(ranks)), default=None)
    if best is None:
        return []
    return [(claim.path, claim.text) for claim in claims if claim.rank in (best, _ISSUER)]


def _row(values: list[Any] | tuple[Any, ...]) -> list[str | None] | None:
    """Return a database's row as it is written for a user; `None` if there is nothing in it that can be told."""
    row = [_text(value) for value in values[:_COLUMNS]]
    return row if any(row) else None


def _text(value: Any) -> str | None:
    """Return the one text of a scalar. A store may give a number back as text, so both are the same user."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return str(value) or None
    if isinstance(value, int):
        return str(value) if value.bit_length() < 512 else hex(value)  # Python refuses to print longer ones
    if isinstance(value, float):
        return str(int(value)) if math.isfinite(value) and value.is_integer() else repr(value)
    if isinstance(value, bytes):
        return f"bytes:{value.hex()}" if value else None
    return str(value) if isinstance(value, UUID) else None
