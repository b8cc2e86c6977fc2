"""The figures of a result as typed values: the contents of ``summary.json``, and the source of its schema."""

from __future__ import annotations

import datetime
import inspect
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import msgspec
from msgspec import Meta

from howgreen.core import notebook, words
from howgreen.core.known_types import known

FORMAT = "howgreen-summary/1"
"""Value of ``format``; the number changes when a reader would have to."""

_ZONE, _LAND = (
    "Ellipsoidal area of the zone.",
    (
        "Zone less the sea, where the city's land is known, and less the water that was seen; other unseen ground counts as land."
    ),
)
_PER_HEAD = "Green area, unseen land taken to be as green as the seen, over the population; null without one."
ZoneArea = Annotated[float, Meta(ge=0, description=_ZONE)]
LandArea = Annotated[float, Meta(ge=0, description=_LAND)]
ObservedArea = Annotated[float, Meta(ge=0, description="Land that was seen.")]
GreenArea = Annotated[float, Meta(ge=0, description="Sum of green fraction x area over the observed land.")]
Ratio = Annotated[float, Meta(ge=0, le=1)]
Signed = Annotated[float, Meta(ge=-1, le=1)]
"""A difference of two ratios, or a coefficient of agreement."""
GreenRatio = Annotated[
    Ratio | None, Meta(description="The headline: green / observed land; null when no land was seen.")
]
PixelRatio = Annotated[
    Ratio | None,
    Meta(description="Share of the observed land in pixels at least half green: what the 0/1 mask shows."),
]
ObservedRatio = Annotated[Ratio | None, Meta(description="Observed / land; null when there is no land.")]
PerInhabitant = Annotated[Annotated[float, Meta(ge=0)] | None, Meta(description=_PER_HEAD)]
ClearDates = Annotated[
    Annotated[float, Meta(ge=0)] | None,
    Meta(description="Number of dates that showed the observed land clearly, its mean over that land."),
]
SeenOnce = Annotated[Ratio | None, Meta(description="Share of the observed land that one date alone showed.")]
Percent = Annotated[float, Meta(ge=0, le=100)]
Count = Annotated[int, Meta(ge=0)]
Area = Annotated[float, Meta(ge=0)]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A value with named parts, nothing else among them."""


class Document(Part, frozen=True, kw_only=True):
    """Figures that are a file of their own; as a mapping they answer to the file's keys."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read JSON values, as :meth:`to_dict` makes them; msgspec.ValidationError where they do not fit."""
        return msgspec.convert(values, known(cls))

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON values, as their file holds them."""
        found: dict[str, Any] = json.loads(msgspec.json.encode(self))
        return found

    def to_json(self) -> str:
        """Return the text of their file."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def __getitem__(self, key: str) -> Any:
        """Return the JSON value of one key."""
        return self.to_dict()[key]


class PopulationFigures(Part, frozen=True, kw_only=True):
    """Inhabitants, with year and source."""

    count: Count
    year: int
    source: str


class IntervalFigures(Part, frozen=True, kw_only=True):
    """A range for the green share of the land: what the model may be off by, and land that no image showed."""

    low: Annotated[Ratio, Meta(description="The model off most to one side, and unseen land bare.")]
    high: Annotated[Ratio, Meta(description="The model off most to the other side, and unseen land green.")]
    model_low: Annotated[Ratio, Meta(description="Of the land that was seen, by the model's error alone.")]
    model_high: Ratio
    unseen_low: Annotated[Ratio, Meta(description="Of all the land, were the model exact and unseen land bare.")]
    unseen_high: Annotated[Ratio, Meta(description="The same, unseen land green.")]
    level: Annotated[float, Meta(description="Confidence level of the model's part, as 0.95.")]
    method: str


class PopulatedFigures(Part, frozen=True, kw_only=True):
    """The green of the cells of a population raster in which people live."""

    source: Annotated[str, Meta(description="File of the raster.")]
    people: Annotated[Count, Meta(description="Inside the limits, by the raster.")]
    cells: Annotated[
        Count,
        Meta(
            description="Cells inside the limits with at least one person, or one per hectare where cells are smaller."
        ),
    ]
    green_ratio: Annotated[Ratio | None, Meta(description="Green share of the seen land of those cells.")]
    mean_green: Annotated[
        Ratio | None, Meta(description="Mean over the people of the green share of the seen land in their own cell.")
    ]


class DenominatorFigures(Part, frozen=True, kw_only=True):
    """The mapped green over other grounds than the headline's."""

    headline: Annotated[Literal["observed"], Meta(description="Which of them green_ratio is.")]
    total: Annotated[
        Ratio | None, Meta(description="Of all inside the limits; water and unseen ground count as not green.")
    ]
    land: Annotated[Ratio | None, Meta(description="Of all land; unseen land counts as not green.")]
    observed: Annotated[Ratio | None, Meta(description="Of the land that was seen clearly.")]
    populated: Annotated[
        PopulatedFigures | None, Meta(description="Of the land on which people live; null without a population raster.")
    ]


class DesignEstimate(Part, frozen=True, kw_only=True):
    """A green ratio from looks at a probability sample, with its design-based interval."""

    ratio: Ratio
    low: Ratio
    high: Ratio
    level: Ratio
    se: Annotated[float, Meta(ge=0, description="Standard error.")]
    df: Annotated[float, Meta(ge=0, description="Degrees of freedom of the standard error.")]
    method: str


class EstimateFigures(DesignEstimate, frozen=True, kw_only=True):
    """The estimate that leads the report: looks of people, combined with the map; and all that a statistician needs to do it again."""

    counted: Annotated[
        Literal["vegetation", "vegetation-without-cropland", "canopy"], Meta(description="What counts as green.")
    ]
    looked: Annotated[int, Meta(ge=0, description="Places that somebody looked at.")]
    drawn: Annotated[int, Meta(ge=0, description="Places that were drawn.")]
    readers: Annotated[int, Meta(ge=0, description="People who looked.")]
    first_look: Annotated[str, Meta(description="Day of the first look, ISO 8601; empty where nobody kept it.")]
    last_look: str
    images: Annotated[
        tuple[str, ...],
        Meta(description="Finer images that were looked at, with date and licence; the estimate is of their day."),
    ]
    design: Annotated[str, Meta(description="stratified, simple or systematic")]
    seed: int
    dots: Annotated[int, Meta(ge=1, description="Dots in each place.")]
    strata_bounds: Annotated[tuple[float, ...], Meta(description="Of mapped green share.")]
    strata_weights: Annotated[tuple[float, ...], Meta(description="Share of the area in each stratum.")]
    frame_green: Annotated[float, Meta(description="Mean of mapped green over the area, water counting 0.")]
    frame_land: Annotated[float, Meta(description="Mean of mapped land over the area.")]
    sample_sha256: str
    without_map: DesignEstimate
    two_phase: Annotated[
        DesignEstimate | None, Meta(description="Free of the readers' errors, where enough answers were agreed on.")
    ]
    kappa: Annotated[
        float | None, Meta(description="Cohen's, of two readers; null where too few places were read twice.")
    ]

    @property
    def half_width(self) -> float:
        """Half of the interval's width."""
        return (self.high - self.low) / 2

    def in_words(self) -> str:
        """Say what it rests on: ``140 places read by two people, and the map``."""
        return words.rests_on(self.looked, self.readers, self.counted)


class CityFigures(Part, frozen=True, kw_only=True):
    """The place that was asked for."""

    name: str
    label: str
    id: str
    kind: str
    crs: str
    bounds: Annotated[
        tuple[float, float, float, float],
        Meta(
            description="West, south, east, north in degrees; west is greater than east where the antimeridian lies between them."
        ),
    ]
    population: PopulationFigures | None
    licence: str
    note: str
    land_source: Annotated[str, Meta(description="Who said which part of the limits is sea; empty where nobody did.")]


class PeriodFigures(Part, frozen=True, kw_only=True):
    """Days from which images could come, both ends inclusive."""

    start: datetime.date
    end: datetime.date
    months: Annotated[tuple[Annotated[int, Meta(ge=1, le=12)], ...], Meta(min_length=1)]


class DistrictFigures(Part, frozen=True, kw_only=True):
    """One part of the city with its own figures."""

    name: str
    id: str
    level: Annotated[int | None, Meta(description="OSM admin_level where there is one.")] = None
    population: PopulationFigures | None
    zone_area_m2: ZoneArea
    land_area_m2: LandArea
    observed_area_m2: ObservedArea
    green_area_m2: GreenArea
    green_ratio: GreenRatio
    green_pixel_ratio: PixelRatio
    observed_ratio: ObservedRatio
    green_m2_per_inhabitant: PerInhabitant
    clear_dates_mean: ClearDates = None
    seen_once_ratio: SeenOnce = None
    interval: IntervalFigures | None


class SceneFigures(Part, frozen=True, kw_only=True):
    """One satellite image."""

    id: str
    date: Annotated[datetime.date, Meta(description="UTC.")]
    time: Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
    sensor: str
    platform: Annotated[str, Meta(description="The satellite, as landsat-5; empty where its files do not say.")]
    clear_pct: Annotated[Percent | None, Meta(description="Share of the city that the image shows clearly.")]
    covered_pct: Annotated[Percent | None, Meta(description="Share of the city for which the image has any data.")]
    cloud_cover_pct: Annotated[Percent | None, Meta(description="Of the whole scene, as its provider says.")]
    synthetic: bool


class ClearLooks(Part, frozen=True, kw_only=True):
    """How many dates showed the pixels inside the limits clearly."""

    min: Count
    median: float
    max: Count
    never_pct: Percent


class GridFigures(Part, frozen=True, kw_only=True):
    """The pixels of all maps."""

    crs: str
    shape: Annotated[tuple[Annotated[int, Meta(ge=1)], Annotated[int, Meta(ge=1)]], Meta(description="Rows, columns.")]
    transform: Annotated[
        tuple[float, float, float, float, float, float],
        Meta(description="Affine a, b, c, d, e, f: x = a column + b row + c."),
    ]


class ClassFigures(Part, frozen=True, kw_only=True):
    """One land-cover class."""

    code: Annotated[int, Meta(ge=0, le=254)]
    name: str
    green: bool
    colour: Annotated[str, Meta(pattern="^#[0-9a-fA-F]{6}$")]


class PlaceErrorFigures(Part, frozen=True, kw_only=True):
    """How far off the model was, on average, in one place that taught it nothing."""

    place: str
    error: float
    standard_error: Annotated[float, Meta(ge=0)]
    n: Count
    clusters: Count


class ReferenceErrorFigures(Part, frozen=True, kw_only=True):
    """How the model erred on reference data that it never saw, in units of green fraction."""

    source: str
    n: Count
    rmse: float
    mae: float
    bias: float
    r2: float
    half_width: float
    level: float
    method: str
    places: Annotated[tuple[PlaceErrorFigures, ...], Meta(description="What the half-width rests on.")]
    tau: Annotated[float, Meta(ge=0, description="Standard deviation of the mean error between places.")]


class ModelFigures(Part, frozen=True, kw_only=True):
    """The model that told green from the rest."""

    name: str
    version: str
    sha256: Annotated[str, Meta(description="Of the ONNX file.")]
    description: str
    bands: tuple[str, ...]
    classes: tuple[ClassFigures, ...]
    scores: dict[str, float]
    reference_error: ReferenceErrorFigures | None
    training_data: str
    licence: str


class TruthFigures(Part, frozen=True, kw_only=True):
    """Known for simulated cities only."""

    green_ratio: Annotated[Ratio, Meta(description="True share of green on land.")]
    error: Annotated[float | None, Meta(description="Estimated less true; null when nothing was seen.")]
    districts: Annotated[dict[str, Ratio], Meta(description="District name to true share.")]


class WarningFigures(Part, frozen=True, kw_only=True):
    """A doubt or an assumption that can move the ratio."""

    code: Annotated[str, Meta(description="Names the kind: no-cloud-mask, limits-are-image, ...", pattern="^[a-z-]+$")]
    text: Annotated[str, Meta(description="One line: what is doubtful, where, and what to do.")]


Warnings = Annotated[
    tuple[WarningFigures, ...],
    Meta(description="Every doubt and assumption that can move the ratio; empty when none is known."),
]
Scenes = Annotated[tuple[SceneFigures, ...], Meta(description="Images used, best first.")]


class Summary(Document, frozen=True, kw_only=True):
    """What one run of howgreen found out about one city.

    Areas in square metres, ratios 0-1, shares in percent where the name says pct.

    As a mapping it answers to the keys of ``summary.json``: ``summary["model"]["name"]``.
    """

    format: Literal["howgreen-summary/1"]
    howgreen: Annotated[str, Meta(description="Version of the program.")]
    language: Annotated[
        str,
        Meta(
            description="In which the page and the pictures are written, as en; the figures here are the same in all."
        ),
    ] = "en"
    synthetic: Annotated[bool, Meta(description="True when the city or its images are simulated.")]
    city: CityFigures
    period: PeriodFigures
    zone_area_m2: ZoneArea
    land_area_m2: LandArea
    observed_area_m2: ObservedArea
    green_area_m2: GreenArea
    green_ratio: GreenRatio
    green_pixel_ratio: PixelRatio
    observed_ratio: ObservedRatio
    green_m2_per_inhabitant: PerInhabitant
    clear_dates_mean: ClearDates = None
    seen_once_ratio: SeenOnce = None
    dry_ratio: Annotated[
        Ratio | None,
        Meta(
            description="Dry plants (straw, litter, dead grass) / observed land, beside green_ratio: a rough figure, on the average too low (see the accuracy page); null where the model does not tell them."
        ),
    ] = None
    interval: IntervalFigures | None
    estimate: Annotated[
        EstimateFigures | None,
        Meta(
            description="What people saw, combined with the map: the headline where it is there. green_ratio stays the map's own."
        ),
    ] = None
    denominators: Annotated[
        DenominatorFigures | None, Meta(description="The same mapped green over other grounds, by their names.")
    ] = None
    warnings: Warnings
    area_by_class_m2: Annotated[
        dict[str, Annotated[float, Meta(ge=0)]],
        Meta(description="Class name to area, over everything seen, water included."),
    ]
    districts: tuple[DistrictFigures, ...]
    sensor: str
    bands: tuple[str, ...]
    n_scenes: Count
    scenes: Scenes
    radar: Annotated[
        tuple[SceneFigures, ...], Meta(description="Radar images beside them, where the model takes vv or vh.")
    ]
    passed_over: Annotated[tuple[SceneFigures, ...], Meta(description="Images found and not used.")]
    clear_looks: Annotated[
        ClearLooks | None,
        Meta(description="How many dates showed the pixels inside the limits clearly; null before the maps are drawn."),
    ]
    grid: GridFigures
    source: Annotated[str, Meta(description="Folder or address of the images.")]
    notes: Annotated[
        tuple[str, ...],
        Meta(description="What a reader should know of how the images were found, and what cannot move the ratio."),
    ]
    model: ModelFigures
    truth: TruthFigures | None
    files: Annotated[dict[str, str], Meta(description="File name to what it holds.")]
    sections: Annotated[
        dict[str, Annotated[tuple[str, ...], Meta(min_length=1)]],
        Meta(
            description="Answers that were added to the page (people, change, trend, nrr) and their files; the first holds the figures."
        ),
    ] = msgspec.field(default_factory=dict)
    attributions: tuple[str, ...]
    provenance: Annotated[dict[str, Any], Meta(description="Versions and decisions of the run; free in form.")]

    def __repr__(self) -> str:
        """Show ratio, interval, share seen and dates, in one line."""
        return words.plain(f"<Summary {self.city.label}: {self._answer()}>")

    def _answer(self) -> str:
        if self.estimate is not None:
            lead = self.estimate
            return (
                f"{words.percent(lead.ratio)} {words.counted(lead.counted)} ± {words.half_width(lead.low, lead.high)} ({words.percent(lead.level)} interval "
                f"{words.span(lead.low, lead.high)}): {lead.in_words()}"
            )
        if self.green_ratio is None:
            return "no land seen"
        span = self.interval
        interval = f" ({words.percent(span.level)} interval {words.span(span.low, span.high)})" if span else ""
        return (
            f"{words.percent(self.green_ratio)} green{interval}, {words.percent(self.observed_ratio)} of the land seen, "
            f"{words.count(self.n_scenes, 'image')}, {words.days([scene.date for scene in self.scenes])}"
        )

    def _repr_html_(self) -> str:
        span = self.interval
        rows = [
            ("Green ratio", words.percent(self.green_ratio)),
            ("Interval", f"{words.span(span.low, span.high)} ({words.percent(span.level)})" if span else "none"),
            ("Land that was seen", f"{words.percent(self.observed_ratio)} of {words.area(self.land_area_m2)}"),
            ("Images", f"{self.n_scenes}, {words.days([scene.date for scene in self.scenes])}"),
            ("Model", self.model.name),
        ]
        return notebook.panel(self.city.label, rows, warnings=[one.text for one in self.warnings])


def schema_of(kind: type, *, identity: str, title: str) -> dict[str, Any]:
    """Make the JSON schema (draft 2020-12) of a type.

    Parameters
    ----------
    kind
        A struct or dataclass that msgspec understands.
    identity, title
        Its ``$id`` and ``title``.
    """
    _, parts = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    top = parts.pop(kind.__name__)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": identity}
    told = {
        "title": title,
        "description": " ".join(inspect.cleandoc(kind.__doc__ or "").partition("\n\nAs ")[0].split()),
    }
    made: dict[str, Any] = head | top | told | {"$defs": dict(sorted(parts.items()))}
    return made
