"""The texts of the page that are translated, as its sources have them; run as a program, it brings the catalogues up to date.

``python tests/report/messages.py`` adds what is new to ``locale/*.po``, untranslated, and takes out what is gone.
"""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path
from typing import get_args

import howgreen
from howgreen.change import NAMES
from howgreen.core.trends import Verdict
from howgreen.core.warnings import CODES
from howgreen.pipeline.restoration import NOTES, SOURCES
from howgreen.report import _change, _details, _people, _rasters, _restoration, _sections, _trend, _write, shades
from howgreen.restoration import AREAS

REPORT = Path(howgreen.__file__).parent / "report"
PYTHON = (
    "_change", "_language", "_map_layers", "_page", "_people", "_plates", "_poster", "_quote", "_restoration", "_share", "_tables",
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


def messages() -> dict[str, tuple[str, ...]]:
    """English text to its forms: one, or two where it has a plural."""
    from babel.messages.extract import extract
    from jinja2.ext import babel_extract

    keywords = {"_": None, "gettext": None, "ngettext": (1, 2)}
    found: dict[str, tuple[str, ...]] = {}
    for path in (REPORT / "base.html", REPORT / "template.html", *sorted((REPORT / "sections").glob("*.html"))):
        for _, _, text, _ in babel_extract(BytesIO(path.read_bytes()), keywords, [], {"trimmed": "true"}):
            _add(found, text)
    for name in PYTHON:
        for _, text, _, _ in extract("python", BytesIO((REPORT / f"{name}.py").read_bytes()), keywords=keywords):
            _add(found, text)
    for text in (
        *CODES.values(),
        *_details.TEMPLATES,
        *_write.OTHERS.values(),
        *_rasters.FILES.values(),
        *_people.FILES.values(),
        *_change.FILES.values(),
        *_trend.FILES.values(),
        _trend.OF_A_YEAR,
        *_restoration.FILES.values(),
        _sections.FIGURES,
        *NAMES,
        *get_args(Verdict),
        *get_args(_restoration.Verdict),
        *AREAS.values(),
        *NOTES,
        *SOURCES,
        *CLASSES,
        *COUNTED,
        *(kind for _, kind in shades.PHOTOS),
    ):
        _add(found, text)
    return found


def _add(found: dict[str, tuple[str, ...]], text: str | tuple[str, ...]) -> None:
    forms = (text,) if isinstance(text, str) else tuple(form for form in text if form)
    if forms and forms[0]:
        found[forms[0]] = max(found.get(forms[0], ()), forms, key=len)


def update(code: str, translations: dict[str, str | tuple[str, ...]] | None = None) -> list[str]:
    """Write a catalogue anew from the sources; return what it lacks."""
    from babel.messages.catalog import Catalog
    from babel.messages.pofile import write_po

    from howgreen.report._language import catalogue

    path = REPORT / "locale" / f"{code}.po"
    known: dict[str, str | tuple[str, ...]] = {**(catalogue(code) if path.exists() else {}), **(translations or {})}
    made = Catalog(
        locale=code,
        project="howgreen",
        version="",
        copyright_holder="",
        fuzzy=False,
        header_comment=f"# The report in {code}.",
    )
    missing = []
    for one, forms in messages().items():
        string = known.get(one, "" if len(forms) == 1 else ("", ""))
        made.add(one if len(forms) == 1 else forms, string)
        if not string or not all(string):
            missing.append(one)
    made._num_plurals = 2
    buffer = BytesIO()
    write_po(buffer, made, width=110, omit_header=True, sort_output=True)
    plural = "(n > 1)" if code == "fr" else "(n != 1)"
    fields = (
        "Content-Type: text/plain; charset=utf-8",
        f"Language: {code}",
        f"Plural-Forms: nplurals=2; plural={plural};",
    )
    head = (
        f'# The words of the report in {code}.\nmsgid ""\nmsgstr ""\n'
        + "".join(f'"{one}\\n"\n' for one in fields)
        + "\n"
    )
    path.write_text(head + buffer.getvalue().decode(), encoding="utf-8")
    return missing


if __name__ == "__main__":
    for language in ("de", "es", "fr"):
        lacking = update(language)
        sys.stdout.write(
            f"{language}: {len(lacking)} texts lack a translation\n" + "".join(f"  {text}\n" for text in lacking)
        )
