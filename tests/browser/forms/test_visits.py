"""Pages that go from record to record without being loaded anew: what was typed stays with the record that it was typed for."""

from __future__ import annotations

import pytest

from tests.browser.site import NOTE_ERRORS, Site
from tests.browser.tab import Tab

PAGE = """<!doctype html><title>{path}</title><meta name="turbo-cache-control" content="no-preview">{head}
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
        site.pages[path] = PAGE.format(path=path, head="", errors=NOTE_ERRORS, router=router, main=form)
    form = FORM.format(number=1, name="Ada Lovelace")
    dealt = '<meta name="quart-stash-clear" content="profile">'
    site.pages["/saved"] = PAGE.format(path="/saved", head="", errors=NOTE_ERRORS, router=router, main=dealt + form)
    return site


def shows(tab: Tab, number: int, name: str) -> None:
    """Wait until the page is this record's, with this in its first field."""
    tab.wait_for("location.pathname === a[0] && document.getElementById('name').value === a[1]", f"/records/{number}", name)


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
