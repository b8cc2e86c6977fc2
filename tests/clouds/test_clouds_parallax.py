"""What stands on the ground lies at one place in blue and red light, a cloud does not: scenes whose truth is known by how they were made."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from scipy import ndimage

from howgreen.clouds import parallax
from howgreen.clouds.parallax import LARGEST_PX, MARGIN_PX, standing

SIDE = 80
GROUND = ndimage.gaussian_filter(np.random.default_rng(7).normal(0, 0.05, (SIDE, SIDE)), 0.7) + 0.1


def hall(at=np.s_[30:42, 34:50]):
    patch = np.zeros((SIDE, SIDE), bool)
    patch[at] = True
    return patch


def light(patch, *, moved=(0.0, 0.0), bright=0.4, ground=GROUND):
    """What blue and red show of a patch in front of the ground, which in red lies elsewhere by so many pixels."""
    seen = ndimage.gaussian_filter(patch.astype(float), 0.6)
    over = [ndimage.shift(seen, by, order=3, mode="nearest") for by in ((0, 0), moved)]
    return [(ground + one * (bright - ground)).astype(np.float32) for one in over]


def found(patch, **more):
    return standing(patch, *light(patch, **more))


def test_a_roof_stands_and_a_cloud_does_not():
    np.testing.assert_array_equal(found(hall()), hall())
    for moved in [(1, 0), (2, 0), (-3, 0), (0, 1), (2, -1), (4, 0)]:
        assert not found(hall(), moved=moved).any(), moved


@pytest.mark.parametrize(("moved", "stands"), [(0.1, True), (0.35, False)])
def test_a_third_of_a_pixel_is_too_much(moved, stands):
    """Of real ground blue and red lie a tenth of a pixel apart; a third is a cloud of 300 m."""
    assert found(hall(), moved=(moved, 0)).any() == stands
    assert found(hall(), moved=(0, -moved)).any() == stands


def test_each_patch_is_judged_for_itself_and_scale_and_offset_do_not_matter():
    roof, cloud = hall(np.s_[15:25, 15:25]), hall(np.s_[50:62, 40:58])
    blue, red = (
        np.where(np.indices((SIDE, SIDE))[0] < 38, one, other)
        for one, other in zip(light(roof), light(cloud, moved=(1.5, 0.3)), strict=True)
    )
    np.testing.assert_array_equal(standing(roof | cloud, 10_000 * blue + 1000, red), roof)


@pytest.mark.parametrize(("size", "looked_at"), [(LARGEST_PX, True), (LARGEST_PX + 1, False)])
def test_fog_is_larger_than_a_roof(size, looked_at):
    assert LARGEST_PX == 40  # 400 m
    for at in (np.s_[20 : 20 + size, 30:40], np.s_[30:40, 20 : 20 + size]):
        assert found(hall(at)).any() == looked_at


def test_what_is_around_a_patch_has_to_be_known():
    assert MARGIN_PX == 6
    assert found(hall(np.s_[MARGIN_PX:20, 30:40])).any()
    assert not found(hall(np.s_[MARGIN_PX - 1 : 20, 30:40])).any()
    assert not found(hall(np.s_[60 : SIDE - MARGIN_PX + 1, 30:40])).any()
    for away, told in ((MARGIN_PX, False), (MARGIN_PX + 1, True)):
        blue, red = light(hall())
        red[30 - away, 40] = np.nan
        assert standing(hall(), blue, red).any() == told


@pytest.mark.parametrize(("outline", "stands"), [(0.55, True), (0.45, False)])
def test_a_veil_through_which_the_ground_shows_is_no_roof(outline, stands):
    """The ground below matches where it is, whatever moves above it: only what itself makes the brightness can be told."""
    patch, rough = hall(), 8 * (GROUND - 0.1)
    near = ndimage.binary_dilation(patch, np.ones((3, 3)), iterations=parallax.BESIDE_PX)
    inside = patch[near] - patch[near].mean()
    left = rough[near] - rough[near].mean()
    left -= inside * (left @ inside) / (inside @ inside)  # nothing of the outline is left in the ground
    ground = np.zeros((SIDE, SIDE))
    ground[near] = left
    step = outline / np.sqrt(1 - outline**2) * np.sqrt((left @ left) / (inside @ inside))
    seen = (ground + step * patch).astype(np.float32)
    assert np.corrcoef(seen[near], patch[near])[0, 1] == pytest.approx(outline, abs=1e-4)
    assert standing(patch, seen, seen).any() == stands


def test_a_cloud_that_touches_a_hall_hides_with_it():
    """The hall's sharp edges match where they are; the pixels of the cloud beside it do not."""
    house, cloud = hall(np.s_[20:40, 30:46]), hall(np.s_[40:50, 30:46])
    blue, red = light(house)
    seen = ndimage.gaussian_filter(cloud.astype(float), 0.8)
    blue = np.maximum(blue, (0.35 * seen).astype(np.float32))
    red = np.maximum(red, (0.35 * ndimage.shift(seen, (2, 0.4), order=1)).astype(np.float32))
    assert standing(house, *light(house)).any()
    assert not standing(house | cloud, blue, red).any()


def tiled(correlation, moved_rows):
    """A patch of 40 x 40 whose light repeats every 7 pixels, so that all squares of 7 x 7 correlate alike: moved, in some of its rows."""
    rng = np.random.default_rng(1)
    still, other = (part - part.mean() for part in rng.normal(size=(2, 7, 7)))
    beside = np.roll(still, 1, axis=1)
    other -= beside * (other * beside).sum() / (beside**2).sum()
    other *= np.sqrt((beside**2).sum() / (other**2).sum())
    at = tuple(np.indices((SIDE, SIDE)) % 7)
    here, moved = still[at], (correlation * beside + np.sqrt(1 - correlation**2) * other)[at]
    patch = hall(np.s_[20:60, 20:60])
    red = here.copy()
    inside = np.s_[24 : 24 + moved_rows, 24:56]
    red[inside] = moved[inside]
    step = 3 * patch
    return standing(patch, *((step + part).astype(np.float32) for part in (here, red))).any()


@pytest.mark.parametrize(("correlation", "stands"), [(0.85, False), (0.75, True)])
def test_light_that_matches_nowhere_tells_nothing(correlation, stands):
    assert tiled(correlation, 32) == stands


@pytest.mark.parametrize(("rows", "stands"), [(6, True), (8, False)])
def test_a_tenth_of_a_patch_may_seem_to_move(rows, stands):
    assert tiled(1.0, rows) == stands


def test_even_light_tells_nothing():
    even = np.full((SIDE, SIDE), 0.3, np.float32)
    with np.errstate(all="raise"):
        assert not standing(hall(), even, even).any()
        assert not standing(np.zeros((SIDE, SIDE), bool), even, even).any()


# ---- real roofs and real clouds: the figures of docs/clouds.md


def real(folder, *names, scale=1e-4):
    """Planes of single files, or those of one file by their numbers."""
    planes = []
    for name in names:
        path, index = (folder / name, 1) if isinstance(name, str) else (folder / name[0], name[1])
        with rasterio.open(path) as file:
            planes.append((file.read(index) * scale).astype(np.float32))
    return planes


def of_20_m(bright):
    """What is true of half of each 2 x 2 pixels: a mask as coarse as SCL."""
    height, width = (size // 2 for size in bright.shape)
    halves = bright[: 2 * height, : 2 * width].reshape(height, 2, width, 2).mean((1, 3)) >= 0.5
    return np.kron(halves, np.ones((2, 2))) > 0


@pytest.mark.real
def test_no_likely_cloud_of_fort_mcmurray_stands_and_some_white_roofs_do(shared_data):
    blue, red = real(shared_data / "fort_mcmurray", "B02.tif", "B04.tif")
    scl, chance = real(shared_data / "fort_mcmurray", "SCL.tif", "CLP.tif", scale=1)
    still = standing(np.isin(scl, (8, 9)), blue, red)
    likely = np.isin(scl, (8, 9)) & (chance >= 0.4 * 255)
    assert (likely.sum(), (still & likely).sum()) == (216_165, 0)
    assert ndimage.label(still, np.ones((3, 3)))[1] == 7


@pytest.mark.real
def test_lommels_halls_stand_and_its_clouds_do_not(shared_data):
    blue, red = real(shared_data / "lommel", "ref_input_S2_B02.tif", "ref_input_S2_B04.tif")
    cloud = of_20_m(blue > 0.2)
    still = standing(cloud, blue, red)
    assert (cloud.sum() / 100, still.sum() / 100) == pytest.approx((294.4, 13.5), abs=0.1)
    assert still[990, 432]  # a white hall
    assert not still[992:1015, 378:400].any()  # a cloud that touches a hall
    assert not still[340:512, :250].any()  # the largest


@pytest.mark.real
@pytest.mark.parametrize(
    ("file", "blue", "red", "scale", "share"),
    [
        ("bolzano/S2_L2A_sample.tif", 3, 1, 1e-4, 0.82),
        ("tlaxcala/Tlaxcala_allbands.tiff", 1, 3, 1e-4, 0.61),
        ("aberystwyth/sen2_20210527_aber_mosaic.tif", 1, 3, 1e-3, 0.90),
    ],
)
def test_most_bright_ground_of_towns_stands(file, blue, red, scale, share, shared_data):
    first, second = real(shared_data, (file, blue), (file, red), scale=scale)
    bright = of_20_m(first > 0.2)
    height, width = bright.shape
    still = standing(bright, np.where(first > 0, first, np.nan)[:height, :width], second[:height, :width])
    assert still.sum() / bright.sum() == pytest.approx(share, abs=0.01)
