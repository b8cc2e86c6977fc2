// How green is this area? Drawn on the map, and answered from the shares that the page carries.
const howgreenArea = (() => {
  const panel = document.getElementById("area");
  if (!panel || typeof DecompressionStream === "undefined") return null;
  const { stage, world, size, place, toMap, watch } = howgreenMap;
  const cells = JSON.parse(panel.dataset.cells);
  const say = JSON.parse(panel.dataset.words);
  const buttons = Object.fromEntries([...panel.querySelectorAll("[data-area]")].map((item) => [item.dataset.area, item]));
  const [guide, found] = [panel.querySelector(".guide"), panel.querySelector(".found")];
  const MOST_CORNERS = 250;
  const SUB = 8; // lines by which each row of cells is cut

  // ---- numbers ------------------------------------------------------------------------------------
  const lang = document.documentElement.lang;
  const fill = (text, parts) => text.replace(/\{(\w+)\}/g, (_, name) => parts[name]);
  const percent = (ratio) => new Intl.NumberFormat(lang, { style: "percent", maximumFractionDigits: ratio > 0.0095 && ratio < 0.9905 || ratio === 0 || ratio === 1 ? 0 : 1 }).format(ratio);
  const area = (m2) => {
    const [value, unit] = m2 >= 995000 ? [m2 / 1e6, "km²"] : [m2 / 1e4, "ha"];
    return `${new Intl.NumberFormat(lang, { maximumSignificantDigits: 3 }).format(value)}\u00a0${unit}`;
  };

  // ---- the cells: how green, how much seen, how much not --------------------------------------------
  const loaded = (async () => {
    const packed = Uint8Array.from(atob(panel.dataset.pixels), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
    const length = cells.width * cells.height;
    return { green: bytes.subarray(0, length), seen: bytes.subarray(length, 2 * length), unseen: bytes.subarray(2 * length) };
  })();
  // Map pixels to cells: the map shows the whole grid, a cell is `side` of its pixels.
  const toCell = { x: cells.grid[0] / size.x / cells.side, y: cells.grid[1] / size.y / cells.side };
  const inCells = (rings) => rings.map((ring) => ring.map((point) => [point.x * toCell.x, point.y * toCell.y]));

  // ---- exact enough cover: each row of cells is cut by SUB lines, whose parts inside are measured -----
  const edgesOf = (rings) => {
    const edges = [];
    for (const ring of rings) {
      for (let n = 0; n < ring.length; n++) {
        const [a, b] = [ring[n], ring[(n + 1) % ring.length]];
        if (a[1] !== b[1]) edges.push(a[1] < b[1] ? [...a, ...b] : [...b, ...a]);
      }
    }
    return edges.sort((a, b) => a[1] - b[1]);
  };
  // Crossings of a line with edges, left to right; even-odd: between the first and the second is inside.
  const sweep = (edges) => {
    let next = 0;
    let active = [];
    return (y) => {
      while (next < edges.length && edges[next][1] <= y) active.push(edges[next++]);
      active = active.filter((edge) => edge[3] > y);
      return active.map((e) => e[0] + ((y - e[1]) * (e[2] - e[0])) / (e[3] - e[1])).sort((a, b) => a - b);
    };
  };
  const both = (one, two) => {
    const spans = [];
    for (let a = 0, b = 0; a + 1 < one.length && b + 1 < two.length;) {
      const [low, high] = [Math.max(one[a], two[b]), Math.min(one[a + 1], two[b + 1])];
      if (low < high) spans.push([low, high]);
      if (one[a + 1] < two[b + 1]) a += 2;
      else b += 2;
    }
    return spans;
  };
  const measure = (rings, data, limits) => {
    const edges = edgesOf(rings);
    if (!edges.length) return { green: 0, seen: 0, unseen: 0 };
    const [top, bottom] = [Math.max(0, Math.floor(edges[0][1])), Math.min(cells.height, Math.ceil(Math.max(...edges.map((e) => e[3]))))];
    const [shape, city] = [sweep(edges), sweep(limits)];
    const cover = new Float32Array(cells.width + 1);
    const sums = { green: 0, seen: 0, unseen: 0 };
    for (let row = top; row < bottom; row++) {
      cover.fill(0);
      let [left, right] = [cells.width, 0];
      for (let line = 0; line < SUB; line++) {
        const y = row + (line + 0.5) / SUB;
        for (let [low, high] of both(shape(y), city(y))) {
          [low, high] = [Math.max(low, 0), Math.min(high, cells.width)];
          if (low >= high) continue;
          const [first, last] = [Math.floor(low), Math.min(Math.floor(high), cells.width - 1)];
          if (first === last) cover[first] += high - low;
          else {
            cover[first] += first + 1 - low;
            for (let column = first + 1; column < last; column++) cover[column] += 1;
            cover[last] += high - last;
          }
          [left, right] = [Math.min(left, first), Math.max(right, last)];
        }
      }
      for (let column = left, at = row * cells.width + left; column <= right; column++, at++) {
        const share = cover[column] / SUB;
        if (!share) continue;
        const seen = share * data.seen[at];
        sums.seen += seen;
        sums.green += seen * data.green[at];
        sums.unseen += share * data.unseen[at];
      }
    }
    const m2 = (cells.m2 * cells.side * cells.side) / cells.steps;
    return { green: (sums.green / cells.steps) * m2, seen: sums.seen * m2, unseen: sums.unseen * m2 };
  };

  // ---- the interval, by the rule of every zone: error of a place and of a zone's pixels add in squares ---
  const zoneError = (zones, m2) => {
    if (!zones.length) return 0;
    if (m2 <= zones[0][0]) return zones[0][1];
    for (let n = 0; n + 1 < zones.length; n++) {
      const [[small, wide], [large, narrow]] = [zones[n], zones[n + 1]];
      if (m2 <= large) return wide + (Math.log(m2 / small) / Math.log(large / small)) * (narrow - wide);
    }
    const [largest, narrowest] = zones[zones.length - 1];
    return narrowest * Math.sqrt(largest / m2);
  };
  const intervalOf = (ratio, m2, observed) => {
    if (!cells.interval) return null;
    const half = Math.hypot(cells.interval.half_width, zoneError(cells.interval.zones, m2));
    return {
      low: observed * Math.max(ratio - half, 0),
      high: observed * Math.min(ratio + half, 1) + 1 - observed,
      level: cells.interval.level,
    };
  };
  const answerOf = (sums) => {
    const land = sums.seen + sums.unseen;
    const ratio = sums.seen ? sums.green / sums.seen : null;
    const observed = land ? sums.seen / land : null;
    return { land, seen: sums.seen, green: sums.green, ratio, observed, interval: ratio === null ? null : intervalOf(ratio, sums.seen, observed) };
  };

  // ---- the shape: rings of points in pixels of the map; even-odd, so a ring inside another is a hole -----
  let rings = [];
  let open = null; // the ring that is being drawn
  let hole = false;
  let name = "";
  let editable = true;
  const past = [];
  const svg = world.querySelector("svg.lines");
  const make = (tag, parent, attributes) => {
    const item = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(attributes)) item.setAttribute(key, value);
    parent.append(item);
    return item;
  };
  const layer = make("g", svg, { class: "drawn" });
  const path = (ring, closed) => ring.length ? `M${ring.map((p) => `${p.x},${p.y}`).join(" ")}${closed ? "Z" : ""}` : "";
  const limitPath = (text) => (text.match(/M[^MZ]+/g) || []).map((part) => part.slice(1).trim().split(/[\s]+/).map((pair) => {
    const [x, y] = pair.split(",").map(Number);
    return { x, y };
  }));
  const limits = edgesOf(inCells([
    ...limitPath(document.getElementById("limits").getAttribute("d")),
  ]));
  const inside = (point, list) => {
    let odd = false;
    for (const ring of list) {
      for (let n = 0; n < ring.length; n++) {
        const [a, b] = [ring[n], ring[(n + 1) % ring.length]];
        if (a.y > point.y !== b.y > point.y && point.x < a.x + ((point.y - a.y) * (b.x - a.x)) / (b.y - a.y)) odd = !odd;
      }
    }
    return odd;
  };
  const crosses = (list) => {
    const lines = list.flatMap((ring) => ring.map((point, n) => [point, ring[(n + 1) % ring.length]]));
    if (lines.length > 2 * MOST_CORNERS) return false; // limits from a file
    const side = (a, b, c) => Math.sign((b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x));
    return lines.some(([a, b], n) => lines.slice(n + 1).some(([c, d]) => side(a, b, c) * side(a, b, d) < 0 && side(c, d, a) * side(c, d, b) < 0));
  };

  // ---- drawing ----------------------------------------------------------------------------------------
  let focused = null;
  const show = () => {
    const k = howgreenMap.view().k;
    layer.replaceChildren();
    if (rings.length) make("path", layer, { class: "shape", "fill-rule": "evenodd", d: rings.map((ring) => path(ring, true)).join("") });
    if (open) make("path", layer, { class: "shape open", fill: "none", d: path(open, false) });
    const dot = (point, attributes, radius) => make("circle", layer, { cx: point.x, cy: point.y, r: radius / k, ...attributes });
    if (open) open.forEach((point, n) => dot(point, { class: `corner${n ? " fixed" : " first"}` }, n ? 4 : 9));
    else if (editable) {
      let number = 0;
      rings.forEach((ring, r) => ring.forEach((point, n) => {
        const next = ring[(n + 1) % ring.length];
        dot({ x: (point.x + next.x) / 2, y: (point.y + next.y) / 2 }, { class: "corner between", "data-ring": r, "data-at": n + 1 }, 5);
        const corner = dot(point, { class: "corner", "data-ring": r, "data-corner": n, tabindex: 0, role: "button", "aria-label": fill(say.corner, { number: ++number }) }, 8);
        if (focused && focused[0] === r && focused[1] === n) corner.focus({ preventScroll: true });
      }));
    }
    // Corners can be reached by keys: then they may not be hidden from those who cannot see them.
    svg.toggleAttribute("aria-hidden", false);
    if (!rings.length && !open) svg.setAttribute("aria-hidden", "true");
    stage.classList.toggle("drawing", Boolean(open));
    buttons.hole.disabled = !rings.length || Boolean(open);
    buttons.clear.disabled = buttons.undo.disabled = !rings.length && !open && !past.length;
    buttons.save.disabled = !rings.length || Boolean(open);
    buttons.draw.setAttribute("aria-pressed", String(Boolean(open) && !hole));
    buttons.hole.setAttribute("aria-pressed", String(Boolean(open) && hole));
  };
  let latest = null;
  const answer = async () => {
    const data = await loaded;
    const crossing = crosses(rings);
    guide.textContent = open ? (hole ? say.hole : say.place) : !rings.length ? "" : crossing ? say.crossing : editable ? say.edit : say.many;
    if (crossing) buttons.save.disabled = true;
    if (!rings.length) {
      latest = null;
      found.replaceChildren();
      return;
    }
    latest = answerOf(measure(inCells(rings), data, limits));
    const { land, ratio, observed, interval, seen } = latest;
    if (!land) return found.replaceChildren(say.none);
    if (ratio === null) return found.replaceChildren(say.unseen);
    const big = document.createElement("b");
    big.textContent = fill(say.green, { ratio: percent(ratio) });
    const small = document.createElement("span");
    const notes = [fill(say.land, { area: area(land), seen: percent(observed) })];
    if (seen < 20 * cells.metres ** 2) notes.push(say.small);
    if (cells.side > 1) notes.push(fill(say.coarse, { side: cells.side * cells.metres }));
    if (panel.hasAttribute("data-lead")) notes.push(say.map);
    small.textContent = notes.join(" · ");
    const range = document.createElement("span");
    range.textContent = interval ? fill(say.between, { low: percent(interval.low), high: percent(interval.high), level: percent(interval.level) }) : say.bare;
    found.replaceChildren(big, " ", range, document.createElement("br"), small);
    found.dataset.ratio = ratio;
    found.dataset.low = interval ? interval.low : "";
    found.dataset.high = interval ? interval.high : "";
    found.dataset.land = land;
    found.dataset.seen = observed;
  };
  let waiting = false;
  const update = () => {
    show();
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; answer(); });
  };
  const keep = () => {
    past.push(JSON.stringify({ rings, name, editable }));
    if (past.length > 100) past.shift();
  };
  const begin = (asHole) => {
    if (open) open = null; // pressed again: not drawn after all
    else {
      keep();
      hole = asHole;
      if (!asHole) [rings, name, editable] = [[], "", true];
      open = [];
    }
    update();
    if (open) stage.focus({ preventScroll: true });
  };
  const finish = () => {
    if (open.length < 3) { guide.textContent = say.few; return; }
    if (hole && !open.every((point) => inside(point, rings))) {
      open = null;
      update();
      requestAnimationFrame(() => { guide.textContent = say.outside; });
      return;
    }
    rings.push(open);
    open = null;
    update();
  };
  const rounded = (point) => ({ x: Math.round(point.x * 100) / 100, y: Math.round(point.y * 100) / 100 });
  const add = (point) => {
    const k = howgreenMap.view().k;
    if (open.length > 2 && Math.hypot(point.x - open[0].x, point.y - open[0].y) * k < 14) return finish();
    const last = open[open.length - 1];
    if (last && Math.hypot(point.x - last.x, point.y - last.y) * k < 3) return; // the second half of a double click
    open.push(rounded(point));
    update();
  };
  let pressed = null;
  stage.addEventListener("pointerdown", (event) => { pressed = place(event); });
  stage.addEventListener("click", (event) => {
    if (!open || event.target.closest("button")) return;
    const here = place(event);
    if (pressed && Math.hypot(here.x - pressed.x, here.y - pressed.y) > 6) return; // the map was dragged
    add(toMap(here));
  });
  stage.addEventListener("dblclick", () => { if (open && open.length > 2) finish(); });

  // Corners: dragged by mouse, pen or finger.
  let dragged = null;
  layer.addEventListener("pointerdown", (event) => {
    const item = event.target.closest(".corner");
    if (!item || open) return;
    event.stopPropagation();
    keep();
    const ring = rings[Number(item.dataset.ring)];
    let at = Number(item.dataset.corner);
    if (item.classList.contains("between")) {
      at = Number(item.dataset.at);
      ring.splice(at, 0, rounded(toMap(place(event))));
    }
    dragged = { ring, at };
    focused = [Number(item.dataset.ring), at];
    // Nothing is drawn anew yet: a finger's own event comes next, and has to find the corner that it touched.
    stage.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  stage.addEventListener("pointermove", (event) => {
    if (!dragged) return;
    dragged.ring[dragged.at] = rounded(toMap(place(event)));
    update();
  });
  for (const kind of ["pointerup", "pointercancel"]) stage.addEventListener(kind, () => { dragged = null; });
  // A finger on a corner drags it: the page must not scroll with it.
  stage.addEventListener("touchstart", (event) => { if (!open && event.target.closest(".corner") && event.cancelable) event.preventDefault(); }, { passive: false });
  stage.addEventListener("touchmove", (event) => { if (dragged && event.cancelable) event.preventDefault(); }, { passive: false });

  // Keys: while drawing, Enter sets a corner at the cross in the middle of the map; on a corner, arrows move it.
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  stage.addEventListener("keydown", (event) => {
    const corner = event.target.closest && event.target.closest(".corner[data-corner]");
    if (corner) {
      const [r, n] = [Number(corner.dataset.ring), Number(corner.dataset.corner)];
      const ring = rings[r];
      if (arrows[event.key]) {
        keep();
        const step = (event.shiftKey ? 10 : 1) / Math.max(howgreenMap.view().k, 1);
        focused = [r, n];
        ring[n] = rounded({ x: ring[n].x + step * arrows[event.key][0], y: ring[n].y + step * arrows[event.key][1] });
      } else if (event.key === "Delete" || event.key === "Backspace") {
        keep();
        focused = null;
        if (ring.length > 3) ring.splice(n, 1);
        else rings.splice(r, 1);
      } else return;
      event.preventDefault();
      return update();
    }
    if (!open || event.target !== stage) return;
    if (event.key === "Escape") { open = null; update(); }
    else if (event.key === "Enter") finish();
    else if (event.key === " ") add(toMap({ x: stage.clientWidth / 2, y: stage.clientHeight / 2 }));
    else if (event.key === "Backspace") { open.pop(); update(); }
    else return;
    event.preventDefault();
  });

  // ---- what is saved ------------------------------------------------------------------------------------
  const { degrees } = cells;
  const lonLat = (point) => {
    const [u, v] = [(point.x * cells.grid[0]) / size.x / degrees.half[0] - 1, (point.y * cells.grid[1]) / size.y / degrees.half[1] - 1];
    const powers = degrees.terms.map(([i, j]) => u ** i * v ** j);
    const sum = (factors) => Math.round(1e7 * factors.reduce((total, factor, n) => total + factor * powers[n], 0)) / 1e7;
    return [sum(degrees.lon), sum(degrees.lat)];
  };
  const turn = (ring) => ring.reduce((total, [x, y], n) => total + x * ring[(n + 1) % ring.length][1] - ring[(n + 1) % ring.length][0] * y, 0);
  const closed = (ring, left) => {
    const points = ring.map(lonLat);
    if (turn(points) > 0 !== left) points.reverse();
    return [...points, points[0]];
  };
  const geometry = () => {
    // A ring in an even number of others is an outline; one in an odd number is a hole of the smallest of them.
    const around = rings.map((ring, n) => rings.filter((other, m) => m !== n && inside(ring[0], [other])));
    const outlines = rings.filter((_, n) => around[n].length % 2 === 0);
    const polygons = outlines.map((outline) => [
      closed(outline, true),
      ...rings.filter((ring, n) => around[n].length % 2 === 1 && around[n].length === around[rings.indexOf(outline)].length + 1 && around[n].includes(outline)).map((ring) => closed(ring, false)),
    ]);
    return polygons.length === 1 ? { type: "Polygon", coordinates: polygons[0] } : { type: "MultiPolygon", coordinates: polygons };
  };
  const geojson = () => ({
    type: "FeatureCollection",
    features: [{
      type: "Feature",
      properties: {
        name: name || say.drawn,
        city: cells.name,
        ...(latest && latest.ratio !== null ? {
          green_ratio: latest.ratio,
          interval_low: latest.interval && latest.interval.low,
          interval_high: latest.interval && latest.interval.high,
          land_area_m2: latest.land,
          observed_ratio: latest.observed,
        } : {}),
      },
      geometry: geometry(),
    }],
  });
  const save = () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(geojson(), null, 1)], { type: "application/geo+json" }));
    link.download = "area.geojson";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };

  // ---- buttons ---------------------------------------------------------------------------------------------
  const press = {
    draw: () => begin(false),
    hole: () => begin(true),
    undo: () => {
      focused = null;
      if (open && open.length) open.pop();
      else if (past.length) {
        open = null;
        ({ rings, name, editable } = JSON.parse(past.pop()));
      }
      update();
    },
    clear: () => {
      keep();
      [rings, open, name, editable, focused] = [[], null, "", true, null];
      update();
    },
    save,
  };
  for (const [key, act] of Object.entries(press)) buttons[key].addEventListener("click", act);
  if (buttons.district) {
    buttons.district.addEventListener("change", () => {
      const district = svg.querySelector(`.district[data-row="${buttons.district.value}"]`);
      if (!district) return;
      keep();
      open = null;
      name = district.dataset.name;
      rings = limitPath(district.getAttribute("d"));
      editable = rings.reduce((total, ring) => total + ring.length, 0) <= MOST_CORNERS;
      buttons.district.value = "";
      update();
    });
  }
  watch(show);
  panel.hidden = false;
  return { intervalOf, geojson };
})();
