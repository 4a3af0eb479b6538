/** A form whose every control Vue holds, with the modifiers of `v-model`. */

import { createApp, createSSRApp, h, nextTick, reactive, ref } from "vue/dist/vue.esm-bundler.js";

const EMPTY = { text: "", area: "", upper: "", lazy: "", trim: "", number: "", range: "50", date: "", one: "a", many: [], box: false, on: true, group: ["x"], pick: "r1" };
let shown;

const Form = {
  setup() {
    shown = reactive(structuredClone(EMPTY));
    return { state: shown };
  },
  template: `
    <form data-stash="f">
      <input name="text" v-model="state.text">
      <textarea name="area" v-model="state.area"></textarea>
      <input name="upper" :value="state.upper" @input="state.upper = $event.target.value.toUpperCase()">
      <input name="lazy" v-model.lazy="state.lazy">
      <input name="trim" v-model.trim="state.trim">
      <input name="number" v-model.number="state.number">
      <input type="range" name="range" v-model="state.range">
      <input type="date" name="date" v-model="state.date">
      <select name="one" v-model="state.one"><option>a</option><option>b</option><option>c</option></select>
      <select name="many" multiple v-model="state.many"><option>a</option><option>b</option><option>c</option></select>
      <input type="checkbox" name="box" v-model="state.box">
      <input type="checkbox" name="on" v-model="state.on">
      <input type="checkbox" name="group" value="x" v-model="state.group">
      <input type="checkbox" name="group" value="y" v-model="state.group">
      <input type="checkbox" name="group" value="z" v-model="state.group">
      <input type="radio" name="pick" value="r1" v-model="state.pick">
      <input type="radio" name="pick" value="r2" v-model="state.pick">
    </form>`,
};
const key = ref(0);
const App = { render: () => h(Form, { key: key.value }) };
window.ui = {
  // The server's renderer compiles no template in a browser: this is what it makes of this one.
  html() {
    const place = document.createElement("div");
    createApp(App).mount(place);
    for (const control of place.querySelectorAll("input")) {
      if (/radio|checkbox/.test(control.type)) control.toggleAttribute("checked", control.checked);
      else control.setAttribute("value", control.value);
    }
    for (const option of place.querySelectorAll("option")) option.toggleAttribute("selected", option.selected);
    return place.innerHTML;
  },
  render: (place) => void createApp(App).mount(place),
  hydrate: (place) => void createSSRApp(App).mount(place),
  again() {
    key.value += 1;
    return nextTick();
  },
  state: () => ({ ...shown, group: [...shown.group].sort() }),
};
