"""Mask files of GDAL's beside images (``FILE.tif.msk``): what they hide is no ground, on the web as on this computer."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling

from far import FRAME, SIDE, TILE, WHOLE, local, red
from faults import Faults
from howgreen.core.errors import ImageError, NetworkError
from howgreen.core.grid import Window
from howgreen.core.types import Asset
from howgreen.imagery.read import windows
from howgreen.imagery.read._coarse import read_coarse, read_means
from howgreen.imagery.read._prefetch import Prefetch
from howgreen.imagery.read._resample import read_band
from howgreen.imagery.read.opener import GDAL_OPTIONS, Files, mask_doubts, shared_files
from howgreen.net import _ranges, endpoints, sparse_file

HIDDEN = 64_000
"""What hidden pixels hold: no reflectance, so that none may pass."""
SHOWN = np.ones((SIDE, SIDE), bool)
SHOWN[:, :130] = False
SHOWN[300:340, 200:260] = False
SHOWN[::9, ::7] = False
COARSE = GeoBox((64, 64), Affine(80, 0, 600_000, 0, -80, 5_200_000), "EPSG:32632")
ACROSS = GeoBox((60, 60), Affine(85, 0, 600_013, 0, -85, 5_199_981), "EPSG:32632")


def write(path, *, count=1, shown=SHOWN, beside=True, overviews=False, **profile):
    """An image without a nodata value, and what hides parts of it."""
    values = np.random.default_rng(3).integers(300, 900, (count, SIDE, SIDE)).astype(np.uint16)
    if shown is not None:
        values[:, ~shown] = HIDDEN
    options = {
        "crs": "EPSG:32632",
        "transform": FRAME.affine,
        "tiled": True,
        "blockxsize": TILE,
        "blockysize": TILE,
        "compress": "deflate",
    }
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=not beside):
        with rasterio.open(
            path, "w", driver="GTiff", width=SIDE, height=SIDE, count=count, dtype="uint16", **options | profile
        ) as out:
            out.write(values)
        with rasterio.open(path, "r+") as out:
            if overviews:
                out.build_overviews([2, 4], Resampling.nearest)
            if shown is not None:
                out.write_mask(shown)
    return path


@pytest.fixture
def world(tmp_path):
    with Faults(tmp_path) as far:
        yield far


def numbers(asset, **how):
    """A band as it is read: hidden pixels and such beyond the file are -1."""
    values, none = read_band(asset, grid=FRAME, window=how.pop("window", WHOLE), nodata=how.pop("nodata", None), **how)
    return values if none is None else np.where(none, -1, values.astype(int))


def masks(far):
    """Requests for mask files."""
    return [line for line in far.count()["lines"] if ".msk" in line]


@pytest.mark.parametrize("nodata", [None, 0])
@pytest.mark.parametrize("count", [1, 3])
def test_a_mask_beside_hides_what_a_mask_inside_does(world, count, nodata):
    write(world.root / "beside.tif", count=count)
    write(world.root / "inside.tif", count=count, beside=False)
    window = Window(top=33, bottom=400, left=70, right=350)
    for index in range(1, count + 1):
        far, inside = (Asset(band="red", index=index, href=f"{where}/{name}.tif")
                       for where, name in ((world.url, "beside"), (world.root, "inside")))  # fmt: skip
        got = numbers(far, nodata=nodata)
        np.testing.assert_array_equal(got, numbers(inside, nodata=nodata))
        np.testing.assert_array_equal(got == -1, ~SHOWN)
        with rasterio.Env(**GDAL_OPTIONS):  # GDAL itself looks for no mask file then
            np.testing.assert_array_equal(numbers(local(far, world), nodata=nodata), got)
        np.testing.assert_array_equal(numbers(far, nodata=nodata, window=window), got[window.slices])
    assert (world.root / "beside.tif.msk").exists()


@pytest.mark.parametrize("overviews", [False, True])
@pytest.mark.parametrize("frame", [COARSE, ACROSS], ids=["aligned", "across"])
def test_coarse_looks_leave_out_what_is_hidden(world, frame, overviews):
    write(world.root / "image.tif", overviews=overviews)
    far = red(world, "image.tif")
    for asset in (far, local(far, world)):
        means = read_means(asset, frame, nodata=None)
        nearest = read_coarse(asset, frame, nodata=0)
        assert np.nanmax(means) < 1000
        assert nearest.max() < 1000
        assert np.isnan(means)[:, :14].all()
        assert (nearest[:, :14] == 0).all()
        assert np.isfinite(means[5:30, 20:50]).all()
        assert (nearest[5:30, 20:50] > 0).mean() > (0.6 if overviews else 0.9)
        assert np.nanmean(means) == pytest.approx(600, abs=8)
    if frame is COARSE and not overviews:
        with rasterio.open(world.root / "image.tif") as image:
            blocks = np.where(SHOWN, image.read(1), 0)[:240, 200:].reshape(30, 8, -1, 8).sum(axis=(1, 3))
        exact = blocks / SHOWN[:240, 200:].reshape(30, 8, -1, 8).sum(axis=(1, 3))
        np.testing.assert_allclose(means[:30, 25:], exact, rtol=0.02)


@pytest.mark.parametrize("fourth", ["alpha", "near-infrared"])
@pytest.mark.parametrize("compress", ["none", "deflate"])
@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_a_band_that_gdal_calls_alpha_is_read_on_the_web_as_from_disk(world, interleave, compress, fourth):
    """Of a file on the web, what was not fetched is a hole: to look there for an alpha band made zeros of all its pixels."""
    values = np.random.default_rng(3).integers(300, 900, (4, SIDE, SIDE)).astype(np.uint16)
    if fourth == "alpha":
        values[:3, ~SHOWN] = HIDDEN
        values[3] = np.where(SHOWN, 65535, 0)
    with rasterio.open(
        world.root / "four.tif", "w", driver="GTiff", width=SIDE, height=SIDE, count=4, dtype="uint16", crs="EPSG:32632",
        transform=FRAME.affine, tiled=True, blockxsize=TILE, blockysize=TILE, compress=compress, interleave=interleave,
        photometric="RGB", alpha="yes",
    ) as out:  # fmt: skip
        out.write(values)
    far = replace(red(world, "four.tif"), index=2)
    expected = np.where(SHOWN | (fourth != "alpha"), values[1].astype(int), -1)
    for asset in (far, local(far, world)):
        np.testing.assert_array_equal(numbers(asset), expected)
        means = read_means(asset, COARSE, nodata=None)
        blocks = np.where(expected > 0, values[1], np.nan)[:240, 200:].reshape(30, 8, -1, 8)
        np.testing.assert_allclose(means[:30, 25:], np.nanmean(blocks, axis=(1, 3)), rtol=1e-3)
        assert np.isnan(means[:, :14]).all() == (fourth == "alpha")


@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_a_coarse_look_at_a_band_of_several_is_the_same_on_the_web(world, interleave):
    write(world.root / "three.tif", count=3, shown=None, interleave=interleave)
    far = replace(red(world, "three.tif"), index=2)
    np.testing.assert_allclose(
        read_means(far, COARSE, nodata=None), read_means(local(far, world), COARSE, nodata=None), atol=0.51
    )


def test_a_coarse_look_leaves_out_what_a_mask_inside_hides(world):
    write(world.root / "inside.tif", beside=False)
    for asset in (red(world, "inside.tif"), local(red(world, "inside.tif"), world)):
        means = read_means(asset, COARSE, nodata=None)
        assert np.isnan(means[:, :14]).all()
        assert np.nanmin(means) > 300


def test_each_file_is_asked_for_once_in_a_run_and_its_mask_comes_with_the_answer(world):
    write(world.root / "masked.tif", count=3)
    write(world.root / "plain.tif", shown=None)
    with shared_files():
        for name, bands in (("masked.tif", (1, 2, 3)), ("plain.tif", (1,))):
            for index in bands:
                for files in (Files(), Files()):
                    asset = replace(red(world, name), index=index)
                    numbers(asset, files=files)
                    read_means(asset, COARSE, nodata=None)
    assert masks(world) == [f"GET /{name}.msk bytes=0-16383" for name in ("masked.tif", "plain.tif")]


def test_nothing_is_asked_for_where_nothing_can_be_hidden(world, monkeypatch):
    write(world.root / "nodata.tif", nodata=0)
    write(world.root / "inside.tif", beside=False)
    write(world.root / "known.tif")
    for name in ("nodata.tif", "inside.tif"):
        numbers(red(world, name))
        read_means(red(world, name), COARSE, nodata=0)
    codes = replace(red(world, "known.tif"), band="scl")
    read_coarse(codes, COARSE, nodata=0)  # a mask of clouds is no ground
    monkeypatch.setattr(sparse_file, "WITHOUT_MASK_FILES", frozenset({"127.0.0.1"}))
    numbers(red(world, "known.tif"))
    assert masks(world) == []


def test_the_open_catalogues_files_are_known_to_have_none():
    assert {
        "sentinel-cogs.s3.us-west-2.amazonaws.com",
        "sentinel2l2a01.blob.core.windows.net",
    } <= endpoints.WITHOUT_MASK_FILES
    assert not any("/" in host or host != host.lower() for host in endpoints.WITHOUT_MASK_FILES)


@pytest.mark.parametrize("status", [401, 403, 404, 405, 410])
def test_a_server_that_refuses_has_none(world, status):
    write(world.root / "image.tif")
    world.fail("status", match=".msk", status=status)
    with shared_files():
        assert (numbers(red(world, "image.tif"))[~SHOWN] == HIDDEN).all()
        assert mask_doubts([red(world, "image.tif")]) == set()
    assert len(masks(world)) == 1


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"<!doctype html><html><title>Welcome</title></html>", "a web page instead of data ('Welcome'"),
        (b"no such key", "something that is no TIFF file"),
        (None, "a TIFF file that is no mask of GDAL's"),
    ],
    ids=["page", "text", "image"],
)
def test_what_is_no_mask_hides_nothing_and_is_told(world, content, told):
    path = write(world.root / "image.tif")
    if content is None:
        shutil.copy(path, f"{path}.msk")
    else:
        (world.root / "image.tif.msk").write_bytes(content)
    with shared_files():
        asset = red(world, "image.tif")
        assert (numbers(asset)[~SHOWN] == HIDDEN).all()
        (doubt,) = mask_doubts([asset, replace(asset, href="/here.tif")])
    assert doubt.startswith(f"127.0.0.1 answers with {told}")
    assert len(masks(world)) == 1 + (content is None)  # what may be a mask comes whole


@pytest.mark.parametrize("where", ["far", "here"])
@pytest.mark.parametrize(
    ("damage", "told"),
    [("shape", "has 512 x 400 pixels, the image 512 x 512"), ("cut", "cannot be read"), ("head", "cannot be read")],
)
def test_a_broken_mask_is_one_line_that_names_the_image(world, where, damage, told):
    path = write(world.root / "image.tif", shown=np.random.default_rng(1).random((SIDE, SIDE)) > 0.5)
    mask = path.with_name("image.tif.msk")
    whole = mask.read_bytes()
    if damage == "shape":
        other = write(world.root / "other.tif")
        profile = {"driver": "GTiff", "width": 400, "height": 512, "count": 1, "dtype": "uint16"}
        with (
            rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False),
            rasterio.open(other, "w", transform=FRAME.affine, **profile) as out,
        ):
            out.write_mask(np.zeros((512, 400), bool))
        shutil.copy(f"{other}.msk", mask)
    else:
        mask.write_bytes(whole[: 20_000 if damage == "cut" else 7])
    asset = red(world, "image.tif")
    asset = asset if where == "far" else local(asset, world)
    with pytest.raises(ImageError) as caught, rasterio.Env(**GDAL_OPTIONS):
        numbers(asset)
    text = str(caught.value)
    assert text.startswith(f"{asset.href}: the mask file beside it (.msk) ")
    assert told in text
    assert text.count("\n") == 0


def test_a_mask_that_is_too_large_is_refused_before_it_comes(world, monkeypatch):
    write(world.root / "image.tif", shown=np.random.default_rng(1).random((SIDE, SIDE)) > 0.5)
    size = (world.root / "image.tif.msk").stat().st_size
    monkeypatch.setattr(sparse_file, "LARGEST_MASK_BYTES", size)
    numbers(red(world, "image.tif"))
    monkeypatch.setattr(sparse_file, "LARGEST_MASK_BYTES", size - 1)
    world.heal()
    with pytest.raises(ImageError, match="the mask file beside it has 0 MiB, more than the 0 that are taken"):
        numbers(red(world, "image.tif"))
    assert len(masks(world)) == 1


def test_what_a_busy_server_does_not_say_is_an_error(world, monkeypatch):
    monkeypatch.setattr(_ranges, "POLICY", replace(_ranges.POLICY, tries=2, first_wait_s=0.01))
    write(world.root / "image.tif")
    world.fail("status", match=".msk", status=503)
    with pytest.raises(NetworkError, match=r"image\.tif\.msk: is out of order \(HTTP 503\)"):
        numbers(red(world, "image.tif"))
    world.heal()
    world.fail("status", match=".msk", status=503, times=1)
    assert (numbers(red(world, "image.tif"))[~SHOWN] == -1).all()


def test_a_signed_address_keeps_its_signature(world):
    write(world.root / "image.tif")
    world.fail("token", token="sig=a%2Bb")
    assert (numbers(red(world, "image.tif?se=2026&sig=a%2Bb"))[~SHOWN] == -1).all()
    assert masks(world) == ["GET /image.tif.msk?se=2026&sig=a%2Bb bytes=0-16383"]


def test_blocks_ahead_ask_for_all_masks_at_once(world):
    names = [f"image{n}.tif" for n in range(6)]
    for name in names:
        write(world.root / name)
    files, half = Files(), Window(top=0, bottom=256, left=0, right=SIDE)
    assets = [red(world, name) for name in names]
    world.fail("slow", match=".msk", seconds=0.3)
    ahead = Prefetch([(half, [(asset, half) for asset in assets])], grid=FRAME, files=files)
    ahead.wait(half)
    found = [files._remote(asset).mask() for asset in assets]
    done = [one.result(timeout=1.0) for one in found]
    assert all(done)
    assert len(masks(world)) == len(names)


def test_what_is_kept_of_an_image_keeps_what_is_hidden(world):
    write(world.root / "image.tif")
    write(world.root / "inside.tif", beside=False)
    for name in ("image.tif", "inside.tif"):
        asset, files = red(world, name), Files()
        for nodata, expected in ((None, 0), (7, 7)):
            assert windows.nodata_of(asset, nodata, files=files) == expected
            values, _ = windows.read_window(asset, WHOLE, nodata=nodata, files=files)
            np.testing.assert_array_equal(values == expected, ~SHOWN)


def test_a_file_with_a_mask_inside_comes_once(world):
    path = write(world.root / "inside.tif", beside=False)
    numbers(red(world, "inside.tif"))
    assert world.count()["bytes"] <= 1.2 * path.stat().st_size + sparse_file.HEAD_BYTES


def test_a_file_with_a_mask_inside_that_is_too_large_does_not_come(world, monkeypatch):
    path = write(world.root / "inside.tif", beside=False)
    monkeypatch.setattr(sparse_file, "LARGEST_WHOLE_BYTES", path.stat().st_size - 1)
    with pytest.raises(ImageError, match="an image with a mask inside of 0 GiB, which would have to come whole"):
        numbers(red(world, "inside.tif"))
    assert world.count()["bytes"] <= 4 * sparse_file.HEAD_BYTES
