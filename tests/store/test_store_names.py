"""What names of files and bands tell, as people and programs write them."""

from __future__ import annotations

import warnings
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
from store_files import make_values

from howgreen import store
from howgreen.core.errors import ImageError, StoreError
from howgreen.core.sensors import LANDSAT, SENTINEL2
from howgreen.core.warnings import HowgreenWarning
from howgreen.store import _masks
from howgreen.store._names import band_in, day_in, naming

DAY = date(2023, 7, 2)


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("image_20230702", DAY), ("2023-07-02_B04", DAY), ("T32TPS_20230702T101559_B04_10m", DAY), ("a.2023.07.02", DAY), ("x20230702101559", DAY),
        ("SENTINEL-2_MSI_32TPS_B02_2023-07-02", DAY), ("2023_07_02", DAY), ("31-12-2023", date(2023, 12, 31)), ("31122023", date(2023, 12, 31)),
        ("02Jul2023", DAY), ("2-July-2023", DAY), ("2023Jul02", DAY), ("city_2023_jul_2", DAY), ("S2_2023183", DAY), ("A2023183", DAY), ("2023-183", DAY),
        ("LE70220491999322EDC00_stack", date(1999, 11, 18)), ("LC08_L2SP_193028_20230702_20230710_02_T1_SR_B4", DAY),
        ("S2A_MSIL2A_20230702T101559_N0509_R065_T32TPS_20230703T161355", DAY), ("02-02-2023", date(2023, 2, 2)), ("L2A_T32TPS_20230702", DAY),
        ("2023-7-2", DAY), ("town 2023.07.2", DAY), ("13.7.2023", date(2023, 7, 13)), ("plain", None), ("x_20231399", None), ("B04_10m", None), ("123456789012", None), ("2023", None), ("T32TPS_2023", None), ("2023000", None), ("2023366", None),
    ],
)  # fmt: skip
def test_days_in_names_of_every_usual_form(name, day):
    assert day_in(name) == day


@pytest.mark.parametrize("name", ["03-07-2023", "3.7.2023", "a_20230701_20230702", "2023-07-01_to_2023-07-05"])
def test_days_that_can_be_read_in_two_ways_are_asked_back(name):
    with pytest.raises(ImageError, match=r" or |2 days"):
        day_in(name)


def test_files_of_two_days_are_not_one_scene_and_the_folder_may_tell_the_day(tif, root):
    files = [
        tif(f"{day}_{band}.tif", data=make_values(seed=n)[None])
        for n, (day, band) in enumerate([("20230701", "B04"), ("20230702", "B08")])
    ]
    with pytest.raises(ImageError, match=r"2 days \(2023-07-01, 2023-07-02\).*--date"):
        store.add(files, root=root, city="X")
    loose = [tif(f"2023-07-02/{band}.tif", data=make_values(seed=n)[None]) for n, band in enumerate(("B04", "B08"))]
    store.add(loose, root=root, city="X")
    assert store.scenes(root)[0].time.date() == DAY


@pytest.mark.parametrize(
    ("stem", "band"),
    [("T32TPS_20230701_B8A_20m", "B8A"), ("SENTINEL-2_MSI_32TPS_B02_2023-07-01", "B02"), ("LC08_L2SP_193028_20230701_20230710_02_T1_SR_B4", "SR_B4"),
     ("x_MSK_CLDPRB_20m", "MSK_CLDPRB_20m"), ("town_cloud_mask", "cloud_mask"), ("town_CLD", "CLD"), ("iw_gamma0_vv", "gamma0_vv"), ("odd", "odd")],
)  # fmt: skip
def test_band_in_a_file_name(stem, band):
    assert band_in(stem) == band


FORCE = ("BLUE", "GREEN", "RED", "REDEDGE1", "REDEDGE2", "REDEDGE3", "BROADNIR", "NIR", "SWIR1", "SWIR2")
OURS = ("blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "swir16", "swir22")


def ten(dtype="int16") -> np.ndarray:
    return np.stack([make_values(seed=n, dtype=dtype) for n in range(10)])


def test_force_calls_band_8a_nir_and_band_8_broadnir(tif, root):
    data = ten()
    data[:, :5] = -9999
    store.add([tif("20230701_LEVEL2_SEN2A_BOA.tif", data=data, names=FORCE, nodata=-9999)], root=root, city="X")
    (scene,) = store.scenes(root)
    assert scene.bands == OURS
    assert scene.nodata == -9999
    for place, band in enumerate(OURS):
        with rasterio.open(scene.asset(band).href) as file:
            np.testing.assert_array_equal(file.read(1), data[place])


def test_the_same_words_of_nobody_known_are_asked_back_and_the_cure_works(tif, root):
    path = tif("export_20230701.tif", data=ten("uint16"), names=FORCE)
    with pytest.raises(ImageError, match=r"BROADNIR band 8 where FORCE wrote them.*--bands"):
        store.add([path], root=root, city="X")
    store.add([path], root=root, city="X", options=store.Options(bands=OURS))
    assert store.scenes(root)[0].bands == OURS


def test_a_number_among_other_words_names_the_band(tif, root):
    names = ("B4, central wavelength 665 nm", "Near-infrared (B08)")
    store.add([tif(data=np.stack([make_values(), make_values(seed=1)]), names=names)], root=root, city="X")
    assert store.scenes(root)[0].bands == ("red", "nir")


def test_what_is_not_understood_is_named_and_what_is_of_no_use_is_not(tif, root):
    data = np.stack([make_values(seed=n) for n in range(4)])
    with pytest.warns(HowgreenWarning, match=r"gibberish not understood and not used.*--bands") as told:
        store.add([tif(data=data, names=("B04", "B08", "gibberish", "AOT"))], root=root, city="X")
    assert len(told) == 1
    (scene,) = store.scenes(root)
    assert [one.code for one in scene.warnings] == ["band-not-used"]


# ---- cloud masks of others


def test_masks_of_others_are_read_as_the_sensors_own():
    assert [_masks.kind_of(name) for name in ("QA60", "Fmask", "MSK_CLDPRB", "CLD", "cloud_mask", "QAI", "MSK_CLDPRB_20m", "red", "SCL")] == [
        "qa60", "fmask", "probability", "probability", "flag", "qai", "probability", None, None,
    ]  # fmt: skip

    def read(kind, values, sensor=SENTINEL2, dtype=np.uint16):
        return _masks.KINDS[kind](np.array([values], dtype), sensor)[0].tolist()

    assert read("qa60", [0, 1024, 2048, 3072]) == [7, 9, 10, 9]
    assert read("fmask", [0, 0, 1, 2, 3, 4, 255]) == [7, 7, 6, 3, 11, 9, 0]
    assert read("fmask", [1, 1, 0, 2, 3, 4, 5]) == [7, 7, 0, 9, 3, 11, 6]  # python-fmask
    assert read("fmask", [64, 64 + 2, 64 + 8, 64 + 16, 64 + 32, 255]) == [7, 9, 3, 11, 6, 0]  # HLS
    assert read("probability", [0, 39, 40, 100]) == [7, 7, 9, 9]
    assert read("probability", [0, 101, 102, 255], dtype=np.uint8) == [7, 7, 9, 9]
    assert read("probability", [0, 0.39, 0.41, 1], dtype=np.float32) == [7, 7, 9, 9]
    assert read("flag", [0, 1, 255]) == [7, 9, 0]
    assert read("flag", [0, 255]) == [7, 9]
    assert read("qai", [0, 1, 2, 6, 8, 16, 32]) == [7, 0, 9, 10, 3, 11, 6]
    landsat = read("fmask", [0, 0, 1, 2, 3, 4, 255], LANDSAT)
    assert [code >> 3 & 1 for code in landsat] == [0, 0, 0, 0, 0, 1, 0]
    assert [code >> 7 & 1 for code in landsat] == [0, 0, 1, 0, 0, 0, 0]
    assert [code >> 4 & 1 for code in landsat] == [0, 0, 0, 1, 0, 0, 0]
    assert [code & 1 for code in landsat] == [0, 0, 0, 0, 0, 0, 1]


def test_a_mask_of_which_the_clear_numbers_are_said_has_no_other_codes():
    read = _masks.read_as(_masks.kind_with([0, 3]), np.array([[0, 1, 3, 255, np.nan]]), SENTINEL2)
    assert read[0].tolist() == [7, 9, 7, 9, 0]
    assert _masks.read_as(_masks.kind_with([1]), np.array([[1, 0]], np.uint8), LANDSAT)[0].tolist() == [21824, 22280]


def test_a_mask_that_a_user_names_replaces_what_the_image_brings(tif, root):
    data = np.stack([make_values(), make_values(seed=1), np.full((60, 80), 9, np.uint16)])
    image = tif("T32TPS_20230701.tif", data=data, names=("B04", "B08", "SCL"))
    clouds = np.zeros((1, 60, 80), np.uint8)
    clouds[0, :10] = 1
    mask = tif("mine.tif", data=clouds)
    (name,) = store.add([image], root=root, city="X", options=store.Options(mask=mask, mask_clear=(0,)))
    (scene,) = store.scenes(root)
    with rasterio.open(scene.asset("scl").href) as file:
        assert [np.unique(part).tolist() for part in (file.read(1)[:10], file.read(1)[10:])] == [[9], [7]]
    assert store.add([image], root=root, city="X", options=store.Options(mask=mask, mask_clear=(0,))) == [name]
    with pytest.raises(StoreError, match="of other files or options"):
        store.add([image], root=root, city="X", options=store.Options(mask=mask, mask_clear=(1,)))


@pytest.mark.parametrize(
    ("numbers", "clear", "told"),
    [
        ([1, 2], (0,), "its mask holds 1, 2, and none that --mask-clear calls clear (0): all of it counts as cloud"),
        ([1, 2], (0, 2), None),
        ([0.25, np.nan], (0, 1), "holds 0.25, and none that --mask-clear calls clear (0, 1)"),
        ([np.nan], (0,), "holds no numbers, and"),
        (range(8), (9,), "holds 0, 1, 2, 3, 4, 5, 6, 7, and none"),
        (range(12), (99,), "holds 0, 1, 2, 3, 4, 5, 6, ... 11, and none"),
    ],
)
def test_a_mask_that_holds_none_of_the_clear_numbers_is_told_when_it_is_added(numbers, clear, told, tif, root):
    image = tif("T32TPS_20230701.tif", data=np.stack([make_values(), make_values(seed=1)]), names=("B04", "B08"))
    numbers = np.asarray(list(numbers))
    mask = tif(
        "mine.tif", data=np.resize(numbers, (1, 60, 80)).astype("float32" if numbers.dtype.kind == "f" else "uint8")
    )
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        store.add([image], root=root, city="X", options=store.Options(mask=mask, mask_clear=clear))
    said = [str(one.message) for one in heard if getattr(one.message, "code", "") == "mask-never-clear"]
    assert told in said[0] if told else not said, said
    assert ("mask-never-clear" in [one.code for one in store.scenes(root)[0].warnings]) is bool(told)


def test_a_mask_is_of_one_image_one_band_and_a_kind_that_is_known(tif, root):
    data = np.stack([make_values(), make_values(seed=1)])
    images = [tif(f"T32TPS_2023070{day}.tif", data=data, names=("B04", "B08")) for day in (1, 2)]
    flat = tif("mine.tif", data=np.zeros((1, 60, 80), np.uint8))

    def refused(files, mask, why, **options):
        with pytest.raises(ImageError, match=why):
            store.add(files, root=root, city="X", options=store.Options(mask=mask, **options))

    refused(images, flat, "one mask, but 2 images", mask_clear=(0,))
    refused(images[:1], flat, "--mask-clear 0")
    refused(images[:1], images[1], "2 bands; a mask has one", mask_clear=(0,))


def test_of_two_masks_the_sensors_own_is_taken(tif, root):
    data = np.stack([make_values(), make_values(seed=1), make_values(low=0, high=12), np.full((60, 80), 99, np.uint16)])
    store.add([tif(data=data, names=("B04", "B08", "SCL", "CLD"))], root=root, city="X")
    (scene,) = store.scenes(root)
    with rasterio.open(scene.asset("scl").href) as file:
        np.testing.assert_array_equal(file.read(1), data[2])


def test_masks_of_several_days_go_with_the_images_of_their_day(tif, root):
    images = [
        tif(
            f"a_2023070{day}.tif",
            data=np.stack([make_values(seed=day), make_values(seed=day + 5)]),
            names=("B04", "B08"),
        )
        for day in (1, 2)
    ]
    clouds = [
        tif(f"a_2023070{day}_SCL.tif", data=make_values(seed=day, low=0, high=12, dtype="uint8")[None])
        for day in (1, 2)
    ]
    store.add([*images, *clouds], root=root, city="X")
    for day, scene in enumerate(store.scenes(root), 1):
        assert (scene.time.date().day, scene.bands) == (day, ("red", "nir", "scl"))
        with rasterio.open(scene.asset("scl").href) as file:
            np.testing.assert_array_equal(file.read(1), make_values(seed=day, low=0, high=12, dtype="uint8"))
    stray = tif("b_20230705_SCL.tif", data=make_values(low=0, high=12, dtype="uint8")[None])
    with pytest.raises(ImageError, match="separate calls"):
        store.add([*images, stray], root=root, city="X")


# ---- Landsat's traps


def files(*names):
    return [Path(f"/x/{name}.TIF") for name in names]


def test_loose_landsat_files_never_pass_as_sentinel_2():
    for names in (
        ["LC08_L2SP_1_20230701_20230710_02_T1_SR_B4"],
        ["L8-B2-Elkton", "L8-B8-Elkton"],
        ["landsat8_town"],
        ["20230701_LEVEL2_LND08_BOA"],
        ["HLS.L30.T32TPS.2023182T101559.v2.0.B05", "HLS.L30.T32TPS.2023182T101559.v2.0.Fmask"],
    ):
        found = naming(files(*names), ["B2", "B4"], sensor=None, bands_given=False)
        assert (found.sensor, found.satellite) == (LANDSAT, "LC08"), names
    found = naming(files("L8-B8-Elkton"), ["B8"], sensor=None, bands_given=False)
    assert found.common("B8") is None  # panchromatic
    assert (found.common("B4"), found.common("B5")) == ("red", "nir")
    for names in (
        ["T32TPS_20230701_B04"],
        ["image_20230701"],
        ["S2A_MSIL2A_20230701T101559_N0509"],
        ["Tel-Aviv_L2A"],
        ["HLS.S30.T32TPS.2023182T101559.v2.0.B08"],
        ["pixel5_20230701"],
    ):
        assert naming(files(*names), ["B02", "B04"], sensor=None, bands_given=False).sensor is SENTINEL2, names


def test_level_1_and_collection_1_are_told_apart_by_name():
    for name, what in (("LC08_L1TP_193028_20230701_20230710_02_T1_B4", "Level-1"), ("S2A_MSIL1C_20230701T101559_B04", "Level-1"),
                       ("LC08_L2SP_193028_20170701_20170710_01_T1_SR_B4", "Collection 1"), ("LT05_193028_19950701_01_T1_B4", "Collection 1")):  # fmt: skip
        with pytest.raises(ImageError, match=f"{what} by its name.*--scale"):
            naming(files(name), ["B4"], sensor=None, bands_given=False)
        naming(files(name), ["red"], sensor="landsat", bands_given=True)
    for name, collection in (("LT05_L1TP_193028_19950701_20170710_01_T1_sr_band4", 1), ("LC08_L2SP_1_20230701_20230710_02_T1_SR_B4", 2),
                             ("LT05_020030_merge_19950712", 0)):  # fmt: skip
        assert naming(files(name), ["B4"], sensor=None, bands_given=False).collection == collection


def test_files_of_two_satellites_and_landsats_called_sentinels_are_refused():
    both = files("ref_input_L8_B04", "ref_input_S2_B08")
    with pytest.raises(ImageError, match=r"ref_input_L8_B04.*ref_input_S2_B08.*one satellite at a time"):
        naming(both, ["B04", "B08"], sensor=None, bands_given=False)
    with pytest.raises(ImageError, match="leave --sensor sentinel-2 out"):
        naming(both[:1], ["B04"], sensor="sentinel-2", bands_given=False)
    assert naming(both[1:], ["B08"], sensor="sentinel-2", bands_given=False).sensor is SENTINEL2
    # A name that only looks like either is neither.
    for name in ("T32TPS_20230701_B08", "LS2_town_20230701", "pixel5_20230701"):
        assert naming(files(name), ["B08"], sensor=None, bands_given=False).sensor is SENTINEL2


@pytest.mark.parametrize("name", ["B4", "B04", "sr_band4", "band 4", "band_4", "band 4 reflectance", "SR_B4"])
def test_landsats_bands_in_every_spelling(name):
    found = naming(files("LE70220491999322_stack"), [name], sensor=None, bands_given=False)
    assert found.common(name) == "nir"
    assert found.common("band 6 temperature") is None


@pytest.mark.real
def test_elktons_loose_files_are_refused_as_what_they_are(shared_data, root):
    """Landsat 8's top-of-atmosphere numbers: band 8 is panchromatic, and no near-infrared."""
    paths = [shared_data / "elkton_l8" / f"L8-B{n}-Elkton-VA.tiff" for n in (2, 3, 4, 8)]
    with pytest.raises(ImageError):
        store.add(paths, root=root, city="Elkton", options=store.Options(date=DAY))
    with pytest.raises(ImageError, match="Collection 2"):
        store.add(
            [*paths[:3], shared_data / "elkton_l8" / "L8-B5-Elkton-VA.tiff"],
            root=root,
            city="Elkton",
            options=store.Options(date=DAY),
        )
