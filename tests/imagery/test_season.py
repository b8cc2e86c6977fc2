"""Which months of a year are the greenest, measured on simulated years of known greenness."""

from datetime import date

import numpy as np
import pytest
from shapely import box

from howgreen.core.types import Period
from howgreen.imagery import look, measure_season
from howgreen.imagery.catalog._season import LEAST_SEEN_PCT, MOST_A_MONTH, NEAR_PEAK, greenest, month_levels

WEST, NORTH = 600_000.0, 5_200_000.0
YEAR = Period.parse("2024")
FIRST = date(2024, 6, 1)
"""Day 0 of the images that conftest makes."""
NORTHERN = [0.2, 0.2, 0.25, 0.4, 0.6, 0.7, 0.72, 0.69, 0.55, 0.4, 0.3, 0.2]
MEDITERRANEAN = [0.4, 0.46, 0.52, 0.54, 0.42, 0.3, 0.22, 0.2, 0.21, 0.26, 0.32, 0.36]
TROPICS = [0.4, 0.33, 0.28, 0.25, 0.35, 0.55, 0.7, 0.76, 0.78, 0.74, 0.6, 0.48]
SOUTHERN = [0.7, 0.66, 0.5, 0.4, 0.3, 0.25, 0.22, 0.25, 0.35, 0.5, 0.6, 0.69]


@pytest.fixture
def city(make_city):
    return make_city(box(WEST, NORTH - 600, WEST + 600, NORTH))


@pytest.fixture
def image(make_scene):
    """An image of 60 x 60 pixels with a given NDVI in its left and right half, and cloud in some columns."""

    def make(day, left, right=None, *, cloudy=slice(0)):
        ndvi = np.full((60, 60), left)
        ndvi[:, 30:] = left if right is None else right
        nir = np.full((60, 60), 3000.0)
        codes = np.full((60, 60), 4, np.uint8)
        codes[:, cloudy] = 9
        red = nir * (1 - ndvi) / (1 + ndvi)
        red[codes == 9] = nir[codes == 9] = 6000
        bands = {"red": red.round().astype(np.uint16), "nir": nir.astype(np.uint16), "scl": codes}
        return make_scene(bands, day=(day - FIRST).days)

    return make


def of_year(image, curve, *, start=date(2024, 1, 1), days=(10, 20)):
    """Two images a month with the greenness of a curve that begins with a month."""
    made = []
    for number, ndvi in enumerate(curve):
        month = (start.month - 1 + number) % 12 + 1
        year = start.year + (start.month - 1 + number) // 12
        made += [image(date(year, month, day), ndvi) for day in days]
    return made


@pytest.mark.parametrize(
    ("curve", "start", "first", "last"),
    [
        (NORTHERN, date(2024, 1, 1), date(2024, 6, 1), date(2024, 8, 31)),
        (MEDITERRANEAN, date(2024, 1, 1), date(2024, 3, 1), date(2024, 4, 30)),
        (TROPICS, date(2024, 1, 1), date(2024, 8, 1), date(2024, 10, 31)),
        # From July on, so that the summer of the south is not cut in two.
        (SOUTHERN[6:] + SOUTHERN[:6], date(2023, 7, 1), date(2023, 12, 1), date(2024, 2, 29)),
    ],
    ids=["north", "mediterranean", "tropics", "south"],
)
def test_the_greenest_months_of_a_year_are_found_wherever_they_lie(image, city, curve, start, first, last):
    searched = Period.green_year(-33 if start.year == 2023 else 50, 2024)
    scenes = look(of_year(image, curve, start=start), city=city)
    period, season = measure_season(scenes, city=city, searched=searched)
    assert (period.start, period.end) == (first, last)
    assert [one.greenness for one in season.months] == pytest.approx(curve, abs=0.002)
    assert {one.dates for one in season.months} == {2}
    assert [one.month for one in season.months if one.taken] == [
        one.month for one in season.months if first <= one.month <= last
    ]
    assert season.read_bytes == 0  # files on this computer


def test_a_month_that_shows_only_the_wood_is_not_greener_for_it(image, city):
    """The left half is wood (+0.3 all year). In May only the wood is clear; its NDVI is then above the whole place's in July."""
    scenes = [
        image(date(2024, 5, 10), 0.75, 0.45, cloudy=slice(30, 60)),
        image(date(2024, 7, 10), 0.85, 0.55),
        image(date(2024, 9, 10), 0.6, 0.3),
    ]
    period, season = measure_season(look(scenes, city=city), city=city, searched=YEAR)
    assert (period.start, period.end) == (date(2024, 7, 1), date(2024, 7, 31))
    assert [one.greenness for one in season.months] == pytest.approx([0.6, 0.7, 0.45], abs=0.01)
    assert [round(one.seen_pct) for one in season.months] == [50, 100, 100]


def test_clouds_within_the_mask_do_not_count_and_a_hazy_date_is_outvoted(image, city):
    scenes = [image(date(2024, 6, day), ndvi) for day, ndvi in ((5, 0.7), (15, 0.3), (25, 0.7))]
    scenes += [image(date(2024, 4, 5), 0.4), image(date(2024, 5, 5), 0.6, cloudy=slice(0, 45))]
    _, season = measure_season(look(scenes, city=city), city=city, searched=YEAR)
    assert [one.greenness for one in season.months] == pytest.approx([0.4, 0.6, 0.7], abs=0.005)


@pytest.mark.parametrize(("cloudy", "compared"), [(47, True), (49, False)])
def test_a_month_of_which_little_was_seen_is_not_compared(image, city, cloudy, compared):
    """So many of sixty columns cloudy: a fifth is twelve."""
    assert LEAST_SEEN_PCT == 20
    scenes = [image(date(2024, 6, 5), 0.5), image(date(2024, 8, 5), 0.8, cloudy=slice(0, cloudy))]
    period, season = measure_season(look(scenes, city=city), city=city, searched=YEAR)
    assert (season.months[1].greenness is not None) is compared
    assert period.start == (date(2024, 8, 1) if compared else date(2024, 6, 1))


def test_no_more_than_the_clearest_dates_of_a_month_are_read(image, city, monkeypatch):
    from howgreen.imagery.catalog import _season

    read = []
    whole = _season._ndvi
    monkeypatch.setattr(_season, "_ndvi", lambda scene, *rest: read.append(scene.id) or whole(scene, *rest))
    scenes = [image(date(2024, 6, day), 0.5, cloudy=slice(0, 10 * (day % 2))) for day in range(1, 8)]
    _, season = measure_season(look(scenes, city=city), city=city, searched=YEAR)
    assert season.months[0].dates == len(read) == MOST_A_MONTH == 3
    assert set(read) == {scenes[1].id, scenes[3].id, scenes[5].id}


def test_a_file_that_cannot_be_read_costs_its_date_alone(image, city):
    from pathlib import Path

    scenes = look([image(date(2024, 6, 5), 0.5), image(date(2024, 7, 5), 0.8)], city=city)
    broken = next(scene for scene in scenes if scene.time.month == 7)
    Path(broken.asset("nir").href).write_bytes(b"II*\0")
    period, season = measure_season(scenes, city=city, searched=YEAR)
    assert [one.month.month for one in season.months] == [6]
    assert period.start == date(2024, 6, 1)


def test_nothing_clear_leaves_the_period_as_it_was(city):
    period, season = measure_season([], city=city, searched=YEAR)
    assert (period, season.months) == (YEAR, ())
    assert "no month of the year" in season.in_words()


def test_what_is_read_over_the_web_is_counted_to_the_byte(far, make_city):
    from far import scene
    from howgreen.imagery import shared_files

    place = make_city(box(600_000, 5_200_000 - 5120, 605_120, 5_200_000))
    with shared_files():
        scenes = look([scene(far.url), scene(far.url, 1)], city=place)
        before = far.count()["bytes"]
        _, season = measure_season(scenes, city=place, searched=YEAR)
        assert 0 < season.read_bytes == far.count()["bytes"] - before
        _, again = measure_season(scenes, city=place, searched=YEAR)
        assert again.read_bytes == 0  # what was fetched serves whoever comes next
    assert season.months[0].dates == 2


def months(*numbers):
    return [date(2024, number, 1) for number in numbers]


def test_the_season_is_the_run_around_the_greenest_month_and_ends_at_a_gap():
    near, far = 0.7 - NEAR_PEAK + 1e-9, 0.7 - NEAR_PEAK - 1e-6
    assert greenest(months(4, 5, 6, 7), np.array([near, near, 0.7, far])) == tuple(months(4, 5, 6))
    assert greenest(months(4, 6, 7), np.array([0.7, 0.7, 0.6])) == tuple(
        months(4)
    )  # of equals the first; May is not known
    assert greenest(months(4, 5), np.array([np.nan, np.nan])) == ()
    assert greenest([date(2023, 12, 1), date(2024, 1, 1)], np.array([0.7, 0.69])) == (
        date(2023, 12, 1),
        date(2024, 1, 1),
    )


def test_month_levels_are_exact_where_months_and_pixels_add_up():
    random = np.random.default_rng(8)
    truth, pixels = random.uniform(0.2, 0.7, 12), random.uniform(-0.2, 0.2, 400)
    planes = (truth[:, None] + pixels - pixels.mean()).astype(np.float32)
    holes = random.random(planes.shape) < 0.6
    planes[holes] = np.nan
    levels = month_levels(planes)
    np.testing.assert_allclose(levels - levels.mean(), truth - truth.mean(), atol=1e-3)
    assert levels.mean() == pytest.approx(truth.mean(), abs=0.01)
    np.testing.assert_array_equal(month_levels(planes[:0]), [])
