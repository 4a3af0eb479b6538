"""The keyring: secrets, newest first, and the keys that are derived from them, one per purpose."""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from ..errors import ConfigurationError

__all__ = ["KEY_ID_SIZE", "Keyring"]

KEY_ID_SIZE = 4
"""Bytes of a key id."""

_MIN_SECRET = 16
_MIN_DISTINCT = 4
_HOW_TO = "; make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'"

# What guides and tutorials print, so what attackers try first, in lower case and without separators.
# Nothing else is taken off: what is left of random bytes could then be a word by chance.
_SEPARATORS = re.compile(r"[\s._,;:!?'\"-]")
_SAMPLES = frozenset(
    {
        "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
        "5#y2lf4q8z\xec]/",
        r"5#y2lf4q8z\n\xec]/",  # the same as it is printed, its escapes not evaluated
        "1234567890123456",
        "12345678901234567890",
        "0123456789abcdef",
        "abcdefghijklmnopqrstuvwxyz",
    }
)
_SAMPLE_WORDS = re.compile(
    r"(?:secret|key|dev|development|change|changed|changeme|me|my|your|super|this|is|app|flask|quart|here|in"
    r"|insecure|password|please|production|replace|to|random|string)+[0-9]*"
)


class Keyring:
    """The application's secrets, kept only as pseudo-random keys from which others are derived.

    A key is named by its id, four bytes that are derived one-way from its secret, so that a token can say
    which key opens it. The newest key seals; every key opens. To rotate, put a new secret in front, and drop
    the old one once its last token has expired.

    Args:
        secrets: newest first, as `[SECRET_KEY, *SECRET_KEY_FALLBACKS]`. Text is taken as UTF-8.

    Raises:
        ConfigurationError: there is no secret, or one is empty, short or a well-known sample. Inventing one
            instead would lose every state at the next restart, in silence.
    """

    def __init__(self, secrets: Sequence[str | bytes]) -> None:
        if isinstance(secrets, str | bytes):
            raise ConfigurationError("secrets is a sequence of secret keys, not one of them")
        if not secrets:
            raise ConfigurationError("there is no secret key" + _HOW_TO)
        self._keys: dict[bytes, bytes] = {}
        for position, secret in enumerate(secrets):
            problem = _problem(secret)
            if problem is not None:
                which = "the secret key" if position == 0 else f"fallback {position} of the secret key"
                raise ConfigurationError(f"{which} {problem}{_HOW_TO}")
            raw = secret.encode("utf-8", "surrogatepass") if isinstance(secret, str) else bytes(secret)
            # HKDF's first half (RFC 5869, section 2.2); the second half is `derive`.
            key = hmac.digest(b"quart-stash.v1", raw, "sha256")
            key_id = _expand(key, "key id", b"", KEY_ID_SIZE)
            if self._keys.setdefault(key_id, key) != key:
                raise ConfigurationError("two secret keys have the same id by chance; replace one" + _HOW_TO)

    def __repr__(self) -> str:
        return f"<Keyring {' '.join(key_id.hex() for key_id in self._keys)}>"

    @property
    def newest(self) -> bytes:
        """The id of the key that seals."""
        return next(iter(self._keys))

    def __contains__(self, key_id: object) -> bool:
        return key_id in self._keys

    def derive(self, key_id: bytes, purpose: str, salt: bytes = b"", length: int = 32) -> bytes:
        """Derive a key for one purpose (HKDF-SHA256, RFC 5869).

        The salt goes into HKDF's `info`, after the length-prefixed purpose: it comes from tokens, and HKDF's
        own salt must not be an attacker's choice.

        Args:
            key_id: which secret.
            purpose: keys of different purposes tell nothing about each other.
            salt: keys of different salts neither.
            length: in bytes.

        Raises:
            KeyError: there is no such key; ask with `in` first.
        """
        return _expand(self._keys[key_id], purpose, salt, length)

    def signing_keys(self, purpose: str) -> list[bytes]:
        """Return every secret's key for one purpose, oldest first, as itsdangerous expects them.

        `cryptography` and `SECRET_KEY_FALLBACKS` put the newest first. This is the only place that turns the
        order around.
        """
        return [self.derive(key_id, purpose) for key_id in reversed(self._keys)]


def _expand(key: bytes, purpose: str, salt: bytes, length: int) -> bytes:
    name = purpose.encode()
    return HKDFExpand(SHA256(), length, len(name).to_bytes(4, "big") + name + salt).derive(key)


def _problem(secret: object) -> str | None:
    """Say what is wrong with a secret, without showing it."""
    if not isinstance(secret, str | bytes):
        return f"must be text or bytes, not {type(secret).__name__}"
    if not secret:
        return "is empty"
    text = secret if isinstance(secret, str) else secret.decode("latin-1")
    plain = _SEPARATORS.sub("", text.lower())
    if plain in _SAMPLES or _SAMPLE_WORDS.fullmatch(plain):
        return "is a sample that everybody knows"
    if len(secret) < _MIN_SECRET:
        return f"is shorter than {_MIN_SECRET} characters"
    if len(set(text)) < _MIN_DISTINCT:
        return "repeats the same few characters"
    return None
