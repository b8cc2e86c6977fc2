"""Sampleton a year before: what changed is exactly known, and `change` finds it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from howgreen import sample
from howgreen.core.geometry import transformer
from howgreen.estimate.answers import CHANGE_LETTERS, Answer, counted
from howgreen.estimate.change import evaluate_change
from howgreen.estimate.drawing import draw
from howgreen.estimate.sample import Sample, Unit, dots_of
from howgreen.net.network import Network
from howgreen.pipeline import change, planning, sampling
from howgreen.pipeline.inputs import Store
from howgreen.sample.earlier import earlier
from howgreen.sample.layout import LEFT_M, TOP_M, make_land
from howgreen.sample.paint import paint_city
from howgreen.sample.spectra import GREEN_CLASSES, MATERIALS
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
    found = change.find(*pair, change.ChangeOptions())
    truth = sample.ensure_earlier(root)
    assert truth is not None
    assert found.threshold is not None
    assert found.threshold.lost_m2 == pytest.approx(truth.lost_m2, rel=0.35)
    assert 0.5 * truth.gained_m2 <= found.threshold.gained_m2 <= 1.2 * truth.gained_m2 + 2000
    summary = change.write(*pair, found, out=tmp_path / "out")
    assert summary.synthetic
    assert (summary.before.period.start.year, summary.after.period.start.year) == (2023, 2024)
    # And people who look at both dates and are right bring intervals that hold the truth.
    frame = sampling.frame_of_change(tmp_path / "out")
    seed, extent_m = (int(part) for part in root.name.split("-")[2:])
    now = paint_city(make_land(seed, extent_m=extent_m))
    green = [np.isin([m.cover for m in MATERIALS], list(GREEN_CLASSES))[one.material] for one in (earlier(now)[0], now)]
    held = {"lost": 0, "gained": 0}
    for number in range(40):
        drawn = draw(frame, looks=200, seed=number)
        areas = evaluate_change(drawn, [told(drawn, unit, *green) for unit in drawn.units]).areas
        for kind, true in (("lost", truth.lost_m2), ("gained", truth.gained_m2)):
            held[kind] += areas[kind].low_m2 <= true <= areas[kind].high_m2
        assert areas["lost"].high_m2 - areas["lost"].low_m2 < 0.8 * truth.lost_m2
    assert min(held.values()) >= 36, held  # 38 of 40 are expected


def told(drawn: Sample, unit: Unit, before: NDArray[np.bool_], after: NDArray[np.bool_]) -> Answer:
    """Answer as somebody who sees every square metre on both dates."""
    pattern = ["-"] * len(unit.asked)
    for number, (lon, lat) in dots_of(drawn, unit):
        x, y = transformer("EPSG:4326", drawn.crs).transform(lon, lat)
        here = int(TOP_M - y), int(x - LEFT_M)
        pattern[number - 1] = {(1, 0): "l", (0, 1): "g", (1, 1): "k", (0, 0): "n"}[int(before[here]), int(after[here])]
    return Answer(unit=unit.unit, reader="ann", dots=counted("".join(pattern), CHANGE_LETTERS))
