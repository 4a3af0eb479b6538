"""What leaves a tab: a frame, and the forms of a mount, as the browser's script would send them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import msgspec

from ..core import frames
from ..core import stimuli as s
from ..core.text import mended, well_formed

__all__ = ["touched", "wire"]


def wire(frame: s.Up) -> str | bytes:
    """Return a frame as it leaves a browser: U+FFFD in place of half of a pair."""
    if isinstance(frame, str):
        return frames.mark(well_formed(frame))
    if isinstance(frame, bytes):
        return frames.mark(frame)
    try:
        return frames.encode(frame)
    except UnicodeEncodeError:
        return mended(json.dumps(msgspec.to_builtins(frame)))


def touched(
    forms: Mapping[str, Sequence[tuple[str, str | None]]],
) -> tuple[dict[str, list[tuple[str, str]]], dict[str, list[str]]]:
    """Return the fields that hold something, and the names of those that do not, as a mount carries them."""
    filled = {
        form: [(name, text) for name, text in pairs if text is not None] for form, pairs in forms.items()
    }
    empty = {form: [name for name, text in pairs if text is None] for form, pairs in forms.items()}
    return filled, {form: names for form, names in empty.items() if names}
