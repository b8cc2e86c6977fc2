from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from pyproj import Transformer

from howgreen import report
from howgreen.report._explore import to_web_mercator
from howgreen.report._pictures import from_data


@pytest.fixture(scope="module")
def html(make):
    return report.explore(make(120, 140), longest_px=140).get_root().render()


def test_layers_and_drawing(html):
    for name in ("Photo (true colour)", "Green share", "Classes", "Uncertainty", "Seen how often",
                 "Limits of Testborough", "Districts"):  # fmt: skip
        assert name in html
    assert html.count("L.imageOverlay(") == 5
    assert "map.pm.addControls" in html
    assert "area.geojson" in html


def test_what_no_date_showed_has_no_layer_of_its_dates(make):
    result = make(60, 70)
    never = result.composite.data.assign(n_clear=result.composite.data["n_clear"] * 0)
    blind = replace(result, composite=replace(result.composite, data=never))
    assert "Seen how often" not in report.explore(blind, longest_px=70).get_root().render()


def test_libraries_lie_inside(html):
    """Nothing is loaded from elsewhere; only the streets below the map are."""
    assert not re.findall(r"<(?:script|link)[^>]+(?:src|href)=[\"'](?!data:)", html)
    assert html.count("L.Control.extend(") >= 1


def test_names_stay_text(make):
    evil = "<img src=x onerror=alert(1)>"
    html = report.explore(make(60, 70, label=evil, names=(evil, *"bcdef"))).get_root().render()
    assert evil not in html
    assert "lt;img src=x onerror=alert(1)" in html


def test_pictures_lie_where_they_should(make):
    """A pixel that knows its place: red at one known point of the grid."""
    result = make(120, 140)
    preview = from_data(result)
    image = np.zeros((120, 140, 4), np.uint8)
    image[30:33, 100:103] = (255, 0, 0, 255)
    warped, ((south, west), (north, east)) = to_web_mercator(image, preview)
    rows, columns = np.nonzero(warped[..., 0])
    grid = result.plan.grid.transform
    lon, lat = Transformer.from_crs(result.plan.grid.crs, "EPSG:4326", always_xy=True).transform(
        grid.c + grid.a * 101.5, grid.f + grid.e * 31.5
    )
    up = Transformer.from_crs("EPSG:4326", "EPSG:3857", always_xy=True).transform
    (x, y), (x0, y0), (x1, y1) = up(lon, lat), up(west, south), up(east, north)
    assert columns.mean() + 0.5 == pytest.approx(warped.shape[1] * (x - x0) / (x1 - x0), abs=0.8)
    assert rows.mean() + 0.5 == pytest.approx(warped.shape[0] * (y1 - y) / (y1 - y0), abs=0.8)


def test_large_results_are_thinned(make):
    result = make(120, 140)
    preview = from_data(result, longest_px=50)
    assert max(preview.label.shape) <= 50
    assert preview.transform.a * preview.label.shape[1] == pytest.approx(1400, rel=0.03)


def test_drawing_is_left_to_areas(html):
    assert all(f"{kind}: false" in html for kind in ("drawMarker", "drawCircle", "drawPolyline", "drawText"))


def test_licences_lie_beside_the_libraries():
    from importlib.resources import files

    vendor = files("howgreen.report").joinpath("vendor")
    assert "BSD 2-Clause" in vendor.joinpath("leaflet", "LICENSE").read_text(encoding="utf-8")
    assert "MIT License" in vendor.joinpath("geoman", "LICENSE").read_text(encoding="utf-8")
    others = vendor.joinpath("geoman", "LICENSE-THIRD-PARTY").read_text(encoding="utf-8")
    assert all(name in others for name in ("Turf", "Lodash", "polyclip-ts", "splaytree-ts", "bignumber.js"))
