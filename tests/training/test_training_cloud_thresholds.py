"""The thresholds of clouds are chosen in simulation."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from howgreen.clouds import detect, steps
from howgreen.training.clouds import thresholds
from howgreen.training.clouds.simulate import Sky
from howgreen.training.clouds.thresholds import Choice

pytestmark = pytest.mark.train


def choice(**shares: float) -> Choice:
    given = {"missed": 0.0, "lost": 0.0, "missed_pixels": 0.0, "lost_pixels": 0.0} | shares
    return Choice(veil=0.4, side_m=80, area_m2=40_000, **given)


def test_a_cloud_that_is_missed_counts_twice():
    assert choice(missed=0.1).cost == pytest.approx(choice(missed_pixels=0.1).cost) == pytest.approx(0.2)
    assert choice(lost=0.1).cost == pytest.approx(choice(lost_pixels=0.1).cost) == pytest.approx(0.1)
    assert thresholds.mean([choice(missed=0.1, lost=0.3), choice(missed=0.3)]) == choice(missed=0.2, lost=0.15)


def test_what_ships_is_on_trial():
    assert (detect.LEAST_VEIL, steps.SMALLEST_M, steps.SMALLEST_M2) == (0.4, 80, 40_000)
    assert detect.LEAST_VEIL in thresholds.VEILS
    assert steps.SMALLEST_M in thresholds.SIDES_M
    assert steps.SMALLEST_M2 in thresholds.AREAS_M2


def test_pixels_in_a_row_see_their_own_surroundings_and_no_others(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)

    def skies(_, sensor, count, *, seed):
        bands = sensor.band_names
        light = rng.uniform(0.02, 0.7, (60, len(bands)))
        return Sky(
            reflectance=light, floor=light * rng.uniform(0.1, 1, light.shape), label=np.arange(60) % 5, bands=bands
        )

    monkeypatch.setattr(thresholds.make, "skies", skies)
    made = []
    together = thresholds.make.together
    monkeypatch.setattr(thresholds.make, "together", lambda *given: made.append(together(*given)) or made[-1])
    found = thresholds._pixels(tmp_path)
    for sky, name in zip(made, found, strict=True):
        veil, hidden, clear = found[name]
        assert hidden.sum() == 3 * clear.sum()
        for n in (0, 17, 59):
            alone = np.stack([sky.reflectance[n], sky.floor[n]], axis=1)[:, None].astype(np.float32)
            assert veil[n] == pytest.approx(detect.veil(detect.probabilities(name, alone))[0, 0], abs=1e-5)


def test_a_town_knows_where_its_clouds_are():
    skies = list(thresholds.towns((3,), extent_m=960))
    assert len(skies) == 8
    assert any(sky.cloud.any() for sky in skies)
    for sky in skies:
        assert sky.image.light["red"].shape == sky.cloud.shape == (24, 24)
        assert not (sky.cloud & sky.clear).any()
    brightest = max(skies, key=lambda sky: sky.cloud.mean())
    red = brightest.image.light["red"]
    assert np.nanmean(red[brightest.cloud]) > 1.5 * np.nanmean(red[brightest.clear])
    told = {(name, opacity): middles for name, opacity, middles in thresholds.even_veils(skies)}
    for name in ("clouds-10", "clouds-3"):
        assert np.median(told[name, 0.0]) < 0.01
        assert min(told[name, 0.1]) >= steps.EVEN_VEIL
