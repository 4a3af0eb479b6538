"""OpenTelemetry's ASGI middleware around the whole application."""

from __future__ import annotations

from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

from tests.neighbours.apps.plain import app as stashed

app = OpenTelemetryMiddleware(stashed)
