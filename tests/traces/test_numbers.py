"""The table of docs/traces.md and the tests that carry its numbers."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

ROW = re.compile(r"^\| (\d+) \|.*\| ([^|]+) \|$", re.MULTILINE)
PYTHON = re.compile(r"^(?:async )?def test_trace_(\d{2})_", re.MULTILINE)
JAVASCRIPT = re.compile(r"\btest\([\"`]trace (\d+): ")


def in_the_table() -> dict[int, set[str]]:
    """Return which files the table names for each number."""
    rows = ROW.findall((ROOT / "docs" / "traces.md").read_text())
    return {int(number): set(re.findall(r"`([^`]+)`", where)) for number, where in rows}


def in_the_tests() -> dict[int, set[str]]:
    """Return which files have tests of each number."""
    found: dict[int, set[str]] = {}
    for folder, pattern, name in (("tests", PYTHON, "test_*.py"), ("js/test", JAVASCRIPT, "*.test.js")):
        for path in (ROOT / folder).rglob(name):
            for number in pattern.findall(path.read_text()):
                found.setdefault(int(number), set()).add(path.relative_to(ROOT).as_posix())
    return found


def test_every_trace_is_a_test_by_its_number() -> None:
    """Each of the 27 traces is tested in the files that its row names, and nowhere else; no test has another number."""
    assert sorted(in_the_table()) == list(range(1, 28))
    assert in_the_tests() == in_the_table()
