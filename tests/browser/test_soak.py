"""A very short soak: each kind of fault once."""

from __future__ import annotations

import asyncio
import faulthandler

from benchmarks.soak.__main__ import arguments, soak
from benchmarks.soak.faults import FAULTS
from benchmarks.soak.report import failures


async def test_each_fault_once() -> None:
    """Through each kind of fault, with old and new code and keys, every message counts once and no keystroke is lost."""
    faulthandler.cancel_dump_traceback_later()  # it takes longer than another test may, and has its own end
    options = [
        "--each",
        "--clients",
        "20",
        "--tabs",
        "1",
        "--restarts",
        "0",
        "--messages",
        "0",
        "--seed",
        "3",
    ]
    async with asyncio.timeout(600):
        figures = await soak(arguments(options))
    assert failures(figures) == [], [figures["defects"], figures["trouble"]]
    assert figures["faults"] == dict.fromkeys(FAULTS, 1)
    assert figures["restarts"] >= 10 and figures["messages"] >= 100
