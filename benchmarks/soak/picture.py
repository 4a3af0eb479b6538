"""Draws the gaps of a soak, by cause, in the way of the other pictures: plain SVG, for light and dark pages."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.picture import picture, text
from benchmarks.soak.faults import FAULTS, ROLL

__all__ = ["draw"]

WIDTH, LEFT, RIGHT = 960, 236, 690
TOP, ROW = 150, 27
LEAST, MOST = 1.0, 60_000.0
"""Milliseconds at both ends of the axis, which is logarithmic."""
TICKS = {1: "1 ms", 10: "10 ms", 100: "100 ms", 1000: "1 s", 10_000: "10 s", 60_000: "1 min"}
NOTICED = 500
"""Milliseconds after which a page is told."""
COLUMNS = {"count": 758, "p50": 822, "p99": 890, "max": 958}

OWN_STYLE = """
  .gap { stroke: #3b74c4; stroke-width: 1.6; stroke-opacity: .4 } .roll { stroke: #1a8a5a }
  .p50 { fill: #1f2328 } .p99 { stroke: #1f2328; stroke-width: 2 } .grid { stroke: #d1d9e0 }
  @media (prefers-color-scheme: dark) {
    .gap { stroke: #6ba4f5 } .roll { stroke: #4bc98a } .p50 { fill: #e6edf3 } .p99 { stroke: #e6edf3 }
    .grid { stroke: #3d444d }
  }
"""


def draw(figures: Mapping[str, Any]) -> str:
    """Return the picture of one soak."""
    gaps = figures["gaps_ms"]
    causes = [cause for cause in [*FAULTS, *sorted(gaps.keys() - FAULTS.keys())] if cause in gaps]
    bottom = TOP + len(causes) * ROW
    parts = [
        *_heading(figures),
        *_axis(bottom),
        *(part for row, cause in enumerate(causes) for part in _row(cause, gaps[cause], TOP + row * ROW)),
        *_caption(figures, bottom + 48),
    ]
    label = "How long messages had to wait, by what had happened to servers, proxies and network"
    return picture(WIDTH, bottom + 120, label, parts, OWN_STYLE)


def _x(milliseconds: float) -> float:
    part = math.log(max(LEAST, milliseconds) / LEAST) / math.log(MOST / LEAST)
    return LEFT + min(1.0, part) * (RIGHT - LEFT)


def _heading(figures: Mapping[str, Any]) -> Iterable[str]:
    yield text(0, 18, "The soak: what happened, and how long messages had to wait", "title")
    lost = figures["lost"] + figures["doubled"] + figures["keystrokes_lost"]
    columns = (
        (0, f"{figures['restarts']:,}", "restarts", ""),
        (180, f"{figures['messages']:,}", "messages", ""),
        (
            380,
            f"{figures['lost']:,} and {figures['doubled']:,}",
            "lost, and doubled",
            "bad" if lost else "good",
        ),
        (560, f"{figures['keystrokes']:,}", "keystrokes", ""),
        (
            740,
            f"{figures['keystrokes_lost']:,}",
            "of them lost",
            "bad" if figures["keystrokes_lost"] else "good",
        ),
    )
    for x, figure, meaning, kind in columns:
        yield text(x, 58, figure, f"figure {kind}")
        yield text(x, 76, meaning, "quiet small")


def _axis(bottom: float) -> Iterable[str]:
    heads = {"count": "gaps", "p50": "median", "p99": "p99", "max": "longest"}
    for name, x in COLUMNS.items():
        yield text(x, TOP - 18, heads[name], "quiet small", "end")
    for milliseconds, name in TICKS.items():
        at = _x(milliseconds)
        yield f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP - 10}" y2="{bottom}"/>'
        yield text(at, bottom + 18, name, "quiet small", "middle")
    at = _x(NOTICED)
    yield f'<line class="term" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP - 10}" y2="{bottom}"/>'
    yield text(at, TOP - 18, "told to the page", "quiet small", "middle")
    yield f'<line class="axis" x1="{LEFT}" x2="{RIGHT}" y1="{bottom}" y2="{bottom}"/>'


def _row(cause: str, gaps: Mapping[str, Any], y: float) -> Iterable[str]:
    yield text(0, y + 13, cause)
    ticks = "".join(f"M{_x(value):.1f} {y + 3:.0f}v12" for value in gaps["quantiles"])
    yield f'<path class="gap{" roll" if cause == ROLL else ""}" d="{ticks}"/>'
    yield f'<circle class="p50" cx="{_x(gaps["p50"]):.1f}" cy="{y + 9:.0f}" r="3.2"/>'
    yield f'<path class="p99" d="M{_x(gaps["p99"]):.1f} {y:.0f}v18"/>'
    for name, x in COLUMNS.items():
        shown = f"{gaps[name]:,}" if name == "count" else _time(gaps[name])
        yield text(x, y + 13, shown, "small", "end")


def _time(milliseconds: float) -> str:
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def _caption(figures: Mapping[str, Any], y: float) -> Iterable[str]:
    names = {"python": "Python", "haproxy": "HAProxy", "nginx": "nginx"}
    versions = ", ".join(
        f"{names.get(name, name.capitalize())} {it}" for name, it in figures["versions"].items()
    )
    tabs = f" and {figures['tabs']} tabs of Chromium" if figures["tabs"] else ""
    lines = (
        "A gap: from the last moment at which a message could reach its view to the first at which it could again.",
        "A stroke is one two-hundredth of them, the dot the median, the bar the 99th percentile.",
        f"{figures['clients']} clients{tabs}, half behind each proxy, two servers behind both.",
        f"{figures['date']}, all on the same {figures['cores']} cores. {versions}.",
    )
    for number, line in enumerate(lines):
        yield text(0, y + number * 17, line, "quiet small")
