"""How a socket becomes a view: what its tokens are bound to, what it may bring, whom it belongs to."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import string
import tracemalloc
from dataclasses import dataclass
from itertools import islice, product
from typing import Annotated, Any

import pytest

from quart_stash import ClientSettable, ConfigurationError, View
from quart_stash.core.frames import MAX_DEPTH, MAX_VALUES

from .live.pipe import EPOCH, Pipe, Process, in_virtual_time, settle, unseal


@dataclass
class Note:
    count: int = 0
    text: Annotated[str, ClientSettable] = ""
    open: Annotated[bool, ClientSettable] = False


async def wait(view: View[Note]) -> None:
    """Count messages."""
    async for _ in view:
        view.state.count += 1


async def token_of(process: Process, **scope: Any) -> str:
    """Return a token of a view that has counted one message."""
    pipe = process.open(**scope)
    await pipe.mount()
    pipe.message("x")
    await pipe.until(lambda: pipe.frames("token"))
    pipe.disconnect()
    await pipe.ended()
    return str(pipe.frames("token")[-1]["token"])


async def status(process: Process, token: str, **scope: Any) -> str:
    """Return what becomes of a token there."""
    pipe = process.open(**scope)
    mounted = await pipe.mount(token=token, sent=1)
    pipe.disconnect()
    await pipe.ended()
    return str(mounted["status"])


# What tokens are bound to.


@in_virtual_time
async def test_a_token_is_bound_to_the_path_as_it_was_requested() -> None:
    """Equal by RFC 3986 is equal; an escaped slash, a slash at the end, another case and another root path are not."""
    process = Process(wait, Note)
    token = await token_of(process, path="/room/ü", raw_path=b"/room/%C3%BC")
    for same in (
        {"raw_path": b"/room/%c3%bc"},
        {"raw_path": b"/roo%6D/%C3%BC?x=1"},
        {"raw_path": b"/room/\xc3\xbc"},
        {"raw_path": None},
    ):
        assert await status(process, token, path="/room/ü", **same) == "restored"
    for other in (
        {"path": "/room/ü/", "raw_path": b"/room/%C3%BC/"},
        {"path": "/room/ü", "raw_path": b"/room%2F%C3%BC"},
        {"path": "/Room/ü", "raw_path": b"/Room/%C3%BC"},
        {"path": "/room/ü", "raw_path": b"/room/%C3%BC", "root_path": "/app"},
        {"path": "/app/room/ü", "raw_path": b"/app/room/%C3%BC", "root_path": "/app"},
    ):
        assert await status(process, token, **other) == "rejected"


@in_virtual_time
async def test_arguments_are_bound_as_what_they_are() -> None:
    """The number 1, the text "1" and True are three; what JSON can't hold is the application's mistake."""
    token = await token_of(Process(wait, Note, arguments={"shop": 1}))
    found = [await status(Process(wait, Note, arguments={"shop": shop}), token) for shop in (1, "1", True)]
    assert found == ["restored", "rejected", "rejected"]
    process = Process(wait, Note, arguments={"shop": object()})
    pipe = process.open()
    pipe.say("mount", sent=0)
    assert await pipe.closed() == 1011
    assert [type(error) for error in process.errors] == [ConfigurationError]


@in_virtual_time
async def test_nobody_is_not_the_empty_identity() -> None:
    """A token of nobody does not open for the identity whose text is empty, nor the other way round."""
    nobody, empty = Process(wait, Note), Process(wait, Note, identity="")
    tokens = [await token_of(nobody), await token_of(empty)]
    found = [[await status(process, token) for token in tokens] for process in (nobody, empty)]
    assert found == [["restored", "rejected"], ["rejected", "restored"]]


@pytest.mark.parametrize(
    "identity", [0, 7, False, b"anna", object()], ids=lambda one: type(one).__name__ + repr(one)[:5]
)
@pytest.mark.parametrize("plain", [False, True], ids=["page", "plain"])
@in_virtual_time
async def test_what_is_no_identity_is_said_once(
    identity: object, plain: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A number for an identity ends the connection for good; the log names `identity_loader`, once, and no value."""
    began: list[str] = []

    async def handler(view: View[Note]) -> None:
        began.append(view.id)

    process = Process(handler, Note, identity=identity)
    with caplog.at_level(logging.ERROR, "quart_stash"):
        for _ in range(3):
            assert await process.open(plain=plain).closed() == 1008
    (record,) = caplog.records
    assert f"identity_loader, or who called, gave a {type(identity).__name__}" in record.getMessage()
    assert record.exc_info is None
    assert "anna" not in record.getMessage()
    assert (began, process.errors) == ([], [])


@pytest.mark.parametrize(
    "name", [b"\xc3\xbc" * 30_000, b"a." * 30_000, b"\xfc.example"], ids=["long", "deep", "short"]
)
@pytest.mark.parametrize("header", [b"origin", b"host"])
@in_virtual_time
async def test_a_name_that_no_browser_sends_is_answered_403(header: bytes, name: bytes) -> None:
    """A name beyond ASCII, or longer than DNS allows, is refused before the handshake, as an Origin and as a Host."""
    value = b"https://" + name if header == b"origin" else name
    headers = [(b"host", b"example.com")] if header == b"origin" else []
    pipe = Process(wait, Note).open(headers=[*headers, (header, value)])
    await pipe.ended()
    assert [event.get("status") for event in pipe.sent] == [403, None]


# What a mount may bring.


@in_virtual_time
async def test_a_settable_field_that_is_too_large() -> None:
    """It is refused and named, the state is as it was, and what else the client sets is set; fresh and restored."""
    seen: list[View[Note]] = []

    async def handler(view: View[Note]) -> None:
        seen.append(view)
        await wait(view)

    process = Process(handler, Note, max_state_size=500)
    token = await token_of(process)
    pipe = process.open()
    for fields in ({}, {"token": token, "sent": 1}):
        pipe = process.open()
        mounted = await pipe.mount(params={"text": "x" * 600, "open": True}, **fields)
        assert mounted["invalid"] == {"text": "with it the state is too large"}
        await settle()
        view = seen[-1]
        assert view.invalid == mounted["invalid"]
        assert (view.state.text, view.state.open) == ("", True)
        assert view.state.count == (1 if fields else 0)
    pipe.message("x")
    await pipe.until(lambda: pipe.frames("token") and pipe.frames("token")[-1]["received"] == 2)
    assert unseal(pipe.frames("token")[-1]["token"])[2] == {"count": 2, "text": "", "open": True}


@in_virtual_time
async def test_fields_that_are_too_large_together() -> None:
    """Of fields that fit only alone, the first ones are set, and the others are named."""

    @dataclass
    class Two:
        a: Annotated[str, ClientSettable] = ""
        b: Annotated[str, ClientSettable] = ""

    process = Process(wait, Two, max_state_size=500)
    mounted = await process.open().mount(params={"a": "x" * 300, "b": "y" * 300})
    assert list(mounted["invalid"]) == ["b"]
    assert unseal(mounted["token"])[2] == {"a": "x" * 300, "b": ""}


def pushed(kind: str, count: int) -> dict[str, Any]:
    """Return fields of a mount that hold about so many values."""
    names = [f"n{number}" for number in range(count // 2)]
    short = [
        "".join(letters)
        for letters in islice(product(string.ascii_lowercase + string.digits, repeat=3), count)
    ]
    kinds: dict[str, dict[str, Any]] = {
        "names of forms": {"empty": {name: [] for name in names}},
        "fields": {"forms": {"f": [[name, ""] for name in names[: count // 3]]}},
        "empty fields": {"empty": {"f": short}},
        "wide params": {"params": {"a": [[] for _ in names]}},
    }
    return kinds[kind]


KINDS = ["names of forms", "fields", "empty fields", "wide params"]


@pytest.mark.parametrize("kind", KINDS)
@in_virtual_time
async def test_of_a_mount_of_too_many_values_nothing_is_made(kind: str) -> None:
    """What is too many, by its count and not by its bytes, is dropped before any of it is made an object, and told."""
    process = Process(wait, Note)
    pipe = process.open()
    await (await process.mount(params=[])).until(lambda: True)  # all is imported, and told once
    frame = json.dumps({"type": "mount", "sent": 0, **pushed(kind, 2 * MAX_VALUES)}, separators=(",", ":"))
    assert len(frame) < process.host.config.max_mount_size
    gc.collect()
    tracemalloc.start()
    try:
        pipe.raw(frame)
        await settle()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    (mounted,) = pipe.frames("mounted")
    told = {**mounted.get("invalid", {}), **mounted.get("dropped", {})}
    assert list(told.values()) == [f"a frame of more than {MAX_VALUES} values"]
    assert peak < 3 * len(frame) + 100_000  # copies of the text, and no value of it


@pytest.mark.parametrize("kind", KINDS)
@in_virtual_time
async def test_what_a_mount_brought_is_held_as_it_came(kind: str) -> None:
    """A view whose handler asks for nothing holds about the bytes that were sent, not many times as much."""
    process = Process(wait, Note)
    fields = pushed(kind, MAX_VALUES - 100)
    sent = len(json.dumps(fields, separators=(",", ":")))
    await (await process.mount(params={"warm": "up"})).until(lambda: True)
    held = {}
    for size, more in (("small", {}), ("large", fields)):
        gc.collect()
        tracemalloc.start()
        try:
            pipe = process.open()
            pipe.raw(json.dumps({"type": "mount", "sent": 0, **more}, separators=(",", ":")))
            await settle()
            assert pipe.frames("mounted")
            gc.collect()
            held[size], _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert held["large"] - held["small"] < 2.5 * sent  # as objects they would be seven times as much, or more


@in_virtual_time
async def test_the_largest_mount_reaches_the_handler() -> None:
    """A mount of as many values as are allowed, and as deep, reaches the handler whole."""
    seen: list[Any] = []

    async def handler(view: View[Note]) -> None:
        seen.extend(
            [view.params, len(view.forms["f"]), len(view.forms["f"].touched), view.forms is view.forms]
        )
        await view.receive()

    params: Any = 1
    for _ in range(MAX_DEPTH - 2):
        params = [params]
    many = (MAX_VALUES - 200) // 3
    pipe = Process(handler, Note).open()
    await pipe.mount(
        params={"a": params}, forms={"f": [[f"n{number}", "x, [y], {z}"] for number in range(many)]}
    )
    await settle()
    assert seen == [{"a": params}, many, many, True]


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 9_000, 100_000])
@in_virtual_time
async def test_deep_params_are_dropped(depth: int, caplog: pytest.LogCaptureFixture) -> None:
    """A param that is nested too deep, whether or not Python could read it, is dropped and told; the others are there."""
    seen: list[Any] = []

    async def handler(view: View[Note]) -> None:
        seen.extend([view.params, view.invalid])
        await view.receive()

    pipe = Process(handler, Note, max_mount_size=500_000).open()
    deep = "[" * depth + "]" * depth
    pipe.raw('{"type":"mount","sent":0,"params":{"text":"x","a":' + deep + "}}")
    await pipe.until(lambda: pipe.frames("mounted"))
    invalid = {"a": f"a frame that is nested more than {MAX_DEPTH} deep"}
    assert pipe.frames("mounted")[0]["invalid"] == invalid
    assert seen == [{"text": "x"}, invalid]
    assert "a page mounted 'view' with params that can't be read" in caplog.text


@in_virtual_time
async def test_a_form_that_cannot_be_read_ends_no_view() -> None:
    """A form of another shape, or with a name that is too long, is dropped and told; half an emoji is a character."""
    seen: list[Any] = []

    async def handler(view: View[Note]) -> None:
        seen.append({name: dict(form) for name, form in view.forms.items()})
        async for message in view:
            view.state.text = message.json()["text"] + view.forms["f"]["a"] + view.params["q"]

    pipe = Process(handler, Note).open()
    forms = '{"f":[["a","\\ud83d"]],"g":{"a":1},"' + "n" * 300 + '":[]}'
    pipe.raw('{"type":"mount","sent":0,"params":{"q":"\\ude00"},"forms":' + forms + "}")
    await pipe.until(lambda: pipe.frames("mounted"))
    assert seen == [{"f": {"a": "\ufffd"}}]
    dropped = pipe.frames("mounted")[0]["dropped"]
    assert dropped == {
        "g": "not a list of pairs of text",
        "n" * 256: "a name of 1 to 256 characters is needed",
    }
    pipe.message('{"text":"half \\ud83d"}')
    await pipe.until(lambda: pipe.frames("token"))
    assert unseal(pipe.frames("token")[-1]["token"])[2]["text"] == "half \ufffd\ufffd\ufffd"
    assert pipe.frames("failed") == []


# Copies.


@in_virtual_time
async def test_a_copy_keeps_its_lineage_and_its_age() -> None:
    """A fork, and a fork of it, name the view that they come from, and are as old as the token that they were made of."""
    seen: list[View[Note]] = []
    now = EPOCH

    async def handler(view: View[Note]) -> None:
        seen.append(view)
        await wait(view)

    process = Process(handler, Note, now=lambda: now, token_max_age=1000)
    first = token = await token_of(process)
    for _ in range(3):
        now += 100
        token = (await process.open().mount(token=token, sent=1, fork=True))["token"]
        await settle()
        assert process.host.sealer.header(token).issued_at == EPOCH
    restored = await process.open().mount(token=token, sent=1)
    await settle()
    assert "token" not in restored
    assert len({view.id for view in seen}) == 4
    assert {view.lineage for view in seen} == {unseal(first)[0]}
    assert (seen[0].id, seen[-1].id) == (seen[0].lineage, seen[-2].id)


@in_virtual_time
async def test_forks_do_not_keep_a_token_alive() -> None:
    """A token that is forked again and again without a message expires like any other."""
    now = EPOCH
    process = Process(wait, Note, now=lambda: now, token_max_age=1000)
    token = await token_of(process)
    for _ in range(4):
        now += 100
        token = (await process.open().mount(token=token, sent=1, fork=True))["token"]
    now = EPOCH + 1001
    mounted = await process.open().mount(token=token, sent=1, fork=True)
    assert (mounted["status"], mounted["reason"]) == ("rejected", "expired")


# Page params.


@in_virtual_time
async def test_page_params_that_have_expired_begin_no_view() -> None:
    """They are refused with 1008 and the advice to reload; a view that they have begun goes on, also as a copy."""
    seen: list[Any] = []
    now = EPOCH

    async def handler(view: View[Note]) -> None:
        seen.append((view.status, view.page))
        await wait(view)

    process = Process(handler, Note, now=lambda: now)
    page = process.host.pages.sign({"order": 7}, identity=None, view=None, expires=EPOCH + 600)
    again = process.host.pages.sign({"order": 7}, identity=None, view=None, expires=EPOCH + 900)
    token = (await process.open().mount(page=page))["token"]
    now = EPOCH + 601
    for fields in ({}, {"token": token[:70]}, {"anyway": True}):
        pipe = process.open()
        pipe.say("mount", sent=0, page=page, **fields)
        assert await pipe.closed() == 1008
        assert pipe.sent[-1]["reason"] == "the page params have expired: reload the page"
        assert pipe.frames() == []
    for fields in ({"page": page}, {"page": page, "fork": True}, {"page": again}):
        assert (await process.open().mount(token=token, **fields))["status"] == "restored"
    await settle()
    assert seen == [("fresh", {"order": 7}), *[("restored", {"order": 7})] * 3]


# Closing by identity.


@in_virtual_time
async def test_the_views_of_one_user_are_closed() -> None:
    """Theirs are closed with 1008, those that are about to be mounted too, and nobody else's; the count is returned."""
    process = Process(wait, Note, identity="anna")
    mine = [await process.mount(), await process.mount(plain=True)]
    opened = process.open()
    await settle()
    process._identity = "berta"
    other = await process.mount()
    await settle()
    assert await process.host.close_views("nobody") == 0
    assert await process.host.close_views("anna") == 3
    assert [await pipe.closed() for pipe in (*mine, opened)] == [1008] * 3
    assert mine[0].sent[-1]["reason"] == "logged out"
    assert await process.host.close_views("anna") == 0
    other.message("x")
    await other.until(lambda: other.frames("token"))
    assert process.ends.count("cancelled") == 3


@in_virtual_time
async def test_a_message_behind_the_closing_is_not_handled() -> None:
    """Once `close_views` has returned, a message that waits for the handler is not given to it any more."""
    seen: list[str] = []
    go = asyncio.Event()

    async def handler(view: View[Note]) -> None:
        async for message in view:
            seen.append(str(message.data))
            await go.wait()

    process = Process(handler, Note, identity="anna")
    pipe = await process.mount()
    pipe.message("a")
    pipe.message("b")
    await settle()
    assert await process.host.close_views("anna") == 1
    assert process.sessions[0].machine.over
    go.set()
    assert await pipe.closed() == 1008
    assert seen == ["a"]


@in_virtual_time
async def test_nobody_waits_for_a_peer_that_does_not_read() -> None:
    """`close_views` returns at once, also where the peer reads nothing; the connection is over after the grace."""
    process = Process(wait, Note, identity="anna")
    pipe = await process.mount()
    pipe.readable = False
    pipe.message("x")
    await settle()
    start = asyncio.get_running_loop().time()
    assert await process.host.close_views("anna") == 1
    assert asyncio.get_running_loop().time() == start
    await pipe.ended()
    assert asyncio.get_running_loop().time() - start < 3
    assert process.ends == ["cancelled"]


@pytest.mark.parametrize("identity", [None, 7, b"anna"])
@in_virtual_time
async def test_only_somebody_can_be_closed(identity: Any) -> None:
    """`None` is nobody in particular, and a number is nobody at all: both are refused."""
    with pytest.raises(ConfigurationError, match="close_views"):
        await Process(wait, Note).host.close_views(identity)


@in_virtual_time
async def test_nothing_is_kept_of_those_who_are_gone() -> None:
    """Who has left is forgotten, however many identities have come."""
    process = Process(wait, Note, identity="anna")
    pipe: Pipe = await process.mount()
    pipe.disconnect()
    await pipe.ended()
    assert process.host._owners._owned == {}
