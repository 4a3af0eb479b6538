"""A view that counts, in a page that a framework renders: `/react`, `/vue`, `/alpine`."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from quart import Quart, Response, abort, render_template_string

from quart_stash import QuartStash, View
from tests.browser.bundle import bundled
from tests.browser.recipes import recipes

app = Quart(__name__)
app.config.from_prefixed_env()
stash = QuartStash(app)
logging.basicConfig(level=logging.INFO)

PAGE = """<!doctype html><title>{{ name }}</title>{{ stash_script() }}
<div id="place">{{ html | safe }}</div><script type="module" src="/{{ name }}.js"></script>"""

REACT = """
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
RECIPE
const root = createRoot(document.getElementById("place"));
window.show = (shown) => root.render(<StrictMode>{shown && <Profile />}</StrictMode>);
show(true);
"""
VUE = """
import { createApp, ref } from "vue/dist/vue.esm-bundler.js";
RECIPE
const shown = ref(true);
const Profile = { setup: () => ({ name: ref(""), ...useStash("/live") }), template: TEMPLATE };
createApp({ components: { Profile }, setup: () => ({ shown }), template: `<Profile v-if="shown" />` }).mount("#place");
window.show = (wanted) => (shown.value = wanted);
"""
ALPINE = """
import Alpine from "alpinejs";
RECIPE
window.Alpine = Alpine;
window.show = (wanted) => (place.innerHTML = wanted ? TEMPLATE : "");
const place = document.getElementById("place");
show(true);
Alpine.start();
"""


def scripts() -> dict[str, str]:
    """Return what each framework runs."""
    react = "\n".join(recipes("frameworks-js.md", "React"))
    hook, vue = recipes("frameworks-js.md", "Vue")
    data, alpine = recipes("frameworks-js.md", "Alpine")
    return {
        "react": REACT.replace("RECIPE", react),
        "vue": VUE.replace("RECIPE", hook.replace('"vue"', '"vue/dist/vue.esm-bundler.js"')).replace(
            "TEMPLATE", f"`{vue}`"
        ),
        "alpine": ALPINE.replace("RECIPE", data).replace("TEMPLATE", f"`{alpine}`"),
    }


@dataclass
class Counter:
    """How often it was asked for more, and what was saved."""

    count: int = 0
    saved: str = ""


open_views: set[View[Counter]] = set()


@app.get("/<name>.js")
async def script(name: str) -> Response:
    """Bundle it once it is asked for."""
    return Response(bundled(scripts()[name]), content_type="text/javascript")


@app.get("/<name>")
async def page(name: str) -> str:
    """Show the page of one framework."""
    if name not in scripts():
        abort(404)
    return await render_template_string(PAGE, name=name)


@app.get("/open/count")
async def count() -> str:
    """Tell how many views are open."""
    return str(len(open_views))


@app.websocket("/live")
@stash.view(Counter)
async def live(view: View[Counter]) -> None:
    """Count, and save what is submitted."""
    open_views.add(view)
    try:
        await view.send_json({"count": view.state.count, "saved": view.state.saved})
        async for message in view:
            form = message.form("profile")
            if form is not None:
                view.state.saved = form["name"]
                await view.clear_form("profile")
            else:
                view.state.count += 1
            await view.send_json({"count": view.state.count, "saved": view.state.saved})
    finally:
        open_views.discard(view)
