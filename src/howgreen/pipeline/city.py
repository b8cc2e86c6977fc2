"""One city's journey, on one page: a name becomes a plan, a plan becomes a green ratio with the map that proves it.

:func:`plan` looks everything up and reads no reflectance; :func:`run` is one line per stage; :func:`city` is both.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, cast

import howgreen
from howgreen import imagery, landcover, measure, place, report
from howgreen.core.errors import PlaceNotFoundError, PlanError
from howgreen.core.sensors import RADAR_BANDS, SENSORS, SENTINEL1
from howgreen.core.types import City, Composite, LandCover, Period, Plan, Progress, Result, Scene
from howgreen.net.endpoints import read_endpoints
from howgreen.net.network import Network
from howgreen.osm import green_areas, green_areas_online, green_raster, green_share
from howgreen.pipeline import image_sources, locks, plan_json, workdir
from howgreen.pipeline.checkpoint import persist

if TYPE_CHECKING:
    import folium
    import geopandas as gpd
    import xarray as xr

P = ParamSpec("P")


@dataclass(frozen=True, kw_only=True)
class CityResult(Result):
    """A :class:`Result` that can show and save itself."""

    def explore(self) -> folium.Map:
        """A folium map of the photo, the green fraction and the classes, with a drawing tool."""
        return report.explore(self)

    def save(self, out: str | Path, *, progress: Progress | None = None) -> dict[str, Any]:
        """Write the report's folder; returns the summary. See :func:`write`."""
        return write(self, out, progress=progress)


def plan(
    query: str | None = None,
    *,
    store: str | Path | None = None,
    catalogs: Sequence[str] = (),
    osm: str | Path | None = None,
    area: str | Path | None = None,
    radius_m: float | None = None,
    pick: int | str | None = None,
    districts: str | Path | None = None,
    land: str | Path | None = None,
    period: Period | str | None = None,
    sensor: str = "sentinel-2",
    model: str | Path | None = None,
    offline: bool = False,
    endpoints: str | Path | None = None,
    progress: Progress | None = None,
) -> Plan:
    """Decide everything that decides the answer; of the images, only coarse cloud masks are looked at.

    Parameters
    ----------
    query
        A name, an OSM id (``R120965``) or coordinates (``"45.76, 4.84"``). None with ``area``.
    store
        Folder of a store, and no other images. None for the user's own (or the embedded sample when Sampleton is
        asked for) where it shows the place, else the open catalogues.
    catalogs
        Catalogues to take the images from, in the order in which they are asked: names of
        :data:`howgreen.net.endpoints.CATALOGS`, URLs of STAC APIs, or ``name=URL``. A store then only knows places.
    osm
        A local OSM extract to look the name up in.
    area
        A boundary file, or WKT or GeoJSON text in EPSG:4326 (lon, lat).
    radius_m
        Radius around coordinates, in metres.
    pick
        Which of several matches: its number (from 1) or id.
    districts
        A file of district boundaries, instead of those that the place brings.
    land
        A file with polygons of land, or coastlines, that cuts the sea off the limits.
    period
        ``"2024-05/2024-09"``; a year by itself is its growing season; None for the newest that has images.
    sensor
        Key of :data:`howgreen.core.sensors.SENSORS`.
    model
        Name of a shipped or added model, or path of an ONNX file; None for the best that the images' bands allow.
    offline
        Ask no service: only what is on this computer, answers kept from earlier look-ups included.
    endpoints
        A file with other addresses of the services, see :mod:`howgreen.net.endpoints`.

    Raises
    ------
    HowgreenError
        One line: what, where, and what to do.
    """
    if sensor not in SENSORS:
        raise PlanError(f"sensor {sensor!r} is unknown: use one of {', '.join(SENSORS)}")
    network = Network(endpoints=read_endpoints(_path(endpoints)), offline=offline)
    asked = image_sources.catalogs_to_ask(catalogs, network=network) if catalogs or store is None else ()
    root = image_sources.find_store(query, store, progress=progress)
    where = place.find(
        query,
        stores=[root] if root else [],
        osm=_path(osm),
        area=area,
        radius_m=radius_m,
        pick=pick,
        files=place.PlaceFiles(districts=districts, land=land),
        network=network,
    )
    when, said = image_sources.asked_period(period, where)
    sources = image_sources.image_sources(
        where,
        root=None if catalogs else root,
        named=store is not None,
        catalogs=asked,
        period=when,
        sensor=sensor,
        network=network,
    )
    failed = image_sources.Failures(where.label)
    for source in sources:
        if failed.rules_out(source):
            continue
        with failed.recorded(source):
            return _planned(where, source, (*said, *failed.notes()), sensor=sensor, model=model, progress=progress)
    raise failed.error()


def _planned(
    city: City,
    source: image_sources.ImageSource,
    notes: tuple[str, ...],
    *,
    sensor: str,
    model: str | Path | None,
    progress: Progress | None,
) -> Plan:
    """The plan with the images of one store or catalogue."""
    found, left_out = source.scenes(city, sensor=sensor, progress=progress)
    shared = _shared_bands(found, sensor, model)
    waves, unread = _radar(city, source, sensor=sensor, model=model, progress=progress)
    there = (*shared, *(band for band in RADAR_BANDS if waves and all(band in scene.bands for scene in waves)))
    green = landcover.load_model(model or landcover.default_model(there))
    landcover.require_bands(green.card, there, what="the images")
    # What comes from a file was never tried: a graph that does not end, or answers nonsense, is told here and not an hour later.
    tried = landcover.try_model(green, source=str(model)) if model and not landcover.is_known(str(model)) else ()
    used, passed_over = imagery.choose(
        found, city=city, period=source.period, bands=_of(sensor, green.card.bands), root=source.root, sensor=sensor
    )
    return Plan(
        city=city,
        period=source.period,
        sensor=sensor,
        grid=imagery.grid(city, resolution_m=SENSORS[sensor].resolution_m),
        scenes=tuple(used),
        passed_over=tuple(passed_over),
        bands=(*green.card.bands, *_for_the_photo(green.card.bands, shared)),
        source=source.source,
        model=green.card.name if model is None else _model_name(model),
        model_sha256=green.sha256,
        howgreen=howgreen.__version__,
        radar=waves,
        notes=(
            *notes,
            *left_out,
            *unread,
            *imagery.mixed_platforms(used),
            *imagery.sides((*used, *waves)),
            *tried,
            *landcover.model_warnings(green.card, resolution_m=SENSORS[sensor].resolution_m),
        ),
    )


def _radar(
    city: City, source: image_sources.ImageSource, *, sensor: str, model: str | Path | None, progress: Progress | None
) -> tuple[tuple[Scene, ...], tuple[str, ...]]:
    """The radar's scenes to use beside another sensor's, and notes on what was left out; none where no model asks."""
    if model is None or SENSORS[sensor].is_radar:
        return (), ()
    bands = landcover.load_model(model).card.bands
    wanted = [band for band in bands if band in RADAR_BANDS]
    if len(wanted) == len(bands):
        raise PlanError(f"model {model}: takes radar alone ({', '.join(wanted)}); use --sensor {SENTINEL1.name}")
    if not wanted:
        return (), ()
    found, left_out = source.scenes(city, sensor=SENTINEL1.name, progress=progress)
    used, _ = imagery.choose(
        found, city=city, period=source.period, bands=wanted, root=source.root, sensor=SENTINEL1.name
    )
    return tuple(used), left_out


def _of(sensor: str, bands: Sequence[str]) -> tuple[str, ...]:
    """Those bands that a sensor's own scenes have to have."""
    return tuple(band for band in bands if SENSORS[sensor].is_radar or band not in RADAR_BANDS)


def run(plan: Plan, *, work: str | Path | None = None, progress: Progress | None = None) -> CityResult:
    """Carry out a plan. Same plan, same answer.

    Parameters
    ----------
    work
        Folder for finished blocks; a run that was stopped goes on from them. None for the user's cache.
    """
    import rasterio

    model = landcover.planned_model(plan.model, sha256=plan.model_sha256)
    workdir.check_files(plan)
    folder = workdir.work_folder(plan, work)
    locks.hold(folder)
    # Open files keep their blocks in GDAL's cache, which would take 5 % of the memory: a composite reads each once.
    with rasterio.Env(GDAL_CACHEMAX=64_000_000):
        with ThreadPoolExecutor(1) as pool:
            checked = pool.submit(_provenance, plan)  # some pixels are looked at while libraries load
            numbers = imagery.composite_numbers(
                plan.scenes, radar=plan.radar, grid=plan.grid, bands=plan.bands, block_px=_block_px(plan)
            )
            provenance = checked.result()  # before the long work: a scene that contradicts itself is refused
        composite, covered = _kept(plan, numbers, model, folder / "pixels", progress)
        zones = measure.green(covered, plan.city, progress=progress)
    return CityResult(
        plan=plan,
        composite=composite,
        landcover=covered,
        stats=zones[0].stats,
        zones=measure.to_frame(zones),
        card=model.card,
        provenance=provenance,
    )


def _then_run(planning: Callable[P, Plan]) -> Callable[P, CityResult]:
    """The same parameters, once more, would only be copied."""

    @wraps(planning)
    def answer(*args: P.args, **kwargs: P.kwargs) -> CityResult:
        return run(planning(*args, **kwargs), progress=cast("Progress | None", kwargs.get("progress")))

    answer.__name__ = answer.__qualname__ = "city"
    answer.__doc__ = "How green is a city? :func:`plan`, then :func:`run`; the parameters are those of :func:`plan`."
    return answer


city = _then_run(plan)


def write(result: Result, out: str | Path, *, progress: Progress | None = None) -> dict[str, Any]:
    """Write the folder that a person opens: page, maps, tables, plan; ``out`` is a folder or a URL of fsspec. Returns the
    summary (see its JSON schema).
    """
    return report.write(
        result,
        out,
        truth=_truth(result.plan),
        plan_json=plan_json.to_json(result.plan),
        progress=progress,
    )


@dataclass(frozen=True, kw_only=True)
class OsmGreen:
    """What OpenStreetMap's mappers drew as green in a place."""

    city: City
    areas: gpd.GeoDataFrame
    """EPSG:4326; see :func:`howgreen.osm.green_areas`."""
    share: float
    """Area of their union over the area of the place."""
    folder: str | Path
    """Folder or URL; holds ``osm_green.gpkg``, ``osm_green.tif`` and ``summary.json``."""


def osm_green(
    city: City,
    *,
    out: str | Path,
    osm: str | Path | None = None,
    online: Network | None = None,
    progress: Progress | None = None,
) -> OsmGreen:
    """Write OSM's green areas of a place as polygons and as a 0/1 GeoTIFF (255 outside the limits).

    Parameters
    ----------
    out
        A folder or a URL of fsspec.
    osm
        A local extract; None to ask Overpass.
    online
        How it is asked.

    Raises
    ------
    HowgreenError
        One line, as :func:`plan` does; PlaceNotFoundError for a simulated city.
    """
    if city.synthetic:
        raise PlaceNotFoundError(f"{city.label}: is simulated, OpenStreetMap knows nothing of it; name a real place")
    if osm is None:
        areas = green_areas_online(city, online=online or Network(), progress=progress)
    else:
        areas = green_areas(city, osm=Path(osm), progress=progress)
    share = green_share(areas, city)
    with report.new_target(out, progress=progress) as scratch:
        green_raster(areas, city, out=scratch / "osm_green.tif", progress=progress)
        areas.to_file(scratch / "osm_green.gpkg", layer="osm_green", driver="GPKG")
        report.write_osm_green(city, areas, scratch, share=share, source=str(osm or "Overpass"))
    return OsmGreen(city=city, areas=areas, share=share, folder=out)


def _truth(plan: Plan) -> dict[str, Any] | None:
    """What the simulation knows, when the whole sample city was asked for."""
    if not plan.city.synthetic or "://" in plan.source:
        return None
    from howgreen import sample

    known = sample.truth(Path(plan.source))
    return {
        "green_ratio": known.city.green_ratio,
        "districts": {district.name: district.green_ratio for district in known.districts},
    }


def read_plan(path: str | Path) -> Plan:
    """Read a plan that was saved as JSON."""
    return plan_json.load(Path(path))


def _shared_bands(found: Sequence[Scene], sensor: str, model: str | Path | None) -> tuple[str, ...]:
    """Bands that all usable scenes have, in the sensor's order; one that no model can use does not count."""
    known = (*SENSORS[sensor].band_names, SENSORS[sensor].mask)
    kinds = {frozenset(scene.bands) for scene in found} or {frozenset(known)}
    cards = [one.card for one in ([landcover.load_model(model)] if model else landcover.models())]
    usable = {kind for kind in kinds if any(kind.issuperset(_of(sensor, card.bands)) for card in cards)}
    shared = frozenset.intersection(*(usable or kinds))
    return tuple(band for band in known if band in shared)


def _model_name(given: str | Path) -> str:
    """As a plan keeps it: the name of a shipped or added model, or a path that holds from any folder."""
    return str(given) if landcover.is_known(str(given)) else str(Path(given).absolute())


def _for_the_photo(needed: tuple[str, ...], there: Collection[str]) -> list[str]:
    """Visible bands that the model does not need and the report's photo does."""
    return [band for band in ("red", "green", "blue") if band in there and band not in needed]


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)


def _kept(
    plan: Plan, numbers: xr.Dataset, model: landcover.Model, folder: Path, progress: Progress | None
) -> tuple[Composite, LandCover]:
    """Composite and land cover, computed and kept in one go: a block is classified while it is at hand.

    Probabilities, ten times the size of labels and fractions, stay lazy and are made again when asked for.
    """
    used = (*plan.scenes, *plan.radar)
    seen = landcover.classify(imagery.from_numbers(numbers, grid=plan.grid, scenes=used), model).data
    names = [name for name in seen.data_vars if name != "probability"]
    both = numbers.assign({name: seen[name] for name in names})
    both = persist(both, folder, stage="composite and land cover", progress=progress)
    composite = imagery.from_numbers(both[list(numbers)], grid=plan.grid, scenes=used)
    covered = landcover.classify(composite, model)
    return composite, replace(covered, data=covered.data.assign({name: both[name] for name in names}))


def _block_px(plan: Plan) -> int:
    """Blocks large enough to read well, small enough that a small city still keeps two cores busy."""
    return 1024 if min(plan.grid.shape) > 2048 else 512


def _provenance(plan: Plan) -> dict[str, Any]:
    from importlib.metadata import version

    libraries = ("numpy", "rasterio", "onnxruntime", "odc-geo", "exactextract")
    return {
        "howgreen": howgreen.__version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "libraries": {name: version(name) for name in libraries},
        "radiometry": imagery.decisions((*plan.scenes, *plan.radar)),
    }
