"""Reading over HTTP through a server with every fault: the right pixels or one clear error, never a poorer image."""

import gc
import pickle
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely import box

from faults import Faults
from howgreen.errors import ImageError, NetworkError
from howgreen.imagery import composite, ranges, remote, signing
from howgreen.imagery.ahead import foresee
from howgreen.imagery.finding import look, read_coarse
from howgreen.imagery.opening import Files, opened
from howgreen.imagery.source import Span, read_band
from howgreen.types import Asset, Scene

SIDE, TILE = 512, 128
FRAME = GeoBox((SIDE, SIDE), Affine(10, 0, 600_000, 0, -10, 5_200_000), "EPSG:32632")
WHOLE = Span(top=0, bottom=SIDE, left=0, right=SIDE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Noise, which no codec makes small: tiles lie far apart in the file."""
    folder = tmp_path_factory.mktemp("far")
    rng = np.random.default_rng(3)
    for number in range(2):
        for band, dtype, top in (("red", "uint16", 9000), ("nir", "uint16", 9000), ("scl", "uint8", 7)):
            side = SIDE // 2 if band == "scl" else SIDE
            cog(folder / f"{band}{number}.tif", rng.integers(4, top, (side, side)).astype(dtype), 10 * SIDE // side)
    values = rng.integers(1, 9000, (SIDE, SIDE)).astype(np.uint16)
    with rasterio.open(
        folder / "red.jp2", "w", driver="JP2OpenJPEG", width=SIDE, height=SIDE, count=1, dtype="uint16", crs="EPSG:32632",
        transform=FRAME.affine, quality=100, reversible="YES", blockxsize=128, blockysize=128,
    ) as out:  # fmt: skip
        out.write(values, 1)
    with rasterio.open(
        folder / "plain.tif", "w", driver="GTiff", width=SIDE, height=SIDE, count=1, dtype="uint16", crs="EPSG:32632",
        transform=FRAME.affine,
    ) as out:  # fmt: skip
        out.write(values, 1)
    return folder


def cog(path, values, resolution_m):
    with rasterio.open(
        path, "w", driver="COG", width=values.shape[1], height=values.shape[0], count=1, dtype=values.dtype,
        crs="EPSG:32632", transform=Affine(resolution_m, 0, 600_000, 0, -resolution_m, 5_200_000), blocksize=TILE,
        compress="deflate", resampling="nearest", nodata=0,
    ) as out:  # fmt: skip
        out.write(values, 1)


@pytest.fixture(scope="module")
def server(folder):
    with Faults(folder) as running:
        yield running


@pytest.fixture
def far(server, monkeypatch):
    server.heal()
    monkeypatch.setattr(ranges, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(ranges, "SILENT_S", 0.4)
    return server


def red(far, name="red0.tif", **options):
    return Asset(band="red", href=f"{far.url}/{name}", **options)


def read(asset, *, span=WHOLE, files=None):
    return read_band(asset, grid=FRAME, span=span, nodata=0, files=files)[0]


def local(asset, far):
    return replace(asset, href=asset.href.replace(far.url, str(far.root)), signer="")


def scene(folder, number=0):
    """A synthetic scene of the files in a folder, or below an address."""
    assets = tuple(Asset(band=band, href=f"{folder}/{band}{number}.tif") for band in ("red", "nir", "scl"))
    return Scene(
        id=f"scene-{number}", sensor="sentinel-2", time=datetime(2024, 6, 1 + number, 10, tzinfo=UTC),
        footprint=box(10, 46, 11, 47), assets=assets, scale=1e-4, offset=0.0, nodata=0, synthetic=True,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["red0.tif", "red.jp2", "plain.tif"])
def test_every_format_gives_the_same_pixels_as_from_disk(far, name):
    asset = red(far, name)
    np.testing.assert_array_equal(read(asset), read(local(asset, far)))
    inner = Span(top=100, bottom=300, left=50, right=180)
    np.testing.assert_array_equal(read(asset, span=inner), read(local(asset, far), span=inner))


@pytest.mark.parametrize("name", ["red0.tif", "plain.tif"])
@pytest.mark.parametrize("step", [37, 128])
def test_what_was_a_hole_when_its_neighbour_was_read_is_read_anew(far, name, step):
    """C's buffers keep what they once read: without whole blocks, neighbours would be zeros, and in the raw file silently."""
    files, asset = Files(), red(far, name)
    expected = read(local(asset, far))
    for top in range(0, SIDE, step):
        for left in range(0, SIDE, 128):
            span = Span(top=top, bottom=min(top + step, SIDE), left=left, right=left + 128)
            got = read(asset, span=span, files=files)
            np.testing.assert_array_equal(got, expected[span.top : span.bottom, span.left : span.right])


@pytest.fixture(scope="module")
def masked(folder):
    """Two interleaved raw bands with a mask inside the file."""
    values = np.random.default_rng(8).integers(1, 9000, (2, SIDE, SIDE)).astype(np.uint16)
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(folder / "masked.tif", "w", driver="GTiff", width=SIDE, height=SIDE, count=2, dtype="uint16",
                      crs="EPSG:32632", transform=FRAME.affine, tiled=True, blockxsize=128, blockysize=128) as out,
    ):  # fmt: skip
        out.write(values)
        out.write_mask(values[0] > 4000)
    return "masked.tif"


@pytest.mark.parametrize("name", ["masked.tif", "plain.tif", "red0.tif"])
def test_whoever_reads_the_dataset_reads_no_holes(far, masked, name):
    """Other stages take datasets and read windows of several bands, masks among them."""
    windows = (rasterio.windows.Window(5, 300, 200, 77), rasterio.windows.Window(120, 0, 300, 512), None)
    with opened(red(far, name)) as image, rasterio.open(far.root / name) as there:
        for window in windows:
            got, expected = (
                one.read(list(there.indexes), window=window, masked=True) for one in (image.dataset, there)
            )
            np.testing.assert_array_equal(got.data, expected.data)
            np.testing.assert_array_equal(np.ma.getmaskarray(got), np.ma.getmaskarray(expected))
        with pytest.raises(AttributeError, match="read a window"):
            image.dataset.read_masks(1)


PASSING = {
    "asked too often": {"kind": "status", "status": 429, "headers": {"Retry-After": "0"}, "times": 2},
    "asked too often, with a date": {
        "kind": "status", "status": 429, "headers": {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, "times": 1},
    "asked too often, unreadable": {"kind": "status", "status": 429, "headers": {"Retry-After": "soon"}, "times": 1},
    "a burst of 503": {"kind": "status", "status": 503, "times": 4},
    "500 now and then": {"kind": "status", "status": 500, "after": 1, "times": 2},
    "hangs once": {"kind": "hang", "seconds": 1.0, "times": 1},
    "hangs up once": {"kind": "refuse", "times": 2},
    "breaks off in the middle": {"kind": "drop", "times": 3},
    "hands out less": {"kind": "short", "times": 2},
    "hands out other bytes": {"kind": "shifted", "after": 1, "times": 0},
    "says no ETag": {"kind": "no etag"},
    "knows no ranges": {"kind": "whole"},
}  # fmt: skip


@pytest.mark.parametrize("trouble", sorted(PASSING))
def test_what_passes_gives_the_right_pixels(far, trouble):
    asset = red(far)
    far.fail(**PASSING[trouble])
    np.testing.assert_array_equal(read(asset), read(local(asset, far)))


LASTING = {
    "never in order": ({"kind": "status", "status": 503}, "is out of order (HTTP 503)"),
    "always asked too often": ({"kind": "status", "status": 429, "headers": {"Retry-After": "0"}}, "too often"),
    "hangs": ({"kind": "hang", "seconds": 1.0}, "in time"),
    "drips": ({"kind": "drip", "seconds": 0.05}, "too slowly"),
    "refuses": ({"kind": "refuse"}, "breaks the connection off"),
    "always breaks off": ({"kind": "drop"}, ""),
    "always hands out less": ({"kind": "short"}, "other bytes"),
    "gone": ({"kind": "status", "status": 404}, "no such page"),
    "forbidden": ({"kind": "status", "status": 403}, "refuses (HTTP 403)"),
    "gone later": ({"kind": "status", "status": 404, "after": 1}, "no such page"),
    "breaks off later": ({"kind": "drop", "after": 1}, ""),
    "hands out less later": ({"kind": "short", "after": 1}, "other bytes"),
    "changed ETag": ({"kind": "etag", "after": 1}, "has changed while it was read"),
    "changed size": ({"kind": "grown", "after": 1}, "has changed while it was read"),
    "another file": ({"kind": "shifted", "after": 1}, "has changed while it was read"),
}


@pytest.mark.parametrize("trouble", sorted(LASTING))
def test_what_lasts_is_one_clear_error_and_is_not_remembered(far, monkeypatch, trouble):
    monkeypatch.setattr(ranges, "TRIES", 3)
    asset = red(far)
    how, words = LASTING[trouble]
    far.fail(**how)
    with pytest.raises(NetworkError) as caught:
        read(asset)
    assert str(caught.value).startswith(f"{asset.href}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    far.heal()
    np.testing.assert_array_equal(read(asset), read(local(asset, far)))


@pytest.mark.parametrize("kind", ["status", "drop", "etag", "short"])
def test_no_fault_makes_a_poorer_picture(far, monkeypatch, kind):
    """A fault of any one request in the middle of a composite is an error of the whole."""
    monkeypatch.setattr(ranges, "TRIES", 2)
    lazy = composite([scene(far.url)], grid=FRAME, bands=("red", "nir"), block_px=TILE)
    far.fail(kind, match="nir", after=3, status=500)
    with pytest.raises(NetworkError, match="nir0"):
        lazy.data.compute(scheduler="threads")


def test_a_file_that_changes_on_the_server_is_noticed(tmp_path, monkeypatch):
    rng = np.random.default_rng(1)
    cog(tmp_path / "red.tif", rng.integers(1, 9000, (SIDE, SIDE)).astype(np.uint16), 10)
    with Faults(tmp_path) as far:
        files, asset = Files(), red(far, "red.tif")
        read(asset, span=Span(top=0, bottom=TILE, left=0, right=TILE), files=files)
        cog(tmp_path / "red.tif", rng.integers(1, 9000, (SIDE, SIDE)).astype(np.uint16), 10)
        with pytest.raises(NetworkError, match="has changed while it was read; run the same again"):
            read(asset, files=files)
        np.testing.assert_array_equal(read(asset), read(local(asset, far)))


class Token:
    """A signer of the tests: a counter as token."""

    def __init__(self):
        self.number, self.refused = 1, []

    def signed(self, href):
        return f"{href}?sig=secret{self.number}"

    def forget(self, signed):
        self.refused.append(signed)
        if signed.endswith(f"secret{self.number}"):
            self.number += 1


@pytest.fixture
def token(monkeypatch):
    token = Token()
    monkeypatch.setattr(ranges, "SIGNERS", {"test": token})
    return token


def test_odc_289_an_expired_token_is_renewed_and_the_read_goes_on(far, token):
    asset = red(far, signer="test")
    far.fail("token", token="sig=secret2", after=1)  # expires between the head and the tiles
    np.testing.assert_array_equal(read(asset), read(local(asset, far)))
    assert token.number == 2


def test_a_token_that_is_always_refused_is_one_error_that_does_not_show_it(far, token):
    far.fail("token", token="sig=other")
    with pytest.raises(NetworkError, match=r"refuses \(HTTP 403\)") as caught:
        read(red(far, signer="test"))
    assert "secret" not in f"{caught.value} {caught.value.__cause__}"
    assert token.number == 2  # one new token, not one a try


def test_many_threads_renew_one_token_once():
    signer = signing.PlanetaryComputer()
    key = ("account", "container")
    end = datetime(2999, 1, 1, tzinfo=UTC)
    signer._tokens[key] = ("sig=new", end)
    href = "https://account.blob.core.windows.net/container/B04.tif"
    signer.forget(f"{href}?sig=old")  # refused before the new one came
    assert signer.signed(href) == f"{href}?sig=new"
    signer.forget(f"{href}?sig=new")
    assert key not in signer._tokens


def test_retry_after_is_bounded():
    assert ranges._retry_after_s("3") == 3
    assert ranges._retry_after_s("86400") == 10
    assert ranges._retry_after_s(None) is None
    assert ranges._retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0


def test_what_is_no_image_is_one_error(tmp_path):
    (tmp_path / "page.tif").write_text("<html>sorry</html>" * 2000)
    (tmp_path / "empty.tif").write_bytes(b"")
    with Faults(tmp_path) as far:
        with pytest.raises(ImageError, match=r"page\.tif: neither a GeoTIFF nor JPEG 2000"):
            read(red(far, "page.tif"))
        with pytest.raises((ImageError, NetworkError), match=r"empty\.tif: "):
            read(red(far, "empty.tif"))


def test_garbage_in_a_tile_is_an_error(far):
    far.fail("garbage", after=1)
    with pytest.raises(ImageError, match=r"red0\.tif: band red cannot be read"):
        read(red(far))


def touched(path, window):
    with rasterio.open(path) as dataset:
        sizes = (
            int(dataset.get_tag_item(f"BLOCK_SIZE_{x}_{y}", "TIFF", bidx=1))
            for y in range(window.top // TILE, -(-window.bottom // TILE))
            for x in range(window.left // TILE, -(-window.right // TILE))
        )
        return sum(sizes)


def test_only_the_tiles_under_the_window_are_asked_for_once_and_close_ones_together(far):
    window = Span(top=TILE, bottom=2 * TILE, left=0, right=SIDE)
    files = Files()
    with opened(red(far), files) as image:
        for piece in foresee(image, 1, grid=FRAME, span=window):
            piece.result()
    np.testing.assert_array_equal(read(red(far), span=window, files=files), read(local(red(far), far), span=window))
    count = far.count()
    assert count["requests"] == 2  # the head; one row of tiles
    assert count["bytes"] - remote.HEAD_BYTES <= 1.1 * touched(far.root / "red0.tif", window)


def test_a_composite_moves_hardly_more_than_the_tiles_it_needs(far):
    lazy = composite([scene(far.url), scene(far.url, 1)], grid=FRAME, bands=("red", "nir"), block_px=TILE)
    lazy.data.compute(scheduler="threads")
    count = far.count()
    files = list(far.root.glob("*[01].tif"))
    least = sum(touched(path, Span(top=0, bottom=side, left=0, right=side)) for path in files
                for side in [SIDE // 2 if "scl" in path.name else SIDE])  # fmt: skip
    assert least < count["bytes"] <= 1.3 * least
    assert {line.split()[1] for line in count["lines"]} == {f"/{path.name}" for path in files}


def test_a_composite_over_http_is_the_one_from_disk(far):
    there = composite([scene(far.url), scene(far.url, 1)], grid=FRAME, bands=("nir", "red"), block_px=100)
    here = composite([scene(far.root), scene(far.root, 1)], grid=FRAME, bands=("nir", "red"), block_px=100)
    for name in ("reflectance", "n_clear"):
        np.testing.assert_array_equal(there.data[name].values, here.data[name].values)


def test_what_goes_to_a_cluster_reads_the_same(far):
    lazy = composite([scene(far.url)], grid=FRAME, bands=("red",), block_px=256).data["reflectance"]
    again = pickle.loads(pickle.dumps(lazy))
    np.testing.assert_array_equal(again.values, lazy.values)


def test_choosing_reads_overviews_of_the_mask_only(tmp_path, make_city):
    rng = np.random.default_rng(0)
    cog(tmp_path / "scl0.tif", rng.integers(4, 8, (2048, 2048)).astype(np.uint8), 10)
    city = make_city(box(601_000, 5_185_000, 615_000, 5_199_000))
    with Faults(tmp_path) as far:
        there, here = (replace(scene(where), assets=scene(where).assets[2:]) for where in (far.url, tmp_path))
        assert [s.clear_pct for s in look([there], city=city)] == [s.clear_pct for s in look([here], city=city)]
        count = far.count()
    assert all("scl0" in line for line in count["lines"])
    assert count["bytes"] < (tmp_path / "scl0.tif").stat().st_size / 20


def test_overviews_are_read_with_the_token(far, token):
    far.fail("token", token="sig=secret1")
    frame = GeoBox((64, 64), Affine(80, 0, 600_000, 0, -80, 5_200_000), "EPSG:32632")
    asset = red(far, signer="test")
    np.testing.assert_array_equal(read_coarse(asset, frame, nodata=0), read_coarse(local(asset, far), frame, nodata=0))


def test_a_file_opened_in_a_thread_that_ended_is_read_and_closed_in_others(far):
    """Rasterio's own file objects are looked up by thread: there this was a crash of the interpreter."""
    files = Files()
    thread = threading.Thread(target=lambda: read(red(far), files=files))
    thread.start()
    thread.join()
    gc.collect()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: read(red(far), files=files), range(8)))
    expected = read(local(red(far), far))
    for values in found:
        np.testing.assert_array_equal(values, expected)
    gc.collect()


CODE = """
import sys, time, threading, signal, os
from odc.geo.geobox import GeoBox
from affine import Affine
from howgreen.imagery.opening import Files
from howgreen.imagery.source import Span, read_band
from howgreen.types import Asset
grid = GeoBox((512, 512), Affine(10, 0, 600_000, 0, -10, 5_200_000), "EPSG:32632")
files = Files()
asset = Asset(band="red", href=sys.argv[1])
if sys.argv[2] == "stop":
    threading.Timer(0.7, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
values, none = read_band(asset, grid=grid, span=Span(top=0, bottom=512, left=0, right=512), nodata=0, files=files)
print(int(values.sum()))
"""


def test_the_program_ends_quietly_with_files_open(far):
    done = subprocess.run(
        [sys.executable, "-c", CODE, red(far).href, "end"], capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) == int(read(local(red(far), far)).sum())


def test_ctrl_c_while_a_server_hangs_ends_soon(far):
    far.fail("hang", seconds=8)
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", CODE, red(far).href, "stop"], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode in {1, 130, -2}
    assert "KeyboardInterrupt" in done.stderr
    assert "terminate" not in done.stderr
    assert time.monotonic() - start < 6
