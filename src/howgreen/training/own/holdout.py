"""Held-out predictions of a user's own model, and their consequences: figures, doubts, standard errors, interval.

Each third of the groups (whole polygons, whole blocks of points) is held out in turn, so that every labelled pixel is
judged once by a model that never saw its polygon.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from howgreen.core.models import ReferenceScore
from howgreen.core.types import HALF_GREEN
from howgreen.core.warnings import Caution
from howgreen.landcover.contract import OUTPUTS, UNCERTAINTY
from howgreen.training.calibrate import LEVEL, factor, held
from howgreen.training.contest import judge
from howgreen.training.contest.classes import GREEN, NAMES
from howgreen.training.contest.descent import Point
from howgreen.training.contest.judge import Answer
from howgreen.training.contest.samples import Floats
from howgreen.training.evaluate import Z_95, errors
from howgreen.training.own.labels import Labels

FOLDS = 3
LEAST_KAPPA = 0.2
"""Agreement beyond chance below which a model has learned almost nothing ("slight", Landis & Koch 1977)."""
FEWEST_GROUPS = 6
"""With fewer held-out places, a figure is weak evidence, and no interval is made."""
KNOTS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
"""Green fractions between which the standard error is interpolated linearly."""
LEAST_ERROR = 0.02
"""Least standard error of a pixel: labels are not exact either."""
UNLABELLED: Mapping[str, float] = {
    "ndvi-rule": 0.023, "ndvi-linear": 0.022, "knn": 0.016, "svm": 0.043, "forest": 0.019, "boosting": 0.015, "network": 0.059,
    "combination": 0.036, "unet": 0.059,
}  # fmt: skip
"""Root mean square of a city's mean error although all its pure labels were predicted right: edges, shade and
unlabelled ground. Measured in five simulated towns (ten for the forest), each with up to sixty labelled squares of
three by three pure pixels; that of U-Net, which was not measured, is taken from the network."""
_FEWEST_MISSES = 30
"""Fewest errors around a knot; with fewer, the error of all pixels is used."""
PURE = 0.1
"""A green fraction this close to 0 or 1 counts as pure ground."""
LEAST_SHARE = 0.05
"""A class that covers less of the map may be missing from the interval."""


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Predictions for labelled pixels, and for mixtures of them, by models that saw neither."""

    labels: Labels
    """All labels judged."""
    found: Answer
    mixed: Answer
    mixed_group: npt.NDArray[np.int64]
    """(n,) group of the first pixel of each mixture."""
    shipped: Floats | None
    """(n,) green fraction by the shipped model for the same bands; None if there is none."""
    course: list[Point]
    """One training curve, monitored on the held-out ground; empty for non-iterative algorithms."""

    @property
    def wrong(self) -> npt.NDArray[np.bool_]:
        """(n,) labelled green but predicted otherwise, or the reverse."""
        return np.asarray((self.found.green >= HALF_GREEN) != (self.found.true_green >= HALF_GREEN))


def folds(labels: Labels, *, rng: np.random.Generator) -> npt.NDArray[np.int_] | None:
    """Assign each pixel the fold in which it is held out, (n,); None if there is too little ground for judging.

    Each class's groups are dealt in turn, the rarest class first; other classes in a group go with it.
    """
    groups = labels.groups()
    fold_of: dict[int, int] = {}
    dealt = np.zeros(FOLDS, int)
    for name in sorted(labels.counts(), key=lambda name: labels.counts()[name]):
        there = np.unique(groups[labels.code == NAMES.index(name)])
        if len(there) < 2:
            return None
        taken = np.bincount([fold_of[group] for group in there if group in fold_of], minlength=FOLDS)
        for group in rng.permutation([group for group in there if group not in fold_of]):
            fold = int(np.lexsort((dealt, taken))[0])
            fold_of[int(group)] = fold
            taken[fold] += 1
            dealt[fold] += 1
    found = np.array([fold_of[group] for group in groups.tolist()])
    every = set(labels.teaching.counts())
    if any(set(labels.kept(found != fold).teaching.counts()) < every for fold in range(FOLDS)):
        return None
    return found


def scores(of: HeldOut) -> dict[str, float]:
    """Compute figures for the card: before any filter, by pixels and groups, beside chance and the shipped model."""
    figures = judge.pure_figures(of.found)
    green = GREEN[of.labels.code]
    figures["groups"] = len(np.unique(of.labels.groups()))
    figures["majority_oa"] = float(max(green.mean(), 1 - green.mean()))
    if of.shipped is not None:
        figures["shipped_oa"] = float(((of.shipped >= HALF_GREEN) == green).mean())
    names = ("n", "groups", "oa", "f1", "iou", "kappa", "class_oa", "majority_oa", "shipped_oa")
    return {f"held_out_{name}": round(float(figures[name]), 5) for name in names if name in figures}


def doubts(found: Mapping[str, float]) -> Iterator[Caution]:
    """Say why a model with these held-out figures may be useless."""
    if not found:
        yield Caution(
            "model-doubtful",
            "the model was not judged: a class has ground in one place only; label it in two places or more",
        )
        return
    right, usual = found["held_out_oa"], found["held_out_majority_oa"]
    if found["held_out_kappa"] <= LEAST_KAPPA:
        yield Caution(
            "model-doubtful",
            f"on ground held out it is {right:.0%} right where calling everything one kind is {usual:.0%} right (kappa "
            f"{found['held_out_kappa']:.2f}): it has learned next to nothing; look at labels and image",
        )
    elif round(right, 3) < round(shipped := found.get("held_out_shipped_oa", 0.0), 3):
        yield Caution(
            "model-doubtful",
            f"on ground held out it is {right:.1%} right, and the shipped model is {shipped:.1%} right there: use that one",
        )
    if found["held_out_groups"] < FEWEST_GROUPS:
        yield Caution(
            "model-doubtful",
            f"it was judged on {found['held_out_groups']:.0f} places only, so the figure may be off by far; label more of them",
        )


@dataclass(frozen=True, kw_only=True)
class Doubtful:
    """A group of labels mostly contradicted by the map."""

    group: int
    label: str
    wrong: float
    """Contradicted share of its pixels."""
    n: int
    shipped_too: bool
    """Whether the shipped model contradicts it as well: then the label is the likelier fault."""
    place: tuple[int, int, int]
    """Image, row and column of one of its pixels."""


def doubtful_labels(of: HeldOut) -> list[Doubtful]:
    """List groups of which more than half contradicts the map, the largest first."""
    groups, found = of.labels.groups(), []
    true = GREEN[of.labels.code]
    for group in np.unique(groups[of.wrong]):
        ours = groups == group
        share = float(of.wrong[ours].mean())
        if share <= 0.5:
            continue
        names = [NAMES[code] for code in np.unique(of.labels.code[ours])]
        theirs = of.shipped is not None and bool(((of.shipped[ours] >= HALF_GREEN) != true[ours]).mean() > 0.5)
        at = np.flatnonzero(ours)[int(ours.sum()) // 2]
        place = (int(of.labels.image[at]), int(of.labels.rows[at]), int(of.labels.columns[at]))
        found.append(
            Doubtful(
                group=int(group),
                label=", ".join(names),
                wrong=share,
                n=int(ours.sum()),
                shipped_too=theirs,
                place=place,
            )
        )
    return sorted(found, key=lambda one: -one.n * one.wrong)


def error_curve(of: HeldOut) -> tuple[Floats, float]:
    """Estimate a pixel's standard error at each of :data:`KNOTS`, by green fraction, and the share of errors it covers.

    Root mean squares of the errors around each knot, for held-out pixels and mixtures of them; then one factor, so that
    95 % of the errors lie within 1.96.
    """
    said = np.concatenate([of.found.green, of.mixed.green]).astype(float)
    missed = said - np.concatenate([of.found.true_green, of.mixed.true_green])
    nearest = np.abs(said[:, None] - np.array(KNOTS)).argmin(axis=1)
    overall = float(np.sqrt(np.mean(missed**2)))
    told = np.array(
        [
            np.sqrt(np.mean(missed[nearest == knot] ** 2)) if (nearest == knot).sum() >= _FEWEST_MISSES else overall
            for knot in range(len(KNOTS))
        ]
    )
    told = np.maximum(told, LEAST_ERROR)
    told = np.clip(told * max(factor(missed, np.interp(said, KNOTS, told)), 1.0), LEAST_ERROR, 1.0)
    return told.astype(np.float32), held(missed, np.interp(said, KNOTS, told))


def with_uncertainty(model: onnx.ModelProto, curve: Floats) -> onnx.ModelProto:
    """Add the output ``green_uncertainty``: linear interpolation between the knots over the green fraction."""
    graph, step = model.graph, np.diff(KNOTS)
    slopes = np.diff(curve.astype(float)) / step

    def constant(name: str, values: npt.ArrayLike) -> str:
        graph.initializer.append(numpy_helper.from_array(np.asarray(values, np.float32), f"uncertainty_{name}"))
        return f"uncertainty_{name}"

    low, high = constant("low", 0), constant("high", 1)
    # The position along each segment, as a share of it; then the rises are summed.
    weight, bias = 1 / step, -np.array(KNOTS[:-1]) / step
    stretches = (constant("scale", weight[:, None, None, None]), constant("shift", bias))
    rises = (constant("rise", (slopes * step)[None, :, None, None]), constant("first", [curve[0]]))
    graph.node.extend(
        [
            helper.make_node("Conv", [OUTPUTS[1], *stretches], ["uncertainty_along"]),
            helper.make_node("Clip", ["uncertainty_along", low, high], ["uncertainty_share"]),
            helper.make_node("Conv", ["uncertainty_share", *rises], ["uncertainty_sum"]),
            helper.make_node("Clip", ["uncertainty_sum", low, high], [UNCERTAINTY]),
        ]
    )
    graph.output.append(helper.make_tensor_value_info(UNCERTAINTY, onnx.TensorProto.FLOAT, ["n", 1, "y", "x"]))
    return model


def interval_of(of: HeldOut, cover: Mapping[str, float], *, source: str, beyond: float) -> ReferenceScore | None:
    """Estimate the error of the city's ratio from the held-out groups; None if there are too few.

    Uses the mean error of each class (predicted - labelled green fraction), and of mixtures of held-out pixels,
    weighted by its share of the map; its standard error has whole groups as units. Half of the interval is the size of
    that mean and, added in quadrature, t times its standard error (Satterthwaite's degrees of freedom) and the excess
    error of simulated towns.

    Parameters
    ----------
    cover
        From :func:`cover_of`.
    beyond
        From :data:`UNLABELLED`.
    """
    from scipy import stats

    groups = of.labels.groups()
    if len(np.unique(groups)) < FEWEST_GROUPS:
        return None
    missed = of.found.green - of.found.true_green
    parts = {
        NAMES[code]: (missed[of.labels.code == code], groups[of.labels.code == code]) for code in range(len(NAMES))
    }
    green = GREEN[of.labels.code]
    parts |= {name: (missed[kind], groups[kind]) for name, kind in (("green", green), ("other", ~green))}
    parts["mixed"] = (of.mixed.green - of.mixed.true_green, of.mixed_group)
    bias = variance = freedom = 0.0
    for name, share in cover.items():
        means = _means(*parts[name])
        if len(means) < 2:
            if share > LEAST_SHARE:
                return None
            continue
        bias += share * float(means.mean())
        part = share**2 * float(means.var(ddof=1)) / len(means)
        variance += part
        freedom += part**2 / (len(means) - 1)
    t = float(stats.t.ppf((1 + LEVEL) / 2, max(variance**2 / freedom if freedom else 1e6, 1.0)))
    half = abs(bias) + math.hypot(t * math.sqrt(variance), Z_95 * beyond)
    figures = errors(of.found.green.astype(float), of.found.true_green.astype(float))
    return ReferenceScore(
        source=f"{source}: {len(np.unique(groups))} labelled places, each judged by a model that never met it",
        n=len(of.found.green), rmse=figures["rmse"], mae=figures["mae"], bias=figures["bias"], r2=figures["r2"],
        half_width=half, level=LEVEL,
        method="mean errors of held-out labels by class and of mixtures of them, weighed by the map's own classes, whole places the "
        "units; and in squares what simulated towns needed beyond their labels. Labels are drawn where people are sure, so a city's other ground may be further off; holds in this city, season "
        "and satellite alone",
    )  # fmt: skip


def _means(values: Floats, groups: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Mean of each group."""
    if not len(values):
        return np.empty(0)
    _, inverse, counts = np.unique(groups, return_inverse=True, return_counts=True)
    return np.asarray(np.bincount(inverse, values) / counts)


def cover_of(green: Floats, probability: Floats) -> dict[str, float]:
    """Share of a map by class (``green`` and ``other`` for a model's other classes), ``mixed`` pixels separate."""
    mixed = (green > PURE) & (green < 1 - PURE)
    found = {"mixed": float(mixed.mean())}
    if probability.shape[1] == len(NAMES):
        code = probability.argmax(axis=1)
        return found | {name: float(((code == number) & ~mixed).mean()) for number, name in enumerate(NAMES)}
    return found | {"green": float((green >= 1 - PURE).mean()), "other": float((green <= PURE).mean())}


def labelled(sequence: Sequence[Answer]) -> Answer:
    """Join predictions."""
    return Answer(
        **{name: np.concatenate([getattr(one, name) for one in sequence])
           for name in ("green", "probability", "true_green", "true_shares")}
    )  # fmt: skip
