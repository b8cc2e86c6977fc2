"""Schemas of all HTTP bodies, which keep the published API description accurate."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

JobId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="Id of a job.")]
ResultId = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="Id of a result.")]
Limit = Annotated[int, Query(ge=1, le=100)]
Offset = Annotated[int, Query(ge=0, le=1_000_000)]
_NUMBERS = {"type": "array", "items": {"type": "number"}}
BBox = Annotated[tuple[float, float, float, float], WithJsonSchema({**_NUMBERS, "minItems": 4, "maxItems": 4})]
Centre = Annotated[tuple[float, float, float], WithJsonSchema({**_NUMBERS, "minItems": 3, "maxItems": 3})]
StatusName = Literal["accepted", "running", "successful", "failed", "dismissed"]


class Problem(BaseModel):
    """What went wrong, as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str
    """One line for people."""
    instance: str | None = None


class Link(BaseModel):
    """A link, as OGC's and STAC's documents have it."""

    href: str
    rel: str
    type: str | None = None
    title: str | None = None
    hreflang: str | None = None


class Landing(BaseModel):
    """What this server offers."""

    title: str
    description: str
    online: bool
    """Whether open services may be asked for places."""
    labelling: bool
    """Whether visitors may look at the places of a result's sample."""
    today: date
    """By the server's clock, UTC."""
    most_area_km2: float
    most_vertices: int
    most_upload_bytes: int
    links: list[Link]


class Conformance(BaseModel):
    """The classes of OGC's standards that are kept."""

    conformsTo: list[str]


class ProcessSummary(BaseModel):
    """One process."""

    id: str
    version: str
    title: str
    description: str
    keywords: list[str]
    jobControlOptions: list[str]
    outputTransmission: list[str]
    links: list[Link]


class ProcessList(BaseModel):
    """The processes of this server."""

    processes: list[ProcessSummary]
    links: list[Link]


class Process(ProcessSummary):
    """A process with its inputs and outputs."""

    inputs: dict[str, Any]
    outputs: dict[str, Any]


class PlaceId(BaseModel):
    """A place that `/places` listed."""

    model_config = ConfigDict(extra="forbid")
    id: Annotated[str, Field(min_length=1, max_length=300)]


Position = Annotated[list[float], Field(min_length=2, max_length=4)]
Ring = Annotated[list[Position], Field(min_length=4)]


class Polygon(BaseModel):
    """GeoJSON polygon, EPSG:4326, lon before lat."""

    type: Literal["Polygon"]
    coordinates: Annotated[list[Ring], Field(min_length=1)]


class MultiPolygon(BaseModel):
    """GeoJSON multipolygon, EPSG:4326, lon before lat."""

    type: Literal["MultiPolygon"]
    coordinates: Annotated[list[Annotated[list[Ring], Field(min_length=1)]], Field(min_length=1)]


class OutlineFeature(BaseModel):
    """GeoJSON feature with an area."""

    type: Literal["Feature"]
    geometry: Annotated[Polygon | MultiPolygon, Field(discriminator="type")]
    properties: dict[str, Any] | None = None


Outline = Annotated[Polygon | MultiPolygon | OutlineFeature, Field(discriminator="type")]


class QualifiedOutline(BaseModel):
    """A value as OGC API - Processes qualifies it."""

    model_config = ConfigDict(extra="forbid")
    value: Outline
    mediaType: str | None = None


class Inputs(BaseModel):
    """What is asked."""

    model_config = ConfigDict(extra="forbid")
    place: PlaceId | Outline | QualifiedOutline
    name: Annotated[str, Field(max_length=120)] | None = None
    """How a place that was drawn is called."""
    period: Annotated[str, Field(max_length=40, examples=["2024", "2024-05/2024-09"])] | None = None
    season: Literal["calendar", "peak", "year"] | None = None
    sensor: Annotated[str, Field(max_length=40)] = "sentinel-2"
    model: Annotated[str, Field(max_length=40)] | None = None
    """Name of a model that comes with howgreen; none for the best that the images allow."""
    language: Literal["en", "de", "es", "fr"] = "en"


class Execute(BaseModel):
    """A request to carry out a process."""

    inputs: Inputs
    outputs: dict[str, Any] | None = None
    response: Literal["raw", "document"] | None = None


class StatusInfo(BaseModel):
    """How a job stands."""

    processID: str
    type: Literal["process"]
    jobID: str
    status: StatusName
    message: str
    progress: Annotated[int, Field(ge=0, le=100)]
    created: datetime
    started: datetime | None = None
    finished: datetime | None = None
    updated: datetime
    links: list[Link]
    stage: str
    placeInLine: int | None = None
    """1: the next; none when it does not wait."""
    label: str
    result: str | None = None


class JobList(BaseModel):
    """Jobs, the newest first."""

    jobs: list[StatusInfo]
    links: list[Link]


class FileLink(BaseModel):
    """A file of a report."""

    href: str
    title: str
    type: str
    bytes: int


class JobResults(BaseModel):
    """What a job found."""

    summary: dict[str, Any]
    report: Link
    files: list[FileLink]
    view: Link


class CandidateItem(BaseModel):
    """A place that a name may mean."""

    id: str
    label: str
    name: str
    kind: str
    region: str
    area_km2: float | None = None
    source: Literal["store", "osm", "online"]
    bbox: BBox | None = None


class CandidateList(BaseModel):
    """Places that a name, or its beginning, may mean, the likeliest first."""

    places: list[CandidateItem]


class Feature(BaseModel):
    """GeoJSON feature."""

    type: Literal["Feature"]
    id: str | None = None
    geometry: dict[str, Any] | None
    properties: dict[str, Any]
    bbox: BBox | None = None


class FeatureCollection(BaseModel):
    """GeoJSON features."""

    type: Literal["FeatureCollection"]
    features: list[Feature]
    note: str | None = None


class Check(BaseModel):
    """What was found of an outline."""

    area_km2: float
    vertices: int
    ok: bool
    problems: list[str]
    geometry: dict[str, Any] | None = None


class ResultItem(BaseModel):
    """A result, as it is listed."""

    id: str
    label: str
    created: datetime
    bytes: int
    bbox: BBox
    period: str
    green_ratio: float | None = None
    low: float | None = None
    high: float | None = None
    language: str
    links: list[Link]


class ResultList(BaseModel):
    """Results, the newest first."""

    results: list[ResultItem]
    links: list[Link]


class LegendEntry(BaseModel):
    """A colour and what it means."""

    label: str
    colour: str


class Layer(BaseModel):
    """A layer of tiles."""

    id: str
    title: str
    tilejson: str
    legend: list[LegendEntry]


class DateItem(BaseModel):
    """An image that was taken, or passed over."""

    date: str
    id: str
    clear: float | None = None
    """Share of the place that it shows clearly, 0-1."""
    taken: bool


class Result(BaseModel):
    """A finished result."""

    id: str
    label: str
    bbox: BBox
    created: datetime
    period: str
    summary: dict[str, Any]
    layers: list[Layer]
    districts: str
    limits: str
    files: list[FileLink]
    dates: list[DateItem]
    links: list[Link]


class TileJson(BaseModel):
    """TileJSON 3.0."""

    tilejson: Literal["3.0.0"]
    name: str
    attribution: str
    scheme: Literal["xyz"]
    tiles: list[str]
    minzoom: int
    maxzoom: int
    bounds: BBox
    center: Centre


class PixelClass(BaseModel):
    """A class of the model."""

    code: int
    name: str


class BandValue(BaseModel):
    """A band of a pixel."""

    band: str
    """As the satellite's files call it."""
    name: str
    wavelength_nm: float | None = None
    reflectance: float | None = None
    backscatter_db: float | None = None


class Pixel(BaseModel):
    """What is known of one pixel."""

    lon: float
    lat: float
    inside: bool
    fraction: float | None = None
    """Green share, 0-1; none where it was not seen or is water."""
    standard_error: float | None = None
    land_cover: Annotated[PixelClass | None, Field(alias="class")] = None
    n_clear: int | None = None
    dates: list[str]
    """Of the images that reach the pixel; ``n_clear`` tells how many of them showed it clearly."""
    spectrum: list[BandValue]


class AreaInterval(BaseModel):
    """Where the green share of an area lies."""

    low: float
    high: float
    level: float


class Area(BaseModel):
    """How green an area is."""

    area_m2: float
    land_m2: float
    green_m2: float
    green_ratio: float | None = None
    observed_ratio: float | None = None
    interval: AreaInterval | None = None


class Health(BaseModel):
    """How the server is."""

    status: Literal["ok", "degraded"]
    version: str
    jobs: dict[str, int]
