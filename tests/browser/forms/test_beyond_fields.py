"""What is no control of a form, but the user's all the same: editable parts, what is open, how far it is scrolled."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.tab import Tab

Open = Callable[..., None]


class TestContenteditable:
    HTML = '<div contenteditable data-stash="note" id="note"><p>Dear</p></div><input name="a">'

    def test_over_a_reload(self, tab: Tab, open_page: Open) -> None:
        """What was written into an editable part of a form, formatting included, is a field of the form."""
        open_page(self.HTML)
        tab.click("#note p")
        tab.press("End")
        tab.type(" Ada")
        tab.run("getSelection().selectAllChildren(document.querySelector('p')); document.execCommand('bold')")
        written = tab.evaluate("note.innerHTML")
        assert "Dear Ada" in written and written != "<p>Dear Ada</p>"
        assert tab.evaluate("forms.pairs()") == {"f": [["note", written]]}
        open_page(self.HTML)
        assert tab.evaluate("note.innerHTML") == written
        assert tab.evaluate("told") == [["f", "note", "restored", ""]]

    def test_outside_a_form(self, tab: Tab, open_page: Open) -> None:
        """An editable part outside any form is a form by itself."""
        html = '<div contenteditable data-stash="memo" id="memo"></div>'
        open_page(html, wrap=False)
        tab.type("milk", into="#memo")
        assert tab.evaluate("forms.pairs()") == {"memo": [["memo", "milk"]]}
        open_page(html, wrap=False)
        assert tab.evaluate("memo.textContent") == "milk"
        tab.run("forms.clear('memo')")
        open_page(html, wrap=False)
        assert tab.evaluate("memo.textContent") == ""

    def test_three_way(self, tab: Tab, open_page: Open) -> None:
        """An editable part that the page renders with another text is in conflict, and the policies hold for it."""
        html = '<div contenteditable data-stash="n" id="n"{}>{}</div>'
        open_page(html.format("", "base"))
        tab.press("End", on="#n")
        tab.type(" mine")
        open_page(html.format("", "theirs"))
        assert tab.evaluate("n.textContent") == "base mine"
        assert tab.evaluate("conflicts.map(({ base, theirs }) => [base, theirs])") == [[["base"], ["theirs"]]]
        open_page(html.format(' data-stash-conflict="theirs"', "theirs"))
        assert tab.evaluate("n.textContent") == "theirs"
        assert tab.evaluate("forms.pairs()") == {}

    def test_rendered_anew_while_writing(self, tab: Tab, open_page: Open) -> None:
        """When the page replaces the part that somebody writes in, text, focus and selection come over."""
        html = '<div contenteditable data-stash="n" id="n"><p>one</p><p>two</p></div>'
        open_page(html)
        tab.click("#n p:last-child")
        tab.press("End")
        tab.type(" three")
        tab.run("document.forms[0].innerHTML = arguments[0]", html)
        tab.type("!")
        assert tab.evaluate("n.textContent") == "onetwo three!"
        assert tab.evaluate("document.activeElement.id") == "n"

    def test_script_writes_with_event(self, tab: Tab, open_page: Open) -> None:
        """What a toolbar's script does to an editable part counts as the user's, if it says so with an input event."""
        html = '<div contenteditable data-stash="n" id="n">text</div>'
        open_page(html)
        tab.run("n.innerHTML = '<i>text</i>'; n.dispatchEvent(new Event('input', { bubbles: true }))")
        assert tab.evaluate("forms.pairs()") == {"f": [["n", "<i>text</i>"]]}

    def test_page_writes(self, tab: Tab, open_page: Open) -> None:
        """What the page writes into an editable part that nobody is in is a rendering, and no edit."""
        html = '<div contenteditable data-stash="n" id="n">text</div>'
        open_page(html)
        tab.run("n.innerHTML = 'from the server'")
        assert tab.evaluate("forms.pairs()") == {}
        tab.press("End", on="#n")
        tab.type("!")
        open_page(html.replace("text", "from the server"))
        assert tab.evaluate("n.textContent") == "from the server!"
        assert tab.evaluate("conflicts") == []

    def test_no_script_comes_back(self, tab: Tab, open_page: Open) -> None:
        """A script element in an editable part does not run when the part is restored."""
        html = '<div contenteditable data-stash="n" id="n">text</div>'
        open_page(html)
        tab.type("x", into="#n")
        tab.run(
            "n.append(document.createElement('script')); n.lastChild.textContent = 'window.ran = true'; window.ran = 0"
        )
        tab.run("n.dispatchEvent(new Event('input', { bubbles: true }))")
        open_page(html)
        assert "x" in tab.evaluate("n.textContent")
        assert tab.evaluate("window.ran") is None

    def test_switched_off(self, tab: Tab, open_page: Open) -> None:
        """An editable part inside data-stash="off", or without data-stash, is not stashed."""
        html = '<div data-stash="off"><p contenteditable data-stash="n" id="n"></p></div><p contenteditable id="m"></p>'
        open_page(html)
        tab.type("x", into="#n")
        tab.type("y", into="#m")
        assert tab.evaluate("forms.pairs()") == {}


class TestOpen:
    def test_details(self, tab: Tab, open_page: Open) -> None:
        """What was opened is open after a reload and after a rendering, and what was closed is closed."""
        html = "".join(
            f'<details data-stash="{name}"{state}><summary id="{name}">{name}</summary>text</details>'
            for name, state in {"a": "", "b": " open", "c": ""}.items()
        )
        is_open = "[...document.querySelectorAll('details')].map((details) => details.open)"
        open_page(html, wrap=False)
        tab.click("#a")
        tab.click("#b")
        assert tab.evaluate("forms.pairs()") == {}, "it is no field"
        open_page(html, wrap=False)
        assert tab.evaluate(is_open) == [True, False, False]
        tab.run("document.body.innerHTML = arguments[0]", html)
        tab.wait_for(f"{is_open}.join() === 'true,false,false'")
        tab.click("#a")
        open_page(html, wrap=False)
        assert tab.evaluate(is_open) == [False, False, False]

    @pytest.mark.parametrize("how", ["showModal", "show"])
    def test_dialog(self, tab: Tab, open_page: Open, how: str) -> None:
        """An open dialog is open after a reload, modal if it was, with what was typed in it."""
        html = '<dialog data-stash="d" id="d"><form data-stash="f"><input name="a"></form></dialog>'
        open_page(html, wrap=False)
        tab.run(f"d.{how}()")
        tab.type("x", into="[name=a]")
        open_page(html, wrap=False)
        assert tab.evaluate("[d.open, d.matches(':modal')]") == [True, how == "showModal"]
        assert tab.value("[name=a]") == "x"
        tab.run("d.close()")
        open_page(html, wrap=False)
        assert tab.evaluate("d.open") is False


class TestScroll:
    BOX = '<div data-stash="box" id="box" style="height: 50px; overflow: auto">{}</div>'
    TALL = '<p style="height: 900px; width: 3000px">tall</p>'

    def test_over_a_reload(self, tab: Tab, open_page: Open) -> None:
        """A container is scrolled as far as it was, in both directions."""
        open_page(self.BOX.format(self.TALL))
        tab.run("box.scrollTo(40, 300)")
        tab.wait_for("forms.flush() ?? sessionStorage.length > 0")
        open_page(self.BOX.format(self.TALL))
        assert tab.evaluate("[box.scrollLeft, box.scrollTop]") == [40, 300]

    def test_content_that_comes_later(self, tab: Tab, open_page: Open) -> None:
        """What is too short to be scrolled that far yet is scrolled when the page has brought the rest."""
        open_page(self.BOX.format(self.TALL))
        tab.run("box.scrollTo(0, 300)")
        tab.wait_for("forms.flush() ?? sessionStorage.length > 0")
        open_page(self.BOX.format("loading"))
        assert tab.evaluate("told") == [["", "box", "skipped", "too short"]]
        tab.run("box.innerHTML = arguments[0]", self.TALL)
        tab.wait_for("box.scrollTop === 300")

    def test_content_that_goes_and_comes(self, tab: Tab, open_page: Open) -> None:
        """A rendering that makes a container short for a moment does not lose the place."""
        open_page(self.BOX.format(self.TALL))
        tab.run("box.scrollTo(0, 300)")
        tab.wait_for("forms.flush() ?? sessionStorage.length > 0")
        tab.run("box.innerHTML = 'loading'")
        tab.wait_for(
            "box.scrollTop === 0 && new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0, true)))"
        )
        tab.run("box.innerHTML = arguments[0]", self.TALL)
        tab.wait_for("box.scrollTop === 300")

    def test_window(self, tab: Tab, open_page: Open) -> None:
        """With data-stash on the html element the window is scrolled as far as it was, also over a late rendering."""
        mark = "document.documentElement.dataset.stash = ''; forms.start(); forms.restore();"
        tall = '<main id="main"><p style="height: 5000px">tall</p></main>'
        open_page(tall, script=mark, wrap=False)
        tab.run("scrollTo(0, 1234)")
        tab.wait_for("forms.flush() ?? sessionStorage.length > 0")
        open_page('<main id="main"></main>', script=mark, wrap=False)
        tab.run("main.innerHTML = arguments[0]", tall)
        tab.wait_for("Math.round(scrollY) === 1234")
