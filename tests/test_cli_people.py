"""``howgreen people`` on the sample city, whose people are invented and known: two for each built pixel of 10 m."""

from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path

import geopandas as gpd
import jsonschema
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from rasterio.warp import Resampling, calculate_default_transform, reproject

import howgreen
import howgreen.report
from howgreen import sample
from howgreen.cli import main
from howgreen.core.geometry import project, transformer
from howgreen.people import MIN_PATCH_M2, NEAR_M, Ground, distance_m, patches
from howgreen.pipeline.people import PeopleOptions, people_near_green
from howgreen.pipeline.population import epoch_of
from howgreen.store.places import city_from_feature

GHS = "GHS_POP_E2025_GLOBE_R2023A_54009_100_V1_0.tif"
WORLDPOP = "xxx_pop_2024_CN_100m_R2025A_v1.tif"


@pytest.fixture(scope="module")
def truth(sampleton):
    """Where people live (x, y on the city's grid), and what is true around them."""
    known = sample.truth(sampleton)
    with rasterio.open(known.classes_10m) as file:
        classes, transform, crs = file.read(1), file.transform, str(file.crs)
    with rasterio.open(known.green_fraction) as file:
        green = file.read(1)
    rows, columns = np.nonzero(classes == known.classes["building"])
    x, y = transform * (columns + 0.5, rows + 0.5)
    land = ~np.isin(classes, [known.classes[name] for name in ("water", "sea")])
    city = city_from_feature(json.loads((sampleton / "places" / "sampleton.geojson").read_text(encoding="utf-8")))
    limits = project(city.boundary, crs)
    return {
        "limits": limits,
        "rows": rows,
        "columns": columns,
        "x": x,
        "y": y,
        "crs": crs,
        "green": np.where(land, green, np.nan),
    }


def raster(path, truth, *, crs, pixel, nodata):
    """Two people for each built pixel, in the cells of a grid of its own."""
    x, y = transformer(truth["crs"], crs).transform(truth["x"], truth["y"])
    west, north = np.floor(x.min() / pixel) * pixel - 3 * pixel, np.ceil(y.max() / pixel) * pixel + 3 * pixel
    shape = int((north - y.min()) / pixel) + 4, int((x.max() - west) / pixel) + 4
    people = np.zeros(shape)
    np.add.at(people, (((north - y) / pixel).astype(int), ((x - west) / pixel).astype(int)), 2.0)
    values = np.where(people > 0, people, nodata)
    with rasterio.open(
        path, "w", driver="GTiff", height=shape[0], width=shape[1], count=1, dtype="float64", crs=crs,
        transform=Affine(pixel, 0, west, 0, -pixel, north), nodata=nodata,
    ) as file:  # fmt: skip
        file.write(values, 1)
    return people.sum()


def run(*arguments):
    with pytest.raises(SystemExit) as stopped:
        main(["people", "Sampleton", "--model", "ndvi", *arguments])
    return stopped.value.code


@pytest.fixture(scope="module")
def folder(tmp_path_factory, truth):
    path = tmp_path_factory.mktemp("people")
    total = raster(path / GHS, truth, crs="ESRI:54009", pixel=100, nodata=-200)
    raster(path / WORLDPOP, truth, crs="EPSG:4326", pixel=3 / 3600, nodata=-99999)
    return path, total


@pytest.fixture(scope="module")
def answer(sampleton):
    return howgreen.city("Sampleton", model="ndvi", store=sampleton)


@pytest.fixture
def figures(folder, answer):
    def work(name, **more):
        where = folder[0] / f"{Path(name).stem[:8]}-out"
        return people_near_green(answer, PeopleOptions(population=folder[0] / name, **more), out=where).to_dict()

    return work


def test_on_the_command_line(folder, capsys):
    path, _ = folder
    assert run("--population", str(path / GHS), "--out", str(path / "told")) == 0
    told = capsys.readouterr().out
    assert "live within 300 m of a vegetated patch of half a hectare" in told
    assert (path / "told" / "people.html").exists()


def test_all_people_are_found_and_stand_where_they_live(folder, truth, figures):
    _, total = folder
    found = figures(GHS)
    schema = json.loads((Path(howgreen.report.__file__).parent / "people.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(found, schema)
    inside = shapely.contains_xy(truth["limits"], truth["x"], truth["y"]).sum() * 2
    assert found["population"]["people"] == pytest.approx(inside, rel=0.002), "cells that the limits cut are shared out"
    assert found["population"]["people"] <= total
    assert found["population"]["used"] == pytest.approx(found["population"]["people"], rel=1e-3)
    assert found["population"]["year"] == 2025
    assert found["population"]["crs"] == "ESRI:54009"
    # The share near a patch by the exact truth, pixel by pixel; the map and cells of 100 m may differ a little.
    ground = Ground(green=truth["green"].astype(np.float32), inside=np.ones(truth["green"].shape, bool), pixel_m=10)
    far = distance_m(patches(ground, MIN_PATCH_M2), 10)
    near = (far[truth["rows"], truth["columns"]] <= NEAR_M).mean()
    assert found["zones"][0]["near_patch"] == pytest.approx(near, abs=0.08)
    assert sum(zone["people"] for zone in found["zones"][1:]) == pytest.approx(found["zones"][0]["people"], rel=1e-3)


def test_two_grids_of_the_same_people_agree(figures):
    ghs, worldpop = figures(GHS), figures(WORLDPOP)
    assert worldpop["population"]["people"] == pytest.approx(ghs["population"]["people"], rel=1e-3)
    for one, other in zip(ghs["zones"], worldpop["zones"], strict=True):
        assert other["around"][1]["mean_share"] == pytest.approx(one["around"][1]["mean_share"], abs=0.01)
        assert other["gini"] == pytest.approx(one["gini"], abs=0.02)


def test_the_files_hold_what_the_page_says(folder, figures):
    path, _ = folder
    found = figures(GHS)
    named = " ".join(found["attributions"])
    assert "Simulated images and limits" in named, "whose images"
    assert "Model ndvi" in named
    out = path / f"{Path(GHS).stem[:8]}-out"
    assert {*found["files"], "green_around_300m.qml", "patch_distance.qml"} == {file.name for file in out.iterdir()}
    cells = gpd.read_file(out / "people.gpkg", layer="cells")
    assert cells.people.sum() == pytest.approx(found["population"]["people"], rel=1e-9)
    use = cells[cells.green_share_300m.notna()]
    assert np.average(use.green_share_300m, weights=use.people) == pytest.approx(
        found["zones"][0]["around"][1]["mean_share"], rel=1e-6
    )
    with (out / "people.csv").open(encoding="utf-8", newline="") as file:
        assert [row["name"] for row in csv.DictReader(file)] == [zone["name"] for zone in found["zones"]]
    with rasterio.open(out / "green_around_300m.tif") as file:
        values = file.read(1)
    assert np.nanmin(values) >= 0
    assert np.nanmax(values) <= 1
    assert "singlebandpseudocolor" in (out / "green_around_300m.qml").read_text()
    page = (out / "people.html").read_text(encoding="utf-8")
    assert f"{found['population']['people']:,.0f}" in page
    assert "not the share of people who live near a park" in page
    assert str(path) not in page


def osm_file(path, shapes):
    """An OpenStreetMap file; shapes are (polygon or line in EPSG:4326, tags)."""
    nodes, ways = [], []
    for shape, tags in shapes:
        line = shape.geom_type == "LineString"
        points = list(shape.coords) if line else list(shape.exterior.coords)[:-1]
        first = len(nodes) + 1
        nodes += [
            f'<node id="{first + i}" version="1" lat="{y:.7f}" lon="{x:.7f}"/>' for i, (x, y) in enumerate(points)
        ]
        numbers = [*range(first, first + len(points)), *([] if line else [first])]
        inner = "".join(f'<nd ref="{n}"/>' for n in numbers) + "".join(
            f'<tag k="{k}" v="{v}"/>' for k, v in tags.items()
        )
        ways.append(f'<way id="{len(ways) + 1}" version="1">{inner}</way>')
    path.write_text(f'<osm version="0.6">{"".join(nodes)}{"".join(ways)}</osm>', encoding="utf-8")


def test_public_green_and_what_mappers_drew(folder, truth, figures):
    path, _ = folder
    middle = truth["limits"].centroid

    def square(x, side):
        box = shapely.box(middle.x + x, middle.y, middle.x + x + side, middle.y + side)
        return shapely.transform(box, transformer(truth["crs"], "EPSG:4326").transform, interleaved=False)

    line = shapely.LineString([(middle.x - 800, middle.y + 60), (middle.x, middle.y + 60)])
    street = shapely.transform(line, transformer(truth["crs"], "EPSG:4326").transform, interleaved=False)
    osm_file(path / "town.osm", [
        (square(0, 120), {"leisure": "park"}),
        (square(-1500, 120), {"leisure": "park", "access": "private"}),
        (square(1500, 120), {"leisure": "garden"}),
        (square(2500, 60), {"leisure": "park"}),
        (street, {"highway": "residential"}),
    ])  # fmt: skip
    found = figures(GHS, osm=path / "town.osm", walk=True)
    park = shapely.box(middle.x, middle.y, middle.x + 120, middle.y + 120).buffer(NEAR_M)
    near = shapely.contains_xy(park, truth["x"], truth["y"]).sum() / len(truth["x"])
    assert 0 < near < 0.1
    assert found["zones"][0]["near_public"] == pytest.approx(near, rel=0.25), "one open park of half a hectare counts"
    assert 0 < found["zones"][0]["near_public_walk"] < found["zones"][0]["near_public"], (
        "along one street, from one side"
    )
    (whole, *_) = found["mapped"]
    drawn = whole["mapped_green_m2"] + whole["mapped_not_green_m2"]
    assert drawn == pytest.approx(3 * 120**2 + 60**2, rel=0.12)
    assert whole["completeness"] < 0.01


def test_a_census_by_areas(folder, truth, figures):
    path, _ = folder
    whole = shapely.box(*truth["limits"].bounds)
    halves = [shapely.box(whole.bounds[0], whole.bounds[1], whole.centroid.x, whole.bounds[3]),
              shapely.box(whole.centroid.x, whole.bounds[1], whole.bounds[2], whole.bounds[3])]  # fmt: skip
    gpd.GeoDataFrame({"pop": [1000.0, 3000.0]}, geometry=halves, crs=truth["crs"]).to_file(path / "census.gpkg")
    found = figures("census.gpkg", column="pop", year=2021)
    assert 3000 < found["population"]["people"] < 4000, "people beyond the limits are not of the place"
    assert found["population"]["year"] == 2021


def test_a_zip_as_ghs_pop_comes(folder, figures):
    path, _ = folder
    with zipfile.ZipFile(path / "tile.zip", "w") as archive:
        archive.write(path / GHS, GHS)
        archive.writestr("readme.txt", "x")
    assert figures("tile.zip")["population"]["source"] == GHS


def test_counts_that_are_warped_by_nearest_lose_people(folder):
    """What this command never does: a count copied to other cells is no count (GHSCI#689)."""
    path, total = folder
    with rasterio.open(path / GHS) as file:
        to, width, height = calculate_default_transform(file.crs, "EPSG:32625", file.width, file.height, *file.bounds)
        values = {}
        for how in (Resampling.nearest, Resampling.sum):
            values[how] = np.zeros((height, width))
            reproject(file.read(1, masked=True).filled(0), values[how], src_transform=file.transform, src_crs=file.crs,
                      dst_transform=to, dst_crs="EPSG:32625", resampling=how)  # fmt: skip
    assert abs(values[Resampling.nearest].sum() / total - 1) > 0.1
    assert values[Resampling.sum].sum() == pytest.approx(total, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "year"),
    [
        (GHS, 2025),
        (WORLDPOP, 2024),
        ("che_ppp_2020_UNadj.tif", 2020),
        ("people.tif", None),
        ("grid_1_54009_100.tif", None),
    ],
)
def test_the_year_in_a_name(name, year):
    assert epoch_of(name) == year


@pytest.mark.parametrize(
    ("population", "more", "message"),
    [
        ("none.tif", (), "no such file"),
        ("empty.zip", (), "holds 0 GeoTIFFs"),
        ("words.txt", (), "words.txt"),
        ("census.csv", ("--population-column", "pop"), "census.csv"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(tmp_path, monkeypatch, capsys, population, more, message):
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile("empty.zip", "w") as archive:
        archive.writestr("readme.txt", "x")
    Path("words.txt").write_text("hello", encoding="utf-8")
    Path("census.csv").write_text("pop\n3\n", encoding="utf-8")
    assert run("--population", population, "--out", "out", *more) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("warning:")]
    assert len(lines) == 1
    assert message in lines[0]
    assert not Path("out").exists()
