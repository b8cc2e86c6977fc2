"""The whole journey over HTTP: a STAC API that nobody here wrote, a file server with ranges, and faults before both."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
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
from howgreen.core.errors import ImageError, NetworkError, NoImageError
from howgreen.core.sensors import SENSORS
from howgreen.core.stac import Header
from howgreen.core.types import City, Period
from howgreen.net import _ranges
from howgreen.net.endpoints import Endpoints
from howgreen.pipeline import city, image_sources
from howgreen.store import put_place, put_scene

GRID = GeoBox((120, 160), Affine(10, 0, 680_000, 0, -10, 5_150_000), "EPSG:32632")
BANDS = ("blue", "green", "red", "nir")
MAPS = ("composite.tif", "green_fraction.tif", "green_mask.tif", "landcover.tif")


@dataclass(frozen=True)
class World:
    """A store of four dates, and the same behind servers."""

    store: Path
    places: Path
    """A store that knows the place and has no image."""
    files: Faults
    api: Faults


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    base = tmp_path_factory.mktemp("world")
    store, rng = base / "store", np.random.default_rng(3)
    for day in range(1, 5):
        values = {band: rng.integers(200, 4000, GRID.shape).astype(np.uint16) for band in BANDS}
        scl = np.full(GRID.shape, 4, np.uint8)
        scl[:, : 20 * day] = 9
        put_scene(
            store,
            Header(
                id=f"s{day}",
                sensor=SENSORS["sentinel-2"],
                time=datetime(2024, 6, day, 10, tzinfo=UTC),
                scale=1e-4,
                offset=0.0,
                nodata=0,
                synthetic=True,
            ),
            {band: (plane, GRID) for band, plane in {**values, "scl": scl}.items()},
        )
    small = place.from_shape(GRID.extent.to_crs("EPSG:4326").geom.buffer(-0.0003), name="Small")
    put_place(store, small)
    put_place(base / "places", small)
    with (
        Faults(root=base) as files,
        served(natives(store, files=files.url, base=base), base) as url,
        Faults(upstream=url) as api,
    ):
        yield World(store=store, places=base / "places", files=files, api=api)


@pytest.fixture(autouse=True)
def _healed(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    world.files.heal()
    world.api.heal()
    yield
    world.files.heal()
    world.api.heal()


def far(world: World, *more: object) -> list[object]:
    """Options: places from a store without images, images from the catalogue."""
    return ["--store", world.places, "--catalog", world.api.url, "--period", "2024-05/2024-09", *more]


def dead() -> str:
    """An address at which nobody answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def same_maps(one: Path, other: Path) -> None:
    for name in MAPS:
        with rasterio.open(one / name) as here, rasterio.open(other / name) as there:
            np.testing.assert_array_equal(here.read(), there.read())
            assert (here.transform, here.crs) == (there.transform, there.crs)


@pytest.fixture(scope="module")
def at_hand(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The answer from the store itself."""
    folder = tmp_path_factory.mktemp("answer") / "out"
    city.city("Small", store=world.store).save(folder)
    return folder


def test_over_http_every_map_is_the_same_to_the_pixel(world: World, at_hand: Path, tmp_path: Path):
    assert call("city", "Small", *far(world), "--out", tmp_path / "out") == 0
    same_maps(tmp_path / "out", at_hand)
    plan = json.loads((tmp_path / "out/plan.json").read_text())
    assert plan["source"] == world.api.url
    assert all(asset["href"].startswith(world.files.url) for scene in plan["scenes"] for asset in scene["assets"])
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert summary["notes"] == []
    assert summary["provenance"]["radiometry"]["scenes"][0]["offset_why"] == "as the store that serves it states"


def test_a_saved_plan_runs_without_the_catalogue(world: World, at_hand: Path, tmp_path: Path):
    assert call("plan", "Small", *far(world), "--out", tmp_path / "plan.json") == 0
    world.api.fail("refuse")
    assert call("city", "--plan", tmp_path / "plan.json", "--out", tmp_path / "out") == 0
    same_maps(tmp_path / "out", at_hand)


def test_a_silent_catalogue_is_passed_over_and_said(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    nobody = dead()
    asked = ["city", "Small", "--catalog", nobody, *far(world), "--out", tmp_path / "out"]
    assert call(*asked) == 0
    assert (
        f"note: passed over {nobody.removeprefix('http://')}: {nobody}: refuses the connection"
        in capsys.readouterr().out
    )
    notes = json.loads((tmp_path / "out/summary.json").read_text())["notes"]
    assert len(notes) == 1
    assert "passed over" in notes[0]
    assert "passed over" in (tmp_path / "out/report.html").read_text()


def test_a_catalogue_whose_files_fail_is_passed_over(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_ranges, "POLICY", replace(_ranges.POLICY, first_wait_s=0.01))
    other = f"{dead()}/files"
    with served(natives(world.store, files=other, base=world.store.parent), tmp_path) as broken:
        found = asking.plan("Small", store=world.places, catalogs=[broken, world.api.url], period="2024-05/2024-09")
    assert found.source == world.api.url
    assert "refuses the connection" in found.notes[0]


def test_when_nothing_answers_there_is_one_line(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    one, two = dead(), dead()
    asked = ["city", "Small", "--store", world.places, "--catalog", one, "--catalog", two, "--out", tmp_path / "out"]
    assert call(*asked) == 1
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert one in shown
    assert two.removeprefix("http://") in shown
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 503, "times": 2},
        {"kind": "status", "status": 429, "times": 2, "headers": {"Retry-After": "0"}},
        {"kind": "refuse", "times": 1},
        {"kind": "drop", "match": "search", "times": 1},
    ],
    ids=["5xx burst", "429", "refused once", "dropped"],
)
def test_a_catalogue_that_stumbles_is_asked_again(world: World, fault: dict):
    expected = asking.plan("Small", store=world.places, catalogs=[world.api.url], period="2024")
    world.api.fail(**fault)
    assert asking.plan("Small", store=world.places, catalogs=[world.api.url], period="2024") == expected


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 401},
        {"kind": "garbage", "match": "search"},
        {"kind": "drop", "match": "search"},
    ],
    ids=["always 500", "401", "garbage", "always dropped"],
)
def test_a_catalogue_that_stays_broken_is_one_clear_line(world: World, fault: dict, capsys: pytest.CaptureFixture[str]):
    world.api.fail(**fault)
    assert call("plan", "Small", *far(world)) == 1
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert world.api.url in shown


@pytest.fixture
def kept_plan(world: World, tmp_path: Path) -> Path:
    """A plan made while all was well."""
    assert call("plan", "Small", *far(world), "--out", tmp_path / "plan.json") == 0
    return tmp_path / "plan.json"


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 503, "times": 3},
        {"kind": "status", "status": 429, "times": 3, "headers": {"Retry-After": "0"}},
        {"kind": "drop", "times": 3},
        {"kind": "refuse", "times": 3},
        {"kind": "short", "times": 3},
    ],
    ids=["5xx burst", "429", "dropped in mid-read", "refused", "truncated"],
)
def test_files_that_stumble_end_in_the_right_answer(
    world: World, kept_plan: Path, at_hand: Path, tmp_path: Path, fault: dict
):
    world.files.fail(**fault)
    assert call("city", "--plan", kept_plan, "--out", tmp_path / "out") == 0
    same_maps(tmp_path / "out", at_hand)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 404, "match": "s2/nir"},
        {"kind": "etag", "match": "s2/nir", "after": 1},
        {"kind": "grown", "match": "s2/nir", "after": 1},
        {"kind": "status", "status": 403, "match": "s2/nir"},
    ],
    ids=["gone", "another ETag in mid-run", "another size in mid-run", "forbidden"],
)
def test_files_that_stay_broken_are_one_line_and_a_rerun_goes_on(
    world: World, kept_plan: Path, at_hand: Path, tmp_path: Path, fault: dict, capsys: pytest.CaptureFixture[str]
):
    world.files.fail(**fault)
    assert call("city", "--plan", kept_plan, "--out", tmp_path / "out") == 1
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert f"{world.files.url}/store/sentinel-2-l2a/s2/nir" in shown
    assert not (tmp_path / "out").exists()
    world.files.heal()
    assert call("city", "--plan", kept_plan, "--out", tmp_path / "out") == 0
    same_maps(tmp_path / "out", at_hand)


def test_no_clear_image_in_a_catalogue_says_what_there_was(world: World, capsys: pytest.CaptureFixture[str]):
    assert call("plan", "Small", *far(world)[:-2], "--period", "1999") == 1
    assert "1999" in capsys.readouterr().err


def test_choosing_reads_overviews_of_the_mask_and_of_other_files_the_head(world: World):
    found = asking.plan("Small", store=world.places, catalogs=[world.api.url], period="2024")
    bands = [line.split()[1] for line in world.files.count()["lines"] if "/scl" not in line]
    assert len(bands) == len(set(bands)) == len(found.scenes) * len(found.bands)


def shown_but(world: World, *lost: str) -> np.ndarray:
    """The composite of the store without some scenes, by hand."""
    whole = asking.plan("Small", store=world.store, period="2024-05/2024-09")
    used = tuple(scene for scene in (*whole.scenes, *whole.passed_over) if scene.id not in lost)
    found = city.run(replace(whole, scenes=used, passed_over=()))
    return found.composite.data["reflectance"].values


@pytest.mark.parametrize(
    "fault", [{"match": "s2/nir"}, {"match": "s2/scl"}, {"match": "s2/nir", "status": 403}], ids=["band", "mask", "403"]
)
def test_one_missing_file_loses_one_date_and_not_the_run(world: World, fault: dict):
    """cirrus-earth-search#18, #20, #22: an item without one of its files; 403 where a bucket may not be listed."""
    world.files.fail(**({"kind": "status", "status": 404} | fault))
    network = city.Network()
    where = place.find("Small", stores=[world.places])
    found = city.city(where, images=city.Catalogs(world.api.url), period="2024-05/2024-09", network=network)
    assert {scene.id for scene in found.plan.scenes} == {"s1", "s3", "s4"}
    (told,) = [one.text for one in found.warnings if one.code == "image-left-out"]
    assert told.startswith(f"image s2 was left out: {world.files.url}/store/sentinel-2-l2a/s2/")
    assert f"HTTP {fault.get('status', 404)}" in told
    np.testing.assert_array_equal(found.composite.data["reflectance"].values, shown_but(world, "s2"))


def test_files_that_are_all_gone_are_the_catalogues_fault_and_one_line(
    world: World, capsys: pytest.CaptureFixture[str]
):
    world.files.fail("status", status=404, match="nir")
    assert call("city", "Small", *far(world), "--out", "never") == 1
    shown = capsys.readouterr().err
    assert "has no such page (HTTP 404)" in shown
    assert shown.count("\n") == 1


def test_when_reading_fails_in_the_end_the_next_catalogue_is_read(world: World, at_hand: Path, tmp_path: Path):
    """The plan was good, and the files went while they were read."""
    base = world.store.parent
    with (
        Faults(root=base) as dying,
        served(natives(world.store, files=dying.url, base=base), tmp_path) as first,
    ):
        dying.fail("status", status=404, match="nir", after=4)  # the heads are still there
        asked = ["city", "Small", "--catalog", first, *far(world), "--out", tmp_path / "out"]
        assert call(*asked) == 0
    same_maps(tmp_path / "out", at_hand)
    assert json.loads((tmp_path / "out/plan.json").read_text())["source"] == world.api.url
    assert "passed over" in json.loads((tmp_path / "out/summary.json").read_text())["notes"][0]


def test_a_scene_that_contradicts_itself_is_left_out_and_said(world: World, tmp_path: Path):
    """earth-search#66, #71: one flag of four is wrong, and its offset would be taken off twice."""
    store = tmp_path / "store"
    shutil.copytree(world.store, store)
    values = {band: np.full(GRID.shape, 500, np.uint16) for band in BANDS}
    clear = {"scl": (np.full(GRID.shape, 4, np.uint8), GRID)}
    put_scene(store, Header(id="wrong", sensor=SENSORS["sentinel-2"], time=datetime(2024, 6, 9, 10, tzinfo=UTC), scale=1e-4, offset=-0.1, nodata=0, synthetic=True), {band: (plane, GRID) for band, plane in values.items()} | clear)  # fmt: skip
    found = city.city("Small", store=store, period="2024-05/2024-09")
    (told,) = [one.text for one in found.warnings if one.code == "image-left-out"]
    assert told.startswith("image wrong was left out: scene wrong: offset -0.1 contradicts its pixels")
    assert {scene.id for scene in found.plan.scenes} == {"s1", "s2", "s3", "s4"}
    np.testing.assert_array_equal(found.composite.data["reflectance"].values, shown_but(world))
    with pytest.raises(ImageError, match=r"scene wrong: offset -0\.1 contradicts its pixels"):
        city.city("Small", store=store, period="2024-06-09/2024-06-09")


def test_a_file_that_cannot_be_decoded_loses_its_date(world: World):
    """It was there when the plan was made: what is wrong with it shows when its tiles are read."""
    where = place.find("Small", stores=[world.places])
    planned = asking.plan("Small", store=world.places, catalogs=[world.api.url], period="2024-05/2024-09")
    world.files.fail("garbage", match="s2/nir", after=1)
    found = city.run(planned)
    (told,) = [one.text for one in found.warnings if one.code == "image-left-out"]
    assert told.startswith(f"image s2 was left out: {world.files.url}/store/sentinel-2-l2a/s2/nir")
    assert "cannot be read" in told
    world.files.heal()
    np.testing.assert_array_equal(found.composite.data["reflectance"].values, shown_but(world, "s2"))
    whole = asking.plan("Small", store=world.store, period="2024-05/2024-09")
    assert where.id == whole.city.id


def test_what_was_fetched_for_the_plan_is_not_fetched_again_for_the_run(world: World):
    where = place.find("Small", stores=[world.places])
    city.city(where, images=city.Catalogs(world.api.url), period="2024-05/2024-09")
    lines = world.files.count()["lines"]
    assert len(lines) == len(set(lines))


def test_offline_asks_nobody(world: World, capsys: pytest.CaptureFixture[str]):
    assert call("plan", "Small", *far(world, "--offline")) == 1
    assert "leave --offline out" in capsys.readouterr().err
    assert call("plan", "Small", "--store", world.places, "--offline") == 1
    assert world.api.count()["requests"] == 0


def test_a_file_of_endpoints_replaces_the_catalogues_addresses(world: World, tmp_path: Path):
    table = tmp_path / "endpoints.toml"
    table.write_text(f'[catalogs]\nearth-search = "{world.api.url}"\n')
    found = asking.plan("Small", store=world.places, catalogs=["earth-search"], period="2024", endpoints=table)
    assert found.source == world.api.url


def test_the_plan_tells_bytes_and_waiting_time(world: World, capsys: pytest.CaptureFixture[str]):
    assert call("plan", "Small", *far(world)) == 0
    assert f"MiB to read from {world.api.url}: 0 s at 50 Mbit/s" in capsys.readouterr().out


CATALOG = Endpoints().catalog("earth-search")


@pytest.fixture
def small(world: World) -> City:
    return place.find("Small", stores=[world.places])


def test_where_no_store_shows_the_place_the_catalogues_are_asked_season_by_season(small: City, world: World):
    sources = list(
        image_sources.image_sources(
            small,
            root=world.places,
            named=False,
            catalogs=[CATALOG],
            period=None,
            sensor="sentinel-2",
            today=date(2026, 6, 15),
        )
    )  # the season of 2026 began on 1 May: too young
    assert [(source.catalog, source.period.start.year) for source in sources] == [
        (CATALOG, 2025),
        (CATALOG, 2024),
        (CATALOG, 2023),
    ]


def test_a_store_that_shows_the_place_comes_before_the_catalogues(small: City, world: World):
    asked = {"root": world.store, "catalogs": [CATALOG], "sensor": "sentinel-2"}
    sources = list(image_sources.image_sources(small, named=False, period=None, **asked))
    assert (sources[0].root, sources[0].period) == (world.store, Period.parse("2024-05/2024-09"))
    assert all(source.catalog == CATALOG for source in sources[1:])
    (only,) = image_sources.image_sources(small, named=True, period=Period.parse("1999"), **asked)
    assert only.root == world.store
    (other,) = image_sources.image_sources(small, named=False, period=Period.parse("1999"), **asked)
    assert other.catalog == CATALOG


def test_the_line_that_tells_most_is_shown(small: City):
    failed = image_sources.Failures("Small")
    for error in (NetworkError("silent"), NoImageError("nothing there")):
        with failed.recorded(image_sources.ImageSource(period=Period.parse("2024"), catalog=CATALOG)):
            raise error
    assert str(failed.error()) == "nothing there (also tried: Earth Search, without an answer)"
    assert failed.rules_out(image_sources.ImageSource(period=Period.parse("2023"), catalog=CATALOG))
