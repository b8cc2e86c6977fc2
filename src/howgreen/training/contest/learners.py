"""The contestants that see one pixel at a time. Each is a function from training pixels to a finished graph's parts.

All get the same pixels and the same features; only the algorithm differs. Its setting is one of three candidates.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from howgreen.core.models import ModelCard
from howgreen.core.types import Progress
from howgreen.training import mixtures, network
from howgreen.training.contest import descent, forests, graphs
from howgreen.training.contest.classes import CLASSES, GREEN
from howgreen.training.contest.effort import Effort
from howgreen.training.contest.samples import Floats, Place
from howgreen.training.mixtures import Mixtures

Setting = Mapping[str, float]
_BATCH = 512
_WATCHED = 4_000
"""Pixels on which a training is monitored."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """Training data of a contestant."""

    reflectance: Floats
    """(n, band)."""
    shares: Floats
    """(n, class)."""
    bands: tuple[str, ...]
    towns: tuple[Place, ...]
    """Images, for algorithms with context; the pixels above include some of theirs. Pixels with unknown shares serve as
    context only."""
    watched: tuple[Place, ...] = ()
    """Towns for monitoring only, not for training."""

    def key(self) -> str:
        """Return a fingerprint of all of it."""
        towns = [part for town in self.towns for part in (town.reflectance, town.shares)]
        return descent.key_of(self.reflectance, self.shares, self.bands, *towns)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One training."""

    training: Training
    setting: Setting
    effort: Effort
    seed: int
    card: ModelCard
    progress: Progress
    note: Callable[[list[descent.Point]], None] | None = None
    """Receives the training curve, if there is one."""
    checkpoint: Path | None = None
    """Checkpoint of a long training; removed by the caller that keeps the result."""

    def rng(self) -> np.random.Generator:
        """Return a separate generator for each job."""
        return np.random.default_rng(self.seed)

    def descend(self, net: Any, draw: Callable[[np.random.Generator], descent.Batch], *, steps: int, rate: float,
                watch: descent.Watch | None) -> None:  # fmt: skip
        """Train a network on batches, resuming a stopped training."""
        key = descent.key_of(self.training.key(), dict(self.setting), repr(net))
        way = descent.Descent(
            draw=draw, steps=steps, rate=rate, seed=self.seed, watch=watch, key=key, checkpoint=self.checkpoint,
            name=self.card.name, progress=self.progress,
        )  # fmt: skip
        self.noted(descent.descend(net, way))

    def noted(self, curve: list[descent.Point]) -> None:
        """Pass on the training curve."""
        if self.note is not None:
            self.note(curve)


Fit = Callable[[Job], onnx.ModelProto]


def _opened(job: Job, reflectance: npt.ArrayLike) -> tuple[graphs.Parts, graphs.Features, npt.NDArray[np.float32]]:
    features, parts = graphs.features_of(job.training.reflectance), graphs.Parts()
    graphs.opening(parts, features)
    return parts, features, features.of(reflectance)


def ndvi_rule(job: Job) -> onnx.ModelProto:
    """Fit an NDVI threshold for green: the one with the fewest errors, weighted by cover, on the training pixels."""
    from howgreen.training import ndvi
    from howgreen.training.export import ndvi_graph

    pixels = job.training.reflectance[:, [job.training.bands.index(band) for band in ndvi.BANDS]]
    green = job.training.shares[:, GREEN].sum(axis=1)
    index = ndvi.ndvi(pixels)
    best = min(np.arange(0.1, 0.8, 0.01), key=lambda cut: float(np.abs((index > cut) - green).mean()))
    card = replace(job.card, classes=ndvi.CLASSES, bands=ndvi.BANDS, normalisation="clip to 0..2")
    return ndvi_graph(card, bare=float(best) - 0.005, full=float(best) + 0.005)


def ndvi_linear(job: Job) -> onnx.ModelProto:
    """Fit a green fraction linear in NDVI between two anchors."""
    from howgreen.training import ndvi
    from howgreen.training.export import ndvi_graph

    place = [job.training.bands.index(band) for band in ndvi.BANDS]
    # The anchors need only the green share: any class may carry it.
    green = job.training.shares[:, GREEN].sum(axis=1, dtype=float)
    shares = np.zeros((len(green), len(mixtures.CLASSES)))
    shares[:, mixtures.TREE], shares[:, mixtures.BUILT] = green, 1 - green
    reflectance = job.training.reflectance[:, place].astype(float)
    bare, full = ndvi.fit_anchors(Mixtures(reflectance=reflectance, shares=shares, bands=ndvi.BANDS))
    card = replace(job.card, classes=ndvi.CLASSES, bands=ndvi.BANDS, normalisation="clip to 0..2")
    return ndvi_graph(card, bare=bare, full=full)


def nearest_neighbours(job: Job) -> onnx.ModelProto:
    """Predict the mean shares of the k nearest of a subsample of the training pixels (stored in the file)."""
    chosen = job.rng().permutation(len(job.training.shares))[: job.effort.support]
    parts, _, support = _opened(job, job.training.reflectance[chosen])
    neighbours = min(int(job.setting["neighbours"]), len(chosen))
    # |x - s|^2 without |x|^2, which is constant over s: the order of the distances is unchanged.
    parts.conv(graphs.FEATURES, 2 * support.astype(float), -(support.astype(float) ** 2).sum(axis=1), "nearness")
    parts.nodes.append(onnx.helper.make_node("TopK", ["nearness", parts.number("k", [neighbours], np.int64)],
                                             ["nearest", "which"], axis=1))  # fmt: skip
    parts.add("ReduceMin", ["nearest"], "limit", axes=[1], keepdims=1)
    parts.add("GreaterOrEqual", ["nearness", "limit"], "near")
    parts.add("Cast", ["near"], "votes", to=onnx.TensorProto.FLOAT)
    parts.conv("votes", job.training.shares[chosen].T.astype(float), np.zeros(len(CLASSES)), "shares")
    parts.add("ReduceSum", ["shares", parts.number("channel", [1], np.int64)], "votes_in_all", keepdims=1)
    parts.add("Div", ["shares", "votes_in_all"], graphs.PROBABILITY)
    return graphs.finished(parts, job.card)


def support_vectors(job: Job) -> onnx.ModelProto:
    """Fit one-vs-rest machines (radial kernel) on a subsample, with decisions calibrated on other pixels."""
    from sklearn.svm import SVC

    rng = job.rng()
    order = rng.permutation(len(job.training.shares))
    parts, features, support = _opened(job, job.training.reflectance[order[: job.effort.support]])
    drawn = _drawn(job.training.shares, rng)
    labels = drawn[order[: job.effort.support]]
    gamma = float(job.setting["gamma"]) / support.shape[1]
    weights, biases = np.zeros((len(CLASSES), len(support))), np.full(len(CLASSES), -1.0)
    for code in range(len(CLASSES)):
        if 0 < (wanted := labels == code).sum() < len(labels):
            machine = SVC(C=float(job.setting["c"]), gamma=gamma, kernel="rbf", random_state=job.seed).fit(
                support, wanted
            )
            weights[code, machine.support_], biases[code] = machine.dual_coef_[0], machine.intercept_[0]
    rest = order[job.effort.support : job.effort.support * 4]
    others = features.of(job.training.reflectance[rest if len(rest) else order])
    decisions = _kernel(others, support, gamma) @ weights.T + biases
    scale, shift = _calibration(decisions, drawn[rest if len(rest) else order])
    squares = (support.astype(float) ** 2).sum(axis=1)
    parts.add("Mul", [graphs.FEATURES, graphs.FEATURES], "squared")
    parts.conv("squared", np.full((1, support.shape[1]), -gamma), [0.0], "own")
    parts.conv(graphs.FEATURES, 2 * gamma * support.astype(float), -gamma * squares, "with_support")
    parts.add("Add", ["with_support", "own"], "exponent")
    parts.add("Exp", ["exponent"], "kernel")
    parts.conv("kernel", scale @ weights, scale @ biases + shift, "logits")
    graphs.softmax(parts, "logits")
    return graphs.finished(parts, job.card)


def _drawn(shares: Floats, rng: np.random.Generator) -> npt.NDArray[np.int_]:
    """Draw one class per pixel, by its shares: a classifier then estimates the shares."""
    edges = np.cumsum(shares, axis=1) / shares.sum(axis=1, keepdims=True)
    return np.asarray(np.minimum((rng.random((len(shares), 1)) > edges).sum(axis=1), shares.shape[1] - 1))


def _kernel(left: npt.NDArray[np.float32], right: npt.NDArray[np.float32], gamma: float) -> npt.NDArray[np.float64]:
    from sklearn.metrics.pairwise import rbf_kernel

    return np.asarray(rbf_kernel(left, right, gamma=gamma), dtype=np.float64)


def _calibration(decisions: npt.NDArray[np.float64], labels: npt.NDArray[np.int_]) -> tuple[Any, Any]:
    """Weights (class, class) and biases of a logistic regression from decisions to classes."""
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(max_iter=500).fit(decisions, labels)
    scale, shift = np.zeros((len(CLASSES), decisions.shape[1])), np.full(len(CLASSES), -20.0)
    if len(fitted.classes_) == 2:
        raise_to, lower = fitted.classes_[1], fitted.classes_[0]
        scale[raise_to], shift[raise_to], shift[lower] = fitted.coef_[0], fitted.intercept_[0], 0.0
    else:
        scale[fitted.classes_], shift[fitted.classes_] = fitted.coef_, fitted.intercept_
    return scale, shift


def random_forest(job: Job) -> onnx.ModelProto:
    """Fit a forest that regresses the shares."""
    from sklearn.ensemble import RandomForestRegressor

    parts, _, values = _opened(job, job.training.reflectance)
    forest = RandomForestRegressor(
        n_estimators=job.effort.trees, min_samples_leaf=int(job.setting["leaf"]), max_depth=14, max_features=0.4,
        random_state=job.seed, n_jobs=1,
    ).fit(values, job.training.shares)  # fmt: skip
    ensemble = forests.of_forest(forest, targets=len(CLASSES))
    ensemble.write(parts, graphs.to_rows(parts, values.shape[1]), "leaf_shares")
    graphs.from_rows(parts, "leaf_shares", len(CLASSES))
    return graphs.finished(parts, job.card)


def gradient_boosting(job: Job) -> onnx.ModelProto:
    """Fit LightGBM on classes, with each pixel once per class it contains, weighted by share."""
    import lightgbm

    parts, features, values = _opened(job, job.training.reflectance)
    row, label = np.nonzero(job.training.shares > 0.01)
    data = lightgbm.Dataset(values[row], label, weight=job.training.shares[row, label])
    options = {"objective": "multiclass", "num_class": len(CLASSES), "learning_rate": 0.1, "verbosity": -1,
               "num_leaves": int(job.setting["leaves"]), "min_data_in_leaf": 40, "num_threads": 1, "seed": job.seed,
               "deterministic": True, "feature_fraction": 0.6, "boost_from_average": True}  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LightGBM uses deprecated parts of scikit-learn and numpy
        booster = lightgbm.train(options, data, num_boost_round=job.effort.trees)
    job.noted(_boosting_course(booster, job, values, features))
    ensemble = forests.of_booster(booster, targets=len(CLASSES))
    ensemble.write(parts, graphs.to_rows(parts, values.shape[1]), "scores")
    parts.add("Softmax", ["scores"], "row_shares", axis=1)
    graphs.from_rows(parts, "row_shares", len(CLASSES))
    return graphs.finished(parts, job.card)


def _boosting_course(
    booster: Any, job: Job, values: npt.NDArray[np.float32], features: graphs.Features
) -> list[descent.Point]:
    """Compute the loss afterwards, at ten numbers of trees: a smaller booster is a part of the finished one."""
    import torch

    def found(rows: npt.NDArray[np.float32], shares: Floats, trees: int) -> dict[str, float]:
        logits = np.log(booster.predict(rows, num_iteration=trees) + 1e-9)[:, :, None, None]
        return descent.figures(torch.tensor(logits, dtype=torch.float32), torch.tensor(shares)[:, :, None, None])

    few = job.rng().permutation(len(values))[:_WATCHED]
    seen = _watched_rows(job, features)
    course: list[descent.Point] = []
    for trees in sorted({-(-job.effort.trees * part // 10) for part in range(1, 11)}):
        watched = found(*seen, trees) if seen else {}
        taught = found(values[few], job.training.shares[few], trees)
        course.append({"step": trees, "loss": taught["watched_loss"], **watched})
    return course


def _watched_rows(job: Job, features: graphs.Features) -> tuple[npt.NDArray[np.float32], Floats] | None:
    """Return some pixels of the watched towns: features (n, feature) and shares (n, class)."""
    if not job.training.watched:
        return None
    reflectance, shares = (np.concatenate(side) for side in zip(*(t.rows() for t in job.training.watched), strict=True))
    few = job.rng().permutation(len(shares))[:_WATCHED]
    return features.of(reflectance[few]), shares[few].astype(np.float32)


def pixel_network(job: Job) -> onnx.ModelProto:
    """Fit 1x1 convolutions on logged bands: shares by cross-entropy, and the squared error of the green share."""
    import torch

    parts, features, values = _opened(job, job.training.reflectance)
    width = int(job.setting["width"])
    torch.manual_seed(job.seed)
    net = network.build(values.shape[1], len(CLASSES), (width, width))
    batch = min(_BATCH, len(values))

    def draw(rng: np.random.Generator) -> descent.Batch:
        rows = rng.integers(0, len(values), batch)
        return values[rows, :, None, None], job.training.shares[rows, :, None, None]

    seen = _watched_rows(job, features)
    watched = seen and tuple(torch.tensor(side)[:, :, None, None] for side in seen)
    watch = (lambda net: descent.figures(net(watched[0]), watched[1])) if watched else None
    job.descend(net, draw, steps=job.effort.epochs * (len(values) // batch), rate=1e-2, watch=watch)
    layers = [layer for layer in net if isinstance(layer, torch.nn.Conv2d)]
    source = graphs.FEATURES
    for number, layer in enumerate(layers):
        weight = layer.weight.detach().numpy()[:, :, 0, 0].astype(float)
        bias = np.zeros(len(weight)) if layer.bias is None else layer.bias.detach().numpy()
        target = "logits" if number == len(layers) - 1 else f"sum{number}"
        parts.conv(source, weight, bias, target)
        if target != "logits":
            parts.add("Relu", [target], f"layer{number}")
            source = f"layer{number}"
    graphs.softmax(parts, "logits")
    return graphs.finished(parts, job.card)
