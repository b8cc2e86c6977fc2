"""The account of Article 8 as files for people: page, tables, picture. Reporting makes no decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta

from howgreen.report import _plates
from howgreen.report._sections import Section
from howgreen.report._tables import write_csv
from howgreen.report.figures import Area, Count, Document, Part, Ratio

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from shapely.geometry.base import BaseGeometry

    from howgreen.report._language import Language
    from howgreen.report._sections import Desk

TOPIC = "nrr"
TABLE, TOTALS, MAPS, PICTURE, PRINT = "nrr.csv", "nrr_totals.csv", "nrr.gpkg", "nrr.png", "nrr.svg"
FILES = {
    PICTURE: "the share of green space of each commune: a picture that stands alone",
    PRINT: "the same picture for print",
    MAPS: "limits and figures of every commune; one layer for each way to draw the areas; EPSG:3035",
    TABLE: "the same figures as a table",
    TOTALS: "the sums of each country",
    "urban_green_space.tif": "1 where CLCplus Backbone shows green space, inside the communes; EPSG:3035",
    "urban_tree_cover.tif": "tree cover in percent, inside the communes; EPSG:3035",
}
MOST_ROWS = 500
"""Communes in the page's table; the files list all."""
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
    found: RestorationSummary, shapes: Mapping[str, Sequence[BaseGeometry]], areas: Mapping[str, str], desk: Desk
) -> RestorationSummary:
    """Write page, tables, pictures and figures; existing rasters are listed.

    Parameters
    ----------
    shapes
        For each delineation of the areas, the shape of each commune (EPSG:3035), in the order of the figures.
    areas
        Names of the delineations.
    """
    folder, language = desk.folder, desk.language
    write_csv(_rows(found), folder / TABLE)
    write_csv(_total_rows(found), folder / TOTALS)
    _layers(folder / MAPS, found, shapes)
    draw = _drawn(found, shapes["commune"], language)
    around = _around(found, language)
    _plates.write_plates(folder, TOPIC, around, draw, language)
    section = Section(
        topic=TOPIC,
        title=around.title,
        when=language.gettext("Regulation (EU) 2024/1991, Article 8"),
        picture=PICTURE,
        values={
            "r": found,
            "names": areas,
            "warnings": [{"code": "account-incomplete", "text": text} for text in found.warnings],
            "shown": found.communes[:MOST_ROWS],
            "picture": _plates.inside_page(draw),
        },
    )
    present = {name: text for name, text in FILES.items() if (folder / name).exists()}
    return desk.finish(section, found, present)


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


def _layers(path: Path, found: RestorationSummary, shapes: Mapping[str, Sequence[BaseGeometry]]) -> None:
    import geopandas as gpd

    for area, drawn in shapes.items():
        rows = [_row(one, area) for one in found.communes]
        frame = gpd.GeoDataFrame(rows, geometry=list(drawn), crs="EPSG:3035")
        frame.to_file(path, layer=area, driver="GPKG", engine="pyogrio")


def _around(found: RestorationSummary, language: Language) -> _plates.Around:
    _ = language.gettext
    answers = []
    for total in found.totals:
        if total.area == "commune" and not total.left_out:
            cover = total.cover
            answers.append(
                _("%(country)s: %(green)s of green space, %(trees)s of tree cover")
                % {
                    "country": total.country or "–",
                    "green": language.area(cover.green.covered_m2),
                    "trees": language.area(cover.canopy.covered_m2) if cover.canopy else "–",
                }
            )
    return _plates.Around(
        title=_("Urban green space and tree cover, as Article 8 counts them"),
        answer=f"{language.semicolon} ".join(answers),
        facts=_(
            "Regulation (EU) 2024/1991. This is not howgreen’s green ratio, which counts crops and leaves water out."
        ),
        codes=("account-incomplete",) if found.warnings else (),
        credits=tuple(dict.fromkeys(found.sources.values())),
    )


def _drawn(found: RestorationSummary, shapes: Sequence[BaseGeometry], language: Language) -> _plates.Draw:
    """Draw the communes coloured by their share of green space; those without a share stay grey."""
    import geopandas as gpd
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    _ = language.gettext
    share = [one.areas["commune"].green.share for one in found.communes]
    frame = gpd.GeoDataFrame(
        {"share": [float("nan") if one is None else 100 * one for one in share]}, geometry=list(shapes)
    )
    ramp = LinearSegmentedColormap.from_list("green", [_FIRST, "#76ad60", _LAST])
    grey = {"color": "#d6d4cd"}
    west, south, east, north = frame.total_bounds

    def draw(figure: Figure, box: _plates.Box, ink: _plates.Ink) -> None:
        bottom, height = box[1], box[3]
        title = _("Urban green space (CLCplus Backbone), percent of each commune")
        axes, edge = _plates.map_axes(figure, box, ink, title=title, shape=(north - south, east - west))
        if frame["share"].notna().any():
            frame.plot(
                column="share",
                ax=axes,
                cmap=ramp,
                vmin=0,
                vmax=100,
                edgecolor=ink.quiet,
                linewidth=0.4,
                missing_kwds=grey,
            )
        else:
            frame.plot(ax=axes, **grey)
        axes.set(xlabel="", ylabel="")
        colours = ScalarMappable(norm=Normalize(0, 100), cmap=ramp)
        _plates.colour_bar(figure, (edge + 0.015, bottom + 0.1 * height, 0.7 * height), colours, ink)

    return draw
