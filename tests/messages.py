"""The texts of the pages that are translated, as their sources have them; run as a program, it brings the catalogues up to date.

``python tests/messages.py`` adds what is new to ``locale/*.po`` of the report and of the ranking, untranslated, and takes out what is gone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import get_args

import howgreen
from howgreen.change import NAMES
from howgreen.compare import LEGENDS
from howgreen.core.trends import Verdict
from howgreen.core.warnings import CODES
from howgreen.pipeline.restoration import NOTES, SOURCES
from howgreen.report import (
    _agreement_maps,
    _change,
    _details,
    _layers,
    _people,
    _rasters,
    _restoration,
    _sections,
    _trend,
    _write,
    shades,
)
from howgreen.restoration import AREAS

HOUSE = Path(howgreen.__file__).parent
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2)}
FOREIGN = ("de", "es", "fr")
PYTHON = (
    "_change", "_language", "_layers_poster", "_map_layers", "_page", "_people", "_plates", "_poster", "_quote", "_restoration", "_share", "_tables",
    "_trend",
)  # fmt: skip
CLASSES = (
    "vegetation",
    "built",
    "bare",
    "dry plants",
    "water",
    "not green",
    "green",
    "trees",
    "tree",
    "grass",
    "built-up",
    "snow",
)
"""Names of the shipped models' classes; those of other models stay as their cards have them."""
COUNTED = ("canopy", "vegetation without cropland")
KINDS = (
    "city",
    "town",
    "village",
    "hamlet",
    "suburb",
    "quarter",
    "neighbourhood",
    "borough",
    "municipality",
    "commune",
    "arrondissement",
    "district",
    "county",
    "region",
    "province",
    "state",
    "country",
    "island",
    "administrative area",
    "census area",
    "circle",
    "boundary file",
    "drawn shape",
    "image footprint",
)
"""What places are; OpenStreetMap has rarer ones, which stay as they are."""
DESIGNS = ("stratified", "simple", "systematic")


Texts = dict[str, tuple[str, ...]]
"""English text to its forms: one, or two where it has a plural."""


def of_report() -> Texts:
    """Texts of a report: its templates, its code, and what other folders hand it."""
    folder = HOUSE / "report"
    pages = (
        folder / "base.html",
        folder / "template.html",
        folder / "plan.html",
        folder / "layers.html",
        *sorted((folder / "sections").glob("*.html")),
    )
    found = _written_in(pages, (folder / f"{name}.py" for name in PYTHON))
    for text in (
        *CODES.values(),
        *_details.TEMPLATES,
        *_details.CARDS,
        *_write.OTHERS.values(),
        *_rasters.FILES.values(),
        *_people.FILES.values(),
        *_change.FILES.values(),
        *_trend.FILES.values(),
        _trend.OF_A_YEAR,
        *_restoration.FILES.values(),
        _sections.FIGURES,
        _sections.MAPS,
        *NAMES,
        *get_args(Verdict),
        *get_args(_restoration.Verdict),
        *AREAS.values(),
        *NOTES,
        *SOURCES,
        *_of_other_maps(),
        *CLASSES,
        *COUNTED,
        *DESIGNS,
        *KINDS,
        *(kind for _, kind in shades.PHOTOS),
    ):
        _add(found, text)
    return found


def _of_other_maps() -> Iterator[str]:
    """Yield what the page of a comparison says of the maps beside ours; their names stay, but for a description that is one."""
    yield from _layers.FILES.values()
    yield from _layers.FIELDS.values()
    yield from (name for name, _ in _agreement_maps.SHOWN.values())
    yield LEGENDS["osm-green"].label
    for legend in LEGENDS.values():
        yield from (legend.detail, legend.note)
        for one in legend.classes:
            yield from (one.name, one.kind, one.why)


def of_ranking() -> Texts:
    """Texts of a ranking's page."""
    return _written_in([HOUSE / "batch" / "ranking.html"], [HOUSE / "batch" / "_page.py"])


def _written_in(pages: Iterable[Path], modules: Iterable[Path]) -> Texts:
    from babel.messages.extract import extract
    from jinja2.ext import babel_extract

    found: Texts = {}
    for path in pages:
        for _, _, text, _ in babel_extract(BytesIO(path.read_bytes()), KEYWORDS, [], {"trimmed": "true"}):
            _add(found, text)
    for path in modules:
        for _, text, _, _ in extract("python", BytesIO(path.read_bytes()), keywords=KEYWORDS):
            _add(found, text)
    return found


def _add(found: Texts, text: str | tuple[str, ...]) -> None:
    forms = (text,) if isinstance(text, str) else tuple(form for form in text if form)
    if forms and forms[0]:
        found[forms[0]] = max(found.get(forms[0], ()), forms, key=len)


CATALOGUES = {"report": ("the report", of_report), "batch": ("a ranking", of_ranking)}
"""By the folder that holds them: whose words they are, and where these stand."""


def update(folder: str, code: str) -> list[str]:
    """Write a catalogue anew from the sources; return what it lacks."""
    from babel.messages.catalog import Catalog
    from babel.messages.pofile import write_po

    from howgreen.report import catalogue

    whose, texts = CATALOGUES[folder]
    path = HOUSE / folder / "locale" / f"{code}.po"
    known = catalogue(code, folder=folder) if path.exists() else {}
    made, missing = Catalog(locale=code), []
    for one, forms in texts().items():
        string = known.get(one, "" if len(forms) == 1 else ("", ""))
        made.add(one if len(forms) == 1 else forms, string)
        if not string or not all(string):
            missing.append(one)
    made._num_plurals = 2
    buffer = BytesIO()
    write_po(buffer, made, width=110, omit_header=True, sort_output=True)
    plural = "(n > 1)" if code == "fr" else "(n != 1)"
    head = (
        f'# The words of {whose} in {code}.\nmsgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n'
        f'"Language: {code}\\n"\n"Plural-Forms: nplurals=2; plural={plural};\\n"\n\n'
    )
    path.parent.mkdir(exist_ok=True)
    path.write_text(head + buffer.getvalue().decode(), encoding="utf-8")
    return missing


if __name__ == "__main__":
    for name in CATALOGUES:
        for language in FOREIGN:
            lacking = update(name, language)
            sys.stdout.write(
                f"{name} in {language}: {len(lacking)} texts lack a translation\n"
                + "".join(f"  {text}\n" for text in lacking)
            )
