"""Agreement against figures worked out by hand, and against properties that any count must have."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
import shapely
import xarray as xr
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from odc.geo.geobox import GeoBox

from howgreen.compare import Map, agree
from howgreen.compare._legends import GREEN, NOT_GREEN, UNKNOWN, WATER
from howgreen.core.agreement import BOTH, NEITHER, NOT_COMPARED, ONLY_OURS, ONLY_THEIRS, Agreement, MapInfo
from howgreen.core.errors import ImageError
from howgreen.core.models import ModelCard, ModelClass
from howgreen.core.types import City, District, LandCover

GRID = GeoBox((4, 6), Affine(10, 0, 680_000, 0, -10, 5_150_040), "EPSG:32632")
CARD = ModelCard(
    name="m", version="1", description="", bands=("red",), resolution_m=10, normalisation="", tile_px=1, halo_px=0,
    stride_px=1, scores={}, reference_error=None, training_data="", licence="",
    classes=(
        ModelClass(code=0, name="green", green=True, colour="#000000"),
        ModelClass(code=1, name="grey", green=False, colour="#000000"),
        ModelClass(code=2, name="water", green=False, colour="#000000"),
    ),
)  # fmt: skip
INFO = MapInfo(key="other", label="Other", source="other.tif", detail="", licence="")


def on_earth(rows, columns):
    """The limits of whole pixels, a little inside their edges."""
    x, y = 680_000 + 10 * np.array(columns), 5_150_040 - 10 * np.array(rows)
    part = shapely.box(x[0] + 0.5, y[1] + 0.5, x[1] - 0.5, y[0] - 0.5)
    from pyproj import Transformer

    move = Transformer.from_crs("EPSG:32632", "EPSG:4326", always_xy=True).transform
    return shapely.transform(part, lambda p: np.column_stack(move(p[:, 0], p[:, 1])))


def city(boundary, *districts, land=None):
    parts = tuple(District(name=f"d{n}", id=f"d:{n}", boundary=shape) for n, shape in enumerate(districts))
    return City(name="c", label="C", id="c", boundary=boundary, crs="EPSG:32632", area_m2=1, districts=parts, land=land)


def ours(label, fraction, chunks=None):
    data = xr.Dataset(
        {
            "label": (("y", "x"), np.asarray(label, np.uint8)),
            "green_fraction": (("y", "x"), np.asarray(fraction, np.float32)),
        }
    )
    return LandCover(data=data.chunk(chunks) if chunks else data, grid=GRID, card=CARD)


def theirs(kinds):
    kinds = np.asarray(kinds, np.uint8)

    @contextmanager
    def opened():
        def block(place):
            row, column = round((5_150_040 - place.transform.f) / 10), round((place.transform.c - 680_000) / 10)
            return kinds[row : row + place.shape[0], column : column + place.shape[1]]

        yield block

    return Map(info=INFO, open=opened)


class Kept:
    def __init__(self):
        self.map = np.full(GRID.shape, 77, np.uint8)

    def __call__(self, row, column, categories):
        self.map[row : row + categories.shape[0], column : column + categories.shape[1]] = categories


LABEL = [[0, 0, 1, 1, 2, 2], [0, 0, 1, 1, 2, 255], [0, 1, 1, 0, 0, 1], [0, 0, 0, 0, 0, 0]]
FRACTION = [[1, 0.6, 0.4, 0, 0, 0], [0.5, 1, 0, 0.2, 0, np.nan], [1, 0.4, 0, 1, 1, 0], [1, 1, 1, 1, 1, 1]]
N, G, W, U = NOT_GREEN, GREEN, WATER, UNKNOWN
KINDS = [[G, N, N, G, W, N], [G, G, N, N, G, G], [W, G, N, U, G, N], [N, N, N, N, N, N]]
# Worked out by hand for the first three rows, the city; nothing of the fourth counts.
EXPECTED = np.array(
    [
        [BOTH, ONLY_OURS, NEITHER, ONLY_THEIRS, 255, 255],
        [BOTH, BOTH, NEITHER, NEITHER, 255, 255],
        [255, ONLY_THEIRS, NEITHER, 255, BOTH, NEITHER],
        [255] * 6,
    ],
    np.uint8,
)


def test_every_pixel_gets_the_category_worked_out_by_hand():
    kept = Kept()
    (found,) = agree(ours(LABEL, FRACTION), city(on_earth((0, 3), (0, 6))), theirs(KINDS), keep=kept)
    assert NOT_COMPARED == 255
    np.testing.assert_array_equal(kept.map, EXPECTED)
    # 12 pixels of 100 m2 compared: 4 both, 1 only ours, 2 only theirs, 5 neither; we saw 14 of land.
    areas = (found.both_m2, found.only_ours_m2, found.only_theirs_m2, found.neither_m2, found.observed_m2)
    assert areas == (400, 100, 200, 500, 1400)
    assert found.our_green_m2 == pytest.approx(100 * (1 + 0.6 + 0.4 + 0 + 0.5 + 1 + 0 + 0.2 + 0.4 + 0 + 1 + 0))
    assert (found.water_only_ours_m2, found.water_only_theirs_m2) == (200, 100)
    assert found.compared_ratio == pytest.approx(12 / 14)
    assert (found.our_pixel_ratio, found.their_ratio) == (pytest.approx(5 / 12), pytest.approx(6 / 12))
    assert found.difference == pytest.approx(5.1 / 12 - 6 / 12)
    assert found.overall_agreement == pytest.approx(9 / 12)
    # By chance: 5/12 x 6/12 + 7/12 x 6/12 = 1/2; kappa = (3/4 - 1/2) / (1/2) = 1/2.
    assert found.kappa == pytest.approx(0.5)
    assert found.f1 == pytest.approx(8 / 11)


@pytest.mark.parametrize("chunks", [{"y": 1, "x": 6}, {"y": 3, "x": 4}, {"y": 4, "x": 1}])
def test_the_chunks_change_nothing(chunks):
    kept, place = Kept(), city(on_earth((0, 3), (0, 6)), on_earth((0, 2), (1, 3)))
    whole = agree(ours(LABEL, FRACTION), place, theirs(KINDS))
    found = agree(ours(LABEL, FRACTION, chunks), place, theirs(KINDS), keep=kept)
    np.testing.assert_array_equal(np.where(kept.map == 77, 255, kept.map), EXPECTED)
    for one, other in zip(found, whole, strict=True):
        assert vars(one) == pytest.approx(vars(other))


def test_districts_that_fill_the_city_sum_to_it():
    place = city(on_earth((0, 3), (0, 6)), on_earth((0, 3), (0, 2)), on_earth((0, 3), (2, 6)))
    first, left, right = agree(ours(LABEL, FRACTION), place, theirs(KINDS))
    assert (left.kind, right.name) == ("district", "d1")
    for name, value in vars(first).items():
        if name.endswith("_m2"):
            assert getattr(left, name) + getattr(right, name) == pytest.approx(value)


def test_the_sea_is_in_no_figure():
    place = city(on_earth((0, 3), (0, 6)), land=on_earth((0, 3), (0, 3)))
    kept = Kept()
    (found,) = agree(ours(LABEL, FRACTION), place, theirs(KINDS), keep=kept)
    np.testing.assert_array_equal(kept.map[:, 3:], 255)
    np.testing.assert_array_equal(kept.map[:3, :3], EXPECTED[:3, :3])
    assert found.water_only_ours_m2 == 0


def test_a_map_of_elsewhere_is_an_error_that_names_it():
    with pytest.raises(ImageError, match=r"other\.tif: shows no land that we saw in C; give the part of Other"):
        agree(ours(LABEL, FRACTION), city(on_earth((0, 3), (0, 6))), theirs(np.full((4, 6), UNKNOWN)))


COUNT = st.integers(0, 50)


@given(COUNT, COUNT, COUNT, COUNT)
def test_kappa_and_f1_are_those_of_the_confusion_matrix(both, only_ours, only_theirs, neither):
    """Parity with the definitions over the matrix, as scikit-learn has them (sum over the diagonal and the margins)."""
    one = Agreement(
        name="", id="", kind="city", observed_m2=1, both_m2=both, only_ours_m2=only_ours, only_theirs_m2=only_theirs,
        neither_m2=neither, our_green_m2=0, water_only_ours_m2=0, water_only_theirs_m2=0,
    )  # fmt: skip
    matrix = np.array([[neither, only_theirs], [only_ours, both]], float)
    total = matrix.sum()
    if not total:
        assert one.kappa is one.f1 is one.overall_agreement is one.difference is None
        return
    expected = np.outer(matrix.sum(axis=1), matrix.sum(axis=0)) / total
    weights = 1 - np.eye(2)
    off = (weights * expected).sum()
    if off == 0:
        assert one.kappa is None
    else:
        assert one.kappa == pytest.approx(1 - (weights * matrix).sum() / off, abs=1e-9)
    assert one.overall_agreement == pytest.approx(np.trace(matrix) / total)


@given(arrays(np.uint8, (4, 6), elements=st.sampled_from([N, G, W, U])))
def test_a_map_that_is_ours_agrees_wholly(kinds):
    label = np.select([kinds == W, kinds == U], [2, 255], 0)
    fraction = np.where(kinds == G, 1.0, np.where(kinds == U, np.nan, 0.0))
    whole = city(on_earth((0, 4), (0, 6)))
    if not np.isin(kinds, (N, G)).any():
        return
    (found,) = agree(ours(label, fraction), whole, theirs(kinds))
    assert found.overall_agreement == found.compared_ratio == 1
    assert found.difference == 0
    assert found.our_ratio == np.mean(kinds[np.isin(kinds, (N, G))] == G)
