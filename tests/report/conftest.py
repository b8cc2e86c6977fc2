"""A simulated city that is worth looking at, made without the other stages."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from scipy.ndimage import gaussian_filter, zoom
from shapely import MultiPolygon, Point, Polygon, box, transform

import howgreen.measure as measure
from howgreen.core.models import ModelCard, ModelClass, ReferenceScore
from howgreen.core.types import City, Composite, District, LandCover, Period, Plan, Population, Result, Scene

CRS = "EPSG:32632"
WEST, NORTH = 677_000.0, 5_156_000.0
BANDS = ("blue", "green", "red", "nir", "swir16")
NAMES = ("Old Town", "Harbour & Quays", "Highfields", "St. Anna's", "The Meadows", "Ost/Est")
SPECTRA = {  # blue, green, red, nir, swir16
    "leaf": (0.025, 0.055, 0.03, 0.38, 0.16),
    "grass": (0.045, 0.09, 0.06, 0.36, 0.22),
    "roof": (0.10, 0.12, 0.16, 0.21, 0.26),
    "road": (0.10, 0.11, 0.115, 0.13, 0.16),
    "water": (0.05, 0.05, 0.03, 0.015, 0.008),
}


def smooth(rng, shape, size):
    """A random field of the given grain, 0-1 by rank."""
    coarse = rng.random([int(n / size) + 6 for n in shape])
    field = zoom(gaussian_filter(coarse, 1.2), size, order=3)[: shape[0], : shape[1]]
    return np.clip((field - field.mean()) / field.std() / 4 + 0.5, 0, 1)


def on_earth(shape):
    to_earth = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True).transform
    return transform(shape, lambda p: np.column_stack(to_earth(p[:, 0], p[:, 1])))


def limits(height, width):
    """A wobbly outline with a hole and an exclave, in six wedges; grid coordinates."""
    across, down = 10 * width, 10 * height
    centre = (WEST + 0.5 * across, NORTH - 0.5 * down)
    angles = np.linspace(0, 2 * np.pi, 240, endpoint=False)
    reach = 0.40 + 0.04 * np.sin(3 * angles + 1) + 0.02 * np.sin(7 * angles) + 0.008 * np.sin(31 * angles)
    ring = Polygon(np.c_[centre[0] + across * reach * np.cos(angles), centre[1] + down * reach * np.sin(angles)])
    hole = Point(centre[0] + 0.2 * across, centre[1] - 0.12 * down).buffer(0.03 * across)
    exclave = box(WEST + 0.03 * across, NORTH - 0.12 * down, WEST + 0.10 * across, NORTH - 0.05 * down)
    core = Point(centre).buffer(0.13 * across)
    wedges = [core & ring]
    for n in range(5):
        a = 2 * math.pi * n / 5 + 0.3
        fan = [
            (centre[0] + 2 * across * math.cos(t), centre[1] + 2 * across * math.sin(t))
            for t in np.linspace(a, a + 2 * math.pi / 5, 9)
        ]
        wedges.append((ring - core - hole) & Polygon([centre, *fan]))
    whole = MultiPolygon([ring - hole, exclave])
    return whole, wedges


def landscape(height, width, seed=3):
    """Label, green fraction and reflectance (band, y, x) of the simulated ground."""
    rng = np.random.default_rng(seed)
    shape = (height, width)
    y, x = np.mgrid[:height, :width]
    centre = np.hypot((x - width / 2) / width, (y - height / 2) / height)
    dense = np.clip(1.15 - 2.6 * centre + 0.5 * (smooth(rng, shape, 40) - 0.5), 0, 1)
    parks = smooth(rng, shape, 24) > 0.62
    streets = ((x + 9 * np.sin(y / 37)) % 17 < 2) | ((y + 11 * np.sin(x / 41)) % 13 < 2)
    blocks = rng.random((height // 4 + 2, width // 4 + 2)).repeat(4, 0).repeat(4, 1)[:height, :width]
    fraction = np.clip(1.0 - dense + 0.45 * (blocks - 0.5), 0, 1)
    fraction = np.where(parks, np.clip(0.82 + 0.25 * (blocks - 0.5), 0, 1), fraction)
    fraction = np.where(streets & (dense > 0.25) & ~parks, 0.35 * fraction, fraction)
    river = np.abs(y - height * (0.55 + 0.12 * np.sin(x / width * 7))) < height * 0.013
    lake = smooth(rng, shape, 60) > 0.86
    water = river | lake
    fraction = gaussian_filter(np.where(water, 0.01, fraction), 0.6)
    tree = smooth(rng, shape, 15) > 0.5
    label = np.select([water, fraction < 0.3, fraction < 0.5, tree], [4, 0, 1, 3], 2)
    spectrum = {name: np.array(values)[:, None, None] for name, values in SPECTRA.items()}
    plant = np.where(tree, spectrum["leaf"], spectrum["grass"])
    hard = np.where(blocks > 0.55, spectrum["roof"], spectrum["road"]) * (0.7 + 0.6 * blocks)
    mixed = fraction * plant + (1 - fraction) * hard
    mixed = np.where(water, spectrum["water"], mixed)
    mixed = gaussian_filter(mixed, (0, 0.5, 0.5)) * (1 + 0.05 * rng.standard_normal((1, *shape)))
    return label.astype(np.uint8), fraction.astype(np.float32), mixed.astype(np.float32)


CLASSES = tuple(
    ModelClass(code=code, name=name, green=green, colour=colour)
    for code, name, green, colour in (
        (0, "built-up", False, "#b9a59a"),
        (1, "bare or mixed", False, "#e0cf9f"),
        (2, "grass and low plants", True, "#9ecb6a"),
        (3, "trees", True, "#2c7a4b"),
        (4, "water", False, "#5b9bd0"),
    )
)


def make_card(*, error=True):
    score = ReferenceScore(
        source="Potsdam, 98 photo-interpreted pixels, 2022",
        n=98,
        rmse=0.185,
        mae=0.141,
        bias=0.003,
        r2=0.62,
        half_width=0.058,
        level=0.95,
        method="bias plus 1.96 times the standard error of a city's mean error",
    )
    return ModelCard(
        name="fraction-mlp",
        version="1",
        description="A small network that reads the share of plants in each pixel from its colours.",
        bands=BANDS,
        resolution_m=10,
        normalisation="per band",
        tile_px=512,
        halo_px=0,
        stride_px=512,
        classes=CLASSES,
        scores={"rmse_simulated": 0.071, "r2_simulated": 0.95},
        reference_error=score if error else None,
        training_data="60,000 simulated mixtures of canopies, soils and urban materials",
        licence="Apache-2.0",
    )


def make_scene(day, clear, synthetic=True):
    return Scene(
        id=f"S2_SIM_{day:%Y%m%d}",
        sensor="sentinel-2",
        time=datetime(day.year, day.month, day.day, 10, 12, tzinfo=UTC),
        footprint=box(10, 46, 12, 47),
        assets=(),
        scale=1e-4,
        offset=0.0,
        nodata=0,
        cloud_cover_pct=100 - clear,
        clear_pct=clear,
        covered_pct=100.0,
        synthetic=synthetic,
    )


def make_result(
    height=360, width=420, *, label="Testborough", error=True, synthetic=True, names=NAMES, chunk=128, unsure=True
):
    """A whole result; lazy, in chunks."""
    labels, fraction, reflectance = landscape(height, width)
    whole, wedges = limits(height, width)
    rng = np.random.default_rng(8)
    looks = np.clip(6 * smooth(rng, labels.shape, 30) + 0.5, 0, 6).astype(np.uint8)
    looks[smooth(rng, labels.shape, 35) > 0.80] = 0
    unseen = looks == 0
    labels, fraction = np.where(unseen, 255, labels).astype(np.uint8), np.where(unseen, np.nan, fraction)
    reflectance = np.where(unseen, np.nan, reflectance).astype(np.float32)
    grid = GeoBox((height, width), Affine(10, 0, WEST, 0, -10, NORTH), CRS)
    composite = xr.Dataset(
        {"reflectance": (("band", "y", "x"), reflectance), "n_clear": (("y", "x"), looks)}, coords={"band": list(BANDS)}
    )
    cover = xr.Dataset({"label": (("y", "x"), labels), "green_fraction": (("y", "x"), fraction.astype(np.float32))})
    if unsure:  # half-green pixels are the least known
        cover["green_uncertainty"] = 0.02 + 0.25 * (1 - 2 * abs(cover["green_fraction"] - 0.5))
    people = Population(count=48_200, year=2023, source="simulated register")
    city = City(
        name=label.lower(),
        label=label,
        id="store:testborough",
        boundary=on_earth(whole),
        crs=CRS,
        area_m2=whole.area,
        kind="municipality",
        districts=tuple(
            District(name=name, id=f"d{n}", boundary=on_earth(wedge), population=replace(people, count=4000 + 900 * n))
            for n, (name, wedge) in enumerate(zip(names, wedges, strict=True))
        ),
        population=people,
        licence="Simulated limits, CC0",
        synthetic=synthetic,
    )
    days = [
        (date(2024, 5, 12), 71.2),
        (date(2024, 6, 3), 98.4),
        (date(2024, 7, 18), 64.0),
        (date(2024, 8, 24), 88.1),
        (date(2024, 9, 11), 41.5),
    ]
    plan = Plan(
        city=city,
        period=Period.parse("2024-05/2024-09"),
        sensor="sentinel-2",
        grid=grid,
        scenes=tuple(make_scene(day, clear, synthetic) for day, clear in days),
        passed_over=(make_scene(date(2024, 5, 30), 3.0, synthetic),),
        bands=BANDS,
        source="sample",
        model="fraction-mlp",
        model_sha256="ab" * 32,
        howgreen="0.1.0",
    )
    lazy = LandCover(data=cover.chunk({"y": chunk, "x": chunk}), grid=grid, card=make_card(error=error))
    zones = measure.green(lazy, city, n_clear=composite["n_clear"])
    return Result(
        plan=plan,
        composite=Composite(data=composite.chunk({"band": -1, "y": chunk, "x": chunk}), grid=grid, scenes=plan.scenes),
        landcover=lazy,
        stats=zones[0].stats,
        zones=measure.to_frame(zones),
        card=lazy.card,
        provenance={"created": "2024-10-01T08:00:00+00:00", "libraries": {"numpy": np.__version__}},
    )


TRUTH = {"green_ratio": 0.462, "districts": {"Old Town": 0.12, "The Meadows": 0.62}}


@pytest.fixture(scope="session")
def result():
    return make_result()


@pytest.fixture(scope="session")
def make():
    return make_result


@pytest.fixture(scope="session")
def truth():
    return TRUTH
