"""All shipped models, from spectra to files: one recipe, one seed."""

from __future__ import annotations

import copy
import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

from howgreen import landcover
from howgreen.core.models import ModelCard
from howgreen.core.sensors import LANDSAT, SENTINEL2, Sensor
from howgreen.core.types import Progress
from howgreen.training import (
    calibrate,
    evaluate,
    export,
    mixtures,
    ndvi,
    network,
    radar_network,
    red_edge,
    references,
    zones,
)
from howgreen.training.contest.classes import GREEN as GREEN_OF_SIX
from howgreen.training.contest.effort import Effort as ContestEffort
from howgreen.training.contest.samples import Place
from howgreen.training.judges import Ground, place_errors
from howgreen.training.spectra import Array, read_materials, read_responses
from howgreen.training.surroundings import make_unet
from howgreen.training.wide import GREENNESS, wide_cities

VERSION = "2.0.0"
"""Version of every model whose recipe does not set its own."""
SEED = 20
LICENCE = "Apache-2.0"
TILE_PX = 128
"""Small enough that a tile and the network's activations stay in the processor's cache."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Purpose of a network."""

    bands: tuple[str, ...]
    sensor: Sensor
    field_share: float = 0.0
    """Ratio of field-measured to simulated pixels. Landsat measured them: the bands that it lacks are drawn
    (:mod:`.red_edge`)."""
    version: str = VERSION

    @property
    def judged_by_field(self) -> bool:
        """Whether field-measured pixels can judge it: they have all its bands."""
        return set(self.bands) <= set(LANDSAT.band_names)


RECIPES = {
    "mixture-10": Recipe(bands=SENTINEL2.band_names, sensor=SENTINEL2, field_share=0.06, version="2.1.0"),
    "mixture-6": Recipe(bands=LANDSAT.band_names, sensor=LANDSAT, field_share=0.06, version="2.0.1"),
    "mixture-4": Recipe(bands=("blue", "green", "red", "nir"), sensor=SENTINEL2, field_share=0.15, version="2.1.0"),
}

TRAINING_DATA = (
    "Simulated: PROSPECT-D + 4SAIL canopies, dry plants, soils, snow and water, mixed linearly with the 74 impervious urban materials "
    "of SLUM (Kotthaus et al. 2014, doi:10.5281/zenodo.4263842), with measured materials of Karlsruhe (KLUM library, R. Ilehag), "
    "coloured cloth, walls and sand of Gulfport (MUUFL, GatorSense), artificial turf of Pasadena (ISOFIT tutorials) and simulated "
    "paints, shaded by houses, crowns and slopes, seen through the air, blurred and made noisy{field}. Real pixels of Freiburg, Münster, "
    "Aberystwyth, the Southern Bug, Texas and Australia were used for judging, and guided the choice of priors over several rounds; "
    "mixtures of the first three set the factor on all standard errors; so figures on those places are kinder than on new ones. "
    "Potsdam's reference was used only for judging"
)
FIELD_DATA = (
    "; {part:.0%} of the pixels are Landsat's, whose green, dry and bare fractions people measured in the field at two thirds of the sites "
    "of Australian rangeland (fractionalcover3, MIT)"
)
FIELD_TWIN = ". The error there that enters the interval is that of a twin that was trained on none of them"
FIELD_DRAWN = "; the bands that Landsat lacks were drawn for them from simulated pixels alike in the others"


@dataclass(frozen=True, kw_only=True)
class Effort:
    """Amounts of training and judging data."""

    per_kind: int = 600
    """Canopies of each kind."""
    pixels: int = 240_000
    """Simulated pixels to train on."""
    held_out: int = 20_000
    """Simulated pixels to judge on, of canopies and soils drawn anew."""
    epochs: int = 30
    cities: int = 8
    """Simulated cities that judge standard errors, and whose zones determine the interval of small zones."""
    city_extent_m: int = 1800
    wide_cities: int = len(GREENNESS)
    """Number of each climate."""
    contest: ContestEffort = field(
        default_factory=lambda: ContestEffort(mixtures=120_000, canvases=12, unet_steps=8_000)
    )
    """Effort of U-Net, which learns from the contest's simulation, and from neighbourhoods."""
    neighbourhoods: int = 1200
    """Neighbourhoods shown to U-Net, with different materials each time."""
    radar: radar_network.Effort = field(default_factory=radar_network.Effort)
    hidden: tuple[int, ...] = (32, 16)
    """Hidden channels; 32 and 32, 40 and 16 had equal errors on simulated towns and on mixtures of real pixels, and
    took longer."""


@dataclass(frozen=True, kw_only=True)
class Judges:
    """All data that judge a model; none of it has trained it."""

    held_out: evaluate.Reference
    pure: tuple[evaluate.Reference, ...]
    potsdam: evaluate.Reference
    cities: tuple[Place, ...]
    wide: tuple[Place, ...]
    """Simulated cities of six climates, built by rules that no training uses."""
    ground: Ground
    """Real places."""
    sensor: Sensor
    """Sensor whose bands they all have."""
    field_rng: np.random.Generator
    """Draws the field-measured pixels used for training beside the simulated ones."""


def make(
    data: Path,
    *,
    out: Path,
    effort: Effort | None = None,
    work: Path | None = None,
    progress: Progress | None = None,
) -> list[Path]:
    """Write all models of :data:`NAMES` (.onnx) to ``out``; the same bytes each time on one machine.

    Parameters
    ----------
    work
        Keeps each model as soon as it is made, and checkpoints of the long training; a stopped run resumes from there,
        unless the recipe has changed. All models are moved to ``out`` together, at the end.

    Raises
    ------
    ModelError
        The data folder lacks a file.
    """
    effort, told = effort or Effort(), progress or _silent
    with tempfile.TemporaryDirectory() as passing:
        kept = (work or Path(passing)) / _key(effort)
        for number, sensor in enumerate((SENTINEL2, LANDSAT)):
            told("simulate", number, 2)
            _make_for(sensor, data, effort=effort, kept=kept, progress=told)
        told("simulate", 2, 2)
        for name in landcover.FOR_RADAR:
            if not (kept / f"{name}.onnx").exists():
                radar_network.make_radar(
                    name, out=kept, version=VERSION, licence=LICENCE, effort=effort.radar, progress=told
                )
        written = []
        for name in NAMES:
            export.save(onnx.load(kept / f"{name}.onnx"), out / f"{name}.onnx")
            written.append(out / f"{name}.onnx")
    return written


NAMES = ("mixture-10", "mixture-4", "ndvi", "unet-10", "mixture-6", *landcover.FOR_RADAR)
"""All shipped models, in the order of making."""


def _key(effort: Effort) -> str:
    """Hash a recipe: everything that decides the models, including the training code."""
    told = hashlib.sha256(f"{VERSION} {SEED} {effort}".encode())
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        told.update(path.read_bytes())
    return told.hexdigest()[:12]


def _make_for(sensor: Sensor, data: Path, *, effort: Effort, kept: Path, progress: Progress) -> None:
    """Make the models of one sensor that are not kept from an earlier run."""
    names = [name for name, recipe in RECIPES.items() if recipe.sensor is sensor]
    wanted = [*names, *(["ndvi", "unet-10"] if sensor is SENTINEL2 else [])]
    missing = [name for name in wanted if not (kept / f"{name}.onnx").exists()]
    if not missing:
        return
    pixels, judges_of = _simulated(data, effort, sensor)
    for name in missing:
        if name in RECIPES:
            _write_network(name, pixels, judges_of, effort=effort, out=kept, progress=progress)
        elif name == "ndvi":
            _write_ndvi(pixels, judges_of, out=kept)
        else:
            cities = {"simulated_cities": judges_of.cities, "wide_cities": judges_of.wide}
            pieces = effort.neighbourhoods
            make_unet(data, out=kept, cities=cities, effort=effort.contest, pieces=pieces, progress=progress)


def _silent(stage: str, done: int, total: int) -> None:
    """Progress without display."""


def _simulated(data: Path, effort: Effort, sensor: Sensor) -> tuple[mixtures.Mixtures, Judges]:
    materials, responses = read_materials(data), read_responses(data, sensor)
    rng = np.random.default_rng(SEED)
    measured = references.end_members(data, bands=responses.bands)
    known = mixtures.surfaces(materials, responses, per_kind=effort.per_kind, rng=rng, measured=measured)
    pixels = mixtures.mix(known, effort.pixels, rng=rng)
    fresh = np.random.default_rng(SEED + 1)
    unknown = mixtures.surfaces(materials, responses, per_kind=effort.per_kind // 2, rng=fresh, measured=measured)
    pure = (evaluate.read_germany(data), evaluate.read_aberystwyth(data))
    judges = Judges(
        held_out=evaluate.simulated(mixtures.mix(unknown, effort.held_out, rng=fresh)),
        pure=tuple(reference.as_landsat() for reference in pure) if sensor is LANDSAT else pure,
        potsdam=evaluate.read_potsdam(data, responses),
        cities=tuple(zones.towns(effort.cities, extent_m=effort.city_extent_m, sensor=sensor)),
        wide=tuple(wide_cities(sensor, per_climate=effort.wide_cities)),
        ground=Ground(data),
        sensor=sensor,
        # Landsat's simulation continues the random stream, as it did when mixture-6 was made.
        field_rng=rng if sensor is LANDSAT else np.random.default_rng(SEED + 2),
    )
    return pixels, judges


def _write_network(
    name: str, pixels: mixtures.Mixtures, judges: Judges, *, effort: Effort, out: Path, progress: Progress
) -> Path:
    recipe = RECIPES[name]
    bands = recipe.bands

    def fit(taught: mixtures.Mixtures) -> network.Layers:
        return network.train(
            taught, bands=bands, hidden=effort.hidden, epochs=effort.epochs, seed=SEED, progress=progress
        )

    raw = fit(_with_field(pixels, recipe, judges.ground.data, rng=judges.field_rng))
    twin = _telling(fit(pixels)) if recipe.field_share and recipe.judged_by_field else _telling(raw)
    factor, of_cities = calibrate.judged(_telling(raw), bands, judges.pure)
    layers = replace(raw, error_bias=raw.error_bias + float(np.log(factor)))
    tell = _telling(layers)

    def green(reflectance: Array) -> Array:
        return tell(reflectance)[0]

    def called(reflectance: Array) -> npt.NDArray[np.int_]:
        return np.asarray(mixtures.covers(network.predict(layers, reflectance)[0]).argmax(axis=1))

    def water(reflectance: Array) -> npt.NDArray[np.bool_]:
        return np.asarray(called(reflectance) == mixtures.COVER_OF[mixtures.WATER])

    def untaught(reflectance: Array) -> Array:
        return twin(reflectance)[0]

    card = _judged(_network_card(name), judges, green=green, water=water, untaught=untaught)
    scores = evaluate.class_accuracy(called, bands, pure=judges.pure) | of_cities | _held(tell, bands, judges)
    card = replace(card, scores={**card.scores, **{key: round(value, 5) for key, value in scores.items()}})
    return _save(export.network_graph(layers, card), out / f"{name}.onnx")


def _with_field(
    pixels: mixtures.Mixtures, recipe: Recipe, data: Path, *, rng: np.random.Generator
) -> mixtures.Mixtures:
    """Add the field-measured pixels that a recipe requires, in its own bands only."""
    if not recipe.field_share:
        return pixels
    # A copy: the draws do not depend on what else was made, or kept from an earlier run.
    rng = copy.deepcopy(rng)
    measured = references.field_pixels(data, round(recipe.field_share * len(pixels.shares)), rng=rng)
    if not recipe.judged_by_field:
        measured = red_edge.with_red_edge(measured, pixels, rng=rng)
    return mixtures.joined(pixels.with_bands(recipe.bands), measured.with_bands(recipe.bands), rng=rng)


def _telling(layers: network.Layers) -> calibrate.Tell:
    def tell(reflectance: Array) -> tuple[Array, Array]:
        shares, error = network.predict(layers, reflectance)
        return np.asarray(shares[:, mixtures.GREEN].sum(axis=1)), error

    return tell


def _held(tell: calibrate.Tell, bands: tuple[str, ...], judges: Judges) -> dict[str, float]:
    """Share of pixels within 1.96 standard errors, in places that did not set the factor."""
    towns = [place.with_bands(bands).rows() for place in judges.cities]
    simulated = [(tell(rows.astype(float)), shares[:, GREEN_OF_SIX].sum(axis=1)) for rows, shares in towns]
    missed = np.concatenate([found[0] - true for found, true in simulated])
    told = np.concatenate([found[1] for found, _ in simulated])
    green, error = tell(judges.potsdam.columns(bands))
    return {
        "uncertainty_simulated_cities_held": calibrate.held(missed, told),
        "uncertainty_potsdam_held": calibrate.held(green - judges.potsdam.green, error),
    }


def _field_data(recipe: Recipe) -> str:
    """Describe the field-measured pixels of a recipe, if it has some."""
    if not recipe.field_share:
        return ""
    more = FIELD_TWIN if recipe.judged_by_field else FIELD_DRAWN
    return FIELD_DATA.format(part=recipe.field_share / (1 + recipe.field_share)) + more


def _network_card(name: str) -> ModelCard:
    recipe = RECIPES[name]
    stand_in = (
        ""
        if recipe.sensor is SENTINEL2
        else " Its figures on real pure pixels are of Sentinel-2's bands in place of Landsat's."
    )
    return ModelCard(
        name=name, version=recipe.version, bands=recipe.bands, resolution_m=recipe.sensor.resolution_m,
        normalisation=network.NORMALISATION, tile_px=TILE_PX, halo_px=0, stride_px=TILE_PX, classes=mixtures.COVERS, scores={},
        reference_error=None, licence=LICENCE,
        training_data=TRAINING_DATA.format(field=_field_data(recipe)),
        description="Shares of vegetation, built, bare, dry plants and water within a pixel, by a small network that was trained on "
        "simulated mixtures; the probability of a class is its expected planimetric share, and green fraction is that of vegetation, with its "
        "standard error. Straw, litter and dead grass are dry plants, which are not green; the soil between young crops counts as bare; "
        "parched grass with some green left counts as vegetation. Bare, built and dry plants are easily confused." + stand_in,
    )  # fmt: skip


def _write_ndvi(pixels: mixtures.Mixtures, judges: Judges, *, out: Path) -> Path:
    bare, full = ndvi.fit_anchors(pixels)

    def green(reflectance: Array) -> Array:
        return ndvi.fraction_and_water(reflectance, bare=bare, full=full)[0]

    def water(reflectance: Array) -> npt.NDArray[np.bool_]:
        return ndvi.fraction_and_water(reflectance, bare=bare, full=full)[1]

    card = _judged(_ndvi_card(bare, full), judges, green=green, water=water)
    return _save(export.ndvi_graph(card, bare=bare, full=full), out / "ndvi.onnx")


def _ndvi_card(bare: float, full: float) -> ModelCard:
    return ModelCard(
        name="ndvi", version=VERSION, bands=ndvi.BANDS, resolution_m=10, normalisation="clip to 0..2",
        tile_px=TILE_PX, halo_px=0, stride_px=TILE_PX, classes=ndvi.CLASSES, scores={}, reference_error=None,
        training_data=f"Two NDVI anchors (bare {bare:g}, full {full:g}) fitted to simulated mixtures of PROSAIL canopies, soils, "
        "water and SLUM materials (Kotthaus et al. 2014, doi:10.5281/zenodo.4263842)",
        licence=LICENCE,
        description=f"The NDVI rule: green fraction linear between NDVI {bare:g} and {full:g}; water where green exceeds "
        f"near-infrared (NDWI > 0) and near-infrared is below {ndvi.WATER_NIR:g}. Deep shade can pass for water.",
    )  # fmt: skip


def _judged(
    card: ModelCard,
    judges: Judges,
    *,
    green: evaluate.Predict,
    water: Callable[[Array], npt.NDArray[np.bool_]],
    untaught: evaluate.Predict | None = None,
) -> ModelCard:
    """Complete the card with its figures; ``untaught`` is the same recipe without field-measured pixels, if any."""
    known = place_errors(green, card.bands, ground=judges.ground, sensor=judges.sensor, untaught=untaught)
    error = evaluate.judge_potsdam(
        green(judges.potsdam.columns(card.bands)), judges.potsdam, known=known, sensor=judges.sensor
    )
    scores = evaluate.score(green, card.bands, pure=judges.pure, held_out=judges.held_out)
    scores |= evaluate.water_score(water, card.bands, pure=judges.pure)
    scores |= {"potsdam_rmse": error.rmse, "potsdam_mae": error.mae, "potsdam_bias": error.bias, "potsdam_r2": error.r2}
    cities = (*judges.cities, *judges.wide)
    scores |= zones.half_widths(green, water, card.bands, cities=cities, pixel_m=judges.sensor.resolution_m)
    scores |= zones.ratio_errors(green, water, card.bands, cities=judges.cities)
    scores |= zones.ratio_errors(green, water, card.bands, cities=judges.wide, name="wide_cities")
    rounded = {name: round(value, 5) for name, value in scores.items()}
    return replace(card, scores=rounded, reference_error=error)


def _save(model: onnx.ModelProto, path: Path) -> Path:
    export.save(model, path)
    return path
