"""Signed page params: readable, unchangeable, and bound."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quart_stash.core.keys import Keyring
from quart_stash.core.pages import PageSigner, digest
from quart_stash.errors import TokenRefused

NEW, OLD = "3f0c8be1a4d75629-new", "b81d02f6e97c4a35-old"
SIGNER = PageSigner(Keyring([NEW]))
PAGE = SIGNER.sign({"order": 17}, identity="alice", view="checkout")
URL_SAFE = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")

well_formed = st.text(st.characters(exclude_categories=["Cs"]))
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | well_formed,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(well_formed, inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(well_formed, json_values, max_size=4), st.none() | well_formed, st.none() | well_formed
)
def test_round_trip(values: dict[str, Any], identity: str | None, view: str | None) -> None:
    """What was signed is read again by the same identity in the same view, and is safe in a page or URL."""
    page = SIGNER.sign(values, identity=identity, view=view)
    assert set(page) <= URL_SAFE
    assert SIGNER.verify(page, identity=identity, view=view) == (values, None)


def test_expiry() -> None:
    """The time until which they may begin a view is signed, and does not change what tokens bind of them."""
    short, long = (
        SIGNER.sign({"order": 17}, identity="alice", view="checkout", expires=time)
        for time in (1e9 + 0.5, 2e9)
    )
    assert SIGNER.verify(short, identity="alice", view="checkout") == ({"order": 17}, 1e9)
    assert digest(short) == digest(long) == digest(PAGE)
    payload, expires, signature = short.split(".")
    for forged in (
        f"{payload}.{signature}",
        f"{payload}.{long.split('.')[1]}.{signature}",
        f"{payload}.{expires}0.{signature}",
        f"{PAGE.rpartition('.')[0]}.2000000000.{PAGE.rpartition('.')[2]}",
    ):
        with pytest.raises(TokenRefused):
            SIGNER.verify(forged, identity="alice", view="checkout")


def test_readable() -> None:
    """The values can be read without the key; the identity, which may be a session's secret, can't."""
    payload = urlsafe_b64decode(PAGE.partition(".")[0] + "==")
    assert payload == b'[{"order":17},"checkout"]'
    assert b"alice" not in payload


@given(st.integers(0, len(PAGE) - 1), st.sampled_from(sorted(URL_SAFE)))
def test_any_character_changed(position: int, character: str) -> None:
    """With any one character changed they are refused, or, in unused bits of the signature, mean the same."""
    tampered = PAGE[:position] + character + PAGE[position + 1 :]
    if tampered != PAGE:
        try:
            values, _ = SIGNER.verify(tampered, identity="alice", view="checkout")
        except TokenRefused:
            return
        assert (position, values) == (len(PAGE) - 1, {"order": 17})
        assert digest(tampered) == digest(PAGE)


@given(st.text() | st.text(sorted(URL_SAFE)))
def test_garbage(text: str) -> None:
    """Whatever text comes, it is refused in the documented way."""
    with pytest.raises(TokenRefused):
        SIGNER.verify(text, identity="alice", view="checkout")


@pytest.mark.parametrize("identity", [None, "", "bob", "alice "])
def test_another_identity(identity: str | None) -> None:
    """Page params of one identity are no good to another one, nor to nobody."""
    with pytest.raises(TokenRefused):
        SIGNER.verify(PAGE, identity=identity, view="checkout")


def test_nobody_is_not_the_empty_identity() -> None:
    """What was signed for nobody is not good for an identity that is empty."""
    page = SIGNER.sign({}, identity=None, view=None)
    assert SIGNER.verify(page, identity=None, view="any") == ({}, None)
    with pytest.raises(TokenRefused):
        SIGNER.verify(page, identity="", view=None)


@pytest.mark.parametrize("view", [None, "", "profile"])
def test_another_view(view: str | None) -> None:
    """Page params that are bound to a view are refused in any other."""
    with pytest.raises(TokenRefused, match="view"):
        SIGNER.verify(PAGE, identity="alice", view=view)


def test_any_view() -> None:
    """Page params that are not bound to a view are good in all of them."""
    page = SIGNER.sign({"order": 17}, identity="alice", view=None)
    for view in (None, "checkout", "profile"):
        assert SIGNER.verify(page, identity="alice", view=view) == ({"order": 17}, None)


def test_rotation() -> None:
    """The newest key signs, every key of the ring verifies, and a removed one no longer does."""
    rotated, old = PageSigner(Keyring([NEW, OLD])), PageSigner(Keyring([OLD]))
    page = old.sign({"order": 17}, identity="alice", view="checkout")
    assert rotated.verify(page, identity="alice", view="checkout") == ({"order": 17}, None)
    assert rotated.sign({"order": 17}, identity="alice", view="checkout") == PAGE
    with pytest.raises(TokenRefused):
        SIGNER.verify(page, identity="alice", view="checkout")


def test_digest() -> None:
    """The digest is equal for equal values, in any order and after a rotation, and differs for others."""
    old = PageSigner(Keyring([OLD]))

    def of(signer: PageSigner, **values: int) -> str:
        return digest(signer.sign(values, identity="alice", view=None))

    assert of(SIGNER, a=1, b=2) == of(SIGNER, b=2, a=1) == of(old, a=1, b=2)
    assert (
        len({of(SIGNER, a=1), of(SIGNER, a=2), of(SIGNER, b=1), of(SIGNER), digest(PAGE), digest(None)}) == 6
    )
    assert digest(None) == ""


@pytest.mark.parametrize("value", [object(), {1}, float("nan"), float("inf")])
def test_not_json(value: Any) -> None:
    """A value that JSON can't hold raises when it is signed."""
    with pytest.raises((TypeError, ValueError)):
        SIGNER.sign({"value": value}, identity=None, view=None)
