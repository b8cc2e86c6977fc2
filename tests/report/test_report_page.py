from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from howgreen import report
from howgreen.report._language import language
from howgreen.report._page import page
from howgreen.report._pictures import from_data, photo_rgb

EVIL = """<script>alert(1)</script>"><img src=x onerror=alert(2)>'; alert(3); //{{ 7*7 }} $x$"""
ADDRESSES = {"src", "href", "srcset", "data", "action", "poster", "xlink:href", "formaction", "background"}


class Reader(HTMLParser):
    """Collects tags, attributes and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def make_page(result, **extra):
    preview = from_data(result, longest_px=200)
    return page(result, report.summary(result).to_dict() | extra, preview, photo=photo_rgb(preview))


@pytest.fixture(scope="module")
def html(make):
    return make_page(make(120, 140))


def test_nothing_is_loaded(html):
    reader = Reader(html)
    for tag, attributes in reader.tags:
        assert tag not in {"link", "iframe", "object", "embed", "base"}
        for name in ADDRESSES & attributes.keys():
            if (tag, name) == ("a", "href"):  # followed by a person, not loaded
                continue
            assert (attributes[name] or "").startswith("data:image/"), (tag, name)
        assert not any(name.startswith("on") for name in attributes)
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL).group(1)
    assert "url(" not in style
    assert "@import" not in style
    links = [attributes["href"] for tag, attributes in reader.tags if tag == "a"]
    assert all(link.startswith(("https://", "#")) for link in links)
    script = re.search(r"<script>(.*?)</script>", html, re.DOTALL).group(1)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", script + style)


def test_policy_forbids_the_network(html):
    policy = next(a["content"] for tag, a in Reader(html).tags if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "script-src 'sha256-" in policy
    assert "http" not in policy


def test_headline_with_what_must_stand_beside_it(html, make):
    text = " ".join(Reader(html).text.replace("\xa0", " ").split())
    result = make(120, 140)
    low, high = result.stats.interval.low, result.stats.interval.high
    assert f"{100 * result.stats.green_ratio:.0f}%" in text
    assert f"between {100 * low:.0f} and {100 * high:.0f}% (95% interval)" in text
    assert f"Land that was seen{100 * result.stats.observed_ratio:.0f}%" in text.replace("seen ", "seen")
    assert "Satellite images5" in text.replace("images ", "images")
    assert "12 May – 11 Sep 2024" in text
    assert "in a place where it has not been checked" in text
    span = result.stats.interval
    assert result.stats.observed_ratio < 0.995
    assert f"{100 * span.model_low:.0f} to {100 * span.model_high:.0f}% of the land that was seen" in text
    assert f"{100 * span.unseen_low:.0f} to {100 * span.unseen_high:.0f}% of all the land" in text
    assert "Rivers, lakes and sea are left out." in text
    assert "In 19 of 20 places, we expect the true share to lie in this range. It allows for two things" in text


def test_synthetic_is_said_and_only_then(html, make):
    assert "SYNTHETIC" in html
    assert "SYNTHETIC" not in make_page(make(60, 70, synthetic=False))


def test_every_picture_and_drawing_has_a_text(html):
    for tag, attributes in Reader(html).tags:
        if tag == "img":
            assert attributes.get("alt")
        if tag == "svg":
            assert attributes.get("aria-hidden") or attributes.get("aria-label")


def test_strangers_names_stay_text(make):
    result = make(60, 70, label=EVIL, names=(EVIL, *"bcdef"))
    reader = Reader(make_page(result))
    assert sum(tag == "script" for tag, _ in reader.tags) == 1
    assert not any(name.startswith("on") for _, attributes in reader.tags for name in attributes)
    assert "49" not in re.findall(r"//(\S+)", reader.text)
    assert EVIL in reader.text
    assert EVIL in [a.get("data-name") for _, a in reader.tags]


def test_without_interval_districts_or_anything_seen(make):
    import dataclasses

    import numpy as np

    from howgreen import measure

    result = make(60, 70, error=False)
    city = dataclasses.replace(result.plan.city, districts=(), population=None)
    data = result.landcover.data
    dark = data.assign(label=data["label"] * 0 + np.uint8(255), green_fraction=data["green_fraction"] * np.nan)
    cover = dataclasses.replace(result.landcover, data=dark)
    zones = measure.green(cover, city)
    bare = dataclasses.replace(
        result,
        plan=dataclasses.replace(result.plan, city=city, scenes=(), passed_over=()),
        landcover=cover,
        stats=zones[0].stats,
        zones=measure.to_frame(zones),
        provenance={},
    )
    sea = dataclasses.replace(bare, stats=dataclasses.replace(zones[0].stats, land_area_m2=0.0, observed_ratio=None))
    text = Reader(make_page(sea)).text
    assert "no land" in text
    assert "All that the images show inside the limits is water." in text
    assert report.summary(sea).observed_ratio is None
    text = Reader(make_page(bare)).text
    assert "not seen" in text
    assert "No clear image shows any land" in text
    assert "District by district" not in text


@pytest.mark.parametrize(
    ("code", "sentence", "quoted"),
    [
        ("en", "15% more is dry vegetation", "Roughly another 15% is dry vegetation, which is not green."),
        ("de", "% mehr sind trockene Pflanzen", "% sind trockene Pflanzen, die nicht grün sind."),
        ("es", "% es vegetación seca", "% es vegetación seca, que no es verde."),
        (
            "fr",
            "% de plus sont de la végétation sèche",
            "% de plus environ sont de la végétation sèche, qui n’est pas verte.",
        ),
    ],
)
def test_dry_vegetation_stands_beside_the_green_where_there_is_much_of_it(make, code, sentence, quoted):
    result, words = make(60, 70), language(code)

    def told(share):
        found = report.summary(result).to_dict() | {"dry_ratio": share}
        preview = from_data(result, longest_px=80)
        return Reader(page(result, found, preview, photo=photo_rgb(preview), language=words)).text.replace("\u202f", "")

    for share in (None, 0.149):
        assert sentence.removeprefix("15") not in told(share)
    much = re.sub(r"[\s\u00a0]+(?=%)", "", told(0.15))
    assert sentence in much
    assert quoted in much


def test_truth_beside_the_estimate(make):
    result = make(60, 70)
    truth = {"green_ratio": 0.5, "error": result.stats.green_ratio - 0.5, "districts": {"Old Town": 0.123}}
    text = Reader(make_page(result, truth=truth)).text.replace("\xa0", " ")
    assert "50% of its land is green" in text
    assert f"{100 * (result.stats.green_ratio - 0.5):+.1f} points".replace("-", "−") in text
    assert "12%" in text


def test_size_stays_small(make):
    """1,600 pixels across with structure down to the pixel."""
    result = make(500, 1600, chunk=512)
    preview = from_data(result)
    html = page(result, report.summary(result).to_dict(), preview, photo=photo_rgb(preview))
    assert len(html) < 3_500_000  # so that a square one stays below 6 MB or so


def of_levels(result):
    """The same result with its first three districts on level 9 and the others on level 10."""
    import dataclasses

    own = [dataclasses.replace(one, level=9 + (n > 2)) for n, one in enumerate(result.plan.city.districts)]
    plan = dataclasses.replace(result.plan, city=dataclasses.replace(result.plan.city, districts=tuple(own)))
    zones = result.zones.copy()
    zones["level"] = zones["level"].where(zones["kind"] == "city", [8, *(one.level for one in own)])
    return dataclasses.replace(result, plan=plan, zones=zones)


def test_levels_of_districts_stand_apart_and_each_says_how_often_its_land_was_seen(make, html):
    result = of_levels(make(120, 140))
    shown = make_page(result)
    assert re.findall(r"<h3>(Level \d+ \(\d+\))</h3>", shown) == ["Level 9 (3)", "Level 10 (3)"]
    tables = re.findall(r'<table role="table" class="districts"[^>]*>.*?</table>', shown, re.DOTALL)
    assert [table.count('<tr role="row" data-row') for table in tables] == [3, 3]
    assert re.findall(r'<tr role="row" data-row="(\d+)"', "".join(tables)) == list("012345")
    mean = result.zones["clear_dates_mean"].iloc[1]
    assert f'data-value="{mean}"' in tables[0]
    assert "<h3>Level" not in html  # one level needs no title
    assert html.count('class="districts"') == 1


def test_how_often_each_pixel_was_seen_is_a_layer_of_the_map(html):
    assert '<img class="layer over" id="clear" src="data:image/png' in html
    assert 'data-layer="clear">Seen how often</button>' in html
    legend = html[html.index('data-of="clear"') :]
    assert "5 or more" in legend[: legend.index("</div>")]


def test_commands_are_code_and_options_do_not_break():
    from howgreen.report._links import linked

    assert str(linked("give `a <b>`, or `howgreen store add --mask`; try --area FILE or half-way")) == (
        "give `a &lt;b&gt;`, or <code>howgreen store add --mask</code>; try "
        '<span class="option">--area</span> FILE or half-way'
    )


@pytest.mark.parametrize(("kind", "start"), [("image footprint", "Die Fläche des Bildes"), ("city", "eThekwini:")])
def test_a_sentence_begins_with_a_capital_where_no_name_does(make, kind: str, start: str):
    from howgreen.report._quote import sentence

    found = report.summary(make(60, 70)).to_dict()
    found["city"] |= {"label": "eThekwini", "kind": kind}
    assert sentence(found, language("de")).startswith(start)


def test_the_page_does_not_call_another_file_itself(make):
    result = make(60, 70)
    preview = from_data(result)
    found = report.summary(result).to_dict() | {"files": {"summary.json": "this file"}}
    text = page(result, found, preview, photo=photo_rgb(preview))
    assert "this file" not in text
    assert "every figure, for programs" in text
