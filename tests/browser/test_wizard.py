"""`examples/wizard` in the three engines: somebody plans a trip, and the servers come and go."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from playwright.async_api import async_playwright

from tests.browser.accessibility import violations
from tests.browser.camera import Camera
from tests.browser.fleet import CHROMIUM, FLAGS, Fleet, fleet
from tests.browser.tab import Tab

APP = "examples.wizard.app"
BOOKED = {
    "contact": {"Your name": "Ada Lovelace", "E-mail": "ada@example.org", "Company": "Engines", "VAT number": "GB 123456"},
    "travellers": [
        {"name": "Charles", "country": "Japan", "city": "Kyoto"},
        {"name": "Ada", "country": "France", "city": "Paris"},
    ],
    "date": "2999-05-01",
    "by": "ship",
    "extras": ["A guide"],
    "note": "A <b>window</b> seat",
}  # fmt: skip


@asynccontextmanager
async def serving(tmp_path: Path) -> AsyncIterator[Fleet]:
    """The wizard, served."""
    async with fleet(APP, tmp_path, QUART_DATABASE=str(tmp_path / "wizard.sqlite3")) as servers:
        yield servers


def begin(tab: Tab, servers: Fleet) -> None:
    """Go to the wizard."""
    tab.goto(f"http://127.0.0.1:{servers.port}/")
    connected(tab)


def connected(tab: Tab) -> None:
    """Wait until the view is connected."""
    tab.wait_for("document.documentElement.dataset.stashState === 'connected'")


def booked(tmp_path: Path) -> list[dict[str, Any]]:
    """Return what has been booked."""
    with closing(sqlite3.connect(tmp_path / "wizard.sqlite3")) as database:
        return [json.loads(row[0]) for row in database.execute("SELECT trip FROM bookings")]


def proceed(tab: Tab, button: str, step: int) -> None:
    """Press a button, and wait for the step that it leads to, and until its heading has the focus."""
    tab.click(button)
    tab.wait_for("document.querySelector('[name=step]').value === a[0]", str(step))
    tab.wait_for("document.activeElement.id === 'step'")


def focused(tab: Tab, name: str) -> None:
    """Wait until an element has the focus."""
    tab.wait_for("document.activeElement.id === a[0]", name)


def value(tab: Tab, selector: str, expected: str) -> None:
    """Wait until a control holds a value."""
    tab.wait_for("document.querySelector(a[0]).value === a[1]", selector, expected)


def rows(tab: Tab, *names: str) -> None:
    """Wait until the rows are these, in this order."""
    found = "[...document.querySelectorAll('.rows input')].map(({ value }) => value).join()"
    tab.wait_for(f"{found} === a[0]", ",".join(names))


def choose(tab: Tab, row: int, country: str, city: str) -> None:
    """Choose a country, and, once the server has sent its cities, one of these."""
    tab.select(f"#traveller-{row}-country", country)
    tab.wait_for("document.querySelector(a[0])", f'#traveller-{row}-city option[value="{city}"]')
    tab.select(f"#traveller-{row}-city", city)


def fill_contact(tab: Tab) -> None:
    """Fill the first step in, and proceed."""
    tab.fill("#name", "Ada")
    tab.fill("#email", "ada@example.org")
    proceed(tab, "#next", 2)


async def write_note(tab: Tab, servers: Fleet) -> None:
    """Fill the third step in, with a deploy in the middle of a bold word."""
    tab.fill("#date", "2999-05-01")
    tab.check("#by-1")
    tab.check("#extras-1")
    tab.type("A ", into="#note")
    tab.click("[data-format=bold]")
    tab.type("win")
    await servers.deploy()
    tab.type("dow")
    tab.click("[data-format=bold]")
    tab.type(" seat")


async def introduce(tab: Tab, camera: Camera, servers: Fleet) -> None:
    """Fill the first step in, with a deploy in the middle of the name."""
    tab.fill("#name", "Ada")
    camera.take(tab, "Somebody begins to type …")
    typing = asyncio.create_task(asyncio.to_thread(tab.type, " Lovelace"))
    await servers.deploy()
    await typing
    camera.take(tab, "… and goes on while a deploy replaces the server.")
    assert tab.evaluate("[document.activeElement.id, document.activeElement.selectionStart]") == [
        "name",
        12,
    ]
    tab.fill("#email", "ada@example.org")
    tab.check("#company_pays")
    tab.fill("#company", "Engines")
    tab.fill("#vat", "GB 123456")


async def test_trip_through_restarts(tab: Tab, camera: Camera, tmp_path: Path) -> None:
    """With a deploy, a kill or a reload in every step, nothing that was typed is lost, and the trip is booked once."""
    async with serving(tmp_path) as servers:
        begin(tab, servers)
        await introduce(tab, camera, servers)
        proceed(tab, "#next", 2)
        tab.fill("#traveller-1-name", "Ada")
        choose(tab, 1, "France", "Paris")
        tab.click("#add")
        focused(tab, "traveller-2-name")
        tab.type("Char")
        camera.take(tab, "Rows are added and filled in. Now the server is killed, in mid-word.")
        await servers.kill()
        tab.type("les")
        choose(tab, 2, "Japan", "Kyoto")
        tab.click("#up-2")
        focused(tab, "down-2")
        camera.take(tab, "The word goes on, and the second row is moved up. Now the page is loaded anew.")
        tab.reload()
        connected(tab)
        rows(tab, "Charles", "Ada")
        value(tab, "#traveller-2-city", "Kyoto")
        camera.take(tab, "After the reload: each row with what was typed and chosen in it.")
        proceed(tab, "#next", 3)
        await write_note(tab, servers)
        camera.take(tab, "Rich text, with a deploy in the middle of the bold word; then a kill and a reload.")
        await servers.kill()
        tab.reload()
        connected(tab)
        proceed(tab, "#next", 4)
        await servers.kill()
        tab.reload()
        connected(tab)
        tab.wait_for("document.querySelector('.summary')?.textContent.includes('Charles, from Kyoto')")
        camera.take(tab, "Another kill and a reload. Now “Book”, and the server is killed at once.")
        tab.click("#book")
        await servers.kill()
        tab.wait_for("document.getElementById('number')?.textContent === '1'")
        camera.take(tab, "Booked: once.")
        tab.reload()
        connected(tab)
        tab.wait_for("document.getElementById('number')?.textContent === '1'")
        trips = "Object.entries(sessionStorage).filter(([key]) => key.endsWith(':form:trip'))"
        assert tab.evaluate(f"{trips}.flatMap(([, item]) => JSON.parse(item).v.fields)") == []
    [trip] = booked(tmp_path)
    trip["note"] = trip["note"].replace("&nbsp;", " ")
    assert trip == BOOKED


async def test_back_and_forth(tab: Tab, tmp_path: Path) -> None:
    """Steps that were left half done, and fields that were not asked for meanwhile, come back with what was typed, after a kill too."""
    async with serving(tmp_path) as servers:
        begin(tab, servers)
        tab.check("#company_pays")
        tab.fill("#company", "Engines")
        tab.uncheck("#company_pays")
        tab.wait_for("!document.getElementById('company')")
        fill_contact(tab)
        tab.fill("#traveller-1-name", "Half a na")
        proceed(tab, "#back", 1)
        await servers.kill()
        tab.reload()
        connected(tab)
        value(tab, "#name", "Ada")
        tab.check("#company_pays")
        value(tab, "#company", "Engines")
        tab.uncheck("#company_pays")
        tab.wait_for("!document.getElementById('company')")
        proceed(tab, "#next", 2)
        value(tab, "#traveller-1-name", "Half a na")


async def test_reload_while_the_address_changes(tab: Tab, tmp_path: Path) -> None:
    """A reload keeps the view also if a message changes the page's address while the page is on its way out."""
    async with serving(tmp_path) as servers:
        begin(tab, servers)
        fill_contact(tab)
        tab.fill("#traveller-1-name", "Half a na")
        tab.run("addEventListener('beforeunload', () => history.replaceState(history.state, '', '?step=1'))")
        tab.reload()
        connected(tab)
        value(tab, "#traveller-1-name", "Half a na")


async def test_rows(tab: Tab, tmp_path: Path) -> None:
    """What was typed into a row stays with it when rows are added, moved and removed, and goes with it."""
    async with serving(tmp_path) as servers:
        begin(tab, servers)
        fill_contact(tab)
        tab.fill("#traveller-1-name", "One")
        for row, name in ((2, "Two"), (3, "Three")):
            tab.click("#add")
            focused(tab, f"traveller-{row}-name")
            tab.type(name)
        tab.click("#up-3")
        rows(tab, "One", "Three", "Two")
        focused(tab, "up-3")
        tab.click("#remove-2")
        rows(tab, "One", "Three")
        tab.click("#add")
        focused(tab, "traveller-4-name")
        rows(tab, "One", "Three", "")
        await servers.deploy()
        tab.reload()
        connected(tab)
        rows(tab, "One", "Three", "")


async def test_two_tabs(tab: Tab, tmp_path: Path) -> None:
    """Two tabs plan two trips, whatever happens to their server."""
    async with serving(tmp_path) as servers:
        begin(tab, servers)
        fill_contact(tab)
        tab.fill("#traveller-1-name", "Ada")
        other = tab.new_tab(f"http://127.0.0.1:{servers.port}/")
        connected(other)
        assert other.value("#name") == ""
        other.fill("#name", "Bob")
        await servers.kill()
        tab.reload()
        other.reload()
        for one in (tab, other):
            connected(one)
        value(other, "#name", "Bob")
        value(tab, "#traveller-1-name", "Ada")
        other.close()


async def test_keyboard(tab: Tab, tmp_path: Path) -> None:
    """Enter proceeds, a change does not; where something is wrong, the focus is led there, and it is tied to the field."""
    async with serving(tmp_path) as servers:
        begin(tab, servers)
        tab.type("Ada", into="#name")
        tab.press("Enter")
        focused(tab, "email")
        described = (
            "document.getElementById(document.activeElement.getAttribute('aria-describedby')).textContent"
        )
        assert tab.evaluate(described) == "This is not an e-mail address."
        assert tab.evaluate("document.activeElement.ariaInvalid") == "true"
        tab.type("ada@example.org")
        tab.press("Tab")
        tab.wait_for("document.getElementById('email-error').textContent === ''")
        tab.press("Enter", on="#email")
        focused(tab, "step")
        tab.press("Tab")
        tab.type("Ada")
        assert tab.value("#traveller-1-name") == "Ada"


async def test_rich_text(tab: Tab, tmp_path: Path) -> None:
    """What is pasted is plain text, the buttons say what they have done, and what a script puts in is not booked."""
    async with serving(tmp_path) as servers:
        begin(tab, servers)
        fill_contact(tab)
        tab.fill("#traveller-1-name", "Ada")
        choose(tab, 1, "France", "Paris")
        proceed(tab, "#next", 3)
        tab.fill("#date", "2999-05-01")
        tab.click("[data-format=italic]")
        tab.wait_for("document.querySelector('[data-format=italic]').ariaPressed === 'true'")
        tab.type("a")
        tab.click("[data-format=italic]")
        tab.wait_for("document.querySelector('[data-format=italic]').ariaPressed === 'false'")
        tab.run("getSelection().selectAllChildren(document.querySelector('h1'))")
        tab.press("Control+c")
        tab.run("getSelection().selectAllChildren(note); getSelection().collapseToEnd(); note.focus()")
        tab.press("Control+v")
        tab.wait_for("note.textContent === 'aPlan a trip'")
        assert tab.evaluate("note.querySelectorAll(':not(i)').length") == 0
        tab.run("note.insertAdjacentHTML('beforeend', '<img src=x><style>*{}</style>')")
        proceed(tab, "#next", 4)
        assert tab.evaluate("document.querySelectorAll('.summary img, .summary style').length") == 0
        tab.click("#book")
        tab.find("#number")
    [trip] = booked(tmp_path)
    assert re.sub("</?i>", "", trip["note"]) == "aPlan a trip"


async def test_without_javascript(tmp_path: Path) -> None:
    """The form goes through its steps as a plain form where there is no script."""
    async with serving(tmp_path) as servers, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = await (await browser.new_context(java_script_enabled=False)).new_page()
        await page.goto(f"http://127.0.0.1:{servers.port}/")
        await page.fill("#name", "Ada")
        await page.press("#name", "Enter")
        await page.wait_for_selector("#email:focus")
        await page.fill("#email", "ada@example.org")
        await page.click("#next")
        await page.fill("#traveller-1-name", "Ada")
        await page.select_option("#traveller-1-country", "France")
        await page.click("text=Update")
        await page.select_option("#traveller-1-city", "Paris")
        await page.click("#next")
        await page.fill("#date", "2999-05-01")
        await page.fill("#plain_note", "A <window> seat\nplease")
        await page.click("#next")
        await page.click("#book")
        assert await page.inner_text("#number") == "1"
        await browser.close()
    assert booked(tmp_path)[0]["note"] == "A &lt;window&gt; seat<br>please"


async def test_nothing_flashes(tab: Tab, tmp_path: Path) -> None:
    """Over a kill and a deploy no rendering lacks a row, or what was typed into it."""
    async with serving(tmp_path) as servers:
        begin(tab, servers)
        fill_contact(tab)
        tab.click("#add")
        focused(tab, "traveller-2-name")
        tab.type("Ada")
        tab.run(
            """
            window.seen = new Set();
            const look = () => seen.add(document.getElementById("traveller-2-name")?.value);
            const changes = { childList: true, subtree: true, attributes: true };
            new MutationObserver(look).observe(document.body, changes);
            """
        )
        for restart in (servers.kill, servers.deploy):
            await restart()
            # What the next process says of it.
            tab.click("#up-2")
            focused(tab, "down-2")
            tab.click("#down-2")
            focused(tab, "up-2")
        assert tab.evaluate("[...seen]") == ["Ada"]


async def test_accessible(tab: Tab, tmp_path: Path) -> None:
    """In no step, with all its fields and what is wrong with them, does axe-core find anything to mend."""
    async with serving(tmp_path) as servers:
        begin(tab, servers)
        tab.check("#company_pays")
        tab.find("#company")
        tab.click("#next")
        focused(tab, "name")
        assert violations(tab) == []
        tab.uncheck("#company_pays")
        tab.wait_for("!document.getElementById('company')")
        fill_contact(tab)
        tab.click("#next")
        focused(tab, "traveller-1-name")
        assert violations(tab) == []
        tab.type("Ada")
        choose(tab, 1, "France", "Paris")
        proceed(tab, "#next", 3)
        tab.click("#next")
        focused(tab, "date")
        assert violations(tab) == []
        tab.fill("#date", "2999-05-01")
        proceed(tab, "#next", 4)
        assert violations(tab) == []
        tab.click("#book")
        tab.find("#number")
        assert violations(tab) == []
