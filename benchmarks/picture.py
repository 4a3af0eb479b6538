"""Draws a deploy, without and with quart_stash, from what `gap.py` measured: plain SVG, for light and dark pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

__all__ = ["draw", "picture", "text"]

WIDTH, PANEL, LEFT, GUTTER = 960, 452, 0, 56
TOP, LANE = 118, 10
BEFORE, CUT = 600, 500
"""Milliseconds that are drawn before SIGTERM, and not drawn at the end."""

STYLE = """
  text { font: 13px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
  .title { font-size: 17px; font-weight: 600 } .quiet { fill: #59636e } .small { font-size: 12px }
  .figure { font-size: 17px; font-weight: 600; font-variant-numeric: tabular-nums }
  .axis { stroke: #8b949e; stroke-width: 1 } .term { stroke: #59636e; stroke-dasharray: 3 3 }
  .o { stroke: #3b74c4 } .n { stroke: #1a8a5a } .dots { fill: none; stroke-width: 2.6; stroke-linecap: round }
  .x { fill: none; stroke: #d1242f; stroke-width: 1.8 }
  rect.o { fill: #3b74c4; stroke: none } rect.n { fill: #1a8a5a; stroke: none } rect.late { fill-opacity: .45 }
  .bad { fill: #d1242f } .good { fill: #1a7f4e } .on { fill: #fff; font-size: 11px }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .quiet { fill: #9198a1 } .axis { stroke: #6e7681 } .term { stroke: #9198a1 }
    .o { stroke: #6ba4f5 } .n { stroke: #4bc98a } .x { stroke: #ff6b6b }
    rect.o { fill: #3f78c9 } rect.n { fill: #238a5b } .bad { fill: #ff7b72 } .good { fill: #56d196 } .on { fill: #fff }
  }
"""


def draw(result: Mapping[str, Any]) -> str:
    """Return the picture of one measurement."""
    end = max(lane["times"][-1] for what in ("bare", "app") for lane in result[what]["lanes"]) - CUT
    lanes = len(result["app"]["lanes"])
    foot = TOP + lanes * LANE
    height = foot + 140
    parts = [
        *_panel(result, "bare", 0, end),
        *_panel(result, "app", WIDTH - PANEL, end),
        *_caption(result, foot + 100),
    ]
    return picture(WIDTH, height, "A deploy of 50 connected clients, without and with quart_stash", parts)


def picture(width: int, height: int, label: str, parts: Iterable[str], style: str = "") -> str:
    """Return a whole SVG, in the style that the pictures of the documentation share."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{label}">\n<style>{STYLE}{style}</style>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _panel(result: Mapping[str, Any], what: str, left: float, end: float) -> Iterable[str]:
    run = result[what]
    bottom = TOP + len(run["lanes"]) * LANE

    def x(ms: float) -> float:
        return left + (ms + BEFORE) / (end + BEFORE) * PANEL

    title = "Without: a Quart WebSocket" if what == "bare" else "With quart_stash"
    yield text(left, 18, title, "title")
    yield from _processes(run, x, end)
    yield f'<line class="term" x1="{x(0):.1f}" x2="{x(0):.1f}" y1="{TOP - 14}" y2="{bottom + 4}"/>'
    yield from _messages(run["lanes"], x, end)
    yield f'<line class="axis" x1="{left}" x2="{left + PANEL}" y1="{bottom + 4}" y2="{bottom + 4}"/>'
    for second in range(int((end - 150) / 1000) + 1):
        at = x(second * 1000)
        yield f'<line class="axis" x1="{at:.1f}" x2="{at:.1f}" y1="{bottom + 4}" y2="{bottom + 8}"/>'
        name = "SIGTERM" if second == 0 else f"{second} s"
        yield text(at, bottom + 22, name, "quiet small", "middle")
    yield from _figures(run, left, bottom + 52, result["clients"])


def _processes(run: Mapping[str, Any], x: Any, end: float) -> Iterable[str]:
    """The bars of the two processes: the old one from its SIGTERM on is paler."""
    start, term, left, stop = x(-BEFORE), x(0), x(run["left"] * 1000), x(end)
    yield f'<rect class="o" x="{start:.1f}" y="42" width="{term - start:.1f}" height="16"/>'
    yield f'<rect class="o late" x="{term:.1f}" y="42" width="{left - term:.1f}" height="16"/>'
    yield text(start + 5, 54, "old", "on")
    if run["killed"]:
        yield text(left - 6, 54, f"hangs; killed after {run['left']:.0f} s", "small", "end")
        yield text(left + 4, 55, "✕", "bad")
    else:
        yield text(left + 6, 54, f"has left after {run['left']:.1f} s", "quiet small")
    yield f'<rect class="n" x="{start:.1f}" y="62" width="{stop - start:.1f}" height="16"/>'
    yield text(start + 5, 74, "new, ready before", "on")


def _messages(lanes: Iterable[Mapping[str, Any]], x: Any, end: float) -> Iterable[str]:
    paths = {"o": "", "n": "", "x": ""}
    for row, lane in enumerate(lanes):
        y = TOP + row * LANE - 2
        for time, kind in zip(lane["times"], lane["kinds"], strict=True):
            if -BEFORE <= time <= end:
                paths[kind] += f"M{x(time):.1f} {y - 3}v6" if kind == "x" else f"M{x(time):.1f} {y}h0"
    for kind, path in paths.items():
        if path:
            yield f'<path class="{kind if kind == "x" else kind + " dots"}" d="{path}"/>'


def _figures(run: Mapping[str, Any], left: float, y: float, clients: int) -> Iterable[str]:
    gap, exact = run["gap_ms"], run["counts_exact"]
    columns = (
        (0, f"{gap['p50']:.0f} ms, {gap['max']:.0f} ms", "gap: median, longest", ""),
        (198, f"{run['lost']:,}", f"of {run['sent']:,} lost", "bad" if run["lost"] else "good"),
        (328, f"{exact} of {clients}", "counts exactly right", "good" if exact == clients else "bad"),
    )
    for offset, figure, meaning, kind in columns:
        yield text(left + offset, y, figure, f"figure {kind}")
        yield text(left + offset, y + 18, meaning, "quiet small")


def _caption(result: Mapping[str, Any], y: float) -> Iterable[str]:
    yield '<path class="o dots" d="M4 92h0"/>' + text(12, 96, "answered by the old process", "quiet small")
    yield '<path class="n dots" d="M190 92h0"/>' + text(198, 96, "by the new one", "quiet small")
    yield '<path class="x" d="M300 89v6"/>' + text(308, 96, "never answered", "quiet small")
    lanes = len(result["app"]["lanes"])
    every, clients, cores = result["interval_ms"], result["clients"], result["cores"]
    versions = ", ".join(f"{name.capitalize()} {result[name]}" for name in ("python", "quart", "hypercorn"))
    how = (
        f"servers and clients on the same {cores} cores; of {result['runs']} runs the one with the median gap"
    )
    lines = (
        f"A row is a client that sends a message every {every:.0f} ms, to be counted: {lanes} of {clients} are drawn.",
        "A rolling deploy on one listening socket: the new process is ready, then the old one gets SIGTERM.",
        f"{result['date']}, {versions}, {how}.",
    )
    for number, line in enumerate(lines):
        yield text(0, y + number * 17, line, "quiet small")


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    """Return one line of words."""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'
