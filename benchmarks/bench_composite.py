"""How fast a composite is against its floor: reading and decoding the same bytes with plain rasterio threads.

Run by name: ``python benchmarks/bench_composite.py [--full]``. The images are synthetic noise that compresses like
real scenes; each measurement runs in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from scipy.ndimage import zoom
from shapely import box

from howgreen.core.sensors import SENTINEL2
from howgreen.core.types import Asset, Scene

DATES, THREADS = 6, 2
NEAR_INFRARED = ("rededge2", "rededge3", "nir", "nir08")
CACHE_BYTES = 64_000_000  # tiles are decoded once: GDAL need not keep them
WEST, NORTH, CRS = 600_000, 5_000_040, "EPSG:32631"
SHIFT_PX = 317  # the city does not begin where the tile begins


def _write(path: Path, values: np.ndarray, resolution_m: int) -> None:
    profile = {
        "driver": "COG", "height": values.shape[0], "width": values.shape[1], "count": 1, "dtype": values.dtype,
        "crs": CRS, "transform": Affine(resolution_m, 0, WEST, 0, -resolution_m, NORTH), "nodata": 0,
        "blocksize": 512, "compress": "deflate", "predictor": "yes" if values.dtype == np.uint16 else "no",
        "level": 6, "resampling": "nearest", "num_threads": THREADS,
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as out:
        out.write(values, 1)


def _smooth(rng: np.random.Generator, size: int, cells: int) -> np.ndarray:
    field = zoom(rng.random((cells, cells)), np.ceil(size / cells), order=1)
    return field[:size, :size]


def make(folder: Path, *, size_px: int, native: bool) -> None:
    """Write DATES x 10 bands + SCL over ``size_px`` squared pixels of 10 m; ``native``: 20 m bands at 20 m."""
    rng = np.random.default_rng(7)
    resolutions = {band.name: int(band.resolution_m) if native else 10 for band in SENTINEL2.bands}
    for name, resolution_m in resolutions.items():
        side = size_px * 10 // resolution_m
        # Land reflects more in the near-infrared: numbers that could not be reflectance are refused.
        low, range_ = (900, 3600) if name in NEAR_INFRARED else (300, 2500)
        ground = low + range_ * _smooth(rng, side, 40) + rng.normal(0, 60, (side, side))
        _write(folder / f"{name}.tif", ground.astype(np.uint16), resolution_m)
    for date in range(DATES):
        (folder / str(date)).mkdir()
        for name in resolutions:
            shutil.copy(folder / f"{name}.tif", folder / str(date))
        scl = np.where(_smooth(rng, size_px // 2, 12) < 0.25, 9, 4).astype(np.uint8)
        _write(folder / str(date) / "scl.tif", scl, 20)
    for name in resolutions:
        (folder / f"{name}.tif").unlink()


def scenes(folder: Path) -> list[Scene]:
    """List the scenes that :func:`make` wrote."""
    start = datetime(2024, 5, 1, 10, tzinfo=UTC)
    return [
        Scene(
            id=f"synthetic-{date}", sensor="sentinel-2", time=start + timedelta(days=5 * date), footprint=box(3, 45, 4, 46),
            assets=tuple(Asset(band=p.stem, href=str(p)) for p in sorted((folder / str(date)).glob("*.tif"))),
            scale=1e-4, offset=-0.1 if date % 2 else 0.0, nodata=0, synthetic=True,
        )
        for date in range(DATES)
    ]  # fmt: skip


def _floor(folder: Path) -> dict[str, float]:
    """Read every file in full, one thread a file, in strips of whole tiles."""

    def read(path: Path) -> int:
        pixels = 0
        with rasterio.Env(GDAL_NUM_THREADS="1"), rasterio.open(path) as dataset:
            out = np.empty((1024, dataset.width), dataset.dtypes[0])
            for top in range(0, dataset.height, 1024):
                rows = min(1024, dataset.height - top)
                dataset.read(1, window=((top, top + rows), (0, dataset.width)), out=out[:rows])
                pixels += rows * dataset.width
        return pixels

    start, used = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(THREADS) as pool:
        pixels = sum(pool.map(read, sorted(folder.glob("*/*.tif"))))
    seconds = time.perf_counter() - start
    return {"floor_s": seconds, "floor_mpx_s": pixels / seconds / 1e6, "cpu_s": time.process_time() - used}


def _composite(folder: Path) -> dict[str, float]:
    """Compute all blocks, keeping none."""
    import dask
    import dask.array as da
    import odc.geo.xr  # noqa: F401 (composite imports it: its loading is not timed)
    import xarray  # noqa: F401 (its loading is not timed)

    from howgreen.imagery import composite

    with rasterio.open(folder / "0" / "red.tif") as dataset:
        shape = dataset.shape
    west, north = WEST - 10 * SHIFT_PX, NORTH + 10 * SHIFT_PX
    grid = GeoBox((shape[0] + SHIFT_PX, shape[1] + SHIFT_PX), Affine(10, 0, west, 0, -10, north), CRS)
    start, used = time.perf_counter(), time.process_time()
    lazy = composite(scenes(folder), grid=grid, bands=SENTINEL2.band_names)
    with rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES), dask.config.set(scheduler="threads", num_workers=THREADS):
        reflectance, n_clear = lazy.data["reflectance"].data, lazy.data["n_clear"].data
        kept = da.map_blocks(
            _summary, reflectance, n_clear[None], chunks=((1,), *((1,) * n for n in n_clear.numblocks))
        )
        total = kept.sum().compute()
    if not np.isfinite(total):
        raise SystemExit("the composite is not finite")
    return {"composite_s": time.perf_counter() - start, "cpu_s": time.process_time() - used}


def _summary(reflectance: np.ndarray, n_clear: np.ndarray) -> np.ndarray:
    return np.nan_to_num(reflectance[:, ::64, ::64]).mean(keepdims=True) + n_clear[:, ::64, ::64].mean(keepdims=True)


def apart(what: str, folder: Path) -> dict[str, float]:
    answer = subprocess.run([sys.executable, __file__, what, str(folder)], check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(answer.stdout)
    return figures


def measure(*, size_px: int, native: bool) -> dict[str, float]:
    """Floor, time, ratio and peak memory for one synthetic city."""
    with tempfile.TemporaryDirectory(prefix="howgreen-bench-") as name:
        folder = Path(name)
        make(folder, size_px=size_px, native=native)
        size = sum(path.stat().st_size for path in folder.glob("*/*.tif"))
        apart("floor", folder)  # fills the system's file cache for both
        floor = min((apart("floor", folder) for _ in range(2)), key=lambda f: f["floor_s"])
        ours = min((apart("composite", folder) for _ in range(2)), key=lambda f: f["composite_s"])
    pixels = DATES * len(SENTINEL2.bands) * size_px**2
    return {
        "city_km2": (size_px / 100) ** 2,
        "compressed_mb": size / 1e6,
        "floor_s": floor["floor_s"],
        "floor_mpx_s": floor["floor_mpx_s"],
        "composite_s": ours["composite_s"],
        "composite_mpx_s": pixels / ours["composite_s"] / 1e6,
        "ratio_to_floor": ours["composite_s"] / floor["floor_s"],
        "cpu_ratio_to_floor": ours["cpu_s"] / floor["cpu_s"],  # steadier where other work shares the machine
        "peak_mib": ours["peak_mib"],
    }


def run(quick: bool) -> dict[str, float]:  # noqa: FBT001 (the signature that all benchmarks share)
    """Figures of a 419 km2 (quick) or 1,600 km2 city, all bands at 10 m and with Sentinel-2's own resolutions."""
    size_px = 2048 if quick else 4000
    figures: dict[str, float] = {}
    for prefix, native in (("all_10m", False), ("native", True)):
        figures |= {f"{prefix}_{k}": round(v, 3) for k, v in measure(size_px=size_px, native=native).items()}
    return figures


if __name__ == "__main__":
    if len(sys.argv) == 3:
        result = {"floor": _floor, "composite": _composite}[sys.argv[1]](Path(sys.argv[2]))
        peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps(result | {"peak_mib": peak_kib / 1024}))
    else:
        for key, value in run("--full" not in sys.argv).items():
            print(f"{key:28} {value:12,.2f}")
