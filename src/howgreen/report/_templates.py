"""What renders the pages: templates of this folder, in a language, under a policy that loads nothing from elsewhere."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from howgreen.report import shades
from howgreen.report._details import told
from howgreen.report._links import linked

if TYPE_CHECKING:
    from types import CodeType

    from jinja2 import BytecodeCache, Environment
    from jinja2.bccache import Bucket

    from howgreen.report._language import Language


_PARTS = re.compile(r'{% (?:extends|include|from) "([^"]+)"')


def environment(language: Language, *, folder: str = "report") -> Environment:
    """Make what renders the templates of a folder in a language; everything is escaped, for names come from strangers' files."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("howgreen", folder),
        bytecode_cache=_compiled(),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.filters |= {
        "percent": language.percent,
        "digits": language.digits,
        "area": language.area,
        "points": language.points,
        "signed": language.signed,
        "tenth": language.tenth,
        "significant": language.significant,
        "whole": language.whole,
        "decimals": language.decimals,
        "moment": language.moment,
        "linked": linked,
        "told": lambda text: told(text, language),
        "stopped": stopped,
        "longest_word": longest_word,
        "ramp": shades.ramp,
    }
    made.policies["ext.i18n.trimmed"] = True
    made.install_gettext_callables(language.gettext, language.ngettext, newstyle=True)  # type: ignore[attr-defined]
    return made


@cache
def _compiled() -> BytecodeCache:
    """Make what keeps compiled templates while the program runs: compiling those of a report takes as long as filling them in."""
    from jinja2 import BytecodeCache

    class InMemory(BytecodeCache):
        def __init__(self) -> None:
            self._kept: dict[tuple[str, str], CodeType | None] = {}

        def load_bytecode(self, bucket: Bucket) -> None:
            bucket.code = self._kept.get((bucket.key, bucket.checksum))

        def dump_bytecode(self, bucket: Bucket) -> None:
            self._kept[bucket.key, bucket.checksum] = bucket.code

    return InMemory()


def compile_ahead(template: str, language: Language) -> None:
    """Compile a template, and those that it takes parts from, for :func:`whole_page`."""
    made, waiting, seen = environment(language), [template], set[str]()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        made.get_template(name)
        waiting += set(_PARTS.findall(text_of(name))) - seen


def whole_page(
    template: str,
    language: Language,
    values: Mapping[str, Any],
    *,
    scripts: Sequence[str] = (),
    styles: Sequence[str] = ("report.css",),
) -> str:
    """Render a page with its style, its script and its policy inside.

    Parameters
    ----------
    template
        One that extends ``base.html``.
    values
        What it shows; ``about`` (howgreen, synthetic, attributions) among it.
    scripts, styles
        Files of this folder, in their order.
    """
    script = "\n".join(map(text_of, scripts))
    around = {
        "tell": language,
        "script": script,
        "style": "".join(map(text_of, styles)),
        "policy": policy(script),
        "created": "",
    }
    text: str = environment(language).get_template(template).render(**{**around, **values})
    return text


def stopped(text: str) -> str:
    """End a text with a full stop, if it has none."""
    return text if not text or text[-1] in ".!?" else f"{text}."


def longest_word(names: Iterable[str], most: int = 16) -> int:
    """Count the letters of the longest word among names, so that a table can be wide enough for it; not more than ``most``.

    Examples
    --------
    >>> longest_word(["Old Town", "Baden-Baden"])
    6
    """
    return max((min(len(word), most) for name in names for word in re.split(r"[\s-]+", name)), default=0)


def text_of(name: str) -> str:
    """Read a file of this folder that is part of a page."""
    return files("howgreen.report").joinpath(name).read_text(encoding="utf-8")


def policy(script: str) -> str:
    """Nothing may be loaded, and no script may run but ours."""
    digest = b64encode(sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )
