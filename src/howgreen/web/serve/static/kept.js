// What the browser keeps for a reader, where it may: without that everything works, and is forgotten at the next load.

const folder = (which) => { try { return window[which]; } catch { return null; } };  // asked for where cookies are refused, it throws

/** A word that outlives the tab. */
export function remembered(key) { try { return folder("localStorage")?.getItem(key) ?? null; } catch { return null; } }
export function remember(key, value) { try { folder("localStorage")?.setItem(key, value); } catch { /* full or refused */ } }

const here = new Map();

/** A value of this tab: it outlives a reload. */
export function keep(key, value) {
  here.set(key, value);
  try { folder("sessionStorage")?.setItem(key, JSON.stringify(value)); } catch { /* full or refused: until the reload */ }
}
export function kept(key) {
  if (here.has(key)) return here.get(key);
  try { return JSON.parse(folder("sessionStorage")?.getItem(key) ?? "null"); } catch { return null; }
}
