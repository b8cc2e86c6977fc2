"""An estimate leads the report: on the page, on the picture, and in what summary.json holds."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from howgreen.core import words
from howgreen.report._write import write
from howgreen.report.figures import DesignEstimate, EstimateFigures, PopulatedFigures, Summary


class Reader(HTMLParser):
    """Collects text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.feed(html)

    def handle_data(self, data):
        self.text += data


def words_of(html):
    return " ".join(Reader(html).text.replace("\xa0", " ").split())


def _seen(**change):
    """An estimate as it leads a report."""
    alone = DesignEstimate(ratio=0.58, low=0.52, high=0.64, level=0.95, se=0.03, df=130.0, method="mean")
    values = {
        "ratio": 0.61, "low": 0.58, "high": 0.64, "level": 0.95, "se": 0.015, "df": 120.0, "method": "difference estimator",
        "counted": "vegetation", "looked": 140, "drawn": 150, "readers": 2, "first_look": "2026-11-25", "last_look": "2026-11-27",
        "images": ("ortho, 2024-06, <b>City</b>",), "design": "stratified", "seed": 1, "dots": 9, "strata_bounds": (0.4,),
        "strata_weights": (0.5, 0.5), "frame_green": 0.5, "frame_land": 0.9, "sample_sha256": "ab" * 32, "without_map": alone,
        "two_phase": None, "kappa": 0.8,
    }  # fmt: skip
    return EstimateFigures(**{**values, **change})


def test_the_estimate_leads_and_the_maps_own_interval_moves_below(make, tmp_path):
    summary = write(make(120, 140), tmp_path / "out", estimate=_seen())
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    text = words_of(page)
    assert "61% ± 3 between 58 and 64% (95% interval): 140 places read by two people, and the map" in text
    own = summary.green_ratio
    assert f"The map alone gives {100 * own:.0f}%, between" in text
    assert text.index("The map alone") > text.index("140 places")
    assert (
        "140 of 150 places drawn at random were looked at. Design: stratified, seed 1; strata: 2; dots a place: 9."
        in text
    )
    assert "Looked at from 2026-11-25 to 2026-11-27." in text
    assert "<b>City</b>" not in page  # a stranger's text stays text
    assert "<title>How green is" in page
    assert "? 61" in page.partition("</title>")[0]
    assert summary.estimate == _seen()
    assert "61 % green ± 3 (95 % interval 58–64 %)" in repr(summary)
    assert Summary.from_dict(summary.to_dict()) == summary


def test_without_an_estimate_nothing_of_it_is_said(make, tmp_path):
    write(make(120, 140), tmp_path / "out")
    html = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "places read by" not in html
    assert "The map alone" not in html


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [(0.58, 0.64, "3"), (0.6, 0.618, "0.9"), (0.6, 0.6192, "1"), (0.99, 0.9905, "<0.1"), (0.4, 0.65, "12")],
)
def test_half_widths_as_people_say_them(low, high, text):
    assert words.half_width(low, high) == text


@pytest.mark.parametrize(
    ("places", "people", "text"),
    [
        (140, 2, "140 places read by two people, and the map"),
        (1, 1, "1 place read by one person, and the map"),
        (1200, 3, "1,200 places read by 3 people, and the map"),
    ],
)
def test_what_an_estimate_rests_on(places, people, text):
    assert words.rests_on(places, people) == text


def test_a_report_says_what_is_counted_if_not_all_vegetation(make, tmp_path):
    summary = write(make(120, 140), tmp_path / "out", estimate=_seen(counted="canopy"))
    assert "61 % under tree canopy ± 3" in repr(summary).replace("\xa0", " ")
    page = " ".join(Reader((tmp_path / "out" / "report.html").read_text()).text.split())
    assert "and the map; what is counted is canopy" in page
    assert "Crowns of trees cover 61% of them" in page
    assert "of the land of Testborough is under the crowns of trees" in page
    assert "The map knows all vegetation only, which is something else. The map alone gives" in page
    assert "Plants cover" not in page


def test_the_page_names_every_ground_that_green_is_compared_with(make, tmp_path):
    people = PopulatedFigures(source="people.tif", people=1000, cells=9, green_ratio=0.31, mean_green=0.27)
    summary = write(make(120, 140), tmp_path / "out", populated=people)
    over = summary.denominators
    assert over.headline == "observed"
    assert over.observed == summary.green_ratio
    assert over.land == pytest.approx(summary.green_area_m2 / summary.land_area_m2)
    assert over.total == pytest.approx(summary.green_area_m2 / summary.zone_area_m2)
    assert over.total <= over.land <= over.observed
    page = " ".join(Reader((tmp_path / "out" / "report.html").read_text()).text.split())
    assert "Where people live, it is 31%; around the average person, in their own cell of people.tif, 27%" in page
