"""What a view is told of forms: the half-typed ones of its mount, and the submitted ones."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable

import pytest
from werkzeug.datastructures import MultiDict

from quart_stash import Message, StashedForm, forms

STASHED = StashedForm([("name", "Ada"), ("tag", "a"), ("tag", "b")], ["newsletter"])


def message(data: str | bytes) -> Message:
    return Message(data, 1, "view:1", replayed=False)


def test_touched() -> None:
    """A field is touched if it has a value, and also if the browser says that it has none."""
    assert STASHED.touched == {"name", "tag", "newsletter"}
    assert STASHED.getlist("tag") == ["a", "b"]
    assert "newsletter" not in STASHED


@pytest.mark.parametrize(
    "rendered",
    [
        [
            ("name", ""),
            ("tag", "c"),
            ("newsletter", "y"),
            ("mail", "ada@example.com"),
            ("role", "1"),
            ("role", "2"),
        ],
        {"name": "", "tag": ["c"], "newsletter": "y", "mail": "ada@example.com", "role": ["1", "2"]},
        MultiDict([("newsletter", "y"), ("role", "1"), ("mail", "ada@example.com"), ("role", "2")]),
    ],
    ids=["pairs", "mapping", "MultiDict"],
)
def test_over(rendered: object) -> None:
    """What was touched takes the place of what is rendered under its name, also by nothing; the rest stays."""
    whole = STASHED.over(rendered)  # type: ignore[arg-type]
    assert whole.to_dict(flat=False) == {
        "name": ["Ada"], "tag": ["a", "b"], "mail": ["ada@example.com"], "role": ["1", "2"],
    }  # fmt: skip


@pytest.mark.parametrize(
    "rendered",
    [
        {"mail": None, "role": ["1", None], "name": None},
        [("mail", None), ("role", "1"), ("role", None), ("name", None)],
    ],
    ids=["mapping", "pairs"],
)
def test_over_none(rendered: object) -> None:
    """None is no value that a form could hold: it is left out."""
    whole = STASHED.over(rendered)  # type: ignore[arg-type]
    assert whole.to_dict(flat=False) == {"role": ["1"], "name": ["Ada"], "tag": ["a", "b"]}


def pickled(form: StashedForm) -> StashedForm:
    again = pickle.loads(pickle.dumps(form))
    assert isinstance(again, StashedForm)
    return again


@pytest.mark.parametrize(
    "duplicate",
    [StashedForm.copy, StashedForm.deepcopy, copy.copy, copy.deepcopy, pickled],
    ids=["copy", "deepcopy", "copy.copy", "copy.deepcopy", "pickle"],
)
def test_copy(duplicate: Callable[[StashedForm], StashedForm]) -> None:
    """A copy, of whichever kind, has the same fields and the same names, and is another object."""
    other = duplicate(STASHED)
    assert other == STASHED
    assert other.touched == STASHED.touched
    assert other.getlist("tag") == ["a", "b"]
    other["name"] = "Grace"
    assert STASHED["name"] == "Ada"


def test_a_submit() -> None:
    """A submitted form is there under its name, in order, with every value."""
    fields = [["tag", "a"], ["name", "Ada"], ["tag", "b"]]
    submit = message(json.dumps({"form": "profile", "fields": fields}))
    form = submit.form("profile")
    assert form is not None
    assert form.to_dict(flat=False) == {"tag": ["a", "b"], "name": ["Ada"]}
    assert submit.form("other") is None


def test_an_empty_submit() -> None:
    """A form of unticked boxes only is a submit too: empty, and not None."""
    assert message('{"form": "f", "fields": []}').form("f") == MultiDict()


def test_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many forms a message is looked through for, it is decoded once, and each caller has its own."""
    decoded = []

    class Counting:
        def decode(self, data: str) -> object:
            decoded.append(data)
            return decoder.decode(data)

    decoder = forms._decoder
    monkeypatch.setattr(forms, "_decoder", Counting())
    submit = message('{"form": "f", "fields": [["a", "1"]]}')
    first = submit.form("f")
    assert first is not None
    first["a"] = "2"
    assert (submit.form("g"), submit.form("f")) == (None, MultiDict({"a": "1"}))
    other = message("hello")
    assert (other.form("f"), other.form("g")) == (None, None)
    assert decoded == [submit.data, "hello"]
    assert submit == message(submit.data), "what was decoded is no part of what a message is"


def test_half_an_emoji() -> None:
    """Half of a surrogate pair, as `JSON.stringify` writes it, is U+FFFD: in a submit, and in any other JSON."""
    half = r'{"form": "f\ud83d", "fields": [["a\udE00", "half \uD83D, \\ud83d, \ud83d\ude00"]]}'
    form = message(half).form("f\ufffd")
    assert form == MultiDict([("a\ufffd", "half \ufffd, \\ud83d, 😀")])
    assert message(half).json()["fields"] == message(half.encode()).json()["fields"]
    assert message(half).json()["fields"] == [["a\ufffd", "half \ufffd, \\ud83d, 😀"]]
    with pytest.raises(ValueError, match="truncated"):
        message(r'{"a": "\ud83d}').json()


HOSTILE: dict[str, str | bytes] = {
    "nothing": "",
    "text": "hello",
    "a number": "1",
    "another message": '{"sku": "a1"}',
    "a list": '["form", "f"]',
    "no fields": '{"form": "f"}',
    "no form": '{"fields": []}',
    "a form that is null": '{"form": null, "fields": []}',
    "fields as an object": '{"form": "f", "fields": {"a": "1"}}',
    "a field without a value": '{"form": "f", "fields": [["a"]]}',
    "a field with two values": '{"form": "f", "fields": [["a", "1", "2"]]}',
    "a number as a value": '{"form": "f", "fields": [["a", 1]]}',
    "a null as a value": '{"form": "f", "fields": [["a", null]]}',
    "bytes": b'{"form": "f", "fields": []}',
    "half a letter": '{"form": "f", "fields": [["a", "\ud800"]]}',
    "what is not JSON after it": '{"form": "f", "fields": []} 1',
    "depth": '{"form": "f", "fields": ' + "[" * 100_000,
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_anything_else(data: str | bytes) -> None:
    """Whatever else a client sends is no form, and no exception."""
    assert message(data).form("f") is None
