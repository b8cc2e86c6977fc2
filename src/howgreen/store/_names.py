"""Read satellite, band, day and producer from the names of files and bands."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from howgreen.core.errors import ImageError
from howgreen.core.sensors import LANDSAT, SENSORS, SENTINEL2, Sensor, common_name
from howgreen.store import _masks

if TYPE_CHECKING:
    from pathlib import Path

SKIP = "-"
"""In ``--bands``: skip this band."""

_LANDSAT = re.compile(
    r"(?i)(?:^|[^a-z0-9])(?:l[cotem]0?([4-9])(?=\d{6}|[_.-]|$)|lnd0([4-9])|landsat[-_ ]?([4-9])?|l([4-9])(?=[_.-]))"
)
_HLS_LANDSAT = re.compile(r"(?i)(?:^|[^a-z0-9])hls[._-]?l30(?![0-9])")
"""NASA's harmonised Landsat 8 and 9: Landsat 8's band numbers, scale 1e-4."""
_FORCE = re.compile(r"(?i)(?:^|_)(?:sen2[abcdl]|lnd0[4-9])_(?:boa|bap|qai)(?:_|$)|_LEVEL2_")
_SENTINEL_2 = re.compile(
    r"(?i)(?:^|[^a-z0-9])(?:s2(?=[_.-]|[a-d](?:[_.-]|$)|$)|sentinel[-_ ]?2)|(?:^|_)t\d\d[a-z]{3}_20\d{6}"
)
_LEVEL_1 = re.compile(r"(?i)_L1(?:TP|GT|GS)_|MSIL1C")
_COLLECTION_1 = re.compile(r"(?i)_01_(?:T1|T2|RT)(?:_|$)|-SC\d{14}|_sr_band\d|_pixel_qa$")
_COLLECTION_1_SURFACE = re.compile(r"(?i)_sr_band\d$|_pixel_qa$")
"""Collection 1's surface reflectance files and quality band: scale 1e-4, and different QA bits."""
_LANDSAT_NUMBER = re.compile(r"(?i)(?:(?:sr[_ ])?b(?:and)?)[_ ]?0?([1-7])(?:[_ ](?:surface[_ ])?reflectance)?")
_NUMBERED = re.compile(r"(?i)\bB(?:0?[1-9]|8A|1[0-2])\b")
"""A band number in running text, as in ``B4, central wavelength 665 nm``."""
_FORCE_NAMES = {"NIR": "nir08", "BROADNIR": "nir"}
_OTHER_NAMES = {
    "SWIR1": "swir16", "SWIR2": "swir22", "SWIR_1": "swir16", "SWIR_2": "swir22", "RE1": "rededge1", "RE2": "rededge2",
    "RE3": "rededge3", "RED_EDGE_1": "rededge1", "RED_EDGE_2": "rededge2", "RED_EDGE_3": "rededge3", "REDEDGE_1": "rededge1",
    "REDEDGE_2": "rededge2", "REDEDGE_3": "rededge3", "RED_EDGE1": "rededge1", "RED_EDGE2": "rededge2", "RED_EDGE3": "rededge3",
    "NARROWNIR": "nir08", "NARROW_NIR": "nir08", "NIR_NARROW": "nir08", "NIR2": "nir08", "B08A": "nir08",
}  # fmt: skip
_KNOWN_AND_NOT_USED = re.compile(
    r"(?i)^(b0?1|b0?9|b10|coastal.*|aerosol.*|water_?vapou?r|cirrus|aot|wvp|sr_b1|st_b\d+|st_.*|lwir.*|thermal.*|tir\d?|tci(_[rgb])?|"
    r"msk_.*|snw|sr_qa_aerosol|qa_radsat|qa10|qa20|alpha|mask|dst|hot|vzn|oqa|wvp|vza|sza|.*azimuth.*|.*zenith.*|sun.*|view.*|pan(chromatic)?|.*temperature|ndvi|"
    r"ndwi|evi)$"
)


@dataclass(frozen=True, kw_only=True)
class Naming:
    """Naming scheme of one scene's bands."""

    sensor: Sensor
    satellite: str = ""
    """As in ``LC08``; empty if the names give none, or several."""
    collection: int = 0
    """Landsat collection, 1 or 2; 0 if the names do not say."""
    is_force: bool = False
    """Whether FORCE wrote the files: its NIR is Sentinel-2's band 8A, and its scale is 1e-4."""

    def common(self, name: str) -> str | None:
        """Return the common name of a band; None if it is unknown."""
        plain = name.strip()
        upper = re.sub(r"[\s-]+", "_", plain.upper())
        if self.sensor is SENTINEL2 and self.is_force and upper in _FORCE_NAMES:
            return _FORCE_NAMES[upper]
        known = common_name(plain, self.sensor, satellite=self.satellite)
        if known is None and self.sensor is LANDSAT and self.satellite and (match := _LANDSAT_NUMBER.fullmatch(plain)):
            known = common_name(f"SR_B{match[1]}", self.sensor, satellite=self.satellite)
        if known is None and (other := _OTHER_NAMES.get(upper)) in self.sensor.band_names:
            return other
        if known is None and _masks.kind_of(plain) and self.sensor.mask:
            return self.sensor.mask
        if known is None and self.sensor is SENTINEL2 and (match := _NUMBERED.search(plain)):
            return common_name(match[0])
        return known

    def mask_kind(self, name: str) -> str:
        """Return the kind of a cloud mask other than the sensor's own; empty for anything else."""
        own = common_name(name.strip(), self.sensor, satellite=self.satellite)
        return "" if own is not None else _masks.kind_of(name) or ""


def unused(name: str) -> bool:
    """Tell whether a name is known but not used here."""
    return bool(_KNOWN_AND_NOT_USED.match(name.strip()) or any(common_name(name, one) for one in SENSORS.values()))


def naming(files: Sequence[Path], names: Sequence[str], *, sensor: str | None, bands_given: bool) -> Naming:
    """Identify sensor and producer by the names of files and bands.

    Parameters
    ----------
    files
        The files of one scene.
    names
        Names of its bands, in any spelling.
    sensor
        Sensor given by the user, or None.
    bands_given
        Whether the user named the bands.

    Raises
    ------
    ImageError
        When the sensor is unknown, or the names reveal data that are not surface reflectance, or another sensor's, or a
        mix of two.
    """
    stems = [file.stem for file in files]
    if sensor is not None and sensor not in SENSORS:
        raise ImageError(f"sensor {sensor!r} is unknown: use {' or '.join(SENSORS)}")
    is_force = any(_FORCE.search(stem) for stem in stems)
    numbers = {"8" for stem in stems if _HLS_LANDSAT.search(stem)} | {
        next((group for group in match.groups() if group), "") for stem in stems if (match := _LANDSAT.search(stem))
    }
    _check_one_satellite(files, sensor=sensor, bands_given=bands_given)
    landsat = sensor == LANDSAT.name or (sensor is None and (bool(numbers) or any(_is_landsat(name) for name in names)))
    if landsat:
        known = {number for number in numbers if number}
        satellite = (
            f"L{'C' if known & {'8', '9'} else 'T' if known & {'4', '5'} else 'E'}0{known.pop()}"
            if len(known) == 1
            else ""
        )
        if sensor is None:
            _check_level(files)
        return Naming(sensor=LANDSAT, satellite=satellite, collection=_collection(stems), is_force=is_force)
    if sensor is None and any(_LEVEL_1.search(stem) for stem in stems):
        _check_level(files)
    if sensor is not None:
        return Naming(sensor=SENSORS[sensor], is_force=is_force)
    radar, optical = (
        [name for name in names if common_name(name, SENSORS[one])] for one in ("sentinel-1", "sentinel-2")
    )
    if radar and not optical:
        return Naming(sensor=SENSORS["sentinel-1"])
    words = {name.strip().upper() for name in names}
    if "BROADNIR" in words and "NIR" in words and not is_force and not bands_given:
        raise ImageError(
            f"{files[0]}: NIR is band 8A and BROADNIR band 8 where FORCE wrote them, and the other way round elsewhere; name the bands "
            f"with --bands, of {', '.join(SENTINEL2.band_names)}"
        )
    return Naming(sensor=SENTINEL2, is_force=is_force)


def is_landsat_file(file: Path) -> bool:
    """Tell whether a file name is Landsat's and names its satellite."""
    match = _LANDSAT.search(file.stem)
    return bool((match and any(match.groups())) or _HLS_LANDSAT.search(file.stem))


def _check_one_satellite(files: Sequence[Path], *, sensor: str | None, bands_given: bool) -> None:
    """ImageError if files named as Landsat's are passed as Sentinel-2, alone or among Sentinel-2's own.

    Their band numbers mean other wavelengths: Landsat 8's band 8 is panchromatic, Sentinel-2's is near-infrared.
    """
    ours = [file for file in files if is_landsat_file(file)]
    others = [file for file in files if file not in ours and _SENTINEL_2.search(file.stem)]
    if ours and others and not bands_given:
        raise ImageError(
            f"{ours[0]}, {others[0].name}: files of Landsat and of Sentinel-2 by their names; add those of one satellite at a time"
        )
    if ours and sensor == SENTINEL2.name and not bands_given:
        raise ImageError(
            f"{ours[0]}: Landsat's by its name, whose bands are numbered otherwise; leave --sensor {sensor} out, or name the bands with --bands"
        )


def _collection(stems: Sequence[str]) -> int:
    if any(_COLLECTION_1.search(stem) for stem in stems):
        return 1
    return 2 if any(re.search(r"(?i)_02_(?:T1|T2|RT)(?:_|$)", stem) for stem in stems) else 0


def _is_landsat(name: str) -> bool:
    return name.upper().startswith(("SR_B", "QA_PIXEL", "SR_BAND"))


def _check_level(files: Sequence[Path]) -> None:
    """ImageError if Landsat file names say Level-1 or Collection 1, whose scaling differs."""
    cure = "get Collection 2 Level-2 (L2SP), or say what they are with --sensor, --bands, --scale and --offset"
    for file in files:
        if _COLLECTION_1_SURFACE.search(file.stem):
            continue  # named after the Level-1 product it was made from
        if _LEVEL_1.search(file.stem):
            raise ImageError(f"{file}: Level-1 by its name, not surface reflectance; {cure}")
        if _COLLECTION_1.search(file.stem):
            raise ImageError(
                f"{file}: Collection 1 by its name, and not its surface reflectance (..._sr_band4.tif); get Collection 2 Level-2 (L2SP), or "
                "give --sensor landsat, --bands, --scale 0.0001 and --offset 0, its quality band left out"
            )


def band_in(stem: str) -> str:
    """Return the band name in a file name: its last part that is one, as in ``T32TPS_20230701_B8A_20m``."""
    match = re.search(
        r"(?i)(SR_B\d|SR_BAND\d|QA_PIXEL|(?:GAMMA|SIGMA)0_V[VH]|MSK_CLD\w+_\d\dm|MSK_CLD[A-Z]+|CLOUD_?MASK)$", stem
    )
    if match:
        return match.group(1)
    parts = re.split(r"[^A-Za-z0-9]+", stem)
    if found := next((part for part in reversed(parts) for one in SENSORS.values() if common_name(part, one)), None):
        return found
    two = ["_".join(pair) for pair in itertools.pairwise(parts)]
    for part in (*reversed(two), *reversed(parts)):
        if part.upper() in _OTHER_NAMES or _masks.kind_of(part) or part.upper() in _FORCE_NAMES or unused(part):
            return part
    return stem


# ---- days

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_YEAR = r"((?:19|20)\d{2})"
_ISO = re.compile(rf"(?<!\d){_YEAR}([-_.]?)(\d{{2}})\2(\d{{2}})(?=\D|$|\d{{4}}(?!\d)|\d{{6}}(?!\d))")
_SHORT = re.compile(rf"(?<!\d){_YEAR}([-_.])(\d{{1,2}})\2(\d{{1,2}})(?!\d)")
_DAY_FIRST = re.compile(rf"(?<!\d)(?:(\d{{2}})(\d{{2}})|(\d{{1,2}})([-_.])(\d{{1,2}})\4){_YEAR}(?!\d)")
_ORDINAL = re.compile(rf"(?<!\d){_YEAR}[-_]?(\d{{3}})(?!\d)")
_LANDSAT_OLD = re.compile(
    rf"(?i)(?:^|[^a-z])L[CETOM]\d\d{{6}}{_YEAR}(\d{{3}})(?!\d)|(?:^|_)L[CETOM]0\d{{7}}{_YEAR}(\d{{2}})(\d{{2}})(?!\d)"
)
_LETTERS = re.compile(
    rf"(?i)(?<!\d)(\d{{1,2}})[-_. ]?({'|'.join(_MONTHS)})[a-z]*[-_. ]?{_YEAR}(?!\d)|{_YEAR}[-_. ]?({'|'.join(_MONTHS)})[a-z]*[-_. ]?(\d{{1,2}})(?!\d)"
)
_TAKEN_FIRST = re.compile(r"(?i)(?:^|[^a-z0-9])(?:L[COTEM]\d{2}_|S2[A-D]_MSI|S1[A-D]_|S2[A-D]_OPER|HLS)")


def day_in(text: str) -> date | None:
    """Return the day in a name; None if it has none.

    Raises
    ------
    ImageError
        When it has several, or an ambiguous one.
    """
    found: dict[date, int] = {}
    for find in (_iso, _letters, _old_landsat, _day_first, _ordinals):
        if found := find(text):
            break
    if len(found) > 1:
        if _TAKEN_FIRST.search(text):
            return min(found, key=lambda day: found[day])
        raise ImageError(f"its name holds {len(found)} days ({', '.join(map(str, sorted(found)))})")
    return next(iter(found), None)


def _iso(text: str) -> dict[date, int]:
    found: dict[date, int] = {}
    for match in (*_ISO.finditer(text), *_SHORT.finditer(text)):
        _note(found, match.start(), match[1], match[3], match[4])
    return found


def _letters(text: str) -> dict[date, int]:
    found: dict[date, int] = {}
    for match in _LETTERS.finditer(text):
        year, month, day = (match[3], match[2], match[1]) if match[1] else (match[4], match[5], match[6])
        _note(found, match.start(), year, _MONTHS.index(month[:3].lower()) + 1, day)
    return found


def _old_landsat(text: str) -> dict[date, int]:
    found: dict[date, int] = {}
    for match in _LANDSAT_OLD.finditer(text):
        if match[1]:
            _ordinal(found, match.start(), match[1], match[2])
        else:
            _note(found, match.start(), match[3], match[4], match[5])
    return found


def _day_first(text: str) -> dict[date, int]:
    found: dict[date, int] = {}
    for match in _DAY_FIRST.finditer(text):
        either: dict[date, int] = {}
        first, second = match[1] or match[3], match[2] or match[5]
        _note(either, match.start(), match[6], second, first)
        _note(either, match.start(), match[6], first, second)
        if len(either) > 1:
            raise ImageError(f"{match[0]!r} is {' or '.join(map(str, sorted(either)))}")
        found |= either
    return found


def _ordinals(text: str) -> dict[date, int]:
    found: dict[date, int] = {}
    for match in _ORDINAL.finditer(text):
        _ordinal(found, match.start(), match[1], match[2])
    return found


def _note(found: dict[date, int], start: int, year: str, month: str | int, day: str) -> None:
    try:
        found.setdefault(date(int(year), int(month), int(day)), start)
    except ValueError:
        return


def _ordinal(found: dict[date, int], start: int, year: str, number: str) -> None:
    day = date(int(year), 1, 1) + timedelta(days=int(number) - 1)
    if int(number) and day.year == int(year):
        found.setdefault(day, start)


def day_of(files: Sequence[Path], tags: Sequence[dict[str, str]]) -> tuple[date, str]:
    """Return the acquisition day of the image in some files, and its source: ``metadata`` or ``file name``.

    Parameters
    ----------
    files
        The files of one scene.
    tags
        Metadata of each file.

    Raises
    ------
    ImageError
        When there is no day, or several; the cure is ``--date``.
    """
    try:
        days = {day for file in files if (day := day_in(file.stem))}
        if not days:
            days = {day for one in tags if (day := _tagged(one))}
            if len(days) == 1:
                return days.pop(), "metadata"
        if not days and (folder := day_in(files[0].absolute().parent.name)):
            days = {folder}
    except ImageError as error:
        raise ImageError(f"{files[0]}: {error}; give the one on which it was taken with --date YYYY-MM-DD") from error
    if len(days) == 1:
        return days.pop(), "file name"
    if days:
        listed = ", ".join(map(str, sorted(days)))
        raise ImageError(
            f"{files[0]}: its files are of {len(days)} days ({listed}); add one day at a time, or give it with --date"
        )
    raise ImageError(f"{files[0]}: nothing says when the image was taken; give the day with --date YYYY-MM-DD")


_DAY_TAGS = (
    "ACQUISITION_DATE",
    "ACQUISITION_DATETIME",
    "DATE_ACQUIRED",
    "SENSING_TIME",
    "SENSING_DATE",
    "PRODUCT_START_TIME",
    "DATATAKE_1_DATATAKE_SENSING_START",
)


def _tagged(tags: dict[str, str]) -> date | None:
    for key, value in tags.items():
        if key.upper() in _DAY_TAGS:
            try:
                return datetime.fromisoformat(value.strip()).date()
            except ValueError:
                continue
    return None
