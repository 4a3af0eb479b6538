"""The signals of quart_stash (blinker). The sender is the application."""

from __future__ import annotations

from blinker import NamedSignal, Namespace

__all__ = [
    "drain_finished",
    "drain_started",
    "token_rejected",
    "view_drained",
    "view_mounted",
    "view_restored",
]

_signals = Namespace()

view_mounted: NamedSignal = _signals.signal("view-mounted")
"""A view is mounted, fresh or not. Sent with `view` (its name), `id` and `status`."""

view_restored: NamedSignal = _signals.signal("view-restored")
"""A view was restored from a token. Sent with `view`, `id` and `received` (messages it covers)."""

token_rejected: NamedSignal = _signals.signal("token-rejected")
"""A token was not accepted, and its view mounted fresh. With `view`, `reason` and a `TokenError`, `error`."""

drain_started: NamedSignal = _signals.signal("drain-started")
"""The server is leaving. Sent with `views` (how many) and `timeout` (seconds)."""

view_drained: NamedSignal = _signals.signal("view-drained")
"""A view has ended as it was handed over. With `view`, `id`, `outcome`: `synced`, `timed-out`, `gone`, `finished`."""

drain_finished: NamedSignal = _signals.signal("drain-finished")
"""The drain is over. Sent with `outcomes` (how many of each) and `seconds`."""
