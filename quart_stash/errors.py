"""The errors of quart_stash: one tree, each carrying data, never a secret or a plaintext."""

from __future__ import annotations

__all__ = [
    "ConfigurationError",
    "ProtocolError",
    "StashError",
    "StateTooLarge",
    "TokenError",
    "TokenExpired",
    "TokenRefused",
    "TokenStale",
    "TokenUnjudgeable",
    "ViewLeft",
]


class StashError(Exception):
    """Everything that quart_stash raises on purpose."""


class ConfigurationError(StashError):
    """The application is set up in a way that can't work; the text says what to do."""


class StateTooLarge(StashError):
    """A state does not fit into a client-held token.

    Attributes:
        size: bytes of the encoded state.
        limit: bytes that `STASH_MAX_STATE_SIZE` allows.
    """

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"the state of this view takes {size} bytes, STASH_MAX_STATE_SIZE allows {limit}: "
            "keep less in the state, or raise the limit"
        )
        self.size = size
        self.limit = limit


class ViewLeft(StashError):
    """A view was handed back to its browser, or has ended: it answers nobody any more.

    Raised outside of the view's own handler, which is cancelled instead.
    """

    def __init__(self) -> None:
        super().__init__(
            "this view was handed back to its browser, or has ended: it answers nobody any more in this process"
        )


class ProtocolError(StashError):
    """The peer broke the protocol.

    Attributes:
        close_code: the WebSocket close code that answers it (RFC 6455, section 7.4).
    """

    def __init__(self, reason: str, close_code: int = 1002) -> None:
        super().__init__(reason)
        self.close_code = close_code


class TokenError(StashError):
    """A token was not accepted. `reason` is the word that the client is told."""

    reason = "refused"


class TokenExpired(TokenError):
    """The token is older than its maximum age.

    Attributes:
        age: seconds since it was issued.
    """

    reason = "expired"

    def __init__(self, age: float) -> None:
        super().__init__(f"the token is {age:.0f} s old")
        self.age = age


class TokenStale(TokenError):
    """The token's state version has no migration path to the running code's.

    Attributes:
        version: the state version that the token carries.
    """

    reason = "stale"

    def __init__(self, version: int, why: str = "no migration path") -> None:
        super().__init__(f"state version {version}: {why}")
        self.version = version


class TokenRefused(TokenError):
    """The token is tampered with, truncated, or bound to something else."""


class TokenUnjudgeable(TokenError):
    """This process can't judge the token: an unknown key id, or a version newer than its own.

    Another process of a mixed fleet may well accept it, so it must not be thrown away.

    Attributes:
        key_id: the id of the unknown key, in hexadecimal digits; `None` for any other reason.
    """

    def __init__(self, why: str, *, key_id: str | None = None) -> None:
        super().__init__(why)
        self.key_id = key_id
