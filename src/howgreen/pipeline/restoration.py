"""The account of Article 8 (Regulation (EU) 2024/1991): from commune files and official maps to a folder of figures."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import shapely

from howgreen import __version__, report, restoration
from howgreen.core.errors import AreaError, EstimateError, TableError
from howgreen.core.geometry import polygonal, project
from howgreen.core.text import truncate_list
from howgreen.core.warnings import Caution, warn
from howgreen.pipeline import plan_json
from howgreen.place.vectors import TableOptions, read_file
from howgreen.restoration import AREAS, CLCPLUS, LAEA, TREE_COVER, Account, Clusters, CoverMap, Maps, Unit

if TYPE_CHECKING:
    from howgreen.core.types import Progress
    from howgreen.place.vectors import Feature
    from howgreen.report import RestorationSummary

_ID = ("gisco_id", "lau_id", "lau_code", "lau", "ags", "insee", "code_insee", "nuts_id", "id")
_NAME = ("lau_name", "lau_label", "name", "name_latn")
_COUNTRY = ("cntr_code", "country", "cntr_id")
_DEGURBA = ("degurba", "dgurba", "degree_of_urbanisation")
URBAN_CLASSES = (1, 2)
"""Degrees of urbanisation that Article 8 covers: cities, towns and suburbs."""
SAME_DEFINITION = ("tree", "shrub", "grass", "water")
"""Class names of ground that counts as green space in users' samples: dry or mown grass counts, crops do not."""
LARGEST_TABLE_BYTES = 50_000_000


@dataclass(frozen=True, kw_only=True)
class RestorationOptions:
    """The files of an account; each map may come as several adjacent files."""

    communes: Path
    """Local administrative units: any vector file."""
    clcplus: tuple[str, ...]
    tree_cover: tuple[str, ...] = ()
    clcplus_before: tuple[str, ...] = ()
    tree_cover_before: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()
    """Urban centres and urban clusters: Eurostat's 1 km rasters."""
    degurba: Path | None = None
    """CSV with the degree of urbanisation of each commune."""
    only: tuple[str, ...] = ()
    """Names or ids of communes; empty for all."""
    samples: tuple[Path, ...] = ()
    """Folders of interpreted samples."""
    name_column: str | None = None
    margins: tuple[float, float] = field(default=(restoration.MARGIN, restoration.CHANGE_MARGIN))
    """Margin of a share around its threshold, and of a change around its baseline."""


def account(
    options: RestorationOptions,
    *,
    out: str | Path | report.Destination,
    check: Callable[[], object] | None = None,
    progress: Progress | None = None,
) -> RestorationSummary:
    """Compute the account and write the folder that shows it.

    Parameters
    ----------
    out
        A new folder, an empty one, or one that howgreen made (it is replaced); a URL of fsspec; or a report that gets a
        section.
    check
        Called after all warnings and before anything is written; raises to stop.

    Raises
    ------
    HowgreenError
        One line: what, where, and what to do.
    """
    cautions: list[str] = []
    maps = _maps(options)
    units, target = _units(options, cautions), report.Destination.of(out)
    if target.report is not None:
        _refuse_elsewhere(units, target.report)
    whole = shapely.union_all([unit.shape for unit in units])
    clusters = restoration.clusters_from(options.clusters, within=whole.bounds) if options.clusters else None
    _doubt(options, clusters, cautions)
    seen = _seen_by_people(options.samples, units)
    found = restoration.account(
        units, maps, clusters, margin=options.margins[0], change_margin=options.margins[1], progress=progress
    )
    for text in cautions:
        warn(Caution("account-incomplete", text))
    if check is not None:
        check()
    with report.opened(target, "nrr", progress=progress) as desk:
        _cut_out(maps, whole, desk.folder, cautions)
        return report.write_restoration(
            _figures(found, options, seen, cautions, clusters),
            {key: [restoration.zones_of(unit.shape, clusters)[key] for unit in units] for key in found.units[0].areas},
            AREAS,
            desk,
        )


def _maps(options: RestorationOptions) -> Maps:
    def opened(files: Sequence[str], kind: Any) -> CoverMap | None:
        return restoration.open_map(files, kind) if files else None

    return Maps(
        green=restoration.open_map(options.clcplus, CLCPLUS),
        canopy=opened(options.tree_cover, TREE_COVER),
        green_before=opened(options.clcplus_before, CLCPLUS),
        canopy_before=opened(options.tree_cover_before, TREE_COVER),
    )


def _units(options: RestorationOptions, cautions: list[str]) -> list[Unit]:
    areas = read_file(options.communes, TableOptions(name_column=options.name_column))
    cautions += [str(one) for one in areas.warnings]
    classes = _degurba_table(options.degurba) if options.degurba else {}
    units = [_unit(feature, classes) for feature in areas.features]
    if options.only:
        units = _chosen(units, options.only, options.communes)
    known = [unit for unit in units if unit.degurba is not None]
    rural = [unit for unit in known if unit.degurba not in URBAN_CLASSES]
    if len(rural) == len(units):
        raise AreaError(f"{options.communes}: no commune is a city, a town or a suburb (degree of urbanisation 1 or 2)")
    if len(known) < len(units):
        names = truncate_list([unit.name for unit in units if unit.degurba is None], most=4)
        cautions.append(
            f"degree of urbanisation not known of {names}: taken to be cities or towns; give Eurostat's table with --degurba"
        )
    kept = [unit for unit in units if unit not in rural]
    _refuse_overlaps(kept, options.communes)
    return kept


def _unit(feature: Feature, classes: Mapping[str, int]) -> Unit:
    row = {key.casefold(): value for key, value in feature.attributes.items()}
    identity = next((row[key] for key in _ID if row.get(key)), str(feature.number))
    text = next((row[key] for key in _DEGURBA if row.get(key)), "")
    country = next((row[key] for key in _COUNTRY if row.get(key)), identity[:2] if identity[:2].isalpha() else "")
    ids = (identity, f"{country}_{identity}", identity.partition("_")[2])
    given = next((classes[one] for one in ids if one in classes), None)
    return Unit(
        id=identity,
        name=feature.name or next((row[key] for key in _NAME if row.get(key)), identity),
        country=country,
        degurba=given if given is not None else int(text) if text in {"1", "2", "3"} else None,
        shape=polygonal(project(feature.shape(), LAEA)),
    )


def _chosen(units: Sequence[Unit], only: Sequence[str], file: Path) -> list[Unit]:
    chosen = []
    for wanted in only:
        hits = [unit for unit in units if wanted.casefold() in {unit.id.casefold(), unit.name.casefold()}]
        if len(hits) != 1:
            what = (
                "no commune"
                if not hits
                else f"{len(hits)} communes ({truncate_list([unit.id for unit in hits], most=4)})"
            )
            raise AreaError(f"{file}: {what} called {wanted!r}; give the id")
        chosen += [unit for unit in hits if unit not in chosen]
    return chosen


def _refuse_overlaps(units: Sequence[Unit], file: Path) -> None:
    """Refuse communes that overlap: sums would count the ground twice."""
    tree = shapely.STRtree([unit.shape for unit in units])
    for one, other in tree.query([unit.shape for unit in units], predicate="overlaps").T.tolist():
        shared = shapely.intersection(units[one].shape, units[other].shape).area
        if one < other and shared > 0.01 * min(units[one].shape.area, units[other].shape.area):
            raise AreaError(
                f"{file}: {units[one].name} and {units[other].name} overlap by {shared / 1e6:.2f} km²; give each commune once"
            )
    names = [unit.id for unit in units]
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice is not None:
        raise AreaError(f"{file}: two communes have the id {twice}; give each commune once")


def _refuse_elsewhere(units: Sequence[Unit], folder: Path) -> None:
    """Refuse communes that all lie outside the place of a report."""
    city = plan_json.load(folder / "plan.json").city
    limits = project(city.boundary, LAEA)
    if not any(shapely.intersects(unit.shape, limits) for unit in units):
        raise AreaError(
            f"{folder}: is about {city.label}, and none of these communes lies there; name another --report"
        )


def _degurba_table(path: Path) -> dict[str, int]:
    """Read the class of each commune: a column of ids, and one whose header contains DEGURBA."""
    try:
        if path.stat().st_size > LARGEST_TABLE_BYTES:
            raise TableError(f"{path}: {path.stat().st_size / 1e6:.0f} MB are too many for a table of communes")
        with path.open(encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            file.seek(0)
            rows = list(csv.DictReader(file, delimiter=";" if head.count(";") > head.count(",") else ","))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TableError(f"{path}: cannot be read ({error}); save Eurostat's table as CSV in UTF-8") from error
    titles = {str(title).casefold(): title for title in (rows[0] if rows else {})}
    degree = next((title for key, title in titles.items() if "degurba" in key or "dgurba" in key), None)
    identity = next((titles[key] for key in (*_ID, "lau code") if key in titles), None)
    if degree is None or identity is None:
        raise TableError(
            f"{path}: needs a column of ids (LAU_ID, GISCO_ID) and one called DEGURBA; it has {truncate_list(list(titles), most=6)}"
        )
    country = next((titles[key] for key in _COUNTRY if key in titles), None)
    found: dict[str, int] = {}
    twice: set[str] = set()
    for row in rows:
        one, text = str(row[identity]).strip(), str(row[degree]).strip().removesuffix(".0")
        if text not in {"1", "2", "3"}:
            continue
        if found.setdefault(one, int(text)) != int(text):
            twice.add(one)  # two countries use the same commune numbers, and it is unknown which is meant
        if country is not None:
            found[f"{str(row[country]).strip()}_{one}"] = int(text)
    return {one: degree for one, degree in found.items() if one not in twice}


def _doubt(options: RestorationOptions, clusters: Clusters | None, cautions: list[str]) -> None:
    if clusters is None:
        cautions.append(
            "no urban centres and clusters were given: whether a commune may be left out, and the areas drawn by them, are not told; "
            "give Eurostat's rasters with --clusters"
        )
    elif clusters.shape.is_empty:
        cautions.append(f"{clusters.source}: no urban centre or cluster lies in these communes")
    if not options.tree_cover:
        cautions.append("no map of tree cover was given: tree cover is not told; give it with --tree-cover")


def _seen_by_people(folders: Sequence[Path], units: Sequence[Unit]) -> dict[str, report.LookedFigures]:
    from howgreen.estimate.answers import read_answers
    from howgreen.estimate.evaluate import share_of_area
    from howgreen.estimate.sample import load

    found = {}
    for folder in folders:
        sample = load(folder / "sample.json")
        if sample.change is not None:
            raise EstimateError(f"{folder}: is a sample of change; give one of a single date")
        points = [project(shapely.Point(one.lon, one.lat), LAEA) for one in sample.units]
        hits = [unit for unit in units if shapely.contains(unit.shape, points).mean() > 0.99]
        if len(hits) != 1:
            raise EstimateError(
                f"{folder}: its places do not lie in one of these communes; draw the sample in the commune's limits"
            )
        tables = [file for file in sorted(folder.glob("answers-*.csv")) if file.stat().st_size]
        if not tables:
            raise EstimateError(f"{folder}: nobody looked yet; run `howgreen label {folder}`")
        one = share_of_area(sample, read_answers(tables, sample), SAME_DEFINITION)
        found[hits[0].id] = report.LookedFigures(
            share=one.ratio, low=one.low, high=one.high, level=one.level, looks=one.n
        )
    return found


def _cut_out(maps: Maps, whole: Any, folder: Path, cautions: list[str]) -> None:
    from howgreen.core.errors import ImageError

    for name, of in (("urban_green_space.tif", maps.green), ("urban_tree_cover.tif", maps.canopy)):
        if of is None:
            continue
        try:
            restoration.cut_out(of, whole, folder / name)
        except ImageError as error:
            if "too many" not in str(error):
                raise
            cautions.append(str(error))
            warn(Caution("account-incomplete", str(error)))


def _figures(
    found: Account,
    options: RestorationOptions,
    seen: Mapping[str, report.LookedFigures],
    cautions: Sequence[str],
    clusters: Clusters | None,
) -> RestorationSummary:
    communes = [
        {
            **{name: getattr(one.unit, name) for name in ("id", "name", "country", "degurba")},
            "areas": {key: _cover(cover) for key, cover in one.areas.items()},
            "may_be_left_out": one.exempt,
            "seen_by_people": msgspec.to_builtins(seen.get(one.unit.id)),
        }
        for one in found.units
    ]
    totals = [
        {
            **{
                name: getattr(one, name)
                for name in ("country", "area", "units", "left_out", "no_loss_of_green", "no_loss_of_canopy")
            },
            "cover": _cover(one.cover),
        }
        for one in found.totals
    ]
    names = (
        Path(options.communes).name,
        *(
            _names(one)
            for one in (options.clcplus, options.tree_cover, options.clcplus_before, options.tree_cover_before)
        ),
        clusters.source if clusters else "",
    )
    sources = dict(zip(SOURCES, names, strict=True))
    return report.RestorationSummary.from_dict(
        {
            "format": "howgreen-nrr/1",
            "howgreen": __version__,
            "margin": options.margins[0],
            "change_margin": options.margins[1],
            "communes": communes,
            "totals": totals,
            "total_area_m2": sum(one.unit.shape.area for one in found.units),
            "sources": {what: names for what, names in sources.items() if names},
            "warnings": list(cautions),
            "notes": list(NOTES),
            "files": {},
        }
    )


SOURCES = (
    "communes",
    "green space",
    "tree cover",
    "green space at the baseline",
    "tree cover at the baseline",
    "urban centres and clusters",
)
"""Description of each file, for the figures."""
NOTES = (
    "A pixel that limits cut counts by the part inside. The data note does not say how such pixels are to be counted.",
    "CLCplus Backbone shows the dominant class of a pixel: a street tree under half a pixel is no green space, and yet it is tree cover.",
    "So tree cover can rise while green space falls.",
    "Vineyards and hops are low woody plants and count. Arable land, green roofs, greenhouses and railway beds do not. The sea is left out.",
    "Regulation: OJ L, 2024/1991. Codes: Methodological support for Article 8, version 2.0 of July 2026, which is not binding.",
)


def _names(files: Sequence[str]) -> str:
    return ", ".join(str(file).rpartition("/")[2] for file in files)


def _cover(cover: restoration.Cover) -> dict[str, Any]:
    return {name: _sums(getattr(cover, name)) for name in ("green", "canopy", "green_before", "canopy_before")}


def _sums(sums: restoration.Sums | None) -> dict[str, Any] | None:
    if sums is None:
        return None
    low, high = sums.bounds
    share = sums.share
    return {**asdict(sums), "share": None if share is None else min(share, 1.0), "low": low, "high": high}
