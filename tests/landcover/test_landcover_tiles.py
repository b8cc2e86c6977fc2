"""Tiles on the grid: seams, chunks and sizes must not show in what a city is told."""

from __future__ import annotations

import math
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import onnx_models as theirs
from howgreen.core.errors import ModelError
from howgreen.core.grid import chunk_sizes
from howgreen.core.types import NEVER_CLEAR, UNSEEN
from howgreen.landcover import classify, load_model
from howgreen.landcover.classify import classify_array
from howgreen.landcover.model import Model
from howgreen.landcover.tiles import aligned_chunks, margin_px, ramp, starts, total

onnx = theirs.onnx
BANDS = ("red", "nir")


def _pixels(height: int, width: int, *, seed: int, holes: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.random((2, height, width), dtype=np.float32)
    values[rng.integers(2), rng.random((height, width)) < holes] = np.nan
    return values


def _tiled(model: Model, *, tile: int, halo: int, stride: int) -> Model:
    return replace(model, card=replace(model.card, tile_px=tile, halo_px=halo, stride_px=stride))


@pytest.fixture(scope="module")
def window_model(tmp_path_factory) -> Model:
    """A classifier of windows of 5 x 5 pixels: it reaches 2 pixels."""
    path = tmp_path_factory.mktemp("window") / "m.onnx"
    theirs.linear(path, BANDS, size=5, halo_px=2, stride_px=12)
    return load_model(path)


@pytest.mark.parametrize("chunks", [None, ((2,), (20, 13), (17, 24))])
def test_whole_numbers_give_the_bits_of_their_reflectance(window_model, make_composite, chunks):
    rng = np.random.default_rng(5)
    numbers = rng.integers(-2000, 12_000, (2, 33, 41)).astype(np.int16)
    numbers[rng.integers(2), rng.random((33, 41)) < 0.1] = NEVER_CLEAR
    values = np.where(numbers == NEVER_CLEAR, np.float32(np.nan), numbers / np.float32(10_000)).astype(np.float32)
    plain = make_composite(values, BANDS, chunks=chunks)
    pixels = plain.data["reflectance"].copy(data=numbers)
    kept = replace(plain, data=plain.data.assign(numbers=pixels.chunk(plain.data.chunks) if chunks else pixels))
    one, other = (classify(made, window_model).data.compute() for made in (plain, kept))
    assert (one["label"].values == UNSEEN).any()
    for name in ("label", "green_fraction", "probability"):
        np.testing.assert_array_equal(one[name].values.view(np.uint8), other[name].values.view(np.uint8))


@pytest.fixture(scope="module")
def tile_mean_model(tmp_path_factory) -> Model:
    """Green fraction is the mean near-infrared of the whole tile: it reaches as far as it is let."""
    node, number = onnx.helper.make_node, onnx.numpy_helper.from_array
    nodes = [
        node("Split", ["reflectance"], ["red", "nir"], axis=1),
        node("GlobalAveragePool", ["nir"], ["mean"]),
        node("Mul", ["nir", "none"], ["flat"]),
        node("Add", ["flat", "mean"], ["green_fraction"]),
        node("Sub", ["one", "green_fraction"], ["rest"]),
        node("Concat", ["rest", "green_fraction"], ["probability"], axis=1),
    ]
    tensors = [number(np.float32(0), "none"), number(np.float32(1), "one")]
    path = tmp_path_factory.mktemp("mean") / "m.onnx"
    theirs.write(path, nodes, tensors, theirs.card(BANDS, tile_px=32, halo_px=4, stride_px=12))
    return load_model(path)


_TILINGS = st.tuples(st.integers(1, 30), st.integers(0, 5), st.integers(1, 30)).filter(
    lambda t: t[2] <= t[0] <= 4 * t[2]
)
"""Middle, halo, stride."""


@given(tiling=_TILINGS, start=st.integers(0, 90), size=st.integers(1, 90))
def test_weights_cover_every_pixel_and_depend_on_the_grid_alone(window_model, tiling, start, size):
    middle, halo, stride = tiling
    card = replace(window_model.card, tile_px=middle + 2 * halo, halo_px=halo, stride_px=stride)
    summed = total(start, size, card)
    assert (summed > 0).all()
    np.testing.assert_array_equal(summed, total(0, start + size, card)[start:])
    if stride * 2 >= middle:  # two at most, whose ramps add up to 1 but at the grid's own edge
        np.testing.assert_allclose(summed[max(middle - stride - start, 0) :], 1, atol=1e-6)
    if stride == middle:
        np.testing.assert_array_equal(summed, 1)


@given(tiling=_TILINGS, start=st.integers(0, 9), size=st.integers(1, 9))
def test_the_margin_holds_all_that_a_tile_sees(window_model, tiling, start, size):
    middle, halo, stride = tiling
    card = replace(window_model.card, tile_px=middle + 2 * halo, halo_px=halo, stride_px=stride)
    for first in starts(start * stride, size * stride, card):
        assert first % stride == 0
        assert first - halo >= start * stride - margin_px(card)
        assert first + middle + halo <= (start + size) * stride + margin_px(card)
        assert first + middle > start * stride, "none that touches nothing"


@given(tiling=_TILINGS, sizes=st.lists(st.integers(1, 70), min_size=1, max_size=5).map(tuple))
def test_chunks_cut_no_tile_and_hold_their_neighbours_margin(window_model, tiling, sizes):
    middle, halo, stride = tiling
    card = replace(window_model.card, tile_px=middle + 2 * halo, halo_px=halo, stride_px=stride)
    cut = aligned_chunks(sizes, card)
    assert sum(cut) == sum(sizes)
    assert all(edge % stride == 0 for edge in np.cumsum(cut)[:-1])
    assert len(cut) == 1 or min(cut) >= margin_px(card)


def test_a_ramp_rises_from_the_edge_without_a_kink(window_model):
    card = replace(window_model.card, tile_px=40, halo_px=4, stride_px=24)
    weights = ramp(card)
    np.testing.assert_allclose(weights[:8], np.sin(np.pi / 2 * (np.arange(8) + 0.5) / 8) ** 2, rtol=1e-6)
    np.testing.assert_array_equal(weights[8:24], 1)
    np.testing.assert_array_equal(weights, weights[::-1])
    np.testing.assert_allclose(weights[:8] + weights[24:], 1, atol=1e-6)


_SPLITS = st.lists(st.integers(1, 40), min_size=1, max_size=4).map(tuple)


@settings(max_examples=30, deadline=None)
@given(rows=_SPLITS, columns=_SPLITS, tiling=_TILINGS, seed=st.integers(0, 99))
def test_any_chunking_gives_the_same_bits_blended_or_not(
    window_model, tile_mean_model, make_composite, rows, columns, tiling, seed
):
    middle, halo, stride = tiling
    assume(halo > 0 or stride < middle)  # else the card promises that no pixel sees another, which these models do
    values = _pixels(sum(rows), sum(columns), seed=seed, holes=0.1)
    for model in (window_model, tile_mean_model):
        tiled = _tiled(model, tile=middle + 2 * halo, halo=halo, stride=stride)
        whole = classify(make_composite(values, BANDS), tiled).data
        parts = classify(make_composite(values, BANDS, chunks=((2,), rows, columns)), tiled).data.compute()
        for name in ("label", "green_fraction", "probability"):
            np.testing.assert_array_equal(whole[name].values.view(np.uint8), parts[name].values.view(np.uint8))


@given(
    shape=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    corner=st.tuples(st.integers(-50, 50), st.integers(-50, 50)),
    side=st.sampled_from([8, 16, 40]),
)
@settings(max_examples=40, deadline=None)
def test_blocks_cut_where_images_begin_cut_no_tile(pixel_model, make_composite, shape, corner, side):
    """Pixels say the same wherever tiles begin, and a network runs no tile twice for two blocks."""
    values = _pixels(*shape, seed=3, holes=0.1)
    chunks = tuple(chunk_sizes(length, side, first=first) for length, first in zip(shape, corner, strict=True))
    plain = classify(make_composite(values, BANDS), pixel_model).data
    made = replace(make_composite(values, BANDS, chunks=((2,), *chunks)), corner=corner)
    with patch.object(Model, "run", autospec=True, side_effect=Model.run) as runs:
        found = classify(made, pixel_model).data["green_fraction"].compute(scheduler="sync")
    np.testing.assert_array_equal(found, plain["green_fraction"])
    assert runs.call_count == math.prod(len(chunk_sizes(n, 8, first=at)) for n, at in zip(shape, corner, strict=True))
    alone = classify(replace(make_composite(values, BANDS), corner=corner), pixel_model).data
    np.testing.assert_array_equal(alone["green_fraction"], plain["green_fraction"])


def test_neighbours_tiles_begin_on_the_grid_wherever_images_do(window_model, make_composite):
    values = _pixels(50, 61, seed=7, holes=0.05)
    chunks = ((2,), (5, 32, 13), (9, 32, 20))
    plain = classify(make_composite(values, BANDS), window_model).data
    moved = classify(replace(make_composite(values, BANDS, chunks=chunks), corner=(5, 9)), window_model).data.compute()
    for name in ("label", "green_fraction", "probability"):
        np.testing.assert_array_equal(moved[name].values.view(np.uint8), plain[name].values.view(np.uint8))


@settings(max_examples=20, deadline=None)
@given(side=st.sampled_from([64, 96, 128, 41]), stride=st.integers(30, 37), seed=st.integers(0, 99))
def test_any_tile_size_says_the_same_where_the_halo_suffices(window_model, side, stride, seed):
    values = _pixels(70, 90, seed=seed, holes=0.02)
    wanted = classify_array(values, window_model)
    unseen = np.isnan(values).any(axis=0)
    for halo, step in ((2, side - 4), (4, side - 8), (2, stride), (2, side // 2)):
        got = classify_array(values, _tiled(window_model, tile=side, halo=halo, stride=step))
        np.testing.assert_array_equal(got[0] == 255, unseen)
        np.testing.assert_allclose(got[1:], wanted[1:], atol=2e-6)
        sure = np.abs(wanted[2] - wanted[3]) > 1e-5
        np.testing.assert_array_equal(got[0][sure], wanted[0][sure])


def test_blending_leaves_no_jump_where_tiles_meet(tile_mean_model):
    """A network that sees its whole tile, on ground that gets brighter to the east: each tile has a level of its own."""
    values = np.broadcast_to(np.linspace(0, 1, 160, dtype=np.float32), (2, 160, 160)).copy()

    def jumps(stride: int) -> tuple[float, float]:
        model = _tiled(tile_mean_model, tile=32, halo=4, stride=stride)
        row = classify_array(values, model)[1, 80, 24:-32]  # the grid's own edge is another matter
        steps = np.abs(np.diff(row))
        at_edges = (np.arange(24, 24 + len(steps)) + 1) % stride == 0
        return float(steps[at_edges].max()), float(steps[~at_edges].max())

    apart, inside = jumps(24)
    assert apart > 0.1
    assert inside == 0
    edge, inside = jumps(12)
    assert edge <= inside
    assert inside < apart / 8
    assert edge < 0.001, "a ramp ends where its slope is nothing"


def test_what_one_tile_cannot_answer_is_an_error_blended_too(tmp_path):
    nodes = [
        onnx.helper.make_node("Log", ["reflectance"], ["probability"]),
        onnx.helper.make_node("Split", ["reflectance"], ["rest", "green_fraction"], axis=1),
    ]
    theirs.write(tmp_path / "m.onnx", nodes, [], theirs.card(BANDS, stride_px=8))
    with pytest.raises(ModelError, match="0-1"):
        classify_array(np.full((2, 20, 20), 0.5, np.float32), load_model(tmp_path / "m.onnx"))


def test_the_uncertainty_is_blended_as_the_fraction_is(make_composite):
    shipped = load_model("mixture-4")
    blended = _tiled(shipped, tile=16, halo=0, stride=8)
    values = np.random.default_rng(0).uniform(0.01, 0.5, (4, 30, 30)).astype(np.float32)
    bands = shipped.card.bands
    one, other = (classify(make_composite(values, bands), model).data for model in (shipped, blended))
    for name in ("green_uncertainty", "green_fraction", "probability"):
        np.testing.assert_allclose(one[name], other[name], atol=1e-6)
