"""Fixtures of the tests in browsers."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.browser.engines import ENGINES, Browser
from tests.browser.site import Site
from tests.browser.tab import Tab


@pytest.fixture(scope="session", params=ENGINES)
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """Each of the engines in turn."""
    browser = Browser(request.param)
    # A run that is told to end (`timeout`, a CI's stop button) ends its browsers, as after Ctrl-C.
    before = signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", returncode=143))
    yield browser
    signal.signal(signal.SIGTERM, before)
    browser.end()


@pytest.fixture
def tab(browser: Browser) -> Iterator[Tab]:
    """A clean tab in each of the engines."""
    with browser.tab() as tab:
        yield tab


@pytest.fixture
def site() -> Iterator[Site]:
    """A server for pages of plain HTML."""
    with Site() as site:
        yield site
