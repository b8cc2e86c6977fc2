"""Other maps on the grid: pixels that know their place, and files of strangers."""

from __future__ import annotations

import json
import math
from contextlib import contextmanager

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from howgreen.compare import LEGENDS, corine_file, corine_service, raster_map, tile_names, usable, vector_map
from howgreen.compare._legends import GREEN, NOT_GREEN, UNKNOWN, WATER, on_kinds, other_map
from howgreen.core.agreement import MapInfo
from howgreen.core.errors import ImageError, NetworkError
from howgreen.imagery import map_reader

GRID = GeoBox((40, 50), Affine(10, 0, 680_000, 0, -10, 5_150_400), "EPSG:32632")
INFO = MapInfo(key="corine", label="CORINE Land Cover", source="here", detail="", licence="")
WORLDCOVER, DYNAMIC, CORINE = (LEGENDS[key] for key in ("worldcover", "dynamic-world", "corine"))


def centres(grid=GRID):
    t, (h, w) = grid.transform, grid.shape
    return np.meshgrid(t.c + t.a * (np.arange(w) + 0.5), t.f + t.e * (np.arange(h) + 0.5))


def write(path, values, *, crs="EPSG:4326", transform, nodata=None, names=()):
    values = np.asarray(values)
    bands = values if values.ndim == 3 else values[None]
    with rasterio.open(path, "w", driver="GTiff", count=len(bands), dtype=bands.dtype, height=bands.shape[1],
                       width=bands.shape[2], crs=crs, transform=transform, nodata=nodata) as file:  # fmt: skip
        file.write(bands)
        for number, name in enumerate(names, 1):
            file.set_band_description(number, name)
    return str(path)


def read(legend, *hrefs, grid=GRID, cropland="green", reader=None):
    found = raster_map(INFO, legend, hrefs=hrefs, read=reader or map_reader(), cropland=cropland)
    with found.open() as block:
        return block(grid)


@pytest.fixture(scope="module")
def degrees():
    """A grid of WorldCover's pixels (1/12000 degree) over GRID, and each pixel's class by its own row and column."""
    lon, lat = Transformer.from_crs("EPSG:32632", "EPSG:4326", always_xy=True).transform(*centres())
    size = 1 / 12000
    west, north = math.floor(lon.min() / size - 3) * size, math.ceil(lat.max() / size + 3) * size
    shape = math.ceil((north - lat.min()) / size) + 3, math.ceil((lon.max() - west) / size) + 3
    rows, columns = np.indices(shape)
    codes = np.array([10, 20, 30, 40, 50, 60, 80, 0], np.uint8)[(3 * rows + 5 * columns) % 8]
    here = codes[np.floor((north - lat) / size).astype(int), np.floor((lon - west) / size).astype(int)]
    return codes, Affine(size, 0, west, 0, -size, north), here


def test_each_pixel_takes_the_class_that_holds_its_centre(degrees, tmp_path):
    codes, transform, here = degrees
    path = write(tmp_path / "wc.tif", codes, transform=transform, nodata=0)
    expected = np.select([np.isin(here, (10, 20, 30, 40)), here == 80, here == 0], [GREEN, WATER, UNKNOWN], NOT_GREEN)
    np.testing.assert_array_equal(read(WORLDCOVER, path), expected)
    for cropland, kind in (("not-green", NOT_GREEN), ("left-out", UNKNOWN)):
        np.testing.assert_array_equal(read(WORLDCOVER, path, cropland=cropland), np.where(here == 40, kind, expected))


@given(st.integers(0, 39), st.integers(0, 49), st.integers(1, 40), st.integers(1, 50))
@settings(max_examples=25)
def test_blocks_are_cuts_of_the_whole(degrees, tmp_path_factory, row, column, height, width):
    codes, transform, _ = degrees
    path = tmp_path_factory.getbasetemp() / "blocks.tif"
    if not path.exists():
        write(path, codes, transform=transform, nodata=0)
    height, width = min(height, 40 - row), min(width, 50 - column)
    part = GeoBox((height, width), Affine(10, 0, 680_000 + 10 * column, 0, -10, 5_150_400 - 10 * row), "EPSG:32632")
    whole = read(WORLDCOVER, str(path))
    np.testing.assert_array_equal(
        read(WORLDCOVER, str(path), grid=part), whole[row : row + height, column : column + width]
    )


def test_two_tiles_are_one_map_and_beyond_them_nothing_is_known(degrees, tmp_path):
    codes, transform, _ = degrees
    whole = read(WORLDCOVER, write(tmp_path / "w.tif", codes, transform=transform, nodata=0))
    cut = codes.shape[1] // 2
    left = write(tmp_path / "l.tif", codes[:, :cut], transform=transform, nodata=0)
    moved = Affine(transform.a, 0, transform.c + cut * transform.a, 0, transform.e, transform.f)
    right = write(tmp_path / "r.tif", codes[:, cut:], transform=moved, nodata=0)
    np.testing.assert_array_equal(read(WORLDCOVER, left, right), whole)
    only = read(WORLDCOVER, left)
    assert (only == UNKNOWN).sum() > (whole == UNKNOWN).sum()
    assert np.isin(only[only != whole], UNKNOWN).all()


def test_corine_rasters_count_from_1_or_by_code(tmp_path):
    """The same 100 m map in EPSG:3035, by the numbers 1-44 and by the codes 111-523."""
    x, y = Transformer.from_crs("EPSG:32632", "EPSG:3035", always_xy=True).transform(*centres())
    west, north = math.floor(x.min() / 100) * 100, math.ceil(y.max() / 100) * 100
    shape = math.ceil((north - y.min()) / 100), math.ceil((x.max() - west) / 100)
    numbers = (np.arange(shape[0] * shape[1]) % 45).reshape(shape)  # 0 and 44 classes
    codes = np.array([999, *(item.code for item in CORINE.classes[:44])], np.int16)[numbers]
    transform = Affine(100, 0, west, 0, -100, north)
    by_number = write(tmp_path / "n.tif", np.where(numbers == 0, -128, numbers).astype(np.int8), crs="EPSG:3035",
                      transform=transform, nodata=-128)  # fmt: skip
    by_code = write(tmp_path / "c.tif", codes, crs="EPSG:3035", transform=transform)
    here = codes[np.floor((north - y) / 100).astype(int), np.floor((x - west) / 100).astype(int)]
    kinds = {item.code: item.kind for item in CORINE.classes}
    expected = np.vectorize(
        lambda c: {"green": GREEN, "crop": GREEN, "water": WATER, "no data": UNKNOWN}.get(kinds[c], 0)
    )(here)
    np.testing.assert_array_equal(read(CORINE, by_number), expected)
    np.testing.assert_array_equal(read(CORINE, by_code), expected)


def test_dynamic_world_comes_as_labels_or_as_probabilities(tmp_path):
    labels = (np.arange(2000).reshape(40, 50) % 9).astype(np.uint8)
    shares = np.where(np.arange(9)[:, None, None] == labels, 0.6, 0.05).astype(np.float32)
    shares[:, 0, 0] = np.nan
    place = {"crs": "EPSG:32632", "transform": GRID.transform}
    expected = np.select([labels == 0, np.isin(labels, (6, 7, 8))], [WATER, NOT_GREEN], GREEN)
    np.testing.assert_array_equal(read(DYNAMIC, write(tmp_path / "l.tif", labels, **place)), expected)
    found = read(DYNAMIC, write(tmp_path / "p.tif", shares, **place))
    assert found[0, 0] == UNKNOWN
    np.testing.assert_array_equal(found.ravel()[1:], expected.ravel()[1:])
    both = np.concatenate([shares[::-1], labels[None].astype(np.float32)])
    names = [*"abcdefghi", "label"]
    np.testing.assert_array_equal(read(DYNAMIC, write(tmp_path / "b.tif", both, names=names, **place)), expected)


def test_a_file_of_another_map_is_refused_by_its_classes(tmp_path):
    place = {"crs": "EPSG:32632", "transform": GRID.transform}
    path = write(tmp_path / "x.tif", np.full(GRID.shape, 77, np.uint8), **place)
    with pytest.raises(ImageError, match=r"x\.tif: holds the classes 77, which ESA WorldCover 2021 v200 does not have"):
        read(WORLDCOVER, path)
    path = write(tmp_path / "f.tif", np.full(GRID.shape, 0.5, np.float32), **place)
    with pytest.raises(ImageError, match=r"f\.tif: holds fractions"):
        read(DYNAMIC, path)


def test_a_tile_of_the_sea_is_not_there_and_that_is_no_fault(degrees, tmp_path):
    codes, transform, _ = degrees
    path = write(tmp_path / "wc.tif", codes, transform=transform, nodata=0)

    @contextmanager
    def reader(href):
        if "missing" in href:
            raise NetworkError(f"{href}: band 1 cannot be read (HTTP {404 if 'sea' in href else 500})")
        with rasterio.open(href) as file:
            yield file

    np.testing.assert_array_equal(read(WORLDCOVER, "missing-sea", path, reader=reader), read(WORLDCOVER, path))
    for hrefs in (("missing-sea",), ("missing-busy", path)):
        with pytest.raises(NetworkError, match="missing"):
            read(WORLDCOVER, *hrefs, reader=reader)


# ---- names of tiles -------------------------------------------------------------------------------


@given(st.floats(-179.99, 179.98), st.floats(-59.9, 83.9), st.floats(0, 4), st.floats(0, 4))
def test_the_tiles_named_are_those_that_a_box_touches(west, south, wide, high):
    east, north = min(west + wide, 180), min(south + high, 84)
    found = tile_names(shapely.box(west, south, east, north)) if east > west and north > south else ()
    for name in found:
        lat = int(name[1:3]) * (1 if name[0] == "N" else -1)
        lon = int(name[4:]) * (1 if name[3] == "E" else -1)
        assert lat % 3 == lon % 3 == 0
        assert lon <= east
        assert lon + 3 >= west
        assert lat <= north
        assert lat + 3 >= south
    if found:  # every corner lies in a tile that is named
        corner = (math.floor(south / 3) * 3, math.floor(west / 3) * 3)
        assert f"{'NS'[corner[0] < 0]}{abs(corner[0]):02d}{'EW'[corner[1] < 0]}{abs(corner[1]):03d}" in found


def test_names_of_tiles_are_those_of_the_product():
    lyon = shapely.box(4.7, 45.7, 4.9, 45.8)
    assert tile_names(lyon) == ("N45E003",)
    assert tile_names(shapely.box(-0.1, -0.1, 0.1, 0.1)) == ("N00E000", "N00W003", "S03E000", "S03W003")
    fiji = shapely.MultiPolygon([shapely.box(179.5, -17, 180, -16), shapely.box(-180, -17, -179.5, -16)])
    assert tile_names(fiji) == ("S18E177", "S18W180")
    assert tile_names(shapely.box(0, 85, 1, 86)) == ()


# ---- polygons -------------------------------------------------------------------------------------


def squares(crs="EPSG:3035", column="Code_18", codes=("311", "512", "112", "211")):
    """Four quarters of the grid, each of one class."""
    parts = [shapely.box(680_000 + 250 * i, 5_150_000 + 200 * j, 680_250 + 250 * i, 5_150_200 + 200 * j)
             for j in (1, 0) for i in (0, 1)]  # fmt: skip
    return gpd.GeoDataFrame({column: list(codes)}, geometry=parts, crs="EPSG:32632").to_crs(crs)


QUARTERS = np.block(
    [[np.full((20, 25), GREEN), np.full((20, 25), WATER)], [np.full((20, 25), NOT_GREEN), np.full((20, 25), GREEN)]]
)


@pytest.mark.parametrize(("name", "column", "codes"), [
    ("a.gpkg", "Code_18", ("311", "512", "112", "211")),
    ("a.shp", "CODE_12", ("311", "512", "112", "211")),
    ("a.geojson", "code_18", (311, 512, 112, 211)),
    ("a.gdb", "Code_18", ("311", "512", "112", "211")),
])  # fmt: skip
def test_corine_polygons_come_from_any_vector_file(tmp_path, name, column, codes):
    frame = squares("EPSG:4326" if name.endswith("json") else "EPSG:3035", column, codes)
    drivers = {"gdb": {"driver": "OpenFileGDB"}}
    frame.to_file(tmp_path / name, engine="pyogrio", **drivers.get(name.partition(".")[2], {}))
    found = corine_file(INFO, tmp_path / name, grid=GRID, cropland="green")
    assert found.info.label == f"CORINE Land Cover 20{column[-2:]}"
    with found.open() as block:
        np.testing.assert_array_equal(block(GRID), QUARTERS)


def test_polygons_leave_what_they_do_not_hold_unknown_or_to_the_rest():
    shape = [shapely.box(680_000, 5_150_000, 680_100, 5_150_400)]
    for rest, beyond in ((None, UNKNOWN), (0, NOT_GREEN)):
        with vector_map(
            INFO, LEGENDS["osm-green"], shapes=shape, codes=[1], rest=rest, cropland="green"
        ).open() as block:
            found = block(GRID)
        assert (found[:, :10] == GREEN).all()
        assert (found[:, 10:] == beyond).all()


def test_a_map_that_points_to_another_file_is_not_followed(tmp_path):
    secret = gpd.GeoDataFrame({"Code_18": ["111"]}, geometry=[shapely.box(11, 46, 12, 47)], crs="EPSG:4326")
    secret.to_file(tmp_path / "secret.gpkg")
    body = f"<OGRVRTDataSource><OGRVRTLayer name='secret'><SrcDataSource>{tmp_path}/secret.gpkg</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>"
    (tmp_path / "corine.gpkg").write_text(body)
    with pytest.raises(ImageError, match="points to other files"):
        corine_file(INFO, tmp_path / "corine.gpkg", grid=GRID, cropland="green")


def test_a_vector_file_that_is_no_corine_is_refused(tmp_path):
    squares(column="landuse").to_file(tmp_path / "x.gpkg")
    with pytest.raises(ImageError, match=r"x\.gpkg: no attribute such as Code_18 \(landuse\)"):
        corine_file(INFO, tmp_path / "x.gpkg", grid=GRID, cropland="green")
    squares(codes=("311", "512", "112", "forest")).to_file(tmp_path / "y.gpkg")
    with pytest.raises(ImageError, match="holds the classes forest"):
        corine_file(INFO, tmp_path / "y.gpkg", grid=GRID, cropland="green")
    (tmp_path / "z.gpkg").write_bytes(b"SQLite format 3\0 cut")
    with pytest.raises(ImageError, match=r"z\.gpkg: cannot be read as a map"):
        corine_file(INFO, tmp_path / "z.gpkg", grid=GRID, cropland="green")


class Server:
    """An ArcGIS layer that hands out two polygons a page."""

    def __init__(self, frame, page=2):
        self.features, self.page, self.asked = json.loads(frame.to_json())["features"], page, []

    def __call__(self, url, params):
        self.asked.append((url, params))
        start = int(params["resultOffset"])
        part = self.features[start : start + self.page]
        more = {"exceededTransferLimit": True} if start + self.page < len(self.features) else {}
        body = json.dumps({"type": "FeatureCollection", "features": part, **more}).encode()
        usable(body)
        return body


def test_the_service_is_asked_page_by_page_until_it_has_no_more():
    server = Server(squares("EPSG:4326"))
    area = shapely.box(11.3, 46.4, 11.4, 46.5)
    found = corine_service(INFO, area, url="https://x/MapServer/0/", ask=server, grid=GRID, cropland="green")
    assert [params["resultOffset"] for _, params in server.asked] == ["0", "2"]
    assert server.asked[0][0] == "https://x/MapServer/0/query"
    assert server.asked[0][1]["geometry"] == "11.300000,46.400000,11.400000,46.500000"
    assert found.info.label == "CORINE Land Cover 2018"
    with found.open() as block:
        np.testing.assert_array_equal(block(GRID), QUARTERS)


def esri(frame):
    """The same polygons in Esri's own JSON: rings, outer ones clockwise, as older servers answer whatever is asked."""
    listed = []
    for feature in json.loads(frame.to_json())["features"]:
        parts = shapely.geometry.shape(feature["geometry"])
        parts = shapely.geometry.polygon.orient(parts, -1)
        rings = [list(ring.coords) for ring in (parts.exterior, *parts.interiors)]
        listed.append({"attributes": feature["properties"], "geometry": {"rings": rings}})
    return listed


def asked_of(server):
    area = shapely.box(11.3, 46.4, 11.4, 46.5)
    return corine_service(INFO, area, url="https://x/MapServer/0", ask=server, grid=GRID, cropland="green")


def test_esris_own_json_is_read_as_geojson_is():
    frame = squares("EPSG:4326")
    hole = frame.geometry.iloc[0].centroid.buffer(0.0005)
    frame.loc[0, "geometry"] = frame.geometry.iloc[0].difference(hole)
    plain, own = Server(frame), Server(frame)
    own.features = esri(frame)
    maps = []
    for server in (plain, own):
        with asked_of(server).open() as block:
            maps.append(block(GRID))
    np.testing.assert_array_equal(*maps)
    assert (maps[0] != QUARTERS).any()  # the hole


def test_esris_own_json_in_other_coordinates_is_one_line():
    body = {"spatialReference": {"wkid": 102100}, "features": esri(squares("EPSG:4326"))}
    with pytest.raises(
        NetworkError, match="answers in coordinate system 102100, not 4326 as asked; give --corine FILE"
    ):
        asked_of(lambda url, params: json.dumps(body).encode())


def test_a_server_that_ignores_resultoffset_is_one_line():
    body = {"features": json.loads(squares("EPSG:4326").to_json())["features"], "exceededTransferLimit": True}
    with pytest.raises(NetworkError, match="hands out every page alike"):
        asked_of(lambda url, params: json.dumps(body).encode())


def test_a_full_page_without_a_sign_is_not_the_last(monkeypatch):
    monkeypatch.setattr("howgreen.compare._vectors.PAGE", 2)
    server = Server(squares("EPSG:4326"))

    def silent(url, params):
        answer = json.loads(server(url, params))
        answer.pop("exceededTransferLimit", None)
        return json.dumps(answer).encode()

    with asked_of(silent).open() as block:
        np.testing.assert_array_equal(block(GRID), QUARTERS)
    assert [params["resultOffset"] for _, params in server.asked] == ["0", "2", "4"]


@pytest.mark.parametrize(("body", "reason"), [
    (b'{"error": {"code": 400, "message": "Invalid query"}}', "refuses .Invalid query"),
    (b"<html>busy</html>", "a web page"),
    (b'{"features": 3}', "without polygons"),
    (b"{", "broken JSON"),
])  # fmt: skip
def test_errors_that_an_arcgis_server_sends_as_200_are_errors(body, reason):
    with pytest.raises(ValueError, match=reason):
        usable(body)


def test_the_tables_are_whole():
    """44 classes of CORINE, 11 of WorldCover, 9 of Dynamic World; every alias leads to a class."""
    assert [len([c for c in one.classes if c.kind != "no data"]) for one in (CORINE, WORLDCOVER, DYNAMIC)] == [
        45,
        11,
        9,
    ]
    for legend in LEGENDS.values():
        codes = [item.code for item in legend.classes]
        assert len(set(codes)) == len(codes)
        assert set(legend.aliases.values()) <= set(codes)
        assert not set(legend.aliases) & set(codes)
    assert (CORINE.aliases[1], CORINE.aliases[44]) == (111, 523)
    kinds, codes = on_kinds(np.array([[10, 11]]), {10: GREEN})
    assert kinds.tolist() == [[GREEN, UNKNOWN]]
    assert codes == {10, 11}


@pytest.mark.parametrize(
    ("key", "codes", "pixel_m", "name", "other"),
    [
        ("corine", {1, 3, 10}, 10, "map.tif", "CLCplus Backbone"),
        ("corine", {1, 2, 3, 5, 6, 7, 9, 10, 255}, 10, "map.tif", "CLCplus Backbone"),
        ("corine", {10, 20, 30, 40, 50}, 9, "map.tif", "ESA WorldCover 2021 v200"),
        ("corine", {1, 2, 4, 5, 7, 8, 11}, 10, "map.tif", "CLCplus Backbone or Esri's 10 m land cover"),
        ("corine", {0, 1, 2, 6}, 10, "map.tif", "Dynamic World V1"),
        ("corine", {1, 2, 3, 10, 11, 23, 40}, 10, "map.tif", None),  # its numbers on finer pixels: no other map has 23
        ("corine", {1, 2, 3, 10}, 100, "map.tif", None),
        ("corine", {1, 2, 3, 10}, 50, "map.tif", None),
        ("corine", {1, 2, 3, 10}, 49, "map.tif", "CLCplus Backbone"),
        ("corine", {111, 112, 511}, 10, "map.tif", None),
        ("corine", {0, 255}, 10, "map.tif", None),  # nothing but no data
        ("corine", {1, 2, 3, 10}, 100, "CLMS_CLCPLUS_RAS_S2023_R100m.tif", "CLCplus Backbone"),
        ("corine", {1, 2, 3}, 100, "U2018_CLC2018_V2020_20u1.tif", None),
        ("corine", {10, 20, 40}, 100, "ESA_WorldCover_10m_2021_v200_N45E009_Map.tif", "ESA WorldCover 2021 v200"),
        ("dynamic-world", {1, 2, 7}, 10, "map.tif", "Esri's 10 m land cover"),
        ("dynamic-world", {1, 2, 6, 7}, 10, "map.tif", None),
        ("dynamic-world", {0, 1, 2, 7}, 10, "map.tif", None),
        ("dynamic-world", {1, 2}, 10, "map.tif", None),
        ("clcplus", {1, 2, 3, 5, 6, 7, 10}, 10, "map.tif", None),
        ("clcplus", {1, 2, 5, 7, 8, 11}, 10, "map.tif", "Esri's 10 m land cover"),
        ("clcplus", {1, 5, 6, 10, 254}, 10, "map.tif", None),
        ("tree-cover", {0, 3, 50, 100, 255}, 10, "TCD_2023_010m_E44N26.tif", None),
        ("tree-cover", {1, 2, 3, 6, 9, 10}, 10, "map.tif", "a map of classes"),
        ("tree-cover", {0, 1, 2, 6, 7}, 10, "map.tif", "a map of classes"),
        ("tree-cover", {0, 12}, 10, "map.tif", None),
        ("imperviousness", {0, 40, 100}, 10, "TCD_2021.tif", "High Resolution Layer Tree Cover Density"),
        ("imperviousness", {0, 40, 100}, 10, "IMD_2021.tif", None),
        ("worldcover", {10, 50}, 10, "dynamicworld.tif", "Dynamic World V1"),
    ],
)
def test_a_map_is_not_taken_for_another_whose_codes_are_the_same(key, codes, pixel_m, name, other):
    assert other_map(LEGENDS[key], codes, pixel_m=pixel_m, file_name=name) == other


def classes_file(tmp_path, codes, *, name="map.tif", size=10.0):
    """A file over GRID, its pixels of ``size`` metres each one of ``codes`` in turn; and the code at each pixel of GRID."""
    columns, rows = round(500 / size), round(400 / size)
    values = np.array(codes, np.uint8)[np.arange(rows * columns).reshape(rows, columns) % len(codes)]
    write(
        tmp_path / name, values, crs="EPSG:32632", transform=Affine(size, 0, 680_000, 0, -size, 5_150_400), nodata=255
    )
    y, x = (np.indices(GRID.shape) * 10 / size).astype(int)
    return str(tmp_path / name), values[y, x]


def test_clcplus_given_as_corine_is_refused_and_read_as_itself(tmp_path):
    path, codes = classes_file(tmp_path, [1, 3, 10, 6, 7, 9, 255])
    with pytest.raises(ImageError, match=r"map\.tif: is rather CLCplus Backbone than CORINE .*10 m"):
        read(CORINE, path)
    expected = np.select([np.isin(codes, (3, 6, 7)), codes == 10, codes == 255], [GREEN, WATER, UNKNOWN], NOT_GREEN)
    np.testing.assert_array_equal(read(LEGENDS["clcplus"], path), expected)
    np.testing.assert_array_equal(
        read(LEGENDS["clcplus"], path, cropland="left-out"), np.where(codes == 7, UNKNOWN, expected)
    )


@pytest.mark.parametrize(
    ("key", "below", "above"), [("tree-cover", NOT_GREEN, GREEN), ("imperviousness", GREEN, NOT_GREEN)]
)
def test_layers_of_per_cent_are_parted_at_one_half(tmp_path, key, below, above):
    path, codes = classes_file(tmp_path, [0, 49, 50, 100, 254, 255])
    expected = np.select([codes >= 254, codes >= 50], [UNKNOWN, above], below)
    np.testing.assert_array_equal(read(LEGENDS[key], path), expected)


def test_what_a_file_is_is_told_from_all_its_blocks(tmp_path):
    """A block of CORINE's numbers on 10 m pixels may look like CLCplus Backbone; the whole city decides."""
    path, _ = classes_file(tmp_path, [1, 2, 3, 2, 1, 2, 3, 23])
    with raster_map(INFO, CORINE, hrefs=[path], read=map_reader(), cropland="green").open() as block:
        for row in range(0, 40, 10):
            assert (block(GRID[row : row + 10, :7]) == NOT_GREEN).any()
    with (
        pytest.raises(ImageError, match="CLCplus"),
        raster_map(INFO, CORINE, hrefs=[path], read=map_reader(), cropland="green").open() as block,
    ):
        block(GRID[:1, :7])  # only 1, 2, 3 there


def test_where_tiles_overlap_the_first_that_knows_a_pixel_decides(tmp_path):
    first, codes = classes_file(tmp_path, [10, 50, 0], name="first.tif")
    second, others = classes_file(tmp_path, [50, 10, 80, 10], name="second.tif")
    kinds = {10: GREEN, 50: NOT_GREEN, 80: WATER, 0: UNKNOWN}
    expected = np.vectorize(kinds.get)(np.where(codes == 0, others, codes))
    np.testing.assert_array_equal(read(WORLDCOVER, first, second), expected)
