"""Frames: the shared vectors, and that nothing but a frame or a `ProtocolError` comes out of parsing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from quart_stash.core import frames, shape
from quart_stash.core.text import well_formed
from quart_stash.errors import ProtocolError
from quart_stash.forms import Pushed

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


@pytest.mark.parametrize("vector", VECTORS["up"]["salvaged"], ids=lambda v: v["text"][:70])
def test_what_of_a_mount_can_be_read(vector: dict[str, Any]) -> None:
    """Of a mount whose params or forms can't all be read, the others are taken, and the vectors say why those are not."""
    mount = frames.parse_control(vector["text"])
    fields = {name: getattr(mount, name) for name in vector["frame"] if name != "type"}
    assert json.loads(json.dumps(fields)) == {k: v for k, v in vector["frame"].items() if k != "type"}
    assert isinstance(mount, frames.Mount)
    assert {"invalid": mount.invalid, "dropped": mount.dropped} == {
        name: vector["frame"].get(name, {}) for name in ("invalid", "dropped")
    }


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
@example('{"type":"mount","sent":0,"params":[],"forms":{"f":"\ud800"}}')
@example('{"type":"mount","sent":0,"params":[' + "]" * 100_000)
@example('{"type":"mount","sent":0,"params":' + "," * 100_000)
@example('{"type":"mount",' + '"params":[[]],' * 30_000 + '"sent":0}')
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
    marks = [match[1] for match in shape._SHAPE.finditer(data)]
    empty = data.count("[]") + data.count("{}")
    assert values <= sum(mark in ("[", "{", ",") for mark in marks) <= values + empty
    seen = most = 0
    for mark in marks:
        seen += (mark in ("[", "{")) - (mark in ("]", "}"))
        most = max(most, seen)
    assert (seen, most) == (0, depth)


MANY = f"a frame of more than {frames.MAX_VALUES} values"
DEEP = f"a frame that is nested more than {frames.MAX_DEPTH} deep"


def nested(depth: int) -> Any:
    return json.loads("[" * depth + "]" * depth)


@pytest.mark.parametrize(
    ("more", "invalid", "dropped"),
    [
        ({"params": {"a": [0] * (frames.MAX_VALUES - 6)}}, {}, {}),
        ({"params": {"a": [0] * (frames.MAX_VALUES + 1)}, "forms": {"f": []}}, {"a": MANY}, {}),
        ({"params": {f"{n}": n for n in range(frames.MAX_VALUES + 1)}}, {"": MANY}, {}),
        ({"forms": {"f": [["a, b, [c], {d}" * 50, "x"]] * 1000}}, {}, {}),
        ({"forms": {"f": [["a", "x"]] * 7000, "g": []}, "params": {"a": 1}}, {}, {"f": MANY}),
        ({"forms": {"f": [["a", "x"]] * 4000}, "params": {"a": [0] * 15_000}}, {}, {"": MANY}),
        ({"params": {"a": nested(30)}}, {}, {}),
        ({"params": {"a": nested(31), "b": nested(30)}}, {"a": DEEP}, {}),
        ({"params": nested(40)}, {"": DEEP}, {}),
        ({"params": {"a": "[" * 5000}}, {}, {}),
    ],
)
def test_how_much_a_mount_may_bring(more: Any, invalid: dict[str, str], dropped: dict[str, str]) -> None:
    """Up to `MAX_VALUES` values, and `MAX_DEPTH` deep; what stands in a text counts nothing. The rest is dropped, and told."""
    mount = frames.parse_control(json.dumps({"type": "mount", "sent": 0, **more}))
    assert isinstance(mount, frames.Mount)
    assert (mount.invalid, mount.dropped) == (invalid, dropped)
    kept = {
        name: {
            key: value for key, value in (part.items() if isinstance(part, dict) else ()) if key not in why
        }
        for name, why in (("params", invalid), ("forms", dropped))
        if "" not in why and (part := more.get(name))
    }
    assert json.loads(json.dumps({name: getattr(mount, name) for name in kept})) == kept


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"type": "mount", "sent": 0, "unknown": [[]] * frames.MAX_VALUES}, 1009),
        ({"type": "mount", "sent": 0, "unknown": nested(40), "params": {}}, 1002),
        ({"type": "ping", "params": [[]] * frames.MAX_VALUES}, 1009),
        ({"type": "mount", "sent": nested(40), "params": []}, 1002),
    ],
)
def test_how_much_a_frame_may_hold(frame: dict[str, Any], code: int) -> None:
    """Also what is ignored counts, and no page puts that in: it is a breach."""
    with pytest.raises(ProtocolError) as caught:
        frames.parse_control(json.dumps(frame))
    assert caught.value.close_code == code


halves = st.text(st.characters() | st.sampled_from(["\ud83d", "\ude00", '"', "\\", "{", "]", ","]))
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["LONG", "HUGE"]) | halves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(halves, inner, max_size=4),
    max_leaves=12,
)
forms_of_any_kind = anything | st.dictionaries(
    halves, anything | st.lists(st.tuples(halves, halves | anything), max_size=4), max_size=4
)


@given(
    st.fixed_dictionaries(
        {}, optional={"params": anything, "forms": forms_of_any_kind, "empty": forms_of_any_kind}
    ),
    st.integers(0, 40),
    st.booleans(),
)
@example({"params": {"a": [0] * frames.MAX_VALUES}, "forms": {"f": [["a", "x"]] * 7000}}, 0, False)
@example({"params": {"f": "LONG", "g": [{"a": "HUGE"}]}, "forms": {"n" * 300: [], "": 1}}, 9_000, True)
def test_no_content_of_forms_or_params_ends_a_view(
    brought: dict[str, Any], depth: int, ascii_only: bool
) -> None:
    """Whatever a page brings of params and forms, its mount is taken, all of it can be encoded, and what is dropped is told."""
    text = json.dumps({"type": "mount", "sent": 3, "token": "T", **brought}, ensure_ascii=ascii_only)
    if not ascii_only:  # as JSON.stringify writes it: escapes of what is half of a pair
        text = re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):x}", text)
    text = text.replace('"LONG"', "1" * 5000).replace('"HUGE"', "1e400")  # numbers that no type holds
    if depth:
        brought = {**brought, "params": {"deep": 1}}
        text = text[:-1] + ',"params":{"deep":' + '{"a":' * depth + "1" + "}" * depth + "}}"
    mount = frames.parse_control(text)
    assert isinstance(mount, frames.Mount)
    assert (mount.sent, mount.token) == (3, "T")
    encoded = frames.encode(mount)
    assert frames.parse_control(encoded) == msgspec.structs.replace(mount, invalid={}, dropped={})
    pushed = Pushed(mount.params, mount.forms, mount.empty)
    assert dict(pushed.params) == mount.params
    for form in pushed.forms.values():
        form.over({"name": "rendered"}).to_dict(flat=False)
    told = frames.Mounted("fresh", 0, "b", frames.Limits(1, 1), invalid=mount.invalid, dropped=mount.dropped)
    assert frames.parse_down(frames.encode(told)) == told
    for name in ("params", "forms", "empty"):
        part = brought.get(name, {})
        why = mount.invalid if name == "params" else mount.dropped
        whole = isinstance(part, dict) and len(getattr(mount, name)) == len(
            {well_formed(key) for key in part}
        )
        assert whole or why


@given(st.text(min_size=8, alphabet="SECRET"), st.sampled_from(["token", "sent", "fork", "key", "type"]))
def test_an_error_does_not_quote_the_peer(secret: str, name: str) -> None:
    """The text of a refusal says where, in words of ours, and nothing of what was sent."""
    frame = {"type": "mount", "sent": 0, name: [secret]}
    with pytest.raises(ProtocolError) as caught:
        frames.parse_control(json.dumps(frame) if name != "key" else secret)
    assert secret not in str(caught.value)
    assert len(str(caught.value).encode()) <= 123  # what fits into a close frame
    mount = frames.parse_control(
        json.dumps({"type": "mount", "sent": 0, "params": secret, "forms": {"f": secret}})
    )
    assert isinstance(mount, frames.Mount)
    assert secret not in f"{mount.invalid}{mount.dropped}"
