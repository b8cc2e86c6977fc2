"""A report in QGIS: the styles, the tables and the project, read by a real QGIS where it is installed and drawn by it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import rasterio
from PIL import Image

from howgreen import osm, report
from howgreen.core import cog
from howgreen.report import _change, _people, _restoration, shades
from howgreen.report._agreement_maps import CATEGORIES
from howgreen.report._qgis import _BESIDE, PROJECT, show_beside
from howgreen.report._rasters import FILES, composite_bands

PYTHON = "/usr/bin/python3"
"""Debian's QGIS belongs to Debian's Python."""


SHARES, PERCENT = np.float32([[0, 0.5, 1, np.nan]]), np.uint8([[0, 50, 100, 255]])
BESIDE = {
    "green_before.tif": PERCENT,
    "green_after.tif": PERCENT,
    "green_around_300m.tif": SHARES,
    "patch_distance.tif": SHARES * 600,
    "urban_green_space.tif": np.uint8([[1, 0, 1, 0]]),
    "urban_tree_cover.tif": PERCENT,
}
"""Of those that get their style from :func:`show_beside`, small ones."""


def qgis_there() -> bool:
    if not Path(PYTHON).exists():
        return False
    asked = subprocess.run([PYTHON, "-c", "import qgis.core"], capture_output=True, check=False)
    return asked.returncode == 0


@pytest.fixture(scope="module")
def folder(make: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("qgis") / "made"
    report.write(make(180, 210), out)
    moved = out.with_name("moved elsewhere")
    out.rename(moved)  # paths in the project are relative
    return moved


@pytest.fixture(scope="module")
def others(make: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rasters of other commands than ``city``."""
    out, result = tmp_path_factory.mktemp("others"), make(180, 210)
    grid, city = result.plan.grid, result.plan.city
    with report.agreement_map(out, "worldcover", grid, label="WorldCover") as keep:
        keep(0, 0, np.repeat(np.uint8([[0, 1, 2, 3, 255]]), 42, axis=1).repeat(180, axis=0))
    green = gpd.GeoDataFrame(
        {"group": ["tree"], "area_m2": [1.0]}, geometry=[city.districts[0].boundary], crs="EPSG:4326"
    )
    osm.green_raster(green, city, out=out / "osm_green.tif")
    report.write_osm_green(city, green, out, share=0.1, source="here")
    for name, values in BESIDE.items():
        cog.write(
            out / name,
            values,
            grid=grid[:1, :4],
            band=name.removesuffix(".tif"),
            nodata=255 if values.dtype == np.uint8 else None,
        )
    assert show_beside(out, "What lies beside")
    return out


@pytest.fixture(scope="module")
def seen(folder: Path, others: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not qgis_there():
        pytest.skip("needs Debian's python3-qgis")
    out = tmp_path_factory.mktemp("seen")
    script = Path(__file__).with_name("render_qgis.py")
    env = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "XDG_RUNTIME_DIR": str(out), "HOME": str(out)}
    env.pop("PYTHONPATH", None)
    subprocess.run(
        [PYTHON, str(script), str(folder), str(out), str(others)], env=env, check=True, capture_output=True, timeout=120
    )
    return out


@pytest.fixture(scope="module")
def told(seen: Path) -> dict[str, Any]:
    return json.loads((seen / "told.json").read_text())


def picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_every_raster_has_its_style_and_the_project_shows_every_file(folder: Path):
    rasters = sorted(path.name for path in folder.glob("*.tif"))
    assert rasters == sorted(FILES)
    for name in rasters:
        assert ET.parse(folder / name.replace(".tif", ".qml")).getroot().tag == "qgis"
    with zipfile.ZipFile(folder / "howgreen.qgz") as packed:
        root = ET.fromstring(packed.read("howgreen.qgs"))
    sources = [layer.findtext("datasource") for layer in root.iter("maplayer")]
    assert sorted(sources) == sorted(
        [*(f"./{name}" for name in rasters), "./districts.gpkg|layername=city", "./districts.gpkg|layername=districts"]
    )
    assert all(len(layer.findtext("id", "")) > 10 for layer in root.iter("maplayer"))


def test_the_page_and_the_summary_name_the_project(folder: Path):
    assert "howgreen.qgz" in json.loads((folder / "summary.json").read_text())["files"]


def test_a_report_with_its_styles_may_be_replaced(folder: Path, make: Any, tmp_path: Path):
    shutil.copytree(folder, tmp_path / "again")
    report.write(make(90, 90), tmp_path / "again")


def test_the_geopackage_is_1_2_with_two_layers_and_their_default_styles(folder: Path):
    path = folder / "districts.gpkg"
    assert [name for name, kind in pyogrio.list_layers(path) if kind] == ["city", "districts"]
    city, districts = (gpd.read_file(path, layer=name) for name in ("city", "districts"))
    assert (len(city), len(districts)) == (1, 6)
    assert set(city["kind"]) == {"city"}
    assert set(districts["kind"]) == {"district"}
    with sqlite3.connect(path) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (10200,)
        rows = file.execute("SELECT f_table_name, useAsDefault, styleQML FROM layer_styles ORDER BY 1").fetchall()
        assert file.execute("SELECT count(*) FROM gpkg_contents WHERE table_name = 'layer_styles'").fetchone() == (1,)
    file.close()
    assert [row[:2] for row in rows] == [("city", 1), ("districts", 1)]


def test_districts_of_several_levels_are_layers_of_their_own(make: Any, tmp_path: Path):
    result = make(60, 70)
    own = tuple(replace(one, level=9 + (n > 1)) for n, one in enumerate(result.plan.city.districts))
    zones = result.zones.assign(level=[8, *(one.level for one in own)])
    plan = replace(result.plan, city=replace(result.plan.city, districts=own))
    report.write(replace(result, plan=plan, zones=zones), tmp_path / "out")
    path = tmp_path / "out" / "districts.gpkg"
    assert [name for name, kind in pyogrio.list_layers(path) if kind] == [
        "city",
        "districts_level_9",
        "districts_level_10",
    ]
    assert [len(gpd.read_file(path, layer=f"districts_level_{level}")) for level in (9, 10)] == [2, 4]
    with zipfile.ZipFile(tmp_path / "out" / "howgreen.qgz") as packed:
        project = packed.read("howgreen.qgs").decode()
    assert "Districts: green ratio, level 10" in project
    assert "layername=districts_level_9" in project


def test_a_city_without_districts_has_one_layer(make: Any, tmp_path: Path):
    result = make(60, 60)
    plan = replace(result.plan, city=replace(result.plan.city, districts=()))
    report.write(replace(result, plan=plan, zones=result.zones.iloc[:1]), tmp_path / "out")
    assert [name for name, kind in pyogrio.list_layers(tmp_path / "out" / "districts.gpkg") if kind] == ["city"]
    with zipfile.ZipFile(tmp_path / "out" / "howgreen.qgz") as packed:
        assert b"layername=districts" not in packed.read("howgreen.qgs")


def test_red_green_and_blue_come_first_and_are_called_so(folder: Path):
    with rasterio.open(folder / "composite.tif") as file:
        assert file.descriptions == ("red", "green", "blue", "nir", "swir16")
        assert [kind.name for kind in file.colorinterp[:3]] == ["red", "green", "blue"]


@pytest.mark.parametrize(
    ("bands", "expected"),
    [
        (("blue", "green", "red", "nir"), ("red", "green", "blue", "nir")),
        (("red", "nir", "green", "blue", "vv"), ("red", "green", "blue", "nir", "vv")),
        (("green", "red", "nir"), ("green", "red", "nir")),
        (("vv", "vh"), ("vv", "vh")),
    ],
)
def test_other_bands_keep_their_order(make: Any, bands: tuple[str, ...], expected: tuple[str, ...]):
    result = make(60, 60)
    data = result.composite.data.isel(band=[n % 5 for n in range(len(bands))]).assign_coords(band=list(bands))
    object.__setattr__(result.composite, "data", data)
    assert composite_bands(result) == expected


def test_values_that_are_classes_have_names_in_the_files(folder: Path):
    for name in ("green_mask.tif", "landcover.tif"):
        root = ET.parse(folder / f"{name}.aux.xml").getroot()
        assert [item.text for item in root.iter("Category")][:2] == (
            ["not green", "green"] if name == "green_mask.tif" else ["built-up", "bare or mixed"]
        )


def test_qgis_opens_every_file_by_itself_in_its_style(told: dict[str, Any]):
    alone = told["alone"]
    assert all(layer["valid"] for layer in alone.values())
    assert alone["composite.tif"]["bands"] == [1, 2, 3]
    assert alone["composite.tif"]["names"][3] == "Band 4: nir"
    assert alone["green_fraction.tif"]["renderer"] == "singlebandpseudocolor"
    assert alone["green_mask.tif"]["legend"] == [[0, "not green", "#f2ead7"], [1, "green", "#1f6b45"]]
    names = ["built-up", "bare or mixed", "grass and low plants", "trees", "water"]
    assert [item[1] for item in alone["landcover.tif"]["legend"]] == names
    assert alone["districts"]["renderer"] == "graduatedSymbol"
    assert (alone["city"]["rows"], alone["districts"]["rows"]) == (1, 6)
    assert "green ratio (0-1)" in alone["districts"]["aliases"]


def test_rasters_of_other_commands_have_their_styles_and_names(others: Path):
    assert sorted(path.name for path in others.iterdir()) == [
        "agreement_worldcover.qml", "agreement_worldcover.tif", "agreement_worldcover.tif.aux.xml", "green_after.qml", "green_after.tif",
        "green_around_300m.qml", "green_around_300m.tif", "green_before.qml", "green_before.tif", "howgreen.qgz", "osm_green.qml",
        "osm_green.tif", "osm_green.tif.aux.xml", "patch_distance.qml", "patch_distance.tif", "summary.json", "urban_green_space.qml",
        "urban_green_space.tif", "urban_tree_cover.qml", "urban_tree_cover.tif",
    ]  # fmt: skip
    palette = ET.parse(others / "osm_green.qml").getroot().iter("paletteEntry")
    assert [tuple(item.get(key) for key in ("value", "label", "color")) for item in palette] == [
        ("0", "not mapped as green", "#d6d0c4"),
        ("1", "mapped as green", "#2e7d32"),
    ]


def test_qgis_shows_rasters_of_other_commands_in_their_colours(told: dict[str, Any], seen: Path):
    alone = told["alone"]
    assert alone["agreement_worldcover.tif"]["legend"] == [[code, *what] for code, what in sorted(CATEGORIES.items())]
    assert alone["osm_green.tif"]["legend"] == [
        [0, "not mapped as green", "#d6d0c4"],
        [1, "mapped as green", "#2e7d32"],
    ]
    for name in ("green_around_300m", "patch_distance", "urban_tree_cover", "green_before", "green_after"):
        assert alone[f"{name}.tif"]["renderer"] == "singlebandpseudocolor"
    assert alone["urban_green_space.tif"]["legend"] == [[1, "urban green space", "#2e7d32"]]
    around, far = (picture(seen / f"{name}.png")[180, 52::105] for name in ("green_around_300m", "patch_distance"))
    np.testing.assert_array_equal(around[[0, 2]], far[[2, 0]])  # the nearer, the greener
    assert around[3].tolist() == [255, 255, 255]
    middle = picture(seen / "agreement_worldcover.png")[180, 42::84]  # 420 pixels wide, five columns of categories
    wanted = [*(list(bytes.fromhex(colour[1:])) for _, (_, colour) in sorted(CATEGORIES.items())), [255, 255, 255]]
    np.testing.assert_array_equal(middle, wanted)


def test_every_raster_that_a_command_writes_has_a_style_and_a_title():
    """A new raster of people, change or nrr gets a row in ``_BESIDE``."""
    written = {name for one in (_people, _change, _restoration) for name in one.FILES if name.endswith(".tif")}
    assert written == set(_BESIDE)


def test_the_project_of_a_report_shows_what_was_added_to_it(folder: Path, tmp_path: Path):
    report_folder = shutil.copytree(folder, tmp_path / "report")
    before = (report_folder / PROJECT).read_bytes()
    (tmp_path / "linked").hardlink_to(report_folder / PROJECT)
    with rasterio.open(folder / "green_fraction.tif") as file:
        data, profile = file.read(1), file.profile
    for name in ("green_around_300m.tif", "patch_distance.tif"):
        with rasterio.open(report_folder / name, "w", driver="GTiff", height=len(data), width=data.shape[1], count=1, dtype="float32",
                           crs=profile["crs"], transform=profile["transform"]) as file:  # fmt: skip
            file.write(data, 1)
    for _ in range(2):  # the second time changes nothing
        assert show_beside(report_folder, "unused")
        with zipfile.ZipFile(report_folder / PROJECT) as packed:
            root = ET.fromstring(packed.read("howgreen.qgs"))
        sources = [layer.findtext("datasource") for layer in root.iter("maplayer")]
        assert sources[-2:] == ["./green_around_300m.tif", "./patch_distance.tif"]
        assert len(sources) == len(FILES) + 4
        assert [one.get("checked") for one in root.iter("layer-tree-layer")][-2:] == ["Qt::Unchecked"] * 2
        assert root.findtext("title") == "How green is Testborough?"
    assert (tmp_path / "linked").read_bytes() == before  # the report that it was copied from has its own
    (report_folder / "patch_distance.tif").unlink()
    show_beside(report_folder, "unused")
    with zipfile.ZipFile(report_folder / PROJECT) as packed:
        assert b"patch_distance" not in packed.read("howgreen.qgs")


def test_a_project_that_cannot_be_read_is_left_alone(others: Path, tmp_path: Path):
    shutil.copy(others / "patch_distance.tif", tmp_path)
    for content in (b"no archive", b""):
        (tmp_path / PROJECT).write_bytes(content)
        assert show_beside(tmp_path, "unused")
        assert (tmp_path / PROJECT).read_bytes() == content
    assert (tmp_path / "patch_distance.qml").exists()
    assert not show_beside(tmp_path / "nothing", "unused")


def test_the_project_opens_wherever_it_lies(told: dict[str, Any], folder: Path):
    assert told["read"]
    assert told["crs"] == "EPSG:32632"
    assert told["title"] == "How green is Testborough?"
    assert all(layer["valid"] and layer["source"].startswith(str(folder)) for layer in told["project"])
    assert [layer["name"] for layer in told["project"] if layer["shown"]] == [
        "Boundary", "Green share", "Clear picture of the period",
    ]  # fmt: skip


def test_the_project_draws_what_each_file_draws(seen: Path):
    for name in (*(raster.removesuffix(".tif") for raster in FILES), "city", "districts"):
        alone, within = (picture(seen / f"{prefix}{name}.png") for prefix in ("", "project-howgreen_"))
        np.testing.assert_array_equal(alone, within)


def test_colours_in_qgis_are_those_of_the_page(seen: Path, folder: Path):
    with rasterio.open(folder / "green_fraction.tif") as file:
        fraction = file.read(1)
    drawn = picture(seen / "green_fraction.png")[1::2, 1::2]  # QGIS drew 420 x 360, twice the pixels
    counted = np.isfinite(fraction)
    expected = np.array([list(bytes.fromhex(shades.ramp(value)[1:])) for value in fraction[counted]])
    assert np.median(np.abs(drawn[counted] - expected).max(axis=1)) <= 6
    assert (drawn[~counted] == 255).all(axis=1).mean() > 0.97


def test_the_photo_in_qgis_has_its_red_in_red(seen: Path, folder: Path):
    with rasterio.open(folder / "composite.tif") as file:
        red, green, blue = file.read([1, 2, 3]) * 1e-4
    drawn = picture(seen / "composite.png")[1::2, 1::2]
    roofs = (red > green) & (green > blue)
    assert roofs.sum() > 100
    assert (drawn[roofs][:, 0] > drawn[roofs][:, 2]).mean() > 0.95


def test_districts_differ_in_colour_and_the_city_hides_none(seen: Path):
    drawn = picture(seen / "districts.png").reshape(-1, 3)
    _, counts = np.unique(drawn, axis=0, return_counts=True)
    assert (counts > 1000).sum() >= 4  # background and at least three classes
    outline = picture(seen / "city.png")
    assert ((outline == 255).all(axis=2)).mean() > 0.9


def test_the_renderer_of_the_tests_is_no_module_of_ours():
    assert "qgis" not in sys.modules
