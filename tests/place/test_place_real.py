"""Real limits against the figures that their own offices publish."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio

from howgreen.core.errors import AreaError, PlaceNotFoundError
from howgreen.osm import green_areas, green_raster, green_share
from howgreen.place import candidates, find

pytestmark = pytest.mark.real


@pytest.fixture(scope="session")
def liechtenstein(shared_data):
    return shared_data / "osm" / "liechtenstein.osm.pbf"


@pytest.mark.parametrize(
    ("name", "km2"),
    # Amt fuer Statistik, Liechtenstein: areas of the municipalities.
    [("Liechtenstein", 160.5), ("Vaduz", 17.3), ("Balzers", 19.7), ("Triesen", 26.5), ("Triesenberg", 29.7), ("Schaan", 26.9),
     ("Planken", 5.3), ("Eschen", 10.4), ("Mauren", 7.5), ("Gamprin", 6.2), ("Ruggell", 7.4), ("Schellenberg", 3.6)],
)  # fmt: skip
def test_areas_agree_with_the_published_ones(liechtenstein, name, km2):
    (city,) = candidates(name, osm=liechtenstein)
    assert city.area_m2 / 1e6 == pytest.approx(km2, abs=0.11)


def test_the_municipalities_fill_the_land(liechtenstein):
    names = ["Vaduz", "Balzers", "Triesen", "Triesenberg", "Schaan", "Planken", "Eschen", "Mauren", "Gamprin", "Ruggell",
             "Schellenberg"]  # fmt: skip
    land = find("Liechtenstein", osm=liechtenstein)
    assert sum(candidates(name, osm=liechtenstein)[0].area_m2 for name in names) == pytest.approx(
        land.area_m2, rel=1e-5
    )
    assert [district.name for district in land.districts] == ["Oberland", "Unterland"]
    assert "cover" not in land.note


def test_vaduz_has_its_exclaves(liechtenstein):
    city = find("vaduz, Liechtenstein", osm=liechtenstein)
    assert (city.id, city.admin_level, len(city.boundary.geoms)) == ("osm:R1155956", 8, 7)


def test_rings_cut_by_the_extract_are_explained(shared_data, liechtenstein):
    for query, osm in [("Helsingfors", shared_data / "osm" / "Helsinki.osm.pbf"), ("Austria", liechtenstein)]:
        with pytest.raises(PlaceNotFoundError, match="is cut at the edge of this extract"):
            find(query, osm=osm)


def test_monaco_is_the_whole_one_of_two_and_says_so(shared_data):
    city = find("Monaco", osm=shared_data / "osm" / "monaco.osm.pbf")
    assert (city.id, city.population.count, city.population.year) == ("osm:R2220322", 35881, 2011)
    assert "Monaco (R1124039, level 2)" in city.note
    assert [district.name for district in city.districts] == ["Fontvieille", "La Condamine", "Monaco-Ville"]


def test_a_truncated_extract_is_refused(liechtenstein, tmp_path):
    cut = tmp_path / "cut.osm.pbf"
    cut.write_bytes(liechtenstein.read_bytes()[:1_000_000])
    with pytest.raises(AreaError, match="cut short"):
        find("Vaduz", osm=cut)


def test_bolzano_comes_from_its_file(shared_data):
    city = find("bozen", area=shared_data / "bolzano" / "boundary.geojson")
    assert (city.label, city.crs) == ("Bolzano/Bozen", "EPSG:32632")
    assert city.area_m2 / 1e6 == pytest.approx(52.0, abs=0.1)


def test_the_green_of_vaduz_as_polygons_and_as_pixels(liechtenstein, tmp_path):
    city = find("Vaduz", osm=liechtenstein)
    areas = green_areas(city, osm=liechtenstein)
    share = green_share(areas, city)
    assert 0.6 < share < 0.7
    assert areas.groupby("group")["area_m2"].sum()["tree"] / city.area_m2 == pytest.approx(0.44, abs=0.02)
    with rasterio.open(green_raster(areas, city, out=tmp_path / "a.tif")) as source:
        values = source.read(1)
    assert np.mean(values[values != 255]) == pytest.approx(share, abs=0.001)
    assert np.count_nonzero(values != 255) * 100 == pytest.approx(city.area_m2, rel=2e-3)
