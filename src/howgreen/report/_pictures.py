"""A screen-sized version of a result, and the pictures made from it."""

from __future__ import annotations

import contextlib
import math
from base64 import b64encode
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from howgreen.core.grid import inside
from howgreen.core.sensors import DB_SCALE, scale_factor
from howgreen.core.types import NEVER_CLEAR, UNSEEN
from howgreen.report import _png, shades
from howgreen.report.shades import CLEAR_RAMP, RADAR, RADAR_PAIR, palette, photo_bands

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from affine import Affine
    from PIL.Image import Image

    from howgreen.core.models import ModelClass
    from howgreen.core.types import Result
    from howgreen.report._cells import Cells

Array = np.ndarray[Any, Any]

STRIP_PX = 4_000_000
"""Pixels read at once when summing all of them."""


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A reduced result."""

    photo: Array
    """float32 (3, y, x) reflectance, or backscatter in dB, NaN never clear."""
    photo_kind: str
    """Kind of photo: ``true colour``."""
    fraction: Array
    """float32 (y, x), NaN unseen."""
    uncertainty: Array | None
    """float32 (y, x) standard error of the green share, NaN unseen; None if the model does not predict it."""
    clear: Array
    """uint8 (y, x), number of clear dates; 255 outside the limits."""
    label: Array
    """uint8 (y, x), 255 unseen."""
    inside: Array
    """bool (y, x): inside the limits."""
    land: Array
    """bool (y, x): inside the limits, without known sea."""
    cells: Cells
    """The green shares embedded in the page."""
    transform: Affine
    """Transform of the reduced pixels in the grid's CRS."""
    crs: str
    radar: Array | None = None
    """float32 (2, y, x) VV and VH in dB, NaN never seen, if radar complements a photo."""

    @property
    def unseen(self) -> Array:
        """Bool (y, x): inside the limits, without known sea, and never clear."""
        unseen: Array = self.land & (self.label == UNSEEN)
        return unseen

    @property
    def seen_at_all(self) -> bool:
        """Whether any land was seen clearly on any date."""
        return bool((self.clear[self.land] > 0).any())


def from_files(result: Result, paths: Mapping[str, Path], *, longest_px: int = 1600) -> Preview:
    """Make it from the overviews of the maps already drawn; ``paths`` by their names."""
    import rasterio
    from rasterio.enums import Resampling

    from howgreen.report._rasters import UNCERTAINTY_SCALE, composite_bands

    def read(name: str, bands: list[int], how: Any) -> Array:
        with rasterio.open(paths[name]) as file:
            values: Array = file.read(bands, out_shape=(len(bands), *shape), resampling=how)
            return values

    shape = _shape(result, longest_px)
    names, kind = _photo_bands(result)
    there = composite_bands(result)
    scaled = read("composite.tif", [there.index(name) + 1 for name in names], Resampling.average)
    factors = np.array([scale_factor(name) for name in names], np.float32)[:, None, None]
    photo = scaled * factors
    photo[scaled == NEVER_CLEAR] = np.nan
    fraction = read("green_fraction.tif", [1], Resampling.average)[0]
    uncertainty = radar = None
    if _has_radar(result, kind):
        raw = read("composite.tif", [there.index(name) + 1 for name in RADAR_PAIR], Resampling.average)
        radar = np.where(raw == NEVER_CLEAR, np.nan, raw * np.float32(DB_SCALE)).astype(np.float32)
    if "green_uncertainty.tif" in paths:
        steps = read("green_uncertainty.tif", [1], Resampling.average)[0]
        uncertainty = np.where(steps == UNSEEN, np.float32(np.nan), steps * np.float32(UNCERTAINTY_SCALE))
    label, clear = (read(name, [1], Resampling.nearest)[0] for name in ("landcover.tif", "n_clear.tif"))
    shown = {
        "photo": photo,
        "fraction": fraction,
        "uncertainty": uncertainty,
        "clear": clear,
        "label": label,
        "radar": radar,
    }
    return _preview(result, kind, shown, _cells_of_files(result, paths))


def from_data(result: Result, *, longest_px: int = 1600) -> Preview:
    """Make it from the result itself: every n-th pixel."""
    import xarray as xr

    step = max(1, math.ceil(max(result.landcover.grid.shape) / longest_px))
    thin = {axis: slice(step // 2, None, step) for axis in ("y", "x")}
    names, kind = _photo_bands(result)
    parts = xr.Dataset(
        {
            "photo": result.composite.data["reflectance"].sel(band=list(names)).transpose("band", "y", "x"),
            "fraction": result.landcover.data["green_fraction"].transpose("y", "x"),
            "label": result.landcover.data["label"].transpose("y", "x"),
            "clear": result.composite.data["n_clear"].transpose("y", "x"),
        }
    )
    if "green_uncertainty" in result.landcover.data:
        parts["uncertainty"] = result.landcover.data["green_uncertainty"].transpose("y", "x")
    if _has_radar(result, kind):
        parts["radar"] = result.composite.data["reflectance"].sel(band=list(RADAR_PAIR)).rename(band="polarisation")
    small = parts.isel(thin).compute()
    shown: dict[str, Any] = {name: small[name].values for name in ("photo", "fraction", "clear", "label")}
    shown["uncertainty"] = small["uncertainty"].values if "uncertainty" in small else None
    shown["radar"] = small["radar"].transpose("polarisation", "y", "x").values if "radar" in small else None
    return _preview(result, kind, shown, _cells_of_data(result, shown["label"], shown["fraction"], step))


def _cells_of_files(result: Result, paths: Mapping[str, Path]) -> Cells:
    """Sum every pixel of the maps, a strip of rows at a time."""
    import rasterio
    from rasterio.windows import Window

    from howgreen.report._cells import cells, side_of
    from howgreen.report._rasters import OUTSIDE

    height, width = (int(size) for size in result.landcover.grid.shape)
    side = side_of((height, width))
    rows = side * max(1, STRIP_PX // (width * side))
    with contextlib.ExitStack() as opened:
        label, fraction, clear = (
            opened.enter_context(rasterio.open(paths[name]))
            for name in ("landcover.tif", "green_fraction.tif", "n_clear.tif")
        )

        def strip(top: int) -> tuple[Array, Array, Array]:
            window = Window(0, top, width, min(rows, height - top))
            land = clear.read(1, window=window) != OUTSIDE
            return label.read(1, window=window), fraction.read(1, window=window), land

        return cells((strip(top) for top in range(0, height, rows)), side)


def _cells_of_data(result: Result, label: Array, fraction: Array, step: int) -> Cells:
    """Use each of the thinned pixels for the square that it represents."""
    from dataclasses import replace

    from howgreen.report._cells import cells
    from howgreen.report._rasters import counted_on_grid, land_on_grid

    small = result.landcover.grid.zoom_to(label.shape)
    counts = inside(counted_on_grid(result), small, in_part=True) & ~np.isin(label, result.landcover.water_codes)
    shares = np.where(counts, fraction, np.float32(np.nan))
    return replace(cells([(label, shares, inside(land_on_grid(result), small, in_part=True))], 1), side_px=step)


def _shape(result: Result, longest_px: int) -> tuple[int, int]:
    height, width = (int(size) for size in result.landcover.grid.shape)
    shrink = max(1.0, max(height, width) / longest_px)
    return max(1, round(height / shrink)), max(1, round(width / shrink))


def _has_radar(result: Result, photo_kind: str) -> bool:
    """Tell whether radar complements the photo, and is not the photo itself."""
    return set(RADAR_PAIR) <= set(result.composite.bands) and not photo_kind.startswith(RADAR)


def _photo_bands(result: Result) -> tuple[tuple[str, ...], str]:
    return photo_bands(result.composite.bands)


def _preview(result: Result, kind: str, shown: Mapping[str, Any], cells: Cells) -> Preview:
    """Gather a preview; ``shown`` has its pictures by field."""
    from howgreen.report._rasters import land_on_grid, shape_on_grid

    small = result.landcover.grid.zoom_to(shown["label"].shape)
    within = inside(shape_on_grid(result), small)
    return Preview(
        **shown,
        photo_kind=kind,
        inside=within,
        land=within if result.plan.city.land is None else inside(land_on_grid(result), small),
        cells=cells,
        transform=small.transform,
        crs=str(small.crs),
    )


def stretch(preview: Preview) -> tuple[float, Array]:
    """Return the black and white points of each of the photo's three colours: reflectance, or dB for radar."""
    return shades.stretch(preview.photo, preview.photo_kind, preview.inside)


def photo_rgb(preview: Preview) -> Array:
    """Render the photo as uint8 (y, x, 3): one stretch for the whole city, tied to reflectance."""
    return shades.photo_rgb(preview.photo, *stretch(preview))


def fraction_picture(preview: Preview, water: tuple[int, ...]) -> Image:
    """Make a palette picture of the green share, transparent where unseen; water has its own colour."""
    index = shades.fraction_codes(preview.fraction, np.isin(preview.label, water))
    return palette(index, shades.fraction_colours())


def uncertainty_picture(preview: Preview, water: tuple[int, ...]) -> Image | None:
    """Make a palette picture of the standard error, transparent where unseen; None if the model does not predict it."""
    if preview.uncertainty is None:
        return None
    index = shades.uncertainty_codes(preview.uncertainty, np.isin(preview.label, water))
    return palette(index, shades.uncertainty_colours())


def clear_picture(preview: Preview) -> Image:
    """Make a palette picture of the number of clear dates per pixel, transparent outside the limits and without any."""
    return palette(shades.clear_codes(preview.clear, preview.land), dict(enumerate(CLEAR_RAMP)))


def classes_picture(preview: Preview, classes: tuple[ModelClass, ...]) -> Image:
    """Make a palette picture of the classes, transparent where unseen."""
    return palette(preview.label, {item.code: item.colour for item in classes})


def unseen_picture(preview: Preview) -> Image:
    """Make hatching over unseen ground inside the limits, transparent elsewhere."""
    period = max(6, round(max(preview.label.shape) / 130))
    line = np.add.outer(*(np.arange(size, dtype=np.int32) for size in preview.label.shape)) % period < max(
        1.0, period / 4
    )
    index = np.where(preview.unseen, np.where(line, 1, 0), UNSEEN).astype(np.uint8)
    return palette(index, {0: "#d6d4cd", 1: "#7b5ea7"})


def rgba(picture: Image) -> Array:
    """Convert a palette picture to RGBA, uint8 (y, x, 4)."""
    return np.asarray(picture.convert("RGBA"))


def png(picture: Image) -> str:
    """Encode as PNG in a ``data:`` address."""
    return f"data:image/png;base64,{b64encode(_png.png(picture)).decode()}"


def jpeg(rgb: Array) -> str:
    """Encode as JPEG in a ``data:`` address."""
    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=84, optimize=True, progressive=True)
    return f"data:image/jpeg;base64,{b64encode(buffer.getvalue()).decode()}"
