"""The contest from data to page: part by part, each stored when finished, so that a stopped run resumes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from howgreen.core.files import atomic_path, write_atomic
from howgreen.core.sensors import LANDSAT, SENTINEL2
from howgreen.core.types import Progress
from howgreen.landcover.model import Model, load_model, models
from howgreen.measure.interval import half_width_of
from howgreen.training import evaluate, mixtures, references
from howgreen.training.contest import graphs, judge, learners, samples, scenes, unet
from howgreen.training.contest.cards import COMBINATION, MEMBERS, card_of
from howgreen.training.contest.classes import BAND_SETS, CLASSES, GREEN, PIXEL_M
from howgreen.training.contest.effort import CANDIDATES, SEED, Effort
from howgreen.training.contest.learners import Fit, Job, Setting, Training
from howgreen.training.contest.samples import Place
from howgreen.training.contest.sureness import sureness
from howgreen.training.export import save
from howgreen.training.spectra import Responses, read_materials, read_responses

VERSION = 4
"""Increased when parts of older runs become invalid."""

CONTESTANTS: Mapping[str, tuple[Fit, tuple[Setting, ...]]] = {
    "ndvi-rule": (learners.ndvi_rule, ({},)),
    "ndvi-linear": (learners.ndvi_linear, ({},)),
    "knn": (learners.nearest_neighbours, ({"neighbours": 5}, {"neighbours": 12}, {"neighbours": 30})),
    "svm": (learners.support_vectors, ({"c": 1, "gamma": 0.5}, {"c": 1, "gamma": 1.5}, {"c": 10, "gamma": 0.5})),
    "forest": (learners.random_forest, ({"leaf": 3}, {"leaf": 10}, {"leaf": 30})),
    "boosting": (learners.gradient_boosting, ({"leaves": 7}, {"leaves": 15}, {"leaves": 31})),
    "network": (learners.pixel_network, ({"width": 16}, {"width": 32}, {"width": 48})),
    "unet": (unet.unet, ({"width": 0.5}, {"width": 0.75}, {"width": 1.0})),
}
"""The algorithms, and the settings that each may try (the same number; the NDVI rules search their own numbers)."""

PICTURED_PX = 300
"""Side of the piece of a real image shown."""

EVERYTHING = "all cities"
RANDOM = "random split"
REAL = "real cities"
"""Name of the held-out group with which only simulation is used for training."""


@dataclass(frozen=True, kw_only=True)
class World:
    """All training and judging data, made on first use: a run that only reads its parts needs none."""

    data: Path
    band_set: str
    effort: Effort

    @property
    def sensor(self) -> str:
        """Landsat or Sentinel-2."""
        return LANDSAT.name if self.band_set == "landsat" else SENTINEL2.name

    @cached_property
    def library(self) -> mixtures.Surfaces:
        """Surfaces in Sentinel-2's bands, from which mixtures and towns are made."""
        rng = np.random.default_rng(SEED)
        responses = read_responses(self.data)
        return self._surfaces(responses, rng)

    def _surfaces(self, responses: Responses, rng: np.random.Generator) -> mixtures.Surfaces:
        measured = references.end_members(self.data, bands=responses.bands)
        return mixtures.surfaces(
            read_materials(self.data), responses, per_kind=self.effort.per_kind, rng=rng, measured=measured
        )

    @cached_property
    def mixed(self) -> Place:
        """Simulated training mixtures."""
        library, rng = self.library, np.random.default_rng(SEED + 1)
        if self.sensor == LANDSAT.name:
            library = self._surfaces(read_responses(self.data, LANDSAT), rng)
        return samples.mixed_pixels(library, self.effort.mixtures, rng=rng)

    @cached_property
    def towns(self) -> list[Place]:
        """Simulated training towns."""
        effort = self.effort
        made = [
            scenes.learned_town(1000 + n, extent_m=effort.extent_m, looks=effort.looks, library=self.library, sensor=self.sensor)
            for n in range(effort.canvases)
        ]  # fmt: skip
        return [town for looks in made for town in looks]

    @cached_property
    def simulated(self) -> list[Place]:
        """Simulated judging cities."""
        extent_m = self.effort.judge_extent_m
        return [
            scenes.judging_town(5000 + n, extent_m=extent_m, sensor=self.sensor)
            for n in range(self.effort.judge_cities)
        ]

    @cached_property
    def tuning(self) -> list[Place]:
        """Simulated towns that select settings: used neither for training nor for judging."""
        return scenes.learned_town(
            3000, extent_m=self.effort.extent_m, looks=2, library=self.library, sensor=self.sensor
        )

    @cached_property
    def real(self) -> list[Place]:
        """Real places with pure pixels. Landsat's, two seasons of one place, are not used for training."""
        if self.sensor == LANDSAT.name:
            return samples.tabasco(self.data)
        return [*samples.german_cities(self.data), samples.aberystwyth(self.data)]

    @property
    def teachers(self) -> list[Place]:
        """Real cities used for training unless held out."""
        return [] if self.sensor == LANDSAT.name else self.real

    def picture(self) -> Place | None:
        """Crop a piece of a real image with its labels, for a picture; None if the data folder has none."""
        image = samples.tabasco_image(self.data) if self.sensor == LANDSAT.name else samples.aberystwyth(self.data)
        return image and samples.labelled_piece(image, side=PICTURED_PX)

    @cached_property
    def halves(self) -> list[tuple[Place, Place]]:
        """The real cities, split at random by pixel."""
        rng = np.random.default_rng(SEED + 5)
        return [samples.halves(city, rng=rng) for city in self.teachers]

    @cached_property
    def potsdam(self) -> Place:
        """98 interpreted fractions, for judging only."""
        responses = read_responses(self.data, LANDSAT if self.sensor == LANDSAT.name else SENTINEL2)
        reference = evaluate.read_potsdam(self.data, responses)
        shares = np.zeros((len(reference.green), len(CLASSES)))
        shares[:, GREEN.argmax()], shares[:, (~GREEN).argmax()] = reference.green, 1 - reference.green
        return samples.as_place("Potsdam", reference.reflectance, shares, reference.bands)

    def training(self, *, without: str) -> Training:
        """Gather the training data with a city held out."""
        rng, bands = np.random.default_rng(SEED + 2), BAND_SETS[self.band_set]
        parts = [self.mixed.with_bands(bands).rows()]
        towns = tuple(town.with_bands(bands) for town in self.towns)
        each = max(self.effort.scene_pixels // max(len(towns), 1), 1)
        parts += [samples.thinned(town, pixels=each, rng=rng).rows() for town in towns]
        for number, city in enumerate(self.teachers):
            learned = self.halves[number][0] if without == RANDOM else city
            rows = samples.some_rows(learned.with_bands(bands), per_class=self.effort.real_per_class, rng=rng)
            parts += [rows] if without not in (city.name, REAL) else []
        reflectance, shares = (np.concatenate([part[side] for part in parts]).astype(np.float32) for side in (0, 1))
        watched = tuple(town.with_bands(bands) for town in self.tuning)
        return Training(reflectance=reflectance, shares=shares, bands=bands, towns=towns, watched=watched)

    def judging(self, city: Place) -> Place:
        """Return a real city, thinned so that the slowest contestant finishes in time."""
        return samples.thinned(city, pixels=self.effort.judged_pixels, rng=np.random.default_rng(SEED + 3))


@dataclass(frozen=True, kw_only=True)
class Contest:
    """One run: the data, and the folder of its parts."""

    world: World
    work: Path
    names: tuple[str, ...]
    progress: Progress

    def part(self, *names: str) -> Path:
        """Return the path of a finished part; it changes with everything that determines the part."""
        told = json.dumps([VERSION, SEED, asdict(self.world.effort), self.world.band_set], sort_keys=True)
        slug = "_".join(name.replace(" ", "-").lower() for name in names)
        return self.work / hashlib.sha256(told.encode()).hexdigest()[:12] / f"{slug}.json"

    def settings(self) -> dict[str, Setting]:
        """Select each contestant's best setting on the tuning towns."""
        training: Training | None = None
        chosen: dict[str, Setting] = {}
        for done, name in enumerate(self.names):
            self.progress("tune", done, len(self.names))
            path = self.part("setting", name)
            if not path.exists():
                training = training or _smaller(self.world.training(without=EVERYTHING))
                _keep(path, self._tuned(name, training))
            chosen[name] = json.loads(path.read_text())["setting"]
        self.progress("tune", len(self.names), len(self.names))
        return chosen

    def _tuned(self, name: str, training: Training) -> dict[str, Any]:
        candidates = CONTESTANTS[name][1]
        effort = self.world.effort
        less = replace(
            effort,
            epochs=max(effort.epochs // 3, 1),
            unet_steps=effort.unet_steps // 3,
            trees=max(effort.trees // 2, 1),
        )
        misses = []
        for number, setting in enumerate(candidates[:CANDIDATES] if len(candidates) > 1 else ()):
            path = self.part("tune", name, str(number)).with_suffix(".onnx")
            self._fit(name, setting, training, less, path)
            model = load_model(path)
            answers = [judge.answer(model, town.with_bands(training.bands)) for town in self.world.tuning]
            misses.append(float(np.mean([np.mean((a.green - a.true_green) ** 2) + _class_loss(a) for a in answers])))
            path.unlink()
        best = int(np.argmin(misses)) if misses else 0
        return {"setting": candidates[best], "losses": misses}

    def _fit(
        self, name: str, setting: Setting, training: Training, effort: Effort, path: Path, *, course: Path | None = None
    ) -> None:
        """Train into a file; the training curve, if there is one, into another."""
        checkpoint = path.with_suffix(".checkpoint")
        job = Job(
            training=training, setting=setting, effort=effort, seed=SEED, progress=self.progress, checkpoint=checkpoint,
            card=card_of(name, setting, band_set=self.world.band_set, effort=self.world.effort),
            note=None if course is None else lambda points: _keep(course, {"course": points}),
        )  # fmt: skip
        save(CONTESTANTS[name][0](job), path)
        checkpoint.unlink(missing_ok=True)

    def model(self, name: str, *, without: str, setting: Setting, training: Training) -> Model:
        """Train a contestant without a city, or reuse the stored model."""
        path = self.part("model", name, without).with_suffix(".onnx")
        if not path.exists():
            self._fit(name, setting, training, self.world.effort, path, course=self.part("course", name, without))
        return load_model(path)

    def combination(self, *, without: str) -> Model:
        """Average the members trained without a city."""
        path = self.part("model", COMBINATION, without).with_suffix(".onnx")
        if not path.exists():
            files = [self.part("model", name, without).with_suffix(".onnx") for name in MEMBERS]
            save(
                graphs.averaged(
                    [onnx.load(file) for file in files],
                    card_of(COMBINATION, {}, band_set=self.world.band_set, effort=self.world.effort),
                ),
                path,
            )
        return load_model(path)


def _smaller(training: Training) -> Training:
    """Take a third of the pixels: tuning is the same small effort for all."""
    chosen = np.random.default_rng(SEED + 4).permutation(len(training.shares))[: max(len(training.shares) // 3, 300)]
    return replace(training, reflectance=training.reflectance[chosen], shares=training.shares[chosen])


def _class_loss(found: judge.Answer) -> float:
    return float(((found.probability - found.true_shares) ** 2).sum(axis=1).mean())


def _keep(path: Path, found: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps(found), durable=False)


def benchmark(
    data: Path,
    *,
    work: Path,
    effort: Effort,
    band_set: str = "sentinel-2",
    names: Sequence[str] = (),
    progress: Progress,
) -> dict[str, Any]:
    """Compute all figures of one contest, by contestant; see :mod:`howgreen.training.contest.page` for the page.

    Parameters
    ----------
    data
        Folder with ``spectra/``, ``reference/`` and ``aberystwyth/``.
    work
        Stores finished parts and the models (.onnx); the same run resumes from there.
    names
        Contestants of :data:`CONTESTANTS`; all if empty.

    Raises
    ------
    ModelError
        The data folder lacks a file.
    """
    import torch

    torch.set_num_threads(1)
    world = World(data=data, band_set=band_set, effort=effort)
    contest = Contest(world=world, work=work, names=tuple(names) or tuple(CONTESTANTS), progress=progress)
    settings = contest.settings()
    found = {name: _scored(contest, name, settings) for name in _with_combination(contest.names)}
    found |= {f"shipped {model.card.name}": _of_shipped(contest, model) for model in _shipped(band_set)}
    return {"band_set": band_set, "effort": asdict(effort), "settings": settings, "contestants": found, "courses": _courses(contest),
            "folder": str(contest.part("x").parent)}  # fmt: skip


def pictured(world: World, folder: Path) -> Place | None:
    """Store the real image piece with the other parts: a second run then needs no data."""
    path = folder / "picture.npz"
    if not path.exists():
        place = world.picture()
        if place is None:
            return None
        with atomic_path(path, durable=False) as part, part.open("wb") as file:
            np.savez(file, reflectance=place.reflectance, shares=place.shares, bands=place.bands, name=place.name)
    with np.load(path, allow_pickle=False) as kept:
        bands = tuple(str(band) for band in kept["bands"])
        return Place(name=str(kept["name"]), bands=bands, reflectance=kept["reflectance"], shares=kept["shares"])


def _courses(contest: Contest) -> dict[str, Any]:
    """Training curves on all cities, of the iterative algorithms."""
    paths = {name: contest.part("course", name, EVERYTHING) for name in contest.names}
    return {name: json.loads(path.read_text())["course"] for name, path in paths.items() if path.exists()}


def _with_combination(names: Sequence[str]) -> list[str]:
    return [*names, *([COMBINATION] if set(MEMBERS) <= set(names) else [])]


def _scored(contest: Contest, name: str, settings: Mapping[str, Setting]) -> dict[str, Any]:
    path = contest.part("figures", name)
    if not path.exists():
        world, found = contest.world, dict[str, Any](cities={})
        for city in world.real:
            left_out = city.name if world.teachers else EVERYTHING
            model = _trained(contest, name, settings, without=left_out)
            found["cities"][city.name] = judge.pure_figures(judge.answer(model, world.judging(city)))
        model = _trained(contest, name, settings, without=EVERYTHING)
        found |= _general(contest, model)
        if world.teachers:
            model = _trained(contest, name, settings, without=RANDOM)
            others = [judge.pure_figures(judge.answer(model, world.judging(other))) for _, other in world.halves]
            found["random_split_oa"] = float(np.mean([figures["oa"] for figures in others]))
        _keep(path, found)
    read: dict[str, Any] = json.loads(path.read_text())
    return read


def _trained(contest: Contest, name: str, settings: Mapping[str, Setting], *, without: str) -> Model:
    if name == COMBINATION:
        return contest.combination(without=without)
    path = contest.part("model", name, without).with_suffix(".onnx")
    if path.exists():
        return load_model(path)
    training = contest.world.training(without=without)
    return contest.model(name, without=without, setting=settings[name], training=training)


def _shipped(band_set: str) -> list[Model]:
    """Shipped models that work with these bands."""
    return [model for model in models() if set(model.card.bands) <= set(BAND_SETS[band_set])]


def _of_shipped(contest: Contest, model: Model) -> dict[str, Any]:
    """Figures of a shipped model, which is not trained here: no city was used for it."""
    path = contest.part("judged", model.card.name, model.sha256[:12])
    if not path.exists():
        world = contest.world
        found = {
            "cities": {
                city.name: judge.pure_figures(judge.answer(model, world.judging(city).with_bands(model.card.bands)))
                for city in world.real
            },
            **_general(contest, model),
            "half_widths_points": _half_widths(model, world),
            "sureness": sureness(model, _where_sure(world)),
        }
        _keep(path, found)
    read: dict[str, Any] = json.loads(path.read_text())
    return read


def _where_sure(world: World) -> dict[str, Sequence[Place]]:
    """Pixels that no standard error was fitted to, and mixtures of real ones that only set its scale."""
    mixed = [samples.mixed_real(city, rng=np.random.default_rng(SEED + 6)) for city in world.real]
    return {"simulated cities": world.simulated, "Potsdam": [world.potsdam], "mixtures of real pixels": mixed}


def _half_widths(model: Model, world: World) -> dict[str, float]:
    """Half-width that reports give, in points, by the zone's side in pixels and for a whole simulated city."""
    pixel_m2 = PIXEL_M[world.band_set] ** 2
    sides = {
        **{str(side): side for side in judge.ZONES_PX},
        "city": world.effort.judge_extent_m // PIXEL_M[world.band_set],
    }
    widths = {name: half_width_of(model.card, area_m2=side**2 * pixel_m2) for name, side in sides.items()}
    return {name: 100 * width for name, width in widths.items() if width is not None}


def _general(contest: Contest, model: Model) -> dict[str, Any]:
    """Figures on data unseen by all contestants, with speed and size."""
    world = contest.world
    return {
        "simulated": {place.name: judge.city_figures(model, place) for place in world.simulated},
        "potsdam": judge.fraction_figures(judge.answer(model, world.potsdam)),
        "seconds_per_mpx": judge.seconds_per_mpx(model, seed=SEED),
        "bytes": model.path.stat().st_size,
    }
