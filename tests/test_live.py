"""Each provider asked once, and one small city: for a person with a connection (``make test-live``), never run by default."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import shapely

from howgreen import cli
from howgreen.core.errors import NoImageError
from howgreen.core.types import Period
from howgreen.imagery import search
from howgreen.net.endpoints import Endpoints
from howgreen.net.network import Network
from howgreen.osm import green_areas_online
from howgreen.place import find, from_shape

pytestmark = pytest.mark.live

HERE = shapely.box(11.33, 46.48, 11.36, 46.50)
"""Two kilometres of Bolzano."""
SUMMER = Period.parse("2023-07")


@pytest.fixture(autouse=True)
def _asked_for(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if not request.config.getoption("--force-enable-socket"):
        pytest.skip("asks real services: make test-live")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.mark.parametrize(
    ("catalog", "sensor"),
    [
        ("earth-search", "sentinel-2"),
        ("planetary-computer", "sentinel-2"),
        ("planetary-computer", "landsat"),
        ("planetary-computer", "sentinel-1"),
    ],
)
def test_a_catalogue_has_scenes_of_july(catalog: str, sensor: str):
    found = search(from_shape(HERE, name="Here"), SUMMER, catalog=Endpoints().catalog(catalog), sensor=sensor).scenes
    assert found
    assert all(scene.time in SUMMER and scene.radiometry for scene in found)


def test_copernicus_answers_and_its_files_need_an_account():
    with pytest.raises(NoImageError, match="account"):
        search(from_shape(HERE, name="Here"), SUMMER, catalog=Endpoints().catalog("copernicus"), sensor="sentinel-2")


def test_nominatim_knows_vaduz():
    city = find("Vaduz, Liechtenstein", network=Network())
    assert city.country == "LI"
    assert city.area_m2 / 1e6 == pytest.approx(17.3, rel=0.03)


def test_overpass_knows_green_in_bolzano():
    assert len(green_areas_online(from_shape(HERE, name="Here"), network=Network()))


def test_a_small_city_from_start_to_end(tmp_path: Path):
    with pytest.raises(SystemExit) as done:
        cli.main(["city", "--area", HERE.wkt, "--period", "2023-07", "--out", str(tmp_path / "out")])
    assert done.value.code == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert 0.1 < summary["green_ratio"] < 0.9
    assert summary["observed_ratio"] > 0.8
