"""Numbers that no ground has, told before they enter a store."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from rasterio.control import GroundControlPoint

from howgreen import place, store
from howgreen.core.errors import ImageError

DAY = date(2023, 7, 1)


def _meadow(red: int, nir: int) -> np.ndarray:
    """Red and near-infrared of a city whose third is meadow; a speck of each band alone holds no data."""
    bands = np.full((2, 90, 90), 1500, np.uint16)
    bands[0, :30], bands[1, :30] = red, nir
    bands[0, 80, 80] = bands[1, 81, 81] = bands[1, 82, 80] = 0
    return bands


def test_bands_that_were_taken_for_each_other_are_refused(tif, root):
    said = store.Options(date=DAY, scale=1e-4)
    store.add(
        [tif("right.tif", data=_meadow(400, 4000), names=("red", "nir"), nodata=0)],
        root=root,
        city="Bolzano",
        options=said,
    )
    wrong = tif("wrong.tif", data=_meadow(4000, 400), names=("red", "nir"), nodata=0)
    with pytest.raises(ImageError, match=r"wrong\.tif: 33 % of its pixels.*another order.*--bands"):
        store.add([wrong], root=root, city="Bolzano", options=said)
    assert len(store.scenes(root)) == 1


@pytest.mark.parametrize(("scale", "dtype"), [(1e-4, "uint16"), (1e-3, "uint16"), (1.0, "float32")])
def test_a_shift_left_in_is_found_in_any_unit(tif, root, scale, dtype):
    values = ((_meadow(400, 4000) * 1e-4 + 0.1) / scale).round(4).astype(dtype)
    with pytest.raises(ImageError, match=r"in no visible band is a twentieth darker.*--offset -0\.1"):
        store.add(
            [tif(data=values, names=("red", "nir"))],
            root=root,
            city="Bolzano",
            options=store.Options(date=DAY, scale=scale),
        )


def _clouded(ground: int, cloud: int, *, rows: int) -> np.ndarray:
    """Red, near-infrared and SCL of a city whose lower rows are cloud."""
    bands = _meadow(ground, 4000)
    bands = np.concatenate([bands, np.full((1, 90, 90), 4, np.uint16)])
    bands[:2, 90 - rows :] = cloud + np.arange(90) * 7  # of one value it would be a border without data
    bands[1, 90 - rows :] += 40  # and the same in both bands it would be one band twice
    bands[2, 90 - rows :] = 9
    bands[0, 80, 80] = bands[1, 81, 81] = 0
    return bands


@pytest.mark.parametrize("rows", [0, 87, 88, 90])
def test_cloud_is_no_offset_where_a_mask_tells_it(tif, root, recwarn, rows):
    """Three rows of ground, 270 pixels, are enough; of two, nothing can be told."""
    bands = _clouded(400, 8500, rows=rows)
    file = tif("a.tif", data=bands, names=("red", "nir", "scl"), nodata=0)
    store.add([file], root=root, city="Bolzano", options=store.Options(date=DAY, scale=1e-4))
    told = [str(one.message) for one in recwarn if "hardly any of it clear" in str(one.message)]
    assert bool(told) is (rows >= 88)


def test_ground_between_clouds_still_tells_of_an_offset(tif, root):
    bands = _clouded(400, 8500, rows=60)
    bands[:2] = np.where(bands[:2] > 0, bands[:2] + 1000, 0)
    with pytest.raises(ImageError, match=r"in no visible band is a twentieth darker.*--offset -0\.1"):
        store.add(
            [tif("a.tif", data=bands, names=("red", "nir", "scl"), nodata=0)],
            root=root,
            city="Bolzano",
            options=store.Options(date=DAY, scale=1e-4),
        )


@pytest.mark.real
def test_an_overcast_landsat_day_is_taken_by_its_own_mask(shared_data, tmp_path, recwarn):
    """Bands of 0.94 under a mask that calls all of it cloud: they were refused as brighter than snow."""
    name = "LC08_L2SP_017036_20130419_20200913_02_T2"
    files = [shared_data / "landsat_c2l2" / f"{name}_{end}.TIF" for end in ("SR_B4", "SR_B5", "QA_PIXEL")]
    store.add(files, root=tmp_path / "store", city="Y")
    assert any("hardly any of it clear" in str(one.message) for one in recwarn)


def _town(seed: int = 1, side: int = 160) -> dict[str, np.ndarray]:
    """Reflectance (y, x) of meadows, water and bare ground, each in every part."""
    rng = np.random.default_rng(seed)
    kind = rng.random((side, side))
    means = {
        "red": (0.03, 0.05, 0.18),
        "green": (0.03, 0.07, 0.16),
        "blue": (0.03, 0.04, 0.14),
        "nir": (0.02, 0.38, 0.25),
    }
    shade = rng.normal(1, 0.15, (side, side))
    return {
        band: np.maximum(np.where(kind < 0.1, water, np.where(kind < 0.6, meadow, bare)) * shade, 0.002)
        for band, (water, meadow, bare) in means.items()
    }


def _added(tif, root, light, *, dtype="uint16", scale=1e-4, **options):
    numbers = np.stack([np.clip(np.rint(one / scale), 0, np.iinfo(dtype).max) for one in light.values()]).astype(dtype)
    file = tif("a.tif", data=numbers, names=tuple(light), nodata=0)
    said = {"date": DAY, "scale": scale} | options
    return store.add([file], root=root, city="Bolzano", options=store.Options(**said))


@pytest.mark.parametrize("copied", [("blue", "nir"), ("red", "blue"), ("red", "nir"), ("red", "green")])
def test_a_band_that_comes_twice_is_refused(tif, root, copied):
    """Near-infrared that is a copy of blue made a town of 75 % green one of 0.9 %, without a word."""
    light = _town()
    light[copied[1]] = light[copied[0]]
    with pytest.raises(ImageError, match=rf"bands {copied[0]} and {copied[1]} hold the same numbers.*--bands"):
        _added(tif, root, light)


@pytest.mark.parametrize("wrong", ["exchanged", "the air's light", ""])
def test_bare_ground_that_is_blue_is_told(tif, root, recwarn, wrong):
    """Red and blue exchanged moved Bolzano from 75 to 84 % green."""
    light = _town()
    if wrong == "exchanged":
        light["red"], light["blue"] = light["blue"], light["red"]
    if wrong == "the air's light":
        light["blue"] = light["blue"] + 0.07
        light["green"] = light["green"] + 0.03
        light["red"] = light["red"] + 0.01
    _added(tif, root, light)
    told = [str(one.message) for one in recwarn if "more blue than red" in str(one.message)]
    assert bool(told) is bool(wrong)
    assert [one.code for one in store.scenes(root)[0].warnings] == ["scale-doubtful"] * bool(wrong)


@pytest.mark.parametrize("other", ["red", "blue"])
def test_green_exchanged_with_its_neighbour_is_told(tif, root, recwarn, other):
    light = _town()
    light["red"] = np.minimum(light["red"], 0.19)
    light[other], light["green"] = light["green"], light[other]
    _added(tif, root, light)
    assert any(
        f"more {other}" in str(one.message) or f"of band {other} than of green" in str(one.message) for one in recwarn
    )


@pytest.mark.parametrize(
    ("columns", "doubted"), [(0, False), (12, False), (22, True), (80, True), (140, True), (157, False)]
)
def test_an_offset_in_a_part_of_an_image_is_told(tif, root, recwarn, columns, doubted):
    """A mosaic of two baselines; a tenth of its parts is enough, and where nine tenths hold it the whole is asked."""
    light = _town()
    for one in light.values():
        one[:, :columns] += 0.1
    if columns == 157:
        with pytest.raises(ImageError, match="a twentieth darker"):
            _added(tif, root, light)
        return
    _added(tif, root, light)
    assert any("an offset seems left in a part of it" in str(one.message) for one in recwarn) is doubted


def test_a_picture_in_8_bits_that_was_stretched_is_refused(tif, root):
    light = _town()
    _added(tif, root, light, dtype="uint8", scale=1 / 255)
    stretched = {}
    for band, values in light.items():
        low, high = np.percentile(values, [2, 98])
        stretched[band] = np.clip((values - low) / (high - low), 0, 1)
    with pytest.raises(ImageError, match="stretched for the eye"):
        _added(tif, root / "other", stretched, dtype="uint8", scale=1 / 255)


@pytest.mark.parametrize(
    ("day", "said"),
    [(date(1900, 7, 1), "no such satellite flew then"), (date(2015, 6, 22), "no such satellite"), (date(2015, 6, 23), ""),
     (datetime.now(UTC).date(), ""), (datetime.now(UTC).date() + timedelta(days=3), "still to come")],
)  # fmt: skip
def test_a_day_that_cannot_be_is_refused(tif, root, day, said):
    """An image of 2099 would be the newest of every store for good."""
    if not said:
        assert _added(tif, root, _town(), date=day)
        return
    with pytest.raises(ImageError, match=rf"Sentinel-2 L2A of {day}: .*{said}.*--date"):
        _added(tif, root, _town(), date=day)
    assert not root.exists()


@pytest.mark.parametrize(("pixel_m", "told"), [(10, False), (30, False), (31, True), (1000, True)])
def test_pixels_that_are_far_larger_than_the_satellites_are_told(tif, root, recwarn, pixel_m, told):
    data = np.stack([np.rint(one * 1e4) for one in _town().values()]).astype("uint16")
    where = Affine(pixel_m, 0, 674000, 0, -pixel_m, 5154960)
    file = tif("a.tif", data=data, names=("red", "green", "blue", "nir"), nodata=0, transform=where)
    store.add([file], root=root, city="Bolzano", options=store.Options(date=DAY))
    assert any("mixed with what is around them" in str(one.message) for one in recwarn) is told


@pytest.mark.parametrize(
    ("crs", "where", "told"),
    [("EPSG:4326", (0.00036, 24.9, 60.2), ""), ("EPSG:4326", (0.00036, 3.4, 6.5), "40 m"), ("EPSG:4326", (0.00085, 24.9, 60.2), "67 m"),
     ("EPSG:3857", (55, 2_771_000, 8_440_000), ""), ("EPSG:3857", (65, 2_771_000, 8_440_000), "32 m")],
)  # fmt: skip
def test_the_size_of_a_pixel_is_that_on_the_ground(tif, root, recwarn, crs, where, told):
    """In degrees, and in the web's own projection, pixels shrink towards the poles: at 60 degrees they were told as half again as wide."""
    data = np.stack([np.rint(one * 1e4) for one in _town().values()]).astype("uint16")
    size, west, north = where
    place_ = Affine(size, 0, west, 0, -size, north)
    file = tif("a.tif", data=data, names=("red", "green", "blue", "nir"), nodata=0, crs=crs, transform=place_)
    store.add([file], root=root, city="Helsinki", options=store.Options(date=DAY))
    found = [str(one.message) for one in recwarn if "mixed with what is around them" in str(one.message)]
    assert bool(found) is bool(told)
    assert told in "".join(found)


def test_an_image_that_shows_nothing_of_its_place_is_told(tif, root, recwarn):
    """The right zone's numbers under the next zone's name lie 460 km away, and the store had "none of any date"."""
    data = np.stack([np.rint(one * 1e4) for one in _town().values()]).astype("uint16")
    limits = place.from_shape(shapely.box(11.27, 46.51, 11.28, 46.52), name="Bolzano")
    for zone in (32, 33):
        file = tif(f"{zone}.tif", data=data, crs=f"EPSG:326{zone}", names=("red", "green", "blue", "nir"), nodata=0)
        store.add([file], root=root, city="Bolzano", boundary=limits, options=store.Options(date=DAY))
    (told,) = [str(one.message) for one in recwarn if "shows nothing of" in str(one.message)]
    assert "33.tif: shows nothing of Bolzano, but ground 46" in told
    assert "check the image's CRS" in told


@pytest.mark.parametrize(
    ("times", "said"), [(1, ""), (2, ""), (3, ""), (5, "its pixels are 5"), (12, "its pixels are 12"), (25, "")]
)
def test_pixels_that_were_blown_up_are_told(tif, root, recwarn, times, said):
    """An image of 90 m that was written with pixels of 10 m passed for one of 10 m."""
    numbers = np.stack([np.rint(one * 1e4) for one in _town(side=300).values()]).astype("uint16")
    data = numbers.repeat(times, 1).repeat(times, 2)[:, :300, :300]
    file = tif("a.tif", data=data, names=("red", "green", "blue", "nir"), nodata=0)
    store.add([file], root=root, city="Bolzano", options=store.Options(date=DAY))
    told = [str(one.message) for one in recwarn if "mixed with what is around them" in str(one.message)]
    assert bool(told) is bool(said)
    assert said in "".join(told)


@pytest.mark.parametrize("other", ["day", "name", "pixels"])
def test_an_image_that_is_there_under_another_day_or_name_is_told(tif, root, recwarn, other):
    """Of one image under two days, nothing ever changes: "green lost 0 ha", without a word."""
    data = np.stack([np.rint(one * 1e4) for one in _town().values()]).astype("uint16")
    for n, day in enumerate((DAY, DAY.replace(year=2024) if other == "day" else DAY)):
        data[0, 0, 0] += n * (other == "pixels")
        name = "a.tif" if other == "day" else f"{n}.tif"
        file = tif(name, data=data, names=("red", "green", "blue", "nir"), nodata=0)
        for _ in range(2):  # added once more, it is left alone
            store.add([file], root=root, city="Bolzano", options=store.Options(date=day))
    told = [str(one.message) for one in recwarn if "holds the same pixels as" in str(one.message)]
    assert len(told) == (other != "pixels")
    assert sum(one.code == "image-twice" for scene in store.scenes(root) for one in scene.warnings) == len(told)


def test_pixels_with_two_parts_are_refused(tif, root):
    data = np.stack(list(_town().values())).astype("complex64")
    with pytest.raises(ImageError, match="complex64"):
        store.add([tif("a.tif", data=data)], root=root, city="Bolzano", options=store.Options(date=DAY))


@pytest.mark.parametrize(
    ("shift_px", "said"), [(0, ""), (2, ""), (8, "shows only 95 %"), (300, "lies on other ground than red")]
)
def test_bands_that_lie_apart_are_told_or_refused(tif, root, recwarn, shift_px, said):
    """A near-infrared of the next tile had an answer of nothing, one of 3 km beside moved it by two points."""
    light = _town()
    files = []
    for band, values in light.items():
        east = 674000 + (10 * shift_px if band == "nir" else 0)
        data = np.rint(values[None] * 1e4).astype("uint16")
        files.append(
            tif(f"{band}.tif", data=data, names=(band,), nodata=0, transform=Affine(10, 0, east, 0, -10, 5154960))
        )
    if shift_px == 300:
        with pytest.raises(ImageError, match=rf"nir\.tif: band nir {said}"):
            store.add(files, root=root, city="Bolzano", options=store.Options(date=DAY))
        return
    store.add(files, root=root, city="Bolzano", options=store.Options(date=DAY))
    told = [str(one.message) for one in recwarn if "shows only" in str(one.message)]
    assert bool(told) is bool(said)
    assert said in "".join(told)


def test_an_image_placed_by_control_points_alone_names_the_cure_that_works(tmp_path, root):
    """It was told to lack a CRS, which alone would not have helped."""
    path = tmp_path / "points.tif"
    corners = [
        GroundControlPoint(row, column, 674000 + 10 * column, 5154960 - 10 * row)
        for row in (0, 90)
        for column in (0, 90)
    ]
    size = {"height": 90, "width": 90, "count": 2, "dtype": "uint16"}
    with rasterio.open(path, "w", driver="GTiff", gcps=corners, crs="EPSG:32632", **size) as file:
        file.write(_meadow(400, 4000))
    with pytest.raises(ImageError, match=r"control points.*gdalwarp"):
        store.add([path], root=root, city="Bolzano", options=store.Options(date=DAY, bands=("red", "nir")))
