"""Random sequences of edits, messages, reloads, deploys and crashes: what was typed is there, and each message counts once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.browser.apps.words import NAMES, page_of
from tests.browser.fleet import Fleet, fleet
from tests.browser.tab import Tab

from .catalogue import FIELDS, Place
from .model import Model
from .profiles import of_profile

SEEN = """
({
  told: document.getElementById("told")?.textContent,
  fields: [...main.querySelectorAll("[name]")].map((field) => [field.form.dataset.stash, field.name, field.value]),
  focus: document.activeElement?.name ?? null,
  errors,
})
"""

picks = st.integers(0, 3)
values = st.dictionaries(st.sampled_from(NAMES), picks, max_size=2)
# What a restart swallows may be rendered or not, and of a field in which the server wins that would be to be seen.
racing = st.dictionaries(st.sampled_from([name for name in NAMES if name != "nick"]), picks, max_size=2)


class Restarts(RuleBasedStateMachine):
    """A page, a view that renders its form, and processes that come and go."""

    tab: Tab
    servers: Fleet
    loop: asyncio.AbstractEventLoop
    visits = 0

    def __init__(self) -> None:
        super().__init__()
        self.picks: dict[str, int] = {}
        self.told = 0
        self.model = Model(page_of({}))

    @initialize()
    def visit(self) -> None:
        """A page that is new."""
        Restarts.visits += 1
        self.tab.goto(f"http://127.0.0.1:{self.servers.port}/?{Restarts.visits}", until="window.ready")
        self.check()

    @rule(name=st.sampled_from(NAMES), text=st.sampled_from("uxy"))
    def write(self, name: str, text: str) -> None:
        """The user types at the end of a field, and never what the server renders where that wins."""
        text = "u" if name == "nick" else text
        place = Place(FIELDS[name].form, name)
        (old,) = self.model.shown[place]
        self.tab.press("End", on=f"[name={name}]")
        self.model.go_to(place)
        self.tab.type(text)
        (old,) = self.model.shown[place]
        self.model.edit(place, (old + text,))
        self.check()

    @rule(messages=st.lists(values, min_size=1, max_size=3))
    def tell(self, messages: list[dict[str, int]]) -> None:
        """The view is told what is to stand in the form from now on."""
        self.send(messages)
        self.check()

    @rule(before=st.lists(racing, max_size=2), crash=st.booleans(), after=st.lists(racing, max_size=1))
    def restart(self, before: list[dict[str, int]], crash: bool, after: list[dict[str, int]]) -> None:
        """The process is replaced or dies, with messages on their way."""
        self.send(before)
        mounts = self.tab.evaluate("mounts")
        self.wait_for(self.servers.kill() if crash else self.servers.deploy())
        self.send(after)
        # A process that has died may have said more than its successor knows at first.
        self.tab.wait_for("mounts > a[0]", mounts)
        self.check()

    @rule(before=st.lists(racing, max_size=2))
    def reload(self, before: list[dict[str, int]]) -> None:
        """The page is loaded again, with messages on their way."""
        self.send(before)
        self.tab.reload()
        self.model.load(self.model.page)
        self.check()

    def send(self, messages: list[dict[str, int]]) -> None:
        """Send messages, and wait for nothing."""
        self.tab.run(
            "for (const text of arguments[0]) socket.send(text)",
            [json.dumps(message) for message in messages],
        )
        for message in messages:
            self.told += 1
            self.picks |= message
            self.model.render(page_of(self.picks), anew=False)

    def wait_for(self, restart: Coroutine[Any, Any, None]) -> None:
        """The servers live in another thread."""
        asyncio.run_coroutine_threadsafe(restart, self.loop).result()

    def check(self) -> None:
        """Every message has come once, and every field shows what it must."""
        self.tab.wait_for("document.getElementById('told')?.textContent === a[0]", str(self.told))
        seen = self.tab.evaluate(SEEN)
        assert {Place(form, name): (value,) for form, name, value in seen["fields"]} == self.model.shown
        assert seen["focus"] == (self.model.focus and self.model.focus.name)
        assert not seen["errors"]
        assert seen["told"] == str(self.told)


async def test_whatever_restarts(tab: Tab, tmp_path: Path) -> None:
    """Over restarts and reloads in any order every field shows what it must, and every message has come once."""
    async with fleet("tests.browser.apps.words", tmp_path, QUART_STASH_SHUTDOWN_TIMEOUT="3") as servers:
        world = {"tab": tab, "servers": servers, "loop": asyncio.get_running_loop()}
        machine = type("Restarts", (Restarts,), world)
        await asyncio.to_thread(run_state_machine_as_test, machine, settings=of_profile(examples=5, steps=8))
