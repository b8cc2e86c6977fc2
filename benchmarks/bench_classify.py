"""How fast a composite becomes land cover: the whole of ``classify`` on two threads, against a copy of the same bytes."""

from __future__ import annotations

import time
from collections.abc import Callable

import dask
import dask.array as da
import numpy as np
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox

from howgreen.core.types import Composite
from howgreen.landcover import classify, load_model

SIZE_PX = 3072
BLOCK_PX = 1024
THREADS = 2
NAN_SHARE = 0.02


def run(*, quick: bool = False) -> dict[str, float]:
    """Megapixels a second of every shipped model, and how many times a plain copy of the input takes."""
    size_px, repeats = (BLOCK_PX, 1) if quick else (SIZE_PX, 3)
    figures = {}
    for name in ("mixture-10", "mixture-4", "ndvi"):
        bands = load_model(name).card.bands
        composite = _composite(bands, size_px)
        values = composite.data["reflectance"].data
        with dask.config.set(scheduler="threads", num_workers=THREADS):
            _in_memory(composite, name)
            best = _best(lambda composite=composite, name=name: _in_memory(composite, name), repeats)
            floor = _best(lambda values=values: _consume(values.map_blocks(np.copy)), repeats)
            before = time.process_time()
            _in_memory(composite, name)
            busy = time.process_time() - before
        figures[f"{name}_mpx_per_s"] = size_px**2 / best / 1e6
        # On a machine that others use too, this is the steadier figure: what one core does in a second of its own time.
        figures[f"{name}_mpx_per_core_s"] = size_px**2 / busy / 1e6
        figures[f"{name}_times_copy"] = best / floor
    return figures


def _composite(bands: tuple[str, ...], size_px: int) -> Composite:
    rng = np.random.default_rng(0)
    values = rng.uniform(0, 0.5, (len(bands), size_px, size_px)).astype(np.float32)
    values[:, rng.random((size_px, size_px)) < NAN_SHARE] = np.nan
    chunked = da.from_array(values, chunks=(-1, BLOCK_PX, BLOCK_PX))
    data = xr.Dataset({"reflectance": (("band", "y", "x"), chunked)}, coords={"band": list(bands)})
    return Composite(
        data=data, grid=GeoBox((size_px, size_px), Affine(10, 0, 0, 0, -10, 10 * size_px), "EPSG:32632"), scenes=()
    )


def _in_memory(composite: Composite, name: str) -> None:
    landcover = classify(composite, load_model(name)).data
    _consume(landcover["label"].data, landcover["green_fraction"].data, landcover["probability"].data)


def _consume(*arrays: da.Array) -> None:
    """Compute every block and let it go, as the pipeline does when it writes blocks to disk."""
    sink = _Sink()
    da.store(list(arrays), [sink] * len(arrays), lock=False)


class _Sink:
    """Takes blocks as an array does, and keeps nothing."""

    def __setitem__(self, place: object, block: np.ndarray) -> None:
        pass


def _best(job: Callable[[], None], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    for figure, value in run().items():
        print(f"{figure:28s} {value:8.2f}")
