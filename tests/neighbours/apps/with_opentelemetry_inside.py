"""OpenTelemetry's ASGI middleware around `app.asgi_app`, added after ours; and one more, a class that keeps `send`."""

from __future__ import annotations

from typing import Any

from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

from tests.neighbours.apps.plain import app


class Sender:
    """A middleware's `send` that is an object, with slots."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def __call__(self, event: Any) -> None:
        await self._inner(event)


def keeping(inner: Any) -> Any:
    """Add the middleware."""

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        await inner(scope, receive, Sender(send))

    return serve


app.asgi_app = keeping(OpenTelemetryMiddleware(app.asgi_app))  # type: ignore[method-assign]
