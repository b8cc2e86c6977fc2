"""Rendering of the pages: templates of this folder, in a language, under a policy that loads nothing from elsewhere."""

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
    """Make the template environment of a folder in a language; everything is escaped, as names are untrusted."""
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
    """Make the cache of compiled templates for the process: compiling a report's takes as long as rendering them."""
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
    """Compile a template, and those that it includes, for :func:`whole_page`."""
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
    """Render a page with its style, script and policy embedded.

    Parameters
    ----------
    template
        One that extends ``base.html``.
    values
        Its values, including ``about`` (howgreen, synthetic, attributions).
    scripts, styles
        Files of this folder, in order.
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
    """Add a full stop to a text that has none."""
    return text if not text or text[-1] in ".!?" else f"{text}."


def longest_word(names: Iterable[str], most: int = 16) -> int:
    """Count the letters of the longest word in some names, for the width of a table; at most ``most``.

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
    """Return the policy: nothing may be loaded, and only our scripts may run."""
    digest = b64encode(sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )
