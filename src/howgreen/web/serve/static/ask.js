// The one field: a name becomes limits, and limits can be changed by hand.

import * as api from "./api.js";
import { h, later, put, say, title } from "./dom.js";
import { areaOf, verticesOf } from "./geodesy.js";
import { fitGeometry, showLimits } from "./map.js";
import { day, km2, number, percent, spell, t, when } from "./words.js";

/** A field that offers places while somebody types (the combobox of the ARIA patterns). */
function field(chosen, { online }) {
  let found = [], at = -1, asking = null;
  const list = h("ul", { id: "candidates", role: "listbox", "aria-label": t("candidates"), class: "candidates", hidden: true });
  const told = h("p", { class: "hint", role: "status" });
  const input = h("input", { id: "query", type: "text", role: "combobox", autocomplete: "off", spellcheck: "false", maxlength: 200, "aria-expanded": "false", "aria-controls": "candidates", "aria-autocomplete": "list", placeholder: t("placeholder"), "aria-labelledby": "question" });

  const show = () => {
    put(list, ...found.map((one, index) => h("li", { role: "option", id: `candidate-${index}`, "aria-selected": String(index === at), onpointerdown: (event) => { event.preventDefault(); take(index); } },
      h("span", { class: "name" }, one.label), h("span", { class: "quiet" }, [one.kind, one.region, one.area_km2 ? km2(one.area_km2 * 1e6) : null].filter(Boolean).join(" · ")))));
    list.hidden = !found.length;
    input.setAttribute("aria-expanded", String(Boolean(found.length)));
    if (at >= 0) input.setAttribute("aria-activedescendant", `candidate-${at}`); else input.removeAttribute("aria-activedescendant");
  };
  const close = () => { found = []; at = -1; show(); };
  const take = (index) => { const one = found[index]; if (one?.search) look.now(true); else if (one) { input.value = one.label; close(); told.textContent = ""; chosen(one); } };
  const ask = async (further = false) => {
    const query = input.value.trim();
    asking?.abort();
    if (query.length < 2) { close(); told.textContent = ""; return; }
    const mine = (asking = new AbortController());
    told.textContent = t("looking");
    try {
      const places = await api.places(query, mine.signal, further);
      if (mine.signal.aborted) return;
      // Services of others are asked when somebody says so, and not at every letter.
      found = online() && !further && query.length > 2 ? [...places, { search: true, label: t("search-further", { query }) }] : places;
      at = -1; show();
      told.textContent = places.length ? "" : t("nothing-found");
      if (places.length) say(t("found", { n: number(places.length) }));
    } catch (error) {
      if (error.name === "AbortError") return;
      close(); told.textContent = error.message;
    }
  };
  const look = Object.assign(later(220, ask), { now: ask });
  input.addEventListener("input", look);
  input.addEventListener("blur", () => setTimeout(close, 150));
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!found.length) { look(); return; }
      at = (at + (event.key === "ArrowDown" ? 1 : found.length - (at < 0 ? 0 : 1))) % found.length;
      show();
    } else if (event.key === "Enter") { event.preventDefault(); if (found.length) take(Math.max(at, 0)); else ask(online()); }
    else if (event.key === "Escape") close();
  });
  return h("div", { class: "field" }, input, list, told);
}

/** The first screen. */
export function home(panel, { open, draw, uploaded, show, online }) {
  const file = h("input", { type: "file", class: "sr", id: "upload", accept: ".geojson,.json,.gpkg,.zip,.shp,.kml,.gml,.fgb,.parquet,.topojson,.poly,.gz", onchange: () => file.files[0] && uploaded(file.files[0]) });
  const before = h("section", { class: "before", hidden: true });
  put(panel, 
    h("h1", { id: "question" }, t("question")), field(open, { online }),
    h("p", { class: "or" }, h("span", { class: "draws" }, h("button", { type: "button", class: "link", onclick: draw }, t("draw")), " · "), h("label", { class: "link", for: "upload" }, t("upload")), file),
    before, h("footer", { class: "quiet" }, t("what"), " ", h("a", { href: "/docs" }, t("api"))));
  api.results().then((rows) => {
    if (!rows.length) return;
    const picked = new Set();
    const compare = h("button", { type: "button", disabled: true, onclick: () => show([...picked]) }, t("compare"));
    before.hidden = false;
    before.append(h("h2", {}, t("before")), h("ul", { class: "answers" }, rows.map((row) => {
      const box = h("input", { type: "checkbox", "aria-label": t("pick", { name: row.label }), onchange: () => {
        if (box.checked && picked.size >= 4) { box.checked = false; say(t("four")); return; }
        if (box.checked) picked.add(row.id); else picked.delete(row.id);
        compare.disabled = picked.size < 2;
      } });
      return h("li", {}, box, h("a", { href: `#r=${row.id}` }, row.label), h("b", {}, row.green_ratio === null || row.green_ratio === undefined ? "–" : percent(row.green_ratio)), h("span", { class: "quiet" }, row.period ? `${row.period.split("/").map(day).join(" – ")} · ` : "", t("measured", { when: when(row.created) })));
    })), ...(rows.length > 1 ? [compare] : []));
  }).catch(() => { before.hidden = true; });
}

const SENSORS = { "sentinel-2": ["Sentinel-2 (10 m, 2017–)", 2017], landsat: ["Landsat (30 m, 1985–)", 1985] };
const MOST_LETTERS = 120;  // of a name
const MOST_CORNERS = 3000;  // that somebody can drag one by one

/** What is to be measured: limits, which can be changed, and when. */
export class Place {
  /** @param about what the server measures at most; @param keep told the limits whenever a hand changes them */
  constructor(panel, map, { back, measured, about, keep }) { Object.assign(this, { panel, map, back, measured, about, keep, drawing: null }); }

  /** @param feature limits as a GeoJSON Feature, or null for those that are drawn from nothing */
  open(feature, id = null) {
    this.id = id;
    this.own = !id;
    this.name = String(feature?.properties?.label ?? feature?.properties?.name ?? "").slice(0, MOST_LETTERS);
    this.properties = feature?.properties ?? {};
    this.geometry = feature?.geometry ?? null;
    showLimits(this.map, this.geometry, { filled: true });
    if (this.geometry) fitGeometry(this.map, this.geometry);
    this.render();
    this.problem.textContent = this.tooMuch() || (this.geometry ? "" : (this.properties.problems ?? []).join(" "));
    this.tell();
    if (!feature || feature.properties?.drawn) this.edit();
  }

  render() {
    const p = this.properties;
    this.size = h("p", { class: "size", role: "status" });
    this.problem = h("p", { class: "problem", role: "alert" });
    this.nameField = h("input", { id: "own-name", type: "text", maxlength: MOST_LETTERS, value: this.name, placeholder: t("own-area"), oninput: () => this.geometry && this.keepIt() });
    this.period = h("select", { id: "period" });
    this.season = h("select", { id: "season" }, [["", t("season-calendar")], ["peak", t("season-peak")], ["year", t("season-year")]].map(([value, text]) => h("option", { value }, text)));
    this.sensor = h("select", { id: "sensor", onchange: () => this.years() }, Object.entries(SENSORS).map(([value, [text]]) => h("option", { value }, text)));
    this.years();
    this.go = h("button", { type: "submit", class: "go" }, t("measure"));
    this.tools = h("div", { class: "drawtools", role: "toolbar", "aria-label": t("draw-tools"), hidden: true });
    const change = h("button", { type: "button", onclick: () => this.edit() }, t("change-limits"));
    this.changeButton = change;
    const row = (id, label, control) => h("div", { class: "row" }, h("label", { for: id }, label), control);
    put(this.panel, 
      h("p", {}, h("button", { type: "button", class: "link back", onclick: () => { this.close(); this.back(); } }, t("back"))),
      title(this.name || t("own-area")),
      h("p", { class: "quiet" }, [p.kind, p.region, p.districts ? t("n-districts", { n: number(p.districts) }) : null].filter(Boolean).join(" · ")),
      this.size, p.note && h("p", { class: "quiet" }, p.note), this.problem,
      h("form", { onsubmit: (event) => { event.preventDefault(); this.measure(); } },
        this.map && change, this.tools, this.own && row("own-name", t("name"), this.nameField),
        row("period", t("when"), this.period),
        h("details", {}, h("summary", {}, t("more")), row("season", t("season"), this.season), row("sensor", t("satellite"), this.sensor)),
        this.go),
      p.licence && h("p", { class: "quiet small" }, t("limits-by", { source: p.licence })));
    this.tell();
  }

  /** The years of the satellite; by the server's clock, for a visitor's may be wrong. */
  years() {
    const chosen = this.period.value, now = Number((this.about.today ?? new Date().toISOString()).slice(0, 4));
    const years = Array.from({ length: Math.max(0, now + 1 - SENSORS[this.sensor.value][1]) }, (_, i) => String(now - i));
    put(this.period, h("option", { value: "" }, t("newest")), years.map((year) => h("option", { value: year }, year)));
    this.period.value = years.includes(chosen) ? chosen : "";
  }

  /** What the server would say of the size, said before it is asked. */
  tooMuch() {
    const { most_area_km2: area, most_vertices: corners } = this.about;
    if (!this.geometry) return "";
    if (area && areaOf(this.geometry) > area * 1.001e6) return t("too-large", { area: km2(areaOf(this.geometry)), most: km2(area * 1e6) });
    return corners && verticesOf(this.geometry) > corners ? t("too-many", { n: number(verticesOf(this.geometry)), most: number(corners) }) : "";
  }

  keepIt() {
    const name = this.own ? this.nameField.value.trim() : t("changed", { name: this.name });
    this.keep({ type: "Feature", geometry: this.geometry, properties: { label: name, drawn: true } });
  }

  tell() {
    this.size.textContent = this.geometry ? t("size", { area: km2(areaOf(this.geometry)), n: number(verticesOf(this.geometry)) }) : this.problem.textContent ? "" : t("nothing-drawn");
    this.go.disabled = !this.geometry || Boolean(this.problem.textContent);
  }

  async edit() {
    if (this.drawing || !this.map) return;
    if (this.geometry && verticesOf(this.geometry) > MOST_CORNERS) { this.problem.textContent = t("too-many-corners", { n: number(MOST_CORNERS) }); return; }
    this.changeButton.disabled = true;
    const { Drawing } = await import("./draw.js");
    if (this.closed) return;
    showLimits(this.map, null);
    this.changeButton.hidden = true;
    this.drawing = new Drawing(this.map, () => this.drawn());
    this.asked = later(400, () => this.ask());
    const modes = [["part", t("tool-part")], ["part-freehand", t("tool-freehand")], ["hole", t("tool-hole")], ["select", t("tool-move")]];
    const buttons = modes.map(([mode, text]) => h("button", { type: "button", "data-mode": mode, onclick: () => this.mode(mode) }, text));
    const undo = h("button", { type: "button", onclick: () => { this.drawing.undo(); this.drawn(); } }, t("undo"));
    const clear = h("button", { type: "button", onclick: () => { this.drawing.clear(); this.mode("part"); this.drawn(); } }, t("clear-all"));
    put(this.tools, ...buttons, undo, clear, h("p", { class: "quiet small", id: "howto" }));
    this.tools.hidden = false;
    this.buttons = buttons;
    if (this.geometry) this.drawing.load(this.geometry);
    // The mode that drew it ends its own work first.
    this.drawing.finished = (id) => setTimeout(() => { if (this.drawing) { this.mode("select"); this.drawing.select(id); } });
    this.mode(this.geometry ? "select" : "part");
  }

  mode(name) {
    this.drawing.mode(name);
    for (const one of this.buttons) one.setAttribute("aria-pressed", String(one.dataset.mode === name));
    this.tools.querySelector("#howto").textContent = t(`how-${name}`);
  }

  drawn() {
    const now = this.drawing.state();
    this.touched = true;
    this.geometry = now.geometry;
    this.problem.textContent = now.crossing ? t("crosses", { where: `${number(now.crossing[1], 4)}, ${number(now.crossing[0], 4)}` }) : "";
    if (!now.crossing) this.problem.textContent = this.tooMuch();
    this.tell();
    if (now.drawing) this.go.disabled = true;
    else if (now.geometry) { this.id = null; this.keepIt(); this.asked(); }
  }

  /** The server has the last word on what it measures: too large, too many corners, crossed. */
  async ask() {
    this.asking?.abort();
    if (!this.geometry) return;
    const mine = (this.asking = new AbortController());
    try {
      const told = await api.check(this.geometry, mine.signal);
      if (mine.signal.aborted) return;
      this.problem.textContent = told.ok ? "" : this.tooMuch() || told.problems.join(" ");
      this.tell();
    } catch (error) { if (error.name !== "AbortError") { this.problem.textContent = error.message; this.tell(); } }
  }

  async measure() {
    this.go.disabled = true;
    this.go.textContent = t("starting");
    const inputs = { language: document.documentElement.lang, sensor: this.sensor.value };
    if (this.period.value) inputs.period = this.period.value;
    if (this.season.value) inputs.season = this.season.value;
    const name = (this.own ? this.nameField.value.trim() : t("changed", { name: this.name }).slice(0, MOST_LETTERS)) || t("own-area");
    if (this.id) inputs.place = { id: this.id };
    else Object.assign(inputs, { place: { type: "Feature", properties: {}, geometry: this.geometry }, name });
    try {
      const job = await api.measure(inputs);
      this.close();
      this.measured(job);
    } catch (error) {
      this.problem.textContent = error.after && error.status !== 507 ? t("try-again", { detail: error.message, time: spell(error.after) }) : error.message;
      this.go.disabled = false;
      this.go.textContent = t("measure");
    }
  }

  close() {
    this.closed = true;
    this.asking?.abort();
    if (this.drawing) { this.drawing.stop(); this.drawing = null; }
    this.touched = false;
  }
}
