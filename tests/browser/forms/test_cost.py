"""What a keystroke costs, and how often storage is written."""

from __future__ import annotations

from tests.browser.forms.page import BEGIN, FormPage

# The timer of the next write runs when the test says so; the driver's own timers in the page go on.
CLOCK = """
const { setTimeout: later, clearTimeout: never } = window;
let now = 0, timer = null;
window.setTimeout = (action, delay, ...rest) =>
  delay === 1000 ? (timer = { action, at: now + delay }) : later(action, delay, ...rest);
window.clearTimeout = (id) => (id === timer ? (timer = null) : never(id));
window.advance = (milliseconds) => {
  now += milliseconds;
  if (timer === null || timer.at > now) return;
  const { action } = timer;
  timer = null;
  action();
};
"""

COUNT_READS = """
window.reads = 0;
for (const [owner, name] of [[HTMLFormElement, "elements"], [HTMLInputElement, "value"],
                             [HTMLInputElement, "defaultValue"], [HTMLInputElement, "name"]]) {
  const { get, set } = Object.getOwnPropertyDescriptor(owner.prototype, name);
  const counted = function () { reads += 1; return get.call(this); };
  Object.defineProperty(owner.prototype, name, { get: counted, set, configurable: true });
}
"""


def test_keystroke(page: FormPage) -> None:
    """A keystroke reads no other control, walks no form and writes nothing, however large the form is."""
    page.open("".join(f'<input name="n{i}">' for i in range(1000)), script=CLOCK + COUNT_READS + BEGIN)
    page.press("a", on="[name=n500]")
    page.run(
        """
        window.reads = window.writes = 0;
        const field = document.forms[0].querySelector("[name=n500]");
        for (let i = 0; i < 100; i++) field.dispatchEvent(new Event("input", { bubbles: true }));
        """
    )
    assert page.evaluate("[reads, writes]") == [0, 0]
    page.evaluate("forms.pairs()")
    assert page.evaluate("reads") > 0, "reads are counted"


def test_once_a_second(page: FormPage) -> None:
    """Storage is written at most once a second, however much is typed, and not at all when nothing is."""
    page.open('<input name="a">', script=CLOCK + BEGIN)
    page.run("advance(60_000); window.writes = 0")
    for _ in range(3):
        page.type("abc", into="[name=a]")
        page.run("advance(400)")
    assert page.evaluate("writes") == 2, "the form and the list of forms, once"
    page.run("advance(60_000)")
    assert page.evaluate("writes") == 2
    page.type("d", into="[name=a]")
    page.run("advance(999)")
    assert page.evaluate("writes") == 2
    page.run("advance(60_000)")
    assert page.evaluate("writes") == 4
