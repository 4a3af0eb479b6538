"""What a browser says of a form: what was typed into it so far, and what was submitted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from werkzeug.datastructures import MultiDict

__all__ = ["StashedForm", "submitted"]


class StashedForm(MultiDict[str, str]):
    """What stands, unsubmitted, in a stashed form, **untrusted**: the fields that the user has touched, no others.

    All that stands under a touched name is there, as a submission would carry it.

    Attributes:
        touched: the names of these fields, also of one that holds nothing, such as a box that was unticked.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]] = (), empty: Iterable[str] = ()) -> None:
        super().__init__(pairs)
        self.touched: frozenset[str] = frozenset((*self, *empty))

    def over(self, rendered: Mapping[str, Any] | Iterable[tuple[str, str]]) -> MultiDict[str, str]:
        """Return the form as a submission would carry it: what was touched, over what the server would render.

        Args:
            rendered: the fields of the form and their values now: pairs, or a mapping of names to values or to
                lists of values. A field that holds nothing, such as a box without its tick, is left out.
        """
        whole: MultiDict[str, str] = MultiDict(rendered)
        untouched = [pair for pair in whole.items(multi=True) if pair[0] not in self.touched]
        return MultiDict([*untouched, *self.items(multi=True)])

    def copy(self) -> StashedForm:
        """Return a shallow copy."""
        return StashedForm(list(self.items(multi=True)), self.touched)


class _Submit(msgspec.Struct):
    """What `StashSocket.submit` sends."""

    form: str
    fields: list[tuple[str, str]]


_decoder = msgspec.json.Decoder(_Submit)


def submitted(data: str | bytes, name: str) -> MultiDict[str, str] | None:
    """Return the fields of a form if a message is a submit of it. Anything else is `None`: it never raises."""
    if not isinstance(data, str):
        return None
    try:
        submit = _decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None
    return MultiDict(submit.fields) if submit.form == name else None
