"""Lazy rasters computed block by block and kept on disk, so that memory does not grow with the city.

:func:`kept` does so for everything computed from a plan's images. A stage hands over a lazy (dask) dataset;
:func:`persist` computes it one spatial block at a time, writes each variable of a block to its own file and returns the
same dataset, backed by those files. A file appears under its name only when complete, so an interrupted run keeps the
finished blocks and computes the rest. Plain ``.npy``: an ``.npz`` checksums every byte on each write and read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from howgreen import imagery, landcover
from howgreen.core.errors import OutputError
from howgreen.core.files import atomic_path
from howgreen.core.threads import scheduler
from howgreen.core.ticks import Ticks

if TYPE_CHECKING:
    import xarray as xr

    from howgreen.core.types import Composite, LandCover, Plan, Progress


def kept(
    plan: Plan, scaled: xr.Dataset, model: landcover.Model, folder: Path, progress: Progress | None
) -> tuple[Composite, LandCover]:
    """Compute composite and land cover in one pass and keep them: each block is classified while in memory.

    Probabilities, ten times the size of labels and fractions, stay lazy and are recomputed on demand.
    """
    used = (*plan.scenes, *plan.radar)
    seen = landcover.classify(imagery.from_scaled(scaled, grid=plan.grid, scenes=used), model).data
    names = [name for name in seen.data_vars if name != "probability"]
    both = scaled.assign({name: seen[name] for name in names})
    both = persist(both, folder, stage="composite and land cover", progress=progress)
    composite = imagery.from_scaled(both[list(scaled)], grid=plan.grid, scenes=used)
    covered = landcover.classify(composite, model)
    return composite, replace(covered, data=covered.data.assign({name: both[name] for name in names}))


def block_px(plan: Plan) -> int:
    """Choose blocks large enough to read efficiently, small enough that a small city still keeps two cores busy."""
    return 1024 if min(plan.grid.shape) > 2048 else 512


def persist(data: xr.Dataset, folder: Path, *, stage: str, progress: Progress | None = None) -> xr.Dataset:
    """Compute a lazy dataset block by block into ``folder`` and return it backed by those files.

    Parameters
    ----------
    data
        Variables with trailing dims (y, x), all chunked alike in y and x; any other dim in one chunk.
    folder
        Folder of the blocks, one ``.npy`` per variable and block; created if need be. Existing blocks are not
        recomputed, so the folder's name must change with everything that decides the pixels.
    stage
        Name of the stage for progress.
    """
    from dask.base import compute
    from dask.delayed import delayed

    folder.mkdir(parents=True, exist_ok=True)
    chunked = data.unify_chunks()
    names = [str(name) for name in chunked.data_vars]
    rows, columns = chunked.chunks["y"], chunked.chunks["x"]
    tick = Ticks(stage, len(rows) * len(columns), progress)
    tasks = {name: chunked[name].data.to_delayed(optimize_graph=False) for name in names}
    writes = []
    for row in range(len(rows)):
        for column in range(len(columns)):
            paths = [_path(folder, name, row, column) for name in names]
            if all(_whole(path) for path in paths):
                tick()
                continue
            parts = [tasks[name].reshape(len(rows), len(columns))[row, column] for name in names]
            writes.append(delayed(_write, pure=False)(paths, tick, *parts))
    compute(*writes, scheduler=scheduler())
    return chunked.assign({name: (chunked[name].dims, _reopened(chunked[name], folder)) for name in names})


def _path(folder: Path, name: str, row: int, column: int) -> Path:
    return folder / f"{name}_{row:04d}_{column:04d}.npy"


def _whole(path: Path) -> bool:
    """Tell whether a finished file exists (the rename makes it whole or absent; a foreign file is neither)."""
    if not path.exists():
        return False
    try:
        np.load(path, mmap_mode="r", allow_pickle=False)  # reads only the header and compares the size
    except (OSError, ValueError):
        return False
    return True


def _write(paths: list[Path], tick: Callable[[], None], *parts: np.ndarray[Any, Any]) -> None:
    # Each part is an argument of its own: given a list, dask would optimise each block's graph separately.
    for path, values in zip(paths, parts, strict=True):
        try:
            with atomic_path(path, durable=False) as scratch, scratch.open("wb") as file:
                np.save(file, values, allow_pickle=False)
        except OSError as error:
            # numpy reports a write cut short by a full disk without errno or file name.
            raise OutputError(
                f"{path.parent}: finished blocks cannot be written ({error.strerror or 'the disk is full'}); free some "
                "space, or set XDG_CACHE_HOME to another disk, and run the same command again: it goes on where it stopped"
            ) from error
    tick()


def _read(path: Path) -> np.ndarray[Any, Any]:
    # Memory-mapped, not copied: reading one band of a block reads no other.
    values: np.ndarray[Any, Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return values


def _reopened(variable: xr.DataArray, folder: Path) -> Any:
    """Make the dask array of one variable that reads each block from its file on demand."""
    import dask.array as da
    from dask.delayed import delayed

    lead = variable.shape[:-2]
    chunks = variable.chunks or ()
    rows, columns = chunks[-2], chunks[-1]
    lines = []
    for row, height in enumerate(rows):
        line = []
        for column, width in enumerate(columns):
            values = delayed(_read, pure=True)(_path(folder, str(variable.name), row, column))
            line.append(da.from_delayed(values, shape=(*lead, height, width), dtype=variable.dtype))
        lines.append(line)
    return da.block(lines)
