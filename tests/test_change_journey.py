"""``howgreen change`` as people run it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
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

BANDS = ("blue", "green", "red", "nir", "scl")


@pytest.fixture
def images(tmp_path: Path) -> tuple[Path, Path]:
    """A meadow beside a town; a corner of the meadow is built on in the second image."""
    rng = np.random.default_rng(0)
    leaf, stone = np.array([350, 700, 400, 4000]), np.array([1400, 1500, 1700, 2100])
    green = np.where(np.arange(80)[:, None] < 40, 0.95, 0.05) * np.ones((80, 80))
    green += rng.uniform(-0.04, 0.04, green.shape)
    later = green.copy()
    later[5:20, 5:20] = 0.03
    paths = []
    for name, share in (("before", green), ("after", later)):
        values = share * leaf[:, None, None] + (1 - share) * stone[:, None, None]
        values = np.rint(values * (1 + rng.normal(0, 0.01, values.shape))).astype(np.uint16)
        values = np.concatenate(
            [values, np.full((1, 80, 80), 4, np.uint16)]
        )  # clear: an even bare half passes for haze in part
        path = tmp_path / f"{name}.tif"
        with rasterio.open(
            path, "w", driver="GTiff", width=80, height=80, count=5, dtype="uint16", crs="EPSG:32632", nodata=0,
            transform=Affine(10, 0, 680_000, 0, -10, 5_150_000),
        ) as file:  # fmt: skip
            file.write(values)
        paths.append(path)
    return paths[0], paths[1]


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
