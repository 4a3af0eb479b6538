"""Sentry, as its quick start has it: `init` alone patches `Quart.__call__`. Its transport sends nothing."""

from __future__ import annotations

from typing import Any

import sentry_sdk
from sentry_sdk.transport import Transport


class Nowhere(Transport):
    """Takes what would be sent."""

    def capture_envelope(self, envelope: Any) -> None:
        """Drop it."""


sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", transport=Nowhere, traces_sample_rate=1.0)

from tests.neighbours.apps.plain import app  # noqa: E402

__all__ = ["app"]
