"""Map tiles: a report's own rasters in its own colours, rendered by rio-tiler; recent tiles are cached."""

from __future__ import annotations

import asyncio
import io
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from howgreen.core.models import water_codes
from howgreen.core.types import UNSEEN
from howgreen.report import shades
from howgreen.web.serve.models import BBox, Layer, LegendEntry
from howgreen.web.serve.results import OSM_GREEN
from howgreen.web.serve.safety import RefusedError

if TYPE_CHECKING:
    from pathlib import Path as FilePath

    from PIL.Image import Image

    from howgreen.web.serve.reports import Report

Array = np.ndarray[Any, Any]
LayerId = Literal["photo", "fraction", "classes", "uncertainty", "n_clear", "osm", "radar"]
TILE_PX = 256
OVERZOOM = 2
"""Zoom levels beyond the native one, where pixels keep sharp edges."""
LOWEST_ZOOM, HIGHEST_ZOOM = 0, 20
LEVELS_OUT = 1
"""Zoom levels below the one at which a raster fits into one tile; warping a city for half a hemisphere takes GDAL
minutes."""
THREADS = 2
MOST_WAITING = 256
"""Most tiles waiting to be rendered; more are refused, and requested again."""
MOST_CACHED_BYTES = 64_000_000
_STRETCH_PX = 512
_FILES = {
    "photo": "composite.tif",
    "radar": "composite.tif",
    "fraction": "green_fraction.tif",
    "classes": "landcover.tif",
    "uncertainty": "green_uncertainty.tif",
    "n_clear": "n_clear.tif",
    "osm": OSM_GREEN,
}
TITLES = {
    "photo": "Photo",
    "radar": "Radar",
    "fraction": "Green share",
    "classes": "Classes",
    "uncertainty": "Uncertainty",
    "n_clear": "Seen how often",
    "osm": "OpenStreetMap",
}


def layers_of(report: Report) -> list[Layer]:
    """List the layers of a result, with their legends."""
    return [
        Layer(
            id=name, title=TITLES[name], tilejson=f"/results/{report.id}/tiles/{name}/tilejson.json", legend=_legend(report, name)
        )
        for name, file in _FILES.items()
        if file in report.files and (name != "radar" or _has_radar(report))
    ]  # fmt: skip


def _has_radar(report: Report) -> bool:
    bands = opened(report, "photo").bands
    return set(shades.RADAR_PAIR) <= set(bands) and not shades.photo_bands(bands)[1].startswith(shades.RADAR)


def _legend(report: Report, name: str) -> list[LegendEntry]:
    classes = report.summary["model"]["classes"]
    water = [LegendEntry(label="water, not counted", colour=shades.WATER)]
    if name == "fraction":
        return [LegendEntry(label=f"{n} %", colour=shades.ramp(n / 100)) for n in range(0, 101, 10)] + water
    if name == "uncertainty":
        most = round(100 * shades.UNSURE_MOST)
        ends = [
            LegendEntry(
                label=f"±{n} points" + (" or more" if n == most else ""),
                colour=shades.ramp(n / most, shades.UNSURE_RAMP),
            )
            for n in range(0, most + 1, 5)
        ]
        return ends + water
    if name == "classes":
        there = report.summary.get("area_by_class_m2") or {}
        return [
            LegendEntry(label=str(one["name"]), colour=str(one["colour"]))
            for one in classes
            if there.get(one["name"], 0) > 0
        ]
    if name == "osm":
        colours = opened(report, name).colours
        return [
            LegendEntry(label="mapped as green (© OpenStreetMap contributors, ODbL)", colour=colours[1]),
            LegendEntry(label="not mapped as green", colour=colours[0]),
        ]
    if name == "n_clear":
        most = shades.CLEAR_MOST
        return [
            LegendEntry(label=f"{n}" + (" or more" if n == most else ""), colour=shades.CLEAR_RAMP[n])
            for n in range(1, most + 1)
        ]
    return []


@dataclass(frozen=True)
class Raster:
    """Facts about a raster, known before any tile is requested."""

    bounds: BBox
    low: int
    """Zoom at which it fits into one tile."""
    high: int
    """Native zoom of its pixels."""
    bands: tuple[str, ...]
    scales: tuple[float, ...]
    """Scale factor of each band."""
    colours: Mapping[int, str]
    """Colours of codes, if the file has a colour table."""

    @property
    def zooms(self) -> tuple[int, int]:
        """The lowest and the highest zoom with tiles."""
        return max(LOWEST_ZOOM, self.low - LEVELS_OUT), min(HIGHEST_ZOOM, self.high + OVERZOOM)


@lru_cache(maxsize=256)
def _raster(path: FilePath, version: str) -> Raster:  # noqa: ARG001 (a raster that was made again is looked at again)
    from rio_tiler.io import Reader

    with Reader(str(path)) as reader:
        bounds = reader.get_geographic_bounds("EPSG:4326")
        names = tuple(str(name or "") for name in reader.dataset.descriptions)
        scales = tuple(float(one) for one in reader.dataset.scales)
        return Raster(tuple(bounds), int(reader.minzoom), int(reader.maxzoom), names, scales, _colours(reader.dataset))


def _colours(dataset: Any) -> Mapping[int, str]:
    """Read a raster's own colour table, without transparent entries."""
    if dataset.colorinterp[0].name != "palette":
        return {}
    return {code: f"#{r:02x}{g:02x}{b:02x}" for code, (r, g, b, alpha) in dataset.colormap(1).items() if alpha}


def opened(report: Report, name: str) -> Raster:
    """Return the facts about a layer's raster."""
    return _raster(report.files[_FILES[name]].path, report.version)


@lru_cache(maxsize=64)
def _stretch(composite: FilePath, clear: FilePath | None, version: str) -> tuple[float, tuple[float, ...]]:  # noqa: ARG001 (as above)
    """Return the black and white points of the photo, the same in all tiles and on the report's page."""
    import rasterio
    from rasterio.enums import Resampling

    with rasterio.open(composite) as file:
        names, kind = shades.photo_bands(tuple(str(name or "") for name in file.descriptions))
        shrink = max(1.0, max(file.shape) / _STRETCH_PX)
        shape = tuple(max(1, round(size / shrink)) for size in file.shape)
        numbers = [file.descriptions.index(name) + 1 for name in names]
        values = _scaled(
            file.read(numbers, out_shape=(len(numbers), *shape), resampling=Resampling.average), file, numbers
        )
    inside = np.ones(shape, bool)
    if clear is not None:
        with rasterio.open(clear) as file:
            inside = file.read(1, out_shape=shape, resampling=Resampling.nearest) != UNSEEN
    black, white = shades.stretch(values, kind, inside)
    return black, tuple(float(one) for one in white)


def _scaled(values: Array, file: Any, numbers: list[int]) -> Array:
    scales = np.array([file.scales[number - 1] for number in numbers], np.float32)[:, None, None]
    return np.where(values == file.nodata, np.nan, values * scales).astype(np.float32)


def render(report: Report, name: str, z: int, x: int, y: int, *, scale: int = 1) -> bytes:
    """Render a tile as PNG; transparent where there are no data."""
    from rio_tiler.errors import TileOutsideBounds
    from rio_tiler.io import Reader

    side = TILE_PX * scale
    smooth = name in {"photo", "radar", "fraction", "uncertainty"} and z <= opened(report, name).high
    how = "average" if smooth and z < opened(report, name).high else "nearest"

    def read(file: str, indexes: list[int] | None = None, *, resampling: str = "nearest") -> Any:
        with Reader(str(report.files[file].path)) as reader:
            return reader.tile(x, y, z, tilesize=side, indexes=indexes or [1], resampling_method=resampling)

    try:
        picture = _picture(report, name, read, how)
    except TileOutsideBounds:
        return _empty(side)
    return _png(picture)


def _picture(report: Report, name: str, read: Any, how: str) -> Image:
    """Render one tile in the report's colours."""
    from PIL import Image as Pictures

    if name in {"photo", "radar"}:
        raster = opened(report, name)
        bands = raster.bands
        chosen = shades.RADAR_PAIR if name == "radar" else shades.photo_bands(bands)[0]
        numbers = [bands.index(one) + 1 for one in chosen]
        tile = read("composite.tif", numbers, resampling=how)
        clear = report.files.get("n_clear.tif")
        black, white = _stretch(report.files["composite.tif"].path, clear.path if clear else None, report.version)
        missing = ~np.asarray(tile.mask, bool)
        values = _plain(tile, [raster.scales[number - 1] for number in numbers])
        rgb = shades.photo_rgb(values, black, np.array(white))
        seen = ~(missing | np.isnan(values).any(axis=0))
        return Pictures.fromarray(np.dstack([rgb, np.where(seen, np.uint8(255), np.uint8(0))]))
    classes = report.summary["model"]["classes"]
    if name == "classes":
        codes = read("landcover.tif")
        return shades.palette(_codes(codes), {int(one["code"]): str(one["colour"]) for one in classes})
    if name == "osm":
        return shades.palette(_codes(read(OSM_GREEN)), opened(report, name).colours)
    if name == "n_clear":
        dates = _codes(read("n_clear.tif"))
        return shades.palette(shades.clear_codes(dates, dates != UNSEEN), dict(enumerate(shades.CLEAR_RAMP)))
    water = water_codes(_Named(int(one["code"]), str(one["name"])) for one in classes)
    wet = np.isin(_codes(read("landcover.tif")), water)
    shares = _plain(read(_FILES[name], resampling=how), opened(report, name).scales)[0]
    if name == "fraction":
        return shades.palette(shades.fraction_codes(shares, wet), shades.fraction_colours())
    return shades.palette(shades.uncertainty_codes(shares, wet), shades.uncertainty_colours())


@dataclass(frozen=True)
class _Named:
    code: int
    name: str


def _plain(tile: Any, scales: Sequence[float]) -> Array:
    """Return a tile as float32 (band, y, x), scaled, NaN for no data."""
    factors = np.array(scales, np.float32)[:, None, None]
    values: Array = np.where(np.ma.getmaskarray(tile.array), np.nan, tile.data * factors).astype(np.float32)
    return values


def _codes(tile: Any) -> Array:
    """Return a tile of codes as uint8 (y, x), UNSEEN for no data."""
    return np.where(np.ma.getmaskarray(tile.array)[0], np.uint8(UNSEEN), tile.data[0]).astype(np.uint8)


def _png(picture: Image) -> bytes:
    buffer = io.BytesIO()
    transparency = {"transparency": UNSEEN} if picture.mode == "P" else {}
    picture.save(buffer, "PNG", compress_level=3, **transparency)
    return buffer.getvalue()


@lru_cache(maxsize=4)
def _empty(side: int) -> bytes:
    from PIL import Image as Pictures

    return _png(Pictures.new("RGBA", (side, side), (0, 0, 0, 0)))


class Tiles:
    """Renders tiles: caches recent ones, renders few at once, and limits the queue."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Any, ...], bytes] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="tiles")
        self._waiting: dict[tuple[Any, ...], asyncio.Future[bytes]] = {}
        self.hits = self.misses = 0

    def kept(self, key: tuple[Any, ...]) -> bytes | None:
        """Return a tile from the cache."""
        with self._lock:
            body = self._kept.get(key)
            if body is not None:
                self._kept.move_to_end(key)
                self.hits += 1
            return body

    def close(self) -> None:
        """Drop the queue; a restarted application renders with new threads."""
        pool, self._pool = self._pool, ThreadPoolExecutor(THREADS, thread_name_prefix="tiles")
        pool.shutdown(wait=False, cancel_futures=True)

    async def get(self, key: tuple[Any, ...], report: Report) -> bytes:
        """Return a tile, rendering it if necessary; concurrent requests for it wait for the same rendering.

        Raises
        ------
        RefusedError
            The queue is full.
        """
        if (body := self.kept(key)) is not None:
            return body
        under_way = self._waiting.get(key)
        if under_way is None:
            if len(self._waiting) >= MOST_WAITING:
                raise RefusedError(503, "too many tiles are being drawn; ask again", headers={"retry-after": "2"})
            self.misses += 1
            _, _, name, z, x, y, scale = key
            loop = asyncio.get_running_loop()
            under_way = loop.run_in_executor(self._pool, lambda: render(report, name, z, x, y, scale=scale))
            self._waiting[key] = under_way
            under_way.add_done_callback(lambda done: self._done(key, done))
        return await asyncio.shield(under_way)

    def _done(self, key: tuple[Any, ...], done: asyncio.Future[bytes]) -> None:
        self._waiting.pop(key, None)
        if done.cancelled() or done.exception() is not None:
            return
        body = done.result()
        with self._lock:
            self._kept[key] = body
            self._bytes += len(body)
            while self._bytes > MOST_CACHED_BYTES:
                self._bytes -= len(self._kept.popitem(last=False)[1])
