"""One image in the many forms that people have it in: arrays of reflectance into files, each form with what it needs to be added."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp, Resampling
from rasterio.warp import calculate_default_transform, reproject

BANDS = ("blue", "green", "red", "nir")
NATIVE = {"blue": "B02", "green": "B03", "red": "B04", "nir": "B08"}
DAY = "20240630"
Planes = Mapping[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Truth:
    """Reflectance (y, x) by band, NaN where there are no data, and codes of a scene classification (y, x)."""

    light: Planes
    scl: np.ndarray
    crs: str
    transform: Affine

    @property
    def empty(self) -> np.ndarray:
        """Where there are no data (y, x)."""
        return np.isnan(self.light["red"])


@dataclass(frozen=True, kw_only=True)
class Form:
    """One way to write the image."""

    name: str
    write: Callable[[Truth, Path], list[Path]]
    options: Mapping[str, Any] = field(default_factory=dict)
    """What has to be said when it is added."""
    refused: str = ""
    """What the refusal says when nothing is; the cure that it names is ``options``. Empty when nothing has to be said."""
    masked: bool = False
    """Whether the cloud mask goes with it."""
    tolerance: float = 0.003
    """Of ratio, share seen and (relative) land."""


def coded(
    truth: Truth, *, scale: float = 1e-4, offset: float = 0.0, dtype: str = "uint16", fill: float | None = 0
) -> dict[str, np.ndarray]:
    """The bands as numbers of a type; ``fill`` where there are no data, NaN for None."""
    found = {}
    for band, light in truth.light.items():
        numbers = (light - offset) / scale
        if np.dtype(dtype).kind != "f":
            info = np.iinfo(dtype)
            numbers = np.clip(np.rint(numbers), info.min, info.max)
        found[band] = np.where(truth.empty, np.nan if fill is None else fill, numbers).astype(dtype)
    return found


def stack(
    truth: Truth, path: Path, planes: Planes, *, names: Mapping[str, str] | None = NATIVE, **profile: Any
) -> Path:
    """One file of many bands; ``names`` None leaves them without."""
    path.parent.mkdir(parents=True, exist_ok=True)
    first = next(iter(planes.values()))
    where = {"crs": truth.crs, "transform": truth.transform, "height": first.shape[0], "width": first.shape[1]}
    options = {"driver": "GTiff", "count": len(planes), "dtype": first.dtype} | where | profile
    with rasterio.open(path, "w", **options) as out:
        for index, (band, values) in enumerate(planes.items(), 1):
            out.write(values, index)
            if names is not None:
                out.set_band_description(index, names.get(band, band))
    return path


def many(
    name: str = f"image_{DAY}.tif",
    *,
    how: Mapping[str, Any] | None = None,
    order: tuple[str, ...] = BANDS,
    **profile: Any,
):
    """A writer of one file of many bands."""

    def write(truth: Truth, folder: Path) -> list[Path]:
        planes = coded(truth, **(how or {}))
        return [stack(truth, folder / name, {band: planes[band] for band in order}, **profile)]

    return write


def single(pattern: str, *, how: Mapping[str, Any] | None = None, **profile: Any):
    """A writer of one file a band; ``pattern`` holds ``{}`` for its name."""

    def write(truth: Truth, folder: Path) -> list[Path]:
        planes = coded(truth, **(how or {}))
        return [
            stack(truth, folder / pattern.format(NATIVE[band]), {band: planes[band]}, names=None, **profile)
            for band in BANDS
        ]

    return write


def then(write: Callable[[Truth, Path], list[Path]], change: Callable[[Truth, list[Path]], list[Path] | None]):
    """A writer whose files are changed afterwards."""

    def both(truth: Truth, folder: Path) -> list[Path]:
        paths = write(truth, folder)
        return change(truth, paths) or paths

    return both


def tagged(scale: float, offset: float):
    """Write scale and offset into a file, as GDAL keeps them."""

    def change(_: Truth, paths: list[Path]) -> None:
        for path in paths:
            with rasterio.open(path, "r+") as out:
                out.scales, out.offsets = [scale] * out.count, [offset] * out.count

    return change


PACKING = {"blue": (1e-4, 0.0), "green": (2e-4, -0.1), "red": (1e-4, -0.1), "nir": (2.75e-5, -0.2)}
"""Scale and offset of each band, where each has its own."""


def packed(truth: Truth, folder: Path) -> list[Path]:
    """Each band with its own scale, offset, and nodata."""
    paths = []
    for number, (band, (scale, offset)) in enumerate(PACKING.items()):
        fill = (0, 65535, 1, 65000)[number]
        planes = coded(truth, scale=scale, offset=offset, fill=fill)
        path = stack(truth, folder / f"x_{DAY}_{NATIVE[band]}.tif", {band: planes[band]}, names=None, nodata=fill)
        tagged(scale, offset)(truth, [path])
        paths.append(path)
    return paths


def packed_stack(truth: Truth, folder: Path) -> list[Path]:
    """The same in one file, which has one nodata value."""
    planes = {band: coded(truth, scale=s, offset=o)[band] for band, (s, o) in PACKING.items()}
    path = stack(truth, folder / f"packed_{DAY}.tif", planes, nodata=0)
    with rasterio.open(path, "r+") as out:
        out.scales, out.offsets = [s for s, _ in PACKING.values()], [o for _, o in PACKING.values()]
    return [path]


def masked(*, beside: bool):
    """Hide what holds no data by a mask of the file, inside it or in a ``.msk`` beside it; there the numbers are ground's."""

    def write(truth: Truth, folder: Path) -> list[Path]:
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=not beside):
            path = stack(truth, folder / f"masked_{DAY}.tif", coded(truth, fill=700))
            with rasterio.open(path, "r+") as out:
                out.write_mask(~truth.empty)
        assert path.with_name(path.name + ".msk").exists() == beside
        return [path]

    return write


def alpha(truth: Truth, folder: Path) -> list[Path]:
    """Hide it by an alpha band."""
    planes = coded(truth, fill=700) | {"alpha": np.where(truth.empty, 0, 65535).astype(np.uint16)}
    path = stack(truth, folder / f"alpha_{DAY}.tif", planes, names={**NATIVE, "alpha": ""})
    with rasterio.open(path, "r+") as out:
        out.colorinterp = [ColorInterp.undefined] * 4 + [ColorInterp.alpha]
    return [path]


def warped(crs: str):
    """The image on another map, by the nearest pixel."""

    def write(truth: Truth, folder: Path) -> list[Path]:
        planes = coded(truth)
        height, width = truth.empty.shape
        bounds = rasterio.transform.array_bounds(height, width, truth.transform)
        transform, across, down = calculate_default_transform(truth.crs, crs, width, height, *bounds)
        moved = {}
        for band, values in planes.items():
            moved[band] = np.zeros((down, across), np.uint16)
            reproject(
                values, moved[band], src_transform=truth.transform, src_crs=truth.crs, dst_transform=transform, dst_crs=crs,
                resampling=Resampling.nearest, src_nodata=0, dst_nodata=0,
            )  # fmt: skip
        return [stack(truth, folder / f"warped_{DAY}.tif", moved, crs=crs, transform=transform)]

    return write


def renamed(truth: Truth, folder: Path) -> list[Path]:
    """The same map, spelt out and without its number."""
    spelt = rasterio.CRS.from_string(rasterio.CRS.from_string(truth.crs).to_proj4() + " +units=m")
    return [stack(truth, folder / f"renamed_{DAY}.tif", coded(truth), crs=spelt)]


def flipped(truth: Truth, folder: Path) -> list[Path]:
    """South up."""
    planes = {band: values[::-1].copy() for band, values in coded(truth).items()}
    t, height = truth.transform, truth.empty.shape[0]
    south_up = Affine(t.a, 0, t.c, 0, -t.e, t.f + height * t.e)
    return [stack(truth, folder / f"flipped_{DAY}.tif", planes, transform=south_up)]


def with_mask(name: str, codes: Callable[[np.ndarray], np.ndarray], *, apart: bool = False, write: Any = None):
    """A cloud mask in the same file as the bands, or in one of its own."""

    def both(truth: Truth, folder: Path) -> list[Path]:
        if write is not None:
            paths = write(truth, folder)
            return [*paths, stack(truth, folder / f"x_{DAY}_{name}.tif", {name: codes(truth.scl)}, names=None)]
        planes = coded(truth)
        if apart:
            mask = stack(truth, folder / f"image_{DAY}_{name}.tif", {name: codes(truth.scl)}, names=None)
            return [stack(truth, folder / f"image_{DAY}.tif", planes), mask]
        return [stack(truth, folder / f"image_{DAY}.tif", planes | {name: codes(truth.scl).astype(np.uint16)})]

    return both


def cloudy(scl: np.ndarray) -> np.ndarray:
    """Where the classification says cloud."""
    return scl == 9


def _raw(scale: float = 1.0, **how: Any) -> dict[str, Any]:
    return {"scale": 1e-4 / scale, **how}


def rim(truth: Truth, paths: list[Path]) -> None:
    """Let one band lie below 1000 along an edge, as real ones do: that is what the +1000 is for."""
    with rasterio.open(paths[0], "r+") as out:
        values = out.read(2)
        values[-130:, -4:] = 900 + np.arange(4) * 20
        out.write(values, 2)


FLOAT = {"scale": 1.0, "dtype": "float32"}
FORMS = (
    Form(name="uint16", write=many(nodata=0)),
    Form(name="uint16 without a tag", write=many()),
    Form(name="int16 with -9999", write=many(how={"dtype": "int16", "fill": -9999}, nodata=-9999)),
    Form(name="int16 with -9999 untold", write=many(how={"dtype": "int16", "fill": -9999})),
    Form(name="uint16 with 65535", write=many(how={"fill": 65535}, nodata=65535)),
    Form(name="uint16 with 65535 untold", write=many(how={"fill": 65535})),
    Form(name="int32", write=many(how={"dtype": "int32"}, nodata=0)),
    Form(name="uint32", write=many(how={"dtype": "uint32"}, nodata=0)),
    Form(name="floats with NaN", write=many(how=FLOAT | {"fill": None})),
    Form(name="floats with -9999", write=many(how=FLOAT | {"fill": -9999}, nodata=-9999)),
    Form(name="floats with -9999 untold", write=many(how=FLOAT | {"fill": -9999})),
    Form(name="floats with zeros untold", write=many(how=FLOAT)),
    Form(name="floats with infinity", write=many(how=FLOAT | {"fill": np.inf})),
    Form(name="float64", write=many(how=FLOAT | {"dtype": "float64", "fill": None})),
    Form(name="floats with the offset, tagged", write=then(many(how={"scale": 1.0, "offset": -0.1, "dtype": "float32", "fill": None}), tagged(1.0, -0.1))),
    Form(name="a thousandth", write=many(how={"scale": 1e-3}), options={"scale": 1e-3}, refused="likely --scale 0.001", tolerance=0.01),
    Form(name="a thousandth, tagged", write=then(many(how={"scale": 1e-3}), tagged(1e-3, 0.0)), tolerance=0.01),
    Form(name="65535 is one", write=many(how=_raw(6.5535)), options={"scale": 1.5259e-05}, refused="likely --scale 1.5259e-05"),
    Form(name="times 2.5", write=many(how=_raw(2.5)), options={"scale": 4e-5}, refused="likely --scale 4e-05"),
    Form(name="floats times 2.5", write=many(how={"scale": 0.4, "dtype": "float32", "fill": None}), options={"scale": 0.4}, refused="likely --scale 0.4"),
    Form(name="percent", write=many(how={"scale": 0.01, "dtype": "float32", "fill": None}), options={"scale": 0.01}, refused="likely --scale 0.01"),
    Form(name="the +1000", write=many(how={"offset": -0.1}), options={"offset": -0.1}, refused="give --offset -0.1"),
    Form(name="the +1000, tagged with no offset", write=then(many(how={"offset": -0.1}), tagged(1e-4, 0.0)), options={"offset": -0.1}, refused="give --offset -0.1"),
    Form(
        name="the +1000, a rim below it",
        write=then(many(how={"offset": -0.1}), rim),
        options={"offset": -0.1},
        refused="give --offset -0.1",
        tolerance=0.015,
    ),
    Form(name="the +1000, tagged", write=then(many(how={"offset": -0.1}), tagged(1e-4, -0.1))),
    Form(name="Landsat's numbers", write=many(how={"scale": 2.75e-5, "offset": -0.2}), options={"scale": 2.75e-5, "offset": -0.2}, refused="--scale 2.75e-05 --offset -0.2"),
    Form(name="each band packed by itself", write=packed),
    Form(name="each band packed by itself, one file", write=packed_stack),
    Form(name="a mask inside", write=masked(beside=False)),
    Form(name="a mask beside", write=masked(beside=True)),
    Form(name="an alpha band", write=alpha),
    Form(name="tiles, deflated", write=many(tiled=True, blockxsize=64, blockysize=64, compress="deflate", predictor=2)),
    Form(name="tiles, zstd, pixel by pixel", write=many(tiled=True, blockxsize=128, blockysize=128, compress="zstd", interleave="pixel")),
    Form(name="strips, LZW, band by band", write=many(compress="lzw", interleave="band")),
    Form(name="big endian", write=many(endianness="big")),
    Form(name="BigTIFF", write=many(bigtiff="yes")),
    Form(name="JPEG 2000", write=single(f"T32TPS_{DAY}T101559_{{}}_10m.jp2", driver="JP2OpenJPEG", quality=100, reversible="YES")),
    Form(name="south up", write=flipped),
    Form(name="the same map by another name", write=renamed),
    Form(name="degrees", write=warped("EPSG:4326"), tolerance=0.015),
    Form(name="Europe's equal-area map", write=warped("EPSG:3035"), tolerance=0.015),
    Form(name="the web's map", write=warped("EPSG:3857"), tolerance=0.015),
    Form(name="bands the other way round", write=many(order=BANDS[::-1])),
    Form(name="names in words", write=many(names={"blue": "Blue", "green": "GREEN", "red": "red", "nir": "NIR"})),
    Form(name="short names", write=many(names={"blue": "b2", "green": "b3", "red": "b4", "nir": "b8"})),
    Form(name="no names", write=many(names=None), options={"bands": BANDS}, refused="--bands"),
    Form(name="one file a band", write=single(f"T32TPS_{DAY}T101559_{{}}_10m.tif")),
    Form(name="one file a band, the day last", write=single("SENTINEL-2_MSI_32TPS_{}_2024-06-30.tif")),
    Form(name="one file a band, the day in letters", write=single("{}_30-Jun-2024.tif")),
    Form(name="one file a band, the day of the year", write=single("S2_2024182_{}.tif")),
    Form(name="SCL among the bands", write=with_mask("SCL", lambda scl: scl), masked=True),
    Form(name="SCL beside a file of many bands", write=with_mask("SCL", lambda scl: scl, apart=True), masked=True),
    Form(name="SCL beside one file a band", write=with_mask("SCL", lambda scl: scl, write=single(f"x_{DAY}_{{}}.tif")), masked=True),
    Form(name="QA60", write=with_mask("QA60", lambda scl: np.where(cloudy(scl), 1024, 0).astype(np.uint16)), masked=True),
    Form(name="Fmask", write=with_mask("Fmask", lambda scl: np.where(cloudy(scl), 4, 0).astype(np.uint8)), masked=True),
    Form(name="cloud probability", write=with_mask("MSK_CLDPRB", lambda scl: np.where(cloudy(scl), 90, 3).astype(np.uint8), apart=True), masked=True),
    Form(name="a flag for clouds", write=with_mask("cloud_mask", lambda scl: cloudy(scl).astype(np.uint8)), masked=True),
)  # fmt: skip
