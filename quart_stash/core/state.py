"""The declared state of a view: made, encoded, decoded, migrated, and what a client may set in it."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import (
    Any,
    Final,
    Generic,
    TypeAlias,
    TypeVar,
    cast,
    get_origin,
    is_typeddict,
)

import msgspec

from ..errors import ConfigurationError, TokenStale
from .settable import settable_fields
from .tokens import MAX_VERSION

__all__ = ["Migration", "StateType", "why_invalid"]

S = TypeVar("S")

Migration: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]
"""Takes the plain dict of one version and returns that of the next."""

_Migrate = TypeVar("_Migrate", bound=Migration)

# What msgspec says about the declaration's types and limits is fit to be told. Other messages of its own hold
# the refused value, and so may those of the application's validators.
_TELLABLE: Final = re.compile(
    r"Expected `[^`]*`(?:, got `[a-z]+`| (?:[<>]=? [-0-9.e+]+|of length [<>]=? [0-9]+))?"
    r"(?: - at (?:`key` in )?`[^`]*`)?"
)


class _TooLarge(Exception):
    """What a client wants to set makes the state too large for a token."""


class StateType(Generic[S]):
    """A declared state type with its version, its migrations and its client-settable fields.

    Args:
        declared: a dataclass, attrs class, msgspec Struct, TypedDict (`total=False`) or dict that can be
            made without arguments; None: a view without a state.
        version: counted up when old states no longer fit, from 1.

    Attributes:
        declared: as given.
        version: as given.
        settable: name to type of the client-settable fields.

    Raises:
        ConfigurationError: the type can't be a state, or the version is not a positive number.
    """

    def __init__(self, declared: type[S] | None, *, version: int = 1) -> None:
        if not _is_whole(version) or not 1 <= version <= MAX_VERSION:
            raise ConfigurationError(f"{_name(declared)}: a version is from 1 to {MAX_VERSION}")
        self.declared: Final = declared
        self.version: Final = version
        self._migrations: dict[int, Migration] = {}
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = _decoder(declared).decode
        fields = {} if declared is None or _is_dict(declared) else settable_fields(declared, _name(declared))
        self.settable: Final[Mapping[str, Any]] = MappingProxyType(fields)
        try:
            self._decode(self._encode(self.fresh()))
        except (msgspec.ValidationError, TypeError, OverflowError) as error:
            raise ConfigurationError(
                f"a fresh {_name(declared)} does not survive being encoded: every field needs a default "
                "of its type (a TypedDict: total=False)"
            ) from error

    def fresh(self) -> S:
        """Make the state of a new view.

        Raises:
            ConfigurationError: the type can't be made without arguments (found out at the start).
        """
        if self.declared is None:
            return cast(S, None)
        try:
            return self.declared()
        except Exception as error:
            raise ConfigurationError(
                f"{_name(self.declared)} can't be made without arguments: every field needs a default"
            ) from error

    def encode(self, state: S) -> bytes:
        """Encode a state as MessagePack, with the names of its fields.

        Raises:
            TypeError, OverflowError: the application put something in that MessagePack can't hold.
        """
        return self._encode(state)

    def decode(self, raw: bytes, version: int) -> S:
        """Decode a state of this version, or migrate one of an older version step by step.

        A field that is missing takes its default, and one that is no longer declared is dropped.

        Args:
            raw: what `encode` returned, in this or an earlier release of the application.
            version: the version it had.

        Raises:
            TokenStale: there is no path from that version, a migration raised, or the result does not fit
                the type.
        """
        if version != self.version:
            raw = self._migrated(raw, version)
        try:
            return self._decode(raw)
        except Exception as error:
            # The type's own hooks may raise anything, and its text may hold parts of the state.
            raise TokenStale(version, why_invalid(error)) from None

    def misfit(self, raw: bytes) -> str | None:
        """Say, without its values, why an encoded state of the running version can't be decoded; None: it can."""
        try:
            self._decode(raw)
        except Exception as error:
            return why_invalid(error)
        return None

    def migrate(self, from_version: int) -> Callable[[_Migrate], _Migrate]:
        """Register the migration from one version to the next, as a decorator.

        Args:
            from_version: the version of the dicts that it takes; it returns those of `from_version + 1`.

        Raises:
            ConfigurationError: no token of that version ever needs it, or it is there already.
        """
        if self.declared is None:
            raise ConfigurationError("a view without a state has nothing to migrate")
        if not _is_whole(from_version):
            raise ConfigurationError(
                "write @….migrate(from_version=1), with the version that the migration takes"
            )
        if not 1 <= from_version < self.version:
            raise ConfigurationError(
                f"{_name(self.declared)} has version {self.version}: a migration starts from an earlier one, "
                f"not from {from_version}"
            )
        if from_version in self._migrations:
            raise ConfigurationError(f"{_name(self.declared)} has two migrations from version {from_version}")

        def register(function: _Migrate) -> _Migrate:
            if not _is_plain_function(function):
                raise ConfigurationError(
                    f"the migration of {_name(self.declared)} from version {from_version} is no plain function: "
                    "it takes a dict and returns one, without `async`"
                )
            self._migrations[from_version] = function
            return function

        return register

    def apply(
        self, state: S, params: Mapping[str, Any], max_size: int | None = None
    ) -> tuple[S, dict[str, str]]:
        """Set the client-settable fields that are among the connect params; the others are not its business.

        Args:
            state: it is not changed.
            params: plain JSON, untrusted.
            max_size: bytes of the encoded state; None: of any size.

        Returns:
            The state with every param set that fits its field's type, and why each of the others does not.
        """
        invalid: dict[str, str] = {}
        values: dict[str, Any] = {}
        for name, hint in self.settable.items():
            if name in params:
                try:
                    values[name] = msgspec.convert(params[name], hint, strict=True, str_keys=True)
                except Exception as error:
                    invalid[name] = why_invalid(error)
        if not values:
            return state, invalid
        try:
            return self._with(state, values, max_size), invalid
        except Exception:
            # Some of them don't fit the rest of the state, so each has to fit by itself.
            for name, value in values.items():
                try:
                    state = self._with(state, {name: value}, max_size)
                except Exception as error:
                    invalid[name] = why_invalid(error)
        return state, invalid

    def _with(self, state: S, values: Mapping[str, Any], max_size: int | None) -> S:
        """Return a state with these values, made anew, so that the type's own checks have seen them.

        What a field takes may also not fit MessagePack (an int of 70 bits), and that must not come out later.
        """
        changed = copy.copy(state)
        for name, value in values.items():
            if isinstance(changed, dict):
                changed[name] = value
            elif isinstance(changed, msgspec.Struct):
                msgspec.structs.force_setattr(changed, name, value)
            else:
                object.__setattr__(changed, name, value)  # frozen types too: nobody else has seen the copy
        encoded = self._encode(changed)
        if max_size is not None and len(encoded) > max_size:
            raise _TooLarge
        return self._decode(encoded)

    def _migrated(self, raw: bytes, version: int) -> bytes:
        if version > self.version:
            raise TokenStale(version)
        plain: Any = msgspec.msgpack.decode(raw)
        if plain is None:
            plain = {}  # the view had no state then
        for step in range(version, self.version):
            migration = self._migrations.get(step)
            if migration is None:
                raise TokenStale(version)
            try:
                plain = migration(plain)
            except Exception as error:
                # Not chained: the error's text, and so the log, may hold parts of the state.
                why = f"the migration from {step} raised {type(error).__name__}"
                raise TokenStale(version, why) from None
        try:
            return self._encode(plain)
        except (TypeError, ValueError, OverflowError):
            raise TokenStale(version, "what its migrations return can't be encoded") from None


def why_invalid(error: Exception) -> str:
    """Say why a value does not fit, without the value."""
    if isinstance(error, _TooLarge):
        return "with it the state is too large"
    text = str(error)
    if isinstance(error, msgspec.ValidationError) and _TELLABLE.fullmatch(text):
        return text
    return "not a value that fits here"


def _decoder(declared: type[S] | None) -> msgspec.msgpack.Decoder[S]:
    if not _is_state_type(declared):
        raise ConfigurationError(
            f"{_name(declared)} can't be a state: use a dataclass, attrs class, Struct (not array_like), "
            "TypedDict or dict"
        )
    try:
        for foreign in _foreign_types(msgspec.inspect.type_info(declared)):
            raise ConfigurationError(
                f"{_name(declared)} holds a {_name(foreign)}, which msgspec can't encode and decode: "
                "make it a dataclass, or keep a dict of its values"
            )
        return cast("msgspec.msgpack.Decoder[S]", msgspec.msgpack.Decoder(declared))
    except (TypeError, NameError) as error:
        raise ConfigurationError(f"{_name(declared)} can't be a state: {error}") from error


def _is_whole(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool)


def _is_plain_function(function: object) -> bool:
    return callable(function) and not inspect.iscoroutinefunction(function)


def _is_state_type(declared: Any) -> bool:
    if declared is None or _is_dict(declared) or is_typeddict(declared):
        return True
    if not isinstance(declared, type):
        return False
    if issubclass(declared, msgspec.Struct):
        # As an array it would have no names for migrations to go by.
        return not declared.__struct_config__.array_like
    return dataclasses.is_dataclass(declared) or hasattr(declared, "__attrs_attrs__")


def _is_dict(declared: Any) -> bool:
    return declared is dict or get_origin(declared) is dict


def _foreign_types(root: msgspec.inspect.Type) -> Iterator[Any]:
    """Find the types that msgspec leaves to hooks: they would fail only when a value of theirs is met."""
    todo: list[Any] = [root]
    seen: set[int] = set()
    while todo:
        node = todo.pop()
        if isinstance(node, msgspec.inspect.CustomType):
            yield node.cls
        elif isinstance(node, tuple):
            todo.extend(node)
        elif isinstance(node, msgspec.inspect.Type | msgspec.inspect.Field) and id(node) not in seen:
            seen.add(id(node))
            todo.extend(getattr(node, name) for name in node.__struct_fields__)


def _name(declared: Any) -> str:
    return getattr(declared, "__qualname__", None) or repr(declared)
