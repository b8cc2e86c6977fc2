"""Lazy rasters computed block by block and kept on disk, so that memory does not grow with the city.

:func:`kept` does so with all that a plan's images give. A stage hands over a lazy (dask) dataset; :func:`persist` computes it one spatial block at a time, keeps each
variable of a block in a file of its own and gives back the same dataset, reading those files. A file appears under
its name only when it is whole: a run that was stopped finds the finished blocks and goes on with the others.
Plain ``.npy``: an ``.npz`` sums up every byte when it is written and again whenever it is read.
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
    """Compute composite and land cover in one go and keep them: a block is classified while it is at hand.

    Probabilities, ten times the size of labels and fractions, stay lazy and are made again when asked for.
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
    """Make blocks large enough to read well, small enough that a small city still keeps two cores busy."""
    return 1024 if min(plan.grid.shape) > 2048 else 512


def persist(data: xr.Dataset, folder: Path, *, stage: str, progress: Progress | None = None) -> xr.Dataset:
    """Compute a lazy dataset block by block into ``folder`` and return it backed by those files.

    Parameters
    ----------
    data
        Variables with trailing dims (y, x), all chunked alike in y and x; any other dim in one chunk.
    folder
        Where the blocks are kept, one ``.npy`` a variable and block; made if need be. Blocks already there are not
        computed again, so the folder's name must change with whatever decides the pixels.
    stage
        What the progress is called.
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
    """Whether a finished file lies there (the rename makes it whole or absent; a foreign file is neither)."""
    if not path.exists():
        return False
    try:
        np.load(path, mmap_mode="r", allow_pickle=False)  # reads the header and compares the size
    except (OSError, ValueError):
        return False
    return True


def _write(paths: list[Path], tick: Callable[[], None], *parts: np.ndarray[Any, Any]) -> None:
    # Each part an argument for itself: in a list, dask would optimise the graphs of each block apart.
    for path, values in zip(paths, parts, strict=True):
        try:
            with atomic_path(path, durable=False) as scratch, scratch.open("wb") as file:
                np.save(file, values, allow_pickle=False)
        except OSError as error:
            # A write cut short by a full disk comes without a number or a name from numpy.
            raise OutputError(
                f"{path.parent}: finished blocks cannot be written ({error.strerror or 'the disk is full'}); free some "
                "space, or set XDG_CACHE_HOME to another disk, and run the same command again: it goes on where it stopped"
            ) from error
    tick()


def _read(path: Path) -> np.ndarray[Any, Any]:
    # Mapped, not copied: whoever asks for one band of a block reads no other.
    values: np.ndarray[Any, Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return values


def _reopened(variable: xr.DataArray, folder: Path) -> Any:
    """Make the dask array of one variable, each block read from its file when asked for."""
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
