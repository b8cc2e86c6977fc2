from __future__ import annotations

import numpy as np
import pytest
from shapely import box

from howgreen import measure
from howgreen.core.types import UNSEEN


def test_one_row_a_zone(cover, city, patchwork, tmp_path):
    town = city(box(0, 0, 100, 100), [box(0, 0, 50, 100), box(50, 0, 100, 100)], inhabitants=1000)
    zones = measure.green(cover(*patchwork), town)
    frame = measure.to_frame(zones)
    assert list(frame["name"]) == ["Toytown", "D0", "D1"]
    assert list(frame["kind"]) == ["city", "district", "district"]
    assert frame.crs == "EPSG:4326"
    assert frame["green_ratio"].tolist() == [zone.stats.green_ratio for zone in zones]
    assert frame["interval_low"].iloc[0] == zones[0].stats.interval.low
    assert frame["green_m2_per_inhabitant"].notna().tolist() == [True, False, False]
    assert frame.geometry.iloc[0].equals(town.boundary)


def test_absent_figures_are_nan(cover, city):
    zones = measure.green(cover([[UNSEEN]], [[np.nan]]), city(box(0, 0, 1, 1)))
    frame = measure.to_frame(zones)
    absent = ["green_ratio", "green_pixel_ratio", "interval_low", "interval_high", "green_m2_per_inhabitant"]
    assert frame[absent].isna().all(axis=None)
    assert all(frame[name].dtype == float for name in absent)


def test_geopackage_round_trip(cover, city, patchwork, tmp_path):
    import geopandas as gpd

    frame = measure.to_frame(measure.green(cover(*patchwork), city(box(0, 0, 9, 9))))
    frame.to_file(tmp_path / "zones.gpkg", engine="pyogrio")
    back = gpd.read_file(tmp_path / "zones.gpkg")
    assert back["green_ratio"].iloc[0] == pytest.approx(frame["green_ratio"].iloc[0])
