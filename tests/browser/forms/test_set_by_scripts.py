"""What a page's script puts into fields by itself is the page's, until the user has done something there."""

from __future__ import annotations

import pytest

from tests.browser.forms.page import BEGIN, FormPage
from tests.browser.tab import RELOADS, Reload

FIELDS = """
<input name="a"><textarea name="t"></textarea>
<input type="checkbox" name="c" value="1"><input type="checkbox" name="c" value="2">
<input type="radio" name="r" value="1"><input type="radio" name="r" value="2">
<select name="s"><option>x<option>y<option>z</select>
"""
FILL = """
const put = (text) => {
  const form = document.forms[0];
  form.a.value = form.t.value = text;
  form.c[0].checked = form.r[0].checked = true;
  form.s.value = "y";
  window.filled = true;
};
"""
PUT = "put('fetched')"
LATE = "fetch('/other').then(() => put('fetched'))"
ORDERS = {"before": f"{PUT}; {BEGIN}", "after": f"{BEGIN} {PUT}", "late": f"{BEGIN} {LATE}"}
FETCHED = [["a", "fetched"], ["t", "fetched"], ["c", "1"], ["r", "1"], ["s", "y"]]
TYPED = [["a", "typed"], ["t", "fetched, and more"], ["c", "1"], ["c", "2"], ["r", "2"], ["s", "z"]]
IN_ORDER = "[...new FormData(document.forms[0])].flat().join()"

orders = pytest.mark.parametrize("order", ORDERS)
reloads = pytest.mark.parametrize("how", RELOADS)


def work(page: FormPage) -> None:
    """Change every field, as a user does."""
    page.wait_for("window.filled")
    page.fill("[name=a]", "typed")
    page.press("Control+End", on="[name=t]")
    page.type(", and more")
    page.check("[name=c][value='2']")
    page.check("[name=r][value='2']")
    page.select("[name=s]", "z")


def shows(page: FormPage, pairs: list[list[str]]) -> None:
    """Wait until the form holds these pairs."""
    page.wait_for(f"window.filled && {IN_ORDER} === a[0]", ",".join(text for pair in pairs for text in pair))


@orders
@reloads
def test_over_a_reload(page: FormPage, order: str, how: Reload) -> None:
    """What was typed over values that a script had set is there after a reload, whenever the script sets them again."""
    page.open(FIELDS, script=FILL + ORDERS[order])
    work(page)
    assert page.pairs() == {"f": TYPED}
    for _ in range(2):
        page.reload(how)
        shows(page, TYPED)
        assert page.pairs() == {"f": TYPED}
        assert page.conflicts() == []
        assert {(outcome, why) for _, _, outcome, why in page.told()} == {("restored", "")}


@orders
def test_untouched(page: FormPage, order: str) -> None:
    """What a script sets and nobody touches is no draft: it goes up with no mount, and is not stored."""
    page.open(FIELDS, script=FILL + ORDERS[order])
    for how in RELOADS:
        shows(page, FETCHED)
        assert page.pairs() == {}
        page.run("forms.flush()")
        assert page.evaluate("sessionStorage.length") == 0
        page.reload(how)
    shows(page, FETCHED)
    assert page.pairs() == {}


@orders
def test_three_way(page: FormPage, order: str) -> None:
    """Base and theirs are what the script sets: a newer value is in conflict, and a field put back to it is unchanged."""
    page.open(FIELDS, script=FILL + ORDERS[order])
    work(page)
    page.fill("[name=t]", "fetched")
    page.select("[name=s]", "y")
    page.open(FIELDS, script=(FILL + ORDERS[order]).replace("'fetched'", "'newer'"))
    page.wait_for("window.filled && document.forms[0].a.value === 'typed' && conflicts.length")
    assert page.evaluate("conflicts.map(({ field, base, theirs }) => [field, ...base, ...theirs])") == [
        ["a", "fetched", "newer"]
    ]
    assert page.submission() == [
        ["a", "typed"], ["t", "newer"], ["c", "1"], ["c", "2"], ["r", "2"], ["s", "y"],
    ]  # fmt: skip


def test_rendered_anew_by_script(page: FormPage) -> None:
    """A script that renders the form anew and sets its values, as frameworks do, is in no conflict with what was typed."""
    page.open(FIELDS, script=f"{FILL} window.put = put; {ORDERS['after']}")
    work(page)
    page.run(f"document.forms[0].innerHTML = arguments[0]; {PUT}", FIELDS)
    shows(page, TYPED)
    assert page.pairs() == {"f": TYPED}
    assert page.conflicts() == []


def test_theirs(page: FormPage) -> None:
    """With data-stash-conflict="theirs" a draft is not given up because the script has not set its value yet."""
    html = '<input name="a" data-stash-conflict="theirs">'
    script = "const put = (text) => (document.forms[0].a.value = text);" + BEGIN
    page.open(html, script=script + LATE)
    page.wait_for("document.forms[0].a.value === 'fetched'")
    page.fill("[name=a]", "typed")
    page.open(html, script=script + LATE)
    page.wait_for("forms.reconciler.records.of('f')[0]?.control && document.forms[0].a.value === 'typed'")
    assert page.conflicts() == []
    page.open(html, script=script + LATE.replace("fetched", "newer"))
    # Before the draft is put back the script's value stands there, too.
    page.wait_for("document.forms[0].a.value === 'newer' && conflicts.length > 0")
    assert [conflict["kept"] for conflict in page.conflicts()] == ["theirs"]
    assert page.pairs() == {}


@reloads
def test_meant(page: FormPage, how: Reload) -> None:
    """What a script sets once the user has done something is meant, also in a field that was only put back."""
    empty = (
        "addEventListener('keydown', ({ key }) => key === 'Enter' && (document.forms[0].chat.value = ''));"
    )
    page.open('<input name="chat"><input name="b">', script=BEGIN + empty)
    page.fill("[name=chat]", "sent already")
    page.reload(how)
    assert page.value("[name=chat]") == "sent already"
    page.press("Enter", on="[name=b]")
    assert page.value("[name=chat]") == ""
    assert page.pairs() == {}
    page.reload(how)
    assert page.value("[name=chat]") == ""


def test_set_before_the_first_key(page: FormPage) -> None:
    """The base is what stood in a field as the user began, also if they had done something elsewhere before."""
    page.open(
        '<input name="a"><input type="checkbox" name="c"><label for="d">d</label><input id="d" name="d" type="checkbox">'
    )
    page.press("x", on="[name=a]")
    page.run("const { a, c, d } = document.forms[0]; a.blur(); c.checked = d.checked = true")
    page.click("[name=c]")
    page.click("label")
    assert page.pairs() == {"f": [["a", "x"]]}
    assert page.evaluate("forms.records.of('f').map(({ name, base }) => [name, ...base])") == [
        ["a", ""], ["c", "on"], ["d", "on"],
    ]  # fmt: skip
    page.click("[name=c]")
    assert page.evaluate("forms.pairs() && forms.records.of('f').map(({ name }) => name)") == ["a", "d"]


PLACES = """
const at = (place) => ({
  get: (key) => storage.get(place + key),
  set: (key, value) => storage.set(place + key, value),
  remove: (key) => storage.remove(place + key),
});
const places = { ...at(""), place: () => location.pathname, at, dealt() {} };
window.forms = createForms({ root: document, storage: places, now: () => Date.now() });
forms.addEventListener("conflict", ({ detail: { controls, ...rest } }) => conflicts.push(rest));
const show = async (how) => {
  if (how === "late") await fetch("/other");
  document.forms[0].a.value = `of ${location.pathname}`;
};
window.go = (path, how) => {
  document.activeElement.blur();
  history.pushState(null, "", path);
  show(how);
};
show();
"""


def test_moved_on_by_a_click(page: FormPage) -> None:
    """What a script fills in for another record, as it handles the click that leads there, is that record's own."""
    lead = "document.querySelector('button').addEventListener('click', () => go('/2'));"
    page.open(
        '<input name="a"><input name="b"><button type="button">2</button>', script=PLACES + BEGIN + lead
    )
    page.press("!", on="[name=b]")
    page.click("button")
    page.wait_for("document.forms[0].a.value === 'of /2'")
    page.run("setTimeout(() => (window.later = true))")
    page.wait_for("window.later")
    assert page.pairs() == {}
    assert page.conflicts() == []


@pytest.mark.parametrize("how", ["at once", "late"])
def test_record_by_record(page: FormPage, how: str) -> None:
    """A page that moves from record to record, and fills one form with each, has the draft of each, and no conflict."""
    page.open('<input name="a"><input name="b">', script=PLACES + BEGIN)
    typed = dict.fromkeys(("/", "/2"), "")
    for path in ("/2", "/", "/2", "/"):
        page.press("End", "!", on="[name=a]")
        typed[page.evaluate("location.pathname")] += "!"
        page.run("forms.flush(); go(...arguments)", path, how)
        value = f"of {path}{typed[path]}"
        page.wait_for("document.forms[0].a.value === a[0]", value)
        assert page.pairs() == ({"f": [["a", value]]} if typed[path] else {})
    assert page.conflicts() == []


def test_reset_while_it_is_looked_again(page: FormPage) -> None:
    """A form that a script resets stays reset, though it was about to be looked at for what scripts have overwritten."""
    page.open('<input name="a">')
    page.press("x", on="[name=a]")
    busy = "const end = performance.now() + 100; while (performance.now() < end);"
    page.open('<input name="a">', script=f"{BEGIN} {busy} document.forms[0].reset();")
    page.run("void 0")
    assert page.pairs() == {}
    assert page.value("[name=a]") == ""


# WebKit's driver tells of the choice alone, and not of what a user does before it.
@pytest.mark.parametrize("browser", ["chromium", "firefox"], indirect=True)
def test_chosen_back(page: FormPage) -> None:
    """What a user chooses is theirs, though it is what was rendered: a script had set something else by then."""
    html = '<select name="s"><option>a<option>b<option>c</select>'
    page.open(html, script=f"{BEGIN} document.forms[0].s.value = 'c';")
    page.select("[name=s]", "a")
    assert page.pairs() == {"f": [["s", "a"]]}
    page.open(html, script=f"{BEGIN} document.forms[0].s.value = 'c';")
    page.wait_for("document.forms[0].s.value === 'a'")
