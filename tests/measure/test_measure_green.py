from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import shapely
import xarray as xr
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from shapely import MultiPolygon, Polygon, box

from howgreen import measure
from howgreen.core.errors import AreaError, ImageError, ModelError
from howgreen.core.types import UNSEEN

# Pixels of 10 m on a meridian of scale 0.9996: a planar square metre is 1 / 0.9996^2 on the ground.
GROUND = 100 / 0.9996**2
NEAR = {"rel": 2e-6}


def figures(stats):
    return dataclasses.asdict(stats)


def test_rectangle_with_known_shares(cover, city):
    """Columns 0.5-3.25 of a 4-wide strip: shares 0.5, 1, 1, 0.25 by hand."""
    label = [[0, 1, 2, UNSEEN]]
    fraction = [[0.8, 0.3, 0.9, np.nan]]
    stats = measure.green(cover(label, fraction), city(box(0.5, 0, 3.25, 1), inhabitants=10))[0].stats
    assert stats.zone_area_m2 == pytest.approx(2.75 * GROUND, **NEAR)
    assert stats.land_area_m2 == pytest.approx(1.75 * GROUND, **NEAR)
    assert stats.observed_area_m2 == pytest.approx(1.5 * GROUND, **NEAR)
    assert stats.green_area_m2 == pytest.approx((0.5 * 0.8 + 0.3) * GROUND, **NEAR)
    assert stats.green_ratio == pytest.approx(0.7 / 1.5, **NEAR)
    assert stats.green_pixel_ratio == pytest.approx(0.5 / 1.5, **NEAR)
    assert stats.observed_ratio == pytest.approx(1.5 / 1.75, **NEAR)
    assert stats.area_by_class_m2 == pytest.approx({"tree": 0.5 * GROUND, "built": GROUND, "water": GROUND}, **NEAR)
    assert stats.green_m2_per_inhabitant == pytest.approx(0.7 / 1.5 * 1.75 * GROUND / 10, **NEAR)
    assert stats.interval is not None
    found, seen, ratio = stats.interval, 1.5 / 1.75, 0.7 / 1.5
    assert (found.model_low, found.model_high) == pytest.approx((ratio - 0.06, ratio + 0.06), rel=1e-5)
    assert (found.unseen_low, found.unseen_high) == pytest.approx((seen * ratio, seen * ratio + 1 - seen), rel=1e-5)
    assert (found.low, found.high) == pytest.approx((seen * (ratio - 0.06), seen * (ratio + 0.06) + 1 - seen), rel=1e-5)
    assert found.level == 0.95
    assert found.method.startswith("model: by hand; unseen: 14.3%")


def test_dry_plants_are_summed_over_the_seen_land_as_green_is(cover, city):
    """Columns 0.5-3.25 of a 5-wide strip: tree and built half and whole, water and unseen left out."""
    grounds = cover([[0, 1, 2, UNSEEN]], [[0.8, 0.3, 0.9, np.nan]])
    dry = xr.DataArray(np.array([[0.1, 0.6, 0.05, np.nan]], np.float32), dims=("y", "x"))
    told = dataclasses.replace(grounds, data=grounds.data.assign(dry_fraction=dry))
    place = city(box(0.5, 0, 3.25, 1))
    plain, stats = (measure.green(one, place)[0].stats for one in (grounds, told))
    assert stats.dry_ratio == pytest.approx((0.5 * 0.1 + 0.6) / 1.5, rel=1e-5)
    assert plain.dry_ratio is None
    assert dataclasses.replace(stats, dry_ratio=None) == plain


def test_interval_is_clipped_and_absent_without_reference(cover, city):
    whole = city(box(0, 0, 2, 2))
    green = measure.green(cover(np.zeros((2, 2)), np.ones((2, 2))), whole)[0].stats
    assert green.interval is not None
    assert (green.interval.low, green.interval.high) == pytest.approx((0.94, 1.0))
    assert measure.green(cover(np.zeros((2, 2)), np.ones((2, 2)), error=False), whole)[0].stats.interval is None


def test_a_pixel_is_green_from_one_half_on(cover, city):
    below = np.nextafter(np.float32(0.5), np.float32(0))
    stats = measure.green(cover([[0, 0, 0, 0]], [[0.5, below, 0.5, 0]]), city(box(0, 0, 4, 1)))[0].stats
    assert stats.green_pixel_ratio == pytest.approx(0.5, **NEAR)


def test_hole_and_exclave(cover, city):
    """A ring of 8 x 8 less 4 x 4, and an exclave that is half a pixel."""
    label, fraction = np.ones((12, 20)), np.zeros((12, 20))
    label[:, 15:], fraction[:, 15:] = 0, 1.0
    ring = Polygon(box(1, 1, 9, 9).exterior, [box(3, 3, 7, 7).exterior.coords])
    stats = measure.green(cover(label, fraction), city(MultiPolygon([ring, box(16, 2, 16.5, 3)])))[0].stats
    assert stats.zone_area_m2 == pytest.approx(48.5 * GROUND, **NEAR)
    assert stats.green_ratio == pytest.approx(0.5 / 48.5, rel=1e-5)


@pytest.mark.parametrize("beyond", [False, True])
def test_nothing_seen(cover, city, beyond):
    shape = box(100, 100, 110, 110) if beyond else box(0, 0, 4, 4)
    stats = measure.green(cover(np.full((4, 4), UNSEEN), np.full((4, 4), np.nan)), city(shape, inhabitants=5))[0].stats
    assert (stats.green_ratio, stats.green_pixel_ratio, stats.interval) == (None, None, None)
    assert stats.green_m2_per_inhabitant is None
    assert (stats.observed_ratio, stats.observed_area_m2) == (0, 0)
    assert stats.land_area_m2 == stats.zone_area_m2 > 0


def test_all_water(cover, city):
    stats = measure.green(cover(np.full((4, 4), 2), np.full((4, 4), 0.4)), city(box(0, 0, 4, 4)))[0].stats
    assert stats.land_area_m2 == pytest.approx(0, abs=1e-3)
    assert stats.green_ratio is None
    assert stats.area_by_class_m2["water"] == pytest.approx(stats.zone_area_m2, **NEAR)


@pytest.mark.parametrize("radius", [0.3, 3.0, 7.7])
def test_rounding_makes_no_land_of_water(cover, city, radius):
    """Shares along an edge are rounded: of a round lake 1e-8 of its area once was land that nobody had seen."""
    lake = city(shapely.Point(10.1, 9.7).buffer(radius))
    waters = np.full((20, 20), 2)
    stats = measure.green(cover(waters, np.full((20, 20), 0.4)), lake)[0].stats
    assert (stats.land_area_m2, stats.observed_ratio, stats.green_ratio) == (0, None, None)


@pytest.mark.parametrize(("share", "land"), [(0.5e-6, False), (2e-6, True)])
def test_land_of_a_millionth_is_land(share, land, cover, city):
    waters = np.full((20, 20), 2)
    waters[10, 10] = 0
    place = city(shapely.union(box(0, 0, 20, 10), box(10, 10, 10 + 200 * share, 11)))
    stats = measure.green(cover(waters, np.full((20, 20), 0.4)), place)[0].stats
    assert (stats.land_area_m2 > 0) is land


def test_beyond_the_raster_is_unseen_land(cover, city):
    stats = measure.green(cover(np.zeros((4, 4)), np.ones((4, 4))), city(box(-4, 0, 4, 4)))[0].stats
    assert stats.observed_ratio == pytest.approx(0.5, rel=1e-6)
    assert stats.green_ratio == pytest.approx(1.0)


def test_land_without_fraction_is_unseen_but_water_is_not(cover, city):
    stats = measure.green(cover([[0, 2, 0]], [[np.nan, np.nan, 1]]), city(box(0, 0, 3, 1)))[0].stats
    assert stats.observed_ratio == pytest.approx(0.5)
    assert stats.area_by_class_m2["water"] == pytest.approx(GROUND, **NEAR)


def test_unseen_pixels_stand_in_neither_half(cover, city, patchwork):
    """Whatever an unseen pixel holds, nothing changes but what is said to be unseen."""
    label, fraction = patchwork
    other = np.where(label == UNSEEN, np.float32(0.99), fraction)
    town = city(shapely.Point(65, 75).buffer(60))
    assert figures(measure.green(cover(label, fraction), town)[0].stats) == figures(
        measure.green(cover(label, other), town)[0].stats
    )


def test_split_zones_sum_to_the_whole(cover, city, patchwork):
    """Seven slanted slices of a disc that reaches beyond the raster."""
    disc = shapely.Point(60, 70).buffer(72.3)
    wedges = [
        Polygon(
            [
                (60, 70),
                *((60 + 500 * math.cos(a), 70 + 500 * math.sin(a)) for a in np.linspace(t, t + 2 * math.pi / 7, 9)),
            ]
        )
        for t in np.arange(7) * 2 * math.pi / 7
    ]
    whole, *slices = measure.green(cover(*patchwork), city(disc, [disc & wedge for wedge in wedges]))
    for name in ("zone_area_m2", "land_area_m2", "observed_area_m2", "green_area_m2"):
        total = sum(getattr(part.stats, name) for part in slices)
        assert total == pytest.approx(getattr(whole.stats, name), rel=1e-6), name
    for name, area in whole.stats.area_by_class_m2.items():
        assert sum(part.stats.area_by_class_m2[name] for part in slices) == pytest.approx(area, rel=1e-6)
    observed = [part.stats.observed_area_m2 for part in slices]
    mean = np.average([part.stats.green_ratio for part in slices], weights=observed)
    assert whole.stats.green_ratio == pytest.approx(mean, rel=1e-6)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.integers(9, 150), columns=st.integers(9, 130), dx=st.floats(-50, 50), radius=st.floats(1, 120))
def test_any_chunking_gives_the_same_sums(cover, city, patchwork, rows, columns, dx, radius):
    town = city(shapely.Point(65 + dx, 75).buffer(radius), [box(dx, 3.3, 70.7, 90.1)] if dx < 40 else [])
    plain = measure.green(cover(*patchwork), town)
    chunked = measure.green(cover(*patchwork, chunks=(rows, columns)), town)
    for one, other in zip(plain, chunked, strict=True):
        assert one.stats.area_by_class_m2 == pytest.approx(other.stats.area_by_class_m2, rel=1e-9, abs=1e-4)
        for name in ("land_area_m2", "observed_area_m2", "green_area_m2", "green_ratio", "green_pixel_ratio"):
            assert getattr(one.stats, name) == pytest.approx(getattr(other.stats, name), rel=1e-9), name


def test_moving_everything_by_whole_pixels_changes_nothing(cover, city, patchwork):
    label, fraction = patchwork
    shape = shapely.Point(60.3, 70.7).buffer(40)
    padded = [np.pad(a, ((7, 0), (13, 0)), constant_values=v) for a, v in ((label, UNSEEN), (fraction, np.nan))]
    one = measure.green(cover(label, fraction), city(shape))[0].stats
    other = measure.green(cover(*padded), city(shapely.affinity.translate(shape, 13, 7)))[0].stats
    assert other.green_ratio == pytest.approx(one.green_ratio, rel=1e-7)
    assert other.observed_ratio == pytest.approx(one.observed_ratio, rel=1e-7)


def test_parity_with_brute_force(cover, city):
    """Every pixel cut into 50 x 50 and each bit counted by its centre."""
    from rasterio.features import rasterize

    rng = np.random.default_rng(11)
    label = rng.choice([0, 1, 2, UNSEEN], (40, 40)).astype(np.uint8)
    fraction = np.where(label == UNSEEN, np.nan, rng.random((40, 40))).astype(np.float32)
    star = Polygon(
        [
            (20 + r * math.cos(a), 20 + r * math.sin(a))
            for a, r in zip(np.linspace(0, 6.1, 24), [18.7, 7.3] * 12, strict=True)
        ]
    )
    fine = rasterize([shapely.affinity.scale(star, 50, 50, origin=(0, 0))], (2000, 2000))
    share = fine.reshape(40, 50, 40, 50).mean(axis=(1, 3))
    land = share * np.isin(label, (0, 1))
    stats = measure.green(cover(label, fraction), city(star))[0].stats
    assert stats.green_ratio == pytest.approx(np.nansum(land * fraction) / land.sum(), rel=2e-4)
    assert stats.green_pixel_ratio == pytest.approx((land * (fraction >= 0.5)).sum() / land.sum(), rel=5e-4)
    assert stats.area_by_class_m2["water"] == pytest.approx(share[label == 2].sum() * GROUND, rel=2e-3)


def test_each_block_is_computed_once_and_only_where_a_zone_reaches(cover, city, patchwork):
    import dask.array as da

    built = cover(*patchwork)
    seen = []

    def model(block, block_info=None):
        seen.append(block_info[0]["chunk-location"])
        return block

    shared = da.from_array(np.stack(patchwork).astype(np.float32), chunks=(2, 50, 50)).map_blocks(
        model, dtype=np.float32, meta=np.zeros((0, 0, 0), np.float32)
    )
    data = built.data.assign(label=(("y", "x"), shared[0].astype(np.uint8)), green_fraction=(("y", "x"), shared[1]))
    lazy = dataclasses.replace(built, data=data)
    town = city(box(5, 5, 95, 95), [box(5, 5, 50, 95), box(50, 5, 95, 95)])
    zones = measure.green(lazy, town)
    assert sorted(seen) == [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1)]
    assert zones[0].stats.green_ratio == pytest.approx(measure.green(built, town)[0].stats.green_ratio, rel=1e-9)


def test_progress_reaches_the_end(cover, city, patchwork):
    told = []
    measure.green(cover(*patchwork, chunks=(10, 10)), city(box(0, 0, 130, 150)), progress=lambda *a: told.append(a))
    assert told[-1] == ("measure", 195, 195)
    assert [done for _, done, _ in told] == sorted({done for _, done, _ in told})


def test_zones_keep_their_order_and_names(cover, city, patchwork):
    zones = measure.green(cover(*patchwork), city(box(0, 0, 130, 150), [box(90, 0, 130, 9), box(0, 0, 9, 9)]))
    assert [(z.name, z.id, z.kind) for z in zones] == [
        ("Toytown", "file:toy", "city"),
        ("D0", "d0", "district"),
        ("D1", "d1", "district"),
    ]


def test_strange_label(cover, city):
    with pytest.raises(ModelError, match=r"labels \[7\]"):
        measure.green(cover([[0, 7]], [[0.5, 0.5]]), city(box(0, 0, 2, 1)))


def test_rotated_grid(cover, city):
    built = cover([[0, 0]], [[0.5, 0.5]])
    rotated = GeoBox((1, 2), Affine(8, 6, 5e5, 6, -8, 5e6), built.grid.crs)
    with pytest.raises(ImageError, match="north-up"):
        measure.green(dataclasses.replace(built, grid=rotated), city(box(0, 0, 2, 1)))


def test_boundary_without_area(cover, city):
    town = dataclasses.replace(city(box(0, 0, 2, 1)), boundary=Polygon())
    with pytest.raises(AreaError, match="has no area"):
        measure.green(cover([[0, 0]], [[0.5, 0.5]]), town)


def test_known_sea_counts_nowhere_seen_or_not(cover, city):
    """Ten by ten pixels, the right half sea: a quarter of all under cloud, a fifth of the land green."""
    label, fraction = np.full((10, 10), 1), np.zeros((10, 10))
    label[:2], fraction[:2] = 0, 1.0  # trees on the land and, as a wrong label, on the sea
    label[5:, 5:], fraction[5:, 5:] = 255, np.nan
    toy = city(box(0, 0, 10, 10), [box(0, 0, 5, 10), box(5, 0, 10, 10)], land=box(0, 0, 5, 10))
    whole, ashore, afloat = (zone.stats for zone in measure.green(cover(label, fraction), toy))
    assert whole.zone_area_m2 == pytest.approx(10_000, rel=2e-3)
    assert whole.land_area_m2 == pytest.approx(whole.zone_area_m2 / 2, rel=1e-4)
    assert (whole.green_ratio, whole.observed_ratio) == pytest.approx((0.2, 1.0), rel=1e-4)
    assert sum(whole.area_by_class_m2.values()) == pytest.approx(whole.land_area_m2, rel=1e-4)
    assert ashore.green_ratio == pytest.approx(0.2, rel=1e-4)
    assert (afloat.land_area_m2, afloat.green_ratio, afloat.observed_ratio) == (0, None, None)


@pytest.mark.parametrize("chunks", [None, (4, 7)])
def test_how_often_the_seen_land_was_seen_counts_each_pixel_by_its_share(cover, city, chunks):
    """Ten columns of built land: the second half seen on three dates, the first on one; a water column and an unseen one."""
    label = np.ones((10, 12), np.uint8)
    label[:, 10], label[:, 11] = 2, 255
    fraction = np.where(label == 255, np.nan, 0.25)
    looks = np.where(np.arange(12) < 5, 1, 3) * np.ones((10, 1), int)
    looks[:, 10], looks[:, 11] = 9, 0
    looks = xr.DataArray(looks.astype(np.uint8), dims=("y", "x"))
    town = city(shapely.box(0, 0, 12, 10), districts=[shapely.box(4.5, 0, 7, 10), shapely.box(11, 0, 12, 10)])
    whole, part, unseen = (
        zone.stats for zone in measure.green(cover(label, fraction, chunks=chunks), town, n_clear=looks)
    )
    assert whole.clear_dates_mean == pytest.approx(2.0, rel=1e-5)
    assert whole.seen_once_ratio == pytest.approx(0.5, rel=1e-5)
    assert part.clear_dates_mean == pytest.approx((0.5 * 1 + 2 * 3) / 2.5, rel=1e-5)
    assert part.seen_once_ratio == pytest.approx(0.2, rel=1e-5)
    assert (unseen.clear_dates_mean, unseen.seen_once_ratio) == (None, None)
    nobody, *_ = (zone.stats for zone in measure.green(cover(label, fraction), town))
    assert (nobody.clear_dates_mean, nobody.seen_once_ratio) == (None, None)
