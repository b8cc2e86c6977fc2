"""``contest.md`` and its figures, from the figures of a contest: nothing on the page is written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from howgreen.core.files import write_atomic
from howgreen.training.contest import sureness
from howgreen.training.contest.classes import NAMES
from howgreen.training.contest.effort import CANDIDATES
from howgreen.training.contest.judge import ZONES_PX, mean_of
from howgreen.training.evaluate import Z_95

_SLOW_MPX_S = 5.0
"""Slower models do not qualify as the default."""


def write_page(contests: Sequence[Mapping[str, Any]], out: Path, *, pictures: Mapping[str, str], quick: bool) -> Path:
    """Write ``out/contest.md``; ``pictures`` are files below ``out``, by subject."""
    lines = [
        "# Which algorithm maps city green best?",
        "**In short.** " + " ".join(_verdict(each) for each in contests),
    ]
    if quick:
        lines.append("**This is a quick run. Its figures mean nothing.**")
    lines.append(_OPENING)
    for contest in contests:
        lines += _section(contest)
    lines += [f"## {title}\n\n![{title}]({name})" for title, name in pictures.items()]
    page = out / "contest.md"
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(page, "\n\n".join(lines) + "\n")
    return page


_BANDS = {
    "sentinel-2": "ten bands of Sentinel-2",
    "four": "blue, green, red and near-infrared",
    "landsat": "six bands of Landsat",
}


def _verdict(contest: Mapping[str, Any]) -> str:
    """Say which algorithm to use with these bands, and how much it matters."""
    found = contest["contestants"]
    ranked = sorted(found, key=lambda name: ratio_error(found[name]))
    best, worst = ranked[0], ranked[-1]
    text = (
        f"With {_BANDS[contest['band_set']]}, **{best}** errs least in simulated cities ({ratio_error(found[best]):.1f} points of the city's "
        f"ratio, root mean square), {worst} most ({ratio_error(found[worst]):.1f})"
    )
    slow = 2 / found[best]["seconds_per_mpx"] < _SLOW_MPX_S
    text += f", but it is slow ({2 / found[best]['seconds_per_mpx']:.1f} Mpx/s on two cores)." if slow else "."
    right = {name: mean_of(each["cities"], "oa") for name, each in found.items() if each["cities"]}
    if right:
        low, high = min(right, key=lambda name: right[name]), max(right, key=lambda name: right[name])
        text += (
            f" On real, pure pixels that none of them was trained on, they are {100 * right[low]:.1f} ({low}) to {100 * right[high]:.1f} % ({high}) "
            "right, green or not."
        )
    shipped = [name for name in ranked if name.startswith(_SHIPPED)]
    return text + (_beside_shipped(found, best, shipped[0]) if shipped else "")


def _beside_shipped(found: Mapping[str, Any], best: str, shipped: str) -> str:
    if best == shipped:
        return " So take the model that comes with howgreen."
    gain, half = _gain(found[shipped], found[best])
    if gain - half > 0:
        return (
            f" The best model that comes with howgreen, {shipped.removeprefix(_SHIPPED)}, errs by {ratio_error(found[shipped]):.1f}: more than "
            f"by chance, but {best} learned from towns of the same builder, which no real city is."
        )
    return (
        f" The best model that comes with howgreen, {shipped.removeprefix(_SHIPPED)}, errs by {ratio_error(found[shipped]):.1f}: no more than "
        "chance can explain, so take that one."
    )


_OPENING = f"""Written by `howgreen benchmark`; do not edit. Every figure is of the ONNX file, run as the program runs it.

All algorithms learn from the same pixels: simulated mixtures, simulated towns, labelled pixels of real cities. The two NDVI
rules look for their own numbers on these; every other algorithm may try {CANDIDATES} settings, on simulated towns that do not
judge. KNN and SVM keep a random subsample of the pixels, because their files and their time grow with it.

Every algorithm's model, trained on everything, lies in `models/` where the page was written (`--out`): `howgreen city PLACE
--model models/combination-sentinel-2.onnx`. To train one on a city of your own: `howgreen train --algorithm NAME`.

- **Real, pure pixels**: the whole city is left out of training. Freiburg and Münster are rows of a table, so U-Net is shown an even
  field of each pixel: it cannot use its surroundings there. In Aberystwyth it sees the image.
  Landsat's are Tabasco in a wet and in a dry season, which no model was trained on; its polygons were drawn in the wet season, and what is
  called bare then carries weeds.
- **Simulated cities**: the sample city's simulator with other seeds. Their materials are in no training sample, but towns of the
  same builder are: this favours what learned from the towns, U-Net most. Synthetic, and no accuracy of a real city.
- **Potsdam**: 98 photo-interpreted fractions of 30 m (EnMAP). It judges only; no setting and no method was chosen by it. U-Net is
  shown even fields.
- **Shipped** models, those that are chosen from where none is named, stand beside the contestants: they were trained on simulated mixtures and a few field-measured pixels of Australia, but
  the cities guided their priors. `unet-10` is a larger U-Net
  than the one below, and learned from more, but from no real city.
- **Random split** is what must not be done: half of the pixels of every city, judged by the other half. It is here to show how much it
  flatters. Pixels of one polygon are alike, so it tells how well polygons are remembered."""


_SURENESS = (
    "Of the green share: *held* is the share of pixels that are within 1.96 of the standard error told for them (aim: 95 %); then the "
    "standard error told and the true one, root mean squares. Mixtures of real pixels set the factor on all standard errors; simulated "
    "cities and Potsdam set nothing. Potsdam's own reference is uncertain too, which is in its misses."
)


def _section(contest: Mapping[str, Any]) -> list[str]:
    found = contest["contestants"]
    parts = [f"## Bands: {contest['band_set']}", _summary(found), _winner(found)]
    if any(each["cities"] for each in found.values()):
        parts += ["### Real places, each left out: pure pixels, green or not", _cities(found)]
    parts += ["### Simulated cities: green fraction of 10 m pixels and the city's ratio" if contest["band_set"] != "landsat"
              else "### Simulated cities: green fraction of 30 m pixels and the city's ratio", _simulated(found)]  # fmt: skip
    parts += ["### Zones: does an interval of one width hold?", _zones(found)]
    if any("half_widths_points" in each for each in found.values()):
        parts += ["### Intervals of the shipped models: how many simulated zones they hold", _intervals(found)]
    if any(each.get("sureness") for each in found.values()):
        parts += ["### Does a model know how far off each pixel is?", table(*sureness.table(found)), _SURENESS]
    if any(each["cities"] for each in found.values()):
        parts += ["### Confusion of the six covers, all left-out places together (rows: true)", *_confusions(found)]
    settings = ", ".join(f"{name} {_told(setting)}" for name, setting in contest["settings"].items() if setting)
    return [*parts, f"Settings chosen: {settings}." if settings else ""]


def _told(setting: Mapping[str, float]) -> str:
    return " ".join(f"{key}={value:g}" for key, value in setting.items())


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format a table in Markdown."""
    return "\n".join(["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)])


def _worst(each: Mapping[str, Any]) -> float:
    return float(np.abs([city["ratio_points"] for city in each["simulated"].values()]).max())


def ratio_error(each: Mapping[str, Any]) -> float:
    """Compute the root mean square error of the simulated cities' ratios, in points."""
    return float(np.sqrt(np.mean([city["ratio_points"] ** 2 for city in each["simulated"].values()])))


def _summary(found: Mapping[str, Any]) -> str:
    head = ["", "real: OA", "real: F1", "random split: OA", "ratio error, points (RMS)", "worst city", "simulated: RMSE", "Potsdam: RMSE",
            "Potsdam: bias", "s/Mpx, one core", "Mpx/s, two cores", "KiB"]  # fmt: skip
    rows = []
    for name, each in found.items():
        cities, potsdam = each["cities"], each["potsdam"]
        rows.append([
            name, *([f"{mean_of(cities, key):.3f}" for key in ("oa", "f1")] if cities else ["", ""]),
            f"{each['random_split_oa']:.3f}" if "random_split_oa" in each else "", f"{ratio_error(each):.2f}", f"{_worst(each):.2f}",
            f"{mean_of(each['simulated'], 'rmse'):.3f}", f"{potsdam['rmse']:.3f}", f"{potsdam['bias']:+.3f}",
            f"{each['seconds_per_mpx']:.2f}", f"{2 / each['seconds_per_mpx']:.1f}", f"{each['bytes'] / 1024:.0f}",
        ])  # fmt: skip
    return table(head, rows)


_SHIPPED = "shipped "


def winner(found: Mapping[str, Any]) -> str | None:
    """Return the contestant with the smallest ratio error among the fast enough, or None."""
    fast = {name: ratio_error(each) for name, each in found.items() if 2 / each["seconds_per_mpx"] >= _SLOW_MPX_S}
    return min(fast, key=lambda name: fast[name]) if fast else None


def _winner(found: Mapping[str, Any]) -> str:
    name = winner(found)
    if name is None:
        return f"No algorithm reaches {_SLOW_MPX_S:g} Mpx/s on two cores."
    said = (f"Smallest ratio error in simulated cities among those of at least {_SLOW_MPX_S:g} Mpx/s on two cores (twice one core): "
            f"**{name}**, {ratio_error(found[name]):.2f} points.")  # fmt: skip
    foreign = winner({other: each for other, each in found.items() if other.startswith(_SHIPPED)})
    if foreign is None or name == foreign:
        return said
    gain, half = _gain(found[foreign], found[name])
    return (f"{said} It was trained on towns by the builder of the cities that judge here; of the models that were not, the smallest error has "
            f"**{foreign}**, {ratio_error(found[foreign]):.2f} points. Between the two, the mean squared error of a city differs by {gain:.2f} "
            f"± {half:.2f} square points (95 % of {len(found[name]['simulated'])} cities, paired).")  # fmt: skip


def _gain(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[float, float]:
    """Mean difference in squared ratio error per city between two contestants, square points, and its half-width."""
    squares = [np.square([city["ratio_points"] for city in each["simulated"].values()]) for each in (one, other)]
    differences = squares[0] - squares[1]
    return float(differences.mean()), float(Z_95 * differences.std(ddof=1) / np.sqrt(len(differences)))


def _cities(found: Mapping[str, Any]) -> str:
    keys = ("oa", "f1", "iou", "kappa", "class_oa", "calibration_error")
    head = ["", "city", "n", "OA", "F1", "IoU", "kappa", "OA of six covers", "calibration error"]
    rows = [
        [name, city, str(figures["n"]), *(f"{figures[key]:.3f}" if key in figures else "" for key in keys)]
        for name, each in found.items()
        for city, figures in each["cities"].items()
    ]
    return table(head, rows)


def _simulated(found: Mapping[str, Any]) -> str:
    keys = ("rmse", "mae", "bias", "r2", "calibration_error")
    cities = list(next(iter(found.values()))["simulated"])
    head = ["", "RMSE", "MAE", "bias", "R²", "calibration error", *(f"{city}: points" for city in cities)]
    rows = [
        [name, *(f"{mean_of(each['simulated'], key):.3f}" for key in keys),
         *(f"{each['simulated'][city]['ratio_points']:+.2f}" for city in cities)]
        for name, each in found.items()
    ]  # fmt: skip
    truth = "; ".join(
        f"{city} {100 * f['true_ratio']:.1f} %" for city, f in next(iter(found.values()))["simulated"].items()
    )
    return table(head, rows) + f"\n\nTrue ratios: {truth}. Mean over cities but for the last columns."


def _zones(found: Mapping[str, Any]) -> str:
    """Half-width that 95 % of zones need, and how many zones the whole-city width would cover."""
    head = [
        "",
        "cities: 1.96 × RMS",
        *(f"{side} px zones: {what}" for side in ZONES_PX for what in ("95 % half-width", "held")),
    ]
    rows = []
    for name, each in found.items():
        city = Z_95 * ratio_error(each)
        row = [name, f"{city:.1f}"]
        for side in ZONES_PX:
            misses = _misses(each, str(side))
            row += (
                [f"{np.quantile(misses, 0.95):.1f}", f"{100 * np.mean(misses <= city):.0f} %"]
                if len(misses)
                else ["", ""]
            )
        rows.append(row)
    return (table(head, rows) + "\n\nIn points of the ratio; *held* is the share of zones whose error is within the width of whole cities. "
            "Errors of neighbouring pixels go together, so a small zone needs a wider interval than its city.")  # fmt: skip


def _intervals(found: Mapping[str, Any]) -> str:
    """Tabulate the reported half-width, and the share of zones that it covers."""
    head = [
        "",
        *(f"{side} px zones: {what}" for side in ZONES_PX for what in ("± points", "held")),
        "cities: ± points",
        "held",
    ]
    rows = []
    for name, each in found.items():
        widths = each.get("half_widths_points")
        if not widths:
            continue
        row = [name]
        for side in (*map(str, ZONES_PX), "city"):
            misses = _misses(each, side)
            row += (
                [f"{widths[side]:.1f}", f"{100 * np.mean(misses <= widths[side]):.0f} % of {len(misses)}"]
                if len(misses)
                else ["", ""]
            )
        rows.append(row)
    return (table(head, rows) + "\n\nThe widths of zones come from other simulated cities (other seeds, same materials), that of cities from "
            "Potsdam's reference. A 95 % interval should hold 90-98 %.")  # fmt: skip


def _misses(each: Mapping[str, Any], side: str) -> Any:
    """Absolute errors, in points, of zones of one size, or of whole cities."""
    if side == "city":
        return np.abs([city["ratio_points"] for city in each["simulated"].values()])
    return np.abs([miss for city in each["simulated"].values() for miss in city["zones"].get(side, ())])


def _confusions(found: Mapping[str, Any]) -> list[str]:
    tables = []
    for name, each in found.items():
        counts = [city["confusion"] for city in each["cities"].values() if "confusion" in city]
        if counts:
            total = np.sum(counts, axis=0)
            rows = [[NAMES[i], *(str(value) for value in row)] for i, row in enumerate(total.tolist()) if sum(row)]
            tables.append(f"**{name}**\n\n" + table(["", *NAMES], rows))
    return tables
