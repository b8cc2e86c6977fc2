"""A sanity check on well-known spectra: leaf is green, asphalt is not, water is not land.

The numbers are typical surface reflectances of our own choosing. They separate a working model from one that is
inverted or was trained on other numbers; they do not measure its quality.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from howgreen.core.errors import ModelError
from howgreen.core.sensors import RADAR_BANDS
from howgreen.core.types import HALF_GREEN
from howgreen.landcover.model import FloatArray, Model, validate

BANDS = ("blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "swir16", "swir22")


@dataclass(frozen=True, kw_only=True)
class KnownGround:
    """A surface, its reflectance in :data:`BANDS`, and whether it is green (None: opinions differ)."""

    name: str
    green: bool | None
    reflectance: tuple[float, ...]


KNOWN = (
    KnownGround(name="leaf", green=True, reflectance=(0.025, 0.055, 0.024, 0.085, 0.29, 0.36, 0.38, 0.39, 0.18, 0.07)),
    KnownGround(name="lawn", green=True, reflectance=(0.03, 0.075, 0.035, 0.105, 0.31, 0.39, 0.40, 0.41, 0.22, 0.10)),
    KnownGround(name="dry grass", green=None, reflectance=(0.08, 0.12, 0.17, 0.21, 0.24, 0.27, 0.30, 0.32, 0.38, 0.26)),
    KnownGround(name="asphalt", green=False, reflectance=(0.08, 0.09, 0.10, 0.105, 0.11, 0.115, 0.12, 0.12, 0.15, 0.145)),
    KnownGround(name="red roof", green=False, reflectance=(0.07, 0.09, 0.17, 0.21, 0.23, 0.245, 0.255, 0.26, 0.34, 0.31)),
    KnownGround(name="sand", green=False, reflectance=(0.20, 0.26, 0.31, 0.33, 0.35, 0.36, 0.375, 0.385, 0.43, 0.39)),
    KnownGround(name="water", green=False, reflectance=(0.045, 0.06, 0.045, 0.035, 0.02, 0.02, 0.017, 0.015, 0.006, 0.004)),
    KnownGround(name="snow", green=False, reflectance=(0.90, 0.90, 0.89, 0.88, 0.87, 0.86, 0.85, 0.83, 0.10, 0.08)),
)  # fmt: skip

ALIKE = 0.02
"""If the predictions for all known surfaces lie within this range, the model gives one answer for everything."""
FAR_DARK, FAR_BRIGHT = 0.005, 0.95
"""Reflectances for half of a tile, to test whether distant pixels matter: all bands dark, all bright, or only the
visible or only the infrared ones so, since a model may normalise a band index over the tile."""
VISIBLE = ("blue", "green", "red", "rededge1")
TILE_WIDE = 0.1
"""If the green fraction moves by more than this when only distant pixels change, it depends on the whole tile."""


def is_optical(model: Model) -> bool:
    """Tell whether the known spectra cover every band of a model."""
    return all(band in BANDS for band in model.card.bands) and not set(model.card.bands) & set(RADAR_BANDS)


def try_known_spectra(model: Model, *, source: str) -> Iterator[str]:
    """Run a model on uniform known surfaces; yield a note for each answer that would surprise its user.

    Raises
    ------
    ModelError
        It gives one answer for leaf, asphalt, sand, water and snow, or a pixel's answer depends on the brightness at
        the far end of the tile.
    """
    if not is_optical(model):
        return
    _check_far_ground(model, source)
    fractions = {ground.name: _green_fraction(model, ground, source) for ground in KNOWN}
    spread = max(fractions.values()) - min(fractions.values())
    if spread <= ALIKE:
        raise ModelError(
            f"model {source}: gives one answer ({min(fractions.values()):.2f} green) for leaf, asphalt, sand, water and snow; "
            "was it trained on other numbers than reflectance of 0-1? Wrap it with `howgreen models wrap --scale 10000` "
            "(or its own scale), and check the order of its bands"
        )
    for ground in KNOWN:
        fraction = fractions[ground.name]
        seems_green = fraction >= HALF_GREEN
        if ground.green is not None and seems_green != ground.green:
            yield f"calls {ground.name} {'green' if seems_green else 'not green'} (green fraction {fraction:.2f})"


def _spectrum(model: Model, ground: KnownGround) -> FloatArray:
    """(band,) reflectance in the order of the model's bands."""
    return np.array([ground.reflectance[BANDS.index(band)] for band in model.card.bands], np.float32)


def _even_tile(model: Model, ground: KnownGround) -> FloatArray:
    """(1, band, y, x): a tile of one surface."""
    side = model.card.tile_px
    return np.broadcast_to(_spectrum(model, ground)[None, :, None, None], (1, len(model.card.bands), side, side)).copy()


def _fractions(model: Model, tile: FloatArray, source: str) -> FloatArray:
    """(y, x) green fraction of a tile."""
    fraction: FloatArray = model.run(tile).green_fraction[0, 0]
    validate(fraction, None, source=source)
    return fraction


def _green_fraction(model: Model, ground: KnownGround, source: str) -> float:
    middle = model.card.tile_px // 2
    return float(_fractions(model, _even_tile(model, ground), source)[middle, middle])


def _check_far_ground(model: Model, source: str) -> None:
    """Compare predictions next to distant halves of different brightness: only pixels beyond the halo differ."""
    card = model.card
    if 2 * card.halo_px + 2 > card.tile_px:
        return
    visible = np.isin(card.bands, VISIBLE)
    predictions = []
    for far in (np.zeros(len(visible), bool), np.ones(len(visible), bool), visible, ~visible):
        tile = _mixed_tile(model)
        light = np.where(far, FAR_BRIGHT, FAR_DARK).astype(np.float32)
        # In columns: a pixel model runs on strips of rows, and pixels of another strip would have no effect.
        tile[:, :, :, card.tile_px // 2 + card.halo_px :] = light[None, :, None, None]
        predictions.append(_fractions(model, tile, source)[:, : card.tile_px // 2])
    change = np.max([np.abs(one - predictions[0]) for one in predictions[1:]], axis=0)
    # A column next to the distant half may see it through a window that the card rounds down; the far end of the tile
    # may not.
    moved = float(change[:, : max(card.tile_px // 4, 1)].max())
    if moved > TILE_WIDE:
        raise ModelError(
            f"model {source}: its answer for a pixel moves by {moved:.2f} when only the light of the far half of the tile "
            "changes; it normalises over the whole tile (instance norm, min-max stretch, quantisation on the fly). Export it with "
            "fixed means and scales"
        )


def _mixed_tile(model: Model) -> FloatArray:
    """(1, band, y, x): columns of ordinary surfaces side by side, none as dark or bright as the distant half may be."""
    ordinary = [_spectrum(model, ground) for ground in KNOWN if ground.name not in ("water", "snow")]
    spectra = np.stack(ordinary, axis=1)
    columns = np.arange(model.card.tile_px) % len(ordinary)
    return np.repeat(spectra[:, None, columns], model.card.tile_px, axis=1)[None].copy()
