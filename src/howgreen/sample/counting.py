"""Count the exact truth of the sample city on its 1 m map, and write it beside the images."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.features import rasterize

from howgreen.core import cog
from howgreen.core.types import City
from howgreen.sample.canvas import Canvas
from howgreen.sample.layout import CRS, LEFT_M, TOP_M
from howgreen.sample.limits import to_utm
from howgreen.sample.spectra import CLASS_COLOURS, CLASS_OF, CLASSES, GREEN_CLASSES, WATER_CLASSES
from howgreen.sample.truth import FOLDER, Truth, ZoneTruth, truth

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

PIXEL_M = 10


@dataclass(frozen=True, kw_only=True)
class _Counts:
    """Whole-grid arrays from which all zones are counted."""

    by_class: Ints
    """(zone number, class code) 1 m pixels."""
    fraction: Floats
    """(y, x) 10 m."""
    land: Floats
    """(y, x) 10 m: share of land."""
    majority: Bytes
    """(y, x) 10 m."""
    in_zone: npt.NDArray[np.uint8]
    """(zone number, y, x) 1 m pixels of each zone in each 10 m pixel, 0-100."""


def city_window(city: City) -> tuple[int, int, int, int]:
    """Return rows and columns (top, bottom, left, right) of the city's 10 m grid, in metres from the image's corner."""
    west, south, east, north = to_utm(city.boundary).bounds
    left, right = np.floor(west / PIXEL_M) * PIXEL_M - LEFT_M, np.ceil(east / PIXEL_M) * PIXEL_M - LEFT_M
    top, bottom = TOP_M - np.ceil(north / PIXEL_M) * PIXEL_M, TOP_M - np.floor(south / PIXEL_M) * PIXEL_M
    return int(top), int(bottom), int(left), int(right)


def _zone_numbers(city: City, shape: tuple[int, int], transform: Affine) -> Bytes:
    """Return the number, from 1, of the district that holds each 1 m pixel's centre; 0 outside."""
    numbered = [(to_utm(district.boundary), number) for number, district in enumerate(city.districts, 1)]
    return np.asarray(rasterize(numbered, out_shape=shape, transform=transform, dtype="uint8"), np.uint8)


def _tally(values: Bytes, kinds: int) -> npt.NDArray[np.uint8]:
    """Count how often each value below ``kinds`` occurs in each 10 x 10 pixels: (kind, y, x), 0-100."""
    rows, cols = values.shape[0] // PIXEL_M, values.shape[1] // PIXEL_M
    out = np.empty((kinds, rows, cols), np.uint8)
    across = (np.arange(cols, dtype=np.int32) * np.int32(kinds)).repeat(PIXEL_M)
    down = (np.arange(20, dtype=np.int32) * np.int32(cols * kinds)).repeat(PIXEL_M)
    for start in range(0, rows, 20):
        part = values[start * PIXEL_M : (start + 20) * PIXEL_M]
        slot = down[: len(part), None] + across + part
        n = len(part) // PIXEL_M
        counts = np.bincount(slot.reshape(-1), minlength=n * cols * kinds)
        out[:, start : start + n] = np.moveaxis(counts.reshape(n, cols, kinds), 2, 0)
    return out


def _count(classes: Bytes, zones: Bytes, n_zones: int) -> _Counts:
    most = max(CLASSES.values()) + 1
    per_class, in_zone = _tally(classes, most), _tally(zones, n_zones + 1)
    by_class = np.zeros((n_zones + 1) * most, np.int64)
    for start in range(0, len(classes), 200):
        part = slice(start, start + 200)
        by_class += np.bincount((zones[part] * np.uint8(most) + classes[part]).reshape(-1), minlength=len(by_class))
    green = sum(per_class[CLASSES[name]].astype(np.float32) for name in GREEN_CLASSES)
    water = sum(per_class[CLASSES[name]].astype(np.float32) for name in WATER_CLASSES)
    return _Counts(
        by_class=by_class.reshape(n_zones + 1, most),
        fraction=np.asarray(green / PIXEL_M**2, np.float32),
        land=np.asarray(1 - water / PIXEL_M**2, np.float32),
        majority=np.argmax(per_class, 0).astype(np.uint8),
        in_zone=in_zone,
    )


def _zone_truth(name: str, zone_id: str, counts: _Counts, numbers: list[int]) -> ZoneTruth:
    by_class = counts.by_class[numbers].sum(0)
    areas = {cover: float(by_class[code]) for cover, code in CLASSES.items()}
    zone = float(by_class.sum())
    land = zone - sum(areas[cover] for cover in WATER_CLASSES)
    green = sum(areas[cover] for cover in GREEN_CLASSES)
    inside = counts.in_zone[numbers].sum(0, dtype=np.float64) * (counts.land >= 0.5)
    half_green = float((inside * (counts.fraction >= 0.5)).sum())
    return ZoneTruth(
        name=name,
        id=zone_id,
        zone_area_m2=zone,
        land_area_m2=land,
        green_area_m2=green,
        green_ratio=green / land,
        green_pixel_ratio=half_green / float(inside.sum()),
        area_by_class_m2=areas,
    )


def _write(path: Path, values: npt.NDArray[np.generic], transform: Affine, *, colours: cog.Colours | None) -> None:
    frame = GeoBox(values.shape, transform, CRS)
    cog.write(path, values, grid=frame, band=path.stem, nodata=None, colours=colours)


def write_truth(root: Path, city: City, canvas: Canvas) -> Truth:
    """Count the truth of a painted city and write ``ROOT/truth``."""
    top, bottom, left, right = city_window(city)
    classes = CLASS_OF[canvas.material[top:bottom, left:right]]
    fine = Affine(1, 0, LEFT_M + left, 0, -1, TOP_M - top)
    coarse = fine @ Affine.scale(PIXEL_M)
    zones = _zone_numbers(city, classes.shape, fine)
    counts = _count(classes, zones, len(city.districts))
    folder = root / FOLDER
    folder.mkdir(parents=True)
    _write(folder / "classes_1m.tif", classes, fine, colours=CLASS_COLOURS)
    _write(folder / "classes_10m.tif", counts.majority, coarse, colours=CLASS_COLOURS)
    _write(folder / "green_fraction.tif", counts.fraction, coarse, colours=None)
    everything = list(range(1, len(city.districts) + 1))
    found = {
        "synthetic": True,
        "classes": CLASSES,
        "green_classes": GREEN_CLASSES,
        "city": asdict(_zone_truth(city.name, city.id, counts, everything)),
        "districts": [
            asdict(_zone_truth(district.name, district.id, counts, [number]))
            for number, district in enumerate(city.districts, 1)
        ],
    }
    (folder / "truth.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    return truth(root)
