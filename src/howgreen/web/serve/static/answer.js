// The answer: one number with its interval, and the map to walk around in.

import * as api from "./api.js";
import { cover, dates as dateList, districts as districtBars, gauge, spectrum } from "./charts.js";
import { h, later, put, say, title } from "./dom.js";
import { remember, remembered } from "./kept.js";
import { chooseDistrict, fit, fitGeometry, showDistricts, showHere, showLimits, showRaster, Swipe, viewOf } from "./map.js";
import { go, note, read } from "./state.js";
import { bytes, day, km2, number, percent, points, t } from "./words.js";

const named = (key, fallback) => (t(key) === key ? fallback : t(key));
const layerName = (layer) => named(`layer-${layer.id}`, layer.title);

/** The number in words, as one quotes it; what people read stands before what the map says alone. */
export function headline(summary, sample) {
  const e = sample?.estimate;
  if (e && e.low !== null) {
    return [
      h("p", { class: "number" }, number(100 * e.ratio), h("span", {}, " %"), " ", h("small", {}, t("is-green"))),
      h("p", { class: "between" }, t("between", { low: percent(e.low), high: percent(e.high), half: points(e.low, e.high) })),
      gauge(e.ratio, e),
      h("p", { class: "facts" }, t("read-by", { places: number(e.n), n: number(sample.readers) }), " ", summary.green_ratio === null ? "" : t("map-alone", { ratio: percent(summary.green_ratio), low: percent(summary.interval.low), high: percent(summary.interval.high) })),
    ];
  }
  if (summary.green_ratio === null) return [h("p", { class: "number none" }, t("no-answer"))];
  const i = summary.interval;
  return [
    h("p", { class: "number" }, number(100 * summary.green_ratio), h("span", {}, " %"), " ", h("small", {}, t("is-green"))),
    i && h("p", { class: "between" }, t("between", { low: percent(i.low), high: percent(i.high), half: points(i.low, i.high) })),
    i && gauge(summary.green_ratio, i),
  ];
}

/** Files to read first, and those that programs read behind a fold. */
const FIRST = ["report.html", "map.png", "share.png", "districts.xlsx", "districts.csv", "summary.json"];

function fileLists(files) {
  const named = files.map((file) => ({ ...file, name: file.href.split("/").pop() }));
  const list = (some) => h("ul", { class: "files" }, some.map((file) => h("li", {}, h("a", { href: file.href, download: /\.(html|png)$/.test(file.name) ? null : "" }, file.name), h("span", { class: "quiet" }, file.bytes ? bytes(file.bytes) : ""),
    file.title && file.title !== file.name && file.title !== "this file" && h("span", { class: "quiet what" }, file.title))));
  const first = FIRST.map((name) => named.find((file) => file.name === name)).filter(Boolean), rest = named.filter((file) => !first.includes(file));
  return h("section", { class: "noprint" }, h("h2", {}, t("files")), list(first), rest.length > 0 && h("details", {}, h("summary", {}, t("files-more", { n: number(rest.length) })), list(rest)));
}

export class Answer {
  constructor(panel, map, maps, { back, labelling }) { Object.assign(this, { panel, map, back, labelling }); this.swipe = new Swipe(map, maps); this.others = new Map(); }

  async open(id, { keepView = false } = {}) {
    put(this.panel, h("p", { class: "state", role: "status" }, t("opening")));
    let told;
    try { told = await api.result(id); } catch (error) {
      if (this.gone) return;
      put(this.panel, h("p", {}, h("button", { type: "button", class: "link back", onclick: this.back }, t("back"))), h("p", { class: "problem", role: "alert" }, error.message));
      return;
    }
    if (this.gone) return;
    this.result = told;
    this.sample = this.labelling ? await api.sample(id).catch(() => null) : null;
    const state = read();
    this.layer = told.layers.find((one) => one.id === state.layer) ?? told.layers.find((one) => one.id === "fraction") ?? told.layers[0];
    this.opacity = state.opacity ?? 100;
    [this.limits, this.districts] = await Promise.all([api.get(told.limits), told.districts ? api.get(told.districts).catch(() => null) : null]);
    if (this.gone) return;  // another screen is shown by now
    this.limits = this.limits.geometry ?? this.limits.features?.[0]?.geometry;
    showLimits(this.map, this.limits);
    showDistricts(this.map, this.districts);
    this.district = null;
    if (!keepView || !state.view) fitGeometry(this.map, this.limits, { at_once: true });
    this.render();
    this.show();
    if (state.district !== null) this.choose(Number(state.district), { move: !state.view });
    if (state.swipe && this.map) await this.setSwipe(state.swipe, state.at ?? 50);
    this.listen();
    document.title = `${told.summary.green_ratio === null ? "" : `${percent(told.summary.green_ratio)} · `}${told.label} – ${t("title")}`;
    say(`${told.label}: ${told.summary.green_ratio === null ? t("no-answer") : t("said", { ratio: percent(told.summary.green_ratio) })}`);
  }

  listen() {
    this.click = (event) => { const { lng, lat } = event.lngLat; this.look(lng, lat); };
    this.moved = later(250, () => { if (!this.gone) note({ view: viewOf(this.map) }); });
    if (!this.map) return;
    this.map.on("click", this.click);
    this.map.on("moveend", this.moved);
  }

  close() {
    this.gone = true;
    if (this.click) { this.map?.off("click", this.click); this.map?.off("moveend", this.moved); }
    this.swipe.close();
    showRaster(this.map, null); showDistricts(this.map, null); showHere(this.map, null); showLimits(this.map, null);
  }

  show() { showRaster(this.map, this.layer, this.opacity / 100); this.legend(); }

  legend() {
    const steps = (this.layer?.legend ?? []).filter((one) => /^\d+ %$/.test(one.label)), rest = (this.layer?.legend ?? []).filter((one) => !steps.includes(one));
    put(this.key,
      steps.length > 2 && h("li", { class: "ramp" }, steps[0].label, h("i", { style: { background: `linear-gradient(90deg, ${steps.map((one) => one.colour).join(", ")})` } }), steps.at(-1).label),
      (steps.length > 2 ? rest : this.layer?.legend ?? []).map((one) => h("li", {}, h("i", { style: { background: one.colour } }), named(`class-${one.label}`, one.label))));
  }

  render() {
    const { summary, label, layers, files } = this.result;
    const zones = summary.districts ?? [];
    this.key = h("ul", { class: "legend" });
    this.here = h("section", { class: "here", hidden: true, "aria-live": "polite" });
    this.zoneBox = h("div", {});
    const opacity = h("input", { type: "range", id: "opacity", min: 0, max: 100, step: 5, value: this.opacity, oninput: () => { this.opacity = Number(opacity.value); showRaster(this.map, this.layer, this.opacity / 100); if (this.swipe.above) showRaster(this.swipe.above, this.over, this.opacity / 100); note({ opacity: this.opacity === 100 ? null : this.opacity }); } });
    this.swipeBox = h("select", { id: "against", onchange: () => this.setSwipe(this.swipeBox.value || null, this.swipe.at) });
    this.fillSwipe();
    const copy = h("button", { type: "button", onclick: async () => {
      if (this.map) note({ view: viewOf(this.map) });
      try { await navigator.clipboard.writeText(location.href); say(t("copied")); copy.textContent = t("copied"); } catch { copy.textContent = location.href; }
    } }, t("copy-link"));
    put(this.panel, 
      h("p", { class: "noprint" }, h("button", { type: "button", class: "link back", onclick: this.back }, t("back"))),
      summary.synthetic && h("p", { class: "synthetic" }, h("strong", {}, t("synthetic")), t("synthetic-more")),
      title(label),
      ...headline(summary, this.sample),
      (summary.warnings ?? []).length ? h("ul", { class: "doubts" }, summary.warnings.map((one) => h("li", {}, one.text))) : null,
      h("p", { class: "facts" }, t("facts", { seen: summary.observed_ratio === null ? "–" : percent(summary.observed_ratio), land: km2(summary.land_area_m2), n: number((this.result.dates ?? []).length), from: day(summary.period.start), to: day(summary.period.end) })),
      h("p", { class: "narrow" }, t("narrows"), " ", this.sample ? "" : h("code", {}, t("label-command"))),
      this.sample && this.reading(),
      this.map && h("section", { class: "noprint" }, h("h2", {}, t("map")),
        h("fieldset", { class: "layers" }, h("legend", { class: "sr" }, t("layers")), layers.map((layer) => h("label", {}, h("input", { type: "radio", name: "layer", value: layer.id, checked: layer === this.layer, onchange: () => { this.layer = layer; this.show(); note({ layer: layer.id }); } }), h("span", {}, layerName(layer))))),
        this.key,
        h("div", { class: "row" }, h("label", { for: "opacity" }, t("opacity")), opacity),
        h("div", { class: "row" }, h("label", { for: "against" }, t("swipe")), this.swipeBox),
        h("p", { class: "actions" }, h("button", { type: "button", onclick: () => fitGeometry(this.map, this.limits) }, t("whole")), h("button", { type: "button", onclick: () => { const c = this.map.getCenter(); this.look(c.lng, c.lat); } }, t("look-middle")), copy)),
      this.here,
      summary.area_by_class_m2 && h("section", {}, h("h2", {}, t("cover")), cover(summary.area_by_class_m2, Object.fromEntries((layers.find((one) => one.id === "classes")?.legend ?? []).map((one) => [one.label, one.colour])))),
      zones.length ? h("section", {}, h("h2", {}, t("districts")), this.zoneBox) : null,
      this.result.dates?.length ? h("section", {}, h("h2", {}, t("dates")), dateList(this.result.dates)) : null,
      fileLists(files),
      (summary.notes ?? []).length ? h("section", {}, h("h2", {}, t("notes")), h("ul", { class: "notes" }, summary.notes.map((one) => h("li", {}, one)))) : null,
      h("footer", { class: "quiet small" }, summary.city?.licence ? t("limits-by", { source: summary.city.licence }) : ""));
    this.drawZones();
  }

  /** The way to narrow the interval, from here: a name, and the page on which places are looked at. */
  reading() {
    const { looks, looked } = this.sample;
    const name = h("input", { id: "reader", type: "text", maxlength: 40, pattern: "[\\p{L}\\p{N}_][\\p{L}\\p{N}_ .\\-]{0,39}", required: true, placeholder: t("reader"), "aria-label": t("reader"), value: remembered("howgreen-reader") ?? "" });
    return h("form", { class: "reading noprint", onsubmit: (event) => {
      event.preventDefault();
      remember("howgreen-reader", name.value);
      location.assign(`/label/${this.result.id}/${encodeURIComponent(name.value)}/`);
    } }, name, h("button", { type: "submit" }, t("label-now")), h("span", { class: "quiet" }, t("looked", { n: number(looked), all: number(looks) })));
  }

  drawZones() {
    const zones = this.result.summary.districts ?? [];
    put(this.zoneBox, districtBars(zones, this.district, (index) => this.choose(index, { move: true })));
    const one = zones[this.district];
    if (one) this.zoneBox.prepend(h("div", { class: "zone", role: "status" }, h("h3", {}, one.name), h("p", {}, one.green_ratio === null ? t("no-answer") : t("zone", { ratio: percent(one.green_ratio), low: percent(one.interval?.low ?? one.green_ratio), high: percent(one.interval?.high ?? one.green_ratio), land: km2(one.land_area_m2), seen: percent(one.observed_ratio ?? 0) }),
      one.green_m2_per_inhabitant ? ` ${t("per-head", { m2: number(one.green_m2_per_inhabitant) })}` : "")));
  }

  choose(index, { move = false } = {}) {
    if (!this.districts?.features[index] && !this.result.summary.districts?.[index]) return;
    const shape = this.onMap(index);
    chooseDistrict(this.map, shape, this.marked ?? null);
    this.marked = shape;
    this.district = index;
    note({ district: String(index) });
    if (move && shape !== null) fitGeometry(this.map, this.districts.features[shape].geometry);
    this.drawZones();
  }

  /** Districts are told in one order by the summary and drawn in another by the file: their names tell which is which. */
  onMap(index) {
    const name = this.result.summary.districts?.[index]?.name;
    const found = this.districts?.features.findIndex((one) => one.properties.name === name) ?? -1;
    return found < 0 ? null : found;
  }

  /** A click: the pixel's own story, and the district that it lies in. */
  async look(lon, lat) {
    showHere(this.map, [lon, lat]);
    const hit = this.districts ? this.map.queryRenderedFeatures(this.map.project([lon, lat]), { layers: ["districts-fill"] })[0] : null;
    if (hit) {
      const index = (this.result.summary.districts ?? []).findIndex((one) => one.name === hit.properties.name);
      if (index >= 0) this.choose(index);
    }
    this.asking?.abort();
    const mine = (this.asking = new AbortController());
    this.here.hidden = false;
    put(this.here, h("h2", {}, t("here")), h("p", { class: "quiet" }, t("looking")));
    let told;
    try { told = await api.pixel(this.result.id, lon.toFixed(6), lat.toFixed(6), mine.signal); } catch (error) {
      if (error.name !== "AbortError") put(this.here, h("h2", {}, t("here")), h("p", { class: "problem" }, error.message));
      return;
    }
    const close = h("button", { type: "button", class: "link", onclick: () => { this.here.hidden = true; showHere(this.map, null); } }, t("close"));
    const where = h("p", { class: "quiet small" }, `${number(lat, 5)}, ${number(lon, 5)}`);
    const unseen = told.fraction === null && !told.class;
    put(this.here, h("h2", {}, t("here"), " ", close), where,
      !told.inside ? h("p", {}, t("outside")) : unseen ? h("p", {}, t("unseen-here")) : h("p", {}, told.fraction === null ? "" : h("b", {}, told.standard_error === null || told.standard_error === undefined ? t("pixel", { ratio: percent(told.fraction) }) : t("pixel-se", { ratio: percent(told.fraction), se: number(100 * told.standard_error) })), told.class ? ` ${named(`class-${told.class.name}`, told.class.name)}.` : ""),
      told.n_clear !== null && told.n_clear !== undefined && told.inside ? h("p", {}, t("seen-times", { n: number(told.n_clear), all: number(told.dates?.length || (this.result.dates?.length ?? told.n_clear)) })) : null,
      told.spectrum?.length ? spectrum(told.spectrum) : null);
    this.here.scrollIntoView({ block: "nearest" });
  }

  fillSwipe() {
    const own = this.result.layers.filter((one) => one !== this.layer || true).map((one) => h("option", { value: one.id }, layerName(one)));
    put(this.swipeBox, h("option", { value: "" }, t("no-swipe")), h("optgroup", { label: this.result.label }, own));
    api.results().then((rows) => {
      const others = rows.filter((one) => one.id !== this.result.id);
      if (others.length) this.swipeBox.append(h("optgroup", { label: t("other-answers") }, others.map((one) => h("option", { value: `${one.id}:` }, `${one.label}${one.period ? `, ${typeof one.period === "string" ? one.period : one.period.start?.slice(0, 4)}` : ""}`))));
      if (read().swipe) this.swipeBox.value = read().swipe.includes(":") ? `${read().swipe.split(":")[0]}:` : read().swipe;
    }).catch(() => {});
  }

  /** Part the map: "fraction" is a layer of this answer, "RID:" the same layer of another. */
  async setSwipe(what, at) {
    if (!what) { this.swipe.close(); this.over = null; note({ swipe: null, at: null }); return; }
    let layer = null, limits = this.limits;
    if (what.includes(":")) {
      const id = what.split(":")[0];
      try {
        if (!this.others.has(id)) this.others.set(id, await api.result(id));
        const other = this.others.get(id);
        layer = other.layers.find((one) => one.id === this.layer.id) ?? other.layers[0];
        const shape = await api.get(other.limits);
        limits = shape.geometry ?? shape.features?.[0]?.geometry;
      } catch (error) { say(error.message); this.swipeBox.value = ""; note({ swipe: null, at: null }); return; }
    } else layer = this.result.layers.find((one) => one.id === what);
    if (!layer) { note({ swipe: null, at: null }); return; }
    this.over = layer;
    this.swipeBox.value = what.includes(":") ? `${what.split(":")[0]}:` : what;
    await this.swipe.open(layer, this.opacity / 100, limits, at, later(200, (now) => note({ swipe: what, at: now })));
    note({ swipe: what, at: this.swipe.at });
  }
}
