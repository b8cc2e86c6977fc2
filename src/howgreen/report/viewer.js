"use strict";
(() => {
  const viewer = document.getElementById("viewer");
  const stage = viewer.querySelector(".stage");
  const world = viewer.querySelector(".world");
  const tip = viewer.querySelector(".tip");
  const size = { x: Number(viewer.dataset.width), y: Number(viewer.dataset.height) };
  const metres = Number(viewer.dataset.metres);
  let view = { k: 1, x: 0, y: 0 };
  let fit = 1;

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
    view.x += x;
    view.y += y;
    draw();
  };

  const fingers = new Map();
  const spread = () => {
    const [a, b] = [...fingers.values()];
    return { d: Math.hypot(a.x - b.x, a.y - b.y), x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
  };
  const place = (event) => {
    const box = stage.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  stage.addEventListener("pointerdown", (event) => {
    if (event.target.closest("button")) return;
    fingers.set(event.pointerId, place(event));
    stage.classList.add("dragging");
  });
  stage.addEventListener("pointermove", (event) => {
    const here = place(event);
    const last = fingers.get(event.pointerId);
    hover(event.target, here);
    if (!last) return;
    if (!stage.hasPointerCapture(event.pointerId)) stage.setPointerCapture(event.pointerId);
    if (fingers.size === 1) {
      fingers.set(event.pointerId, here);
      move(here.x - last.x, here.y - last.y);
    } else if (fingers.size === 2) {
      const before = spread();
      fingers.set(event.pointerId, here);
      const now = spread();
      move(now.x - before.x, now.y - before.y);
      if (before.d > 0) zoom(now.d / before.d, now.x, now.y);
    }
  });
  for (const name of ["pointerup", "pointercancel"]) {
    stage.addEventListener(name, (event) => {
      fingers.delete(event.pointerId);
      if (!fingers.size) stage.classList.remove("dragging");
    });
  }
  stage.addEventListener("pointerleave", () => hover(null));
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const here = place(event);
    zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), here.x, here.y);
  }, { passive: false });
  stage.addEventListener("dblclick", (event) => zoom(2, place(event).x, place(event).y));
  const keys = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
  stage.addEventListener("keydown", (event) => {
    if (event.target !== stage || event.ctrlKey || event.metaKey) return;
    if (keys[event.key]) move(...keys[event.key]);
    else if (event.key === "+" || event.key === "=") zoom(1.5);
    else if (event.key === "-") zoom(1 / 1.5);
    else if (event.key === "0") all();
    else return;
    event.preventDefault();
  });
  const actions = { in: () => zoom(1.6), out: () => zoom(1 / 1.6), all };
  for (const button of viewer.querySelectorAll("[data-do]")) button.addEventListener("click", actions[button.dataset.do]);
  new ResizeObserver(all).observe(stage);

  // ---- fade and switches ----------------------------------------------------------------------
  const fade = document.getElementById("fade");
  const stops = [...viewer.querySelectorAll("[data-stop]")];
  const blend = () => {
    const value = Number(fade.value);
    for (const stop of stops) {
      const place = Number(stop.dataset.stop);
      // Each picture fades in over the one before; the photo lies below them all.
      document.getElementById(stop.dataset.layer).style.opacity = place ? clamp(value - place + 1, 0, 1) : 1;
      stop.setAttribute("aria-pressed", String(Math.round(value) === place));
    }
    fade.setAttribute("aria-valuetext", stops[Math.round(value)].textContent);
  };
  fade.addEventListener("input", blend);
  for (const stop of stops) stop.addEventListener("click", () => { fade.value = stop.dataset.stop; blend(); });
  for (const box of viewer.querySelectorAll("[data-show]")) {
    box.addEventListener("change", () => {
      for (const item of viewer.querySelectorAll(`#${box.dataset.show}, .${box.dataset.show}`)) item.style.display = box.checked ? "" : "none";
    });
  }

  // ---- districts --------------------------------------------------------------------------------
  const mark = (row) => {
    for (const item of document.querySelectorAll("[data-row]")) item.classList.toggle("on", item.dataset.row === row);
  };
  const hover = (target, here) => {
    const over = target && target.dataset ? target.dataset : {};
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
  const compare = new Intl.Collator(undefined, { numeric: true }).compare;
  for (const button of document.querySelectorAll("#districts th button")) {
    button.addEventListener("click", () => {
      const head = button.parentElement;
      const column = [...head.parentElement.children].indexOf(head);
      const text = column === 0;
      const down = head.ariaSort === "descending" || (head.ariaSort === "none" && text) ? 1 : -1;
      const value = (row) => row.children[column].dataset.value;
      const body = document.querySelector("#districts tbody");
      const order = (a, b) => down * (text ? compare(value(a), value(b)) : value(a) - value(b));
      body.append(...[...body.children].sort(order));
      for (const other of head.parentElement.children) if (other.ariaSort) other.ariaSort = "none";
      head.ariaSort = down > 0 ? "ascending" : "descending";
    });
  }
  blend();
  all();
})();
