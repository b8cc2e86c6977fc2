"""The figures of a change as typed values: the JSON that ``howgreen change`` writes, and the source of its schema."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from howgreen.report.figures import (
    Area,
    CityFigures,
    Count,
    Document,
    GreenRatio,
    GridFigures,
    IntervalFigures,
    ModelFigures,
    ObservedRatio,
    Part,
    PeriodFigures,
    Ratio,
    Scenes,
    Signed,
    Warnings,
)


class ChangeClassFigures(Part, frozen=True, kw_only=True):
    """Ground that changed alike."""

    code: Annotated[int, Meta(ge=0, le=254, description="In change.tif.")]
    name: str
    colour: Annotated[str, Meta(pattern="^#[0-9a-fA-F]{6}$")]
    area_m2: Area
    green_before: Ratio | None
    green_after: Ratio | None
    green_change: Annotated[Signed | None, Meta(description="Mean change of the green fraction.")]


class PatchFigures(Part, frozen=True, kw_only=True):
    """One connected piece of ground that lost or gained green."""

    kind: Literal["lost", "gained"]
    area_m2: Area
    green_m2: Annotated[float, Meta(ge=0, description="Green area that went or came.")]
    lon: float
    lat: float
    district: str


class NormalisationFigures(Part, frozen=True, kw_only=True):
    """How the second image was brought to the radiometry of the first: value x gain + offset."""

    bands: tuple[str, ...]
    gains: tuple[float, ...]
    offsets: tuple[float, ...]
    invariant: Annotated[int, Meta(ge=0, description="Pixels that IR-MAD calls unchanged.")]
    tried: Count
    applied: bool


class SilhouetteFigures(Part, frozen=True, kw_only=True):
    """How well one number of clusters divides a sample."""

    clusters: Annotated[int, Meta(ge=1)]
    silhouette: Signed


class ClusteringFigures(Part, frozen=True, kw_only=True):
    """How the kinds of change were found: principal components of blocks, and k-means (Celik 2009)."""

    block_px: Count
    components: Count
    explained: Annotated[Ratio, Meta(description="Share of the variance in the components.")]
    chosen: Annotated[int, Meta(ge=1, description="Clusters.")]
    given: Annotated[bool, Meta(description="Whether the user named the number.")]
    silhouettes: tuple[SilhouetteFigures, ...]
    normalisation: NormalisationFigures


class ThresholdFigures(Part, frozen=True, kw_only=True):
    """When a change was believed, and the sums of what was."""

    z: Annotated[float, Meta(description="Standard errors of a pixel's difference.")]
    least: Annotated[Ratio, Meta(description="Least change of the green fraction.")]
    shift: Annotated[Signed, Meta(description="Median difference of all pixels; not taken off.")]
    mapping_unit_m2: Annotated[float, Meta(ge=0, description="Smaller patches are no change.")]
    sieved_m2: Area
    lost_m2: Annotated[float, Meta(ge=0, description="Green area lost where a loss was believed.")]
    gained_m2: Area
    kept_m2: Annotated[float, Meta(ge=0, description="Green area that both have, pixel by pixel.")]


class SampledArea(Part, frozen=True, kw_only=True):
    """An area from looks at a probability sample, with its design-based interval."""

    area_m2: float
    low_m2: float
    high_m2: float
    se_m2: Annotated[float, Meta(ge=0, description="Standard error.")]
    df: Annotated[float, Meta(ge=0, description="Degrees of freedom of the standard error.")]


class SampledAreas(Part, frozen=True, kw_only=True):
    """Areas by what dots are on both dates."""

    lost: SampledArea
    gained: SampledArea
    net: Annotated[SampledArea, Meta(description="Gained less lost.")]
    kept: Annotated[SampledArea, Meta(description="Green on both dates.")]
    neither: Annotated[SampledArea, Meta(description="Green on neither.")]


class ShareFigure(Part, frozen=True, kw_only=True):
    """A share and its standard error; null where the sample holds none of what it asks for."""

    value: float | None
    se: float | None


class ChangeEstimateFigures(Part, frozen=True, kw_only=True):
    """The areas of change that people saw at a sample of places on both dates; they lead the section."""

    areas: SampledAreas
    mapped_m2: Annotated[dict[str, float], Meta(description="Pixels that the map calls lost and gained.")]
    users: Annotated[
        dict[str, ShareFigure], Meta(description="Of what the map calls lost or gained, the share that is.")
    ]
    producers: Annotated[dict[str, ShareFigure], Meta(description="Of what is, the share that the map calls so.")]
    unseen_m2: Annotated[
        float, Meta(ge=0, description="So much more change may lie where the map sees none and nobody found any.")
    ]
    level: Ratio
    looked: Annotated[int, Meta(ge=0, description="Places that somebody looked at.")]
    drawn: Annotated[int, Meta(ge=0, description="Places that were drawn.")]
    skipped: Annotated[int, Meta(ge=0, description="Places that were passed over.")]
    readers: Annotated[int, Meta(ge=0, description="People who looked.")]
    first_look: Annotated[str, Meta(description="Day of the first look, ISO 8601; empty where nobody kept it.")]
    last_look: str
    images: Annotated[tuple[str, ...], Meta(description="Finer images that were looked at, with date and licence.")]
    seed: int
    dots: Annotated[int, Meta(ge=1, description="Dots in each place.")]
    strata: Annotated[tuple[str, ...], Meta(description="What the map says of the change.")]
    strata_weights: Annotated[tuple[float, ...], Meta(description="Share of the area in each stratum.")]
    area_m2: Annotated[float, Meta(ge=0, description="Land that the sample was drawn from.")]
    sample_sha256: str
    kappa: Annotated[
        float | None, Meta(description="Cohen's, of two readers; null where too few places were read twice.")
    ]


class ChangeSide(Part, frozen=True, kw_only=True):
    """One of the two answers."""

    period: PeriodFigures
    green_ratio: GreenRatio
    interval: IntervalFigures | None
    observed_ratio: ObservedRatio
    scenes: Scenes


class ChangeSummary(Document, frozen=True, kw_only=True):
    """Figures of `howgreen change`. Areas in square metres, ratios 0-1, absent figures null."""

    format: Literal["howgreen-change/1"]
    howgreen: Annotated[str, Meta(description="Version of the program.")]
    synthetic: Annotated[bool, Meta(description="True when the city or its images are simulated.")]
    city: CityFigures
    method: Literal["measured", "pca-kmeans"]
    before: ChangeSide
    after: ChangeSide
    compared_m2: Annotated[float, Meta(ge=0, description="Land inside the limits that both saw.")]
    green_before: Annotated[Ratio | None, Meta(description="Green share of the land that both saw.")]
    green_after: Ratio | None
    classes: Annotated[tuple[ChangeClassFigures, ...], Meta(min_length=1)]
    patches: Annotated[tuple[PatchFigures, ...], Meta(description="The largest losses, then the largest gains.")]
    threshold: Annotated[ThresholdFigures | None, Meta(description="Of the method `measured`.")]
    clustering: Annotated[ClusteringFigures | None, Meta(description="Of the method `pca-kmeans`.")]
    estimate: Annotated[
        ChangeEstimateFigures | None, Meta(description="Of `howgreen estimate`, where a sample was looked at.")
    ] = None
    warnings: Warnings
    model: ModelFigures
    grid: GridFigures
    notes: tuple[str, ...]
    files: dict[str, str]
    attributions: tuple[str, ...]
