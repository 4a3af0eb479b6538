"""What is not in the page, or disabled, waits until it can be restored."""

from __future__ import annotations

from tests.browser.forms.page import FormPage


def test_later_field(page: FormPage) -> None:
    """A field that is not in the page is restored when it comes, and goes up meanwhile."""
    page.open('<input name="a"><input name="late">')
    page.fill("[name=late]", "mine")
    page.open('<input name="a">')
    assert page.told() == [["f", "late", "pending", "not in the page"]]
    assert page.pairs() == {"f": [["late", "mine"]]}
    page.run("document.forms[0].insertAdjacentHTML('beforeend', '<p><input name=late></p>')")
    assert page.value("[name=late]") == "mine"


def test_later_form(page: FormPage) -> None:
    """A form that is not in the page yet is restored when it comes."""
    page.open('<input name="a">')
    page.fill("[name=a]", "mine")
    page.open_body("<p>")
    assert page.pairs() == {"f": [["a", "mine"]]}
    page.run("document.body.insertAdjacentHTML('beforeend', '<form data-stash=f><input name=a></form>')")
    assert page.value("[name=a]") == "mine"


def test_disabled(page: FormPage) -> None:
    """A disabled control is neither read nor restored, and gets its value when it is enabled."""
    page.open('<fieldset><input name="a"></fieldset>')
    page.fill("[name=a]", "mine")
    page.open('<fieldset disabled><input name="a"></fieldset>')
    assert page.value("[name=a]") == ""
    assert page.told() == [["f", "a", "pending", "disabled"]]
    assert page.pairs() == {"f": []}
    page.run("document.querySelector('fieldset').disabled = false")
    assert page.value("[name=a]") == "mine"


def test_comes_and_goes(page: FormPage) -> None:
    """A conditional field that goes and comes back has the text that was last typed into it."""
    page.open('<input name="a"><span><input name="b"></span>')
    # No change event comes with it, as in browsers that send none for a control that is taken away.
    page.run(
        """
        document.forms[0].b.value = "typed this moment";
        document.forms[0].b.dispatchEvent(new Event("input", { bubbles: true }));
        document.querySelector("span").innerHTML = "";
        """
    )
    page.run("document.querySelector('span').innerHTML = '<input name=b>'")
    assert page.value("[name=b]") == "typed this moment"
    page.run("document.querySelector('span').innerHTML = ''")
    assert page.pairs() == {"f": [["b", "typed this moment"]]}


def test_renamed(page: FormPage) -> None:
    """A renamed field takes up what was typed under the name that data-stash-was gives."""
    page.open('<input name="mail">')
    page.fill("[name=mail]", "a@b")
    page.open('<input name="email" data-stash-was="mail">')
    assert page.value("[name=email]") == "a@b"
    assert page.pairs() == {"f": [["email", "a@b"]]}
    page.open('<input name="email">')
    assert page.value("[name=email]") == "a@b"


def listed(*keys: str, ident: str = ' id="list"') -> str:
    """Return a list with a field in each row."""
    row = '<li data-stash-key="{0}"><input name="row"><input type="checkbox" name="box"></li>'
    return f"<ol{ident}>{''.join(row.format(key) for key in keys)}</ol>"


def rows(page: FormPage) -> object:
    """What stands in each row, by its key."""
    return page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('li')].map((li) =>"
        " [li.dataset.stashKey, li.children[0].value + (li.children[1].checked ? ' on' : '')]))"
    )


def test_rows_by_key(page: FormPage) -> None:
    """What was typed and ticked stays with its row when a page renders rows in another order, with others among them."""
    page.open(listed("1", "2", "3"))
    for number, text in enumerate(("one", "two", "three"), start=1):
        page.fill(f"li:nth-child({number}) [name=row]", text)
    page.check("li:nth-child(2) [name=box]")
    page.open(listed("3", "4", "2", "1"))
    assert rows(page) == {"3": "three", "4": "", "2": "two on", "1": "one"}
    page.run("document.forms[0].innerHTML = arguments[0]", listed("2", "1", "3"))
    assert rows(page) == {"2": "two on", "1": "one", "3": "three"}


def test_row_taken_out(page: FormPage) -> None:
    """A row that is taken out of its list takes what was typed along: nothing of it goes up, unless the row comes back."""
    page.open(listed("1", "2"))
    page.fill("li:nth-child(1) [name=row]", "one")
    page.fill("li:nth-child(2) [name=row]", "two")
    page.run("document.querySelector('li').remove()")
    assert page.pairs() == {"f": [["row", "two"]]}
    assert page.told() == [["f", "row", "skipped", "removed"]]
    page.run("document.querySelector('li').remove()")
    assert page.pairs() == {"f": []}
    page.open(listed("3"))
    assert page.pairs() == {"f": []}
    page.run("document.forms[0].innerHTML = arguments[0]", listed("3", "2"))
    assert rows(page) == {"3": "", "2": "two"}
    assert page.pairs() == {"f": [["row", ""], ["row", "two"]]}


def test_row_taken_out_by_replacing_the_list(page: FormPage) -> None:
    """A row counts as taken out also when the list is replaced by another element, if that has the same id."""
    html = '<ol id="rows">{}</ol>'
    row = '<li data-stash-key="{0}"><input name="row" id="row{0}"></li>'
    page.open(html.format(row.format(1) + row.format(2)))
    page.fill("#row1", "one")
    page.fill("#row2", "two")
    page.run("document.forms[0].innerHTML = arguments[0]", html.format(row.format(2)))
    assert page.pairs() == {"f": [["row", "two"]]}
    page.run("document.forms[0].innerHTML = arguments[0]", html.format(row.format(1) + row.format(2)))
    assert page.value("#row1") == "one"


def test_row_that_is_back_waits_again(page: FormPage) -> None:
    """A row that has come back over a reload is no more one that was taken out: over the next reload it goes up again."""
    page.open(listed("1", "2"))
    page.fill("li:nth-child(1) [name=row]", "one")
    page.run("document.querySelector('li').remove()")
    assert page.pairs() == {"f": []}
    page.open(listed("1", "2"))
    assert page.pairs() == {"f": [["row", "one"], ["row", ""]]}
    page.open("")
    assert page.pairs() == {"f": [["row", "one"]]}


def test_list_that_is_gone(page: FormPage) -> None:
    """If the whole list is gone, as in another step of a wizard, its rows wait, and are there when it comes back."""
    page.open(listed("1", "2"))
    page.fill("li:nth-child(2) [name=row]", "two")
    page.run("document.forms[0].innerHTML = '<input name=other>'")
    assert page.pairs() == {"f": [["row", "two"]]}
    page.run("document.forms[0].innerHTML = arguments[0]", listed("1", "2"))
    assert rows(page) == {"1": "", "2": "two"}


def test_moved_without_a_key(page: FormPage) -> None:
    """Without keys, what was typed still goes with the field that it was typed into when a script moves that."""
    page.open('<p><input name="row"></p><p><input name="row"></p><p><input name="row"></p>')
    page.fill("p:nth-child(3) input", "three")
    page.run("document.forms[0].prepend(document.forms[0].lastElementChild)")
    page.fill("p:nth-child(2) input", "one")
    assert page.pairs() == {"f": [["row", "three"], ["row", "one"], ["row", ""]]}
    page.open('<p><input name="row"></p><p><input name="row"></p><p><input name="row"></p>')
    assert page.submission() == [["row", "three"], ["row", "one"], ["row", ""]]


def test_another_page_entirely(page: FormPage) -> None:
    """HTML that has changed entirely gets what it has a place for; the rest waits, and no error is made of it."""
    page.open('<input name="a"><textarea name="t"></textarea><select name="s"><option>1<option>2</select>')
    page.fill("[name=a]", "mine")
    page.fill("[name=t]", "my text")
    page.select("[name=s]", "2")
    page.open('<select name="a"><option>x</select><input type="checkbox" name="t" value="1"><div>s</div>')
    assert page.submission() == [["a", "x"]]
    assert sorted(page.told()) == [
        ["f", "a", "skipped", "no such option"],
        ["f", "s", "pending", "not in the page"],
        ["f", "t", "skipped", "no such option"],
    ]
    page.open('<input name="a"><input name="t"><input name="s">')
    assert page.submission() == [["a", "mine"], ["t", "my text"], ["s", "2"]]
