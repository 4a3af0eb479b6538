"""A server that is killed and lives again, within hundredths of a second, and pages that go on by themselves."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.servers.harness import Server, Setup, serving
from tests.tab import Tab

LIVES = Setup("lives", ("lives.py", "{app}", "fd://{fd}"), "", app="effects")


class Page:
    """A tab, and what it heard.

    Args:
        url: where its view is.
        seed: for the jitter.
        kind: of tab.
        latency: seconds that everything takes, each way; default: each tab at its own distance.
    """

    def __init__(
        self, url: str, seed: int = 1, kind: Callable[..., Tab] = Tab, latency: float | None = None
    ) -> None:
        self.heard: list[str] = []
        self.told: list[tuple[str, dict[str, object]]] = []
        self.tab = kind(
            url,
            message=lambda data: self.heard.append(str(data)),
            event=lambda name, detail: self.told.append((name, detail)),
            random=random.Random(seed),
            latency=latency,
        )
        self.tab.start()

    def seen(self, kind: str) -> list[dict[str, object]]:
        return [detail for name, detail in self.told if name == kind]


@asynccontextmanager
async def lives(folder: Path, **more: str) -> AsyncIterator[Server]:
    """A server that lives again whenever it was killed."""
    environment = {"APP_DATABASE": str(folder / "orders.sqlite3"), **more}
    async with serving(LIVES, folder / "log", environment=environment) as server:
        yield server
