from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
import rasterio

from howgreen import store
from howgreen.core.sensors import SCL_BAD
from howgreen.sample import sensors_sim as sim
from howgreen.sample.canvas import Canvas
from howgreen.sample.clouds import make_sky, under_sky
from howgreen.sample.light import Sun, cast_shade, sun_at, through_optics

build_module = import_module("howgreen.sample.simulation")
CITY = {"cover": 0.2, "scale_m": 400, "base_m": 600, "haze": 0.0}


@pytest.fixture(scope="session")
def shots(small_canvas: Canvas):
    return {scene.shot.id: scene for scene in build_module.simulate(small_canvas)}


def test_threads_change_nothing(small_canvas: Canvas, shots):
    again = next(iter(build_module.simulate(small_canvas, threads=1)))
    first = shots[again.shot.id]
    for band, (values, _) in again.rasters.items():
        assert np.array_equal(values, first.rasters[band][0])


def test_both_sides_of_the_offset_hold_the_same_reflectance():
    reflectance = np.random.default_rng(3).uniform(0.005, 0.9, (40, 40)).astype(np.float32)
    old = sim.numbers(reflectance, scale=1e-4, offset=0.0, has_data=None)
    new = sim.numbers(reflectance, scale=1e-4, offset=-0.1, has_data=None)
    assert np.abs(new.astype(int) - old - 1000).max() <= 1  # a half may round either way in float32
    assert np.allclose(new * 1e-4 - 0.1, reflectance, atol=6e-5)


def test_stored_scenes_of_both_sides_agree_once_their_own_offset_is_applied(small):
    medians = {}
    for scene in store.scenes(small[0]):
        if scene.sensor == "sentinel-2":
            with rasterio.open(scene.asset("red").href) as red, rasterio.open(scene.asset("scl").href) as scl:
                dn, classes = red.read(1)[::2, ::2], scl.read(1)
            medians.setdefault(scene.offset, []).append(np.median(dn[classes == 4]) * scene.scale + scene.offset)
    assert np.mean(medians[0.0]) == pytest.approx(np.mean(medians[-0.1]), abs=0.02)
    assert 0.02 < np.mean(medians[0.0]) < 0.12


def test_a_valid_pixel_is_never_the_nodata_number():
    dark = np.full((3, 3), -0.3, np.float32)
    assert sim.numbers(dark, scale=1e-4, offset=0.0, has_data=None).min() == 1


def test_the_split_swath_is_empty_in_every_band_on_one_side_only(shots):
    split = [scene for scene in shots.values() if scene.shot.split]
    assert len(split) == 1
    for band, (values, _) in split[0].rasters.items():
        has_data = sim.swath(len(values) if band not in ("blue", "green", "red", "nir") else len(values) // 2)
        if has_data.shape != values.shape:
            has_data = has_data.repeat(2, 0).repeat(2, 1)
        assert (values[~has_data] == 0).all()
        assert (values[has_data] > 0).all()
        assert 0.5 < has_data.mean() < 0.7
    for scene in shots.values():
        if not scene.shot.split and scene.shot.sensor == "sentinel-2":
            assert all((values > 0).all() for values, _ in scene.rasters.values())


def test_the_mask_finds_true_clouds_and_mostly_leaves_clear_ground_alone(shots):
    clear_flagged, clear = 0, 0
    for scene in shots.values():
        if scene.shot.sensor != "sentinel-2":
            continue
        scl, sky = scene.rasters["scl"][0], scene.sky.coarser(2)
        bad, seen = np.isin(scl, SCL_BAD), scl > 0
        assert bad[seen & (sky.opacity > 0.2)].all()
        assert np.isin(scl[seen & (sky.opacity > 0.6)], (8, 9)).all()
        fine = seen & (sky.opacity < 0.02) & (sky.shadow < 0.05)
        clear_flagged += int(bad[fine].sum())
        clear += int(fine.sum())
    assert 0 < clear_flagged / clear < 0.05


def test_clear_water_vegetation_and_roofs_get_their_codes(shots, small_canvas: Canvas):
    from howgreen.sample.spectra import CLASS_OF, CLASSES

    scl = shots["S2_SAMPLETON_20240720"].rasters["scl"][0]
    sky = shots["S2_SAMPLETON_20240720"].sky.coarser(2)
    clear = (sky.opacity < 0.02) & (sky.shadow < 0.02)
    n = len(scl)
    boxes = CLASS_OF[small_canvas.material].reshape(n, 20, n, 20)

    def pure(*names: str) -> np.ndarray:
        codes = [CLASSES[name] for name in names]
        return np.isin(boxes, codes).mean((1, 3)) == 1

    assert (scl[clear & pure("sea")] == 6).mean() > 0.97
    assert (scl[clear & pure("tree")] == 4).mean() > 0.95
    assert (scl[clear & pure("building", "paved")] == 4).mean() < 0.03


def test_landsat_quality_bits_say_what_the_sky_was(shots):
    for scene in shots.values():
        if scene.shot.sensor == "landsat":
            qa, sky = scene.rasters["qa_pixel"][0], scene.sky.coarser(3)
            assert ((qa[sky.opacity > 0.3] >> 3) & 1).all()
            assert not ((qa[sky.opacity < 0.04] >> 3) & 1).any()
            dn = scene.rasters["nir"][0]
            assert 0 < np.median(dn * 0.0000275 - 0.2) < 0.6


def test_shadows_fall_away_from_the_sun_at_the_length_of_its_height():
    height = np.zeros((60, 60), np.uint8)
    height[30, 30] = 10
    low_in_the_south = Sun(elevation_deg=45, azimuth_deg=180)
    shade = cast_shade(height, low_in_the_south, first=0, last=60)
    rows, cols = np.nonzero(shade)
    assert set(cols) == {30}
    assert rows.max() == 29
    assert 19 <= rows.min() <= 22


def test_the_sun_of_midsummer_stands_high_in_the_south_east():
    sun = sun_at(173)
    assert 60 < sun.elevation_deg < 67
    assert 120 < sun.azimuth_deg < 160
    assert sun_at(265).elevation_deg < sun.elevation_deg - 15


@pytest.mark.parametrize("pixel_m", [10, 20, 30])
def test_the_optics_keep_light_and_place(pixel_m):
    assert np.allclose(through_optics(np.ones((60, 60), np.float32), pixel_m=pixel_m), 1, atol=1e-5)
    point = np.zeros((120, 120), np.float32)
    point[60:72, 60:72] = 1
    seen = through_optics(point, pixel_m=pixel_m)
    y, x = np.indices(seen.shape)
    assert seen.sum() * (pixel_m / 5) ** 2 == pytest.approx(144, rel=1e-4)
    assert ((seen * y).sum() / seen.sum() + 0.5) * pixel_m == pytest.approx(330, abs=0.05)
    assert ((seen * x).sum() / seen.sum() + 0.5) * pixel_m == pytest.approx(330, abs=0.05)


def test_cloud_shadows_are_the_clouds_displaced():
    sun = Sun(elevation_deg=45, azimuth_deg=90)
    sky = make_sky(np.random.default_rng(1), 200, sun, **CITY)
    assert np.corrcoef(sky.opacity[:, 60:].ravel(), sky.shadow[:, :-60].ravel())[0, 1] > 0.95


def test_the_sky_has_the_cover_asked_for_and_a_clear_one_changes_nothing():
    sky = make_sky(np.random.default_rng(2), 300, sun_at(180), **CITY)
    assert (sky.opacity > 0.05).mean() == pytest.approx(0.2, abs=0.07)
    blue = make_sky(np.random.default_rng(2), 60, sun_at(180), **(CITY | {"cover": 0.0}))
    ground = np.random.default_rng(0).uniform(0, 1, (2, 60, 60)).astype(np.float32)
    assert np.allclose(under_sky(ground, blue, bands=np.array([0, 6])), ground)
    thick = replace(blue, opacity=np.ones((60, 60), np.float32))
    assert (under_sky(ground, thick, bands=np.array([0, 6])) > 0.3).all()
