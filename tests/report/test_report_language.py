"""The page in other languages: nothing is missing, nothing bypasses the catalogues, and right to left works."""

from __future__ import annotations

import ast
import dataclasses
import json
import re
from datetime import date
from pathlib import Path

import pytest
import sentences

import howgreen
from howgreen import report
from howgreen.cli.cities import city_command
from howgreen.core.text import truncate_list
from howgreen.core.warnings import CODES, Caution
from howgreen.landcover.model import models
from howgreen.report._details import CARDS, TEMPLATES, detail, patterns, pieces
from howgreen.report._language import ENGLISH, LANGUAGES, Language, catalogue, language
from howgreen.report._page import page
from howgreen.report._pictures import from_data, photo_rgb
from howgreen.report._templates import environment
from messages import of_report as messages

FOREIGN = [code for code in LANGUAGES if code != "en"]
PLACES = re.compile(r"%\(\w+\)s|\{\w+\}")
MARKS = re.compile(r"</?\w+>")


class Anything(dict):
    """Fills every place of a text."""

    def __missing__(self, key):
        return "7"


ALONE = re.compile(r"(?<![\u00a0\u202f])(?:[;!?»]|:(?!\w))|«(?![\u00a0\u202f])|(?<=[\w)]) %(?!\()")
"""What French sets apart by a blank that no line breaks at; a colon within a word (EPSG:3035) is none of its own."""


def _forms(code):
    for folder in ("report", "batch"):
        for forms in catalogue(code, folder=folder).values():
            yield from (forms,) if isinstance(forms, str) else forms


def test_french_sets_its_signs_apart_by_a_blank_that_does_not_break():
    web = Path(howgreen.__file__).parent / "web"
    of_pages = json.loads((web / "serve" / "static" / "i18n" / "fr.json").read_text(encoding="utf-8"))
    of_looking = json.loads((web / "label-words.json").read_text(encoding="utf-8"))["fr"]
    texts = [*_forms("fr"), *of_pages.values(), *of_looking.values()]
    assert len(texts) > 500
    assert [text for text in texts if ALONE.search(MARKS.sub("", text).replace("%%", "%"))] == []
    assert all(map(ALONE.search, ("Avant: 2023", "Avant : 2023", "vert ?", "« vert\u00a0»", "45 %")))
    assert not any(
        map(ALONE.search, ("Avant\u00a0: 2023", "EPSG:3035", "«\u00a0vert\u00a0»", "45\u00a0%", "%(n)s", ".tif"))
    )


@pytest.mark.parametrize("code", [code for code in FOREIGN if code != "fr"])
def test_no_other_language_parts_its_signs(code):
    assert [text for text in _forms(code) if re.search(r"\s[;!?:»](?!\w)|(?<=[\w)]) %%", text)] == []


def test_no_template_writes_a_sign_of_its_own_behind_a_value():
    """A colon behind a value is the language's: ``{{ tell.colon }}``; what stands in a marked text is its translation's."""
    folder = Path(report.__file__).parent
    found = []
    for path in [*sorted((folder / "sections").glob("*.html")), folder.parent / "batch" / "ranking.html"]:
        html = re.sub(
            r"\{% trans.*?endtrans %\}|\{#.*?#\}|<style>.*?</style>|<span\{\{ english.*?</span>",
            "",
            path.read_text(encoding="utf-8"),
        )
        html = re.sub(r"style=\"[^\"]*\"", "", html)
        found += [f"{path.name}: {one}" for one in re.findall(r"(?:\}\}|%\})(?:</\w+>)*[:;!?](?=\s|<|\")", html)]
    assert found == []


def test_the_command_line_offers_these_languages():
    (option,) = (one for one in city_command.params if one.name == "language")
    assert set(option.type.choices) == set(LANGUAGES)


@pytest.mark.parametrize("code", FOREIGN)
def test_no_text_is_missing_or_left_over(code):
    """To mend a catalogue: ``python tests/messages.py``, then write what it lists."""
    assert set(catalogue(code)) == set(messages())


@pytest.mark.parametrize("code", FOREIGN)
def test_every_text_renders(code):
    spoken = language(code)
    for one, forms in messages().items():
        for number in (1, 5):
            text = spoken.ngettext(*forms, number) if len(forms) == 2 else spoken.gettext(one)
            source = forms[0] if number == 1 or len(forms) == 1 else forms[1]
            told = [place for place in PLACES.findall(source) if not place.startswith("%(unsaid")]
            assert sorted(PLACES.findall(text)) == sorted(told), one
            assert sorted(MARKS.findall(text)) == sorted(MARKS.findall(source)), one
            assert '"' not in text, one  # it may stand in an attribute
            shown = environment(spoken).from_string("{{ t }}").render(t=text % Anything() if "%(" in text else text)
            assert shown
            assert "%(" not in shown


@pytest.mark.parametrize("code", FOREIGN)
def test_what_is_the_same_as_in_english_is_so_on_purpose(code):
    same = {one for one, text in catalogue(code).items() if text == one}
    assert same <= {
        "%(num)s images", "%(number)s points", "±%(most)s points or more", "Classes", "Dates", "Land", "Licence", "Photo", "Radar", "Satellite", "no", "simple", "arrondissement", "commune", "district", "province", "village",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("code", "percent", "area", "thousands", "day", "points"),
    [
        ("en", "61%", "28.3 km²", "48,200", "3 May 2024", "+1.2 points"),
        ("de", "61 %", "28,3 km²", "48.200", "3. Mai 2024", "+1,2 Punkte"),
        ("es", "61 %", "28,3 km²", "48.200", "3 may 2024", "+1,2 puntos"),
        ("fr", "61 %", "28,3 km²", "48 200", "3 mai 2024", "+1,2 points"),
    ],
)
def test_numbers_and_days_as_people_write_them(code, percent, area, thousands, day, points):
    spoken = language(code)
    plain = [
        re.sub(r"[\xa0\u202f]", " ", text)
        for text in (
            spoken.percent(0.61),
            spoken.area(28.3e6),
            spoken.whole(48200),
            spoken.day(date(2024, 5, 3)),
            spoken.points(0.012),
        )
    ]
    assert plain == [percent, area, thousands, day, points]
    assert spoken.digits(0.004) == ("0.4" if code == "en" else "0,4")
    assert spoken.whole(1200) == {"en": "1,200", "de": "1.200", "es": "1200", "fr": "1\u202f200"}[code]


def test_moments_and_odds():
    assert ENGLISH.moment("2024-10-01T08:00:00+00:00").replace("\xa0", " ") == "1 Oct 2024, 08:00 UTC"
    assert ENGLISH.moment("once") == "once"
    assert [ENGLISH.odds(level) for level in (0.95, 0.9, 0.99)] == ["19 of 20", "9 of 10", "99 of 100"]
    with pytest.raises(ValueError, match="use one of en, de"):
        language("xx")


def written(result, spoken):
    preview = from_data(result, longest_px=120)
    found = report.summary(result).to_dict()
    found["files"] = {"map.png": "the maps as one picture", "districts.csv": "x", "share.png": "y"}
    return page(result, found, preview, photo=photo_rgb(preview), language=spoken)


@pytest.mark.parametrize("code", FOREIGN)
def test_warnings_are_told_in_the_language_and_what_only_english_says_is_marked(make, code):
    told = Caution("no-cloud-mask", "image A has no cloud mask, and too few bands to find clouds by: all pixels count as clear, clouds and their shadows too")  # fmt: skip
    quoted = Caution("image-left-out", "image A was left out: A.tif: 2,000 of 9,999 bytes came; ask again")
    html = written(dataclasses.replace(make(60, 70), warnings=(told, quoted)), language(code))
    assert f'<html lang="{code}" dir="ltr">' in html
    assert catalogue(code)[CODES["no-cloud-mask"]] in html
    assert told.text not in html
    assert '<span lang="en" dir="ltr">A.tif: 2,000 of 9,999 bytes came; ask again</span>' in html


@pytest.mark.parametrize("code", FOREIGN)
def test_what_has_a_template_is_told_in_the_language(code):
    spoken = language(code)
    for template in TEMPLATES:
        text = template % Anything()
        words = spoken.gettext(template)
        if "said" not in template:
            assert detail(text, spoken) == words % Anything()
            assert str(detail(f"before: {text}", spoken)).startswith(spoken.gettext("Before"))
    assert detail("nobody wrote this", spoken) is None
    assert detail(TEMPLATES[0] % Anything(), ENGLISH) == TEMPLATES[0] % Anything()


def test_what_an_image_lacks_is_told_without_english_words():
    text = "image A: band 8 not understood and not used; name the bands with --bands, '-' for one to leave out"
    assert str(detail(text, language("es"))).startswith("Imagen A: ")
    assert "not used" not in str(detail(text, language("es")))


ELSEWHERE = {
    "cli/cities.py:_stop_if_answered": "read from a summary",
    "core/stac.py:_warnings": "read from a store",
    "pipeline/plan_json.py:_plan": "read from a plan",
    "pipeline/plan_json.py:_scene": "read from a plan",
    "pipeline/planning.py:_planned": "of look_directions, mixed_platforms and try_model",
    "pipeline/restoration.py:account": "of cautions.append",
    "pipeline/result.py:write": "told on the terminal, where a report is made anew",
    "pipeline/restoration.py:_cut_out": "an error of restoration.cut_out",
    "store/_add.py:_store": "told on the terminal, where a file is added, with the file's name before it",
    "training/own/holdout.py:doubts": "told on the terminal, by train",
    "web/serve/questions.py:city": "read from a question",
}
"""Where cautions are made of a text of elsewhere, or told to nobody who reads a page."""


@pytest.mark.parametrize("code", FOREIGN)
def test_no_warning_or_note_of_the_sources_stays_english(code):
    """Whoever raises a new one writes its template, and what it says in other languages: see ``report/_details.py``."""
    made = [*sentences.warnings(), *sentences.notes()]
    assert len(made) > 90
    assert {where for where, found in made if not found} <= set(ELSEWHERE)
    english = {
        text: where
        for where, found in made
        if where not in ELSEWHERE
        for text in found
        if not all(known for _, known in pieces(text, language(code)))
    }
    assert english == {}


@pytest.mark.parametrize("code", FOREIGN)
def test_what_the_shipped_models_say_of_themselves_is_told_in_the_language(code):
    for model in models():
        card = model.card
        error = card.reference_error
        assert error is not None
        method = f"model: {error.method}; unseen: 12.3% of the land was not seen, and is taken to be anything from bare to green"
        for text in (card.description, card.training_data, error.source, method):
            told = pieces(text, language(code))
            assert [part for part, known in told if not known] == []
            assert "".join(part for part, _ in told) != text


def test_addresses_in_what_a_model_says_of_itself_are_links(make):
    card = dataclasses.replace(make(60, 70).card, description="a small network; see doi:10.5281/zenodo.4263842")
    html = written(dataclasses.replace(make(60, 70), card=card), ENGLISH)
    assert 'href="https://doi.org/10.5281/zenodo.4263842"' in html


def test_values_are_told_as_people_write_them():
    days = "the images span 3 May – 28 Sep 2024: the city may have changed in between"
    assert str(detail(language=language("de"), text=days)).replace("\xa0", " ").startswith(
        "Die Bilder stammen aus 3. Mai 2024 – 28. Sep. 2024"
    ) or "3. Mai 2024" in str(detail(language=language("de"), text=days))
    people = detail(
        language=language("es"), text="around 1,234.5 of 12,345 people no land was seen: they are in no figure"
    )
    assert "1234,5" in str(people)
    assert "12.345" in str(people)
    spring = detail(language=language("fr"), text="model m is used in another season (it learned from images of 24 July; most used here are more than 45 days away): what it says there was never checked, and there is no interval")  # fmt: skip
    assert "24 juillet" in str(spring).replace("\xa0", " ")


def test_a_list_that_was_cut_is_told_as_such_wherever_it_stands():
    text = f"degree of urbanisation not known of {truncate_list(list('abcdefg'), most=4)}: taken to be cities or towns; give Eurostat's table with --degurba"
    for code, cut in (
        ("de", "a, b, c, d … und 3 weitere"),
        ("es", "a, b, c, d … y 3 más"),
        ("fr", "a, b, c, d … et 3 de plus"),
    ):
        assert cut in str(detail(language=language(code), text=text))


def test_notes_that_stand_in_one_line_are_told_one_by_one():
    line = "limits from an OpenStreetMap extract of 2024-05-01; the limits surround 2.3 km² that are not part of them; nobody knows this"
    told = pieces(line, language("fr"))
    assert [known for _, known in told] == [True, False]
    assert told[1][0] == "nobody knows this"
    assert "2,3 km²" in told[0][0]
    assert detail(language=language("fr"), text="x; y") is None


def test_the_templates_are_those_of_the_sources():
    """Whoever words a warning anew has to word its template anew."""
    written = set()
    for path in Path(howgreen.__file__).parent.rglob("*.py"):
        if path.name != "_details.py":
            nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            written |= {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    told = [text for _, found in (*sentences.warnings(), *sentences.notes()) for text in found]
    for template, pattern in patterns():
        parts = (
            piece
            for part in PLACES.split(template.replace("%%", "%"))
            for piece in re.split(r"[:;] |\d? ?months? ", part)
        )
        longest = max(parts, key=len).strip()
        used = template in CARDS or any(pattern.search(text) for text in told) or any(longest in one for one in written)
        assert used, template


# ---- nothing bypasses the catalogue: a language that marks each of its texts, written from right to left ------------------


def pseudo() -> Language:
    """Every text between brackets, its letters with marks, its places and tags kept."""

    def marked(text: str) -> str:
        return (
            "⟦"
            + "".join(
                part if part.startswith(("%(", "{", "<")) else part.upper()
                for part in re.split(r"(%\(\w+\)s|\{\w+\}|</?\w+>)", text)
            )
            + "⟧"
        )

    return Language(
        code="ar",
        rtl=True,
        messages={
            one: marked(one) if len(forms) == 1 else tuple(map(marked, forms)) for one, forms in messages().items()
        },
    )


@pytest.mark.browser
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_right_to_left_and_nothing_bypasses_the_catalogue(browser, make, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(written(make(120, 140), pseudo()), encoding="utf-8")
    for width in (1400, 1000, 390):
        tab = browser.new_context(viewport={"width": width, "height": 900}, offline=True).new_page()
        tab.goto(path.as_uri())
        assert tab.evaluate("getComputedStyle(document.body).direction") == "rtl"
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        heading = tab.locator("h1").bounding_box()
        assert heading["x"] + heading["width"] > 0.85 * width
        number = tab.locator(".number bdi").bounding_box()
        assert number["x"] + number["width"] > 0.85 * width
        assert tab.locator(".stage").evaluate("stage => getComputedStyle(stage).direction") == "ltr"
        assert tab.evaluate(
            "[...document.querySelectorAll('svg text')].every(text => getComputedStyle(text).direction === 'ltr')"
        )
        tab.locator("[data-area=draw]").click()
        tab.locator(".guide").filter(has_text="⟦").wait_for()
    bare = tab.evaluate(
        """() => {
          const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
          const data = '[lang=en], .code, script, style, noscript, pre, h1 em, .brand, tbody th, .n, option, .tip, #quote, #citation, .sources, footer, dd, td, title, bdi';
          while (walker.nextNode()) {
            const node = walker.currentNode, text = node.textContent.trim();
            if (/\\p{L}{3}/u.test(text) && !text.includes('⟦') && !node.parentElement.closest(data)) {
              const near = node.parentElement.textContent;
              if (!near.includes('⟦')) found.push(text);
            }
          }
          for (const item of document.querySelectorAll('[aria-label], [alt], [placeholder], [data-hint-wheel]')) {
            for (const name of ['aria-label', 'alt', 'data-hint-wheel']) {
              const text = item.getAttribute(name);
              if (text && /\\p{L}{3}/u.test(text) && !text.includes('⟦')) found.push(`${name}: ${text}`);
            }
          }
          return found;
        }"""
    )
    of_the_model = {"bare or mixed", "grass and low plants", "fraction-mlp", "BibTeX"}
    inside_a_marked_text = {"THIS"}
    days = {text for text in bare if re.search(r"\b20\d\d$", text)}
    assert set(bare) <= of_the_model | inside_a_marked_text | days
