"""Tests whether numbers, scaled as stated, can be surface reflectance: applied to every image from any source.

Four signs reveal wrong numbers:

* **Ends.** The bright and the dark end of a band: the median of the ground is not above three quarters, one pixel in a hundred
  of any land reflects a quarter of the near-infrared, and a tenth of it is not below zero.
* **The dark end of all visible bands.** Vegetation, water and shade reflect less than 0.05. If no visible band has a twentieth of
  its pixels below 0.095, an offset remains (Sentinel-2's +1000, Landsat's missing -0.2), or the land is bare and bright.
* **Gaps.** Sentinel-2's reflectance has steps of 0.0001 (or of a rounder number). If numbers between the darkest and the brightest
  never occur, all were multiplied, by a factor that follows from the spacing of those that occur (or from the share missing).
* **The brightest ground.** Roofs, streets, sand and dry soil have smooth spectra. A band twice as bright there as its neighbours
  predict has a scale of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from howgreen.core.sensors import LANDSAT, S2_OFFSET_04, SENTINEL2, Sensor
from howgreen.core.types import Encoding

VISIBLE = ("blue", "green", "red")
NEAR_INFRARED = ("nir", "nir08")

LOWEST_MEDIAN, HIGHEST_MEDIAN = 0.005, 1.2
"""Median over all bands: outside this range nothing is reflectance, whatever the metadata say."""
LOWEST_TOP = 0.08
"""On any land, 1 % of the pixels are brighter in some band."""
BRIGHT_MEDIAN, BRIGHT_TOP = 0.75, 1.05
"""Median, and 95th percentile, of one band: only snow and clouds come close."""
LEAST_NIR_TOP = 0.28
"""99th percentile of near-infrared on land: plants, roofs and bare ground exceed it everywhere."""
MOST_NEGATIVE = 0.2
"""Share of the land with negative reflectance in some visible band: true of some shade (and much water), of no
landscape."""
DARK = 0.095
"""5 % of the ground is darker than this in some visible band."""
LEAST_APART = 0.06
"""Gap between the 1st percentile of one visible band and that of the next: in 287 windows of five real images at most
0.025; an offset of 0.1 in one band alone adds 0.1. The near-infrared is excluded: over fields and woods its dark end is
that high anyway."""
NEGATIVE = -0.005
BRIGHT_RED, DARKER_NIR, MOST_EXCHANGED = 0.2, 0.45, 0.01
"""Pixels redder than the first are odd if their near-infrared is below this share of the red; the last is the share of
odd pixels that is too many."""
BARE_NDVI, MOST_BLUER = 0.3, 0.5
"""Upper vegetation index of the land tested, whichever of red and blue is brighter, and the share of it that may
reflect more blue than red: in nine real images of surface reflectance at most 0.24, clouds included; with red and blue
swapped, or without atmospheric correction, at least 0.76."""
MOST_PART, LEAST_PART, PART_APART = 0.095, 0.1, 0.03
"""2nd percentile of a part of the image, in every visible band, that only an offset explains; the share of parts that
makes a mosaic; and how much darker the median of the other parts is. In eight real images at most one part in twenty,
with an offset in half of it a half."""
BRIGHTEST, NO_CLOUD, LEAST_BRIGHT = 0.02, 0.6, 0.1
"""Share of pixels that counts as the brightest ground, among those with a middle visible band below the second; and the
least median visible reflectance of this ground for a verdict."""
LOWEST_GREEN, HIGHEST_GREEN, MOST_BARE = 0.82, 1.2, 2.2
"""Range of green over the geometric mean of blue and red on the brightest ground: roofs, streets, sand and dry soil of
any colour have smooth spectra. In 16 real images 0.92 to 1.10; with one band doubled or halved outside 0.78 to 1.30. If
near-infrared exceeds the third times the visible, the brightest ground may be plants. Of 4,102 windows of 48 to 160
pixels a side of these images, six of the smaller ones are reported."""
LEAST_BARE, PLANTS, BRIGHT_NIR, PLANT_GREEN = 0.85, 2.1, 0.45, 1.12
"""Range of near-infrared over visible on the brightest ground: in nine real images of surface reflectance 1.1 to 2.1. A higher
ratio, with near-infrared above the third and green below the fourth, cannot be plants: these are darker in the visible."""
DENSE, DENSE_NIR = 0.6, 0.15
"""Least vegetation index of dense plants, computed with the brightest visible band; and their least near-infrared."""
LEAF_ORDER = (
    ("red", "rededge1"),
    ("blue", "green"),
    ("red", "green"),
    ("rededge1", "rededge2"),
    ("rededge2", "rededge3"),
    ("swir22", "swir16"),
    ("swir16", "nir"),
)
"""Pairs of bands of which dense plants reflect less in the first."""
MOST_OUT_OF_ORDER = 0.75
"""Share of dense plants that may reflect more in the first band of a pair. Red and green: in eight real images of surface reflectance at
most 0.34 (0.60 in 1,000 windows), swapped at least 0.91, except for one of dry plants. Blue and green: at most 0.05; swapped, or at the top
of the atmosphere, at least 0.69. All other pairs: 0.06 in one image, 0.00 in the other 14."""
MOST_EQUAL = 0.9
"""Share of the pixels with equal numbers in two bands from which these are one band twice."""
STRETCHED_TOP = 0.005
"""Share of an 8-bit band at its highest number: almost none in reflectance, 1-2 % in a contrast-stretched picture."""
FEWEST_PX = 200
"""Pixels needed for any verdict."""
FEWEST_PER_LEVEL, FEWEST_LEVELS = 10, 20
"""Pixels per distinct number, and distinct numbers, needed before gaps mean anything."""
LEAST_STRETCH = 1.2
"""Spacing of the distinct numbers, in steps of one, from which there are gaps."""
MOST_LEFT_OUT = 0.03
"""Share of whole numbers between darkest and brightest that never occur, in the band with the fewest missing: in eight
real images none, multiplied by 1.05 one in twenty, by 1.1 one in eleven."""
ALIKE = 0.02
"""Multiplication leaves the same share missing in every band; coarser quantisation does not."""
ROUNDING = 0.75
"""Distance within which multiplied whole numbers lie from their place before rounding."""
MOST_ODD = 0.02
STEP_TOLERANCE = 0.02
FIT_TOLERANCE = 1e-3
"""Accuracy to which the spacing of numbers is measured."""

USUAL_MEDIAN, AS_USUAL = 0.07, 1.5
"""Median visible reflectance of typical land, and how many times farther from it than the best candidate a proposed
scale may take it. Without near-infrared nearly every scale gives something that might be dark woods."""

_HIGHEST = 255

Kind = Literal["impossible", "scale", "offset"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Why numbers are rejected as reflectance."""

    kind: Kind
    """``impossible`` in any case; ``scale`` or ``offset`` unless the user insists on both."""
    what: str
    """The reason, in words."""
    likely: tuple[float, float] | None = None
    """Scale and offset that fit; None if none of the usual ones does."""


def check(
    numbers: Mapping[str, npt.NDArray[Any]], encodings: Mapping[str, Encoding], *, sensor: Sensor
) -> Finding | None:
    """Check whether the numbers of a scene can be reflectance; return None if they can.

    Parameters
    ----------
    numbers
        Valid DN of each reflective band, (pixel,); of the same pixels where all have the same length.
    encodings
        Stated encoding of each band.
    sensor
        Sensor of the bands.
    """
    found = _check(numbers, encodings, sensor)
    return None if found is None else replace(found, likely=_likely(numbers, encodings, sensor, found.kind))


def _check(
    numbers: Mapping[str, npt.NDArray[Any]], encodings: Mapping[str, Encoding], sensor: Sensor
) -> Finding | None:
    bands = {
        band: values[np.isfinite(values)] if values.dtype.kind == "f" else values for band, values in numbers.items()
    }
    bands = {band: values for band, values in bands.items() if values.size}
    if not bands:
        return None
    light = {
        band: values.astype(np.float64) * encodings[band].scale + encodings[band].offset
        for band, values in bands.items()
    }
    land = _land(light)
    if found := _impossible(light, land):
        return found
    if min(values.size for values in light.values()) < FEWEST_PX:
        return None
    if sensor is SENTINEL2 and (found := gaps(bands, encodings)):
        return found
    return _ends(light, land) or _shift(light, land)


Light = Mapping[str, npt.NDArray[np.float64]]
"""Reflectance by band, (pixel,)."""


def _land(light: Light) -> Light:
    """Select the pixels that are not water, whatever the scale: more near-infrared than green (or red).

    Returns all of them if that cannot be tested, and none if fewer than FEWEST_PX are left.
    """
    near = next((light[band] for band in NEAR_INFRARED if band in light), None)
    visible = next((light[band] for band in ("green", "red") if band in light), None)
    if near is None or visible is None or any(values.shape != near.shape for values in light.values()):
        return light
    is_land = near > visible
    return {band: values[is_land] for band, values in light.items()} if is_land.sum() >= FEWEST_PX else {}


def _impossible(light: Light, land: Light) -> Finding | None:
    middle, top = _middle_and_top(light)
    dark = middle < LOWEST_MEDIAN or top < LOWEST_TOP
    if dark and land is not light:  # if nearly all is sea, the land decides
        middle, top = _middle_and_top(land) if land else (LOWEST_MEDIAN, LOWEST_TOP)
        dark = middle < LOWEST_MEDIAN or top < LOWEST_TOP
    if middle <= HIGHEST_MEDIAN and not dark:
        return None
    text = (
        f"half of the pixels reflect less than {middle:.3g}, and 1 % more than {top:.3g}: not surface reflectance (0-1)"
    )
    return Finding(kind="impossible", what=text)


def _middle_and_top(light: Light) -> tuple[float, float]:
    """Return the median and the 99th percentile of all bands together."""
    middle, top = np.percentile(np.concatenate([values.ravel() for values in light.values()]), [50, 99])
    return float(middle), float(top)


def _ends(light: Light, land: Light) -> Finding | None:
    for band, values in light.items():
        middle, top = np.percentile(values, [50, 95])
        if middle > BRIGHT_MEDIAN or top > BRIGHT_TOP:
            text = f"band {band}: half of it reflects more than {middle:.2f}, and 5 % more than {top:.2f}: brighter than snow"
            return Finding(kind="scale", what=text)
    for band in NEAR_INFRARED:
        if band in land and (top := float(np.percentile(land[band], 99))) < LEAST_NIR_TOP:
            text = f"band {band}: not one pixel in a hundred of its land reflects more than {top:.3f}: darker than any land, or the bands are in another order (--bands)"
            return Finding(kind="scale", what=text)
    return None


def _shift(light: Light, land: Light) -> Finding | None:
    visible = [light[band] for band in VISIBLE if band in light] or list(light.values())
    ground = [land[band] for band in VISIBLE if band in land] or list(land.values())
    share = max((float((values < NEGATIVE).mean()) for values in ground), default=0.0)
    if share > MOST_NEGATIVE:
        text = f"{100 * share:.0f} % of the land reflects less than nothing: an offset seems subtracted twice"
        return Finding(kind="offset", what=text)
    dark = [float(np.percentile(values, 5)) for values in visible]
    if min(dark) >= DARK:
        text = f"in no visible band is a twentieth darker than {min(dark):.3f}: an offset seems not subtracted"
        return Finding(kind="offset", what=text)
    return _one_apart(light)


def _one_apart(light: Light) -> Finding | None:
    """Find a visible band whose dark end is far brighter than that of the others, which are as dark as expected."""
    dark = sorted((float(np.percentile(light[band], 1)), band) for band in VISIBLE if band in light)
    if len(dark) < len(VISIBLE) or dark[-2][0] >= DARK or dark[-1][0] - dark[-2][0] < LEAST_APART:
        return None
    text = (
        f"band {dark[-1][1]}: only a hundredth is darker than {dark[-1][0]:.3f}, where the other visible bands go down to {dark[-2][0]:.3f}: an offset "
        "seems left in this band alone"
    )
    return Finding(kind="offset", what=text)


def exchanged(red: npt.NDArray[np.floating[Any]], nir: npt.NDArray[np.floating[Any]]) -> float:
    """Return the share of pixels that are bright in red and less than half as bright in near-infrared.

    Only if swapped bands alone can explain it, as plants then look so and no ground does; else 0.

    Parameters
    ----------
    red, nir
        Reflectance of the same pixels.
    """
    odd, usual = (
        float(((one > BRIGHT_RED) & (other < DARKER_NIR * one)).mean()) for one, other in ((red, nir), (nir, red))
    )
    return odd if odd > MOST_EXCHANGED and odd > 10 * usual else 0.0


def bluer(light: Light) -> float | None:
    """Return the share of bare land that reflects more blue than red; None with too little of it, or a band missing.

    The reflectance of soils, roofs and streets rises with wavelength. If half of them deviate, two bands were swapped,
    or the image was not corrected for atmospheric scattering.

    Parameters
    ----------
    light
        Reflectance of the same pixels by band, (pixel,).
    """
    near = next((light[band] for band in NEAR_INFRARED if band in light), None)
    red, blue, green = (light.get(band) for band in ("red", "blue", "green"))
    if near is None or red is None or blue is None or green is None or len({one.size for one in light.values()}) > 1:
        return None
    brighter = np.maximum(red, blue)
    bare = (near > green) & (brighter > 0) & (near - brighter < BARE_NDVI * (near + brighter))
    return float((blue > red)[bare].mean()) if bare.sum() >= FEWEST_PX else None


def leaves_out_of_order(light: Light) -> tuple[str, str, float] | None:
    """Find two bands of which most dense plants reflect more in the one that is darker on leaves; None if there are none.

    Then the two were swapped, or the bands are in another order. More blue than green may also be uncorrected atmospheric scattering.

    Parameters
    ----------
    light
        Reflectance by band, (pixel,); only bands with as many pixels as the near-infrared are tested.

    Returns
    -------
    tuple
        The band that should be darker, the other, and the share of dense plants.
    """
    first = next((light[band] for band in NEAR_INFRARED if band in light), None)
    if first is None:
        return None
    same = {"nir": first} | {band: values for band, values in light.items() if values.size == first.size}
    near = np.max([same[band] for band in NEAR_INFRARED if band in same], axis=0)
    visible = [same[band] for band in VISIBLE if band in same]
    if not visible:
        return None
    brightest = np.max(visible, axis=0)
    dense = (near > DENSE_NIR) & (near - brightest > DENSE * (near + brightest)) & (brightest > 0)
    if dense.sum() < FEWEST_PX:
        return None
    shares = {
        (darker, brighter): float((same[darker] > same[brighter])[dense].mean())
        for darker, brighter in LEAF_ORDER
        if darker in same and brighter in same
    }
    pair = max(shares, key=lambda one: shares[one], default=("", ""))
    return (*pair, shares[pair]) if shares.get(pair, 0.0) > MOST_OUT_OF_ORDER else None


def odd_band(light: Light) -> tuple[str, float, tuple[float, float]] | None:
    """Find a band inconsistent with the others on the brightest ground; None if all are consistent.

    The brightest pixels in all visible bands together are roofs, streets, sand or dry soil, even if a single band is
    scaled wrongly, and their spectra are smooth. A single band twice or half as bright stands out.

    Parameters
    ----------
    light
        Reflectance of the same pixels by band, (pixel,).

    Returns
    -------
    tuple
        ``visible`` or the near-infrared band, the ratio found, and its usual range. ``visible`` is green over the mean
        of blue and red, and any of the three may be the wrong one.
    """
    names = [band for band in VISIBLE if band in light]
    near = next((band for band in NEAR_INFRARED if band in light), None)
    if near is None or len(names) < 2 or len({light[band].size for band in (*names, near)}) > 1:
        return None
    visible = np.median([light[band] for band in names], axis=0)
    ground = np.logical_and.reduce([light[band] > 0 for band in (*names, near)]) & (visible < NO_CLOUD)
    if ground.sum() < FEWEST_PX:
        return None
    bands, visible = {band: light[band][ground] for band in (*names, near)}, visible[ground]
    brightest = visible >= np.quantile(visible, 1 - BRIGHTEST)
    bands, visible = {band: values[brightest] for band, values in bands.items()}, visible[brightest]
    level, bare = float(np.median(visible)), float(np.median(bands[near] / visible))
    if level <= LEAST_BRIGHT:
        return None
    green = (
        float(np.median(bands["green"] / np.sqrt(bands["red"] * bands["blue"]))) if len(names) == len(VISIBLE) else 1.0
    )
    if bare < MOST_BARE and not LOWEST_GREEN <= green <= HIGHEST_GREEN:
        return "visible", green, (LOWEST_GREEN, HIGHEST_GREEN)
    if bare < LEAST_BARE or (bare > PLANTS and bare * level > BRIGHT_NIR and green < PLANT_GREEN):
        return near, bare, (LEAST_BARE, PLANTS)
    return None


def shifted_part(parts: Sequence[Light]) -> float | None:
    """Return the share of an image's parts that seem to hold an offset, while the others hold none; None otherwise.

    Parameters
    ----------
    parts
        Reflectance of parts of one image, each by band, (pixel,).
    """
    dark = [
        min(float(np.percentile(part[band], 2)) for band in VISIBLE)
        for part in parts
        if all(band in part and part[band].size >= FEWEST_PX for band in VISIBLE)
    ]
    bright = np.array(dark) >= MOST_PART
    share = float(bright.mean()) if dark else 0.0
    if not LEAST_PART <= share <= 1 - LEAST_PART:
        return None
    return share if float(np.median(np.array(dark)[~bright])) <= MOST_PART - PART_APART else None


def one_twice(numbers: Mapping[str, npt.NDArray[Any]]) -> tuple[str, str] | None:
    """Find two bands with the same numbers; None if there are none, or a band is constant, which proves nothing.

    Parameters
    ----------
    numbers
        DN by band, (pixel,).
    """
    for one, other in combinations(numbers, 2):
        first, second = numbers[one], numbers[other]
        if first.size != second.size or first.size < FEWEST_PX or first.min() == first.max():
            continue
        if float((first == second).mean()) > MOST_EQUAL:
            return one, other
    return None


def stretched(numbers: Mapping[str, npt.NDArray[Any]]) -> bool:
    """Tell whether 8-bit bands (pixel,) were contrast-stretched: then all of them saturate in many pixels."""
    return bool(numbers) and all(
        values.dtype == np.uint8 and values.size >= FEWEST_PX and float((values == _HIGHEST).mean()) >= STRETCHED_TOP
        for values in numbers.values()
    )


def gaps(bands: Mapping[str, npt.NDArray[Any]], encodings: Mapping[str, Encoding]) -> Finding | None:
    """Find a band whose reflectance has steps that nobody stores; also a single multiplied band among others."""
    steps = {band: step for band, values in bands.items() if (step := step_of(values))}
    whole = {band for band, step in steps.items() if step == 1 and bands[band].dtype.kind != "f"}  # no gaps
    found = {band: step * encodings[band].scale for band, step in steps.items()}
    usual = [step for band, step in found.items() if band in whole or natural(step)]
    for band, step in found.items():
        if band in whole:
            continue
        # Some writers keep fewer digits of brighter values: then every second number is missing, in some bands only.
        halved = any(abs(step / (times * one) - 1) <= STEP_TOLERANCE for one in usual for times in (2, 4))
        if not natural(step) and not halved:
            text = f"band {band}: its reflectance comes in steps of {step:.4g}, not of 0.0001: it was multiplied"
            return Finding(kind="scale", what=text)
    left_out = sorted(share for band in whole if (share := share_left_out(bands[band])) is not None)
    if len(left_out) > 1 and left_out[0] > MOST_LEFT_OUT and left_out[1] - left_out[0] < ALIKE:
        text = f"in every band, {100 * left_out[0]:.0f} % of the numbers in between never occur: they seem multiplied by {1 / (1 - left_out[0]):.2f}"
        return Finding(kind="scale", what=text)
    return None


def share_left_out(values: npt.NDArray[Any]) -> float | None:
    """Share of the whole numbers in the middle of a band that never occur; None if too few pixels."""
    low, high = np.percentile(values, [20, 60])
    middle = values[(values >= low) & (values <= high)]
    levels = len(np.unique(middle))
    if levels < FEWEST_LEVELS or middle.size < FEWEST_PER_LEVEL * levels:
        return None
    return 1 - levels / (int(middle.max()) - int(middle.min()) + 1)


def step_of(values: npt.NDArray[Any]) -> float | None:
    """Find the spacing of the distinct numbers, if there are gaps; None if there are none, or it is undetermined.

    For whole numbers, 1 if none is missing. For floats, any step if there is one.
    """
    low, high = np.percentile(values, [20, 60])
    middle = values[(values >= low) & (values <= high)]
    levels, counts = np.unique(middle, return_counts=True)
    if len(levels) < FEWEST_LEVELS or middle.size < FEWEST_PER_LEVEL * len(levels):
        return None
    levels = levels[counts >= max(1, 0.02 * np.median(counts))].astype(np.float64)
    if len(levels) < FEWEST_LEVELS:
        return None
    apart = np.diff(levels)
    whole = values.dtype.kind != "f"
    typical = float(np.median(apart))
    times = np.maximum(1, np.floor(apart / float(apart.mean()) + 0.35) if whole else np.round(apart / typical))
    place = np.concatenate([[0.0], np.cumsum(times)])
    step, start = np.polyfit(place, levels, 1)
    # Whole numbers are rounded from a regular spacing; values farther from it arose in another way.
    allowed = ROUNDING if whole else 0.1 * step
    if (np.abs(levels - start - step * place) > allowed).mean() > MOST_ODD:
        return None
    return 1.0 if whole and step < LEAST_STRETCH else float(step)


def natural(step: float) -> bool:
    """Tell whether a step of reflectance is one in common use.

    These are powers of ten, 1/255, Landsat's, or powers of two as in half-precision floats.
    """
    power, half = 10.0 ** round(math.log10(step)), 2.0 ** round(math.log2(step))
    return abs(step / half - 1) <= STEP_TOLERANCE / 2 or any(
        abs(step / one - 1) <= STEP_TOLERANCE for one in (power, 1 / 255, LANDSAT.scale)
    )


def _tidy(scale: float) -> float:
    """Return the short number meant by a measured one, if there is one."""
    short = [float(f"{scale:.2g}"), float(f"{1 / 65535:.5g}")]
    return next((one for one in short if abs(scale / one - 1) < FIT_TOLERANCE), float(f"{scale:.5g}"))


def _likely(
    numbers: Mapping[str, npt.NDArray[Any]], encodings: Mapping[str, Encoding], sensor: Sensor, kind: Kind
) -> tuple[float, float] | None:
    """Return the first usual scale and offset that fits: those suggested by the gaps, then those in common use.

    If several give reflectance, only those count that make the visible bands about as bright as typical land.
    """
    first = next(iter(encodings.values()))
    steps = [step for values in numbers.values() if (step := step_of(values)) and step != 1]
    measured = [_tidy(round_step / steps[0]) for round_step in (1e-4, 1e-3)] if steps else []
    pairs = [
        (first.scale, 0.0),
        (first.scale, S2_OFFSET_04),
        (sensor.scale, sensor.offset),
        (LANDSAT.scale, LANDSAT.offset),
    ]
    shifted = [(first.scale, round(first.offset + shift, 4)) for shift in (0.1, -0.1, -0.2)]
    pairs = [*shifted, *pairs] if kind == "offset" else [*pairs, *shifted]
    pairs += [(scale, offset) for scale in (*measured, 1e-4) for offset in (0.0, S2_OFFSET_04)]
    pairs += [
        (scale, 0.0) for scale in (1e-3, 1e-2, 1.0, float(f"{1 / 65535:.5g}"), 4e-5, 0.4, float(f"{1 / 255:.5g}"))
    ]
    pairs += [(float(f"{first.scale * factor:.5g}"), 0.0) for factor in (0.1, 0.01, 10.0, 100.0)]
    bare = {band: replace(one, nodata=None) for band, one in encodings.items()}
    fitting = []
    for scale, offset in dict.fromkeys(pairs):
        trial = {band: Encoding(scale=scale, offset=offset, nodata=None) for band in encodings}
        stray = abs(scale / LANDSAT.scale - 1) < STEP_TOLERANCE and offset != LANDSAT.offset  # nobody stores these
        if not stray and trial != bare and _check(numbers, trial, sensor) is None:
            fitting.append((scale, offset))
    strange = [_strangeness(numbers, *pair) for pair in fitting]
    near = (pair for pair, one in zip(fitting, strange, strict=True) if one <= min(strange) + math.log(AS_USUAL))
    return next(near, None)


def _strangeness(numbers: Mapping[str, npt.NDArray[Any]], scale: float, offset: float) -> float:
    """Return the log distance of the median visible reflectance from that of typical land."""
    visible = [numbers[band] for band in VISIBLE if band in numbers] or list(numbers.values())
    middle = float(np.median(np.concatenate([values.ravel() for values in visible]))) * scale + offset
    return abs(math.log(max(middle, 1e-4) / USUAL_MEDIAN))
