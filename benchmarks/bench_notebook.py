"""The whole of ``howgreen city`` beside what a person would write in a notebook: odc-stac, SCL mask, median, NDVI, one file.

Both look at the same images of the sample city, each as a process of its own, in turn; the notebook answers with a
ratio alone, howgreen with its report.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 7
BANDS = ("blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "swir16", "swir22")
NOT_CLEAR = (0, 1, 3, 8, 9, 10, 11)
"""Scene classes that the notebook leaves out."""


def notebook(store: Path, out: Path) -> float:
    """Return the share of the limits whose median NDVI is above 0.4."""
    import geopandas as gpd
    import numpy as np
    import odc.stac
    import pystac
    from rasterio.features import geometry_mask

    items = [pystac.Item.from_file(str(path)) for path in (store / "sentinel-2-l2a").glob("*/*.json")]
    city = gpd.read_file(store / "places" / "sampleton.geojson")
    images = odc.stac.load(
        items, bands=[*BANDS, "scl"], crs=city.estimate_utm_crs(), resolution=10, geopolygon=city,
        chunks={"x": 1024, "y": 1024}, groupby="solar_day",
    )  # fmt: skip
    bands = images[list(BANDS)]
    composite = bands.where(~images.scl.isin(NOT_CLEAR) & (bands != 0)).median("time").compute(scheduler="threads")
    green = (composite.nir - composite.red) / (composite.nir + composite.red) > 0.4
    green.astype("uint8").odc.write_cog(str(out), overwrite=True)
    limits = city.to_crs(composite.odc.crs).union_all()
    within = ~geometry_mask([limits], out_shape=green.shape, transform=composite.odc.geobox.affine)
    return float(np.asarray(green)[within].mean())


def _timed(arguments: list[str], folder: Path, environment: dict[str, str]) -> tuple[float, float]:
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: exit {process.returncode}")
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime


def run(*, quick: bool = False) -> dict[str, float]:
    from howgreen import sample

    here = Path(__file__).resolve().parents[1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cache = folder / "cache" / "howgreen"
        store = sample.ensure(cache)
        environment = {
            **os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "XDG_DATA_HOME": str(folder / "data"),
            "PYTHONPATH": f"{here / 'src'}:{here}",
        }  # fmt: skip
        ours, theirs = [], []
        for turn in range(1 if quick else ROUNDS):
            city = ["-m", "howgreen.cli", "city", "Sampleton", "--out", f"report{turn}"]
            peer = ["-m", "benchmarks.bench_notebook", str(store), str(folder / f"green{turn}.tif")]
            ours.append(_timed(city, folder, environment))
            theirs.append(_timed(peer, folder, environment))
    pairs = list(zip(ours, theirs, strict=True))
    return {
        "city_s": statistics.median(seconds for seconds, _ in ours),
        "notebook_s": statistics.median(seconds for seconds, _ in theirs),
        "city_over_notebook": statistics.median(one[0] / other[0] for one, other in pairs),
        "city_over_notebook_cpu": statistics.median(one[1] / other[1] for one, other in pairs),
    }


if __name__ == "__main__":
    print(notebook(Path(sys.argv[1]), Path(sys.argv[2])) if len(sys.argv) > 2 else json.dumps(run()))
