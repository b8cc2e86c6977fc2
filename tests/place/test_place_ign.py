"""French communes: by a WFS on the loopback, and from files of both editions."""

from __future__ import annotations

import json

import geopandas as gpd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from services import DATA, Reply, says, served

from howgreen.core.errors import AmbiguousPlaceError, AreaError, NetworkError, PlaceNotFoundError
from howgreen.net.endpoints import Endpoints
from howgreen.net.http import RetryPolicy
from howgreen.net.network import Network
from howgreen.place import find
from howgreen.place._ign import commune_of, features, name_filter

COMMUNES = (DATA / "ign_communes.json").read_bytes()
PARTS = (DATA / "ign_arrondissements.json").read_bytes()


@pytest.fixture
def ign(tmp_path):
    with served(lambda ask: says(PARTS if "arrondissement" in ask.query["typeNames"] else COMMUNES)) as service:
        retry = RetryPolicy(tries=3, pause_s=0, first_wait_s=0.01, total_s=1)
        service.online = Network(endpoints=Endpoints(ign=service.url), cache=tmp_path / "kept", retry=retry)
        yield service


@pytest.mark.parametrize("query", ["ign:69123", "insee:69123", "ign:Lyon", "IGN: lyon"])
def test_lyon_with_its_code_its_population_and_its_arrondissements(ign, query):
    city = find(query, network=ign.online)
    assert (city.id, city.label, city.kind, city.country) == ("ign:69123", "Lyon", "commune", "FR")
    assert (city.population.count, city.population.year) == (522250, 2022)
    assert [(part.name, part.id) for part in city.districts] == [
        ("Lyon 1er Arrondissement", "ign:69381"), ("Lyon 2e Arrondissement", "ign:69382")]  # fmt: skip
    assert [part.population and part.population.year for part in city.districts] == [None, 2022]
    assert "Licence Ouverte" in city.licence
    asked = ign.asked[0].query
    assert (asked["typeNames"], asked["outputFormat"]) == ("ADMINEXPRESS-COG.LATEST:commune", "application/json")


def test_an_arrondissement_is_a_place_too(ign):
    city = find("ign:69382", network=ign.online)
    assert (city.id, city.kind, city.districts) == ("ign:69382", "arrondissement", ())
    assert ign.asked[0].query["CQL_FILTER"] == "code_insee = '69382'"


def test_a_query_without_a_letter_is_not_sent(ign):
    with pytest.raises(PlaceNotFoundError, match="no name and no INSEE code"):
        find("ign:-%-", network=ign.online)
    assert ign.asked == []


def test_an_unknown_commune(ign):
    with pytest.raises(PlaceNotFoundError, match="IGN knows no commune"):
        find("ign:Atlantis", network=ign.online)


@given(st.text(min_size=1))
def test_no_text_can_leave_the_quotes_of_the_filter(text):
    assert name_filter(text).count("'") == 2
    inside = name_filter(text).split("'")[1]
    assert all(letter in "_%" or (letter.isascii() and letter.isalnum()) for letter in inside)


def test_the_usual_injection_is_only_a_name_that_nobody_bears(ign):
    with pytest.raises(PlaceNotFoundError):
        find("ign:x' OR '1'='1", network=ign.online)
    assert ign.asked[0].query["CQL_FILTER"] == "nom_officiel ILIKE 'x%_r%1%1'"


@pytest.mark.parametrize("name", ["Saint-Étienne", "saint etienne", "Saint Etienne"])
def test_accents_and_hyphens_do_not_matter(name):
    assert name_filter(name) == "nom_officiel ILIKE 's%t%_t__nn_'"


def test_an_exception_report_or_a_cut_list_is_no_answer(ign):
    cut = json.loads(COMMUNES) | {"numberMatched": 9000}
    for body in (b"<ows:ExceptionReport/>", b"{", b'{"type": "FeatureCollection"}', json.dumps(cut).encode()):
        with pytest.raises(ValueError, match=r"error|broken|only 2 of 9000"):
            features(body)
    ign.usual = lambda _: Reply(b"<ows:ExceptionReport/>", 400)
    with pytest.raises(NetworkError, match=r"IGN's Géoplateforme gave no answer.*HTTP 400"):
        find("ign:Lyon", network=ign.online)


def test_the_servers_own_words_are_told_and_a_full_list_is_doubted(ign):
    report = b"<ows:ExceptionReport><ows:Exception><ows:ExceptionText>Unknown layer; ask another</ows:ExceptionText>"
    with pytest.raises(ValueError, match=r"an error instead of data \(Unknown layer, ask another\)"):
        features(report)
    ign.usual = lambda _: Reply(report, 400)
    with pytest.raises(NetworkError, match=r"HTTP 400: Unknown layer, ask another"):
        find("ign:Lyon", network=ign.online)
    full = {"features": [{}] * 500}
    with pytest.raises(ValueError, match="500 places, as many as were asked for"):
        features(json.dumps(full).encode())
    assert len(features(json.dumps(full | {"numberMatched": 500}).encode())) == 500


def test_arrondissements_without_a_census_date_are_districts_without_population(ign):
    parts = json.loads(PARTS)
    for part in parts["features"]:
        part["properties"] = {k: v for k, v in part["properties"].items() if "recensement" not in k}
    ign.usual = lambda ask: says(parts if "arrondissement" in ask.query["typeNames"] else COMMUNES)
    found = find("ign:69123", network=ign.online)
    assert len(found.districts) == len(parts["features"])
    assert all(part.population is None for part in found.districts)


def test_latitude_first_is_noticed(ign):
    swapped = json.loads(COMMUNES)
    ring = swapped["features"][1]["geometry"]["coordinates"][0][0]
    ring[:] = [[lat, lon] for lon, lat in ring]
    ign.usual = lambda _: says(swapped)
    with pytest.raises(AreaError, match="do not lie in France"):
        find("ign:69123", network=ign.online)


def test_a_population_without_a_census_year_is_left_out():
    row = {"INSEE_COM": "01001", "NOM": "Ville", "POPULATION": 100}
    assert (commune_of(row, None).population, commune_of(row, None).without_year) == (None, 100)


@pytest.fixture(params=["4", "3"])
def national(request, tmp_path):
    """A GeoPackage in Lambert-93 with both layers, in the column names of edition 4 or 3."""
    path = tmp_path / "ADMIN-EXPRESS-COG.gpkg"
    old = {
        "cleabs": "ID",
        "code_insee": "INSEE_COM",
        "nom_officiel": "NOM",
        "population": "POPULATION",
        "date_du_recensement": "date_du_recensement",
    }
    old_parts = old | {"code_insee": "INSEE_ARM", "code_insee_de_la_commune_de_rattach": "INSEE_COM"}
    for layer, body, names in (("commune", COMMUNES, old), ("arrondissement_municipal", PARTS, old_parts)):
        frame = gpd.GeoDataFrame.from_features(json.loads(body), crs="EPSG:4326").to_crs("EPSG:2154")
        frame["cleabs"] = [f"{'COMMUNE_' if layer == 'commune' else 'ARR_MUNI'}{n:016d}" for n in range(len(frame))]
        frame = frame.rename(columns=names) if request.param == "3" else frame
        frame.to_file(path, layer=layer)
    return path


@pytest.mark.parametrize("query", ["Lyon", "ign:69123", "69123"])
def test_a_downloaded_file_gives_code_population_and_arrondissements(national, query):
    city = find(query, area=national)
    assert (city.id, city.label, city.population.count, city.population.year) == ("ign:69123", "Lyon", 522250, 2022)
    assert [part.id for part in city.districts] == ["ign:69381", "ign:69382"]
    # Edges were straight in degrees, and are straight on the map now: metres of difference.
    assert city.boundary.symmetric_difference(find("ign:69123", area=national).boundary).area == 0
    assert city.area_m2 == pytest.approx(86.45e6, rel=2e-3)


def test_a_file_whose_ids_are_not_igns_is_not_igns(national):
    table = gpd.read_file(national, layer="commune").drop(columns=["cleabs"], errors="ignore").assign(ID=["1", "2"])
    table.to_file(national.with_name("b.gpkg"))
    city = find("Lyon", area=national.with_name("b.gpkg"))
    assert (city.id, city.licence) == ("file:b.gpkg#2", "")


def test_names_that_the_file_does_not_hold_or_holds_twice(national, tmp_path):
    with pytest.raises(PlaceNotFoundError, match="no commune is called 'Atlantis'"):
        find("Atlantis", area=national)
    both = json.loads(COMMUNES)
    both["features"][0]["properties"]["nom_officiel"] = "Lyon"
    path = tmp_path / "two.geojson"
    path.write_text(json.dumps(both))
    with pytest.raises(AmbiguousPlaceError, match=r"1. Lyon, ign:02408\n  2. Lyon, ign:69123"):
        find("Lyon", area=path)
    assert find("Lyon", area=path, pick="ign:02408").id == "ign:02408"
    assert find("Lyon", area=path, pick=2).id == "ign:69123"
