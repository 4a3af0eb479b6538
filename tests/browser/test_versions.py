"""Old and new code in Chromium: a state is migrated, waits for code that knows it, or makes its page load anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from playwright.async_api import Page

from tests.browser.fleet import fleet, tab

APP = "tests.browser.apps.versions"


async def said(page: Page, release: int) -> dict[str, Any]:
    """Wait until the view of a release has spoken, and return what it said."""
    await page.wait_for_function(
        """release => document.getElementById("state")?.textContent.includes(`"release":${release}`)""",
        arg=release,
    )
    heard: dict[str, Any] = json.loads(await page.inner_text("#state"))
    return heard


async def test_migrated_rolled_back_and_too_old(tmp_path: Path) -> None:
    """A state goes along to the next release; back under the old one it waits; too old, it makes its page load anew, once."""
    async with fleet(APP, tmp_path, RELEASE="1") as servers, tab(f"http://127.0.0.1:{servers.port}/") as page:
        await said(page, 1)
        await page.evaluate("socket.send('one')")
        await page.wait_for_function("() => document.getElementById('state').textContent.includes('one')")
        await page.fill("#note", "half a sen")

        servers.environment["RELEASE"] = "2"
        await servers.deploy()
        assert await said(page, 2) == {"release": 2, "status": "restored", "state": {"items": ["one"]}}
        await page.evaluate("socket.send('two')")
        await page.wait_for_function("() => document.getElementById('state').textContent.includes('two')")

        # A rollback: nobody here knows the new state, and nothing is lost.
        servers.environment["RELEASE"] = "1"
        await servers.deploy()
        await servers.current_log("can't be judged here")
        servers.environment["RELEASE"] = "2"
        await page.evaluate("document.getElementById('state').textContent = ''")
        await servers.deploy()
        assert (await said(page, 2))["state"] == {"items": ["one", "two"]}
        assert await page.title() == "1", "the page has not been loaded anew so far"

        servers.environment["RELEASE"] = "4"
        await servers.deploy()
        await page.wait_for_function("() => document.title === '4'")
        assert await said(page, 4) == {"release": 4, "status": "restored", "state": {"items": []}}
        assert await page.input_value("#note") == "half a sen"
