"""Sentinel-2 L2A products as ESA delivers them: a folder whose name ends in ``.SAFE``."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from howgreen.core.errors import ImageError
from howgreen.core.reflectance import NEW_BASELINE, baseline_of
from howgreen.core.sensors import S2_OFFSET_04, SENTINEL2, common_name
from howgreen.core.stac import utc
from howgreen.core.types import Encoding
from howgreen.core.warnings import Caution
from howgreen.store.options import Options
from howgreen.store.sources import NEEDED, BandSource, Source

if TYPE_CHECKING:
    from pathlib import Path

METADATA = "MTD_MSIL2A.xml"
LARGEST_XML_BYTES = 16 * 1024 * 1024
"""Real ones are below a tenth of a megabyte."""


def is_safe(path: Path) -> bool:
    """Tell whether a path is a SAFE folder."""
    return path.is_dir() and ((path / METADATA).is_file() or path.suffix.upper() == ".SAFE")


def source(folder: Path, options: Options) -> Source:
    """Return the scene in a SAFE folder; times, scale and offset are the product's own unless ``options`` differ.

    Raises
    ------
    ImageError
        When metadata or images are missing, broken, or point outside the folder.

    """
    file = folder / METADATA
    if not file.is_file():
        other = "; it is L1C, not corrected for the atmosphere" if (folder / "MTD_MSIL1C.xml").is_file() else ""
        raise ImageError(f"{folder}: no {METADATA}{other}; get the Sentinel-2 L2A product")
    tree = parse_xml(file)
    baseline = _text(tree, "PROCESSING_BASELINE")
    quantum = _number(tree, "BOA_QUANTIFICATION_VALUE", file) or 1 / SENTINEL2.scale
    moment = _text(tree, "PRODUCT_START_TIME") or _text(tree, "DATATAKE_SENSING_START")
    nodata = SENTINEL2.nodata if options.nodata is None else options.nodata
    scale = 1 / quantum if options.scale is None else options.scale
    bands = _bands(folder.resolve(), tree)
    offsets = {one.band: options.offset for one in bands if options.offset is not None} or _offsets(
        tree, quantum, baseline, file
    )
    offset = offsets[bands[0].band]
    return Source(
        id=re.sub(r"[^A-Za-z0-9._-]", "-", _text(tree, "PRODUCT_URI") or folder.name).removesuffix(".SAFE"),
        name=str(folder),
        sensor=SENTINEL2,
        bands=tuple(
            _with_offset(one, offsets.get(one.band, offset), offset, scale=scale, nodata=nodata) for one in bands
        ),
        time=_time(moment, file),
        time_from="metadata",
        scale=scale,
        offset=offset,
        offset_from="metadata" if options.offset is None else "option",
        nodata=nodata,
        baseline=baseline,
        platform=(_text(tree, "SPACECRAFT_NAME") or "").lower() or None,
        cloud_cover_pct=_number(tree, "Cloud_Coverage_Assessment", file),
        trusted=True,
        warnings=_lacking(bands),
    )


def parse_xml(file: Path) -> ET.Element:
    """Parse a small XML file, refusing a document type and thus entities that could expand or read files."""
    if file.stat().st_size > LARGEST_XML_BYTES:
        raise ImageError(f"{file}: too large for metadata; get the product again")
    data = file.read_bytes()
    if b"\0" in data or b"<!DOCTYPE" in data.upper() or b"<!ENTITY" in data.upper():
        raise ImageError(f"{file}: holds a document type, which real products do not; get the product again")
    try:
        return ET.fromstring(data)  # noqa: S314 (no document type, bounded size: nothing can be expanded)
    except ET.ParseError as error:
        raise ImageError(f"{file}: broken XML ({error}); get the product again") from error


def _text(tree: ET.Element, name: str) -> str | None:
    found = tree.find(f".//{{*}}{name}")
    return found.text.strip() if found is not None and found.text else None


def _number(tree: ET.Element, name: str, file: Path) -> float | None:
    text = _text(tree, name)
    try:
        return None if text is None else float(text)
    except ValueError as error:
        raise ImageError(f"{file}: {name} is {text!r}, not a number; get the product again") from error


def _time(text: str | None, file: Path) -> datetime:
    try:
        return utc(datetime.fromisoformat(text or ""))
    except ValueError as error:
        raise ImageError(f"{file}: sensing time {text!r} cannot be read; get the product again") from error


def _with_offset(one: BandSource, own: float, common: float, *, scale: float, nodata: float) -> BandSource:
    return one if own == common else replace(one, encoding=Encoding(scale=scale, offset=own, nodata=nodata))


_BAND_IDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
"""Band names by ESA's band id, from 0."""


def _offsets(tree: ET.Element, quantum: float, baseline: str | None, file: Path) -> dict[str, float]:
    """Return BOA_ADD_OFFSET as reflectance, by common band name.

    If present, it overrides the processing baseline, which locally run Sen2Cor does not record; if missing, baselines
    from 04.00 on have an offset and older ones none.
    """
    entries = list(tree.iterfind(".//{*}BOA_ADD_OFFSET"))
    release = baseline_of(baseline)
    usual = S2_OFFSET_04 if release and release >= NEW_BASELINE and not entries else 0.0
    offsets = dict.fromkeys(SENTINEL2.band_names, usual)
    try:
        for one in entries:
            identity = one.get("band_id")
            value = float((one.text or "").strip()) / quantum
            if identity is None:
                offsets = dict.fromkeys(SENTINEL2.band_names, value)
            elif name := common_name(_BAND_IDS[int(identity)]):
                offsets[name] = value
    except (ValueError, IndexError) as error:
        raise ImageError(f"{file}: BOA_ADD_OFFSET is not a number of a band; get the product again") from error
    return offsets


def _bands(folder: Path, tree: ET.Element) -> tuple[BandSource, ...]:
    """Return each band at its native resolution, and the scene classification."""
    listed = [
        one.text.strip()
        for tag in ("IMAGE_FILE", "IMAGE_FILE_2A")
        for one in tree.iterfind(f".//{{*}}{tag}")
        if one.text
    ]
    if not listed:
        listed = [path.relative_to(folder).as_posix() for path in folder.glob("GRANULE/*/IMG_DATA/R*m/*.jp2")]
    found = []
    for name, code, resolution in _wanted():
        suffix = re.compile(rf"_{code}_{resolution}m(?:\.jp2)?$")
        if match := next((text for text in listed if suffix.search(text)), None):
            found.append(BandSource(band=name, path=_inside(folder, match)))
    present = tuple(one for one in found if one.path.is_file())
    lacking = [code for name, code, _ in _wanted() if name in NEEDED and name not in {one.band for one in present}]
    if lacking:
        raise ImageError(f"{folder}: band {' and '.join(lacking)} missing; get the whole product")
    return present


def _lacking(bands: tuple[BandSource, ...]) -> tuple[Caution, ...]:
    """Warn of bands that the product should have but its folder lacks."""
    lacking = [code for name, code, _ in _wanted() if name not in {one.band for one in bands}]
    return (Caution("band-not-used", f"its folder lacks {', '.join(lacking)}"),) if lacking else ()


def _wanted() -> list[tuple[str, str, int]]:
    bands = [(band.name, band.aliases[0], int(band.resolution_m)) for band in SENTINEL2.bands]
    return [*bands, ("scl", "SCL", 20)]


def _inside(folder: Path, text: str) -> Path:
    path = (folder / (text if text.endswith(".jp2") else f"{text}.jp2")).resolve()
    if not path.is_relative_to(folder):
        raise ImageError(f"{folder}: its metadata names {text!r}, outside of the product; get the product again")
    return path
