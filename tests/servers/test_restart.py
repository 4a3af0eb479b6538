"""A restart in place: however short or long it is, everybody is back, with the state exact."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.restarts import Tabs, restart

CLIENTS = 10


@pytest.mark.parametrize("down", [0, 0.2, 1])
@pytest.mark.parametrize("door", ["refused", "hangs"])
@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
async def test_everybody_is_back(how: str, door: str, down: float, tmp_path: Path) -> None:
    """After a drain and after a kill, refused or left to wait meanwhile, every client is back, and none has lost a message."""
    (row,) = await restart(how, door, down, tmp_path, {"tabs": (Tabs.start, CLIENTS)})
    assert (row["recovered"], row["exact"], row["lost"]) == (CLIENTS, CLIENTS, 0)
