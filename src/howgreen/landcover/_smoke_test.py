"""A model's first run: whether it does what its card says, tested before it is added to the library."""

from __future__ import annotations

import numpy as np

from howgreen.core.errors import ModelError
from howgreen.core.sensors import RADAR_BANDS
from howgreen.landcover._known_spectra import try_known_spectra
from howgreen.landcover.first_tile import try_first_tile
from howgreen.landcover.model import FloatArray, Model, validate

LONGEST_S = 60.0
"""Most seconds per tile; a slower model is useless."""
SUM_TOLERANCE = 0.01
REACH_TOLERANCE = 0.01
"""Smallest change of an answer by distant pixels that is reported."""
_NEAR, _FEW = 1e-3, 0.01


def try_model(model: Model, *, source: str) -> tuple[str, ...]:
    """Run a model on tiles of random pixels and of known surfaces; return notes on what is allowed but may surprise.

    Raises
    ------
    ModelError
        It does not terminate, its shares are not 0-1 with a sum of 1, it predicts the same pixels differently, or
        neighbouring pixels matter although its card says that they do not.
    """
    rng = np.random.default_rng(0)
    tile = _random_tile(model, rng)
    try_first_tile(
        model.content, bands=len(model.card.bands), side=model.card.tile_px, source=source, seconds=LONGEST_S
    )
    first = _answers(model, tile, source)
    if not np.array_equal(first, _answers(model, tile, source)):
        raise ModelError(f"model {source}: answers the same pixels differently; export it without randomness (as for "
                         "evaluation, not training)")  # fmt: skip
    sums = first[1:].sum(axis=0)
    if np.abs(sums - 1).max() > SUM_TOLERANCE:
        raise ModelError(f"model {source}: the probabilities of a pixel add up to {sums.min():.3g}-{sums.max():.3g}, not 1; "
                         "end its graph with a softmax")  # fmt: skip
    # Dependence on the whole tile is reported as such, before it is mistaken for a wrong halo.
    surprises = tuple(try_known_spectra(model, source=source))
    neighbours = _reach if model.card.looks_around else _pixelwise
    return (*neighbours(model, tile, first, rng, source), *surprises)


def _random_tile(model: Model, rng: np.random.Generator) -> FloatArray:
    """(1, band, y, x): plausible reflectance, or decibels for a radar band."""
    side = model.card.tile_px
    low_high = [(-25, 0) if band in RADAR_BANDS else (0, 0.6) for band in model.card.bands]
    bands = [rng.uniform(low, high, (side, side)) for low, high in low_high]
    return np.stack(bands)[None].astype(np.float32)


def _answers(model: Model, tile: FloatArray, source: str) -> FloatArray:
    """(1 + class, y, x): green fraction and probabilities. An uncertainty is checked and dropped."""
    probability, fraction, uncertainty = model.run(tile)
    answers = np.concatenate([fraction[0], probability[0]])
    validate(answers, None, source=source)
    if uncertainty is not None:
        validate(uncertainty[0], None, source=source)
    return answers


def _pixelwise(
    model: Model, tile: FloatArray, first: FloatArray, rng: np.random.Generator, source: str
) -> tuple[str, ...]:
    """Check that a pixel model predicts shuffled pixels as the shuffled predictions."""
    order = rng.permutation(tile[0, 0].size)
    shuffled = tile.reshape(*tile.shape[:2], -1)[..., order].reshape(tile.shape)
    again = _answers(model, np.ascontiguousarray(shuffled), source)
    change = np.abs(again.reshape(len(again), -1) - first.reshape(len(first), -1)[:, order]).max(axis=0)
    # Not all of them: summing in another order may carry a pixel over a tree's threshold.
    if (change > _NEAR).mean() > _FEW:
        raise ModelError(f"model {source}: its card says halo_px 0, but neighbouring pixels change its answers; write the "
                         "true halo_px into the card, or a stride_px below tile_px, and tiles are blended")  # fmt: skip
    return ()


def _reach(model: Model, tile: FloatArray, first: FloatArray, rng: np.random.Generator, source: str) -> tuple[str, ...]:
    """Report how far pixels beyond the halo change the prediction of the central pixel."""
    middle, halo = model.card.tile_px // 2, model.card.halo_px
    other = _random_tile(model, rng)
    near = slice(max(middle - halo, 0), middle + halo + 1)
    other[..., near, near] = tile[..., near, near]
    change = float(np.abs(_answers(model, other, source) - first)[:, middle, middle].max())
    if change <= REACH_TOLERANCE:
        return ()
    further = f"pixels further than halo_px {halo} change its answers by up to {change:.2f}"
    if model.card.overlap_px:
        return (f"{further}: its tiles are blended over {model.card.overlap_px} pixels, so that no seam shows",)
    return (f"{further}: seams may show where tiles meet; a smaller stride_px in its card would blend them",)
