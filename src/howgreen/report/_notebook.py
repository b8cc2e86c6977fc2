"""Parts of a result for notebooks and other libraries: a table, an array, a small picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from howgreen.report import _pictures, _rasters

if TYPE_CHECKING:
    import geopandas as gpd
    import xarray as xr

    from howgreen.core.types import Result

THUMBNAIL_PX = 320


def to_frame(result: Result) -> gpd.GeoDataFrame:
    """Make one row per zone: the figures and their inputs. EPSG:4326.

    Columns ``city``, ``city_id``, those of ``zones``, ``interval_level``, ``n_dates``, ``first_date``, ``last_date``,
    ``sensor``, ``model``, ``warnings`` (codes joined by a blank), ``geometry``.
    """
    from howgreen.core.acquisitions import acquisitions

    plan, interval = result.plan, result.stats.interval
    days = [group[0].time.date().isoformat() for group in acquisitions(plan.scenes)]
    same: dict[str, Any] = {
        "interval_level": interval.level if interval else np.nan,
        "n_dates": len(days),
        "first_date": min(days, default=None),
        "last_date": max(days, default=None),
        "sensor": plan.sensor,
        "model": plan.model,
        "warnings": " ".join(dict.fromkeys(caution.code for caution in result.warnings)),
    }
    rows = result.zones.assign(city=plan.city.label, city_id=plan.city.id, **same)
    columns = [name for name in result.zones.columns if name != "geometry"]
    found: gpd.GeoDataFrame = rows[["city", "city_id", *columns, *same, "geometry"]]
    return found


def green_fraction(result: Result) -> xr.DataArray:
    """Return the green share of each counted pixel (y, x), lazy, NaN elsewhere; see :func:`rasters.counted`."""
    import xarray as xr
    from odc.geo.xr import xr_coords

    grid = result.landcover.grid
    return xr.DataArray(
        _rasters.counted_fraction(result),
        coords=xr_coords(grid, dims=("y", "x")),
        dims=("y", "x"),
        name="green_fraction",
        attrs={"long_name": "green share of the pixel", "units": "1", "grid_mapping": "spatial_ref"},
    )


def thumbnail(result: Result) -> str:
    """Draw a thumbnail of the green share inside the limits, as a ``data:`` address."""
    from PIL import Image

    preview = _pictures.from_data(result, longest_px=THUMBNAIL_PX)
    picture = _pictures.fraction_picture(preview, result.landcover.water_codes).convert("RGBA")
    inside = Image.fromarray(np.where(preview.inside, np.uint8(255), np.uint8(0)))
    clear = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    clear.paste(picture, mask=inside)
    return _pictures.png(clear)
