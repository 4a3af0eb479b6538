"""What a handler holds: messages, and what a view refuses."""

from __future__ import annotations

from typing import Any

import pytest

from quart_stash import ConfigurationError, Message, View

from .live.pipe import Process, in_virtual_time


def message(data: str | bytes) -> Message:
    return Message(data, 3, "id:3", replayed=False)


@pytest.mark.parametrize("data", ['{"a": [1, null]}', b'{"a": [1, null]}'], ids=["text", "bytes"])
def test_json(data: str | bytes) -> None:
    """A message's JSON is parsed, from text and from bytes."""
    assert message(data).json() == {"a": [1, None]}


@pytest.mark.parametrize(
    "data",
    [
        "",
        "{",
        "nonsense",
        b"\xff",
        "[" * 100_000,
        b"[" * 100_000,
        '{"a":' * 100_000,
        "[" * 20_000 + "]" * 20_000,
        "\ud800",
    ],
    ids=lambda data: f"{data[:4]!r} {len(data)}",
)
def test_no_json(data: str | bytes) -> None:
    """What is not JSON is a `ValueError`."""
    with pytest.raises(ValueError):  # noqa: PT011
        message(data).json()


def test_nothing_shows() -> None:
    """The representation of a message does not show what it holds."""
    assert "secret" not in repr(message("secret"))


@in_virtual_time
async def test_receive_json() -> None:
    """`receive_json` returns the next message parsed; what is not JSON fails that message."""
    seen: list[Any] = []

    async def handler(view: View[None]) -> None:
        seen.append(await view.receive_json())
        await view.receive_json()

    process = Process(handler)
    pipe = await process.mount()
    pipe.message('{"a":1}')
    pipe.message("no JSON")
    assert await pipe.closed() == 1011
    assert seen == [{"a": 1}]
    assert pipe.frames("failed") == [{"type": "failed", "number": 2}]


@in_virtual_time
async def test_the_representation_of_a_view() -> None:
    """A view shows its id and status, and not its state, params or identity."""
    texts: list[str] = []

    async def handler(view: View[dict[str, str]]) -> None:
        view.state["a"] = "secret"
        texts.extend([repr(view), repr(view._mounting)])

    pipe = await Process(handler, dict[str, str], identity="secret").mount(params={"a": "secret"})
    await pipe.closed()
    assert "fresh" in texts[0]
    assert "secret" not in "".join(texts)


@in_virtual_time
async def test_draining_shows() -> None:
    """A handler that polls sees that the view is being handed back."""
    seen: list[bool] = []

    async def handler(view: View[None]) -> None:
        seen.append(view.draining)
        await view.receive()
        seen.append(view.draining)

    process = Process(handler)
    pipe = await process.mount()
    drain = process.drain()
    await pipe.until(lambda: pipe.frames("drain"))
    pipe.message("a")
    assert await pipe.closed() == 1000
    await drain
    assert seen == [False, True]


@pytest.mark.parametrize(
    "call",
    [
        lambda view: view.keep("", 1, max_age=1),
        lambda view: view.keep("x" * 129, 1, max_age=1),
        lambda view: view.keep("x", 1, max_age=0),
        lambda view: view.keep("x", 1, max_age=1.5),
        lambda view: view.keep("x", 1, max_age=1, area="session"),
        lambda view: view.restore("", area="tab"),
        lambda view: view.restore("x", area="local"),
        lambda view: view.forget(""),
        lambda view: view.clear_form(""),
        lambda view: view.clear_form("x" * 257),
        lambda view: view.close(1006),
        lambda view: view.close(4000, "ü" * 62),
    ],
    ids=[
        "no name",
        "long name",
        "no age",
        "half an age",
        "area",
        "restore nothing",
        "restore area",
        "forget nothing",
        "no form",
        "long form",
        "close code",
        "close reason",
    ],
)
@in_virtual_time
async def test_misused_names(call: Any) -> None:
    """A name, age or area that can't be is refused at once, for plain clients too, and nothing is sent."""
    refused: list[str] = []

    async def handler(view: View[None]) -> None:
        with pytest.raises(ConfigurationError):
            await call(view)
        refused.append(view.status)

    for plain in (False, True):
        pipe = await Process(handler).mount(plain=plain)
        assert await pipe.closed() == 1000
        assert [frame["type"] for frame in pipe.frames()] == ([] if plain else ["mounted", "finished"])
    assert refused == ["fresh", "plain"]
