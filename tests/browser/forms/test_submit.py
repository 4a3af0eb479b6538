"""Forms that are submitted over a socket: once, or by the browser; and what is left of them afterwards."""

from __future__ import annotations

import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.browser.engines import SECRET
from tests.browser.fleet import Fleet, fleet
from tests.browser.forms.page import FormPage
from tests.browser.tab import RELOADS, Tab

APP = "tests.browser.apps.submits"


@asynccontextmanager
async def served(tab: Tab, folder: Path, path: str = "/", **environment: str) -> AsyncIterator[Fleet]:
    """A served application with forms, and the tab at it."""
    environment = {"SAVES": str(folder / "saves"), "QUART_STASH_SHUTDOWN_TIMEOUT": "3", **environment}
    async with fleet(APP, folder, **environment) as servers:
        tab.goto(f"http://127.0.0.1:{servers.port}{path}")
        tab.wait_for("window.ready")
        yield servers


def said(tab: Tab, *submits: list[Any]) -> None:
    """Wait until the view says that exactly this was submitted."""
    text = json.dumps(submits, separators=(",", ":"), ensure_ascii=False)
    tab.wait_for("document.getElementById('state').textContent === a[0]", text)


def mounted(tab: Tab) -> None:
    tab.wait_for("heard.some(([type]) => type === 'mounted') && socket.stats.state === 'live'")


def saves(folder: Path) -> list[str]:
    return [line.partition(" ")[2] for line in (folder / "saves").read_text().splitlines()]


def stored(tab: Tab) -> str:
    """What is stored while the page goes on."""
    found: str = tab.evaluate(
        "(socket.flush(), JSON.stringify({ ...sessionStorage, ...localStorage }).replaceAll('\\\\', ''))"
    )
    return found


def drafts(tab: Tab) -> str:
    """What of it is stashed of forms."""
    found: str = tab.evaluate(
        "(socket.flush(), JSON.stringify(Object.entries(sessionStorage).filter(([key]) => key.includes(':form:'))))"
    )
    return found


def heard(tab: Tab, kind: str) -> list[Any]:
    found: list[Any] = tab.evaluate("heard.filter(([type]) => type === a[0])", kind)
    return found


ADA = ["profile", [["name", "Ada"], ["letter", "yes"], ["how", "now"], ["bio", ""]]]


@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM"])
async def test_once_over_a_restart(tab: Tab, tmp_path: Path, how: str) -> None:
    """A submit that the process has in hand as it dies, or is told to leave, reaches the view once, and is saved once."""
    async with served(tab, tmp_path, HOLD="1") as servers:
        mounted(tab)
        tab.fill("[name=name]", "Ada")
        tab.click("#profile button")
        await servers.current_log("in hand: 1")
        del servers.environment["HOLD"]
        await (servers.kill() if how == "SIGKILL" else servers.deploy())
        said(tab, ADA)
        assert saves(tmp_path) == ["Ada"]
        tab.reload()
        said(tab, ADA)
        assert heard(tab, "lost") == heard(tab, "failed") == []


async def test_once_over_a_restart_and_a_reload(tab: Tab, tmp_path: Path) -> None:
    """A submit that is made while there is no server, from a page that is then loaded anew, reaches the view once."""
    async with served(tab, tmp_path) as servers:
        mounted(tab)
        if servers.current is not None:
            servers.current.signal_group(signal.SIGKILL)
        tab.wait_for("heard.some(([type]) => type === 'disconnected')")
        tab.fill("[name=name]", "Ada")
        tab.click("#profile button")
        assert tab.evaluate("location.pathname") == "/"
        await servers.succeed()
        tab.reload()
        said(tab, ADA)
        assert saves(tmp_path) == ["Ada"]


async def test_offline_posts(tab: Tab, tmp_path: Path) -> None:
    """Without a connection, a form with data-stash-offline="post" goes to its plain route, whole."""
    async with served(tab, tmp_path, "/?at=/nowhere"):
        tab.wait_for("heard.some(([type]) => type === 'disconnected')")
        tab.fill("#offline [name=name]", "Ada")
        tab.click("#offline button")
        tab.wait_for("document.getElementById('plain')?.textContent === `['name'] Ada`")


async def test_online_does_not_post(tab: Tab, tmp_path: Path) -> None:
    """With a connection, the same form goes over the socket."""
    async with served(tab, tmp_path):
        mounted(tab)
        tab.fill("#offline [name=name]", "Ada")
        tab.click("#offline button")
        said(tab, ["offline", [["name", "Ada"]]])
        assert tab.evaluate("location.pathname") == "/"


async def test_a_password_is_in_memory_only(tab: Tab, tmp_path: Path) -> None:
    """A password outlives the process in the page's memory, and nothing of its form is stored meanwhile; a token is not sent."""
    async with served(tab, tmp_path, HOLD="1") as servers:
        mounted(tab)
        tab.fill("[name=user]", "ada")
        tab.fill("[name=password]", SECRET)
        tab.click("#login button")
        await servers.current_log("in hand: 1")
        assert '"outbox":[null]' in stored(tab)
        assert SECRET not in stored(tab)
        del servers.environment["HOLD"]
        await servers.kill()
        said(tab, ["login", [["user", "ada"], ["password", "*" * len(SECRET)]]])


async def test_typed_after_the_submit(tab: Tab, tmp_path: Path) -> None:
    """What is typed while a submit is under way outlives that it is dealt with, and a reload, without a conflict."""
    async with served(tab, tmp_path, HOLD="1") as servers:
        mounted(tab)
        tab.fill("[name=name]", "Ada")
        tab.click("#profile button")
        await servers.current_log("in hand: 1")
        tab.press("End", *" Lovelace", on="[name=name]")
        del servers.environment["HOLD"]
        await servers.kill()
        said(tab, ADA)
        assert tab.value("[name=name]") == "Ada Lovelace"
        tab.reload()
        tab.wait_for("window.ready")
        assert tab.evaluate("document.getElementById('profile').name.defaultValue") == "Ada"
        assert tab.value("[name=name]") == "Ada Lovelace"
        mounted(tab)
        assert heard(tab, "restored") == [["restored", "name", "restored"]]
        assert heard(tab, "conflict") == []


async def test_dealt_with(tab: Tab, tmp_path: Path) -> None:
    """Once a submit is dealt with, nothing of the form is stored, and what stands in the page stays."""
    async with served(tab, tmp_path):
        mounted(tab)
        tab.fill("[name=name]", "Ada")
        tab.uncheck("[name=letter]")
        tab.click("#profile button")
        said(tab, ["profile", [["name", "Ada"], ["how", "now"], ["bio", ""]]])
        assert tab.value("[name=name]") == "Ada"
        assert "Ada" not in drafts(tab)


async def test_refused_corrected_accepted(tab: Tab, tmp_path: Path) -> None:
    """What was refused, corrected and accepted is dealt with: nothing covers what is saved by somebody else afterwards."""
    async with served(tab, tmp_path):
        mounted(tab)
        tab.fill("[name=name]", "Ada?")
        tab.click("#profile button")
        refused = ["profile", [["name", "Ada?"], *ADA[1][1:]]]
        said(tab, refused)
        assert "Ada?" in drafts(tab)
        tab.fill("[name=name]", "Ada")
        tab.click("#profile button")
        said(tab, refused, ADA)
        assert "Ada" not in drafts(tab)
        with (tmp_path / "saves").open("a") as saves:
            saves.write("else Grace\n")
        for how in RELOADS:
            tab.reload(how)
            mounted(tab)
            assert tab.value("[name=name]") == "Grace"
            assert heard(tab, "restored") == heard(tab, "conflict") == []


async def test_saved_and_taken_back(tab: Tab, tmp_path: Path) -> None:
    """Taken back to what the page rendered first, after something else was saved, is the user's newest edit."""
    (tmp_path / "saves").write_text("first Ada\n")
    async with served(tab, tmp_path):
        mounted(tab)
        tab.fill("[name=name]", "Grace")
        tab.uncheck("[name=letter]")
        tab.click("#profile button")
        said(tab, ["profile", [["name", "Grace"], ["how", "now"], ["bio", ""]]])
        tab.fill("[name=name]", "Ada")
        for how in RELOADS:
            tab.reload(how)
            mounted(tab)
            assert tab.evaluate("document.getElementById('profile').name.defaultValue") == "Grace"
            assert tab.value("[name=name]") == "Ada"
            assert heard(tab, "restored") == [["restored", "name", "restored"]]
            assert heard(tab, "conflict") == []


@pytest.mark.parametrize("how", ["kept", "anew"])
async def test_back_after_a_post_and_a_clear(tab: Tab, tmp_path: Path, how: str) -> None:
    """What was posted and cleared is not stashed again on going back, whoever has kept it; what is typed then is."""
    async with served(tab, tmp_path) as servers:
        mounted(tab)
        tab.fill("#posted [name=note]", "the letter")
        if how == "anew":
            tab.run("addEventListener('unload', () => {})")  # such a page no browser keeps but WebKit
        tab.click("#posted button")
        tab.wait_for("document.getElementById('done') && document.readyState === 'complete'")
        steps = 1
        if how == "anew" and tab.browser.engine == "webkit":  # it keeps the last few pages
            for steps in range(2, 7):
                tab.goto(f"http://127.0.0.1:{servers.port}/done?{steps}")
        tab.back(steps, until="window.ready && socket.stats.state === 'live'")
        for reload in (None, *RELOADS):
            if reload is not None:
                tab.reload(reload)
            mounted(tab)
            assert "the letter" not in drafts(tab)
            assert heard(tab, "restored") == heard(tab, "conflict") == []
        tab.fill("#posted [name=more]", "and another")
        assert "the letter" not in drafts(tab)
        tab.reload()
        assert tab.value("#posted [name=more]") == "and another"
        assert "the letter" not in drafts(tab)


async def test_reset(tab: Tab, tmp_path: Path) -> None:
    """A form that is reset has nothing stored, and comes back as it is rendered."""
    async with served(tab, tmp_path):
        mounted(tab)
        tab.fill("[name=name]", "Ada")
        assert "form:profile" in stored(tab)
        tab.click("#profile [type=reset]")
        tab.wait_for("!Object.keys(sessionStorage).some((key) => key.includes('form:profile'))")
        tab.reload()
        assert tab.value("[name=name]") == ""


async def test_log_out(tab: Tab, tmp_path: Path) -> None:
    """Nothing that one user typed or submitted is there for the next one in the same tab."""
    async with served(tab, tmp_path, "/as/ada") as servers:
        mounted(tab)
        tab.fill("#offline [name=name]", "letters of hers")
        tab.click("#offline button")
        said(tab, ["offline", [["name", "letters of hers"]]])
        tab.fill("#login [name=user]", "letters of hers")
        assert "letters of hers" in stored(tab)
        tab.goto(f"http://127.0.0.1:{servers.port}/as/bob")
        tab.wait_for("window.ready")
        said(tab)
        assert tab.value("#login [name=user]") == ""
        assert "letters of hers" not in stored(tab)


async def test_forms_of_a_part_of_the_page(tab: Tab, tmp_path: Path) -> None:
    """A socket that is given a part of the page hears of the forms in there only, and what it clears is cleared for all."""
    async with served(tab, tmp_path, "/?within=profile"):
        mounted(tab)
        tab.fill("#profile [name=name]", "Ada Lovelace")
        tab.fill("#offline [name=name]", "elsewhere")
        tab.click("#profile button")
        said(tab, ["profile", [["name", "Ada Lovelace"], ["letter", "yes"], ["how", "now"], ["bio", ""]]])
        tab.wait_for("!JSON.stringify({ ...sessionStorage }).includes('Ada Lovelace')")
        tab.fill("#offline [name=name]", "elsewhere, and more")
        assert "Ada Lovelace" not in stored(tab)
        tab.reload()
        mounted(tab)
        assert tab.value("#offline [name=name]") == "elsewhere, and more"
        assert [field for _, field, _ in heard(tab, "restored")] == []


# The forms by themselves.

TWO = '<input name="a"><input name="b">'


def test_submitted_and_typed_since(page: FormPage) -> None:
    """A clear drops what was submitted and keeps what was typed since, however often it comes; a later rendering merges."""
    page.open(TWO)
    page.fill("[name=a]", "one")
    page.fill("[name=b]", "two")
    page.run("forms.submit('f', ['live', 1])")
    page.press("End", "!", on="[name=a]")
    page.run("forms.clear('f', ['live', 1]); forms.clear('f', ['live', 1])")
    assert page.pairs() == {"f": [["a", "one!"]]}
    page.open('<input name="a" value="one"><input name="b" value="two">')
    assert [page.value("[name=a]"), page.value("[name=b]")] == ["one!", "two"]
    assert page.evaluate("conflicts") == []
    page.run("document.forms[0].a.setAttribute('value', 'somebody else')")
    page.wait_for("conflicts.length === 1")
    assert page.value("[name=a]") == "one!"


def test_gone_on_from_what_was_dealt_with(page: FormPage) -> None:
    """What is typed after the clear, on top of what was submitted, is in no conflict with a server that renders that."""
    page.open(TWO)
    page.fill("[name=a]", "one")
    page.run("forms.submit('f', ['live', 1]); forms.clear('f', ['live', 1])")
    page.press("End", "!", on="[name=a]")
    page.open('<input name="a" value="one" data-stash-conflict="theirs"><input name="b">')
    assert page.value("[name=a]") == "one!"
    assert page.evaluate("conflicts") == []


def test_taken_back_while_it_is_under_way(page: FormPage) -> None:
    """Taken back before a submit is dealt with is an edit of what is saved by then; nothing that others save is covered."""
    page.open('<input name="a" value="old">')
    page.fill("[name=a]", "sent")
    page.run("forms.submit('f', ['live', 1])")
    page.fill("[name=a]", "old")
    page.open('<input name="a" value="somebody else">')
    assert page.value("[name=a]") == "somebody else"
    assert page.pairs() == {}
    assert page.conflicts() == []
    page.fill("[name=a]", "sent")
    page.run("forms.submit('f', ['live', 2])")
    page.fill("[name=a]", "somebody else")
    page.run("forms.clear('f', ['live', 2])")
    page.open('<input name="a" value="sent">')
    assert page.value("[name=a]") == "somebody else"
    assert page.conflicts() == []


def test_emptied_by_the_page(page: FormPage) -> None:
    """A field that the page resets after a submit is a fresh one: what is typed then is kept, without a conflict."""
    page.open(TWO)
    page.fill("[name=a]", "hello")
    page.run("forms.submit('f', ['live', 1]); document.forms[0].reset()")
    page.wait_for("Object.keys(forms.pairs()).length === 0")
    page.fill("[name=a]", "and another")
    page.run("forms.clear('f', ['live', 1])")
    page.open(TWO)
    assert page.value("[name=a]") == "and another"
    assert page.evaluate("conflicts") == []


def test_a_clear_after_a_reload(page: FormPage) -> None:
    """A submit that is dealt with only after the page was loaded anew leaves what was typed since."""
    page.open(TWO)
    page.fill("[name=a]", "one")
    page.run("forms.submit('f', ['live', 1])")
    page.fill("[name=b]", "since")
    page.open(TWO)
    page.run("forms.clear('f', ['live', 1])")
    assert page.pairs() == {"f": [["b", "since"]]}


def test_a_refused_submit(page: FormPage) -> None:
    """A form that the server does not take is stashed as before."""
    page.open(TWO)
    page.fill("[name=a]", "one")
    page.run("forms.submit('f', ['live', 1])")
    page.open(TWO)
    assert page.value("[name=a]") == "one"
    assert page.pairs() == {"f": [["a", "one"]]}


def test_what_holds_nothing(page: FormPage) -> None:
    """A mount says which touched fields a submission would not carry: a box that was unticked, a list without a choice."""
    boxes = '<input type="checkbox" name="one" checked><input type="checkbox" name="left" checked>'
    group = (
        '<input type="checkbox" name="g" value="x" checked><input type="checkbox" name="g" value="y" checked>'
    )
    page.open(
        f'{boxes}{group}<select name="many" multiple><option selected>a<option>b</select><input name="t" value="x">'
    )
    assert page.evaluate("forms.empty()") == {}
    page.uncheck("[name=one]")
    page.uncheck("[value=x]")
    page.select("[name=many]")
    page.fill("[name=t]", "")
    assert page.evaluate("forms.empty()") == {"f": ["one", "many"]}
    assert page.pairs() == {"f": [["g", "y"], ["t", ""]]}
    page.uncheck("[value=y]")
    assert page.evaluate("forms.empty()") == {"f": ["one", "g", "many"]}


def test_all_of_a_name(page: FormPage) -> None:
    """Of fields with one name all go up if one is touched: only their order says which is which."""
    page.open(
        '<input name="row" value="1"><input name="row" value="2"><input name="row" value="3"><input name="b" value="x">'
    )
    page.fill("input:nth-child(2)", "two")
    assert page.pairs() == {"f": [["row", "1"], ["row", "two"], ["row", "3"]]}
    assert page.evaluate("forms.empty()") == {}


def test_editable_parts(page: FormPage) -> None:
    """A form submits its editable parts as fields, whoever reads its data, but for those that are switched off."""
    part = '<div contenteditable data-stash="{}">{}</div>'
    page.open(
        f'<input name="a" value="1">{part.format("bio", "<b>x</b>")}<div data-stash="off">{part.format("no", "y")}</div>'
    )
    assert page.evaluate("[...new FormData(document.forms[0])]") == [["a", "1"], ["bio", "<b>x</b>"]]
    page.open_body(f'<form><input name="a" value="1">{part.format("bio", "x")}</form>')
    assert page.evaluate("[...new FormData(document.forms[0])]") == [["a", "1"]]
