"""Draws how evenly clients come back, from what `spread.py` measured: plain SVG, for light and dark pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .picture import picture, text

__all__ = ["draw"]

WIDTH, HEIGHT, PANEL = 960, 500, 440
TOP, FOOT = 96, 330

STYLE = """
  .paced { fill: #1a8a5a } .unpaced { fill: #d1242f }
  .rate { stroke: #3b74c4; stroke-width: 1.5; stroke-dasharray: 5 3 }
  @media (prefers-color-scheme: dark) {
    .paced { fill: #4bc98a } .unpaced { fill: #ff6b6b } .rate { stroke: #6ba4f5 }
  }
"""


def draw(live: Mapping[str, Any], fleet: Mapping[str, Any]) -> str:
    """Return the picture of one live run, beside one of the rolled fleet."""
    label = "Reconnects a second after a drain, live and in a simulated fleet"
    parts = [*_live(live), *_fleet(fleet["rolls"], WIDTH - PANEL), *_caption(live, fleet)]
    return picture(WIDTH, HEIGHT, label, parts, STYLE)


def _live(run: Mapping[str, Any]) -> Iterable[str]:
    """Mounts for each tenth of a second, as a rate."""
    seconds = int(run["mounts"][-1]) + 1
    counts = [0] * (seconds * 5)
    for at in run["mounts"]:
        counts[int(at * 5)] += 5
    yield text(0, 18, f"{run['clients']:,} live connections, one process replaced", "title")
    top = 3 * run["rate"]
    yield from _axes(0, [(n, f"{n} s") for n in range(0, seconds + 1, 5)], seconds, "reconnects a second")
    yield from _bars(0, counts, top, "paced")
    yield from _rate(0, run["rate"], top)
    yield text(0, FOOT + 58, f"{run['synced']:,} of {run['clients']:,}", "figure good")
    yield text(0, FOOT + 76, "synced", "quiet small")
    yield text(150, FOOT + 58, f"{run['exact']:,}", "figure good")
    yield text(150, FOOT + 76, "with their state, exact", "quiet small")
    yield text(310, FOOT + 58, f"{run['clients'] - run['synced']}", "figure good")
    yield text(310, FOOT + 76, "timed out", "quiet small")


def _fleet(rolls: Mapping[str, Any], left: float) -> Iterable[str]:
    """Mounts a second over the whole roll: as it is, and as it would be without pacing."""
    paced, unpaced = rolls["paced"], rolls["not paced"]
    rate = paced["roll"]["rate"]
    seconds = len(paced["per_second"])
    yield text(left, 18, "1,000,000 clients, 100 servers (simulated)", "title")
    top = 3 * rate
    minutes = [(n * 60, f"{n} min") for n in range(0, seconds // 60 + 1, 15)]
    yield from _axes(left, minutes, seconds, "reconnects a second")
    yield from _bars(left, unpaced["per_second"], top, "unpaced", seconds)
    if any(count > top for count in unpaced["per_second"]):
        yield text(
            left + len(unpaced["per_second"]) / seconds * PANEL + 8, TOP + 12, "not paced", "bad small"
        )
    yield from _bars(left, _peaks(paced["per_second"]), top, "paced")
    yield from _rate(left, rate, top)
    for offset, figure, meaning, kind in (
        (0, f"{paced['busiest_second']:,}", "in the busiest second", "good"),
        (150, f"{unpaced['busiest_second']:,}", "without pacing (cut off above)", "bad"),
        (340, f"{paced['moves'] / paced['roll']['clients']:.1f}", "moves a client", ""),
    ):
        yield text(left + offset, FOOT + 58, figure, f"figure {kind}")
        yield text(left + offset, FOOT + 76, meaning, "quiet small")


def _peaks(counts: Sequence[int], within: int = 10) -> list[int]:
    """Return the highest second of every so many."""
    return [max(counts[start : start + within]) for start in range(0, len(counts), within)]


def _axes(left: float, marks: Iterable[tuple[float, str]], end: float, what: str) -> Iterable[str]:
    yield text(left, TOP - 14, what, "quiet small")
    yield f'<line class="axis" x1="{left}" x2="{left + PANEL}" y1="{FOOT}" y2="{FOOT}"/>'
    for at, name in marks:
        x = left + at / end * PANEL
        if x < left + PANEL - 12:
            yield f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{FOOT}" y2="{FOOT + 4}"/>'
            yield text(x, FOOT + 20, name, "quiet small", "middle" if at else "start")


def _bars(left: float, counts: Sequence[int], top: float, kind: str, slots: int = 0) -> Iterable[str]:
    """One shape with a step for each count; what is above the top is cut off there."""
    width = PANEL / (slots or len(counts))
    path = ""
    for number, count in enumerate(counts):
        if count:
            height = min(count / top, 1) * (FOOT - TOP)
            thick = max(width, 0.6)
            path += f"M{left + number * width:.1f} {FOOT}v{-height:.1f}h{thick:.2f}V{FOOT}z"
    yield f'<path class="{kind}" d="{path}"/>'


def _rate(left: float, rate: float, top: float) -> Iterable[str]:
    y = FOOT - rate / top * (FOOT - TOP)
    yield f'<line class="rate" x1="{left}" x2="{left + PANEL}" y1="{y:.1f}" y2="{y:.1f}"/>'
    yield f'<line class="rate" x1="{left}" x2="{left + 24}" y1="{TOP - 46}" y2="{TOP - 46}"/>'
    yield text(left + 32, TOP - 42, f"STASH_RECONNECT_RATE: {rate:.0f} a second", "quiet small")


def _caption(live: Mapping[str, Any], fleet: Mapping[str, Any]) -> Iterable[str]:
    roll = fleet["rolls"]["paced"]["roll"]
    shared = f"Servers and clients shared {live['cores']} cores: a stall, then its queue."
    refused = f"{roll['refused']:.0%} of the attempts are refused and come back."
    measured = f"Python {live['python']}, Quart {live['quart']}, Hypercorn {live['hypercorn']}"
    lines = (
        f"Left: what the new process saw, for each fifth of a second. {shared}",
        f"Right: servers leave one after the other; {refused} Green: the highest of ten; red: all told at once.",
        f"{live['date']}, {measured}.",
    )
    for number, line in enumerate(lines):
        yield text(0, FOOT + 112 + number * 17, line, "quiet small")
