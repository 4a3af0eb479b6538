"""A field takes only what it can show: selects, groups, and types that refuse a value."""

from __future__ import annotations

from tests.browser.forms.page import FormPage

TWO = '<select name="s"><option>a<option>b</select>'


def test_missing_option(page: FormPage) -> None:
    """A select only takes what is among its options, and takes it later when a rendering brings it."""
    page.open(TWO)
    page.select("[name=s]", "b")
    page.open('<select name="s"><option>a<option>c</select>')
    assert page.value("[name=s]") == "a"
    assert page.told() == [["f", "s", "skipped", "no such option"]]
    page.run("document.forms[0].s.insertAdjacentHTML('beforeend', '<option>b')")
    assert page.value("[name=s]") == "b"
    assert page.told()[1:] == [["f", "s", "restored", ""]]


def test_disabled_option(page: FormPage) -> None:
    """An option that cannot be chosen any more is not chosen."""
    page.open(TWO)
    page.select("[name=s]", "b")
    page.open('<select name="s"><option>a<optgroup disabled label="x"><option>b</optgroup></select>')
    assert page.value("[name=s]") == "a"


def test_whole_or_nothing(page: FormPage) -> None:
    """A multiple select of which one option is gone is left as rendered: half a choice is nobody's."""
    page.open('<select name="s" multiple><option>a<option>b<option>c</select>')
    page.select("[name=s]", "a", "b")
    page.open('<select name="s" multiple><option>a<option>c</select>')
    assert page.evaluate("document.forms[0].s.selectedOptions.length") == 0
    assert page.pairs() == {"f": []}
    assert page.evaluate("forms.empty()") == {"f": ["s"]}


def test_value_the_type_refuses(page: FormPage) -> None:
    """A text that a field's new type does not take leaves the field as it is."""
    page.open('<input name="a">')
    page.fill("[name=a]", "twelve")
    page.open('<input type="number" name="a">')
    assert page.value("[name=a]") == ""
    assert page.told() == [["f", "a", "skipped", "not accepted"]]


def test_own_choice_after_skip(page: FormPage) -> None:
    """A choice that the user makes after theirs could not be put back replaces it."""
    page.open(TWO)
    page.select("[name=s]", "b")
    page.open('<select name="s"><option>a<option>c</select>')
    page.select("[name=s]", "c")
    assert page.pairs() == {"f": [["s", "c"]]}


def test_none_of_several(page: FormPage) -> None:
    """A select of several that marks none says that none is chosen; a select of one says nothing by that."""
    html = '<select name="{0}" {1}><option{2}>a</option><option>b</option></select>'
    page.open(html.format("m", "multiple", " selected") + html.format("s", "", " selected"))
    page.select("[name=m]", "a", "b")
    page.select("[name=s]", "b")
    page.run(
        "document.forms[0].innerHTML = arguments[0]",
        html.format("m", "multiple", "") + html.format("s", "", ""),
    )
    assert page.evaluate("conflicts.map(({ field, theirs }) => [field, theirs])") == [["m", []]]
    assert page.submission() == [["m", "a"], ["m", "b"], ["s", "b"]]


def test_the_same_value_twice(page: FormPage) -> None:
    """Boxes, radios and options of one value are told apart by their place, and go up as a submission carries them."""
    fields = (
        '<input type="checkbox" name="c">' * 3
        + '<input type="radio" name="r">' * 3
        + '<select name="s"><option value="5">post<option value="5">courier</select>'
        + '<select name="m" multiple><option value="1">a<option value="1">b<option value="1">c</select>'
    )
    chosen = """
    [...document.querySelectorAll("input, option")]
      .map((item) => Number(item.selected ?? item.checked)).join("")
    """
    page.open(fields)
    page.click("[name=c]:nth-of-type(3)")
    page.click("[name=r]:nth-of-type(5)")
    page.select("[name=s]", "5")
    page.find("[name=s] option:last-child").click()
    page.find("[name=m] option:nth-child(2)").click()
    assert page.evaluate(chosen) == "00101001010"
    pairs = page.submission()
    assert page.pairs() == {"f": pairs}
    page.open(fields)
    assert page.evaluate(chosen) == "00101001010"
    assert page.pairs() == {"f": pairs}
    page.open(fields.replace('<input type="checkbox" name="c">', "", 1))
    assert page.evaluate(chosen) == "0001001010", "no other box is ticked for one that is not there"
    assert page.told()[0] == ["f", "c", "skipped", "no such option"]
    assert page.pairs() == {"f": [pair for pair in pairs if pair[0] != "c"]}, "it goes up as it stands"
