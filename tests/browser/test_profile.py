"""`examples/profile` in Chromium: somebody types, and the servers come and go."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright

from tests.browser import fleet as chromium
from tests.browser.accessibility import violations
from tests.browser.camera import Camera
from tests.browser.fleet import CHROMIUM, FLAGS, Fleet, connected, fleet, witnessed
from tests.browser.tab import Tab

APP = "examples.profile.app"
RESTARTS = 10
LETTERS = itertools.cycle("the quick brown fox jumps over the lazy dog, ")


async def type_until(page: Page, done: asyncio.Event) -> str:
    """Type on and on, as a person does, until told; return what was typed."""
    typed = ""
    while not done.is_set():
        letter = next(LETTERS)
        # A pause after each word: that is when the page sends what stands there.
        await page.keyboard.type(letter, delay=300 if letter == " " else 40)
        typed += letter
    return typed


async def caret(page: Page) -> tuple[str, int, int, str]:
    """Return where the focus is, the selection in it, and its text."""
    found: list[object] = await page.evaluate(
        "(() => { const e = document.activeElement; return [e.id, e.selectionStart, e.selectionEnd, e.value]; })()"
    )
    return str(found[0]), int(str(found[1])), int(str(found[2])), str(found[3])


async def all_processed(page: Page) -> None:
    """Wait until the server has processed exactly as many messages as the page has sent: none is lost, none doubled."""
    await page.wait_for_function(
        "() => +document.getElementById('sent').value > 0 && "
        "document.getElementById('processed').value === document.getElementById('sent').value"
    )


async def restarts_while_typing(fleet_: Fleet, page: Page, how: str) -> None:
    """Type into the middle of a text while the servers are restarted ten times, and look at every detail."""
    await connected(page)
    await page.fill("#bio", "[]")
    await page.focus("#bio")
    await page.evaluate("document.getElementById('bio').setSelectionRange(1, 1)")
    done = asyncio.Event()
    typing = asyncio.create_task(type_until(page, done))
    try:
        for sent in range(RESTARTS):
            # Not before the page has said something new: each restart then falls into a conversation.
            await page.wait_for_function(f"() => +document.getElementById('sent').value > {sent}")
            await getattr(fleet_, how)()
            await connected(page)
    finally:
        done.set()
        typed = await typing
    assert len(typed) > RESTARTS
    assert await caret(page) == ("bio", 1 + len(typed), 1 + len(typed), f"[{typed}]")
    await all_processed(page)


@pytest.mark.parametrize("how", ["deploy", "kill"])
async def test_typing_through_restarts(how: str, tmp_path: Path) -> None:
    """Through ten deploys, and through ten kills, text, caret, focus and the count of messages stay exactly right."""
    async with (
        fleet(APP, tmp_path, QUART_DATABASE=str(tmp_path / "profile.sqlite3")) as servers,
        chromium.tab(f"http://127.0.0.1:{servers.port}/") as page,
    ):
        await restarts_while_typing(servers, page, how)
        if how == "deploy":
            states = await witnessed(page)
            assert set(states[states.index("connected") :]) == {"connected", "handover"}
            assert servers.log.count("1 of 1 synced") == RESTARTS
        await page.screenshot(path=tmp_path / f"profile-{how}.png")


async def test_reload_in_mid_sentence(tmp_path: Path) -> None:
    """A reload between two keystrokes, right after a kill, keeps every field, and the save is saved once."""
    database = tmp_path / "profile.sqlite3"
    async with (
        fleet(APP, tmp_path, QUART_DATABASE=str(database)) as servers,
        chromium.tab(f"http://127.0.0.1:{servers.port}/") as page,
    ):
        await connected(page)
        await page.fill("#name", "Ada")
        await page.fill("#email", "ada@example.com")
        await page.select_option("#country", index=2)
        await page.check("#newsletter")
        await page.focus("#bio")
        await page.keyboard.type("Half a sen")
        await servers.kill()
        await page.reload()
        await connected(page)
        assert await page.input_value("#name") == "Ada"
        assert await page.input_value("#bio") == "Half a sen"
        assert await page.is_checked("#newsletter")
        await page.focus("#bio")
        await page.evaluate("document.getElementById('bio').setSelectionRange(10, 10)")
        await page.keyboard.type("tence.")
        await page.click("#save")
        await servers.kill()
        await page.wait_for_function("() => document.getElementById('saved').value === 'Saved.'")
        with sqlite3.connect(database) as connection:
            saved = "\n".join(connection.iterdump())
        connection.close()
        assert saved.count("Half a sentence.") == 1
        await page.reload()
        await connected(page)
        assert await page.input_value("#bio") == "Half a sentence."


async def test_refused_corrected_saved(tmp_path: Path) -> None:
    """A profile that is refused, corrected and saved leaves no draft: a reload shows what has been saved since, elsewhere."""
    database = tmp_path / "profile.sqlite3"
    async with (
        fleet(APP, tmp_path, QUART_DATABASE=str(database)) as servers,
        chromium.tab(f"http://127.0.0.1:{servers.port}/") as page,
    ):
        await connected(page)
        await page.fill("#name", "Ada")
        await page.fill("#email", "ada@example")
        await page.click("#save")
        await page.wait_for_selector("#email[aria-invalid=true]")
        await page.fill("#email", "ada@example.com")
        await page.click("#save")
        await page.wait_for_function("() => document.getElementById('saved').value === 'Saved.'")
        with sqlite3.connect(database) as connection:
            connection.execute("UPDATE profiles SET name = 'Grace', email = 'grace@example.com'")
        connection.close()
        await page.reload()
        await connected(page)
        assert await page.input_value("#name") == "Grace"
        assert await page.input_value("#email") == "grace@example.com"
        assert await page.inner_text("[data-conflict=name]") == ""


async def test_without_javascript(tmp_path: Path) -> None:
    """The form posts as a plain form where there is no script."""
    async with fleet(APP, tmp_path, QUART_DATABASE=str(tmp_path / "profile.sqlite3")) as servers:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            context = await browser.new_context(java_script_enabled=False)
            page = await context.new_page()
            await page.goto(f"http://127.0.0.1:{servers.port}/")
            await page.fill("#name", "Ada")
            await page.fill("#email", "ada@example.com")
            await page.click("#save")
            assert "Saved." in await page.inner_text("body")
            assert await page.input_value("#name") == "Ada"
            await browser.close()


async def test_conflict_is_told_beside_its_field(tab: Tab, camera: Camera, tmp_path: Path) -> None:
    """What another tab has saved meanwhile is told in words beside the field, and the user chooses."""
    async with fleet(APP, tmp_path, QUART_DATABASE=str(tmp_path / "profile.sqlite3")) as servers:
        page = f"http://127.0.0.1:{servers.port}/"
        tab.goto(page)
        tab.fill("#name", "Ada")
        tab.fill("#bio", "Mine")
        tab.click("[name=visibility][value=public]")
        camera.take(
            tab, "Typed, and not yet saved. Another tab saves the same profile meanwhile.", around="#name"
        )
        other = tab.new_tab(page)
        for field, text in (("name", "Grace"), ("email", "grace@example.org"), ("bio", "Theirs")):
            other.fill(f"#{field}", text)
        other.click("[name=visibility][value=private]")
        other.click("#save")
        other.wait_for("document.getElementById('saved').value === 'Saved.'")
        tab.reload()
        told = "document.getElementById(a[0])?.textContent"
        tab.wait_for(f"{told} === 'Saved meanwhile: “Grace”'", "name-conflict")
        tab.wait_for(f"{told} === 'Saved meanwhile: “Private”'", "visibility-conflict")
        assert "name-conflict" in tab.evaluate(
            "document.getElementById('name').getAttribute('aria-describedby')"
        )
        assert tab.value("#name") == "Ada"
        camera.take(
            tab, "After a reload: what was typed, and beside it in words what has been saved.", around="#name"
        )
        assert violations(tab) == []
        tab.click("[data-conflict=name] button:nth-of-type(1)")
        assert tab.value("#name") == "Grace"
        assert tab.evaluate("document.activeElement.id") == "name"
        tab.click("[data-conflict=bio] button:nth-of-type(2)")
        tab.click("[data-conflict=visibility] button:nth-of-type(1)")
        assert tab.value("#bio") == "Mine"
        assert tab.evaluate("document.querySelectorAll('.conflict:not(:empty)').length") == 0
        assert tab.checked("[name=visibility][value=private]")
        camera.take(tab, "Chosen, field by field, and not asked again.", around="#name")
        tab.click("#save")
        tab.wait_for("document.getElementById('saved').value === 'Saved.'")
        tab.reload()
        assert [tab.value("#name"), tab.value("#bio")] == ["Grace", "Mine"]
        other.close()


SAID = """
Object.fromEntries([...document.querySelectorAll("[data-error]")]
  .filter(({ textContent }) => textContent.trim()).map(({ dataset, textContent }) => [dataset.error, textContent]))
"""
MARKED = "[...document.querySelectorAll('[aria-invalid=true]')].map(({ id }) => id)"
ANSWERED = """
+document.getElementById("sent").value > 0
  && document.getElementById("processed").value === document.getElementById("sent").value
"""


async def test_nothing_is_said_of_what_nobody_has_touched(tab: Tab, tmp_path: Path) -> None:
    """A field is called wrong once the user has left it or submitted: not before, not as they type, nor by a restart."""
    name, email = "Please tell us your name.", "This is not an e-mail address."
    async with fleet(APP, tmp_path, QUART_DATABASE=str(tmp_path / "profile.sqlite3")) as servers:
        tab.goto(f"http://127.0.0.1:{servers.port}/")
        tab.wait_for("document.documentElement.dataset.stashState === 'connected'")
        tab.type("Notes", into="#bio")
        tab.wait_for(ANSWERED)
        assert (tab.evaluate(SAID), tab.evaluate(MARKED)) == ({}, [])
        tab.type("ada@", into="#email")
        tab.wait_for(ANSWERED)
        await servers.kill()
        tab.wait_for("document.documentElement.dataset.stashState === 'connected'")
        tab.type("exam")
        tab.wait_for(ANSWERED)
        assert (tab.evaluate(SAID), tab.evaluate(MARKED)) == ({}, [])
        tab.press("Tab")
        tab.wait_for(f"JSON.stringify({SAID}) === a[0]", f'{{"email":"{email}"}}')
        assert tab.evaluate(MARKED) == ["email"]
        tab.reload()
        tab.wait_for(f"JSON.stringify({SAID}) === a[0]", f'{{"email":"{email}"}}')
        tab.click("#save")
        tab.wait_for(f"JSON.stringify({SAID}) === a[0]", f'{{"name":"{name}","email":"{email}"}}')
        tab.run("window.before = true; setTimeout(() => location.reload())")
        tab.wait_for(
            f"!window.before && JSON.stringify({SAID}) === a[0]", f'{{"name":"{name}","email":"{email}"}}'
        )
        assert tab.evaluate(MARKED) == ["name", "email"]
        tab.fill("#name", "Ada")
        tab.fill("#email", "ada@example.org")
        tab.wait_for(f"JSON.stringify({SAID}) === '{{}}'")
        assert tab.evaluate(MARKED) == []
