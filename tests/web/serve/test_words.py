"""Each string of the page exists in each language, with the same values in it, and each is used."""

from __future__ import annotations

import json
import re
from importlib.resources import files

import pytest

from howgreen.estimate.answers import CHANGE_LETTERS, LETTERS

STATIC = files("howgreen.web.serve") / "static"
LANGUAGES = ("en", "fr", "de", "es")
CATALOGUES = {one: json.loads((STATIC / "i18n" / f"{one}.json").read_text(encoding="utf-8")) for one in LANGUAGES}
SCRIPTS = {path.name: path.read_text(encoding="utf-8") for path in STATIC.iterdir() if path.name.endswith(".js")}
FAMILIES = ("how-", "stage-", "layer-", "class-")
"""Keys that a script puts together: the beginning of each."""
STATUSES = {"accepted", "running", "failed", "successful", "dismissed"}


def values(text: str) -> list[str]:
    return sorted(re.findall(r"\{(\w+)\}", text))


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_a_language_says_all_that_english_says_with_the_same_values(language):
    english, other = CATALOGUES["en"], CATALOGUES[language]
    assert other.keys() == english.keys()
    assert {key: values(text) for key, text in other.items()} == {key: values(text) for key, text in english.items()}
    same = [key for key, text in other.items() if text == english[key] and len(text) > 12]
    assert set(same) <= {"label-command", "layer-osm"}, "left in English"


def test_what_a_script_says_is_in_the_catalogue():
    said = {key for script in SCRIPTS.values() for key in re.findall(r'\bt\("([\w-]+)"', script)}
    assert said - CATALOGUES["en"].keys() == set()


def test_no_string_is_left_that_nobody_says():
    said = {key for script in SCRIPTS.values() for key in re.findall(r'"([\w-]+)"', script)}
    idle = {
        key for key in CATALOGUES["en"] if key.removesuffix("-one") not in said and not key.startswith(FAMILIES)
    } - STATUSES
    assert idle == set()


def test_nothing_is_loaded_from_elsewhere_and_nothing_of_a_stranger_becomes_html():
    for name, script in SCRIPTS.items():
        assert not re.search(r"https?://(?!www\.w3\.org)", script), name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", script), name
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|<style|style=|<script>|onload", page)
    assert "url(" not in (STATIC / "page.css").read_text(encoding="utf-8")


LOOKING = json.loads((files("howgreen.web") / "label-words.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_the_page_on_which_places_are_looked_at_says_all_in_each_language(language):
    english, other = LOOKING["en"], LOOKING[language]
    assert other.keys() == english.keys()
    assert {key: values(text) for key, text in other.items()} == {key: values(text) for key, text in english.items()}
    assert [key for key, text in other.items() if text == english[key] and len(text) > 5] == []


def test_each_word_of_that_page_is_used_and_each_use_has_its_word():
    script = (files("howgreen.web") / "label.js").read_text(encoding="utf-8")
    page = (files("howgreen.web") / "label.html").read_text(encoding="utf-8")
    said = set(re.findall(r'"([\w-]+)"', script)) | set(re.findall(r'data-(?:word|label)="([\w-]+)"', page))
    kinds = set(LETTERS.values()) | set(CHANGE_LETTERS.values())
    assert LOOKING["en"].keys() <= said | kinds
    assert kinds <= LOOKING["en"].keys()
    assert set(re.findall(r'\bw\("([\w-]+)"[,)]', script)) <= LOOKING["en"].keys()
    assert set(re.findall(r'data-(?:word|label)="([\w-]+)"', page)) <= LOOKING["en"].keys()


def test_the_page_knows_the_words_by_which_a_job_says_that_nobody_works():
    from howgreen.web.serve.jobs import UNATTENDED

    known = re.search(r'message\?\.includes\("([^"]+)"\)', SCRIPTS["run.js"])
    assert known is not None
    assert known[1] in UNATTENDED
