"""A name is what a column's values say, not its title."""

from __future__ import annotations

import warnings

import geopandas as gpd
import pytest
import shapely
import shapely.affinity

from howgreen.core.errors import AmbiguousPlaceError, AreaError
from howgreen.place import PlaceFiles, find, from_file, from_shape, with_districts
from howgreen.place._attributes import looks_like_name, name_column
from howgreen.place._files import from_frame

GRID = [shapely.box(11 + 0.01 * i, 46, 11.01 + 0.01 * i, 46.01) for i in range(12)]
WHOLE = from_shape(shapely.box(11, 46, 11.12, 46.01), name="All")
NAMES = ["Alfa", "Bravo", "Charlie", "Delta", "Echo", "Foxtrot", "Golf", "Hotel", "India", "Juliett", "Kilo", "Lima"]


def frame(**columns):
    count = len(next(iter(columns.values())))
    return gpd.GeoDataFrame(columns, geometry=GRID[:count], crs="EPSG:4326")


def names(table, **options):
    return [district.name for district in with_districts(WHOLE, table, **options).districts]


@pytest.mark.parametrize(
    "title",
    ["shapeName", "LAD21NM", "WD13NM", "GCC_NAME21", "SOS_NAME21", "LGA_NAME_2021", "NM_MUN", "NM_BAIRRO", "statnaam",
     "gemeentenaam", "NOMGEO", "NAMELSAD", "NAME", "N03_004", "SIG_KOR_NM", "ADM1_EN", "Denominaci", "BoroName", "ntaname",
     "neighborhood", "CSDNAME", "NOM_COM", "GEN", "name:latin", "PREF", "CITY_NAME", "laua", "wardname", "ENTITY", "l_qu"],
)  # fmt: skip
def test_the_columns_of_national_agencies_are_found(title):
    """geoBoundaries#2000, #2001; global-indicators#590."""
    codes = {
        "code": [f"E0{i:05d}" for i in range(12)],
        "type": ["town"] * 12,
        "Shape_Area": [0.1 * i for i in range(12)],
    }
    table = frame(**codes, **{title: NAMES})
    assert from_frame(table, name="Golf").boundary.equals(GRID[6])
    assert from_frame(table, name="golf").label == "Golf"
    assert names(table) == NAMES


def test_of_columns_like_names_the_one_that_differs_is_the_name():
    """Space2Stats#182."""
    gadm = frame(
        GID_0=["ITA"] * 6, NAME_0=["Italy"] * 6, GID_1=["ITA.1_1"] * 6, NAME_1=["Alfa"] * 3 + ["Zulu"] * 3,
        GID_2=[f"ITA.1.{i}_1" for i in range(6)], NAME_2=["Alfa", *NAMES[1:6]], VARNAME_2=["A", *[None] * 5],
        TYPE_2=["Comune"] * 6, HASC_2=[f"IT.A{c}" for c in "ABCDEF"],
    )  # fmt: skip
    assert from_frame(gadm, name="Bravo").label == "Bravo"
    assert from_frame(gadm, name="Alfa").boundary.equals(GRID[0])  # the town, not the three in the region
    assert names(gadm) == NAMES[:6]
    with pytest.raises(AmbiguousPlaceError, match=r"holds 3 areas called 'Zulu'.*\n  1. Delta"):
        from_frame(gadm, name="Zulu")
    with pytest.raises(AmbiguousPlaceError, match=r"1\. Alfa"):
        from_frame(gadm)


def test_what_follows_a_comma_narrows_by_the_other_columns():
    table = frame(name=["Springfield", "Springfield", "Troy"], state=["Ohio", "Illinois", "Ohio"])
    assert from_frame(table, name="Springfield, Illinois").boundary.equals(GRID[1])
    assert "not checked" not in from_frame(table, name="Troy, Ohio").note
    assert "not checked whether it lies in 'Kansas'" in from_frame(table, name="Troy, Kansas").note
    with pytest.raises(AmbiguousPlaceError):
        from_frame(table, name="Springfield")


def test_the_column_that_bears_the_name_gives_the_label():
    table = frame(
        name=["Alfa", "Bravo", "Charlie"], name_en=["One", "Two", "Three"], remark=["x y", "Sunny place", "z"]
    )
    assert from_frame(table, name="Two").label == "Two"
    assert from_frame(table, name="Sunny place").boundary.equals(GRID[1])


def test_numbers_of_a_file_never_become_other_numbers():
    """nyc-boundaries#69."""
    council = frame(OBJECTID=[1, 2, 3], DISTRICT=[7, 3, 1], population=[10, 20, 30], Shape_Leng=[0.5, 1.5, 2.5])
    assert names(council) == ["district 7", "district 3", "district 1"]
    assert from_frame(council, name="7").boundary.equals(GRID[0])
    assert names(frame(BoroCD=[101.0, 203.0], pop2020=[5, 6])) == ["district 101", "district 203"]
    assert names(frame(ward=["07", "03"])) == ["district 07", "district 03"]
    assert names(frame(DISTRICT=[7, 7, 3])) == ["district 7 1", "district 7 2", "district 3"]
    assert names(frame(DISTRICT=[7, 7, 3], GEOID=["71", "72", "3"])) == ["district 71", "district 72", "district 3"]
    assert names(frame(males=[501, 622], total_hh=[5, 6], zone_id=[12, 4])) == ["district 12", "district 4"]
    assert names(frame(height=[0.5, 1.5])) == ["district 1", "district 2"]


def test_any_column_can_be_named(tmp_path):
    table = frame(name=NAMES[:3], nickname=["Xa", "Ya", "Za"])
    assert names(table, name_column="NICKNAME") == ["Xa", "Ya", "Za"]
    table.to_file(tmp_path / "a.gpkg")
    assert from_file(tmp_path / "a.gpkg", name="Ya").label == "Ya"
    city = find("Ya", area=tmp_path / "a.gpkg", files=PlaceFiles(name_column="nickname"))
    assert (city.label, city.id) == ("Ya", "file:a.gpkg#2")
    with pytest.raises(AreaError, match="has no column 'nick'; there are name, nickname"):
        find("Ya", area=tmp_path / "a.gpkg", files=PlaceFiles(name_column="nick"))


def test_a_title_decides_unless_it_tells_less_than_half_of_the_features_apart():
    half = {"region_name": ["North", "South"] * 3, "place_x": [f"{n} x" for n in NAMES[:6]]}
    assert name_column([{"region_name": r, "q": q} for r, q in zip(*half.values(), strict=True)]) == "q"
    more = {"town_name": ["North", "South", "East", "North", "West", "East"], "q": NAMES[:6]}
    assert name_column([{"town_name": r, "q": q} for r, q in zip(*more.values(), strict=True)]) == "town_name"


def test_a_plain_column_must_tell_nine_of_ten_apart():
    def rows(different):
        return [{"q": NAMES[i] if i < different else "Other place"} for i in range(10)]

    assert name_column(rows(9)) == "q"
    assert name_column(rows(7)) is None


@pytest.mark.parametrize(
    "value", ["Gangnam-gu", "강남구", "東京", "7th Ward", "L'Aquila", "القاهرة", "Bezirk 7", "O", "St. Gallen"]
)
def test_names_look_like_names(value):
    assert looks_like_name(value) == (value != "O")


@pytest.mark.parametrize(
    "value", ["E06000023", "ITA.1.2_1", "75056", "FR", "US-CA", "IT.LG", "https://x.org/a", "#ff0000", "true", "x" * 81]
)
def test_codes_do_not(value):
    assert not looks_like_name(value)


def test_a_file_of_two_french_columns_is_nobody_elses(tmp_path):
    table = frame(INSEE_COM=["69123", "69266"], NOM=["Lyon", "Villeurbanne"], licence=["Licence of X"] * 2)
    table.to_file(tmp_path / "a.geojson")
    city = find("Lyon", area=tmp_path / "a.geojson")
    assert (city.id, city.licence, city.label) == ("file:a.geojson#1", "Licence of X", "Lyon")


def test_layers_and_features_that_nobody_asked_for_spoil_nothing(tmp_path):
    path = tmp_path / "a.gpkg"
    frame(name=["Town"]).to_file(path, layer="city")
    frame(name=["West", "East"]).to_file(path, layer="districts")
    without = frame(name=["Scrap"]).set_crs(None, allow_override=True)
    with warnings.catch_warnings(action="ignore"):
        without.to_file(path, layer="scratch")
        without.to_file(tmp_path / "b.gpkg")
    city = find("Town", area=path)
    assert city.boundary.equals(GRID[0])
    assert "scratch are left out" in city.note
    with pytest.raises(AreaError, match="has no CRS"):
        from_file(tmp_path / "b.gpkg")


def test_copies_of_an_area_in_several_layers_are_one(tmp_path):
    fine = shapely.Point(11.5, 46.5).buffer(0.05, quad_segs=64)
    for layer, shape in (("fine", fine), ("coarse", fine.simplify(0.001))):
        gpd.GeoDataFrame({"shapeName": ["Disc"]}, geometry=[shape], crs="EPSG:4326").to_file(
            tmp_path / "a.gpkg", layer=layer
        )
    assert from_file(tmp_path / "a.gpkg", name="Disc").boundary.equals(fine)
    other = shapely.box(11.45, 46.45, 11.55, 46.55)  # 27 % larger
    gpd.GeoDataFrame({"shapeName": ["Disc"]}, geometry=[other], crs="EPSG:4326").to_file(
        tmp_path / "a.gpkg", layer="square"
    )
    with pytest.raises(AmbiguousPlaceError):
        from_file(tmp_path / "a.gpkg", name="Disc")


def test_a_column_of_names_above_finds_all_its_parts():
    """Japan's N03_003 is the city where N03_004 is its ward."""
    table = frame(
        N03_003=["大阪市", "大阪市", None], N03_004=["北区", "中央区", "吹田市"], N03_007=["27127", "27128", "27205"]
    )
    whole = from_frame(table, name="大阪市", pick="all")
    assert whole.boundary.equals(shapely.union_all(GRID[:2]))
    with pytest.raises(AmbiguousPlaceError, match="holds 2 areas called '大阪市'"):
        from_frame(table, name="大阪市")
    assert from_frame(table, name="27205").boundary.equals(GRID[2])


def test_equal_names_are_told_apart_by_the_files_own_numbers():
    assert names(frame(name=["Centro", "Centro", "Norte"], code=[31, 32, 33])) == [
        "Centro (31)",
        "Centro (32)",
        "Norte",
    ]
    assert names(frame(name=["Centro", "Centro", "Norte"])) == ["Centro 1", "Centro 2", "Norte"]


@pytest.mark.parametrize(("share", "alike"), [(0.96, True), (0.94, False)])
def test_how_much_copies_of_an_area_may_differ(tmp_path, share, alike):
    disc = shapely.Point(11.5, 46.5).buffer(0.05, quad_segs=64)
    smaller = shapely.affinity.scale(disc, share**0.5, share**0.5).simplify(1e-6)
    for layer, shape in (("fine", disc), ("coarse", smaller)):
        table = gpd.GeoDataFrame({"name": ["Disc"]}, geometry=[shape], crs="EPSG:4326")
        table.to_file(tmp_path / "a.gpkg", layer=layer)
    if alike:
        assert from_file(tmp_path / "a.gpkg", name="Disc").boundary.equals(disc)
    else:
        with pytest.raises(AmbiguousPlaceError, match="layer coarse"):
            from_file(tmp_path / "a.gpkg", name="Disc")
