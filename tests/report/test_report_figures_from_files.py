"""Every figure of ``summary.json`` is made again from the files beside it, by exactextract and PROJ, without a line of ours."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import rasterio
import shapely
from exactextract import exact_extract
from pyproj import Geod
from rasterio.features import geometry_mask

from howgreen import report
from howgreen.core.types import INTERVAL_ENDS

SUMS = ("land_area_m2", "observed_area_m2", "green_area_m2")
RATIOS = ("green_ratio", "green_pixel_ratio", "observed_ratio")
DATES = ("clear_dates_mean", "seen_once_ratio")


@pytest.fixture(scope="module", params=["whole", "with sea", "reaching district"])
def written(request: pytest.FixtureRequest, make: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    result = make(180, 150, chunk=70)
    city = result.plan.city
    if request.param == "with sea":
        west, south, east, north = city.boundary.bounds
        dry = shapely.intersection(city.boundary, shapely.box(west, south, east, south + 0.7 * (north - south)))
        city = dataclasses.replace(city, land=dry, land_source="by hand")
    elif request.param == "reaching district":
        first = city.districts[0]
        wide = dataclasses.replace(first, boundary=first.boundary.buffer(0.0004))
        city = dataclasses.replace(city, districts=(wide, *city.districts[1:]))
    from howgreen import measure

    zones = measure.green(result.landcover, city, n_clear=result.composite.data["n_clear"])
    result = dataclasses.replace(
        result, plan=dataclasses.replace(result.plan, city=city), stats=zones[0].stats, zones=measure.to_frame(zones)
    )
    folder = tmp_path_factory.mktemp("report") / "out"
    report.write(result, folder)
    return folder


def figures(folder: Path, row: Any, summary: dict[str, Any], land: Any) -> dict[str, float]:
    """The figures of one zone, from the rasters, the zone's shape in ``districts.gpkg``, and the classes' names."""
    with rasterio.open(folder / "green_fraction.tif") as file:
        crs, pixel_m2 = file.crs, abs(file.transform.a * file.transform.e)
    dense = shapely.segmentize(row.geometry, 0.0005)
    ashore = dense if land is None else shapely.intersection(dense, land)
    zone = gpd.GeoDataFrame(geometry=[ashore], crs="EPSG:4326").to_crs(crs)
    geod = Geod(ellps="WGS84")
    zone_m2, land_m2 = (abs(geod.geometry_area_perimeter(shapely.orient_polygons(s))[0]) for s in (dense, ashore))
    scale = pixel_m2 * land_m2 / zone.area[0]

    def over(name: str, *wanted: str) -> dict[str, Any]:
        return exact_extract(str(folder / name), zone, list(wanted))[0]["properties"]

    fraction = over("green_fraction.tif", "count", "sum", "mean")
    classes = over("landcover.tif", "unique", "frac", "count")
    names = {item["code"]: item["name"] for item in summary["model"]["classes"]}
    shares = np.atleast_1d(classes["frac"]) * classes["count"] * scale
    by_class = {names[int(code)]: m2 for code, m2 in zip(np.atleast_1d(classes["unique"]), shares, strict=True)}
    land_area = land_m2 - by_class.get("water", 0.0)
    return {
        "zone": zone,
        "zone_area_m2": zone_m2,
        "land_area_m2": land_area,
        "observed_area_m2": fraction["count"] * scale,
        "green_area_m2": fraction["sum"] * scale,
        "green_ratio": fraction["mean"],
        "green_pixel_ratio": over("green_mask.tif", "mean")["mean"],
        "observed_ratio": fraction["count"] * scale / land_area,
        "by_class": by_class,
    }


def dates(folder: Path, zone: Any) -> dict[str, float]:
    """Of the land that was seen in a zone: mean number of dates, and share that one date showed."""
    with rasterio.open(folder / "n_clear.tif") as counts, rasterio.open(folder / "green_fraction.tif") as fraction:
        clear, counted = counts.read(1).astype(float), np.isfinite(fraction.read(1))
        profile = counts.profile | {"driver": "GTiff", "dtype": "float32", "nodata": np.nan, "compress": None}
    found = {}
    for name, values in (("clear_dates_mean", clear), ("seen_once_ratio", (clear == 1).astype(float))):
        with rasterio.MemoryFile() as memory:
            with memory.open(**profile) as file:
                file.write(np.where(counted, values, np.nan).astype("float32"), 1)
            found[name] = exact_extract(memory.name, zone, ["mean"])[0]["properties"]["mean"]
    return found


def looks(folder: Path, zone: Any) -> dict[str, float]:
    """How many dates showed the pixels whose middle lies in the city."""
    with rasterio.open(folder / "n_clear.tif") as file:
        inside = geometry_mask(zone.geometry, file.shape, file.transform, invert=True)
        clear = np.sort(file.read(1)[inside])
    middle = clear[int(np.ceil(len(clear) / 2)) - 1]
    return {"min": clear[0], "median": middle, "max": clear[-1], "never_pct": 100 * (clear == 0).mean()}


def zones_of(folder: Path) -> gpd.GeoDataFrame:
    """The city, then its districts."""
    layers = [gpd.read_file(folder / "districts.gpkg", layer=name) for name in ("city", "districts")]
    return gpd.GeoDataFrame(pd.concat(layers, ignore_index=True), crs=layers[0].crs)


def land_of(folder: Path) -> Any:
    """What is not sea, dense as the figures take it; None where nobody said."""
    path = folder / "districts.gpkg"
    if "land" not in set(pyogrio.list_layers(path)[:, 0]):
        return None
    return shapely.segmentize(gpd.read_file(path, layer="land").geometry.iloc[0], 0.0005)


def interval_of(ratio: float, seen: float, half_width: float) -> dict[str, float]:
    """The model's error to both sides, and unseen land that may be anything."""
    low, high = max(ratio - half_width, 0), min(ratio + half_width, 1)
    return {
        "low": seen * low,
        "high": seen * high + 1 - seen,
        "model_low": low,
        "model_high": high,
        "unseen_low": seen * ratio,
        "unseen_high": seen * ratio + 1 - seen,
    }


def numbers(values: dict[str, Any]) -> set[str]:
    """Keys of a part of the summary that hold a number."""
    return {key for key, value in values.items() if isinstance(value, float)}


def test_every_figure_is_made_again_from_the_files(written: Path):
    summary = json.loads((written / "summary.json").read_text())
    zones, land = zones_of(written), land_of(written)
    assert (land is not None) == (summary["city"]["land_source"] != "")
    for row, told in zip(zones.itertuples(), [summary, *summary["districts"]], strict=True):
        # A new figure has to be made again here, or its reader cannot.
        assert numbers(told) == {"zone_area_m2", *SUMS, *RATIOS, *DATES, "green_m2_per_inhabitant"}
        made = figures(written, row, summary, land)
        for name, value in dates(written, made["zone"]).items():
            assert value == pytest.approx(told[name], rel=1e-4), (row.name, name)
        assert made["zone_area_m2"] == pytest.approx(told["zone_area_m2"], rel=1e-5)
        for name in SUMS:
            assert made[name] == pytest.approx(told[name], rel=1e-4), (row.name, name)
        for name in RATIOS:
            assert made[name] == pytest.approx(told[name], abs=1e-4), (row.name, name)
        people = told["city"]["population"] if told is summary else told["population"]
        if told["green_m2_per_inhabitant"] is not None:
            each = made["green_area_m2"] / made["observed_ratio"] / people["count"]
            assert each == pytest.approx(told["green_m2_per_inhabitant"], rel=1e-4)
        wide = summary["model"]["reference_error"]["half_width"]
        again = interval_of(made["green_ratio"], made["observed_ratio"], wide)
        assert numbers(told["interval"]) == {*again, "level"}
        for name, value in again.items():
            assert value == pytest.approx(told["interval"][name], abs=1e-4), (row.name, name)
        if told is summary:
            assert looks(written, made["zone"]) == pytest.approx(told["clear_looks"], abs=0.02)
            over = {"total": made["zone_area_m2"], "land": made["land_area_m2"], "observed": made["observed_area_m2"]}
            assert numbers(told["denominators"]) == set(over)
            for name, ground in over.items():
                assert made["green_area_m2"] / ground == pytest.approx(told["denominators"][name], abs=1e-4)
            assert told["city"]["bounds"] == pytest.approx(row.geometry.bounds, abs=1e-9)
            assert made["by_class"] == pytest.approx({k: v for k, v in told["area_by_class_m2"].items() if v}, rel=1e-4)


def test_the_uncertainty_covers_what_the_fraction_covers(written: Path):
    with rasterio.open(written / "green_fraction.tif") as one, rasterio.open(written / "green_uncertainty.tif") as two:
        np.testing.assert_array_equal(np.isnan(one.read(1)), two.read(1) == 255)


def test_the_figures_of_the_table_are_those_of_the_summary(written: Path):
    summary = json.loads((written / "summary.json").read_text())
    zones = zones_of(written)
    for row, told in zip(zones.to_dict("records"), [summary, *summary["districts"]], strict=True):
        for name in ("zone_area_m2", *SUMS, *RATIOS):
            assert row[name] == told[name]
        for end in INTERVAL_ENDS:
            assert row[f"interval_{end}"] == told["interval"][end]
