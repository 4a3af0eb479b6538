"""A form that has been dealt with leaves nothing behind, and what stands in the page stays."""

from __future__ import annotations

from tests.browser.forms.page import BEGIN, STORED, FormPage

LATER = "new Promise((done) => setTimeout(done))"


def test_reset(page: FormPage) -> None:
    """A reset clears the form's stash; one that is called off does not."""
    page.open('<input name="a"><input name="gone"><button type="reset">r</button>')
    page.fill("[name=gone]", "x")
    page.open('<input name="a"><button type="reset">r</button>')
    page.fill("[name=a]", "y")
    page.run("addEventListener('reset', (event) => event.preventDefault(), { once: true })")
    page.click("button")
    page.evaluate(LATER)
    assert page.pairs() == {"f": [["a", "y"], ["gone", "x"]]}
    page.click("button")
    page.evaluate(LATER)
    assert page.pairs() == {}
    assert page.evaluate("sessionStorage.length") == 0


def test_clear(page: FormPage) -> None:
    """After a clear the page stands as it is, and what is typed then is stashed again."""
    page.open('<input name="a">')
    page.fill("[name=a]", "saved")
    page.run("forms.flush(); forms.clear('f')")
    assert page.value("[name=a]") == "saved"
    assert page.pairs() == {}
    assert "saved" not in page.stored()
    page.press("End", "!", on="[name=a]")
    assert page.pairs() == {"f": [["a", "saved!"]]}


def test_left_after_clear(page: FormPage) -> None:
    """Who leaves a field that has been dealt with has typed nothing new in it."""
    page.open('<input name="a"><input name="b">')
    page.type("sent", into="[name=a]")
    page.run("forms.clear('f')")
    page.press("Tab")
    assert page.evaluate("document.activeElement.name") == "b"
    assert page.pairs() == {}


def test_reset_of_rich_text(page: FormPage) -> None:
    """A reset brings back what was rendered into an editable part, also after it was rendered anew."""
    html = (
        '<div contenteditable data-stash="n" id="n">base</div><input name="b"><button type="reset">r</button>'
    )
    page.open(html)
    page.type("my ", into="#n")
    page.focus("[name=b]")
    page.run("document.forms[0].innerHTML = arguments[0]", html)
    assert page.evaluate("n.textContent.startsWith('my')")
    page.click("button")
    page.wait_for("n.textContent === 'base'")
    assert page.pairs() == {}


def test_clear_before_restore(page: FormPage) -> None:
    """A form that is cleared before it is restored, as after a post, is not restored; the others are."""
    html = '<form data-stash="f"><input name="a"></form><form data-stash="g"><input name="b"></form>'
    page.open_body(html)
    page.fill("[name=a]", "x")
    page.fill("[name=b]", "y")
    page.open_body(html, script="forms.clear('f');" + BEGIN)
    assert [page.value("[name=a]"), page.value("[name=b]")] == ["", "y"]


KINDS = """<input name="text" value="old"><textarea name="area">old</textarea><input type="checkbox" name="box" checked>
<input type="radio" name="radio" value="old" checked><input type="radio" name="radio" value="new">
<select name="select"><option selected>old<option>new</select><select name="several" multiple><option selected>old<option>new</select>
<div contenteditable data-stash="rich" id="rich">old</div>"""
TOUCHED = ["area", "box", "radio", "rich", "select", "several", "text"]


def change(page: FormPage, text: str) -> None:
    """Change every field of `KINDS`: to `old` or to `new`."""
    page.fill("[name=text]", text)
    page.fill("[name=area]", text)
    page.fill("#rich", text)
    page.click(f"[name=radio][value={text}]")
    page.select("[name=select]", text)
    page.select("[name=several]", text)
    page.click("[name=box]")


def test_saved_is_the_new_base(page: FormPage) -> None:
    """What was dealt with is what the server has: taken back to what was rendered first, every kind of field is touched."""
    for submit, mark in (("forms.submit('f', ['live', 1])", "['live', 1]"), ("", "undefined")):
        page.open(KINDS)
        change(page, "new")
        page.run(f"{submit}; forms.clear('f', {mark})")
        assert page.pairs() == {}
        change(page, "old")
        assert sorted({name for name, _ in page.pairs()["f"]}) == TOUCHED
        newer = KINDS.replace(" checked", "").replace(" selected", "").replace('"new"', '"new" checked')
        newer = newer.replace("<option>new", "<option selected>new").replace("old<", "new<")
        page.open(
            newer.replace("<option>new", "<option>old").replace('"text" value="old"', '"text" value="new"')
        )
        assert page.evaluate("conflicts") == []
        assert [page.value(f"[name={name}]") for name in ("text", "area", "select", "several")] == ["old"] * 4
        assert page.evaluate("rich.textContent") == "old"
        assert page.checked("[name=box]")
        assert page.checked("[name=radio][value=old]")
        page.run("forms.forget()")


def test_typed_on_and_taken_back_to_what_was_saved(page: FormPage) -> None:
    """Whoever takes back what they typed after a save has nothing unsaved, and hears of no conflict, whatever is rendered then."""
    page.open('<input name="a" value="old">')
    page.fill("[name=a]", "saved")
    page.run("forms.submit('f', ['live', 1]); forms.clear('f', ['live', 1])")
    page.press("End", "!", "Backspace", on="[name=a]")
    assert page.pairs() == {}
    page.open('<input name="a" value="newer">')
    assert page.value("[name=a]") == "newer"
    assert page.evaluate("conflicts") == []


def test_emptied_after_a_clear(page: FormPage) -> None:
    """A field that the page empties once it is dealt with is a fresh one, however the page does it."""
    html = '<input name="a">'
    for empty in (
        "document.forms[0].reset()",
        "document.forms[0].a.value = ''",
        f"morph(document.forms[0], '<form data-stash=\"f\">{html}</form>')",
    ):
        page.open(html)
        page.fill("[name=a]", "sent")
        page.run("forms.submit('f', ['live', 1]); forms.clear('f', ['live', 1])")
        page.run(empty)
        page.wait_for("document.forms[0].a.value === ''")
        page.evaluate(LATER)
        page.type("n", into="[name=a]")
        assert page.pairs() == {"f": [["a", "n"]]}
        page.press("Backspace")
        assert page.pairs() == {}, empty


def test_another_submit_is_under_way(page: FormPage) -> None:
    """A clear for an earlier submit leaves alone what a later one sent, its password too, whatever is rendered then."""
    html = '<form data-stash="f"><input name="a"><input name="b"><input type="password" name="p"></form>'
    page.open_body(html)
    page.fill("[name=a]", "one")
    page.fill("[name=p]", "x")
    page.run("forms.submit('f', ['live', 1])")
    page.fill("[name=b]", "two")
    page.run("forms.submit('f', ['live', 2]); forms.clear('f', ['live', 1])")
    page.run("morph(document.forms[0], arguments[0])", html)
    assert [page.value(f"[name={name}]") for name in "abp"] == ["one", "two", "x"]
    assert page.pairs() == {"f": [["a", "one"], ["b", "two"]]}
    page.run("forms.clear('f', ['live', 2]); morph(document.forms[0], arguments[0])", html)
    assert [page.value(f"[name={name}]") for name in "abp"] == ["", "", ""]


def test_forget(page: FormPage) -> None:
    """To forget leaves nothing, in memory or in storage."""
    page.open('<input name="a">')
    page.fill("[name=a]", "x")
    page.run("forms.flush(); forms.forget()")
    assert page.evaluate("sessionStorage.length") == 0
    assert page.pairs() == {}


def test_stop(page: FormPage) -> None:
    """To stop writes what is left, and nothing more is noticed."""
    page.open('<input name="a">')
    page.fill("[name=a]", "x")
    page.run("forms.stop()")
    assert '"x"' in page.evaluate(STORED)
    page.fill("[name=a]", "later")
    assert "later" not in page.stored()
