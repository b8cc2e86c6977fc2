"""A model's first tile tells whether it does what its card says."""

from __future__ import annotations

import numpy as np
import pytest

import onnx_models as theirs
from howgreen.core.errors import ModelError
from howgreen.landcover import _smoke_test, load_model
from howgreen.landcover._smoke_test import try_model

onnx = theirs.onnx
BANDS = ("red", "nir")


def tried(model, *, source):
    """Notes on the model's neighbours; what it makes of known ground has a test of its own, and random weights know nothing."""
    return tuple(note for note in try_model(model, source=source) if not note.startswith("calls "))


def _model(path, nodes, tensors=(), **changes):
    return load_model(theirs.write(path / "m.onnx", nodes, tensors, theirs.card(BANDS, **changes)))


def _numbers(**values):
    return [onnx.numpy_helper.from_array(np.array(value), name) for name, value in values.items()]


@pytest.mark.parametrize("name", ["mixture-10", "mixture-4", "ndvi"])
def test_shipped_models_pass(name):
    assert tried(load_model(name), source=name) == ()


@pytest.mark.parametrize("axes", [("y", "x"), (16, 16)])
def test_a_pixel_model_passes_whatever_its_axes(tmp_path, axes):
    theirs.linear(tmp_path / "m.onnx", BANDS, axes=axes)
    assert tried(load_model(tmp_path / "m.onnx"), source="m") == ()


def test_a_model_that_keeps_within_its_halo_passes(tmp_path):
    theirs.linear(tmp_path / "m.onnx", BANDS, size=5, halo_px=2, stride_px=12)
    assert tried(load_model(tmp_path / "m.onnx"), source="m") == ()


def test_a_model_that_looks_further_than_it_says_gets_a_note(tmp_path):
    theirs.linear(tmp_path / "m.onnx", BANDS, size=5, halo_px=1, stride_px=14)
    (note,) = tried(load_model(tmp_path / "m.onnx"), source="m")
    assert "further than halo_px 1" in note


@pytest.mark.parametrize("tiling", [{"halo_px": 1, "stride_px": 7}, {"stride_px": 8}])
def test_a_model_that_looks_further_and_overlaps_is_blended(tmp_path, tiling):
    theirs.linear(tmp_path / "m.onnx", BANDS, size=5, **tiling)
    (note,) = tried(load_model(tmp_path / "m.onnx"), source="m")
    assert "blended over" in note
    assert "seams may" not in note


def test_a_pixel_model_with_neighbours_is_refused(tmp_path):
    theirs.linear(tmp_path / "m.onnx", BANDS, size=3)
    with pytest.raises(ModelError, match="halo_px 0, but neighbouring pixels"):
        tried(load_model(tmp_path / "m.onnx"), source="m")


def test_randomness_is_refused(tmp_path):
    node = onnx.helper.make_node
    nodes = [
        node("RandomUniformLike", ["reflectance"], ["probability_"]),
        node("Softmax", ["probability_"], ["probability"], axis=1),
        node("Split", ["probability"], ["rest", "green_fraction"], axis=1),
    ]
    with pytest.raises(ModelError, match="same pixels differently"):
        tried(_model(tmp_path, nodes), source="m")


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        (["Log", "Neg"], "not a number at"),  # the negative of nothing is a real number, the log of one is not
        (["Exp"], "0-1"),
        (["Sigmoid"], "add up to"),
    ],
)
def test_answers_that_are_no_shares_are_refused(tmp_path, formula, said):
    node, names = onnx.helper.make_node, ["negative", "a", "probability"]
    nodes = [node("Mul", ["reflectance", "minus"], ["negative"])] if "Log" in formula else []
    start = "negative" if nodes else "reflectance"
    steps = [start, *names[1 : len(formula)], "probability"]
    nodes += [node(kind, [one], [two]) for kind, one, two in zip(formula, steps, steps[1:], strict=False)]
    nodes.append(node("Split", ["probability"], ["rest", "green_fraction"], axis=1))
    with pytest.raises(ModelError, match=said):
        tried(_model(tmp_path, nodes, _numbers(minus=np.float32(-1))), source="m")


def test_a_graph_that_does_not_end_is_stopped(tmp_path, monkeypatch):
    """A loop of 2^62 rounds: the clock ends it, not the reader's patience."""
    monkeypatch.setattr(_smoke_test, "LONGEST_S", 0.3)
    model = load_model(theirs.endless(tmp_path / "m.onnx"))
    with pytest.raises(ModelError, match=r"takes more than 0 s for a tile of 16 x 16"):
        tried(model, source="m")


def test_a_graph_that_fails_inside_is_one_line(tmp_path):
    node = onnx.helper.make_node
    nodes = [
        node("Shape", ["reflectance"], ["shape"]),
        node("Add", ["shape", "one"], ["larger"]),
        node("Reshape", ["reflectance", "larger"], ["probability"]),
        node("Split", ["reflectance"], ["rest", "green_fraction"], axis=1),
    ]
    model = _model(tmp_path, nodes, _numbers(one=np.int64(1)))
    with pytest.raises(ModelError, match=r"cannot run on") as caught:
        tried(model, source="m")
    assert "\n" not in str(caught.value)


def test_radar_bands_are_tried_in_decibels(tmp_path):
    theirs.linear(tmp_path / "m.onnx", ("vv", "red"))
    model = load_model(tmp_path / "m.onnx")
    tile = _smoke_test._random_tile(model, np.random.default_rng(0))
    seen = tile[0].min(axis=(1, 2)), tile[0].max(axis=(1, 2))
    assert seen[0][0] < -20
    assert seen[1][0] <= 0
    assert 0 <= seen[0][1] < seen[1][1] < 1
