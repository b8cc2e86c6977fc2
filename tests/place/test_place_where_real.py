"""``howgreen where`` on recorded answers of Nominatim, which were recorded without their polygons."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pyproj import Geod
from services import listed, rectangle, says, served
from shapely.geometry import shape

from howgreen.cli import main

RECORDED = {
    "Barcelona": ("barcelona_json", [("Barcelona", "city, level 8", "osm:R347950")]),
    "Paris": ("paris_json", [("Paris", "city, level 6", "osm:R71525")]),
    "Dayton": ("dayton_json_three_candidates", [("Dayton", "administrative area", "osm:R182954")]),
    "Frankfurt": (
        "frankfurt_jsonv2_two_candidates",
        [("Frankfurt am Main", "city, level 6", "osm:R62400, DE"), ("Frankfurt (Oder)", "city, level 6", "osm:R62523, DE")],
    ),
}  # fmt: skip
"""File, and of each candidate: label, kind and level, id and, where the answer holds it, country. The populations of the
Frankfurts have no year, so none is shown."""


def boxed(records: list[dict]) -> dict[str, dict]:
    """Gives each relation its own bounding box for limits; km² of the boxes by id."""
    areas = {}
    for one in records:
        if one["osm_type"] == "relation":
            south, north, west, east = map(float, one["boundingbox"])
            one["geojson"] = rectangle(west, south, east, north)
            areas[f"osm:R{one['osm_id']}"] = abs(
                Geod(ellps="WGS84").geometry_area_perimeter(shape(one["geojson"]))[0] / 1e6
            )
    return areas


@pytest.mark.real
@pytest.mark.parametrize("name", RECORDED)
def test_where_lists_every_recorded_candidate(
    name: str,
    shared_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    file, expected = RECORDED[name]
    records = json.loads((shared_data / "api" / "nominatim" / f"{file}.json").read_bytes())
    areas = boxed(records)
    table = tmp_path / "endpoints.toml"
    with served(lambda _: says(records)) as nominatim, served(lambda _: listed()) as overpass:
        table.write_text(f'nominatim = "{nominatim.url}"\noverpass = ["{overpass.url}"]\n')
        with pytest.raises(SystemExit) as done:
            main(["where", name, "--endpoints", str(table)])
    assert done.value.code == 0
    lines = {line.split("  ", 2)[-1].strip() for line in capsys.readouterr().out.splitlines()}
    assert {line.lstrip("0123456789 ") for line in lines} == {
        f"{label}: {kind}, {areas[id_.partition(',')[0]]:,.1f} km², {id_}" for label, kind, id_ in expected
    }
