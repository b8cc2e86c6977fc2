"""Values of a report's rasters for one pixel or one area, recomputed by the rules of the report's figures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
import shapely
import xarray as xr
from odc.geo.geobox import GeoBox
from rasterio.windows import Window

from howgreen import landcover, measure
from howgreen.core.geometry import polygonal, project, transformer
from howgreen.core.models import water_codes
from howgreen.core.sensors import CENTRE_NM, RADAR_BANDS, SENSORS
from howgreen.core.types import NEVER_CLEAR, UNSEEN, LandCover
from howgreen.web.serve.models import Area, AreaInterval, BandValue, Pixel, PixelClass

if TYPE_CHECKING:
    from howgreen.core.models import ModelCard
    from howgreen.core.types import City
    from howgreen.web.serve.reports import Report

_MARGIN_PX = 2


def pixel(report: Report, lon: float, lat: float) -> Pixel:
    """Return the values of the pixel at a position; all None if it was never observed, or lies beyond the images."""
    grid = _grid(report)
    x, y = transformer("EPSG:4326", str(grid.crs)).transform(lon, lat)
    column, row = (math.floor(one) for one in ~grid.transform @ (x, y)) if math.isfinite(x + y) else (-1, -1)
    within = 0 <= row < grid.shape[0] and 0 <= column < grid.shape[1]
    is_inside = within and bool(shapely.intersects_xy(report.city.boundary, lon, lat))
    if not within:
        return Pixel.model_validate({"lon": lon, "lat": lat, "inside": False, "dates": [], "spectrum": []})
    values = {
        name: _at(report, name, row, column)
        for name in ("green_fraction.tif", "green_uncertainty.tif", "landcover.tif", "n_clear.tif")
    }
    code = _number(values["landcover.tif"])
    clear = _number(values["n_clear.tif"])
    found = next((one for one in report.summary["model"]["classes"] if one["code"] == code), None)
    fraction, error = values["green_fraction.tif"], values["green_uncertainty.tif"]
    return Pixel.model_validate(
        {
            "lon": lon, "lat": lat, "inside": is_inside,
            "fraction": fraction, "standard_error": error,
            "class": PixelClass(code=found["code"], name=found["name"]) if found else None,
            "n_clear": clear, "dates": _dates(report, lon, lat), "spectrum": _spectrum(report, row, column),
        }
    )  # fmt: skip


def _number(value: float | None) -> int | None:
    return None if value is None else int(value)


def _grid(report: Report) -> GeoBox:
    told = report.summary["grid"]
    from affine import Affine

    return GeoBox(tuple(told["shape"]), Affine(*told["transform"]), told["crs"])


def _at(report: Report, name: str, row: int, column: int) -> float | None:
    """Return one value of a single-band raster, scaled as declared; None for no data."""
    there = report.files.get(name)
    if there is None:
        return None
    with rasterio.open(there.path) as file:
        value = float(file.read(1, window=Window(column, row, 1, 1))[0, 0])
        missing = math.isnan(value) or (file.nodata is not None and value == file.nodata)
        return None if missing else value * file.scales[0]


def _spectrum(report: Report, row: int, column: int) -> list[BandValue]:
    there = report.files.get("composite.tif")
    if there is None:
        return []
    sensor = SENSORS.get(str(report.summary["sensor"]))
    native = {band.name: band.aliases[0] if band.aliases else band.name for band in sensor.bands} if sensor else {}
    centre = CENTRE_NM.get(sensor.name, {}) if sensor else {}
    with rasterio.open(there.path) as file:
        raw = file.read(window=Window(column, row, 1, 1))[:, 0, 0]
        described = list(zip(file.descriptions, file.scales, raw, strict=True))
    found = []
    for name, scale, number in described:
        value = None if number == NEVER_CLEAR else round(float(number) * scale, 6)
        radar = name in RADAR_BANDS
        found.append(
            BandValue(
                band=native.get(name, name), name=name, wavelength_nm=centre.get(name),
                reflectance=None if radar else value, backscatter_db=value if radar else None,
            )
        )  # fmt: skip
    return sorted(found, key=lambda one: one.wavelength_nm or math.inf)


def _dates(report: Report, lon: float, lat: float) -> list[str]:
    """List the dates of the images whose footprints contain a position."""
    days = set()
    for scene in (*report.plan.get("scenes", ()), *report.plan.get("radar", ())):
        if shapely.intersects_xy(shapely.geometry.shape(scene["footprint"]), lon, lat):
            days.add(str(scene["time"])[:10])
    return sorted(days)


def area(report: Report, drawn: City) -> Area:
    """Measure the part of an area inside a result, in the same way as a district.

    Raises
    ------
    HowgreenError
        The model that made the map is no longer available here.
    """
    city = report.city
    whole = shapely.union_all([city.boundary, *(district.boundary for district in city.districts)])
    part = polygonal(shapely.intersection(drawn.boundary, whole))
    grid = _grid(report)
    window = _window(grid, part)
    if part.is_empty or window is None:
        return Area(area_m2=0.0, land_m2=0.0, green_m2=0.0)
    from dataclasses import replace

    zone = replace(city, boundary=part, districts=(), population=None, name="area", label="the area")
    stats = measure.green(_landcover(report, grid, window), zone)[0].stats
    sure = stats.interval
    return Area(
        area_m2=stats.zone_area_m2, land_m2=stats.land_area_m2, green_m2=stats.green_area_m2, green_ratio=stats.green_ratio,
        observed_ratio=stats.observed_ratio,
        interval=None if sure is None else AreaInterval(low=sure.low, high=sure.high, level=sure.level),
    )  # fmt: skip


def _window(grid: GeoBox, part: shapely.geometry.base.BaseGeometry) -> Window | None:
    """Return the window of pixels around a shape."""
    if part.is_empty:
        return None
    west, south, east, north = project(part, str(grid.crs)).bounds
    (left, top), (right, bottom) = ~grid.transform @ (west, north), ~grid.transform @ (east, south)
    left, top = max(0, math.floor(left) - _MARGIN_PX), max(0, math.floor(top) - _MARGIN_PX)
    right, bottom = (
        min(grid.shape[1], math.ceil(right) + _MARGIN_PX),
        min(grid.shape[0], math.ceil(bottom) + _MARGIN_PX),
    )
    return Window(left, top, right - left, bottom - top) if right > left and bottom > top else None


def _landcover(report: Report, grid: GeoBox, window: Window) -> LandCover:
    rows = slice(int(window.row_off), int(window.row_off + window.height))
    columns = slice(int(window.col_off), int(window.col_off + window.width))
    planes: dict[str, Any] = {}
    for key, name in (("label", "landcover.tif"), ("green_fraction", "green_fraction.tif")):
        with rasterio.open(report.folder / name) as file:
            planes[key] = (("y", "x"), file.read(1, window=window))
    card = _card(report)
    label, fraction = planes["label"][1], planes["green_fraction"][1]
    water = water_codes(card.classes)
    # As in the figures, land without a green share is unobserved.
    planes["label"] = (("y", "x"), np.where(np.isnan(fraction) & ~np.isin(label, water), np.uint8(UNSEEN), label))
    return LandCover(data=xr.Dataset(planes), grid=grid[rows, columns], card=card)


def _card(report: Report) -> ModelCard:
    told = report.summary["model"]
    return landcover.planned_model(str(told["name"]), sha256=str(told["sha256"])).card
