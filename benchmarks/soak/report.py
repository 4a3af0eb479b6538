"""What a soak comes to: figures, a table, and whether it has failed."""

from __future__ import annotations

import datetime
import os
import platform
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from benchmarks.soak.crowd import FARTHEST, NEAREST, Answer, Crowd
from benchmarks.soak.faults import FAULTS, UNEVEN, World
from benchmarks.soak.ledger import quantile
from tests.browser.fleet import CHROMIUM
from tests.servers.proxies import program

_STEPS = 200
"""Quantiles of each cause's gaps that are kept, to be drawn."""


def versions(tabs: int) -> dict[str, str]:
    """Return what took part; Chromium only where there are tabs."""
    found = {"python": platform.python_version()}
    found |= {name: version(name) for name in ("quart", "hypercorn", "websockets")}
    commands = {"haproxy": [program("haproxy"), "-v"], "nginx": [program("nginx"), "-v"]}
    if tabs:
        commands["chromium"] = [CHROMIUM, "--version"]
    for name, command in commands.items():
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        number = re.search(r"\d+(?:\.\d+)+", done.stdout + done.stderr)
        found[name] = number[0] if number else "?"
    return found


def spread(seconds: Sequence[float]) -> dict[str, Any]:
    """Return count, quantiles, 99th percentile and maximum, in milliseconds."""
    ordered = sorted(seconds)
    return {
        "count": len(ordered),
        **{
            name: round(quantile(ordered, part) * 1000, 1)
            for name, part in (("p50", 0.5), ("p99", 0.99), ("max", 1))
        },
        "quantiles": [round(quantile(ordered, (n + 0.5) / _STEPS) * 1000, 1) for n in range(_STEPS)],
    }


def result(world: World, answers: Sequence[tuple[int, Answer]], errors: Sequence[str]) -> dict[str, Any]:
    """Return the figures.

    Args:
        world: as it is at the end.
        answers: of each view, how many messages were sent, and what it says of them.
        errors: of the pages.
    """
    ledger, fleet, typists = world.ledger, world.fleet, world.typists
    share = round(UNEVEN * len(world.crowd.clients) / len(fleet.places))
    recoveries: defaultdict[str, list[float]] = defaultdict(list)
    herds: defaultdict[str, list[float]] = defaultdict(list)
    for (cause, _), seconds in sorted(ledger.recoveries.items()):
        recoveries[cause] += seconds
        herds[f"up to {share}" if len(seconds) <= share else f"more than {share}"] += seconds
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "versions": versions(len(typists.all)),
        "cores": os.cpu_count(),
        "clients": len(world.crowd.clients),
        "tabs": len(typists.all),
        "restarts": fleet.restarts,
        "messages": sum(sent for sent, _ in answers),
        "lost": sum(sent - (answer.count - answer.doubled) for sent, answer in answers),
        "doubled": sum(answer.doubled for _, answer in answers),
        "distances_ms": [round(seconds * 1000) for seconds in (NEAREST, FARTHEST)],
        "room": room(world.crowd),
        "keystrokes": typists.typed,
        "keystrokes_lost": typists.lost,
        "overdue": fleet.overdue,
        "drains": dict(fleet.outcomes),
        "rebalanced": dict(ledger.rebalanced),
        "faults": {name: ledger.faults[name] for name in FAULTS},
        "gaps_ms": {cause: spread(seconds) for cause, seconds in sorted(ledger.gaps.items())},
        "answers_ms": spread(ledger.trips),
        "recoveries_ms": {cause: spread(seconds) for cause, seconds in recoveries.items()},
        "herds_ms": {name: spread(seconds) for name, seconds in herds.items()},
        "visible": {cause: count for cause, count in sorted(ledger.visible.items()) if count},
        "page_errors": list(errors),
        "trouble": fleet.trouble,
        "defects": ledger.defects,
    }


def room(crowd: Crowd) -> dict[str, int]:
    """Return what was said in the room, and what its members' states say of it."""
    answers = [client.answer for client in crowd.members]
    due = sum(crowd.notes - answer.joined for answer in answers)
    heard = sum(answer.heard for answer in answers)
    return {
        "members": len(answers),
        "notes": crowd.notes,
        "heard": heard,
        "lost": max(0, due - heard),
        "doubled": max(0, heard - due),
        "wrong": sum(answer.wrong for answer in answers),
    }


def failures(figures: Mapping[str, Any]) -> list[str]:
    """Return what must not be."""
    names = {
        "lost": "messages lost",
        "doubled": "messages doubled",
        "keystrokes_lost": "keystrokes lost",
        "overdue": "processes that did not leave by their deadline",
        "page_errors": "errors in pages",
        "trouble": "servers with trouble in their logs",
        "defects": "defects",
    }
    found = {
        name: figures[key] if isinstance(figures[key], int) else len(figures[key])
        for key, name in names.items()
    }
    found |= {f"notes of the room {name}": figures["room"][name] for name in ("lost", "doubled", "wrong")}
    return [f"{count} {name}" for name, count in found.items() if count]


def table(figures: Mapping[str, Any]) -> Iterator[str]:
    """Return the lines that are shown at the end."""
    yield f"restarts     {figures['restarts']:,} of {figures['clients']} clients' and {figures['tabs']} tabs' servers"
    yield f"messages     {figures['messages']:,} sent, {figures['lost']} lost, {figures['doubled']} doubled"
    said = figures["room"]
    yield (
        f"the room     {said['notes']:,} notes of {said['members']} members, counted {said['heard']:,} times, "
        f"{said['lost']} lost, {said['doubled']} doubled, {said['wrong']} out of order"
    )
    yield "distances    {} to {} ms each way".format(*figures["distances_ms"])
    yield f"keystrokes   {figures['keystrokes']:,} typed, {figures['keystrokes_lost']} lost"
    yield "drains       " + ", ".join(f"{count:,} {name}" for name, count in figures["drains"].items())
    yield "rebalanced   " + ", ".join(f"{count:,} {name}" for name, count in figures["rebalanced"].items())
    yield ""
    yield f"{'gaps, ms':34} {'faults':>7} {'gaps':>8} {'p50':>8} {'p99':>8} {'longest':>8} {'visible':>8}"
    for cause in [
        *figures["faults"],
        *(name for name in figures["gaps_ms"] if name not in figures["faults"]),
    ]:
        gaps = figures["gaps_ms"].get(cause, {})
        columns = [f"{gaps[name]:>8,.0f}" if gaps else f"{'-':>8}" for name in ("count", "p50", "p99", "max")]
        visible = figures["visible"].get(cause, 0)
        yield f"{cause:34} {figures['faults'].get(cause, '-'):>7} {' '.join(columns)} {visible:>8,}"
    yield ""
    answers = figures["answers_ms"]
    yield (
        "an answer takes, while nothing goes on, beyond the distance: "
        f"p50 {answers['p50']:.0f}, p99 {answers['p99']:.0f} ms"
    )
    for cause, gaps in figures["recoveries_ms"].items():
        yield (
            f"after {cause}, once a process was ready to take it up: "
            f"p50 {gaps['p50']:.0f}, p99 {gaps['p99']:.0f}, longest {gaps['max']:.0f} ms"
        )
    for herd, gaps in figures["herds_ms"].items():
        yield (
            f"where a kill cut off {herd} clients: {gaps['count']:,} of them, "
            f"p50 {gaps['p50']:.0f}, p99 {gaps['p99']:.0f}, longest {gaps['max']:.0f} ms"
        )
    seen = figures["visible"].get("SIGTERM, overlap, Chromium", 0)
    yield f"disconnections that Chromium showed in deploys with overlap: {seen}"
    yield ""
    for kind in ("defects", "trouble", "page_errors"):
        yield from (f"{kind}: {text}" for text in figures[kind][:20])
    yield from (f"FAILED: {text}" for text in failures(figures))
