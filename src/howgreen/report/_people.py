"""Who lives near how much green, as files a person opens. It decides nothing."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from msgspec import Meta

from howgreen.core import cog, words
from howgreen.report._folder import SUMMARY
from howgreen.report._qgis import write_share_style
from howgreen.report._templates import policy, templates, text_of
from howgreen.report.figures import Area, Count, Document, GreenRatio, Part, Ratio, Warnings

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from howgreen.core.types import Result

PAGE, TABLE, CELLS, PICTURE = "people.html", "people.csv", "people.gpkg", "people.png"
AROUND, DISTANCE = "green_around_300m.tif", "patch_distance.tif"
FILES = {
    PAGE: "the page to read; opens without a network",
    PICTURE: "green within 300 m, where people live",
    TABLE: "the figures of the place and its districts",
    CELLS: "the population's own cells, with the people inside the limits and the green around them",
    AROUND: "share of the land within 300 m that is green, 0-1",
    DISTANCE: "metres to the nearest patch of plants of half a hectare, in a straight line",
    SUMMARY: "this file",
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
    folder: Path,
) -> PeopleSummary:
    """Write page, picture, tables, cells and rasters into a folder.

    Parameters
    ----------
    found
        Figures as JSON values; see :class:`PeopleSummary`.
    shapes, crs
        Of the population's cells, one a row of ``table``.
    rasters
        By file name: float32 (y, x) on the result's grid.
    """
    summary = PeopleSummary.from_dict({**found, "files": FILES})
    for name in (AROUND, DISTANCE):
        values = np.asarray(rasters[name], np.float32)
        cog.write(folder / name, values, grid=result.plan.grid, band=name.removesuffix(".tif"), nodata=None)
    write_share_style(folder / AROUND)
    _cells(folder / CELLS, shapes, crs, table)
    _table(folder / TABLE, summary)
    _picture(folder / PICTURE, summary, rasters[AROUND])
    (folder / PAGE).write_text(_page(summary, folder / PICTURE), encoding="utf-8")
    (folder / SUMMARY).write_text(summary.to_json(), encoding="utf-8")
    return summary


def _cells(path: Path, shapes: Sequence[BaseGeometry], crs: str, table: Mapping[str, Any]) -> None:
    import geopandas as gpd

    frame = gpd.GeoDataFrame(dict(table), geometry=list(shapes), crs=crs)
    frame[frame["people"] > 0].to_file(path, layer="cells", driver="GPKG", engine="pyogrio")


def _table(path: Path, summary: PeopleSummary) -> None:
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
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _picture(path: Path, summary: PeopleSummary, share: Any) -> None:
    """Draw the green within 300 m of where people may live, and how people are spread over it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    from howgreen.report import _fonts, shades

    step = max(1, max(share.shape) // 1200)
    ramp = LinearSegmentedColormap.from_list("green", list(shades.RAMP)).with_extremes(bad="#e9e6dc")
    figure = Figure(figsize=(13, 6.4), dpi=120, facecolor="#fbfaf5", layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
    shown = left.imshow(100 * share[::step, ::step], cmap=ramp, vmin=0, vmax=100, interpolation="nearest")
    left.set_axis_off()
    left.set_title("Green share of the land within 300 m", color="#1c2a22", loc="left")
    figure.colorbar(shown, ax=left, shrink=0.6, label="%")
    deciles = next(one for one in summary.zones[0].around if one.metres == 300).decile_shares
    at = [10 * (n + 1) for n in range(len(deciles))]
    right.barh(at, [100 * value for value in deciles], height=7, color="#3b874f")
    right.set_xlim(0, 100)
    right.set_yticks(at, [f"{n} %" for n in at])
    right.invert_yaxis()
    right.set_xlabel("have at most this green share within 300 m, %")
    right.set_ylabel("of the people")
    for side in ("top", "right"):
        right.spines[side].set_visible(False)
    name = summary.city.label if _fonts.drawable(summary.city.label) else summary.city.id
    right.set_title(f"People of {name}", color="#1c2a22", loc="left")
    figure.savefig(path, facecolor="#fbfaf5")


def _page(summary: PeopleSummary, picture: Path) -> str:
    from base64 import b64encode

    environment = templates({"percent": words.percent, "area": words.area, "number": _number})
    text: str = environment.get_template("people.html").render(
        s=summary,
        style=text_of("report.css"),
        policy=policy(""),
        mapped={one.id: one for one in summary.mapped or ()},
        picture=f"data:image/png;base64,{b64encode(picture.read_bytes()).decode()}",
    )
    return text


def _number(value: float) -> str:
    return f"{value:,.0f}"
