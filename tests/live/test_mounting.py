"""A session's mounts, limits, back-pressure and secrets."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import pytest

from quart_stash import ClientSettable, StashError
from quart_stash.core.state import StateType
from quart_stash.core.tokens import Sealer
from quart_stash.view import Message, View

from .pipe import EPOCH, OTHER_SECRET, SECRET, Pipe, Process, in_virtual_time, settle, unseal
from .test_handover import nothing, now


@dataclass
class Count:
    count: int = 0
    open: Annotated[bool, ClientSettable] = False


async def add(view: View[Count]) -> None:
    """Count messages."""
    async for _ in view:
        view.state.count += 1


async def token_of(count: int, **process: Any) -> str:
    """Return the token of a view that has counted so many messages."""
    pipe = await Process(add, Count, **process).mount()
    for _ in range(count):
        pipe.message("x")
    await pipe.until(
        lambda: count == 0 or (pipe.frames("token") and pipe.frames("token")[-1]["received"] == count)
    )
    token = pipe.frames("token")[-1]["token"] if count else pipe.frames("mounted")[0]["token"]
    pipe.disconnect()
    await pipe.ended()
    return str(token)


# Mounting.


@in_virtual_time
async def test_a_fresh_mount_brings_the_first_token() -> None:
    """The answer to a fresh mount holds a token of the fresh state, with the view's id, and the limits."""
    seen: list[View[Count]] = []

    async def handler(view: View[Count]) -> None:
        seen.append(view)
        await view.receive()

    process = Process(
        handler, Count, build="b7", max_message_size=2000, max_mount_size=3000, max_state_size=500
    )
    pipe = await process.mount(
        params={"open": True, "count": 7, "other": "x"},
        forms={"f": [["a", "1"], ["a", "2"]]},
        empty={"f": ["b"], "g": ["c"]},
    )
    (mounted,) = pipe.frames()
    token = mounted.pop("token")
    assert mounted == {
        "type": "mounted",
        "status": "fresh",
        "received": 0,
        "build": "b7",
        "limits": {"message": 2000, "mount": 3000},
    }
    await settle()
    (view,) = seen
    assert unseal(token) == (view.id, 0, {"count": 0, "open": True})
    assert view.status == "fresh"
    assert not view.restored
    assert view.params == {"open": True, "count": 7, "other": "x"}
    assert view.forms["f"].getlist("a") == ["1", "2"]
    assert {name: form.touched for name, form in view.forms.items()} == {"f": {"a", "b"}, "g": {"c"}}
    assert process.notes == [("view_mounted", {"view": "view", "id": view.id, "status": "fresh"})]


@in_virtual_time
async def test_a_restored_mount() -> None:
    """A token restores state, id and numbering; replays are marked, new messages are not, and no token comes along."""
    token = await token_of(2)
    seen: list[Message] = []

    async def handler(view: View[Count]) -> None:
        assert view.restored
        assert view.state.count == 2
        async for message in view:
            seen.append(message)

    process = Process(handler, Count)
    pipe = await process.mount(token=token, sent=4)
    assert pipe.frames("mounted")[0]["status"] == "restored"
    assert pipe.frames("mounted")[0]["received"] == 2
    assert "token" not in pipe.frames("mounted")[0]
    for data in "abc":
        pipe.message(data)
    await pipe.until(lambda: pipe.frames("token") and pipe.frames("token")[-1]["received"] == 5)
    view_id = unseal(token)[0]
    assert [(m.data, m.number, m.replayed) for m in seen] == [("a", 3, True), ("b", 4, True), ("c", 5, False)]
    assert seen[0].key == f"{view_id}:3"
    assert process.notes[1] == ("view_restored", {"view": "view", "id": view_id, "received": 2})


@in_virtual_time
async def test_a_fork_goes_on_under_a_new_id() -> None:
    """A forked view has the token's state and number, and a new id that its token comes along with."""
    token = await token_of(2)
    pipe = await Process(add, Count).mount(token=token, sent=2, fork=True)
    mounted = pipe.frames("mounted")[0]
    assert mounted["status"] == "restored"
    view_id, received, state = unseal(mounted["token"])
    assert view_id != unseal(token)[0]
    assert (received, state) == (2, {"count": 2, "open": False})


@in_virtual_time
async def test_an_aged_token_is_renewed_at_the_mount() -> None:
    """A token past half its age is sealed anew in the answer to the mount; a younger one is not."""
    token = await token_of(1, token_max_age=100, now=lambda: EPOCH)
    young = await Process(add, Count, token_max_age=100, now=lambda: EPOCH + 49).mount(token=token, sent=1)
    assert "token" not in young.frames("mounted")[0]
    aged = await Process(add, Count, token_max_age=100, now=lambda: EPOCH + 51).mount(token=token, sent=1)
    mounted = aged.frames("mounted")[0]
    assert unseal(mounted["token"]) == unseal(token)
    assert Sealer.header(Process(add, Count).host.sealer, mounted["token"]).issued_at == EPOCH + 51


@pytest.mark.parametrize(
    ("what", "reason"),
    [("tampered", "refused"), ("truncated", "refused"), ("identity", "refused"), ("arguments", "refused"),
     ("query", "refused"), ("host", "refused"), ("old", "expired"), ("stale", "stale")],
)  # fmt: skip
@in_virtual_time
async def test_a_token_that_is_not_accepted(what: str, reason: str) -> None:
    """A token that is tampered with, bound to something else, too old or without a migration mounts fresh."""
    token = await token_of(3)
    options: dict[str, Any] = {}
    scope: dict[str, Any] = {}
    match what:
        case "tampered":
            token = token[:-4] + ("AAAA" if not token.endswith("AAAA") else "BBBB")
        case "truncated":
            token = token[:70]
        case "identity":
            options["identity"] = "somebody else"
        case "arguments":
            options["arguments"] = {"shop": 2}
        case "query":
            scope["query_string"] = b"tenant=2"
        case "host":
            scope["headers"] = [(b"host", b"other.example")]
        case "old":
            options["now"] = lambda: EPOCH + 86401 + 60
        case "stale":
            options["state"] = StateType(Count, version=2)
    process = Process(add, **{"state": Count, **options})
    pipe = process.open(**scope)
    mounted = await pipe.mount(token=token, sent=5)
    assert (mounted["status"], mounted["reason"], mounted["received"]) == ("rejected", reason, 0)
    assert unseal(mounted["token"])[0] != unseal(token)[0] if what in ("old", "stale") else mounted["token"]
    kind, data = process.notes[0]
    assert (kind, data["view"], data["reason"]) == ("token_rejected", "view", reason)
    assert data["error"].reason == reason


@pytest.mark.parametrize("what", ["key", "version"])
@in_virtual_time
async def test_a_token_that_cannot_be_judged(what: str) -> None:
    """A token of an unknown key or a newer version closes with 4409 and mounts nothing; with `anyway` it mounts fresh."""
    options: dict[str, Any] = (
        {"secret": OTHER_SECRET} if what == "key" else {"state": StateType(Count, version=2)}
    )
    source = await Process(add, **{"state": Count, **options}).mount()
    token = source.frames("mounted")[0]["token"]
    began: list[str] = []

    async def handler(view: View[Count]) -> None:
        began.append(view.status)

    process = Process(handler, Count)
    pipe = process.open()
    pipe.say("mount", sent=0, token=token)
    assert await pipe.closed() == 4409
    assert pipe.frames() == []
    assert began == []
    pipe = process.open()
    assert (await pipe.mount(token=token, anyway=True))["status"] == "rejected"
    assert await pipe.closed() == 1000
    assert began == ["rejected"]


@in_virtual_time
async def test_a_removed_key_does_not_close_what_a_fallback_opens() -> None:
    """A token of a key that has become a fallback is restored, and the next one is sealed with the newest."""
    token = await token_of(1)
    process = Process(add, Count, secret=[OTHER_SECRET, SECRET])
    pipe = await process.mount(token=token, sent=1)
    assert pipe.frames("mounted")[0]["status"] == "restored"
    pipe.message("x")
    await pipe.until(lambda: pipe.frames("token"))
    header = process.host.sealer.header(pipe.frames("token")[-1]["token"])
    assert header.key_id != process.host.sealer.header(token).key_id


@in_virtual_time
async def test_fewer_messages_than_the_token_covers() -> None:
    """A mount that claims to have sent fewer messages than its token covers breaks the protocol."""
    token = await token_of(2)
    pipe = Process(add, Count).open()
    pipe.say("mount", sent=1, token=token)
    assert await pipe.closed() == 1002


@in_virtual_time
async def test_invalid_params_are_told() -> None:
    """A client-settable param of the wrong type is refused with the reason, and the view mounts without it."""
    pipe = await Process(add, Count).mount(params={"open": "yes"})
    mounted = pipe.frames("mounted")[0]
    assert list(mounted["invalid"]) == ["open"]
    assert "yes" not in json.dumps(mounted["invalid"])
    assert unseal(mounted["token"])[2] == {"count": 0, "open": False}


@in_virtual_time
async def test_no_mount_in_time() -> None:
    """A connection that does not say `mount` is closed with 4408 when the mount time-out has passed."""
    process = Process(add, Count, mount_timeout=7, latency=0)
    pipe = process.open()
    loop = asyncio.get_running_loop()
    started = loop.time()
    assert await pipe.closed() == 4408
    assert loop.time() - started == pytest.approx(7)
    assert process.ends == ["cancelled"]


@in_virtual_time
async def test_a_mounted_view_is_not_timed_out() -> None:
    """The mount time-out ends with the mount."""
    pipe = await Process(add, Count, mount_timeout=7).mount()
    await asyncio.sleep(100)
    assert pipe.close_code is None


@in_virtual_time
async def test_drain_before_the_mount() -> None:
    """A connection that has not mounted is closed with 1012 at once when a drain begins."""
    process = Process(add, Count, latency=0)
    pipe = process.open()
    await settle()
    loop = asyncio.get_running_loop()
    started = loop.time()
    drain = process.drain()
    assert await pipe.closed() == 1012
    assert loop.time() == started
    await drain


@pytest.mark.parametrize(
    "raw",
    [
        "garbage",
        '{"type":"mount"}',
        '{"type":"nonsense"}',
        b"\x00",
        "=a",
        '{"type":"flushed","sent":0}',
        "[]",
        "",
    ],
)
@in_virtual_time
async def test_illegal_first_frames(raw: str | bytes) -> None:
    """Whatever else than a `mount` comes first closes with 1002, and nothing is mounted."""
    process = Process(add, Count)
    pipe = process.open()
    pipe.raw(raw)
    assert await pipe.closed() == 1002
    assert pipe.frames() == []
    assert process.errors == []


@pytest.mark.parametrize(
    "raw", ["garbage", b"\x00", '{"type":"mount","sent":0}', '{"type":"flushed","sent":9}']
)
@in_virtual_time
async def test_illegal_later_frames(raw: str | bytes) -> None:
    """An illegal or untimely frame in a mounted view closes with 1002; the handler is cancelled and no error of ours."""
    process = Process(add, Count)
    pipe = await process.mount()
    pipe.raw(raw)
    assert await pipe.closed() == 1002
    assert process.ends == ["cancelled"]
    assert process.errors == []


@in_virtual_time
async def test_ping() -> None:
    """A ping is answered, also before the mount."""
    pipe = Process(add, Count).open()
    pipe.say("ping")
    await pipe.until(lambda: pipe.frames("pong"))
    await pipe.mount()
    pipe.say("ping")
    await pipe.until(lambda: len(pipe.frames("pong")) == 2)


# Limits.


@pytest.mark.parametrize(("letter", "size"), [("x", 1), ("ü", 2), ("✓", 3), ("𝕏", 4)])
@in_virtual_time
async def test_the_message_limit_is_in_bytes(letter: str, size: int) -> None:
    """A message of exactly STASH_MAX_MESSAGE_SIZE bytes of UTF-8 is taken, one byte more closes with 1009."""
    pipe = await Process(add, Count, max_message_size=1024).mount()
    pipe.message(letter * (1024 // size) + "y" * (1024 % size))
    await pipe.until(lambda: pipe.frames("token"))
    pipe.message(letter * (1024 // size) + "y" * (1024 % size) + "y")
    assert await pipe.closed() == 1009


@in_virtual_time
async def test_the_message_limit_of_binary_messages() -> None:
    """Binary messages have the same limit."""
    pipe = await Process(add, Count, max_message_size=1024).mount()
    pipe.raw(b"=" + b"x" * 1024)
    await pipe.until(lambda: pipe.frames("token"))
    pipe.raw(b"=" + b"x" * 1025)
    assert await pipe.closed() == 1009


@in_virtual_time
async def test_the_mount_limit() -> None:
    """A mount frame of exactly STASH_MAX_MOUNT_SIZE bytes is taken, though it is larger than a message; one more is not."""
    frame = '{"type":"mount","sent":0,"page":"%s"}'
    head = len(frame) - 2
    process = Process(add, Count, max_mount_size=2048, max_message_size=1024, max_state_size=500)
    pipe = process.open()
    pipe.raw(frame.replace(',"page":"%s"', "").replace("}", " " * (2048 - 24) + "}")[:2047] + "}")
    await pipe.until(lambda: pipe.frames("mounted"))
    pipe = process.open()
    pipe.raw(frame % ("x" * (2049 - head)))
    assert await pipe.closed() == 1009


@in_virtual_time
async def test_the_message_limit_of_plain_clients() -> None:
    """A plain client's messages have the same limit, to the byte."""
    process = Process(add, Count, max_message_size=1024)
    pipe = await process.mount(plain=True)
    pipe.raw("x" * 1024)
    await settle()
    assert pipe.close_code is None
    pipe.raw("x" * 1025)
    assert await pipe.closed() == 1009


# Back-pressure.


@in_virtual_time
async def test_a_full_inbox_pauses_the_socket() -> None:
    """When STASH_MAX_QUEUE messages wait the socket is not read, and it is again once there is room."""
    steps = asyncio.Semaphore(0)
    seen: list[str | bytes] = []

    async def handler(view: View[None]) -> None:
        async for message in view:
            seen.append(message.data)
            await steps.acquire()

    process = Process(handler, max_queue=3)
    pipe = await process.mount()
    for number in range(10):
        pipe.message(str(number))
    await settle()
    assert (len(seen), pipe.unread) == (1, 6)  # one in hand, three in the inbox
    steps.release()
    await settle()
    assert (len(seen), pipe.unread) == (2, 5)
    for _ in range(10):
        steps.release()
    await settle()
    assert seen == [str(number) for number in range(10)]
    assert pipe.unread == 0


def covered(pipe: Pipe) -> int:
    """Return how many messages the newest token covers."""
    return int(pipe.frames("token")[-1]["received"]) if pipe.frames("token") else 0


def handed_over_or_covered(pipe: Pipe, count: int) -> bool:
    """Whether the view is being handed over, or a token covers so many messages."""
    return bool(pipe.frames("drain")) or covered(pipe) == count


@pytest.mark.parametrize("each", [1, 2, 60], ids=lambda each: f"{each} s for each message")
@in_virtual_time
async def test_a_slow_handler_leaves_to_the_client_what_finds_no_room(each: int) -> None:
    """The socket is read on, so that pings are seen. When the inbox is worked off the client sends the rest anew."""
    seen: list[str | bytes] = []

    async def handler(view: View[Count]) -> None:
        async for message in view:
            await asyncio.sleep(each)
            seen.append(message.data)
            view.state.count += 1

    process = Process(handler, Count, max_queue=4, silence_timeout=None)
    token, received, mounts = None, 0, 0
    while received < 100:
        pipe = await process.mount(sent=100, token=token)
        mounts += 1
        for number in range(received, 100):
            pipe.message(str(number))
        pipe.say("ping")
        start = now()
        await pipe.until(partial(pipe.frames, "pong"))
        assert now() - start < 5  # so long a client waits for the answer to a ping
        await pipe.until(partial(handed_over_or_covered, pipe, 100))
        if pipe.frames("drain"):
            await pipe.answer_drain(100)
            assert pipe.close_code == 1012
        last = pipe.frames("token")[-1]
        token, received = last["token"], last["received"]
    assert seen == [str(number) for number in range(100)]
    assert mounts > 10
    assert process.host.gateway.registry.outcomes == {"synced": mounts - 1}


@in_virtual_time
async def test_a_fast_handler_leaves_nothing_to_the_client() -> None:
    """A handler that takes an inbox in the time of a pause lets its client wait, however much it is behind."""

    async def handler(view: View[Count]) -> None:
        async for _ in view:
            await asyncio.sleep(0.5)
            view.state.count += 1

    pipe = await Process(handler, Count, max_queue=4).mount(sent=100)
    for number in range(100):
        pipe.message(str(number))
    await pipe.until(lambda: covered(pipe) == 100)
    assert not pipe.frames("drain")


@in_virtual_time
async def test_a_drain_while_messages_are_left_to_the_client() -> None:
    """The final token covers what the handler has taken; those that were left come again, voids too."""
    go_on = asyncio.Event()

    async def handler(view: View[Count]) -> None:
        async for _ in view:
            await go_on.wait()
            view.state.count += 1

    process = Process(handler, Count, max_queue=2)
    pipe = await process.mount(sent=6)
    for number in range(5):
        pipe.message(str(number))
    pipe.say("void", number=6)
    pipe.say("ping")
    await pipe.until(lambda: pipe.frames("pong"))
    leaving = process.drain()
    await pipe.until(lambda: pipe.frames("drain"))
    pipe.say("flushed", sent=6)
    go_on.set()
    await pipe.until(lambda: pipe.final)
    received = pipe.frames("token")[-1]["received"]
    assert 0 < received < 5
    pipe.say("synced", received=received)
    assert await pipe.closed() == 1012
    await leaving


@in_virtual_time
async def test_room_again_before_more_comes() -> None:
    """Where nothing was left to the client since the pause was given up, it goes on as before."""
    go_on = asyncio.Event()

    async def handler(view: View[Count]) -> None:
        async for _ in view:
            await go_on.wait()
            view.state.count += 1

    pipe = await Process(handler, Count, max_queue=2).mount(sent=4)
    for number in range(3):
        pipe.message(str(number))
    await asyncio.sleep(10)
    go_on.set()
    await pipe.until(lambda: covered(pipe) == 3)
    pipe.message("3")
    await pipe.until(lambda: covered(pipe) == 4)
    assert not pipe.frames("drain")


@in_virtual_time
async def test_a_plain_client_waits_for_a_slow_handler() -> None:
    """It would lose what finds no room, so its socket stays paused, and is told nothing."""
    seen: list[str | bytes] = []

    async def handler(view: View[None]) -> None:
        async for message in view:
            await asyncio.sleep(60)
            seen.append(message.data)

    pipe = await Process(handler, max_queue=2).mount(plain=True)
    for number in range(20):
        pipe.raw(str(number))
    await asyncio.sleep(59)
    assert pipe.unread == 17
    while len(seen) < 20:
        await asyncio.sleep(60)
    assert seen == [str(number) for number in range(20)]
    assert pipe.frames() == []


@in_virtual_time
async def test_a_restore_with_a_paused_socket() -> None:
    """A handler that awaits the browser while the socket is paused already lets it be read again."""
    seen: list[str | bytes] = []
    full = asyncio.Event()

    async def handler(view: View[None]) -> None:
        await full.wait()
        await view.restore("secret")
        async for message in view:
            seen.append(message.data)

    pipe = await Process(handler, max_queue=10).mount(sent=50)
    for number in range(50):
        pipe.message(str(number))
    await settle()
    assert pipe.unread == 40
    pipe.say("kept", key="secret")
    full.set()
    await pipe.until(lambda: pipe.frames("token") and pipe.frames("token")[-1]["received"] == 50)


@pytest.mark.parametrize("flood", ["large", "empty", "void"])
@in_virtual_time
async def test_trace_18_too_much_behind_a_restore(flood: str) -> None:
    """While the handler awaits the browser the inbox is bounded, in bytes and in messages: the client keeps the rest."""

    async def handler(view: View[None]) -> None:
        await view.receive()
        await view.restore("secret")
        await nothing(view)

    process = Process(handler, max_queue=2, max_message_size=1024)
    pipe = await process.mount(sent=300)
    pipe.message("first")
    await pipe.until(lambda: pipe.frames("restore"))
    for number in range(2, 301):
        if flood == "void":
            pipe.say("void", number=number)
        else:
            pipe.message("x" * 1024 if flood == "large" else "")
    await settle()
    assert pipe.unread == 0
    assert len(process.sessions[0].machine.inbox) == (5 if flood == "large" else 128)
    pipe.say("kept", key="secret")
    await pipe.until(lambda: pipe.frames("drain"))


@in_virtual_time
async def test_an_inbox_full_of_bytes_pauses_the_socket() -> None:
    """A few large messages pause the socket as many small ones do, and it is read again once there is room."""
    go_on = asyncio.Event()
    seen: list[int] = []

    async def handler(view: View[None]) -> None:
        await go_on.wait()
        async for message in view:
            seen.append(len(message.data))

    pipe = await Process(handler, max_message_size=1024).mount()
    for _ in range(20):
        pipe.message("x" * 1024)
    await settle()
    assert pipe.unread == 15  # the fifth is more than four of the largest
    go_on.set()
    await settle()
    assert seen == [1024] * 20
    assert pipe.unread == 0


@in_virtual_time
async def test_the_end_of_a_paused_connection() -> None:
    """A view that ends while its socket is paused frees the socket."""

    async def handler(view: View[None]) -> None:
        await asyncio.sleep(5)
        raise ValueError("enough")

    pipe = await Process(handler, max_queue=2).mount()
    for _ in range(5):
        pipe.message("x")
    assert await pipe.closed() == 1011


# Plain clients.


@in_virtual_time
async def test_a_plain_client() -> None:
    """A client that does not offer the subprotocol gets and sends raw messages, and nothing is kept for it."""

    async def handler(view: View[Count]) -> None:
        assert view.status == "plain"
        await view.keep("key", 1, max_age=10)
        assert await view.restore("key") is None
        await view.forget("key")
        await view.clear_form("form")
        await view.reflect(page=2)
        async for message in view:
            view.state.count += 1
            await view.send(f"{message.number} {message.data!s} {message.replayed}")
            await view.commit()

    process = Process(handler, Count)
    pipe = await process.mount(plain=True)
    pipe.raw("hello")
    pipe.raw('{"type":"mount","sent":0}')
    await pipe.until(lambda: len(pipe.sent) == 3)
    assert [event.get("text") for event in pipe.sent[1:]] == [
        "1 hello False",
        '2 {"type":"mount","sent":0} False',
    ]
    assert pipe.sent[0]["subprotocol"] is None
    assert process.host.gateway.registry.counts == {"plain": 1}
    drain = process.drain()
    assert await pipe.closed() == 1012
    await drain
    assert process.ends == ["cancelled"]
    assert process.outcomes == {}


@in_virtual_time
async def test_a_plain_client_of_a_failing_handler() -> None:
    """A plain client of a handler that raises is closed with 1011 and told nothing else; of one that returns, with 1000."""

    async def handler(view: View[None]) -> None:
        if (await view.receive()).data == "raise":
            raise ValueError("as asked")

    process = Process(handler)
    pipe = await process.mount(plain=True)
    pipe.raw("raise")
    assert await pipe.closed() == 1011
    assert pipe.kinds == ["websocket.accept", "websocket.close"]
    pipe = await process.mount(plain=True)
    pipe.raw("return")
    assert await pipe.closed() == 1000
    assert pipe.kinds == ["websocket.accept", "websocket.close"]


@in_virtual_time
async def test_a_plain_client_has_no_limit_of_state() -> None:
    """The state of a plain client's view is sealed into no token, so its size does not matter."""

    async def handler(view: View[dict[str, str]]) -> None:
        view.state["x"] = "x" * 1000
        await view.receive()

    process = Process(handler, dict[str, str], max_state_size=100)
    pipe = await process.mount(plain=True)
    pipe.raw("a")
    assert await pipe.closed() == 1000


# Secrets.


class Browser:
    """Answers keep, restore and forget for one pipe, as the page's script does."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def answer(self, pipe: Pipe, frame: dict[str, Any]) -> None:
        where = (frame["key"], frame["area"])
        match frame["type"]:
            case "keep":
                self.kept[where] = frame["token"]
                pipe.say("stored", key=frame["key"])
            case "forget":
                self.kept.pop(where, None)
                pipe.say("stored", key=frame["key"])
            case "restore":
                token = {"token": self.kept[where]} if where in self.kept else {}
                pipe.say("kept", key=frame["key"], **token)

    async def play(self, pipe: Pipe) -> None:
        """Answer until the connection is closed."""
        done = 0
        while pipe.close_code is None:
            frames = pipe.frames()
            for frame in frames[done:]:
                if frame["type"] in ("keep", "restore", "forget"):
                    self.answer(pipe, frame)
            done = len(frames)
            await pipe.until(lambda done=done: len(pipe.frames()) > done or pipe.close_code)  # type: ignore[misc]
        assert await pipe.closed() == 1000


@in_virtual_time
async def test_keep_restore_forget() -> None:
    """What `keep` sealed comes back from `restore`, in another process too, until `forget`; and the browser can't read it."""
    seen: list[Any] = []

    async def keeping(view: View[None]) -> None:
        seen.append(await view.restore("launcher"))
        await view.keep("launcher", {"password": "hunter2", "n": [1, 2]}, max_age=60)
        seen.append(await view.restore("launcher"))

    async def forgetting(view: View[None]) -> None:
        seen.append(await view.restore("launcher"))
        await view.forget("launcher")
        seen.append(await view.restore("launcher"))

    browser = Browser()
    await browser.play(await Process(keeping).mount())
    assert "hunter2" not in json.dumps(list(browser.kept.values()))
    await browser.play(await Process(forgetting).mount())
    secret = {"password": "hunter2", "n": [1, 2]}
    assert seen == [None, secret, secret, None]
    assert browser.kept == {}


@pytest.mark.parametrize("what", ["expired", "name", "area", "garbage", "identity", "key"])
@in_virtual_time
async def test_a_secret_that_is_not_acceptable(what: str) -> None:
    """What is too old, of another name, area, identity or secret key, or forged, is not there: `restore` returns None."""
    seen: list[Any] = []

    async def keeping(view: View[None]) -> None:
        await view.keep("a", "secret", max_age=60)

    browser = Browser()
    await browser.play(await Process(keeping, now=lambda: EPOCH).mount())
    (token,) = browser.kept.values()
    browser.kept = dict.fromkeys([("a", "tab"), ("b", "tab"), ("a", "browser")], token)
    if what == "garbage":
        browser.kept["a", "tab"] = "nonsense"

    async def restoring(view: View[None]) -> None:
        key = "b" if what == "name" else "a"
        seen.append(await view.restore(key, area="browser" if what == "area" else "tab"))

    process = Process(
        restoring,
        now=lambda: EPOCH + (61 if what == "expired" else 59),
        identity="other" if what == "identity" else None,
        secret=OTHER_SECRET if what == "key" else SECRET,
    )
    await browser.play(await process.mount())
    assert process.errors == []
    assert seen == [None]


@in_virtual_time
async def test_answers_that_nobody_asked_for() -> None:
    """A `stored` or `kept` that answers nothing does nothing."""
    pipe = await Process(add, Count).mount()
    pipe.say("stored", key="x")
    pipe.say("kept", key="x", token="forged")
    pipe.message("x")
    await pipe.until(lambda: pipe.frames("token"))
    assert pipe.close_code is None


@in_virtual_time
async def test_an_answer_after_the_handler_gave_up() -> None:
    """The late answer to a request that the handler gave up is not taken for the answer to its next one."""
    seen: list[Any] = []

    async def handler(view: View[None]) -> None:
        await view.keep("a", "one", max_age=60)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await view.restore("a")
        seen.append(await view.restore("a"))

    pipe = await Process(handler).mount()
    await pipe.until(lambda: pipe.frames("keep"))
    token = pipe.frames("keep")[0]["token"]
    pipe.say("stored", key="a")
    await pipe.until(lambda: len(pipe.frames("restore")) == 2)
    pipe.say("kept", key="a")  # to the first one
    await settle()
    assert seen == []
    pipe.say("kept", key="a", token=token)
    assert await pipe.closed() == 1000
    assert seen == ["one"]


@in_virtual_time
async def test_a_question_that_the_handler_gave_up_before_it_was_sent() -> None:
    """It is sent all the same, so that its answer is not missing where the next question is answered."""
    found: list[Any] = []

    async def handler(view: View[None]) -> None:
        async for _ in view:
            try:
                async with asyncio.timeout(1):
                    found.append(await view.restore("key"))
            except TimeoutError:
                found.append("gave up")

    pipe = await Process(handler).mount()
    await settle()
    pipe.readable = False
    pipe.message("first")
    await asyncio.sleep(5)
    pipe.readable = True
    pipe.message("second")
    await settle()
    for _ in pipe.frames("restore"):
        pipe.say("kept", key="key")
    await settle()
    assert found == ["gave up", None]


@in_virtual_time
async def test_a_secret_that_the_browser_could_not_send_back() -> None:
    """A secret whose answer would be over the message limit is refused when it is to be kept, not when it is needed."""

    async def handler(view: View[None]) -> None:
        with pytest.raises(StashError, match="STASH_MAX_MESSAGE_SIZE") as caught:
            await view.keep("a", "s3cret" * 1000, max_age=60)
        assert "s3cret" not in str(caught.value)

    process = Process(handler, max_message_size=4096)
    pipe = await process.mount()
    assert await pipe.closed() == 1000
    assert process.errors == []


@in_virtual_time
async def test_the_views_token_goes_before_a_secret() -> None:
    """A view's token is sealed anew before a secret is: a process that lacks the secret's key can't judge the view either."""

    async def handler(view: View[None]) -> None:
        await view.keep("a", "one", max_age=60)

    old = await Process(handler).mount()
    token = old.frames("mounted")[0]["token"]
    pipe = await Process(handler).mount(token=token)
    await pipe.until(lambda: pipe.frames("keep"))
    assert [frame["type"] for frame in pipe.frames()] == ["mounted", "token", "keep"]


# Numbering.


@in_virtual_time
async def test_voids_take_numbers() -> None:
    """A void message is counted and not handled; the next message has the number after it."""
    seen: list[tuple[Any, int]] = []

    async def handler(view: View[None]) -> None:
        async for message in view:
            seen.append((message.data, message.number))

    pipe = await Process(handler).mount(sent=4)
    pipe.say("void", number=1)
    pipe.message("b")
    pipe.say("void", number=3)
    pipe.say("void", number=4)
    pipe.message("e")
    await pipe.until(lambda: pipe.frames("token") and pipe.frames("token")[-1]["received"] == 5)
    assert seen == [("b", 2), ("e", 5)]


@in_virtual_time
async def test_an_inbox_full_of_voids() -> None:
    """A socket that is paused because of voids, which no handler takes, is read at once when it asks."""
    go_on = asyncio.Event()

    async def handler(view: View[Count]) -> None:
        async for _ in view:
            await go_on.wait()

    pipe = await Process(handler, Count, max_queue=4).mount(sent=10)
    pipe.message("a")
    for number in range(2, 10):
        pipe.say("void", number=number)
    pipe.message("z")
    await settle()
    assert pipe.unread > 0
    go_on.set()
    await settle()
    assert pipe.frames("token")[-1]["received"] == 10


@in_virtual_time
async def test_a_void_for_another_number() -> None:
    """A void that is not for the next number breaks the protocol."""
    pipe = await Process(add, Count).mount()
    pipe.say("void", number=2)
    assert await pipe.closed() == 1002


@in_virtual_time
async def test_the_handler_says() -> None:
    """`clear_form` and `reflect` send their frames; `close` ends with its code, and 1000 finishes the view."""

    async def handler(view: View[None]) -> None:
        await view.clear_form("profile")
        await view.reflect(page=2, q="ü", gone=None)
        await view.send_json({"a": 1})
        await view.close()

    pipe = await Process(handler).mount()
    assert await pipe.closed() == 1000
    assert pipe.frames()[1:] == [
        {"type": "clear", "form": "profile", "number": 0},
        {"type": "url", "params": {"page": "2", "q": "ü", "gone": None}},
        {"type": "finished", "received": 0},
    ]
    assert pipe.got == ['{"a":1}']


@in_virtual_time
async def test_up_to_which_message_a_form_is_dealt_with() -> None:
    """A clear counts up to the message in hand, or the last one: also from elsewhere, behind voids, and in the next process."""

    async def handler(view: View[Count]) -> None:
        await view.clear_form("before")
        async for message in view:
            await view.clear_form(str(message.data))
            await asyncio.create_task(view.clear_form("beside"))

    process = Process(handler, Count)
    pipe = await process.mount()
    pipe.raw("=first")
    pipe.say("void", number=2)
    pipe.raw("=third")

    def clears(pipe: Pipe) -> list[tuple[str, int]]:
        return [(frame["form"], frame["number"]) for frame in pipe.frames() if frame["type"] == "clear"]

    await pipe.until(lambda: covered(pipe) == 3)
    expected = [("before", 0), ("first", 1), ("beside", 1), ("third", 3), ("beside", 3)]
    assert clears(pipe) == expected
    token = pipe.frames()[-1]["token"]
    later = await Process(handler, Count).mount(sent=4, token=token)
    later.raw("=fourth")
    await later.until(lambda: covered(later) == 4)
    assert clears(later) == [("before", 3), ("fourth", 4), ("beside", 4)]


@in_virtual_time
async def test_binary_messages() -> None:
    """Binary messages go both ways."""

    async def handler(view: View[None]) -> None:
        message = await view.receive()
        assert isinstance(message.data, bytes)
        await view.send(message.data[::-1])

    pipe = await Process(handler).mount()
    pipe.raw(b"=abc")
    assert await pipe.closed() == 1000
    assert [event["bytes"] for event in pipe.sent if event.get("bytes")] == [b"=cba"]


@in_virtual_time
async def test_a_broken_connection_raises_nothing_in_the_handler() -> None:
    """A server that raises in `send`, since the client is gone, cancels the handler and is no error of its."""

    async def handler(view: View[None]) -> None:
        while True:
            await view.send("tick")
            await asyncio.sleep(1)

    process = Process(handler)
    pipe = await process.mount()
    await pipe.until(lambda: pipe.got)
    pipe.broken = ConnectionResetError("gone")
    await pipe.ended()
    assert process.errors == []
    assert process.ends == ["cancelled"]
