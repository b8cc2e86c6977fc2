"""Rules beyond a per-cell network: the size of a cloud, its movement, and its shadow.

* **Size.** A cloud as small as a roof is taken for a roof: anything that no square of SMALLEST_M fits into is dropped
(a grey opening of the probability).
* **A stack.** If other, mostly clear dates show a place as bright, it is a roof, sand or a greenhouse, not cloud. If
one date is brighter than the clearest dates agree on, and its colour allows it, that is haze.
* **A single date.** A small cloud inside the image casts its shadow into it: a small bright patch, not extremely
bright, without dark ground where its shadow would fall is taken for roofs.
* **Shadow.** Dark cells are cloud shadow only where one can fall given the sun's azimuth, and, with other dates, only
if darker than usual.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from howgreen.clouds.detect import CLOUD, HAZE, LEAST_VEIL, SHADOW, SNOW, veil

SMALLEST_M = 80
"""Side of a square that fits into any detected cloud. SMALLEST_M, SMALLEST_M2 and LEAST_VEIL are tuned on simulated
towns and skies: :mod:`howgreen.training.clouds.thresholds`."""
BRIGHTEST = 0.65
"""Reflectance that no ground but snow reaches over a whole cell: thick cloud, or a saturated sensor."""
SMALLEST_M2 = 40_000
"""Least area of a cloud detected by its colour alone."""
SMALL_M2, SURE = 300_000, 0.8
"""On a single date, a patch smaller than this needs a shadow to count as cloud, unless its veil probability somewhere
reaches this."""
NEAR_M = 2500
"""How far from a small cloud to look for its shadow."""
LEAST_SHADOW = 0.5
MOSTLY_CLEAR = 0.5
"""Dates with at least this share clear show what the ground looks like."""
SAME, SAME_PART = 0.03, 0.2
"""A place is as bright as on another date if the visible reflectance differs by less than 0.03 + 20 %."""
EVEN_VEIL = 0.05
"""Median veil probability over the clear cells of a single date from which all of them may lie under a uniform veil. In
simulated towns, a uniform veil that takes a tenth of the light always reaches it; see
:mod:`howgreen.training.clouds.thresholds`."""
ADDED, ADDED_PART = 0.04, 0.25
"""Least reflectance that haze adds to that of the clearest dates: 0.04 + 25 %."""
LEAST_DOUBT = 0.1
"""Veil probability from which a cell's colour is compatible with haze."""
STRONG_VEIL = 0.6
"""Veil probability that overrides a mask that says clear."""
MOVED_M = 120
"""Side of a square that fits into any cloud added to a mask."""
FEWEST_DATES = 3
"""Dates needed to detect a moved cloud that another mask has missed."""
DARKER = 0.8
"""Largest ratio of near-infrared in a cloud's shadow to that of other dates."""
FARTHEST_M = 5000
"""How far from a cloud to look for its shadow."""
BESIDE_CELLS = 3
"""Lateral tolerance of a shadow's position: the time of day and the cloud's height are not known to the cell."""
LOCAL_HOUR = 10.5
"""Local solar time of Sentinel-2 and Landsat overpasses."""

CLEAR_CELL, CLOUD_CELL, SHADOW_CELL, SNOW_CELL = (np.uint8(code) for code in range(4))

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Cells = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Look:
    """One date on coarse cells."""

    probability: NDArray[np.uint8]
    """(5, y, x) in 255ths: see :func:`howgreen.clouds.detect.probabilities`."""
    visible: Floats
    """(y, x) reflectance in the bluest available band; NaN where there are no data."""
    nir: Floats
    """(y, x) reflectance."""

    @property
    def data(self) -> Bools:
        """Whether each cell has data."""
        return np.isfinite(self.visible)

    def chance(self) -> Floats:
        """Return probabilities 0-1."""
        return self.probability.astype(np.float32) / np.float32(255)

    def veil(self, *, cell_m: float, smallest_m: float | None = None) -> Floats:
        """Compute the probability (y, x) of everything large and bright that hides the ground; 1 where brighter than any ground."""
        chance = np.where(self.visible >= BRIGHTEST, np.float32(1), veil(self.chance()))
        return opened(chance, cell_m=cell_m, smallest_m=smallest_m)


def opened(chance: Floats, *, cell_m: float, smallest_m: float | None = None) -> Floats:
    """Remove anything that no square of ``smallest_m`` (None for SMALLEST_M) fits into, by grey opening."""
    from scipy import ndimage  # takes a tenth of a second to load

    side = max(1, round((SMALLEST_M if smallest_m is None else smallest_m) / cell_m))
    if side == 1:
        return chance
    shrunk = ndimage.minimum_filter(chance, side, mode="nearest")
    # An even square has no centre: growing it back towards the other side restores its position.
    return np.asarray(ndimage.maximum_filter(shrunk, side, mode="nearest", origin=-1 if side % 2 == 0 else 0))


def alone(look: Look, *, cell_m: float, latitude: float, day: date) -> Cells:
    """Classify the cells (y, x) of one date by itself: clear, cloud, shadow or snow."""
    return together([look], cell_m=cell_m, latitude=latitude, days=[day])[0]


def together(looks: Sequence[Look], *, cell_m: float, latitude: float, days: Sequence[date]) -> list[Cells]:
    """Classify the cells (y, x) of each date from all dates.

    Parameters
    ----------
    looks
        On one common grid of cells.
    cell_m
        Cell size in metres.
    latitude
        Degrees north: with the day, it gives the direction of shadows.
    """
    veils = [look.veil(cell_m=cell_m) for look in looks]
    hidden = [_sizeable((one >= LEAST_VEIL) & look.data, cell_m) for one, look in zip(veils, looks, strict=True)]
    good = [_mostly_clear(bad, look) for bad, look in zip(hidden, looks, strict=True)]
    found = []
    for t, look in enumerate(looks):
        others = [k for k in range(len(looks)) if k != t and good[k]]
        bad, towards = hidden[t], away_from_sun(latitude, days[t])
        if not others:
            bad = bad & ~_roofs(look, bad, veils[t], cell_m=cell_m, towards=towards)
        else:
            ground = _darkest([looks[k] for k in others])
            more = look.visible - ground
            bad = bad & ~(more < SAME + SAME_PART * ground)  # NaN, where no other date has data, keeps the flag
            bad |= (more > ADDED + ADDED_PART * ground) & (veils[t] >= LEAST_DOUBT)
        shaded = _shadow(look, bad, [looks[k] for k in others], cell_m=cell_m, towards=towards)
        found.append(_named(look, bad, shaded))
    return found


def evenly_veiled(look: Look, cells: Cells) -> bool:
    """Tell whether all clear cells (y, x) of a single date may lie under a veil too uniform and thin to be distinguished."""
    clear = look.data & (cells == CLEAR_CELL)
    return bool(clear.any() and np.median(veil(look.chance())[clear]) >= EVEN_VEIL)


def moved(looks: Sequence[Look], *, cell_m: float) -> list[Bools]:
    """Find strong, sizeable haze and cloud absent on other dates, for dates with another mask; (y, x) each.

    Finds nothing if fewer than FEWEST_DATES are mostly clear.
    """
    veils = [look.veil(cell_m=cell_m, smallest_m=MOVED_M) for look in looks]
    good = [_mostly_clear((one >= LEAST_VEIL) & look.data, look) for one, look in zip(veils, looks, strict=True)]
    found = []
    for t, look in enumerate(looks):
        others = [looks[k] for k in range(len(looks)) if k != t and good[k]]
        if len(others) < FEWEST_DATES - 1:
            found.append(np.zeros(look.visible.shape, bool))
            continue
        ground = _darkest(others)
        found.append((veils[t] >= STRONG_VEIL) & (look.visible - ground > ADDED + ADDED_PART * ground))
    return found


def _sizeable(hidden: Bools, cell_m: float) -> Bools:
    """Drop connected areas below SMALLEST_M2: a block of white roofs is smaller, hardly any cloud is."""
    from scipy import ndimage  # takes a tenth of a second to load

    numbers, count = ndimage.label(hidden, structure=np.ones((3, 3)))
    large = np.bincount(numbers.ravel(), minlength=count + 1) * cell_m**2 >= SMALLEST_M2
    large[0] = False
    return np.asarray(large[numbers], bool)


def _roofs(look: Look, hidden: Bools, veil: Floats, *, cell_m: float, towards: tuple[float, float]) -> Bools:
    """Find small patches, not extremely bright, whose shadow would be visible if they were clouds, but is not."""
    from scipy import ndimage  # takes a tenth of a second to load

    numbers, _ = ndimage.label(hidden, structure=np.ones((3, 3)))
    most = round(NEAR_M / cell_m)
    margin = most + BESIDE_CELLS + 2  # farther than a shadow reaches
    dark, known = np.pad(_dark(look, cell_m=cell_m) & ~hidden, margin), np.pad(look.data, margin)
    roofs = np.zeros(hidden.shape, bool)
    for number, place in enumerate(ndimage.find_objects(numbers), 1):
        one = numbers[place] == number
        if one.sum() * cell_m**2 >= SMALL_M2 or veil[place][one].max() >= SURE:
            continue
        around = tuple(slice(side.start, side.stop + 2 * margin) for side in place)
        ground = _cast(np.pad(one, margin), most, towards)
        if known[around][ground].all() and not dark[around][ground].any():
            roofs[place] |= one
    return roofs


def _mostly_clear(hidden: Bools, look: Look) -> bool:
    seen = int(look.data.sum())
    return bool(seen and (look.data & ~hidden).sum() >= MOSTLY_CLEAR * seen)


def _darkest(looks: Sequence[Look]) -> Floats:
    """Visible reflectance (y, x) of the darkest unshaded date, or the second darkest of four or more; NaN if there is none."""
    light = np.stack([
        np.where(look.probability[SHADOW] >= 255 * LEAST_SHADOW, np.nan, look.visible) for look in looks
    ])  # fmt: skip
    light = np.sort(light, axis=0)  # NaN last
    counts = np.isfinite(light).sum(axis=0)
    second = np.where(counts >= 4, light[min(1, len(light) - 1)], light[0])
    return np.asarray(second, np.float32)


def _dark(look: Look, *, cell_m: float) -> Bools:
    """Cells (y, x) as dark as a shadow, and sizeable."""
    return np.asarray(opened(look.chance()[SHADOW], cell_m=cell_m) >= LEAST_SHADOW)


def _shadow(look: Look, cloud: Bools, others: Sequence[Look], *, cell_m: float, towards: tuple[float, float]) -> Bools:
    """Find dark cells on which a cloud's shadow can fall."""
    dark = _dark(look, cell_m=cell_m)
    if not (cloud.any() and dark.any()):
        return np.zeros(cloud.shape, bool)
    dark &= _cast(cloud, round(FARTHEST_M / cell_m), towards)
    if others:
        usual = np.stack([other.nir for other in others])
        counted = np.isfinite(usual).any(axis=0)
        middle = np.full(cloud.shape, np.nan, np.float32)
        middle[counted] = np.nanmedian(usual[:, counted], axis=0)
        dark &= ~(look.nir > DARKER * middle)
    return np.asarray(dark & ~cloud)


def away_from_sun(latitude: float, day: date) -> tuple[float, float]:
    """Return the direction (down, right) of shadows in a north-up image, a unit vector.

    Solar declination by Cooper 1969 (Solar Energy 12: 333), hour angle at the satellites' overpass.
    """
    tilt = np.radians(23.45) * np.sin(2 * np.pi * (284 + day.timetuple().tm_yday) / 365)
    place, hour = np.radians(latitude), np.radians(15 * (LOCAL_HOUR - 12))
    east = -np.cos(tilt) * np.sin(hour)
    north = np.sin(tilt) * np.cos(place) - np.cos(tilt) * np.sin(place) * np.cos(hour)
    length = float(np.hypot(east, north)) or 1.0
    return float(north) / length, -float(east) / length


def _cast(cloud: Bools, most: int, towards: tuple[float, float]) -> Bools:
    """Find cells within ``most`` cells of a cloud in one direction, with a few cells of lateral tolerance."""
    from scipy import ndimage  # takes a tenth of a second to load

    reach: Bools = np.asarray(ndimage.binary_dilation(cloud, iterations=BESIDE_CELLS), bool)
    cast = 0
    while cast < most:  # doubling: cells within 1, 3, 7, ..., and the rest
        step = min(cast + 1, most - cast)
        reach |= _moved(reach, step * towards[0], step * towards[1])
        cast += step
    return reach


def _moved(cells: Bools, down: float, right: float) -> Bools:
    out = np.zeros_like(cells)
    height, width = cells.shape
    dy, dx = round(down), round(right)
    if abs(dy) >= height or abs(dx) >= width:
        return out
    out[max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)] = cells[
        max(-dy, 0) : height + min(-dy, 0), max(-dx, 0) : width + min(-dx, 0)
    ]
    return out


def _named(look: Look, hidden: Bools, shaded: Bools) -> Cells:
    snow = look.probability[SNOW].astype(np.int16) > np.maximum(look.probability[HAZE], look.probability[CLOUD])
    return np.select([hidden & snow, hidden, shaded], [SNOW_CELL, CLOUD_CELL, SHADOW_CELL], CLEAR_CELL).astype(np.uint8)
