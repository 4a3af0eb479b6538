"""The demo's panel as a visitor sees it: its words, its drawings, and how much of the page it leaves to be seen."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from tests.browser.accessibility import violations_at
from tests.browser.camera import Camera
from tests.browser.fleet import browsing
from tests.browser.forms.test_accessibility import HANDED_OVER, PANEL, STARTED_ANEW
from tests.test_demo import address, start

TIMEOUT = 120_000
"""Milliseconds, against hanging: a server has to start in between."""

PHONE = {"width": 360, "height": 740}
SIZES = ((360, 740), (768, 1024), (1280, 800))
EXAMPLES = ("profile", "wizard", "launcher", "room")

# Whatever has words of its own in the panel, and where it is.
FAULTS = f"""
(() => {{
  const root = {PANEL}, faults = [];
  const words = [...root.querySelectorAll("button, label, p, figcaption span, h2, li span, text, a")]
    .filter((one) => one.checkVisibility() && one.textContent.trim() && !one.querySelector("label, li, a, span"));
  const boxes = words.map((one) => [one.textContent, one.getBoundingClientRect(), one]);
  for (const [text, box, one] of boxes) {{
    const frame = (one.ownerSVGElement ?? root.getElementById("demo")).getBoundingClientRect();
    if (box.left < frame.left - 0.5 || box.right > frame.right + 0.5) faults.push(`cut off: ${{text}}`);
    if (one.ownerSVGElement && (box.top < frame.top - 1 || box.bottom > frame.bottom + 1)) faults.push(`cut off: ${{text}}`);
    for (const [other, its] of boxes) {{
      const wide = Math.min(box.right, its.right) - Math.max(box.left, its.left);
      const high = Math.min(box.bottom, its.bottom) - Math.max(box.top, its.top);
      if (other < text && wide > 1 && high > 3) faults.push(`${{text}} over ${{other}}`);
    }}
  }}
  if (document.documentElement.scrollWidth > innerWidth) faults.push("the page is wider than the window");
  return boxes.length > 3 ? faults : ["no words found"];
}})()
"""
SHARE = f"{PANEL}.getElementById('demo').offsetHeight / innerHeight"

# A restart as it might have been, drawn where the panel draws its own.
DRAWN = f"""
async (restart) => {{
  const {{ storyOf, stepsOf, tell, plain }} = await import("/static/story.js");
  const {{ drawRestart }} = await import("/static/timeline.js");
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"), servers = new Map(restart.servers);
  {PANEL}.getElementById("demo-lately").append(svg);
  const story = storyOf(restart, servers), steps = stepsOf(story, restart, servers);
  drawRestart(svg, story, steps, servers);
  const widths = Object.fromEntries([...svg.querySelectorAll("rect")]
    .map((rect) => [rect.getAttribute("class"), +rect.getAttribute("width")]));
  const faults = {FAULTS};
  svg.remove();
  return {{ words: plain(tell(story)), steps: steps.map(({{ words }}) => words), widths, faults, story }};
}}
"""


def connection(opened: float, mounted: float, **more: Any) -> dict[str, Any]:
    return {"opened": opened, "accepted": opened + 1, "mounted": mounted, "frames": [], **more}


def frames(up: bool, **at: float) -> list[dict[str, Any]]:
    return [{"at": when, "what": what.replace("_", " "), "up": up} for what, when in at.items()]


KILL: dict[str, Any] = {
    "old": connection(1000, 1010, ended=5003, frames=frames(False, close_1006=5003)),
    "next": connection(5100, 7150, accepted=7110, frames=frames(True, mount=7120)),
    "from": 5003,
    "status": "restored",
    "servers": [
        [2, {"started": 1, "ready": 900, "sigkill": 5000, "exited": 5004}],
        [3, {"started": 5010, "ready": 7140}],
    ],
}
DEPLOY: dict[str, Any] = {
    "old": connection(1000, 1010, drained=5060, flushed=5068, ended=5076),
    "next": connection(5061, 5080),
    "from": 5068,
    "status": "restored",
    "servers": [
        [1, {"started": 1, "ready": 900, "sigterm": 5000, "exited": 5300}],
        [2, {"started": 3000, "ready": 4999}],
    ],
}
LOST = {**DEPLOY, "old": connection(1000, 1010, ended=5068), "servers": [[1, {"started": 1, "ready": 900}]]}
CRASH = {**KILL, "servers": [[2, {"started": 1, "ready": 900, "exited": 5004}], KILL["servers"][1]]}
TOLD = [
    (KILL, "Server 2 was killed. Server 3 took 2.1 s to start, then your page waited 40 ms."),
    (DEPLOY, "Server 2 has taken over from server 1. Your page waited 12 ms."),
    (LOST, "The connection was lost. Your page waited 12 ms."),
    (CRASH, "Server 2 has ended. Server 3 took 2.1 s to start, then your page waited 40 ms."),
    (
        {**DEPLOY, "status": "fresh"},
        "Server 2 has taken over from server 1. Your page waited 12 ms, and began anew.",
    ),
]


@asynccontextmanager
async def demonstration() -> AsyncIterator[tuple[str, Browser]]:
    """The demo, and a browser to look at it."""
    with start() as demo:
        try:
            home = address(demo)
            async with browsing() as browser:
                yield home, browser
        finally:
            demo.send_signal(signal.SIGINT)
            demo.communicate(timeout=60)


async def opened(browser: Browser, url: str, **options: Any) -> Page:
    page = await (await browser.new_context(**options)).new_page()
    page.set_default_timeout(TIMEOUT)
    await page.goto(url)
    await page.wait_for_function("document.documentElement.dataset.stashState === 'connected'")
    await page.wait_for_function(f"{PANEL}.querySelector('[role=status]').textContent")
    return page


async def press(page: Page, command: str, words: str) -> None:
    """Press a button of the panel, with a mouse, and wait for these words."""
    await page.locator(f"#demo-{command}[aria-disabled=false]").click()
    await page.wait_for_function(
        f"(words) => RegExp(words).test({PANEL}.querySelector('[role=status]').textContent)", arg=words
    )


async def test_panel_in_chromium(camera: Camera, tmp_path: Path) -> None:
    """It tells a deploy and a kill in words, to scale, without one label over another, and covers little of a phone."""
    async with demonstration() as (home, browser):
        phone = await opened(browser, f"{home}/profile/", viewport=PHONE, has_touch=True)
        desk = await opened(browser, f"{home}/profile/", viewport={"width": 1280, "height": 800})
        assert await phone.evaluate(SHARE) < 0.15
        assert await desk.evaluate(SHARE) < 0.3
        await desk.fill("#name", "Ada Lovelace")
        await desk.fill("#email", "ada@example.org")
        await desk.fill("#bio", "Half a sen")
        for command, words, typed in (
            ("deploy", HANDED_OVER, "tence. "),
            ("kill", STARTED_ANEW, "And anoth"),
        ):
            await press(desk, command, words)
            await desk.keyboard.type(typed)
            await phone.wait_for_function(
                f"(words) => RegExp(words).test({PANEL}.querySelector('[role=status]').textContent)",
                arg=words,
            )
            assert await phone.evaluate(SHARE) < 0.2
            for page in (phone, desk):
                assert await page.evaluate(FAULTS) == []
        assert await desk.input_value("#bio") == "Half a sentence. And anoth"
        if picture := camera.still("demo"):
            await desk.set_viewport_size({"width": 1000, "height": 860})
            await desk.screenshot(path=picture)
        await phone.locator("#demo-fold").click()
        assert await phone.evaluate(SHARE) <= 0.5
        for width, height in SIZES:
            for colours in ("light", "dark"):
                await phone.set_viewport_size({"width": width, "height": height})
                await phone.emulate_media(color_scheme=colours)
                await phone.wait_for_function(
                    f"{PANEL}.getElementById('demo-restart').clientWidth <= innerWidth"
                )
                assert await phone.evaluate(FAULTS) == []
                assert await violations_at(phone) == []
                await phone.screenshot(path=tmp_path / f"panel-{width}-{colours}.png")
        await phone.set_viewport_size(PHONE)  # type: ignore[arg-type]
        for restart, told in TOLD:
            drawn = await phone.evaluate(DRAWN, restart)
            assert (drawn["words"], drawn["faults"]) == (told, [])
        for restart, share in ((KILL, 40 / (7110 - 5003)), (CRASH, 40 / (7110 - 5003))):
            widths = (await desk.evaluate(DRAWN, restart))["widths"]
            assert widths["waiting"] / widths["without"] == pytest.approx(share, rel=0.01)
        await phone.reload()
        await phone.wait_for_function(f"!{PANEL}.getElementById('demo-details').hidden")


async def test_examples_fit_a_phone() -> None:
    """Each example is as wide as a phone at most, and what it shows can be read there, secrets too."""
    async with demonstration() as (home, browser):
        for example in EXAMPLES:
            page = await opened(browser, f"{home}/{example}/", viewport=PHONE)
            assert await page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
            if example == "launcher":
                await page.evaluate(
                    "document.querySelectorAll('[data-phase]').forEach((part) => (part.hidden = false))"
                )
                await page.evaluate(
                    "document.querySelectorAll('code').forEach((code) => (code.textContent = 'f0'.repeat(16)))"
                )
                heights = "[...document.querySelectorAll('code')].map((code) => code.getClientRects().length)"
                assert max(await page.evaluate(heights)) <= 2
            # An outage is told where it moves nothing.
            height = await page.evaluate("document.querySelector('header').offsetHeight")
            await page.evaluate("document.querySelector('stash-status').textContent = 'Wird neu verbunden …'")
            assert await page.evaluate("document.querySelector('header').offsetHeight") == height
            await page.close()
