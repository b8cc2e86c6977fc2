from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("prosail")

from howgreen.training import canopy, mixtures, paints
from howgreen.training.spectra import WAVELENGTH_NM, Materials, Responses

pytestmark = pytest.mark.train


def _boxes() -> Responses:
    """Ten bands of 20 nm around Sentinel-2's centres."""
    centres = np.array([492, 560, 665, 704, 740, 783, 833, 865, 1614, 2202])[:, None]
    weights = (np.abs(WAVELENGTH_NM - centres) < 10).astype(float)
    return Responses(
        bands=tuple(mixtures._CENTRE_NM),
        weights=weights / weights.sum(axis=1, keepdims=True),
        resolution_m=np.full(10, 10.0),
    )


def test_green_is_the_sum_of_the_vegetations_shares(world):
    pixels = mixtures.mix(world, 3000, rng=np.random.default_rng(1))
    np.testing.assert_allclose(pixels.shares.sum(axis=1), 1)
    assert pixels.shares.min() >= 0
    np.testing.assert_allclose(pixels.green, pixels.shares[:, 0] + pixels.shares[:, 1])
    assert {cls.name for cls in mixtures.CLASSES if cls.green} == {"tree", "low vegetation"}
    assert np.isfinite(pixels.reflectance).all()


def test_the_same_seed_gives_the_same_pixels(world):
    one, same, other = (mixtures.mix(world, 500, rng=np.random.default_rng(seed)) for seed in (4, 4, 5))
    np.testing.assert_array_equal(one.reflectance, same.reflectance)
    np.testing.assert_array_equal(one.shares, same.shares)
    assert not np.array_equal(one.reflectance, other.reflectance)


def test_pure_edge_and_patchwork_pixels_all_occur():
    shares = mixtures.draw_shares(20_000, rng=np.random.default_rng(2))
    members = (shares > 1e-6).sum(axis=1)
    assert 0.3 < (members == 1).mean() < 0.5
    assert (members == 2).mean() > 0.15
    assert (members >= 3).mean() > 0.2
    green = shares[:, mixtures.GREEN].sum(axis=1)
    assert abs(green.mean() - 0.5) < 0.05, "a network leans towards what it has met most: it must meet both alike"


def test_mixing_in_full_light_is_linear(world):
    one_each = replace(
        world, members=tuple(members[:1] for members in world.members), covered=np.ones(1), littered=np.ones(1)
    )
    shares = mixtures.draw_shares(200, rng=np.random.default_rng(3))
    got, covered = mixtures._lit(one_each, shares, light=np.ones((6, 200, 10)), rng=np.random.default_rng(0))
    np.testing.assert_allclose(got, shares @ np.concatenate(one_each.members))
    np.testing.assert_array_equal(covered, 1)


def test_soil_between_young_crops_and_between_straw_counts_as_bare(world):
    half = replace(world, covered=np.full(30, 0.4), littered=np.full(30, 0.7))
    rng = np.random.default_rng(3)
    pixels = mixtures.mix(half, 2000, rng=rng)
    np.testing.assert_allclose(pixels.shares.sum(axis=1), 1)
    pure = mixtures.mix(world, 2000, rng=np.random.default_rng(3)).shares
    np.testing.assert_allclose(pixels.shares[:, mixtures.LOW], 0.4 * pure[:, mixtures.LOW])
    np.testing.assert_allclose(
        pixels.shares[:, mixtures.BARE],
        pure[:, mixtures.BARE] + 0.6 * pure[:, mixtures.LOW] + 0.3 * pure[:, mixtures.DRY],
        atol=1e-12,
    )
    np.testing.assert_allclose(pixels.shares[:, mixtures.DRY], 0.7 * pure[:, mixtures.DRY])


def test_low_plants_split_into_grass_and_crops(world):
    grass, crops = world.with_low(crops=False), world.with_low(crops=True)
    assert (len(grass.members[mixtures.LOW]), len(crops.members[mixtures.LOW])) == (20, 10)
    np.testing.assert_array_equal(
        np.concatenate([grass.members[mixtures.LOW], crops.members[mixtures.LOW]]), world.members[mixtures.LOW]
    )
    assert crops.members[mixtures.TREE] is world.members[mixtures.TREE]


def _light(shares, sun_cos, seed=0):
    nm = mixtures.centres_nm(("blue", "nir"))
    sun = np.full((len(shares), 1), sun_cos)
    return mixtures._light(shares, shares, sun_cos=sun, nm=nm, rng=np.random.default_rng(seed))


def test_shade_of_houses_darkens_the_ground_more_than_crowns_and_roofs_and_turns_it_blue():
    shares = np.tile([0.0, 0.2, 0.8, 0.0, 0.0, 0.0], (4000, 1))
    light = _light(shares, 0.5).mean(axis=1)
    blue, nir = light[:, 0], light[:, 1]
    assert nir[mixtures.BARE] < nir[mixtures.LOW] < nir[mixtures.TREE]
    assert nir[mixtures.BARE] < nir[mixtures.BUILT], "roofs stand in the sun"
    assert blue[mixtures.BARE] > nir[mixtures.BARE]
    np.testing.assert_array_equal(light[mixtures.WATER], 1)


def test_a_low_sun_throws_longer_shadows():
    shares = np.tile([0.3, 0.0, 0.4, 0.3, 0.0, 0.0], (4000, 1))
    high, low = (_light(shares, cos).mean(axis=1)[mixtures.BARE, 1] for cos in (0.95, 0.5))
    assert low < 0.9 * high


def test_coarse_bands_see_more_of_the_neighbours(world):
    own, around = np.ones((1000, 10)), np.zeros((1000, 10))

    def seen(other, *, shore):
        at = np.full((1000, 1), shore)
        return mixtures._blurred(own, other, coarse=world.coarse, shore=at, rng=np.random.default_rng(0))

    inland, shore = seen(around, shore=False), seen(around, shore=True)
    assert inland[:, ~world.coarse].mean() > 0.8 > 0.7 > inland[:, world.coarse].mean() > shore[:, world.coarse].mean()
    np.testing.assert_array_equal(inland[:, ~world.coarse], shore[:, ~world.coarse])
    np.testing.assert_allclose(seen(own, shore=True), 1)


def test_canopies_are_green_and_straw_is_not():
    rng, responses = np.random.default_rng(6), _boxes()
    ground = canopy.soils(20, rng=rng)

    def ndvi(prior: canopy.Prior) -> np.ndarray:
        seen, covered = canopy.canopies(prior, 40, grounds=ground, responses=responses, rng=rng)
        assert ((seen > 0) & (seen < 1)).all()
        assert ((covered == 1).all()) != prior.open_ground
        return (seen[:, 6] - seen[:, 2]) / (seen[:, 6] + seen[:, 2])

    assert np.median(ndvi(canopy.TREES["broadleaf"])) > 0.75
    assert np.median(ndvi(canopy.TREES["conifer"])) > 0.7
    assert np.median(ndvi(canopy.TREES["budding wood"])) < np.median(ndvi(canopy.TREES["broadleaf"]))
    assert np.median(ndvi(canopy.LOW["grass"])) > 0.7
    assert np.median(ndvi(canopy.DRY["straw"])) < 0.25 < np.median(ndvi(canopy.DRY["litter"])) < 0.45
    assert 0.4 < np.median(ndvi(canopy.LOW["parched grass"])) < np.median(ndvi(canopy.LOW["dry grass"])) < 0.75
    assert np.median(ndvi(canopy.LOW["young crop"])) < np.median(ndvi(canopy.LOW["crop"]))


def test_soils_rise_to_the_infrared_and_waters_fall():
    rng, responses = np.random.default_rng(7), _boxes()
    soil = canopy.soils(200, rng=rng) @ responses.weights.T
    water = canopy.waters(200, responses=responses, rng=rng)
    assert (soil[:, 6] > soil[:, 0]).mean() > 0.95
    assert ((soil > 0) & (soil < 1)).all()
    assert (water[:, 6] < np.maximum(water[:, 1], 0.08)).mean() > 0.95
    assert ((water >= 0) & (water < 0.5)).all()


def test_snow_is_bright_and_dark_in_the_short_waves():
    snow = canopy.snows(200, responses=_boxes(), rng=np.random.default_rng(9))
    assert (snow[:, 2] > 0.3).all()
    assert (snow[:, 8] < 0.2).all()
    assert np.abs(snow[:, 7] / snow[:, 2] - 1).max() < 0.2, "no red edge"


def test_water_lies_beside_plants_in_patches_and_edges():
    shares = mixtures.draw_shares(20_000, rng=np.random.default_rng(4))
    mixed = (shares.max(axis=1) < 1 - 1e-6) & (shares[:, mixtures.WATER] > 0.01)
    beside = mixed & (shares[:, mixtures.GREEN].sum(axis=1) > 0.05)
    assert 0.1 < mixed.mean() < 0.2
    assert beside.mean() > 0.08


def test_paint_and_turf_rise_slower_than_leaves():
    rng, responses = np.random.default_rng(5), _boxes()
    paint = paints.draw(300, responses=responses, rng=rng)
    leaf, _ = canopy.canopies(canopy.LOW["grass"], 40, grounds=canopy.soils(20, rng=rng), responses=responses, rng=rng)
    assert ((paint > 0) & (paint < 1)).all()

    def jump(seen: np.ndarray) -> float:
        return float(np.median((seen[:, 4] - seen[:, 3]) / (seen[:, 7] - seen[:, 3])))

    assert jump(paint) < 0.4 < 0.55 < jump(leaf)


def test_measured_materials_join_the_built_and_the_bare(world):
    measured = mixtures.EndMembers(
        built=np.array([[0.2] * 10, [0.4] * 10]), source=np.array(["klum", "gulfport"]), turf=np.full((1, 10), 0.06),
        bare=np.full((1, 10), 0.9),
    )  # fmt: skip
    built = mixtures._measured_built(measured, 4000, responses=_boxes(), rng=np.random.default_rng(1))
    assert ((built > 0) & (built <= 1.2)).all()
    flat = np.abs(built[:, 9] / built[:, 7] - 1) < 0.15
    assert 0.55 < flat.mean() < 0.97, "some are paint, whose infrared is not flat"


def test_built_surfaces_follow_their_materials():
    flat = np.array([[0.1], [0.3]]) * np.ones(WAVELENGTH_NM.size)
    materials = Materials(names=("A1", "V1"), spectra=flat)
    seen = mixtures._built(materials, 3000, responses=_boxes(), rng=np.random.default_rng(8))
    np.testing.assert_allclose(seen, seen[:, :1] * np.ones(10))
    assert 0.07 < np.median(seen[:, 0]) < 0.15, "asphalt is common, painted plastic is not"


def test_gathering_classes_loses_no_share_and_no_green(world):
    shares = mixtures.mix(world, 500, rng=np.random.default_rng(3)).shares
    covers = mixtures.covers(shares)
    np.testing.assert_allclose(covers.sum(axis=1), shares.sum(axis=1))
    green = [cls.green for cls in mixtures.COVERS]
    np.testing.assert_allclose(covers[:, green].sum(axis=1), shares[:, mixtures.GREEN].sum(axis=1))
    assert [mixtures.COVERS[place].green for place in mixtures.COVER_OF] == list(mixtures.GREEN)
