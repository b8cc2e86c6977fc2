"""A result that can display and save itself, and export to other libraries."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from howgreen import report
from howgreen.core import notebook, words
from howgreen.core.types import Progress, Result
from howgreen.core.warnings import Caution, warn
from howgreen.pipeline import plan_json
from howgreen.pipeline._provenance import truth
from howgreen.pipeline.candidates import candidates

if TYPE_CHECKING:
    import folium
    import geopandas as gpd
    import xarray as xr

    from howgreen.report import Summary
    from howgreen.report.figures import EstimateFigures, PopulatedFigures


@dataclass(frozen=True, kw_only=True)
class CityResult(Result):
    """The answer for a city: figures, maps and provenance."""

    def explore(self) -> folium.Map:
        """Show a folium map of the photo, the green fraction and the classes, with a drawing tool."""
        return report.explore(self)

    def save(
        self, out: str | Path, *, language: str = "en", pdf: bool = False, progress: Progress | None = None
    ) -> Summary:
        """Write the report folder and return its figures. See :func:`write`."""
        return write(self, out, language=language, pdf=pdf, progress=progress)

    def summary(self) -> Summary:
        """Return all figures, typed, without writing a file."""
        return report.summary(self)

    def to_frame(self) -> gpd.GeoDataFrame:
        """Return one tidy row per zone, the city first, then its districts: figures and their inputs.

        The columns of ``zones``, and ``city``, ``city_id``, ``interval_level``, ``n_dates``, ``first_date``,
        ``last_date``, ``sensor``, ``model``, ``warnings`` (codes), so that rows of several cities can be concatenated.
        EPSG:4326.
        """
        return report.to_frame(self)

    @property
    def green_fraction(self) -> xr.DataArray:
        """Green share of each pixel (y, x), 0-1, float32, lazy, with its CRS; NaN on water, unseen ground and outside.

        A pixel cut by the limits is kept whole, as in ``green_fraction.tif``; weighted by its share inside, the mean is
        ``stats.green_ratio``. ``rio.crs`` (rioxarray) and ``odc.geobox`` (odc-geo) know its georeferencing.
        """
        return report.green_fraction(self)

    def __repr__(self) -> str:
        """Show ratio, interval, share seen and dates, in one line."""
        return words.plain(f"<CityResult {self.plan.city.label}: {self.stats.in_words()}, {self._dates()}>")

    def _dates(self) -> str:
        images = words.count(len(self.plan.scenes), "image")
        return f"{images}, {words.days([scene.time.date() for scene in self.plan.scenes])}"

    def _repr_html_(self) -> str:
        rows = [*self.stats.rows(), ("Images", self._dates()), ("Model", self.plan.model)]
        title = f"How green is {words.subject(self.plan.city.label, self.plan.city.kind)}?"
        picture = report.thumbnail(self)
        return notebook.panel(title, rows, warnings=map(str, self.warnings), picture=picture)


def write(
    result: Result,
    out: str | Path,
    *,
    estimate: EstimateFigures | None = None,
    populated: PopulatedFigures | None = None,
    language: str = "en",
    pdf: bool = False,
    published: bool = False,
    progress: Progress | None = None,
) -> Summary:
    """Write the report folder: page, maps, tables, plan.

    Parameters
    ----------
    out
        A folder or a URL of fsspec.
    estimate
        From :func:`howgreen.pipeline.estimates.estimate_of`: the report leads with it.
    populated
        From :func:`howgreen.pipeline.population.with_population`.
    language
        Of the page and its pictures: ``en``, ``de``, ``es`` or ``fr``.
    pdf
        Whether to write the page as PDF too.
    published
        Whether the report is for the public: its plan then names files without their folders, and still runs with
        ``--store``.

    Returns
    -------
    Summary
        What ``summary.json`` holds.

    Raises
    ------
    OutputError
        The folder holds something else, or cannot be written.
    """
    earlier = report.sections_there(out)
    summary = report.write(
        replace(result, candidates=candidates(result.plan)),
        out,
        truth=truth(result.plan),
        estimate=estimate,
        populated=populated,
        form=report.Form(language=language, pdf=pdf),
        plan_json=plan_json.for_strangers(result.plan) if published else plan_json.to_json(result.plan),
        progress=progress or notebook.bars(),
    )
    dropped = [topic for topic in earlier if topic not in summary.sections]
    if dropped:
        again = " and ".join(f"`howgreen {topic} --report {out}`" for topic in dropped)
        text = (
            f"{out}: of the earlier report, {', '.join(dropped)} did not fit (another map, other limits, language or version) and "
            f"was not kept; make it anew with {again}"
        )
        warn(Caution("sections-dropped", text))
    return summary
