"""The whole journey on the synthetic city, judged by its exact truth."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import howgreen
from howgreen import imagery, landcover, measure, sample
from howgreen.core.errors import HowgreenError, MissingBandsError, NoImageError, PeriodError, PlanError
from howgreen.core.types import Plan, Scene
from howgreen.core.warnings import HowgreenWarning
from howgreen.net.network import Network
from howgreen.pipeline import city, plan_json


@pytest.fixture(scope="module")
def plan(sampleton: Path) -> Plan:
    return city.plan("Sampleton", store=sampleton)


@pytest.fixture(scope="module")
def result(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> city.CityResult:
    return city.run(plan, work=tmp_path_factory.mktemp("work"))


def test_the_answer_is_near_the_truth_and_the_interval_holds_it(result: city.CityResult, sampleton: Path):
    truth = sample.truth(sampleton)
    assert result.stats.green_ratio == pytest.approx(truth.green_ratio, abs=0.03)
    assert result.stats.interval is not None
    assert result.stats.interval.low <= truth.green_ratio <= result.stats.interval.high


def test_the_sea_is_not_land(result: city.CityResult, sampleton: Path):
    truth = sample.truth(sampleton)
    assert result.stats.land_area_m2 == pytest.approx(truth.land_area_m2, rel=0.02)
    assert result.stats.zone_area_m2 > 1.02 * result.stats.land_area_m2


def test_districts_sum_to_the_city(result: city.CityResult):
    districts = result.zones.iloc[1:]
    assert len(districts) == 6
    for column in ("zone_area_m2", "land_area_m2", "observed_area_m2", "green_area_m2"):
        assert districts[column].sum() == pytest.approx(result.zones.iloc[0][column], rel=2e-4)


def test_same_plan_same_answer(plan: Plan, result: city.CityResult, tmp_path: Path):
    again = city.run(plan_json.from_json(plan_json.to_json(plan)), work=tmp_path)
    assert again.stats == result.stats
    assert again.plan == plan


def test_scene_order_does_not_matter(plan: Plan, result: city.CityResult, tmp_path: Path):
    turned = dataclasses.replace(plan, scenes=plan.scenes[::-1])
    assert city.run(turned, work=tmp_path).stats == result.stats


def test_any_chunking_gives_the_same_labels(plan: Plan, result: city.CityResult):
    model = landcover.load_model(plan.model)
    composite = imagery.composite(plan.scenes, grid=plan.grid, bands=plan.bands, block_px=333)
    other = landcover.classify(composite, model)
    for name in ("label", "green_fraction"):
        np.testing.assert_array_equal(other.data[name].values, result.landcover.data[name].values)
    assert measure.green(other, plan.city)[0].stats.green_ratio == pytest.approx(result.stats.green_ratio, abs=1e-9)


def test_a_stopped_run_goes_on_with_the_missing_blocks_only(plan: Plan, result: city.CityResult, tmp_path: Path):
    class Stop(BaseException):
        pass

    def stop_early(stage: str, done: int, total: int) -> None:
        if stage.startswith("composite") and done == 2:
            raise Stop

    with pytest.raises(Stop):
        city.run(plan, work=tmp_path, progress=stop_early)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")}
    assert kept
    assert city.run(plan, work=tmp_path).stats == result.stats
    assert all(path.stat().st_mtime_ns == then for path, then in kept.items())


def test_landsat_answers_too(sampleton: Path, tmp_path: Path):
    plan = city.plan("Sampleton", store=sampleton, sensor="landsat")
    assert abs(plan.grid.resolution.x) == 30
    stats = city.run(plan, work=tmp_path).stats
    assert stats.green_ratio == pytest.approx(sample.truth(sampleton).green_ratio, abs=0.08)


def test_the_embedded_city_needs_no_store(at_home: Path, sampleton: Path):
    assert Path(howgreen.plan("sampleton").source) == sampleton


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"place": "Atlantis", "network": Network(offline=True)}, HowgreenError, "Atlantis"),
        ({"place": "Sampleton", "period": "1999"}, NoImageError, "1999"),
        ({"place": "Sampleton", "period": "never"}, PeriodError, "never"),
        ({"place": "Sampleton", "sensor": "kite"}, PlanError, "sentinel-2"),
        ({"place": "Sampleton", "sensor": "landsat", "model": "mixture-10"}, MissingBandsError, "rededge1"),
        ({"place": "Sampleton", "model": "oracle"}, HowgreenError, "mixture-10"),
        ({"place": "-33.9, 18.4", "period": "2024"}, NoImageError, "image"),
    ],
)
def test_bad_input_is_one_line_that_says_what_and_where(sampleton: Path, options: dict, error: type, words: str):
    with pytest.raises(error) as caught:
        city.plan(store=sampleton, **options)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_plan_for_another_model_file_is_refused(plan: Plan, tmp_path: Path):
    with pytest.raises(PlanError, match="make a new plan"):
        city.run(dataclasses.replace(plan, model_sha256="0" * 64), work=tmp_path)


def _without_its_first_file(scene: Scene, folder: Path) -> Scene:
    asset = dataclasses.replace(scene.assets[0], href=str(folder / "gone.tif"))
    return dataclasses.replace(scene, assets=(asset, *scene.assets[1:]))


def test_a_plan_with_one_image_gone_loses_that_date_and_says_so(plan: Plan, tmp_path: Path):
    scenes = (_without_its_first_file(plan.scenes[0], tmp_path), *plan.scenes[1:])
    with pytest.warns(HowgreenWarning, match=r"gone\.tif"):
        result = city.run(dataclasses.replace(plan, scenes=scenes), work=tmp_path)
    assert len(result.plan.scenes) == len(plan.scenes) - 1
    assert "image-left-out" in {caution.code for caution in result.warnings}


def test_a_plan_whose_images_are_gone_is_refused(plan: Plan, tmp_path: Path):
    scenes = tuple(_without_its_first_file(scene, tmp_path) for scene in plan.scenes)
    with pytest.raises(HowgreenError, match=r"gone\.tif"):
        city.run(dataclasses.replace(plan, scenes=scenes), work=tmp_path)
