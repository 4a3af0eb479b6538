"""How long clients take to be back after a restart that takes so long.

    python -m benchmarks.restart_speed            # the whole matrix, five minutes; also to benchmarks/results/
    python -m benchmarks.restart_speed 0 1        # only restarts of 0 and 1 s

A process is ended, by SIGTERM or SIGKILL. Then nothing serves for so many seconds: either connections are refused, or
they wait in a listening socket that was kept. Then the next process is ready. The clients are the testing kit's tabs,
and the script itself in Chromium.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .gap import RESULTS
from .pages import ScriptTabs
from .restarts import Open, Tabs, restart
from .spread import setup

DOWN = (0.0, 0.2, 1.0, 5.0, 30.0)
"""Seconds."""


async def matrix(downs: Sequence[float], clients: int) -> list[dict[str, Any]]:
    """Run all of it, and print the table."""
    print(
        "| restart | ended by | meanwhile | clients | back | state exact | ms after it is ready: median, longest |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    rows: list[dict[str, Any]] = []
    kinds: dict[str, tuple[Open, int]] = {
        "python": (Tabs.start, clients),
        "script": (ScriptTabs.start, max(1, clients // 5)),
    }
    for down in downs:
        for how in ("SIGTERM", "SIGKILL"):
            for door in ("refused", "hangs"):
                with tempfile.TemporaryDirectory() as folder:
                    found = await restart(how, door, down, Path(folder), kinds)
                rows += found
                for row in found:
                    time_ = row["after_ready_ms"]
                    print(
                        f"| {down:g} s | {how} | {door} | {row['kind']} | {row['recovered']} of {row['clients']} "
                        f"| {row['exact']} | {time_['p50']:.0f}, {time_['max']:.0f} |",
                        flush=True,
                    )
    return rows


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("down", type=float, nargs="*", default=DOWN, help="seconds")
    parser.add_argument("--clients", type=int, default=20, help="of the kit; a fifth as many of the script")
    arguments = parser.parse_args()
    rows = asyncio.run(matrix(arguments.down, arguments.clients))
    if tuple(arguments.down) == DOWN:
        (RESULTS / "restart.json").write_text(json.dumps({**setup(), "rows": rows}) + "\n")


if __name__ == "__main__":
    main()
