"""Fixtures of the tests in browsers."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.camera import Camera
from tests.browser.engines import ENGINES, Browser
from tests.browser.site import Site
from tests.browser.tab import Tab


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest test is begun first; where pictures are asked for, only what is pictured runs."""
    items.sort(key=lambda item: item.path.name != "test_soak.py")
    if "PICTURES" in os.environ:
        items[:] = [item for item in items if "camera" in getattr(item, "fixturenames", ())]


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


@pytest.fixture
def camera(request: pytest.FixtureRequest) -> Iterator[Camera]:
    """A camera that looks on, if pictures are asked for: `make pictures`."""
    folder = os.environ.get("PICTURES")
    camera = Camera(
        Path(folder) / f"{request.node.originalname.removeprefix('test_')}.webp" if folder else None
    )
    yield camera
    camera.save()
