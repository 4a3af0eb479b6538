"""What a deploy is like for those who are connected, without and with quart_stash.

    python -m benchmarks.gap                  # measure, and write benchmarks/results/deploy-<Python>.json
    python -m benchmarks.gap --draw FILE      # draw docs/deploy.svg from such a file

A rolling deploy over one inherited listening socket: the new process is ready, then the old one gets SIGTERM. A process
that does not leave is killed, as its supervisor would do, after `--kill-after` seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import os
import platform
import random
import signal
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.servers.harness import Server, Setup, listening, serving

from .picture import draw
from .tabs import INTERVAL, BareTab, StashTab, Tab

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PICTURE = ROOT / "docs" / "deploy.svg"

BEFORE, AFTER = 1.0, 1.5
"""Seconds that are watched before SIGTERM, and after the last moment that the old process is given."""
DRAWN = 20
"""Tabs whose every message goes into the file."""

_COMMAND = ("-m", "hypercorn", "benchmarks.counter:{app}", "-b", "fd://{fd}")
# Before Python 3.12.1 Hypercorn's limit has to be longer than STASH_SHUTDOWN_TIMEOUT.
SERVED = {
    "bare": Setup("bare", _COMMAND, "", app="bare"),
    "app": Setup("app", (*_COMMAND, "--graceful-timeout", "12"), "", app="app"),
}


async def deploy(what: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run one deploy and return what it was like."""
    kind = BareTab if what == "bare" else StashTab
    served = SERVED[what]
    with tempfile.TemporaryDirectory() as folder, listening() as listener:
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}/count"
        tabs: list[Tab] = [kind(url) for _ in range(arguments.clients)]
        async with serving(served, Path(folder) / "old", listener=listener) as old:
            running = [asyncio.create_task(tab.run()) for tab in tabs]
            await asyncio.sleep(BEFORE)
            async with serving(served, Path(folder) / "new", listener=listener):
                await asyncio.sleep(BEFORE)
                before = set(old.pids)
                start = time.monotonic()
                killed = await leave(old, arguments.kill_after)
                left = time.monotonic() - start
                await asyncio.sleep(start + arguments.kill_after + AFTER - time.monotonic())
                for tab in tabs:
                    tab.talking.cancel()
                await settled(tabs)
                closes = Counter(code for tab in tabs for code in tab.closes)
                for task in running:
                    task.cancel()
                await asyncio.gather(*running, return_exceptions=True)
    return {"left": round(left, 2), "killed": killed, "closes": closes, **summary(tabs, before, start)}


async def quiet(patience: float = 30) -> float:
    """Wait until the machine has little else to do, but not for ever. Returns which part of it was idle at last."""

    def times() -> tuple[int, int]:
        numbers = list(map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]))
        return numbers[3], sum(numbers)

    end = time.monotonic() + patience
    idle = 0.0
    while idle < 0.75 and time.monotonic() < end:
        before = times()
        await asyncio.sleep(1.5)
        after = times()
        idle = (after[0] - before[0]) / (after[1] - before[1])
    return round(idle, 2)


async def settled(tabs: Sequence[Tab]) -> None:
    """Wait until a second has brought no more answers."""
    before = -1
    while (count := sum(len(tab.answers) for tab in tabs)) != before:
        before = count
        await asyncio.sleep(1)


async def leave(server: Server, within: float) -> bool:
    """Send SIGTERM, and SIGKILL if need be. Returns whether it was."""
    server.signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(within):
            await server.exited()
    except TimeoutError:
        server.signal_group(signal.SIGKILL)
        await server.exited()
        return True
    return False


def summary(tabs: Sequence[Tab], old: set[int], start: float) -> dict[str, Any]:
    """Return the figures, and the messages of some tabs for the picture."""
    gaps: list[float] = []
    for tab in tabs:
        last = max((a.at for a in tab.answers.values() if a.process in old), default=start)
        first = min((a.at for a in tab.answers.values() if a.process not in old), default=None)
        if first is not None:
            gaps.append(first - last)
    newest = [max(tab.answers.items()) for tab in tabs]
    return {
        "gap_ms": spread(gaps),
        "handover_ms": spread([seconds for tab in tabs if isinstance(tab, StashTab) for seconds in tab.handovers]),
        "longest_wait_ms": spread(
            [max(a.at - tab.sent[n] for n, a in tab.answers.items() if a.at > start) for tab in tabs]
        ),
        "sent": sum(len(tab.sent) for tab in tabs),
        "lost": sum(len(tab.sent.keys() - tab.answers.keys()) for tab in tabs),
        "answered_twice": sum(a.answers - 1 for tab in tabs for a in tab.answers.values()),
        "counts_exact": sum(answer.count == number for number, answer in newest),
        "lanes": [lane(tab, old, start) for tab in tabs[:DRAWN]],
    }  # fmt: skip


def lane(tab: Tab, old: set[int], start: float) -> dict[str, Any]:
    """Return one tab's messages: when each was answered (ms after SIGTERM), by the old or the new process; or lost."""
    times, kinds = [], ""
    for number, sent in tab.sent.items():
        answer = tab.answers.get(number)
        times.append(round(((answer.at if answer else sent) - start) * 1000))
        kinds += "x" if answer is None else "o" if answer.process in old else "n"
    return {"times": times, "kinds": kinds}


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Return median, 99th percentile and maximum, in milliseconds."""
    if not seconds:
        return {}
    ordered = sorted(seconds)
    late = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    values = {"p50": statistics.median(ordered), "p99": late, "max": ordered[-1]}
    return {name: round(value * 1000, 1) for name, value in values.items()}


async def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run both deploys; of each the run with the median gap is kept."""
    result: dict[str, Any] = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("quart", "hypercorn")},
        "cores": os.cpu_count(),
        "clients": arguments.clients,
        "runs": arguments.runs,
        "interval_ms": INTERVAL * 1000,
        "kill_after": arguments.kill_after,
    }
    for what in SERVED:
        runs = []
        for number in range(arguments.runs):
            random.seed(number)
            runs.append({"idle_before": await quiet(), **await deploy(what, arguments)})
            print(what, {name: value for name, value in runs[-1].items() if name != "lanes"}, flush=True)
        result[what] = sorted(runs, key=lambda run: run["gap_ms"]["p50"])[len(runs) // 2]
    return result


def main() -> None:
    """Measure, or draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--kill-after", type=float, default=5.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--draw", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    if arguments.draw is None:
        RESULTS.mkdir(exist_ok=True)
        result = asyncio.run(measure(arguments))
        path = RESULTS / f"deploy-{'.'.join(platform.python_version_tuple()[:2])}.json"
        path.write_text(json.dumps(result) + "\n")
    else:
        PICTURE.write_text(draw(json.loads(arguments.draw.read_text())))


if __name__ == "__main__":
    main()
