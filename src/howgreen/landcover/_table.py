"""A model applied to rows of reflectance: CSV in, the same CSV with predictions out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from howgreen.core.errors import OutputError, TableError
from howgreen.core.files import atomic_path
from howgreen.core.plausibility import exchanged, gaps
from howgreen.core.sensors import common_name
from howgreen.core.text import one_line, truncate_list
from howgreen.core.types import Encoding
from howgreen.landcover.model import FloatArray, Model, require_bands, validate

if TYPE_CHECKING:
    import pandas as pd

_ROWS = 50_000
"""Rows in memory at once."""
_SCALE_LIMIT = 1.5
"""A median above this cannot be reflectance of 0-1."""
_NODATA_LIMIT = -1.0
"""Smaller values are no-data codes, not over-corrected reflectance."""
PREFIX = "howgreen_"
"""Prefix of the new columns if a table already has columns of the plain names."""
FEWEST_ROWS = 50
"""Fewer rows are too few for conclusions about the rest."""
_OFFSET_LEFT_IN = 0.095
_TOO_DARK, _TOO_BRIGHT = 0.03, 1.6


def predict_table(table: Path, *, model: Model, out: Path, prefix: str | None = None) -> tuple[str, ...]:
    """Write a table to ``out`` with a model's prediction added to each row.

    The new columns are ``label``, ``green_fraction``, ``probability_<class>`` and, where the model estimates it,
    ``green_uncertainty`` (standard error of the fraction). Band columns are named B02 ... B12 or blue ... swir22 in any
    order and case and hold reflectance 0-1; other columns are copied verbatim. A row with an empty band gets empty
    answers.

    Parameters
    ----------
    prefix
        Prefix of the new columns' names; None for ``howgreen_`` if the table has columns of these names, else nothing.

    Returns
    -------
    What looks wrong about the numbers, one sentence each: see :func:`data_warnings`.

    Raises
    ------
    TableError
        The file is missing or not a CSV, has no row or clashing columns, or has text or another scale than 0-1 in a
        band.
    MissingBandsError
        Bands of the model are missing.
    ModelError
        The model needs a neighbourhood, which a row does not have.
    OutputError
        ``out`` cannot be written.
    """
    _needs_no_neighbours(model, table)
    try:
        with atomic_path(out) as part:
            return _write(table, model, part, prefix)
    except OSError as error:
        raise OutputError(f"{out}: cannot be written ({error.strerror}); choose another --out") from error


def table_bands(table: Path) -> tuple[str, ...]:
    """List the common names of a table's bands, for choosing a model: see :func:`default_model`.

    Raises
    ------
    TableError
        No such file, or not a CSV.
    """
    header = next(_chunks(table), None)
    columns = [] if header is None else list(header.columns)
    bands = tuple(band for column in columns if (band := common_name(column)))
    if not bands:
        held = truncate_list([one_line(name)[:40] for name in columns]) or "none"
        raise TableError(
            f"table {table}: no column has the name of a band (columns: {held}); call them blue, green, red, nir, ..."
        )
    return bands


def _needs_no_neighbours(model: Model, table: Path) -> None:
    if model.card.looks_around:
        raise TableError(f"table {table}: model {model.card.name} looks at neighbouring pixels, which rows have not; "
                         "use a pixel model")  # fmt: skip


def _write(table: Path, model: Model, part: Path, prefix: str | None) -> tuple[str, ...]:
    found: tuple[str, ...] = ()
    first_row = 2  # as a spreadsheet counts: the header is row 1
    with part.open("w", encoding="utf-8", newline="") as file:
        for chunk in _chunks(table):
            columns = _band_columns(chunk, model, table)
            if first_row == 2:
                added, notes = _added(chunk, model, table, prefix)
            if chunk.empty:
                break
            reflectance = _reflectance(chunk, columns, table, first_row)
            if first_row == 2:
                found = (*notes, *data_warnings(reflectance, model.card.bands))
            answered = _answer(chunk, reflectance, model, added)
            answered.to_csv(file, index=False, header=first_row == 2, float_format="%.6f", lineterminator="\n")
            first_row += len(chunk)
    if first_row == 2:
        raise TableError(f"table {table}: it has no rows; give it one row a pixel below the header")
    return found


def _chunks(table: Path) -> Iterator[pd.DataFrame]:
    """Yield pieces of the table as text, so that other columns stay as they were written.

    The header is read as an ordinary row: pandas would rename duplicate columns, and would take the first column for
    row names, shifting all others, if rows have one field more than the header.
    """
    import pandas as pd

    names: list[str] | None = None
    try:
        with pd.read_csv(
            table, dtype=str, header=None, keep_default_na=False, chunksize=_ROWS, encoding="utf-8-sig"
        ) as reader:
            for chunk in reader:
                rows = chunk if names else chunk.iloc[1:]
                names = names or _header([str(name) for name in chunk.iloc[0]], table)
                yield rows.set_axis(names, axis=1)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise TableError(
            f"table {table}: not a comma-separated table in UTF-8 ({reason}); save it as CSV UTF-8"
        ) from error
    except OSError as error:
        raise TableError(f"table {table}: cannot be read ({error.strerror}); give a CSV file") from error


def _header(names: list[str], table: Path) -> list[str]:
    if len(names) == 1 and any(mark in names[0] for mark in ";\t"):
        raise TableError(f"table {table}: its columns are not parted by commas; save it as comma-separated")
    return names


def _band_columns(chunk: pd.DataFrame, model: Model, table: Path) -> list[str]:
    """Find the column of each of the model's bands, in the model's order; report all faults of the header at once."""
    found: dict[str, list[str]] = {}
    for column in chunk.columns:
        band = common_name(column)
        if band:
            found.setdefault(band, []).append(column)
    require_bands(model.card, list(found), what=f"columns of table {table}")
    faults = [f"{' and '.join(found[band])} are both {band}" for band in model.card.bands if len(found[band]) > 1]
    if faults:
        raise TableError(f"table {table}: {'; '.join(faults)}; rename or drop columns")
    return [found[band][0] for band in model.card.bands]


def _added(chunk: pd.DataFrame, model: Model, table: Path, prefix: str | None) -> tuple[list[str], tuple[str, ...]]:
    """Name the new columns so that none exists already, and say so if that took a prefix."""
    shares = [f"probability_{cls.name.replace(' ', '_')}" for cls in model.card.classes]
    names = ["label", "green_fraction", *shares, *(["green_uncertainty"] if model.has_uncertainty else [])]
    there = set(chunk.columns)
    clash = [name for name in names if name in there]
    used = prefix if prefix is not None else PREFIX if clash else ""
    named = [f"{used}{name}" for name in names]
    still = [name for name in named if name in there]
    if still:
        raise TableError(
            f"table {table}: it already has {', '.join(still)}, which the answer adds; give another --prefix"
        )
    if clash and prefix is None:
        return named, (f"it already has {', '.join(clash)}: the new columns are called {', '.join(named)}",)
    return named, ()


def _reflectance(chunk: pd.DataFrame, columns: list[str], table: Path, first_row: int) -> npt.NDArray[np.float32]:
    """(row, band), NaN for empty cells."""
    import pandas as pd

    parsed = []
    for column in columns:
        text = chunk[column].str.strip()
        empty = text.str.lower().isin(["", "nan", "na", "null", "none"])
        values = pd.to_numeric(text.where(~empty), errors="coerce")
        wrong = ((values.isna() & ~empty) | (values < _NODATA_LIMIT)).to_numpy(dtype=bool)
        if wrong.any():
            row = int(np.argmax(wrong))
            raise TableError(f"table {table}: row {first_row + row}, column {column}: {chunk[column].iloc[row]!r} is not a "
                             "reflectance; write 0-1, or leave the cell empty where there is no data")  # fmt: skip
        parsed.append(values.to_numpy(dtype=np.float32))
    reflectance = np.stack(parsed, axis=1)
    _check_scale(reflectance, table)
    return reflectance


def _check_scale(reflectance: npt.NDArray[np.float32], table: Path) -> None:
    known = reflectance[np.isfinite(reflectance)]
    if not known.size or (median := float(np.median(known))) <= _SCALE_LIMIT:
        return
    top = float(np.percentile(known, 95))
    divisor = next(scale for scale in (100, 1000, 10_000, 65_535) if top <= 1.2 * scale or scale == 65_535)
    raise TableError(f"table {table}: bands have a median of {median:g}, which is no reflectance of 0-1; "
                     f"divide them by their scale (here probably {divisor})")  # fmt: skip


def _answer(
    chunk: pd.DataFrame, reflectance: npt.NDArray[np.float32], model: Model, names_added: Sequence[str]
) -> pd.DataFrame:
    import pandas as pd

    seen = np.asarray(np.isfinite(reflectance).all(axis=1))
    found = _run(np.where(seen[:, None], reflectance, np.float32(0)).T, model)
    validate(found, seen, source=str(model.path))
    names = np.array([cls.name for cls in model.card.classes])
    label = np.where(seen, names[found[1 : 1 + len(names)].argmax(axis=0)], "")
    values = [label, *np.where(seen, found, np.nan)]
    added = pd.DataFrame(dict(zip(names_added, values, strict=True)), index=chunk.index)
    return pd.concat([chunk, added], axis=1)


def _run(pixels: FloatArray, model: Model) -> FloatArray:
    """Green fraction, probabilities and any uncertainty (1 + class (+ 1), pixel) of pixels (band, pixel)."""
    count = pixels.shape[1]
    # As one column of any height if the network allows it, else as whole tiles, the last one padded.
    shape = (model.card.tile_px, model.card.tile_px) if model.tiles_only else (count, 1)
    room = shape[0] * shape[1]
    classes = len(model.card.classes)
    found = np.empty((1 + classes + int(model.has_uncertainty), count), dtype=np.float32)
    tile = np.zeros((len(pixels), room), dtype=np.float32)
    for start in range(0, count, room):
        part = slice(start, min(start + room, count))
        size = part.stop - part.start
        tile[:, :size] = pixels[:, part]
        probability, fraction, uncertainty = model.run(tile.reshape(1, len(pixels), *shape))
        found[0, part] = fraction.reshape(-1)[:size]
        found[1 : 1 + classes, part] = probability.reshape(classes, -1)[:, :size]
        if uncertainty is not None:
            found[-1, part] = uncertainty.reshape(-1)[:size]
    return found


def data_warnings(reflectance: npt.NDArray[np.float32], bands: Sequence[str]) -> Iterator[str]:
    """Warn of numbers that no mixture of ground has, one sentence with a cure each.

    Rows state neither their scale nor the order of their bands.

    Parameters
    ----------
    reflectance
        (row, band), NaN where unknown.
    bands
        Common names.
    """
    known = reflectance[np.isfinite(reflectance).all(axis=1)]
    if len(known) < FEWEST_ROWS:
        return
    low, high = np.percentile(known, 1, axis=0), np.percentile(known, 99, axis=0)
    if high.max() < _TOO_DARK:
        yield f"99 % of its numbers are below {high.max():.2g}, darker than any land: were they divided twice?"
        return
    if high.max() > _TOO_BRIGHT:
        yield f"1 % of its numbers are above {high.max():.2g}, brighter than snow: divide them by their scale"
        return
    if low.min() > _OFFSET_LEFT_IN:
        yield (f"no band is darker than {low.min():.2f}: the +0.1 (+1000) of Sentinel-2 from baseline 04.00 on seems to be left in; "
               "subtract 0.1")  # fmt: skip
    plain = Encoding(scale=1.0, offset=0.0, nodata=None)
    if found := gaps({band: known[:, place] for place, band in enumerate(bands)}, dict.fromkeys(bands, plain)):
        yield f"{found.what}; divide the numbers by what they were multiplied with"
    yield from _order(known, bands)


def _order(known: npt.NDArray[np.float32], bands: Sequence[str]) -> Iterator[str]:
    if not {"red", "nir"} <= set(bands):
        return
    odd = exchanged(known[:, bands.index("red")], known[:, bands.index("nir")])
    if odd:
        yield (f"{100 * odd:.0f} % of its rows reflect more than twice as much red as near-infrared light, which no ground does: "
               "the columns of bands seem to be exchanged; name them anew")  # fmt: skip
