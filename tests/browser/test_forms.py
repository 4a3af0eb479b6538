"""Form recovery in a real browser: `js/src/forms` by itself, on pages of plain HTML."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.fleet import CHROMIUM, FLAGS

SOURCES = Path(__file__).parents[2] / "js" / "src"
SECRET = "S3CRET"

HARNESS = """
import { createForms } from "/js/forms/index.js";
import { excludedNames } from "/js/forms/exclude.js";
const storage = {
  get: (key) => JSON.parse(sessionStorage.getItem(key)),
  set: (key, value) => {
    window.writes += 1;
    sessionStorage.setItem(key, JSON.stringify(value));
    return true;
  },
  remove: (key) => sessionStorage.removeItem(key),
};
Object.assign(window, { createForms, excludedNames, storage });
Object.assign(window, { writes: 0, told: [], conflicts: [], fired: [], errors: [] });
addEventListener("error", (event) => { errors.push(event.message); event.preventDefault(); });
for (const type of ["input", "change"])
  addEventListener(type, (event) => event.detail?.stash && fired.push(`${type} ${event.target.name}`));
window.forms = createForms({ root: document, storage, now: () => Date.now() });
forms.addEventListener("restored", ({ detail: d }) => told.push([d.form, d.field, d.outcome, d.why]));
forms.addEventListener("conflict", ({ detail: { controls, ...rest } }) => conflicts.push(rest));
addEventListener("pagehide", () => forms.flush());
"""
BEGIN = "forms.start(); forms.restore();"


class Site:
    """Pages that the test sets, and the sources of the module under test."""

    def __init__(self) -> None:
        self.body = ""
        self.script = ""
        self.held = threading.Event()
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                if path == "/held.css":
                    site.held.wait(20)
                    self.answer("text/css", b"")
                elif path.startswith("/js/"):
                    self.answer("text/javascript", (SOURCES / path.removeprefix("/js/")).read_bytes())
                elif path == "/other":
                    self.answer(
                        "text/html",
                        b"<!doctype html><title>other</title><script>window.ready = true</script>",
                    )
                elif path == "/favicon.ico":
                    self.answer("image/x-icon", b"")
                else:
                    self.answer("text/html; charset=utf-8", site.page().encode())

            def answer(self, kind: str, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Cache-Control", "no-store")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def page(self) -> str:
        script = f'<script type="module">{HARNESS}{self.script}\nwindow.ready = true;</script>'
        return f"<!doctype html><title>t</title><body>{self.body}{script}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.held.set()
    site.server.shutdown()
    site.server.server_close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(10_000)
    yield page
    if page.url.startswith("http"):
        page.evaluate("forms.flush()")
        stored = page.evaluate("JSON.stringify(Object.entries(sessionStorage))")
        assert SECRET not in stored, "a secret was stored"
    context.close()


Open = Callable[..., None]


@pytest.fixture
def open_page(site: Site, page: Page) -> Open:
    """Open the page, or load it again as a reload does: a new document with the same sessionStorage."""

    def open_page(form: str, *, script: str = BEGIN, wrap: bool = True) -> None:
        site.body = f'<form data-stash="f">{form}</form>' if wrap else form
        site.script = script
        page.goto(site.url)
        page.wait_for_function("window.ready")

    return open_page


def pairs(page: Page) -> Any:
    return page.evaluate("forms.pairs()")


def told(page: Page) -> Any:
    return page.evaluate("told")


ALL_KINDS = """
<input name="text"><textarea name="area"></textarea>
<select name="one"><option>a<option>b</select>
<select name="many" multiple><option>a<option>b<option>c</select>
<input type="checkbox" name="single"><input type="checkbox" name="group" value="x" checked>
<input type="checkbox" name="group" value="y"><input type="checkbox" name="group" value="z">
<input type="radio" name="pick" value="r1" checked><input type="radio" name="pick" value="r2">
<input type="number" name="num"><input type="date" name="day"><input type="range" name="slide">
<input name="untouched" value="as rendered">
"""


def fill_all_kinds(page: Page) -> None:
    page.fill("[name=text]", "hello")
    page.fill("[name=area]", "two\nlines")
    page.select_option("[name=one]", "b")
    page.select_option("[name=many]", ["a", "c"])
    page.check("[name=single]")
    page.check("[name=group][value=z]")
    page.uncheck("[name=group][value=x]")
    page.check("[value=r2]")
    page.fill("[name=num]", "12")
    page.fill("[name=day]", "2024-02-29")
    page.fill("[name=slide]", "70")


FILLED = [
    ["text", "hello"], ["area", "two\nlines"], ["one", "b"], ["many", "a"], ["many", "c"], ["single", "on"],
    ["group", "z"], ["pick", "r2"], ["num", "12"], ["day", "2024-02-29"], ["slide", "70"],
]  # fmt: skip


class TestRestoreAfterReload:
    def test_every_kind(self, page: Page, open_page: Open) -> None:
        """Every kind of control is carried over a reload, and only what was touched goes up."""
        open_page(ALL_KINDS)
        assert pairs(page) == {}
        fill_all_kinds(page)
        assert pairs(page) == {"f": FILLED}
        open_page(ALL_KINDS)
        shown = page.evaluate("[...new FormData(document.forms[0])]")
        assert sorted(shown) == sorted([*FILLED, ["untouched", "as rendered"]])
        assert pairs(page) == {"f": FILLED}
        assert {outcome for _, _, outcome, _ in told(page)} == {"restored"}
        assert page.evaluate("errors") == []

    def test_events(self, page: Page, open_page: Open) -> None:
        """Restored fields fire input and change, marked as the library's, and untouched ones fire none."""
        open_page('<input name="a"><input name="b"><input type="radio" name="c" value="1">')
        page.fill("[name=a]", "x")
        page.check("[name=c]")
        open_page('<input name="a"><input name="b"><input type="radio" name="c" value="1">')
        assert page.evaluate("fired") == ["input a", "change a", "input c", "change c"]

    def test_outside_control(self, page: Page, open_page: Open) -> None:
        """A control outside the form that points at it with form= belongs to it."""
        html = '<form id="x" data-stash="f"></form><input name="out" form="x"><input name="other">'
        open_page(html, wrap=False)
        page.fill("[name=out]", "mine")
        page.fill("[name=other]", "none of ours")
        assert pairs(page) == {"f": [["out", "mine"]]}
        open_page(html, wrap=False)
        assert page.input_value("[name=out]") == "mine"
        assert page.input_value("[name=other]") == ""

    def test_forms_apart(self, page: Page, open_page: Open) -> None:
        """Forms are kept apart by name, or by id if that is empty; unmarked forms are left alone."""
        html = (
            '<form data-stash="a"><input name="x" class="a"></form>'
            '<form data-stash id="b"><input name="x" class="b"></form>'
            '<form><input name="x" class="c"></form>'
        )
        open_page(html, wrap=False)
        for name in "abc":
            page.fill(f".{name}", name)
        assert pairs(page) == {"a": [["x", "a"]], "b": [["x", "b"]]}
        open_page(html, wrap=False)
        assert [page.input_value(f".{name}") for name in "abc"] == ["a", "b", ""]

    def test_rows(self, page: Page, open_page: Open) -> None:
        """Rows of one name are told apart, and a missing row is not put into another."""
        row = '<input name="row">'
        open_page(row * 3)
        page.locator("[name=row]").nth(2).fill("third")
        open_page(row * 2)
        assert [page.locator("[name=row]").nth(i).input_value() for i in range(2)] == ["", ""]
        assert told(page) == [["f", "row", "pending", "not in the page"]]
        page.evaluate("document.forms[0].insertAdjacentHTML('beforeend', '<input name=row>')")
        assert page.locator("[name=row]").nth(2).input_value() == "third"

    def test_undone(self, page: Page, open_page: Open) -> None:
        """A field that is put back to what was rendered is not dirty any more."""
        open_page('<input name="a" value="x">')
        page.fill("[name=a]", "y")
        page.evaluate("forms.flush()")
        page.fill("[name=a]", "x")
        page.evaluate("forms.flush()")
        assert pairs(page) == {}
        assert page.evaluate("sessionStorage.length") == 0

    def test_frameworks_notice(self, page: Page, open_page: Open) -> None:
        """A framework that puts its own accessor on a field takes our write for the user's."""
        open_page('<input name="a">')
        page.fill("[name=a]", "x")
        tracker = """
        const field = document.forms[0].a;
        const native = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value");
        let own = "";
        Object.defineProperty(field, "value", { configurable: true,
          get() { return native.get.call(this); },
          set(value) { own = value; native.set.call(this, value); },
        });
        window.seen = [];
        field.addEventListener("input", () => { if (field.value !== own) seen.push(own = field.value); });
        """
        open_page('<input name="a">', script=tracker + BEGIN)
        assert page.evaluate("seen") == ["x"]

    def test_late_listener(self, page: Page, open_page: Open) -> None:
        """What a restore at the page's start has to tell waits for the first listener."""
        open_page('<input name="a">')
        page.fill("[name=a]", "x")
        script = """
        forms.stop();
        const later = createForms({ root: document, storage, now: () => Date.now() });
        later.start(); later.restore();
        window.late = [];
        later.addEventListener("restored", (event) => late.push(event.detail));
        """
        open_page('<input name="a">', script=script)
        expected = {"form": "f", "field": "a", "outcome": "restored", "why": ""}
        assert page.evaluate("late") == [expected]
        page.evaluate("document.forms[0].innerHTML = '<input name=a>'")
        assert page.evaluate("late") == [expected, expected]

    def test_file(self, page: Page, open_page: Open) -> None:
        """A file is never kept; that there was one is told, so that it can be chosen again."""
        open_page('<input type="file" name="doc">')
        page.set_input_files(
            "[name=doc]", {"name": f"{SECRET}.txt", "mimeType": "text/plain", "buffer": b"x"}
        )
        assert pairs(page) == {"f": []}
        open_page('<input type="file" name="doc">')
        assert told(page) == [["f", "doc", "skipped", "choose the file again"]]

    def test_page_sets_without_event(self, page: Page, open_page: Open) -> None:
        """A field that the page's script empties after sending is not stashed with its old text."""
        open_page('<input name="chat">')
        page.fill("[name=chat]", "sent already")
        page.evaluate("forms.flush()")
        page.evaluate("document.forms[0].chat.value = ''")
        assert pairs(page) == {}


class TestThreeWay:
    def edit_then_render(self, page: Page, open_page: Open, before: str, after: str) -> None:
        open_page(before)
        page.fill("[name=a]", "mine")
        open_page(after)

    def test_theirs_is_base(self, page: Page, open_page: Open) -> None:
        """Where the page renders what it did, the user's value is put back."""
        self.edit_then_render(
            page, open_page, '<input name="a" value="base">', '<input name="a" value="base">'
        )
        assert page.input_value("[name=a]") == "mine"
        assert told(page) == [["f", "a", "restored", ""]]

    def test_theirs_is_mine(self, page: Page, open_page: Open) -> None:
        """Where the page renders the user's value, the field stays dirty and nothing is told of it."""
        self.edit_then_render(
            page, open_page, '<input name="a" value="base">', '<input name="a" value="mine">'
        )
        assert page.input_value("[name=a]") == "mine"
        assert told(page) == []
        assert pairs(page) == {"f": [["a", "mine"]]}

    def test_conflict(self, page: Page, open_page: Open) -> None:
        """Where the page renders something else, a conflict is told, once, and the user's value shown."""
        self.edit_then_render(
            page, open_page, '<input name="a" value="base">', '<input name="a" value="new">'
        )
        assert page.input_value("[name=a]") == "mine"
        assert told(page) == [["f", "a", "conflict", "kept mine"]]
        conflict = {
            "form": "f",
            "field": "a",
            "base": ["base"],
            "mine": ["mine"],
            "theirs": ["new"],
            "kept": "mine",
        }
        assert page.evaluate("conflicts") == [conflict]
        page.evaluate("forms.restore()")
        page.evaluate("document.forms[0].insertAdjacentHTML('beforeend', '<input name=b>')")
        assert len(page.evaluate("conflicts")) == 1

    @pytest.mark.parametrize("where", ["field", "form"])
    def test_conflict_theirs(self, page: Page, open_page: Open, where: str) -> None:
        """With data-stash-conflict="theirs" on or around a field the page's value stays."""
        mark = ' data-stash-conflict="theirs"'
        field, form = (mark, "") if where == "field" else ("", mark)
        open_page('<input name="a" value="base">')
        page.fill("[name=a]", "mine")
        html = f'<form data-stash="f"{form}><input name="a" value="new"{field}></form>'
        open_page(html, wrap=False)
        assert page.input_value("[name=a]") == "new"
        assert page.evaluate("conflicts[0].kept") == "theirs"
        assert pairs(page) == {}

    def test_groups_as_a_whole(self, page: Page, open_page: Open) -> None:
        """A group of checkboxes is merged as a whole: a change on each side is a conflict."""
        html = '<input type="checkbox" name="g" value="1"{}><input type="checkbox" name="g" value="2"{}>'
        open_page(html.format("", ""))
        page.check("[value='1']")
        open_page(html.format("", " checked"))
        assert page.evaluate("[...document.querySelectorAll('[name=g]')].map((box) => box.checked)") == [
            True,
            False,
        ]
        assert page.evaluate("conflicts[0].theirs") == ["2"]

    def test_rendered_while_typing(self, page: Page, open_page: Open) -> None:
        """A new rendering into a live field is a conflict as well, and the field keeps the user's text."""
        open_page('<input name="a" value="base">')
        page.fill("[name=a]", "mine")
        page.evaluate("document.forms[0].a.setAttribute('value', 'new')")
        assert page.input_value("[name=a]") == "mine"
        assert page.evaluate("conflicts.map((c) => c.theirs)") == [["new"]]


class TestChoices:
    def test_missing_option(self, page: Page, open_page: Open) -> None:
        """A select only takes what is among its options, and takes it later when a rendering brings it."""
        open_page('<select name="s"><option>a<option>b</select>')
        page.select_option("[name=s]", "b")
        open_page('<select name="s"><option>a<option>c</select>')
        assert page.input_value("[name=s]") == "a"
        assert told(page) == [["f", "s", "skipped", "no such option"]]
        page.evaluate("document.forms[0].s.insertAdjacentHTML('beforeend', '<option>b')")
        assert page.input_value("[name=s]") == "b"
        assert told(page)[1:] == [["f", "s", "restored", ""]]

    def test_disabled_option(self, page: Page, open_page: Open) -> None:
        """An option that cannot be chosen any more is not chosen."""
        open_page('<select name="s"><option>a<option>b</select>')
        page.select_option("[name=s]", "b")
        open_page('<select name="s"><option>a<optgroup disabled label="x"><option>b</optgroup></select>')
        assert page.input_value("[name=s]") == "a"

    def test_whole_or_nothing(self, page: Page, open_page: Open) -> None:
        """A multiple select of which one option is gone is left as rendered: half a choice is nobody's."""
        open_page('<select name="s" multiple><option>a<option>b<option>c</select>')
        page.select_option("[name=s]", ["a", "b"])
        open_page('<select name="s" multiple><option>a<option>c</select>')
        assert page.evaluate("document.forms[0].s.selectedOptions.length") == 0
        assert pairs(page) == {"f": [["s", "a"], ["s", "b"]]}

    def test_value_the_type_refuses(self, page: Page, open_page: Open) -> None:
        """A text that a field's new type does not take leaves the field as it is."""
        open_page('<input name="a">')
        page.fill("[name=a]", "twelve")
        open_page('<input type="number" name="a" value="7">'.replace(' value="7"', ""))
        assert page.input_value("[name=a]") == ""
        assert told(page) == [["f", "a", "skipped", "not accepted"]]

    def test_own_choice_after_skip(self, page: Page, open_page: Open) -> None:
        """A choice that the user makes after theirs could not be put back replaces it."""
        open_page('<select name="s"><option>a<option>b</select>')
        page.select_option("[name=s]", "b")
        open_page('<select name="s"><option>a<option>c</select>')
        page.select_option("[name=s]", "c")
        assert pairs(page) == {"f": [["s", "c"]]}


class TestSecretsNeverStashed:
    @pytest.mark.parametrize(
        "field",
        [
            '<input type="password" name="p">',
            '<input name="p" autocomplete="one-time-code">',
            '<input name="p" autocomplete="current-password">',
            '<input name="p" autocomplete="new-password">',
            '<input name="p" autocomplete="section-a billing cc-number">',
            '<input name="profile-csrf_token">',
            '<input name="csrfmiddlewaretoken">',
            '<input name="_csrf">',
            '<input name="authenticity_token">',
            '<textarea name="__RequestVerificationToken"></textarea>',
            '<div data-stash="off"><input name="p"></div>',
            '<input name="p" data-stash="off">',
            "<input>",
        ],
    )
    def test_excluded(self, page: Page, open_page: Open, field: str) -> None:
        """A secret is neither stored nor sent up nor put back, whatever marks it; its neighbours are."""
        open_page(field + '<input name="plain">')
        page.locator("form > input, form > textarea, form > div > input").first.press_sequentially(SECRET)
        page.fill("[name=plain]", "kept")
        assert pairs(page) == {"f": [["plain", "kept"]]}
        open_page(field + '<input name="plain">')
        assert page.input_value("[name=plain]") == "kept"
        assert SECRET not in page.evaluate(
            "JSON.stringify([...document.querySelectorAll('input')].map((i) => i.value))"
        )

    def test_shown_password(self, page: Page, open_page: Open) -> None:
        """A password that is shown in clear stays a secret, also in a field rendered anew under its name."""
        open_page('<input type="password" name="p">')
        page.evaluate("document.forms[0].p.type = 'text'")
        page.locator("[name=p]").press_sequentially(SECRET)
        assert pairs(page) == {}
        page.evaluate("document.forms[0].innerHTML = '<input name=p>'")
        page.locator("[name=p]").press_sequentially(SECRET)
        assert pairs(page) == {}

    def test_shown_at_once(self, page: Page, open_page: Open) -> None:
        """A password that a script shows in the moment it brings it into the page is a secret, too."""
        open_page("<p></p>")
        page.evaluate(
            """() => {
              document.querySelector("p").innerHTML = "<input type=password name=p>";
              document.forms[0].p.type = "text";
            }"""
        )
        page.locator("[name=p]").press_sequentially(SECRET)
        assert pairs(page) == {}

    def test_became_secret(self, page: Page, open_page: Open) -> None:
        """What was stashed of a field that is a secret in the new version of the page is dropped."""
        open_page('<input name="p">')
        page.fill("[name=p]", "was plain")
        open_page('<input name="p" type="password">')
        assert page.input_value("[name=p]") == ""
        assert pairs(page) == {}
        page.evaluate("forms.flush()")
        assert "was plain" not in page.evaluate("JSON.stringify(Object.entries(sessionStorage))")

    def test_switched_off_later(self, page: Page, open_page: Open) -> None:
        """What was stashed of a field that is switched off later is dropped; its neighbours are kept."""
        open_page('<input name="a"><input name="b">')
        page.fill("[name=a]", "gone")
        page.fill("[name=b]", "kept")
        page.evaluate("document.forms[0].a.setAttribute('data-stash', 'off')")
        assert pairs(page) == {"f": [["b", "kept"]]}
        page.evaluate("forms.flush()")
        assert "gone" not in page.evaluate("JSON.stringify(Object.entries(sessionStorage))")

    def test_off_form(self, page: Page, open_page: Open) -> None:
        """A form inside data-stash="off" is not stashed at all."""
        open_page('<div data-stash="off"><form data-stash="g"><input name="a"></form></div>', wrap=False)
        page.fill("[name=a]", SECRET)
        assert pairs(page) == {}

    def test_disabled(self, page: Page, open_page: Open) -> None:
        """A disabled control is neither read nor restored, and gets its value when it is enabled."""
        open_page('<fieldset><input name="a"></fieldset>')
        page.fill("[name=a]", "mine")
        open_page('<fieldset disabled><input name="a"></fieldset>')
        assert page.input_value("[name=a]") == ""
        assert told(page) == [["f", "a", "pending", "disabled"]]
        assert pairs(page) == {"f": []}
        page.evaluate("document.querySelector('fieldset').disabled = false")
        assert page.input_value("[name=a]") == "mine"

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ('<input name="a" value="x">', []),
            ('<input name="a" value="x"><input type="password" name="p">', []),
            ('<input type="password" name="p" value="x">', ["p"]),
            ('<input type="password" name="p" value="x" disabled>', []),
            ('<input type="password" value="x">', []),
            ('<input name="n" autocomplete="cc-csc" value="1">', ["n"]),
            ('<input type="hidden" name="csrf_token" value="t">', []),
            ('<div data-stash="off"><input type="checkbox" name="c"></div>', []),
            ('<div data-stash="off"><input type="checkbox" name="c" checked></div>', ["c"]),
        ],
    )
    def test_excluded_names(self, page: Page, open_page: Open, fields: str, expected: list[str]) -> None:
        """What a form would send that must never be stored is known by name: a filled excluded control, no token."""
        open_page(fields, script="")
        for root in ("document.forms[0]", "document"):
            assert page.evaluate(f"[...excludedNames({root})]") == expected


class TestPreserveFocus:
    def test_focused_and_edited(self, page: Page, open_page: Open) -> None:
        """The focused control, once edited, keeps value and selection over a restore and a conflict."""
        open_page('<input name="a"><input name="b">')
        page.fill("[name=a]", "old text")
        page.fill("[name=b]", "other")
        open_page('<input name="a" data-stash-conflict="theirs"><input name="b">', script="forms.start();")
        page.locator("[name=a]").press_sequentially("new text")
        page.evaluate("document.forms[0].a.setSelectionRange(2, 5)")
        page.evaluate("forms.restore()")
        page.evaluate("document.forms[0].a.setAttribute('value', 'theirs')")
        now = page.evaluate(
            "(({ value, selectionStart: s, selectionEnd: e }) => [value, s, e])(document.forms[0].a)"
        )
        assert now == ["new text", 2, 5]
        assert page.input_value("[name=b]") == "other"
        assert pairs(page) == {"f": [["a", "new text"], ["b", "other"]]}

    def test_autofocus(self, page: Page, open_page: Open) -> None:
        """A field that only has the focus, as by autofocus, is restored."""
        open_page('<input name="a" autofocus>')
        page.fill("[name=a]", "mine")
        open_page('<input name="a" autofocus>', script="document.forms[0].a.focus();" + BEGIN)
        assert page.evaluate("document.activeElement.name") == "a"
        assert page.input_value("[name=a]") == "mine"

    @pytest.mark.parametrize("kind", ["select", "checkbox", "radio"])
    def test_focused_choice(self, page: Page, open_page: Open, kind: str) -> None:
        """A focused select, checkbox or radio that was worked in is left alone, whatever the page renders."""
        html = {
            "select": '<select name="a" data-stash-conflict="theirs"><option>1<option>2<option>3</select>',
            "checkbox": '<input type="checkbox" name="a" value="2" data-stash-conflict="theirs">',
            "radio": '<input type="radio" name="a" value="1" data-stash-conflict="theirs">'
            '<input type="radio" name="a" value="2">',
        }[kind]
        open_page(html)
        page.focus("[name=a]")
        page.keyboard.press("ArrowDown" if kind != "checkbox" else "Space")
        before = pairs(page)
        if kind == "select":
            page.evaluate("document.forms[0].a.options[2].setAttribute('selected', '')")
        else:
            page.evaluate("document.querySelector('[name=a]').setAttribute('checked', '')")
        shown = page.evaluate("[...new FormData(document.forms[0])]")
        assert shown == before["f"] == [["a", "2"]]

    def test_unfinished_number(self, page: Page, open_page: Open) -> None:
        """A number that is not one yet is not wiped out, and the last good value is kept."""
        open_page('<input type="number" name="n"><input name="b">')
        page.focus("[name=n]")
        page.keyboard.type("12")
        assert pairs(page) == {"f": [["n", "12"]]}
        page.keyboard.type("e")
        page.focus("[name=b]")
        page.evaluate(
            "document.forms[0].n.setAttribute('max', '9'); document.forms[0].n.setAttribute('value', '5')"
        )
        assert page.evaluate("document.forms[0].n.validity.badInput")
        assert pairs(page) == {"f": [["n", "12"]]}

    def test_composition(self, page: Page, open_page: Open) -> None:
        """A composition under way goes on over a restore, and its text is kept."""
        open_page('<input name="a">')
        page.fill("[name=a]", "stash")
        open_page('<input name="a">', script="forms.start();")
        page.focus("[name=a]")
        cdp = page.context.new_cdp_session(page)
        cdp.send("Input.imeSetComposition", {"text": "に", "selectionStart": 1, "selectionEnd": 1})
        page.evaluate("forms.restore()")
        cdp.send("Input.imeSetComposition", {"text": "にほ", "selectionStart": 2, "selectionEnd": 2})
        cdp.send("Input.insertText", {"text": "日本"})
        assert page.input_value("[name=a]") == "日本"
        assert pairs(page) == {"f": [["a", "日本"]]}

    def test_rendered_anew(self, page: Page, open_page: Open) -> None:
        """When the page replaces a form that somebody types in, text, focus and selection come over."""
        html = '<input name="a"><textarea name="t"></textarea>'
        open_page(html)
        page.locator("[name=t]").press_sequentially("hello world")
        page.evaluate("document.forms[0].t.setSelectionRange(3, 5)")
        page.evaluate(f"document.forms[0].innerHTML = {json.dumps(html)}")
        page.keyboard.type("LO")
        now = page.evaluate(
            "[document.activeElement.name, document.forms[0].t.value, document.activeElement.selectionStart]"
        )
        assert now == ["t", "helLO world", 5]

    def test_left_then_rendered(self, page: Page, open_page: Open) -> None:
        """A control that the user leaves does not get the focus back when that renders it anew."""
        html = '<input name="a"><input name="b">'
        rerender = f"document.forms[0].innerHTML = {json.dumps(html)}"
        open_page(html)
        page.locator("[name=a]").press_sequentially("x")
        page.evaluate(f"addEventListener('focusout', () => {{ {rerender}; }}, {{ once: true }})")
        page.mouse.click(300, 300)
        assert page.evaluate("document.activeElement.tagName") == "BODY"
        assert page.input_value("[name=a]") == "x"

    def test_typed_before_start(self, page: Page, open_page: Open) -> None:
        """Text typed before the library has started stays, and counts as the user's."""
        open_page('<input name="a">')
        page.fill("[name=a]", "old")
        open_page('<input name="a"><input name="b">', script="")
        page.locator("[name=a]").press_sequentially("early")
        page.focus("[name=b]")
        page.evaluate(BEGIN)
        assert page.input_value("[name=a]") == "early"
        assert pairs(page) == {"f": [["a", "early"]]}
        assert told(page) == [["f", "a", "skipped", "typed before it was restored"]]

    def test_typed_before_restore(self, page: Page, open_page: Open) -> None:
        """Text typed between start and restore stays, focused or not."""
        open_page('<input name="a"><input name="b">')
        page.fill("[name=a]", "old a")
        page.fill("[name=b]", "old b")
        open_page('<input name="a"><input name="b">', script="forms.start();")
        page.locator("[name=a]").press_sequentially("new")
        page.evaluate("document.activeElement.blur(); forms.restore()")
        assert [page.input_value("[name=a]"), page.input_value("[name=b]")] == ["new", "old b"]


class TestPendingFields:
    def test_later_field(self, page: Page, open_page: Open) -> None:
        """A field that is not in the page is restored when it comes, and goes up meanwhile."""
        open_page('<input name="a"><input name="late">')
        page.fill("[name=late]", "mine")
        open_page('<input name="a">')
        assert told(page) == [["f", "late", "pending", "not in the page"]]
        assert pairs(page) == {"f": [["late", "mine"]]}
        page.evaluate("document.forms[0].insertAdjacentHTML('beforeend', '<p><input name=late></p>')")
        assert page.input_value("[name=late]") == "mine"

    def test_later_form(self, page: Page, open_page: Open) -> None:
        """A form that is not in the page yet is restored when it comes."""
        open_page('<input name="a">')
        page.fill("[name=a]", "mine")
        open_page("<p>", wrap=False)
        assert pairs(page) == {"f": [["a", "mine"]]}
        page.evaluate(
            "document.body.insertAdjacentHTML('beforeend', '<form data-stash=f><input name=a></form>')"
        )
        assert page.input_value("[name=a]") == "mine"

    def test_comes_and_goes(self, page: Page, open_page: Open) -> None:
        """A conditional field that goes and comes back has the text that was last typed into it."""
        open_page('<input name="a"><span><input name="b"></span>')
        # No change event comes with it, as in browsers that send none for a control that is taken away.
        page.evaluate(
            """() => {
              document.forms[0].b.value = "typed this moment";
              document.forms[0].b.dispatchEvent(new Event("input", { bubbles: true }));
              document.querySelector("span").innerHTML = "";
            }"""
        )
        page.evaluate("document.querySelector('span').innerHTML = '<input name=b>'")
        assert page.input_value("[name=b]") == "typed this moment"
        page.evaluate("document.querySelector('span').innerHTML = ''")
        assert pairs(page) == {"f": [["b", "typed this moment"]]}

    def test_renamed(self, page: Page, open_page: Open) -> None:
        """A renamed field takes up what was typed under the name that data-stash-was gives."""
        open_page('<input name="mail">')
        page.fill("[name=mail]", "a@b")
        open_page('<input name="email" data-stash-was="mail">')
        assert page.input_value("[name=email]") == "a@b"
        assert pairs(page) == {"f": [["email", "a@b"]]}
        open_page('<input name="email">')
        assert page.input_value("[name=email]") == "a@b"


class TestClearing:
    def test_reset(self, page: Page, open_page: Open) -> None:
        """A reset clears the form's stash; one that is called off does not."""
        open_page('<input name="a"><input name="gone"><button type="reset">r</button>')
        page.fill("[name=gone]", "x")
        open_page('<input name="a"><button type="reset">r</button>')
        page.fill("[name=a]", "y")
        page.evaluate("addEventListener('reset', (event) => event.preventDefault(), { once: true })")
        page.click("button")
        page.evaluate("new Promise((done) => setTimeout(done))")
        assert pairs(page) == {"f": [["a", "y"], ["gone", "x"]]}
        page.click("button")
        page.evaluate("new Promise((done) => setTimeout(done))")
        assert pairs(page) == {}
        assert page.evaluate("sessionStorage.length") == 0

    def test_clear(self, page: Page, open_page: Open) -> None:
        """After a clear the page stands as it is, and what is typed then is stashed again."""
        open_page('<input name="a">')
        page.fill("[name=a]", "saved")
        page.evaluate("forms.flush(); forms.clear('f')")
        assert page.input_value("[name=a]") == "saved"
        assert pairs(page) == {}
        assert page.evaluate("sessionStorage.length") == 0
        page.locator("[name=a]").press_sequentially("!")
        assert pairs(page) == {"f": [["a", "!saved"]]} or pairs(page) == {"f": [["a", "saved!"]]}

    def test_clear_before_restore(self, page: Page, open_page: Open) -> None:
        """A form that is cleared before it is restored, as after a post, is not restored; the others are."""
        html = '<form data-stash="f"><input name="a"></form><form data-stash="g"><input name="b"></form>'
        open_page(html, wrap=False)
        page.fill("[name=a]", "x")
        page.fill("[name=b]", "y")
        open_page(html, wrap=False, script="forms.clear('f');" + BEGIN)
        assert [page.input_value("[name=a]"), page.input_value("[name=b]")] == ["", "y"]

    def test_forget(self, page: Page, open_page: Open) -> None:
        """To forget leaves nothing, in memory or in storage."""
        open_page('<input name="a">')
        page.fill("[name=a]", "x")
        page.evaluate("forms.flush(); forms.forget()")
        assert page.evaluate("sessionStorage.length") == 0
        assert pairs(page) == {}

    def test_stop(self, page: Page, open_page: Open) -> None:
        """To stop writes what is left, and nothing more is noticed."""
        open_page('<input name="a">')
        page.fill("[name=a]", "x")
        page.evaluate("forms.stop()")
        assert '"x"' in page.evaluate(
            "JSON.stringify(Object.values(sessionStorage).map((v) => JSON.parse(v)))"
        )
        page.fill("[name=a]", SECRET)


class TestBrowserRestores:
    def go_and_come_back(self, page: Page, site: Site) -> None:
        page.goto(site.url + "other")
        page.go_back()
        page.wait_for_function("window.ready && document.readyState === 'complete'")

    def test_back(self, page: Page, site: Site, open_page: Open) -> None:
        """What the browser puts back on going back is the user's, with the right base."""
        open_page('<input name="a" value="base"><input type="checkbox" name="c">')
        page.fill("[name=a]", "mine")
        page.check("[name=c]")
        site.body = '<form data-stash="f"><input name="a" value="new"><input type="checkbox" name="c"></form>'
        self.go_and_come_back(page, site)
        assert [page.input_value("[name=a]"), page.is_checked("[name=c]")] == ["mine", True]
        assert pairs(page) == {"f": [["a", "mine"], ["c", "on"]]}
        assert page.evaluate("conflicts.map((c) => [c.base, c.theirs])") == [[["base"], ["new"]]]

    def test_back_before_start(self, page: Page, site: Site, open_page: Open) -> None:
        """What the browser put back before the script started is compared like any other stash."""
        open_page('<input name="a" value="base">')
        page.fill("[name=a]", "mine")
        site.body = '<form data-stash="f"><input name="a" value="new"></form>'
        site.script = ""
        self.go_and_come_back(page, site)
        page.wait_for_function("document.forms[0].a.value === 'mine'")
        page.evaluate(BEGIN)
        assert told(page) == [["f", "a", "conflict", "kept mine"]]
        assert page.evaluate("conflicts.map((c) => [c.base, c.theirs])") == [[["base"], ["new"]]]

    def test_back_theirs(self, page: Page, site: Site, open_page: Open) -> None:
        """The browser does not undo a conflict that was decided for the page's value."""
        open_page('<input name="a" value="base">')
        page.fill("[name=a]", "mine")
        site.body = '<form data-stash="f"><input name="a" value="new" data-stash-conflict="theirs"></form>'
        self.go_and_come_back(page, site)
        assert page.input_value("[name=a]") == "new"
        assert pairs(page) == {}

    def test_back_without_stash(self, page: Page, site: Site, open_page: Open) -> None:
        """What only the browser had kept is adopted as the user's, though it comes without an event."""
        open_page('<input name="a">')
        page.fill("[name=a]", "mine")
        page.evaluate("forms.stop(); addEventListener('pagehide', () => sessionStorage.clear())")
        self.go_and_come_back(page, site)
        assert page.input_value("[name=a]") == "mine"
        assert pairs(page) == {"f": [["a", "mine"]]}

    def test_foreign(self, page: Page, site: Site, open_page: Open) -> None:
        """What the browser puts back of another user is taken out, and not a letter of it goes up."""
        open_page('<input name="a">')
        page.fill("[name=a]", SECRET)
        page.evaluate("forms.forget(); addEventListener('pagehide', () => sessionStorage.clear())")
        page.evaluate("window.forms.flush = () => {}")
        site.script = "forms.start({ foreign: true }); forms.restore();"
        self.go_and_come_back(page, site)
        assert page.input_value("[name=a]") == ""
        assert pairs(page) == {}

    def test_typed_while_loading(self, page: Page, site: Site, open_page: Open) -> None:
        """Text typed while the page is loading is not lost to what the browser puts back then."""
        open_page('<input name="a">')
        page.fill("[name=a]", "old")
        held = '<link rel="stylesheet" href="/held.css" media="print">'
        site.body = f'<form data-stash="f"><input name="a"></form>{held}'
        page.goto(site.url + "other", wait_until="commit")
        site.held.set()
        page.wait_for_function("window.ready && document.readyState === 'complete'")
        site.held.clear()
        page.go_back(wait_until="commit")
        page.wait_for_function("window.ready")
        page.locator("[name=a]").press("End")
        page.locator("[name=a]").press_sequentially(" and new")
        page.evaluate("document.forms[0].a.setSelectionRange(4, 7)")
        assert page.evaluate("document.readyState") == "interactive"
        site.held.set()
        page.wait_for_function("document.readyState === 'complete'")
        page.evaluate("new Promise((done) => setTimeout(done))")
        assert page.input_value("[name=a]") == "old and new"
        assert page.evaluate(
            "[document.activeElement.selectionStart, document.activeElement.selectionEnd]"
        ) == [4, 7]
        assert pairs(page) == {"f": [["a", "old and new"]]}


class TestNothingHoldsUpAnother:
    def test_malformed_stash(self, page: Page, open_page: Open) -> None:
        """A stash that cannot be read is reported and dropped; the other forms are restored."""
        html = '<form data-stash="f"><input name="a"></form><form data-stash="g"><input name="b"></form>'
        open_page(html, wrap=False)
        page.fill("[name=a]", "x")
        page.fill("[name=b]", "y")
        page.evaluate("forms.stop(); sessionStorage.setItem('form:f', '[1, 2]')")
        open_page(html, wrap=False)
        assert page.input_value("[name=b]") == "y"
        assert told(page)[0] == ["f", None, "skipped", "error"]
        assert len(page.evaluate("errors")) == 1

    def test_hook_that_throws(self, page: Page, open_page: Open) -> None:
        """A page hook that throws on a restored field stops no other field."""
        open_page('<input name="a"><input name="b">')
        page.fill("[name=a]", "x")
        page.fill("[name=b]", "y")
        open_page(
            '<input name="a"><input name="b">',
            script="document.forms[0].a.addEventListener('input', () => { throw new Error('hook'); });"
            + BEGIN,
        )
        assert [page.input_value("[name=a]"), page.input_value("[name=b]")] == ["x", "y"]
        assert page.evaluate("errors") == ["Uncaught Error: hook"]

    def test_listener_that_throws(self, page: Page, open_page: Open) -> None:
        """A listener of our own events that throws stops nothing either."""
        open_page('<input name="a"><input name="b">')
        page.fill("[name=a]", "x")
        page.fill("[name=b]", "y")
        throws = "forms.addEventListener('restored', () => { throw new Error('listener'); });"
        open_page('<input name="a"><input name="b">', script=throws + BEGIN)
        assert [page.input_value("[name=a]"), page.input_value("[name=b]")] == ["x", "y"]

    def test_control_that_throws(self, page: Page, open_page: Open) -> None:
        """A control that fails when it is read is reported, and the others are stashed."""
        open_page('<input name="a"><input name="b">')
        page.evaluate(
            "Object.defineProperty(document.forms[0].a, 'validity', { get() { throw new Error('broken'); } })"
        )
        page.fill("[name=a]", "x")
        page.fill("[name=b]", "y")
        assert pairs(page) == {"f": [["b", "y"]]}
        assert page.evaluate("errors") == ["Uncaught Error: broken"]

    def test_clobbering_names(self, page: Page, open_page: Open) -> None:
        """Fields named like properties of a form are fields like others."""
        names = [
            "elements",
            "id",
            "name",
            "closest",
            "getAttribute",
            "matches",
            "form",
            "contains",
            "__proto__",
        ]
        html = "".join(f'<input name="{name}">' for name in names)
        open_page(html)
        page.evaluate(
            """() => document.querySelectorAll("input").forEach((input) => {
              input.value = `v-${input.name}`;
              input.dispatchEvent(new Event("input", { bubbles: true }));
            })"""
        )
        expected = [[name, f"v-{name}"] for name in names]
        assert pairs(page) == {"f": expected}
        open_page(html)
        assert page.evaluate("[...new FormData(document.querySelector('form'))]") == expected
        assert page.evaluate("errors") == []

    def test_endless_rendering(self, page: Page, open_page: Open) -> None:
        """A page that renders the form anew for every input event does not go round for ever."""
        open_page('<input name="a">')
        page.fill("[name=a]", "x")
        script = """
        window.rounds = 0;
        addEventListener("input", () => { rounds += 1; document.forms[0].innerHTML = "<input name=a>"; });
        """
        open_page('<input name="a">', script=script + BEGIN)
        page.evaluate("new Promise((done) => setTimeout(done))")
        assert page.evaluate("rounds") == 10
        assert told(page)[-1] == ["f", "a", "skipped", "rendered too often"]
        assert pairs(page) == {"f": [["a", "x"]]}

    def test_double_name(self, page: Page, open_page: Open) -> None:
        """Of two forms of one name the first is stashed, and the second is reported."""
        html = '<form data-stash="f"><input name="a" class="{}"></form>'
        open_page(html.format(1) + html.format(2), wrap=False)
        page.fill("[class='2']", "no")
        page.fill("[class='1']", "yes")
        assert pairs(page) == {"f": [["a", "yes"]]}
        assert len(page.evaluate("errors")) == 1


class TestCost:
    def test_keystroke(self, page: Page, open_page: Open) -> None:
        """A keystroke reads no other control, walks no form and writes nothing, however large the form is."""
        open_page("".join(f'<input name="n{i}">' for i in range(1000)))
        page.locator("[name=n500]").press("a")
        page.evaluate(
            """() => {
              window.reads = 0;
              for (const [owner, name] of [[HTMLFormElement, "elements"], [HTMLInputElement, "value"],
                                           [HTMLInputElement, "defaultValue"], [HTMLInputElement, "name"]]) {
                const { get, set } = Object.getOwnPropertyDescriptor(owner.prototype, name);
                const counted = function () { reads += 1; return get.call(this); };
                Object.defineProperty(owner.prototype, name, { get: counted, set });
              }
              window.writes = 0;
              const field = document.forms[0].querySelector("[name=n500]");
              for (let i = 0; i < 100; i++) field.dispatchEvent(new Event("input", { bubbles: true }));
            }"""
        )
        assert page.evaluate("[reads, writes]") == [0, 0]

    def test_once_a_second(self, page: Page, site: Site) -> None:
        """Storage is written at most once a second, however much is typed, and not at all when nothing is."""
        page.clock.install()
        site.body, site.script = '<form data-stash="f"><input name="a"></form>', BEGIN
        page.goto(site.url)
        page.wait_for_function("window.ready")
        page.clock.pause_at(page.evaluate("Date.now()") + 60_000)
        page.evaluate("window.writes = 0")
        for _ in range(3):
            page.locator("[name=a]").press_sequentially("abc")
            page.clock.run_for(400)
        assert page.evaluate("writes") == 2, "the form and the list of forms, once"
        page.clock.run_for(60_000)
        assert page.evaluate("writes") == 2
        page.locator("[name=a]").press_sequentially("d")
        page.clock.run_for(999)
        assert page.evaluate("writes") == 2
        page.clock.run_for(60_000)
        assert page.evaluate("writes") == 4
