"""The sampling design as tables for statisticians, ``units.gpkg`` and ``units.csv``, and the check of returned ones.

Both hold for each unit its order of looking, stratum, the stratum's share of the area, the draws in it, and the
inclusion probability: everything that the stratified estimate needs besides the answers. Seed, design, estimator,
version and checksum are in each row of the CSV, and in a table ``design`` of the GeoPackage, with the strata in words
in its table ``strata``. Neither shows what the map has for a single unit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howgreen.core.errors import EstimateError
from howgreen.core.files import write_atomic

if TYPE_CHECKING:
    import geopandas as gpd

    from howgreen.estimate.sample import Sample

UNITS, STRATA, DESIGN = "units", "strata", "design"
"""Layers of the GeoPackage."""
SAME = 1e-4
"""Relative difference above which a number was altered; programs round what they write."""
NEAR_DEGREES = 2e-5
"""Tolerance of a unit's position: two metres."""
MOST_ROWS = 100_000
"""Rows read of a returned layer; no sample is larger."""
Row = dict[str, Any]


def rows_of(sample: Sample) -> list[Row]:
    """Make one row per unit, in the order of looking."""
    drawn = sample.drawn.tolist()
    return [
        {
            "unit": one.unit, "sample": sample.key, "lon": one.lon, "lat": one.lat, "twice": int(one.twice), "stratum": one.stratum,
            "stratum_share": sample.weights[one.stratum], "stratum_draws": drawn[one.stratum], "inclusion_probability": one.inclusion or None,
        }
        for one in sample.units
    ]  # fmt: skip


def design_of(sample: Sample) -> dict[str, str]:
    """Describe how the sample was drawn, as names and values."""
    return {
        "design": sample.design,
        "seed": str(sample.seed),
        "estimator": sample.estimator,
        "sha256": sample.sha256,
        "howgreen": sample.howgreen,
    }


def write_units(sample: Sample, squares: gpd.GeoSeries, folder: Path) -> None:
    """Write ``units.gpkg`` and ``units.csv`` into a folder.

    Raises
    ------
    OSError
        The disk refuses.
    """
    import geopandas as gpd
    import pandas as pd
    import pyogrio

    units = pd.DataFrame(rows_of(sample))
    names = list(sample.strata) or [""] * len(sample.weights)
    strata = pd.DataFrame({
        "stratum": range(len(sample.weights)), "holds": names, "share": sample.weights, "draws": sample.drawn,
    })  # fmt: skip
    more = {
        "place": sample.place, "dots": str(sample.dots), "order": "unit is the order of looking, random across strata",
        "format": sample.format, "plan_sha256": sample.plan_sha256,
    }  # fmt: skip
    design = pd.DataFrame((design_of(sample) | more).items(), columns=["name", "value"])
    file = folder / "units.gpkg"
    gpd.GeoDataFrame(units, geometry=squares.values, crs=squares.crs).to_file(file, layer=UNITS, driver="GPKG")
    for layer, table in ((STRATA, strata), (DESIGN, design)):
        pyogrio.write_dataframe(table, file, layer=layer, driver="GPKG", append=True)
    words = units["stratum"].map(dict(enumerate(names)))
    flat = units.assign(stratum_holds=words, **design_of(sample))
    write_atomic(folder / "units.csv", flat.to_csv(index=False, lineterminator="\n"))


def read_units(file: Path) -> list[tuple[int, dict[str, str]]]:
    """Read a returned layer of units with people's answers, as rows of text; None if the file is not such a layer."""
    import pyogrio

    from howgreen.core.vector_files import vector_files

    try:
        with vector_files(file) as (one, *_):
            layers = [str(name) for name, _ in pyogrio.list_layers(one.gdal_path)]
            wanted = UNITS if UNITS in layers else layers[0]
            table = pyogrio.read_dataframe(one.gdal_path, layer=wanted, read_geometry=False, max_features=MOST_ROWS)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, ValueError, OSError, IndexError):
        return []  # the next reader says why
    if not {"unit", "sample", "reader"} <= set(table.columns):
        return []
    return [
        (number, {str(k): _text(v) for k, v in row.items()})
        for number, row in enumerate(table.to_dict("records"), start=1)
    ]


def _text(value: Any) -> str:
    """Format a cell as in a text table."""
    if value is None or value != value:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def check_row(row: Mapping[str, str], given: Mapping[str, Any], where: str) -> None:
    """Check that the design in a returned row is the one given out.

    Parameters
    ----------
    row
        As returned; missing columns are not checked.
    given
        The unit's row of :func:`rows_of`, with :func:`design_of`.

    Raises
    ------
    EstimateError
        Something was altered.
    """
    for name, ours in given.items():
        theirs = (row.get(name) or "").strip()
        if (
            theirs
            and ours not in (None, "")
            and not _same(theirs, ours, tolerance=NEAR_DEGREES if name in ("lon", "lat") else None)
        ):
            raise EstimateError(
                f"{where}, column {name}: says {theirs[:40]!r}, and the sample was drawn with {str(ours)[:40]!r}; take the table as it was given out"
            )


def _same(theirs: str, ours: Any, *, tolerance: float | None) -> bool:
    if isinstance(ours, str):
        return theirs == ours
    try:
        number = float(theirs.replace(",", "."))
        return math.isclose(number, ours, rel_tol=SAME) if tolerance is None else abs(number - ours) <= tolerance
    except ValueError:
        return False
