"""Own labels and an image in, one ONNX file out: any algorithm of the contest, judged on polygons held out whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

from howgreen.core.errors import LabelError, MissingBandsError
from howgreen.core.types import ModelCard, Progress
from howgreen.core.warnings import Caution
from howgreen.landcover.model import default_model, load_model
from howgreen.training.contest import graphs, judge
from howgreen.training.contest.cards import COMBINATION, MEMBERS, tiling
from howgreen.training.contest.classes import CLASSES, GREEN, NAMES
from howgreen.training.contest.effort import SEED, Effort
from howgreen.training.contest.learners import Job, Setting, Training
from howgreen.training.contest.run import CONTESTANTS
from howgreen.training.contest.samples import Floats, Place
from howgreen.training.export import save
from howgreen.training.own.images import Image
from howgreen.training.own.labels import Labels, check

ALGORITHMS = (*CONTESTANTS, COMBINATION)
_PER_CLASS = 2_000
_HELD_OUT = 0.3
LEAST_KAPPA = 0.2
"""Agreement beyond chance below which a model has learned next to nothing ("slight", Landis & Koch 1977)."""
FEWEST_GROUPS = 6
"""Places held out below which a figure says little."""
_SETTINGS: Mapping[str, Setting] = {
    "knn": {"neighbours": 12}, "svm": {"c": 1, "gamma": 0.5}, "forest": {"leaf": 5}, "boosting": {"leaves": 15},
    "network": {"width": 32}, "unet": {"width": 1.0},
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What came of it."""

    path: Path
    card: ModelCard
    counts: Mapping[str, int]
    """Labelled pixels by class."""
    notes: tuple[str, ...]
    """What of the labels taught nothing."""
    cautions: tuple[Caution, ...]
    """Why the model may be no use."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What to make, of what, and how hard to try."""

    source: str
    """What the labels are called in errors and on the card."""
    algorithm: str
    out: Path
    name: str
    seed: int = SEED
    effort: Effort | None = None


def train_own(image: Image, labels: Labels, recipe: Recipe, *, progress: Progress) -> Trained:
    """Train, judge on a third of the ground held out, train again on all, and write the model's file.

    Held out are whole polygons, and whole blocks of points. The model is compared with calling everything the commonest kind, and with
    the shipped model for the same bands; where it is no better, that is a warning.

    Half of what is learned are mixtures of two or three labelled pixels: labels are pure, cities are not, and a model that met
    pure ground only calls a half-green pixel all or nothing.

    Raises
    ------
    LabelError
        The labels cannot teach: see :func:`howgreen.training.own.labels.check`; or no such algorithm.
    """
    algorithm, out = recipe.algorithm, recipe.out
    if algorithm not in ALGORITHMS:
        raise LabelError(f"algorithm {algorithm!r}: not one that learns from labels; choose {', '.join(ALGORITHMS)}")
    check(labels.teaching, image, source=recipe.source)
    job = _Own(
        image=image, algorithm=algorithm, name=recipe.name, source=recipe.source, seed=recipe.seed,
        effort=recipe.effort or Effort(), progress=progress,
    )  # fmt: skip
    scores = job.scores(labels, out.with_name(f".{out.name}.held-out.onnx"))
    card, checkpoint = replace(job.card(labels.teaching), scores=scores), out.with_name(f".{out.name}.checkpoint")
    save(job.fit(labels.teaching, card, checkpoint=checkpoint), out)
    checkpoint.unlink(missing_ok=True)
    return Trained(
        path=out,
        card=load_model(out).card,
        counts=labels.teaching.counts(),
        notes=labels.notes,
        cautions=tuple(doubts(scores)),
    )


def doubts(scores: Mapping[str, float]) -> Iterator[Caution]:
    """Tell why a model with these held-out figures may be no use."""
    if not scores:
        yield Caution(
            "model-doubtful",
            "the model was not judged: a class has ground in one place only; label it in two places or more",
        )
        return
    right, usual = scores["held_out_oa"], scores["held_out_majority_oa"]
    if scores["held_out_kappa"] <= LEAST_KAPPA:
        yield Caution(
            "model-doubtful",
            f"on ground held out it is {right:.0%} right where calling everything one kind is {usual:.0%} right (kappa "
            f"{scores['held_out_kappa']:.2f}): it has learned next to nothing; look at labels and image",
        )
    elif right < (shipped := scores.get("held_out_shipped_oa", 0.0)):
        yield Caution(
            "model-doubtful",
            f"on ground held out it is {right:.1%} right, and the shipped model is {shipped:.1%} right there: use that one",
        )
    if scores["held_out_groups"] < FEWEST_GROUPS:
        yield Caution(
            "model-doubtful",
            f"it was judged on {scores['held_out_groups']:.0f} places only, so the figure may be off by far; label more of them",
        )


@dataclass(frozen=True, kw_only=True)
class _Own:
    image: Image
    algorithm: str
    name: str
    source: str
    seed: int
    effort: Effort
    progress: Progress

    def fit(self, labels: Labels, card: ModelCard, *, checkpoint: Path) -> onnx.ModelProto:
        """Train the model; a training that takes long goes on from its checkpoint."""
        reflectance, shares = self._samples(labels)
        # Of the image, a network that looks around learns where labels are; what is between them it only sees.
        towns = (self._place(labels),) if card.looks_around else ()
        training = Training(reflectance=reflectance, shares=shares, bands=self.image.bands, towns=towns)

        def made(algorithm: str) -> onnx.ModelProto:
            return CONTESTANTS[algorithm][0](
                Job(training=training, setting=_SETTINGS.get(algorithm, {}), effort=self.effort, seed=self.seed, card=card,
                    checkpoint=checkpoint, progress=self.progress)
            )  # fmt: skip

        if self.algorithm == COMBINATION:
            return graphs.averaged([made(member) for member in MEMBERS], card)
        return made(self.algorithm)

    def _place(self, labels: Labels) -> Place:
        """Read the image, with the shares of the labelled pixels."""
        shares = np.full((len(CLASSES), *self.image.reflectance.shape[1:]), np.nan, np.float32)
        shares[:, labels.rows, labels.columns] = np.eye(len(CLASSES), dtype=np.float32)[:, labels.code]
        return Place(name=self.image.name, bands=self.image.bands, reflectance=self.image.reflectance, shares=shares)

    def _samples(self, labels: Labels) -> tuple[Floats, Floats]:
        rng = np.random.default_rng(self.seed)
        kept = np.concatenate(
            [rng.permutation(np.flatnonzero(labels.code == code))[:_PER_CLASS] for code in range(len(CLASSES))]
        )
        pure = self.image.reflectance[:, labels.rows[kept], labels.columns[kept]].T
        shares = np.eye(len(CLASSES), dtype=np.float32)[labels.code[kept]]
        return mixtures_of(pure, shares, rng=rng)

    def scores(self, labels: Labels, scratch: Path) -> dict[str, float]:
        """Figures on polygons held out whole; none where a class has but one polygon."""
        held = held_out(labels, rng=np.random.default_rng(self.seed))
        if held is None:
            return {}
        card, checkpoint = self.card(labels), scratch.with_suffix(".checkpoint")
        try:
            save(self.fit(labels.kept(~held).teaching, card, checkpoint=checkpoint), scratch)
            model = load_model(scratch)
        finally:
            scratch.unlink(missing_ok=True)
        checkpoint.unlink(missing_ok=True)
        place = self._place(labels.kept(held))
        figures = judge.pure_figures(judge.answer(model, place))
        green = GREEN[labels.code[held]]
        figures["groups"] = len(np.unique(labels.groups()[held]))
        figures["majority_oa"] = float(max(green.mean(), 1 - green.mean()))
        shipped = self._shipped_oa(place)
        if shipped is not None:
            figures["shipped_oa"] = shipped
        kept = ("n", "groups", "oa", "f1", "iou", "kappa", "class_oa", "majority_oa", "shipped_oa")
        return {f"held_out_{key}": round(float(figures[key]), 5) for key in kept if key in figures}

    def _shipped_oa(self, place: Place) -> float | None:
        """Judge the shipped model for the same bands on the same ground; None where there is none for them."""
        try:
            shipped = load_model(default_model(self.image.bands))
        except MissingBandsError:
            return None
        rows = [self.image.bands.index(band) for band in shipped.card.bands]
        theirs = replace(place, bands=shipped.card.bands, reflectance=place.reflectance[rows])
        return float(judge.pure_figures(judge.answer(shipped, theirs))["oa"])

    def card(self, labels: Labels) -> ModelCard:
        counts = ", ".join(f"{count} {name}" for name, count in labels.counts().items())
        note = (
            f" KNN and SVM keep at most {self.effort.support} of the pixels."
            if self.algorithm in ("knn", "svm")
            else ""
        )
        return ModelCard(
            name=self.name, version="1", bands=self.image.bands, resolution_m=float(abs(self.image.grid.transform.a)),
            description=f"Made by `howgreen train` ({self.algorithm}) for one city.{note} No reference of fractions judged it, so "
            "reports show no interval.",
            normalisation=graphs.NORMALISATION, classes=CLASSES, scores={}, **tiling(self.algorithm),
            reference_error=None, licence="that of the labels and the image",
            training_data=f"Labelled pixels of {Path(self.image.name).name} ({counts}; {self.source}) and mixtures of them",
        )  # fmt: skip


def mixtures_of(pure: Floats, shares: Floats, *, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Add to the pixels as many mixtures of two or three of them: (n, band) and (n, class)."""
    count = len(pure)
    # As often of each class: what was labelled most must not be what is mixed most.
    code = shares.argmax(axis=1)
    weight = 1 / np.bincount(code, minlength=shares.shape[1])[code]
    picked = rng.choice(count, (count, 3), p=weight / weight.sum())
    parts = rng.dirichlet((0.8, 0.8, 0.8), count)
    parts[rng.random(count) < 0.5, 2] = 0
    parts /= parts.sum(axis=1, keepdims=True)
    mixed = np.einsum("np,npb->nb", parts, pure[picked])
    of = np.einsum("np,npk->nk", parts, shares[picked])
    return np.concatenate([pure, mixed]).astype(np.float32), np.concatenate([shares, of]).astype(np.float32)


def held_out(labels: Labels, *, rng: np.random.Generator) -> npt.NDArray[np.bool_] | None:
    """(n,) pixels of about a third of each class's groups; None where a class has but one."""
    groups = labels.groups()
    held = np.zeros(len(labels.code), bool)
    for name in labels.counts():
        ours = labels.code == NAMES.index(name)
        there = np.unique(groups[ours])
        if len(there) < 2:
            return None
        chosen = rng.permutation(there)[: max(round(_HELD_OUT * len(there)), 1)]
        held |= np.isin(groups, chosen)  # with all that lies in them, whatever its class
    left = set(labels.kept(~held).teaching.counts())
    kinds = GREEN[labels.code[held]]
    return held if kinds.any() and not kinds.all() and left >= set(labels.teaching.counts()) else None
