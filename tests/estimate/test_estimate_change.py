"""The area of change from a sample that people looked at on both dates."""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import jsonschema
import msgspec
import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from command_line import call
from howgreen import report
from howgreen.cli.estimate import _kappa
from howgreen.core.errors import EstimateError
from howgreen.core.geometry import transformer
from howgreen.estimate.answers import CHANGE_LETTERS, Answer, read_answers
from howgreen.estimate.change import change_to_json, evaluate_change
from howgreen.estimate.drawing import draw
from howgreen.estimate.frame import ChangeFrame, Frame
from howgreen.estimate.sample import Sample, dots_of, load
from howgreen.pipeline import estimates, sampling
from howgreen.pipeline.estimates import doubts_of_change
from howgreen.pipeline.schemas import schemas
from howgreen.web.labelling import Session, answers_file
from towns import meadow_built_on

pytestmark = pytest.mark.filterwarnings("ignore::howgreen.HowgreenWarning")

# Olofsson et al. 2014, table 8: rows map, columns reference (deforestation, gain, stable forest, stable non-forest).
LOOKS = ((66, 0, 5, 4), (0, 55, 8, 12), (1, 0, 153, 11), (2, 1, 9, 313))
PIXELS = (200_000, 150_000, 3_200_000, 6_450_000)
KINDS = ("lost", "gained", "kept", "neither")


def frame(strata=KINDS, side=40) -> Frame:
    """A square with a stratum in each quarter of its rows."""
    cover = np.ones((side, side), np.float32)
    code = np.repeat(np.arange(side) * len(strata) // side, side).reshape(side, side)
    grid = GeoBox((side, side), Affine(10, 0, 680_000, 0, -10, 5_150_000), "EPSG:32632")
    return Frame(
        place="Square", place_id="x", plan_sha256="", grid=grid, shape=grid.extent.geom, cover=cover, green=cover * 0.5, land=cover,
        map_rmse=0.2, change=ChangeFrame(strata=strata, area_m2=float(side * side * 100), before="2020", after="2024"), strata=code,
    )  # fmt: skip


def test_the_worked_example_of_the_good_practices():
    drawn = draw(frame(), looks=700, seed=1, dots=1)
    # The paper's numbers of looks, weights and areas in the place of those that were drawn.
    units, answers = [], []
    for stratum, row in enumerate(LOOKS):
        for kind, number in zip(KINDS, row, strict=True):
            for _ in range(number):
                units.append(drawn.units[len(units)].__class__(**_fields(drawn.units[0], len(units) + 1, stratum)))
                answers.append(Answer(unit=len(units), reader="ann", dots={kind: 1}))
    total = sum(PIXELS)
    made = _with(
        drawn,
        units=tuple(units),
        weights=tuple(one / total for one in PIXELS),
        change=ChangeFrame(strata=KINDS, area_m2=total * 900.0, before="", after=""),
    )
    found = evaluate_change(made, answers)
    hectares = {kind: found.areas[kind].area_m2 / 1e4 for kind in KINDS}
    assert list(hectares.values()) == pytest.approx([21157.762, 11686.154, 285769.930, 581386.154], abs=0.001)
    errors = [1.96 * found.areas[kind].se_m2 / 1e4 for kind in KINDS]
    assert errors == pytest.approx([6157.634, 3755.826, 15509.836, 16281.656], abs=0.001)
    assert found.users["lost"].value == pytest.approx(0.88)
    assert found.users["gained"].value == pytest.approx(0.733333, abs=1e-6)
    assert found.producers["lost"].value == pytest.approx(0.748661, abs=1e-6)
    assert found.producers["gained"].value == pytest.approx(0.847156, abs=1e-6)
    assert found.areas["net"].area_m2 / 1e4 == pytest.approx(11686.154 - 21157.762, abs=0.001), "gained less lost"
    one = found.areas["lost"]
    assert one.high_m2 - one.area_m2 == pytest.approx(one.area_m2 - one.low_m2)
    assert (one.high_m2 - one.area_m2) / one.se_m2 == pytest.approx(1.97, abs=0.02), (
        "Student's, by many degrees of freedom"
    )


def _fields(unit, number, stratum):
    return {**msgspec.structs.asdict(unit), "unit": number, "stratum": stratum, "asked": "1"}


def _with(drawn: Sample, **fields) -> Sample:
    return msgspec.structs.replace(drawn, **fields)


def test_a_third_of_the_looks_are_dealt_evenly_a_sixth_beside_change_and_the_rest_by_area():
    code = np.zeros((40, 40), np.intp)
    code[:, 2:] = 1
    code[:, 4:] = 2
    one = replace(frame(("lost", "beside", "kept")), strata=code)
    drawn = draw(one, looks=120, seed=3)
    counts = np.bincount([unit.stratum for unit in drawn.units])
    assert counts.sum() == 120
    assert counts[0] == 120 // 9
    assert counts[1] == 120 // 9 + 120 // 6
    assert counts[2] == 120 - counts[0] - counts[1]
    assert drawn.weights == pytest.approx([0.05, 0.05, 0.9])
    assert all(code[unit.row, unit.column] == unit.stratum for unit in drawn.units)


def test_what_nobody_found_is_bounded_and_no_interval_has_no_width():
    drawn = draw(frame(("lost", "gained", "beside", "kept", "neither")), looks=100, seed=2, dots=1)
    alike = {"lost": "lost", "gained": "gained", "beside": "kept", "kept": "kept", "neither": "neither"}
    answers = [
        Answer(unit=unit.unit, reader="ann", dots={alike[drawn.change.strata[unit.stratum]]: 1}) for unit in drawn.units
    ]
    found = evaluate_change(drawn, answers)
    assert found.areas["lost"].area_m2 == pytest.approx(0.2 * drawn.change.area_m2)
    assert found.areas["lost"].low_m2 < found.areas["lost"].area_m2 < found.areas["lost"].high_m2
    looks = [sum(unit.stratum == number for unit in drawn.units) for number in (2, 3, 4)]
    unseen = sum(0.2 * (1 - 0.05 ** (1 / n)) for n in looks) * drawn.change.area_m2
    assert found.unseen_m2 == pytest.approx(unseen)
    assert found.areas["net"].low_m2 < 0 < found.areas["net"].high_m2
    lost = [one for one in answers if drawn.units[one.unit - 1].stratum == 0]
    few = [*lost[:4], *(one for one in answers if one not in lost)]
    with pytest.raises(EstimateError, match=r"stratum 'lost': has 4 looks, and each needs 5"):
        evaluate_change(drawn, few)


def test_what_nobody_could_tell_of_a_change_is_bounded(tmp_path):
    """Left out without a word, places that are too dark to read would count as what the others are."""
    drawn = draw(frame(("lost", "gained", "beside", "kept", "neither")), looks=100, seed=2, dots=9)
    alike = {"lost": "lost", "gained": "gained", "beside": "kept", "kept": "kept", "neither": "neither"}
    kinds = [alike[drawn.change.strata[unit.stratum]] for unit in drawn.units]
    whole = [Answer(unit=n, reader="ann", dots={kind: 9}) for n, kind in enumerate(kinds, 1)]
    found = evaluate_change(drawn, whole)
    assert (found.unknown_share, found.bounds_m2) == (0, {})
    dark = [replace(one, dots={"unknown": 9}) if one.unit % 4 == 0 else one for one in whole]
    found = evaluate_change(drawn, dark)
    assert found.unknown_share == pytest.approx(0.25)
    assert found.looked == 75
    for kind in ("lost", "gained"):
        low, high = found.bounds_m2[kind]
        assert low < 0.75 * 0.2 * drawn.change.area_m2 < found.areas[kind].low_m2
        assert high > found.areas[kind].high_m2 + 0.15 * drawn.change.area_m2
    (tmp_path / "estimate.json").write_text(json.dumps(change_to_json(drawn, found)))
    (caution,) = doubts_of_change(tmp_path)
    assert caution.text.startswith("25 % of the dots could not be told")
    almost = evaluate_change(drawn, [replace(whole[0], dots={"unknown": 8, "kept": 1}), *whole[1:]])
    (tmp_path / "estimate.json").write_text(json.dumps(change_to_json(drawn, almost)))
    assert 0 < almost.unknown_share < 0.01
    assert not list(doubts_of_change(tmp_path))


def test_two_readers_who_both_see_no_change_are_no_reason_to_refuse_the_estimate(tmp_path):
    """Kappa is none then, and "NaN" is no JSON: the page of the change took the file for a broken one."""
    drawn = draw(frame(("lost", "gained", "beside", "kept", "neither")), looks=100, seed=2, dots=9)
    ann = [Answer(unit=unit.unit, reader="ann", dots={"kept": 9}) for unit in drawn.units]
    bob = [replace(one, reader="bob", time="2") for one in ann[:20]]
    found = evaluate_change(drawn, [*ann, *bob])
    assert math.isnan(found.agreement.kappa)
    text = json.dumps(change_to_json(drawn, found), allow_nan=False)
    (tmp_path / "estimate.json").write_text(text)
    assert not list(doubts_of_change(tmp_path))
    assert _kappa(found.agreement).endswith("kappa cannot be told")


def test_intervals_hold_the_truth_as_often_as_they_say():
    """A map that calls a fifth of the lost ground kept, and a reader who is right: 400 samples."""
    code = np.full((60, 60), 2, np.intp)  # kept
    code[:12] = 0  # called lost
    code[12:18] = 1  # beside
    truth = np.zeros((60, 60))
    truth[2:15] = 1
    one = replace(frame(("lost", "beside", "kept"), 60), strata=code)
    true, hits = float(truth.sum() * 100), 0
    for seed in range(400):
        drawn = draw(one, looks=120, seed=seed, dots=1)
        answers = [
            Answer(unit=unit.unit, reader="ann", dots={"lost" if truth[unit.row, unit.column] else "kept": 1})
            for unit in drawn.units
        ]
        area = evaluate_change(drawn, answers).areas["lost"]
        hits += area.low_m2 <= true <= area.high_m2
    assert 0.92 <= hits / 400 <= 0.99


# ---- from two images to the number, with a reader who knows the truth --------------------------------------------------


@pytest.fixture(scope="module")
def changed(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("changed")
    meadow_built_on(folder)
    assert call("change", *pair(folder), "--out", folder / "change") == 0
    return folder


def pair(folder: Path) -> tuple[object, ...]:
    return (
        "--images", folder / "before.tif", folder / "after.tif", "--bands", "blue,green,red,nir,scl", "--scale", "1e-4",
        "--from", "2020-06-01", "--to", "2024-06-01", "--offline",
    )  # fmt: skip


def corner_reader(drawn: Sample, unit) -> str:
    """Tell each dot by where it lies."""
    pattern = ["-"] * len(unit.asked)
    for number, (lon, lat) in dots_of(drawn, unit):
        x, y = transformer("EPSG:4326", drawn.crs).transform(lon, lat)
        column, row = (x - 680_000) / 10, (5_150_000 - y) / 10
        lost = 5 <= row < 20 and 5 <= column < 20
        pattern[number - 1] = "l" if lost else "k" if row < 40 else "n"
    return "".join(pattern)


def test_from_two_images_to_the_area_that_was_lost(changed, tmp_path, capsys):
    out = tmp_path / "sample"
    assert call("sample", "--change", changed / "change", "--looks", 100, "--out", out) == 0
    drawn = load(out / "sample.json")
    assert drawn.change is not None
    assert drawn.change.strata == ("lost", "beside", "kept", "neither"), "nothing was gained"
    assert {"photo_before.tif", "photo_after.tif"} <= {path.name for path in out.iterdir()}
    session = Session(folder=out, sample=drawn, reader="ann", pictures=())
    assert session.state()["letters"] == CHANGE_LETTERS
    with pytest.raises(EstimateError, match="has not one kind for each of its dots"):
        session.put(drawn.units[0].unit, "t" * 9)
    for unit in drawn.units:
        session.put(unit.unit, corner_reader(drawn, unit))
    assert "estimate" not in session.state(), "no number before all is read"
    assert read_answers([answers_file(out, "ann")], drawn)[0].pattern
    assert call("estimate", out) == 0
    said = capsys.readouterr().out.replace("\xa0", " ")
    assert re.search(r"green lost: 2\.\d+ ha \([12]\.\d+ ha to 2\.\d+ ha\)", said)
    assert call("estimate", out, "--json") == 0
    found = json.loads((out / "estimate.json").read_text(encoding="utf-8"))
    lost = found["areas"]["lost"]
    assert lost["low_m2"] <= 15 * 15 * 100 <= lost["high_m2"]
    assert lost["high_m2"] - lost["low_m2"] < 0.5 * 15 * 15 * 100
    assert found["areas"]["gained"]["area_m2"] == 0
    assert found["users"]["lost"]["value"] > 0.9


def test_a_loss_of_few_pixels_stays_in_the_frame_and_is_told(changed, monkeypatch):
    """It was left out of both: "pixels that the map calls so: 0 m2", of a map that shows some."""
    as_it_is = sampling.frame_of_change(changed / "change")
    (lost,) = (one for one in _classes_of(changed) if one["name"] == "green lost")
    monkeypatch.setattr(sampling, "FEWEST_PIXELS", 300)
    few = sampling.frame_of_change(changed / "change")
    assert few.change.strata == ("beside", "kept", "neither")
    assert few.change.area_m2 == as_it_is.change.area_m2
    assert few.change.small_m2 == {"lost": pytest.approx(lost["area_m2"])}
    drawn = draw(few, looks=100, seed=1)
    answers = [Answer(unit=one.unit, reader="ann", dots={"kept": one.asked.count("1")}) for one in drawn.units]
    assert evaluate_change(drawn, answers).mapped_m2 == {"lost": pytest.approx(lost["area_m2"]), "gained": 0}


def _classes_of(folder: Path) -> list[dict]:
    return json.loads((folder / "change" / "summary.json").read_text(encoding="utf-8"))["classes"]


def looked_at(changed: Path, out: Path) -> Path:
    """A sample of the change, read whole, and estimated."""
    assert call("sample", "--change", changed / "change", "--looks", 100, "--out", out) == 0
    drawn = load(out / "sample.json")
    session = Session(folder=out, sample=drawn, reader="ann", pictures=())
    for unit in drawn.units:
        session.put(unit.unit, corner_reader(drawn, unit))
    assert call("estimate", out) == 0
    return out


def again(changed: Path, sampled: Path, out: Path, *more: object) -> int:
    """The same change once more, led by the estimate."""
    return call("change", *pair(changed), "--out", out, "--estimate", sampled, *more)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_estimate_leads_the_page_of_its_change(changed, tmp_path, capsys, language):
    sampled = looked_at(changed, tmp_path / "sample")
    capsys.readouterr()
    assert again(changed, sampled, tmp_path / "led", "--language", language) == 0
    said = capsys.readouterr().out.replace("\xa0", " ")
    assert re.search(
        r"Green lost 2\.\d+ ha \([12]\.\d+ ha to 2\.\d+ ha\), gained .* people saw at 100 places; the map measures",
        said,
    )
    alone, led = (
        json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        for folder in (changed / "change", tmp_path / "led")
    )
    jsonschema.validate(led, schemas()["report/change.schema.json"])
    found = json.loads((sampled / "estimate.json").read_text(encoding="utf-8"))
    assert alone["estimate"] is None
    assert {key: led[key] for key in ("threshold", "classes", "patches")} == {
        key: alone[key] for key in ("threshold", "classes", "patches")
    }
    assert led["estimate"]["areas"] == found["areas"]
    assert led["estimate"]["looked"] == led["estimate"]["drawn"] == 100
    assert led["estimate"]["sample_sha256"] == load(sampled / "sample.json").sha256
    pages = [(folder / "change.html").read_text(encoding="utf-8") for folder in (changed / "change", tmp_path / "led")]
    assert [page.count('data-testid="estimate"') for page in pages] == [0, 1]
    lead = re.search(r'<p class="answer" data-testid="counted">(.*?)</p>', pages[1])
    assert lead is not None
    shown = report.language(language).area(found["areas"]["lost"]["area_m2"])
    assert shown in lead[1]
    assert ("Vert perdu\xa0:" in lead[1]) == (language == "fr")


def test_an_estimate_of_another_change_is_refused_and_nothing_is_written(changed, tmp_path, capsys):
    sampled = looked_at(changed, tmp_path / "sample")
    capsys.readouterr()
    assert again(changed, sampled, tmp_path / "other", "--mapping-unit", 5) != 0
    assert "was drawn from another change than this one" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()
    (sampled / "estimate.json").unlink()
    assert again(changed, sampled, tmp_path / "other") != 0
    assert "run `howgreen estimate" in capsys.readouterr().err
    one = sampling.SampleOptions(looks=30, half_width=0.03, dots=9, design="stratified", by_district=False, seed=5)
    sampling.sample_of_change(changed / "change", one, tmp_path / "fresh")
    (tmp_path / "fresh" / "estimate.json").write_bytes(json.dumps(
        {"sample": {"sha256": "x"}, "areas": {}}).encode())  # fmt: skip
    with pytest.raises(EstimateError, match="is no estimate"):
        estimates.estimate_of_change(tmp_path / "fresh")


def test_what_is_no_sample_of_change_is_refused_in_one_line(changed, tmp_path, capsys):
    for arguments, words in (
        (("sample", "Lyon", "--change", changed / "change"), "leave NAME out"),
        (("sample", "--change", changed / "change", "--half-width", 2), "leave --half-width out"),
        (("sample", "--change", tmp_path / "none"), "is no folder that `howgreen change` wrote"),
        (("sample", "--change", changed), "is no folder that `howgreen change` wrote"),
        (("sample", "--change", changed / "change", "--looks", 20), "at least 5 each"),
    ):
        code = call(*arguments, "--out", tmp_path / "out")
        said = capsys.readouterr().err
        assert words in said or (code == 0 and words == "at least 5 each")
    one = draw(replace(frame(), change=None, strata=None), looks=30, seed=1)
    with pytest.raises(EstimateError, match="is of one date"):
        evaluate_change(one, [])
    two = draw(frame(), looks=30, seed=1)
    with pytest.raises(EstimateError, match="looks, and each needs"):
        evaluate_change(two, [Answer(unit=1, reader="ann", dots={"lost": 9})])
    spoiled = tmp_path / "spoiled"
    spoiled.mkdir()
    for name in ("summary.json", "change.tif", "green_after.tif"):
        (spoiled / name).write_bytes((changed / "change" / name).read_bytes())
    with pytest.raises(EstimateError, match=r"lacks green_before\.tif; make it anew"):
        sampling.frame_of_change(spoiled)
    (spoiled / "green_before.tif").write_bytes(b"no image")
    with pytest.raises(EstimateError, match="cannot be read"):
        sampling.frame_of_change(spoiled)


def test_a_sample_of_one_date_keeps_its_checksum():
    """Files that were drawn before there were samples of change are still read."""
    one = draw(replace(frame(), change=None, strata=None), looks=30, seed=1)
    plain = msgspec.to_builtins(_with(one, sha256=""))
    del plain["change"], plain["howgreen"], plain["systematic_effect"]  # none is there: nothing is hashed of them
    assert one.sha256 == hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
