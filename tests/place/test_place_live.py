"""The services themselves: for a person with a connection (``make test-live``)."""

from __future__ import annotations

import pytest

from howgreen.net.network import Network
from howgreen.place import candidates, find

pytestmark = pytest.mark.live


@pytest.fixture
def online(tmp_path, request):
    if not request.config.getoption("--force-enable-socket"):
        pytest.skip("asks real services: make test-live")
    return Network(cache=tmp_path)


def test_lyon_by_id_with_its_arrondissements(online):
    city = find("R120965", network=online)
    assert city.area_m2 / 1e6 == pytest.approx(47.9, rel=0.02)
    assert len(city.districts) == 9


def test_orange_is_more_than_one_place(online):
    assert {"city", "county"} <= {city.kind for city in candidates("Orange, CA", network=online)}


def test_lyon_of_ign(online):
    city = find("ign:69123", network=online)
    assert city.population is not None
    assert len(city.districts) == 9
