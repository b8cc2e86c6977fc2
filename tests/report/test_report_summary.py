from __future__ import annotations

import dataclasses
import json

import jsonschema
import pytest

from howgreen import report
from howgreen.pipeline.schemas import schemas


def check(found):
    schema = schemas()["report/summary.schema.json"]
    jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(found)


def test_summary_fits_its_schema(result):
    found = report.summary(result).to_dict()
    check(found)
    check(json.loads(json.dumps(found, allow_nan=False)))


def test_carries_the_names_and_values_of_the_statistics(result):
    found = report.summary(result).to_dict()
    for field in dataclasses.fields(result.stats):
        value = getattr(result.stats, field.name)
        assert found[field.name] == (dataclasses.asdict(value) if field.name == "interval" else value)


def test_scenes_model_and_districts(result):
    found = report.summary(result).to_dict()
    assert [scene["date"] for scene in found["scenes"]] == [
        "2024-05-12",
        "2024-06-03",
        "2024-07-18",
        "2024-08-24",
        "2024-09-11",
    ]
    assert found["scenes"][1]["clear_pct"] == 98.4
    assert found["n_scenes"] == 5
    assert found["model"]["sha256"] == "ab" * 32
    assert found["model"]["reference_error"]["rmse"] == 0.185
    assert [row["name"] for row in found["districts"]] == list(result.zones["name"][1:])
    assert found["districts"][2]["green_ratio"] == result.zones["green_ratio"][3]
    assert found["districts"][0]["population"]["count"] == 4000
    assert found["synthetic"] is True


def test_absent_figures_are_null(make):
    result = make(60, 70, error=False)
    unseen = dataclasses.replace(result.stats, green_ratio=None, green_pixel_ratio=None, green_m2_per_inhabitant=None)
    zones = result.zones.copy()
    zones.loc[1, "green_ratio"] = float("nan")
    found = report.summary(dataclasses.replace(result, stats=unseen, zones=zones)).to_dict()
    check(found)
    assert (found["green_ratio"], found["interval"], found["districts"][0]["green_ratio"]) == (None, None, None)


@pytest.mark.parametrize("wrong", [{"green_ratio": 1.2}, {"extra": 1}, {"format": "other"}, {"scenes": [{}]}])
def test_schema_refuses(result, wrong):
    with pytest.raises(jsonschema.ValidationError):
        check(report.summary(result).to_dict() | wrong)


def test_synthetic_images_are_never_called_copernicus(result, make):
    assert not any("Copernicus" in text for text in report.summary(result).to_dict()["attributions"])
    real = report.summary(make(60, 70, synthetic=False)).to_dict()
    assert "Contains modified Copernicus Sentinel data 2024" in real["attributions"]
    assert real["synthetic"] is False
