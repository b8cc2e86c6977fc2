"""Populations that are none, of half of the place, or twice: refused or told, never an answer without a word."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine

from howgreen import place
from howgreen.core.errors import ImageError, LabelError
from howgreen.core.geometry import project
from howgreen.core.labels import read_shapes
from howgreen.pipeline.people import _areas, _covered
from howgreen.pipeline.population import doubts, of_density, read_people

CITY = place.from_shape(shapely.box(11.30, 46.48, 11.34, 46.51), name="Small")
LIMITS = project(CITY.boundary, CITY.crs)


def _raster(path, people, *, share=1.0):
    """People on cells of 100 m around the limits; of the western share of them alone."""
    west, south, east, north = LIMITS.bounds
    where = Affine(100, 0, west - 300, 0, -100, north + 300)
    shape = int((north - south) / 100) + 7, int((east - west) / 100) + 7
    values = np.broadcast_to(np.asarray(people, np.float32), shape)[:, : round(shape[1] * share)]
    size = {"height": values.shape[0], "width": values.shape[1], "count": 1, "dtype": "float32"}
    with rasterio.open(path, "w", driver="GTiff", crs=CITY.crs, transform=where, **size) as file:
        file.write(values, 1)
    return path


def _uneven(mean):
    rng = np.random.default_rng(1)
    west, south, east, north = LIMITS.bounds
    return rng.gamma(1.0, mean, (int((north - south) / 100) + 7, int((east - west) / 100) + 7))


def _told(path):
    found = read_people(path, CITY)
    people = float(found.count.sum()) * LIMITS.area / (found.count.size * 1e4)
    return [one.text for one in doubts(found.source, people, CITY, covered=found.covered, alike=found.alike)]


@pytest.mark.parametrize(("mean", "told"), [(20, False), (490, False), (520, True), (2000, True)])
def test_more_people_than_in_any_city_are_doubted(tmp_path, mean, told):
    """A density by km2 is a hundred times a count by hectare."""
    texts = _told(_raster(tmp_path / "people.tif", _uneven(1.0) / _uneven(1.0).mean() * mean))
    assert any("are its numbers people per cell, and not a density?" in text for text in texts) is told


def test_people_that_live_nowhere_are_refused(tmp_path):
    with pytest.raises(ImageError, match="live nowhere"):
        _told(_raster(tmp_path / "people.tif", _uneven(20_000)))


@pytest.mark.parametrize("value", [255, 4, 3.4e38])
def test_one_number_in_all_cells_is_no_population(tmp_path, value):
    """Numbers for no data that nobody told: they made 1.3 million people in Bolzano."""
    with pytest.raises(ImageError, match="in all cells around Small"):
        read_people(_raster(tmp_path / "people.tif", value), CITY)


@pytest.mark.parametrize(("settled", "told"), [(19, False), (20, True), (200, True)])
def test_one_number_in_all_settled_cells_is_told(tmp_path, settled, told):
    """Some rasters spread a census area's people evenly over what is settled; a mask of what is settled looks the same."""
    people = _uneven(1) * 0
    inner = people[6:-6, 6:-6]
    inner.flat[:settled] = 3.25
    texts = _told(_raster(tmp_path / "people.tif", people))
    assert any("holds 3.25 in all cells with people" in text for text in texts) is told
    inner.flat[settled] = 3.5
    assert _told(_raster(tmp_path / "people.tif", people)) == []


@pytest.mark.parametrize(("share", "told"), [(1.0, False), (0.5, True)])
def test_a_raster_of_a_part_of_the_limits_is_told(tmp_path, share, told):
    texts = _told(_raster(tmp_path / "people.tif", _uneven(20), share=share))
    assert any("of the limits; nobody is counted beyond" in text for text in texts) is told


def _census(path, people, shapes, **more):
    gpd.GeoDataFrame({"people": people}, geometry=shapes, crs=CITY.crs).to_file(path, **more)
    return path


@pytest.fixture
def quarters():
    west, south, east, north = LIMITS.bounds
    x, y = (west + east) / 2, (south + north) / 2
    return [
        shapely.box(west, south, x, y),
        shapely.box(x, south, east, y),
        shapely.box(west, y, x, north),
        shapely.box(x, y, east, north),
    ]


def test_areas_of_a_census_that_lie_on_each_other_are_refused(tmp_path, quarters):
    """Twice the people, and half of them where "no land was seen"."""
    assert _covered(quarters, LIMITS, tmp_path) == pytest.approx(1, abs=0.01)
    assert _covered(quarters[:2], LIMITS, tmp_path) == pytest.approx(0.5, abs=0.05)
    with pytest.raises(LabelError, match="lie on each other"):
        _covered([*quarters, quarters[0]], LIMITS, tmp_path)
    with pytest.raises(LabelError, match="by 25 % of the limits"):  # a gap elsewhere does not make up for it
        _covered([*quarters[:3], quarters[0]], LIMITS, tmp_path)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("gpw_v4_population_density_rev11_2020_30_sec.tif", True),
        ("fra_pd_2020_1km_UNadj.tif", True),
        ("Bevölkerungsdichte", True),
        ("GHS_POP_E2025_GLOBE_R2023A_54009_100_V1_0.tif", False),
        ("fra_pop_2024_CN_100m_R2025A_v1.tif", False),
        ("updated_people.tif", False),
    ],
)
def test_what_calls_itself_a_density_is_doubted(name, told):
    assert [one.code for one in of_density(name)] == ["population-doubtful"] * told


@pytest.mark.parametrize("people", [float("inf"), -1.0])
def test_numbers_that_count_nobody_are_refused(tmp_path, quarters, people):
    with pytest.raises(LabelError, match="below 0, or without end"):
        _areas(_census(tmp_path / "a.gpkg", [1.0, 2.0, 3.0, people], quarters), "people", CITY.crs)


def test_areas_without_a_number_are_not_areas_without_people(tmp_path, quarters):
    shapes, counts = _areas(_census(tmp_path / "a.gpkg", [1.0, None, 3.0, 4.0], quarters), "people", CITY.crs)
    assert counts.tolist() == [1, 3, 4]
    assert len(shapes) == 3


def test_of_several_layers_the_one_with_the_column_is_meant(tmp_path, quarters):
    path = tmp_path / "a.gpkg"
    gpd.GeoDataFrame({"name": ["x"]}, geometry=quarters[:1], crs=CITY.crs).to_file(path, layer="roads")
    _census(path, [1.0, 2.0, 3.0, 4.0], quarters, layer="census")
    assert len(read_shapes(path, "people")) == 4
    _census(path, [9.0] * 4, quarters, layer="older")
    with pytest.raises(LabelError, match=r"several of its layers have a column 'people' \(census, older\)"):
        read_shapes(path, "people")
