from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from howgreen.core.errors import ModelError
from howgreen.training.contest import page, run
from howgreen.training.contest.classes import BAND_SETS
from howgreen.training.contest.effort import QUICK
from howgreen.training.contest.face import Asked, contest_page

pytestmark = pytest.mark.train


def _quiet(*_):
    pass


@pytest.mark.real
def test_a_contest_writes_its_page_and_a_second_run_only_reads(shared_data, tmp_path):
    asked = {
        "work": tmp_path / "work",
        "ask": Asked(band_sets=("four",), names=("ndvi-rule", "network", "unet"), quick=True),
        "progress": _quiet,
    }
    written = contest_page(shared_data, out=tmp_path / "out", **asked)
    text = written.read_text()
    assert "Its figures mean nothing" in text
    for name in ("ndvi-rule", "network", "unet", "shipped mixture-4"):
        assert f"| {name} |" in text
    pictures = sorted((tmp_path / "out" / "img").glob("*.png"))
    assert [path.name for path in pictures] == [
        f"benchmark_four_{what}.png"
        for what in ("answers", "confusion", "courses", "real", "seams", "sureness", "tradeoff")
    ]
    for path in pictures:
        assert f"img/{path.name}" in text
        assert np.asarray(Image.open(path).convert("L")).std() > 5, "something is drawn"
    # Without data nothing can be trained or judged again: the same page must come from the finished parts.
    again = contest_page(tmp_path / "nothing", out=tmp_path / "again", **asked)
    assert again.read_text() == text
    # What may be passed on shows the maps that were made of the real image, and not the image.
    bare = contest_page(
        tmp_path / "nothing", out=tmp_path / "maps", **asked | {"ask": replace(asked["ask"], real_pictures=False)}
    )
    names = {path.name for path in (tmp_path / "maps" / "img").glob("*.png")}
    assert {name for name in names if "real" in name} == {"benchmark_four_real_maps.png"}
    assert "img/benchmark_four_real_maps.png" in bare.read_text()
    assert np.asarray(Image.open(tmp_path / "maps/img/benchmark_four_real_maps.png").convert("L")).std() > 5


@pytest.mark.real
def test_the_city_left_out_teaches_nothing(shared_data):
    world = run.World(data=shared_data, band_set="sentinel-2", effort=QUICK)
    whole = len(world.training(without=run.EVERYTHING).shares)
    for city in world.real:
        rows = {tuple(row) for row in city.with_bands(BAND_SETS["sentinel-2"]).rows()[0].tolist()}
        without = world.training(without=city.name)
        assert len(without.shares) < whole
        assert not rows & {tuple(row) for row in without.reflectance.tolist()}


def test_an_unknown_algorithm_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"algorithm magic: not known; there are ndvi-rule"):
        contest_page(
            tmp_path,
            out=tmp_path,
            work=tmp_path,
            ask=Asked(band_sets=("four",), names=("magic",), quick=True),
            progress=_quiet,
        )


def test_missing_data_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"no such file.*--data"):
        contest_page(
            tmp_path,
            out=tmp_path / "o",
            work=tmp_path / "w",
            ask=Asked(band_sets=("four",), quick=True),
            progress=_quiet,
        )
    assert not (tmp_path / "o").exists()


def test_the_fast_one_with_the_smallest_error_wins():
    def each(points: float, seconds: float) -> dict:
        return {
            "simulated": {"a": {"ratio_points": points}, "b": {"ratio_points": -points}},
            "seconds_per_mpx": seconds,
        }

    found = {"slow and right": each(0.1, 2.0), "fast": each(2.0, 0.2), "faster": each(3.0, 0.01)}
    assert page.winner(found) == "fast"
    assert page.winner({"slow": each(0.1, 2.0)}) is None
    said = page._winner(found | {"shipped m": each(2.5, 0.1)})
    assert "**fast**, 2.00 points" in said
    assert "**shipped m**, 2.50 points" in said
    assert "differs by 2.25 ± 0.00 square points (95 % of 2 cities" in said
    assert "shipped" not in page._winner({"shipped m": each(1.0, 0.1), "slow": each(0.1, 2.0)}).split("**")[2]


def test_parts_of_another_effort_are_not_taken_for_ours(tmp_path):
    from dataclasses import replace

    def part(effort, band_set="four"):
        world = run.World(data=tmp_path, band_set=band_set, effort=effort)
        return run.Contest(world=world, work=tmp_path, names=(), progress=_quiet).part("figures", "knn")

    assert part(QUICK) == part(QUICK)
    assert len({part(QUICK), part(replace(QUICK, epochs=5)), part(QUICK, "landsat")}) == 3


def test_a_stopped_run_leaves_no_half_part(tmp_path):
    run._keep(tmp_path / "a" / "p.json", {"x": 1})
    assert json.loads((tmp_path / "a" / "p.json").read_text()) == {"x": 1}
    with pytest.raises(TypeError):
        run._keep(tmp_path / "a" / "q.json", {"x": object()})
    assert not (tmp_path / "a" / "q.json").exists()


def _contestant(points: float, seconds: float = 0.1, oa: float | None = None) -> dict:
    cities = {} if oa is None else {"x": {"oa": oa}}
    return {
        "simulated": {"a": {"ratio_points": points}, "b": {"ratio_points": -points}},
        "seconds_per_mpx": seconds,
        "cities": cities,
    }


def test_the_verdict_says_what_to_take_and_whether_it_matters():
    def said(**found):
        named = {name.replace("_", " "): each for name, each in found.items()}
        return page._verdict({"band_set": "four", "contestants": named})

    best = said(forest=_contestant(3.0, oa=0.9), shipped_m=_contestant(1.0, oa=0.95))
    assert "**shipped m** errs least in simulated cities (1.0 points" in best
    assert "forest most (3.0)" in best
    assert "90.0 (forest) to 95.0 % (shipped m) right" in best
    assert best.endswith("So take the model that comes with howgreen.")
    slow = said(svm=_contestant(1.0, seconds=4.0), shipped_m=_contestant(2.0))
    assert "but it is slow (0.5 Mpx/s on two cores)" in slow
    assert "more than by chance, but svm learned from towns of the same builder" in slow
    near = {"a": {"ratio_points": 1.0}, "b": {"ratio_points": 3.0}}
    chance = said(forest=_contestant(1.9), shipped_m={**_contestant(1.0), "simulated": near})
    assert "no more than chance can explain" in chance


def test_the_average_of_two_asks_for_both(monkeypatch, tmp_path):
    from howgreen.training.contest import face

    asked = []

    def stop(*_, names, **__):
        asked.append(names)
        raise ModelError("enough")

    monkeypatch.setattr(face, "benchmark", stop)
    ask = Asked(band_sets=("four",), names=("combination", "forest"), quick=True)
    with pytest.raises(ModelError, match="enough"):
        contest_page(tmp_path, out=tmp_path, work=tmp_path, ask=ask, progress=_quiet)
    assert asked == [["forest", "boosting", "network"]]
