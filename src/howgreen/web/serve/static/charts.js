// Small charts, drawn as SVG; each says in words what it shows.

import { h, s } from "./dom.js";
import { day, km2, number, percent, points, t } from "./words.js";

/** The ratio on a line from 0 to 100, with its interval. */
export function gauge(ratio, interval) {
  const x = (share) => 4 + 392 * share;
  return s("svg", { class: "gauge", viewBox: "0 0 400 44", role: "img", "aria-label": t("gauge-words", { ratio: percent(ratio), low: percent(interval.low), high: percent(interval.high) }) },
    s("rect", { class: "track", x: 4, y: 12, width: 392, height: 10, rx: 5 }),
    s("rect", { class: "band", x: x(interval.low), y: 12, width: Math.max(2, x(interval.high) - x(interval.low)), height: 10, rx: 5 }),
    s("line", { class: "mark", x1: x(ratio), x2: x(ratio), y1: 7, y2: 27 }),
    [0, 0.25, 0.5, 0.75, 1].map((share) => s("text", { x: x(share), y: 40, "text-anchor": share === 0 ? "start" : share === 1 ? "end" : "middle" }, percent(share))));
}

/** Bars of what covers the ground, with their areas. */
export function cover(areas, colours) {
  const whole = Object.values(areas).reduce((a, b) => a + b, 0);
  const rows = Object.entries(areas).filter(([, area]) => area > whole / 1000).sort((a, b) => b[1] - a[1]);
  return h("table", { class: "bars" }, h("caption", { class: "sr" }, t("cover")),
    h("tbody", {}, rows.map(([name, area]) => h("tr", {},
      h("th", { scope: "row" }, t(`class-${name}`) === `class-${name}` ? name : t(`class-${name}`)),
      h("td", { class: "bar" }, h("i", { style: { width: `${(100 * area) / rows[0][1]}%`, background: colours[name] ?? "var(--green)" } })),
      h("td", { class: "n" }, percent(area / whole)), h("td", { class: "n quiet" }, km2(area))))));
}

/** Districts from green to grey, each a button that finds it on the map. */
export function districts(rows, chosen, choose) {
  const order = rows.map((row, index) => [row, index]).sort((a, b) => (b[0].green_ratio ?? -1) - (a[0].green_ratio ?? -1));
  return h("table", { class: "bars districts" }, h("caption", { class: "sr" }, t("districts")),
    h("thead", { class: "sr" }, h("tr", {}, [t("district"), t("interval"), t("green")].map((one) => h("th", { scope: "col" }, one)))),
    h("tbody", {}, order.map(([row, index]) => h("tr", { class: index === chosen ? "chosen" : null },
      h("th", { scope: "row" }, h("button", { type: "button", class: "link", "aria-pressed": String(index === chosen), onclick: () => choose(index) }, row.name)),
      h("td", { class: "bar" }, row.green_ratio === null ? null : s("svg", { viewBox: "0 0 100 12", preserveAspectRatio: "none", "aria-hidden": "true" },
        s("rect", { class: "filled", x: 0, y: 3, width: 100 * row.green_ratio, height: 6 }),
        row.interval && s("rect", { class: "whisker", x: 100 * row.interval.low, y: 5.4, width: 100 * (row.interval.high - row.interval.low), height: 1.2 }))),
      h("td", { class: "n" }, row.green_ratio === null ? t("not-seen") : percent(row.green_ratio), row.interval && h("span", { class: "quiet" }, ` ±${points(row.interval.low, row.interval.high)}`))))));
}

/** A pixel's reflectance by wavelength. */
export function spectrum(bands) {
  const seen = bands.filter((one) => one.reflectance !== null && one.wavelength_nm);
  if (!seen.length) return null;
  const top = Math.max(0.1, Math.ceil(10 * Math.max(...seen.map((one) => one.reflectance))) / 10);
  const x = (nm) => 34 + ((nm - 400) / 1900) * 338, y = (r) => 118 - (Math.max(0, r) / top) * 104;
  const sorted = [...seen].sort((a, b) => a.wavelength_nm - b.wavelength_nm);
  return h("figure", { class: "spectrum" },
    s("svg", { viewBox: "0 0 380 146", role: "img", "aria-label": t("spectrum-words", { values: sorted.map((one) => `${one.name ?? one.band} ${number(one.reflectance, 2)}`).join(", ") }) },
      [0, top / 2, top].map((r) => [s("line", { class: "grid", x1: 34, x2: 372, y1: y(r), y2: y(r) }), s("text", { x: 28, y: y(r) + 4, "text-anchor": "end" }, number(r, 2))]),
      [500, 1000, 1500, 2000].map((nm) => s("text", { x: x(nm), y: 140, "text-anchor": "middle" }, `${number(nm)} nm`)),
      s("polyline", { class: "curve", points: sorted.map((one) => `${x(one.wavelength_nm)},${y(one.reflectance)}`).join(" ") }),
      sorted.map((one) => s("circle", { class: "dot", cx: x(one.wavelength_nm), cy: y(one.reflectance), r: 3.5 }, s("title", {}, `${one.name ?? one.band}: ${number(one.reflectance, 3)}`)))),
    h("figcaption", { class: "quiet" }, t("spectrum")));
}

/** Dates as a row of small bars: how clear each was, and whether it was taken. */
export function dates(list) {
  return h("ol", { class: "dates" }, list.map((one) => h("li", { class: one.taken === false ? "left" : "taken" },
    h("span", { class: "day" }, day(one.date)),
    h("span", { class: "clear", "aria-hidden": "true" }, h("i", { style: { width: `${100 * (one.clear ?? 0)}%` } })),
    h("span", { class: "n" }, one.clear === null || one.clear === undefined ? "" : t("clear", { share: percent(one.clear) })),
    h("span", { class: "quiet" }, one.taken === false ? t("left-out") : t("taken")))));
}
