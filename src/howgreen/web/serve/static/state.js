// What is shown stands in the address: a link opens exactly this view again.

/** Read the view from the address' fragment. */
export function read() {
  const given = new URLSearchParams(location.hash.slice(1));
  const text = (key, pattern) => { const value = given.get(key); return value !== null && pattern.test(value) ? value : null; };
  const within = (key, low, high) => { const value = Number(given.get(key)); return given.has(key) && Number.isFinite(value) ? Math.min(high, Math.max(low, value)) : null; };
  const view = text("v", /^-?[\d.]+,-?[\d.]+,[\d.]+$/)?.split(",").map(Number);
  return {
    draw: given.has("draw"),
    place: given.get("p")?.slice(0, 200) ?? null,
    job: text("j", /^[\w-]{1,64}$/),
    results: (text("r", /^[\w-]{1,80}(,[\w-]{1,80}){0,3}$/) ?? "").split(",").filter(Boolean),
    layer: text("l", /^\w{1,40}$/),
    opacity: within("o", 0, 100),
    swipe: text("s", /^[\w-]{1,80}(:\w{1,40})?$/),
    at: within("at", 0, 100),
    district: text("d", /^\d{1,5}$/),
    view: view && view.every(Number.isFinite) && Math.abs(view[1]) <= 90 ? view : null,
  };
}

const write = (state) => {
  const told = new URLSearchParams();
  const put = (key, value) => { if (value !== null && value !== undefined && value !== "") told.set(key, value); };
  put("draw", state.draw ? 1 : null); put("p", state.place); put("j", state.job); put("r", state.results?.length ? state.results.join(",") : null);
  put("l", state.layer); put("o", state.opacity); put("s", state.swipe); put("at", state.at); put("d", state.district);
  put("v", state.view ? state.view.map((value, i) => value.toFixed(i < 2 ? 5 : 2)).join(",") : null);
  return `#${told.toString().replaceAll("%2C", ",").replaceAll("%3A", ":")}`;
};

/** Another screen: the browser's own "back" leads to the one before, or to that before it where this one takes its place. */
export function go(state, { instead = false } = {}) {
  const to = write(state);
  if (to === (location.hash || "#")) window.dispatchEvent(new Event("hashchange"));
  else if (instead) location.replace(to);
  else location.hash = to;
}

/** The same screen, seen otherwise: no new step in the browser's history. */
export function note(changes) {
  history.replaceState(null, "", write({ ...read(), ...changes }));
}
