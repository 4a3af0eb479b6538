"""The testing kit's tab against processes in memory: it hands its view over as the script does."""

from __future__ import annotations

import asyncio

import pytest

from quart_stash.testing import Tab

from .pipe import Process, in_virtual_time, settle
from .test_handover import nothing, now
from .test_sweeper import Wire


@pytest.mark.parametrize(("timeout", "latest"), [(0.2, 0.15), (10, 0.3)], ids=["short", "long"])
@in_virtual_time
async def test_a_drain_while_the_next_connection_hangs(timeout: float, latest: float) -> None:
    """The view is handed over after a moment, and before its deadline however short that is."""
    process = Process(nothing, shutdown_timeout=timeout)
    first = process.open()
    await settle()
    wires = iter([Wire(first)])

    async def dial() -> Wire:
        for wire in wires:
            return wire
        await asyncio.sleep(3)
        raise OSError

    tab = Tab(dial)
    tab.start()
    await first.until(lambda: first.frames("mounted"))
    start = now()
    drain = process.drain()
    await first.until(lambda: first.final)
    assert now() - start <= latest
    await drain
    assert process.outcomes == {"synced": 1}
    await tab.close()
