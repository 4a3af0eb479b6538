"""Traces of docs/traces.md that only a browser can show."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

from playwright.async_api import Page

from tests.browser.fleet import fleet, tab

APP = "tests.browser.apps.traces"

EVERYTHING_STORED = "JSON.stringify([{ ...sessionStorage }, { ...localStorage }])"


async def shows(page: Page, text: str) -> dict[str, Any]:
    """Wait until the view has told this, and return all that it told."""
    await page.wait_for_function(
        "text => document.getElementById('state')?.textContent.includes(text)", arg=text, timeout=30_000
    )
    told: dict[str, Any] = json.loads(await page.inner_text("#state"))
    return told


async def say(page: Page, text: str) -> None:
    """Send one message."""
    await page.evaluate("text => socket.send(text)", text)


async def heard(page: Page, kind: str) -> list[dict[str, Any]]:
    """Return what the page was told of one kind."""
    events: list[dict[str, Any]] = await page.evaluate(
        "kind => heard.filter(({ type }) => type === kind)", kind
    )
    return events


async def test_trace_14_a_stopped_process_that_goes_on(tmp_path: Path) -> None:
    """A process that is stopped in mid-message and wakes up when its client has moved on changes nothing: neither page nor state."""
    async with fleet(APP, tmp_path) as servers, tab(f"http://127.0.0.1:{servers.port}/one") as page:
        await say(page, "first")
        await shows(page, "1 first")
        await say(page, "stop")
        await page.wait_for_function("() => heard.at(-1).data === 'stopped'")
        stopped = await servers.succeed()
        assert stopped is not None
        await page.evaluate("dispatchEvent(new Event('online'))")  # else the silence is noticed later
        await shows(page, "2 stop")
        await say(page, "third")
        told = await shows(page, "3 third")
        await page.wait_for_function("() => socket.stats.received === 3")
        before = [await page.evaluate("heard.length"), await page.evaluate(EVERYTHING_STORED)]
        stopped.signal_group(signal.SIGCONT)
        await stopped.logs("a stopped process has gone on")
        await stopped.get("/one")  # what it had sent is out
        assert [await page.evaluate("heard.length"), await page.evaluate(EVERYTHING_STORED)] == before
        await page.reload()
        assert await shows(page, "3 third") == told
        assert told["said"] == ["1 first", "2 stop", "3 third"]


async def test_trace_17_a_password_sent_in_an_outage(tmp_path: Path) -> None:
    """A login form that is submitted over the socket in an outage leaves no password in storage, and its number stays taken."""
    password = "correct horse battery staple"
    async with fleet(APP, tmp_path) as servers, tab(f"http://127.0.0.1:{servers.port}/one") as page:
        await say(page, "first")
        await shows(page, "1 first")
        await page.evaluate("fetch('/drain', { method: 'POST' })")
        await page.wait_for_selector("html[data-stash-state=reconnecting]", state="attached")
        await page.fill("#user", "ada")
        await page.fill("#password", password)
        await page.click("#login button")
        await say(page, "third")
        assert (await page.evaluate("socket.stats"))["sent"] == 3
        assert password not in await page.evaluate(EVERYTHING_STORED)
        await page.reload()
        stored = await page.evaluate(EVERYTHING_STORED)
        assert password not in stored and "third" in stored
        assert (await page.evaluate("socket.stats"))["sent"] == 3
        await say(page, "fourth")
        await servers.kill()
        assert (await shows(page, "fourth"))["said"] == ["1 first", "3 third", "4 fourth"]


async def test_trace_19_a_message_that_kills_its_process(tmp_path: Path) -> None:
    """A message that kills its process each time is given up, the page hears it, and the view goes on behind it."""
    async with fleet(APP, tmp_path) as servers, tab(f"http://127.0.0.1:{servers.port}/one") as page:
        await say(page, "first")
        await shows(page, "1 first")
        await say(page, "die")
        await say(page, "third")
        for crash in range(1, 5):  # as it was sent, and three times as it was sent again
            await page.wait_for_function(
                "crash => heard.filter(({ data }) => data === 'dying').length === crash", arg=crash
            )
            assert await heard(page, "failed") == []
            await servers.kill()
        assert (await shows(page, "third"))["said"] == ["1 first", "3 third"]
        assert await heard(page, "failed") == [{"type": "failed", "number": 2, "data": "die"}]


async def test_trace_22_a_script_under_two_addresses(tmp_path: Path) -> None:
    """A script that a page evaluates under several addresses is one client: one restore of the view, and of its form."""
    async with fleet(APP, tmp_path) as servers, tab(f"http://127.0.0.1:{servers.port}/one") as page:
        await say(page, "first")
        told = await shows(page, "1 first")
        await page.wait_for_function("() => socket.stats.received === 1")
        await page.fill("#user", "ada")
        await page.reload()
        assert await shows(page, "1 first") == told, "the view is no copy of itself"
        assert await page.input_value("#user") == "ada"
        addresses = await page.evaluate(
            "performance.getEntriesByType('resource').map(({ name }) => name).filter((name) => name.includes('quart-stash'))"
        )
        assert len(addresses) == 2
        assert await page.evaluate(
            "import('/_stash/quart-stash.js?3').then((one) => one.StashSocket === StashSocket)"
        )
        assert [(event["status"], event["received"]) for event in await heard(page, "mounted")] == [
            ("restored", 1)
        ]


async def test_trace_23_history_entries(tmp_path: Path) -> None:
    """A page, a link to another, a link to the first again, and back twice: each history entry has its own view."""
    async with fleet(APP, tmp_path) as servers, tab(f"http://127.0.0.1:{servers.port}/one") as page:
        told = []
        for name in ("one", "two", "three"):
            assert (await shows(page, "id"))["said"] == []
            await say(page, name)
            told.append(await shows(page, name))
            async with page.expect_navigation():
                await page.click("#link")
        for expected in reversed(told):
            await page.go_back()
            assert await shows(page, expected["said"][0]) == expected
        assert len({each["id"] for each in told}) == 3
        assert [each["said"] for each in told] == [["1 one"], ["1 two"], ["1 three"]]
