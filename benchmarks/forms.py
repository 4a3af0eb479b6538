"""What form recovery costs in forms of 10 to 5,000 fields, in three engines: `python -m benchmarks.forms`.

Prints a table, and writes `results/forms.json` and `docs/forms.svg` if told to with `--write`.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.picture import picture, text
from tests.browser.engines import ENGINES, Browser
from tests.browser.forms.page import FormPage
from tests.browser.site import Site

SIZES = (10, 100, 1000, 5000)
RUNS = 5
RESULTS = Path(__file__).parent / "results" / "forms.json"
DRAWING = Path(__file__).parents[1] / "docs" / "forms.svg"

NAMES = {
    "bare": "a keystroke in a page without the script",
    "key": "a keystroke",
    "save": "saving, once a second, one field touched",
    "save_all": "saving, every field touched",
    "render": "looking at the form after a rendering",
    "morph": "rendering it by morph",
    "start": "the start of the page",
}

# A keystroke is what the script does for its event: real keys cost a browser a thousand times as much.
MEASURE = """
const fields = [...document.forms[0].elements];
const key = (field) => field.dispatchEvent(new InputEvent("input", { bubbles: true, composed: true, data: "x" }));
const each = (times, action) => {
  const began = performance.now();
  for (let time = 0; time < times; time += 1) action(time);
  return ((performance.now() - began) / times) * 1000;
};
const middle = fields[fields.length >> 1];
const found = {};
found.bare = each(20_000, () => key(middle));
const began = performance.now();
forms.start();
forms.restore();
found.start = (performance.now() - began) * 1000;
middle.value = "typed";
key(middle);
each(20_000, () => key(middle));
found.key = each(20_000, () => key(middle));
found.save = each(20, (time) => { middle.value = `typed ${time}`; key(middle); forms.flush(); });
found.render = each(5, () => forms.update());
const html = document.forms[0].outerHTML;
found.morph = each(fields.length > 1000 ? 1 : 3, () => morph(document.forms[0], html));
[...document.forms[0].elements].forEach((field, index) => { field.value = `value ${index}`; key(field); });
forms.flush();
found.save_all = each(5, (time) => {
  document.forms[0].elements[0].value = `once more ${time}`;
  key(document.forms[0].elements[0]);
  forms.flush();
});
window.found = found;
"""


def measure(page: FormPage, size: int) -> dict[str, float]:
    """Return microseconds for each of `NAMES`, in a form of so many fields."""
    fields = "".join(f'<p><label>Field {i} <input name="n{i}"></label></p>' for i in range(size))
    page.open(fields, script="")
    page.run(MEASURE)
    found: dict[str, float] = page.evaluate("window.found")
    return found


def run(engine: str) -> dict[str, dict[str, float]]:
    """Return the medians of several runs, by size."""
    browser = Browser(engine)
    try:
        medians = {}
        for size in SIZES:
            runs = []
            for _ in range(RUNS):
                with Site() as site, browser.tab() as tab:
                    runs.append(measure(FormPage(tab, site), size))
            medians[str(size)] = {name: statistics.median(run[name] for run in runs) for name in NAMES}
        return medians
    finally:
        browser.end()


def table(results: dict[str, dict[str, dict[str, float]]]) -> Iterable[str]:
    """Lines of Markdown."""
    for engine, sizes in results.items():
        yield f"| {engine}, µs | " + " | ".join(f"{size:,} fields" for size in SIZES) + " |"
        yield "| --- |" + " --- |" * len(SIZES)
        for name, says in NAMES.items():
            figures = (sizes[str(size)][name] for size in SIZES)
            yield (
                f"| {says} | "
                + " | ".join(f"{figure:,.{1 if figure < 100 else 0}f}" for figure in figures)
                + " |"
            )
        yield ""


def draw(results: dict[str, dict[str, dict[str, float]]]) -> str:
    """Return a picture: what a keystroke costs, beside what grows with the form."""
    left, top, panel, height = 150, 60, 250, 22
    parts = [text(0, 20, "What a keystroke costs, in forms of 10 to 5,000 fields (microseconds)", "title")]
    longest = max(sizes[str(size)]["key"] for sizes in results.values() for size in SIZES)
    for column, (engine, sizes) in enumerate(results.items()):
        at = left + column * (panel + 20)
        parts.append(text(at, top - 12, engine, "quiet"))
        for row, size in enumerate(SIZES):
            y = top + row * height
            width = sizes[str(size)]["key"] / longest * (panel - 60)
            parts.append(f'<rect class="n" x="{at}" y="{y}" width="{width:.1f}" height="14"/>')
            parts.append(text(at + width + 6, y + 12, f"{sizes[str(size)]['key']:.1f}", "small"))
            if column == 0:
                parts.append(text(left - 10, y + 12, f"{size:,} fields", "small", "end"))
    return picture(
        left + len(results) * (panel + 20), top + len(SIZES) * height + 10, "A keystroke's cost", parts
    )


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engines", nargs="+", default=list(ENGINES))
    parser.add_argument("--write", action="store_true")
    options: Any = parser.parse_args()
    results = {}
    for engine in options.engines:
        print(f"{engine} …", flush=True)
        results[engine] = run(engine)
    print("\n".join(table(results)))
    if options.write:
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        DRAWING.write_text(draw(results))


if __name__ == "__main__":
    main()
