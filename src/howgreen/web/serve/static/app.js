// Which screen is shown: the address says it, and everything else follows.

import * as api from "./api.js";
import { Answer } from "./answer.js";
import { home, Place } from "./ask.js";
import { compare } from "./compare.js";
import { h, put } from "./dom.js";
import { keep, kept } from "./kept.js";
import { fitGeometry, makeMap, onPaper, repaint, showLimits, wholeWorld } from "./map.js";
import { watch } from "./run.js";
import { go, read } from "./state.js";
import { bytes, choose, LANGUAGES, speak, spoken, t } from "./words.js";

const DRAWN = "howgreen-drawn";
const panel = document.getElementById("panel"), maps = document.getElementById("maps");
let map = null, mapless = "", leave = () => {}, shown = null, turn = 0, about = { labelling: false, online: false };

const bar = () => h("header", { class: "brand" },
  h("a", { href: "#", class: "logo" }, h("img", { src: "/static/icon.svg", alt: "", width: 22, height: 22 }), "howgreen"),
  h("label", { class: "sr", for: "language" }, t("language")),
  h("select", { id: "language", onchange: (event) => { choose(event.target.value); location.reload(); } }, Object.entries(LANGUAGES).map(([code, name]) => h("option", { value: code, lang: code, selected: code === spoken() }, name))));

/** A fresh body of the panel, under the bar that is on every screen. */
function fresh(screen) {
  const body = h("div", { class: `screen ${screen}` });
  put(panel, bar(), mapless && h("p", { class: "problem", role: "alert" }, mapless), body);
  panel.scrollTop = 0;
  if (document.activeElement === document.body) panel.focus({ preventScroll: true });  // what had the focus is gone
  document.body.dataset.screen = screen;
  return body;
}

const start = () => go({});
const back = () => h("p", {}, h("button", { type: "button", class: "link back", onclick: start }, t("back")));
const refused = (body, text) => put(body, back(), h("p", { class: "problem", role: "alert" }, text));
const keyOf = ({ draw, place, job, results }) => JSON.stringify([draw, place, job, results]);

/** Limits that a hand drew or a file held stand in no address: the tab keeps them, for a reload and another language. */
function keepDrawn(feature) {
  keep(DRAWN, feature);
  if (!read().draw) history.replaceState(null, "", "#draw=1");
  shown = keyOf(read());
}

function place(body, feature, id) {
  const measured = (job) => go(job.status === "successful" && job.result ? { results: [job.result] } : { job: job.jobID });
  const screen = new Place(body, map, { back: start, measured, about, keep: keepDrawn });
  screen.open(feature, id);
  return () => screen.close();
}

async function uploaded(file) {
  const body = fresh("place");
  if (about.most_upload_bytes && file.size > about.most_upload_bytes) { refused(body, t("file-too-large", { size: bytes(file.size), most: bytes(about.most_upload_bytes) })); return; }
  body.append(h("p", { class: "state", role: "status" }, t("reading-file", { name: file.name })));
  const mine = turn;
  try {
    const { features } = await api.upload(file);
    if (turn !== mine) return;
    const named = (one) => one.properties?.label ?? one.properties?.name ?? file.name;
    const open = (one) => { keep(DRAWN, { ...one, properties: { ...one.properties, label: named(one) } }); go({ draw: true }); };
    if (features.length === 1) { open(features[0]); return; }
    put(body, back(), h("h1", { class: "place" }, t("which")),
      h("ul", { class: "answers" }, features.map((one) => h("li", {}, h("button", { type: "button", class: "link", onclick: () => open(one) }, named(one))))));
  } catch (error) { if (turn === mine) refused(body, error.message); }
}

/** A job that did not work, or was stopped: its place once more, or its limits where it has no name here. */
async function askAgain(job) {
  try {
    const told = await api.get(`/jobs/${job}/limits.geojson`);
    const named = told.properties.kind !== "drawn shape" && await api.place(told.id).then(() => true, () => false);
    if (!named) keep(DRAWN, { ...told, properties: { ...told.properties, drawn: true } });
    go(named ? { place: told.id } : { draw: true });
  } catch { start(); }
}

async function route() {
  const state = read();
  const key = keyOf(state);
  if (key === shown && !state.results.length) return;  // a link to another view of the same answer opens it
  const limitsStay = ["place", "run"].includes(document.body.dataset.screen) && state.job;  // on the map, while they are measured
  const mine = (turn += 1), still = () => turn === mine;
  shown = key;
  leave();
  leave = () => {};
  if (!limitsStay) showLimits(map, null);
  document.title = t("title");
  if (!state.draw && !state.place && !state.job && !state.results.length) {
    wholeWorld(map);
    home(fresh("home"), { open: (one) => go({ place: one.id }), draw: () => { keep(DRAWN, null); go({ draw: true }); }, uploaded: (file) => { shown = "uploaded"; uploaded(file); }, show: (ids) => go({ results: ids }), online: () => about.online });
    if (matchMedia("(min-width: 800px)").matches) document.getElementById("query").focus();
    return;
  }
  const name = state.results.length > 1 ? "compare" : state.results.length ? "answer" : state.job ? "run" : "place";
  if (!map && !mapless) { fresh(name).append(h("p", { class: "state", role: "status" }, t("opening"))); await drawable; }
  if (!still()) return;
  const body = fresh(name);
  if (name === "compare") {
    const left = await compare(body, maps, state.results, { back: start, drawable: Boolean(map), still });
    if (still()) leave = left; else left();
  } else if (name === "answer") {
    const answer = new Answer(body, map, maps, { back: start, labelling: about.labelling });
    leave = () => answer.close();
    await answer.open(state.results[0], { keepView: true });
  } else if (name === "run") {
    if (!limitsStay) api.get(`/jobs/${state.job}/limits.geojson`).then((told) => { if (still()) { showLimits(map, told.geometry, { filled: true }); fitGeometry(map, told.geometry); } }).catch(() => {});
    leave = watch(body, state.job, { back: start, again: () => askAgain(state.job), done: (result) => go({ results: [result] }, { instead: true }) });
  } else if (state.draw) leave = place(body, kept(DRAWN), null);
  else {
    body.append(h("p", { class: "state", role: "status" }, t("looking")));
    try {
      const feature = await api.place(state.place);
      if (still()) leave = place(body, feature, state.place);
    } catch (error) { if (still()) refused(body, error.message); }
  }
}

const asked = api.get("/?f=json").then((told) => { about = told; }).catch(() => { /* then nothing more is offered */ });
try { await speak(null); } catch (error) {
  put(panel, h("p", { class: "problem", role: "alert" }, "The server does not answer. Load this page again in a moment."));
  throw error;
}
put(panel, bar());
await asked;
const drawable = makeMap(document.getElementById("map"), { view: read().view }).then((made) => {
  map = made;
  onPaper(map);
  import("./draw.js").catch(() => {});  // so that it is there when somebody draws
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => repaint(map));
}, () => {
  mapless = t("no-map");
  document.body.classList.add("mapless");
  panel.querySelector(".brand")?.after(h("p", { class: "problem", role: "alert" }, mapless));
}).finally(() => { document.body.dataset.ready = "yes"; });
window.addEventListener("hashchange", route);
await route();
