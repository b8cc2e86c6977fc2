"""Sentinel-2 SAFE and Landsat folders."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pytest
import rasterio
from store_files import make_values

from howgreen import store
from howgreen.core.errors import ImageError
from howgreen.core.sensors import SENTINEL2
from howgreen.core.warnings import HowgreenWarning


def read(scene, band):
    with rasterio.open(scene.asset(band).href) as found:
        return found.read(1), found.res[0]


def refused(root, folder, **options) -> str:
    with pytest.raises(ImageError) as caught:
        store.add([folder], root=root, city="X", options=store.Options(**options))
    assert "\n" not in str(caught.value)
    assert not root.exists()
    return str(caught.value)


def test_safe_folder(safe, root):
    (name,) = store.add([safe()], root=root, city="Bolzano")
    (scene,) = store.scenes(root)
    assert scene.id == name == "S2A_MSIL2A_20230701T101559_N0509_R065_T32TPS_20230701T161355"
    assert scene.time == datetime(2023, 7, 1, 10, 15, 59, 24000, UTC)
    assert (scene.scale, scene.offset, scene.nodata, scene.cloud_cover_pct) == (1e-4, -0.1, 0, 12.5)
    assert scene.bands == (*SENTINEL2.band_names, "scl")
    assert scene.native["properties"]["s2:processing_baseline"] == "05.09"
    assert scene.native["properties"]["platform"] == "sentinel-2a"
    for seed, band in enumerate(SENTINEL2.bands):
        values, res = read(scene, band.name)
        assert res == band.resolution_m
        np.testing.assert_array_equal(values, make_values((120, 120) if res == 10 else (60, 60), seed, 1200, 5000))
    np.testing.assert_array_equal(read(scene, "scl")[0], make_values((60, 60), 10, 0, 12, "uint8"))
    assert store.verify(root) == []


@pytest.mark.parametrize(
    ("baseline", "offset", "expected"),
    [("02.14", None, 0.0), ("03.01", None, 0.0), ("04.00", -1000, -0.1), ("05.00", None, -0.1), ("05.11", 0, 0.0)],
)
def test_safe_offset_by_metadata_then_baseline(safe, root, baseline, offset, expected):
    store.add([safe(baseline=baseline, offset=offset)], root=root, city="X")
    assert store.scenes(root)[0].offset == expected


def test_safe_by_its_metadata_file_and_by_what_lies_in_it(safe, root):
    store.add([safe(listed=[]) / "MTD_MSIL2A.xml"], root=root, city="X")
    assert store.scenes(root)[0].bands == (*SENTINEL2.band_names, "scl")


def test_options_choose_from_a_product_or_are_refused(safe, landsat, root):
    folder = safe()
    assert "purple" in refused(root, folder, bands=["red", "purple"])
    assert "2023-07-01" in refused(root, folder, date=date(2023, 7, 2))
    assert "--sensor landsat" in refused(root, folder, sensor="landsat")
    store.add(
        [folder],
        root=root,
        city="X",
        options=store.Options(bands=["B04", "nir", "SCL"], offset=0, date=date(2023, 7, 1)),
    )
    (scene,) = store.scenes(root)
    assert (scene.bands, scene.offset) == (("red", "nir", "scl"), 0)


def test_folders_with_the_bands_that_a_model_needs_are_enough_and_what_lacks_is_told(safe, landsat, root):
    with pytest.warns(HowgreenWarning, match="its folder lacks B11, SCL"):
        store.add([safe(leave_out=["B11", "SCL"])], root=root, city="X")
    assert store.scenes(root)[0].bands == tuple(name for name in SENTINEL2.band_names if name != "swir16")
    assert "band-not-used" in [one.code for one in store.scenes(root)[0].warnings]
    folder = landsat()
    for code in ("SR_B6", "QA_PIXEL"):
        (folder / f"{folder.name}_{code}.TIF").unlink()
    with pytest.warns(HowgreenWarning, match="its folder lacks swir16, qa_pixel"):
        store.add([folder], root=root, city="X")
    landsat_scene = next(one for one in store.scenes(root) if one.sensor == "landsat")
    assert landsat_scene.bands == ("blue", "green", "red", "nir", "swir22")


def test_each_band_of_a_product_has_its_own_numbers(safe, landsat, root):
    folder = safe()
    text = (folder / "MTD_MSIL2A.xml").read_text()
    (folder / "MTD_MSIL2A.xml").write_text(text.replace('band_id="3">-1000', 'band_id="3">-900'))
    store.add([folder], root=root, city="X")
    (scene,) = store.scenes(root)
    assert [scene.encoding(band).offset for band in ("blue", "red", "nir")] == [-0.1, -0.09, -0.1]
    folder = landsat()
    (mtl,) = folder.glob("*_MTL.json")
    mtl.write_text(mtl.read_text().replace('"REFLECTANCE_ADD_BAND_5": "-0.2"', '"REFLECTANCE_ADD_BAND_5": "-0.19"'))
    store.add([folder], root=root, city="X")
    scene = next(one for one in store.scenes(root) if one.sensor == "landsat")
    assert [scene.encoding(band).offset for band in ("red", "nir")] == [-0.2, -0.19]


@pytest.mark.parametrize(
    ("baseline", "offset", "found"), [("99.99", -1000, -0.1), ("99.99", None, 0.0), ("02.14", -1000, -0.1)]
)
def test_sen2cor_at_home_has_the_offset_that_it_says(safe, root, baseline, offset, found):
    store.add([safe(baseline=baseline, offset=offset)], root=root, city="X")
    assert store.scenes(root)[0].offset == found


def test_collection_1_folders_are_refused(landsat, root):
    folder = landsat()
    (mtl,) = folder.glob("*_MTL.json")
    mtl.write_text(mtl.read_text().replace('"COLLECTION_NUMBER": "02"', '"COLLECTION_NUMBER": "01"'))
    assert "Collection 01" in refused(root, folder)


def test_safe_that_is_incomplete(safe, root):
    assert "B08" in refused(root, safe(leave_out=["B08"]))
    (folder,) = {safe()}
    (folder / "MTD_MSIL2A.xml").unlink()
    assert "no MTD_MSIL2A.xml" in refused(root, folder)
    (folder / "MTD_MSIL1C.xml").write_text("<x/>")
    assert "L1C" in refused(root, folder)


def test_safe_whose_metadata_leads_out(safe, root, tmp_path):
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "secret_B02_10m.jp2").write_bytes(b"x")
    assert "outside" in refused(root, safe(listed=["../secret_B02_10m"]))
    assert "outside" in refused(root, safe(listed=["/etc/secret_B02_10m"]))


def test_xml_with_a_document_type_is_refused(safe, root):
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    assert "document type" in refused(root, safe(doctype=bomb))
    assert "document type" in refused(root, safe(doctype=bomb.lower().replace("entity", "EnTiTy")))
    folder = safe()
    file = folder / "MTD_MSIL2A.xml"
    text = file.read_text()
    file.write_bytes(text.replace("UTF-8", "UTF-16").encode("utf-16"))
    assert "document type" in refused(root, folder)
    file.write_text(text[:500])
    assert "broken XML" in refused(root, folder)
    file.write_text(text.replace("2023-07-01T10:15:59.024Z", "yesterday"))
    assert "sensing time" in refused(root, folder)


def test_truncated_jp2_leaves_nothing(safe, root):
    folder = safe()
    (file,) = folder.glob("GRANULE/*/IMG_DATA/R10m/*_B04_10m.jp2")
    file.write_bytes(file.read_bytes()[:2000])
    assert str(file) in refused(root, folder)


@pytest.mark.parametrize("kind", ["json", "xml", "txt"])
@pytest.mark.parametrize(
    ("spacecraft", "codes"),
    [("LANDSAT_8", (2, 3, 4, 5, 6, 7)), ("LANDSAT_9", (2, 3, 4, 5, 6, 7)), ("LANDSAT_5", (1, 2, 3, 4, 5, 7))],
)
def test_landsat_folder(landsat, root, spacecraft, codes, kind):
    folder = landsat(spacecraft=spacecraft, kind=kind)
    assert store.add([folder], root=root, city="X") == [folder.name]
    (scene,) = store.scenes(root)
    assert (scene.sensor, scene.scale, scene.offset, scene.nodata) == ("landsat", 2.75e-5, -0.2, 0)
    assert scene.time == datetime(2023, 7, 1, 10, 3, 44, 123456, UTC)
    assert scene.cloud_cover_pct == 7.25
    names = ("blue", "green", "red", "nir", "swir16", "swir22")
    assert scene.bands == (*names, "qa_pixel")
    for name, code in zip(names, codes, strict=True):
        np.testing.assert_array_equal(read(scene, name)[0], make_values((40, 40), code, 7500, 20000))
    np.testing.assert_array_equal(read(scene, "qa_pixel")[0], make_values((40, 40), 9, 21824, 21953))
    assert store.verify(root) == []


def test_landsat_7_and_sentinel_2_live_in_one_store(landsat, safe, root):
    assert len(store.add([landsat(spacecraft="LANDSAT_7"), safe()], root=root, city="X")) == 2
    assert {scene.sensor for scene in store.scenes(root)} == {"landsat", "sentinel-2"}
    assert store.verify(root) == []


def test_landsat_that_cannot_be_used(landsat, root):
    assert "L1TP" in refused(root, landsat(level="L1TP"))
    assert "LANDSAT_3" in refused(root, landsat(spacecraft="LANDSAT_3"))
    assert "outside" in refused(
        root, landsat(spacecraft="LANDSAT_9", rename={"FILE_NAME_BAND_2": "../../../etc/passwd"})
    )
    folder = landsat()
    (folder / f"{folder.name}_SR_B5.TIF").unlink()
    assert "SR_B5" in refused(root, folder)
    (folder / f"{folder.name}_MTL.json").write_text("{}")
    assert "MTL" in refused(root, folder)
