"""Pixels that know their place: a value is its own position, so any read can be checked by value."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.warp import Resampling, reproject
from scipy.ndimage import map_coordinates

from howgreen.core.errors import ImageError
from howgreen.core.grid import Window
from howgreen.core.types import Asset
from howgreen.imagery.read import _resample, opener
from howgreen.imagery.read._resample import read_codes, tile_grid
from howgreen.imagery.read.opener import Files, opened

UTM = "EPSG:32632"
WEST, NORTH = 600_000.0, 5_200_000.0


def read_band(asset, **options):
    """As the real one, with the pixels that are missing nowhere spelt out."""
    values, none = _resample.read_band(asset, **options)
    return values, np.zeros(values.shape, bool) if none is None else none


def places(height, width):
    """1 + 100 * row + column."""
    return (1 + 100 * np.arange(height)[:, None] + np.arange(width)).astype(np.uint16)


def grid_at(row, column, height, width, resolution=10.0, crs=UTM):
    """A grid whose first pixel is at (row, column) of a raster that begins at WEST, NORTH."""
    return GeoBox(
        (height, width),
        Affine(resolution, 0, WEST + resolution * column, 0, -resolution, NORTH - resolution * row),
        crs,
    )


@pytest.fixture
def made_once():
    """Scenes that the examples of one property share."""
    return {}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    k=st.sampled_from([1, 2, 3, 6]), row=st.integers(-40, 60), column=st.integers(-40, 60), height=st.integers(1, 70),
    width=st.integers(1, 70), dtype=st.sampled_from(["uint8", "uint16", "float32"]),
)  # fmt: skip
def test_aligned_reads_are_the_files_own_pixels(make_scene, made_once, k, row, column, height, width, dtype):
    values = (places(40 // k + 1, 50 // k + 1) % 251).astype(dtype)
    values[1:3, 1:3] = 0
    if (k, dtype) not in made_once:
        made_once[k, dtype] = make_scene({"red": values}, resolution=10.0 * k)
    scene = made_once[k, dtype]
    grid = grid_at(0, 0, 50, 60)
    window = Window(top=row, bottom=row + height, left=column, right=column + width)
    got, none = read_band(scene.assets[0], grid=grid, window=window, nodata=0)
    canvas = np.zeros((260, 260), dtype)
    whole = values.repeat(k, axis=0).repeat(k, axis=1)
    canvas[100 : 100 + whole.shape[0], 100 : 100 + whole.shape[1]] = whole
    expected = canvas[100 + row : 100 + row + height, 100 + column : 100 + column + width]
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(none, expected == 0)


def test_without_a_nodata_value_zero_is_data_and_outside_is_missing(make_scene):
    scene = make_scene({"red": np.zeros((10, 10), np.uint16)})
    _, none = read_band(
        scene.assets[0], grid=grid_at(0, 0, 10, 10), window=Window(top=-2, bottom=5, left=3, right=12), nodata=None
    )
    expected = np.zeros((7, 9), bool)
    expected[:2] = True
    expected[:, 7:] = True
    np.testing.assert_array_equal(none, expected)


def test_nan_is_missing(make_scene):
    values = np.ones((4, 4), np.float32)
    values[1, 2] = np.nan
    scene = make_scene({"red": values})
    _, none = read_band(
        scene.assets[0], grid=grid_at(0, 0, 4, 4), window=Window(top=0, bottom=4, left=0, right=4), nodata=None
    )
    np.testing.assert_array_equal(none, np.isnan(values))


def test_codes_of_a_20_m_mask_outside_it_and_as_floats(make_scene):
    table = np.arange(65536, dtype=np.uint16).astype(np.uint8)
    for dtype in ("uint8", "uint16", "int16", "float32"):
        scene = make_scene({"scl": np.array([[4, 9], [3, 6]], dtype)}, resolution=20)
        window = Window(top=-1, bottom=5, left=0, right=4)
        got = read_codes(scene.assets[0], grid=grid_at(0, 0, 4, 4), window=window, fill=0, table=table)
        assert got.tolist() == [[0] * 4, [4, 4, 9, 9], [4, 4, 9, 9], [3, 3, 6, 6], [3, 3, 6, 6], [0] * 4]


def blocks(height, width, step):
    for top in range(0, height, step):
        for left in range(0, width, step):
            yield Window(top=top, bottom=min(top + step, height), left=left, right=min(left + step, width))


def assembled(asset, grid, step, nodata=0):
    values, none = np.zeros(grid.shape, np.float32), np.zeros(grid.shape, bool)
    for window in blocks(*grid.shape, step):
        at = np.s_[window.top : window.bottom, window.left : window.right]
        values[at], none[at] = read_band(asset, grid=grid, window=window, nodata=nodata)
    return values, none


@pytest.fixture
def foreign(make_scene):
    """A rough image with a hole, in lon, lat degrees, and a UTM grid that reaches beyond it."""
    rng = np.random.default_rng(1)
    values = rng.integers(200, 6000, (150, 170)).astype(np.uint16)
    values[60:75, 80:90] = 0
    lon, lat = Transformer.from_crs(UTM, "EPSG:4326", always_xy=True).transform(WEST, NORTH)
    scene = make_scene({"red": (values, (0.00014, 0.000095), lon, lat, "EPSG:4326")})
    return scene.assets[0], grid_at(-7, -9, 140, 155)


def test_interpolated_reads_are_exact(foreign):
    """Parity with scipy at positions that pyproj gives pixel by pixel."""
    asset, grid = foreign
    values, none = read_band(asset, grid=grid, window=Window(top=0, bottom=140, left=0, right=155), nodata=0)
    with rasterio.open(asset.href) as dataset:
        pixels, t = dataset.read(1), dataset.transform
    east = grid.affine.c + 10 * (np.arange(155) + 0.5)
    south = grid.affine.f - 10 * (np.arange(140) + 0.5)
    lon, lat = Transformer.from_crs(UTM, "EPSG:4326", always_xy=True).transform(*np.meshgrid(east, south))
    rows, columns = (lat - t.f) / t.e - 0.5, (lon - t.c) / t.a - 0.5
    expected = map_coordinates(pixels.astype(float), [rows, columns], order=1, mode="nearest")
    whole = map_coordinates((pixels > 0).astype(float), [rows, columns], order=1, mode="constant") == 1
    assert whole.mean() > 0.8
    assert not none[whole].any()
    # Positions in between the lattice's exact points are good to 0.0002 pixel, and a pixel is thousands apart here.
    assert np.abs(values - expected)[whole].max() < 2


@pytest.mark.parametrize(
    ("crs", "west"), [(UTM, 360.0), ("EPSG:32660", 0.0), ("EPSG:32660", -360.0)], ids=["0-360", "over-180", "from-180"]
)
def test_longitudes_are_counted_as_the_file_does(make_scene, crs, west):
    """Files from 0 to 360, and on across the antimeridian, where a projection says 179.9 and then -179.9."""
    grid = GeoBox((90, 90), Affine(10, 0, 600_000 if crs == UTM else 769_800, 0, -10, 4_000_000), crs)
    lon, lat = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(grid.affine.c, grid.affine.f)
    assert crs == UTM or 179.9 < lon % 360 < 180
    values = np.broadcast_to(1000 + 10 * np.arange(200, dtype=np.uint16), (150, 200))
    scene = make_scene({"red": (values, (1e-4, 1e-4), lon % 360 - 2e-3 + west, lat + 2e-3, "EPSG:4326")})
    got, none = read_band(scene.assets[0], grid=grid, window=Window(top=0, bottom=90, left=0, right=90), nodata=0)
    x, y = np.meshgrid(grid.affine.c + 10 * (np.arange(90) + 0.5), grid.affine.f - 10 * (np.arange(90) + 0.5))
    east = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)[0] % 360
    assert not none.any()
    assert np.abs(got - (1000 + 10 * ((east - lon % 360 + 2e-3) / 1e-4 - 0.5))).max() < 0.1


def test_interpolated_reads_are_gdals(foreign):
    asset, grid = foreign
    values, none = read_band(asset, grid=grid, window=Window(top=0, bottom=140, left=0, right=155), nodata=0)
    with rasterio.open(asset.href) as dataset:
        expected, _ = reproject(
            dataset.read(1).astype(np.float32), np.zeros(grid.shape, np.float32), src_transform=dataset.transform,
            src_crs=dataset.crs, src_nodata=0, dst_transform=grid.affine, dst_crs=UTM, dst_nodata=-1,
            resampling=Resampling.bilinear,
        )  # fmt: skip
    inside = ~none & (expected >= 0)
    assert inside.mean() > 0.8
    difference = np.abs(values - expected)[inside]
    # GDAL takes positions linear over the whole block: 0.005 pixel off here, on slopes of thousands a pixel.
    assert difference.max() < 40
    assert np.median(difference) < 5
    assert (none != (expected < 0)).mean() < 0.01  # rims of holes only


@pytest.mark.parametrize("step", [1, 7, 32, 50, 64])
def test_interpolated_reads_have_no_seam(foreign, step):
    asset, grid = foreign
    if step == 1:
        grid = grid_at(30, 30, 12, 12)
    whole = read_band(
        asset, grid=grid, window=Window(top=0, bottom=grid.shape[0], left=0, right=grid.shape[1]), nodata=0
    )
    for got, expected in zip(assembled(asset, grid, step), whole, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_nodata_does_not_bleed_into_interpolated_values(make_scene):
    values = np.full((40, 40), 5000, np.uint16)
    values[:, 20:] = 0
    scene = make_scene({"red": (values, 10.0, WEST + 3, NORTH - 4, UTM)})
    got, none = read_band(
        scene.assets[0], grid=grid_at(0, 0, 40, 40), window=Window(top=0, bottom=40, left=0, right=40), nodata=0
    )
    assert (got[~none] == 5000).all()
    assert none[:, 22:].all()


def test_a_plane_survives_the_way_from_the_next_utm_zone(make_scene):
    """Values are positions in metres; reading them back in another zone must give that zone's positions."""
    there = Transformer.from_crs(UTM, "EPSG:32631", always_xy=True)
    x0, y0 = there.transform(WEST, NORTH)
    x0, y0 = round(x0, -1) - 300, round(y0, -1) + 300
    columns = x0 + 10 * (np.arange(220) + 0.5)
    scene = make_scene({"red": (np.tile((columns - x0).astype(np.float32), (220, 1)), 10.0, x0, y0, "EPSG:32631")})
    grid = grid_at(0, 0, 100, 90)
    got, none = read_band(scene.assets[0], grid=grid, window=Window(top=0, bottom=100, left=0, right=90), nodata=None)
    x, y = np.meshgrid(WEST + 10 * (np.arange(90) + 0.5), NORTH - 10 * (np.arange(100) + 0.5))
    expected = there.transform(x, y)[0] - x0
    assert not none.any()
    np.testing.assert_allclose(got, expected, atol=0.02)


def test_a_finer_file_is_averaged(make_scene):
    rng = np.random.default_rng(2)
    values = rng.integers(100, 5000, (120, 120)).astype(np.uint16)
    values[30:33, 30:33] = 0
    scene = make_scene({"red": (values, 3.0, WEST, NORTH, UTM)})
    grid = grid_at(0, 0, 40, 40, resolution=9.0)
    whole = read_band(scene.assets[0], grid=grid, window=Window(top=0, bottom=40, left=0, right=40), nodata=0)
    expected = values.reshape(40, 3, 40, 3).mean(axis=(1, 3))
    at = ~whole[1]
    np.testing.assert_allclose(whole[0][at], expected[at], rtol=1e-5)
    np.testing.assert_array_equal(np.argwhere(~at), [[10, 10]])
    for got, one in zip(assembled(scene.assets[0], grid, 7), whole, strict=True):
        np.testing.assert_array_equal(got, one)


def test_far_away_is_missing(make_scene):
    scene = make_scene({"red": (places(20, 20), 0.0001, 170.0, -45.0, "EPSG:4326")})
    _, none = read_band(
        scene.assets[0], grid=grid_at(0, 0, 9, 9), window=Window(top=0, bottom=9, left=0, right=9), nodata=0
    )
    assert none.all()


def test_broken_files_are_named(tmp_path, make_scene):
    scene = make_scene({"red": places(300, 300)})
    with Path(scene.assets[0].href).open("r+b") as file:
        file.truncate(1500)
    window, grid = Window(top=0, bottom=300, left=0, right=300), grid_at(0, 0, 300, 300)
    with pytest.raises(ImageError, match=r"red\.tif.*store verify"):
        read_band(scene.assets[0], grid=grid, window=window, nodata=0)
    with pytest.raises(ImageError, match="nowhere"):
        read_band(Asset(band="red", href=str(tmp_path / "nowhere.tif")), grid=grid, window=window, nodata=0)
    good = make_scene({"red": places(3, 3)}).assets[0]
    with pytest.raises(ImageError, match="has 1 bands, not 4"):
        read_band(Asset(band="red", href=good.href, index=4), grid=grid, window=window, nodata=0)


@pytest.mark.parametrize(
    ("dtype", "placed", "cure"),
    [("complex64", {"crs": UTM, "transform": Affine(10, 0, WEST, 0, -10, NORTH)}, "complex numbers"),
     ("uint16", {"crs": UTM, "gcps": [rasterio.control.GroundControlPoint(n, n * n, WEST + n, NORTH) for n in range(4)]}, "gdalwarp")],
)  # fmt: skip
def test_what_cannot_be_read_as_it_is_says_why(tmp_path, dtype, placed, cure):
    path = tmp_path / "image.tif"
    with rasterio.open(path, "w", driver="GTiff", height=8, width=8, count=1, dtype=dtype, **placed) as file:
        file.write(np.ones((8, 8), dtype), 1)
    with pytest.raises(ImageError, match=cure), opened(Asset(band="red", href=str(path))):
        pass


@pytest.mark.parametrize("count", [1, 3])
def test_tiles_that_unpack_to_gigabytes_are_refused_before_they_are_read(tmp_path, monkeypatch, count):
    path = tmp_path / "image.tif"
    with rasterio.open(path, "w", driver="GTiff", height=256, width=256, count=count, dtype="uint16", crs=UTM, tiled=True,
                       blockxsize=256, blockysize=256, compress="deflate", interleave="pixel",
                       transform=Affine(10, 0, WEST, 0, -10, NORTH)) as file:  # fmt: skip
        file.write(np.zeros((count, 256, 256), np.uint16))
    asset = Asset(band="red", href=str(path))
    monkeypatch.setattr(opener, "MOST_TILE_BYTES", count * 256 * 256 * 2)
    with opened(asset) as image:
        assert image.dataset.count == count
    monkeypatch.setattr(opener, "MOST_TILE_BYTES", count * 256 * 256 * 2 - 1)
    with pytest.raises(ImageError, match=r"its tiles unpack to .* GiB each, more than"), opened(asset):
        pass


def test_no_crs_is_an_error(tmp_path):
    path = tmp_path / "lost.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=4, width=4, count=1, dtype="uint8", transform=Affine(1, 0, 0, 0, -1, 4)
    ) as out:
        out.write(np.ones((4, 4), "uint8"), 1)
    with pytest.raises(ImageError, match="coordinate system"):
        tile_grid(Asset(band="red", href=str(path)), grid=grid_at(0, 0, 4, 4))


def test_where_tiles_begin(make_scene):
    scene = make_scene({"red": places(20, 20)})
    assert tile_grid(scene.assets[0], grid=grid_at(5, -3, 9, 9)) == (-5, 3)
    assert tile_grid(scene.assets[0], grid=grid_at(0, 0, 9, 9, crs="EPSG:32631")) is None


def test_files_stay_open_between_blocks_unless_reading_failed(make_scene):
    asset, grid = make_scene({"red": places(8, 8)}).assets[0], grid_at(0, 0, 8, 8)
    files = Files()
    with files.open(asset) as first, files.open(asset) as meanwhile:
        assert meanwhile is not first
    with files.open(asset) as again:
        assert again is first or again is meanwhile
    with pytest.raises(ZeroDivisionError), files.open(asset) as failed:
        _ = 1 // 0
    assert failed.dataset.closed
    assert isinstance(pickle.loads(pickle.dumps(files)), Files)
    read_band(asset, grid=grid, window=Window(top=0, bottom=8, left=0, right=8), nodata=0, files=files)


def test_no_more_files_stay_open_than_systems_allow(make_scene):
    files = Files()
    files.most_idle = 2
    assets = [make_scene({"red": places(4, 4)}).assets[0] for _ in range(5)]
    datasets = []
    for asset in assets:
        with files.open(asset) as image:
            datasets.append(image.dataset)
    assert [d.closed for d in datasets] == [False, False, True, True, True]


@pytest.mark.parametrize(
    "href", ["/vsicurl/http://127.0.0.1:9/x.tif", "s3://a/b.tif", "PG:host=127.0.0.1", "x.tif", ""]
)
def test_only_plain_files_and_web_addresses_are_opened(href):
    with (
        pytest.raises(ImageError, match="neither an absolute path nor a web address"),
        opened(Asset(band="red", href=href)),
    ):
        pass


def test_a_file_that_leads_to_others_is_not_followed(tmp_path):
    target = tmp_path / "target.tif"
    with rasterio.open(target, "w", driver="GTiff", width=2, height=2, count=1, dtype="uint8", crs="EPSG:32632",
                       transform=Affine(10, 0, 0, 0, -10, 0)):  # fmt: skip
        pass
    link = tmp_path / "red.tif"
    link.write_text(
        '<VRTDataset rasterXSize="2" rasterYSize="2"><GeoTransform>0,10,0,0,0,-10</GeoTransform><VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
        f"<SourceFilename>{target}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    with pytest.raises(ImageError, match="a VRT file"), opened(Asset(band="red", href=str(link))):
        pass


@pytest.mark.parametrize(("off_px", "aligned"), [(0.0, True), (0.0009, True), (0.0011, False), (0.3, False)])
def test_a_thousandth_of_a_pixel_off_is_not_aligned(make_scene, off_px, aligned):
    """A file that lies a little beside the grid: copied as it is, or interpolated to where it lies."""
    scene = make_scene({"red": places(20, 20)}, west=WEST + 10 * off_px)
    values, _ = read_band(
        scene.assets[0], grid=grid_at(0, 0, 10, 10), window=Window(top=2, bottom=8, left=2, right=8), nodata=0
    )
    assert (values.dtype == np.uint16) == aligned
    np.testing.assert_allclose(values, places(20, 20)[2:8, 2:8] - (0 if aligned else off_px), atol=1e-3)


@pytest.mark.parametrize(("pixel_m", "factor"), [(11.0, 1), (6.0, 1), (5.2, 2), (5.0, 2), (3.1, 3), (1.0, 10)])
def test_finer_files_are_averaged_by_the_nearest_whole_factor_below(pixel_m, factor):
    """From three quarters on it counts as the next one: 5.2 m on 10 m are 1.92."""
    transform = Affine(pixel_m, 0, WEST, 0, -pixel_m, NORTH)
    assert _resample.shrink(grid_at(0, 0, 40, 40), UTM, transform) == factor
