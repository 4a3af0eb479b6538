"""The testing kit's client: what it does to an application, and what its user sees of it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from quart import Quart, render_template_string, session

from quart_stash import ConfigurationError, QuartStash, View
from quart_stash.testing import StashClient, stash_client

from ..live.pipe import SECRET, in_virtual_time

DOCS = Path(__file__).parents[2] / "docs" / "testing.md"


def documented() -> dict[str, Any]:
    """What the samples of the documentation define: the reader's code is what runs here."""
    samples = re.findall(
        r"<!-- run by tests/testing/test_kit.py -->\n```python\n(.*?)```", DOCS.read_text(), re.DOTALL
    )
    names: dict[str, Any] = {"__name__": "documented"}
    exec(compile("".join(samples), str(DOCS), "exec", dont_inherit=True), names)
    return names


SAMPLES = documented()


@pytest.mark.parametrize("name", [name for name in SAMPLES if name.startswith("test_")])
async def test_the_samples(name: str) -> None:
    """The tests of docs/testing.md pass, in real time."""
    await SAMPLES[name]()


@dataclass
class Room:
    said: list[str] = field(default_factory=list)


def touched(view: View[Any]) -> dict[str, dict[str, list[str]]]:
    return {
        name: {field: form.getlist(field) for field in sorted(form.touched)}
        for name, form in view.forms.items()
    }


class Shop:
    """An application with a room, and what its tests want to know of it.

    Attributes:
        begun: messages that the handler has in hand, or had.
        hold: what it waits for with a message in hand.
        ended: how handlers have ended.
    """

    def __init__(self, version: int = 1, secret: str = SECRET, **config: Any) -> None:
        self.app = Quart("shop")
        self.app.config.update(SECRET_KEY=secret, STASH_SYNC_INTERVAL=0, **config)
        self.stash = QuartStash(self.app)
        self.begun: list[str] = []
        self.hold = asyncio.Event()
        self.hold.set()
        self.ended: list[str] = []
        self.app.websocket("/room")(self.stash.view(Room, version=version, name="room")(self.room))

    async def room(self, view: View[Room]) -> None:
        try:
            await view.send_json([view.status, view.state.said, dict(view.params), touched(view)])
            async for message in view:
                self.begun.append(str(message.data))
                if message.data == "boom":
                    raise ValueError("boom")
                if message.data == "end":
                    return
                await self.hold.wait()
                view.state.said.append(str(message.data))
                await view.send_json(view.state.said)
        except asyncio.CancelledError:
            await view.send("never")
            raise
        finally:
            self.ended.append(view.id)


def now() -> float:
    return asyncio.get_running_loop().time()


def said(client: StashClient) -> list[str]:
    """What the view has said last."""
    newest: list[Any] = json.loads(client.messages[-1])
    return newest[1] if client.status in newest else newest


@in_virtual_time
async def test_a_deploy() -> None:
    """The view is handed over: restored, nothing comes again, and the page is told what it would be."""
    old, new = Shop(), Shop()
    async with stash_client(old.app, "/room", latency=0) as client:
        assert client.status == "fresh"
        await client.send("a")
        await client.restart(new.app)
        assert now() == 0
        assert old.begun == ["a"] and new.begun == []
        await client.send("b")
        await client.synced()
        assert said(client) == ["a", "b"]
    names = [name for name, _ in client.events]
    assert names[:7] == ["mounted", "unsaved", "saved", "drain", "synced", "closed", "gap"]
    assert names[7:] == ["mounted", "unsaved", "saved", "over"]
    assert dict(client.events)["closed"] == {"code": 1012}
    assert old.stash is not new.stash and len(old.ended) == len(new.ended) == 1
    assert "never" not in client.messages


@in_virtual_time
async def test_where_the_work_stands() -> None:
    """What was sent is unsaved until it was handled, a form until it is cleared, and what has failed stays so."""
    app = Quart(__name__)
    app.secret_key = SECRET

    @app.websocket("/form")
    @QuartStash(app).view()
    async def form(view: View[dict[str, Any]]) -> None:
        async for message in view:
            if message.data == "raise":
                raise RuntimeError("no database")
            if message.data == "save":
                await view.clear_form("profile")

    async with stash_client(app, "/form", forms={"profile": [("name", "Ada")]}) as client:
        assert client.unsaved
        await client.send("validate")
        await client.synced()
        assert client.unsaved
        await client.send("save")
        await client.synced()
        assert not client.unsaved
        assert [name for name, _ in client.events if "saved" in name] == ["unsaved", "saved"]
        await client.reload()
        assert not client.unsaved, "what was cleared does not go up again"
        await client.send("raise")
        await client.until(lambda: "failed" in dict(client.events))
        await client.synced()
        assert client.unsaved
        await client.reload()
        assert not client.unsaved


@in_virtual_time
async def test_a_deploy_waits_for_the_message_in_hand() -> None:
    """A handler that has a message in hand finishes it before the view leaves."""
    old, new = Shop(), Shop()
    old.hold.clear()
    async with stash_client(old.app, "/room") as client:
        await client.send("a")
        asyncio.get_running_loop().call_later(3, old.hold.set)
        await client.restart(new.app)
        assert said(client) == ["a"]
        assert new.begun == []


@in_virtual_time
async def test_the_same_application_again() -> None:
    """Without an argument the same application is served anew: what it counts begins anew, its hooks do not run again."""
    shop, hooks = Shop(), list[str]()

    @shop.app.while_serving
    async def serving() -> AsyncGenerator[None, None]:
        hooks.append("start")
        yield
        hooks.append("stop")

    async with stash_client(shop.app, "/room") as client:
        await client.send("a")
        await client.restart()
        await client.crash()
        assert said(client) == ["a"]
        async with shop.app.app_context():
            assert shop.stash.stats() == {"live": 1, "restored": 1}
            assert not shop.stash.draining
        assert hooks == ["start"]
    assert hooks == ["start", "stop"]


@in_virtual_time
async def test_a_kill_with_a_message_in_hand() -> None:
    """Nothing of it counts, nobody is told, and the message comes again and counts once."""
    old, new = Shop(), Shop()
    old.hold.clear()
    async with stash_client(old.app, "/room") as client:
        await client.send("a")
        await client.until(lambda: old.begun)
        await client.crash(new.app)
        assert client.status == "restored"
        await client.synced()
        assert now() < 1
        assert old.begun == new.begun == ["a"]
        assert said(client) == ["a"]
        assert len(old.ended) == 1
        assert {name for name, _ in client.events} == {"mounted", "unsaved", "gap", "saved"}


@in_virtual_time
async def test_a_kill_of_a_handler_that_does_not_end() -> None:
    """A handler that holds up everything does not hold up the kill."""
    old, new = Shop(STASH_MAX_QUEUE=1), Shop()
    old.hold.clear()
    async with stash_client(old.app, "/room") as client:
        for letter in "abcd":
            await client.send(letter)
        await client.until(lambda: old.begun)
        await client.crash(new.app)
        await client.synced()
        assert said(client) == list("abcd")
        assert old.begun == ["a"]
        assert {name for name, _ in client.events} == {"mounted", "unsaved", "gap", "saved"}


@in_virtual_time
async def test_a_reload() -> None:
    """The page is built from what is stored, and what was not processed is sent again."""
    shop = Shop()
    shop.hold.clear()
    async with stash_client(
        shop.app, "/room", params={"a": 1}, forms={"f": [("x", "1"), ("y", None)]}
    ) as client:
        assert await client.receive_json() == ["fresh", [], {"a": 1}, {"f": {"x": ["1"], "y": []}}]
        await client.send("a")
        await client.until(lambda: shop.begun)
        shop.hold.set()
        await client.reload()
        await client.synced()
        assert client.status == "restored"
        assert said(client) == ["a"]


@in_virtual_time
async def test_a_duplicated_tab() -> None:
    """Two views go on from one state, each on its own; a deploy is one for both."""
    shop = Shop()
    async with stash_client(shop.app, "/room") as client:
        await client.send("a")
        await client.synced()
        copy = await client.duplicate_tab()
        assert copy.status == "restored"
        await client.send("b")
        await copy.send("c")
        await client.restart()
        assert [said(client), said(copy)] == [["a", "b"], ["a", "c"]]
        async with shop.app.app_context():
            assert shop.stash.stats()["live"] == 2
    assert len(set(shop.ended)) == 2


@in_virtual_time
async def test_what_is_too_old() -> None:
    """Beyond the maximum age a token is rejected, and the page is handed what was not processed; a live view stays."""
    shop = Shop()
    async with stash_client(shop.app, "/room") as client:
        await client.send("a")
        await client.synced()
        client.age(days=2)
        await client.restart()
        assert client.status == "restored"
        client.age(hours=23)
        await client.reload()
        assert client.status == "restored"
        client.age(hours=26, seconds=1)
        await client.send("b")
        await client.reload()
        assert client.status == "rejected"
        seen = dict(client.events)
        assert seen["mounted"]["reason"] == "expired"
        assert seen["lost"] == {"numbers": [2], "messages": ["b"]}
        assert said(client) == []


@in_virtual_time
async def test_kept_secrets_age() -> None:
    """A secret that only the browser keeps survives a kill, and is gone after its time."""
    shop = Shop()

    @shop.app.websocket("/launcher")
    @shop.stash.view()
    async def launcher(view: View[None]) -> None:
        await view.send_json(await view.restore("key"))
        async for message in view:
            await view.keep("key", message.data, max_age=3600)

    async with stash_client(shop.app, "/launcher") as client:
        assert await client.receive_json() is None
        await client.send("x")
        await client.synced()
        await client.crash()
        assert await client.receive_json() == "x"
        client.age(hours=2)
        await client.crash()
        assert await client.receive_json() is None


@in_virtual_time
async def test_a_page_and_its_cookies() -> None:
    """With a test client that has loaded the page, the view belongs to its session, through deploys too; not with another."""

    def make() -> Shop:
        shop = Shop()

        @shop.app.get("/<who>")
        async def login(who: str) -> str:
            session["user_id"] = who
            return await render_template_string("{{ stash_script() }}{{ stash_page(order=7) }}")

        @shop.app.websocket("/order")
        @shop.stash.view()
        async def order(view: View[None]) -> None:
            await view.send_json([dict(view.page), view.identity is not None])
            await view.receive()

        return shop

    app = make().app
    browser = app.test_client()
    page = await (await browser.get("/ada")).get_data(as_text=True)
    match = re.search(r'name="quart-stash-page" content="([^"]+)"', page)
    assert match is not None
    async with stash_client(app, "/order", client=browser, page=match[1]) as client:
        await client.restart(make().app)
        assert client.status == "restored"
        assert [json.loads(data) for data in client.messages] == [[{"order": 7}, True]] * 2
        assert client.http.app is not app
        guest = await client.new_tab("/order")
        assert await guest.receive_json() == [{}, False]
        room = await client.new_tab("/room", client=client.http)
        await client.http.get("/bob")
        await room.reload()
        assert room.status == "rejected"


@in_virtual_time
async def test_hooks_of_an_application_that_is_served_already() -> None:
    """With a test client the start-up hooks are the caller's."""
    shop, hooks = Shop(), list[str]()

    @shop.app.before_serving
    async def start() -> None:
        hooks.append("start")

    async with shop.app.test_app() as served:
        async with stash_client(shop.app, "/room", client=served.test_client()) as client:
            await client.send("a")
            await client.restart()
            assert said(client) == ["a"]
    assert hooks == ["start"]


@in_virtual_time
async def test_the_end_of_a_view() -> None:
    """A finished view is over: what is waited for fails at once, and a deploy does not wait for it."""
    shop = Shop()
    async with stash_client(shop.app, "/room", latency=0) as client:
        await client.receive()
        await client.send("end")
        await client.until(lambda: client.over)
        with pytest.raises(TimeoutError, match=r"no message came, and the view is over; .*over"):
            await client.receive()
        assert now() == 0
        await client.restart()
        await client.reload()
        assert client.status == "fresh"


@in_virtual_time
async def test_what_a_handler_raises() -> None:
    """The page is told of a failed message, and the test finds the error."""
    shop = Shop()
    async with stash_client(shop.app, "/room") as client:
        await boom(client)
        assert dict(client.events)["failed"] == {"number": 1}
        assert dict(client.events)["closed"] == {"code": 1011}
        assert [str(error) for error in client.errors] == ["boom"]
        with pytest.raises(TimeoutError) as caught:
            await client.receive()
        assert caught.value.__cause__ is client.errors[0]


@pytest.mark.parametrize("setting", ["TESTING", "PROPAGATE_EXCEPTIONS", "DEBUG"])
@in_virtual_time
async def test_what_a_handler_raises_where_errors_are_shown(setting: str) -> None:
    """It is raised at the end, once; an error of the test itself goes before it."""
    for own in (None, KeyError("own")):
        shop = Shop()
        shop.app.config[setting] = True
        with pytest.raises(KeyError if own else ValueError) as caught:
            async with stash_client(shop.app, "/room") as client:
                await boom(client)
                assert len(client.errors) == 1
                if own:
                    raise own
        assert caught.value is (own or client.errors[0])


async def boom(client: StashClient) -> None:
    await client.send("boom")
    for _ in range(2):
        await client.receive()


@in_virtual_time
async def test_errors_say_what_happened() -> None:
    """Where nothing comes in time, the text names the path and the last events."""
    shop = Shop()

    @shop.app.websocket("/plain")
    async def plain() -> None:
        raise NotImplementedError

    @shop.app.websocket("/echo")
    async def echo() -> None:
        from quart import websocket

        await websocket.accept()
        await websocket.receive()

    for path, why in (("/nowhere", "HTTP status 404"), ("/plain", "HTTP status 500"), ("/echo", "no view")):
        with pytest.raises(TimeoutError, match=f"{path}: the view is not mounted, within 2 s; .*{why}"):
            async with stash_client(shop.app, path, timeout=2):
                raise NotImplementedError
    async with stash_client(shop.app, "/room") as client:
        await client.receive()
        with pytest.raises(TimeoutError, match=r"no message came, within 5 s; .*mounted {'status': 'fresh'"):
            await client.receive()
        with pytest.raises(TimeoutError, match="4409"):
            await client.crash(Shop(secret=SECRET[::-1]).app)
    with pytest.raises(ConfigurationError, match="init_app"):
        async with stash_client(Quart("bare"), "/room"):
            raise NotImplementedError


@in_virtual_time
async def test_tabs_stand_at_unequal_distances() -> None:
    """Each tab has a distance of its own, so none of two is the first by rights; one may be told which."""
    shop = Shop()

    async def answer(client: StashClient) -> float:
        began, count = now(), len(client.messages)
        await client.send("a")
        await client.until(lambda: len(client.messages) > count)
        return round(now() - began, 6)

    async with stash_client(shop.app, "/room") as one, stash_client(shop.app, "/room", latency=0.3) as far:
        other, near = await one.new_tab("/room"), await one.new_tab("/room", latency=0)
        copy = await far.duplicate_tab()
        assert await answer(far) == await answer(copy) == 0.6
        assert await answer(near) == 0
        assert 0 < await answer(one) != await answer(other) > 0
