"""How items become reflectance, in all the ways in which catalogues state it."""

import pytest

from howgreen.core.reflectance import baseline_of, radiometry
from howgreen.core.sensors import LANDSAT, SENTINEL2
from howgreen.core.stac import scene
from howgreen.core.types import Encoding

SQUARE = [[[11.0, 46.0], [12.0, 46.0], [12.0, 47.0], [11.0, 47.0], [11.0, 46.0]]]
NEW, FLAGGED = {"s2:processing_baseline": "05.09"}, {"earthsearch:boa_offset_applied": True}


def item(assets, *, collection="sentinel-2-l2a", **properties):
    return {
        "type": "Feature", "id": "one", "collection": collection,
        "geometry": {"type": "Polygon", "coordinates": SQUARE},
        "properties": {"datetime": "2023-07-01T10:00:00Z"} | properties,
        "assets": {key: {"href": f"https://example.org/{key}.tif"} | entry for key, entry in assets.items()},
    }  # fmt: skip


def parsed(assets, **properties):
    return scene(item(assets, **properties), resolve=str, habit="unknown")


@pytest.mark.parametrize(
    ("value", "found"),
    [("05.09", (5, 9)), ("5.09", (5, 9)), ("5", (5, 0)), (5, (5, 0)), (5.09, (5, 9)), (5.1, (5, 10)), ("N0509", (5, 9)),
     ("N05.09", (5, 9)), ("0509", (5, 9)), (" 04.00 ", (4, 0)), ("n0214", (2, 14)), ("4.0", (4, 0)), ("99.99", None),
     ("N9999", None), ("00.00", None), ("", None), (None, None), (True, None), ("05.09.1", None), ("latest", None),
     (float("nan"), None)],
)  # fmt: skip
def test_baselines_in_all_spellings(value, found):
    assert baseline_of(value) == found


@pytest.mark.parametrize("value", ["05.09", "5", 5, "N0509", 5.09, "0509"])
@pytest.mark.parametrize("key", ["s2:processing_baseline", "sentinel:processing_baseline", "processing:version"])
def test_the_baseline_decides_in_every_spelling_and_place(key, value):
    assert radiometry(item({"B04": {}}, **{key: value}), SENTINEL2).offset == -0.1


@pytest.mark.parametrize("key", ["earthsearch:boa_offset_applied", "sentinel:boa_offset_applied", "boa_offset_applied"])
@pytest.mark.parametrize("value", [True, "true", "True", 1])
def test_the_flag_of_every_name_says_that_the_offset_is_out(key, value):
    """cirrus-earth-search#21, #33."""
    assert radiometry(item({"B04": {}}, **NEW, **{key: value}), SENTINEL2, habit="flagged").offset == 0
    assert radiometry(item({"B04": {}}, **NEW, **{key: False}), SENTINEL2, habit="flagged").offset == -0.1


def test_sen2cor_at_home_has_no_baseline_and_the_stated_offset_decides():
    stated = {"raster:bands": [{"scale": 1e-4, "offset": -0.1}]}
    assert radiometry(item({"B04": stated}, **{"s2:processing_baseline": "99.99"}), SENTINEL2).offset == -0.1
    assert radiometry(item({"B04": {}}, **{"s2:processing_baseline": "99.99"}), SENTINEL2).offset == 0


@pytest.mark.parametrize(
    "entry",
    [
        {"raster:bands": [{"scale": 0.001, "offset": 0.0, "nodata": -9999, "data_type": "int16"}]},
        {"bands": [{"name": "red", "raster:scale": 0.001, "raster:offset": 0.0, "nodata": -9999, "data_type": "int16"}]},
        {"bands": [{"name": "red"}], "raster:scale": 0.001, "raster:offset": 0, "nodata": -9999, "data_type": "int16"},
        {"raster:bands": [{"scale": "0.001"}], "nodata": "-9999"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("properties", [{}, NEW, NEW | FLAGGED, {"s2:processing_baseline": "02.14"}])
def test_another_scale_is_read_as_the_item_states_it_whatever_the_baseline(entry, properties):
    """odc-stac#55, titiler-openeo#322, stackstac#202."""
    found = parsed({"red": entry, "nir": entry}, **properties)
    assert found.encoding("red") == found.encoding("nir") == Encoding(scale=0.001, offset=0, nodata=-9999)


def test_each_band_is_read_by_its_own_statement():
    found = parsed(
        {
            "red": {"raster:bands": [{"scale": 1e-4, "offset": 0, "nodata": 0}]},
            "nir": {"raster:bands": [{"scale": 0.001, "offset": -2, "nodata": -1}]},
            "scl": {"raster:bands": [{"nodata": 7}]},
        }
    )
    assert found.encoding("red") == Encoding(scale=1e-4, offset=0, nodata=0)
    assert found.encoding("nir") == Encoding(scale=0.001, offset=-2, nodata=-1)
    assert found.asset("red").encoding is None


def test_offsets_that_differ_between_bands_are_taken_band_by_band():
    bands = {
        "red": {"raster:bands": [{"scale": 1e-4, "offset": 0}]},
        "nir": {"raster:bands": [{"scale": 1e-4, "offset": -0.1}]},
    }
    for properties in ({}, NEW):
        found = parsed(bands, **properties)
        assert [found.encoding(band).offset for band in ("red", "nir")] == [0, -0.1]
    flagged = parsed(bands, **NEW, **FLAGGED)
    assert [flagged.encoding(band).offset for band in ("red", "nir")] == [0, 0]


def test_floats_are_reflectance_and_a_scale_of_one_for_whole_numbers_says_nothing():
    floats = parsed(
        {"red": {"raster:bands": [{"data_type": "float32", "scale": 1, "offset": 0, "nodata": "nan"}]}}, **NEW
    )
    assert floats.encoding("red") == Encoding(scale=1, offset=0, nodata=None)
    whole = parsed({"red": {"raster:bands": [{"data_type": "uint16", "scale": 1, "offset": 0}]}}, **NEW)
    assert whole.encoding("red") == Encoding(scale=1e-4, offset=-0.1, nodata=None)


def test_landsat_is_read_as_stated_or_by_its_handbook():
    plain = parsed({"red": {}, "qa_pixel": {}}, collection="landsat-c2-l2")
    assert plain.encoding("red") == Encoding(scale=LANDSAT.scale, offset=LANDSAT.offset, nodata=0)
    other = {"raster:bands": [{"scale": 1e-4, "offset": 0, "nodata": -9999, "data_type": "int16"}]}
    assert parsed({"red": other}, collection="landsat-c2-l2").encoding("red") == Encoding(
        scale=1e-4, offset=0, nodata=-9999
    )
