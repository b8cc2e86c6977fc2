"""A result at the size of a screen, and the pictures made of it."""

from __future__ import annotations

import math
from base64 import b64encode
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from howgreen.core.grid import inside
from howgreen.core.sensors import DB_SCALE, RADAR_BANDS, SENTINEL1, scale_factor
from howgreen.core.types import NEVER_CLEAR, UNSEEN

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from affine import Affine
    from PIL.Image import Image

    from howgreen.core.types import ModelClass, Result
    from howgreen.report._cells import Cells

Array = np.ndarray[Any, Any]

PHOTOS = (
    (("red", "green", "blue"), "true colour"),
    (("nir", "red", "green"), "false colour: plants red"),
    (("swir16", "nir", "red"), "false colour: plants green"),
)
"""Bands of the photo and what it is called, best first."""

RADAR = "radar"
"""How the photo of a place that no camera saw begins to be called."""
RADAR_DB = (-25.0, 0.0)
"""Backscatter shown as black and as white."""
RADAR_COLOURS = ((-20.0, -2.0), (-27.0, -9.0), (2.0, 14.0))
"""Decibels shown as none and as all of red (VV), green (VH) and blue (VV over VH): woods green, houses pink and white, fields and
bare ground blue to violet, water black."""
RADAR_PAIR = SENTINEL1.band_names
GAMMA = 1.7
WHITE = (0.18, 0.45)
"""Reflectance shown as white lies between these: 0.3, but for very dark or very bright cities."""
NO_DATA = (214, 212, 205)
_TABLE = 4096
STRIP_PX = 4_000_000
"""Pixels read at once where all of them are added up."""

RAMP = ("#f4ecd8", "#dfdfa8", "#b3cc7e", "#76ad60", "#3b874f", "#0d5a3a", "#04361f")
"""Green share from 0 to 1; darker throughout, so that it reads without colours too."""
WATER = "#bcd3e2"
UNSURE_RAMP = ("#f6f2ea", "#dccbdc", "#b997c0", "#8d5f9f", "#5c2f74", "#34104a")
"""Standard error from 0 to :data:`UNSURE_MOST`."""
UNSURE_MOST = 0.3
"""A pixel that may be anything has a standard error of 0.29."""
CLEAR_RAMP = ("#f6efe6", "#d6dfe6", "#a6c4dc", "#6ea0cb", "#3a76b0", "#174b87")
"""Number of dates that showed a pixel clearly, from none to :data:`CLEAR_MOST` or more."""
CLEAR_MOST = 5
STEPS = 40
"""Shades of the fraction map: finer than anyone can tell apart, and small as a file."""


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A result, made small."""

    photo: Array
    """float32 (3, y, x) reflectance, or backscatter in dB, NaN never clear."""
    photo_kind: str
    """What the photo shows: ``true colour``."""
    fraction: Array
    """float32 (y, x), NaN unseen."""
    uncertainty: Array | None
    """float32 (y, x) standard error of the green share, NaN unseen; None where the model does not tell."""
    clear: Array
    """uint8 (y, x), number of dates that showed it clearly; 255 outside the limits."""
    label: Array
    """uint8 (y, x), 255 unseen."""
    inside: Array
    """bool (y, x): inside the limits."""
    land: Array
    """bool (y, x): inside the limits, and not known to be sea."""
    cells: Cells
    """The green shares that the page carries."""
    transform: Affine
    """Of the small pixels on the grid's CRS."""
    crs: str
    radar: Array | None = None
    """float32 (2, y, x) VV and VH in dB, NaN never seen, where radar stands beside a photo."""

    @property
    def unseen(self) -> Array:
        """Bool (y, x): inside the limits, not known to be sea, and never clear."""
        unseen: Array = self.land & (self.label == UNSEEN)
        return unseen

    @property
    def seen_at_all(self) -> bool:
        """Whether any date showed any of the land clearly."""
        return bool((self.clear[self.land] > 0).any())


def from_files(result: Result, paths: Mapping[str, Path], *, longest_px: int = 1600) -> Preview:
    """Made from the overviews of the maps that the report has drawn; ``paths`` by their names."""
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
    photo = np.where(scaled == NEVER_CLEAR, np.nan, scaled * factors).astype(np.float32)
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
    """Made from the result itself: every n-th pixel."""
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
    """Add up every pixel of the maps, a strip of rows at a time."""
    import rasterio
    from rasterio.windows import Window

    from howgreen.report._cells import cells, side_of
    from howgreen.report._rasters import land_on_grid

    grid, land = result.landcover.grid, land_on_grid(result)
    height, width = (int(size) for size in grid.shape)
    side = side_of((height, width))
    rows = side * max(1, STRIP_PX // (width * side))
    with rasterio.open(paths["green_fraction.tif"]) as fraction, rasterio.open(paths["landcover.tif"]) as label:

        def strip(top: int) -> tuple[Array, Array, Array]:
            window = Window(0, top, width, min(rows, height - top))
            part = grid[top : min(top + rows, height), 0:width]
            return label.read(1, window=window), fraction.read(1, window=window), inside(land, part, in_part=True)

        return cells((strip(top) for top in range(0, height, rows)), side)


def _cells_of_data(result: Result, label: Array, fraction: Array, step: int) -> Cells:
    """Take each of the thinned pixels for the square that it stands for."""
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
    """Tell whether radar is there beside the photo, and is not the photo itself."""
    return set(RADAR_PAIR) <= set(result.composite.bands) and not photo_kind.startswith(RADAR)


def _photo_bands(result: Result) -> tuple[tuple[str, ...], str]:
    there = result.composite.bands
    for names, kind in PHOTOS:
        if set(names) <= set(there):
            return names, kind
    if set(RADAR_PAIR) <= set(there):
        return RADAR_PAIR, f"{RADAR} in VV and VH"
    return (there[0],) * 3, f"{RADAR} in {there[0].upper()}" if there[0] in RADAR_BANDS else f"band {there[0]}"


def _preview(result: Result, kind: str, shown: Mapping[str, Any], cells: Cells) -> Preview:
    """Gather a preview; ``shown`` has its pictures by field."""
    from howgreen.report._rasters import land_on_grid, shape_on_grid

    small = result.landcover.grid.zoom_to(shown["label"].shape)
    return Preview(
        **shown,
        photo_kind=kind,
        inside=inside(shape_on_grid(result), small),
        land=inside(land_on_grid(result), small),
        cells=cells,
        transform=small.transform,
        crs=str(small.crs),
    )


def stretch(preview: Preview) -> tuple[float, Array]:
    """Give what the photo shows as black, and as white in each of its three colours: reflectance, or dB of a radar."""
    values = preview.photo
    if "true" in preview.photo_kind:
        thin = slice(None, None, max(1, max(values.shape[1:]) // 500))  # a percentile needs no more
        seen = values[:, thin, thin][:, preview.inside[thin, thin]]
        bright = np.nanpercentile(seen, 99) if np.isfinite(seen).any() else WHITE[0]
        return 0.0, np.full(3, np.clip(1.15 * bright, *WHITE))
    if preview.photo_kind.startswith(RADAR):
        return RADAR_DB[0], np.full(3, RADAR_DB[1])
    return 0.0, np.array([0.45, 0.3, 0.3])


def photo_rgb(preview: Preview) -> Array:
    """uint8 (y, x, 3): the same stretch for the whole city, tied to reflectance."""
    values = preview.photo
    if len(values) == len(RADAR_PAIR):
        return radar_rgb(values)
    black, white = stretch(preview)
    if black:
        values, white = (values - black) / (white[0] - black), np.ones(3)
    # Powers are looked up in a table: finer than a byte tells, and a fifth of the time.
    table = np.rint(255 * np.linspace(0, 1, _TABLE) ** (1 / GAMMA)).astype(np.uint8)
    missing = np.isnan(values).any(axis=0)
    rgb = np.empty((*missing.shape, 3), np.uint8)
    for number, plane in enumerate(values):
        places = np.clip(np.nan_to_num(plane) * np.float32((_TABLE - 1) / white[number]), 0, _TABLE - 1)
        rgb[..., number] = table[places.astype(np.uint16)]
    rgb[missing] = NO_DATA
    return rgb


def radar_rgb(decibels: Array) -> Array:
    """uint8 (y, x, 3) of VV and VH (2, y, x), by :data:`RADAR_COLOURS`."""
    vv, vh = decibels
    shades = [
        np.clip((values - low) / (high - low), 0, 1)
        for values, (low, high) in zip((vv, vh, vv - vh), RADAR_COLOURS, strict=True)
    ]
    rgb = np.rint(255 * np.nan_to_num(np.stack(shades, axis=-1))).astype(np.uint8)
    rgb[np.isnan(decibels).any(axis=0)] = NO_DATA
    return np.asarray(rgb)


def ramp(position: float, colours: tuple[str, ...] = RAMP) -> str:
    """Colour of a green share, or of a place from 0 to 1 on another ramp, ``#rrggbb``."""
    place = min(max(position, 0.0), 1.0) * (len(colours) - 1)
    left = min(int(place), len(colours) - 2)
    one, two = (np.array(list(bytes.fromhex(colours[n][1:]))) for n in (left, left + 1))
    return "#" + bytes(np.rint(one + (place - left) * (two - one)).astype(np.uint8)).hex()


def fraction_picture(preview: Preview, water: tuple[int, ...]) -> Image:
    """Palette picture of the green share, transparent where unseen; water, which no ratio counts, in its own colour."""
    steps = np.rint(np.nan_to_num(preview.fraction) * STEPS).clip(0, STEPS).astype(np.uint8)
    index = np.where(np.isnan(preview.fraction), np.uint8(UNSEEN), steps)
    index = np.where(np.isin(preview.label, water), np.uint8(STEPS + 1), index)
    return palette(index, {n: ramp(n / STEPS) for n in range(STEPS + 1)} | {STEPS + 1: WATER})


def uncertainty_picture(preview: Preview, water: tuple[int, ...]) -> Image | None:
    """Palette picture of the standard error, transparent where unseen; None where the model does not tell."""
    if preview.uncertainty is None:
        return None
    share = np.nan_to_num(preview.uncertainty) / UNSURE_MOST
    steps = np.rint(share * STEPS).clip(0, STEPS).astype(np.uint8)
    index = np.where(np.isnan(preview.uncertainty), np.uint8(UNSEEN), steps)
    index = np.where(np.isin(preview.label, water), np.uint8(STEPS + 1), index)
    return palette(index, {n: ramp(n / STEPS, UNSURE_RAMP) for n in range(STEPS + 1)} | {STEPS + 1: WATER})


def clear_picture(preview: Preview) -> Image:
    """Palette picture of how many dates showed each pixel clearly, transparent outside the limits and where none did."""
    index = np.where(preview.land & (preview.clear > 0), np.minimum(preview.clear, CLEAR_MOST), UNSEEN).astype(np.uint8)
    return palette(index, dict(enumerate(CLEAR_RAMP)))


def classes_picture(preview: Preview, classes: tuple[ModelClass, ...]) -> Image:
    """Palette picture of the classes, transparent where unseen."""
    return palette(preview.label, {item.code: item.colour for item in classes})


def unseen_picture(preview: Preview) -> Image:
    """Hatching over what was not seen inside the limits, transparent elsewhere."""
    rows, columns = np.indices(preview.label.shape)
    period = max(6, round(max(preview.label.shape) / 130))
    line = (rows + columns) % period < max(1.0, period / 4)
    index = np.where(preview.unseen, np.where(line, 1, 0), UNSEEN).astype(np.uint8)
    return palette(index, {0: "#d6d4cd", 1: "#7b5ea7"})


def rgba(picture: Image) -> Array:
    """uint8 (y, x, 4)."""
    return np.asarray(picture.convert("RGBA"))


def png(picture: Image) -> str:
    """As a ``data:`` address."""
    buffer = BytesIO()
    transparency = {"transparency": UNSEEN} if picture.mode == "P" else {}
    picture.save(buffer, "PNG", compress_level=5, **transparency)
    return f"data:image/png;base64,{b64encode(buffer.getvalue()).decode()}"


def jpeg(rgb: Array) -> str:
    """As a ``data:`` address."""
    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=84, optimize=True, progressive=True)
    return f"data:image/jpeg;base64,{b64encode(buffer.getvalue()).decode()}"


def palette(index: Array, colours: dict[int, str]) -> Image:
    """Picture of codes (uint8, y, x) in their colours; 255 is transparent."""
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(index), mode=None).convert("L")
    picture = Image.frombytes("P", picture.size, picture.tobytes())
    flat = [0] * 768
    for code, colour in colours.items():
        flat[3 * code : 3 * code + 3] = list(bytes.fromhex(colour[1:]))
    picture.putpalette(flat)
    picture.info["transparency"] = UNSEEN
    return picture
