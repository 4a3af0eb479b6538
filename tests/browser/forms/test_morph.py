"""Rendering by morph leaves alone what is the user's, and takes the rest from the page."""

from __future__ import annotations

import pytest

from tests.browser.forms.page import FormPage


def render(page: FormPage, html: str) -> None:
    """Render the form anew, as a view does that sends HTML."""
    page.run("morph(document.forms[0], arguments[0])", f'<form data-stash="f">{html}</form>')


def shown(page: FormPage) -> object:
    """What a submission would carry."""
    return page.evaluate("[...new FormData(document.forms[0])]")


class TestTheUsers:
    def test_typed(self, page: FormPage) -> None:
        """What was typed stays; what the page says of it is told as a conflict; untouched fields are the page's."""
        page.open('<input name="a" value="x"><input name="b" value="x"><textarea name="t">x</textarea>')
        page.fill("[name=a]", "mine")
        page.fill("[name=t]", "my text")
        render(
            page,
            '<h1>new</h1><input name="a" value="y"><input name="b" value="y"><textarea name="t">y</textarea>',
        )
        assert shown(page) == [["a", "mine"], ["b", "y"], ["t", "my text"]]
        assert page.evaluate("conflicts.map(({ field, base, theirs }) => [field, ...base, ...theirs])") == [
            ["a", "x", "y"],
            ["t", "x", "y"],
        ]
        assert page.evaluate("document.querySelector('h1').textContent") == "new"

    def test_policy(self, page: FormPage) -> None:
        """With data-stash-conflict="theirs" the page's new value is shown, once the field is not worked in."""
        html = '<input name="a" value="{}" data-stash-conflict="theirs"><input name="b">'
        page.open(html.format("x"))
        page.fill("[name=a]", "mine")
        render(page, html.format("y"))
        assert page.value("[name=a]") == "mine", "it has the focus"
        page.focus("[name=b]")
        render(page, html.format("z"))
        assert page.value("[name=a]") == "z"

    def test_chosen(self, page: FormPage) -> None:
        """Checkboxes, radios and selects keep what was chosen, by value, when their options come and go."""
        page.open(
            '<input type="checkbox" name="c" value="1"><input type="checkbox" name="c" value="2">'
            '<input type="radio" name="r" value="1" checked><input type="radio" name="r" value="2">'
            '<select name="s"><option>a<option>b</select><select name="m" multiple><option>a<option>b<option>c</select>'
        )
        page.check("[name=c][value='2']")
        page.check("[name=r][value='2']")
        page.select("[name=s]", "b")
        page.select("[name=m]", "a", "c")
        chosen = shown(page)
        render(
            page,
            '<input type="checkbox" name="c" value="0"><input type="checkbox" name="c" value="2">'
            '<input type="radio" name="r" value="2"><input type="radio" name="r" value="1" checked>'
            '<select name="s"><option>z<option>y<option>a<option>b</select>'
            '<select name="m" multiple><option>c<option>b<option>a</select>',
        )
        assert sorted(shown(page)) == sorted(chosen)  # type: ignore[call-overload]
        assert page.conflicts() == []

    def test_option_gone(self, page: FormPage) -> None:
        """A choice whose option has gone waits for it, and until the user has left the list."""
        page.open('<select name="s"><option>a<option>b</select>')
        page.select("[name=s]", "b")
        render(page, '<select name="s"><option>a<option>c</select>')
        assert page.value("[name=s]") == "a"
        render(page, '<select name="s"><option>a<option>c<option>b</select>')
        page.run("document.activeElement.blur()")
        page.wait_for("document.forms[0].s.value === 'b'")

    def test_unfinished_number(self, page: FormPage) -> None:
        """A number that is not one yet is not wiped out."""
        page.open('<input type="number" name="n"><input name="b">')
        page.type("12e", into="[name=n]")
        page.focus("[name=b]")
        render(page, '<p>new</p><input type="number" name="n" value="5"><input name="b">')
        assert page.evaluate("document.forms[0].n.validity.badInput") is True

    def test_opened(self, page: FormPage) -> None:
        """What the user has opened stays open, and its text is rendered."""
        html = '<details data-stash="d"><summary id="s">more</summary>{}</details>'
        page.open(html.format("one"))
        page.click("#s")
        render(page, html.format("two"))
        assert page.evaluate("document.querySelector('details').open") is True
        assert "two" in page.evaluate("document.querySelector('details').textContent")

    def test_password(self, page: FormPage) -> None:
        """A password that somebody types survives, and is gone once the form has been dealt with."""
        html = '<p>{}</p><input type="password" name="p"><input name="a">'
        page.open(html.format(0))
        page.type("S3CRET", into="[name=p]")
        page.focus("[name=a]")
        render(page, html.format(1))
        assert page.value("[name=p]") == "S3CRET"
        page.run("forms.clear('f')")
        render(page, html.format(2))
        assert page.value("[name=p]") == ""

    def test_opened_by_the_page(self, page: FormPage) -> None:
        """What the page opens by rendering is not the user's, and is closed when it renders it closed."""
        html = '<details data-stash="d"{}><summary>more</summary>text</details>'
        page.open(html.format(""))
        render(page, html.format(" open"))
        assert page.evaluate("document.querySelector('details').open") is True
        render(page, html.format(""))
        assert page.evaluate("document.querySelector('details').open") is False

    def test_radio_in_another_place(self, page: FormPage) -> None:
        """Of radios that nobody has touched the one is checked that the page renders so, wherever they are moved."""
        radios = '<p><input type="radio" name="r" value="a"{}><input type="radio" name="r" value="b"{}></p>'
        page.open(radios.format("", " checked") + '<p><input name="x"></p>')
        render(page, '<p><input name="x"></p>' + radios.format(" checked", ""))
        assert page.submission() == [["x", ""], ["r", "a"]]

    def test_cleared_while_in_it(self, page: FormPage) -> None:
        """Who is still in a field that has been dealt with sees what the page renders next."""
        page.open('<input name="a">')
        page.type("sent", into="[name=a]")
        page.run("forms.clear('f')")
        assert page.value("[name=a]") == "sent"
        render(page, '<p>thanks</p><input name="a">')
        assert page.value("[name=a]") == ""

    def test_cleared(self, page: FormPage) -> None:
        """A form that has been dealt with takes what the page renders."""
        page.open('<input name="a"><input type="checkbox" name="c">')
        page.fill("[name=a]", "sent")
        page.check("[name=c]")
        page.run("forms.clear('f'); document.activeElement.blur()")
        render(page, '<input name="a"><input type="checkbox" name="c">')
        assert shown(page) == [["a", ""]]


class TestOpenedAndSized:
    """Without a word in the HTML: what a user opens and sizes is theirs, until the page says something else of it."""

    def test_sized(self, page: FormPage) -> None:
        """A textarea that was dragged larger stays so, until the page says another size; one that was not takes the page's."""
        html = '<p>{}</p><textarea name="t" id="t"></textarea><textarea name="u" id="u" style="height: {}px"></textarea>'
        size = "[t, u].map(({ offsetHeight }) => offsetHeight)"
        page.open(html.format(1, 60))
        [_, plain] = page.evaluate(size)
        page.drag("#t", 40, 50)
        page.drag("#u", 40, 50)
        [first, second] = page.evaluate(size)
        assert second == plain + 50
        render(page, html.format(2, 60))
        assert page.evaluate(size) == [first, second]
        render(page, html.format(3, 200))
        render(page, html.format(4, 200))
        assert page.evaluate(size) == [first, plain + 140]

    def test_size_of_the_page(self, page: FormPage) -> None:
        """A textarea that nobody has dragged is as large as the page says."""
        html = '<textarea name="t" id="t" style="height: {}px"></textarea>'
        page.open(html.format(60))
        plain = page.evaluate("t.offsetHeight")
        for more in (20, 40):
            render(page, html.format(60 + more))
            assert page.evaluate("t.offsetHeight") == plain + more

    def test_modal(self, page: FormPage) -> None:
        """An open modal dialog stays open and modal, and once the page has taken it out, the rest can be used again."""
        html = '<p>{}</p><button type="button" id="b">b</button>'
        dialog = '<dialog id="d">{}<input name="a"></dialog>'
        page.open(html.format(1) + dialog.format(1))
        page.run("b.onclick = () => (window.clicked = true); d.showModal()")
        page.type("x", into="[name=a]")
        for count in (2, 3):
            render(page, html.format(count) + dialog.format(count))
            assert page.evaluate("[d.open, d.matches(':modal'), d.textContent]") == [True, True, str(count)]
        page.type("y")
        assert page.value("[name=a]") == "xy"
        render(page, html.format(4))
        page.click("#b")
        assert page.evaluate("window.clicked") is True

    def test_modal_that_the_page_closes(self, page: FormPage) -> None:
        """A dialog that was rendered open, was shown as a modal one since, and is rendered closed, is closed for good."""
        html = '<dialog id="d"{}>text</dialog><button type="button" id="b">b</button>'
        page.open(html.format(""))
        render(page, html.format(" open"))
        page.run("b.onclick = () => (window.clicked = true); d.close(); d.showModal()")
        render(page, html.format(" open"))
        assert page.evaluate("d.matches(':modal')") is True
        render(page, html.format(""))
        assert page.evaluate("[d.open, d.matches(':modal')]") == [False, False]
        page.click("#b")
        assert page.evaluate("window.clicked") is True

    def test_details(self, page: FormPage) -> None:
        """Details stay as the user has left them, until the page says something else than before."""
        html = '<p>{}</p><details id="x"><summary id="sx">x</summary>x</details><details id="y"{}><summary id="sy">y</summary>y</details>'
        opened = "[x.open, y.open]"
        page.open(html.format(1, " open"))
        page.click("#sx")
        page.click("#sy")
        assert page.evaluate(opened) == [True, False]
        render(page, html.format(2, " open"))
        assert page.evaluate(opened) == [True, False]
        render(page, html.format(3, ""))
        render(page, html.format(4, " open"))
        assert page.evaluate(opened) == [True, True]

    def test_moved(self, page: FormPage) -> None:
        """A popover, a modal dialog, the place in a list and a running medium survive that the page puts them elsewhere."""
        box = '<div id="box" style="height: 50px; overflow: auto"><p style="height: 900px">{}</p></div>'
        parts = ['<div popover id="p">{}</div>', box, '<video id="v"></video>', '<dialog id="d">{}</dialog>']
        page.open("".join(part.format(1) for part in parts))
        page.run(
            "box.scrollTo(0, 300); p.showPopover(); window.kept = v; d.showModal(); v.volume = 0.5; p.showPopover()"
        )
        page.wait_for("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0, true)))")
        for order in ((3, 2, 1, 0), (1, 3, 0, 2)):
            render(page, "".join(parts[index].format(2) for index in order))
            state = "[p.matches(':popover-open'), box.scrollTop, v === kept, v.volume, d.matches(':modal')]"
            assert page.evaluate(state) == [True, 300, True, 0.5, True]


class TestFocus:
    @pytest.mark.parametrize("where", ["before", "after"])
    def test_rows(self, page: FormPage, where: str) -> None:
        """Focus, caret and text stay in their row when others are removed, added and moved, without an id anywhere."""

        def rows(*keys: str) -> str:
            row = '<li data-stash-key="{0}"><label>{0} <input name="city"></label></li>'
            return f"<ol>{''.join(row.format(key) for key in keys)}</ol>"

        page.open(rows("1", "2", "3"))
        for number, text in enumerate(("one", "two", "three"), start=1):
            page.type(text, into=f"[data-stash-key='{number}'] input")
        page.run(
            "const field = document.querySelector('[data-stash-key=\"2\"] input'); field.focus(); field.setSelectionRange(1, 2)"
        )
        render(page, rows("3", "2", "4") if where == "before" else rows("2", "4", "3"))
        page.type("W")
        assert page.evaluate("document.activeElement.closest('li').dataset.stashKey") == "2"
        values = "Object.fromEntries([...document.querySelectorAll('li')].map((li) => [li.dataset.stashKey, li.querySelector('input').value]))"
        assert page.evaluate(values) == {"2": "tWo", "3": "three", "4": ""}
        assert sorted(page.pairs()["f"]) == [["city", ""], ["city", "tWo"], ["city", "three"]]
        assert page.evaluate("told.filter(([, , outcome]) => outcome === 'skipped')") == [
            ["f", "city", "skipped", "removed"]
        ]
        assert page.evaluate("document.querySelector('[id^=quart-stash]')") is None

    def test_select(self, page: FormPage) -> None:
        """A select that is being used keeps focus and choice while its options are rendered anew."""
        page.open('<select name="s"><option>a<option>b<option>c</select>')
        page.press("ArrowDown", on="[name=s]")
        render(page, '<p>new</p><select name="s"><option>z<option selected>a<option>b<option>c</select>')
        assert page.value("[name=s]") == "b"
        assert page.evaluate("document.activeElement.name") == "s"

    def test_contenteditable(self, page: FormPage) -> None:
        """Who writes in an editable part goes on writing where they are."""
        html = '<p>{0}</p><div contenteditable data-stash="n" id="n"><p>{1}</p></div>'
        page.open(html.format("a", "text"))
        page.click("#n p")
        page.press("Home")
        page.type("my ")
        render(page, html.format("b", "theirs"))
        page.type("own ")
        assert page.evaluate("n.textContent") == "my own text"
        assert page.evaluate("conflicts.map(({ kept }) => kept)") == ["mine"]


def test_inside(page: FormPage) -> None:
    """With `style: "innerHTML"` what is in the target is rendered, and the target stays."""
    page.open('<div id="d"><input name="a"></div>')
    page.type("x", into="[name=a]")
    page.run("morph(d, '<h2>new</h2><input name=a>', { style: 'innerHTML' })")
    assert shown(page) == [["a", "x"]]
    assert page.evaluate("d.firstChild.localName") == "h2"


@pytest.mark.parametrize(
    "how",
    [
        "morph(document.forms[0], html, { style: 'innerHTML' })",
        "morph(document.querySelector('p'), `<p>${html}</p>`)",
    ],
    ids=["innerHTML", "outerHTML"],
)
def test_part_of_a_form(page: FormPage, how: str) -> None:
    """Controls are told apart by form and row also where only what is in these is rendered: they stay, and are not replaced."""
    fields = '<input name="a"><input name="b">'
    page.open(f"<p>{fields}</p>" if "<p>" in how else fields)
    page.type("x", into="[name=a]")
    page.run("document.forms[0].a.known = true")
    page.run(f"const html = '<b>new</b><input name=b><input name=a>'; {how}")
    assert page.evaluate(
        "[document.forms[0].a.known, document.forms[0].a.value, document.activeElement.name]"
    ) == [True, "x", "a"]


def test_given_idiomorph(page: FormPage) -> None:
    """A page that has an idiomorph hands it in, and nodes instead of text where it must not parse any."""
    page.open('<input name="a">')
    script = """
    const form = document.forms[0].cloneNode(true);
    let calls = 0;
    const idiomorph = { morph: (old, nodes, config) => { calls += nodes.length; } };
    morph(document.forms[0], form, { idiomorph });
    window.calls = calls;
    """
    page.run(script)
    assert page.evaluate("calls") == 1


def test_ids_that_count_rows(page: FormPage) -> None:
    """Where ids count the rows, what was typed stays with its row all the same, and the page has its ids afterwards."""

    def rows(*keys: str) -> str:
        row = '<li data-stash-key="{1}"><input id="guest-{0}" name="guest"></li>'
        return f"<ol>{''.join(row.format(index, key) for index, key in enumerate(keys))}</ol>"

    page.open(rows("17", "23"))
    page.type("in 17", into="#guest-0")
    page.type("in 23", into="#guest-1")
    render(page, rows("23"))
    assert page.submission() == [["guest", "in 23"]]
    assert page.pairs() == {"f": [["guest", "in 23"]]}
    assert page.evaluate("document.activeElement.id") == "guest-0"
    assert page.evaluate(
        "[...document.querySelectorAll('*')].every((e) => !e.hasAttribute('data-quart-stash-id'))"
    )


def test_another_control_of_the_same_id(page: FormPage) -> None:
    """A control that the page puts in the place of another one, under its id, has nothing of that: least of all a password."""
    page.open('<input id="x" name="word" type="password"><input id="y" name="a">')
    page.type("S3CRET", into="#x")
    page.type("mine", into="#y")
    render(page, '<input id="x" name="nick"><input id="y" name="b">')
    assert page.submission() == [["nick", ""], ["b", ""]]
    render(page, '<input id="x" name="word" type="text"><input id="y" name="a">')
    assert page.submission() == [["word", ""], ["a", "mine"]]
