"""Search, choose and read over HTTP: a STAC API that nobody here wrote, and a file server, both on the loopback."""

import socket
from datetime import UTC, datetime

import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely import box

from catalogue import natives, served
from faults import Faults
from howgreen.core.errors import NetworkError, NoImageError
from howgreen.core.geometry import boxes
from howgreen.core.sensors import SENSORS
from howgreen.core.stac import Header
from howgreen.core.types import Period
from howgreen.imagery import choose, composite, find, grid, look, search
from howgreen.imagery.catalog import _search
from howgreen.net.endpoints import CATALOGS, Endpoints
from howgreen.store import put_scene

SIDE, BANDS = 300, ("red", "nir")
PERIOD = Period.parse("2024-05/2024-09")


@pytest.fixture
def files(tmp_path):
    with Faults(tmp_path) as server:
        yield server


@pytest.fixture
def store(tmp_path):
    """Three synthetic dates, one of them half under cloud, one out of season."""
    rng = np.random.default_rng(5)
    frame = GeoBox((SIDE, SIDE), Affine(10, 0, 600_000, 0, -10, 5_200_000), "EPSG:32632")
    for number, (month, added) in enumerate([(6, 1000), (7, 1000), (8, 1000), (11, 1000)]):
        scl = np.full((SIDE, SIDE), 4, np.uint8)
        scl[: 100 * (number == 1)] = 9
        values = rng.integers(200, 3000, (2, SIDE, SIDE)).astype(np.uint16) + np.uint16(added)
        put_scene(tmp_path / "store", Header(id=f"scene-{number}", sensor=SENSORS["sentinel-2"], time=datetime(2024, month, 3, 10, tzinfo=UTC), scale=1e-4, offset=-0.1, nodata=0, baseline="05.11", synthetic=True), {"red": (values[0], frame), "nir": (values[1], frame), "scl": (scl, frame)})  # fmt: skip
    return tmp_path / "store"


@pytest.fixture
def city(make_city):
    return make_city(box(600_400, 5_197_400, 602_600, 5_199_600))


@pytest.fixture
def api(store, files, tmp_path):
    """The items of the store, their files at the file server, behind `rustac serve`."""
    with served(natives(store, files=files.url, base=tmp_path), tmp_path) as url:
        yield url


def pixels(scenes, city):
    used, _ = choose(scenes, city=city, period=PERIOD, bands=BANDS)
    data = composite(used, grid=grid(city), bands=BANDS, block_px=128).data.compute(scheduler="synchronous")
    return [s.id for s in used], data


def test_over_http_it_is_the_same_picture(api, store, city):
    here = find(city, PERIOD, root=store, sensor="sentinel-2")
    there = look(search(city, PERIOD, catalog=Endpoints().catalog(api), sensor="sentinel-2").scenes, city=city)
    assert len(here) == 3
    assert [(s.id, s.clear_pct, s.offset) for s in there] == [(s.id, s.clear_pct, s.offset) for s in here]
    names, local = pixels(here, city)
    assert pixels(there, city)[0] == names
    far = pixels(there, city)[1]
    np.testing.assert_array_equal(far["reflectance"].values, local["reflectance"].values)
    np.testing.assert_array_equal(far["n_clear"].values, local["n_clear"].values)
    assert np.isfinite(local["reflectance"].values).all()


def test_a_catalogue_without_the_sensor_says_so(api, city):
    with pytest.raises(NoImageError, match=r"landsat-c2-l2.*--catalog"):
        _search.search(city, PERIOD, catalog=Endpoints().catalog(api), sensor="landsat")


def test_more_than_can_be_looked_at_is_an_error_and_not_a_shorter_answer(api, city, monkeypatch):
    monkeypatch.setattr(_search, "MOST_ITEMS", 2)
    with pytest.raises(NetworkError, match="more than 2 scenes"):
        _search.search(city, PERIOD, catalog=Endpoints().catalog(api), sensor="sentinel-2")


def test_nobody_there_is_one_clear_error(city):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(NetworkError, match=rf"^{url}: refuses the connection; .*--catalog$"):
            _search.search(city, PERIOD, catalog=Endpoints().catalog(f"earth-search={url}"), sensor="sentinel-2")


def test_what_is_no_stac_is_one_clear_error(files, tmp_path, city):
    (tmp_path / "page.html").write_text("<html>hello</html>")
    with pytest.raises(NetworkError, match="answers with a web page instead of data"):
        _search.search(city, PERIOD, catalog=Endpoints().catalog(f"{files.url}/page.html"), sensor="sentinel-2")


def test_pc_296_suva_asks_with_two_boxes():
    west, east = boxes(shapely.MultiPolygon([box(178.4, -18.2, 180, -18), box(-180, -18.2, -179.9, -18)]))
    assert (west, east) == ((178.4, -18.2, 180, -18), (-180, -18.2, -179.9, -18))


def test_table_is_whole():
    assert [one.name for one in CATALOGS.values()] == [
        "earth-search",
        "planetary-computer",
        "earth-engine",
        "copernicus",
    ]
    assert all(one.url.startswith("https://") for one in CATALOGS.values())
