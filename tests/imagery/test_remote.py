"""Reading over HTTP: the same pixels as from disk, few requests, nothing left behind."""

import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from shapely import box

from far import FRAME, SIDE, TILE, cog, local, read, red, scene
from faults import Faults
from howgreen.core.grid import Window
from howgreen.imagery import composite
from howgreen.imagery.catalog._coverage import look
from howgreen.imagery.read._prefetch import prefetch_window
from howgreen.imagery.read.opener import Files, opened
from howgreen.net import sparse_file


@pytest.mark.parametrize("name", ["red0.tif", "red.jp2", "plain.tif"])
def test_every_format_gives_the_same_pixels_as_from_disk(far, name):
    asset = red(far, name)
    np.testing.assert_array_equal(read(asset), read(local(asset, far)))
    inner = Window(top=100, bottom=300, left=50, right=180)
    np.testing.assert_array_equal(read(asset, window=inner), read(local(asset, far), window=inner))


@pytest.mark.parametrize("name", ["red0.tif", "plain.tif"])
@pytest.mark.parametrize("step", [37, 128])
def test_what_was_a_hole_when_its_neighbour_was_read_is_read_anew(far, name, step):
    """C's buffers keep what they once read: without whole blocks, neighbours would be zeros, and in the raw file silently."""
    files, asset = Files(), red(far, name)
    expected = read(local(asset, far))
    for top in range(0, SIDE, step):
        for left in range(0, SIDE, 128):
            window = Window(top=top, bottom=min(top + step, SIDE), left=left, right=left + 128)
            got = read(asset, window=window, files=files)
            np.testing.assert_array_equal(got, expected[window.top : window.bottom, window.left : window.right])


@pytest.fixture(scope="module")
def masked(far_folder):
    """Two interleaved raw bands with a mask inside the file."""
    values = np.random.default_rng(8).integers(1, 9000, (2, SIDE, SIDE)).astype(np.uint16)
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(far_folder / "masked.tif", "w", driver="GTiff", width=SIDE, height=SIDE, count=2, dtype="uint16",
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


def touched(path, window):
    with rasterio.open(path) as dataset:
        sizes = (
            int(dataset.get_tag_item(f"BLOCK_SIZE_{x}_{y}", "TIFF", bidx=1))
            for y in range(window.top // TILE, -(-window.bottom // TILE))
            for x in range(window.left // TILE, -(-window.right // TILE))
        )
        return sum(sizes)


def test_only_the_tiles_under_the_window_are_asked_for_once_and_close_ones_together(far):
    window = Window(top=TILE, bottom=2 * TILE, left=0, right=SIDE)
    files = Files()
    with opened(red(far), files) as image:
        for piece in prefetch_window(image, 1, grid=FRAME, window=window):
            piece.result()
    np.testing.assert_array_equal(read(red(far), window=window, files=files), read(local(red(far), far), window=window))
    count = far.count()
    assert count["requests"] == 2  # the head; one row of tiles
    assert count["bytes"] - sparse_file.HEAD_BYTES <= 1.1 * touched(far.root / "red0.tif", window)


def test_a_composite_moves_hardly_more_than_the_tiles_it_needs(far):
    lazy = composite([scene(far.url), scene(far.url, 1)], grid=FRAME, bands=("red", "nir"), block_px=TILE)
    lazy.data.compute(scheduler="threads")
    count = far.count()
    files = list(far.root.glob("*[01].tif"))
    least = sum(touched(path, Window(top=0, bottom=side, left=0, right=side)) for path in files
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
from howgreen.imagery.read.opener import Files
from howgreen.core.grid import Window
from howgreen.imagery.read._resample import read_band
from howgreen.core.types import Asset
grid = GeoBox((512, 512), Affine(10, 0, 600_000, 0, -10, 5_200_000), "EPSG:32632")
files = Files()
asset = Asset(band="red", href=sys.argv[1])
if sys.argv[2] == "stop":
    threading.Timer(0.7, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
values, none = read_band(asset, grid=grid, window=Window(top=0, bottom=512, left=0, right=512), nodata=0, files=files)
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


KILLED = """
import os, signal, sys
from odc.geo.geobox import GeoBox
from affine import Affine
from howgreen.imagery.read.opener import Files
from howgreen.core.grid import Window
from howgreen.imagery.read._resample import read_band
from howgreen.core.types import Asset
grid = GeoBox((512, 512), Affine(10, 0, 600000, 0, -10, 5200000), "EPSG:32632")
files = Files()
values, _ = read_band(Asset(band="red", href=sys.argv[1]), grid=grid, window=Window(top=0, bottom=512, left=0, right=512), nodata=0, files=files)
print(int(values.sum()), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="files without a name are Linux's")
def test_a_killed_program_leaves_no_file_behind(far, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, red(far).href], capture_output=True, text=True, check=False, timeout=30,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    assert int(done.stdout) == int(read(local(red(far), far)).sum())
    assert not list(tmp_path.iterdir())
