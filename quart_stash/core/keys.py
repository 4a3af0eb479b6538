"""The keyring: secrets, newest first, and the keys that are derived from them, one per purpose."""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from ..errors import ConfigurationError

__all__ = ["KEY_ID_SIZE", "Keyring"]

KEY_ID_SIZE = 4
"""Bytes of a key id."""

_MIN_SECRET = 16
_MIN_DISTINCT = 4
_HOW_TO = "; make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'"

# Separators and case are taken off before a secret is looked up; nothing else is, since what is left of random
# bytes could then be a sample by chance.
_SEPARATORS = re.compile(r"[\s._,;:!?'\"()\[\]/\\-]")


def _plain(text: str) -> str:
    return _SEPARATORS.sub("", text.lower())


# What guides, tutorials and frameworks print or start with, so what attackers try first.
_SAMPLES: Final = frozenset(
    _plain(sample)
    for sample in (
        "x9HkPz3vQ2mT7wLrB5nD8sFgJ4cA6yEe",  # ours, in docs/testing.md until it was refused
        "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",  # Flask and Quart
        '_5#y2L"F4Q8z\n\xec]/',
        r'_5#y2L"F4Q8z\n\xec]/',  # as it is printed, its escapes not evaluated
        "A0Zr98j/3yX R~XHH!jmN]LWX/,?RT",
        '\xfd{H\xe5<\x95\xf9\xe3\x96.5\xd1\x01O<!\xd5\xa2\xa0\x9fR"\xa1\xa8',
        r"\xfd{H\xe5<\x95\xf9\xe3\x96.5\xd1\x01O<!\xd5\xa2\xa0\x9fR\"\xa1\xa8",
        r"""\xfd{H\xe5<\x95\xf9\xe3\x96.5\xd1\x01O<!\xd5\xa2\xa0\x9fR"\xa1\xa8""",
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",  # FastAPI
        "3b7cd727ee24e8444053437c36cc66c3",  # Rails
        "3b7cd727ee24e8444053437c36cc66c4",
        "c292a0a3aa32397cdb050e233733900f",  # Redash
        "\2\1thisismyscretkey\1\2\\e\\y\\y\\h",  # Superset
        r"\2\1thisismyscretkey\1\2\e\y\y\h",
        "ThisTokenIsNotSoSecretChangeIt",  # Symfony
        "SomeRandomStringWith32Characters",  # Laravel
        "keyboard cat",  # Express
        "shhhh, very secret",
        "CHANGE_ME!!!! (P.S. the SECRET_KEY environment variable will be used, if set, instead).",  # Django
        "a-string-secret-at-least-256-bits-long",  # jwt.io
        "your-256-bit-secret",
        "correct horse battery staple",
        "1234567890123456",
        "12345678901234567890",
        "0123456789abcdef",
        "0123456789abcdef0123456789abcdef",
        "abcdefghijklmnopqrstuvwxyz",
    )
)
_INSECURE_PREFIX: Final = "django-insecure-"
_SAMPLE_WORDS: Final = (
    "a after an and app application be before bit bits cat change changed changeme characters complex cookie "
    "default demo deploy deployment dev development do django example fastapi fixme flask for generated go hello "
    "here hidden i id in insecure insert is it jwt key keyboard keys laravel local long me must my new no not of "
    "only own password placeholder please prod production quart quite rails random replace sample secret secrets "
    "secure session set should shared shh shhh shhhh signing so some something starlette string strong super "
    "symfony temporary test testing text that the this to todo token top use used value very with world you "
    "your"
)
_WORDS: Final = frozenset(_SAMPLE_WORDS.split())
_LONGEST_WORD: Final = max(map(len, _WORDS))


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
    text = secret if isinstance(secret, str) else secret.decode("latin-1")
    if not secret or text.isspace():
        return "is empty"
    plain = _plain(text)
    if plain in _SAMPLES or not plain or _only_words(plain) or text.lower().startswith(_INSECURE_PREFIX):
        return "is a sample that everybody knows"
    if isinstance(secret, str):
        text = text.strip()  # white space around a text is nobody's choice
    if len(text) < _MIN_SECRET:
        return f"is shorter than {_MIN_SECRET} characters"
    if len(set(text)) < _MIN_DISTINCT:
        return "repeats the same few characters"
    return None


def _only_words(plain: str) -> bool:
    """Whether a text is words of samples in a row, and then digits. Each position is looked at once."""
    plain = plain.rstrip("0123456789")
    starts = [True] + [False] * len(plain)
    for end in range(1, len(plain) + 1):
        if not any(starts[max(0, end - _LONGEST_WORD) : end]):
            return False
        starts[end] = any(
            starts[begin] and plain[begin:end] in _WORDS for begin in range(max(0, end - _LONGEST_WORD), end)
        )
    return starts[-1]
