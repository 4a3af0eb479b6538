"""Which visit a page is: what was typed for one record never stands in another's form, and is found again where it was typed."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from selenium.common.exceptions import WebDriverException

from tests.browser.site import NOTE_ERRORS, Site
from tests.browser.tab import PATIENCE, Tab

PAGE = """<!doctype html><title>{path}</title><meta name="turbo-cache-control" content="no-preview">
<script>{errors}</script>
<script type="module" src="/static/quart-stash.js" data-quart-stash data-identity="ada"></script>
{router}<body hx-boost="true"><nav>
<a id="one" href="/records/1">1</a> <a id="two" href="/records/2">2</a> <a id="hash" href="#below">below</a></nav>
<form id="chat" data-stash="chat" hx-preserve data-turbo-permanent><input name="text"></form>
<main id="main">{main}</main>"""

FORM = """<form data-stash="profile" action="/records/{number}"><input name="name" value="{name}" id="name">
<input name="motto" id="motto"></form>"""

FETCH = """
const load = async (url) => new DOMParser().parseFromString(await (await fetch(url)).text(), "text/html");
const follow = (go) => {
  addEventListener("click", (event) => {
    const link = event.target.closest("a:not(#hash)");
    if (link) event.preventDefault(), go(link.href, true);
  });
  addEventListener("popstate", () => go(location.href, false));
};
"""

ROUTERS = {
    "htmx": '<script src="/modules/htmx.org/dist/htmx.js"></script>',
    "turbo": '<script type="module" src="/modules/@hotwired/turbo/dist/turbo.es2017-esm.js"></script>',
    # The rest of them by what they do, in which order.
    "pushes, then renders": f"""<script type="module">{FETCH}
follow(async (url, push) => {{
  if (push) history.pushState(null, "", url);
  main.innerHTML = (await load(url)).getElementById("main").innerHTML;
}});</script>""",
    "renders, then pushes": f"""<script type="module">{FETCH}
follow(async (url, push) => {{
  main.innerHTML = (await load(url)).getElementById("main").innerHTML;
  if (push) history.pushState(null, "", url);
}});</script>""",
    "pushes, then morphs": f"""<script type="module">{FETCH}
import {{ morph }} from "/static/quart-stash-morph.js";
follow(async (url, push) => {{
  const next = await load(url);
  if (push) history.pushState(null, "", url);
  morph(main, next.getElementById("main").outerHTML);
}});</script>""",
    "morphs, then pushes": f"""<script type="module">{FETCH}
import {{ morph }} from "/static/quart-stash-morph.js";
follow(async (url, push) => {{
  morph(main, (await load(url)).getElementById("main").outerHTML);
  if (push) history.pushState(null, "", url);
}});</script>""",
    # As Vue does: the element stays, and nothing can be observed of it.
    "sets values": f"""<script type="module">{FETCH}
follow(async (url, push) => {{
  const next = await load(url);
  if (push) history.pushState(null, "", url);
  await null;
  for (const id of ["name", "motto"]) document.getElementById(id).value = next.getElementById(id).value;
}});</script>""",
}

NAMES = {1: "Ada", 2: "Grace"}


@pytest.fixture
def records(request: pytest.FixtureRequest, site: Site) -> Site:
    """A site with a record a page, and one of the routers between them."""
    router = ROUTERS[request.param]
    for number, name in NAMES.items():
        path, form = f"/records/{number}", FORM.format(number=number, name=name)
        site.pages[path] = PAGE.format(path=path, errors=NOTE_ERRORS, router=router, main=form)
    return site


def shows(tab: Tab, number: int, name: str) -> None:
    """Wait until the page is this record's, with this in its first field."""
    tab.wait_for(
        "location.pathname === a[0] && document.getElementById('name').value === a[1]",
        f"/records/{number}",
        name,
    )


def write(tab: Tab, text: str, *, into: str = "#name") -> None:
    """Write at the end of a field."""
    tab.focus(into)
    tab.press("End")
    tab.type(text)


@pytest.mark.parametrize("records", ROUTERS, indirect=True)
def test_each_record_has_its_own(records: Site, tab: Tab) -> None:
    """What is typed for one record never stands in another's form, and is there again with *Back*, a link, and a reload."""
    tab.goto(f"{records.url}records/1")
    write(tab, " Byron")
    tab.click("#two")
    shows(tab, 2, "Grace")
    write(tab, " Hopper")
    tab.reload()
    shows(tab, 2, "Grace Hopper")
    tab.run("history.back()")
    shows(tab, 1, "Ada Byron")
    tab.run("history.forward()")
    shows(tab, 2, "Grace Hopper")
    tab.click("#one")
    shows(tab, 1, "Ada Byron")
    tab.reload()
    shows(tab, 1, "Ada Byron")


@pytest.mark.parametrize("records", ["htmx", "turbo"], indirect=True)
def test_a_form_around_the_records_goes_along(records: Site, tab: Tab) -> None:
    """A form that the router leaves standing keeps what is typed in it, whichever record is shown, and over a reload."""
    tab.goto(f"{records.url}records/1")
    write(tab, "half a", into="#chat input")
    tab.click("#two")
    shows(tab, 2, "Grace")
    assert tab.value("#chat input") == "half a"
    write(tab, " sentence", into="#chat input")
    tab.reload()
    shows(tab, 2, "Grace")
    assert tab.value("#chat input") == "half a sentence"


# Browsers keep 50 or 100 entries, and let a page add so many at once.
FULL = "for (let count = 1; count < 100; count += 1) history.pushState(null, '', `#${count}`);"


@pytest.mark.parametrize("fill", ["", FULL], ids=["as it is", "full"])
@pytest.mark.parametrize("records", ["pushes, then renders"], indirect=True)
def test_hash_and_query(records: Site, tab: Tab, fill: str) -> None:
    """A hash makes no other visit, nor does a query that is replaced; one that is pushed does, also if the history is full."""
    render = "document.getElementById('main').innerHTML = arguments[0]"
    tab.goto(f"{records.url}records/1")
    tab.run(fill)
    # WebKit lets no page change its history more than a hundred times in ten seconds.
    tab.wait_for("history.replaceState(history.state, '') ?? true")
    write(tab, " Byron")
    tab.click("#hash")
    tab.run(f"{render}; history.replaceState(history.state, '', '?tab=2')", FORM.format(number=1, name="Ada"))
    shows(tab, 1, "Ada Byron")
    tab.reload()
    shows(tab, 1, "Ada Byron")
    tab.run(f"history.pushState(null, '', '?tab=3'); {render}", FORM.format(number=1, name="Ada"))
    shows(tab, 1, "Ada")


@pytest.mark.parametrize(
    "render",
    [
        "document.getElementById('main').innerHTML = arguments[0] + arguments[1];",
        (
            "document.getElementById('main').innerHTML = arguments[1];"
            "document.head.insertAdjacentHTML('beforeend', arguments[0]);"
        ),
    ],
    ids=["at once", "after the form"],
)
@pytest.mark.parametrize("records", ["pushes, then renders"], indirect=True)
def test_a_clear_that_is_rendered(records: Site, tab: Tab, render: str) -> None:
    """What a page says that it has dealt with is cleared where it was posted from, and nowhere else, without a load."""
    tab.goto(f"{records.url}records/2")
    write(tab, " Hopper")
    tab.click("#one")
    shows(tab, 1, "Ada")
    write(tab, " Lovelace")
    # What a boosted form does: its fields are collected, and the answer is rendered.
    tab.run(
        "new FormData(document.querySelector('form[data-stash=profile]'));" + render,
        '<meta name="quart-stash-clear" content="profile">',
        FORM.format(number=1, name="Countess"),
    )
    shows(tab, 1, "Countess")  # what was typed would have stayed, as a conflict
    stored = "Object.entries(sessionStorage).filter(([key]) => key.endsWith('form:profile')).map(([, item]) => item).join()"
    tab.wait_for(f"!({stored}).includes('Lovelace') && ({stored}).includes('Grace Hopper')")
    tab.click("#two")
    shows(tab, 2, "Grace Hopper")


VIEW = """<!doctype html><title>view</title><script>{errors}</script>
<script type="module" src="/static/quart-stash.js" data-quart-stash data-identity="ada"></script>
<form data-stash="note"><input name="note" id="note"></form><script type="module">
import {{ StashSocket }} from "/static/quart-stash.js";
window.socket = new StashSocket("/live");
</script>"""
OUTER = """<!doctype html><title>outer</title><script>{errors}</script><iframe src="/view"></iframe>"""

TYPE = """
for (const type of ["input", "change"]) {
  at.document.getElementById("note").value = "half a";
  at.document.getElementById("note").dispatchEvent(new at.Event(type, { bubbles: true }));
}
at.socket.send("queued");
"""
KEPT = "at.socket.stats.sent === 1 && at.document.getElementById('note').value === 'half a'"


@pytest.mark.parametrize("path", ["view", "outer"])
def test_a_reload_while_the_server_is_down(site: Site, tab: Tab, path: str) -> None:
    """It leads to the browser's own page; when the server is back, form, view and queue are there; in a frame, too."""
    for name, page in {"/view": VIEW, "/outer": OUTER}.items():
        site.pages[name] = page.format(errors=NOTE_ERRORS)
    at = "window" if path == "view" else "frames[0]"
    tab.goto(site.url + path)
    tab.wait_for(f"{at}.socket")
    tab.run(TYPE.replace("at.", f"{at}."))
    reload_by_script = "setTimeout(() => location.reload())"
    for leave in (tab.driver.refresh, lambda: tab.run(reload_by_script)):
        site.stop()
        with suppress(WebDriverException):  # Firefox's driver says that it did not work
            leave()
        tab.wait_for("!document.querySelector('form, iframe')")
        site.start()
        tab.driver.refresh()
        tab.wait_for(KEPT.replace("at.", f"{at}."))


@pytest.mark.parametrize("fill", ["", FULL], ids=["as it is", "full"])
def test_a_frame_whose_page_is_reloaded(site: Site, tab: Tab, fill: str) -> None:
    """A frame is where it was; one of a page that is come to by a link is not, also if the history is full."""
    for name, page in {"/view": VIEW, "/outer": OUTER}.items():
        site.pages[name] = page.format(errors=NOTE_ERRORS)
    tab.goto(f"{site.url}other")
    tab.run(fill)
    tab.goto(f"{site.url}outer")
    tab.wait_for("frames[0].socket")
    tab.run(TYPE.replace("at.", "frames[0]."))
    tab.reload()
    tab.wait_for(KEPT.replace("at.", "frames[0]."))
    tab.run("window.marked = true; location.href = '/outer?anew'")
    tab.wait_for("!window.marked && frames[0].socket")
    assert tab.evaluate("frames[0].socket.stats.sent") == 0


WITNESS = """<script>
window.made = [];
window.WebSocket = class extends WebSocket {
  constructor(...a) {
    super(...a);
    made.push(document.prerendering);
  }
};
</script>"""
PRERENDERING = """<!doctype html><title>first</title><script>{errors}</script>
<script type="module" src="/static/quart-stash.js" data-quart-stash data-identity="ada"></script>
<a id="go" href="/view">next</a><form data-stash="note"><input name="note" id="note"></form>
<script type="speculationrules">{{"prerender": [{{"urls": ["/view"], "eagerness": "immediate"}}]}}</script>"""
READY = "performance.getEntriesByType('navigation')[0].activationStart > 0 && made.length > 0"


@pytest.mark.parametrize("browser", ["chromium"], indirect=True)
async def test_prerendered(site: Site, tab: Tab) -> None:
    """A page that the browser renders ahead opens nothing before it is shown; then it stashes, over a reload, too."""
    site.pages["/view"] = WITNESS + VIEW.format(errors=NOTE_ERRORS)
    site.pages["/first"] = PRERENDERING.format(errors=NOTE_ERRORS)
    tab.goto(f"{site.url}first")
    async with asyncio.timeout(PATIENCE):
        while "/view" not in site.asked:
            await asyncio.sleep(0.01)
    write(tab, "of the ", into="#note")
    # What is typed right before is not stored yet, and Chromium loses what a page stores as it goes.
    tab.run(
        "const note = document.getElementById('note'); note.value += 'first';"
        "note.dispatchEvent(new InputEvent('input', { bubbles: true })); document.getElementById('go').click()"
    )
    tab.wait_for(READY)
    assert tab.evaluate("made.every((prerendered) => !prerendered)")
    assert tab.value("#note") == ""
    write(tab, "half a", into="#note")
    tab.run("socket.send('queued')")
    tab.reload()
    tab.wait_for(KEPT.replace("at.", "window."))
    assert tab.evaluate("Object.values(sessionStorage).some((item) => item.includes('of the first'))")
