from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")
pytest.importorskip("monai")

from howgreen.landcover import load_model
from howgreen.landcover.classify import classify_array, classify_block
from howgreen.landcover.model import Model
from howgreen.training.contest import graphs, unet
from howgreen.training.contest.cards import card_of
from howgreen.training.contest.classes import BAND_SETS, CLASSES
from howgreen.training.contest.effort import QUICK
from howgreen.training.contest.learners import Job, Training
from howgreen.training.contest.samples import Place
from howgreen.training.export import save

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Model:
    """A U-Net of random training: what it says does not matter here, only where it looks."""
    rng = np.random.default_rng(0)
    bands = BAND_SETS["four"]
    training = Training(reflectance=rng.uniform(0.01, 0.5, (300, 4)).astype(np.float32),
                        shares=rng.dirichlet((0.3,) * len(CLASSES), 300).astype(np.float32), bands=bands, towns=())  # fmt: skip
    card = replace(card_of("unet", {}, band_set="four", effort=QUICK), tile_px=64, stride_px=32)
    job = Job(
        training=training,
        setting={"width": 1.0},
        effort=replace(QUICK, unet_steps=6),
        seed=1,
        card=card,
        progress=print,
    )
    path = tmp_path_factory.mktemp("unet") / "m.onnx"
    save(unet.unet(job), path)
    return load_model(path)


def test_nothing_outside_the_halo_reaches_a_pixel():
    import torch

    net = unet.build(6, 1.0).eval()
    torch.manual_seed(0)
    image = torch.rand(1, 6, 96, 96, requires_grad=True)
    for row, column in ((48, 48), (49, 50), (51, 47)):
        image.grad = None
        net(image)[0, :, row, column].abs().sum().backward()
        rows, columns = image.grad.abs().sum(dim=(0, 1)).nonzero().T
        reach = max(int((rows - row).abs().max()), int((columns - column).abs().max()))
        assert 0 < reach < unet.HALO_PX


@settings(max_examples=8, deadline=None)
@given(rows=st.integers(0, 3), columns=st.integers(0, 3), seed=st.integers(0, 5))
def test_a_block_of_tiles_has_the_labels_of_the_whole(model, rows, columns, seed):
    halo, step = model.card.halo_px, model.card.stride_px
    values = (
        np.random.default_rng(seed).uniform(0.01, 0.5, (4, 4 * step + 2 * halo, 4 * step + 2 * halo)).astype(np.float32)
    )
    whole = classify_block(values, model, origin=(0, 0))
    top, left = rows * step, columns * step
    part = values[:, top : top + step + 2 * halo, left : left + step + 2 * halo]
    np.testing.assert_array_equal(
        classify_block(part, model, origin=(top, left)), whole[:, top : top + step, left : left + step]
    )


@settings(max_examples=6, deadline=None)
@given(side=st.sampled_from([48, 64, 96, 128, 256]), halo=st.sampled_from([16, 20]), seed=st.integers(0, 99))
def test_the_size_of_tiles_changes_no_label(model, side, halo, seed):
    """Another tile size is another order of sums inside the network at most: no seam can be seen, so nothing is blended."""
    values = np.random.default_rng(seed).uniform(0.01, 0.5, (4, 100, 130)).astype(np.float32)
    values[:, 40:44, 50:80] = np.nan
    own = classify_array(values, model)
    cut = replace(model, card=replace(model.card, tile_px=side, halo_px=halo, stride_px=side - 2 * halo))
    other = classify_array(values, cut)
    np.testing.assert_allclose(other[1:], own[1:], atol=2e-5)
    best = np.sort(own[2:], axis=0)
    sure = best[-1] - best[-2] > 1e-4
    np.testing.assert_array_equal(other[0][sure], own[0][sure])


def _grid_place(height: int, width: int, known: np.ndarray) -> Place:
    """A place whose pixels know where they are; its labelled pixels are of class row % 6."""
    rows, columns = np.indices((height, width)).astype(np.float32)
    shares = np.where(known, np.eye(len(CLASSES), dtype=np.float32)[np.arange(height) % 6].T[:, :, None], np.nan)
    return Place(name="grid", bands=("row", "column"), reflectance=np.stack([rows, columns]), shares=shares)


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 150),
    width=st.integers(1, 150),
    share=st.sampled_from([0.001, 0.1, 1]),
    seed=st.integers(0, 999),
)
def test_a_crop_is_a_turned_piece_of_the_place_and_holds_something_known(height, width, share, seed):
    rng = np.random.default_rng(seed)
    known = rng.random((height, width)) < share
    known[rng.integers(height), rng.integers(width)] = True
    place = _grid_place(height, width, known)
    training = Training(reflectance=np.zeros((1, 2)), shares=np.zeros((1, 6)), bands=place.bands, towns=(place,))
    samples = unet.Samples(job=SimpleNamespace(training=training), features=None)
    reflectance, shares = samples.crop(0, rng)
    assert reflectance.shape == (2, unet.CROP_PX, unet.CROP_PX)
    inside = np.isfinite(reflectance[0])
    rows, columns = reflectance[:, inside].astype(int)
    assert len(set(zip(rows, columns, strict=True))) == inside.sum(), "no pixel twice"
    np.testing.assert_array_equal(np.isfinite(shares[0]) & inside, np.isfinite(shares[0]))
    np.testing.assert_array_equal(np.isfinite(shares[0][inside]), known[rows, columns])
    assert known[rows, columns].any()
    np.testing.assert_array_equal(np.nan_to_num(shares[:, inside]), np.nan_to_num(place.shares[:, rows, columns]))
    if known.all():
        assert inside.sum() == min(height, unet.CROP_PX) * min(width, unet.CROP_PX), (
            "as much of it as there is room for"
        )


def test_two_looks_of_one_town_are_mixed_and_towns_are_not():
    known = np.ones((70, 70), bool)
    town = _grid_place(70, 70, known)
    brighter = replace(town, reflectance=town.reflectance + 1000)
    elsewhere = replace(town, reflectance=town.reflectance + 9000, shares=town.shares[::-1].copy())
    training = Training(
        reflectance=np.zeros((1, 2)), shares=np.zeros((1, 6)), bands=town.bands, towns=(town, brighter, elsewhere)
    )
    samples = unet.Samples(job=SimpleNamespace(training=training), features=None)
    rng = np.random.default_rng(0)
    levels = [samples.crop(number, rng)[0].min() // 100 for number in (0, 1) for _ in range(40)]
    assert min(levels) == 0
    assert max(levels) == 10
    assert len(set(levels)) > 6
    assert {samples.crop(2, rng)[0].min() // 1000 for _ in range(20)} == {9}


def test_a_file_says_what_the_trained_network_says_of_what_it_was_shown():
    """Features folded into the first layer, softmax, a pixel without data: all but the outermost pixels are the same."""
    import onnxruntime
    import torch

    torch.manual_seed(0)
    rng = np.random.default_rng(1)
    features = graphs.features_of(rng.uniform(0.01, 0.5, (300, 4)))
    net = unet.build(len(features.weights), 1.0).eval()
    values = rng.uniform(-0.1, 2.5, (1, 4, 64, 64)).astype(np.float32)
    values[0, 2, 30, 31] = np.nan
    with torch.no_grad():
        shown = unet.Samples(job=SimpleNamespace(training=None), features=features).seen(values)
        wanted = torch.softmax(net(torch.tensor(shown)), dim=1).numpy()
    parts = graphs.Parts()
    unet.write(parts, net, features)
    card = card_of("unet", {}, band_set="four", effort=QUICK)
    session = onnxruntime.InferenceSession(
        graphs.finished(parts, card).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    values[:, :, 30, 31] = 0  # as the program gives it
    inner = (slice(None), slice(None), slice(16, -16), slice(16, -16))
    np.testing.assert_allclose(
        session.run(["probability"], {"reflectance": values})[0][inner], wanted[inner], atol=2e-6
    )
    assert wanted[inner].std() > 0.01
    assert net.model[0].conv.weight.shape[1] == len(features.weights), "the network that was trained is left as it was"
