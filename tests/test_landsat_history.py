"""A city before there was a Sentinel-2: Landsat 5 and 7, whose bands are counted otherwise and whose stripes are no ground."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from howgreen import place
from howgreen.core.sensors import SENSORS
from howgreen.core.stac import Header
from howgreen.pipeline import city
from howgreen.store import put_place, put_scene

GRID = GeoBox((60, 60), Affine(30, 0, 680_010, 0, -30, 5_150_010), "EPSG:32632")
GRASS = {"blue": 0.04, "green": 0.07, "red": 0.05, "nir": 0.40}
CLEAR_TM = 5440
"""QA_PIXEL of clear land as TM and ETM+ have it: no cirrus confidence."""


def shot(root: Path, moment: datetime, platform: str, *, stripes: slice | None = None) -> None:
    """Grass everywhere; ``stripes`` of rows that the satellite did not see."""
    rasters = {name: np.full(GRID.shape, round((value + 0.2) / 2.75e-5), np.uint16) for name, value in GRASS.items()}
    rasters["qa_pixel"] = np.full(GRID.shape, CLEAR_TM, np.uint16)
    if stripes:
        for name, values in rasters.items():
            values[stripes] = 1 if name == "qa_pixel" else 0
    put_scene(root, Header(id=f"{platform}-{moment:%Y%m%d}", sensor=SENSORS["landsat"], time=moment, platform=platform, scale=2.75e-5, offset=-0.2, nodata=0), {name: (values, GRID) for name, values in rasters.items()})  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Path:
    root = tmp_path / "store"
    put_place(root, place.from_shape(GRID.extent.to_crs("EPSG:4326").geom.buffer(-0.0005), name="Old Town"))
    return root


def test_a_year_before_sentinel_2(store: Path):
    shot(store, datetime(1995, 7, 3, 10, tzinfo=UTC), "landsat-5")
    shot(store, datetime(1995, 1, 3, 10, tzinfo=UTC), "landsat-5")
    plan = city.plan("Old Town", store=store, sensor="landsat", period="1995")
    assert [(scene.platform, scene.time.month) for scene in plan.scenes] == [("landsat-5", 7)]
    assert str(plan.period) == "1995-05-01/1995-09-30"
    assert any("growing season" in note for note in plan.notes)
    result = city.run(plan)
    assert result.stats.green_ratio > 0.8
    winter = city.plan("Old Town", store=store, sensor="landsat", period="1995-01/1995-12")
    assert len(winter.scenes) == 2


def test_stripes_of_landsat_7_are_unseen_and_never_grey(store: Path):
    shot(store, datetime(2005, 7, 3, 10, tzinfo=UTC), "landsat-7", stripes=slice(None, None, 4))
    whole, striped = "1999-07", "2005-07"
    shot(store, datetime(1999, 7, 3, 10, tzinfo=UTC), "landsat-7")
    before, after = (
        city.run(city.plan("Old Town", store=store, sensor="landsat", period=period)).stats
        for period in (whole, striped)
    )
    assert after.green_ratio == pytest.approx(before.green_ratio, abs=1e-6)
    assert before.observed_ratio == pytest.approx(1)
    assert after.observed_ratio == pytest.approx(0.75, abs=0.02)


def test_a_second_striped_date_fills_the_gaps_and_unlike_satellites_are_told(store: Path, tmp_path: Path):
    shot(store, datetime(2013, 7, 3, 10, tzinfo=UTC), "landsat-7", stripes=slice(None, None, 4))
    shot(store, datetime(2013, 7, 11, 10, tzinfo=UTC), "landsat-8", stripes=slice(1, None, 4))
    result = city.city("Old Town", store=store, sensor="landsat", period="2013-07")
    assert result.stats.observed_ratio == pytest.approx(1)
    assert any("Landsat 7, Landsat 8" in caution.text for caution in result.plan.warnings)
    summary = result.save(tmp_path / "out")
    assert {scene["platform"] for scene in summary["scenes"]} == {"landsat-7", "landsat-8"}
    assert "landsat-7" in (tmp_path / "out" / "report.html").read_text()
