"""Answers exported from other programs: Collect Earth Online's sample table, AcATaMa's layer of labelled points.

The formats are those written by the programs themselves (Collect Earth Online's download of sample data; AcATaMa's
"save sampling labeled"), both looked up in their public sources. Neither reliably keeps our sample's key, so every
point must lie where the sample has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from howgreen.core.errors import EstimateError

if TYPE_CHECKING:
    from howgreen.estimate.sample import Sample

NEAR_M = 2.0
"""A point farther than this from its place in the sample belongs to another sample: programs keep seven decimals of a
degree."""
POINT_FILES = (".gpkg", ".shp", ".geojson", ".json")
ACATAMA = "acatama"
"""Name of the reader if the program keeps none."""
_UNKNOWN = ("unknown", "cannot tell", "can't tell", "can not tell", "no data")
_PLOT, _DOT = ("plotid", "plot_id"), ("sampleid", "sample_id")

Rows = Sequence[tuple[int, Mapping[str, str]]]
"""Rows of a table with their number as in a spreadsheet."""
Told = dict[tuple[int, str], dict[str, int]]
"""Dots by kind, for each unit and reader."""


def is_collect_earth(names: Sequence[str]) -> bool:
    """Tell whether a table has the columns of Collect Earth Online's samples."""
    lower = {name.casefold() for name in names}
    return any(one in lower for one in _PLOT) and any(one in lower for one in _DOT) and {"lon", "lat"} <= lower


def read_collect_earth(rows: Rows, sample: Sample, file: Path, kinds: Sequence[str]) -> tuple[Told, dict[int, str]]:
    """Count the dots of Collect Earth Online's table, one row per dot; also return the time of each unit's look.

    Raises
    ------
    EstimateError
        No column has only kinds of ground; a dot belongs to another sample, or occurs twice.
    """
    from howgreen.estimate.sample import dots_of

    names = {name.casefold(): name for name in rows[0][1] if name} if rows else {}
    plot, dot = (next(names[one] for one in wanted if one in names) for wanted in (_PLOT, _DOT))
    question = _question(rows, kinds, file)
    where = {unit.unit: dict(dots_of(sample, unit)) for unit in sample.units}
    told: Told = {}
    times: dict[int, str] = {}
    seen: set[tuple[int, int, str]] = set()
    for number, row in rows:
        here = f"{file}, row {number}"
        if not (row[question] or "").strip():
            continue  # not interpreted yet
        unit, which = _number(row[plot], here), _number(row[dot], here)
        if which not in where.get(unit, {}):
            raise EstimateError(f"{here}: the sample has no dot {which} in place {unit}; give the table of this sample")
        lon, lat = where[unit][which]
        if _apart_m(_degrees(row[names["lon"]], here), _degrees(row[names["lat"]], here), lon, lat) > NEAR_M:
            raise EstimateError(
                f"{here}: dot {which} of place {unit} lies elsewhere in this sample; give its own table"
            )
        reader = (row.get(names.get("email", "")) or "").strip() or "collect-earth-online"
        if (unit, which, reader) in seen:
            raise EstimateError(f"{here}: dot {which} of place {unit} is told twice; leave one of the two out")
        seen.add((unit, which, reader))
        dots = told.setdefault((unit, reader), {})
        kind = kind_of(row[question], kinds, here)
        dots[kind] = dots.get(kind, 0) + 1
        times.setdefault(unit, (row.get(names.get("collection_time", "")) or "").strip())
    return told, times


def read_acatama(file: Path, sample: Sample, kinds: Sequence[str]) -> Told:
    """Read the labels of AcATaMa's points, one per place.

    Raises
    ------
    EstimateError
        It is not a layer of labelled points of this sample, or the sample has several dots per unit, which one label
        cannot describe.
    """
    from howgreen.core.errors import LabelError
    from howgreen.core.labels import read_shapes

    if sample.dots != 1:
        raise EstimateError(
            f"{file}: AcATaMa tells one label a place, and this sample asks for {sample.dots} dots; draw it with --dots 1"
        )
    try:
        frame = read_shapes(file, "Label").to_crs("EPSG:4326")
    except LabelError as error:
        raise EstimateError(f"{file}: is no layer that AcATaMa saved ({error})") from error
    number = next((name for name in frame.columns if str(name).casefold() == "id"), None)
    if number is None or set(frame.geom_type) != {"Point"}:
        raise EstimateError(
            f"{file}: is no layer that AcATaMa saved: points with ID and Label; save the labelled sampling"
        )
    told: Told = {}
    for unit, label, point in zip(frame[number], frame["Label"], frame.geometry, strict=True):
        if label is None or not str(label).strip() or str(label) == "nan":
            continue
        here = f"{file}, point {unit}"
        if not 1 <= int(unit) <= len(sample.units):
            raise EstimateError(f"{here}: is none of the sample's {len(sample.units)}; give the layer of this sample")
        asked = sample.units[int(unit) - 1]
        if _apart_m(point.x, point.y, asked.lon, asked.lat) > NEAR_M:
            raise EstimateError(f"{here}: lies elsewhere in this sample; give its own layer")
        if (int(unit), ACATAMA) in told:
            raise EstimateError(f"{here}: is there twice; leave one of the two out")
        told[int(unit), ACATAMA] = {kind_of(str(label), kinds, here): 1}
    return told


def kind_of(text: str, kinds: Sequence[str], where: str) -> str:
    """Return the kind of ground that a word means."""
    word = " ".join(text.replace("’", "'").split()).casefold()
    if word in kinds:
        return word
    if word in _UNKNOWN:
        return "unknown"
    raise EstimateError(
        f"{where}: {text.strip()[:30]!r} is no kind of ground; the answers have to be called {', '.join(kinds)}"
    )


def _question(rows: Rows, kinds: Sequence[str], file: Path) -> str:
    """Find the one column that has only kinds of ground."""
    known = {*kinds, *_UNKNOWN}
    found = [
        name
        for name in (rows[0][1] if rows else {})
        if name and (words := {(row[name] or "").strip().casefold() for _, row in rows} - {""}) and words <= known
    ]
    if len(found) != 1:
        what = f"several columns ({', '.join(found)})" if found else "no column"
        raise EstimateError(
            f"{file}: {what} whose answers are all kinds of ground; ask one question with the answers {', '.join(kinds)}"
        )
    return found[0]


def _number(text: str, where: str) -> int:
    cleaned = (text or "").strip()
    if not cleaned.isascii() or not cleaned.isdecimal() or len(cleaned) > 9:
        raise EstimateError(f"{where}: {cleaned[:30]!r} is no whole number")
    return int(cleaned)


def _degrees(text: str, where: str) -> float:
    try:
        return float(text)
    except (TypeError, ValueError) as error:
        raise EstimateError(f"{where}: {str(text)[:30]!r} is no position in degrees") from error


def _apart_m(lon: float, lat: float, other_lon: float, other_lat: float) -> float:
    """Distance in metres between two near positions."""
    north = 111_195.0 * (lat - other_lat)
    east = 111_195.0 * (lon - other_lon) * np.cos(np.radians(other_lat))
    return float(np.hypot(north, east))
