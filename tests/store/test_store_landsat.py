"""Landsat's files beside their folder: which satellite, which collection."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
import rasterio

from howgreen import store
from howgreen.core.errors import ImageError
from howgreen.core.warnings import HowgreenWarning

NAMES = ("blue", "green", "red", "nir", "swir16", "swir22")
RAW = {"blue": 8747, "green": 8246, "red": 7175, "nir": 20366}
"""Level-1 DN of real grassland in Collection 1 (reflectance at the top of the atmosphere = DN * 2e-5 - 0.1)."""


@pytest.fixture
def root(tmp_path):
    return tmp_path / "store"


@pytest.mark.parametrize(
    ("spacecraft", "codes"), [("LANDSAT_5", (1, 2, 3, 4, 5, 7)), ("LANDSAT_8", (2, 3, 4, 5, 6, 7))]
)
def test_loose_files_of_a_product_mean_what_the_folder_means(landsat, root, spacecraft, codes):
    folder = landsat(spacecraft=spacecraft)
    files = [folder / f"{folder.name}_SR_B{code}.TIF" for code in codes]
    store.add([folder], root=root, city="X")
    store.add(files, root=root, city="X", date=date(2023, 7, 2))
    whole, loose = store.scenes(root)
    assert whole.platform == loose.platform == spacecraft.lower().replace("_", "-")
    for band in NAMES:
        pixels = []
        for scene in (whole, loose):
            with rasterio.open(scene.asset(band).href) as file:
                pixels.append(file.read(1))
        np.testing.assert_array_equal(*pixels)


def test_numbered_bands_of_an_unknown_satellite_are_refused(landsat, root, tmp_path):
    folder = landsat(spacecraft="LANDSAT_5")
    files = []
    for code in (3, 4):
        files.append(tmp_path / f"town_19950701_SR_B{code}.TIF")
        files[-1].write_bytes((folder / f"{folder.name}_SR_B{code}.TIF").read_bytes())
    with pytest.raises(ImageError, match=r"SR_B3.*Landsats 4-7.*--bands"):
        store.add(files, root=root, city="X")
    assert not root.exists()
    store.add(files, root=root, city="X", bands=["red", "nir"], sensor="landsat")
    assert store.scenes(root)[0].bands == ("red", "nir")


def test_collection_1_is_not_taken_for_collection_2(tif, root):
    values = np.stack([np.full((60, 80), dn, np.uint16) for dn in RAW.values()])
    with pytest.raises(ImageError, match=r"100 % of its land reflects less than nothing.*Collection 2"):
        store.add([tif(data=values)], root=root, city="X", bands=list(RAW), sensor="landsat")
    grass = np.stack([np.full((60, 80), 9000 + 9000 * (n == 3), np.uint16) for n in range(4)])
    for code, stays_out in ((2720, True), (21824, False), (5440, False)):
        data = np.concatenate([grass, np.full((1, 60, 80), code, np.uint16)])
        image = tif(f"q{code}_20230701.tif", data=data)
        given = {"root": root, "city": "X", "bands": [*RAW, "qa_pixel"], "sensor": "landsat"}
        if stays_out:
            with pytest.raises(ImageError, match="QA_PIXEL"):
                store.add([image], **given)
            assert not root.exists()
        else:
            store.add([image], **given)


@pytest.mark.real
def test_elkton_is_refused(shared_data, root):
    folder = shared_data / "elkton_l8"
    files = [folder / f"L8-B{n}-Elkton-VA.tiff" for n in (2, 3, 4, 5, "QA")]
    for count in (4, 5):
        with pytest.raises(ImageError, match="Collection 2"):
            store.add(
                files[:count], root=root, city="Elkton", bands=["blue", "green", "red", "nir", "qa_pixel"][:count],
                sensor="landsat", date=date(2017, 7, 1),
            )  # fmt: skip
    assert not root.exists()


@pytest.mark.real
def test_two_products_in_one_folder_are_two_scenes_and_two_bands_are_enough(shared_data, root):
    with pytest.warns(HowgreenWarning, match="its folder lacks blue, green, swir16, swir22"):
        names = store.add([shared_data / "landsat_c2l2"], root=root, city="X")
    assert names == ["LC08_L2SP_017036_20130419_20200913_02_T2", "LC08_L2SR_099120_20191129_20201016_02_T2"]
    scenes = store.scenes(root)
    assert [scene.bands for scene in scenes] == [("red", "nir", "qa_pixel")] * 2
    assert [scene.id for scene in scenes] == names
