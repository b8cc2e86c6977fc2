// Up to four answers side by side, at one scale.

import * as api from "./api.js";
import { h, put } from "./dom.js";
import { fitGeometry, makeMap, showLimits, showRaster } from "./map.js";
import { note, read } from "./state.js";
import { km2, percent, points, t } from "./words.js";

const named = (key, fallback) => (t(key) === key ? fallback : t(key));

/** @param still tells whether this is yet the screen that is wanted: who goes on meanwhile is not held */
export async function compare(panel, maps, ids, { back, drawable, still }) {
  const made = [];
  put(panel, h("p", { class: "state", role: "status" }, t("opening")));
  const told = await Promise.allSettled(ids.map(api.result));
  if (!still()) return () => {};
  const there = told.filter((one) => one.status === "fulfilled").map((one) => one.value);
  const lost = told.filter((one) => one.status === "rejected").map((one) => one.reason.message);
  const wanted = read().layer;
  const kinds = [...new Map(there.flatMap((one) => one.layers).map((one) => [one.id, one])).values()];
  let layer = kinds.find((one) => one.id === wanted)?.id ?? "fraction";
  const choose = h("select", { id: "layer", onchange: () => { layer = choose.value; note({ layer }); show(); } }, kinds.map((one) => h("option", { value: one.id, selected: one.id === layer }, named(`layer-${one.id}`, one.title))));
  const show = () => made.forEach(({ map, result }) => showRaster(map, result.layers.find((one) => one.id === layer), 1));
  put(panel, 
    h("p", {}, h("button", { type: "button", class: "link back", onclick: back }, t("back"))),
    h("h1", { class: "place" }, t("side-by-side")),
    ...lost.map((one) => h("p", { class: "problem", role: "alert" }, one)),
    h("div", { class: "row" }, h("label", { for: "layer" }, t("map")), choose),
    h("table", { class: "compared" }, h("thead", {}, h("tr", {}, [t("city"), t("green"), t("interval"), t("land")].map((one) => h("th", { scope: "col" }, one)))),
      h("tbody", {}, [...there].sort((a, b) => (b.summary.green_ratio ?? -1) - (a.summary.green_ratio ?? -1)).map(({ label, id, summary }) => h("tr", {},
        h("th", { scope: "row" }, h("a", { href: `#r=${id}` }, label)), h("td", { class: "n" }, summary.green_ratio === null ? "–" : percent(summary.green_ratio)),
        h("td", { class: "n" }, summary.interval ? `${percent(summary.interval.low)} – ${percent(summary.interval.high)}` : "–"), h("td", { class: "n" }, km2(summary.land_area_m2)))))),
    h("p", { class: "quiet" }, ties(there)));
  if (!drawable) return () => {};
  const leave = () => { made.forEach(({ map }) => map.remove()); grid.remove(); document.body.classList.remove("comparing"); };
  const grid = h("div", { class: `grid of-${there.length}` });
  maps.append(grid);
  document.body.classList.add("comparing");
  for (const result of there) {
    const frame = h("div", { class: "map" });
    const caption = h("figcaption", {}, h("b", {}, result.summary.green_ratio === null ? "–" : percent(result.summary.green_ratio)), " ", result.label, " ", h("span", { class: "quiet" }, result.summary.interval ? `±${points(result.summary.interval.low, result.summary.interval.high)}` : ""));
    grid.append(h("figure", {}, frame, caption));
    const map = await makeMap(frame, { controls: false, name: result.label });
    made.push({ map, result });
    const shape = await api.get(result.limits);
    if (!still()) { leave(); return () => {}; }
    const geometry = shape.geometry ?? shape.features?.[0]?.geometry;
    showLimits(map, geometry);
    fitGeometry(map, geometry, { at_once: true });
  }
  show();
  // One scale: metres a pixel are the same in all, whatever the latitude.
  const metres = (map) => Math.cos((map.getCenter().lat * Math.PI) / 180) / 2 ** map.getZoom();
  const scale = (to, from) => to.setZoom(Math.log2(Math.cos((to.getCenter().lat * Math.PI) / 180) / metres(from)));
  if (made.length) {
    const widest = made.reduce((a, b) => (metres(a.map) > metres(b.map) ? a : b));
    made.forEach(({ map }) => map !== widest.map && scale(map, widest.map));
    let turning = false;
    made.forEach(({ map }) => map.on("zoom", () => {
      if (turning) return;
      turning = true;
      made.forEach((other) => other.map !== map && scale(other.map, map));
      turning = false;
    }));
  }
  return leave;
}

/** Cities whose intervals overlap are not told apart: said, before somebody ranks them. */
function ties(there) {
  const known = there.filter((one) => one.summary.interval);
  const tied = known.some((a, i) => known.some((b, j) => j > i && a.summary.interval.low <= b.summary.interval.high && b.summary.interval.low <= a.summary.interval.high));
  return tied ? t("tied") : "";
}
