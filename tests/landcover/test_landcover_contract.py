"""Files that break the contract: each is one line that says how."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import onnx_models as theirs
from howgreen.core.errors import ModelError
from howgreen.landcover import card_from_json, load_model
from howgreen.landcover._smoke_test import try_model as tried
from howgreen.landcover.model import model_from

onnx = theirs.onnx
BANDS = ("red", "nir")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"axes": (16, 16), "tile_px": 32}, "fixed at 16 x 16 pixels where the card has tile_px 32"),
        ({"axes": (16, 8)}, "fixed at 16 x 8 pixels where the card has tile_px 16"),
        ({"count": 4}, "for 4 tiles at once"),
        ({"stride_px": 17}, "tile_px 16 is less than stride_px 17"),
        ({"halo_px": 1}, "tile_px 16 is less than"),
        ({"stride_px": 3}, r"stride_px 3 is less than a quarter of tile_px 16 .* more than 16 times"),
        ({"tile_px": 10**9, "stride_px": 16}, r"tile_px 1000000000 takes .* GiB"),
    ],
)
def test_tiles_that_do_not_fit_the_card_are_refused(tmp_path, changes, said):
    theirs.linear(tmp_path / "m.onnx", BANDS, **changes)
    with pytest.raises(ModelError, match=rf"m\.onnx: breaks the contract: .*{said}"):
        load_model(tmp_path / "m.onnx")


@pytest.mark.parametrize("bands", [("red", "B08"), ("red", "ultraviolet"), ("RED", "nir")])
def test_bands_that_no_image_has_are_named(tmp_path, bands):
    theirs.linear(tmp_path / "m.onnx", bands)
    with pytest.raises(ModelError, match=r"no image has bands .*there are blue, green, red"):
        load_model(tmp_path / "m.onnx")


@pytest.mark.parametrize("opset", [30, 99])
def test_an_opset_of_the_future_is_one_line(tmp_path, opset):
    nodes, tensors = theirs.classifier(theirs.weights(2, 2), [False, True])
    theirs.write(tmp_path / "m.onnx", nodes, tensors, theirs.card(BANDS), opset=opset)
    _is_one_line(tmp_path / "m.onnx", "opset|ONNX Runtime")


@pytest.mark.parametrize(
    ("domain", "operator"), [("com.evil", "ReadFile"), ("", "Nonsense"), ("com.microsoft", "EPContext")]
)
def test_operators_that_onnx_runtime_has_not_are_one_line(tmp_path, domain, operator):
    nodes, tensors = theirs.classifier(theirs.weights(2, 2), [False, True])
    nodes[0] = onnx.helper.make_node(operator, ["reflectance", "weight"], ["logits"], domain=domain)
    domains = [domain] if domain else []
    theirs.write(tmp_path / "m.onnx", nodes, tensors, theirs.card(BANDS), domains=domains)
    _is_one_line(tmp_path / "m.onnx", operator)


def test_no_library_of_operators_and_no_other_format_is_ever_loaded(tmp_path, monkeypatch):
    import onnxruntime

    made = []
    ours = onnxruntime.SessionOptions

    class Watched(ours):
        def __init__(self):
            super().__init__()
            made.append(self)

        def register_custom_ops_library(self, *_):
            pytest.fail("a library was to be loaded")

    monkeypatch.setattr(onnxruntime, "SessionOptions", Watched)
    theirs.linear(tmp_path / "m.onnx", BANDS, description="never seen before")
    load_model(tmp_path / "m.onnx")
    assert [one.get_session_config_entry("session.load_model_format") for one in made] == ["ONNX"]


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("reflectance", "FLOAT16", r"reflectance is tensor\(float16\)"),
        ("image", "FLOAT", r"inputs \['image'\]"),
    ],
)
def test_other_inputs_are_named(tmp_path, name, kind, said):
    nodes, tensors = theirs.classifier(theirs.weights(2, 2), [False, True])
    model = theirs.proto(nodes, tensors, theirs.card(BANDS))
    model.graph.input[0].name = name
    model.graph.input[0].type.tensor_type.elem_type = getattr(onnx.TensorProto, kind)
    model.graph.node.insert(0, onnx.helper.make_node("Cast", [name], ["cast"], to=theirs.FLOAT))
    model.graph.node[1].input[0] = "cast"
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=said):
        load_model(tmp_path / "m.onnx")


def test_an_output_that_is_missing_is_named(tmp_path):
    nodes, tensors = theirs.classifier(theirs.weights(2, 2), [False, True])
    model = theirs.proto(nodes, tensors, theirs.card(BANDS))
    del model.graph.output[1]
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="no output 'green_fraction'"):
        load_model(tmp_path / "m.onnx")


def test_more_classes_than_the_card_names_are_found_when_it_runs(tmp_path):
    """Axes without a number hide it until then; numpy would have spread one class over all."""
    weight = theirs.weights(2, 3)
    nodes, tensors = theirs.classifier(weight, [False, True, True])
    model = theirs.proto(nodes, tensors, theirs.card(BANDS))
    model.graph.output[0].type.tensor_type.shape.dim[1].ClearField("dim_value")
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    # ONNX Runtime infers it, or it shows in the answer.
    with pytest.raises(ModelError, match=r"3 channels where the card has 2|other pixels or classes"):
        load_model(tmp_path / "m.onnx").run(np.zeros((1, 2, 16, 16), np.float32))


def _is_one_line(path, said) -> None:
    with pytest.raises(ModelError, match=said) as caught:
        load_model(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


WHOLE = theirs.proto(*theirs.classifier(theirs.weights(2, 2), [False, True]), theirs.card(BANDS)).SerializeToString()


@settings(max_examples=150, deadline=None)
@given(changes=st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_damaged_file_is_one_line_or_still_a_model(changes):
    content = bytearray(WHOLE)
    for place, value in changes:
        content[place] = value
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(ModelError):  # anything else fails the test
        tried(model_from(bytes(content), path=Path("m.onnx"), source="m.onnx"), source="m.onnx")
    assert printed.getvalue() == ""


ODD = st.sampled_from(
    [None, -1, 0, 65, 2**31, 10**40, 1e308, 0.5, True, "", "x" * 10**5, "\x1b[31m", "a\nb", [], {}, [[]]]
)


@settings(max_examples=150, deadline=None)
@given(
    key=st.sampled_from(sorted(theirs.card(BANDS))), value=ODD | st.text() | st.lists(st.text(max_size=5), max_size=3)
)
def test_whatever_a_card_says_is_one_line_of_bounded_length(key, value):
    text = json.dumps(theirs.card(BANDS) | {key: value})
    try:
        card_from_json(text, source="m.onnx")
    except ModelError as error:
        line = str(error)
    else:
        return
    assert line.isprintable()
    assert len(line) < 500
