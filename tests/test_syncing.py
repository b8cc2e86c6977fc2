"""What a sync keeps answers offline as the network did; stopped anywhere, the store verifies and the next run goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

import asking
from catalogue import natives, served
from command_line import call
from faults import Faults
from howgreen import place
from howgreen.core.errors import NetworkError, StoreError
from howgreen.core.sensors import SENSORS
from howgreen.core.stac import Header
from howgreen.core.types import Plan
from howgreen.net import _ranges
from howgreen.pipeline import sync
from howgreen.store import place as place_of
from howgreen.store import places, put_place, put_scene, scenes, verify

SIDE = 1200
FINE = GeoBox((SIDE, SIDE), Affine(10, 0, 680_000, 0, -10, 5_150_000), "EPSG:32632")
COARSE = GeoBox((SIDE // 2, SIDE // 2), Affine(20, 0, 680_000, 0, -20, 5_150_000), "EPSG:32632")
INSIDE = GeoBox((90, 130), Affine(10, 0, 686_500, 0, -10, 5_144_000), "EPSG:32632")
BANDS = ("blue", "green", "red", "nir")
MAPS = ("composite.tif", "green_fraction.tif", "green_mask.tif", "landcover.tif")


@dataclass(frozen=True)
class World:
    store: Path
    """Large scenes: the city is a corner of them."""
    places: Path
    files: Faults
    api: str


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    base = tmp_path_factory.mktemp("world")
    rng = np.random.default_rng(3)
    for day in range(1, 4):
        rasters = {band: (rng.integers(1300, 4000, FINE.shape).astype(np.uint16), FINE) for band in BANDS}
        scl = np.full(COARSE.shape, 4, np.uint8)
        scl[:, : 100 * day] = 9
        put_scene(base / "store", Header(id=f"s{day}", sensor=SENSORS["sentinel-2"], time=datetime(2024, 6, day, 10, tzinfo=UTC), scale=1e-4, offset=-0.1, nodata=0, baseline="05.10"), rasters | {"scl": (scl, COARSE)})  # fmt: skip
    area = INSIDE.extent.to_crs("EPSG:4326").geom.buffer(-0.0003)
    put_place(base / "places", place.from_shape(area, name="Small"))
    with Faults(base) as files, served(natives(base / "store", files=files.url, base=base), base) as api:
        yield World(store=base / "store", places=base / "places", files=files, api=api)


@pytest.fixture(autouse=True)
def _alone(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(_ranges, "POLICY", replace(_ranges.POLICY, first_wait_s=0.01))
    world.files.heal()


@pytest.fixture
def planned(world: World) -> Plan:
    return asking.plan("Small", store=world.places, catalogs=[world.api], period="2024")


def test_after_a_sync_the_answer_needs_no_network_and_is_the_same(world: World, tmp_path: Path, capsys):
    root = tmp_path / "shelf"
    put_place(root, places(world.places)[0])
    far = ["Small", "--period", "2024", "--catalog", world.api, "--model", "ndvi"]
    assert call("city", *far, "--store", world.places, "--out", tmp_path / "far") == 0
    assert call("store", "sync", *far, "--store", root) == 0
    assert "3 scenes fetched, 0 there already" in capsys.readouterr().out
    world.files.heal()
    assert call("city", "Small", "--model", "ndvi", "--store", root, "--offline", "--out", tmp_path / "near") == 0
    assert world.files.count()["requests"] == 0
    for name in MAPS:
        with rasterio.open(tmp_path / "far" / name) as there, rasterio.open(tmp_path / "near" / name) as here:
            np.testing.assert_array_equal(here.read(), there.read())
    ratios = [json.loads((tmp_path / where / "summary.json").read_text())["green_ratio"] for where in ("far", "near")]
    assert ratios[0] == ratios[1]
    assert call("store", "verify", "--store", root) == 0


def test_what_is_kept_is_the_files_own_pixels(world: World, planned: Plan, tmp_path: Path):
    sync.sync(planned, root=tmp_path / "shelf")
    originals = {scene.id: scene for scene in scenes(world.store)}
    for scene in scenes(tmp_path / "shelf"):
        assert (scene.scale, scene.offset, scene.nodata) == (1e-4, -0.1, 0)
        for asset in scene.assets:
            with rasterio.open(asset.href) as here, rasterio.open(originals[scene.id].asset(asset.band).href) as there:
                left, top = (round(v) for v in ~there.transform @ (here.transform.c, here.transform.f))
                assert (top % 512, left % 512) == (0, 0)
                assert here.shape < there.shape
                assert (here.dtypes, here.nodata, here.crs) == (there.dtypes, there.nodata, there.crs)
                window = rasterio.windows.Window(left, top, here.width, here.height)
                np.testing.assert_array_equal(here.read(1), there.read(1, window=window))
                assert here.overviews(1) or max(here.shape) <= 512
        properties = scene.native["properties"]
        assert properties["howgreen:hrefs"]["red"].startswith(world.files.url)
        assert set(properties["howgreen:states"]) == {asset.band for asset in scene.assets}


def test_a_second_sync_fetches_nothing(world: World, planned: Plan, tmp_path: Path):
    first = sync.sync(planned, root=tmp_path / "shelf")
    world.files.heal()
    second = sync.sync(planned, root=tmp_path / "shelf")
    assert (first.present, second.fetched) == ((), ())
    assert set(second.present) == set(first.fetched)
    assert world.files.count()["requests"] == 0


def test_a_broken_sync_goes_on_at_the_missing_band(world: World, planned: Plan, tmp_path: Path):
    root = tmp_path / "shelf"
    world.files.fail("status", status=404, match="/s2/nir", after=1)
    with pytest.raises(NetworkError, match=r"nir\.tif"):
        sync.sync(planned, root=root)
    assert verify(root) == []
    before = {scene.id for scene in scenes(root)}
    kept = {path.parent.name + "/" + path.name.partition("-")[0] for path in root.glob(".parts/*/*.tif")}
    assert "s2/blue" in kept
    assert "s2/nir" not in kept
    world.files.heal()
    done = sync.sync(planned, root=root)
    assert set(done.present) == before
    lines = world.files.count()["lines"]
    assert not any(f"/{one}/" in line for one in before for line in lines)
    assert sum("/s2/blue" in line for line in lines) == 1  # its head only
    assert verify(root) == []
    assert not (root / ".parts").exists()


def test_killed_at_any_moment_the_store_verifies_and_the_next_run_finishes(world: World, planned: Plan, tmp_path: Path):
    root, code = (
        tmp_path / "shelf",
        (
            "import sys; from pathlib import Path; from howgreen import pipeline; from howgreen.pipeline import sync as syncing;"
            "syncing.sync(pipeline.read_plan(sys.argv[1]), root=Path(sys.argv[2]))"
        ),
    )
    from howgreen.pipeline import plan_json

    plan_json.save(planned, tmp_path / "plan.json")
    world.files.fail("slow", seconds=0.05)
    for wait_s in (1.2, 1.6, 2.0):
        run = subprocess.Popen([sys.executable, "-c", code, tmp_path / "plan.json", root], stderr=subprocess.DEVNULL)
        time.sleep(wait_s)
        os.kill(run.pid, signal.SIGKILL)
        run.wait(10)
        assert not (root / "catalog.json").exists() or verify(root) == []
    sync.sync(planned, root=root)
    assert verify(root) == []
    assert {scene.id for scene in scenes(root)} == {scene.id for scene in planned.scenes}


def test_another_citys_part_of_a_scene_stays(world: World, planned: Plan, tmp_path: Path):
    root = tmp_path / "shelf"
    sync.sync(planned, root=root)
    corner = GeoBox((90, 130), Affine(10, 0, 681_000, 0, -10, 5_149_000), "EPSG:32632")
    other = place.from_shape(corner.extent.to_crs("EPSG:4326").geom.buffer(-0.0003), name="Other")
    put_place(world.places, other)
    second = asking.plan("Other", store=world.places, catalogs=[world.api], period="2024")
    sync.sync(second, root=root)
    assert sync.sync(planned, root=root).fetched == ()
    assert verify(root) == []
    assert {city.name for city in places(root)} == {"Small", "Other"}
    with rasterio.open(scenes(root)[0].asset("red").href) as whole:
        assert whole.shape == (1024, 1024)


def test_a_scene_that_was_added_from_files_is_not_replaced(world: World, planned: Plan):
    with pytest.raises(StoreError, match="was added from files; sync into another store"):
        sync.sync(planned, root=world.store)


def test_a_scene_that_shows_nothing_is_not_kept(planned: Plan, tmp_path: Path):
    nothing = replace(planned.scenes[0], id="nothing", covered_pct=0.0)
    done = sync.sync(replace(planned, passed_over=(nothing,)), root=tmp_path / "shelf", everything=True)
    assert done.empty == ("nothing",)
    assert "nothing" not in {scene.id for scene in scenes(tmp_path / "shelf")}


def test_a_changed_file_is_one_error(world: World, planned: Plan, tmp_path: Path):
    world.files.fail("etag", match="/s1/red", after=1)
    with pytest.raises(NetworkError, match="has changed while it was read"):
        sync.sync(planned, root=tmp_path / "shelf")
    assert verify(tmp_path / "shelf") == []


def test_two_places_of_one_name_stay_beside_each_other(world: World, tmp_path: Path):
    city = places(world.places)[0]
    one, two = (replace(city, name="Frankfurt", label=label, id=label) for label in ("osm:R1", "osm:R2"))
    files = [put_place(tmp_path / "shelf", city) for city in (one, two, one)]
    assert [file.name for file in files] == ["frankfurt.geojson", "frankfurt-2.geojson", "frankfurt.geojson"]
    assert {city.id for city in places(tmp_path / "shelf")} == {"osm:R1", "osm:R2"}
    assert place_of(tmp_path / "shelf", "osm:R2").id == "osm:R2"


def test_two_syncs_of_one_plan_into_one_store_both_end_well(planned: Plan, tmp_path: Path):
    """They shared their scratch, and the first to end took it from under the other: 8 of 8 times one failed."""
    planned.save(tmp_path / "plan.json")
    command = [sys.executable, "-m", "howgreen.cli", "store", "sync", "--plan", "plan.json", "--store", "shelf"]
    both = [
        subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    told = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert sorted("3 scenes fetched" in out for out, _ in told) == [False, True]
    assert sorted("3 there already" in out for out, _ in told) == [False, True]
    assert call("store", "verify", "--store", tmp_path / "shelf") == 0
