"""A plan runs where its store lies now: another folder, another computer."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

import howgreen
from command_line import call as run
from howgreen.core.errors import PlanError, StoreError
from howgreen.pipeline._rebase import rebased
from towns import GRASS, GRID, put_image, put_town


@pytest.fixture
def store(tmp_path: Path) -> Path:
    rng = np.random.default_rng(5)
    for day in (1, 9):
        numbers = {band: rng.integers(300, 4000, GRID.shape) for band in GRASS}
        put_image(tmp_path / "shelf", f"s{day}", datetime(2024, 6, day, 10, tzinfo=UTC), numbers)
    put_town(tmp_path / "shelf")
    return tmp_path / "shelf"


@pytest.fixture
def saved(store: Path, tmp_path: Path) -> Path:
    howgreen.plan("Small", store=store).save(tmp_path / "plan.json")
    return tmp_path / "plan.json"


def test_a_plan_runs_with_a_moved_store_and_gives_the_same_answer(store: Path, saved: Path, tmp_path: Path):
    before = howgreen.run(howgreen.Plan.load(saved)).stats
    moved = shutil.move(store, tmp_path / "another computer")
    plan = howgreen.Plan.load(saved, store=moved)
    assert plan.source == str(moved)
    assert all(asset.href.startswith(str(moved)) for scene in plan.scenes for asset in scene.assets)
    assert howgreen.run(plan).stats == before
    assert run("city", "--plan", saved, "--store", moved, "--out", tmp_path / "out") == 0
    assert (tmp_path / "out" / "summary.json").exists()
    # Whatever takes a plan takes the place of its store, also where a report holds the plan; no service is needed for it.
    assert run("sample", "--plan", saved, "--store", moved, "--out", tmp_path / "sample") == 0
    assert run("city", "--plan", tmp_path / "out" / "plan.json", "--offline", "--out", tmp_path / "again") == 0


def test_a_plan_of_the_web_is_not_run_offline(saved: Path, tmp_path: Path, capsys):
    away = json.loads(saved.read_text(encoding="utf-8")) | {"source": "https://example.org/v1"}
    (tmp_path / "away.json").write_text(json.dumps(away), encoding="utf-8")
    assert run("city", "--plan", tmp_path / "away.json", "--offline", "--out", tmp_path / "out") == 2
    assert "the images of this plan lie on the web: leave --offline out" in capsys.readouterr().err


def test_what_a_report_decides_is_not_called_a_plan_that_nobody_typed(saved: Path, tmp_path: Path, capsys):
    assert run("city", "--plan", saved, "--out", tmp_path / "out") == 0
    (tmp_path / "people.tif").touch()
    given = ("--report", tmp_path / "out", "--population", tmp_path / "people.tif", "--period", "2024")
    assert run("people", *given) == 2
    assert "--report has a plan that decides everything: leave --period out" in " ".join(
        capsys.readouterr().err.split()
    )


def test_without_its_store_a_plan_says_how_to_name_it(store: Path, saved: Path, tmp_path: Path, capsys):
    store.rename(tmp_path / "gone")
    assert run("city", "--plan", saved, "--out", tmp_path / "out") == 1
    told = capsys.readouterr().err
    assert "--plan FILE --store FOLDER" in told
    assert not (tmp_path / "out").exists()


def test_files_are_known_by_their_bytes_and_not_by_their_names(store: Path, saved: Path, tmp_path: Path):
    plan = howgreen.Plan.load(saved)
    other = tmp_path / "other"
    for day in (1, 9):  # the same names, other bytes
        put_image(other, f"s{day}", datetime(2024, 6, day, 10, tzinfo=UTC), dict.fromkeys(GRASS, 700))
    with pytest.raises(PlanError, match=r"holds no file of .* of s[19] with checksum"):
        rebased(plan, other)
    with pytest.raises(StoreError):
        rebased(plan, tmp_path / "nothing")


def test_images_on_the_web_stay_where_they_are(store: Path, saved: Path):
    plan = howgreen.Plan.load(saved)
    far = [
        replace(scene, assets=tuple(replace(asset, href="https://far.example/x.tif") for asset in scene.assets))
        for scene in plan.scenes
    ]
    away = replace(plan, scenes=tuple(far), source="https://far.example")
    assert rebased(away, store) == away


def test_a_file_without_checksum_is_not_guessed(store: Path, saved: Path):
    plan = howgreen.Plan.load(saved)
    bare = tuple(
        replace(scene, assets=tuple(replace(asset, sha256=None) for asset in scene.assets)) for scene in plan.scenes
    )
    with pytest.raises(PlanError, match="no checksum"):
        rebased(replace(plan, scenes=bare), store)
