"""A message that makes the handler raise, or kills the process, is not replayed into a loop, and the page hears of it."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection

from quart_stash.testing.dialer import ConnectionEnded
from tests.servers.harness import eventually
from tests.servers.lives import Page, lives
from tests.tab import Socket, Tab


class Cut(Socket):
    """A connection that is cut just before or just after a frame of one type has come, once."""

    def __init__(self, connection: ClientConnection, kind: str, when: str, cuts: list[str]) -> None:
        super().__init__(connection)
        self._kind, self._when, self._cuts = kind, when, cuts
        self._cut = False

    async def receive(self) -> str | bytes:
        data = b"" if self._cut else await super().receive()
        frame = json.loads(data) if str(data).startswith("{") else {}
        hit = frame.get("type") == self._kind and not self._cuts and frame.get("received") != 0
        if hit:
            self._cuts.append(self._kind)
            self._cut = True
            self._connection.transport.abort()
        if self._cut and not (hit and self._when == "after"):
            raise ConnectionEnded
        return data


class CutTab(Tab):
    """A tab with such connections."""

    def __init__(self, *args: object, cut: str, when: str, **options: object) -> None:
        self.cut, self.when = cut, when
        self.cuts: list[str] = []
        super().__init__(*args, **options)  # type: ignore[arg-type]

    def socket(self, connection: ClientConnection) -> Socket:
        return Cut(connection, self.cut, self.when, self.cuts)


async def test_a_handler_that_raises(tmp_path: Path) -> None:
    """The page hears `failed`, once for each, and the view goes on with the next message, also if all are sent at once."""
    async with lives(tmp_path) as server:
        page = Page(server.url("/poison"))
        for data in ("a", "bad", "b", "bad", "bad", "c"):
            page.tab.send(data)
        await eventually(lambda: "c 3" in page.heard, "the answer to the last")
        # A connection that is being closed may take a token with it, and then an answer comes again.
        assert [*dict.fromkeys(page.heard)] == ["a 1", "b 2", "c 3"]
        assert page.seen("failed") == [{"number": 2}, {"number": 4}, {"number": 5}]
        assert page.seen("lost") == []
        await page.tab.close()


async def test_a_handler_that_has_raised_is_not_fed_the_same_again(tmp_path: Path) -> None:
    """Where the connection takes `failed` to the page, the message is not replayed."""
    async with lives(tmp_path) as server:
        page = Page(server.url("/poison"))
        for count, data in enumerate(("a", "bad", "b", "bad", "bad", "c"), 1):
            page.tab.send(data)
            # What is sent to a connection that is being closed may take with it what the page has not read yet.
            await eventually(lambda count=count: len(page.heard) + len(page.seen("failed")) == count, data)  # type: ignore[misc]
        assert page.heard == ["a 1", "b 2", "c 3"]
        assert server.log.count("ValueError: a poison message") == 3
        await page.tab.close()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("what", ["failed", "token"])
async def test_the_connection_breaks_as_it_is_told(what: str, when: str, tmp_path: Path) -> None:
    """Wherever the connection breaks around `failed` and its token, the page hears `failed` once, and the view goes on."""
    async with lives(tmp_path, QUART_STASH_SYNC_INTERVAL="60") as server:
        kind = functools.partial(CutTab, cut=what, when=when)
        page = Page(server.url("/poison"), kind=kind)
        page.tab.send("bad")
        page.tab.send("a")
        await eventually(lambda: page.heard, "the answer to the next message")
        assert page.heard == ["a 1"]
        assert page.seen("failed") == [{"number": 1}]
        assert isinstance(page.tab, CutTab) and page.tab.cuts == [what]
        assert server.log.count("ValueError: a poison message") == 1 + (what == "failed" and when == "before")
        await page.tab.close()


async def test_a_message_that_kills_the_process(tmp_path: Path) -> None:
    """After its first death and three more, with the message known to be in hand, it is given up, and the page gets it."""
    async with lives(tmp_path) as server:
        page, other = Page(server.url("/poison")), Page(server.url("/poison"), 2)
        other.tab.send("x")
        await eventually(lambda: other.heard, "the bystander's answer")
        page.tab.send("a")
        await eventually(lambda: page.heard, "its mount: what is sent before counts as sent again")
        page.tab.send("deadly")
        page.tab.send("b")
        await eventually(lambda: "b 2" in page.heard, "the answer to the message after it")
        assert page.seen("failed") == [{"number": 2, "data": "deadly"}]
        assert page.seen("lost") == other.seen("lost") == other.seen("failed") == []
        assert server.log.count("life ") == 5
        other.tab.send("y")
        await eventually(lambda: other.heard[-1] == "y 2", "the bystander's state")
        await page.tab.close()
        await other.tab.close()
