"""Samples: drawn by chance inside the limits, frozen, and the same again from the same seed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import geopandas as gpd
import msgspec
import numpy as np
import pandas as pd
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from howgreen.core.errors import EstimateError
from howgreen.estimate.drawing import DISTRICT_FLOOR, draw, fewest_by_district
from howgreen.estimate.frame import Frame, FrameDistrict, systematic_effect
from howgreen.estimate.sample import load, save, save_for_others

GRID = GeoBox((40, 60), Affine(10, 0, 600_000, 0, -10, 5_100_000), "EPSG:32632")
LIMITS = shapely.box(600_005, 5_099_605, 600_595, 5_099_995)  # cuts the pixels of the rim in half


def _cover(shape):
    rows, columns = np.mgrid[:40, :60]
    cells = shapely.box(
        600_000 + 10 * columns, 5_100_000 - 10 * (rows + 1), 600_010 + 10 * columns, 5_100_000 - 10 * rows
    )
    return (shapely.area(shapely.intersection(cells, shape)) / 100).astype(np.float32)


@pytest.fixture(scope="module")
def frame():
    """Green rises from west to east; a lake in the south-west, a cloud in the north-east; two districts and a rest."""
    share = np.broadcast_to(np.linspace(0, 1, 60, dtype=np.float32), (40, 60)).copy()
    land = np.ones((40, 60), np.float32)
    land[30:, :10] = 0
    share[30:, :10] = 0
    share[:8, 50:] = np.nan
    land[:8, 50:] = np.nan
    parts = [
        ("West", shapely.box(600_005, 5_099_605, 600_200, 5_099_995)),
        ("Middle", shapely.box(600_200, 5_099_605, 600_400, 5_099_995)),
    ]
    return Frame(
        place="Testville", place_id="shape:1", plan_sha256="p", grid=GRID, shape=LIMITS, cover=_cover(LIMITS), green=share, land=land,
        map_rmse=0.2, districts=tuple(FrameDistrict(name=n, shape=s, cover=_cover(s)) for n, s in parts),
    )  # fmt: skip


@pytest.mark.parametrize("design", ["stratified", "simple", "systematic"])
def test_every_unit_lies_inside_under_its_point(frame, design):
    sample = draw(frame, looks=200, seed=1, design=design)
    points = gpd.GeoSeries(
        gpd.points_from_xy([u.lon for u in sample.units], [u.lat for u in sample.units]), crs=4326
    ).to_crs(GRID.crs)
    assert points.within(LIMITS.buffer(0.02)).all()
    columns, rows = ~GRID.affine @ (points.x.to_numpy(), points.y.to_numpy())
    assert abs(rows - [u.row + 0.5 for u in sample.units]).max() <= 0.51
    assert abs(columns - [u.column + 0.5 for u in sample.units]).max() <= 0.51
    assert [u.unit for u in sample.units] == list(range(1, len(sample.units) + 1))
    if design != "systematic":
        assert len(sample.units) == 200


def test_chances_are_by_area(frame):
    """Half pixels at the rim are drawn half as often: counts of many draws against the covered area."""
    sample = draw(frame, looks=5000, seed=3, design="simple")
    rim = sum(u.row in (0, 39) or u.column in (0, 59) for u in sample.units) / 5000
    cover = frame.cover
    area = float((cover.sum() - cover[1:-1, 1:-1].sum()) / cover.sum())
    assert rim == pytest.approx(area, abs=3 * (area * (1 - area) / 5000) ** 0.5)


@pytest.mark.parametrize(("looks", "own"), [(24, False), (26, True)])
def test_unseen_ground_that_expects_less_than_one_look_is_no_stratum_of_its_own(frame, looks, own):
    """One part in 25 of the area: 24 looks expect less than one there."""
    green = np.where(np.isnan(frame.green), 0.5, frame.green).astype(np.float32)
    rows = np.cumsum(frame.cover.sum(axis=1)) <= frame.cover.sum() / 25
    green[rows] = np.nan
    part = float(frame.cover[rows].sum() / frame.cover.sum())
    scaled = round(looks / 25 / part)
    drawn = draw(
        replace(frame, green=green, land=np.where(np.isnan(green), np.nan, 1).astype(np.float32)), looks=scaled, seed=1
    )
    alone = [one for one in drawn.weights if one == pytest.approx(part)]
    assert bool(alone) is own


@pytest.mark.parametrize("dots", [1, 9])
def test_other_programs_get_the_same_places_and_nothing_of_the_map(frame, tmp_path, dots):
    drawn = draw(replace(frame, place="A & <b>"), looks=30, seed=4, dots=dots)
    save_for_others(drawn, tmp_path)
    earth = gpd.read_file(tmp_path / "google-earth.kml", driver="KML").to_crs(drawn.crs)
    assert list(earth["Name"]) == [str(unit.unit) for unit in drawn.units]
    assert earth.area.to_numpy() == pytest.approx(100, rel=1e-2)
    plots = pd.read_csv(tmp_path / "collect-earth-online-plots.csv")
    samples = pd.read_csv(tmp_path / "collect-earth-online-samples.csv")
    assert list(plots)[:3] == ["LON", "LAT", "PLOTID"]
    assert list(samples) == ["LON", "LAT", "PLOTID", "SAMPLEID"]
    assert len(samples) == sum(unit.asked.count("1") for unit in drawn.units)
    inside = gpd.GeoDataFrame(samples, geometry=gpd.points_from_xy(samples.LON, samples.LAT), crs=4326).to_crs(
        drawn.crs
    )
    for unit, square in zip(drawn.units, earth.geometry, strict=True):
        ours = inside[unit.unit == inside.PLOTID]
        assert ours.within(square.buffer(0.02)).all()
        assert list(ours.SAMPLEID) == [n + 1 for n, asked in enumerate(unit.asked) if asked == "1"]
    points = gpd.read_file(tmp_path / "acatama-points.gpkg")
    assert list(points["id"]) == list(plots.PLOTID) == [unit.unit for unit in drawn.units]
    assert points.crs.to_string() == drawn.crs
    assert set(points) == {"id", "sample", "geometry"}


def test_unseen_ground_is_a_stratum_of_its_own(frame):
    sample = draw(frame, looks=100, seed=2)
    unseen = [u.stratum for u in sample.units if u.row < 8 and u.column >= 50]
    assert set(unseen) == {len(sample.weights) - 1}
    assert len(unseen) >= 5
    assert sample.weights[-1] == pytest.approx(frame.cover[:8, 50:].sum() / frame.cover.sum(), rel=1e-6)
    assert sum(sample.weights) == pytest.approx(1)
    observed = np.isfinite(frame.green)
    mean = (frame.cover * np.nan_to_num(frame.green))[observed].sum() / frame.cover[observed].sum()
    assert sample.frame_green == pytest.approx(float(mean), rel=1e-5)  # the mean stands for what nobody saw


def test_water_is_in_the_frame(frame):
    sample = draw(frame, looks=2000, seed=2, design="simple")
    wet = [u for u in sample.units if u.row >= 30 and u.column < 10]
    assert len(wet) > 40
    assert {(u.map_green, u.map_land) for u in wet} == {(0.0, 0.0)}


def test_order_is_random_across_strata_and_a_fifth_is_read_twice(frame):
    sample = draw(frame, looks=200, seed=5)
    first = np.bincount([u.stratum for u in sample.units[:60]], minlength=len(sample.weights))
    assert first.min() > 0
    assert sum(u.twice for u in sample.units) == 40


def test_districts_get_their_floor(frame):
    sample = draw(frame, looks=60, seed=5, by_district=True)
    counts = pd.Series([u.district for u in sample.units]).value_counts()
    assert counts.min() >= DISTRICT_FLOOR
    assert set(counts.index) == {"West", "Middle", ""}
    with pytest.raises(EstimateError, match="at least 10 each"):
        draw(frame, looks=29, seed=5, by_district=True)
    with pytest.raises(EstimateError, match="has no districts"):
        draw(replace(frame, districts=()), looks=60, seed=5, by_district=True)
    assert fewest_by_district(frame) == 30  # two districts and a rest


@pytest.mark.parametrize(("reach", "names"), [(600_201, ["West", "Middle"]), (600_210, ["West"])])
def test_a_district_that_lies_partly_in_another_gets_no_estimate_of_half_of_it(frame, reach, names):
    """Points in both count for the first: the second's looks stood for all of it, and were of a part."""
    shape = shapely.box(600_005, 5_099_605, reach, 5_099_995)
    wider = replace(frame.districts[0], shape=shape, cover=_cover(shape))
    sample = draw(replace(frame, districts=(wider, frame.districts[1])), looks=60, seed=5)
    assert [one.name for one in sample.districts] == names


def test_a_grid_that_meets_the_towns_pattern_is_noticed_by_the_map(frame):
    """Rows of houses 80 m apart, and a grid of 80 m: every point falls on a roof, or every one between two."""
    shape = shapely.box(600_000, 5_099_600, 600_600, 5_100_000)
    whole = replace(frame, shape=shape, cover=np.ones((40, 60), np.float32), land=np.ones((40, 60), np.float32))
    looks = round(shape.area / 80**2)
    stripes = np.broadcast_to(np.arange(60) % 8 < 4, (40, 60)).astype(np.float32)
    noise = np.random.default_rng(1).random((40, 60), np.float32)
    patches = np.broadcast_to(np.linspace(0, 1, 60, dtype=np.float32), (40, 60))
    met, even, smooth = (
        systematic_effect(replace(whole, green=one), looks, np.random.default_rng(2))
        for one in (stripes, noise, patches)
    )
    assert met > 10
    assert even < 1.2
    assert smooth == 1
    sample = draw(replace(whole, green=stripes), looks=looks, seed=1, design="systematic")
    assert sample.systematic_effect > 10
    assert draw(whole, looks=looks, seed=1).systematic_effect == 0
    nothing = replace(whole, green=np.zeros((40, 60), np.float32))
    assert systematic_effect(nothing, looks, np.random.default_rng(2)) == 1


def test_a_town_that_is_all_alike_has_one_stratum(frame):
    even = replace(frame, green=np.ones((40, 60), np.float32), land=np.ones((40, 60), np.float32))
    assert len(draw(even, looks=100, seed=1).weights) == 1


def test_the_same_seed_gives_the_same_sample(frame):
    assert draw(frame, looks=50, seed=7) == draw(frame, looks=50, seed=7)
    assert draw(frame, looks=50, seed=7).sha256 != draw(frame, looks=50, seed=8).sha256


DESIGNS = [{}, {"design": "simple"}, {"design": "systematic"}, {"by_district": True}]


@pytest.mark.parametrize("how", DESIGNS)
def test_tables_hold_the_whole_design_and_no_units_map(frame, tmp_path, how):
    sample = draw(frame, looks=60, seed=7, **how)
    save(sample, tmp_path)
    assert load(tmp_path / "sample.json") == sample
    squares = gpd.read_file(tmp_path / "units.gpkg", layer="units")
    flat = pd.read_csv(tmp_path / "units.csv", dtype={"seed": str})
    columns = [
        "unit",
        "sample",
        "lon",
        "lat",
        "twice",
        "stratum",
        "stratum_share",
        "stratum_draws",
        "inclusion_probability",
    ]
    assert list(squares.columns) == [*columns, "geometry"]
    assert list(flat.columns) == [*columns, "stratum_holds", "design", "seed", "estimator", "sha256", "howgreen"]
    for table in (squares, flat):
        assert list(table["unit"]) == [one.unit for one in sample.units]
        assert list(table["stratum"]) == [one.stratum for one in sample.units]
        assert table["inclusion_probability"].to_numpy() == pytest.approx([one.inclusion for one in sample.units])
        assert table["stratum_share"].to_numpy() == pytest.approx([sample.weights[one.stratum] for one in sample.units])
        assert table["sample"].eq(sample.key).all()
    design = gpd.read_file(tmp_path / "units.gpkg", layer="design").set_index("name")["value"]
    strata = gpd.read_file(tmp_path / "units.gpkg", layer="strata")
    for name, value in (
        ("seed", "7"),
        ("design", sample.design),
        ("estimator", sample.estimator),
        ("sha256", sample.sha256),
    ):
        assert design[name] == value
        assert flat[name].eq(value).all()
    assert strata["share"].sum() == pytest.approx(1)
    assert strata["draws"].sum() == len(sample.units)
    assert list(strata["holds"]) == list(sample.strata)
    assert squares.to_crs(GRID.crs).area.round(3).eq(100).all()


@pytest.mark.parametrize("how", DESIGNS)
def test_inclusion_probabilities_add_up_to_the_frame(frame, how):
    """Horvitz and Thompson's count of the frame's pixels: each that was drawn stands for 1 / its probability, those of the rim for more."""
    counted = []
    for seed in range(12):
        drawn = draw(frame, looks=400, seed=seed, **how)
        counted.append(sum({(u.row, u.column): 1 / u.inclusion for u in drawn.units}.values()))
    assert np.mean(counted) == pytest.approx(40 * 60, rel=0.03)
    if how.get("design") == "simple":
        by_place = {(u.row in (0, 39), u.column in (0, 59)): u.inclusion for u in drawn.units}
        part = 1 / float(frame.cover.sum(dtype=float))
        assert by_place[False, False] == pytest.approx(1 - (1 - part) ** 400, rel=1e-6)
        assert by_place[True, False] == pytest.approx(1 - (1 - part / 2) ** 400, rel=1e-6)


def test_strata_are_named(frame):
    assert draw(frame, looks=50, seed=1, design="simple").strata == ("everything inside the limits",)
    assert draw(frame, looks=60, seed=1, by_district=True).strata == ("West", "Middle", "in no district")
    found = draw(frame, looks=100, seed=2)
    bounds = found.bounds
    assert found.strata[0] == f"mapped green below {bounds[0]:g}"
    assert found.strata[1] == f"mapped green from {bounds[0]:g} to below {bounds[1]:g}"
    assert found.strata[-2:] == (f"mapped green from {bounds[-1]:g}", "shown by no image")
    for unit in found.units:  # the words are true
        if unit.stratum == 0:
            assert unit.map_green < bounds[0]


def test_samples_of_before_are_still_read(frame, tmp_path):
    """They know neither inclusion probabilities nor words for strata, and their checksum is of what they have."""
    now = draw(frame, looks=50, seed=7)
    plain = msgspec.to_builtins(now)
    for name in ("strata", "howgreen", "change", "systematic_effect", "sha256"):
        plain.pop(name)
    for unit in plain["units"]:
        unit.pop("inclusion")
    digest = hashlib.sha256(json.dumps(plain | {"sha256": ""}, sort_keys=True).encode()).hexdigest()
    (tmp_path / "sample.json").write_text(json.dumps(plain | {"sha256": digest}))
    before = load(tmp_path / "sample.json")
    assert before.sha256 == digest
    save(before, tmp_path / "again")
    assert load(tmp_path / "again" / "sample.json") == before


@pytest.mark.parametrize(
    "spoil",
    [
        lambda plain: plain["units"][3].__setitem__("stratum", 0 if plain["units"][3]["stratum"] else 1),
        lambda plain: plain["units"][0].__setitem__("map_green", 0.123),
        lambda plain: plain["units"][0].__setitem__("inclusion", 0.5),
        lambda plain: plain["units"][0].pop("inclusion"),
        lambda plain: plain["strata"].__setitem__(0, "all that is blue"),
        lambda plain: plain["weights"].__setitem__(0, plain["weights"][0] + 0.01),
        lambda plain: plain["units"].pop(),
        lambda plain: plain.__setitem__("sha256", "0" * 64),
    ],
)
def test_what_was_altered_is_refused(frame, tmp_path, spoil):
    save(draw(frame, looks=50, seed=7), tmp_path)
    plain = json.loads((tmp_path / "sample.json").read_text())
    spoil(plain)
    (tmp_path / "sample.json").write_text(json.dumps(plain))
    with pytest.raises(EstimateError, match="was altered"):
        load(tmp_path / "sample.json")


@pytest.mark.parametrize("text", ["", "{}", "[" * 100_000, '{"format": 3}', "\x00"])
def test_what_is_no_sample_is_refused(tmp_path, text):
    (tmp_path / "sample.json").write_text(text)
    with pytest.raises(EstimateError, match="is no sample"):
        load(tmp_path / "sample.json")


@pytest.mark.parametrize(
    ("changes", "word"), [({"looks": 19}, "20 to"), ({"looks": 5001}, "20 to"), ({"dots": 4}, "1, 9, 25")]
)
def test_numbers_out_of_bounds(frame, changes, word):
    with pytest.raises(EstimateError, match=word):
        draw(frame, **({"looks": 50, "seed": 1} | changes))


@pytest.mark.parametrize("dots", [1, 9, 25])
def test_dots_beyond_the_limits_are_not_asked(frame, dots):
    """The limits cut the rim's pixels in half: a single dot is the drawn point, others are a grid of which a part is outside."""
    sample = draw(frame, looks=2000, seed=3, design="simple", dots=dots)
    for u in sample.units:
        rim = u.row in (0, 39) or u.column in (0, 59)
        assert len(u.asked) == dots
        assert 1 <= u.asked.count("1") <= dots
        if not rim:
            assert u.asked == "1" * dots
    corner = next(u for u in sample.units if u.row == 0 and 0 < u.column < 59)
    if dots == 9:
        assert corner.asked == "000000111"  # the middle row lies on the very edge, which is not inside
