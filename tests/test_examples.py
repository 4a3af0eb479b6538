"""The examples over HTTP, and the parts of them that need no browser."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from quart import Quart
from quart.typing import TestClientProtocol as Client

from examples.launcher.app import app as launcher
from examples.launcher.deployment import Deployment, Failed, new_secrets, steps
from examples.profile.app import app as profile
from examples.profile.profiles import BIO_LIMIT, Profile, Profiles
from examples.room.app import app as room
from examples.room.log import Log
from quart_stash.testing import StashClient, stash_client

EXAMPLES = Path(__file__).parents[1] / "examples"
ADA = {
    "name": "Ada",
    "email": "ada@example.org",
    "bio": "Notes\r\non engines",
    "country": "France",
    "visibility": "private",
}


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "profile.sqlite3"
    for app in (profile, launcher, room):
        monkeypatch.setitem(app.config, "SECRET_KEY", secrets.token_urlsafe(32))
    for app in (profile, room):
        monkeypatch.setitem(app.config, "DATABASE", str(path))
    profile.extensions.pop("profiles", None)
    yield path
    profile.extensions.pop("profiles", None)


def hidden(page: str) -> dict[str, str]:
    """Return the form's hidden fields."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))


async def text(client: Client, path: str = "/") -> str:
    response = await client.get(path)
    assert response.status_code == 200
    return await response.get_data(as_text=True)


def saves(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        return int(database.execute("SELECT count(*) FROM saves").fetchone()[0])


async def test_post_without_javascript_saves(database: Path) -> None:
    """A plain form post saves, leads back to the page, and tells the stash that the form has been dealt with."""
    client = profile.test_client()
    form = {**hidden(await text(client)), **ADA}
    response = await client.post("/", form=form)
    assert (response.status_code, response.headers["location"]) == (302, "/")
    page = await text(client)
    assert 'value="ada@example.org"' in page
    assert "Notes\non engines</textarea>" in page
    assert '<option value="France" selected>' in page
    assert 'name="quart-stash-clear" content="profile"' in page
    assert "quart-stash-clear" not in await text(client)


async def test_post_twice_saves_once(database: Path) -> None:
    """The same form sent twice, as by a double click, is saved once."""
    client = profile.test_client()
    form = {**hidden(await text(client)), **ADA}
    for _ in range(2):
        assert (await client.post("/", form=form)).status_code == 302
    assert saves(database) == 1


@pytest.mark.parametrize("forged", [{}, {"csrf_token": ""}, {"csrf_token": "x" * 32}, {"csrf_token": "é"}])
async def test_forged_post_is_refused(database: Path, forged: dict[str, str]) -> None:
    """A post without the session's own form token saves nothing."""
    client = profile.test_client()
    await text(client)
    assert (await client.post("/", form={**ADA, **forged})).status_code == 400
    stranger = profile.test_client()
    token = hidden(await text(stranger))["csrf_token"]
    assert (await client.post("/", form={**ADA, "csrf_token": token})).status_code == 400


async def test_wrong_post_is_rendered_with_its_errors(database: Path) -> None:
    """What is wrong is said beside the field, and what was typed stays, escaped."""
    client = profile.test_client()
    form = {**hidden(await text(client)), **ADA, "email": "nobody", "name": '<b>"Ada"</b>'}
    response = await client.post("/", form=form)
    assert response.status_code == 422
    page = await response.get_data(as_text=True)
    assert "This is not an e-mail address." in page
    assert re.findall(r'id="(\w+)"[^>]* aria-invalid="true"', page) == ["email"]
    assert "&lt;b&gt;&#34;Ada&#34;&lt;/b&gt;" in page
    assert "<b>" not in page


async def test_first_answer_judges_what_was_half_typed(database: Path) -> None:
    """At a mount what was half typed is validated together with what is saved and untouched."""
    http = profile.test_client()
    await http.post("/", form={**hidden(await text(http)), **ADA})
    stashed = {"profile": [("name", ""), ("bio", "x" * (BIO_LIMIT + 1))]}
    async with stash_client(profile, "/live", client=http, forms=stashed) as tab:
        errors = (await tab.receive_json())["errors"]
        assert errors == {"name": "Please tell us your name.", "bio": "1 characters too long."}


async def test_submit_over_the_socket_is_saved_and_cleared(database: Path) -> None:
    """A form that is submitted over the socket is saved once, and dealt with; what is only typed is not."""
    http = profile.test_client()
    await text(http)
    async with stash_client(profile, "/live", client=http) as tab:
        await tab.receive_json()
        await tab.send_json(ADA)
        assert not (await tab.receive_json())["saved"]
        await tab.send_json({"form": "profile", "fields": list(ADA.items())})
        assert (await tab.receive_json())["saved"]
        await tab.crash()
        await tab.synced()
    assert saves(database) == 1


async def test_refused_submit_is_remembered(database: Path) -> None:
    """That a submit was refused stands in the state until one is saved: so the page knows which errors to show."""
    http = profile.test_client()
    await text(http)
    async with stash_client(profile, "/live", client=http) as tab:
        assert not (await tab.receive_json())["refused"]
        await tab.send_json({"form": "profile", "fields": list({**ADA, "name": ""}.items())})
        assert (await tab.receive_json())["refused"]
        await tab.restart()
        assert (await tab.receive_json())["refused"]
        await tab.send_json(ADA)
        assert (await tab.receive_json())["refused"]
        await tab.send_json({"form": "profile", "fields": list(ADA.items())})
        assert not (await tab.receive_json())["refused"]


def test_profile_is_saved_once_for_a_key(tmp_path: Path) -> None:
    """A message that comes again after a crash does not overwrite what was saved since."""
    profiles = Profiles(tmp_path / "profiles.sqlite3")
    assert profiles.save("ada", Profile(name="Ada"), key="view:1")
    assert profiles.save("ada", Profile(name="Ada Lovelace"), key="view:2")
    assert not profiles.save("ada", Profile(name="Ada"), key="view:1")
    assert profiles.get("ada").name == "Ada Lovelace"


def test_profile_is_checked(tmp_path: Path) -> None:
    """Each field says what is wrong with it, also an address that somebody else has."""
    profiles = Profiles(tmp_path / "profiles.sqlite3")
    profiles.save("ada", Profile.from_form(ADA), key="1")
    fine = Profile.from_form({**ADA, "email": "ADA@example.org"})
    assert profiles.check("ada", fine) == {}
    assert profiles.check("bob", fine) == {"email": "Somebody else uses this address."}
    wrong = Profile(bio="x" * (BIO_LIMIT + 2), country="Atlantis", visibility="")
    assert set(profiles.check("bob", wrong)) == {"name", "email", "bio", "country", "visibility"}
    assert wrong.errors()["bio"] == "2 characters too long."


def deployment(root: Path, name: str = "web", owner: str = "view:1", **changed: str) -> Deployment:
    return Deployment(root, name, owner, {**new_secrets(), **changed})


def test_every_step_may_be_done_twice(tmp_path: Path) -> None:
    """A deployment comes out right when every step is done again, as after a kill between a step and its token."""
    one = deployment(tmp_path)
    for _, step in steps(parts=2):
        step(one)
        step(one)
    assert {path.name for path in one.folder.iterdir()} == {
        "owner", "password.json", "token.json", "part-0.json", "part-1.json",
    }  # fmt: skip


def test_deployment_keeps_no_secret(tmp_path: Path) -> None:
    """What a deployment writes holds neither of its secrets, and its own description tells none."""
    one = deployment(tmp_path)
    for _, step in steps(parts=1):
        step(one)
    written = "".join(path.read_text() for path in one.folder.iterdir()) + repr(one)
    assert not [secret for secret in one.secrets.values() if secret in written]


def test_deployment_fails_with_other_secrets(tmp_path: Path) -> None:
    """The last step fails when the secrets are not those that were deployed."""
    one = deployment(tmp_path)
    *first, (_, check) = steps(parts=0)
    for _, step in first:
        step(one)
    with pytest.raises(Failed, match="do not fit"):
        check(Deployment(tmp_path, "web", "view:1", {**one.secrets, "api_token": "another"}))
    with pytest.raises(Failed, match="do not fit"):
        check(Deployment(tmp_path, "web", "view:1", {**one.secrets, "admin_password": "another"}))


@pytest.mark.parametrize("name", ["", "../up", "Web", "a/b", "1web", "web\n", "w" * 32])
def test_deployment_refuses_a_bad_name(tmp_path: Path, name: str) -> None:
    """A name that is no plain folder name is refused, and nothing is written."""
    with pytest.raises(Failed, match="small letters"):
        deployment(tmp_path / "root", name).reserve()
    assert not list(tmp_path.iterdir())


def test_deployment_refuses_a_taken_name(tmp_path: Path) -> None:
    """A name is its first owner's."""
    deployment(tmp_path).reserve()
    with pytest.raises(Failed, match="taken"):
        deployment(tmp_path, owner="view:2").reserve()


@pytest.mark.parametrize("app", [profile, launcher, room], ids=["profile", "launcher", "room"])
async def test_page_works_under_a_strict_policy(database: Path, app: Quart) -> None:
    """The page has a strict Content-Security-Policy, and nothing in it that this forbids."""
    client = app.test_client()
    response = await client.get("/")
    page = await response.get_data(as_text=True)
    assert response.headers["Content-Security-Policy"].startswith("default-src 'self';")
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]* src=)", page)
    for source in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert (await client.get(source)).status_code == 200, source


def test_stylesheet_is_the_same() -> None:
    """Each example can be copied alone, so each has the stylesheet, and it is one."""
    names = ("profile", "launcher", "room", "wizard")
    assert len({(EXAMPLES / name / "static" / "style.css").read_bytes() for name in names}) == 1


async def test_a_room_is_told_everything_once(database: Path) -> None:
    """Each tab hears what any of them says, once and in order, through deploys and kills, and counts it in its state."""
    async with stash_client(room, "/live") as ada:
        bob = await ada.new_tab("/live")

        def notes(client: StashClient) -> list[str]:
            heard: dict[int, str] = {}
            for frame in map(json.loads, map(str, client.messages)):
                heard |= {
                    note["id"]: note["text"] for note in frame.get("notes", ()) if note["id"] > len(heard)
                }
            return list(heard.values())

        said = [str(number) for number in range(6)]
        for number, text in enumerate(said):
            await (ada, bob)[number % 2].send_json({"say": text, "name": "Ada"})
            if number == 2:
                await ada.restart()
            if number == 4:
                await bob.crash()
        for client in (ada, bob):
            await client.synced()
            await client.until(lambda client=client: len(notes(client)) == len(said))  # type: ignore[misc]
            assert sorted(notes(client)) == said
            assert json.loads(client.messages[-1])["heard"] == len(said)
        assert notes(ada) == notes(bob)


async def test_a_hint_goes_to_the_others(database: Path) -> None:
    """That somebody is typing is told to the others alone, and is in no log."""
    async with stash_client(room, "/live") as ada:
        bob = await ada.new_tab("/live")
        await ada.send_json({"typing": "Ada"})
        await bob.until(lambda: '{"typing":"Ada"}' in bob.messages)
        await ada.synced()
        assert '{"typing":"Ada"}' not in ada.messages
        late = await ada.new_tab("/live")
        assert await late.receive_json() == {"notes": [], "heard": 0}


async def test_the_log_hears_of_other_processes(tmp_path: Path) -> None:
    """What one process writes wakes those who wait in another; a key is written once, and uses up one id."""
    path = tmp_path / "room.sqlite3"
    one, other = Log(path), Log(path)
    await asyncio.sleep(0)
    changed = other.changed
    one.add("view:1", "Ada", "hello")
    one.add("view:1", "Ada", "hello")
    async with asyncio.timeout(10):
        await changed.wait()
    other.add("view:2", "Bob", "hi")
    assert [(note.id, note.text) for note in one.since(0)] == [(1, "hello"), (2, "hi")]
    assert [note.id for note in one.since(1)] == [one.last()] == [2]
    for log in (one, other):
        log.close()
