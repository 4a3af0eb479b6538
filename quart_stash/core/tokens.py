"""Sealed tokens: encrypted, authenticated, bound to where they belong. docs/tokens.md has the format."""

from __future__ import annotations

import binascii
import os
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from struct import Struct
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ..errors import ConfigurationError, TokenExpired, TokenRefused, TokenUnjudgeable
from .keys import Keyring

__all__ = ["CLOCK_TOLERANCE", "MAX_VERSION", "Binding", "Context", "Header", "Opened", "Sealer"]

CLOCK_TOLERANCE: Final = 7200.0
"""Seconds that a token may come from the future: clocks of servers differ, and step back."""

MAX_VERSION: Final = 2**32 - 1
"""The highest state version that fits the header."""

_FORMAT = 2
# Format, key id, version, issued-at (ms), salt, nonce: 45 bytes, which are exactly 60 characters of base64,
# so the header is read without touching the rest of a token.
_HEADER = Struct(">B4sIQ16s12s")
_HEADER_TEXT = 60
_SALT_SIZE = 16
_NONCE_SIZE = 12
_TAG_SIZE = 16
# A later release may write a format of this range, and this process must not throw its tokens away. Any other
# first byte is garbage, which is refused at once.
_FORMATS_TO_COME = range(_FORMAT + 1, 16)
_SEALS_PER_SALT = 2**24
_CACHED_KEYS = 1024
_PURPOSE = "token"
_STANDARD = bytes.maketrans(b"-_+/", b"+/!!")


@dataclass(frozen=True)
class Context:
    """What a token is bound to, its associated data: a token opens only where the whole of this is equal.

    Attributes:
        purpose: what kind of token it is.
        parts: whatever else must be equal, in a fixed order.
    """

    purpose: str
    parts: tuple[str, ...] = ()
    _encoded: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Once, not at every token. Lone surrogates (they can stand in a query) are to be bound, not to raise.
        raws = [text.encode("utf-8", "surrogatepass") for text in (self.purpose, *self.parts)]
        encoded = b"".join(len(raw).to_bytes(4, "big") + raw for raw in raws)
        object.__setattr__(self, "_encoded", len(raws).to_bytes(4, "big") + encoded)

    def encode(self) -> bytes:
        """Return the parts, counted and length-prefixed, so that no two contexts have the same bytes."""
        return self._encoded


@dataclass(frozen=True)
class Binding:
    """What the tokens of one mount are bound to, besides their purpose.

    Attributes:
        parts: view, root path, path, query string, host, identity, digest of the page params; what else the
            application binds.
    """

    parts: tuple[str, ...]

    def view(self) -> Context:
        """Return the context of the view's own tokens."""
        return Context("view", self.parts)

    def kept(self, key: str, area: str) -> Context:
        """Return the context of one named secret."""
        return Context("keep", (*self.parts, key, area))


@dataclass(frozen=True, slots=True)
class Header:
    """The clear part of a token. It is authentic only once the token has been opened.

    Attributes:
        key_id: which secret sealed it.
        version: the version of the state within.
        issued_at: seconds since the epoch, to the millisecond.
        salt: what the sealing process's key was derived with.
        nonce: unique under that key.
    """

    key_id: bytes
    version: int
    issued_at: float
    salt: bytes = field(repr=False)
    nonce: bytes = field(repr=False)

    def check_age(self, max_age: float | None, now: float) -> None:
        """Refuse what is too old for any process, or further in the future than clocks differ.

        Raises:
            TokenExpired: it is older than `max_age` seconds; None: it may be of any age.
            TokenRefused: it was issued more than `CLOCK_TOLERANCE` after `now`.
        """
        age = now - self.issued_at
        if max_age is not None and age > max_age:
            raise TokenExpired(age)
        if age < -CLOCK_TOLERANCE:
            raise TokenRefused("the token comes from the future")


@dataclass(frozen=True, slots=True)
class Opened:
    """A token that opened: its payload, and its header, now known to be authentic."""

    payload: bytes = field(repr=False)
    header: Header


class _SealingKey:
    """A key of one process, for a bounded number of tokens."""

    __slots__ = ("cipher", "key_id", "left", "process", "salt")

    def __init__(self, keyring: Keyring, salt: bytes, process: int) -> None:
        self.key_id = keyring.newest
        self.salt = salt
        self.cipher = AESGCM(keyring.derive(self.key_id, _PURPOSE, salt))
        self.process = process
        self.left = _SEALS_PER_SALT


class Sealer:
    """Seals and opens tokens: AES-256-GCM under a key that is derived from a salt of this process's own.

    Random 96-bit nonces on one key that all processes share for years would run out. So each process draws a
    salt, uses random nonces under the key derived with it, and draws a new salt after 2**24 tokens, and when
    it finds itself forked. Nonces are drawn one by one, never in advance, so a cloned machine does not repeat
    them.

    Args:
        keyring: the newest key seals, every key opens.
        random: returns that many unpredictable bytes.
    """

    def __init__(self, keyring: Keyring, random: Callable[[int], bytes] = os.urandom) -> None:
        self._keyring = keyring
        self._random = random
        self._sealing: _SealingKey | None = None

        def cipher(key_id: bytes, salt: bytes) -> AESGCM:
            return AESGCM(keyring.derive(key_id, _PURPOSE, salt))

        # Bounded: whoever sends tokens chooses their salts.
        self._cipher = lru_cache(maxsize=_CACHED_KEYS)(cipher)

    def seal(self, payload: bytes, context: Context, *, version: int, now: float) -> str:
        """Encrypt a payload and bind it to a context.

        The payload is not compressed, so its length shows and nothing else does (compression would make the
        length tell its content).

        Args:
            payload: what is sealed.
            context: where it may be opened.
            version: the version of the state within, from 0 to `MAX_VERSION`; readable by everybody.
            now: seconds since the epoch; readable by everybody.

        Returns:
            The token, canonical base64url without padding: 82 characters and four thirds of the payload.

        Raises:
            ConfigurationError: the version does not fit.
        """
        if not 0 <= version <= MAX_VERSION:
            raise ConfigurationError(f"a version is a number from 0 to {MAX_VERSION}")
        sealing = self._sealing
        if sealing is None or sealing.left <= 0 or sealing.process != os.getpid():
            sealing = self._sealing = _SealingKey(self._keyring, self._random(_SALT_SIZE), os.getpid())
        sealing.left -= 1
        nonce = self._random(_NONCE_SIZE)
        header = _HEADER.pack(_FORMAT, sealing.key_id, version, int(now * 1000), sealing.salt, nonce)
        sealed = sealing.cipher.encrypt(nonce, payload, header + context.encode())
        return urlsafe_b64encode(header + sealed).rstrip(b"=").decode("ascii")

    def header(self, token: str) -> Header:
        """Read the clear header, which needs no key and proves nothing; the rest is not looked at.

        Raises:
            TokenUnjudgeable: the token has the format of a later release.
            TokenRefused: it is malformed.
        """
        return _parse(_decode(token[:_HEADER_TEXT]))

    def open(self, token: str, context: Context, *, max_age: float | None, now: float) -> Opened:
        """Open a token in its context.

        Age is judged first: a token that every process finds too old is expired, whether or not this one has
            its key.

        Args:
            token: as `seal` returned it.
            context: equal to that it was sealed in.
            max_age: in seconds; None: of any age.
            now: seconds since the epoch.

        Raises:
            TokenUnjudgeable: it has the format of a later release, or a key that is not in the keyring.
            TokenExpired: it is older than `max_age`.
            TokenRefused: anything else: tampered, truncated, not canonical, of another context, from the
                future.
        """
        header = self.header(token)
        header.check_age(max_age, now)
        if header.key_id not in self._keyring:
            key_id = header.key_id.hex()
            raise TokenUnjudgeable(f"unknown key {key_id}", key_id=key_id)
        raw = _decode(token)
        clear, sealed = raw[: _HEADER.size], raw[_HEADER.size :]
        if len(sealed) < _TAG_SIZE:
            raise TokenRefused("the token is truncated")
        cipher = self._cipher(header.key_id, header.salt)
        try:
            payload = cipher.decrypt(header.nonce, sealed, clear + context.encode())
        except InvalidTag:
            raise TokenRefused("the token is tampered with, or bound to something else") from None
        return Opened(payload, header)


def _decode(text: str) -> bytes:
    """Decode canonical base64url without padding: exactly one text for any bytes."""
    try:
        raw = binascii.a2b_base64(
            text.encode("ascii").translate(_STANDARD) + b"=" * (-len(text) % 4), strict_mode=True
        )
    except ValueError:
        raise TokenRefused("the token is not base64url") from None
    if urlsafe_b64encode(raw).rstrip(b"=").decode("ascii") != text:
        raise TokenRefused("the token is not in its canonical form")
    return raw


def _parse(raw: bytes) -> Header:
    if raw[:1] and raw[0] in _FORMATS_TO_COME:
        raise TokenUnjudgeable(f"unknown token format {raw[0]}")
    if len(raw) != _HEADER.size or raw[0] != _FORMAT:
        old = raw[:1] and 0 < raw[0] < _FORMAT
        raise TokenRefused(
            "the token has the format of an earlier release" if old else "the token has no header"
        )
    _, key_id, version, issued_at, salt, nonce = _HEADER.unpack(raw)
    return Header(key_id, version, issued_at / 1000, salt, nonce)
