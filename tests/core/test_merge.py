"""Mounting: fresh state, token and connect params become one view."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypedDict

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quart_stash.core.keys import Keyring
from quart_stash.core.merge import Merged, Snapshot, merge, seal_snapshot
from quart_stash.core.settable import ClientSettable
from quart_stash.core.state import StateType
from quart_stash.core.tokens import Context, Sealer
from quart_stash.errors import ProtocolError, TokenError, TokenRefused, TokenUnjudgeable

VECTORS: dict[str, Any] = json.loads(Path(__file__).parents[1].joinpath("vectors/merge.json").read_text())
TYPES = {"int": int, "str": str, "bool": bool, "list[str]": list[str], "int | None": int | None}
SEALER = Sealer(Keyring(["3f0c8be1a4d75629-new"]))
STRANGER = Sealer(Keyring(["b81d02f6e97c4a35-old"]))
HERE = Context("view", ("checkout", "alice"))
NOW = 1_700_000_000.0

CONTEXTS = {
    "other-view": Context("view", ("profile", "alice")),
    "other-identity": Context("view", ("checkout", "bob")),
    "other-purpose": Context("secret", HERE.parts),
}


def default_factory(value: Any) -> Callable[[], Any]:
    return lambda: json.loads(json.dumps(value))


def hints() -> list[tuple[str, Any, Any]]:
    return [
        (
            name,
            Annotated[TYPES[field["type"]], ClientSettable]
            if field.get("settable")
            else TYPES[field["type"]],
            field["default"],
        )
        for name, field in VECTORS["fields"].items()
    ]


def make_dataclass() -> Any:
    return dataclasses.make_dataclass(
        "Checkout",
        [
            (name, hint, dataclasses.field(default_factory=default_factory(value)))
            for name, hint, value in hints()
        ],
    )


def make_attrs() -> Any:
    made = {name: attrs.field(type=hint, factory=default_factory(value)) for name, hint, value in hints()}
    return attrs.make_class("Checkout", made, frozen=True)


def make_struct() -> Any:
    return msgspec.defstruct(
        "Checkout",
        [
            (name, hint, msgspec.field(default_factory=default_factory(value)))
            for name, hint, value in hints()
        ],
    )


def declare(make: Callable[[], Any]) -> StateType[Any]:
    declared = StateType[Any](make(), version=VECTORS["version"])

    @declared.migrate(from_version=1)
    def from_single_item(old: dict[str, Any]) -> dict[str, Any]:
        return {**old, "basket": [old.pop("item")]}

    return declared


def token_of(description: dict[str, Any] | None) -> str | None:
    if description is None:
        return None
    how = description["sealed_as"]
    state = msgspec.Raw(msgspec.msgpack.encode(description["state"]))
    token = seal_snapshot(
        STRANGER if how == "other-key" else SEALER,
        CONTEXTS.get(how, HERE),
        Snapshot("old", description["received"], state),
        version=description["version"],
        now=NOW - description["age"],
    )
    if how == "tampered":
        return token[:-5] + ("A" if token[-5] != "A" else "B") + token[-4:]
    return {"truncated": token[:-4], "garbage": "not a token"}.get(how, token)


def mount(
    declared: StateType[Any],
    token: str | None = None,
    params: dict[str, Any] | None = None,
    *,
    sent: int = 0,
    fork: bool = False,
    anyway: bool = False,
    foreign: bool = False,
    max_size: int = 65536,
) -> Merged[Any]:
    return merge(
        declared,
        SEALER,
        HERE,
        token=token,
        params=params or {},
        sent=sent,
        fork=fork,
        anyway=anyway,
        foreign=foreign,
        new_id="new",
        max_age=VECTORS["max_age"],
        max_size=max_size,
        now=NOW,
    )


@pytest.mark.parametrize("make", [make_dataclass, make_attrs, make_struct])
@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_vectors(case: dict[str, Any], make: Callable[[], Any]) -> None:
    """Every published case merges as it says, whatever kind of class the state is."""
    declared, token, expect = declare(make), token_of(case["token"]), case["expect"]
    given_ = {name: case[name] for name in ("params", "sent", "fork", "anyway", "foreign") if name in case}
    if "error" in expect:
        with pytest.raises({"unjudgeable": TokenUnjudgeable, "protocol": ProtocolError}[expect["error"]]):
            mount(declared, token, **given_)
        return
    merged = mount(declared, token, **given_)
    assert msgspec.to_builtins(merged.state) == expect["state"]
    assert (merged.status, merged.reason) == (expect["status"], expect["reason"])
    assert (merged.view_id, merged.received) == (expect["view"], expect["received"])
    assert list(merged.invalid) == expect["invalid"]
    if merged.status == "restored":
        assert (merged.issued_at, merged.error) == (NOW - case["token"]["age"], None)
    else:
        assert merged.issued_at is None
        assert isinstance(merged.error, TokenError) == (merged.reason not in (None, "identity"))


def test_protocol_error_closes_1002() -> None:
    """The protocol error of a client that sent less than its token covers carries the close code."""
    declared = declare(make_struct)
    token = seal_snapshot(
        SEALER, HERE, Snapshot("old", 3, msgspec.Raw(declared.encode(declared.fresh()))), version=2, now=NOW
    )
    with pytest.raises(ProtocolError) as caught:
        mount(declared, token, sent=2)
    assert caught.value.close_code == 1002


class Cart(TypedDict, total=False):
    step: int
    open: Annotated[bool, ClientSettable]


@given(
    st.sampled_from([dict, Cart, None]),
    st.integers(0, 2**53 - 1),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
)
def test_other_kinds(kind: Any, received: int, view_id: str) -> None:
    """A dict, a TypedDict and no state at all go through a token too, with any id and number."""
    declared = StateType[Any](kind)
    state = None if kind is None else {"step": 5}
    snapshot = Snapshot(view_id, received, msgspec.Raw(declared.encode(state)))
    token = seal_snapshot(SEALER, HERE, snapshot, version=1, now=NOW)
    merged = mount(declared, token, {"open": True, "step": 9}, sent=received)
    assert (merged.view_id, merged.received) == (view_id, received)
    assert merged.state == ({"step": 5, "open": True} if kind is Cart else state)


@given(st.text())
def test_any_text_for_a_token(token: str) -> None:
    """Whatever text a client holds for a token, it is rejected, or left for another process to judge."""
    declared = declare(make_struct)
    assert mount(declared, token, anyway=True).status == "rejected"
    with contextlib.suppress(TokenUnjudgeable):
        assert mount(declared, token).status == "rejected"


@pytest.mark.parametrize(
    "payload",
    [b"", b"\xc1", b"junk", msgspec.msgpack.encode(["old"]), msgspec.msgpack.encode(["old", -1, None])],
)
def test_sealed_but_no_view(payload: bytes) -> None:
    """A token that opens but holds no view is refused."""
    merged = mount(declare(make_struct), SEALER.seal(payload, HERE, version=2, now=NOW), sent=5)
    assert (merged.status, merged.reason) == ("rejected", "refused")
    assert isinstance(merged.error, TokenRefused)


def test_nothing_shows_the_state() -> None:
    """Printing a merged view or a snapshot does not show the state."""
    declared = declare(make_struct)
    state = declared.decode(msgspec.msgpack.encode({"note": "hunter2"}), 2)
    snapshot = Snapshot("old", 0, msgspec.Raw(declared.encode(state)))
    merged = mount(declared, seal_snapshot(SEALER, HERE, snapshot, version=2, now=NOW))
    assert merged.state.note == "hunter2"
    assert "hunter2" not in repr(merged) + repr(snapshot)


def test_params_are_not_kept() -> None:
    """A rejected mount shows why a param was refused, but not its value."""
    merged = mount(declare(make_struct), None, {"drawer_open": "hunter2"})
    assert merged.invalid == {"drawer_open": "Expected `bool`, got `str`"}
