"""The files of a ranking: CSV, GeoPackage, GeoParquet where pyarrow is there, and a page with chart, map and table."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howgreen.batch.ranking import Ranked, Row, ranked
from howgreen.core import words
from howgreen.core.files import atomic_path, scratch_folder, write_atomic

if TYPE_CHECKING:
    import geopandas as gpd
    from shapely import Polygon

COLUMNS = (
    "rank", "rank_best", "rank_worst", "n_ties", "ties", "key", "name", "label", "green_ratio", "low", "high", "level", "observed_ratio",
    "land_area_m2", "first_date", "last_date", "n_dates", "sensor", "model", "plan_sha256", "warnings", "error",
)  # fmt: skip
"""Of all three tables, in this order; ratios 0-1, areas in square metres, lists parted by blanks. Empty where there is no answer."""
_WIDE, _LEFT, _ROW = 900, 240, 20
_MOST_NAMED = 400
"""Cities on the chart; the table has all."""
_LIGHT, _DARK = (237, 244, 214), (16, 84, 48)


def write_ranking(rows: Sequence[Row], out: Path) -> list[Path]:
    """Write the tables and the page of a ranking, each whole or not at all; the files."""
    out.mkdir(parents=True, exist_ok=True)
    order = ranked(rows)
    failed = [row for row in rows if row.green_ratio is None]
    records = [*map(_record, order), *(_record_of(row) for row in failed)]
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(records)
    write_atomic(out / "ranking.csv", text.getvalue())
    frame = _frame(records, [*(one.row for one in order), *failed])
    with scratch_folder(out, ".ranking-") as scratch:  # GDAL wants the file's own ending
        frame.to_file(scratch / "ranking.gpkg", layer="ranking", driver="GPKG", engine="pyogrio")
        (scratch / "ranking.gpkg").replace(out / "ranking.gpkg")
    files = [out / "ranking.html", out / "ranking.csv", out / "ranking.gpkg"]
    if find_spec("pyarrow") is not None:
        with atomic_path(out / "ranking.parquet") as part:
            frame.to_parquet(part, compression="zstd", schema_version="1.1.0", write_covering_bbox=True)
        files.append(out / "ranking.parquet")
    write_atomic(out / "ranking.html", _page(order, failed))
    return files


def _record(one: Ranked) -> dict[str, Any]:
    places = {"rank": one.rank, "rank_best": one.best, "rank_worst": one.worst, "n_ties": len(one.ties)}
    return {**_record_of(one.row), **places, "ties": " ".join(one.ties)}


def _record_of(row: Row) -> dict[str, Any]:
    values = {name: getattr(row, name, None) for name in COLUMNS}
    return {**values, "ties": "", "warnings": " ".join(row.warnings)}


def _frame(records: Sequence[dict[str, Any]], rows: Sequence[Row]) -> gpd.GeoDataFrame:
    import geopandas as gpd
    import pandas as pd
    from shapely import from_wkt

    shapes = [from_wkt(row.wkt) if row.wkt else None for row in rows]
    frame = gpd.GeoDataFrame(list(records), columns=list(COLUMNS), geometry=shapes, crs="EPSG:4326")
    for name in ("rank", "rank_best", "rank_worst", "n_ties", "n_dates"):
        frame[name] = pd.array(frame[name], dtype="Int64")
    for name in ("green_ratio", "low", "high", "level", "observed_ratio", "land_area_m2"):
        frame[name] = frame[name].astype("float64")
    return frame


def verdict(order: Sequence[Ranked], failed: Sequence[Row]) -> str:
    """Say in a sentence or two what the order can tell."""
    if not order:
        return "No city has an answer."
    first, last = order[0], order[-1]
    pairs = len(order) * (len(order) - 1) // 2
    apart = pairs - sum(len(one.ties) for one in order) // 2
    text = (
        f"By the figures alone, {first.row.name} is the greenest ({words.plain(words.percent(first.row.green_ratio))})"
    )
    if len(order) > 1:
        text += f" and {last.row.name} the least green ({words.plain(words.percent(last.row.green_ratio))})"
        text += f"; {apart} of {pairs} pairs of cities can be told apart, the rest are ties"
        if first.ties:
            text += f", {first.row.name} and {len(first.ties)} {'other' if len(first.ties) == 1 else 'others'} for the first place among them"
    return text + "." + (f" {len(failed)} have no answer." if failed else "")


def _page(order: Sequence[Ranked], failed: Sequence[Row]) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("howgreen", "batch"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["percent"] = words.percent
    text: str = environment.get_template("ranking.html").render(
        count=len(order) + len(failed),
        verdict=verdict(order, failed),
        level=words.percent(next((one.row.level for one in order if one.row.level), None)),
        ranked=order,
        failed=failed,
        span=lambda row: words.span(row.low, row.high),
        chart=_chart(order[:_MOST_NAMED]),
        map=_map(order),
    )
    return text


def _chart(order: Sequence[Ranked]) -> dict[str, Any]:
    def at(ratio: float) -> float:
        return round(_LEFT + ratio * (_WIDE - _LEFT - 20), 1)

    bars = [
        {
            "name": f"{one.rank} {one.row.name}"[:34],
            "y": 32 + _ROW * number,
            "at": at(one.row.green_ratio or 0.0),
            "low": None if one.row.low is None else at(one.row.low),
            "high": None if one.row.high is None else at(one.row.high),
        }
        for number, one in enumerate(order)
    ]
    ticks = [{"x": at(tick / 5), "text": f"{20 * tick} %"} for tick in range(6)]
    return {"height": 32 + _ROW * len(order), "bars": bars, "ticks": ticks}


def _map(order: Sequence[Ranked]) -> dict[str, Any]:
    """Outlines, longitude squeezed by the cosine of the middle latitude: true enough for cities of one region."""
    from shapely import from_wkt

    shapes = [(one, from_wkt(one.row.wkt)) for one in order if one.row.wkt]
    if not shapes:
        return {"height": 1, "shapes": [], "least": "", "most": ""}
    bounds = [shape.bounds for _, shape in shapes]
    west, south = (min(box[side] for box in bounds) for side in (0, 1))
    east, north = (max(box[side] for box in bounds) for side in (2, 3))
    squeeze = math.cos(math.radians((south + north) / 2))
    scale = min(_WIDE / max((east - west) * squeeze, 1e-9), 700 / max(north - south, 1e-9))
    ratios = [one.row.green_ratio or 0.0 for one, _ in shapes]
    least, most = min(ratios), max(ratios)

    def path(polygon: Polygon) -> str:
        rings = [polygon.exterior, *polygon.interiors]
        return "".join(
            "M"
            + "L".join(f"{(x - west) * squeeze * scale:.1f} {(north - y) * scale:.1f}" for x, y in ring.coords)
            + "Z"
            for ring in rings
        )

    drawn = [
        {"name": one.row.name, "ratio": words.percent(one.row.green_ratio), "fill": _colour((ratio - least) / max(most - least, 1e-9)),
         "d": "".join(path(part) for part in _parts(shape))}
        for (one, shape), ratio in zip(shapes, ratios, strict=True)
    ]  # fmt: skip
    height = math.ceil((north - south) * scale) + 2
    return {"height": height, "shapes": drawn, "least": words.percent(least), "most": words.percent(most)}


def _parts(shape: Any) -> Iterator[Polygon]:
    yield from getattr(shape, "geoms", (shape,))


def _colour(share: float) -> str:
    return "#" + "".join(
        f"{round(light + share * (dark - light)):02x}" for light, dark in zip(_LIGHT, _DARK, strict=True)
    )
