"""Frames: the shared vectors, and that nothing but a frame or a `ProtocolError` comes out of parsing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from quart_stash.core import frames
from quart_stash.errors import ProtocolError

VECTORS = json.loads((Path(__file__).parent.parent / "vectors/frames.json").read_text())
SERVER_TYPES = {kind.__struct_config__.tag: kind for kind in get_args(frames.ServerControl)}


def parse(data: str | bytes) -> Any:
    """Return what a frame of the client means, as the vectors have it."""
    message = frames.payload(data)
    if message is not None:
        return {"message": message}
    return frames.parse_control(data)


@pytest.mark.parametrize("vector", VECTORS["up"]["valid"], ids=lambda v: v["text"][:70] or "empty")
def test_what_the_client_may_send(vector: dict[str, Any]) -> None:
    """A legal frame of the client parses into what the vectors say, whatever defaults it leaves out."""
    meant = parse(vector["text"])
    if "message" in vector["frame"]:
        assert meant == vector["frame"]
    else:
        again = frames.parse_control(json.dumps(vector["frame"]))
        assert meant == again
        fields = {name: getattr(meant, name) for name in vector["frame"] if name != "type"}
        assert json.loads(json.dumps(fields)) == {k: v for k, v in vector["frame"].items() if k != "type"}


@pytest.mark.parametrize("vector", VECTORS["up"]["invalid"], ids=lambda v: v["text"][:70] or "empty")
def test_what_the_client_may_not_send(vector: dict[str, Any]) -> None:
    """An illegal frame of the client is refused with the vectors' close code."""
    with pytest.raises(ProtocolError) as caught:
        parse(vector["text"])
    assert caught.value.close_code == vector["close"]


@pytest.mark.parametrize("vector", VECTORS["down"]["valid"], ids=lambda v: v["text"][:70] or "empty")
def test_what_the_server_says(vector: dict[str, Any]) -> None:
    """Each frame of the server is serialised as the vectors write it, defaults left out."""
    values = vector["frame"]
    if "message" in values:
        assert frames.mark(values["message"]) == vector["text"]
        return
    fields = {name: value for name, value in values.items() if name != "type"}
    if "limits" in fields:
        fields["limits"] = frames.Limits(**fields["limits"])
    frame = SERVER_TYPES[values["type"]](**fields)
    assert frames.encode(frame) == vector["text"]
    assert frames.parse_down(vector["text"]) == frame


@pytest.mark.parametrize("vector", VECTORS["down"]["invalid"], ids=lambda v: v["text"][:70] or "empty")
def test_what_the_server_may_not_say(vector: dict[str, Any]) -> None:
    """An illegal frame of the server is refused, as the script refuses it."""
    assert frames.payload(vector["text"]) is None
    with pytest.raises(ProtocolError):
        frames.parse_down(vector["text"])


@given(st.text() | st.binary())
def test_a_message_is_its_payload_behind_one_byte(data: str | bytes) -> None:
    """Marking and unmarking gives the same text or bytes back."""
    marked = frames.mark(data)
    assert len(marked) == len(data) + 1
    assert frames.payload(marked) == data


words = st.sampled_from(
    ["mount", "flushed", "synced", "void", "stored", "kept", "ping", "token", "nonsense", "", 1, None]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(
    ["sent", "received", "number", "key", "token", "params", "forms", "page", "fork", "more"]
)
objects = st.builds(
    lambda kind, fields: json.dumps({"type": kind, **fields}), words, st.dictionaries(names, values)
)


@given(objects | st.text() | st.binary())
@example("[" * 100_000)
@example('{"type":"mount","sent":0,"params":' + '{"a":' * 100_000)
@example('{"type":"mount","sent":0,"params":' + '{"a":' * 9_000)
@example('{"type":"mount","sent":0,"params":{"a":[' + "[]," * 100_000)
@example('"' + '\\"' * 100_000 + "\\")
@example("[" * 33 + '"\\' * 100_000)
@example("[" * 33 + '"' * 200_001)
@example("\ud800")
@example('{"type":"mount","sent":0,"sent":1e400}')
def test_parsing_raises_nothing_else(data: str | bytes) -> None:
    """Whatever is parsed, a frame of the client or a `ProtocolError` comes out."""
    try:
        assert isinstance(frames.parse_control(data), get_args(frames.ClientControl))
    except ProtocolError as error:
        assert error.close_code in (1002, 1009)


def counted(value: Any) -> int:
    """Count the values in a value, itself not, and the names of fields not."""
    if not isinstance(value, dict | list):
        return 0
    return sum(1 + counted(one) for one in (value.values() if isinstance(value, dict) else value))


def deep(value: Any) -> int:
    """Count how deep a value is nested."""
    if not isinstance(value, dict | list):
        return 0
    return 1 + max((deep(one) for one in (value.values() if isinstance(value, dict) else value)), default=0)


texts = st.text(st.sampled_from('"\\[]{},:ab\n') | st.characters(exclude_categories=["Cs"]))
trees = st.recursive(
    st.none() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=30,
)


@given(trees, st.booleans())
def test_the_shape_is_seen_through_any_text(tree: Any, ascii_only: bool) -> None:
    """Values and depth are counted as they are, whatever stands in the texts and names."""
    data = json.dumps({"type": "ping", "x": tree}, ensure_ascii=ascii_only)
    values, depth = counted(json.loads(data)), deep(json.loads(data))
    marks = [match[1] for match in frames._SHAPE.finditer(data)]
    empty = data.count("[]") + data.count("{}")
    assert values <= sum(mark in ("[", "{", ",") for mark in marks) <= values + empty
    seen = most = 0
    for mark in marks:
        seen += (mark in ("[", "{")) - (mark in ("]", "}"))
        most = max(most, seen)
    assert (seen, most) == (0, depth)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"params": {"a": [0] * (frames.MAX_VALUES - 6)}}, None),
        ({"params": {"a": [0] * frames.MAX_VALUES}}, 1009),
        ({"forms": {"f": [["a, b, [c], {d}" * 50, "x"]] * 1000}}, None),
        ({"forms": {"f": [["a", "x"]] * 7000}}, 1009),
        ({"params": {"a": json.loads("[" * 30 + "]" * 30)}}, None),
        ({"params": {"a": json.loads("[" * 31 + "]" * 31)}}, 1002),
        ({"params": {"a": "[" * 5000}}, None),
        ({"unknown": [[]] * frames.MAX_VALUES}, 1009),
    ],
)
def test_how_much_a_frame_may_hold(more: dict[str, Any], code: int | None) -> None:
    """Up to `MAX_VALUES` values, and `MAX_DEPTH` deep: what stands in a text counts nothing, what is ignored counts."""
    data = json.dumps({"type": "mount", "sent": 0, **more})
    if code is None:
        frames.parse_control(data)
        return
    with pytest.raises(ProtocolError) as caught:
        frames.parse_control(data)
    assert caught.value.close_code == code


@given(st.text(min_size=8, alphabet="SECRET"), st.sampled_from(["token", "sent", "params", "key", "type"]))
def test_an_error_does_not_quote_the_peer(secret: str, name: str) -> None:
    """The text of a refusal says where, in words of ours, and nothing of what was sent."""
    frame = {"type": "mount", "sent": 0, name: [secret]}
    with pytest.raises(ProtocolError) as caught:
        frames.parse_control(json.dumps(frame) if name != "key" else secret)
    assert secret not in str(caught.value)
    assert len(str(caught.value).encode()) <= 123  # what fits into a close frame
