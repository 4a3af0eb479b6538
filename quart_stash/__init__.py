"""Server-held WebSocket views that survive every deploy: an ASGI middleware and Quart extension."""

from __future__ import annotations

from .core.settable import ClientSettable
from .errors import (
    ConfigurationError,
    ProtocolError,
    StashError,
    StateTooLarge,
    TokenError,
    TokenExpired,
    TokenRefused,
    TokenStale,
    TokenUnjudgeable,
    ViewLeft,
)
from .extension import QuartStash
from .forms import StashedForm
from .view import Message, View

__all__ = [
    "ClientSettable",
    "ConfigurationError",
    "Message",
    "ProtocolError",
    "QuartStash",
    "StashError",
    "StashedForm",
    "StateTooLarge",
    "TokenError",
    "TokenExpired",
    "TokenRefused",
    "TokenStale",
    "TokenUnjudgeable",
    "View",
    "ViewLeft",
]
