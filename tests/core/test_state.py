"""The declared state: kinds, encoding, migrations, client-settable fields."""

# Annotations are real objects here (no `from __future__ import annotations`): tests declare states within.

import dataclasses
import datetime
import enum
import uuid
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal, NotRequired, Required, TypedDict

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quart_stash.core.settable import ClientSettable
from quart_stash.core.state import StateType
from quart_stash.errors import ConfigurationError, TokenStale

Positive = Annotated[int, msgspec.Meta(ge=0)]


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class AsDataclass:
    step: int = 1
    basket: list[str] = dataclasses.field(default_factory=list[str])
    drawer_open: Annotated[bool, ClientSettable] = False
    width: Annotated[Positive | None, ClientSettable] = None


@dataclasses.dataclass(frozen=True, slots=True)
class AsFrozenDataclass:
    step: int = 1
    basket: list[str] = dataclasses.field(default_factory=list[str])
    drawer_open: Annotated[bool, ClientSettable] = False
    width: Annotated[Positive | None, ClientSettable] = None


@attrs.define
class AsAttrs:
    step: int = 1
    basket: list[str] = attrs.Factory(list[str])
    drawer_open: Annotated[bool, ClientSettable] = False
    width: Annotated[Positive | None, ClientSettable] = None


@attrs.frozen
class AsFrozenAttrs:
    step: int = 1
    basket: list[str] = attrs.Factory(list[str])
    drawer_open: Annotated[bool, ClientSettable] = False
    width: Annotated[Positive | None, ClientSettable] = None


class AsStruct(msgspec.Struct):
    step: int = 1
    basket: list[str] = []
    drawer_open: Annotated[bool, ClientSettable] = False
    width: Annotated[Positive | None, ClientSettable] = None


class AsFrozenStruct(msgspec.Struct, frozen=True, rename="camel"):
    step: int = 1
    basket: list[str] = []
    drawer_open: Annotated[bool, ClientSettable] = False
    width: Annotated[Positive | None, ClientSettable] = None


class AsTypedDict(TypedDict, total=False):
    step: int
    basket: list[str]
    drawer_open: Annotated[bool, ClientSettable]
    width: NotRequired[Annotated[Positive | None, ClientSettable]]


CLASSES: list[Any] = [AsDataclass, AsFrozenDataclass, AsAttrs, AsFrozenAttrs, AsStruct, AsFrozenStruct]
KINDS: list[Any] = [*CLASSES, AsTypedDict]


def plain(state: Any) -> dict[str, Any]:
    if isinstance(state, dict):
        return state
    return {name: getattr(state, name) for name in ("step", "basket", "drawer_open", "width")}


fields = st.fixed_dictionaries(
    {
        "step": st.integers(-(2**63), 2**64 - 1),
        "basket": st.lists(st.text(st.characters(exclude_categories=["Cs"]))),
        "drawer_open": st.booleans(),
        "width": st.none() | st.integers(0, 2**64 - 1),
    }
)


@given(st.sampled_from(KINDS), fields)
def test_round_trip(kind: Any, values: dict[str, Any]) -> None:
    """A state of any kind comes back as it was, of its own type."""
    declared = StateType[Any](kind)
    state = declared.decode(declared.encode(kind(**values)), 1)
    assert plain(state) == values
    assert type(state) is (dict if kind is AsTypedDict else kind)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abcäß", max_size=4), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text("abcäß"), json_like))
def test_dict_round_trip(state: dict[str, Any]) -> None:
    """A plain dict comes back as it was."""
    for kind in (dict, dict[str, Any]):
        declared = StateType[dict[str, Any]](kind)
        assert declared.decode(declared.encode(state), 1) == state


def test_rich_types() -> None:
    """Dates, UUIDs, enums, bytes, sets and nested types come back as what they were."""

    @dataclasses.dataclass
    class Line:
        sku: str
        added: datetime.datetime

    @dataclasses.dataclass
    class Rich:
        id: uuid.UUID | None = None
        day: datetime.date | None = None
        colour: Colour = Colour.RED
        raw: bytes = b""
        tags: set[str] = dataclasses.field(default_factory=set[str])
        lines: list[Line] = dataclasses.field(default_factory=list[Line])
        by_number: dict[int, str] = dataclasses.field(default_factory=dict[int, str])

    noon = datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.UTC)
    state = Rich(
        uuid.UUID(int=5),
        datetime.date(2024, 2, 29),
        Colour.BLUE,
        b"\x00",
        {"a"},
        [Line("x", noon)],
        {1: "one"},
    )
    declared = StateType(Rich)
    assert declared.decode(declared.encode(state), 1) == state


@pytest.mark.parametrize("kind", KINDS)
def test_fresh(kind: Any) -> None:
    """A fresh state is made anew each time, and shares nothing with another."""
    declared = StateType[Any](kind)
    one, other = declared.fresh(), declared.fresh()
    assert one is not other
    if kind is AsTypedDict:
        assert one == {}
    else:
        assert plain(one) == {"step": 1, "basket": [], "drawer_open": False, "width": None}
        one.basket.append("x")
        assert other.basket == declared.fresh().basket == []


def test_no_state() -> None:
    """A view may have no state: it is None, has no fields, and nothing to migrate."""
    nothing = StateType[None](None)
    assert nothing.fresh() is None
    assert nothing.decode(nothing.encode(None), 1) is None
    assert nothing.apply(None, {"x": 1}) == (None, {})
    assert dict(nothing.settable) == {}
    with pytest.raises(ConfigurationError):
        StateType[None](None, version=2).migrate(1)


def test_missing_and_unknown_fields() -> None:
    """A field that the old code did not have takes its default; one that the new code lacks is dropped."""
    raw = msgspec.msgpack.encode({"step": 4, "coupon": "gone"})
    assert StateType(AsDataclass).decode(raw, 1) == AsDataclass(step=4)


class NotAState:
    pass


@dataclasses.dataclass
class HoldsForeign:
    inner: list[dict[str, NotAState | None]] = dataclasses.field(default_factory=list[Any])


@dataclasses.dataclass
class NeedsArgument:
    step: int


@attrs.define
class Failing:
    step: int = 0

    def __attrs_post_init__(self) -> None:
        raise RuntimeError("boom")


class RequiredKey(TypedDict):
    step: int


class OneRequiredKey(TypedDict, total=False):
    step: Required[int]


class AsArray(msgspec.Struct, array_like=True):
    step: int = 1


@dataclasses.dataclass
class WrongDefault:
    step: int = "one"  # type: ignore[assignment]  # that is the point


@dataclasses.dataclass
class Undefined:
    step: "Nowhere | None" = None  # type: ignore[name-defined]  # noqa: F821


@dataclasses.dataclass
class AmbiguousUnion:
    item: AsDataclass | NeedsArgument | None = None


@dataclasses.dataclass
class HalfSettable:
    width: Annotated[int, ClientSettable] | None = None


@dataclasses.dataclass
class InnerSettable:
    widths: list[Annotated[int, ClientSettable]] = dataclasses.field(default_factory=list[int])


@pytest.mark.parametrize(
    "kind",
    [
        int,
        list,
        object,
        NotAState,
        HoldsForeign,
        NeedsArgument,
        Failing,
        RequiredKey,
        OneRequiredKey,
        AsArray,
        WrongDefault,
        Undefined,
        AmbiguousUnion,
        HalfSettable,
        InnerSettable,
        AsDataclass(),
        "AsDataclass",
    ],
)
def test_unfit_type(kind: Any) -> None:
    """A type that can't be a state is refused when it is declared, by name."""
    with pytest.raises(ConfigurationError) as caught:
        StateType[Any](kind)
    assert getattr(kind, "__qualname__", repr(kind)) in str(caught.value)


def test_foreign_type_is_named() -> None:
    """A type deep within that can't be encoded is found at the start, and named."""
    with pytest.raises(ConfigurationError, match="NotAState"):
        StateType(HoldsForeign)


def test_recursive_type() -> None:
    """A type that holds itself is fine."""

    class Tree(msgspec.Struct):
        children: "list[Tree]" = []

    globals()["Tree"] = Tree
    declared = StateType(Tree)
    state = Tree([Tree(), Tree([Tree()])])
    assert declared.decode(declared.encode(state), 1) == state


@pytest.mark.parametrize("version", [0, -1, 2**32])
def test_unfit_version(version: int) -> None:
    """Versions count from 1, and fit a token's header."""
    with pytest.raises(ConfigurationError):
        StateType(AsDataclass, version=version)


def test_unencodable_value() -> None:
    """Putting something into the state that can't be encoded raises when it is encoded."""
    with pytest.raises(TypeError):
        StateType(dict).encode({"x": object()})


@pytest.mark.parametrize("kind", KINDS)
def test_migrations(kind: Any) -> None:
    """An old state goes through every step from its version to the running one, as a plain dict."""
    declared = StateType[Any](kind, version=3)
    seen: list[tuple[int, dict[str, Any]]] = []

    @declared.migrate(from_version=2)
    def two(old: dict[str, Any]) -> dict[str, Any]:
        seen.append((2, dict(old)))
        return {**old, "step": old["step"] + 10}

    @declared.migrate(from_version=1)
    def one(old: dict[str, Any]) -> dict[str, Any]:
        seen.append((1, dict(old)))
        return {"step": 1, "basket": [old["item"]]}

    assert (
        plain(declared.decode(msgspec.msgpack.encode({"item": "a1"}), 1)).items()
        >= {"step": 11, "basket": ["a1"]}.items()
    )
    assert seen == [(1, {"item": "a1"}), (2, {"step": 1, "basket": ["a1"]})]
    assert plain(declared.decode(msgspec.msgpack.encode({"step": 1}), 2))["step"] == 11
    assert plain(declared.decode(msgspec.msgpack.encode({"step": 1}), 3))["step"] == 1
    assert (one({"item": "b"}), callable(two)) == ({"step": 1, "basket": ["b"]}, True)


def test_from_no_state() -> None:
    """A view that had no state before is migrated from an empty dict."""
    declared = StateType(AsDataclass, version=2)
    declared.migrate(1)(lambda old: {**old, "step": 2})
    assert declared.decode(StateType[None](None).encode(None), 1) == AsDataclass(step=2)


@pytest.mark.parametrize("version", [1, 2, 4, 5])
def test_no_path(version: int) -> None:
    """A version from which a step is missing, and one that is newer, are stale, with the version as data."""
    declared = StateType(AsDataclass, version=4)
    declared.migrate(1)(lambda old: old)
    declared.migrate(3)(lambda old: old)
    raw = declared.encode(AsDataclass())
    if version == 4:
        assert declared.decode(raw, 4) == AsDataclass()
        return
    with pytest.raises(TokenStale) as caught:
        declared.decode(raw, version)
    assert caught.value.version == version


def raising(old: dict[str, Any]) -> dict[str, Any]:
    raise ValueError(old["password"])


def returning_none(old: dict[str, Any]) -> dict[str, Any]:
    del old["password"]
    return None  # type: ignore[return-value]  # that is the point


def unencodable(old: dict[str, Any]) -> dict[str, Any]:
    return {"step": old["password"], "more": object()}


def misfit(old: dict[str, Any]) -> dict[str, Any]:
    return {"step": old["password"]}


@pytest.mark.parametrize("migration", [raising, returning_none, unencodable, misfit])
def test_failing_migration(migration: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """A migration that raises, or returns a misfit, makes the state stale, and shows nothing of it."""
    declared = StateType(AsDataclass, version=2)
    declared.migrate(1)(migration)
    with pytest.raises(TokenStale) as caught:
        declared.decode(msgspec.msgpack.encode({"password": "hunter2"}), 1)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("from_version", [0, -1, 3, 4])
def test_useless_migration(from_version: int) -> None:
    """A migration that no old state can need is refused."""
    with pytest.raises(ConfigurationError, match="version 3"):
        StateType(AsDataclass, version=3).migrate(from_version)


def test_migration_twice() -> None:
    """Two migrations from one version are refused."""
    declared = StateType(AsDataclass, version=3)
    declared.migrate(2)(lambda old: old)
    with pytest.raises(ConfigurationError, match="two migrations from version 2"):
        declared.migrate(2)


def test_garbage_is_stale() -> None:
    """Bytes that are no state, or not one of this type, are stale, and the text shows nothing of them."""
    declared = StateType(AsDataclass)
    for raw in (
        b"",
        b"\xc1",
        b"\xff\xff",
        msgspec.msgpack.encode(["hunter2"]),
        msgspec.msgpack.encode({"step": "hunter2"}),
    ):
        with pytest.raises(TokenStale) as caught:
            declared.decode(raw, 1)
        assert "hunter2" not in str(caught.value)


def test_type_that_raises() -> None:
    """A type whose own check raises makes an old state stale, and the check's text is not shown."""

    @dataclasses.dataclass
    class Checked:
        step: int = 1
        note: str = ""

        def __post_init__(self) -> None:
            if self.step > 5:
                raise KeyError(self.note)

    with pytest.raises(TokenStale) as caught:
        StateType(Checked).decode(msgspec.msgpack.encode({"step": 6, "note": "hunter2"}), 1)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_settable(kind: Any) -> None:
    """The settable fields are those that the declaration marks."""
    assert set(StateType[Any](kind).settable) == {"drawer_open", "width"}


@pytest.mark.parametrize("kind", KINDS)
def test_apply(kind: Any) -> None:
    """Settable fields take what is pushed, the others keep theirs, and the given state is not changed."""
    declared = StateType[Any](kind)
    before = kind(step=4, basket=["a"], drawer_open=False, width=3)
    after, invalid = declared.apply(before, {"drawer_open": True, "step": 99, "basket": [], "other": 1})
    assert plain(after) == {"step": 4, "basket": ["a"], "drawer_open": True, "width": 3}
    assert plain(before) == {"step": 4, "basket": ["a"], "drawer_open": False, "width": 3}
    assert invalid == {}
    assert type(after) is type(before)


@pytest.mark.parametrize("kind", KINDS)
def test_apply_invalid(kind: Any) -> None:
    """A param that does not fit is left out and named; the others are set all the same."""
    declared = StateType[Any](kind)
    state, invalid = declared.apply(kind(drawer_open=True), {"drawer_open": "yes", "width": 7})
    assert (plain(state)["drawer_open"], plain(state)["width"]) == (True, 7)
    assert invalid == {"drawer_open": "Expected `bool`, got `str`"}
    state, invalid = declared.apply(kind(width=1), {"width": -7})
    assert plain(state)["width"] == 1
    assert invalid == {"width": "Expected `int` >= 0"}


@given(
    st.sampled_from(KINDS),
    st.dictionaries(st.sampled_from(["step", "basket", "drawer_open", "width", "x"]), json_like | st.text()),
)
def test_apply_anything(kind: Any, params: dict[str, Any]) -> None:
    """Whatever is pushed, only settable fields change, and what comes out encodes and decodes again."""
    declared = StateType[Any](kind)
    before = kind(step=4, basket=["a"], drawer_open=False, width=3)
    after, invalid = declared.apply(before, params)
    assert plain(after)["step"] == 4
    assert plain(after)["basket"] == ["a"]
    assert set(invalid) <= set(params) & {"drawer_open", "width"}
    assert plain(declared.decode(declared.encode(after), 1)) == plain(after)


@attrs.define
class Picky:
    name: Annotated[str, ClientSettable] = attrs.field(default="", validator=attrs.validators.max_len(5))
    colour: Annotated[Colour, ClientSettable] = Colour.RED
    size: Annotated[Literal["s", "m"], ClientSettable] = "s"
    number: Annotated[int, ClientSettable] = 0
    when: Annotated[datetime.datetime | None, ClientSettable] = None
    anything: Annotated[Any, ClientSettable] = None
    names: Annotated[dict[int, str], ClientSettable] = attrs.Factory(dict[int, str])


def test_json_values() -> None:
    """Values arrive as JSON has them: dates, enums and number keys as text."""
    params = {
        "colour": "blue",
        "size": "m",
        "when": "2024-02-29T12:00:00Z",
        "names": {"1": "one"},
        "anything": [None],
    }
    state, invalid = StateType(Picky).apply(Picky(), params)
    assert invalid == {}
    noon = datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.UTC)
    assert state == Picky(colour=Colour.BLUE, size="m", when=noon, names={1: "one"}, anything=[None])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", "hunter2"),
        ("colour", "hunter2"),
        ("size", "hunter2"),
        ("when", "hunter2"),
        ("number", "hunter2"),
        ("number", 2**70),
        ("number", True),
        ("number", 1.0),
        ("names", {"hunter2": "x"}),
        ("anything", {"x": 2**70}),
        ("anything", "\ud800"),
    ],
)
def test_refused_value_is_not_shown(name: str, value: Any) -> None:
    """A value that breaks a type, a limit, a validator or the encoding is refused and not repeated."""
    state, invalid = StateType(Picky).apply(Picky(), {name: value})
    assert state == Picky()
    assert list(invalid) == [name]
    assert "hunter2" not in invalid[name]
    assert str(2**70) not in invalid[name]


@attrs.frozen
class Range:
    low: Annotated[int, ClientSettable] = attrs.field(default=0, validator=attrs.validators.ge(0))
    high: Annotated[int, ClientSettable] = 10
    name: Annotated[str, ClientSettable] = ""

    def __attrs_post_init__(self) -> None:
        if self.low > self.high:
            raise AttributeError(f"{self.name}: {self.low} > {self.high}")


@pytest.mark.parametrize(
    ("params", "expected", "refused"),
    [
        ({"low": 5}, Range(5, 10), []),
        ({"low": 20, "high": 30}, Range(20, 30), []),
        ({"high": 30, "low": 20}, Range(20, 30), []),
        ({"low": 20, "name": "x"}, Range(0, 10, "x"), ["low"]),
        ({"low": -1, "high": 7}, Range(0, 7), ["low"]),
        ({"low": "1", "high": -1, "name": "x"}, Range(0, 10, "x"), ["low", "high"]),
    ],
)
def test_the_types_own_checks(params: dict[str, Any], expected: Range, refused: list[str]) -> None:
    """The type's own checks see what is pushed, taken together if that fits, else one by one."""
    assert StateType(Range).apply(Range(), params)[0] == expected
    assert list(StateType(Range).apply(Range(), params)[1]) == refused


def test_deep_value() -> None:
    """A value that is nested beyond reason is refused."""
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    state, invalid = StateType(Picky).apply(Picky(), {"anything": value})
    assert state.anything is None
    assert list(invalid) == ["anything"]


def test_class_variables() -> None:
    """A class variable is no field, and neither encoded nor settable."""

    @dataclasses.dataclass
    class WithClassVar:
        limit: ClassVar[int] = 5
        step: int = 1

    declared = StateType(WithClassVar)
    assert msgspec.msgpack.decode(declared.encode(WithClassVar())) == {"step": 1}
    assert dict(declared.settable) == {}
