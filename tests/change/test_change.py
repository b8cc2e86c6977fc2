"""What changed: planted changes are found, and nothing else; figures follow from the pixels."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords

from howgreen import change, place
from howgreen.change import Answer, _clusters, _measured, _normalise
from howgreen.core.change import NOT_COMPARED
from howgreen.core.errors import PlanError
from howgreen.core.types import Composite, LandCover
from howgreen.landcover import load_model

SIDE = 120
GRID = GeoBox.from_bbox((500_000, 4_989_000, 500_000 + 10 * SIDE, 4_989_000 + 10 * SIDE), "EPSG:32632", resolution=10)
CITY = place.from_shape(GRID.extent.to_crs("EPSG:4326").geom, name="Square")
BANDS = ("green", "red", "nir")
LEAF, STONE = np.array([0.07, 0.04, 0.4]), np.array([0.15, 0.17, 0.2])


def answer(
    green: np.ndarray, rng: np.random.Generator, *, gain: float = 1.0, offset: float = 0.0, error: float = 0.05
) -> Answer:
    """An image of leaves and stones with a green fraction, seen with some gain and offset."""
    mixed = green[..., None] * LEAF + (1 - green[..., None]) * STONE
    seen = (mixed * (1 + rng.normal(0, 0.01, mixed.shape)) + rng.normal(0, 0.002, mixed.shape) - offset) / gain
    coords = xr_coords(GRID)
    pixels = xr.Dataset(
        {"reflectance": (("band", "y", "x"), seen.transpose(2, 0, 1).astype(np.float32))},
        coords={"band": list(BANDS), **coords},
    )
    card = load_model("ndvi").card
    data = xr.Dataset(
        {
            "label": (("y", "x"), (green >= 0.5).astype(np.uint8)),
            "green_fraction": (("y", "x"), green.astype(np.float32)),
            "green_uncertainty": (("y", "x"), np.full(green.shape, error, np.float32)),
        },
        coords=coords,
    )
    return Answer(
        composite=Composite(data=pixels, grid=GRID, scenes=()), landcover=LandCover(data=data, grid=GRID, card=card)
    )


@pytest.fixture
def ground() -> np.ndarray:
    """Green fractions in patches."""
    rng = np.random.default_rng(1)
    return rng.choice([0.05, 0.3, 0.9], (SIDE // 6, SIDE // 6)).repeat(6, 0).repeat(6, 1)


LOST, GAINED = np.s_[12:36, 12:42], np.s_[72:90, 60:84]


@pytest.fixture
def pair(ground: np.ndarray) -> tuple[Answer, Answer]:
    """A meadow that was built on and a yard that was planted, under another sun."""
    before, after = ground.copy(), ground.copy()
    before[LOST], after[LOST] = 0.9, 0.05
    before[GAINED], after[GAINED] = 0.05, 0.9
    rng = np.random.default_rng(2)
    return answer(before, rng), answer(after, rng, gain=1.15, offset=0.02)


def test_normalisation_finds_gain_and_offset_though_a_fifth_changed():
    rng = np.random.default_rng(0)
    before = rng.uniform(0.02, 0.5, (4000, 4))
    gains, offsets = np.array([1.2, 0.9, 1.05, 0.8]), np.array([0.01, -0.02, 0.0, 0.03])
    after = (before - offsets) / gains + rng.normal(0, 0.002, before.shape)
    after[:800] = rng.uniform(0.02, 0.5, (800, 4))
    found = change.normalise(before, after, bands=list("abcd"))
    assert found.applied
    np.testing.assert_allclose(found.gains, gains, rtol=0.02)
    np.testing.assert_allclose(found.offsets, offsets, atol=0.006)
    assert found.invariant >= _normalise.LEAST_INVARIANT


def test_images_that_share_nothing_are_not_normalised():
    rng = np.random.default_rng(0)
    found = change.normalise(rng.random((3000, 3)), rng.random((3000, 3)), bands=list("abc"))
    assert (found.applied, found.gains, found.offsets) == (False, (1.0,) * 3, (0.0,) * 3)
    flat = np.ones((3000, 3))
    assert not change.normalise(flat, flat, bands=list("abc")).applied


def test_silhouette_is_rousseeuws():
    rng = np.random.default_rng(3)
    points = rng.normal(size=(60, 2)) + np.repeat([[0, 0], [4, 0], [0, 5]], 20, axis=0)
    labels = np.repeat([0, 1, 2], 20)
    values = []
    for number, point in enumerate(points):
        apart = np.hypot(*(points - point).T)
        own = apart[(labels == labels[number]) & (np.arange(60) != number)].mean()
        other = min(apart[labels == one].mean() for one in range(3) if one != labels[number])
        values.append((other - own) / max(own, other))
    assert _clusters.silhouette(points, labels) == pytest.approx(np.mean(values))
    assert _clusters.silhouette(points, np.zeros(60, int)) == 0


def test_clusters_are_what_was_planted(pair: tuple[Answer, Answer]):
    found = change.clusters(*pair, CITY, number=3)
    assert found.clustering is not None
    assert found.clustering.normalisation.applied
    assert found.clustering.normalisation.gains == pytest.approx([1.15] * 3, rel=0.05)
    named = {one.name: one for one in found.classes}
    assert set(named) == {"least changed", "less green", "greener"}
    assert named["less green"].green_change == pytest.approx(-0.85, abs=0.15)
    inner = np.s_[14:34, 14:40]  # edges are mixed with what lies around
    assert (found.codes[inner] == named["less green"].code).all()
    assert (found.codes[75:87, 63:81] == named["greener"].code).all()
    quiet = found.codes[100:, 90:]
    assert (quiet[quiet != NOT_COMPARED] == 1).mean() > 0.99
    assert sum(one.area_m2 for one in found.classes) == pytest.approx(found.compared_m2)


def test_the_number_of_clusters_is_told_or_taken(pair: tuple[Answer, Answer]):
    found = change.clusters(*pair, CITY, number=2)
    assert found.clustering is not None
    assert (found.clustering.chosen, found.clustering.given, list(found.clustering.silhouettes)) == (2, True, [2])
    again = change.clusters(*pair, CITY, number=2)
    np.testing.assert_array_equal(found.codes, again.codes)
    free = change.clusters(*pair, CITY).clustering
    assert free is not None
    assert list(free.silhouettes) == list(_clusters.CHOICES)
    best = max(free.silhouettes.values())
    assert free.silhouettes[free.chosen] >= best - _clusters.TIE
    assert all(value < best - _clusters.TIE for count, value in free.silhouettes.items() if count < free.chosen)


def test_slabs_do_not_matter(pair: tuple[Answer, Answer], monkeypatch: pytest.MonkeyPatch):
    whole = change.measured(*pair, CITY)
    monkeypatch.setattr("howgreen.change._ground.ROWS", 37)
    cut = change.measured(*pair, CITY)
    np.testing.assert_array_equal(whole.codes, cut.codes)
    assert whole.threshold == replace(cut.threshold, kept_m2=whole.threshold.kept_m2)
    assert cut.threshold.kept_m2 == pytest.approx(whole.threshold.kept_m2)
    clustered = change.clusters(*pair, CITY, number=3)
    inner = np.s_[14:34, 14:40]
    assert len(np.unique(clustered.codes[inner])) == 1


def test_lost_gained_and_kept_are_what_was_planted(pair: tuple[Answer, Answer]):
    found = change.measured(*pair, CITY)
    assert found.threshold is not None
    expected = np.ones(GRID.shape, np.uint8)
    expected[LOST], expected[GAINED] = _measured.LOST, _measured.GAINED
    there = found.codes != NOT_COMPARED
    assert there.mean() > 0.98
    np.testing.assert_array_equal(found.codes[there], expected[there])
    scale = CITY.area_m2 / (100 * SIDE**2)  # ellipsoid over plane
    assert found.threshold.lost_m2 == pytest.approx(24 * 30 * 0.85 * 100 * scale, rel=1e-3)
    assert found.threshold.gained_m2 == pytest.approx(18 * 24 * 0.85 * 100 * scale, rel=1e-3)
    lost, gained = found.patches
    assert (lost.kind, gained.kind) == ("lost", "gained")
    assert lost.area_m2 == pytest.approx(24 * 30 * 100 * scale, rel=1e-3)
    x, y = GRID.affine * (27, 24)
    lon, lat = (
        GeoBox.from_bbox((x, y, x + 1, y + 1), "EPSG:32632", resolution=1).extent.to_crs("EPSG:4326").centroid.coords[0]
    )
    assert (lost.lon, lost.lat) == pytest.approx((lon, lat), abs=2e-4)


@pytest.mark.parametrize(("delta", "error", "believed"), [
    (0.19, 0.01, False),  # less than LEAST
    (0.21, 0.01, True),
    (0.29, 0.11, False),  # 1.96 sqrt(2) 0.11 = 0.305
    (0.31, 0.11, True),
])  # fmt: skip
def test_a_change_is_believed_beyond_both_thresholds(delta: float, error: float, believed: bool):
    rng = np.random.default_rng(0)
    before = np.full(GRID.shape, 0.6)
    after = before.copy()
    after[20:40, 20:40] -= delta
    found = change.measured(answer(before, rng, error=error), answer(after, rng, error=error), CITY)
    assert (found.codes == _measured.LOST).any() == believed


def test_small_patches_are_sieved_by_area():
    rng = np.random.default_rng(0)
    before = np.full(GRID.shape, 0.9)
    after = before.copy()
    after[10:13, 10:13] = 0.0  # nine pixels
    after[50:54, 50:53] = 0.0  # twelve
    for unit, left in ((1000.0, {12}), (0.0, {9, 12}), (2000.0, set[int]())):
        found = change.measured(answer(before, rng), answer(after, rng), CITY, mapping_unit_m2=unit)
        assert {round(one.area_m2 / 100) for one in found.patches} == left
        assert (found.codes == _measured.LOST).sum() == sum(left)
        assert found.threshold is not None
        assert round(found.threshold.sieved_m2 / 100) == 21 - sum(left)


def test_another_season_is_told():
    rng = np.random.default_rng(0)
    before = np.full(GRID.shape, 0.7)
    found = change.measured(answer(before, rng), answer(before - 0.1, rng), CITY)
    assert [one.code for one in found.warnings] == ["change-of-season"]
    assert found.warnings[0].text.startswith("the median change of all pixels is ")
    found = change.measured(answer(before, rng), answer(before - 0.02, rng), CITY)
    assert not found.warnings


def test_water_and_unseen_ground_are_not_compared(pair: tuple[Answer, Answer]):
    before, after = pair
    label = after.landcover.data["label"].copy()
    label[:10] = 2  # water
    fraction = before.landcover.data["green_fraction"].copy()
    fraction[:, :15] = np.nan
    before = replace(
        before, landcover=replace(before.landcover, data=before.landcover.data.assign(green_fraction=fraction))
    )
    after = replace(after, landcover=replace(after.landcover, data=after.landcover.data.assign(label=label)))
    for found in (change.measured(before, after, CITY), change.clusters(before, after, CITY)):
        assert (found.codes[:10] == NOT_COMPARED).all()
        assert (found.codes[:, :15] == NOT_COMPARED).all()
        assert (found.codes[20:100, 20:100] != NOT_COMPARED).all()


def test_what_cannot_be_compared_is_refused(pair: tuple[Answer, Answer]):
    before, after = pair
    other = replace(after, landcover=replace(after.landcover, grid=GRID.pad(1)))
    with pytest.raises(PlanError, match="different grids"):
        change.measured(before, other, CITY)
    bare = replace(after, landcover=replace(after.landcover, data=after.landcover.data.drop_vars("green_uncertainty")))
    with pytest.raises(PlanError, match="no standard error"):
        change.measured(before, bare, CITY)
    named = after.composite.data.assign_coords(band=["a", "b", "c"])
    with pytest.raises(PlanError, match="share no band"):
        change.clusters(before, replace(after, composite=replace(after.composite, data=named)), CITY)


def test_codes_count_from_least_to_most_changed(pair: tuple[Answer, Answer]):
    found = change.clusters(*pair, CITY, number=3)
    apart = np.abs(pair[1].landcover.data["green_fraction"].values - pair[0].landcover.data["green_fraction"].values)
    assert [one.code for one in found.classes] == [1, 2, 3]
    means = [apart[found.codes == code].mean() for code in (1, 2, 3)]
    assert all(one <= other + 0.05 for one, other in pairwise(means))


@pytest.mark.parametrize(
    ("shift", "told"), [((0, 0), ""), ((0, 1), ""), ((0, 2), "2 pixels away"), ((3, -4), "5 pixels away")]
)
def test_a_second_image_that_lies_elsewhere_is_told(ground, pair, shift, told):
    """Three pixels made 34 ha of Bolzano's green lost and 30 ha gained, without a word."""
    before, _ = pair
    after = answer(np.roll(ground, shift, (0, 1)), np.random.default_rng(3), gain=1.15, offset=0.02)
    found = [(one.code, one.text) for one in change.misplaced(before, after)]
    assert [code for code, _ in found] == ["change-misplaced"] * bool(told)
    assert told in "".join(text for _, text in found)


def test_images_without_a_band_in_common_cannot_be_told_to_lie_apart(pair):
    before, after = pair
    renamed = after.composite.data.assign_coords(band=["a", "b", "c"])
    assert list(change.misplaced(before, replace(after, composite=replace(after.composite, data=renamed)))) == []
