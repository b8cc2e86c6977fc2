"""What is kept of a folder that howgreen wrote, and how two such records are compared."""

from __future__ import annotations

import ctypes
import hashlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import onnxruntime
import pandas as pd
import pyogrio
import rasterio

Record = dict[str, Any]
LEFT_OUT = ("model", "files", "libraries", "baseline", "notes", "warnings", "attributions")
"""Parts of a summary that are no answer; of the model its name is kept. A saved plan does not keep the baseline.
Notes, warnings and attributions are words."""
WORDS = ("id", "name", "crs", "date", "start", "end", "platform", "land_source")
"""Keys whose text is part of the answer."""
CLOSE = 1e-9
"""Relative: figures that differ by less are the same, so that a sum may be added up in another order."""
NEAR = 1e-4
"""The same where another processor or another library made the record: networks compute in single precision."""


def fingerprint() -> dict[str, str]:
    """Name what the last bits of an answer depend on beside howgreen itself."""
    simd = np.show_config(mode="dicts")["SIMD Extensions"]
    return {
        "processor": " ".join([*simd.get("baseline", []), *simd.get("found", [])]),
        "blas": _blas_kernel(),
        "numpy": np.__version__,
        "onnxruntime": onnxruntime.__version__,
        "gdal": rasterio.__gdal_version__,
    }


def _blas_kernel() -> str:
    """Name the code that NumPy's OpenBLAS chose for this processor: each rounds products in its own way."""
    for path in (Path(np.__file__).parents[1] / "numpy.libs").glob("libscipy_openblas64_*"):
        name = ctypes.CDLL(str(path)).scipy_openblas_get_corename64_
        name.restype = ctypes.c_char_p
        return str(name().decode())
    return "unknown"


def record(folder: Path) -> Record:
    """Keep the figures of ``summary.json``, every raster's pixels and every table of a folder."""
    found: Record = {}
    bands: list[str] = []
    if (folder / "summary.json").exists():
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        found["figures"] = dict(_flat(summary))
        if "model" in summary:
            found["figures"]["model/name"] = summary["model"]["name"]
        bands = summary.get("bands", [])
    for path in sorted(folder.glob("*.tif")):
        found[path.name] = _raster(path, bands)
    for path in sorted(folder.glob("*.gpkg")):
        found[path.name] = _table(path)
    return found


def _flat(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Numbers, truths, nulls and the few texts that count, by where they stand; of a list its length too."""
    last = at.split("/")[-1]
    if last in LEFT_OUT:
        return
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _flat(one, f"{at}/{key}" if at else key)
    elif isinstance(value, list) and last not in ("bands", "months"):
        yield f"{at}/length", len(value)
        for number, one in enumerate(value):
            yield from _flat(one, f"{at}/{number}")
    elif not isinstance(value, str | list) or last in WORDS:
        yield at, value


def _raster(path: Path, bands: list[str]) -> Record:
    """Keep a raster; bands that the summary names in its order, whatever theirs in the file."""
    with rasterio.open(path) as file:
        names = file.descriptions
        order = [names.index(band) for band in bands] if sorted(map(str, names)) == sorted(bands) else range(file.count)
        pixels = file.read([n + 1 for n in order])
        valid = file.read_masks([n + 1 for n in order]) > 0
        nodata = None if file.nodata is None else repr(file.nodata)
        where = [file.crs.to_string(), *file.transform[:6]]
        about = [[values[n] for n in order] for values in (names, file.scales, file.offsets)]
    sums = [float(band[good].sum(dtype=np.float64)) for band, good in zip(pixels, valid, strict=True)]
    canonical = np.where(np.isnan(pixels), np.nan, pixels) if pixels.dtype.kind == "f" else pixels  # one kind of NaN
    return {
        "dtype": str(pixels.dtype),
        "shape": list(pixels.shape),
        "nodata": nodata,
        "where": where,
        "bands": json.loads(json.dumps(about)),
        "valid": [int(good.sum()) for good in valid],
        "sums": sums,
        "sha256": hashlib.sha256(canonical.astype(pixels.dtype).tobytes()).hexdigest(),
    }


def _table(path: Path) -> Record:
    layers = [gpd.read_file(path, layer=name) for name, kind in pyogrio.list_layers(path) if kind and name != "land"]
    frame = gpd.GeoDataFrame(pd.concat(layers, ignore_index=True), crs=layers[0].crs)
    shapes = hashlib.sha256(b"".join(frame.geometry.normalize().to_wkb()))
    found: Record = {
        "rows": len(frame),
        "crs": frame.crs.to_string(),
        "bounds": [float(edge) for edge in frame.total_bounds],
        "columns": dict.fromkeys(sorted(map(str, frame.columns)), True),  # a new one is no difference
        "geometry": shapes.hexdigest(),
    }
    for name in found["columns"]:
        column = frame[name]
        if name == frame.geometry.name:
            continue
        if column.dtype.kind in "fiu":
            found[f"sum of {name}"] = float(column.sum())
        else:
            found[f"values of {name}"] = hashlib.sha256(repr(column.tolist()).encode()).hexdigest()
    return found


def differences(expected: Record, found: Record, *, alike: bool, at: str = "") -> Iterator[str]:
    """Tell, a line each, what is gone, other or new; a line about something new begins with ``new``.

    ``alike``: the same processor and libraries made both, so that pixels and geometry must be equal to the last bit, and figures
    within ``CLOSE``; else hashes are passed over, and figures, counts and sums must be within ``NEAR``.
    """
    for key in sorted(expected.keys() | found.keys()):
        where = f"{at}: {key}" if at else key
        if key not in found:
            yield f"{where}: gone (was {_short(expected[key])})"
        elif key not in expected:
            yield f"new {where}: {_short(found[key])}"
        elif isinstance(expected[key], dict) and isinstance(found[key], dict):
            yield from differences(expected[key], found[key], alike=alike, at=where)
        elif not _same(key, expected[key], found[key], alike=alike):
            yield f"{where}: was {_short(expected[key])}, is {_short(found[key])}"


def _same(key: str, one: Any, other: Any, *, alike: bool) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_same(key, a, b, alike=alike) for a, b in zip(one, other, strict=True))
    if isinstance(one, float | int) and isinstance(other, float | int) and not isinstance(one, bool):
        close = CLOSE if alike else NEAR
        return math.isclose(one, other, rel_tol=close, abs_tol=close * 1e-3)
    return one == other or (not alike and key in ("sha256", "geometry"))


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) < 90 else text[:87] + "..."
