// Limits drawn by hand: parts to add, holes to cut, corners to drag.

import { TerraDraw, TerraDrawFreehandMode, TerraDrawPolygonMode, TerraDrawSelectMode, TerraDrawSessionUndoRedo } from "./vendor/terra-draw/terra-draw.js";
import { TerraDrawMapLibreGLAdapter } from "./vendor/terra-draw/adapter.js";
import "./vendor/polyclip-ts/polyclip-ts.js";
import { areaOf, crossing, polygons, verticesOf } from "./geodesy.js";

const { polyclip } = globalThis;
const PART = "#1b6b45", HOLE = "#c2185b";
const look = (colour) => ({ fillColor: colour, fillOpacity: 0.22, outlineColor: colour, outlineWidth: 2.5, closingPointColor: colour, closingPointWidth: 6, closingPointOutlineColor: "#ffffff", closingPointOutlineWidth: 2 });
const corners = { feature: { draggable: true, selfIntersectable: true, coordinates: { midpoints: true, draggable: true, deletable: true } } };

/** The kinds of ring, by the mode that draws them. */
const ADDS = new Set(["part", "part-freehand"]), CUTS = new Set(["hole"]);

export class Drawing {
  /** @param changed called with nothing whenever rings change */
  constructor(map, changed) {
    this.draw = new TerraDraw({
      adapter: new TerraDrawMapLibreGLAdapter({ map }),
      modes: [
        new TerraDrawPolygonMode({ modeName: "part", styles: look(PART) }),
        new TerraDrawFreehandMode({ modeName: "part-freehand", styles: look(PART), minDistance: 12 }),
        new TerraDrawPolygonMode({ modeName: "hole", styles: look(HOLE) }),
        new TerraDrawSelectMode({ flags: { part: corners, "part-freehand": corners, hole: corners }, styles: { selectionPointWidth: 6, selectionPointColor: "#ffffff", selectionPointOutlineColor: PART, selectionPointOutlineWidth: 3, midPointColor: PART, midPointWidth: 4, selectedPolygonColor: PART, selectedPolygonOutlineWidth: 3 } }),
      ],
      undoRedo: { sessionLevel: new TerraDrawSessionUndoRedo() },
    });
    this.draw.start();
    this.draw.on("change", (ids, kind) => { if (kind !== "styling") changed(); });
    this.draw.on("finish", (id, context) => { changed(); if (context.action === "draw") this.finished?.(id); });
  }

  mode(name) { this.draw.setMode(name); }

  /** Put limits in, ring by ring. */
  load(geometry) {
    const round = (p) => [Number(p[0].toFixed(7)), Number(p[1].toFixed(7))];
    const features = polygons(geometry).flatMap(([outer, ...holes]) => [[outer, "part"], ...holes.map((hole) => [hole, "hole"])]).map(([ring, mode]) =>
      ({ type: "Feature", properties: { mode }, geometry: { type: "Polygon", coordinates: [ring.map(round)] } }));
    const told = this.draw.addFeatures(features);
    return told.every((one) => one.valid);
  }

  rings() {
    return this.draw.getSnapshot().filter((one) => one.geometry.type === "Polygon" && (ADDS.has(one.properties.mode) || CUTS.has(one.properties.mode)) && one.geometry.coordinates[0].length >= 4);
  }

  /** What is drawn, as one geometry: the parts together, less the holes; with its area and what is wrong with it. */
  state() {
    const rings = this.rings();
    const drawing = rings.some((one) => one.properties.currentlyDrawing);
    for (const one of rings) {
      const where = crossing(one.geometry.coordinates[0]);
      if (where) return { geometry: null, area: 0, vertices: 0, crossing: where, drawing };
    }
    const parts = rings.filter((one) => ADDS.has(one.properties.mode)).map((one) => one.geometry.coordinates);
    const holes = rings.filter((one) => CUTS.has(one.properties.mode)).map((one) => one.geometry.coordinates);
    if (!parts.length) return { geometry: null, area: 0, vertices: 0, crossing: null, drawing };
    let together;
    try {
      together = polyclip.union(...parts);
      if (holes.length) together = polyclip.difference(together, ...holes);
    } catch { return { geometry: null, area: 0, vertices: 0, crossing: parts[0][0][0], drawing }; }
    const geometry = together.length === 1 ? { type: "Polygon", coordinates: together[0] } : together.length ? { type: "MultiPolygon", coordinates: together } : null;
    return { geometry, area: areaOf(geometry), vertices: verticesOf(geometry), crossing: null, drawing };
  }

  select(id) { this.draw.selectFeature(id); }
  undo() { this.draw.undo(); }
  canUndo() { return this.draw.canUndo(); }
  clear() { this.draw.clear(); }
  stop() { this.draw.stop(); }
}
