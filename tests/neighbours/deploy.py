"""One deploy of one neighbour: peers at unequal distances talk, SIGTERM comes, and they go on with the next process."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.client import Client
from tests.servers.harness import Server, Setup, serving

PEERS = 8
NEAR, FAR = 0.01, 0.2
"""Seconds that the nearest and the farthest peer take longer for each frame that they say."""


class Distant(Client):
    """A client some way off: each frame that it says takes `delay` seconds longer."""

    def __init__(self, url: str, delay: float, **options: Any) -> None:
        super().__init__(url, **options)
        self.delay = delay

    async def raw(self, data: str | bytes) -> None:
        await asyncio.sleep(self.delay)
        await super().raw(data)


@dataclass
class Deploy:
    """How one deploy went.

    Attributes:
        setup: how it was served.
        clients: the peers.
        codes: how their connections were closed.
        log: of the process that left.
        trouble: the lines in it that should not be there.
        restored: how the process after it took the views up, by what its `mounted` says.
    """

    setup: Setup
    clients: list[Distant]
    codes: Counter[int] = field(default_factory=Counter)
    log: str = ""
    trouble: list[str] = field(default_factory=list)
    restored: Counter[tuple[str, int]] = field(default_factory=Counter)

    @property
    def first_lines(self) -> list[str]:
        """How each worker says that it will notice a shutdown."""
        return [line for line in self.log.splitlines() if " is noticed by " in line]

    def hooks(self) -> tuple[int, int]:
        """Return how many workers ran the hooks before and after serving."""
        return self.log.count("before_serving ran"), self.log.count("after_serving ran")

    def was_noticed(self, code: int = 1012) -> None:
        """Assert that nobody saw the deploy: all synced, closed with this code, and the log is clean and true."""
        assert self.codes == {code: PEERS}
        assert self.restored == {("restored", 3): PEERS}
        finals = [[token for token in client.seen("token") if token.get("final")] for client in self.clients]
        assert all(len(tokens) == 1 and tokens[0]["received"] == 3 for tokens in finals)
        summaries = re.findall(r"drained: (\d+) of (\d+) synced, (\d+) timed out(.*), in [\d.]+ s", self.log)
        assert sum(int(synced) for synced, *_ in summaries) == PEERS
        assert all((late, others) == ("0", "") for _, _, late, others in summaries)
        assert self.trouble == []
        assert self.first_lines
        assert all(
            f"shutdown under {self.setup.served_by} is noticed by" in line and self.setup.way in line
            for line in self.first_lines
        )


async def deploy(
    setup: Setup,
    folder: Path,
    *,
    options: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
    view: str = "/items",
    peer: Callable[[Server, int], Awaitable[dict[str, Any]]] | None = None,
    before: Callable[[Server], Awaitable[object]] | None = None,
) -> Deploy:
    """Serve, let everybody talk, and send SIGTERM; the process leaves in time, and everybody goes on with the next one.

    Args:
        setup: how to serve, and which application.
        folder: for the log.
        options: further ones for the server.
        environment: further variables.
        tls: trusts the server's certificate, where the options make it end TLS.
        view: the path of the views.
        peer: returns what one peer brings along, such as the cookie of its log-in.
        before: is done before the signal, such as a drain by hand.
    """
    step = (FAR - NEAR) / (PEERS - 1)
    result = Deploy(setup, [])
    async with serving(
        setup, folder / "log", options=tuple(options), environment=environment, tls=tls
    ) as server:
        for n in range(PEERS):
            more = await peer(server, n) if peer else {}
            result.clients.append(Distant(server.url(f"{view}/{n}"), NEAR + n * step, at_drain=["c"], **more))
        try:
            await asyncio.gather(*(_talk(client) for client in result.clients))
            if before:
                await before(server)
            server.signal(signal.SIGTERM)
            result.codes = Counter(await asyncio.gather(*(client.closed() for client in result.clients)))
            await server.exited()
            result.log, result.trouble = server.log, server.trouble()
            # On the same port: a token is bound to where its view is.
            with socket.create_server(("127.0.0.1", server.port), backlog=256) as listener:
                async with serving(
                    setup,
                    folder / "next",
                    listener=listener,
                    options=tuple(options),
                    environment=environment,
                    tls=tls,
                ):
                    result.restored = Counter(
                        await asyncio.gather(*(_go_on(client) for client in result.clients))
                    )
        finally:
            await asyncio.gather(*(client.abort() for client in result.clients))
    return result


async def _go_on(client: Distant) -> tuple[str, int]:
    """Say one thing more to the process that comes after, and hear the answer; returns how the view was taken up."""
    await client.send("d")
    await client.connect()
    await client.answered(4)
    return client.mounted["status"], client.mounted["received"]


async def _talk(client: Distant) -> None:
    await client.connect()
    await client.send("a")
    await client.send("b")
    await client.answered(2)
