from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")
pytest.importorskip("monai")

from howgreen.landcover import load_model
from howgreen.landcover.classify import classify_block
from howgreen.landcover.model import Model
from howgreen.training.contest import unet
from howgreen.training.contest.cards import card_of
from howgreen.training.contest.classes import BAND_SETS, CLASSES
from howgreen.training.contest.effort import QUICK
from howgreen.training.contest.learners import Job, Training
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


def test_the_size_of_tiles_changes_no_label(model):
    """Another tile size is another sum order inside the network at most: no seam can be seen, so nothing is blended."""
    halo = model.card.halo_px
    values = np.random.default_rng(3).uniform(0.01, 0.5, (4, 96 + 2 * halo, 96 + 2 * halo)).astype(np.float32)
    small = classify_block(values, model, origin=(0, 0))
    larger = replace(model, card=replace(model.card, tile_px=96 + 2 * halo, stride_px=96))
    large = classify_block(values, larger, origin=(0, 0))
    np.testing.assert_allclose(small[1:], large[1:], atol=2e-5)
    assert (small[0] == large[0]).mean() > 0.9999
