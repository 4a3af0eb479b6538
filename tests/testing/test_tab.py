"""The tab: what the clock does to a view, and what the page is told, against a server in memory."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from quart_stash.testing.dialer import ConnectionEnded, Refused
from quart_stash.testing.tab import Tab
from quart_stash.view import View

from ..live.pipe import Pipe, Process, Wire, in_virtual_time, settle


def now() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class Log:
    said: list[str] = field(default_factory=list)


async def echo(view: View[Log]) -> None:
    async for message in view:
        if message.data == "end":
            return
        view.state.said.append(str(message.data))
        await view.send(",".join(view.state.said))


class Line(Wire):
    """A connection that can go dead without a word: nothing gets through any more, either way."""

    dead = False

    async def send(self, data: str | bytes) -> None:
        if not self.dead:
            await super().send(data)

    async def receive(self) -> str:
        data = await super().receive()
        while self.dead:
            await asyncio.sleep(3600)
        return data


class Page:
    """A tab, the process that it dials, and what its page is told.

    Attributes:
        process: what is dialled; `None`: nobody is there.
        hangs: whether it takes for ever to be.
        refuses: whether it is up and does not take the handshake.
        gone: whether it has no view there.
        lines: the connections, in order.
        pipes: the servers' ends.
        tries: when it was dialled.
        told: events and their details, each with its time.
        got: messages.
    """

    def __init__(self, process: Process | None = None, **options: Any) -> None:
        self.process = process
        self.hangs = False
        self.refuses = self.gone = False
        self.lines: list[Line] = []
        self.pipes: list[Pipe] = []
        self.tries: list[float] = []
        self.told: list[tuple[float, str, dict[str, Any]]] = []
        self.got: list[str | bytes] = []
        self.tab = Tab(self.dial, message=self.got.append, event=self.note, rng=random.Random(1), **options)

    async def dial(self) -> Line:
        self.tries.append(now())
        if self.hangs:
            await asyncio.sleep(3600)
        if self.refuses:
            raise Refused("401")
        if self.gone:
            raise ConnectionEnded(4404)
        if self.process is None:
            raise ConnectionRefusedError
        self.pipes.append(self.process.open())
        self.lines.append(Line(self.pipes[-1]))
        await self.pipes[-1].until(lambda: self.pipes[-1].kinds)
        return self.lines[-1]

    def note(self, name: str, detail: dict[str, Any]) -> None:
        self.told.append((now(), name, detail))

    @property
    def names(self) -> list[str]:
        return [name for _, name, _ in self.told]

    def detail(self, name: str) -> dict[str, Any]:
        """Return the details of the newest event of a name."""
        return next(detail for _, known, detail in reversed(self.told) if known == name)

    def when(self, name: str) -> float:
        """Return the time of the first event of a name."""
        return next(time for time, known, _ in self.told if known == name)

    async def start(self) -> None:
        self.tab.start()
        await settle()


@in_virtual_time
async def test_what_is_sent_before_there_is_a_server() -> None:
    """It waits, and is sent once, in order, when there is one."""
    page = Page()
    await page.start()
    page.tab.send("a")
    page.tab.send("b")
    await asyncio.sleep(60)
    page.process = Process(echo, Log)
    await asyncio.sleep(6)
    assert page.got == ["a", "a,b"]
    assert (page.tab.state, page.tab.sent, page.tab.received) == ("live", 2, 2)
    await page.tab.close()


@in_virtual_time
async def test_a_dial_that_fails_in_an_unexpected_way_is_told_and_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither a defect of `dial` nor an error that it does not promise leaves a tab without a connection for ever."""
    page = Page()

    async def dial() -> Line:
        if page.process is not None:
            return await page.dial()
        page.tries.append(now())
        raise ValueError("not promised")

    page.tab = Tab(dial, event=page.note)
    await page.start()
    await asyncio.sleep(6)
    page.process = Process(echo, Log)
    await asyncio.sleep(6)
    assert page.tab.state == "live" and len(page.tries) > 3
    assert {record.getMessage() for record in caplog.records} == {
        "a connection has failed in an unexpected way"
    }
    caplog.clear()
    await page.tab.close()


@in_virtual_time
async def test_tries_are_spread_and_go_on() -> None:
    """After refusals each wait is random, below a bound that doubles from 100 ms to 5 s; it never gives up."""
    page = Page()
    await page.start()
    await asyncio.sleep(600)
    waits = [after - before for before, after in zip(page.tries, page.tries[1:], strict=False)]
    bounds = [min(5.0, 0.1 * 2**attempt) for attempt in range(len(waits))]
    assert all(0 <= wait <= bound for wait, bound in zip(waits, bounds, strict=True))
    assert len(waits) > 600 / 5 and max(waits) > 4
    await page.tab.close()


async def crash(page: Page, count: int) -> None:
    """Let the connection end so many times, each time once the view is mounted."""
    for _ in range(count):
        page.pipes[-1].disconnect()
        mounts = page.names.count("mounted")
        while page.names.count("mounted") == mounts:
            await asyncio.sleep(0.01)


@in_virtual_time
async def test_a_mount_ends_the_refusals() -> None:
    """A view that is lost just after it was mounted again comes back soon, however often it was refused before."""
    page = Page()
    await page.start()
    await asyncio.sleep(60)
    assert page.tab._backoff._attempt > 5
    page.process = Process(echo)
    while "mounted" not in page.names:
        await asyncio.sleep(0.01)
    lost = now()
    await crash(page, 1)
    assert now() - lost <= 0.11
    await page.tab.close()


@in_virtual_time
async def test_tries_begin_anew_after_ten_quiet_seconds() -> None:
    """A view that stays mounted, even without a further token, is progress: the waits of its next loss are short."""
    page = Page(Process(echo))
    await page.start()
    await crash(page, 7)
    await asyncio.sleep(9.9)
    assert page.tab._backoff._attempt > 5
    await asyncio.sleep(0.2)
    assert page.tab._backoff._attempt == 0
    await page.tab.close()


@in_virtual_time
async def test_ten_seconds_without_a_connection_are_no_quiet_ones() -> None:
    """A view that is lost within ten seconds of its mount goes on with the waits that it has come to."""
    page = Page(Process(echo))
    await page.start()
    page.process = None
    page.pipes[-1].disconnect()
    await asyncio.sleep(9.9)
    before = page.tab._backoff._attempt
    assert before > 5
    await asyncio.sleep(0.2)
    assert page.tab._backoff._attempt >= before
    await page.tab.close()


@in_virtual_time
async def test_a_handler_that_commits_and_raises_at_each_mount() -> None:
    """A token that covers no further message is no progress: the waits grow up to five seconds."""

    async def handler(view: View[Log]) -> None:
        view.state.said.append("loading")
        await view.send("loading")
        await asyncio.sleep(1)  # the token of that is sent
        raise RuntimeError("no database")

    page = Page(Process(handler, Log))
    await page.start()
    await asyncio.sleep(120)
    assert page.tab._backoff._attempt > 5
    await page.tab.close()


@in_virtual_time
async def test_a_handler_that_raises_on_what_the_page_sends_at_each_mount() -> None:
    """A token that covers nothing but what has failed is no progress: the waits grow up to five seconds."""

    async def handler(view: View[Log]) -> None:
        await view.receive()
        raise RuntimeError("no database")

    page = Page(Process(handler, Log))
    tell = page.tab.event

    def event(name: str, detail: dict[str, Any]) -> None:
        tell(name, detail)
        if name == "mounted":
            page.tab.send("subscribe")

    page.tab.event = event
    await page.start()
    await asyncio.sleep(120)
    assert page.tab._backoff._attempt > 5
    await page.tab.close()


@in_virtual_time
async def test_a_short_loss_is_not_told() -> None:
    """The page hears of no loss that is over within half a second, but of how long it was."""
    page = Page(Process(echo, Log))
    await page.start()
    await asyncio.sleep(20)
    page.pipes[-1].disconnect()
    await asyncio.sleep(20)
    assert page.names == ["mounted", "gap", "mounted"]
    gap = page.detail("gap")
    assert gap["cause"] == "loss" and 0 <= gap["seconds"] < 0.1
    assert page.detail("mounted")["status"] == "restored"
    await page.tab.close()


@in_virtual_time
async def test_a_long_loss_is_told_after_half_a_second() -> None:
    """`disconnected` comes once, half a second after the loss, and `reconnected` with the next mount."""
    page = Page(Process(echo, Log, latency=0))
    await page.start()
    await asyncio.sleep(20)
    lost, page.process = now(), None
    page.pipes[-1].disconnect()
    await asyncio.sleep(30)
    page.process = Process(echo, Log, latency=0)
    await asyncio.sleep(6)
    assert page.names == ["mounted", "disconnected", "gap", "mounted", "reconnected"]
    assert page.when("disconnected") == pytest.approx(lost + 0.5)
    assert page.detail("gap")["seconds"] == pytest.approx(page.when("gap") - lost)
    await page.tab.close()


@in_virtual_time
@pytest.mark.parametrize(("slow", "more"), [(0.0, 0.0), (0.3, 0.3), (2.0, 0.5)])
async def test_a_slow_hand_over_is_told_later(slow: float, more: float) -> None:
    """It has as much longer as the server's last answer took, half a second more at most."""
    busy = asyncio.Event()

    async def handler(view: View[Log]) -> None:
        async for _ in view:
            await busy.wait()

    page = Page(old := Process(handler, Log, latency=0))
    await page.start()
    page.tab.send("a")
    await settle()
    page.process = Process(echo, Log, latency=0)
    drain = old.drain()
    while page.tab.state != "flushed":
        await asyncio.sleep(0.001)
    await asyncio.sleep(slow)
    page.lines[-1].dead = True  # it is open, and does not answer the mount
    busy.set()
    while page.tab.state == "flushed":
        await asyncio.sleep(0.001)
    final = now()
    await asyncio.sleep(6)
    assert page.when("disconnected") == pytest.approx(final + 0.5 + more, abs=0.01)
    await drain
    await page.tab.close()


@in_virtual_time
async def test_a_page_that_finds_no_server_is_told() -> None:
    """Half a second after it has begun to connect in vain, too."""
    page = Page()
    await page.start()
    await asyncio.sleep(10)
    assert page.names == ["disconnected"]
    assert page.when("disconnected") == pytest.approx(0.5)
    await page.tab.close()
    assert page.names == ["disconnected", "over"]


@in_virtual_time
async def test_a_first_connection_that_is_slow_is_not_missed() -> None:
    """Nothing is said of it for four seconds; and what hangs for longer is told."""
    page = Page(Process(echo, Log, latency=0))
    page.hangs = True
    await page.start()
    await asyncio.sleep(3.9)
    assert page.names == []
    await asyncio.sleep(1)
    assert page.names == ["disconnected"]
    await page.tab.close()


@in_virtual_time
async def test_a_page_that_is_refused_is_told() -> None:
    """After three attempts in a row, once; then it tries ever more seldom, and is mounted as soon as it is let in."""
    page = Page(Process(echo, Log, latency=0))
    await page.start()
    page.refuses = True
    page.pipes[-1].disconnect()
    await asyncio.sleep(600)
    assert page.names == ["mounted", "disconnected", "refused"]
    tries = sum(time > page.when("refused") for time in page.tries)
    assert 5 <= tries <= 40
    page.refuses = False
    await asyncio.sleep(61)
    assert page.names[-2:] == ["mounted", "reconnected"]
    page.process = None
    page.pipes[-1].disconnect()
    await asyncio.sleep(60)
    assert page.names[-1] == "disconnected", "a server that is not there refuses nothing"
    await page.tab.close()


@in_virtual_time
async def test_a_route_that_is_gone_refuses_as_well() -> None:
    """A server that has no view here says so by its close code."""
    page = Page(Process(echo, Log, latency=0))
    await page.start()
    page.gone = True
    page.pipes[-1].disconnect()
    await asyncio.sleep(60)
    assert page.names[-2:] == ["disconnected", "refused"]
    await page.tab.close()


@in_virtual_time
async def test_a_drain_with_the_next_process_there() -> None:
    """The next connection is open before the view leaves; the gap is told as the drain's."""
    old, new = Process(echo, Log, latency=0), Process(echo, Log, latency=0)
    page = Page(old)
    await page.start()
    page.tab.send("a")
    page.process = new
    await old.drain()
    await settle()
    page.tab.send("b")
    await settle()
    assert page.got == ["a", "a,b"]
    assert page.names == [
        "mounted",
        "unsaved",
        "saved",
        "drain",
        "synced",
        "gap",
        "mounted",
        "unsaved",
        "saved",
    ]
    assert page.detail("gap") == {"seconds": 0, "cause": "drain"}
    assert old.outcomes == {"synced": 1}
    await page.tab.close()


@in_virtual_time
async def test_a_drain_with_nobody_there() -> None:
    """A refused dial does not hold up the hand-over; what is sent meanwhile waits for the next process."""
    old = Process(echo, Log, latency=0)
    page = Page(old)
    await page.start()
    page.process = None
    await old.drain()
    assert now() == 0
    assert old.outcomes == {"synced": 1}
    page.tab.send("a")
    await asyncio.sleep(3)
    assert page.got == []
    page.process = Process(echo, Log, latency=0)
    await asyncio.sleep(6)
    assert page.got == ["a"]
    await page.tab.close()


@pytest.mark.parametrize(("timeout", "latest"), [(0.2, 0.15), (10, 1)], ids=["short", "long"])
@in_virtual_time
async def test_a_drain_with_a_dial_that_hangs(timeout: float, latest: float) -> None:
    """A hand-over waits for the next connection for a second, and less where its own time is shorter."""
    old = Process(echo, Log, shutdown_timeout=timeout, latency=0)
    page = Page(old)
    await page.start()
    page.hangs = True
    await old.drain()
    assert 0 < now() <= latest + 1e-6
    assert old.outcomes == {"synced": 1}
    await page.tab.close()


@in_virtual_time
async def test_a_drain_whose_first_dial_hangs() -> None:
    """The hand-over waits for the next attempt, and then there is no gap."""
    old = Process(echo, Log, latency=0)
    page = Page(old)
    await page.start()
    page.hangs = True
    drain = old.drain()
    await asyncio.sleep(0.4)
    page.hangs, page.process = False, Process(echo, Log, latency=0)
    await drain
    await settle()
    assert len(page.lines) == 2 and page.names.count("mounted") == 2
    assert 0.5 <= page.when("gap") <= 0.6
    assert page.detail("gap") == {"seconds": 0, "cause": "drain"}
    await page.tab.close()


@in_virtual_time
async def test_a_connection_that_goes_dead() -> None:
    """After 25 s in which nothing was heard it is pinged, 5 s later given up, and the view goes on over another one."""
    page = Page(Process(echo, Log))
    await page.start()
    page.lines[0].dead = True
    page.tab.send("a")
    await asyncio.sleep(29.9)
    assert len(page.lines) == 1
    await asyncio.sleep(0.2)
    await settle()
    assert len(page.lines) == 2
    await page.pipes[0].ended()
    assert now() < 31
    assert page.got == ["a"]
    assert page.names == ["mounted", "unsaved", "gap", "mounted", "saved"]
    await page.tab.close()


@in_virtual_time
async def test_a_connection_that_is_quiet_stays() -> None:
    """A server that answers pings is there, for however long nothing else is said."""
    page = Page(Process(echo, Log))
    await page.start()
    await asyncio.sleep(1010)
    assert len(page.lines) == 1
    assert len(page.pipes[0].frames("pong")) == 40
    await page.tab.close()


@in_virtual_time
async def test_named_secrets() -> None:
    """They are kept as sealed, given back after a reload and to a copy of the tab, and forgotten."""
    seen: list[Any] = []

    async def launcher(view: View[None]) -> None:
        seen.append(await view.restore("key"))
        async for message in view:
            await (view.keep("key", message.data, max_age=60) if message.data else view.forget("key"))

    page = Page(Process(launcher))
    await page.start()
    page.tab.send("a secret of words")
    await settle()
    assert list(page.tab.kept) == ["key"] and "secret" not in page.tab.kept["key"]
    await page.tab.reload()
    await settle()
    copy = page.tab.duplicate()
    copy.start()
    await settle()
    assert seen == [None, "a secret of words", "a secret of words"]
    page.tab.send("")
    await settle()
    assert page.tab.kept == {} and list(copy.kept) == ["key"]
    await page.tab.reload()
    await settle()
    assert seen[-1] is None
    await copy.close()
    await page.tab.close()


@in_virtual_time
async def test_a_message_that_is_a_secret() -> None:
    """It is sent, also after a loss of the connection, but is not stored: a reload leaves a void in its place."""
    page = Page()
    await page.start()
    page.tab.send("a")
    page.tab.send("password", secret=True)
    page.tab.send("b")
    assert "password" not in repr(page.tab.stored)
    await page.tab.reload()
    page.process = Process(echo, Log)
    await asyncio.sleep(6)
    assert page.got == ["a", "a,b"]
    assert page.tab.received == 3
    await page.tab.close()


@in_virtual_time
async def test_half_an_emoji() -> None:
    """It reaches the view as from a browser, in params, forms and messages: as U+FFFD."""
    seen: list[Any] = []

    async def handler(view: View[Log]) -> None:
        seen.append([dict(view.params), {name: dict(form) for name, form in view.forms.items()}])
        async for message in view:
            seen.append(message.data)

    half = "half \ud83d"
    page = Page(Process(handler, Log), params={"q": half}, forms={"f": [("a", half), ("b", None)]})
    await page.start()
    page.tab.send(half)
    await settle()
    assert seen == [[{"q": "half \ufffd"}, {"f": {"a": "half \ufffd"}}], "half \ufffd"]
    await page.tab.close()


@in_virtual_time
async def test_a_finished_view_is_over() -> None:
    """The page is told so, nothing stays stored, what was left is lost, and nobody dials any more."""
    page = Page(Process(echo, Log))
    await page.start()
    page.tab.send("end")
    page.tab.send("late")
    await asyncio.sleep(100)
    assert page.names == ["mounted", "unsaved", "over", "lost"]
    assert page.detail("over")["code"] == 1000
    assert page.detail("lost") == {"numbers": [2], "messages": ["late"]}
    assert (page.tab.state, page.tab.stored, len(page.tries)) == ("over", None, 1)


@in_virtual_time
async def test_a_breach_is_over() -> None:
    """What is no frame of the protocol ends the view, and keeps what is stored."""
    page = Page(Process(echo, Log))
    await page.start()
    page.tab.send("a")
    await settle()
    await page.pipes[0].send({"type": "websocket.send", "text": "no frame"})
    await asyncio.sleep(100)
    assert page.names == ["mounted", "unsaved", "saved", "over"]
    assert page.detail("over")["code"] == 1002
    assert page.tab.stored is not None and page.tab.stored.token
    assert len(page.tries) == 1


@in_virtual_time
async def test_a_breach_while_the_next_connection_opens() -> None:
    """Then that is given up as well."""
    page = Page(Process(echo, Log))
    await page.start()
    page.hangs = True
    await page.pipes[0].send(
        {"type": "websocket.send", "text": '{"type": "drain", "drain": "d", "deadline": 9000, "delay": 0}'}
    )
    await settle()
    assert page.tab._dialer.dialing
    await page.pipes[0].send({"type": "websocket.send", "text": "no frame"})
    await settle()
    assert page.tab.state == "over"
    assert not page.tab._dialer.dialing


@in_virtual_time
async def test_a_copy_takes_no_messages_along() -> None:
    """What was not processed belongs to the original, and is sent once."""
    process = Process(echo, Log)
    page = Page(process)
    await page.start()
    page.tab.send("a")
    await settle()
    page.lines[0].dead = True
    page.tab.send("b")
    copy, got = page.tab.duplicate(), list[str | bytes]()
    copy.message = got.append
    copy.start()
    await settle()
    assert (copy.sent, copy.received, got) == (1, 1, [])
    copy.send("c")
    await settle()
    assert got == ["a,c"]
    assert len({session.view_id for session in process.sessions}) == 2
    await copy.close()
    await page.tab.close()


@in_virtual_time
async def test_what_a_view_tells_the_page() -> None:
    """Forms that have been dealt with and values for the page's address come as events."""

    async def tell(view: View[None]) -> None:
        await view.clear_form("profile")
        await view.reflect(page=3)
        await view.receive()

    page = Page(Process(tell), params={"a": 1}, forms={"profile": [("name", "Ada")]})
    await page.start()
    assert page.names == ["unsaved", "mounted", "clear", "saved", "url"]
    assert page.detail("clear") == {"form": "profile", "number": 0}
    assert page.detail("url") == {"params": {"page": "3"}}
    await page.tab.close()
