"""Models that a user adds: checked, kept whole, and found again by name."""

from __future__ import annotations

import hashlib
import json

import pytest

import onnx_models as theirs
from howgreen.core.errors import ModelError, NetworkError, PlanError
from howgreen.landcover import SHIPPED, _library, add_model, added_names, entry, load_model, planned_model, remove_model

BANDS = ("red", "nir")


@pytest.fixture(autouse=True)
def shelf(tmp_path, monkeypatch):
    """A library of the test's own."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data" / "howgreen" / "models"


@pytest.fixture
def file(tmp_path):
    theirs.linear(tmp_path / "m.onnx", BANDS)
    return tmp_path / "m.onnx"


@pytest.fixture
def other(tmp_path):
    theirs.linear(tmp_path / "other.onnx", BANDS, version="4")
    return tmp_path / "other.onnx"


def _sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _files(shelf):
    return sorted(path.name for path in shelf.iterdir())


def test_an_added_model_is_known_by_the_name_on_its_card(file, shelf):
    added = add_model(file)
    assert (added.model.card.name, added.model.sha256) == ("theirs", _sha256(file))
    file.unlink()
    assert load_model("theirs") == added.model
    assert added_names() == ["theirs"]
    assert entry("theirs").source == str(file)
    assert _files(shelf) == sorted([f"{added.model.sha256}.onnx", "theirs.json"])


def test_it_goes_by_the_name_it_was_given(file):
    assert add_model(file, name="our_2.1-b").model.card.name == "our_2.1-b"
    assert load_model("our_2.1-b").card.version == "3"
    with pytest.raises(
        ModelError, match=r"neither a shipped or added model \(.*ndvi, unet-10, radar-4, radar-2, our_2\.1-b\)"
    ):
        load_model("theirs")


def test_a_taken_name_is_kept_unless_it_is_the_same_file_or_replaced(file, other, shelf):
    first = add_model(file).model
    assert add_model(file).model == first
    with pytest.raises(ModelError, match=r"another one of that name is there, added from .*m\.onnx; .*--replace"):
        add_model(other)
    assert load_model("theirs") == first
    assert add_model(other, replaces=True).model.card.version == "4"
    assert _files(shelf) == sorted([f"{_sha256(other)}.onnx", "theirs.json"])


@pytest.mark.parametrize("name", [*SHIPPED, "NDVI", "Mixture-10"])
def test_shipped_names_are_never_shadowed(file, shelf, name):
    with pytest.raises(ModelError, match="comes with howgreen"):
        add_model(file, name=name, replaces=True)
    assert added_names() == []
    # Not even by somebody who writes into the folder.
    shelf.mkdir(parents=True, exist_ok=True)
    (shelf / "ndvi.json").write_text("{}")
    assert load_model("ndvi").card.description.startswith("The NDVI rule")


@pytest.mark.parametrize("name", ["", ".", "..", "../up", "a/b", "a\\b", "a b", "-x", "x" * 65, "é", "a\n", "nul\0"])
def test_names_that_could_leave_the_folder_are_refused(file, name, shelf, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ModelError, match="no name for the library"):
        add_model(file, name=name)
    with pytest.raises(ModelError, match="was not added"):
        remove_model(name)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_name_on_a_card_is_looked_at_too(tmp_path):
    for name in ("U-Net of our city", "ndvi"):
        theirs.linear(tmp_path / "m.onnx", BANDS, name=name)
        with pytest.raises(ModelError, match="--name"):
            add_model(tmp_path / "m.onnx")
    assert add_model(tmp_path / "m.onnx", name="mine").model.card.name == "mine"


def test_names_that_differ_by_capitals_alone_would_be_one_file_elsewhere(file):
    add_model(file, name="unet")
    with pytest.raises(ModelError, match="by capitals alone"):
        add_model(file, name="UNet", replaces=True)


def test_one_file_under_two_names_lives_until_both_are_gone(file, shelf):
    add_model(file, name="one")
    add_model(file, name="two")
    remove_model("one")
    assert load_model("two").sha256 == _sha256(file)
    remove_model("two")
    assert _files(shelf) == []


def test_what_was_not_added_cannot_be_removed(shelf):
    with pytest.raises(ModelError, match="comes with howgreen and cannot be removed"):
        remove_model("ndvi")
    with pytest.raises(ModelError, match="was not added"):
        remove_model("nobody")


@pytest.mark.parametrize("spelt", ["{}", "sha256:{}", " {} "])
def test_the_right_checksum_is_taken_as_it_is_written(file, spelt):
    assert add_model(file, sha256=spelt.format(_sha256(file).upper())).model.card.name == "theirs"


def test_a_wrong_checksum_and_none_at_all_are_refused(file, shelf):
    with pytest.raises(ModelError, match=rf"its sha256 is {_sha256(file)}, not {'0' * 64}"):
        add_model(file, sha256="0" * 64)
    with pytest.raises(ModelError, match="64 hexadecimal digits"):
        add_model(file, sha256="md5:1234")
    assert added_names() == []


def test_a_model_that_fails_its_trial_is_not_kept(tmp_path, shelf):
    theirs.linear(tmp_path / "m.onnx", BANDS, size=3)
    with pytest.raises(ModelError, match="neighbouring pixels"):
        add_model(tmp_path / "m.onnx")
    assert added_names() == []


def test_a_file_that_was_altered_or_deleted_is_one_line_with_the_cure(file):
    added = add_model(file).model
    content = bytearray(added.content)
    content[-1] ^= 1
    added.path.write_bytes(content)
    with pytest.raises(
        ModelError, match=r"was altered since it was added; add it again with `howgreen models add .*m\.onnx"
    ):
        load_model("theirs")
    added.path.unlink()
    with pytest.raises(ModelError, match=r"cannot be read \(No such file"):
        load_model("theirs")
    assert add_model(file).model == added


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "theirs"}', "null", '{"a": 1}', "\xff", "[" * 9000])
def test_a_damaged_entry_is_one_line_and_can_be_removed_or_replaced(file, shelf, text):
    add_model(file)
    (shelf / "theirs.json").write_text(text, encoding="latin-1")
    with pytest.raises(ModelError, match=r"theirs\.json is damaged.*remove theirs"):
        load_model("theirs")
    assert add_model(file, replaces=True).model == load_model("theirs")
    (shelf / "theirs.json").write_text(text, encoding="latin-1")
    remove_model("theirs")
    assert added_names() == []


def test_an_entry_cannot_point_out_of_the_folder(file, shelf):
    add_model(file)
    values = json.loads((shelf / "theirs.json").read_text())
    (shelf / "theirs.json").write_text(json.dumps(values | {"sha256": "../../../m"}))
    with pytest.raises(ModelError, match="damaged"):
        load_model("theirs")


@pytest.mark.parametrize("broken_at", ["put", "_write"])
def test_a_stop_on_the_way_leaves_the_old_model(file, other, shelf, monkeypatch, broken_at):
    first = add_model(file).model
    real = getattr(_library, broken_at)

    def stopped(path, content):
        if broken_at == "put" or path.suffix == ".json":
            raise KeyboardInterrupt
        real(path, content)

    monkeypatch.setattr(_library, broken_at, stopped)
    with pytest.raises(KeyboardInterrupt):
        add_model(other, replaces=True)
    assert load_model("theirs") == first
    assert not [name for name in _files(shelf) if ".part" in name]


def test_a_plan_finds_its_model_under_any_name_by_its_bytes(file, other):
    sha256 = add_model(file, name="here").model.sha256
    assert planned_model("here", sha256=sha256).card.name == "here"
    assert planned_model("/on/another/computer.onnx", sha256=sha256).card.name == "here"
    assert planned_model("/gone.onnx", sha256=load_model("ndvi").sha256).card.name == "ndvi"
    add_model(other, name="here", replaces=True)
    with pytest.raises(PlanError, match=rf"model here: its file is not the one.*{sha256[:12]}"):
        planned_model("here", sha256=sha256)
    remove_model("here")
    with pytest.raises(PlanError, match=rf"model here: is not here.*add the one with sha256 {sha256[:12]}"):
        planned_model("here", sha256=sha256)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/m.onnx", "s3://bucket/m.onnx", "https://", "://x"])
def test_addresses_that_are_not_of_the_web_are_refused(url, shelf):
    with pytest.raises(NetworkError, match="no web address"):
        add_model(url)
    assert _files(shelf) == []


def test_a_missing_file_and_a_folder_are_one_line(tmp_path):
    for path in (tmp_path / "no.onnx", tmp_path):
        with pytest.raises(ModelError, match=r"cannot be read \(.*give an ONNX file or its URL"):
            add_model(path)
