"""What this field learned the hard way about catalogues, end to end: plan, search, read over HTTP, composite, ratio.

The numbers are bug reports of other projects; docs/field.md lists them all.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import folium
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer

import asking
from faults import Faults
from howgreen import place
from howgreen.core.errors import HowgreenError, NoImageError
from howgreen.pipeline import city, plan_json
from howgreen.report._rasters import project
from howgreen.store import put_place
from providers import BANDS, Look, provider, provider_with_files

GRID = GeoBox((120, 160), Affine(10, 0, 680_000, 0, -10, 5_150_000), "EPSG:32632")


@pytest.fixture(autouse=True)
def _own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def places(tmp_path: Path) -> Path:
    """A store that knows the place Small, inside GRID, and has no image."""
    shape = GRID.extent.to_crs("EPSG:4326").geom.buffer(-0.0003)
    put_place(tmp_path / "places", place.from_shape(shape, name="Small"))
    return tmp_path / "places"


def noise(seed: int, *, low: int = 200) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {band: rng.integers(low, 4000, GRID.shape) for band in BANDS}


def day(year: int, month: int, number: int, minute: int = 0) -> datetime:
    return datetime(year, month, number, 10, minute, tzinfo=UTC)


def pixels(folder: Path, name: str = "composite.tif") -> np.ndarray:
    with rasterio.open(folder / name) as source:
        return source.read()


def answered(places: Path, catalog: str, out: Path, *, name: str = "Small", period: str) -> city.CityResult:
    result = city.run(asking.plan(name, store=places, catalogs=[catalog], period=period))
    result.save(out)
    return result


def median_on(result: city.CityResult, planes: list[dict[str, np.ndarray]]) -> np.ndarray:
    """The expected reflectance on the result's grid, which is aligned with GRID: (band, y, x)."""
    grid = result.composite.grid
    column = round((grid.affine.c - GRID.affine.c) / 10)
    row = round((GRID.affine.f - grid.affine.f) / 10)
    stack = np.stack([[one[band] for band in result.composite.bands] for one in planes]).astype(float)
    stack[stack == 0] = np.nan
    whole = np.rint(np.nanmedian(stack, axis=0)) / 10_000  # kept in whole steps
    return whole[:, row : row + grid.shape[0], column : column + grid.shape[1]]


REPROCESSED = [
    ("S2A_32TPS_20180601_0_L2A", day(2018, 6, 1), "05.00"),
    ("S2A_32TPS_20180701_0_L2A", day(2018, 7, 1), "02.08"),
    ("S2A_32TPS_20180801_0_L2A", day(2018, 8, 1), "05.00"),
]


def test_torchgeo_3224_pc_134_the_same_scenes_from_two_providers_give_the_same_pixels(places: Path, tmp_path: Path):
    """torchgeo#3224: scenes of 2018 that were reprocessed carry the offset, their neighbours do not.
    PlanetaryComputer#134, earth-search#66: one provider leaves it in, the other takes it out and states it all the same.
    """
    planes = [noise(seed) for seed in range(3)]
    for plane in planes[1].values():
        plane[:, :40] = 0  # the edge of its swath: the 1000 must not make data of it
    looks = [
        Look(id=name, time=time, grid=GRID, bare=bare, baseline=baseline)
        for (name, time, baseline), bare in zip(REPROCESSED, planes, strict=True)
    ]
    for kind in ("earth-search", "planetary-computer"):
        with provider(kind, looks, tmp_path / kind) as catalog:
            result = answered(places, catalog, tmp_path / f"out-{kind}", period="2018-05/2018-09")
        got = result.composite.data["reflectance"].compute(scheduler="synchronous").values
        np.testing.assert_allclose(got, median_on(result, planes), rtol=0, atol=1e-6)
        assert len(result.plan.scenes) == 3
    for name in ("composite.tif", "green_fraction.tif", "green_mask.tif", "landcover.tif"):
        one, other = (pixels(tmp_path / f"out-{kind}", name) for kind in ("earth-search", "planetary-computer"))
        np.testing.assert_array_equal(one, other)


def test_earth_search_25_pc_256_doubles_split_strips_and_half_empty_tiles(places: Path, tmp_path: Path):
    """cirrus-earth-search#4, earth-search#25: items ``_0/_1``, the newest baseline stays.
    PlanetaryComputer#256: halves of a strip both stay; a tile that shows none of the city is no image of it.
    """
    old, new, strip, lone = (noise(seed, low=300) for seed in range(10, 14))
    columns = np.arange(GRID.shape[1])
    west = {band: np.where(columns < 70, plane, 0) for band, plane in strip.items()}
    east = {band: np.where(columns >= 60, plane, 0) for band, plane in strip.items()}
    empty = {band: np.where(columns < 1, plane, 0) for band, plane in lone.items()}
    outline = shapely.geometry.mapping(GRID.extent.to_crs("EPSG:4326").geom)
    looks = [
        Look(id="S2A_32TPS_20240601_1_L2A", time=day(2024, 6, 1), grid=GRID, bare=old, baseline="04.00"),
        Look(id="S2A_32TPS_20240601_0_L2A", time=day(2024, 6, 1), grid=GRID, bare=new),
        Look(id="S2A_32TPS_20240706_0_L2A", time=day(2024, 7, 6), grid=GRID, bare=west),
        Look(id="S2A_32TPS_20240706_1_L2A", time=day(2024, 7, 6), grid=GRID, bare=east),
        Look(id="S2A_32TPS_20240801_0_L2A", time=day(2024, 8, 1), grid=GRID, bare=empty, geometry=outline,
             said={"eo:cloud_cover": 0.0}),
    ]  # fmt: skip
    with provider("planetary-computer", looks, tmp_path / "far") as catalog:
        result = answered(places, catalog, tmp_path / "out", period="2024-05/2024-09")
    used = {scene.id.removeprefix("S2A_32TPS_") for scene in result.plan.scenes}
    assert used == {"20240601_0_L2A", "20240706_0_L2A", "20240706_1_L2A"}
    got = result.composite.data["reflectance"].compute(scheduler="synchronous").values
    np.testing.assert_allclose(got, median_on(result, [new, strip]), rtol=0, atol=1e-4)
    assert (result.composite.data["n_clear"].values == 2).all()


def test_earth_search_29_65_70_gaps_of_one_collection_are_filled_from_the_other(places: Path, tmp_path: Path):
    """earth-search#29, #65, #70: each collection lacks scenes; of one that both have, the first collection's is taken."""
    planes = [noise(seed, low=300) for seed in range(20, 23)]
    second = "sentinel-2-c1-l2a"
    names = ("S2B_T32TPS_20240601T101000_L2A", "S2B_T32TPS_20240701T101000_L2A")
    looks = [
        Look(id="S2B_32TPS_20240601_0_L2A", time=day(2024, 6, 1), grid=GRID, bare=planes[0]),
        Look(id=names[0], time=day(2024, 6, 1), grid=GRID, bare=planes[0], collection=second),
        Look(id=names[1], time=day(2024, 7, 1), grid=GRID, bare=planes[1], collection=second),
        Look(id="S2B_32TPS_20240801_0_L2A", time=day(2024, 8, 1), grid=GRID, bare=planes[2]),
    ]
    with provider("earth-search", looks, tmp_path / "far") as catalog:
        result = answered(places, catalog, tmp_path / "out", period="2024-05/2024-09")
    assert {scene.id: scene.offset for scene in result.plan.scenes} == {looks[0].id: 0, names[1]: -0.1, looks[3].id: 0}
    got = result.composite.data["reflectance"].compute(scheduler="synchronous").values
    np.testing.assert_allclose(got, median_on(result, planes), rtol=0, atol=1e-6)


class Tokens:
    """A signer whose token is a counter."""

    number = 1

    def signed(self, href: str) -> str:
        return f"{href}?sig=secret{self.number}"

    def forget(self, signed: str) -> None:
        if signed.endswith(f"secret{self.number}"):
            self.number += 1


def test_odc_289_a_plan_keeps_no_token_and_runs_after_all_of_them_have_expired(
    places: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """odc-stac#289: tokens last 45 minutes, a plan may wait for days: links are signed when they are read."""
    tokens, bare = Tokens(), noise(30)
    monkeypatch.setattr("howgreen.net._ranges.SIGNERS", {"planetary-computer": tokens})
    look = Look(id="S2A_32TPS_20240601_0_L2A", time=day(2024, 6, 1), grid=GRID, bare=bare)
    with provider_with_files("planetary-computer", [look], tmp_path / "far") as (catalog, files):
        files.fail("token", token="sig=secret1")
        planned = asking.plan("Small", store=places, catalogs=[catalog], period="2024-05/2024-09")
        plan_json.save(planned, tmp_path / "plan.json")
        assert "secret" not in (tmp_path / "plan.json").read_text()
        files.heal()
        files.fail("token", token="sig=secret2")
        result = city.run(city.read_plan(tmp_path / "plan.json"), work=tmp_path / "work")
    assert tokens.number == 2
    got = result.composite.data["reflectance"].compute(scheduler="synchronous").values
    np.testing.assert_allclose(got, median_on(result, [bare]), rtol=0, atol=1e-6)


def test_osmnx_832_a_dead_overpass_costs_districts_and_not_the_ratio(tmp_path: Path):
    """osmnx#832, #445, #1299: Overpass pauses and times out; what OpenStreetMap calls green is optional to the ratio.
    A city by its name, with a hole and an exclave, none of them a bounding box.
    """
    lon, lat = (round(value, 3) for value in GRID.extent.to_crs("EPSG:4326").geom.centroid.coords[0])
    ring = shapely.box(lon - 0.004, lat - 0.002, lon, lat + 0.002)
    hole = shapely.box(lon - 0.003, lat - 0.001, lon - 0.001, lat + 0.001)
    exclave = shapely.box(lon + 0.003, lat, lon + 0.004, lat + 0.002)
    limits = shapely.union_all([ring - hole, exclave])
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "search").write_text(json.dumps([{
        "osm_type": "relation", "osm_id": 7, "lat": str(lat), "lon": str(lon), "category": "boundary",
        "type": "administrative", "place_rank": 16, "addresstype": "city", "name": "Ring", "display_name": "Ring, Here",
        "address": {"country_code": "xx"}, "geojson": shapely.geometry.mapping(limits),
    }]))  # fmt: skip
    look = Look(id="S2A_32TPS_20240601_0_L2A", time=day(2024, 6, 1), grid=GRID, bare=around(hole))
    with (
        provider("earth-search", [look], tmp_path / "far") as catalog,
        Faults(root=tmp_path / "services") as services,
    ):
        table = tmp_path / "endpoints.toml"
        table.write_text(f'nominatim = "{services.url}"\noverpass = ["{services.url}/nobody"]\n')
        result = city.run(asking.plan("Ring, Here", catalogs=[catalog], endpoints=table, period="2024-05/2024-09"))
    assert "without districts: they could not be looked up (Overpass gave no answer" in result.plan.city.note
    assert result.stats.zone_area_m2 == pytest.approx(place.from_shape(limits, name="x").area_m2)
    assert result.stats.observed_ratio == pytest.approx(1)
    assert float(result.landcover.data["green_fraction"].max()) > 0.8
    assert result.stats.green_pixel_ratio == 0  # all the green there is lies in the hole and between the parts


def around(hole: shapely.Polygon) -> dict[str, np.ndarray]:
    """Bare ground, green in a hole and far from the city."""
    xs, ys = np.meshgrid(GRID.affine.c + 5 + 10 * np.arange(160), GRID.affine.f - 5 - 10 * np.arange(120))
    lon, lat = Transformer.from_crs(GRID.crs, "EPSG:4326", always_xy=True).transform(xs, ys)
    inside = shapely.contains_xy(hole.buffer(-2e-4), lon, lat) | (lon > hole.bounds[2] + 0.0015) & (
        lon < hole.bounds[2] + 0.0035
    )
    return {band: np.where(inside, GREEN[band], BARE[band]) for band in BANDS}


def test_stackstac_74_pixels_that_lie_elsewhere_are_an_error_and_not_an_empty_map(places: Path, tmp_path: Path):
    """stackstac#150, #74: an array that came out empty went on as if it were an image."""
    away = GeoBox(GRID.shape, Affine(10, 0, 620_000, 0, -10, 5_150_000), GRID.crs)
    outline = shapely.geometry.mapping(GRID.extent.to_crs("EPSG:4326").geom)
    lies = Look(id="S2A_32TPS_20240601_0_L2A", time=day(2024, 6, 1), grid=away, bare=noise(1), geometry=outline)
    with (
        provider("earth-search", [lies], tmp_path / "far") as catalog,
        pytest.raises(NoImageError) as caught,
    ):
        answered(places, catalog, tmp_path / "out", period="2024-05/2024-09")
    assert isinstance(caught.value, HowgreenError)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


ZONES = {
    "two zones": ("Border", 12.0, 47.0, "EPSG:32632", "EPSG:32633"),
    "antimeridian": ("Suva", 180.0, -18.1, "EPSG:32760", "EPSG:32701"),
}
"""A name, the meridian through the city, a latitude, and the zones west and east of it."""
GREEN = {"blue": 300, "green": 600, "red": 300, "nir": 4500}
BARE = {"blue": 800, "green": 1200, "red": 1700, "nir": 2300}


def tile(zone: str, *, middle: float, meridian: float, latitude: float) -> tuple[GeoBox, np.ndarray]:
    """A tile of 4 km around a point and the degrees of its pixels east of a meridian."""
    x, y = Transformer.from_crs("EPSG:4326", zone, always_xy=True).transform(middle, latitude)
    west, north = 20 * round(x / 20) - 2000, 20 * round(y / 20) + 2000
    grid = GeoBox((400, 400), Affine(10, 0, west, 0, -10, north), zone)
    xs, ys = np.meshgrid(west + 5 + 10 * np.arange(400), north - 5 - 10 * np.arange(400))
    lon, _ = Transformer.from_crs(zone, "EPSG:4326", always_xy=True).transform(xs, ys)
    return grid, (lon - meridian + 180) % 360 - 180


def straddling(kind: str, folder: Path, paint) -> tuple[list[Look], Path]:
    """Two tiles of one pass, of two zones, that overlap at a meridian; one of another date that lies wholly east of it
    (a search that asks only for the western box misses it); and a store that knows the city there.
    """
    name, meridian, latitude, *zones = ZONES[kind]
    reach = 2000 / (111_320 * np.cos(np.radians(latitude))) - 0.003  # the tiles of the pass overlap by 0.006 degrees
    looks = []
    for zone, side, month in ((zones[0], -reach, 6), (zones[1], reach, 6), (zones[1], reach + 0.006, 7)):
        grid, east_deg = tile(zone, middle=meridian + side, meridian=meridian, latitude=latitude)
        looks.append(Look(
            id=f"S2A_{zone[-2:]}KXX_2024{month:02d}01_0_L2A", time=day(2024, month, 1), grid=grid, bare=paint(east_deg),
            tile=f"{zone[-2:]}KXX",
        ))  # fmt: skip
    south, north = latitude - 0.01, latitude + 0.01
    west, east = meridian - 0.02, meridian + 0.01
    parts = [shapely.box(west, south, min(east, 180), north)]
    if east > 180:
        parts.append(shapely.box(-180, south, east - 360, north))
    put_place(folder / "there", place.from_shape(shapely.union_all(parts), name=name))
    return looks, folder / "there"


@pytest.mark.parametrize("kind", ZONES)
def test_stackstac_150_pc_296_a_city_on_two_zones_has_no_seam(kind: str, tmp_path: Path):
    """stackstac#150: two UTM zones in one city. PlanetaryComputer#296: boxes over the antimeridian (Suva, Fiji)."""

    def plane(east_deg: np.ndarray) -> dict[str, np.ndarray]:
        return {band: np.round(2000 + 40_000 * east_deg).astype(int) for band in BANDS}

    looks, there = straddling(kind, tmp_path, plane)
    with provider("earth-search", looks, tmp_path / "far") as catalog:
        result = answered(there, catalog, tmp_path / "out", name=ZONES[kind][0], period="2024-05/2024-09")
    assert len(result.plan.scenes) == 3
    assert result.stats.observed_ratio == pytest.approx(1)
    grid = result.composite.grid
    xs, ys = np.meshgrid(result.composite.data["x"], result.composite.data["y"])
    lon, lat = Transformer.from_crs(str(grid.crs), "EPSG:4326", always_xy=True).transform(xs, ys)
    east_deg = (lon - ZONES[kind][1] + 180) % 360 - 180
    inside = (east_deg > -0.02) & (east_deg < 0.01) & (abs(lat - ZONES[kind][2]) < 0.01)
    got = result.composite.data["reflectance"].compute(scheduler="synchronous").values
    assert inside.sum() > 40_000
    np.testing.assert_allclose(got[0][inside], 0.2 + 4 * east_deg[inside], atol=3e-4)


@pytest.mark.parametrize("kind", ZONES)
def test_pc_296_suva_has_a_ratio(kind: str, tmp_path: Path):
    """Green west of the meridian, bare east of it: two thirds of the city are green."""

    def halves(east_deg: np.ndarray) -> dict[str, np.ndarray]:
        return {band: np.where(east_deg < 0, GREEN[band], BARE[band]) for band in BANDS}

    looks, there = straddling(kind, tmp_path, halves)
    with provider("planetary-computer", looks, tmp_path / "far") as catalog:
        result = answered(there, catalog, tmp_path / "out", name=ZONES[kind][0], period="2024-05/2024-09")
        assert "MiB to read" in plan_json.describe(result.plan)
    assert result.stats.observed_ratio == pytest.approx(1)
    half_px = 0.5 / result.composite.grid.shape[1]  # the meridian runs through pixels that are one thing or the other
    assert result.stats.green_pixel_ratio == pytest.approx(2 / 3, abs=half_px)
    green, bare = (float(value) for value in np.unique(result.landcover.data["green_fraction"].values)[[-1, 0]])
    assert green - bare > 0.8
    assert result.stats.green_ratio == pytest.approx((2 * green + bare) / 3, abs=half_px)
    assert pixels(tmp_path / "out", "green_mask.tif").size < 400 * 400
    south, north = ZONES[kind][2] - 0.01, ZONES[kind][2] + 0.01
    west, east = ((ZONES[kind][1] + shift + 180) % 360 - 180 for shift in (-0.02, 0.01))
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["city"]["bounds"] == pytest.approx([west, south, east, north])
    assert_one_picture_on_a_map(result)


def assert_one_picture_on_a_map(result: city.CityResult) -> None:
    """The outline has no line through the city, and a notebook's map shows the city and not the world."""
    boundary = result.plan.city.boundary
    assert len(shapely.get_parts(project(boundary, result.plan.city.crs))) == 1
    shown = result.explore()
    assert sum(isinstance(child, folium.raster_layers.ImageOverlay) for child in shown._children.values()) == 5
    (_, west), (_, east) = shown.get_bounds()  # of all three
    assert east - west == pytest.approx(0.03, abs=0.003)
