"""What is no control of a form, but the user's all the same: editable parts, what is open, how far it is scrolled."""

from __future__ import annotations

import pytest

from tests.browser.forms.page import PURIFIED, FormPage


class TestContenteditable:
    HTML = '<div contenteditable data-stash="note" id="note"><p>Dear</p></div><input name="a">'

    def test_over_a_reload(self, page: FormPage) -> None:
        """What was written into an editable part of a form, formatting included, is a field of the form."""
        page.open(self.HTML)
        page.click("#note p")
        page.press("End")
        page.type(" Ada")
        page.run(
            "getSelection().selectAllChildren(document.querySelector('p')); document.execCommand('bold')"
        )
        written = page.evaluate("note.innerHTML")
        assert "Dear Ada" in written and written != "<p>Dear Ada</p>"
        assert page.pairs() == {"f": [["note", written]]}
        page.open(self.HTML, script=PURIFIED)
        assert page.evaluate("note.innerHTML") == written
        assert page.told() == [["f", "note", "restored", ""]]

    def test_outside_a_form(self, page: FormPage) -> None:
        """An editable part outside any form is a form by itself."""
        html = '<div contenteditable data-stash="memo" id="memo"></div>'
        page.open_body(html)
        page.type("milk", into="#memo")
        assert page.pairs() == {"memo": [["memo", "milk"]]}
        page.open_body(html)
        assert page.evaluate("memo.textContent") == "milk"
        page.run("forms.clear('memo')")
        page.open_body(html)
        assert page.evaluate("memo.textContent") == ""

    def test_three_way(self, page: FormPage) -> None:
        """An editable part that the page renders with another text is in conflict, and the policies hold for it."""
        html = '<div contenteditable data-stash="n" id="n"{}>{}</div>'
        page.open(html.format("", "base"))
        page.press("End", on="#n")
        page.type(" mine")
        page.open(html.format("", "theirs"))
        assert page.evaluate("n.textContent") == "base mine"
        assert page.evaluate("conflicts.map(({ base, theirs }) => [base, theirs])") == [
            [["base"], ["theirs"]]
        ]
        page.open(html.format(' data-stash-conflict="theirs"', "theirs"))
        assert page.evaluate("n.textContent") == "theirs"
        assert page.pairs() == {}

    def test_rendered_anew_while_writing(self, page: FormPage) -> None:
        """When the page replaces the part that somebody writes in, text, focus and selection come over."""
        html = '<div contenteditable data-stash="n" id="n"><p>one</p><p>two</p></div>'
        page.open(html)
        page.click("#n p:last-child")
        page.press("End")
        page.type(" three")
        page.run("document.forms[0].innerHTML = arguments[0]", html)
        page.type("!")
        assert page.evaluate("n.textContent") == "onetwo three!"
        assert page.evaluate("document.activeElement.id") == "n"

    def test_emptied_again(self, page: FormPage) -> None:
        """A part that was empty, and is empty again, is unchanged, whatever the browser leaves in it."""
        page.open('<div contenteditable data-stash="n" id="n"></div>')
        page.type("x", into="#n")
        assert page.pairs() == {"f": [["n", "x"]]}
        page.press("Backspace")
        assert page.pairs() == {}

    def test_put_back_is_not_rendered(self, page: FormPage) -> None:
        """What is put back into a part that the page has replaced is the user's, who may take it back, and no rendering."""
        html = '<div contenteditable data-stash="n" id="n">base</div><input name="b">'
        page.open(html)
        page.type("my ", into="#n")
        page.focus("[name=b]")
        page.run("document.forms[0].innerHTML = arguments[0]", html)
        assert page.evaluate("n.textContent.startsWith('my')")
        page.fill("#n", "base")
        assert page.pairs() == {}

    def test_script_writes_with_event(self, page: FormPage) -> None:
        """What a toolbar's script does to an editable part counts as the user's, if it says so with an input event."""
        html = '<div contenteditable data-stash="n" id="n">text</div>'
        page.open(html)
        page.run("n.innerHTML = '<i>text</i>'; n.dispatchEvent(new Event('input', { bubbles: true }))")
        assert page.pairs() == {"f": [["n", "<i>text</i>"]]}

    def test_page_writes(self, page: FormPage) -> None:
        """What the page writes into an editable part that nobody is in is a rendering, and no edit."""
        html = '<div contenteditable data-stash="n" id="n">text</div>'
        page.open(html)
        page.run("n.innerHTML = 'from the server'")
        assert page.pairs() == {}
        page.press("End", on="#n")
        page.type("!")
        page.open(html.replace("text", "from the server"))
        assert page.evaluate("n.textContent") == "from the server!"
        assert page.conflicts() == []

    def test_text_that_looks_like_markup(self, page: FormPage) -> None:
        """What was typed into a text field is text in an editable part of its name, too."""
        page.open('<textarea name="n"></textarea>')
        page.fill("[name=n]", "<img src=x onerror=window.ran=true> & more")
        page.open('<div contenteditable data-stash="n" id="n"></div>')
        assert page.evaluate("n.textContent") == "<img src=x onerror=window.ran=true> & more"
        assert page.evaluate("n.childElementCount") == 0
        page.press("!", on="#n")
        page.open('<textarea name="n"></textarea>')
        assert page.value("[name=n]") == ""
        assert page.told() == [["f", "n", "skipped", "not accepted"]]

    def test_switched_off(self, page: FormPage) -> None:
        """An editable part inside data-stash="off", or without data-stash, is not stashed."""
        html = '<div data-stash="off"><p contenteditable data-stash="n" id="n"></p></div><p contenteditable id="m"></p>'
        page.open(html)
        page.type("x", into="#n")
        page.type("y", into="#m")
        assert page.pairs() == {}


class TestOpen:
    def test_details(self, page: FormPage) -> None:
        """What was opened is open after a reload and after a rendering, and what was closed is closed."""
        html = "".join(
            f'<details data-stash="{name}"{state}><summary id="{name}">{name}</summary>text</details>'
            for name, state in {"a": "", "b": " open", "c": ""}.items()
        )
        is_open = "[...document.querySelectorAll('details')].map((details) => details.open)"
        page.open_body(html)
        page.click("#a")
        page.click("#b")
        assert page.pairs() == {}, "it is no field"
        page.open_body(html)
        assert page.evaluate(is_open) == [True, False, False]
        page.run("document.body.innerHTML = arguments[0]", html)
        page.wait_for(f"{is_open}.join() === 'true,false,false'")
        page.click("#a")
        page.open_body(html)
        assert page.evaluate(is_open) == [False, False, False]

    @pytest.mark.parametrize("how", ["showModal", "show"])
    def test_dialog(self, page: FormPage, how: str) -> None:
        """An open dialog is open after a reload, modal if it was, with what was typed in it."""
        html = '<dialog data-stash="d" id="d"><form data-stash="f"><input name="a"></form></dialog>'
        page.open_body(html)
        page.run(f"d.{how}()")
        page.type("x", into="[name=a]")
        page.open_body(html)
        assert page.evaluate("[d.open, d.matches(':modal')]") == [True, how == "showModal"]
        assert page.value("[name=a]") == "x"
        page.run("d.close()")
        page.open_body(html)
        assert page.evaluate("d.open") is False

    def test_dialog_waits(self, page: FormPage) -> None:
        """A dialog that was open does not come between somebody and the field that they are typing in."""
        html = '<input name="b"><dialog data-stash="d" id="d"><p>text</p></dialog>'
        page.open(html)
        page.run("d.showModal()")
        page.run("forms.flush()")
        page.open(html, script="forms.start();")
        page.type("half a", into="[name=b]")
        page.run("forms.restore()")
        page.type(" word")
        assert page.value("[name=b]") == "half a word"
        assert page.evaluate("d.open") is False
        page.run("document.activeElement.blur()")
        page.wait_for("d.matches(':modal')")


class TestScroll:
    BOX = '<div data-stash="box" id="box" style="height: 50px; overflow: auto">{}</div>'
    TALL = '<p style="height: 900px; width: 3000px">tall</p>'

    def test_over_a_reload(self, page: FormPage) -> None:
        """A container is scrolled as far as it was, in both directions."""
        page.open(self.BOX.format(self.TALL))
        page.run("box.scrollTo(40, 300)")
        page.wait_for("forms.flush() ?? sessionStorage.length > 0")
        page.open(self.BOX.format(self.TALL))
        assert page.evaluate("[box.scrollLeft, box.scrollTop]") == [40, 300]

    def test_content_that_comes_later(self, page: FormPage) -> None:
        """What is too short to be scrolled that far yet is scrolled when the page has brought the rest."""
        page.open(self.BOX.format(self.TALL))
        page.run("box.scrollTo(0, 300)")
        page.wait_for("forms.flush() ?? sessionStorage.length > 0")
        page.open(self.BOX.format("loading"))
        assert page.told() == [["", "box", "skipped", "too short"]]
        page.run("box.innerHTML = arguments[0]", self.TALL)
        page.wait_for("box.scrollTop === 300")

    def test_content_that_goes_and_comes(self, page: FormPage) -> None:
        """A rendering that makes a container short for a moment does not lose the place."""
        page.open(self.BOX.format(self.TALL))
        page.run("box.scrollTo(0, 300)")
        page.wait_for("forms.flush() ?? sessionStorage.length > 0")
        page.run("box.innerHTML = 'loading'")
        page.wait_for(
            "box.scrollTop === 0 && new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0, true)))"
        )
        page.run("box.innerHTML = arguments[0]", self.TALL)
        page.wait_for("box.scrollTop === 300")

    def test_window(self, page: FormPage) -> None:
        """With data-stash on the html element the window is scrolled as far as it was, also over a late rendering."""
        mark = "document.documentElement.dataset.stash = ''; forms.start(); forms.restore();"
        tall = '<main id="main"><p style="height: 5000px">tall</p></main>'
        page.open_body(tall, script=mark)
        page.run("scrollTo(0, 1234)")
        page.wait_for("forms.flush() ?? sessionStorage.length > 0")
        page.open_body('<main id="main"></main>', script=mark)
        page.run("main.innerHTML = arguments[0]", tall)
        page.wait_for("Math.round(scrollY) === 1234")
