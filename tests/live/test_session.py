"""A session: what a token holds, when it is sent, and what becomes of the handler."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quart_stash.core.connection import State
from quart_stash.core.state import StateType
from quart_stash.errors import ConfigurationError, StateTooLarge
from quart_stash.view import View

from .pipe import Pipe, Process, in_virtual_time, settle, unseal


@dataclass
class Words:
    words: list[str] = field(default_factory=list)


async def collect(view: View[Words]) -> None:
    """Append every message to the state."""
    async for message in view:
        view.state.words.append(str(message.data))


async def nothing(view: View[Any]) -> None:
    """Wait for messages, and do nothing about them."""
    async for _ in view:
        pass


def words(token: str) -> list[str]:
    return list(unseal(token)[2]["words"])


# What a token holds.


@in_virtual_time
async def test_a_token_never_holds_half_a_message() -> None:
    """A token that falls due while a message is being handled holds the state before that message."""
    go_on = asyncio.Event()

    async def handler(view: View[Words]) -> None:
        async for message in view:
            view.state.words.append(f"half of {message.data}")
            if message.data == "b":
                await go_on.wait()
            view.state.words.append(f"all of {message.data}")

    process = Process(handler, Words, sync_interval=1)
    pipe = await process.mount()
    pipe.message("a")
    pipe.message("b")
    await pipe.until(lambda: pipe.frames("token"))  # the interval has passed in the middle of b
    token = pipe.frames("token")[0]
    assert token["received"] == 1
    assert unseal(token["token"])[1:] == (1, {"words": ["half of a", "all of a"]})
    go_on.set()
    await pipe.until(lambda: len(pipe.frames("token")) == 2)
    assert unseal(pipe.frames("token")[1]["token"])[1] == 2


@in_virtual_time
async def test_a_send_with_a_message_in_hand_is_no_commit() -> None:
    """Sending while a message is in hand does not commit: neither a token nor a snapshot comes of it."""
    go_on = asyncio.Event()

    async def handler(view: View[Words]) -> None:
        async for message in view:
            view.state.words.append(str(message.data))
            await view.send("half")
            await go_on.wait()
            raise ValueError("in the middle")

    process = Process(handler, Words)
    pipe = await process.mount()
    pipe.message("a")
    await pipe.until(lambda: pipe.got)
    await settle()
    assert pipe.frames("token") == []
    go_on.set()
    assert await pipe.closed() == 1011
    assert words(pipe.frames("token")[0]["token"]) == []


@in_virtual_time
async def test_commit_in_the_middle_counts_the_message_in_hand() -> None:
    """`commit()` seals the state with the message in hand counted, and from there on a send is a commit point."""
    go_on = asyncio.Event()

    async def handler(view: View[Words]) -> None:
        async for message in view:
            view.state.words.append(str(message.data))
            await view.commit()
            await go_on.wait()
            view.state.words.append("later")
            await view.send("done")

    process = Process(handler, Words)
    pipe = await process.mount()
    pipe.message("a")
    await pipe.until(lambda: pipe.frames("token"))
    assert unseal(pipe.frames("token")[0]["token"])[1:] == (1, {"words": ["a"]})
    go_on.set()
    await pipe.until(lambda: len(pipe.frames("token")) == 2)
    assert unseal(pipe.frames("token")[1]["token"])[1:] == (1, {"words": ["a", "later"]})


@in_virtual_time
async def test_an_exception_fails_the_message_in_hand() -> None:
    """Where the handler raises come `failed`, a token of the last commit that counts the message, and 1011."""

    async def handler(view: View[Words]) -> None:
        async for message in view:
            view.state.words.append(str(message.data))
            if message.data == "b":
                raise ValueError("no b here")

    process = Process(handler, Words, sync_interval=60)
    pipe = await process.mount()
    for data in "abc":
        pipe.message(data)
    assert await pipe.closed() == 1011
    failed, token = pipe.frames()[-2:]
    assert unseal(token["token"])[1:] == (2, {"words": ["a"]})
    assert token["received"] == 2
    assert failed == {"type": "failed", "number": 2}
    assert [str(error) for error in process.errors] == ["no b here"]


@in_virtual_time
async def test_an_exception_with_no_message_in_hand() -> None:
    """Where the handler raises before its first message, none is failed."""

    async def handler(view: View[Words]) -> None:
        raise ValueError("at once")

    process = Process(handler, Words)
    pipe = await process.mount(sent=1)
    assert await pipe.closed() == 1011
    assert pipe.frames("failed") == []
    assert unseal(pipe.frames("token")[-1]["token"])[1] == 0


@in_virtual_time
async def test_a_state_that_cannot_be_encoded_raises_in_the_handler() -> None:
    """What MessagePack can't hold raises where the handler commits; no token holds it, and its message is failed."""

    async def handler(view: View[dict[str, Any]]) -> None:
        async for message in view:
            view.state[str(message.data)] = object() if message.data == "b" else 1

    process = Process(handler, dict[str, Any])
    pipe = await process.mount()
    pipe.message("a")
    pipe.message("b")
    assert await pipe.closed() == 1011
    assert [type(error) for error in process.errors] == [TypeError]
    assert unseal(pipe.frames("token")[-1]["token"])[1:] == (2, {"a": 1})
    assert pipe.frames("failed") == [{"type": "failed", "number": 2}]


@in_virtual_time
async def test_a_state_that_cannot_be_encoded_may_be_repaired() -> None:
    """A handler that catches the error and repairs its state goes on: the message counts at the next commit."""

    async def handler(view: View[dict[str, Any]]) -> None:
        await view.receive()
        view.state["a"] = object()
        with pytest.raises(TypeError):
            await view.commit()
        view.state["a"] = 1
        await view.receive()

    process = Process(handler, dict[str, Any])
    pipe = await process.mount()
    pipe.message("a")
    await pipe.until(lambda: pipe.frames("token"))
    assert unseal(pipe.frames("token")[0]["token"])[1:] == (1, {"a": 1})


@in_virtual_time
async def test_a_state_that_is_too_large_raises_in_the_handler() -> None:
    """A state over STASH_MAX_STATE_SIZE raises `StateTooLarge` with both sizes where the handler commits."""
    process = Process(collect, Words, max_state_size=100)
    pipe = await process.mount()
    pipe.message("x" * 200)
    assert await pipe.closed() == 1011
    (error,) = process.errors
    assert isinstance(error, StateTooLarge)
    assert error.limit == 100 < error.size
    assert words(pipe.frames("token")[-1]["token"]) == []


step = st.sampled_from(["append", "commit", "send", "yield", "raise", "timeout"])


@given(
    plan=st.lists(st.lists(step, max_size=5), min_size=1, max_size=5),
    interval=st.sampled_from([0, 0.25, 5]),
    drain_after=st.integers(0, 6),
)
def test_every_token_is_the_fold_of_its_messages(
    plan: list[list[str]], interval: float, drain_after: int
) -> None:
    """Whatever a handler does with its messages, the state in every token is the fold of the first n messages."""
    folds: dict[int, list[set[tuple[str, ...]]]] = {0: [{()}]}

    async def handler(view: View[Words]) -> None:
        number = 0

        def point() -> None:
            """Note what the state is at a commit point, for the number of messages counted there."""
            folds.setdefault(number, [set()])[0].add(tuple(view.state.words))

        async for message in view:
            committed = False
            for index, action in enumerate(plan[message.number - 1]):
                if action == "append":
                    view.state.words.append(f"{message.number}.{index}")
                elif action == "commit":
                    number, committed = message.number, True
                    point()
                    await view.commit()
                elif action == "send":
                    if committed:
                        point()
                    await view.send("out")
                elif action == "yield":
                    await asyncio.sleep(0)
                elif action == "timeout":
                    await asyncio.sleep(0.3)
                else:
                    folds.setdefault(message.number, [set()])[0].update(folds[number][0])
                    raise ValueError("a random end")
            number = message.number
            point()

    async def play() -> Pipe:
        process = Process(handler, Words, sync_interval=interval)
        pipe = await process.mount()
        for index in range(len(plan)):
            if index == drain_after:
                break
            pipe.message(str(index))
        await settle()
        if drain_after > len(plan):
            await asyncio.sleep(3)
            pipe.disconnect()
            await pipe.ended()
            return pipe
        process.drain()
        await pipe.until(lambda: pipe.frames("drain") or pipe.close_code)
        pipe.say("flushed", sent=min(len(plan), drain_after))
        await pipe.until(lambda: pipe.final or pipe.close_code)
        pipe.say("synced", received=pipe.frames("token")[-1]["received"] if pipe.final else 0)
        await pipe.closed()
        return pipe

    @in_virtual_time
    async def check() -> None:
        for token in (await play()).frames("token"):
            _, received, state = unseal(token["token"])
            assert received == token["received"]
            assert tuple(state["words"]) in folds[received][0]

    check()


# When a token is sent.


@in_virtual_time
async def test_the_sync_interval_coalesces_and_the_trailing_token_comes() -> None:
    """Within one sync interval there is one token at most, and after the last change one comes by itself."""
    process = Process(collect, Words, sync_interval=1)
    pipe = await process.mount()
    loop = asyncio.get_running_loop()
    started = loop.time()
    for data in "abcde":
        pipe.message(data)
    await pipe.until(lambda: pipe.frames("token"))
    assert loop.time() - started == pytest.approx(1)
    (token,) = pipe.frames("token")
    assert unseal(token["token"])[1:] == (5, {"words": list("abcde")})
    await asyncio.sleep(10)
    assert len(pipe.frames("token")) == 1
    pipe.message("f")
    await settle()
    assert len(pipe.frames("token")) == 2, "long after the last token the next one waits for nothing"


@in_virtual_time
async def test_the_trailing_token_comes_after_a_blocked_one() -> None:
    """A change while an earlier token waits for a peer that reads slowly is followed by a token of its own."""
    process = Process(collect, Words, sync_interval=1)
    pipe = await process.mount()
    pipe.readable = False
    pipe.message("a")
    await asyncio.sleep(1.5)  # the token of a is on its way, and stays there
    pipe.message("b")
    await asyncio.sleep(1.5)
    pipe.readable = True
    await pipe.until(lambda: pipe.frames("token") and words(pipe.frames("token")[-1]["token"]) == ["a", "b"])


@in_virtual_time
async def test_a_token_whose_sending_was_cancelled_is_sent_again() -> None:
    """A handler's own time-out around `receive` may cut off the sending of a token; the next commit makes up for it."""

    async def handler(view: View[Words]) -> None:
        first = await view.receive()
        view.state.words.append(str(first.data))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await view.receive()
        pipe.readable = True
        await view.receive()

    pipe = await Process(handler, Words).mount()
    pipe.readable = False
    pipe.message("a")
    await pipe.until(lambda: pipe.frames("token"))
    assert words(pipe.frames("token")[-1]["token"]) == ["a"]


@in_virtual_time
async def test_no_message_after_the_end() -> None:
    """A connection that ends while the handler commits gives it no further message, though one waits."""
    seen: list[str | bytes] = []

    async def handler(view: View[Words]) -> None:
        async for message in view:
            seen.append(message.data)
            view.state.words.append(str(message.data))

    pipe = await Process(handler, Words, sync_interval=0).mount()
    pipe.readable = False
    pipe.message("a")
    pipe.message("b")
    await settle()
    pipe.raw("no frame")
    await settle()
    pipe.readable = True
    await pipe.ended()
    assert seen == ["a"]


@in_virtual_time
async def test_no_change_no_token() -> None:
    """A commit with the same state and no message since the last token brings none."""

    async def handler(view: View[Words]) -> None:
        for _ in range(3):
            await view.commit()
        await view.send("hello")
        await view.receive()

    process = Process(handler, Words)
    pipe = await process.mount()
    await pipe.until(lambda: pipe.got)
    await settle()
    assert pipe.frames("token") == []


@in_virtual_time
async def test_a_token_is_renewed_at_half_its_age() -> None:
    """Where nothing changes the client's token is renewed all the same, each time half its age has passed."""
    process = Process(nothing, Words, token_max_age=100, silence_timeout=None, latency=0)
    pipe = await process.mount()
    loop = asyncio.get_running_loop()
    times = []
    for count in (1, 2, 3):
        await pipe.until(lambda count=count: len(pipe.frames("token")) == count)  # type: ignore[misc]
        times.append(loop.time())
    assert times == pytest.approx([50, 100, 150])
    pipe.disconnect()
    await pipe.ended()


@in_virtual_time
async def test_a_pushing_handler_commits_by_sending() -> None:
    """A handler that never receives has its state in a token after every send."""

    async def handler(view: View[dict[str, int]]) -> None:
        for count in range(3):
            view.state["count"] = count
            await view.send(str(count))
        await view.receive()

    process = Process(handler, dict[str, int])
    pipe = await process.mount()
    await pipe.until(lambda: len(pipe.frames("token")) == 3)
    assert [unseal(frame["token"])[1:] for frame in pipe.frames("token")] == [
        (0, {"count": n}) for n in range(3)
    ]


# The hand-over.


@in_virtual_time
async def test_the_handed_back_view() -> None:
    """At the hand-over code after the loop does not run, `finally` does, the task group unwinds, the outcome is synced."""
    did: list[str] = []

    async def tick() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            did.append("the pusher unwinds")

    async def handler(view: View[Words]) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(tick())
            try:
                await collect(view)
                did.append("after the loop")
            finally:
                did.append("finally")

    process = Process(handler, Words, sync_interval=60)
    pipe = await process.mount()
    pipe.message("a")
    drain = process.drain()
    final = await pipe.answer_drain(sent=1)
    await drain
    assert unseal(final["token"])[1:] == (1, {"words": ["a"]})
    assert did == ["finally", "the pusher unwinds"]
    assert process.ends == ["cancelled"]
    assert pipe.close_code == 1012
    assert process.outcomes == {"synced": 1}


@pytest.mark.parametrize("what", ["receive", "send", "commit", "keep", "restore", "clear"])
@in_virtual_time
async def test_after_the_final_token_nothing_counts(what: str) -> None:
    """Once the final token is sent, whatever the handler asks for waits until it is cancelled, and nothing is sent."""
    go_on = asyncio.Event()

    async def handler(view: View[dict[str, int]]) -> None:
        await go_on.wait()
        view.state["late"] = 1
        match what:
            case "receive":
                await view.receive()
            case "send":
                await view.send("late")
            case "commit":
                await view.commit()
            case "keep":
                await view.keep("late", 1, max_age=10)
            case "restore":
                await view.restore("late")
            case "clear":
                await view.clear_form("late")

    process = Process(handler, dict[str, int])
    pipe = await process.mount()
    drain = process.drain()
    await pipe.until(lambda: pipe.frames("drain"))
    pipe.say("flushed", sent=0)
    await pipe.until(lambda: pipe.final)
    sent = len(pipe.sent)
    go_on.set()
    await settle()
    assert len(pipe.sent) == sent
    assert process.ends == []
    pipe.say("synced", received=0)
    await pipe.closed()
    await drain
    assert process.ends == ["cancelled"]
    assert process.outcomes == {"synced": 1}


@in_virtual_time
async def test_returning_while_draining_is_finished() -> None:
    """A handler that returns while a drain runs has finished: the client forgets the view."""

    async def handler(view: View[Words]) -> None:
        await view.receive()

    process = Process(handler, Words)
    pipe = await process.mount()
    drain = process.drain()
    await pipe.until(lambda: pipe.frames("drain"))
    pipe.message("a")
    assert await pipe.closed() == 1000
    await drain
    assert pipe.frames("finished") == [{"type": "finished", "received": 1}]
    assert process.outcomes == {"finished": 1}
    assert process.ends == ["returned"]


@in_virtual_time
async def test_a_message_that_arrives_in_the_drain_is_worked_off() -> None:
    """Messages on the wire before `flushed` are handled, and the final token covers them."""
    process = Process(collect, Words)
    pipe = await process.mount()
    drain = process.drain()
    await pipe.until(lambda: pipe.frames("drain"))
    pipe.message("a")
    pipe.message("b")
    final = await pipe.answer_drain(sent=2)
    await drain
    assert unseal(final["token"])[1:] == (2, {"words": ["a", "b"]})


@in_virtual_time
async def test_a_pushing_handler_is_handed_back_inside_send() -> None:
    """A handler that only pushes does not hold up the drain, and is cancelled inside `send`."""

    async def handler(view: View[dict[str, int]]) -> None:
        count = 0
        while True:
            count = view.state["count"] = count + 1
            await view.send(str(count))
            await asyncio.sleep(0.1)

    process = Process(handler, dict[str, int])
    pipe = await process.mount(sent=2)
    pipe.message("never asked for")
    pipe.message("nor this")
    await pipe.until(lambda: len(pipe.got) == 3)
    drain = process.drain()
    final = await pipe.answer_drain(sent=2)
    await drain
    _, received, state = unseal(final["token"])
    assert received == 0
    assert str(state["count"]) == pipe.got[-1]
    assert process.ends == ["cancelled"]


@in_virtual_time
async def test_a_drain_that_meets_a_mount() -> None:
    """A drain between `mount` and its answer closes with 1012, and the handler never begins."""
    began: list[str] = []

    async def handler(view: View[Words]) -> None:
        began.append(view.id)

    process = Process(handler, Words)
    pipe = process.open()
    await settle()
    (session,) = process.sessions
    await session.feed('{"type":"mount","sent":0}')
    assert session.machine.state is State.DECIDING
    await session.drain("d", 1, 1)
    assert await pipe.closed() == 1012
    assert began == []
    assert process.ends == ["cancelled"]
    assert len(session._timers) == 0
    assert process.notes == []


@in_virtual_time
async def test_a_connection_that_is_lost_while_mounting() -> None:
    """A `mount` with the disconnect right behind it leaves no timer and no handler."""
    process = Process(nothing, Words)
    pipe = process.open()
    await settle()
    pipe.say("mount", sent=0)
    pipe.disconnect()
    await pipe.ended()
    assert process.ends == ["cancelled"]
    assert len(process.sessions[0]._timers) == 0


@in_virtual_time
async def test_pushing_without_an_end_lets_itself_be_cancelled() -> None:
    """A handler that pushes without ever waiting does not hold the loop when the connection is over."""

    async def handler(view: View[None]) -> None:
        await view.close(1008, "no more")
        for _ in range(1000):
            await view.send("late")

    process = Process(handler, latency=0)
    pipe = await process.mount()
    assert await pipe.closed() == 1008
    assert process.ends == ["cancelled"]
    assert pipe.got == []


@in_virtual_time
async def test_cleaning_up_may_send() -> None:
    """A `finally` that sends after the hand-over comes to its end, and what it sends goes nowhere."""
    did: list[str] = []

    async def handler(view: View[Words]) -> None:
        try:
            await collect(view)
        finally:
            await view.send("goodbye")
            await view.commit()
            did.append("cleaned up")

    process = Process(handler, Words)
    pipe = await process.mount()
    drain = process.drain()
    await pipe.answer_drain(sent=0)
    await drain
    assert did == ["cleaned up"]
    assert pipe.got == []


@pytest.mark.parametrize("what", ["keep", "restore", "forget"])
@in_virtual_time
async def test_cleaning_up_may_ask_the_browser(what: str) -> None:
    """A `finally` that asks a browser which is gone is cancelled there once more, and does not wait for ever."""

    async def handler(view: View[Words]) -> None:
        try:
            await collect(view)
        finally:
            match what:
                case "keep":
                    await view.keep("key", 1, max_age=10)
                case "restore":
                    await view.restore("key")
                case "forget":
                    await view.forget("key")

    process = Process(handler, Words)
    pipe = await process.mount()
    pipe.disconnect()
    await pipe.ended()
    assert process.ends == ["cancelled"]
    assert pipe.frames(what) == []


@in_virtual_time
async def test_two_receivers_are_refused() -> None:
    """Two tasks that receive from one view at the same time are our user's mistake, and the second one is told."""

    async def handler(view: View[None]) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(view.receive())
            group.create_task(view.receive())

    process = Process(handler)
    pipe = await process.mount()
    assert await pipe.closed() == 1011
    (error,) = process.errors
    assert isinstance(error, ExceptionGroup)
    assert "two tasks" in str(error.exceptions[0])


@in_virtual_time
async def test_two_receivers_are_refused_also_while_a_token_is_sent() -> None:
    """The second receiver is also told while the first one still sends its token."""

    async def handler(view: View[Words]) -> None:
        message = await view.receive()
        view.state.words.append(str(message.data))
        pipe.readable = False
        first = asyncio.create_task(view.receive())
        await settle()
        with pytest.raises(RuntimeError, match="two tasks"):
            await view.receive()
        pipe.readable = True
        view.state.words.append(str((await first).data))
        await view.receive()

    process = Process(handler, Words)
    pipe = await process.mount()
    for data in "abc":
        pipe.message(data)
    await pipe.until(lambda: pipe.frames("token") and pipe.frames("token")[-1]["received"] == 2)
    assert words(pipe.frames("token")[-1]["token"]) == ["a", "b"]


@in_virtual_time
async def test_a_receive_with_a_time_out_loses_nothing() -> None:
    """A handler that polls with a time-out of its own gets every message once."""

    async def handler(view: View[Words]) -> None:
        while True:
            try:
                async with asyncio.timeout(1):
                    message = await view.receive()
            except TimeoutError:
                continue
            view.state.words.append(str(message.data))

    process = Process(handler, Words)
    pipe = await process.mount()
    for data in "abc":
        await asyncio.sleep(2)
        pipe.message(data)
    await asyncio.sleep(1)
    for data in "def":
        await asyncio.sleep(1)  # exactly when the time-out fires
        pipe.message(data)
    drain = process.drain()
    final = await pipe.answer_drain(sent=6)
    await drain
    assert words(final["token"]) == list("abcdef")


def test_views_of_a_state_type_may_replace_the_state() -> None:
    """Assigning `view.state` is as good as changing it."""

    async def handler(view: View[dict[str, int]]) -> None:
        await view.receive()
        view.state = {"new": 1}
        await view.receive()

    @in_virtual_time
    async def play() -> None:
        pipe = await Process(handler, StateType(dict[str, int])).mount()
        pipe.message("a")
        await pipe.until(lambda: pipe.frames("token"))
        assert unseal(pipe.frames("token")[0]["token"])[1:] == (1, {"new": 1})

    play()


@in_virtual_time
async def test_a_void_right_behind_a_message() -> None:
    """A `void` that is read together with the message before it takes nothing away: both are counted, one is handled."""
    process = Process(collect, Words)
    pipe = await process.mount()
    await settle()
    pipe.message("a")
    pipe.say("void", number=2)
    pipe.message("c")
    await pipe.until(lambda: pipe.frames("token") and pipe.frames("token")[-1]["received"] == 3)
    assert words(pipe.frames("token")[-1]["token"]) == ["a", "c"]


@in_virtual_time
async def test_a_handler_that_is_cancelled_by_somebody_else() -> None:
    """A cancellation that is not ours (of a task that the handler awaits) closes with 1011, and its message is replayed."""

    async def handler(view: View[Words]) -> None:
        async for message in view:
            view.state.words.append(str(message.data))
            task = asyncio.create_task(asyncio.sleep(10))
            task.cancel()
            await task

    process = Process(handler, Words)
    pipe = await process.mount()
    pipe.message("a")
    assert await pipe.closed() == 1011
    assert process.ends == ["cancelled"]
    assert pipe.frames("failed") == pipe.frames("token") == []


@in_virtual_time
async def test_a_mount_that_fails_on_a_connection_that_is_over() -> None:
    """An error while a view is made, on a connection that has ended meanwhile, stays that error."""
    left = [1]

    @dataclass
    class Broken:
        number: int = field(default_factory=left.pop)

    process = Process(nothing, Broken)
    pipe = process.open()
    await settle()
    (session,) = process.sessions
    await session.feed('{"type":"mount","sent":0}')
    await session.drain("d", 1, 1)
    assert await pipe.closed() == 1012
    assert [type(error) for error in process.errors] == [ConfigurationError]
