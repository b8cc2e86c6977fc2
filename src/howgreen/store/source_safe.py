"""Sentinel-2 L2A products as ESA delivers them: a folder whose name ends in ``.SAFE``."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from howgreen.core.errors import ImageError
from howgreen.core.sensors import S2_OFFSET_04, SENTINEL2
from howgreen.core.stac import utc
from howgreen.store.sources import BandSource, Options, Source

if TYPE_CHECKING:
    from pathlib import Path

METADATA = "MTD_MSIL2A.xml"
LARGEST_XML_BYTES = 16 * 1024 * 1024
"""Real ones have less than a tenth of a megabyte."""


def is_safe(path: Path) -> bool:
    """Whether a path is such a folder."""
    return path.is_dir() and ((path / METADATA).is_file() or path.suffix.upper() == ".SAFE")


def source(folder: Path, options: Options) -> Source:
    """The scene in a SAFE folder; times, scale and offset are the product's own unless ``options`` say otherwise.

    Raises
    ------
    ImageError
        When metadata or images are missing, broken, or lead out of the folder.

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
    return Source(
        id=re.sub(r"[^A-Za-z0-9._-]", "-", _text(tree, "PRODUCT_URI") or folder.name).removesuffix(".SAFE"),
        name=str(folder),
        sensor=SENTINEL2,
        bands=_bands(folder.resolve(), tree),
        time=_time(moment, file),
        time_from="metadata",
        scale=1 / quantum if options.scale is None else options.scale,
        offset=_offset(tree, quantum, baseline, file) if options.offset is None else options.offset,
        offset_from="metadata" if options.offset is None else "option",
        nodata=nodata,
        baseline=baseline,
        platform=(_text(tree, "SPACECRAFT_NAME") or "").lower() or None,
        cloud_cover_pct=_number(tree, "Cloud_Coverage_Assessment", file),
        trusted=True,
    )


def parse_xml(file: Path) -> ET.Element:
    """A small XML file without a document type, and so without entities that could grow or read files."""
    if file.stat().st_size > LARGEST_XML_BYTES:
        raise ImageError(f"{file}: too large for metadata; get the product again")
    data = file.read_bytes()
    if b"\0" in data or b"<!DOCTYPE" in data.upper() or b"<!ENTITY" in data.upper():
        raise ImageError(f"{file}: holds a document type, which real products do not; get the product again")
    try:
        return ET.fromstring(data)  # noqa: S314  no document type, bounded size: nothing can be expanded
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


def _offset(tree: ET.Element, quantum: float, baseline: str | None, file: Path) -> float:
    """BOA_ADD_OFFSET as reflectance. Baselines before 04.00 have none."""
    texts = {(one.text or "").strip() for one in tree.iterfind(".//{*}BOA_ADD_OFFSET")}
    if len(texts) > 1:
        raise ImageError(f"{file}: its bands have unlike offsets ({', '.join(sorted(texts))}); give one with --offset")
    try:
        if texts:
            return float(texts.pop()) / quantum
        return S2_OFFSET_04 if baseline and float(baseline) >= 4 else 0.0
    except ValueError as error:
        raise ImageError(f"{file}: BOA_ADD_OFFSET or baseline is not a number; get the product again") from error


def _bands(folder: Path, tree: ET.Element) -> tuple[BandSource, ...]:
    """Each band at its native resolution, and the scene classification."""
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
        match = next((text for text in listed if suffix.search(text)), None)
        if match is None:
            raise ImageError(f"{folder}: band {code} at {resolution} m is missing; get the whole product")
        found.append(BandSource(band=name, path=_inside(folder, match)))
    return tuple(found)


def _wanted() -> list[tuple[str, str, int]]:
    bands = [(band.name, band.aliases[0], int(band.resolution_m)) for band in SENTINEL2.bands]
    return [*bands, ("scl", "SCL", 20)]


def _inside(folder: Path, text: str) -> Path:
    path = (folder / (text if text.endswith(".jp2") else f"{text}.jp2")).resolve()
    if not path.is_relative_to(folder):
        raise ImageError(f"{folder}: its metadata names {text!r}, outside of the product; get the product again")
    if not path.is_file():
        raise ImageError(f"{path}: missing; get the whole product")
    return path
