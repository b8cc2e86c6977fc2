// The server's words. What goes wrong arrives as one line for people.

import { t } from "./words.js";

export class ServerError extends Error {
  constructor(status, detail, after = null) { super(detail); this.status = status; this.after = after; }
}

/** What visitors meet now and then is said in their language; by the kind of problem. */
const KINDS = { "urn:howgreen:queue-full": "queue-full", "urn:howgreen:used-up": "used-up", "urn:howgreen:disk-full": "disk-full", "urn:howgreen:too-often": "too-often" };

/** Ask the server; status 0 where there is no answer at all, which browsers say in words of their own. */
async function sent(path, options) {
  try { return await fetch(path, options); } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServerError(0, t("silent"));
  }
}

async function answered(response) {
  if (response.ok) return response.status === 204 ? null : response.json();
  let detail = response.statusText || `HTTP ${response.status}`, kind = "";
  try { const told = await response.json(); kind = told.type ?? ""; detail = told.detail ?? told.title ?? detail; } catch { /* no JSON: the status is told */ }
  if (KINDS[kind]) detail = t(KINDS[kind]);
  throw new ServerError(response.status, typeof detail === "string" ? detail : JSON.stringify(detail), Number(response.headers.get("Retry-After")) || null);
}

export const get = async (path, signal) => answered(await sent(path, { headers: { Accept: "application/json" }, signal }));
export const post = async (path, body, more = {}, signal) =>
  answered(await sent(path, { method: "POST", headers: { "Content-Type": "application/json", Accept: "application/json", ...more }, body: JSON.stringify(body), signal }));
export const remove = async (path) => answered(await sent(path, { method: "DELETE", headers: { "Content-Type": "application/json" } }));

export const places = (query, signal, online = false) => get(`/places?q=${encodeURIComponent(query)}&limit=8${online ? "&online=true" : ""}`, signal).then((told) => told.places);
export const place = (id) => get(`/places/${encodeURIComponent(id)}`);
export const check = (geometry, signal) => post("/places/check", geometry, {}, signal);
export const measure = (inputs) => post("/processes/city/execution", { inputs }, { Prefer: "respond-async" });
export const job = (id) => get(`/jobs/${encodeURIComponent(id)}`);
export const dismiss = (id) => remove(`/jobs/${encodeURIComponent(id)}`);
export const result = (id) => get(`/results/${encodeURIComponent(id)}`);
export const results = (limit = 30) => get(`/results?limit=${limit}`).then((told) => told.results);
export const sample = (id) => get(`/results/${encodeURIComponent(id)}/sample`);
export const pixel = (id, lon, lat, signal) => get(`/results/${encodeURIComponent(id)}/pixel?lon=${lon}&lat=${lat}`, signal);
export const area = (id, geometry) => post(`/results/${encodeURIComponent(id)}/area`, geometry);

export async function upload(file) {
  const response = await sent(`/places/upload?filename=${encodeURIComponent(file.name)}`, {
    method: "POST", headers: { "Content-Type": "application/octet-stream", Accept: "application/json" }, body: file });
  return answered(response);
}

/**
 * Follow a job's events. Browsers allow six connections an origin: a hidden tab holds none, and goes on where it was when it is seen again.
 * Returns a function that stops.
 */
export function follow(id, tell) {
  let source = null, last = 0, ended = false;
  const close = () => { source?.close(); source = null; };
  const open = () => {
    if (ended || source || document.hidden) return;
    source = new EventSource(`/jobs/${encodeURIComponent(id)}/events?after=${last}`);
    for (const kind of ["status", "progress", "date", "note"]) {
      source.addEventListener(kind, (event) => {
        last = Math.max(last, Number(event.lastEventId) || 0);
        let data;
        try { data = JSON.parse(event.data); } catch { return; }
        if (kind === "status" && ["successful", "failed", "dismissed"].includes(data.status)) { ended = true; close(); }
        tell(kind, data);
      });
    }
    source.onerror = () => {
      // The stream is cut: by a restart, or because the job is over. The job itself says which.
      close();
      if (ended) return;
      setTimeout(async () => {
        try {
          const now = await job(id);
          if (!ended) tell("status", now);
          if (["successful", "failed", "dismissed"].includes(now.status)) ended = true;
        } catch (error) {
          if (error.status === 404) { ended = true; tell("lost", { message: error.message }); } else if (!ended) tell("away", { message: error.message });
        }
        open();
      }, 1500);
    };
  };
  const seen = () => (document.hidden ? close() : open());
  document.addEventListener("visibilitychange", seen);
  open();
  return () => { ended = true; close(); document.removeEventListener("visibilitychange", seen); };
}
