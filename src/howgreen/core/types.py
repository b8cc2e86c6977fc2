"""The values passed between stages: frozen, each field with its unit.

Vectors are EPSG:4326 ``(lon, lat)``. Rasters lie on the city's own UTM grid, dims ``(y, x)``, y descending,
coordinates at pixel centres. Times are UTC. Ratios and fractions are 0-1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal

from howgreen.core import notebook, words
from howgreen.core.models import ModelCard, water_codes
from howgreen.core.period import Period as Period  # noqa: PLC0414 (the word is taken from here)
from howgreen.core.period import Season as Season  # noqa: PLC0414 (the word is taken from here)
from howgreen.core.text import one_line
from howgreen.core.warnings import Caution

if TYPE_CHECKING:
    import geopandas as gpd
    import numpy as np
    import numpy.typing as npt
    import xarray as xr
    from odc.geo.geobox import GeoBox
    from shapely import MultiPolygon, Polygon

UNSEEN = 255
"""Value of a label or mask pixel without any clear image."""

NEVER_CLEAR = -32768
"""Value of a composite's pixel without any clear image."""

HALF_GREEN = 0.5
"""Green fraction from which a pixel counts as green in a 0/1 mask: at least half of it."""

Progress = Callable[[str, int, int], None]
"""Called with ``(stage, steps done, steps in all)`` during long work; the interfaces show it as bars."""


@dataclass(frozen=True, kw_only=True)
class Population:
    """Inhabitants, always with year and source."""

    count: int
    year: int
    source: str


@dataclass(frozen=True, kw_only=True)
class District:
    """One part of a city."""

    name: str
    id: str
    boundary: Polygon | MultiPolygon
    """EPSG:4326."""
    population: Population | None = None
    level: int | None = None
    """OSM admin_level if known; districts of different levels overlap."""


@dataclass(frozen=True, kw_only=True)
class City:
    """A place with its boundary."""

    name: str
    """As the user wrote it."""
    label: str
    """Its name in the source: ``Bolzano/Bozen``."""
    id: str
    """``osm:R120965``, ``file:...``, ``store:bolzano``, ``point:45.76,4.84``, ``shape:<hash>``."""
    boundary: Polygon | MultiPolygon
    """EPSG:4326 (lon, lat); valid; a shape that crosses the antimeridian is split there."""
    crs: str
    """The UTM zone of its grid: ``EPSG:32632``."""
    area_m2: float
    """Ellipsoidal (WGS 84) area of the boundary."""
    kind: str = "area"
    """``city``, ``municipality``, ``county``, ``drawn shape``, ``circle``, ``image footprint``, ..."""
    admin_level: int | None = None
    """OSM admin_level if known."""
    country: str = ""
    """ISO 3166-1 code, ``FR``; empty if the source has none."""
    districts: tuple[District, ...] = ()
    population: Population | None = None
    licence: str = ""
    """Attribution required by the boundary's source."""
    synthetic: bool = False
    """True for the simulated sample city only."""
    note: str = ""
    """Caveat about the limits for readers of the report; empty if none."""
    land: Polygon | MultiPolygon | None = None
    """The part of the boundary that is not sea, EPSG:4326; None if unknown: water is then recognised by its class."""
    land_source: str = ""
    """Its source, with the required attribution."""
    warnings: tuple[Caution, ...] = ()
    """Doubts about the limits that can move the answer; see :mod:`howgreen.core.warnings`."""

    def __repr__(self) -> str:
        """Show in one line what distinguishes this place."""
        return words.plain(
            f"<City {one_line(self.label)}: {one_line(self.kind)}, {words.area(self.area_m2)}, {self.id}>"
        )

    def _repr_html_(self) -> str:
        people = self.population
        rows = [
            ("Kind", self.kind),
            ("Area", words.area(self.area_m2)),
            ("Id", self.id),
            ("People", f"{people.count:,} ({people.year}, {people.source})" if people else ""),
            ("Districts", str(len(self.districts)) if self.districts else ""),
            ("Note", self.note),
            ("Licence", self.licence),
        ]
        return notebook.panel(self.label, rows, warnings=map(str, self.warnings))


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """Encoding of a band's numbers as reflectance (for radar, backscatter): DN * scale + offset."""

    scale: float
    offset: float
    nodata: float | None
    """DN that means *no data*; None if every DN is data (in floats, NaN is always no data)."""


@dataclass(frozen=True, kw_only=True)
class Asset:
    """One band of one scene: the location of its pixels."""

    band: str
    """Common name (``red``) or the sensor's mask name (``scl``)."""
    href: str
    """Absolute path or URL, unsigned."""
    index: int = 1
    """Band number inside the file, from 1."""
    size_bytes: int | None = None
    sha256: str | None = None
    signer: str = ""
    """Token provider for ``href`` at reading time: a key of :data:`howgreen.net.sas_tokens.SIGNERS`, or none."""
    encoding: Encoding | None = None
    """Set if it differs from its scene's; see :meth:`Scene.encoding`."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One image at one moment. Reflectance (for radar, backscatter) = DN * scale + offset, or a band's own."""

    id: str
    sensor: str
    """Key of :data:`howgreen.core.sensors.SENSORS`."""
    time: datetime
    """UTC."""
    footprint: Polygon | MultiPolygon
    """EPSG:4326."""
    assets: tuple[Asset, ...]
    scale: float
    offset: float
    nodata: float | None
    """DN of the reflective bands that means *no data*; None if every DN is data."""
    cloud_cover_pct: float | None = None
    """Of the whole scene, according to its provider. Never used to choose."""
    clear_pct: float | None = None
    """Share of the *city* that this scene shows clearly, 0-100; None until measured."""
    covered_pct: float | None = None
    """Share of the *city* for which this scene has any data, 0-100; None until measured."""
    platform: str = ""
    """The satellite, ``landsat-5``; empty if its files do not say."""
    power: bool = False
    """Radar only: DN * scale + offset is linear power (gamma nought), to be converted to decibels; else it is decibels
    already."""
    synthetic: bool = False
    radiometry: str = ""
    """Why ``scale`` and ``offset`` are what they are, for the record; empty if the file itself says so."""
    native: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """The STAC item as found, unsigned."""
    warnings: tuple[Caution, ...] = ()
    """Doubts about this image that can move the answer; their texts do not name it."""

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of all bands, including the mask."""
        return tuple(asset.band for asset in self.assets)

    def asset(self, band: str) -> Asset | None:
        """Return the asset of a band, or None."""
        return next((asset for asset in self.assets if asset.band == band), None)

    def encoding(self, band: str) -> Encoding:
        """Return the encoding of a band: its own, else the scene's."""
        asset = self.asset(band)
        if asset is not None and asset.encoding is not None:
            return asset.encoding
        return Encoding(scale=self.scale, offset=self.offset, nodata=self.nodata)


@dataclass(frozen=True, kw_only=True)
class MonthGreenness:
    """Greenness of a place in one month, from coarse overviews."""

    month: date
    """Its first day."""
    greenness: float | None
    """Mean NDVI of the place, adjusted for months that show different parts of it; None if too little was seen."""
    dates: int
    """Number of acquisitions read."""
    seen_pct: float
    """Share of the place shown clearly, 0-100."""
    taken: bool
    """Whether the month belongs to the season."""


@dataclass(frozen=True, kw_only=True)
class MeasuredSeason:
    """The months compared to find the greenest."""

    searched: Period
    """The period searched."""
    months: tuple[MonthGreenness, ...]
    """Those with a clear image, by time."""
    read_bytes: int
    """Bytes fetched from remote files for it."""

    def in_words(self) -> str:
        """List the greenest months, and the greenness of all: ``2024-06 0.71 (3 dates), ...``."""
        taken = [one.month for one in self.months if one.taken]
        if not taken:
            return "no month of the year has an image clear enough to measure how green it was"
        span = f"{taken[0]:%Y-%m}" if len(taken) == 1 else f"{taken[0]:%Y-%m} to {taken[-1]:%Y-%m}"
        listed = ", ".join(
            f"{one.month:%Y-%m} {'-' if one.greenness is None else f'{one.greenness:.2f}'} ({words.count(one.dates, 'date')})"
            for one in self.months
        )
        compared = sum(one.greenness is not None for one in self.months)
        return words.plain(
            f"season measured: greenest {span}, of {words.count(compared, 'month')} compared by mean NDVI: {listed}"
        )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that decides an answer, before any reflectance is read: same plan, same answer."""

    city: City
    period: Period
    sensor: str
    grid: GeoBox
    scenes: tuple[Scene, ...]
    """Scenes to use, best first."""
    passed_over: tuple[Scene, ...]
    """Scenes found but not used."""
    bands: tuple[str, ...]
    """Bands the model needs, in its order, then those needed only for the photo."""
    source: str
    """Location of the scenes: a store's folder or a catalogue's URL."""
    model: str
    model_sha256: str
    howgreen: str
    """howgreen version that made the plan."""
    radar: tuple[Scene, ...] = ()
    """Sentinel-1 scenes whose median complements the reflectance, if the model takes ``vv`` or ``vh`` and ``sensor`` is
    another."""
    season: MeasuredSeason | None = None
    """How the period was found, if it is the measured greenest months."""
    notes: tuple[str, ...] = ()
    """What readers must know about the search: catalogues that did not respond, scenes left out."""
    warnings: tuple[Caution, ...] = ()
    """All doubts before any reflectance is read, including those of the city and the scenes."""


@dataclass(frozen=True, kw_only=True)
class Composite:
    """One cloud-free image of the period."""

    data: xr.Dataset
    """``reflectance`` float32 (band, y, x), coordinate ``band`` = common names, NaN = never clear (``vv`` and ``vh``
    are backscatter in dB, NaN = never seen); ``n_clear`` uint8 (y, x) = number of clear dates of the pixel. If made by
    :mod:`howgreen.imagery`, also ``scaled`` int16 (band, y, x), the stored form: units of
    :func:`howgreen.core.sensors.scale_factor`, NEVER_CLEAR. Usually lazy (dask)."""
    grid: GeoBox
    scenes: tuple[Scene, ...]
    corner: tuple[int, int] = (0, 0)
    """Row and column of the grid where the images themselves begin (may be negative). Blocks are aligned with the tiles
    of the files, counted from here."""
    warnings: tuple[Caution, ...] = ()
    """Doubts about the pixels."""

    @property
    def bands(self) -> tuple[str, ...]:
        """Common names in order."""
        return tuple(str(name) for name in self.data["band"].values)


@dataclass(frozen=True, kw_only=True)
class LandCover:
    """The classification of every pixel."""

    data: xr.Dataset
    """``label`` uint8 (y, x), 255 = unseen; ``green_fraction`` float32 (y, x), NaN = unseen; ``probability`` float32
    (class, y, x), NaN = unseen; and, if the model predicts it, ``green_uncertainty`` float32 (y, x), the standard error
    of the green fraction. Usually lazy (dask)."""
    grid: GeoBox
    card: ModelCard
    warnings: tuple[Caution, ...] = ()
    """Doubts about the classes."""

    @property
    def water_codes(self) -> tuple[int, ...]:
        """Codes of the classes that are not land."""
        return water_codes(self.card.classes)


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A range for the green share of a zone's land; ``green_ratio`` is the share of the land seen.

    It combines two separate uncertainties: the model's error on land that was seen, and the unknown cover of land that
    no clear image showed.
    """

    low: float
    """With the model's largest error to one side, and all unseen land bare."""
    high: float
    """With the model's largest error to the other side, and all unseen land green."""
    model_low: float
    """Of the land seen, by the model's error alone."""
    model_high: float
    unseen_low: float
    """Of all the land, with an exact model: all unseen land bare."""
    unseen_high: float
    """The same, with all unseen land green."""
    level: float
    """Confidence level of the model's part, as 0.95; unseen land may be anything."""
    method: str


@dataclass(frozen=True, kw_only=True)
class GreenStats:
    """The answer for one zone. Unseen pixels count in neither numerator nor denominator of a ratio."""

    zone_area_m2: float
    """Ellipsoidal area of the zone."""
    land_area_m2: float
    """Zone less the sea, if the city's land is known, and less the water seen; other unseen ground counts as land."""
    observed_area_m2: float
    """Land seen."""
    green_area_m2: float
    """Sum of green fraction x area over the observed land."""
    green_ratio: float | None
    """**The headline**: green / observed land; None if no land was seen."""
    green_pixel_ratio: float | None
    """Share of the observed land in pixels that are at least half green: what the 0/1 mask shows."""
    interval: Interval | None
    """Interval of green_ratio; None if the model has no reference error or nothing was seen."""
    observed_ratio: float | None
    """Observed / land; None if there is no land."""
    area_by_class_m2: Mapping[str, float]
    """By hard label over everything seen, including water, without the known sea."""
    green_m2_per_inhabitant: float | None = None
    """green_area_m2 / observed_ratio / population; None without a population."""
    clear_dates_mean: float | None = None
    """Mean number of clear dates over the observed land; None if nothing was seen or dates were not counted."""
    seen_once_ratio: float | None = None
    """Share of the observed land seen on a single date: no other date could outvote an undetected cloud there."""
    dry_ratio: float | None = None
    """Share of the observed land under dry plants, which green_ratio excludes; None if the model does not separate
    them."""

    def __repr__(self) -> str:
        """Show ratio, interval and share seen, in one line."""
        return words.plain(f"<GreenStats {self.in_words()}>")

    def in_words(self) -> str:
        """State ratio, interval and share seen: ``60 % green (95 % interval 54–67 %), 100 % of 9.5 km² of land seen``."""
        if self.green_ratio is None:
            return "no land seen"
        span = self.interval
        interval = f" ({words.percent(span.level)} interval {words.span(span.low, span.high)})" if span else ""
        seen = f"{words.percent(self.observed_ratio)} of {words.area(self.land_area_m2)} of land seen"
        return f"{words.percent(self.green_ratio)} green{interval}, {seen}"

    def rows(self) -> list[tuple[str, str]]:
        """List the figures that always appear together, as rows of a table."""
        span = self.interval
        interval = f"{words.span(span.low, span.high)} ({words.percent(span.level)})" if span else "none"
        return [
            ("Green ratio", words.percent(self.green_ratio)),
            ("Interval", interval),
            ("Land that was seen", f"{words.percent(self.observed_ratio)} of {words.area(self.land_area_m2)}"),
            ("Green area seen", words.area(self.green_area_m2)),
        ]

    def _repr_html_(self) -> str:
        return notebook.panel("Green ratio", self.rows())


INTERVAL_ENDS = ("low", "high", "model_low", "model_high", "unseen_low", "unseen_high")
"""Numbers of an :class:`Interval`: columns ``interval_<end>`` of the zones' table."""

FIGURES = (
    "zone_area_m2",
    "land_area_m2",
    "observed_area_m2",
    "green_area_m2",
    "green_ratio",
    "green_pixel_ratio",
    "observed_ratio",
    "green_m2_per_inhabitant",
    "clear_dates_mean",
    "seen_once_ratio",
)
"""Scalar fields of :class:`GreenStats`: columns of the zones' table, keys of the summary."""


@dataclass(frozen=True, kw_only=True)
class Zone:
    """A city or a district with its answer."""

    name: str
    id: str
    kind: Literal["city", "district"]
    boundary: Polygon | MultiPolygon
    stats: GreenStats
    level: int | None = None
    """OSM admin_level if known."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One image available for an answer."""

    id: str
    day: date
    clear_pct: float | None
    """Share of the city that it shows clearly, 0-100; None if not measured."""
    mask: Literal["own", "detector", "none"]
    """Source of its clouds: its own mask, howgreen's detector, or none."""
    why: str
    """``taken``, or why it was not: ``cloudy``, ``bands`` (it lacks some), ``enough`` (others show all that it
    shows)."""
    picture: npt.NDArray[np.uint8] | None
    """(y, x, 3); None if there is none."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """Everything that one run produced."""

    plan: Plan
    composite: Composite
    landcover: LandCover
    stats: GreenStats
    """Of the whole city."""
    zones: gpd.GeoDataFrame
    """EPSG:4326; row 0 the city, then its districts; columns ``name``, ``id``, ``kind``, ``level``, the scalar fields
    of GreenStats, ``interval_low``, ``interval_high``, ``geometry``."""
    card: ModelCard
    provenance: Mapping[str, Any]
    """Versions, decisions on offsets and masks, times: JSON values."""
    candidates: tuple[Candidate, ...] = ()
    """Images that were available, if their pictures were requested."""
    warnings: tuple[Caution, ...] = ()
    """All doubts about the answer, including the plan's."""
