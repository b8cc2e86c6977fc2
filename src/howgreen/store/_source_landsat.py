"""Landsat Collection 2 Level-2 products as the USGS delivers them: a folder with an MTL file."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from howgreen.core.errors import ImageError
from howgreen.core.sensors import LANDSAT, native_names
from howgreen.core.stac import utc
from howgreen.core.types import Encoding
from howgreen.core.warnings import Caution
from howgreen.store._names import is_landsat_file
from howgreen.store._source_safe import LARGEST_XML_BYTES, parse_xml
from howgreen.store.options import Options
from howgreen.store.sources import NEEDED, BandSource, Source

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from xml.etree.ElementTree import Element

    Groups = dict[str, dict[str, str]]

_KINDS = ("json", "xml", "txt")
_BAND = re.compile(r"(?i)[_.](?:sr_|st_|toa_)?(?:fmask|[svr]aa|[sv]za|b(?:and)?\d+|qa_[a-z]+|[a-z]+_qa|bqa|aerosol)$")


def metadata_files(path: Path) -> list[Path]:
    """List the MTL files of a Landsat folder, one for each of its products; empty for any other folder."""
    if not path.is_dir() or any(path.glob("*_sr_band*.tif")):  # Collection 1: its MTL file describes Level 1
        return []
    found: dict[str, Path] = {}
    for kind in _KINDS:
        for file in sorted(path.glob(f"*_MTL.{kind}")):
            found.setdefault(file.stem, file)
    return [found[name] for name in sorted(found)]


def loose_files(path: Path) -> list[list[Path]]:
    """List each product's bands by file name, in a folder without a usable MTL file; empty if not Landsat's."""
    products: dict[str, list[Path]] = {}
    for file in sorted(one for one in path.iterdir() if one.suffix.lower() in {".tif", ".tiff"} and one.is_file()):
        if is_landsat_file(file):
            products.setdefault(_BAND.sub("", file.stem), []).append(file)
    return list(products.values())


def source(file: Path, options: Options) -> Source:
    """Return the scene of a Landsat MTL file and its folder, with its own time, scale and offset unless ``options`` differ.

    Raises
    ------
    ImageError
        When metadata or images are missing, broken, of another level, or point outside the folder.

    """
    folder = file.parent
    groups = read_mtl(file)
    contents, image = groups.get("PRODUCT_CONTENTS", {}), groups.get("IMAGE_ATTRIBUTES", {})
    level = contents.get("PROCESSING_LEVEL", "?")
    if level not in {"L2SP", "L2SR"}:
        raise ImageError(f"{folder}: processing level {level}, not surface reflectance; get the Level-2 product (L2SP)")
    numbers = _numbers(image.get("SPACECRAFT_ID", ""), file)
    if contents.get("COLLECTION_NUMBER", "02").lstrip("0") not in {"2", ""}:
        raise ImageError(
            f"{folder}: Collection {contents['COLLECTION_NUMBER']}, whose numbers are others; get Collection 2"
        )
    nodata = LANDSAT.nodata if options.nodata is None else options.nodata
    encodings = _encodings(groups.get("LEVEL2_SURFACE_REFLECTANCE_PARAMETERS", {}), numbers, file, options, nodata)
    bands = _bands(folder.resolve(), contents, numbers)
    common = next(encodings[one.band] for one in bands if one.band in encodings)
    return Source(
        id=re.sub(r"[^A-Za-z0-9._-]", "-", contents.get("LANDSAT_PRODUCT_ID") or folder.name),
        name=str(folder),
        sensor=LANDSAT,
        bands=tuple(
            one if encodings.get(one.band, common) == common else replace(one, encoding=encodings[one.band])
            for one in bands
        ),
        time=_time(image, file),
        time_from="metadata",
        scale=common.scale,
        offset=common.offset,
        offset_from="metadata" if options.offset is None else "option",
        nodata=nodata,
        platform=image["SPACECRAFT_ID"].lower().replace("_", "-"),
        cloud_cover_pct=_cloud(image),
        trusted=True,
        warnings=_lacking(bands, numbers),
    )


def read_mtl(file: Path) -> Groups:
    """Return the groups of an MTL file in any of its three formats; all values as text."""
    if file.stat().st_size > LARGEST_XML_BYTES:
        raise ImageError(f"{file}: too large for metadata; get the product again")
    try:
        if file.suffix == ".json":
            return _plain(json.loads(file.read_bytes())["LANDSAT_METADATA_FILE"])
        if file.suffix == ".xml":
            return _from_xml(parse_xml(file))
        return _from_odl(file.read_text("utf-8"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ImageError(f"{file}: not a readable MTL file ({error!r}); get the product again") from error


def _plain(value: Mapping[str, Mapping[str, Any]]) -> Groups:
    return {group: {key: str(text) for key, text in entries.items()} for group, entries in value.items()}


def _from_xml(tree: Element) -> Groups:
    return {group.tag: {entry.tag: (entry.text or "").strip() for entry in group} for group in tree}


def _from_odl(text: str) -> Groups:
    """Parse ODL: ``GROUP = NAME``, ``KEY = VALUE``, ``END_GROUP = NAME``."""
    groups: Groups = {}
    current = ""
    for line in text.splitlines():
        key, found, value = (part.strip() for part in line.partition("="))
        if not found:
            continue
        if key == "GROUP":
            current = value
        elif key != "END_GROUP":
            groups.setdefault(current, {})[key] = value.strip('"')
    return groups


def _numbers(spacecraft: str, file: Path) -> dict[int, str]:
    """Return common names by band number; Landsats 4-7 and 8-9 number their bands differently."""
    table = native_names(LANDSAT, spacecraft)
    if table is None:
        raise ImageError(f"{file}: spacecraft {spacecraft!r}; only Landsat 4, 5, 7, 8 and 9 have these products")
    return {int(key[-1]): name for key, name in table.items()}


def _encodings(
    group: Mapping[str, str], numbers: Mapping[int, str], file: Path, options: Options, nodata: float
) -> dict[str, Encoding]:
    """Return each band's scaling to reflectance: from the user, else the MTL file, else the handbook."""
    found = {}
    for number, name in numbers.items():
        try:
            scale = float(group.get(f"REFLECTANCE_MULT_BAND_{number}", LANDSAT.scale))
            offset = float(group.get(f"REFLECTANCE_ADD_BAND_{number}", LANDSAT.offset))
        except ValueError as error:
            raise ImageError(f"{file}: REFLECTANCE_MULT or _ADD is not a number; get the product again") from error
        found[name] = Encoding(
            scale=scale if options.scale is None else options.scale,
            offset=offset if options.offset is None else options.offset,
            nodata=nodata,
        )
    return found


def _bands(folder: Path, contents: Mapping[str, str], numbers: Mapping[int, str]) -> tuple[BandSource, ...]:
    """Return the bands present in the folder: those that a model needs are enough."""
    named = {name: (f"FILE_NAME_BAND_{number}", f"_SR_B{number}.TIF") for number, name in numbers.items()}
    named[LANDSAT.mask] = ("FILE_NAME_QUALITY_L1_PIXEL", "_QA_PIXEL.TIF")
    paths = {name: _file(folder, contents.get(key), suffix) for name, (key, suffix) in named.items()}
    present = tuple(BandSource(band=name, path=path) for name, path in paths.items() if path.is_file())
    for name in NEEDED:
        if not paths[name].is_file():
            raise ImageError(f"{paths[name]}: missing; get the whole product")
    return present


def _lacking(bands: tuple[BandSource, ...], numbers: Mapping[int, str]) -> tuple[Caution, ...]:
    """Warn of bands that the product should have but its folder lacks."""
    lacking = [name for name in (*numbers.values(), LANDSAT.mask) if name not in {one.band for one in bands}]
    return (Caution("band-not-used", f"its folder lacks {', '.join(lacking)}"),) if lacking else ()


def _file(folder: Path, name: str | None, suffix: str) -> Path:
    if name is None:
        found = (path.name for path in sorted(folder.iterdir()) if path.name.upper().endswith(suffix))
        name = next(found, f"*{suffix}")
    path = (folder / name).resolve()
    if not path.is_relative_to(folder):
        raise ImageError(f"{folder}: its metadata names {name!r}, outside of the product; get the product again")
    return path


def _time(image: Mapping[str, str], file: Path) -> datetime:
    day, clock = image.get("DATE_ACQUIRED", ""), image.get("SCENE_CENTER_TIME", "").rstrip("Z")
    try:
        return utc(datetime.fromisoformat(f"{day}T{clock[:15] or '12:00:00'}"))
    except ValueError as error:
        raise ImageError(f"{file}: acquired on {day!r} at {clock!r} cannot be read; get the product again") from error


def _cloud(image: Mapping[str, str]) -> float | None:
    try:
        cover = float(image.get("CLOUD_COVER", "-1"))
    except ValueError:
        return None
    return cover if 0 <= cover <= 100 else None
