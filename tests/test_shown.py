"""How the log shows what a client sent."""

from __future__ import annotations

import pytest

from quart_stash.shown import shown


@pytest.mark.parametrize(
    ("value", "expected"),
    [("/room/7", "'/room/7'"), ("/a\nERROR all is lost", r"'/a\nERROR all is lost'"), ("/\x1b[2J", r"'/\x1b[2J'"),
     (None, "'None'"), ("x" * 120, f"'{'x' * 120}'"), ("x" * 45_000, f"'{'x' * 120}' and 44880 characters more")],
)  # fmt: skip
def test_a_text_is_quoted_and_bounded(value: object, expected: str) -> None:
    """Control characters are escaped, so nobody writes lines of their own, and a long text is cut and counted."""
    assert shown(value) == expected


def test_the_bound_holds_for_escapes() -> None:
    """A text of nothing but what is escaped stays within ten times the bound."""
    assert len(shown("\U000e0001" * 60_000)) < 1_300
