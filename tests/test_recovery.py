"""docs/recovery.md names tests and recordings: they are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "recovery.md").read_text()
BROWSER = ROOT / "tests" / "browser"


def test_each_rule_has_its_tests() -> None:
    """Every test that the page names exists in the file that it names."""
    file = ""
    named = 0
    for path, name in re.findall(r"`([\w/]*(?:\.py)?)::(\w+)`", PAGE):
        file = path or file
        assert re.search(
            rf"^(?: *async def| *def|class) {name}\b", (BROWSER / file).read_text(), re.MULTILINE
        ), name
        named += 1
    assert named > 60


def test_each_recording_is_made_by_a_test() -> None:
    """Every recording that is shown is there, under the name of a test with a camera, and no other is."""
    shown = set(re.findall(r"\(recovery/(\w+)\.webp\)", PAGE))
    assert shown == {path.stem for path in (ROOT / "docs" / "recovery").iterdir()}
    sources = "".join(path.read_text() for path in BROWSER.rglob("test_*.py"))
    for name in shown:
        assert re.search(rf"def test_{name}\([^)]*camera: Camera", sources), name
