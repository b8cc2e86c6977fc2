"""GeoTIFFs with little metadata: one multi-band file, one file per band, or a mask beside the bands."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any

import numpy as np

from howgreen.core.cog import alpha_index
from howgreen.core.errors import ImageError
from howgreen.core.sensors import LANDSAT, SENTINEL2
from howgreen.core.stac import DECIBEL, POWER
from howgreen.core.text import slug
from howgreen.core.types import Encoding
from howgreen.core.warnings import Caution
from howgreen.store import _names as naming_rules
from howgreen.store._fill import fits
from howgreen.store._names import SKIP, Naming
from howgreen.store.options import Options
from howgreen.store.sources import NOBODY, UNDATED, BandSource, Source, grid_of, opened

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from pathlib import Path

    from howgreen.core.sensors import Sensor

OLD_LANDSAT_NODATA = -9999
FINER_PX = 0.75
"""If near-infrared pixels are smaller than this share of red's, the band is Landsat's panchromatic one, of half the
size."""
SAMPLE_PX = 256
"""Side of the sample used to distinguish decibels from power."""

Given = tuple["Path", int, str]
"""A band as given by the user: file, number in the file, name."""


def sources(files: Sequence[Path], options: Options) -> list[Source]:
    """Find the scenes in some rasters.

    Each multi-band file is a scene; one-band files together make one scene, or belong to the multi-band file beside
    them.

    Raises
    ------
    ImageError
        When bands, CRS or date are missing or ambiguous; the message names the option that supplies them.

    """
    counts = {}
    for path in files:
        with opened(path) as dataset:
            counts[path] = dataset.count - (0 if options.bands or alpha_index(dataset) is None else 1)
    single = [path for path in files if counts[path] == 1]
    many = [path for path in files if counts[path] != 1]
    if single and (not many or (len(many) == 1 and not options.bands)):
        return [_scene(many + single if many else files, options)]
    if single and not options.bands and (groups := _by_day(many, single)):
        return [_scene(group, options) for group in groups]
    if single:
        raise ImageError(f"{single[0]}: has one band, other files have more; add them in separate calls")
    return [_scene([path], options) for path in files]


def _by_day(many: Sequence[Path], single: Sequence[Path]) -> list[list[Path]] | None:
    """Assign one-band files to the multi-band file of the same day; None if that is ambiguous."""
    try:
        days = {path: naming_rules.day_in(path.stem) for path in (*many, *single)}
    except ImageError:
        return None
    if len({days[path] for path in many}) < len(many) or any(
        days[path] not in {days[one] for one in many} for path in single
    ):
        return None
    return [[path, *(one for one in single if days[one] == days[path])] for path in many]


def _scene(files: Sequence[Path], options: Options) -> Source:
    """Return one scene from a multi-band file, one-band files, or both."""
    given = _given(files, options)
    naming = naming_rules.naming(
        files, [name for _, _, name in given], sensor=options.sensor, bands_given=options.bands is not None
    )
    alone = len(files) > 1 and all(index == 1 for _, index, _ in given)
    where = ", ".join(path.name for path in files) if alone else str(files[0])
    bands, cautions = _named(given, naming, where=where, strict=options.bands is not None)
    _check_panchromatic(bands, where)
    first = next(one for one in bands if one.band in naming.sensor.band_names)
    name = str(files[0].parent) if alone else str(files[0])
    day, day_from = _day(files, options)
    encodings = {}
    origins = {}
    for one in bands:
        with opened(one.path) as dataset:
            grid_of(dataset, one.path)
            if one.band != naming.sensor.mask:
                encodings[one.band], origins[one.band] = _encoding(dataset, one, naming, options)
    common = encodings[first.band]
    with opened(first.path) as dataset:
        scaling = common.scale, common.offset
        unit = _unit(dataset, first, common.nodata, scaling, options) if naming.sensor.is_radar else ""
    stem = _stem(files) if alone else files[0].stem
    return Source(
        id=f"{naming.sensor.name}-{day.isoformat()}-{slug(stem)}",
        name=name,
        sensor=naming.sensor,
        bands=tuple(
            replace(one, encoding=own) if (own := encodings.get(one.band, common)) != common else one for one in bands
        ),
        # Noon UTC falls on the same local solar day in every time zone.
        time=datetime.combine(day, time(12), tzinfo=UTC),
        time_from=day_from,
        scale=common.scale,
        offset=common.offset,
        offset_from=origins[first.band],
        nodata=common.nodata,
        unit=unit,
        platform=f"landsat-{naming.satellite[-1]}" if naming.satellite else None,
        nodata_given=options.nodata is not None,
        scale_given=options.scale is not None,
        warnings=cautions,
    )


def _check_panchromatic(bands: Sequence[BandSource], where: str) -> None:
    """Refuse Landsat's panchromatic band passed as near-infrared: no satellite has a finer near-infrared than red."""
    paths = {one.band: one.path for one in bands}
    if "nir" not in paths or "red" not in paths or paths["nir"] == paths["red"]:
        return
    sizes = {}
    for name in ("red", "nir"):
        with opened(paths[name]) as dataset:
            sizes[name] = max(map(abs, dataset.res))
    if sizes["nir"] < FINER_PX * sizes["red"]:
        raise ImageError(
            f"{where}: band nir has pixels of {sizes['nir']:.3g}, red of {sizes['red']:.3g}: it is Landsat's panchromatic band, no "
            "near-infrared; leave it out, or name the bands with --bands and --sensor landsat"
        )


def _day(files: Sequence[Path], options: Options) -> tuple[date, str]:
    """Return the day of a scene, and its source."""
    if options.date:
        return options.date, "option"
    try:
        return naming_rules.day_of(files, [_tags(one) for one in files])
    except ImageError:
        if not options.undated:
            raise
        return UNDATED, NOBODY


def _tags(path: Path) -> dict[str, str]:
    with opened(path) as dataset:
        return dict(dataset.tags())


def _given(files: Sequence[Path], options: Options) -> list[Given]:
    """List all bands of some files by name: given by the user, else by the file, else taken from the file name."""
    if options.bands and len(files) > 1 and len(options.bands) != len(files):
        raise ImageError(f"{len(files)} files, but {len(options.bands)} names in --bands ({','.join(options.bands)})")
    if options.bands and len(files) > 1:
        return [(path, 1, name) for path, name in zip(files, options.bands, strict=True)]
    found: list[Given] = []
    for path in files:
        with opened(path) as dataset:
            if options.bands:
                if len(options.bands) != dataset.count:
                    raise ImageError(
                        f"{path}: {dataset.count} bands, but {len(options.bands)} names in --bands ({','.join(options.bands)})"
                    )
                found += [(path, index, name) for index, name in enumerate(options.bands, 1)]
            elif len(files) > 1 and dataset.count - (alpha_index(dataset) is not None) == 1:
                found.append((path, 1, naming_rules.band_in(path.stem)))
            else:
                found += [(path, index, name) for index, name in _own_names(dataset, path)]
    return found


def _stem(files: Sequence[Path]) -> str:
    """Return the common part of the file names, else the name of their folder."""
    stems = [path.stem for path in files]
    shared = stems[0]
    while any(not stem.startswith(shared) for stem in stems):
        shared = shared[:-1]
    shared = re.sub(r"[^A-Za-z0-9]+[A-Za-z0-9]{0,2}$", "", shared)
    return shared if len(shared) > 2 else files[0].absolute().parent.name


def _own_names(dataset: Any, path: Path) -> list[tuple[int, str]]:
    """Return the file's own band names by number, without its alpha band."""
    alpha = alpha_index(dataset)
    names = [
        (
            i,
            text
            or next((v for k, v in dataset.tags(i).items() if k.lower() in {"description", "name", "band_name"}), ""),
        )
        for i, text in enumerate(dataset.descriptions, 1)
        if i != alpha
    ]
    if len(names) == 1 and not names[0][1]:
        return [(names[0][0], naming_rules.band_in(path.stem))]
    if not any(name for _, name in names):
        known = ",".join((*SENTINEL2.band_names, SENTINEL2.mask))
        raise ImageError(
            f"{path}: its {dataset.count} bands have no names; name them in order with --bands, of {known}"
        )
    return names


def _named(
    given: Sequence[Given], naming: Naming, *, where: str, strict: bool
) -> tuple[list[BandSource], tuple[Caution, ...]]:
    """Return the recognised bands, and a caution that names the others."""
    sensor = naming.sensor
    known = ", ".join(name for name in (*sensor.band_names, sensor.mask) if name)
    listed = [(path, index, name, naming.common(name)) for path, index, name in given if name.strip() != SKIP]
    unknown = [name or f"band {index}" for _, index, name, common in listed if common is None]
    numbered = [
        name
        for name in unknown
        if sensor is LANDSAT and not naming.satellite and name.upper().startswith(("SR_B", "B"))
    ]
    if numbered:
        raise ImageError(
            f"{where}: {numbered[0]} is another band on Landsats 4-7 than on 8 and 9, and the file names do not begin "
            f"with LT05, LE07, LC08, ... as delivered; name the bands with --bands, of {known}"
        )
    if strict and unknown:
        cure = f"use {known}, or '{SKIP}' for a band to leave out"
        raise ImageError(f"{where}: unknown band {', '.join(repr(name) for name in unknown)}; {cure}")
    bands = [
        BandSource(band=common, path=path, index=index, mask_kind=naming.mask_kind(name))
        for path, index, name, common in listed
        if common is not None
    ]
    bands = _one_mask(bands, sensor)
    twice = sorted(name for name, count in Counter(one.band for one in bands).items() if count > 1)
    if twice:
        raise ImageError(f"{where}: band {', '.join(twice)} is named twice; name each band once in --bands")
    if not any(one.band in sensor.band_names for one in bands):
        names = ", ".join(name for _, _, name in given)
        raise ImageError(f"{where}: no band that {sensor.label} has ({names}); name them with --bands, of {known}")
    strange = [name for name in unknown if not naming_rules.unused(name)]
    text = (
        f"{', '.join(strange)} not understood and not used; name the bands with --bands, '{SKIP}' for one to leave out"
    )
    return bands, ((Caution("band-not-used", text),) if strange else ())


def _one_mask(bands: Sequence[BandSource], sensor: Sensor) -> list[BandSource]:
    """Keep one of several cloud masks: the sensor's own, else the first."""
    found = sorted((one for one in bands if one.band == sensor.mask), key=lambda one: bool(one.mask_kind))
    return [
        one
        for one in bands
        if one.band != sensor.mask or one is found[0] or (not one.mask_kind and not found[0].mask_kind)
    ]


def _encoding(dataset: Any, one: BandSource, naming: Naming, options: Options) -> tuple[Encoding, str]:
    """Return a band's scaling to reflectance by its tags, and its source: ``metadata``, ``option`` or ``default``."""
    index, sensor = one.index - 1, naming.sensor
    is_float = dataset.dtypes[index].startswith("float")
    own_scale, own_offset = dataset.scales[index], dataset.offsets[index]
    if own_scale != 1.0 or own_offset != 0.0:
        scale, offset, origin = own_scale, own_offset, "metadata"
    else:
        usual = (
            (SENTINEL2.scale, 0.0)
            if naming.is_force or _old_landsat(dataset, index, naming)
            else (sensor.scale, sensor.offset)
        )
        (scale, offset), origin = ((1.0, 0.0) if is_float else usual), "default"
    if options.scale is not None:
        # A user's scale invalidates the other offset, unless the scale is the same.
        offset = offset if abs(options.scale - scale) < 1e-12 else 0.0
        scale = options.scale
    if options.offset is not None:
        offset, origin = options.offset, "option"
    return Encoding(scale=scale, offset=offset, nodata=_nodata(dataset, index, naming, options)), origin


def _old_landsat(dataset: Any, index: int, naming: Naming) -> bool:
    """Detect pre-Collection 2 Landsat, scaled by 1e-4: by name, else by signed integers, absent from Collection 2."""
    if naming.sensor is not LANDSAT or naming.collection == 2:
        return False
    return naming.collection == 1 or dataset.dtypes[index] == "int16"


def _nodata(dataset: Any, index: int, naming: Naming, options: Options) -> float | None:
    """Return a band's nodata DN; None for floats, which use NaN."""
    dtype = np.dtype(dataset.dtypes[index])
    if dtype.kind == "f":
        return options.nodata
    if options.nodata is not None:
        return options.nodata
    own = dataset.nodatavals[index]
    if own is None or not fits(own, dtype):
        usual = OLD_LANDSAT_NODATA if _old_landsat(dataset, index, naming) else naming.sensor.nodata
        return float(usual) if fits(usual, dtype) else None  # the radar's own does not fit unsigned integers
    return float(own)


def _unit(dataset: Any, band: BandSource, nodata: float | None, scaling: tuple[float, float], options: Options) -> str:
    """Return the unit of a radar band: declared by the user or the file, else inferred from a sample of pixels."""
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
