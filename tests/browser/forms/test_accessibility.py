"""What a screen reader is told, what the keyboard reaches, and what axe finds, while the server comes and goes."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.browser.accessibility import violations
from tests.browser.fleet import Fleet, fleet
from tests.browser.note import address
from tests.browser.tab import Tab
from tests.test_demo import address as address_of_demo
from tests.test_demo import start

EXAMPLES = {"profile": "#bio", "launcher": "#name", "wizard": "#name"}
"""The pages, and a field in each to write in."""

STATE = "document.documentElement.dataset.stashState === a[0]"

PANEL = "document.querySelector('#demo-panel').shadowRoot"
HANDED_OVER = r"^Server 2 has taken over from server 1\. Your page waited (less than 1 ms|[\d.]+ m?s)\.$"
STARTED_ANEW = (
    r"^Server 2 was killed\. Server 3 took [\d.]+ m?s to start, "
    r"then your page waited (less than 1 ms|[\d.]+ m?s)\.$"
)

# What a screen reader reads: each change of a live region, as it stands when the change is done.
HEAR = """
window.heard = [];
for (const region of document.querySelectorAll("stash-status"))
  new MutationObserver(() => heard.push(region.textContent)).observe(region, {
    childList: true, characterData: true, subtree: true,
  });
window.focused = [];
for (const type of ["focusin", "focusout", "toggle"]) addEventListener(type, ({ type, target }) => focused.push([type, target.id]), true);
"""
TAB_ORDER = """
[...document.querySelectorAll("a[href], button, input, select, textarea, [tabindex]")]
  .filter((element) => element.tabIndex >= 0 && element.checkVisibility()).map(({ id, name }) => id || name)
"""


def opened(example: str, folder: Path) -> tuple[str, dict[str, str]]:
    """Return module and environment of an example."""
    return f"examples.{example}.app", {
        "QUART_DATABASE": str(folder / "profile.sqlite3"),
        "QUART_DEPLOYMENTS": str(folder / "deployments"),
    }


def outage(servers: Fleet) -> None:
    """End the server, with none to follow for now."""
    assert servers.current is not None
    servers.current.signal_group(signal.SIGKILL)


@pytest.mark.parametrize("example", EXAMPLES)
async def test_axe(example: str, tab: Tab, tmp_path: Path) -> None:
    """No violation in the examples, neither connected nor reconnecting, with words in the status and what was restored."""
    app, environment = opened(example, tmp_path)
    async with fleet(app, tmp_path, **environment) as servers:
        tab.goto(address(servers))
        tab.wait_for(STATE, "connected")
        assert violations(tab) == []
        tab.fill(EXAMPLES[example], "restored")
        tab.reload()
        tab.wait_for(STATE, "connected")
        assert tab.value(EXAMPLES[example]) == "restored"
        assert violations(tab) == []
        outage(servers)
        tab.wait_for(STATE, "reconnecting")
        tab.wait_for("document.querySelector('stash-status').textContent === 'Reconnecting…'")
        assert violations(tab) == []
        await servers.succeed()
        tab.wait_for("document.querySelector('stash-status').textContent === 'Connected again.'")
        assert violations(tab) == []


def test_axe_demo(tab: Tab) -> None:
    """No violation in the demo: its first page, and the panel of the others, which works by keyboard and says what it did."""
    with start() as demo:
        try:
            home = address_of_demo(demo)
            tab.goto(f"{home}/")
            assert violations(tab) == []
            for example in EXAMPLES:
                tab.goto(f"{home}/{example}/")
                tab.wait_for(STATE, "connected")
                tab.wait_for(f"{PANEL}.querySelector('[role=status]').textContent")
                assert violations(tab) == []
            for command, words in (("deploy", HANDED_OVER), ("kill", STARTED_ANEW)):
                tab.wait_for(f"{PANEL}.getElementById(a[0]).ariaDisabled === 'false'", f"demo-{command}")
                tab.run(f"{PANEL}.getElementById(arguments[0]).focus()", f"demo-{command}")
                tab.press("Enter")
                tab.wait_for(f"RegExp(a[0]).test({PANEL}.querySelector('[role=status]').textContent)", words)
                assert tab.evaluate(f"{PANEL}.activeElement.id") == f"demo-{command}"
                assert violations(tab) == []
        finally:
            demo.send_signal(signal.SIGINT)
            demo.communicate(timeout=60)


async def test_deploy_is_silent(tab: Tab, tmp_path: Path) -> None:
    """Over three deploys nothing is said, nothing gains or loses the focus, nothing opens, and the order of tabs is the same."""
    app, environment = opened("profile", tmp_path)
    async with fleet(app, tmp_path, **environment) as servers:
        tab.goto(address(servers))
        tab.wait_for(STATE, "connected")
        tab.type("half a", into="#bio")
        tab.run(HEAR)
        order = tab.evaluate(TAB_ORDER)
        for _ in range(3):
            await servers.deploy()
            tab.wait_for(STATE, "connected")
            tab.type(" more")
        assert tab.evaluate("heard") == []
        assert tab.evaluate("focused") == []
        assert tab.evaluate(TAB_ORDER) == order
        tab.press("Tab")
        assert tab.evaluate("document.activeElement.id") == order[order.index("bio") + 1]


async def test_outage_is_said_once(tab: Tab, tmp_path: Path) -> None:
    """An outage is read out once at its beginning and once at its end; the focus stays, and the page works by keyboard."""
    app, environment = opened("profile", tmp_path)
    async with fleet(app, tmp_path, **environment) as servers:
        tab.goto(address(servers))
        tab.wait_for(STATE, "connected")
        tab.type("half a", into="#bio")
        tab.run(HEAR)
        region = json.loads(
            tab.evaluate(
                "JSON.stringify((({ role, lang, textContent }) => [role ?? 'status', lang, textContent])"
                "(document.querySelector('stash-status')))"
            )
        )
        assert region == ["status", "en", ""]
        outage(servers)
        tab.wait_for("heard.length === 1")
        tab.type(" sentence")
        await servers.succeed()
        tab.wait_for("heard.length === 2")
        for word in (" and", " more", " words"):
            tab.type(word)
        tab.wait_for(
            "+document.getElementById('sent').value > 0 && "
            "document.getElementById('processed').value === document.getElementById('sent').value"
        )
        tab.wait_for("document.querySelector('stash-status').textContent === ''")
        assert tab.evaluate("heard") == ["Reconnecting…", "Connected again.", ""]
        assert tab.evaluate("focused") == []
        assert tab.value("#bio") == "half a sentence and more words"
