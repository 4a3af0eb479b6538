"""Which fields of a state the browser may set."""

from __future__ import annotations

import typing
from typing import Annotated, Any, Final, NotRequired, Required, get_args, get_origin, get_type_hints

import msgspec

from ..errors import ConfigurationError

__all__ = ["ClientSettable", "settable_fields"]

# ReadOnly is in typing from Python 3.13 on.
_QUALIFIERS: Final = (Required, NotRequired, getattr(typing, "ReadOnly", Required))


class ClientSettable:
    """Marks a field of a state that the browser may push back at every mount.

    It is used as it stands, not called: `drawer_open: Annotated[bool, ClientSettable] = False`. What is
    pushed must fit the field's type, and is otherwise as untrusted as any input.
    """


def settable_fields(declared: Any, name: str) -> dict[str, Any]:
    """Return the client-settable fields of a declared type, and their types.

    Args:
        declared: a dataclass, attrs class, Struct or TypedDict.
        name: what an error calls it.

    Raises:
        ConfigurationError: a field is marked in a way that can't be meant.
    """
    hints = get_type_hints(declared, include_extras=True)
    info: Any = msgspec.inspect.type_info(declared)
    fields = {each.name for each in info.fields}
    settable: dict[str, Any] = {}
    for field, hint in hints.items():
        inner = _unwrapped(hint)
        if get_origin(inner) is Annotated and ClientSettable in inner.__metadata__ and field in fields:
            settable[field] = inner
        elif _mentions_settable(hint):
            raise ConfigurationError(
                f"{name}.{field}: ClientSettable marks a whole field, as in "
                "Annotated[int | None, ClientSettable]"
            )
    return settable


def _unwrapped(hint: Any) -> Any:
    """Take off what stands around a TypedDict field's type: Required, NotRequired, ReadOnly."""
    while get_origin(hint) in _QUALIFIERS:
        (hint,) = get_args(hint)
    return hint


def _mentions_settable(hint: Any) -> bool:
    if hint is ClientSettable or isinstance(hint, ClientSettable):
        return True
    return any(_mentions_settable(part) for part in (*get_args(hint), *getattr(hint, "__metadata__", ())))
