"""From own labels and images to one ONNX file: any algorithm of the contest, judged on held-out groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import onnx

from howgreen.core.errors import LabelError, MissingBandsError
from howgreen.core.models import ModelCard
from howgreen.core.types import Progress
from howgreen.core.warnings import Caution
from howgreen.landcover.card import METADATA_KEY, card_from_json, card_to_json
from howgreen.landcover.model import Model, default_model, load_model
from howgreen.training.contest import graphs, judge
from howgreen.training.contest.cards import COMBINATION, MEMBERS, tiling
from howgreen.training.contest.classes import CLASSES
from howgreen.training.contest.descent import Point
from howgreen.training.contest.effort import SEED, Effort
from howgreen.training.contest.judge import Answer
from howgreen.training.contest.learners import Job, Setting, Training
from howgreen.training.contest.run import CONTESTANTS
from howgreen.training.contest.samples import Floats, Place, as_place
from howgreen.training.export import save
from howgreen.training.own import holdout
from howgreen.training.own.holdout import HeldOut
from howgreen.training.own.images import Image
from howgreen.training.own.labels import Labels, check, together
from howgreen.training.own.view import View, view_of

if TYPE_CHECKING:
    from collections.abc import Iterator

ALGORITHMS = (*CONTESTANTS, COMBINATION)
_PER_CLASS = 2_000
_SLOW = ("unet",)
"""Slow algorithms (minutes): a third of the groups is held out once, instead of each third in turn."""
_MIXED = 3_000
"""Mixtures of held-out pixels used for judging."""
_SETTINGS: Mapping[str, Setting] = {
    "knn": {"neighbours": 12}, "svm": {"c": 1, "gamma": 0.5}, "forest": {"leaf": 5}, "boosting": {"leaves": 15},
    "network": {"width": 32}, "unet": {"width": 1.0},
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Trained:
    """Outcome of a training."""

    path: Path
    card: ModelCard
    counts: Mapping[str, int]
    """Labelled pixels by class."""
    notes: tuple[str, ...]
    """Labels that were not used, and those contradicted by the map."""
    cautions: tuple[Caution, ...]
    """Why the model may be useless."""
    held_out: HeldOut | None
    """Predictions on held-out ground; None if none could be held out."""
    views: tuple[View, ...]
    """The images with the finished model's map."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What to train, on what, and with how much effort."""

    source: str
    """Name of the labels in errors and on the card."""
    algorithm: str
    out: Path
    name: str
    seed: int = SEED
    effort: Effort | None = None


def train_own(images: Sequence[Image], labels: Labels, recipe: Recipe, *, progress: Progress) -> Trained:
    """Train, judge on held-out ground, retrain on everything, and write the model's file.

    Whole polygons, and whole blocks of points, are held out, each third in turn (with U-Net only one third). The model
    is compared with always predicting the most common kind, and with the shipped model for the same bands; if it is no
    better, a warning is given.

    Half of the training data are mixtures of two or three labelled pixels: labels are pure, cities are not, and a model
    trained only on pure ground calls a half-green pixel all or nothing.

    Raises
    ------
    LabelError
        The labels are unsuitable: see :func:`howgreen.training.own.labels.check`; or there is no such algorithm.
    """
    algorithm, out = recipe.algorithm, recipe.out
    if algorithm not in ALGORITHMS:
        raise LabelError(f"algorithm {algorithm!r}: not one that learns from labels; choose {', '.join(ALGORITHMS)}")
    check(labels.teaching, images, source=recipe.source)
    job = _Own(images=tuple(images), recipe=recipe, effort=recipe.effort or Effort(), progress=progress)
    of = job.held_out(labels)
    scores = {} if of is None else holdout.scores(of)
    checkpoint = out.with_name(f".{out.name}.checkpoint")
    card = replace(job.card(labels.teaching), scores=scores)
    fitted = job.fit(labels.teaching, card, checkpoint=checkpoint)
    with _scratch(fitted, out.with_name(f".{out.name}.whole.onnx")) as model:
        views = tuple(view_of(model, image, labels.kept(labels.image == number)) for number, image in enumerate(images))
    save(fitted if of is None else _sure(fitted, of, views, recipe), out)
    checkpoint.unlink(missing_ok=True)
    return Trained(
        path=out,
        card=load_model(out).card,
        counts=labels.teaching.counts(),
        notes=(*labels.notes, *([] if of is None else _contradicted(of))),
        cautions=tuple(holdout.doubts(scores)),
        held_out=of,
        views=views,
    )


def _sure(fitted: onnx.ModelProto, of: HeldOut, views: Sequence[View], recipe: Recipe) -> onnx.ModelProto:
    """Give a model its standard errors and its interval."""
    # The algorithm's own card: an NDVI rule has fewer bands and classes than offered.
    text = next(one.value for one in fitted.metadata_props if one.key == METADATA_KEY)
    card = card_from_json(text, source=recipe.source)
    curve, share = holdout.error_curve(of)
    covers = [holdout.cover_of(view.green[view.seen], view.probability[:, view.seen].T) for view in views]
    cover = {name: float(np.mean([one[name] for one in covers])) for name in covers[0]}
    card = replace(
        card,
        scores={**card.scores, "held_out_uncertainty_held": round(share, 5)},
        reference_error=holdout.interval_of(
            of, cover, source=recipe.source, beyond=holdout.UNLABELLED[recipe.algorithm]
        ),
    )
    finished = holdout.with_uncertainty(fitted, curve)
    onnx.helper.set_model_props(finished, {METADATA_KEY: card_to_json(card)})
    return finished


def _contradicted(of: HeldOut) -> Iterator[str]:
    """Say how many labelled places the map contradicts."""
    found = holdout.doubtful_labels(of)
    if found:
        both = sum(one.shipped_too for one in found)
        yield (
            f"{len(found)} of {len(np.unique(of.labels.groups()))} labelled places are contradicted by the model that did not meet them"
            + (f", {both} of them by the shipped model too: look whether the label is right" if both else "")
        )


@contextmanager
def _scratch(fitted: onnx.ModelProto, path: Path) -> Iterator[Model]:
    """Yield an unfinished model, ready to run."""
    try:
        save(fitted, path)
        yield load_model(path)
    finally:
        path.unlink(missing_ok=True)


@dataclass(frozen=True, kw_only=True)
class _Own:
    images: tuple[Image, ...]
    recipe: Recipe
    effort: Effort
    progress: Progress

    @property
    def bands(self) -> tuple[str, ...]:
        return self.images[0].bands

    def fit(
        self, labels: Labels, card: ModelCard, *, checkpoint: Path, watched: tuple[Place, ...] = (),
        course: list[Point] | None = None,
    ) -> onnx.ModelProto:  # fmt: skip
        """Train the model; a long training resumes from its checkpoint."""
        reflectance, shares = self._samples(labels)
        # A network with context learns from the image where there are labels; the rest is context only.
        towns = tuple(self._places(labels)) if card.looks_around else ()
        training = Training(reflectance=reflectance, shares=shares, bands=self.bands, towns=towns, watched=watched)

        def made(algorithm: str) -> onnx.ModelProto:
            return CONTESTANTS[algorithm][0](
                Job(training=training, setting=_SETTINGS.get(algorithm, {}), effort=self.effort, seed=self.recipe.seed,
                    card=card, checkpoint=checkpoint, progress=self.progress, note=None if course is None else course.extend)
            )  # fmt: skip

        if self.recipe.algorithm == COMBINATION:
            return graphs.averaged([made(member) for member in MEMBERS], card)
        return made(self.recipe.algorithm)

    def _places(self, labels: Labels) -> Iterator[Place]:
        """Return the images with the shares of the labelled pixels."""
        for number, image in enumerate(self.images):
            ours = labels.kept(labels.image == number)
            shares = np.full((len(CLASSES), *image.reflectance.shape[1:]), np.nan, np.float32)
            shares[:, ours.rows, ours.columns] = np.eye(len(CLASSES), dtype=np.float32)[:, ours.code]
            if len(ours.code):
                yield Place(name=image.name, bands=image.bands, reflectance=image.reflectance, shares=shares)

    def _samples(self, labels: Labels) -> tuple[Floats, Floats]:
        rng = np.random.default_rng(self.recipe.seed)
        chosen = np.concatenate(
            [rng.permutation(np.flatnonzero(labels.code == code))[:_PER_CLASS] for code in range(len(CLASSES))]
        )
        kept = labels.kept(np.isin(np.arange(len(labels.code)), chosen))
        return mixtures_of(kept.reflectance(self.images), _one_hot(kept.code), rng=rng)

    def held_out(self, labels: Labels) -> HeldOut | None:
        """Predict each group with a model that never saw it; None if a class has a single group."""
        rng = np.random.default_rng(self.recipe.seed)
        fold = holdout.folds(labels, rng=rng)
        if fold is None:
            return None
        scratch = self.recipe.out.with_name(f".{self.recipe.out.name}.held-out.onnx")
        judged, found, mixed, groups, course = [], list[Answer](), list[Answer](), [], list[Point]()
        for number in range(1 if self.recipe.algorithm in _SLOW else holdout.FOLDS):
            out, teaching = labels.kept(fold == number), labels.kept(fold != number).teaching
            # All share one name: a stopped training resumes, and finished ones are repeated.
            checkpoint = scratch.with_suffix(f".{number}.checkpoint")
            card = self.card(teaching)
            watched = () if number or card.looks_around else (self._rows(out),)
            fitted = self.fit(teaching, card, checkpoint=checkpoint, watched=watched, course=None if number else course)
            with _scratch(fitted, scratch) as model:
                for image, place in zip(np.unique(out.image), self._places(out), strict=True):
                    order = _in_order(out.kept(out.image == image))
                    judged.append(order)
                    found.append(judge.answer(model, place))
                place, first = self._mixed(out, rng)
                mixed.append(judge.answer(model, place))
                groups.append(out.groups()[first])
            checkpoint.unlink(missing_ok=True)
        kept = together(judged)
        return HeldOut(
            labels=kept, found=holdout.labelled(found), mixed=holdout.labelled(mixed), mixed_group=np.concatenate(groups),
            shipped=self._shipped(kept), course=course,
        )  # fmt: skip

    def _rows(self, labels: Labels) -> Place:
        return as_place(
            "held out", labels.reflectance(self.images).astype(float), _one_hot(labels.code).astype(float), self.bands
        )

    def _mixed(self, labels: Labels, rng: np.random.Generator) -> tuple[Place, npt.NDArray[np.int_]]:
        """Mix held-out pixels; also return the first pixel of each mixture."""
        few = np.sort(rng.permutation(len(labels.code))[: 4 * _MIXED])
        labels_few = labels.kept(np.isin(np.arange(len(labels.code)), few))
        pure = labels_few.reflectance(self.images)
        mixed, shares, first = mixed_only(pure, _one_hot(labels_few.code), count=_MIXED, rng=rng)
        return as_place("mixtures", mixed.astype(float), shares.astype(float), self.bands), few[first]

    def _shipped(self, labels: Labels) -> Floats | None:
        """Predict the green fraction of the same pixels by the shipped model for these bands; None if there is none."""
        try:
            shipped = load_model(default_model(self.bands))
        except MissingBandsError:
            return None
        return np.asarray(judge.answer(shipped, self._rows(labels)).green)

    def card(self, labels: Labels) -> ModelCard:
        recipe, first = self.recipe, self.images[0]
        counts = ", ".join(f"{count} {name}" for name, count in labels.counts().items())
        kept = (
            f" KNN and SVM keep at most {self.effort.support} of the pixels."
            if recipe.algorithm in ("knn", "svm")
            else ""
        )
        names = ", ".join(Path(image.name).name for image in self.images)
        return ModelCard(
            name=recipe.name, version="1", bands=self.bands, resolution_m=float(abs(first.grid.transform.a)),
            description=f"Made by `howgreen train` ({recipe.algorithm}) for one city.{kept}",
            normalisation=graphs.NORMALISATION, classes=CLASSES, scores={}, **tiling(recipe.algorithm),
            reference_error=None, licence="that of the labels and the image",
            training_data=f"Labelled pixels of {names} ({counts}; {recipe.source}) and mixtures of them",
            learned_from=tuple(image.on_card() for image in self.images),
        )  # fmt: skip


def _in_order(labels: Labels) -> Labels:
    """Sort the pixels of one image in raster order, the order of a place's predictions; each pixel once."""
    order = np.lexsort((labels.columns, labels.rows))
    return Labels(
        rows=labels.rows[order], columns=labels.columns[order], code=labels.code[order], shape=labels.shape[order],
        block=labels.block[order], image=labels.image[order], notes=labels.notes,
        learned=None if labels.learned is None else labels.learned[order],
    )  # fmt: skip


def _one_hot(code: npt.NDArray[np.int_]) -> Floats:
    return np.asarray(np.eye(len(CLASSES), dtype=np.float32)[code])


def mixtures_of(pure: Floats, shares: Floats, *, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Add as many mixtures of two or three of the pixels: (n, band) and (n, class)."""
    mixed, of, _ = mixed_only(pure, shares, count=len(pure), rng=rng)
    return np.concatenate([pure, mixed]).astype(np.float32), np.concatenate([shares, of]).astype(np.float32)


def mixed_only(
    pure: Floats, shares: Floats, *, count: int, rng: np.random.Generator
) -> tuple[Floats, Floats, npt.NDArray[np.int_]]:
    """Mix two or three pixels, classes equally often: (count, band), (count, class), and each one's first pixel."""
    # Classes are equally frequent: the mixtures must not follow the amount of labelling.
    code = shares.argmax(axis=1)
    weight = 1 / np.bincount(code, minlength=shares.shape[1])[code]
    picked = rng.choice(len(pure), (count, 3), p=weight / weight.sum())
    parts = rng.dirichlet((0.8, 0.8, 0.8), count)
    parts[rng.random(count) < 0.5, 2] = 0
    parts /= parts.sum(axis=1, keepdims=True)
    mixed = np.einsum("np,npb->nb", parts, pure[picked])
    of = np.einsum("np,npk->nk", parts, shares[picked])
    return mixed.astype(np.float32), of.astype(np.float32), picked[:, 0]
