"""The inputs of the golden answers that are made on the spot: whole numbers, so that every processor makes the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import onnx
import rasterio
import shapely
from onnx import TensorProto, helper, numpy_helper
from pyproj import Transformer
from rasterio.transform import from_origin

GREEN = {"blue": 300, "green": 600, "red": 300, "nir": 4500}
BARE = {"blue": 800, "green": 1200, "red": 1700, "nir": 2300}
BANDS = (*GREEN, "scl")
WEST, NORTH, SHAPE = 499_400, 5_206_000, (120, 160)
"""Of the town's images: EPSG:32632, 10 m; its limits lie within them."""
LIMITS = shapely.box(8.9935, 46.9985, 9.0115, 47.0065)
TO_WORLDCOVER = {1: 10, 2: 20, 3: 30, 4: 40, 5: 60, 6: 60, 7: 50, 8: 50, 9: 50, 10: 80, 11: 80}
TO_CORINE = {10: "311", 20: "324", 30: "231", 40: "211", 50: "112", 60: "331", 80: "523"}


def image(path: Path, green: np.ndarray, *, crs: str, corner: tuple[float, float], seed: int, cloud: int = 0) -> Path:
    """Write reflectance x 10,000 of green and bare pixels with noise, and a scene classification.

    The first ``cloud`` columns are cloud, the first two rows have no data.
    """
    rng = np.random.default_rng(seed)
    planes = [np.where(green, GREEN[band], BARE[band]) + rng.integers(-150, 150, green.shape) for band in GREEN]
    scl = np.full(green.shape, 4)
    scl[:, :cloud] = 9
    stack = np.stack([*planes, scl]).astype(np.uint16)
    stack[:, :2] = 0
    return _write(path, stack, crs=crs, corner=corner, nodata=0)


def town(folder: Path) -> list[tuple[Path, str]]:
    """Write three dates of a town, half of it green in stripes, with clouds that differ; each with its day."""
    columns = np.arange(SHAPE[1])[None, :] + np.arange(SHAPE[0])[:, None] // 3
    green = np.broadcast_to(columns // 20 % 2 == 0, SHAPE)
    dates = [(1, "2024-06-03", 0), (2, "2024-06-18", 40), (3, "2024-07-05", 90)]
    return [
        (image(folder / f"town_{day}.tif", green, crs="EPSG:32632", corner=(WEST, NORTH), seed=n, cloud=cloud), day)
        for n, day, cloud in dates
    ]


def radar(folder: Path) -> list[tuple[Path, str]]:
    """Write three radar images of the same town in hundredths of a decibel; the first misses its western edge."""
    found = []
    for number, day in enumerate(("2024-06-04", "2024-06-16", "2024-06-28")):
        rng = np.random.default_rng(100 + number)
        slope = np.broadcast_to(np.arange(SHAPE[1])[None, :] * 4, SHAPE)
        stack = np.stack([-800 + rng.integers(-90, 90, SHAPE), -1500 + slope + rng.integers(-90, 90, SHAPE)])
        stack[:, :, : 15 if number == 0 else 0] = -32768
        path = folder / f"radar_{day}.tif"
        found.append((_write(path, stack.astype(np.int16), crs="EPSG:32632", corner=(WEST, NORTH), nodata=-32768), day))
    return found


def suva(folder: Path) -> tuple[list[tuple[Path, str]], str]:
    """Write a city on both sides of the antimeridian: an image each of its two UTM zones, and its limits as WKT."""
    found = []
    for zone, lon in (("EPSG:32760", 179.989), ("EPSG:32701", -179.991)):
        x, y = Transformer.from_crs("EPSG:4326", zone, always_xy=True).transform(lon, -18.1)
        corner = (20 * round(x / 20) - 1600, 20 * round(y / 20) + 1600)
        xs, ys = np.meshgrid(corner[0] + 5 + 10 * np.arange(320), corner[1] - 5 - 10 * np.arange(320))
        east = Transformer.from_crs(zone, "EPSG:4326", always_xy=True).transform(xs, ys)[0] < 0
        found.append(
            (image(folder / f"suva_{zone[-5:]}.tif", ~east, crs=zone, corner=corner, seed=lon < 0), "2024-06-01")
        )
    parts = [shapely.box(179.98, -18.11, 180, -18.09), shapely.box(-180, -18.11, -179.99, -18.09)]
    return found, shapely.MultiPolygon(parts).wkt


def osm(folder: Path) -> Path:
    """Write a small OpenStreetMap of the town: a park, a forest with a clearing, an orchard beyond the limits, houses."""
    squares: list[tuple[tuple[float, float, float], dict[str, str]]] = [
        ((8.994, 46.999, 0.003), {"leisure": "park", "name": "City Park"}),
        ((8.995, 47.0, 0.001), {"landuse": "grass"}),
        ((9.000, 47.001, 0.004), {}),  # the forest's outer ring
        ((9.001, 47.002, 0.002), {}),  # and its clearing
        ((9.009, 47.003, 0.006), {"landuse": "orchard"}),
        ((9.005, 46.999, 0.001), {"landuse": "residential"}),
    ]
    nodes: list[str] = []
    ways: list[str] = []
    for number, ((west, south, side), tags) in enumerate(squares, 1):
        refs = []
        for lon, lat in ((west, south), (west + side, south), (west + side, south + side), (west, south + side)):
            nodes.append(f'<node id="{len(nodes) + 1}" version="1" lat="{lat:.7f}" lon="{lon:.7f}"/>')
            refs.append(len(nodes))
        members = "".join(f'<nd ref="{ref}"/>' for ref in (*refs, refs[0]))
        said = "".join(f'<tag k="{key}" v="{value}"/>' for key, value in tags.items())
        ways.append(f'<way id="{number}" version="1">{members}{said}</way>')
    forest = (
        '<relation id="1" version="1"><member type="way" ref="3" role="outer"/><member type="way" ref="4" role="inner"/>'
        '<tag k="type" v="multipolygon"/><tag k="landuse" v="forest"/></relation>'
    )
    path = folder / "town.osm"
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<osm version="0.6">', *nodes, *ways, forest, "</osm>"]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def quarters(bounds: tuple[float, float, float, float], path: Path) -> Path:
    """Write four districts of unequal size that fill a box, as a file of a user's own."""
    west, south, east, north = bounds
    lon, lat = west + 0.4 * (east - west), south + 0.7 * (north - south)
    boxes = [(west, south, lon, lat), (lon, south, east, lat), (west, lat, lon, north), (lon, lat, east, north)]
    frame = gpd.GeoDataFrame({"name": ["SW", "SE", "NW", "NE"]}, geometry=[shapely.box(*b) for b in boxes], crs=4326)
    frame.to_file(path, driver="GeoJSON")
    return path


def maps(classes: Path, folder: Path) -> tuple[Path, Path]:
    """Write a WorldCover-like raster and CORINE-like squares of 500 m out of a raster of simulated classes."""
    with rasterio.open(classes) as file:
        codes = np.zeros(256, np.uint8)
        codes[list(TO_WORLDCOVER)] = list(TO_WORLDCOVER.values())
        values, transform, crs = codes[file.read(1)], file.transform, file.crs
    raster = _write(folder / "worldcover.tif", values[None], crs=crs, corner=(transform.c, transform.f), nodata=0)
    rows = []
    for top in range(0, values.shape[0], 50):
        for left in range(0, values.shape[1], 50):
            commonest = int(np.bincount(values[top : top + 50, left : left + 50].ravel()).argmax())
            west, north = transform.c + 10 * left, transform.f - 10 * top
            rows.append((TO_CORINE[commonest], shapely.box(west, north - 500, west + 500, north)))
    polygons = folder / "corine.gpkg"
    frame = gpd.GeoDataFrame({"Code_18": [code for code, _ in rows]}, geometry=[box for _, box in rows], crs=crs)
    frame.to_file(polygons, layer="U2018_CLC2018", driver="GPKG")
    return raster, polygons


def model(path: Path, **weights: float) -> Path:
    """Write a model whose green fraction is a weighted sum of its bands, cut to 0-1."""
    classes = [("not green", False, "#aaaaaa"), ("green", True, "#00aa00")]
    card: dict[str, Any] = {
        "name": "-".join(weights), "version": "1", "description": "A weighted sum.", "bands": list(weights),
        "resolution_m": 10, "normalisation": "none", "tile_px": 64, "halo_px": 0, "stride_px": 64, "scores": {},
        "classes": [dict(zip(("code", "name", "green", "colour"), (i, *one), strict=True)) for i, one in enumerate(classes)],
        "reference_error": None, "training_data": "none", "licence": "CC0-1.0",
    }  # fmt: skip
    kernel = np.array(list(weights.values()), np.float32).reshape(1, -1, 1, 1)
    nodes = [
        helper.make_node("Conv", ["reflectance", "kernel"], ["sum"]),
        helper.make_node("Clip", ["sum", "zero", "one"], ["green_fraction"]),
        helper.make_node("Sub", ["one", "green_fraction"], ["rest"]),
        helper.make_node("Concat", ["rest", "green_fraction"], ["probability"], axis=1),
    ]
    tensors = [
        numpy_helper.from_array(np.asarray(value, np.float32), name)
        for name, value in (("kernel", kernel), ("zero", 0), ("one", 1))
    ]
    depths = {"reflectance": len(weights), "probability": 2, "green_fraction": 1}
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", n, "y", "x"]) for name, n in depths.items()]
    graph = helper.make_graph(nodes, "sum", infos[:1], infos[1:], tensors)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(made, {"howgreen": json.dumps(card)})
    onnx.save(made, path)
    return path


def _write(path: Path, stack: np.ndarray, *, crs: Any, corner: tuple[float, float], nodata: int) -> Path:
    height, width = stack.shape[1:]
    profile = {
        "driver": "GTiff",
        "width": width,
        "height": height,
        "count": len(stack),
        "dtype": stack.dtype,
        "crs": crs,
    }
    with rasterio.open(path, "w", transform=from_origin(*corner, 10, 10), nodata=nodata, **profile) as file:
        file.write(stack)
    return path
