"""Bands that lie on the same ground match where they are, and a band that does not is named."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from scipy import ndimage

from howgreen.core import registration
from howgreen.core.registration import Lattice, apart


def grid(shape, pixel=10.0, crs="EPSG:32632", east=674_000.0) -> GeoBox:
    return GeoBox(shape, Affine(pixel, 0, east, 0, -pixel, 5_154_960), crs)


def fields(shape=(256, 256), seed=1) -> dict[str, np.ndarray]:
    """Fields of three covers in four bands: what is dark in red may be bright in near-infrared."""
    rng = np.random.default_rng(seed)
    kind = ndimage.zoom(rng.integers(0, 3, (shape[0] // 8, shape[1] // 8)), 8, order=0)
    levels = {
        "red": (0.03, 0.06, 0.2),
        "green": (0.05, 0.08, 0.18),
        "blue": (0.03, 0.05, 0.15),
        "nir": (0.45, 0.3, 0.24),
    }
    return {band: np.array(one)[kind] * rng.normal(1, 0.03, shape) for band, one in levels.items()}


def cut(light, grids=None, valid=None):
    first = next(iter(light.values()))
    grids = grids or {}
    lattice = Lattice(grids.get(next(iter(light)), grid(first.shape)))
    known = {band: np.ones(one.shape, bool) if valid is None else valid for band, one in light.items()}
    found = {band: lattice.patches(one, known[band], grids.get(band, grid(one.shape))) for band, one in light.items()}
    return {band: one for band, one in found.items() if one is not None}


@pytest.mark.parametrize("band", ["red", "green", "blue", "nir"])
@pytest.mark.parametrize("shift", [(0, 3), (-2, 0), (12, -12)])
def test_a_band_that_was_moved_is_named_with_its_way(band, shift):
    light = fields()
    light[band] = np.roll(light[band], shift, (0, 1))
    assert apart(cut(light)) == (band, shift)


@pytest.mark.parametrize("shift", [(0, 0), (0, 1), (1, 1)])
def test_a_pixel_is_not_told(shift):
    light = fields()
    light["nir"] = np.roll(light["nir"], shift, (0, 1))
    assert apart(cut(light)) is None


def test_of_two_bands_one_is_named():
    light = fields()
    two = {"red": light["red"], "nir": np.roll(light["nir"], 4, 1)}
    assert apart(cut(two)) == ("nir", (0, 4))
    assert apart(cut({"red": light["red"]})) is None


def test_a_shift_further_than_is_looked_for_is_never_a_wrong_one():
    light = fields()
    light["nir"] = np.roll(light["nir"], 40, 1)
    assert apart(cut(light)) is None


def test_a_grid_that_is_moved_with_its_pixels_is_no_shift_and_one_moved_alone_is():
    """Where the ground lies is asked, not in which row of a file."""
    light = fields()
    moved = np.roll(light["nir"], 3, 1)
    assert apart(cut(light | {"nir": moved}, {"nir": grid(moved.shape, east=674_000 - 30)})) is None
    assert apart(cut(light, {"nir": grid(moved.shape, east=674_000 + 30)})) == ("nir", (0, 3))


@pytest.mark.parametrize("first", ["nir", "red"])
def test_bands_of_other_pixels_and_systems_are_compared_or_left_out(first):
    light = fields()
    coarse = light["nir"].reshape(128, 2, 128, 2).mean((1, 3))
    bands = {"red": light["red"], "nir": coarse}
    ordered = {band: bands[band] for band in (first, *bands)}
    assert apart(cut(ordered, {"nir": grid((128, 128), 20)})) is None
    assert "nir" not in cut(light, {"nir": grid(light["nir"].shape, crs="EPSG:32633")})


@pytest.mark.parametrize(("astray", "told"), [(0.4, True), (0.6, False)])
def test_most_patches_have_to_tell_the_same(astray, told):
    """As a cloud that the bands see at different places does not."""
    light = fields((320, 320))
    patches = cut(light)
    n = len(patches["nir"])
    assert n == registration.MOST_PATCHES**2
    moved = cut({"red": light["red"], "nir": np.roll(light["nir"], 3, 1)})["nir"]
    other = cut({"red": light["red"], "nir": np.roll(light["nir"], 9, 0)})["nir"]
    part = round(astray * n)
    mixed = np.concatenate([other[:part], moved[part:]])
    found = apart({"red": patches["red"], "nir": mixed})
    assert (found == ("nir", (0, 3))) is told


@pytest.mark.parametrize(("few", "told"), [(2, False), (3, True)])
def test_few_patches_tell_nothing(few, told):
    light = fields()
    light["nir"] = np.roll(light["nir"], 3, 1)
    patches = {band: one[:few] for band, one in cut(light).items()}
    assert (apart(patches) is not None) is told


@pytest.mark.parametrize(("missing", "told"), [(0.05, True), (0.15, False)])
def test_patches_with_some_holes_still_tell(missing, told):
    light = fields()
    light["nir"] = np.roll(light["nir"], 3, 1)
    valid = np.ones((256, 256), bool)
    valid[(np.arange(256) % 64)[:, None] * np.ones(256) < 64 * missing] = False
    assert (apart(cut(light, valid=valid)) is not None) is told


@pytest.mark.parametrize(("noise", "told"), [(0.1, True), (3.0, False)])
def test_what_matches_nowhere_tells_nothing(noise, told):
    light = fields()
    light["nir"] = np.roll(light["nir"], 3, 1) * np.exp(np.random.default_rng(4).normal(0, noise, (256, 256)))
    assert (apart(cut(light)) is not None) is told


def test_a_small_image_and_an_even_one():
    light = {band: one[:100, :101] for band, one in fields().items()}
    assert len(cut(light)["red"]) == 4
    assert apart(cut(light)) is None
    assert apart(cut(light | {"nir": np.roll(light["nir"], 3, 1)})) == ("nir", (0, 3))
    one_moved = np.roll(fields()["nir"], 3, 1)
    assert apart(cut({band: np.full((100, 101), 0.2) for band in light})) is None
    for side in (3, 47):
        assert (
            apart(cut({band: one[:side, :side] for band, one in fields().items()} | {"nir": one_moved[:side, :side]}))
            is None
        )
    assert apart(cut({band: one[:48, :48] for band, one in fields().items()} | {"nir": one_moved[:48, :48]})) == (
        "nir",
        (0, 3),
    )


@pytest.mark.real
@pytest.mark.parametrize(
    ("path", "bands"),
    [("bolzano/S2_L2A_sample.tif", (1, 2, 3, 4)), ("tlaxcala/Tlaxcala_allbands.tiff", tuple(range(1, 11))),
     ("aberystwyth/sen2_20210527_aber_mosaic.tif", tuple(range(1, 11))),
     ("detroit_l5/LT05_020030_merge_19950712_stack_clip.tiff", (1, 2, 3, 4, 5, 6)),
     ("tabasco_l7/LE70220491999322_stack.tif", (1, 2, 3, 4)), ("tabasco_l7/LE70220492002106_stack.tif", (1, 2, 3, 4))],
)  # fmt: skip
def test_real_bands_lie_on_the_same_ground_until_one_is_moved(shared_data, path, bands):
    with rasterio.open(shared_data / path) as file:
        light = {str(n): file.read(n).astype(float) for n in bands}
    lattice = Lattice(grid(light["1"].shape))
    patches = {band: lattice.patches(one, one > 0, lattice.grid) for band, one in light.items()}
    assert apart(patches) is None
    for band, one in light.items():
        moved = np.roll(one, 3, 1)
        name, (down, right) = apart(patches | {band: lattice.patches(moved, moved > 0, lattice.grid)})
        assert name == band
        assert (abs(down), abs(right - 3)) <= (1, 1)


@pytest.mark.real
def test_clouds_that_the_bands_see_at_different_places_are_no_shift(shared_data):
    light = {}
    for band in ("B02", "B03", "B04", "B08", "B11"):
        with rasterio.open(shared_data / "fort_mcmurray" / f"{band}.tif") as file:
            light[band] = file.read(1).astype(float)
    assert apart(cut(light)) is None
