"""The journey on a city of a few hundred pixels: what a run remembers, and what it refuses."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import threading
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from click.testing import CliRunner

from howgreen import place
from howgreen.cli import howgreen as command
from howgreen.core.errors import ContradictionError, HowgreenError, NoImageError, PlanError
from howgreen.pipeline import city, locks, plan_json, workdir
from howgreen.pipeline.inputs import Store
from towns import GRASS, GRID, put_image, put_town

BANDS = ("blue", "green", "red", "nir")


def _add(root: Path, day: int, *, bands: tuple[str, ...] = BANDS) -> Path:
    """A scene of grass; returns the file of its last band."""
    put_image(root, f"s{day}", datetime(2024, 6, day, 10, tzinfo=UTC), {band: GRASS[band] for band in bands})
    return root / "sentinel-2-l2a" / f"s{day}" / f"{bands[-1]}.tif"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    root = tmp_path / "store"
    _add(root, 1)
    put_town(root)
    return root


def _darken(file: Path) -> None:
    """Turn grass into asphalt in place: the same size and catalogue, other pixels."""
    with rasterio.open(file, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as dataset:
        dataset.write(np.full(dataset.shape, 900, np.uint16), 1)


def test_an_image_replaced_in_place_is_read_anew(store: Path, tmp_path: Path):
    before = city.plan("Small", store=store)
    unsized = dataclasses.replace(
        before,
        scenes=tuple(
            dataclasses.replace(s, assets=tuple(dataclasses.replace(a, size_bytes=None) for a in s.assets))
            for s in before.scenes
        ),
    )
    green = city.run(unsized, work=tmp_path / "work").stats.green_ratio
    _darken(store / "sentinel-2-l2a/s1/nir.tif")
    grey = city.run(unsized, work=tmp_path / "work").stats.green_ratio
    assert green is not None
    assert green > 0.5
    assert grey != green


def test_a_file_of_another_size_than_catalogued_is_refused(store: Path, tmp_path: Path):
    planned = city.plan("Small", store=store)
    file = store / "sentinel-2-l2a/s1/nir.tif"
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(PlanError, match=r"nir\.tif: has \d+ bytes, but \d+.*store verify"):
        city.run(planned, work=tmp_path / "work")


def test_a_scene_that_no_model_can_use_does_not_spoil_the_others(store: Path):
    _add(store, 2, bands=("red", "nir"))
    planned = city.plan("Small", store=store)
    assert [scene.id for scene in planned.scenes] == ["s1"]
    assert [scene.id for scene in planned.passed_over] == ["s2"]


def test_a_model_file_is_planned_by_a_path_that_holds_from_any_folder(store: Path, tmp_path, monkeypatch):
    from howgreen import landcover

    monkeypatch.chdir(tmp_path)
    Path("mine").write_bytes(landcover.load_model("ndvi").path.read_bytes())
    assert city.plan("Small", store=store, model="mine").model == str(tmp_path / "mine")
    assert city.plan("Small", store=store, model="ndvi").model == "ndvi"


def test_where_only_another_sensor_has_images_it_is_proposed(store: Path):
    with pytest.raises(NoImageError, match="Try --sensor sentinel-2 --period 2024-06-01, 100 % clear"):
        city.plan("Small", store=store, sensor="landsat")


def test_what_is_asked_beside_a_plan_is_refused(store: Path, tmp_path: Path):
    file = tmp_path / "plan.json"
    plan_json.save(city.plan("Small", store=store), file)
    found = CliRunner().invoke(command, ["city", "Other", "--plan", str(file), "--period", "2020"])
    assert found.exit_code == 2
    assert "leave --period, NAME out" in found.output


def test_blocks_that_a_process_still_reads_are_not_deleted(tmp_path: Path):
    locks.hold(tmp_path / "run")
    other = [
        sys.executable,
        "-c",
        "import sys, pathlib, howgreen.pipeline.locks as h; h.discard(pathlib.Path(sys.argv[1]))",
    ]
    subprocess.run([*other, str(tmp_path / "run")], check=True)
    assert (tmp_path / "run").exists()
    locks.release(tmp_path / "run")
    subprocess.run([*other, str(tmp_path / "run")], check=True)
    assert not (tmp_path / "run").exists()


def test_limits_with_latitude_and_longitude_exchanged_are_noticed_by_the_images(store: Path):
    area = GRID.extent.to_crs("EPSG:4326").geom.buffer(-0.0003)
    turned = shapely.transform(area, lambda xy: xy[:, ::-1])
    with pytest.raises(NoImageError, match="shows it with latitude and longitude exchanged"):
        city.plan(place.from_shape(turned, name="Turned"), images=Store(store))
    with pytest.raises(NoImageError, match="none of any date"):
        city.plan(place.from_shape(shapely.box(50, 20, 50.01, 20.01), name="Far"), images=Store(store))


def test_blocks_that_another_process_deletes_meanwhile_are_no_error(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
):
    plan, gone = city.plan("Small", store=store), tmp_path / "work" / ("0" * 20)
    monkeypatch.setattr(Path, "glob", lambda *_: iter([gone]))
    assert workdir.work_folder(plan, tmp_path / "work").parent == tmp_path / "work"


def test_a_scale_that_was_edited_by_hand_is_no_answer(store: Path):
    """Times two moved the ratio by a point, an offset of 0.2 in one band by nine, without a word."""
    (file,) = store.glob("sentinel-2-l2a/s1/s1.json")
    item = json.loads(file.read_text())
    for band, edited in (("red", {"scale": 2e-4}), ("nir", {"offset": 0.2})):
        changed = json.loads(json.dumps(item))
        changed["assets"][band]["raster:bands"][0].update(edited)
        file.write_text(json.dumps(changed))
        with pytest.raises(HowgreenError, match=f"of band {band}, its file 0.0001 and 0: one of the two was edited"):
            city.run(city.plan("Small", images=Store(store)))


def test_a_scene_that_contradicts_itself_ends_the_work_that_has_begun(store: Path, tmp_path: Path, monkeypatch):
    plan = city.plan("Small", images=Store(store))
    begun = threading.Event()

    def refused(plan: plan_json.Plan) -> dict[str, object]:
        begun.wait(30)  # pixels are looked at beside the work, not before it
        raise ContradictionError("scene s1: offset 0 contradicts its pixels", scene="s1")

    def classified(*arguments: object, **named: object) -> object:
        begun.set()
        return kept(*arguments, **named)

    kept = city.kept
    monkeypatch.setattr(city, "provenance", refused)
    monkeypatch.setattr(city, "kept", classified)
    told: list[tuple[str, int, int]] = []
    with pytest.raises(ContradictionError, match="s1: offset 0 contradicts"):
        city.run(plan, work=tmp_path / "work", progress=lambda *step: told.append(step))
    assert not any(stage == "measure" for stage, _, _ in told)


def test_progress_ends_with_what_fails_beside_it():
    checked: Future[None] = Future()
    told: list[int] = []
    tell = city._stopped_by(checked, lambda stage, done, total: told.append(done))
    tell("composite and land cover", 1, 3)
    checked.set_exception(ContradictionError("scene s1", scene="s1"))
    with pytest.raises(ContradictionError):
        tell("composite and land cover", 2, 3)
    assert told == [1]
