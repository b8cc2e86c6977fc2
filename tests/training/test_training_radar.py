"""Simulated radar: what published levels become, and a graph that computes what the trainer does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
from howgreen.core.models import PlaceError
from howgreen.landcover import FOR_RADAR, load_model
from howgreen.landcover.classify import classify_array
from howgreen.training import export, network, radar, radar_network


def even(cover: int, *, side: int = 96) -> np.ndarray:
    shares = np.zeros((len(radar.COVERS), side, side), np.float32)
    shares[cover] = 1
    return shares


@pytest.mark.parametrize("cover", [radar.TREE, radar.BUILDING, radar.BARE])
def test_levels_are_those_of_the_table_on_average(cover, monkeypatch):
    """Texture, which is even in decibels, does not raise the mean power."""
    still = tuple(replace(one, places=0, patches=0, days=0, moisture=0) for one in radar.KNOWN)
    monkeypatch.setattr(radar, "KNOWN", still)
    monkeypatch.setattr(radar, "NOISE_DB", (-60.0, -60.0))
    seen = radar.acquisitions(even(cover, side=200), count=1, rng=np.random.default_rng(0))[0]
    levels = 10 * np.log10(radar.powers(seen.astype(float)).mean((1, 2)))
    assert levels == pytest.approx([still[cover].vv, still[cover].vh], abs=0.15)


def test_speckle_has_some_four_looks(monkeypatch):
    still = radar.Backscatter(vv=-10, vh=-17, places=0, patches=0, pixels=0, days=0, moisture=0)
    monkeypatch.setattr(radar, "KNOWN", (still,) * len(radar.COVERS))
    power = radar.powers(radar.acquisitions(even(radar.GRASS, side=300), count=1, rng=np.random.default_rng(1)))[0, 0]
    assert power.mean() ** 2 / power.var() == pytest.approx(4.0, abs=0.2)


def test_fields_change_over_a_season_and_woods_do_not():
    rng = np.random.default_rng(2)
    of = {
        cover: radar.composite(radar.acquisitions(even(cover), count=12, rng=rng))[2].mean()
        for cover in (radar.CROP, radar.TREE)
    }
    assert of[radar.CROP] > of[radar.TREE] + 0.5


def test_a_landscape_has_shares_that_add_up_and_any_greenness():
    rng = np.random.default_rng(3)
    green = []
    for _ in range(12):
        shares = radar.landscape(60, rng=rng)
        np.testing.assert_allclose(shares.sum(axis=0), 1, atol=1e-5)
        green.append(float(shares[radar.GREEN].sum(axis=0).mean()))
    assert min(green) < 0.4 < 0.6 < max(green)


@pytest.mark.parametrize("name", FOR_RADAR)
def test_the_graph_computes_what_the_trainer_does(name, tmp_path):
    """At edges, beside unseen ground, for any tile: the features in the graph are those that were trained on."""
    rng = np.random.default_rng(4)
    bands = radar_network.BANDS[name]
    width = len(radar_network.names(bands))
    layers = network.Layers(
        bands=radar_network.names(bands),
        weights=(rng.normal(0, 0.1, (6, width)).astype(np.float32), rng.normal(0, 1, (5, 6)).astype(np.float32)),
        biases=(rng.normal(0, 1, 6).astype(np.float32), rng.normal(0, 1, 5).astype(np.float32)),
        error_weight=rng.normal(0, 0.1, (1, 6)).astype(np.float32),
        error_bias=-2.0,
    )
    path = tmp_path / "model.onnx"
    export.save(radar_network.graph(layers, load_model(name).card), path)
    seen = radar.composite(radar.acquisitions(radar.landscape(70, rng=rng), count=5, rng=rng))[: len(bands)]
    seen[:, 20:26, 30:50] = np.nan
    found = classify_array(seen, load_model(path))
    made = radar_network.features(np.nan_to_num(seen))
    shares, error = network.predict_features(layers, made.reshape(width, -1).T.astype(float))
    there = np.isfinite(seen[0])
    assert not np.isfinite(found[1][~there]).any()
    green = shares[:, radar_network.GREEN].sum(axis=1).reshape(there.shape)
    np.testing.assert_allclose(found[1][there], green[there], atol=2e-3)
    np.testing.assert_allclose(found[-1][there], error.reshape(there.shape)[there], rtol=0.02)


def test_shipped_radar_tells_woods_water_and_houses():
    rng = np.random.default_rng(5)
    for name in FOR_RADAR:
        model = load_model(name)
        said = {}
        for cover in (radar.TREE, radar.BUILDING, radar.WATER):
            parts = [classify_array(radar_network._seen(name, even(cover, side=64), rng), model) for _ in range(4)]
            said[cover] = np.mean([part[1:7].mean((1, 2)) for part in parts], axis=0)
        assert said[radar.TREE][0] > 0.6
        assert said[radar.BUILDING][0] < 0.35
        assert said[radar.WATER][5] > 0.5


def test_the_interval_is_wide_and_says_why():
    for name in FOR_RADAR:
        error = load_model(name).card.reference_error
        assert error is not None
        assert error.half_width > 0.3
        assert "no real place" in error.method
        assert not error.places  # simulated cities are no places


def test_the_interval_grows_with_what_optical_models_met_in_real_places():
    places = tuple(
        PlaceError(place=str(n), error=e, standard_error=0.01, n=9, clusters=3) for n, e in enumerate((0.0, 0.1, -0.05))
    )
    judged = radar_network.Judged(
        scores={}, places=places, errors={"rmse": 0.2, "mae": 0.1, "bias": 0.0, "r2": 0.5}, pixels=27
    )
    plain, wide = (radar_network.reference(judged, factor).half_width for factor in (1.0, 1.5))
    assert wide == pytest.approx(min(1.0, 1.5 * plain), abs=1e-4)
    assert radar_network.reference(judged, 99).half_width == 1.0
