"""Build the sample city's store atomically."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from affine import Affine
from odc.geo.geobox import GeoBox

from howgreen.core.errors import StoreError
from howgreen.core.sensors import LANDSAT, SENSORS, SENTINEL2
from howgreen.core.stac import Header
from howgreen.core.types import City, Progress
from howgreen.sample import sensors_sim as sim
from howgreen.sample.canvas import Canvas
from howgreen.sample.clouds import Sky, make_sky
from howgreen.sample.counting import write_truth
from howgreen.sample.identity import EXTENT_M, SEED
from howgreen.sample.layout import CRS, LEFT_M, TOP_M, make_land
from howgreen.sample.light import Day, Sun, mixed, sun_at
from howgreen.sample.limits import make_city
from howgreen.sample.paint import paint_city
from howgreen.sample.sensors_sim import SHOTS, Shot
from howgreen.sample.spectra import BANDS, season_table
from howgreen.sample.variation import make_variation, relief, shifter
from howgreen.store import put_place, put_scene

Floats = npt.NDArray[np.float32]
Raster = tuple[npt.NDArray[np.generic], GeoBox]


@dataclass(frozen=True, kw_only=True)
class SimulatedScene:
    """One scene before storage."""

    shot: Shot
    rasters: Mapping[str, Raster]
    """Digital numbers and mask, by band."""
    sky: Sky
    """The true state of the atmosphere between ground and sensor."""


def grid(extent_m: int, *, pixel_m: int) -> GeoBox:
    """Return the image's grid at a resolution."""
    side = extent_m // pixel_m
    return GeoBox((side, side), Affine(pixel_m, 0, LEFT_M, 0, -pixel_m, TOP_M), CRS)


def _sentinel2(cells: Floats, shot: Shot, sky: Sky, rng: np.random.Generator, extent_m: int) -> dict[str, Raster]:
    rasters: dict[str, Raster] = {}
    view: dict[str, Floats] = {}
    has_data = {20: sim.swath(extent_m // 20) if shot.split else None}
    # The 10 m swath follows the 20 m one, so that no pixel has only half of its bands.
    has_data[10] = has_data[20].repeat(2, 0).repeat(2, 1) if has_data[20] is not None else None
    for pixel_m in (10, 20):
        names = tuple(band.name for band in SENTINEL2.bands if band.resolution_m == pixel_m)
        bands = sim.band_positions(names)
        above = sky if pixel_m == 10 else sky.coarser(2)
        image = sim.look(sim.seen(cells, bands=bands, pixel_m=pixel_m), above, bands=bands, rng=rng)
        for name, layer in zip(names, image, strict=True):
            dn = sim.numbers(layer, scale=SENTINEL2.scale, offset=shot.offset, has_data=has_data[pixel_m])
            rasters[name] = (dn, grid(extent_m, pixel_m=pixel_m))
            view[name] = layer if pixel_m == 20 else _halved(layer)
    scl = sim.scene_classes(view, sky.coarser(2), rng=rng, has_data=has_data[20])
    ordered: dict[str, Raster] = {name: rasters[name] for name in BANDS}
    return ordered | {SENTINEL2.mask: (scl, grid(extent_m, pixel_m=20))}


def _halved(layer: Floats) -> Floats:
    n = layer.shape[0] // 2
    return np.asarray(layer.reshape(n, 2, n, 2).mean((1, 3)), np.float32)


def _landsat(cells: Floats, shot: Shot, sky: Sky, rng: np.random.Generator, extent_m: int) -> dict[str, Raster]:
    # Landsat's only near-infrared is the narrow one, which Sentinel-2 calls nir08.
    seen_as = tuple("nir08" if name == "nir" else name for name in LANDSAT.band_names)
    bands, box, above = sim.band_positions(seen_as), grid(extent_m, pixel_m=30), sky.coarser(3)
    image = sim.look(sim.seen(cells, bands=bands, pixel_m=30), above, bands=bands, rng=rng)
    view = dict(zip(LANDSAT.band_names, image, strict=True))
    rasters: dict[str, Raster] = {
        name: (sim.numbers(layer, scale=LANDSAT.scale, offset=shot.offset, has_data=None), box)
        for name, layer in view.items()
    }
    return rasters | {LANDSAT.mask: (sim.quality_bits(view, above), box)}


def _shoot(cells: Floats, shot: Shot, sun: Sun, canvas: Canvas) -> SimulatedScene:
    extent_m, seed = canvas.land.extent_m, canvas.land.seed
    rng = np.random.default_rng([seed, 81, shot.day_of_year])
    sky = make_sky(
        rng,
        extent_m // 10,
        sun,
        cover=shot.cover,
        scale_m=min(shot.scale_m, extent_m),
        base_m=float(rng.uniform(900, 1500)),
        haze=shot.haze,
    )
    make = _sentinel2 if shot.sensor == SENTINEL2.name else _landsat
    return SimulatedScene(shot=shot, rasters=make(cells, shot, sky, rng, extent_m), sky=sky)


def simulate(
    canvas: Canvas, *, shots: tuple[tuple[int, tuple[Shot, ...]], ...] = SHOTS, threads: int = 2
) -> Iterator[SimulatedScene]:
    """Yield all scenes of a painted city, one after another."""
    fields = make_variation(canvas)
    # The scenes of one sun position are simulated while the ground is mixed for the next.
    with ThreadPoolExecutor(1) as camera:
        taken: list[Future[SimulatedScene]] = []
        for sun_day, group in shots:
            sun = sun_at(sun_day)
            days = [
                Day(
                    table=season_table(shot.day_of_year),
                    shift=shifter(fields, day_of_year=shot.day_of_year, flow=shot.flow, surf=shot.surf),
                )
                for shot in group
            ]
            cubes = mixed(canvas, sun, days, relief=relief(fields, sun), threads=threads)
            while taken:
                yield taken.pop(0).result()
            taken = [camera.submit(_shoot, cubes.pop(0), shot, sun, canvas) for shot in group]
        while taken:
            yield taken.pop(0).result()


def store_scene(root: Path, scene: SimulatedScene) -> None:
    """Add one scene to a store."""
    shot, sensor = scene.shot, SENSORS[scene.shot.sensor]
    put_scene(
        root,
        Header(
            id=shot.id,
            sensor=sensor,
            time=shot.time,
            scale=sensor.scale,
            offset=shot.offset,
            nodata=sensor.nodata,
            cloud_cover_pct=round(100 * float((scene.sky.opacity > 0.16).mean()), 2),
            baseline=shot.baseline,
            synthetic=True,
        ),
        scene.rasters,
    )


def _fill(root: Path, seed: int, extent_m: int, progress: Progress | None) -> City:
    land = make_land(seed, extent_m=extent_m)
    city = make_city(land)
    canvas = paint_city(land, progress=progress)
    total = sum(len(shots) for _, shots in SHOTS)
    # One writer beside the simulation: compression and computation then share the cores.
    with ThreadPoolExecutor(1) as writer:
        written: list[Future[object]] = [writer.submit(write_truth, root, city, canvas)]
        for done, scene in enumerate(simulate(canvas)):
            if progress:
                progress("simulating scenes", done, total)
            written.append(writer.submit(store_scene, root, scene))
        for each in written:
            each.result()
    if progress:
        progress("simulating scenes", total, total)
    put_place(root, city)
    return city


def build(root: Path, *, seed: int = SEED, extent_m: int = EXTENT_M, progress: Progress | None = None) -> City:
    """Simulate the sample city into a new store at ``root``, with its truth in ``root/truth``.

    The store is built beside ``root`` and renamed at the end: an interrupted build leaves nothing at ``root``.

    Parameters
    ----------
    root
        Must not exist yet.
    seed
        Same seed, same pixels; another seed is another city.
    extent_m
        Side of the image in metres, a multiple of 60; smaller ones are for tests.
    progress
        Called with each step.

    Raises
    ------
    StoreError
        When ``root`` exists, or the folder cannot be written.

    """
    if root.exists():
        raise StoreError(f"{root} exists already: name a new folder for the sample city, or remove it")
    workshop = root.parent / f".{root.name}.{uuid.uuid4().hex[:8]}.tmp"
    try:
        workshop.mkdir(parents=True)
        city = _fill(workshop, seed, extent_m, progress)
        workshop.rename(root)
    except OSError as error:
        raise StoreError(f"{root}: cannot write the sample city there ({error})") from error
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
    return city
