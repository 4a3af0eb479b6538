"""Asks axe-core what is wrong with a page for those who do not see it, or have no mouse."""

from __future__ import annotations

from pathlib import Path

from tests.browser.tab import Tab

AXE = Path(__file__).parents[2] / "js" / "node_modules" / "axe-core" / "axe.min.js"


def violations(tab: Tab) -> list[str]:
    """Return what is wrong with the page as it is now, by rule."""
    tab.run(f"{AXE.read_text()}\nwindow.axe = axe;")
    found: list[str] = tab.evaluate(
        "(await axe.run()).violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`))"
    )
    return found
