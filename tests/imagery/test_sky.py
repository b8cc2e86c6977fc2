"""Clouds found in the pixels of images, from file to composite."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from howgreen import clouds
from howgreen.clouds import parallax
from howgreen.core.acquisitions import acquisitions
from howgreen.core.errors import ImageError
from howgreen.core.warnings import Caution
from howgreen.imagery import choose, composite_scaled, decisions, look, look_each
from howgreen.imagery.composite import _sky, cloud_mask
from howgreen.imagery.read import quality, sky
from howgreen.imagery.read._coarse import read_coarse, read_means
from howgreen.imagery.read.opener import Files
from howgreen.imagery.read.thumbnails import frame_of, thumbnail

UTM = "EPSG:32632"
WEST, NORTH, SIDE = 600_000.0, 5_200_000.0, 320
GRID = GeoBox((SIDE, SIDE), Affine(10, 0, WEST, 0, -10, NORTH), UTM)
WOODS = {"blue": 200, "green": 400, "red": 200, "nir": 3000}
CLOUD = {"blue": 5500, "green": 5600, "red": 5600, "nir": 5700}
HAZE = {"blue": 1500, "green": 1600, "red": 1500, "nir": 3600}
PATCH = np.s_[80:160, 80:160]


def bands(patch=None, at=PATCH, seed=0):
    rng = np.random.default_rng(seed)
    out = {}
    for name, number in WOODS.items():
        plane = np.full((SIDE, SIDE), number)
        if patch:
            plane[at] = patch[name]
        out[name] = (plane + rng.integers(-20, 20, plane.shape)).astype(np.uint16)
    return out


def scl(code=4):
    return {"scl": np.full((SIDE, SIDE), code, np.uint8)}


def seen(*scenes):
    return composite_scaled(scenes, grid=GRID, bands=tuple(WOODS), block_px=128)["n_clear"].values


def test_one_cloud_without_a_mask_is_not_seen_and_its_rim_neither(make_scene):
    n_clear = seen(make_scene(bands(CLOUD)))
    assert not n_clear[80:160, 80:160].any()
    assert not n_clear[77:80, 100:140].any()  # the rim of 40 m
    assert (n_clear[200:] == 1).all()


def test_blocks_do_not_matter(make_scene):
    scenes = [make_scene(bands(CLOUD), day=0), make_scene(bands(HAZE, at=np.s_[200:260, 40:120]), day=5)]
    whole, small = (
        composite_scaled(scenes, grid=GRID, bands=tuple(WOODS), block_px=px)["scaled"].values for px in (512, 100)
    )
    np.testing.assert_array_equal(whole, small)


def test_clouds_are_looked_for_beside_other_work_once_and_an_error_is_told_to_who_asks(make_scene, monkeypatch):
    scenes = [make_scene(bands(CLOUD), day=0), make_scene(bands(seed=1), day=5)]
    asked, find = [], _sky.flags
    monkeypatch.setattr(_sky, "flags", lambda *inputs: asked.append(1) or find(*inputs))
    with ThreadPoolExecutor(1) as aside:
        made = composite_scaled(scenes, grid=GRID, bands=tuple(WOODS), block_px=128, aside=aside)
    assert asked == [1]  # before anything was computed
    np.testing.assert_array_equal(made["n_clear"].values, seen(*scenes))
    assert asked == [1, 1]

    monkeypatch.setattr(_sky, "flags", lambda *_: (_ for _ in ()).throw(ImageError("one date cannot be read")))
    with ThreadPoolExecutor(1) as aside:
        made = composite_scaled(scenes, grid=GRID, bands=tuple(WOODS), block_px=128, aside=aside)
    with pytest.raises(ImageError, match="one date cannot be read"):
        made["n_clear"].compute()


def test_a_white_hall_is_seen_when_two_dates_agree(make_scene):
    n_clear = seen(make_scene(bands(CLOUD), day=0), make_scene(bands(CLOUD, seed=1), day=5))
    assert (n_clear[PATCH] == 2).all()


def test_haze_that_a_mask_misses_is_left_out_where_two_other_dates_know_better(make_scene):
    hazy = make_scene(bands(HAZE) | scl(), day=0)
    clear = [make_scene(bands(seed=day) | scl(), day=day) for day in (5, 10)]
    assert (seen(hazy, *clear)[90:150, 90:150] == 2).all()
    assert (seen(hazy, *clear)[200:] == 3).all()
    assert (seen(hazy, clear[0])[PATCH] == 2).all()  # of two dates nobody knows which is right


def test_a_roof_that_stays_is_kept_beside_masks(make_scene):
    assert (seen(*(make_scene(bands(CLOUD, seed=day) | scl(), day=day) for day in (0, 5, 10))) == 3).all()


def test_dates_with_masks_are_not_read_again_where_nothing_can_be_said(make_scene, monkeypatch):
    monkeypatch.setattr(sky, "look", lambda *_, **__: pytest.fail("read"))
    groups = acquisitions([make_scene(bands() | scl(), day=day) for day in (0, 5)])
    assert [one.any() for one in _sky.flags(groups, GRID, Files())] == [False, False]


def test_a_plan_looks_for_clouds_where_there_is_no_mask(make_scene, make_city):
    from shapely import box

    city = make_city(box(WEST, NORTH - 10 * SIDE, WEST + 10 * SIDE, NORTH))
    overcast = make_scene(bands(CLOUD, at=np.s_[:]), day=0)
    half = make_scene(bands(CLOUD, at=np.s_[:160]), day=5)
    clear = make_scene(bands(), day=10)
    shares = {scene.id: scene.clear_pct for scene in look([overcast, half, clear], city=city)}
    assert shares[overcast.id] == 0
    assert shares[half.id] == pytest.approx(50, abs=2)
    assert shares[clear.id] == 100
    used, passed = choose(look([overcast, half, clear], city=city), city=city, period=_year(), bands=tuple(WOODS))
    assert {scene.id for scene in used} == {half.id, clear.id}
    assert [scene.id for scene in passed] == [overcast.id]


@pytest.mark.parametrize("added", [500, 900])
def test_a_plan_tells_of_a_veil_over_all_that_is_clear(make_scene, make_city, added):
    """A tenth of the light of the woods is taken, and white light added: no cell looks like haze, or all like an offset."""
    from shapely import box

    city = make_city(box(WEST, NORTH - 10 * SIDE, WEST + 10 * SIDE, NORTH))
    veiled = make_scene({band: np.rint(0.9 * values + added).astype(values.dtype) for band, values in bands().items()})
    clear = make_scene(bands(), day=10)
    seen = {scene.id: scene for scene in look([veiled, clear], city=city)}
    assert seen[veiled.id].clear_pct == 100
    assert [one.code for one in seen[veiled.id].warnings] == ["thin-veil"]
    assert seen[clear.id].warnings == ()
    again, _ = look_each(list(seen.values()), city=city)
    assert {scene.id: scene.warnings for scene in again} == {name: scene.warnings for name, scene in seen.items()}


def _year():
    from datetime import date

    from howgreen.core.types import Period

    return Period(start=date(2024, 1, 1), end=date(2024, 12, 31))


def test_a_cloudy_date_is_no_offset_and_says_by_what_it_was_told(make_scene):
    clear = [make_scene(bands(seed=day), day=day) for day in (5, 10)]
    overcast = make_scene(bands(CLOUD, at=np.s_[:]), day=0)
    report = decisions([overcast, *clear])
    assert [one["offset_check"] for one in report["scenes"]] == ["unknown", "consistent", "consistent"]
    assert {one["mask"] for one in report["scenes"]} == {"clouds-4"}
    assert "clouds found by howgreen's own detector (clouds-4 1.0.0)" in report["mask"]


def test_an_offset_left_in_is_still_told_from_haze(make_scene):
    from howgreen.core.errors import ContradictionError

    clear = [make_scene(bands(seed=day), day=day) for day in (5, 10)]
    left_in = make_scene({name: plane + np.uint16(1000) for name, plane in bands().items()}, day=0)
    with pytest.raises(ContradictionError, match="offset 0 contradicts its pixels"):
        decisions([left_in, *clear])
    veil = np.linspace(500, 1600, SIDE)[None, :].astype(np.uint16)
    hazy = make_scene({name: plane + veil for name, plane in bands().items()}, day=0)
    assert "contradicted" not in {one["offset_check"] for one in decisions([hazy, *clear])["scenes"]}


def test_means_read_without_a_warp_are_those_of_the_pixels(make_scene):
    scene = make_scene(bands(CLOUD) | {"red": bands()["red"]})
    (asset,) = (one for one in scene.assets if one.band == "blue")
    frame, k = sky.cells_of(GRID)
    assert k == 4
    values = read_means(asset, frame, nodata=0)
    expected = bands(CLOUD)["blue"].reshape(80, 4, 80, 4).mean(axis=(1, 3))
    np.testing.assert_allclose(values, expected, atol=0.51)
    warped = read_coarse(asset, frame, nodata=0, float32=True)
    assert abs(np.nanmean(values) - np.nanmean(warped)) < 20
    beyond = GeoBox((90, 90), Affine(40, 0, WEST - 200, 0, -40, NORTH + 200), UTM)
    moved = read_means(asset, beyond, nodata=0)
    np.testing.assert_allclose(moved[5:85, 5:85], values)
    assert np.isnan(moved[:4]).all()
    assert np.isnan(moved[86:]).all()


def test_cells_are_of_40_m_and_grow_where_there_would_be_too_many():
    assert sky.cells_of(GRID)[1] == 4
    assert sky.cells_of(GRID, wide=True)[1] == 8
    large = GeoBox((4097, 100), GRID.affine, UTM)
    assert sky.cells_of(large)[1] == 8
    assert sky.cells_of(GeoBox((100, 100), Affine(30, 0, WEST, 0, -30, NORTH), UTM))[1] == 1


def test_flags_stand_for_what_cells_show():
    assert _sky._FLAGS[[clouds.CLEAR_CELL, clouds.CLOUD_CELL, clouds.SHADOW_CELL, clouds.SNOW_CELL]].tolist() == [
        0, quality.CLOUD, quality.DOUBT, quality.DOUBT,
    ]  # fmt: skip
    assert Caution("own-cloud-mask", "x").code


def test_a_thumbnail_shows_white_what_is_bright_and_grey_what_is_not_there(make_scene):
    planes = bands(CLOUD)
    for plane in planes.values():
        plane[:, :40] = 0
    picture = thumbnail(make_scene(planes), frame_of(GRID))
    assert max(picture.shape[:2]) <= 112
    scale = SIDE / picture.shape[0]
    at = [int(120 / scale)] * 2
    assert (picture[at[0], at[1]] == 255).all()
    assert (picture[:, 2] == 128).all()
    assert picture[-5, -5].max() < 80
    assert thumbnail(make_scene({"vv": planes["red"]}), frame_of(GRID)) is None


# ---- roofs that SCL takes for clouds: what stands on the ground lies at one place in blue and red

ROOF, PUFF = np.s_[150:164, 120:140], np.s_[200:214, 200:218]


def town(make_scene, *, roof=ROOF, puff=PUFF, codes=(9, 9), real=True, day=0):
    """One date: woods, a hall and a small cloud that lies 20 m further down in red; SCL, of 20 m, calls both cloud."""
    rng = np.random.default_rng(day)
    rough = rng.normal(0, 30, (SIDE, SIDE))
    planes, mask = {}, np.full((SIDE, SIDE), 4, np.uint8)
    for code, at in zip(codes, (roof, puff), strict=True):
        mask[at] = code
    for name, number in WOODS.items():
        plane = number + rough
        plane[roof] = CLOUD[name] + rough[roof]
        down = 2 if name == "red" else 0
        plane[puff[0].start + down : puff[0].stop + down, puff[1]] = CLOUD[name]
        planes[name] = plane.clip(1).astype(np.uint16)
    coarse = (mask[::2, ::2], 20.0, WEST, NORTH, UTM)
    return replace(make_scene(planes | {"scl": coarse}, day=day), synthetic=not real)


def roof_and_cloud_seen(*scenes, grid=GRID, bands=tuple(WOODS), roof=ROOF, puff=PUFF, block_px=128):
    n_clear = composite_scaled(scenes, grid=grid, bands=bands, block_px=block_px)["n_clear"].values
    return bool((n_clear[roof] == len(scenes)).all()), bool(n_clear[puff].any())


def test_a_roof_that_scl_takes_for_a_cloud_is_seen_on_one_date_and_a_cloud_is_not(make_scene):
    assert roof_and_cloud_seen(town(make_scene)) == (True, False)
    assert roof_and_cloud_seen(town(make_scene, codes=(8, 8))) == (True, False)
    assert roof_and_cloud_seen(*(town(make_scene, day=day) for day in (0, 5, 10))) == (True, False)


def test_a_released_roof_has_no_rim(make_scene):
    n_clear = composite_scaled([town(make_scene)], grid=GRID, bands=tuple(WOODS))["n_clear"].values
    assert n_clear[140:180, 110:150].all()
    assert not n_clear[197:217, 205:210].any()  # the cloud's has its 40 m


def test_where_parallax_cannot_be_told_the_mask_is_right(make_scene):
    one = town(make_scene)
    assert roof_and_cloud_seen(town(make_scene, codes=(10, 9))) == (False, False)  # cirrus is no roof
    assert roof_and_cloud_seen(town(make_scene, codes=(3, 9))) == (False, False)
    assert roof_and_cloud_seen(town(make_scene, real=False)) == (False, False)  # simulated skies have no parallax
    assert roof_and_cloud_seen(one, bands=("green", "nir")) == (False, False)
    fine = GeoBox((2 * SIDE, 2 * SIDE), Affine(5, 0, WEST, 0, -5, NORTH), UTM)
    assert roof_and_cloud_seen(one, grid=fine, roof=np.s_[300:328, 240:280], puff=np.s_[400:428, 400:436]) == (
        False,
        False,
    )


def test_four_dates_vote_and_nobody_looks(make_scene, monkeypatch):
    monkeypatch.setattr(parallax, "standing", lambda *_: pytest.fail("looked"))
    seen(*(town(make_scene, day=day) for day in (0, 5, 10, 15)))
    seen(make_scene(bands() | scl()))  # and where SCL calls nothing cloud
    with pytest.raises(pytest.fail.Exception, match="looked"):
        seen(*(town(make_scene, day=day) for day in (0, 5, 10)))


@pytest.mark.parametrize("block_px", [31, 64, 100, 160])
def test_no_block_sees_a_roof_otherwise_than_its_neighbour(make_scene, block_px):
    long = np.s_[140:180, 100:140]  # the largest that is looked at, across the blocks
    scene = town(make_scene, roof=long)
    whole, cut = (
        composite_scaled([scene], grid=GRID, bands=tuple(WOODS), block_px=px)["n_clear"].values
        for px in (512, block_px)
    )
    np.testing.assert_array_equal(whole, cut)
    assert whole[long].all()


def test_a_roof_at_the_edge_is_judged_by_what_a_composite_reads_and_no_more(make_scene):
    """So that images of which only this much was kept give the same answer."""
    scene = town(make_scene)
    reach = cloud_mask.halo_px(10)
    for first, told in ((150 + reach - parallax.MARGIN_PX, True), (151 + reach - parallax.MARGIN_PX, False)):
        part = GeoBox((SIDE - first, SIDE), Affine(10, 0, WEST, 0, -10, NORTH - 10 * first), UTM)
        n_clear = composite_scaled([scene], grid=part, bands=tuple(WOODS))["n_clear"].values
        assert bool(n_clear[: 164 - first, 120:140].all()) == told
