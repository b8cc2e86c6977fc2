"""GeoTIFFs that say little about themselves: one file of many bands, or one file a band."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

import numpy as np

from howgreen.core.errors import ImageError
from howgreen.core.sensors import LANDSAT, SENSORS, SENTINEL1, SENTINEL2, Sensor, common_name
from howgreen.core.stac import DECIBEL, POWER
from howgreen.store.layout import slug
from howgreen.store.sources import BandSource, Options, Source, grid_of, opened

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SKIP = "-"
"""In ``--bands``: this band is not wanted."""
_DAY = re.compile(r"(?<!\d)((?:19|20)\d{2})[-_.]?(\d{2})[-_.]?(\d{2})(?!\d)")

SAMPLE_PX = 256
"""Side of the sample that tells decibels from power."""


def sources(files: Sequence[Path], options: Options) -> list[Source]:
    """The scenes in some rasters: many-band files are a scene each, one-band files together are one scene.

    Raises
    ------
    ImageError
        When bands, CRS or date are missing or unclear; the message says which option tells them.

    """
    counts = []
    for path in files:
        with opened(path) as dataset:
            counts.append(dataset.count)
    if len(files) > 1 and all(count == 1 for count in counts):
        return [_together(files, options)]
    if len(files) > 1 and 1 in counts:
        raise ImageError(f"{files[counts.index(1)]}: has one band, other files have more; add them in separate calls")
    return [_one(path, options) for path in files]


def _one(path: Path, options: Options) -> Source:
    with opened(path) as dataset:
        names = list(options.bands) if options.bands else _own_names(dataset, path)
        if len(names) != dataset.count:
            raise ImageError(f"{path}: {dataset.count} bands, but {len(names)} names in --bands ({','.join(names)})")
        sensor = _sensor(names, options)
        satellite = _satellite([path], sensor)
        found = _named(names, sensor, satellite, where=str(path), strict=options.bands is not None)
        bands = tuple(BandSource(band=band, path=path, index=place + 1) for place, band in found)
        return _source(path.stem, str(path), dataset, sensor, satellite, bands, options)


def _together(files: Sequence[Path], options: Options) -> Source:
    """One scene from files of one band each."""
    if options.bands and len(options.bands) != len(files):
        raise ImageError(f"{len(files)} files, but {len(options.bands)} names in --bands ({','.join(options.bands)})")
    names = list(options.bands or [_name_in(path.stem) for path in files])
    sensor = _sensor(names, options)
    satellite = _satellite(files, sensor)
    found = _named(names, sensor, satellite, where=", ".join(path.name for path in files), strict=True)
    bands = tuple(BandSource(band=band, path=files[place]) for place, band in found)
    first = next((one for one in bands if one.band != sensor.mask), bands[0])
    with opened(first.path) as dataset:
        return _source(_stem(files), str(first.path.parent), dataset, sensor, satellite, bands, options)


def _stem(files: Sequence[Path]) -> str:
    """What the names of the files share, else the name of their folder."""
    stems = [path.stem for path in files]
    shared = stems[0]
    while any(not stem.startswith(shared) for stem in stems):
        shared = shared[:-1]
    shared = re.sub(r"[^A-Za-z0-9]+[A-Za-z0-9]{0,2}$", "", shared)
    return shared if len(shared) > 2 else files[0].absolute().parent.name


def _name_in(stem: str) -> str:
    """The band's name in a file name: its last part that is one, as in ``T32TPS_20230701_B8A_20m``."""
    parts = re.split(r"[^A-Za-z0-9]+", stem)
    match = re.search(r"(?i)(SR_B\d|QA_PIXEL|(?:GAMMA|SIGMA)0_V[VH])$", stem)
    if match:
        return match.group(1)
    return next((part for part in reversed(parts) for sensor in SENSORS.values() if common_name(part, sensor)), stem)


def _satellite(files: Sequence[Path], sensor: Sensor) -> str:
    """The satellite that the files' names tell, ``LC08``; empty when they tell none, or several."""
    found = {match[0].upper() for path in files if (match := re.match(r"(?i)L[CETO]0\d(?=_)", path.name))}
    return found.pop() if sensor is LANDSAT and len(found) == 1 else ""


def _own_names(dataset: Any, path: Path) -> list[str]:
    """Names that the file gives its bands."""
    names = [
        text or next((v for k, v in dataset.tags(i).items() if k.lower() in {"description", "name", "band_name"}), "")
        for i, text in enumerate(dataset.descriptions, 1)
    ]
    if not any(names):
        known = ",".join((*SENTINEL2.band_names, SENTINEL2.mask))
        raise ImageError(
            f"{path}: its {dataset.count} bands have no names; name them in order with --bands, of {known}"
        )
    return names


def _sensor(names: Sequence[str], options: Options) -> Sensor:
    if options.sensor is not None:
        if options.sensor not in SENSORS:
            raise ImageError(f"sensor {options.sensor!r} is unknown: use {' or '.join(SENSORS)}")
        return SENSORS[options.sensor]
    if any(name.upper().startswith(("SR_B", "QA_PIXEL")) for name in names):
        return LANDSAT
    waves, colours = ([name for name in names if common_name(name, one)] for one in (SENTINEL1, SENTINEL2))
    return SENTINEL1 if waves and not colours else SENTINEL2


def _named(names: Sequence[str], sensor: Sensor, satellite: str, *, where: str, strict: bool) -> list[tuple[int, str]]:
    """(position, common name) of the bands that are wanted."""
    known = ", ".join(name for name in (*sensor.band_names, sensor.mask) if name)
    found = [
        (place, common_name(name, sensor, satellite=satellite))
        for place, name in enumerate(names)
        if name.strip() != SKIP
    ]
    unknown = [names[place] for place, name in found if name is None]
    numbered = [name for name in unknown if sensor is LANDSAT and not satellite and name.upper().startswith("SR_B")]
    if numbered:
        raise ImageError(
            f"{where}: {numbered[0]} is another band on Landsats 4-7 than on 8 and 9, and the file names do not begin "
            f"with LT05, LE07, LC08, ... as delivered; name the bands with --bands, of {known}"
        )
    if strict and unknown:
        cure = f"use {known}, or '{SKIP}' for a band to leave out"
        raise ImageError(f"{where}: unknown band {', '.join(repr(name) for name in unknown)}; {cure}")
    clear = [(place, name) for place, name in found if name is not None]
    twice = {name for _, name in clear if [other for _, other in clear].count(name) > 1}
    if twice:
        raise ImageError(f"{where}: band {', '.join(sorted(twice))} is named twice; name each band once in --bands")
    if not any(name in sensor.band_names for _, name in clear):
        raise ImageError(
            f"{where}: no band that {sensor.label} has ({', '.join(names)}); name them with --bands, of {known}"
        )
    return clear


def _source(
    stem: str,
    name: str,
    dataset: Any,
    sensor: Sensor,
    satellite: str,
    bands: tuple[BandSource, ...],
    options: Options,
) -> Source:
    for path in {one.path for one in bands}:
        with opened(path) as other:
            grid_of(other, path)
    first = next(one for one in bands if one.band in sensor.band_names)
    day, day_from = _day(stem, name, options)
    scale, offset, offset_from = _scaling(dataset, first.index - 1, sensor, options)
    nodata = _nodata(dataset, first.index - 1, sensor, options)
    return Source(
        id=f"{sensor.name}-{day.isoformat()}-{slug(stem)}",
        name=name,
        sensor=sensor,
        bands=bands,
        # Noon UTC is the same day by the sun in every time zone.
        time=datetime.combine(day, time(12), tzinfo=UTC),
        time_from=day_from,
        scale=scale,
        offset=offset,
        offset_from=offset_from,
        nodata=nodata,
        unit=_unit(dataset, first, nodata, (scale, offset), options) if sensor.is_radar else "",
        platform=f"landsat-{satellite[-1]}" if satellite else None,
    )


def _day(stem: str, name: str, options: Options) -> tuple[date, str]:
    if options.date is not None:
        return options.date, "option"
    found = set()
    for year, month, day in _DAY.findall(stem):
        try:
            found.add(date(int(year), int(month), int(day)))
        except ValueError:
            continue
    if len(found) == 1:
        return found.pop(), "file name"
    raise ImageError(f"{name}: nothing says when the image was taken; give the day with --date YYYY-MM-DD")


def _scaling(dataset: Any, index: int, sensor: Sensor, options: Options) -> tuple[float, float, str]:
    """Scale and offset: what the user says, else the file's own, else the sensor's; floats are reflectance already."""
    is_float = dataset.dtypes[index].startswith("float")
    own_scale, own_offset = dataset.scales[index], dataset.offsets[index]
    tagged = own_scale != 1.0 or own_offset != 0.0
    if tagged:
        scale, offset, origin = own_scale, own_offset, "metadata"
    else:
        scale, offset, origin = (1.0, 0.0, "default") if is_float else (sensor.scale, sensor.offset, "default")
    if options.scale is not None:
        # A scale of one's own makes the other offset meaningless, unless it is the same scale.
        offset = offset if abs(options.scale - scale) < 1e-12 else 0.0
        scale = options.scale
    if options.offset is not None:
        offset, origin = options.offset, "option"
    return scale, offset, origin


def _nodata(dataset: Any, index: int, sensor: Sensor, options: Options) -> float | None:
    if dataset.dtypes[index].startswith("float"):
        return options.nodata
    if options.nodata is not None:
        return options.nodata
    own = dataset.nodatavals[index]
    if own is None and sensor.is_radar and dataset.dtypes[index].startswith("u"):
        return None  # the radar's own value does not fit
    return float(sensor.nodata) if own is None else float(own)


def _unit(dataset: Any, band: BandSource, nodata: float | None, scaling: tuple[float, float], options: Options) -> str:
    """What a radar band is in: as the user or the file says, else told by a sample of its pixels."""
    if options.unit is not None:
        units = {"db": DECIBEL, "power": POWER}
        if options.unit.lower() not in units:
            raise ImageError(f"unit {options.unit!r} is unknown: use dB or power (linear)")
        return units[options.unit.lower()]
    if str(dataset.units[band.index - 1] or "").lower() in {"db", "decibel"}:
        return DECIBEL
    if not dataset.dtypes[band.index - 1].startswith("float") and scaling == (1.0, 0.0):
        raise ImageError(
            f"{band.path}: {dataset.dtypes[band.index - 1]} pixels without a scale are no calibrated backscatter (ground-range products need terrain "
            "correction first); get it radiometrically terrain-corrected (RTC), or give --scale and --unit"
        )
    shape = tuple(min(SAMPLE_PX, size) for size in dataset.shape)
    values = dataset.read(band.index, out_shape=shape, masked=True).compressed()
    values = values[np.isfinite(values) & (values != nodata)] * scaling[0] + scaling[1]
    return DECIBEL if values.size and (values < 0).any() else POWER
