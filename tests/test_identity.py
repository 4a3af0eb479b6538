"""The default identity: it stays with a browser session and a user, and changes with either.

The quick starts of real log-ins are in test_quickstarts.py.
"""

from __future__ import annotations

import json
import logging
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quart_stash.identity import (
    SESSION_KEY,
    SessionIdentity,
    default_identity,
    identity_tag,
    session_secret,
)
from quart_stash.logins import read_login


def test_nobody() -> None:
    """An empty session has no identity, and asking leaves no trace in it."""
    session: dict[str, Any] = {}
    assert default_identity(session) is None
    assert session == {}


def test_the_secret_is_made_once() -> None:
    """The session's secret is random, and stays."""
    session: dict[str, Any] = {}
    assert session_secret(session, create=False) is None
    secret = session_secret(session, create=True)
    assert secret
    assert session_secret(session, create=True) == secret
    assert session_secret({}, create=True) != secret


def test_a_session_that_holds_something_else() -> None:
    """What is no text is not taken for a secret."""
    assert session_secret({SESSION_KEY: 7}, create=True) is None


@given(
    st.dictionaries(st.sampled_from([SESSION_KEY, "_user_id", "user_id"]), st.text(min_size=1)),
    st.dictionaries(st.sampled_from([SESSION_KEY, "_user_id", "user_id"]), st.text(min_size=1)),
)
def test_equal_for_the_same_and_different_for_another(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Two sessions have the same identity exactly if they hold the same secret and user; other keys do not matter."""
    assert (default_identity({**one, "cart": 1}) == default_identity({**other, "cart": 2})) == (one == other)


@pytest.mark.parametrize("key", ["_user_id", "user_id"])
def test_logging_in_or_out_cuts_the_tie(key: str) -> None:
    """The same browser session is another identity before the log-in, as one user, as another, and after the log-out."""
    session: dict[str, Any] = {}
    session_secret(session, create=True)
    seen = [default_identity(session)]
    for user in (1, 2):
        session[key] = user
        seen.append(default_identity(session))
    assert len(set(seen)) == 3
    del session[key]
    assert default_identity(session) == seen[0]


def test_a_number_is_the_same_user_as_its_text() -> None:
    """A user id that a session gives back as text, or as another type of the same number, is the same user."""
    assert default_identity({"user_id": 7}) == default_identity({"user_id": "7"})
    assert default_identity({"user_id": 7}) == default_identity({"user_id": 7.0})
    number = UUID("f81d4fae-7dec-11d0-a765-00a0c91e6bf6")
    assert default_identity({"user_id": number}) == default_identity({"user_id": str(number)})


UNBOUND = {"access_token": "first", "expires_at": 1, "roles": ["reader"], "theme": "dark"}
REFRESHED = {"roles": ["reader", "writer"], "refresh_token": "new", "expires_at": 2, "access_token": "second"}


def of(user: str) -> dict[str, dict[str, Any]]:
    """Return what different log-ins write for a user, by what the test calls them."""
    number = {"ada": 1, "bob": 2}[user]
    sub = {"sub": f"sub-{user}", "iss": "https://example.com"}
    return {
        "Flask, Quart": {"username": user},
        "email": {"email": f"{user}@example.com"},
        "login": {"login": user},
        "account": {"account": number},
        "userid": {"userid": number},
        "uid": {"uid": number},
        "sub": {"sub": f"auth0|{number}"},
        "userId": {"userId": number},
        "user-id": {"user-id": number},
        "current_user": {"current_user": user},
        "logged_in_user": {"logged_in_user": user},
        "provider's id": {"google_id": number},
        "zero": {"user": number - 1},
        "uuid": {"user": UUID(int=number)},
        "bytes": {"user": user.encode()},
        "admin": {"admin": {"id": number, **UNBOUND}},
        "row": {"user": (number, user, None)},
        "list": {"user": [number, user]},
        "flask-principal": {"identity.id": user, "identity.auth_type": "form"},
        "saml": {"samlNameId": user, "samlSessionIndex": "1", "samlUserdata": {"mail": ["x"]}},
        "dict with an id": {"user": {"id": number, "name": user, **UNBOUND}},
        "dict with camelCase": {"user": {"userId": number, **UNBOUND}},
        "dict with a name": {"user": {"username": user, **UNBOUND}},
        "dict with an email": {"user": {"email": f"{user}@example.com", **UNBOUND}},
        "dict with no more than a name": {"user": {"name": user, **UNBOUND}},
        "mongo": {"user": {"_id": f"64f{number}", **UNBOUND}},
        "authlib, userinfo": {"user": {**sub, "email": "shared@example.com", "nonce": "n1", **UNBOUND}},
        "authlib, token": {"user": {"userinfo": {**sub, "exp": 1}, "id_token": "e.y.j", **UNBOUND}},
        "auth0": {"profile": {"user_id": f"auth0|{number}", "name": user, **UNBOUND}},
        "flask-oidc": {"oidc_auth_profile": {**sub, "name": user}, "oidc_auth_token": UNBOUND},
        "msal": {"_logged_in_user": {"oid": f"o{number}", "tid": "t", **UNBOUND}, "_token_cache": "{}"},
        "msal's account": {"_account": {"home_account_id": f"{number}.t", **UNBOUND}},
        "claims": {"id_token_claims": {**sub, "iat": 1, **UNBOUND}},
        "github": {"github_user": {"login": user, "id": number, "followers": 3, **UNBOUND}},
        "slack": {"slack_oauth_token": {"authed_user": {"id": f"U{number}"}, "id": "first", **UNBOUND}},
        "deep": {"oauth": {"user": {"data": {"profile": {"id": number}}}, **UNBOUND}},
    }


def refreshed(value: Any) -> Any:
    """Return what stands there after a refresh: other tokens, other claims of time, in another order."""
    if not isinstance(value, dict):
        return value
    fresh = {name: refreshed(inner) for name, inner in reversed(value.items())}
    fresh |= {name: REFRESHED[name] for name in ("access_token", "expires_at", "roles") if name in fresh}
    fresh |= {name: "second" for name in ("nonce", "exp", "iat", "id_token") if name in fresh}
    if "access_token" in fresh:
        fresh["refresh_token"] = "new"
        if "authed_user" in fresh:
            fresh["id"] = "second"
    return fresh


@pytest.mark.parametrize("how", of("ada"))
def test_the_user_of_a_log_in(how: str) -> None:
    """Whatever a log-in calls the user: another one, or nobody, is another identity, and a refresh or a visit is not."""
    base: dict[str, Any] = {SESSION_KEY: "s", "visits": 1}
    ada, bob = ({**base, **of(user)[how]} for user in ("ada", "bob"))
    assert len({default_identity(session) for session in (base, ada, bob)}) == 3
    assert default_identity({name: refreshed(value) for name, value in ada.items()}) == default_identity(ada)
    assert default_identity({**ada, "visits": 2, "_flashes": [("message", "hello")]}) == default_identity(ada)
    if "bytes" not in how and "uuid" not in how:  # as a cookie carries it
        carried = json.loads(json.dumps(ada))
        assert default_identity(carried) == default_identity(ada)
        assert len({default_identity(each) for each in (carried, json.loads(json.dumps(bob)))}) == 2
    assert read_login(ada).unbound == ()


@pytest.mark.parametrize(
    "key",
    [
        "name", "tab", "tab_name", "count", "visits", "_flashes", "csrf_token", "permanent", "_permanent", "next",
        "locale", "cart", "user_agent", "username_draft", "draft_username", "last_login", "users", "user_count",
        "email_draft", "newsletter_email", "selected_user_id", "session_id", "oauth_state", "_fresh", "_id", "fs_paa",
        "fs_cc", "_state_google_x", "code_verifier", "usér", "user✓", "u" * 100 + "_user", "", "status", "authority",
    ],
)  # fmt: skip
@pytest.mark.parametrize("user", [{}, {"user_id": 7}], ids=["nobody", "somebody"])
def test_what_merely_looks_like_a_user(key: str, user: dict[str, Any]) -> None:
    """What a session keeps besides may change at any time, and cuts nothing."""
    base = {SESSION_KEY: "s", **user}
    seen = {
        default_identity({**base, key: value})
        for value in ("a", "b", 1, 2, True, {"id": 1}, {"id": 2, "name": "b"}, ["a"], None, "")
    }
    assert seen == {default_identity(base)}


@pytest.mark.parametrize("holder", ["profile", "user_data", "token", "google"])
def test_a_draft_of_a_profile_is_no_user(holder: str) -> None:
    """In a dict that is not about the user by its name only ids count: what is typed into a profile cuts nothing."""
    base = {SESSION_KEY: "s"}
    drafts = [{"name": "a"}, {"name": "b", "email": "b@example.com"}, {"theme": "dark"}]
    assert {default_identity({**base, holder: draft}) for draft in drafts} == {default_identity(base)}


def test_somebody_who_edits_their_profile_stays_the_same() -> None:
    """Beside an id neither name nor address counts, and beside a name no address."""
    known: list[dict[str, Any]] = [{"id": 1}, {"username": "ada"}]
    for claims in known:
        users = [{**claims, "email": f"{number}@example.com", "name": str(number)} for number in (1, 2)]
        assert len({default_identity({"user": user}) for user in users}) == 1


def test_one_id_of_two_issuers() -> None:
    """The same id from another issuer is another user; an issuer alone is nobody."""
    issuers = ["https://a.example", "https://b.example"]
    assert len({default_identity({"user": {"sub": "1", "iss": issuer}}) for issuer in issuers}) == 2
    assert default_identity({"user": {"iss": issuers[0]}}) is None


def test_all_users_of_a_session_count() -> None:
    """A visitor's id does not hide the name that a log-in adds, and a second account is another identity."""
    visitor = {SESSION_KEY: "s", "user_id": "visitor-1"}
    seen: list[dict[str, Any]] = [
        {},
        {"username": "ada"},
        {"username": "bob"},
        {"username": "bob", "account": 2},
    ]
    assert len({default_identity({**visitor, **more}) for more in seen}) == 4


@pytest.mark.parametrize("key", ["logged_in", "authenticated", "is_admin", "user"])
@pytest.mark.parametrize("value", [True, 1, "yes"])
def test_a_flag(key: str, value: Any) -> None:
    """A session that says only *that* somebody is logged in is cut at log-in and log-out, and is warned of."""
    base = {SESSION_KEY: "s"}
    assert default_identity({**base, key: value}) != default_identity(base)
    assert default_identity({**base, key: False}) == default_identity(base)
    if key != "user" or value is True:
        assert read_login({**base, key: value}).unbound == (key,)


def test_text_is_taken_as_it_is() -> None:
    """Names that differ in a code point are two users, and what no encoding knows is one too."""
    names = ["é", "e\u0301", "E", "e", "e ", "\ud800", "\ud801", "\x00", "'", '["e"]']
    assert len({default_identity({"user": name}) for name in names}) == len(names)
    assert len({identity_tag("s", name) for name in names}) == len(names)
    assert default_identity({"user": ["e"]}) != default_identity({"user": '["e"]'})


NAMES = st.sampled_from(["user", "login", "profile", "token", "id", "sub", "name", "x"]) | st.text(max_size=3)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(NAMES, JSON, max_size=4))
def test_any_session(session: dict[str, Any]) -> None:
    """Whatever a session holds: nothing is raised, and the order of its keys does not matter."""
    turned = {key: turned_around(value) for key, value in reversed(session.items())}
    assert default_identity(session) == default_identity(turned)
    assert SessionIdentity()(session) == default_identity(session)


def turned_around(value: Any) -> Any:
    """Return the same value with every dict turned around."""
    if isinstance(value, list):
        return [turned_around(inner) for inner in value]
    if isinstance(value, dict):
        return {key: turned_around(inner) for key, inner in reversed(value.items())}
    return value


def test_hostile_sessions() -> None:
    """Depth, breadth, circles, huge numbers and strange objects are read within bounds, and raise nothing."""

    class Strange:
        def __bool__(self) -> bool:
            raise AssertionError("asked for its truth")

        def __str__(self) -> str:
            raise AssertionError("asked for its text")

        def __eq__(self, other: object) -> bool:
            raise AssertionError("compared")

        __hash__ = None  # type: ignore[assignment]

    deep: dict[str, Any] = {"id": 1}
    for _ in range(10_000):
        deep = {"user": deep}
    circle: dict[str, Any] = {"name": "ada"}
    circle |= {"_" * count + "user": circle for count in range(30)}
    wide = {str(number): number for number in range(100_000)} | {"id": 1}
    rows = [list(range(100_000)), [Strange()], [[["id"]]]]
    for value in (deep, circle, wide, *rows, Strange(), 10**10_000, float("inf"), float("nan"), "x" * 10**6):
        default_identity({"user": value, "token": value, "other": value, 7: value})  # type: ignore[dict-item]
    assert default_identity({"user": circle}) == default_identity({"user": dict(circle)}) is not None
    assert default_identity(wide) is None
    many = {"_" * count + "user": {"id": count} for count in range(60)}
    assert (
        default_identity({"user": many})
        == default_identity({"user": dict(reversed(many.items()))})
        is not None
    )


def warned(caplog: pytest.LogCaptureFixture, *sessions: dict[str, Any]) -> list[str]:
    """Return the warnings about these sessions of one application."""
    identity = SessionIdentity()
    with caplog.at_level(logging.WARNING, "quart_stash"):
        for session in sessions:
            identity(session)
    return [record.getMessage() for record in caplog.records]


def test_what_can_not_be_told_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """Keys that may say who is logged in, and are not bound, are named once for each set of them, their values never."""
    unknown = {"member": "ada-value", "token": {"access_token": "token-value"}, "cart": [1], "dark": True}
    (one, two) = warned(caplog, unknown, {**unknown, "member": "bob-value"}, {"patient": 1}, unknown)
    assert "'member', 'token'." in one
    assert "identity_loader(lambda: session.get('member'))" in one
    assert "'patient'." in two
    assert "value" not in one + two
    assert "cart" not in one
    assert "dark" not in one


@pytest.mark.parametrize(
    "session",
    [{}, {SESSION_KEY: "s"}, {"_flashes": [["message", "hi"]], "csrf_token": "x", "next": "/"}, {"dark": True},
     {"google_oauth_state": "x", "_state_google_y": {"data": {}}, "_auth_flow": {"state": "z"}, "fs_cc": "set"},
     {"user": None, "basket": {}}, {"user_id": 7, "member": "ada"}],
    ids=str,
)  # fmt: skip
def test_where_there_is_nothing_to_say(session: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """No warning where the user is bound, or where nothing in the session can be one."""
    assert warned(caplog, session) == []


def test_a_user_that_can_not_be_read_is_named_beside_one_that_can(caplog: pytest.LogCaptureFixture) -> None:
    """A visitor's id does not hide a log-in whose dict can't be read."""
    (warning,) = warned(caplog, {"user_id": 7, "user": {"scope": "all"}, "basket": [1]})
    assert "these keys of the session: 'user'." in warning


def test_warnings_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """Users' words may be in the keys: a warning names few, shortened and escaped, and there are few warnings."""
    many = {f"\n{number} é{'x' * 5000}": 1 for number in range(1000)}
    warnings = warned(caplog, many, *({f"draft-{number}": 1} for number in range(1000)))
    assert len(warnings) == 16
    assert "and 992 more" in warnings[0]
    assert len(warnings[0]) < 1000
    assert warnings[0].isascii() and warnings[0].isprintable()


def test_the_identity_shows_nothing() -> None:
    """Neither the secret nor the user can be read from the identity or from the tag."""
    session = {SESSION_KEY: "the-secret", "user_id": "alice"}
    identity = default_identity(session)
    text = f"{identity} {identity_tag('the-secret', identity)}"
    assert "the-secret" not in text
    assert "alice" not in text


def test_the_tag_tells_identities_apart() -> None:
    """The keyed hash for the page differs between identities and between sessions; without a session it is empty."""
    tags = [identity_tag(secret, identity) for secret in ("s1", "s2") for identity in ("a", "b", None)]
    assert len(set(tags)) == 6
    assert identity_tag("s1", "a") == tags[0]
    assert identity_tag("s1", "") != identity_tag("s1", None)
    assert identity_tag(None, "a") == ""
