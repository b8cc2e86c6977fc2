// Which screen is shown: the address says it, and everything else follows.

import * as api from "./api.js";
import { Answer } from "./answer.js";
import { home, Place } from "./ask.js";
import { compare } from "./compare.js";
import { h, put } from "./dom.js";
import { fitGeometry, makeMap, onPaper, repaint, showLimits } from "./map.js";
import { watch } from "./run.js";
import { go, read } from "./state.js";
import { choose, LANGUAGES, speak, spoken, t } from "./words.js";

const panel = document.getElementById("panel"), maps = document.getElementById("maps");
let map, leave = () => {}, shown = null, about = { labelling: false, online: false };

const bar = () => h("header", { class: "brand" },
  h("a", { href: "#", class: "logo" }, h("img", { src: "/static/icon.svg", alt: "", width: 22, height: 22 }), "howgreen"),
  h("label", { class: "sr", for: "language" }, t("language")),
  h("select", { id: "language", onchange: (event) => { choose(event.target.value); location.reload(); } }, Object.entries(LANGUAGES).map(([code, name]) => h("option", { value: code, lang: code, selected: code === spoken() }, name))));

/** A fresh body of the panel, under the bar that is on every screen. */
function fresh(screen) {
  const body = h("div", { class: `screen ${screen}` });
  put(panel, bar(), body);
  panel.scrollTop = 0;
  document.body.dataset.screen = screen;
  return body;
}

const start = () => go({});
let waiting = null;  // limits that were drawn or uploaded: they stand in no address

function place(feature, id) {
  const screen = new Place(fresh("place"), map, { back: start, measured: (job) => { waiting = null; go(job.status === "successful" && job.result ? { results: [job.result] } : { job: job.jobID }); } });
  screen.open(feature, id);
  return () => screen.close();
}

async function uploaded(file) {
  const body = fresh("place");
  body.append(h("p", { class: "state", role: "status" }, t("reading-file", { name: file.name })));
  try {
    const { features } = await api.upload(file);
    const open = (one) => { waiting = { type: "Feature", geometry: one.geometry, properties: { ...one.properties, label: one.properties?.label ?? one.properties?.name ?? file.name } }; leave(); leave = place(waiting, null); };
    if (features.length === 1) { open(features[0]); return; }
    put(body, h("p", {}, h("button", { type: "button", class: "link back", onclick: start }, t("back"))), h("h1", { class: "place" }, t("which")),
      h("ul", { class: "answers" }, features.map((one) => h("li", {}, h("button", { type: "button", class: "link", onclick: () => open(one) }, one.properties?.label ?? one.properties?.name ?? "?")))));
  } catch (error) {
    put(body, h("p", {}, h("button", { type: "button", class: "link back", onclick: () => { shown = null; start(); route(); } }, t("back"))), h("p", { class: "problem", role: "alert" }, error.message));
  }
}

async function route() {
  const state = read();
  const kept = document.body.dataset.screen === "place" && state.job;  // the limits stay on the map while they are measured
  const key = JSON.stringify([state.place, state.job, state.results]);
  if (key === shown) return;
  shown = key;
  leave();
  leave = () => {};
  if (!kept) showLimits(map, null);
  document.title = t("title");
  if (state.results.length > 1) leave = await compare(fresh("compare"), maps, state.results, { back: start });
  else if (state.results.length) {
    const answer = new Answer(fresh("answer"), map, maps, { back: start, labelling: about.labelling });
    leave = () => answer.close();
    await answer.open(state.results[0], { keepView: true });
  } else if (state.job) {
    if (!kept) api.get(`/jobs/${state.job}/limits.geojson`).then((told) => { showLimits(map, told.geometry, { filled: true }); fitGeometry(map, told.geometry); }).catch(() => {});
    leave = watch(fresh("run"), state.job, { back: start, again: start, done: (result) => go({ results: [result] }) });
  } else if (state.place) {
    const body = fresh("place");
    body.append(h("p", { class: "state", role: "status" }, t("looking")));
    try { const feature = await api.place(state.place); leave = place(feature, state.place); } catch (error) {
      put(body, h("p", {}, h("button", { type: "button", class: "link back", onclick: start }, t("back"))), h("p", { class: "problem", role: "alert" }, error.message));
    }
  } else {
    home(fresh("home"), { open: (one) => go({ place: one.id }), draw: () => { shown = "drawn"; leave = place(null, null); }, uploaded: (file) => { shown = "uploaded"; uploaded(file); }, show: (ids) => go({ results: ids }), online: () => about.online });
    if (matchMedia("(min-width: 800px)").matches) document.getElementById("query").focus();
  }
}

await speak(null);
const first = read();
put(panel, bar());
try {
  map = await makeMap(document.getElementById("map"), { view: first.view });
} catch (error) {
  panel.append(h("p", { class: "problem", role: "alert" }, t("no-map", { why: error.message })));
  throw error;
}
onPaper(map);
document.body.dataset.ready = "yes";
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => repaint(map));
window.addEventListener("hashchange", route);
try {
  const told = await api.get("/?f=json");
  about = { labelling: Boolean(told.labelling), online: Boolean(told.online) };
} catch { /* then neither is offered */ }
await route();
