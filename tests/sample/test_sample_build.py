from __future__ import annotations

import hashlib
import threading
from datetime import date
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from howgreen import sample, store
from howgreen.core.errors import StoreError
from howgreen.core.sensors import LANDSAT, SENTINEL2
from howgreen.core.types import Period
from howgreen.sample.sensors_sim import SHOTS
from howgreen.store._verify import verify

build_module = import_module("howgreen.sample.simulation")
SMALL_M = 1200


def digest(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*.tif"))
    }


def test_the_same_seed_makes_the_same_files_and_another_seed_other_ones(small, tmp_path):
    root, _ = small
    sample.build(tmp_path / "again", seed=7, extent_m=SMALL_M)
    sample.build(tmp_path / "other", seed=8, extent_m=SMALL_M)
    first, again, other = digest(root), digest(tmp_path / "again"), digest(tmp_path / "other")
    assert len(first) == 8 * 11 + 2 * 7 + 3
    assert first == again
    assert first.keys() == other.keys()
    assert not set(first.values()) & set(other.values())


def test_the_store_holds_ten_scenes_of_one_growing_season_and_the_city(small):
    root, city = small
    scenes = store.scenes(root)
    season = Period.growing_season(city.boundary.centroid.y, 2024)
    assert sorted(scene.sensor for scene in scenes) == ["landsat"] * 2 + ["sentinel-2"] * 8
    assert all(scene.time.date() in season and scene.synthetic for scene in scenes)
    for scene in scenes:
        sensor = SENTINEL2 if scene.sensor == "sentinel-2" else LANDSAT
        assert set(scene.bands) == {*sensor.band_names, sensor.mask}
    assert {scene.offset for scene in scenes if scene.sensor == "sentinel-2"} == {0.0, -0.1}
    assert {(scene.scale, scene.offset) for scene in scenes if scene.sensor == "landsat"} == {(0.0000275, -0.2)}
    found = store.place(root, "Sampleton")
    assert found is not None
    assert found.synthetic
    assert found.label == "Sampleton (synthetic)"
    assert found.population is not None
    assert found.population.source == "invented"
    assert [d.name for d in found.districts] == [d.name for d in city.districts]
    assert found.boundary.equals_exact(city.boundary, 1e-7)


def test_every_scene_says_how_cloudy_it_is(small):
    root, _ = small
    covers = {scene.time.date(): scene.cloud_cover_pct for scene in store.scenes(root)}
    assert covers[date(2024, 7, 20)] < 4
    assert covers[date(2024, 8, 9)] > 40


def test_an_interrupted_build_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(*_args: object, **_more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(build_module, "put_place", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sample.build(tmp_path / "store", extent_m=600)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_in_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_args: object, **_more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(build_module, "write_truth", full)
    with pytest.raises(StoreError, match="No space left") as caught:
        sample.build(tmp_path / "store", extent_m=600)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_build_refuses_a_folder_that_exists(tmp_path):
    with pytest.raises(StoreError, match="exists already"):
        sample.build(tmp_path)


def test_ensure_builds_once_and_then_only_looks(tmp_path, monkeypatch):
    root = sample.ensure(tmp_path / "cache", extent_m=600)
    monkeypatch.setattr(build_module, "build", None)
    assert sample.ensure(tmp_path / "cache", extent_m=600) == root
    assert sample.truth(root).green_ratio > 0


def test_two_that_come_at_once_get_one_whole_store(tmp_path):
    got: list[Path] = []
    both = [threading.Thread(target=lambda: got.append(sample.ensure(tmp_path, extent_m=600))) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert len(got) == 2
    assert got[0] == got[1]
    assert verify(got[0]) == []
    assert list(tmp_path.iterdir()) == [got[0]]


def test_another_process_that_finishes_first_wins(tmp_path, monkeypatch):
    def beaten(root: Path, **_more: object) -> None:
        root.mkdir()
        raise StoreError("exists already")

    monkeypatch.setattr(build_module, "build", beaten)
    assert sample.ensure(tmp_path).is_dir()


def test_the_leavings_of_a_kill_are_swept_away(tmp_path):
    import os

    old, fresh = tmp_path / ".sampleton-1-7.dead.tmp", tmp_path / ".sampleton-1-7.live.tmp"
    for folder in (old, fresh):
        (folder / "truth").mkdir(parents=True)
    os.utime(old, (0, 0))
    sample.ensure(tmp_path, extent_m=600)
    assert not old.exists()
    assert fresh.exists()


def test_progress_is_told_and_ends_at_its_end(tmp_path):
    told: list[tuple[str, int, int]] = []
    sample.build(tmp_path / "s", extent_m=600, progress=lambda *step: told.append(step))
    assert told[-1] == ("simulating scenes", 10, 10)
    assert all(0 <= done <= total for _, done, total in told)


def test_shots_cover_what_the_sample_promises():
    shots = [shot for _, group in SHOTS for shot in group]
    sentinel = [shot for shot in shots if shot.sensor == "sentinel-2"]
    assert len(sentinel) == 8
    assert len(shots) == 10
    assert sum(shot.split for shot in shots) == 1
    assert np.isclose(min(shot.cover for shot in sentinel), 0.006)
    assert all((shot.baseline == "05.10") == (shot.offset == -0.1) for shot in sentinel)
