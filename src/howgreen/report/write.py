"""The folder that a person opens: written beside its place, then moved there whole."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from howgreen.errors import OutputError
from howgreen.report.rasters import FILES, blocks, write_rasters
from howgreen.report.summary import FORMAT, summary

if TYPE_CHECKING:
    from howgreen.types import Progress, Result

SUMMARY = "summary.json"
OTHERS = {
    "report.html": "the page to read; opens without a network",
    "map.png": "the maps as one picture",
    "districts.gpkg": "limits and figures of the city (first row) and its districts",
    "plan.json": "what the answer was decided by; can be run again",
    SUMMARY: "this file",
}
STEPS_AFTER = 4
"""Steps of the progress after the maps: compressing, page, picture, tables."""


def write(
    result: Result,
    out: Path,
    *,
    truth: Mapping[str, Any] | None = None,
    plan_json: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write everything about a result into a folder; all of it or nothing.

    Parameters
    ----------
    out
        A new folder, an empty one, or one that an earlier report made (it is replaced).
    truth
        For simulated cities: ``green_ratio`` (0-1) and, if known, ``districts`` (name to ratio).
    plan_json
        Text of ``plan.json``; no such file without it.

    Returns
    -------
    dict
        What ``summary.json`` holds; see :func:`howgreen.report.summary.schema`.

    Raises
    ------
    OutputError
        The folder holds something else, or cannot be written.
    """
    from howgreen.report.page import page
    from howgreen.report.pictures import from_files
    from howgreen.report.poster import poster

    tick = _Ticks(blocks(result) + STEPS_AFTER if progress else 0, progress)
    with _replacing(Path(out)) as folder:
        looks = write_rasters(result, folder, tell=tick)
        tick()
        found = summary(result)
        found["clear_looks"] = looks.figures()
        found["truth"] = _truth(truth, found)
        found["files"] = {name: text for name, text in (FILES | OTHERS).items() if name != "plan.json" or plan_json}
        preview = from_files(result, folder)
        (folder / "report.html").write_text(page(result, found, preview), encoding="utf-8")
        tick()
        poster(result, found, preview, folder / "map.png")
        tick()
        _tables(result, found, folder, plan_json)
        tick()
    return found


class _Ticks:
    """Counts steps for a progress bar."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._total, self._progress, self._done = total, progress, 0

    def __call__(self) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress("report", self._done, self._total)


def _truth(truth: Mapping[str, Any] | None, found: Mapping[str, Any]) -> dict[str, Any] | None:
    if truth is None:
        return None
    estimate, true = found["green_ratio"], float(truth["green_ratio"])
    districts = {str(name): float(value) for name, value in dict(truth.get("districts") or {}).items()}
    return {"green_ratio": true, "error": None if estimate is None else estimate - true, "districts": districts}


def _tables(result: Result, found: Mapping[str, Any], folder: Path, plan_json: str | None) -> None:
    result.zones.to_file(folder / "districts.gpkg", layer="zones", driver="GPKG", engine="pyogrio")
    if plan_json:
        (folder / "plan.json").write_text(plan_json, encoding="utf-8")
    text = json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / SUMMARY).write_text(text + "\n", encoding="utf-8")


@contextmanager
def _replacing(out: Path) -> Iterator[Path]:
    """A new folder beside ``out`` that takes its place when all went well, and vanishes when anything did not."""
    from pyogrio.errors import DataLayerError, DataSourceError, FeatureError
    from rasterio._err import CPLE_BaseError  # what rasterio lets through of GDAL's; it has no public name
    from rasterio.errors import RasterioError

    of_files = (OSError, RasterioError, CPLE_BaseError, DataSourceError, DataLayerError, FeatureError)
    out = Path(os.path.realpath(out))
    _check(out)
    scratch: Path | None = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(mkdtemp(prefix=f".{out.name}-", dir=out.parent))
        scratch.chmod(0o777 & ~_umask())
        yield scratch
        _swap(scratch, out)
    except of_files as error:
        raise OutputError(
            f"{out}: cannot be written ({_reason(error)}); free some space or name another folder"
        ) from error
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)


def _reason(error: BaseException) -> str:
    """What lay at the bottom of it, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join((getattr(error, "strerror", None) or str(error)).split())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _check(out: Path) -> None:
    """Only a folder that is empty or wholly ours may be replaced."""
    if not out.exists():
        return
    if not out.is_dir():
        raise OutputError(f"{out}: is a file; name a folder")
    strangers = {path.name for path in out.iterdir()} - _ours(out)
    if strangers:
        example = min(strangers)
        raise OutputError(
            f"{out}: holds {example!r}, which is not part of a report; name another folder or move it away"
        )


def _ours(out: Path) -> set[str]:
    """Names of the files of an earlier report; none where its summary cannot be read."""
    try:
        earlier = json.loads((out / SUMMARY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return set()
    if not isinstance(earlier, dict) or earlier.get("format") != FORMAT:
        return set()
    names = set(earlier.get("files", ()))
    return names | {f"{name}.aux.xml" for name in names} | {SUMMARY}


def _swap(scratch: Path, out: Path) -> None:
    """Put the new folder in the old one's place; the old one comes back if that fails."""
    if not out.exists():
        scratch.rename(out)
        return
    old = out.with_name(f"{scratch.name}-old")
    try:
        out.rename(old)
        try:
            scratch.rename(out)
        except BaseException:
            old.rename(out)
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)
