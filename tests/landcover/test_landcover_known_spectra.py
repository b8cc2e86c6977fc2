"""What a model makes of ground that anybody knows."""

from __future__ import annotations

import numpy as np
import pytest

import onnx_models as theirs
from howgreen.core.errors import ModelError
from howgreen.landcover import SHIPPED, load_model, try_model
from howgreen.landcover._known_spectra import BANDS, KNOWN, try_known_spectra

onnx = theirs.onnx


def _node(*given, **options):
    return onnx.helper.make_node(*given, **options)


def _numbers(**values):
    return [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()]


def _model(path, nodes, tensors, **changes):
    rest = [
        _node("Clip", ["raw", "zero", "one"], ["green_fraction"]),
        _node("Sub", ["one", "green_fraction"], ["rest"]),
        _node("Concat", ["rest", "green_fraction"], ["probability"], axis=1),
    ]
    fixed = _numbers(zero=np.float32(0), one=np.float32(1))
    return load_model(
        theirs.write(path / "m.onnx", [*nodes, *rest], [*tensors, *fixed], theirs.card(("red", "nir"), **changes))
    )


def _split():
    return _node("Split", ["reflectance", "parts"], ["red", "nir"], axis=1), _numbers(parts=np.array([1, 1]))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_models_know_leaf_from_asphalt(name):
    assert list(try_known_spectra(load_model(name), source=name)) == []


def test_every_known_ground_has_every_band():
    assert all(len(ground.reflectance) == len(BANDS) for ground in KNOWN)


def test_upside_down_is_told(tmp_path):
    split, parts = _split()
    nodes = [split, _node("Sub", ["red", "nir"], ["d"]), _node("Add", ["d", "half"], ["raw"])]
    found = list(try_known_spectra(_model(tmp_path, nodes, [*parts, *_numbers(half=np.float32(0.5))]), source="m"))
    assert "calls leaf not green (green fraction 0.14)" in found
    assert any(note.startswith("calls water green") for note in found)


def test_one_answer_for_all_is_refused_with_the_scale(tmp_path):
    """A model of digital numbers: reflectance of 0-1 is all as dark as night to it."""
    split, parts = _split()
    nodes = [split, _node("Sub", ["nir", "red"], ["d"]), _node("Mul", ["d", "small"], ["raw"])]
    model = _model(tmp_path, nodes, [*parts, *_numbers(small=np.float32(1e-4))])
    with pytest.raises(ModelError, match=r"one answer .* --scale 10000"):
        list(try_known_spectra(model, source="m"))


def test_spread_just_above_the_bound_passes(tmp_path):
    split, parts = _split()
    span = 0.38 - 0.024  # leaf; water is at -0.028 and clipped to 0
    for wanted, refused in ((0.019, True), (0.022, False)):
        nodes = [split, _node("Sub", ["nir", "red"], ["d"]), _node("Mul", ["d", "gain"], ["raw"])]
        model = _model(tmp_path, nodes, [*parts, *_numbers(gain=np.float32(wanted / (0.40 - 0.035)))])
        assert span > 0
        if refused:
            with pytest.raises(ModelError, match="one answer"):
                list(try_known_spectra(model, source="m"))
        else:
            list(try_known_spectra(model, source="m"))


@pytest.mark.parametrize("tile_px", [16, 64, 256])
def test_normalising_over_the_tile_is_refused(tmp_path, tile_px):
    split, parts = _split()
    nodes = [
        split,
        _node("Sub", ["nir", "red"], ["d"]),
        _node("ReduceMin", ["nir"], ["low"], keepdims=1, axes=[2, 3]),
        _node("ReduceMax", ["nir"], ["high"], keepdims=1, axes=[2, 3]),
        _node("Sub", ["high", "low"], ["span0"]),
        _node("Add", ["span0", "tiny"], ["span"]),
        _node("Div", ["d", "span"], ["raw"]),
    ]
    tensors = [*parts, *_numbers(tiny=np.float32(1e-3))]
    model = _model(tmp_path, nodes, tensors, tile_px=tile_px, stride_px=tile_px)
    with pytest.raises(ModelError, match="normalises over the whole tile"):
        list(try_known_spectra(model, source="m"))


def test_radar_is_left_alone(tmp_path):
    theirs.linear(tmp_path / "m.onnx", ("vv", "vh"))
    assert list(try_known_spectra(load_model(tmp_path / "m.onnx"), source="m")) == []


def test_an_index_that_is_stretched_over_the_tile_is_refused_by_that_name(tmp_path):
    """Near-infrared less red, from the tile's least to its most: dark and bright ground far away make no difference to it."""
    split, parts = _split()
    nodes = [
        split,
        _node("Sub", ["nir", "red"], ["d"]),
        _node("ReduceMin", ["d"], ["low"], keepdims=1, axes=[2, 3]),
        _node("ReduceMax", ["d"], ["high"], keepdims=1, axes=[2, 3]),
        _node("Sub", ["high", "low"], ["span0"]),
        _node("Add", ["span0", "tiny"], ["span"]),
        _node("Sub", ["d", "low"], ["above"]),
        _node("Div", ["above", "span"], ["raw"]),
    ]
    model = _model(tmp_path, nodes, [*parts, *_numbers(tiny=np.float32(1e-6))], tile_px=64, stride_px=64)
    with pytest.raises(ModelError, match="normalises over the whole tile"):
        try_model(model, source="m")
