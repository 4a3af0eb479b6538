"""The default identity: it stays with a browser session and a user, and changes with either."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quart_stash.identity import SESSION_KEY, default_identity, identity_tag, session_secret


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
    """A user id that a session gives back as text is the same user."""
    assert default_identity({"user_id": 7}) == default_identity({"user_id": "7"})


def test_the_identity_shows_nothing() -> None:
    """Neither the secret nor the user can be read from the identity or from the tag."""
    session = {SESSION_KEY: "the-secret", "user_id": "alice"}
    identity = default_identity(session)
    text = f"{identity} {identity_tag('the-secret', identity)}"
    assert "the-secret" not in text
    assert "alice" not in text


def test_quart_auth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Quart-Auth is in use its user counts; where it is not set up for the application it does not."""
    user = SimpleNamespace(auth_id="7")
    monkeypatch.setitem(sys.modules, "quart_auth", SimpleNamespace(current_user=user))
    first = default_identity({})
    user.auth_id = "8"
    assert None not in (first, default_identity({}))
    assert default_identity({}) != first
    user.auth_id = None
    assert default_identity({}) is None
    monkeypatch.setitem(sys.modules, "quart_auth", SimpleNamespace())
    assert default_identity({}) is None


def test_the_tag_tells_identities_apart() -> None:
    """The keyed hash for the page differs between identities and between sessions; without a session it is empty."""
    tags = [identity_tag(secret, identity) for secret in ("s1", "s2") for identity in ("a", "b", None)]
    assert len(set(tags)) == 6
    assert identity_tag("s1", "a") == tags[0]
    assert identity_tag(None, "a") == ""
