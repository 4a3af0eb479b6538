"""What a browser says of a form: what was typed into it so far, and what was submitted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

import msgspec
from werkzeug.datastructures import MultiDict

from .core.text import read

__all__ = ["Pushed", "StashedForm", "Submit", "submit_in"]


class StashedForm(MultiDict[str, str]):
    """What stands, unsubmitted, in a stashed form, **untrusted**: the fields that the user has touched, no others.

    All that stands under a touched name is there, as a submission would carry it.

    Attributes:
        touched: the names of these fields, also of one that holds nothing, such as a box that was unticked.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]] = (), empty: Iterable[str] = ()) -> None:
        super().__init__(pairs)
        self.touched: frozenset[str] = frozenset((*self, *empty))

    def over(self, rendered: Mapping[str, Any] | Iterable[tuple[str, str | None]]) -> MultiDict[str, str]:
        """Return the form as a submission would carry it: what was touched, over what the server would render.

        Args:
            rendered: the fields of the form and their values now: pairs, or a mapping of names to values or to
                lists of values. A field that holds nothing, such as a box without its tick, is left out, or is
                `None`: that is skipped.
        """
        whole: MultiDict[str, Any] = MultiDict(rendered)
        untouched = [
            (name, value)
            for name, value in whole.items(multi=True)
            if value is not None and name not in self.touched
        ]
        return MultiDict([*untouched, *self.items(multi=True)])

    def copy(self) -> StashedForm:
        """Return a shallow copy."""
        return StashedForm(list(self.items(multi=True)), self.touched)

    def deepcopy(self, memo: Any = None) -> StashedForm:
        """Return a deep copy."""
        return StashedForm(deepcopy(list(self.items(multi=True)), memo), self.touched)

    def __reduce__(self) -> tuple[Any, ...]:
        return StashedForm, (list(self.items(multi=True)), self.touched)


class Pushed:
    """What a client pushed with its mount: connect params and stashed forms, **untrusted**.

    They are kept as they came until the handler asks for them: as objects they take up to eighty times the memory,
    for as long as the view lives, and most handlers never ask.

    Args:
        params: the connect params.
        forms: of each form the fields with their values.
        empty: of each form the touched fields that hold nothing.
    """

    __slots__ = ("_forms", "_packed_forms", "_packed_params", "_params")

    def __init__(
        self,
        params: Mapping[str, Any] | None = None,
        forms: Mapping[str, list[tuple[str, str]]] | None = None,
        empty: Mapping[str, list[str]] | None = None,
    ) -> None:
        # JSON again, and not MessagePack: it holds whole numbers of any size.
        self._packed_params: bytes | None = msgspec.json.encode(params) if params else None
        self._packed_forms: bytes | None = msgspec.json.encode((forms, empty)) if forms or empty else None
        self._params: dict[str, Any] | None = None
        self._forms: dict[str, StashedForm] | None = None

    @property
    def params(self) -> Mapping[str, Any]:
        """The connect params, plain JSON."""
        if self._params is None:
            packed, self._packed_params = self._packed_params, None
            self._params = msgspec.json.decode(packed, type=dict[str, Any]) if packed else {}
        return self._params

    @property
    def forms(self) -> Mapping[str, StashedForm]:
        """The stashed forms by name."""
        if self._forms is None:
            packed, self._packed_forms = self._packed_forms, None
            forms, empty = _forms_decoder.decode(packed) if packed else ({}, {})
            self._forms = {
                name: StashedForm(forms.get(name, ()), empty.get(name, ())) for name in {**forms, **empty}
            }
        return self._forms


class Submit(msgspec.Struct):
    """What `StashSocket.submit` sends."""

    form: str
    fields: list[tuple[str, str]]


_decoder = msgspec.json.Decoder(Submit)
_forms_decoder = msgspec.json.Decoder(tuple[dict[str, list[tuple[str, str]]], dict[str, list[str]]])


def submit_in(data: str | bytes) -> Submit | None:
    """Return the submit that a message is. Anything else is `None`: it never raises."""
    if not isinstance(data, str):
        return None
    try:
        return read(_decoder, data)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None
