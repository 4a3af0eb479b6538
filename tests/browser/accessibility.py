"""Asks axe-core what is wrong with a page for those who do not see it, or have no mouse."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Page

from tests.browser.tab import Tab

AXE = Path(__file__).parents[2] / "js" / "node_modules" / "axe-core" / "axe.min.js"
LOOK = """
axe.run().then(({ passes, violations }) => passes.length > 10
  ? violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`))
  : ["axe has not looked at the page"])
"""


def violations(tab: Tab) -> list[str]:
    """Return what is wrong with the page as it is now, by rule."""
    if not tab.evaluate("'axe' in window"):
        tab.run(f"{AXE.read_text()}\nwindow.axe = axe;")
    found: list[str] = tab.evaluate(LOOK)
    return found


async def violations_at(page: Page) -> list[str]:
    """Return the same of a page that Playwright drives, at the size and in the colours that it has been given."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(f"() => {{ {AXE.read_text()}\nwindow.axe = axe; }}")
    found: list[str] = await page.evaluate(LOOK)
    return found
