"""An error in one form or field, whoever has made it, keeps no other from being stashed and restored."""

from __future__ import annotations

from pathlib import Path

from tests.browser.fleet import fleet
from tests.browser.forms.page import BEGIN, FormPage
from tests.browser.tab import Tab

TWO_FIELDS = '<input name="a"><input name="b">'
TWO_FORMS = '<form data-stash="f"><input name="a"></form><form data-stash="g"><input name="b"></form>'


def fill_both(page: FormPage) -> None:
    page.fill("[name=a]", "x")
    page.fill("[name=b]", "y")


def shown(page: FormPage) -> list[str]:
    return [page.value("[name=a]"), page.value("[name=b]")]


def test_malformed_stash(page: FormPage) -> None:
    """A stash that cannot be read is reported and dropped; the other forms are restored."""
    page.open_body(TWO_FORMS)
    fill_both(page)
    page.run("forms.stop(); sessionStorage.setItem('form:f', '[1, 2]')")
    page.open_body(TWO_FORMS)
    assert shown(page) == ["", "y"]
    assert page.told()[0] == ["f", None, "skipped", "error"]
    assert len(page.errors()) == 1


def test_hook_that_throws(page: FormPage) -> None:
    """A page hook that throws on a restored field stops no other field."""
    page.open(TWO_FIELDS)
    fill_both(page)
    throws = "document.forms[0].a.addEventListener('input', () => { throw new Error('hook'); });"
    page.open(TWO_FIELDS, script=throws + BEGIN)
    assert shown(page) == ["x", "y"]
    assert page.errors() == ["hook"]


def test_listener_that_throws(page: FormPage) -> None:
    """A listener of our own events that throws stops nothing either."""
    page.open(TWO_FIELDS)
    fill_both(page)
    throws = "forms.addEventListener('restored', () => { throw new Error('listener'); });"
    page.open(TWO_FIELDS, script=throws + BEGIN)
    assert shown(page) == ["x", "y"]
    assert page.errors() == ["listener", "listener"]


def test_control_that_throws(page: FormPage) -> None:
    """A control that fails when it is read is reported, and the others are stashed."""
    throws = (
        "Object.defineProperty(document.forms[0].a, 'validity', { get() { throw new Error('broken'); } });"
    )
    page.open(TWO_FIELDS, script=f"{BEGIN} window.spoil = () => {{ {throws} }};")
    page.run("spoil()")
    page.press("x", "Tab", "y", on="[name=a]")
    assert page.pairs() == {"f": [["b", "y"]]}
    assert page.errors() == ["broken"]


def test_clobbering_names(page: FormPage) -> None:
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
    page.open(html)
    page.run(
        """
        document.querySelectorAll("input").forEach((input) => {
          input.value = `v-${input.name}`;
          input.dispatchEvent(new Event("input", { bubbles: true }));
        });
        """
    )
    expected = [[name, f"v-{name}"] for name in names]
    assert page.pairs() == {"f": expected}
    page.open(html)
    assert page.submission() == expected
    # Nor do they hide the page's changes, and mistakes in it, which are looked for once it has come to rest.
    page.run("document.forms[0].insertAdjacentHTML('beforeend', '<p></p><input name=more value=1>')")
    page.fill("[name=more]", "2")
    assert page.pairs() == {"f": [*expected, ["more", "2"]]}
    page.evaluate("new Promise((done) => setTimeout(done, 1200))")


def test_endless_rendering(page: FormPage) -> None:
    """A page that renders the form anew for every input event does not go round for ever."""
    page.open('<input name="a">')
    page.fill("[name=a]", "x")
    script = """
    window.rounds = 0;
    addEventListener("input", () => { rounds += 1; document.forms[0].innerHTML = "<input name=a>"; });
    """
    page.open('<input name="a">', script=script + BEGIN)
    page.evaluate("new Promise((done) => setTimeout(done))")
    assert page.evaluate("rounds") == 10
    assert page.value("[name=a]") == "x"
    assert page.pairs() == {"f": [["a", "x"]]}


def test_rendered_often(page: FormPage) -> None:
    """However often the page is rendered anew, what was typed before stays in it."""
    page.open('<input name="a"><input name="b">')
    page.fill("[name=a]", "x")
    page.focus("[name=b]")
    for _ in range(12):
        page.run("document.forms[0].innerHTML = arguments[0]", '<input name="a"><input name="b">')
    assert page.value("[name=a]") == "x"


def test_double_name(page: FormPage) -> None:
    """Of two forms of one name the first is stashed, and the second is reported."""
    html = '<form data-stash="f"><input name="a" class="{}"></form>'
    page.open_body(html.format(1) + html.format(2))
    page.fill("[class='2']", "no")
    page.fill("[class='1']", "yes")
    assert page.pairs() == {"f": [["a", "yes"]]}
    assert len(page.errors()) == 1


async def test_the_mount(tab: Tab, tmp_path: Path) -> None:
    """Neither a hook that throws nor a malformed stash nor a field that fails keeps the view from being mounted."""
    async with fleet("tests.browser.apps.submits", tmp_path, SAVES=str(tmp_path / "saves")) as servers:
        tab.goto(f"http://127.0.0.1:{servers.port}/")
        tab.wait_for("window.ready && socket.stats.state === 'live'")
        tab.fill("#profile [name=name]", "Ada")
        tab.fill("#login [name=user]", "ada")
        tab.run(
            """
            socket.flush();
            for (const key of Object.keys(sessionStorage)) {
              if (!key.endsWith(":form:login")) continue;
              const item = JSON.parse(sessionStorage[key]);
              addEventListener("pagehide", () => (sessionStorage[key] = JSON.stringify({ ...item, v: [1, 2] })));
            }
            """
        )
        await servers.kill()
        tab.run("localStorage.throws = true")
        # After a user's reload Firefox would put back what stood there.
        tab.reload("refresh")
        tab.wait_for("window.ready && socket.stats.state === 'live'")
        assert tab.value("#profile [name=name]") == "Ada"
        assert tab.value("#login [name=user]") == ""
        assert {error.partition(":")[2].strip() for error in tab.errors()} >= {"the page's hook"}
