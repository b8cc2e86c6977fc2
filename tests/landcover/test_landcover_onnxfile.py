"""What is looked at in a file before anything runs it."""

from __future__ import annotations

import os
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import onnx_models as theirs
from howgreen.core.errors import ModelError
from howgreen.landcover import _onnxfile, load_model
from howgreen.landcover._onnxfile import card_text

onnx = theirs.onnx
CARD = theirs.card(["red", "nir"])
NODES, TENSORS = theirs.classifier(theirs.weights(2, 2), [False, True])


def _in_a_branch(tensor):
    """A tensor that only a sub-graph of a sub-graph has."""
    value = onnx.helper.make_tensor_value_info("out", theirs.FLOAT, None)
    inner = onnx.helper.make_graph([], "inner", [], [value], [tensor])
    outer = onnx.helper.make_graph([onnx.helper.make_node("If", ["yes"], ["out"], then_branch=inner)], "o", [], [value])
    return onnx.helper.make_node("If", ["yes"], ["unused"], then_branch=outer, else_branch=outer)


def _with(*, nodes=(), tensors=(), functions=()):
    return theirs.proto([*NODES, *nodes], [*TENSORS, *tensors], CARD, functions=functions)


FAR = theirs.outside("far", [4], "/etc/passwd")
PLACES = {
    "initializer": _with(tensors=[FAR]),
    "constant": _with(nodes=[onnx.helper.make_node("Constant", [], ["unused"], value=FAR)]),
    "sub-graph": _with(nodes=[_in_a_branch(FAR)]),
    "function": _with(
        functions=[
            onnx.helper.make_function(
                "local", "f", [], ["out"], [onnx.helper.make_node("Constant", [], ["out"], value=FAR)], []
            )
        ]
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_numbers_in_other_files_are_never_read_wherever_they_are_named(place, tmp_path):
    file = tmp_path / "far.onnx"
    file.write_bytes(PLACES[place].SerializeToString())
    with pytest.raises(ModelError, match=r"far\.onnx: keeps weights in other files.*/etc/passwd.*never read"):
        load_model(file)


def test_a_neighbouring_file_is_not_read_either(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.zeros(4, np.float32).tofile("weights.bin")
    (tmp_path / "m.onnx").write_bytes(_with(tensors=[theirs.outside("far", [4], "weights.bin")]).SerializeToString())
    with pytest.raises(ModelError, match=r"weights\.bin.*one file"):
        load_model("m.onnx")


@pytest.mark.parametrize("data_type", [np.float32, np.int64, np.float16])
def test_tensors_with_their_numbers_inside_are_fine(data_type):
    inside = onnx.numpy_helper.from_array(np.arange(6, dtype=data_type), "inside")
    assert '"theirs"' in card_text(_with(tensors=[inside]).SerializeToString(), source="x")


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=50), others=st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=4))
def test_the_card_is_what_the_onnx_package_wrote(text, others):
    model = theirs.proto(NODES, TENSORS, CARD)
    onnx.helper.set_model_props(model, {**others, "howgreen": text})
    assert card_text(model.SerializeToString(), source="x") == text


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_one_line_or_still_a_card(data):
    content = bytearray(_with().SerializeToString())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=5)):
        content[place] = data.draw(st.integers(0, 255))
    cut = bytes(content[: data.draw(st.integers(0, len(content)))])
    with suppress(ModelError):  # anything else that is raised fails the test
        assert isinstance(card_text(cut, source="x.onnx"), str)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"\n <!DOCTYPE html><title>Sign in</title>", "web page; give the address of the file itself"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "pointer of Git LFS"),
        (b"ORTM" + bytes(60), "not an ONNX file"),
        (b"\x08\x08", "not an ONNX file"),
        (_with().SerializeToString()[:-40], "cut short|no card"),
    ],
)
def test_what_is_no_model_says_what_it_looks_like(content, said, tmp_path):
    file = tmp_path / "given.onnx"
    file.write_bytes(content)
    with pytest.raises(ModelError, match=rf"given\.onnx: .*({said})"):
        load_model(file)


def test_a_card_that_is_no_text_says_so():
    model = theirs.proto(NODES, TENSORS, CARD, text="mark")
    with pytest.raises(ModelError, match="UTF-8"):
        card_text(model.SerializeToString().replace(b"mark", b"\xff\xfe\xff\xff"), source="x")


def test_a_file_of_two_gigabytes_is_not_read(tmp_path):
    file = tmp_path / "huge.onnx"
    with file.open("wb") as empty:
        empty.truncate(2 * 10**9)
    with pytest.raises(ModelError, match=r"huge\.onnx: has 2,000,000,000 bytes, and 500 MB are the most"):
        load_model(file)


def test_the_limit_itself_is_still_read(tmp_path, monkeypatch):
    file = tmp_path / "m.onnx"
    file.write_bytes(_with().SerializeToString())
    monkeypatch.setattr(_onnxfile, "MOST_BYTES", file.stat().st_size)
    load_model(file)
    monkeypatch.setattr(_onnxfile, "MOST_BYTES", file.stat().st_size - 1)
    with pytest.raises(ModelError, match="the most that is taken"):
        load_model(file)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes there")
def test_what_never_ends_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for endless in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(ModelError, match="not an ordinary file"):
            load_model(endless)


def test_a_path_that_is_none_is_one_line():
    with pytest.raises(ModelError, match="neither a shipped or added model"):
        load_model("no\0path")
