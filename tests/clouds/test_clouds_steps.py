"""What size, other dates and the sun say of cells."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from howgreen import clouds
from howgreen.clouds import CLEAR_CELL, CLOUD_CELL, SHADOW_CELL, SNOW_CELL, Look, steps

SIDE = 60
DAY = date(2024, 7, 1)
GROUND = 0.06
WHOLE = np.s_[:, :]


def look(
    veil: float = 0.0,
    *,
    visible: float = GROUND,
    at=WHOLE,
    shadow=None,
    nir: float = 0.3,
    snow: bool = False,
    dark: float = 0.9,
) -> Look:
    """A date of even ground with one patch under a veil, or in shadow."""
    chance = np.zeros((5, SIDE, SIDE))
    light, near = np.full((SIDE, SIDE), GROUND), np.full((SIDE, SIDE), 0.3)
    chance[4 if snow else 2][at], light[at] = veil, visible
    if shadow is not None:
        chance[3][shadow], near[shadow] = dark, nir
    chance[0] = 1 - chance.sum(axis=0)
    return Look(
        probability=np.rint(chance * 255).astype(np.uint8),
        visible=light.astype(np.float32),
        nir=near.astype(np.float32),
    )


def together(*looks: Look, latitude: float = 45.0) -> list[np.ndarray]:
    return clouds.together(looks, cell_m=40, latitude=latitude, days=[DAY] * len(looks))


def alone(one: Look) -> np.ndarray:
    return together(one)[0]


PATCH = np.s_[20:30, 20:30]


@pytest.mark.parametrize(("veil", "code"), [(0.39, CLEAR_CELL), (0.41, CLOUD_CELL)])
def test_a_veil_of_04_is_cloud(veil, code):
    found = alone(look(veil, visible=0.3, at=PATCH))
    assert (found[PATCH] == code).all()
    assert (np.delete(found, np.s_[20:30], axis=0) == CLEAR_CELL).all()


@pytest.mark.parametrize(("rows", "code"), [(1, CLEAR_CELL), (2, CLOUD_CELL)])
def test_what_no_square_of_80_m_fits_into_is_no_cloud(rows, code):
    at = np.s_[20 : 20 + rows, 10:50]
    assert (alone(look(0.9, visible=0.3, at=at))[at] == code).all()


@pytest.mark.parametrize(("rows", "columns", "code"), [(4, 6, CLEAR_CELL), (5, 5, CLOUD_CELL)])
def test_what_covers_less_than_four_hectares_is_no_cloud_by_its_colour(rows, columns, code):
    at = np.s_[20 : 20 + rows, 20 : 20 + columns]  # 24 and 25 cells of 0.16 ha
    assert (alone(look(0.9, visible=0.3, at=at))[at] == code).all()


@pytest.mark.parametrize(("visible", "code"), [(0.64, CLEAR_CELL), (0.66, CLOUD_CELL)])
def test_what_no_ground_reaches_is_cloud_whatever_its_colour(visible, code):
    assert (alone(look(0.0, visible=visible, at=PATCH))[PATCH] == code).all()


def test_snow_is_told_from_cloud():
    assert (alone(look(0.9, visible=0.6, at=PATCH, snow=True))[PATCH] == SNOW_CELL).all()


@given(st.integers(3, 12), st.integers(3, 12), st.integers(0, 40), st.integers(0, 40))
def test_an_opening_never_adds_and_keeps_what_is_large(height, width, top, left):
    chance = np.zeros((SIDE, SIDE), np.float32)
    chance[top : top + height, left : left + width] = 1
    for cell_m in (40, 60):
        opened = steps.opened(chance, cell_m=cell_m)
        np.testing.assert_array_equal(opened, chance)
    chance[:] = 0
    chance[top + 1, left : left + width] = 1  # at the edge it may be part of something larger
    assert not steps.opened(chance, cell_m=40).any()


# ---- a single date

FEW = np.s_[44:50, 44:50]
"""36 cells: at 80 m, 23 ha, of which the shadow falls up to 2.5 km to the upper left, within the picture."""
UPPER_LEFT = np.s_[30:38, 34:42]
LOWER_RIGHT = np.s_[52:58, 52:58]


def at_80_m(one: Look, *others: Look) -> np.ndarray:
    return clouds.together([one, *others], cell_m=80, latitude=45.0, days=[DAY] * (1 + len(others)))[0]


@pytest.mark.parametrize(("shadow", "code"), [(None, CLEAR_CELL), (LOWER_RIGHT, CLEAR_CELL), (UPPER_LEFT, CLOUD_CELL)])
def test_a_small_patch_without_a_shadow_where_it_would_fall_is_roofs(shadow, code):
    one = look(0.7, visible=0.4, at=FEW, shadow=shadow, nir=0.05)
    assert (at_80_m(one)[FEW] == code).all()


@pytest.mark.parametrize(("veil", "code"), [(0.79, CLEAR_CELL), (0.81, CLOUD_CELL)])
def test_what_is_bright_beyond_doubt_needs_no_shadow(veil, code):
    assert (at_80_m(look(veil, visible=0.4, at=FEW))[FEW] == code).all()


@pytest.mark.parametrize(("count", "code"), [(46, CLEAR_CELL), (47, CLOUD_CELL)])
def test_what_covers_30_hectares_needs_no_shadow(count, code):
    cells = np.arange(count)  # of 0.64 ha
    at = (49 - cells // 6, 44 + cells % 6)
    assert (at_80_m(look(0.7, visible=0.4, at=at))[at] == code).all()


@pytest.mark.parametrize("hidden", ["outside", "no data"])
def test_a_shadow_that_cannot_be_seen_is_not_missed(hidden):
    at = np.s_[10:16, 10:16] if hidden == "outside" else FEW
    one = look(0.7, visible=0.4, at=at)
    if hidden == "no data":
        one.visible[30:34, 30:34] = np.nan
    assert (at_80_m(one)[at] == CLOUD_CELL).all()


@pytest.mark.parametrize(("dark", "code"), [(0.49, CLEAR_CELL), (0.51, CLOUD_CELL)])
def test_what_is_more_probably_shadow_than_not_is_dark(dark, code):
    one = look(0.7, visible=0.4, at=FEW, shadow=UPPER_LEFT, nir=0.05, dark=dark)
    assert (at_80_m(one)[FEW] == code).all()


@pytest.mark.parametrize(("away", "code"), [(2480, CLOUD_CELL), (2640, CLEAR_CELL)])
def test_the_shadow_of_a_small_cloud_is_looked_for_within_two_and_a_half_kilometres(away, code):
    """Along the way that shadows fall; what is dark farther away belongs to something else."""
    reach = steps.BESIDE_CELLS + 1  # the dark cell's own, on the edge of what the cloud's upper left cell reaches
    down, right = steps.away_from_sun(45.0, DAY)
    top, left = round(44 + away / 80 * down), round(44 + away / 80 * right)
    corner = np.s_[top - reach + 1, left]
    assert (at_80_m(look(0.7, visible=0.4, at=FEW, shadow=corner, nir=0.05))[FEW] == code).all()


def test_with_a_second_date_no_shadow_is_asked_for():
    thin = look(0.5, visible=0.4, at=FEW)
    assert (at_80_m(thin, look())[FEW] == CLOUD_CELL).all()


@pytest.mark.parametrize(("veil", "told"), [(0.045, False), (0.055, True)])
def test_a_date_may_lie_under_an_even_veil_from_005_on(veil, told):
    one = look(veil, visible=0.12)
    cells = alone(one)
    assert (cells == CLEAR_CELL).all()
    assert clouds.evenly_veiled(one, cells) is told
    half = look(veil, visible=0.12, at=np.s_[:29])
    assert not clouds.evenly_veiled(half, alone(half))


def test_what_is_found_to_be_cloud_is_no_veil_over_the_rest():
    one = look(0.9, visible=0.4, at=np.s_[:45])
    assert not clouds.evenly_veiled(one, alone(one))
    overcast = look(0.9, visible=0.4)
    assert not clouds.evenly_veiled(overcast, alone(overcast))


# ---- a stack


def test_a_place_as_bright_on_another_clear_date_is_a_roof():
    bright = look(0.9, visible=0.5, at=PATCH)
    first, second = together(bright, bright)
    assert (first == CLEAR_CELL).all()
    assert (second == CLEAR_CELL).all()


@pytest.mark.parametrize(("more", "code"), [(0.041, CLEAR_CELL), (0.044, CLOUD_CELL)])
def test_as_bright_is_within_003_and_20_percent(more, code):
    first, _ = together(look(0.9, visible=GROUND + more, at=PATCH), look())
    assert (first[PATCH] == code).all()


@pytest.mark.parametrize(("more", "code"), [(0.054, CLEAR_CELL), (0.056, CLOUD_CELL)])
def test_light_that_one_date_adds_is_haze_from_004_and_25_percent(more, code):
    first, second = together(look(0.2, visible=GROUND + more, at=PATCH), look())
    assert (first[PATCH] == code).all()
    assert (second == CLEAR_CELL).all()


@pytest.mark.parametrize(("veil", "code"), [(0.09, CLEAR_CELL), (0.11, CLOUD_CELL)])
def test_ground_that_became_brighter_is_no_haze_where_its_colour_speaks_against_it(veil, code):
    first, _ = together(look(veil, visible=0.2, at=PATCH), look())
    assert (first[PATCH] == code).all()


@pytest.mark.parametrize(("dates", "ground"), [(3, 0.02), (4, 0.06)])
def test_of_four_and_more_dates_the_second_darkest_tells_what_the_ground_looks_like(dates, ground):
    """One date may lie in a shadow that nothing tells."""
    others = [look(visible=visible) for visible in (0.02, 0.06, 0.07, 0.08)[:dates]]
    assert steps._darkest(others) == pytest.approx(ground)


@pytest.mark.parametrize(("rows", "kept"), [(29, True), (31, False)])
def test_a_date_that_is_half_clouded_does_not_tell_what_the_ground_looks_like(rows, kept):
    """Two dates under the same bright sky: only what a mostly clear date shows as bright is ground."""
    sky = look(0.9, visible=0.4, at=np.s_[:rows])
    first, _ = together(sky, sky)
    assert bool((first[5:20] == CLEAR_CELL).all()) is kept


def test_two_overcast_dates_do_not_make_each_other_clear():
    for found in together(look(0.9, visible=0.5), look(0.9, visible=0.5)):
        assert (found == CLOUD_CELL).all()


def test_where_no_other_date_has_data_the_colour_decides():
    beside = look()
    beside.visible[PATCH] = np.nan
    first, _ = together(look(0.9, visible=0.4, at=PATCH), beside)
    assert (first[PATCH] == CLOUD_CELL).all()


@pytest.mark.parametrize(("veil", "dates", "found"), [(0.59, 3, False), (0.61, 3, True), (0.9, 2, False)])
def test_beside_another_mask_only_what_is_strong_and_not_there_on_two_other_dates_counts(veil, dates, found):
    hazy = look(veil, visible=0.2, at=PATCH)
    first, *others = clouds.moved([hazy, *[look()] * (dates - 1)], cell_m=40)
    assert bool(first[PATCH].all()) is found
    assert not np.delete(first, np.s_[20:30], axis=0).any()
    assert not any(one.any() for one in others)


@pytest.mark.parametrize(("cells", "found"), [(2, False), (3, True)])
def test_beside_another_mask_what_no_square_of_120_m_fits_into_is_none(cells, found):
    at = np.s_[20 : 20 + cells, 10:50]
    first, *_ = clouds.moved([look(0.9, visible=0.2, at=at), look(), look()], cell_m=40)
    assert bool(first[at].all()) is found
    assert bool(first.any()) is found


def test_beside_another_mask_a_roof_that_stays_is_none():
    roof = look(0.9, visible=0.5, at=PATCH)
    assert not any(one.any() for one in clouds.moved([roof] * 4, cell_m=40))


# ---- shadow


def test_in_the_morning_shadows_fall_to_the_north_west_and_south_of_the_equator_to_the_south_west():
    down, right = steps.away_from_sun(45.0, DAY)
    assert down < 0 < -right
    down, right = steps.away_from_sun(-35.0, DAY)
    assert down > 0 > right


def test_shadows_fall_by_the_sun_at_half_past_ten():
    """At an equinox the sun stands as far east of south as tan(hour) / sin(latitude) says."""
    for latitude in (30, 45, 60):
        east = np.arctan(np.tan(np.radians(22.5)) / np.sin(np.radians(latitude)))
        found = steps.away_from_sun(latitude, date(2023, 3, 22))
        assert found == pytest.approx((-np.cos(east), -np.sin(east)), abs=0.01)


@pytest.mark.parametrize(("cell_m", "cells"), [(40, 125), (80, 62), (400, 12)])
def test_a_shadow_falls_within_five_kilometres_and_three_cells_to_its_sides(cell_m, cells):
    side = 170
    wide = np.zeros((side, side), bool)
    wide[160, 160] = True
    reach = steps._cast(wide, round(steps.FARTHEST_M / cell_m), (-1.0, 0.0))
    rows, columns = np.nonzero(reach)
    assert 160 - rows.min() == cells + 3
    assert (160 - columns.min(), columns.max() - 160) == (3, 3)
    assert rows.max() == 163


def shaded(top: int, *, nir: float = 0.1, cloud: bool = True):
    at = np.s_[top : top + 8, 18:26]
    return look(0.9 if cloud else 0.0, visible=0.4 if cloud else GROUND, at=np.s_[40:50, 30:40], shadow=at, nir=nir), at


def test_dark_ground_is_shadow_only_where_a_clouds_falls():
    beyond, at = shaded(25)
    assert (alone(beyond)[at] == SHADOW_CELL).mean() > 0.5
    before, at = shaded(52)  # towards the sun
    assert (alone(before)[at] == CLEAR_CELL).all()
    without, at = shaded(25, cloud=False)
    assert (alone(without)[at] == CLEAR_CELL).all()


@pytest.mark.parametrize(("nir", "dark"), [(0.235, True), (0.245, False)])
def test_with_other_dates_shadow_has_to_be_darker_than_usual(nir, dark):
    one, at = shaded(25, nir=nir)
    first, _ = together(one, look())
    assert bool((first[at] == SHADOW_CELL).mean() > 0.5) is dark
