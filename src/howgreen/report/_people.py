"""People and green space as files for people to open. Reporting makes no decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from msgspec import Meta

from howgreen.core import cog
from howgreen.report import _plates, shades
from howgreen.report._sections import Section
from howgreen.report._tables import write_csv
from howgreen.report.figures import Area, Count, Document, GreenRatio, Part, Ratio, Warnings

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from shapely.geometry.base import BaseGeometry

    from howgreen.core.types import Result
    from howgreen.report._language import Language
    from howgreen.report._sections import Desk

TOPIC = "people"
TABLE, CELLS, PICTURE, PRINT = "people.csv", "people.gpkg", "people.png", "people.svg"
AROUND, DISTANCE = "green_around_300m.tif", "patch_distance.tif"
FILES = {
    PICTURE: "green within 300 m, where people live: a picture that stands alone",
    PRINT: "the same picture for print",
    TABLE: "the figures of the place and its districts",
    CELLS: "the population's own cells, with the people inside the limits and the green around them",
    AROUND: "share of the land within 300 m that is green, 0-1",
    DISTANCE: "metres to the nearest patch of plants of half a hectare, in a straight line",
}


class PlaceFigures(Part, frozen=True, kw_only=True):
    """Which place."""

    name: str
    label: str
    id: str


class PopulationFigures(Part, frozen=True, kw_only=True):
    """The mass balance of the population."""

    source: Annotated[str, Meta(description="File name.")]
    year: int | None
    people: Annotated[float, Meta(ge=0, description="That the file holds in these limits; counts are never warped.")]
    used: Annotated[float, Meta(ge=0, description="Of them, those around whom land was seen.")]
    cells: Count
    crs: str


class AroundPeople(Part, frozen=True, kw_only=True):
    """Green within one distance of people, in a straight line."""

    metres: Count
    mean_m2: Area | None
    mean_share: Annotated[Ratio | None, Meta(description="Of the land seen within the distance; mean over people.")]
    decile_shares: Annotated[
        tuple[Ratio, ...], Meta(description="At 10, 20, ... 90 % of the people, least green first.")
    ]


class ZonePeople(Part, frozen=True, kw_only=True):
    """The place, or a district."""

    name: str
    id: str
    people: Area
    used: Area
    around: tuple[AroundPeople, ...]
    near_patch: Annotated[
        Ratio | None,
        Meta(
            description="Share of people within 300 m, in a straight line to its edge, of a vegetated patch of 0.5 ha. Not: of a park."
        ),
    ]
    near_public: Annotated[
        Ratio | None,
        Meta(
            description="Share of people within 300 m, in a straight line, of a green space of 0.5 ha that OpenStreetMap maps as public."
        ),
    ]
    near_public_walk: Annotated[
        Ratio | None, Meta(description="The same along the ways that OpenStreetMap maps, from the middle of each cell.")
    ]
    gini: Annotated[Ratio | None, Meta(description="Of the green within 300 m, weighted by people.")]


class MappedFigures(Part, frozen=True, kw_only=True):
    """Seen green beside OpenStreetMap's green areas, on the seen land."""

    name: str
    id: str
    mapped_green_m2: Area
    unmapped_green_m2: Annotated[float, Meta(ge=0, description="Green that no green area holds: gardens, verges.")]
    mapped_not_green_m2: Annotated[
        float, Meta(ge=0, description="Not green inside green areas: paths, pitches, bare fields.")
    ]
    neither_m2: Area
    completeness: Annotated[Ratio | None, Meta(description="mapped green / all green that was seen")]


class PeopleSummary(Document, frozen=True, kw_only=True):
    """Figures of `howgreen people`. People, square metres, ratios 0-1, absent figures null."""

    format: Literal["howgreen-people/1"]
    howgreen: Annotated[str, Meta(description="Version of the program.")]
    synthetic: bool
    city: PlaceFigures
    population: PopulationFigures
    green_ratio: GreenRatio
    populated_green_ratio: Annotated[
        Ratio | None, Meta(description="Green / seen land of the cells where somebody lives.")
    ]
    model: str
    dates: tuple[str, ...]
    zones: Annotated[tuple[ZonePeople, ...], Meta(min_length=1, description="The place first, then its districts.")]
    mapped: tuple[MappedFigures, ...] | None
    warnings: Warnings
    attributions: tuple[str, ...]
    files: dict[str, str]


def write_people(
    found: Mapping[str, Any],
    result: Result,
    shapes: Sequence[BaseGeometry],
    crs: str,
    table: Mapping[str, Any],
    rasters: Mapping[str, Any],
    desk: Desk,
) -> PeopleSummary:
    """Write page, pictures, tables, cells and rasters of an answer.

    Parameters
    ----------
    found
        Figures as JSON values; see :class:`PeopleSummary`.
    shapes, crs
        Of the population's cells, one per row of ``table``.
    rasters
        By file name: float32 (y, x) on the result's grid.
    """
    summary, folder = PeopleSummary.from_dict({**found, "files": {}}), desk.folder
    for name in (AROUND, DISTANCE):
        values = np.asarray(rasters[name], np.float32)
        cog.write(folder / name, values, grid=result.plan.grid, band=name.removesuffix(".tif"), nodata=None)
    _cells(folder / CELLS, shapes, crs, table)
    write_csv(_rows(summary), folder / TABLE)
    draw = _drawn(summary, np.asarray(rasters[AROUND]), desk.language)
    around = _around(summary, desk.language)
    _plates.write_plates(folder, TOPIC, around, draw, desk.language)
    section = Section(
        topic=TOPIC,
        title=around.title,
        when=_days(summary, desk.language),
        synthetic=summary.synthetic,
        credits=summary.attributions,
        picture=PICTURE,
        values={
            "p": summary,
            "mapped": {one.id: one for one in summary.mapped or ()},
            "picture": _plates.inside_page(draw),
        },
    )
    return desk.finish(section, summary, FILES)


def _cells(path: Path, shapes: Sequence[BaseGeometry], crs: str, table: Mapping[str, Any]) -> None:
    import geopandas as gpd

    frame = gpd.GeoDataFrame(dict(table), geometry=list(shapes), crs=crs)
    frame[frame["people"] > 0].to_file(path, layer="cells", driver="GPKG", engine="pyogrio")


def _rows(summary: PeopleSummary) -> list[dict[str, Any]]:
    mapped = {one.id: one for one in summary.mapped or ()}
    rows = []
    for zone in summary.zones:
        row: dict[str, Any] = {"name": zone.name, "id": zone.id, "people": zone.people, "used": zone.used}
        for one in zone.around:
            row |= {f"mean_green_share_{one.metres}m": one.mean_share, f"mean_green_m2_{one.metres}m": one.mean_m2}
        row |= {
            "near_patch": zone.near_patch,
            "near_public": zone.near_public,
            "near_public_walk": zone.near_public_walk,
            "gini": zone.gini,
        }
        if summary.mapped is not None:
            row["osm_completeness"] = mapped[zone.id].completeness if zone.id in mapped else None
        rows.append(row)
    return rows


def _days(summary: PeopleSummary, language: Language) -> str:
    return language.days([date.fromisoformat(day) for day in summary.dates])


def _around(summary: PeopleSummary, language: Language) -> _plates.Around:
    _, whole = language.gettext, summary.zones[0]
    near = _("%(share)s of the people live within 300 m of a vegetated patch of half a hectare.") % {
        "share": language.percent(whole.near_patch)
    }
    mean = _(
        "Around the average person %(share)s of the land within 300 m is green. A tenth of the people have at most %(least)s."
    ) % {
        "share": language.percent(whole.around[1].mean_share),
        "least": language.percent(next(iter(whole.around[1].decile_shares), None)),
    }
    source = " ".join(str(part) for part in (summary.population.source, summary.population.year or "") if part)
    model = _("Model: %(model)s") % {"model": summary.model}
    return _plates.Around(
        title=_("How much green do people have around them in %(place)s?") % {"place": summary.city.label},
        answer=f"{near} {mean}",
        facts=" · ".join((f"{_('People')}{language.colon} {source}", _days(summary, language), model)),
        codes=tuple(one.code for one in summary.warnings),
        credits=summary.attributions,
        synthetic=summary.synthetic,
    )


def _drawn(summary: PeopleSummary, share: Any, language: Language) -> _plates.Draw:
    """Draw the green within 300 m of inhabited places, and the distribution of people over it."""
    from matplotlib.colors import LinearSegmentedColormap

    _ = language.gettext
    step = max(1, max(share.shape) // 1200)
    ramp = LinearSegmentedColormap.from_list("green", list(shades.RAMP)).with_extremes(bad="#e9e6dc")
    deciles = next(one for one in summary.zones[0].around if one.metres == 300).decile_shares

    def draw(figure: Figure, box: _plates.Box, ink: _plates.Ink) -> None:
        left, bottom, width, height = box
        title = _("Green share of the land within 300 m")
        axes, edge = _plates.map_axes(figure, box, ink, title=title, shape=share.shape)
        shown = axes.imshow(100 * share[::step, ::step], cmap=ramp, vmin=0, vmax=100, interpolation="nearest")
        _plates.colour_bar(figure, (edge + 0.015, bottom + 0.1 * height, 0.7 * height), shown, ink)
        start = max(edge + 0.14, left + 0.5 * width)
        part = (start, bottom + 0.1, left + width - start - 0.02, height - 0.13)  # half of the last label is outside
        bars = _plates.plain_axes(figure, part, ink, title=_("People"))
        at = [10 * (n + 1) for n in range(len(deciles))]
        bars.barh(at, [100 * value for value in deciles], height=7, color="#3b874f")
        bars.set_xlim(0, 100)
        bars.set_yticks(at, [language.percent(n / 100) for n in at])
        bars.invert_yaxis()
        bars.set_xlabel(_("have at most this green share within 300 m, %"), size=9.5, color=ink.quiet)

    return draw
