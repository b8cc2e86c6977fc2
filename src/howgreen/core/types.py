"""The values that travel between the stages: frozen, each field with its unit.

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
"""Value of a label or mask pixel that no clear image ever showed."""

NEVER_CLEAR = -32768
"""Number of a composite's pixel that no clear image ever showed."""

HALF_GREEN = 0.5
"""Green fraction from which on a pixel counts as green in a 0/1 mask: at least half of it."""

Progress = Callable[[str, int, int], None]
"""Told ``(stage, steps done, steps in all)`` as long work goes on; faces turn it into bars."""


@dataclass(frozen=True, kw_only=True)
class Population:
    """Inhabitants, never without the year and where the figure is from."""

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
    """OSM admin_level where there is one; districts of several levels lie on each other."""


@dataclass(frozen=True, kw_only=True)
class City:
    """A place with limits."""

    name: str
    """As it was asked for."""
    label: str
    """As its source calls it: ``Bolzano/Bozen``."""
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
    """OSM admin_level where there is one."""
    country: str = ""
    """ISO 3166-1 code, ``FR``; empty where the source does not say."""
    districts: tuple[District, ...] = ()
    population: Population | None = None
    licence: str = ""
    """Attribution that the boundary's source asks for."""
    synthetic: bool = False
    """True for the simulated sample city only."""
    note: str = ""
    """What a reader of the report must know about the limits; empty when nothing."""
    land: Polygon | MultiPolygon | None = None
    """The part of the boundary that is not sea, EPSG:4326; None where nobody said: water is then told by its class."""
    land_source: str = ""
    """Who said so, with the attribution that it asks for."""
    warnings: tuple[Caution, ...] = ()
    """Doubts about the limits that can move the answer; see :mod:`howgreen.core.warnings`."""

    def __repr__(self) -> str:
        """Show what tells places apart, in one line."""
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
    """How a band's numbers become reflectance (a radar's backscatter): DN * scale + offset."""

    scale: float
    offset: float
    nodata: float | None
    """DN that means *no data*; None when every DN is data (of floats, NaN is none either way)."""


@dataclass(frozen=True, kw_only=True)
class Asset:
    """One band of one scene: where its pixels are."""

    band: str
    """Common name (``red``) or the sensor's mask name (``scl``)."""
    href: str
    """Absolute path or URL, unsigned."""
    index: int = 1
    """Band number inside the file, from 1."""
    size_bytes: int | None = None
    sha256: str | None = None
    signer: str = ""
    """Who adds a token to ``href`` when it is read: a key of :data:`howgreen.net.sas_tokens.SIGNERS`, or nobody."""
    encoding: Encoding | None = None
    """Where it differs from its scene's; see :meth:`Scene.encoding`."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One image of one moment. Reflectance (a radar's backscatter) = DN * scale + offset, unless a band has its own."""

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
    """DN of the reflective bands that means *no data*; None when every DN is data."""
    cloud_cover_pct: float | None = None
    """Of the whole scene, as its provider says. Never used to choose."""
    clear_pct: float | None = None
    """Share of the *city* that this scene shows clearly, 0-100; None until looked at."""
    covered_pct: float | None = None
    """Share of the *city* for which this scene has any data, 0-100; None until looked at."""
    platform: str = ""
    """The satellite, ``landsat-5``; empty where its files do not say."""
    power: bool = False
    """Radar only: DN * scale + offset is linear power (gamma nought), to be turned into decibels; else it is decibels."""
    synthetic: bool = False
    radiometry: str = ""
    """Why ``scale`` and ``offset`` are what they are, for the record; empty when the file itself says so."""
    native: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """The STAC item as found, unsigned."""
    warnings: tuple[Caution, ...] = ()
    """Doubts about this image that can move the answer; their texts do not name it."""

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of all bands, the mask among them."""
        return tuple(asset.band for asset in self.assets)

    def asset(self, band: str) -> Asset | None:
        """Return the asset of a band, or None."""
        return next((asset for asset in self.assets if asset.band == band), None)

    def encoding(self, band: str) -> Encoding:
        """How the numbers of a band become reflectance: its own encoding, else the scene's."""
        asset = self.asset(band)
        if asset is not None and asset.encoding is not None:
            return asset.encoding
        return Encoding(scale=self.scale, offset=self.offset, nodata=self.nodata)


@dataclass(frozen=True, kw_only=True)
class MonthGreenness:
    """How green a place was in one month, as coarse overviews show it."""

    month: date
    """Its first day."""
    greenness: float | None
    """Mean NDVI of the place, months that show different parts of it made comparable; None where too little was seen."""
    dates: int
    """Acquisitions that were read."""
    seen_pct: float
    """Share of the place that they show clearly, 0-100."""
    taken: bool
    """Whether it belongs to the season."""


@dataclass(frozen=True, kw_only=True)
class MeasuredSeason:
    """The months that were compared for the greenest."""

    searched: Period
    """Where they were looked for."""
    months: tuple[MonthGreenness, ...]
    """Those with a clear image, by time."""
    read_bytes: int
    """Of files on the web, fetched for it."""

    def in_words(self) -> str:
        """Say which months are the greenest, and how green all are: ``2024-06 0.71 (3 dates), ...``."""
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
    """All that decides an answer, before any reflectance is read: same plan, same answer."""

    city: City
    period: Period
    sensor: str
    grid: GeoBox
    scenes: tuple[Scene, ...]
    """Those that will be used, best first."""
    passed_over: tuple[Scene, ...]
    """Those that were found and not used."""
    bands: tuple[str, ...]
    """What the model needs, in its order, then what only the photo needs."""
    source: str
    """Where the scenes are: a store's folder or a catalogue's URL."""
    model: str
    model_sha256: str
    howgreen: str
    """Version that made the plan."""
    radar: tuple[Scene, ...] = ()
    """Scenes of Sentinel-1 whose median stands beside the reflectance, where the model takes ``vv`` or ``vh`` and
    ``sensor`` is another."""
    season: MeasuredSeason | None = None
    """How the period was found, where it is the greenest months as measured."""
    notes: tuple[str, ...] = ()
    """What a reader must know of how the scenes were found: catalogues that did not answer, scenes left out."""
    warnings: tuple[Caution, ...] = ()
    """All that is doubtful before any reflectance is read; those of the city and the scenes are among them."""


@dataclass(frozen=True, kw_only=True)
class Composite:
    """One clear picture of the period."""

    data: xr.Dataset
    """``reflectance`` float32 (band, y, x), coordinate ``band`` = common names, NaN = never clear (``vv`` and ``vh`` are
    backscatter in dB, NaN = never seen);
    ``n_clear`` uint8 (y, x) = number of dates that showed the pixel clearly. Where it was made by :mod:`howgreen.imagery`, also
    ``scaled`` int16 (band, y, x), what it is kept as: units of :func:`howgreen.core.sensors.scale_factor`, NEVER_CLEAR. Usually lazy
    (dask)."""
    grid: GeoBox
    scenes: tuple[Scene, ...]
    corner: tuple[int, int] = (0, 0)
    """Row and column of the grid where the images themselves begin (may be negative). Blocks are cut where the tiles of
    their files meet, counted from here."""
    warnings: tuple[Caution, ...] = ()
    """What was doubtful about the pixels."""

    @property
    def bands(self) -> tuple[str, ...]:
        """Common names in order."""
        return tuple(str(name) for name in self.data["band"].values)


@dataclass(frozen=True, kw_only=True)
class LandCover:
    """What every pixel is."""

    data: xr.Dataset
    """``label`` uint8 (y, x), 255 = unseen; ``green_fraction`` float32 (y, x), NaN = unseen;
    ``probability`` float32 (class, y, x), NaN = unseen; and, where the model tells it, ``green_uncertainty`` float32 (y, x), the
    standard error of the green fraction. Usually lazy (dask)."""
    grid: GeoBox
    card: ModelCard
    warnings: tuple[Caution, ...] = ()
    """What was doubtful about the classes."""

    @property
    def water_codes(self) -> tuple[int, ...]:
        """Codes of the classes that are not land."""
        return water_codes(self.card.classes)


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A range for the green share of a zone's land, of which ``green_ratio`` is what was seen.

    It holds two doubts that are told apart: what the model may have got wrong on the land that was seen, and what the land may
    hold that no clear image showed.
    """

    low: float
    """Where the model erred most to one side and all unseen land is bare."""
    high: float
    """Where the model erred most to the other side and all unseen land is green."""
    model_low: float
    """Of the land that was seen, by the model's error alone."""
    model_high: float
    unseen_low: float
    """Of all the land, were the model exact: unseen land all bare."""
    unseen_high: float
    """The same, unseen land all green."""
    level: float
    """Confidence level of the model's part, as 0.95; unseen land may be anything."""
    method: str


@dataclass(frozen=True, kw_only=True)
class GreenStats:
    """The answer for one zone. Unseen pixels stand in neither half of a ratio."""

    zone_area_m2: float
    """Ellipsoidal area of the zone."""
    land_area_m2: float
    """Zone less the sea, where the city's land is known, and less the water that was seen; other unseen ground
    counts as land."""
    observed_area_m2: float
    """Land that was seen."""
    green_area_m2: float
    """Sum of green fraction x area over the observed land."""
    green_ratio: float | None
    """**The headline**: green / observed land; None when no land was seen."""
    green_pixel_ratio: float | None
    """Share of the observed land in pixels at least half green: what the 0/1 mask shows."""
    interval: Interval | None
    """Of green_ratio; None when the model has no reference error or nothing was seen."""
    observed_ratio: float | None
    """Observed / land; None when there is no land."""
    area_by_class_m2: Mapping[str, float]
    """Hard labels over everything seen, water included, the known sea not."""
    green_m2_per_inhabitant: float | None = None
    """green_area_m2 / observed_ratio / population; None without a population."""
    clear_dates_mean: float | None = None
    """Number of dates that showed the observed land clearly, its mean over that land; None where nothing was seen, or nobody counted."""
    seen_once_ratio: float | None = None
    """Share of the observed land that one date alone showed: no other date could outvote an undetected cloud there."""
    dry_ratio: float | None = None
    """Share of the observed land under dry plants, which are no part of green_ratio; None where the model does not tell them."""

    def __repr__(self) -> str:
        """Show ratio, interval and share seen, in one line."""
        return words.plain(f"<GreenStats {self.in_words()}>")

    def in_words(self) -> str:
        """Say ratio, interval and share seen: ``60 % green (95 % interval 54–67 %), 100 % of 9.5 km² of land seen``."""
        if self.green_ratio is None:
            return "no land seen"
        span = self.interval
        interval = f" ({words.percent(span.level)} interval {words.span(span.low, span.high)})" if span else ""
        seen = f"{words.percent(self.observed_ratio)} of {words.area(self.land_area_m2)} of land seen"
        return f"{words.percent(self.green_ratio)} green{interval}, {seen}"

    def rows(self) -> list[tuple[str, str]]:
        """List the figures that always stand together, as a table shows them."""
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
    """OSM admin_level where there is one."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One image that an answer could be made from."""

    id: str
    day: date
    clear_pct: float | None
    """Share of the city that it shows clearly, 0-100; None where nobody looked."""
    mask: Literal["own", "detector", "none"]
    """Who found its clouds: the mask that it brings, howgreen's detector, or nobody."""
    why: str
    """``taken``, or why it was not: ``cloudy``, ``bands`` (it lacks some), ``enough`` (others show all that it shows)."""
    picture: npt.NDArray[np.uint8] | None
    """(y, x, 3); None where there is none."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """Everything that one run found out."""

    plan: Plan
    composite: Composite
    landcover: LandCover
    stats: GreenStats
    """Of the whole city."""
    zones: gpd.GeoDataFrame
    """EPSG:4326; row 0 the city, then its districts; columns ``name``, ``id``, ``kind``, ``level``, the scalar fields of
    GreenStats, ``interval_low``, ``interval_high``, ``geometry``."""
    card: ModelCard
    provenance: Mapping[str, Any]
    """Versions, decisions on offsets and masks, times: JSON values."""
    candidates: tuple[Candidate, ...] = ()
    """Images that were chosen from, where somebody asked for their pictures."""
    warnings: tuple[Caution, ...] = ()
    """All that is doubtful about the answer, the plan's among them."""
