"""The figures of a comparison as typed values: the JSON of ``howgreen layers``, and the source of its schema."""

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
    PixelRatio,
    Ratio,
    Scenes,
    Signed,
    Warnings,
)


class AgreementFigures(Part, frozen=True, kw_only=True):
    """How far our map and another agree in one zone."""

    name: str
    id: str
    observed_m2: Annotated[float, Meta(ge=0, description="Land that we saw.")]
    compared_m2: Annotated[
        float, Meta(ge=0, description="Land that both maps know; areas are pixels of the grid by their centre.")
    ]
    compared_ratio: Annotated[Ratio | None, Meta(description="compared / observed")]
    our_ratio: Annotated[Ratio | None, Meta(description="Our green shares added up, over the compared land.")]
    our_pixel_ratio: Annotated[Ratio | None, Meta(description="Compared land in pixels at least half green by ours.")]
    their_ratio: Annotated[Ratio | None, Meta(description="Compared land in classes that count as green.")]
    difference: Annotated[Signed | None, Meta(description="our_ratio - their_ratio")]
    overall_agreement: Annotated[
        Ratio | None, Meta(description="Compared land that both call the same; not an accuracy.")
    ]
    kappa: Annotated[Signed | None, Meta(description="Cohen's kappa; null where chance explains all.")]
    f1: Annotated[Ratio | None, Meta(description="Of green.")]
    both_m2: Area
    only_ours_m2: Area
    only_theirs_m2: Area
    neither_m2: Area
    water_only_ours_m2: Annotated[float, Meta(ge=0, description="Water to us, land to them: not compared.")]
    water_only_theirs_m2: Annotated[float, Meta(ge=0, description="Land that we saw, water to them: not compared.")]


class LegendFigures(Part, frozen=True, kw_only=True):
    """One class of another map."""

    code: int
    name: str
    kind: Literal["green", "not green", "crop", "water", "no data"]
    why: str


class LayerFigures(Part, frozen=True, kw_only=True):
    """One other map beside ours."""

    key: Annotated[str, Meta(description="corine, worldcover, dynamic-world, osm-green, ...")]
    label: str
    source: str
    detail: str
    licence: str
    note: str
    city: AgreementFigures
    districts: tuple[AgreementFigures, ...]
    classes: tuple[LegendFigures, ...]


class LayersSummary(Document, frozen=True, kw_only=True):
    """Figures of `howgreen layers`. Areas in square metres, ratios 0-1, absent figures null."""

    format: Literal["howgreen-layers/1"]
    howgreen: Annotated[str, Meta(description="Version of the program.")]
    synthetic: Annotated[bool, Meta(description="True when the city or its images are simulated.")]
    city: CityFigures
    period: PeriodFigures
    green_ratio: GreenRatio
    green_pixel_ratio: PixelRatio
    interval: IntervalFigures | None
    observed_ratio: ObservedRatio
    warnings: Warnings
    n_scenes: Count
    scenes: Scenes
    model: ModelFigures
    grid: GridFigures
    cropland: Annotated[
        Literal["green", "not-green", "left-out"], Meta(description="What became of the other maps' fields.")
    ]
    layers: Annotated[tuple[LayerFigures, ...], Meta(min_length=1)]
    notes: tuple[str, ...]
    files: dict[str, str]
    attributions: tuple[str, ...]
