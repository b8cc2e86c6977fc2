"""The satellite sensors: band names, encodings to reflectance, and mask codes.

Band names are the common names of STAC catalogues (``blue`` ... ``swir22``, ``vv``, ``vh``); the native names (``B02``,
``SR_B2``) are aliases. This is the one table that links them. Landsat's native names are ambiguous without the
satellite: ``SR_B4`` is red on Landsats 8 and 9 and near-infrared on 4, 5 and 7.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class Band:
    """One spectral band of one sensor."""

    name: str
    """Common name, the key throughout howgreen: ``red``."""
    aliases: tuple[str, ...]
    """Other spellings, upper case: ``("B04", "B4")``."""
    resolution_m: float
    """Native pixel size in metres."""


@dataclass(frozen=True, kw_only=True)
class Sensor:
    """A family of images with the same bands, scale and mask."""

    name: str
    """Key: ``sentinel-2``, ``landsat`` or ``sentinel-1``."""
    label: str
    """For people: ``Sentinel-2 L2A``."""
    collection: str
    """Its STAC collection id in stores."""
    bands: tuple[Band, ...]
    """Reflective bands in spectral order; for a radar, its polarisations."""
    mask: str
    """Name of the quality band: ``scl`` or ``qa_pixel``; empty for a radar, which sees through clouds."""
    resolution_m: float
    """Pixel size of its composites' grid, in metres."""
    scale: float
    """Reflectance = DN * scale + offset."""
    offset: float
    """See ``scale``. For Sentinel-2 the offset of baselines before 04.00; see :data:`S2_OFFSET_04`."""
    nodata: int
    """DN that means *no data* in the reflective bands."""
    launched: date
    """Launch date of its first satellite."""
    platforms: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: MappingProxyType({}))
    """Common names by native names that mean other bands on the sensor's other satellites; keyed by a regular
    expression for the satellite's name."""

    @property
    def is_radar(self) -> bool:
        """Whether its bands are backscatter and not reflectance."""
        return not self.mask

    def impossible_day(self, day: date) -> str:
        """Say why none of its satellites can have seen a day: before launch, or in the future; empty if one can."""
        if day < self.launched:
            return "no such satellite flew then"
        return "that day is still to come" if day > (datetime.now(UTC) + timedelta(days=1)).date() else ""

    @property
    def band_names(self) -> tuple[str, ...]:
        """Common names in spectral order."""
        return tuple(band.name for band in self.bands)


CENTRE_NM: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "sentinel-2": {
            "blue": 492, "green": 560, "red": 665, "rededge1": 704, "rededge2": 740, "rededge3": 783, "nir": 833, "nir08": 865,
            "swir16": 1614, "swir22": 2202,
        },
        "landsat": {"blue": 482, "green": 561, "red": 655, "nir": 865, "swir16": 1609, "swir22": 2201},
    }
)  # fmt: skip
"""Central wavelength of each band in nanometres: of Sentinel-2A (ESA's user handbook) and of Landsat 8 (USGS); sister
satellites differ by a few."""

S2_OFFSET_04 = -0.1
"""Reflectance offset of Sentinel-2 L2A from processing baseline 04.00 on (BOA_ADD_OFFSET = -1000 DN)."""

SCL_BAD = (0, 1, 3, 8, 9, 10, 11)
"""Scene classification codes that are never used: no data, saturated, shadow, cloud (2), cirrus, snow."""

QA_BAD_BITS = (0, 1, 2, 3, 4, 5)
"""Landsat Collection 2 QA_PIXEL: fill, dilated cloud, cirrus, cloud, shadow, snow."""


def _band(name: str, resolution_m: float, *aliases: str) -> Band:
    return Band(name=name, aliases=aliases, resolution_m=resolution_m)


SENTINEL2 = Sensor(
    name="sentinel-2",
    label="Sentinel-2 L2A",
    collection="sentinel-2-l2a",
    bands=(
        _band("blue", 10, "B02", "B2"),
        _band("green", 10, "B03", "B3"),
        _band("red", 10, "B04", "B4"),
        _band("rededge1", 20, "B05", "B5"),
        _band("rededge2", 20, "B06", "B6"),
        _band("rededge3", 20, "B07", "B7"),
        _band("nir", 10, "B08", "B8"),
        _band("nir08", 20, "B8A"),
        _band("swir16", 20, "B11"),
        _band("swir22", 20, "B12"),
    ),
    mask="scl",
    resolution_m=10,
    scale=1e-4,
    offset=0.0,
    nodata=0,
    launched=date(2015, 6, 23),
)

_OLI = {"SR_B2": "blue", "SR_B3": "green", "SR_B4": "red", "SR_B5": "nir", "SR_B6": "swir16", "SR_B7": "swir22"}
_TM = {"SR_B1": "blue", "SR_B2": "green", "SR_B3": "red", "SR_B4": "nir", "SR_B5": "swir16", "SR_B7": "swir22"}

LANDSAT = Sensor(
    name="landsat",
    label="Landsat Collection 2 Level-2",
    collection="landsat-c2-l2",
    # The near-infrared of all Landsats is named ``nir`` here (``nir08`` in STAC): it is their only one, and models that
    # need blue, green, red and nir use it.
    bands=(
        _band("blue", 30),
        _band("green", 30),
        _band("red", 30),
        _band("nir", 30, "NIR08"),
        _band("swir16", 30),
        _band("swir22", 30),
    ),
    mask="qa_pixel",
    resolution_m=30,
    scale=0.0000275,
    offset=-0.2,
    nodata=0,
    launched=date(1982, 7, 16),
    platforms=MappingProxyType(
        {
            r"landsat[-_ ]?[45]\b|\bLT0?[45]": _TM,
            r"landsat[-_ ]?7\b|\bLE0?7": _TM,
            r"landsat[-_ ]?[89]\b|\bL[CO]0?[89]": _OLI,
        }
    ),
)

SENTINEL1 = Sensor(
    name="sentinel-1",
    label="Sentinel-1 RTC",
    collection="sentinel-1-rtc",
    bands=(_band("vv", 10, "GAMMA0_VV", "SIGMA0_VV"), _band("vh", 10, "GAMMA0_VH", "SIGMA0_VH")),
    mask="",
    resolution_m=10,
    scale=1.0,
    offset=0.0,
    nodata=-32768,
    launched=date(2014, 4, 3),
)

SENSORS: dict[str, Sensor] = {sensor.name: sensor for sensor in (SENTINEL2, LANDSAT, SENTINEL1)}
OPTICAL = tuple(name for name, sensor in SENSORS.items() if not sensor.is_radar)
VARIATION_OF = MappingProxyType({f"{band}_variation": band for band in SENTINEL1.band_names})
"""Composite bands that no file holds: the variation of a polarisation between acquisitions (standard deviation, dB)."""
RADAR_BANDS = (*SENTINEL1.band_names, *VARIATION_OF)
"""Bands in decibels; all others are reflectance."""
REFLECTANCE_SCALE = 1e-4
"""Scale factor of reflectance stored as int16: Sentinel-2's own."""
DB_SCALE = 0.01
"""Scale factor of decibels stored as int16: a fiftieth of the radar's calibration accuracy."""


def bands_in_files(bands: Iterable[str]) -> tuple[str, ...]:
    """List the bands to read for a composite's bands: themselves, or those they are derived from, each once."""
    return tuple(dict.fromkeys(VARIATION_OF.get(band, band) for band in bands))


def scale_factor(band: str) -> float:
    """Return the value of one unit of a composite's band: reflectance, or decibels."""
    return DB_SCALE if band in RADAR_BANDS else REFLECTANCE_SCALE


def native_names(sensor: Sensor, satellite: str) -> Mapping[str, str] | None:
    """Return the native-to-common band names of one satellite (``landsat-5``, or a product's name); None if unknown."""
    found = (
        names for one, names in sensor.platforms.items() if re.search(one, satellite.replace("_", "-"), re.IGNORECASE)
    )
    return next(found, None)


def common_name(spelling: str, sensor: Sensor = SENTINEL2, *, satellite: str = "") -> str | None:
    """Return the common name of a band or mask in any usual spelling (``B04``, ``b4``, ``Red``), or None.

    Parameters
    ----------
    satellite
        Name of the satellite (``landsat-5``) or of its product (``LT05_L2SP_...``): without it, Landsat's native names,
        which differ between satellites, are not resolved.
    """
    wanted = spelling.strip()
    if sensor.mask and wanted.lower() == sensor.mask:
        return sensor.mask
    for band in sensor.bands:
        if wanted.lower() == band.name or wanted.upper() in band.aliases:
            return band.name
    return (native_names(sensor, satellite) or {}).get(wanted.upper())
