"""Pictures around a sample unit: cut from local images, or map tiles that the browser fetches itself."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt
from affine import Affine

from howgreen.core.errors import ImageError, NetworkError
from howgreen.core.geometry import transformer
from howgreen.report.shades import NO_DATA

CHIP_PX = 512
HATCHED = NO_DATA, (123, 94, 167)
"""Colours of ground and hatching for areas without image data, as in the report's maps."""
SIZES_M = (40, 120, 400, 1200)
"""Sides of a picture, in metres, from near to far."""
TILE_PX = 256
MOST_ZOOM = 22
_HALF_WORLD_M = 20037508.342789244


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One image to interpret, with its metadata for the estimate."""

    name: str
    source: Path | str
    """A local GeoTIFF, or the URL of a map service with ``{z}``, ``{x}``, ``{y}`` (XYZ, WMTS) or ``{bbox}`` (WMS,
    EPSG:3857)."""
    date: str
    """Date given by the user: the estimate refers to it."""
    licence: str

    @property
    def is_service(self) -> bool:
        """Whether the browser fetches it from a map service."""
        return isinstance(self.source, str)

    @property
    def origin(self) -> str:
        """Scheme and host of a map service, for the page's content policy."""
        parts = urlsplit(str(self.source))
        return f"{parts.scheme}://{parts.netloc}"


@dataclass(frozen=True, kw_only=True)
class Service:
    """A map service that users may name instead of its URL."""

    label: str
    address: str
    licence: str
    dated: str
    """Where users find the required date: a mosaic has many."""


SERVICES: Mapping[str, Service] = MappingProxyType(
    {
        "ign": Service(
            label="IGN BD ORTHO",
            address="https://data.geopf.fr/wmts?SERVICE=WMTS&REQUEST=GetTile&VERSION=1.0.0&LAYER=ORTHOIMAGERY.ORTHOPHOTOS"
            "&STYLE=normal&FORMAT=image/jpeg&TILEMATRIXSET=PM&TILEMATRIX={z}&TILEROW={y}&TILECOL={x}",
            licence="IGN BD ORTHO, Licence Ouverte 2.0",
            dated="IGN photographs each departement every three years or so; https://cartes.gouv.fr shows the year",
        )
    }
)
"""By the name for ``--image``. IGN's orthophotos cover France at 20 cm, free to use with attribution."""


def picture(source: str, *, name: str = "", date: str = "", licence: str = "") -> Picture:
    """Make a picture from user input: a file or a URL.

    Raises
    ------
    ImageError
        The file is not a displayable GeoTIFF.
    NetworkError
        The URL is not that of a map service.
    """
    known = SERVICES.get(source.strip().lower())
    if known is not None:
        return Picture(name=name or known.label, source=known.address, date=date, licence=licence or known.licence)
    if "://" in source:
        parts = urlsplit(source)
        placed = all(mark in source for mark in ("{z}", "{x}", "{y}")) or "{bbox}" in source
        if parts.scheme not in ("http", "https") or not re.fullmatch(r"[\w.:\-\[\]]+", parts.netloc) or not placed:
            raise NetworkError(
                f"image {source}: give an address with {{z}}, {{x}} and {{y}}, or with {{bbox}} (WMS in EPSG:3857)"
            )
        return Picture(name=name or parts.netloc, source=source, date=date, licence=licence)
    path = Path(source)
    with _opened(path) as dataset:
        if dataset.crs is None:
            raise ImageError(f"image {path}: has no CRS, so its place is not known; save it with one")
        if dataset.dtypes[0] != "uint8" or dataset.count not in (1, 3, 4):
            raise ImageError(
                f"image {path}: has {dataset.count} bands of {dataset.dtypes[0]}; give one with red, green and blue from 0 to 255"
            )
    return Picture(name=name or path.stem, source=path, date=date, licence=licence)


def _opened(path: Path) -> Any:
    import rasterio
    from rasterio.errors import RasterioError

    try:
        return rasterio.open(path.resolve(), driver="GTiff")
    except (RasterioError, OSError) as error:
        raise ImageError(
            f"image {path}: is no GeoTIFF that can be read; give one, or the address of a map service"
        ) from error


def chip(shown: Picture, crs: str, centre: tuple[float, float], size_m: float) -> bytes:
    """Cut a square out of a local image, warped to the sample's CRS; a PNG of :data:`CHIP_PX` pixels.

    Areas without image data are hatched, so that nobody takes them for dark ground.

    Raises
    ------
    ImageError
        It cannot be read.
    """
    from PIL import Image

    bands, there = _cut(shown, crs, centre, size_m, CHIP_PX)
    lines = np.add.outer(np.arange(CHIP_PX), np.arange(CHIP_PX)) % 12 < 3
    bands[:, ~there] = np.where(lines[~there], np.array([HATCHED[1]], np.uint8).T, np.array([HATCHED[0]], np.uint8).T)
    out = io.BytesIO()
    Image.fromarray(np.moveaxis(bands, 0, -1)).save(out, "PNG", compress_level=1)
    return out.getvalue()


def shows(picture: Picture, crs: str, centre: tuple[float, float], size_m: float) -> bool:
    """Tell whether a local image covers a square completely; ImageError if it cannot be read."""
    return bool(_cut(picture, crs, centre, size_m, 8)[1].all())


def _cut(
    shown: Picture, crs: str, centre: tuple[float, float], size_m: float, size_px: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Read a square: colours (3, y, x), and which of its pixels (y, x) the image covers."""
    from rasterio.enums import Resampling
    from rasterio.errors import RasterioError
    from rasterio.vrt import WarpedVRT

    step = size_m / size_px
    transform = Affine(step, 0, centre[0] - size_m / 2, 0, -step, centre[1] + size_m / 2)
    try:
        with (
            _opened(Path(shown.source)) as dataset,
            WarpedVRT(
                dataset,
                crs=crs,
                transform=transform,
                width=size_px,
                height=size_px,
                resampling=Resampling.nearest,
                # Without nodata or alpha, an image would be black beyond its edge.
                add_alpha=dataset.count != 4 and dataset.nodata is None,
            ) as warped,
        ):
            bands: npt.NDArray[np.uint8] = warped.read([1, 2, 3] if dataset.count >= 3 else [1, 1, 1])
            return bands, warped.dataset_mask() > 0
    except (RasterioError, OSError) as error:
        raise ImageError(f"image {shown.source}: cannot be read at this place ({error})") from error


def on_chip(points: npt.NDArray[np.float64], centre: tuple[float, float], size_m: float) -> list[list[float]]:
    """Locate points of the sample's CRS on a chip, as shares of its side from the upper left."""
    x = (points[:, 0] - centre[0]) / size_m + 0.5
    y = (centre[1] - points[:, 1]) / size_m + 0.5
    return np.stack([x, y], axis=1).round(5).tolist()  # type: ignore[no-any-return]  # numpy's lists are untyped


def tiles(shown: Picture, crs: str, centre: tuple[float, float], size_m: float) -> tuple[list[dict[str, Any]], Any]:
    """Arrange tiles of a map service around a point: URLs with positions as shares of the side, and a like point locator."""
    move = transformer(crs, "EPSG:3857").transform
    x0, y0 = move(*centre)
    # Mercator stretches: use as many of its metres as cover the wanted metres on the ground.
    east = move(centre[0] + size_m, centre[1])
    side = math.hypot(east[0] - x0, east[1] - y0)
    west, north = x0 - side / 2, y0 + side / 2

    def place(points: npt.NDArray[np.float64]) -> list[list[float]]:
        x, y = move(points[:, 0], points[:, 1])
        return np.stack([(x - west) / side, (north - y) / side], axis=1).round(5).tolist()  # type: ignore[no-any-return]

    address = str(shown.source)
    if "{bbox}" in address:
        box = f"{west:.3f},{north - side:.3f},{west + side:.3f},{north:.3f}"
        filled = address.replace("{bbox}", box).replace("{width}", str(CHIP_PX)).replace("{height}", str(CHIP_PX))
        return [{"src": filled, "x": 0, "y": 0, "side": 1}], place
    zoom = min(max(round(math.log2(2 * _HALF_WORLD_M / side * CHIP_PX / TILE_PX)), 0), MOST_ZOOM)
    span = 2 * _HALF_WORLD_M / 2**zoom
    first_x, last_x = (math.floor((x + _HALF_WORLD_M) / span) for x in (west, west + side))
    first_y, last_y = (math.floor((_HALF_WORLD_M - y) / span) for y in (north, north - side))
    laid = []
    for row in range(max(first_y, 0), min(last_y, 2**zoom - 1) + 1):
        for column in range(first_x, last_x + 1):
            src = address
            for mark, value in (("{z}", zoom), ("{x}", column % 2**zoom), ("{y}", row)):
                src = src.replace(mark, str(value))
            laid.append({
                "src": src, "side": round(span / side, 5), "x": round((column * span - _HALF_WORLD_M - west) / side, 5),
                "y": round((north - (_HALF_WORLD_M - row * span)) / side, 5),
            })  # fmt: skip
    return laid, place
