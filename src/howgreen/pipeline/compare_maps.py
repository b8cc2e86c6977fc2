"""Compare an answer with other maps: which maps, their sources, and the folder that shows the agreement.

A map that is unavailable and was not asked for by name is skipped with a note; one that was asked for is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from howgreen import compare, imagery, osm, report
from howgreen.compare import LEGENDS, Map
from howgreen.core.agreement import CROPLAND, Compared, Cropland, MapInfo
from howgreen.core.errors import HowgreenError, ImageError, NetworkError, PlanError
from howgreen.core.warnings import Caution, warn
from howgreen.net.client import Request
from howgreen.net.network import Network

if TYPE_CHECKING:
    from howgreen.core.types import Progress, Result
    from howgreen.report.layers_figures import LayersSummary

LAYERS = tuple(LEGENDS)
"""Maps available for comparison."""
BY_FILE = ("clcplus", "tree-cover", "imperviousness")
"""Maps without a public address: tried only if their file is given or they are named."""
NO_BETTER_THAN_CHANCE = 0.05
"""Kappa below which two maps are unrelated."""
_RASTER = re.compile(r"\.(tiff?|jp2)$", re.IGNORECASE)
_WEB = re.compile(r"^https?://", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class LayerOptions:
    """Which other maps to compare with, and their sources."""

    layers: tuple[str, ...] = ()
    """From :data:`LAYERS`; empty for those whose file is given, or for all available if none is."""
    corine: str | None = None
    """CORINE: GeoTIFF, GeoPackage, FileGDB or any vector file; None for the EEA's service."""
    worldcover: str | None = None
    """WorldCover tile or a crop of it: path or web address; or the name of a catalogue that lists its tiles
    (``planetary-computer``); None for the public tiles."""
    dynamic_world: str | None = None
    """Dynamic World labels or probabilities: path or web address; no public address exists."""
    clcplus: str | None = None
    """CLCplus Backbone: path or web address; available with a free account."""
    tree_cover: str | None = None
    """High Resolution Layer Tree Cover Density; likewise."""
    imperviousness: str | None = None
    """High Resolution Layer Imperviousness Density; likewise."""
    osm: str | Path | None = None
    """OpenStreetMap extract; None for Overpass."""
    cropland: Cropland = "green"
    """How cropland in the other maps is counted."""
    network: Network = field(default_factory=Network)

    def __post_init__(self) -> None:
        strange = [key for key in self.layers if key not in LAYERS]
        if strange:
            raise PlanError(f"layer {strange[0]!r} is unknown: use one of {', '.join(LAYERS)}")
        if self.cropland not in CROPLAND:
            raise PlanError(f"cropland {self.cropland!r} is unknown: use one of {', '.join(CROPLAND)}")

    def given(self, key: str) -> str | None:
        """Return the file given for a map, if any."""
        found = self.osm if key == "osm-green" else getattr(self, key.replace("-", "_"))
        return None if found is None else str(found)

    @property
    def keys(self) -> tuple[str, ...]:
        """Maps to try, in order."""
        given = tuple(key for key in LAYERS if self.given(key))
        return self.layers or given or tuple(key for key in LAYERS if key not in BY_FILE)


def layers(
    result: Result,
    wanted: LayerOptions | None = None,
    *,
    out: str | Path,
    language: str = "en",
    progress: Progress | None = None,
) -> LayersSummary:
    """Compare an answer with other maps and write the folder that shows it; return its summary.

    Parameters
    ----------
    result
        Of :func:`howgreen.pipeline.city.run`.
    wanted
        Which other maps, and from where; None for all available.
    out
        A new folder, an empty one, or one that howgreen made (it is replaced); or a URL of fsspec.
    language
        Of page and picture: en, de, es or fr.

    Raises
    ------
    HowgreenError
        One line: what, where, and what to do.
    """
    wanted = wanted or LayerOptions()
    compared: list[Compared] = []
    notes: list[str] = []
    with report.new_target(out, progress=progress) as folder:
        for key in wanted.keys:
            with _passed_over(key, wanted, notes):
                compared.append(_compared(result, key, wanted, folder, progress))
        if not compared:
            if wanted.network.offline and notes:  # all have the same reason
                labels = ", ".join(LEGENDS[key].label for key in wanted.keys)
                raise ImageError(
                    f"{result.plan.city.label}: offline, no other map is asked for, and none is kept ({labels}); "
                    "give one, as --corine FILE or --worldcover FILE"
                )
            raise ImageError(
                f"{result.plan.city.label}: no other map could be had ({'; '.join(notes) or 'none was asked for'}); "
                "give one, as --corine FILE or --worldcover FILE"
            )
        found = report.layers_summary(
            result,
            compared,
            cropland=wanted.cropland,
            legends={key: [asdict(item) for item in legend.classes] for key, legend in LEGENDS.items()},
            notes=notes,
        )
        return report.write_layers(result, found, folder, language=language)


@contextmanager
def _passed_over(key: str, wanted: LayerOptions, notes: list[str]) -> Iterator[None]:
    """Continue without a map that was not asked for by name or file; a note says why."""
    try:
        yield
    except HowgreenError as error:
        if key in wanted.layers or wanted.given(key):
            raise
        notes.append(f"{LEGENDS[key].label} was left out: {error}")


def _compared(result: Result, key: str, wanted: LayerOptions, folder: Path, progress: Progress | None) -> Compared:
    other = _map(result, key, wanted)
    grid = result.landcover.grid
    with report.agreement_map(folder, key, grid, label=other.info.label) as keep:
        zones = compare.agree(result.landcover, result.plan.city, other, keep=keep, progress=progress)
    kappa = zones[0].kappa
    if wanted.given(key) and kappa is not None and kappa < NO_BETTER_THAN_CHANCE:
        warn(
            Caution(
                "map-doubtful",
                f"{other.info.source}: agrees with the answer no better than chance (kappa {kappa:.2f}): "
                f"make sure that it is {other.info.label}, of this place and of about these years",
            )
        )
    return Compared(info=other.info, zones=zones)


def _map(result: Result, key: str, wanted: LayerOptions) -> Map:
    makers = {"corine": _corine, "worldcover": _worldcover, "osm-green": _osm_green}
    return makers[key](result, wanted) if key in makers else _from_file(key, wanted)


def _info(key: str, source: str) -> MapInfo:
    legend = LEGENDS[key]
    shown = _WEB.sub("", source).partition("?")[0].rpartition("@")[2] if _WEB.match(source) else source
    return MapInfo(
        key=key, label=legend.label, source=shown, detail=legend.detail, licence=legend.licence, note=legend.note
    )  # fmt: skip


def _corine(result: Result, wanted: LayerOptions) -> Map:
    city, grid = result.plan.city, result.landcover.grid
    if wanted.corine is None:
        url = wanted.network.endpoints.corine
        client = wanted.network.client()

        def ask(address: str, params: Mapping[str, str]) -> bytes:
            request = Request(
                what="The EEA's CORINE service",
                urls=(address,),
                params=params,
                suffix=".json",
                check=compare.usable,
                instead="--corine FILE",
            )
            return client.fetch(request).body

        return compare.corine_service(
            _info("corine", url), city.boundary, url=url, ask=ask, grid=grid, cropland=wanted.cropland
        )
    if _RASTER.search(wanted.corine.partition("?")[0]):
        return _rasters("corine", [wanted.corine], wanted)
    if not Path(wanted.corine).exists():
        raise ImageError(f"{wanted.corine}: no such file; give CORINE as GeoTIFF, GeoPackage or FileGDB")
    return compare.corine_file(
        _info("corine", wanted.corine), Path(wanted.corine), grid=grid, cropland=wanted.cropland
    )  # fmt: skip


def _worldcover(result: Result, wanted: LayerOptions) -> Map:
    area = result.plan.city.boundary
    catalogs = wanted.network.endpoints.catalogs
    if wanted.worldcover is not None and wanted.worldcover in catalogs:
        catalogue = catalogs[wanted.worldcover]
        if wanted.network.offline:
            raise NetworkError(f"{catalogue.label} may not be asked (offline); give --worldcover FILE")
        found = imagery.find_tiles(area, catalog=catalogue, collection="esa-worldcover", asset="map", version="_2021_")
        return _rasters("worldcover", found, wanted, source=catalogue.url)
    if wanted.worldcover is not None:
        return _rasters("worldcover", [wanted.worldcover], wanted)
    if wanted.network.offline:
        raise NetworkError("WorldCover's tiles may not be asked for (offline); give --worldcover FILE")
    urls = compare.tile_urls(area, root=wanted.network.endpoints.worldcover)
    return _rasters("worldcover", urls, wanted, source=wanted.network.endpoints.worldcover)


def _from_file(key: str, wanted: LayerOptions) -> Map:
    given = wanted.given(key)
    if given is None:
        name = LEGENDS[key].label.removesuffix(" V1")
        raise ImageError(f"{name} has no public address without an account; export it and give --{key} FILE")
    return _rasters(key, [given], wanted)


def _osm_green(result: Result, wanted: LayerOptions) -> Map:
    city, grid = result.plan.city, result.landcover.grid
    if wanted.osm is not None:
        areas, source = osm.green_areas(city, osm=wanted.osm), str(wanted.osm)
    else:
        areas, source = osm.green_areas_online(city, network=wanted.network), wanted.network.endpoints.overpass[0]
    # Fields first: a meadow drawn over farmland makes the pixel meadow.
    areas = areas.assign(code=[2 if group == "crop" else 1 for group in areas["group"]]).sort_values(
        "code", ascending=False, kind="stable"
    )
    return compare.vector_map(
        _info("osm-green", source),
        LEGENDS["osm-green"],
        shapes=list(areas.geometry.to_crs(str(grid.crs))),
        codes=[int(code) for code in areas["code"]],
        rest=0,
        cropland=wanted.cropland,
    )


def _rasters(key: str, hrefs: Sequence[str], wanted: LayerOptions, *, source: str | None = None) -> Map:
    places = [href if _WEB.match(href) else str(Path(href).absolute()) for href in hrefs]
    return compare.raster_map(
        _info(key, source or hrefs[0]), LEGENDS[key], hrefs=places, read=imagery.map_reader(), cropland=wanted.cropland
    )
