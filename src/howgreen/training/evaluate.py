"""Errors of a model on unseen pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from howgreen.core.models import PlaceError, ReferenceScore
from howgreen.core.sensors import LANDSAT, SENTINEL2, Sensor, common_name
from howgreen.training import places
from howgreen.training.mixtures import BARE, BUILT, COVER_OF, GREEN, LOW, TREE, WATER, Mixtures
from howgreen.training.spectra import Array, Responses, existing, on_axis, to_bands

POTSDAM_FILE = "reference/potsdam_vegetation_fraction.csv"
GERMANY_FILE = "reference/germany_pixels.csv"
ABERYSTWYTH_IMAGE = "aberystwyth/sen2_20210527_aber_mosaic.tif"

BLOCK_M = 300
"""Side of the blocks of Potsdam used as error clusters."""

Predict = Callable[[Array], Array]
"""From reflectance (n, band), bands in the model's order, to green fraction (n,)."""

GERMAN_CLASS: Mapping[str, int] = {
    "ConiferousForest": TREE, "DeciduousForest": TREE, "MixedForest": TREE, "Grassland": LOW, "PlantedFields": LOW,
    "Industrial": BUILT, "Urban": BUILT, "OpenSoil": BARE, "Water": WATER,
}  # fmt: skip
"""Classes of pure pixels; "Settlement" is a mixture by definition and judges nothing."""

WELSH_CLASS: Mapping[str, int] = {"forest": TREE, "grass": LOW, "urban": BUILT, "water": WATER}

Z_95 = 1.959964
_BANDS_OF = {SENTINEL2.name: "Sentinel-2", LANDSAT.name: "Landsat 8"}


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Pixels with a known or interpreted green fraction."""

    reflectance: Array
    """(n, band), 0-1."""
    bands: tuple[str, ...]
    green: Array
    """(n,) 0-1."""
    group: tuple[str, ...]
    """City of each pixel."""
    code: npt.NDArray[np.int_] | None = None
    """(n,) class of each pixel, an index of :data:`howgreen.training.mixtures.CLASSES`, if pure and known."""
    cluster: npt.NDArray[np.int_] | None = None
    """(n,) polygon, block or site of each pixel: the error clusters."""

    def columns(self, bands: Sequence[str]) -> Array:
        """Return the reflectance of some bands, in that order."""
        return self.reflectance[:, [self.bands.index(band) for band in bands]]

    def only(self, chosen: npt.NDArray[np.bool_]) -> Reference:
        """Return a subset of the pixels, those where (n,) is true."""
        group = tuple(name for name, kept in zip(self.group, chosen.tolist(), strict=True) if kept)
        code, cluster = (None if part is None else part[chosen] for part in (self.code, self.cluster))
        return replace(self, reflectance=self.reflectance[chosen], green=self.green[chosen], group=group, code=code,
                       cluster=cluster)  # fmt: skip

    def as_landsat(self) -> Reference:
        """Use bands of Sentinel-2 for Landsat's, which lie within some 15 nm; its near-infrared is the narrow one."""
        wide = {"nir": "nir08"}
        columns = self.columns([wide.get(band, band) for band in LANDSAT.band_names])
        return replace(self, reflectance=columns, bands=LANDSAT.band_names)


def read_potsdam(data: Path, responses: Responses) -> Reference:
    """Read 98 photo-interpreted vegetation fractions with their EnMAP spectra, resampled to Sentinel-2.

    For judging only: nothing may be trained, tuned or selected on it.
    """
    table = pd.read_csv(existing(data, POTSDAM_FILE))
    bands = [name for name in table if str(name).endswith("nm")]
    wavelength_nm = np.array([float(str(name).removesuffix("nm")) for name in bands])
    spectra = on_axis(table[bands].to_numpy(dtype=float) / 1e4, wavelength_nm)
    green = table["vegetation_fraction"].to_numpy(dtype=float)
    easting, northing = (table[name] // BLOCK_M for name in ("easting_m", "northing_m"))
    return Reference(reflectance=to_bands(spectra, responses), bands=responses.bands, green=green,
                     group=("Potsdam",) * len(green), cluster=pd.factorize(easting * 1e6 + northing)[0])  # fmt: skip


def read_germany(data: Path) -> Reference:
    """Read pure Sentinel-2 pixels of Freiburg and Münster; they look like top-of-atmosphere reflectance."""
    table = pd.read_csv(existing(data, GERMANY_FILE))
    table = table[table["Label"].isin(list(GERMAN_CLASS))]
    columns = {common_name(str(column)): column for column in table.columns}
    code = np.array([GERMAN_CLASS[label] for label in table["Label"]])
    return Reference(
        reflectance=table[[columns[band] for band in SENTINEL2.band_names]].to_numpy(dtype=float) / 1e4,
        bands=SENTINEL2.band_names,
        green=GREEN[code].astype(float),
        group=tuple(table["Region"]),
        code=code,
        cluster=pd.factorize(table["Region"] + "/" + table["ID"].astype(str))[0],
    )


def read_aberystwyth(data: Path) -> Reference:
    """Read pure Sentinel-2 pixels of Aberystwyth inside polygons of forest, grass, urban and water."""
    import geopandas as gpd
    import rasterio
    from rasterio.features import rasterize

    with rasterio.open(existing(data, ABERYSTWYTH_IMAGE)) as source:
        image, shape, transform = source.read() / 1000, source.shape, source.transform
    pixels, codes, numbers = [], list[npt.NDArray[np.int_]](), list[npt.NDArray[np.int_]]()
    for name, number in WELSH_CLASS.items():
        polygons = gpd.read_file(existing(data, f"aberystwyth/cls_{name}_smpls.gpkg")).geometry
        marks = enumerate(polygons, start=1 + sum(len(part) for part in numbers))
        burnt = rasterize(
            ((polygon, mark) for mark, polygon in marks), out_shape=shape, transform=transform, dtype="int32"
        )
        pixels.append(image[:, burnt > 0].T)
        codes.append(np.full(int((burnt > 0).sum()), number))
        numbers.append(burnt[burnt > 0])
    code = np.concatenate(codes)
    return Reference(reflectance=np.concatenate(pixels), bands=SENTINEL2.band_names, green=GREEN[code].astype(float),
                     group=("Aberystwyth",) * len(code), code=code, cluster=np.concatenate(numbers))  # fmt: skip


def simulated(pixels: Mixtures) -> Reference:
    """Make a reference from held-out simulated pixels."""
    return Reference(reflectance=pixels.reflectance, bands=pixels.bands, green=pixels.green,
                     group=("simulated",) * len(pixels.shares))  # fmt: skip


def errors(predicted: Array, truth: Array) -> dict[str, float]:
    """Compute ``rmse``, ``mae``, ``bias`` (predicted - truth) and ``r2`` (explained variance about the mean)."""
    miss = predicted - truth
    return {
        "rmse": float(np.sqrt(np.mean(miss**2))),
        "mae": float(np.mean(np.abs(miss))),
        "bias": float(np.mean(miss)),
        "r2": float(1 - np.sum(miss**2) / np.sum((truth - truth.mean()) ** 2)),
    }


def accuracy(predicted: Array, truth: Array, *, threshold: float = 0.5) -> float:
    """Compute the share of pure pixels on the correct side of ``threshold``."""
    return float(np.mean(are_right(predicted, truth, threshold=threshold)))


def are_right(predicted: Array, truth: Array, *, threshold: float = 0.5) -> npt.NDArray[np.bool_]:
    """Tell which pure pixels (n,) are on the correct side of ``threshold``."""
    return np.asarray((predicted >= threshold) == (truth >= 0.5))


def judge_potsdam(
    predicted: Array, reference: Reference, *, known: Sequence[PlaceError], sensor: Sensor = SENTINEL2
) -> ReferenceScore:
    """Compute the error behind a city's interval: that of a new place, from the mean errors of several places.

    Parameters
    ----------
    predicted
        (n,) green fraction of the reference's pixels.
    known
        Mean errors of places, including Potsdam's.
    sensor
        Sensor that the reference was resampled to.
    """
    found = places.spread(known)
    return ReferenceScore(
        source="Potsdam, Germany, 98 photo-interpreted vegetation fractions of 30 m pixels, EnMAP spectra of 2022-07-24 "
        f"resampled to the bands of {_BANDS_OF[sensor.name]} (EnMAP-Box)",
        n=len(predicted),
        half_width=round(found.about_the_ratio, 5),
        level=places.LEVEL,
        method=f"prediction interval of a new place from the mean errors of {found.places} places that were not used for training, "
        f"t({found.places - 2}) sqrt(tau^2 + SE^2) with tau {found.tau:.3f} between places (DerSimonian-Laird) and standard error "
        f"{found.standard_error:.3f} of their mean (Hartung-Knapp), and that mean, {found.mean:+.3f}, to either side; errors of limits, "
        "dates and masks are not in it",
        places=tuple(_rounded(place) for place in known),
        tau=round(found.tau, 5),
        **errors(predicted, reference.green),
    )


def _rounded(place: PlaceError) -> PlaceError:
    return replace(place, error=round(place.error, 5), standard_error=round(place.standard_error, 5))


def score(
    predict: Predict, bands: Sequence[str], *, pure: Sequence[Reference], held_out: Reference
) -> dict[str, float]:
    """Return named figures for a card: errors on held-out simulated pixels, accuracy on real pure pixels city by city.

    ``<city>_accuracy_at_<t>`` is the share of pure pixels on the correct side of the green fraction ``t``.
    """
    missed = errors(predict(held_out.columns(bands)), held_out.green)
    figures = {f"simulated_{key}": value for key, value in missed.items()}
    for reference in pure:
        predicted, cities = predict(reference.columns(bands)), np.array(reference.group)
        for city in sorted(set(reference.group)):
            here = cities == city
            for threshold in (0.5, 0.3):
                figures[f"{city.lower()}_accuracy_at_{threshold:g}"] = accuracy(
                    predicted[here], reference.green[here], threshold=threshold
                )
    return figures


def water_score(is_water: Callable[[Array], npt.NDArray[np.bool_]], bands: Sequence[str],
                *, pure: Sequence[Reference]) -> dict[str, float]:  # fmt: skip
    """Compute the share of real water pixels classified as water, and of real land pixels misclassified as water."""
    figures = {}
    called = np.concatenate([is_water(reference.columns(bands)) for reference in pure])
    water = np.concatenate([reference.code == WATER for reference in pure if reference.code is not None])
    figures["pure_water_found"] = float(called[water].mean())
    figures["pure_land_called_water"] = float(called[~water].mean())
    return figures


def class_accuracy(called: Callable[[Array], npt.NDArray[np.int_]], bands: Sequence[str],
                   *, pure: Sequence[Reference]) -> dict[str, float]:  # fmt: skip
    """Compute ``<city>_class_accuracy``: share of real pure pixels with the correct cover (an index of COVERS)."""
    figures = {}
    for reference in pure:
        right, cities = called(reference.columns(bands)) == COVER_OF[reference.code], np.array(reference.group)
        for city in sorted(set(reference.group)):
            figures[f"{city.lower()}_class_accuracy"] = float(np.mean(right[cities == city]))
    return figures
