"""``howgreen change`` as people run it."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from shapely import box

from howgreen.cli.root import howgreen as command
from howgreen.core.errors import PlanError
from howgreen.core.period import Period, Season
from howgreen.net.network import Network
from howgreen.pipeline import change as pipeline
from howgreen.pipeline.planning import Choice
from howgreen.pipeline.schemas import schemas
from howgreen.place import from_shape
from howgreen.report.change_figures import ChangeSummary
from towns import meadow_built_on

BANDS = ("blue", "green", "red", "nir", "scl")


@pytest.fixture
def images(tmp_path: Path) -> tuple[Path, Path]:
    return meadow_built_on(tmp_path)


def run(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(command, ["change", *map(str, arguments)])
    return done.exit_code, done.output if done.exception is None else f"{done.output}{done.exception}"


@pytest.mark.parametrize("method", ["measured", "pca-kmeans"])
def test_two_images(images: tuple[Path, Path], tmp_path: Path, method: str):
    out = tmp_path / "out"
    code, said = run(
        "--images", *images, "--bands", ",".join(BANDS), "--scale", "1e-4", "--from", "2020-06-01", "--to", "2024-06-01", "--method",
        method, "--offline", "--out", out,
    )  # fmt: skip
    assert code == 0, said
    found = ChangeSummary.from_dict(json.loads((out / "summary.json").read_text()))
    assert found.to_dict()["format"] == schemas()["report/change.schema.json"]["properties"]["format"]["enum"][0]
    assert found.method == method
    assert {path.name for path in out.iterdir()} >= set(found.files)
    with rasterio.open(out / "change.tif") as file:
        codes = file.read(1)
        assert file.nodata == 255
        assert file.colormap(1)[255][3] == 0
    assert all(one.name in (out / "change.qml").read_text() for one in found.classes)
    corner = np.bincount(codes[7:18, 7:18].ravel(), minlength=256)
    worst = min(found.classes, key=lambda one: one.green_change if one.green_change is not None else 0)
    assert corner.argmax() == worst.code
    assert worst.area_m2 == pytest.approx(15 * 15 * 100, rel=0.3)
    page = (out / "change.html").read_text()
    assert "What changed in" in page
    assert 'data-layer="after"' in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    if method == "measured":
        assert found.threshold is not None
        assert found.threshold.lost_m2 == pytest.approx(15 * 15 * 100 * 0.9, rel=0.15)
        assert found.patches[0].kind == "lost"


def test_a_doubt_about_both_answers_is_told_once():
    from types import SimpleNamespace

    from howgreen.core.warnings import Caution
    from howgreen.pipeline.change import _doubts

    shared, early, late = (Caution("few-dates", text) for text in ("both", "early", "late"))
    told = _doubts(SimpleNamespace(warnings=(shared, early)), SimpleNamespace(warnings=(shared, late)))
    assert [one.text for one in told] == ["both", "before: early", "after: late"]


def test_slips_are_told_before_any_work(images: tuple[Path, Path], tmp_path: Path):
    for given, words in (
        (("Lyon", "--from", "2018"), "name both periods"),
        (("Lyon", "--from", "2018", "--to", "2020", "--bands", "red"), "--bands is of --images"),
        (("Lyon", "--images", *images), "brings its own images"),
        (("Lyon", "--period", "2018"), "--from and --to"),
        (("--images", *images, "--from", "2018", "--to", "2020"), "are days"),
    ):
        code, said = run(*given, "--offline", "--out", tmp_path / "no")
        assert code == 2
        assert words in said
    days = ("--from", "2020-06-01", "--to", "2020-06-01")
    code, said = run(
        "--images", *images, *days, "--bands", ",".join(BANDS), "--scale", "1e-4", "--offline", "--out", tmp_path / "no"
    )
    assert code != 0
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    ("periods", "refused"),
    [
        (("2024", "2023"), True),
        (("2024-06/2024-08", "2024-05"), True),
        ((Season("peak", 2024), Period.parse("2020")), True),
        ((Season("peak"), "2023"), False),  # which year that is, is not known yet
        (("2024", "2024-06"), False),
        ((np.datetime64("2024-06-01"), 2023), True),
        ((datetime.datetime(2024, 6, 1, 10), datetime.date(2023, 6, 1)), True),  # noqa: DTZ001 (as people write it)
    ],
)
def test_periods_in_the_wrong_order_do_not_turn_losses_into_gains(monkeypatch, periods, refused):
    class AskedError(Exception):
        """Both periods passed."""

    def answer(*_, **__):
        raise AskedError

    monkeypatch.setattr(pipeline.cities, "answer", answer)
    place = from_shape(box(9, 47, 9.1, 47.1), name="Town")
    with pytest.raises(PlanError if refused else AskedError, match="later than" if refused else None):
        pipeline.answers(place, periods, None, Choice(), network=Network(offline=True))
