"""How evenly the clients come back after a drain: thousands of live ones, and a million in virtual time.

python -m benchmarks.spread --live        # 5,000 connections to one real server, which is replaced
python -m benchmarks.spread --fleet       # 1,000,000 clients on 100 servers, which are rolled
python -m benchmarks.spread --draw        # draw docs/spread.svg from what both wrote to benchmarks/results/
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import os
import platform
import re
import resource
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.servers.harness import Setup, listening, serving

from .collector import calm
from .curve import draw
from .gap import RESULTS, ROOT, quiet
from .roll import Roll, Traffic, simulate
from .swarm import Swarm

LIVE, FLEET = RESULTS / "spread-live.json", RESULTS / "spread-fleet.json"
PICTURE = ROOT / "docs" / "spread.svg"
SERVED = Setup(
    "arrivals",
    ("-m", "hypercorn", "benchmarks.arrivals:app", "-b", "fd://{fd}", "--graceful-timeout", "600"),
    "",
)

ROLL = Roll(clients=1_000_000, servers=100, rate=500, timeout=120)
ROLLS = {
    "paced": ROLL,
    "none refused": replace(ROLL, refused=0),
    "30 % refused": replace(ROLL, refused=0.3),
    "20 % do not answer": replace(ROLL, stuck=0.2),
    "time-out of 10 s": replace(ROLL, timeout=10),
    "four at once": replace(ROLL, at_once=4),
    "four at once, a quarter of the rate each": replace(ROLL, at_once=4, rate=125, timeout=450),
    "not paced": replace(ROLL, paced=False),
}


async def live(clients: int, rate: float, timeout: float, folder: Path) -> dict[str, Any]:
    """Replace a server that so many are connected to; return what the new one saw, and what they did."""
    raise_limit(4 * clients + 200)
    environment = {
        "QUART_STASH_RECONNECT_RATE": str(rate),
        "QUART_STASH_SHUTDOWN_TIMEOUT": str(timeout),
    }
    with listening() as listener:
        swarm = Swarm(listener.getsockname()[1], "/count", clients)
        try:
            old_log = folder / "old"
            async with serving(SERVED, old_log, listener=listener, environment=environment) as old:
                await swarm.come()
                async with serving(SERVED, folder / "new", listener=listener, environment=environment) as new:
                    start = time.monotonic()
                    old.signal(signal.SIGTERM)
                    await swarm.answered(2)
                    await old.exited(timeout)
                    left = time.monotonic() - start
                    arrivals = json.loads((await new.get("/arrivals"))[2])
                    trouble = old.trouble() + new.trouble()
                    summary = re.findall(r"drained: (.*)", old.log)
        finally:
            swarm.leave()
    members = swarm.members
    return {
        "clients": clients,
        "rate": rate,
        "timeout": timeout,
        "left": round(left, 2),
        "summary": summary,
        "trouble": trouble,
        "said": sorted(round(member.mounts[-1] - start, 4) for member in members),
        "mounts": sorted(round(at - start, 4) for at in arrivals["mounts"]),
        "handshakes": sorted(round(at - start, 4) for at in arrivals["handshakes"]),
        "synced": sum(member.synced for member in members),
        "refused": sum(member.refused for member in members),
        "restored": sum(member.statuses == ["fresh", "restored"] for member in members),
        "exact": sum(member.counts == [1, 2] for member in members),
        "drains": dict(Counter(len(member.drains) for member in members)),
        "answer_ms": sorted({drain["deadline"] for member in members for drain in member.drains}),
    }


def raise_limit(wanted: int) -> None:
    """Raise the limit of open files, for this process and for the servers that it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, wanted), hard), hard))


def busiest(times: Sequence[float], window: float) -> int:
    """Return how many lie within the busiest window of so many seconds."""
    best = first = 0
    for last, at in enumerate(times):
        while times[first] <= at - window:
            first += 1
        best = max(best, last - first + 1)
    return best


def fleet() -> dict[str, Any]:
    """Roll a fleet of a million in each of the ways."""
    result: dict[str, Any] = {}
    for name, roll in ROLLS.items():
        began = time.process_time()
        traffic = simulate(roll, 1)
        result[name] = {"roll": asdict(roll), **figures(traffic)}
        shown = {key: value for key, value in result[name].items() if key not in ("roll", "per_second")}
        print(f"{name}: {shown}, {time.process_time() - began:.1f} s of CPU", flush=True)
    return result


def figures(traffic: Traffic) -> dict[str, Any]:
    """Return what a roll came to."""
    waits = sorted(traffic.waits) or [0.0]
    return {
        "busiest_second": traffic.busiest(),
        "busiest_tick": max(traffic.mounts.values()),
        "moves": traffic.told,
        "refusals": sum(traffic.refusals.values()),
        "wait_of_refused": {
            name: round(waits[int(part * (len(waits) - 1))], 2)
            for name, part in (("p50", 0.5), ("p99", 0.99), ("max", 1))
        },
        "per_second": traffic.per_second(),
    }


def setup() -> dict[str, Any]:
    """Return when and on what this was measured."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("quart", "hypercorn")},
        "cores": os.cpu_count(),
    }


async def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    calm()  # the clients' own one
    idle = await quiet()
    with tempfile.TemporaryDirectory() as folder:
        run = await live(arguments.clients, arguments.rate, arguments.timeout, Path(folder))
    for what in ("said", "mounts", "handshakes"):
        run[f"busiest_{what}"] = {f"{window:g} s": busiest(run[what], window) for window in (1, 0.1)}
    print({key: value for key, value in run.items() if not isinstance(value, list) or len(value) < 50})
    return {**setup(), "idle_before": idle, **run}


def main() -> None:
    """Measure, roll, or draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--live", action="store_true")
    parser.add_argument("--fleet", action="store_true")
    parser.add_argument("--draw", action="store_true")
    parser.add_argument("--clients", type=int, default=5000)
    parser.add_argument("--rate", type=float, default=250)
    parser.add_argument("--timeout", type=float, default=60)
    arguments = parser.parse_args()
    if not (arguments.live or arguments.fleet or arguments.draw):
        parser.error("say --live, --fleet or --draw")
    if arguments.live:
        LIVE.write_text(json.dumps(asyncio.run(measure(arguments))) + "\n")
    if arguments.fleet:
        FLEET.write_text(json.dumps({**setup(), "rolls": fleet()}) + "\n")
    if arguments.draw:
        PICTURE.write_text(draw(json.loads(LIVE.read_text()), json.loads(FLEET.read_text())))


if __name__ == "__main__":
    main()
