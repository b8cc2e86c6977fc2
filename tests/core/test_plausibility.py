"""Numbers that are no reflectance are found, and what fits is proposed; numbers that are pass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from howgreen.core.plausibility import LEAF_ORDER, check, leaves_out_of_order, natural, odd_band, step_of
from howgreen.core.sensors import LANDSAT, SENTINEL2
from howgreen.core.types import Encoding

BANDS = ("blue", "green", "red", "nir")


def town(seed: int = 1, pixels: int = 60_000) -> dict[str, np.ndarray]:
    """Reflectance in steps of 0.0001: a tenth of water, meadows, and roofs."""
    rng = np.random.default_rng(seed)
    kind = rng.random(pixels)
    means = {
        "blue": (0.03, 0.04, 0.14),
        "green": (0.03, 0.07, 0.16),
        "red": (0.02, 0.05, 0.18),
        "nir": (0.02, 0.38, 0.25),
    }
    found = {}
    for band, (water, meadow, roof) in means.items():
        middle = np.where(kind < 0.1, water, np.where(kind < 0.6, meadow, roof))
        found[band] = np.round(np.maximum(middle * rng.normal(1, 0.25, pixels), 0.002), 4)
    return found


def asked(light, *, scale=1e-4, offset=0.0, dtype="uint16", said=None, sensor=SENTINEL2):
    numbers = {band: (values - offset) / scale for band, values in light.items()}
    if np.dtype(dtype).kind != "f":
        numbers = {
            band: np.clip(np.rint(one), np.iinfo(dtype).min, np.iinfo(dtype).max) for band, one in numbers.items()
        }
    scale, offset = (scale, offset) if said is None else said
    encodings = {band: Encoding(scale=scale, offset=offset, nodata=None) for band in numbers}
    return check({band: one.astype(dtype) for band, one in numbers.items()}, encodings, sensor=sensor)


@pytest.mark.parametrize(
    ("scale", "offset", "dtype"),
    [(1e-4, 0, "uint16"), (1e-4, -0.1, "uint16"), (1e-3, 0, "uint16"), (1.0, 0, "float32"), (1.0, 0, "float64"), (0.01, 0, "float32"),
     (1 / 65535, 0, "uint16"), (2.75e-5, -0.2, "uint16"), (2e-4, -0.1, "int16"), (1 / 255, 0, "uint8"), (0.005, 0, "uint8")],
)  # fmt: skip
def test_what_is_right_passes_in_every_unit(scale, offset, dtype):
    assert asked(town(), scale=scale, offset=offset, dtype=dtype) is None


WRONG = {
    "times 2.5": (4e-5, 0, "uint16"), "times 2": (5e-5, 0, "uint16"), "times 1.5": (1e-4 / 1.5, 0, "uint16"), "times 4": (2.5e-5, 0, "uint16"),
    "65535 is one": (1 / 65535, 0, "uint16"), "times 2.5 of 65535": (0.4 / 65535, 0, "uint16"), "times 10": (1e-5, 0, "uint16"),
    "a tenth": (1e-3, 0, "uint16"), "four tenths": (2.5e-4, 0, "uint16"), "the +1000": (1e-4, -0.1, "uint16"), "+2000": (1e-4, -0.2, "uint16"),
    "subtracted twice": (1e-4, 0.1, "int16"), "Landsat's": (2.75e-5, -0.2, "uint16"),
}  # fmt: skip
WRONG_FLOATS = {
    "times 2.5": 0.4,
    "half": 2.0,
    "four tenths": 2.5,
    "times 2": 0.5,
    "times 3": 1 / 3,
    "times 10": 0.1,
    "percent": 0.01,
    "DN": 1e-4,
    "of 255": 1 / 255,
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_found_and_the_cure_is_right_or_none(name):
    """Landsat's numbers: geocompy#218, pylandtemp#4."""
    scale, offset, dtype = WRONG[name]
    found = asked(town(), scale=scale, offset=offset, dtype=dtype, said=(1e-4, 0.0))
    assert found is not None
    assert found.likely is None or found.likely == pytest.approx((scale, offset), rel=1e-3, abs=0.011)
    if name not in {"four tenths", "+2000", "subtracted twice", "times 10"}:
        assert found.likely is not None


@pytest.mark.parametrize("said", [(2.75e-5, -0.2), (1.0, 0.0)], ids=["Landsat's", "one"])
@pytest.mark.parametrize("sensor", [SENTINEL2, LANDSAT], ids=["sentinel-2", "landsat"])
def test_visible_bands_alone_are_not_proposed_darker_than_land_is(said, sensor):
    """Without near-infrared light, Landsat's scale with no offset made a town of it that is as dark as woods."""
    visible = {band: values for band, values in town().items() if band != "nir"}
    for scale, offset in ((1e-4, 0.0), (1e-3, 0.0), (1e-4, -0.1)):
        found = asked(visible, scale=scale, offset=offset, said=said, sensor=sensor)
        assert found.likely == pytest.approx((scale, offset)), (scale, offset)


@pytest.mark.parametrize(("times", "scale"), [(1.85, 1e-4), (2.05, 4e-5)])
def test_of_two_scales_that_fit_the_usual_one_is_proposed_unless_it_is_far_stranger(times, scale):
    """At 1.94 times the usual brightness, the usual scale is 1.5 times less near to it than four tenths of it."""
    rng = np.random.default_rng(4)
    visible = {band: values + rng.uniform(-5e-5, 5e-5, values.size) for band, values in town().items() if band != "nir"}
    middle = np.median(np.concatenate(list(visible.values())))
    light = {band: values * (0.07 * times / middle) for band, values in visible.items()}
    found = asked(light, said=(1.0, 0.0), dtype="uint16", sensor=LANDSAT)
    assert found.likely == pytest.approx((scale, 0.0))


@pytest.mark.parametrize("name", WRONG_FLOATS)
def test_floats_that_are_wrong_are_found(name):
    found = asked(town(), scale=WRONG_FLOATS[name], dtype="float32", said=(1.0, 0.0))
    assert found is not None
    assert found.likely == pytest.approx((WRONG_FLOATS[name], 0.0), rel=1e-3) or found.likely is None


def test_one_band_in_other_steps_is_named():
    light = town()
    numbers = {
        band: np.rint(one * (25_000 if band == "red" else 10_000)).astype(np.uint16) for band, one in light.items()
    }
    found = check(numbers, dict.fromkeys(numbers, Encoding(scale=1e-4, offset=0, nodata=None)), sensor=SENTINEL2)
    assert found.what.startswith("band red: its reflectance comes in steps of 0.00025")


@pytest.mark.parametrize("band", ["blue", "green", "red"])
def test_an_offset_left_in_one_visible_band_alone_is_found(band):
    light = town()
    light[band] = light[band] + 0.1
    found = asked(light)
    assert found.kind == "offset"
    assert found.what.startswith(f"band {band}: only a hundredth is darker than")


@pytest.mark.parametrize(
    ("factor", "found"), [(1.0, False), (1.02, False), (1.05, True), (1.1, True), (1.15, True), (1.19, True)]
)
def test_a_small_factor_leaves_numbers_out_in_every_band(factor, found):
    numbers = {band: np.rint(np.rint(one * 10_000) * factor).astype(np.uint16) for band, one in town().items()}
    encodings = dict.fromkeys(numbers, Encoding(scale=1e-4, offset=0, nodata=None))
    told = check(numbers, encodings, sensor=SENTINEL2)
    assert (told is not None) == found
    if told:
        assert f"multiplied by {factor:.2f}" in told.what
    numbers["red"] = np.rint(town()["red"] * 10_000).astype(
        np.uint16
    )  # one band without a gap: it is how it was stored
    assert check(numbers, encodings, sensor=SENTINEL2) is None


def test_every_second_number_of_a_bright_band_is_no_fault():
    light = town()
    light["nir"] = np.round(light["nir"] * 5000) / 5000
    assert asked(light) is None


def test_few_pixels_tell_nothing_and_landsat_has_no_steps():
    few = {band: one[:199] for band, one in town().items()}
    assert asked(few, offset=-0.1, said=(1e-4, 0.0)) is None
    more = {band: one[:200] for band, one in town().items()}
    assert asked(more, offset=-0.1, said=(1e-4, 0.0)).kind == "offset"
    assert asked(town(), scale=5e-5, said=(1e-4, 0.0), sensor=LANDSAT) is None


def test_a_coast_of_which_nearly_all_is_sea_is_no_fault():
    """A tile with a town on an island: water reflects next to nothing in the near-infrared, and comes out below zero in part."""
    town_light, rng = town(pixels=400), np.random.default_rng(3)
    sea = {"blue": 0.04, "green": 0.02, "red": -0.01, "nir": 0.005}
    light = {
        band: np.concatenate([values, rng.normal(sea[band], 0.002, 99_600)]) for band, values in town_light.items()
    }
    assert asked(light, scale=1.0, dtype="float64") is None
    only_sea = {band: values[-99_600:] for band, values in light.items()}
    assert asked(only_sea, scale=1.0, dtype="float64") is None
    found = asked(light, scale=10.0, dtype="float64", said=(1.0, 0.0))
    assert found is not None


# ---- each threshold


def flat(**levels: float) -> dict[str, np.ndarray]:
    return {band: np.full(1000, level) for band, level in levels.items()}


def share(low: float, high: float, part: float) -> np.ndarray:
    values = np.full(1000, low)
    values[: round(part * 1000)] = high
    return values


@pytest.mark.parametrize(
    ("light", "kind"),
    [
        ({"red": share(0.05, 0.05, 0), "nir": np.full(1000, 0.74)}, None),
        ({"red": share(0.05, 0.05, 0), "nir": np.full(1000, 0.76)}, "scale"),
        ({"red": share(0.05, 0.05, 0), "nir": share(0.3, 1.06, 0.04)}, None),
        ({"red": share(0.05, 0.05, 0), "nir": share(0.3, 1.06, 0.06)}, "scale"),
        ({"red": share(0.05, 0.05, 0), "nir": share(0.3, 1.04, 0.06)}, None),
        ({"red": share(0.05, 0.05, 0), "nir": share(0.1, 0.29, 0.02)}, None),
        ({"red": share(0.05, 0.05, 0), "nir": share(0.1, 0.27, 0.02)}, "scale"),
        ({"red": share(0.05, 0.05, 0), "nir": share(0.1, 0.29, 0.005)}, "scale"),
        ({"red": share(0.05, -0.006, 0.19), "nir": np.full(1000, 0.4)}, None),
        ({"red": share(0.05, -0.006, 0.21), "nir": np.full(1000, 0.4)}, "offset"),
        ({"red": share(0.05, -0.004, 0.21), "nir": np.full(1000, 0.4)}, None),
        ({"red": np.full(1000, 0.094), "nir": np.full(1000, 0.4)}, None),
        ({"red": np.full(1000, 0.096), "nir": np.full(1000, 0.4)}, "offset"),
        ({"red": share(0.2, 0.05, 0.06), "nir": np.full(1000, 0.4)}, None),
        ({"red": share(0.2, 0.05, 0.04), "nir": np.full(1000, 0.4)}, "offset"),
        ({"red": np.full(1000, 0.0049)}, "impossible"),
        ({"green": np.full(1000, 1.21)}, "impossible"),
        ({"green": share(0.03, 0.079, 0.5)}, "impossible"),
        ({"green": share(0.03, 0.081, 0.5)}, None),
        ({"blue": np.full(1000, 0.03), "green": np.full(1000, 0.04), "red": np.full(1000, 0.099), "nir": np.full(1000, 0.4)}, None),
        ({"blue": np.full(1000, 0.03), "green": np.full(1000, 0.04), "red": np.full(1000, 0.101), "nir": np.full(1000, 0.4)}, "offset"),
        ({"blue": np.full(1000, 0.03), "green": np.full(1000, 0.096), "red": np.full(1000, 0.3), "nir": np.full(1000, 0.4)}, None),
    ],
)  # fmt: skip
def test_each_number_decides_where_it_stands(light, kind):
    found = asked(light, scale=1.0, dtype="float64")
    assert (None if found is None else found.kind) == kind


def bright(part=0.03, level=0.2, green=1.0, near=1.3, dark=0.03) -> dict[str, np.ndarray]:
    """Dark ground, and a part of bright ground whose visible light has this level, green and near-infrared so many times it."""
    sides = level / green ** (1 / 3)
    values = {"blue": sides, "green": sides * green, "red": sides, "nir": level * near}
    ground = share(1, 0, part) * np.linspace(0.5, 1, 1000) * dark
    bright_ground = share(0, 1, part)
    return {band: ground * (10 if band == "nir" else 1) + bright_ground * one for band, one in values.items()}


@pytest.mark.parametrize(
    ("light", "band"),
    [
        (bright(), None),
        (bright(green=1.19), None), (bright(green=1.21), "visible"), (bright(green=0.83), None), (bright(green=0.81), "visible"),
        (bright(green=1.3, near=2.0), "visible"), (bright(green=1.3, near=2.03), None),
        (bright(near=0.86), None), (bright(near=0.84), "nir"),
        (bright(near=2.09, level=0.3), None), (bright(near=2.11, level=0.3), "nir"),
        (bright(near=2.9, level=0.154), None), (bright(near=2.9, level=0.157), "nir"),
        (bright(near=2.9, green=1.11), "nir"), (bright(near=2.9, green=1.13), None),
        (bright(near=0.8, level=0.101), "nir"), (bright(near=0.8, level=0.099), None),
        (bright(near=0.8, part=0.011), "nir"), (bright(near=0.8, part=0.009), None),
        (bright(near=0.8, level=0.59), "nir"), (bright(near=0.8, level=0.61), None),
    ],
)  # fmt: skip
def test_a_band_that_does_not_go_with_the_others_on_bright_ground_is_found(light, band):
    found = odd_band(light)
    assert (None if found is None else found[0]) == band


def plants(part=1.0, red=0.03, blue=0.03, nir=0.4, count=1000) -> dict[str, np.ndarray]:
    """Leaves of more green than red and blue light, but in a part of them of as much as is said."""
    bands = {"blue": share(0.03, blue, part), "green": np.full(1000, 0.05), "red": share(0.03, red, part)}
    return {band: values[:count] for band, values in (bands | {"nir": np.full(1000, nir)}).items()}


@pytest.mark.parametrize(
    ("light", "band"),
    [
        (plants(), None), (plants(red=0.06), "red"), (plants(blue=0.06), "blue"),
        (plants(0.74, red=0.06), None), (plants(0.76, red=0.06), "red"), (plants(0.74, blue=0.06), None), (plants(0.76, blue=0.06), "blue"),
        (plants(red=0.06, nir=0.241), "red"), (plants(red=0.06, nir=0.239), None),
        (plants(red=0.035, nir=0.151) | {"green": np.full(1000, 0.033)}, "red"),
        (plants(red=0.035, nir=0.149) | {"green": np.full(1000, 0.033)}, None),
        (plants(red=0.06, count=200), "red"), (plants(red=0.06, count=199), None),
    ],
)  # fmt: skip
def test_plants_that_are_not_green_are_found(light, band):
    """Green exchanged with blue made Bolzano 4 % green, and with red 31 %, of 75, without a word."""
    found = leaves_out_of_order(light)
    assert (None if found is None else found[0]) == band


LEAF = {"blue": 0.03, "green": 0.05, "red": 0.03, "rededge1": 0.09, "rededge2": 0.3, "rededge3": 0.38, "nir": 0.4, "nir08": 0.41, "swir16": 0.2, "swir22": 0.1}  # fmt: skip


@pytest.mark.parametrize(("darker", "brighter"), LEAF_ORDER)
def test_two_bands_that_were_exchanged_are_named(darker, brighter):
    light = {band: np.full(1000, level) for band, level in LEAF.items()}
    assert leaves_out_of_order(light) is None
    assert leaves_out_of_order(light | {darker: light[brighter], brighter: light[darker]}) is not None
    found = leaves_out_of_order(light | {darker: light[brighter] * 1.01})
    assert found == (darker, brighter, 1.0)
    assert leaves_out_of_order(light | {darker: light[brighter][:500]}) is None


def test_without_near_infrared_or_with_few_pixels_no_band_is_odd():
    light = bright(near=0.5)
    assert odd_band({band: light[band] for band in ("blue", "green", "red")}) is None
    assert odd_band({band: values[:199] for band, values in light.items()}) is None
    assert odd_band(light | {"nir": light["nir"][:500]}) is None
    assert odd_band({band: light[band] for band in ("green", "red", "nir")})[0] == "nir"


def test_steps():
    rng = np.random.default_rng(0)
    dense = rng.integers(300, 800, 40_000)
    assert step_of(dense.astype(np.uint16)) == 1
    assert step_of((dense * 3).astype(np.uint16)) == pytest.approx(3)
    assert step_of(np.rint(dense * 1.19).astype(np.uint16)) == 1
    assert step_of(np.rint(dense * 1.25).astype(np.uint16)) == pytest.approx(1.25, rel=1e-3)
    assert step_of((dense * 1e-4).astype(np.float32)) == pytest.approx(1e-4, rel=1e-4)
    assert step_of(rng.random(40_000)) is None  # no steps
    assert step_of(dense[:500].astype(np.uint16) * 3) is None  # too few pixels a number
    assert (
        step_of(np.sort(rng.choice(4000, 300, replace=False))[rng.integers(0, 300, 40_000)]) is None
    )  # gaps of any width
    for step, is_natural in (
        (1e-4, True),
        (1.01e-4, True),
        (1.03e-4, False),
        (1e-3, True),
        (1 / 255, True),
        (2.75e-5, True),
        (2.5e-4, False),
        (2**-12, True),
    ):
        assert natural(step) == is_natural, step


# ---- real images

TRIAL_FACTORS = (0.01, 0.1, 0.4, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.5535, 10.0, 16.38375, 100.0, 1000.0, 10_000.0)
TRIAL_OFFSETS = (-0.2, -0.1, 0.1, 0.2)


def real_images(data: Path) -> dict[str, dict[str, np.ndarray]]:
    """Valid reflectance of real images: of the same pixels in all bands."""

    def read(path, indexes, scale):
        with rasterio.open(data / path) as file:
            return [np.asarray(file.read(i), np.float64) * scale for i in indexes]

    lommel = [read(f"lommel/ref_check_icor_S2_{code}.tif", [1], 1e-4)[0] for code in ("B02", "B03", "B04", "B08")]
    opole = [read(f"opole/{code}.tiff", [1], 1.0)[0] for code in ("B03", "B04", "B08")]
    images = {
        "bolzano": dict(zip(("red", "green", "blue", "nir"), read("bolzano/S2_L2A_sample.tif", (1, 2, 3, 4), 1e-4), strict=True)),
        "tlaxcala": dict(zip(BANDS, read("tlaxcala/Tlaxcala_allbands.tiff", (1, 2, 3, 7), 1e-4), strict=True)),
        "aberystwyth": dict(zip(BANDS, read("aberystwyth/sen2_20210527_aber_mosaic.tif", (1, 2, 3, 7), 1e-3), strict=True)),
        "lommel": dict(zip(BANDS, lommel, strict=True)),
        "opole": dict(zip(BANDS[1:], opole, strict=True)),
        "detroit": dict(zip(BANDS, read("detroit_l5/LT05_020030_merge_19950712_stack_clip.tiff", (1, 2, 3, 4), 1e-4), strict=True)),
        "tabasco": dict(zip(BANDS, read("tabasco_l7/LE70220491999322_stack.tif", (1, 2, 3, 4), 1e-4), strict=True)),
    }  # fmt: skip
    found = {}
    for name, bands in images.items():
        good = np.logical_and.reduce([np.isfinite(one) & (one > 0) & (one < 6) for one in bands.values()])
        step = max(1, int((good.size / 60_000) ** 0.5))
        found[name] = {band: one[::step, ::step][good[::step, ::step]] for band, one in bands.items()}
    return found


@pytest.mark.real
@pytest.mark.parametrize("name", ["bolzano", "tlaxcala", "aberystwyth", "lommel", "opole", "detroit", "tabasco"])
def test_no_wrong_factor_or_offset_passes_on_real_images_and_no_right_one_is_refused(shared_data, name):
    light = real_images(shared_data)[name]
    for scale, offset, dtype in (
        (1e-4, 0, "uint16"),
        (1e-4, -0.1, "uint16"),
        (1.0, 0, "float32"),
        (1 / 65535, 0, "uint16"),
        (1e-3, 0, "uint16"),
    ):
        assert asked(light, scale=scale, offset=offset, dtype=dtype) is None, (scale, offset, dtype)
    for factor in TRIAL_FACTORS:
        for scale, dtype, said in ((1e-4 / factor, "uint16", 1e-4), (1 / factor, "float32", 1.0)):
            found = asked(light, scale=scale, dtype=dtype, said=(said, 0.0))
            assert found is not None, (factor, dtype)
    for factor in (1.05, 1.1, 1.15):  # where bands of whole numbers lie dense enough
        numbers = {band: np.rint(np.rint(one * 1e4) * factor).astype(np.uint16) for band, one in light.items()}
        dense = name not in {"aberystwyth", "detroit"}
        found = check(numbers, dict.fromkeys(numbers, Encoding(scale=1e-4, offset=0, nodata=None)), sensor=SENTINEL2)
        assert (found is not None) or not dense, factor
    for band in ("blue", "green", "red") if "blue" in light else ():
        for offset in (0.1, 0.2):
            assert asked(light | {band: light[band] + offset}) is not None, (band, offset)
    for offset in TRIAL_OFFSETS:
        for scale, dtype in ((1e-4, "int16"), (1.0, "float32")):
            assert asked(light, scale=scale, offset=-offset, dtype=dtype, said=(scale, 0.0)) is not None, (
                offset,
                dtype,
            )
    assert asked(light, scale=LANDSAT.scale, offset=LANDSAT.offset, said=(1e-4, 0.0)) is not None


@pytest.mark.real
@pytest.mark.parametrize("name", ["bolzano", "tlaxcala", "aberystwyth", "lommel", "opole", "detroit", "tabasco"])
def test_one_band_twice_as_bright_is_found_on_real_images_and_no_right_one(shared_data, name):
    light = real_images(shared_data)[name]
    assert odd_band(light) is None
    for band in light:
        twice = odd_band(light | {band: 2 * light[band]})
        # Opole lacks blue, and its ground is dark.
        assert (twice is not None) or (name == "opole" and band == "nir"), band


@pytest.mark.real
@pytest.mark.parametrize("name", ["bolzano", "tlaxcala", "aberystwyth", "lommel", "detroit", "tabasco"])
def test_green_exchanged_with_a_neighbour_is_found_on_real_images(shared_data, name):
    light = real_images(shared_data)[name]
    assert leaves_out_of_order(light) is None
    for band in ("blue", "red"):
        found = leaves_out_of_order(light | {band: light["green"], "green": light[band]})
        assert (found is None) == (name == "tlaxcala" and band == "red"), band  # where it is dry


@pytest.mark.real
@pytest.mark.parametrize(
    ("path", "scale", "exchanged"),
    [("aberystwyth/sen2_20210527_aber_mosaic.tif", 1e-3, LEAF_ORDER), ("tlaxcala/Tlaxcala_allbands.tiff", 1e-4, [*LEAF_ORDER[3:-1], LEAF_ORDER[1]])],
)  # fmt: skip
def test_two_bands_of_ten_that_were_exchanged_are_found_on_real_images(shared_data, path, scale, exchanged):
    """Short-wave bands exchanged made Tlaxcala 11 % green, of 21, and red edges 14 %."""
    names = [band.name for band in SENTINEL2.bands]
    with rasterio.open(shared_data / path) as file:
        light = dict(zip(names, file.read().reshape(10, -1)[:, ::7] * scale, strict=True))
    assert leaves_out_of_order(light) is None
    for one, other in exchanged:
        assert leaves_out_of_order(light | {one: light[other], other: light[one]}) is not None, (one, other)


@pytest.mark.real
def test_visible_bands_of_a_top_of_atmosphere_image_that_pass_for_landsat(shared_data):
    numbers = {}
    for band, code in (("blue", "B02"), ("green", "B03"), ("red", "B04")):
        with rasterio.open(shared_data / f"lommel/ref_input_L8_{code}.tif") as file:
            numbers[band] = file.read(1)[::4, ::4].ravel()
    encodings = dict.fromkeys(numbers, Encoding(scale=LANDSAT.scale, offset=LANDSAT.offset, nodata=None))
    assert check(numbers, encodings, sensor=LANDSAT).likely == (1e-4, 0.0)
