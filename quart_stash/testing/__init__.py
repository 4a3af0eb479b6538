"""The testing kit: a tab of a browser without the browser."""

from .dialer import Connection, ConnectionEnded, Dial
from .tab import Tab

__all__ = ["Connection", "ConnectionEnded", "Dial", "Tab"]
