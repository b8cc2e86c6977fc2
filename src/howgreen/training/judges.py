"""Evaluation of a model on real land that it was not trained on: every figure with its clustered standard error.

The references are fractions measured or interpreted by people, pure pixels of known classes, and mixtures of pure
pixels with exact shares. A model is passed as a function from reflectance to green share, so that a rule, a network and
a file are judged alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from howgreen.core.models import PlaceError
from howgreen.core.sensors import LANDSAT, SENTINEL2, Sensor
from howgreen.training import calibrate, evaluate, mixtures, references
from howgreen.training.clusters import Mean, bootstrapped_error, clustered_mean, jackknifed_mean
from howgreen.training.evaluate import Predict, Reference
from howgreen.training.mixtures import BARE, BUILT, DRY, GREEN, LOW, TREE, WATER
from howgreen.training.red_edge import with_red_edge
from howgreen.training.spectra import Array, read_materials, read_responses

Value = TypeVar("Value")

SHARES = np.linspace(0, 1, 11)
"""Plant shares along a mixing line."""
QUARTILES = 4
_DRAWN_SEED, _DRAWN_PER_KIND, _DRAWN_PIXELS = 77, 150, 60_000
"""Simulated open land from which missing bands are drawn."""


@dataclass(frozen=True)
class Ground:
    """All judging references, read on first use."""

    data: Path

    @cached_property
    def germany(self) -> Reference:
        """Pure pixels of Freiburg and Münster."""
        return evaluate.read_germany(self.data)

    @cached_property
    def aberystwyth(self) -> Reference:
        """Pure pixels of Aberystwyth."""
        return evaluate.read_aberystwyth(self.data)

    @cached_property
    def cities(self) -> Mapping[str, Reference]:
        """Pure pixels, city by city."""
        return calibrate.cities_of((self.germany, self.aberystwyth))

    def potsdam(self, sensor: Sensor) -> Reference:
        """Read 98 interpreted fractions as seen by a sensor."""
        return evaluate.read_potsdam(self.data, read_responses(self.data, sensor))

    @cached_property
    def australia(self) -> Reference:
        """Field-measured fractions."""
        return references.read_australia(self.data)

    @cached_property
    def australia_in_ten_bands(self) -> Reference:
        """The same, with the bands that Landsat lacks drawn from simulated pixels: it judges only dry plants."""
        responses, rng = read_responses(self.data), np.random.default_rng(_DRAWN_SEED)
        world = mixtures.surfaces(read_materials(self.data), responses, per_kind=_DRAWN_PER_KIND, rng=rng)
        shares = np.zeros((_DRAWN_PIXELS, len(mixtures.CLASSES)))
        shares[:, [TREE, LOW, BARE, DRY]] = rng.dirichlet((0.3, 0.75, 0.7, 1.0), _DRAWN_PIXELS)
        reference = self.australia
        seen = mixtures.Mixtures(reflectance=reference.reflectance, shares=np.zeros((len(reference.green), 0)),
                                 bands=reference.bands)  # fmt: skip
        drawn = with_red_edge(seen, mixtures.mix_of(world, shares, rng=rng), rng=rng)
        return replace(reference, reflectance=drawn.reflectance, bands=drawn.bands)

    @cached_property
    def texas(self) -> Reference:
        """Fractions by an index at 2 m."""
        return references.read_hydice(self.data)

    @cached_property
    def habitats(self) -> tuple[Reference, npt.NDArray[np.str_]]:
        """Habitats along the Southern Bug."""
        return references.read_habitats(self.data)

    @cached_property
    def tabasco(self) -> tuple[Reference, npt.NDArray[np.str_], npt.NDArray[np.str_]]:
        """One place, wet and dry."""
        return references.read_tabasco(self.data)


def known(value: Value | None) -> Value:
    """Return a value that cannot be None here.

    Raises
    ------
    ValueError
        It is None: a reference lacks required classes or bands.
    """
    if value is None:
        raise ValueError("a reference lacks classes, clusters or bands that are needed here")
    return value


def columns(reference: Reference, bands: Sequence[str], sensor: Sensor) -> Array | None:
    """Return the reflectance of a reference in the bands of a model's sensor; None if the reference lacks a band."""
    if sensor is LANDSAT and reference.bands == SENTINEL2.band_names:
        reference = reference.as_landsat()
    return reference.columns(bands) if set(bands) <= set(reference.bands) else None


def fractions(predict: Predict, bands: Sequence[str], *, ground: Ground, sensor: Sensor = SENTINEL2) -> dict[str, Any]:
    """Compute errors on measured and interpreted fractions, by place, and by quartile of brightness."""
    found = {}
    places = {"Potsdam": ground.potsdam(sensor), "Australia": ground.australia, "Texas": ground.texas}
    for name, reference in places.items():
        seen = columns(reference, bands, sensor)
        if seen is not None and len(reference.green):
            found[name] = fraction_figures(predict(seen), reference)
    return found


def fraction_figures(predicted: Array, reference: Reference) -> dict[str, Any]:
    """Compute RMSE and bias with standard errors, the slope of truth on prediction, and the error by brightness."""
    missed = predicted - reference.green
    squared, bias = (clustered_mean(values, reference.cluster) for values in (missed**2, missed))
    rmse = float(np.sqrt(squared.mean))
    cluster = np.arange(len(missed)) if reference.cluster is None else reference.cluster
    parts = np.array_split(reference.reflectance.mean(axis=1).argsort(kind="stable"), QUARTILES)
    quarters = [clustered_mean(missed[part], cluster[part]) for part in parts]
    return {
        "n": len(missed),
        "clusters": bias.clusters,
        "rmse": rmse,
        "rmse_se": squared.standard_error / (2 * rmse) if rmse else 0.0,
        "bias": bias.mean,
        "bias_se": bias.standard_error,
        "slope": slope(predicted, reference.green),
        "slope_se": bootstrapped_error(lambda weights: slope(predicted, reference.green, weights), cluster),
        "by_brightness": [quarter.mean for quarter in quarters],
        "by_brightness_se": [quarter.standard_error for quarter in quarters],
    }


def slope(predicted: Array, truth: Array, weights: Array | None = None) -> float:
    """Compute the slope of truth on prediction: above 1 if predictions lean to the middle; NaN if constant."""
    weight = np.ones(len(predicted)) if weights is None else weights
    apart = predicted - np.average(predicted, weights=weight)
    spread = float(np.sum(weight * apart**2))
    return float(np.sum(weight * apart * truth)) / spread if spread > 0 else float("nan")


def right(predict: Predict, bands: Sequence[str], *, ground: Ground, sensor: Sensor = SENTINEL2) -> dict[str, Any]:
    """Compute the share of the pure pixels of each city on the correct side of one half."""
    return {
        name: asdict(clustered_mean(
            evaluate.are_right(predict(known(columns(city, bands, sensor))), city.green).astype(float), city.cluster
        ))
        for name, city in ground.cities.items()
    }  # fmt: skip


def pure_means(predict: Predict, bands: Sequence[str], *, ground: Ground, sensor: Sensor = SENTINEL2) -> dict[str, Any]:
    """Compute the mean prediction for each class of pure land of each place; ideally 1 for plants, 0 for the rest."""
    found = dict[str, Any]()
    for name, reference in ground.cities.items():
        seen = columns(reference, bands, sensor)
        if seen is not None and reference.code is not None:
            said = predict(seen)
            for code, word in _WORDS.items():
                _keep(found, f"{name}, {word}", said, reference.code == code, reference.cluster)
    reference, habitat = ground.habitats
    if (seen := columns(reference, bands, sensor)) is not None:
        said = predict(seen)
        for label, words in _HABITATS.items():
            _keep(found, f"Southern Bug, {words}", said, habitat == label, reference.cluster)
    reference, label_of, season = ground.tabasco
    if (seen := columns(reference, bands, sensor)) is not None:
        said = predict(seen)
        for label in sorted(set(label_of.tolist())):
            for when in ("wet", "dry"):
                _keep(
                    found, f"Tabasco, {label}, {when}", said, (label_of == label) & (season == when), reference.cluster
                )
    return found


_WORDS = {TREE: "trees", LOW: "grass and crops", BUILT: "built", BARE: "bare soil", WATER: "water"}
_HABITATS = {
    "T1H": "planted broadleaved woods", "T11": "willow and poplar woods", "S35": "scrub", "Q51": "reed", "R1B": "steppe",
    "R12": "grass on rock", "V11": "arable land", "J1": "villages with gardens", "J4.2": "roads", "C2.3": "river",
}  # fmt: skip


def _keep(
    found: dict[str, Any],
    name: str,
    said: Array,
    chosen: npt.NDArray[np.bool_],
    cluster: npt.NDArray[np.int_] | None,
) -> None:
    if chosen.any():
        found[name] = asdict(clustered_mean(said[chosen], None if cluster is None else cluster[chosen]))


def dry_plants(predict: Predict, bands: Sequence[str], *, ground: Ground, sensor: Sensor = SENTINEL2) -> dict[str, Any]:
    """Judge the share of dry plants: on field-measured fractions, and its mean on pure land of cities with hardly any.

    Parameters
    ----------
    predict
        From reflectance to the share of dry plants.
    """
    reference, true = ground.australia, references.read_dry_of_australia(ground.data)
    if columns(reference, bands, sensor) is None:
        reference = ground.australia_in_ten_bands
    said = predict(known(columns(reference, bands, sensor)))
    found: dict[str, Any] = {"Australia": fraction_figures(said, replace(reference, green=true))}
    found["Australia"] |= {
        word: asdict(clustered_mean(values, reference.cluster)) for word, values in (("said", said), ("true", true))
    }
    for name, city in ground.cities.items():
        seen, code = known(columns(city, bands, sensor)), known(city.code)
        for number, word in ((BUILT, "built"), (BARE, "bare soil")):
            _keep(found, f"{name}, {word}", predict(seen), code == number, city.cluster)
    return found


def water_and_plants(
    predict: Predict, bands: Sequence[str], *, ground: Ground, sensor: Sensor = SENTINEL2
) -> dict[str, Any]:
    """Compute the error of the green share of real water mixed with real plants, with shares uniform, city by city."""
    found = {}
    for name, city in ground.cities.items():
        mixed, members = pairs(city, of=(WATER,), seed=11)
        seen = columns(mixed, bands, sensor)
        if seen is not None:
            found[name] = asdict(jackknifed_mean(predict(seen) - mixed.green, members))
    return found


_PAIRS = 3000


def pairs(city: Reference, *, of: Sequence[int], seed: int) -> tuple[Reference, npt.NDArray[np.int_]]:
    """Mix one plant pixel with one pixel of other classes, shares uniform; also return both polygons (n, 2)."""
    rng, code, cluster = np.random.default_rng(seed), known(city.code), known(city.cluster)
    plant = rng.choice(np.flatnonzero(GREEN[code]), _PAIRS)
    other = rng.choice(np.flatnonzero(np.isin(code, of)), _PAIRS)
    share = rng.random((_PAIRS, 1))
    mixed = Reference(reflectance=share * city.reflectance[plant] + (1 - share) * city.reflectance[other], bands=city.bands,
                      green=share[:, 0], group=(city.group[0],) * _PAIRS)  # fmt: skip
    return mixed, np.stack([cluster[plant], cluster[other]], axis=1)


@dataclass(frozen=True, kw_only=True)
class Line:
    """Response of a model to an increasing share of plants over some ground."""

    answers: Sequence[float]
    """Mean prediction at each of :data:`SHARES`."""
    worst: float
    """Largest deviation from the straight line."""
    worst_se: float
    """Standard error of that, with clusters by polygon or sample of plants, and of the ground as well."""


def mixing_lines(
    predict: Predict, bands: Sequence[str], *, data: Path, ground: Ground, sensor: Sensor = SENTINEL2
) -> dict[str, Line]:
    """Judge mixtures of real lawn and of real trees with eight real backgrounds, at each of :data:`SHARES`."""
    plants, backgrounds = _line_ends(data, ground)
    found = {}
    for plant, leaves in plants.items():
        for ground_name, floor in backgrounds.items():
            rng, count = np.random.default_rng(3), 60
            pairs = rng.integers(0, len(leaves.spectra), count), rng.integers(0, len(floor.spectra), count)
            one, other = leaves.spectra[pairs[0]], floor.spectra[pairs[1]]
            members = np.stack([leaves.cluster[pairs[0]], floor.cluster[pairs[1]]], axis=1)
            answers = []
            for share in SHARES:
                mixed = Reference(reflectance=share * one + (1 - share) * other, bands=SENTINEL2.band_names,
                                  green=np.full(count, share), group=("line",) * count)  # fmt: skip
                seen = columns(mixed, bands, sensor)
                answers.append(predict(known(seen)))
            found[f"{plant} over {ground_name}"] = _line(np.stack(answers, axis=1), members)
    return found


def _line(answers: Array, members: npt.NDArray[np.int_]) -> Line:
    """Summarise the predictions (n, share) for pairs of a plant and a ground."""
    mean = [float(each) for each in answers.mean(axis=0)]

    def worst(weights: Array) -> float:
        return worst_of_line(np.average(answers, axis=0, weights=weights).tolist())

    return Line(answers=mean, worst=worst_of_line(mean), worst_se=bootstrapped_error(worst, members))


def place_errors(
    predict: Predict,
    bands: Sequence[str],
    *,
    ground: Ground,
    sensor: Sensor = SENTINEL2,
    untaught: Predict | None = None,
    count: int = 20_000,
) -> list[PlaceError]:
    """Compute the mean error of each place with ground truth, with its clustered standard error.

    Potsdam and Australia count by their fractions; Freiburg, Münster, Aberystwyth and Texas by ``count`` mixtures of
    their pure land pixels, with all classes equal. The wavelengths of Texas's red edge are known only to 10 nm, over
    which the edge rises by a tenth of reflectance: it judges no model that uses it. Simulated towns do not count as
    places.

    Parameters
    ----------
    untaught
        Judged in Australia instead of a model trained on other sites there, for which it is not a new place.
    """
    found = []
    fractions_of = {
        "Potsdam, interpreted fractions": (ground.potsdam(sensor), predict),
        "Australian rangeland, measured in the field": (ground.australia, untaught or predict),
    }
    for name, (reference, judged) in fractions_of.items():
        seen = columns(reference, bands, sensor)
        if seen is not None:
            found.append(_place(name, clustered_mean(judged(seen) - reference.green, reference.cluster)))
    cities = dict(ground.cities)
    if not any(band.startswith("rededge") for band in bands):
        cities["Texas"] = references.read_texas(ground.data)
    for name, city in cities.items():
        mixed, polygons = calibrate.traced_mixtures(city, without=WATER, count=count)
        seen = columns(mixed, bands, sensor)
        if seen is not None:
            missed = predict(seen) - mixed.green
            found.append(_place(f"{name}, mixtures of pure pixels", jackknifed_mean(missed, polygons)))
    return found


def _place(name: str, mean: Mean) -> PlaceError:
    return PlaceError(place=name, error=mean.mean, standard_error=mean.standard_error, n=mean.n, clusters=mean.clusters)


def worst_of_line(answers: Sequence[float]) -> float:
    """Return the largest deviation of a mixing line from the straight one."""
    return float(np.abs(np.asarray(answers) - SHARES).max())


@dataclass(frozen=True, kw_only=True)
class _Ends:
    """Spectra of one material (n, band), and each one's polygon or sample."""

    spectra: Array
    cluster: npt.NDArray[np.int_]


def _ends(*parts: tuple[Array, npt.NDArray[np.int_]]) -> _Ends:
    """Concatenate spectra of several places, with distinct clusters."""
    numbers, first = [], 0
    for _, cluster in parts:
        numbers.append(np.unique(cluster, return_inverse=True)[1] + first)
        first = int(numbers[-1].max()) + 1
    return _Ends(spectra=np.concatenate([spectra for spectra, _ in parts]), cluster=np.concatenate(numbers))


def _measured(table: references.Table, **wanted: str) -> tuple[Array, npt.NDArray[np.int_]]:
    return table.of(**wanted), table.samples_of(**wanted)


def _pixels(place: Reference, chosen: npt.NDArray[np.bool_], *, every: int) -> tuple[Array, npt.NDArray[np.int_]]:
    return place.reflectance[chosen][::every], known(place.cluster)[chosen][::every]


def _line_ends(data: Path, ground: Ground) -> tuple[dict[str, _Ends], dict[str, _Ends]]:
    """Spectra in Sentinel-2's bands: plants of Aberystwyth and Texas, and possible backgrounds."""
    klum, texas = (references.read_table(data, name) for name in (references.KLUM_FILE, references.HYDICE_PURE_FILE))
    aber, muufl = ground.aberystwyth, references.read_table(data, references.MUUFL_FILE)
    code = known(aber.code)
    habitats, habitat = ground.habitats
    plants = {
        "lawn": _ends(_pixels(aber, code == LOW, every=40), _measured(texas, label="Grass")),
        "trees": _ends(_pixels(aber, code == TREE, every=40), _pixels(habitats, habitat == "T1H", every=20)),
    }
    backgrounds = {
        "asphalt": _ends(_measured(klum, label="Asphalt"), _measured(texas, label="Asphalt")),
        "red tile": _ends(_measured(klum, sub="Red matte ceramic")),
        "concrete": _ends(_measured(klum, sub="Grey concrete")),
        "bright plaster": _ends(_measured(klum, sub="Bright plaster")),
        "metal": _ends(_measured(klum, label="Metal"), _measured(texas, label="Metal")),
        "dark roof": _ends(_measured(texas, label="Roof")),
        "bare dirt": _ends(_measured(texas, label="Dirt")),
        "dead plants": _ends(*(_measured(muufl, label=word) for word in ("DriedLeaves", "GroundLitter", "DeadWees"))),
    }
    return plants, backgrounds


def look_alikes(predict: Predict, bands: Sequence[str], *, data: Path, sensor: Sensor = SENTINEL2) -> dict[str, Any]:
    """Compute the mean prediction for paint, cloth and turf that resemble plants, clustered by sample: 0 is correct."""
    klum, texas, muufl, turf = (
        references.read_table(data, name)
        for name in (references.KLUM_FILE, references.HYDICE_PURE_FILE, references.MUUFL_FILE, references.TURF_FILE)
    )
    groups = {
        "artificial turf": _ends(_measured(turf, label="turf")),
        "green paint": _ends(_measured(klum, color="Green")),
        "blue paint": _ends(_measured(klum, color="Blue")),
        "dark blue roof": _ends(_measured(texas, label="Roof")),
        "white paint": _ends(_measured(klum, color="White")),
    }
    if not {"swir16", "swir22"} & set(bands):
        groups["cloth"] = _ends(*(_measured(muufl, label=f"{word}Cloth") for word in ("Blue", "Green", "Red", "Black")))
    return {
        name: asdict(clustered_mean(predict(_seen(each.spectra, bands, sensor)), each.cluster))
        for name, each in groups.items()
    }


def _seen(spectra: Array, bands: Sequence[str], sensor: Sensor) -> Array:
    rows = Reference(
        reflectance=spectra, bands=SENTINEL2.band_names, green=np.zeros(len(spectra)), group=("",) * len(spectra)
    )
    return known(columns(rows, bands, sensor))


def over_cities(points: Mapping[str, float]) -> dict[str, Any]:
    """Compute root mean square and largest error of the ratio over cities, named by climate and number.

    Cities of one climate, made of the same materials under the same sun, form a cluster.
    """
    missed = np.array(list(points.values()))
    climate = np.unique([name.rsplit(" ", 1)[0] for name in points], return_inverse=True)[1]

    def rms(weights: Array) -> float:
        return float(np.sqrt(np.average(missed**2, weights=weights)))

    def worst(weights: Array) -> float:
        return float(np.abs(missed[weights > 0]).max())

    every = np.ones(len(missed))
    return {"rms": rms(every), "rms_se": bootstrapped_error(rms, climate),
            "worst": worst(every), "worst_se": bootstrapped_error(worst, climate)}  # fmt: skip
