"""Sampleton a year before: what changed is exactly known, and `change` finds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from howgreen import sample
from howgreen.net.network import Network
from howgreen.pipeline import change, planning
from howgreen.pipeline.inputs import Store
from howgreen.store import place, scenes


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample.ensure(tmp_path_factory.mktemp("cache"), extent_m=2400)


def test_the_earlier_year_joins_once_and_changes_are_counted(root: Path):
    before = {scene.id for scene in scenes(root)}
    assert all(scene.time.year == 2024 for scene in scenes(root))
    found = sample.ensure_earlier(root)
    assert found is not None
    assert found.lost_m2 > 0
    assert found.built
    added = [scene for scene in scenes(root) if scene.id not in before]
    assert {scene.time.year for scene in added} == {2023}
    assert all(scene.synthetic for scene in added)
    assert sample.ensure_earlier(root) == found
    assert len(scenes(root)) == len(before) + len(added)


def test_only_the_sample_has_an_earlier_year(tmp_path: Path):
    assert sample.ensure_earlier(tmp_path) is None


def test_change_finds_what_was_built_and_planted(root: Path, tmp_path: Path):
    city = place(root, "Sampleton")
    assert city is not None
    pair = change.answers(city, ("2023", "2024"), Store(root), planning.Choice(), network=Network(offline=True))
    found = change.find(*pair, change.Wanted())
    truth = sample.ensure_earlier(root)
    assert truth is not None
    assert found.threshold is not None
    assert found.threshold.lost_m2 == pytest.approx(truth.lost_m2, rel=0.35)
    assert 0.5 * truth.gained_m2 <= found.threshold.gained_m2 <= 1.2 * truth.gained_m2 + 2000
    summary = change.write(*pair, found, out=tmp_path / "out")
    assert summary.synthetic
    assert (summary.before.period.start.year, summary.after.period.start.year) == (2023, 2024)
