"""The `STASH_*` configuration, read once, when the application starts to serve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, fields
from typing import Any

from .core.keys import Keyring
from .core.origin import Origins
from .errors import ConfigurationError

__all__ = ["StashConfig"]


def _key(default: Any, about: str) -> Any:
    """Declare one configuration key: its default, and what it means."""
    return field(default=default, metadata={"about": about})


@dataclass(frozen=True, kw_only=True)
class StashConfig:
    """What the application has configured. The key of a field is `STASH_` and its name in capitals."""

    shutdown_timeout: float = _key(
        10.0, "seconds for the whole drain; a warning says so where the server's own limit is shorter"
    )
    token_max_age: float = _key(86400.0, "seconds; older tokens mount fresh")
    sync_interval: float = _key(0.25, "seconds between two tokens of one view; 0: at every commit")
    mount_timeout: float | None = _key(
        None, "seconds from accept to `mount`; default: the shutdown time-out and 5 more"
    )
    reconnect_rate: float = _key(
        500.0, "reconnects a second that one leaving process may cause; paces its drain"
    )
    silence_timeout: float | None = _key(
        120.0, "seconds without a word of a view's client after which it is lost; None: never"
    )
    max_connection_age: float | None = _key(
        None, "seconds after which a view is handed to a fresh connection; default: never"
    )
    max_state_size: int = _key(65536, "bytes of encoded state in one token")
    max_mount_size: int = _key(262144, "bytes of one mount frame")
    max_message_size: int = _key(1048576, "bytes of one message of the client")
    max_queue: int = _key(
        256, "messages waiting for one handler; its socket is paused then, and more are left to the client"
    )
    allowed_origins: Sequence[str] | None = _key(
        None,
        "origins that may open a socket, such as `https://example.com`, a list or with commas; default: the same host",
    )
    url_prefix: str = _key("/_stash", "where the script and the readiness endpoint are served")
    build: str | None = _key(None, "the running build, told to clients; default: a digest of the script")

    def __post_init__(self) -> None:
        for name in ("shutdown_timeout", "token_max_age", "reconnect_rate", "max_state_size"):
            _require(getattr(self, name) > 0, name, "must be more than 0")
        for name in ("max_mount_size", "max_message_size"):
            _require(getattr(self, name) >= 1024, name, "must be 1024 bytes or more")
        _require(self.sync_interval >= 0, "sync_interval", "must be 0 or more")
        for name in ("mount_timeout", "silence_timeout", "max_connection_age"):
            _require(getattr(self, name) is None or getattr(self, name) > 0, name, "must be more than 0")
        _require(self.max_queue >= 1, "max_queue", "must be 1 or more")
        _require(
            self.max_mount_size >= self.max_state_size * 4 / 3 + 1024,
            "max_mount_size",
            "must be larger than STASH_MAX_STATE_SIZE by half: a mount carries the state's token",
        )
        Origins(self.allowed_origins)
        prefix = self.url_prefix
        _require(
            prefix.startswith("/") and not prefix.endswith("/") and "//" not in prefix,
            "url_prefix",
            "must start with one slash and not end with one, such as /_stash",
        )

    @property
    def effective_mount_timeout(self) -> float:
        """Seconds from accept to `mount`: a socket opened ahead waits for the old one's drain."""
        return self.shutdown_timeout + 5 if self.mount_timeout is None else self.mount_timeout

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> StashConfig:
        """Read the `STASH_*` keys of an application's configuration.

        Raises:
            ConfigurationError: an unknown `STASH_*` key, or a value of the wrong type or out of range.
        """
        known = {f"STASH_{entry.name.upper()}": entry for entry in fields(cls)}
        values: dict[str, Any] = {}
        for key, value in mapping.items():
            if not key.startswith("STASH_"):
                continue
            if key not in known:
                raise ConfigurationError(
                    f"{key} is not a setting of quart_stash; there are {', '.join(known)}"
                )
            values[known[key].name] = _typed(key, value, known[key].type)
        return cls(**values)


def keyring_from_mapping(mapping: Mapping[str, Any]) -> Keyring:
    """Return the keyring of `SECRET_KEY` and `SECRET_KEY_FALLBACKS`, newest first.

    Raises:
        ConfigurationError: a missing, short or sample key.
    """
    newest = mapping.get("SECRET_KEY")
    fallbacks = mapping.get("SECRET_KEY_FALLBACKS") or []
    if isinstance(fallbacks, str | bytes) or not isinstance(fallbacks, Sequence):
        raise ConfigurationError(
            "SECRET_KEY_FALLBACKS must be a list of keys, newest first; "
            """from the environment, as JSON: QUART_SECRET_KEY_FALLBACKS='["the-old-key"]'"""
        )
    return Keyring([newest, *fallbacks] if newest else [])  # a fallback is no key to seal with


def _require(fine: bool, name: str, what: str) -> None:
    if not fine:
        raise ConfigurationError(f"STASH_{name.upper()} {what}")


def _typed(key: str, value: Any, annotation: Any) -> Any:
    """Check one value against its field's type; a number may come as an `int` where a `float` is meant."""
    wanted = str(annotation)
    if value is None and "None" in wanted:
        return None
    if "Sequence" in wanted:
        if isinstance(value, str):  # as an environment variable lists them
            value = [part for part in map(str.strip, value.split(",")) if part]
        if not isinstance(value, Sequence | Set) or not all(isinstance(v, str) for v in value):
            raise ConfigurationError(
                f"{key} must be a list of strings, such as ['https://example.com'], or one string with commas"
            )
        return tuple(value)
    if key == "STASH_BUILD" and type(value) is int:
        return str(value)  # `from_prefixed_env` takes a build's number for one
    kind: tuple[type, ...] = (str,)
    if wanted.startswith("float"):
        kind = (int, float)
    elif wanted.startswith("int"):
        kind = (int,)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ConfigurationError(
            f"{key} must be {' or '.join(k.__name__ for k in kind)}, not {type(value).__name__}{_how(value)}"
        )
    return value


def _how(value: Any) -> str:
    """Say what to write where an environment variable, which is read as JSON, has come as something else."""
    if isinstance(value, str):
        return "; an environment variable holds a plain number, or null where None is meant"
    return (
        "; an environment variable holds it in quotes of its own: '\"…\"'" if isinstance(value, float) else ""
    )
