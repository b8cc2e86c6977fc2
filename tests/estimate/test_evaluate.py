"""Answers in, everything that can be said out: with readers who know the truth, err, cannot tell, or mix their files up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from affine import Affine
from msgspec.structs import replace as replace_
from odc.geo.geobox import GeoBox

from howgreen.core.errors import EstimateError
from howgreen.estimate.answers import (
    COUNTED,
    GOLD,
    KINDS,
    Answer,
    agreement,
    counted,
    in_order,
    read_answers,
    to_agree_on,
    write_answers,
)
from howgreen.estimate.drawing import draw
from howgreen.estimate.evaluate import evaluate, may_show, share_of_area
from howgreen.estimate.frame import Frame, FrameDistrict

GRID = GeoBox((60, 80), Affine(10, 0, 600_000, 0, -10, 5_100_000), "EPSG:32632")
LIMITS = shapely.box(600_000, 5_099_400, 600_800, 5_100_000)
RNG = np.random.default_rng(12)
TREES = RNG.beta(0.5, 0.5, (60, 80))
WATER = np.zeros((60, 80), bool)
WATER[50:, :20] = True
TRUE_RATIO = float(TREES[~WATER].mean())


@pytest.fixture(scope="module")
def frame():
    mapped = np.where(WATER, 0, np.clip(TREES + RNG.normal(0.04, 0.12, TREES.shape), 0, 1)).astype(np.float32)
    columns = np.broadcast_to(np.arange(80), (60, 80))
    parts = [
        FrameDistrict(
            name=f"D{i}", shape=shapely.box(600_000 + 200 * i, 5_099_400, 600_200 + 200 * i, 5_100_000),
            cover=((columns >= 20 * i) & (columns < 20 * (i + 1))).astype(np.float32),
        )
        for i in range(4)
    ]  # fmt: skip
    return Frame(
        place="Testville", place_id="x", plan_sha256="p", grid=GRID, shape=LIMITS, cover=np.ones((60, 80), np.float32), green=mapped,
        land=np.where(WATER, 0, 1).astype(np.float32), map_rmse=0.12, districts=tuple(parts),
    )  # fmt: skip


def look(sample, unit, reader="ann", *, wrong=0.0, unknown=0.0, rng=None, minute=0):
    """One look of a reader who counts dots, errs and cannot tell with given chances."""
    rng = rng or np.random.default_rng([unit, *reader.encode()])
    one = sample.units[unit - 1]
    dots = dict.fromkeys(KINDS, 0)
    for _ in range(sample.dots):
        kind = (
            "water" if WATER[one.row, one.column] else "tree" if rng.random() < TREES[one.row, one.column] else "built"
        )
        if rng.random() < wrong and kind != "water":
            kind = "built" if kind == "tree" else "tree"
        dots["unknown" if rng.random() < unknown else kind] += 1
    return Answer(
        unit=unit, reader=reader, dots={k: n for k, n in dots.items() if n}, time=f"2026-11-27T12:{minute:02d}:00Z"
    )


def looks(sample, count=None, **options):
    return [look(sample, unit.unit, **options) for unit in sample.units[:count]]


def test_the_estimate_holds_the_truth_and_beats_the_map(frame):
    sample = draw(frame, looks=150, seed=3)
    found = evaluate(sample, looks(sample))
    assert found.headline.low <= TRUE_RATIO <= found.headline.high
    assert found.headline.half_width < found.plain.half_width
    assert found.headline.half_width < 0.05
    bias = float(frame.green[~WATER].mean()) - TRUE_RATIO
    assert found.map_errors.bias.low <= bias * (~WATER).mean() <= found.map_errors.bias.high
    assert found.cover["water"].low <= WATER.mean() <= found.cover["water"].high
    assert set(found.cover) == {"tree", "built", "water"}
    assert found.map_errors.classes.users["water"].value == 1
    assert (found.looked, found.skipped, found.untold, found.readers) == (150, (), (), ("ann",))


def test_after_thirty_looks_the_sample_is_sized_anew(frame):
    sample = draw(frame, looks=300, dots=9, seed=3, design="simple")
    assert evaluate(sample, looks(sample, 29)).looks_in_all == {}
    early = evaluate(sample, looks(sample, 60)).looks_in_all
    assert early[5] < early[3] < early[2]
    wanted = early[3]
    found = evaluate(sample, looks(sample, min(wanted, 300))).headline
    assert found.half_width == pytest.approx(0.03, rel=0.3)


def test_the_share_of_some_kinds_is_of_the_whole_area_with_its_water(frame):
    sample = draw(frame, looks=200, dots=9, seed=5)
    answers = looks(sample)
    whole = share_of_area(sample, answers, ("tree", "built", "water"))
    assert whole.ratio == pytest.approx(1)
    one = share_of_area(sample, answers, ("tree", "water"))
    assert one.low <= np.where(WATER, 1, TREES).mean() <= one.high
    assert one.ratio == pytest.approx(
        share_of_area(sample, answers, ("tree",)).ratio + share_of_area(sample, answers, ("water",)).ratio
    )


def test_estimates_of_many_samples_are_unbiased_and_cover(frame):
    ratios, covered = [], 0
    for seed in range(120):
        sample = draw(frame, looks=60, seed=seed)
        found = evaluate(sample, looks(sample, rng=np.random.default_rng(seed))).headline
        ratios.append(found.ratio)
        covered += found.low <= TRUE_RATIO <= found.high
    assert np.mean(ratios) == pytest.approx(TRUE_RATIO, abs=4 * np.std(ratios) / np.sqrt(120))
    assert covered >= 105  # 95 % of 120 is 114; fewer than 105 happens once in 10,000


def test_the_order_lets_looking_stop_early(frame):
    sample = draw(frame, looks=200, seed=4)
    found = evaluate(sample, looks(sample, 70))
    assert found.headline.low <= TRUE_RATIO <= found.headline.high
    assert found.looked == 70
    skipped = [one for one in looks(sample, 70) if one.unit not in (5, 9)]
    assert evaluate(sample, skipped).skipped == (5, 9)


def test_cannot_tell_is_told_as_bounds(frame):
    sample = draw(frame, looks=100, seed=5)
    answers = looks(sample, unknown=0.2)
    answers[7] = Answer(unit=answers[7].unit, reader="ann", dots={"unknown": 9})
    found = evaluate(sample, answers)
    assert found.bounds.unknown_share == pytest.approx(0.2, abs=0.06)
    assert found.bounds.low < found.headline.low < found.headline.high < found.bounds.high
    assert found.untold == (answers[7].unit,)
    assert evaluate(sample, looks(sample)).bounds is None


def test_two_readers_agree_on_gold(frame):
    sample = draw(frame, looks=200, seed=6)
    first = looks(sample, reader="ann", wrong=0.1, minute=1)
    second = [look(sample, u.unit, "bob", wrong=0.1, minute=2) for u in sample.units if u.twice]
    both = [*first, *second]
    found = evaluate(sample, both)
    assert found.two_phase is None
    assert found.agreement.units == 40
    assert found.agreement.kappa_low < found.agreement.kappa < found.agreement.kappa_high <= 1
    chosen = to_agree_on(in_order(both), seed=sample.seed)
    assert set(agreement(in_order(both)).disagreements) <= set(chosen)
    truth = [replace(look(sample, unit), reader=GOLD) for unit in chosen]
    agreed = evaluate(sample, [*both, *truth])
    if len(chosen) >= 10:
        assert agreed.two_phase.low <= TRUE_RATIO <= agreed.two_phase.high
        assert agreed.two_phase.half_width > agreed.headline.half_width
    assert agreed.readers == ("ann", "bob")
    assert evaluate(sample, [*both, *truth[1:]]).two_phase is None or len(chosen) > 11


@pytest.mark.parametrize(("apart", "chosen"), [(0, 30), (8, 30), (17, 34), (40, 40)])
def test_disagreements_and_as_many_others_come_back_and_thirty_in_all(frame, apart, chosen):
    sample = draw(frame, looks=200, seed=6)
    twice = [u.unit for u in sample.units if u.twice]
    told = [replace(look(sample, unit, "ann", minute=1), dots={"tree": 9}) for unit in twice]
    others = [
        replace(one, reader="bob", dots={"built": 9} if i < apart else {"tree": 9}, time=one.time[:-3] + "59Z")
        for i, one in enumerate(told)
    ]
    readings = in_order([*told, *others])
    assert len(agreement(readings).disagreements) == apart
    found = to_agree_on(readings, seed=1)
    assert set(agreement(readings).disagreements) <= set(found)
    assert len(found) == chosen


def test_readers_errors_in_a_table(frame):
    sample = draw(frame, looks=60, seed=8)
    found = evaluate(sample, looks(sample))
    for row in found.reader_errors:
        # p_obs = p (1 - e) + (1 - p) e, the other way round
        assert row.ratio * (1 - 2 * row.error) + row.error == pytest.approx(found.headline.ratio)
    assert [row.error for row in found.reader_errors] == [0.02, 0.05, 0.10]


def test_districts_have_their_own_estimate_or_the_maps(frame):
    sample = draw(frame, looks=160, seed=9, by_district=True)
    found = evaluate(sample, looks(sample))
    assert [one.from_map for one in found.districts] == [False] * 4
    for i, one in enumerate(found.districts):
        block = (slice(None), slice(20 * i, 20 * (i + 1)))
        truth = float(TREES[block][~WATER[block]].mean())
        assert one.low - 0.02 <= truth <= one.high + 0.02
    few = evaluate(sample, looks(sample, 44))
    poor = [one for one in few.districts if one.from_map]
    assert all(one.looks < 10 for one in poor)
    for one in poor:
        assert one.low is None or one.high - one.low > 0.02


def test_a_systematic_sample_is_as_wide_as_the_map_says(frame):
    sample = draw(frame, looks=60, seed=4, design="systematic")
    alone, met = (evaluate(replace_(sample, systematic_effect=effect), looks(sample)) for effect in (0.0, 4.0))
    assert met.plain.se == pytest.approx(2 * alone.plain.se)
    assert met.headline.se == alone.headline.se


def test_regression_stands_beside_the_headline_where_the_map_can_help(frame):
    sample = draw(frame, looks=60, seed=4)
    found = evaluate(sample, looks(sample))
    assert found.by_regression is not None
    assert abs(found.by_regression.ratio - found.headline.ratio) < 2 * found.headline.se
    assert evaluate(sample, looks(sample), count="canopy").by_regression is None


def test_when_an_interval_may_be_shown(frame):
    stratified, simple = draw(frame, looks=100, seed=1), draw(frame, looks=100, seed=1, design="simple")
    assert [may_show(simple, looks(simple, n)) for n in (19, 20)] == [False, True]
    assert not may_show(stratified, looks(stratified, 29))
    enough = next(n for n in range(30, 100) if may_show(stratified, looks(stratified, n)))
    counts = np.bincount([u.stratum for u in stratified.units[:enough]], minlength=len(stratified.weights))
    assert counts.min() >= 5
    alike = [replace(one, dots={"tree": 9}) for one in looks(simple, 40)]
    assert not may_show(simple, alike)


def test_answers_travel_through_a_table(frame, tmp_path):
    sample = draw(frame, looks=30, seed=2)
    answers = looks(sample, unknown=0.1)
    (tmp_path / "a.csv").write_text(write_answers(answers, sample))
    assert read_answers([tmp_path / "a.csv"], sample) == tuple(answers)
    semicolons = write_answers(answers, sample).replace(",", ";")
    (tmp_path / "b.csv").write_text("\ufeff" + semicolons, encoding="utf-8")
    assert read_answers([tmp_path / "b.csv"], sample) == tuple(answers)


@pytest.mark.parametrize(
    ("head", "by", "ends"), [("", "\t", "\n"), ("sep=;\r\n", ";", "\r\n"), ("", ",", "\r\n"), ("\ufeff", ";", "\r")]
)
def test_what_spreadsheets_make_of_a_table_is_the_same_table(frame, tmp_path, head, by, ends):
    sample = draw(frame, looks=30, seed=2)
    answers = looks(sample, unknown=0.1)
    text = head + write_answers(answers, sample).replace(",", by).replace("\n", ends)
    (tmp_path / "a.csv").write_bytes(text.encode())
    assert read_answers([tmp_path / "a.csv"], sample) == tuple(answers)


def test_one_name_written_in_two_ways_does_not_make_two_readers(frame, tmp_path):
    sample = draw(frame, looks=30, seed=2)
    answers = [*looks(sample), look(sample, 3, "Ann ")]
    (tmp_path / "a.csv").write_text(write_answers(answers, sample))
    with pytest.raises(EstimateError, match="row 32: reader 'Ann' is called 'ann' elsewhere"):
        read_answers([tmp_path / "a.csv"], sample)


def test_without_times_the_order_of_rows_decides_nothing(frame):
    """Who looked at more places comes first then, whichever file or row is read before."""
    sample = draw(frame, looks=30, seed=2)
    ann, bob = looks(sample), looks(sample, 9, reader="abe", wrong=0.5)
    answers = [replace(one, time="") for one in (*ann, *bob)]
    assert in_order(answers) == in_order(answers[::-1])
    assert {one.reader for one in in_order(answers[::-1]).first.values()} == {"ann"}


@pytest.mark.parametrize(
    ("edit", "word"),
    [
        (lambda rows: rows[1].__setitem__(1, "feedfacecafe"), "belongs to sample"),
        (lambda rows: rows[1].__setitem__(0, "31"), "unit 31 is none"),
        (lambda rows: rows[1].__setitem__(0, "0"), "unit 0 is none"),
        (lambda rows: rows[1].__setitem__(0, "one"), "is no whole number"),
        (lambda rows: rows[1].__setitem__(2, ""), "has no reader"),
        (lambda rows: rows[1].__setitem__(4, "99"), "dots, and unit"),
        (lambda rows: rows[1].__setitem__(4, "-1"), "is no whole number"),
        (lambda rows: rows[1].__setitem__(4, "0.5"), "is no whole number"),
        (lambda rows: rows.append(rows[1]), "was answered by 'ann' before"),
        (lambda rows: rows[1].append("more"), "more fields than the header"),
        (lambda rows: rows[0].__setitem__(1, "smaple"), "has no column sample"),
        (lambda rows: rows.__delitem__(slice(1, None)), "holds no answers"),
    ],
)
def test_tables_that_cannot_be_are_one_line(frame, tmp_path, edit, word):
    sample = draw(frame, looks=30, seed=2)
    rows = [line.split(",") for line in write_answers(looks(sample, 3), sample).splitlines()]
    edit(rows)
    (tmp_path / "a.csv").write_text("\n".join(",".join(row) for row in rows))
    with pytest.raises(EstimateError, match=word) as error:
        read_answers([tmp_path / "a.csv"], sample)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"", b"\x00\x00", b"a,b\n1,2\n"])
def test_files_that_are_no_tables(frame, tmp_path, content):
    sample = draw(frame, looks=30, seed=2)
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(EstimateError):
        read_answers([tmp_path / "a.csv"], sample)
    with pytest.raises(EstimateError, match="cannot be read"):
        read_answers([tmp_path / "none.csv"], sample)


def test_three_readers_are_too_many(frame):
    sample = draw(frame, looks=30, seed=2)
    with pytest.raises(EstimateError, match="three people"):
        in_order([look(sample, 1, name) for name in ("a", "b", "c")])


def test_nobody_could_tell_anything(frame):
    sample = draw(frame, looks=30, seed=2)
    with pytest.raises(EstimateError, match="nobody has looked at a place"):
        evaluate(sample, [Answer(unit=1, reader="a", dots={"unknown": 9})])


def test_kappa_of_a_known_table():
    """Fleiss, Levin & Paik's kind of table: 40 both, 30 neither, 10 and 20 apart."""
    pairs = [(1, 1)] * 40 + [(0, 0)] * 30 + [(1, 0)] * 10 + [(0, 1)] * 20
    answers = []
    for unit, (a, b) in enumerate(pairs, start=1):
        answers += [
            Answer(unit=unit, reader=r, dots={"tree" if v else "built": 1}, time=r) for r, v in (("a", a), ("b", b))
        ]
    found = agreement(in_order(answers))
    assert found.kappa == pytest.approx(0.4)
    # statsmodels.stats.inter_rater.cohens_kappa (0.15) gives std_kappa 0.08979977728
    assert (found.kappa_high - found.kappa) / 1.96 == pytest.approx(0.08979977728, abs=1e-9)
    assert found.mean_difference == pytest.approx(0.1)


def test_dots_one_by_one_must_be_those_counted(frame, tmp_path):
    sample = draw(frame, looks=30, seed=2)
    good = Answer(unit=1, reader="a", dots={"tree": 8, "water": 1}, pattern="ttttwtttt")
    (tmp_path / "a.csv").write_text(write_answers([good], sample))
    assert read_answers([tmp_path / "a.csv"], sample) == (good,)
    (tmp_path / "a.csv").write_text(write_answers([replace(good, pattern="ttttttttt")], sample))
    with pytest.raises(EstimateError, match="not those that it counts"):
        read_answers([tmp_path / "a.csv"], sample)


def test_what_is_counted_decides_the_headline(frame):
    """A third of the green dots are crops, and another third grass: each definition against its own truth."""
    sample = draw(frame, looks=200, seed=5)
    answers = []
    for one in looks(sample):
        green = one.dots.get("tree", 0)
        parts = {"tree": green - 2 * (green // 3), "grass": green // 3, "crop": green // 3}
        rest = {kind: n for kind, n in one.dots.items() if kind != "tree"}
        answers.append(replace(one, dots={kind: n for kind, n in (parts | rest).items() if n}))
    found = {what: evaluate(sample, answers, count=what) for what in COUNTED}
    ratios = {what: one.headline.ratio for what, one in found.items()}
    assert ratios["vegetation"] > ratios["vegetation-without-cropland"] > ratios["canopy"]
    crop, grass = (found["vegetation"].cover[kind].ratio for kind in ("crop", "grass"))
    plain = {what: one.plain.ratio for what, one in found.items()}
    land = 1 - found["vegetation"].cover["water"].ratio
    assert plain["vegetation"] - plain["vegetation-without-cropland"] == pytest.approx(crop / land)
    assert plain["vegetation-without-cropland"] - plain["canopy"] == pytest.approx(grass / land)
    for what, one in found.items():
        assert one.counted == what
        assert one.definitions == found["vegetation"].definitions
        assert one.definitions[what] == one.headline
        assert one.map_errors == found["vegetation"].map_errors  # the map shows all vegetation
        assert one.of_total.ratio == pytest.approx(one.plain.ratio * land)
    assert "the map" in found["vegetation"].headline.method
    assert "the map" not in found["canopy"].headline.method
    assert found["canopy"].districts == tuple(one for one in found["canopy"].districts if not one.from_map)


def dotted(sample, unit, reader, *, low=0.0, high=0.0, minute=0):
    """One look, dot by dot: a reader who calls bare dots green, and green ones bare, with given chances."""
    one = sample.units[unit - 1]
    truth = np.random.default_rng([unit, 77])
    rng = np.random.default_rng([unit, *reader.encode()])
    letters = []
    for _ in range(sample.dots):
        green, turn = truth.random() < TREES[one.row, one.column], rng.random()
        if WATER[one.row, one.column]:
            letters.append("w")
        else:
            letters.append("t" if (green and turn >= high) or (not green and turn < low) else "u")
    pattern = "".join(letters)
    return Answer(
        unit=unit, reader=reader, dots=counted(pattern), time=f"2026-11-27T12:{minute:02d}:00Z", pattern=pattern
    )


def test_the_readers_error_rates_are_found_and_taken_out(frame):
    """One reader calls a fifth of the green bare: agreed answers tell it, dot by dot. What the interval holds: see the estimators' tests."""
    held, plain, rates = 0, 0, []
    for seed in range(6):
        sample = draw(frame, looks=500, seed=100 + seed)
        both = [dotted(sample, u.unit, "ann", low=0.02, high=0.2, minute=1) for u in sample.units]
        both += [dotted(sample, u.unit, "bob", minute=2) for u in sample.units if u.twice]
        gold = [replace(dotted(sample, unit, "bob"), reader=GOLD) for unit in to_agree_on(in_order(both), seed=seed)]
        found = evaluate(sample, [*both, *gold])
        if found.corrected is None:
            continue
        rates.append((found.corrected.bare_as_green, found.corrected.green_as_bare))
        held += found.corrected.estimate.low <= TRUE_RATIO <= found.corrected.estimate.high
        plain += found.headline.low <= TRUE_RATIO <= found.headline.high
    assert np.mean(rates, axis=0) == pytest.approx([0.02, 0.2], abs=0.06)
    assert len(rates) >= 3
    assert held >= len(rates) - 1
    assert plain <= 0.1 * len(rates)
    assert evaluate(sample, both).corrected is None  # nobody agreed on anything
    assert evaluate(sample, [*both, *(replace(one, pattern="") for one in gold)]).corrected is None  # nobody told dots
