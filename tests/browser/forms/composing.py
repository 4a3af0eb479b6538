"""Composes text as input methods do, through each browser's own input protocol: its events are those of a user."""

from __future__ import annotations

from tests.browser.tab import Tab

# Firefox lets its own code drive the machinery that input methods drive.
_COMPOSE_IN_FIREFOX = """
const [text, committed] = arguments;
const window = Services.wm.getMostRecentWindow("navigator:browser");
window.gBrowser.selectedBrowser.focus();
const composer = (window.stashComposer ??= Cc["@mozilla.org/text-input-processor;1"].createInstance(Ci.nsITextInputProcessor));
if (!composer.hasComposition) composer.beginInputTransactionForTests(window);
if (committed) {
  composer.commitCompositionWith(text);
} else {
  composer.setPendingCompositionString(text);
  composer.appendClauseToPendingComposition(text.length, composer.ATTR_RAW_CLAUSE);
  composer.setCaretInPendingComposition(text.length);
  composer.flushPendingComposition();
}
"""


class Composition:
    """A word that is being composed in the focused control.

    Attributes:
        stages: what stands there while it is composed, and in the end.
    """

    def __init__(self, tab: Tab) -> None:
        self._tab = tab
        self._webkit = tab.browser.engine == "webkit"
        # GTK's own input method composes characters by their numbers.
        self.stages = ("u", "u3042", "あ") if self._webkit else ("に", "にほ", "日本")

    def begin(self) -> None:
        """Press the first keys."""
        self._compose(0, "Control+Shift+u")

    def go_on(self) -> None:
        """Press more keys."""
        self._compose(1, "3", "0", "4", "2")

    def commit(self) -> None:
        """Accept the word."""
        self._compose(2, "Enter")

    def _compose(self, stage: int, *chords: str) -> None:
        driver, text = self._tab.driver, self.stages[stage]
        if self._webkit:
            self._tab.press(*chords)
        elif self._tab.browser.engine == "firefox":
            with driver.context(driver.CONTEXT_CHROME):  # type: ignore[attr-defined]
                driver.execute_script(_COMPOSE_IN_FIREFOX, text, stage == 2)
        elif stage == 2:
            driver.execute_cdp_cmd("Input.insertText", {"text": text})
        else:
            command = {"text": text, "selectionStart": len(text), "selectionEnd": len(text)}
            driver.execute_cdp_cmd("Input.imeSetComposition", command)
        self._tab.wait_for("composed.at(-1)?.data === a[0]", text)
