"""The texts of the ranking's page that are translated; run as a program, it brings the catalogues up to date.

``python tests/batch/ranking_messages.py`` adds what is new to ``batch/locale/*.po``, untranslated, and takes out what is gone.
"""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path

import howgreen

BATCH = Path(howgreen.__file__).parent / "batch"
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2)}


def messages() -> dict[str, tuple[str, ...]]:
    """English text to its forms: one, or two where it has a plural."""
    from babel.messages.extract import extract
    from jinja2.ext import babel_extract

    template = babel_extract(BytesIO((BATCH / "ranking.html").read_bytes()), KEYWORDS, [], {"trimmed": "true"})
    code = extract("python", BytesIO((BATCH / "page.py").read_bytes()), keywords=KEYWORDS)
    found: dict[str, tuple[str, ...]] = {}
    for text in (*(text for _, _, text, _ in template), *(text for _, text, _, _ in code)):
        forms = (text,) if isinstance(text, str) else tuple(form for form in text if form)
        found[forms[0]] = max(found.get(forms[0], ()), forms, key=len)
    return found


def update(code: str) -> list[str]:
    """Write a catalogue anew from the sources; return what it lacks."""
    from babel.messages.catalog import Catalog
    from babel.messages.pofile import write_po

    from howgreen.report import catalogue

    path = BATCH / "locale" / f"{code}.po"
    known = catalogue(code, folder="batch") if path.exists() else {}
    made, missing = Catalog(locale=code), []
    for one, forms in messages().items():
        string = known.get(one, "" if len(forms) == 1 else ("", ""))
        made.add(one if len(forms) == 1 else forms, string)
        if not string or not all(string):
            missing.append(one)
    made._num_plurals = 2
    buffer = BytesIO()
    write_po(buffer, made, width=110, omit_header=True, sort_output=True)
    plural = "(n > 1)" if code == "fr" else "(n != 1)"
    head = (
        f'# The words of a ranking in {code}.\nmsgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n'
        f'"Language: {code}\\n"\n"Plural-Forms: nplurals=2; plural={plural};\\n"\n\n'
    )
    path.parent.mkdir(exist_ok=True)
    path.write_text(head + buffer.getvalue().decode(), encoding="utf-8")
    return missing


if __name__ == "__main__":
    for language in ("de", "es", "fr"):
        lacking = update(language)
        sys.stdout.write(
            f"{language}: {len(lacking)} texts lack a translation\n" + "".join(f"  {text}\n" for text in lacking)
        )
