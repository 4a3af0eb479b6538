"""Hundreds of live clients that one process hands to the next: nobody is lost, times out, or is told out of turn."""

from __future__ import annotations

from pathlib import Path

from benchmarks.spread import live
from quart_stash.core.drain import plan_drain

CLIENTS, RATE, TIMEOUT = 300, 300, 20


async def test_a_crowd_is_handed_over(tmp_path: Path) -> None:
    """Each of hundreds of views is told once, has time to answer, is synced, and goes on from its state elsewhere."""
    run = await live(CLIENTS, RATE, TIMEOUT, tmp_path)
    assert run["trouble"] == []
    assert [line.split(", in ")[0] for line in run["summary"]] == ["300 of 300 synced, 0 timed out"]
    assert run["drains"] == {1: CLIENTS}
    assert run["synced"] == run["restored"] == run["exact"] == len(run["mounts"]) == CLIENTS
    # All have as long: what is left after the last of them was told, unless the process was late.
    plan = plan_drain(CLIENTS, timeout=TIMEOUT, rate=RATE)
    assert (
        plan.deadline / 2 * 1000 <= min(run["answer_ms"]) <= max(run["answer_ms"]) <= plan.answer * 1000 + 1
    )
