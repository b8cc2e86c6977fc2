from __future__ import annotations

import numpy as np
import osmium
import pytest
import rasterio
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rio_cogeo import cog_validate

from howgreen.core.errors import AreaError, OutputError
from howgreen.core.geometry import geodesic_area_m2
from howgreen.core.grid import grid
from howgreen.osm import GREEN_TAGS, green_area_m2, green_areas, green_raster, green_share
from howgreen.osm._green import classify
from howgreen.place import from_shape


def box(west, south, side):
    return shapely.box(west, south, round(west + side, 7), round(south + side, 7))


TOWN = box(9.0, 47.0, 0.02)


@pytest.fixture
def town():
    return from_shape(TOWN, name="Town")


@pytest.fixture
def path(osm, ring, tmp_path):
    osm.way(ring(9.0, 47.0, 0.01), {"leisure": "park", "name": "City Park"})  # W1, inside
    osm.way(ring(9.002, 47.002, 0.004), {"landuse": "grass"})  # W2, in the park
    osm.way(ring(9.01, 47.01, 0.02), {"landuse": "forest"})  # W3, three quarters outside
    osm.way(ring(9.5, 47.5, 0.01), {"landuse": "forest"})  # W4, elsewhere
    osm.way(ring(9.012, 47.002, 0.002), {"landuse": "residential"})  # W5, not green
    osm.way(ring(9.02, 47.0, 0.01), {"natural": "wood"})  # W6, only touches the limits
    outer, inner = osm.way(ring(9.011, 47.001, 0.006)), osm.way(ring(9.013, 47.003, 0.002))
    osm.relation(1, [outer], {"type": "multipolygon", "landuse": "orchard"}, inner=[inner])
    return osm.save(tmp_path / "town.osm")


def test_the_green_is_cut_to_the_city_and_keeps_its_tags(path, town):
    areas = green_areas(town, osm=path)
    assert list(areas["osm_id"]) == ["R1", "W1", "W2", "W3"]
    assert list(areas["tag"]) == ["landuse=orchard", "leisure=park", "landuse=grass", "landuse=forest"]
    assert list(areas["group"]) == ["crop", "other", "grass", "tree"]
    assert list(areas["name"]) == [None, "City Park", None, None]
    assert areas.crs == "EPSG:4326"
    assert areas.attrs["licence"] == "© OpenStreetMap contributors, ODbL"
    expected = [box(9.011, 47.001, 0.006).difference(box(9.013, 47.003, 0.002)), box(9, 47, 0.01), box(9.002, 47.002, 0.004),
                box(9.01, 47.01, 0.01)]  # fmt: skip
    assert all(shape.equals(wanted) for shape, wanted in zip(areas.geometry, expected, strict=True))
    assert list(areas["area_m2"]) == pytest.approx([geodesic_area_m2(shape) for shape in expected])


def test_overlaps_count_once_in_the_share(path, town):
    areas = green_areas(town, osm=path)
    pieces = [box(9.011, 47.001, 0.006), box(9, 47, 0.01), box(9.01, 47.01, 0.01)]
    expected = sum(map(geodesic_area_m2, pieces)) - geodesic_area_m2(box(9.013, 47.003, 0.002))
    assert green_area_m2(areas) == pytest.approx(expected, rel=1e-6)
    assert green_share(areas, town) == pytest.approx(expected / town.area_m2, rel=1e-6)
    assert areas["area_m2"].sum() > expected * 1.05


def test_nothing_mapped_is_an_empty_frame_and_a_share_of_nought(osm, ring, tmp_path, town):
    osm.way(ring(9.5, 47.5, 0.01), {"landuse": "forest"})
    areas = green_areas(town, osm=osm.save(tmp_path / "a.osm"))
    assert list(areas.columns) == ["osm_id", "name", "tag", "group", "access", "area_m2", "geometry"]
    assert len(areas) == 0
    assert green_share(areas, town) == 0.0
    with rasterio.open(green_raster(areas, town, out=tmp_path / "a.tif")) as source:
        assert set(np.unique(source.read(1))) == {0, 255}


def test_progress_is_told(path, town):
    told = []
    green_areas(town, osm=path, progress=lambda *step: told.append(step))
    assert told == [("osm green", step, 2) for step in range(3)]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"leisure": "park"}, "leisure=park"),
        ({"leisure": "park", "landuse": "grass"}, "landuse=grass"),
        ({"leisure": "nature_reserve", "natural": "wood"}, "natural=wood"),
        ({"leisure": "pitch"}, None),
        ({"leisure": "pitch", "surface": "tartan"}, None),
        ({"leisure": "pitch", "surface": "artificial_turf"}, None),
        ({"leisure": "pitch", "surface": "grass"}, "leisure=pitch"),
        ({"natural": "wetland"}, "natural=wetland"),
        ({"natural": "wetland", "wetland": "reedbed"}, "natural=wetland"),
        ({"natural": "wetland", "wetland": "tidalflat"}, None),
        ({"landuse": "residential"}, None),
        ({"boundary": "national_park"}, None),
        ({}, None),
    ],
)
def test_which_tags_are_green(tags, expected):
    found = classify(tags)
    assert (found and f"{found.key}={found.value}") == expected


def test_the_table_of_tags_names_each_once():
    pairs = [(tag.key, tag.value) for tag in GREEN_TAGS]
    assert len(set(pairs)) == len(pairs)
    assert {tag.group for tag in GREEN_TAGS} == {"tree", "grass", "crop", "other"}


def test_the_raster_says_for_every_pixel_where_its_centre_lies(path, town, tmp_path):
    areas = green_areas(town, osm=path)
    out = green_raster(areas, town, out=tmp_path / "deep" / "green.tif", resolution_m=20)
    with rasterio.open(out) as source:
        values = source.read(1)
        x, y = rasterio.transform.xy(source.transform, *np.indices(values.shape).reshape(2, -1))
        assert source.crs == town.crs
        assert source.nodata == 255
        assert source.transform.a == -source.transform.e == 20
        assert source.transform.c % 20 == source.transform.f % 20 == 0
        assert source.colormap(1)[1][1] > source.colormap(1)[1][0]
        assert source.descriptions == ("green",)
        assert "OpenStreetMap" in source.tags()["licence"]
    moved = areas.geometry.to_crs(town.crs)
    limits = areas.set_geometry([town.boundary] * len(areas), crs=4326).to_crs(town.crs).geometry.iloc[0]
    points = shapely.points(x, y)
    union = shapely.union_all(moved.to_numpy())
    expected = np.where(shapely.contains(limits, points), shapely.contains(union, points).astype(int), 255)
    assert np.array_equal(values.ravel(), expected)
    assert cog_validate(str(out)) == (True, [], [])


def test_the_raster_agrees_with_the_polygons(path, town, tmp_path):
    areas = green_areas(town, osm=path)
    with rasterio.open(green_raster(areas, town, out=tmp_path / "g.tif", resolution_m=5)) as source:
        values = source.read(1)
    assert np.mean(values[values != 255]) == pytest.approx(green_share(areas, town), abs=0.003)


def test_blocks_leave_no_seam(path, town, tmp_path, monkeypatch):
    areas = green_areas(town, osm=path)
    whole = rasterio.open(green_raster(areas, town, out=tmp_path / "a.tif")).read(1)
    monkeypatch.setattr("howgreen.osm._raster._BLOCK_PX", 48)
    told = []
    parts = rasterio.open(
        green_raster(areas, town, out=tmp_path / "b.tif", progress=lambda *step: told.append(step))
    ).read(1)
    assert np.array_equal(whole, parts)
    assert told[-1] == ("green raster", len(told), len(told))
    assert len(told) > 4


@settings(max_examples=60, deadline=None)
@given(st.floats(-179, 179), st.floats(-79, 83), st.floats(0.002, 0.2), st.floats(0.002, 0.1))
def test_osms_green_lies_on_the_grid_of_every_other_map(tmp_path_factory, lon, lat, width, height):
    """One of two hundred cities once had another row of pixels here than in its green_mask.tif."""
    city = from_shape(shapely.box(lon, lat, lon + width, lat + height), name="x")
    with rasterio.open(
        green_raster(green_areas_of(city), city, out=tmp_path_factory.mktemp("g") / "a.tif", resolution_m=40)
    ) as source:
        expected = grid(city, resolution_m=40)
        assert (source.shape, source.transform, source.crs) == (expected.shape, expected.affine, city.crs)


@settings(max_examples=8, deadline=None)
@given(st.floats(-179, 179), st.floats(-70, 70))
@example(122.98432754259761, 57.625)  # on its zone's middle meridian: its sides run along the pixels' own
def test_wherever_the_city_lies_its_pixels_make_up_its_area(tmp_path_factory, lon, lat):
    """By the centres of pixels a straight side that runs along them may gain or lose up to one row or column of them."""
    city = from_shape(shapely.box(lon, lat, lon + 0.03, lat + 0.03), name="x")
    areas = green_areas_of(city)
    with rasterio.open(green_raster(areas, city, out=tmp_path_factory.mktemp("g") / "a.tif")) as source:
        inside_m2 = np.count_nonzero(source.read(1) != 255) * 100
        one_row_and_column_m2 = 100 * (source.width + source.height)
    scale = 2e-3  # of UTM: 0.9996 to 1.001, squared
    assert inside_m2 == pytest.approx(city.area_m2, abs=scale * city.area_m2 + one_row_and_column_m2)


def test_a_city_on_both_sides_of_the_antimeridian_is_one_small_raster(tmp_path):
    city = from_shape(shapely.box(179.98, -16.9, 180.02, -16.86), name="Taveuni")
    with rasterio.open(green_raster(green_areas_of(city), city, out=tmp_path / "a.tif")) as source:
        values = source.read(1)
        assert source.width < 500
    assert np.count_nonzero(values != 255) * 100 == pytest.approx(city.area_m2, rel=4e-3)


def green_areas_of(city):
    import geopandas as gpd

    return gpd.GeoDataFrame(geometry=[city.boundary], crs="EPSG:4326")


@pytest.mark.parametrize(
    ("resolution_m", "says"), [(0, "above 0"), (-10, "above 0"), (float("nan"), "above 0"), (1e-3, "coarser")]
)
def test_resolutions_that_cannot_be_are_refused(town, tmp_path, resolution_m, says):
    with pytest.raises(AreaError, match=says):
        green_raster(green_areas_of(town), town, out=tmp_path / "a.tif", resolution_m=resolution_m)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(town, tmp_path, monkeypatch):
    out = tmp_path / "a.tif"
    out.write_bytes(b"old")

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rasterio.shutil.copy", full)
    with pytest.raises(OutputError, match=r"a\.tif: cannot be written .*No space left"):
        green_raster(green_areas_of(town), town, out=out)
    assert out.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [out]


def test_a_folder_that_cannot_be_made_is_an_output_error(town, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot be written"):
        green_raster(green_areas_of(town), town, out=tmp_path / "file" / "a.tif")


def test_a_broken_extract_is_refused(town, tmp_path):
    (tmp_path / "a.osm.pbf").write_bytes(b"garbage")
    with pytest.raises(AreaError, match="cut short"):
        green_areas(town, osm=tmp_path / "a.osm.pbf")


@pytest.mark.parametrize(
    ("frame", "held"), [((10, 50, 11, 51), "0%"), ((8.9, 46.9, 9.01, 47.2), "50%"), ((8.9, 46.9, 9.2, 47.2), None)]
)
def test_an_extract_of_elsewhere_is_refused_and_not_called_without_green(path, town, tmp_path, frame, held):
    header = osmium.io.Header()
    header.add_box(osmium.osm.Box(*frame))
    extract = tmp_path / "b.osm.pbf"
    with osmium.SimpleWriter(str(extract), header=header) as writer:
        for item in osmium.FileProcessor(str(path)):
            writer.add(item)
    if held is None:
        assert green_areas(town, osm=extract).equals(green_areas(town, osm=path))
        return
    with pytest.raises(AreaError, match=rf"b\.osm\.pbf: holds {held} of .*; give an extract that holds all of it"):
        green_areas(town, osm=extract)
