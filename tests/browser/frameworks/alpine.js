/** A form whose every control Alpine holds, with the modifiers of `x-model`. */

import Alpine from "alpinejs";

const EMPTY = { text: "", area: "", lazy: "", change: "", number: "", range: "50", date: "", one: "a", many: [], box: false, on: true, group: ["x"], pick: "r1" };
const FIELDS = `
  <input name="text" x-model="text">
  <textarea name="area" x-model="area"></textarea>
  <input name="lazy" x-model.lazy="lazy">
  <input name="change" x-model.change="change">
  <input name="number" x-model.number="number">
  <input type="range" name="range" x-model="range">
  <input type="date" name="date" x-model="date">
  <select name="one" x-model="one"><option>a</option><option>b</option><option>c</option></select>
  <select name="many" multiple x-model="many"><option>a</option><option>b</option><option>c</option></select>
  <input type="checkbox" name="box" x-model="box">
  <input type="checkbox" name="on" checked x-model="on">
  <input type="checkbox" name="group" value="x" checked x-model="group">
  <input type="checkbox" name="group" value="y" x-model="group">
  <input type="checkbox" name="group" value="z" x-model="group">
  <input type="radio" name="pick" value="r1" checked x-model="pick">
  <input type="radio" name="pick" value="r2" x-model="pick">`;

let form, shown;
Alpine.data("form", () => ({
  count: 0,
  init() {
    form = this;
  },
}));
Alpine.data("fields", () => ({
  ...structuredClone(EMPTY),
  init() {
    shown = this;
  },
}));
window.ui = {
  // What a server renders: Alpine takes hold of it as it stands.
  html: () => `<form data-stash="f" x-data="fields">${FIELDS}</form>`,
  render(place) {
    place.innerHTML = `<div x-data="form"><template x-for="key in [count]" :key="key">${ui.html()}</template></div>`;
    Alpine.start();
  },
  hydrate: () => Alpine.start(),
  again() {
    form.count += 1;
    return Alpine.nextTick();
  },
  state: () => {
    const entries = Object.keys(EMPTY).map((name) => [name, JSON.parse(JSON.stringify(shown[name]))]);
    return { ...Object.fromEntries(entries), group: [...shown.group].sort() };
  },
};
