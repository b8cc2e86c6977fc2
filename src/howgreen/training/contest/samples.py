"""Training and judging pixels and towns, each with the share of every class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from howgreen.core.sensors import LANDSAT, SENTINEL2, common_name
from howgreen.training import mixtures, references
from howgreen.training.calibrate import blends
from howgreen.training.contest.classes import (
    BARE,
    BUILT,
    CLASSES,
    CROP,
    FROM_MIXED,
    GERMAN,
    GREEN,
    LOW,
    TREE,
    WATER,
    WELSH,
)
from howgreen.training.evaluate import ABERYSTWYTH_IMAGE, GERMANY_FILE
from howgreen.training.spectra import Array, existing

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Place:
    """One set of data for training or judging."""

    name: str
    bands: tuple[str, ...]
    reflectance: Floats
    """(band, y, x), 0-1. Rows without neighbours are a column (band, n, 1)."""
    shares: Floats
    """(class, y, x), planimetric; NaN where unknown."""
    even: bool = False
    """Pixels without neighbours: a network with context is shown a uniform field of each."""

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """(y, x) where the truth is known."""
        return np.asarray(np.isfinite(self.shares[0]))

    @property
    def green(self) -> Floats:
        """(y, x) vegetated share."""
        return np.asarray(self.shares[GREEN].sum(axis=0))

    @property
    def land(self) -> Floats:
        """(y, x) share that is not water."""
        return np.asarray(1 - self.shares[WATER])

    def with_bands(self, bands: Sequence[str]) -> Place:
        """Return a subset of the bands, in that order."""
        picked = self.reflectance[[self.bands.index(band) for band in bands]]
        return replace(self, bands=tuple(bands), reflectance=picked)

    def rows(self) -> tuple[Floats, Floats]:
        """Return reflectance (n, band) and shares (n, class) of the known pixels."""
        return self.reflectance[:, self.known].T, self.shares[:, self.known].T


def as_place(name: str, reflectance: Array, shares: Array, bands: Sequence[str]) -> Place:
    """Convert rows (n, band) and (n, class) to a place of pixels without neighbours."""
    return Place(
        name=name,
        bands=tuple(bands),
        reflectance=np.ascontiguousarray(reflectance.T[:, :, None], dtype=np.float32),
        shares=np.ascontiguousarray(shares.T[:, :, None], dtype=np.float32),
        even=True,
    )


def unlabelled(rows: Array, bands: Sequence[str]) -> Place:
    """Make a place from rows (n, band) to predict, without truth."""
    return as_place("rows", rows, np.zeros((len(rows), len(CLASSES))), bands)


def mixed_pixels(surfaces: mixtures.Surfaces, count: int, *, rng: np.random.Generator) -> Place:
    """Simulate mixtures of the six classes: in every third, the low plants are a crop."""
    rows, shares = [], []
    for crops, target, part in ((False, LOW, count - count // 3), (True, CROP, count // 3)):
        made = mixtures.mix(surfaces.with_low(crops=crops), part, rng=rng)
        places = FROM_MIXED.copy()
        places[mixtures.LOW] = target
        rows.append(made.reflectance)
        shares.append(made.shares @ np.eye(len(CLASSES))[places])
    return as_place("mixtures", np.concatenate(rows), np.concatenate(shares), surfaces.bands)


def german_cities(data: Path) -> list[Place]:
    """Read Freiburg and Münster: pure pixels, rows of a table."""
    table = pd.read_csv(existing(data, GERMANY_FILE))
    table = table[table["Label"].isin(list(GERMAN))]
    columns = {common_name(str(column)): column for column in table.columns}
    places = []
    for city, rows in table.groupby("Region"):
        reflectance = rows[[columns[band] for band in SENTINEL2.band_names]].to_numpy(dtype=float) / 1e4
        shares = np.eye(len(CLASSES))[[GERMAN[label] for label in rows["Label"]]]
        places.append(as_place(str(city), reflectance, shares, SENTINEL2.band_names))
    return places


def aberystwyth(data: Path) -> Place:
    """Read Aberystwyth's image with the polygons of forest, grass, urban and water; the rest is unknown."""
    import geopandas as gpd
    import rasterio

    with rasterio.open(existing(data, ABERYSTWYTH_IMAGE)) as source:
        image, transform = (source.read() / 1000).astype(np.float32), source.transform
    files = {existing(data, f"aberystwyth/cls_{name}_smpls.gpkg"): code for name, code in WELSH.items()}
    shares = _burnt([(gpd.read_file(file).geometry, code) for file, code in files.items()], image.shape[1:], transform)
    return Place(name="Aberystwyth", bands=SENTINEL2.band_names, reflectance=image, shares=shares)


TABASCO: Mapping[str, int] = {"forest": TREE, "herbaceous": LOW, "barren": BARE, "urban": BUILT, "water": WATER}
TABASCO_IMAGE, TABASCO_POLYGONS = "tabasco_l7/LE70220491999322_stack.tif", "tabasco_l7/training_data.shp"
"""The wet season, on whose image the polygons were drawn; for a picture only, and may be absent."""


def tabasco(data: Path) -> list[Place]:
    """Read one Landsat place in a wet and in a dry season: clear, pure pixels, rows of a table. Never trained on."""
    reference, label, season = references.read_tabasco(data)
    shares = np.eye(len(CLASSES))[[TABASCO[name] for name in label]]
    return [
        as_place(
            f"Tabasco, {name} season", reference.reflectance[season == name], shares[season == name], reference.bands
        )
        for name in ("wet", "dry")
    ]


def tabasco_image(data: Path) -> Place | None:
    """Read the image of the wet season with its polygons; None if absent."""
    import geopandas as gpd
    import rasterio

    if not (data / TABASCO_IMAGE).exists() or not (data / TABASCO_POLYGONS).exists():
        return None
    with rasterio.open(data / TABASCO_IMAGE) as source:
        image, transform, crs = source.read().astype(np.float32), source.transform, source.crs
    frame = gpd.read_file(data / TABASCO_POLYGONS).to_crs(crs.to_wkt())
    polygons = [([shape], TABASCO[str(name)]) for shape, name in zip(frame.geometry, frame["class"], strict=True)]
    reflectance = np.where((image[7:8] >= 2) | (image[:6] <= -9999), np.nan, image[:6] * np.float32(1e-4))
    shares = _burnt(polygons, reflectance.shape[1:], transform)
    return Place(name="Tabasco, wet season", bands=LANDSAT.band_names, reflectance=reflectance, shares=shares)


def _burnt(polygons: Sequence[tuple[Iterable[object], int]], size: tuple[int, ...], transform: object) -> Floats:
    """Rasterise shares (class, y, x) of pure polygons, some of each class; NaN outside."""
    from rasterio.features import rasterize

    shares = np.full((len(CLASSES), *size), np.nan, np.float32)
    for shapes, code in polygons:
        inside = rasterize(shapes, out_shape=size, transform=transform) > 0
        shares[:, inside] = np.eye(len(CLASSES), dtype=np.float32)[:, [code]]
    return shares


def labelled_piece(place: Place, *, side: int) -> Place:
    """Crop the square of a place with the most known pixels."""
    from scipy.ndimage import uniform_filter

    side = min(side, *place.known.shape)
    # Classes count equally: many small classes are more informative than one large one.
    weight = sum(
        (known / max(known.sum(), 1) for known in (np.nan_to_num(place.shares) > 0.5)),
        start=np.zeros(place.known.shape),
    )
    dense = uniform_filter(weight, side, mode="constant")
    half = side // 2
    middle = dense[half : dense.shape[0] - side + half + 1, half : dense.shape[1] - side + half + 1]
    top, left = np.unravel_index(int(middle.argmax()), middle.shape)
    cut = (slice(None), slice(int(top), int(top) + side), slice(int(left), int(left) + side))
    return replace(place, reflectance=place.reflectance[cut], shares=place.shares[cut])


def some_rows(place: Place, *, per_class: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return at most ``per_class`` known pixels of each class."""
    rows, shares = place.rows()
    code = shares.argmax(axis=1)
    kept = [rng.permutation(np.flatnonzero(code == number))[:per_class] for number in range(len(CLASSES))]
    picked = np.concatenate(kept)
    return rows[picked], shares[picked]


def thinned(place: Place, *, pixels: int, rng: np.random.Generator) -> Place:
    """Return the same place with at most ``pixels`` known pixels, which bounds judging time."""
    rows, columns = np.nonzero(place.known)
    if len(rows) <= pixels:
        return place
    chosen = rng.permutation(len(rows))[:pixels]
    if place.even:
        return replace(place, reflectance=place.reflectance[:, rows[chosen]], shares=place.shares[:, rows[chosen]])
    shares = np.full_like(place.shares, np.nan)
    shares[:, rows[chosen], columns[chosen]] = place.shares[:, rows[chosen], columns[chosen]]
    return replace(place, shares=shares)


def halves(place: Place, *, rng: np.random.Generator) -> tuple[Place, Place]:
    """Split the known pixels randomly in two: an invalid evaluation, shown once beside the valid one."""
    first = np.isfinite(place.shares[0]) & (rng.random(place.shares.shape[1:]) < 0.5)
    nothing = np.float32(np.nan)
    return (
        replace(place, shares=np.where(first, place.shares, nothing)),
        replace(place, shares=np.where(first, nothing, place.shares)),
    )


def mixed_real(city: Place, *, rng: np.random.Generator, count: int = 5000) -> Place:
    """Mix two or three pure land pixels of a real city: real spectra with known shares."""
    rows, shares = city.rows()
    picked, weight = blends(shares.argmax(axis=1), without=WATER, count=count, rng=rng)

    def laid(values: Floats) -> Array:
        return np.asarray(np.einsum("np,npc->nc", weight, values[picked].astype(float)))

    return as_place(f"{city.name}, mixed", laid(rows), laid(shares), city.bands)
