"""The keys of ``plan.json``: the types it is parsed with and its schema is generated from."""

from __future__ import annotations

import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

SCALES, MOST_OFFSET = (1e-9, 1.0), 100.0
"""Allowed scale of one DN: from 2**-30 of full scale to reflectance or decibels themselves."""
Number = int | float
"""Kept as written: a whole number stays one."""
Scale = Annotated[float, Meta(ge=SCALES[0], le=SCALES[1])]
Offset = Annotated[float, Meta(ge=-MOST_OFFSET, le=MOST_OFFSET)]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A value with named parts, nothing else among them."""


class WarningFile(Part, frozen=True, kw_only=True):
    """A doubt or an assumption that can move the ratio."""

    code: str
    text: str


class PeriodFile(Part, frozen=True, kw_only=True):
    """Days from which images could come, both ends inclusive."""

    start: datetime.date
    end: datetime.date
    months: tuple[Annotated[int, Meta(ge=1, le=12)], ...]


class GridFile(Part, frozen=True, kw_only=True):
    """The pixels of all maps: north up, in metres."""

    crs: str
    shape: Annotated[tuple[Annotated[int, Meta(ge=1)], Annotated[int, Meta(ge=1)]], Meta(description="Rows, columns.")]
    transform: Annotated[
        tuple[Number, Number, Number, Number, Number, Number],
        Meta(description="Affine a, b, c, d, e, f: x = a column + b row + c."),
    ]


class EncodingFile(Part, frozen=True, kw_only=True):
    """How a band's numbers become reflectance: DN * scale + offset."""

    scale: Scale
    offset: Offset
    nodata: Number | None


class AssetFile(Part, frozen=True, kw_only=True):
    """One band of one scene: where its pixels are."""

    band: str
    href: Annotated[str, Meta(description="Absolute path or URL, unsigned.")]
    index: Annotated[int, Meta(ge=1, description="Band number inside the file.")] = 1
    size_bytes: int | None = None
    sha256: str | None = None
    signer: str = ""
    encoding: Annotated[EncodingFile | None, Meta(description="Where it differs from its scene's.")] = None


class SceneFile(Part, frozen=True, kw_only=True):
    """One image of one moment: reflectance = DN * scale + offset."""

    id: str
    sensor: str
    time: Annotated[datetime.datetime, Meta(tz=True, description="UTC.")]
    footprint: Annotated[dict[str, Any], Meta(description="GeoJSON polygon or multipolygon, EPSG:4326.")]
    assets: tuple[AssetFile, ...]
    scale: Scale
    offset: Offset
    nodata: Number | None
    cloud_cover_pct: Number | None = None
    clear_pct: Number | None = None
    covered_pct: Number | None = None
    platform: str = ""
    power: Annotated[bool, Meta(description="Radar only: linear power, else decibels.")] = False
    synthetic: bool = False
    radiometry: str = ""
    warnings: tuple[WarningFile, ...] = ()


class MonthFile(Part, frozen=True, kw_only=True):
    """How green a place was in one month, as coarse overviews show it."""

    month: Annotated[str, Meta(pattern=r"^\d{4}-\d{2}$")]
    greenness: Annotated[
        float | None, Meta(description="Mean NDVI, comparable between months; null where too little was seen.")
    ]
    dates: Annotated[int, Meta(ge=0, description="Acquisitions that were read.")]
    seen_pct: Annotated[float, Meta(ge=0, le=100)]
    taken: Annotated[bool, Meta(description="Whether it belongs to the season.")]


class SeasonFile(Part, frozen=True, kw_only=True):
    """The months that were compared for the greenest, where the period was measured."""

    searched: Annotated[tuple[datetime.date, datetime.date], Meta(description="First and last day.")]
    read_bytes: Annotated[int, Meta(ge=0, description="Of files on the web, fetched for it.")]
    months: tuple[MonthFile, ...]


class PlanFile(Part, frozen=True, kw_only=True):
    """All that decides an answer, before any reflectance is read: same plan, same answer."""

    howgreen_plan: Annotated[int, Meta(description="Version of this layout.")]
    howgreen: Annotated[str, Meta(description="Version of the program that made it.")]
    city: Annotated[dict[str, Any], Meta(description="GeoJSON FeatureCollection: the place, then its districts.")]
    period: PeriodFile
    sensor: str
    grid: GridFile
    bands: tuple[str, ...]
    source: Annotated[str, Meta(description="A store's folder or a catalogue's URL.")]
    model: str
    model_sha256: str
    scenes: Annotated[tuple[SceneFile, ...], Meta(description="Those that will be used, best first.")]
    passed_over: Annotated[tuple[SceneFile, ...], Meta(description="Those that were found and not used.")]
    radar: tuple[SceneFile, ...] = ()
    season: SeasonFile | None = None
    notes: tuple[str, ...] = ()
    warnings: tuple[WarningFile, ...] = ()
