"""Sealed tokens: what opens, and everything that does not."""

from __future__ import annotations

import contextlib
import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from quart_stash.core import tokens
from quart_stash.core.keys import Keyring
from quart_stash.core.tokens import CLOCK_TOLERANCE, MAX_VERSION, Context, Sealer
from quart_stash.errors import (
    ConfigurationError,
    TokenError,
    TokenExpired,
    TokenRefused,
    TokenUnjudgeable,
)

VECTORS: dict[str, Any] = json.loads(Path(__file__).parents[1].joinpath("vectors/tokens.json").read_text())
NEW, OLD = "3f0c8be1a4d75629-new", "b81d02f6e97c4a35-old"
RING = Keyring([NEW])
SEALER = Sealer(RING)
HERE = Context("view", ("checkout", "shop=1", "example.com", "alice"))
NOW = 1_700_000_000.25
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
TOKEN = SEALER.seal(b"the state", HERE, version=3, now=NOW)


def opens(token: str, context: Context = HERE, sealer: Sealer = SEALER) -> bytes:
    return sealer.open(token, context, max_age=60, now=NOW).payload


def raw(token: str) -> bytearray:
    return bytearray(urlsafe_b64decode(token + "=" * (-len(token) % 4)))


def text(data: bytes | bytearray) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def numbered() -> Callable[[int], bytes]:
    """Make a source of "random" bytes that counts, so that a test sees every draw."""

    def numbers() -> Iterator[int]:
        number = 0
        while True:
            number += 1
            yield number

    source = numbers()
    return lambda size: next(source).to_bytes(size, "big")


contexts = st.builds(Context, st.text(), st.lists(st.text()).map(tuple))


@given(
    st.binary(max_size=300),
    contexts,
    st.integers(0, MAX_VERSION),
    st.floats(0, 2e10).map(lambda seconds: int(seconds * 1000) / 1000),
)
def test_round_trip(payload: bytes, context: Context, version: int, now: float) -> None:
    """What was sealed opens in its context, with its version and time, in every process that has the key."""
    token = SEALER.seal(payload, context, version=version, now=now)
    opened = Sealer(Keyring([OLD, NEW])).open(token, context, max_age=0.01, now=now)
    assert opened.payload == payload
    assert opened.header.version == version
    assert opened.header.issued_at == pytest.approx(now, abs=0.0011)
    assert opened.header == SEALER.header(token)


def test_text_form() -> None:
    """A token is base64url without padding, of the documented length, and shows nothing of the payload."""
    assert set(TOKEN) <= set(ALPHABET)
    assert len(raw(TOKEN)) == 45 + len(b"the state") + 16
    assert b"state" not in raw(TOKEN)


@given(st.integers(0, len(TOKEN) - 1), st.sampled_from(ALPHABET + "+/= \n\x00é😀"))
@example(0, "B")
@example(len(TOKEN) - 1, "_")
def test_any_character_changed(position: int, character: str) -> None:
    """A token with any one character changed does not open."""
    tampered = TOKEN[:position] + character + TOKEN[position + 1 :]
    if tampered != TOKEN:
        with pytest.raises(TokenError):
            opens(tampered)


def test_every_bit() -> None:
    """A token with any one bit flipped, header and tag included, does not open."""
    for bit in range(8 * len(raw(TOKEN))):
        data = raw(TOKEN)
        data[bit // 8] ^= 1 << bit % 8
        with pytest.raises(TokenError):
            SEALER.open(text(data), HERE, max_age=None, now=NOW)


def test_every_length() -> None:
    """A token that is cut anywhere, or has anything behind it, does not open."""
    for end in range(len(TOKEN)):
        with pytest.raises(TokenRefused):
            opens(TOKEN[:end])
    for tail in ("A", "AA", "AAAA", "=", "==", "\n", TOKEN):
        with pytest.raises(TokenRefused):
            opens(TOKEN + tail)


@given(st.text(max_size=200) | st.text(ALPHABET, max_size=200) | st.binary(max_size=200).map(text))
def test_garbage(garbage: str) -> None:
    """Whatever text comes, opening it and reading its header raise a TokenError or nothing."""
    with pytest.raises(TokenError):
        opens(garbage)
    with contextlib.suppress(TokenError):
        SEALER.header(garbage)


@pytest.mark.parametrize("size", range(6))
def test_one_canonical_text(size: int) -> None:
    """Each token has one text: unused bits, padding and the other base64 alphabet are refused."""
    token = SEALER.seal(b"x" * size, HERE, version=1, now=NOW)
    unused = {0: 0, 2: 4, 3: 2}[len(token) % 4]
    last = ALPHABET.index(token[-1])
    for bits in range(1, 1 << unused):
        with pytest.raises(TokenRefused, match="canonical"):
            opens(token[:-1] + ALPHABET[last | bits])
    with pytest.raises(TokenRefused):
        opens(token + "=" * (-len(token) % 4 or 1))
    while "-" not in token and "_" not in token:
        token = SEALER.seal(b"x" * size, HERE, version=1, now=NOW)
    with pytest.raises(TokenRefused, match="base64url"):
        opens(token.replace("-", "+").replace("_", "/"))


@given(contexts)
def test_any_other_context(context: Context) -> None:
    """A token opens in no context but its own."""
    if context != HERE:
        with pytest.raises(TokenRefused):
            opens(TOKEN, context)


@given(st.integers(0, 4), st.text(min_size=1))
def test_any_part_of_the_context(index: int, other: str) -> None:
    """Changing any one part of the context, its purpose included, refuses the token."""
    parts: list[str] = [HERE.purpose, *HERE.parts]
    for changed in (other, parts[index] + other, other + parts[index], ""):
        if changed != parts[index]:
            all_parts = [*parts[:index], changed, *parts[index + 1 :]]
            with pytest.raises(TokenRefused):
                opens(TOKEN, Context(all_parts[0], tuple(all_parts[1:])))


@given(contexts, contexts)
@example(Context("a", ("bc",)), Context("ab", ("c",)))
@example(Context("a"), Context("a", ("",)))
@example(Context("a", ("b", "c")), Context("a", ("b\x00\x00\x00\x01c",)))
def test_contexts_do_not_run_together(one: Context, other: Context) -> None:
    """Two contexts have the same bytes only if they are equal."""
    assert (one.encode() == other.encode()) == (one == other)


def test_lone_surrogate() -> None:
    """A context may hold a lone surrogate, which a query string can bring, and still binds."""
    odd = Context("view", ("\ud800",))
    token = SEALER.seal(b"x", odd, version=1, now=NOW)
    assert opens(token, odd) == b"x"
    with pytest.raises(TokenRefused):
        opens(token, Context("view", ("?",)))


def test_age() -> None:
    """A token opens up to its maximum age, and is expired from then on, with its age as data."""
    assert SEALER.open(TOKEN, HERE, max_age=60, now=NOW + 60).payload == b"the state"
    with pytest.raises(TokenExpired) as caught:
        SEALER.open(TOKEN, HERE, max_age=60, now=NOW + 61)
    assert caught.value.age == pytest.approx(61)
    assert SEALER.open(TOKEN, HERE, max_age=None, now=NOW + 1e9).payload == b"the state"


def test_trace_27_the_future() -> None:
    """A server's clock that steps back an hour refuses nothing; a token from further ahead is refused."""
    assert CLOCK_TOLERANCE >= 3600
    assert SEALER.open(TOKEN, HERE, max_age=60, now=NOW - 3600).payload == b"the state"
    with pytest.raises(TokenRefused, match="future"):
        SEALER.open(TOKEN, HERE, max_age=60, now=NOW - CLOCK_TOLERANCE - 1)


def test_rotation() -> None:
    """After a rotation old tokens open, the new key seals, and who lacks a token's key can't judge it."""
    old, rotated, dropped = (Sealer(Keyring(ring)) for ring in ([OLD], [NEW, OLD], [NEW]))
    before = old.seal(b"x", HERE, version=1, now=NOW)
    after = rotated.seal(b"x", HERE, version=1, now=NOW)
    assert opens(before, sealer=rotated) == opens(after, sealer=dropped) == b"x"
    with pytest.raises(TokenUnjudgeable):
        opens(after, sealer=old)
    with pytest.raises(TokenUnjudgeable):
        opens(before, sealer=dropped)


def test_expired_before_unjudgeable() -> None:
    """A token that every process finds too old is expired, also where its key is not known any more."""
    token = Sealer(Keyring([OLD])).seal(b"x", HERE, version=1, now=NOW)
    with pytest.raises(TokenExpired):
        SEALER.open(token, HERE, max_age=60, now=NOW + 61)


def test_formats() -> None:
    """A token in the format of a later release can't be judged; any other first byte is garbage."""
    for number in range(256):
        data = raw(TOKEN)
        data[0] = number
        if number == 2:
            assert opens(text(data)) == b"the state"
            continue
        with pytest.raises(TokenUnjudgeable if 2 < number < 16 else TokenRefused):
            opens(text(data))


def test_header_needs_no_key() -> None:
    """The header is read without the key, and without looking at the rest, however long or broken it is."""
    header = Sealer(Keyring([OLD])).header(TOKEN[:60] + "!" * 1_000_000)
    assert (header.key_id, header.version, header.issued_at) == (RING.newest, 3, NOW)


@pytest.mark.parametrize("version", [-1, MAX_VERSION + 1])
def test_version_out_of_range(version: int) -> None:
    """A version that does not fit the header is the application's mistake."""
    with pytest.raises(ConfigurationError):
        SEALER.seal(b"", HERE, version=version, now=NOW)


def test_a_nonce_for_every_token() -> None:
    """One salt serves a process, and every token draws a nonce of its own, never in advance."""
    sealer = Sealer(RING, numbered())
    headers = [sealer.header(sealer.seal(b"x", HERE, version=1, now=NOW)) for _ in range(5)]
    assert {int.from_bytes(header.salt, "big") for header in headers} == {1}
    assert [int.from_bytes(header.nonce, "big") for header in headers] == [2, 3, 4, 5, 6]


def test_a_new_salt_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process draws a new salt after a bounded number of tokens."""
    assert vars(tokens)["_SEALS_PER_SALT"] == 2**24
    monkeypatch.setattr(tokens, "_SEALS_PER_SALT", 3)
    sealer = Sealer(RING)
    sealed = [sealer.seal(b"x", HERE, version=1, now=NOW) for _ in range(7)]
    salts = [sealer.header(token).salt for token in sealed]
    assert [salts.index(salt) for salt in salts] == [0, 0, 0, 3, 3, 3, 6]
    assert {opens(token) for token in sealed} == {b"x"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks only exist on POSIX")
def test_trace_25_a_fork_draws_its_own_salt() -> None:
    """A forked process seals under another key than its parent, who goes on with his own."""
    sealer = Sealer(RING, numbered())
    before = sealer.header(sealer.seal(b"x", HERE, version=1, now=NOW))
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, sealer.seal(b"from the child", HERE, version=1, now=NOW).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        token = pipe.read().decode()
    os.waitpid(child, 0)
    after = sealer.header(sealer.seal(b"x", HERE, version=1, now=NOW))
    assert opens(token) == b"from the child"
    assert sealer.header(token).salt != before.salt == after.salt


@pytest.mark.parametrize("how", ["a fork", "a snapshot"])
def test_trace_25_a_clone_in_the_middle_of_a_seal(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is cloned just before it draws a nonce, with a new number or the same one, shares no nonce with its clone."""
    if how == "a snapshot":
        number = os.getpid()
        monkeypatch.setattr(os, "getpid", lambda: number)
    reading, writing = os.pipe()
    calls, child = 0, -1

    def random(size: int) -> bytes:
        nonlocal calls, child
        calls += 1
        if calls == 5:  # after a salt, and some nonces
            child = os.fork()
        return os.urandom(size)

    sealer = Sealer(RING, random)
    try:
        sealed = [sealer.seal(b"x", HERE, version=1, now=NOW) for _ in range(100)]
        if child == 0:
            os.write(writing, " ".join(sealed[3:]).encode())
    finally:
        if child == 0:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        sealed += pipe.read().split()
    os.waitpid(child, 0)
    headers = [sealer.header(token) for token in sealed]
    assert len({(header.salt, header.nonce) for header in headers}) == len(headers) == 197
    assert len({header.salt for header in headers}) == (2 if how == "a fork" else 1)


def test_hostile_salts_are_forgotten() -> None:
    """Tokens with invented salts don't grow the memory without bound."""
    sealer = Sealer(RING)
    for number in range(1500):
        data = raw(TOKEN)
        data[17:33] = number.to_bytes(16, "big")
        with pytest.raises(TokenRefused):
            opens(text(data), sealer=sealer)
    assert vars(sealer)["_cipher"].cache_info().currsize <= 1024
    assert opens(TOKEN, sealer=sealer) == b"the state"


def test_nothing_shows_the_payload() -> None:
    """Printing what was opened shows neither payload, nor salt and nonce."""
    opened = SEALER.open(TOKEN, HERE, max_age=60, now=NOW)
    assert "the state" not in repr(opened)
    assert repr(opened.header.nonce) not in repr(opened)


@pytest.mark.parametrize("case", VECTORS["sealed"], ids=lambda case: case["name"])
def test_vectors(case: dict[str, Any]) -> None:
    """The published tokens are sealed byte by byte as they stand there, and open."""
    ring = Keyring([case["secret"]])
    draws = iter([bytes.fromhex(case["salt"]), bytes.fromhex(case["nonce"])])
    context = Context(case["purpose"], tuple(case["parts"]))
    payload = bytes.fromhex(case["payload"])
    now = case["issued_at_ms"] / 1000
    assert ring.newest.hex() == case["key_id"]
    assert ring.derive(ring.newest, "token", bytes.fromhex(case["salt"])).hex() == case["key"]
    assert context.encode().hex() == case["context"]
    sealer = Sealer(ring, lambda _size: next(draws))
    assert sealer.seal(payload, context, version=case["version"], now=now) == case["token"]
    assert sealer.open(case["token"], context, max_age=1, now=now).payload == payload


@pytest.mark.parametrize("case", VECTORS["refused"], ids=lambda case: case["name"])
def test_refused_vectors(case: dict[str, Any]) -> None:
    """The published bad tokens are refused, each for its reason."""
    kind = {"refused": TokenRefused, "expired": TokenExpired, "unjudgeable": TokenUnjudgeable}[case["error"]]
    sealer = Sealer(Keyring([case["secret"]]))
    context = Context(case["purpose"], tuple(case["parts"]))
    with pytest.raises(kind):
        sealer.open(case["token"], context, max_age=case["max_age"], now=case["now"])
