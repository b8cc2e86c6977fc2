"""Composite to land cover, tile by tile.

Tiles lie where the model's card puts them on the *grid*, never where dask cuts its chunks, and every call of the
network gets a whole tile: any chunking gives the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from howgreen.landcover.answers import tidy
from howgreen.landcover.model import FloatArray, Model, require_bands
from howgreen.types import UNSEEN, Composite, LandCover

if TYPE_CHECKING:
    import xarray as xr

_LABEL, _GREEN, _FIRST_CLASS = 0, 1, 2
"""Places in the stacked block: one run of the network fills all of it, views of it are cut out later. The last one is the
uncertainty, where the network tells it."""


def classify(composite: Composite, model: Model) -> LandCover:
    """Label, green fraction, class probabilities and, where the model tells it, the uncertainty of the green fraction of every
    pixel; lazy where the composite is.

    A pixel with NaN in any of the model's bands is unseen: label 255, NaN elsewhere.

    Raises
    ------
    MissingBandsError
        The composite lacks bands that the model needs.
    """
    card = model.card
    require_bands(card, composite.bands, what="the images")
    reflectance = composite.data["reflectance"].transpose("band", "y", "x")
    if composite.bands != card.bands:  # picking them would copy every block
        reflectance = reflectance.sel(band=list(card.bands))
    stacked = _stack(reflectance.data, model)
    return LandCover(data=_dataset(stacked, reflectance, model), grid=composite.grid, card=card)


def _depth(model: Model) -> int:
    return _FIRST_CLASS + len(model.card.classes) + int(model.tells_uncertainty)


def _stack(values: Any, model: Model) -> Any:
    """(2 + class (+ 1), y, x) float32: label, green fraction, probabilities, uncertainty; a dask array where ``values`` is one."""
    import dask.array as da

    card = model.card
    halo, depth = card.halo_px, _depth(model)
    if not isinstance(values, da.Array):
        return classify_block(_bordered(np.asarray(values, dtype=np.float32), halo, halo), model, origin=(0, 0))
    values = values.astype(np.float32).rechunk({0: -1})
    if halo:
        values = _aligned(values, card.stride_px, halo)
    chunks = ((depth,), values.chunks[1], values.chunks[2])
    rows, columns = _starts(values.chunks[1]), _starts(values.chunks[2])
    # An axis in one piece has no neighbours to borrow from, and dask refuses a halo wider than a picture.
    alone = [halo if parts == 1 else 0 for parts in values.numblocks[1:]]
    if halo:  # without one, dask would still copy every block
        values = da.overlap.overlap(values, depth={1: halo - alone[0], 2: halo - alone[1]}, boundary=np.nan)

    def at_place(block: FloatArray, block_id: tuple[int, int, int]) -> FloatArray:
        block = _bordered(block, *alone)
        return classify_block(block, model, origin=(rows[block_id[1]], columns[block_id[2]]))

    return da.map_blocks(at_place, values, dtype=np.float32, chunks=chunks, meta=np.empty((0, 0, 0), np.float32))


def _bordered(values: FloatArray, rows: int, columns: int) -> FloatArray:
    """With unseen pixels around: what lies outside the grid."""
    if not (rows or columns):
        return values
    return np.pad(values, ((0, 0), (rows, rows), (columns, columns)), constant_values=np.nan)


def _starts(sizes: tuple[int, ...]) -> list[int]:
    return [0, *np.cumsum(sizes)[:-1].tolist()]


def _aligned(values: Any, stride: int, halo: int) -> Any:
    """Rechunked so that no chunk cuts a tile, and that each chunk holds its neighbours' halo."""

    def cut(sizes: tuple[int, ...]) -> tuple[int, ...]:
        total = sum(sizes)
        step = stride * -(-max(*sizes, halo) // stride)
        edges = [*range(0, total, step), total]
        if len(edges) > 2 and edges[-1] - edges[-2] < halo:
            del edges[-2]
        return tuple(np.diff(edges).tolist())

    return values.rechunk({1: cut(values.chunks[1]), 2: cut(values.chunks[2])})


def classify_block(values: FloatArray, model: Model, *, origin: tuple[int, int]) -> FloatArray:
    """One block, (band, y + 2 halo, x + 2 halo) to (2 + class, y, x): label, green fraction, probabilities; and the uncertainty
    of the green fraction as one more, where the model tells it. ``origin`` is its place on the grid (row, column).
    """
    card = model.card
    height, width = values.shape[1] - 2 * card.halo_px, values.shape[2] - 2 * card.halo_px
    out = np.empty((_depth(model), height, width), dtype=np.float32)
    tile = np.zeros((1, len(card.bands), card.tile_px, card.tile_px), dtype=np.float32)
    for top in _tiles(origin[0], height, card.stride_px):
        for left in _tiles(origin[1], width, card.stride_px):
            _classify_tile(values, out, tile, model, top - origin[0], left - origin[1])
    return out


def _tiles(start: int, size: int, stride: int) -> Iterator[int]:
    """First rows (or columns) on the grid of the tiles that touch ``size`` pixels from ``start`` on."""
    return iter(range(start // stride * stride, start + size, stride))


def _classify_tile(values: FloatArray, out: FloatArray, tile: FloatArray, model: Model, top: int, left: int) -> None:
    """Run the tile whose core starts at (top, left) of ``out`` (negative where it starts in the block before)."""
    card = model.card
    reach = card.stride_px + 2 * card.halo_px
    source_y, target_y = _window(top, reach, values.shape[1])
    source_x, target_x = _window(left, reach, values.shape[2])
    if (target_y, target_x) != (slice(0, card.tile_px), slice(0, card.tile_px)):
        tile.fill(0)
    inner = tile[0, :, target_y, target_x]
    inner[...] = values[:, source_y, source_x]
    unseen = _unseen(inner)
    holes = bool(unseen.any())
    if holes:
        # What the network is given there is not used, except as a neighbour: dark, not NaN, which would spread.
        inner[:, unseen] = 0
    probability, fraction, uncertainty = model.run(tile)
    rows, core_y = _window(top, card.stride_px, out.shape[1])
    columns, core_x = _window(left, card.stride_px, out.shape[2])
    core_y, core_x = _shifted(core_y, card.halo_px), _shifted(core_x, card.halo_px)
    place = out[:, rows, columns]
    place[_GREEN] = fraction[0, 0, core_y, core_x]
    shares = place[_FIRST_CLASS : _FIRST_CLASS + len(card.classes)]
    shares[...] = probability[0, :, core_y, core_x]
    if uncertainty is not None:
        place[-1] = uncertainty[0, 0, core_y, core_x]
    hidden = None
    if holes:
        whole = np.zeros(tile.shape[2:], dtype=bool)
        whole[target_y, target_x] = unseen
        hidden = whole[core_y, core_x]
    tidy(place[_GREEN:], None if hidden is None else ~hidden, source=str(model.path))
    _label(shares, out=place[_LABEL])
    if hidden is not None:
        place[:, hidden] = np.nan
        place[_LABEL][hidden] = UNSEEN


def _window(start: int, size: int, limit: int) -> tuple[slice, slice]:
    """Part of ``start .. start + size`` that lies in ``0 .. limit``: there, and within the window itself."""
    first, last = max(start, 0), min(start + size, limit)
    return slice(first, last), slice(first - start, last - start)


def _shifted(part: slice, by: int) -> slice:
    return slice(part.start + by, part.stop + by)


def _unseen(values: FloatArray) -> npt.NDArray[np.bool_]:
    """(y, x) where any band is not a finite number: one sum and one test instead of a test a band."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(~np.isfinite(values.sum(axis=0)))


def _label(probability: FloatArray, *, out: FloatArray) -> None:
    """The first class of the highest probability; numpy's own argmax along the first axis is many times slower."""
    best = probability[0].copy()
    found = np.zeros(best.shape, np.float32)
    higher = np.empty_like(found)
    for code in range(1, len(probability)):
        # A later code is a larger number: the largest of those that were better when their turn came is the answer.
        np.multiply(probability[code] > best, np.float32(code), out=higher)
        np.maximum(found, higher, out=found)
        np.maximum(best, probability[code], out=best)
    out[...] = found


def _dataset(stacked: Any, reflectance: xr.DataArray, model: Model) -> xr.Dataset:
    import xarray as xr

    card = model.card
    last = _FIRST_CLASS + len(card.classes)
    coords = {name: coord for name, coord in reflectance.coords.items() if set(coord.dims) <= {"y", "x"}}
    flags = {
        "long_name": "land cover",
        "flag_values": np.array([cls.code for cls in card.classes], dtype=np.uint8),
        "flag_meanings": " ".join(cls.name.replace(" ", "_") for cls in card.classes),
        "flag_colors": " ".join(cls.colour for cls in card.classes),
        "missing_value": np.uint8(UNSEEN),
    }
    share = {"units": "1", "valid_min": 0.0, "valid_max": 1.0}
    unsure = {"long_name": "standard error of the vegetated share of the pixel", **share}
    told = {"green_uncertainty": (("y", "x"), stacked[-1], unsure)} if model.tells_uncertainty else {}
    return xr.Dataset(
        {
            "label": (("y", "x"), stacked[_LABEL].astype(np.uint8), flags),
            "green_fraction": (("y", "x"), stacked[_GREEN], {"long_name": "vegetated share of the pixel", **share}),
            "probability": (
                ("class", "y", "x"),
                stacked[_FIRST_CLASS:last],
                {"long_name": "class probability", **share},
            ),
            **told,
        },
        coords={**coords, "class": [cls.name for cls in card.classes]},
        attrs={"model": card.name, "model_version": card.version},
    )
