"""Reads from a session which user a log-in has written there: tables of the usual names, and how they are read.

Log-ins write the user in three kinds of places. A *subject* says who it is, as text, number, row or dict. A *record*
is a dict about the user. A *holder* is a dict of a log-in library or provider, with the user somewhere in it. Of a
dict only the claims of its best rank count, so a token beside them may be refreshed, and a profile edited.

The session is the application's, but users' words are in it, in keys too. Nothing here raises. The work is one look-up
for each key of the session, and a bounded number of them below.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

__all__ = ["Login", "read_login"]

_LONGEST = 64  # characters of a key that may be a log-in's
_DICTS = 16  # dicts that are looked into below one key of the session
_BREADTH = 256  # entries of such a dict; no log-in writes a larger one
_COLUMNS = 16  # of a row


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Names are spelled as `_plain` leaves them: `_user_id`, `userId` and `user.id` are all `userid`.
_SUBJECTS = _words(
    "user userid useruuid username useremail userlogin usersub uid sub subject login loginid loginname loggedinas"
    " account accountid accountname email emailaddress mail principal identity identityid identityname"
    " preferredusername upn oid nameid samlnameid"
)
_RECORDS = _words("userinfo claims userclaims idtokenclaims")
_PROVIDERS = _words(
    "apple auth0 authentik azure bitbucket cognito discord entra facebook github gitlab google keycloak linkedin"
    " microsoft okta slack spotify steam telegram twitch twitter"
)
_HOLDERS = _PROVIDERS | _words(
    "profile userprofile userdata userdetails auth authprofile oauth oauth2 oidc openid saml samluserdata sso me"
)
_TOKENS = _words("token oauthtoken authtoken idtoken accesstoken jwt jwtpayload tokeninfo credentials")
_FLAGS = _words("loggedin isloggedin signedin authenticated isauthenticated admin isadmin")
_PREFIXES = _PROVIDERS | _words("current auth authenticated loggedin oauth oidc saml sso ldap admin")

_KINDS = {
    prefix + name: kind
    for kind, names in (
        ("holder", _HOLDERS),
        ("token", _TOKENS),
        ("record", _RECORDS),
        ("subject", _SUBJECTS),
    )
    for name in names
    for prefix in ("", *_PREFIXES)
}
_KINDS |= dict.fromkeys((f"{provider}id" for provider in (*_PROVIDERS, "auth", "admin")), "subject")
_KINDS |= dict.fromkeys(_FLAGS, "flag")

_RANKS = (
    _words("id sub userid uid oid uuid guid pk idstr accountid homeaccountid localaccountid subject"),
    _words("username login loginname preferredusername upn screenname user account nameid"),
    _words("email emailaddress mail useremail phone phonenumber"),
    _words("name displayname fullname"),
)
_RANK = {name: rank for rank, names in enumerate(_RANKS) for name in names}
_ISSUER = -1
_RANK |= dict.fromkeys(_words("iss issuer tid tenantid"), _ISSUER)

_INWARDS = _RECORDS | _words(
    "user userdata userprofile profile account autheduser identity principal me data"
)

# What libraries keep beside the user, and what every second application does.
_OTHERS = _words(
    "_flashes csrf_token _csrf_token _xsrf _permanent permanent next next_url lang language locale timezone theme"
    " cart _fresh _remember _remember_seconds _auth_flow _token_cache identity.auth_type state nonce code_verifier"
)
_OTHERS_BEGIN = ("fs_", "tf_", "_state_", "_quart_stash")
_OTHERS_END = "oauth_state"

Part = tuple[list[str], str | list[str | None]]


class Login(NamedTuple):
    """What a session says of its user.

    Attributes:
        parts: what tells this user from others, canonical, as JSON can hold it; empty: nobody is known.
        unbound: keys that may say who it is, in a way that can't be told.
    """

    parts: list[Part]
    unbound: tuple[str, ...]


def read_login(session: Mapping[Any, Any]) -> Login:
    """Return what a session says of its user."""
    parts: list[Part] = []
    unbound: list[str] = []
    known = False
    for key, value in session.items():
        if not isinstance(key, str) or value is None or _is_other(key):
            continue
        kind = _KINDS.get(_plain(key))
        if kind == "flag" and isinstance(value, (dict, list, tuple)):
            kind = "subject"
        if kind == "flag" or isinstance(value, bool):
            # It says that somebody is logged in, but not who.
            if kind in ("subject", "flag") and (text := "true" if value is True else _text(value)):
                parts.append(([key], text))
                unbound.append(key)
        elif found := _read(key, value, kind):
            known = True
            parts.extend(found)
        elif not (isinstance(value, (str, bytes, list, tuple, dict)) and len(value) == 0):
            unbound.append(key)
    if known:  # then other keys need not say it, unless they are a log-in's by their names
        unbound = [key for key in unbound if _KINDS.get(_plain(key)) in ("subject", "record")]
    return Login(sorted(parts, key=json.dumps), tuple(sorted(unbound)))


def _is_other(key: str) -> bool:
    return key in _OTHERS or key.startswith(_OTHERS_BEGIN) or key.endswith(_OTHERS_END)


def _read(key: str, value: Any, kind: str | None) -> list[Part]:
    if isinstance(value, dict):
        if kind in ("subject", "record"):
            return _best(_claims(value, key), len(_RANKS))
        if kind in ("holder", "token"):
            claims = _claims(value, key)
            if kind == "token":  # its own id is another one after a refresh
                claims = [claim for claim in claims if len(claim.path) > 2 or _plain(claim.path[-1]) != "id"]
            return _best(claims, 1)
    elif kind == "subject":
        text = _row(value) if isinstance(value, (list, tuple)) else _text(value)
        if text is not None:
            return [([key], text)]
    return []


class _Claim(NamedTuple):
    rank: int
    path: list[str]
    text: str


def _claims(record: dict[Any, Any], key: str) -> list[_Claim]:
    """Return what a dict says of its user, and what the dicts in it do."""
    claims: list[_Claim] = []
    todo: deque[tuple[list[str], dict[Any, Any]]] = deque([([key], record)])
    for _ in range(_DICTS):
        if not todo:
            break
        path, record = todo.popleft()
        if len(record) > _BREADTH:
            continue
        # Sorted, so that the order of a dict does not decide what is left out where there is too much.
        for name in sorted(name for name in record if isinstance(name, str)):
            plain, value = _plain(name), record[name]
            if isinstance(value, dict):
                if plain in _INWARDS:
                    todo.append(([*path, name], value))
            elif plain in _RANK and (text := _text(value)) is not None:
                claims.append(_Claim(_RANK[plain], [*path, name], text))
    return claims


def _best(claims: list[_Claim], ranks: int) -> list[Part]:
    """Return the claims of the best rank, with the issuers: an id is unique for its issuer only."""
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


_SEPARATORS = dict.fromkeys(map(ord, "-_.:/ "))


def _plain(key: str) -> str:
    """Return a name in lower case and without separators; of one that is too long, nothing."""
    return key.lower().translate(_SEPARATORS) if len(key) <= _LONGEST else ""
