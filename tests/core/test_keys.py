"""The keyring: what it accepts, and what it derives."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from itsdangerous import BadSignature, Signer

from quart_stash.core import keys
from quart_stash.core.keys import Keyring
from quart_stash.errors import ConfigurationError

NEW = "3f0c8be1a4d75629-new"
OLD = "b81d02f6e97c4a35-old"


def refused(*ring: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        Keyring(ring)
    return str(caught.value)


@pytest.mark.parametrize(
    "secret",
    [
        "secret",
        "dev",
        "changeme",
        "Change me",
        "development key",
        "secret-secret-secret",
        "super-secret-key-123",
        "this is my secret key",
        "CHANGE-ME-IN-PRODUCTION",
        "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
        '_5#y2L"F4Q8z\n\xec]/',
        pytest.param(b'_5#y2L"F4Q8z\n\xec]/', id="Flask's, as bytes"),
        '_5#y2L"F4Q8z\\n\\xec]/',
        "1234567890123456",
        b"secret key secret key",
        "A0Zr98j/3yX R~XHH!jmN]LWX/,?RT",
        '\xfd{H\xe5<\x95\xf9\xe3\x96.5\xd1\x01O<!\xd5\xa2\xa0\x9fR"\xa1\xa8',
        pytest.param(
            b'\xfd{H\xe5<\x95\xf9\xe3\x96.5\xd1\x01O<!\xd5\xa2\xa0\x9fR"\xa1\xa8', id="old Flask's, as bytes"
        ),
        r"\xfd{H\xe5<\x95\xf9\xe3\x96.5\xd1\x01O<!\xd5\xa2\xa0\x9fR\"\xa1\xa8",
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
        "django-insecure-" + "k3#9dJ!x" * 6,
        "CHANGE_ME!!!! (P.S. the SECRET_KEY environment variable will be used, if set, instead).",
        "3b7cd727ee24e8444053437c36cc66c3",
        "SomeRandomString",
        "SomeRandomStringWith32Characters",
        "YourSecretKey!!!",
        "ThisTokenIsNotSoSecretChangeIt",
        "keyboard cat",
        "shhhh, very secret",
        "\\2\\1thisismyscretkey\\1\\2\\e\\y\\y\\h",
        "c292a0a3aa32397cdb050e233733900f",
        "your-256-bit-secret",
        "  change me please, it is not for production  ",
        "x9HkPz3vQ2mT7wLrB5nD8sFgJ4cA6yEe",
    ],
)
def test_sample(secret: str | bytes) -> None:
    """A key from a guide is refused, however it is spelled, and the text says how to make a good one."""
    text = refused(secret)
    assert "secrets.token_urlsafe(32)" in text
    assert "sample" in text


@pytest.mark.parametrize(
    ("ring", "word"),
    [
        ([], "no secret"),
        ([""], "empty"),
        ([b""], "empty"),
        ([" \t\n\r" * 8], "empty"),
        ([b"\t\n\v\f\r  " * 8], "empty"),
        (["\u2003\u2002\u2001\u2000 " * 8], "empty"),
        (["0f3a9c71b2" + " \t\n" * 8], "shorter"),
        ([None], "NoneType"),
        ([12345678901234567], "int"),
        (["0f3a9c"], "shorter"),
        ([secrets.token_bytes(15)], "shorter"),
        (["x" * 64], "repeats"),
        (["abc" * 20], "repeats"),
        ([b"\x00" * 32], "repeats"),
    ],
)
def test_unfit(ring: list[Any], word: str) -> None:
    """A missing, empty, short or monotonous key is refused, and the text says how to make a good one."""
    text = refused(*ring)
    assert word in text
    assert "secrets.token_urlsafe(32)" in text


class Counted(str):
    """Text that counts how often a part of it is taken."""

    parts = 0

    def __getitem__(self, key: Any) -> str:
        Counted.parts += 1
        return super().__getitem__(key)

    def rstrip(self, chars: str | None = None, /) -> Counted:
        return self


def test_words_are_looked_for_in_linear_time() -> None:
    """A secret of words that ends in none takes work in proportion to its length, however it can be divided."""
    work = {}
    for times in (10, 20, 40):
        Counted.parts = 0
        assert not keys._only_words(Counted("changeme" * times + "~"))
        work[times] = Counted.parts
    assert work[40] <= 2.2 * work[20] <= 5 * work[10]


def test_a_long_secret_of_words_is_judged() -> None:
    """The words of a sample in a row, thousands of them, are a sample."""
    assert "sample" in refused("change" * 10_000 + "changeme123")
    Keyring(["change" * 10_000 + "~"])


def test_own_documentation() -> None:
    """No text of our documentation that looks like a key is taken for one: readers copy it."""
    root = Path(__file__).parents[2]
    pages = [
        root / "README.md",
        *root.joinpath("docs").glob("*.md"),
        *root.joinpath("examples").glob("**/*.py"),
    ]
    for page in pages:
        for found in re.findall(r"(?i)secret_key[\"']?\]? *= *[bru]*([\"'])(.+?)\1", page.read_text()):
            refused(found[1])


def test_fallback_too() -> None:
    """A fallback is judged like the key itself, and named."""
    assert "fallback 1" in refused(NEW, "changeme")


def test_one_secret_is_no_sequence() -> None:
    """A secret in place of the sequence is refused, rather than taken for a sequence of characters."""
    with pytest.raises(ConfigurationError, match="sequence"):
        Keyring(NEW)
    with pytest.raises(ConfigurationError, match="sequence"):
        Keyring(NEW.encode())  # type: ignore[arg-type]


@pytest.mark.parametrize("secret", ["0f3a9c71b2", "g7#" * 9])
def test_refusal_shows_no_secret(secret: str) -> None:
    """The text of a refusal does not hold the secret."""
    assert secret not in refused(secret)


@given(st.binary(min_size=16, max_size=64).filter(lambda raw: len(set(raw)) >= 8))
@example(b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x0e\x0f\x10\x11\x12Me")
def test_random_bytes(raw: bytes) -> None:
    """Random bytes of sixteen and more are taken, and so are the usual ways to write them."""
    Keyring([raw])
    Keyring([raw.hex() + "z"])


def test_generated() -> None:
    """What the text recommends is accepted."""
    for _ in range(200):
        Keyring([secrets.token_urlsafe(32), secrets.token_hex(16)])


def test_ids() -> None:
    """The newest key is the first one; every key is known by a short id that two processes agree on."""
    ring = Keyring([NEW, OLD])
    assert ring.newest == Keyring([NEW]).newest
    assert len(ring.newest) == 4
    assert Keyring([OLD]).newest in ring
    assert b"none" not in ring
    assert Keyring([OLD, NEW]).newest != ring.newest


def test_text_is_utf8() -> None:
    """A text and its UTF-8 bytes are the same secret."""
    assert Keyring(["ключ-0f3a9c71b2d4"]).newest == Keyring(["ключ-0f3a9c71b2d4".encode()]).newest


def test_same_twice() -> None:
    """A secret that is given twice, as a careless rotation does, counts once."""
    assert len(Keyring([NEW, OLD, NEW]).signing_keys("page")) == 2


def test_repr_shows_no_secret() -> None:
    """Printing a keyring shows ids only."""
    ring = Keyring([NEW])
    assert repr(ring) == f"<Keyring {ring.newest.hex()}>"


def test_derive_is_hkdf() -> None:
    """A derived key is HKDF-SHA256 as docs/tokens.md has it, checked against the formula of RFC 5869."""
    ring = Keyring([NEW])
    extracted = hmac.digest(b"quart-stash.v1", NEW.encode(), "sha256")
    info = b"\x00\x00\x00\x05token" + b"s" * 16
    first = hmac.digest(extracted, info + b"\x01", "sha256")
    second = hmac.digest(extracted, first + info + b"\x02", "sha256")
    assert ring.derive(ring.newest, "token", b"s" * 16, 48) == (first + second)[:48]
    assert ring.newest == hmac.digest(extracted, b"\x00\x00\x00\x06key id\x01", "sha256")[:4]


def test_derive_unknown() -> None:
    """Deriving from a key that is not there raises KeyError."""
    with pytest.raises(KeyError):
        Keyring([NEW]).derive(b"none", "token")


@given(
    st.tuples(st.text(st.characters(exclude_categories=["Cs"])), st.binary()),
    st.tuples(st.text(st.characters(exclude_categories=["Cs"])), st.binary()),
)
def test_derive_separates(one: tuple[str, bytes], other: tuple[str, bytes]) -> None:
    """Two derived keys are equal only where secret, purpose and salt are."""
    ring = Keyring([NEW, OLD])
    key = ring.derive(ring.newest, *one)
    assert len(key) == 32
    assert (key == ring.derive(ring.newest, *other)) == (one == other)
    assert key != ring.derive(Keyring([OLD]).newest, *one)


@given(st.text(min_size=1, max_size=3), st.text(max_size=3), st.binary(max_size=3))
def test_purpose_and_salt_do_not_run_together(purpose: str, tail: str, salt: bytes) -> None:
    """Moving characters from the purpose to the salt makes another key."""
    ring = Keyring([NEW])
    if tail:
        assert ring.derive(ring.newest, purpose + tail, salt) != ring.derive(
            ring.newest, purpose, tail.encode() + salt
        )


def test_signing_keys_for_itsdangerous() -> None:
    """Signing keys are oldest first, so itsdangerous signs with the newest and verifies with all."""
    old, new, rotated = (Keyring(ring).signing_keys("page") for ring in ([OLD], [NEW], [NEW, OLD]))
    assert rotated == [*old, *new]

    def signer(keys: list[bytes]) -> Signer:
        return Signer(keys, salt=b"x", key_derivation="hmac", digest_method=hashlib.sha256)

    assert signer(rotated).sign("v") == signer(new).sign("v")
    assert signer(rotated).unsign(signer(old).sign("v")) == b"v"
    with pytest.raises(BadSignature):
        signer(new).unsign(signer(old).sign("v"))


def test_ids_that_collide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two secrets that have the same id are refused, because tokens could not tell them apart."""
    monkeypatch.setattr(keys, "_expand", lambda *_: b"same")
    with pytest.raises(ConfigurationError, match="same id"):
        Keyring([NEW, OLD])
