"""Simulated skies: what is called haze and cloud, and a network that is what its graph says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

pytest.importorskip("torch")

from howgreen.clouds.card import OUTPUT
from howgreen.core.sensors import SENTINEL2
from howgreen.training.clouds import fit, make, simulate
from howgreen.training.clouds.simulate import CLEAR, CLOUD, HAZE, SHADOW, SNOW, Layer


@pytest.mark.parametrize(
    ("added", "label"), [(0.024, SHADOW), (0.026, -1), (0.044, -1), (0.046, HAZE), (0.159, HAZE), (0.161, CLOUD)]
)
def test_what_the_sky_adds_names_it_whatever_lies_below(added, label):
    assert simulate._named(np.array([SHADOW]), np.array([added])).tolist() == [label]


def layer(depth: float, *, absorbed: float = 0.0, part: float = 1.0) -> Layer:
    one = np.ones((1, 1))
    return Layer(depth=depth * one, part=part * one, sun_cos=0.8 * one, absorbed=absorbed * one, relief=one, tint=one)


def test_a_cloud_by_two_streams():
    ground = np.array([[0.1]])
    assert simulate.below(layer(0), ground).item() == pytest.approx(0.1)
    x = 0.15 * 10 / 1.6
    back = x / (1 + x)
    assert simulate.below(layer(10), np.zeros((1, 1))).item() == pytest.approx(back)
    assert simulate.below(layer(10), ground).item() == pytest.approx(back + (1 - back) ** 2 * 0.1 / (1 - 0.1 * back))
    assert simulate.below(layer(10, part=0.5), ground).item() == pytest.approx(
        (simulate.below(layer(10), ground).item() + 0.1) / 2
    )
    bright = simulate.below(layer(80), ground).item()
    assert 0.8 < bright < 1
    assert simulate.below(layer(80, absorbed=0.5), ground).item() < 0.6 * bright


@pytest.fixture(scope="module")
def sky(shared_data):
    return make.skies(shared_data, SENTINEL2, 3000, seed=5)


@pytest.mark.train
def test_simulated_pixels_are_of_all_kinds_and_no_floor_is_brighter_than_its_pixel(sky):
    assert set(np.unique(sky.label)) == {-1, CLEAR, HAZE, CLOUD, SHADOW, SNOW}
    assert (sky.floor <= sky.reflectance).all()
    red = sky.bands.index("red")
    middle = [float(np.median(sky.reflectance[sky.label == code, red])) for code in (SHADOW, CLEAR, HAZE, CLOUD)]
    assert middle == sorted(middle)


@pytest.mark.train
def test_the_graph_is_the_network(sky):
    bands = ("blue", "green", "red", "nir")
    some = replace(
        sky,
        reflectance=sky.reflectance[:, [sky.bands.index(band) for band in bands]],
        floor=sky.floor[:, [sky.bands.index(band) for band in bands]],
        bands=bands,
    )
    layers = fit.train(some, bands=bands, hidden=(6, 4), epochs=1, seed=1)
    again = fit.train(some, bands=bands, hidden=(6, 4), epochs=1, seed=1)
    assert all(np.array_equal(a, b) for a, b in zip(layers.weights, again.weights, strict=True))
    model = make.graph(layers, make._card("clouds-4", layers, some))
    onnx.checker.check_model(model)
    picture = some.reflectance[:400].reshape(20, 20, 4).astype(np.float32)
    answer = ReferenceEvaluator(model).run([OUTPUT], {"reflectance": picture.transpose(2, 0, 1)[None]})[0][0]
    middle = np.clip(picture, 0, 2)[4:15, 4:15, :3].min(axis=(0, 1))
    expected = fit.predict(layers, picture[9, 9][None].astype(float), middle[None].astype(float))
    np.testing.assert_allclose(answer[:, 9, 9], expected[0], atol=1e-5)
