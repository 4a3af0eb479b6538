"""The guarantee on random walks, always the same ones; `walk` with the seed of one that fails shows it again."""

from __future__ import annotations

from collections import Counter

from .oracle import Broken
from .walk import CALM, walk


def test_nothing_is_lost_and_nothing_doubled() -> None:
    """Through many walks of drains, crashes, reloads, copies, rotated keys and old tokens, the guarantee holds."""
    seen: Counter[str] = Counter()
    for seed in range(1500):
        try:
            world = walk(seed, 150, CALM[seed % len(CALM)])
        except Exception as error:
            raise Broken(f"seed {seed}: {error}") from error
        for tab in world.tabs:
            seen.update(sent=len(tab.oracle.log), lost=len(tab.oracle.lost), failed=len(tab.oracle.told))
        seen.update(str(wire.end.machine.outcome) for wire in world.wires)
    eventful = ["sent", "failed", "lost", "synced", "gone", "timed-out"]
    assert all(seen[what] > 20 for what in eventful), f"the walks were not eventful: {seen}"
