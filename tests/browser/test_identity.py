"""One tab, two users: neither a state nor a single typed letter of the first reaches the second."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Page

from tests.browser.fleet import connected, fleet, tab

APP = "tests.browser.apps.login"
LOGINS = {
    "user_id": (APP, {"LOGIN": "user_id"}),
    "username": (APP, {"LOGIN": "username"}),
    "flask-login": (APP, {"LOGIN": "flask-login"}),
    "quart-auth": (APP, {"LOGIN": "quart-auth"}),
    "starlette": ("tests.browser.apps.frameworks", {"FRAMEWORK": "starlette"}),
    "fastapi": ("tests.browser.apps.frameworks", {"FRAMEWORK": "fastapi"}),
}

QUEUE = """
(async () => {
  const { StashSocket } = await import("/_stash/quart-stash.js");
  window.blocked = true;
  const Blocked = class extends WebSocket {
    constructor(...address) {
      if (window.blocked) throw new Error("no network yet");
      super(...address);
    }
  };
  window.heard = [];
  window.socket = new StashSocket("/live", { WebSocket: Blocked });
  socket.onmessage = ({ data }) => (document.getElementById("state").textContent = data);
  socket.addEventListener("mounted", ({ detail }) => heard.push(["mounted", detail.status, detail.reason]));
  socket.addEventListener("lost", ({ detail }) => heard.push(["lost", detail.messages]));
  socket.send("A said this");
})()
"""
"""Sends while there is no network, in a page without a view of its own."""


async def state(page: Page) -> str:
    """Wait until the view has said what it knows, and return that."""
    await connected(page)
    await page.wait_for_function("() => document.getElementById('state').textContent !== ''")
    return await page.inner_text("#state")


@pytest.mark.parametrize(
    ("login", "fresh"),
    [
        *((login, "") for login in LOGINS),
        *((login, "?fresh") for login in ("user_id", "quart-auth", "starlette")),
    ],
)
async def test_trace_16_another_user_in_the_same_tab(login: str, fresh: str, tmp_path: Path) -> None:
    """A logs out, B logs in where A was, and goes back through A's history: there is nothing of A's, neither here nor there."""
    app, environment = LOGINS[login]
    async with (
        fleet(app, tmp_path, **environment) as servers,
        tab(f"http://127.0.0.1:{servers.port}/as/ada") as page,
    ):
        await state(page)
        await page.fill("#note", "A's letters")
        await page.evaluate("socket.send('A said this')")
        await page.wait_for_function("() => document.getElementById('state').textContent.includes('A said')")
        await page.reload()
        known = await state(page)
        assert "A said this" in known and "A's letters" in known
        assert await page.input_value("#note") == "A's letters"
        await page.goto(f"http://127.0.0.1:{servers.port}/out")
        assert await page.inner_text("#user") == "nobody"
        assert "A" not in await state(page)
        await page.goto(f"http://127.0.0.1:{servers.port}/as/bob{fresh}")
        assert await page.inner_text("#user") == "bob"
        assert "A" not in await state(page)
        for _ in range(2):
            await page.go_back()
            await page.wait_for_function("() => document.getElementById('user')?.textContent === 'bob'")
            assert "A" not in await state(page)
            assert await page.input_value("#note") == ""
        await page.evaluate("socket.send('bob was here')")
        await page.wait_for_function("() => document.getElementById('state').textContent.includes('bob')")
        assert "A" not in await state(page)


@pytest.mark.parametrize("login", ["username", "fastapi"])
async def test_another_user_in_another_tab(login: str, tmp_path: Path) -> None:
    """B logs in elsewhere while A's page is open: when that page reconnects, B's view gets nothing that A typed."""
    app, environment = LOGINS[login]
    async with (
        fleet(app, tmp_path, **environment) as servers,
        tab(f"http://127.0.0.1:{servers.port}/as/ada") as page,
    ):
        await state(page)
        await page.fill("#note", "A's letters")
        await page.evaluate("socket.send('A said this')")
        await page.wait_for_function("() => document.getElementById('state').textContent.includes('A said')")
        other = await page.context.new_page()
        await other.goto(f"http://127.0.0.1:{servers.port}/as/bob")
        await page.evaluate("document.getElementById('state').textContent = ''")
        await servers.deploy()
        assert "A" not in await state(page)


async def test_what_was_queued_before_another_user_logged_in(tmp_path: Path) -> None:
    """A's page has sent and was never mounted; B logs in elsewhere; the page mounts: its messages are lost, not B's."""
    async with (
        fleet(APP, tmp_path) as servers,
        tab(f"http://127.0.0.1:{servers.port}/as/ada") as page,
    ):
        await page.goto(f"http://127.0.0.1:{servers.port}/form")
        await page.evaluate(QUEUE)
        other = await page.context.new_page()
        await other.goto(f"http://127.0.0.1:{servers.port}/as/bob")
        await page.evaluate("window.blocked = false")
        await page.wait_for_function("() => window.heard.length > 1")
        assert await page.evaluate("heard") == [
            ["mounted", "rejected", "identity"],
            ["lost", ["A said this"]],
        ]
        assert "A" not in await state(page)
        await page.evaluate("socket.send('B said this')")
        await page.wait_for_function("() => document.getElementById('state').textContent.includes('B said')")
        assert "A said" not in await state(page)


async def test_what_was_queued_for_another_address(tmp_path: Path) -> None:
    """What a page has queued for `?room=1` goes there after a reload, and not to `?room=2`, which has a slot of its own."""
    async with (
        fleet(APP, tmp_path) as servers,
        tab(f"http://127.0.0.1:{servers.port}/as/ada") as page,
    ):
        await page.goto(f"http://127.0.0.1:{servers.port}/form")
        await page.evaluate(QUEUE.replace('"/live"', '"/live?room=1"').replace("A said this", "for room one"))
        await page.reload()
        for room, known in ((2, False), (1, True)):
            queue = QUEUE.replace('"/live"', f'"/live?room={room}"').replace("A said this", f"to room {room}")
            await page.evaluate(queue.replace("window.blocked = true", "window.blocked = false"))
            await page.wait_for_function(
                f"() => document.getElementById('state').textContent.includes('to room {room}')"
            )
            assert ("for room one" in await page.inner_text("#state")) is known


async def test_a_page_that_does_not_say_whose_it_is(tmp_path: Path) -> None:
    """Without the tag a deploy is survived, and nothing lies in storage for the next user of the tab."""
    async with (
        fleet(APP, tmp_path) as servers,
        tab(f"http://127.0.0.1:{servers.port}/as/ada") as page,
    ):
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        await page.goto(f"http://127.0.0.1:{servers.port}/?bare")
        await page.evaluate("[sessionStorage, localStorage].forEach((area) => area.clear())")
        await page.fill("#note", "A's letters")
        await page.evaluate("socket.send('A said this')")
        await page.wait_for_function("() => document.getElementById('state').textContent.includes('A said')")
        await page.evaluate("document.getElementById('state').textContent = ''")
        await servers.deploy()
        known = await state(page)
        assert "A said this" in known and "A's letters" in known
        stored = await page.evaluate("Object.keys({ ...sessionStorage, ...localStorage })")
        assert [key for key in stored if key.startswith("quart-stash")] == []
        await page.goto(f"http://127.0.0.1:{servers.port}/as/bob")
        await page.goto(f"http://127.0.0.1:{servers.port}/?bare")
        assert "A" not in await state(page)
        assert sum("stash_script()" in text for text in said) == 2, "once in each page"
