"""Landsat's files beside their folder: which satellite, which collection."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
import rasterio
from store_files import landsat_tif

from howgreen import store
from howgreen.core.errors import ImageError
from howgreen.core.sensors import LANDSAT
from howgreen.core.warnings import HowgreenWarning
from howgreen.store import _masks

NAMES = ("blue", "green", "red", "nir", "swir16", "swir22")
RAW = {"blue": 8747, "green": 8246, "red": 7175, "nir": 20366}
"""Level-1 DN of real grassland in Collection 1 (reflectance at the top of the atmosphere = DN * 2e-5 - 0.1)."""


@pytest.mark.parametrize(
    ("spacecraft", "codes"), [("LANDSAT_5", (1, 2, 3, 4, 5, 7)), ("LANDSAT_8", (2, 3, 4, 5, 6, 7))]
)
def test_loose_files_of_a_product_mean_what_the_folder_means(landsat, root, spacecraft, codes):
    folder = landsat(spacecraft=spacecraft)
    files = [folder / f"{folder.name}_SR_B{code}.TIF" for code in codes]
    store.add([folder], root=root, city="X")
    store.add(files, root=root, city="X", options=store.Options(date=date(2023, 7, 2)))
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
    store.add(files, root=root, city="X", options=store.Options(bands=["red", "nir"], sensor="landsat"))
    assert store.scenes(root)[0].bands == ("red", "nir")


def test_collection_1_is_not_taken_for_collection_2(tif, root):
    values = np.stack([np.full((60, 80), dn, np.uint16) for dn in RAW.values()])
    with pytest.raises(ImageError, match=r"100 % of its land reflects less than nothing.*Collection 2"):
        store.add([tif(data=values)], root=root, city="X", options=store.Options(bands=list(RAW), sensor="landsat"))
    grass = np.stack([np.full((60, 80), 9000 + 9000 * (n == 3), np.uint16) for n in range(4)])
    for code, stays_out in ((2720, True), (21824, False), (5440, False)):
        data = np.concatenate([grass, np.full((1, 60, 80), code, np.uint16)])
        image = tif(f"q{code}_20230701.tif", data=data)
        said = store.Options(bands=[*RAW, "qa_pixel"], sensor="landsat")
        if stays_out:
            with pytest.raises(ImageError, match="QA_PIXEL"):
                store.add([image], root=root, city="X", options=said)
            assert not root.exists()
        else:
            store.add([image], root=root, city="X", options=said)


@pytest.mark.real
def test_elkton_is_refused(shared_data, root):
    folder = shared_data / "elkton_l8"
    files = [folder / f"L8-B{n}-Elkton-VA.tiff" for n in (2, 3, 4, 5, "QA")]
    for count in (4, 5):
        with pytest.raises(ImageError, match="Collection 2"):
            store.add(files[:count], root=root, city="Elkton", options=store.Options(bands=["blue", "green", "red", "nir", "qa_pixel"][:count], sensor="landsat", date=date(2017, 7, 1)))  # fmt: skip
    assert not root.exists()


@pytest.mark.real
def test_two_products_in_one_folder_are_two_scenes_and_two_bands_are_enough(shared_data, root):
    with pytest.warns(HowgreenWarning, match="its folder lacks blue, green, swir16, swir22"):
        names = store.add([shared_data / "landsat_c2l2"], root=root, city="X")
    assert names == ["LC08_L2SP_017036_20130419_20200913_02_T2", "LC08_L2SR_099120_20191129_20201016_02_T2"]
    scenes = store.scenes(root)
    assert [scene.bands for scene in scenes] == [("red", "nir", "qa_pixel")] * 2
    assert [scene.id for scene in scenes] == names


# ---- Collection 1, and folders without their MTL file


def old_product(folder, name="LT05_L1TP_193028_19950701_20170710_01_T1"):
    """A product of Collection 1: surface reflectance in steps of 1e-4, fill -9999, ``pixel_qa``."""
    folder.mkdir()
    for number, value in {1: 500, 2: 700, 3: 600, 4: 3500, 5: 2000, 7: 1000}.items():
        data = np.arange(60 * 80, dtype=np.int16).reshape(60, 80) % 97 + value
        data[:4] = -9999
        landsat_tif(folder / f"{name}_sr_band{number}.tif", data)
    quality = np.full((60, 80), 66, np.uint16)  # clear, low confidence of cloud
    quality[10], quality[11], quality[12], quality[:4] = 224, 72, 68, 1  # cloud, shadow, water, fill
    landsat_tif(folder / f"{name}_pixel_qa.tif", quality)
    (folder / f"{name}_MTL.txt").write_text("GROUP = L1_METADATA_FILE\nEND_GROUP = L1_METADATA_FILE\nEND\n")
    return folder


def test_a_folder_of_collection_1_is_read_by_its_own_scale_and_quality_bits(root, tmp_path):
    store.add([old_product(tmp_path / "old")], root=root, city="X")
    (scene,) = store.scenes(root)
    assert (scene.sensor, scene.platform, scene.scale, scene.offset, scene.nodata) == (
        "landsat",
        "landsat-5",
        1e-4,
        0,
        -9999,
    )
    assert scene.bands == (*NAMES, "qa_pixel")
    with rasterio.open(scene.asset("nir").href) as file:
        assert file.read(1)[20, 0] == 3500 + (20 * 80) % 97
    with rasterio.open(scene.asset("qa_pixel").href) as file:
        codes = file.read(1)[:, 0]
    # In Collection 2's bits: 0 fill, 3 cloud, 4 shadow, 6 clear, 7 water.
    assert [int(codes[row]) >> bit & 1 for row, bit in ((0, 0), (10, 3), (11, 4), (12, 7), (20, 6))] == [1] * 5
    assert int(codes[20]) & 0b111111 == 0


def test_bits_of_a_bqa_are_not_those_of_qa_pixel():
    codes = np.array(
        [1, 2720, 2800, 2976, 3744, 6816, 672], np.uint16
    )  # fill, clear, cloud, shadow, snow, cirrus, Landsat 5 clear
    own = _masks.KINDS["bqa"](codes, LANDSAT)
    told = [[bit for bit in (0, 2, 3, 4, 5) if code >> bit & 1] for code in own.tolist()]
    assert told == [[0], [], [3], [4], [5], [2], []]


def test_a_folder_without_its_mtl_file_is_its_bands_and_two_are_enough(landsat, root):
    folder = landsat()
    for file in folder.iterdir():
        if not file.name.endswith(("_SR_B4.TIF", "_SR_B5.TIF", "_QA_PIXEL.TIF")):
            file.unlink()
    store.add([folder], root=root, city="X")
    (scene,) = store.scenes(root)
    assert (scene.platform, scene.scale, scene.offset) == ("landsat-8", 2.75e-5, -0.2)
    assert scene.bands == ("red", "nir", "qa_pixel")


def test_harmonised_landsat_is_landsat_in_steps_of_sentinel_2(root, tmp_path):
    """HLS L30's B05 is near-infrared; of a file called B05 alone it would be Sentinel-2's red edge."""
    folder = tmp_path / "hls"
    folder.mkdir()
    for number, value in {2: 400, 3: 700, 4: 600, 5: 3500, 6: 2000, 7: 1000}.items():
        data = np.arange(60 * 80, dtype=np.int16).reshape(60, 80) % 97 + value
        landsat_tif(folder / f"HLS.L30.T32TPS.2023182T101559.v2.0.B{number:02d}.tif", data.astype(np.int16))
    flags = np.full((60, 80), 64, np.uint8)  # clear
    flags[3] = 2 | 64  # cloud
    landsat_tif(folder / "HLS.L30.T32TPS.2023182T101559.v2.0.Fmask.tif", flags)
    store.add([folder], root=root, city="X")
    (scene,) = store.scenes(root)
    assert (scene.sensor, scene.time.date(), scene.scale, scene.offset) == ("landsat", date(2023, 7, 1), 1e-4, 0)
    assert scene.bands == (*NAMES, "qa_pixel")
    with rasterio.open(scene.asset("nir").href) as file:
        assert file.read(1).min() == 3500
    with rasterio.open(scene.asset("qa_pixel").href) as file:
        assert [bool(code >> 3 & 1) for code in file.read(1)[[3, 4], 0]] == [True, False]


def test_a_folder_of_something_else_stays_unknown(tif, root, tmp_path):
    tif("town_20230701.tif")
    with pytest.raises(ImageError, match="neither a Sentinel-2"):
        store.add([tmp_path], root=root, city="X")


# ---- panchromatic is not near-infrared


def colours(seed=3):
    """Green, red and near-infrared of a landscape, and the panchromatic band over it, as steps of 1e-4."""
    random = np.random.default_rng(seed)
    green, red = random.integers(300, 1500, (2, 60, 80))
    return green, red, random.integers(1500, 4000, (60, 80)), (green + red) // 2


def test_a_band_between_green_and_red_is_no_near_infrared(tif, root):
    green, red, nir, pan = colours()
    names = ["green", "red", "nir"]
    store.add(
        [tif(data=np.stack([green, red, nir]).astype(np.uint16))],
        root=root,
        city="X",
        options=store.Options(bands=names),
    )
    for share, passes in ((0.7, True), (0.8, False)):
        mixed = np.where(np.arange(60 * 80).reshape(60, 80) < share * 60 * 80, pan, nir)
        given = {"root": root, "city": "X", "options": store.Options(bands=names), "replace": True}
        image = tif(data=np.stack([green, red, mixed]).astype(np.uint16))
        if passes:
            store.add([image], **given)
        else:
            with pytest.raises(ImageError, match=r"between green and red in 80 % .*panchromatic"):
                store.add([image], **given)


def test_a_near_infrared_of_half_the_pixel_size_is_panchromatic(root, tmp_path):
    _, red, nir, _ = colours()
    landsat_tif(tmp_path / "town_20230701_B4.tif", red.astype(np.uint16))
    fine = tmp_path / "town_20230701_B8.tif"
    landsat_tif(fine, nir.repeat(2, 0).repeat(2, 1).astype(np.uint16))
    with rasterio.open(fine, "r+") as file:
        file.transform *= rasterio.Affine.scale(0.5)
    with pytest.raises(ImageError, match=r"pixels of 15, red of 30.*panchromatic"):
        store.add([tmp_path / "town_20230701_B4.tif", fine], root=root, city="X")


@pytest.mark.real
def test_elktons_panchromatic_band_never_passes(shared_data, root):
    paths = [shared_data / "elkton_l8" / f"L8-B{n}-Elkton-VA.tiff" for n in (2, 3, 4, 8)]
    bands = ["blue", "green", "red", "nir"]
    said = store.Options(sensor="sentinel-2", bands=bands, date=date(2017, 7, 1), scale=2e-5, offset=-0.1)
    with pytest.raises(ImageError, match="panchromatic"):
        store.add(paths, root=root, city="Elkton", options=said)


@pytest.mark.real
def test_tabasco_and_detroit_are_read_by_the_numbers_of_before_collection_2(shared_data, root):
    stacks = [shared_data / "tabasco_l7" / f"LE7022049{day}_stack.tif" for day in (1999322, 2002106)]
    with pytest.warns(HowgreenWarning, match="8 not understood"):
        store.add(stacks, root=root, city="Tabasco")
    detroit = shared_data / "detroit_l5" / "LT05_020030_merge_19950712_stack_clip.tiff"
    store.add([detroit], root=root, city="Detroit", options=store.Options(bands=NAMES))
    scenes = store.scenes(root)
    assert {(one.scale, one.offset, one.nodata) for one in scenes} == {(1e-4, 0, -9999)}
    assert {one.platform for one in scenes} == {"landsat-7", "landsat-5"}
    assert all(one.bands == NAMES for one in scenes)
