"""What a view is told of forms: the half-typed ones of its mount, and the submitted ones."""

from __future__ import annotations

import json

import pytest
from werkzeug.datastructures import MultiDict

from quart_stash import Message, StashedForm

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


def test_copy() -> None:
    """A copy has the same fields and the same names, and is another object."""
    copy = STASHED.copy()
    copy["name"] = "Grace"
    assert copy.touched == STASHED.touched
    assert copy.getlist("tag") == ["a", "b"]
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
