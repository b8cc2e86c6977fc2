"""The judges are right about models whose errors are known, and the simulation looks like real land."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("prosail")

from howgreen.core.sensors import LANDSAT, SENTINEL2
from howgreen.landcover import load_model
from howgreen.training import calibrate, canopy, evaluate, judges, mixtures, references, shipped_page
from howgreen.training.evaluate import Reference
from howgreen.training.judges import Ground
from howgreen.training.spectra import read_materials, read_responses

pytestmark = pytest.mark.train
TEN = SENTINEL2.band_names


def _half(rows):
    return np.full(len(rows), 0.5)


def test_errors_of_fractions_by_hand():
    green = np.array([0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 0.5, 0.5])
    bands = np.arange(8.0)[:, None]
    reference = Reference(reflectance=bands, bands=("red",), green=green, group=("x",) * 8, cluster=np.arange(8) // 2)
    found = judges.fraction_figures(0.5 * green + 0.3, reference)
    missed = 0.3 - 0.5 * green
    assert found["bias"] == pytest.approx(missed.mean())
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean(missed**2)))
    assert found["slope"] == pytest.approx(2), "answers drawn to the middle by half"
    assert found["by_brightness"] == pytest.approx(
        [missed[:2].mean(), missed[2:4].mean(), missed[4:6].mean(), missed[6:].mean()]
    )
    by_two = missed.reshape(4, 2).mean(axis=1)
    assert found["bias_se"] == pytest.approx(by_two.std(ddof=1) / 2)
    assert found["slope_se"] == pytest.approx(0, abs=1e-9), "every draw has the same slope"
    apart = judges.fraction_figures(0.5 * green + 0.3, replace(reference, cluster=None))
    assert apart["by_brightness_se"] == pytest.approx([abs(a - b) / 2 for a, b in missed.reshape(4, 2)]), "of two each"


def test_cities_of_a_climate_count_as_one():
    points = {
        f"{climate} {n}": error for climate, error in (("arid", 6.0), ("boreal", 2.0), ("wet", -1.0)) for n in range(4)
    }
    found = judges.over_cities(points)
    assert (found["rms"], found["worst"]) == (pytest.approx(np.sqrt(41 / 3)), 6)
    one_each = judges.over_cities({name: error for name, error in points.items() if name.endswith(" 0")})
    assert found == pytest.approx(one_each)
    # Two of three climates are drawn: the worst is 6 in 5 of 9 draws, 2 in 3, 1 in 1.
    worst = np.array([6] * 5 + [2] * 3 + [1])
    assert found["worst_se"] == pytest.approx(worst.std(), rel=0.08)


def test_a_mixing_line_is_as_bent_as_its_worst_share():
    assert judges.worst_of_line(judges.SHARES) == 0
    bent = judges.SHARES.copy()
    bent[3] += 0.17
    assert judges.worst_of_line(bent) == pytest.approx(0.17)
    # Ten plants over ten grounds, bent at one share by as much as the ground says: as sure as ten grounds.
    each = np.random.default_rng(7).normal(0.3, 0.05, 10)
    members = np.stack([part.ravel() for part in np.mgrid[:10, :10]], axis=1)
    answers = judges.SHARES + np.zeros((100, 1))
    answers[:, 5] += each[members[:, 1]]
    line = judges._line(answers, members)
    assert line.worst == pytest.approx(each.mean())
    assert line.worst_se == pytest.approx(each.std(ddof=1) / np.sqrt(10), rel=0.08)


@pytest.mark.real
def test_a_model_that_says_one_half_is_judged_as_such(shared_data):
    ground = Ground(shared_data)
    pure = judges.pure_means(_half, TEN, ground=ground)
    assert {"Freiburg, trees", "Muenster, built", "Aberystwyth, water", "Southern Bug, steppe"} <= pure.keys()
    assert all(figure["mean"] == 0.5 for figure in pure.values())
    assert not any(name.startswith("Tabasco") for name in pure), "Landsat has no red edge"
    assert any(name.startswith("Tabasco") for name in judges.pure_means(_half, ("red", "nir"), ground=ground))
    water = judges.water_and_plants(_half, TEN, ground=ground)
    assert all(abs(figure["mean"]) < 0.02 for figure in water.values()), "shares of plants are even from 0 to 1"
    lines = judges.mixing_lines(_half, TEN, data=shared_data, ground=ground)
    assert len(lines) == 16
    assert all(line.worst == pytest.approx(0.5) and line.worst_se == pytest.approx(0) for line in lines.values())
    alike = judges.look_alikes(_half, TEN, data=shared_data)
    assert "cloth" not in alike, "it was measured to 1,000 nm only"
    cloth = judges.look_alikes(_half, ("red", "nir"), data=shared_data)["cloth"]
    assert (cloth["mean"], cloth["n"], cloth["clusters"]) == (0.5, 50, 5), "five files of ten spectra"


@pytest.mark.real
@pytest.mark.parametrize("name", ["mixture-10", "mixture-6", "mixture-4"])
def test_half_of_the_dry_plants_that_people_measured_are_found_by_every_mixture(shared_data, name):
    """2.0.0 of ten bands found a sixth of them, and took the rest for bare ground."""
    model = load_model(name)
    told = shipped_page.dry_of(model)
    found = judges.dry_plants(told, model.card.bands, ground=Ground(shared_data), sensor=shipped_page.sensor_of(model))
    assert found["Australia"]["true"]["mean"] == pytest.approx(0.516, abs=0.001)
    assert abs(found["Australia"]["bias"]) < 0.17
    assert found["Freiburg, built"]["mean"] < 0.05
    nothing = judges.dry_plants(lambda rows: 1e-6 * rows[:, 0], model.card.bands, ground=Ground(shared_data))
    assert nothing["Australia"]["bias"] == pytest.approx(-0.516, abs=0.001)


@pytest.mark.real
def test_places_are_those_whose_truth_people_saw_and_no_town(shared_data):
    ground = Ground(shared_data)
    ten = judges.place_errors(_half, TEN, ground=ground, count=500)
    assert [place.place.split(",")[0] for place in ten] == ["Potsdam", "Freiburg", "Muenster", "Aberystwyth"]
    six = judges.place_errors(_half, LANDSAT.band_names, ground=ground, sensor=LANDSAT, count=500)
    assert {"Australian rangeland", "Texas"} <= {place.place.split(",")[0] for place in six}
    assert all(0 < place.standard_error < 0.2 and place.clusters >= 18 for place in (*ten, *six))


@pytest.mark.real
def test_a_model_that_has_been_in_a_place_is_judged_there_by_its_untaught_twin(shared_data):
    """Four bands: Australia's error is the twin's, every other place's the model's own."""

    def grey(rows):
        return np.zeros(len(rows))

    four = ("blue", "green", "red", "nir")
    ground = Ground(shared_data)
    own = judges.place_errors(_half, four, ground=ground, count=300)
    told = judges.place_errors(_half, four, ground=ground, untaught=grey, count=300)
    changed = [one.place for one, other in zip(own, told, strict=True) if one != other]
    assert changed == ["Australian rangeland, measured in the field"]
    assert next(place.error for place in told if place.place in changed) == pytest.approx(
        -ground.australia.green.mean()
    )


@pytest.mark.real
def test_sites_that_teach_never_judge(shared_data):
    kept, taught = (references.read_australia(shared_data, kept=kept) for kept in (True, False))
    assert not set(kept.cluster.tolist()) & set(taught.cluster.tolist())
    assert len(kept.green) + len(taught.green) == 2590
    drawn = references.field_pixels(shared_data, 400, rng=np.random.default_rng(0))
    np.testing.assert_allclose(drawn.shares.sum(axis=1), 1)
    assert drawn.green.max() < references._SPARSE + 0.05
    # Green, red: changed by a few per cent only, so each drawn pixel has its site near by; of the kept sites it has none.
    near = np.abs(drawn.reflectance[:, None, 3:] / taught.reflectance[None, :, 3:] - 1).max(axis=2).min(axis=1)
    far = np.abs(drawn.reflectance[:, None, 3:] / kept.reflectance[None, :, 3:] - 1).max(axis=2).min(axis=1)
    assert near.mean() < 0.7 * far.mean()


@pytest.mark.real
def test_mixtures_tell_their_polygons(shared_data):
    city = calibrate.cities_of([evaluate.read_germany(shared_data)])["Muenster"]
    mixed, polygons = calibrate.traced_mixtures(city, without=mixtures.WATER, count=300)
    assert polygons.shape == (300, 3)
    wet = set(city.cluster[city.code == mixtures.WATER].tolist())
    assert not wet & set(polygons.ravel().tolist())
    assert ((mixed.green > 0.01) & (mixed.green < 0.99)).mean() > 0.3


@pytest.mark.real
def test_simulated_plants_are_as_bright_as_real_ones(shared_data):
    """5, 50 and 95 % of the near-infrared, and the median of the short-wave infrared, of pure pixels as a satellite sees them.

    Texas's trees are left out: its pixels of 2 m hold the shade between single crowns, as no pixel of 10 m does.
    """
    responses = read_responses(shared_data)
    rng = np.random.default_rng(20)
    measured = references.end_members(shared_data, bands=responses.bands)
    world = mixtures.surfaces(read_materials(shared_data), responses, per_kind=120, rng=rng, measured=measured)
    ground = Ground(shared_data)
    habitats, habitat = ground.habitats
    cities = list(ground.cities.values())
    places = {mixtures.TREE: cities, mixtures.LOW: [*cities, references.read_texas(shared_data)]}
    wild = {mixtures.TREE: ("T1H", "T11", "T13", "T19", "T1E", "S35", "S36"), mixtures.LOW: ("R21", "R36")}
    for code, names in wild.items():
        real = [place.reflectance[place.code == code] for place in places[code]]
        real += [habitats.reflectance[np.isin(habitat, names)]]
        pool = np.concatenate([part[rng.integers(0, len(part), 1500)] for part in real])
        pure = np.eye(len(mixtures.CLASSES))[np.full(6000, code)]
        made = mixtures.mix_of(world, pure, rng=rng).reflectance
        near, short = TEN.index("nir08"), TEN.index("swir16")
        found, wanted = (np.quantile(values[:, near], (0.05, 0.5, 0.95)) for values in (made, pool))
        np.testing.assert_allclose(found, wanted, atol=0.03 if code == mixtures.TREE else 0.055)
        assert abs(found[1] - wanted[1]) < 0.05
        assert abs(np.median(made[:, short]) - np.median(pool[:, short])) < 0.05


@pytest.mark.real
@pytest.mark.parametrize(
    ("code", "kinds"),
    [(mixtures.TREE, ("broadleaf", "street tree", "conifer")), (mixtures.LOW, ("grass", "crop"))],
)
def test_plants_of_the_kinds_that_real_places_hold_are_as_bright_in_the_short_wave_infrared(
    shared_data, monkeypatch, code, kinds
):
    """5, 50 and 95 % at 1,610 nm; no real pure class here holds the shrubs, buds and parched grass that make all of them brighter."""
    table = canopy.TREES if code == mixtures.TREE else canopy.LOW
    name = "TREES" if code == mixtures.TREE else "LOW"
    monkeypatch.setattr(canopy, name, {kind: table[kind] for kind in kinds})
    responses, rng = read_responses(shared_data), np.random.default_rng(20)
    world = mixtures.surfaces(read_materials(shared_data), responses, per_kind=60, rng=rng)
    ground = Ground(shared_data)
    habitats, habitat = ground.habitats
    wild = ("T1H", "T11", "T13", "T19", "T1E", "S35", "S36") if code == mixtures.TREE else ("R21", "R36")
    places = [*ground.cities.values(), *([] if code == mixtures.TREE else [references.read_texas(shared_data)])]
    real = [place.reflectance[place.code == code] for place in places]
    real += [habitats.reflectance[np.isin(habitat, wild)]]
    pool = np.concatenate([part[rng.integers(0, len(part), 1500)] for part in real])
    made = mixtures.mix_of(world, np.eye(len(mixtures.CLASSES))[np.full(6000, code)], rng=rng).reflectance
    found, wanted = (np.quantile(values[:, TEN.index("swir16")], (0.05, 0.5, 0.95)) for values in (made, pool))
    np.testing.assert_allclose(found, wanted, atol=0.055)
