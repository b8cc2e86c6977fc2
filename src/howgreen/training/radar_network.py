"""The shipped radar models: shares of five covers from VV and VH, their surroundings and temporal variation.

A pixel network over convolutional features: mean power in squares of 3 to 31 pixels (multi-looking, which averages out
speckle), texture (the standard deviation of decibels in squares), the pixel itself, and the mean variation between
acquisitions. All of it is in the ONNX graph, so that a model takes decibels and nothing else.

No place with radar images and a reference of its own was available. So a card's interval rests on simulated cities with
backscatter levels drawn from published ones, widened by as much as the optical models' intervals in real places exceed
those in the same simulated cities (:func:`reference`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from howgreen.core.models import ZONE_SCORES_M2, ModelCard, ModelClass, PlaceError, ReferenceScore
from howgreen.core.types import Progress
from howgreen.landcover.contract import INPUT, OUTPUTS, UNCERTAINTY
from howgreen.training import evaluate, export, network, places, radar
from howgreen.training.contest.judge import zone_errors
from howgreen.training.mixtures import CLASSES as SIX
from howgreen.training.spectra import Array

Floats = npt.NDArray[np.float32]

CLASSES = tuple(
    ModelClass(code=code, name=cls.name, green=cls.green, colour=cls.colour)
    for code, cls in enumerate(cls for cls in SIX if cls.name != "dry plants")
)
"""tree, low vegetation, built, bare, water."""
GREEN = np.array([cls.green for cls in CLASSES])
WATER = next(cls.code for cls in CLASSES if cls.name == "water")
CLASS_OF = np.array([0, 1, 1, 2, 2, 3, 4])
"""Index in :data:`CLASSES` of each of :data:`howgreen.training.radar.COVERS`."""

BANDS = {"radar-2": ("vv", "vh"), "radar-4": ("vv", "vh", "vv_variation", "vh_variation")}
ACQUISITIONS = {"radar-2": (1, 1, 2, 3, 5, 8, 12), "radar-4": (4, 5, 6, 8, 10, 12)}
"""Number of acquisitions in the training composites."""
MEANS_PX, TEXTURES_PX, SPREADS_PX = (3, 7, 15, 31), (7, 15, 31), (3, 7, 15)
"""Sides of the squares: of mean power, of texture, of the mean variation between acquisitions."""
HALO_PX, TILE_PX, STRIDE_PX = 16, 256, 224
FLOOR = 1e-6
"""Least power, -60 dB."""
LEAST_TEXTURE = 1e-2
"""Added to a variance in dB^2 before its root: smaller values are rounding."""
SEED = 31
_LN = float(np.log(10) / 10)


@dataclass(frozen=True, kw_only=True)
class Effort:
    """Amounts of training and judging data."""

    towns: int = 10
    landscapes: int = 90
    side_px: int = 180
    looks: int = 3
    """Per place, with other levels, days and speckle each time."""
    pixels: int = 1500
    """Per look."""
    epochs: int = 24
    hidden: tuple[int, ...] = (32, 16)
    per_climate: int = 4
    """Judging cities per climate."""
    judged: int = 3
    """Looks per judging city."""


def features(bands: Floats) -> Floats:
    """Compute features (feature, y, x) of decibels (band, y, x), as the graph does; unobserved beyond the edges."""
    seen = (np.abs(bands).sum(axis=0) > 0).astype(np.float32)[None]
    level, spread = bands[:2], bands[2:]
    power = np.exp(level * _LN) * seen
    parts = [level]
    parts += [np.asarray(np.log(np.maximum(_mean(power, seen, side), FLOOR)) / _LN) for side in MEANS_PX]
    for side in TEXTURES_PX:
        mean = _mean(level * seen, seen, side)
        square = _mean(level**2 * seen, seen, side)
        parts.append(np.asarray(np.sqrt(np.maximum(square - mean**2, 0) + LEAST_TEXTURE), np.float32))
    if len(spread):
        parts += [_mean(spread * seen, seen, side) for side in SPREADS_PX]
    return np.concatenate(parts).astype(np.float32)


def names(bands: Sequence[str]) -> tuple[str, ...]:
    """Return the names of :func:`features`."""
    level, spread = bands[:2], bands[2:]
    kinds = [
        ("", level),
        *((f"_mean_{side}", level) for side in MEANS_PX),
        *((f"_texture_{side}", level) for side in TEXTURES_PX),
    ]
    kinds += [(f"_{side}", spread) for side in SPREADS_PX] if spread else []
    return tuple(f"{band}{suffix}" for suffix, group in kinds for band in group)


def _mean(values: Floats, seen: Floats, side: int) -> Floats:
    """Mean over the observed pixels of a square around each pixel."""
    from scipy.ndimage import uniform_filter

    def total(part: Floats) -> Floats:
        return np.asarray(
            uniform_filter(part.astype(np.float64), (0, side, side), mode="constant") * side**2, np.float32
        )

    return np.asarray(total(values) / np.maximum(total(seen), 1), np.float32)


def make_radar(
    name: str, *, out: Path, version: str, licence: str, effort: Effort | None = None, progress: Progress
) -> Path:
    """Write ``radar-2.onnx`` or ``radar-4.onnx`` to ``out``.

    Parameters
    ----------
    out
        Holds the optical models made before: their cards say how much larger errors are in real places.
    """
    effort, bands = effort or Effort(), BANDS[name]
    layers = network.fit(
        _lessons(name, effort), hidden=effort.hidden, epochs=effort.epochs, seed=SEED, progress=progress
    )
    judged = _judged(layers, name, effort)
    plain = ModelCard(
        name=name, version=version, bands=bands, resolution_m=10.0, tile_px=TILE_PX, halo_px=HALO_PX, stride_px=STRIDE_PX,
        normalisation="decibels; power averaged and texture taken in squares of 3 to 31 pixels, inside the graph",
        classes=CLASSES, scores=judged.scores, reference_error=reference(judged, optical_factor(out)), licence=licence,
        training_data="Simulated backscatter: levels and spreads of seven covers as published (Ulaby & Dobson 1989; "
        "Bauer-Marschallinger et al. 2021, doi:10.1038/s41597-021-01059-7; Ruetschi et al. 2018, doi:10.3390/rs10010055; Veloso et al. "
        "2017; Vreugdenhil et al. 2018; Koppel et al. 2017; Small 2011), laid on simulated towns and fields, with texture, seasons, "
        "rain, noise and speckle. No real image was used to train or tune it",
        description="Shares of trees, low plants, built, bare and water from Sentinel-1's VV and VH and what is around a pixel"
        + (", and from how much they changed between acquisitions" if len(bands) > 2 else "")
        + ". Radar sees through cloud and sees structure, not leaves: short grass, bare soil and asphalt look alike, a garden among "
        "houses is lost in their echo, and rough or wet soil passes for plants. Use it where no clear optical image exists.",
    )  # fmt: skip
    path = out / f"{name}.onnx"
    export.save(graph(layers, plain), path)
    return path


def _lessons(name: str, effort: Effort) -> network.Lessons:
    rng = np.random.default_rng([SEED, len(BANDS[name])])
    grounds = [radar.town(8100 + number, extent_m=10 * effort.side_px) for number in range(effort.towns)]
    grounds += [radar.landscape(effort.side_px, rng=rng) for _ in range(effort.landscapes)]
    rows, truths = [], []
    for shares in grounds:
        for _ in range(effort.looks):
            made = features(_seen(name, shares, rng))
            picked = rng.permutation(made[0].size)[: effort.pixels]
            rows.append(made.reshape(len(made), -1)[:, picked].T)
            truths.append(classes(shares).reshape(len(CLASSES), -1)[:, picked].T)
    return network.Lessons(
        names=names(BANDS[name]),
        features=np.concatenate(rows).astype(np.float64),
        shares=np.concatenate(truths).astype(np.float64),
        green=GREEN,
    )


def _seen(name: str, shares: Floats, rng: np.random.Generator) -> Floats:
    """Composite (band, y, x) of several acquisitions of a place."""
    days = radar.acquisitions(shares, count=int(rng.choice(ACQUISITIONS[name])), rng=rng)
    return radar.composite(days)[: len(BANDS[name])]


def classes(shares: Floats) -> Floats:
    """Convert shares of the simulator's covers to shares (class, y, x) of :data:`CLASSES`."""
    return np.stack([shares[code == CLASS_OF].sum(axis=0) for code in range(len(CLASSES))])


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Errors of a model in simulated cities."""

    scores: dict[str, float]
    places: tuple[PlaceError, ...]
    errors: dict[str, float]
    """``rmse``, ``mae``, ``bias`` and ``r2`` over all pixels."""
    pixels: int


def _judged(layers: network.Layers, name: str, effort: Effort) -> Judged:
    rng = np.random.default_rng([SEED, 7, len(BANDS[name])])
    ratios, found, told_true = [], [], list[tuple[Array, Array]]()
    zones = dict[str, list[float]]()
    for number, shares in enumerate(radar.judging_cities(per_climate=effort.per_climate)):
        truth = classes(shares)
        for _ in range(effort.judged):
            said, land = _answer(layers, _seen(name, shares, rng))
            green, water = truth[GREEN].sum(axis=0), truth[WATER]
            miss = float(said[land].sum() / max(land.sum(), 1) - green.sum() / (1 - water).sum())
            ratios.append(miss)
            blocks = _blocks(said - green)
            error = float(np.std(blocks, ddof=1) / np.sqrt(len(blocks)))
            found.append(PlaceError(place=f"simulated city {number + 1}", error=miss, standard_error=error, n=said.size, clusters=len(blocks)))  # fmt: skip
            told_true.append((said.ravel(), green.ravel()))
            for key, area in ZONE_SCORES_M2.items():
                side = round(np.sqrt(area) / 10)
                own = [one / 100 - miss for one in zone_errors(side, said, green, water, land)]
                zones.setdefault(key, []).extend(own)
    told, true = (np.concatenate(part) for part in zip(*told_true, strict=True))
    scores = {key: float(np.quantile(np.abs(misses), places.LEVEL)) for key, misses in zones.items()}
    scores |= {
        "wide_cities_ratio_rms": float(np.sqrt(np.mean(np.square(ratios)))),
        "wide_cities_ratio_worst": float(np.max(np.abs(ratios))),
    }
    return Judged(
        scores={key: round(value, 5) for key, value in scores.items()},
        places=tuple(found),
        errors=evaluate.errors(told, true),
        pixels=len(told),
    )


def _answer(layers: network.Layers, bands: Floats) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Predict green share (y, x), and where it is not classified as water."""
    made = features(bands)
    shares, _ = network.predict_features(layers, made.reshape(len(made), -1).T.astype(np.float64))
    return shares[:, GREEN].sum(axis=1).reshape(made[0].shape), shares.argmax(axis=1).reshape(made[0].shape) != WATER


def _blocks(missed: Array) -> Array:
    """Mean errors of squares of 300 m, used as error clusters."""
    rows, columns = (size // 30 for size in missed.shape)
    return np.asarray(missed[: rows * 30, : columns * 30].reshape(rows, 30, columns, 30).mean((1, 3)).ravel())


OPTICAL = ("mixture-4", "ndvi")
"""The Sentinel-2 models judged by most real places."""


def optical_factor(folder: Path) -> float:
    """Compute the largest ratio of an optical model's interval to that implied by errors in simulated cities."""
    from howgreen.landcover.model import load_model

    cards = [load_model(folder / f"{name}.onnx").card for name in OPTICAL]
    factors = [
        card.reference_error.half_width / (evaluate.Z_95 * card.scores["wide_cities_ratio_rms"])
        for card in cards
        if card.reference_error
    ]
    return max([1.0, *factors])


def reference(judged: Judged, factor: float) -> ReferenceScore:
    """Compute the interval: that of a new simulated city, times the ratio of errors in real places."""
    found = places.spread(judged.places)
    wide = min(1.0, factor * found.about_the_ratio)
    return ReferenceScore(
        source=f"{len(judged.places)} looks at simulated cities of six climates; no real place with a reference for radar was at hand",
        n=judged.pixels,
        half_width=round(wide, 5),
        level=places.LEVEL,
        method=f"no real place was at hand to judge radar: the prediction interval of a new simulated city, {found.about_the_ratio:.3f} "
        f"to either side, times {factor:.2f}, by which the optical models' intervals in real places are wider than their errors "
        "in the same simulated cities; errors of limits, dates and terrain are not in it",
        tau=round(found.tau, 5),
        rmse=round(judged.errors["rmse"], 5),
        mae=round(judged.errors["mae"], 5),
        bias=round(judged.errors["bias"], 5),
        r2=round(judged.errors["r2"], 5),
    )


def graph(layers: network.Layers, card: ModelCard) -> onnx.ModelProto:
    """Build the graph of :func:`features` and the network over them."""
    build = _Builder()
    build.features(len(card.bands))
    build.network(layers, card)
    return export.model_of(build.nodes, build.tensors, card, uncertain=True)


class _Builder:
    """Nodes and tensors of a graph under construction."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def number(self, name: str, value: Any) -> str:
        if name not in {tensor.name for tensor in self.tensors}:
            self.tensors.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def integers(self, name: str, values: Sequence[int]) -> str:
        self.tensors.append(numpy_helper.from_array(np.asarray(values, np.int64), name))
        return name

    def features(self, bands: int) -> None:
        node, number = self.node, self.number
        channel = self.integers("channel", [1])
        node("ReduceSum", [node("Abs", [INPUT], "size"), channel], "size_of_all", keepdims=1)
        node("Cast", [node("Greater", ["size_of_all", number("none", 0.0)], "is_seen")], "seen", to=TensorProto.FLOAT)
        if bands > 2:
            self.nodes.append(
                helper.make_node("Split", [INPUT, self.integers("parts", [2, bands - 2])], ["level", "spread"], axis=1)
            )
        else:
            node("Identity", [INPUT], "level")
        node("Exp", [node("Mul", ["level", number("ln", _LN)], "log_power")], "any_power")
        node("Mul", ["any_power", "seen"], "power")
        node("Mul", ["level", "seen"], "seen_level")
        node("Mul", ["seen_level", "seen_level"], "squared")
        parts = ["level"]
        for side in MEANS_PX:
            mean = node("Max", [self.mean("power", side), number("floor", FLOOR)], f"power_{side}")
            parts.append(node("Div", [node("Log", [mean], f"log_{side}"), "ln"], f"decibels_{side}"))
        for side in TEXTURES_PX:
            mean, square = self.mean("seen_level", side), self.mean("squared", side)
            apart = node("Sub", [square, node("Mul", [mean, mean], f"mean2_{side}")], f"apart_{side}")
            variance = node("Max", [apart, "none"], f"variance_{side}")
            lifted = node("Add", [variance, number("least_texture", LEAST_TEXTURE)], f"lifted_{side}")
            parts.append(node("Sqrt", [lifted], f"texture_{side}"))
        if bands > 2:
            node("Mul", ["spread", "seen"], "seen_spread")
            parts += [self.mean("seen_spread", side) for side in SPREADS_PX]
        node("Concat", parts, "layer0", axis=1)

    def mean(self, what: str, side: int) -> str:
        """Average over the observed pixels of a square."""
        half = side // 2
        box = {"kernel_shape": [side, side], "pads": [half] * 4}
        if f"count_{side}" not in {node.output[0] for node in self.nodes}:
            self.number(f"box_{side}", np.ones((1, 1, side, side)))
            self.node("Conv", ["seen", f"box_{side}"], f"sum_{side}", **box)
            self.node("Max", [f"sum_{side}", self.number("one", 1.0)], f"count_{side}")
        self.number(f"boxes_{side}", np.ones((2, 1, side, side)))
        self.node("Conv", [what, f"boxes_{side}"], f"{what}_sum_{side}", group=2, **box)
        return self.node("Div", [f"{what}_sum_{side}", f"count_{side}"], f"{what}_mean_{side}")

    def network(self, layers: network.Layers, card: ModelCard) -> None:
        node, number = self.node, self.number
        last = len(layers.weights) - 1
        for step, (weight, bias) in enumerate(zip(layers.weights, layers.biases, strict=True)):
            number(f"weight{step}", weight[:, :, None, None])
            number(f"bias{step}", bias)
            out = node(
                "Conv", [f"layer{step}", f"weight{step}", f"bias{step}"], "logits" if step == last else f"raw{step}"
            )
            if step != last:
                node("Relu", [out], f"layer{step + 1}")
        node("Softmax", ["logits"], OUTPUTS[0], axis=1)
        number("green", np.array([[cls.green for cls in card.classes]], np.float32)[:, :, None, None])
        node("Conv", [OUTPUTS[0], "green"], "total")
        node("Clip", ["total", "none", "one"], OUTPUTS[1])
        number("error_weight", layers.error_weight[:, :, None, None])
        number("error_bias", [layers.error_bias])
        node("Conv", [f"layer{last}", "error_weight", "error_bias"], "any_log_error")
        limits = [number("least_error", network.LOG_ERROR[0]), number("most_error", network.LOG_ERROR[1])]
        node("Exp", [node("Clip", ["any_log_error", *limits], "log_error")], UNCERTAINTY)
