"""A tab of a browser, as the one sees it who sits before it, and as the developer's console sees it."""

from __future__ import annotations

import copy
import itertools
import json
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from selenium.common.exceptions import NoSuchFrameException, WebDriverException
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement

if TYPE_CHECKING:
    from tests.browser.engines import Browser

PATIENCE = 15.0
"""Seconds after which a condition that is awaited counts as never met: a check against hanging, not of speed."""

DEPART = """
const [done] = arguments;
addEventListener("pagehide", () => done(), { once: true });
"""

# After the load event browsers put their own copy of the fields back.
LOADED = """
location.href !== "about:blank" && document.readyState === "complete"
  && (performance.getEntriesByType("navigation")[0]?.loadEventEnd ?? 1) > 0
"""

# A control with a picker has no text to type over; the others are ready for the new one.
BEGIN_ANEW = """
const [field, text] = arguments;
field.focus();
if (field.isContentEditable) {
  getSelection().selectAllChildren(field);
} else if (/^(date|time|datetime-local|month|week|range|color)$/.test(field.type)) {
  field.value = text;
  for (const type of ["input", "change"]) field.dispatchEvent(new Event(type, { bubbles: true }));
  return true;
} else {
  field.select();
}
return false;
"""

# In a list of several a click chooses or drops one option.
TO_CLICK = """
const [select, values] = arguments;
return [...select.options].filter(({ value, selected }) => values.includes(value) !== selected)
  .filter(({ value }) => select.multiple || values.includes(value));
"""

# What a page stores as it is left is part of what it stores.
STORAGE = """
try {
  dispatchEvent(new PageTransitionEvent("pagehide"));
  return JSON.stringify([Object.entries(sessionStorage ?? {}), Object.entries(localStorage ?? {})]);
} catch (error) {
  if (error.name === "SecurityError") return "";
  throw error;
}
"""


Reload = Literal["reload", "refresh"]
RELOADS: tuple[Reload, ...] = ("reload", "refresh")

_LEAVING = itertools.count(1)


class Tab:
    """One window of a browser. Selectors are CSS; an element that is not there yet is waited for."""

    def __init__(self, browser: Browser, handle: str) -> None:
        self.browser = browser
        self.handle = handle

    @property
    def driver(self) -> WebDriver:
        """The browser's driver, looking at this window."""
        return self.browser.look_at(self.handle)

    # Pages.

    def goto(self, url: str, *, until: str = LOADED) -> None:
        """Go to a page.

        Args:
            url: of the page.
            until: what to wait for; at the least, for what the page's scripts do before DOMContentLoaded.
        """
        if self.browser.engine == "webkit":
            self._travel(f"location.href = {json.dumps(url)}", until)
        else:
            self.driver.get(url)
            self._wait(until, self._peek)

    def reload(self, how: Reload = "reload") -> None:
        """Load the page again.

        Args:
            how: `reload`, as a user does; or `refresh`, the driver's way, after which Firefox puts back no field.
        """
        if how == "reload" or self.browser.engine == "webkit":
            self._travel("location.reload()", LOADED)
        else:
            self.driver.refresh()
            self._wait(LOADED, self._peek)

    def back(self, steps: int = 1, *, until: str = LOADED) -> None:
        """Go back to another document of the tab's history."""
        self._go(-steps, until)

    def forward(self, steps: int = 1, *, until: str = LOADED) -> None:
        """Go forward to another document of the tab's history."""
        self._go(steps, until)

    def _go(self, steps: int, until: str) -> None:
        # The drivers of Firefox and WebKit may wait for ever for a document that the browser has kept.
        if self.browser.engine == "chromium" and abs(steps) == 1:
            (self.driver.back if steps < 0 else self.driver.forward)()
            self._wait(until, self._peek)
        else:
            self._travel(f"history.go({steps})", until)

    def _travel(self, script: str, until: str) -> None:
        """Leave by script, and wait for a page that is not the one that was left."""
        if self.browser.engine == "webkit":
            # What is asked of a page that is being left may never be answered: so it says itself that it has been.
            with suppress(NoSuchFrameException):
                self.driver.execute_async_script(DEPART + script)
            self.wait_for(until)
        else:
            leaving = next(_LEAVING)
            self.run(f"window.leaving = {leaving}; setTimeout(() => {{ {script}; }})")
            self._wait(f"window.leaving !== {leaving} && ({until})", self._peek)

    def _peek(self, expression: str) -> Any:
        """Evaluate while a page is loading: in Chromium a script of the driver counts as an act of the user."""
        if self.browser.engine != "chromium":
            return self.evaluate(expression)
        how = {
            "expression": f"(async () => (\n{expression}\n))()",
            "awaitPromise": True,
            "returnByValue": True,
        }
        answer = self.driver.execute("executeCdpCommand", {"cmd": "Runtime.evaluate", "params": how})["value"]
        if "exceptionDetails" in answer:
            raise WebDriverException(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    @property
    def url(self) -> str:
        """Of the page."""
        return self.driver.current_url

    # Scripts.

    def evaluate(self, expression: str, *arguments: Any) -> Any:
        """Return an expression's value, awaited if it is a promise.

        Args:
            expression: of JavaScript, in which `a[0]`, `a[1]` … are the arguments.
            *arguments: JSON.
        """
        return self.driver.execute_script(f"return (async (a) => (\n{expression}\n))(arguments)", *arguments)

    def run(self, statements: str, *arguments: Any) -> None:
        """Run statements, in which `arguments` are the arguments."""
        self.driver.execute_script(f"{statements}\n;", *arguments)

    def wait_for(self, expression: str, *arguments: Any, patience: float = PATIENCE) -> None:
        """Wait until an expression is true, over reloads and over names that are not there yet."""
        self._wait(expression, lambda expression: self.evaluate(expression, *arguments), patience)

    def _wait(self, expression: str, evaluate: Callable[[str], Any], patience: float = PATIENCE) -> None:
        end = time.monotonic() + patience
        seen: object = None
        while time.monotonic() < end:
            try:
                seen = evaluate(expression)
            except WebDriverException as error:
                # Of a page that is being left, or of a name that is not there yet.
                seen = error.msg
            else:
                if seen:
                    return
            time.sleep(0.01)
        raise TimeoutError(f"waited in vain for {expression}: {seen}")

    def errors(self) -> list[str]:
        """Take the errors of the page's scripts, of pages that note them (`tests/browser/site.py`)."""
        errors: list[str] = self.evaluate("window.errors?.splice(0) ?? []")
        return errors

    def storage(self) -> str:
        """What the page has stored, with what it stores as it is left."""
        stored: str = self.driver.execute_script(STORAGE)
        return stored

    # Hands.

    def fill(self, selector: str, text: str) -> None:
        """Replace what stands in a field by typing; a control with a picker gets the value and its events."""
        if not self.driver.execute_script(BEGIN_ANEW, self.find(selector), text):
            self.type(text) if text else self.press("Delete")

    def type(self, text: str, *, into: str | None = None) -> None:
        """Type, a key after the other, where the caret is or at the start of what a field has."""
        if into is not None:
            self.focus(into)
        ActionChains(self.driver, duration=0).send_keys(text.replace("\n", Keys.ENTER)).perform()

    def press(self, *chords: str, on: str | None = None) -> None:
        """Press keys by their names in events: `a`, `ArrowDown`, `Shift+Tab`."""
        if on is not None:
            self.focus(on)
        for chord in chords:
            *held, last = re.split(r"(?<=\w)\+", chord)
            keys = ActionChains(self.driver, duration=0)
            for name in held:
                keys.key_down(_key(name))
            keys.send_keys(_key(last))
            for name in reversed(held):
                keys.key_up(_key(name))
            keys.perform()

    def focus(self, selector: str) -> None:
        """Give an element the focus, as a script does."""
        self.driver.execute_script("arguments[0].focus()", self.find(selector))

    def click(self, selector: str) -> None:
        """Click the middle of an element."""
        self.find(selector).click()

    def click_at(self, x: int, y: int) -> None:
        """Click a point of the window."""
        mouse = ActionBuilder(self.driver, duration=0)
        mouse.pointer_action.move_to_location(x, y)  # type: ignore[no-untyped-call]
        mouse.pointer_action.click()
        mouse.perform()

    def drag(self, selector: str, right: int, down: int) -> None:
        """Drag the lower right corner of an element."""
        corner = "(({ right, bottom }) => [right - 4, bottom - 4].map(Math.round))(document.querySelector(a[0]).getBoundingClientRect())"
        x, y = self.evaluate(corner, selector)
        mouse = ActionBuilder(self.driver, duration=0)
        mouse.pointer_action.move_to_location(x, y)  # type: ignore[no-untyped-call]
        mouse.pointer_action.pointer_down()  # type: ignore[no-untyped-call]
        mouse.pointer_action.move_to_location(x + right, y + down)  # type: ignore[no-untyped-call]
        mouse.pointer_action.pointer_up()  # type: ignore[no-untyped-call]
        mouse.perform()

    def check(self, selector: str) -> None:
        """Click a checkbox or radio unless it is checked."""
        if not self.checked(selector):
            self.click(selector)

    def uncheck(self, selector: str) -> None:
        """Click a checkbox if it is checked."""
        if self.checked(selector):
            self.click(selector)

    def select(self, selector: str, *values: str) -> None:
        """Choose these options of a select, and no others."""
        for option in self.driver.execute_script(TO_CLICK, self.find(selector), values):
            option.click()

    def choose_file(self, selector: str, path: Path) -> None:
        """Choose a file."""
        self.find(selector).send_keys(str(path))

    # Eyes.

    def find(self, selector: str) -> WebElement:
        """The first element."""
        return self.driver.find_element("css selector", selector)

    def value(self, selector: str) -> str:
        """What stands in a control."""
        value: str = self.driver.execute_script("return arguments[0].value", self.find(selector))
        return value

    def checked(self, selector: str) -> bool:
        """Whether a checkbox or radio is checked."""
        return self.find(selector).is_selected()

    def screenshot(self, path: Path) -> None:
        """Save what is to be seen as PNG."""
        path.write_bytes(self.driver.get_screenshot_as_png())

    # Windows.

    def duplicate(self, url: str | None = None) -> Self:
        """Open a window from this page, which copies its sessionStorage.

        Args:
            url: where it is; where this page is unless said.
        """
        return self.appearing(lambda: self.run("window.open(arguments[0] ?? location.href)", url))

    def appearing(self, action: Callable[[], object]) -> Self:
        """Return the window that appears when this is done."""
        known = self.driver.window_handles
        action()
        end = time.monotonic() + PATIENCE
        while not (added := set(self.driver.window_handles).difference(known)):
            if time.monotonic() > end:
                raise TimeoutError("no window was opened")
        tab = self._with(added.pop())
        tab.wait_for(LOADED)
        return tab

    def new_tab(self, url: str) -> Self:
        """Open a tab that has nothing of this one."""
        if self.browser.engine == "firefox":
            # Its driver has been seen to wait for ever for a new tab of its own.
            return self.appearing(lambda: self.run("window.open(arguments[0], '_blank', 'noopener')", url))
        self.driver.switch_to.new_window("tab")
        tab = self._with(self.driver.current_window_handle)
        tab.goto(url)
        return tab

    def close(self) -> None:
        """Close the window."""
        self.driver.close()
        self.browser.looking_at = None

    def _with(self, handle: str) -> Self:
        tab = copy.copy(self)
        tab.handle = handle
        return tab


def _key(name: str) -> str:
    if len(name) == 1:
        return name
    key: str = getattr(Keys, re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper())
    return key
