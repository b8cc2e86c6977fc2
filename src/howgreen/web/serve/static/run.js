// A measurement while it is made: what is done, which dates come in, and a way to stop it.

import * as api from "./api.js";
import { dates as dateList } from "./charts.js";
import { h, put, say, title } from "./dom.js";
import { bytes, number, percent, t } from "./words.js";

const OVER = ["successful", "failed", "dismissed"];

/** Show a job until it is over. Returns a function that stops looking (the job goes on). */
export function watch(panel, id, { done, again, back }) {
  let heading = title("…");
  const line = h("p", { class: "state", role: "status" });
  const bar = h("progress", { max: 100, "aria-label": t("progress") });
  const stages = h("ol", { class: "stages" });
  const came = h("div", { class: "came" });
  const stop = h("button", { type: "button", onclick: async () => {
    stop.disabled = true;
    try {
      if (!OVER.includes((await api.dismiss(id)).status)) { line.textContent = t("goes-on"); say(t("goes-on")); }
    } catch (error) { line.textContent = error.message; stop.disabled = false; }
  } }, t("cancel"));
  put(panel, h("p", {}, h("button", { type: "button", class: "link back", onclick: back }, t("back"))), heading, line, bar, stages, came, h("p", {}, stop));

  const known = new Map(), seen = [];
  let total = 0;
  const stage = (told) => {
    if (!told.stage) return;
    let row = known.get(told.stage);
    if (!row) {
      for (const other of known.values()) other.item.classList.add("done");
      const item = h("li", {}, h("span", {}, t(`stage-${told.stage}`) === `stage-${told.stage}` ? told.stage : t(`stage-${told.stage}`)), h("span", { class: "n quiet" }));
      row = { item };
      known.set(told.stage, row);
      stages.append(item);
    }
    row.item.lastChild.textContent = told.of ? `${number(told.done)} / ${number(told.of)}` : "";
    row.item.classList.toggle("done", Boolean(told.of) && told.done >= told.of);
    if (told.percent) bar.value = told.percent;
    if (before === "running") line.textContent = t("running");
  };
  const date = (told) => {
    if (seen.some((one) => one.date === told.date)) return;
    seen.push(told);
    seen.sort((a, b) => a.date.localeCompare(b.date));
    total += told.bytes ?? 0;
    put(came, h("h2", {}, t("dates-so-far", { n: number(seen.length) })), total ? h("p", { class: "quiet" }, t("to-read", { size: bytes(total) })) : "", dateList(seen));
  };
  let before = null;
  const status = (told) => {
    const named = title(told.label ?? t("own-area"));
    heading.replaceWith(named);
    heading = named;
    if (told.progress) bar.value = told.progress;  // none yet: the bar moves to and fro
    if (told.stage) stage({ stage: told.stage });
    const words = told.status === "accepted" ? (told.message?.includes("no worker is running") ? t("unattended") : told.placeInLine ? t("in-line", { n: number(told.placeInLine) }) : t("accepted")) : told.status === "running" ? t(known.size ? "running" : "starting") : told.status === "failed" ? (told.message || t("failed")) : t(told.status);
    line.textContent = words;
    line.classList.toggle("problem", told.status === "failed");
    if (told.status !== before) say(words);
    before = told.status;
    if (told.status === "successful" && told.result) done(told.result);
    else if (OVER.includes(told.status)) {
      bar.hidden = true;
      stop.replaceWith(h("button", { type: "button", onclick: again }, t("ask-again")));
    }
  };
  const tell = (kind, told) => {
    if (kind === "status") status(told);
    else if (kind === "progress") stage(told);
    else if (kind === "date") date(told);
    else if (kind === "note" && told.text) came.prepend(h("p", { class: "quiet" }, told.text));
    else if (kind === "lost") { line.textContent = told.message; line.classList.add("problem"); bar.hidden = true; stop.replaceWith(h("button", { type: "button", onclick: again }, t("ask-again"))); }
    else if (kind === "away") line.textContent = t("away");
  };
  let leave = () => {};
  let left = false;
  const begin = async () => {
    if (left) return;
    try {
      const now = await api.job(id);
      if (left) return;
      status(now);
      if (!OVER.includes(now.status)) leave = api.follow(id, tell);
    } catch (error) {
      if (error.status && error.status < 500) { tell("lost", { message: error.message }); return; }
      tell("away", {});  // a server that starts again, or a line that is down: asked until it answers
      setTimeout(begin, 2000);
    }
  };
  begin();
  const tick = setInterval(async () => {  // the place in line moves without an event of this job
    if (before !== "accepted" || document.hidden) return;
    try { status(await api.job(id)); } catch { /* the stream tells */ }
  }, 4000);
  return () => { left = true; leave(); clearInterval(tick); };
}
