"""What `socket.submit` sends is what the browser would have posted, byte by byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.browser.fleet import fleet
from tests.browser.tab import Tab

APP = "tests.browser.apps.posts"


def came(tab: Tab, url: str, button: str) -> Any:
    """Click a button of the page, and return what the server says of it."""
    tab.goto(url)
    tab.wait_for("window.ready")
    tab.click(button)
    tab.wait_for("document.getElementById('came')?.textContent")
    return json.loads(tab.evaluate("document.getElementById('came').textContent"))


async def test_as_posted(tab: Tab, tmp_path: Path) -> None:
    """Whatever a form holds, a submit over the socket is equal to a post, but for the token against forgery."""
    async with fleet(APP, tmp_path) as servers:
        page = f"http://127.0.0.1:{servers.port}/?enctype="
        for button in ("#spot", "#how"):
            posted = came(tab, page, button).split("&")
            posted.remove("csrf_token=")
            assert came(tab, f"{page}&socket", button)["body"].split("&") == posted
            assert "%0D%0A" in str(posted)
        parts = f"{page}multipart/form-data"
        posted = came(tab, parts, "#how")
        posted.remove(["csrf_token", ""])
        # In a post in parts the line breaks of a name are escaped, and stay so on the server.
        pairs = came(tab, f"{parts}&socket", "#how")["pairs"]
        assert [[name.replace("\r\n", "%0D%0A"), text] for name, text in pairs] == posted
        assert "none" not in dict(posted)
