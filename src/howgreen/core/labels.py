"""Shapes with a class: class names and their synonyms, the file that holds them, and the pixels they cover."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from howgreen.core.errors import LabelError
from howgreen.core.vector_files import VectorFile, vector_files

if TYPE_CHECKING:
    import geopandas as gpd
    from odc.geo.geobox import GeoBox

CLASS_NAMES = ("tree", "low vegetation", "cropland", "built", "bare", "water")
"""Classes allowed for labels."""
GREEN_CLASSES = frozenset({"tree", "low vegetation", "cropland"})
SYNONYMS: Mapping[str, str] = {
    **dict.fromkeys(
        ("forest", "woods", "wood", "woodland", "trees", "canopy", "tree cover", "tree canopy", "deciduous", "coniferous", "evergreen",
         "deciduous forest", "coniferous forest", "mixed forest", "broadleaf", "orchard", "mangroves"),
        "tree",
    ),
    **dict.fromkeys(
        ("grass", "grassland", "meadow", "lawn", "lawns", "herbaceous", "herbaceous vegetation", "herbs", "shrub", "shrubs", "shrubland",
         "bush", "bushes", "pasture", "low plants", "herbaceous wetland"),
        "low vegetation",
    ),
    **dict.fromkeys(("crop", "crops", "agriculture", "agricultural", "arable", "arable land", "farmland", "field", "fields"), "cropland"),
    **dict.fromkeys(
        ("urban", "building", "buildings", "built up", "built-up", "built area", "buildup", "impervious", "impervious surface", "sealed",
         "road", "roads", "asphalt", "concrete", "pavement", "paved", "roof", "roofs", "residential", "industrial", "settlement",
         "settlements", "city", "town"),
        "built",
    ),
    **dict.fromkeys(
        ("soil", "bare soil", "bare ground", "bare land", "bareland", "barren", "sand", "rock", "bare / sparse vegetation", "quarry"),
        "bare",
    ),
    **dict.fromkeys(
        ("river", "lake", "sea", "ocean", "waterbody", "water body", "water bodies", "permanent water bodies", "pond", "open water"), "water"
    ),
}  # fmt: skip
"""Common names of the classes."""


def read_shapes(path: Path, column: str) -> gpd.GeoDataFrame:
    """Read shapes with a CRS and a column; LabelError if any of that is missing."""
    import geopandas as gpd
    import pyogrio

    if not path.exists():
        raise LabelError(f"labels {path}: no such file; check the path")
    try:
        with vector_files(path) as files:  # opened with an explicit format: no file can refer to others, or to a server
            source, layer = _table(files, column, path)
            frame = gpd.read_file(source, layer=layer)
    except LabelError:
        raise
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, ValueError) as error:
        raise LabelError(
            f"labels {path}: not a vector file that GDAL reads ({str(error).splitlines()[0][:120]})"
        ) from error
    if not isinstance(frame, gpd.GeoDataFrame) or not len(frame):
        raise LabelError(f"labels {path}: holds no polygon or point; draw some and give each a class")
    if frame.crs is None:
        raise LabelError(
            f"labels {path}: does not say its CRS; write it into the file, as with `ogr2ogr -a_srs EPSG:4326`"
        )
    if column not in frame:
        there = ", ".join(str(name) for name in frame if name != "geometry") or "none"
        raise LabelError(
            f"labels {path}: no column {column!r} (there: {there}); name the one that is meant with --column (of a population: --population-column)"
        )
    usable = ~(frame.geometry.is_empty | frame.geometry.isna())
    if not usable.any():
        raise LabelError(f"labels {path}: all shapes are empty; draw polygons or points")
    kinds = set(frame.geometry[usable].geom_type)
    if not kinds <= {"Polygon", "MultiPolygon", "Point", "MultiPoint"}:
        other = ", ".join(sorted(kinds - {"Polygon", "MultiPolygon", "Point", "MultiPoint"}))
        raise LabelError(f"labels {path}: holds {other}, which have no area; draw polygons or points")
    return frame[usable.to_numpy()]


def _table(files: Sequence[VectorFile], column: str, path: Path) -> tuple[str, str | None]:
    """Choose the one table of a file (or archive) that has shapes and a column; LabelError if several have.

    The first of several need not be the one meant.
    """
    import pyogrio

    tables = [
        (file, str(name))
        for file in files
        if file.by_gdal
        for name, kind in pyogrio.list_layers(file.gdal_path)
        if kind
    ]
    if len(tables) < 2:
        return files[0].gdal_path, None
    meant = [
        (file, name)
        for file, name in tables
        if column in pyogrio.read_info(file.gdal_path, layer=name, **file.options)["fields"]
    ]
    if len(meant) > 1:
        listed = ", ".join(f"{file.file.name}: {name}" if len(files) > 1 else name for file, name in meant)
        raise LabelError(
            f"labels {path}: several of its layers have a column {column!r} ({listed}); save the one that is meant alone"
        )
    file, name = (meant or tables)[0]
    return file.gdal_path, name


def parse_classes(text: str) -> dict[str, str]:
    """Read ``1=water,2=tree``: the class for each value of the column.

    Raises
    ------
    LabelError
        Not of that form, or not a class of howgreen's.
    """
    found = {}
    for entry in text.split(","):
        value, equals, name = entry.partition("=")
        called = class_of(name, {})
        if not equals or called is None:
            raise LabelError(
                f"--classes {entry.strip()!r}: write VALUE=CLASS with a class of {', '.join(CLASS_NAMES)}, parted by commas"
            )
        found[word(value)] = called
    return found


def word(value: object) -> str:
    """Normalise a value of a column; 1.0 is 1."""
    text = str(value).strip().lower().replace("_", " ")
    return text.removesuffix(".0")


def class_of(value: object, classes: Mapping[str, str]) -> str | None:
    """Return the class that a value stands for; None if unknown."""
    called = word(value)
    name = classes.get(called) or SYNONYMS.get(called, called)
    return name if name in CLASS_NAMES else None


def classes_of(frame: Any, path: Path, column: str, classes: Mapping[str, str]) -> list[str]:
    """Return the class of each shape.

    Raises
    ------
    LabelError
        A shape has no class or an unknown one; the message names it and its cure.
    """
    without = int(frame[column].isna().sum())
    if without:
        raise LabelError(f"labels {path}: {without} of {len(frame)} shapes have no class in column {column!r}; give each one, or "
                         "delete them")  # fmt: skip
    names = [class_of(value, classes) for value in frame[column]]
    unknown = sorted({word(value) for value, name in zip(frame[column], names, strict=True) if name is None})
    if unknown:
        raise LabelError(f"labels {path}: unknown class {', '.join(repr(one) for one in unknown[:8])} in column {column!r}; "
                         f"say what each is with --classes {unknown[0]}=tree,... (the classes are {', '.join(CLASS_NAMES)})")  # fmt: skip
    return [name for name in names if name is not None]


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """Pixels covered by shapes of a single class."""

    rows: npt.NDArray[np.int_]
    columns: npt.NDArray[np.int_]
    code: npt.NDArray[np.int_]
    shape: npt.NDArray[np.int_]
    """Index of the shape that contains the pixel."""


def burn(shapes: Sequence[Any], codes: Sequence[int], grid: GeoBox) -> Claimed:
    """Find the pixels with their centre in a polygon, and those under points; pixels with two codes are left out.

    Parameters
    ----------
    shapes
        In the grid's CRS; empty ones cover nothing.
    codes
        One per shape, from 0.
    """
    from rasterio.features import rasterize

    size, transform = grid.shape, grid.transform
    numbered = [(shape, number + 1) for number, shape in enumerate(shapes) if not shape.is_empty]
    owner = np.zeros((size.y, size.x), np.int32)
    claims = np.zeros((size.y, size.x), np.uint8)
    if numbered:
        owner = rasterize(numbered, out_shape=(size.y, size.x), transform=transform, dtype="int32")
    for code in sorted(set(codes)):
        ours = [shape for shape, number in numbered if codes[number - 1] == code]
        if ours:
            claims += rasterize(ours, out_shape=(size.y, size.x), transform=transform) > 0
    rows, columns = np.nonzero((owner > 0) & (claims == 1))
    shape = owner[rows, columns].astype(np.int64) - 1
    return Claimed(rows=rows, columns=columns, code=np.asarray(codes, dtype=np.int64)[shape], shape=shape)
