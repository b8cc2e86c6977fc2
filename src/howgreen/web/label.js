"use strict";
// One unit at a time: a key a dot, or Shift and a key for the whole square. Nothing is loaded from elsewhere but the pictures of
// services that the reader's own command named.
const SVG = "http://www.w3.org/2000/svg";
const $ = (id) => document.getElementById(id);
let words, state, unit, pattern = [], history = [], size, busy = false;

// A sentence in the reader's language, with its values.
const w = (key, values = {}) => words[key].replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);

async function ask(path, body) {
  const response = await fetch(path, body === undefined ? {} : {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)});
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error ?? answer.detail);
  return answer;
}

function fail(error) {
  $("error").hidden = false;
  $("error").textContent = error.message === "Failed to fetch"
    ? w("stopped") : error.message;
}

function element(name, attributes, parent) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (parent) parent.append(made);
  return made;
}

const kindOf = (letter) => state.letters[letter];
const current = () => pattern.indexOf("");

// Looks in all that would bring the interval to a width, by the answers so far.
function sized(looks) {
  const all = Object.entries(looks || {}).sort((a, b) => b[0] - a[0]);
  return all.length ? w("in-all", {list: all.map(([points, n]) => w("looks-for", {n, points})).join(", ")}) : "";
}

function tellState() {
  $("place").textContent = state.place;
  const done = state.queue.filter((one) => state.done.includes(one)).length;
  document.body.dataset.done = done;
  $("progress").textContent = w(state.agree ? "looked-together" : "looked", {n: done, all: state.queue.length, reader: state.reader});
  const e = state.estimate;
  $("estimate").textContent = e ? w("so-far", {ratio: (100 * e.ratio).toFixed(1), low: (100 * e.low).toFixed(1), high: (100 * e.high).toFixed(1)}) + sized(state.looks_in_all) : "";
}

function draw() {
  const at = current();
  $("views").replaceChildren(...unit.views.map((view, index) => {
    const figure = document.createElement("figure");
    const frame = document.createElement("div");
    frame.className = "frame";
    for (const tile of view.tiles) {
      const image = document.createElement("img");
      image.alt = "";
      image.src = tile.src;
      image.style.left = `${100 * tile.x}%`;
      image.style.top = `${100 * tile.y}%`;
      image.style.width = image.style.height = `${100 * tile.side}%`;
      frame.append(image);
    }
    const svg = element("svg", {viewBox: "0 0 1 1", "aria-hidden": "true"});
    element("polygon", {points: view.outline.map((p) => p.join(",")).join(" "), class: "outline"}, svg);
    const radius = Math.min(0.014, 0.32 * Math.abs(view.outline[1][0] - view.outline[0][0]) / Math.sqrt(pattern.length));
    view.dots.forEach((p, i) => {
      const beyond = unit.asked[i] === "0";
      const kind = beyond ? "beyond" : pattern[i] ? kindOf(pattern[i]) : "";
      element("circle", {cx: p[0], cy: p[1], r: radius, class: `dot ${kind} ${i === at ? "current" : ""}`}, svg);
    });
    frame.append(svg);
    const caption = document.createElement("figcaption");
    const picture = state.pictures[index];
    caption.textContent = [picture.name, picture.date, picture.licence].filter(Boolean).join(" · ");
    if (!view.shows) {
      const missing = document.createElement("strong");
      missing.textContent = w("hatched");
      caption.append(document.createElement("br"), missing);
    }
    figure.append(frame, caption);
    return figure;
  }));
  lay();
  const asked = [...unit.asked].filter((one) => one === "1").length;
  const left = pattern.filter((one) => one === "").length;
  $("task").textContent = left
    ? w("task", {unit: unit.unit, dot: asked - left + 1, all: asked, question: w("l" in state.letters ? "question-change" : "question")}) : w("told", {unit: unit.unit});
  $("credit").textContent = `${unit.lat.toFixed(5)}, ${unit.lon.toFixed(5)}; ${w("across", {size})}`;
  $("readings").replaceChildren(...unit.readings.map((one) => {
    const line = document.createElement("p");
    const counts = {};
    for (const letter of one.pattern) if (kindOf(letter)) counts[kindOf(letter)] = (counts[kindOf(letter)] || 0) + 1;
    line.textContent = `${one.reader}: ` + Object.entries(counts).map(([kind, n]) => `${n} ${w(kind)}`).join(", ");
    return line;
  }));
}

// Pictures side by side, or one over the other: the slider goes through them, each fading into the next.
function lay() {
  const figures = [...$("views").children], at = Number($("fade").value);
  const stacked = $("stacked").checked && figures.length > 1;
  $("fading").hidden = figures.length < 2;
  $("fade").max = Math.max(figures.length - 1, 1);
  $("fade").disabled = !stacked;
  $("views").classList.toggle("stacked", stacked);
  figures.forEach((figure, i) => { figure.style.opacity = stacked ? Math.min(Math.max(1 + at - i, 0), 1) : 1; });
  $("stack").textContent = stacked ? figures.map((figure) => figure.querySelector("figcaption").textContent).join(" → ") : "";
}

async function show(number, keep) {
  unit = await ask(`unit/${number}/${size}.json`);
  if (!keep) {
    pattern = unit.pattern ? [...unit.pattern] : [...unit.asked].map((one) => (one === "1" ? "" : "-"));
    history = [];
  }
  $("jump").value = number;
  draw();
  document.body.dataset.unit = number;
  document.body.dataset.size = size;
}

function place(step) {
  const queue = state.queue, here = queue.indexOf(unit.unit) + step;
  return queue[Math.min(Math.max(here, 0), queue.length - 1)];
}

function firstOpen() {
  return state.queue.find((one) => !state.done.includes(one));
}

async function tell(letter, whole) {
  if (busy || current() < 0) return;
  busy = true;
  try {
    history.push([...pattern]);
    if (whole || $("whole").checked) pattern = pattern.map((one) => (one === "" ? letter : one));
    else pattern[current()] = letter;
    draw();
    if (current() < 0) {
      state = await ask("answer", {unit: unit.unit, pattern: pattern.join("")});
      $("error").hidden = true;
      tellState();
      const next = firstOpen();
      if (next !== undefined) await show(next);
    }
  } catch (error) {
    pattern = history.pop();
    draw();
    fail(error);
  } finally {
    busy = false;
  }
}

function undo() {
  if (history.length) pattern = history.pop();
  else pattern = [...unit.asked].map((one) => (one === "1" ? "" : "-"));
  draw();
}

function zoom(step) {
  const at = state.sizes.indexOf(size) + step;
  if (at < 0 || at >= state.sizes.length) return;
  size = state.sizes[at];
  show(unit.unit, true).catch(fail);
}

function listen() {
  for (const [letter, kind] of Object.entries(state.letters)) {
    const button = document.createElement("button");
    button.id = `kind-${kind}`;
    const swatch = element("svg", {viewBox: "0 0 1 1", "aria-hidden": "true"});
    element("circle", {cx: 0.5, cy: 0.5, r: 0.5, class: kind}, swatch);
    const key = document.createElement("kbd");
    key.textContent = letter;
    button.append(swatch, w(kind), key);
    button.addEventListener("click", (event) => tell(letter, event.shiftKey));
    $("kinds").append(button);
  }
  $("undo").addEventListener("click", undo);
  $("previous").addEventListener("click", () => show(place(-1)).catch(fail));
  $("next").addEventListener("click", () => show(place(1)).catch(fail));
  $("nearer").addEventListener("click", () => zoom(-1));
  $("further").addEventListener("click", () => zoom(1));
  $("stacked").addEventListener("change", lay);
  $("fade").addEventListener("input", lay);
  $("jump").addEventListener("change", () => {
    const number = Number($("jump").value);
    if (state.queue.includes(number)) show(number).catch(fail);
    else $("jump").value = unit.unit;
  });
  document.addEventListener("keydown", (event) => {
    if (["jump", "fade"].includes(event.target.id) || event.ctrlKey || event.metaKey || event.altKey) return;
    const letter = event.key.toLowerCase();
    if (letter in state.letters) tell(letter, event.shiftKey);
    else if (event.key === "Backspace") undo();
    else if (event.key === "ArrowLeft") show(place(-1)).catch(fail);
    else if (event.key === "ArrowRight") show(place(1)).catch(fail);
    else if (letter === "f" && !$("fading").hidden) $("stacked").click();
    else if (event.key === "+") zoom(-1);
    else if (event.key === "-") zoom(1);
    else return;
    event.preventDefault();
  });
}

// The words stand beside this page, in four languages; those that were chosen on the server's other page, else the browser's.
async function speak() {
  const all = await ask("label-words.json");
  let chosen = null;
  try { chosen = localStorage.getItem("howgreen-language"); } catch { /* a browser that keeps nothing */ }
  const wanted = [chosen, ...navigator.languages].filter(Boolean).map((one) => one.slice(0, 2));
  const language = wanted.find((one) => one in all) ?? "en";
  words = all[language];
  document.documentElement.lang = language;
  document.title = w("title");
  for (const one of document.querySelectorAll("[data-word]")) one.textContent = w(one.dataset.word);
  for (const one of document.querySelectorAll("[data-label]")) one.setAttribute("aria-label", w(one.dataset.label));
}

async function start() {
  await speak();
  const answer = location.pathname.match(/^\/label\/([0-9a-f]{64})\//);  // on a server, from whose answer one came
  if (answer) { $("answer").href = `/#r=${answer[1]}`; $("answer").hidden = false; }
  state = await ask("state.json");
  size = state.sizes[matchMedia("(max-width: 760px)").matches ? 0 : 1];  // a dot must be seen on a small screen too
  listen();
  tellState();
  if (!state.queue.length) {
    $("task").textContent = w(state.agree ? "nothing-to-agree" : "nothing-left");
    return;
  }
  await show(firstOpen() ?? state.queue[0]);
}

start().catch(fail);
