"""Tiles decoded past GDAL: whatever the file, the numbers are GDAL's."""

import zlib
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.windows import Window as RasterioWindow

from howgreen.core.errors import ImageError
from howgreen.core.grid import Window
from howgreen.core.types import Asset
from howgreen.imagery.read._decode import Tiles, tiles_of
from howgreen.imagery.read.opener import Image, open_image, opened

PLACE = {"crs": "EPSG:32632", "transform": Affine(10, 0, 600_000, 0, -10, 5_200_000)}


def written(path: Path, *, shape=(70, 90), dtype="uint16", count=1, **options) -> np.ndarray:
    """A tiled file of noise over the whole range of its type; (y, x) of its first band."""
    info = np.iinfo(dtype) if np.dtype(dtype).kind in "iu" else np.iinfo("uint16")
    values = np.random.default_rng(3).integers(info.min, info.max, (count, *shape), endpoint=True).astype(dtype)
    profile = {"tiled": True, "blockxsize": 32, "blockysize": 16, "compress": "deflate", "predictor": 2} | options
    with rasterio.open(path, "w", driver="GTiff", count=count, dtype=dtype, height=shape[0], width=shape[1], **PLACE, **profile) as file:  # fmt: skip
        file.write(values)
    return values[0]


class OnlyTags:
    """A dataset that says where its tiles lie and refuses to read pixels."""

    def __init__(self, dataset):
        self._dataset = dataset

    def __getattr__(self, name):
        if name == "read":
            raise AssertionError("GDAL was asked for pixels")
        return getattr(self._dataset, name)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 80), st.integers(1, 80)),
    st.sampled_from(
        [(dtype, n) for dtype in ("uint8", "int16", "uint16") for n in (1, 2)] + [("float32", 1), ("float32", 3)]
    ),
    st.data(),
)
def test_any_window_of_the_common_kind_is_read_without_gdal(tmp_path_factory, shape, kind, data):
    dtype, predictor = kind
    path = tmp_path_factory.mktemp("tiles") / "image.tif"
    values = written(path, shape=shape, dtype=dtype, predictor=predictor)
    top, left = data.draw(st.integers(0, shape[0] - 1)), data.draw(st.integers(0, shape[1] - 1))
    bottom, right = data.draw(st.integers(top + 1, shape[0])), data.draw(st.integers(left + 1, shape[1]))
    with rasterio.open(path) as dataset:
        image = Image(dataset=OnlyTags(dataset), tiles=tiles_of(dataset, path))
        found = image.read(1, Window(top=top, bottom=bottom, left=left, right=right))
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, values[top:bottom, left:right])


@pytest.mark.parametrize(
    ("dtype", "count", "options"),
    [
        ("uint16", 1, {"endianness": "big"}),
        ("uint16", 1, {"nbits": 12, "predictor": 1}),
        ("uint16", 2, {"interleave": "pixel"}),
        ("uint16", 2, {"interleave": "band"}),
        ("uint16", 1, {"compress": "lzw"}),
        ("uint16", 1, {"compress": "zstd"}),
        ("uint16", 1, {"compress": "none", "predictor": 1}),
        ("float64", 1, {"predictor": 3}),
        ("float32", 1, {"predictor": 2}),
        ("int32", 1, {}),
        ("uint32", 1, {"predictor": 2}),
        ("uint16", 1, {"tiled": False, "blockxsize": 90, "blockysize": 32}),
        ("uint16", 1, {"bigtiff": "yes"}),
        ("uint16", 1, {"blockxsize": 2048, "blockysize": 2048}),
        ("uint8", 1, {"photometric": "palette"}),
        ("uint8", 1, {"photometric": "minisblack", "nbits": 1, "predictor": 1}),
    ],
)
def test_every_other_kind_has_the_numbers_that_gdal_reads(tmp_path, dtype, count, options):
    path = tmp_path / "image.tif"
    written(path, dtype=dtype, count=count, **options)
    image = open_image(str(path))
    for index in range(1, count + 1):
        found = image.read(index, Window(top=3, bottom=70, left=5, right=90))
        with rasterio.open(path) as dataset:
            expected = dataset.read(index, window=RasterioWindow.from_slices((3, 70), (5, 90)))
        np.testing.assert_array_equal(found, expected)
    image.dataset.close()


def test_overviews_come_from_their_own_tiles(tmp_path):
    path = tmp_path / "cog.tif"
    values = np.random.default_rng(5).integers(0, 65536, (1300, 1200)).astype(np.uint16)
    with rasterio.open(
        path, "w", driver="COG", count=1, dtype="uint16", height=1300, width=1200, blocksize=256, compress="deflate",
        predictor="yes", **PLACE,
    ) as file:  # fmt: skip
        file.write(values, 1)
    for overview in (None, 0, 1):
        image = open_image(str(path), overview=overview)
        height, width = image.dataset.shape
        found = image.read(1, Window(top=7, bottom=height, left=0, right=width - 3))
        np.testing.assert_array_equal(found, image.dataset.read(1)[7:, : width - 3])
        assert image.tiles is not None
        assert image.tiles.read(
            image.dataset, Window(top=0, bottom=height, left=0, right=width), np.empty((height, width), np.uint16)
        )
        image.dataset.close()


def test_tiles_that_are_not_in_the_file_are_left_to_gdal(tmp_path):
    path = tmp_path / "sparse.tif"
    profile = {"tiled": True, "blockxsize": 32, "blockysize": 32, "compress": "deflate", "sparse_ok": True, "nodata": 7}
    with rasterio.open(path, "w", driver="GTiff", count=1, dtype="uint16", height=64, width=64, **PLACE, **profile) as file:  # fmt: skip
        file.write(np.full((32, 32), 9, np.uint16), 1, window=RasterioWindow(0, 0, 32, 32))
    image = open_image(str(path))
    found = image.read(1, Window(top=0, bottom=64, left=0, right=64))
    assert found[:32, :32].min() == 9
    assert set(np.unique(found[32:])) == {7}
    image.dataset.close()


def spoiled(path: Path, change) -> None:
    """One tile's bytes exchanged, in place."""
    with rasterio.open(path) as dataset:
        first, size = (int(dataset.get_tag_item(f"BLOCK_{what}_1_1", "TIFF", bidx=1)) for what in ("OFFSET", "SIZE"))
    content = bytearray(path.read_bytes())
    new = change(bytes(content[first : first + size]))
    assert len(new) <= size
    content[first : first + len(new)] = new
    path.write_bytes(content)


@pytest.mark.parametrize(
    "change",
    [
        lambda old: bytes(len(old)),
        lambda old: old[:40] + bytes([old[40] ^ 255]) + old[41:],
        lambda old: old[:-1] + bytes([old[-1] ^ 1]),
        lambda old: zlib.compress(b"too short"),
        lambda old: zlib.compress(bytes(16 * 32 * 16)),
    ],
)
@pytest.mark.parametrize(("dtype", "predictor"), [("uint16", 2), ("float32", 1), ("float32", 3)])
def test_an_altered_tile_is_an_error_that_names_the_file(tmp_path, change, dtype, predictor):
    path = tmp_path / "altered.tif"
    written(path, dtype=dtype, predictor=predictor)
    spoiled(path, change)
    asset = Asset(band="red", href=str(path))
    with pytest.raises(ImageError, match=r"altered\.tif: band red cannot be read"), opened(asset) as image:
        image.read(1, Window(top=0, bottom=70, left=0, right=90))


def test_a_truncated_file_is_an_error_that_names_it(tmp_path):
    path = tmp_path / "short.tif"
    written(path)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(ImageError, match=r"short\.tif"), opened(Asset(band="red", href=str(path))) as image:
        image.read(1, Window(top=0, bottom=70, left=0, right=90))


def test_room_of_another_type_or_size_is_not_written_to(tmp_path):
    path = tmp_path / "image.tif"
    written(path)
    with rasterio.open(path) as dataset:
        tiles = tiles_of(dataset, path)
        assert isinstance(tiles, Tiles)
        for room in (np.zeros((4, 4), np.int16), np.zeros((4, 5), np.uint16)):
            assert not tiles.read(dataset, Window(top=0, bottom=4, left=0, right=4), room)
            assert not room.any()
        assert not tiles.read(
            dataset, Window(top=68, bottom=72, left=0, right=4), np.zeros((4, 4), np.uint16)
        )  # beyond the image
