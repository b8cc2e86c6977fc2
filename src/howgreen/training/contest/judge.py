"""Evaluation of a contestant: through its ONNX file, as in production, on places unseen in training."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from howgreen.core.models import water_codes
from howgreen.landcover.classify import classify_array, classify_block
from howgreen.landcover.model import Model
from howgreen.landcover.tiles import margin_px
from howgreen.training.clusters import bootstrapped_error
from howgreen.training.contest.classes import GREEN, NAMES, WATER
from howgreen.training.contest.samples import Floats, Place, unlabelled
from howgreen.training.evaluate import Predict, errors

_BATCH = 64
_ROWS = 4096
BINS = 10


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A model's predictions for a place's known pixels, with the truth."""

    green: Floats
    """(n,)."""
    probability: Floats
    """(n, class), classes of the model."""
    true_green: Floats
    true_shares: Floats
    """(n, class), the six."""
    uncertainty: Floats | None = None
    """(n,) standard error of the green share; None if the model does not predict it, or uses neighbouring pixels."""


def answer(model: Model, place: Place) -> Answer:
    """Run the model on a place."""
    place = place.with_bands(model.card.bands)
    rows, shares = place.rows()
    unsure = None
    if not model.card.looks_around:
        probability, green, unsure = _on_rows(model, rows)
    elif place.even:
        probability, green = _on_even_fields(model, rows)
    else:
        block = classify_array(place.reflectance, model)
        probability, green = block[2 : 2 + len(model.card.classes)][:, place.known].T, block[1][place.known]
    true = shares[:, GREEN].sum(axis=1)
    return Answer(green=green, probability=probability, true_green=true, true_shares=shares, uncertainty=unsure)


def predict_of(model: Model) -> Predict:
    """Make a function from rows of reflectance to green shares, through the model's file."""
    return lambda rows: answer(model, unlabelled(rows, model.card.bands)).green.astype(float)


def _on_rows(model: Model, rows: Floats) -> tuple[Floats, Floats, Floats | None]:
    found, unsure = [], []
    for start in range(0, len(rows), _ROWS):
        pixels = np.ascontiguousarray(rows[start : start + _ROWS].T[None, :, :, None])
        probability, green, error = model.run(pixels)
        found.append((probability[0, :, :, 0].T, green[0, 0, :, 0]))
        unsure += [] if error is None else [error[0, 0, :, 0]]
    probabilities, greens = (np.concatenate([pair[place] for pair in found]) for place in (0, 1))
    return probabilities, greens, np.concatenate(unsure) if unsure else None


def _on_even_fields(model: Model, rows: Floats) -> tuple[Floats, Floats]:
    """Return the predictions at the centres of uniform fields, wider than a network's context."""
    # For halos of 16 and 32 pixels, a multiple of the network's downsampling.
    halo = model.card.halo_px
    side = 2 * halo + halo // 4 if halo else model.card.tile_px
    middle, found = side // 2, []
    for start in range(0, len(rows), _BATCH):
        fields = rows[start : start + _BATCH, :, None, None].repeat(side, 2).repeat(side, 3)
        probability, green, _ = model.run(np.ascontiguousarray(fields))
        found.append((probability[:, :, middle, middle], green[:, 0, middle, middle]))
    return np.concatenate([pair[0] for pair in found]), np.concatenate([pair[1] for pair in found])


def pure_figures(found: Answer) -> dict[str, Any]:
    """Compute figures of pure pixels, green or not at one half; and the confusion of six classes if available."""
    told, true = found.green >= 0.5, found.true_green >= 0.5
    both, only_told, only_true = (float((a & b).sum()) for a, b in ((told, true), (told, ~true), (~told, true)))
    n = float(len(true))
    figures: dict[str, Any] = {
        "n": int(n),
        "oa": float((told == true).mean()),
        "f1": 2 * both / max(2 * both + only_told + only_true, 1),
        "iou": both / max(both + only_told + only_true, 1),
        "kappa": kappa(told, true),
        "calibration_error": calibration_error(found.green, found.true_green),
    }
    if found.probability.shape[1] == len(NAMES):
        figures["confusion"] = confusion(found)
        figures["class_oa"] = float((found.probability.argmax(1) == found.true_shares.argmax(1)).mean())
    return figures


def kappa(told: npt.NDArray[np.bool_], true: npt.NDArray[np.bool_]) -> float:
    """Compute Cohen's kappa of two classifications; 1 if chance explains all."""
    right, chance = (told == true).mean(), told.mean() * true.mean() + (~told).mean() * (~true).mean()
    return float((right - chance) / (1 - chance)) if chance < 1 else 1.0


def confusion(found: Answer) -> list[list[int]]:
    """Count the pairs (true, predicted) of the six classes."""
    size = len(NAMES)
    pairs = found.true_shares.argmax(1) * size + found.probability.argmax(1)
    counted: list[list[int]] = np.bincount(pairs, minlength=size * size).reshape(size, size).tolist()
    return counted


def fraction_figures(found: Answer) -> dict[str, Any]:
    """Compute figures of mixed pixels: errors of the green fraction, and its calibration."""
    return {"n": len(found.green), **errors(found.green.astype(float), found.true_green.astype(float)),
            "calibration_error": calibration_error(found.green, found.true_green)}  # fmt: skip


def calibration_error(predicted: npt.ArrayLike, true: npt.ArrayLike) -> float:
    """Compute the expected calibration error: mean |prediction - truth| over ten bins of the prediction."""
    said, so = np.asarray(predicted, dtype=float), np.asarray(true, dtype=float)
    place = np.minimum((said * BINS).astype(int), BINS - 1)
    count = np.bincount(place, minlength=BINS)
    gap = np.bincount(place, said, BINS) - np.bincount(place, so, BINS)
    return float(np.abs(gap).sum() / max(count.sum(), 1))


def city_figures(model: Model, place: Place) -> dict[str, Any]:
    """Compute figures of a simulated city: errors of the fraction, and of the product's ratio, in points."""
    found = answer(model, place)
    ratio = _ratio(model, found)
    true = float(found.true_green.sum() / (1 - found.true_shares[:, WATER]).sum())
    return {**fraction_figures(found), "ratio_points": 100 * (ratio - true), "true_ratio": true,
            "ratio_points_se": _ratio_se(model, place, found), "zones": zone_misses(model, place, found)}  # fmt: skip


BLOCKS = 4
"""Blocks along each side of a city; their pixels err together."""


def _ratio_se(model: Model, place: Place, found: Answer) -> float:
    """Compute the standard error of the ratio's error, in points, with blocks as clusters."""
    y, x = np.nonzero(place.known)
    height, width = place.known.shape
    block = np.unique(y * BLOCKS // height * BLOCKS + x * BLOCKS // width, return_inverse=True)[1]
    land = _is_land(model, found)
    sums = np.stack([
        np.bincount(block, weights=values)
        for values in (found.green * land, land, found.true_green, 1 - found.true_shares[:, WATER])
    ])  # fmt: skip

    def missed(weights: npt.NDArray[np.float64]) -> float:
        said, said_of, true, true_of = sums @ weights
        return 100 * float(said / max(said_of, 1) - true / max(true_of, 1))

    return bootstrapped_error(missed, np.arange(sums.shape[1]))


def _ratio(model: Model, found: Answer) -> float:
    """Green over land among pixels not classified as water."""
    land = _is_land(model, found)
    return float(found.green[land].sum() / max(land.sum(), 1))


def _is_land(model: Model, found: Answer) -> npt.NDArray[np.bool_]:
    """Tell which pixels (n,) are not classified as water."""
    return ~np.isin(found.probability.argmax(1), water_codes(model.card.classes))


ZONES_PX = (10, 30, 60)
"""Sides of square zones: 1, 9 and 36 hectares."""


def zone_misses(model: Model, place: Place, found: Answer) -> dict[str, list[float]]:
    """Compute errors of the ratio, in points, in square zones of a simulated city, by the zone's side in pixels."""
    shape = place.shares.shape[1:]
    if not place.known.all():
        return {}
    figures = (found.green, found.true_green, found.true_shares[:, WATER], _is_land(model, found))
    green, true_green, water, land = (values.reshape(shape) for values in figures)
    sides = (side for side in ZONES_PX if side <= min(shape))
    return {str(side): zone_errors(side, green, true_green, water, land) for side in sides}


def zone_errors(side: int, green: Any, true_green: Any, water: Any, land: Any) -> list[float]:
    """Compute errors of the ratio, in points, in squares of ``side`` pixels with at least a fifth of land.

    Parameters
    ----------
    green, true_green, water
        (y, x) predicted and true green share, true share of water.
    land
        (y, x) not classified as water.
    """
    rows, columns = (size // side for size in green.shape)

    def sums(values: Any) -> Any:
        cut = values[: rows * side, : columns * side].astype(float)
        return cut.reshape(rows, side, columns, side).sum((1, 3))

    seen, true_land = sums(land), sums(1 - water)
    enough = (true_land > 0.2 * side**2) & (seen > 0)
    said = sums(np.where(land, green, 0))[enough] / seen[enough]
    misses: list[float] = (100 * (said - sums(true_green)[enough] / true_land[enough])).round(3).tolist()
    return misses


def seconds_per_mpx(model: Model, *, seed: int) -> float:
    """Measure processor seconds per megapixel on one core, tile by tile as in production; the best of three."""
    rng = np.random.default_rng(seed)
    card = model.card
    side, margin = 2 * card.stride_px, margin_px(card)
    block = rng.uniform(0.02, 0.4, (len(card.bands), side + 2 * margin, side + 2 * margin))
    values = block.astype(np.float32)
    classify_block(values, model, origin=(0, 0))
    taken = []
    for _ in range(3):
        started = time.thread_time()
        classify_block(values, model, origin=(0, 0))
        taken.append(time.thread_time() - started)
    return min(taken) / (side**2 / 1e6)


def mean_of(figures: Mapping[str, Mapping[str, Any]], key: str) -> float:
    """Average over places."""
    return float(np.mean([place[key] for place in figures.values()]))
