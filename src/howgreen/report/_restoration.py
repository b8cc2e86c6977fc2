"""The account of Article 8 as files a person opens: the page, the tables, the picture. It decides nothing."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from howgreen.core import words
from howgreen.report._folder import SUMMARY
from howgreen.report._templates import policy, templates, text_of
from howgreen.report.figures import Area, Count, Document, Part, Ratio

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

PAGE, TABLE, TOTALS, MAPS, PICTURE = "nrr.html", "nrr.csv", "nrr_totals.csv", "nrr.gpkg", "nrr.png"
MOST_ROWS = 500
"""Communes in the table of the page; the files hold all."""
_FIRST, _LAST = "#f4ecd8", "#0d5a3a"

Verdict = Literal["yes", "no", "too close to tell", "not told"]


class SumFigures(Part, frozen=True, kw_only=True):
    """What one map holds inside one area."""

    area_m2: Annotated[float, Meta(ge=0, description="Inside the limits, without the sea; EPSG:3035.")]
    covered_m2: Annotated[float, Meta(ge=0, description="Urban green space, or tree cover.")]
    unknown_m2: Annotated[float, Meta(ge=0, description="Ground of which the map says nothing.")]
    share: Annotated[Ratio | None, Meta(description="covered / ground that the map knows.")]
    low: Annotated[Ratio, Meta(description="The share with all unknown ground bare.")]
    high: Annotated[Ratio, Meta(description="The share with all unknown ground covered.")]


class CoverFigures(Part, frozen=True, kw_only=True):
    """Green space and tree cover of one area, today and at the baseline."""

    green: SumFigures
    canopy: SumFigures | None
    green_before: SumFigures | None
    canopy_before: SumFigures | None


class LookedFigures(Part, frozen=True, kw_only=True):
    """What people saw of the same definition in a probability sample; howgreen's own estimate, not the official figure."""

    share: Ratio
    low: Ratio
    high: Ratio
    level: Ratio
    looks: Count


class CommuneFigures(Part, frozen=True, kw_only=True):
    """One local administrative unit."""

    id: str
    name: str
    country: str
    degurba: Annotated[int | None, Meta(description="1 city, 2 town or suburb, 3 rural; null where it is not known.")]
    areas: Annotated[dict[str, CoverFigures], Meta(description="By way to draw the area: commune, urban, peri_urban.")]
    may_be_left_out: Annotated[
        Verdict, Meta(description="Article 8(1): 45 % green space and 10 % tree cover in its centres and clusters.")
    ]
    seen_by_people: LookedFigures | None


class TotalFigures(Part, frozen=True, kw_only=True):
    """A country's sum."""

    country: str
    area: str
    units: Count
    left_out: Annotated[Count, Meta(description="Communes left out of this sum because they may be.")]
    cover: CoverFigures
    no_loss_of_green: Verdict
    no_loss_of_canopy: Verdict


class RestorationSummary(Document, frozen=True, kw_only=True):
    """Figures of `howgreen nrr`: areas for Article 8 of Regulation (EU) 2024/1991. Square metres, ratios 0-1. Not howgreen's green ratio."""

    format: Literal["howgreen-nrr/1"]
    howgreen: Annotated[str, Meta(description="Version of the program.")]
    margin: Annotated[Ratio, Meta(description="Nearer to a threshold than this, nothing is decided.")]
    change_margin: Annotated[Ratio, Meta(description="Changes smaller than this share of the baseline decide nothing.")]
    communes: tuple[CommuneFigures, ...]
    totals: tuple[TotalFigures, ...]
    total_area_m2: Area
    sources: Annotated[dict[str, str], Meta(description="Which file was what.")]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    files: dict[str, str]


def write_restoration(
    found: RestorationSummary, shapes: Mapping[str, Sequence[BaseGeometry]], areas: Mapping[str, str], folder: Path
) -> RestorationSummary:
    """Write page, tables, picture and figures into a folder; what else lies there is listed too.

    Parameters
    ----------
    shapes
        By way to draw the areas: the shape of each commune (EPSG:3035), in the order of the figures.
    areas
        What the ways to draw them are called.
    """
    texts = {
        PAGE: "the page to read; opens without a network",
        PICTURE: "the share of green space of each commune",
        MAPS: "limits and figures of every commune; one layer for each way to draw the areas; EPSG:3035",
        TABLE: "the same figures as a table",
        TOTALS: "the sums of each country",
        "urban_green_space.tif": "1 where CLCplus Backbone shows green space, inside the communes; EPSG:3035",
        "urban_tree_cover.tif": "tree cover in percent, inside the communes; EPSG:3035",
    }
    present = {name: text for name, text in texts.items() if not name.endswith(".tif") or (folder / name).exists()}
    found = msgspec.structs.replace(found, files=present | {SUMMARY: "this file"})
    rows = list(_rows(found))
    _table(folder / TABLE, rows)
    _table(folder / TOTALS, list(_total_rows(found)))
    _layers(folder / MAPS, found, shapes)
    _picture(folder / PICTURE, found, shapes["commune"])
    (folder / PAGE).write_text(_page(found, areas, folder / PICTURE), encoding="utf-8")
    (folder / SUMMARY).write_text(found.to_json(), encoding="utf-8")
    return found


def _cells(cover: CoverFigures) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for name in ("green", "canopy", "green_before", "canopy_before"):
        one = getattr(cover, name)
        cells |= {
            f"{name}_m2": None if one is None else one.covered_m2,
            f"{name}_share": None if one is None else one.share,
            f"{name}_unknown_m2": None if one is None else one.unknown_m2,
        }
    return cells


def _row(one: CommuneFigures, area: str) -> dict[str, Any]:
    seen = one.seen_by_people
    return {
        "id": one.id,
        "name": one.name,
        "country": one.country,
        "degurba": one.degurba,
        "area": area,
        "area_m2": one.areas[area].green.area_m2,
        **_cells(one.areas[area]),
        "may_be_left_out": one.may_be_left_out,
        "people_share": None if seen is None else seen.share,
        "people_low": None if seen is None else seen.low,
        "people_high": None if seen is None else seen.high,
    }


def _rows(found: RestorationSummary) -> list[dict[str, Any]]:
    return [_row(one, area) for one in found.communes for area in one.areas]


def _total_rows(found: RestorationSummary) -> list[dict[str, Any]]:
    return [
        {
            "country": one.country,
            "area": one.area,
            "units": one.units,
            "left_out": one.left_out,
            "area_m2": one.cover.green.area_m2,
            **_cells(one.cover),
            "no_loss_of_green": one.no_loss_of_green,
            "no_loss_of_canopy": one.no_loss_of_canopy,
        }
        for one in found.totals
    ]


def _table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _layers(path: Path, found: RestorationSummary, shapes: Mapping[str, Sequence[BaseGeometry]]) -> None:
    import geopandas as gpd

    for area, drawn in shapes.items():
        rows = [_row(one, area) for one in found.communes]
        frame = gpd.GeoDataFrame(rows, geometry=list(drawn), crs="EPSG:3035")
        frame.to_file(path, layer=area, driver="GPKG", engine="pyogrio")


def _picture(path: Path, found: RestorationSummary, shapes: Sequence[BaseGeometry]) -> None:
    """Draw the communes in the colour of their share of green space; those without a share stay grey."""
    import geopandas as gpd
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    share = [one.areas["commune"].green.share for one in found.communes]
    frame = gpd.GeoDataFrame(
        {"share": [float("nan") if one is None else 100 * one for one in share]}, geometry=list(shapes)
    )
    figure = Figure(figsize=(9, 8), dpi=130, facecolor="#fbfaf5", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_title("Urban green space (CLCplus Backbone), percent of each commune", color="#1c2a22", loc="left")
    ramp = LinearSegmentedColormap.from_list("green", [_FIRST, "#76ad60", _LAST])
    grey = {"color": "#d6d4cd"}
    if frame["share"].notna().any():
        frame.plot(
            column="share", ax=axes, cmap=ramp, vmin=0, vmax=100, edgecolor="#55635a", linewidth=0.4, legend=True,
            legend_kwds={"shrink": 0.5, "label": "%"}, missing_kwds=grey,
        )  # fmt: skip
    else:
        frame.plot(ax=axes, **grey)
    figure.savefig(path, facecolor="#fbfaf5")


def _page(found: RestorationSummary, areas: Mapping[str, str], picture: Path) -> str:
    from base64 import b64encode

    environment = templates({"percent": words.percent, "area": words.area})
    text: str = environment.get_template("restoration.html").render(
        s=found,
        names=areas,
        style=text_of("report.css"),
        policy=policy(""),
        shown=found.communes[:MOST_ROWS],
        picture=f"data:image/png;base64,{b64encode(picture.read_bytes()).decode()}",
    )
    return text
