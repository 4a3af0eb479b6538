"""A form that holds whatever a submission may hold. The browser posts it or a socket submits it, and the server says what came."""

from __future__ import annotations

import json
from urllib.parse import quote_plus

from quart import Quart, render_template_string, request

from quart_stash import QuartStash, View

app = Quart(__name__)
app.config.from_prefixed_env()
stash = QuartStash(app)

PAGE = """<!doctype html><meta charset="utf-8"><title>whole</title>{{ stash_script() }}
<form id="whole" method="post" data-stash="whole" enctype="{{ enctype }}">
  <input type="image" id="spot" name="spot" alt="spot" width="40" height="20"
    src="data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=">
  <button id="how" name="how&#10;so" value="now&#10;then">Post</button>
  <button name="another" value="1">Not this one</button>
  <input type="hidden" name="_charset_">
  <input type="hidden" name="_CHARSET_" value="mine">
  <input type="hidden" name="breaks&#13;in&#10;it">
  <input type="hidden" name="csrf_token" value="">
  <textarea name="lines" dirname="lines&#10;dir">one&#10;two&#13;&#10;&#10;</textarea>
  <textarea name="hard" wrap="hard" cols="12">a line that is much longer than the box is wide&#10;and another that is</textarea>
  <textarea name="hard at once" wrap="HARD" cols="5">unbreakable</textarea>
  <input name="right" dirname="right.dir" dir="rtl" value="שלום">
  <input name="auto" dirname="auto.dir" dir="auto" value="שלום">
  <input type="tel" name="tel" dirname="tel.dir" value="1">
  <input name="signs" value=" a  b+c&amp;d=e%~*-._'()!&quot;🎉é">
  <input type="number" name="number" value="1.50"><input type="range" name="range"><input type="color" name="color">
  <input type="date" name="date" value="2024-02-29"><input type="datetime-local" name="local" value="2024-02-29T12:00:00">
  <input type="email" name="email" multiple value=" a@b.org , c@d.org "><input type="url" name="url" value=" https://a.org/ ">
  <input type="file" name="none"><input type="file" name="none too" multiple>
  <input type="checkbox" name="box" checked><input type="checkbox" name="off">
  <input type="radio" name="radio" value="1"><input type="radio" name="radio" value="2&#10;3" checked>
  <select name="one"><option> a &#10; b </option><option value="x&#10;y" selected>x</option></select>
  <select name="many" multiple><option selected>1</option><option selected disabled>2</option><option selected>3</option></select>
  <select name="nothing"></select>
  <input name="twice" value="1"><input value="without a name"><input name="twice" value="2"><input name="" value="x">
  <input name="disabled" disabled value="x"><fieldset disabled><input name="set" value="x"></fieldset>
  <datalist><input name="listed" value="x"></datalist><output name="output">x</output>
  <own-field name="own&#10;one"></own-field><own-fields name="own"></own-fields>
  <div contenteditable data-stash="rich">a <b>word</b>&#10;or two</div>
  <input name="isindex" value="legacy">
</form>
<input name="outside" form="whole" value="x">
<p id="came"></p>
<script>
  window.errors = [];
  for (const type of ["error", "unhandledrejection"])
    addEventListener(type, ({ error, reason, message }) => errors.push(String(error ?? reason ?? message)));
</script>
<script type="module">
  import { StashSocket } from "/_stash/quart-stash.js";
  const holding = (value) => class extends HTMLElement {
    static formAssociated = true;
    constructor() {
      super();
      this.attachInternals().setFormValue(value);
    }
  };
  const several = new FormData();
  for (const pair of [["own\\na", "1\\r2"], ["own b", ""]]) several.append(...pair);
  customElements.define("own-field", holding("line\\nbreak"));
  customElements.define("own-fields", holding(several));
  const whole = document.getElementById("whole");
  whole["breaks\\rin\\nit"].value = "a\\nb\\rc\\r\\nd\\n\\re";
  whole.addEventListener("formdata", ({ formData }) => formData.append("added\\nlater", "f\\ng"));
  if (new URLSearchParams(location.search).has("socket")) {
    window.socket = new StashSocket("/live");
    socket.onmessage = ({ data }) => (document.getElementById("came").textContent = data);
    whole.addEventListener("submit", (event) => socket.submit(event));
  }
  window.ready = true;
</script>"""


def encoded(pairs: list[tuple[str, str]]) -> str:
    """Return pairs as the body of a post (WHATWG URL, application/x-www-form-urlencoded serializing)."""
    return "&".join(
        "=".join(quote_plus(text, safe="*").replace("~", "%7E") for text in pair) for pair in pairs
    )


@app.get("/")
async def page() -> str:
    """Show the form."""
    return await render_template_string(PAGE, enctype=request.args.get("enctype", ""))


@app.post("/")
async def posted() -> str:
    """Say what was posted, byte by byte; of a post in parts, which pairs."""
    in_parts = request.mimetype == "multipart/form-data"
    came: object = (
        list((await request.form).items(multi=True)) if in_parts else await request.get_data(as_text=True)
    )
    return await render_template_string(
        "<!doctype html><title>posted</title><p id=came>{{ came }}</p>", came=json.dumps(came)
    )


@app.websocket("/live")
@stash.view()
async def live(view: View[None]) -> None:
    """Say what was submitted, byte by byte and in pairs."""
    async for message in view:
        form = message.form("whole")
        pairs = [] if form is None else list(form.items(multi=True))
        await view.send_json({"body": encoded(pairs), "pairs": pairs})
