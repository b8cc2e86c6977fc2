"""From a composite to land cover, tile by tile.

Tiles are placed on the *grid* by the model's card, or from the images' corner if no pixel depends on others, but never
by dask's chunks, and every call of the network gets a whole tile: any chunking gives the same bits. If the card lets
tiles overlap, their predictions are blended (:mod:`howgreen.landcover.tiles`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from howgreen.core.models import ModelCard, dry_code
from howgreen.core.sensors import scale_factor
from howgreen.core.types import NEVER_CLEAR, UNSEEN, Composite, LandCover
from howgreen.landcover.model import FloatArray, Model, Prediction, require_bands, validate
from howgreen.landcover.tiles import aligned_chunks, margin_px, ramp, shifted, starts, total, window

if TYPE_CHECKING:
    import xarray as xr

Pixels = FloatArray | npt.NDArray[np.int16]
"""(band, y, x): reflectance, NaN where nothing was observed; or a composite's scaled int16, NEVER_CLEAR."""
_LABEL, _GREEN, _FIRST_CLASS = 0, 1, 2
"""Positions in the stacked block: one run of the network fills it all, views of it are cut out later. The last one is
the uncertainty, if the network predicts it."""


def classify(composite: Composite, model: Model) -> LandCover:
    """Predict label, green fraction and class probabilities of every pixel; lazy if the composite is.

    If the model predicts it, the standard error of the green fraction is included. A pixel without data in any of the
    model's bands is unseen: label 255, NaN elsewhere.

    Raises
    ------
    MissingBandsError
        The composite lacks bands that the model needs.
    """
    card = model.card
    require_bands(card, composite.bands, what="the images")
    # Integers, half the size of the reflectance they encode, are converted one tile at a time.
    name = "scaled" if "scaled" in composite.data else "reflectance"
    pixels = composite.data[name].transpose("band", "y", "x")
    if composite.bands != card.bands:  # selecting bands would copy every block
        pixels = pixels.sel(band=list(card.bands))
    stacked = _stack(pixels.data, model, composite.corner)
    return LandCover(data=_dataset(stacked, pixels, model), grid=composite.grid, card=card)


def _depth(model: Model) -> int:
    return _FIRST_CLASS + len(model.card.classes) + int(model.has_uncertainty)


def _stack(values: Any, model: Model, corner: tuple[int, int]) -> Any:
    """(2 + class (+ 1), y, x) float32: label, green fraction, probabilities, uncertainty; lazy if ``values`` is."""
    import dask.array as da

    margin = margin_px(model.card)
    # Tiles without neighbours start with the images' blocks, so that no block cuts one; otherwise blocks are rechunked.
    above, before = (0, 0) if margin else (-at % model.card.stride_px for at in corner)
    values = values if values.dtype == np.int16 else values.astype(np.float32)
    if not isinstance(values, da.Array):
        return classify_array(values, model, origin=(above, before))
    values = values.rechunk({0: -1})
    if margin:
        values = values.rechunk({axis: aligned_chunks(values.chunks[axis], model.card) for axis in (1, 2)})
    chunks = ((_depth(model),), values.chunks[1], values.chunks[2])
    rows, columns = _starts(values.chunks[1]), _starts(values.chunks[2])
    # An axis in one chunk has no neighbours to overlap with, and dask refuses an overlap larger than the array.
    alone = [margin if parts == 1 else 0 for parts in values.numblocks[1:]]
    if margin:  # with no margin, dask would still copy every block
        values = da.overlap.overlap(
            values, depth={1: margin - alone[0], 2: margin - alone[1]}, boundary=_no_data(values)
        )

    def at_place(block: Pixels, block_id: tuple[int, int, int]) -> FloatArray:
        block = _padded(block, *alone)
        return classify_block(block, model, origin=(rows[block_id[1]] + above, columns[block_id[2]] + before))

    return da.map_blocks(at_place, values, dtype=np.float32, chunks=chunks, meta=np.empty((0, 0, 0), np.float32))


def _no_data(values: Any) -> float:
    """Return the value of an unobserved pixel."""
    return NEVER_CLEAR if values.dtype == np.int16 else float("nan")


def _padded(values: Pixels, rows: int, columns: int) -> Pixels:
    """Pad a block with unobserved pixels, as outside the grid."""
    if not (rows or columns):
        return values
    margin = ((0, 0), (rows, rows), (columns, columns))
    padded = np.pad(values, margin, constant_values=_no_data(values))
    return cast("Pixels", padded)


def _starts(sizes: tuple[int, ...]) -> list[int]:
    return [0, *np.cumsum(sizes)[:-1].tolist()]


def classify_array(values: Pixels, model: Model, *, origin: tuple[int, int] = (0, 0)) -> FloatArray:
    """Classify a whole grid, (band, y, x), as :func:`classify_block` does with a block."""
    margin = margin_px(model.card)
    return classify_block(_padded(values, margin, margin), model, origin=origin)


def classify_block(values: Pixels, model: Model, *, origin: tuple[int, int]) -> FloatArray:
    """Classify one block with a margin around it.

    Parameters
    ----------
    values
        (band, y + 2 margin, x + 2 margin), with the margin of :func:`howgreen.landcover.tiles.margin_px`.
    origin
        Row and column of the block on the grid, without the margin.

    Returns
    -------
    FloatArray
        (2 + class, y, x): label, green fraction, probabilities; and the standard error of the green fraction as one
        more, if the model estimates it.
    """
    card, margin = model.card, margin_px(model.card)
    height, width = values.shape[1] - 2 * margin, values.shape[2] - 2 * margin
    # Overlapping tiles are added from the grid's top left to its bottom right: sums of floats depend on their order.
    out = (np.zeros if card.overlap_px else np.empty)((_depth(model), height, width), dtype=np.float32)
    take = _add_tile if card.overlap_px else _place_tile
    tile = np.zeros((1, len(card.bands), card.tile_px, card.tile_px), dtype=np.float32)
    for top in starts(origin[0], height, card):
        for left in starts(origin[1], width, card):
            take(values, out, tile, model, top - origin[0], left - origin[1])
    if card.overlap_px:
        weights = total(origin[0], height, card)[:, None] * total(origin[1], width, card)
        np.clip(out[_GREEN:] / weights, 0, 1, out=out[_GREEN:])
        _finish(out, _unseen(values[:, margin : margin + height, margin : margin + width]), model)
    return out


def _place_tile(values: Pixels, out: FloatArray, tile: FloatArray, model: Model, top: int, left: int) -> None:
    """Run the tile whose core starts at (top, left) of ``out``, and write its prediction there."""
    prediction, unseen = _run_tile(values, tile, model, top, left)
    rows, inner_y = _middle(top, out.shape[1], model.card)
    columns, inner_x = _middle(left, out.shape[2], model.card)
    place = out[:, rows, columns]
    shares = place[_FIRST_CLASS : _FIRST_CLASS + len(model.card.classes)]
    place[_GREEN] = prediction.green_fraction[0, 0, inner_y, inner_x]
    shares[...] = prediction.probability[0, :, inner_y, inner_x]
    if prediction.green_uncertainty is not None:
        place[-1] = prediction.green_uncertainty[0, 0, inner_y, inner_x]
    unobserved = None if unseen is None else unseen[inner_y, inner_x]
    validate(place[_GREEN:], None if unobserved is None else ~unobserved, source=str(model.path))
    _finish(place, unobserved, model)


def _add_tile(values: Pixels, out: FloatArray, tile: FloatArray, model: Model, top: int, left: int) -> None:
    """Run the tile whose core starts at (top, left) of ``out``, and add its weighted prediction there."""
    prediction, unseen = _run_tile(values, tile, model, top, left)
    rows, inner_y = _middle(top, out.shape[1], model.card)
    columns, inner_x = _middle(left, out.shape[2], model.card)
    layers = [prediction.green_fraction, prediction.probability]
    layers += [] if prediction.green_uncertainty is None else [prediction.green_uncertainty]
    shares = np.concatenate([part[0, :, inner_y, inner_x] for part in layers])
    seen = None if unseen is None else ~unseen[inner_y, inner_x]
    validate(shares, seen, source=str(model.path))
    if seen is not None:
        shares[:, ~seen] = 0  # perhaps NaN, but not needed
    weights, halo = ramp(model.card), -model.card.halo_px
    out[_GREEN:, rows, columns] += shares * (weights[shifted(inner_y, halo), None] * weights[shifted(inner_x, halo)])


def _run_tile(
    values: Pixels, tile: FloatArray, model: Model, top: int, left: int
) -> tuple[Prediction, npt.NDArray[np.bool_] | None]:
    """Run the tile whose core starts at (top, left) of the block inside its margin; also return (y, x) unobserved."""
    reach = tile.shape[2]
    shift = margin_px(model.card) - model.card.halo_px
    source_y, target_y = window(top + shift, reach, values.shape[1])
    source_x, target_x = window(left + shift, reach, values.shape[2])
    if (target_y, target_x) != (slice(0, reach), slice(0, reach)):
        tile.fill(0)
    inner, part = tile[0, :, target_y, target_x], values[:, source_y, source_x]
    if part.dtype == np.int16:
        np.divide(part, _per_unit(model.card), out=inner, dtype=np.float32)
    else:
        inner[...] = part
    unseen = _unseen(part)
    if not unseen.any():
        return model.run(tile), None
    # Predictions of unobserved pixels are discarded, but neighbours see their input: dark, not NaN, which would spread.
    inner[:, unseen] = 0
    whole = np.zeros(tile.shape[2:], dtype=bool)
    whole[target_y, target_x] = unseen
    return model.run(tile), whole


def _middle(start: int, size: int, card: ModelCard) -> tuple[slice, slice]:
    """Find the rows (or columns) of a tile's core within a block of ``size``: in the block, and in the tile."""
    there, within = window(start, card.stride_px + card.overlap_px, size)
    return there, shifted(within, card.halo_px)


def _finish(place: FloatArray, unobserved: npt.NDArray[np.bool_] | None, model: Model) -> None:
    """Derive the labels from the probabilities; no data where unobserved."""
    _label(place[_FIRST_CLASS : _FIRST_CLASS + len(model.card.classes)], out=place[_LABEL])
    if unobserved is not None:
        place[:, unobserved] = np.nan
        place[_LABEL][unobserved] = UNSEEN


def _per_unit(card: ModelCard) -> FloatArray:
    """(band, 1, 1) integers per unit of reflectance, or of decibels."""
    return np.array([round(1 / scale_factor(band)) for band in card.bands], np.float32)[:, None, None]


def _unseen(values: Pixels) -> npt.NDArray[np.bool_]:
    """(y, x) where any band is never clear or not finite: one sum and one test instead of a test per band."""
    if values.dtype == np.int16:
        lowest: npt.NDArray[np.bool_] = values.min(axis=0) == NEVER_CLEAR
        return lowest
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(~np.isfinite(values.sum(axis=0)))


def _label(probability: FloatArray, *, out: FloatArray) -> None:
    """Write the first class of highest probability; numpy's own argmax along the first axis is many times slower."""
    best = probability[0].copy()
    codes = np.zeros(best.shape, np.float32)
    higher = np.empty_like(codes)
    for code in range(1, len(probability)):
        # Codes rise, so the answer is the largest code that beat the best so far.
        np.multiply(probability[code] > best, np.float32(code), out=higher)
        np.maximum(codes, higher, out=codes)
        np.maximum(best, probability[code], out=best)
    out[...] = codes


def _dataset(stacked: Any, pixels: xr.DataArray, model: Model) -> xr.Dataset:
    import xarray as xr

    card = model.card
    last = _FIRST_CLASS + len(card.classes)
    coords = {name: coord for name, coord in pixels.coords.items() if set(coord.dims) <= {"y", "x"}}
    flags = {
        "long_name": "land cover",
        "flag_values": np.array([cls.code for cls in card.classes], dtype=np.uint8),
        "flag_meanings": " ".join(cls.name.replace(" ", "_") for cls in card.classes),
        "flag_colors": " ".join(cls.colour for cls in card.classes),
        "missing_value": np.uint8(UNSEEN),
    }
    share = {"units": "1", "valid_min": 0.0, "valid_max": 1.0}
    uncertainty = {"long_name": "standard error of the vegetated share of the pixel", **share}
    optional = {"green_uncertainty": (("y", "x"), stacked[-1], uncertainty)} if model.has_uncertainty else {}
    code = dry_code(card.classes)
    if code is not None:
        dry = {"long_name": "share of the pixel under dry plants", **share}
        optional["dry_fraction"] = (("y", "x"), stacked[_FIRST_CLASS + code], dry)
    return xr.Dataset(
        {
            "label": (("y", "x"), stacked[_LABEL].astype(np.uint8), flags),
            "green_fraction": (("y", "x"), stacked[_GREEN], {"long_name": "vegetated share of the pixel", **share}),
            "probability": (
                ("class", "y", "x"),
                stacked[_FIRST_CLASS:last],
                {"long_name": "class probability", **share},
            ),
            **optional,
        },
        coords={**coords, "class": [cls.name for cls in card.classes]},
        attrs={"model": card.name, "model_version": card.version},
    )
