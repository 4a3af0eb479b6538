/** A form whose every control React holds. */

import { StrictMode, useState } from "react";
import { createRoot, hydrateRoot } from "react-dom/client";
import { flushSync } from "react-dom";
import { renderToString } from "react-dom/server.browser";

const EMPTY = { text: "", area: "", upper: "", number: "", range: "50", date: "", one: "a", many: [], box: false, on: true, group: ["x"], pick: "r1" };
let shown = EMPTY;

/** What the user has made of a control, as React code everywhere reads it. */
function valueOf({ name, type, checked, value, selectedOptions }, before) {
  if (type === "select-multiple") return [...selectedOptions].map((option) => option.value);
  if (type !== "checkbox") return name === "upper" ? value.toUpperCase() : value;
  if (!Array.isArray(before)) return checked;
  return checked ? [...before, value].sort() : before.filter((other) => other !== value);
}

function Form() {
  const [state, setState] = useState(EMPTY);
  shown = state;
  const onChange = ({ target }) => setState((before) => ({ ...before, [target.name]: valueOf(target, before[target.name]) }));
  const text = (name) => ({ name, value: state[name], onChange });
  const box = (name, value) => ({ type: "checkbox", name, value, checked: state[name].includes(value), onChange });
  const options = ["a", "b", "c"].map((value) => <option key={value}>{value}</option>);
  return (
    <form data-stash="f">
      <input {...text("text")} />
      <textarea {...text("area")} />
      <input {...text("upper")} />
      <input type="number" {...text("number")} />
      <input type="range" {...text("range")} />
      <input type="date" {...text("date")} />
      <select {...text("one")}>{options}</select>
      <select multiple {...text("many")}>{options}</select>
      <input type="checkbox" name="box" checked={state.box} onChange={onChange} />
      <input type="checkbox" name="on" checked={state.on} onChange={onChange} />
      <input {...box("group", "x")} />
      <input {...box("group", "y")} />
      <input {...box("group", "z")} />
      <input type="radio" name="pick" value="r1" checked={state.pick === "r1"} onChange={onChange} />
      <input type="radio" name="pick" value="r2" checked={state.pick === "r2"} onChange={onChange} />
    </form>
  );
}

const tree = (key) => (
  <StrictMode>
    <Form key={key} />
  </StrictMode>
);
let root;
window.ui = {
  html: () => renderToString(tree(0)),
  render: (place) => flushSync(() => (root = createRoot(place)).render(tree(0))),
  hydrate: (place) => flushSync(() => (root = hydrateRoot(place, tree(0)))),
  again: () => flushSync(() => root.render(tree(1))),
  state: () => shown,
};
