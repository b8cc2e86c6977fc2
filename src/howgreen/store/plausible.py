"""Whether digital numbers, scaled as declared, can be surface reflectance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from howgreen import clouds
from howgreen.core import plausibility, registration
from howgreen.core.errors import ImageError
from howgreen.core.sensors import LANDSAT, S2_OFFSET_04, SENTINEL1
from howgreen.core.stac import DECIBEL, POWER
from howgreen.core.warnings import Caution
from howgreen.store import _masks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from howgreen.core.plausibility import Finding
    from howgreen.core.types import Encoding
    from howgreen.store.sources import Source

_FILL_BIT, _SNOW_CONFIDENCE_BIT = 1, 1 << 12
"""Bits of QA_PIXEL (USGS LSDS-1619): every pixel that is not fill has a snow confidence of low (01) or high (11)."""
_MOST_WRONG, _MOST_NEGATIVE = 0.5, 0.1
_LAND_NIR = 0.15
_MOST_BETWEEN, _BETWEEN = 0.75, 0.005
"""If more than the first share of pixels has a near-infrared between green and red, to within the second, it is a
panchromatic band.

In seven real images at most 3 % of the near-infrared lies there; of a Landsat 8 panchromatic band, 91 to 94 %."""
_LOW_DB, _HIGH_DB = -35.0, 5.0


def check(
    source: Source, samples: Mapping[str, npt.NDArray[Any]], parts: Sequence[Mapping[str, npt.NDArray[Any]]] = ()
) -> tuple[Caution, ...]:
    """Check that a scene's numbers can be reflectance with its scales and offsets.

    Parameters
    ----------
    source
        Its scales and offsets.
    samples
        Valid digital numbers of each reflective band, on clear ground if the mask shows enough of it; codes of the
        mask.
    parts
        The same for the visible bands in each part of the image, on clear ground only.

    Returns
    -------
    tuple of Caution
        Doubts that the user overrode or that stem from the provider's own metadata.

    Raises
    ------
    ImageError
        When they cannot; the message names scales and offsets that could.

    """
    codes = samples.get(source.sensor.mask)
    samples = {band: one for band, one in samples.items() if band != source.sensor.mask}
    if source.sensor is SENTINEL1:
        _check_radar(source, samples)
        return ()
    if source.sensor is LANDSAT and not source.trusted:
        _check_collection(source, samples, codes)
    _check_copies(source, samples)
    encodings = {band: source.encoding(band) for band in samples}
    found = plausibility.check(samples, encodings, sensor=source.sensor)
    if not source.trusted and (found is None or found.kind != "impossible"):
        _check_order(source, samples)
    if found is None:
        return () if source.trusted else _doubts(source, samples, parts)
    if found.kind != "impossible" and _overcast(source, codes):
        if source.trusted:
            return ()
        text = "its mask calls hardly any of it clear, so whether its numbers are reflectance cannot be told"
        return (Caution("offset-doubtful" if found.kind == "offset" else "scale-doubtful", text),)
    insisted = source.offset_from == "option" and (
        found.kind == "offset" or (found.kind == "scale" and source.scale_given)
    )
    if insisted or (source.trusted and found.kind != "impossible"):
        code = "offset-doubtful" if found.kind == "offset" else "scale-doubtful"
        who = "as was insisted" if insisted else "as its metadata says"
        return (Caution(code, f"with {_numbers(source, encodings)}, {who}: {found.what}"),)
    if found.kind == "offset" and _cloudy(source, samples):
        text = "most of it is cloud, so whether an offset was left in its numbers cannot be told"
        return (Caution("offset-doubtful", text),)
    raise ImageError(_refusal(source, samples, encodings, found))


def _check_copies(source: Source, samples: Mapping[str, npt.NDArray[Any]]) -> None:
    """Refuse one band added under two names, and 8-bit pictures stretched for display."""
    if twice := plausibility.one_twice(samples):
        raise ImageError(
            f"{source.name}: bands {twice[0]} and {twice[1]} hold the same numbers: one band twice; give each its own, and leave a copy "
            "out ('-' in --bands)"
        )
    if not source.trusted and plausibility.stretched(samples):
        raise ImageError(
            f"{source.name}: an 8-bit picture that was stretched for the eye (many pixels of the highest number in every band): get the "
            "surface reflectance (L2A)"
        )


def _doubts(
    source: Source, samples: Mapping[str, npt.NDArray[Any]], parts: Sequence[Mapping[str, npt.NDArray[Any]]]
) -> tuple[Caution, ...]:
    """List doubts about numbers that can be reflectance."""
    cautions = []
    whole = {band: _light(source, band, values) for band, values in samples.items()}
    share = plausibility.bluer(whole)
    odd = plausibility.odd_band(whole)
    if odd is not None:
        cautions.append(_out_of_line(*odd))
    elif share is not None and share > plausibility.MOST_BLUER:
        text = (
            f"{100 * share:.0f} % of its bare ground reflects more blue than red light: red and blue are exchanged (--bands), or the "
            "air's own light was not taken out (Level-1C, top of atmosphere)"
        )
        cautions.append(Caution("scale-doubtful", text))
    elif (other := plausibility.leaves_out_of_order(whole)) is not None:
        cautions.append(_out_of_order(*other))
    light = [{band: _light(source, band, values) for band, values in part.items()} for part in parts]
    part = plausibility.shifted_part(light)
    if part is not None:
        text = (
            f"in {100 * part:.0f} % of it no visible band is dark anywhere, elsewhere all are: an offset seems left in a part of it, as in a "
            "mosaic of products of different baselines"
        )
        cautions.append(Caution("offset-doubtful", text))
    return tuple(cautions)


def _out_of_order(darker: str, brighter: str, share: float) -> Caution:
    """Warn that plants reflect more in a band than in one that is brighter on leaves."""
    if (darker, brighter) == ("blue", "green"):
        text = (
            f"{100 * share:.0f} % of its plants reflect more blue than green light: blue and green are exchanged (--bands), or the air's own "
            "light was not taken out (Level-1C, top of atmosphere)"
        )
        return Caution("scale-doubtful", text)
    text = (
        f"{100 * share:.0f} % of its plants reflect more of band {darker} than of {brighter}: the two are exchanged, or the bands are in another "
        "order (--bands)"
    )
    return Caution("scale-doubtful", text)


def _out_of_line(band: str, ratio: float, usual: tuple[float, float]) -> Caution:
    """Warn that a band is inconsistent with the others."""
    low, high = usual
    if band == "visible":
        text = (
            f"on its brightest ground green light is {ratio:.2f} times the mean of blue and red (elsewhere {low:.2f} to {high:.2f}): one of "
            "the three has another scale than it is said to have, or --bands has another order"
        )
        return Caution("scale-doubtful", text)
    text = (
        f"on its brightest ground band {band} reflects {ratio:.2f} times what the visible bands do (elsewhere {low:.2f} to {high:.2f}): it has "
        "another scale than it is said to have, or --bands has another order"
    )
    return Caution("scale-doubtful", text)


def elsewhere(
    source: Source, samples: Mapping[str, npt.NDArray[Any]], patches: Mapping[str, npt.NDArray[Any]]
) -> tuple[Caution, ...]:
    """Warn of a band that is displaced from the others, whatever its file's georeferencing.

    An overcast image is not tested: the bands see a cloud at different positions.

    Parameters
    ----------
    samples
        As for :func:`check`.
    patches
        Of each reflective band, (n, y, x), at the same positions.
    """
    if source.sensor.is_radar:
        return ()
    found = registration.apart({band: _light(source, band, values) for band, values in patches.items()})
    if found is None or clouds.mostly_veiled(
        {band: _light(source, band, values) for band, values in samples.items() if band != source.sensor.mask}
    ):
        return ()
    band, (down, right) = found
    text = (
        f"band {band} shows the ground {math.hypot(down, right):.0f} pixels away from where the others show it: it is of another image, or "
        "was put in place wrongly"
    )
    return (Caution("band-elsewhere", text),)


def punched(source: Source, holes: Mapping[str, float]) -> tuple[Caution, ...]:
    """Warn of a nodata value that also occurs on the ground: it punches holes.

    Parameters
    ----------
    holes
        Share of each band in such holes.
    """
    if not holes:
        return ()
    band = max(holes, key=lambda name: holes[name])
    text = (
        f"{source.encoding(band).nodata:g}, its value for no data, seems to be one that the ground of band {band} has: {100 * holes[band]:.2g} % of "
        "it are holes of single pixels; give the right one with --nodata"
    )
    return (Caution("nodata-doubtful", text),)


def _overcast(source: Source, codes: npt.NDArray[Any] | None) -> bool:
    """Tell whether the mask leaves too little clear ground to judge."""
    return codes is not None and bool(_masks.clear(codes, source.sensor.mask).sum() < plausibility.FEWEST_PX)


def _cloudy(source: Source, samples: Mapping[str, npt.NDArray[Any]]) -> bool:
    """Tell whether most of an image is cloud under either offset: ground with an unapplied offset looks like thin haze."""
    light = {band: _light(source, band, values) for band, values in samples.items()}
    less = {band: values + S2_OFFSET_04 for band, values in light.items()}
    return clouds.mostly_veiled(light) and clouds.mostly_veiled(less)


def _numbers(source: Source, encodings: Mapping[str, Encoding]) -> str:
    """Return scale and offset in words."""
    if len({(one.scale, one.offset) for one in encodings.values()}) > 1:
        return "the scale and offset of each band"
    return f"--scale {source.scale:g} --offset {source.offset:g}"


def _refusal(
    source: Source, samples: Mapping[str, npt.NDArray[Any]], encodings: Mapping[str, Encoding], found: Finding
) -> str:
    what = f"{source.name}: with {_numbers(source, encodings)} {found.what}"
    if all(one.dtype == np.uint8 for one in samples.values()) and found.kind != "offset":
        return f"{what}; an 8-bit picture was stretched for the eye: get the surface reflectance (L2A)"
    insist = " (--scale and --offset together insist on what they say)" if found.kind == "scale" else ""
    if found.likely is None:
        alone = (
            "; a band that alone has another scale needs it in the file (`gdal_edit.py -scale`)"
            if len(encodings) > 1
            else ""
        )
        return f"{what}; ask its provider for the right --scale and --offset{insist}{alone}"
    scale, offset = found.likely
    if (scale, offset) == (LANDSAT.scale, LANDSAT.offset) and source.sensor is not LANDSAT:
        return f"{what}; likely Landsat's numbers: --sensor landsat, or --scale {scale:g} --offset {offset:g}"
    if found.kind == "offset" and source.sensor is LANDSAT and scale == LANDSAT.scale:
        return f"{what}; no surface reflectance of Collection 2: get Collection 2 Level-2 (L2SP), or give the right --scale and --offset"
    if found.kind == "offset" and scale == source.scale:
        if offset == S2_OFFSET_04:
            return (
                f"{what}: the numbers seem to hold the +1000 of Sentinel-2 baselines from 04.00 on; give --offset {offset:g}, or "
                f"--offset {source.offset:g} when it was taken out already"
            )
        return f"{what}; likely --offset {offset:g}; give --offset {source.offset:g} if it is right all the same"
    return f"{what}; likely --scale {scale:.5g}" + (f" --offset {offset:g}" if offset or source.offset else "") + insist


def _check_order(source: Source, samples: Mapping[str, npt.NDArray[Any]]) -> None:
    """Refuse bands in the wrong order."""
    red, nir = samples.get("red"), samples.get("nir", samples.get("nir08"))
    if red is None or nir is None or red.size != nir.size or not red.size:
        return
    near = "nir" if "nir" in samples else "nir08"
    odd = plausibility.exchanged(_light(source, "red", red), _light(source, near, nir))
    if odd:
        raise ImageError(
            f"{source.name}: {100 * odd:.0f} % of its pixels reflect more than twice as much red as near-infrared light, which no "
            "ground does: its bands are in another order; give it with --bands"
        )
    green = samples.get("green")
    if green is not None and green.size == red.size >= plausibility.FEWEST_PX:
        share = _between(_light(source, near, nir), _light(source, "green", green), _light(source, "red", red))
        if share > _MOST_BETWEEN:
            raise ImageError(
                f"{source.name}: band {near} lies between green and red in {100 * share:.0f} % of its pixels: a panchromatic band "
                "(Landsat's band 8), no near-infrared; leave it out, or give the order with --bands"
            )


def _between(one: npt.NDArray[Any], green: npt.NDArray[Any], red: npt.NDArray[Any]) -> float:
    """Return the share of pixels in which a band lies between green and red."""
    low, high = np.minimum(green, red) - _BETWEEN, np.maximum(green, red) + _BETWEEN
    return float(((one >= low) & (one <= high)).mean())


def _check_collection(source: Source, samples: Mapping[str, npt.NDArray[Any]], codes: npt.NDArray[Any] | None) -> None:
    """Refuse Collection 1 or Level 1 passed as Collection 2 Level-2: other quality bits, and negative reflectance over land."""
    cure = "get Collection 2 Level-2 (L2SP), or give the right --scale and --offset and leave its quality band out"
    flags = np.zeros(0, np.uint16) if codes is None else codes.astype(np.uint16)
    seen = flags[flags & _FILL_BIT == 0]
    if seen.size and (seen & _SNOW_CONFIDENCE_BIT == 0).mean() > _MOST_WRONG:
        raise ImageError(f"{source.name}: its quality codes are not those of Collection 2 (QA_PIXEL); {cure}")
    visible = [band for band in plausibility.VISIBLE if band in samples]
    nir = samples.get("nir")
    if nir is None or not visible or any(samples[band].size != nir.size for band in visible):
        return
    land = _light(source, "nir", nir) >= _LAND_NIR
    below = np.logical_or.reduce([_light(source, band, samples[band]) < 0 for band in visible])
    if land.any() and below[land].mean() > _MOST_NEGATIVE:
        raise ImageError(
            f"{source.name}: {100 * below[land].mean():.0f} % of its land reflects less than nothing with --scale "
            f"{source.scale:g} --offset {source.offset:g}: its numbers are no surface reflectance of Collection 2; {cure}"
        )


def _light(source: Source, band: str, values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the reflectance of a band's numbers."""
    own = source.encoding(band)
    light: npt.NDArray[np.float64] = values.astype(np.float64) * own.scale + own.offset
    return light


def _check_radar(source: Source, samples: Mapping[str, npt.NDArray[Any]]) -> None:
    """Check that backscatter of land lies between -35 and +5 dB, and is weaker in cross- than in co-polarisation."""
    lowest = min(float(_light(source, band, one).min()) for band, one in samples.items() if one.size)
    if source.unit == DECIBEL and lowest >= 0:
        raise ImageError(
            f"{source.name}: taken as decibels, and none is negative: it is linear power; leave --unit dB out"
        )
    middle = {band: _decibels(source, band, one) for band, one in samples.items() if one.size}
    for band, level in middle.items():
        if not _LOW_DB <= level <= _HIGH_DB:
            unit = "linear power" if source.unit == POWER else "decibels"
            found = f"has a median of {level:.0f} dB" if math.isfinite(level) else "is mostly not above zero"
            raise ImageError(
                f"{source.name}: taken as {unit}, band {band} {found}: no calibrated backscatter of land; give --unit dB or --unit power as its provider says, and --scale for whole numbers"
            )
    if "vv" in middle and "vh" in middle and middle["vh"] > middle["vv"]:
        raise ImageError(
            f"{source.name}: VH is stronger than VV ({middle['vh']:.1f} and {middle['vv']:.1f} dB), which no land does; "
            "check the order of --bands"
        )


def _decibels(source: Source, band: str, values: npt.NDArray[Any]) -> float:
    """Return the median of a radar band in decibels."""
    middle = float(np.median(_light(source, band, values)))
    if source.unit == DECIBEL:
        return middle
    return 10 * math.log10(middle) if middle > 0 else -math.inf
