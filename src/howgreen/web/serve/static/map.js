// The map: a plain ground, our own layers, and nothing from elsewhere. Where none can be drawn (`null`), nothing is done.

import { h } from "./dom.js";
import { boundsOf } from "./geodesy.js";
import { number, t } from "./words.js";

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const HOME = { center: [-20, 25], zoom: 1.6 };
const EMPTY = { type: "FeatureCollection", features: [] };
const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Lines of longitude and latitude: some measure of place where there is no map beneath. */
function graticule() {
  const features = [];
  const line = (coordinates, fine) => features.push({ type: "Feature", properties: { fine }, geometry: { type: "LineString", coordinates } });
  for (let lon = -180; lon <= 180; lon += 10) line([[lon, -85], [lon, 85]], lon % 30 !== 0);
  for (let lat = -80; lat <= 80; lat += 10) line([[-180, lat], [180, lat]], lat % 30 !== 0);
  return { type: "FeatureCollection", features };
}

function style() {
  return {
    version: 8,
    sources: { world: { type: "geojson", data: new URL("./land.json", import.meta.url).href }, graticule: { type: "geojson", data: graticule() }, limits: { type: "geojson", data: EMPTY }, districts: { type: "geojson", data: EMPTY, promoteId: "index" }, here: { type: "geojson", data: EMPTY } },
    layers: [
      { id: "ground", type: "background", paint: { "background-color": colour("beyond") } },
      { id: "world", type: "fill", source: "world", paint: { "fill-color": colour("land"), "fill-opacity": ["interpolate", ["linear"], ["zoom"], 5, 1, 8, 0] } },  // half degrees: a globe to look at, no coast to measure
      { id: "graticule", type: "line", source: "graticule", paint: { "line-color": colour("line"), "line-width": ["case", ["get", "fine"], 0.6, 1.2] } },
      { id: "limits-fill", type: "fill", source: "limits", paint: { "fill-color": colour("green"), "fill-opacity": 0.14 } },
      { id: "districts-fill", type: "fill", source: "districts", paint: { "fill-color": colour("ink"), "fill-opacity": ["case", ["boolean", ["feature-state", "chosen"], false], 0.14, 0] } },
      { id: "districts", type: "line", source: "districts", paint: { "line-color": colour("ink"), "line-opacity": 0.75, "line-width": ["case", ["boolean", ["feature-state", "chosen"], false], 3, 1] } },
      { id: "limits", type: "line", source: "limits", paint: { "line-color": colour("ink"), "line-width": 2 } },
      { id: "here", type: "circle", source: "here", paint: { "circle-radius": 7, "circle-color": "rgba(255,255,255,0)", "circle-stroke-color": "#c2185b", "circle-stroke-width": 3 } },
    ],
  };
}

/** Make a map in an element; it is ready when the promise is kept. */
export async function makeMap(container, { view = null, name = null, controls = true } = {}) {
  const { Map: GLMap, NavigationControl, ScaleControl } = await import("./vendor/maplibre-gl/maplibre-gl.mjs");  // a megabyte that words need not wait for
  const map = new GLMap({
    container, style: style(), attributionControl: false, cooperativeGestures: false, dragRotate: false, pitchWithRotate: false, touchPitch: false,
    center: view ? [view[0], view[1]] : HOME.center, zoom: view ? view[2] : HOME.zoom, maxZoom: 19, fadeDuration: calm() ? 0 : 150, renderWorldCopies: false,
    canvasContextAttributes: { preserveDrawingBuffer: true },
    locale: { "NavigationControl.ZoomIn": t("zoom-in"), "NavigationControl.ZoomOut": t("zoom-out"), "Map.Title": name ?? t("map") },
  });
  map.touchZoomRotate.disableRotation();
  if (controls) {
    map.addControl(new NavigationControl({ showCompass: false }), "top-right");
    map.addControl(new ScaleControl({ maxWidth: 140 }), "bottom-right");
  }
  await new Promise((ready) => (map.loaded() ? ready() : map.once("load", ready)));
  return map;
}

/** Dark or light: the map follows the page. */
export function repaint(map) {
  map.setPaintProperty("ground", "background-color", colour("beyond"));
  map.setPaintProperty("world", "fill-color", colour("land"));
  map.setPaintProperty("graticule", "line-color", colour("line"));
  for (const [layer, key] of [["limits", "line-color"], ["districts", "line-color"], ["districts-fill", "fill-color"]]) map.setPaintProperty(layer, key, colour("ink"));
  map.setPaintProperty("limits-fill", "fill-color", colour("green"));
}

export const wholeWorld = (map) => map?.jumpTo(HOME);

export function showLimits(map, geometry, { filled = false } = {}) {
  if (!map) return;
  map.getSource("limits").setData(geometry ? { type: "Feature", properties: {}, geometry } : EMPTY);
  map.setLayoutProperty("limits-fill", "visibility", filled ? "visible" : "none");
}

export const showHere = (map, position) => map?.getSource("here").setData(position ? { type: "Feature", properties: {}, geometry: { type: "Point", coordinates: position } } : EMPTY);

/** Districts' outlines, each with its place in the list; none for none. */
export function showDistricts(map, collection) {
  if (!map) return;
  const numbered = collection && { ...collection, features: collection.features.map((one, index) => ({ ...one, properties: { ...one.properties, index } })) };
  map.getSource("districts").setData(numbered ?? EMPTY);
}
export function chooseDistrict(map, index, before) {
  if (!map) return;
  if (before !== null) map.setFeatureState({ source: "districts", id: before }, { chosen: false });
  if (index !== null) map.setFeatureState({ source: "districts", id: index }, { chosen: true });
}

/** Show one raster of a result, under the lines; the one before goes when this one is there. */
export function showRaster(map, layer, opacity) {
  if (!map) return;
  const id = layer ? `raster:${layer.tilejson}` : null;
  for (const other of map.getStyle().layers.filter((one) => one.type === "raster" && one.id !== id)) {
    map.removeLayer(other.id);
    map.removeSource(other.id);
  }
  if (!layer) return;
  if (!map.getSource(id)) {
    map.addSource(id, { type: "raster", url: new URL(layer.tilejson, location.href).href, tileSize: 256 });
    map.addLayer({ id, type: "raster", source: id, paint: { "raster-resampling": "nearest", "raster-fade-duration": calm() ? 0 : 150 } }, "limits-fill");
  }
  map.setPaintProperty(id, "raster-opacity", opacity);
}

/** How much of the map's edges the panel hides. */
export function padding(map) {
  const panel = document.getElementById("panel").getBoundingClientRect(), box = map.getContainer().getBoundingClientRect();
  const beside = panel.right < box.right - 200 && panel.left < box.left + 60 && panel.top < box.bottom - 20 && getComputedStyle(document.getElementById("panel")).position === "fixed";
  const edge = Math.min(40, box.width / 10, box.height / 10);
  return { top: edge, bottom: edge, right: edge, left: beside ? Math.max(edge, panel.right - box.left + 20) : edge };
}

export function fit(map, bounds, { at_once = false } = {}) {
  if (!map || !bounds) return;
  map.resize();  // a screen may have given it another height just now
  const [w, south, e, n] = bounds;
  map.fitBounds([[w, south], [e, n]], { padding: padding(map), duration: at_once || calm() ? 0 : 900, maxZoom: 16 });
}
export const fitGeometry = (map, geometry, how) => fit(map, boundsOf(geometry), how);
export const viewOf = (map) => { const c = map.getCenter(); return [c.lng, c.lat, map.getZoom()]; };

/** Two maps, one over the other, parted by a line that hand and keys move. */
export class Swipe {
  constructor(below, element) { this.below = below; this.element = element; this.above = this.frame = this.made = null; this.at = 50; }

  async open(layer, opacity, geometry, at, moved) {
    this.moved = moved;
    this.made ??= this.make(at ?? this.at);
    await this.made;
    if (!this.above) return;  // closed again meanwhile
    this.follow();
    showLimits(this.above, geometry);
    showRaster(this.above, layer, opacity);
  }

  /** The line is there, and can be moved, before the second map is. */
  async make(at) {
    this.frame = h("div", { class: "map over", "aria-hidden": "true" });
    this.rule = h("div", { class: "rule" });
    this.slider = h("input", { type: "range", min: 0, max: 100, step: 1, class: "swipe", "aria-label": t("swipe-line"), oninput: () => this.move(Number(this.slider.value)) });
    this.element.append(this.frame, this.rule, this.slider);
    this.grab();
    this.move(at);
    const { frame } = this;
    const above = await makeMap(frame, { view: viewOf(this.below), controls: false });
    if (this.frame !== frame) { above.remove(); return; }
    this.above = above;
    above.getCanvas().tabIndex = -1;
    this.follow = () => above.jumpTo({ center: this.below.getCenter(), zoom: this.below.getZoom() });
    this.below.on("move", this.follow);
  }

  /** The line's handle is dragged as any slider's; the maps beneath are dragged as ever. */
  grab() {
    const drag = (event) => {
      const box = this.element.getBoundingClientRect();
      this.move(Math.round(Math.min(100, Math.max(0, ((event.clientX - box.left) / box.width) * 100))));
    };
    this.rule.addEventListener("pointerdown", (event) => {
      this.rule.setPointerCapture(event.pointerId);
      this.rule.addEventListener("pointermove", drag);
      const stop = () => this.rule.removeEventListener("pointermove", drag);
      this.rule.addEventListener("pointerup", stop, { once: true });
      this.rule.addEventListener("pointercancel", stop, { once: true });
    });
  }

  move(at) {
    this.at = at;
    this.frame.style.clipPath = `inset(0 0 0 ${at}%)`;
    this.rule.style.left = `${at}%`;
    this.slider.value = at;
    this.slider.setAttribute("aria-valuetext", `${number(at)} %`);
    this.moved?.(at);
  }

  close() {
    if (!this.frame) return;
    if (this.above) { this.below.off("move", this.follow); this.above.remove(); }
    for (const one of [this.frame, this.rule, this.slider]) one.remove();
    this.above = this.frame = this.made = null;
  }
}

/** On paper: the map as it is seen beside the panel, drawn at once, since a browser prints without waiting. */
export function onPaper(map) {
  const paper = h("canvas", { class: "paper", "aria-hidden": "true" });
  map.getContainer().parentElement.append(paper);
  window.addEventListener("beforeprint", () => {
    const from = map.getCanvas(), dots = from.width / map.getContainer().clientWidth || 1;
    const left = Math.round(Math.max(0, padding(map).left - 20) * dots);
    paper.width = from.width - left;
    paper.height = from.height;
    paper.getContext("2d").drawImage(from, left, 0, paper.width, paper.height, 0, 0, paper.width, paper.height);
  });
}
