"""Add a user's images to a store: GeoTIFFs, Sentinel-2 SAFE folders, Landsat folders."""

from __future__ import annotations

import dataclasses
import logging
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howgreen.clouds import omnicloudmask
from howgreen.core.errors import ImageError, StoreError
from howgreen.core.geometry import crs_of, distance_m, geodesic_area_m2, polygonal
from howgreen.core.sensors import common_name
from howgreen.core.text import one_line, slug
from howgreen.core.types import City
from howgreen.core.warnings import Caution, warn
from howgreen.core.words import IMAGE_FOOTPRINT
from howgreen.store import layout
from howgreen.store.options import Options
from howgreen.store.places import goes_by
from howgreen.store.read import as_stored, place, scene_at
from howgreen.store.write import mend, put_place, store_scene

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt
    from odc.geo.geobox import GeoBox

    from howgreen.core.types import Progress, Scene
    from howgreen.store.sources import BandSource, Source
    from howgreen.store.write import Pixels

_LOG = logging.getLogger(__name__)
FOOTPRINT_KIND = IMAGE_FOOTPRINT
LEAST_SHARED = 0.98
"""Least overlap of two bands, as a share of the smaller one's ground: 60 m bands may end a pixel later than 10 m
ones."""
LARGEST_PIXEL = 3.05
"""Ratio of the pixel size to the sensor's own above which a warning is given: its 20 m bands stay below, its 60 m bands
do not. 30 m in a map projection may be 1 % more on the ground."""
MOST_REPEATED = 0.95
"""Share of repeated pixels above which a band is even, and tells nothing of the size of its pixels."""
FOOTPRINT_NOTE = (
    "No limits were given: the area is what the images show, not the city. "
    "Give the city's limits with --area to get its own green ratio."
)


def add(
    files: Sequence[Path],
    *,
    root: Path,
    city: str,
    boundary: City | None = None,
    options: Options | None = None,
    replace: bool = False,
    progress: Progress | None = None,
) -> list[str]:
    """Add the scenes in some files or folders, and the city they show.

    Every file is inspected before anything is written; then each scene is stored as a whole. A scene already stored
    from the same bytes and options is left alone.

    Parameters
    ----------
    files
        Rasters of many bands (a scene each), rasters of one band each (together one scene), Sentinel-2 L2A
        ``.SAFE`` folders, Landsat Collection 2 Level-2 folders.
    root
        The store; created if it does not exist.
    city
        Name of the place in the store.
    boundary
        Its limits; None keeps the store's place of that name, or else uses the images' footprint.
    options
        Facts about the images that their files omit or get wrong.
    replace
        Overwrite scenes of the same id.
    progress
        Called with ``("store", bands done, bands in all)`` for each scene.

    Returns
    -------
    list of str
        Ids of the scenes, including those already stored.

    Raises
    ------
    ImageError
        When a file is broken, or lacks a required fact that no option supplies.
    StoreError
        When the folder cannot be written, or holds another scene of that id.

    """
    city = one_line(city)
    if not city.strip():
        raise StoreError("no city given: name the one that the images show (--city)")
    with _readable():
        found = sources_in([Path(file) for file in files], options or Options())
        found = [_with_size_told(one) for one in found]
        found = [_with_apart_told(one) for one in found]
    for one in found:
        _check_day(one)
    root = Path(root)
    for one in found:
        _store(root, one, replace=replace, progress=progress)
    _keep_place(root, city, boundary, found)
    return [one.id for one in found]


def _check_day(source: Source) -> None:
    """Refuse a day before the satellite's launch or in the future: the latter would be the newest image of all."""
    day, sensor = source.time.date(), source.sensor
    if when := sensor.impossible_day(day):
        raise ImageError(
            f"{source.name}: {sensor.label} of {day}: {when}; give the day with --date, or another --sensor"
        )


def _with_size_told(source: Source) -> Source:
    """Return a scene, with a warning if even its finest band has far larger pixels than its satellite's."""
    return dataclasses.replace(source, warnings=(*source.warnings, *_large_pixels(source, _finest_m(source))))


def _finest_m(source: Source) -> float:
    """Return the side in metres of the pixels of a scene's finest band, 0 if none says where it lies."""
    from howgreen.core.grid import pixel_m
    from howgreen.store.sources import grid_of, opened

    sizes = []
    for path in sorted({one.path for one in source.bands if one.band != source.sensor.mask}):
        with opened(path) as dataset:
            grid = grid_of(dataset, path)
        if grid.crs is not None and (grid.crs.projected or grid.crs.geographic):
            sizes.append(pixel_m(grid))
    return min(sizes, default=0.0)


def _large_pixels(source: Source, side_m: float) -> tuple[Caution, ...]:
    """Warn if pixels are far larger than the satellite's."""
    if side_m <= LARGEST_PIXEL * source.sensor.resolution_m:
        return ()
    text = (
        f"its pixels are {side_m:,.0f} m, and {source.sensor.label} has {source.sensor.resolution_m:g} m: parks, gardens and water "
        "smaller than a pixel are mixed with what is around them"
    )
    return (Caution("large-pixels", text),)


def _blown_up(source: Source, patches: Mapping[str, npt.NDArray[Any]]) -> tuple[Caution, ...]:
    """Warn if even the finest band repeats its pixels, as an image of larger ones does that was written with smaller ones."""
    from howgreen.core.registration import repeated

    side_m = _finest_m(source)
    if source.sensor.is_radar or _large_pixels(source, side_m):
        return ()
    shares = [share for one in patches.values() if (share := repeated(one)) is not None]
    least = min(shares, default=0.0)
    return _large_pixels(source, side_m / (1 - least)) if least <= MOST_REPEATED else ()


def _with_apart_told(source: Source) -> Source:
    """Return a scene, with a warning if its bands cover different ground; ImageError if one does not overlap the first."""
    from howgreen.core.grid import outline
    from howgreen.store.sources import grid_of, opened

    grids: dict[GeoBox, BandSource] = {}
    for one in source.bands:
        with opened(one.path) as dataset:
            grids.setdefault(grid_of(dataset, one.path), one)
    if len(grids) == 1:
        return source
    (first, whole), *others = [(one, outline(grid)) for grid, one in grids.items()]
    for one, ground in others:
        shared = whole.intersection(ground).area / min(whole.area, ground.area)
        if shared == 0:
            raise ImageError(
                f"{one.path}: band {one.band} lies on other ground than {first.band}; give bands of one image and one place"
            )
        if shared < LEAST_SHARED:
            text = f"band {one.band} shows only {100 * shared:.0f} % of what {first.band} shows, or the other way: are all bands of one image and place?"
            source = dataclasses.replace(source, warnings=(*source.warnings, Caution("band-elsewhere", text)))
    return source


@contextmanager
def _readable() -> Iterator[None]:
    """Turn errors of the operating system into an ImageError that names the file."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise ImageError(f"{error.filename}: cannot be read ({reason}); check the path and its permissions") from error


def sources_in(files: Sequence[Path], options: Options) -> list[Source]:
    """Find the scenes in the user's files and folders, reading only metadata.

    Raises
    ------
    ImageError
        Not an image, or one that lacks a required fact; the message names the option that supplies it.
    """
    from howgreen.store import _source_landsat, _source_safe, source_tif

    if not files:
        raise ImageError("no image given: name GeoTIFFs, a Sentinel-2 .SAFE folder or a Landsat folder")
    found: list[Source] = []
    rasters: list[Path] = []
    for given in files:
        path = given.parent if given.name == _source_safe.METADATA else given
        if _source_safe.is_safe(path):
            found.append(_chosen(_source_safe.source(path, options), options))
        elif products := _source_landsat.metadata_files(path):
            found += [_chosen(_source_landsat.source(product, options), options) for product in products]
        elif path.is_dir() and (loose := _source_landsat.loose_files(path)):
            found += [one for files_of_one in loose for one in source_tif.sources(files_of_one, options)]
        elif path.is_dir():
            raise ImageError(f"{path}: neither a Sentinel-2 .SAFE folder nor a Landsat one; name the GeoTIFFs in it")
        else:
            rasters.append(path)
    if rasters:
        found += source_tif.sources(rasters, options)
    twice = {one.id for one in found if [other.id for other in found].count(one.id) > 1}
    if twice:
        raise ImageError(f"{', '.join(sorted(twice))}: two of the files make the same scene; add one, or rename one")
    if options.mask is None:
        return found
    if str(options.mask) == omnicloudmask.NAME:
        return [_to_be_masked(one) for one in found]
    return [_masked(found, options.mask, options.mask_clear)]


def _to_be_masked(source: Source) -> Source:
    """Return a scene whose mask is computed from its own pixels when it is stored, replacing any other."""
    from howgreen.store.sources import BandSource

    if source.sensor.is_radar:
        raise ImageError(f"{source.name}: a radar sees through clouds; leave --mask out")
    bands = tuple(one for one in source.bands if one.band != source.sensor.mask)
    mask = BandSource(band=source.sensor.mask, path=bands[0].path, mask_given=True, mask_kind=omnicloudmask.NAME)
    return dataclasses.replace(source, bands=(*bands, mask))


def _masked(found: Sequence[Source], path: Path, clear: tuple[float, ...] | None) -> Source:
    """Return the only scene, with the user's mask in place of any other."""
    from howgreen.store import _masks
    from howgreen.store._names import band_in
    from howgreen.store.sources import BandSource, grid_of, opened

    if len(found) != 1:
        raise ImageError(f"{path}: one mask, but {len(found)} images; add each with its own --mask")
    (source,) = found
    if source.sensor.is_radar:
        raise ImageError(f"{path}: a radar sees through clouds; leave --mask out")
    with opened(path) as dataset:
        grid_of(dataset, path)
        if dataset.count != 1:
            raise ImageError(
                f"{path}: {dataset.count} bands; a mask has one: cut it out, as with `gdal_translate -b 1`"
            )
    name = band_in(path.stem)
    own = common_name(name, source.sensor, satellite=source.platform or "") == source.sensor.mask
    kind = _masks.kind_with(clear) if clear else _masks.kind_of(name) or _masks.kind_of(path.stem)
    if kind is None and not own:
        raise ImageError(
            f"{path}: which mask it is, its name does not tell (SCL, QA_PIXEL, Fmask, QA60, BQA, MSK_CLDPRB, cloud_mask, ...); say "
            "which of its numbers are clear, as with --mask-clear 0"
        )
    mask = BandSource(band=source.sensor.mask, path=path, mask_given=True, mask_kind=kind or "")
    bands = tuple(one for one in source.bands if one.band != source.sensor.mask)
    return dataclasses.replace(source, bands=(*bands, mask))


def _chosen(source: Source, options: Options) -> Source:
    """Return a product with the requested bands; ImageError if an option contradicts its metadata."""
    day = source.time.date()
    if options.date not in {None, day}:
        raise ImageError(f"{source.name}: taken on {day} by its metadata, not on {options.date}; leave --date out")
    if options.sensor not in {None, source.sensor.name}:
        raise ImageError(f"{source.name}: a {source.sensor.label} product; leave --sensor {options.sensor} out")
    if options.bands is None:
        return source
    names = {name: common_name(name, source.sensor, satellite=source.platform or "") for name in options.bands}
    selected = tuple(one for one in source.bands if one.band in names.values())
    unknown = [name for name, known in names.items() if known is None]
    if unknown:
        known = ", ".join(one.band for one in source.bands)
        raise ImageError(f"{source.name}: unknown band {', '.join(unknown)} in --bands; it has {known}")
    return dataclasses.replace(source, bands=selected)


def _store(root: Path, source: Source, *, replace: bool, progress: Progress | None) -> None:
    from howgreen.core.stac import Header
    from howgreen.store import plausible, sources
    from howgreen.store.borders import find_borders

    with _readable():
        digest = sources.digest(source)
    if not replace and _there_already(root, source, digest):
        _LOG.info("%s: in the store already, from the same files", source.id)
        mend(root)
        return
    with _readable():
        borders, cautions = find_borders(source)
        of_mask = sources.doubts_of_mask(source)
    header = Header(
        id=layout.check_scene_id(source.id),
        sensor=source.sensor,
        time=source.time,
        scale=source.scale,
        offset=source.offset,
        nodata=source.nodata,
        cloud_cover_pct=source.cloud_cover_pct,
        baseline=source.baseline,
        platform=source.platform,
        unit=source.unit,
        origin=_origin(source, digest),
        encodings=source.encodings,
        warnings=(*source.warnings, *cautions, *of_mask),
    )
    doubts = list(header.warnings)

    def check(pixels: Pixels) -> tuple[Caution, ...]:
        found = (
            *plausible.check(source, pixels.samples, pixels.parts),
            *plausible.elsewhere(source, pixels.samples, pixels.patches),
            *plausible.punched(source, pixels.holes),
            *_blown_up(source, pixels.patches),
            *_twice(root, source, pixels.checksums),
        )
        doubts.extend(found)
        return found

    store_scene(root, header, sources.layers(source, borders), check=check, progress=progress)
    warn(*(Caution(one.code, f"{source.name}: {one.text}") for one in doubts))


def _twice(root: Path, source: Source, checksums: Mapping[str, str]) -> tuple[Caution, ...]:
    """Warn if the store has an image of the same pixels under another day or name: nothing changes between the two."""
    folder = root.absolute() / source.sensor.collection
    bands = [band for band in checksums if band != source.sensor.mask]
    for file in layout.item_files(root.absolute()) if root.is_dir() else ():
        if file.parent.parent != folder or file.stem == source.id:
            continue
        entries = layout.read_json(file).get("assets") or {}
        if all((entries.get(band) or {}).get("file:checksum") == checksums[band] for band in bands):
            text = f"it holds the same pixels as {file.stem}: one of the two days is wrong, or it is there twice; keep one of them"
            return (Caution("image-twice", text),)
    return ()


def _origin(source: Source, digest: str) -> dict[str, Any]:
    mask = next((one.mask_kind for one in source.bands if one.mask_given), "")
    return {
        "howgreen:source": Path(source.name).name,
        "howgreen:source_sha256": digest,
        "howgreen:time_from": source.time_from,
        "howgreen:offset_from": source.offset_from,
        **({"howgreen:mask_from": mask} if mask else {}),
    }


def _there_already(root: Path, source: Source, digest: str) -> bool:
    """Tell whether the store holds this same scene, intact; StoreError if it holds a different one under that id."""
    # Adding a damaged scene again repairs it.
    properties, whole = as_stored(root / source.sensor.collection / source.id / f"{source.id}.json")
    if whole and properties.get("howgreen:source_sha256") != digest:
        raise StoreError(
            f"{root}: scene {source.id} is there already, of other files or options; overwrite it with --replace"
        )
    return whole


def _keep_place(root: Path, city: str, boundary: City | None, added: Sequence[Source]) -> None:
    known = place(root, city)
    instead_of = known.id if known else None
    limits = boundary or known
    if limits is not None and limits.kind != FOOTPRINT_KIND:
        warn(*_elsewhere(root, limits, added))
    if boundary is not None:
        put_place(root, dataclasses.replace(boundary, name=city), instead_of=instead_of)
    elif known is None or known.kind == FOOTPRINT_KIND:
        put_place(root, footprint_city(root, city, added, known=known), instead_of=instead_of)


def _elsewhere(root: Path, city: City, added: Sequence[Source]) -> list[Caution]:
    """Warn of images that show nothing of the place they were added for, and say where they lie."""
    cautions = []
    for one, scene in zip(added, _scenes(root, added), strict=True):
        if scene is None or scene.footprint.intersects(city.boundary):
            continue
        there, here = scene.footprint.representative_point(), city.boundary.representative_point()
        away_km = distance_m((there.x, there.y), (here.x, here.y)) / 1000
        text = (
            f"{one.name}: shows nothing of {city.label}, but ground {away_km:,.0f} km away (around {there.y:.3f}, {there.x:.3f}); check the "
            "image's CRS, and --area"
        )
        cautions.append(Caution("image-elsewhere", text))
    return cautions


def _scenes(root: Path, added: Sequence[Source]) -> list[Scene | None]:
    root = root.resolve()
    return [scene_at(root, root / one.sensor.collection / one.id / f"{one.id}.json") for one in added]


def footprint_city(root: Path, name: str, added: Sequence[Source], *, known: City | None = None) -> City:
    """Return a place whose limits are the scenes' footprint (and what it had before); its note says so."""
    import shapely

    shapes = [scene.footprint for scene in _scenes(root, added) if scene]
    area = polygonal(shapely.union_all([*shapes, *([known.boundary] if known else [])]))
    return City(
        name=name if known is None or not goes_by(known, name) else known.name,
        label=name if known is None else known.label,
        id=f"store:{slug(name)}",
        boundary=area,
        crs=crs_of(area),
        area_m2=geodesic_area_m2(area),
        kind=FOOTPRINT_KIND,
        note=FOOTPRINT_NOTE,
    )
