from __future__ import annotations

import numpy as np
import pytest
import rasterio
import shapely
from exactextract import exact_extract

from howgreen import sample
from howgreen.core.errors import StoreError
from howgreen.sample import blocks
from howgreen.sample.canvas import Canvas
from howgreen.sample.identity import SEED
from howgreen.sample.layout import LEFT_M, TOP_M, make_land
from howgreen.sample.limits import make_city, to_utm
from howgreen.sample.spectra import CLASS_OF, CLASSES, GREEN_CLASSES


def read(path):
    with rasterio.open(path) as file:
        return file.read(1), file.transform, file.bounds


def test_the_fraction_is_the_share_of_green_1_m_pixels(small):
    truth = sample.truth(small[0])
    fraction, _, _ = read(truth.green_fraction)
    fine, _, _ = read(truth.classes_1m)
    green = np.isin(fine, [CLASSES[name] for name in GREEN_CLASSES]).astype(float)
    rows, cols = fraction.shape
    assert np.allclose(fraction, green.reshape(rows, 10, cols, 10).mean((1, 3)))
    assert fraction.min() >= 0
    assert fraction.max() <= 1


def test_the_grid_is_the_citys_bounds_snapped_outward_to_10_m(small):
    root, city = small
    truth = sample.truth(root)
    west, south, east, north = to_utm(city.boundary).bounds
    for path in (truth.green_fraction, truth.classes_10m, truth.classes_1m):
        _, _, bounds = read(path)
        assert all(value % 10 == 0 for value in bounds)
        assert 0 <= west - bounds.left < 10
        assert 0 <= south - bounds.bottom < 10
        assert 0 <= bounds.right - east < 10
        assert 0 <= bounds.top - north < 10


def test_the_majority_is_a_commonest_class(small):
    truth = sample.truth(small[0])
    coarse, _, _ = read(truth.classes_10m)
    fine, _, _ = read(truth.classes_1m)
    rows, cols = coarse.shape
    boxes = fine.reshape(rows, 10, cols, 10).swapaxes(1, 2).reshape(rows, cols, 100)
    counts = np.stack([(boxes == code).sum(2) for code in range(12)])
    assert np.array_equal(np.take_along_axis(counts, coarse[None].astype(int), 0)[0], counts.max(0))


def test_districts_partition_the_city_exactly():
    city = make_city(make_land(7))
    outlines = [to_utm(district.boundary) for district in city.districts]
    assert len(outlines) == 6
    assert shapely.coverage_is_valid(outlines)
    assert all(outline.is_valid for outline in outlines)
    assert city.boundary.is_valid
    assert sum(outline.area for outline in outlines) == pytest.approx(to_utm(city.boundary).area, abs=1.0)
    assert to_utm(city.boundary).symmetric_difference(shapely.union_all(outlines)).area < 1.0


def test_the_full_city_is_60_km2_with_an_exclave_and_sea_inside_its_limits():
    land = make_land(7)
    city = make_city(land)
    assert city.area_m2 == pytest.approx(60e6, rel=0.01)
    assert city.boundary.geom_type == "MultiPolygon"
    parts = sorted(to_utm(city.boundary).geoms, key=lambda part: part.area)
    assert len(parts) == 2
    assert parts[0].area > 1e6
    sea = shapely.affinity.affine_transform(land.sea, [1, 0, 0, -1, LEFT_M, TOP_M])
    assert to_utm(city.boundary).intersection(sea).area > 3e6


def test_zones_sum_to_the_city_and_land_leaves_out_sea_and_river(small):
    truth = sample.truth(small[0])
    for name in ("zone_area_m2", "land_area_m2", "green_area_m2"):
        assert sum(getattr(zone, name) for zone in truth.districts) == pytest.approx(getattr(truth.city, name))
    for zone in (truth.city, *truth.districts):
        areas = zone.area_by_class_m2
        assert sum(areas.values()) == pytest.approx(zone.zone_area_m2)
        assert zone.land_area_m2 == pytest.approx(zone.zone_area_m2 - areas["sea"] - areas["water"])
        assert zone.green_area_m2 == pytest.approx(sum(areas[name] for name in GREEN_CLASSES))
        assert zone.green_ratio == pytest.approx(zone.green_area_m2 / zone.land_area_m2)
        assert 0 < zone.green_pixel_ratio < 1
    assert truth.city.area_by_class_m2["sea"] > 0
    assert truth.city.area_by_class_m2["water"] > 0
    assert truth.green_ratio == truth.city.green_ratio


def test_the_ratio_agrees_with_an_independent_zonal_tool(small):
    root, city = small
    truth = sample.truth(root)
    feature = {
        "type": "Feature",
        "geometry": shapely.geometry.mapping(to_utm(city.boundary)),
        "properties": {},
    }
    with rasterio.open(truth.green_fraction) as file:
        green_m2 = exact_extract(file.name, feature, ["sum"])[0]["properties"]["sum"] * 100
    assert green_m2 == pytest.approx(truth.city.green_area_m2, rel=0.003)


def test_the_truth_is_the_map_that_was_photographed(small, small_canvas: Canvas):
    truth = sample.truth(small[0])
    fine, transform, _ = read(truth.classes_1m)
    left, top = round(transform.c - LEFT_M), round(TOP_M - transform.f)
    part = small_canvas.material[top : top + fine.shape[0], left : left + fine.shape[1]]
    assert np.array_equal(fine, CLASS_OF[part])


def test_every_class_is_there(small):
    truth = sample.truth(small[0])
    fine, _, _ = read(truth.classes_1m)
    assert set(np.unique(fine)) == set(CLASSES.values())


def test_a_folder_without_truth_is_an_error_that_says_so(tmp_path):
    with pytest.raises(StoreError, match="holds no truth"):
        sample.truth(tmp_path)


def test_the_last_bits_of_a_processor_do_not_make_another_city(monkeypatch):
    """Processors round products differently, and a fifth of the pieces could be cut either way: all must cut them alike."""
    rng, cut = np.random.default_rng(1), blocks._cut

    def blurred(*args):
        return [(corners * (1 + 1e-15 * rng.standard_normal(corners.shape)), widths) for corners, widths in cut(*args)]

    monkeypatch.setattr(blocks, "_cut", blurred)
    made = list(blocks.make_blocks(make_land(SEED)))
    assert len(made) == 6945
    assert sum(block.use == "houses" for block in made) == 919
