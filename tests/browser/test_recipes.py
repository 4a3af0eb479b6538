"""The recipes of docs/frameworks-js.md, as they stand there."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Page

from tests.browser.fleet import fleet, tab

APP = "tests.browser.apps.recipes"
ONE_IS_OPEN = "async () => (await (await fetch('/open/count')).text()) === '1'"


async def counts(page: Page, count: int) -> None:
    """Wait until the page shows this count."""
    await page.wait_for_function(
        "count => document.querySelector('#more')?.textContent === count", arg=str(count), timeout=30_000
    )


@pytest.mark.parametrize("framework", ["react", "vue", "alpine"])
async def test_recipe(tmp_path: Path, framework: str) -> None:
    """A component's view and form go on over a kill, a reload and a component that is taken out and put in again; one view is open."""
    async with fleet(APP, tmp_path) as servers, tab(f"http://127.0.0.1:{servers.port}/{framework}") as page:
        await counts(page, 0)
        await page.click("#more")
        await counts(page, 1)
        await page.wait_for_function(ONE_IS_OPEN)
        await page.locator("[name=name]").press_sequentially("ada")
        await servers.kill()
        await page.click("#more")
        await counts(page, 2)
        await page.reload()
        await counts(page, 2)
        await page.wait_for_function("() => document.querySelector('[name=name]').value === 'ada'")
        await page.evaluate("show(false)")
        await page.wait_for_selector("form", state="detached")
        await page.evaluate("show(true)")
        await counts(page, 2)
        await page.wait_for_function("() => document.querySelector('[name=name]').value === 'ada'")
        await page.click("#more")
        await counts(page, 3)
        await page.wait_for_function(ONE_IS_OPEN)
        await page.click("text=Save")
        await page.wait_for_function("() => !JSON.stringify({ ...sessionStorage }).includes('ada')")
