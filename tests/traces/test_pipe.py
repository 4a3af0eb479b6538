"""Traces of docs/traces.md in virtual time: the server's half, against a page in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest

from quart_stash.core.state import StateType
from quart_stash.view import View
from tests.live.pipe import OTHER_SECRET, SECRET, Pipe, Process, in_virtual_time, settle, unseal, wall_clock


@dataclass
class Words:
    words: list[str] = field(default_factory=list)


async def collect(view: View[Words]) -> None:
    async for message in view:
        view.state.words.append(str(message.data))


def held(pipe: Pipe) -> tuple[str, int]:
    """Return the newest token that the page has from this connection, and the number of messages it covers."""
    newest = [frame for frame in pipe.frames() if "token" in frame and frame["type"] in ("mounted", "token")][
        -1
    ]
    return newest["token"], newest["received"]


async def covered(pipe: Pipe, received: int) -> str:
    """Wait for the token that covers so many messages."""
    await pipe.until(lambda: held(pipe)[1] == received)
    return held(pipe)[0]


async def cut(pipe: Pipe) -> None:
    """Lose the connection and the process, without a word."""
    pipe.disconnect()
    await pipe.ended()


async def again(process: Process, token: str, received: int, outbox: Sequence[str], **fields: Any) -> Pipe:
    """Mount from a token, and replay what it does not cover."""
    pipe = await process.mount(token=token, sent=received + len(outbox), **fields)
    for data in outbox:
        pipe.message(data)
    return pipe


def words(token: str) -> list[str]:
    """Return the state within a token."""
    found: list[str] = unseal(token)[2]["words"]
    return found


@in_virtual_time
async def test_trace_03_a_copy_of_a_tab_is_a_view_of_its_own() -> None:
    """The owner of an outbox replays it under the old id, the copy goes on under a new one: no key comes twice."""
    done: list[tuple[str, str]] = []

    async def handler(view: View[Words]) -> None:
        async for message in view:
            done.append((message.key, str(message.data)))
            view.state.words.append(str(message.data))

    process = Process(handler, Words)
    first = await process.mount()
    first.message("a")
    token = await covered(first, 1)
    await cut(first)
    owner = await again(process, token, 1, ["b", "c"])
    copy = await again(process, token, 1, ["d"], fork=True)
    tokens = [await covered(owner, 3), await covered(copy, 2)]
    assert [words(each) for each in tokens] == [["a", "b", "c"], ["a", "d"]]
    assert unseal(tokens[0])[0] == unseal(token)[0] != unseal(tokens[1])[0]
    assert sorted(data for _, data in done) == ["a", "b", "c", "d"]
    assert len({key for key, _ in done}) == 4


@pytest.mark.parametrize("what", ["version", "key"])
@in_virtual_time
async def test_trace_04_a_token_of_the_next_release(what: str) -> None:
    """Back at an old process a token of the new version, or of the new key, is left alone, until a fitting one answers."""
    later = StateType(Words, version=2)
    later.migrate(from_version=1)(lambda old: old)
    releases: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "version": ({"state": Words}, {"state": later}),
        "key": ({"state": Words, "secret": OTHER_SECRET}, {"state": Words, "secret": [SECRET, OTHER_SECRET]}),
    }
    old, new = releases[what]
    pipe = await Process(collect, **old).mount()
    pipe.message("a")
    pipe = await again(Process(collect, **new), await covered(pipe, 1), 1, ["b"])
    token = await covered(pipe, 2)
    for _ in range(3):
        process = Process(collect, **old)
        back = process.open()
        back.say("mount", token=token, sent=3)
        assert await back.closed() == 4409
        assert (back.frames(), process.ends, process.notes) == ([], ["cancelled"], [])
    pipe = await again(Process(collect, **new), token, 2, ["c"])
    assert pipe.frames("mounted")[0]["status"] == "restored"
    assert words(await covered(pipe, 3)) == ["a", "b", "c"]


@pytest.mark.parametrize("interval", [0, 60])
@pytest.mark.parametrize("how", ["an exception", "a kill"])
@in_virtual_time
async def test_trace_05_a_crash_behind_a_commit(how: str, interval: float) -> None:
    """After `append; await commit(); crash` a message whose commit is in a token is not replayed, and none is doubled."""

    async def handler(view: View[Words]) -> None:
        async for message in view:
            view.state.words.append(str(message.data))
            await view.commit()
            if message.replayed or message.data != "b":
                continue
            await (asyncio.Event().wait() if how == "a kill" else asyncio.sleep(0))
            raise ValueError("after the commit")

    pipe = await Process(handler, Words, sync_interval=interval).mount()
    pipe.message("a")
    pipe.message("b")
    await settle()
    await (cut(pipe) if how == "a kill" else pipe.closed())
    token, received = held(pipe)
    assert words(token) == ["a", "b"][:received]
    assert pipe.frames("failed") == []
    if how == "an exception" or interval == 0:
        assert received == 2
    pipe = await again(Process(handler, Words), token, received, [*["a", "b"][received:], "c"])
    assert words(await covered(pipe, 3)) == ["a", "b", "c"]


@pytest.mark.parametrize("kept", [False, True], ids=["lost on its way there", "lost on its way back"])
@in_virtual_time
async def test_trace_09_a_cable_that_is_cut_while_a_password_is_kept(kept: bool) -> None:
    """Until the browser has confirmed `keep` nothing uses the password; the replay uses one that the browser has."""
    browser: dict[str, str] = {}
    made = (f"password {number}" for number in count(1))
    used: list[str] = []

    async def handler(view: View[Words]) -> None:
        async for _ in view:
            password = await view.restore("password")
            if password is None:
                password = next(made)
                await view.keep("password", password, max_age=60)
            used.append(password)

    async def restored(pipe: Pipe) -> None:
        await pipe.until(lambda: pipe.frames("restore"))
        pipe.say("kept", key="password", **browser)

    process = Process(handler, Words)
    pipe = await process.mount()
    pipe.message("deploy")
    await restored(pipe)
    await pipe.until(lambda: pipe.frames("keep"))
    if kept:
        browser["token"] = pipe.frames("keep")[0]["token"]
    await cut(pipe)
    assert (used, process.ends) == ([], ["cancelled"])
    pipe = await again(process, *held(pipe), ["deploy"])
    await restored(pipe)
    if not kept:
        await pipe.until(lambda: pipe.frames("keep"))
        await settle()
        assert used == []
        pipe.say("stored", key="password")
    await covered(pipe, 1)
    assert used == ["password 1" if kept else "password 2"]


@in_virtual_time
async def test_trace_10_a_token_that_is_lost_in_transit() -> None:
    """Where token 7 never arrives, a mount from token 5 has the state of five messages, and 6 and 7 count once each."""
    seen: list[tuple[int, bool, int]] = []

    async def handler(view: View[Words]) -> None:
        async for message in view:
            seen.append((message.number, message.replayed, len(view.state.words)))
            view.state.words.append(str(message.data))

    pipe = await Process(handler, Words).mount()
    for data in "12345":
        pipe.message(data)
    token = await covered(pipe, 5)
    pipe.message("6")
    pipe.message("7")
    assert words(await covered(pipe, 7)) == list("1234567")
    await cut(pipe)
    seen.clear()
    pipe = await again(Process(handler, Words), token, 5, ["6", "7"])
    assert words(await covered(pipe, 7)) == list("1234567")
    assert seen == [(6, True, 5), (7, True, 6)]


@in_virtual_time
async def test_trace_12_messages_that_are_queued_when_the_handler_returns() -> None:
    """A handler that returns at message 7 has not received 8 and 9: `finished` says 7, so that the client knows what is lost."""
    seen: list[str] = []

    async def handler(view: View[Words]) -> None:
        async for message in view:
            seen.append(str(message.data))
            if message.number == 7:
                await settle()  # the others are here by then
                return

    pipe = await Process(handler, Words).mount()
    for number in range(1, 10):
        pipe.message(str(number))
    assert await pipe.closed() == 1000
    assert pipe.frames("finished") == [{"type": "finished", "received": 7}]
    assert (pipe.unread, seen) == (0, list("1234567"))


@in_virtual_time
async def test_trace_18_three_hundred_replays_behind_a_restore() -> None:
    """The first handler's `restore` is answered, though 300 replayed messages are in front of the answer."""
    waiting: list[int] = []

    async def handler(view: View[Words]) -> None:
        async for message in view:
            if message.number == 1:
                await view.restore("secret")
                waiting.append(len(process.sessions[0].machine.inbox))
            view.state.words.append(str(message.data))

    process = Process(handler, Words)
    pipe = await process.mount(sent=300)
    for number in range(300):
        pipe.message(str(number))
    pipe.say("kept", key="secret")
    assert words(await covered(pipe, 300)) == [str(number) for number in range(300)]
    assert waiting == [299], "more than the queue holds without a question to the browser"


@in_virtual_time
async def test_trace_20_five_thousand_views_drained_at_once() -> None:
    """They reconnect at no more than the rate, and none of the sockets that were opened ahead waits too long for its mount."""
    rate, views = 500, 5000
    loop = asyncio.get_running_loop()
    opened: list[float] = []
    statuses: list[str] = []

    async def handler(view: View[Words]) -> None:
        async for message in view:
            if message.data == "slow":
                await asyncio.sleep(12)
            view.state.words.append(str(message.data))

    async def page(pipe: Pipe) -> None:
        await pipe.until(lambda: pipe.frames("drain"))
        opened.append(loop.time())
        ahead = new.open()  # make before break
        token = (await pipe.answer_drain(sent=1))["token"]
        statuses.append((await ahead.mount(token=token, sent=1))["status"])

    # Near: this is about a rate, and five thousand peers at distances of their own take the test a minute.
    settings: dict[str, Any] = {"reconnect_rate": rate, "shutdown_timeout": 25, "latency": 0}
    old, new = Process(handler, Words, **settings), Process(handler, Words, **settings)
    pipes = await asyncio.gather(*(old.mount() for _ in range(views)))
    for number, pipe in enumerate(pipes):
        pipe.message("slow" if number % 100 == 0 else "quick")
    drain = old.drain()
    await asyncio.gather(*map(page, pipes))
    await drain
    assert old.outcomes == {"synced": views}
    assert statuses == ["restored"] * views
    apart = 0.02  # seconds: of one batch
    assert all(late - early >= 1 - apart for early, late in zip(opened, opened[rate:], strict=False))
    for each in new.host.gateway.registry:
        each.end()


@pytest.mark.parametrize("steps", range(8))
@in_virtual_time
async def test_trace_21_a_drain_while_mounting(steps: int) -> None:
    """Wherever a drain meets a mount, the state and the replayed messages are with the next process, once each."""
    first = await Process(collect, Words).mount()
    first.message("a")
    token = await covered(first, 1)
    await cut(first)
    process = Process(collect, Words)
    pipe = process.open()
    await settle()
    pipe.say("mount", token=token, sent=3)
    for _ in range(steps):
        await asyncio.sleep(0)
    drain = process.drain()
    await pipe.until(lambda: pipe.close_code or (pipe.frames("drain") and pipe.frames("mounted")))
    received = 1
    if pipe.close_code is None:
        pipe.message("b")
        pipe.message("c")
        final = await pipe.answer_drain(sent=3)
        token, received = final["token"], final["received"]
        assert received == 3
    else:
        assert await pipe.closed() == 1012
        assert pipe.frames() == [], pipe.sent
    await drain
    assert process.outcomes == ({"synced": 1} if received == 3 else {})
    pipe = await again(Process(collect, Words), token, received, ["b", "c", "d"][received - 1 :])
    assert pipe.frames("mounted")[0]["status"] == "restored"
    assert words(await covered(pipe, 4)) == ["a", "b", "c", "d"]


@in_virtual_time
async def test_trace_21_a_second_drain_before_the_first_token() -> None:
    """A process that is told to leave right after a hand-over, before its first token, hands on what it was handed."""

    async def slow_to_begin(view: View[Words]) -> None:
        await asyncio.sleep(1)
        await collect(view)

    old = Process(collect, Words)
    pipe = await old.mount()
    pipe.message("a")
    drain = old.drain()
    final = await pipe.answer_drain(sent=1)
    await drain
    middle = Process(slow_to_begin, Words)
    pipe = await again(middle, final["token"], 1, ["b"])
    drain = middle.drain()
    final = await pipe.answer_drain(sent=2)
    await drain
    assert len(pipe.frames("token")) == 1
    received = final["received"]
    pipe = await again(Process(collect, Words), final["token"], received, ["b", "c"][received - 1 :])
    assert words(await covered(pipe, 3)) == ["a", "b", "c"]


@in_virtual_time
async def test_trace_24_a_view_that_is_older_than_a_token_may_be() -> None:
    """A live view that nobody has touched for longer than a token's age is restored after a kill."""
    age = 3600
    settings: dict[str, Any] = {"token_max_age": age, "silence_timeout": None}
    pipe = await Process(collect, Words, **settings).mount()
    pipe.message("a")
    first = await covered(pipe, 1)
    await asyncio.sleep(5 * age)
    await cut(pipe)
    late = await again(Process(collect, Words, token_max_age=age), first, 1, [])
    assert late.frames("mounted")[0]["reason"] == "expired", "the token of that time would not do"
    pipe = await again(Process(collect, Words, token_max_age=age), *held(pipe), ["b"])
    assert pipe.frames("mounted")[0]["status"] == "restored"
    assert words(await covered(pipe, 2)) == ["a", "b"]


@in_virtual_time
async def test_trace_27_a_servers_clock_that_steps_back_an_hour() -> None:
    """Tokens of the future are good, live views go on getting tokens, and what they get is good after the step too."""
    offset = 0.0

    def now() -> float:
        return wall_clock() + offset

    settings: dict[str, Any] = {"now": now, "token_max_age": 7200, "silence_timeout": None}
    pipe = await Process(collect, Words, **settings).mount()
    pipe.message("a")
    early = await covered(pipe, 1)
    offset = -3600.0
    other = await again(Process(collect, Words, **settings), early, 1, ["b"])
    assert other.frames("mounted")[0]["status"] == "restored", "a token of an hour ahead"
    assert words(await covered(other, 2)) == ["a", "b"]
    pipe.message("b")
    await covered(pipe, 2)
    await asyncio.sleep(3600)
    assert len(pipe.frames("token")) == 3, "renewed at half its age, by a clock that does not step"
    await cut(pipe)
    for token, received in ((early, 1), held(pipe)):
        pipe = await again(Process(collect, Words, **settings), token, received, ["x"])
        assert pipe.frames("mounted")[0]["status"] == "restored"
        assert words(await covered(pipe, received + 1)) == [*["a", "b"][:received], "x"]
