"""A view that renders a form anew for every message, which says what is to stand in it from now on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from quart import Quart, render_template_string

from quart_stash import QuartStash, View
from tests.browser.forms.catalogue import FIELDS, Page, Place

app = Quart(__name__)
app.config.from_prefixed_env()
stash = QuartStash(app)

PAGE = """<!doctype html><title>words</title>{{ stash_script() }}
<main id="main">nothing has been rendered yet</main>
<script>
  window.errors = [];
  for (const type of ["error", "unhandledrejection"])
    addEventListener(type, ({ error, reason, message }) => errors.push(String(error ?? reason ?? message)));
</script>
<script type="module">
  import { StashSocket } from "/_stash/quart-stash.js";
  import { morph } from "/_stash/quart-stash-morph.js";
  window.socket = new StashSocket("/live");
  for (const type of ["lost", "failed"]) socket.addEventListener(type, () => errors.push(type));
  window.mounts = 0;
  socket.addEventListener("mounted", () => {
    mounts += 1;
    document.getElementById("told")?.remove();
  });
  socket.onmessage = ({ data }) => morph(main, data, { style: "innerHTML" });
  window.ready = true;
</script>"""
NAMES = ("name", "nick", "about", "memo")


@dataclass
class Words:
    """What the view renders, and how often it was told so."""

    picks: dict[str, int] = field(default_factory=dict)
    told: int = 0


def page_of(picks: dict[str, int]) -> Page:
    """Return the page with these values."""
    fields = {name: FIELDS[name] for name in picks}
    return replace(
        Page(NAMES),
        values={Place(field.form, name): field.values[picks[name]] for name, field in fields.items()},
    )


@app.get("/")
async def page() -> str:
    """Show nothing: the view does."""
    return await render_template_string(PAGE)


@app.websocket("/live")
@stash.view(Words)
async def live(view: View[Words]) -> None:
    """Render what the state says."""
    while True:
        await view.send(f"{page_of(view.state.picks).html}<p id=told>{view.state.told}</p>")
        view.state.picks.update(await view.receive_json())
        view.state.told += 1
