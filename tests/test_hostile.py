"""Bad input, each with its documented answer, against a real server with another client connected at the same time."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.client import Client, NotMounted
from tests.servers.harness import HYPERCORN, HYPERCORN_0, UVICORN, NotStarted, Server, Setup, serving

MESSAGE, MOUNT, STATE = 2048, 8192, 3000  # bytes
LIMITS = {
    "QUART_STASH_MOUNT_TIMEOUT": "3",
    "QUART_STASH_MAX_MESSAGE_SIZE": str(MESSAGE),
    "QUART_STASH_MAX_MOUNT_SIZE": str(MOUNT),
    "QUART_STASH_MAX_STATE_SIZE": str(STATE),
    "QUART_STASH_SYNC_INTERVAL": "0",
}


@pytest.fixture(scope="module", params=[HYPERCORN_0, UVICORN], ids=lambda setup: setup.name)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all the bad input of this module."""
    log = tmp_path_factory.mktemp("hostile") / "log"
    with asyncio.Runner() as runner:
        process = serving(request.param, log, environment=LIMITS)
        yield runner.run(process.__aenter__())
        runner.run(process.__aexit__(None, None, None))


@asynccontextmanager
async def bystander(server: Server) -> AsyncIterator[None]:
    """Another client, connected at the same time: whatever happens, its view goes on on the same connection."""
    one = await mounted(server, "/items/77")
    try:
        await one.send("before")
        await one.answered(1)
        yield
        await one.send("after")
        await one.answered(2)
        assert json.loads(one.got[-1])["items"] == ["before", "after"]
        assert one.close_code is None
    finally:
        await one.abort()


async def mounted(server: Server, path: str = "/items/1", **options: Any) -> Client:
    """A client with a mounted view."""
    one = Client(server.url(path), **options)
    await one.connect()
    return one


async def left(server: Server, path: str = "/items/1", **options: Any) -> Client:
    """A client that holds the token of a view with two messages, and is not connected now."""
    one = await mounted(server, path, **options)
    await one.send("a")
    await one.send("b")
    await one.until(lambda: one.received == 2)
    await one.abort()
    return one


# Before the handshake.


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://127.0.0.1:1", "http://127.0.0.1.evil.example", "no origin"],
)
async def test_a_foreign_origin_is_answered_403(server: Server, origin: str) -> None:
    """A page of another origin, or of none that can be named, opens no socket: 403."""
    async with bystander(server):
        with pytest.raises(InvalidStatus) as refused:
            await Client(server.url("/items/1"), origin=origin).open()
        assert refused.value.response.status_code == 403


async def test_the_own_origin_and_none_are_welcome(server: Server) -> None:
    """A page of the same host may open a socket, and so may a program, which sends no Origin."""
    for origin in (f"http://127.0.0.1:{server.port}", None):
        await (await mounted(server, origin=origin)).abort()


# Frames.


async def test_no_mount_in_time_is_closed_with_4408(server: Server) -> None:
    """A client that connects and never mounts is closed with 4408 after the mount time-out."""
    async with bystander(server):
        silent = Client(server.url("/items/1"))
        await silent.open()
        assert await silent.closed() == 4408


BAD_FIRST = {
    "a message before the mount": "=hello",
    "garbage": "hello",
    "binary garbage": b"\x00\xff\x00",
    "not an object": "[1, 2]",
    "broken JSON": '{"type": "mount", ',
    "deep nesting": "[" * 4000,
    "no type": '{"sent": 0}',
    "an unknown type": '{"type": "sudo"}',
    "a server's type": '{"type": "drain", "drain": "x", "deadline": 0, "delay": 0}',
    "a mount without a number": '{"type": "mount"}',
    "a negative number": '{"type": "mount", "sent": -1}',
    "a number that is too large": '{"type": "mount", "sent": 9007199254740992}',
    "a fraction": '{"type": "mount", "sent": 1.5}',
    "a mount that ends in its params": '{"type": "mount", "sent": 0, "params": [1]',
    "something behind a mount": '{"type": "mount", "sent": 0, "forms": {"f": [["a"]]}} 1',
    "flushed before the mount": '{"type": "flushed", "sent": 0}',
    "an empty frame": "",
}


@pytest.mark.parametrize("frame", BAD_FIRST.values(), ids=BAD_FIRST)
async def test_a_bad_first_frame_is_closed_with_1002(server: Server, frame: str | bytes) -> None:
    """Whatever comes first and is not a well-formed `mount` is a protocol error."""
    async with bystander(server):
        one = Client(server.url("/items/1"))
        await one.open()
        await one.raw(frame)
        assert await one.closed() == 1002


BAD_PARTS = {
    "params that are no object": '"params": [1]',
    "forms of another shape": '"forms": {"f": [["a"]]}',
    "half an emoji": r'"params": {"q": "\ud83d"}, "forms": {"f\ud83d": [["a", "\ude00"]]}',
    "deep params": '"params": {"a": ' + "[" * 3000 + "]" * 3000 + "}",
    "a name that is too long": json.dumps({"forms": {"f" * 257: []}})[1:-1],
    "a number that is out of range": '"params": {"a": 1e999}',
}


@pytest.mark.parametrize("part", BAD_PARTS.values(), ids=BAD_PARTS)
async def test_bad_params_and_forms_end_no_view(server: Server, part: str) -> None:
    """What a page brings of params and forms, whatever it is, does not keep its view from being mounted, again and again."""
    async with bystander(server):
        one = Client(server.url("/items/1"))
        for count in (1, 2):
            await one.open()
            await one.raw('{"type": "mount", "sent": 0, ' + part + "}")
            await one.until(partial(lambda count: len(one.seen("mounted")) == count, count))
            await one.raw("=a")
            assert json.loads((await one.answered(count))[-1])["items"] == ["a"]
            await one.abort()


BAD_LATER = {
    "a second mount": '{"type": "mount", "sent": 0}',
    "flushed without a drain": '{"type": "flushed", "sent": 0}',
    "a void that is not for the next number": '{"type": "void", "number": 7}',
    "garbage": "hello",
    "binary garbage": b"hello",
    "an unknown type": '{"type": "sudo"}',
    "an empty key": '{"type": "stored", "key": ""}',
    "a key that is too long": json.dumps({"type": "kept", "key": "k" * 129}),
}


@pytest.mark.parametrize("frame", BAD_LATER.values(), ids=BAD_LATER)
async def test_a_bad_later_frame_is_closed_with_1002(server: Server, frame: str | bytes) -> None:
    """What is malformed or out of order on a mounted connection is a protocol error; the view can be mounted again."""
    async with bystander(server):
        one = await mounted(server)
        await one.send("a")
        await one.until(lambda: one.received == 1)
        await one.raw(frame)
        assert await one.closed() == 1002
        await one.connect()
        assert (one.mounted["status"], one.mounted["received"]) == ("restored", 1)
        await one.abort()


async def test_unasked_answers_are_ignored(server: Server) -> None:
    """An answer that nobody waits for, and a `synced` without a drain, change nothing."""
    async with bystander(server):
        one = await mounted(server)
        await one.control("stored", key="x")
        await one.control("kept", key="x", token="y")
        await one.control("synced", received=5)
        await one.control("ping")
        await one.until(lambda: one.seen("pong"))
        await one.send("a")
        assert json.loads((await one.answered(1))[-1])["items"] == ["a"]
        await one.abort()


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param("=" + "x" * (MESSAGE + 1), id="text"),
        pytest.param(b"=" + b"x" * (MESSAGE + 1), id="binary"),
        pytest.param("=" + "✓" * (MESSAGE // 3 + 1), id="text that is longer in bytes"),
        pytest.param('{"type": "ping", "x": "' + "x" * MESSAGE + '"}', id="control"),
    ],
)
async def test_an_oversize_frame_is_closed_with_1009(server: Server, frame: str | bytes) -> None:
    """A frame over the limit that `mounted` has told is closed with 1009; one of exactly the limit is fine."""
    async with bystander(server):
        one = await mounted(server)
        assert one.mounted["limits"] == {"message": MESSAGE, "mount": MOUNT}
        await one.send("x" * MESSAGE)
        await one.answered(1)
        await one.raw(frame)
        assert await one.closed() == 1009


async def test_an_oversize_mount_is_closed_with_1009(server: Server) -> None:
    """A mount frame over its limit is closed with 1009; one that is as large as a message may not be is fine."""
    async with bystander(server):
        await (await mounted(server, params={"x": "x" * (MOUNT - 500)})).abort()
        with pytest.raises(NotMounted) as refused:
            await mounted(server, params={"x": "x" * MOUNT})
        assert refused.value.code == 1009


async def test_claiming_fewer_messages_than_the_token_covers(server: Server) -> None:
    """A `sent` below what the token covers is a protocol error."""
    async with bystander(server):
        one = await left(server)
        one.sent = 1
        with pytest.raises(NotMounted) as refused:
            await one.connect()
        assert refused.value.code == 1002


# Tokens.


def edit(token: str, position: int, change: Callable[[int], int]) -> str:
    """Return a token with one byte changed, counted from its start or its end."""
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    raw[position] = change(raw[position]) & 0xFF
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


FORMAT, KEY_ID, VERSION, ISSUED_AT, SALT, NONCE, SEALED = 0, 1, 8, 12, 17, 33, 50  # positions in a token

REFUSED = {
    "no token at all": lambda token: "garbage",
    "an empty one": lambda token: "",
    "not base64": lambda token: "é" + token[1:],
    "another alphabet": lambda token: token[:-4] + "++//",
    "padded": lambda token: token + "=",
    "its salt tampered": lambda token: edit(token, SALT, lambda byte: byte ^ 1),
    "its nonce tampered": lambda token: edit(token, NONCE, lambda byte: byte ^ 1),
    "its content tampered": lambda token: edit(token, SEALED, lambda byte: byte ^ 1),
    "its tag tampered": lambda token: edit(token, -1, lambda byte: byte ^ 1),
    "an older version": lambda token: edit(token, VERSION, lambda byte: 0),
    "truncated in its header": lambda token: token[:40],
    "truncated to its header": lambda token: token[:60],
    "truncated in its tag": lambda token: token[:-4],
    "prolonged": lambda token: token + "AAAA",
    "the format of an earlier release": lambda token: edit(token, FORMAT, lambda byte: 1),
    "a format that never was": lambda token: edit(token, FORMAT, lambda byte: 200),
    "from the future": lambda token: edit(token, ISSUED_AT - 1, lambda byte: byte + 1),
}


async def rejected(one: Client, reason: str) -> None:
    """Mount again: the view is fresh, the client hears why, and what it still held is not replayed into it."""
    await one.send("c")
    held = dict(one.outbox)
    await one.connect()
    assert (one.mounted["status"], one.mounted["reason"]) == ("rejected", reason)
    assert one.mounted["received"] == 0
    assert one.lost == list(held.values()) and one.outbox == {}
    count = len(one.got)
    await one.send("fresh")
    assert json.loads((await one.answered(count + 1))[-1])["items"] == ["fresh"]
    await one.abort()


@pytest.mark.parametrize("forge", REFUSED.values(), ids=REFUSED)
async def test_a_forged_token_is_refused(server: Server, forge: Callable[[str], str]) -> None:
    """A token that is tampered with, truncated or made up mounts fresh as `refused`."""
    async with bystander(server):
        one = await left(server)
        assert one.token is not None
        one.token = forge(one.token)
        await rejected(one, "refused")


async def test_an_old_token_is_expired(server: Server) -> None:
    """A token that is older than its maximum age mounts fresh as `expired`."""
    async with bystander(server):
        one = await left(server)
        one.token = edit(one.token or "", ISSUED_AT, lambda byte: byte - 1)  # by 2^32 ms or more
        await rejected(one, "expired")


@pytest.mark.parametrize(
    "path", ["/items/2", "/busy", "/items/1?x=1"], ids=["other arguments", "another view", "another query"]
)
async def test_trace_15_a_token_of_another_address_is_refused(server: Server, path: str) -> None:
    """A token is bound to its view, the route's arguments and the query string."""
    async with bystander(server):
        one = await left(server)
        one.url = server.url(path)
        await one.connect()
        assert (one.mounted["status"], one.mounted["reason"]) == ("rejected", "refused")
        await one.abort()


async def test_trace_15_a_token_of_another_host_is_refused(server: Server) -> None:
    """A token is bound to the host that the client asked for: tenants are told apart by it."""
    async with bystander(server):
        one = await left(server)
        one.url = one.url.replace("127.0.0.1", "localhost")
        await rejected(one, "refused")


async def test_a_token_of_another_identity_is_refused(server: Server) -> None:
    """A token is bound to who was logged in: neither another user nor nobody can mount it, and its owner still can."""
    async with bystander(server):
        anna = {"Cookie": await login(server, "anna")}
        one = await left(server, headers=anna)
        mine, sent = one.token, one.sent
        for headers in ({"Cookie": await login(server, "berta")}, {}):
            one.headers, one.token, one.sent = headers, mine, sent
            one.lost.clear()
            await rejected(one, "refused")
        one.headers, one.token, one.sent = anna, mine, sent
        one.outbox.clear()
        await one.connect()
        assert one.mounted["status"] == "restored"
        await one.abort()


async def login(server: Server, user: str) -> str:
    """Log in and return the cookie."""
    _, headers, _ = await server.get(f"/login/{user}", "POST")
    return headers["set-cookie"].partition(";")[0]


async def test_trace_15_a_token_of_other_page_params_is_refused(server: Server) -> None:
    """A token of order 1 is not mounted with validly signed page params of order 2, nor without any."""
    async with bystander(server):
        _, headers, _ = await server.get("/page/1")
        cookie = headers["set-cookie"].partition(";")[0]
        orders = [(await server.get(f"/page/{order}", cookie=cookie))[2] for order in (1, 2)]
        one = await left(server, page=orders[0], headers={"Cookie": cookie})
        mine, sent = one.token, one.sent
        for fields in ({"page": orders[1]}, {}):
            one.mount_fields, one.token, one.sent = fields, mine, sent
            one.lost.clear()
            await rejected(one, "refused")


async def test_forged_page_params_mount_nothing(server: Server) -> None:
    """Forged page params are left to another process (4409), and in the end refused for good (1008)."""
    async with bystander(server):
        _, _, signed = await server.get("/page/1")
        forged = ("A" if signed[0] != "A" else "B") + signed[1:]
        for anyway, code in ((False, 4409), (True, 1008)):
            with pytest.raises(NotMounted) as refused:
                await mounted(server, page=forged, anyway=anyway)
            assert refused.value.code == code


UNJUDGEABLE = {
    "a newer version of the state": lambda token: edit(token, VERSION, lambda byte: byte + 1),
    "an unknown key": lambda token: edit(token, KEY_ID, lambda byte: byte ^ 1),
    "a later format": lambda token: edit(token, FORMAT, lambda byte: 3),
}


@pytest.mark.parametrize("unknown", UNJUDGEABLE.values(), ids=UNJUDGEABLE)
async def test_a_token_that_cannot_be_judged_is_left_to_another_process(
    server: Server, unknown: Callable[[str], str]
) -> None:
    """It is answered with 4409 and nothing is mounted or lost; `anyway` takes what comes."""
    async with bystander(server):
        one = await left(server)
        mine = one.token or ""
        await one.send("c")
        one.token = unknown(mine)
        with pytest.raises(NotMounted) as refused:
            await one.connect()
        assert refused.value.code == 4409
        assert one.outbox == {3: "c"}
        one.token = mine  # as if a process answered that knows it
        await one.connect()
        assert one.mounted["status"] == "restored"
        await one.until(lambda: one.received == 3)
        assert json.loads(one.got[-1])["items"] == ["a", "b", "c"]
        await one.abort()
        one.token, one.mount_fields = unknown(mine), {"anyway": True}
        await rejected(one, "refused")


# Connect params and state.


async def test_params_of_the_wrong_type_are_named(server: Server) -> None:
    """A client-settable param that does not fit is left out, and the client hears which; the others are taken."""
    async with bystander(server):
        one = await mounted(server, params={"open": "wide", "nonsense": {"a": 1}})
        assert one.mounted["status"] == "fresh"
        assert list(one.mounted["invalid"]) == ["open"]
        assert "wide" not in one.mounted["invalid"]["open"]
        await one.abort()


async def test_params_that_are_not_client_settable_change_nothing(server: Server) -> None:
    """A param with the name of a field that the client may not set does not reach the state, fresh or restored."""
    async with bystander(server):
        one = await left(server, params={"items": ["forged"], "open": True})
        assert json.loads(one.got[-1])["items"] == ["a", "b"]
        await one.connect()
        await one.send("c")
        assert json.loads((await one.answered(3))[-1])["items"] == ["a", "b", "c"]
        await one.abort()


async def test_a_state_that_is_too_large(server: Server) -> None:
    """The message that makes the state too large fails, and is not replayed; the view goes on from before it."""
    async with bystander(server):
        one = await mounted(server)
        await one.send("a" * 1800)
        await one.until(lambda: one.received == 1)
        await one.send("b" * 1800)
        assert await one.closed() == 1011
        assert one.seen("failed") == [{"type": "failed", "number": 2}]
        await one.connect()
        assert (one.mounted["status"], one.mounted["received"]) == ("restored", 2)
        await one.send("c")
        assert json.loads((await one.answered(3))[-1])["items"] == ["a" * 1800, "c"]
        await one.abort()


async def test_bad_input_is_no_error_of_the_server(server: Server) -> None:
    """After all of the above the log holds no traceback but the failing handler's, and of clients but Origins."""
    one = await left(server)
    assert one.token is not None and one.token[60:] not in server.log
    assert server.log.count("Traceback") == server.log.count("errors.StateTooLarge: ")
    assert not any(text in server.log for text in ("sudo", "forged", "nonsense", "garbage"))


# Keys.


SECRETS = {"none": "", "short": "x9HkPz3", "a sample": "changeme", "a few characters": "a" * 64}


@pytest.mark.parametrize("setup", [HYPERCORN, HYPERCORN_0, UVICORN], ids=lambda setup: setup.name)
@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
async def test_it_refuses_to_start_without_a_good_key(setup: Setup, secret: str, tmp_path: Path) -> None:
    """With no, a short or a sample secret key the server does not start, says how to make one, and fails."""
    with pytest.raises(NotStarted) as refused:
        async with serving(setup, tmp_path / "log", environment={"QUART_SECRET_KEY": secret}):
            pass
    assert "make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'" in refused.value.log
    assert not secret or secret not in refused.value.log
    if setup is not HYPERCORN:  # whose parent forgets the status of its one worker
        assert refused.value.status != 0
