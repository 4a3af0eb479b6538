"""The code in the documentation, for tests that run it as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def recipes(page: str, heading: str) -> list[str]:
    """Return the blocks of code under a heading, in order.

    Args:
        page: its file in `docs`.
        heading: without its number signs.

    Raises:
        KeyError: there is no such heading.
    """
    sections = re.split(r"^#+ (.*)\n", (DOCS / page).read_text(), flags=re.MULTILINE)
    section = dict(zip(sections[1::2], sections[2::2], strict=True))[heading]
    return re.findall(r"^```\w+\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)
