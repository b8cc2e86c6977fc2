// Words and numbers in the reader's language.

import { remember, remembered } from "./kept.js";

export const LANGUAGES = { en: "English", fr: "Français", de: "Deutsch", es: "Español" };
let language = "en", locale = "en", catalogue = {};

/** Choose the language: what was chosen before, else what the browser asks for. */
export async function speak(wanted) {
  const asked = [wanted, remembered("howgreen-language"), ...navigator.languages].filter(Boolean).map((one) => one.slice(0, 2));
  language = asked.find((one) => one in LANGUAGES) ?? "en";
  locale = navigator.languages.find((one) => one.slice(0, 2) === language) ?? language;  // "en-GB" writes its days otherwise than "en-US"
  catalogue = await (await fetch(`/static/i18n/${language}.json`)).json();
  document.documentElement.lang = language;
  document.title = t("title");
  document.getElementById("skip").textContent = t("skip");
}
export function choose(code) { remember("howgreen-language", code); }
export const spoken = () => language;

/** A sentence of the catalogue with its values: `t("found", {n: "3"})`. */
export function t(key, values = {}) {
  const text = (values.n === "1" && catalogue[`${key}-one`]) || (catalogue[key] ?? key);
  return text.replace(/\{(\w+)\}/g, (all, name) => (name in values ? values[name] : all));
}

const format = (options, value) => new Intl.NumberFormat(locale, options).format(value);
export const number = (value, digits = 0) => format({ maximumFractionDigits: digits, minimumFractionDigits: digits }, value);
export const percent = (ratio, digits = 0) => format({ style: "percent", maximumFractionDigits: digits }, ratio);
export const km2 = (m2) => { const km = m2 / 1e6; return `${number(km, km < 10 ? (km < 0.1 ? 3 : 2) : km < 100 ? 1 : 0)} km²`; };
export const day = (text) => new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" }).format(new Date(`${text.slice(0, 10)}T00:00:00Z`));
export const when = (text) => new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" }).format(new Date(text));
/** Some seconds, as people say them. */
export const spell = (seconds) => { const [many, unit] = seconds < 120 ? [seconds, "second"] : seconds < 7200 ? [seconds / 60, "minute"] : [seconds / 3600, "hour"]; return format({ style: "unit", unit, unitDisplay: "long", maximumFractionDigits: 0 }, many); };
export const bytes = (count) => {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let power = 0;
  while (count >= 1000 && power < units.length - 1) { count /= 1000; power += 1; }
  return `${number(count, power && count < 10 ? 1 : 0)} ${units[power]}`;
};
/** Points of a per cent on both sides: "±21". */
export const points = (low, high) => number((high - low) * 50, 0);
