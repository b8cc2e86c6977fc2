"use strict";
// A map: pictures over each other, moved and scaled as one. It holds no projection. A page may show several; the first is the answer's.
const [howgreenMap] = [...document.querySelectorAll(".viewer")].map((viewer) => {
  const stage = viewer.querySelector(".stage");
  const world = viewer.querySelector(".world");
  const tip = viewer.querySelector(".tip");
  const size = { x: Number(viewer.dataset.width), y: Number(viewer.dataset.height) };
  const metres = Number(viewer.dataset.metres);
  const watchers = [];
  let view = { k: 1, x: 0, y: 0 };
  let fit = 1;

  // Without this script the pictures fill the frame by style alone.
  viewer.classList.add("live");
  world.style.width = `${size.x}px`;
  world.style.height = `${size.y}px`;

  // ---- pan and zoom -------------------------------------------------------------------------
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const draw = () => {
    const free = (axis, room) => {
      const shown = size[axis] * view.k;
      // Smaller than the frame: centred. Larger: never dragged away from it.
      view[axis] = shown <= room ? (room - shown) / 2 : clamp(view[axis], room - shown, 0);
    };
    free("x", stage.clientWidth);
    free("y", stage.clientHeight);
    world.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.k})`;
    world.style.setProperty("--thin", 1 / view.k);
    stage.classList.toggle("close", view.k > 2);
    rule();
    for (const watcher of watchers) watcher(view);
  };
  const rule = () => {
    const bar = viewer.querySelector(".rule i");
    const longest = (110 / view.k) * metres;
    const power = 10 ** Math.floor(Math.log10(longest));
    const length = [5, 2, 1].find((n) => n * power <= longest) * power;
    bar.style.width = `${(length / metres) * view.k}px`;
    viewer.querySelector(".rule span").textContent = length >= 1000 ? `${length / 1000} km` : `${length} m`;
  };
  const zoom = (factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) => {
    const k = clamp(view.k * factor, fit, fit * 40);
    view = { k, x: x - ((x - view.x) * k) / view.k, y: y - ((y - view.y) * k) / view.k };
    draw();
  };
  const all = () => {
    fit = Math.min(stage.clientWidth / size.x, stage.clientHeight / size.y);
    view = { k: fit, x: 0, y: 0 };
    draw();
  };
  const move = (x, y) => {
    const before = [view.x, view.y];
    view.x += x;
    view.y += y;
    draw();
    return view.x !== before[0] || view.y !== before[1];
  };
  const place = (event) => {
    const box = stage.getBoundingClientRect();
    return { x: event.clientX - box.left - stage.clientLeft, y: event.clientY - box.top - stage.clientTop };
  };
  const toMap = (point) => ({ x: (point.x - view.x) / view.k, y: (point.y - view.y) / view.k });

  // A hint, for a moment, when somebody scrolls over the map: the page moves, not the map.
  const knack = viewer.querySelector(".knack");
  let fading = 0;
  const hint = (text) => {
    if (!knack || !text) return;
    knack.textContent = text;
    knack.classList.add("on");
    clearTimeout(fading);
    fading = setTimeout(() => knack.classList.remove("on"), 1200);
  };

  // ---- mouse and pen: drag; fingers have their own events below ------------------------------
  let held = null;
  stage.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "touch" || event.button !== 0 || event.target.closest("button, .corner")) return;
    held = { ...place(event), id: event.pointerId };
    stage.classList.add("dragging");
  });
  stage.addEventListener("pointermove", (event) => {
    if (event.pointerType === "touch") return;
    const here = place(event);
    hover(event.target, here);
    if (!held || held.id !== event.pointerId) return;
    if (!stage.hasPointerCapture(event.pointerId)) {
      if (Math.hypot(here.x - held.x, here.y - held.y) < 3) return; // a click that trembles is no drag
      stage.setPointerCapture(event.pointerId);
    }
    move(here.x - held.x, here.y - held.y);
    held = { ...here, id: event.pointerId };
  });
  for (const name of ["pointerup", "pointercancel"]) {
    stage.addEventListener(name, () => {
      held = null;
      stage.classList.remove("dragging");
    });
  }
  stage.addEventListener("pointerleave", () => hover(null));
  stage.addEventListener("click", (event) => hover(event.target, place(event)));

  // ---- wheel: the page scrolls, but for Ctrl (which is also what a touchpad's pinch sends) ------
  stage.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return hint(stage.dataset.hintWheel);
    event.preventDefault();
    const here = place(event);
    const step = event.deltaMode === 1 ? 0.05 : Math.abs(event.deltaY) < 40 ? 0.01 : 0.0025;
    zoom(Math.exp(-event.deltaY * step), here.x, here.y);
  }, { passive: false });

  // ---- fingers: one scrolls the page, two move and zoom the map ---------------------------------
  let pinch = null;
  const fingers = (event) => {
    const [a, b] = [place(event.touches[0]), place(event.touches[1])];
    return { d: Math.hypot(a.x - b.x, a.y - b.y), x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
  };
  stage.addEventListener("touchstart", (event) => {
    if (event.touches.length !== 2) return;
    event.preventDefault();
    pinch = fingers(event);
  }, { passive: false });
  stage.addEventListener("touchmove", (event) => {
    if (event.touches.length === 1 && !event.target.closest(".corner")) hint(stage.dataset.hintTouch);
    if (event.touches.length !== 2 || !pinch) return;
    if (event.cancelable) event.preventDefault();
    const now = fingers(event);
    move(now.x - pinch.x, now.y - pinch.y);
    if (pinch.d > 0) zoom(now.d / pinch.d, now.x, now.y);
    pinch = now;
  }, { passive: false });
  for (const name of ["touchend", "touchcancel"]) stage.addEventListener(name, () => { pinch = null; });

  // ---- keys and buttons ---------------------------------------------------------------------------
  const keys = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
  stage.addEventListener("keydown", (event) => {
    if (event.target !== stage || event.ctrlKey || event.metaKey) return;
    if (keys[event.key]) {
      if (!move(...keys[event.key])) return; // nothing to move: the page may scroll
    } else if (event.key === "+" || event.key === "=") zoom(1.5);
    else if (event.key === "-") zoom(1 / 1.5);
    else if (event.key === "0") all();
    else return;
    event.preventDefault();
  });
  const actions = { in: () => zoom(1.6), out: () => zoom(1 / 1.6), all };
  for (const button of viewer.querySelectorAll("[data-do]")) button.addEventListener("click", actions[button.dataset.do]);
  stage.addEventListener("dblclick", (event) => {
    if (!event.target.closest("button, .corner") && !stage.classList.contains("drawing")) zoom(2, place(event).x, place(event).y);
  });
  new ResizeObserver(all).observe(stage);

  // ---- layers and switches ------------------------------------------------------------------------
  const fade = viewer.querySelector(".fade input");
  const picks = [...viewer.querySelectorAll("[data-layer]")];
  const blend = (chosen) => {
    const layer = picks.find((pick) => pick.getAttribute("aria-pressed") === "true") || picks[0];
    for (const picture of viewer.querySelectorAll(".over")) {
      const on = picture.id === layer.dataset.layer;
      picture.classList.toggle("shown", on);
      picture.style.opacity = on && fade ? fade.value / 100 : "";
    }
    if (fade) fade.disabled = !layer.dataset.layer;
    const name = viewer.querySelector(".fade-name");
    if (name && layer.dataset.layer) name.textContent = layer.textContent;
    if (fade && layer.dataset.layer) fade.setAttribute("aria-valuetext", `${layer.textContent}: ${fade.value} %`);
    for (const legend of viewer.querySelectorAll("[data-of]")) legend.classList.toggle("aside", chosen && legend.dataset.of !== layer.dataset.layer);
  };
  for (const pick of picks) {
    pick.addEventListener("click", () => {
      for (const other of picks) other.setAttribute("aria-pressed", String(other === pick));
      if (fade && fade.value === "0") fade.value = 100;
      blend(true);
    });
  }
  if (fade) fade.addEventListener("input", () => blend(true));
  for (const box of viewer.querySelectorAll("[data-show]")) {
    box.addEventListener("change", () => {
      for (const item of viewer.querySelectorAll(`#${box.dataset.show}, .${box.dataset.show}`)) item.style.display = box.checked ? "" : "none";
    });
  }

  // ---- districts ------------------------------------------------------------------------------------
  const mark = (row) => {
    for (const item of document.querySelectorAll("[data-row]")) item.classList.toggle("on", item.dataset.row === row);
  };
  const hover = (target, here) => {
    const over = target && target.dataset && !stage.classList.contains("drawing") ? target.dataset : {};
    tip.hidden = !over.name;
    if (over.row !== undefined || target === null) mark(over.row);
    if (!over.name) return;
    const name = document.createElement("b");
    name.textContent = over.name;
    tip.replaceChildren(name, over.text);
    tip.style.left = `${clamp(here.x + 16, 0, Math.max(0, stage.clientWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${clamp(here.y + 18, 0, Math.max(0, stage.clientHeight - tip.offsetHeight - 8))}px`;
  };
  for (const item of document.querySelectorAll("tr[data-row], .area")) {
    item.addEventListener("mouseenter", () => mark(item.dataset.row));
    item.addEventListener("mouseleave", () => mark(undefined));
  }

  if (picks.length) blend(false);
  all();
  return { stage, world, size, place, toMap, clamp, view: () => view, watch: (watcher) => { watchers.push(watcher); watcher(view); } };
});
